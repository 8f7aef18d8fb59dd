/* attention_stream.cuh - windowed attention on sm_90a, for heads up to 128: a block stays on its multiprocessor and
 * goes from one tile of 128 queries to the next.
 *
 *     group 0       one thread sends for the queries of a tile and for the tiles of 128 keys and values in their band,
 *                   two of each ahead
 *     groups 1, 2   64 of the queries each.  They take turns in starting products, of a tile's keys and of the weights
 *                   of the tile before: while the tensor cores are at one group's, the other is at its softmax
 *
 * The barriers of a slot: full, from the copies, and empty, from the eight warps that have read it.  A slot's n-th use
 * has phase n % 2.  A group's turn comes from the other's four warps, once for each tile of keys, seen or not. */
#ifndef SWAX_ATTENTION_STREAM_CUH
#define SWAX_ATTENTION_STREAM_CUH

#include "cuda/attention_band.cuh"
#include "cuda/hopper.cuh"

/* P panels of 64 columns hold the head; tiles are panels of 128 rows, the values' two halves of panels of 64. */
template <int P> struct stream_tile {
    enum { ROWS = 128, KEYS = 128, STAGES = 2, TILE = 2 * P * PANEL, QUERIES = 0, OF_KEYS = TILE,
           OF_VALUES = OF_KEYS + STAGES * TILE,
           RESULTS = OF_VALUES + STAGES * TILE, BARRIERS = RESULTS + TILE, BYTES = BARRIERS + 256 };
};

struct stream_barriers {
    barrier queries_full, queries_empty, keys_full[2], keys_empty[2], values_full[2], values_empty[2], turn[2];
};

struct stream_maps { CUtensorMap q, k, v; };

/* The tile of queries with this number, and the tiles of keys from .. to - 1 that its queries see. */
struct stream_place {
    int t0, h, b, g, from, to;
    __device__ stream_place(const attention_shape &a, int number)
    {
        const int tiles = (a.T + 127) / 128;
        t0 = number % tiles * 128, h = number / tiles % a.H, b = number / tiles / a.H,
            g = (int)((long long)h * a.G / a.H);
        from = a.first_key(b, t0) / 128, to = (min(t0 + 128, a.T) - 1 + a.S - a.T) / 128 + 1;
    }
};

/* This warp is done with what the barrier stands for. */
DEVICE void warp_arrives(barrier *empty)
{
    __syncwarp();
    if (threadIdx.x % 32 == 0)
        arrive(empty);
}

/* 128 tokens from `token` on: panel p's rows together, or (SPLIT) each half's panels together */
template <int P, bool SPLIT>
DEVICE void send_for(unsigned char *to, const CUtensorMap *of, int head, int token, int b, barrier *full)
{
    arrive_with(full, 2 * P * PANEL);
#pragma unroll
    for (int half = 0; half < 2; half++)
#pragma unroll
        for (int p = 0; p < P; p++)
            copy_box(to + (SPLIT ? half * P + p : 2 * p + half) * PANEL, of, 64 * p, head, token + 64 * half, b, full);
}

/* The block's tiles of queries in turn, f(n, number, how): where they are done AGAIN only those that a warp found
 * spoiled, and each twice, with another look at its values. */
template <bool AGAIN, class F> DEVICE void for_tiles(const unsigned char *spoiled, int all, F f)
{
    for (int n = 0, number = blockIdx.x; number < all; number += gridDim.x) {
        if (!AGAIN)
            f(n++, number, AS_IS);
        else if (*(const uint64_t *)(spoiled + 8 * (size_t)number))
            for (int how = MARKS; how < LOOKS; how++)
                f(n++, number, (look)how);
    }
}

