/* attention_backward_keys.cuh - the pass by keys of attention_backward.cuh: dk and dv. */
#ifndef SWAX_ATTENTION_BACKWARD_KEYS_CUH
#define SWAX_ATTENTION_BACKWARD_KEYS_CUH

#include "cuda/attention_backward_queries.cuh"

/* Wide heads go in PARTS: a block adds up OUT panels of dk and dv. */
template <int P> struct keys_tile {
    enum { STAGES = 2, DATA = 2 * P * PANEL, STARTS = DATA + 64 * 8, STAGE = DATA + 1024,
           KEYS = STAGES * STAGE, VALUES = KEYS + P * PANEL, BYTES = VALUES + P * PANEL,
           PARTS = P < 4 ? 1 : 2, OUT = P / PARTS };
};

/* K, V        the block's rows in shared memory; a stage has a tile of queries, one of dy and what belongs to their
 *             rows
 * part        of wide heads: which panels of dK and dV this block adds up, over all queries that see its keys */
template <int P, bool AGAIN>
DEVICE bool keys_backward(int which, swax_bf16 *dk, swax_bf16 *dv, const backward_notes &notes, const swax_bf16 *dy,
                          const swax_bf16 *q, const swax_bf16 *k, const swax_bf16 *v, const attention_shape &a)
{
    using tile = keys_tile<P>;
    const int tiles = (a.S + 63) / 64, part = which % tile::PARTS * tile::OUT, block = which / tile::PARTS;
    const int j0 = block % tiles * 64, g = block / tiles % a.G, b = block / tiles / a.G, before = a.S - a.T;
    const int lane = threadIdx.x % 32, place = threadIdx.x / 32 * 16 + lane / 4, row = j0 + place;
    const int last = min(j0 + 64, a.S) - 1;
    const int from = max(0, j0 - before) / 64, end = (int)min((long long)a.T, (long long)last - before + a.W);
    const int to = max(from, (end + 63) / 64);
    const int heads = a.H / a.G, steps = heads * (to - from);
    const size_t query_stride = (size_t)a.H * a.width, key_stride = (size_t)a.G * a.width;
    const size_t first = a.key(b, j0, g) * a.width;
    unsigned char *stages = shared_memory(), *K = stages + tile::KEYS, *V = stages + tile::VALUES;

    auto query_block = [&](int h, int t) { return ((size_t)b * a.H + h) * ((a.T + 63) / 64) + t; };
    int next_h = g * heads, next_t = from * 64;         /* of the next tile to load */
    int how = AS_IS;    /* at queries, which make their row's sum spoiled, and dy, whose columns are marked in dv */
    auto load = [&](int step) {
        if (step < steps) {
            unsigned char *s = stages + step % tile::STAGES * tile::STAGE;
            const int h = next_h, t = next_t;
            next_t += 64;
            if (next_t >= to * 64)
                next_t = from * 64, next_h++;
            const size_t at = a.query(b, t, h);
            if (!AGAIN)
                load_tile<P, 128, true>(s, PANEL, q + at * a.width, query_stride, 64, a.T - t, a.width);
            else
                load_looked_at<P, 128>((look)how, s, PANEL, q + at * a.width, query_stride, 64, a.T - t, a.width);
            if (!AGAIN)
                load_tile<P, 128, true>(s + P * PANEL, PANEL, dy + at * a.width, query_stride, 64, a.T - t, a.width);
            else
                load_looked_at<P, 128>((look)how, s + P * PANEL, PANEL, dy + at * a.width, query_stride, 64, a.T - t,
                                       a.width);
            if (threadIdx.x < 32)
                cp_async((float4 *)(s + tile::DATA) + threadIdx.x,
                         notes.of_rows + query_block(h, t / 64) * 64 + 2 * threadIdx.x);
            if (a.start && threadIdx.x < 64) {
                const bool valid = t + (int)threadIdx.x < a.T;
                cp_async_4((int *)(s + tile::STARTS) + threadIdx.x,
                           a.start + (size_t)b * a.T + (valid ? t + threadIdx.x : t), valid);
            }
        }
        cp_commit();
    };
    load_tile<P, 128>(K, PANEL, k + first, key_stride, 64, a.S - j0, a.width);
    load_tile<P, 128>(V, PANEL, v + first, key_stride, 64, a.S - j0, a.width);
    for (int step = threadIdx.x; step < steps; step += 128)
        while (!published(notes.ready + query_block(g * heads + step / (to - from), from + step % (to - from)))) {}
    __syncthreads();
    load(AGAIN ? steps : 0);            /* none, where each look loads its own */

    float dK[8 * tile::OUT][4], dV[8 * tile::OUT][4], X[8][4], dX[8][4];
    uint32_t left[4][4], dleft[4][4];
    int seen_from[2], seen_to[2];       /* the queries that see this thread's keys */
#pragma unroll
    for (int e = 0; e < 2; e++) {
        seen_from[e] = row + 8 * e - before;
        seen_to[e] = (int)min((long long)a.T - 1, (long long)seen_from[e] + a.W - 1);
    }
    const float s = rsqrtf((float)a.D), scale = s * LOG2E;
    auto walk = [&] {
        clear(dK);
        clear(dV);
        mm_settle(dK);
        mm_settle(dV);
        int t0 = from * 64;                     /* the tile's first query */
        for (int step = 0; step < steps; step++) {
            tiles_arrive<0>();
            const unsigned char *query = stages + step % tile::STAGES * tile::STAGE, *gradient = query + P * PANEL;
            const float4 *rows = (const float4 *)(query + tile::DATA);      /* of two queries, log2 of the sum, dy.y */
            const int2 *starts = (const int2 *)(query + tile::STARTS);
            start_products<P, AGAIN>(X, dX, K, query, V, gradient);
            __syncthreads();            /* the tile before is no longer needed */
            load(step + 1);
            weights_of_keys(X, rows, scale);
            if (AGAIN && how == MARKS)
                fill(X, 1);
            const int p0 = t0 + before;         /* the first query's place among the keys */
            if (t0 + 64 > a.T || last > p0 || j0 <= p0 + 63 - a.W)
#pragma unroll
                for (int i = 0; i < 8; i++)
#pragma unroll
                    for (int e = 0; e < 4; e++) {
                        const int t = t0 + 8 * i + lane % 4 * 2 + e % 2;
                        if ((t < seen_from[e / 2]) | (t > seen_to[e / 2]))
                            X[i][e] = 0;
                    }
            if (a.start)
#pragma unroll
                for (int i = 0; i < 8; i++)
#pragma unroll
                    for (int e = 0; e < 4; e++) {
                        const int2 start = starts[4 * i + lane % 4];
                        if (row + e / 2 * 8 < (e % 2 ? start.y : start.x) + before)
                            X[i][e] = 0;
                    }
            t0 = t0 + 64 < to * 64 ? t0 + 64 : from * 64;
            as_operand(left, X);
            mm_begin();
            mm_rn<64 * tile::OUT>(dV, left, gradient + part * PANEL);
            mm_end();
            mm_wait<AGAIN ? 0 : 1>();
            mm_settle(dX);
            gradients_of_scores(dX, X, rows);
            if (AGAIN)
                looked_through(dX, X, how);
            as_operand(dleft, dX);
            mm_begin();
            mm_rn<64 * tile::OUT>(dK, dleft, query + part * PANEL);
            mm_end();
            if (P < 2 || AGAIN)
                mm_wait();
        }
        mm_wait();
        mm_settle(dK);
        mm_settle(dV);
    };
    if (AGAIN) {
        look_again<tile::OUT>(how, dV, [&] {
            next_h = g * heads, next_t = from * 64;
            load(0), walk();
        });
    } else {
        walk();
        const bool upper = row < a.S, lower = row + 8 < a.S;
        if (__syncthreads_or(spoiled(dK, upper, lower) || spoiled(dV, upper, lower)))
            return false;
    }
    multiply(dK, s);
    const int columns = a.width - 64 * part;
    cp_wait<0>();
    __syncthreads();
    load_tile<tile::OUT, 128>(K, PANEL, dk + first + 64 * part, key_stride, 64, a.S - j0, columns);
    load_tile<tile::OUT, 128>(V, PANEL, dv + first + 64 * part, key_stride, 64, a.S - j0, columns);
    cp_commit();
    tiles_arrive<0>();
    add_to_tile<tile::OUT>(K, PANEL, place, dK);
    add_to_tile<tile::OUT>(V, PANEL, place, dV);
    __syncthreads();
    store_tile<tile::OUT, 128>(dk + first + 64 * part, key_stride, K, PANEL, 64, a.S - j0, columns);
    store_tile<tile::OUT, 128>(dv + first + 64 * part, key_stride, V, PANEL, 64, a.S - j0, columns);
    return true;
}

#endif
