/* mlstm.cuh - the mLSTM cell for any shape, in `stat` arithmetic; the derivation is in ref/mlstm.c.
 *
 * Tokens go by in chunks c0 .. c1-1.  With C, n the state before the chunk, in the gauge m_in, and
 * F_t = lf_c0 + .. + lf_t, kept as a sum of two doubles so that its differences are good,
 *
 *   D_ts = exp(F_t - F_s + li_s - m_t)        from token s to t >= s of its document
 *   bb_t = exp(F_t + m_in - m_t)              from the state before to t, if t's document began before
 *   ab_s = exp(F_e - F_s + li_s - m_e)        from s to the state after, e = c1-1, if s is of e's document
 *   gb   = exp(F_e + m_in - m_e)              from the state before to the state after, likewise
 *
 *   h_t  = (sum_s P_ts v_s + s bb_t C^T q_t)/N_t,   qn_t = sum_s P_ts + s bb_t n.q_t,   P_ts = s q_t.k_s D_ts
 *   C    = gb C + sum_s ab_s k_s v_s^T,             n = gb n + sum_s ab_s k_s
 *
 * The weights are products of exponentials of what is at most 0, and m is known before (it is a scan over
 * tokens), so nothing is rescaled.  Within a chunk it is attention: the tiles of tile.cuh. */
#ifndef SWAX_CUDA_MLSTM_CUH
#define SWAX_CUDA_MLSTM_CUH

#include "cuda/cell_gate.cuh"
#include "cuda/tile.cuh"

/* A sum that remembers what rounding took from it (Knuth's two-sum). */
struct sum { double high, low; };

static __device__ sum operator+(sum a, double x)
{
    const double high = a.high + x, added = high - a.high;
    return { high, a.low + ((a.high - (high - added)) + (x - added)) };
}
static __device__ double operator-(sum a, sum b) { return (a.high - b.high) + (a.low - b.low); }

/* exp(x), and what rounding took from a large x */
static __device__ stat exp_of(double x)
{
    const stat rounded = (stat)x, e = exp(rounded);
    return e > 0 ? e + e * (stat)(x - (double)rounded) : e;
}

struct cell {
    const int *start;
    const sum *F;            /* (B,T,H) */
    const double *li;        /* (B,T,H) */
    const stat *m, *m0;      /* (B,T,H), (B,H) or NULL */
    int T, H, K, V, c0, c1, gate;

    __device__ size_t row(int b, int t, int h) const { return ((size_t)b*T + t)*H + h; }
    __device__ int document(int b, int t) const { return start ? start[(size_t)b*T + t] : -1; }
    __device__ int first(int b, int t) const { return max(c0, document(b, t)); }   /* of t's document, in the chunk */
    __device__ stat s() const { return 1 / sqrt((stat)K); }
    static __device__ bool nothing(stat m) { return isinf(m) && m < 0; }                /* has been written: m = -inf */
    __device__ stat D(int b, int h, int t, int j) const
    {
        const size_t nt = row(b, t, h), nj = row(b, j, h);
        return nothing(m[nt]) ? 0 : exp_of(F[nt] - F[nj] + (li[nj] - (double)m[nt]));
    }
    __device__ stat bb(int b, int h, int t) const
    {
        if (document(b, t) >= c0)
            return 0;
        const stat m_in = c0 ? m[row(b, c0 - 1, h)] : m0 && gate == SWAX_EXPONENTIAL ? m0[(size_t)b*H + h] : 0;
        return nothing(m[row(b, t, h)])
                 ? 0
                 : exp_of(F[row(b, t, h)].high + F[row(b, t, h)].low + ((double)m_in - (double)m[row(b, t, h)]));
    }
    __device__ stat ab(int b, int h, int j) const { return j < first(b, c1 - 1) ? 0 : D(b, h, c1 - 1, j); }
    __device__ stat gb(int b, int h) const { return bb(b, h, c1 - 1); }
};

/* Which head, which tile of `tiles`, which strip of columns a block has. */
struct place { int b, h, tile, strip; };

static __device__ place my_place(int H, int tiles)
{
    const int x = blockIdx.x;
    return { x / tiles / H, x / tiles % H, x % tiles, (int)blockIdx.y };
}

/* ---- before the chunks: the gates */

static __device__ double log_sigmoid(double x) { return (x < 0 ? x : 0) - log1p(exp(-fabs(x))); }

static __global__ void mlstm_gates_kernel(sum *lf, double *li, const stat *i, const stat *f, size_t N, int gate)
{
    const size_t n = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (n >= N)
        return;
    lf[n].high = forget_is_log(gate) ? (double)f[n] : log_sigmoid(f[n]);
    li[n] = input_is_log(gate) ? (double)i[n] : log_sigmoid(i[n]);
}

