/* host.h - the threads and the pages of the machine that this runs on.
 *
 * Kernels use threads where a call from outside is worth the 0.4 us that waking them costs. */
#ifndef SWAX_HOST_H
#define SWAX_HOST_H

#include "ref/tier.h"

extern const struct swax_host swax_host;

#endif
