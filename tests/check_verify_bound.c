/* check_verify_bound.c - how far an honest kernel may be from the truth: the rule of tools/verify/bound.c said once
 * more, as plainly as it can be, and beside it what problem_solve makes of it, tensor by tensor. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/suite.h"
#include "tools/verify/bound.h"

/* What is said here. */
struct rule { struct op_case truth[PARTS]; struct op_verdict v[PARTS]; };

static void enlarge(double *bound, double to) { *bound = isfinite(to) && to > *bound ? to : *bound; }

/* Who gives that is no worse than honest, if it is taken so many times. */
static void may_give(struct rule *r, const struct problem *p, int part, const struct op_case *got, double times)
{
    for (int i = 0; i < got->n; i++) {
        const double *truth = r->truth[part].arg[i];
        if (!problem_is_answer(p, part, i))
            continue;
        enlarge(&r->v[part].bound[i], times * op_error(got->arg[i], truth, got->size[i]));
        enlarge(&r->v[part].rms_bound[i], times * op_error_rms(got->arg[i], truth, got->size[i]));
    }
}

static void may_lean(struct rule *r, const struct problem *p, int part, const struct op_case *got, double times)
{
    for (int i = 0; i < got->n; i++) {
        const int adds = swax_ops[got->op].arg[i].role == ADD;
        if (problem_is_answer(p, part, i) && r->v[part].bias_bound[i] > 0)
            enlarge(&r->v[part].bias_bound[i], times * fabs(op_bias(got->arg[i], r->truth[part].arg[i],
                                                                  adds ? p->in[part].arg[i] : NULL, got->size[i])));
    }
}

/* The same, where all that is off may be off in the direction of the truth. */
static void may_give_and_lean(struct rule *r, const struct problem *p, int part, const struct op_case *got,
                              double times)
{
    may_give(r, p, part, got, times);
    for (int i = 0; i < got->n; i++)
        if (problem_is_answer(p, part, i) && r->v[part].bias_bound[i] > 0)
            enlarge(&r->v[part].bias_bound[i],
                    times * op_error_rms(got->arg[i], r->truth[part].arg[i], got->size[i]));
}

static long extent(const struct op_case *c, char letter) { return op_extent(&swax_ops[c->op], letter, c->dims); }

static double *named(const struct op_case *c, const char *name)
{
    const int i = op_arg_find(&swax_ops[c->op], name);
    return i < 0 ? NULL : c->arg[i];
}

/* Row t of head bh, which is b * H + h: an array [B][T][H]. */
static long row_of(const struct op_case *c, long bh, long t)
{
    const long H = extent(c, 'H');
    return bh / H * extent(c, 'T') * H + t * H + bh % H;
}

/* The honest orders of that problem's kernel, of which that part may be asked: by number from 0. */
static int order(int number, const struct problem *p, int part, struct swax_tier *f32, struct swax_tier *f64)
{
    const struct fault *is;
    const double *f = named(&p->in[part], "f"), *gates = named(&p->in[0], "f");
    double most = 0;
    for (long e = 0; f && e < p->in[part].size[op_arg_find(&swax_ops[p->in[part].op], "f")]; e++)
        if (f[e] <= -50)
            return 0;
    for (long bh = 0; gates && bh < extent(&p->in[0], 'B') * extent(&p->in[0], 'H'); bh++) {
        double sum = 0;
        for (long t = 0; t < extent(&p->in[0], 'T'); t++) {
            const double x = gates[row_of(&p->in[0], bh, t)];
            sum += extent(&p->in[0], 'g') == 3 ? x : log(1 / (1 + exp(-x)));
        }
        most = fmax(most, fabs(sum));
    }
    for (int k = 0; (is = fault_none_f32(k, f32)); k++)
        if (!strcmp(is->op, p->subject.base) && !(is->kind == FAULT_SMALL_SUMS && most > 128) && !number--) {
            fault_none_f64(k, f64);
            return 1;
        }
    return 0;
}

/* As its numbers stand; and, of a cell's states, as e^m C. */
static void may_order(struct rule *r, const struct problem *p, int part, const struct swax_tier *tier,
                      enum swax_precision precision, double times)
{
    struct op_case got;
    op_case_copy(&got, &p->in[part]);
    if (op_present(tier, precision, got.op)) {
        op_run(tier, precision, &got);
        may_give_and_lean(r, p, part, &got, times);
        regauge(p, &got);
        may_give_and_lean(r, p, part, &got, times);
    }
    op_case_free(&got);
}

/* ---- a forward and the backward that reads of it */

