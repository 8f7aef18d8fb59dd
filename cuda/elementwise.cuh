/* elementwise.cuh - soft-cap, output gate, SwiGLU, residual, accumulate, cast. */
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

static void accumulate(stat *y, const stat *x, int N)
{
    map<true>("accumulate", outputs<stat>{ y, nullptr }, N, [] __device__ (stat &r, stat &, stat a) { r = a; }, x);
}

static void cast(real *y, const stat *x, int N)
{
    map<false>("cast", outputs<real>{ y, nullptr }, N, [] __device__ (stat &r, stat &, stat a) { r = a; }, x);
}
