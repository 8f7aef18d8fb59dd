/* attention_gradient_turns.cuh - in which order blocks of keys add to a tile of dq, so that the sum has the same bits
 * every time: from the last keys that its queries see to the first.
 *
 * Tickets go from the last keys of a head to its first, too, and all blocks walk from their first queries to their
 * last.  The block that a block waits for has begun before it and is two tiles ahead, so that nobody waits for long,
 * and whoever holds the lowest ticket waits for nobody.
 *
 * The sums of tiles that are under way stand in a ring, in the order in which they begin, as floats in the order of the
 * fragments, 32 KB a tile; there are some 300 places, and they stay in the second-level cache.  A block leaves what it
 * adds in shared memory, and bulk copies take it from there.  The first to come to a tile writes, and the last fetches
 * the sum, to add dq to it.  `added` says of each tile how many have added, and FINISHED when its place is free. */
#ifndef SWAX_ATTENTION_GRADIENT_TURNS_CUH
#define SWAX_ATTENTION_GRADIENT_TURNS_CUH

#include "cuda/attention_band.cuh"
#include "cuda/hopper.cuh"

/* Shared memory: keys and values, each two halves of 64 rows; two slots of queries, of dy, of dS (64 queries by 128
 * keys), of sums and of what belongs to rows of queries. */
struct gradient_tile {
    enum { P = 2, ROWS = P * PANEL, OF_VALUES = 2 * ROWS, OF_QUERIES = 4 * ROWS, OF_DY = OF_QUERIES + 2 * ROWS,
           OF_DS = OF_DY + 2 * ROWS, OF_SUMS = OF_DS + 4 * PANEL, SUMS = 64 * 64 * P * 4,
           OF_ROWS = OF_SUMS + 2 * SUMS, ROW_NOTES = 768, BARRIERS = OF_ROWS + 2 * ROW_NOTES, BYTES = BARRIERS + 384 };
};

/* The block of keys with this ticket, from the last keys of some heads that go together to their first; and the tiles
 * of queries that see it: from .. to - 1, for each of the heads. */
struct gradient_place {
    int j0, g, b, tiles, from, to, heads;
    __device__ void find(const attention_shape &a, int together, int ticket)
    {
        const int blocks = (a.S + 127) / 128, before = a.S - a.T;
        const int heads_before = ticket / (blocks * together) * together;
        j0 = (blocks - 1 - ticket / together % blocks) * 128;
        g = (heads_before + ticket % together) % a.G, b = heads_before / a.G;
        tiles = (a.T + 63) / 64, heads = a.H / a.G;
        from = max(0, j0 - before) / 64, to = tiles;
        for (int low = from; low < to;) {       /* the first tile whose queries see later keys only */
            const int middle = (low + to) / 2;
            if (a.first_key(b, 64 * middle) > j0 + 127)
                to = middle;
            else
                low = middle + 1;
        }
    }
    /* Tiles in the order in which they begin */
    __device__ int line(const attention_shape &a, int together, int i) const
    {
        const int head = b * a.G + g;
        return (head / together * tiles + tiles - 1 - i) * together + head % together;
    }
    __device__ size_t number(int line, int h) const { return (size_t)line * heads + h - g * heads; }
    /* So many blocks add to the tile before this one; does none after it? */
    __device__ int before(const attention_shape &a, int i) const
    {
        return (min(64 * i + 63, a.T - 1) + a.S - a.T) / 128 - j0 / 128;
    }
    __device__ bool is_last(const attention_shape &a, int i) const { return a.first_key(b, 64 * i) >= j0; }
};

/* A block's step: the tile of queries; whether this block is the first, the last to add to its dq, and whether it is
 * the block's last. */
struct gradient_step { int b, h, t0, begins, ends, last; };

struct gradient_barriers {
    barrier keys_full, keys_empty, values_full, values_empty;
    barrier queries_full[2], queries_empty[2], dy_full[2], dy_empty[2];
    barrier sums_empty[2], sums_full[2];    /* of the slots of sums: what this block adds is there, and has been read */
    barrier sums_fetched[2];                /* what others have added, where this block is the last */
    gradient_step step[2];                  /* of the slots of queries */
    gradient_place place[3];                /* of the keys before, these, and the next */
    int ticket;
};

struct gradient_notes {
    float2 *of_rows;        /* log2 of the softmax's sum, and delta: 64 rows per tile of queries */
    int *first;             /* per sequence and row, tile by tile: the first key that it sees */
    int *ticket, *added;    /* the next; per tile of queries: cleared before */
    int *spoiled;           /* per tile of 64 queries, then of 64 keys */
    float *sums;            /* the ring */
    int queries, ring;      /* tiles of queries; places in the ring, of a tile of all heads of a key head */
    int together;           /* so many key heads are walked over side by side: they lie side by side in memory */
};

