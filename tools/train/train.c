/* train.c - swax train: one run from key=value arguments, seen on the terminal, stopped with Ctrl-C. */
#include "tools/lib/commands.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "simd/peak.h"
#include "tools/lib/options.h"
#include "tools/train/progress.h"
#include "tools/train/run.h"
#include "tools/lib/threads.h"

static void interrupt(int number)
{
    (void)number;
    run_interrupted = 1;
}

/* Once: a second Ctrl-C ends the process where it is.  What was ignored before, as nohup has it, stays so. */
static void catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction stop, ignore, before;
    memset(&stop, 0, sizeof stop);
    memset(&ignore, 0, sizeof ignore);
    stop.sa_handler = interrupt;
    stop.sa_flags = (int)SA_RESETHAND;
    ignore.sa_handler = SIG_IGN;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!sigaction(numbers[i], NULL, &before) && before.sa_handler != SIG_IGN)
            sigaction(numbers[i], &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL);      /* a run outlives whoever read its progress */
}

struct view { struct progress progress; double peak; int step; };

/* Of float multiply-adds in the widest vectors there are, in FLOP/s; 0: not known, as of a device. */
static double machine_peak(const char *tier)
{
    double peak = 0;
    const char *wrong;
    const int threads = threads_used() < SWAX_PEAK_THREADS ? threads_used() : SWAX_PEAK_THREADS;
    for (int i = swax_n_tiers - 1; i >= 0 && !(peak > 0) && !swax_tier_find(tier, &wrong)->memory; i--)
        peak = swax_tiers[i]->usable() ? 1e9 * swax_peak_gflops(swax_tiers[i]->name, threads) : 0;
    return peak;
}

static void say_going_on(const struct run *r, int step)
{
    printf("Going on after step %d.\n", step);
    if (*r->tiers && strcmp(r->tiers, r->tier))
        printf("It was trained on %s: on %s its bits may differ from those of a run that stayed on one tier.\n", r->tiers, r->tier);
}

static enum run_verdict watch(void *arg, const struct run *r, const struct run_point *point, struct swax_network *n)
{
    struct view *v = arg;
    if (point) {
        if (!v->step)
            progress_open(&v->progress, point->step - 1, r->steps, v->peak);
        if (!v->step && point->step > 1)
            say_going_on(r, point->step - 1);
        v->step = point->step;
        progress_step(&v->progress, r, point);
        return RUN_GO_ON;
    }
    printf("%zu parameters, %d steps of %d x %d tokens of %s, %s on %s, %.0f MiB\n", swax_network_parameters(n), r->steps, r->batch, r->length,
           r->source->name, swax_precision_name[r->precision], r->tier, (double)swax_network_bytes(n) / 1048576);
    if (r->windows.window >= r->length)
        printf("window=%d is not shorter than the sequences of %d tokens: it is full attention.\n", r->windows.window, r->length);
    fflush(stdout);
    v->peak = machine_peak(r->tier);
    return RUN_GO_ON;
}

static void print_key(const char *key, const char *value, void *arg)
{
    const char *what = run_what(arg, key);
    printf("  %-22s %s%s%s\n", key, *value ? value : "\"\"", *what ? "  - " : "", what);
}

static int help(struct run *r)
{
    puts("usage: swax train out=FOLDER [key=value ...] [config=FILE.json] [resume=yes]\n\n"
         "Trains, and leaves in the folder config.json, log.jsonl and checkpoint.safetensors.\n"
         "Keys and their values here (data=NAME changes the keys of the data):\n");
    run_list(r, 0, print_key, r);
    puts("\nSources of data:");
    for (int i = 0; i < n_sources; i++)
        printf("  %-22s %s\n", sources[i]->name, sources[i]->what);
    return 0;
}

/* The run that is asked for; a resumed one starts from what its folder says. */
static const char *read_run(struct run *r, struct options *o, char *why)
{
    const char *out = options_take(o, "out"), *resume = options_take(o, "resume");
    if ((out && run_set(r, "out", out, why)) || (resume && run_set(r, "resume", resume, why)))
        return why;
    const struct run asked = *r;
    if (asked.resume && *asked.out && run_read(r, asked.out, why))
        return why;
    r->resume = asked.resume;
    return run_take(r, o, why);
}

static int train(const struct run *r)
{
    char why[SWAX_WHY];
    struct view v = {.peak = 0};
    const char *quote = strchr(r->out, ' ') ? "'" : "";
    catch_signals();
    const enum run_end end = run_train(r, watch, &v, why);
    progress_close(&v.progress);
    switch (end) {
    case RUN_FINISHED:
        printf("Finished: %s holds the checkpoint, the log and the configuration.\n", r->out);
        return 0;
    case RUN_INTERRUPTED:
        printf("Stopped after step %d of %d. To go on: swax train %sout=%s%s resume=yes\n", v.step, r->steps, quote, r->out, quote);
        return 1;
    case RUN_DIVERGED:
        fprintf(stderr, "swax: %s\n", why);
        return 1;
    default:
        return command_fails(why);
    }
}

int cmd_train(int argc, char **argv)
{
    char why[SWAX_WHY];
    struct run r = run_default();
    struct options o = {0};
    const int asks = command_asks_help(&argc, argv);
    const char *wrong = options_read(&o, argc, argv, why);
    if (!wrong)
        wrong = read_run(&r, &o, why);
    options_free(&o);
    if (wrong)
        return command_fails(wrong);
    if (asks)
        return help(&r);
    if (!*r.out)
        return command_fails("A run needs a folder to keep its files in: say out=FOLDER.");
    return train(&r);
}
