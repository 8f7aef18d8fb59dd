/* delta_states.cuh - the walks of the chunked delta rule along the sequence (delta_chunk.cuh): a group of four warps
 * takes 64 columns of V of one head's state, turned, in registers and in float, from the first chunk to the last or,
 * in delta_states_backward.cuh, back.
 *
 *     forward     S in; r, y, the states that are kept and S out.  S goes into its product with K as two bf16, hi + lo:
 *                 the residual of a state that has learned is small, and would be the rounding of S otherwise.  So do
 *                 R0 into that with N and U into that with K: a large residual is undone by the next token's, to as
 *                 many digits as both are known
 *     kept        the states before all chunks, as bf16, from those that were kept
 *     backward    D in; Y, U, dv, dbeta, the gradients behind all chunks, as bf16, and D out */
#ifndef SWAX_DELTA_STATES_CUH
#define SWAX_DELTA_STATES_CUH

#include "cuda/delta_chunk.cuh"

/* A stage has what one chunk brings: tiles of keys and queries (vector gates: E o K, E o Q, Z o K), N, P and a panel of
 * V. */
template <int KP, bool VECTOR> struct walk_tile {
    enum { KEYS = 0, QUERIES = KP * PANEL, WRITES = VECTOR ? 2 * KP * PANEL : KEYS,
           OF_N = (VECTOR ? 3 : 2) * KP * PANEL, OF_P = OF_N + PANEL,
           VALUES = OF_P + PANEL, STAGE = VALUES + PANEL, STAGES = VECTOR && KP > 2 ? 1 : 2, TOKENS = STAGES * STAGE,
               BYTES = TOKENS + 1024 };
};

/* Where a walk's block is: head bh = (b,h), its columns of V from v0 on, so many of them in V and in V8. */
struct walk_place {
    int bh, b, h, v0, columns, columns8;
    __device__ walk_place(const delta_shape &s)
    {
        const int strips = (s.V + 63) / 64;
        bh = blockIdx.x / strips, b = bh / s.H, h = bh % s.H, v0 = blockIdx.x % strips * 64;
        columns = min(s.V - v0, 64), columns8 = min(s.V8 - v0, 64);
    }
    __device__ size_t of(const delta_shape &s, int chunk) const { return (size_t)bh * s.chunks + chunk; }
    __device__ size_t row(const delta_shape &s, int t) const { return s.token(b, t) * s.H + h; }     /* of values */
};

struct walk_args {
    delta_given given;
    const swax_bf16 *q, *k, *x;         /* x: v, or dy */
    const float *S0;                    /* where the walk starts; may be NULL */
    float *S1;                          /* where it ends: written, or, backward, added to if not NULL */
    float *r, *Ss;                      /* forward: out, Ss may be NULL; kept and backward: in */
    swax_bf16 *y;                       /* forward: y; backward: dv */
    /* (B,H,chunks,K8,V8): the states before the chunks, or the gradients behind them */
    swax_bf16 *copies;
    swax_bf16 *Y, *U;                   /* backward, (B,T,H,V8) */
    float *dbeta;                       /* backward: (strips of V,B,T,H) */
    bool wide;                          /* rows of r and of Ss are pieces of 16 bytes */
    int *left;                          /* what this leaves to delta.cuh: delta_left there, a warp's columns a group */
};

/* A number that is none makes NaN of every sum of a product that it meets, also with the weight 0 of a token that does
 * not see it.  So a warp that finds one in its columns leaves them to the form that goes token by token: in the forward
 * all tokens, in the backward those of this chunk and before it.  One kind is enough to look at: forward y, to which
 * each token's own r adds whatever its strength; backward Y.r. */
DEVICE void leave(const walk_args &a, int tokens)
{
    if (threadIdx.x % 32 == 0)
        a.left[blockIdx.x * 4 + threadIdx.x / 32] = tokens;
}

