/* delta_gradient.cuh - the gradients of q, k and g in the chunked delta rule (delta_chunk.cuh), one gate a head: all
 * chunks at once.
 *
 *     N_ij = scale (dy_i.u_j) X_ij          j <= i            M_ij = - e beta_i (Y_i.u_j) X_ij        j < i
 *     dQ   = scale E o (dy S^T)   + N K
 *     dK   = - e beta E o (Y S^T) + M K     + Z o (U D'^T)    + N^T Q + M^T K
 *
 * S is the state before the chunk, D' its gradient behind it; S and u come LIFTed, and all but D' stays so up to the
 * end.  What crosses a token's gate is its gradient: pairs i >= r > j, from the state to i >= r, from j < r to the
 * state behind, and from state to state:
 *
 *     x_i  = q_i.(dQ_i - N_ii k_i) + k_i.(the first two terms of dK_i) - k_i.(the last two, without N_ii q_i)
 *     dg_r = sum_{i>=r} x_i + sum_{j<r} k_j.(Z o U D'^T)_j + E_last <D',S>        within r's document
 *
 * N_ii, a token's effect on itself, passes no gate: left in, it would drown the rest where gates are shut. */
#ifndef SWAX_DELTA_GRADIENT_CUH
#define SWAX_DELTA_GRADIENT_CUH

#include "cuda/delta.cuh"
#include "cuda/delta_within.cuh"

struct gradient_args {
    delta_given given;
    const swax_bf16 *q, *k, *dy, *Y, *U;
    const swax_bf16 *S, *D;             /* (B,H,chunks,K8,V8) */
    const float *dbeta_parts;           /* (strips,B,T,H) */
    swax_bf16 *dq, *dk;                 /* added to, where every head has keys of its own */
    float *head_dq, *head_dk;           /* else written, (B,T,H,K8) */
    float *dg, *dbeta;                  /* (B,T,H), added to */
    int strips;
    delta_left left;                    /* what the walk left over */
};

/* Two groups of four warps, each with COLUMNS panels of dQ and dK.  A stage has two panels of tokens by V and one of K
 * by V. */
template <int KP> struct gradient_tile {
    enum { COLUMNS = KP < 2 ? 1 : KP / 2, KEYS = 0, QUERIES = KP * PANEL, OF_N = 2 * KP * PANEL, OF_M = OF_N + PANEL,
           STAGES = OF_M + PANEL,
           STAGE = (2 + KP) * PANEL, DIAGONAL = STAGES + 2 * STAGE, BYTES = DIAGONAL + 1024 };
};

/* What is found out about the tokens of a chunk, in a stage that is no longer needed: x, and what leaves, of either
 * group's channels */
struct gradient_desk {
    float x[2][CHUNK], leaves[2][CHUNK];
    double half;
    float through[8];
};

/* dot += by <x, row> for the two rows of this lane, x a tile in panels */
template <int C> DEVICE void row_dots(float (&dot)[2], float by, float (&d)[8 * C][4], const unsigned char *x)
{
#pragma unroll
    for (int e = 0; e < 4; e += 2) {
        float sum = 0;
#pragma unroll
        for (int j = 0; j < 8 * C; j++) {
            const uint32_t pair = *(const uint32_t *)(x + j / 8 * PANEL + swizzle(fragment_row() + 4 * e, j % 8)
                                                      + fragment_column() * 2);
            sum += d[j][e] * low_half(pair) + d[j][e + 1] * high_half(pair);
        }
        dot[e / 2] += by * quad_sum(sum);
    }
}

/* d's rows times x[row] */
template <int C> DEVICE void scale_rows(float (&d)[8 * C][4], const float *x, const float *y, float by)
{
#pragma unroll
    for (int e = 0; e < 4; e += 2) {
        const float w = x[fragment_row() + 4 * e] * (y ? y[fragment_row() + 4 * e] : 1) * by;
#pragma unroll
        for (int j = 0; j < 8 * C; j++)
            d[j][e] = w == 0 ? 0 : w * d[j][e], d[j][e + 1] = w == 0 ? 0 : w * d[j][e + 1];
    }
}

/* (d + diagonal x) / LIFT to its place: added to bf16, all of which is read first, or written as float.  Rows of
 * `stride`. */
