/* operand.h - matrices in `real` or in `stat`, and how they become elements of gemm.h.
 *
 * An element is a `stat`; or, where both operands are bf16 and the machine multiplies those, a pair of bf16,
 * for k and k+1.  VDPBF16PS takes the second of a pair first.  So does everybody else who multiplies bf16: the
 * two of a pair change places when they become floats, and all machines compute the same bits. */
#ifndef SWAX_OPERAND_H
#define SWAX_OPERAND_H

#include "gemm.h"

/* Element (i,k) stands at p[i*rs + k*cs]; one of the strides is 1. */
struct operand { const void *p; long rs, cs; int is_stat; };

/* Elements of gemm.h: (i,k) at at[i*rs + k*cs] */
struct place { const stat *at; long rs, cs; };

#ifndef SWAX_BF16

/* Do K of k.. in rows i.. lie in memory as elements?  Then *x is where. */
INLINE int lies(struct place *x, struct operand a, int i, int k, int K, int pairs)
{
    (void)K, (void)pairs;
    *x = (struct place){ (const stat *)a.p + i*a.rs + k*a.cs, a.rs, a.cs };
    return 1;
}

INLINE int multiplies_in_pairs(const void *p, size_t n) { (void)p; (void)n; return 0; }
INLINE int elements(int K, int pairs) { (void)pairs; return K; }

/* rows i.. and elements of k.. to `to`, whose rows of whichever is contiguous are ld apart */
static void gather(stat *to, long ld, struct operand a, int i, int m, int k, int K, int pairs)
{
    (void)pairs;
    const stat *p = (const stat *)a.p + i*a.rs + k*a.cs;
    const int rows = a.cs == 1 ? m : K, width = a.cs == 1 ? K : m;
    for (int r = 0; r < rows; r++, to += ld, p += a.cs == 1 ? a.rs : a.cs)
        for (int j = 0; j < width; j += VL)
            store_n(to + j, load_n(p + j, width - j), width - j);
}

#else

/* Pairs along a row do, if it has no odd one. */
INLINE int lies(struct place *x, struct operand a, int i, int k, int K, int pairs)
{
    const real *p = (const real *)a.p + i*a.rs + k*a.cs;
    *x = (struct place){ (const void *)p, a.rs / 2, 1 };
    return pairs && a.cs == 1 && a.rs % 2 == 0 && K % 2 == 0 && (uintptr_t)p % sizeof(stat) == 0;
}

/* VDPBF16PS takes subnormal numbers for 0.  No product and no sum of n is one if every number is 0 or above 2^-60. */
static int multiplies_in_pairs(const real *p, size_t n)
{
    typedef uint16_t halves __attribute__((vector_size(SWAX_VEC_BYTES)));
    enum { LANES = SWAX_VEC_BYTES / 2, SMALL = (127 - 60) << 7 };
    halves found = {0};
    size_t i = 0;
    for (; HAS_PAIRS && i + LANES <= n; i += LANES) {
        halves h;
        memcpy(&h, p + i, sizeof h);
        found |= (halves)((halves)((h & 0x7fff) - 1) < SMALL - 1);
    }
    int small = !HAS_PAIRS;
    for (int l = 0; l < LANES; l++)
        small |= found[l] != 0;
    for (; HAS_PAIRS && i < n; i++)
        small |= (uint16_t)((p[i].bits & 0x7fff) - 1) < SMALL - 1;
    return !small;
}

INLINE int elements(int K, int pairs) { return pairs ? (K + 1) / 2 : (K + 1) / 2 * 2; }

INLINE vec stats_at(struct operand a, long at, int n)
{
    return a.is_stat ? load_n((const stat *)a.p + at, n) : rload_n((const real *)a.p + at, n);
}

INLINE vec swap_pairs(vec v)
{
    typedef uint64_t pairs __attribute__((vector_size(SWAX_VEC_BYTES)));
    return (vec)((pairs)v << 32 | (pairs)v >> 32);
}

INLINE uvec bits_at(struct operand a, long at, int n)
{
    halfvec h;
    if (n < VL)
        return (uvec)rload_n((const real *)a.p + at, n) >> 16;
    memcpy(&h, (const real *)a.p + at, sizeof h);
    return __builtin_convertvector(h, uvec);
}

static void gather(stat *to, long ld, struct operand a, int i, int m, int k, int K, int pairs)
{
    const long from = i*a.rs + k*a.cs;
    if (a.cs == 1 && pairs)
        for (int r = 0; r < m; r++) {
            to[r*ld + K/2] = 0;                 /* the second half of an odd K's last pair */
            memcpy(to + r*ld, (const real *)a.p + from + r*a.rs, (size_t)K * sizeof(real));
        }
    else if (a.cs == 1)
        for (int r = 0; r < m; r++)
            for (int c = 0; c < K; c += VL)
                store(to + r*ld + c, swap_pairs(stats_at(a, from + r*a.rs + c, K - c)));
    else
        for (int c = 0; c < K; c += 2)
            for (int r = 0; r < m; r += VL) {
                const long at = from + c*a.cs + r;
                const int two = c + 1 < K;
                if (pairs) {
                    const uvec second = two ? bits_at(a, at + a.cs, m - r) << 16 : (uvec){0};
                    store(to + c/2*ld + r, (vec)(bits_at(a, at, m - r) | second));
                } else {
                    store(to + c*ld + r, two ? stats_at(a, at + a.cs, m - r) : (vec){0});
                    store(to + (c + 1)*ld + r, stats_at(a, at, m - r));
                }
            }
}

#endif
#endif
