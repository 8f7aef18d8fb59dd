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

/* 1: it is new there, 0: it was there, -1: there is no memory. */
static int add_stretch(struct stretches *s, uint64_t hash)
{
    if (2 * s->used >= s->slots) {
        struct stretches grown = {NULL, s->slots ? 2 * s->slots : 1 << 16, 0};
        grown.slot = calloc(grown.slots, sizeof *grown.slot);
        if (!grown.slot)
            return -1;
        for (size_t i = 0; i < s->slots; i++)
            if (s->slot[i])
                add_stretch(&grown, s->slot[i]);
        free(s->slot);
        *s = grown;
    }
    size_t at = (size_t)(hash >> 8) & (s->slots - 1);
    while (s->slot[at] && s->slot[at] != hash)
        at = (at + 1) & (s->slots - 1);
    if (s->slot[at])
        return 0;
    s->slot[at] = hash;
    s->used++;
    return 1;
}

static int has_stretch(const struct stretches *s, uint64_t hash)
{
    size_t at = (size_t)(hash >> 8) & (s->slots - 1);
    while (s->slots && s->slot[at] && s->slot[at] != hash)
        at = (at + 1) & (s->slots - 1);
    return s->slots && s->slot[at] == hash;
}

/* The chosen stretches of a text, or where none is chosen, as in a short one, all of it, are added to the set; or the
 * share of them that stands there is *found.  0: no memory. */
static int stretches_of(struct stretches *s, const char *text, size_t n, double *found)
{
    const uint64_t by = 0x9e3779b97f4a7c15u;
    uint64_t leaving = 1, rolling = 0;
    long all = 0, there = 0;
    for (int i = 0; i < SHINGLE; i++)
        leaving *= by;
    for (size_t i = 0; i < n; i++) {
        rolling = rolling * by + (unsigned char)text[i] + 1 -
                  (i >= SHINGLE ? leaving * ((uint64_t)(unsigned char)text[i - SHINGLE] + 1) : 0);
        const uint64_t hash = (rolling ^ rolling >> 29) * 0xbf58476d1ce4e5b9u;
        if (i < SHINGLE - 1 || hash >> 32 & (ONE_IN - 1) || !hash)
            continue;
        all++;
        if (found)
            there += has_stretch(s, hash);
        else if (add_stretch(s, hash) < 0)
            return 0;
    }
    const uint64_t whole = alike_hash(text, n) | 1;
    if (!all && found)
        there = has_stretch(s, whole);
    else if (!all && add_stretch(s, whole) < 0)
        return 0;
    if (found)
        *found = (double)there / (double)(all ? all : 1);
    return 1;
}

double alike_share(struct stretches *s, const char *text, size_t n)
{
    double found = 0;
    stretches_of(s, text, n, &found);                  /* to look takes no memory */
    return found;
}

int alike_add(struct stretches *s, const char *text, size_t n)
{
    return stretches_of(s, text, n, NULL);
}

void alike_close(struct stretches *s)
{
    free(s->slot);
    *s = (struct stretches){NULL, 0, 0};
}
