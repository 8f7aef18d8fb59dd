/* common_impl.h - what the wrong kernels share: the reference that they begin from, and roundings. */
#ifndef SWAX_FAULTS_COMMON_IMPL_H
#define SWAX_FAULTS_COMMON_IMPL_H

#include <stdlib.h>
#include <string.h>
#include "ref/oracle/faults/parameters.h"
#include "ref/oracle/oracle.h"
#include "ref/scalar.h"

#define REF (&R(swax_ref))

/* x as f rounds it, or as it is: asked within loops, where a compiler parts the two */
static inline real real_by(real (*f)(real), real x) { return f ? f(x) : x; }
static inline stat rounded_by(stat (*f)(stat), stat x) { return f ? f(x) : x; }

/* A float's bits, rounded to a mantissa of ten bits, as a tensor core does to an operand; bfloat16. */
static real to_tf32(real x)
{
    union { float f; uint32_t u; } a = { .f = (float)x };
    a.u = (a.u + 0xfff + (a.u >> 13 & 1)) & ~(uint32_t)0x1fff;
    return isfinite(x) ? (real)a.f : x;
}
static real to_bf16(real x) { return (real)bf16_to_float(bf16_from_float((float)x)); }
static stat stat_to_bf16(stat x) { return to_bf16(x); }
static stat stat_to_float(stat x) { return (stat)(float)x; }
/* f16 has tf32's digits, but ends at 65504, and below 2^-14 has multiples of 2^-24 */
static stat stat_to_half(stat x)
{
    const stat y = to_tf32(x);
    const stat whole = (stat)rint((double)x * 0x1p24);
    return fabs(x) < (stat)0x1p-14 ? whole * (stat)0x1p-24 : fabs(y) > 65504 ? x * (stat)INFINITY : y;
}

static void *copy(const void *from, long n, size_t size)
{
    void *to = op_take(1, (size_t)n * size);
    memcpy(to, from, (size_t)n * size);
    return to;
}

#endif
