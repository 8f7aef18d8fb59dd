/* attention_gradient.cuh - windowed attention's gradients on sm_90a in one pass over the band, for heads of 65 to 128.
 *
 *     P = exp(s k q^T - lse),   dS = P o (v dy^T - delta)        rows are keys, columns queries
 *     dv = P dy,   dk = s dS q,   dq = s dS^T k
 *
 * A block takes 128 keys and walks over the tiles of 64 queries that see one of them, for all query heads of the key
 * head; then it draws the next ticket.
 *
 *     groups 0, 1   64 of the keys each: their dk and dv stay in registers.  Of dq, to which all 128 keys add, each
 *                   group has half the columns: dS goes through shared memory, where the groups meet once a tile
 *     group 2       one thread sends for keys, values, queries and dy, two tiles of queries ahead
 *                   (attention_gradient_copies.cuh); two add what groups 0 and 1 leave of dq to what other blocks have,
 *                   when it is their turn, and one fetches that for the last of them (attention_gradient_turns.cuh)
 *
 * While a group computes on one product's elements, the tensor cores are at the next. */
#ifndef SWAX_ATTENTION_GRADIENT_CUH
#define SWAX_ATTENTION_GRADIENT_CUH

#include "cuda/attention_gradient_copies.cuh"
#include "cuda/attention_gradient_turns.cuh"
#include "cuda/attention_stream.cuh"

/* Where this lane's fragment of dS, 64 keys by 64 queries, goes as rows of queries: piece by piece, turned */
DEVICE void put_turned(unsigned char *panel, const uint32_t (&dS)[4][4])
{
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 % 4;
#pragma unroll
    for (int k = 0; k < 4; k++)
        stmatrix_t(panel + swizzle(16 * k + lane / 16 * 8 + lane % 8, 2 * warp + lane / 8 % 2), dS[k]);
}

/* A warp adds its 16 rows of d, rounded once, to an array; they pass through its 16 rows of panels that are so many
 * bytes apart. */
template <int P>
DEVICE void add_rows(swax_bf16 *to, size_t stride, unsigned char *rows, int panels, int valid, int columns,
                     float (&d)[8 * P][4])
{
    const int piece = threadIdx.x % 32 % (8 * P), first = threadIdx.x % 32 / (8 * P), each = 4 / P;
    unsigned char *panel = rows + piece / 8 * panels;
    to += first * stride + 8 * piece;
    valid = 8 * piece < columns ? valid - first : 0;
    uint4 old[16 / each];
#pragma unroll
    for (int i = 0; i < 16 / each; i++)
        old[i] = i * each < valid ? *(const uint4 *)(to + i * each * stride) : uint4{ 0, 0, 0, 0 };
#pragma unroll
    for (int i = 0; i < 16 / each; i++)
        *(uint4 *)(panel + swizzle(first + i * each, piece % 8)) = old[i];
    __syncwarp();
    add_to_tile<P>(rows, panels, threadIdx.x % 32 / 4, d);
    __syncwarp();
#pragma unroll
    for (int i = 0; i < 16 / each; i++)
        if (i * each < valid)
            *(uint4 *)(to + i * each * stride) = *(const uint4 *)(panel + swizzle(first + i * each, piece % 8));
    __syncwarp();
}

/* This group's columns of a tile's dq, summed up, go to dq through a panel; unless they, or the other group's, are
 * spoiled. */
DEVICE void add_to_queries(swax_bf16 *dq, unsigned char *panel, float (&dQ)[8][4], const gradient_step &step,
                           const gradient_notes &notes, const attention_shape &a)
{
    const int group = threadIdx.x / 128, warp = threadIdx.x / 32 % 4, row = step.t0 + 16 * warp;
    const bool any = any_of_them(2, 256, spoiled(dQ, true, true));
    if (threadIdx.x == 0)
        notes.spoiled[((size_t)step.b * a.H + step.h) * ((a.T + 63) / 64) + step.t0 / 64] = any;
    multiply(dQ, rsqrtf((float)a.D));
    add_rows<1>(dq + a.query(step.b, row, step.h) * a.width + 64 * group, (size_t)a.H * a.width,
                panel + 16 * warp * 128, 0, any ? 0 : a.T - row, a.width - 64 * group, dQ);
    they_meet(3 + group, 128);              /* the panel is free */
}

/* 64 keys' gradients go to dk and dv through this group's panels of dS, unless they are spoiled; `of` a sequence and
 * key head. */
