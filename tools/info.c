/* info.c - swax info: what was built, what this machine can do, and what is used. */
#include "tools/lib/commands.h"

#include <stdio.h>
#include <string.h>
#include "ref/oracle/oracle.h"
#include "ref/tier.h"
#include "simd/peak.h"
#include "tools/lib/say.h"
#include "tools/lib/threads.h"

struct asked { int threads; };

static const struct key keys[] = {
    KEY_WHOLE("threads", struct asked, threads, "0", 0, SWAX_PEAK_THREADS,
              "threads to measure with; 0: as many as this process may use"),
    {0},
};

static void tables(struct keys *k, const struct options *o)
{
    (void)o;
    keys_add(k, NULL, keys, NULL);
}

static void print_tier(const struct swax_tier *t, const struct swax_tier *used)
{
    const int usable = t->usable();
    const double peak = usable ? swax_peak_gflops(t->name, threads_used()) : 0;
    printf("  %-11s%s", t->name, usable ? "" : "  not on this machine\n");
    if (!usable)
        return;
    for (int p = 0; p < SWAX_PRECISIONS; p++)
        printf(" %s", op_offers(t, (enum swax_precision)p) ? swax_precision_name[p] : "    ");
    if (peak > 0)
        printf("  %7.1f GFLOP/s", peak);
    if (t->memory)
        printf("  %s", t->memory->where());
    puts(t == used ? "  <- used" : "");
}

static int run(struct options *o)
{
    char why[SWAX_WHY];
    struct asked a;
    struct keys k = {.of = "`swax info`"};
    const char *tierless;
    keys_default(keys, &a);
    keys_add(&k, NULL, keys, &a);
    if (options_give_all(o, &k, why))
        return command_fails(why);
    const struct swax_tier *used = swax_tier_find(NULL, &tierless);
    if (!used)
        return command_fails(tierless);
    threads_use(a.threads);
    printf("swax " SWAX_VERSION ", %d thread%s\ntiers, slowest first, with the peak of their multiply-adds:\n",
           threads_used(),
           threads_used() > 1 ? "s" : "");
    for (int i = 0; i < swax_n_tiers; i++)
        print_tier(swax_tiers[i], used);
    printf("memory: %.1f GB/s (triad)\n", swax_bandwidth_gbs(threads_used()));
    return 0;
}

const struct command command_info = {
    .name = "info", .summary = "what was built, what this machine can do, and what is used", .usage = "[threads=N]",
    .about =
        "Prints the tiers of this build, which of them this machine can run and which is used ($SWAX_TIER overrides), "
             "and the measured peak of multiply-adds in float and bandwidth of memory.",
    .keys = tables, .run = run,
};
