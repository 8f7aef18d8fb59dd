/* mlstm_states.cuh - the sequential part of the mLSTM cell: the state at the chunks' borders, and its gradient.
 *
 *     forward, chunk by chunk:    C' = decay C + (leave K)^T V,               n' = decay n + K^T leave
 *     backward, from the end:     dC = decay dC' + (s enter/N Q)^T dh,        dn = decay dn' + Q^T (s enter gamma)
 *
 * One block holds a tile of one head's state in registers, LIFTed, in float, and walks through all tokens.  Before each
 * chunk (backward: behind it) it writes the state down, as bf16 for mlstm_chunks.cuh and as float for the caller.  In
 * the backward it also meets the state of the forward there: it takes <dC,C> + <dn,n>, the anchor of the forget gate's
 * gradient, and makes the bf16 copy that the chunks read. */
#ifndef SWAX_MLSTM_STATES_CUH
#define SWAX_MLSTM_STATES_CUH

#include "cuda/mlstm_gates.cuh"

struct state_args {
    const swax_bf16 *x, *y;             /* k and v, or q and dh */
    int K8, V8;                         /* their widths */
    const split *weight, *normal;       /* of x: for the product, and for the sum */
    const float *decay;
    const float *C0, *n0;               /* where the walk starts: the state before the call, or dC1, dn1; may be NULL */
    float *C1, *n1;                     /* where it ends: written, or added to, if not NULL */
    swax_bf16 *copies;                  /* (B,H,borders,K8,V8): the state before each chunk, its gradient behind it */
    float *sums;                        /* (B,H,borders,K): n, dn, likewise */
    int every;                          /* forward: so many chunks from one copy to the next; backward: 1 */
    float *Cs, *ns;                     /* the states that the forward keeps, or NULL, and the backward meets */
    int keep;                           /* chunks from one kept state to the next; backward: the other way round */
    int kept;                           /* how many */
    bool wide;                          /* V is a multiple of 4 and all float states are 16-byte aligned */
    /* the rest is for the backward */
    const float *last_C, *last_n;       /* the state behind the last chunk */
    swax_bf16 *met;                     /* (B,H,chunks,K8,V8): Cs before each chunk */
    float *met_sums;                    /* (B,H,chunks,K) */
    float *anchors;                     /* (B,H,chunks + 1,parts), a part per warp of the head's tiles */
};

template <int ROWS, int P> struct state_tile {      /* ROWS of K, 64 P of V */
    enum { THREADS = 2 * ROWS, WARPS = THREADS / 32, STAGES = 3,
           RIGHT = ROWS / 64 * PANEL, STAGE = RIGHT + P * PANEL, WEIGHTS = STAGES * STAGE,
           DESKS = WEIGHTS + STAGES * 512, BYTES = DESKS + ROWS / 16 * 1024 };
};

/* Two neighbours of a row of which `left` are; wide: both, at an even address */
DEVICE float2 read_two(const float *p, int left, bool wide)
{
    return wide ? *(const float2 *)p : make_float2(p[0], left > 1 ? p[1] : 0);
}
DEVICE void write_two(float *p, float x, float y, int left, bool wide)
{
    if (wide)
        *(float2 *)p = make_float2(x, y);
    else if (p[0] = x, left > 1)
        p[1] = y;
}

/* f(x, y, index in a (K,V) matrix, columns left) for every two neighbours of this thread's part of the tile */
template <int P, class F> DEVICE void for_pairs(float (&acc)[8 * P][4], int row, int column, int K, int V, F f)
{
#pragma unroll
    for (int j = 0; j < 8 * P; j++)
#pragma unroll
        for (int e = 0; e < 4; e += 2) {
            const int r = row + e / 2 * 8, c = column + 8 * j;
            if (r < K && c < V)
                f(acc[j][e], acc[j][e + 1], r * V + c, V - c);
        }
}

/* One block per head and tile of its state.
 *
 *     acc, sum       the tile and, in the blocks of the first columns, n: C and n, or dC and dn, LIFTed
 *     load           start copying 64 tokens of x and y and their weights into a stage; a step is 64 tokens
 *     show, meet     at a chunk's border: write the state down; meet the forward's there, for the anchor and the copy
 *     put, keep      the state as float to where it ends, and where the caller keeps it;  copy: as bf16, over the
 *                    warp's desk
 *     for_sums       over the elements of n that this thread holds;  send_for: prefetch the state that is met next
 *     left           x of 16 rows by 64 tokens, weighted, as left operand */
