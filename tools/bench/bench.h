/* bench.h - what the benchmarks share. */
#ifndef SWAX_BENCH_H
#define SWAX_BENCH_H

#include "ref/network/config.h"
#include "ref/tier.h"

struct bench {
    const struct swax_tier *tier;
    enum swax_precision precision;
    int threads, json;
    double seconds;                /* how long to time each thing */
    /* Of this machine with these threads: GFLOP/s in float (half of it for fp64), GB/s; of a device: what a large
     * product and a large addition reach. */
    double peak, bandwidth;
};

double bench_median(double *x, int n);      /* sorts them */
/* Has a thing been timed often enough, and for long enough? */
int bench_enough(int runs, int least, int most, double total, double seconds);
/* of the peak; 0 where no vectors were built to measure it */
double bench_share(const struct bench *b, double gflops);

/* One kernel, or all if op < 0; dims in the order of opspec.c, or NULL for a network of width 256.  NULL or a
 * sentence. */
const char *bench_kernels(const struct bench *b, int op, const int *dims, char *why);

/* peak and bandwidth of a device.  NULL or a sentence. */
const char *bench_device_rates(struct bench *b, char *why);

/* linear_forward and linear_backward over the sizes that networks have, beside cblas_sgemm of the library `peer`. */
const char *bench_gemm(const struct bench *b, const char *peer, char *why);

/* Whole training steps of a network. */
struct bench_size { const char *name; struct swax_config model; int length, batch, window; };
const char *bench_step(const struct bench *b, const struct bench_size *s, char *why);

#endif
