/* mlstm_gates.cuh - the scalar part of the mLSTM cell: stabiliser, weights of tokens and states, gate gradients.
 *
 * The cell works chunk by chunk.  With b_t the sum of lf from its chunk's first token to t, a key s and a query t of one
 * chunk and one document meet with weight exp(li_s - b_s + b_t - m_t); a query meets the state before its chunk with
 * exp(b_t + m_in - m_t), a key leaves exp(li_s + b_end - b_s - m_end) of itself in the state behind, and of the state
 * before remains exp(b_end + m_in - m_end).  None of it needs a running maximum: m is known beforehand.
 * b is summed in double; exponents are kept in units of log 2. */
#ifndef SWAX_MLSTM_GATES_CUH
#define SWAX_MLSTM_GATES_CUH

#include "panel.cuh"

/* The chunks of a call: every `span` tokens are cut into `parts` of `size` tokens, the last one shorter. */
struct cell_shape {
    int B, T, H, K, V, span, parts, size, chunks;
    __host__ __device__ int begin(int chunk) const { return parts == 1 ? chunk * span : chunk / parts * span + chunk % parts * size; }
    __host__ __device__ int end(int chunk) const
    {
        const int next = parts == 1 ? (chunk + 1) * span : chunk % parts == parts - 1 ? (chunk / parts + 1) * span : begin(chunk) + size;
        return next < T ? next : T;
    }
    __host__ __device__ int padded() const { return (size + 63) / 64 * 64; }
};

/* A weight of a pair of tokens as bf16 pairs, hi + lo; padded() tokens per chunk, 0 behind the chunk's end. */
struct split { uint32_t hi, lo; };

/* Per (sequence, head) and token, and decay per chunk; the second half only in the backward.  NULL: not wanted. */
struct cell_weights {
    float *query, *key, *enter, *leave, *decay;
    split *left;                                    /* leave, of pairs */
    float *gh, *enter_n, *enter_gamma, *f, *g;      /* <dh,h>, s enter/N, s enter gamma, s/N, s gamma */
    split *entered, *normal;                        /* s enter/N and s enter gamma, of pairs */
};

static __device__ double log_sigmoid_of(float x) { return (double)(fminf(x, 0) - log1pf(expf(-fabsf(x)))); }
static __device__ float sigmoid_of(float x) { return 1 / (1 + expf(-x)); }
static __device__ double larger(double a, double b) { return a > b ? a : b >= a ? b : a + b; }   /* NaN if one is */

/* m_t = max(lf_t + m_{t-1}, li_t): a map x -> max(x + a, c) per token, composed over pieces of the sequence, one per thread */
static __global__ void stabiliser_kernel(float *m, float *m1, const float *i, const float *f, const float *m0,
                                         const int *start, int T, int H, int sigmoid)
{
    const int h = blockIdx.x % H, each = (T + blockDim.x - 1) / blockDim.x, threads = blockDim.x;
    const size_t first = (size_t)(blockIdx.x / H) * T;
    const int from = threadIdx.x * each, to = min(from + each, T);
    double (*map)[2] = (double (*)[2])shared_memory(), a = 0, c = -INFINITY;
    for (int t = from; t < to; t++) {
        const double lf = log_sigmoid_of(f[(first + t) * H + h]);
        if (start && start[first + t] == t)
            a = -INFINITY, c = lf;
        else
            a += lf, c += lf;
        c = larger(c, i[(first + t) * H + h]);
    }
    for (int step = 1; ; step *= 2) {
        map[threadIdx.x][0] = a, map[threadIdx.x][1] = c;
        __syncthreads();
        if (step >= threads)
            break;
        if ((int)threadIdx.x >= step) {
            c = larger(map[threadIdx.x - step][1] + a, c);
            a += map[threadIdx.x - step][0];
        }
        __syncthreads();
    }
    double x = m0 && !sigmoid ? m0[blockIdx.x] : 0;
    if (threadIdx.x)
        x = larger(x + map[threadIdx.x - 1][0], map[threadIdx.x - 1][1]);
    for (int t = from; t < to; t++) {
        if (start && start[first + t] == t)
            x = 0;
        x = sigmoid ? 0 : larger(x + log_sigmoid_of(f[(first + t) * H + h]), i[(first + t) * H + h]);
        m[(first + t) * H + h] = (float)x;
        if (t == T - 1)
            m1[blockIdx.x] = (float)x;
    }
}

