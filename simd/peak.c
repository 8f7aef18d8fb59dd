/* peak.c - multiply-adds as fast as this instruction set can: twelve chains in registers, of whole vectors. */
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
