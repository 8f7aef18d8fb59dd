/* xent.c - cross-entropy of soft-capped logits.
 *
 *   forward    z_j = cap tanh(x_j/cap), or x_j      lse = log sum_j exp(z_j)      loss = lse - z_target
 *   backward   dx_j += dloss (exp(z_j - lse) - [j = target]) (1 - (z_j/cap)^2)
 *
 * A target that is no token is ignored: loss 0, no gradient. */
#include "ref/kernels.h"

static stat capped(stat x, double cap) { return cap > 0 ? (stat)cap * tanh(x / (stat)cap) : x; }

static void xent_forward(stat *loss, stat *lse, const stat *x, const int *target, int N, int V, double cap)
{
    for (int n = 0; n < N; n++, x += V) {
        stat max = -(stat)INFINITY, sum = 0;
        for (int j = 0; j < V; j++)
            max = fmax(max, capped(x[j], cap));
        for (int j = 0; j < V; j++)
            sum += exp(capped(x[j], cap) - max);
        lse[n] = max + log(sum);
        loss[n] = target[n] >= 0 && target[n] < V ? lse[n] - capped(x[target[n]], cap) : 0;
    }
}

static void xent_backward(stat *dx, const stat *dloss, const stat *x, const int *target, const stat *lse,
                          int N, int V, double cap)
{
    for (int n = 0; n < N; n++, x += V, dx += V) {
        if (target[n] < 0 || target[n] >= V)
            continue;
        for (int j = 0; j < V; j++) {
            const stat z = capped(x[j], cap), zc = cap > 0 ? z / (stat)cap : 0;
            dx[j] += dloss[n] * (exp(z - lse[n]) - (j == target[n])) * (1 - zc*zc);
        }
    }
}
