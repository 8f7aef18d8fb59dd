/* cell_gate.cuh - what the kinds of gates of the mLSTM cell differ in; as in ref/mlstm.c. */
#ifndef SWAX_CUDA_CELL_GATE_CUH
#define SWAX_CUDA_CELL_GATE_CUH

#include <cfloat>

#include "cuda/common.cuh"

static inline __host__ __device__ bool normalised(int gate)
{
    return gate == SWAX_EXPONENTIAL || gate == SWAX_SIGMOID_NORMALISED;
}

/* Do i and f come in as the logarithms of what they stand for? */
static inline __device__ bool input_is_log(int gate) { return gate == SWAX_EXPONENTIAL || gate == SWAX_LOG; }
static inline __device__ bool forget_is_log(int gate) { return gate == SWAX_LOG; }

/* exp(-m), above 0 for every m */
static inline __device__ stat floor_of(stat m)
{
    return larger(sizeof(stat) == sizeof(float) ? (stat)FLT_MIN : (stat)DBL_MIN, (stat)exp(-m));
}

#endif
