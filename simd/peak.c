/* peak.c - multiply-adds as fast as this instruction set can: twelve chains in registers, of whole vectors. */
#include "simd/host/host.h"
#include "simd/peak.h"
#include "simd/vec.h"

enum { CHAINS = 12 };

INLINE void run_chains(long rounds, vec (*step)(vec a))
{
    vec a[CHAINS];
    for (int i = 0; i < CHAINS; i++)
        a[i] = vset((stat)i);
    for (long r = 0; r < rounds; r++)
        for (int i = 0; i < CHAINS; i++)
            a[i] = rounded(step(a[i]));
    volatile stat keep = 0;
    for (int i = 0; i < CHAINS; i++)
        keep = keep + vsum(a[i]);
}

INLINE vec floats(vec a) { return a * (stat)0.999 + (stat)0.001; }

double SWAX_PASTE(swax_peak_, SWAX_ISA)(long rounds);

/* Runs 12 x rounds vector multiply-adds in float; how many operations that was. */
double SWAX_PASTE(swax_peak_, SWAX_ISA)(long rounds)
{
    run_chains(rounds, floats);
    return 2.0 * VL * CHAINS * (double)rounds;
}

#ifdef __AVX512BF16__
INLINE vec pairs(vec a) { return (vec)_mm512_dpbf16_ps((__m512)a, (__m512bh)vset(1), (__m512bh)vset(1)); }

static double seconds(void (*chains)(void))
{
    const double start = swax_now();
    chains();
    return swax_now() - start;
}
static void run_floats(void) { run_chains(4000, floats); }
static void run_pairs(void) { run_chains(4000, pairs); }

int swax_pairs_pay(void)
{
    static int known;       /* 1: no, 2: yes */
    int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);
    double best[2] = { 1, 1 };
    for (int i = 0; i < 20 && !answer; i++) {
        const double now = seconds(i % 2 ? run_pairs : run_floats);
        best[i % 2] = now < best[i % 2] ? now : best[i % 2];
    }
    if (!answer)
        __atomic_store_n(&known, answer = best[1] < 1.6 * best[0] ? 2 : 1, __ATOMIC_RELAXED);
    return answer == 2;
}
#endif
