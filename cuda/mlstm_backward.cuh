/* mlstm_backward.cuh - the cell backward, chunk by chunk from the last; letters as in mlstm.cuh.  With dC, dn the
 * gradients of the state after the chunk, G_t = inv_t dh_t, inv_t = 1/N_t, g_t the gradient of qn_t, and
 * dS_ts = s (G_t.v_s + g_t) D_ts:
 *
 *   dq_t += sum_s dS_ts k_s + s bb_t (C G_t + g_t n)
 *   dk_s += sum_t dS_ts q_t + ab_s (dC v_s + dn)
 *   dv_s += sum_t P_ts G_t + ab_s dC^T k_s
 *   dC    = gb dC + sum_t s bb_t q_t G_t^T,     dn = gb dn + sum_t s bb_t g_t q_t
 *
 * Only what passes from before token r to r or later depends on lf_r.  With E_ts = dS_ts q_t.k_s,
 *   dlf_r = gb (<dC,C> + <dn,n>) + sum_{t>=r} q_t.(s bb_t ...) + sum_{s<r} k_s.(ab_s ...) + sum_{s<r<=t} E_ts
 * where the last sum is a difference of sums over rows and over columns, that of a token with itself in neither.  Both
 * add up the same floats, in double: where gates are shut, next to nothing is left of them. */
#include "cuda/mlstm.cuh"

struct backprop {
    const stat *inv, *g;      /* (B,T,H) */
    /* (strips,B,T,H): sums over a strip of the keys' elements: of dlf's first two, and k_s.dk_s */
    stat *row, *x, *kdk;
    double *pair_row, *pair_col, *before;   /* (B,T,H): sums of E_ts; of x up to the token */
    size_t N;                 /* B T H */
};

static __global__ void mlstm_normaliser_kernel(stat *inv, stat *g, const real *dh, const real *h, const stat *m,
                                               const stat *qn, size_t N, int V, int gate, double eps)
{
    const size_t n = (size_t)blockIdx.x * blockDim.y + threadIdx.y;
    if (n >= N)
        return;
    stat dhh = 0;
    for (int j = threadIdx.x; j < V; j += 32)
        dhh += value(dh[n*V + j]) * value(h[n*V + j]);
    dhh = warp_sum(dhh);
    const stat floor = floor_of(m[n]), over = normalised(gate) ? 1 / (larger(fabs(qn[n]), floor) + (stat)eps) : 1;
    inv[n] = over;
    g[n] = !normalised(gate) || fabs(qn[n]) <= floor ? 0 : (qn[n] > 0 ? -dhh : dhh) * over;
}

/* x_row . z over the strip, in every lane, for the row i of this thread */
static __device__ stat row_sum(rows<real> x, const wide &z, int i, int first, int width)
{
    stat sum = 0;
    for (int c = 0; c < 4; c++) {
        const int column = first + threadIdx.x + 32 * c;
        sum += row_of(i) < x.count && column < width ? value(x.at[row_of(i) * x.step + column]) * z.x[i][c] : 0;
    }
    return warp_sum(sum);
}

