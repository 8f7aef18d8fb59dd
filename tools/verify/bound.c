/* bound.c - the true answers to a problem, and how far an honest one may be from them: the judge's rule for one
 * kernel, and what it leaves out: half precision, other orders of operations, a backward that reads what its own
 * forward saved.  What is the cell's own stands in bound_cell.c. */
#include "tools/verify/bound.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What f16 holds at most: where the truth is more than that, or nearly, an honest kernel may answer infinity. */
static const double MOST_HALF = 65504;

/* Where that is more, and a number. */
static void enlarge(double *bound, double may) { *bound = isfinite(may) ? fmax(*bound, may) : *bound; }

void bound_widen(struct problem *p, int part, const struct op_case *got, double scale)
{
    for (int i = 0; i < got->n; i++) {
        if (!problem_is_answer(p, part, i))
            continue;
        const double *truth = p->truth[part].arg[i];
        enlarge(&p->bound[part].bound[i], scale * op_error(got->arg[i], truth, got->size[i]));
        enlarge(&p->bound[part].rms_bound[i], scale * op_error_rms(got->arg[i], truth, got->size[i]));
    }
}

/* Where a bias is asked. */
static int asks_bias(const struct problem *p, int part, int i)
{
    return problem_is_answer(p, part, i) && p->bound[part].bias_bound[i] > 0;
}

static void widen_bias(struct problem *p, int part, const struct op_case *got, double scale)
{
    for (int i = 0; i < got->n; i++)
        if (asks_bias(p, part, i))
            enlarge(&p->bound[part].bias_bound[i], scale * fabs(op_bias(got->arg[i], p->truth[part].arg[i],
                                                                        op_before(&p->in[part], i), got->size[i])));
}

/* The same where errors may all have the direction of the truth: the bias is as large as they are. */
static void bound_aligned(struct problem *p, int part, const struct op_case *got, double scale)
{
    bound_widen(p, part, got, scale);
    for (int i = 0; i < got->n; i++)
        if (asks_bias(p, part, i))
            enlarge(&p->bound[part].bias_bound[i],
                    scale * op_error_rms(got->arg[i], p->truth[part].arg[i], got->size[i]));
}

/* Numbers below 6e-5 have fewer digits in f16, which bf16's bounds do not know: what rounding the truth errs, and its
 * bias, twice, as for bf16. */
static void bound_rounding(struct problem *p, int part)
{
    struct op_case rounded;
    op_case_copy(&rounded, &p->truth[part]);
    problem_to_half(&rounded);
    bound_widen(p, part, &rounded, 2);
    widen_bias(p, part, &rounded, 2);
    op_case_free(&rounded);
}

/* So has what a delta rule writes, u = beta r, which is an operand: below 2^-14 it may be off by 2^-25, and r by
 * 1 / beta of that.  S1, the sum of k u^T, is in float, and may be as small, where strengths and gates are.  Of one
 * token these errors have the direction of S1. */
static void bound_updates(struct problem *p, int part)
{
    static const double HALF_ULP = 1.0 / (1 << 25);
    const struct op_spec *op = &swax_ops[p->in[part].op];
    struct op_case got;
    uint64_t s = p->seed;
    if (strcmp(op->name, "delta_forward"))
        return;
    op_case_copy(&got, &p->in[part]);
    const int v = op_arg_find(op, "v");
    const double *beta = got.arg[op_arg_find(op, "beta")], *r = p->truth[part].arg[op_arg_find(op, "r")];
    const long V = op_extent(op, 'V', got.dims);
    for (long e = 0; e < got.size[v]; e++) {
        const double off = beta[e / V] == 0 ? 0 : fmin(fabs(r[e]), HALF_ULP / fabs(beta[e / V]));
        got.arg[v][e] += op_random(&s) >> 63 ? off : -off;
    }
    op_run(op_teller(&got), SWAX_PREC_F64, &got);
    bound_aligned(p, part, &got, 2);
    op_case_free(&got);
}

/* The rule for half precision: bf16's bounds, an eighth of them, but not below what float may err, nor below what f16
 * rounds away.  The bias stays bf16's: of operands that are alike it is one number's rounding, which in f16 may be as
 * large as in bf16, where that was near a number of bf16 by luck.  An eighth holds of roundings' size alone, and a bias
 * is never more than the RMS, which is an eighth. */
static void bound_half(struct problem *p, int part)
{
    struct op_verdict in_float;
    struct op_case again;
    op_truth(&again, &in_float, SWAX_PREC_F32, &p->in[part]);
    op_case_free(&again);
    for (int i = 0; i < p->in[part].n; i++) {
        p->bound[part].bound[i] = fmax(p->bound[part].bound[i] / 8, in_float.bound[i]);
        p->bound[part].rms_bound[i] = fmax(p->bound[part].rms_bound[i] / 8, in_float.rms_bound[i]);
    }
    bound_rounding(p, part);
    bound_updates(p, part);
}

/* ---- honest orders of operations: what any correct one errs, nobody is blamed for. Twice that, as FlashAttention's
 * rule has it: the orders that are tried are not the worst there are */

