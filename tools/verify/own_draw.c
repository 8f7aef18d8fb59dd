/* own_draw.c - problems for somebody's own kernel: sizes within what the description says, half of them at the
 * borders of tiles, and inputs of each family by what the description says that they are like. */
#include "tools/verify/own.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const enum op_family families[] = { OP_GAUSS, OP_INTEGERS, OP_SATURATED, OP_OPEN, OP_SHUT,
                                           OP_COLD,  OP_EQUAL,    OP_ONEHOT,    OP_HUGE, OP_TINY };
enum { FAMILIES = sizeof families / sizeof *families };

int own_commons(const char *suite) { return !strcmp(suite, "quick") ? 12 : !strcmp(suite, "hard") ? 160 : 60; }

double own_numbers(const struct own_problem *p, const struct own *w)
{
    double sum = 0;
    for (int i = 0; i < w->tensors; i++)
        sum += (double)p->n[i];
    return sum;
}

long own_extent(const struct own *w, const struct own_problem *p, char letter)
{
    for (int i = 0; i < w->sizes; i++)
        if (w->size[i].letter == letter)
            return p->size[i];
    return 1;
}

/* ---- sizes */

/* The multiple of a size's step that x stands for. */
static int stepped(const struct own_size *s, int least, int x)
{
    x = x / s->step * s->step;
    return x >= least ? x : (least + s->step - 1) / s->step * s->step;
}

/* One of the first few from least to most, and more than one, if it may be: what is of one alone may not show. */
static int draw_among(const struct own_size *s, int least, int most, int few, uint64_t *random)
{
    const int from = least == 1 && most > 1 && few > 1 ? 2 : least, span = most - from + 1;
    return stepped(s, least, from + (int)(op_random(random) % (uint64_t)(span < few ? span : few)));
}

/* From least to most: small, anything, at a border of a tile or beside it. */
static int draw_size(const struct own_size *s, int least, int most, uint64_t *random)
{
    static const int border[] = { 15,  16,  17,  31,  32,  33,  48,  63,  64,  65,  72, 96,
                                  127, 128, 129, 130, 192, 200, 255, 256, 257, 320, 513 };
    const uint64_t kind = op_random(random) % 4;
    const int span = most - least + 1, few = span < 9 ? span : 9;
    int x = least + (int)(op_random(random) % (uint64_t)(kind ? span : few));
    for (int tries = 0; kind > 1 && tries < 16; tries++) {
        const int b = border[op_random(random) % (sizeof border / sizeof *border)];
        if (b >= least && b <= most) {
            x = b;
            break;
        }
    }
    return stepped(s, least, x);
}

/* A number that divides n, from least on. */
static int draw_divisor(int n, int least, uint64_t *random)
{
    int divisors[64], count = 0;
    for (int d = 1; d <= n && count < 64; d++)
        if (n % d == 0 && (d >= least || d == n))
            divisors[count++] = d;
    return divisors[op_random(random) % (uint64_t)count];
}

void own_sizes(struct own_problem *p, const struct own *w, uint64_t seed, int number, const struct own_tall *tall)
{
    uint64_t random = (seed * 1000003 + (uint64_t)number) * 0x9e3779b97f4a7c15 + 1;
    memset(p, 0, sizeof *p);
    p->number = number;
    p->seed = op_random(&random);
    p->family = number % 2 && !tall ? families[number / 2 % FAMILIES] : OP_GAUSS;
    p->tall = tall ? w->size[tall->size].letter : 0;
    for (int i = 0; i < w->sizes; i++) {
        const struct own_size *s = &w->size[i];
        const int other = s->divides ? (int)own_extent(w, p, s->divides)
                        : s->reaches ? (int)own_extent(w, p, s->reaches)
                                     : 0;
        const int least = s->reaches && other > s->least ? other : s->least,
                  most = s->most > other || !s->reaches ? s->most : other;
        p->size[i] = tall && i == tall->size ? tall->extent
                   : s->choices              ? s->choice[op_random(&random) % (uint64_t)s->choices]
                   : s->divides              ? draw_divisor(other, s->least, &random)
                   : tall                    ? draw_among(s, least, most, tall->few, &random)
                                             : draw_size(s, least, most, &random);
    }
    for (int i = 0; i < w->scalars; i++) {
        const struct own_scalar *s = &w->scalar[i];
        const double u = op_uniform(&random);
        p->scalar[i] = s->least > 0 ? exp(log(s->least) + u * (log(s->most) - log(s->least)))
                                    : s->least + u * (s->most - s->least);
    }
    for (int i = 0; i < w->tensors; i++) {
        p->n[i] = 1;
        for (const char *c = w->tensor[i].shape; *c; c++)
            p->n[i] *= own_extent(w, p, *c);
    }
}