/* m_t (unless NULL) and, in the place of lf, F_t.  A gate that is shut for good still gives differences of F. */
static __global__ void mlstm_scan_kernel(sum *F, stat *m, stat *m1, const double *li, const stat *m0, const int *start,
                                         int B, int T, int H, int L, int gate)
{
    const int bh = blockIdx.x * blockDim.x + threadIdx.x, b = bh / H, h = bh % H;
    if (b >= B)
        return;
    double mt = m0 && gate == SWAX_EXPONENTIAL ? (double)m0[bh] : 0;
    sum Ft = { 0, 0 };
    for (int t = 0; t < T; t++) {
        const size_t n = ((size_t)b*T + t)*H + h;
        const double lf = F[n].high;
        const bool begins = start && start[(size_t)b*T + t] == t;
        if (begins)
            mt = 0;
        if (begins || t % L == 0)
            Ft = { 0, 0 };
        mt = gate == SWAX_EXPONENTIAL ? larger(lf + mt, li[n]) : 0;
        F[n] = Ft = Ft + (lf < -1e8 ? -1e8 : lf);
        if (m)
            m[n] = (stat)mt;
    }
    if (m1)
        m1[bh] = (stat)mt;
}

static void mlstm_gates(sum *F, double *li, stat *m, stat *m1, const stat *i, const stat *f, const stat *m0,
                        const int *start, int B, int T, int H, int L, int gate)
{
    const size_t N = (size_t)B*T*H;
    mlstm_gates_kernel<<<blocks(N, 256), 256>>>(F, li, i, f, N, gate);
    mlstm_scan_kernel<<<blocks((size_t)B*H, 32), 32>>>(F, m, m1, li, m0, start, B, T, H, L, gate);
}

/* ---- forward */

static __global__ void mlstm_h_kernel(real *y, stat *qn, const real *q, const real *k, const real *v,
                                      const stat *C, const stat *n, cell a, double eps)
{
    __shared__ square ta, tb, p;
    const place at = my_place(a.H, (a.c1 - a.c0 + TILE - 1) / TILE);
    const int b = at.b, h = at.h, t0 = a.c0 + at.tile * TILE, v0 = at.strip * STRIP;
    const size_t kstep = (size_t)a.H*a.K, vstep = (size_t)a.H*a.V, bh = (size_t)b*a.H + h;
    const real *kh = k + a.row(b, 0, h)*a.K, *vh = v + a.row(b, 0, h)*a.V;
    const rows<real> qs = rows_from(q + a.row(b, 0, h)*a.K, kstep, t0, a.c1);
    wide z = {};
    stat d[4] = {}, past[4];

    /* C^T q and n.q before their weight: where q is near the smallest numbers, a weighted q has no digits left */
    for (int i = 0; i < 4; i++)
        past[i] = row_of(i) < qs.count ? a.s() * a.bb(b, h, t0 + row_of(i)) : 0;
    for (int r0 = 0; r0 < a.K; r0 += TILE) {
        const int r = r0 + threadIdx.x;
        for (int i = 0; i < 4; i++) {
            const stat x = past[i] != 0 && r < a.K ? value(qs.at[row_of(i) * qs.step + r]) : 0;
            p.x[row_of(i)][threadIdx.x] = x;
            d[i] += x != 0 ? x * n[bh*a.K + r] : 0;
        }
        __syncwarp();   /* a row of p is written and read by one warp */
        tile_mul(z, p, rows_from(C + bh*a.K*a.V, a.V, r0, a.K), v0, a.V);
        __syncwarp();
    }
    for (int i = 0; i < 4; i++) {
        d[i] = weighted(past[i], d[i]);
        for (int c = 0; c < 4; c++)
            z.x[i][c] = weighted(past[i], z.x[i][c]);
    }
    for (int s0 = a.first(b, t0); s0 < t0 + qs.count; s0 += TILE) {
        stat x[4] = {};
        tile_dot(x, ta, tb, qs, rows_from(kh, kstep, s0, t0 + qs.count), a.K);
        for (int i = 0; i < 4; i++) {
            const int t = t0 + row_of(i), s = s0 + threadIdx.x;
            const stat w = t < a.c1 && s <= t && s >= a.first(b, t) ? a.s() * x[i] * a.D(b, h, t, s) : 0;
            p.x[row_of(i)][threadIdx.x] = w;
            d[i] += w;
        }
        __syncwarp();
        tile_mul(z, p, rows_from(vh, vstep, s0, t0 + qs.count), v0, a.V);
        __syncwarp();
    }
    for (int i = 0; i < 4; i++) {
        if (row_of(i) >= qs.count)
            continue;
        const size_t row = a.row(b, t0 + row_of(i), h);
        const stat dt = warp_sum(d[i]);
        const stat N = normalised(a.gate) ? larger(fabs(dt), floor_of(a.m[row])) + (stat)eps : 1;
        for (int c = 0; c < 4; c++)
            z.x[i][c] /= N;
        if (v0 == 0 && threadIdx.x == 0)
            qn[row] = dt;
    }
    put_wide<false>(y + a.row(b, t0, h)*a.V, vstep, qs.count, z, v0, a.V);
}