int bound_is_tame(const struct op_case *c)
{
    const int f = op_arg_find(&swax_ops[c->op], "f");
    for (long e = 0; f >= 0 && e < c->size[f]; e++)
        if (!(c->arg[f][e] > -50))
            return 0;
    return 1;
}

/* The largest sum of a sequence's logarithms of forget gates: what the parallel form takes differences of. */
static double largest_sum(const struct op_case *c)
{
    const struct op_spec *op = &swax_ops[c->op];
    const int f = op_arg_find(op, "f"), LOG = 3;
    const long T = op_extent(op, 'T', c->dims), H = op_extent(op, 'H', c->dims), rows = c->size[f] / T;
    double most = 0;
    for (long bh = 0; bh < rows; bh++) {
        double sum = 0;
        for (long t = 0; t < T; t++) {
            const double x = c->arg[f][(bh / H * T + t) * H + bh % H];
            sum += op_extent(op, 'g', c->dims) == LOG ? x : -log1p(exp(-x));
        }
        most = fmax(most, fabs(sum));
    }
    return most;
}

int order_is_honest(const struct fault *order, const struct problem *p)
{
    return !strcmp(order->op, p->subject.base) &&
           (order->kind != FAULT_SMALL_SUMS || largest_sum(&p->in[0]) <= BOUND_MOST_SUM);
}

static const double MOST_ORDERS = 2e9;    /* multiplications: a second or two of plain loops that keep their states */

/* What an honest order errs, run in that precision.  Its states count as they stand, in which an error of m is taken
 * out again, and as e^m C, where it shows: so those are judged who may keep another m.  What a float rounds may move
 * all of a tensor in one direction, as in ref/oracle/judge.c: a product of many decays is off by all of their
 * roundings, in every element. */
static void bound_order(struct problem *p, int part, const struct swax_tier *honest, enum swax_precision precision,
                        double scale)
{
    const struct op_case *c = &p->in[part];
    struct op_case got;
    if (!op_present(honest, precision, c->op))
        return;
    op_case_copy(&got, c);
    op_run(honest, precision, &got);
    bound_aligned(p, part, &got, scale);
    regauge(p, &got);
    bound_aligned(p, part, &got, scale);
    op_case_free(&got);
}

static int affords_orders(const struct problem *p, int part) { return case_orders(&p->in[part]) <= MOST_ORDERS; }

int bound_asks_orders(const struct problem *p, int part)
{
    const struct fault *order;
    struct swax_tier unused;
    int n = 0;
    for (int k = 0; (order = fault_none_f32(k, &unused)) && affords_orders(p, part); k++)
        n += !strcmp(order->op, p->subject.base);
    return n;
}

int bound_next_order(int k, const struct problem *p, int part, struct swax_tier *honest)
{
    const struct fault *order;
    if (!bound_is_tame(&p->in[part]) || !affords_orders(p, part))
        return -1;
    for (k++; (order = fault_none_f32(k, honest)); k++)
        if (order_is_honest(order, p))
            return k;
    return -1;
}

/* In double both what the orders err in double, and what they err in float at double's rounding: either may be small
 * by luck. */
static void bound_orders(struct problem *p, int part)
{
    struct swax_tier honest;
    const int twice = p->wish.dtype == DT_F64;
    for (int k = bound_next_order(-1, p, part, &honest); k >= 0; k = bound_next_order(k, p, part, &honest)) {
        bound_order(p, part, &honest, SWAX_PREC_F32, twice ? 2 * DBL_EPSILON / (double)FLT_EPSILON : 2);
        if (twice && fault_none_f64(k, &honest))
            bound_order(p, part, &honest, SWAX_PREC_F64, 2);
    }
}

/* ---- a backward that reads what its own forward saved: both are judged as one kernel, by ref/oracle/judge.c's rule,
 * its bias too: what a rounded forward makes of a normaliser is in a whole row of every gradient */

static void round_answers(struct op_case *c, enum swax_precision precision)
{
    for (int i = 0; i < c->n; i++)
        for (long e = 0; e < c->size[i] && c->arg[i] && op_answers(&swax_ops[c->op].arg[i]); e++)
            c->arg[i][e] = op_round(c->arg[i][e], swax_ops[c->op].arg[i].type, precision);
}

/* Run it on inputs which `off` may have moved, and keep what its gradients err, where that is more. */
static void run_chain(struct op_distance errs[OP_ARGS], const struct problem *p, const struct swax_tier *tier,
                      enum swax_precision run, enum swax_precision keeps, uint64_t *off)
{
    struct op_case f, b;
    op_case_copy(&f, &p->in[0]);
    op_case_copy(&b, &p->in[1]);
    if (off) {
        op_nudge(&f, keeps, off);
        op_nudge(&b, keeps, off);
    }
    for (int i = 0; i < f.n; i++) {
        const int j = op_arg_find(&swax_ops[b.op], swax_ops[f.op].arg[i].name);
        if (j >= 0 && f.arg[i] && b.arg[j] && swax_ops[f.op].arg[i].role == IN)
            memcpy(b.arg[j], f.arg[i], (size_t)b.size[j] * sizeof(double));
    }
    op_run(tier, run, &f);
    round_answers(&f, keeps);
    problem_chain(&b, &f);
    op_run(op_present(tier, run, b.op) ? tier : b.by, run, &b);
    round_answers(&b, keeps);
    for (int i = 0; i < b.n; i++)
        if (problem_is_answer(p, 1, i))
            op_distance_add(&errs[i], b.arg[i], p->truth[1].arg[i], op_before(&p->in[1], i), b.size[i]);
    op_case_free(&f);
    op_case_free(&b);
}