/* ---- numbers: what each family makes of each likeness. Centre and spread of normal numbers; a row that is not there
 * is gauss's. */

static const struct row { enum own_like like; enum op_family family; double centre, spread;
} rows[] = {
    { LIKE_NORMAL, OP_GAUSS, 0, 1 },      { LIKE_NORMAL, OP_HUGE, 0, 30 },      { LIKE_NORMAL, OP_TINY, 0, 1e-38 },
    { LIKE_NORMAL, OP_OPEN, 40, 0.1 },        /* a mean that takes the digits of a variance that is a difference */
    { LIKE_NORMAL, OP_SHUT, -20, 4 },         /* a maximum that begins at 0, or at -1 */
    { LIKE_WEIGHT, OP_GAUSS, 1, 0.3 },    { LIKE_WEIGHT, OP_TINY, 0, 1e-3 },    { LIKE_GATE, OP_GAUSS, 2, 3 },
    { LIKE_GATE, OP_OPEN, 15, 0.5 },      { LIKE_GATE, OP_COLD, -10, 1 },       { LIKE_GATE, OP_SHUT, -6, 8 },
    { LIKE_GATE, OP_HUGE, 0, 60 },        { LIKE_GATE, OP_TINY, 0, 1e-30 },
    { LIKE_LOGIT, OP_GAUSS, 0, 3 },       { LIKE_LOGIT, OP_HUGE, 100, 200 },    { LIKE_LOGIT, OP_SATURATED, 0, 15 },
    { LIKE_LOGIT, OP_SHUT, -150, 3 },         /* exponentials that vanish unless the largest is taken off */
    { LIKE_LOGIT, OP_TINY, 0, 1e-38 },    { LIKE_PROBABILITY, OP_GAUSS, 0, 1 }, { LIKE_PROBABILITY, OP_HUGE, 0, 40 },
    { LIKE_PROBABILITY, OP_EQUAL, 0, 0 }, { LIKE_POSITIVE, OP_GAUSS, 0, 1 },    { LIKE_POSITIVE, OP_HUGE, 8, 3 },
    { LIKE_POSITIVE, OP_TINY, -80, 3 },   { LIKE_DECAY, OP_GAUSS, -2, 1 },      { LIKE_DECAY, OP_OPEN, -12, 1 },
    { LIKE_DECAY, OP_SHUT, 1, 2 },        { LIKE_DECAY, OP_SATURATED, 3, 0.3 },
};

static const struct row *row_of(enum own_like like, enum op_family family)
{
    const struct row *plain = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].like == like && (rows[i].family == family || rows[i].family == OP_GAUSS)) {
            plain = &rows[i];
            if (plain->family == family)
                break;
        }
    return plain;
}

/* One number, of what is drawn before the likeness bends it. */
static double number(const struct row *r, enum op_family family, uint64_t *random)
{
    if (family == OP_INTEGERS && (r->like == LIKE_NORMAL || r->like == LIKE_LOGIT))
        return (double)(int)(op_random(random) % 7) - 3;
    if (family == OP_SATURATED && r->like == LIKE_GATE)
        return op_random(random) % 2 ? 15 : -15;
    return r->centre + r->spread * op_normal(random);
}

static double bent(double x, enum own_like like, enum op_family family)
{
    if (like == LIKE_POSITIVE)
        return family == OP_INTEGERS ? 1 + floor(fabs(x)) : exp(x);
    return like == LIKE_DECAY ? -exp(x) : like == LIKE_PROBABILITY ? exp(x) : x;
}

