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

/* dQ and dK += what N and M give the rows of this warp from blocks before its own */
template <int KP>
DEVICE void far_rows(float (&dQ)[8][4], float (&dK)[8][4], const unsigned char *N, const unsigned char *M,
                     const unsigned char *K, const float *G, int first)
{
    constexpr int GATES = vector_tile<KP>::GATES;
    const int lane = threadIdx.x % 32, block = threadIdx.x / 32 % 4;
    const float *anchor = G + (block * BLOCK - 1) * GATES;
    float of_q[8][4], of_k[8][4];
    clear(of_q);
    clear(of_k);
    for (int J = 0; J < block; J++) {
        uint32_t n[4], m[4], y[4];
        ldmatrix(n, N + swizzle(block * BLOCK + lane % 16, 2 * J + lane / 16));
        ldmatrix(m, M + swizzle(block * BLOCK + lane % 16, 2 * J + lane / 16));
#pragma unroll
        for (int c = 0; c < 4; c++) {
            ldmatrix_t(y, K + first * PANEL + swizzle(J * BLOCK + lane % 16, 2 * c + lane / 16));
            scale_fragment(y, G, anchor, GATES, J * BLOCK, 64 * first + 16 * c, -1);
            mma(of_q[2 * c], n, y[0], y[1]);
            mma(of_q[2 * c + 1], n, y[2], y[3]);
            mma(of_k[2 * c], m, y[0], y[1]);
            mma(of_k[2 * c + 1], m, y[2], y[3]);
        }
    }
    if (block == 0)
        return;
    for_channels(of_q, first, [&](float &x, int row, int c) { x *= fading(G[row * GATES + c] - anchor[c]); });
    for_channels(of_k, first, [&](float &x, int row, int c) { x *= fading(G[row * GATES + c] - anchor[c]); });
#pragma unroll
    for (int j = 0; j < 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            dQ[j][e] += of_q[j][e], dK[j][e] += of_k[j][e];
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

/* <D',S> of channels threadIdx.x / 8 + 32 n, of one panel of V: D' is in shared memory, S comes by once more.  Eight
 * lanes a channel. */
template <int KP> DEVICE void through_channels(float (&sum)[2 * KP], const unsigned char *D, const swax_bf16 *S,
                                               int channels, int columns, int V8)
{
    const int piece = threadIdx.x % 8;
#pragma unroll
    for (int n = 0; n < 2 * KP; n++) {
        const int channel = threadIdx.x / 8 + 32 * n;
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

/* One block of 256 threads per chunk of a head and 64 KP channels: the steps of delta_gradient_kernel, but
 *
 *     after      into shared memory
 *     X          N and M between blocks as bf16, within a block as float
 *     dy, Y, S   E o (dy S^T) + far rows of N K;  E o (Y S^T) + far rows of M K
 *     U, D'      Z o (U D'^T);  far columns of N^T Q + M^T K;  <D',S> by channel
 *     the end    a thread per channel and block of 16 tokens adds the near pairs: dq, dk, dg */
template <int KP>
static __global__ void __launch_bounds__(256, 1) delta_gradient_vector_kernel(gradient_args a, const float *g,
        delta_shape s)
{
    using tile = vector_gradient_tile<KP>;
    constexpr int GATES = vector_tile<KP>::GATES;
    const int parts = (s.K8 + 64 * KP - 1) / (64 * KP), c0 = blockIdx.x % parts * 64 * KP;
    const gradient_place at(s, blockIdx.x / parts);
    if (at.begin < a.left.most(at.bh, 0))
        return;
    const int group = threadIdx.x / 128, panels = (s.V8 + 63) / 64, first = KP < 2 ? 0 : group;
    const bool busy = KP >= 2 || group == 0;
    const size_t key = (s.token(at.b, at.begin) * s.G + s.group(at.h)) * s.K8 + c0, stride = (size_t)s.G * s.K8;
    unsigned char *K = shared_memory(), *Q = K + tile::QUERIES, *N = K + tile::OF_N, *M = K + tile::OF_M,
        *stages = K + tile::STAGES;
    float *G = (float *)(K + tile::G), *near_ones = (float *)(K + tile::NEAR), *rows = (float *)(K + tile::ROWS);
    float *columns = (float *)stages, *of_through = (float *)N;
    vector_desk *desk = (vector_desk *)(K + tile::DESK);
    const float *scalars = a.given.scalars + at.of * SCALARS;
    const bool whole = s.document(at.b, at.begin, at.length - 1) < 0;       /* no document begins in this chunk */
    float X[8][4], dQ[8][4], dK[8][4], through[2 * KP] = {};
    int step = 0;

    load_tile<KP, 256>(K, PANEL, a.k + key, stride, CHUNK, at.length, s.K8 - c0);
    load_tile<KP, 256>(Q, PANEL, a.q + key, stride, CHUNK, at.length, s.K8 - c0);
    load_gates<KP, 256>(G, g, s, at.b, at.h, at.begin, at.length, c0);
    load_step<KP>(stages, a, s, at, 0, c0);
    prefetch_channels<KP>(a, s, at, key, c0);
    auto next = [&] {
        tiles_arrive<0>();
        unsigned char *stage = stages + step % 2 * tile::STAGE;
        load_step<KP>(stages, a, s, at, ++step, c0);
        mm_begin();
        return stage;
    };
    auto done = [&] { mm_end(); mm_wait(); };

    clear(X);
    mm_settle(X);
    for (int p = 0; p < panels; p++) {
        const unsigned char *stage = next();
        mm_nt<CHUNK>(X, stage + (group ? 2 * PANEL : 0), stage + PANEL);
        done();
    }
    mm_settle(X);
    sort_pairs(X, group ? M : N, near_ones + group * CHUNK * BLOCK, desk->diagonal, scalars, s, at.b, at.begin,
               at.length, group == 0);

    sum_gates<KP, 256>(G, s, at.b, at.begin, at.length);    /* seen by all after the barrier in next() */

    clear(dQ);
    clear(dK);
    mm_settle(dQ);
    mm_settle(dK);
    for (int p = 0; p < panels; p++) {
        const unsigned char *stage = next();
        mm_nt<CHUNK>(dQ, stage, stage + (2 + first) * PANEL);
        mm_nt<CHUNK>(dK, stage + PANEL, stage + (2 + first) * PANEL);
        done();
    }
    mm_settle(dQ);
    mm_settle(dK);
    if (busy) {
        scale_by_gates<KP>(dQ, G, nullptr, scalars + SCALAR_E, nullptr, s.scale, 1, first);
        scale_by_gates<KP>(dK, G, nullptr, scalars + SCALAR_E, scalars + SCALAR_BETA, s.erase ? -1.0f : 0.0f, 1, first);
        far_rows<KP>(dQ, dK, N, M, K, G, first);
        put_array<KP>(rows, dQ, first);
        put_array<KP>(rows + tile::ARRAY / 4, dK, first);
    }

    clear(dQ);                                              /* from here on what D' gives dK */
    mm_settle(dQ);
    for (int p = 0; p < panels; p++) {
        const unsigned char *stage = next();
        mm_nt<CHUNK>(dQ, stage, stage + (2 + first) * PANEL);
        mm_end();
        if (whole)
            through_channels<KP>(through, stage + 2 * PANEL, a.S + (at.of * s.K8 + c0) * s.V8 + 64 * p, s.K8 - c0,
                                 s.V8 - 64 * p, s.V8);
        mm_wait();
    }
    mm_settle(dQ);
    if (busy) {
        scale_by_gates<KP>(dQ, G, G + (at.length - 1) * GATES, scalars + SCALAR_Z, nullptr, 1, -1, first);
        far_columns<KP>(dK, N, M, K, Q, G, first);
    }
    /* the stages and the pairs of different blocks have been read */
    tiles_arrive<0>();
    if (busy) {
        put_array<KP>(columns, dQ, first);
        put_array<KP>(columns + tile::ARRAY / 4, dK, first);
    }
#pragma unroll
    for (int n = 0; n < 2 * KP; n++) {
        const int c = threadIdx.x / 8 + 32 * n;
        for (int lane = 1; lane < 8; lane *= 2)
            through[n] += __shfl_xor_sync(~0u, through[n], lane);
        if (threadIdx.x % 8 == 0)
            of_through[c] = whole ? exp2_fast(G[(at.length - 1) * GATES + c]) / LIFT * through[n] : 0;
    }
    __syncthreads();
#pragma unroll 1
    for (int panel = 0; panel < KP; panel++)
        finish_channel<KP>(a, s, at, K, of_through, panel, c0);
    if (c0 == 0 && (int)threadIdx.x < at.length)
        add_strengths(a, s, at, threadIdx.x);
}

#endif
