/* gemm.h - matrix products of any shape, layout and size from one register tile.
 *
 *     c[i,j]  = sum_k a[i,k] b[k,j]       (add: c[i,j] += ...)        i < m, j < n, k < K
 *
 * Matrices are `stat`, and the result may be `real` in the end.  Element (i,k) of a stands at a[i*lda + k], or where a
 * is transposed at a[i + k*lda]; (k,j) of b at b[k*brs + j], or to be packed, at b[k*brs + j*bcs],
 * where one of the strides is 1.  Nothing is allocated.
 *
 * b is read in panels of NR columns: packed, K rows of NR each, short panels filled with zeros; or where it lies.
 * A tile is MR rows of a against a panel: it keeps MR x NR sums in registers, and every step of k costs NV loads,
 * MR broadcasts and MR*NV multiply-adds.  Each c[i,j] is one chain of multiply-adds in the order of k per KC steps,
 * wherever the tile lies: so results do not depend on how m and n are cut, nor on who computes which tile.
 *
 * Operands and results come from far away, and no hardware prefetcher follows MR rows at once: a tile prefetches its
 * part of c when it begins.  As it goes along k it prefetches what nobody has read before: the rows of a that the next
 * tile reads, or, where a is transposed, its own a few steps on (PREFETCH_A); the first tile of a panel, b's
 * (PREFETCH_B).  The operands of a training step's products are in no cache; README.md has what each of these decisions
 * is worth.
 *
 * Where the machine multiplies pairs of bf16, and fast (`pairs`), an element is two of them, for k and k+1. */
#ifndef SWAX_GEMM_H
#define SWAX_GEMM_H

#include "simd/peak.h"
#include "simd/transpose.h"

enum { NV = 2, NR = NV * VL, MR = SWAX_VEC_BYTES == 32 ? 6 : 12, KC = sizeof(real) < sizeof(float) ? 768 : 384,
       LINE = 64 / sizeof(stat), PREFETCH_A = 1, PREFETCH_B = 2 };

INLINE int least(int a, int b) { return a < b ? a : b; }

/* Rows that will be packed next: they are too far away for the hardware's prefetcher. */
INLINE void prefetch_row(const stat *row, long stride, int n)
{
    for (int i = 0; i < n; i += LINE)
        __builtin_prefetch(row + 6*stride + i);
}

/* n columns of b.  Where rows are contiguous they are read in their order, whole: what comes from memory comes as
 * a stream. */
static __attribute__((noinline, unused))
void pack(stat *panels, const stat *b, long brs, long bcs, int n, int K)
{
    const int whole = (n + NR - 1) / NR * NR;
    for (int k = 0; bcs == 1 && k < K; k++, b += brs) {
        prefetch_row(b, brs, n);
        for (int v = 0; v < whole; v += VL)
            store(panels + (v/NR*(long)K + k)*NR + v%NR, v < n ? load_n(b + v, n - v) : (vec){0});
    }
    for (int v = 0; bcs != 1 && v < whole; v += VL)
        for (int k = 0; k < K; k += VL) {
            vec r[VL];
            for (int j = 0; j < VL; j++)
                r[j] = v + j < n ? load_n(b + (v + j)*bcs + k, K - k) : (vec){0};
            transpose(r);
            for (int i = 0; i < VL && k + i < K; i++)
                store(panels + (v/NR*(long)K + k + i)*NR + v%NR, r[i]);
        }
}

/* m columns of a, acs from one to the next, as tiles of MR rows, each next to its neighbours in k: a tile is K*MR + VL
 * long. */
static __attribute__((noinline, unused))
void pack_tiles(stat *tiles, const stat *a, long acs, int m, int K)
{
    const long next = (long)K*MR + VL;          /* a tile's last vector may end behind it */
    for (int k = 0; k < K; k++, a += acs, tiles += MR) {
        prefetch_row(a, acs, m);
        for (int i = 0; i < m; i += MR)
            for (int v = i; v < least(m, i + MR); v += VL)
                store(tiles + i/MR*next + v - i, load_n(a + v, m - v));
    }
}