static void round_to(struct op_case *c, enum swax_precision precision)
{
    for (int i = 0; i < c->n; i++)
        for (long e = 0; c->arg[i] && e < c->size[i]; e++)
            if (op_answers(&swax_ops[c->op].arg[i]))
                c->arg[i][e] = op_round(c->arg[i][e], swax_ops[c->op].arg[i].type, precision);
}

/* Arguments of that role of the forward, where the backward has them too. */
static void pass_on(struct op_case *b, const struct op_case *f, enum op_role role)
{
    for (int i = 0; i < f->n; i++) {
        double *to = named(b, swax_ops[f->op].arg[i].name);
        if (to && f->arg[i] && swax_ops[f->op].arg[i].role == role)
            memcpy(to, f->arg[i], (size_t)f->size[i] * sizeof *to);
    }
}

/* The cell, where the sums b of log forget gates, which begin anew every 128 tokens, are off by their rounding, up or
 * down by a bit of the token's place in its chunk: as its number tells in `way`.  What lies between two tokens counts
 * by the difference of theirs, so that a query is longer by its own and a key shorter. */
static void sum_off(const struct problem *p, struct op_case *f, struct op_case *b, int way, uint64_t *random)
{
    const struct op_case *c = &p->in[0];
    const double u = 0x1p-24;
    const long T = extent(c, 'T'), K = extent(c, 'K'), V = extent(c, 'V'), heads = extent(c, 'B') * extent(c, 'H');
    const long L = extent(c, 'L'), kept = op_extent(&swax_ops[c->op], 'c', c->dims);
    double *off = op_take((size_t)(heads * T), sizeof *off);
    for (long bh = 0; bh < heads; bh++) {
        double sum = 0, chunks = 0;
        uint64_t down = 0;
        for (long t = 0; t < T; t++) {
            const double x = named(c, "f")[row_of(c, bh, t)];
            if (t % 128 == 0)
                down = op_random(random) >> 63, sum = 0, chunks = t ? off[bh * T + t - 1] : 0;
            sum += extent(c, 'g') == 3 ? x : -log1p(exp(-x));
            const uint64_t bit = (uint64_t)(t % 128) >> way & 1;
            off[bh * T + t] = chunks + (bit == down ? u : -u) * fmin(fabs(sum), 128);
            for (int part = 0; part < p->subject.n; part++)
                for (long e = row_of(c, bh, t) * K; e < (row_of(c, bh, t) + 1) * K; e++) {
                    named(part ? b : f, "q")[e] *= exp(off[bh * T + t]);
                    named(part ? b : f, "k")[e] /= exp(off[bh * T + t]);
                }
        }
        const double last = exp(off[bh * T + T - 1]);
        for (long e = 0; b && named(b, "dC1") && e < K * V; e++)
            named(b, "dC1")[bh * K * V + e] *= last;
        for (long e = 0; b && named(b, "dn1") && e < K; e++)
            named(b, "dn1")[bh * K + e] *= last;
    }
    op_run(op_teller(f), SWAX_PREC_F64, f);
    if (b) {
        pass_on(b, f, OUT);
        op_run(op_teller(b), SWAX_PREC_F64, b);
    }
    for (long bh = 0; bh < heads; bh++)
        for (long t = 0; t < T; t++) {
            const double times = exp(off[bh * T + t]);
            const long row = row_of(c, bh, t), n = t % L == L - 1 ? bh * kept + t / L + 1 : 0;
            for (long e = row * K; b && e < (row + 1) * K; e++) {
                const double dq = named(&p->in[1], "dq")[e], dk = named(&p->in[1], "dk")[e];
                named(b, "dq")[e] = dq + (named(b, "dq")[e] - dq) * times;
                named(b, "dk")[e] = dk + (named(b, "dk")[e] - dk) / times;
            }
            for (long e = 0; e < K * V && t == T - 1; e++)
                named(f, "C1")[bh * K * V + e] *= times;
            for (long e = 0; e < K && t == T - 1; e++)
                named(f, "n1")[bh * K + e] *= times;
            for (long e = 0; e < K * V && n && t < T - 1 && named(f, "Cs"); e++)
                named(f, "Cs")[n * K * V + e] *= times;
            for (long e = 0; e < K && n && t < T - 1 && named(f, "ns"); e++)
                named(f, "ns")[n * K + e] *= times;
        }
    free(off);
}