static __global__ void mlstm_dq_kernel(real *dq, const real *dh, const real *q, const real *k, const real *v,
                                       const stat *Cs, const stat *ns, cell a, backprop o, int chunk, int chunks)
{
    __shared__ square ta, tb, p;
    const place at = my_place(a.H, (a.c1 - a.c0 + TILE - 1) / TILE);
    const int b = at.b, h = at.h, t0 = a.c0 + at.tile * TILE, k0 = at.strip * STRIP;
    const size_t kstep = (size_t)a.H*a.K, vstep = (size_t)a.H*a.V, state = ((size_t)b*a.H + h)*chunks + chunk;
    const real *kh = k + a.row(b, 0, h)*a.K, *vh = v + a.row(b, 0, h)*a.V;
    const rows<real> dhs = rows_from(dh + a.row(b, 0, h)*a.V, vstep, t0, a.c1);
    const int end = t0 + dhs.count;
    const rows<real> qs = rows_from(q + a.row(b, 0, h)*a.K, kstep, t0, a.c1);
    wide z = {};
    double pairs[4] = {};

    for (int c = 0; c < 4; c++) {
        const int r = k0 + 32 * c + threadIdx.x;
        stat e[4] = {};
        tile_dot(e, ta, tb, dhs, rows_from(Cs + state*a.K*a.V, a.V, k0 + 32 * c, a.K), a.V);
        for (int i = 0; i < 4; i++) {
            const size_t n = a.row(b, t0 + row_of(i), h);
            if (row_of(i) < dhs.count && r < a.K)
                z.x[i][c] = weighted(a.s() * a.bb(b, h, t0 + row_of(i)), o.inv[n] * e[i] + o.g[n] * ns[state*a.K + r]);
        }
    }
    for (int i = 0; i < 4; i++) {
        const stat row = row_sum(qs, z, i, k0, a.K);
        if (threadIdx.x == 0 && row_of(i) < dhs.count)
            o.row[at.strip * o.N + a.row(b, t0 + row_of(i), h)] = row;
    }
    for (int s0 = a.first(b, t0); s0 < end; s0 += TILE) {
        stat gv[4] = {}, qk[4] = {};
        tile_dot(gv, ta, tb, dhs, rows_from(vh, vstep, s0, end), a.V);
        if (at.strip == 0)
            tile_dot(qk, ta, tb, qs, rows_from(kh, kstep, s0, end), a.K);
        for (int i = 0; i < 4; i++) {
            const int t = t0 + row_of(i), s = s0 + threadIdx.x;
            const size_t n = a.row(b, t, h);
            const stat dS =
                t < end && s <= t && s >= a.first(b, t) ? a.s() * (o.inv[n] * gv[i] + o.g[n]) * a.D(b, h, t, s) : 0;
            p.x[row_of(i)][threadIdx.x] = dS;
            pairs[i] += s < t && dS != 0 ? (double)dS * (double)qk[i] : 0;
        }
        __syncwarp();
        tile_mul(z, p, rows_from(kh, kstep, s0, end), k0, a.K);
        __syncwarp();
    }
    for (int i = 0; i < 4; i++) {
        const double row = warp_sum(pairs[i]);
        if (at.strip == 0 && threadIdx.x == 0 && row_of(i) < dhs.count)
            o.pair_row[a.row(b, t0 + row_of(i), h)] = row;
    }
    put_wide<true>(dq + a.row(b, t0, h)*a.K, kstep, dhs.count, z, k0, a.K);
}

