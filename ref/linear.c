/* linear.c - matrix product with a weight of shape (outputs, inputs).
 *
 *   forward    y = x w^T + b
 *   backward   dx += dy w      dw += dy^T x      db += sum_n dy[n]
 *
 * `readout` is the same with its result in `stat`; where real and stat are one type, as here, it is the
 * same function. */
#include "ref/kernels.h"

static void linear_forward(real *y, const real *x, const real *w, const stat *b, int N, int O, int I)
{
    for (int n = 0; n < N; n++, x += I, y += O)
        for (int o = 0; o < O; o++) {
            real s = b ? b[o] : 0;
            for (int i = 0; i < I; i++)
                s += x[i] * w[(long)o*I + i];
            y[o] = s;
        }
}

static void linear_backward(real *dx, stat *dw, stat *db, const real *dy,
                            const real *x, const real *w, int N, int O, int I)
{
    for (int n = 0; n < N; n++, x += I, dx += I, dy += O)
        for (int o = 0; o < O; o++) {
            for (int i = 0; i < I; i++) {
                dx[i] += dy[o] * w[(long)o*I + i];
                dw[(long)o*I + i] += dy[o] * x[i];
            }
            if (db)
                db[o] += dy[o];
        }
}
