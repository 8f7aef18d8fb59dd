/* attention_stream.cuh - windowed attention on sm_90a, for heads up to 128: a block stays on its multiprocessor and
 * goes from one tile of queries to the next.
 *
 *     group 0        one thread sends for the queries of a tile and for the tiles of keys and values in their band, two
 *                    of each ahead
 *     groups 1 ..    64 of the queries each.  They take turns in starting products, of a tile's keys and of the weights
 *                    of the tile before: while the tensor cores are at one group's, the others are at their softmax
 *
 * Two groups with tiles of 128 keys are sooner at the next queries; of three with tiles of 64 more have something to do
 * while one waits, and keys and values are fetched less often: that is for long windows.
 *
 * The barriers of a slot: full, from the copies, and empty, from the warps that have read it.  A slot's n-th use has
 * phase n % 2.  A group's turn comes from the warps of the group before, once for each tile of keys, seen or not. */
#ifndef SWAX_ATTENTION_STREAM_CUH
#define SWAX_ATTENTION_STREAM_CUH

#include "cuda/attention_band.cuh"
#include "cuda/hopper.cuh"

/* P panels of 64 columns hold the head, of GROUPS times 64 queries or of KEYS keys or values. */
template <int P, int GROUPS, int KEYS_> struct stream_tile {
    enum { KEYS = KEYS_, ROWS = 64 * GROUPS, THREADS = 128 * (GROUPS + 1), WARPS = 4 * GROUPS, STAGES = 2,
           REGISTERS = GROUPS == 2 ? 232 : 160, FEW_REGISTERS = GROUPS == 2 ? 40 : 32,      /* a thread; 65536 in all */
           OF_QUERIES = P * ROWS * 128, OF_KEYS = P * KEYS * 128,                           /* bytes */
           QUERIES = 0, FIRST_KEYS = QUERIES + STAGES * OF_QUERIES, FIRST_VALUES = FIRST_KEYS + STAGES * OF_KEYS,
           BARRIERS = FIRST_VALUES + STAGES * OF_KEYS, BYTES = BARRIERS + 256 };
};

struct stream_barriers {
    barrier queries_full[2], queries_empty[2], keys_full[2], keys_empty[2], values_full[2], values_empty[2], turn[3];
};

struct stream_maps { CUtensorMap q, k, v; };

/* The tile of queries with this number, and the tiles of keys from .. to - 1 that its queries see.  All heads have a
 * tile before one has its next: so what lies side by side in memory is fetched at the same time. */
template <class tile> struct stream_place {
    int t0, h, b, g, from, to;
    __device__ stream_place(const attention_shape &a, int number)
    {
        const int tiles = (a.T + tile::ROWS - 1) / tile::ROWS;
        h = number % a.H, t0 = number / a.H % tiles * tile::ROWS, b = number / a.H / tiles;
        g = (int)((long long)h * a.G / a.H);
        from = a.first_key(b, t0) / tile::KEYS, to = (min(t0 + tile::ROWS, a.T) - 1 + a.S - a.T) / tile::KEYS + 1;
    }
};

/* This warp is done with what the barrier stands for. */
DEVICE void warp_arrives(barrier *empty)
{
    __syncwarp();
    if (threadIdx.x % 32 == 0)
        arrive(empty);
}

/* ROWS tokens from `token` on */
template <int P, int ROWS>
DEVICE void send_for(unsigned char *to, const CUtensorMap *of, int head, int token, int b, barrier *full)
{
    arrive_with(full, P * ROWS * 128);
#pragma unroll
    for (int p = 0; p < P; p++)
        copy_box(to + p * ROWS * 128, of, 64 * p, head, token, b, full);
}

/* Four bytes a group, one for each warp that has 16 of the tile's queries */
template <class tile> DEVICE bool any_spoiled(const unsigned char *spoiled, int number)
{
    uint32_t any = 0;
    for (int group = 0; group < tile::ROWS / 64; group++)
        any |= ((const uint32_t *)spoiled)[(size_t)number * (tile::ROWS / 64) + group];
    return any != 0;
}

/* The block's tiles of queries in turn, f(n, number, how): where they are done AGAIN only those that a warp found
 * spoiled, and each twice, with another look at its values. */
