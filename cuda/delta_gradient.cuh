/* delta_gradient.cuh - the gradients of q, k and g in the chunked delta rule (delta_chunk.cuh), one gate a head: all chunks at once.
 *
 *     N_ij = scale (dy_i.u_j) X_ij          j <= i            M_ij = - e beta_i (Y_i.u_j) X_ij        j < i
 *     dQ   = scale E o (dy S^T)   + N K
 *     dK   = - e beta E o (Y S^T) + M K     + Z o (U D'^T)    + N^T Q + M^T K
 *
 * S is the state before the chunk, D' its gradient behind it; S and u come LIFTed, and all but
 * D' stays so up to the end.  What crosses a token's gate is its gradient: pairs i >= r > j, from
 * the state to i >= r, from j < r to the state behind, and from state to state:
 *
 *     x_i  = q_i.(dQ_i - N_ii k_i) + k_i.(the first two terms of dK_i) - k_i.(the last two, without N_ii q_i)
 *     dg_r = sum_{i>=r} x_i + sum_{j<r} k_j.(Z o U D'^T)_j + E_last <D',S>        within r's document
 *
 * N_ii, a token's effect on itself, passes no gate: left in, it would drown the rest where gates are shut. */
#ifndef SWAX_DELTA_GRADIENT_CUH
#define SWAX_DELTA_GRADIENT_CUH

#include "cuda/delta_within.cuh"

struct gradient_args {
    delta_given given;
    const swax_bf16 *q, *k, *dy, *Y, *U;
    const swax_bf16 *S, *D;             /* (B,H,chunks,V8,K8) */
    const float *dbeta_parts;           /* (strips,B,T,H) */
    swax_bf16 *dq, *dk;                 /* added to, where every head has keys of its own */
    float *head_dq, *head_dk;           /* else written, (B,T,H,K8) */
    float *dg, *dbeta;                  /* (B,T,H), added to */
    int strips;
};

/* Two groups of four warps, each with COLUMNS panels of dQ and dK.  A stage has two panels of tokens by V and one of V by K. */
template <int KP> struct gradient_tile {
    enum { COLUMNS = KP < 2 ? 1 : KP / 2, KEYS = 0, QUERIES = KP * PANEL, OF_N = 2 * KP * PANEL, OF_M = OF_N + PANEL, STAGES = OF_M + PANEL,
           STAGE = (2 + KP) * PANEL, DESK = STAGES + 2 * STAGE, BYTES = DESK + 3072 };
};

enum gradient_dot { DOT_Q, DOT_K, DOT_LEAVE, DOT_SEEN, DOTS };

/* What the tokens of a chunk are given, and what is found out about them, in shared memory */
struct gradient_desk {
    float diagonal[CHUNK], dot[DOTS][2][CHUNK];
    double half;
    float through[8];
};

/* <x, row> for the two rows of this lane, x a tile in panels */
template <int C> DEVICE void row_dots(float *to, float (&d)[8 * C][4], const unsigned char *x)
{
#pragma unroll
    for (int e = 0; e < 4; e += 2) {
        float sum = 0;
#pragma unroll
        for (int j = 0; j < 8 * C; j++) {
            const uint32_t pair = *(const uint32_t *)(x + j / 8 * PANEL + swizzle(fragment_row() + 4 * e, j % 8) + fragment_column() * 2);
            sum += d[j][e] * low_half(pair) + d[j][e + 1] * high_half(pair);
        }
        sum = quad_sum(sum);
        if (threadIdx.x % 4 == 0)
            to[fragment_row() + 4 * e] = sum / LIFT;
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

/* d + diagonal x to its place: added to bf16, or written as float.  Rows of `stride`, K8 - first columns. */
template <int C>
DEVICE void put_gradient(swax_bf16 *to, float *to_head, size_t stride, float (&d)[8 * C][4], const float *diagonal, const unsigned char *x, int tokens, int columns)
{
#pragma unroll
    for (int j = 0; j < 8 * C; j++)
#pragma unroll
        for (int e = 0; e < 4; e += 2) {
            const int row = fragment_row() + 4 * e, column = 8 * j + fragment_column();
            if (row >= tokens || column >= columns)
                continue;
            const uint32_t pair = *(const uint32_t *)(x + j / 8 * PANEL + swizzle(row, j % 8) + fragment_column() * 2);
            const float a = (d[j][e] + diagonal[row] * low_half(pair)) / LIFT, b = (d[j][e + 1] + diagonal[row] * high_half(pair)) / LIFT;
            if (to_head) {
                *(float2 *)(to_head + row * stride + column) = make_float2(a, b);
            } else {
                uint32_t *at = (uint32_t *)(to + row * stride + column);
                *at = pack(low_half(*at) + a, high_half(*at) + b);
            }
        }
}

/* The pairs of a chunk, in X: N by the first group, its diagonal apart, and M by the second.  N and M have 0 on the diagonal. */
DEVICE void weight_pairs(float (&X)[8][4], gradient_desk *desk, const float *scalars, const delta_shape &s, int b, int begin, int length, bool of_n)
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
                    desk->diagonal[i] = i < length ? by * x : 0;
                x = j < i && document <= j ? by * x * exp2_fast(G - scalars[SCALAR_G + j]) : 0;
            }
    }
}

