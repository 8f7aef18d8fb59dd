/* xent.cuh - cross-entropy of soft-capped logits; formulas in ref/xent.c.  A block takes a row, or, where rows are
 * short, several. */
#include "cuda/pattern.cuh"

static dim3 xent_threads(int V) { return V > 2048 ? dim3(256, 1) : V > 256 ? dim3(64, 4) : dim3(32, 8); }

static bool in_fours(const void *a, const void *b, int V) { return aligned16(a, b, 0) && V % 4 == 0; }

static __device__ stat capped(stat x, stat cap)
{
    return cap > 0 ? times(cap, tanh(x / cap)) : x;
}

/* The sum, or the maximum, over a row's threads, in each of them. */
template <class F> static __device__ stat row_reduce(stat x, F warp_reduce, stat none)
{
    __shared__ stat part[8][8];
    x = warp_reduce(x);
    if (blockDim.x == 32)
        return x;
    __syncthreads();   /* part may still be read from the call before */
    if (threadIdx.x % 32 == 0)
        part[threadIdx.y][threadIdx.x / 32] = x;
    __syncthreads();
    return warp_reduce(threadIdx.x % 32 < blockDim.x / 32 ? part[threadIdx.y][threadIdx.x % 32] : none);
}

/* The largest logit is known before any is capped: capping keeps their order. */
template <int P>
static __global__ void xent_forward_kernel(stat *loss, stat *lse, const stat *x, const int *target, size_t N, int V,
                                           stat cap)
{
    const size_t n = (size_t)block_from_end() * blockDim.y + threadIdx.y;
    const bool there = n < N;        /* threads without a row still take part in the sums */
    x += n * V;
    stat mine = lowest(), sum = 0;
    for (int j = threadIdx.x * P; j < V && there; j += blockDim.x * P) {
        stat z[P];
        load(z, x + j);
        for (int i = 0; i < P; i++)
            mine = fmax(mine, z[i]);
    }
    const stat max = capped(row_reduce(mine, [] (stat a) { return warp_max(a); }, lowest()), cap);
    for (int j = threadIdx.x * P; j < V && there; j += blockDim.x * P) {
        stat z[P];
        load(z, x + j);
        for (int i = 0; i < P; i++)
            sum += exp(capped(z[i], cap) - max);
    }
    sum = row_reduce(sum, [] (stat a) { return warp_sum(a); }, 0);
    if (there && threadIdx.x == 0) {
        lse[n] = max + log(sum);
        loss[n] = target[n] >= 0 && target[n] < V ? lse[n] - capped(x[target[n]], cap) : 0;
    }
}

static void xent_forward(stat *loss, stat *lse, const stat *x, const int *target, int N, int V, double cap)
{
    const dim3 threads = xent_threads(V);
    const auto kernel = in_fours(x, x, V) ? xent_forward_kernel<4> : xent_forward_kernel<1>;
    kernel<<<blocks(N, threads.y), threads>>>(loss, lse, x, target, N, V, (stat)cap);
    launched("xent_forward");
}

template <int P>
static __global__ void xent_backward_kernel(stat *dx, const stat *dloss, const stat *x, const int *target,
                                            const stat *lse, size_t N, int V, stat cap)
{
    const size_t n = (size_t)block_from_end() * blockDim.y + threadIdx.y;
    if (n >= N || target[n] < 0 || target[n] >= V)
        return;
    x += n * V, dx += n * V;
    for (int j = threadIdx.x * P; j < V; j += blockDim.x * P) {
        stat d[P];
        load(d, x + j);
        for (int i = 0; i < P; i++) {
            const stat z = capped(d[i], cap), zc = cap > 0 ? z / cap : 0;
            d[i] = dloss[n] * (exp(z - lse[n]) - (j + i == target[n])) * (1 - zc*zc);
        }
        store<true>(dx + j, d);
    }
}

static void xent_backward(stat *dx, const stat *dloss, const stat *x, const int *target, const stat *lse, int N, int V,
                          double cap)
{
    const dim3 threads = xent_threads(V);
    const auto kernel = in_fours(dx, x, V) ? xent_backward_kernel<4> : xent_backward_kernel<1>;
    kernel<<<blocks(N, threads.y), threads>>>(dx, dloss, x, target, lse, N, V, (stat)cap);
    launched("xent_backward");
}
