/* delta.cuh - the gated delta rule and linear attention for any shape, in `stat` arithmetic; formulas in ref/delta.c.
 * So too what the tensor cores found spoiled (delta_bf16.cu): token by token, what is NaN goes where it belongs.
 *
 * Token by token, as the reference does it: columns of the state do not meet in the forward, so a block takes 32 of
 * them, and its 8 warps every eighth row each.  In the backward the gradients of q, k and g are sums over a state's
 * rows: a block takes a whole head, its warps every eighth row, its lanes every 32nd column.  A thread alone reads and
 * writes its elements of the states.  S' of a token comes from the last saved state: of `sub` tokens at a time it is
 * written down. */
#ifndef SWAX_CUDA_DELTA_CUH
#define SWAX_CUDA_DELTA_CUH

#include "cuda/launch.cuh"

enum { DELTA_WARPS = 8, DELTA_THREADS = 32 * DELTA_WARPS };

struct delta_call {
    const real *q, *k, *v, *dy;
    const stat *g, *beta, *r;
    const int *start;
    int B, T, H, G, K, V, J, L, erase;
    stat scale;

    /* of v, g and beta */
    __device__ size_t row(int b, int t, int h) const { return ((size_t)b*T + t)*H + h; }
    /* of q and k */
    __device__ size_t key(int b, int t, int h) const { return ((size_t)b*T + t)*G + (size_t)h*G/H; }
    __device__ bool fresh(int b, int t) const { return start && start[(size_t)b*T + t] == t; }
    __device__ stat decay(size_t n, int i) const { return exp(g[n*J + (J == 1 ? 0 : i)]); }
    __host__ __device__ int chunks() const { return (T - 1) / L + 1; }
};

/* Which columns of V the tensor cores left over: of 16 columns each, how many tokens from the sequence's first on */
enum { LEFT_COLUMNS = 16 };
struct delta_left {
    const int *tokens;                  /* (B,H,groups); NULL: nothing has been done */
    int groups;

    __device__ bool column(int bh, int c, int t) const
    {
        return !tokens || t < tokens[(size_t)bh * groups + c / LEFT_COLUMNS];
    }
    /* of all of a head's columns, so that there are as many of its gradients of q, k, g and beta */
    __device__ int most(int bh, int all) const
    {
        int n = tokens ? 0 : all;
        for (int i = 0; i < groups; i++)
            n = max(n, tokens[(size_t)bh * groups + i]);
        return n;
    }
};

/* `tile`: the block's columns of the state, rows `step` apart; in shared memory, or S1 itself */
static __global__ void delta_forward_kernel(real *y, stat *S1, stat *r, stat *Ss, const stat *S0, delta_call a,
                                            int in_shared, delta_left left)
{
    __shared__ stat known[DELTA_WARPS][32], read[DELTA_WARPS][32];
    const int strips = (a.V + 31) / 32, bh = blockIdx.x / strips, b = bh / a.H, h = bh % a.H;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, c = blockIdx.x % strips * 32 + lane;
    const bool there = c < a.V && left.column(bh, c, 0);
    const size_t KV = (size_t)a.K*a.V, step = in_shared ? 32 : a.V;
    stat *tile = in_shared ? (stat *)shared_memory() + lane : S1 + bh*KV + c;
    const int rows = there ? a.K : 0;
    if (!__syncthreads_or(there))
        return;

    for (int i = warp; i < rows; i += DELTA_WARPS)
        tile[i*step] = S0 ? S0[bh*KV + (size_t)i*a.V + c] : 0;
    for (int t = 0; t < a.T; t++) {
        const size_t n = a.row(b, t, h), at = a.key(b, t, h)*a.K;
        const bool fresh = a.fresh(b, t);
        const stat keep = a.J == 1 ? a.decay(n, 0) : 0;
        stat sum = 0;
        for (int i = warp; i < rows; i += DELTA_WARPS) {
            const stat S = tile[i*step], faded = fresh ? 0 : (a.J == 1 ? keep : a.decay(n, i)) * S;
            if (Ss && t % a.L == 0)
                Ss[((size_t)bh*a.chunks() + t/a.L)*KV + (size_t)i*a.V + c] = S;
            tile[i*step] = faded;
            sum += faded * value(a.k[at + i]);
        }
        known[warp][lane] = sum;
        __syncthreads();
        stat rc = there ? value(a.v[n*a.V + c]) : 0;
        if (a.erase) {
            stat all = 0;
            for (int w = 0; w < DELTA_WARPS; w++)
                all += known[w][lane];
            rc -= all;
        }
        const stat u = a.beta[n] * rc;
        sum = 0;
        for (int i = warp; i < rows; i += DELTA_WARPS) {
            const stat S = tile[i*step] + value(a.k[at + i]) * u;
            tile[i*step] = S;
            sum += S * value(a.q[at + i]);
        }
        read[warp][lane] = sum;
        __syncthreads();
        if (warp == 0 && there) {
            stat all = 0;
            for (int w = 0; w < DELTA_WARPS; w++)
                all += read[w][lane];
            r[n*a.V + c] = rc;
            y[n*a.V + c] = as<real>(a.scale * all);
        }
    }
    for (int i = warp; i < rows && in_shared; i += DELTA_WARPS)
        S1[bh*KV + (size_t)i*a.V + c] = tile[i*step];
}

