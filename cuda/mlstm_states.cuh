/* mlstm_states.cuh - the sequential part of the mLSTM cell: the state at the chunks' borders, and its gradient.
 *
 *     forward, chunk by chunk:    C' = decay C + (leave K)^T V,               n' = decay n + (leave K)^T 1
 *     backward, from the end:     dC = decay dC' + (s enter/N Q)^T dh,        dn = decay dn' + (s enter/N Q)^T (gamma N)
 *
 * One block holds a tile of one head's state in registers, in float, and walks through all tokens.  Before each chunk
 * (backward: behind it) it writes the state down, as bf16 for mlstm_chunks.cuh and as float for the caller.  The backward's
 * other need, <dC,C> + <dn,n> at the borders, is a pass of its own. */
#ifndef SWAX_MLSTM_STATES_CUH
#define SWAX_MLSTM_STATES_CUH

#include "mlstm_gates.cuh"

struct state_args {
    const swax_bf16 *x, *y;             /* k and v, or q and dh */
    int K8, V8;                         /* their widths */
    const split *weight, *normal;       /* of x, and of its sum; NULL: 1 */
    const float *decay;
    const float *C0, *n0;               /* where the walk starts: the state before the call, or dC1, dn1; may be NULL */
    float *C1, *n1;                     /* where it ends: written, or added to, if not NULL */
    swax_bf16 *copies, *rests;          /* (B,H,chunks,K8,V8): the state before each chunk, its gradient behind it; what
                                         * rounding the gradient left, for the anchors */
    float *sums;                        /* (B,H,chunks,K): n, dn, likewise */
    float *Cs, *ns;                     /* the states kept for the backward; may be NULL */
    bool wide;                          /* V is a multiple of 4 and C0, C1, Cs are 16-byte aligned */
};