template <int C>
DEVICE void put_gradient(swax_bf16 *to, float *to_head, size_t stride, float (&d)[8 * C][4], const float *diagonal,
                         const unsigned char *x, int tokens, int columns)
{
    uint32_t old[8 * C][2];
    auto there = [&](int j, int e) { return fragment_row() + 8 * e < tokens && 8 * j + fragment_column() < columns; };
#pragma unroll
    for (int j = 0; j < 8 * C; j++)
#pragma unroll
        for (int e = 0; e < 2; e++)
            old[j][e] = !to_head && there(j, e) ? *(const uint32_t *)(to + (fragment_row() + 8 * e) * stride + 8 * j
                                                                      + fragment_column()) : 0;
#pragma unroll
    for (int j = 0; j < 8 * C; j++)
#pragma unroll
        for (int e = 0; e < 2; e++) {
            const int row = fragment_row() + 8 * e, column = 8 * j + fragment_column();
            if (!there(j, e))
                continue;
            const uint32_t pair = *(const uint32_t *)(x + j / 8 * PANEL + swizzle(row, j % 8) + fragment_column() * 2);
            const float a = (d[j][2 * e] + diagonal[row] * low_half(pair)) / LIFT,
                b = (d[j][2 * e + 1] + diagonal[row] * high_half(pair)) / LIFT;
            if (to_head)
                *(float2 *)(to_head + row * stride + column) = make_float2(a, b);
            else
                *(uint32_t *)(to + row * stride + column) = pack(low_half(old[j][e]) + a, high_half(old[j][e]) + b);
        }
}

/* The pairs of a chunk, in X: N by the first group, its diagonal apart, and M by the second.  N and M have 0 on the
 * diagonal. */
DEVICE void weight_pairs(float (&X)[8][4], float *diagonal, const float *scalars, const delta_shape &s, int b,
                         int begin, int length, bool of_n)
{
#pragma unroll
    for (int e = 0; e < 4; e += 2) {
        const int i = fragment_row() + 4 * e, document = i < length ? s.document(b, begin, i) : CHUNK;
        const float by = of_n ? s.scale : -scalars[SCALAR_BETA + i], G = scalars[SCALAR_G + i];
#pragma unroll
        for (int n = 0; n < 8; n++)
#pragma unroll
            for (int o = 0; o < 2; o++) {
                const int j = 8 * n + fragment_column() + o;
                float &x = X[n][e + o];
                if (of_n && i == j)
                    diagonal[i] = i < length ? by * x : 0;
                x = j < i && document <= j ? by * x * exp2_fast(G - scalars[SCALAR_G + j]) : 0;
            }
    }
}

/* This thread's part of <D',S>, of one panel of V: D' is in shared memory, S comes by once more */
template <int KP> DEVICE float through_part(const unsigned char *D, const swax_bf16 *S, int channels, int columns,
                                            int V8)
{
    float sum = 0;
#pragma unroll
    for (int i = threadIdx.x; i < CHUNK * 8 * KP; i += 256) {
        const int channel = i / 8, piece = i % 8;
        if (channel < channels && 8 * piece < columns) {
            const uint4 x = *(const uint4 *)(D + swizzle(channel, piece)),
                y = *(const uint4 *)(S + (size_t)channel * V8 + 8 * piece);
            sum += low_half(x.x) * low_half(y.x) + high_half(x.x) * high_half(y.x) + low_half(x.y) * low_half(y.y)
                + high_half(x.y) * high_half(y.y)
                 + low_half(x.z) * low_half(y.z) + high_half(x.z) * high_half(y.z) + low_half(x.w) * low_half(y.w)
                     + high_half(x.w) * high_half(y.w);
        }
    }
    return sum;
}

/* dg of token threadIdx.x; the whole block comes here */
DEVICE double gate_gradient(gradient_desk *desk, const delta_shape &s, int b, int begin, int length, double through)
{
    const int i = threadIdx.x, lane = i % 32, last = s.document(b, begin, length - 1),
        document = i < length ? s.document(b, begin, i) : CHUNK;
    double x = i < length ? (double)desk->x[0][i] + desk->x[1][i] : 0;
    const double leaves = i < length ? (double)desk->leaves[0][i] + desk->leaves[1][i] : 0;
    auto same = [&](int j) { return j < length && s.document(b, begin, j) == document; };
    for (int step = 1; step < 32; step *= 2) {
        const double behind = __shfl_down_sync(~0u, x, step);
        if (lane + step < 32 && same(i + step))
            x += behind;
    }
    const double before = sum_in_document(leaves, document > 0 ? document : 0, &desk->half) - leaves;
    __syncthreads();
    if (i == 32)
        desk->half = x;
    __syncthreads();
    if (i < 32 && same(32))
        x += desk->half;
    return document == i ? 0 : x + (i >= last ? before : 0) + (last < 0 ? through : 0);
}

/* What a block works on */
struct gradient_place {
    size_t of;
    int chunk, bh, b, h, begin, length;
    __device__ gradient_place(const delta_shape &s, size_t which) : of(which)
    {
        chunk = (int)(of % s.chunks), bh = (int)(of / s.chunks), b = bh / s.H, h = bh % s.H;
        begin = s.begin(chunk), length = s.end(chunk) - begin;
    }
};

