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

/* A thousand normals that bf16 holds, over and over, into each array: a card slows down for numbers that differ, but
 * need not be given 2^26 different ones. */
struct op_case;
void bench_fill(struct op_case *c);

/* peak and bandwidth of a device: what a product of `side` rows, columns and terms reaches, and a sum of `numbers`.
 * NULL or a sentence. */
enum { BENCH_SIDE = 8192, BENCH_NUMBERS = 1 << 26 };
const char *bench_device_rates(struct bench *b, int side, int numbers, char *why);

/* peak and bandwidth of the machine that the tier runs on, and unless json a line that says them.  NULL or a
 * sentence. */
const char *bench_measure(struct bench *b, int side, int numbers, char *why);

/* linear_forward and linear_backward of a host's tier, in float, over the sizes that networks have, beside cblas_sgemm
 * of the library `peer`. */
const char *bench_gemm(const struct bench *b, const char *peer, char *why);
/* The same over sizes of one's own, y (N,O), x (N,I), w (O,I), beside that function (or NULL) of the library `name`. */
struct bench_product { int N, O, I; };
typedef void bench_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
                         const float *b, int ldb, float beta, float *c, int ldc);
const struct bench_product *bench_gemm_sizes(int *n);      /* those that networks have */
const char *bench_products(const struct bench *b, const struct bench_product *of, int n, bench_sgemm *peer,
                           const char *name, char *why);

/* Whole training steps of a network. */
struct bench_size { const char *name; struct swax_config model; int length, batch, window; };
const char *bench_step(const struct bench *b, const struct bench_size *s, char *why);

#endif
