/* norm.cuh - RMSNorm, and the norm of the cell's output; formulas in ref/rmsnorm.c and ref/headnorm.c.
 * The weights' gradients are sums over rows: of the blocks' own rows first, where a lane has one piece of each, else
 * column sums. */
#include "cuda/pattern.cuh"

/* y = (x - mu) r w, with mean and rstd given out; center = 0 or mean == NULL: mu = 0.  The weights of row n are row n %
 * H. */
template <int P>
static __global__ void norm_forward_kernel(real *y, stat *mean, stat *rstd, const real *x, const stat *w, team my,
                                           size_t N, int H, int D, int center, stat eps)
{
    const size_t n = my.row();
    const bool there = n < N;   /* lanes without a row still take part in the sums */
    y += n * D, x += n * D, w += n % H * D;
    stat sum = 0, ss = 0;
    for (int j = my.lane() * P; j < D && center && there; j += my.lanes * P) {
        stat xj[P];
        load(xj, x + j);
        for (int i = 0; i < P; i++)
            sum += xj[i];
    }
    const stat mu = my.sum(sum) / D;
    for (int j = my.lane() * P; j < D && there; j += my.lanes * P) {
        stat xj[P];
        load(xj, x + j);
        for (int i = 0; i < P; i++)
            ss += (xj[i] - mu) * (xj[i] - mu);
    }
    const stat r = 1 / sqrt(my.sum(ss) / D + eps);
    for (int j = my.lane() * P; j < D && there; j += my.lanes * P) {
        stat xj[P], wj[P];
        load(xj, x + j);
        load(wj, w + j);
        for (int i = 0; i < P; i++)
            xj[i] = (xj[i] - mu) * r * wj[i];
        store<false>(y + j, xj);
    }
    if (there && my.lane() == 0) {
        rstd[n] = r;
        if (mean)
            mean[n] = mu;
    }
}

template <int P> static void norm_forward_by(real *y, stat *mean, stat *rstd, const real *x, const stat *w,
                                             size_t N, int H, int D, int center, double eps)
{
    const team my = team_for<P>(D);
    norm_forward_kernel<P><<<blocks(N * my.lanes, TEAM_THREADS), TEAM_THREADS>>>(y, mean, rstd, x, w, my, N, H, D,
                                                                                 center, (stat)eps);
}

static void norm_forward(const char *kernel, real *y, stat *mean, stat *rstd, const real *x, const stat *w,
                         size_t N, int H, int D, int center, double eps)
{
    if (aligned16(y, x, 0) && aligned16(w, w, 0) && D % 8 == 0)
        norm_forward_by<8>(y, mean, rstd, x, w, N, H, D, center, eps);
    else
        norm_forward_by<1>(y, mean, rstd, x, w, N, H, D, center, eps);
    launched(kernel);
}

/* u = dy w,  xh = (x - mu) r,  dx += r (u - [center] mean(u) - xh mean(u xh)) */
template <int P> static __global__ void norm_backward_kernel(real *dx, const real *dy, const real *x, const stat *w,
                                                             const stat *mean, const stat *rstd, team my,
                                                             size_t N, int H, int D, int center)
{
    const size_t n = my.row();
    const bool there = n < N;
    dx += n * D, dy += n * D, x += n * D, w += n % H * D;
    const stat mu = there && mean ? mean[n] : 0, r = there ? rstd[n] : 0;
    stat u_sum = 0, ux_sum = 0;
    for (int j = my.lane() * P; j < D && there; j += my.lanes * P) {
        stat xj[P], u[P], wj[P];
        load(xj, x + j);
        load(u, dy + j);
        load(wj, w + j);
        for (int i = 0; i < P; i++) {
            const stat ui = times(u[i], wj[i]);
            u_sum += ui;
            ux_sum += ui * (xj[i] - mu) * r;
        }
    }
    const stat u_all = my.sum(u_sum), ux_mean = my.sum(ux_sum) / D, u_mean = center ? u_all / D : 0;
    for (int j = my.lane() * P; j < D && there; j += my.lanes * P) {
        stat xj[P], u[P], wj[P];
        load(xj, x + j);
        load(u, dy + j);
        load(wj, w + j);
        for (int i = 0; i < P; i++)
            xj[i] = r * (times(u[i], wj[i]) - u_mean - (xj[i] - mu) * r * ux_mean);
        store<true>(dx + j, xj);
    }
}

/* dw[h,j] += sum over rows of dy (x - mu) r; a row n of C = H D elements has H means and rstds. */
struct norm_weights {
    const real *dy, *x;
    const stat *mean, *rstd;
    size_t H, D;

    template <int P> __device__ void at(stat (&s)[P], size_t n, size_t j) const
    {
        const size_t C = H * D, nh = n * H + j / D;   /* P divides D, or is 1 */
        const stat mu = mean ? mean[nh] : 0, r = rstd[nh];
        stat xj[P];
        load(s, dy + n*C + j);
        load(xj, x + n*C + j);
        for (int i = 0; i < P; i++)
            s[i] *= (xj[i] - mu) * r;
    }
};

