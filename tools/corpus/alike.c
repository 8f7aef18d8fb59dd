/* alike.c - how much of a text stands in others. */
#include "tools/corpus/alike.h"

#include <stdlib.h>

enum { SHINGLE = 64, ONE_IN = 64 };

uint64_t alike_hash(const char *s, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 0x100000001b3u;
    h ^= h >> 32;
    return h * 0x9fb21c651e98df25u;
}

/* Where the hash stands, or would. */
static size_t slot_of(const struct stretches *s, uint64_t hash)
{
    size_t at = (size_t)(hash >> 8) & (s->slots - 1);
    while (s->slot[at] && s->slot[at] != hash)
        at = (at + 1) & (s->slots - 1);
    return at;
}

static int has_stretch(struct stretches *s, uint64_t hash)
{
    return s->slots && s->slot[slot_of(s, hash)] == hash;
}

/* 1: it is there now, 0: there is no memory. */
static int add_stretch(struct stretches *s, uint64_t hash)
{
    if (2 * s->used >= s->slots) {
        struct stretches grown = {NULL, s->slots ? 2 * s->slots : 1 << 16, s->used};
        grown.slot = calloc(grown.slots, sizeof *grown.slot);
        if (!grown.slot)
            return 0;
        for (size_t i = 0; i < s->slots; i++)
            if (s->slot[i])
                grown.slot[slot_of(&grown, s->slot[i])] = s->slot[i];
        free(s->slot);
        *s = grown;
    }
    uint64_t *slot = &s->slot[slot_of(s, hash)];
    s->used += *slot != hash;
    *slot = hash;
    return 1;
}

/* Of the chosen stretches of a text, or where none is chosen, as in a short one, of all of it: the share for which
 * `each` is 1. */
static double share_of(struct stretches *s, const char *text, size_t n, int (*each)(struct stretches *, uint64_t))
{
    const uint64_t by = 0x9e3779b97f4a7c15u;
    uint64_t leaving = 1, rolling = 0;
    long all = 0, yes = 0;
    for (int i = 0; i < SHINGLE; i++)
        leaving *= by;
    for (size_t i = 0; i < n; i++) {
        rolling = rolling * by + (unsigned char)text[i] + 1 -
                  (i >= SHINGLE ? leaving * ((uint64_t)(unsigned char)text[i - SHINGLE] + 1) : 0);
        const uint64_t hash = (rolling ^ rolling >> 29) * 0xbf58476d1ce4e5b9u;
        if (i < SHINGLE - 1 || hash >> 32 & (ONE_IN - 1))
            continue;
        all++;
        yes += each(s, hash | 1);
    }
    return all ? (double)yes / (double)all : each(s, alike_hash(text, n) | 1);
}

double alike_share(struct stretches *s, const char *text, size_t n) { return share_of(s, text, n, has_stretch); }
int alike_add(struct stretches *s, const char *text, size_t n) { return share_of(s, text, n, add_stretch) == 1; }

void alike_close(struct stretches *s)
{
    free(s->slot);
    *s = (struct stretches){NULL, 0, 0};
}
