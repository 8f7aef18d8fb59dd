/* bf16.h - bfloat16: the upper half of a float.  Rounding is to nearest, ties to even; NaN stays NaN. */
#ifndef SWAX_BF16_H
#define SWAX_BF16_H

#include <stdint.h>
#include <string.h>

typedef struct { uint16_t bits; } swax_bf16;

static inline float bf16_to_float(swax_bf16 a)
{
    const uint32_t u = (uint32_t)a.bits << 16;
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline swax_bf16 bf16_from_float(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    const uint32_t nan = (u & 0x7fffffff) > 0x7f800000;
    const uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
    const swax_bf16 a = { (uint16_t)(nan ? u >> 16 | 0x40 : rounded) };
    return a;
}

#endif