static __global__ void mlstm_dk_kernel(real *dk, const real *dh, const real *q, const real *k, const real *v,
                                       const stat *dC, const stat *dn, cell a, backprop o)
{
    __shared__ square ta, tb, p;
    const place at = my_place(a.H, (a.c1 - a.c0 + TILE - 1) / TILE);
    const int b = at.b, h = at.h, s0 = a.c0 + at.tile * TILE, k0 = at.strip * STRIP;
    const size_t kstep = (size_t)a.H*a.K, vstep = (size_t)a.H*a.V, bh = (size_t)b*a.H + h;
    const real *qh = q + a.row(b, 0, h)*a.K, *dhh = dh + a.row(b, 0, h)*a.V;
    const rows<real> ks = rows_from(k + a.row(b, 0, h)*a.K, kstep, s0, a.c1);
    const rows<real> vs = rows_from(v + a.row(b, 0, h)*a.V, vstep, s0, a.c1);
    wide z = {};
    double pairs[4] = {};

    for (int c = 0; c < 4; c++) {
        const int r = k0 + 32 * c + threadIdx.x;
        stat e[4] = {};
        tile_dot(e, ta, tb, vs, rows_from(dC + bh*a.K*a.V, a.V, k0 + 32 * c, a.K), a.V);
        for (int i = 0; i < 4; i++)
            if (row_of(i) < vs.count && r < a.K)
                z.x[i][c] = weighted(a.ab(b, h, s0 + row_of(i)), e[i] + dn[bh*a.K + r]);
    }
    for (int i = 0; i < 4; i++) {
        const stat x = row_sum(ks, z, i, k0, a.K);
        if (threadIdx.x == 0 && row_of(i) < ks.count)
            o.x[at.strip * o.N + a.row(b, s0 + row_of(i), h)] = x;
    }
    for (int t0 = s0; t0 < a.c1 && a.first(b, t0) < s0 + ks.count; t0 += TILE) {
        stat gv[4] = {}, qk[4] = {};
        tile_dot(gv, ta, tb, vs, rows_from(dhh, vstep, t0, a.c1), a.V);
        if (at.strip == 0)
            tile_dot(qk, ta, tb, ks, rows_from(qh, kstep, t0, a.c1), a.K);
        for (int i = 0; i < 4; i++) {
            const int t = t0 + threadIdx.x, s = s0 + row_of(i);
            const size_t n = a.row(b, t, h);
            const stat dS =
                t < a.c1 && s <= t && s >= a.first(b, t) ? a.s() * (o.inv[n] * gv[i] + o.g[n]) * a.D(b, h, t, s) : 0;
            p.x[row_of(i)][threadIdx.x] = dS;
            pairs[i] += s < t && dS != 0 ? (double)dS * (double)qk[i] : 0;
        }
        __syncwarp();
        tile_mul(z, p, rows_from(qh, kstep, t0, a.c1), k0, a.K);
        __syncwarp();
    }
    for (int i = 0; i < 4; i++) {
        const size_t n = a.row(b, s0 + row_of(i), h);
        const double col = warp_sum(pairs[i]);
        const stat kdk = row_sum(ks, z, i, k0, a.K);
        if (threadIdx.x == 0 && row_of(i) < ks.count) {
            o.kdk[at.strip * o.N + n] = kdk;
            if (at.strip == 0)
                o.pair_col[n] = col;
        }
    }
    put_wide<true>(dk + a.row(b, s0, h)*a.K, kstep, ks.count, z, k0, a.K);
}

static __global__ void mlstm_dv_kernel(real *dv, const real *dh, const real *q, const real *k, const stat *dC, cell a,
                                       backprop o)
{
    __shared__ square ta, tb, p;
    const place at = my_place(a.H, (a.c1 - a.c0 + TILE - 1) / TILE);
    const int b = at.b, h = at.h, s0 = a.c0 + at.tile * TILE, v0 = at.strip * STRIP;
    const size_t kstep = (size_t)a.H*a.K, vstep = (size_t)a.H*a.V, bh = (size_t)b*a.H + h;
    const real *qh = q + a.row(b, 0, h)*a.K, *dhh = dh + a.row(b, 0, h)*a.V;
    const rows<real> ks = rows_from(k + a.row(b, 0, h)*a.K, kstep, s0, a.c1);
    wide z = {};

    for (int r0 = 0; r0 < a.K; r0 += TILE) {
        const int r = r0 + threadIdx.x;
        for (int i = 0; i < 4; i++)
            p.x[row_of(i)][threadIdx.x] = row_of(i) < ks.count && r < a.K
                ? weighted(a.ab(b, h, s0 + row_of(i)), value(ks.at[row_of(i) * ks.step + r])) : 0;
        __syncwarp();
        tile_mul(z, p, rows_from(dC + bh*a.K*a.V, a.V, r0, a.K), v0, a.V);
        __syncwarp();
    }
    for (int t0 = s0; t0 < a.c1 && a.first(b, t0) < s0 + ks.count; t0 += TILE) {
        stat x[4] = {};
        tile_dot(x, ta, tb, ks, rows_from(qh, kstep, t0, a.c1), a.K);
        for (int i = 0; i < 4; i++) {
            const int t = t0 + threadIdx.x, s = s0 + row_of(i);
            p.x[row_of(i)][threadIdx.x] = t < a.c1 && s <= t && s >= a.first(b, t)
                ? a.s() * x[i] * a.D(b, h, t, s) * o.inv[a.row(b, t, h)] : 0;
        }
        __syncwarp();
        tile_mul(z, p, rows_from(dhh, vstep, t0, a.c1), v0, a.V);
        __syncwarp();
    }
    put_wide<true>(dv + a.row(b, s0, h)*a.V, vstep, ks.count, z, v0, a.V);
}