/* All of it, or what is left */
static void delta_forward_by_token(real *y, stat *S1, stat *r, stat *Ss, const stat *S0, const delta_call &a,
                                   delta_left left)
{
    const size_t tile = (size_t)a.K * 32 * sizeof(stat);
    const bool in_shared = tile < ((size_t)1 << 30) && room_for(tile + sizeof(stat) * 2 * DELTA_THREADS);
    launch("delta_forward", delta_forward_kernel, (unsigned)(a.B * a.H) * blocks(a.V, 32), DELTA_THREADS,
           in_shared ? tile : 0, y, S1, r, Ss, S0, a, (int)in_shared, left);
}

static void delta_forward(real *y, stat *S1, stat *r, stat *Ss, const real *q, const real *k, const real *v,
                          const stat *g, const stat *beta,
                          const stat *S0, const int *start, int B, int T, int H, int G, int K, int V, int J, int L,
                              int erase, double scale)
{
    const delta_call a = { .q = q, .k = k, .v = v, .dy = nullptr, .g = g, .beta = beta, .r = nullptr, .start = start,
                           .B = B, .T = T, .H = H, .G = G, .K = K, .V = V, .J = J, .L = L, .erase = erase,
                               .scale = (stat)scale };
    delta_forward_by_token(y, S1, r, Ss, S0, a, {});
}

/* ---- backward */

/* What one head's block works on: every pointer is at its head, `states` at `sub` states, `du` at 8 rows of V sums */
struct delta_work { stat *S, *D, *states, *du; };

/* Where the gradients of q and k go: those of each head by itself, (B,T,H,width), or, where of_q is NULL, added to */
struct delta_keys {
    stat *of_q, *of_k;
    int width;
    real *dq, *dk;

    __device__ void put(size_t n, size_t at, int i, stat x, stat y) const
    {
        if (of_q)
            of_q[n*width + i] = x, of_k[n*width + i] = y;
        else
            add_to(dq[at + i], x), add_to(dk[at + i], y);
    }
};

/* f(row, column, index in the state) for every element of this thread's */
template <class F> static __device__ void delta_elements(const delta_call &a, F f)
{
    for (int i = threadIdx.x / 32; i < a.K; i += DELTA_WARPS)
        for (int c = threadIdx.x % 32; c < a.V; c += 32)
            f(i, c, (size_t)i*a.V + c);
}

