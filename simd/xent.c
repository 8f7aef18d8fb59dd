/* xent.c - see ref/xent.c for the mathematics. */
#include "simd/vmath.h"

/* z = cap tanh(x/cap), or x, and its slope */
struct cap { vec z, slope; };
static struct cap capped(vec x, stat cap)
{
    const vec t = cap > 0 ? vtanh(x / cap) : vset(0);
    return (struct cap){ cap > 0 ? cap * t : x, 1 - t*t };
}

static void xent_forward(stat *loss, stat *lse, const stat *x, const int *target, int N, int V, double cap)
{
    for (int n = 0; n < N; n++, x += V) {
        vec max = vset((stat)-INFINITY), sum = {0};
        for (int j = 0; j < V; j += VL)
            max = vmax(max, pick(first(V - j), load_n(x + j, V - j), max));
        const stat top = capped(vset(vmax_lanes(max)), (stat)cap).z[0];       /* the soft-cap is monotonic */
        for (int j = 0; j < V; j += VL)
            sum += keep_n(vexp(capped(load_n(x + j, V - j), (stat)cap).z - top), V - j);
        const int t = target[n];
        lse[n] = top + log(vsum(sum));
        loss[n] = t >= 0 && t < V ? lse[n] - capped(vset(x[t]), (stat)cap).z[0] : 0;
    }
}

static void xent_backward(stat *dx, const stat *dloss, const stat *x, const int *target, const stat *lse,
                          int N, int V, double cap)
{
    for (int n = 0; n < N; n++, x += V, dx += V) {
        const int t = target[n];
        if (t < 0 || t >= V)
            continue;
        const stat before = dx[t];
        for (int j = 0; j < V; j += VL) {
            const struct cap c = capped(load_n(x + j, V - j), (stat)cap);
            store_n(dx + j, load_n(dx + j, V - j) + dloss[n] * vexp(c.z - lse[n]) * c.slope, V - j);
        }
        const struct cap c = capped(vset(x[t]), (stat)cap);
        dx[t] = before + dloss[n] * (vexp(c.z - lse[n]) - 1)[0] * c.slope[0];
    }
}
