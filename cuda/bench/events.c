/* events.c - times by the card's own clock, as tools/python/peer_kernels.py takes those of other kernels. */
#include <cuda_runtime_api.h>
#include <stdlib.h>

#include "cuda/bench/bench.h"

enum { CALLS = 25, FIRST = 5 };         /* those before are not counted */

static void done(cudaError_t error)
{
    if (error != cudaSuccess)
        die(cudaGetErrorString(error));
}

double seconds_of_each(void (*f)(void *), void *arg)
{
    cudaEvent_t begin[CALLS], end[CALLS];
    double t[CALLS];
    for (int i = 0; i < CALLS; i++)
        done(cudaEventCreate(&begin[i])), done(cudaEventCreate(&end[i]));
    for (int i = 0; i < CALLS; i++) {
        done(cudaEventRecord(begin[i], cudaStreamPerThread));
        f(arg);
        done(cudaEventRecord(end[i], cudaStreamPerThread));
    }
    must();
    for (int i = 0; i < CALLS; i++) {
        float ms = 0;
        done(cudaEventElapsedTime(&ms, begin[i], end[i]));
        done(cudaEventDestroy(begin[i])), done(cudaEventDestroy(end[i]));
        t[i] = 1e-3 * (double)ms;
    }
    return median(t + FIRST, CALLS - FIRST);
}
