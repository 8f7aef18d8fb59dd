/* delta_bf16.cu - slots delta_forward and delta_backward with bf16 tensors, on the tensor cores, for keys up to 256
 * wide.
 *
 * First what chunks of 64 tokens are in themselves (delta_within.cuh), then the walks along the sequence
 * (delta_states*.cuh), in the backward then the gradients of q, k and g (delta_gradient.cuh).  Products take bf16
 * operands and add in float; gates, residuals and states are float.  Who adds what is fixed by the sizes alone: the
 * same bits every time.
 *
 * Chunks end where states are kept, every L tokens, so an L that is a multiple of 64 is the best.  Memory besides the
 * arguments, in bytes a chunk and head: 17.25 K, in the backward 17.25 K + 4 K V + 256 V, and with keys shared by heads
 * 8 K a token.
 *
 * What the walks find spoiled by a number that is none they leave to delta.cuh, which goes token by token: a NaN then
 * is where it belongs and nowhere else. */
#include "cuda/delta.cuh"
#include "cuda/delta_gradient_vector.cuh"
#include "cuda/delta_states_backward.cuh"
#include "cuda/rows.cuh"
#include "cuda/tensor.h"

#include <algorithm>

static delta_shape delta_chunks(int B, int T, int H, int G, int K, int V, int span, int erase, double scale,
                                const int *start)
{
    const int parts = (span - 1) / CHUNK + 1, rest = T % span;
    return { .B = B, .T = T, .H = H, .G = G, .K = K, .V = V, .K8 = up8(K), .V8 = up8(V), .span = span, .parts = parts,
             .chunks = T / span * parts + (rest + CHUNK - 1) / CHUNK, .erase = erase, .scale = (float)scale,
                 .start = start };
}

static size_t chunks_of(const delta_shape &s) { return (size_t)s.B * s.H * s.chunks; }

static void take_given(delta_given &to, scratch &from, const delta_shape &s, bool vector)
{
    const size_t n = chunks_of(s);
    to.N = from.take<swax_bf16>(n * CHUNK * CHUNK);
    to.P = from.take<swax_bf16>(n * CHUNK * CHUNK);
    to.scalars = from.take<float>(n * SCALARS);
    to.decay = from.take<float>(n * (vector ? s.K8 : 1));
    for (swax_bf16 **p : { &to.q, &to.k, &to.w })
        *p = vector ? from.take<swax_bf16>(n * CHUNK * s.K8) : nullptr;
}

template <int KP, bool VECTOR> static void within(const char *name, const delta_given &to, const real *q, const real *k,
                                                  const stat *g, const stat *beta, const delta_shape &s)
{
    if (VECTOR)
        launch(name, delta_within_vector_kernel<KP>, (unsigned)chunks_of(s), 128, vector_tile<KP>::BYTES, to, q, k, g,
               beta, s);
    else
        launch(name, delta_within_kernel<KP>, (unsigned)chunks_of(s), 128, within_tile<KP>::BYTES, to, q, k, g, beta,
               s);
}

template <int KP, bool VECTOR> static void forward_walk(const walk_args &a, const delta_shape &s)
{
    launch("delta_forward: states", s.erase ? delta_forward_walk<KP, VECTOR, true> : delta_forward_walk<KP, VECTOR,
           false>,
           (unsigned)(s.B * s.H) * blocks(s.V, 64), 128, walk_tile<KP, VECTOR>::BYTES, a, s);
}

template <int KP, bool VECTOR> static void backward_walks(walk_args a, const delta_shape &s, swax_bf16 *copies,
                                                          swax_bf16 *gradients, const stat *dS1, stat *dS0)
{
    const unsigned strips = (unsigned)(s.B * s.H) * blocks(s.V, 64);
    a.copies = copies;
    const size_t pieces = chunks_of(s) * s.K8 * s.V8 / 8;
    if (s.parts == 1)
        launch("delta_backward: kept states", delta_round_kernel, blocks(pieces, 256), 256, 0, copies, a.Ss, pieces, s,
               (int)(s.V % 4 == 0 && aligned(16, a.Ss)));
    else
        launch("delta_backward: kept states", delta_kept_kernel<KP, VECTOR>,
               strips * (unsigned)((s.chunks - 1) / s.parts + 1), 128, KP * PANEL, a, s);
    a.copies = gradients, a.S0 = dS1, a.S1 = dS0;
    launch("delta_backward: states", s.erase ? delta_backward_walk<KP, VECTOR, true> : delta_backward_walk<KP, VECTOR,
           false>,
           strips, 128, walk_tile<KP, VECTOR>::BYTES, a, s);
}

