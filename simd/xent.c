/* xent.c - see ref/xent.c for the mathematics. */
#include "vmath.h"

static vec capped(vec x, stat cap) { return cap > 0 ? cap * vtanh(x / cap) : x; }

static void xent_forward(stat *loss, stat *lse, const stat *x, const int *target, int N, int V, double cap)
{
    for (int n = 0; n < N; n++, x += V) {
        vec max = vset((stat)-INFINITY), sum = {0};
        for (int j = 0; j < V; j += VL)
            max = vmax(max, pick(first(V - j), load_n(x + j, V - j), max));
        const stat top = capped(vset(vmax_lanes(max)), (stat)cap)[0];       /* the soft-cap is monotonic */
        for (int j = 0; j < V; j += VL)
            sum += keep_n(vexp(capped(load_n(x + j, V - j), (stat)cap) - top), V - j);
        const int t = target[n];
        lse[n] = top + log(vsum(sum));
        loss[n] = t >= 0 && t < V ? lse[n] - capped(vset(x[t]), (stat)cap)[0] : 0;
    }
}

static void xent_backward(stat *dx, const stat *dloss, const stat *x, const int *target, const stat *lse,
                          int N, int V, double cap)
{
    const stat by = cap > 0 ? 1 / (stat)cap : 0;
    for (int n = 0; n < N; n++, x += V, dx += V) {
        if (target[n] < 0 || target[n] >= V)
            continue;
        const stat at = dx[target[n]];
        stat z = 0, p = 0;
        for (int j = 0; j < V; j += VL) {
            const vec zj = capped(load_n(x + j, V - j), (stat)cap), pj = vexp(zj - lse[n]), zc = zj * by;
            store_n(dx + j, load_n(dx + j, V - j) + dloss[n] * pj * (1 - zc*zc), V - j);
            if (target[n] - j >= 0 && target[n] - j < VL) {
                z = zc[target[n] - j];
                p = pj[target[n] - j];
            }
        }
        dx[target[n]] = at + dloss[n] * (p - 1) * (1 - z*z);
    }
}