/* through[b,h,chunk] = gb (<dC,C> + <dn,n>), a block a head; of a state that is not there, 0, whatever dC is */
static __global__ void mlstm_through_kernel(double *through, const stat *dC, const stat *dn, const stat *Cs,
                                            const stat *ns, cell a, int chunk, int chunks, bool there)
{
    __shared__ double part[32];
    const int b = blockIdx.x / a.H, h = blockIdx.x % a.H;
    const size_t bh = blockIdx.x, state = bh*chunks + chunk, KV = (size_t)a.K*a.V;
    double sum = 0;
    for (size_t e = threadIdx.x; e < KV; e += blockDim.x)
        sum += (double)dC[bh*KV + e] * (double)Cs[state*KV + e];
    for (int r = threadIdx.x; r < a.K; r += blockDim.x)
        sum += (double)dn[bh*a.K + r] * (double)ns[state*a.K + r];
    sum = warp_sum(sum);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x)
        return;
    for (int w = 1; w < (int)blockDim.x / 32; w++)
        sum += part[w];
    const double gb = there ? a.gb(b, h) : 0;
    through[state] = gb != 0 ? gb * sum : 0;
}

/* The gates' gradients, a thread a chunk of a head.  past: is there a state before the sequence?  Without one the first
 * token's f has nothing to keep: its gradient is nothing at all, also where dh is no number. */
static __global__ void mlstm_gates_backward_kernel(stat *di, stat *df, const double *through, const stat *i,
                                                   const stat *f, cell a, backprop o, int B, int L, int chunks,
                                                   int strips, bool past)
{
    const size_t id = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (id >= (size_t)B*a.H*chunks)
        return;
    const int c0 = (int)(id % chunks) * L, c1 = a.T - c0 < L ? a.T : c0 + L;
    const int h = (int)(id / chunks % a.H), b = (int)(id / chunks / a.H);
    const auto over_strips = [&] (const stat *x, size_t n) {
        double sum = 0;
        for (int s = 0; s < strips; s++)
            sum += (double)x[s * o.N + n];
        return sum;
    };
    const int last = max(c0, a.document(b, c1 - 1));        /* the document that goes on behind the chunk */
    double before = 0, behind = through[id], pairs = 0;
    for (int s = last; s < c1; s++) {
        o.before[a.row(b, s, h)] = before;
        before += over_strips(o.x, a.row(b, s, h));
    }
    for (int r = c1 - 1; r >= c0; r--) {
        const size_t n = a.row(b, r, h);
        behind += over_strips(o.row, n);
        pairs += o.pair_row[n] - o.pair_col[n];
        const bool fresh = a.document(b, r) == r || (r == 0 && !past);
        const double dlf = fresh ? 0 : behind + (r >= last ? o.before[n] : 0) + pairs;
        const double kdk = over_strips(o.kdk, n);
        di[n] += (stat)(input_is_log(a.gate) ? kdk : kdk / (1 + exp((double)i[n])));
        df[n] += (stat)(forget_is_log(a.gate) ? dlf : dlf / (1 + exp((double)f[n])));
        if (fresh)
            behind = pairs = 0;
    }
}