static void may_round_sums(struct rule *r, const struct problem *p)
{
    const struct op_case *c = &p->in[0];
    const double times = p->wish.dtype == DT_F64 ? 0x1p-28 : 2;
    uint64_t random = p->seed;
    if (strcmp(swax_ops[c->op].name, "mlstm_forward") || (p->wish.dtype != DT_F32 && p->wish.dtype != DT_F64))
        return;
    const long T = extent(c, 'T'), rows = T * extent(c, 'B') * extent(c, 'H');
    for (long e = 0; e < rows; e++)
        if (named(c, "f")[e] <= -50)
            return;
    for (int way = 0; way == 0 || (rows <= 2000 && way < 7 && T > 1 << way); way++) {
        struct op_case f, b;
        op_case_copy(&f, c);
        if (p->subject.n == 2)
            op_case_copy(&b, &p->in[1]);
        sum_off(p, &f, p->subject.n == 2 ? &b : NULL, way, &random);
        may_give(r, p, 0, &f, times);
        if (p->subject.n == 2) {
            may_give(r, p, 1, &b, times);
            op_case_free(&b);
        }
        op_case_free(&f);
    }
}

static const double *before(const struct problem *p, int i)
{
    return swax_ops[p->in[1].op].arg[i].role == ADD ? p->in[1].arg[i] : NULL;
}

/* e: the gradients' largest errors, of all calls so far. */
static void chain(struct op_distance e[OP_ARGS], const struct rule *r, const struct problem *p,
                  const struct swax_tier *tier, enum swax_precision runs, enum swax_precision keeps, uint64_t *nudge)
{
    struct op_case f, b;
    op_case_copy(&f, &p->in[0]), op_case_copy(&b, &p->in[1]);
    if (nudge)
        op_nudge(&f, keeps, nudge), op_nudge(&b, keeps, nudge);
    pass_on(&b, &f, IN);
    op_run(tier, runs, &f);
    round_to(&f, keeps);
    pass_on(&b, &f, OUT);
    op_run(op_present(tier, runs, b.op) ? tier : p->in[1].by, runs, &b);
    round_to(&b, keeps);
    for (int i = 0; i < b.n; i++)
        if (problem_is_answer(p, 1, i)) {
            const double *truth = r->truth[1].arg[i];
            e[i].most = fmax(e[i].most, op_error(b.arg[i], truth, b.size[i]));
            e[i].rms = fmax(e[i].rms, op_error_rms(b.arg[i], truth, b.size[i]));
            e[i].bias = fmax(e[i].bias, fabs(op_bias(b.arg[i], truth, before(p, i), b.size[i])));
        }
    op_case_free(&f), op_case_free(&b);
}

static void may_chain(struct rule *r, const struct problem *p)
{
    static const double of_float[DTYPES] = {8, 8 * 0x1p-29, 8, 8}, of_nudges[DTYPES] = {8, 8, 3, 0.375};
    struct op_distance floats[OP_ARGS] = {{0}}, nudged[OP_ARGS] = {{0}};
    struct swax_tier f32, f64;
    uint64_t random = p->seed;
    chain(floats, r, p, p->in[1].by, SWAX_PREC_F32, SWAX_PREC_F32, NULL);
    for (int k = 0; order(k, p, 0, &f32, &f64); k++)
        chain(floats, r, p, &f32, SWAX_PREC_F32, SWAX_PREC_F32, NULL);
    for (int k = 0; k < op_nudges(&p->in[1]); k++)
        chain(nudged, r, p, p->in[1].by, SWAX_PREC_F64, dtype_precision(p->wish.dtype), &random);
    for (int i = 0; i < p->in[1].n; i++) {
        const double plain = of_float[p->wish.dtype], moved = of_nudges[p->wish.dtype];
        enlarge(&r->v[1].bound[i], fmax(plain * floats[i].most, moved * nudged[i].most));
        enlarge(&r->v[1].rms_bound[i], fmax(plain * floats[i].rms, moved * nudged[i].rms));
        if (problem_is_answer(p, 1, i) && r->v[1].bias_bound[i] > 0)
            enlarge(&r->v[1].bias_bound[i],
                    op_bounds(&floats[i], &nudged[i], &swax_ops[p->in[1].op].arg[i], 1, SWAX_PREC_BF16,
                              r->truth[1].arg[i], before(p, i), p->in[1].size[i]).bias);
    }
}

/* ---- the normaliser */

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Half of a head's rows err no more than this of what their terms add up to: as a standard deviation. */
static double share_of(const struct rule *r, const struct op_case *got,
                       const struct op_case *terms, long bh)
{
    double off[200];
    size_t n = 0;
    for (long t = 0; t < extent(got, 'T'); t++) {
        const long at = row_of(got, bh, t);
        const double is = fabs(named(got, "qn")[at] - named(&r->truth[0], "qn")[at]) / named(terms, "qn")[at];
        if (isfinite(is))
            off[n++] = is;
    }
    qsort(off, n, sizeof *off, by_value);
    return n ? off[n / 2] / 0.6745 : 0;
}

