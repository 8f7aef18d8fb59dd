/* rows.cuh - tensors whose rows are not whole aligned pieces of 16 bytes: work on copies with wider rows, zeros at
 * their ends. */
#ifndef SWAX_ROWS_CUH
#define SWAX_ROWS_CUH

#include "cuda/launch.cuh"

static inline int up8(int n) { return (n + 7) / 8 * 8; }

template <class... P> static bool aligned(size_t bytes, P... p) { return ((... | (uintptr_t)p) % bytes) == 0; }

/* Scratch memory: the sizes are asked for first (base is NULL), then the same calls in the same order give the
 * addresses. */
struct scratch {
    unsigned char *base;
    size_t used;
    template <class E> E *take(size_t n)
    {
        E *p = base ? (E *)(base + used) : nullptr;
        used += (n * sizeof(E) + 255) / 256 * 256;
        return p;
    }
};

static __global__ void widen_kernel(swax_bf16 *to, const swax_bf16 *from, size_t rows, int width, int wide)
{
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x, row = at / wide, c = at % wide;
    if (row < rows)
        to[at] = c < (size_t)width ? from[row * width + c] : swax_bf16{ 0 };
}

static __global__ void narrow_kernel(swax_bf16 *to, const swax_bf16 *from, size_t rows, int width, int wide)
{
    const size_t at = (size_t)blockIdx.x * blockDim.x + threadIdx.x, row = at / width, c = at % width;
    if (row < rows)
        to[at] = from[row * wide + c];
}

static void widen(swax_bf16 *to, const swax_bf16 *from, size_t rows, int width)
{
    launch("widening rows", widen_kernel, blocks(rows * up8(width), 256), 256, 0, to, from, rows, width, up8(width));
}

static void narrow(swax_bf16 *to, const swax_bf16 *from, size_t rows, int width)
{
    launch("narrowing rows", narrow_kernel, blocks(rows * width, 256), 256, 0, to, from, rows, width, up8(width));
}

#endif
