/* attention_backward.cuh - windowed attention's gradients, in two passes over the band, each adding in a fixed order:
 *
 *     by queries:  delta_t = dy_t.y_t,   dS = P o (dy v^T - delta),   dq = s dS k
 *     by keys:     dv = P^T dy,          dk = s dS^T q                over all query heads of the key head
 *
 * P = exp(s q k^T - lse) is computed again in both.  A block takes 64 queries (keys) and walks over the tiles of 64
 * keys (queries) in their band; while it computes on one product's elements, the tensor cores are at the next.
 *
 * Both passes read q, k, v and dy, and the second finds them in the cache: one launch has the blocks of both, in turn.
 * What a block of keys needs from blocks of queries, lse and delta of their rows, they write first, and it waits for
 * that.  Which block is which goes by tickets, so that whoever is waited for has begun. */
#ifndef SWAX_ATTENTION_BACKWARD_CUH
#define SWAX_ATTENTION_BACKWARD_CUH

#include "cuda/attention_band.cuh"

/* The tickets: `lead` blocks of queries, then keys and queries in turn, then the keys that are left. */
struct backward_order {
    int queries, keys, lead;
    __device__ bool is_query(int ticket) const
    {
        return ticket < lead || (ticket < 2 * queries - lead && (ticket - lead) % 2);
    }
    __device__ int block(int ticket) const
    {
        return ticket < lead ? ticket
             : ticket >= 2 * queries - lead ? ticket - queries
             : is_query(ticket) ? lead + (ticket - lead) / 2 : (ticket - lead) / 2;
    }
};