static void may_cancel(struct rule *r, const struct problem *p)
{
    const struct op_spec *op = &swax_ops[p->in[0].op];
    const int qn = op_arg_find(op, "qn");
    const double part = p->wish.dtype == DT_F64 ? 0x1p-29 : 1, eps = p->in[0].scalar[0];
    double share[64] = {0};
    struct swax_tier f32 = *p->in[0].by, f64;
    struct op_case terms, f;
    uint64_t random = p->seed;
    if (strcmp(p->subject.base, "mlstm") || op->arg[qn].role != OUT || extent(&p->in[0], 'g') % 2 ||
        dtype_precision(p->wish.dtype) == SWAX_PREC_BF16)
        return;
    op_case_copy(&terms, &p->in[0]);
    for (int i = 0; i < 3; i++) {
        static const char *const of[3] = {"q", "k", "n0"};
        for (long e = 0; named(&terms, of[i]) && e < terms.size[op_arg_find(op, of[i])]; e++)
            named(&terms, of[i])[e] = fabs(named(&terms, of[i])[e]);
    }
    op_run(p->in[0].by, SWAX_PREC_F64, &terms);
    const long T = extent(&terms, 'T'), heads = extent(&terms, 'B') * extent(&terms, 'H'), V = extent(&terms, 'V');
    for (int k = -1; k < 0 || order(k, p, 0, &f32, &f64); k++) {
        struct op_case got;
        double own[64];
        op_case_copy(&got, &p->in[0]);
        op_run(&f32, SWAX_PREC_F32, &got);
        for (long bh = 0; bh < heads; bh++)
            own[bh] = share_of(r, &got, &terms, bh);
        regauge(p, &got);
        for (long bh = 0; bh < heads; bh++)
            share[bh] = fmax(share[bh], fmin(own[bh], share_of(r, &got, &terms, bh)));
        op_case_free(&got);
    }
    /* by chance up or down, row by row as they lie */
    double sign[3000];
    ck_assert(terms.size[qn] <= 3000);
    for (long at = 0; at < terms.size[qn]; at++)
        sign[at] = op_random(&random) >> 63 ? 1 : -1;
    op_case_copy(&f, &r->truth[0]);
    for (long bh = 0; bh < heads; bh++)
        for (long t = 0; t < T; t++) {
            const long at = row_of(&f, bh, t);
            const double was = named(&f, "qn")[at], errs = share[bh] * terms.arg[qn][at];
            if (!(fabs(was) > exp(-named(&f, "m")[at])) || !(errs > 0))
                continue;
            const double now = was + sign[at] * part * errs;
            named(&f, "qn")[at] = now;
            for (long v = 0; v < V; v++)
                named(&f, "h")[at * V + v] *= (fabs(was) + eps) / (fabs(now) + eps);
        }
    may_give(r, p, 0, &f, 8);
    if (p->subject.n == 2 && p->wish.chained) {
        struct op_case b;
        op_case_copy(&b, &p->in[1]);
        pass_on(&b, &f, OUT);
        op_run(p->in[1].by, SWAX_PREC_F64, &b);
        may_give(r, p, 1, &b, 8);
        op_case_free(&b);
    }
    op_case_free(&terms), op_case_free(&f);
}

/* ---- all of it */

/* What the delta rule writes, beta r, up or down by chance by half of what f16's smallest numbers are apart, or by all
 * of it. */
static void may_write_small(struct rule *r, const struct problem *p)
{
    struct op_case got;
    uint64_t random = p->seed;
    op_case_copy(&got, &p->in[0]);
    for (long row = 0, V = extent(&got, 'V'); row < extent(&got, 'B') * extent(&got, 'T') * extent(&got, 'H'); row++)
        for (long e = row * V; e < (row + 1) * V; e++) {
            const double beta = named(&got, "beta")[row], residual = fabs(named(&r->truth[0], "r")[e]);
            const int up = op_random(&random) >> 63;
            const double written = fmin(fabs(beta) * residual, 0x1p-25);
            named(&got, "v")[e] += beta == 0 ? 0 : (up ? 1 : -1) * written / fabs(beta);
        }
    op_run(p->in[0].by, SWAX_PREC_F64, &got);
    may_give_and_lean(r, p, 0, &got, 2);
    op_case_free(&got);
}

