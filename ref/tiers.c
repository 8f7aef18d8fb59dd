/* tiers.c - the tiers of this build, and the one to use.  The only file that names them. */
#include "ref/tier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const swax_precision_name[SWAX_PRECISIONS] = { "fp32", "fp64", "bf16" };

extern const struct swax_kernels_f32 swax_ref_f32;
extern const struct swax_kernels_f64 swax_ref_f64;

static int always(void) { return 1; }

static const struct swax_tier ref = { .name = "ref", .usable = always, .f32 = &swax_ref_f32, .f64 = &swax_ref_f64 };

/* simd/: one table per instruction set and precision, the question whether this machine has it, and threads.  What
 * an instruction set does not change, it takes from another: `wide`. */
#define HOST_TIER(isa, wide)                                                                              \
    extern const struct swax_kernels_f32 swax_##wide##_f32;                                               \
    extern const struct swax_kernels_f64 swax_##wide##_f64;                                               \
    extern const struct swax_kernels_bf16 swax_##isa##_bf16;                                              \
    int swax_##isa##_usable(void);                                                                        \
    static const struct swax_tier isa = {                                                                 \
        .name = #isa, .usable = swax_##isa##_usable, .f32 = &swax_##wide##_f32, .f64 = &swax_##wide##_f64, \
        .bf16 = &swax_##isa##_bf16, .host = &swax_host                                                    \
    };

#if defined SWAX_HAVE_avx2 || defined SWAX_HAVE_avx512 || defined SWAX_HAVE_avx512bf16 || defined SWAX_HAVE_neon
extern const struct swax_host swax_host;
#endif
#ifdef SWAX_HAVE_avx2
HOST_TIER(avx2, avx2)
#endif
#ifdef SWAX_HAVE_avx512
HOST_TIER(avx512, avx512)
#endif
#ifdef SWAX_HAVE_avx512bf16
HOST_TIER(avx512bf16, avx512)
#endif
#ifdef SWAX_HAVE_neon
HOST_TIER(neon, neon)
#endif
#ifdef SWAX_HAVE_cuda
extern const struct swax_tier swax_cuda_tier;
#endif

const struct swax_tier *const swax_tiers[] = {
    &ref,
#ifdef SWAX_HAVE_avx2
    &avx2,
#endif
#ifdef SWAX_HAVE_avx512
    &avx512,
#endif
#ifdef SWAX_HAVE_avx512bf16
    &avx512bf16,
#endif
#ifdef SWAX_HAVE_neon
    &neon,
#endif
#ifdef SWAX_HAVE_cuda
    &swax_cuda_tier,
#endif
};
const int swax_n_tiers = sizeof swax_tiers / sizeof swax_tiers[0];

const struct swax_tier *swax_tier_find(const char *name, const char **wrong)
{
    const char *chosen = getenv("SWAX_TIER"), *wanted = name ? name : chosen && *chosen ? chosen : NULL;
    static char sentence[256];
    int built = 0;
    for (int i = swax_n_tiers - 1; i >= 0; i--)
        if (swax_tiers[i]->usable() && (!wanted || !strcmp(wanted, swax_tiers[i]->name)))
            return swax_tiers[i];
    for (int i = 0; i < swax_n_tiers; i++)
        built |= !strcmp(wanted, swax_tiers[i]->name);
    int n = snprintf(sentence, sizeof sentence, built ? "this machine cannot run the tier %.40s; it can run:"
                                                      : "no tier is called %.40s in this build; this machine can run:",
                     wanted);
    for (int i = 0; i < swax_n_tiers; i++)
        if (swax_tiers[i]->usable())
            n += snprintf(sentence + n, sizeof sentence - (size_t)n, " %s", swax_tiers[i]->name);
    *wrong = sentence;
    return NULL;
}

struct zeros { char *p; size_t bytes; };
enum { ZEROS = 1 << 20 };

static void some_zeros(int i, void *arg)
{
    const struct zeros *z = arg;
    const size_t from = (size_t)i * ZEROS;
    memset(z->p + from, 0, z->bytes - from < ZEROS ? z->bytes - from : ZEROS);
}

void swax_tier_zero(const struct swax_tier *tier, void *p, size_t bytes)
{
    struct zeros z = { p, bytes };
    if (tier->memory)
        tier->memory->zero(p, bytes);
    else if (tier->host && bytes > ZEROS)
        tier->host->each((int)((bytes - 1) / ZEROS + 1), tier->host->workers(), some_zeros, &z);
    else
        memset(p, 0, bytes);
}
