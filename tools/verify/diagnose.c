/* diagnose.c - which known fault gives a candidate's numbers.
 *
 * Every fault of the library is run, in double, on the inputs of the problems.  An output that stands d away from a
 * hypothesis, where an honest kernel may stand b away from the truth, is log10(d/b) orders of magnitude off, or 0
 * within.  The hypothesis whose sum over all outputs and problems is smallest explains the candidate, if it takes
 * away most of what the truth leaves. */
#include "tools/verify/verify.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double MOST = 9;          /* orders of magnitude: what NaN counts */
static const double EXPLAINS = 0.6;    /* a smaller share of the distance is none */
static const double AS_WELL = 0.02;    /* what is this close to the best is named with it */
static const double MOST_WORK = 2e10;  /* multiplications, half a minute */

int evidence_affords(struct evidence *e, const struct problem *p)
{
    struct swax_tier unused;
    const struct fault *f;
    double work = 0;
    for (int part = 0; part < p->subject.n; part++)
        for (int k = 0; (f = fault_f64(k, &unused)); k++)
            work += strcmp(f->op, p->subject.base) ? 0 : 4 * case_steps(&p->in[part]);
    const int affords = e->work + work <= MOST_WORK;
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

/* A number beyond float's reach in the hypothesis is whatever a kernel makes of its overflow. */
static double apart(double a, double t)
{
    if (!isfinite(a) && !(fabs(t) <= (double)FLT_MAX))
        return 0;
    return isfinite(a) && isfinite(t) ? fabs(a - t) : (isnan(a) && isnan(t)) || a == t ? 0 : (double)INFINITY;
}

/* RMS of a - t, measured by `unit`.  Of four sums, which need not wait for each other: all the faults are compared with each. */
static double distance(const double *a, const double *t, double unit, long n)
{
    double sum[4] = {0};
    long e = 0;
    for (; e + 4 <= n; e += 4)
        for (int k = 0; k < 4; k++)
            sum[k] += (a[e + k] - t[e + k]) * (a[e + k] - t[e + k]);
    for (; e < n; e++)
        sum[0] += (a[e] - t[e]) * (a[e] - t[e]);
    const double plain = sum[0] + sum[1] + sum[2] + sum[3];
    if (isfinite(plain) && unit > 1e-100)    /* so all were finite, and no square of weight vanished */
        return sqrt(plain / (double)n) / unit;
    sum[0] = 0;
    for (e = 0; e < n; e++)
        sum[0] += apart(a[e], t[e]) / unit * (apart(a[e], t[e]) / unit);
    return sqrt(sum[0] / (double)n);
}

static double orders(double d, double b) { return d > b ? fmin(MOST, log10(d / b)) : 0; }

/* What is no distance: what an honest kernel may err, by RMS. */
static double honest(const struct problem *p, int part, int i) { return fmax(p->bound[part].rms_bound[i], 8 * DBL_EPSILON); }

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
        const double larger = fmax(rms_of(says->arg[i], says->size[i]), h->truth_rms[part][i]), unit = larger > 0 ? larger : 1;
        h->unit[h->n][part][i] = unit;
        h->off[h->n][part][i] = orders(distance(says->arg[i], p->truth[part].arg[i], unit, says->size[i]), honest(p, part, i));
    }
}

void hypotheses_make(struct hypotheses *h, const struct problem *p, int gauge)
{
    struct swax_tier tier;
    const struct fault *f;
    h->n = 0;
    for (int part = 0; part < p->subject.n; part++)
        for (int i = 0; i < p->in[part].n; i++)
            h->truth_rms[part][i] = problem_is_answer(p, part, i) ? rms_of(p->truth[part].arg[i], p->in[part].size[i]) : 0;
    for (int k = 0; k < MOST_FAULTS && (f = fault_f64(k, &tier)); k++) {
        if (strcmp(f->op, p->subject.base))
            continue;
        struct op_case *says = h->says[h->n];
        memset(says, 0, sizeof h->says[0]);
        for (int part = 0; part < p->subject.n; part++) {
            op_case_copy(&says[part], &p->in[part]);
            if (part && p->wish.chained)
                problem_chain(&says[1], &says[0]);
            op_run(&tier, SWAX_PREC_F64, &says[part]);
        }
        for (int part = 0; part < p->subject.n && !gauge; part++)
            regauge(p, &says[part]);
        for (int part = 0; part < p->subject.n; part++)
            keep(h, p, part);
        h->fault[h->n++] = k;
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
    for (int part = 0; part < p->subject.n; part++)
        for (int i = 0; i < p->in[part].n; i++) {
            if (!problem_is_answer(p, part, i) || !got[part].arg[i])
                continue;
            const long n = p->in[part].size[i];
            const double *mine = got[part].arg[i], b = honest(p, part, i), unit = h->truth_rms[part][i];
            const double off = orders(distance(mine, p->truth[part].arg[i], unit > 0 ? unit : 1, n), b);
            e->truth += off;
            for (int k = 0; k < h->n; k++) {
                e->fault[h->fault[k]] += orders(distance(mine, h->says[k][part].arg[i], h->unit[k][part][i], n), b);
                e->size[h->fault[k]] += fabs(off - h->off[k][part][i]);
            }
        }
}

void evidence_weigh(const struct evidence *e, struct report *r)
{
    struct swax_tier tier;
    const struct fault *f;
    int best = -1, sized = -1;
    for (int k = 0; k < MOST_FAULTS && (f = fault_f64(k, &tier)); k++) {
        if (strcmp(f->op, r->plan.subject.base))
            continue;
        if (best < 0 || e->fault[k] < e->fault[best])
            best = k;
        if (f->kind == FAULT_ROUNDING && (sized < 0 || e->size[k] < e->size[sized]))
            sized = k;
    }
    r->cause = -1;
    r->too_large = e->left_out && !(e->work > 0);
    if (!(e->truth > 0))
        return;
    if (best >= 0 && e->fault[best] <= (1 - EXPLAINS) * e->truth) {
        r->cause = best;
        r->explained = 1 - e->fault[best] / e->truth;
        for (int k = 0; k < MOST_FAULTS && (f = fault_f64(k, &tier)); k++)
            if (k != best && !strcmp(f->op, r->plan.subject.base) && e->fault[k] - e->fault[best] <= AS_WELL * e->truth && r->causes < 3)
                r->causes_list[r->causes++] = k;
    } else if (sized >= 0 && e->size[sized] <= 0.35 * e->truth) {
        r->cause = sized;
        r->alike = 1;
        r->explained = 1 - e->size[sized] / e->truth;
    }
}