/* <dh,h> of every token on the |qn| branch of the normaliser; elsewhere it is not needed: 0 */
static __global__ void row_dot_kernel(float *gh, const swax_bf16 *dh, const swax_bf16 *h, const float *m, const float *qn,
                                      size_t rows, int T, int H, int V)
{
    const size_t row = (size_t)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
    if (row >= rows)
        return;
    float sum = 0;
    if (!(fabsf(qn[row]) <= expf(-m[row])))
        for (int c = threadIdx.x % 32 * 8; c < V; c += 256) {
            const uint4 x = *(const uint4 *)(dh + row * V + c), y = *(const uint4 *)(h + row * V + c);
            sum += low_half(x.x) * low_half(y.x) + high_half(x.x) * high_half(y.x);
            sum += low_half(x.y) * low_half(y.y) + high_half(x.y) * high_half(y.y);
            sum += low_half(x.z) * low_half(y.z) + high_half(x.z) * high_half(y.z);
            sum += low_half(x.w) * low_half(y.w) + high_half(x.w) * high_half(y.w);
        }
    sum = warp_sum(sum);
    if (threadIdx.x % 32 == 0)
        gh[((row / H / T) * H + row % H) * T + row / H % T] = sum;
}

/* The stabiliser before token `begin` of the sequence whose rows start at `first` */
static __device__ double m_before(const float *m, const float *m0, size_t first, int begin, int bh, int H, int gate)
{
    return gate != SWAX_EXPONENTIAL ? 0 : begin ? m[(first + begin - 1) * H + bh % H] : m0 ? m0[bh] : 0;
}

static __device__ void split_pairs(split *to, float x, float *all, int tokens)
{
    if (!to)
        return;
    __syncthreads();
    all[threadIdx.x] = x;
    __syncthreads();
    if (2 * (int)threadIdx.x < tokens) {
        const float a = all[2 * threadIdx.x], b = all[2 * threadIdx.x + 1];
        const uint32_t hi = pack(a, b);
        to[threadIdx.x] = { hi, pack(a - low_half(hi), b - high_half(hi)) };
    }
}

/* One block of 256 threads per chunk, one thread per token. */
template <bool BACKWARD>
static __global__ void weights_kernel(cell_weights w, const float *i, const float *f, const float *m, const float *m0, const float *qn,
                                      const int *start, cell_shape shape, int gate, float eps)
{
    const int chunk = blockIdx.x % shape.chunks, bh = blockIdx.x / shape.chunks, h = bh % shape.H, j = threadIdx.x;
    const int begin = shape.begin(chunk), length = shape.end(chunk) - begin, pairs = shape.padded() / 2;
    const size_t first = (size_t)(bh / shape.H) * shape.T + begin, at = (first + j) * shape.H + h, out = (size_t)bh * shape.T + begin + j;
    const bool valid = j < length;
    double *sum = (double *)shared_memory(), b = valid ? log_sigmoid_of(f[at]) : 0;
    float *all = (float *)(sum + 256);
    for (int step = 1; step < 256; step *= 2) {
        sum[j] = b;
        __syncthreads();
        if (j >= step)
            b += sum[j - step];
        __syncthreads();
    }
    sum[j] = b;
    __syncthreads();
    const double log2e = 1.4426950408889634, all_of_it = sum[length - 1];
    const double m_in = m_before(m, m0, first - begin, begin, bh, shape.H, gate);
    const double m_end = m[(first + length - 1) * shape.H + h];
    const int open = start ? start[first + length - 1] - begin : -1;   /* where the chunk's last document starts */
    const float s = rsqrtf((float)shape.K);
    float leave = 0, entered = 0, normal = 0;
    if (j == 0 && w.decay)
        w.decay[blockIdx.x] = open < 0 ? (float)exp(all_of_it + m_in - m_end) : 0;
    if (valid) {
        const double li = gate == SWAX_EXPONENTIAL ? i[at] : log_sigmoid_of(i[at]), M = m[at];
        const float enter = start && start[first + j] >= begin ? 0 : s * (float)exp(b + m_in - M);
        leave = open <= j ? (float)exp(li + (all_of_it - b) - m_end) : 0;
        if (w.query) {
            w.query[out] = (float)((b - M) * log2e);
            w.key[out] = (float)((li - b) * log2e);
            w.enter[out] = enter;
            w.leave[out] = leave;
        }
        if (BACKWARD) {
            const float floor = (float)exp(-M), q = qn[at];
            const float n = gate == SWAX_SIGMOID ? 1 : 1 / ((fabsf(q) <= floor ? floor : fabsf(q)) + eps);
            const float gamma_n = gate == SWAX_SIGMOID || fabsf(q) <= floor ? 0 : q > 0 ? -w.gh[out] : w.gh[out];
            entered = enter * n;
            normal = entered * gamma_n;
            w.enter_n[out] = entered;
            w.enter_gamma[out] = normal;
            w.f[out] = s * n;
            w.g[out] = s * n * gamma_n;
        }
    }
    const size_t pair = (size_t)blockIdx.x * pairs;
    if (BACKWARD) {
        split_pairs(w.entered + pair, entered, all, 2 * pairs);
        split_pairs(w.normal + pair, normal, all, 2 * pairs);
    } else {
        split_pairs(w.left ? w.left + pair : nullptr, leave, all, 2 * pairs);
    }
}