/* TOGETHER: 4 and 16 heads side by side were slower at window 2048. */
enum { FINISHED = 1 << 30, TOGETHER = 1 };

/* So many places suffice: whoever had one before must not be waiting for this ticket; and for each multiprocessor,
 * those that its block begins.  A multiple of `together`. */
static inline int gradient_ring(const attention_shape &a, int together, int processors)
{
    const long long lines = (long long)a.B * a.G * ((a.T + 63) / 64);
    const long long enough = ((a.W < a.S ? a.W : a.S) + 253) / 64 + 2 * (processors + together - 1) / together;
    return (int)(lines < enough * together ? lines : enough * together);
}
static inline int gradient_together(const attention_shape &a) { return a.G % TOGETHER ? 1 : TOGETHER; }

/* f(place, slot, phase, head, tile) for each step of all blocks, by a thread that reads tickets. */
template <class F> DEVICE void for_steps(gradient_barriers *at, const gradient_notes &notes, int all,
                                         const attention_shape &a, F f)
{
    int used = 0;
    for (int n = 0;; n++) {
        wait_for(&at->keys_full, n % 2);
        const int ticket = at->ticket;
        if (ticket >= all)
            return;
        arrive(&at->keys_empty);
        const gradient_place &place = at->place[n % 3];
        if (place.from == place.to)
            continue;
        for (int h = place.g * place.heads, i = place.from; h < (place.g + 1) * place.heads;
             i + 1 < place.to ? i++ : (i = place.from, h++), used++)
            f(place, used % 2, used / 2 % 2, h, i);
    }
}

/* Wait until all that add to this tile before this block have, or until its place in the ring is free. */
DEVICE void my_turn(const gradient_place &place, const gradient_notes &notes, const attention_shape &a, int h, int i)
{
    const int line = place.line(a, notes.together, i), before = place.before(a, i);
    if (before)
        while (noted(notes.added + place.number(line, h)) != before) {}
    else if (line >= notes.ring)
        while (noted(notes.added + place.number(line - notes.ring, h)) != FINISHED) {}
    bulk_fence();
}

DEVICE float *sums_of(const gradient_place &place, const gradient_notes &notes, const attention_shape &a, int h, int i)
{
    return notes.sums + place.number(place.line(a, notes.together, i) % notes.ring, h) * (gradient_tile::SUMS / 4);
}

/* By two threads, one for each slot of sums: add what groups 0 and 1 leave there, and tell. */
DEVICE void gradient_adds(int mine, unsigned char *shared, gradient_barriers *at, const gradient_notes &notes, int all,
                          const attention_shape &a)
{
    using tile = gradient_tile;
    const unsigned char *sums = shared + tile::OF_SUMS + mine * tile::SUMS;
    for_steps(at, notes, all, a, [&](const gradient_place &place, int slot, int phase, int h, int i) {
        if (slot != mine)
            return;
        const int before = place.before(a, i);
        const bool last = place.is_last(a, i);
        wait_for(&at->sums_full[slot], phase);
        if (!last || !before)
            my_turn(place, notes, a, h, i);
        if (!last) {
            if (before)
                bulk_add(sums_of(place, notes, a, h, i), sums, tile::SUMS);
            else
                bulk_store(sums_of(place, notes, a, h, i), sums, tile::SUMS);
            bulk_read();
        }
        arrive(&at->sums_empty[slot]);
        if (!last)
            bulk_wait();
        note(notes.added + place.number(place.line(a, notes.together, i), h), last ? (int)FINISHED : before + 1);
    });
}

/* By one thread: fetch what others have added, for tiles to which this block is the last to add.  It goes along with
 * the other tiles, too, so that no slot is emptied twice meanwhile. */
DEVICE void gradient_fetches(unsigned char *shared, gradient_barriers *at, const gradient_notes &notes, int all,
                             const attention_shape &a)
{
    using tile = gradient_tile;
    int used = 0;
    for_steps(at, notes, all, a, [&](const gradient_place &place, int slot, int phase, int h, int i) {
        const bool wanted = place.is_last(a, i) && place.before(a, i);
        if (wanted)
            my_turn(place, notes, a, h, i);
        if (used++ > 1)
            wait_for(&at->sums_empty[slot], phase ^ 1);
        if (wanted) {
            arrive_with(&at->sums_fetched[slot], tile::SUMS);
            copy_bytes(shared + tile::OF_SUMS + slot * tile::SUMS, sums_of(place, notes, a, h, i), tile::SUMS,
                       &at->sums_fetched[slot]);
        }
        arrive(&at->sums_empty[slot]);
    });
}

#endif
