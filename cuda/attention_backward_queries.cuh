/* attention_backward_queries.cuh - the pass by queries of attention_backward.cuh: dq, and what belongs to rows. */
#ifndef SWAX_ATTENTION_BACKWARD_QUERIES_CUH
#define SWAX_ATTENTION_BACKWARD_QUERIES_CUH

#include "cuda/attention_band.cuh"

/* What blocks tell each other; cleared before. */
struct backward_notes {
    float2 *of_rows;        /* log2 of the softmax's sum, and delta: 64 rows per block of queries */
    int *ticket, *ready;    /* the next; per block of queries */
    int *spoiled;           /* per block of queries, then of keys */
    bool in_one_pass;       /* this is done again: sum dq up as attention_gradient.cuh has done it */
};

/* dS where not all numbers are: 1 for what is seen, or 0, and not NaN, for what is not */
DEVICE void looked_through(float (&dX)[8][4], float (&X)[8][4], int how)
{
#pragma unroll
    for (int i = 0; i < 8; i++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            dX[i][e] = how == MARKS || X[i][e] == 0 ? X[i][e] : dX[i][e];
}

/* Tiles of keys, from .. to - 1, in the order in which a block of queries takes them: from the first to the last, each
 * added to the sum of those before; or by pairs from the last to the first, each pair summed up by itself. */
struct keys_order {
    int from, to;
    bool by_pairs;
    __device__ int first() const { return by_pairs ? max((to - 1) / 2 * 2, from) : from; }
    /* ... or -1 */
    __device__ int after(int j) const
    {
        if (!by_pairs || (j % 2 == 0 && j + 1 < to))
            return j + 1 < to ? j + 1 : -1;
        return j / 2 * 2 > from ? max(j / 2 * 2 - 2, from) : -1;
    }
    __device__ bool ends_sum(int j) const { return by_pairs && (j % 2 || j + 1 == to); }
};

/* The head takes P panels of 64 columns. */
template <int P> struct queries_tile {
    enum { STAGES = 2, STAGE = 2 * P * PANEL, QUERIES = STAGES * STAGE, GRADIENTS = QUERIES + P * PANEL,
           BYTES = GRADIENTS + P * PANEL };
};

/* Q, dY       the block's rows in shared memory;  results: y, then dq;  key, value: a stage's tiles
 * X, dX       scores, then P; dy v^T, then dS;  W: dS as left operand;  Y: dq
 * sum         where it is done AGAIN, of pairs before
 * log_sum     log2 of the softmax's sum, along: delta, begin and end: the keys seen, of this lane's two rows */
template <int P, bool AGAIN>
DEVICE bool queries_backward(int block, swax_bf16 *dq, const backward_notes &notes, const swax_bf16 *dy,
                             const swax_bf16 *q, const swax_bf16 *k, const swax_bf16 *v, const swax_bf16 *y,
                             const float *lse, const attention_shape &a)
{
    using tile = queries_tile<P>;
    const int tiles = (a.T + 63) / 64, t0 = block % tiles * 64;
    const int h = block / tiles % a.H, b = block / tiles / a.H, g = (int)((long long)h * a.G / a.H), before = a.S - a.T;
    const int lane = threadIdx.x % 32, place = threadIdx.x / 32 * 16 + lane / 4, row = t0 + place;
    const int last = min(t0 + 64, a.T) - 1;
    const int from = a.first_key(b, t0) / 64, to = (last + before) / 64 + 1, all_see = a.first_key(b, last);
    const size_t query_stride = (size_t)a.H * a.width, key_stride = (size_t)a.G * a.width;
    const size_t first = a.query(b, t0, h) * a.width;
    unsigned char *stages = shared_memory(), *Q = stages + tile::QUERIES, *dY = stages + tile::GRADIENTS;

    int how = AS_IS;                        /* looked at keys, of which a spoiled one spoils all of its queries' rows */
    const keys_order order = { from, to, AGAIN && notes.in_one_pass };
    auto load = [&](int j, int step) {
        unsigned char *s = stages + step % tile::STAGES * tile::STAGE;
        if (j >= 0) {
            const size_t at = a.key(b, 64 * j, g) * a.width;
            if (!AGAIN)
                load_tile<P, 128>(s, PANEL, k + at, key_stride, 64, a.S - 64 * j, a.width);
            else
                load_looked_at<P, 128, true>((look)how, s, PANEL, k + at, key_stride, 64, a.S - 64 * j, a.width);
            load_tile<P, 128>(s + P * PANEL, PANEL, v + at, key_stride, 64, a.S - 64 * j, a.width);
        }
        cp_commit();
    };
    load_tile<P, 128>(Q, PANEL, q + first, query_stride, 64, a.T - t0, a.width);
    load_tile<P, 128>(dY, PANEL, dy + first, query_stride, 64, a.T - t0, a.width);
    /* y waits where the second tile of keys will be */
    unsigned char *results = stages + tile::STAGE;
    load_tile<P, 128>(results, PANEL, y + first, query_stride, 64, a.T - t0, a.width);
    load(AGAIN ? -1 : order.first(), 0);

    float Y[8 * P][4], sum[AGAIN ? 8 * P : 1][4], X[8][4], dX[8][4], log_sum[2], along[2];
    uint32_t W[4][4];
    int begin[2], end[2];
#pragma unroll
    for (int e = 0; e < 2; e++) {
        const bool valid = row + 8 * e < a.T;
        const size_t at = a.query(b, valid ? row + 8 * e : t0, h);
        begin[e] = valid ? a.first_key(b, row + 8 * e) : 0;
        end[e] = valid ? row + 8 * e + before : -1;
        log_sum[e] = lse[at] * LOG2E;
    }
    tiles_arrive<0>();
#pragma unroll
    for (int e = 0; e < 2; e++) {           /* each of the 4 lanes of a row takes every fourth piece of 16 bytes */
        along[e] = 0;
#pragma unroll
        for (int i = 0; i < 2 * P; i++) {
            const int at = i / 2 * PANEL + swizzle(place + 8 * e, i % 2 * 4 + lane % 4);
            along[e] += pieces_product(*(const uint4 *)(results + at), *(const uint4 *)(dY + at));
        }
        along[e] = quad_sum(along[e]);
        if (lane % 4 == 0)
            notes.of_rows[(size_t)block * 64 + place + 8 * e] = make_float2(log_sum[e], along[e]);
    }
    __syncthreads();
    if (threadIdx.x == 0)
        publish(notes.ready + block);
    const float s = rsqrtf((float)a.D), scale = s * LOG2E;
    auto walk = [&] {
        clear(Y);
        mm_settle(Y);
        if (AGAIN)
            clear(sum);
        for (int j = order.first(), step = 0, next; j >= 0; j = next, step++) {
            tiles_arrive<0>();
            next = order.after(j);
            const unsigned char *key = stages + step % tile::STAGES * tile::STAGE, *value = key + P * PANEL;
            start_products<P, AGAIN>(X, dX, Q, key, dY, value);
            __syncthreads();            /* the tile before is no longer needed */
            load(next, step + 1);
#pragma unroll
            for (int i = 0; i < 8; i++)
#pragma unroll
                for (int e = 0; e < 4; e++)
                    X[i][e] = exp2_fast(scale * X[i][e] - log_sum[e / 2]);
            if (AGAIN && how == MARKS)
                fill(X, 1);
            if (64 * j < all_see || 64 * j + 63 > t0 + before)
#pragma unroll
                for (int i = 0; i < 8; i++)
#pragma unroll
                    for (int e = 0; e < 4; e++) {
                        const int c = 64 * j + 8 * i + lane % 4 * 2 + e % 2;
                        if ((c < begin[e / 2]) | (c > end[e / 2]))
                            X[i][e] = 0;
                    }
            mm_wait();
            mm_settle(dX);
#pragma unroll
            for (int i = 0; i < 8; i++)
#pragma unroll
                for (int e = 0; e < 4; e++)
                    dX[i][e] = X[i][e] * (dX[i][e] - along[e / 2]);
            if (AGAIN)
                looked_through(dX, X, how);
            as_operand(W, dX);
            mm_begin();
            mm_rn<64 * P>(Y, W, key);
            mm_end();
            if constexpr (AGAIN) {
                mm_wait();
                mm_settle(Y);
                if (order.ends_sum(j)) {
                    add(sum, Y);
                    clear(Y);
                    mm_settle(Y);
                }
            }
        }
        mm_wait();
        mm_settle(Y);
        if constexpr (AGAIN)
            add(Y, sum);
    };
    if (AGAIN) {
        look_again<P>(how, Y, [&] { load(order.first(), 0), walk(); });
    } else {
        walk();
        if (__syncthreads_or(spoiled(Y, end[0] >= 0, end[1] >= 0)))
            return false;
    }
    multiply(Y, s);
    __syncthreads();
    load_tile<P, 128>(Q, PANEL, dq + first, query_stride, 64, a.T - t0, a.width);
    cp_commit();
    tiles_arrive<0>();
    add_to_tile<P>(Q, PANEL, place, Y);
    __syncthreads();
    store_tile<P, 128>(dq + first, query_stride, Q, PANEL, 64, a.T - t0, a.width);
    return true;
}

#endif
