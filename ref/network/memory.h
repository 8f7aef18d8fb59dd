/* memory.h - a network's memory: its tier's own, or the host's. */
#ifndef SWAX_NETWORK_MEMORY_H
#define SWAX_NETWORK_MEMORY_H

#include <stddef.h>

struct swax_network;

/* Zeros, aligned to 64 bytes, or NULL; the bytes are counted (swax_network_bytes).  Giving NULL back does nothing. */
void *swax_take(struct swax_network *n, size_t bytes);
void swax_give(struct swax_network *n, void *p);
void swax_zero(const struct swax_network *n, void *p, size_t bytes);
void swax_put(const struct swax_network *n, void *to, const void *from, size_t bytes);     /* from the host */
void swax_get(const struct swax_network *n, void *to, const void *from, size_t bytes);     /* to the host */

#endif