/* By one thread; AGAIN by its warp, which then writes the values down itself. */
template <int P, bool AGAIN>
DEVICE void stream_copies(unsigned char *shared, stream_barriers *at, const stream_maps &maps, const swax_bf16 *v,
                          const unsigned char *spoiled, int all, const attention_shape &a)
{
    using tile = stream_tile<P>;
    int used = 0;                       /* tiles of keys so far */
    for_tiles<AGAIN>(spoiled, all, [&](int n, int number, look how) {
        const stream_place place(a, number);
        if (n)
            wait_for(&at->queries_empty, (n + 1) % 2);
        if (!AGAIN || threadIdx.x == 0)
            send_for<P, false>(shared + tile::QUERIES, &maps.q, place.h, place.t0, place.b, &at->queries_full);
        for (int j = place.from; j < place.to; j++, used++) {
            const int slot = used % 2, phase = used / 2 % 2;
            if (used > 1)
                wait_for(&at->keys_empty[slot], phase ^ 1);
            if (!AGAIN || threadIdx.x == 0)
                send_for<P, false>(shared + tile::OF_KEYS + slot * tile::TILE, &maps.k, place.g, 128 * j, place.b,
                                   &at->keys_full[slot]);
            if (used > 1)
                wait_for(&at->values_empty[slot], phase ^ 1);
            unsigned char *values = shared + tile::OF_VALUES + slot * tile::TILE;
            if constexpr (!AGAIN) {
                send_for<P, true>(values, &maps.v, place.g, 128 * j, place.b, &at->values_full[slot]);
            } else {
                for (int half = 0; half < 2; half++)
                    load_looked_at<P, 32>(how, values + half * P * PANEL, PANEL,
                                          v + a.key(place.b, 128 * j + 64 * half, place.g) * a.width,
                                          (size_t)a.G * a.width, 64, a.S - 128 * j - 64 * half, a.width);
                mm_fence();
                warp_arrives(&at->values_full[slot]);
            }
        }
    });
}

/* x, which is the same in all lanes, and the compiler knows it */
DEVICE int uniform(int x) { return __shfl_sync(~0u, x, 0); }

/* X = Q K^T; panels have 128 rows */
template <int P> DEVICE void stream_scores(float (&X)[16][4], const unsigned char *Q, const unsigned char *k)
{
    mm_settle(X);
    mm_begin();
    mm_nt<128, false>(X, Q, k);
#pragma unroll
    for (int p = 1; p < P; p++)
        mm_nt<128>(X, Q + 2 * p * PANEL, k + 2 * p * PANEL);
    mm_end();
}

/* Y += W V for so many times 64 keys */
template <int P, int HALVES> DEVICE void stream_sums(float (&Y)[8 * P][4], const uint32_t (&W)[2][4][4],
                                                     const unsigned char *v)
{
    mm_settle(Y);
    mm_begin();
#pragma unroll
    for (int half = 0; half < HALVES; half++)
        mm_rn<64 * P>(Y, W[half], v + half * P * PANEL);
    mm_end();
}

/* 16 rows of this warp, which has written them, from shared memory to y */
template <int P> DEVICE void store_rows(swax_bf16 *y, size_t stride, const unsigned char *rows, int valid, int columns)
{
    const int piece = threadIdx.x % 32 % (8 * P), first = threadIdx.x % 32 / (8 * P);
#pragma unroll
    for (int i = 0; i < 4 * P; i++) {
        const int r = first + i * 4 / P;
        if (r < valid && 8 * piece < columns)
            *(uint4 *)(y + r * stride + 8 * piece) =
                *(const uint4 *)(rows + piece / 8 * 2 * PANEL + swizzle(r, piece % 8));
    }
}

/* X, W        the scores of a tile, then their weights, as left operands;  Y: sums of weighted values
 * mine        the tiles of keys that this group's queries see: first .. last - 1
 * used, turn  tiles of keys so far: their slots and phases; and turns */
