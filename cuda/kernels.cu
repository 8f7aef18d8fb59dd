/* kernels.cu - the table of one precision; compiled as float, as double and as bf16. */
#include "elementwise.cuh"

extern "C" {
extern const struct R(swax_kernels) R(swax_cuda);
}

const struct R(swax_kernels) R(swax_cuda) = {
    .softcap_forward = softcap_forward,
    .softcap_backward = softcap_backward,
    .gate_forward = gate_forward,
    .gate_backward = gate_backward,
    .swiglu_forward = swiglu_forward,
    .swiglu_backward = swiglu_backward,
    .add_forward = add_forward,
    .add_backward = add_backward,
    .accumulate = accumulate,
    .cast = cast,
};