/* Rows whose numbers sum to 1. */
static void normalise(double *a, long rows_n, long n)
{
    for (long r = 0; r < rows_n; r++) {
        double sum = 0;
        for (long e = 0; e < n; e++)
            sum += a[r * n + e];
        for (long e = 0; e < n; e++)
            a[r * n + e] /= sum;
    }
}

static void fill(double *a, long n, long last, const struct own_tensor *t, enum op_family family, uint64_t *random)
{
    const struct row *r = row_of(t->like, family);
    const int alike = family == OP_EQUAL ? 1 + (int)(op_random(random) % 2) : 0,
              spikes = family == OP_ONEHOT && (t->like == LIKE_NORMAL || t->like == LIKE_PROBABILITY);
    for (long e = 0; e < n; e++)
        a[e] = bent(number(r, family, random), t->like, family);
    for (long e = 0; e < n && alike; e++)    /* all rows equal, or all elements */
        a[e] = a[alike == 1 ? e % last : 0];
    for (long row = 0; row < n / last && spikes; row++) {
        const long hot = (long)(op_random(random) % (uint64_t)last);
        for (long e = 0; e < last; e++)
            a[row * last + e] = e == hot;
    }
    if (t->like == LIKE_PROBABILITY)
        normalise(a, n / last, last);
}

/* Every other number that lies last along the tall size stands out: who loses it in a sum, a maximum or an order is
 * seen. */
static void stand_out(double *a, const struct own *w, const struct own_problem *p, const struct own_tensor *t)
{
    const int i = (int)(t - w->tensor);
    long behind = 1, last = 0;
    for (int d = (int)strlen(t->shape) - 1; d >= 0; d--) {
        const long n = own_extent(w, p, t->shape[d]);
        for (long e = 0; e < p->n[i] && t->shape[d] == p->tall; e++)
            if (e / behind % n == n - 1 && last++ % 2 == 0)
                a[e] = 4 * row_of(t->like, OP_GAUSS)->spread + fabs(a[e]);
        behind *= n;
    }
}

void own_draw(struct own_problem *p, const struct own *w, enum dtype dtype)
{
    uint64_t random = p->seed;
    for (int i = 0; i < w->tensors; i++) {
        const struct own_tensor *t = &w->tensor[i];
        const size_t axes = strlen(t->shape);
        p->at[i] = op_take((size_t)p->n[i], sizeof *p->at[i]);
        if (t->role == OUT)
            continue;
        if (t->type == INT) {
            const uint64_t below = (uint64_t)own_extent(w, p, t->below);
            for (long e = 0; e < p->n[i]; e++)
                p->at[i][e] = (double)(t->below == p->tall && e % 3 == 0 ? below - 1 : op_random(&random) % below);
            continue;
        }
        fill(p->at[i], p->n[i], axes ? own_extent(w, p, t->shape[axes - 1]) : 1, t, p->family, &random);
        if (t->like == LIKE_NORMAL || t->like == LIKE_LOGIT)
            stand_out(p->at[i], w, p, t);
        door_round(p->at[i], p->n[i], (int)dtype, t->type == STAT);
        for (long e = 0; e < p->n[i];
             e++) /* in double too what float holds, so that the plain function can be asked in float */
            p->at[i][e] = dtype == DT_F64 ? (double)(float)p->at[i][e] : p->at[i][e];
    }
}

void own_copy(struct own_problem *to, const struct own_problem *from, const struct own *w)
{
    *to = *from;
    for (int i = 0; i < w->tensors; i++) {
        to->at[i] = op_take((size_t)from->n[i], sizeof *to->at[i]);
        memcpy(to->at[i], from->at[i], (size_t)from->n[i] * sizeof *to->at[i]);
    }
}

void own_free(struct own_problem *p)
{
    for (int i = 0; i < OWN_TENSORS; i++) {
        free(p->at[i]);
        p->at[i] = NULL;
    }
}