DEVICE void add_to_keys(swax_bf16 *dk, swax_bf16 *dv, unsigned char *panels, float (&dK)[16][4], float (&dV)[16][4],
                        int of, int k0, const gradient_notes &notes, const attention_shape &a)
{
    const int warp = threadIdx.x / 32 % 4, row = k0 + 16 * warp, mine = row + threadIdx.x % 32 / 4;
    const bool upper = mine < a.S, lower = mine + 8 < a.S;
    const bool any = any_of_them(3 + threadIdx.x / 128, 128, spoiled(dK, upper, lower) || spoiled(dV, upper, lower));
    if (threadIdx.x % 128 == 0 && k0 < a.S)
        notes.spoiled[notes.queries + of * ((a.S + 63) / 64) + k0 / 64] = any;
    const size_t first = a.key(of / a.G, row, of % a.G) * a.width, stride = (size_t)a.G * a.width;
    const int valid = any ? 0 : a.S - row;
    multiply(dK, rsqrtf((float)a.D));
    add_rows<2>(dv + first, stride, panels + 16 * warp * 128, 2 * PANEL, valid, a.width, dV);
    add_rows<2>(dk + first, stride, panels + 16 * warp * 128, 2 * PANEL, valid, a.width, dK);
    they_meet(3 + threadIdx.x / 128, 128);
}

/* This group's columns of a tile's dq, for others to add */
DEVICE void leave_sums(float4 *sums, const float (&dQ)[8][4])
{
#pragma unroll
    for (int i = 0; i < 8; i++)
        sums[256 * i] = make_float4(dQ[i][0], dQ[i][1], dQ[i][2], dQ[i][3]);
    mm_fence();
}

/* X, dX       scores, then P; v dy^T, then dS;  dQ: this group's columns of a tile of dq, of all 128 keys
 * W, dW       P and dS as left operands
 * used        tiles of queries so far: their slots and phases;  fetched: a slot's bit is the phase of sums_fetched */
DEVICE void gradient_of_keys(unsigned char *shared, gradient_barriers *at, swax_bf16 *dq, swax_bf16 *dk, swax_bf16 *dv,
                             const gradient_notes &notes, int all, const attention_shape &a)
{
    using tile = gradient_tile;
    enum { P = tile::P };
    const int lane = threadIdx.x % 32, group = uniform(threadIdx.x / 128), warp = threadIdx.x / 32 % 4;
    const float scale = rsqrtf((float)a.D) * LOG2E;
    const unsigned char *K = shared + group * tile::ROWS;
    const unsigned char *V = shared + tile::OF_VALUES + group * tile::ROWS;
    int used = 0, fetched = 0;
    for (int n = 0;; n++) {
        wait_for(&at->keys_full, n % 2);
        const int ticket = uniform(at->ticket);
        if (ticket >= all)
            return;
        const gradient_place &place = at->place[n % 3];
        const int k0 = uniform(place.j0) + 64 * group, of = uniform(place.b * a.G + place.g);
        if (uniform(place.from == place.to)) {               /* nobody sees these keys */
            if (threadIdx.x % 128 == 0 && k0 < a.S)
                notes.spoiled[notes.queries + of * ((a.S + 63) / 64) + k0 / 64] = 0;
            wait_for(&at->values_full, n % 2);
            warp_arrives(&at->keys_empty);
            warp_arrives(&at->values_empty);
            continue;
        }
        float dK[8 * P][4], dV[8 * P][4], X[8][4];
        clear(dK);
        clear(dV);
        auto slot = [&](int u) { return u % 2; };
        auto phase = [&](int u) { return u / 2 % 2; };
        auto scores = [&](int u) {
            const unsigned char *Q = shared + tile::OF_QUERIES + slot(u) * tile::ROWS;
            mm_settle(X);
            mm_begin();
            mm_nt<64, false>(X, K, Q);
#pragma unroll
            for (int p = 1; p < P; p++)
                mm_nt<64>(X, K + p * PANEL, Q + p * PANEL);
            mm_end();
        };

        wait_for(&at->queries_full[slot(used)], phase(used));
        scores(used);
        mm_wait();
        mm_settle(X);
        wait_for(&at->values_full, n % 2);
        bool last;
        do {
            const unsigned char *Q = shared + tile::OF_QUERIES + slot(used) * tile::ROWS;
            const unsigned char *dY = shared + tile::OF_DY + slot(used) * tile::ROWS;
            const float4 *rows = (const float4 *)(shared + tile::OF_ROWS + slot(used) * tile::ROW_NOTES);
            const int *firsts = (const int *)rows + 128;
            unsigned char *dS = shared + tile::OF_DS + slot(used) * 2 * PANEL;
            float4 *sums = (float4 *)(shared + tile::OF_SUMS + slot(used) * tile::SUMS) + threadIdx.x;
            float dX[8][4], dQ[8][4];
            uint32_t W[4][4], dW[4][4];
            wait_for(&at->dy_full[slot(used)], phase(used));
            clear(dX);
            mm_settle(dX);
            mm_begin();
            mm_nt<64, false>(dX, V, dY);
#pragma unroll
            for (int p = 1; p < P; p++)
                mm_nt<64>(dX, V + p * PANEL, dY + p * PANEL);
            mm_end();
            weights_of_keys(X, rows, scale);
            const int p0 = at->step[slot(used)].t0 + a.S - a.T;     /* the first query's place among the keys */
            if (uniform(k0 + 63 > p0 || firsts[63] > k0))
#pragma unroll
                for (int i = 0; i < 8; i++) {
                    const int2 of = ((const int2 *)firsts)[4 * i + lane % 4];
#pragma unroll
                    for (int e = 0; e < 4; e++) {
                        const int key = k0 + 16 * warp + lane / 4 + e / 2 * 8,
                                  query = p0 + 8 * i + lane % 4 * 2 + e % 2;
                        if ((key < (e % 2 ? of.y : of.x)) | (key > query))
                            X[i][e] = 0;
                    }
                }
            as_operand(W, X);
            mm_begin();
            mm_rn<64 * P>(dV, W, dY);
            mm_end();
            mm_wait<1>();
            mm_settle(dX);
            gradients_of_scores(dX, X, rows);
            as_operand(dW, dX);
            put_turned(dS + group * PANEL, dW);
            mm_fence();
            mm_begin();
            mm_rn<64 * P>(dK, dW, Q);
            mm_end();
            const bool begins = uniform(at->step[slot(used)].begins), ends = uniform(at->step[slot(used)].ends);
            last = uniform(at->step[slot(used)].last);
            clear(dQ);
            if (ends && !begins) {
                wait_for(&at->sums_fetched[slot(used)], fetched >> slot(used) & 1);
                fetched ^= 1 << slot(used);
#pragma unroll
                for (int i = 0; i < 8; i++) {
                    const float4 sum = sums[256 * i];
                    dQ[i][0] = sum.x, dQ[i][1] = sum.y, dQ[i][2] = sum.z, dQ[i][3] = sum.w;
                }
            }
            they_meet(1, 256);
            mm_settle(dQ);
            mm_begin();
            mm_nn<64>(dQ, dS, shared + group * PANEL);
            mm_nn<64>(dQ, dS + PANEL, shared + tile::ROWS + group * PANEL);
            mm_end();
            mm_wait<1>();               /* dK and dV are there, and W and dW free */
            mm_settle(dK);
            mm_settle(dV);
            warp_arrives(&at->dy_empty[slot(used)]);
            if (!last)
                wait_for(&at->queries_full[slot(used + 1)], phase(used + 1));
            scores(used + !last);       /* after the last, which needs none, of the same: nothing is skipped */
            mm_wait<1>();
            mm_settle(dQ);
            if (used > 1)               /* the sums before are where they belong, also where this tile has none */
                wait_for(&at->sums_empty[slot(used)], phase(used) ^ 1);
            if (ends)
                add_to_queries(dq, shared + tile::OF_DS + (slot(used + 1) * 2 + group) * PANEL, dQ,
                               at->step[slot(used)], notes, a);
            else
                leave_sums(sums, dQ);
            warp_arrives(&at->sums_full[slot(used)]);
            warp_arrives(&at->queries_empty[slot(used)]);
            mm_wait();
            mm_settle(X);
            used++;
        } while (!last);
        warp_arrives(&at->keys_empty);
        warp_arrives(&at->values_empty);
        they_meet(1, 256);              /* dS has been read */
        add_to_keys(dk, dv, shared + tile::OF_DS + group * PANEL, dK, dV, of, k0, notes, a);
    }
}

