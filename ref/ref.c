/* ref.c - the reference tier: one translation unit, compiled once per precision.
 *
 * The kernels are static, so this table is the only symbol the tier exports, and a kernel missing from it
 * is an unused-function error. */
#include "ref/embed.c"
#include "ref/linear.c"
#include "ref/rmsnorm.c"
#include "ref/headnorm.c"
#include "ref/rope.c"
#include "ref/attention.c"
#include "ref/mlstm.c"
#include "ref/delta.c"
#include "ref/conv.c"
#include "ref/decay.c"
#include "ref/gates.c"
#include "ref/add.c"
#include "ref/xent.c"
#include "ref/adamw.c"

const struct R(swax_kernels) R(swax_ref) = {
    .embed_forward     = embed_forward,     .embed_backward     = embed_backward,
    .linear_forward    = linear_forward,    .linear_backward    = linear_backward,
    .readout_forward   = linear_forward,    .readout_backward   = linear_backward,
    .rmsnorm_forward   = rmsnorm_forward,   .rmsnorm_backward   = rmsnorm_backward,
    .headnorm_forward  = headnorm_forward,  .headnorm_backward  = headnorm_backward,
    .rope_forward      = rope_forward,      .rope_backward      = rope_backward,
    .attention_forward = attention_forward, .attention_backward = attention_backward,
    .mlstm_forward     = mlstm_forward,     .mlstm_backward     = mlstm_backward,
    .delta_forward     = delta_forward,     .delta_backward     = delta_backward,
    .conv_forward      = conv_forward,      .conv_backward      = conv_backward,
    .decay_forward     = decay_forward,     .decay_backward     = decay_backward,
    .strength_forward  = strength_forward,  .strength_backward  = strength_backward,
    .softcap_forward   = softcap_forward,   .softcap_backward   = softcap_backward,
    .gate_forward      = gate_forward,      .gate_backward      = gate_backward,
    .swiglu_forward    = swiglu_forward,    .swiglu_backward    = swiglu_backward,
    .add_forward       = add_forward,       .add_backward       = add_backward,
    .skip_forward      = skip_forward,      .skip_backward      = skip_backward,
    .xent_forward      = xent_forward,      .xent_backward      = xent_backward,
    .sqsum             = sqsum,
    .accumulate        = accumulate,
    .cast              = cast,
    .adamw             = adamw,
};