/* This thread's part of <D',S>, of one panel of V: D' is in shared memory, S comes by once more */
template <int KP> DEVICE float through_part(const unsigned char *D, const swax_bf16 *S, int rows, int K8)
{
    float sum = 0;
#pragma unroll
    for (int i = threadIdx.x; i < CHUNK * 8 * KP; i += 256) {
        const int row = i / (8 * KP), piece = i % (8 * KP);
        if (row < rows && 8 * piece < K8) {
            const uint4 x = *(const uint4 *)(D + piece / 8 * PANEL + swizzle(row, piece % 8)), y = *(const uint4 *)(S + (size_t)row * K8 + 8 * piece);
            sum += low_half(x.x) * low_half(y.x) + high_half(x.x) * high_half(y.x) + low_half(x.y) * low_half(y.y) + high_half(x.y) * high_half(y.y)
                 + low_half(x.z) * low_half(y.z) + high_half(x.z) * high_half(y.z) + low_half(x.w) * low_half(y.w) + high_half(x.w) * high_half(y.w);
        }
    }
    return sum;
}

/* dg of token threadIdx.x, by the first two warps */
DEVICE double gate_gradient(gradient_desk *desk, const delta_shape &s, int b, int begin, int length, double through)
{
    const int i = threadIdx.x, lane = i % 32, last = s.document(b, begin, length - 1), document = i < length ? s.document(b, begin, i) : CHUNK;
    float dot[DOTS];
#pragma unroll
    for (int n = 0; n < DOTS; n++)
        dot[n] = i < length ? desk->dot[n][0][i] + desk->dot[n][1][i] : 0;
    double x = (double)dot[DOT_Q] + dot[DOT_K] - ((double)dot[DOT_SEEN] - dot[DOT_LEAVE]);
    auto same = [&](int j) { return j < length && s.document(b, begin, j) == document; };
    for (int step = 1; step < 32; step *= 2) {
        const double behind = __shfl_down_sync(~0u, x, step);
        if (lane + step < 32 && same(i + step))
            x += behind;
    }
    const double before = sum_in_document(dot[DOT_LEAVE], document > 0 ? document : 0, &desk->half) - dot[DOT_LEAVE];
    asm volatile("bar.sync 1, 64;" ::: "memory");
    if (i == 32)
        desk->half = x;
    asm volatile("bar.sync 1, 64;" ::: "memory");
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
template <int KP> DEVICE void load_step(unsigned char *stages, const gradient_args &a, const delta_shape &s, const gradient_place &at, int step, int c0 = 0)
{
    const int panels = (s.V8 + 63) / 64, phase = step / panels, v0 = step % panels * 64;
    if (phase < 3) {
        unsigned char *stage = stages + step % 2 * gradient_tile<KP>::STAGE;
        const size_t value = (s.token(at.b, at.begin) * s.H + at.h) * s.V8 + v0, stride = (size_t)s.H * s.V8, state = (at.of * s.V8 + v0) * s.K8 + c0;
        load_tile<1, 256>(stage, PANEL, (phase < 2 ? a.dy : a.U) + value, stride, CHUNK, at.length, s.V8 - v0);
        if (phase < 2)
            load_tile<1, 256>(stage + PANEL, PANEL, (phase == 0 ? a.U : a.Y) + value, stride, CHUNK, at.length, s.V8 - v0);
        if (phase == 0)
            load_tile<1, 256>(stage + 2 * PANEL, PANEL, a.Y + value, stride, CHUNK, at.length, s.V8 - v0);
        else
            load_tile<KP, 256>(stage + 2 * PANEL, PANEL, (phase == 1 ? a.S : a.D) + state, s.K8, CHUNK, s.V8 - v0, s.K8 - c0);
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

template <int KP>
static __global__ void __launch_bounds__(256, KP <= 2 ? 2 : 1) delta_gradient_kernel(gradient_args a, delta_shape s)
{
    using tile = gradient_tile<KP>;
    constexpr int C = tile::COLUMNS;
    const gradient_place at(s, blockIdx.x);
    const int group = threadIdx.x / 128, panels = (s.V8 + 63) / 64, first = KP < 2 ? 0 : group * C, columns = s.K8 - 64 * first;
    const bool busy = KP >= 2 || group == 0;                /* narrow keys leave the second group nothing but M */
    const size_t key = (s.token(at.b, at.begin) * s.G + s.group(at.h)) * s.K8, stride = (size_t)s.G * s.K8;
    unsigned char *K = shared_memory(), *Q = K + tile::QUERIES, *stages = K + tile::STAGES;
    gradient_desk *desk = (gradient_desk *)(K + tile::DESK);
    const float *scalars = a.given.scalars + at.of * SCALARS, decay = a.given.decay[at.of];
    float X[8][4], dQ[8 * C][4], dK[8 * C][4], through = 0;
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
    weight_pairs(X, desk, scalars, s, at.b, at.begin, at.length, group == 0);
    put_in_tile<1>(K + (group ? tile::OF_M : tile::OF_N), PANEL, fragment_row(), X);

    clear(dQ);
    clear(dK);
    mm_settle(dQ);
    mm_settle(dK);
    for (int p = 0; p < panels; p++) {                      /* the barriers in next() are N's and M's too */
        const unsigned char *stage = next();
        mm_nn<64 * C>(dQ, stage, stage + (2 + first) * PANEL);
        mm_nn<64 * C>(dK, stage + PANEL, stage + (2 + first) * PANEL);
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
    const size_t head = ((s.token(at.b, at.begin) * s.H + at.h) * s.K8) + 64 * first, out = a.head_dq ? (size_t)s.H * s.K8 : stride;
    if (busy) {
        row_dots<C>(desk->dot[DOT_Q][group], dQ, Q + first * PANEL);
        put_gradient<C>(a.dq + key + 64 * first, a.head_dq ? a.head_dq + head : nullptr, out, dQ, desk->diagonal, K + first * PANEL, at.length, columns);
    }
    if (s.erase) {
        operand(left, K + tile::OF_M);
        mm_begin();
        mm_rn<64 * C>(dK, left, K + first * PANEL);
        done();
        mm_settle(dK);
    }
    if (busy)
        row_dots<C>(desk->dot[DOT_K][group], dK, K + first * PANEL);

    clear(dQ);                                              /* from here on the rest of dK */
    mm_settle(dQ);
    for (int p = 0; p < panels; p++) {
        const unsigned char *stage = next();
        mm_nn<64 * C>(dQ, stage, stage + (2 + first) * PANEL);
        mm_end();
        if (decay != 0)
            through += through_part<KP>(stage + 2 * PANEL, a.S + (at.of * s.V8 + 64 * p) * s.K8, s.V8 - 64 * p, s.K8);
        mm_wait();
    }
    mm_settle(dQ);
    scale_rows<C>(dQ, scalars + SCALAR_Z, nullptr, 1);
    if (busy)
        row_dots<C>(desk->dot[DOT_LEAVE][group], dQ, K + first * PANEL);
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
    if (busy)
        row_dots<C>(desk->dot[DOT_SEEN][group], dQ, K + first * PANEL);
#pragma unroll
    for (int j = 0; j < 8 * C; j++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            dK[j][e] += dQ[j][e];
    if (busy)
        put_gradient<C>(a.dk + key + 64 * first, a.head_dk ? a.head_dk + head : nullptr, out, dK, desk->diagonal, Q + first * PANEL, at.length, columns);
    through = warp_sum(through);
    if (threadIdx.x % 32 == 0)
        desk->through[threadIdx.x / 32] = through;
    if (!busy && threadIdx.x % 128 < CHUNK)
        for (int n = 0; n < DOTS; n++)
            desk->dot[n][1][threadIdx.x % 128] = 0;
    __syncthreads();
    if (threadIdx.x >= CHUNK)
        return;
    double all = 0;
    for (int w = 0; w < 8; w++)
        all += desk->through[w];
    const double dg = gate_gradient(desk, s, at.b, at.begin, at.length, decay * all / LIFT);
    if ((int)threadIdx.x < at.length) {
        a.dg[s.token(at.b, at.begin + threadIdx.x) * s.H + at.h] += (float)dg;
        add_strengths(a, s, at, threadIdx.x);
    }
}

#endif
