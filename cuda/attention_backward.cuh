/* attention_backward.cuh - windowed attention's gradients, in two passes over the band, each adding in a fixed order:
 *
 *     by queries:  delta_t = dy_t.y_t,   dS = P o (dy v^T - delta),   dq = s dS k
 *     by keys:     dv = P^T dy,          dk = s dS^T q                over all query heads of the key head
 *
 * P = exp(s q k^T - lse) is computed again in both. */
#ifndef SWAX_ATTENTION_BACKWARD_CUH
#define SWAX_ATTENTION_BACKWARD_CUH

#include "attention_band.cuh"

template <int P, int GROUPS> struct queries_tile {
    enum { THREADS = 128 * GROUPS, ROWS = 64 * GROUPS, STAGES = 2, STAGE = 2 * P * PANEL, SIDE = GROUPS * P * PANEL,
           QUERIES = STAGES * STAGE, BYTES = QUERIES + 2 * SIDE };
};

template <int P, int GROUPS>
static __global__ void __launch_bounds__(128 * GROUPS, P < 4 ? 2 / GROUPS : 1)
attention_queries_kernel(swax_bf16 *dq, float *delta, const swax_bf16 *dy, const swax_bf16 *q, const swax_bf16 *k, const swax_bf16 *v,
                         const swax_bf16 *y, const float *lse, attention_shape a)
{
    using tile = queries_tile<P, GROUPS>;
    const int tiles = (a.T + tile::ROWS - 1) / tile::ROWS, t0 = blockIdx.x % tiles * tile::ROWS;
    const int h = blockIdx.x / tiles % a.H, b = blockIdx.x / tiles / a.H, g = (int)((long long)h * a.G / a.H), before = a.S - a.T;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, group = warp / 4, row = t0 + 16 * warp + lane / 4;
    const int last = min(t0 + tile::ROWS, a.T) - 1, from = a.first_key(b, t0) / 64, to = (last + before) / 64 + 1;
    const int first_of_group = t0 + 64 * group, last_of_group = min(first_of_group + 63, a.T - 1);
    const bool busy = first_of_group < a.T;
    const int group_from = busy ? a.first_key(b, first_of_group) : 0, group_all = busy ? a.first_key(b, last_of_group) : 0;
    const size_t query_stride = (size_t)a.H * a.width, key_stride = (size_t)a.G * a.width, first = a.query(b, t0, h) * a.width;
    unsigned char *stages = shared_memory(), *Q = stages + tile::QUERIES, *dY = Q + tile::SIDE;

    auto load = [&](int j) {
        unsigned char *s = stages + j % tile::STAGES * tile::STAGE;
        if (j < to) {
            const size_t at = a.key(b, 64 * j, g) * a.width;
            load_tile<P, tile::THREADS>(s, PANEL, k + at, key_stride, 64, a.S - 64 * j, a.width);
            load_tile<P, tile::THREADS>(s + P * PANEL, PANEL, v + at, key_stride, 64, a.S - 64 * j, a.width);
        }
        cp_commit();
    };
    load_tile<P, tile::THREADS>(Q, GROUPS * PANEL, q + first, query_stride, tile::ROWS, a.T - t0, a.width);
    load_tile<P, tile::THREADS>(dY, GROUPS * PANEL, dy + first, query_stride, tile::ROWS, a.T - t0, a.width);
    load(from);

    float Y[8 * P][4], log_sum[2], along[2];
    int begin[2], end[2];
#pragma unroll
    for (int e = 0; e < 2; e++) {
        const bool valid = row + 8 * e < a.T;
        const size_t at = a.query(b, valid ? row + 8 * e : t0, h);
        begin[e] = valid ? a.first_key(b, row + 8 * e) : 0;
        end[e] = valid ? row + 8 * e + before : -1;
        log_sum[e] = lse[at] * LOG2E;
        along[e] = 0;
        for (int c = lane % 4 * 8; c < a.width; c += 32) {
            const uint4 u = *(const uint4 *)(y + at * a.width + c), w = *(const uint4 *)(dy + at * a.width + c);
            along[e] += low_half(u.x) * low_half(w.x) + high_half(u.x) * high_half(w.x) + low_half(u.y) * low_half(w.y) + high_half(u.y) * high_half(w.y)
                      + low_half(u.z) * low_half(w.z) + high_half(u.z) * high_half(w.z) + low_half(u.w) * low_half(w.w) + high_half(u.w) * high_half(w.w);
        }
        along[e] = quad_sum(along[e]);
        if (valid && lane % 4 == 0)
            delta[at] = along[e];
    }
    clear(Y);
    const float s = rsqrtf((float)a.D), scale = s * LOG2E;
    for (int j = from; j < to; j++) {
        tiles_arrive<0>();
        load(j + 1);
        const unsigned char *key = stages + j % tile::STAGES * tile::STAGE, *value = key + P * PANEL;
        if (!busy || 64 * j > last_of_group + before || 64 * j + 63 < group_from)
            continue;
        float X[8][4], dX[8][4];
        clear(X);
        clear(dX);
        mm_settle(X);
        mm_settle(dX);
        mm_begin();
#pragma unroll
        for (int p = 0; p < P; p++)
            mm_nt<64>(X, Q + (p * GROUPS + group) * PANEL, key + p * PANEL);
#pragma unroll
        for (int p = 0; p < P; p++)
            mm_nt<64>(dX, dY + (p * GROUPS + group) * PANEL, value + p * PANEL);
        mm_end();
        mm_wait();
        const bool masked = 64 * j < group_all || 64 * j + 63 > first_of_group + before;
#pragma unroll
        for (int i = 0; i < 8; i++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const int c = 64 * j + 8 * i + lane % 4 * 2 + e % 2;
                dX[i][e] = exp2_fast(scale * X[i][e] - log_sum[e / 2]) * (dX[i][e] - along[e / 2]) * s;
                if (masked && (c < begin[e / 2] || c > end[e / 2]))
                    dX[i][e] = 0;
            }
        uint32_t W[4][4];
        as_operand(W, dX);
        mm_begin();
        mm_rn<64 * P>(Y, W, key);
        mm_end();
        mm_wait();
    }
    __syncthreads();
    load_tile<P, tile::THREADS>(Q, GROUPS * PANEL, dq + first, query_stride, tile::ROWS, a.T - t0, a.width);
    cp_commit();
    tiles_arrive<0>();
    add_to_tile<P>(Q, GROUPS * PANEL, 16 * warp + lane / 4, Y);
    __syncthreads();
    store_tile<P, tile::THREADS>(dq + first, query_stride, Q, GROUPS * PANEL, tile::ROWS, a.T - t0, a.width);
}

