/* host.h - the threads and the pages of the machine that this runs on.
 *
 * Kernels use threads where a call from outside is worth waking them. */
#ifndef SWAX_HOST_H
#define SWAX_HOST_H

#include "ref/tier.h"

extern const struct swax_host swax_host;

/* Seconds, from whenever */
double swax_now(void);

/* Room for what a worker lays out while it computes: stacks of threads may be small, and a frame that is larger than
 * the pages that guard them writes into somebody else's memory.  SWAX_WORKSPACE bytes, aligned to a page, of any
 * contents; taken once by each part of work that goes to a worker of its own, and given back by whoever took it.  One
 * at a time: who has one and asks for another may wait for himself. */
enum { SWAX_WORKSPACE = 2 << 20 };
void *swax_workspace_take(void);
void swax_workspace_give(const void *memory);

#endif
