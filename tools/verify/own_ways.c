/* own_ways.c - in which ways a kernel may take an input or a scalar otherwise than it should: other numbers, the same
 * numbers in other places, pairs in another order. tools/python/swax_verify/_causes.py has the same in the same words,
 * and tests/golden/own_ways.txt keeps them. In words, @ stands for a name and # for the letter of an axis or for
 * another name. */
#include "tools/verify/own.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum kind { PAIRED, NUMBERS, BENT, PLACES, TRANSPOSED, SWAPPED, SCALAR, SCALARS_SWAPPED, BEFORE };

/* ---- numbers: x is taken as times last^power x + plus, where last is the size of its last axis */

static const struct { const char *says; double times, power, plus; } numbers[] = {
    { "@ has the opposite sign", -1, 0, 0 },
    { "@ is ignored: taken as 0", 0, 0, 0 },
    { "@ is ignored: taken as 1", 0, 0, 1 },
    { "@ is taken as 1 + @", 1, 0, 1 },
    { "@ is taken as @ - 1", 1, 0, -1 },
    { "@ is taken as 1 - @", -1, 0, 1 },
    { "@ is taken twice as large", 2, 0, 0 },
    { "@ is taken as half of @", 0.5, 0, 0 },
    { "@ is taken as sqrt(its last size) times @", 1, 0.5, 0 },
    { "@ is taken as 1/sqrt(its last size) times @", 1, -0.5, 0 },
    { "@ is taken as its last size times @", 1, 1, 0 },
    { "@ is taken as one over its last size times @", 1, -1, 0 },
    { "@ is taken as log2(e) times @", 1.4426950408889634, 0, 0 },
    { "@ is taken as log(2) times @", 0.6931471805599453, 0, 0 },
};
enum { NUMBERS_ROWS = sizeof numbers / sizeof *numbers };

/* or as a function of x, with its derivative; a rounding has that of what it rounds */
typedef double bend(double x);
static double exp_of(double x) { return exp(fmin(x, 80)); }
static double bf16_of(double x) { return op_round(x, REAL, SWAX_PREC_BF16); }
static double one(double x) { return (void)x, 1; }
static double square(double x) { return x * x; }
static double twice(double x) { return 2 * x; }
static double sign(double x) { return (x > 0) - (x < 0); }
static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double sigmoid_slope(double x) { return sigmoid(x) * sigmoid(-x); }
static double softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }
static const struct { const char *says; bend *of, *slope; } bent[] = {
    { "@ is taken for its logarithm: exp(@) is used", exp_of, exp_of },
    { "@ is rounded to bf16", bf16_of, one },
    { "@ is squared", square, twice },
    { "the absolute value of @ is taken", fabs, sign },
    { "@ is taken as sigmoid(@)", sigmoid, sigmoid_slope },
    { "@ is taken as softplus(@)", softplus, sigmoid },
};
enum { BENT_ROWS = sizeof bent / sizeof *bent };

/* ---- places: which of n numbers, `width` or a tile's, stands at number j; negative: a 0 */

typedef long from(long j, long n, long width);
static long before(long j, long n, long width) { return (void)n, (void)width, j - 1; }
static long before_round(long j, long n, long width) { return (void)width, (j + n - 1) % n; }
static long next(long j, long n, long width) { return (void)width, j + 1 < n ? j + 1 : -1; }
static long next_round(long j, long n, long width) { return (void)width, (j + 1) % n; }
static long reversed(long j, long n, long width) { return (void)width, n - 1 - j; }
static long first(long j, long n, long width) { return (void)j, (void)n, (void)width, 0; }
static long halves(long j, long n, long width) { return (void)width, n % 2 ? j : (j + n / 2) % n; }
static long but_last(long j, long n, long width) { return (void)width, j < n - 1 ? j : -1; }
static long whole_tiles(long j, long n, long width) { return j < n / width * width ? j : -1; }
static long whole_or_all(long j, long n, long width) { return n < width ? j : whole_tiles(j, n, width); }
/* Of n = `width` columns and some rows: they lie as where rows and columns have changed places, or are read so. */
static long lie_turned(long j, long n, long width) { return j % (n / width) * width + j / (n / width); }
static long read_turned(long j, long n, long width) { return j % width * (n / width) + j / width; }
static long in_pairs(long j, long n, long width)
{
    return (void)width, n < 4 || n % 2 ? j : j % 2 * (n / 2) + j / 2;
}
static long in_halves(long j, long n, long width)
{
    return (void)width, n < 4 || n % 2 ? j : j < n / 2 ? 2 * j : 2 * (j - n / 2) + 1;
}

