/* simd.c - one SIMD tier: compiled once per instruction set and precision.
 * A slot left out falls back to the reference (ref/tiers.c), except in bf16, which fills every slot. */
#include "vmath.h"
#include "gemm.h"
#ifndef SWAX_BF16
#include "linear.c"
#endif

extern const struct R(swax_kernels) R(SWAX_PASTE(swax_, SWAX_ISA));
const struct R(swax_kernels) R(SWAX_PASTE(swax_, SWAX_ISA)) = {
#ifndef SWAX_BF16
    .linear_forward = linear_forward,   .linear_backward = linear_backward,
#endif
    .embed_forward = NULL,
};
