/* attention_band.cuh - which keys a query sees, and the tiles of both. */
#ifndef SWAX_ATTENTION_BAND_CUH
#define SWAX_ATTENTION_BAND_CUH

#include "cuda/panel.cuh"

struct attention_shape {
    int B, T, S, H, G, D, width, W;        /* width: D, rounded up to whole pieces of 16 bytes: that of the rows */
    const int *start;
    /* The keys of query t are first_key(b, t) .. t + S - T. */
    __device__ int first_key(int b, int t) const
    {
        const int by_window = t - W + 1 + (S - T), by_document = start ? start[(size_t)b * T + t] + (S - T) : 0;
        return max(0, max(by_window, by_document));
    }
    __device__ size_t query(int b, int t, int h) const { return (((size_t)b * T + t) * H + h); }
    __device__ size_t key(int b, int j, int g) const { return (((size_t)b * S + j) * G + g); }
};

static const float LOG2E = 1.4426950408889634f;

/* X = Q K^T and dX = dY V^T, of tiles of 64 rows and P panels.  X is there, and so is dX where this waits for ALL; else
 * it comes while X is computed on. */
template <int P, bool ALL>
DEVICE void start_products(float (&X)[8][4], float (&dX)[8][4], const unsigned char *Q, const unsigned char *K,
                           const unsigned char *dY, const unsigned char *V)
{
    clear(X);
    clear(dX);
    mm_settle(X);
    mm_settle(dX);
    mm_begin();
#pragma unroll
    for (int p = 0; p < P; p++)
        mm_nt<64>(X, Q + p * PANEL, K + p * PANEL);
    mm_end();
#pragma unroll
    for (int p = 0; p < P; p++)
        mm_nt<64>(dX, dY + p * PANEL, V + p * PANEL);
    mm_end();
    mm_wait<ALL ? 0 : 1>();
    mm_settle(X);
}

/* Where rows are keys and columns queries: X, scores, becomes P = exp(scale X - lse).  `rows` has for each two queries
 * log2 of the softmax's sum, and delta, of one and of the other. */
DEVICE void weights_of_keys(float (&X)[8][4], const float4 *rows, float scale)
{
#pragma unroll
    for (int i = 0; i < 8; i++) {
        const float4 at = rows[4 * i + threadIdx.x % 4];
#pragma unroll
        for (int e = 0; e < 4; e++)
            X[i][e] = exp2_fast(scale * X[i][e] - (e % 2 ? at.z : at.x));
    }
}

/* ... and dX, v dy^T, becomes dS = P o (dX - delta) */
DEVICE void gradients_of_scores(float (&dX)[8][4], const float (&P)[8][4], const float4 *rows)
{
#pragma unroll
    for (int i = 0; i < 8; i++) {
        const float4 at = rows[4 * i + threadIdx.x % 4];
#pragma unroll
        for (int e = 0; e < 4; e++)
            dX[i][e] = P[i][e] * (dX[i][e] - (e % 2 ? at.w : at.y));
    }
}

/* Scores of 8 N keys from `key` on: those that its row does not see, begin[e] .. end[e], count for nothing. */
template <int N> DEVICE void hide_scores(float (&X)[N][4], int key, const int (&begin)[2], const int (&end)[2])
{
#pragma unroll
    /* keys before the first are beyond the last, counted from the first without a sign */
    for (int e = 0; e < 4; e++) {
        const unsigned from = key + threadIdx.x % 4 * 2 + e % 2 - begin[e / 2],
            all = max(end[e / 2] - begin[e / 2] + 1, 0);
#pragma unroll
        for (int i = 0; i < N; i++)
            if (from + 8 * i >= all)
                X[i][e] = -INFINITY;
    }
}

/* A base is left as it is until a score is above it by so many doublings: weights are at most 2^8 then. */
static const float HEADROOM = 8;

/* Scores become weights relative to their row's base, which is its largest score so far or not far below, and to which
 * `sum` and whatever has been added up shrink.  False if none of this warp's do. */
template <int N> DEVICE bool softmax_step(float (&X)[N][4], float (&base)[2], float (&sum)[2], float (&shrink)[2],
                                          float scale)
{
#pragma unroll
    for (int e = 0; e < 2; e++) {
        float most = X[0][2 * e], other = X[0][2 * e + 1];      /* two strands at once, as with the sums */
#pragma unroll
        for (int i = 1; i < N; i++)
            most = fmaxf(most, X[i][2 * e]), other = fmaxf(other, X[i][2 * e + 1]);
        most = scale * quad_max(fmaxf(most, other));
        shrink[e] = 1;
        if (most > base[e] + HEADROOM)
            shrink[e] = exp2_fast(base[e] - most), base[e] = most;
    }
    const bool shrinks = __any_sync(~0u, shrink[0] != 1 || shrink[1] != 1);
#pragma unroll
    for (int e = 0; e < 2; e++) {
        const float from = base[e] == -INFINITY ? 0 : base[e];
        float strand[2] = { sum[e] * shrink[e], 0 };
#pragma unroll
        for (int i = 0; i < N; i++)
#pragma unroll
            for (int o = 0; o < 2; o++) {
                X[i][2 * e + o] = exp2_fast(scale * X[i][2 * e + o] - from);
                strand[o] += X[i][2 * e + o];
            }
        sum[e] = strand[0] + strand[1];
    }
    return shrinks;
}

#endif
