/* block.h - the mixers' small matrix products, on square blocks of a worker's own (simd/host/host.h).
 *
 * A block is SIDE x SIDE `stat`s, a row every SIDE elements.  Of a matrix of m rows and n columns it holds the
 * corner, and zeros up to whole vectors of columns and whole PAD of rows; products read and write whole tiles of
 * TR rows and whole vectors, so what lies beyond the corner is finite wherever the corner is.
 *
 * A tile is TR rows by up to TV vectors of the result.  It stays in registers while k runs: a step costs TV loads,
 * TR broadcasts and TR*TV multiply-adds.  Each sum is one chain in the order of k.
 *
 * Half of a causal block and most of a window's rim are never looked at, so a span per tile of rows says what is:
 * the k that its rows meet, or the columns that they need.
 *
 * Operands are read where they lie if they are whole tiles of `stat`s there.  What the next blocks will read is
 * prefetched meanwhile, a few rows a tile: the rows of one head lie so far apart that no hardware prefetcher sees
 * them coming, and sequences do not stay in L2. */
#ifndef SWAX_BLOCK_H
#define SWAX_BLOCK_H

#include <float.h>
#include "simd/host/host.h"
#include "simd/transpose.h"

enum {
    SIDE = 256 / sizeof(stat),
    TR = SWAX_VEC_BYTES == 32 ? 4 : 8,
    TV = 2,
    PAD = VL > TR ? (int)VL : (int)TR
};
#ifdef SWAX_F64
#define STAT_MAX DBL_MAX
#else
#define STAT_MAX FLT_MAX
#endif
#define BLOCKS(x, n) stat x[(n) * SIDE * SIDE] __attribute__((aligned(64)))
#define BLOCK(x) BLOCKS(x, 1)
#define BLOCK_AT(x, i) ((x) + (long)(i) * SIDE * SIDE)
#define NOINLINE static __attribute__((noinline, unused))

struct span { int from, to; };

#define ONES8 1, 1, 1, 1, 1, 1, 1, 1
#define ONES32 ONES8, ONES8, ONES8, ONES8
static const stat block_ones[SIDE] = { ONES32,
#ifndef SWAX_F64
    ONES32
#endif
};

/* How many of H heads go together, where n times as many can be worked on at once: all, if threads have enough to
 * do. */
INLINE int heads_together(int n, int H)
{
    const int threads = swax_host.workers();
    return n % threads && n < 8 * threads ? (H - 1) / threads + 1 : H;
}

INLINE int lesser(int a, int b) { return a < b ? a : b; }
INLINE int greater(int a, int b) { return a > b ? a : b; }
INLINE int up(int n, int to) { return (n + to - 1) / to * to; }
INLINE void fill(stat *a, stat with)
{
    for (int i = 0; i < SIDE; i += VL)
        store(a + i, vset(with));
}

/* ---- in and out */

/* a = factor x, rows x cols */
NOINLINE void block_read(stat *a, const real *x, long stride, int rows, int cols, stat factor)
{
    const int whole = cols - cols % VL;
    for (int i = 0; i < rows; i++, a += SIDE, x += stride) {
        for (int j = 0; j < whole; j += VL)
            store(a + j, factor * rload(x + j));
        if (whole < cols)
            store(a + whole, factor * rload_n(x + whole, cols - whole));
    }
    for (int i = rows; i < up(rows, PAD); i++, a += SIDE)
        memset(a, 0, sizeof(stat) * (size_t)up(cols, VL));
}

/* A matrix where it lies: element (i,j) at at[i*row + j]. */
struct view { const stat *at; long row; };

INLINE struct view in(const stat *block) { return (struct view){ block, SIDE }; }

/* x itself where a product can read it there, or else a copy of it in `room` */
INLINE struct view block_view(stat *room, const real *x, long stride, int rows, int cols)
{
    if (sizeof(real) == sizeof(stat) && rows % PAD == 0 && cols % VL == 0)
        return (struct view){ (const void *)x, stride };
    block_read(room, x, stride, rows, cols, 1);
    return in(room);
}

/* Rows to be prefetched, of anything; in bytes */
struct ahead { const char *at; long stride; int rows, bytes; };
#define ROWS_AHEAD(x, stride, rows, cols) \
    ((struct ahead){ (const char *)(x), (long)sizeof *(x) * (stride), rows, (int)sizeof *(x) * (cols) })

