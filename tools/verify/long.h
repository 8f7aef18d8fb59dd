/* long.h - what no case of doubles can hold: sequences of 65,536 tokens, and tensors of more than 2^31 elements.
 *
 * The kernel's arrays lie in memory in its own types alone. They are drawn slab by slab, a slab being what can be
 * worked out by itself: a sequence's group of heads, or some rows. Of the answers the first slab is judged, the last,
 * the one in which the largest tensor's element 2^31 lies, and some drawn by seed: each as a problem of its own,
 * whose truth a tier tells in double that check_tiers holds to the reference. */
#ifndef SWAX_VERIFY_LONG_H
#define SWAX_VERIFY_LONG_H

#include "tools/verify/worker.h"

/* What is long, large and too much: elements of the large case's largest tensor, which has more, and of a slab of
 * rows; bytes that may be taken; seconds that a call may take; and processes that draw. */
struct long_limits { double past, slab, memory; int seconds, hands; };
struct long_limits long_limits(void);      /* 2^31 elements, what is free here, an hour, long_hands of its cores */
int long_hands(int cores);                 /* one for each core, and no more than copies of a slab are counted */

/* What case number i of a kernel has for sizes: 0 the long one, 1 the large one.  0 if there is no such case. */
int long_dims(struct op_case *c, const struct subject *s, const struct wish *w, int i, double past);
/* Bytes of all arrays, in that precision, and seconds to draw them and to judge the slabs; the kernel takes its own. */
struct long_cost { double bytes, seconds; };
struct long_cost long_cost(const struct subject *s, const struct wish *w, const struct op_case *c,
                           const struct long_limits *limits);

/* All of it, in a process that `load` fills with kernels. plan->only: that case alone. NULL and a report, or a
 * sentence: too little memory, a kernel whose answers hang together over all rows, ... */
const char *verify_long(load_fn *load, void *arg, const struct plan *plan, struct report *r, char *why);
/* The same, with other limits. */
const char *verify_long_by(const struct long_limits *limits, load_fn *load, void *arg, const struct plan *plan,
                           struct report *r, char *why);

#endif
