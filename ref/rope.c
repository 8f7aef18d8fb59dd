/* rope.c - rotary position embedding (Su et al. 2021), half-split pairs: element j turns with element j + D/2.
 *
 *   forward    a = p theta^(-2j/D),  p = P + t, or P + t - start
 *              y[j] = x[j] cos a - x[j+D/2] sin a      y[j+D/2] = x[j+D/2] cos a + x[j] sin a
 *   backward   the same turn by -a
 *
 * The angle is taken in double: in float its phase is off by p 6e-8, which is 6e-3 rad at 10^5 tokens. */
#include "ref/kernels.h"

/* y (+)= x turned by sign times its angle */
static void turn(real *y, const real *x, const int *start, int B, int T, int H, int D, int P, double theta,
                 int sign, int add)
{
    const int half = D / 2;
    for (int b = 0; b < B; b++)
        for (int t = 0; t < T; t++) {
            const double p = (double)P + t - (start ? start[(long)b*T + t] : 0);
            for (int h = 0; h < H; h++, x += D, y += D) {
                for (int j = 0; j < half; j++) {
                    const double a = p * pow(theta, -2.0 * j / D);
                    const real c = (real)cos(a), s = (real)(sign * sin(a));
                    y[j]        = (add ? y[j] : 0)        + x[j] * c - x[j + half] * s;
                    y[j + half] = (add ? y[j + half] : 0) + x[j + half] * c + x[j] * s;
                }
                if (D % 2)
                    y[D - 1] = (add ? y[D - 1] : 0) + x[D - 1];
            }
        }
}

static void rope_forward(real *y, const real *x, const int *start, int B, int T, int H, int D, int P, double theta)
{
    turn(y, x, start, B, T, H, D, P, theta, 1, 0);
}

static void rope_backward(real *dx, const real *dy, const int *start, int B, int T, int H, int D, int P, double theta)
{
    turn(dx, dy, start, B, T, H, D, P, theta, -1, 1);
}
