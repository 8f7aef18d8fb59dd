/* attention_forward.cuh - windowed attention, blockwise over the band.
 *
 * A group of four warps takes 64 queries of a head and walks over the tiles of 64 keys that at least one of them sees;
 * the softmax is kept online: the largest score so far, the sum relative to it. */
#ifndef SWAX_ATTENTION_FORWARD_CUH
#define SWAX_ATTENTION_FORWARD_CUH

#include "cuda/attention_band.cuh"
#include "cuda/hopper.cuh"

/* P panels of 64 columns hold the head */
template <int P, int GROUPS> struct forward_tile {
    enum { THREADS = 128 * GROUPS, ROWS = 64 * GROUPS, STAGES = P == 1 ? 3 : 2, BLOCKS = 4 / P,
           STAGE = 2 * P * PANEL, QUERIES = STAGES * STAGE, BYTES = QUERIES + GROUPS * P * PANEL };
};

/* False where the result is spoiled, which is why it is done AGAIN, with a look at values: a spoiled one must not
 * reach a query that does not see it. */
template <int P, int GROUPS, bool AGAIN>
DEVICE bool forward_block(int block, swax_bf16 *y, float *lse, const swax_bf16 *q, const swax_bf16 *k,
                          const swax_bf16 *v, const float *sink, const attention_shape &a)
{
    using tile = forward_tile<P, GROUPS>;
    const int tiles = (a.T + tile::ROWS - 1) / tile::ROWS, t0 = block % tiles * tile::ROWS;
    const int h = block / tiles % a.H, b = block / tiles / a.H, g = (int)((long long)h * a.G / a.H);
    const int before = a.S - a.T;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, group = warp / 4, row = t0 + 16 * warp + lane / 4;
    const int last = min(t0 + tile::ROWS, a.T) - 1, from = a.first_key(b, t0) / 64, to = (last + before) / 64 + 1;
    const int first_of_group = t0 + 64 * group, last_of_group = min(first_of_group + 63, a.T - 1);
    const bool busy = first_of_group < a.T;
    const int group_from = busy ? a.first_key(b, first_of_group) : 0;
    const int group_all = busy ? a.first_key(b, last_of_group) : 0;
    const size_t query_stride = (size_t)a.H * a.width, key_stride = (size_t)a.G * a.width;
    unsigned char *stages = shared_memory(), *Q = stages + tile::QUERIES;

    int how = AS_IS;
    auto load = [&](int j) {
        unsigned char *s = stages + j % tile::STAGES * tile::STAGE;
        if (j < to) {
            const size_t at = a.key(b, 64 * j, g) * a.width;
            load_tile<P, tile::THREADS>(s, PANEL, k + at, key_stride, 64, a.S - 64 * j, a.width);
            if (!AGAIN)
                load_tile<P, tile::THREADS>(s + P * PANEL, PANEL, v + at, key_stride, 64, a.S - 64 * j, a.width);
            else
                load_looked_at<P, tile::THREADS>((look)how, s + P * PANEL, PANEL, v + at, key_stride, 64,
                                                 a.S - 64 * j, a.width);
        }
        cp_commit();
    };
    load_tile<P, tile::THREADS>(Q, GROUPS * PANEL, q + a.query(b, t0, h) * a.width, query_stride, tile::ROWS, a.T - t0,
                                a.width);

    /* The sink is a score that is seen first; one of a row's four lanes counts it. */
    const float sunk = sink ? sink[h] * LOG2E : -INFINITY, counts = sink && lane % 4 == 0;
    float Y[8 * P][4], base[2], sum[2], shrink[2];
    int begin[2], end[2];
#pragma unroll
    for (int e = 0; e < 2; e++) {
        const bool valid = row + 8 * e < a.T;
        begin[e] = valid ? a.first_key(b, row + 8 * e) : 0;
        end[e] = valid ? row + 8 * e + before : -1;
    }
    const float scale = rsqrtf((float)a.D) * LOG2E;
    auto walk = [&] {
#pragma unroll
        for (int e = 0; e < 2; e++) {
            base[e] = AGAIN && how == MARKS ? -INFINITY : sunk;
            sum[e] = counts;
        }
        clear(Y);
        for (int j = from; j < from + tile::STAGES - 1; j++)
            load(j);
        for (int j = from; j < to; j++) {
            tiles_arrive<tile::STAGES - 2>();
            load(j + tile::STAGES - 1);
            const unsigned char *s = stages + j % tile::STAGES * tile::STAGE;
            if (!busy || 64 * j > last_of_group + before || 64 * j + 63 < group_from)
                continue;
            float X[8][4];
            clear(X);
            mm_begin();
#pragma unroll
            for (int p = 0; p < P; p++)
                mm_nt<64>(X, Q + (p * GROUPS + group) * PANEL, s + p * PANEL);
            mm_end();
            mm_wait();
            if (AGAIN && how == MARKS)
                clear(X);
            if (64 * j < group_all || 64 * j + 63 > first_of_group + before)
                hide_scores(X, 64 * j, begin, end);
            if (softmax_step(X, base, sum, shrink, scale)) {
#pragma unroll
                for (int i = 0; i < 8 * P; i++)
#pragma unroll
                    for (int e = 0; e < 4; e++)
                        Y[i][e] *= shrink[e / 2];
            }
            uint32_t W[4][4];
            as_operand(W, X);
            mm_begin();
            mm_rn<64 * P>(Y, W, s + P * PANEL);
            mm_end();
            mm_wait();
        }
    };
    if (AGAIN) {
        look_again<P>(how, Y, walk);
    } else {
        walk();
        if (__syncthreads_or(spoiled(Y, end[0] >= 0, end[1] >= 0)))
            return false;
    }
#pragma unroll
    for (int e = 0; e < 2; e++) {
        const float all = quad_sum(sum[e]), over = 1 / all;
        if (end[e] >= 0 && lane % 4 == 0)
            lse[a.query(b, row + 8 * e, h)] = (base[e] + log2f(all)) / LOG2E;
#pragma unroll
        for (int i = 0; i < 8 * P; i++)
            Y[i][2 * e] *= over, Y[i][2 * e + 1] *= over;
    }
    __syncthreads();
    put_in_tile<P>(Q, GROUPS * PANEL, 16 * warp + lane / 4, Y);
    __syncthreads();
    store_tile<P, tile::THREADS>(y + a.query(b, t0, h) * a.width, query_stride, Q, GROUPS * PANEL, tile::ROWS, a.T - t0,
                                 a.width);
    return true;
}

template <int P, int GROUPS>
static __global__ void __launch_bounds__(128 * GROUPS, forward_tile<P, GROUPS>::BLOCKS)
    attention_forward_kernel(swax_bf16 *y, float *lse, int *spoiled, const swax_bf16 *q, const swax_bf16 *k,
                             const swax_bf16 *v, const float *sink, attention_shape a)
{
    next_may_begin();
    const bool good = forward_block<P, GROUPS, false>(blockIdx.x, y, lse, q, k, v, sink, a);
    if (threadIdx.x == 0)
        spoiled[blockIdx.x] = !good;
}

template <int P, int GROUPS>
static __global__ void __launch_bounds__(128 * GROUPS, 1)
    attention_forward_again_kernel(swax_bf16 *y, float *lse, const int *spoiled, int blocks, const swax_bf16 *q,
                                   const swax_bf16 *k, const swax_bf16 *v, const float *sink, attention_shape a)
{
    others_done();
    for_spoiled(spoiled, blocks, [&](int block) { forward_block<P, GROUPS, true>(block, y, lse, q, k, v, sink, a); });
}

#endif
