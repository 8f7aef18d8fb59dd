/* add.c - sums and copies.
 *
 *   residual     y = a + b      da += dy      db += dy
 *   skip         y = a + w b    da += dy      db += w dy      dw += sum dy b      w is a head's
 *   accumulate   y += x         (gradients of several pieces of a batch)
 *   sqsum        sum += sum_n x_n^2, in double
 *   cast         y = x          (rounds where real is narrower than stat) */
#include "ref/kernels.h"

static void add_forward(real *y, const real *a, const real *b, int N)
{
    for (int n = 0; n < N; n++)
        y[n] = a[n] + b[n];
}

static void add_backward(real *da, real *db, const real *dy, int N)
{
    for (int n = 0; n < N; n++) {
        da[n] += dy[n];
        db[n] += dy[n];
    }
}

static void skip_forward(real *y, const real *a, const real *b, const stat *w, int N, int H, int D)
{
    for (long e = 0; e < (long)N*H*D; e++)
        y[e] = a[e] + w[e / D % H] * b[e];
}

static void skip_backward(real *da, real *db, stat *dw, const real *dy, const real *b, const stat *w, int N, int H,
                          int D)
{
    for (long e = 0; e < (long)N*H*D; e++) {
        const int h = (int)(e / D % H);
        da[e] += dy[e];
        db[e] += w[h] * dy[e];
        dw[h] += dy[e] * b[e];
    }
}

static void accumulate(stat *y, const stat *x, int N)
{
    for (int n = 0; n < N; n++)
        y[n] += x[n];
}

static void sqsum(double *sum, const stat *x, int N)
{
    double s = 0;
    for (int n = 0; n < N; n++)
        s += (double)x[n] * (double)x[n];
    *sum += s;
}

static void cast(real *y, const stat *x, int N)
{
    for (int n = 0; n < N; n++)
        y[n] = (real)x[n];
}
