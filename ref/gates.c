/* gates.c - soft-cap, output gate and SwiGLU: element by element, through a sigmoid or a tanh.
 *
 *   soft-cap      y = cap tanh(x/cap)      dx += dy (1 - (y/cap)^2)               cap = 0: y = x
 *   output gate   y = s(g) x               dg += dy x s(g) s(-g)     dx += dy s(g)
 *   SwiGLU        y = a s(a) b             da += dy b s(a) (1 + a s(-a))      db += dy a s(a)
 *
 * with s(x) = 1/(1 + exp(-x)). */
#include "ref/scalar.h"

static void softcap_forward(stat *y, const stat *x, int N, double cap)
{
    const stat c = (stat)cap;
    for (int n = 0; n < N; n++)
        y[n] = cap > 0 ? c * tanh(x[n] / c) : x[n];
}

static void softcap_backward(stat *dx, const stat *dy, const stat *y, int N, double cap)
{
    const stat c = (stat)cap;
    for (int n = 0; n < N; n++)
        dx[n] += cap > 0 ? dy[n] * (1 - y[n]/c * (y[n]/c)) : dy[n];
}

static void gate_forward(real *y, const real *g, const real *x, int N)
{
    for (int n = 0; n < N; n++)
        y[n] = sigmoid(g[n]) * x[n];
}

static void gate_backward(real *dg, real *dx, const real *dy, const real *g, const real *x, int N)
{
    for (int n = 0; n < N; n++) {
        dg[n] += dy[n] * x[n] * sigmoid(g[n]) * sigmoid(-g[n]);
        dx[n] += dy[n] * sigmoid(g[n]);
    }
}

static void swiglu_forward(real *y, const real *a, const real *b, int N)
{
    for (int n = 0; n < N; n++)
        y[n] = a[n] * sigmoid(a[n]) * b[n];
}

static void swiglu_backward(real *da, real *db, const real *dy, const real *a, const real *b, int N)
{
    for (int n = 0; n < N; n++) {
        da[n] += dy[n] * b[n] * sigmoid(a[n]) * (1 + a[n] * sigmoid(-a[n]));
        db[n] += dy[n] * a[n] * sigmoid(a[n]);
    }
}