template <class tile, bool AGAIN, class F> DEVICE void for_tiles(const unsigned char *spoiled, int all, F f)
{
    for (int n = 0, number = blockIdx.x; number < all; number += gridDim.x) {
        if (!AGAIN)
            f(n++, number, AS_IS);
        else if (any_spoiled<tile>(spoiled, number))
            for (int how = MARKS; how < LOOKS; how++)
                f(n++, number, (look)how);
    }
}

/* By one thread; AGAIN by its warp, which then writes the values down itself. */
template <int P, class tile, bool AGAIN>
DEVICE void stream_copies(unsigned char *shared, stream_barriers *at, const stream_maps &maps, const swax_bf16 *v,
                          const unsigned char *spoiled, int all, const attention_shape &a)
{
    int used = 0;                       /* tiles of keys so far */
    for_tiles<tile, AGAIN>(spoiled, all, [&](int n, int number, look how) {
        const stream_place<tile> place(a, number);
        if (n > 1)
            wait_for(&at->queries_empty[n % 2], n / 2 % 2 ^ 1);
        if (!AGAIN || threadIdx.x == 0)
            send_for<P, tile::ROWS>(shared + tile::QUERIES + n % 2 * tile::OF_QUERIES, &maps.q, place.h, place.t0,
                                    place.b, &at->queries_full[n % 2]);
        for (int j = place.from; j < place.to; j++, used++) {
            const int slot = used % 2, phase = used / 2 % 2;
            if (used > 1)
                wait_for(&at->keys_empty[slot], phase ^ 1);
            if (!AGAIN || threadIdx.x == 0)
                send_for<P, tile::KEYS>(shared + tile::FIRST_KEYS + slot * tile::OF_KEYS, &maps.k, place.g,
                                        tile::KEYS * j, place.b, &at->keys_full[slot]);
            if (used > 1)
                wait_for(&at->values_empty[slot], phase ^ 1);
            unsigned char *values = shared + tile::FIRST_VALUES + slot * tile::OF_KEYS;
            if constexpr (!AGAIN) {
                send_for<P, tile::KEYS>(values, &maps.v, place.g, tile::KEYS * j, place.b, &at->values_full[slot]);
            } else {
                load_looked_at<P, 32>(how, values, tile::KEYS * 128,
                                      v + a.key(place.b, tile::KEYS * j, place.g) * a.width, (size_t)a.G * a.width,
                                      tile::KEYS, a.S - tile::KEYS * j, a.width);
                mm_fence();
                warp_arrives(&at->values_full[slot]);
            }
        }
    });
}

/* x, which is the same in all lanes, and the compiler knows it */
DEVICE int uniform(int x) { return __shfl_sync(~0u, x, 0); }

/* X = Q K^T */
template <int P, class tile> DEVICE void stream_scores(float (&X)[tile::KEYS / 8][4], const unsigned char *Q,
                                                       const unsigned char *k)
{
    mm_settle(X);
    mm_begin();
    mm_nt<tile::KEYS, false>(X, Q, k);
#pragma unroll
    for (int p = 1; p < P; p++)
        mm_nt<tile::KEYS>(X, Q + p * tile::ROWS * 128, k + p * tile::KEYS * 128);
    mm_end();
}

/* Y += W V */
template <int P, class tile> DEVICE void stream_sums(float (&Y)[8 * P][4], const uint32_t (&W)[tile::KEYS / 16][4],
                                                     const unsigned char *v)
{
    mm_settle(Y);
    mm_begin();
    mm_rn<64 * P>(Y, W, v, tile::KEYS * 128);
    mm_end();
}

/* 16 rows of this warp, which has written them, from shared memory to y */
template <int P, int PANEL_BYTES>
DEVICE void store_rows(swax_bf16 *y, size_t stride, const unsigned char *rows, int valid, int columns)
{
    const int piece = threadIdx.x % 32 % (8 * P), first = threadIdx.x % 32 / (8 * P);
#pragma unroll
    for (int i = 0; i < 4 * P; i++) {
        const int r = first + i * 4 / P;
        if (r < valid && 8 * piece < columns)
            *(uint4 *)(y + r * stride + 8 * piece) =
                *(const uint4 *)(rows + piece / 8 * PANEL_BYTES + swizzle(r, piece % 8));
    }
}

/* X, W        the scores of a tile, then their weights, as left operands;  Y: sums of weighted values
 * mine        the tiles of keys that this group's queries see: first .. last - 1
 * used, turn  tiles of keys so far: their slots and phases; and turns */
