/* delta_chunk.cuh - what the kernels of the chunked delta rule share: the cut into chunks, what a chunk is given, and
 * tiles of the state in registers.
 *
 * A chunk has at most 64 tokens.  With G_i the sum of its gates up to token i, in its document,
 *
 *     X_ij = exp(G_i - G_j)     from token j to i >= j of the same document, else 0
 *     E_i  = exp(G_i)           from the state before the chunk to token i, 0 if i's document began in the chunk
 *     Z_j  = exp(G_last - G_j)  from token j to the state behind the chunk, 0 if j is not of the last token's document
 *
 * one number each for J = 1, one a channel of the keys for J = K, where they go inside the products ("o" below).  With
 * e = erase,
 *
 *     C_ij = sum k_i k_j X_ij, j < i;    N = (1 + C diag(beta))^-1 C;    P_ij = scale sum q_i k_j X_ij, j <= i
 *
 *     R0 = V - e (E o K) S                 r  = R0 - e N (beta R0)                 U = beta r
 *     y  = scale (E o Q) S + P U           S' = E_last S + (Z o K)^T U
 *
 *     dU = P^T dy + (Z o K) D'             Y  = dU - e N^T (beta dU)               dv = beta Y,   dbeta = Y.r
 *     D  = E_last D' + scale (E o Q)^T dy - e (E o K)^T (beta Y)
 *
 * N and P do not depend on the state: delta_within.cuh, all chunks at once.  delta_states.cuh walks from chunk to
 * chunk, forward with S, backward with its gradient D; delta_gradient.cuh then has the gradients of q, k and g, all
 * chunks at once.
 *
 * The walks hold the state turned, S^T (V,K), in registers: an accumulator then is the left operand of the next product
 * as it stands, and the chain from S to r, U and S' needs no shared memory and no barrier.  S, r, U and y are LIFTed
 * there, as are the bf16 copies of U and S. */
#ifndef SWAX_DELTA_CHUNK_CUH
#define SWAX_DELTA_CHUNK_CUH

#include "cuda/panel.cuh"

static constexpr int CHUNK = 64;

/* Every `span` tokens are cut into `parts` of 64, the last one shorter; K8 and V8 are the widths of bf16 rows. */
struct delta_shape {
    int B, T, H, G, K, V, K8, V8, span, parts, chunks, erase;
    float scale;
    const int *start;

    __host__ __device__ int begin(int chunk) const { return chunk / parts * span + chunk % parts * CHUNK; }
    __host__ __device__ int end(int chunk) const
    {
        const int next = min(begin(chunk) + CHUNK, (chunk / parts + 1) * span);
        return next < T ? next : T;
    }
    __device__ int group(int h) const { return (int)((long long)h * G / H); }
    __device__ size_t token(int b, int t) const { return (size_t)b * T + t; }
    /* Where document of token t of the chunk begins, in tokens of the chunk; below 0: before it */
    __device__ int document(int b, int begin, int i) const { return start ? start[token(b, begin + i)] - begin : -1; }
};

/* What a chunk of a head is given, `of` = head x chunks + chunk.  Tiles are rows of tokens, 0 behind the chunk's end.
 */
struct delta_given {
    swax_bf16 *N, *P;           /* (64,64); P without its diagonal */
    /* E, Z, beta, P_ii, G in units of log 2: 64 each; for vector gates E and Z are 1 or 0, and G is not there */
    float *scalars;
    float *decay;               /* E_last: one, or K8 */
    swax_bf16 *q, *k, *w;       /* vector gates: E o Q, E o K, Z o K, (64,K8) */
};

static constexpr int SCALAR_E = 0, SCALAR_Z = CHUNK, SCALAR_BETA = 2 * CHUNK, SCALAR_OWN = 3 * CHUNK,
    SCALAR_G = 4 * CHUNK, SCALARS = 5 * CHUNK;

/* ---- fragments: d[j] as in warpmma.cuh, so that the columns of d are this lane's tokens 8 j + column() and the next
 */

DEVICE int fragment_column() { return threadIdx.x % 4 * 2; }
DEVICE int fragment_row() { return threadIdx.x / 32 % 4 * 16 + threadIdx.x % 32 / 4; }