/* Vector gates: two panels of channels at a time */
template <int KP, bool VECTOR> static void gradient(const gradient_args &a, const stat *g, const delta_shape &s)
{
    constexpr int WIDE = KP < 2 ? 1 : 2;
    if (VECTOR)
        launch("delta_backward: gradients", delta_gradient_vector_kernel<WIDE>,
               (unsigned)chunks_of(s) * blocks(s.K8, 64 * WIDE), GRADIENT_THREADS,
               vector_gradient_tile<WIDE>::BYTES, a, g, s);
    else
        launch("delta_backward: gradients", delta_gradient_kernel<KP>, (unsigned)chunks_of(s), 256,
               gradient_tile<KP>::BYTES, a, s);
}

/* f(panels of 64 channels, are gates vectors), both known to the compiler */
template <class F> static void for_keys(int K, int J, F f)
{
    auto of_panels = [&](auto vector) {
        if (K <= 64)
            f(std::integral_constant<int, 1>{}, vector);
        else if (K <= 128)
            f(std::integral_constant<int, 2>{}, vector);
        else
            f(std::integral_constant<int, 4>{}, vector);
    };
    if (J == 1)
        of_panels(std::false_type{});
    else
        of_panels(std::true_type{});
}

/* What the walks leave over: in groups of a warp's columns of V, four to a strip of 64 */
static int groups_of(const delta_shape &s) { return 4 * (int)blocks(s.V, 64); }

/* The largest tiles want more shared memory than the small cards of an architecture have. */
static bool delta_fits(int K, int J)
{
    return K <= 256 && room_for(J == 1 ? (K > 128 ? (int)gradient_tile<4>::BYTES : (int)gradient_tile<2>::BYTES)
                                : (int)vector_gradient_tile<2>::BYTES);
}

void swax_cuda_delta_forward_bf16(real *y, stat *S1, stat *r, stat *Ss, const real *q, const real *k, const real *v,
                                  const stat *g, const stat *beta,
                                  const stat *S0, const int *start, int B, int T, int H, int G, int K, int V, int J,
                                      int L, int erase, double scale)
{
    if (!delta_fits(K, J)) {
        delta_forward(y, S1, r, Ss, q, k, v, g, beta, S0, start, B, T, H, G, K, V, J, L, erase, scale);
        return;
    }
    const delta_shape s = delta_chunks(B, T, H, G, K, V, Ss && L < T ? L : (T + CHUNK - 1) / CHUNK * CHUNK, erase,
                                       scale, start);
    const size_t keys = (size_t)B*T*G, values = (size_t)B*T*H;
    const bool copy = s.K8 != K || s.V8 != V || !aligned(16, q, k, v, y);
    const delta_call plain = { .q = q, .k = k, .v = v, .dy = nullptr, .g = g, .beta = beta, .r = nullptr,
                               .start = start, .B = B, .T = T, .H = H, .G = G, .K = K, .V = V, .J = J, .L = L,
                               .erase = erase, .scale = (stat)scale };
    walk_args a = {};
    real *wide[4] = {};
    scratch from = {};
    auto plan = [&] {
        from.used = 0;
        take_given(a.given, from, s, J != 1);
        a.left = from.take<int>((size_t)B * H * groups_of(s));
        for (int n = 0; n < 4 && copy; n++)
            wide[n] = n < 2 ? from.take<real>(keys * s.K8) : from.take<real>(values * s.V8);
    };
    plan();
    from.base = (unsigned char *)swax_cuda_workspace(from.used);
    if (!from.base)
        return;
    plan();
    if (copy) {
        widen(wide[0], q, keys, K);
        widen(wide[1], k, keys, K);
        widen(wide[2], v, values, V);
        q = wide[0], k = wide[1], v = wide[2];
    }
    a.q = q, a.k = k, a.x = v, a.S0 = S0, a.S1 = S1, a.r = r, a.Ss = Ss, a.y = copy ? wide[3] : y;
    a.wide = V % 4 == 0 && aligned(16, r, Ss);
    for_keys(K, J, [&](auto panels, auto vector) {
        within<panels, vector>("delta_forward: chunks", a.given, q, k, g, beta, s);
        forward_walk<panels, vector>(a, s);
    });
    if (copy)
        narrow(y, wide[3], values, V);
    delta_forward_by_token(y, S1, r, Ss, S0, plain, { a.left, groups_of(s) });
}

