/* mlstm_bf16.cu - slots mlstm_forward and mlstm_backward with bf16 tensors, on the tensor cores.
 *
 * The gates first (a scan over scalars), then the states at the chunks' borders (sequential over chunks, parallel over
 * heads and tiles of the state), then the chunks (all parallel).  Products take bf16 operands; everything else is
 * float, and the sums of gates double.  Nothing depends on the number of threads or the order of blocks: the same bits
 * every time.
 *
 * The chunks are these kernels' own, whatever L is: 256 tokens for wide states, whose traffic at the borders is what
 * limits them, 128 for narrow ones, or as many whole Ls as fit.  L only says how many states are written down.  Memory
 * besides the arguments: the states at the borders as bf16, B H ceil(T/chunk) K V elements, twice in the backward (and
 * as float too if L is longer than a chunk), and a dozen floats per token and head. */
#include "cuda/mlstm_backward.cuh"
#include "cuda/mlstm_chunks.cuh"
#include "cuda/mlstm_states.cuh"
#include "cuda/rows.cuh"
#include "cuda/tensor.h"

static bool small_state(int K) { return K <= 64; }

/* Every `span` tokens in chunks of at most 256. */
static cell_shape spans(int B, int T, int H, int K, int V, int span)
{
    const int limit = 256, parts = (span - 1) / limit + 1;
    const int size = parts == 1 ? span : ((span - 1) / parts + 64) / 64 * 64;
    const int rest = T % span, chunks = T / span * parts + (rest + size - 1) / size;
    return { B, T, H, K, V, span, parts, parts == 1 && T < span ? T : size, chunks };
}

/* How many whole Ls a chunk has. */
static int group_of(int T, int K, int L)
{
    const int best = small_state(K) ? 128 : 256, most = (T - 1) / L + 1;
    return L >= best ? 1 : best / L < most ? best / L : most;
}

/* The largest tiles want more shared memory than the small cards of an architecture have. */
static bool fits(int K)
{
    return room_for(chunk_tile<4, 4>::VECTOR + blocks(K > 256 ? K : 256, 64) * 64 * sizeof(float));
}

static void take_weights(cell_weights &w, scratch &s, const cell_shape &c, bool backward)
{
    const size_t tokens = (size_t)c.B * c.H * c.T, borders = (size_t)c.B * c.H * c.chunks;
    for (float **p : { &w.query, &w.key, &w.enter, &w.leave })
        *p = s.take<float>(tokens);
    w.decay = s.take<float>(borders);
    if (backward) {
        for (float **p : { &w.gh, &w.enter_n, &w.enter_gamma, &w.f, &w.g })
            *p = s.take<float>(tokens);
        w.entered = s.take<split>(borders * c.padded() / 2);
        w.normal = s.take<split>(borders * c.padded() / 2);
        w.steep = s.take<int>(borders);
    }
}

/* What the walk of the states needs, in chunks of its own. */
static void take_walk(cell_weights &w, scratch &s, const cell_shape &walk)
{
    const size_t borders = (size_t)walk.B * walk.H * walk.chunks;
    w.decay = s.take<float>(borders);
    w.left = s.take<split>(borders * walk.padded() / 2);
}

template <int ROWS, int P, bool BACKWARD>
static void run_states(const state_args &a, const cell_shape &c, const int *start)
{
    using tile = state_tile<ROWS, P>;
    launch(BACKWARD ? "mlstm_backward: states" : "mlstm_forward: states",
           start ? states_kernel<ROWS, P, BACKWARD, true> : states_kernel<ROWS, P, BACKWARD, false>,
           (unsigned)(c.B * c.H) * blocks(c.K, ROWS) * blocks(c.V, 64 * P), tile::THREADS, tile::BYTES, a, c);
}
template <bool BACKWARD> static void states(const state_args &a, const cell_shape &c, const int *start)
{
    if (small_state(c.K))
        run_states<64, 1, BACKWARD>(a, c, start);
    else
        run_states<128, 2, BACKWARD>(a, c, start);
}
template <int ROWS, int P> static int warps_of_tiles(const cell_shape &c)
{
    return (int)(blocks(c.K, ROWS) * blocks(c.V, 64 * P)) * state_tile<ROWS, P>::WARPS;
}
static int anchor_parts(const cell_shape &c)
{
    return small_state(c.K) ? warps_of_tiles<64, 1>(c) : warps_of_tiles<128, 2>(c);
}