static void halve(struct rule *r, const struct problem *p, int part)
{
    struct op_case unused, rounded;
    struct op_verdict in_float;
    op_truth(&unused, &in_float, SWAX_PREC_F32, &p->in[part]);
    for (int i = 0; i < unused.n; i++) {
        r->v[part].bound[i] = fmax(r->v[part].bound[i] / 8, in_float.bound[i]);
        r->v[part].rms_bound[i] = fmax(r->v[part].rms_bound[i] / 8, in_float.rms_bound[i]);
    }
    op_case_copy(&rounded, &r->truth[part]);
    problem_to_half(&rounded);
    may_give(r, p, part, &rounded, 2);
    may_lean(r, p, part, &rounded, 2);
    op_case_free(&unused), op_case_free(&rounded);
    if (!strcmp(swax_ops[p->in[part].op].name, "delta_forward"))
        may_write_small(r, p);
}

static void say_rule(struct rule *r, const struct problem *p)
{
    struct swax_tier f32, f64;
    const enum dtype dtype = p->wish.dtype;
    for (int part = 0; part < p->subject.n; part++) {
        op_truth(&r->truth[part], &r->v[part], dtype_precision(dtype), &p->in[part]);
        if (dtype == DT_F16)
            halve(r, p, part);
        for (int i = 0; i < p->in[part].n && dtype == DT_F64 && p->in[part].by != swax_tiers[0]; i++)
            r->v[part].bound[i] *= 2, r->v[part].rms_bound[i] *= 2;
        for (int k = 0; order(k, p, part, &f32, &f64); k++) {
            may_order(r, p, part, &f32, SWAX_PREC_F32, dtype == DT_F64 ? 2 * 0x1p-29 : 2);
            if (dtype == DT_F64)
                may_order(r, p, part, &f64, SWAX_PREC_F64, 2);
        }
        /* a loop in turn where the truth is told by who sums in parts, and no order is known */
        if (p->in[part].by != swax_tiers[0] && !strstr(" attention delta mlstm ", p->subject.base))
            may_order(r, p, part, swax_tiers[0], SWAX_PREC_F32, dtype == DT_F64 ? 8 * 0x1p-29 : 8);
    }
    if (p->subject.n == 2 && p->wish.chained)
        may_chain(r, p);
    may_round_sums(r, p);
    may_cancel(r, p);
}

static void same(const char *words, const char *tensor, const char *what, double is, double says)
{
    ck_assert_each(fabs(is - says) <= 1e-9 * says, "%s: %s of %s is %.17g, and the rule says %.17g", words, what,
                   tensor, is, says);
}

/* All scores equal, so that all weights of a row are rounded alike; numbers of which f16 keeps few digits; forget gates
 * whose sums have few digits left; one that is shut; a strength of 0; gates and
 * sinks that are shut for good, alone and together. */
enum change { AS_DRAWN, EQUAL_SCORES, SMALL, LONG_SUMS, ONE_SHUT, ONE_WEAK, INFINITE };

static void change(struct problem *p, enum change how)
{
    for (int part = 0; part < p->subject.n && how == EQUAL_SCORES; part++)
        for (long e = 0; e < p->in[part].size[op_arg_find(&swax_ops[p->in[part].op], "q")]; e++)
            named(&p->in[part], "q")[e] = 0;
    for (int part = 0; part < p->subject.n && how == SMALL; part++) {
        for (int i = 0; i < p->in[part].n; i++)
            for (long e = 0; e < p->in[part].size[i] && p->in[part].arg[i]; e++)
                p->in[part].arg[i][e] *= swax_ops[p->in[part].op].arg[i].type == INT ? 1 : 1e-5;
        problem_to_half(&p->in[part]);
    }
    for (int part = 0; part < p->subject.n && how == INFINITE; part++)
        for (int i = 0; i < p->in[part].n; i++) {
            const char *name = swax_ops[p->in[part].op].arg[i].name;
            const long every = !strcmp(name, "f") ? 7 : !strcmp(name, "i") ? 5 : strcmp(name, "sink") ? 0 : 2;
            for (long e = 0; every && p->in[part].arg[i] && e < p->in[part].size[i]; e += every)
                p->in[part].arg[i][e] = -(double)INFINITY;
        }
    for (int part = 0; part < p->subject.n && how == ONE_WEAK; part++)
        named(&p->in[part], "beta")[1] = 0;
    for (int part = 0; part < p->subject.n && (how == LONG_SUMS || how == ONE_SHUT); part++)
        for (long e = 0; e < p->in[part].size[op_arg_find(&swax_ops[p->in[part].op], "f")]; e++)
            named(&p->in[part], "f")[e] = how == LONG_SUMS ? -1.90625 : e == 1 ? -60 : named(&p->in[part], "f")[e];
}

