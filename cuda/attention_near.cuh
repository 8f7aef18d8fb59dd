/* attention_near.cuh - windowed attention on sm_90a for short windows and heads up to 128: the 64 queries of a tile see
 * at most three tiles of 64 keys, so that a group has all of their scores at once, and the softmax takes one step.
 *
 * Here memory is what limits.  A block goes down a run of one head's tiles, and each tile of keys, with its values,
 * comes to it once for the three tiles of queries that see it; the runs of all heads go side by side, since what they
 * read lies side by side.
 *
 *     group 0          one thread sends for the queries of a tile, then for the tiles of keys that it is the first to
 *                      see: queries into two slots a group, keys with their values into a ring of slots
 *     groups 1, 2, 3   every third tile of queries each
 *
 * The barriers of a slot: full, from the copies, and empty, from the warps that have read it; those of all groups give
 * every tile of keys back, seen or not.  A slot's n-th use has phase n % 2. */
#ifndef SWAX_ATTENTION_NEAR_CUH
#define SWAX_ATTENTION_NEAR_CUH

#include "cuda/attention_stream.cuh"

/* P panels of 64 columns hold the head */
template <int P> struct near_tile {
    enum { GROUPS = 3, SEEN = 3, SLOTS = 4, THREADS = 128 * (GROUPS + 1), WARPS = 4 * GROUPS,
           REGISTERS = 160, FEW_REGISTERS = 32,                                             /* a thread; 65536 in all */
           OF_TILE = P * PANEL, QUERIES = 0, FIRST_KEYS = 2 * GROUPS * OF_TILE,             /* bytes */
           BARRIERS = FIRST_KEYS + 2 * SLOTS * OF_TILE, BYTES = BARRIERS + 256 };
};

template <class tile> struct near_barriers {
    barrier queries_full[tile::GROUPS][2], queries_empty[tile::GROUPS][2], full[tile::SLOTS], empty[tile::SLOTS];
};

struct near_maps { CUtensorMap q, k, v, y; };

/* Does every tile of queries, wherever it lies, see three tiles of keys at most? */
static inline bool is_near(const attention_shape &a)
{
    const int off = (a.S - a.T) % 64;
    return a.W <= 65 + (off ? off : 64);
}

/* So many tiles to a run that the blocks with the most to do have the least; where a run begins, it takes about as long
 * as for another tile. */
static inline int near_run_length(const attention_shape &a, int processors)
{
    const int tiles = (int)blocks(a.T, 64);
    const long long heads = (long long)a.B * a.H;
    long long least = 0;
    int length = tiles;
    for (int parts = 1; parts <= tiles && parts <= 2 * processors; parts++) {
        const int each = (tiles + parts - 1) / parts;
        const long long runs = heads * ((tiles + each - 1) / each);
        const long long most = (runs + processors - 1) / processors * (each + 1);
        if (!least || most < least)
            least = most, length = each;
    }
    return length;
}

/* Tiles of one head's queries: `first`, and those after it */
struct near_run {
    int b, h, g, first, tiles;
    __device__ near_run(const attention_shape &a, int sequence, int head, int tile, int most)
        : b(sequence), h(head), g((int)((long long)head * a.G / a.H)), first(tile),
          tiles(min(most, (a.T + 63) / 64 - tile)) {}
    /* the first tile of keys that the m-th sees */
    __device__ int keys(const attention_shape &a, int m) const { return a.first_key(b, 64 * (first + m)) / 64; }
};

/* The block's runs in turn, f(run, how): where they are done AGAIN, tiles that a warp found spoiled, one by one, and
 * each twice, with another look at its values. */
template <bool AGAIN, class F>
DEVICE void for_runs(const uint32_t *spoiled, int length, const attention_shape &a, F f)
{
    const int tiles = (a.T + 63) / 64, parts = (tiles + length - 1) / length;
    for (int n = blockIdx.x; !AGAIN && n < a.B * a.H * parts; n += gridDim.x)
        f(near_run(a, n / a.H / parts, n % a.H, n / a.H % parts * length, length), AS_IS);
    for (int n = blockIdx.x; AGAIN && n < a.B * a.H * tiles; n += gridDim.x)
        for (int how = MARKS; how < LOOKS && spoiled[n]; how++)
            f(near_run(a, n / tiles / a.H, n / tiles % a.H, n % tiles, 1), (look)how);
}

