/* decay.cuh - the delta rule's two gates from their pre-activations; formulas in ref/decay.c. */
#ifndef SWAX_CUDA_DECAY_CUH
#define SWAX_CUDA_DECAY_CUH

#include "cuda/pattern.cuh"

/* log(1 + exp(x)), with all its digits where x is low */
static __device__ stat softplus(stat x) { return (x > 0 ? x : 0) + log1p(exp(-fabs(x))); }

/* Element e of the gates: x = a + bias, its head's rate, and from them g, and the gradients of x and of lrate. */
struct decay_gates {
    const stat *a, *lrate, *bias, *dg;
    size_t HJ;
    int J;
    stat low;

    __device__ stat x(size_t e) const { return a[e] + bias[e % HJ]; }
    __device__ stat rate(size_t e) const { return exp(lrate[e % HJ / J]); }
    __device__ stat g(size_t e) const { return low < 0 ? low * sigmoid(rate(e) * x(e)) : -rate(e) * softplus(x(e)); }
    __device__ stat dx(size_t e) const
    {
        const stat z = rate(e) * x(e);
        return low < 0 ? dg[e] * rate(e) * (low * sigmoid(z) * sigmoid(-z)) : -dg[e] * rate(e) * sigmoid(x(e));
    }
    __device__ stat dlrate(size_t e) const { return low < 0 ? dx(e) * x(e) : dg[e] * g(e); }
};

static __global__ void decay_kernel(stat *y, decay_gates s, size_t n, int backward)
{
    const size_t e = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (e < n)
        y[e] = backward ? y[e] + s.dx(e) : s.g(e);
}

/* For column_sum: dbias has a column a gate, dlrate one a head, whose gates count as rows. */
struct decay_bias_terms {
    decay_gates s;
    template <int P> __device__ void at(stat (&x)[P], size_t n, size_t j) const
    {
        for (int i = 0; i < P; i++)
            x[i] = s.dx(n*s.HJ + j + i);
    }
};
struct decay_rate_terms {
    decay_gates s;
    template <int P> __device__ void at(stat (&x)[P], size_t n, size_t h) const
    {
        for (int i = 0; i < P; i++)
            x[i] = s.dlrate(n / s.J * s.HJ + (h + i)*s.J + n % s.J);
    }
};

static void decay_forward(stat *g, const stat *a, const stat *lrate, const stat *bias, int N, int H, int J, double low)
{
    const size_t HJ = (size_t)H*J;
    decay_kernel<<<blocks(N*HJ, 256), 256>>>(g, decay_gates{ a, lrate, bias, nullptr, HJ, J, (stat)low }, N*HJ, 0);
    launched("decay_forward");
}

static void decay_backward(stat *da, stat *dlrate, stat *dbias, const stat *dg, const stat *a, const stat *lrate,
                           const stat *bias,
                           int N, int H, int J, double low)
{
    const size_t HJ = (size_t)H*J;
    const decay_gates s = { a, lrate, bias, dg, HJ, J, (stat)low };
    decay_kernel<<<blocks(N*HJ, 256), 256>>>(da, s, N*HJ, 1);
    column_sum("decay_backward", dbias, N, HJ, false, decay_bias_terms{ s });
    column_sum("decay_backward", dlrate, (size_t)N*J, H, false, decay_rate_terms{ s });
}

static void strength_forward(stat *beta, const stat *b, int N, double top)
{
    const stat most = (stat)top;
    map<false>("strength_forward", outputs<stat>{ beta, nullptr }, N,
               [=] __device__ (stat &r, stat &, stat x) { r = most * sigmoid(x); }, b);
}

static void strength_backward(stat *db, const stat *dbeta, const stat *b, int N, double top)
{
    const stat most = (stat)top;
    map<true>("strength_backward", outputs<stat>{ db, nullptr }, N,
        [=] __device__ (stat &dx, stat &, stat dr, stat x) { dx = dr * (most * sigmoid(x) * sigmoid(-x)); }, dbeta, b);
}

#endif
