/* delta_states_backward.cuh - the walk of delta_states.cuh from the last chunk to the first, with the state's
 * gradient. */
#ifndef SWAX_DELTA_STATES_BACKWARD_CUH
#define SWAX_DELTA_STATES_BACKWARD_CUH

#include "cuda/delta_states.cuh"

/* The sums over this block's columns of V of what each token has, from the sums of the warps: by 64 threads, in this
 * order */
DEVICE void sum_over_warps(float *to, size_t step, float *desk, float (&x)[16], int tokens)
{
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
    for (int i = 0; i < 16; i++)
        for (int other = 4; other < 32; other *= 2)
            x[i] += __shfl_xor_sync(~0u, x[i], other);
    __syncthreads();
    if (lane < 4)
#pragma unroll
        for (int i = 0; i < 16; i++)
            desk[warp * CHUNK + 8 * (i / 2) + fragment_column() + i % 2] = x[i];
    __syncthreads();
    if ((int)threadIdx.x < tokens)
        to[threadIdx.x * step] = (desk[threadIdx.x] + desk[CHUNK + threadIdx.x])
            + (desk[2 * CHUNK + threadIdx.x] + desk[3 * CHUNK + threadIdx.x]);
}

/* Is one of these no number? */
DEVICE bool spoiled(const float (&x)[16])
{
    float sum = 0;                          /* or NaN */
#pragma unroll
    for (int i = 0; i < 16; i++)
        sum = fmaf(x[i], 0, sum);
    return sum != 0;
}

/* a's columns, which are tokens, weighted by E and scale */
DEVICE void weight_tokens(uint32_t (&a)[4][4], const float *E, float scale)
{
    for_operand(a, [&](uint32_t &pair, int j, int) {
        const float2 w = *(const float2 *)(E + 8 * j + fragment_column());
        pair = pack(w.x == 0 ? 0 : scale * w.x * low_half(pair), w.y == 0 ? 0 : scale * w.y * high_half(pair));
    });
}

/* y[token][column] += d, rounded once, but for the columns of warps that leave them.  `area`: 64 rows of floats, and
 * who leaves */
DEVICE void add_gradient(swax_bf16 *y, unsigned step, float *area, int *who, bool leaves, float (&d)[8][4], int tokens,
                         int columns)
{
    const int piece = threadIdx.x % 8, first = threadIdx.x / 8;
    uint4 old[4];
    auto there = [&](int i) { return first + 16 * i < tokens && 8 * piece < columns; };
#pragma unroll
    for (int i = 0; i < 4; i++)
        old[i] = there(i) ? *(const uint4 *)(y + (first + 16 * i) * step + 8 * piece) : make_uint4(0, 0, 0, 0);
    if (threadIdx.x % 32 == 0)
        who[threadIdx.x / 32] = leaves;
    put_floats<8>(area, d, 1);
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const float4 *x = (const float4 *)(area + float_place(first + 16 * i, 8 * piece)), a = x[0], b = x[1];
        const uint4 sum = { pack(low_half(old[i].x) + a.x, high_half(old[i].x) + a.y),
                            pack(low_half(old[i].y) + a.z, high_half(old[i].y) + a.w),
                            pack(low_half(old[i].z) + b.x, high_half(old[i].z) + b.y),
                            pack(low_half(old[i].w) + b.z, high_half(old[i].w) + b.w) };
        if (there(i) && !who[piece / 2])
            *(uint4 *)(y + (first + 16 * i) * step + 8 * piece) = sum;
    }
}

/* What a chunk reads without a stage, r and the old dv, comes from far away. */
DEVICE void prefetch_rows(const walk_args &a, const delta_shape &s, const walk_place &at, int chunk)
{
    const int begin = s.begin(chunk), length = s.end(chunk) - begin, t = threadIdx.x / 2, half = threadIdx.x % 2;
    if (t >= length)
        return;
    const size_t row = at.row(s, begin + t);
    if (32 * half < at.columns)
        prefetch(a.r + row * s.V + at.v0 + 32 * half);
    if (half == 0)
        prefetch(a.y + row * s.V8 + at.v0);
}

/* Per chunk, from the last; all turned, as in the forward.
 *
 *     D         goes out as D', fades, + of_y Q - (beta E Y) K
 *     W         Z (K D'), then dU = W + P^T dy, then Y = dU - N^T (beta dU), which goes out, then beta Y, added to dv
 *     R         r, then U = beta r, which goes out;    along   Y.r, summed to dbeta
 *     of_y      dy as left operand, then scale E dy;   left    whatever is to be multiplied */
