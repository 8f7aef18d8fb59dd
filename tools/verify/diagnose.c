/* diagnose.c - which known fault, or which convention, gives a candidate's numbers.
 *
 * Every cause of causes.h is run, in double, on the inputs of the problems.  An output that stands d away from a
 * hypothesis, where an honest kernel may stand b away from the truth, is log10(d/b) orders of magnitude off, or 0
 * within.  The hypothesis whose sum over all outputs and problems is smallest explains the candidate, if it takes
 * away most of what the truth leaves, and moves nothing far that is right.  One that does may hold somewhere alone. */
#include "tools/verify/causes.h"
#include "tools/verify/holds.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double MOST = 9;          /* orders of magnitude: what NaN counts */
static const double EXPLAINS = 0.6;    /* a smaller share of the distance is none */
static const double AS_WELL = 0.02;    /* what is this close to the best is named with it */
static const double MOST_WORK = 2e10;  /* multiplications, half a minute */

static const double MOST_DERIVED = 1.2e10, MOST_OF_ONE = 4e9;    /* of forwards that are differentiated */

int evidence_affords(struct evidence *e, const struct problem *p, int derived, double most)
{
    double work = 0, steps = 0;
    for (int part = 0; part < p->subject.n; part++)
        steps = fmax(steps, case_steps(&p->in[part]));
    if (steps > most)
        return 0;
    for (int k = cause_next(-1, p->subject.base); k >= 0; k = cause_next(k, p->subject.base))
        if (derived)
            work += derive_has(k, p) ? derive_costs(p) : 0;
        else
            for (int part = 0; part < p->subject.n; part++)
                work += 4 * case_steps(&p->in[part]);
    const int affords =
        derived ? work > 0 && work <= MOST_OF_ONE && e->work + work <= MOST_DERIVED : e->work + work <= MOST_WORK;
    e->work += affords ? work : 0;
    e->left_out += !affords;
    return affords;
}

/* RMS of what is finite in a, or 0. */
static double rms_of(const double *a, long n)
{
    double most = 0, sum = 0;
    for (long e = 0; e < n; e++)
        most = isfinite(a[e]) && fabs(a[e]) > most ? fabs(a[e]) : most;
    const double unit = 1 / most;    /* 0 where most is infinitely small: what is left then is as good as none */
    for (long e = 0; e < n && most > 0; e++)
        sum += isfinite(a[e]) ? a[e] * unit * (a[e] * unit) : 0;
    return most > 0 ? most * sqrt(sum / (double)n) : 0;
}

/* RMS of a - t, measured by `unit`. Of four sums, which need not wait for each other: all the faults are compared
 * with each. */
static double distance(const double *a, const double *t, double unit, long n)
{
    double sum[4] = {0};
    const long whole = n - n % 4;
    for (long e = 0; e < whole; e += 4)
        for (int k = 0; k < 4; k++)
            sum[k] += (a[e + k] - t[e + k]) * (a[e + k] - t[e + k]);
    for (long e = whole; e < n; e++)
        sum[0] += (a[e] - t[e]) * (a[e] - t[e]);
    const double plain = sum[0] + sum[1] + sum[2] + sum[3];
    if (isfinite(plain) && unit > 1e-100)    /* so all were finite, and no square of weight vanished */
        return sqrt(plain / (double)n) / unit;
    sum[0] = 0;
    for (long e = 0; e < n; e++)
        sum[0] += cause_off(a[e], t[e]) / unit * (cause_off(a[e], t[e]) / unit);
    return sqrt(sum[0] / (double)n);
}

static double orders(double d, double b) { return d > b ? fmin(MOST, log10(d / b)) : 0; }

/* What is no distance: what an honest kernel may err, by RMS. */
static double honest(const struct problem *p, int part, int i)
{
    return fmax(p->bound[part].rms_bound[i], 8 * DBL_EPSILON);
}

/* ---- coarser roundings, whose digits are another kernel's own: their errors are alike, not their numbers */

/* Times as large as another kernel's: more than an order of summation makes of the errors of one rounding, of which a
 * few may be large or small by luck. */
static double alike(long n) { return 3 * (1 + 8 / sqrt((double)n)); }

static struct op_distance errors(const struct problem *p, int part, int i, const double *a)
{
    const double *before = swax_ops[p->in[part].op].arg[i].role == ADD ? p->in[part].arg[i] : NULL;
    struct op_distance e = {0};
    op_distance_add(&e, a, p->truth[part].arg[i], before, p->in[part].size[i]);
    return e;
}

