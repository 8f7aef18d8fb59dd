/* mlstm_gates.cuh - the scalar part of the mLSTM cell: stabiliser, weights of tokens and states, gate gradients.
 *
 * The cell works chunk by chunk.  With rise_t = m_t - lf_t - m_{t-1}, by how much token t outweighs what was there
 * before, and P_t the sum of the rises from its chunk's first token to t, a key s and a query t of one chunk and one
 * document meet with weight exp(li_s - m_s + P_s - P_t); a query meets the state before its chunk with exp(-P_t), a key
 * leaves exp(li_s - m_s + P_s - P_end) of itself in the state behind, and of the state before remains exp(-P_end).
 * None of it needs a running maximum: m is known beforehand.  P is summed in double; exponents are kept in units of log
 * 2. */
#ifndef SWAX_MLSTM_GATES_CUH
#define SWAX_MLSTM_GATES_CUH

#include "cuda/cell_gate.cuh"
#include "cuda/panel.cuh"

/* The chunks of a call: every `span` tokens are cut into `parts` of `size` tokens, the last one shorter. */
struct cell_shape {
    int B, T, H, K, V, span, parts, size, chunks;
    __host__ __device__ int begin(int chunk) const
    {
        return parts == 1 ? chunk * span : chunk / parts * span + chunk % parts * size;
    }
    __host__ __device__ int end(int chunk) const
    {
        const int next = parts == 1 ? (chunk + 1) * span
                       : chunk % parts == parts - 1 ? (chunk / parts + 1) * span : begin(chunk) + size;
        return next < T ? next : T;
    }
    __host__ __device__ int padded() const { return (size + 63) / 64 * 64; }
    unsigned threads() const { return size > 128 ? 256 : size > 64 ? 128 : 64; }    /* one per token of a chunk */
};

/* A weight of a pair of tokens as bf16 pairs, hi + lo; padded() tokens per chunk, 0 behind the chunk's end. */
struct split { uint32_t hi, lo; };

/* No rise counts as more, and no key as less: the weight is 0 in float then.  So exponents stay small, and gates may be
 * as far apart as floats go; a forget gate may be shut for good (-inf). */
static const double MOST = 160;

/* A chunk with a rise of more than so many powers of 2 has its forget gate's gradient summed with care. */
static const double STEEP = 4;

/* Per (sequence, head) and token; decay and steep per chunk; the second half only in the backward.  NULL: not
 * wanted. */
struct cell_weights {
    float *query, *key, *enter, *leave, *decay;
    split *left;                                    /* LIFT leave, of pairs */
    float *gh, *enter_n, *enter_gamma, *f, *g;      /* <dh,h>, s enter/N, s enter gamma, s/N, s gamma */
    split *entered, *normal;                        /* LIFT s enter/N and LIFT s enter gamma, of pairs */
    int *steep;                                     /* is there a rise of more than STEEP? */
};

static __device__ double log_sigmoid_of(float x) { return (double)(fminf(x, 0) - log1pf(expf(-fabsf(x)))); }
static __device__ double log_forget_of(float f, int gate)
{
    return forget_is_log(gate) ? (double)f : log_sigmoid_of(f);
}
static __device__ float sigmoid_of(float x) { return 1 / (1 + expf(-x)); }
static __device__ double larger(double a, double b) { return a > b ? a : b >= a ? b : a + b; }   /* NaN if one is */

/* m_t = max(lf_t + m_{t-1}, li_t): a map x -> max(x + a, c) per token, composed over pieces of the sequence, one per
 * thread */
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
        if ((int)threadIdx.x >= step && a != -INFINITY) {      /* else nothing from before it is left, NaN or not */
            c = larger(map[threadIdx.x - step][1] + a, c);
            a = map[threadIdx.x - step][0] == -INFINITY ? -INFINITY : map[threadIdx.x - step][0] + a;
        }
        __syncthreads();
    }
    double x = m0 && !sigmoid ? m0[blockIdx.x] : 0;
    if (threadIdx.x)
        x = map[threadIdx.x - 1][0] == -INFINITY ? map[threadIdx.x - 1][1]
                                                  : larger(x + map[threadIdx.x - 1][0], map[threadIdx.x - 1][1]);
    for (int t = from; t < to; t++) {
        if (start && start[first + t] == t)
            x = 0;
        x = sigmoid ? 0 : larger(x + log_sigmoid_of(f[(first + t) * H + h]), i[(first + t) * H + h]);
        m[(first + t) * H + h] = (float)x;
        if (t == T - 1)
            m1[blockIdx.x] = (float)x;
    }
}

