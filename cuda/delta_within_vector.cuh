/* delta_within_vector.cuh - delta_within.cuh for a gate per channel of the keys; there it says how exponentials are
 * taken.
 *
 * A block of four warps takes a chunk; each warp its own 16 rows of C and P: the pairs with tokens of earlier blocks on
 * the tensor cores, by the anchor, those within the block one by one. */
#ifndef SWAX_DELTA_WITHIN_VECTOR_CUH
#define SWAX_DELTA_WITHIN_VECTOR_CUH

#include "cuda/delta_within.cuh"

static constexpr int BLOCK = 16;            /* tokens that share an anchor */

/* In bytes; rows of G are GATES floats apart, so that 8 of them are in different banks. */
template <int KP> struct vector_tile {
    static constexpr int GATES = 64 * KP + 8;
    enum { G = 2 * KP * PANEL, TURNED = G + CHUNK * GATES * 4,
           RESULT = TURNED + (CHUNK * TURN * 4 + 1023) / 1024 * 1024,
           TOKENS = RESULT + PANEL, BYTES = TOKENS + 4 * CHUNK * 4, SOLUTION = 0 };
};

/* A bf16 of a tile in panels */
DEVICE float tile_value(const unsigned char *tile, int row, int channel)
{
    return low_half(*(const uint16_t *)(tile + channel / 64 * PANEL + swizzle(row, channel / 8 % 8) + channel % 8 * 2));
}

/* Start copying the gates of channels c0 .. c0 + 64 KP - 1 to where G will be.  All at once: a row of all heads' gates
 * is far from the next, and each takes long to come. */
template <int KP, int THREADS> DEVICE void load_gates(float *G, const float *g, const delta_shape &s, int b, int h,
                                                      int begin, int length, int c0)
{
#pragma unroll 8
    for (int n = threadIdx.x; n < CHUNK * 64 * KP; n += THREADS) {
        const int i = n / (64 * KP), c = n % (64 * KP);
        const bool there = c0 + c < s.K && i < length;
        const float *x = g + (s.token(b, begin) * s.H + h) * s.K;
        cp_async_4(G + i * vector_tile<KP>::GATES + c, there ? x + (size_t)i * s.H * s.K + c0 + c : x, there);
    }
}

/* G, in units of log 2: the sum of the gates down the tokens, anew where a document begins.  Behind the chunk's end it
 * stays as it is. */
template <int KP, int THREADS> DEVICE void sum_gates(float *G, const delta_shape &s, int b, int begin, int length)
{
    for (int c = threadIdx.x % THREADS; c < 64 * KP; c += THREADS) {
        double sum = 0;
#pragma unroll 8
        for (int i = 0; i < CHUNK; i++) {
            float &x = G[i * vector_tile<KP>::GATES + c];
            if (i < length)
                sum = s.document(b, begin, i) == i ? 0 : sum + clamped(x);
            x = (float)(sum * 1.4426950408889634);
        }
    }
}

/* E, Z and beta: for vector gates E and Z only say whether there is a way; the first 64 threads */
DEVICE void vector_scalars(chunk_tokens *c, float *scalars, const float *beta, const delta_shape &s, int b, int h,
                           int begin, int length)
{
    const int i = threadIdx.x, last = s.document(b, begin, length - 1);
    const bool valid = i < length;
    const int document = valid ? s.document(b, begin, i) : CHUNK;
    c->first[i] = document > 0 ? document : 0;
    c->beta[i] = valid ? beta[s.token(b, begin + i) * s.H + h] : 0;
    scalars[SCALAR_E + i] = document < 0;
    scalars[SCALAR_Z + i] = valid && i >= last;
    scalars[SCALAR_BETA + i] = c->beta[i];
}

