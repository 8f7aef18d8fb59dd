/* steps.c - whole training steps as one CUDA graph and kernel by kernel: the bits must be the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/bench/steps.h"
#include "ref/network/network.h"
#include "ref/oracle/oracle.h"

extern const struct swax_tier swax_cuda_tier;

enum { STEPS = 6, SETTINGS = 16 };      /* a graph is recorded in the second step */

/* Networks whose windows, heads and documents reach each way in which attention goes, and every mixer */
static const struct step_case {
    const char *setting[SETTINGS];
    int B, T, window, document;         /* a document begins every so many tokens; 0: none does */
} step_cases[] = {
    { { "width", "256", "heads", "2", "mixers", "swa mlstm swa gdn" }, 1, 4200, 1030, 0 },
    { { "width", "256", "heads", "2", "mixers", "swa kda swa mlstm" }, 2, 900, 300, 130 },
    { { "width", "256", "heads", "2", "mixers", "swa mamba2 swa gla" }, 3, 500, 100, 0 },
    { { "width", "128", "heads", "2", "mixers", "swa gdn full kda" }, 3, 333, 64, 57 },
};

struct outcome { double loss[STEPS], norm[STEPS]; unsigned char *weights; size_t bytes; };

static void each_time(void **kept, void (*f)(void *arg), void *arg)
{
    (void)kept;
    f(arg);
}

static int train(const struct step_case *c, const struct swax_tier *tier, enum swax_precision p, struct outcome *o)
{
    struct swax_config config = swax_config_default();
    char why[SWAX_WHY];
    for (int i = 0; i < SETTINGS && c->setting[i]; i += 2)
        if (swax_config_set(&config, c->setting[i], c->setting[i + 1], why))
            return printf("  %s\n", why), 1;
    struct swax_network *n = swax_network_new(&config, tier, p, c->B, c->T, 1, why);
    if (!n)
        return printf("  %s\n", why), 1;
    swax_network_init(n, 1);
    const int N = c->B * c->T;
    int *token = malloc((size_t)(N + 1) * sizeof *token), *start = malloc((size_t)N * sizeof *start);
    for (int step = 0; step < STEPS && token && start; step++) {
        uint64_t s = (uint64_t)step + 1;
        for (int i = 0; i <= N; i++)
            token[i] = (int)(op_random(&s) % 256);
        for (int i = 0; i < N; i++)
            start[i] = c->document ? i % c->T / c->document * c->document : 0;
        const struct swax_batch b = { .B = c->B, .T = c->T, .window = c->window, .token = token, .target = token + 1,
                                      .start_attention = c->document ? start : NULL,
                                      .start_cell = c->document ? start : NULL };
        const struct swax_adamw how = { 1e-3, 0.9, 0.95, 1e-8, 0.1, 1 };
        swax_network_zero_gradient(n);
        o->loss[step] = swax_network_gradient(n, &b, 1.0 / N);
        o->norm[step] = swax_network_gradient_norm(n);
        swax_network_adamw(n, &how, step + 1);
    }
    int count;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    const size_t each = p == SWAX_PREC_F64 ? sizeof(double) : sizeof(float);
    size_t at = 0;
    o->bytes = swax_network_parameters(n) * each;
    o->weights = malloc(o->bytes);
    for (int i = 0; i < count && o->weights; at += (size_t)t[i++].size * each)
        swax_network_get(n, SWAX_WEIGHT, i, o->weights + at);
    const char *wrong = swax_network_trouble(n);
    const int failed = wrong || !o->weights || !token || !start;
    if (failed)
        printf("  %s\n", wrong ? wrong : "no memory");
    free(token);
    free(start);
    swax_network_free(n);
    return failed;
}

static int one_network(const struct step_case *c, enum swax_precision p)
{
    struct swax_memory one_by_one = *swax_cuda_tier.memory;
    one_by_one.again = each_time;
    struct swax_tier plain = swax_cuda_tier;
    plain.memory = &one_by_one;
    struct outcome as_graph = { .bytes = 0 }, by_kernel = { .bytes = 0 };
    int failed = train(c, &swax_cuda_tier, p, &as_graph) || train(c, &plain, p, &by_kernel);
    if (!failed && (memcmp(as_graph.loss, by_kernel.loss, sizeof as_graph.loss) ||
                    memcmp(as_graph.norm, by_kernel.norm, sizeof as_graph.norm) ||
                    memcmp(as_graph.weights, by_kernel.weights, as_graph.bytes))) {
        failed = 1;
        for (int step = 0; step < STEPS; step++)
            printf("  %s, %s, T %d, step %d: as a graph loss %.9g, norm %.9g; kernel by kernel %.9g, %.9g\n",
                   swax_precision_name[p], c->setting[5], c->T, step + 1, as_graph.loss[step], as_graph.norm[step],
                   by_kernel.loss[step], by_kernel.norm[step]);
    }
    free(as_graph.weights);
    free(by_kernel.weights);
    return failed;
}

int steps_as_a_graph(void)
{
    int failed = 0, all = 0;
    if (!swax_cuda_tier.usable()) {
        printf("no CUDA device of compute capability 8.0 or later\n");
        return 1;
    }
    for (int p = 0; p < SWAX_PRECISIONS; p++)
        for (size_t i = 0; i < sizeof step_cases / sizeof *step_cases; i++, all++)
            failed += one_network(&step_cases[i], (enum swax_precision)p);
    printf("%-18s  %d of %d networks take the same bits as a graph\n", "steps", all - failed, all);
    return failed > 0;
}