/* x (64,64) in shared memory as a left operand, turned */
DEVICE void operand_turned(uint32_t (&a)[4][4], const unsigned char *x)
{
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 % 4;
#pragma unroll
    for (int k = 0; k < 4; k++)
        ldmatrix_t(a[k], x + swizzle(16 * k + lane / 16 * 8 + lane % 8, warp * 2 + lane / 8 % 2));
}
DEVICE void operand(uint32_t (&a)[4][4], const unsigned char *x)
{
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 % 4;
#pragma unroll
    for (int k = 0; k < 4; k++)
        ldmatrix(a[k], x + swizzle(warp * 16 + lane % 16, 2 * k + lane / 16));
}

/* f(d[j][e], pair of the operand that stands there, j, e) for its elements e and e + 1 */
template <class F> DEVICE void for_operand(uint32_t (&a)[4][4], F f)
{
#pragma unroll
    for (int k = 0; k < 4; k++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            f(a[k][i], 2 * k + i / 2, i % 2 * 2);
}

/* f(number of the column's token, j, e) for every element: what belongs to tokens is read in pairs */
template <class F> DEVICE void for_columns(const float *of_token, F f)
{
#pragma unroll
    for (int j = 0; j < 8; j++) {
        const float2 x = *(const float2 *)(of_token + 8 * j + fragment_column());
#pragma unroll
        for (int e = 0; e < 4; e++)
            f(e % 2 ? x.y : x.x, j, e);
    }
}

/* f(k, i, x, y): the pair that is a[k][i] where a is d as left operand, its columns weighted; 0 is nothing at all */
template <class F> DEVICE void for_weighted(float (&d)[8][4], const float *of_token, float sign, F f)
{
#pragma unroll
    for (int k = 0; k < 4; k++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int j = 2 * k + i / 2, e = i % 2 * 2;
            const float2 w = *(const float2 *)(of_token + 8 * j + fragment_column());
            f(k, i, w.x == 0 ? 0 : sign * w.x * d[j][e], w.y == 0 ? 0 : sign * w.y * d[j][e + 1]);
        }
}

/* a = d, its columns weighted */
DEVICE void weighted_operand(uint32_t (&a)[4][4], float (&d)[8][4], const float *of_token, float sign)
{
    for_weighted(d, of_token, sign, [&](int k, int i, float x, float y) { a[k][i] = pack(x, y); });
}

/* hi + lo = d, its columns weighted, both bf16 */
DEVICE void weighted_split(uint32_t (&hi)[4][4], uint32_t (&lo)[4][4], float (&d)[8][4], const float *of_token,
                           float sign)
{
    for_weighted(d, of_token, sign, [&](int k, int i, float x, float y) {
        hi[k][i] = pack(x, y);
        lo[k][i] = pack(x - low_half(hi[k][i]), y - high_half(hi[k][i]));
    });
}

/* d = hi + lo, both bf16: 16 bits of it */
DEVICE void split_operand(uint32_t (&hi)[4][4], uint32_t (&lo)[4][4], float (*d)[4])
{
    as_operand(hi, d);
#pragma unroll
    for (int k = 0; k < 4; k++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const float *x = d[2 * k + i / 2] + i % 2 * 2;
            lo[k][i] = pack(x[0] - low_half(hi[k][i]), x[1] - high_half(hi[k][i]));
        }
}

/* f(std::true_type) where a tile is valid all over, and need not look; else f(std::false_type).  The walks are limited
 * by how many instructions a warp can do one after the other, and a third of them were such looks. */
template <class F> DEVICE void whole_or_part(bool whole, F f)
{
    if (whole)
        f(std::true_type{});
    else
        f(std::false_type{});
}

/* f(row of d, token, two neighbours down the columns of d as bf16) for the first `rows` rows and `tokens` columns of d,
 * turned: what a lane then holds of a token lies together */
template <int N, class F> DEVICE void for_turned(float (&d)[N][4], int rows, int tokens, F f)
{
    const int lane = threadIdx.x % 32;
    whole_or_part(rows >= 64 && tokens >= 8 * N, [&](auto whole) {
#pragma unroll
        for (int j = 0; j < N; j++)
#pragma unroll
            for (int e = 0; e < 4; e += 2) {
                const int row = threadIdx.x / 32 % 4 * 16 + 4 * e + lane % 4 * 2, token = 8 * j + lane / 4;
                const uint32_t pair = turned(pack(d[j][e], d[j][e + 1]));
                if (decltype(whole)::value || (row < rows && token < tokens))
                    f(row, token, pair);
            }
    });
}

/* Rows of values and of gates have no alignment: d[j][e] from or to x[token][column], of so many tokens and columns. */
template <class F> DEVICE void for_values(F f, int tokens, int columns)
{
    whole_or_part(tokens >= 64 && columns >= 64, [&](auto whole) {
#pragma unroll
        for (int j = 0; j < 8; j++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const int token = 8 * j + fragment_column() + e % 2, column = fragment_row() + e / 2 * 8;
                if (decltype(whole)::value || (token < tokens && column < columns))
                    f(token, column, j, e);
            }
    });
}

/* ---- the state, turned: rows are columns of V, columns are channels of K */

/* f(element, channel of K, column of V) for what is there of this thread's part of the state */
template <int KP, class F> DEVICE void for_state(float (&S)[8 * KP][4], int K, int columns, F f)
{
    whole_or_part(K >= 64 * KP && columns >= 64, [&](auto whole) {
#pragma unroll
        for (int j = 0; j < 8 * KP; j++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const int channel = 8 * j + fragment_column() + e % 2, column = fragment_row() + e / 2 * 8;
                if (decltype(whole)::value || (channel < K && column < columns))
                    f(S[j][e], channel, column);
            }
    });
}

/* S fades; what has faded for good leaves nothing, whatever it was */
template <int KP, bool VECTOR> DEVICE void fade(float (&S)[8 * KP][4], const float *decay, int K8)
{
#pragma unroll
    for (int j = 0; j < 8 * KP; j++) {
        const int channel = 8 * j + fragment_column();
        const float2 keep = !VECTOR ? make_float2(decay[0], decay[0]) : channel < K8
            ? *(const float2 *)(decay + channel) : make_float2(0, 0);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            const float by = e % 2 ? keep.y : keep.x;
            S[j][e] = by == 0 ? 0 : by * S[j][e];
        }
    }
}

