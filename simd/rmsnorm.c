/* rmsnorm.c - see ref/rmsnorm.c for the mathematics. */
#include "simd/vec.h"

static void rmsnorm_forward(real *y, stat *rstd, const real *x, const stat *w, int N, int C, double eps)
{
    for (int n = 0; n < N; n++, x += C, y += C) {
        vec ss = {0};
        for (int j = 0; j < C; j += VL) {
            const vec xj = rload_n(x + j, C - j);
            ss += xj * xj;
        }
        const stat r = 1 / sqrt(vsum(ss) / (stat)C + (stat)eps);
        for (int j = 0; j < C; j += VL)
            rstore_n(y + j, rload_n(x + j, C - j) * r * load_n(w + j, C - j), C - j);
        rstd[n] = r;
    }
}

/* dw[j] += sum_n dy[n,j] x[n,j] r[n] for so many columns from `from` on */
static void rmsnorm_backward_weights(stat *dw, const real *dy, const real *x, const stat *rstd, int N, int C, int from,
                                     int columns)
{
    for (int n = 0; n < N; n++, x += C, dy += C)
        for (int j = from; j < from + columns; j += VL) {
            const int left = from + columns - j;
            store_n(dw + j, load_n(dw + j, left) + rload_n(dy + j, left) * rload_n(x + j, left) * rstd[n], left);
        }
}

/* dw == NULL: dx alone */
static void rmsnorm_backward(real *dx, stat *dw, const real *dy,
                             const real *x, const stat *w, const stat *rstd, int N, int C)
{
    for (int n = 0; n < N; n++, x += C, dx += C, dy += C) {
        const stat r = rstd[n];
        vec ux = {0};
        for (int j = 0; j < C; j += VL)
            ux += rload_n(dy + j, C - j) * load_n(w + j, C - j) * rload_n(x + j, C - j);
        const stat mean = r*r * vsum(ux) / (stat)C;
        for (int j = 0; j < C; j += VL) {
            const int left = C - j;
            const vec xj = rload_n(x + j, left), dyj = rload_n(dy + j, left);
            rstore_n(dx + j, rload_n(dx + j, left) + r * (dyj * load_n(w + j, left) - xj * mean), left);
            if (dw)
                store_n(dw + j, load_n(dw + j, left) + dyj * xj * r, left);
        }
    }
}