static void hold(const char *words, int chained, enum change how, const struct swax_tier *by)
{
    char why[SWAX_WHY];
    struct plan plan = {.only = -1, .suite = -1};
    struct entry e;
    struct problem p;
    struct rule r;
    ck_assert_msg(!plan_read(&plan, words, why), "%s", why);
    plan.wish.chained = chained;
    for (int i = 0; plan_entry(&plan, i, &e); i++) {
        if (e.tokens || e.tile >= 0 || (plan.suite >= 0 && i % 2 != chained))
            continue;
        ck_assert_msg(!problem_draw(&p, &plan, i, &e, why), "%s", why);
        change(&p, how);
        for (int part = 0; part < p.subject.n; part++)
            p.in[part].by = by ? by : p.in[part].by;
        problem_solve(&p);
        say_rule(&r, &p);
        for (int part = 0; part < p.subject.n; part++) {
            for (int a = 0; a < p.in[part].n; a++) {
                const struct op_arg *arg = &swax_ops[p.in[part].op].arg[a];
                const char *tensor = arg->name;
                const double most = p.wish.dtype == DT_F16 && arg->type == REAL ? 65504 : HUGE_VAL;
                same(words, tensor, "the bound", p.bound[part].bound[a], r.v[part].bound[a]);
                same(words, tensor, "the RMS bound", p.bound[part].rms_bound[a], r.v[part].rms_bound[a]);
                same(words, tensor, "the bias bound", p.bound[part].bias_bound[a], r.v[part].bias_bound[a]);
                for (long n = 0; n < p.in[part].size[a] && problem_is_answer(&p, part, a); n++) {
                    const double truth = p.truth[part].arg[a][n], is = r.truth[part].arg[a][n];
                    const double told = is > most ? most : is < -most ? -most : is;
                    ck_assert_each(truth == told || (isnan(truth) && isnan(is)), "%s: the truth of %s is %g, and is "
                                   "told as %g", words, tensor, is, truth);
                    ck_assert_each(how != INFINITE || !isnan(truth), "%s: %s is no number behind gates that are shut "
                                   "for good", words, tensor);
                }
            }
        }
        for (int a = 0; a < p.in[0].n && p.subject.n == 2 && chained; a++) {
            const struct op_arg *arg = &swax_ops[p.in[0].op].arg[a];
            const double *reads = named(&p.in[1], arg->name), *gave = r.truth[0].arg[a];
            ck_assert_msg(!reads || !gave || arg->role != OUT ||
                              !memcmp(reads, gave, (size_t)p.in[0].size[a] * sizeof *gave),
                          "%s: the backward reads another %s than its forward gives", words, arg->name);
        }
        for (int part = 0; part < p.subject.n; part++)
            op_case_free(&r.truth[part]);
        problem_free(&p);
    }
}

