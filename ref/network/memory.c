/* memory.c - a network's memory: its tier's own, or the host's. */
#include <stdlib.h>
#include <string.h>

#include "ref/network/engine.h"

void *swax_take(struct swax_network *n, size_t bytes)
{
    const struct swax_memory *mem = n->tier->memory;
    const size_t round = (bytes + 63) / 64 * 64 + 64;
    void *p = mem ? mem->take(round) : NULL;
    if (!mem) {
        /* 64-byte alignment in ISO C: keep the address that malloc gave just below */
        char *raw = malloc(round + sizeof(void *));
        if (raw) {
            char *at = raw + sizeof(void *);
            at += 64 - (size_t)at % 64;
            memcpy(at - sizeof(void *), &raw, sizeof raw);
            p = at;
        }
    }
    n->bytes += p ? bytes : 0;
    if (p && n->tier->host)
        n->tier->host->large(p, bytes);
    if (p)
        swax_zero(n, p, bytes);
    return p;
}

void swax_give(struct swax_network *n, void *p)
{
    if (p && n->tier->memory)
        n->tier->memory->give(p);
    else if (p) {
        char *raw;
        memcpy(&raw, (char *)p - sizeof(void *), sizeof raw);
        free(raw);
    }
}

void swax_zero(const struct swax_network *n, void *p, size_t bytes) { swax_tier_zero(n->tier, p, bytes); }

static void copy(void *to, const void *from, size_t bytes)
{
    if (bytes)      /* an empty array may be NULL, which memcpy must not see */
        memcpy(to, from, bytes);
}

void swax_put(const struct swax_network *n, void *to, const void *from, size_t bytes)
{
    if (n->tier->memory)
        n->tier->memory->put(to, from, bytes);
    else
        copy(to, from, bytes);
}

void swax_get(const struct swax_network *n, void *to, const void *from, size_t bytes)
{
    if (n->tier->memory)
        n->tier->memory->get(to, from, bytes);
    else
        copy(to, from, bytes);
}
