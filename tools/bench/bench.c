/* bench.c - swax bench: how fast are the kernels, and how fast could they be? */
#include "tools/bench/bench.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ref/oracle/opspec.h"
#include "simd/peak.h"
#include "tools/lib/clock.h"
#include "tools/lib/commands.h"
#include "tools/lib/configs.h"
#include "tools/lib/network_keys.h"
#include "tools/lib/say.h"
#include "tools/lib/sort.h"
#include "tools/lib/threads.h"
#include "tools/verify/verify.h"

struct asked {
    char kernel[KEY_TEXT], dims[KEY_TEXT], peer[KEY_TEXT], tier[16];
    int threads;
    struct bench b;
    struct bench_size size;
};

enum { ALL = 1, GEMM = 2, STEP = 4 };      /* whose key it is: `swax bench` alone, its gemm, its step */

static const struct key rows[] = {
#define ROW(type, name, field, ...) KEY_ROW(type, name, struct asked, field, __VA_ARGS__)
    ROW(&key_text, "kernel", kernel, "", "the name of one kernel; empty for all", .mark = ALL),
    ROW(&key_text, "dims", dims, "", "of one kernel: its sizes, in the order in which its result prints them",
        .others = "shape sizes", .mark = ALL),
    ROW(&key_path, "peer", peer, "", "a BLAS to compare with, such as libopenblas.so", .others = "blas", .mark = GEMM),
    ROW(&key_whole, "length", size.length, NULL, "tokens a sequence", .least = 1, .most = 1 << 24, .mark = STEP),
    ROW(&key_whole, "batch", size.batch, NULL, "sequences a step", .least = 1, .most = 1 << 20, .others = "batch_size",
        .mark = STEP),
    ROW(&key_whole, "window", size.window, NULL, "keys that a token attends to", .least = 1, .most = INT_MAX,
        .mark = STEP),
    ROW(&key_tier, "tier", tier, "", "the kernels: one of `swax info`; empty for the fastest here",
        .word = key_tier_word, .others = "device kernels",
        .mark = ALL | GEMM | STEP),
    ROW(&key_word, "precision", b.precision, "fp32", "what the kernels compute in", .word = key_precision_word,
        .others = "dtype", .mark = ALL | GEMM | STEP),
    ROW(&key_whole, "threads", threads, "0", "0: as many as this process may use", .least = 0,
        .most = SWAX_PEAK_THREADS, .mark = ALL | GEMM | STEP),
    ROW(&key_real, "seconds", b.seconds, "1", "to time each thing for", .least = 0, .most = 1e6, .others = "time",
        .mark = ALL | GEMM | STEP),
    ROW(&key_yes, "json", b.json, "no", "one JSON object a line", .mark = ALL | GEMM | STEP),
    {0},
#undef ROW
};

static void add_tables(struct keys *k, int mark, struct asked *a)
{
    static struct key own[sizeof rows / sizeof *rows];
    keys_pick(own, rows, mark);
    keys_add(k, NULL, own, a);
    if (mark == STEP)
        network_tables(k, "The network", &a->size.model);
}

/* What there is before anything is asked: of a step, config=tiny, unless another config is named. */
static const char *begin(struct asked *a, int mark, const struct options *o, char *why)
{
    struct keys k = {.n = 0};
    struct options tiny = {0};
    const char *config = o ? options_value(o, "config") : NULL;
    *a = (struct asked){.size = {.name = config ? config : "tiny", .model = swax_config_default()}};
    add_tables(&k, mark, a);
    keys_default(k.table[0].rows, a);
    const char *wrong = mark != STEP ? NULL : options_read_settings(&tiny, config_settings("tiny"), 0, why);
    wrong = wrong ? wrong : options_give(&tiny, &k, why);
    options_free(&tiny);
    return wrong;
}

double bench_median(double *x, int n)
{
    sort_ascending(x, (size_t)n);
    return n % 2 ? x[n/2] : (x[n/2 - 1] + x[n/2]) / 2;
}

int bench_enough(int runs, int least, int most, double total, double seconds)
{
    return runs >= least && (total >= seconds || runs >= most);
}

double bench_share(const struct bench *b, double gflops)
{
    return b->peak > 0 ? gflops / b->peak : 0;
}

static const char *check_dims(int op, const int *dims, char *why)
{
    static const double each = 24;                     /* bytes held for a number */
    const double there = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    struct op_case c;
    c.op = op;
    memcpy(c.dims, dims, sizeof c.dims);
    if (op_wrong(op, dims, NULL, c.trouble))
        return say(why, "%s", c.trouble);
    const double wanted = each * case_numbers(&c);
    return wanted < there ? NULL
                          : say(why, "The arrays would take %.1f GB of memory, and this machine has %.1f: make a size "
                                     "smaller.",
                                       wanted / 1e9, there / 1e9);
}

/* "3 4 5" or "3,4,5": as many numbers as the kernel has sizes */
static const char *read_dims(const char *text, int op, int *dims, char *why)
{
    const char *letters = swax_ops[op].dims;
    char *end;
    for (size_t i = 0; i < strlen(letters); i++, text = *end == ',' || *end == ' ' ? end + 1 : end) {
        const long n = strtol(text, &end, 10);
        if (end == text || n < INT_MIN || n > INT_MAX)
            return say(why, "dims are %d numbers, the sizes %s of %s.", (int)strlen(letters), letters,
                       swax_ops[op].name);
        dims[i] = (int)n;
    }
    return *text ? say(why, "dims has more than the sizes %s of %s.", letters, swax_ops[op].name)
                 : check_dims(op, dims, why);
}

