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

/* Where words say what each element would be: the squares of what they leave of it, and of what it is off. */
struct rest { double left, off; };
static const double MOST_LEFT = 1e-3;      /* of the second, where words are to explain it */

/* Is an answer near what it would be?  It is added up what that leaves. */
static int fits(struct rest *r, double a, double t, double would, double bound)
{
    r->left += isfinite(would) ? (a - would) * (a - would) : 0;
    r->off += isfinite(would) && isfinite(t) ? (a - t) * (a - t) : 0;
    return near(a, would, bound);
}

static int explained(const struct rest *r) { return r->left <= MOST_LEFT * r->off; }

/* Is each element the truth's from where it is said to come, and not because the two are alike? */
static int moved_so(const struct pair *x, const struct move *m)
{
    struct rest r = {0, 0};
    for (long e = 0; e < x->n; e++) {
        const long from = from_where(m, e);
        if (!fits(&r, x->a[e], x->t[e], from < 0 ? x->a[e] : x->t[from], x->bound))
            return 0;
    }
    return explained(&r);
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

/* Is the answer's index `to` the truth's index `from`, whole, and not because the two are alike? */
static int holds(const struct pair *x, const struct axis *d, long to, long from)
{
    struct rest r = {0, 0};
    for (long block = 0; block < x->n; block += d->extent * d->stride)
        for (long e = block + to * d->stride; e < block + (to + 1) * d->stride; e++)
            if (!fits(&r, x->a[e], x->t[e], x->t[e + (from - to) * d->stride], x->bound))
                return 0;
    return from == to || explained(&r);
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

/* At which of an axis' indices is it wrong?  The step between them is 0 where it is not the same everywhere. */
struct places { long wrong, first, last, step; };

static struct places places_along(const struct pair *x, const struct axis *d)
{
    struct places at = {0, 0, 0, 0};
    unsigned char *bad = op_take((size_t)d->extent, 1);
    for (long e = 0; e < x->n; e++)
        bad[e / d->stride % d->extent] |= !near(x->a[e], x->t[e], x->bound);
    for (long k = 0; k < d->extent; k++)
        if (bad[k]) {
            if (!at.wrong)
                at.first = k;
            else
                at.step = at.wrong == 1 || at.step == k - at.last ? k - at.last : 0;
            at.last = k;
            at.wrong++;
        }
    free(bad);
    return at;
}

static void say_places(char words[WORDS], const struct axis *d, struct places at)
{
    if (at.wrong == 1)
        snprintf(words, WORDS, "at %s = %ld alone, of %ld (%.40s)", d->name, at.first, d->extent, d->word);
    else if (at.wrong > 2 && at.step > 1)
        snprintf(words, WORDS, "at %s = %ld, %ld, %ld .. %ld alone, of %ld (%.40s)", d->name, at.first,
                 at.first + at.step, at.first + 2 * at.step, at.last, d->extent, d->word);
    else
        snprintf(words, WORDS, "at %s from %ld to %ld alone%s, of %ld (%.40s)", d->name, at.first, at.last,
                 at.wrong == at.last - at.first + 1 ? "" : ", with gaps", d->extent, d->word);
}

static double share(struct places at, const struct axis *d) { return (double)at.wrong / (double)d->extent; }

/* Is it wrong only at some of an axis' indices?  The axis of which the fewest are wrong, and, as far as there is room,
 * one more of which at most half are. */
static int somewhere(char words[WORDS], const struct pair *x, const struct axis *axis, int n, size_t room)
{
    struct places at[AXES];
    char says[WORDS];
    int best = -1, next = -1;
    for (int d = 0; d < n; d++) {
        at[d] = places_along(x, &axis[d]);
        if (at[d].wrong && at[d].wrong < axis[d].extent && (best < 0 || share(at[d], &axis[d]) <
                                                                        share(at[best], &axis[best])))
            best = d;
    }
    if (best < 0)
        return 0;
    for (int d = 0; d < n; d++)
        if (d != best && at[d].wrong && 2 * at[d].wrong <= axis[d].extent &&
            (next < 0 || share(at[d], &axis[d]) < share(at[next], &axis[next])))
            next = d;
    say_places(says, &axis[best], at[best]);
    const int used = snprintf(words, WORDS, "%.140s", says);
    if (next >= 0) {
        say_places(says, &axis[next], at[next]);
        const int left = (int)room - used - (int)sizeof " and ";
        if ((int)strlen(says) <= left)
            snprintf(words + used, (size_t)(WORDS - used), " and %.*s", left, says);
    }
    return 1;
}

static int multiple(char words[WORDS], const struct pair *x)
{
    const double most = largest(x->t, x->n);
    double along = 0, square = 0;
    struct rest r = {0, 0};
    if (!(most > 0) || x->n == 1)    /* one number is a multiple of any other */
        return 0;
    for (long e = 0; e < x->n; e++)
        if (isfinite(x->t[e]) && isfinite(x->a[e])) {
            along += x->a[e] / most * (x->t[e] / most);
            square += x->t[e] / most * (x->t[e] / most);
        }
    const double factor = along / square;
    for (long e = 0; e < x->n; e++)
        if (!fits(&r, x->a[e], x->t[e], factor * x->t[e], x->bound * fmax(1, fabs(factor))))
            return 0;
    if (!(fabs(factor) > 1e-6 && fabs(factor) < 1e6) ||    /* beyond, one of the two is what rounding left */
        !explained(&r))
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

/* ---- what stands where it is wrong.  Of a few elements nothing is said: they may be so by chance. */

enum { ENOUGH = 4 };

/* Does what each should be, `would`, leave next to nothing of what the wrong elements are off? */
static int explains(const struct pair *x, const double *would)
{
    struct rest r = {0, 0};
    for (long e = 0; e < x->n; e++)
        if (!isfinite(x->t[e]) || !isfinite(would[e]) || !fits(&r, x->a[e], x->t[e], would[e], x->bound))
            return 0;
    return explained(&r);
}

/* The wrong elements alone, and where they stand. */
struct wrongs { struct pair pair; double *a, *t, *before, *would; long *at; };

static void wrongs_take(struct wrongs *w, const struct pair *x, const double *before)
{
    const size_t n = (size_t)x->n;
    long k = 0;
    w->a = op_take(n, sizeof *w->a), w->t = op_take(n, sizeof *w->t), w->would = op_take(n, sizeof *w->would);
    w->before = op_take(n, sizeof *w->before), w->at = op_take(n, sizeof *w->at);
    for (long e = 0; e < x->n; e++)
        if (!near(x->a[e], x->t[e], x->bound)) {
            w->a[k] = x->a[e], w->t[k] = x->t[e], w->at[k] = e;
            w->before[k++] = before ? before[e] : 0;
        }
    w->pair = (struct pair){w->a, w->t, k, x->bound};
}

static void wrongs_free(struct wrongs *w) { free(w->a), free(w->t), free(w->before), free(w->would), free(w->at); }

/* Each the truth's of another index of that axis: `by` further on, or index `to` for all. */
static int taken_from(struct wrongs *w, const double *t, const struct axis *d, long by, long to)
{
    for (long k = 0; k < w->pair.n; k++) {
        const long own = w->at[k] / d->stride % d->extent, from = to < 0 ? own + by : to;
        if (from < 0 || from >= d->extent)
            return 0;
        w->would[k] = t[w->at[k] + (from - own) * d->stride];
    }
    return explains(&w->pair, w->would);
}

static int of_another(char words[WORDS], struct wrongs *w, const double *t, const struct axis *d)
{
    const long own = w->at[0] / d->stride % d->extent;
    for (long k = 0; k < d->extent; k++) {
        if (k == own || !near(w->a[0], t[w->at[0] + (k - own) * d->stride], w->pair.bound))
            continue;
        if (taken_from(w, t, d, k - own, -1))
            return snprintf(words, WORDS, "there each holds that of %s %+ld", d->name, k - own);
        if (taken_from(w, t, d, 0, k))
            return snprintf(words, WORDS, "there each holds that of %s = %ld", d->name, k);
    }
    return 0;
}

/* The vectors along an axis in which anything is wrong: each a multiple of its own of what it should be. */
static int multiples(char words[WORDS], const struct pair *x, const struct axis *d)
{
    struct rest r = {0, 0};
    long wrong = 0;
    if (d->extent < ENOUGH)
        return 0;
    for (long v = 0; v < x->n / d->extent; v++) {
        const long first = v / d->stride * d->stride * d->extent + v % d->stride;
        double along = 0, square = 0;
        int bad = 0;
        for (long e = first; e < first + d->extent * d->stride; e += d->stride) {
            bad |= !near(x->a[e], x->t[e], x->bound);
            along += x->a[e] * x->t[e];
            square += x->t[e] * x->t[e];
        }
        const double factor = along / square;
        for (long e = first; e < first + d->extent * d->stride && bad; e += d->stride)
            if (!isfinite(factor * x->t[e]) || !fits(&r, x->a[e], x->t[e], factor * x->t[e], x->bound))
                return 0;
        wrong += bad;
    }
    if (!(wrong > 0 && explained(&r)))
        return 0;
    return snprintf(words, WORDS, "there a multiple of its own along %s", d->name);
}

static int stands(char words[WORDS], const struct pair *x, const struct sight *s)
{
    struct wrongs w;
    long zero = 0, over = 0;
    int found = 1;
    wrongs_take(&w, x, s->before);
    for (long k = 0; k < w.pair.n; k++) {
        zero += w.a[k] == 0;
        w.would[k] = w.t[k] - w.before[k];
        over += w.before[k] != 0;
    }
    if (w.pair.n < ENOUGH)
        found = 0;
    else if (zero == w.pair.n)
        snprintf(words, WORDS, s->before ? "nothing was added there" : "0 there");
    else if (over && explains(&w.pair, w.would))
        snprintf(words, WORDS, "what stood there before is lost");
    else if ((found = multiple(words, &w.pair)) != 0)
        memcpy(words + strlen(words), " there", sizeof " there");
    for (int d = 0; d < s->axes && !found && w.pair.n >= ENOUGH; d++)
        found = of_another(words, &w, x->t, &s->axis[d]);
    for (int d = s->axes - 1; d >= 0 && !found && w.pair.n >= ENOUGH; d--)
        found = multiples(words, x, &s->axis[d]);
    wrongs_free(&w);
    return found;
}

/* What was added to what stood there, of a gradient. */
static double *added(const double *a, const double *before, long n)
{
    double *copy = op_take((size_t)n, sizeof *copy);
    for (long e = 0; e < n; e++)
        copy[e] = a[e] - (before ? before[e] : 0);
    return copy;
}

/* Does it hold what was to be added to what stood there? */
static int overwritten(char words[WORDS], const struct sight *s, const double *addend, double bound)
{
    if (!s->before || !(largest(s->before, s->n) > bound))
        return 0;
    for (long e = 0; e < s->n; e++)
        if (!near(s->got[e], addend[e], bound))
            return 0;
    snprintf(words, WORDS, "overwritten: what stood there is lost, to which it should be added");
    return 1;
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
    int found = overwritten(words, s, t, bound) || multiple(words, &x) || transposed(words, &x, s->axis, s->axes);
    for (int d = 0; d < s->axes && !found; d++)
        found = s->axis[d].extent > 1 && shifted(words, &x, &s->axis[d]);
    for (int d = 0; d < s->axes && !found; d++)
        found = reordered(words, &x, &s->axis[d]);
    if (!found) {
        char says[WORDS] = "";
        const int known = stands(says, &x, s);
        const size_t room = WORDS - sizeof "wrong" - (known ? strlen(says) + 2 : 0);
        char at[WORDS] = "";
        const int where = somewhere(at, &x, s->axis, s->axes, room);
        const int used = where ? snprintf(words, WORDS, "wrong %.150s", at) : 0;
        if (known)
            snprintf(words + used, WORDS - (size_t)used, "%s%.80s", where ? ": " : "where it is wrong: ", says);
    }
    free(a), free(t);
}

static struct sight sight_of(const struct problem *p, const struct op_case *got, int part, int arg)
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
    return s;
}

void looks_like(char words[WORDS], const struct problem *p, const struct op_case *got, int part, int arg)
{
    struct sight s = sight_of(p, got, part, arg);
    looks_of(words, &s);
}

void looks_where(char words[WORDS], const struct problem *p, const struct op_case *got, int part, int arg)
{
    struct sight s = sight_of(p, got, part, arg);
    const double unit = largest(s.truth, s.n);
    const struct pair x = {s.got, s.truth, s.n, s.bound * (unit > 0 ? unit : 1)};
    words[0] = 0;
    set_strides(s.axis, s.axes);
    somewhere(words, &x, s.axis, s.axes, WORDS);
}
