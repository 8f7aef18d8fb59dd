/* check_grad.c - every backward kernel of the reference against its forward.
 *
 * For random inputs x, a random cotangent dy and a random direction u of one input at a time,
 *
 *     <dx, u>   must equal   d/dh <dy, forward(x + h u)>   at h = 0.
 *
 * The right side is a five-point difference in double, with the step at which it changes least when the step is
 * quartered; that change says how much of it can be believed.  Names wire it up: d<a> of a backward is the gradient
 * of what its forward calls <a>.  Gradients start from noise, so that a backward which overwrites is caught.
 *
 * The cell's C1, n1 mean e^m1 C1, e^m1 n1, and their gradients are those at fixed m1: they are brought to the
 * unperturbed m1 before they are compared.  Its eps is 0 here, because the contract's backward holds m constant
 * (kernels.h); a direction across the normaliser's tie has no derivative and is left out, and counted. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ref/oracle/oracle.h"
#include "tests/shared.h"
#include "tests/suite.h"

static const double LIMIT = 1e-8, VANISHING = 1e-5;   /* of what the terms of <dy, y> add up to */
enum { STEPS = 8 };    /* 1/16, 1/64, .. 4e-6 */

/* what the children tell the parent, per kernel */
static struct { long directions, skipped, vanishing, blurred, rows[2]; double worst; } *told;

static int output_gradient(const struct op_spec *bw, const char *name)
{
    char d[32];
    snprintf(d, sizeof d, "d%s", name);
    return op_arg_find(bw, d);
}

/* <dy, y - base> over all outputs that have a cotangent, the cell's state in the gauge of base; *size grows by the
 * sizes of the terms of <dy, base>. */
static double loss(const struct op_case *y, const struct op_case *base, const struct op_case *g, double *size)
{
    const struct op_spec *fw = &swax_ops[y->op], *bw = &swax_ops[g->op];
    const int m1 = op_arg_find(fw, "m1");
    double sum = 0;
    for (int i = 0; i < y->n; i++) {
        const int d = output_gradient(bw, fw->arg[i].name);
        if (fw->arg[i].role != OUT || d < 0 || !g->arg[d])
            continue;
        const int state = !strcmp(fw->arg[i].name, "C1") || !strcmp(fw->arg[i].name, "n1");
        const long per_head = state ? y->size[i] / y->size[m1] : 1;
        for (long e = 0; e < y->size[i]; e++) {
            const double gauge = state ? exp(y->arg[m1][e / per_head] - base->arg[m1][e / per_head]) : 1;
            sum += g->arg[d][e] * (y->arg[i][e] * gauge - base->arg[i][e]);
            *size += fabs(g->arg[d][e] * base->arg[i][e]);
        }
    }
    return sum;
}

/* Is row r on the normaliser's |qn| branch? */
static int branch(const struct op_case *y, long r)
{
    const struct op_spec *fw = &swax_ops[y->op];
    return fabs(y->arg[op_arg_find(fw, "qn")][r]) > exp(-y->arg[op_arg_find(fw, "m")][r]);
}

static int same_branches(const struct op_case *a, const struct op_case *b)
{
    const int m = op_arg_find(&swax_ops[a->op], "m");
    for (long r = 0; m >= 0 && r < a->size[m]; r++)
        if (branch(a, r) != branch(b, r))
            return 0;
    return 1;
}

static void run(struct op_case *c)
{
    ck_assert_each(!op_run(swax_tiers[0], SWAX_PREC_F64, c), "%s", c->trouble);
}

/* One forward problem and its backward: what both start from, and what came out of them. */
struct problem { struct op_case x, y, noise, gradient; };

/* d/dh loss(x + h u) by five points h apart; NaN where they lie on both sides of a tie. */
static double difference(const struct problem *p, int input, const double *u, double h, double *size)
{
    static const double weight[4] = { 1./12, -8./12, 8./12, -1./12 }, at[4] = { -2, -1, 1, 2 };
    double sum = 0;
    *size = 0;
    for (int k = 0; k < 4; k++) {
        struct op_case c;
        op_case_copy(&c, &p->x);
        for (long e = 0; e < c.size[input]; e++)
            c.arg[input][e] += at[k] * h * u[e];
        run(&c);
        sum += weight[k] / h * loss(&c, &p->y, &p->noise, size);
        sum = same_branches(&c, &p->y) ? sum : (double)NAN;
        op_case_free(&c);
    }
    return sum;
}

/* The gradient argument d<input> of the backward along one random direction. */
static void check_direction(const struct problem *p, int gradient, uint64_t *s, const char *where)
{
    const int op = p->gradient.op, input = op_arg_find(&swax_ops[p->x.op], swax_ops[op].arg[gradient].name + 1);
    ck_assert_msg(input >= 0, "%s: %s is nobody's gradient", swax_ops[op].name, swax_ops[op].arg[gradient].name);
    double *u = malloc((size_t)p->x.size[input] * sizeof *u), analytic = 0, terms = 0;
    for (long e = 0; e < p->x.size[input]; e++) {
        u[e] = op_normal(s);
        const double term = (p->gradient.arg[gradient][e] - p->noise.arg[gradient][e]) * u[e];
        analytic += term;
        terms += term * term;
    }

    double at[STEPS], h[STEPS], numeric = NAN, doubt = INFINITY, size;
    for (int k = 0; k < STEPS; k++) {
        h[k] = ldexp(1, -4 - 2*k);
        at[k] = difference(p, input, u, h[k], &size);
    }
    /* From step to step truncation shrinks by 256.  Neither side is known better than its rounding. */
    for (int k = 1; k + 1 < STEPS; k++) {
        const double change = fmax(fabs(at[k+1] - at[k]), fabs(at[k] - at[k-1]) / 64);
        const double d = 2 * fmax(change, DBL_EPSILON * size / h[k+1]);
        if (isfinite(at[k-1] + at[k] + at[k+1]) && d < doubt)
            numeric = at[k+1], doubt = d;
    }
    free(u);

    const double scale = fmax(sqrt(terms), fabs(analytic)), error = fabs(analytic - numeric);
    told[op].directions++;
    if (isnan(numeric)) {
        told[op].skipped++;
        return;
    }
    if (scale < VANISHING * size)
        told[op].vanishing++;
    else if (doubt > LIMIT * scale)
        told[op].blurred++;
    else
        told[op].worst = fmax(told[op].worst, error / scale);
    ck_assert_each(error <= LIMIT * scale + doubt, "%s: %s, analytic %.12g, numeric %.12g, give or take %.1g", where,
                   swax_ops[op].arg[gradient].name, analytic, numeric, doubt);
}

