/* linear.c - the three products of training, y = x w^T, dx += dy w, dw += dy^T x; see ref/linear.c. */
#include "gemm.h"

static void linear_forward(real *y, const real *x, const real *w, const stat *b, int N, int O, int I)
{
    for (int n = 0; b && n < N; n++)
        memcpy(y + (long)n*O, b, (size_t)O * sizeof *b);
    gemm(y, O, x, I, 1, w, 1, I, N, O, I, 1, b != NULL);
}
static void linear_backward(real *dx, stat *dw, stat *db, const real *dy, const real *x, const real *w,
                            int N, int O, int I)
{
    gemm(dx, I, dy, O, 1, w, I, 1, N, I, O, 1, 1);
    gemm(dw, I, dy, 1, O, x, I, 1, O, I, N, 1, 1);
    for (int n = 0; db && n < N; n++)
        for (int o = 0; o < O; o++)
            db[o] += dy[(long)n*O + o];
}
