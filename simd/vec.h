/* vec.h - one vector type for every instruction set and precision.
 *
 * A vec is a GCC/Clang vector of VL `stat`s, the type all arithmetic is done in: + - * / work lane by lane
 * and a*b + c becomes a fused multiply-add.  The Makefile compiles simd.c once per instruction set with
 * -DSWAX_VEC_BYTES=16, 32 or 64 and the matching -m flags.
 *
 *     load, store      VL elements of `stat`, no alignment needed
 *     rload, rstore    VL elements of `real`: the same, or converted from and to bf16
 *     ..._n            the first n of them, all if n >= VL; lanes that are not loaded are 0 */
#ifndef SWAX_VEC_H
#define SWAX_VEC_H

#ifndef SWAX_VEC_BYTES      /* the Makefile says both for each instruction set; an editor does not */
#define SWAX_VEC_BYTES 16
#define SWAX_ISA none
#endif

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "ref/kernels.h"

#if defined __AVX2__
#include <immintrin.h>
#endif

#ifdef SWAX_F64
typedef int64_t lane;
typedef uint64_t ulane;
#else
typedef int32_t lane;
typedef uint32_t ulane;
#endif
typedef stat  vec  __attribute__((vector_size(SWAX_VEC_BYTES)));
typedef lane  ivec __attribute__((vector_size(SWAX_VEC_BYTES)));    /* what a < b gives: all ones or 0 */
typedef ulane uvec __attribute__((vector_size(SWAX_VEC_BYTES)));
enum { VL = SWAX_VEC_BYTES / sizeof(stat) };

#define INLINE static inline __attribute__((always_inline, unused))

INLINE vec vset(stat a) { return a - (vec){0}; }        /* -, not +: -0 stays -0 and nothing is computed */
INLINE vec load(const stat *p) { vec v; memcpy(&v, p, sizeof v); return v; }
INLINE void store(stat *p, vec v) { memcpy(p, &v, sizeof v); }

/* v as it is in a register: keeps a*b - c from being rounded once where it must cancel against a rounded a*b */
#if defined __AVX512F__
INLINE vec rounded(vec v) { __asm__("" : "+v"(v)); return v; }
#elif defined __x86_64__
INLINE vec rounded(vec v) { __asm__("" : "+x"(v)); return v; }
#else
INLINE vec rounded(vec v) { __asm__("" : "+w"(v)); return v; }
#endif

/* yes where the mask is set, no elsewhere */
INLINE vec pick(ivec mask, vec yes, vec no) { return (vec)((mask & (ivec)yes) | (~mask & (ivec)no)); }
INLINE vec vabs(vec a) { return (vec)((uvec)a & ((ulane)-1 >> 1)); }
INLINE ivec iota(void)
{
    ivec v = {0};
    for (int i = 0; i < VL; i++)
        v[i] = i;
    return v;
}
INLINE ivec first(int n) { return iota() < (lane)n; }   /* the first n lanes */

/* a > b ? a : b, and the other way: where one of them is NaN, b.  Written as a loop over the lanes this is one
 * instruction too, until gcc takes the loop apart inside a longer one: exp was 3 times slower for it in the cell. */
#if defined __AVX512F__ && defined SWAX_F64
INLINE vec vmax(vec a, vec b) { return (vec)_mm512_max_pd((__m512d)a, (__m512d)b); }
INLINE vec vmin(vec a, vec b) { return (vec)_mm512_min_pd((__m512d)a, (__m512d)b); }
#elif defined __AVX512F__
INLINE vec vmax(vec a, vec b) { return (vec)_mm512_max_ps((__m512)a, (__m512)b); }
INLINE vec vmin(vec a, vec b) { return (vec)_mm512_min_ps((__m512)a, (__m512)b); }
#elif defined __AVX2__ && defined SWAX_F64
INLINE vec vmax(vec a, vec b) { return (vec)_mm256_max_pd((__m256d)a, (__m256d)b); }
INLINE vec vmin(vec a, vec b) { return (vec)_mm256_min_pd((__m256d)a, (__m256d)b); }
#elif defined __AVX2__
INLINE vec vmax(vec a, vec b) { return (vec)_mm256_max_ps((__m256)a, (__m256)b); }
INLINE vec vmin(vec a, vec b) { return (vec)_mm256_min_ps((__m256)a, (__m256)b); }
#else
INLINE vec vmax(vec a, vec b) { return pick(a > b, a, b); }
INLINE vec vmin(vec a, vec b) { return pick(a < b, a, b); }
#endif

/* a*b + c, rounded once, where it must cancel against another sum that is: gcc from 13 on leaves some sums of products
 * unfused, in a loop with one chain of them, as quicker on some processors. */
