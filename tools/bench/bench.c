/* bench.c - swax bench: how fast are the kernels, and how fast could they be? */
#include "tools/bench/bench.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "ref/oracle/opspec.h"
#include "simd/peak.h"
#include "tools/lib/commands.h"
#include "tools/lib/options.h"
#include "tools/lib/say.h"
#include "tools/lib/threads.h"
#include "tools/verify/verify.h"

static const char *const keys[] = {"tier", "precision", "threads", "seconds", "json", "dims", "peer", "config", NULL};

static int help(void)
{
    puts("usage: swax bench [WHAT] [key=value ...]\n\n"
         "  WHAT       nothing: every kernel; the name of one; gemm: the products of training, over many sizes;\n"
         "             step: whole training steps\n"
         "  config     of step: micro, tiny, small or base, or \"width layers heads tokens sequences window\" (tiny)\n"
         "  dims       of one kernel: its sizes, in the order in which its result prints them\n"
         "  peer       of gemm: a BLAS to compare with, such as libopenblas.so\n"
         "  tier       the kernels (the fastest here)\n"
         "  precision  fp32, fp64 or bf16 (fp32)\n"
         "  threads    0 for all cores (0)\n"
         "  seconds    to time each thing for (1)\n"
         "  json       yes: one object a line\n\n"
         "GFLOP/s stand beside the peak of this machine's multiply-adds in float (half of it in fp64), GB/s beside\n"
         "the bandwidth of its memory, both measured just before; on a device, beside the rates of a large product and a\n"
         "large addition.  Times are medians.");
    return 0;
}

double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *x, int n)
{
    qsort(x, (size_t)n, sizeof *x, ascending);
    return n % 2 ? x[n/2] : (x[n/2 - 1] + x[n/2]) / 2;
}

double bench_share(const struct bench *b, double gflops)
{
    return b->peak > 0 ? gflops / b->peak : 0;
}

static const char *read_settings(struct bench *b, struct options *o, char *why)
{
    const char *tier = options_take(o, "tier"), *precision = options_take(o, "precision"), *threads = options_take(o, "threads");
    const char *seconds = options_take(o, "seconds"), *json = options_take(o, "json"), *wrong;
    long n = 0;
    b->seconds = 1;
    b->json = json && !strcmp(json, "yes");
    b->precision = SWAX_PRECISIONS;
    for (int p = 0; p < SWAX_PRECISIONS; p++)
        if (!strcmp(precision ? precision : "fp32", swax_precision_name[p]))
            b->precision = (enum swax_precision)p;
    if (b->precision == SWAX_PRECISIONS)
        return say(why, "precision=%.60s: it is fp32, fp64 or bf16.", precision);
    if (json && !b->json && strcmp(json, "no"))
        return say(why, "json=%.60s: it is yes or no.", json);
    if (threads && !option_whole(threads, 0, SWAX_PEAK_THREADS, &n))
        return say(why, "threads=%.60s: it is a whole number from 0 to %d.", threads, SWAX_PEAK_THREADS);
    if (seconds && !option_number(seconds, 0, 1e6, &b->seconds))
        return say(why, "seconds=%.60s: it is a number from 0 to 1000000.", seconds);
    if (!(b->tier = swax_tier_find(tier, &wrong)))
        return say(why, "%s", wrong);
    threads_use((int)n);
    b->threads = b->tier->host ? threads_used() : 1;
    return NULL;
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
    return wanted < there ? NULL : say(why, "The arrays would take %.1f GB of memory, and this machine has %.1f: make a size smaller.",
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
            return say(why, "dims are %d numbers, the sizes %s of %s.", (int)strlen(letters), letters, swax_ops[op].name);
        dims[i] = (int)n;
    }
    return *text ? say(why, "dims has more than the sizes %s of %s.", letters, swax_ops[op].name) : check_dims(op, dims, why);
}

/* To options.h, config is a file of options; here it is the name of a network, so it is taken out first. */
static const char *take_config(int *argc, char **argv)
{
    for (int i = 0; i < *argc; i++) {
        const char *word = argv[i] + (strncmp(argv[i], "--", 2) ? 0 : 2);
        const int apart = !strcmp(word, "config") && i + 1 < *argc, used = 1 + apart;
        if (!apart && strncmp(word, "config=", 7))
            continue;
        const char *name = apart ? argv[i + 1] : word + 7;
        memmove(argv + i, argv + i + used, (size_t)(*argc - i - used) * sizeof *argv);
        *argc -= used;
        return name;
    }
    return NULL;
}

static const char *measure_host(struct bench *b)
{
    const char *name = b->tier->name;
    for (int i = swax_n_tiers - 1; i >= 0 && b->peak <= 0; i--)     /* a tier without vectors stands beside the widest */
        if (swax_tiers[i]->usable() && (!strcmp(name, swax_tiers[i]->name) || !b->tier->host))
            b->peak = swax_peak_gflops(swax_tiers[i]->name, b->threads);
    b->bandwidth = swax_bandwidth_gbs(b->threads);
    if (b->precision == SWAX_PREC_F64)
        b->peak /= 2;
    if (!b->json)
        printf("tier %s, %s, %d thread%s: peak %.1f GFLOP/s, bandwidth %.1f GB/s\n", name, swax_precision_name[b->precision],
               b->threads, b->threads > 1 ? "s" : "", b->peak, b->bandwidth);
    return NULL;
}

static const char *measure_device(struct bench *b, char *why)
{
    const char *wrong = bench_device_rates(b, why);
    if (!wrong && !b->json)
        printf("tier %s, %s, %s: products %.1f GFLOP/s, bandwidth %.1f GB/s\n", b->tier->name, swax_precision_name[b->precision],
               b->tier->memory->where(), b->peak, b->bandwidth);
    return wrong;
}

int cmd_bench(int argc, char **argv)
{
    char why[SWAX_WHY];
    if (command_asks_help(&argc, argv))
        return help();
    const char *what = argc && argv[0][0] != '-' && !strchr(argv[0], '=') ? argv[0] : NULL;
    const char *config = take_config(&argc, argv);
    struct options o = {0};
    struct bench b = {0};
    int op = -1, dims[OP_DIMS], status = 0;
    const char *wrong = options_read(&o, argc - (what != NULL), argv + (what != NULL), why);
    const char *shape = wrong ? NULL : options_take(&o, "dims"), *peer = wrong ? NULL : options_take(&o, "peer");
    const int step = what && !strcmp(what, "step"), gemm = what && !strcmp(what, "gemm");
    if (!wrong && what && !step && !gemm && (op = op_find(what)) < 0)
        wrong = say(why, "There is no kernel \"%.60s\": `swax verify list` has them; or say gemm, or step.", what);
    if (!wrong && config && !step)
        wrong = say(why, "config=%.60s is of step: say `swax bench step`.", config);
    if (!wrong && peer && !gemm)
        wrong = say(why, "peer=%.60s is of gemm: say `swax bench gemm`.", peer);
    if (!wrong && shape)
        wrong = op < 0 ? say(why, "dims are the sizes of one kernel: name it.") : read_dims(shape, op, dims, why);
    if (!wrong && !(wrong = read_settings(&b, &o, why)))
        wrong = options_left(&o, keys, why);
    if (!wrong)
        wrong = b.tier->memory ? measure_device(&b, why) : measure_host(&b);
    if (!wrong)
        wrong = step ? bench_step(&b, config ? config : "tiny", why) : gemm ? bench_gemm(&b, peer, why)
                     : bench_kernels(&b, op, shape ? dims : NULL, why);
    if (wrong)
        status = command_fails(wrong);
    options_free(&o);
    return status;
}