template <int RESULT, int P, int KEYS> static void run_chunks(const chunk_args &a, const cell_shape &c)
{
    using tile = chunk_tile<P, KEYS>;
    const unsigned all = (unsigned)(c.B * c.H * c.chunks) * blocks(c.size, 128) * blocks(a.width, 64 * P);
    const size_t bytes = tile::VECTOR + (RESULT == CELL_H ? blocks(c.K, 64) : P + 2) * 64 * sizeof(float);
    launch("mlstm: chunks", chunk_kernel<RESULT, P, KEYS>, all, 256, bytes, a, c);
    launch("mlstm: chunks again", chunk_again_kernel<RESULT, P, KEYS>, SPOILED_GRID, 256, bytes, a, c, (int)all);
}
/* Blocks of a launch of these, at most */
static size_t chunk_blocks(const cell_shape &c)
{
    return (size_t)c.B * c.H * c.chunks * blocks(c.size, 128) * blocks(c.K > c.V ? c.K : c.V, 64);
}
static int columns_at_once(int width) { return width > 128 ? 256 : width > 64 ? 128 : 64; }
template <int RESULT> static void chunks(const chunk_args &a, const cell_shape &c)
{
    if (columns_at_once(a.width) == 256)
        run_chunks<RESULT, 4, 4>(a, c);
    else if (columns_at_once(a.width) == 64 && c.size <= 128)
        run_chunks<RESULT, 1, 2>(a, c);
    else if (c.size > 128)
        run_chunks<RESULT, 2, 4>(a, c);
    else
        run_chunks<RESULT, 2, 2>(a, c);
}

template <bool BACKWARD>
static void weights(const cell_weights &w, const stat *i, const stat *f, const stat *m, const stat *m0, const stat *qn,
                    const int *start, const cell_shape &c, int gate, double eps)
{
    launch(BACKWARD ? "mlstm_backward: weights" : "mlstm_forward: weights", weights_kernel<BACKWARD>,
           (unsigned)(c.B * c.H * c.chunks), c.threads(), c.threads() * 12, w, i, f, m, m0, qn, start, c, gate,
           (float)eps);
}

void swax_cuda_mlstm_forward_bf16(real *h, stat *C1, stat *n1, stat *m1, stat *m, stat *qn, stat *Cs, stat *ns,
                                  const real *q, const real *k, const real *v, const stat *i, const stat *f,
                                  const stat *C0, const stat *n0, const stat *m0, const int *start,
                                  int B, int T, int H, int K, int V, int L, int gate, double eps)
{
    if (!fits(K)) {
        mlstm_forward(h, C1, n1, m1, m, qn, Cs, ns, q, k, v, i, f, C0, n0, m0, start, B, T, H, K, V, L, gate, eps);
        return;
    }
    const int group = group_of(T, K, L);
    const bool apart = group > 1 && Cs;                     /* the walk stops more often than the chunks are long */
    const cell_shape c = spans(B, T, H, K, V, group * L), walk = apart ? spans(B, T, H, K, V, L) : c;
    const size_t rows = (size_t)B * T * H, borders = (size_t)B * H * c.chunks;
    const int K8 = up8(K), V8 = up8(V);
    const bool copy = K8 != K || V8 != V || !aligned(16, q, k, v, h);
    cell_weights w = {}, of_walk = {};
    swax_bf16 *copies, *wide[4] = {};
    float *sums;
    int *spoiled;
    scratch s = {};
    auto plan = [&] {
        s.used = 0;
        take_weights(w, s, c, false);
        take_walk(apart ? of_walk : w, s, walk);
        copies = s.take<swax_bf16>(borders * K8 * V8);
        sums = s.take<float>(borders * K);
        spoiled = s.take<int>(chunk_blocks(c));
        if (copy)
            for (int n = 0; n < 4; n++)
                wide[n] = s.take<swax_bf16>(rows * (n < 2 ? K8 : V8));
    };
    plan();
    s.base = (unsigned char *)swax_cuda_workspace(s.used);
    if (!s.base)
        return;
    plan();
    if (copy) {
        widen(wide[0], q, rows, K);
        widen(wide[1], k, rows, K);
        widen(wide[2], v, rows, V);
        q = wide[0], k = wide[1], v = wide[2];
    }
    launch("mlstm_forward: stabiliser", stabiliser_kernel, B * H, 512, 512 * 16, m, m1, i, f, m0, start, T, H,
           gate != SWAX_EXPONENTIAL);
    weights<false>(w, i, f, m, m0, nullptr, start, c, gate, eps);
    if (apart)
        weights<false>(of_walk, i, f, m, m0, nullptr, start, walk, gate, eps);
    state_args t = {};
    t.x = k, t.y = v, t.K8 = K8, t.V8 = V8;
    t.weight = t.normal = apart ? of_walk.left : w.left, t.decay = apart ? of_walk.decay : w.decay;
    t.C0 = C0, t.n0 = n0, t.C1 = C1, t.n1 = n1;
    t.copies = copies, t.sums = sums, t.every = apart ? group : 1;
    t.Cs = Cs, t.ns = ns, t.keep = c.parts, t.kept = (T - 1) / L + 1;
    t.wide = V % 4 == 0 && aligned(16, C0, C1, Cs);
    states<false>(t, walk, start);

    chunk_args a = {};
    a.a = q, a.b = k, a.r = v, a.state = copies, a.inner = a.K8 = K8, a.width = a.V8 = V8;
    a.row = w.query, a.column = w.key, a.scale = w.enter, a.vec = sums, a.start = start;
    a.spoiled = spoiled, a.y = copy ? wide[3] : h, a.m = m, a.qn = qn, a.eps = (float)eps, a.gate = gate;
    chunks<CELL_H>(a, c);
    if (copy)
        narrow(h, wide[3], rows, V);
}