/* What a rounding errs in a kernel of the candidate's precision. */
static void keep_errors(struct hypotheses *h, const struct problem *p, int gauge)
{
    const int k = h->cause[h->n];
    struct op_case got[PARTS] = {{0}};
    if (cause_is(k)->kind != FAULT_ROUNDING)
        return;
    cause_run(k, p, p->wish.dtype == DT_F64 ? SWAX_PREC_F64 : SWAX_PREC_F32, got);
    for (int part = 0; part < p->subject.n; part++) {
        if (!gauge)
            regauge(p, &got[part]);
        for (int i = 0; i < got[part].n; i++)
            if (problem_is_answer(p, part, i))
                h->errs[h->n][part][i] = errors(p, part, i, got[part].arg[i]);
        op_case_free(&got[part]);
    }
}

/* Told that errors such as b's are honest, would the judge pass those of a, and the other way round?  By RMS, at most,
 * and as a whole: rounding has no direction, and leaves of n errors what the RMS over sqrt(n) is. */
static int errs_alike(const struct problem *p, int part, int i, struct op_distance a, struct op_distance b)
{
    const long n = p->in[part].size[i];
    const double most = p->bound[part].bound[i], rms = p->bound[part].rms_bound[i], left = 4 * b.rms / sqrt((double)n);
    const double times = alike(n);
    return a.rms <= times * fmax(b.rms, rms) && b.rms <= times * fmax(a.rms, rms) &&
           a.most <= times * fmax(b.most, most) && b.most <= times * fmax(a.most, most) &&
           a.bias <= fmax(times * b.bias, fmax(left, rms));
}

/* Of all that was run only the answers are kept, with what measures a distance from them. */
static void keep(struct hypotheses *h, const struct problem *p, int part)
{
    struct op_case *says = &h->says[h->n][part];
    for (int i = 0; i < says->n; i++) {
        if (!problem_is_answer(p, part, i)) {
            free(says->arg[i]);
            says->arg[i] = NULL;
            continue;
        }
        const double larger = fmax(rms_of(says->arg[i], says->size[i]), h->truth_rms[part][i]),
                     unit = larger > 0 ? larger : 1;
        h->unit[h->n][part][i] = unit;
        h->off[h->n][part][i] =
            orders(distance(says->arg[i], p->truth[part].arg[i], unit, says->size[i]), honest(p, part, i));
    }
}

void hypotheses_make(struct hypotheses *h, const struct problem *p, int gauge, int derived)
{
    h->n = 0;
    for (int part = 0; part < p->subject.n; part++)
        for (int i = 0; i < p->in[part].n; i++)
            h->truth_rms[part][i] =
                problem_is_answer(p, part, i) ? rms_of(p->truth[part].arg[i], p->in[part].size[i]) : 0;
    for (int k = cause_next(-1, p->subject.base); k >= 0; k = cause_next(k, p->subject.base)) {
        struct op_case *says = h->says[h->n];
        if (derived && !derive_has(k, p))
            continue;
        memset(says, 0, sizeof h->says[0]);
        if (derived)
            derive_run(k, p, says);
        else
            cause_run(k, p, SWAX_PREC_F64, says);
        for (int part = 0; part < p->subject.n && !gauge; part++)
            regauge(p, &says[part]);
        h->cause[h->n] = k;
        for (int part = 0; part < p->subject.n; part++)
            keep(h, p, part);
        if (!derived)
            keep_errors(h, p, gauge);
        h->n++;
    }
}

void hypotheses_free(struct hypotheses *h)
{
    for (int k = 0; k < h->n; k++)
        for (int part = 0; part < PARTS; part++)
            op_case_free(&h->says[k][part]);
}