/* What a token puts into a state: weight.C x y^T into C, weight.n x into n. */
struct share { stat C, n; };

/* C = gb C + sum_t w_t.C x_t y_t^T,   n = gb n + sum_t w_t.n x_t,   saving what was before in Cs, ns unless NULL */
template <class F>
static __global__ void mlstm_state_kernel(stat *C, stat *n, stat *Cs, stat *ns, const real *x, const real *y, cell a,
                                          int chunk, int chunks, F weight)
{
    __shared__ square w;
    const place at = my_place(a.H, (a.K + TILE - 1) / TILE);
    const int b = at.b, h = at.h, r0 = at.tile * TILE, v0 = at.strip * STRIP;
    const size_t bh = (size_t)b*a.H + h, saved = bh*chunks + chunk;
    const stat gb = a.gb(b, h);
    wide z = {};
    stat zn[4] = {};

    for (int t0 = a.c0; t0 < a.c1; t0 += TILE) {
        for (int i = 0; i < 4; i++) {
            const int t = t0 + row_of(i), r = r0 + threadIdx.x;
            const bool there = t < a.c1 && r < a.K;
            const share f = there ? weight(a, b, h, t) : share{ 0, 0 };
            const stat xt = there ? value(x[a.row(b, t, h)*a.K + r]) : 0;
            w.x[threadIdx.x][row_of(i)] = weighted(f.C, xt);
            zn[i] += weighted(f.n, xt);
        }
        __syncthreads();
        tile_mul(z, w, rows_from(y + a.row(b, 0, h)*a.V, (size_t)a.H*a.V, t0, a.c1), v0, a.V);
        __syncthreads();
    }
    for (int i = 0; i < 4; i++)
        for (int c = 0; c < 4; c++) {
            const int r = r0 + row_of(i), column = v0 + threadIdx.x + 32 * c;
            if (r >= a.K || column >= a.V)
                continue;
            stat *to = C + (bh*a.K + r)*a.V + column;
            if (Cs)
                Cs[(saved*a.K + r)*a.V + column] = *to;
            *to = weighted(gb, *to) + z.x[i][c];
        }
    if (v0)
        return;
    for (int i = 0; i < 4; i++)
        w.x[row_of(i)][threadIdx.x] = zn[i];   /* of tokens t0 + row, for key element r0 + column */
    __syncthreads();
    const int r = r0 + threadIdx.x;
    if (threadIdx.y || r >= a.K)
        return;
    stat added = 0;
    for (int t = 0; t < TILE; t++)
        added += w.x[t][threadIdx.x];
    if (ns)
        ns[saved*a.K + r] = n[bh*a.K + r];
    n[bh*a.K + r] = weighted(gb, n[bh*a.K + r]) + added;
}

static void copy_or_zero(stat *to, const stat *from, size_t n)
{
    swax_cuda_note(from ? cudaMemcpyAsync(to, from, n * sizeof *to, cudaMemcpyDeviceToDevice)
                        : cudaMemsetAsync(to, 0, n * sizeof *to), "mlstm");
}

static void mlstm_forward(real *h, stat *C1, stat *n1, stat *m1, stat *m, stat *qn, stat *Cs, stat *ns,
                          const real *q, const real *k, const real *v, const stat *i, const stat *f,
                          const stat *C0, const stat *n0, const stat *m0, const int *start,
                          int B, int T, int H, int K, int V, int L, int gate, double eps)
{
    const size_t N = (size_t)B*T*H, BH = (size_t)B*H;
    const int step = Cs ? L : 64, chunks = (T - 1) / step + 1;
    sum *F = (sum *)swax_cuda_workspace(N * (sizeof(sum) + sizeof(double)));
    double *li = (double *)(F + N);
    if (!F)
        return;
    mlstm_gates(F, li, m, m1, i, f, m0, start, B, T, H, step, gate);
    copy_or_zero(C1, C0, BH*K*V);
    copy_or_zero(n1, n0, BH*K);
    for (int chunk = 0; chunk < chunks; chunk++) {
        const int c0 = chunk * step, c1 = T - c0 < step ? T : c0 + step;
        const cell a = { start, F, li, m, m0, T, H, K, V, c0, c1, gate };
        mlstm_h_kernel<<<dim3(BH * blocks(c1 - c0, TILE), blocks(V, STRIP)), dim3(32, 8)>>>(h, qn, q, k, v, C1, n1, a,
                                                                                            eps);
        mlstm_state_kernel<<<dim3(BH * blocks(K, TILE), blocks(V, STRIP)), dim3(32, 8)>>>(
            C1, n1, Cs, ns, k, v, a, chunk, chunks, [] __device__ (const cell &c, int b, int hd, int t) {
                const stat w = c.ab(b, hd, t);
                return share{ w, w };
            });
    }
    launched("mlstm_forward");
}

#endif