void swax_cuda_mlstm_backward_bf16(real *dq, real *dk, real *dv, stat *di, stat *df, stat *dC0, stat *dn0,
                                   const real *dh, const stat *dC1, const stat *dn1,
                                   const real *q, const real *k, const real *v, const stat *i, const stat *f,
                                   const stat *C0, const stat *n0, const stat *m0, const int *start,
                                   const real *h, const stat *C1, const stat *n1, const stat *m1,
                                   const stat *m, const stat *qn, const stat *Cs, const stat *ns,
                                   int B, int T, int H, int K, int V, int L, int gate, double eps)
{
    if (!fits(K)) {
        mlstm_backward(dq, dk, dv, di, df, dC0, dn0, dh, dC1, dn1, q, k, v, i, f, C0, n0, m0, start, h, C1, n1, m1, m,
                       qn, Cs, ns, B, T, H, K, V, L, gate, eps);
        return;
    }
    const int group = group_of(T, K, L);
    const cell_shape c = spans(B, T, H, K, V, group * L);
    const size_t rows = (size_t)B * T * H, borders = (size_t)B * H * c.chunks;
    const int K8 = up8(K), V8 = up8(V);
    const bool copy = K8 != K || V8 != V || !aligned(16, q, k, v, h, dh, dq, dk, dv), again = c.parts > 1;
    cell_weights w = {}, of_walk = {};
    gate_parts p = {};
    p.q_tiles = p.k_tiles = blocks(K8, columns_at_once(K8)), p.parts = anchor_parts(c);
    swax_bf16 *copies, *gradients, *wide[8] = {};
    float *sums, *gradient_sums, *qdq, *kdk, *q_state, *k_state, *k_own, *anchors, *own_C = nullptr, *own_n = nullptr;
    int *spoiled;
    scratch s = {};
    auto plan = [&] {
        s.used = 0;
        take_weights(w, s, c, true);
        copies = s.take<swax_bf16>(borders * K8 * V8);
        gradients = s.take<swax_bf16>(borders * K8 * V8);
        sums = s.take<float>(borders * K);
        gradient_sums = s.take<float>(borders * K);
        spoiled = s.take<int>(chunk_blocks(c));
        p.qdq = qdq = s.take<float>(rows * p.q_tiles);
        p.kdk = kdk = s.take<float>(rows * p.k_tiles);
        p.q_state = q_state = s.take<float>(rows * p.q_tiles);
        p.k_state = k_state = s.take<float>(rows * p.k_tiles);
        p.k_own = k_own = s.take<float>(rows * p.k_tiles);
        p.anchor = anchors = s.take<float>((borders + (size_t)B * H) * p.parts);
        p.decay = w.decay, p.steep = w.steep;
        p.C = copies, p.dC = gradients, p.n = sums, p.dn = gradient_sums, p.size = (size_t)K8 * V8;
        if (again) {
            take_walk(of_walk, s, c);
            own_C = s.take<float>(borders * K * V);
            own_n = s.take<float>(borders * K);
        }
        if (copy)
            for (int n = 0; n < 8; n++)
                wide[n] = s.take<swax_bf16>(rows * (n < 4 ? K8 : V8));
    };
    plan();
    s.base = (unsigned char *)swax_cuda_workspace(s.used);
    if (!s.base)
        return;
    plan();
    real *to_dq = dq, *to_dk = dk, *to_dv = dv;
    if (copy) {
        const real *narrow_ones[8] = { q, k, dq, dk, v, dh, h, dv };
        for (int n = 0; n < 8; n++)
            widen(wide[n], narrow_ones[n], rows, n < 4 ? K : V);
        q = wide[0], k = wide[1], to_dq = wide[2], to_dk = wide[3], v = wide[4], dh = wide[5], h = wide[6],
        to_dv = wide[7];
    }
    if (normalised(gate))
        launch("mlstm_backward: dh.h", row_dot_kernel, blocks(rows * row_lanes(V8), 256), 256, 0, w.gh, dh, h, m, qn,
               rows, T, H, V8, row_lanes(V8));
    weights<true>(w, i, f, m, m0, qn, start, c, gate, eps);
    state_args t = {};
    t.K8 = K8, t.V8 = V8, t.every = 1;
    if (again) {                                            /* the kept states are further apart than chunks are long */
        weights<false>(of_walk, i, f, m, m0, qn, start, c, gate, eps);
        t.x = k, t.y = v, t.weight = t.normal = of_walk.left, t.decay = of_walk.decay;
        t.C0 = C0, t.n0 = n0, t.copies = copies, t.sums = sums;
        t.Cs = own_C, t.ns = own_n, t.keep = 1, t.kept = c.chunks;
        t.wide = V % 4 == 0 && aligned(16, C0);
        states<false>(t, c, start);
    }
    t.x = q, t.y = dh, t.weight = w.entered, t.normal = w.normal, t.decay = w.decay;
    t.C0 = dC1, t.n0 = dn1, t.C1 = dC0, t.n1 = dn0;
    t.copies = gradients, t.sums = gradient_sums;
    t.Cs = again ? own_C : (stat *)Cs, t.ns = again ? own_n : (stat *)ns;
    t.keep = group, t.kept = again ? c.chunks : (T - 1) / L + 1;
    t.last_C = C1, t.last_n = n1, t.met = copies, t.met_sums = sums, t.anchors = anchors;
    t.wide = V % 4 == 0 && aligned(16, dC1, dC0, t.Cs, C1);
    states<true>(t, c, start);

    chunk_args a = {};
    a.K8 = K8, a.V8 = V8, a.start = start, a.steep = w.steep, a.spoiled = spoiled;
    a.a = dh, a.b = v, a.state = copies, a.r = k, a.inner = V8, a.width = K8;
    a.row = w.query, a.column = w.key, a.f = w.f, a.g = w.g, a.scale = w.enter_n, a.one = w.enter_gamma, a.vec = sums;
    a.y = to_dq, a.self = q, a.dot = qdq, a.state_dot = q_state, a.own_dot = k_own;     /* which is both's */
    chunks<CELL_DQ>(a, c);
    a.a = v, a.b = dh, a.state = gradients, a.r = q;
    a.row = w.key, a.column = w.query, a.scale = a.one = w.leave, a.vec = gradient_sums;
    a.y = to_dk, a.self = k, a.dot = kdk, a.state_dot = k_state;
    chunks<CELL_DK>(a, c);
    a.a = k, a.b = q, a.r = dh, a.inner = K8, a.width = V8, a.g = a.one = a.vec = nullptr;
    a.y = to_dv;
    chunks<CELL_DV>(a, c);
    launch("mlstm_backward: gates", gate_gradient_kernel, (unsigned)borders, c.threads(), c.threads() * sizeof(run), di,
           df, p, i, f, start, C0 || n0, c, gate);
    if (copy) {
        narrow(dq, to_dq, rows, K);
        narrow(dk, to_dk, rows, K);
        narrow(dv, to_dv, rows, V);
    }
}
