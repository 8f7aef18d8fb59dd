/* alike.h - how much of a text stands in others: of its stretches of 64 bytes, one in 64, chosen by their hash. */
#ifndef SWAX_ALIKE_H
#define SWAX_ALIKE_H

#include <stddef.h>
#include <stdint.h>

uint64_t alike_hash(const char *s, size_t n);

/* A set of hashes; starts as {0}, and 0 is an empty slot. */
struct stretches { uint64_t *slot; size_t slots, used; };

int alike_add(struct stretches *s, const char *text, size_t n);                /* 0: there is no memory */
double alike_share(struct stretches *s, const char *text, size_t n);           /* of the text's that are in the set */
void alike_close(struct stretches *s);

#endif