/* ---- from registers, turned, by way of shared memory that nobody else reads or writes any more: what a fragment holds
 * of a row is 16 or 32 bytes long, and memory takes rows of 128 much faster.  By the 128 threads of a block. */

/* d (64,64 P) as bf16, from `area`, P panels, to rows of `to` */
template <int P> DEVICE void store_turned(swax_bf16 *to, size_t stride, unsigned char *area, float (*d)[4], int rows,
                                          int columns)
{
    __syncthreads();
#pragma unroll
    for (int p = 0; p < P; p++)
        for_turned((float (&)[8][4])d[8 * p], 64, 64, [&](int column, int row, uint32_t pair) {
            *(uint32_t *)(area + p * PANEL + swizzle(row, column / 8) + column % 8 * 2) = pair;
        });
    __syncthreads();
#pragma unroll
    for (int p = 0; p < P; p++)
        store_tile<1, 128>(to + p * 64 * stride, stride, area + p * PANEL, PANEL, 64, rows - 64 * p, columns);
}

/* The state, (K8,V8): `to` is at the tile's first column; two panels of `area` */
template <int KP> DEVICE void store_copy(swax_bf16 *to, unsigned char *area, float (&S)[8 * KP][4], int K8, int V8,
                                         int columns)
{
    constexpr int P = KP < 2 ? 1 : 2;
#pragma unroll
    for (int p = 0; p < KP; p += P)
        store_turned<P>(to + (size_t)(64 * p) * V8, V8, area, S + 8 * p, K8 - 64 * p, columns);
}

/* Where a row's column lies among rows of 64 floats: a fragment then touches all banks */
DEVICE int float_place(int row, int column) { return row * 64 + (column ^ row / 2 % 4 * 8); }

/* d (64,8 N) to `area` as rows of floats, for all to read */
template <int N> DEVICE void put_floats(float *area, float (*d)[4], float by)
{
    __syncthreads();
#pragma unroll
    for (int j = 0; j < N; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            area[float_place(8 * j + fragment_column() + e % 2, fragment_row() + e / 2 * 8)] = by * d[j][e];
    __syncthreads();
}

/* All of d (64,8 N), in float, to rows of 64 floats of 16 bytes' alignment; `area` has ROWS of them */
template <int ROWS, int N> DEVICE void store_floats(float *to, unsigned stride, float *area, float (&d)[N][4], float by)
{
    constexpr int EACH = 8 * N < ROWS ? N : ROWS / 8;
    const int piece = threadIdx.x % 16, first = threadIdx.x / 16;
#pragma unroll
    for (int n = 0; n < N; n += EACH) {
        put_floats<EACH>(area, d + n, by);
#pragma unroll
        for (int i = 0; i < EACH; i++)
            *(float4 *)(to + (8 * (n + i) + first) * stride + 4 * piece) =
                *(const float4 *)(area + float_place(8 * i + first, 4 * piece));
    }
}

#endif
