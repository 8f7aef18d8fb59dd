/* peak.c - multiply-adds as fast as this instruction set can: twelve chains in registers, of whole vectors. */
#include <time.h>
#include "peak.h"
#include "vec.h"

double SWAX_PASTE(swax_peak_, SWAX_ISA)(long rounds);

/* Runs 12 x rounds vector multiply-adds in float; how many operations that was. */
double SWAX_PASTE(swax_peak_, SWAX_ISA)(long rounds)
{
    enum { CHAINS = 12 };
    vec a[CHAINS], by = vset((stat)0.999), plus = vset((stat)0.001);
    for (int i = 0; i < CHAINS; i++)
        a[i] = vset((stat)i);
    for (long r = 0; r < rounds; r++)
        for (int i = 0; i < CHAINS; i++)
            a[i] = rounded(a[i] * by + plus);
    volatile stat keep = 0;
    for (int i = 0; i < CHAINS; i++)
        keep = keep + vsum(a[i]);
    return 2.0 * VL * CHAINS * (double)rounds;
}

#ifdef __AVX512BF16__
INLINE double seconds_for(int pairs)
{
    struct timespec from, to;
    vec a[12] = {{0}};
    const vec b = vset(1);
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int r = 0; r < 500; r++)
        for (int i = 0; i < 12; i++)
            a[i] = rounded(pairs ? (vec)_mm512_dpbf16_ps((__m512)a[i], (__m512bh)b, (__m512bh)b) : a[i] + a[i] * b);
    clock_gettime(CLOCK_MONOTONIC, &to);
    return (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
}

int swax_pairs_pay(void)
{
    static int known;       /* 1: no, 2: yes */
    int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);
    double best[2] = { 1, 1 };
    for (int i = 0; i < 20 && !answer; i++) {
        const double now = i % 2 ? seconds_for(1) : seconds_for(0);
        best[i % 2] = now < best[i % 2] ? now : best[i % 2];
    }
    if (!answer)
        __atomic_store_n(&known, answer = best[1] < 1.6 * best[0] ? 2 : 1, __ATOMIC_RELAXED);
    return answer == 2;
}
#endif
