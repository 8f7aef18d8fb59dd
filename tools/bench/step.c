/* step.c - whole training steps, those of `swax train`, on random tokens: of four networks, or of any. */
#include "tools/bench/bench.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ref/network/network.h"
#include "tools/lib/random.h"
#include "tools/lib/say.h"

static const struct size {
    const char *name;
    int width, layers, heads, T, B, window;
} sizes[] = {
    {"micro",  64, 4, 4,  256, 4,  64},
    {"tiny",  128, 4, 4,  512, 8,  64},
    {"small", 256, 6, 4, 1024, 4, 128},
    {"base",  512, 8, 4, 1024, 2, 128},
};

/* The one of that name, or the one of those six numbers. */
static int find(struct size *s, const char *config)
{
    int end = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (!strcmp(sizes[i].name, config)) {
            *s = sizes[i];
            return 1;
        }
    s->name = config;
    sscanf(config, "%6d %6d %6d %6d %6d %6d%n", &s->width, &s->layers, &s->heads, &s->T, &s->B, &s->window, &end);
    return end > 0 && !config[end] && s->width > 0 && s->layers > 0 && s->layers <= SWAX_LAYERS
        && s->heads > 0 && s->T > 0 && s->B > 0 && s->B < INT_MAX / s->T && s->window > 0;
}

static struct swax_config config_of(const struct size *s)
{
    struct swax_config c = swax_config_default();
    c.vocabulary = 256;
    c.width = s->width;
    c.layers = s->layers;
    for (int l = 0; l < s->layers; l++)
        c.mixer[l] = l % 2 ? SWAX_MLSTM : SWAX_SWA;
    c.heads = c.cell_heads = s->heads;
    c.ffn_width = c.kv_heads = c.head_dim = c.key_dim = c.value_dim = 0;
    return c;
}

static double one_step(struct swax_network *n, const struct swax_batch *batch, int step)
{
    const struct swax_adamw o = { 1e-3, 0.9, 0.95, 1e-8, 0.1, 1 };
    const double start = bench_now();
    swax_network_zero_gradient(n);
    swax_network_gradient(n, batch, 1.0 / ((double)batch->B * batch->T));
    swax_network_gradient_norm(n);
    swax_network_adamw(n, &o, step);
    return bench_now() - start;
}

static void report(const struct bench *b, const struct size *s, double seconds, double flops, size_t bytes)
{
    const double rate = s->B * s->T / seconds, gflops = rate * flops / 1e9;
    if (b->json)
        printf("{\"config\": \"%s\", \"tier\": \"%s\", \"precision\": \"%s\", \"threads\": %d, \"ms_per_step\": %.4g, "
               "\"tokens_per_s\": %.6g, \"gflops\": %.5g, \"peak_gflops\": %.5g, \"peak_fraction\": %.4g}\n",
               s->name, b->tier->name, swax_precision_name[b->precision], b->threads, seconds * 1e3, rate, gflops,
               b->peak, bench_share(b, gflops));
    else
        printf("%-6s width %4d, %d x %d tokens: %8.2f ms a step, %8.0f tokens/s, %6.1f GFLOP/s, %.1f %% of the peak, %.0f MB\n",
               s->name, s->width, s->B, s->T, seconds * 1e3, rate, gflops, 100 * bench_share(b, gflops), (double)bytes / 1e6);
}

const char *bench_step(const struct bench *b, const char *config, char *why)
{
    enum { MOST = 1000 };
    struct size size, *const s = &size;
    if (!find(s, config))
        return say(why, "config=%.60s: it is micro, tiny, small, base, or six numbers: \"width layers heads tokens sequences window\".", config);
    const struct swax_config c = config_of(s);
    struct swax_network *n = swax_network_new(&c, b->tier, b->precision, s->B, s->T, 1, why);
    int *token = malloc((size_t)(s->B * s->T + 1) * sizeof *token), runs = 0;
    double times[MOST], total = 0;
    if (!n || !token) {
        free(token);
        swax_network_free(n);
        return n ? say(why, "There is no memory for the tokens.") : why;
    }
    struct random r = random_open(1, RANDOM_TRAIN, 0);
    for (int t = 0; t <= s->B * s->T; t++)
        token[t] = (int)random_below(&r, 256);
    const struct swax_batch batch = { .B = s->B, .T = s->T, .window = s->window, .token = token, .target = token + 1 };
    swax_network_init(n, 1);
    one_step(n, &batch, 1);                            /* brings the pages */
    while (runs < 3 || (total < b->seconds && runs < MOST))
        total += times[runs] = one_step(n, &batch, runs + 2), runs++;
    report(b, s, bench_median(times, runs), swax_network_flops(swax_network_config(n), s->T, s->window, 1), swax_network_bytes(n));
    swax_network_free(n);
    free(token);
    return NULL;
}
