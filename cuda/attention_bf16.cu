/* attention_bf16.cu - slots attention_forward and attention_backward with bf16 tensors, on the tensor cores, for heads
 * up to 256. */
#include "cuda/attention.cuh"
#include "cuda/attention_backward.cuh"
#include "cuda/attention_forward.cuh"
#include "cuda/attention_gradient.cuh"
#include "cuda/attention_near.cuh"
#include "cuda/attention_stream.cuh"
#include "cuda/rows.cuh"
#include "cuda/tensor.h"

static int query_blocks(int B, int T, int H) { return (int)blocks(T, 64) * B * H; }

template <int P, int GROUPS>
static void forward(real *y, stat *lse, int *spoiled, const real *q, const real *k, const real *v, const stat *sink,
                    const attention_shape &a)
{
    using tile = forward_tile<P, GROUPS>;
    const unsigned all = blocks(a.T, tile::ROWS) * (unsigned)(a.B * a.H);
    launch("attention_forward", attention_forward_kernel<P, GROUPS>, all, tile::THREADS, tile::BYTES, y, lse, spoiled,
           q, k, v, sink, a);
    launch_after("attention_forward: again", attention_forward_again_kernel<P, GROUPS>, SPOILED_GRID, tile::THREADS,
                 tile::BYTES, y, lse, (const int *)spoiled, (int)all, q, k, v, sink, a);
}

static int processors()
{
    static int n;
    if (!n)
        swax_cuda_note(cudaDeviceGetAttribute(&n, cudaDevAttrMultiProcessorCount, 0), "counting multiprocessors");
    return n;
}

/* Where the card has what this takes.  A block a multiprocessor: the tiles go round. */
template <int P, int GROUPS, int KEYS>
static bool stream(real *y, stat *lse, int *spoiled, const real *q, const real *k, const real *v, const stat *sink,
                   const attention_shape &a)
{
    using tile = stream_tile<P, GROUPS, KEYS>;
    stream_maps maps;
    if (!on_hopper() || !room_for(tile::BYTES) || !boxes_of(&maps.q, q, a.B, a.T, a.H, a.width, tile::ROWS)
        || !boxes_of(&maps.k, k, a.B, a.S, a.G, a.width, KEYS) || !boxes_of(&maps.v, v, a.B, a.S, a.G, a.width, KEYS))
        return false;
    const int all = (int)blocks(a.T, tile::ROWS) * a.B * a.H;
    const unsigned grid = (unsigned)(all < processors() ? all : processors());
    launch("attention_forward", attention_stream_kernel<P, GROUPS, KEYS, false>, grid, tile::THREADS, tile::BYTES, y,
           lse, (unsigned char *)spoiled, sink, maps, v, all, a);
    launch_after("attention_forward: again", attention_stream_kernel<P, GROUPS, KEYS, true>, grid, tile::THREADS,
                 tile::BYTES, y, lse, (unsigned char *)spoiled, sink, maps, v, all, a);
    return true;
}

/* The same where windows are short. */
template <int P>
static bool near(real *y, stat *lse, int *spoiled, const real *q, const real *k, const real *v, const stat *sink,
                 const attention_shape &a)
{
    using tile = near_tile<P>;
    near_maps maps;
    if (!is_near(a) || !on_hopper() || !room_for(tile::BYTES) || !boxes_of(&maps.q, q, a.B, a.T, a.H, a.width)
        || !boxes_of(&maps.k, k, a.B, a.S, a.G, a.width) || !boxes_of(&maps.v, v, a.B, a.S, a.G, a.width)
        || !boxes_of(&maps.y, y, a.B, a.T, a.H, a.width, 16))
        return false;
    const int length = near_run_length(a, processors());
    const unsigned all = blocks(blocks(a.T, 64), length) * (unsigned)(a.B * a.H);
    const unsigned grid = all < (unsigned)processors() ? all : (unsigned)processors();
    launch("attention_forward", attention_near_kernel<P, false>, grid, tile::THREADS, tile::BYTES, lse,
           (unsigned char *)spoiled, sink, maps, v, length, a);
    launch_after("attention_forward: again", attention_near_kernel<P, true>, grid, tile::THREADS, tile::BYTES, lse,
                 (unsigned char *)spoiled, sink, maps, v, length, a);
    return true;
}

/* Where every block of queries has its block of keys, the keys follow the last queries that they need, at a distance of
 * about a block per multiprocessor: near enough for the cache, too far to wait.  Else they come last. */