/* di = k.dk, and df from dlf_t = dlf_{t+1} + q.dq - k.dk inside a document.  At a chunk's borders dlf is known without that
 * sum, from the state there: it is <dC,C> + <dn,n>, the chunk's anchor.  A token's dlf is summed from the border that less
 * has to be added up from: the sum is the difference of nearly cancelling terms, and they have been rounded.  Where a token
 * outweighs all before it by 2^12 - its key's, or the gate is shut - dlf is less than that rounding, and counts as 0.
 * qdq and kdk come in tiles of columns, anchors in parts, (B,H,chunks + 1,parts). */
struct gate_parts { const float *qdq, *kdk, *anchor, *key; int q_tiles, k_tiles, parts; };

static __device__ double sum_of(const float *x, size_t step, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i * step];
    return sum;
}

/* A running sum and the size of what was added; `whole`: nothing before it belongs to it. */
struct run { double sum, size; bool whole; };

static __device__ run together(const run &a, const run &b) { return { a.sum + b.sum, a.size + b.size, b.whole }; }
static __device__ run larger(const run &a, const run &b) { return { fmax(a.sum, b.sum), 0, b.whole }; }

/* Each thread's run becomes that of it and of those before it (ahead < 0) or behind it, up to a whole one. */
static __device__ void gather(run &mine, int ahead, run *all, run (*both)(const run &, const run &))
{
    for (int step = 1; step < (int)blockDim.x; step *= 2) {
        const int other = threadIdx.x + ahead * step;
        all[threadIdx.x] = mine;
        __syncthreads();
        if (!mine.whole && other >= 0 && other < (int)blockDim.x)
            mine = both(mine, all[other]);
        __syncthreads();
    }
}

/* One block of 256 threads per chunk, one thread per token. */
static __global__ void gate_gradient_kernel(float *di, float *df, gate_parts p, const float *i, const float *f, const float *m,
                                            const float *m0, const int *start, cell_shape shape, int gate)
{
    const int chunk = blockIdx.x % shape.chunks, bh = blockIdx.x / shape.chunks, h = bh % shape.H, j = threadIdx.x;
    const int begin = shape.begin(chunk), length = shape.end(chunk) - begin, t = begin + j;
    const size_t first = (size_t)(bh / shape.H) * shape.T, all = (size_t)shape.B * shape.H * shape.T, token = (size_t)bh * shape.T + t;
    const float *anchor = p.anchor + ((size_t)bh * (shape.chunks + 1) + chunk) * p.parts;
    const bool valid = j < length, fresh = valid && start && start[first + t] == t;
    run *runs = (run *)shared_memory();
    const double kdk = valid ? sum_of(p.kdk + token, all, p.k_tiles) : 0, qdq = valid ? sum_of(p.qdq + token, all, p.q_tiles) : 0;

    /* the largest weight of a key so far, and of the state before the chunk: an exponent in units of log 2 */
    run most = { valid ? p.key[token] : -INFINITY, 0, fresh || j == 0 };
    if (j == 0 && !fresh)
        most.sum = fmax(most.sum, 1.4426950408889634 * m_before(m, m0, first, begin, bh, shape.H, gate));
    gather(most, -1, runs, larger);
    runs[j] = most;
    __syncthreads();
    const bool outweighs = j > 0 && j < length && most.sum - runs[j - 1].sum > 12, new_run = fresh || outweighs;
    __syncthreads();
    runs[j].whole = new_run;
    __syncthreads();
    const bool ends = j + 1 < length ? runs[j + 1].whole : valid && t + 1 < shape.T && start && start[first + t + 1] == t + 1;
    __syncthreads();

    run behind = { qdq - kdk, fabs(qdq) + fabs(kdk), ends };            /* this token's terms and those behind it */
    if (j == length - 1 && !ends) {
        const double dlf = sum_of(anchor + p.parts, 1, p.parts);
        behind.sum += dlf, behind.size += fabs(dlf), behind.whole = true;
    }
    runs[j] = behind;
    __syncthreads();
    run before = { 0, 0, true };                                        /* the terms of those before it */
    if (j == 0 && !fresh)
        before.sum = sum_of(anchor, 1, p.parts), before.size = fabs(before.sum);
    else if (valid && !new_run)
        before = { -runs[j - 1].sum, runs[j - 1].size, false };
    __syncthreads();
    gather(behind, 1, runs, together);
    gather(before, -1, runs, together);
    if (valid) {
        const size_t at = (first + t) * shape.H + h;
        const double dlf = fresh ? 0 : before.size < behind.size ? before.sum : behind.sum;
        di[at] += gate == SWAX_EXPONENTIAL ? (float)kdk : (float)kdk * sigmoid_of(-i[at]);
        df[at] += (float)dlf * sigmoid_of(-f[at]);
    }
}

#endif