/* In float: the reference, and the honest kernels of the library of faults, which sum in another order.  In the type of
 * the case: the truth of inputs that are off by one rounding. */
static void bound_chain(struct problem *p)
{
    static const double plain_times[DTYPES] = { 8, 8 * DBL_EPSILON / (double)FLT_EPSILON, 8, 8 },
                        times[DTYPES] = { 8, 8, 3, 3.0 / 8 };
    const enum swax_precision precision = dtype_precision(p->wish.dtype);
    struct op_distance plain[OP_ARGS] = {{0}}, moved[OP_ARGS] = {{0}};
    struct swax_tier honest;
    uint64_t s = p->seed;
    run_chain(plain, p, p->in[1].by, SWAX_PREC_F32, SWAX_PREC_F32, NULL);
    for (int k = bound_next_order(-1, p, 0, &honest); k >= 0; k = bound_next_order(k, p, 0, &honest))
        run_chain(plain, p, &honest, SWAX_PREC_F32, SWAX_PREC_F32, NULL);
    for (int k = op_nudges(&p->in[1]); k > 0; k--)
        run_chain(moved, p, p->in[1].by, SWAX_PREC_F64, precision, &s);
    for (int i = 0; i < p->in[1].n; i++) {
        const double scale = plain_times[p->wish.dtype], by = times[p->wish.dtype];
        struct op_verdict *v = &p->bound[1];
        if (!problem_is_answer(p, 1, i))
            continue;
        enlarge(&v->bound[i], fmax(scale * plain[i].most, by * moved[i].most));
        enlarge(&v->rms_bound[i], fmax(scale * plain[i].rms, by * moved[i].rms));
        if (v->bias_bound[i] > 0)
            enlarge(&v->bias_bound[i], op_bounds(&plain[i], &moved[i], &swax_ops[p->in[1].op].arg[i], 0, precision,
                                                 p->truth[1].arg[i], op_before(&p->in[1], i), p->in[1].size[i]).bias);
    }
}

/* Where another tier tells the truth, its float sums in parts, and is not the plain loop that ref/oracle/judge.c takes
 * for honest: of kernels without honest orders of their own the reference is run in float too, which sums in turn. */
static void bound_plain_loop(struct problem *p, int part)
{
    const struct swax_tier *reference = swax_tiers[0];
    if (p->in[part].by == reference || bound_asks_orders(p, part) || !affords_orders(p, part))
        return;
    bound_order(p, part, reference, SWAX_PREC_F32, p->wish.dtype == DT_F64 ? 8 * DBL_EPSILON / (double)FLT_EPSILON : 8);
}

/* A truth that another tier tells in double errs as a candidate in double may. */
static void bound_teller(struct problem *p, int part)
{
    for (int i = 0; i < p->in[part].n; i++) {
        p->bound[part].bound[i] *= 2;
        p->bound[part].rms_bound[i] *= 2;
    }
}

void problem_in_reach(const struct problem *p, struct op_case *c)
{
    for (int i = 0; i < c->n && p->wish.dtype == DT_F16; i++)
        for (long e = 0;
             e < c->size[i] && c->arg[i] && op_answers(&swax_ops[c->op].arg[i]) && swax_ops[c->op].arg[i].type == REAL;
             e++)
            c->arg[i][e] = c->arg[i][e] > MOST_HALF ? MOST_HALF : c->arg[i][e] < -MOST_HALF ? -MOST_HALF : c->arg[i][e];
}

void problem_solve(struct problem *p)
{
    const enum swax_precision precision = dtype_precision(p->wish.dtype);
    for (int part = 0; part < p->subject.n; part++) {
        if (part && p->wish.chained)    /* else whoever answered has read what is there */
            problem_chain(&p->in[1], &p->truth[0]);
        op_truth(&p->truth[part], &p->bound[part], precision, &p->in[part]);
        if (p->wish.dtype == DT_F16)
            bound_half(p, part);
        if (p->wish.dtype == DT_F64 && p->in[part].by != swax_tiers[0])
            bound_teller(p, part);
        bound_orders(p, part);
        bound_plain_loop(p, part);
    }
    if (p->subject.n == 2 && p->wish.chained)
        bound_chain(p);
    bound_sums(p);
    bound_normaliser(p);
    for (int part = 0; part < p->subject.n; part++)
        problem_in_reach(p, &p->truth[part]);
}