template <int P>
static void backward(real *dq, real *dk, real *dv, const backward_notes &notes, const real *dy, const real *q,
                     const real *k, const real *v, const real *y, const stat *lse, const attention_shape &a)
{
    const int distance = 128, queries = query_blocks(a.B, a.T, a.H);
    const int keys = query_blocks(a.B, a.S, a.G) * keys_tile<P>::PARTS;
    const int lead = ((a.W < a.T ? a.W : a.T) + 62) / 64 + 1 + distance;
    const backward_order order = { queries, keys,
                                   a.T == a.S && a.H == a.G && queries == keys && lead < queries ? lead : queries };
    swax_cuda_note(cudaMemsetAsync(notes.ticket, 0, (1 + (size_t)queries) * sizeof(int)), "attention_backward");
    launch("attention_backward", attention_backward_kernel<P>, (unsigned)(queries + keys), 128, keys_tile<P>::BYTES,
           dq, dk, dv, notes, dy, q, k, v, y, lse, order, a);
    launch("attention_backward: again", attention_backward_again_kernel<P>, SPOILED_GRID, 128, keys_tile<P>::BYTES,
           dq, dk, dv, notes, dy, q, k, v, y, lse, order, a);
}

/* In one pass, where that was faster: windows of many tiles, and sequences of several windows, since a head's last
 * blocks are its longest and have nothing beside them in the end. */
enum { ONE_PASS_FROM = 512, WINDOWS = 4 };

struct one_pass { bool is; float *sums; int *first; int ring; };

static one_pass in_one_pass(const attention_shape &a)
{
    return { a.D > 64 && a.D <= 128 && a.W >= ONE_PASS_FROM && a.T / WINDOWS >= a.W && on_hopper() &&
                 room_for(gradient_tile::BYTES),
             nullptr, nullptr, gradient_ring(a, gradient_together(a), processors()) };
}

/* What it finds spoiled goes to the two passes. */
static void backward_in_one_pass(real *dq, real *dk, real *dv, const backward_notes &notes, const one_pass &one,
                                 const real *dy, const real *q, const real *k, const real *v, const real *y,
                                 const stat *lse, const attention_shape &a)
{
    gradient_maps maps;
    if (!boxes_of(&maps.q, q, a.B, a.T, a.H, a.width) || !boxes_of(&maps.k, k, a.B, a.S, a.G, a.width) ||
        !boxes_of(&maps.v, v, a.B, a.S, a.G, a.width) || !boxes_of(&maps.dy, dy, a.B, a.T, a.H, a.width) ||
        !boxes_of(&maps.dq, dq, a.B, a.T, a.H, a.width) || !boxes_of(&maps.dk, dk, a.B, a.S, a.G, a.width) ||
        !boxes_of(&maps.dv, dv, a.B, a.S, a.G, a.width))
        return;
    const int queries = query_blocks(a.B, a.T, a.H), all = (int)blocks(a.S, 128) * a.B * a.G;
    const gradient_notes to = { notes.of_rows, one.first, notes.ticket, notes.ready, notes.spoiled, one.sums, queries,
                                one.ring, gradient_together(a) };
    swax_cuda_note(cudaMemsetAsync(notes.ticket, 0, (1 + (size_t)queries) * sizeof(int)), "attention_backward");
    launch("attention_backward: rows", attention_gradient_rows_kernel<2>, (unsigned)queries, 256, 0, notes.of_rows,
           one.first, dy, y, lse, a);
    launch("attention_backward", attention_gradient_kernel, (unsigned)(all < processors() ? all : processors()), 384,
           gradient_tile::BYTES, dq, dk, dv, to, maps, all, a);
    const backward_order order = { queries, query_blocks(a.B, a.S, a.G), queries };
    launch("attention_backward: again", attention_backward_again_kernel<2>, SPOILED_GRID, 128, keys_tile<2>::BYTES,
           dq, dk, dv, notes, dy, q, k, v, y, lse, order, a);
}

