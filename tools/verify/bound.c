/* bound.c - the true answers to a problem, and how far an honest one may be from them: the judge's rule for one
 * kernel, and what it leaves out: half precision, other orders of operations, a backward that reads what its own
 * forward saved. */
#include "tools/verify/verify.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lib/sort.h"

/* What f16 holds at most: where the truth is more than that, or nearly, an honest kernel may answer infinity. */
static const double MOST_HALF = 65504;

/* The bound is `scale` times what these answers err, if that is more. */
static void widen(struct problem *p, int part, const struct op_case *got, double scale)
{
    for (int i = 0; i < got->n; i++) {
        if (!problem_is_answer(p, part, i))
            continue;
        const double most = scale * op_error(got->arg[i], p->truth[part].arg[i], got->size[i]);
        const double rms = scale * op_error_rms(got->arg[i], p->truth[part].arg[i], got->size[i]);
        double *bound = &p->bound[part].bound[i], *rms_bound = &p->bound[part].rms_bound[i];
        *bound = isfinite(most) ? fmax(*bound, most) : *bound;
        *rms_bound = isfinite(rms) ? fmax(*rms_bound, rms) : *rms_bound;
    }
}

static void widen_bias(struct problem *p, int part, const struct op_case *got, double scale)
{
    const struct op_case *c = &p->in[part];
    for (int i = 0; i < got->n; i++) {
        double *bound = &p->bound[part].bias_bound[i];
        if (!problem_is_answer(p, part, i) || *bound <= 0)
            continue;
        const double *before = swax_ops[c->op].arg[i].role == ADD ? c->arg[i] : NULL;
        const double bias = scale * fabs(op_bias(got->arg[i], p->truth[part].arg[i], before, got->size[i]));
        *bound = isfinite(bias) ? fmax(*bound, bias) : *bound;
    }
}

/* Numbers below 6e-5 have fewer digits in f16, which bf16's bounds do not know: what rounding the truth errs, and its
 * bias, twice, as for bf16. */
static void bound_rounding(struct problem *p, int part)
{
    struct op_case rounded;
    op_case_copy(&rounded, &p->truth[part]);
    problem_to_half(&rounded);
    widen(p, part, &rounded, 2);
    widen_bias(p, part, &rounded, 2);
    op_case_free(&rounded);
}

/* The rule for half precision: bf16's bounds, an eighth of them, but not below what float may err, nor below what f16
 * rounds away. */
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
}

/* ---- honest orders of operations: what any correct one errs, nobody is blamed for. Twice that, as FlashAttention's
 * rule has it: the orders that are tried are not the worst there are */

static int tame(const struct op_case *c)
{
    const int f = op_arg_find(&swax_ops[c->op], "f");
    for (long e = 0; f >= 0 && e < c->size[f]; e++)
        if (!(c->arg[f][e] > -50))
            return 0;
    return 1;
}

/* The largest sum of a sequence's logarithms of forget gates: what the parallel form takes differences of. Up to 128,
 * which a chunk of 128 half-open gates has, it is as honest as any; behind gates that are shut it is the fault
 * "summed_gates". */
static const double MOST_SUM = 128;

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
           (order->kind != FAULT_SMALL_SUMS || largest_sum(&p->in[0]) <= MOST_SUM);
}

static const double MOST_ORDERS = 2e9;    /* multiplications: a second or two of plain loops that keep their states */

/* What an honest order errs, run in that precision.  Its states count as they stand, in which an error of m is taken
 * out again, and as e^m C, where it shows: so those are judged who may keep another m. */
