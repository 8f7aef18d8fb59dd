/* inputs.c - the numbers of one input, by seed and family: what each family makes of each kind of argument. */
#include "ref/oracle/inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double op_between(uint64_t *s, double from, double to) { return from + (to - from) * op_uniform(s); }

uint64_t op_stream(uint64_t seed, const char *name)
{
    for (; *name; name++)
        seed = (seed ^ (unsigned char)*name) * 0x100000001b3;
    return op_random(&seed);
}

/* ---- integers: tokens, targets, documents */

static void draw_documents(double *start, int B, int T, uint64_t *s)
{
    static const double cuts[] = { 0, 0.05, 0.3, 0.3, 1 };   /* how likely a document begins at a token */
    const double cut = cuts[op_random(s) % 5];
    for (int b = 0; b < B; b++) {
        double first = op_uniform(s) < 0.5 ? 0 : -1 - floor(op_between(s, 0, 9));
        for (int t = 0; t < T; t++) {
            if (t && op_uniform(s) < cut)
                first = t;
            start[(long)b*T + t] = first;
        }
    }
}

static void draw_integers(struct op_case *c, int i, uint64_t *s)
{
    const struct op_spec *op = &swax_ops[c->op];
    if (!strcmp(op->arg[i].name, "start")) {
        draw_documents(c->arg[i], c->dims[0], c->dims[1], s);
        return;
    }
    const double V = (double)op_extent(op, 'V', c->dims);
    const double ignored[] = { -1, -100, V, V + 7 };
    const int targets = !strcmp(op->arg[i].name, "target");
    for (long e = 0; e < c->size[i]; e++)
        c->arg[i][e] = targets && op_uniform(s) < 0.25 ? ignored[op_random(s) % 4] : floor(op_between(s, 0, V));
}

/* ---- the cell's gates and state */

static double gate(char name, enum op_family family, double bias, uint64_t *s)
{
    const double x = op_normal(s), u = op_uniform(s);
    if (family == OP_SATURATED)
        return u < 0.5 ? -15 : 15;
    if (family == OP_HUGE)
        return 15 * x;
    if (name == 'i')
        return family == OP_COLD || (family == OP_OPEN && bias != 0) ? -10 + x : bias + x;
    switch (family) {
    case OP_COLD: return op_between(s, 3, 6);
    case OP_OPEN: return 15 - u / 8;
    case OP_SHUT: return u < 0.2 ? -15 + x / 2 : 5 + x;
    case OP_CLOSED: return -8 + x / 2;
    default:      return bias + x;
    }
}

static void draw_gates(struct op_case *c, int i, enum op_family family, uint64_t *s)
{
    static const double i_bias[] = { 0, 0, -3, 6 }, f_bias[] = { 4.5, 3, 6, 0 };
    const char name = swax_ops[c->op].arg[i].name[0];
    const uint64_t r = op_random(s) % (family == OP_TINY ? 3 : 4);    /* a state that fades would be tinier still */
    const double bias = (name == 'i' ? i_bias : f_bias)[r];
    for (long e = 0; e < c->size[i]; e++)
        c->arg[i][e] = gate(name, family, bias, s);
    for (long e = 0; e < c->size[i] && op_extent(&swax_ops[c->op], 'g', c->dims) == LOG; e++)
        c->arg[i][e] = -log1p(exp(-c->arg[i][e])); /* a gate that is given as its logarithm is below 1 all the same */
}

/* ---- everything else */

/* Inputs proper, as against weights and cotangents: where the families huge and tiny bite. */
static int is_data(const char *name) { return !name[1] && strchr("xqkvgab", name[0]); }

static double element(const char *name, enum op_family family, enum swax_precision p, uint64_t *s)
{
    const double x = op_normal(s);
    if (family == OP_INTEGERS)   /* their sums of products stay below 256, bf16's last exact integer */
        return p == SWAX_PREC_BF16 ? floor(op_between(s, -1, 2)) : floor(op_between(s, -2, 3));
    if (family == OP_HUGE && is_data(name))
        return x * (strchr("qk", name[0]) ? 10 : name[0] == 'v' ? 1 : 300);
    if (family == OP_TINY && is_data(name))
        return ldexp(x, -126 - (int)op_between(s, 0, 20));
    return x;
}