template <int P, class tile, bool AGAIN>
DEVICE void stream_rows(unsigned char *shared, stream_barriers *at, swax_bf16 *y, float *lse, unsigned char *bad,
                        const float *sink, int all, const attention_shape &a)
{
    enum { KEYS = tile::KEYS, GROUPS = tile::ROWS / 64 };
    const int lane = threadIdx.x % 32, group = uniform(threadIdx.x / 128 - 1), warp = threadIdx.x / 32 % 4;
    const int before = a.S - a.T;
    const float scale = rsqrtf((float)a.D) * LOG2E;
    int used = 0, turn = 0;
    uint32_t marks[P];
    auto my_turn = [&] { wait_for(&at->turn[group], (turn + !group) % 2), turn++; };
    auto your_turn = [&] { warp_arrives(&at->turn[group + 1 < GROUPS ? group + 1 : 0]); };
    for_tiles<tile, AGAIN>(bad, all, [&](int n, int number, look how) {
        const stream_place<tile> place(a, number);
        const int first_row = place.t0 + 64 * group, last_row = min(first_row + 63, a.T - 1),
            row = first_row + 16 * warp + lane / 4;
        const bool busy = first_row < a.T;                          /* else it computes, too, and hides all of it */
        const int all_see = uniform(busy ? a.first_key(place.b, last_row) : KEYS * place.to);
        const int first = uniform(busy ? a.first_key(place.b, first_row) / KEYS : place.to - 1);
        const int last = uniform(busy ? (last_row + before) / KEYS + 1 : place.to);
        const float sunk = sink && how != MARKS ? sink[place.h] * LOG2E : -INFINITY, counts = sink && lane % 4 == 0;
        float Y[8 * P][4], X[KEYS / 8][4], base[2] = { sunk, sunk }, sum[2] = { counts, counts }, shrink[2];
        uint32_t W[KEYS / 16][4];
        auto hide = [&](int j) {
            int begin[2], end[2];
#pragma unroll
            for (int e = 0; e < 2; e++) {
                const bool valid = row + 8 * e < a.T;
                begin[e] = valid ? a.first_key(place.b, row + 8 * e) : 0;
                end[e] = valid ? row + 8 * e + before : -1;
            }
            hide_scores(X, KEYS * j, begin, end);
        };
        auto slot = [&](int j) { return (used + j - place.from) % 2; };
        auto phase = [&](int j) { return (used + j - place.from) / 2 % 2; };
        auto keys = [&](int j) {
            wait_for(&at->keys_full[slot(j)], phase(j));
            return shared + tile::FIRST_KEYS + slot(j) * tile::OF_KEYS;
        };
        auto values = [&](int j, bool not_yet = false) {
            wait_for(&at->values_full[slot(j)], phase(j) ^ not_yet);
            return shared + tile::FIRST_VALUES + slot(j) * tile::OF_KEYS;
        };
        auto softmax = [&](int j) {
            mm_settle(X);
            if (how == MARKS)
                clear(X);
            if (KEYS * j < all_see || KEYS * j + KEYS - 1 > first_row + before)
                hide(j);
            return softmax_step(X, base, sum, shrink, scale);
        };
        auto pass_by = [&](int from, int to) {                      /* tiles that only other groups see */
            for (int j = from; j < to; j++) {
                my_turn(), your_turn();
                keys(j), warp_arrives(&at->keys_empty[slot(j)]);
                values(j), warp_arrives(&at->values_empty[slot(j)]);
            }
        };

        unsigned char *Q = shared + tile::QUERIES + n % 2 * tile::OF_QUERIES + group * PANEL;
        wait_for(&at->queries_full[n % 2], n / 2 % 2);
        clear(Y);
        pass_by(place.from, first);
        const unsigned char *k = keys(first);
        my_turn();
        stream_scores<P, tile>(X, Q, k);
        your_turn();
        mm_wait();
        warp_arrives(&at->keys_empty[slot(first)]);
        softmax(first);
        as_operand(W, X);
        const unsigned char *v = values(first);
        for (int j = first + 1; j < last; j++) {
            k = keys(j);
            my_turn();
            stream_scores<P, tile>(X, Q, k);
            stream_sums<P, tile>(Y, W, v);
            your_turn();
            mm_wait<1>();
            warp_arrives(&at->keys_empty[slot(j)]);
            const bool shrinks = softmax(j);
            /* A sum is never below 0, which the compiler does not know: so the softmax comes before the wait. */
            v = values(j, sum[0] < 0 || sum[1] < 0);
            mm_wait();
            mm_settle(Y);
            warp_arrives(&at->values_empty[slot(j - 1)]);
            if (shrinks) {
#pragma unroll
                for (int i = 0; i < 8 * P; i++)
#pragma unroll
                    for (int e = 0; e < 4; e++)
                        Y[i][e] *= shrink[e / 2];
            }
            as_operand(W, X);
        }
        stream_sums<P, tile>(Y, W, v);
        mm_wait();
        mm_settle(Y);
        warp_arrives(&at->values_empty[slot(last - 1)]);
        pass_by(last, place.to);
        used += place.to - place.from;
        if (!AGAIN) {
            const bool any = __any_sync(~0u, spoiled(Y, row < a.T, row + 8 < a.T));
            if (lane == 0)
                bad[(size_t)number * tile::WARPS + threadIdx.x / 32 - 4] = any;
        }
        if (how == MARKS) {
            keep_marks(marks, Y);
            warp_arrives(&at->queries_empty[n % 2]);
            return;
        }
        if (how == FINITE)
            put_marks(Y, marks);
#pragma unroll
        for (int e = 0; e < 2; e++) {
            const float total = quad_sum(sum[e]), over = 1 / total;
            if (row + 8 * e < a.T && lane % 4 == 0)
                lse[a.query(place.b, row + 8 * e, place.h)] = (base[e] + log2f(total)) / LOG2E;
#pragma unroll
            for (int i = 0; i < 8 * P; i++)
                Y[i][2 * e] *= over, Y[i][2 * e + 1] *= over;
        }
        together(1 + group);                                        /* all four warps are done with Q, which takes y */
        put_in_tile<P>(Q, tile::ROWS * 128, 16 * warp + lane / 4, Y);
        mm_fence();                                                 /* copies that come later come after it */
        __syncwarp();
        store_rows<P, tile::ROWS * 128>(y + a.query(place.b, first_row + 16 * warp, place.h) * a.width,
                                        (size_t)a.H * a.width, Q + 16 * warp * 128, a.T - first_row - 16 * warp,
                                        a.width);
        warp_arrives(&at->queries_empty[n % 2]);
    });
}

