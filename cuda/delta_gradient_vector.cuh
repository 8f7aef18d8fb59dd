/* delta_gradient_vector.cuh - delta_gradient.cuh for a gate per channel of the keys: its sums, with X, E and Z inside
 * them, so that dg too has a channel.  A block takes up to 128 channels of a chunk: they do not meet, but for N and M,
 * which have none.
 *
 * Between blocks of 16 tokens, I behind J, by the anchor a_I, the G of the token before I (delta_within.cuh):
 *
 *     dQ_I += exp(G_I - a_I) o (N_IJ (exp(a_I - G_J) o K_J))
 *     dK_J += exp(a_I - G_J) o (N_IJ^T (exp(G_I - a_I) o Q_I))
 *
 * and so for M.  A warp's rows are one block.  The rest is in delta_gradient_near.cuh. */
#ifndef SWAX_DELTA_GRADIENT_VECTOR_CUH
#define SWAX_DELTA_GRADIENT_VECTOR_CUH

#include "cuda/delta_gradient_near.cuh"

template <int KP> DEVICE void put_array(float *array, float (&d)[8][4], int first)
{
#pragma unroll
    for (int j = 0; j < 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e += 2) {
            const int place = turned_place<KP>(fragment_row() + 4 * e, 64 * first + 8 * j + fragment_column());
            *(float2 *)(array + place) = make_float2(d[j][e], d[j][e + 1]);
        }
}

/* f(element, its row, its channel) */
template <class F> DEVICE void for_channels(float (&d)[8][4], int first, F f)
{
#pragma unroll
    for (int j = 0; j < 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            f(d[j][e], fragment_row() + e / 2 * 8, 64 * first + 8 * j + fragment_column() + e % 2);
}

/* As weight_pairs, without X: pairs of different blocks as bf16 into `panel`, those within a block as float into
 * `near_ones`. */
DEVICE void sort_pairs(float (&x)[8][4], unsigned char *panel, float *near_ones, float *diagonal, const float *scalars,
                       const delta_shape &s, int b, int begin, int length, bool of_n)
{
#pragma unroll
    for (int e = 0; e < 4; e += 2) {
        const int i = fragment_row() + 4 * e, document = i < length ? s.document(b, begin, i) : CHUNK;
        const float by = of_n ? s.scale : s.erase ? -scalars[SCALAR_BETA + i] : 0;
#pragma unroll
        for (int n = 0; n < 8; n++) {
            float far_ones[2];
#pragma unroll
            for (int o = 0; o < 2; o++) {
                const int j = 8 * n + fragment_column() + o;
                const float w = j < i && document <= j ? by * x[n][e + o] : 0;
                if (of_n && i == j)
                    diagonal[i] = i < length ? by * x[n][e + o] : 0;
                if (j / BLOCK == i / BLOCK)
                    near_ones[(i * BLOCK) + j % BLOCK] = w;
                far_ones[o] = j / BLOCK < i / BLOCK ? w : 0;
            }
            *(uint32_t *)(panel + swizzle(i, n) + fragment_column() * 2) = pack(far_ones[0], far_ones[1]);
        }
    }
}

/* y: the fragment of 16 tokens from `token` on by 16 channels from `channel` on; times exp(sign (G - anchor)) */
DEVICE void scale_fragment(uint32_t (&y)[4], const float *G, const float *anchor, int gates, int token, int channel,
                           float sign)
{
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int n = 0; n < 4; n++) {
        const int t = token + lane % 4 * 2 + n % 2 * 8, c = channel + lane / 4 + n / 2 * 8;
        y[n] = pack(fading(sign * (G[t * gates + c] - anchor[c])) * low_half(y[n]),
                    fading(sign * (G[(t + 1) * gates + c] - anchor[c])) * high_half(y[n]));
    }
}

