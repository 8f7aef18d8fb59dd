/* attention.c - causal softmax attention with a sliding window of W keys, the query's own included.
 *
 * For one head and query t, over the keys j0 <= j <= t of its window and its document (t and j counted
 * among the keys):
 *
 *   forward    a_j = q_t.k_j / sqrt(D)      lse = log(exp(sink) + sum_j exp(a_j))      p_j = exp(a_j - lse)
 *              y_t = sum_j p_j v_j
 *   backward   dv_j += p_j dy_t
 *              da_j  = p_j (dy_t.v_j - dy_t.y_t)
 *              dq_t += da_j k_j / sqrt(D)      dk_j += da_j q_t / sqrt(D)
 *              dsink -= exp(sink - lse) dy_t.y_t
 *
 * The sink is one more score, whose value is 0: its share of the weight is lost.  Without one it is -inf.
 * W >= S is full attention, W = 1 sees only itself, T = 1 with S - 1 cached keys is a decoding step. */
#include "ref/scalar.h"

/* The first key that query t sees: in its window, in its document, among the S there are. */
static int first_key(int t, int W, int cached, const int *start)
{
    const int by_window = t + cached > W - 1 ? t + cached - (W - 1) : 0;
    const int by_document = start && *start > -cached ? *start + cached : 0;
    return by_window > by_document ? by_window : by_document;
}

static void attention_forward(real *y, stat *lse, const real *q, const real *k, const real *v, const stat *sink,
                              const int *start, int B, int T, int S, int H, int G, int D, int W)
{
    const real scale = 1 / sqrt((real)D);
    for (int b = 0; b < B; b++, k += (long)S*G*D, v += (long)S*G*D)
        for (int t = 0; t < T; t++) {
            const int j0 = first_key(t, W, S - T, start ? start + (long)b*T + t : NULL), j1 = t + S - T;
            for (int h = 0; h < H; h++, q += D, y += D, lse++) {
                const real *kh = k + h*G/H*D, *vh = v + h*G/H*D;
                const long row = (long)G*D;

                real max = sink ? sink[h] : -(real)INFINITY;
                for (int j = j0; j <= j1; j++)
                    max = fmax(max, scale * dot(q, kh + j*row, D));
                real z = sink ? exp(sink[h] - max) : 0;
                for (int j = j0; j <= j1; j++)
                    z += exp(scale * dot(q, kh + j*row, D) - max);
                *lse = max + log(z);

                for (int d = 0; d < D; d++)
                    y[d] = 0;
                for (int j = j0; j <= j1; j++) {
                    const real p = exp(scale * dot(q, kh + j*row, D) - max) / z; /* lse rounds where max does not */
                    for (int d = 0; d < D; d++)
                        y[d] += p * vh[j*row + d];
                }
            }
        }
}

static void attention_backward(real *dq, real *dk, real *dv, stat *dsink, const real *dy,
                               const real *q, const real *k, const real *v, const stat *sink, const int *start,
                               const real *y, const stat *lse,
                               int B, int T, int S, int H, int G, int D, int W)
{
    const real scale = 1 / sqrt((real)D);
    for (int b = 0; b < B; b++, k += (long)S*G*D, v += (long)S*G*D, dk += (long)S*G*D, dv += (long)S*G*D)
        for (int t = 0; t < T; t++) {
            const int j0 = first_key(t, W, S - T, start ? start + (long)b*T + t : NULL), j1 = t + S - T;
            for (int h = 0; h < H; h++, q += D, y += D, dq += D, dy += D, lse++) {
                const real *kh = k + h*G/H*D, *vh = v + h*G/H*D;
                real *dkh = dk + h*G/H*D, *dvh = dv + h*G/H*D;
                const long row = (long)G*D;

                const real dyy = dot(dy, y, D);
                if (sink)
                    dsink[h] -= exp(sink[h] - *lse) * dyy;
                for (int j = j0; j <= j1; j++) {
                    const real p = exp(scale * dot(q, kh + j*row, D) - *lse);
                    const real da = p * (dot(dy, vh + j*row, D) - dyy);
                    for (int d = 0; d < D; d++) {
                        dvh[j*row + d] += p * dy[d];
                        dq[d] += scale * da * kh[j*row + d];
                        dkh[j*row + d] += scale * da * q[d];
                    }
                }
            }
        }
}