static const struct { const char *words; int chained; enum change how; } of[] = {
    {"mlstm suite=quick seed=3 dtype=f32 B=2 H=2 noise=yes", 1, 0}, {"mlstm suite=quick seed=4 dtype=f32 g=0", 0, 0},
    {"mlstm suite=quick seed=5 dtype=f64 H=3 B=2", 1, 0}, {"mlstm suite=quick seed=6 dtype=f64 g=2 eps=0", 0, 0},
    {"mlstm suite=quick seed=7 dtype=bf16", 1, 0}, {"mlstm suite=quick seed=8 dtype=f16", 1, 0},
    {"mlstm_forward suite=quick seed=9 dtype=f64 g=0 B=2 H=3", 0, 0},
    {"mlstm_backward suite=quick seed=2 dtype=f32 noise=yes", 0, 0},
    {"mlstm seed=1 dtype=f32 family=shut B=2 H=2 T=40 K=3 V=2 g=3", 1, 0},
    {"mlstm seed=1 dtype=f32 family=gauss B=2 H=2 T=60 K=6 V=3 g=0 eps=0.3", 1, 0},
    {"delta suite=quick seed=3 dtype=f32", 1, 0}, {"delta suite=quick seed=4 dtype=f64 noise=yes", 1, 0},
    {"delta suite=quick seed=5 dtype=bf16 noise=yes", 1, 0}, {"delta suite=quick seed=5 dtype=f16", 0, 0},
    {"delta seed=1 dtype=f16 family=lone B=3 T=7 H=4 G=4 K=6 V=9 J=6 e=1", 1, 0},
    {"delta seed=2 dtype=f16 family=gauss B=2 T=4 H=2 G=1 K=3 V=2", 1, ONE_WEAK},
    {"mlstm seed=5 dtype=bf16 family=open B=2 H=1 T=20 K=3 V=4 g=0 eps=0.01", 1, 0},
    {"attention suite=quick seed=3 dtype=f32", 1, 0},
    {"attention seed=2 dtype=f32 B=1 H=1 G=1 T=6 S=6 D=2", 1, 0},
    {"attention seed=23 dtype=f32 family=equal B=1 H=1 G=1 T=3 S=60 D=1", 0, 0},      /* whose first order errs most */
    {"attention suite=quick seed=4 dtype=bf16 noise=yes", 1, 0},
    {"attention seed=2 dtype=bf16 B=1 T=96 S=96 H=1 G=1 D=32 W=3 documents=no without=sink", 1, EQUAL_SCORES},
    {"linear seed=3 dtype=f16 N=9 O=7 I=5 noise=yes", 1, SMALL}, {"add_forward seed=3 dtype=f16 N=50", 0, SMALL},
    {"swiglu seed=3 dtype=f16 N=50 noise=yes", 1, SMALL},
    {"mlstm_forward suite=quick seed=101007 dtype=f32 states=no documents=no g=0 eps=0", 0, 0},
    {"mlstm seed=1 dtype=f32 B=2 H=2 T=64 K=3 V=2 g=3", 1, LONG_SUMS},
    {"mlstm seed=1 dtype=f64 B=1 H=2 T=60 K=3 V=2 g=0", 1, LONG_SUMS},
    {"mlstm seed=1 dtype=f32 B=1 H=2 T=130 K=2 V=2 L=64 g=0", 1, 0},
    {"mlstm seed=2 dtype=f32 B=1 H=16 T=130 K=2 V=2 g=0", 0, LONG_SUMS},
    {"mlstm seed=2 dtype=f32 B=1 H=2 T=20 K=3 V=2 g=0", 1, ONE_SHUT},
    {"mlstm seed=1 dtype=f64 B=1 H=2 T=60 K=6 V=3 g=2", 1, 0},
    {"attention_forward suite=quick seed=5 dtype=bf16", 0, 0},
    {"attention suite=quick seed=6 dtype=f16 noise=yes", 1, 0},
    {"headnorm suite=quick seed=3 dtype=f16", 1, 0}, {"linear suite=quick seed=3 dtype=f16 noise=yes", 1, 0},
    {"xent suite=quick seed=3 dtype=bf16", 1, 0}, {"swiglu suite=quick seed=3 dtype=f16", 1, 0},
    {"softcap suite=quick seed=3 dtype=f64", 0, 0}, {"skip seed=1 dtype=f32 N=90 H=2 D=40 noise=yes", 1, 0},
    {"skip seed=1 dtype=bf16 N=90 H=2 D=40", 0, 0},
    {"mlstm seed=1 dtype=f32 B=2 H=2 T=40 K=6 V=5 L=16 g=0 eps=0", 1, INFINITE},
    {"mlstm seed=2 dtype=bf16 B=1 H=3 T=70 K=6 V=5 L=64 g=0", 1, INFINITE},
    {"mlstm seed=3 dtype=bf16 B=1 H=3 T=70 K=6 V=5 L=16 g=1", 1, INFINITE},
    {"mlstm seed=4 dtype=f16 B=1 H=2 T=40 K=6 V=5 L=16 g=3", 1, INFINITE},
    {"attention seed=5 dtype=bf16 B=2 T=20 S=30 H=4 G=2 D=8 W=9", 1, INFINITE},
    {"attention seed=6 dtype=f32 B=2 T=20 S=30 H=4 G=2 D=8 W=9", 1, INFINITE},
    {"mlstm seed=1 dtype=bf16 B=1 H=1 T=190 K=150 V=1 L=64 g=1 documents=no", 0, 0}};    /* whose dn0 is a product */

START_TEST(bounds_are_those_of_the_rule)
{
    for (size_t k = 0; k < sizeof of / sizeof *of; k++)
        hold(of[k].words, of[k].chained, of[k].how, NULL);
}
END_TEST

/* Where another tier tells the truth. */
START_TEST(bounds_are_those_of_who_tells)
{
    const struct swax_tier *by = NULL;
    for (int t = 1; t < swax_n_tiers; t++)
        if (!swax_tiers[t]->memory && swax_tiers[t]->f64 && swax_tiers[t]->f32 && swax_tiers[t]->usable())
            by = swax_tiers[t];
    if (!by)
        puts("skipped: the reference is alone here");
    for (size_t k = 0; by && k < sizeof of / sizeof *of; k++)
        if (strstr(of[k].words, "f64") || strstr(of[k].words, "skip") || strstr(of[k].words, "T=190"))
            hold(of[k].words, of[k].chained, of[k].how, by);
}
END_TEST

