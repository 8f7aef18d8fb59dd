/* step.c - whole training steps, those of `swax train`, on random tokens. */
#include "tools/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include "ref/network/network.h"
#include "ref/oracle/oracle.h"
#include "tools/lib/random.h"
#include "tools/lib/clock.h"
#include "tools/lib/json.h"

/* It takes as long whichever step it is. */
static double one_step(struct swax_network *n, const struct swax_batch *batch)
{
    const struct swax_adamw o = { 1e-3, 0.9, 0.95, 1e-8, 0.1, 1 };
    const double start = clock_seconds();
    swax_network_zero_gradient(n);
    swax_network_gradient(n, batch, 1.0 / ((double)batch->B * batch->T));
    swax_network_gradient_norm(n);
    swax_network_adamw(n, &o, 1);
    return clock_seconds() - start;
}

static void report(const struct bench *b, const struct bench_size *s, double seconds, double flops, size_t bytes)
{
    const double rate = (double)s->batch * s->length / seconds, gflops = rate * flops / 1e9;
    if (b->json) {
        fputs("{\"config\": ", stdout);
        json_write_string(stdout, s->name);                /* which may be a path */
        printf(", \"tier\": \"%s\", \"precision\": \"%s\", \"threads\": %d, \"ms_per_step\": %.4g, "
               "\"tokens_per_s\": %.6g, \"gflops\": %.5g, \"peak_gflops\": %.5g, \"peak_fraction\": %.4g}\n",
               b->tier->name, swax_precision_name[b->precision], b->threads, seconds * 1e3, rate, gflops, b->peak,
               bench_share(b, gflops));
    } else
        printf("%-6s width %4d, %d x %d tokens: %8.2f ms a step, %8.0f tokens/s, %6.1f GFLOP/s, %.1f %% of the peak, "
               "%.0f MB\n",
               s->name, s->model.width, s->batch, s->length, seconds * 1e3, rate, gflops, 100 * bench_share(b, gflops),
                   (double)bytes / 1e6);
}

const char *bench_step(const struct bench *b, const struct bench_size *s, char *why)
{
    enum { MOST = 1000 };
    const int B = s->batch, T = s->length;
    struct swax_network *n = swax_network_new(&s->model, b->tier, b->precision, B, T, 1, why);
    if (!n)
        return why;
    int *token = op_take((size_t)B * (size_t)T, sizeof *token), runs = 0;
    double times[MOST], total = 0;
    struct random r = random_open(1, RANDOM_TRAIN, 0);
    for (int t = 0; t < B * T; t++)
        token[t] = (int)random_below(&r, (uint64_t)s->model.vocabulary);
    /* as long whatever the targets are */
    const struct swax_batch batch = { .B = B, .T = T, .window = s->window, .token = token, .target = token };
    swax_network_init(n, 1);
    one_step(n, &batch);                            /* brings the pages */
    while (!bench_enough(runs, 3, MOST, total, b->seconds))
        total += times[runs] = one_step(n, &batch), runs++;
    report(b, s, bench_median(times, runs), swax_network_flops(swax_network_config(n), T, s->window, 1),
           swax_network_bytes(n));
    swax_network_free(n);
    free(token);
    return NULL;
}