static void check_case(int bw, int fw, uint64_t seed, enum op_family family)
{
    struct problem p;
    char where[256];
    unsigned optional = 0;
    op_case_make(&p.gradient, bw, seed, family, 6, SWAX_PREC_F64);
    for (int i = 0; i < p.gradient.n; i++)
        optional |= (p.gradient.arg[i] ? 1u : 0) << swax_ops[bw].arg[i].optional;
    if (op_arg_find(&swax_ops[bw], "qn") >= 0) {    /* again, without the eps that the seed drew */
        op_case_free(&p.gradient);
        p.gradient.scalar[0] = 0;
        op_draw(&p.gradient, seed, family, optional, SWAX_PREC_F64);
    }
    memset(&p.x, 0, sizeof p.x);
    p.x.op = fw;
    memcpy(p.x.dims, p.gradient.dims, sizeof p.x.dims);
    op_default_scalars(&p.x);
    if (op_scalars(&swax_ops[bw]))
        memcpy(p.x.scalar, p.gradient.scalar, sizeof p.x.scalar);
    op_draw(&p.x, seed, family, optional, SWAX_PREC_F64);    /* the inputs that the backward has, by name and seed */
    op_case_copy(&p.y, &p.x);
    op_case_copy(&p.noise, &p.gradient);
    run(&p.y);
    run(&p.gradient);

    op_case_describe(&p.gradient, where, sizeof where - 40);
    snprintf(where + strlen(where), 40, ", %s, seed %llu", op_family_name[family], (unsigned long long)seed);
    uint64_t s = seed;
    for (int i = 0; i < p.gradient.n; i++)
        if (swax_ops[bw].arg[i].role == ADD && p.gradient.arg[i])
            check_direction(&p, i, &s, where);

    const int m = op_arg_find(&swax_ops[fw], "m");
    for (long r = 0; m >= 0 && r < p.y.size[m] && p.y.dims[6] != 1; r++)    /* not where the gate has no normaliser */
        told[bw].rows[branch(&p.y, r)]++;
    op_case_free(&p.x);
    op_case_free(&p.y);
    op_case_free(&p.noise);
    op_case_free(&p.gradient);
}

/* Not of huge and tiny numbers, nor of a norm's rows that are shorter than a step. */
static int has_differences(int op, int family)
{
    const int short_rows = family == OP_COLD && op_arg_find(&swax_ops[op], "rstd") >= 0;
    return family != OP_HUGE && family != OP_TINY && !short_rows && op_family_fits(op, family);
}

START_TEST(one_backward)
{
    const int fw = op_forward_of(_i);
    for (int family = 0; family < OP_FAMILIES && fw >= 0; family++)
        for (uint64_t seed = 1; seed <= 60 && has_differences(_i, family); seed++)
            check_case(_i, fw, seed, family);
    if (fw < 0)
        return;
    ck_assert_msg(told[_i].directions >= 60, "%s: only %ld directions", swax_ops[_i].name, told[_i].directions);
    ck_assert_msg(told[_i].skipped * 10 <= told[_i].directions, "%s: %ld of %ld directions cross the tie",
                  swax_ops[_i].name, told[_i].skipped, told[_i].directions);
    ck_assert_msg(told[_i].blurred * 10 <= told[_i].directions, "%s: %ld of %ld differences cannot be believed",
                  swax_ops[_i].name, told[_i].blurred, told[_i].directions);
    if (op_arg_find(&swax_ops[_i], "qn") >= 0)
        ck_assert_msg(told[_i].rows[0] >= 1000 && told[_i].rows[1] >= 1000,
                      "the normaliser's branches were visited %ld and %ld times", told[_i].rows[0], told[_i].rows[1]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gradients");
    TCase *tc = tcase_create("backward");
    told = shared_memory((size_t)swax_n_ops * sizeof *told);
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, one_backward, 0, swax_n_ops);
    suite_add_tcase(s, tc);
    const int failed = suite_ends(s);
    for (int op = 0; op < swax_n_ops; op++)
        if (told[op].directions)
            printf("%-18s %5ld directions, worst relative error %.1e; %ld vanish, %ld across a tie, %ld in doubt\n",
                   swax_ops[op].name, told[op].directions, told[op].worst, told[op].vanishing, told[op].skipped,
                   told[op].blurred);
    const int cell = op_find("mlstm_backward");
    printf("normaliser: %ld rows on exp(-m), %ld on |q.n|\n", told[cell].rows[0], told[cell].rows[1]);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
