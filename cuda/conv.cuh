/* conv.cuh - the short causal convolution with SiLU; formulas in ref/conv.c.
 *
 * The backward first writes da down, so that dx and dw take it W times without computing it again.  dw and db are sums
 * over tokens: over pieces of rows first, then over the pieces, always in the same order. */
#ifndef SWAX_CUDA_CONV_CUH
#define SWAX_CUDA_CONV_CUH

#include "cuda/pattern.cuh"

struct conv_shape {
    const int *start;
    int B, T, S, C, W;

    __device__ int cached() const { return S - T; }
    /* The first tap of token t that falls on a row of its document. */
    __device__ int first_tap(int b, int t) const
    {
        const int by_rows = W - 1 - (t + cached()), s = start ? start[(size_t)b*T + t] : -S;
        return max(0, s > -cached() ? max(by_rows, W - 1 - (t - s)) : by_rows);
    }
    __device__ size_t row(int b, int t) const { return ((size_t)b*S + t + cached()) * C; }    /* of x */
};

/* a_t of P channels; x and w point at the newest row and at the taps of the first */
template <int P> static __device__ void conv_sum(stat (&a)[P], const real *x, const stat *w, const stat *bias,
                                                 int first, conv_shape s)
{
    for (int i = 0; i < P; i++)
        a[i] = bias ? bias[i] : 0;
    for (int j = first; j < s.W; j++) {
        stat xj[P];
        load(xj, x - (size_t)(s.W - 1 - j) * s.C);
        for (int i = 0; i < P; i++)
            a[i] += w[(size_t)i*s.W + j] * xj[i];
    }
}

/* y, or with dy the gradient of a */
template <int P, bool BACKWARD, class Y>
static __global__ void conv_rows_kernel(Y *y, const real *dy, const real *x, const stat *w, const stat *bias,
                                        conv_shape s)
{
    const size_t across = s.C / P, n = (size_t)blockIdx.x * blockDim.x + threadIdx.x, bt = n / across,
        c = n % across * P;
    if (bt >= (size_t)s.B * s.T)
        return;
    const int b = (int)(bt / s.T), t = (int)(bt % s.T);
    stat a[P], of_y[P];
    conv_sum(a, x + s.row(b, t) + c, w + c*s.W, bias ? bias + c : nullptr, s.first_tap(b, t), s);
    if constexpr (BACKWARD)
        load(of_y, dy + bt*s.C + c);
    for (int i = 0; i < P; i++)
        a[i] = BACKWARD ? of_y[i] * sigmoid(a[i]) * (1 + a[i] * sigmoid(-a[i])) : a[i] * sigmoid(a[i]);
    store<false>(y + bt*s.C + c, a);
}

/* dx of row p, counted as tokens are: tap j of token p + W-1-j falls on it, if that is in the call and of its document
 */
template <int P> static __global__ void conv_dx_kernel(real *dx, const stat *da, const stat *w, conv_shape s)
{
    const size_t across = s.C / P, n = (size_t)blockIdx.x * blockDim.x + threadIdx.x, bp = n / across,
        c = n % across * P;
    if (bp >= (size_t)s.B * s.S)
        return;
    const int b = (int)(bp / s.S), p = (int)(bp % s.S) - s.cached();
    stat sum[P] = {};
    for (int j = s.W - 1; j >= 0; j--) {
        const int t = p + s.W - 1 - j;
        if (t < 0)
            continue;
        if (t >= s.T || j < s.first_tap(b, t))
            break;
        stat of_a[P];
        load(of_a, da + ((size_t)b*s.T + t)*s.C + c);
        for (int i = 0; i < P; i++)
            sum[i] += w[(c + i)*s.W + j] * of_a[i];
    }
    store<true>(dx + bp*s.C + c, sum);
}

enum { CONV_TAPS = 4, CONV_ROWS = 8 };