/* S' of the tokens first .. last-1 into w.states, from the state saved before their chunk: what is written is known */
static __device__ void delta_walk(const delta_work &w, const stat *saved, const delta_call &a, int b, int h, int first,
                                  int last)
{
    const size_t KV = (size_t)a.K*a.V;
    delta_elements(a, [&](int, int, size_t e) { w.S[e] = saved[e]; });
    for (int t = first / a.L * a.L; t < last; t++) {
        const size_t n = a.row(b, t, h), at = a.key(b, t, h)*a.K;
        const bool fresh = a.fresh(b, t);
        const stat beta = a.beta[n];
        delta_elements(a, [&](int i, int c, size_t e) {
            const stat faded = fresh ? 0 : a.decay(n, i) * w.S[e];
            if (t >= first)
                w.states[(size_t)(t - first)*KV + e] = faded;
            w.S[e] = faded + value(a.k[at + i]) * (beta * a.r[n*a.V + c]);
        });
    }
}

/* What one token adds to the gradients: to those of v, to the rest where `all` of them are left */
static __device__ void delta_token(const delta_keys &to, real *dv, stat *dg, stat *dbeta, const delta_work &w,
                                   const stat *faded, const delta_call &a, const delta_left &left, bool all_left,
                                   int b, int h, int t)
{
    __shared__ stat of_gate[DELTA_WARPS];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, bh = b*a.H + h;
    const size_t n = a.row(b, t, h), at = a.key(b, t, h)*a.K;
    const bool fresh = a.fresh(b, t);
    const stat beta = a.beta[n];
    for (int c = lane; c < a.V; c += 32) {
        stat sum = 0;
        const stat dy = value(a.dy[n*a.V + c]);
        for (int i = warp; i < a.K; i += DELTA_WARPS) {
            const stat D = w.D[(size_t)i*a.V + c] + a.scale * value(a.q[at + i]) * dy;
            w.D[(size_t)i*a.V + c] = D;
            sum += D * value(a.k[at + i]);
        }
        w.du[(size_t)warp*a.V + c] = sum;
    }
    __syncthreads();
    auto du_of = [&](int c) {
        stat all = 0;
        for (int i = 0; i < DELTA_WARPS; i++)
            all += w.du[(size_t)i*a.V + c];
        return all;
    };
    if (warp == 0) {
        stat sum = 0;
        for (int c = lane; c < a.V; c += 32) {
            const stat du = du_of(c);
            if (left.column(bh, c, t))
                add_to(dv[n*a.V + c], beta * du);
            sum += du * a.r[n*a.V + c];
        }
        sum = warp_sum(sum);
        if (lane == 0 && all_left)
            dbeta[n] += sum;
    }
    stat all_rows = 0;
    for (int i = warp; i < a.K; i += DELTA_WARPS) {
        const stat ki = value(a.k[at + i]), keep = fresh ? 0 : a.decay(n, i);
        stat of_q = 0, of_k = 0, of_g = 0;
        for (int c = lane; c < a.V; c += 32) {
            const size_t e = (size_t)i*a.V + c;
            const stat S = faded[e], u = beta * a.r[n*a.V + c], asked = a.erase ? beta * du_of(c) : 0;
            stat D = w.D[e];
            of_q += a.scale * (S + ki * u) * value(a.dy[n*a.V + c]);
            of_k += D * u - S * asked;
            D -= ki * asked;
            of_g += fresh ? 0 : D * S;
            w.D[e] = fresh ? 0 : keep * D;
        }
        of_q = warp_sum(of_q), of_k = warp_sum(of_k), of_g = warp_sum(of_g);
        all_rows += of_g;
        if (lane == 0 && all_left) {
            to.put(n, at, i, of_q, of_k);
            if (a.J != 1)
                dg[n*a.K + i] += of_g;
        }
    }
    if (lane == 0)
        of_gate[warp] = all_rows;
    __syncthreads();
    if (threadIdx.x == 0 && a.J == 1 && all_left) {
        all_rows = 0;
        for (int i = 0; i < DELTA_WARPS; i++)
            all_rows += of_gate[i];
        dg[n] += all_rows;
    }
}

