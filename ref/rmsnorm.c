/* rmsnorm.c - root-mean-square normalisation (Zhang and Sennrich 2019), eps inside the root.
 *
 *   forward    r = 1/sqrt(mean_j x_j^2 + eps)      y_j = x_j r w_j
 *   backward   u_j = dy_j w_j                      (gradient at x r)
 *              dx_j += r (u_j - x_j r^2 mean_i(u_i x_i))
 *              dw_j += sum_n dy_j x_j r */
#include "ref/kernels.h"

static void rmsnorm_forward(real *y, stat *rstd, const real *x, const stat *w, int N, int C, double eps)
{
    for (int n = 0; n < N; n++, x += C, y += C) {
        stat ss = 0;
        for (int j = 0; j < C; j++)
            ss += x[j] * x[j];
        const stat r = 1 / sqrt(ss / (stat)C + (stat)eps);
        for (int j = 0; j < C; j++)
            y[j] = x[j] * r * w[j];
        rstd[n] = r;
    }
}

static void rmsnorm_backward(real *dx, stat *dw, const real *dy,
                             const real *x, const stat *w, const stat *rstd, int N, int C)
{
    for (int n = 0; n < N; n++, x += C, dx += C, dy += C) {
        const stat r = rstd[n];
        stat ux = 0;
        for (int j = 0; j < C; j++)
            ux += dy[j] * w[j] * x[j];
        for (int j = 0; j < C; j++) {
            dx[j] += r * (dy[j] * w[j] - x[j] * (r*r * ux / (stat)C));
            dw[j] += dy[j] * x[j] * r;
        }
    }
}
