/* cases.c - see cases.h. */
#include "tests/cases.h"
#include "tests/suite.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double *case_arg(const struct op_case *c, const char *name)
{
    const int i = op_arg_find(&swax_ops[c->op], name);
    ck_assert_each(i >= 0, "%s has no argument %s", swax_ops[c->op].name, name);
    return c->arg[i];
}

long case_size(const struct op_case *c, const char *name) { return c->size[op_arg_find(&swax_ops[c->op], name)]; }

int case_dim(const struct op_case *c, char letter) { return (int)op_extent(&swax_ops[c->op], letter, c->dims); }

void case_like(struct op_case *to, const char *name, const struct op_case *from)
{
    const struct op_spec *is = &swax_ops[from->op], *op = &swax_ops[op_find(name)];
    unsigned optional = 0;
    memset(to, 0, sizeof *to);
    to->op = op_find(name);
    memcpy(to->dims, from->dims, sizeof to->dims);
    op_default_scalars(to);
    if (op_scalars(is))
        memcpy(to->scalar, from->scalar, sizeof to->scalar);
    for (int i = 0; i < op_args(op); i++) {
        const int j = op_arg_find(is, op->arg[i].name);
        if (op->arg[i].role == OUT || (j >= 0 && from->arg[j]))
            optional |= 1u << op->arg[i].optional;
    }
    op_case_alloc(to, optional);
    for (int i = 0; i < to->n; i++) {
        const int j = op_arg_find(is, op->arg[i].name);
        if (j >= 0 && from->arg[j] && to->arg[i])
            memcpy(to->arg[i], from->arg[j], (size_t)to->size[i] * sizeof(double));
    }
}

void case_cut(struct op_case *to, const struct op_case *from, int b, int t0, int t1, int cached)
{
    const struct op_spec *op = &swax_ops[from->op];
    const int T = case_dim(from, 'T');
    unsigned optional = 0;
    memset(to, 0, sizeof *to);
    to->op = from->op;
    memcpy(to->scalar, from->scalar, sizeof to->scalar);
    for (int i = 0; op->dims[i]; i++)
        to->dims[i] = op->dims[i] == 'B' ? 1 : op->dims[i] == 'T' ? t1 - t0 : op->dims[i] == 'S' ? cached + t1 - t0
                    : from->dims[i];
    for (int i = 0; i < from->n; i++)
        optional |= (from->arg[i] ? 1u : 0) << op->arg[i].optional;
    op_case_alloc(to, optional);
    for (int i = 0; i < to->n; i++) {
        const char second = op->arg[i].shape[1];
        const long share = from->size[i] / case_dim(from, 'B');
        if (!to->arg[i] || strchr(op->arg[i].shape, 'c'))
            continue;
        const double *at = from->arg[i] + (op->arg[i].shape[0] == 'B' ? b * share : 0);
        if (second == 'T')
            at += t0 * (share / T);
        if (second == 'S')
            at += (case_dim(from, 'S') - T + t0 - cached) * (share / case_dim(from, 'S'));
        for (long e = 0; e < to->size[i]; e++)
            to->arg[i][e] = at[e] - (op->arg[i].type == INT ? t0 : 0);
    }
}

void case_give(struct op_case *c, const char *name, const double *values)
{
    const int i = op_arg_find(&swax_ops[c->op], name);
    free(c->arg[i]);
    c->arg[i] = calloc((size_t)c->size[i], sizeof(double));
    if (values)
        memcpy(c->arg[i], values, (size_t)c->size[i] * sizeof(double));
}

void case_drop(struct op_case *c, const char *name)
{
    const int i = op_arg_find(&swax_ops[c->op], name);
    free(c->arg[i]);
    c->arg[i] = NULL;
}

void case_draw(struct op_case *c, const char *op, uint64_t seed, enum op_family family)
{
    op_case_make(c, op_find(op), seed, family, 10, SWAX_PREC_F64);
    if (swax_ops[c->op].kind == OF_CELL)
        c->scalar[0] = 0;
    for (int i = 0; i < c->n; i++)
        if (swax_ops[c->op].arg[i].role == ADD && c->arg[i])
            case_give(c, swax_ops[c->op].arg[i].name, NULL);
}

void case_refresh(struct op_case *backward)
{
    struct op_case f;
    case_like(&f, swax_ops[op_forward_of(backward->op)].name, backward);
    case_run(&f);
    for (int i = 0; i < f.n; i++)
        if (swax_ops[f.op].arg[i].role == OUT && op_arg_find(&swax_ops[backward->op], swax_ops[f.op].arg[i].name) >= 0)
            case_give(backward, swax_ops[f.op].arg[i].name, f.arg[i]);
    op_case_free(&f);
}

void case_scale(struct op_case *c, const char *name, double factor)
{
    for (long e = 0; e < case_size(c, name); e++)
        case_arg(c, name)[e] *= factor;
}

double case_inner(const struct op_case *c, const char *a, const char *b)
{
    double sum = 0;
    for (long e = 0; e < case_size(c, a); e++)
        sum += case_arg(c, a)[e] * case_arg(c, b)[e];
    return sum;
}

double case_inner_size(const struct op_case *c, const char *a, const char *b)
{
    double sum = 0;
    for (long e = 0; e < case_size(c, a); e++)
        sum += fabs(case_arg(c, a)[e] * case_arg(c, b)[e]);
    return sum;
}

int case_same(const struct op_case *a, const struct op_case *b, const char *name)
{
    return !memcmp(case_arg(a, name), case_arg(b, name), (size_t)case_size(a, name) * sizeof(double));
}

void case_run(struct op_case *c)
{
    ck_assert_msg(!op_run(swax_tiers[0], SWAX_PREC_F64, c), "%s", c->trouble);
}

double largest(const double *a, long n)
{
    double most = 0;
    for (long e = 0; e < n; e++)
        most = fmax(most, fabs(a[e]));
    return most;
}

double apart(const double *a, const double *b, long n, double scale)
{
    double most = 0;
    for (long e = 0; e < n; e++) {
        if (!(fabs(a[e] - b[e]) <= INFINITY))
            return INFINITY;
        most = fmax(most, fabs(a[e] - b[e]));
        scale = fmax(scale, fabs(b[e]));
    }
    return most > 0 ? most / scale : 0;
}
