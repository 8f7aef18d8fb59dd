/* elementwise.cuh - soft-cap, output gate, SwiGLU, residual, skip, accumulate, cast. */
#include "cuda/pattern.cuh"

static void softcap_forward(stat *y, const stat *x, int N, double cap)
{
    const stat c = (stat)cap;
    map<false>("softcap_forward", outputs<stat>{ y, nullptr }, N,
        [=] __device__ (stat &r, stat &, stat a) { r = c > 0 ? c * tanh(a / c) : a; }, x);
}

static void softcap_backward(stat *dx, const stat *dy, const stat *y, int N, double cap)
{
    const stat c = (stat)cap;
    map<true>("softcap_backward", outputs<stat>{ dx, nullptr }, N,
        [=] __device__ (stat &da, stat &, stat dr, stat r) { da = c > 0 ? dr * (1 - (r / c) * (r / c)) : dr; }, dy, y);
}

static void gate_forward(real *y, const real *g, const real *x, int N)
{
    map<false>("gate_forward", outputs<real>{ y, nullptr }, N,
        [] __device__ (stat &r, stat &, stat o, stat a) { r = sigmoid(o) * a; }, g, x);
}

static void gate_backward(real *dg, real *dx, const real *dy, const real *g, const real *x, int N)
{
    map<true>("gate_backward", outputs<real>{ dg, dx }, N,
        [] __device__ (stat &d_o, stat &da, stat dr, stat o, stat a) {
            d_o = dr * a * sigmoid(o) * sigmoid(-o);
            da = dr * sigmoid(o);
        }, dy, g, x);
}

static void swiglu_forward(real *y, const real *a, const real *b, int N)
{
    map<false>("swiglu_forward", outputs<real>{ y, nullptr }, N,
        [] __device__ (stat &r, stat &, stat p, stat q) { r = p * sigmoid(p) * q; }, a, b);
}

static void swiglu_backward(real *da, real *db, const real *dy, const real *a, const real *b, int N)
{
    map<true>("swiglu_backward", outputs<real>{ da, db }, N,
        [] __device__ (stat &dp, stat &dq, stat dr, stat p, stat q) {
            dp = dr * q * sigmoid(p) * (1 + p * sigmoid(-p));
            dq = dr * p * sigmoid(p);
        }, dy, a, b);
}

static void add_forward(real *y, const real *a, const real *b, int N)
{
    map<false>("add_forward", outputs<real>{ y, nullptr }, N,
        [] __device__ (stat &r, stat &, stat p, stat q) { r = p + q; }, a, b);
}

static void add_backward(real *da, real *db, const real *dy, int N)
{
    map<true>("add_backward", outputs<real>{ da, db }, N,
        [] __device__ (stat &dp, stat &dq, stat dr) { dp = dq = dr; }, dy);
}

/* Element e of a skip: which head's weight. */
struct skip_elements {
    const stat *w;
    size_t H, D;
    __device__ stat weight(size_t e) const { return w[e / D % H]; }
};

static __global__ void skip_forward_kernel(real *y, const real *a, const real *b, skip_elements s, size_t n)
{
    const size_t e = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (e < n)
        y[e] = as<real>(value(a[e]) + s.weight(e) * value(b[e]));
}

static __global__ void skip_backward_kernel(real *da, real *db, const real *dy, skip_elements s, size_t n)
{
    const size_t e = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= n)
        return;
    add_to(da[e], value(dy[e]));
    add_to(db[e], s.weight(e) * value(dy[e]));
}

/* For column_sum: a column a head, whose elements count as rows. */
struct skip_terms {
    const real *dy, *b;
    size_t H, D;
    template <int P> __device__ void at(stat (&x)[P], size_t n, size_t h) const
    {
        for (int i = 0; i < P; i++) {
            const size_t e = (n / D * H + h + i) * D + n % D;
            x[i] = value(dy[e]) * value(b[e]);
        }
    }
};

static void skip_forward(real *y, const real *a, const real *b, const stat *w, int N, int H, int D)
{
    const size_t n = (size_t)N*H*D;
    skip_forward_kernel<<<blocks(n, 256), 256>>>(y, a, b, skip_elements{ w, (size_t)H, (size_t)D }, n);
    launched("skip_forward");
}

static void skip_backward(real *da, real *db, stat *dw, const real *dy, const real *b, const stat *w, int N, int H,
                          int D)
{
    const size_t n = (size_t)N*H*D;
    skip_backward_kernel<<<blocks(n, 256), 256>>>(da, db, dy, skip_elements{ w, (size_t)H, (size_t)D }, n);
    column_sum("skip_backward", dw, (size_t)N*D, H, false, skip_terms{ dy, b, (size_t)H, (size_t)D });
}

static void accumulate(stat *y, const stat *x, int N)
{
    map<true>("accumulate", outputs<stat>{ y, nullptr }, N, [] __device__ (stat &r, stat &, stat a) { r = a; }, x);
}

static void cast(real *y, const stat *x, int N)
{
    map<false>("cast", outputs<real>{ y, nullptr }, N, [] __device__ (stat &r, stat &, stat a) { r = a; }, x);
}
