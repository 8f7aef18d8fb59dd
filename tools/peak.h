/* peak.h - how fast this machine can multiply. */
#ifndef SWAX_PEAK_H
#define SWAX_PEAK_H

#include "../ref/tier.h"

/* FLOP/s of the tier's float matrix product on all threads at once, on operands that stay in cache: the best of a few
 * rounds, which take some milliseconds each.  0 where the tier has memory of its own. */
double peak_measure(const struct swax_tier *tier);

#endif
