/* attention.cuh - windowed attention for any shape, in `stat` arithmetic; formulas in ref/attention.c.
 *
 * A block takes 32 queries of a head (or, for dk and dv, 32 keys) and walks over the tiles of their band.
 * Scores are computed again wherever they are used, always in the same order, so that they are the same bits
 * everywhere and nothing is rescaled.  The forward divides by the sum itself: lse has lost digits if scores are
 * huge. */
#include "cuda/tile.cuh"

struct band {
    const int *start;
    int B, T, S, H, G, D, W;

    __device__ stat scale() const { return 1 / sqrt((stat)D); }
    __device__ int first_key(int b, int t) const
    {
        const int by_window = t + (S - T) > W - 1 ? t + (S - T) - (W - 1) : 0;
        const int s = start ? start[(size_t)b*T + t] : -S;
        const int by_document = s > -(S - T) ? s + (S - T) : 0;
        return max(by_window, by_document);
    }
    __device__ size_t query_row(int b, int t, int h) const { return ((size_t)b*T + t)*H + h; }
    __device__ size_t key_row(int b, int j, int g) const { return ((size_t)b*S + j)*G + g; }
};

static __global__ void attention_forward_kernel(real *y, stat *lse, const real *q, const real *k, const real *v,
                                                const stat *sink, band a)
{
    __shared__ square ta, tb, p;
    const int tiles = (a.T + TILE - 1) / TILE, t0 = blockIdx.x % tiles * TILE;
    const int h = blockIdx.x / tiles % a.H, b = blockIdx.x / tiles / a.H, g = (int)((long long)h * a.G / a.H);
    const size_t qstep = (size_t)a.H*a.D, kstep = (size_t)a.G*a.D;
    const rows<real> qs = rows_from(q + a.query_row(b, 0, h)*a.D, qstep, t0, a.T);
    const real *kh = k + a.key_row(b, 0, g)*a.D, *vh = v + a.key_row(b, 0, g)*a.D;
    const int end = t0 + qs.count + (a.S - a.T), begin = a.first_key(b, t0);

    int from[4], to[4];   /* the keys that the queries of this thread see */
    stat largest[4], sum[4];
    for (int i = 0; i < 4; i++) {
        const int t = t0 + row_of(i);
        from[i] = t < a.T ? a.first_key(b, t) : 0;
        to[i] = t < a.T ? t + (a.S - a.T) : -1;
        largest[i] = sink && threadIdx.x == 0 ? sink[h] : lowest();     /* one more score */
        sum[i] = sink && threadIdx.x == 0;
    }
    for (int j0 = begin; j0 < end; j0 += TILE) {
        stat s[4] = {};
        tile_dot(s, ta, tb, qs, rows_from(kh, kstep, j0, end), a.D);
        for (int i = 0; i < 4; i++) {
            const int j = j0 + threadIdx.x;
            if (j < from[i] || j > to[i])
                continue;
            const stat x = times(a.scale(), s[i]), before = largest[i];
            largest[i] = fmax(before, x);
            sum[i] = sum[i] * exp(before - largest[i]) + exp(x - largest[i]);
        }
    }
    for (int i = 0; i < 4; i++) {
        const stat all = warp_max(largest[i]);
        sum[i] = warp_sum(sum[i] * exp(largest[i] - all));
        largest[i] = all;
        if (threadIdx.x == 0 && row_of(i) < qs.count)
            lse[a.query_row(b, t0 + row_of(i), h)] = all + log(sum[i]);
    }

    for (int d0 = 0; d0 < a.D; d0 += STRIP) {
        wide z = {};
        for (int j0 = begin; j0 < end; j0 += TILE) {
            stat s[4] = {};
            tile_dot(s, ta, tb, qs, rows_from(kh, kstep, j0, end), a.D);
            for (int i = 0; i < 4; i++) {
                const int j = j0 + threadIdx.x;
                p.x[row_of(i)][threadIdx.x] =
                    j < from[i] || j > to[i] ? 0 : exp(times(a.scale(), s[i]) - largest[i]) / sum[i];
            }
            __syncwarp();   /* a row of p is written and read by one warp */
            tile_mul(z, p, rows_from(vh, kstep, j0, end), d0, a.D);
            __syncwarp();
        }
        put_wide<false>(y + a.query_row(b, t0, h)*a.D, qstep, qs.count, z, d0, a.D);
    }
}

