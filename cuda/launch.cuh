/* launch.cuh - start a kernel that may want more shared memory than a block gets unasked. */
#ifndef SWAX_LAUNCH_CUH
#define SWAX_LAUNCH_CUH

#include "common.cuh"

template <class... P, class... A>
static void launch(const char *name, void (*kernel)(P...), unsigned grid, unsigned threads, size_t shared, A... a)
{
    if (shared > 48 << 10)
        swax_cuda_note(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)shared), name);
    kernel<<<grid, threads, shared>>>(a...);
    launched(name);
}

#endif
