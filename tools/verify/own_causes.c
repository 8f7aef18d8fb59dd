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

enum { TRIED = 24 };                      /* of the ways that are near, how many the judge is asked about */
static const double NEAR = 64;            /* bounds: what is further away than that is not looked at more closely */
static const double MOST_KEPT = 1e6;      /* numbers in the tensors of the problems that are kept */
static const double SECONDS = 20, OF_ONE = 1;      /* of the whole search, and of one call of the plain function */

/* ---- problems that were judged */

static double *copy_of(const double *a, long n)
{
    double *to = op_take((size_t)n, sizeof *to);
    memcpy(to, a, (size_t)n * sizeof *to);
    return to;
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
    long finite = 0;
    for (long e = 0; e < n; e++)
        if (isfinite(a[e]))
            sum += a[e] * a[e], finite++;
    return finite ? sqrt(sum / (double)finite) : 0;
}

static double distance(const double *a, const double *b, double unit, long n)
{
    double sum = 0;
    for (long e = 0; e < n; e++) {
        const double off = a[e] == b[e] || (isnan(a[e]) && isnan(b[e])) ? 0 : a[e] - b[e];
        sum += off * off;
    }
    return sqrt(sum / (double)n) / fmax(unit, 1e-300);
}

/* How many bounds the answers of a case are away from what a way gives, as a logarithm over all outputs; negative
 * where that is too far for one of them, or half as far as the truth is from one that is wrong. */
static double residual(const struct own *w, const struct own_case *c, const struct own_problem *says)
{
    double total = 0;
    for (int i = 0; i < w->tensors; i++) {
        if (w->tensor[i].role == IN || (!c->asked[i] && c->within[i]))
            continue;
        const long n = c->is.n[i];
        const double bound = fmax(c->rms_bound[i], 1e-15),
                     unit = fmax(rms_of(says->at[i], n), rms_of(c->truth[i], n)),
                     off = distance(c->got[i], says->at[i], unit, n), was = distance(c->got[i], c->truth[i], unit, n);
        if (!(off <= NEAR * bound) || (!c->within[i] && !(off <= was / 2)))
            return -1;
        total += log1p(off / bound);
    }
    return total;
}

static double residual_of(struct search *s, const struct own_case *c, int right, const struct own_way *way)
{
    struct own_problem p;
    double off = right ? 0 : -1;
    if (taken(s, c, way, &p))
        off = is_there(s) && own_plainly(&s->plain, SWAX_PREC_F64, &p) ? residual(s->own, c, &p) : -1;
    own_free(&p);
    return off;
}

/* Of all cases: what is wrong must be explained, what is right must stay so. */
static double near(struct search *s, const struct own_kept kept[2], const struct own_way *way)
{
    double total = 0;
    for (int right = 0; right < 2; right++)
        for (int k = 0; k < kept[right].n; k++) {
            const double off = residual_of(s, kept[right].at[k], right, way);
            if (off < 0)
                return -1;
            total += off;
        }
    return total;
}

/* Would the judge pass all answers of that case, if that were what the kernel should compute? */
static int is_right(struct search *s, const struct own_case *c, int right, const struct own_way *way)
{
    static const long none[OWN_TENSORS];
    struct own_problem p, truth = {0}, got = {0};
    struct door_tensor t[OWN_TENSORS];
    int fine = right;
    if (taken(s, c, way, &p)) {
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