/* By one thread; AGAIN by its warp, which then writes the values down itself. */
template <int P, class tile, bool AGAIN>
DEVICE void near_copies(unsigned char *shared, near_barriers<tile> *at, const near_maps &maps, const swax_bf16 *v,
                        const uint32_t *spoiled, int length, const attention_shape &a)
{
    enum { GROUPS = tile::GROUPS };
    int sent = 0, queries[GROUPS] = {};                 /* tiles so far: of keys, and of each group's queries */
    for_runs<AGAIN>(spoiled, length, a, [&](const near_run &run, look how) {
        int next = run.keys(a, 0);
        for (int first = 0; first < run.tiles; first += GROUPS)
#pragma unroll
            for (int group = 0; group < GROUPS; group++) {
                const int m = first + group, n = queries[group];
                if (m >= run.tiles)
                    continue;
                queries[group]++;
                if (n > 1)
                    wait_for(&at->queries_empty[group][n % 2], n / 2 % 2 ^ 1);
                if (!AGAIN || threadIdx.x == 0)
                    send_for<P, 64>(shared + tile::QUERIES + (2 * group + n % 2) * tile::OF_TILE, &maps.q, run.h,
                                    64 * (run.first + m), run.b, &at->queries_full[group][n % 2]);
                for (const int to = run.keys(a, m) + tile::SEEN; next < to; next++, sent++) {
                    const int slot = sent % tile::SLOTS;
                    unsigned char *keys = shared + tile::FIRST_KEYS + 2 * slot * tile::OF_TILE;
                    if (sent >= tile::SLOTS)
                        wait_for(&at->empty[slot], sent / tile::SLOTS % 2 ^ 1);
                    if (!AGAIN || threadIdx.x == 0)
                        send_for<P, 64>(keys, &maps.k, run.g, 64 * next, run.b, &at->full[slot]);
                    if constexpr (!AGAIN) {
                        send_for<P, 64>(keys + tile::OF_TILE, &maps.v, run.g, 64 * next, run.b, &at->full[slot]);
                    } else {
                        load_looked_at<P, 32>(how, keys + tile::OF_TILE, PANEL,
                                              v + a.key(run.b, 64 * next, run.g) * a.width, (size_t)a.G * a.width, 64,
                                              a.S - 64 * next, a.width);
                        mm_fence();
                        warp_arrives(&at->full[slot]);
                    }
                }
            }
    });
}

/* X, W        the scores of three tiles of keys, then their weights, as left operands;  Y: sums of weighted values
 * sent, n     tiles so far: of keys, and of this group's queries; their slots and phases
 * held        the first tile of keys that is not given back */