/* The same of rows that have one piece per lane, and in part, H D sums a block, the dw of its rows.  A block has H
 * teams or a multiple, so that all rows of a team have the same weights. */
template <int P>
static __global__ void norm_backward_short_kernel(real *dx, stat *part, const real *dy, const real *x, const stat *w,
                                                  const stat *mean, const stat *rstd, team my, size_t N, int H, int D,
                                                  int center)
{
    __shared__ stat all[TEAM_THREADS][P];
    const int teams = TEAM_THREADS / my.lanes, mine = threadIdx.x / my.lanes, j = my.lane() * P;
    stat wj[P] = {}, sum[P] = {};
    if (j < D)
        load(wj, w + mine % H * D + j);
    for (long at = (long)((N - 1) / teams) - blockIdx.x; at >= 0; at -= gridDim.x) {
        const size_t n = (size_t)at * teams + mine;
        const bool there = n < N && j < D;
        const stat mu = there && mean ? mean[n] : 0, r = there ? rstd[n] : 0;
        stat xh[P] = {}, u[P] = {}, u_sum = 0, ux_sum = 0;
        if (there) {
            load(xh, x + n*D + j);
            load(u, dy + n*D + j);
        }
        for (int i = 0; i < P; i++) {
            xh[i] = (xh[i] - mu) * r;
            sum[i] += u[i] * xh[i];
            u[i] = times(u[i], wj[i]);
            u_sum += u[i];
            ux_sum += u[i] * xh[i];
        }
        const stat u_all = my.sum(u_sum), ux_mean = my.sum(ux_sum) / D, u_mean = center ? u_all / D : 0;
        for (int i = 0; i < P; i++)
            u[i] = r * (u[i] - u_mean - xh[i] * ux_mean);
        if (there)
            store<true>(dx + n*D + j, u);
    }
    for (int i = 0; i < P; i++)
        all[threadIdx.x][i] = sum[i];
    __syncthreads();
    if (mine >= H || j >= D)
        return;
    for (int other = mine + H; other < teams; other += H)
        for (int i = 0; i < P; i++)
            sum[i] += all[other * my.lanes + my.lane()][i];
    store<false>(part + ((size_t)blockIdx.x * H + mine) * D + j, sum);
}

template <int P>
static void norm_backward_by(const char *kernel, real *dx, stat *dw, const real *dy, const real *x, const stat *w,
                             const stat *mean, const stat *rstd, size_t N, int H, int D, int center, bool wide)
{
    const team my = team_for<P>(D);
    const unsigned teams = TEAM_THREADS / my.lanes, all = blocks(N * H, teams), pieces = all < 512 ? all : 512;
    const size_t C = (size_t)H * D;
    if (my.lanes * P < D || teams % H) {
        norm_backward_kernel<P><<<all, TEAM_THREADS>>>(dx, dy, x, w, mean, rstd, my, N * H, H, D, center);
        column_sum(kernel, dw, N, C, wide, norm_weights{ dy, x, mean, rstd, (size_t)H, (size_t)D });
    } else if (stat *part = (stat *)swax_cuda_workspace(pieces * C * sizeof *part)) {
        norm_backward_short_kernel<P><<<pieces, TEAM_THREADS>>>(dx, part, dy, x, w, mean, rstd, my, N * H, H, D,
                                                                center);
        sum_pieces(dw, part, pieces, C, C);
    }
}

static void norm_backward(const char *kernel, real *dx, stat *dw, const real *dy, const real *x, const stat *w,
                          const stat *mean, const stat *rstd, size_t N, int H, int D, int center)
{
    const bool wide = aligned16(dy, x, 0) && D % 8 == 0;
    if (wide && aligned16(dx, w, 0))
        norm_backward_by<8>(kernel, dx, dw, dy, x, w, mean, rstd, N, H, D, center, wide);
    else
        norm_backward_by<1>(kernel, dx, dw, dy, x, w, mean, rstd, N, H, D, center, wide);
    launched(kernel);
}

static void rmsnorm_forward(real *y, stat *rstd, const real *x, const stat *w, int N, int C, double eps)
{
    norm_forward("rmsnorm_forward", y, nullptr, rstd, x, w, N, 1, C, 0, eps);
}

static void rmsnorm_backward(real *dx, stat *dw, const real *dy, const real *x, const stat *w, const stat *rstd, int N,
                             int C)
{
    norm_backward("rmsnorm_backward", dx, dw, dy, x, w, nullptr, rstd, N, 1, C, 0);
}

static void headnorm_forward(real *y, stat *mean, stat *rstd, const real *x, const stat *w,
                             int N, int H, int D, int center, double eps)
{
    norm_forward("headnorm_forward", y, mean, rstd, x, w, (size_t)N * H, H, D, center, eps);
}

static void headnorm_backward(real *dx, stat *dw, const real *dy, const real *x, const stat *w,
                              const stat *mean, const stat *rstd, int N, int H, int D, int center)
{
    norm_backward("headnorm_backward", dx, dw, dy, x, w, mean, rstd, N, H, D, center);
}