static void attention_forward(real *y, stat *lse, const real *q, const real *k, const real *v, const stat *sink,
                              const int *start, int B, int T, int S, int H, int G, int D, int W)
{
    const band a = { start, B, T, S, H, G, D, W };
    attention_forward_kernel<<<B * H * blocks(T, TILE), dim3(32, 8)>>>(y, lse, q, k, v, sink, a);
    launched("attention_forward");
}

/* dyy[row] = dy.y, a warp a row */
static __global__ void dy_dot_y_kernel(stat *dyy, const real *dy, const real *y, size_t N, int D)
{
    const size_t n = (size_t)blockIdx.x * blockDim.y + threadIdx.y;
    if (n >= N)
        return;
    stat sum = 0;
    for (int d = threadIdx.x; d < D; d += 32)
        sum += value(dy[n*D + d]) * value(y[n*D + d]);
    sum = warp_sum(sum);
    if (threadIdx.x == 0)
        dyy[n] = sum;
}

/* dq_t += scale sum_j da_tj k_j,   da_tj = p_tj (dy_t.v_j - dyy_t) */
static __global__ void attention_dq_kernel(real *dq, const real *dy, const real *q, const real *k, const real *v,
                                           const stat *lse, const stat *dyy, band a)
{
    __shared__ square ta, tb, da;
    const int tiles = (a.T + TILE - 1) / TILE, t0 = blockIdx.x % tiles * TILE;
    const int h = blockIdx.x / tiles % a.H, b = blockIdx.x / tiles / a.H, g = (int)((long long)h * a.G / a.H);
    const size_t qstep = (size_t)a.H*a.D, kstep = (size_t)a.G*a.D;
    const rows<real> qs = rows_from(q + a.query_row(b, 0, h)*a.D, qstep, t0, a.T);
    const rows<real> dys = rows_from(dy + a.query_row(b, 0, h)*a.D, qstep, t0, a.T);
    const real *kh = k + a.key_row(b, 0, g)*a.D, *vh = v + a.key_row(b, 0, g)*a.D;
    const int end = t0 + qs.count + (a.S - a.T), begin = a.first_key(b, t0);

    for (int d0 = 0; d0 < a.D; d0 += STRIP) {
        wide z = {};
        for (int j0 = begin; j0 < end; j0 += TILE) {
            stat s[4] = {}, dp[4] = {};
            tile_dot(s, ta, tb, qs, rows_from(kh, kstep, j0, end), a.D);
            tile_dot(dp, ta, tb, dys, rows_from(vh, kstep, j0, end), a.D);
            for (int i = 0; i < 4; i++) {
                const int t = t0 + row_of(i), j = j0 + threadIdx.x;
                const size_t n = a.query_row(b, t, h);
                const bool sees = t < a.T && j >= a.first_key(b, t) && j <= t + (a.S - a.T);
                da.x[row_of(i)][threadIdx.x] =
                    sees ? a.scale() * exp(times(a.scale(), s[i]) - lse[n]) * (dp[i] - dyy[n]) : 0;
            }
            __syncwarp();
            tile_mul(z, da, rows_from(kh, kstep, j0, end), d0, a.D);
            __syncwarp();
        }
        put_wide<true>(dq + a.query_row(b, t0, h)*a.D, qstep, qs.count, z, d0, a.D);
    }
}