/* dw of the taps j0 .. and, at j0 = 0, db, over one piece of the tokens: a lane a channel, a warp every eighth token */
static __global__ void conv_dw_kernel(stat *dw, stat *db, const stat *da, const real *x, conv_shape s, int rows)
{
    __shared__ stat part[CONV_ROWS][CONV_TAPS + 1][32];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, strips = (s.C + 31) / 32,
        c = blockIdx.x % strips * 32 + lane;
    const int groups = (s.W + CONV_TAPS - 1) / CONV_TAPS, j0 = blockIdx.x / strips % groups * CONV_TAPS,
        piece = blockIdx.x / strips / groups;
    const size_t N = (size_t)s.B * s.T, from = (size_t)piece * rows, to = from + rows < N ? from + rows : N;
    stat sum[CONV_TAPS + 1] = {};
    for (size_t bt = from + warp; bt < to && c < s.C; bt += CONV_ROWS) {
        const int b = (int)(bt / s.T), t = (int)(bt % s.T), first = s.first_tap(b, t);
        const stat of_a = da[bt*s.C + c];
        const real *at = x + s.row(b, t) + c;
        for (int i = 0; i < CONV_TAPS; i++)
            if (j0 + i >= first && j0 + i < s.W)
                sum[i] += of_a * value(at[-(ptrdiff_t)(s.W - 1 - j0 - i) * s.C]);
        sum[CONV_TAPS] += of_a;
    }
    for (int i = 0; i <= CONV_TAPS; i++)
        part[warp][i][lane] = sum[i];
    __syncthreads();
    for (int i = warp; i <= CONV_TAPS && c < s.C; i += CONV_ROWS) {
        stat all = 0;
        for (int k = 0; k < CONV_ROWS; k++)
            all += part[k][i][lane];
        if (i < CONV_TAPS && j0 + i < s.W)
            dw[((size_t)piece*s.C + c)*s.W + j0 + i] = all;
        if (i == CONV_TAPS && j0 == 0)
            db[(size_t)piece*s.C + c] = all;
    }
}

static bool conv_wide(int C, const void *a, const void *b) { return C % 8 == 0 && aligned16(a, b, 0); }

static void conv_forward(real *y, const real *x, const stat *w, const stat *b, const int *start, int B, int T, int S,
                         int C, int W)
{
    const conv_shape s = { start, B, T, S, C, W };
    if (conv_wide(C, y, x))
        conv_rows_kernel<8, false><<<blocks((size_t)B*T*C / 8, 256), 256>>>(y, (const real *)nullptr, x, w, b, s);
    else
        conv_rows_kernel<1, false><<<blocks((size_t)B*T*C, 256), 256>>>(y, (const real *)nullptr, x, w, b, s);
    launched("conv_forward");
}

static void conv_backward(real *dx, stat *dw, stat *db, const real *dy, const real *x, const stat *w, const stat *b,
                          const int *start,
                          int B, int T, int S, int C, int W)
{
    const conv_shape s = { start, B, T, S, C, W };
    const size_t N = (size_t)B*T, strips = blocks(C, 32) * (size_t)blocks(W, CONV_TAPS);
    const unsigned most = strips < 1024 ? (unsigned)(1024 / strips) : 1,
        pieces = blocks(N, 64) < most ? blocks(N, 64) : most;
    const int rows = (int)blocks(N, pieces);
    const size_t of_a = N*C, of_w = (size_t)pieces*C*W;
    stat *da = (stat *)swax_cuda_workspace((of_a + of_w + (size_t)pieces*C) * sizeof *da);
    if (!da)
        return;
    if (conv_wide(C, dy, x) && conv_wide(C, dx, x)) {
        conv_rows_kernel<8, true><<<blocks(of_a / 8, 256), 256>>>(da, dy, x, w, b, s);
        conv_dx_kernel<8><<<blocks((size_t)B*S*C / 8, 256), 256>>>(dx, da, w, s);
    } else {
        conv_rows_kernel<1, true><<<blocks(of_a, 256), 256>>>(da, dy, x, w, b, s);
        conv_dx_kernel<1><<<blocks((size_t)B*S*C, 256), 256>>>(dx, da, w, s);
    }
    conv_dw_kernel<<<(unsigned)(strips * pieces), 32 * CONV_ROWS>>>(da + of_a, da + of_a + of_w, da, x, s, rows);
    sum_pieces(dw, da + of_a, pieces, (size_t)C*W, (size_t)C*W);
    if (db)
        sum_pieces(db, da + of_a + of_w, pieces, C, C);
    launched("conv_backward");
}

#endif