/* So many lanes take a row of V elements, 8 at a time. */
static int row_lanes(int V)
{
    int lanes = 1;
    while (lanes < 32 && lanes * 8 < V)
        lanes *= 2;
    return lanes;
}

/* <dh,h> of every token on the |qn| branch of the normaliser; elsewhere it is not needed: 0 */
static __global__ void row_dot_kernel(float *gh, const swax_bf16 *dh, const swax_bf16 *h, const float *m,
                                      const float *qn, size_t rows, int T, int H, int V, int lanes)
{
    const size_t row = ((size_t)blockIdx.x * blockDim.x + threadIdx.x) / lanes;
    const int lane = threadIdx.x % lanes;
    float sum = 0;
    if (row < rows && !(fabsf(qn[row]) <= floor_of(m[row])))
        for (int c = lane * 8; c < V; c += lanes * 8) {
            const uint4 x = *(const uint4 *)(dh + row * V + c), y = *(const uint4 *)(h + row * V + c);
            sum += low_half(x.x) * low_half(y.x) + high_half(x.x) * high_half(y.x);
            sum += low_half(x.y) * low_half(y.y) + high_half(x.y) * high_half(y.y);
            sum += low_half(x.z) * low_half(y.z) + high_half(x.z) * high_half(y.z);
            sum += low_half(x.w) * low_half(y.w) + high_half(x.w) * high_half(y.w);
        }
    for (int other = lanes / 2; other; other /= 2)
        sum += __shfl_xor_sync(~0u, sum, other);
    if (lane == 0 && row < rows)
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

/* One block per chunk, one thread per token. */
template <bool BACKWARD>
static __global__ void weights_kernel(cell_weights w, const float *i, const float *f, const float *m, const float *m0,
                                      const float *qn, const int *start, cell_shape shape, int gate, float eps)
{
    const int chunk = blockIdx.x % shape.chunks, bh = blockIdx.x / shape.chunks, h = bh % shape.H, j = threadIdx.x;
    const int begin = shape.begin(chunk), length = shape.end(chunk) - begin, pairs = shape.padded() / 2;
    const size_t first = (size_t)(bh / shape.H) * shape.T + begin, at = (first + j) * shape.H + h;
    const size_t out = (size_t)bh * shape.T + begin + j;
    const bool valid = j < length, fresh = valid && start && start[first + j] == begin + j;
    const double log2e = 1.4426950408889634, M = valid ? m[at] : 0;
    double *sum = (double *)shared_memory(), P = 0;
    float *all = (float *)(sum + blockDim.x);
    const bool nothing = M == -INFINITY;                /* has been written yet */
    const int document = valid && start ? max(start[first + j] - begin, 0) : 0;
    if (valid && !fresh) {                           /* a token that leaves nothing outweighs whatever was there */
        const double before = j ? m[at - shape.H] : m_before(m, m0, first - begin, begin, bh, shape.H, gate);
        P = nothing ? MOST : (M - before - log_forget_of(f[at], gate)) * log2e;
    }
    if (w.steep) {
        const int any = __syncthreads_or(P > STEEP);
        if (j == 0)
            w.steep[blockIdx.x] = any;
    }
    P = P > MOST ? MOST : P;
    for (int step = 1; step < (int)blockDim.x; step *= 2) {
        sum[j] = P;
        __syncthreads();
        if (j - step >= document)
            P += sum[j - step];
        __syncthreads();
    }
    sum[j] = P;
    __syncthreads();
    const double P_end = sum[length - 1];
    const int open = start ? start[first + length - 1] - begin : -1;   /* where the chunk's last document starts */
    const float s = rsqrtf((float)shape.K);
    float leave = 0, entered = 0, normal = 0;
    if (j == 0 && w.decay)
        w.decay[blockIdx.x] = open < 0 ? (float)exp2(-P_end) : 0;
    if (valid) {
        const double left = nothing ? -MOST : ((input_is_log(gate) ? i[at] : log_sigmoid_of(i[at])) - M) * log2e;
        const double key = P + (left < -MOST ? -MOST : left);
        const float enter = start && start[first + j] >= begin ? 0 : s * (float)exp2(-P);
        leave = open <= j ? (float)exp2(key - P_end) : 0;
        if (w.query) {
            w.query[out] = (float)-P;
            w.key[out] = (float)key;
            w.enter[out] = enter;
            w.leave[out] = leave;
        }
        if (BACKWARD) {
            const float floor = floor_of((float)M), q = qn[at];
            const float n = normalised(gate) ? 1 / ((fabsf(q) <= floor ? floor : fabsf(q)) + eps) : 1;
            const float gamma_n = !normalised(gate) || fabsf(q) <= floor ? 0 : q > 0 ? -w.gh[out] : w.gh[out];
            entered = enter == 0 ? 0 : enter * n;
            normal = entered == 0 ? 0 : entered * gamma_n;
            w.enter_n[out] = entered;
            w.enter_gamma[out] = normal;
            w.f[out] = s * n;
            w.g[out] = s * n * gamma_n;
        }
    }
    const size_t pair = (size_t)blockIdx.x * pairs;
    if (BACKWARD) {
        split_pairs(w.entered + pair, LIFT * entered, all, 2 * pairs);
        split_pairs(w.normal + pair, LIFT * normal, all, 2 * pairs);
    } else {
        split_pairs(w.left ? w.left + pair : nullptr, LIFT * leave, all, 2 * pairs);
    }
}

/* di = k.dk, and df from dlf_t = dlf_{t+1} + q.dq - k.dk inside a document.  At a chunk's borders dlf is known without
 * that sum, from the state there: it is <dC,C> + <dn,n>, the chunk's anchor.  A token's dlf is summed from the border
 * that less has to be added up from: the sum is the difference of nearly cancelling terms, and they have been rounded.
 *
 * Where a token outweighs what was before it, dlf, which is what passes from before the token to behind it, is less
 * than that rounding.  A steep chunk's is therefore put together from the four that pass, none of which cancels with
 * another:
 *
 *     dlf_t = decay (<dC',C> + <dn',n>) + sum of q.dq's share of the state, from t on + sum of k.dk's share of the
 *     state's gradient, before t
 *           + sum of the rest of q.dq - k.dk, from t on
 *
 * The last is a difference, but of the same products, rounded alike: only the sums' own float rounding is left.  The
 * first is taken of the bf16 copies of the states, or is an anchor less the whole sum of shares, if that is the smaller
 * part of it.  qdq and kdk come in tiles of columns, anchors in parts, (B,H,chunks + 1,parts). */
struct gate_parts {
    const float *qdq, *kdk, *anchor;
    int q_tiles, k_tiles, parts;
    const int *steep;                               /* the rest is for steep chunks */
    const float *q_state, *k_state, *k_own, *decay;
    const swax_bf16 *C, *dC;                        /* (B,H,chunks,size): before a chunk, and the gradient behind it */
    const float *n, *dn;
    size_t size;
};

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

/* Each thread's run becomes that of it and of those before it (ahead < 0) or behind it, up to a whole one. */
static __device__ void gather(run &mine, int ahead, run *all)
{
    for (int step = 1; step < (int)blockDim.x; step *= 2) {
        const int other = threadIdx.x + ahead * step;
        all[threadIdx.x] = mine;
        __syncthreads();
        if (!mine.whole && other >= 0 && other < (int)blockDim.x)
            mine = together(mine, all[other]);
        __syncthreads();
    }
}

/* This thread's part of <dC',C> + <dn',n>, the gradient behind a chunk times the state before it */
static __device__ double through_part(const gate_parts &p, int K)
{
    const swax_bf16 *C = p.C + blockIdx.x * p.size, *dC = p.dC + blockIdx.x * p.size;
    double sum = 0;
    for (size_t e = 8 * threadIdx.x; e < p.size; e += 8 * blockDim.x) {
        const uint4 x = *(const uint4 *)(C + e), y = *(const uint4 *)(dC + e);
        sum += low_half(x.x) * low_half(y.x) + high_half(x.x) * high_half(y.x) + low_half(x.y) * low_half(y.y) +
               high_half(x.y) * high_half(y.y) + low_half(x.z) * low_half(y.z) + high_half(x.z) * high_half(y.z) +
               low_half(x.w) * low_half(y.w) + high_half(x.w) * high_half(y.w);
    }
    for (int r = threadIdx.x; r < K; r += blockDim.x)
        sum += p.n[(size_t)blockIdx.x * K + r] * p.dn[(size_t)blockIdx.x * K + r];
    return sum;
}

/* One block per chunk, one thread per token.  past: is there a state before the sequence? */
static __global__ void gate_gradient_kernel(float *di, float *df, gate_parts p, const float *i, const float *f,
                                            const int *start, bool past, cell_shape shape, int gate)
{
    const int chunk = blockIdx.x % shape.chunks, bh = blockIdx.x / shape.chunks, h = bh % shape.H, j = threadIdx.x;
    const int begin = shape.begin(chunk), length = shape.end(chunk) - begin, t = begin + j;
    const size_t first = (size_t)(bh / shape.H) * shape.T, all = (size_t)shape.B * shape.H * shape.T;
    const size_t token = (size_t)bh * shape.T + t;
    const float *anchor = p.anchor + ((size_t)bh * (shape.chunks + 1) + chunk) * p.parts;
    const bool valid = j < length, fresh = valid && ((start && start[first + t] == t) || (t == 0 && !past));
    const bool ends = valid && t + 1 < shape.T && start && start[first + t + 1] == t + 1;
    run *runs = (run *)shared_memory();
    double kdk = valid ? sum_of(p.kdk + token, all, p.k_tiles) : 0;
    const double qdq = valid ? sum_of(p.qdq + token, all, p.q_tiles) : 0;
    double dlf;

    if (p.steep[blockIdx.x]) {
        const double k_state = valid ? sum_of(p.k_state + token, all, p.k_tiles) : 0;
        const double q_state = valid ? sum_of(p.q_state + token, all, p.q_tiles) : 0;
        const float decay = p.decay[blockIdx.x];
        run before = { k_state, fabs(k_state), false }, behind = { q_state, fabs(q_state), false },
            through = { decay == 0 ? 0 : through_part(p, shape.K), 0, false };
        const double pairs = (qdq - q_state) - (kdk - k_state);
        const double terms = fabs(qdq - q_state) + fabs(kdk - k_state);
        run inside = { pairs, terms, ends }, inside_before = { pairs, terms, fresh };
        gather(before, -1, runs);
        gather(behind, 1, runs);
        gather(inside, 1, runs);
        gather(inside_before, -1, runs);
        gather(through, 1, runs);
        runs[j] = inside_before;
        __syncthreads();
        const run pairs_before = j && !fresh ? runs[j - 1] : run{ 0, 0, true };
        __syncthreads();
        runs[j] = before;
        __syncthreads();
        const double keys_before = j ? runs[j - 1].sum : 0;
        __syncthreads();
        kdk += valid ? sum_of(p.k_own + token, all, p.k_tiles) : 0;
        if (j == 0)                                     /* the first thread has all behind it, the last all before */
            runs[0] = through, runs[1] = behind;
        if (j == (int)blockDim.x - 1)
            runs[2] = before;
        __syncthreads();
        const run of_q = runs[1], of_k = runs[2];
        double passes = decay * runs[0].sum;
        if (fmin(of_q.size, of_k.size) < fabs(passes))  /* little is to be taken from an anchor: they are float */
            passes = !(of_q.size > of_k.size) ? sum_of(anchor, 1, p.parts) - of_q.sum
                                              : sum_of(anchor + p.parts, 1, p.parts) - of_k.sum;
        if (pairs_before.size < inside.size || !isfinite(inside.size))
            inside.sum = -pairs_before.sum;             /* all of a document's pairs add up to nothing */
        dlf = passes + keys_before + behind.sum + inside.sum;
    } else {
        run behind = { qdq - kdk, fabs(qdq) + fabs(kdk), ends };        /* this token's terms and those behind it */
        if (j == length - 1 && !ends) {
            const double last = sum_of(anchor + p.parts, 1, p.parts);
            behind.sum += last, behind.size += fabs(last), behind.whole = true;
        }
        runs[j] = behind;
        __syncthreads();
        run before = { 0, 0, true };                                    /* the terms of those before it */
        if (j == 0 && !fresh)
            before.sum = sum_of(anchor, 1, p.parts), before.size = fabs(before.sum);
        else if (valid && !fresh)
            before = { -runs[j - 1].sum, runs[j - 1].size, false };
        __syncthreads();
        gather(behind, 1, runs);
        gather(before, -1, runs);
        dlf = before.size < behind.size || !isfinite(behind.size) ? before.sum : behind.sum;
    }
    if (valid) {
        const size_t at = (first + t) * shape.H + h;
        di[at] += input_is_log(gate) ? (float)kdk : (float)kdk * sigmoid_of(-i[at]);
        df[at] += fresh ? 0 : (float)dlf * (forget_is_log(gate) ? 1 : sigmoid_of(-f[at]));
    }
}

#endif
