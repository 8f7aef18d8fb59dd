/* looks.c - what a wrong tensor looks like, whatever the kernel: before a cause is looked for, the obvious. */
#include "tools/verify/verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct pair { const double *a, *t; long n; double bound; };    /* answer, truth; how far an element may be away */

static int near(double a, double t, double bound)
{
    return isfinite(t) ? isfinite(a) && fabs(a - t) <= bound : a == t || (isnan(a) && isnan(t));
}

static double largest(const double *a, long n)
{
    double most = 0;
    for (long e = 0; e < n; e++)
        most = isfinite(a[e]) ? fmax(most, fabs(a[e])) : most;
    return most;
}

/* Where each element of the answer is said to come from: along an axis, the next, the one before, the first, or that in
 * the reverse order; or, where `rows` is not 0, out of a matrix whose axes, this one and the next, change places. */
struct move { const struct axis *d; int way; long rows, columns, inner; };

static long from_where(const struct move *m, long e)
{
    const struct axis *d = m->d;
    if (m->rows) {
        const long block = e / (m->rows * m->columns * m->inner), at = e / m->inner % (m->rows * m->columns);
        return (block * m->rows * m->columns + at % m->rows * m->columns + at / m->rows) * m->inner + e % m->inner;
    }
    const long at = e / d->stride % d->extent,
               from = m->way == 0 ? at + 1 : m->way == 1 ? at - 1 : m->way == 2 ? 0 : d->extent - 1 - at;
    return from < 0 || from >= d->extent ? -1 : e + (from - at) * d->stride;
}

static int moved_so(const struct pair *x, const struct move *m)
{
    for (long e = 0; e < x->n; e++) {
        const long from = from_where(m, e);
        if (from >= 0 && !near(x->a[e], x->t[from], x->bound))
            return 0;
    }
    return 1;
}

static void set_strides(struct axis *axis, int n)
{
    long stride = 1;
    for (int d = n - 1; d >= 0; d--) {
        axis[d].stride = stride;
        stride *= axis[d].extent;
    }
}

static int shifted(char words[WORDS], const struct pair *x, const struct axis *d)
{
    static const struct { const char *is, *each; } ways[] = {
        {"moved", ": each holds that of the next"}, {"moved", ": each holds that of the one before"},
        {"alike", ": each holds that of the first"}, {"reversed", ""},
    };
    for (int way = 0; way < 4; way++)
        if (moved_so(x, &(struct move){.d = d, .way = way})) {
            snprintf(words, WORDS, "%s along %s (%s)%s", ways[way].is, d->name, d->word, ways[way].each);
            return 1;
        }
    return 0;
}

/* Is the answer's index `to` the truth's index `from`, whole? */
static int holds(const struct pair *x, const struct axis *d, long to, long from)
{
    for (long block = 0; block < x->n; block += d->extent * d->stride)
        for (long e = block + to * d->stride; e < block + (to + 1) * d->stride; e++)
            if (!near(x->a[e], x->t[e + (from - to) * d->stride], x->bound))
                return 0;
    return 1;
}

enum { MOST_ORDERED = 64 };

/* Along one axis: each the truth's, in another order, or with one for several. */
static int reordered(char words[WORDS], const struct pair *x, const struct axis *d)
{
    long from[MOST_ORDERED];
    int moved = 0;
    if (d->extent > MOST_ORDERED)
        return 0;
    for (long to = 0; to < d->extent; to++) {
        from[to] = holds(x, d, to, to) ? to : 0;
        while (from[to] < d->extent && !holds(x, d, to, from[to]))
            from[to]++;
        if (from[to] == d->extent)
            return 0;
        moved += from[to] != to;
    }
    if (!moved)
        return 0;
    size_t n = (size_t)snprintf(words, WORDS, "misplaced along %s (%s):", d->name, d->word);
    const char *before = "", *holds = "holds ";
    long to = 0;
    for (; to < d->extent && n < WORDS - 40; to++)
        if (from[to] != to) {
            n += (size_t)snprintf(words + n, WORDS - n, "%s %ld %sthat of %ld", before, to, holds, from[to]);
            before = ",", holds = "";
        }
    while (to < d->extent && from[to] == to)
        to++;
    if (to < d->extent)
        memcpy(words + n, " ...", sizeof " ...");
    return 1;
}

/* The last two axes, or those before the last, change places in memory. */
static int transposed(char words[WORDS], const struct pair *x, const struct axis *axis, int n)
{
    for (int d = n - 2; d >= 0 && d >= n - 3; d--) {
        const struct move m = {&axis[d], 0, axis[d].extent, axis[d + 1].extent, axis[d + 1].stride};
        if (m.rows > 1 && m.columns > 1 && moved_so(x, &m)) {
            snprintf(words, WORDS, "transposed in memory, %s with %s", axis[d].name, axis[d + 1].name);
            return 1;
        }
    }
    return 0;
}