/* The share of the tile of rows i of m. */
INLINE void block_prefetch(const struct ahead *next, int i, int m)
{
    for (int r = next->rows * i / m; r < next->rows * lesser(i + TR, m) / m; r++)
        for (int j = 0; j < next->bytes; j += 64)
            __builtin_prefetch(next->at + r*next->stride + j, 0, 2);
}

/* The same for a matrix of `stat`s: a state. */
NOINLINE void block_read_state(stat *a, const stat *x, long stride, int rows, int cols)
{
    for (int i = 0; i < rows; i++, a += SIDE, x += stride) {
        memcpy(a, x, sizeof(stat) * (size_t)cols);
        memset(a + cols, 0, sizeof(stat) * (size_t)(up(cols, VL) - cols));
    }
    for (int i = rows; i < up(rows, PAD); i++, a += SIDE)
        memset(a, 0, sizeof(stat) * (size_t)up(cols, VL));
}

NOINLINE void block_write_state(stat *y, long stride, const stat *a, int rows, int cols)
{
    for (int i = 0; i < rows; i++, a += SIDE, y += stride)
        memcpy(y, a, sizeof(stat) * (size_t)cols);
}

/* y = factor[i] a */
NOINLINE void block_write(real *y, long stride, const stat *a, const stat *factor, int rows, int cols)
{
    const int whole = cols - cols % VL;
    for (int i = 0; i < rows; i++, a += SIDE, y += stride) {
        for (int j = 0; j < whole; j += VL)
            rstore(y + j, factor[i] * load(a + j));
        if (whole < cols)
            rstore_n(y + whole, factor[i] * load(a + whole), cols - whole);
    }
}

/* y += factor a */
NOINLINE void block_add(real *y, long stride, const stat *a, stat factor, int rows, int cols)
{
    const int whole = cols - cols % VL;
    for (int i = 0; i < rows; i++, a += SIDE, y += stride) {
        for (int j = 0; j < whole; j += VL)
            rstore(y + j, rload(y + j) + factor * load(a + j));
        if (whole < cols)
            rstore_n(y + whole, rload_n(y + whole, cols - whole) + factor * load(a + whole), cols - whole);
    }
}

/* ---- transposition */

/* t = a^T; a has m rows and n columns */
NOINLINE void block_transpose(stat *t, struct view a, int m, int n)
{
    for (int i = 0; i < m; i += VL)
        for (int j = 0; j < n; j += VL) {
            vec x[VL];
            for (int r = 0; r < VL; r++)
                x[r] = load(a.at + (i + r)*a.row + j);
            transpose(x);
            for (int r = 0; r < VL; r++)
                store(t + (j + r)*SIDE + i, x[r]);
        }
}

/* sum[i] = the sum of vector i of x; m rounded up to whole vectors */
INLINE void sum_lanes(stat *sum, const stat *x, int m)
{
    for (int i = 0; i < m; i += VL, x += VL*VL) {
        vec a[VL];
        for (int r = 0; r < VL; r++)
            a[r] = load(x + r*VL);
        transpose(a);
        for (int n = VL/2; n > 0; n /= 2)
            for (int r = 0; r < n; r++)
                a[r] += a[r + n];
        store(sum + i, a[0]);
    }
}

/* dot[i] = sum_j a[i,j] b[i,j] */
NOINLINE void block_dots(stat *dot, struct view a, struct view b, int m, int n)
{
    stat sum[SIDE * VL];
    for (int i = 0; i < up(m, VL); i++) {
        vec s = {0};
        for (int j = 0; j < n; j += VL)
            s += load(a.at + i*a.row + j) * load(b.at + i*b.row + j);
        store(sum + i*VL, s);
    }
    sum_lanes(dot, sum, m);
}

/* ---- products */

/* One tile:  c = keep[i] c + sum_k a[i,k] b[k,j], a[i,k] at a[i*ars + k*acs]; keep == NULL: c = the sum.
 * nv is a constant where this is inlined, so that acc lives in registers. */
