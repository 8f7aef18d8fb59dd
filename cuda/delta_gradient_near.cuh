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
           STAGE = (2 + KP) * PANEL, DESK = STAGES + 2 * STAGE, BYTES = DESK + 4608 };
};

/* begins: a bit for each token with which a document begins */
struct vector_desk { float diagonal[CHUNK], of_blocks[2][4][128]; uint32_t begins[2]; };

/* Where element (row, channel) of an array of floats lies: rows are turned by 8, so that 8 of them are in different
 * banks. */
template <int KP> DEVICE int turned_place(int row, int channel) { return row * 64 * KP
                                                                  + (channel + 8 * row) % (64 * KP); }

/* exp2(x) of a difference of sums of gates; between documents, where the weights are 0, x is anything, and 0 times this
 * must be 0 */
DEVICE float fading(float x) { return exp2_fast(fminf(x, 64)); }

/* What a thread knows of its channel of its block of tokens */
struct near_work { float k[BLOCK], dq[BLOCK], before[BLOCK], behind[BLOCK]; };

/* The pairs of a block in one channel: before: what M gives a token from those before it; behind: N^T and M^T from
 * those behind it.  `gates` and `queries` give a token's.  x is exp(G_i - G_j), made of that of the token before, since
 * gates are not above 0; where a document begins, all weights are 0. */