/* E o Q, E o K, Z o K and the decay, eight channels at a time */
template <int KP>
DEVICE void write_scaled(const delta_given &to, size_t of, const unsigned char *K, const unsigned char *Q,
                         const float *G, const delta_shape &s, int b, int begin, int length)
{
    constexpr int GATES = vector_tile<KP>::GATES;
    const int last = s.document(b, begin, length - 1);
    for (int n = threadIdx.x; n < CHUNK * 8 * KP; n += 128) {
        const int i = n / (8 * KP), piece = n % (8 * KP), at = piece / 8 * PANEL + swizzle(i, piece % 8);
        if (8 * piece >= s.K8)
            continue;
        const bool enters = i < length && s.document(b, begin, i) < 0, leaves = i < length && i >= last;
        uint32_t of_q[4], of_k[4], of_w[4];
#pragma unroll
        for (int w = 0; w < 4; w++) {
            const float2 x = *(const float2 *)(G + i * GATES + 8 * piece + 2 * w),
                end = *(const float2 *)(G + (length - 1) * GATES + 8 * piece + 2 * w);
            const uint32_t k = ((const uint32_t *)(K + at))[w], q = ((const uint32_t *)(Q + at))[w];
            const float2 E = enters ? make_float2(exp2_fast(x.x), exp2_fast(x.y)) : make_float2(0, 0);
            const float2 Z = leaves ? make_float2(exp2_fast(end.x - x.x), exp2_fast(end.y - x.y)) : make_float2(0, 0);
            of_q[w] = enters ? pack(E.x * low_half(q), E.y * high_half(q)) : 0;
            of_k[w] = enters ? pack(E.x * low_half(k), E.y * high_half(k)) : 0;
            of_w[w] = leaves ? pack(Z.x * low_half(k), Z.y * high_half(k)) : 0;
            if (i == length - 1)
                *(float2 *)(to.decay + of * s.K8 + 8 * piece + 2 * w) = E;
        }
        const size_t row = (of * CHUNK + i) * s.K8 + 8 * piece;
        *(uint4 *)(to.q + row) = make_uint4(of_q[0], of_q[1], of_q[2], of_q[3]);
        *(uint4 *)(to.k + row) = make_uint4(of_k[0], of_k[1], of_k[2], of_k[3]);
        *(uint4 *)(to.w + row) = make_uint4(of_w[0], of_w[1], of_w[2], of_w[3]);
    }
}

/* Pairs that another document or the triangle's edge forbids are 0. */
DEVICE void put_pair(float *Ct, unsigned char *P, int i, int j, float c, float p, const chunk_tokens *t, float scale,
                     int length)
{
    const bool seen = i < length && j <= i && t->first[i] <= j;
    Ct[j * TURN + i] = seen && j < i ? c : 0;
    *(swax_bf16 *)(P + swizzle(i, j / 8) + j % 8 * 2) = as<swax_bf16>(seen ? scale * p : 0.0f);
}

/* The pairs within this warp's block, P_ii into `own`, 4 x 4 at a time: 10 squares of the triangle, three lanes a
 * square, every third channel each */
template <int KP>
DEVICE void near_pairs(float *Ct, unsigned char *P, float *own, const unsigned char *K, const unsigned char *Q,
                       const float *G, const chunk_tokens *t, float scale, int channels, int length)
{
    const int lane = threadIdx.x % 32, n = min(lane / 3, 9), down = n < 1 ? 0 : n < 3 ? 1 : n < 6 ? 2 : 3,
        across = n - down * (down + 1) / 2;
    const int i0 = threadIdx.x / 32 * BLOCK + 4 * down, j0 = threadIdx.x / 32 * BLOCK + 4 * across;
    float c[4][4] = {}, p[4][4] = {};
    for (int channel = lane % 3; channel < channels; channel += 3) {
        float Gi[4], ki[4], qi[4], Gj[4], kj[4];
#pragma unroll
        for (int x = 0; x < 4; x++) {
            Gi[x] = G[(i0 + x) * vector_tile<KP>::GATES + channel],
                Gj[x] = G[(j0 + x) * vector_tile<KP>::GATES + channel];
            ki[x] = tile_value(K, i0 + x, channel), kj[x] = tile_value(K, j0 + x, channel),
                qi[x] = tile_value(Q, i0 + x, channel);
        }
#pragma unroll
        for (int x = 0; x < 4; x++)
#pragma unroll
            for (int y = 0; y < 4; y++) {
                const float of_k = kj[y] * exp2_fast(Gi[x] - Gj[y]);
                c[x][y] += ki[x] * of_k;
                p[x][y] += qi[x] * of_k;
            }
    }
#pragma unroll
    for (int x = 0; x < 4; x++)
#pragma unroll
        for (int y = 0; y < 4; y++) {
            const float c1 = __shfl_down_sync(~0u, c[x][y], 1), c2 = __shfl_down_sync(~0u, c[x][y], 2);
            const float p1 = __shfl_down_sync(~0u, p[x][y], 1), p2 = __shfl_down_sync(~0u, p[x][y], 2);
            const int i = i0 + x, j = j0 + y;
            if (lane % 3 == 0 && lane < 30) {
                put_pair(Ct, P, i, j, c[x][y] + c1 + c2, i == j ? 0 : p[x][y] + p1 + p2, t, scale, length);
                if (i == j)
                    own[i] = i < length ? scale * (p[x][y] + p1 + p2) : 0;
            }
        }
}