/* What the last letter of the shape runs over is a row. */
static void shape_rows(struct op_case *c, int i, enum op_family family, uint64_t *s)
{
    const struct op_spec *op = &swax_ops[c->op];
    const char *shape = op->arg[i].shape;
    double *a = c->arg[i];
    const long row = shape[0] && shape[1] ? op_extent(op, shape[strlen(shape) - 1], c->dims) : 1;
    const int constant = op_uniform(s) < 0.5;
    for (long r = 0; r < c->size[i]; r += row) {
        const long hot = (long)op_between(s, 0, (double)row);
        for (long j = 0; j < row; j++)
            if (family == OP_EQUAL)
                a[r + j] = constant ? a[0] : a[j];
            else if (row > 1)
                a[r + j] = j == hot;
    }
}

/* What a norm divides by is eps where a row's mean square, here 1e-8 to 1, is below it. */
static void shrink_rows(struct op_case *c, int i, uint64_t *s)
{
    const struct op_spec *op = &swax_ops[c->op];
    const long row = op_extent(op, op->arg[i].shape[strlen(op->arg[i].shape) - 1], c->dims);
    for (long r = 0; r < c->size[i]; r += row) {
        const double by = exp(-log(1e4) * op_uniform(s));
        for (long e = r; e < r + row; e++)
            c->arg[i][e] *= by;
    }
}

/* A mean that is large beside the spread: a variance that is taken as a difference of two means loses its digits. */
static void lift_rows(struct op_case *c, int i, enum swax_precision p)
{
    for (long e = 0; e < c->size[i]; e++)
        c->arg[i][e] += p == SWAX_PREC_BF16 ? 1200 : 76800;    /* 4 and 256 times the spread */
}

/* Logits: as they are, all far below 0, and the first or the last of a row far above the others. */
static void lift_logits(struct op_case *c, int i)
{
    const long row = op_extent(&swax_ops[c->op], 'V', c->dims);
    for (long r = 0; r < c->size[i] / row; r++) {
        double *x = &c->arg[i][r * row];
        for (long j = 0; j < row && r % 4 == 1; j++)
            x[j] -= 2000;
        x[r % 4 == 2 ? 0 : row - 1] += r % 4 >= 2 ? 2000 : 0;
    }
}

static void draw_numbers(struct op_case *c, int i, enum op_family family, enum swax_precision p, uint64_t *s)
{
    const struct op_arg *arg = &swax_ops[c->op].arg[i];
    for (long e = 0; e < c->size[i]; e++)
        c->arg[i][e] = element(arg->name, family, p, s);
    if (family == OP_COLD && arg->name[0] == 'x')
        shrink_rows(c, i, s);
    if (family == OP_HUGE && arg->name[0] == 'x' && op_arg_find(&swax_ops[c->op], "mean") >= 0)
        lift_rows(c, i, p);
    if (family == OP_HUGE && arg->name[0] == 'x' && op_arg_find(&swax_ops[c->op], "target") >= 0)
        lift_logits(c, i);
    if ((family == OP_EQUAL || family == OP_ONEHOT) && is_data(arg->name))
        shape_rows(c, i, family, s);
}

/* ---- the delta rule's keys, values and gates.  Answers 0 where an argument is drawn as any other. */

enum { IN_TURN = 4 };    /* keys of a converged state */

/* Rows of length 1, where one is not all 0. */
static void unit_rows(double *a, long n, long row)
{
    for (long r = 0; r < n; r += row) {
        double squares = 0;
        for (long e = r; e < r + row; e++)
            squares += a[e] * a[e];
        for (long e = r; e < r + row && squares > 0; e++)
            a[e] /= sqrt(squares);
    }
}

/* The token of a row of an argument (B,T,heads,row). */
static long token_of(const struct op_case *c, const struct op_arg *arg, long r, long row)
{
    const struct op_spec *op = &swax_ops[c->op];
    return r / (row * op_extent(op, arg->shape[2], c->dims)) % op_extent(op, 'T', c->dims);
}

static void draw_keys(struct op_case *c, int i, enum op_family family, enum swax_precision p, uint64_t *s)
{
    const struct op_arg *arg = &swax_ops[c->op].arg[i];
    const long row = op_extent(&swax_ops[c->op], 'K', c->dims), keys = arg->name[0] == 'k';
    double *a = c->arg[i];
    draw_numbers(c, i, family == OP_EQUAL || family == OP_ONEHOT ? family : OP_GAUSS, p, s);
    for (long r = row; r < c->size[i] && keys && family == OP_COLLINEAR; r += row)
        for (long e = 0; e < row; e++)
            a[r + e] = a[e] + 0.1 * a[r + e];
    for (long r = 0; r < c->size[i] && keys && family == OP_CONVERGED; r += row)
        for (long e = 0; e < row; e++)
            a[r + e] = e == token_of(c, arg, r, row) % IN_TURN % row;
    unit_rows(a, c->size[i], row);
}

