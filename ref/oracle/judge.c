/* judge.c - how far a kernel may be from the truth.  No tolerance is set by hand.
 *
 *   truth      the reference in double
 *   honest     the larger of
 *                what the reference in float errs against the truth, and
 *                what the truth itself moves by when every number that the kernel reads is off by one rounding
 *                of its type: no kernel can know its inputs better, and where terms cancel the reference alone
 *                may be right by luck, and
 *                one rounding of the terms that cancel inside a kernel, where no input shows it: ref/oracle/terms.c
 *   fp32       error <= K max(honest, one ulp)
 *   fp64       the same with the float error scaled by eps64/eps32: a rounding is 1e-16 then, a wrong index 1e-2
 *   integers   where a kernel only adds and multiplies, small integers leave nothing to round: error = 0
 *   bf16       FlashAttention's rule: at most 2 times (gradients: 3 times) the error of an honest bf16 evaluation,
 *              which is the truth of inputs that are off by one rounding of their type - this stands for the
 *              operands (softmax weights, their gradients, states) that a tensor core takes in bf16, each of which
 *              is multiplied with an input -, its outputs rounded to theirs; and of the cell and the delta rule,
 *              whose chunks are longer chains of products, that chain as it is rounded: ref/oracle/operands.c.
 *              By RMS: never more than that either, or 5e-3 (gradients 1e-2, the forget gate's 2e-2), whichever is
 *              the larger.
 *              As a whole: rounding has no direction, so the projection of the error on the truth is at most 4 times
 *              that of the honest evaluations, or twice what n independent errors of the RMS bound's size leave, or
 *              twice what operands leave that are rounded alike: ref/oracle/operands.c.  What the exponentials of
 *              gates err, which have a direction, comes on top: ref/oracle/exponentials.c.  And what float errs
 *              may have one.
 *
 * "The reference" is another tier's double where a case says so (op_case.by): one that check_tiers holds to the
 * reference.
 *
 * K is 8: an order of summation, a fused multiply-add, an exp of 2 ulp instead of half a ulp change the rounding
 * error by small factors; the worst of the vectorised kernels is reported by check_tiers.  Missing terms, wrong
 * indices or an eps off by 10 % stand nine orders of magnitude above it in double. */
#include "ref/oracle/inside.h"
#include "ref/bf16.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double K = 8;

/* ---- the distance */

/* |a - t|, or infinite where a is not what t is */
static double off(double a, double t)
{
    if (isfinite(t))
        return isfinite(a) ? fabs(a - t) : (double)INFINITY;
    return (isnan(t) && isnan(a)) || a == t ? 0 : (double)INFINITY;
}

/* fmax, unless a is NaN, in loops over elements: the library's takes a call */
static double larger(double a, double b) { return b > a ? b : a; }

double op_largest(const double *a, long n)
{
    double most = 0;
    for (long e = 0; e < n; e++)
        most = isfinite(a[e]) ? larger(most, fabs(a[e])) : most;
    return most;
}

/* What an error is measured by: the largest element, or the RMS; 1 where all are 0. */
static double unit(const double *a, long n)
{
    const double most = op_largest(a, n);
    return most > 0 ? most : 1;
}

static double unit_rms(const double *a, long n)
{
    const double most = unit(a, n);    /* divided by first, so that no square overflows or vanishes */
    double sum = 0;
    for (long e = 0; e < n; e++)
        sum += isfinite(a[e]) ? a[e] / most * (a[e] / most) : 0;
    return sum > 0 ? most * sqrt(sum / (double)n) : 1;
}

double op_error(const double *a, const double *truth, long n)
{
    double error = 0;
    for (long e = 0; e < n; e++)
        error = larger(error, off(a[e], truth[e]));
    return error / unit(truth, n);
}

double op_error_rms(const double *a, const double *truth, long n)
{
    const double most = unit_rms(truth, n);
    double sum = 0;
    for (long e = 0; e < n; e++)
        sum += off(a[e], truth[e]) / most * (off(a[e], truth[e]) / most);
    return sqrt(sum / (double)n);
}