template <int P, class tile, bool AGAIN>
DEVICE void near_rows(unsigned char *shared, near_barriers<tile> *at, const near_maps &maps, float *lse,
                      unsigned char *bad, const float *sink, int length, const attention_shape &a)
{
    enum { GROUPS = tile::GROUPS, SEEN = tile::SEEN, SLOTS = tile::SLOTS };
    const int lane = threadIdx.x % 32, group = uniform(threadIdx.x / 128 - 1), warp = threadIdx.x / 32 % 4;
    const int before = a.S - a.T;
    const float scale = rsqrtf((float)a.D) * LOG2E;
    int sent = 0, n = 0;
    uint32_t marks[P];
    for_runs<AGAIN>((const uint32_t *)bad, length, a, [&](const near_run &run, look how) {
        const int from = run.keys(a, 0), to = run.keys(a, run.tiles - 1) + SEEN;
        int held = from;
        auto slot = [&](int j) { return uniform((sent + j - from) % SLOTS); };
        auto come = [&](int j) { wait_for(&at->full[slot(j)], (sent + j - from) / SLOTS % 2); };
        auto give_back = [&](int until) {
            for (; held < until; held++)
                come(held), warp_arrives(&at->empty[slot(held)]);
        };
        give_back(group < run.tiles ? run.keys(a, group) : to);
        for (int m = group; m < run.tiles; m += GROUPS, n++) {
            const int first_row = 64 * (run.first + m), last_row = min(first_row + 63, a.T - 1),
                row = first_row + 16 * warp + lane / 4;
            const int keys = uniform(held), all_see = uniform(a.first_key(run.b, last_row));
            const float sunk = sink && how != MARKS ? sink[run.h] * LOG2E : -INFINITY, counts = sink && lane % 4 == 0;
            float X[8 * SEEN][4], Y[8 * P][4], base[2] = { sunk, sunk }, sum[2] = { counts, counts }, shrink[2];
            uint32_t W[SEEN][4][4];
            const unsigned char *slots = shared + tile::FIRST_KEYS, *K[SEEN];
            unsigned char *Q = shared + tile::QUERIES + (2 * group + n % 2) * tile::OF_TILE;
            wait_for(&at->queries_full[group][n % 2], n / 2 % 2);
#pragma unroll
            for (int i = 0; i < SEEN; i++)
                come(keys + i), K[i] = slots + 2 * slot(keys + i) * tile::OF_TILE;

            /* X = Q K^T.  What a product writes is cleared, or its registers are kept all along. */
            clear(X);
            mm_settle(X);
            mm_begin();
#pragma unroll
            for (int i = 0; i < SEEN; i++) {
                mm_nt<64, false>(X + 8 * i, Q, K[i]);
#pragma unroll
                for (int p = 1; p < P; p++)
                    mm_nt<64>(X + 8 * i, Q + p * PANEL, K[i] + p * PANEL);
            }
            mm_end();
            mm_wait();
            mm_settle(X);
            if (n && lane == 0)                                     /* the last tile's y has left for memory */
                bulk_read(), arrive(&at->queries_empty[group][(n - 1) % 2]);
            if (how == MARKS)
                clear(X);
            int begin[2], end[2];
#pragma unroll
            for (int e = 0; e < 2; e++) {
                const bool valid = row + 8 * e < a.T;
                begin[e] = valid ? a.first_key(run.b, row + 8 * e) : 0;
                end[e] = valid ? row + 8 * e + before : -1;
            }
#pragma unroll
            for (int i = 0; i < SEEN; i++)
                if (64 * (keys + i) < all_see || 64 * (keys + i) + 63 > first_row + before)
                    hide_scores((float (&)[8][4])X[8 * i], 64 * (keys + i), begin, end);
            softmax_step(X, base, sum, shrink, scale);
#pragma unroll
            for (int i = 0; i < SEEN; i++)
                as_operand(W[i], X + 8 * i), mm_settle(W[i]);

            /* Y = W V */
            clear(Y);
            mm_settle(Y);
            mm_begin();
            mm_rn<64 * P, false>(Y, W[0], K[0] + tile::OF_TILE);
#pragma unroll
            for (int i = 1; i < SEEN; i++)
                mm_rn<64 * P>(Y, W[i], K[i] + tile::OF_TILE);
            mm_end();
            mm_wait();
            mm_settle(Y);
            give_back(m + GROUPS < run.tiles ? run.keys(a, m + GROUPS) : to);

            if (!AGAIN) {
                const bool any = __any_sync(~0u, spoiled(Y, row < a.T, row + 8 < a.T));
                if (lane == 0)
                    bad[(((size_t)run.b * a.H + run.h) * ((a.T + 63) / 64) + run.first + m) * 4 + warp] = any;
            }
            if (how == MARKS)
                keep_marks(marks, Y);
            if (how == FINITE)
                put_marks(Y, marks);
#pragma unroll
            for (int e = 0; e < 2 && how != MARKS; e++) {
                const float total = quad_sum(sum[e]), over = 1 / total;
                if (row + 8 * e < a.T && lane % 4 == 0)
                    lse[a.query(run.b, row + 8 * e, run.h)] = (base[e] + log2f(total)) / LOG2E;
#pragma unroll
                for (int i = 0; i < 8 * P; i++)
                    Y[i][2 * e] *= over, Y[i][2 * e + 1] *= over;
            }
            together(1 + group);                                    /* all four warps are done with Q, which takes y */
            if (how != MARKS) {
                put_in_tile<P>(Q, PANEL, 16 * warp + lane / 4, Y);
                mm_fence();                                         /* copies that come later come after it */
                __syncwarp();
                if (lane == 0) {
#pragma unroll
                    for (int p = 0; p < P; p++)
                        store_box(&maps.y, 64 * p, run.h, first_row + 16 * warp, run.b,
                                  Q + p * PANEL + 16 * warp * 128);
                    bulk_commit();
                }
            }
        }
        sent += to - from;
    });
    if (lane == 0)
        bulk_read();
}

/* spoiled: four bytes a tile of queries, one for each warp that has 16 of them */
template <int P, bool AGAIN>
static __global__ void __launch_bounds__(near_tile<P>::THREADS, 1)
attention_near_kernel(float *lse, unsigned char *spoiled, const float *sink, const __grid_constant__ near_maps maps,
                      const swax_bf16 *v, int length, attention_shape a)
{
    using tile = near_tile<P>;
    if (AGAIN) {
        others_done();
        int any = 0;
        for (int n = blockIdx.x + threadIdx.x * gridDim.x; n < a.B * a.H * ((a.T + 63) / 64);
             n += blockDim.x * gridDim.x)
            any |= ((const uint32_t *)spoiled)[n] != 0;
        if (!__syncthreads_or(any))
            return;
    }
    unsigned char *shared = shared_memory();
    near_barriers<tile> *at = (near_barriers<tile> *)(shared + tile::BARRIERS);
    if (threadIdx.x == 0) {
        for (int i = 0; i < 2 * tile::GROUPS; i++) {
            barrier_init(&at->queries_full[i / 2][i % 2], 1);
            barrier_init(&at->queries_empty[i / 2][i % 2], 4);
        }
        for (int i = 0; i < tile::SLOTS; i++) {
            barrier_init(&at->full[i], 2);                          /* keys, and values */
            barrier_init(&at->empty[i], tile::WARPS);
        }
        barriers_begun();
    }
    __syncthreads();
    if (threadIdx.x < 128) {
        fewer_registers<tile::FEW_REGISTERS>();
        if (threadIdx.x < (AGAIN ? 32 : 1))
            near_copies<P, tile, AGAIN>(shared, at, maps, v, (const uint32_t *)spoiled, length, a);
    } else {
        more_registers<tile::REGISTERS>();
        near_rows<P, tile, AGAIN>(shared, at, maps, lse, spoiled, sink, length, a);
    }
}

#endif
