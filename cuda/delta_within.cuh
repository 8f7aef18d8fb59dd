/* delta_within.cuh - what a chunk of the delta rule is before any state is known: N and P, E, Z and the decay
 * (delta_chunk.cuh).
 *
 * C and P come from the tensor cores.  N = (1 + C diag(beta))^-1 C is solved for by forward substitution in float, a
 * thread a column: no power of C is ever formed, which grow beyond all bounds where keys are alike.
 *
 * With a gate for each channel no product can have exp(G_i - G_j) as two factors: the second overflows within 18 tokens
 * of g = -5.  Between blocks of 16 tokens it goes by an anchor, the G of the token before i's block: exp(G_i - anchor)
 * and exp(anchor - G_j) are both at most 1.  Within a block every pair has its own exponential. */
#ifndef SWAX_DELTA_WITHIN_CUH
#define SWAX_DELTA_WITHIN_CUH

#include "cuda/delta_chunk.cuh"

/* floats from one row of C, turned, to the next: columns then are in different banks */
static constexpr int TURN = CHUNK + 4;

static const float LOG2_OF_E = 1.4426950408889634f;

/* No gate counts as less: exp(-120) is 0 in float, and a spike would cost all pairs behind it the digits of the sum. */
DEVICE float clamped(float g) { return g < -120 ? -120 : g; }

/* The sum of x over the tokens of i's document up to i = threadIdx.x, for the first two warps; the whole block comes
 * here.  `first` is its first token in the chunk, `half` a word of shared memory. */
DEVICE double sum_in_document(double x, int first, double *half)
{
    const int i = threadIdx.x, lane = i % 32;
    for (int step = 1; step < 32; step *= 2) {
        const double before = __shfl_up_sync(~0u, x, step);
        if (lane >= step && i - step >= first)
            x += before;
    }
    if (i == 31)
        *half = x;
    __syncthreads();
    return i >= 32 && first < 32 ? x + *half : x;
}

/* Columns from .. from + 31 of X, rows from .. from + 31, one a lane: 16 rows at a time */
DEVICE void substitute_square(float *X, const float *Ct, const float *beta, int from)
{
    const int c = from + threadIdx.x % 32;
    for (int top = from; top < from + 32; top += 16) {
        float x[16];
#pragma unroll
        for (int i = 0; i < 16; i += 4) {
            const float4 of_c = *(const float4 *)(Ct + c * TURN + top + i);
            x[i] = of_c.x, x[i + 1] = of_c.y, x[i + 2] = of_c.z, x[i + 3] = of_c.w;
        }
        for (int j = from; j < top; j++) {
            const float xj = beta[j] * X[j * CHUNK + c];
#pragma unroll
            for (int i = 0; i < 16; i += 4) {
                const float4 of_c = *(const float4 *)(Ct + j * TURN + top + i);
                x[i] -= of_c.x * xj, x[i + 1] -= of_c.y * xj, x[i + 2] -= of_c.z * xj, x[i + 3] -= of_c.w * xj;
            }
        }
#pragma unroll
        for (int j = 0; j < 16; j++) {
            const float xj = beta[top + j] * x[j];
            X[(top + j) * CHUNK + c] = x[j];
#pragma unroll
            for (int i = j + 1; i < 16; i++)
                x[i] -= Ct[(top + j) * TURN + top + i] * xj;
        }
    }
}

/* Ct (64,TURN): C turned.  X (64,64) becomes N, X_i = C_i - sum_{j<i} C_ij beta_j X_j, by 128 threads: both halves of
 * the triangle by substitution, side by side; then the square between them, R = C - C beta X of the columns' half, and
 * of that R - X beta R of the rows' half, whose (1 + C beta)^-1 is 1 - X beta. */
DEVICE void substitute(float *X, const float *Ct, const float *beta)
{
    const int c = threadIdx.x % 32, warp = threadIdx.x / 32, row = 32 + 8 * warp;
    if (warp < 2)
        substitute_square(X, Ct, beta, 32 * warp);
    else
        for (int i = warp - 2; i < 32; i += 2)
            X[i * CHUNK + 32 + c] = 0;
    __syncthreads();
    float x[8];
#pragma unroll
    for (int i = 0; i < 8; i++)
        x[i] = Ct[c * TURN + row + i];
#pragma unroll 4
    for (int j = 0; j < 32; j++) {
        const float xj = beta[j] * X[j * CHUNK + c];
#pragma unroll
        for (int i = 0; i < 8; i += 4) {
            const float4 of_c = *(const float4 *)(Ct + j * TURN + row + i);
            x[i] -= of_c.x * xj, x[i + 1] -= of_c.y * xj, x[i + 2] -= of_c.z * xj, x[i + 3] -= of_c.w * xj;
        }
    }
#pragma unroll
    for (int i = 0; i < 8; i++)
        X[(row + i) * CHUNK + c] = x[i];
    __syncthreads();
#pragma unroll 2
    for (int j = 32; j < row + 8; j += 4) {
        float R[4];
#pragma unroll
        for (int n = 0; n < 4; n++)
            R[n] = beta[j + n] * X[(j + n) * CHUNK + c];
#pragma unroll
        for (int i = 0; i < 8; i++) {
            const float4 of_x = *(const float4 *)(X + (row + i) * CHUNK + j);
            x[i] -= of_x.x * R[0] + of_x.y * R[1] + of_x.z * R[2] + of_x.w * R[3];
        }
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 8; i++)
        X[(row + i) * CHUNK + c] = x[i];
    __syncthreads();
}