/* Pairs are read where bf16 lie. */
INLINE stat element(const stat *p) { stat a; memcpy(&a, p, sizeof a); return a; }

/* acc + a b, element by element or pair by pair */
#if defined SWAX_BF16 && defined __AVX512BF16__
INLINE int has_pairs(void) { return swax_pairs_pay(); }
/* VDPBF16PS: twice the multiply-adds of a float tile (measured: 1.9x).  Bit for bit it is
 * acc + a1 b1 and then + a0 b0, each a fused multiply-add; results below 2^-126 become 0. */
INLINE vec multiply_add(vec acc, stat a, vec b, int pairs)
{
    uint32_t u;
    memcpy(&u, &a, sizeof u);
    return pairs ? (vec)_mm512_dpbf16_ps((__m512)acc, (__m512bh)(u + (uvec){0}), (__m512bh)b) : acc + a * b;
}
#else
INLINE int has_pairs(void) { return 0; }
INLINE vec multiply_add(vec acc, stat a, vec b, int pairs) { (void)pairs; return acc + a * b; }
#endif

/* Where sums go, rows ld (out: out_ld) elements from one to the next: c = or += them; or, where they end, out = or += c
 * + them. */
struct result {
    stat *c;
    long ld;
    int add;
    real *out;          /* NULL: they go on */
    long out_ld;
    int out_add;
};
enum { REAL_IS_STAT = sizeof(real) == sizeof(stat) };   /* then c is where they end */
INLINE int ends(struct result c) { return !REAL_IS_STAT && c.out; }

/* The same, j columns further on, or i rows. */
INLINE struct result across(struct result c, int j)
{
    c.c += j;
    c.out += ends(c) ? j : 0;
    return c;
}
INLINE struct result down(struct result c, int i)
{
    c.c += i * c.ld;
    c.out += ends(c) ? i * c.out_ld : 0;
    return c;
}

/* transposed, m, nv and pairs are constants where this is inlined, and every loop over acc is unrolled, so that it
 * lives in registers: gcc gives it a place in memory for one loop that is not, and a tile ends by going through there,
 * at a tenth of its speed where K is small. */
#define UNROLL _Pragma("GCC unroll 16")

/* p, and gcc does not know: it would keep many rows' distances, half of them in memory. */
INLINE const stat *opaque(const stat *p) { __asm__("" : "+r"(p)); return p; }

/* lda is from row to row of a; or, if it is transposed, from one k to the next.  A step moves one pointer for three
 * rows, which are within reach of each other, and transposed, one for all. */