template <int ROWS, int P, bool BACKWARD, bool DOCUMENTS>
static __global__ void __launch_bounds__(2 * ROWS, 2) states_kernel(state_args a, cell_shape shape)
{
    using tile = state_tile<ROWS, P>;
    const int across = (shape.V + 64 * P - 1) / (64 * P), tiles = (shape.K + ROWS - 1) / ROWS * across;
    const int bh = blockIdx.x / tiles, column0 = blockIdx.x % tiles % across * 64 * P;
    const int row0 = blockIdx.x % tiles / across * ROWS;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, row = row0 + 16 * warp + lane / 4;
    const int column = column0 + lane % 4 * 2;
    const int K = shape.K, V = shape.V, per = shape.padded() / 64, steps = shape.chunks * per;
    const size_t b = bh / shape.H, h = bh % shape.H, size = (size_t)K * V;
    const bool sums = column0 == 0;                     /* this block carries n too, in sum[..]: hi part, lo part */
    unsigned char *stages = shared_memory();
    float acc[8 * P][4], sum[4];

    int next_chunk = BACKWARD ? shape.chunks - 1 : 0, next_part = 0;    /* of the next tokens to load */
    auto load = [&](int step) {
        if (step < steps) {
            const int chunk = next_chunk, part = next_part;
            next_part += 64;
            if (next_part == 64 * per)
                next_part = 0, next_chunk += BACKWARD ? -1 : 1;
            const int begin = shape.begin(chunk) + part, rows = shape.end(chunk) - begin;
            const size_t at = (b * shape.T + begin) * shape.H + h;
            const size_t pair = ((size_t)bh * shape.chunks + chunk) * per * 32 + part / 2;
            unsigned char *s = stages + step % tile::STAGES * tile::STAGE;
            unsigned char *w = stages + tile::WEIGHTS + step % tile::STAGES * 512;
            const swax_bf16 *x = rows > 0 ? a.x + at * a.K8 + row0 : a.x;
            const swax_bf16 *y = rows > 0 ? a.y + at * a.V8 + column0 : a.y;
            load_tile<ROWS / 64, tile::THREADS, true>(s, PANEL, x, (size_t)shape.H * a.K8, 64, rows, a.K8 - row0);
            load_tile<P, tile::THREADS, true>(s + tile::RIGHT, PANEL, y, (size_t)shape.H * a.V8, 64, rows,
                                              a.V8 - column0);
            if (threadIdx.x < 16)
                cp_async(w + 16 * threadIdx.x, a.weight + pair + 2 * threadIdx.x, true);
            else if (threadIdx.x < 32)
                cp_async(w + 16 * threadIdx.x, a.normal + pair + 2 * (threadIdx.x - 16), true);
        }
        cp_commit();
    };

    /* f(sum, row) for every element of n this thread holds */
    auto for_sums = [&](auto f) {
        if (sums && lane % 4 == 0)
#pragma unroll
            for (int e = 0; e < 4; e += 2)
                if (row + 4 * e < K)
                    f((sum[e] + sum[e + 1]) / LIFT, row + 4 * e);
    };
    auto put = [&](float *C, float *n, bool add) {
        for_pairs<P>(acc, row, column, K, V, [&](float x, float y, int at, int left) {
            const float2 old = add ? read_two(C + at, left, a.wide) : make_float2(0, 0);
            write_two(C + at, old.x + x / LIFT, old.y + y / LIFT, left, a.wide);
        });
        for_sums([&](float x, int r) { n[r] = add ? n[r] + x : x; });
    };
    /* A warp's rows on their way out: 8 rows of 128 bytes at a time over its desk, so that whole lines are written. */
    unsigned char *desk = stages + tile::DESKS + warp * 1024;
    const int desk_row = lane / 8, desk_piece = lane % 8, top = row0 + 16 * warp;
    /* f(two elements, p, j, e) gives their bf16; to may be NULL */
    auto copy = [&](swax_bf16 *to, auto f) {
#pragma unroll
        for (int p = 0; p < P; p++)
#pragma unroll
            for (int e = 0; e < 4; e += 2) {
                __syncwarp();
#pragma unroll
                for (int j = 0; j < 8; j++)
                    *(uint32_t *)(desk + swizzle(lane / 4, j) + lane % 4 * 4) =
                        f(acc[8 * p + j][e], acc[8 * p + j][e + 1], 8 * p + j, e);
                __syncwarp();
#pragma unroll
                for (int r = desk_row; r < 8; r += 4) {
                    const int at = top + 4 * e + r, c = column0 + 64 * p + 8 * desk_piece;
                    if (to && at < a.K8 && c < a.V8)
                        *(uint4 *)(to + (at * a.V8 + c)) = *(const uint4 *)(desk + swizzle(r, desk_piece));
                }
            }
    };
    auto keep = [&](float *C, float *n) {
        if (!a.wide) {
            put(C, n, false);
            return;
        }
#pragma unroll
        for (int p = 0; p < 2 * P; p++)
#pragma unroll
            for (int e = 0; e < 4; e += 2) {
                __syncwarp();
#pragma unroll
                for (int j = 0; j < 4; j++)
                    *(float2 *)(desk + swizzle(lane / 4, 2 * j + lane % 4 / 2) + lane % 2 * 8) =
                        make_float2(acc[4 * p + j][e] / LIFT, acc[4 * p + j][e + 1] / LIFT);
                __syncwarp();
#pragma unroll
                for (int r = desk_row; r < 8; r += 4) {
                    const int at = top + 4 * e + r, c = column0 + 32 * p + 4 * desk_piece;
                    if (at < K && c < V)
                        *(float4 *)(C + (at * V + c)) = *(const float4 *)(desk + swizzle(r, desk_piece));
                }
            }
        for_sums([&](float x, int r) { n[r] = x; });
    };
    /* The state that the walk meets next comes from far away. */
    auto send_for = [&](int chunk) {
        const float *C = a.Cs + ((size_t)bh * a.kept + (size_t)chunk * a.keep) * size;
        for (int line = threadIdx.x; line < ROWS * 2 * P; line += tile::THREADS) {
            const int r = row0 + line / (2 * P), c = column0 + line % (2 * P) * 32;
            if (r < K && c < V)
                prefetch(C + ((size_t)r * V + c));
        }
    };
    /* <dC, C> + <dn, n>, and the copies of C and n, at the border before a chunk */
    auto meet = [&](int chunk) {
        const bool last = chunk == shape.chunks;
        const size_t at = (size_t)bh * a.kept + (size_t)chunk * a.keep, border = (size_t)bh * shape.chunks + chunk;
        const float *C = last ? a.last_C + bh * size : a.Cs + at * size;
        const float *n = last ? a.last_n + (size_t)bh * K : a.ns + at * K;
        float dot = 0;
        copy(last ? nullptr : a.met + border * a.K8 * a.V8, [&](float x, float y, int j, int e) {
            const int r = row + 4 * e, c = column + 8 * j;
            const float2 with = r < K && c < V ? read_two(C + (r * V + c), V - c, a.wide) : make_float2(0, 0);
            dot += x / LIFT * with.x + y / LIFT * with.y;
            return pack(with.x, with.y);
        });
        for_sums([&](float x, int r) {
            dot += x * n[r];
            if (!last)
                a.met_sums[border * K + r] = n[r];
        });
        dot = warp_sum(dot);
        if (lane == 0)
            a.anchors[((size_t)bh * (shape.chunks + 1) + chunk) * tiles * tile::WARPS +
                      blockIdx.x % tiles * tile::WARPS + warp] = dot;
    };
    auto show = [&](int chunk) {
        if (chunk % a.every == 0) {
            const size_t border = (size_t)bh * ((shape.chunks - 1) / a.every + 1) + chunk / a.every;
            copy(a.copies + border * a.K8 * a.V8, [](float x, float y, int, int) { return pack(x / LIFT, y / LIFT); });
            for_sums([&](float x, int r) { a.sums[border * K + r] = x; });
        }
        if constexpr (BACKWARD) {
            meet(chunk + 1);
            send_for(chunk);
        } else if (a.Cs && chunk % a.keep == 0) {
            const size_t at = (size_t)bh * a.kept + chunk / a.keep;
            keep(a.Cs + at * size, a.ns + at * K);
        }
    };

    /* Tokens of documents that this state is not of must leave nothing in it, whatever they are. */
    auto drop_weightless = [&](int step) {
        unsigned char *s = stages + step % tile::STAGES * tile::STAGE;
        const split *weight = (const split *)(stages + tile::WEIGHTS + step % tile::STAGES * 512);
        const int piece = threadIdx.x % 8;
        for (int row = threadIdx.x / 8; row < 64; row += tile::THREADS / 8) {
            const split w = weight[row / 2];
            if ((row % 2 ? (w.hi | w.lo) & 0x7fff0000 : (w.hi | w.lo) & 0x7fff) == 0)
#pragma unroll
                for (int p = 0; p < ROWS / 64 + P; p++)
                    *(uint4 *)(s + p * PANEL + swizzle(row, piece)) = make_uint4(0, 0, 0, 0);
        }
        mm_fence();
        __syncthreads();
    };

    for (int step = 0; step < tile::STAGES - 1; step++)
        load(step);
#pragma unroll
    for (int j = 0; j < 8 * P; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            acc[j][e] = 0;
#pragma unroll
    for (int e = 0; e < 4; e++)
        sum[e] = 0;
    if (a.C0) {
        for_pairs<P>(acc, row, column, K, V, [&](float &x, float &y, int at, int left) {
            const float2 c = read_two(a.C0 + bh * size + at, left, a.wide);
            x = LIFT * c.x, y = LIFT * c.y;
        });
        if (sums && lane % 4 == 0)
#pragma unroll
            for (int e = 0; e < 4; e += 2)
                if (row + 4 * e < K)
                    sum[e] = LIFT * a.n0[(size_t)bh * K + row + 4 * e];
    }
    bool broken = false;                                /* does nothing pass through this chunk? */
    for (int step = 0, chunk = BACKWARD ? shape.chunks : -1, left_of_chunk = 0; step < steps; step++) {
        if (left_of_chunk-- == 0) {
            chunk += BACKWARD ? -1 : 1, left_of_chunk = per - 1;
            const float decay = a.decay[(size_t)bh * shape.chunks + chunk];
            broken = DOCUMENTS && decay == 0;
            show(chunk);
#pragma unroll
            for (int j = 0; j < 8 * P; j++)
#pragma unroll
                for (int e = 0; e < 4; e++)
                    acc[j][e] = decay == 0 ? 0 : decay * acc[j][e];
#pragma unroll
            for (int e = 0; e < 4; e++)
                sum[e] = decay == 0 ? 0 : decay * sum[e];
        }
        tiles_arrive<tile::STAGES - 2>();
        if (DOCUMENTS && broken)
            drop_weightless(step);
        const unsigned char *s = stages + step % tile::STAGES * tile::STAGE, *x = s + warp / 4 * PANEL;
        const split *weight = (const split *)(stages + tile::WEIGHTS + step % tile::STAGES * 512),
                    *normal = weight + 32;
        uint32_t left[4][4];
#pragma unroll
        for (int k = 0; k < 4; k++) {
            const split w0 = weight[8 * k + lane % 4], w1 = weight[8 * k + 4 + lane % 4];
            ldmatrix_t(left[k], x + swizzle(16 * k + lane / 16 * 8 + lane % 8, warp % 4 * 2 + lane / 8 % 2));
            if (sums) {                                  /* columns 0 and 1 are hi and lo of the sum's weight */
                const split n0 = normal[8 * k + lane % 4], n1 = normal[8 * k + 4 + lane % 4];
                mma(sum, left[k], lane < 4 ? n0.hi : lane < 8 ? n0.lo : 0, lane < 4 ? n1.hi : lane < 8 ? n1.lo : 0);
            }
            left[k][0] = scale_pair(left[k][0], w0.hi, w0.lo);
            left[k][1] = scale_pair(left[k][1], w0.hi, w0.lo);
            left[k][2] = scale_pair(left[k][2], w1.hi, w1.lo);
            left[k][3] = scale_pair(left[k][3], w1.hi, w1.lo);
        }
        mm_begin();
        mm_rn<64 * P>(acc, left, s + tile::RIGHT);
        mm_end();
        load(step + tile::STAGES - 1);
        mm_wait();
    }
    if constexpr (BACKWARD)
        meet(0);
    if (a.C1)
        put(a.C1 + bh * size, a.n1 + (size_t)bh * K, BACKWARD);
}

#endif