#if defined __AVX512F__ && defined SWAX_F64
INLINE vec fused(vec a, vec b, vec c) { return (vec)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
#elif defined __AVX512F__
INLINE vec fused(vec a, vec b, vec c) { return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
#elif defined __AVX2__ && defined SWAX_F64
INLINE vec fused(vec a, vec b, vec c) { return (vec)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
#elif defined __AVX2__
INLINE vec fused(vec a, vec b, vec c) { return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
#else
INLINE vec fused(vec a, vec b, vec c) { return a * b + c; }
#endif
INLINE vec vsqrt(vec a)
{
    for (int i = 0; i < VL; i++)
        a[i] = sqrt(a[i]);
    return a;
}

/* Masked instructions where there are any: narrow tiles live on them. */
#if defined __AVX512F__ && defined SWAX_F64
INLINE vec load_some(const stat *p, int n) { return (vec)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p); }
INLINE void store_some(stat *p, vec v, int n) { _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v); }
#elif defined __AVX512F__
INLINE vec load_some(const stat *p, int n) { return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
INLINE void store_some(stat *p, vec v, int n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v); }
#else
INLINE vec load_some(const stat *p, int n)
{
    stat a[VL] = {0};
    for (int i = 0; i < n; i++)
        a[i] = p[i];
    return load(a);
}
INLINE void store_some(stat *p, vec v, int n)
{
    stat a[VL];
    store(a, v);
    for (int i = 0; i < n; i++)
        p[i] = a[i];
}
#endif
INLINE vec load_n(const stat *p, int n) { return n >= VL ? load(p) : load_some(p, n); }
INLINE void store_n(stat *p, vec v, int n)
{
    if (n >= VL)
        store(p, v);
    else
        store_some(p, v, n);
}

/* v with 0 in the lanes from n on */
INLINE vec keep_n(vec v, int n) { return n >= VL ? v : (vec)((ivec)v & first(n)); }
INLINE vec vclamp(vec a, stat lo, stat hi) { return vmin(vset(hi), vmax(vset(lo), a)); }   /* NaN stays */

/* Halves onto halves: a fixed order, log2(VL) steps. */
INLINE stat vsum(vec v)
{
    stat a[VL];
    store(a, v);
    for (int n = VL / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++)
            a[i] += a[i + n];
    return a[0];
}
INLINE stat vmax_lanes(vec v)
{
    stat a[VL];
    store(a, v);
    for (int n = VL / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++)
            a[i] = a[i] > a[i + n] ? a[i] : a[i + n];
    return a[0];
}

#ifdef SWAX_BF16
typedef uint16_t halfvec __attribute__((vector_size(SWAX_VEC_BYTES / 2)));

INLINE vec from_bf16(halfvec h) { return (vec)(__builtin_convertvector(h, uvec) << 16); }
INLINE halfvec to_bf16(vec v)   /* ref/bf16.h's rounding */
{
    const uvec u = (uvec)v;
    const uvec rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16, quiet = u >> 16 | 0x40;
    const uvec nan = (uvec)(v != v);
    return __builtin_convertvector((nan & quiet) | (~nan & rounded), halfvec);
}
INLINE vec rload(const real *p) { halfvec h; memcpy(&h, p, sizeof h); return from_bf16(h); }
INLINE void rstore(real *p, vec v) { const halfvec h = to_bf16(v); memcpy(p, &h, sizeof h); }
#if defined __AVX512BW__
INLINE __mmask16 first_lanes(int n) { return (__mmask16)((1u << n) - 1); }
INLINE vec rload_some(const real *p, int n) { return from_bf16((halfvec)_mm256_maskz_loadu_epi16(first_lanes(n), p)); }
INLINE void rstore_some(real *p, vec v, int n) { _mm256_mask_storeu_epi16(p, first_lanes(n), (__m256i)to_bf16(v)); }
#else
INLINE vec rload_some(const real *p, int n)
{
    real h[VL] = {{0}};
    for (int i = 0; i < n; i++)
        h[i] = p[i];
    return rload(h);
}
INLINE void rstore_some(real *p, vec v, int n)
{
    real h[VL];
    rstore(h, v);
    for (int i = 0; i < n; i++)
        p[i] = h[i];
}
#endif
INLINE vec rload_n(const real *p, int n) { return n >= VL ? rload(p) : rload_some(p, n); }
INLINE void rstore_n(real *p, vec v, int n)
{
    if (n >= VL)
        rstore(p, v);
    else
        rstore_some(p, v, n);
}
INLINE stat to_stat(real a) { return bf16_to_float(a); }
INLINE real to_real(stat a) { return bf16_from_float(a); }
#else
INLINE vec rload(const real *p) { return load(p); }
INLINE void rstore(real *p, vec v) { store(p, v); }
INLINE vec rload_n(const real *p, int n) { return load_n(p, n); }
INLINE void rstore_n(real *p, vec v, int n) { store_n(p, v, n); }
INLINE stat to_stat(real a) { return a; }
INLINE real to_real(stat a) { return a; }
#endif

#endif