template <class Gates, class Queries>
DEVICE void near_gradients(near_work &w, const float *N, const float *M, Gates gates, Queries queries)
{
    float x[BLOCK], G = gates(0);
#pragma unroll
    for (int i = 0; i < BLOCK; i++)
        w.dq[i] = w.before[i] = w.behind[i] = 0;
#pragma unroll
    for (int i = 1; i < BLOCK; i++) {
        const float last = G, q = queries(i);
        G = gates(i);
        const float step = G > last ? 0 : exp2_fast(G - last);
        x[i - 1] = 1;
#pragma unroll
        for (int j = 0; j < i; j += 4) {
            const float4 ns = *(const float4 *)(N + i * BLOCK + j), ms = *(const float4 *)(M + i * BLOCK + j);
            const float n[4] = { ns.x, ns.y, ns.z, ns.w }, m[4] = { ms.x, ms.y, ms.z, ms.w };
#pragma unroll
            for (int o = 0; o < 4; o++)
                if (j + o < i) {
                    x[j + o] *= step;
                    const float k = x[j + o] * w.k[j + o];
                    w.dq[i] += n[o] * k;
                    w.before[i] += m[o] * k;
                    w.behind[j + o] += x[j + o] * (n[o] * q + m[o] * w.k[i]);
                }
        }
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
DEVICE void finish_channels(const gradient_args &a, const delta_shape &s, const gradient_place &at,
                            unsigned char *shared, const float *through, int c0)
{
    using tile = vector_gradient_tile<KP>;
    vector_desk *desk = (vector_desk *)(shared + tile::DESK);
    const float *G = (const float *)(shared + tile::G),
        *arrays[4] = { (const float *)(shared + tile::ROWS), (const float *)(shared + tile::ROWS + tile::ARRAY),
                       (const float *)(shared + tile::STAGES), (const float *)(shared + tile::STAGES + tile::ARRAY) };
    /* narrow keys leave half of the threads nothing to do: they do what the last block's do, and tell nobody */
    const int block = min((int)threadIdx.x / (64 * KP), 3), c = threadIdx.x % (64 * KP), t0 = block * BLOCK;
    const bool works = threadIdx.x < 256 * KP;
    const int valid = works && c0 + c < s.K ? at.length - t0 : 0;
    const size_t token = s.token(at.b, at.begin + t0), of_heads = (size_t)s.H * s.K8, of_gates = (size_t)s.H * s.K,
        of_keys = (size_t)s.G * s.K8;
    const size_t key = (token * s.G + s.group(at.h)) * s.K8 + c0 + c, head = (token * s.H + at.h) * s.K8 + c0 + c;
    float *dg = a.dg + (token * s.H + at.h) * s.K + c0 + c;
    near_work w;
    float old[BLOCK], leaves[BLOCK], sum_x = 0, sum_leaves = 0;
    auto query = [&](int i) { return tile_value(shared + tile::QUERIES, t0 + i, c); };
    if (!a.head_dq)                                         /* all that will be added to, before anything is written */
#pragma unroll
        for (int i = 0; i < BLOCK; i++)
            old[i] = i < valid ? value(a.dq[key + i * of_keys]) : 0;
#pragma unroll
    for (int i = 0; i < BLOCK; i++)
        w.k[i] = tile_value(shared + tile::KEYS, t0 + i, c);
    near_gradients(w, (const float *)(shared + tile::NEAR) + t0 * BLOCK,
                   (const float *)(shared + tile::NEAR) + (CHUNK + t0) * BLOCK,
                   [&](int i) { return G[(t0 + i) * vector_tile<KP>::GATES + c]; }, query);
#pragma unroll
    for (int i = 0; i < BLOCK; i++) {
        w.dq[i] += arrays[0][turned_place<KP>(t0 + i, c)];
        const float of_q = (w.dq[i] + desk->diagonal[t0 + i] * w.k[i]) / LIFT;
        if (i < valid && a.head_dq)
            a.head_dq[head + i * of_heads] = of_q;
        else if (i < valid)
            a.dq[key + i * of_keys] = as<swax_bf16>(old[i] + of_q);
    }
    if (!a.head_dq)
#pragma unroll
        for (int i = 0; i < BLOCK; i++)
            old[i] = i < valid ? value(a.dk[key + i * of_keys]) : 0;
#pragma unroll
    for (int i = 0; i < BLOCK; i++) {
        const int place = turned_place<KP>(t0 + i, c);
        const float q = query(i), before = w.before[i] + arrays[1][place], to_state = arrays[2][place],
            behind = w.behind[i] + arrays[3][place],
            of_k = (before + to_state + behind + desk->diagonal[t0 + i] * q) / LIFT;
        if (i < valid && a.head_dq)
            a.head_dk[head + i * of_heads] = of_k;
        else if (i < valid)
            a.dk[key + i * of_keys] = as<swax_bf16>(old[i] + of_k);
        w.dq[i] = (q * w.dq[i] + w.k[i] * (before - behind)) / LIFT;    /* x_i */
        leaves[i] = w.k[i] * to_state / LIFT;
        sum_leaves += leaves[i];
    }
#pragma unroll
    for (int i = 0; i < BLOCK; i++)
        old[i] = i < valid ? dg[i * of_gates] : 0;
    const uint64_t begins = desk->begins[0] | (uint64_t)desk->begins[1] << 32;
    const uint32_t mine = (uint32_t)(begins >> t0);
    const int last = begins ? 63 - __clzll(begins) : -1;    /* where the last token's document begins */
    bool same = true;
#pragma unroll
    for (int i = 0; i < BLOCK; i++) {
        same &= i == 0 || !(mine >> i & 1);
        sum_x += same ? w.dq[i] : 0;
    }
    if (works)
        desk->of_blocks[0][block][c] = sum_x, desk->of_blocks[1][block][c] = sum_leaves;
    __syncthreads();
    float before = 0, behind = 0;
    for (int n = 0; n < block; n++)
        before += desk->of_blocks[1][n][c];
    for (int n = 3; n > block; n--) {                       /* what is of the document of this block's last token */
        const uint64_t between = begins >> (t0 + BLOCK) & (((uint64_t)2 << (n - block - 1) * BLOCK) - 1);
        behind = between ? 0 : desk->of_blocks[0][n][c] + behind;
    }
#pragma unroll
    for (int i = BLOCK - 1; i >= 0; i--) {
        if (i < BLOCK - 1 && mine >> (i + 1) & 1)
            behind = 0;
        behind += w.dq[i];
        w.dq[i] = behind;                                   /* what crosses the gate of token i from behind it */
    }
#pragma unroll
    for (int i = 0; i < BLOCK; i++) {
        if (i < valid && !(mine >> i & 1))
            dg[i * of_gates] = old[i] + (w.dq[i] + (t0 + i >= last ? before : 0) + (last < 0 ? through[c] : 0));
        before += leaves[i];
    }
}

#endif
