/* adamw.c - AdamW (Loshchilov and Hutter 2019) with clipping by the global norm.
 *
 *   g' = g min(1, clip/sqrt(sum))                                  sum: the squares of all gradients
 *   m  = beta1 m + (1-beta1) g'          v = beta2 v + (1-beta2) g'^2
 *   w  = (1 - lr decay) w - lr (m/(1-beta1^t)) / (sqrt(v/(1-beta2^t)) + eps)
 *
 * 1-beta is taken in double: in float, 1 - 0.999f is off by 1.3e-5 of itself. */
#include "ref/kernels.h"

static void adamw(stat *w, stat *m, stat *v, const stat *g, const double *sum, int N, int step,
                  double lr, double beta1, double beta2, double eps, double decay, double clip)
{
    const double norm = clip > 0 ? sqrt(*sum) : 0;
    const stat shrink = (stat)(norm <= clip ? 1 : clip / norm); /* a NaN norm must not pass for a small one */
    const stat b1 = (stat)beta1, a1 = (stat)(1 - beta1), b2 = (stat)beta2, a2 = (stat)(1 - beta2);
    const stat keep = (stat)(1 - lr * decay), rate = (stat)(lr / (1 - pow(beta1, step)));
    const stat unbias = (stat)(1 / (1 - pow(beta2, step))), e = (stat)eps;
    for (int n = 0; n < N; n++) {
        const stat gn = g[n] * shrink;
        m[n] = b1 * m[n] + a1 * gn;
        v[n] = b2 * v[n] + a2 * gn * gn;
        w[n] = keep * w[n] - rate * m[n] / (sqrt(v[n] * unbias) + e);
    }
}
