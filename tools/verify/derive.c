/* derive.c - a fault of a forward, and the gradient that it truly has.
 *
 * Who writes a wrong forward in a language that differentiates by itself gets its derivative as the backward, which
 * is neither the right one nor the one that somebody would have written by hand. Here it is the difference of the
 * wrong forward, element by element: exact to nine digits or so, which is enough to tell it from all others. */
#include "tools/verify/causes.h"

#include <math.h>
#include <string.h>

/* The forward's argument of which that is the gradient, or -1. */
static int of_input(const struct problem *p, int i)
{
    const struct op_arg *a = &swax_ops[p->in[1].op].arg[i];
    const int of = a->role == ADD && p->in[1].arg[i] ? op_arg_find(&swax_ops[p->in[0].op], a->name + 1) : -1;
    return of >= 0 && p->in[0].arg[of] ? of : -1;
}

int derive_has(int k, const struct problem *p)
{
    struct swax_tier tier;
    return p->subject.n == 2 && fault_f64(k, &tier) && op_present(&tier, SWAX_PREC_F64, p->subject.op[0]);
}

double derive_costs(const struct problem *p)
{
    double elements = 0;
    for (int i = 0; i < p->in[1].n; i++)
        elements += of_input(p, i) >= 0 ? (double)p->in[1].size[i] : 0;
    return elements * 4 * (case_work(&p->in[0]) + 4 * case_numbers(&p->in[0]) + 4000);
}

/* <dy, y> over all outputs that have a cotangent. States are in the gauge of `base`: what stands for e^m C does not
 * move with m. */
static double loss(const struct problem *p, const struct op_case *y, const struct op_case *base)
{
    const struct op_spec *op = &swax_ops[y->op];
    const int m1 = op_arg_find(op, "m1");
    double sum = 0;
    for (int i = 0; i < y->n; i++) {
        char name[OP_WORD + 1];
        snprintf(name, sizeof name, "d%s", op->arg[i].name);
        const int d = op_arg_find(&swax_ops[p->in[1].op], name);
        const double *dy = d < 0 ? NULL : p->in[1].arg[d];
        const int state = m1 >= 0 && (!strcmp(op->arg[i].name, "C1") || !strcmp(op->arg[i].name, "n1"));
        const long head = state ? y->size[i] / y->size[m1] : 1;
        for (long e = 0; e < y->size[i] && op->arg[i].role == OUT && dy; e++) {
            const double gauge = state ? exp(y->arg[m1][e / head] - base->arg[m1][e / head]) : 1;
            sum += dy[e] * (y->arg[i][e] * gauge - base->arg[i][e]);
        }
    }
    return sum;
}

/* The derivative by element e of input `of`, by five points. */
static double slope(const struct swax_tier *tier, const struct problem *p, const struct op_case *base, int of, long e)
{
    static const double weight[4] = {1. / 12, -8. / 12, 8. / 12, -1. / 12}, at[4] = {-2, -1, 1, 2};
    const double h = 1e-3 * fmax(fabs(p->in[0].arg[of][e]), 0.1);
    double sum = 0;
    for (int k = 0; k < 4; k++) {
        struct op_case c;
        op_case_copy(&c, &p->in[0]);
        c.arg[of][e] += at[k] * h;
        op_run(tier, SWAX_PREC_F64, &c);
        sum += weight[k] / h * loss(p, &c, base);
        op_case_free(&c);
    }
    return sum;
}

void derive_run(int k, const struct problem *p, struct op_case says[PARTS])
{
    struct swax_tier tier;
    fault_f64(k, &tier);
    op_case_copy(&says[0], &p->in[0]);
    op_run(&tier, SWAX_PREC_F64, &says[0]);
    op_case_copy(&says[1], &p->in[1]);
    for (int i = 0; i < says[1].n; i++) {
        const int of = of_input(p, i);
        for (long e = 0; e < says[1].size[i] && of >= 0; e++)
            says[1].arg[i][e] += slope(&tier, p, &says[0], of, e);
    }
}
