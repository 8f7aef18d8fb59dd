/* launch.cuh - start a kernel that may want more shared memory than a block gets unasked. */
#ifndef SWAX_LAUNCH_CUH
#define SWAX_LAUNCH_CUH

#include "cuda/common.cuh"

template <class... P> static void let_share(const char *name, void (*kernel)(P...), size_t shared)
{
    if (shared > 48 << 10)
        swax_cuda_note(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared), name);
}

template <class... P, class... A>
static void launch(const char *name, void (*kernel)(P...), unsigned grid, unsigned threads, size_t shared, A... a)
{
    let_share(name, kernel, shared);
    kernel<<<grid, threads, shared>>>(a...);
    launched(name);
}

/* May a block have so much shared memory on this card? */
static inline bool room_for(size_t shared)
{
    static int most;
    if (!most)
        swax_cuda_note(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, 0),
                       "asking for the shared memory of a block");
    return shared <= (size_t)most;
}

#endif