INLINE void tile(struct result c, const stat *a, int transposed, long lda, const stat *b, long brs,
                 int m, int nv, int n, int K, int prefetch, int pairs)
{
    vec acc[MR][NV] = {{{0}}};
    const stat *next = a + (transposed ? LINE : m) * lda, *rows[MR];
    UNROLL for (int i = 0; i < m; i += 3)
        rows[i/3] = transposed ? a + i : a + i*lda;
    for (int i = 0; i < m; i++)
        for (int v = 0; v < nv && !ends(c); v++)
            __builtin_prefetch(c.c + i*c.ld + v*VL, 1);
    for (int i = 0; i < m && ends(c); i++)
        __builtin_prefetch(c.out + i*c.out_ld, 1);
    for (int from = 0; from < K; from += LINE, next += transposed ? LINE*lda : LINE) {
        const stat *ahead = next;
        for (int i = 0; prefetch & PREFETCH_A && i < (transposed ? LINE : m); i++, ahead = opaque(ahead + lda))
            __builtin_prefetch(ahead);
        for (int i = 0; prefetch & PREFETCH_B && i < LINE; i++)
            for (int v = 0; v < nv; v++)
                __builtin_prefetch(b + (LINE + i)*brs + v*VL);
        for (int k = from; k < least(K, from + LINE); k++, b += brs) {
            vec bk[NV];
            UNROLL for (int v = 0; v < nv; v++)
                bk[v] = load(b + v*VL);
            UNROLL for (int i = 0; i < m; i++)
                UNROLL for (int v = 0; v < nv; v++)
                    acc[i][v] = multiply_add(acc[i][v], element(transposed ? rows[0] + i : rows[i/3] + i%3*lda), bk[v],
                                             pairs);
            for (int i = 0; i < (transposed ? 1 : m); i += 3)
                rows[i/3] = opaque(rows[i/3] + (transposed ? lda : 1));
        }
    }
    if (c.add)
        UNROLL for (int i = 0; i < m; i++)
            UNROLL for (int v = 0; v < nv; v++)
                acc[i][v] += load_n(c.c + i*c.ld + v*VL, n - v*VL);
    if (ends(c) && c.out_add)
        UNROLL for (int i = 0; i < m; i++)
            UNROLL for (int v = 0; v < nv; v++)
                acc[i][v] += rload_n(c.out + i*c.out_ld + v*VL, n - v*VL);
    if (ends(c))
        UNROLL for (int i = 0; i < m; i++)
            UNROLL for (int v = 0; v < nv; v++)
                rstore_n(c.out + i*c.out_ld + v*VL, acc[i][v], n - v*VL);
    else
        UNROLL for (int i = 0; i < m; i++)
            UNROLL for (int v = 0; v < nv; v++)
                store_n(c.c + i*c.ld + v*VL, acc[i][v], n - v*VL);
}

/* m rows, of which each MR are a_next on from those before, against one panel of n <= NR columns, brs from row to row.
 * A tile of MR/3 rows, two on AVX2, has too few sums to keep the multipliers busy: the last four of 64 or 256 rows go
 * together. */
INLINE void strip(struct result c, const stat *a, int transposed, long lda, long a_next, const stat *b, long brs,
                  int m, int nv, int n, int K, int prefetch, int pairs)
{
    const long row = transposed ? 1 : lda;
    for (; m >= MR; m -= MR, c = down(c, MR), a += a_next, prefetch &= ~PREFETCH_B)
        tile(c, a, transposed, lda, b, brs, MR, nv, n, K, prefetch, pairs);
    for (; m >= MR/3*2; m -= MR/3*2, c = down(c, MR/3*2), a += MR/3*2*row)
        tile(c, a, transposed, lda, b, brs, MR/3*2, nv, n, K, prefetch, pairs);
    for (; m >= MR/3; m -= MR/3, c = down(c, MR/3), a += MR/3*row)
        tile(c, a, transposed, lda, b, brs, MR/3, nv, n, K, prefetch, pairs);
    for (; m > 0; m--, c = down(c, 1), a += row)
        tile(c, a, transposed, lda, b, brs, 1, nv, n, K, prefetch, pairs);
}

INLINE void strips(struct result c, const stat *a, int transposed, long lda, long a_next, const stat *b, long brs,
                   int m, int n, int K, int prefetch, int pairs)
{
    if (pairs && n > VL)
        strip(c, a, transposed, lda, a_next, b, brs, m, NV, n, K, prefetch, 1);
    else if (pairs)
        strip(c, a, transposed, lda, a_next, b, brs, m, 1, n, K, prefetch, 1);
    else if (n > VL)
        strip(c, a, transposed, lda, a_next, b, brs, m, NV, n, K, prefetch, 0);
    else
        strip(c, a, transposed, lda, a_next, b, brs, m, 1, n, K, prefetch, 0);
}

static __attribute__((noinline, unused))
void gemm_panel(struct result c, const stat *a, int transposed, long lda, long a_next, const stat *b, long brs,
                int m, int n, int K, int prefetch, int pairs)
{
    if (transposed)
        strips(c, a, 1, lda, a_next, b, brs, m, n, K, prefetch, pairs);
    else
        strips(c, a, 0, lda, a_next, b, brs, m, n, K, prefetch, pairs);
}

#endif
