/* attention_gradient_copies.cuh - what attention_gradient.cuh reads: a kernel before it computes what belongs to rows
 * of queries, and a thread of each block sends for tiles. */
#ifndef SWAX_ATTENTION_GRADIENT_COPIES_CUH
#define SWAX_ATTENTION_GRADIENT_COPIES_CUH

#include "cuda/attention_gradient_turns.cuh"

/* log2 of the softmax's sum and delta = dy.y, and the first key; four threads a row, in the order of memory.  Rows that
 * fill up the last tile see nothing. */
template <int P>
static __global__ void attention_gradient_rows_kernel(float2 *of_rows, int *first, const swax_bf16 *dy,
                                                      const swax_bf16 *y, const float *lse, attention_shape a)
{
    const int tiles = (a.T + 63) / 64, lane = threadIdx.x % 4;
    const size_t n = (size_t)blockIdx.x * (blockDim.x / 4) + threadIdx.x / 4, token = n / a.H;
    const int h = n % a.H, t = token % (64 * tiles), b = token / (64 * tiles);
    if (b >= a.B)
        return;
    const size_t at = a.query(b, min(t, a.T - 1), h);
    uint4 piece[2][2 * P];
#pragma unroll
    for (int i = 0; i < 2 * P; i++) {
        const bool valid = 8 * (4 * i + lane) < a.width;
        const size_t column = valid ? 8 * (4 * i + lane) : 0;
        piece[0][i] = valid ? *(const uint4 *)(y + at * a.width + column) : uint4{ 0, 0, 0, 0 };
        piece[1][i] = valid ? *(const uint4 *)(dy + at * a.width + column) : uint4{ 0, 0, 0, 0 };
    }
    float along = 0;
#pragma unroll
    for (int i = 0; i < 2 * P; i++)
        along += pieces_product(piece[0][i], piece[1][i]);
    along = quad_sum(along);
    if (lane)
        return;
    of_rows[((size_t)(b * a.H + h) * tiles + t / 64) * 64 + t % 64] =
        t < a.T ? make_float2(lse[at] * LOG2E, along) : make_float2(INFINITY, 0);
    if (h == 0)
        first[(size_t)b * tiles * 64 + t] = t < a.T ? a.first_key(b, t) : a.S;
}

struct gradient_maps { CUtensorMap q, k, v, dy, dq, dk, dv; };

/* 64 tokens into P panels */
DEVICE void send_for_64(unsigned char *to, const CUtensorMap *of, int head, int token, int b, barrier *full)
{
#pragma unroll
    for (int p = 0; p < gradient_tile::P; p++)
        copy_box(to + p * PANEL, of, 64 * p, head, token, b, full);
}

/* The same into the cache */
DEVICE void prefetch_64(const CUtensorMap *of, int head, int token, int b)
{
#pragma unroll
    for (int p = 0; p < gradient_tile::P; p++)
        prefetch_box(of, 64 * p, head, token, b);
}

/* By one thread.  The last ticket, which is none, goes to all who read tickets. */
DEVICE void gradient_copies(unsigned char *shared, gradient_barriers *at, const gradient_maps &maps,
                            const gradient_notes &notes, int all, const attention_shape &a)
{
    using tile = gradient_tile;
    int used = 0;                       /* tiles of queries so far */
    for (int n = 0;; n++) {
        const int ticket = atomicAdd(notes.ticket, 1);
        gradient_place &place = at->place[n % 3];
        if (ticket < all) {
            place.find(a, notes.together, ticket);
            for (int half = 0; half < 2; half++) {
                prefetch_64(&maps.k, place.g, place.j0 + 64 * half, place.b);
                prefetch_64(&maps.v, place.g, place.j0 + 64 * half, place.b);
            }
        }
        if (n)
            wait_for(&at->keys_empty, n % 2 ^ 1);
        at->ticket = ticket;
        if (ticket >= all) {
            arrive(&at->keys_full);
            return;
        }
        arrive_with(&at->keys_full, 2 * tile::ROWS);
        for (int half = 0; half < 2; half++)
            send_for_64(shared + half * tile::ROWS, &maps.k, place.g, place.j0 + 64 * half, place.b, &at->keys_full);
        if (n)
            wait_for(&at->values_empty, n % 2 ^ 1);
        arrive_with(&at->values_full, 2 * tile::ROWS);
        for (int half = 0; half < 2; half++)
            send_for_64(shared + tile::OF_VALUES + half * tile::ROWS, &maps.v, place.g, place.j0 + 64 * half, place.b,
                        &at->values_full);
        for (int h = place.g * place.heads, last = h + place.heads; h < last; h++)
            for (int i = place.from; i < place.to; i++, used++) {
                const int slot = used % 2, phase = used / 2 % 2 ^ 1;
                const bool ends = place.is_last(a, i);
                unsigned char *rows = shared + tile::OF_ROWS + slot * tile::ROW_NOTES;
                if (used > 1)
                    wait_for(&at->queries_empty[slot], phase);
                at->step[slot] = { place.b, h, 64 * i, place.before(a, i) == 0, ends,
                                   h + 1 == last && i + 1 == place.to };
                arrive_with(&at->queries_full[slot], tile::ROWS + tile::ROW_NOTES);
                send_for_64(shared + tile::OF_QUERIES + slot * tile::ROWS, &maps.q, h, 64 * i, place.b,
                            &at->queries_full[slot]);
                copy_bytes(rows, notes.of_rows + ((size_t)(place.b * a.H + h) * place.tiles + i) * 64, 512,
                           &at->queries_full[slot]);
                copy_bytes(rows + 512, notes.first + (size_t)(place.b * place.tiles + i) * 64, 256,
                           &at->queries_full[slot]);
                if (used > 1)
                    wait_for(&at->dy_empty[slot], phase);
                arrive_with(&at->dy_full[slot], tile::ROWS);
                send_for_64(shared + tile::OF_DY + slot * tile::ROWS, &maps.dy, h, 64 * i, place.b, &at->dy_full[slot]);
                if (ends)
                    prefetch_64(&maps.dq, h, 64 * i, place.b);
            }
        for (int half = 0; half < 2 && place.from < place.to; half++) {
            prefetch_64(&maps.dk, place.g, place.j0 + 64 * half, place.b);
            prefetch_64(&maps.dv, place.g, place.j0 + 64 * half, place.b);
        }
    }
}

#endif