/* X as bf16, by 128 threads */
DEVICE void write_solution(swax_bf16 *N, const float *X)
{
#pragma unroll
    for (int piece = threadIdx.x; piece < CHUNK * CHUNK / 8; piece += 128) {
        const float *x = X + 8 * piece;
        *(uint4 *)(N + 8 * piece) = make_uint4(pack(x[0], x[1]), pack(x[2], x[3]), pack(x[4], x[5]), pack(x[6], x[7]));
    }
}

/* X, P over the tiles, C: in bytes */
template <int KP> struct within_tile {
    enum { TILES = 2 * KP < 3 ? 3 * PANEL : 2 * KP * PANEL, TURNED = TILES, TOKENS = TURNED + CHUNK * TURN * 4,
           BYTES = TOKENS + 4 * CHUNK * 4,
           SOLUTION = 0, RESULT = CHUNK * CHUNK * 4 };
};

/* What a chunk's tokens are, in shared memory: sums of gates in units of log 2, betas, the chunk's first token of their
 * document */
struct chunk_tokens {
    float G[CHUNK], beta[CHUNK];
    int first[CHUNK];
    double half;
};

/* One gate a head: one block of 128 threads per chunk */
DEVICE void scalar_gates(chunk_tokens *c, const delta_given &to, const float *g, const float *beta,
                         const delta_shape &s, int b, int h, int chunk, size_t of)
{
    const int i = threadIdx.x, begin = s.begin(chunk), length = s.end(chunk) - begin;
    const bool valid = i < length, here = i < CHUNK;
    const size_t at = s.token(b, begin + (valid ? i : 0)) * s.H + h;
    const int document = valid ? s.document(b, begin, i) : 0, last = s.document(b, begin, length - 1);
    const int first = document > 0 ? document : 0;
    const double G = sum_in_document(valid && document != i ? (double)clamped(g[at]) : 0, first, &c->half)
        * 1.4426950408889634;
    if (here) {
        c->G[i] = (float)G;
        c->beta[i] = valid ? beta[at] : 0;
        c->first[i] = first;
    }
    __syncthreads();
    if (!here)
        return;
    const float all = c->G[length - 1], E = valid && document < 0 ? exp2_fast((float)G) : 0;
    float *scalars = to.scalars + of * SCALARS;
    scalars[SCALAR_E + i] = E;
    scalars[SCALAR_Z + i] = valid && i >= last ? exp2_fast(all - (float)G) : 0;
    scalars[SCALAR_BETA + i] = c->beta[i];
    scalars[SCALAR_G + i] = (float)G;
    if (i == length - 1)
        to.decay[of] = E;
}

template <int KP>
static __global__ void __launch_bounds__(128) delta_within_kernel(delta_given to, const swax_bf16 *q,
                                                                  const swax_bf16 *k, const float *g, const float *beta,
                                                                  delta_shape s)
{
    using tile = within_tile<KP>;
    const size_t of = blockIdx.x;
    const int chunk = (int)(of % s.chunks), bh = (int)(of / s.chunks), b = bh / s.H, h = bh % s.H;
    const int begin = s.begin(chunk), length = s.end(chunk) - begin;
    unsigned char *K = shared_memory(), *Q = K + KP * PANEL;
    float *Ct = (float *)(K + tile::TURNED), *solution = (float *)(K + tile::SOLUTION);
    chunk_tokens *c = (chunk_tokens *)(K + tile::TOKENS);
    const size_t rows = (s.token(b, begin) * s.G + s.group(h)) * s.K8, stride = (size_t)s.G * s.K8;
    load_tile<KP, 128>(K, PANEL, k + rows, stride, CHUNK, length, s.K8);
    load_tile<KP, 128>(Q, PANEL, q + rows, stride, CHUNK, length, s.K8);
    cp_commit();
    scalar_gates(c, to, g, beta, s, b, h, chunk, of);
    tiles_arrive<0>();

    float C[8][4], P[8][4];
    clear(C);
    clear(P);
    mm_settle(C);
    mm_settle(P);
    mm_begin();
#pragma unroll
    for (int p = 0; p < KP; p++) {
        mm_nt<CHUNK>(C, K + p * PANEL, K + p * PANEL);
        mm_nt<CHUNK>(P, Q + p * PANEL, K + p * PANEL);
    }
    mm_end();
    mm_wait();
    mm_settle(C);
    mm_settle(P);
    __syncthreads();
    float *own = to.scalars + of * SCALARS + SCALAR_OWN;
#pragma unroll
    for (int n = 0; n < 8; n++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
            const int i = fragment_row() + e / 2 * 8, j = 8 * n + fragment_column() + e % 2;
            const bool seen = i < length && j <= i && c->first[i] <= j;
            const float X = seen ? exp2_fast(c->G[i] - c->G[j]) : 0;
            P[n][e] = seen ? s.scale * P[n][e] * X : 0;
            if (i == j) {
                own[i] = P[n][e];
                P[n][e] = 0;
            }
            Ct[j * TURN + i] = seen && j < i ? C[n][e] * X : 0;
        }
    put_in_tile<1>(K + tile::RESULT, PANEL, fragment_row(), P);
    __syncthreads();
    store_tile<1, 128>(to.P + of * CHUNK * CHUNK, CHUNK, K + tile::RESULT, PANEL, CHUNK, CHUNK, CHUNK);
    if (!s.erase)
        return;
    substitute(solution, Ct, c->beta);
    write_solution(to.N + of * CHUNK * CHUNK, solution);
}

#endif