/* d += what N, or M, gives the rows of this warp from blocks before its own */
template <int KP>
DEVICE void far_rows(float (&d)[8][4], const unsigned char *N, const unsigned char *K, const float *G, int first)
{
    constexpr int GATES = vector_tile<KP>::GATES;
    const int lane = threadIdx.x % 32, block = threadIdx.x / 32 % 4;
    const float *anchor = G + (block * BLOCK - 1) * GATES;
    float x[8][4];
    if (block == 0)
        return;
    clear(x);
    for (int J = 0; J < block; J++) {
        uint32_t n[4], y[4];
        ldmatrix(n, N + swizzle(block * BLOCK + lane % 16, 2 * J + lane / 16));
#pragma unroll
        for (int c = 0; c < 4; c++) {
            ldmatrix_t(y, K + first * PANEL + swizzle(J * BLOCK + lane % 16, 2 * c + lane / 16));
            scale_fragment(y, G, anchor, GATES, J * BLOCK, 64 * first + 16 * c, -1);
            mma(x[2 * c], n, y[0], y[1]);
            mma(x[2 * c + 1], n, y[2], y[3]);
        }
    }
    for_channels(x, first, [&](float &z, int row, int c) { z *= fading(G[row * GATES + c] - anchor[c]); });
#pragma unroll
    for (int j = 0; j < 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            d[j][e] += x[j][e];
}

/* dK = what N^T and M^T give the rows of this warp from blocks behind its own */
template <int KP>
DEVICE void far_columns(float (&dK)[8][4], const unsigned char *N, const unsigned char *M, const unsigned char *K,
                        const unsigned char *Q, const float *G, int first)
{
    constexpr int GATES = vector_tile<KP>::GATES;
    const int lane = threadIdx.x % 32, block = threadIdx.x / 32 % 4;
    clear(dK);
    for (int I = block + 1; I < 4; I++) {
        const float *anchor = G + (I * BLOCK - 1) * GATES;
        uint32_t n[4], m[4], y[4];
        float x[8][4];
        clear(x);
        ldmatrix_t(n, N + swizzle(I * BLOCK + lane / 16 * 8 + lane % 8, 2 * block + lane / 8 % 2));
        ldmatrix_t(m, M + swizzle(I * BLOCK + lane / 16 * 8 + lane % 8, 2 * block + lane / 8 % 2));
#pragma unroll
        for (int c = 0; c < 4; c++) {
            ldmatrix_t(y, Q + first * PANEL + swizzle(I * BLOCK + lane % 16, 2 * c + lane / 16));
            scale_fragment(y, G, anchor, GATES, I * BLOCK, 64 * first + 16 * c, 1);
            mma(x[2 * c], n, y[0], y[1]);
            mma(x[2 * c + 1], n, y[2], y[3]);
            ldmatrix_t(y, K + first * PANEL + swizzle(I * BLOCK + lane % 16, 2 * c + lane / 16));
            scale_fragment(y, G, anchor, GATES, I * BLOCK, 64 * first + 16 * c, 1);
            mma(x[2 * c], m, y[0], y[1]);
            mma(x[2 * c + 1], m, y[2], y[3]);
        }
        for_channels(x, first, [&](float &z, int row, int c) { z *= fading(anchor[c] - G[row * GATES + c]); });
#pragma unroll
        for (int j = 0; j < 8; j++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                dK[j][e] += x[j][e];
    }
}

/* <D',S> of channels threadIdx.x / 8 + 64 n, of one panel of V: D' is in shared memory, S comes by once more.  Eight
 * lanes a channel. */
template <int KP> DEVICE void through_channels(float (&sum)[KP], const unsigned char *D, const swax_bf16 *S,
                                               int channels, int columns, int V8)
{
    const int piece = threadIdx.x % 8;
#pragma unroll
    for (int n = 0; n < KP; n++) {
        const int channel = threadIdx.x / 8 + 64 * n;
        if (channel >= channels || 8 * piece >= columns)
            continue;
        const uint4 x = *(const uint4 *)(D + swizzle(channel, piece)),
            y = *(const uint4 *)(S + (size_t)channel * V8 + 8 * piece);
        sum[n] += low_half(x.x) * low_half(y.x) + high_half(x.x) * high_half(y.x) + low_half(x.y) * low_half(y.y)
            + high_half(x.y) * high_half(y.y)
                + low_half(x.z) * low_half(y.z) + high_half(x.z) * high_half(y.z) + low_half(x.w) * low_half(y.w)
                    + high_half(x.w) * high_half(y.w);
    }
}

/* Rows of d times E or Z, which are exp(sign (G - from)) where the token has a way, and by[row] */
template <int KP> DEVICE void scale_by_gates(float (&d)[8][4], const float *G, const float *from, const float *has_way,
                                             const float *by, float scale, float sign, int first)
{
    for_channels(d, first, [&](float &x, int row, int c) {
        const float w = has_way[row] * (by ? by[row] : 1) * scale;
        x = w == 0 ? 0 : w * exp2_fast(sign * (G[row * vector_tile<KP>::GATES + c] - (from ? from[c] : 0))) * x;
    });
}

enum { GRADIENT_THREADS = 512 };

/* One block of four groups per chunk of a head and 64 KP channels: two for dQ, two for dK, a panel of channels each.
 * The steps of delta_gradient_kernel, but
 *
 *     after      into shared memory, by                 groups 0, 1                       groups 2, 3
 *     X          N and M between blocks as bf16,        N; the sums of gates              M
 *                within a block as float
 *     dy, Y, S                                          E o (dy S^T) + far rows of N K    E o (Y S^T) + far rows of M K
 *     U, D'      <D',S> by channel                      Z o (U D'^T)                      far columns of N^T Q + M^T K
 *     the end    a thread per channel and block of 16 tokens adds the near pairs: dq, dk, dg */
template <int KP>
static __global__ void __launch_bounds__(GRADIENT_THREADS, 1)
delta_gradient_vector_kernel(gradient_args a, const float *g, delta_shape s)
{
    using tile = vector_gradient_tile<KP>;
    constexpr int GATES = vector_tile<KP>::GATES, THREADS = GRADIENT_THREADS;
    const int parts = (s.K8 + 64 * KP - 1) / (64 * KP), c0 = blockIdx.x % parts * 64 * KP;
    const gradient_place at(s, blockIdx.x / parts);
    if (at.begin < a.left.most(at.bh, 0))
        return;
    const int half = threadIdx.x / 128 % 2, of_keys = threadIdx.x / 256, panels = (s.V8 + 63) / 64,
        first = KP < 2 ? 0 : half;
    const bool busy = KP >= 2 || half == 0;
    const size_t key = (s.token(at.b, at.begin) * s.G + s.group(at.h)) * s.K8 + c0, stride = (size_t)s.G * s.K8;
    unsigned char *K = shared_memory(), *Q = K + tile::QUERIES, *N = K + tile::OF_N, *M = K + tile::OF_M,
        *stages = K + tile::STAGES;
    float *G = (float *)(K + tile::G), *near_ones = (float *)(K + tile::NEAR), *rows = (float *)(K + tile::ROWS);
    float *columns = (float *)stages, *of_through = (float *)N;
    vector_desk *desk = (vector_desk *)(K + tile::DESK);
    const float *scalars = a.given.scalars + at.of * SCALARS;
    const bool whole = s.document(at.b, at.begin, at.length - 1) < 0;       /* no document begins in this chunk */
    float X[8][4], through[KP] = {};
    int step = 0;

    load_tile<KP, THREADS>(K, PANEL, a.k + key, stride, CHUNK, at.length, s.K8 - c0);
    load_tile<KP, THREADS>(Q, PANEL, a.q + key, stride, CHUNK, at.length, s.K8 - c0);
    load_gates<KP, THREADS>(G, g, s, at.b, at.h, at.begin, at.length, c0);
    load_step<KP, THREADS>(stages, a, s, at, 0, c0);
    prefetch_channels<KP>(a, s, at, key, c0);
    if (threadIdx.x < CHUNK) {
        const int i = threadIdx.x;
        const uint32_t begins = __ballot_sync(~0u, i < at.length && s.document(at.b, at.begin, i) == i);
        if (i % 32 == 0)
            desk->begins[i / 32] = begins;
    }
    auto next = [&] {
        tiles_arrive<0>();
        unsigned char *stage = stages + step % 2 * tile::STAGE;
        load_step<KP, THREADS>(stages, a, s, at, ++step, c0);
        mm_begin();
        return stage;
    };
    auto done = [&] { mm_end(); mm_wait(); };

    clear(X);
    mm_settle(X);
    for (int p = 0; p < panels; p++) {
        const unsigned char *stage = next();
        mm_nt<CHUNK>(X, stage + of_keys * 2 * PANEL, stage + PANEL);
        done();
    }
    mm_settle(X);
    if (half == 0)
        sort_pairs(X, of_keys ? M : N, near_ones + of_keys * CHUNK * BLOCK, desk->diagonal, scalars, s, at.b, at.begin,
                   at.length, of_keys == 0);
    else if (of_keys == 0)
        sum_gates<KP, 128>(G, s, at.b, at.begin, at.length);        /* seen by all after the barrier in next() */

    clear(X);
    mm_settle(X);
    for (int p = 0; p < panels; p++) {
        const unsigned char *stage = next();
        mm_nt<CHUNK>(X, stage + of_keys * PANEL, stage + (2 + first) * PANEL);
        done();
    }
    mm_settle(X);
    if (busy) {
        scale_by_gates<KP>(X, G, nullptr, scalars + SCALAR_E, of_keys ? scalars + SCALAR_BETA : nullptr,
                           !of_keys ? s.scale : s.erase ? -1.0f : 0.0f, 1, first);
        far_rows<KP>(X, of_keys ? M : N, K, G, first);
        put_array<KP>(rows + of_keys * tile::ARRAY / 4, X, first);
    }

    clear(X);
    mm_settle(X);
    for (int p = 0; p < panels; p++) {
        const unsigned char *stage = next();
        mm_nt<CHUNK>(X, stage, stage + (2 + first) * PANEL);
        mm_end();
        if (whole)
            through_channels<KP>(through, stage + 2 * PANEL, a.S + (at.of * s.K8 + c0) * s.V8 + 64 * p, s.K8 - c0,
                                 s.V8 - 64 * p, s.V8);
        mm_wait();
    }
    mm_settle(X);
    if (busy && !of_keys)
        scale_by_gates<KP>(X, G, G + (at.length - 1) * GATES, scalars + SCALAR_Z, nullptr, 1, -1, first);
    else if (busy)
        far_columns<KP>(X, N, M, K, Q, G, first);
    /* the stages and the pairs of different blocks have been read */
    tiles_arrive<0>();
    if (busy)
        put_array<KP>(columns + of_keys * tile::ARRAY / 4, X, first);
#pragma unroll
    for (int n = 0; n < KP; n++) {
        const int c = threadIdx.x / 8 + 64 * n;
        for (int lane = 1; lane < 8; lane *= 2)
            through[n] += __shfl_xor_sync(~0u, through[n], lane);
        if (threadIdx.x % 8 == 0)
            of_through[c] = whole ? exp2_fast(G[(at.length - 1) * GATES + c]) / LIFT * through[n] : 0;
    }
    __syncthreads();
    finish_channels<KP>(a, s, at, K, of_through, c0);
    if (c0 == 0 && (int)threadIdx.x < at.length)
        add_strengths(a, s, at, threadIdx.x);
}

#endif