static __global__ void accumulate_kernel(stat *y, const stat *x, size_t N)
{
    const size_t n = (size_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (n < N)
        y[n] += x[n];
}

static void mlstm_backward(real *dq, real *dk, real *dv, stat *di, stat *df, stat *dC0, stat *dn0,
                           const real *dh, const stat *dC1, const stat *dn1,
                           const real *q, const real *k, const real *v, const stat *i, const stat *f,
                           const stat *C0, const stat *n0, const stat *m0, const int *start,
                           const real *h, const stat *C1, const stat *n1, const stat *m1,
                           const stat *m, const stat *qn, const stat *Cs, const stat *ns,
                           int B, int T, int H, int K, int V, int L, int gate, double eps)
{
    (void)n0, (void)C1, (void)n1, (void)m1;
    const int chunks = (T - 1) / L + 1, strips = (int)blocks(K, STRIP);
    const size_t N = (size_t)B*T*H, BH = (size_t)B*H, KV = (size_t)K*V;
    sum *F = (sum *)swax_cuda_workspace(N * sizeof(sum) + (4*N + BH*chunks) * sizeof(double)
                                        + ((2 + 3*(size_t)strips)*N + BH*(KV + K)) * sizeof(stat));
    if (!F)
        return;
    double *li = (double *)(F + N), *pairs = li + N, *through = pairs + 3*N;
    stat *inv = (stat *)(through + BH*chunks), *g = inv + N, *sums = g + N, *dC = sums + 3*strips*N, *dn = dC + BH*KV;
    const backprop o = { inv, g, sums, sums + strips*N, sums + 2*strips*N, pairs, pairs + N, pairs + 2*N, N };
    const dim3 threads(32, 8);

    mlstm_gates(F, li, nullptr, nullptr, i, f, m0, start, B, T, H, L, gate);
    mlstm_normaliser_kernel<<<blocks(N, 8), threads>>>(inv, g, dh, h, m, qn, N, V, gate, eps);
    copy_or_zero(dC, dC1, BH*KV);
    copy_or_zero(dn, dn1, BH*K);
    for (int chunk = chunks - 1; chunk >= 0; chunk--) {
        const int c0 = chunk * L, c1 = T - c0 < L ? T : c0 + L;
        const cell a = { start, F, li, m, m0, T, H, K, V, c0, c1, gate };
        const unsigned tiles = (unsigned)BH * blocks(c1 - c0, TILE);
        mlstm_dq_kernel<<<dim3(tiles, strips), threads>>>(dq, dh, q, k, v, Cs, ns, a, o, chunk, chunks);
        mlstm_dk_kernel<<<dim3(tiles, strips), threads>>>(dk, dh, q, k, v, dC, dn, a, o);
        mlstm_dv_kernel<<<dim3(tiles, blocks(V, STRIP)), threads>>>(dv, dh, q, k, dC, a, o);
        mlstm_through_kernel<<<(unsigned)BH, 512>>>(through, dC, dn, Cs, ns, a, chunk, chunks, chunk || C0);
        mlstm_state_kernel<<<dim3(BH * blocks(K, TILE), blocks(V, STRIP)), threads>>>(
            dC, dn, (stat *)nullptr, (stat *)nullptr,
            q, dh, a, chunk, chunks, [=] __device__ (const cell &c, int b, int hd, int t) {
                const size_t n = c.row(b, t, hd);
                const stat w = c.s() * c.bb(b, hd, t);
                return share{ weighted(w, inv[n]), weighted(w, g[n]) };
            });
    }
    const cell a = { start, F, li, m, m0, T, H, K, V, 0, T, gate };
    mlstm_gates_backward_kernel<<<blocks(BH*chunks, 32), 32>>>(di, df, through, i, f, a, o, B, L, chunks, strips,
                                                               C0 != nullptr);
    if (dC0) {
        accumulate_kernel<<<blocks(BH*KV, 256), 256>>>(dC0, dC, BH*KV);
        accumulate_kernel<<<blocks(BH*K, 256), 256>>>(dn0, dn, BH*K);
    }
    launched("mlstm_backward");
}
