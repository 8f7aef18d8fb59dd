/* measure_peak.c - what this machine could do at best, measured: multiply-adds a second, bytes a second. */
#include "simd/peak.h"

#include <stdlib.h>
#include <string.h>
#include "simd/host/host.h"

#ifndef SWAX_TIERS
#define SWAX_TIERS
#endif
/* SWAX_TIERS is LOOP(avx2) LOOP(avx512) ...: the tiers of this build, from the Makefile */
#define LOOP(isa) double swax_peak_##isa(long rounds);
SWAX_TIERS
#undef LOOP
#define LOOP(isa) { #isa, swax_peak_##isa },
static const struct { const char *tier; double (*run)(long rounds); } loops[] = { SWAX_TIERS { NULL, NULL } };
#undef LOOP

struct peak_job { double (*run)(long rounds); double done[SWAX_PEAK_THREADS]; };

static void peak_part(int i, void *arg)
{
    struct peak_job *j = arg;
    j->done[i] = j->run(2000000);
}

double swax_peak_gflops(const char *tier, int threads)
{
    struct peak_job j = { NULL, { 0 } };
    double best = 0;
    for (int i = 0; loops[i].tier; i++)
        if (!strcmp(loops[i].tier, tier))
            j.run = loops[i].run;
    for (int round = 0; round < 12 && j.run; round++) {
        const double start = swax_now();
        double done = 0;
        swax_host.each(threads, threads, peak_part, &j);
        const double seconds = swax_now() - start;
        for (int i = 0; i < threads; i++)
            done += j.done[i];
        best = done / seconds > best ? done / seconds : best;
    }
    return best / 1e9;
}

struct triad { double *a, *b, *c; size_t part; };

static void triad_part(int i, void *arg)
{
    const struct triad *t = arg;
    double *a = t->a + (size_t)i * t->part, *b = t->b + (size_t)i * t->part, *c = t->c + (size_t)i * t->part;
    for (size_t e = 0; e < t->part; e++)
        a[e] = b[e] + 0.5 * c[e];
}

double swax_bandwidth_gbs(int threads)
{
    const size_t n = (size_t)1 << 23;                  /* 64 MiB an array */
    double *memory = calloc(3 * n, sizeof *memory), best = 0;
    if (!memory)
        return 0;
    struct triad t = { memory, memory + n, memory + 2 * n, n / (size_t)threads };
    for (int round = 0; round < 5; round++) {
        const double start = swax_now();
        swax_host.each(threads, threads, triad_part, &t);
        const double rate = 3 * (double)t.part * threads * sizeof(double) / (swax_now() - start);
        best = round && rate > best ? rate : best;     /* the first round brings the pages */
    }
    free(memory);
    return best / 1e9;
}