/* Per query of a tile: what exp needs, and the first key it sees */
struct query_data { float lse, delta; int start; };

template <int P, int GROUPS> struct keys_tile {
    enum { THREADS = 128 * GROUPS, ROWS = 64 * GROUPS, STAGES = 2, SIDE = GROUPS * P * PANEL, DATA = 2 * P * PANEL, STAGE = DATA + 1024,
           KEYS = STAGES * STAGE, BYTES = KEYS + 2 * SIDE, PARTS = P < 4 ? 1 : 2, OUT = P / PARTS };
};

template <int P, int GROUPS>
static __global__ void __launch_bounds__(128 * GROUPS, P < 4 ? 2 / GROUPS : 1)
attention_keys_kernel(swax_bf16 *dk, swax_bf16 *dv, const swax_bf16 *dy, const swax_bf16 *q, const swax_bf16 *k, const swax_bf16 *v,
                      const float *lse, const float *delta, attention_shape a)
{
    using tile = keys_tile<P, GROUPS>;
    const int tiles = (a.S + tile::ROWS - 1) / tile::ROWS, part = blockIdx.x % tile::PARTS * tile::OUT, block = blockIdx.x / tile::PARTS;
    const int j0 = block % tiles * tile::ROWS, g = block / tiles % a.G, b = block / tiles / a.G, before = a.S - a.T;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, group = warp / 4, row = j0 + 16 * warp + lane / 4;
    const int last = min(j0 + tile::ROWS, a.S) - 1, from = max(0, j0 - before) / 64, heads = a.H / a.G;
    const int end = (int)min((long long)a.T, (long long)last - before + a.W), to = max(from, (end + 63) / 64), steps = heads * (to - from);
    const int first_of_group = j0 + 64 * group, last_of_group = min(first_of_group + 63, a.S - 1);
    const size_t query_stride = (size_t)a.H * a.width, key_stride = (size_t)a.G * a.width, first = a.key(b, j0, g) * a.width;
    unsigned char *stages = shared_memory(), *K = stages + tile::KEYS, *V = K + tile::SIDE;

    auto load = [&](int step) {
        if (step < steps) {
            unsigned char *s = stages + step % tile::STAGES * tile::STAGE;
            const int h = g * heads + step / (to - from), t = (from + step % (to - from)) * 64;
            const size_t at = a.query(b, t, h);
            load_tile<P, tile::THREADS>(s, PANEL, q + at * a.width, query_stride, 64, a.T - t, a.width);
            load_tile<P, tile::THREADS>(s + P * PANEL, PANEL, dy + at * a.width, query_stride, 64, a.T - t, a.width);
            if (threadIdx.x < 64) {
                const bool valid = t + (int)threadIdx.x < a.T;
                const size_t mine = valid ? at + (size_t)threadIdx.x * a.H : at;
                query_data *data = (query_data *)(s + tile::DATA) + threadIdx.x;
                cp_async_4(&data->lse, lse + mine, valid);
                cp_async_4(&data->delta, delta + mine, valid);
                if (a.start)
                    cp_async_4(&data->start, a.start + (size_t)b * a.T + (valid ? t + threadIdx.x : t), valid);
            }
        }
        cp_commit();
    };
    load_tile<P, tile::THREADS>(K, GROUPS * PANEL, k + first, key_stride, tile::ROWS, a.S - j0, a.width);
    load_tile<P, tile::THREADS>(V, GROUPS * PANEL, v + first, key_stride, tile::ROWS, a.S - j0, a.width);
    load(0);

    float dK[8 * tile::OUT][4], dV[8 * tile::OUT][4];
    clear(dK);
    clear(dV);
    const float s = rsqrtf((float)a.D), scale = s * LOG2E;
    for (int step = 0; step < steps; step++) {
        tiles_arrive<0>();
        load(step + 1);
        const unsigned char *query = stages + step % tile::STAGES * tile::STAGE, *gradient = query + P * PANEL;
        const query_data *data = (const query_data *)(query + tile::DATA);
        const int t0 = (from + step % (to - from)) * 64, p0 = t0 + before;      /* the tile's first query, and its place among the keys */
        if (first_of_group >= a.S || first_of_group > p0 + 63 || last_of_group < p0 - a.W + 1)
            continue;
        const bool masked = a.start || t0 + 64 > a.T || last_of_group > p0 || first_of_group <= p0 + 63 - a.W;
        float X[8][4], dX[8][4];
        clear(X);
        clear(dX);
        mm_settle(X);
        mm_settle(dX);
        mm_begin();
#pragma unroll
        for (int p = 0; p < P; p++)
            mm_nt<64>(X, K + (p * GROUPS + group) * PANEL, query + p * PANEL);
#pragma unroll
        for (int p = 0; p < P; p++)
            mm_nt<64>(dX, V + (p * GROUPS + group) * PANEL, gradient + p * PANEL);
        mm_end();
        mm_wait();
#pragma unroll
        for (int i = 0; i < 8; i++)
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const int c = 8 * i + lane % 4 * 2 + e % 2, r = row + e / 2 * 8, t = t0 + c;
                X[i][e] = exp2_fast(scale * X[i][e] - LOG2E * data[c].lse);
                if (masked && (t >= a.T || r > t + before || r <= t + before - a.W || (a.start && r < data[c].start + before)))
                    X[i][e] = 0;
                dX[i][e] = X[i][e] == 0 ? 0 : X[i][e] * (dX[i][e] - data[c].delta) * s;
            }
        uint32_t left[4][4], dleft[4][4];
        as_operand(left, X);
        as_operand(dleft, dX);
        mm_settle(dV);
        mm_settle(dK);
        mm_begin();
        mm_rn<64 * tile::OUT>(dV, left, gradient + part * PANEL);
        mm_rn<64 * tile::OUT>(dK, dleft, query + part * PANEL);
        mm_end();
        mm_wait();
    }
    const int columns = a.width - 64 * part;
    cp_wait<0>();
    __syncthreads();
    load_tile<tile::OUT, tile::THREADS>(K, GROUPS * PANEL, dk + first + 64 * part, key_stride, tile::ROWS, a.S - j0, columns);
    load_tile<tile::OUT, tile::THREADS>(V, GROUPS * PANEL, dv + first + 64 * part, key_stride, tile::ROWS, a.S - j0, columns);
    cp_commit();
    tiles_arrive<0>();
    add_to_tile<tile::OUT>(K, GROUPS * PANEL, 16 * warp + lane / 4, dK);
    add_to_tile<tile::OUT>(V, GROUPS * PANEL, 16 * warp + lane / 4, dV);
    __syncthreads();
    store_tile<tile::OUT, tile::THREADS>(dk + first + 64 * part, key_stride, K, GROUPS * PANEL, tile::ROWS, a.S - j0, columns);
    store_tile<tile::OUT, tile::THREADS>(dv + first + 64 * part, key_stride, V, GROUPS * PANEL, tile::ROWS, a.S - j0, columns);
}

#endif