#define TAIL(tile)                                                                                                     \
    { "the tail of # of @ behind a multiple of " #tile " is left out", whole_or_all, tile },                           \
    { "the tail of # of @ behind a multiple of " #tile " is left out, and all where there are fewer", whole_tiles,     \
      tile }
static const struct { const char *says; from *of; long width; } places[] = {
    { .says = "each # of @ reads the one before, and 0 at the edge", .of = before },
    { .says = "each # of @ reads the one before, going round", .of = before_round },
    { .says = "each # of @ reads the next, and 0 at the edge", .of = next },
    { .says = "each # of @ reads the next, going round", .of = next_round },
    { .says = "the # of @ are in reverse order", .of = reversed },
    { .says = "the first # of @ is read for all", .of = first },
    { .says = "the halves of # of @ are swapped", .of = halves },
    { .says = "the last # of @ is left out", .of = but_last },
    TAIL(16), TAIL(32), TAIL(64), TAIL(128),
};
enum { PLACES_ROWS = sizeof places / sizeof *places };

/* Whatever has that axis last has its elements in the other order; answers are brought back, which the other row
 * does. */
static const struct { const char *says; from *of; } paired[] = {
    { "elements of the last axis of @ are paired as (2j, 2j + 1), not (j, j + n/2)", in_halves },
    { "elements of the last axis of @ are paired as (j, j + n/2), not (2j, 2j + 1)", in_pairs },
};
enum { PAIRED_ROWS = sizeof paired / sizeof *paired };

static from *const turned[] = {lie_turned, read_turned};
enum { TURNED_ROWS = sizeof turned / sizeof *turned };

/* to[j] = a[of(j)], in every run of n numbers that lie `behind` apart. */
static void place(double *to, const double *a, long all, long n, long behind, from *of, long width)
{
    for (long e = 0; e < all; e++) {
        const long j = e / behind % n, at = of(j, n, width);
        to[e] = at < 0 ? 0 : a[e + (at - j) * behind];
    }
}

/* And what that makes of gradients: to[of(j)] += a[j]. */
static void place_back(double *to, const double *a, long all, long n, long behind, from *of, long width)
{
    memset(to, 0, (size_t)all * sizeof *to);
    for (long e = 0; e < all; e++) {
        const long j = e / behind % n, at = of(j, n, width);
        if (at >= 0)
            to[e + (at - j) * behind] += a[e];
    }
}

/* ---- scalars: v is taken as times v^power + plus; of a root, |v|'s */

static const struct { const char *says; double times, power, plus; } scalars[] = {
    { "@ is left out: 0", 0, 1, 0 },
    { "@ is 10 times as large", 10, 1, 0 },
    { "@ is a tenth of it", 0.1, 1, 0 },
    { "@ is taken as 1", 0, 1, 1 },
    { "@ is squared", 1, 2, 0 },
    { "@ is taken as its root", 1, 0.5, 0 },
    { "@ is off by one: one more", 1, 1, 1 },
    { "@ is off by one: one less", 1, 1, -1 },
    { "@ has the opposite sign", -1, 1, 0 },
    { "@ is taken as 1 - @", -1, 1, 1 },
};
enum { SCALAR_ROWS = sizeof scalars / sizeof *scalars };

static double scalar_taken(int row, double v)
{
    return scalars[row].times * pow(scalars[row].power < 1 ? fabs(v) : v, scalars[row].power) + scalars[row].plus;
}

/* ---- all of them */

/* The gradient of an input, "dx" of "x", or -1. */
static int gradient_of(const struct own *w, int input)
{
    for (int i = 0; i < w->tensors; i++)
        if (w->tensor[i].role != IN && w->tensor[i].name[0] == 'd' &&
            !strcmp(w->tensor[i].name + 1, w->tensor[input].name) &&
            !strcmp(w->tensor[i].shape, w->tensor[input].shape))
            return i;
    return -1;
}

struct list { const struct own *own; struct own_way *at; int n; };

static void add(struct list *l, enum kind kind, int rows, int of, int axis)
{
    const int chains = kind == NUMBERS || kind == BENT || kind == PLACES || kind == TRANSPOSED ||
                       (kind == SWAPPED && gradient_of(l->own, axis) >= 0),
              gradient = chains ? gradient_of(l->own, of) : -1;
    for (int row = 0; row < rows; row++)
        for (int with = 0; with <= (gradient >= 0); with++)
            l->at[l->n++] = (struct own_way){kind, row, of, axis, with ? gradient : -1};
}

static int are_alike(const struct own_tensor *a, const struct own_tensor *b)
{
    return a->role == IN && b->role == IN && a->type != INT && b->type != INT && !strcmp(a->shape, b->shape);
}

struct own_way *own_ways(const struct own *w, int *n)
{
    enum { OF_ONE = PAIRED_ROWS + 2 * (NUMBERS_ROWS + BENT_ROWS + OWN_AXES * (PLACES_ROWS + TURNED_ROWS)) };
    enum { SWAPS = OWN_TENSORS * OWN_TENSORS + OWN_SCALARS * OWN_SCALARS };
    struct list l = {.own = w, .at = op_take(OWN_TENSORS * OF_ONE + OWN_SCALARS * SCALAR_ROWS + SWAPS, sizeof *l.at)};
    for (int i = 0; i < w->scalars; i++)
        add(&l, SCALAR, SCALAR_ROWS, i, 0);
    for (int i = 0; i < w->scalars; i++)
        for (int k = i + 1; k < w->scalars; k++)
            add(&l, SCALARS_SWAPPED, 1, i, k);
    for (int i = 0; i < w->tensors; i++)
        if (w->tensor[i].role == IN && w->tensor[i].type != INT && w->tensor[i].shape[0])
            add(&l, PAIRED, PAIRED_ROWS, i, 0);
    for (int i = 0; i < w->tensors; i++) {
        const int axes = (int)strlen(w->tensor[i].shape);
        if (w->tensor[i].role == ADD)
            add(&l, BEFORE, 1, i, 0);
        if (w->tensor[i].role != IN)
            continue;
        if (w->tensor[i].type != INT) {
            add(&l, NUMBERS, NUMBERS_ROWS, i, 0);
            add(&l, BENT, BENT_ROWS, i, 0);
        }
        for (int d = 0; d < axes; d++)
            add(&l, PLACES, PLACES_ROWS, i, d);
        for (int d = axes > 3 ? axes - 3 : 0; d < axes - 1; d++)
            add(&l, TRANSPOSED, TURNED_ROWS, i, d);
    }
    for (int i = 0; i < w->tensors; i++)
        for (int k = i + 1; k < w->tensors; k++)
            if (are_alike(&w->tensor[i], &w->tensor[k]))
                add(&l, SWAPPED, 1, i, k);
    *n = l.n;
    return l.at;
}

static int is_of_scalars(const struct own_way *way) { return way->kind == SCALAR || way->kind == SCALARS_SWAPPED; }

static const char *words_of(const struct own_way *way)
{
    switch (way->kind) {
    case PAIRED: return paired[way->row].says;
    case NUMBERS: return numbers[way->row].says;
    case BENT: return bent[way->row].says;
    case PLACES: return places[way->row].says;
    case TRANSPOSED: return "# of @ are transposed in memory";
    case SCALAR: return scalars[way->row].says;
    case BEFORE: return "@ is written over, where it is added to";
    default: return "@ and # are swapped";
    }
}

void own_way_says(char says[WORDS], const struct own *w, const struct own_way *way)
{
    const char *name = is_of_scalars(way) ? w->scalar[way->of].name : w->tensor[way->of].name,
               *axes = is_of_scalars(way) ? "" : w->tensor[way->of].shape + way->axis;
    char other[OWN_NAME];
    if (way->kind == SCALARS_SWAPPED || way->kind == SWAPPED)
        snprintf(other, sizeof other, "%s",
                 way->kind == SWAPPED ? w->tensor[way->axis].name : w->scalar[way->axis].name);
    else
        snprintf(other, sizeof other, way->kind == TRANSPOSED ? "%c and %c" : "%c", axes[0], axes[0] ? axes[1] : 0);
    says[0] = 0;
    for (const char *c = words_of(way); *c; c++) {
        const char letter[] = {*c, 0};
        strncat(says, *c == '@' ? name : *c == '#' ? other : letter, WORDS - 1 - strlen(says));
    }
}

/* ---- and what they make of a problem */

/* Of tensor i: the run along the way's axis, or its two axes, and what lies behind. */
static void run_of(const struct own_way *way, const struct own *w, const struct own_problem *p, int i, long *n,
                   long *behind, long *width)
{
    const char *shape = w->tensor[i].shape;
    const int d = way->kind == PAIRED ? (int)strlen(shape) - 1 : way->axis, both = way->kind == TRANSPOSED;
    *n = own_extent(w, p, shape[d]);
    *width = both ? own_extent(w, p, shape[d + 1]) : way->kind == PLACES ? places[way->row].width : 0;
    *n *= both ? *width : 1;
    *behind = 1;
    for (const char *c = shape + d + 1 + both; *c; c++)
        *behind *= own_extent(w, p, *c);
}

static char last_letter(const struct own *w, int i)
{
    const size_t axes = strlen(w->tensor[i].shape);
    return axes ? w->tensor[i].shape[axes - 1] : 0;
}

static int touches(const struct own_way *way, const struct own *w, int i)
{
    return way->kind == PAIRED ? last_letter(w, i) == last_letter(w, way->of) : !is_of_scalars(way) && i == way->of;
}

/* times last^power */
static double factor_of(const struct own_way *way, const struct own *w, const struct own_problem *p)
{
    const double last = (double)own_extent(w, p, last_letter(w, way->of));      /* 1 of no letter */
    return numbers[way->row].times * pow(last, numbers[way->row].power);
}

static from *from_of(const struct own_way *way)
{
    return way->kind == PAIRED   ? paired[way->row].of
           : way->kind == PLACES ? places[way->row].of
                                 : turned[way->row];
}

/* a becomes what is taken in the place of tensor i. */
static void take(const struct own_way *way, const struct own *w, const struct own_problem *p, int i, double *a)
{
    const size_t bytes = (size_t)p->n[i] * sizeof *a;
    double *was = op_take((size_t)p->n[i], sizeof *was);
    long n, behind, width;
    memcpy(was, a, bytes);
    if (way->kind == NUMBERS)
        for (long e = 0; e < p->n[i]; e++)
            a[e] = factor_of(way, w, p) * was[e] + numbers[way->row].plus;
    else if (way->kind == BENT)
        for (long e = 0; e < p->n[i]; e++)
            a[e] = bent[way->row].of(was[e]);
    else if (way->kind == BEFORE)
        memset(a, 0, bytes);
    else {
        run_of(way, w, p, i, &n, &behind, &width);
        place(a, was, p->n[i], n, behind, from_of(way), width);
    }
    free(was);
}

int own_way_counts(const struct own_way *way, const struct own *w, const struct own_problem *p)
{
    long n, behind, width;
    if (way->kind != PLACES || places[way->row].of != whole_tiles)
        return 1;
    run_of(way, w, p, way->of, &n, &behind, &width);
    return n >= width;
}

int own_way_takes(const struct own_way *way, const struct own *w, struct own_problem *p)
{
    int changed = way->gradient >= 0 || way->kind == PAIRED;      /* answers change, whatever the inputs are */
    if (way->kind == SWAPPED) {
        double *was = p->at[way->of];
        p->at[way->of] = p->at[way->axis];
        p->at[way->axis] = was;
        return changed || memcmp(was, p->at[way->of], (size_t)p->n[way->of] * sizeof *was);
    }
    if (way->kind == SCALARS_SWAPPED) {
        const double was = p->scalar[way->of];
        p->scalar[way->of] = p->scalar[way->axis];
        p->scalar[way->axis] = was;
        changed = p->scalar[way->of] != was;
    }
    if (way->kind == SCALAR) {
        const double was = p->scalar[way->of];
        p->scalar[way->of] = scalar_taken(way->row, was);
        changed = p->scalar[way->of] != was;
    }
    for (int i = 0; i < w->tensors; i++)
        if (w->tensor[i].role != OUT && touches(way, w, i)) {
            const size_t bytes = (size_t)p->n[i] * sizeof(double);
            double *was = op_take((size_t)p->n[i], sizeof *was);
            memcpy(was, p->at[i], bytes);
            take(way, w, p, i, p->at[i]);
            changed |= memcmp(was, p->at[i], bytes) != 0;
            free(was);
        }
    return changed;
}

/* The gradient of what x was taken as becomes that of x: the chain rule. */
static void chain(const struct own_way *way, const struct own *w, const struct own_problem *of, double *gradient)
{
    const int i = way->of;
    double *g = op_take((size_t)of->n[i], sizeof *g);
    long n, behind, width;
    memcpy(g, gradient, (size_t)of->n[i] * sizeof *g);
    if (way->kind == NUMBERS)
        for (long e = 0; e < of->n[i]; e++)
            gradient[e] = g[e] * factor_of(way, w, of);
    else if (way->kind == BENT)
        for (long e = 0; e < of->n[i]; e++)
            gradient[e] = g[e] * bent[way->row].slope(of->at[i][e]);
    else {
        run_of(way, w, of, i, &n, &behind, &width);
        place_back(gradient, g, of->n[i], n, behind, from_of(way), width);
    }
    free(g);
}

/* What stood where a gradient is added to, on top or taken off. */
static void add_before(const struct own *w, const struct own_problem *of, int i, double *a, int sign)
{
    for (long e = 0; e < of->n[i] && w->tensor[i].role == ADD; e++)
        a[e] += sign * of->at[i][e];
}

void own_way_back(const struct own_way *way, const struct own *w, const struct own_problem *of,
                  struct own_problem *answers)
{
    const int d = way->gradient, other = d >= 0 && way->kind == SWAPPED ? gradient_of(w, way->axis) : -1;
    for (int i = 0; i < w->tensors && way->kind == PAIRED; i++)
        if (w->tensor[i].role != IN && touches(way, w, i)) {
            const struct own_way back = {PAIRED, 1 - way->row, way->of, 0, -1};
            take(&back, w, of, i, answers->at[i]);
        }
    if (d < 0)
        return;
    add_before(w, of, d, answers->at[d], -1);
    if (other >= 0) {
        double *was = answers->at[d];
        add_before(w, of, other, answers->at[other], -1);
        answers->at[d] = answers->at[other];
        answers->at[other] = was;
        add_before(w, of, other, answers->at[other], 1);
    } else
        chain(way, w, of, answers->at[d]);
    add_before(w, of, d, answers->at[d], 1);
}