/* Values that f16 cannot hold are told, and answered, as the largest number that it can. */
START_TEST(f16_reaches_so_far)
{
    static const struct { const char *op; double x, is; } values[] = {
        {"add_forward", 65504, 65504}, {"add_forward", 65505, 65504}, {"add_forward", -1e9, -65504},
        {"add_forward", -65504, -65504}, {"add_forward", 65503, 65503}, {"softcap_forward", 1e6, 1e6}};
    for (int f16 = 0; f16 < 2; f16++)
        for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
            struct problem p = {.wish = {.dtype = f16 ? DT_F16 : DT_BF16}};
            struct op_case c = {.op = op_find(values[k].op), .dims = {1}};
            op_case_alloc(&c, 0);
            for (int i = 0; i < c.n; i++)
                *c.arg[i] = values[k].x;
            problem_in_reach(&p, &c);
            for (int i = 0; i < c.n; i++)       /* what is read stays, and so do statistics */
                ck_assert_msg(*c.arg[i] == (f16 && op_answers(&swax_ops[c.op].arg[i]) ? values[k].is : values[k].x),
                              "%s, argument %d: %g becomes %g", values[k].op, i, values[k].x, *c.arg[i]);
            op_case_free(&c);
        }
}
END_TEST

/* A case is tame if each of its forget gates is above -50; one without forget gates is. */
START_TEST(tame_is_what_no_gate_shuts)
{
    static const struct { long at; double f; int tame; } cases[] = {
        {0, -49.9, 1}, {0, -50, 0}, {0, -51, 0}, {0, -(double)INFINITY, 0}, {0, (double)INFINITY, 1}, {0, NAN, 0},
        {3, -50, 0}, {7, -50, 0}, {7, -49.9, 1}};
    struct op_case c = {.op = op_find("mlstm_forward"), .dims = {2, 2, 2, 1, 1, 1, 0}};
    struct op_case delta = {.op = op_find("delta_forward"), .dims = {1, 1, 1, 1, 1, 1, 1, 1, 1}};
    op_case_alloc(&c, 0), op_case_alloc(&delta, 0);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        named(&c, "f")[cases[k].at] = cases[k].f;
        ck_assert_msg(bound_is_tame(&c) == cases[k].tame, "gate %ld of %g: tame is %d", cases[k].at, cases[k].f,
                      bound_is_tame(&c));
        named(&c, "f")[cases[k].at] = 0;
    }
    named(&delta, "g")[0] = -1e6;
    ck_assert(bound_is_tame(&delta));
    op_case_free(&c), op_case_free(&delta);
}
END_TEST

/* Honest orders are plain loops: asked while they take a second or two. */
START_TEST(orders_are_asked_while_there_is_time)
{
    static const struct { const char *kernel; int dims[OP_DIMS]; int most; } kernels[] = {
        {"mlstm", {1, 2000, 1, 100, 1000, 64, 0}, 1}, {"delta", {1, 2000, 1, 1, 100, 1000, 1, 64, 0}, 1},
        {"attention", {1, 10000, 10000, 1, 1, 19, 10000}, 1}, {"mlstm", {1, 2000, 1, 100, 1001, 64, 0}, 0},
        {"rope", {1, 1, 1, 2, 0}, 0}};
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++) {
        char why[SWAX_WHY];
        struct swax_tier unused;
        struct problem p = {.number = 0};
        int orders = 0;
        ck_assert(!subject_find(&p.subject, kernels[k].kernel, why));
        for (int part = 0; part < 2; part++) {
            p.in[part].op = p.subject.op[part];
            memcpy(p.in[part].dims, kernels[k].dims, sizeof p.in[part].dims);
        }
        for (int i = 0; fault_none_f32(i, &unused); i++)
            orders += !strcmp(fault_none_f32(i, &unused)->op, kernels[k].kernel);
        ck_assert_msg(!kernels[k].most == !orders || !kernels[k].most, "%s has no honest order", kernels[k].kernel);
        for (int part = 0; part < 2; part++)
            ck_assert_msg(bound_asks_orders(&p, part) == (kernels[k].most ? orders : 0), "%s, of %g multiplications: "
                          "%d orders are asked, of %d", kernels[k].kernel, case_orders(&p.in[part]),
                          bound_asks_orders(&p, part), orders);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("verify_bound");
    TCase *t = tcase_create("bound");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, bounds_are_those_of_the_rule);
    tcase_add_test(t, bounds_are_those_of_who_tells);
    tcase_add_test(t, f16_reaches_so_far);
    tcase_add_test(t, tame_is_what_no_gate_shuts);
    tcase_add_test(t, orders_are_asked_while_there_is_time);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
