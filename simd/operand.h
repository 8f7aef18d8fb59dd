/* operand.h - matrices in `real` or in `stat`, and how they become elements of gemm.h.
 *
 * An element is a `stat`; or, where both operands are bf16 and the machine multiplies those fast, a pair of bf16,
 * for k and k+1.  VDPBF16PS takes the second of a pair first.  So does everybody else who multiplies bf16: the
 * two of a pair change places when they become floats, and all machines compute the same bits. */
#ifndef SWAX_OPERAND_H
#define SWAX_OPERAND_H

#include "simd/gemm.h"

/* Element (i,k) stands at p[i*rs + k*cs]; one of the strides is 1. */
struct operand { const void *p; long rs, cs; int is_stat; };

/* Elements of gemm.h: (i,k) at at[i*rs + k*cs] */
struct elements_at { const stat *at; long rs, cs; };

#ifndef SWAX_BF16

/* Are K of k.. in rows i.. contiguous elements in memory?  Then *x is where. */
INLINE int contiguous(struct elements_at *x, struct operand a, int i, int k, int K, int pairs)
{
    (void)K, (void)pairs;
    *x = (struct elements_at){ (const stat *)a.p + i*a.rs + k*a.cs, a.rs, a.cs };
    return 1;
}

INLINE int multiplies_in_pairs(const void *p, size_t n) { (void)p; (void)n; return 0; }
INLINE int elements(int K, int pairs) { (void)pairs; return K; }

/* Rows i.. and elements of k.., in `to`: rows are ld apart. */
INLINE void gather_rows(stat *to, long ld, struct operand a, int i, int m, int k, int K, int pairs)
{
    (void)pairs;
    for (int r = 0; r < m; r++)
        memcpy(to + r*ld, (const stat *)a.p + (i + r)*a.rs + k, (size_t)K * sizeof *to);
}

/* The same of columns: those of one k lie together, NR at a time, those of the next k ld on, of the next NR rows
 * `next` on. */
INLINE void gather_columns(stat *to, long ld, long next, struct operand a, int i, int m, int k, int K, int pairs)
{
    (void)pairs;
    for (int c = 0; c < K; c++)
        for (int r = 0; r < m; r += VL)
            store_n(to + r/NR*next + r%NR + c*ld, load_n((const stat *)a.p + i + r + (k + c)*a.cs, m - r), m - r);
}

#else

/* Pairs along a row do, if it has no odd one. */
INLINE int contiguous(struct elements_at *x, struct operand a, int i, int k, int K, int pairs)
{
    const real *p = (const real *)a.p + i*a.rs + k*a.cs;
    *x = (struct elements_at){ (const void *)p, a.rs / 2, 1 };
    return pairs && a.cs == 1 && a.rs % 2 == 0 && K % 2 == 0 && (uintptr_t)p % sizeof(stat) == 0;
}

/* VDPBF16PS takes subnormal numbers for 0.  No product and no sum of n is one if every number is 0 or above 2^-60. */
static int multiplies_in_pairs(const real *p, size_t n)
{
    typedef uint16_t halves __attribute__((vector_size(SWAX_VEC_BYTES)));
    enum { LANES = SWAX_VEC_BYTES / 2, SMALL = (127 - 60) << 7 };
    halves found = {0};
    size_t i = 0;
    if (!has_pairs())
        return 0;
    for (; i + LANES <= n; i += LANES) {
        halves h;
        memcpy(&h, p + i, sizeof h);
        found |= (halves)((halves)((h & 0x7fff) - 1) < SMALL - 1);
    }
    int small = 0;
    for (int l = 0; l < LANES; l++)
        small |= found[l] != 0;
    for (; i < n; i++)
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

/* Rows i.. and elements of k.., in `to`: rows are ld apart. */
static void gather_rows(stat *to, long ld, struct operand a, int i, int m, int k, int K, int pairs)
{
    for (int r = 0; r < m; r++) {
        const long from = (i + r)*a.rs + k;
        if (pairs) {
            to[r*ld + K/2] = 0;                 /* the second half of an odd K's last pair */
            memcpy(to + r*ld, (const real *)a.p + from, (size_t)K * sizeof(real));
        }
        for (int c = 0; !pairs && c < K; c += VL)
            store(to + r*ld + c, swap_pairs(stats_at(a, from + c, K - c)));
    }
}

/* n <= NR columns of two rows zipped: first 0, second 0, first 1, second 1, ... */
INLINE void zip_rows(stat *to, const real *first, const real *second, int n)
{
    uvec a = {0}, b = {0};
    memcpy(&a, first, (size_t)n * sizeof *first);
    memcpy(&b, second, (size_t)n * sizeof *second);
    const uvec even = (a & 0xffff) | b << 16, odd = a >> 16 | (b & 0xffff0000);
    store(to, zip_low((vec)even, (vec)odd));
    store(to + VL, zip_high((vec)even, (vec)odd));
}

/* The same of columns: elements of one k lie together, NR at a time, those of the next k ld on, of the next NR rows
 * `next` on. */
static void gather_columns(stat *to, long ld, long next, struct operand a, int i, int m, int k, int K, int pairs)
{
    static const real zeros[NR];
    const long at = i + k*a.cs;
    for (int c = 0; pairs && c < K; c += 2, to += ld) {
        const real *first = (const real *)a.p + at + c*a.cs, *second = c + 1 < K ? first + a.cs : zeros;
        const int along = c + 1 < K;
        int r = 0;
        for (; r + NR <= m; r += NR)
            zip_rows(to + r/NR*next, first + r, second + along*r, NR);
        if (r + VL == m)                        /* as HIGH rows end: copies of a known size cost no call */
            zip_rows(to + r/NR*next, first + r, second + along*r, VL);
        else if (r < m)
            zip_rows(to + r/NR*next, first + r, second + along*r, m - r);
    }
    for (int c = 0; !pairs && c < K; c += 2, to += 2*ld)
        for (int r = 0; r < m; r += VL) {
            stat *t = to + r/NR*next + r%NR;
            store(t, c + 1 < K ? stats_at(a, at + (c + 1)*a.cs + r, m - r) : (vec){0});
            store(t + ld, stats_at(a, at + c*a.cs + r, m - r));
        }
}

#endif
#endif
