/* reuse.c - tokens that repeat what their document said before. */
#include "tools/tasks/reuse.h"

#include <stdlib.h>
#include <string.h>

const char *const reuse_tags[REUSE_TAGS + 1] = {
    "never seen", "seen, another next", "seen 1-31 back", "seen 32-63 back", "seen 64-127 back", "seen 128-255 back",
    "seen 256-511 back", "seen 512-1023 back", "seen 1024-2047 back", "seen 2048-4095 back", "seen 4096-8191 back",
    "seen 8192-16383 back", "seen 16384-32767 back", "seen 32768-65535 back", "seen 65536 or more back",
    "word, never seen", "word, another next", "word, 1-31 back", "word, 32-63 back", "word, 64-127 back",
    "word, 128-255 back",
    "word, 256-511 back", "word, 512-1023 back", "word, 1024-2047 back", "word, 2048-4095 back", "word, 4096-8191 back",
    "word, 8192-16383 back", "word, 16384-32767 back", "word, 32768-65535 back", "word, 65536 or more back", NULL,
};
#define DISTANCES(word) \
    {0, 0, word}, {0, 0, word}, {1, 31, word}, {32, 63, word}, {64, 127, word}, {128, 255, word}, {256, 511, word}, \
    {512, 1023, word}, \
    {1024, 2047, word}, {2048, 4095, word}, {4096, 8191, word}, {8192, 16383, word}, {16384, 32767, word}, \
    {32768, 65535, word}, \
    {65536, 1 << 24, word}
const struct source_distance reuse_distance[REUSE_TAGS] = {DISTANCES(0), DISTANCES(1)};

enum { NEVER, ANOTHER, NEAR, NEAR_BITS = 5 };

/* last: of each slot, 1 + where a context of that hash last ended */
struct reuse { int context, slots; int *last; };

struct reuse *reuse_open(int context, int T)
{
    struct reuse *r = malloc(sizeof *r);
    int slots = 64;
    while (slots < 2 * T)
        slots *= 2;
    if (!r)
        return NULL;
    *r = (struct reuse){context, slots, malloc((size_t)slots * sizeof *r->last)};
    if (r->last)
        return r;
    free(r);
    return NULL;
}

void reuse_close(struct reuse *r)
{
    if (r)
        free(r->last);
    free(r);
}

/* The slot of the context that ends at t, or the empty one where it belongs. */
static int find(const struct reuse *r, const int *token, int t)
{
    const int *context = token + t - r->context + 1;
    uint64_t hash = 0xcbf29ce484222325u;
    for (int i = 0; i < r->context; i++)
        hash = (hash ^ (uint64_t)context[i]) * 0x100000001b3u;
    int slot = (int)((hash ^ hash >> 32) & (uint64_t)(r->slots - 1));
    while (r->last[slot] && memcmp(token + r->last[slot] - r->context, context, (size_t)r->context * sizeof *token))
        slot = (slot + 1) & (r->slots - 1);
    return slot;
}

static int class_of(int distance)
{
    int bits = 0;
    for (int d = distance; d > 1; d /= 2)
        bits++;
    const int class = bits < NEAR_BITS ? NEAR : NEAR + 1 + bits - NEAR_BITS;
    return class < REUSE_CLASSES ? class : REUSE_CLASSES - 1;
}

void reuse_mark(struct reuse *r, struct sequence *s, int separator, const unsigned char *is_word)
{
    memset(r->last, 0, (size_t)r->slots * sizeof *r->last);
    for (int t = 0; t < s->T; t++) {
        const int first = s->start_attention[t], next = s->target[t];
        if (t - r->context + 1 < first)
            continue;                              /* so short a past cannot be looked for */
        const int slot = find(r, s->token, t), before = r->last[slot] - 1;
        r->last[slot] = t + 1;
        if (next < 0 || next == separator)
            continue;
        const int seen = before - r->context + 1 >= first;
        const int class = !seen ? NEVER : s->token[before + 1] != next ? ANOTHER : class_of(t - before);
        s->tag[t] = 1 + class + (!is_word || is_word[next & 255] ? REUSE_CLASSES : 0);
    }
}