static __global__ void delta_backward_kernel(delta_keys to, real *dv, stat *dg, stat *dbeta, stat *dS0,
                                             const stat *dS1, const stat *Ss, delta_work w, int sub, delta_call a,
                                             delta_left left)
{
    const int bh = blockIdx.x, b = bh / a.H, h = bh % a.H, most = left.most(bh, a.T);
    const size_t KV = (size_t)a.K*a.V;
    if (most == 0)
        return;
    w.S += bh*KV, w.D += bh*KV, w.states += (size_t)bh*sub*KV, w.du += (size_t)bh*DELTA_WARPS*a.V;
    delta_elements(a, [&](int, int, size_t e) { w.D[e] = dS1 ? dS1[bh*KV + e] : 0; });
    for (int chunk = a.chunks() - 1; chunk >= 0; chunk--) {
        const int begin = chunk * a.L, end = min(begin + a.L, a.T);
        for (int first = begin + (end - begin - 1) / sub * sub; first >= begin; first -= sub) {
            const int last = min(first + sub, end);
            delta_walk(w, Ss + ((size_t)bh*a.chunks() + chunk)*KV, a, b, h, first, last);
            for (int t = last - 1; t >= first; t--)
                delta_token(to, dv, dg, dbeta, w, w.states + (size_t)(t - first)*KV, a, left, t < most, b, h, t);
        }
    }
    if (dS0)
        delta_elements(a, [&](int, int c, size_t e) {
            if (left.column(bh, c, 0))
                dS0[bh*KV + e] += w.D[e];
        });
}

/* dq += the sum over the heads that share a key head, of rows `width` apart, and dk */
static __global__ void delta_heads_kernel(real *dq, real *dk, const stat *of_q, const stat *of_k, size_t N, int K,
                                          int width, int shared)
{
    const size_t e = (size_t)blockIdx.x * blockDim.x + threadIdx.x, at = e / K * shared * width + e % K;
    if (e >= N)
        return;
    stat sum_q = 0, sum_k = 0;
    for (int i = 0; i < shared; i++) {
        sum_q += of_q[at + (size_t)i*width];
        sum_k += of_k[at + (size_t)i*width];
    }
    add_to(dq[e], sum_q);
    add_to(dk[e], sum_k);
}

static void delta_backward(real *dq, real *dk, real *dv, stat *dg, stat *dbeta, stat *dS0, stat *S, stat *D,
                           const real *dy, const stat *dS1,
                           const real *q, const real *k, const real *v, const stat *g, const stat *beta,
                           const stat *S0, const int *start, const stat *S1, const stat *r, const stat *Ss,
                           int B, int T, int H, int G, int K, int V, int J, int L, int erase, double scale)
{
    (void)S0, (void)S1;
    const delta_call a = { .q = q, .k = k, .v = v, .dy = dy, .g = g, .beta = beta, .r = r, .start = start,
                           .B = B, .T = T, .H = H, .G = G, .K = K, .V = V, .J = J, .L = L, .erase = erase,
                               .scale = (stat)scale };
    const size_t keys = (size_t)B*T*H*K, heads = (size_t)B*H;
    const int longest = L < T ? L : T;
    int sub = 8;
    while (sub * sub < longest)
        sub++;
    sub = sub < longest ? sub : longest;
    stat *of_q = (stat *)swax_cuda_workspace((2*keys + heads*sub*K*V + heads*DELTA_WARPS*V) * sizeof(stat));
    if (!of_q)
        return;
    stat *of_k = of_q + keys, *states = of_k + keys;
    launch("delta_backward", delta_backward_kernel, (unsigned)heads, DELTA_THREADS, 0,
           delta_keys{ .of_q = of_q, .of_k = of_k, .width = K, .dq = nullptr, .dk = nullptr }, dv, dg, dbeta, dS0, dS1,
           Ss, delta_work{ S, D, states, states + heads*sub*K*V }, sub, a, delta_left{});
    launch("delta_backward: heads", delta_heads_kernel, blocks((size_t)B*T*G*K, 256), 256, 0, dq, dk, of_q, of_k,
           (size_t)B*T*G*K, K, K, H / G);
}

#endif