/* What blocks tell each other; cleared before. */
struct backward_notes {
    float2 *of_rows;        /* log2 of the softmax's sum, and delta: 64 rows per block of queries */
    int *ticket, *ready;    /* the next; per block of queries */
    int *spoiled;           /* per block of queries, then of keys */
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

/* The head takes P panels of 64 columns. */
template <int P> struct queries_tile {
    enum { STAGES = 2, STAGE = 2 * P * PANEL, QUERIES = STAGES * STAGE, GRADIENTS = QUERIES + P * PANEL,
           BYTES = GRADIENTS + P * PANEL };
};

/* Q, dY       the block's rows in shared memory;  results: y, then dq;  key, value: a stage's tiles
 * X, dX       scores, then P; dy v^T, then dS;  W: dS as left operand;  Y: dq
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
    auto load = [&](int j) {
        unsigned char *s = stages + j % tile::STAGES * tile::STAGE;
        if (j < to) {
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
    unsigned char *results = stages + (from + 1) % tile::STAGES * tile::STAGE;
    load_tile<P, 128>(results, PANEL, y + first, query_stride, 64, a.T - t0, a.width);
    load(from);

    float Y[8 * P][4], X[8][4], dX[8][4], log_sum[2], along[2];
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
            const uint4 u = *(const uint4 *)(results + at), w = *(const uint4 *)(dY + at);
            along[e] += low_half(u.x) * low_half(w.x) + high_half(u.x) * high_half(w.x) +
                        low_half(u.y) * low_half(w.y) + high_half(u.y) * high_half(w.y) +
                        low_half(u.z) * low_half(w.z) + high_half(u.z) * high_half(w.z) +
                        low_half(u.w) * low_half(w.w) + high_half(u.w) * high_half(w.w);
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
        for (int j = from; j < to; j++) {
            tiles_arrive<0>();
            const unsigned char *key = stages + j % tile::STAGES * tile::STAGE, *value = key + P * PANEL;
            clear(X);
            clear(dX);
            mm_settle(X);
            mm_settle(dX);
            mm_begin();
#pragma unroll
            for (int p = 0; p < P; p++)
                mm_nt<64>(X, Q + p * PANEL, key + p * PANEL);
            mm_end();
#pragma unroll
            for (int p = 0; p < P; p++)
                mm_nt<64>(dX, dY + p * PANEL, value + p * PANEL);
            mm_end();
            mm_wait<AGAIN ? 0 : 1>();   /* X is there, and the tile before is no longer needed */
            mm_settle(X);
            __syncthreads();
            load(j + 1);
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
            if (AGAIN)
                mm_wait();
        }
        mm_wait();
        mm_settle(Y);
    };
    if (AGAIN) {
        look_again<P>(how, Y, [&] { load(from), walk(); });
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
    load(0);

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
            clear(X);
            clear(dX);
            mm_settle(X);
            mm_settle(dX);
            mm_begin();
#pragma unroll
            for (int p = 0; p < P; p++)
                mm_nt<64>(X, K + p * PANEL, query + p * PANEL);
            mm_end();
#pragma unroll
            for (int p = 0; p < P; p++)
                mm_nt<64>(dX, V + p * PANEL, gradient + p * PANEL);
            mm_end();
            mm_wait<AGAIN ? 0 : 1>();   /* X is there, and the tile before is no longer needed */
            mm_settle(X);
            __syncthreads();
            load(step + 1);
#pragma unroll
            for (int i = 0; i < 8; i++) {
                const float4 at = rows[4 * i + lane % 4];
#pragma unroll
                for (int e = 0; e < 4; e++)
                    X[i][e] = exp2_fast(scale * X[i][e] - (e % 2 ? at.z : at.x));
            }
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
#pragma unroll
            for (int i = 0; i < 8; i++) {
                const float4 at = rows[4 * i + lane % 4];
#pragma unroll
                for (int e = 0; e < 4; e++)
                    dX[i][e] = X[i][e] * (dX[i][e] - (e % 2 ? at.w : at.y));
            }
            if (AGAIN)
                looked_through(dX, X, how);
            as_operand(dleft, dX);
            mm_begin();
            mm_rn<64 * tile::OUT>(dK, dleft, query + part * PANEL);
            mm_end();
            if (AGAIN)
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

/* Three blocks of narrow heads to a multiprocessor do more than two whose products run on while they compute. */
template <int P>
static __global__ void __launch_bounds__(128, P < 2 ? 3 : P < 4 ? 2 : 1)
attention_backward_kernel(swax_bf16 *dq, swax_bf16 *dk, swax_bf16 *dv, backward_notes notes, const swax_bf16 *dy,
                          const swax_bf16 *q, const swax_bf16 *k, const swax_bf16 *v, const swax_bf16 *y,
                          const float *lse, backward_order order, attention_shape a)
{
    int *mine = (int *)shared_memory();
    if (threadIdx.x == 0)
        *mine = atomicAdd(notes.ticket, 1);
    __syncthreads();
    const int ticket = *mine;
    __syncthreads();
    const int block = order.block(ticket);
    const bool of_queries = order.is_query(ticket);
    const bool good = of_queries ? queries_backward<P, false>(block, dq, notes, dy, q, k, v, y, lse, a)
                                 : keys_backward<P, false>(block, dk, dv, notes, dy, q, k, v, a);
    if (threadIdx.x == 0)
        notes.spoiled[of_queries ? block : order.queries + block] = !good;
}

template <int P>
static __global__ void __launch_bounds__(128, 1)
attention_backward_again_kernel(swax_bf16 *dq, swax_bf16 *dk, swax_bf16 *dv, backward_notes notes, const swax_bf16 *dy,
                                const swax_bf16 *q, const swax_bf16 *k, const swax_bf16 *v, const swax_bf16 *y,
                                const float *lse, backward_order order, attention_shape a)
{
    for_spoiled(notes.spoiled, order.queries + order.keys, [&](int block) {
        if (block < order.queries)
            queries_backward<P, true>(block, dq, notes, dy, q, k, v, y, lse, a);
        else
            keys_backward<P, true>(block - order.queries, dk, dv, notes, dy, q, k, v, a);
    });
}

/* dsink -= sum_t exp(sink - lse_t) delta_t, a block a head, from what the blocks of queries have noted */
static __global__ void attention_sink_kernel(float *dsink, const float *sink, const float2 *of_rows, attention_shape a)
{
    __shared__ float part[8];
    const int h = blockIdx.x, tiles = (a.T + 63) / 64;
    float sum = 0;
    for (int b = 0; b < a.B; b++)
        for (int t = threadIdx.x; t < a.T; t += 256) {
            const float2 of = of_rows[((size_t)b * a.H + h) * tiles * 64 + t];
            sum += exp2f(sink[h] * LOG2E - of.x) * of.y;
        }
    for (int lane = 16; lane; lane /= 2)
        sum += __shfl_xor_sync(~0u, sum, lane);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x)
        return;
    for (int w = 1; w < 8; w++)
        sum += part[w];
    dsink[h] -= sum;
}

#endif
