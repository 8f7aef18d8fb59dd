/* headnorm.c - see ref/headnorm.c for the mathematics. */
#include "simd/vec.h"

static void headnorm_forward(real *y, stat *mean, stat *rstd, const real *x, const stat *w,
                             int N, int H, int D, int center, double eps)
{
    for (long nh = 0; nh < (long)N*H; nh++, x += D, y += D) {
        const stat *wh = w + nh % H * D;
        vec sum = {0}, ss = {0};
        for (int j = 0; j < D && center; j += VL)
            sum += rload_n(x + j, D - j);
        const stat mu = vsum(sum) / (stat)D;
        for (int j = 0; j < D; j += VL) {
            const vec d = keep_n(rload_n(x + j, D - j) - mu, D - j);
            ss += d * d;
        }
        const stat r = 1 / sqrt(vsum(ss) / (stat)D + (stat)eps);
        for (int j = 0; j < D; j += VL)
            rstore_n(y + j, (rload_n(x + j, D - j) - mu) * r * load_n(wh + j, D - j), D - j);
        mean[nh] = mu;
        rstd[nh] = r;
    }
}

/* dw[h,j] += sum_n dy[n,h,j] xhat[n,h,j] for so many heads from `from` on */
static void headnorm_backward_weights(stat *dw, const real *dy, const real *x, const stat *mean, const stat *rstd,
                                      int N, int H, int D, int from, int heads)
{
    for (long n = 0; n < N; n++)
        for (int h = from; h < from + heads; h++) {
            const real *dyh = dy + (n*H + h)*D, *xh = x + (n*H + h)*D;
            const stat mu = mean[n*H + h], r = rstd[n*H + h];
            for (int j = 0; j < D; j += VL)
                store_n(dw + h*D + j, load_n(dw + h*D + j, D - j)
                                    + rload_n(dyh + j, D - j) * ((rload_n(xh + j, D - j) - mu) * r), D - j);
        }
}

/* dw == NULL: dx alone */
static void headnorm_backward(real *dx, stat *dw, const real *dy, const real *x, const stat *w,
                              const stat *mean, const stat *rstd, int N, int H, int D, int center)
{
    for (long nh = 0; nh < (long)N*H; nh++, x += D, dx += D, dy += D) {
        const stat *wh = w + nh % H * D;
        const stat mu = mean[nh], r = rstd[nh];
        stat *dwh = dw ? dw + nh % H * D : NULL;
        vec sum = {0}, ux = {0};
        for (int j = 0; j < D; j += VL) {
            const vec uj = rounded(rload_n(dy + j, D - j) * load_n(wh + j, D - j));
            sum += uj;
            ux += uj * ((rload_n(x + j, D - j) - mu) * r);
        }
        const stat u_mean = center ? vsum(sum) / (stat)D : 0, ux_mean = vsum(ux) / (stat)D;
        for (int j = 0; j < D; j += VL) {
            const int left = D - j;
            const vec xh = (rload_n(x + j, left) - mu) * r, dyj = rload_n(dy + j, left);
            const vec uj = rounded(dyj * load_n(wh + j, left));
            rstore_n(dx + j, rload_n(dx + j, left) + r * (uj - u_mean - xh * ux_mean), left);
            if (dwh)
                store_n(dwh + j, load_n(dwh + j, left) + dyj * xh, left);
        }
    }
}
