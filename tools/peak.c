/* peak.c - how fast this machine can multiply. */
#include "peak.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "../ref/kernels.h"
#include "threads.h"

enum { SIZE = 192, ROUNDS = 16 };      /* three matrices of 144 KiB: a second-level cache holds them */

struct work { struct swax_kernels_f32 k; float *room; int repeats; };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void multiply(int i, void *arg)
{
    const struct work *w = arg;
    float *y = w->room + (size_t)i * 3 * SIZE * SIZE, *x = y + SIZE * SIZE, *matrix = x + SIZE * SIZE;
    for (int r = 0; r < w->repeats; r++)
        w->k.linear_forward(y, x, matrix, NULL, SIZE, SIZE, SIZE);
}

static double round_time(const struct swax_tier *tier, struct work *w, int threads)
{
    const double since = now();
    if (tier->each)
        tier->each(threads, multiply, w);
    else
        multiply(0, w);
    return now() - since;
}

double peak_measure(const struct swax_tier *tier)
{
    const int threads = tier->each ? threads_used() : 1;
    struct work w = {.repeats = 1};
    if (tier->memory || !tier->f32)
        return 0;
    swax_tier_f32(tier, &w.k);
    w.room = calloc((size_t)threads * 3 * SIZE * SIZE, sizeof *w.room);
    if (!w.room)
        return 0;
    multiply(0, &w);
    const double since = now();
    multiply(0, &w);
    w.repeats = (int)(0.005 / (now() - since)) + 1;      /* a round takes about 5 ms */
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        const double rate = 2.0 * SIZE * SIZE * SIZE * w.repeats * threads / round_time(tier, &w, threads);
        best = rate > best ? rate : best;
    }
    free(w.room);
    return best;
}
