/* info.c - swax info: what was built, what this machine can do, and what is used. */
#include "tools/lib/commands.h"

#include <stdio.h>
#include <string.h>
#include "ref/oracle/oracle.h"
#include "ref/tier.h"
#include "simd/peak.h"
#include "tools/lib/options.h"
#include "tools/lib/say.h"
#include "tools/lib/threads.h"

static int help(void)
{
    puts("usage: swax info [threads=N]\n\n"
         "Prints the tiers of this build, which of them this machine can run and which is used ($SWAX_TIER overrides),\n"
         "and the measured peak of multiply-adds in float and bandwidth of memory.");
    return 0;
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

int cmd_info(int argc, char **argv)
{
    struct options o = {0};
    char why[SWAX_WHY];
    static const char *const keys[] = {"threads", NULL};
    long n = 0;
    if (command_asks_help(&argc, argv))
        return help();
    const char *wrong = options_read(&o, argc, argv, why), *threads = wrong ? NULL : options_take(&o, "threads"), *tierless;
    if (!wrong && threads && !option_whole(threads, 0, SWAX_PEAK_THREADS, &n))
        wrong = say(why, "threads=%.60s: it is a whole number from 0 to %d.", threads, SWAX_PEAK_THREADS);
    if (!wrong)
        wrong = options_left(&o, keys, why);
    const struct swax_tier *used = wrong ? NULL : swax_tier_find(NULL, &tierless);
    if (!wrong && !used)
        wrong = say(why, "%s", tierless);
    options_free(&o);
    if (wrong)
        return command_fails(wrong);
    threads_use((int)n);
    printf("swax " SWAX_VERSION ", %d thread%s\ntiers, slowest first, with the peak of their multiply-adds:\n", threads_used(),
           threads_used() > 1 ? "s" : "");
    for (int i = 0; i < swax_n_tiers; i++)
        print_tier(swax_tiers[i], used);
    printf("memory: %.1f GB/s (triad)\n", swax_bandwidth_gbs(threads_used()));
    return 0;
}
