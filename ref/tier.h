/* tier.h - a tier: the table of kernels in each precision it offers, and where its arrays live.
 *
 * This is the precision-neutral side of the contract: code that compares tiers (the oracle, tests,
 * `swax verify`, `swax bench`) includes this and never names `real`. */
#ifndef SWAX_TIER_H
#define SWAX_TIER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct swax_kernels_f32;
struct swax_kernels_f64;
struct swax_kernels_bf16;

enum swax_precision { SWAX_PREC_F32, SWAX_PREC_F64, SWAX_PREC_BF16, SWAX_PRECISIONS };
extern const char *const swax_precision_name[SWAX_PRECISIONS];   /* "fp32" "fp64" "bf16" */

/* Where a tier's arrays live.  Host tiers have NULL: calloc, memcpy, memset. */
struct swax_memory {
    void *(*take)(size_t bytes);                             /* NULL if there is not that much */
    void (*give)(void *p);
    void (*put)(void *to, const void *from, size_t bytes); /* host to device; `from` may change then, if not pinned */
    void (*get)(void *to, const void *from, size_t bytes);   /* device to host; waits for the kernels */
    void (*zero)(void *p, size_t bytes);
    const char *(*trouble)(void);                            /* NULL, or a sentence: what went wrong since last asked */
    const char *(*where)(void);         /* "NVIDIA H100 80GB HBM3, 85.0 GB, compute capability 9.0" */
    /* f(arg), which starts kernels and zeroes, and does so alike each time that it is called with the same *kept: that
     * begins as NULL, and is what the tier remembers, so that the device is told all at once; forget gives it back */
    void (*again)(void **kept, void (*f)(void *arg), void *arg);
    void (*forget)(void *kept);
    int (*shared)(void);                                     /* do kernels of other processes run beside this one's? */
};

/* What a host tier uses beyond ISO C. */
struct swax_host {
    /* run f(0, arg) .. f(n-1, arg), at most `workers` of them at a time; they must not depend on each other.  From
     * inside a piece, or a parallel region of the caller's, a plain loop */
    void (*each)(int n, int workers, void (*f)(int i, void *arg), void *arg);
    int (*workers)(void);                /* that there are here and now: 1 where each is a plain loop */
    int (*worker)(void);                 /* which of them runs this piece, from 0 */
    void (*large)(void *p, size_t bytes);    /* p will be used from end to end: map it in large pages */
};

struct swax_tier {
    const char *name;                      /* "ref", "avx2", "avx512", "neon", "cuda" */
    int (*usable)(void);                   /* does this machine have it?  Called in the process that will use it */
    const struct swax_kernels_f32 *f32;    /* NULL table: precision not offered.  On a host tier a NULL slot */
    const struct swax_kernels_f64 *f64;    /*   means the reference's kernel (f32, f64), through swax_tier_*; */
    const struct swax_kernels_bf16 *bf16;  /*   bf16 tables, and tiers with their own memory, fill every slot */
    const struct swax_memory *memory;
    const struct swax_host *host;          /* NULL: one piece after the other, pages as they come */
};

extern const struct swax_tier *const swax_tiers[];   /* slowest first, [0] is "ref"; what this build holds */
extern const int swax_n_tiers;

/* The tier of that name, or, for NULL, of $SWAX_TIER, or the fastest usable.  NULL result: *wrong is a sentence. */
const struct swax_tier *swax_tier_find(const char *name, const char **wrong);

/* p[0..bytes) = 0, where the tier's arrays live, by all the workers there are. */
void swax_tier_zero(const struct swax_tier *tier, void *p, size_t bytes);

/* The tier's table, on a host tier with the reference in its empty slots (bf16 has none). */
void swax_tier_f32(const struct swax_tier *tier, struct swax_kernels_f32 *table);
void swax_tier_f64(const struct swax_tier *tier, struct swax_kernels_f64 *table);
void swax_tier_bf16(const struct swax_tier *tier, struct swax_kernels_bf16 *table);

#ifdef __cplusplus
}
#endif

#endif