template <int P, bool AGAIN>
DEVICE void stream_rows(unsigned char *shared, stream_barriers *at, swax_bf16 *y, float *lse, unsigned char *bad,
                        const float *sink, int all, const attention_shape &a)
{
    using tile = stream_tile<P>;
    const int lane = threadIdx.x % 32, group = threadIdx.x / 128 - 1, warp = threadIdx.x / 32 % 4, before = a.S - a.T;
    const unsigned char *Q = shared + tile::QUERIES + group * PANEL;
    unsigned char *results = shared + tile::RESULTS + group * PANEL;
    const float scale = rsqrtf((float)a.D) * LOG2E;
    int used = 0, turn = 0;
    uint32_t marks[P];
    for_tiles<AGAIN>(bad, all, [&](int n, int number, look how) {
        const stream_place place(a, number);
        const int first_row = place.t0 + 64 * group, last_row = min(first_row + 63, a.T - 1),
            row = first_row + 16 * warp + lane / 4;
        const bool busy = first_row < a.T;                          /* else it computes, too, and hides all of it */
        const int all_see = busy ? a.first_key(place.b, last_row) : 128 * place.to;
        const int first = uniform(busy ? a.first_key(place.b, first_row) / 128 : place.to - 1);
        const int last = uniform(busy ? (last_row + before) / 128 + 1 : place.to);
        const float sunk = sink && how != MARKS ? sink[place.h] * LOG2E : -INFINITY, counts = sink && lane % 4 == 0;
        float Y[8 * P][4], X[16][4], largest[2] = { sunk, sunk }, sum[2] = { counts, counts }, shrink[2];
        uint32_t W[2][4][4];
        int begin[2], end[2];
#pragma unroll
        for (int e = 0; e < 2; e++) {
            const bool valid = row + 8 * e < a.T;
            begin[e] = valid ? a.first_key(place.b, row + 8 * e) : 0;
            end[e] = valid ? row + 8 * e + before : -1;
        }
        auto slot = [&](int j) { return (used + j - place.from) % 2; };
        auto phase = [&](int j) { return (used + j - place.from) / 2 % 2; };
        auto keys = [&](int j) {
            wait_for(&at->keys_full[slot(j)], phase(j));
            return shared + tile::OF_KEYS + slot(j) * tile::TILE;
        };
        auto values = [&](int j) {
            wait_for(&at->values_full[slot(j)], phase(j));
            return shared + tile::OF_VALUES + slot(j) * tile::TILE;
        };
        auto my_turn = [&] { wait_for(&at->turn[group], (turn + !group) % 2), turn++; };
        auto your_turn = [&] { warp_arrives(&at->turn[!group]); };
        auto softmax = [&](int j) {
            mm_settle(X);
            if (how == MARKS)
                clear(X);
            if (128 * j < all_see || 128 * j + 127 > first_row + before)
                hide_scores(X, 128 * j, begin, end);
            softmax_step(X, largest, sum, shrink, scale);
        };
        auto operands = [&] { as_operand(W[0], X), as_operand(W[1], X + 8); };
        auto pass_by = [&](int from, int to) {                      /* tiles that only the other group sees */
            for (int j = from; j < to; j++) {
                my_turn(), your_turn();
                keys(j), warp_arrives(&at->keys_empty[slot(j)]);
                values(j), warp_arrives(&at->values_empty[slot(j)]);
            }
        };

        wait_for(&at->queries_full, n % 2);
        clear(Y);
        pass_by(place.from, first);
        const unsigned char *k = keys(first);
        my_turn();
        stream_scores<P>(X, Q, k);
        your_turn();
        mm_wait();
        warp_arrives(&at->keys_empty[slot(first)]);
        softmax(first);
        operands();
        for (int j = first + 1; j < last; j++) {
            k = keys(j);
            my_turn();
            stream_scores<P>(X, Q, k);
            stream_sums<P, 2>(Y, W, values(j - 1));
            your_turn();
            mm_wait<1>();
            warp_arrives(&at->keys_empty[slot(j)]);
            softmax(j);
            mm_wait();
            mm_settle(Y);
            warp_arrives(&at->values_empty[slot(j - 1)]);
#pragma unroll
            for (int i = 0; i < 8 * P; i++)
#pragma unroll
                for (int e = 0; e < 4; e++)
                    Y[i][e] *= shrink[e / 2];
            operands();
        }
        warp_arrives(&at->queries_empty);
        const unsigned char *v = values(last - 1);
        if (last_row + before < 128 * last - 64) {                  /* nobody here sees the tile's second half */
            stream_sums<P, 1>(Y, W, v);
            mm_wait();
        } else {
            stream_sums<P, 2>(Y, W, v);
            mm_wait();
        }
        mm_settle(Y);
        warp_arrives(&at->values_empty[slot(last - 1)]);
        pass_by(last, place.to);
        used += place.to - place.from;
        if (!AGAIN) {
            const bool any = __any_sync(~0u, spoiled(Y, end[0] >= 0, end[1] >= 0));
            if (lane == 0)
                bad[8 * (size_t)number + threadIdx.x / 32 - 4] = any;
        }
        if (how == MARKS) {
            keep_marks(marks, Y);
            return;
        }
        if (how == FINITE)
            put_marks(Y, marks);
#pragma unroll
        for (int e = 0; e < 2; e++) {
            const float total = quad_sum(sum[e]), over = 1 / total;
            if (end[e] >= 0 && lane % 4 == 0)
                lse[a.query(place.b, row + 8 * e, place.h)] = (largest[e] + log2f(total)) / LOG2E;
#pragma unroll
            for (int i = 0; i < 8 * P; i++)
                Y[i][2 * e] *= over, Y[i][2 * e + 1] *= over;
        }
        __syncwarp();
        put_in_tile<P>(results, 2 * PANEL, 16 * warp + lane / 4, Y);
        __syncwarp();
        store_rows<P>(y + a.query(place.b, first_row + 16 * warp, place.h) * a.width, (size_t)a.H * a.width,
                      results + 16 * warp * 128,
                      a.T - first_row - 16 * warp, a.width);
    });
}

