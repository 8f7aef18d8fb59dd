/* own_causes.c - what a candidate got wrong, of a kernel that only its user knows.
 *
 * The plain function is asked again with an input or a scalar taken otherwise (own_ways.c). The cause is a way with
 * which it says what the candidate says: in every problem that is wrong, and in those that are right as well. What is
 * near is put to the judge, as if it were what the kernel should compute: all answers would be right. */
#include "tools/verify/own.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/clock.h"

enum { STEPS = 4, TRIED = 24 };           /* TRIED: of the ways that are near, how many the judge is asked about */
static const double NEAR = 64;            /* bounds: what is further away than that is not looked at more closely, */
static const double CLOSER = 32;          /* unless the truth is so many times further away: the way may be unstable */
static const double MOST_KEPT = 1e6;      /* numbers in the tensors of the problems that are kept */
static const double SECONDS = 20, OF_ONE = 1;      /* of the whole search, and of one call of the plain function */

/* ---- problems that were judged */

static double *copy_of(const double *a, long n)
{
    double *to = op_take((size_t)n, sizeof *to);
    memcpy(to, a, (size_t)n * sizeof *to);
    return to;
}

static int is_finite(const double *a, long n)
{
    while (n && isfinite(a[n - 1]))
        n--;
    return !n;
}

static void forget(struct own_case *c)
{
    for (int i = 0; i < OWN_TENSORS; i++)
        free(c->got[i]), free(c->truth[i]);
    own_free(&c->is);
    free(c);
}

void own_forget(struct own_kept *k)
{
    while (k->n)
        forget(k->at[--k->n]);
}

void own_keep(struct own_kept *k, const struct own *w, const struct own_problem *p,
              const struct door_tensor t[OWN_TENSORS])
{
    struct own_case *c = op_take(1, sizeof *c);
    int at = k->n++;
    own_copy(&c->is, p, w);
    for (int i = 0; i < w->tensors; i++)
        if (w->tensor[i].role != IN) {
            c->got[i] = copy_of(t[i].got, p->n[i]);
            c->truth[i] = copy_of(t[i].truth, p->n[i]);
            c->rms_bound[i] = t[i].bound.rms;
            c->asked[i] = (unsigned char)t[i].asked;
            c->within[i] = (unsigned char)t[i].within;
            c->finite[i] = (unsigned char)is_finite(t[i].got, p->n[i]);
        }
    for (; at && own_numbers(&k->at[at - 1]->is, w) > own_numbers(p, w); at--)
        k->at[at] = k->at[at - 1];
    k->at[at] = c;
    k->numbers += own_numbers(p, w);
    while (k->n > OWN_KEPT || k->numbers > MOST_KEPT) {
        k->numbers -= own_numbers(&k->at[--k->n]->is, w);
        forget(k->at[k->n]);
    }
}

/* ---- the search */

struct search {
    const struct own *own;
    const struct own_asked *asked;
    struct own_plain plain;               /* in a process of its own, since some ways make it crash */
    double numbers, until;
    char why[SWAX_WHY];
};

static int is_late(const struct search *s) { return clock_seconds() > s->until; }

/* The plain function, which the last way may have crashed. */
static int is_there(struct search *s)
{
    struct own_process **is = &s->plain.process;
    if (*is && own_gone(*is)) {
        own_stop(*is);
        *is = NULL;
    }
    if (!*is && (*is = own_start(s->own, s->asked->reference, s->asked->load, SWAX_PREC_F64, s->numbers, s->why)))
        own_hurry(*is, OF_ONE);
    return *is != NULL;
}

/* The case with inputs taken so: 0 if that changes nothing. */
static int taken(struct search *s, const struct own_case *c, const struct own_way *way, struct own_problem *p)
{
    own_copy(p, &c->is, s->own);
    s->plain.way = way;
    s->plain.of = &c->is;
    return own_way_takes(way, s->own, p);
}

static double rms_of(const double *a, long n)
{
    double sum = 0;
    for (long e = 0; e < n; e++)
        sum += a[e] * a[e];
    return sqrt(sum / (double)n);
}

static double distance(const double *a, const double *b, long n)
{
    double sum = 0;
    for (long e = 0; e < n; e++)
        sum += (a[e] - b[e]) * (a[e] - b[e]);
    return sqrt(sum / (double)n);
}

/* How many bounds the answers are away from what a way gives, as a logarithm over all of them; and of how many wrong
 * ones that is far nearer than the truth. */
struct fit { double total; int explained; };

/* 0 where that is too far for an answer, or, out of bound, half as far as the truth is from a wrong one. */
static int fits(const struct own *w, const struct own_case *c, const struct own_problem *says, struct fit *f)
{
    for (int i = 0; i < w->tensors; i++) {
        if (w->tensor[i].role == IN || (!c->asked[i] && c->within[i]))
            continue;
        const long n = c->is.n[i];
        const double unit = fmax(fmax(rms_of(says->at[i], n), rms_of(c->truth[i], n)), 1e-300),
                     bound = unit * c->rms_bound[i], off = distance(c->got[i], says->at[i], n),
                     was = distance(c->got[i], c->truth[i], n);
        if (!(off <= fmax(NEAR * bound, was / CLOSER)) || (!c->within[i] && !(off <= fmax(bound, was / 2))))
            return 0;
        f->total += log1p(off / bound);
        f->explained += !c->within[i] && off <= was / 4;
    }
    return 1;
}

