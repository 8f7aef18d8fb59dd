/* simd.c - one SIMD tier: compiled once per instruction set and precision.
 * A slot left out falls back to the reference (ref/tiers.c), except in bf16, which fills every slot. */
#include "simd/linear.c"
#include "simd/embed.c"
#include "simd/attention.c"
#include "simd/mlstm_forward.c"
#include "simd/mlstm_backward.c"
#include "simd/delta_forward.c"
#include "simd/delta_backward.c"
#include "simd/conv.c"
#include "simd/decay.c"
#include "simd/adamw.c"
#include "simd/split.c"

extern const struct R(swax_kernels) R(SWAX_PASTE(swax_, SWAX_ISA));
const struct R(swax_kernels) R(SWAX_PASTE(swax_, SWAX_ISA)) = {
    .embed_forward     = embed_forward,           .embed_backward     = embed_backward,
    .linear_forward    = linear_forward,          .linear_backward    = linear_backward,
    .readout_forward   = readout_forward,         .readout_backward   = readout_backward,
    .rmsnorm_forward   = split_rmsnorm_forward,   .rmsnorm_backward   = split_rmsnorm_backward,
    .headnorm_forward  = split_headnorm_forward,  .headnorm_backward  = split_headnorm_backward,
    .rope_forward      = split_rope_forward,      .rope_backward      = split_rope_backward,
    .attention_forward = attention_forward,       .attention_backward = attention_backward,
    .mlstm_forward     = mlstm_forward,           .mlstm_backward     = mlstm_backward,
    .delta_forward     = delta_forward,           .delta_backward     = delta_backward,
    .conv_forward      = conv_forward,            .conv_backward      = conv_backward,
    .decay_forward     = decay_forward,           .decay_backward     = decay_backward,
    .strength_forward  = strength_forward,        .strength_backward  = strength_backward,
    .softcap_forward   = split_softcap_forward,   .softcap_backward   = split_softcap_backward,
    .gate_forward      = split_gate_forward,      .gate_backward      = split_gate_backward,
    .swiglu_forward    = split_swiglu_forward,    .swiglu_backward    = split_swiglu_backward,
    .add_forward       = split_add_forward,       .add_backward       = split_add_backward,
    .skip_forward      = split_skip_forward,      .skip_backward      = split_skip_backward,
    .xent_forward      = split_xent_forward,      .xent_backward      = split_xent_backward,
    .sqsum             = sqsum,
    .accumulate        = accumulate,
    .cast              = cast,
    .adamw             = adamw,
};
