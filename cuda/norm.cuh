/* norm.cuh - RMSNorm, and the norm of the cell's output; formulas in ref/rmsnorm.c and ref/headnorm.c.
 * A warp takes a row, its lanes the columns lane, lane + 32, ...  The weights' gradients are column sums. */
#include "pattern.cuh"

enum { ROWS = 8 };   /* rows, and warps, of a block */

static __device__ size_t my_row()
{
    return (size_t)blockIdx.x * ROWS + threadIdx.y;
}

static __global__ void rmsnorm_forward_kernel(real *y, stat *rstd, const real *x, const stat *w, size_t N, int C, stat eps)
{
    const size_t n = my_row();
    if (n >= N)
        return;
    y += n * C, x += n * C;
    stat ss = 0;
    for (int j = threadIdx.x; j < C; j += 32)
        ss += value(x[j]) * value(x[j]);
    const stat r = 1 / sqrt(warp_sum(ss) / C + eps);
    for (int j = threadIdx.x; j < C; j += 32)
        y[j] = as<real>(value(x[j]) * r * w[j]);
    if (threadIdx.x == 0)
        rstd[n] = r;
}

static void rmsnorm_forward(real *y, stat *rstd, const real *x, const stat *w, int N, int C, double eps)
{
    rmsnorm_forward_kernel<<<blocks(N, ROWS), dim3(32, ROWS)>>>(y, rstd, x, w, N, C, (stat)eps);
    launched("rmsnorm_forward");
}

static __global__ void rmsnorm_backward_kernel(real *dx, const real *dy, const real *x, const stat *w, const stat *rstd,
                                               size_t N, int C)
{
    const size_t n = my_row();
    if (n >= N)
        return;
    dx += n * C, dy += n * C, x += n * C;
    stat gx = 0;
    for (int j = threadIdx.x; j < C; j += 32)
        gx += w[j] * value(dy[j]) * value(x[j]);
    const stat r = rstd[n], mean = warp_sum(gx) / C;
    for (int j = threadIdx.x; j < C; j += 32)
        add_to(dx[j], r * (w[j] * value(dy[j]) - value(x[j]) * r * r * mean));
}

static void rmsnorm_backward(real *dx, stat *dw, const real *dy, const real *x, const stat *w, const stat *rstd, int N, int C)
{
    rmsnorm_backward_kernel<<<blocks(N, ROWS), dim3(32, ROWS)>>>(dx, dy, x, w, rstd, N, C);
    column_sum("rmsnorm_backward", dw, N, C, [=] __device__ (size_t n, size_t j) {
        return value(dy[n*C + j]) * value(x[n*C + j]) * rstd[n];
    });
}

static __global__ void headnorm_forward_kernel(real *y, stat *mean, stat *rstd, const real *x, const stat *w,
                                               size_t N, int H, int D, int center, stat eps)
{
    const size_t nh = my_row();
    if (nh >= N * H)
        return;
    y += nh * D, x += nh * D, w += nh % H * D;
    stat sum = 0, ss = 0;
    for (int j = threadIdx.x; j < D && center; j += 32)
        sum += value(x[j]);
    const stat mu = warp_sum(sum) / D;
    for (int j = threadIdx.x; j < D; j += 32)
        ss += (value(x[j]) - mu) * (value(x[j]) - mu);
    const stat r = 1 / sqrt(warp_sum(ss) / D + eps);
    for (int j = threadIdx.x; j < D; j += 32)
        y[j] = as<real>((value(x[j]) - mu) * r * w[j]);
    if (threadIdx.x == 0)
        mean[nh] = mu, rstd[nh] = r;
}

static void headnorm_forward(real *y, stat *mean, stat *rstd, const real *x, const stat *w,
                             int N, int H, int D, int center, double eps)
{
    headnorm_forward_kernel<<<blocks((size_t)N * H, ROWS), dim3(32, ROWS)>>>(y, mean, rstd, x, w, N, H, D, center, (stat)eps);
    launched("headnorm_forward");
}

static __global__ void headnorm_backward_kernel(real *dx, const real *dy, const real *x, const stat *w,
                                                const stat *mean, const stat *rstd, size_t N, int H, int D, int center)
{
    const size_t nh = my_row();
    if (nh >= N * H)
        return;
    dx += nh * D, dy += nh * D, x += nh * D, w += nh % H * D;
    const stat mu = mean[nh], r = rstd[nh];
    stat u = 0, ux = 0;
    for (int j = threadIdx.x; j < D; j += 32) {
        u += times(value(dy[j]), w[j]);
        ux += value(dy[j]) * w[j] * (value(x[j]) - mu) * r;
    }
    const stat u_mean = center ? warp_sum(u) / D : 0, ux_mean = warp_sum(ux) / D;
    for (int j = threadIdx.x; j < D; j += 32)
        add_to(dx[j], r * (times(value(dy[j]), w[j]) - u_mean - (value(x[j]) - mu) * r * ux_mean));
}

static void headnorm_backward(real *dx, stat *dw, const real *dy, const real *x, const stat *w,
                              const stat *mean, const stat *rstd, int N, int H, int D, int center)
{
    headnorm_backward_kernel<<<blocks((size_t)N * H, ROWS), dim3(32, ROWS)>>>(dx, dy, x, w, mean, rstd, N, H, D, center);
    const size_t C = (size_t)H * D;
    column_sum("headnorm_backward", dw, N, (int)C, [=] __device__ (size_t n, size_t j) {
        const size_t nh = n * H + j / D;
        return value(dy[n*C + j]) * (value(x[n*C + j]) - mean[nh]) * rstd[nh];
    });
}