/* Is it wrong only at some of an axis' indices?  The axis of which the fewest are wrong. */
static int somewhere(char words[WORDS], const struct pair *x, const struct axis *axis, int n)
{
    double fewest = 1;
    for (int d = 0; d < n; d++) {
        long first = axis[d].extent, last = 0, wrong = 0;
        unsigned char *bad = op_take((size_t)axis[d].extent, 1);
        for (long e = 0; e < x->n; e++)
            bad[e / axis[d].stride % axis[d].extent] |= !near(x->a[e], x->t[e], x->bound);
        for (long k = 0; k < axis[d].extent; k++)
            if (bad[k]) {
                first = k < first ? k : first;
                last = k;
                wrong++;
            }
        free(bad);
        if (!wrong || (double)wrong / (double)axis[d].extent >= fewest)
            continue;
        fewest = (double)wrong / (double)axis[d].extent;
        const int whole = wrong == last - first + 1;
        if (wrong == 1)
            snprintf(words, WORDS, "wrong at %s = %ld alone, of %ld (%.40s)", axis[d].name, first, axis[d].extent,
                     axis[d].word);
        else
            snprintf(words, WORDS, "wrong at %s from %ld to %ld alone%s, of %ld (%.40s)", axis[d].name, first, last,
                     whole ? "" : ", with gaps", axis[d].extent, axis[d].word);
    }
    return fewest < 1;
}

static int multiple(char words[WORDS], const struct pair *x)
{
    const double most = largest(x->t, x->n);
    double along = 0, square = 0;
    if (!(most > 0))
        return 0;
    for (long e = 0; e < x->n; e++)
        if (isfinite(x->t[e]) && isfinite(x->a[e])) {
            along += x->a[e] / most * (x->t[e] / most);
            square += x->t[e] / most * (x->t[e] / most);
        }
    const double factor = along / square;
    for (long e = 0; e < x->n; e++)
        if (!near(x->a[e], factor * x->t[e], x->bound * fmax(1, fabs(factor))))
            return 0;
    if (!(fabs(factor) > 1e-6))
        return 0;
    if (fabs(factor + 1) < 1e-3)
        snprintf(words, WORDS, "of the opposite sign");
    else
        snprintf(words, WORDS, "%.6g times what it should be", factor);
    return 1;
}

/* Does the kernel give what stood there, or nothing, or numbers that are none? */
static int plainly(char words[WORDS], const struct pair *x, const struct sight *s)
{
    long nan = 0, infinite = 0, zero = 0, same = 0, truly = 0;
    for (long e = 0; e < x->n; e++) {
        nan += isnan(x->a[e]) && !isnan(x->t[e]);
        infinite += isinf(x->a[e]) && !isinf(x->t[e]);
        zero += x->a[e] == 0;
        truly += x->t[e] == 0;
        same += s->before && x->a[e] == s->before[e];
    }
    if (s->unwritten == x->n)
        snprintf(words, WORDS, "not written");
    else if (s->unwritten)
        snprintf(words, WORDS, "not written in %ld of its %ld elements", s->unwritten, x->n);
    else if (zero == x->n && truly < x->n)
        snprintf(words, WORDS, "all zeros");
    else if (same == x->n)
        snprintf(words, WORDS, "what it was before: nothing was added");
    else if (nan || infinite)
        snprintf(words, WORDS, "not finite in %ld of its %ld elements", nan + infinite, x->n);
    else
        return 0;
    return 1;
}

/* What was added to what stood there, of a gradient. */
static double *added(const double *a, const double *before, long n)
{
    double *copy = op_take((size_t)n, sizeof *copy);
    for (long e = 0; e < n; e++)
        copy[e] = a[e] - (before ? before[e] : 0);
    return copy;
}

void looks_of(char words[WORDS], struct sight *s)
{
    const double unit = largest(s->truth, s->n), bound = s->bound * (unit > 0 ? unit : 1);
    const struct pair whole = {s->got, s->truth, s->n, bound};
    words[0] = 0;
    set_strides(s->axis, s->axes);
    if (plainly(words, &whole, s))
        return;
    double *a = added(s->got, s->before, s->n), *t = added(s->truth, s->before, s->n);
    const struct pair x = {a, t, s->n, bound};
    int found = multiple(words, &x) || transposed(words, &x, s->axis, s->axes);
    for (int d = 0; d < s->axes && !found; d++)
        found = s->axis[d].extent > 1 && shifted(words, &x, &s->axis[d]);
    for (int d = 0; d < s->axes && !found; d++)
        found = reordered(words, &x, &s->axis[d]);
    if (!found)
        somewhere(words, &x, s->axis, s->axes);
    free(a), free(t);
}

void looks_like(char words[WORDS], const struct problem *p, const struct op_case *got, int part, int arg)
{
    const struct op_case *c = &p->in[part];
    const struct op_spec *op = &swax_ops[c->op];
    const struct op_arg *a = &op->arg[arg];
    struct sight s = {.got = got[part].arg[arg], .truth = p->truth[part].arg[arg], .n = c->size[arg],
                      .bound = p->bound[part].bound[arg]};
    s.before = a->role == ADD ? c->arg[arg] : NULL;
    s.unwritten = a->role == OUT ? got[part].unwritten[arg] : 0;
    for (; a->shape[s.axes]; s.axes++) {
        const char letter = a->shape[s.axes];
        s.axis[s.axes] = (struct axis){.name = {letter}, .word = op_dim_word(op, letter),
                                       .extent = op_extent(op, letter, c->dims)};
    }
    looks_of(words, &s);
}