/* The pairs of this warp's block with tokens before it */
template <int KP>
DEVICE void far_pairs(float *Ct, unsigned char *P, const unsigned char *K, const unsigned char *Q, const float *G,
                      const chunk_tokens *t, float scale, int length)
{
    constexpr int GATES = vector_tile<KP>::GATES;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, i0 = warp * BLOCK;
    const float *anchor = G + (i0 - 1) * GATES;
    float c[6][4] = {}, p[6][4] = {};
#pragma unroll 1
    for (int step = 0; step < 4 * KP; step++) {
        uint32_t of_k[4], of_q[4];
        const int at = step / 4 * PANEL, piece = step % 4 * 2, channel = 16 * step + lane % 4 * 2;
        ldmatrix(of_k, K + at + swizzle(i0 + lane % 16, piece + lane / 16));
        ldmatrix(of_q, Q + at + swizzle(i0 + lane % 16, piece + lane / 16));
#pragma unroll
        for (int n = 0; n < 4; n++) {
            const float2 x = *(const float2 *)(G + (i0 + lane / 4 + n % 2 * 8) * GATES + channel + n / 2 * 8),
                a = *(const float2 *)(anchor + channel + n / 2 * 8);
            const float f0 = exp2_fast(x.x - a.x), f1 = exp2_fast(x.y - a.y);
            of_k[n] = pack(f0 * low_half(of_k[n]), f1 * high_half(of_k[n]));
            of_q[n] = pack(f0 * low_half(of_q[n]), f1 * high_half(of_q[n]));
        }
#pragma unroll
        for (int n = 0; n < 6; n++) {
            if (n >= 2 * warp)
                break;
            const int j = 8 * n + lane / 4;
            uint32_t y[2];
#pragma unroll
            for (int o = 0; o < 2; o++) {
                const float2 x = *(const float2 *)(G + j * GATES + channel + 8 * o),
                    a = *(const float2 *)(anchor + channel + 8 * o);
                const uint32_t pair = *(const uint32_t *)(K + at + swizzle(j, piece + o) + lane % 4 * 4);
                y[o] = pack(exp2_fast(a.x - x.x) * low_half(pair), exp2_fast(a.y - x.y) * high_half(pair));
            }
            mma(c[n], of_k, y[0], y[1]);
            mma(p[n], of_q, y[0], y[1]);
        }
    }
#pragma unroll
    for (int n = 0; n < 6; n++)
        if (n < 2 * warp)
#pragma unroll
            for (int e = 0; e < 4; e++)
                put_pair(Ct, P, i0 + lane / 4 + e / 2 * 8, 8 * n + lane % 4 * 2 + e % 2, c[n][e], p[n][e], t, scale,
                         length);
}

template <int KP>
static __global__ void __launch_bounds__(128) delta_within_vector_kernel(delta_given to, const swax_bf16 *q,
                                                                         const swax_bf16 *k, const float *g,
                                                                         const float *beta, delta_shape s)
{
    using tile = vector_tile<KP>;
    const size_t of = blockIdx.x;
    const int chunk = (int)(of % s.chunks), bh = (int)(of / s.chunks), b = bh / s.H, h = bh % s.H;
    const int begin = s.begin(chunk), length = s.end(chunk) - begin;
    unsigned char *K = shared_memory(), *Q = K + KP * PANEL, *P = K + tile::RESULT;
    float *G = (float *)(K + tile::G), *Ct = (float *)(K + tile::TURNED), *solution = (float *)(K + tile::SOLUTION);
    chunk_tokens *t = (chunk_tokens *)(K + tile::TOKENS);
    const size_t rows = (s.token(b, begin) * s.G + s.group(h)) * s.K8, stride = (size_t)s.G * s.K8;
    load_tile<KP, 128>(K, PANEL, k + rows, stride, CHUNK, length, s.K8);
    load_tile<KP, 128>(Q, PANEL, q + rows, stride, CHUNK, length, s.K8);
    load_gates<KP, 128>(G, g, s, b, h, begin, length, 0);
    cp_commit();
    if (threadIdx.x < CHUNK)
        vector_scalars(t, to.scalars + of * SCALARS, beta, s, b, h, begin, length);
    for (int n = threadIdx.x; n < CHUNK * TURN; n += 128)
        Ct[n] = 0;
    for (int n = threadIdx.x; n < PANEL / 4; n += 128)
        ((uint32_t *)P)[n] = 0;
    tiles_arrive<0>();
    sum_gates<KP, 128>(G, s, b, begin, length);
    __syncthreads();
    write_scaled<KP>(to, of, K, Q, G, s, b, begin, length);
    near_pairs<KP>(Ct, P, to.scalars + of * SCALARS + SCALAR_OWN, K, Q, G, t, s.scale, s.K, length);
    if (threadIdx.x >= 32)
        far_pairs<KP>(Ct, P, K, Q, G, t, s.scale, length);
    __syncthreads();
    store_tile<1, 128>(to.P + of * CHUNK * CHUNK, CHUNK, P, PANEL, CHUNK, CHUNK, CHUNK);
    if (!s.erase)
        return;
    substitute(solution, Ct, t->beta);
    write_solution(to.N + of * CHUNK * CHUNK, solution);
}

#endif