static __global__ void __launch_bounds__(384, 1)
attention_gradient_kernel(swax_bf16 *dq, swax_bf16 *dk, swax_bf16 *dv, gradient_notes notes,
                          const __grid_constant__ gradient_maps maps, int all, attention_shape a)
{
    unsigned char *shared = shared_memory();
    gradient_barriers *at = (gradient_barriers *)(shared + gradient_tile::BARRIERS);
    if (threadIdx.x == 0) {
        barrier_init(&at->keys_full, 1);
        barrier_init(&at->keys_empty, 8 + 3);
        barrier_init(&at->values_full, 1);
        barrier_init(&at->values_empty, 8);
        for (int i = 0; i < 2; i++) {
            barrier_init(&at->queries_full[i], 1);
            barrier_init(&at->queries_empty[i], 8);
            barrier_init(&at->dy_full[i], 1);
            barrier_init(&at->dy_empty[i], 8);
            barrier_init(&at->sums_empty[i], 2);
            barrier_init(&at->sums_fetched[i], 1);
            barrier_init(&at->sums_full[i], 8);
        }
        barriers_begun();
    }
    __syncthreads();
    const int warp = uniform(threadIdx.x / 32);
    if (warp >= 8) {
        fewer_registers<24>();
        if (threadIdx.x % 32 == 0) {
            if (warp == 8)
                gradient_copies(shared, at, maps, notes, all, a);
            else if (warp == 9)
                gradient_fetches(shared, at, notes, all, a);
            else
                gradient_adds(warp - 10, shared, at, notes, all, a);
        }
    } else {
        more_registers<240>();
        gradient_of_keys(shared, at, dq, dk, dv, notes, all, a);
    }
}

#endif
