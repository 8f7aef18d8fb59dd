/* common_impl.h - what the wrong kernels share: the reference that they begin from, and roundings. */
#ifndef SWAX_FAULTS_COMMON_IMPL_H
#define SWAX_FAULTS_COMMON_IMPL_H

#include <stdlib.h>
#include <string.h>
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

#endif
