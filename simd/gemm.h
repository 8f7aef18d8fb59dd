/* gemm.h - matrix products of any shape, layout and size from one register tile.
 *
 *     c[i,j]  = alpha sum_k a[i,k] b[k,j]       (add: c[i,j] += ...)        i < m, j < n, k < K
 *
 * Matrices are `stat`.  c is row-major with ldc elements a row; element (i,k) of a stands at a[i*ars + k*acs],
 * (k,j) of b at b[k*brs + j*bcs], so that a transposed operand is one with its strides exchanged.
 * One stride of b is 1.  Nothing is allocated.
 *
 * b is packed into panels of NR columns, K rows of NR each, short panels filled with zeros.  A tile is MR rows of
 * a against a panel: it keeps MR x NR sums in registers, and every step of k costs NV loads, MR broadcasts and
 * MR*NV multiply-adds.  Each c[i,j] is one chain of multiply-adds in the order of k per KC steps, wherever the
 * tile lies: so results do not depend on how m and n are cut, nor on who computes which tile.
 *
 * Where the machine multiplies pairs of bf16 (`pairs`), an element is two of them, for k and k+1. */
#ifndef SWAX_GEMM_H
#define SWAX_GEMM_H

#include "transpose.h"

enum { NV = 2, NR = NV * VL, MR = SWAX_VEC_BYTES == 32 ? 6 : 12, KC = 256 };

/* Elements that gemm_pack fills for a b of K rows and n columns. */
#define PACKED(K, n) ((size_t)(K) * (size_t)(((n) + NR - 1) / NR * NR))

INLINE int least(int a, int b) { return a < b ? a : b; }

/* One panel: n <= NR columns of b. */
static __attribute__((noinline, unused))
void pack_panel(stat *p, const stat *b, long brs, long bcs, int n, int K)
{
    if (bcs == 1)
        for (int k = 0; k < K; k++, b += brs, p += NR)
            for (int v = 0; v < NR; v += VL)
                store(p + v, v < n ? load_n(b + v, n - v) : (vec){0});
    else
        for (int v = 0; v < NR; v += VL)
            for (int k = 0; k < K; k += VL) {
                vec r[VL];
                for (int j = 0; j < VL; j++)
                    r[j] = v + j < n ? load_n(b + (v + j)*bcs + k, K - k) : (vec){0};
                transpose(r);
                for (int i = 0; i < VL && k + i < K; i++)
                    store(p + (long)(k + i)*NR + v, r[i]);
            }
}

/* acc + a b, element by element or pair by pair */
#if defined SWAX_BF16 && defined __AVX512BF16__
enum { HAS_PAIRS = 1 };
/* VDPBF16PS: twice the multiply-adds of a float tile (measured: 1.9x).  Bit for bit it is
 * acc + a1 b1 and then + a0 b0, each a fused multiply-add; results below 2^-126 become 0. */
INLINE vec multiply_add(vec acc, stat a, vec b, int pairs)
{
    uint32_t u;
    memcpy(&u, &a, sizeof u);
    return pairs ? (vec)_mm512_dpbf16_ps((__m512)acc, (__m512bh)(u + (uvec){0}), (__m512bh)b) : acc + a * b;
}
#else
enum { HAS_PAIRS = 0 };
INLINE vec multiply_add(vec acc, stat a, vec b, int pairs) { (void)pairs; return acc + a * b; }
#endif

/* m, nv and pairs are constants where this is inlined, so that acc lives in registers. */
INLINE void tile(stat *c, long ldc, const stat *a, long ars, long acs, const stat *b,
                 int m, int nv, int n, int K, stat alpha, int add, int pairs)
{
    vec acc[MR][NV] = {{{0}}};
    for (int k = 0; k < K; k++, b += NR, a += acs) {
        vec bk[NV];
        for (int v = 0; v < nv; v++)
            bk[v] = load(b + v*VL);
        for (int i = 0; i < m; i++)
            for (int v = 0; v < nv; v++)
                acc[i][v] = multiply_add(acc[i][v], a[i*ars], bk[v], pairs);
    }
    for (int i = 0; i < m; i++, c += ldc)
        for (int v = 0; v < nv; v++) {
            stat *cv = c + v*VL;
            store_n(cv, add ? load_n(cv, n - v*VL) + alpha * acc[i][v] : alpha * acc[i][v], n - v*VL);
        }
}

/* m rows against one packed panel of n <= NR columns. */
INLINE void strip(stat *c, long ldc, const stat *a, long ars, long acs, const stat *p,
                  int m, int nv, int n, int K, stat alpha, int add, int pairs)
{
    for (; m >= MR; m -= MR, c += MR*ldc, a += MR*ars)
        tile(c, ldc, a, ars, acs, p, MR, nv, n, K, alpha, add, pairs);
    for (; m >= MR/3; m -= MR/3, c += MR/3*ldc, a += MR/3*ars)
        tile(c, ldc, a, ars, acs, p, MR/3, nv, n, K, alpha, add, pairs);
    for (; m > 0; m--, c += ldc, a += ars)
        tile(c, ldc, a, ars, acs, p, 1, nv, n, K, alpha, add, pairs);
}

static __attribute__((noinline, unused))
void gemm_panel(stat *c, long ldc, const stat *a, long ars, long acs, const stat *p,
                 int m, int n, int K, stat alpha, int add, int pairs)
{
    if (pairs && n > VL)
        strip(c, ldc, a, ars, acs, p, m, NV, n, K, alpha, add, 1);
    else if (pairs)
        strip(c, ldc, a, ars, acs, p, m, 1, n, K, alpha, add, 1);
    else if (n > VL)
        strip(c, ldc, a, ars, acs, p, m, NV, n, K, alpha, add, 0);
    else
        strip(c, ldc, a, ars, acs, p, m, 1, n, K, alpha, add, 0);
}

/* All panels of b, for gemm_packed: worth it where one b meets several a. */
INLINE void gemm_pack(stat *packed, const stat *b, long brs, long bcs, int n, int K)
{
    for (int j = 0; j < n; j += NR, packed += (long)K*NR)
        pack_panel(packed, b + j*bcs, brs, bcs, least(NR, n - j), K);
}

INLINE void gemm_packed(stat *c, long ldc, const stat *a, long ars, long acs, const stat *packed,
                        int m, int n, int K, stat alpha, int add)
{
    for (int j = 0; j < n; j += NR, packed += (long)K*NR)
        gemm_panel(c + j, ldc, a, ars, acs, packed, m, least(NR, n - j), K, alpha, add, 0);
}

static inline __attribute__((unused))
void gemm(stat *c, long ldc, const stat *a, long ars, long acs, const stat *b, long brs, long bcs,
          int m, int n, int K, stat alpha, int add)
{
    stat panel[KC * NR] __attribute__((aligned(64)));
    for (int k = 0; k < K; k += KC, add = 1)
        for (int j = 0; j < n; j += NR) {
            pack_panel(panel, b + k*brs + j*bcs, brs, bcs, least(NR, n - j), least(KC, K - k));
            gemm_panel(c + j, ldc, a + k*acs, ars, acs, panel, m, least(NR, n - j), least(KC, K - k), alpha, add, 0);
        }
}

#endif