/* Steps: dy, U and Y by panels of V; then dy, Y and S; then U and D', both from channel c0 on. */
template <int KP, int THREADS = 256>
DEVICE void load_step(unsigned char *stages, const gradient_args &a, const delta_shape &s, const gradient_place &at,
                      int step, int c0 = 0)
{
    const int panels = (s.V8 + 63) / 64, phase = step / panels, v0 = step % panels * 64;
    if (phase < 3) {
        unsigned char *stage = stages + step % 2 * gradient_tile<KP>::STAGE;
        const size_t value = (s.token(at.b, at.begin) * s.H + at.h) * s.V8 + v0, stride = (size_t)s.H * s.V8,
            state = (at.of * s.K8 + c0) * s.V8 + v0;
        load_tile<1, THREADS>(stage, PANEL, (phase < 2 ? a.dy : a.U) + value, stride, CHUNK, at.length, s.V8 - v0);
        if (phase < 2)
            load_tile<1, THREADS>(stage + PANEL, PANEL, (phase == 0 ? a.U : a.Y) + value, stride, CHUNK, at.length,
                              s.V8 - v0);
        if (phase == 0)
            load_tile<1, THREADS>(stage + 2 * PANEL, PANEL, a.Y + value, stride, CHUNK, at.length, s.V8 - v0);
        else
            load_tile<1, THREADS>(stage + 2 * PANEL, 0, (phase == 1 ? a.S : a.D) + state, s.V8, 64 * KP, s.K8 - c0,
                              s.V8 - v0);
    }
    cp_commit();
}

/* dbeta of token i, from the strips of V */
DEVICE void add_strengths(const gradient_args &a, const delta_shape &s, const gradient_place &at, int i)
{
    const size_t row = s.token(at.b, at.begin + i) * s.H + at.h;
    float sum = 0;
    for (int p = 0; p < a.strips; p++)
        sum += a.dbeta_parts[(size_t)p * s.B * s.T * s.H + row];
    a.dbeta[row] += sum;
}

/* The last part: dg and dbeta.  The desk is where a stage was that has been read before the last barrier. */
DEVICE void finish_tokens(gradient_desk *desk, const gradient_args &a, const delta_shape &s, const gradient_place &at,
                          const float (&x)[2], const float (&leaves)[2], float through, float decay, bool busy)
{
    const int group = threadIdx.x / 128;
    if (threadIdx.x % 4 == 0)
#pragma unroll
        for (int e = 0; e < 2; e++) {
            desk->x[group][fragment_row() + 8 * e] = busy ? (x[e] + leaves[e]) / LIFT : 0;
            desk->leaves[group][fragment_row() + 8 * e] = busy ? leaves[e] / LIFT : 0;
        }
    through = warp_sum(through);
    if (threadIdx.x % 32 == 0)
        desk->through[threadIdx.x / 32] = through;
    __syncthreads();
    double all = 0;
    for (int w = 0; w < 8; w++)
        all += desk->through[w];
    const double dg = gate_gradient(desk, s, at.b, at.begin, at.length, decay * all / LIFT);
    if ((int)threadIdx.x < at.length) {
        a.dg[s.token(at.b, at.begin + threadIdx.x) * s.H + at.h] += (float)dg;
        add_strengths(a, s, at, threadIdx.x);
    }
}

/* One block of 256 threads per chunk of a head.
 *
 *     each panel of V brings     X, dQ, dK are                                then
 *     dy, U, Y                   X = dy U^T (first group), Y U^T (second)     N and M, into shared memory
 *     dy, Y, S                   dQ = dy S^T,  dK = Y S^T                     times E; + N K, + M K; dq goes out
 *     U, D'                      dQ = U D'^T                                  times Z; + N^T Q + M^T K; dk goes out
 *
 * x and leaves are the sums of the head of this file, for the two rows of this lane. */