/* dv_j += sum_t p_tj dy_t,   dk_j += scale sum_t da_tj q_t, over the query heads that share a key head */
static __global__ void attention_dk_dv_kernel(real *dk, real *dv, const real *dy, const real *q, const real *k,
                                              const real *v, const stat *lse, const stat *dyy, band a)
{
    __shared__ square ta, tb, p, da;
    const int tiles = (a.S + TILE - 1) / TILE, j0 = blockIdx.x % tiles * TILE;
    const int g = blockIdx.x / tiles % a.G, b = blockIdx.x / tiles / a.G;
    const size_t qstep = (size_t)a.H*a.D, kstep = (size_t)a.G*a.D;
    const rows<real> ks = rows_from(k + a.key_row(b, 0, g)*a.D, kstep, j0, a.S);
    const rows<real> vs = rows_from(v + a.key_row(b, 0, g)*a.D, kstep, j0, a.S);
    const int last = j0 + ks.count - 1 - (a.S - a.T);   /* the last key, counted as the queries are */
    const int begin = max(0, j0 - (a.S - a.T)), end = last < a.T - a.W ? last + a.W : a.T;

    for (int d0 = 0; d0 < a.D; d0 += STRIP) {
        wide zk = {}, zv = {};
        for (int h = g * (a.H / a.G); h < (g + 1) * (a.H / a.G); h++)
            for (int t0 = begin; t0 < end; t0 += TILE) {
                if (a.start && a.start[(size_t)b*a.T + t0] > last)
                    break;   /* and so do all queries after it */
                const rows<real> qs = rows_from(q + a.query_row(b, 0, h)*a.D, qstep, t0, end);
                const rows<real> dys = rows_from(dy + a.query_row(b, 0, h)*a.D, qstep, t0, end);
                stat s[4] = {}, dp[4] = {};
                tile_dot(s, ta, tb, ks, qs, a.D);
                tile_dot(dp, ta, tb, vs, dys, a.D);
                for (int i = 0; i < 4; i++) {
                    const int t = t0 + threadIdx.x, j = j0 + row_of(i);
                    const size_t n = a.query_row(b, t, h);
                    const bool seen = t < end && j >= a.first_key(b, t) && j <= t + (a.S - a.T);
                    const stat w = seen ? exp(times(a.scale(), s[i]) - lse[n]) : 0;
                    p.x[row_of(i)][threadIdx.x] = w;
                    da.x[row_of(i)][threadIdx.x] = seen ? a.scale() * w * (dp[i] - dyy[n]) : 0;
                }
                __syncwarp();
                tile_mul(zv, p, dys, d0, a.D);
                tile_mul(zk, da, qs, d0, a.D);
                __syncwarp();
            }
        put_wide<true>(dk + a.key_row(b, j0, g)*a.D, kstep, ks.count, zk, d0, a.D);
        put_wide<true>(dv + a.key_row(b, j0, g)*a.D, kstep, ks.count, zv, d0, a.D);
    }
}

/* dsink -= sum_t exp(sink - lse_t) dyy_t, a block a head */
static __global__ void attention_dsink_kernel(stat *dsink, const stat *sink, const stat *lse, const stat *dyy,
                                              size_t rows, int H)
{
    __shared__ stat part[8];
    const int h = blockIdx.x, warp = threadIdx.x / 32;
    stat sum = 0;
    for (size_t n = threadIdx.x; n < rows; n += 256)
        sum += exp(sink[h] - lse[n*H + h]) * dyy[n*H + h];
    sum = warp_sum(sum);
    if (threadIdx.x % 32 == 0)
        part[warp] = sum;
    __syncthreads();
    if (threadIdx.x)
        return;
    for (int w = 1; w < 8; w++)
        sum += part[w];
    dsink[h] -= sum;
}

static void attention_backward(real *dq, real *dk, real *dv, stat *dsink, const real *dy,
                               const real *q, const real *k, const real *v, const stat *sink, const int *start,
                               const real *y, const stat *lse, int B, int T, int S, int H, int G, int D, int W)
{
    const band a = { start, B, T, S, H, G, D, W };
    const size_t N = (size_t)B*T*H;
    stat *dyy = (stat *)swax_cuda_workspace(N * sizeof *dyy);
    if (!dyy)
        return;
    dy_dot_y_kernel<<<blocks(N, 8), dim3(32, 8)>>>(dyy, dy, y, N, D);
    attention_dq_kernel<<<B * H * blocks(T, TILE), dim3(32, 8)>>>(dq, dy, q, k, v, lse, dyy, a);
    attention_dk_dv_kernel<<<B * G * blocks(S, TILE), dim3(32, 8)>>>(dk, dv, dy, q, k, v, lse, dyy, a);
    if (sink)
        attention_dsink_kernel<<<H, 256>>>(dsink, sink, lse, dyy, (size_t)B*T, H);
    launched("attention_backward");
}
