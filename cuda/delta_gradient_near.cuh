/* delta_gradient_near.cuh - the end of delta_gradient_vector.cuh: what pairs within a block of 16 tokens give, and the
 * gradients' way out.
 *
 * Within a block every pair has its own exponential, in float: a thread takes a channel of a block.  What crosses a
 * token's gate: x_i as in delta_gradient.cuh, but element by element. */
#ifndef SWAX_DELTA_GRADIENT_NEAR_CUH
#define SWAX_DELTA_GRADIENT_NEAR_CUH

#include "cuda/delta_gradient.cuh"
#include "cuda/delta_within_vector.cuh"

/* In bytes.  ROWS: two arrays, dQ and what M and S give dK; where the stages were, two more: what D' gives dK, and N^T
 * and M^T. */
template <int KP> struct vector_gradient_tile {
    enum { KEYS = 0, QUERIES = KP * PANEL, OF_N = 2 * KP * PANEL, OF_M = OF_N + PANEL, NEAR = OF_M + PANEL,
           G = NEAR + 2 * 4 * BLOCK * BLOCK * 4,
           ARRAY = CHUNK * 64 * KP * 4, ROWS = G + (CHUNK * vector_tile<KP>::GATES * 4 + 1023) / 1024 * 1024,
               STAGES = ROWS + 2 * ARRAY,
           STAGE = (2 + KP) * PANEL, DESK = STAGES + 2 * STAGE, BYTES = DESK + 3072 };
};

struct vector_desk { float diagonal[CHUNK], of_blocks[2][4][64]; };

/* Where element (row, channel) of an array of floats lies: rows are turned by 8, so that 8 of them are in different
 * banks. */
template <int KP> DEVICE int turned_place(int row, int channel) { return row * 64 * KP
                                                                  + (channel + 8 * row) % (64 * KP); }

/* exp2(x) of a difference of sums of gates; between documents, where the weights are 0, x is anything, and 0 times this
 * must be 0 */
DEVICE float fading(float x) { return exp2_fast(fminf(x, 64)); }

/* What a thread knows of its channel of its block of tokens */
struct near_work { float k[BLOCK], q[BLOCK], dq[BLOCK], before[BLOCK], behind[BLOCK]; };

/* The pairs of a block in one channel: before: what M gives a token from those before it; behind: N^T and M^T from
 * those behind it. */
DEVICE void near_gradients(near_work &w, const float (&G)[BLOCK], const float *N, const float *M)
{
#pragma unroll
    for (int i = 0; i < BLOCK; i++)
        w.dq[i] = w.before[i] = w.behind[i] = 0;
#pragma unroll
    for (int i = 1; i < BLOCK; i++)
#pragma unroll
        for (int j = 0; j < i; j++) {
            const float x = fading(G[i] - G[j]), n = N[i * BLOCK + j], m = M[i * BLOCK + j];
            w.dq[i] += n * (x * w.k[j]);
            w.before[i] += m * (x * w.k[j]);
            w.behind[j] += x * (n * w.q[i] + m * w.k[i]);
        }
}

/* What will be added to comes from far away: four threads a token. */
template <int KP> DEVICE void prefetch_channels(const gradient_args &a, const delta_shape &s, const gradient_place &at,
                                                size_t key, int c0)
{
    const int t = threadIdx.x / 4, part = threadIdx.x % 4, channels = s.K - c0;
    if (t >= at.length)
        return;
    if (part < 2 && !a.head_dq)
        for (int c = 0; c < 64 * KP && c < channels; c += 64)
            prefetch((part ? a.dk : a.dq) + key + (size_t)t * s.G * s.K8 + c);
    for (int c = 32 * (part % 2); part >= 2 && c < 64 * KP && c < channels; c += 64)
        prefetch(a.dg + (s.token(at.b, at.begin + t) * s.H + at.h) * s.K + c0 + c);
    if (part == 0 && c0 == 0) {
        const size_t row = s.token(at.b, at.begin + t) * s.H + at.h;
        prefetch(a.dbeta + row);
        for (int p = 0; p < a.strips; p++)
            prefetch(a.dbeta_parts + (size_t)p * s.B * s.T * s.H + row);
    }
}

