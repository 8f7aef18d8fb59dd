/* threads.h - how many threads the kernels called from here on take.  Not for a Check `main`: see check_tiers.c. */
#ifndef THREADS_H
#define THREADS_H

#ifdef _OPENMP
#include <omp.h>
static inline void use_threads(int n) { omp_set_num_threads(n); }
#else
static inline void use_threads(int n) { (void)n; }
#endif

#endif
