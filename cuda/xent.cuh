/* xent.cuh - cross-entropy of soft-capped logits; formulas in ref/xent.c.  A block takes a row. */
#include "pattern.cuh"

static int xent_threads(int V) { return V > 2048 ? 256 : V > 256 ? 64 : 32; }

static __device__ stat capped(stat x, stat cap)
{
    return cap > 0 ? times(cap, tanh(x / cap)) : x;
}

/* The sum, or the maximum, over the block, in each thread. */
template <class F> static __device__ stat block_reduce(stat x, F warp_reduce, stat none)
{
    __shared__ stat part[32];
    x = warp_reduce(x);
    __syncthreads();   /* part may still be read from the call before */
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = x;
    __syncthreads();
    return warp_reduce(threadIdx.x % 32 < blockDim.x / 32 ? part[threadIdx.x % 32] : none);
}

static __global__ void xent_forward_kernel(stat *loss, stat *lse, const stat *x, const int *target, int V, stat cap)
{
    const size_t n = blockIdx.x;
    x += n * V;
    stat mine = lowest(), sum = 0;   /* of this thread's logits: the largest, the sum of exp(z - mine) */
    for (int j = threadIdx.x; j < V; j += blockDim.x) {
        const stat z = capped(x[j], cap), before = mine;
        mine = fmax(mine, z);
        sum = (sum > 0 ? sum * exp(before - mine) : sum) + exp(z - mine);
    }
    const stat max = block_reduce(mine, [] (stat a) { return warp_max(a); }, lowest());
    sum = block_reduce(sum > 0 ? sum * exp(mine - max) : sum, [] (stat a) { return warp_sum(a); }, 0);
    if (threadIdx.x == 0) {
        lse[n] = max + log(sum);
        loss[n] = target[n] >= 0 && target[n] < V ? lse[n] - capped(x[target[n]], cap) : 0;
    }
}

static void xent_forward(stat *loss, stat *lse, const stat *x, const int *target, int N, int V, double cap)
{
    xent_forward_kernel<<<N, xent_threads(V)>>>(loss, lse, x, target, V, (stat)cap);
    launched("xent_forward");
}

static __global__ void xent_backward_kernel(stat *dx, const stat *dloss, const stat *x, const int *target, const stat *lse,
                                            int V, stat cap)
{
    const size_t n = blockIdx.x;
    if (target[n] < 0 || target[n] >= V)
        return;
    x += n * V, dx += n * V;
    for (int j = threadIdx.x; j < V; j += blockDim.x) {
        const stat z = capped(x[j], cap), zc = cap > 0 ? z / cap : 0;
        dx[j] += dloss[n] * (exp(z - lse[n]) - (j == target[n])) * (1 - zc*zc);
    }
}

static void xent_backward(stat *dx, const stat *dloss, const stat *x, const int *target, const stat *lse, int N, int V, double cap)
{
    xent_backward_kernel<<<N, xent_threads(V)>>>(dx, dloss, x, target, lse, V, (stat)cap);
    launched("xent_backward");
}