void evidence_add(struct evidence *e, const struct problem *p, const struct op_case *got, const struct hypotheses *h)
{
    for (int part = 0; part < p->subject.n; part++) {
        struct op_verdict v = p->bound[part];
        op_compare(&v, &got[part], &p->truth[part], &p->in[part]);
        for (int i = 0; i < p->in[part].n; i++) {
            if (!problem_is_answer(p, part, i) || !got[part].arg[i])
                continue;
            const long n = p->in[part].size[i];
            const double *mine = got[part].arg[i], b = honest(p, part, i), unit = h->truth_rms[part][i];
            const double off = orders(distance(mine, p->truth[part].arg[i], unit > 0 ? unit : 1, n), b);
            const struct op_distance errs = errors(p, part, i, mine);
            const struct answered a = {.p = p, .got = got, .part = part, .arg = i, .right = op_within(&v, i),
                                       .asks = v.bound[i] < 1 || v.rms_bound[i] < 1, .unit = unit, .honest = b};
            e->truth += off;
            holds_place(e, &a, off);
            for (int k = 0; k < h->n; k++) {
                const int cause = h->cause[k];
                const double *says = h->says[k][part].arg[i],
                             left = orders(distance(mine, says, h->unit[k][part][i], n), b);
                e->tried[cause] = 1;
                e->cause[cause] += left;
                e->size[cause] += fabs(off - h->off[k][part][i]);
                e->errs_otherwise[cause] |= cause_is(cause)->kind == FAULT_ROUNDING &&
                                            !errs_alike(p, part, i, errs, h->errs[k][part][i]);
                holds_add(e, cause, &a, says, h->unit[k][part][i], h->off[k][part][i], left);
            }
        }
    }
}

/* May it be named, everywhere or somewhere alone? */
static int may_be(const struct evidence *e, int cause, int somewhere)
{
    return e->tried[cause] && (somewhere ? holds_somewhere(e, cause) : !e->holds[cause].refuted);
}

/* Whose numbers are nearest, of all that nothing refutes, and of those that hold somewhere alone. */
static int nearest(const struct evidence *e, const char *op, int somewhere)
{
    int best = -1;
    for (int k = cause_next(-1, op); k >= 0; k = cause_next(k, op))
        if (may_be(e, k, somewhere) && (best < 0 || e->cause[k] < e->cause[best]))
            best = k;
    return best;
}

static int nearest_in_size(const struct evidence *e, const char *op)
{
    int best = -1;
    for (int k = cause_next(-1, op); k >= 0; k = cause_next(k, op))
        if (e->tried[k] && cause_is(k)->kind == FAULT_ROUNDING && !e->errs_otherwise[k] &&
            (best < 0 || e->size[k] < e->size[best]))
            best = k;
    return best;
}

/* It, and with it what is as near. */
static void name(const struct evidence *e, struct report *r, int best, double explained, int derived, int somewhere)
{
    const char *op = r->plan.subject.base;
    r->cause = best;
    r->explained = explained;
    r->derived = derived;
    r->alike = r->causes = 0;
    r->where[0] = 0;
    r->right_forward = somewhere && !e->wrong[0];
    if (somewhere)
        holds_where(r->where, e, r, best);
    for (int k = cause_next(-1, op); k >= 0; k = cause_next(k, op))
        if (k != best && may_be(e, k, somewhere) && e->cause[k] - e->cause[best] <= AS_WELL * e->truth &&
            r->causes < 3)
            r->causes_list[r->causes++] = k;
}

void evidence_weigh(const struct evidence *e, struct report *r, int derived)
{
    const char *op = r->plan.subject.base;
    if (!derived)
        r->too_large = e->left_out && !(e->work > 0);
    if (!(e->truth > 0))
        return;
    for (int somewhere = 0; somewhere < 2; somewhere++) {
        const int best = nearest(e, op, somewhere);
        const double explained = best < 0 ? 0 : 1 - (somewhere ? e->holds[best].left : e->cause[best]) / e->truth;
        if (explained >= EXPLAINS && (r->cause < 0 || explained > r->explained + AS_WELL))
            name(e, r, best, explained, derived, somewhere);
    }
    const int sized = nearest_in_size(e, op);
    if (r->cause < 0 && !derived && sized >= 0 && e->size[sized] <= 0.35 * e->truth) {
        r->cause = sized;
        r->alike = 1;
        r->explained = 1 - e->size[sized] / e->truth;
    }
}

const char *cause_words(char words[CAUSE_WORDS], const struct report *r, int cause)
{
    const char *says = cause_is(cause)->says;
    const int another = r->derived && r->right_forward,
              said = another && !strcmp(r->where, "in the backward only");
    snprintf(words, CAUSE_WORDS, "%s%s%s%s%s",
             another ? "the backward is the derivative of another forward: " : "", says,
             r->derived && !another ? ", and the backward is that forward's derivative" : "",
             r->where[0] && !said ? ", " : "", said ? "" : r->where);
    return words;
}