template <int KP>
static __global__ void __launch_bounds__(256, KP <= 2 ? 2 : 1) delta_gradient_kernel(gradient_args a, delta_shape s)
{
    using tile = gradient_tile<KP>;
    constexpr int C = tile::COLUMNS;
    const gradient_place at(s, blockIdx.x);
    if (at.begin < a.left.most(at.bh, 0))
        return;
    const int group = threadIdx.x / 128, panels = (s.V8 + 63) / 64, first = KP < 2 ? 0 : group * C,
        columns = s.K8 - 64 * first;
    const bool busy = KP >= 2 || group == 0;                /* narrow keys leave the second group nothing but M */
    const size_t key = (s.token(at.b, at.begin) * s.G + s.group(at.h)) * s.K8, stride = (size_t)s.G * s.K8;
    unsigned char *K = shared_memory(), *Q = K + tile::QUERIES, *stages = K + tile::STAGES;
    float *diagonal = (float *)(K + tile::DIAGONAL);
    const float *scalars = a.given.scalars + at.of * SCALARS, decay = a.given.decay[at.of];
    float X[8][4], dQ[8 * C][4], dK[8 * C][4], x[2] = {}, leaves[2] = {}, through = 0;
    uint32_t left[4][4];
    int step = 0;

    load_tile<KP, 256>(K, PANEL, a.k + key, stride, CHUNK, at.length, s.K8);
    load_tile<KP, 256>(Q, PANEL, a.q + key, stride, CHUNK, at.length, s.K8);
    load_step<KP>(stages, a, s, at, 0);
    auto next = [&] {                                       /* the stage of this step; the next one's begins to load */
        tiles_arrive<0>();
        unsigned char *stage = stages + step % 2 * tile::STAGE;
        load_step<KP>(stages, a, s, at, ++step);
        mm_begin();
        return stage;
    };
    auto done = [&] { mm_end(); mm_wait(); };

    clear(X);
    mm_settle(X);
    for (int p = 0; p < panels; p++) {
        const unsigned char *stage = next();
        mm_nt<CHUNK>(X, stage + (group ? 2 * PANEL : 0), stage + PANEL);
        done();
    }
    mm_settle(X);
    weight_pairs(X, diagonal, scalars, s, at.b, at.begin, at.length, group == 0);
    put_in_tile<1>(K + (group ? tile::OF_M : tile::OF_N), PANEL, fragment_row(), X);

    clear(dQ);
    clear(dK);
    mm_settle(dQ);
    mm_settle(dK);
    for (int p = 0; p < panels; p++) {                      /* the barriers in next() are N's and M's too */
        const unsigned char *stage = next();
        mm_nt<64 * C>(dQ, stage, stage + (2 + first) * PANEL);
        mm_nt<64 * C>(dK, stage + PANEL, stage + (2 + first) * PANEL);
        done();
    }
    mm_settle(dQ);
    mm_settle(dK);
    scale_rows<C>(dQ, scalars + SCALAR_E, nullptr, s.scale);
    scale_rows<C>(dK, scalars + SCALAR_E, scalars + SCALAR_BETA, s.erase ? -1.0f : 0.0f);
    mm_settle(dQ);
    mm_settle(dK);
    operand(left, K + tile::OF_N);
    mm_begin();
    mm_rn<64 * C>(dQ, left, K + first * PANEL);
    done();
    mm_settle(dQ);
    const size_t head = ((s.token(at.b, at.begin) * s.H + at.h) * s.K8) + 64 * first,
        out = a.head_dq ? (size_t)s.H * s.K8 : stride;
    row_dots<C>(x, 1, dQ, Q + first * PANEL);
    if (busy)
        put_gradient<C>(a.dq + key + 64 * first, a.head_dq ? a.head_dq + head : nullptr, out, dQ, diagonal,
                        K + first * PANEL, at.length, columns);
    if (s.erase) {
        operand(left, K + tile::OF_M);
        mm_begin();
        mm_rn<64 * C>(dK, left, K + first * PANEL);
        done();
        mm_settle(dK);
    }
    row_dots<C>(x, 1, dK, K + first * PANEL);

    clear(dQ);                                              /* from here on the rest of dK */
    mm_settle(dQ);
    for (int p = 0; p < panels; p++) {
        const unsigned char *stage = next();
        mm_nt<64 * C>(dQ, stage, stage + (2 + first) * PANEL);
        mm_end();
        if (decay != 0)
            through += through_part<KP>(stage + 2 * PANEL, a.S + at.of * s.K8 * s.V8 + 64 * p, s.K8, s.V8 - 64 * p,
                                        s.V8);
        mm_wait();
    }
    mm_settle(dQ);
    scale_rows<C>(dQ, scalars + SCALAR_Z, nullptr, 1);
    row_dots<C>(leaves, 1, dQ, K + first * PANEL);
    mm_settle(dQ);
    operand_turned(left, K + tile::OF_N);
    mm_begin();
    mm_rn<64 * C>(dQ, left, Q + first * PANEL);
    done();
    mm_settle(dQ);
    if (s.erase) {
        operand_turned(left, K + tile::OF_M);
        mm_begin();
        mm_rn<64 * C>(dQ, left, K + first * PANEL);
        done();
        mm_settle(dQ);
    }
    row_dots<C>(x, -1, dQ, K + first * PANEL);             /* what has left is not seen: added back below */
#pragma unroll
    for (int j = 0; j < 8 * C; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            dK[j][e] += dQ[j][e];
    if (busy)
        put_gradient<C>(a.dk + key + 64 * first, a.head_dk ? a.head_dk + head : nullptr, out, dK, diagonal,
                        Q + first * PANEL, at.length, columns);
    finish_tokens((gradient_desk *)(stages + step % 2 * tile::STAGE), a, s, at, x, leaves, through, decay, busy);
}

#endif