void swax_cuda_delta_backward_bf16(real *dq, real *dk, real *dv, stat *dg, stat *dbeta, stat *dS0, stat *S, stat *D,
                                   const real *dy, const stat *dS1,
                                   const real *q, const real *k, const real *v, const stat *g, const stat *beta,
                                   const stat *S0, const int *start, const stat *S1, const stat *r, const stat *Ss,
                                   int B, int T, int H, int G, int K, int V, int J, int L, int erase, double scale)
{
    if (!delta_fits(K, J)) {
        delta_backward(dq, dk, dv, dg, dbeta, dS0, S, D, dy, dS1, q, k, v, g, beta, S0, start, S1, r, Ss, B, T, H, G, K,
                       V, J, L, erase, scale);
        return;
    }
    const delta_shape s = delta_chunks(B, T, H, G, K, V, L < T ? L : (T + CHUNK - 1) / CHUNK * CHUNK, erase, scale,
                                       start);
    const size_t keys = (size_t)B*T*G, values = (size_t)B*T*H, states = chunks_of(s) * s.K8 * s.V8;
    const bool copy = s.K8 != K || s.V8 != V || !aligned(16, q, k, dy, dq, dk, dv), shared = G != H;
    const delta_call plain = { .q = q, .k = k, .v = v, .dy = dy, .g = g, .beta = beta, .r = r, .start = start,
                               .B = B, .T = T, .H = H, .G = G, .K = K, .V = V, .J = J, .L = L, .erase = erase,
                               .scale = (stat)scale };
    walk_args a = {};
    gradient_args of_keys = {};
    swax_bf16 *copies, *gradients;
    stat *du;
    real *wide[6] = {};
    scratch from = {};
    of_keys.strips = blocks(V, 64);
    auto plan = [&] {
        from.used = 0;
        take_given(a.given, from, s, J != 1);
        copies = from.take<swax_bf16>(states);
        gradients = from.take<swax_bf16>(states);
        a.Y = from.take<swax_bf16>(values * s.V8);
        a.U = from.take<swax_bf16>(values * s.V8);
        of_keys.dbeta_parts = a.dbeta = from.take<float>(values * of_keys.strips);
        of_keys.head_dq = shared ? from.take<float>(values * s.K8) : nullptr;
        of_keys.head_dk = shared ? from.take<float>(values * s.K8) : nullptr;
        a.left = from.take<int>((size_t)B * H * groups_of(s));
        du = from.take<stat>((size_t)B * H * DELTA_WARPS * V);
        for (int n = 0; n < 6 && copy; n++)
            wide[n] = n < 4 ? from.take<real>(keys * s.K8) : from.take<real>(values * s.V8);
    };
    plan();
    from.base = (unsigned char *)swax_cuda_workspace(from.used);
    if (!from.base)
        return;
    plan();
    real *to_dq = dq, *to_dk = dk, *to_dv = dv;
    if (copy) {
        const real *narrow_ones[6] = { q, k, dq, dk, dy, dv };
        for (int n = 0; n < 6; n++)
            widen(wide[n], narrow_ones[n], n < 4 ? keys : values, n < 4 ? K : V);
        q = wide[0], k = wide[1], to_dq = wide[2], to_dk = wide[3], dy = wide[4], to_dv = wide[5];
    }
    a.q = q, a.k = k, a.x = dy, a.r = (stat *)r, a.Ss = (stat *)Ss, a.y = to_dv;
    of_keys.given = a.given, of_keys.q = q, of_keys.k = k, of_keys.dy = dy, of_keys.Y = a.Y, of_keys.U = a.U,
        of_keys.S = copies, of_keys.D = gradients;
    of_keys.dq = to_dq, of_keys.dk = to_dk, of_keys.dg = dg, of_keys.dbeta = dbeta;
    of_keys.left = { a.left, groups_of(s) };
    for_keys(K, J, [&](auto panels, auto vector) {
        within<panels, vector>("delta_backward: chunks", a.given, q, k, g, beta, s);
        backward_walks<panels, vector>(a, s, copies, gradients, dS1, dS0);
        gradient<panels, vector>(of_keys, g, s);
    });
    if (copy)
        narrow(dv, to_dv, values, V);
    if (copy && !shared) {
        narrow(dq, to_dq, keys, K);
        narrow(dk, to_dk, keys, K);
    }
    /* the copies of states and gradients are done with: room for a state in float to each chunk */
    launch("delta_backward: what is left", delta_backward_kernel, (unsigned)(B * H), DELTA_THREADS, 0,
           delta_keys{ .of_q = of_keys.head_dq, .of_k = of_keys.head_dk, .width = s.K8, .dq = dq, .dk = dk }, dv, dg,
           dbeta, dS0, dS1, Ss, delta_work{ S, D, (stat *)copies, du }, std::min(s.chunks, std::min(L, T)), plain,
           of_keys.left);
    if (shared)
        launch("delta_backward: heads", delta_heads_kernel, blocks(keys * K, 256), 256, 0, dq, dk, of_keys.head_dq,
               of_keys.head_dk, keys * K, K, s.K8, H / G);
}
