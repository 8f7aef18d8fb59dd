/* attention_backward.cuh - windowed attention's gradients, in two passes over the band, each adding in a fixed order:
 *
 *     by queries:  delta_t = dy_t.y_t,   dS = P o (dy v^T - delta),   dq = s dS k
 *     by keys:     dv = P^T dy,          dk = s dS^T q                over all query heads of the key head
 *
 * P = exp(s q k^T - lse) is computed again in both.  A block takes 64 queries (keys) and walks over the tiles of 64
 * keys (queries) in their band; while it computes on one product's elements, the tensor cores are at the next.
 *
 * Both passes read q, k, v and dy, and the second finds them in the cache: one launch has the blocks of both, in turn.
 * What a block of keys needs from blocks of queries, lse and delta of their rows, they write first, and it waits for
 * that.  Which block is which goes by tickets, so that whoever is waited for has begun. */
#ifndef SWAX_ATTENTION_BACKWARD_CUH
#define SWAX_ATTENTION_BACKWARD_CUH

#include "cuda/attention_backward_keys.cuh"
#include "cuda/attention_backward_queries.cuh"

/* The tickets: `lead` blocks of queries, then keys and queries in turn, then the keys that are left. */
struct backward_order {
    int queries, keys, lead;
    __device__ bool is_query(int ticket) const
    {
        return ticket < lead || (ticket < 2 * queries - lead && (ticket - lead) % 2);
    }
    __device__ int block(int ticket) const
    {
        return ticket < lead ? ticket
             : ticket >= 2 * queries - lead ? ticket - queries
             : is_query(ticket) ? lead + (ticket - lead) / 2 : (ticket - lead) / 2;
    }
};

/* Three blocks of narrow heads to a multiprocessor do more than two; their registers do not suffice for products that
 * run on from tile to tile. */
template <int P>
static __global__ void __launch_bounds__(128, P < 2 ? 3 : P < 4 ? 2 : 1)
attention_backward_kernel(swax_bf16 *dq, swax_bf16 *dk, swax_bf16 *dv, backward_notes notes, const swax_bf16 *dy,
                          const swax_bf16 *q, const swax_bf16 *k, const swax_bf16 *v, const swax_bf16 *y,
                          const float *lse, backward_order order, attention_shape a)
{
    int *mine = (int *)shared_memory();
    if (threadIdx.x == 0)
        *mine = atomicAdd(notes.ticket, 1);
    __syncthreads();
    const int ticket = *mine;
    __syncthreads();
    const int block = order.block(ticket);
    const bool of_queries = order.is_query(ticket);
    const bool good = of_queries ? queries_backward<P, false>(block, dq, notes, dy, q, k, v, y, lse, a)
                                 : keys_backward<P, false>(block, dk, dv, notes, dy, q, k, v, a);
    if (threadIdx.x == 0)
        notes.spoiled[of_queries ? block : order.queries + block] = !good;
}

template <int P>
static __global__ void __launch_bounds__(128, 1)
attention_backward_again_kernel(swax_bf16 *dq, swax_bf16 *dk, swax_bf16 *dv, backward_notes notes, const swax_bf16 *dy,
                                const swax_bf16 *q, const swax_bf16 *k, const swax_bf16 *v, const swax_bf16 *y,
                                const float *lse, backward_order order, attention_shape a)
{
    for_spoiled(notes.spoiled, order.queries + order.keys, [&](int block) {
        if (block < order.queries)
            queries_backward<P, true>(block, dq, notes, dy, q, k, v, y, lse, a);
        else
            keys_backward<P, true>(block - order.queries, dk, dv, notes, dy, q, k, v, a);
    });
}

/* dsink -= sum_t exp(sink - lse_t) delta_t, a block a head, from what the blocks of queries have noted */
static __global__ void attention_sink_kernel(float *dsink, const float *sink, const float2 *of_rows, attention_shape a)
{
    __shared__ float part[8];
    const int h = blockIdx.x, tiles = (a.T + 63) / 64;
    float sum = 0;
    for (int b = 0; b < a.B; b++)
        for (int t = threadIdx.x; t < a.T; t += 256) {
            const float2 of = of_rows[((size_t)b * a.H + h) * tiles * 64 + t];
            sum += exp2f(sink[h] * LOG2E - of.x) * of.y;
        }
    for (int lane = 16; lane; lane /= 2)
        sum += __shfl_xor_sync(~0u, sum, lane);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x)
        return;
    for (int w = 1; w < 8; w++)
        sum += part[w];
    dsink[h] -= sum;
}

#endif
