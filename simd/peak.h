/* peak.h - what this machine could do at best, measured. */
#ifndef SWAX_PEAK_H
#define SWAX_PEAK_H

enum { SWAX_PEAK_THREADS = 4096 };

/* Multiply-adds in float with the vectors of that tier, counted as two; 0 for a tier that has none.  The best of
 * a dozen rounds of some milliseconds. */
double swax_peak_gflops(const char *tier, int threads);

/* Triad over arrays larger than the caches: two read, one written. */
double swax_bandwidth_gbs(int threads);

/* Is VDPBF16PS, which does the work of two multiply-adds, faster than they are?  No flag of a processor says so: on Zen
 * 4 it takes as long as one, on Emerald Rapids as long as four.  Measured by the first call, in 0.5 ms.  Only where a
 * tier has it. */
int swax_pairs_pay(void);

#endif