static void bound_order(struct problem *p, int part, const struct swax_tier *honest, enum swax_precision precision,
                        double scale)
{
    const struct op_case *c = &p->in[part];
    struct op_case got;
    if (!op_present(honest, precision, c->op))
        return;
    op_case_copy(&got, c);
    op_run(honest, precision, &got);
    widen(p, part, &got, scale);
    if (!part && op_arg_find(&swax_ops[c->op], "m1") >= 0) {
        regauge(p, &got);
        widen(p, part, &got, scale);
    }
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

/* The honest order behind number k (-1: of all) that may be tried on a problem, with its tier; -1 behind the last. */
static int next_order(int k, const struct problem *p, int part, struct swax_tier *honest)
{
    const struct fault *order;
    if (!tame(&p->in[part]) || !affords_orders(p, part))
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
    for (int k = next_order(-1, p, part, &honest); k >= 0; k = next_order(k, p, part, &honest)) {
        bound_order(p, part, &honest, SWAX_PREC_F32, twice ? 2 * DBL_EPSILON / (double)FLT_EPSILON : 2);
        if (twice && fault_none_f64(k, &honest))
            bound_order(p, part, &honest, SWAX_PREC_F64, 2);
    }
}

/* In bf16 what enters a product is rounded on the way, attention's p and ds too.  Where scores are equal all p of a row
 * are rounded alike, which is a bias, and an honest one. */
static void bound_operands(struct problem *p, int part)
{
    const struct fault *of;
    struct swax_tier rounds;
    int k = 0;
    while ((of = fault_f32(k, &rounds)) && (strcmp(of->op, p->subject.base) || strcmp(of->name, "bf16_operands")))
        k++;
    if (!of || p->wish.dtype != DT_BF16 || strcmp(of->op, "attention") || !affords_orders(p, part))
        return;
    struct op_case got;
    op_case_copy(&got, &p->in[part]);
    op_run(&rounds, SWAX_PREC_F32, &got);
    widen_bias(p, part, &got, 2);
    op_case_free(&got);
}

/* ---- the normaliser: qn is a sum whose terms may cancel, and h and all gradients are divided by it.  Where it is
 * smallest its error is most of all errors, and it is luck whether an honest order shows it there: what an order errs
 * in a sequence's other rows, relative to what qn's terms add up to, is what it may err in that one. */

/* qn, if none of its terms had a sign */
static void add_terms_up(struct op_case *c, const struct problem *p)
{
    static const char *const factors[] = { "q", "k", "n0" };
    op_case_copy(c, &p->in[0]);
    for (int k = 0; k < 3; k++) {
        const int i = op_arg_find(&swax_ops[c->op], factors[k]);
        for (long e = 0; c->arg[i] && e < c->size[i]; e++)
            c->arg[i][e] = fabs(c->arg[i][e]);
    }
    op_run(c->by, SWAX_PREC_F64, c);
}

/* Half of the errors that are distributed normally are less than so many standard deviations. */
static const double HALF = 0.6745;

/* A head's errors in qn as a share of its terms: the standard deviation over its rows, by their median, since those
 * that err most are other rows' own.  off[] has room for them. */
static double head_share(double *off, const struct problem *p, const double *qn, const double *terms, long bh)
{
    const struct op_spec *op = &swax_ops[p->in[0].op];
    const double *truth = p->truth[0].arg[op_arg_find(op, "qn")];
    const long T = op_extent(op, 'T', p->in[0].dims), H = op_extent(op, 'H', p->in[0].dims);
    long n = 0;
    for (long t = 0; t < T; t++) {
        const long r = (bh / H * T + t) * H + bh % H;
        const double is = fabs(qn[r] - truth[r]) / terms[r];
        if (isfinite(is))
            off[n++] = is;
    }
    sort_ascending(off, (size_t)n);
    return n ? off[n / 2] / HALF : 0;
}

/* That of an order, in its own units of m or the truth's, whichever is less: an error of m is in h's numerator too, and
 * goes out of h.  Into share[], head by head, where it is more. */
static void share_of_terms(double *share, const struct problem *p, const struct swax_tier *order, const double *terms)
{
    const struct op_spec *op = &swax_ops[p->in[0].op];
    const int qn = op_arg_find(op, "qn");
    const long T = op_extent(op, 'T', p->in[0].dims), heads = p->truth[0].size[qn] / T;
    double *off = op_take((size_t)T, sizeof *off), *own = op_take((size_t)heads, sizeof *own);
    struct op_case got;
    op_case_copy(&got, &p->in[0]);
    op_run(order, SWAX_PREC_F32, &got);
    for (long bh = 0; bh < heads; bh++)
        own[bh] = head_share(off, p, got.arg[qn], terms, bh);
    regauge(p, &got);
    for (long bh = 0; bh < heads; bh++)
        share[bh] = fmax(share[bh], fmin(own[bh], head_share(off, p, got.arg[qn], terms, bh)));
    op_case_free(&got);
    free(off);
    free(own);
}

/* By row, what qn may err in float; 0 where it does not lead.  NULL: there is no normaliser. */
static double *normaliser_errs(const struct problem *p)
{
    const struct op_case *truth = &p->truth[0];
    const struct op_spec *op = &swax_ops[p->in[0].op];
    const int qn = op_arg_find(op, "qn"), m = op_arg_find(op, "m");
    const long T = op_extent(op, 'T', p->in[0].dims), H = op_extent(op, 'H', p->in[0].dims);
    struct op_case terms;
    struct swax_tier honest;
    if (qn < 0 || op->arg[qn].role != OUT || op_extent(op, 'g', p->in[0].dims) % 2)
        return NULL;
    add_terms_up(&terms, p);
    double *errs = op_take((size_t)terms.size[qn], sizeof *errs);
    double *share = op_take((size_t)(terms.size[qn] / T), sizeof *share);
    share_of_terms(share, p, p->in[0].by, terms.arg[qn]);
    for (int k = next_order(-1, p, 0, &honest); k >= 0; k = next_order(k, p, 0, &honest))
        share_of_terms(share, p, &honest, terms.arg[qn]);
    for (long r = 0; r < terms.size[qn]; r++)
        if (fabs(truth->arg[qn][r]) > exp(-truth->arg[m][r]))
            errs[r] = share[r / (T * H) * H + r % H] * terms.arg[qn][r];
    op_case_free(&terms);
    free(share);
    return errs;
}

/* The truth's forward, but for so much of these errors in qn, up or down by chance. */
static void err_so(struct op_case *f, const struct problem *p, const double *errs, double share)
{
    const struct op_spec *op = &swax_ops[p->in[0].op];
    const int h = op_arg_find(op, "h"), qn = op_arg_find(op, "qn");
    const long V = op_extent(op, 'V', p->in[0].dims);
    const double eps = p->in[0].scalar[0];
    uint64_t s = p->seed;
    op_case_copy(f, &p->truth[0]);
    for (long r = 0; r < f->size[qn]; r++) {
        const double was = fabs(f->arg[qn][r]);
        f->arg[qn][r] += (op_random(&s) >> 63 ? share : -share) * errs[r];
        for (long e = r * V; e < (r + 1) * V && errs[r] > 0; e++)
            f->arg[h][e] *= (was + eps) / (fabs(f->arg[qn][r]) + eps);
    }
}

/* ... and 8 times what that makes of h, and, chained, of the gradients, is the bound, if that is more. */
static void bound_normaliser(struct problem *p)
{
    const double share = p->wish.dtype == DT_F64 ? DBL_EPSILON / (double)FLT_EPSILON : 1;
    double *errs = strcmp(p->subject.base, "mlstm") || (p->wish.dtype != DT_F32 && p->wish.dtype != DT_F64)
                     ? NULL
                     : normaliser_errs(p);
    struct op_case f, b;
    if (!errs)
        return;
    err_so(&f, p, errs, share);
    widen(p, 0, &f, 8);
    if (p->subject.n == 2 && p->wish.chained) {
        op_case_copy(&b, &p->in[1]);
        problem_chain(&b, &f);
        op_run(b.by, SWAX_PREC_F64, &b);
        widen(p, 1, &b, 8);
        op_case_free(&b);
    }
    op_case_free(&f);
    free(errs);
}

/* ---- a backward that reads what its own forward saved: both are judged as one kernel, by ref/oracle/judge.c's rule */

static void round_answers(struct op_case *c, enum swax_precision precision)
{
    for (int i = 0; i < c->n; i++)
        for (long e = 0; e < c->size[i] && c->arg[i] && op_answers(&swax_ops[c->op].arg[i]); e++)
            c->arg[i][e] = op_round(c->arg[i][e], swax_ops[c->op].arg[i].type, precision);
}

/* Run it on inputs which `off` may have moved, and keep what its gradients err, where that is more. */
static void run_chain(double *error, double *rms, const struct problem *p, const struct swax_tier *tier,
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
        if (problem_is_answer(p, 1, i)) {
            error[i] = fmax(error[i], op_error(b.arg[i], p->truth[1].arg[i], b.size[i]));
            rms[i] = fmax(rms[i], op_error_rms(b.arg[i], p->truth[1].arg[i], b.size[i]));
        }
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
    double plain[2][OP_ARGS] = {{0}}, moved[2][OP_ARGS] = {{0}};
    struct swax_tier honest;
    uint64_t s = p->seed;
    run_chain(plain[0], plain[1], p, p->in[1].by, SWAX_PREC_F32, SWAX_PREC_F32, NULL);
    for (int k = next_order(-1, p, 0, &honest); k >= 0; k = next_order(k, p, 0, &honest))
        run_chain(plain[0], plain[1], p, &honest, SWAX_PREC_F32, SWAX_PREC_F32, NULL);
    for (int k = op_nudges(&p->in[1]); k > 0; k--)
        run_chain(moved[0], moved[1], p, p->in[1].by, SWAX_PREC_F64, precision, &s);
    for (int i = 0; i < p->in[1].n; i++)
        for (int by_rms = 0; by_rms < 2; by_rms++) {
            double *bound = by_rms ? &p->bound[1].rms_bound[i] : &p->bound[1].bound[i];
            const double may =
                fmax(plain_times[p->wish.dtype] * plain[by_rms][i], times[p->wish.dtype] * moved[by_rms][i]);
            *bound = isfinite(may) ? fmax(*bound, may) : *bound;
        }
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
        bound_operands(p, part);
    }
    if (p->subject.n == 2 && p->wish.chained)
        bound_chain(p);
    bound_normaliser(p);
    for (int part = 0; part < p->subject.n; part++)
        problem_in_reach(p, &p->truth[part]);
}
