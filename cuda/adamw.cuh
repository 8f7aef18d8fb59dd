/* adamw.cuh - the optimiser's step: the square of a gradient's norm, and AdamW; formulas in ref/adamw.c. */
#include "cuda/pattern.cuh"

enum { SQSUM_THREADS = 512 };

/* out[block] = or += the sum of f(n) over the block's piece of 0..N-1, in double. */
template <class F> static __global__ void sum_kernel(double *out, size_t N, size_t piece, int add, F f)
{
    __shared__ double part[SQSUM_THREADS / 32];
    const size_t first = blockIdx.x * piece, last = first + piece < N ? first + piece : N;
    double sum = 0;
    for (size_t n = first + threadIdx.x; n < last; n += SQSUM_THREADS)
        sum += f(n);
    sum = warp_sum(sum);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x)
        return;
    for (int i = 1; i < SQSUM_THREADS / 32; i++)
        sum += part[i];
    out[blockIdx.x] = add ? out[blockIdx.x] + sum : sum;
}

static void sqsum(double *sum, const stat *x, int N)
{
    const auto square = [=] __device__ (size_t n) { return (double)x[n] * (double)x[n]; };
    const size_t piece = blocks(N, 1024) > 4096 ? blocks(N, 1024) : 4096;
    const unsigned pieces = blocks(N, piece);
    if (pieces == 1) {
        sum_kernel<<<1, SQSUM_THREADS>>>(sum, N, piece, 1, square);
    } else {
        double *part = (double *)swax_cuda_workspace(pieces * sizeof *part);
        if (!part)
            return;
        sum_kernel<<<pieces, SQSUM_THREADS>>>(part, N, piece, 0, square);
        sum_kernel<<<1, SQSUM_THREADS>>>(sum, pieces, pieces, 1, [=] __device__ (size_t p) { return part[p]; });
    }
    launched("sqsum");
}

struct adamw_rates { double clip; stat b1, a1, b2, a2, keep, rate, unbias, eps; };

static __global__ void adamw_kernel(stat *w, stat *m, stat *v, const stat *g, const double *sum, size_t N,
                                    adamw_rates o)
{
    const size_t n = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (n >= N)
        return;
    const double norm = o.clip > 0 ? sqrt(*sum) : 0;
    const stat gn = g[n] * (stat)(norm <= o.clip ? 1 : o.clip / norm);   /* a NaN norm must not pass for a small one */
    m[n] = o.b1 * m[n] + o.a1 * gn;
    v[n] = o.b2 * v[n] + o.a2 * gn * gn;
    w[n] = o.keep * w[n] - o.rate * m[n] / (sqrt(v[n] * o.unbias) + o.eps);
}

static void adamw(stat *w, stat *m, stat *v, const stat *g, const double *sum, int N, int step,
                  double lr, double beta1, double beta2, double eps, double decay, double clip)
{
    const adamw_rates o = {
        clip, (stat)beta1, (stat)(1 - beta1), (stat)beta2, (stat)(1 - beta2), (stat)(1 - lr * decay),
        (stat)(lr / (1 - pow(beta1, step))), (stat)(1 / (1 - pow(beta2, step))), (stat)eps,
    };
    adamw_kernel<<<blocks(N, 256), 256>>>(w, m, v, g, sum, N, o);
    launched("adamw");
}
