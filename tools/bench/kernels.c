/* kernels.c - one kernel after the other, through the oracle's caller. */
#include "tools/bench/bench.h"

#include <stdio.h>
#include <string.h>
#include "ref/oracle/oracle.h"
#include "tools/lib/clock.h"
#include "tools/lib/say.h"

/* A network of width 256 on one sequence of 1024 tokens: its layers' sizes. */
static const struct { const char *op; int dims[OP_DIMS]; } usual[] = {
    {"embed_forward", {1024, 256, 256}},    {"linear_forward", {1024, 256, 256}},
       {"readout_forward", {1024, 256, 256}},
    {"rmsnorm_forward", {1024, 256}},       {"headnorm_forward", {1024, 4, 64, 1}},
     {"rope_forward", {1, 1024, 4, 64, 0}},
    {"attention_forward", {1, 1024, 1024, 4, 4, 64, 128}},
                              {"mlstm_forward", {1, 1024, 4, 32, 64, 64, 0}},
    {"delta_forward", {1, 1024, 4, 4, 64, 64, 1, 64, 1}},
    {"conv_forward", {1, 1024, 1024, 256, 4}}, {"decay_forward", {1024, 4, 1}},      {"strength_forward", {4096}},
    {"softcap_forward", {4096}},            {"gate_forward", {1024 * 256}},          {"swiglu_forward", {1024 * 704}},
    {"skip_forward", {1024, 4, 64}},
    {"add_forward", {1024 * 256}},          {"xent_forward", {1024, 256}},           {"sqsum", {65536}},
    {"accumulate", {65536}},                {"cast", {65536}},                       {"adamw", {65536, 1}},
};

static const int *usual_dims(int op)
{
    const int forward = op_forward_of(op);
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (!strcmp(usual[i].op, swax_ops[forward < 0 ? op : forward].name))
            return usual[i].dims;
    return NULL;
}

static int begins(const struct op_spec *op, const char *with) { return !strncmp(op->name, with, strlen(with)); }

/* The useful multiply-adds, two each, as swax_network_flops counts them; 0 for what only passes over its arrays. */
static double flops(const struct op_spec *op, const int *d)
{
    const int back = strstr(op->name, "_backward") != NULL;
    if (begins(op, "linear") || begins(op, "readout"))
        return (back ? 4.0 : 2.0) * d[0] * d[1] * d[2];
    if (begins(op, "attention")) {
        const double T = d[1], W = d[6] < T ? d[6] : T, keys = W - W * (W - 1) / (2 * T);
        return (back ? 8 : 4) * keys * T * d[0] * d[3] * d[5];
    }
    if (begins(op, "mlstm")) {
        const double K = d[3], V = d[4], L = d[5] < d[1] ? d[5] : d[1];
        return (back ? L * (3*K + 2*V) + 8*K*V : L * (K + V) + 4*K*V) * d[0] * d[1] * d[2];
    }
    if (begins(op, "delta")) {
        const double K = d[4], V = d[5], L = d[7] < d[1] ? d[7] : d[1];
        return (back ? L * (6*K + 4*V) + 12*K*V : 2*L * (K + V) + 6*K*V) * d[0] * d[1] * d[2];
    }
    return 0;
}

/* Calls are timed in bundles, of some 100 microseconds as reading the clock must not count, or, on a device, of some
 * milliseconds: a bundle ends when all its kernels have. */
enum { MOST = 2000 };
struct stopwatch {
    const struct swax_memory *memory;
    const char *trouble;
    double seconds, started, last, times[MOST];
    int runs, bundle, inside;       /* bundle 0: the first call, which warms up */
};

static int again(void *arg)
{
    struct stopwatch *s = arg;
    if (++s->inside < s->bundle)
        return 1;
    if (s->memory && (s->trouble = s->memory->trouble()) != NULL)
        return 0;
    const double now = clock_seconds(), passed = now - s->last;
    if (s->bundle == 0)
        s->started = now, s->bundle = 1;
    else if (s->runs == 0 && passed < (s->memory ? 2e-3 : 1e-4))
        s->bundle *= 2;
    else
        s->times[s->runs++] = passed / s->bundle;
    s->inside = 0;
    s->last = now;
    return !bench_enough(s->runs, 3, MOST, now - s->started, s->seconds);
}

/* What a call of a kernel takes, a median, and what it does in that time: in units of 1e9, operations and bytes a
 * second. */
struct speed { double seconds, gflops, gbs; };