double op_bias(const double *a, const double *truth, const double *before, long n)
{
    double most = 0, along = 0, square = 0;
    for (long e = 0; e < n; e++)
        most = isfinite(truth[e]) ? larger(most, fabs(truth[e] - (before ? before[e] : 0))) : most;
    for (long e = 0; e < n && most > 0; e++) {
        const double w = (truth[e] - (before ? before[e] : 0)) / most;
        if (!isfinite(w) || !isfinite(a[e]))
            continue;
        along += (a[e] - truth[e]) / most * w;
        square += w * w;
    }
    return square > 0 ? along / square : 0;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What the projection of n errors is of their RMS, which is relative to the truth's, if they are independent where the
 * truth differs: elements that should be equal come of the same operations, and are rounded alike. */
static double scatter(const double *truth, const double *before, long n)
{
    double most = 0, square = 0, fourth = 0;
    for (long e = 0; e < n; e++)
        most = isfinite(truth[e]) ? larger(most, fabs(truth[e] - (before ? before[e] : 0))) : most;
    if (!(most > 0))
        return 0;
    double *w = op_take((size_t)n, sizeof *w);
    for (long e = 0; e < n; e++)
        w[e] = isfinite(truth[e]) ? fabs(truth[e] - (before ? before[e] : 0)) / most : 0;
    qsort(w, (size_t)n, sizeof *w, by_value);
    for (long e = 0; e < n;) {
        double alike = 0;
        const double value = w[e];
        for (; e < n && w[e] <= value * (1 + 1e-12); e++)
            alike += w[e] * w[e];
        square += alike;
        fourth += alike * alike;
    }
    free(w);
    return unit_rms(truth, n) / (most * sqrt(square / (double)n)) * sqrt(fourth) / square;
}

/* ---- honesty */

/* The relative error of one rounding to that type, at most; in double one ulp, since half of one is lost in x (1 +
 * u). */
static double rounding(enum op_type type, enum swax_precision precision)
{
    if (type == DOUBLE || precision == SWAX_PREC_F64)
        return DBL_EPSILON;
    return type == REAL && precision == SWAX_PREC_BF16 ? 1.0 / 256 : (double)FLT_EPSILON / 2;
}

/* The smallest number of that type, which is its rounding error near 0. */
static double smallest(enum op_type type, enum swax_precision precision)
{
    if (type == DOUBLE || precision == SWAX_PREC_F64)
        return ldexp(1, -1074);
    return ldexp(1, type == REAL && precision == SWAX_PREC_BF16 ? -133 : -149);
}

void op_nudge_numbers(double *a, long n, enum op_type type, enum swax_precision precision, uint64_t *s)
{
    const double u = rounding(type, precision), least = smallest(type, precision);
    for (long e = 0; e < n && type != INT; e++) {
        const double by = a[e] == 0 || isinf(a[e]) ? 0 : larger(u * fabs(a[e]), least);
        a[e] += s ? (op_random(s) >> 63 ? by : -by) : a[e] > 0 ? by : -by;
    }
}

void op_nudge(struct op_case *c, enum swax_precision precision, uint64_t *s)
{
    const struct op_spec *op = &swax_ops[c->op];
    for (int i = 0; i < c->n; i++)
        if (c->arg[i] && op->arg[i].role != OUT && op->arg[i].role != SCRATCH)
            op_nudge_numbers(c->arg[i], c->size[i], op->arg[i].type, precision, s);
    for (int i = 0; i < op_scalars(op); i++)
        c->scalar[i] *= 1 + (!s || op_random(s) >> 63 ? DBL_EPSILON : -DBL_EPSILON);
}

void op_distance_add(struct op_distance *h, const double *got, const double *truth, const double *before, long n)
{
    h->most = fmax(h->most, op_error(got, truth, n));
    h->rms = fmax(h->rms, op_error_rms(got, truth, n));
    h->bias = fmax(h->bias, fabs(op_bias(got, truth, before, n)));
}

const struct swax_tier *op_teller(const struct op_case *c) { return c->by ? c->by : swax_tiers[0]; }

const double *op_before(const struct op_case *c, int i)
{
    return swax_ops[c->op].arg[i].role == ADD ? c->arg[i] : NULL;
}

/* every output's errors, where they are larger than what stands there; c is what `got` was run on */
static void enlarge(struct op_distance *e, const struct op_case *got, const struct op_case *truth,
                    const struct op_case *c)
{
    for (int i = 0; i < got->n; i++)
        if (got->arg[i] && op_answers(&swax_ops[got->op].arg[i]))
            op_distance_add(&e[i], got->arg[i], truth->arg[i], op_before(c, i), got->size[i]);
}

/* What the reference errs in float. */
static void measure_plain(struct op_distance *e, const struct op_case *c, const struct op_case *truth)
{
    struct op_case got;
    op_case_copy(&got, c);
    op_run(op_teller(c), SWAX_PREC_F32, &got);
    enlarge(e, &got, truth, c);
    op_case_free(&got);
}

int op_nudges(const struct op_case *c)
{
    long numbers = 0;
    for (int i = 0; i < c->n; i++)
        numbers += c->size[i];
    return numbers < 5000 ? 6 : 2;
}

/* What one rounding of every input does; in bf16, of the outputs too.  In the last of the nudges all move away from
 * zero: the two factors of a lone product, which may cancel in all the others, then add up.  That one has a direction,
 * which rounding has not, so its bias does not count. */
static void measure_nudged(struct op_distance *err, const struct op_case *c, const struct op_case *truth,
                           enum swax_precision precision)
{
    uint64_t s = 1;
    for (int k = op_nudges(c); k >= 0; k--) {
        struct op_case got;
        op_case_copy(&got, c);
        op_nudge(&got, precision, k ? &s : NULL);
        op_run(op_teller(c), SWAX_PREC_F64, &got);
        if (precision == SWAX_PREC_BF16)
            op_case_round(&got, precision);
        double bias[OP_ARGS];
        for (int i = 0; i < got.n; i++)
            bias[i] = err[i].bias;
        enlarge(err, &got, truth, c);
        for (int i = 0; i < got.n && !k; i++)
            err[i].bias = bias[i];
        op_case_free(&got);
    }
}

/* ---- the bound */

/* Nothing to round: only + and *, on small integers, with a result that bf16 can hold if it must. */
static int is_exact(const struct op_case *c, const struct op_case *truth, enum swax_precision precision)
{
    const struct op_spec *op = &swax_ops[c->op];
    if (!op->exact)
        return 0;
    for (int i = 0; i < c->n; i++)
        for (long e = 0; e < c->size[i] && c->arg[i]; e++) {
            const double x = op->arg[i].type == INT || op->arg[i].role == OUT ? 0 : c->arg[i][e];
            if (x != floor(x) || fabs(x) > 4 || (precision == SWAX_PREC_BF16 && fabs(truth->arg[i][e]) > 256))
                return 0;
        }
    return 1;
}

/* `plain`: what the reference in float errs; `nudged`: what one rounding of every input does. */
static double bound(double plain, double nudged, const struct op_arg *a, long inputs, enum swax_precision precision,
                    double floor16)
{
    const double eps32 = (double)FLT_EPSILON;
    if (a->type == DOUBLE)   /* a sum in double: both builds of the reference make one error, which shows in neither */
        return K * fmax(plain, DBL_EPSILON * sqrt((double)inputs));
    if (precision == SWAX_PREC_F64)
        return K * fmax(fmax(plain, eps32) * (DBL_EPSILON / eps32), nudged);
    if (precision == SWAX_PREC_F32)
        return K * fmax(fmax(plain, eps32), nudged);
    return fmax(K * fmax(plain, eps32), fmax((a->role == ADD ? 3 : 2) * nudged, a->type == REAL ? floor16 : 0));
}

struct op_distance op_bounds(const struct op_distance *plain, const struct op_distance *nudged, const struct op_arg *a,
                             long inputs, enum swax_precision precision, const double *truth, const double *before,
                             long n)
{
    const double rms16 = a->role != ADD ? 5e-3 : strcmp(a->name, "df") ? 1e-2 : 2e-2;
    struct op_distance most;
    most.most = bound(plain->most, nudged->most, a, inputs, precision, a->role == ADD ? 3.0/256 : 2.0/256);
    most.rms = bound(plain->rms, nudged->rms, a, inputs, precision, rms16);
    most.bias = precision != SWAX_PREC_BF16
                  ? 0
                  : fmax(4 * fmax(plain->bias, nudged->bias), 2 * most.rms * scatter(truth, before, n));
    if (most.bias > 0)    /* what a float rounds may move everything in one direction: a constant, one exponential */
        most.bias = fmax(most.bias, fmax((double)FLT_EPSILON, K * plain->rms));
    return most;
}

void op_truth(struct op_case *truth, struct op_verdict *v, enum swax_precision precision, const struct op_case *c)
{
    const struct op_spec *op = &swax_ops[c->op];
    struct op_distance plain[OP_ARGS] = { { 0 } }, nudged[OP_ARGS] = { { 0 } };
    struct op_distance faded[OP_ARGS] = { { 0 } }, rounded[OP_ARGS] = { { 0 } };
    double size[OP_ARGS] = { 0 };
    long inputs = 0;
    memset(v, 0, sizeof *v);
    op_case_copy(truth, c);
    op_run(op_teller(c), SWAX_PREC_F64, truth);
    if (is_exact(c, truth, precision))
        return;
    measure_plain(plain, c, truth);
    measure_nudged(nudged, c, truth, precision);
    op_terms(size, c, truth);
    if (precision == SWAX_PREC_BF16) {
        op_operands(rounded, c, truth);
        op_exponentials(faded, c, truth);
    }
    for (int i = 0; i < c->n; i++)
        inputs += op->arg[i].role == IN ? c->size[i] : 0;
    for (int i = 0; i < c->n; i++) {
        const struct op_arg *a = &op->arg[i];
        if (!op_answers(a) || !c->arg[i])
            continue;
        const double u = rounding(STAT, precision) * size[i];
        const struct op_distance *of = &rounded[i];
        nudged[i].most = fmax(fmax(nudged[i].most, of->most), fmax(faded[i].most, u / unit(truth->arg[i], c->size[i])));
        nudged[i].rms = fmax(fmax(nudged[i].rms, of->rms), fmax(faded[i].rms, u / unit_rms(truth->arg[i], c->size[i])));
        const struct op_distance most =
            op_bounds(&plain[i], &nudged[i], a, inputs, precision, truth->arg[i], op_before(c, i), c->size[i]);
        v->bound[i] = fmax(most.most, 2 * of->bias);    /* all may be off by as much as their projection is */
        v->rms_bound[i] = fmax(most.rms, 2 * of->bias);
        v->bias_bound[i] = most.bias > 0 ? fmax(most.bias, 2 * of->bias) + faded[i].bias : 0;
    }
}

int op_within(const struct op_verdict *v, int i)
{
    return isfinite(v->error[i]) && v->error[i] <= v->bound[i] && v->rms[i] <= v->rms_bound[i]
        && (v->bias_bound[i] <= 0 || v->bias[i] <= v->bias_bound[i]);
}

int op_compare(struct op_verdict *v, const struct op_case *got, const struct op_case *truth, const struct op_case *c)
{
    struct op_distance e[OP_ARGS] = { { 0 } };
    int worst = -1;
    enlarge(e, got, truth, c);
    for (int i = got->n - 1; i >= 0; i--) {
        v->error[i] = e[i].most;
        v->rms[i] = e[i].rms;
        v->bias[i] = e[i].bias;
        worst = op_within(v, i) ? worst : i;
    }
    return worst;
}

int op_judge(struct op_verdict *v, const struct swax_tier *tier, enum swax_precision precision, const struct op_case *c)
{
    struct op_case truth, got;
    op_truth(&truth, v, precision, c);
    op_case_copy(&got, c);
    const char *trouble = op_run(tier, precision, &got);
    int worst = op_compare(v, &got, &truth, c);
    if (trouble) {
        memcpy(v->trouble, got.trouble, sizeof v->trouble);
        worst = 0;
    }
    op_case_free(&truth);
    op_case_free(&got);
    return worst;
}

/* ---- one precision or another */

int op_offers(const struct swax_tier *tier, enum swax_precision precision)
{
    return precision == SWAX_PREC_F32 ? tier->f32 != NULL
         : precision == SWAX_PREC_F64 ? tier->f64 != NULL : tier->bf16 != NULL;
}

int op_present(const struct swax_tier *tier, enum swax_precision precision, int op)
{
    return precision == SWAX_PREC_F32 ? op_present_f32(tier, op)
         : precision == SWAX_PREC_F64 ? op_present_f64(tier, op) : op_present_bf16(tier, op);
}

const char *op_run(const struct swax_tier *tier, enum swax_precision precision, struct op_case *c)
{
    return precision == SWAX_PREC_F32 ? op_run_f32(tier, c)
         : precision == SWAX_PREC_F64 ? op_run_f64(tier, c) : op_run_bf16(tier, c);
}

void op_call(const struct swax_tier *tier, enum swax_precision precision, int op, void **a, const int *dims,
             const double *scalar)
{
    (precision == SWAX_PREC_F32   ? op_call_f32
     : precision == SWAX_PREC_F64 ? op_call_f64
                                  : op_call_bf16)(tier, op, a, dims, scalar);
}