/* Start loading what a chunk brings. */
template <int KP, bool VECTOR, bool SOLVE>
DEVICE void load_chunk(unsigned char *stage, const walk_args &a, const delta_shape &s, const walk_place &at, int chunk)
{
    using tile = walk_tile<KP, VECTOR>;
    const int begin = s.begin(chunk), length = s.end(chunk) - begin;
    const size_t of = at.of(s, chunk), key = (s.token(at.b, begin) * s.G + s.group(at.h)) * s.K8,
        stride = (size_t)s.G * s.K8;
    if (VECTOR) {
        const size_t rows = of * CHUNK * s.K8;
        load_tile<KP, 128>(stage + tile::KEYS, PANEL, a.given.k + rows, s.K8, CHUNK, CHUNK, s.K8);
        load_tile<KP, 128>(stage + tile::QUERIES, PANEL, a.given.q + rows, s.K8, CHUNK, CHUNK, s.K8);
        load_tile<KP, 128>(stage + tile::WRITES, PANEL, a.given.w + rows, s.K8, CHUNK, CHUNK, s.K8);
    } else {
        load_tile<KP, 128, true>(stage + tile::KEYS, PANEL, a.k + key, stride, CHUNK, length, s.K8);
        load_tile<KP, 128, true>(stage + tile::QUERIES, PANEL, a.q + key, stride, CHUNK, length, s.K8);
    }
    if (SOLVE)
        load_tile<1, 128, true>(stage + tile::OF_N, PANEL, a.given.N + of * CHUNK * CHUNK, CHUNK, CHUNK, CHUNK, CHUNK);
    load_tile<1, 128, true>(stage + tile::OF_P, PANEL, a.given.P + of * CHUNK * CHUNK, CHUNK, CHUNK, CHUNK, CHUNK);
    load_tile<1, 128, true>(stage + tile::VALUES, PANEL, a.x + at.row(s, begin) * s.V8 + at.v0, (size_t)s.H * s.V8,
                            CHUNK, length, at.columns8);
    cp_commit();
}

/* The scalars of the next chunk wait in registers: there is room for one chunk's in shared memory. */
struct next_scalars {
    float x[2];
    __device__ __forceinline__ void fetch(const walk_args &a, size_t of)
    {
        for (int i = 0; i < 2; i++)
            x[i] = a.given.scalars[of * SCALARS + threadIdx.x + 128 * i];
    }
    __device__ __forceinline__ void put(float *to) const
    {
        for (int i = 0; i < 2; i++)
            to[threadIdx.x + 128 * i] = x[i];
    }
};

/* S^T of the state at `from`, or 0 */
template <int KP> DEVICE void read_state(float (&S)[8 * KP][4], const float *from, float lift, const delta_shape &s,
                                         const walk_place &at)
{
    clear(S);
    if (from)
        for_state<KP>(S, s.K, at.columns, [&](float &x, int channel, int column) {
            x = lift * from[((size_t)at.bh * s.K + channel) * s.V + at.v0 + column];
        });
}

/* R = R0 = v - E (K S)^T, or v itself; O = scale E (Q S)^T; all LIFTed */
template <int KP, bool SOLVE>
DEVICE void read_out(float (&R)[8][4], float (&O)[8][4], float (&S)[8 * KP][4], const unsigned char *keys,
                     const unsigned char *queries,
                     const unsigned char *values, const float *tokens, float scale)
{
    uint32_t hi[4][4], lo[4][4];
    clear(R);
    clear(O);
#pragma unroll
    for (int p = 0; p < KP; p++) {
        split_operand(hi, lo, S + 8 * p);
        mm_settle(R);
        mm_settle(O);
        mm_begin();
        if (SOLVE) {
            mm_rt<CHUNK>(R, hi, keys + p * PANEL);
            mm_rt<CHUNK>(R, lo, keys + p * PANEL);
        }
        mm_rt<CHUNK>(O, hi, queries + p * PANEL);
        mm_end();
        mm_wait();
        mm_settle(R);
        mm_settle(O);
    }
    for_columns(tokens + SCALAR_E, [&](float E, int j, int e) {
        R[j][e] = E == 0 ? 0 : -E * R[j][e];
        O[j][e] = E == 0 ? 0 : scale * E * O[j][e];
    });
    operand_turned(hi, values);
    for_operand(hi, [&](uint32_t pair, int j, int e) {
        R[j][e] += LIFT * low_half(pair), R[j][e + 1] += LIFT * high_half(pair);
    });
}

/* Per chunk; all turned: rows are columns of V, columns are tokens, those of S channels.
 *
 *     R         E (K S), then R0 = v - R, then r = R0 - N (beta R0), which goes out, then U = beta r
 *     O         scale E (Q S), then + P U, the diagonal of P in float, which goes out as y
 *     written   beta R0, then U, as left operand;     leaving   Z U;     low   the lower half of beta R0 or Z U
 *     S         goes out where it is kept, fades, + leaving K */
