/* headnorm.c - the norm of the cell's output, over each head by itself: LayerNorm as in xLSTM-7B
 * (center = 1) or RMS (center = 0).
 *
 *   forward    mu = mean_j x_j if center, else 0
 *              r  = 1/sqrt(mean_j (x_j - mu)^2 + eps)      xh_j = (x_j - mu) r      y_j = xh_j w_j
 *   backward   u_j = dy_j w_j
 *              dx_j += r (u_j - [center] mean_i(u_i) - xh_j mean_i(u_i xh_i))
 *              dw_j += sum_n dy_j xh_j
 *
 * At xLSTM-7B's initialisation the cell's output is far smaller than sqrt(eps), so eps sits inside the
 * root, and the variance takes two passes. */
#include "ref/kernels.h"

static void headnorm_forward(real *y, stat *mean, stat *rstd, const real *x, const stat *w,
                             int N, int H, int D, int center, double eps)
{
    for (long nh = 0; nh < (long)N*H; nh++, x += D, y += D) {
        const stat *wh = w + nh % H * D;
        stat mu = 0, ss = 0;
        for (int j = 0; j < D && center; j++)
            mu += x[j] / (stat)D;
        for (int j = 0; j < D; j++)
            ss += (x[j] - mu) * (x[j] - mu);
        const stat r = 1 / sqrt(ss / (stat)D + (stat)eps);
        for (int j = 0; j < D; j++)
            y[j] = (x[j] - mu) * r * wh[j];
        mean[nh] = mu;
        rstd[nh] = r;
    }
}

static void headnorm_backward(real *dx, stat *dw, const real *dy, const real *x, const stat *w,
                              const stat *mean, const stat *rstd, int N, int H, int D, int center)
{
    for (long nh = 0; nh < (long)N*H; nh++, x += D, dx += D, dy += D) {
        const stat *wh = w + nh % H * D;
        const stat mu = mean[nh], r = rstd[nh];
        stat *dwh = dw + nh % H * D;
        stat u_mean = 0, ux_mean = 0;
        for (int j = 0; j < D; j++) {
            u_mean += center ? dy[j] * wh[j] / (stat)D : 0;
            ux_mean += dy[j] * wh[j] * (x[j] - mu) * r / (stat)D;
        }
        for (int j = 0; j < D; j++) {
            const stat xh = (x[j] - mu) * r;
            dx[j] += r * (dy[j] * wh[j] - u_mean - xh * ux_mean);
            dwh[j] += dy[j] * xh;
        }
    }
}
