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

/* The useful multiply-adds, two each, as swax_network_flops counts them; 0 for what only passes over its arrays. */
static double flops(const struct op_spec *op, const int *d)
{
    const int back = strstr(op->name, "_backward") != NULL;
    if (!strncmp(op->name, "linear", 6) || !strncmp(op->name, "readout", 7))
        return (back ? 4.0 : 2.0) * d[0] * d[1] * d[2];
    if (!strncmp(op->name, "attention", 9)) {
        const double T = d[1], W = d[6] < T ? d[6] : T, keys = W - W * (W - 1) / (2 * T);
        return (back ? 8 : 4) * keys * T * d[0] * d[3] * d[5];
    }
    if (!strncmp(op->name, "mlstm", 5)) {
        const double K = d[3], V = d[4], L = d[5] < d[1] ? d[5] : d[1];
        return (back ? L * (3*K + 2*V) + 8*K*V : L * (K + V) + 4*K*V) * d[0] * d[1] * d[2];
    }
    if (!strncmp(op->name, "delta", 5)) {
        const double K = d[4], V = d[5], L = d[7] < d[1] ? d[7] : d[1];
        return (back ? L * (6*K + 4*V) + 12*K*V : 2*L * (K + V) + 6*K*V) * d[0] * d[1] * d[2];
    }
    return 0;
}

/* Calls are timed in bundles, of some 100 microseconds as reading the clock must not count, or, on a device, of some
 * milliseconds: a bundle ends when all its kernels have. */
struct stopwatch {
    const struct swax_memory *memory;
    const char *trouble;
    double seconds, started, last, times[2000];
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
    s->last = clock_seconds();
    return s->runs < 3 || (s->runs < 2000 && s->last - s->started < s->seconds);
}

/* Seconds of a call of c's kernel: a median.  *trouble: NULL or a sentence. */
static double time_of(const struct bench *b, struct op_case *c, const char **trouble)
{
    struct stopwatch s = { .memory = b->tier->memory, .seconds = b->seconds };
    c->again = again;
    c->again_arg = &s;
    *trouble = op_run(b->tier, b->precision, c);
    *trouble = *trouble ? *trouble : s.trouble;
    return *trouble ? 0 : bench_median(s.times, s.runs);
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

static const char *one(const struct bench *b, int op, const int *dims, char *why)
{
    struct op_case c;
    char text[200] = "";
    c.op = op;
    memcpy(c.dims, dims, sizeof c.dims);
    op_default_scalars(&c);
    const char *trouble = op_draw_for_timing(&c, usual_arguments(&swax_ops[op]), b->tier, b->precision);
    const double t = trouble ? 0 : time_of(b, &c, &trouble);
    if (trouble) {
        say(why, "%s", trouble);
        op_case_free(&c);
        return why;
    }
    const double gflops = flops(&swax_ops[op], dims) / t / 1e9;
    const double gbs = op_case_bytes(&c, b->precision) / t / 1e9, fraction = gflops > 0 ? bench_share(b, gflops)
                                                                                : gbs / b->bandwidth;
    for (size_t i = 0, n = 0; i < strlen(swax_ops[op].dims); i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%c=%d", i ? " " : "", swax_ops[op].dims[i], dims[i]);
    if (b->json)
        printf("{\"op\": \"%s\", \"tier\": \"%s\", \"precision\": \"%s\", \"dims\": \"%s\", \"threads\": %d, \"ms\": "
               "%.5g, "
               "\"gflops\": %.5g, \"gbs\": %.5g, \"peak_fraction\": %.4g}\n", swax_ops[op].name, b->tier->name,
               swax_precision_name[b->precision], text, b->threads, t * 1e3, gflops, gbs, fraction);
    else
        printf("%-19s %-36s %9.4f ms %7.1f GFLOP/s %7.1f GB/s  %5.1f %% of the %s\n", swax_ops[op].name, text, t * 1e3,
               gflops, gbs, 100 * fraction, gflops > 0 ? "peak" : "memory's");
    op_case_free(&c);
    return NULL;
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

static double fill_and_time(const struct bench *b, const char *name, const int *dims, char *why)
{
    struct op_case c;
    const char *trouble;
    c.op = op_find(name);
    memcpy(c.dims, dims, sizeof c.dims);
    op_case_alloc(&c, 0);
    bench_fill(&c);
    const double t = time_of(b, &c, &trouble);
    if (trouble)
        say(why, "%s", trouble);
    op_case_free(&c);
    return trouble ? 0 : t;
}

const char *bench_device_rates(struct bench *b, char *why)
{
    static const int product[OP_DIMS] = { 8192, 8192, 8192 }, sum[OP_DIMS] = { 1 << 26 };
    static const double real[] = { 4, 8, 2 };
    struct bench briefly = *b;
    briefly.seconds = 0.2;
    const double t = fill_and_time(&briefly, "linear_forward", product, why);
    const double u = t > 0 ? fill_and_time(&briefly, "add_forward", sum, why) : 0;
    if (u <= 0)
        return why;
    b->peak = 2.0 * product[0] * product[1] * product[2] / t / 1e9;
    b->bandwidth = 3 * real[b->precision] * sum[0] / u / 1e9;
    return NULL;
}