template <int KP, bool VECTOR, bool SOLVE>
static __global__ void __launch_bounds__(128, KP <= 2 && !VECTOR ? 2 : 1) delta_forward_walk(walk_args a, delta_shape s)
{
    using tile = walk_tile<KP, VECTOR>;
    const walk_place at(s);
    unsigned char *stages = shared_memory();
    float *tokens = (float *)(stages + tile::TOKENS);
    const unsigned value_step = s.H * s.V, value_step8 = s.H * s.V8;      /* of a chunk's tokens */
    float S[8 * KP][4], R[8][4], O[8][4];
    uint32_t written[4][4], leaving[4][4], low[4][4];
    bool is_spoiled = false;
    next_scalars next;

    load_chunk<KP, VECTOR, SOLVE>(stages, a, s, at, 0);
    next.fetch(a, at.of(s, 0));
    read_state<KP>(S, a.S0, LIFT, s, at);
    for (int chunk = 0; chunk < s.chunks; chunk++) {
        unsigned char *stage = stages + chunk % tile::STAGES * tile::STAGE;
        const int begin = s.begin(chunk), length = s.end(chunk) - begin;
        tiles_arrive<0>();
        next.put(tokens);
        __syncthreads();
        auto load_next = [&] {
            if (chunk + 1 < s.chunks) {
                load_chunk<KP, VECTOR, SOLVE>(stages + (chunk + 1) % tile::STAGES * tile::STAGE, a, s, at, chunk + 1);
                next.fetch(a, at.of(s, chunk + 1));
            }
        };
        if (tile::STAGES > 1)
            load_next();
        read_out<KP, SOLVE>(R, O, S, stage + tile::KEYS, stage + tile::QUERIES, stage + tile::VALUES, tokens, s.scale);
        float *area = (float *)(stage + tile::QUERIES);     /* they have been read */
        if (a.Ss && chunk % s.parts == 0) {
            float *to = a.Ss + ((size_t)at.bh * ((s.chunks - 1) / s.parts + 1) + chunk / s.parts) * s.K * s.V + at.v0;
            if (a.wide && s.K == 64 * KP && at.columns == 64)
                store_floats<32 * KP>(to, s.V, area, S, 1 / LIFT);
            else
                for_state<KP>(S, s.K, at.columns, [&](float x, int channel, int column) {
                    to[(size_t)channel * s.V + column] = x / LIFT;
                });
        }
        if (SOLVE) {                                        /* r = R0 - N (beta R0) */
            weighted_split(written, low, R, tokens + SCALAR_BETA, -1);
            mm_settle(R);
            mm_begin();
            mm_rt<CHUNK>(R, written, stage + tile::OF_N);
            mm_rt<CHUNK>(R, low, stage + tile::OF_N);
            mm_end();
            mm_wait();
            mm_settle(R);
        }
        float *r = a.r + at.row(s, begin) * s.V + at.v0;
        if (a.wide && length == CHUNK && at.columns == 64)
            store_floats<32 * KP>(r, value_step, area, R, 1 / LIFT);
        else
            for_values([&](int t, int column, int j, int e) {
                r[t * value_step + column] = R[j][e] / LIFT;
            }, length, at.columns);
        weighted_operand(written, R, tokens + SCALAR_BETA, 1);
        for_columns(tokens + SCALAR_BETA, [&](float beta, int j, int e) { R[j][e] *= beta; });
        weighted_split(leaving, low, R, tokens + SCALAR_Z, 1);
        for_columns(tokens + SCALAR_OWN, [&](float own, int j, int e) { O[j][e] += own * R[j][e]; });
        fade<KP, VECTOR>(S, a.given.decay + at.of(s, chunk) * (VECTOR ? s.K8 : 1), s.K8);
        mm_settle(O);
        mm_settle(S);
        mm_begin();
        mm_rt<CHUNK>(O, written, stage + tile::OF_P);
        mm_end();
        mm_rn<64 * KP>(S, leaving, stage + tile::WRITES);
        mm_rn<64 * KP>(S, low, stage + tile::WRITES);
        mm_end();
        mm_wait<1>();
        mm_settle(O);
        multiply(O, 1 / LIFT);
        is_spoiled |= spoiled(O, true, true);
        store_turned<1>(a.y + at.row(s, begin) * s.V8 + at.v0, value_step8, stage + tile::VALUES, O, length,
                        at.columns8);
        mm_wait();
        mm_settle(S);
        if (tile::STAGES == 1) {
            __syncthreads();
            load_next();
        }
    }
    for_state<KP>(S, s.K, at.columns, [&](float x, int channel, int column) {
        a.S1[((size_t)at.bh * s.K + channel) * s.V + at.v0 + column] = x / LIFT;
    });
    leave(a, __any_sync(~0u, is_spoiled) ? s.T : 0);
}