const char *bench_measure(struct bench *b, int side, int numbers, char *why)
{
    const char *name = b->tier->name, *precision = swax_precision_name[b->precision];
    if (b->tier->memory && bench_device_rates(b, side, numbers, why))
        return why;
    if (b->tier->memory && !b->json)
        printf("tier %s, %s, %s: products %.1f GFLOP/s, bandwidth %.1f GB/s\n", name, precision,
               b->tier->memory->where(), b->peak, b->bandwidth);
    if (b->tier->memory)
        return NULL;
    /* a tier without vectors stands beside the widest */
    for (int i = swax_n_tiers - 1; i >= 0 && b->peak <= 0; i--)
        if (swax_tiers[i]->usable() && (!strcmp(name, swax_tiers[i]->name) || !b->tier->host))
            b->peak = swax_peak_gflops(swax_tiers[i]->name, b->threads);
    b->bandwidth = swax_bandwidth_gbs(b->threads);
    if (b->precision == SWAX_PREC_F64)
        b->peak /= 2;
    if (!b->json)
        printf("tier %s, %s, %d thread%s: peak %.1f GFLOP/s, bandwidth %.1f GB/s\n", name, precision, b->threads,
               b->threads > 1 ? "s" : "", b->peak, b->bandwidth);
    return NULL;
}

/* What is asked. */
static const char *read_asked(struct asked *a, struct options *o, int mark, const char *of, char *why)
{
    struct keys k = {.of = of};
    const char *wrong;
    if (begin(a, mark, o, why))
        return why;
    add_tables(&k, mark, a);
    if (options_give_all(o, &k, why))
        return why;
    if (!(a->b.tier = swax_tier_find(*a->tier ? a->tier : NULL, &wrong)))
        return say(why, "%s", wrong);
    threads_use(a->threads);
    a->b.threads = a->b.tier->host ? threads_used() : 1;
    return NULL;
}

/* The machine that it will stand beside. */
static const char *measure(struct bench *b, char *why) { return bench_measure(b, BENCH_SIDE, BENCH_NUMBERS, why); }

static const char *time_kernels(struct asked *a, struct options *o, char *why)
{
    int op = -1, dims[OP_DIMS];
    if (read_asked(a, o, ALL, "`swax bench`", why))
        return why;
    if (*a->kernel && (op = op_find(a->kernel)) < 0)
        return say(why, "There is no kernel \"%.60s\": `swax verify list` has them; or say gemm, or step.", a->kernel);
    if (*a->dims && op < 0)
        return say(why, "dims are the sizes of one kernel: name it.");
    if ((*a->dims && read_dims(a->dims, op, dims, why)) || measure(&a->b, why))
        return why;
    return bench_kernels(&a->b, op, *a->dims ? dims : NULL, why);
}

static const char *time_gemm(struct asked *a, struct options *o, char *why)
{
    if (read_asked(a, o, GEMM, "`swax bench gemm`", why))
        return why;
    if (a->b.precision != SWAX_PREC_F32)
        return say(why, "gemm stands beside sgemm: precision is fp32.");
    if (a->b.tier->memory)
        return say(why, "gemm runs on the host: tier=%s is a device.", a->b.tier->name);
    return measure(&a->b, why) ? why : bench_gemm(&a->b, *a->peer ? a->peer : NULL, why);
}

static const char *time_step(struct asked *a, struct options *o, char *why)
{
    if (read_asked(a, o, STEP, "`swax bench step`", why) || measure(&a->b, why))
        return why;
    return bench_step(&a->b, &a->size, why);
}

static void no_memory(void) { exit(command_fails("There is no memory for what is to be timed.")); }

#define SUBCOMMAND(name, mark) \
    static void name##_tables(struct keys *k, const struct options *o) \
    { \
        static struct asked shown; \
        char why[SWAX_WHY]; \
        begin(&shown, mark, o, why); \
        add_tables(k, mark, &shown); \
    } \
    static int run_##name(struct options *o) \
    { \
        static struct asked a; \
        char why[SWAX_WHY]; \
        op_memory_gone(no_memory); \
        const char *wrong = time_##name(&a, o, why); \
        op_memory_gone(NULL); \
        return wrong ? command_fails(wrong) : 0; \
    }
SUBCOMMAND(kernels, ALL)
SUBCOMMAND(gemm, GEMM)
SUBCOMMAND(step, STEP)

static const struct command bench_gemm_command = {
    .name = "gemm", .summary = "the products of training, over the sizes that networks have",
    .usage = "[peer=libopenblas.so] [key=value ...]",
    .keys = gemm_tables, .run = run_gemm,
};
static const struct command bench_step_command = {
    .name = "step", .summary = "whole training steps of a network, config=tiny if nothing is said",
    .usage = "[config=micro|tiny|small|base] [key=value ...]",
    .keys = step_tables, .run = run_step,
};
static const struct command *const bench_subs[] = {&bench_gemm_command, &bench_step_command, NULL};

const struct command command_bench = {
    .name = "bench", .summary = "time kernels and whole training steps beside what this machine could do at best",
    .usage = "[KERNEL] [key=value ...]",
    .about =
        "Times every kernel, or one. GFLOP/s stand beside the peak of this machine's multiply-adds in float (half of "
        "it in fp64), GB/s beside "
             "the bandwidth of its memory, both measured just before; on a device, beside the rates of a large "
             "product and a large addition. "
             "Times are medians.",
    .words = "kernel", .keys = kernels_tables, .run = run_kernels, .sub = bench_subs,
};