static int overflows(const struct own *w, const struct own_case *c)
{
    for (int i = 0; i < w->tensors; i++)
        if (w->tensor[i].role != IN && !c->finite[i])
            return 1;
    return 0;
}

/* Where a candidate's answers are not finite, their numbers say nothing; those of the plain function, in its precision,
 * are not finite either. */
static int overflows_too(const struct own *w, const struct own_case *c, const struct own_problem *says)
{
    for (int i = 0; i < w->tensors; i++)
        if (w->tensor[i].role != IN && is_finite(says->at[i], c->is.n[i]) != c->finite[i])
            return 0;
    return 1;
}

static int case_fits(struct search *s, const struct own_case *c, int right, const struct own_way *way, struct fit *f)
{
    struct own_problem p;
    int fine = right;
    const int over = overflows(s->own, c), in_float = over && s->plain.dtype != DT_F64;
    if (taken(s, c, way, &p)) {
        fine = is_there(s) && own_plainly(&s->plain, in_float ? SWAX_PREC_F32 : SWAX_PREC_F64, &p);
        fine = fine && (over ? overflows_too(s->own, c, &p) : fits(s->own, c, &p, f));
    }
    own_free(&p);
    return fine;
}

/* Of all cases, in steps: what is equally near is told in the order of the ways.  Negative if it is not near: what is
 * wrong must be explained, what is right must stay so. */
static double near(struct search *s, const struct own_kept kept[2], const struct own_way *way)
{
    struct fit f = {0, 0};
    int fine = 0;
    for (int k = 0; k < kept[0].n && !fine; k++)
        fine = own_way_counts(way, s->own, &kept[0].at[k]->is);
    for (int right = 0; right < 2; right++)
        for (int k = 0; k < kept[right].n && fine; k++)
            fine = case_fits(s, kept[right].at[k], right, way, &f);
    return fine && f.explained ? floor(STEPS * f.total / (kept[0].n + kept[1].n)) : -1;
}

/* Would the judge pass all answers of that case, if that were what the kernel should compute? */
static int is_right(struct search *s, const struct own_case *c, int right, const struct own_way *way)
{
    static const long none[OWN_TENSORS];
    struct own_problem p, truth = {0}, got = {0};
    struct door_tensor t[OWN_TENSORS];
    int fine = right || overflows(s->own, c);
    if (taken(s, c, way, &p) && !overflows(s->own, c)) {
        fine = is_there(s) && own_solve(&s->plain, &p, &truth, t);
        for (int i = 0; i < s->own->tensors; i++)
            got.at[i] = c->got[i];
        if (fine)
            own_judge(s->own, &got, none, t);
        for (int i = 0; i < s->own->tensors; i++)
            fine = fine && (s->own->tensor[i].role == IN || t[i].within || (!c->asked[i] && c->within[i]));
    }
    own_free(&p), own_free(&truth);
    return fine;
}

static int are_right(struct search *s, const struct own_kept kept[2], const struct own_way *way)
{
    int fine = 1;
    for (int right = 0; right < 2; right++)
        for (int k = 0; k < kept[right].n && fine; k++)
            fine = !is_late(s) && is_right(s, kept[right].at[k], right, way);
    return fine;
}

struct candidate_way { double off; const struct own_way *way; };

static int nearer(const void *a, const void *b)
{
    const struct candidate_way *x = a, *y = b;
    return x->off != y->off ? (x->off > y->off) - (x->off < y->off) : (x->way > y->way) - (x->way < y->way);
}

static void name(struct search *s, const struct own_kept kept[2], const struct own_way *way, struct own_verdict *v)
{
    char says[WORDS];
    int known = 0;
    own_way_says(says, s->own, way);
    for (int k = 0; k < v->causes; k++)
        known |= !strcmp(v->cause[k], says);
    if (!known && are_right(s, kept, way))
        memcpy(v->cause[v->causes++], says, sizeof says);
}

void own_find_causes(const struct own_plain *plain, const struct own_asked *a, double numbers,
                     const struct own_kept kept[2], struct own_verdict *v)
{
    int n, found = 0;
    struct search s = {.own = plain->own, .asked = a, .plain = *plain, .numbers = numbers,
                       .until = clock_seconds() + SECONDS};
    const struct own_kept of[2] = {kept[0], v->others ? (struct own_kept){0} : kept[1]};
    struct own_way *ways = own_ways(s.own, &n);
    struct candidate_way *tried = op_take((size_t)n, sizeof *tried);
    s.plain.process = NULL;
    s.plain.why = s.why;
    for (int k = 0; k < n && of[0].n && !is_late(&s); k++) {
        const double off = near(&s, of, &ways[k]);
        if (off >= 0)
            tried[found++] = (struct candidate_way){off, &ways[k]};
    }
    qsort(tried, (size_t)found, sizeof *tried, nearer);
    for (int k = 0; k < found && k < TRIED && v->causes < OWN_CAUSES; k++)
        name(&s, of, tried[k].way, v);
    v->too_large = !v->causes && (!of[0].n || is_late(&s));
    if (s.plain.process)
        own_stop(s.plain.process);
    free(tried), free(ways);
}