/* Where all states before the chunks have been kept they are only rounded, LIFTed: eight neighbours a thread. */
static __global__ void delta_round_kernel(swax_bf16 *to, const float *from, size_t pieces, delta_shape s, int wide)
{
    const size_t n = (size_t)blockIdx.x * blockDim.x + threadIdx.x, across = s.V8 / 8, row = n / across;
    const int column = (int)(n % across) * 8, channel = (int)(row % s.K8), left = channel < s.K ? s.V - column : 0;
    if (n >= pieces)
        return;
    const float *x = from + (row / s.K8 * s.K + channel) * s.V + column;
    float y[8];
    if (wide && left >= 8) {
        const float4 a = *(const float4 *)x, b = *(const float4 *)(x + 4);
        y[0] = a.x, y[1] = a.y, y[2] = a.z, y[3] = a.w, y[4] = b.x, y[5] = b.y, y[6] = b.z, y[7] = b.w;
    } else {
        for (int i = 0; i < 8; i++)
            y[i] = i < left ? x[i] : 0;
    }
    uint32_t z[4];
    for (int i = 0; i < 4; i++)
        z[i] = pack(LIFT * y[2 * i], LIFT * y[2 * i + 1]);
    *(uint4 *)(to + 8 * n) = make_uint4(z[0], z[1], z[2], z[3]);
}

/* One block per strip of V and kept state: the states before the chunks that follow it */
template <int KP, bool VECTOR> static __global__ void __launch_bounds__(128) delta_kept_kernel(walk_args a,
        delta_shape s)
{
    const int spans = (s.chunks - 1) / s.parts + 1, span = blockIdx.x % spans, strips = (s.V + 63) / 64;
    const int strip = blockIdx.x / spans % strips, bh = blockIdx.x / spans / strips, b = bh / s.H, h = bh % s.H,
        v0 = strip * 64;
    const int columns = min(s.V - v0, 64), rows = min(s.V8 - v0, 64), last = min((span + 1) * s.parts, s.chunks);
    unsigned char *keys = shared_memory();
    float S[8 * KP][4], U[8][4];
    uint32_t leaving[4][4];
    clear(S);
    const float *from = a.Ss + ((size_t)bh * spans + span) * s.K * s.V + v0;
    for_state<KP>(S, s.K, columns, [&](float &x, int channel, int column) {
        x = LIFT * from[(size_t)channel * s.V + column];
    });
    for (int chunk = span * s.parts; chunk < last; chunk++) {
        const size_t of = (size_t)bh * s.chunks + chunk;
        const int begin = s.begin(chunk), length = s.end(chunk) - begin;
        store_copy<KP>(a.copies + of * s.K8 * s.V8 + v0, keys, S, s.K8, s.V8, rows);
        if (chunk + 1 == last)
            break;
        __syncthreads();
        if (VECTOR)
            load_tile<KP, 128>(keys, PANEL, a.given.w + of * CHUNK * s.K8, s.K8, CHUNK, CHUNK, s.K8);
        else
            load_tile<KP, 128>(keys, PANEL, a.k + (s.token(b, begin) * s.G + s.group(h)) * s.K8, (size_t)s.G * s.K8,
                               CHUNK, length, s.K8);
        cp_commit();
        clear(U);
        const float *r = a.r + (s.token(b, begin) * s.H + h) * s.V + v0, *scalars = a.given.scalars + of * SCALARS;
        for_values([&](int t, int column, int j, int e) {
            U[j][e] = LIFT * r[(unsigned)(t * s.H * s.V + column)];
        }, length, columns);
        for_columns(scalars + SCALAR_BETA, [&](float beta, int j, int e) { U[j][e] *= beta; });
        weighted_operand(leaving, U, scalars + SCALAR_Z, 1);
        fade<KP, VECTOR>(S, a.given.decay + of * (VECTOR ? s.K8 : 1), s.K8);
        tiles_arrive<0>();
        mm_settle(S);
        mm_begin();
        mm_rn<64 * KP>(S, leaving, keys);
        mm_end();
        mm_wait();
        mm_settle(S);
        __syncthreads();
    }
}

#endif
