/* bench.h - what the parts of the benchmark share. */
#ifndef SWAX_CUDA_BENCH_H
#define SWAX_CUDA_BENCH_H

#define SWAX_BF16
#include "ref/kernels.h"
#include "ref/oracle/oracle.h"

enum { POOL = 1 << 22 };

extern const struct swax_kernels_bf16 *k;
extern const struct swax_memory *mem;
extern float *pool;                                   /* on the device: POOL random normals */

void die(const char *what);
void must(void);                                      /* wait for the kernels; give up if anything went wrong */
void *take(size_t bytes);
real *normals(size_t n);                              /* on the device, as the next */
stat *stats(size_t n);                                /* 0 */
double median(double *t, int n);                      /* puts them in order */
double seconds(void (*f)(void *), void *arg);         /* that one f(arg) takes where they run on: a median */
double seconds_of_each(void (*f)(void *), void *arg); /* the same of 20, after five: what the card itself counts */
void report(const char *name, double seconds, double bytes, double flops);

void bench_mixers(void);
void bench_windows(void);                             /* attention, of each call */
void bench_delta(void);
void bench_slots(void);

#endif
