/* band.h - which keys the queries of a block see.
 *
 * Query t sees the keys lo..hi; both grow with t, so the band is a staircase and every tile of rows meets one span of
 * the other side. */
#ifndef SWAX_BAND_H
#define SWAX_BAND_H

#include "simd/block.h"

/* One block of queries, and how it meets the block of keys at hand. */
struct band {
    int n;                          /* queries */
    int lo[SIDE], hi[SIDE];         /* by query: the first and the last key it sees; beyond n, what n-1 sees */
    int s0, keys;                   /* the keys s0 .. s0+keys-1 */
    int inside;                     /* every query sees every key */
    struct span query[SIDE / TR];   /* by tile of keys: the queries it meets */
    struct span key[SIDE / TR];     /* by tile of queries: the keys it meets, counted from s0 */
    stat from[SIDE], to[SIDE];      /* lo and hi, counted from s0 */
};

/* Queries t0 .. t0+n-1 of a sequence. */
static void band_of(struct band *x, const int *start, int t0, int n, int T, int S, int W)
{
    x->n = n;
    for (int j = 0; j < SIDE; j++) {
        const int t = t0 + lesser(j, n - 1), hi = t + (S - T);
        x->lo[j] = hi < W ? 0 : hi - W + 1;
        x->hi[j] = hi;
        if (start && start[t] > x->lo[j] - (S - T))
            x->lo[j] = start[t] + (S - T);
    }
}

static void band_meets(struct band *x, int s0)
{
    x->s0 = s0;
    x->keys = lesser(SIDE, x->hi[x->n - 1] + 1 - s0);
    x->inside = x->lo[x->n - 1] <= s0 && x->hi[0] >= s0 + x->keys - 1;
    for (int s = 0, from = 0, to = 0; s < x->keys; s += TR) {
        while (from < x->n && x->hi[from] < s0 + s)
            from++;
        while (to < x->n && x->lo[to] < s0 + s + TR)
            to++;
        x->query[s / TR] = (struct span){ lesser(from, to), to };
    }
    for (int j = 0; j < SIDE; j += TR) {
        const int from = x->lo[j] - s0, to = x->hi[j + TR - 1] + 1 - s0;
        x->key[j / TR].to = to < 0 ? 0 : lesser(to, x->keys);
        x->key[j / TR].from = from < 0 ? 0 : lesser(from, x->key[j / TR].to);
    }
    for (int j = 0; j < SIDE; j++) {
        x->from[j] = (stat)(x->lo[j] - s0);
        x->to[j] = (stat)(x->hi[j] - s0);
    }
}

/* By query, the keys that it sees, counted from s0; and by key, the queries that see it. */
static void band_exactly(struct span *query, struct span *key, const struct band *x)
{
    for (int j = 0; j < x->n; j++)
        query[j] = (struct span){ lesser(greater(x->lo[j] - x->s0, 0), x->keys),
                                  greater(lesser(x->hi[j] + 1 - x->s0, x->keys), 0) };
    for (int s = 0, from = 0, to = 0; s < x->keys; s++) {
        while (from < x->n && x->hi[from] < x->s0 + s)
            from++;
        while (to < x->n && x->lo[to] <= x->s0 + s)
            to++;
        key[s] = (struct span){ from, to };
    }
}

/* The keys that PAD queries from j on meet, out to whole tiles: no product reads a weight outside. */
static struct span band_rows(const struct band *x, int j)
{
    const struct span a = x->key[j / TR], b = x->key[(j + PAD - 1) / TR];
    return (struct span){ lesser(a.from, b.from) / TR * TR, lesser(up(a.to > b.to ? a.to : b.to, TR), x->keys) };
}

/* Where VL queries from j on see key s. */
INLINE ivec sees(const struct band *x, int j, int s)
{
    const vec at = vset((stat)s);
    return (load(x->from + j) <= at) & (at <= load(x->to + j));
}

#endif
