/* common.cuh - what every CUDA kernel needs: elements, launches, errors, the workspace, sums over a warp.
 *
 * The kernels are one text compiled per precision, as ref/ is: tensors are `real`, arithmetic is `stat`.
 * Everything runs on the calling thread's default stream, so kernels follow one another in the order of the calls.
 * No sum depends on who comes first: who adds what, and in which order, follows from the sizes alone. */
#ifndef SWAX_CUDA_COMMON_CUH
#define SWAX_CUDA_COMMON_CUH

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "ref/kernels.h"

/* Remember the first thing that went wrong, for trouble().  `doing` completes "while ...". */
void swax_cuda_note(cudaError_t error, const char *doing);

/* Scratch memory for the kernels of one call; the next call may overwrite it.  It is taken once and grows when a
 * call needs more than any before.  256-byte aligned; NULL, noted, if there is not that much: then do nothing. */
void *swax_cuda_workspace(size_t bytes);

static inline void launched(const char *kernel)
{
    swax_cuda_note(cudaGetLastError(), kernel);
}

/* How many blocks of `each` it takes to cover n. */
static inline unsigned blocks(size_t n, size_t each)
{
    return (unsigned)((n + each - 1) / each);
}

/* The block's dynamic shared memory: the swizzle of panel.cuh wants 1024-byte alignment. */
static inline __device__ unsigned char *shared_memory()
{
    extern __shared__ __align__(1024) unsigned char bytes[];
    return bytes;
}

/* Where arrays are walked from their ends: what the kernel before wrote last is still in the cache. */
static inline __device__ unsigned block_from_end() { return gridDim.x - 1 - blockIdx.x; }

/* Elements.  Arithmetic is done on what value() gives; as<real>() rounds to nearest even. */
static inline __device__ float value(float x) { return x; }
static inline __device__ double value(double x) { return x; }
static inline __device__ float value(swax_bf16 x) { return __uint_as_float((unsigned)x.bits << 16); }

template <class T> struct element {
    template <class S> static __device__ T from(S x) { return (T)x; }
};
template <> struct element<swax_bf16> {
    static __device__ swax_bf16 from(float x) { return { __bfloat16_as_ushort(__float2bfloat16_rn(x)) }; }
};
template <class T, class S> static inline __device__ T as(S x) { return element<T>::from(x); }

template <class T> static inline __device__ void add_to(T &y, stat x) { y = as<T>(value(y) + x); }

/* x y, rounded: the compiler may not fuse it with what is subtracted from it, which may be the same product. */
static inline __device__ float times(float x, float y) { return __fmul_rn(x, y); }
static inline __device__ double times(double x, double y) { return __dmul_rn(x, y); }

/* As in ref/scalar.h; exp(-x) may overflow, and then the quotient is 0, as it should be. */
static inline __device__ stat sigmoid(stat x) { return 1 / (1 + exp(-x)); }

/* Less than any score: where a maximum begins.  Finite, so that what it is subtracted from stays a number. */
static inline __device__ stat lowest() { return -(sizeof(stat) == 8 ? (stat)1e308 : (stat)3e38); }

/* max(x, y), or NaN where one of them is: fmax would hide it. */
template <class S> static inline __device__ S larger(S x, S y) { return x > y || x != x ? x : y; }

/* The sum over the 32 lanes of a warp, in each of them. */
template <class S> static inline __device__ S warp_sum(S x)
{
    for (int lane = 16; lane; lane /= 2)
        x += __shfl_xor_sync(~0u, x, lane);
    return x;
}

template <class S> static inline __device__ S warp_max(S x)
{
    for (int lane = 16; lane; lane /= 2)
        x = fmax(x, __shfl_xor_sync(~0u, x, lane));
    return x;
}

#endif