/* spoiled: four bytes a group of a tile, one for each warp that has 16 of its queries */
template <int P, int GROUPS, int KEYS, bool AGAIN>
static __global__ void __launch_bounds__(stream_tile<P, GROUPS, KEYS>::THREADS, 1)
attention_stream_kernel(swax_bf16 *y, float *lse, unsigned char *spoiled, const float *sink,
                        const __grid_constant__ stream_maps maps, const swax_bf16 *v, int all, attention_shape a)
{
    using tile = stream_tile<P, GROUPS, KEYS>;
    if (AGAIN) {
        others_done();
        int any = 0;
        for (int number = blockIdx.x + threadIdx.x * gridDim.x; number < all; number += blockDim.x * gridDim.x)
            any |= any_spoiled<tile>(spoiled, number);
        if (!__syncthreads_or(any))
            return;
    }
    unsigned char *shared = shared_memory();
    stream_barriers *at = (stream_barriers *)(shared + tile::BARRIERS);
    if (threadIdx.x == 0) {
        for (int i = 0; i < 3; i++)
            barrier_init(&at->turn[i], 4);
        for (int i = 0; i < 2; i++) {
            barrier_init(&at->queries_full[i], 1);
            barrier_init(&at->keys_full[i], 1);
            barrier_init(&at->values_full[i], 1);
            barrier_init(&at->queries_empty[i], tile::WARPS);
            barrier_init(&at->keys_empty[i], tile::WARPS);
            barrier_init(&at->values_empty[i], tile::WARPS);
        }
        barriers_begun();
    }
    __syncthreads();
    if (threadIdx.x < 128) {
        fewer_registers<tile::FEW_REGISTERS>();
        if (threadIdx.x < (AGAIN ? 32 : 1))
            stream_copies<P, tile, AGAIN>(shared, at, maps, v, spoiled, all, a);
    } else {
        more_registers<tile::REGISTERS>();
        stream_rows<P, tile, AGAIN>(shared, at, y, lse, spoiled, sink, all, a);
    }
}

#endif