void swax_cuda_attention_forward_bf16(real *y, stat *lse, const real *q, const real *k, const real *v, const stat *sink,
                                      const int *start, int B, int T, int S, int H, int G, int D, int W)
{
    if (D > 256 || !room_for(forward_tile<4, 1>::BYTES)) {
        attention_forward(y, lse, q, k, v, sink, start, B, T, S, H, G, D, W);
        return;
    }
    const int D8 = up8(D);
    const size_t queries = (size_t)B * T * H, keys = (size_t)B * S * G;
    const bool copy = D8 != D || !aligned(16, y, q, k, v);
    real *wide[4] = {}, *to = y;
    int *spoiled;
    scratch s = {};
    auto plan = [&] {
        s.used = 0;
        spoiled = s.take<int>(3 * (size_t)blocks(T, 64) * B * H);
        for (int n = 0; n < 4 && copy; n++)
            wide[n] = s.take<real>((n < 2 ? queries : keys) * D8);
    };
    plan();
    s.base = (unsigned char *)swax_cuda_workspace(s.used);
    if (!s.base)
        return;
    plan();
    if (copy) {
        widen(wide[1], q, queries, D);
        widen(wide[2], k, keys, D);
        widen(wide[3], v, keys, D);
        to = wide[0], q = wide[1], k = wide[2], v = wide[3];
    }
    const attention_shape a = { B, T, S, H, G, D, D8, W, start };
    if (D <= 64)
        forward<1, 1>(to, lse, spoiled, q, k, v, sink, a);
    else if (D <= 128)
        near<2>(to, lse, spoiled, q, k, v, sink, a) ||
            (W <= 256 ? stream<2, 2, 128>(to, lse, spoiled, q, k, v, sink, a)
                      : stream<2, 3, 64>(to, lse, spoiled, q, k, v, sink, a)) ||
            (forward<2, 2>(to, lse, spoiled, q, k, v, sink, a), true);
    else
        forward<4, 1>(to, lse, spoiled, q, k, v, sink, a);
    if (copy)
        narrow(y, to, queries, D);
}

void swax_cuda_attention_backward_bf16(real *dq, real *dk, real *dv, stat *dsink, const real *dy, const real *q,
                                       const real *k, const real *v, const stat *sink, const int *start, const real *y,
                                       const stat *lse, int B, int T, int S, int H, int G, int D, int W)
{
    if (D > 256 || !room_for(D > 128 ? (int)keys_tile<4>::BYTES : (int)keys_tile<2>::BYTES)) {
        attention_backward(dq, dk, dv, dsink, dy, q, k, v, sink, start, y, lse, B, T, S, H, G, D, W);
        return;
    }
    const int D8 = up8(D);
    const size_t queries = (size_t)B * T * H, keys = (size_t)B * S * G;
    const bool copy = D8 != D || !aligned(16, dq, dk, dv, dy, q, k, v, y);
    const real *from[8] = { dq, dy, q, y, dk, dv, k, v };
    real *wide[8] = {};
    const attention_shape a = { B, T, S, H, G, D, D8, W, start };
    one_pass one = in_one_pass(a);
    backward_notes notes;
    notes.in_one_pass = one.is;
    scratch s = {};
    auto plan = [&] {
        s.used = 0;
        notes.of_rows = s.take<float2>((size_t)query_blocks(B, T, H) * 64);
        notes.ticket = s.take<int>(1 + (size_t)query_blocks(B, T, H));
        notes.ready = notes.ticket + 1;
        notes.spoiled = s.take<int>((size_t)query_blocks(B, T, H) + 2 * (size_t)query_blocks(B, S, G));
        if (one.is) {
            one.first = s.take<int>((size_t)B * blocks(T, 64) * 64);
            one.sums = s.take<float>((size_t)one.ring * (H / G) * 64 * 128);
        }
        if (copy)
            for (int n = 0; n < 8; n++)
                wide[n] = s.take<real>((n < 4 ? queries : keys) * D8);
    };
    plan();
    s.base = (unsigned char *)swax_cuda_workspace(s.used);
    if (!s.base)
        return;
    plan();
    real *to_dq = dq, *to_dk = dk, *to_dv = dv;
    if (copy) {
        for (int n = 0; n < 8; n++)
            widen(wide[n], from[n], n < 4 ? queries : keys, D);
        to_dq = wide[0], dy = wide[1], q = wide[2], y = wide[3], to_dk = wide[4], to_dv = wide[5], k = wide[6],
        v = wide[7];
    }
    if (one.is)
        backward_in_one_pass(to_dq, to_dk, to_dv, notes, one, dy, q, k, v, y, lse, a);
    else if (D <= 64)
        backward<1>(to_dq, to_dk, to_dv, notes, dy, q, k, v, y, lse, a);
    else if (D <= 128)
        backward<2>(to_dq, to_dk, to_dv, notes, dy, q, k, v, y, lse, a);
    else
        backward<4>(to_dq, to_dk, to_dv, notes, dy, q, k, v, y, lse, a);
    if (sink)
        launch("attention_backward: sink", attention_sink_kernel, (unsigned)H, 256, 0, dsink, sink, notes.of_rows, a);
    if (copy) {
        narrow(dq, to_dq, queries, D);
        narrow(dk, to_dk, keys, D);
        narrow(dv, to_dv, keys, D);
    }
}
