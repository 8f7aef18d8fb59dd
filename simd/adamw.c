/* adamw.c - see ref/adamw.c for the mathematics. */
#include "simd/vec.h"

static void adamw(stat *w, stat *m, stat *v, const stat *g, const double *sum, int N, int step,
                  double lr, double beta1, double beta2, double eps, double decay, double clip)
{
    const double norm = clip > 0 ? sqrt(*sum) : 0;
    const stat shrink = (stat)(norm <= clip ? 1 : clip / norm);
    const stat b1 = (stat)beta1, a1 = (stat)(1 - beta1), b2 = (stat)beta2, a2 = (stat)(1 - beta2);
    const stat keep = (stat)(1 - lr * decay), rate = (stat)(lr / (1 - pow(beta1, step)));
    const stat unbias = (stat)(1 / (1 - pow(beta2, step))), e = (stat)eps;
    for (int n = 0; n < N; n += VL) {
        const int left = N - n;
        const vec gn = load_n(g + n, left) * shrink;
        const vec mn = b1 * load_n(m + n, left) + a1 * gn, vn = b2 * load_n(v + n, left) + a2 * gn * gn;
        store_n(m + n, mn, left);
        store_n(v + n, vn, left);
        store_n(w + n, keep * load_n(w + n, left) - rate * mn / (vsqrt(vn * unbias) + e), left);
    }
}