/* A gate's logarithm; `at` counts gates, of one token or of one channel after the other. */
static double log_gate(enum op_family family, long at, long T, uint64_t *s)
{
    static const double spikes[] = { -30, -1e3, -1e4, -1e6 };
    const double x = op_normal(s), u = op_uniform(s);
    switch (family) {
    case OP_UNDECAYED: return 0;
    case OP_BOUND:     return -5;
    case OP_MIXED:     return at % 2 ? -5 : -0.01 * fabs(x);
    case OP_CLOSED:    return -8 + x / 2;
    case OP_SHUT:      return u < 0.2 ? -15 + x / 2 : -0.1 * fabs(x);
    case OP_LONE:      return -25 * 2 * u / (double)T;
    case OP_SPIKE:     return u < 1.0 / 16 ? spikes[op_random(s) % 4] : -0.01 * fabs(x);
    case OP_HUGE:      return -15 * fabs(x);
    case OP_OPEN: case OP_COLLINEAR: case OP_REFLECT: case OP_CONVERGED:
        return -1e-3 * fabs(x);
    default:           return -log1p(exp(-x));
    }
}

/* Among open gates and shut ones there are tokens that write nothing. */
static double strength(enum op_family family, double top, uint64_t *s)
{
    const double x = top / (1 + exp(-op_normal(s)));
    const int few = family == OP_OPEN || family == OP_SHUT;
    return few && x < top / 4     ? 0
         : family == OP_COLLINEAR || family == OP_CONVERGED ? 1
         : family == OP_REFLECT                             ? 2
         : family == OP_LONE                                ? 0.01
                                                            : x;
}

static int draw_delta(struct op_case *c, int i, enum op_family family, enum swax_precision p, uint64_t *s)
{
    const struct op_spec *op = &swax_ops[c->op];
    const struct op_arg *arg = &op->arg[i];
    const long T = op_extent(op, 'T', c->dims), J = op_extent(op, 'J', c->dims);
    const double top = op_uniform(s) < 0.5 ? 1 : 2;
    if (!strcmp(arg->name, "q") || !strcmp(arg->name, "k"))
        draw_keys(c, i, family, p, s);
    else if (!strcmp(arg->name, "g"))
        for (long e = 0; e < c->size[i]; e++)
            c->arg[i][e] = log_gate(family, J > 1 ? e % J : token_of(c, arg, e, J), T, s);
    else if (!strcmp(arg->name, "beta"))
        for (long e = 0; e < c->size[i]; e++)
            c->arg[i][e] = strength(family, top, s);
    else if (!strcmp(arg->name, "v") && family == OP_CONVERGED) {
        const long row = op_extent(op, 'V', c->dims);
        for (long e = 0; e < c->size[i]; e++)    /* a value for each key, which drifts by a thousandth */
            c->arg[i][e] = sin((double)(1 + e % row + 7 * (token_of(c, arg, e, row) % IN_TURN))) + 1e-3 * op_normal(s);
    } else if (!strcmp(arg->name, "v") && family == OP_LONE)
        memset(c->arg[i], 0, (size_t)c->size[i] * sizeof(double));
    else
        return 0;
    return 1;
}

void op_draw_input(struct op_case *c, int i, const struct draw *d)
{
    const struct op_spec *op = &swax_ops[c->op];
    const struct op_arg *arg = &op->arg[i];
    uint64_t s = op_stream(d->seed, arg->name);
    const int cell = op->kind == OF_CELL, optimiser = op->kind == OF_OPTIMISER;
    if (arg->type == INT)
        draw_integers(c, i, &s);
    else if (op->kind == OF_DELTA && draw_delta(c, i, d->family, d->inputs, &s))
        ;
    else if (cell && (!strcmp(arg->name, "i") || !strcmp(arg->name, "f")))
        draw_gates(c, i, d->family, &s);
    else
        draw_numbers(c, i, d->family, d->inputs, &s);
    for (long e = 0; e < c->size[i]; e++) {
        double *x = &c->arg[i][e];
        if (!strcmp(arg->name, "m0"))
            *x *= 3;
        if (optimiser && (arg->name[0] == 'v' || arg->name[0] == 's'))
            *x *= *x;    /* second moments and the squared norm are not negative */
        if (optimiser && arg->name[0] == 's' && *x > 0.45)
            *x *= 100;    /* half of the norms are above most clips */
        *x = op_round(*x, arg->type, d->inputs);
    }
}
