/* checksum.h - 64 bits over a stream of bytes, however it is cut into pieces.
 *
 * Each step is a bijection of the state, so any one damaged word of 8 bytes always shows; more go unseen with
 * a chance of 2^-64. */
#ifndef SWAX_CHECKSUM_H
#define SWAX_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

struct checksum { uint64_t state; unsigned char rest[8]; int n; };     /* starts as {0} */

void checksum_add(struct checksum *s, const void *from, size_t n);
void checksum_text(struct checksum *s, char digits[17]);               /* ends it */

#endif