INLINE void block_tile(stat *c, const stat *a, long ars, long acs, const stat *b, long brs, int nv, int k,
                       const stat *keep)
{
    vec acc[TR][TV] = {{{0}}};
    if (keep)
        for (int i = 0; i < TR; i++)
            for (int v = 0; v < nv; v++)
                acc[i][v] = keep[i] * load(c + i*SIDE + v*VL);
    for (; k > 0; k--, a += acs, b += brs) {
        vec bk[TV];
        for (int v = 0; v < nv; v++)
            bk[v] = load(b + v*VL);
        for (int i = 0; i < TR; i++)
            for (int v = 0; v < nv; v++)
                acc[i][v] = fused(vset(a[i*ars]), bk[v], acc[i][v]);
    }
    for (int i = 0; i < TR; i++)
        for (int v = 0; v < nv; v++)
            store(c + i*SIDE + v*VL, acc[i][v]);
}

INLINE void block_tiles(stat *c, const stat *a, long ars, long acs, struct view b, int m, int n, int k,
                        const struct span *span, const stat *keep, const struct ahead *next)
{
    for (int j = 0; j < n; j += TV*VL)
        for (int i = 0; i < m; i += TR) {
            const int from = span ? span[i/TR].from : 0, to = span ? span[i/TR].to : k;
            const stat *ai = a + i*ars + from*acs, *bj = b.at + from*b.row + j, *keep_i = keep ? keep + i : NULL;
            if (next && j == 0)
                block_prefetch(next, i, m);
            if (n - j > VL)
                block_tile(c + i*SIDE + j, ai, ars, acs, bj, b.row, TV, to - from, keep_i);
            else
                block_tile(c + i*SIDE + j, ai, ars, acs, bj, b.row, 1, to - from, keep_i);
        }
}

/* c = keep c + a b, where a is (m,k) and b (k,n); `next` may be NULL */
NOINLINE void block_mul(stat *c, struct view a, struct view b, int m, int n, int k,
                        const struct span *span, const stat *keep, const struct ahead *next)
{
    if (a.row == SIDE)
        block_tiles(c, a.at, SIDE, 1, b, m, n, k, span, keep, next);
    else
        block_tiles(c, a.at, a.row, 1, b, m, n, k, span, keep, next);
}
/* c = keep c + a^T b, where a is (k,m) */
NOINLINE void block_mul_transposed(stat *c, struct view a, struct view b, int m, int n, int k,
                               const struct span *span, const stat *keep, const struct ahead *next)
{
    block_tiles(c, a.at, 1, a.row, b, m, n, k, span, keep, next);
}
/* Are all of them finite?  (0 times anything else is NaN.) */
INLINE int are_finite(const stat *a, int n)
{
    vec sum = {0};
    for (int i = 0; i < n; i += VL)
        sum += 0 * load_n(a + i, n - i);
    return vsum(sum) == 0;
}
INLINE int block_finite(const stat *a, int m, int n)
{
    vec sum = {0};
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j += VL)
            sum += 0 * load(a + i*SIDE + j);
    return vsum(sum) == 0;
}

/* A tile meets all k that one of its rows meets, with a factor of 0 where another row does not; that keeps them apart
 * if b is finite.  If it is not: the same sums, each row's over the k of its own, row[i].  a as in block_tile. */
NOINLINE void block_mul_rows(stat *c, const stat *a, long ars, long acs, struct view b, int m, int n,
                             const struct span *row, const stat *keep)
{
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j += VL) {
            vec sum = keep ? keep[i] * load(c + i*SIDE + j) : (vec){0};
            for (int k = row[i].from; k < row[i].to; k++)
                sum = fused(vset(a[i*ars + k*acs]), load(b.at + k*b.row + j), sum);
            store(c + i*SIDE + j, sum);
        }
}

/* c = keep c + a b in the columns span[i/TR], out to whole PADs; b is a block */
NOINLINE void block_mul_band(stat *c, struct view a, const stat *b, int m, int k,
                             const struct span *span, const stat *keep, const struct ahead *next)
{
    for (int i = 0; i < m; i += TR) {
        const stat *ai = a.at + i*a.row, *keep_i = keep ? keep + i : NULL;
        const int to = up(span[i/TR].to, PAD);
        if (next)
            block_prefetch(next, i, m);
        for (int j = span[i/TR].from / PAD * PAD; j < to; j += TV*VL)
            if (to - j > VL)
                block_tile(c + i*SIDE + j, ai, a.row, 1, b + j, SIDE, TV, k, keep_i);
            else
                block_tile(c + i*SIDE + j, ai, a.row, 1, b + j, SIDE, 1, k, keep_i);
    }
}

#endif