/* NULL or a sentence. */
static const char *time_of(const struct bench *b, struct op_case *c, struct speed *speed)
{
    struct stopwatch s = { .memory = b->tier->memory, .seconds = b->seconds };
    c->again = again;
    c->again_arg = &s;
    const char *trouble = op_run(b->tier, b->precision, c);
    if (trouble || s.trouble)
        return trouble ? trouble : s.trouble;
    speed->seconds = bench_median(s.times, s.runs);
    speed->gflops = flops(&swax_ops[c->op], c->dims) / speed->seconds / 1e9;
    speed->gbs = op_case_bytes(c, b->precision) / speed->seconds / 1e9;
    return NULL;
}

/* What a training step gives a kernel: places for all that it saves, and adamw the norm, without which it does not
 * clip. */
static unsigned usual_arguments(const struct op_spec *op)
{
    unsigned optional = 0;
    for (int i = 0; i < op_args(op); i++)
        if (op->arg[i].role == OUT || !strcmp(op->arg[i].name, "sum"))
            optional |= 1u << op->arg[i].optional;
    return optional;
}

static void report(const struct bench *b, const struct op_case *c, const struct speed *s)
{
    const struct op_spec *op = &swax_ops[c->op];
    const double fraction = s->gflops > 0 ? bench_share(b, s->gflops) : s->gbs / b->bandwidth;
    char dims[200];
    for (size_t i = 0, n = 0; i < strlen(op->dims); i++)
        n += (size_t)snprintf(dims + n, sizeof dims - n, "%s%c=%d", i ? " " : "", op->dims[i], c->dims[i]);
    if (b->json)
        printf("{\"op\": \"%s\", \"tier\": \"%s\", \"precision\": \"%s\", \"dims\": \"%s\", \"threads\": %d, \"ms\": "
               "%.5g, \"gflops\": %.5g, \"gbs\": %.5g, \"peak_fraction\": %.4g}\n", op->name, b->tier->name,
               swax_precision_name[b->precision], dims, b->threads, s->seconds * 1e3, s->gflops, s->gbs, fraction);
    else
        printf("%-19s %-36s %9.4f ms %7.1f GFLOP/s %7.1f GB/s  %5.1f %% of the %s\n", op->name, dims,
               s->seconds * 1e3, s->gflops, s->gbs, 100 * fraction, s->gflops > 0 ? "peak" : "memory's");
}

static const char *one(const struct bench *b, int op, const int *dims, char *why)
{
    struct op_case c = {.op = op};
    struct speed speed;
    memcpy(c.dims, dims, sizeof c.dims);
    op_default_scalars(&c);
    const char *trouble = op_draw_for_timing(&c, usual_arguments(&swax_ops[op]), b->tier, b->precision);
    trouble = trouble ? trouble : time_of(b, &c, &speed);
    if (trouble)
        say(why, "%s", trouble);
    else
        report(b, &c, &speed);
    op_case_free(&c);
    return trouble ? why : NULL;
}

const char *bench_kernels(const struct bench *b, int op, const int *dims, char *why)
{
    const char *wrong = NULL;
    for (int i = 0; i < swax_n_ops && !wrong; i++) {
        const int *d = dims ? dims : usual_dims(i);
        if (op >= 0 ? i == op : op_present(b->tier, b->precision, i))
            wrong = one(b, i, d, why);
    }
    return wrong;
}

void bench_fill(struct op_case *c)
{
    enum { DIFFERENT = 1000 };
    for (int i = 0; i < c->n; i++) {
        uint64_t s = (uint64_t)i;
        for (long e = 0; e < c->size[i] && c->arg[i]; e++)
            c->arg[i][e] = e < DIFFERENT ? op_round(op_normal(&s), REAL, SWAX_PREC_BF16) : c->arg[i][e - DIFFERENT];
    }
}

static const char *fill_and_time(const struct bench *b, const char *name, int size, struct speed *speed, char *why)
{
    struct op_case c = {.op = op_find(name)};
    for (int i = 0; swax_ops[c.op].dims[i]; i++)
        c.dims[i] = size;
    op_case_alloc(&c, 0);
    bench_fill(&c);
    const char *trouble = time_of(b, &c, speed);
    if (trouble)
        say(why, "%s", trouble);
    op_case_free(&c);
    return trouble ? why : NULL;
}

const char *bench_device_rates(struct bench *b, int side, int numbers, char *why)
{
    struct bench briefly = *b;
    struct speed product, sum;
    briefly.seconds = 0.2;
    if (fill_and_time(&briefly, "linear_forward", side, &product, why) ||
        fill_and_time(&briefly, "add_forward", numbers, &sum, why))
        return why;
    b->peak = product.gflops;
    b->bandwidth = sum.gbs;
    return NULL;
}