template <int ROWS, int P> struct state_tile {      /* ROWS of K, 64 P of V */
    enum { THREADS = 2 * ROWS, STAGES = 3, RIGHT = ROWS / 64 * PANEL, STAGE = RIGHT + P * PANEL, WEIGHTS = STAGES * STAGE,
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

template <int ROWS, int P, bool BACKWARD>
static __global__ void __launch_bounds__(2 * ROWS, 2) states_kernel(state_args a, cell_shape shape)
{
    using tile = state_tile<ROWS, P>;
    const int across = (shape.V + 64 * P - 1) / (64 * P), tiles = (shape.K + ROWS - 1) / ROWS * across;
    const int bh = blockIdx.x / tiles, column0 = blockIdx.x % tiles % across * 64 * P, row0 = blockIdx.x % tiles / across * ROWS;
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32, row = row0 + 16 * warp + lane / 4, column = column0 + lane % 4 * 2;
    const int K = shape.K, V = shape.V, per = shape.padded() / 64, steps = shape.chunks * per;
    const size_t b = bh / shape.H, h = bh % shape.H, size = (size_t)K * V;
    const bool sums = column0 == 0;                     /* this block carries n too, in sum[..]: hi part, lo part */
    unsigned char *stages = shared_memory();
    float acc[8 * P][4], sum[4];

    auto load = [&](int step) {
        if (step < steps) {
            const int chunk = BACKWARD ? shape.chunks - 1 - step / per : step / per, part = step % per * 64;
            const int begin = shape.begin(chunk) + part, rows = shape.end(chunk) - begin;
            const size_t at = (b * shape.T + begin) * shape.H + h, pair = ((size_t)bh * shape.chunks + chunk) * per * 32 + part / 2;
            unsigned char *s = stages + step % tile::STAGES * tile::STAGE, *w = stages + tile::WEIGHTS + step % tile::STAGES * 512;
            const swax_bf16 *x = rows > 0 ? a.x + at * a.K8 + row0 : a.x, *y = rows > 0 ? a.y + at * a.V8 + column0 : a.y;
            load_tile<ROWS / 64, tile::THREADS>(s, PANEL, x, (size_t)shape.H * a.K8, 64, rows, a.K8 - row0);
            load_tile<P, tile::THREADS>(s + tile::RIGHT, PANEL, y, (size_t)shape.H * a.V8, 64, rows, a.V8 - column0);
            if (threadIdx.x < 16)
                cp_async(w + 16 * threadIdx.x, a.weight + pair + 2 * threadIdx.x, true);
            else if (threadIdx.x < 32 && a.normal)
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
                    f(sum[e] + sum[e + 1], row + 4 * e);
    };
    auto put = [&](float *C, float *n, bool add) {
        for_pairs<P>(acc, row, column, K, V, [&](float x, float y, int at, int left) {
            const float2 old = add ? read_two(C + at, left, a.wide) : make_float2(0, 0);
            write_two(C + at, old.x + x, old.y + y, left, a.wide);
        });
        for_sums([&](float x, int r) { n[r] = add ? n[r] + x : x; });
    };
    /* A warp's rows on their way out: 8 rows of 128 bytes at a time over its desk, so that whole lines are written. */
    unsigned char *desk = stages + tile::DESKS + warp * 1024;
    const int desk_row = lane / 8, desk_piece = lane % 8, top = row0 + 16 * warp;
    auto copy = [&](swax_bf16 *to, bool rest) {
#pragma unroll
        for (int p = 0; p < P; p++)
#pragma unroll
            for (int e = 0; e < 4; e += 2) {
                __syncwarp();
#pragma unroll
                for (int j = 0; j < 8; j++) {
                    const float x = acc[8 * p + j][e], y = acc[8 * p + j][e + 1];
                    const uint32_t near = pack(x, y);
                    *(uint32_t *)(desk + swizzle(lane / 4, j) + lane % 4 * 4) = rest ? pack(x - low_half(near), y - high_half(near)) : near;
                }
                __syncwarp();
#pragma unroll
                for (int r = desk_row; r < 8; r += 4) {
                    const int at = top + 4 * e + r, c = column0 + 64 * p + 8 * desk_piece;
                    if (at < a.K8 && c < a.V8)
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
                    *(float2 *)(desk + swizzle(lane / 4, 2 * j + lane % 4 / 2) + lane % 2 * 8) = make_float2(acc[4 * p + j][e], acc[4 * p + j][e + 1]);
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
    auto show = [&](int chunk) {
        const size_t border = (size_t)bh * shape.chunks + chunk, kept = (size_t)bh * ((shape.T + shape.L - 1) / shape.L) + chunk / shape.parts;
        copy(a.copies + border * a.K8 * a.V8, false);
        if (BACKWARD)
            copy(a.rests + border * a.K8 * a.V8, true);
        for_sums([&](float x, int r) { a.sums[border * K + r] = x; });
        if (!BACKWARD && a.Cs && chunk % shape.parts == 0)
            keep(a.Cs + kept * size, a.ns + kept * K);
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
            x = c.x, y = c.y;
        });
        if (sums && lane % 4 == 0)
#pragma unroll
            for (int e = 0; e < 4; e += 2)
                if (row + 4 * e < K)
                    sum[e] = a.n0[(size_t)bh * K + row + 4 * e];
    }
    for (int step = 0; step < steps; step++) {
        if (step % per == 0) {
            const int chunk = BACKWARD ? shape.chunks - 1 - step / per : step / per;
            const float decay = a.decay[(size_t)bh * shape.chunks + chunk];
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
        const unsigned char *s = stages + step % tile::STAGES * tile::STAGE, *x = s + warp / 4 * PANEL;
        const split *weight = (const split *)(stages + tile::WEIGHTS + step % tile::STAGES * 512), *normal = weight + 32;
        uint32_t left[4][4];
#pragma unroll
        for (int k = 0; k < 4; k++) {
            const split w0 = weight[8 * k + lane % 4], w1 = weight[8 * k + 4 + lane % 4];
            ldmatrix_t(left[k], x + swizzle(16 * k + lane / 16 * 8 + lane % 8, warp % 4 * 2 + lane / 8 % 2));
            left[k][0] = scale_pair(left[k][0], w0.hi, w0.lo);
            left[k][1] = scale_pair(left[k][1], w0.hi, w0.lo);
            left[k][2] = scale_pair(left[k][2], w1.hi, w1.lo);
            left[k][3] = scale_pair(left[k][3], w1.hi, w1.lo);
        }
        mm_begin();
        mm_rn<64 * P>(acc, left, s + tile::RIGHT);
        mm_end();
        load(step + tile::STAGES - 1);
        if (sums)
#pragma unroll
            for (int k = 0; k < 4; k++) {                /* columns 0 and 1 are hi and lo of the sum's weight */
                const split one = { 0x3f803f80, 0 };
                const split n0 = a.normal ? normal[8 * k + lane % 4] : one, n1 = a.normal ? normal[8 * k + 4 + lane % 4] : one;
                mma(sum, left[k], lane < 4 ? n0.hi : lane < 8 ? n0.lo : 0, lane < 4 ? n1.hi : lane < 8 ? n1.lo : 0);
            }
        mm_wait();
    }
    if (a.C1)
        put(a.C1 + bh * size, a.n1 + (size_t)bh * K, BACKWARD);
}

/* Behind each chunk that ends where a state was kept, or at the end of the call: <dC,C> + <dn,n>.  And, for callers without
 * bf16 copies of the kept states, those.  One block per chunk. */
struct border_args {
    const swax_bf16 *dC, *rest;         /* (B,H,chunks,K8,V8): their sum is meant */
    const float *dn;                    /* (B,H,chunks,K) */
    const float *Cs, *ns, *C1, *n1;
    swax_bf16 *copies;                  /* or NULL */
    float *anchor;                      /* (B,H,chunks) */
    int K8, V8;
    bool wide;                          /* V = V8, and Cs and C1 are 16-byte aligned */
};

DEVICE void read_eight(float (&x)[8], const float *p, int left, bool wide)
{
    if (wide) {
        const float4 u = *(const float4 *)p, v = *(const float4 *)(p + 4);
        x[0] = u.x, x[1] = u.y, x[2] = u.z, x[3] = u.w, x[4] = v.x, x[5] = v.y, x[6] = v.z, x[7] = v.w;
    } else {
        for (int c = 0; c < 8; c++)
            x[c] = c < left ? p[c] : 0;
    }
}
DEVICE uint4 pack_eight(const float (&x)[8])
{
    return { pack(x[0], x[1]), pack(x[2], x[3]), pack(x[4], x[5]), pack(x[6], x[7]) };
}

static __global__ void __launch_bounds__(256) borders_kernel(border_args a, cell_shape shape)
{
    const int chunk = blockIdx.x % shape.chunks, bh = blockIdx.x / shape.chunks, K = shape.K, V = shape.V;
    const bool at_end = chunk == shape.chunks - 1;
    const size_t size = (size_t)K * V, padded = (size_t)a.K8 * a.V8, border = blockIdx.x;
    const size_t kept = (size_t)bh * ((shape.T + shape.L - 1) / shape.L) + (chunk + 1) / shape.parts;
    const float *C = at_end ? a.C1 + bh * size : a.Cs + kept * size, *n = at_end ? a.n1 + (size_t)bh * K : a.ns + kept * K;
    float *part = (float *)shared_memory(), sum = 0;
    if (at_end || (chunk + 1) % shape.parts == 0) {
        for (int at = 8 * threadIdx.x; at < (int)padded; at += 8 * 256) {
            const int r = at / a.V8, c = at % a.V8;
            if (r >= K)
                break;
            const uint4 d = *(const uint4 *)(a.dC + border * padded + at), o = *(const uint4 *)(a.rest + border * padded + at);
            float x[8];
            read_eight(x, C + (size_t)r * V + c, V - c, a.wide);
            sum += (low_half(d.x) + low_half(o.x)) * x[0] + (high_half(d.x) + high_half(o.x)) * x[1]
                 + (low_half(d.y) + low_half(o.y)) * x[2] + (high_half(d.y) + high_half(o.y)) * x[3]
                 + (low_half(d.z) + low_half(o.z)) * x[4] + (high_half(d.z) + high_half(o.z)) * x[5]
                 + (low_half(d.w) + low_half(o.w)) * x[6] + (high_half(d.w) + high_half(o.w)) * x[7];
            if (a.copies && !at_end)
                *(uint4 *)(a.copies + (border + 1) * padded + at) = pack_eight(x);
        }
        for (int r = threadIdx.x; r < K; r += 256)
            sum += a.dn[border * K + r] * n[r];
    }
    if (a.copies && chunk == 0)
        for (int at = 8 * threadIdx.x; at < (int)padded; at += 8 * 256) {
            float x[8];
            read_eight(x, a.Cs + (size_t)bh * ((shape.T + shape.L - 1) / shape.L) * size + at, 8, a.wide);
            *(uint4 *)(a.copies + border * padded + at) = pack_eight(x);
        }
    sum = warp_sum(sum);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int w = 1; w < 8; w++)
            sum += part[w];
        a.anchor[border] = sum;
    }
}

#endif