template <int KP, bool VECTOR, bool SOLVE>
static __global__ void __launch_bounds__(128, KP <= 2 && !VECTOR ? 2 : 1) delta_backward_walk(walk_args a,
        delta_shape s)
{
    using tile = walk_tile<KP, VECTOR>;
    const walk_place at(s);
    const unsigned value_step = s.H * s.V, value_step8 = s.H * s.V8;
    unsigned char *stages = shared_memory();
    float *tokens = (float *)(stages + tile::TOKENS);
    float D[8 * KP][4], W[8][4], R[8][4];
    uint32_t left[4][4], of_y[4][4];
    int leaves = 0;                                         /* tokens */
    next_scalars next;

    load_chunk<KP, VECTOR, SOLVE>(stages + (s.chunks - 1) % tile::STAGES * tile::STAGE, a, s, at, s.chunks - 1);
    next.fetch(a, at.of(s, s.chunks - 1));
    read_state<KP>(D, a.S0, 1, s, at);
    for (int chunk = s.chunks - 1; chunk >= 0; chunk--) {
        unsigned char *stage = stages + chunk % tile::STAGES * tile::STAGE;
        const int begin = s.begin(chunk), length = s.end(chunk) - begin;
        const size_t row = at.row(s, begin);
        const float *r = a.r + row * s.V + at.v0;
        clear(R);
        for_values([&](int t, int column, int j, int e) {
            R[j][e] = r[t * value_step + column];
        }, length, at.columns);
        tiles_arrive<0>();
        next.put(tokens);
        __syncthreads();
        auto load_next = [&] {
            if (chunk) {
                load_chunk<KP, VECTOR, SOLVE>(stages + (chunk - 1) % tile::STAGES * tile::STAGE, a, s, at, chunk - 1);
                next.fetch(a, at.of(s, chunk - 1));
            }
        };
        if (tile::STAGES > 1)
            load_next();
        if (chunk)
            prefetch_rows(a, s, at, chunk - 1);

        clear(W);                                           /* dU = P^T dy + Z (K D') */
#pragma unroll
        for (int p = 0; p < KP; p++) {
            as_operand(left, D + 8 * p);
            mm_settle(W);
            mm_begin();
            mm_rt<CHUNK>(W, left, stage + tile::WRITES + p * PANEL);
            mm_end();
            mm_wait();
            mm_settle(W);
        }
        for_columns(tokens + SCALAR_Z, [&](float Z, int j, int e) { W[j][e] = Z == 0 ? 0 : Z * W[j][e]; });
        operand_turned(of_y, stage + tile::VALUES);
        for_operand(of_y, [&](uint32_t pair, int j, int e) {
            const float2 own = *(const float2 *)(tokens + SCALAR_OWN + 8 * j + fragment_column());
            W[j][e] += own.x * low_half(pair), W[j][e + 1] += own.y * high_half(pair);
        });
        mm_settle(W);
        mm_begin();
        mm_rn<CHUNK>(W, of_y, stage + tile::OF_P);
        mm_end();
        mm_wait();
        mm_settle(W);
        if (SOLVE) {                                        /* Y = dU - N^T (beta dU) */
            weighted_operand(left, W, tokens + SCALAR_BETA, -1);
            mm_settle(W);
            mm_begin();
            mm_rn<CHUNK>(W, left, stage + tile::OF_N);
            mm_end();
            mm_wait();
            mm_settle(W);
        }
        store_copy<KP>(a.copies + at.of(s, chunk) * s.K8 * s.V8 + at.v0, stage + tile::OF_N, D, s.K8, s.V8,
                       at.columns8);                        /* N, P and dy have been read */
        fade<KP, VECTOR>(D, a.given.decay + at.of(s, chunk) * (VECTOR ? s.K8 : 1), s.K8);
        weight_tokens(of_y, tokens + SCALAR_E, s.scale);
        mm_settle(D);
        mm_begin();
        mm_rn<64 * KP>(D, of_y, stage + tile::QUERIES);
        mm_end();

        float along[16];
#pragma unroll
        for (int i = 0; i < 16; i++)
            along[i] = W[i / 2][i % 2] * R[i / 2][i % 2] + W[i / 2][i % 2 + 2] * R[i / 2][i % 2 + 2];
        if (!leaves && __any_sync(~0u, spoiled(along)))
            leaves = begin + length;
        for_columns(tokens + SCALAR_BETA, [&](float beta, int j, int e) { R[j][e] *= LIFT * beta; });
        const size_t value = row * s.V8 + at.v0;
        store_turned<1>(a.U + value, value_step8, stage + tile::VALUES, R, length, at.columns8);
        store_turned<1>(a.Y + value, value_step8, stage + tile::OF_N, W, length, at.columns8);
        for_columns(tokens + SCALAR_BETA, [&](float beta, int j, int e) { W[j][e] *= beta; });
        mm_wait();
        mm_settle(D);
        if (SOLVE) {
            weighted_operand(left, W, tokens + SCALAR_E, -1);
            mm_settle(D);
            mm_begin();
            mm_rn<64 * KP>(D, left, stage + tile::KEYS);
            mm_end();
        }
        add_gradient(a.y + value, value_step8, (float *)(stage + tile::OF_N), (int *)(stage + tile::VALUES),
                     leaves != 0, W, length, at.columns8);
        mm_wait();
        mm_settle(D);
        sum_over_warps(a.dbeta + (size_t)(at.v0 / 64) * s.B * s.T * s.H + row, s.H, (float *)(stage + tile::OF_N),
                       along, length);
        if (tile::STAGES == 1) {
            __syncthreads();
            load_next();
        }
    }
    leave(a, leaves);
    if (a.S1 && !leaves)
        for_state<KP>(D, s.K, at.columns, [&](float x, int channel, int column) {
            a.S1[((size_t)at.bh * s.K + channel) * s.V + at.v0 + column] += x;
        });
}

#endif