/* The last part, a channel of a block of tokens per thread: dq, dk, and the sums of what crosses each token's gate. */
template <int KP>
DEVICE void finish_channel(const gradient_args &a, const delta_shape &s, const gradient_place &at,
                           unsigned char *shared, const float *through, int panel, int c0)
{
    using tile = vector_gradient_tile<KP>;
    vector_desk *desk = (vector_desk *)(shared + tile::DESK);
    const float *G_all = (const float *)(shared + tile::G),
        *arrays[4] = { (const float *)(shared + tile::ROWS), (const float *)(shared + tile::ROWS + tile::ARRAY),
                       (const float *)(shared + tile::STAGES), (const float *)(shared + tile::STAGES + tile::ARRAY) };
    const int block = threadIdx.x / 64, c = 64 * panel + threadIdx.x % 64, t0 = block * BLOCK;
    const bool there = c0 + c < s.K;
    near_work w;
    float G[BLOCK], leaves[BLOCK], old_q[BLOCK], old_k[BLOCK], old_g[BLOCK], sum_x = 0, sum_leaves = 0;
    auto key = [&](int t) { return (s.token(at.b, at.begin + t) * s.G + s.group(at.h)) * s.K8 + c0 + c; };
    auto gate = [&](int t) { return (s.token(at.b, at.begin + t) * s.H + at.h) * s.K + c0 + c; };
#pragma unroll
    for (int i = 0; i < BLOCK; i++) {                       /* all that will be added to, before anything is written */
        const bool here = there && t0 + i < at.length;
        old_q[i] = here && !a.head_dq ? value(a.dq[key(t0 + i)]) : 0;
        old_k[i] = here && !a.head_dq ? value(a.dk[key(t0 + i)]) : 0;
        old_g[i] = here ? a.dg[gate(t0 + i)] : 0;
    }
#pragma unroll
    for (int i = 0; i < BLOCK; i++) {
        G[i] = G_all[(t0 + i) * vector_tile<KP>::GATES + c];
        w.k[i] = tile_value(shared + tile::KEYS, t0 + i, c), w.q[i] = tile_value(shared + tile::QUERIES, t0 + i, c);
    }
    near_gradients(w, G, (const float *)(shared + tile::NEAR) + t0 * BLOCK,
                   (const float *)(shared + tile::NEAR) + (CHUNK + t0) * BLOCK);
#pragma unroll
    for (int i = 0; i < BLOCK; i++) {
        const int place = turned_place<KP>(t0 + i, c), t = t0 + i;
        const float dq = w.dq[i] + arrays[0][place], before = w.before[i] + arrays[1][place],
            to_state = arrays[2][place], behind = w.behind[i] + arrays[3][place];
        const float own = desk->diagonal[t], of_q = (dq + own * w.k[i]) / LIFT,
            of_k = (before + to_state + behind + own * w.q[i]) / LIFT;
        if (t < at.length && there) {
            const size_t head = (s.token(at.b, at.begin + t) * s.H + at.h) * s.K8 + c0 + c;
            if (a.head_dq)
                a.head_dq[head] = of_q, a.head_dk[head] = of_k;
            else
                a.dq[key(t)] = as<swax_bf16>(old_q[i] + of_q), a.dk[key(t)] = as<swax_bf16>(old_k[i] + of_k);
        }
        w.dq[i] = (w.q[i] * dq + w.k[i] * (before - behind)) / LIFT;    /* x_i */
        leaves[i] = w.k[i] * to_state / LIFT;
        sum_leaves += leaves[i];
    }
    auto document = [&](int t) { return t < at.length ? s.document(at.b, at.begin, t) : CHUNK; };
#pragma unroll
    for (int i = 0; i < BLOCK; i++)
        sum_x += document(t0 + i) == document(t0) ? w.dq[i] : 0;
    desk->of_blocks[0][block][threadIdx.x % 64] = sum_x;
    desk->of_blocks[1][block][threadIdx.x % 64] = sum_leaves;
    __syncthreads();
    float before = 0, behind = 0;
    for (int n = 0; n < block; n++)
        before += desk->of_blocks[1][n][threadIdx.x % 64];
    const int last = document(at.length - 1);
    float crossing[BLOCK];
#pragma unroll
    for (int i = BLOCK - 1; i >= 0; i--) {
        if (i == BLOCK - 1) {
            for (int n = 3; n > block; n--)
                behind = document(n * BLOCK) == document(t0 + i) ? desk->of_blocks[0][n][threadIdx.x % 64] + behind : 0;
        } else if (document(t0 + i) != document(t0 + i + 1)) {
            behind = 0;
        }
        behind += w.dq[i];
        crossing[i] = behind;
    }
#pragma unroll
    for (int i = 0; i < BLOCK; i++) {
        const int t = t0 + i;
        if (t < at.length && there && document(t) != t)
            a.dg[gate(t)] = old_g[i] + (crossing[i] + (t >= last ? before : 0) + (last < 0 ? through[c] : 0));
        before += leaves[i];
    }
    __syncthreads();
}

#endif
