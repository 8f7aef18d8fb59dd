/* kernels.cu - the table of one precision; compiled as float, as double and as bf16. */
#include "cuda/adamw.cuh"
#include "cuda/conv.cuh"
#include "cuda/decay.cuh"
#include "cuda/elementwise.cuh"
#include "cuda/embed.cuh"
#include "cuda/linear.cuh"
#include "cuda/norm.cuh"
#include "cuda/rope.cuh"
#include "cuda/xent.cuh"
#ifdef SWAX_BF16
#include "cuda/tensor.h"
#define TENSOR(slot) R(swax_cuda_##slot)
#else
#include "cuda/attention.cuh"
#include "cuda/delta.cuh"
#include "cuda/mlstm_backward.cuh"
#define TENSOR(slot) slot
#endif

extern "C" {
extern const struct R(swax_kernels) R(swax_cuda);
}

const struct R(swax_kernels) R(swax_cuda) = {
    .embed_forward = embed_forward,
    .embed_backward = embed_backward,
    .linear_forward = linear_forward,
    .linear_backward = linear_backward,
    .readout_forward = readout_forward,
    .readout_backward = readout_backward,
    .rmsnorm_forward = rmsnorm_forward,
    .rmsnorm_backward = rmsnorm_backward,
    .headnorm_forward = headnorm_forward,
    .headnorm_backward = headnorm_backward,
    .rope_forward = rope_forward,
    .rope_backward = rope_backward,
    .attention_forward = TENSOR(attention_forward),
    .attention_backward = TENSOR(attention_backward),
    .mlstm_forward = TENSOR(mlstm_forward),
    .mlstm_backward = TENSOR(mlstm_backward),
    .delta_forward = TENSOR(delta_forward),
    .delta_backward = TENSOR(delta_backward),
    .conv_forward = conv_forward,
    .conv_backward = conv_backward,
    .decay_forward = decay_forward,
    .decay_backward = decay_backward,
    .strength_forward = strength_forward,
    .strength_backward = strength_backward,
    .softcap_forward = softcap_forward,
    .softcap_backward = softcap_backward,
    .gate_forward = gate_forward,
    .gate_backward = gate_backward,
    .swiglu_forward = swiglu_forward,
    .swiglu_backward = swiglu_backward,
    .add_forward = add_forward,
    .add_backward = add_backward,
    .skip_forward = skip_forward,
    .skip_backward = skip_backward,
    .xent_forward = xent_forward,
    .xent_backward = xent_backward,
    .sqsum = sqsum,
    .accumulate = accumulate,
    .cast = cast,
    .adamw = adamw,
};