/* spoiled: eight bytes a tile of queries, one for each warp that has 16 of them */
template <int P, bool AGAIN>
static __global__ void __launch_bounds__(384, 1)
attention_stream_kernel(swax_bf16 *y, float *lse, unsigned char *spoiled, const float *sink,
                        const __grid_constant__ stream_maps maps, const swax_bf16 *v, int all, attention_shape a)
{
    if (AGAIN) {
        int any = 0;
        for (int number = blockIdx.x + threadIdx.x * gridDim.x; number < all; number += blockDim.x * gridDim.x)
            any |= *(const uint64_t *)(spoiled + 8 * (size_t)number) != 0;
        if (!__syncthreads_or(any))
            return;
    }
    unsigned char *shared = shared_memory();
    stream_barriers *at = (stream_barriers *)(shared + stream_tile<P>::BARRIERS);
    if (threadIdx.x == 0) {
        barrier_init(&at->queries_full, 1);
        barrier_init(&at->queries_empty, 8);
        for (int i = 0; i < 2; i++) {
            barrier_init(&at->turn[i], 4);
            barrier_init(&at->keys_full[i], 1);
            barrier_init(&at->values_full[i], 1);
            barrier_init(&at->keys_empty[i], 8);
            barrier_init(&at->values_empty[i], 8);
        }
        barriers_begun();
    }
    __syncthreads();
    if (threadIdx.x < 128) {
        fewer_registers<40>();
        if (threadIdx.x < (AGAIN ? 32 : 1))
            stream_copies<P, AGAIN>(shared, at, maps, v, spoiled, all, a);
    } else {
        more_registers<232>();
        stream_rows<P, AGAIN>(shared, at, y, lse, spoiled, sink, all, a);
    }
}

#endif
