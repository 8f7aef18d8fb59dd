/* train.c - swax train: one run from key=value arguments, seen on the terminal, stopped with Ctrl-C. */
#include "tools/lib/commands.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "simd/peak.h"
#include "tools/train/idle.h"
#include "tools/train/weights.h"
#include "tools/train/progress.h"
#include "tools/train/run.h"
#include "tools/lib/number.h"
#include "tools/lib/say.h"
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

static void say_data(const struct run *r)
{
    const char *unit = run_unit(r);
    char train[32], held_out[32];
    number_amount(train, (double)r->tokens[DATA_TRAIN]);
    number_amount(held_out, (double)r->tokens[DATA_HELD_OUT]);
    printf("%s %ss for training (%.3g epochs), %s held out\n", train, unit,
           (double)r->steps * r->batch * r->length / (double)r->tokens[DATA_TRAIN], held_out);
}

static void say_too_little(const struct run *r)
{
    const char *unit = run_unit(r);
    printf(r->tokens[DATA_TRAIN] ? "That is" : "What a part of the data holds out is");
    printf(" too little for a sequence of %d %ss: there is no held-out loss and no best.safetensors.\n", r->length,
           unit);
}

static void say_going_on(const struct run *r, int step)
{
    printf("Going on after step %d.\n", step);
    if (*r->tiers && strcmp(r->tiers, r->tier))
        printf("It was trained on %s: on %s its bits may differ from those of a run that stayed on one tier.\n",
               r->tiers, r->tier);
    if (r->held_out_differs)
        puts("What is held out is not what it was: held-out losses before and after, the lowest too, are of two "
             "texts.");
}

static enum run_verdict watch(void *arg, const struct run *r, const struct run_point *point, struct swax_network *n)
{
    struct view *v = arg;
    if (point) {
        if (!v->progress.steps)
            progress_open(&v->progress, point->step - 1, r->steps, v->peak, point->seconds);
        v->step = point->step;
        progress_step(&v->progress, r, point);
        return RUN_GO_ON;
    }
    printf("%zu parameters, %s on %s, %.0f MiB of memory\n%d steps of %d x %d tokens of %s\n",
           swax_network_parameters(n), swax_precision_name[r->precision], r->tier,
           (double)swax_network_bytes(n) / 1048576, r->steps, r->batch, r->length, r->source->name);
    if (r->tokens[DATA_TRAIN])
        say_data(r);
    if (r->too_little && !(r->tokens[DATA_TRAIN] && !r->tokens[DATA_HELD_OUT]))     /* 0 held out says it all */
        say_too_little(r);
    if (r->held_out_pieces && r->held_out_sequences > r->held_out_pieces)
        printf("It holds out %lld sequence%s of %d %ss, and %d are looked at: some are the same text once more, so a "
               "loss is less sure than its error says.\n", (long long)r->held_out_pieces,
               r->held_out_pieces == 1 ? "" : "s", r->length, run_unit(r), r->held_out_sequences);
    if (r->minutes > 0)
        printf(r->done ? "minutes=%g was asked for: the %d steps that were counted when the run began stand.\n"
                       : "%g minutes are about %d steps here.\n", r->minutes, r->steps);
    if (r->windows.window >= r->length)
        printf("window=%d is not shorter than the sequences of %d tokens: it is full attention.\n", r->windows.window,
               r->length);
    if (r->unlocked)
        printf("%s lies where files cannot be locked: see to it yourself that no other process trains in it.\n",
               r->out);
    if (r->done)
        say_going_on(r, r->done);
    else if (r->resume)
        printf("%s held no checkpoint: this run begins.\n", r->out);
    fflush(stdout);
    v->step = r->done;
    v->peak = machine_peak(r->tier);
    return RUN_GO_ON;
}

static const struct key *known_sources(void)
{
    enum { MOST = 32 };
    static struct key row[MOST + 1];
    static char name[MOST][32];
    for (int i = 0; i < n_sources && i < MOST; i++) {
        snprintf(name[i], sizeof name[i], "data=%s", sources[i]->name);
        row[i] = (struct key){.name = name[i], .what = sources[i]->what};
    }
    return row;
}

/* Where nothing is asked yet, the values of a run; the keys of all sources where nobody asks for one. */
static void tables(struct keys *k, const struct options *o)
{
    static struct run r;
    static char nothing[SOURCE_KEYS][KEY_TEXT];
    char why[SWAX_WHY];
    r = run_default();
    for (int again = 0; o && again < 2; again++)      /* data= may stand behind its keys */
        for (int i = 0; i < o->n; i++)
            run_set(&r, o->list[i].key, o->list[i].value, why);
    run_tables(k, &r, 1);
    if (o) {
        keys_add(k, "Sources of data, each with keys of its own (`swax train help data=NAME`)", known_sources(), NULL);
        return;
    }
    for (int i = 0; i < n_sources; i++) {
        static char title[KEY_TABLES][128];
        snprintf(title[i], sizeof title[i], "data=%s: %s", sources[i]->name, sources[i]->what);
        keys_add_texts(k, title[i], sources[i]->keys, nothing);
    }
}

/* The network of the weights it begins with, which its keys need not say again. */
static const char *network_of(struct run *r, char *why)
{
    struct weights w;
    if (weights_open(&w, r->from, why))
        return why;
    r->model = w.c.run.model;
    weights_close(&w);
    return NULL;
}

/* How long it is, is said once: by steps= or by minutes=; what stands on the line comes before its config=. */
static const char *check_minutes(struct run *r, const struct options *o, char *why)
{
    const struct option *steps = options_find(o, "steps"), *minutes = options_find(o, "minutes");
    if (!steps || !(r->minutes > 0) || (steps->of_config && !minutes->of_config))
        return NULL;
    if (minutes->of_config && !steps->of_config)
        return r->minutes = 0, NULL;
    return say(why, "steps=%.20s and minutes=%.20s both say how long the run is: one of them does.", steps->value,
               minutes->value);
}

/* Weights are read before the first step: a run that goes on has its own. */
static const char *check_from(const struct run *began, const struct options *o, char *why)
{
    const struct option *from = options_find(o, "from");
    return !from || from->of_config || !strcmp(from->value, began->from) ? NULL
         : say(why, "from=%.80s: the run in %.80s began %s%.80s, and goes on with its own weights. Leave from= out, or "
                    "choose another folder.", from->value, began->out, *began->from ? "with " : "without from=",
               began->from);
}

/* Its best is the lowest of losses of as many sequences; there may be no more looks, or first ones. */
static const char *check_looks(const struct run *began, const struct options *o, char *why)
{
    const struct option *asked = options_find(o, "held_out_sequences");
    long n;
    if (!asked || asked->of_config || !began->held_out_sequences || !number_whole(asked->value, 1, 1 << 20, &n) ||
        n == began->held_out_sequences)
        return NULL;
    return say(why, "held_out_sequences=%ld: the run in %.80s looks at %d, and its best is the lowest of their losses; "
                    "0 ends the looks.", n, began->out, began->held_out_sequences);
}

/* The run that is asked for; a resumed one starts from what its folder says. */
static const char *read_run(struct run *r, struct options *o, char *why)
{
    struct keys own = {.n = 0};
    run_tables(&own, r, 1);
    if (options_give_one(o, "out", &own, why) || options_give_one(o, "resume", &own, why) ||
        options_give_one(o, "minutes", &own, why))
        return why;
    const struct run asked = *r;
    const int goes_on = asked.resume && *asked.out && run_exists(asked.out);       /* in a new folder it begins */
    if (goes_on && (run_read(r, asked.out, why) || check_from(r, o, why) || check_looks(r, o, why)))
        return why;
    r->resume = asked.resume;
    r->minutes = asked.minutes;
    if (check_minutes(r, o, why) || options_give_one(o, "from", &own, why))
        return why;
    if (*r->from && !goes_on && network_of(r, why))
        return why;
    return run_take(r, o, why);
}

static int train(const struct run *r)
{
    char why[SWAX_WHY];
    struct view v = {.peak = 0};
    catch_signals();
    const enum run_end end = run_train(r, watch, &v, why);
    progress_close(&v.progress);
    switch (end) {
    case RUN_FINISHED:
        printf("Finished: %s holds the checkpoint, the log and the configuration.\n", r->out);
        return 0;
    case RUN_INTERRUPTED:
        printf("Stopped after step %d of %d. To go on: swax train ", v.step, r->steps);
        say_word(stdout, "out", r->out);
        puts(" resume=yes");
        return 1;
    case RUN_DIVERGED:
        fprintf(stderr, "swax: %s\n", why);
        return 1;
    default:
        return command_fails(why);
    }
}

static int run(struct options *o)
{
    char why[SWAX_WHY];
    struct run r = run_default();
    if (read_run(&r, o, why))
        return command_fails(why);
    if (!*r.out)
        return command_fails("A run needs a folder to keep its files in: say out=FOLDER.");
    idle_settings(stdout, &r, o);
    return train(&r);
}

const struct command command_train = {
    .name = "train", .summary = "train a network, or go on with a run that was stopped", .words = "out",
    .prints = PROGRESS,
    .usage = "FOLDER [key=value ...]\nFOLDER resume=yes [key=value ...]",
    .about =
        "Trains a network, and leaves in the folder config.json (every key of the run: config=FOLDER/config.json "
        "out=OTHER repeats it), "
        "log.jsonl (a line a step: step, tokens, loss, gradient_norm, rate, window, tokens_per_second, time in "
        "seconds since 1970; and, twenty times in a "
        "run or every held_out_every steps, held_out_loss, held_out_error and held_out_bits, of held-out sequences "
        "with every token counted "
        "the same, time_constants, by layer: the head that forgets soonest, the median, and the one that remembers "
        "longest, in tokens, and sample, where tokens are text: what `swax sample` would write), run.html (all that as "
        "pictures, made anew every few seconds), best.safetensors (the weights of the lowest held-out loss) and "
        "checkpoint.safetensors: weights under Hugging Face's names, moments as moment1.* and moment2.*, and as "
        "metadata the step, "
        "the generators, the run, the tiers it was trained on and a checksum of its data.\n\n"
        "Ctrl-C (SIGINT) or SIGTERM lets the step end and writes a checkpoint; a second one stops at once. resume=yes "
        "goes on, to the "
        "same bits as a run that was never stopped; so it does after a crash, from the last checkpoint. A folder that "
        "holds a run is not "
        "written to without it. Elsewhere file=, tier= and threads= may be given anew: data that changed are refused, "
        "and another tier, "
        "whose bits may differ, is named.\n\n"
        "window=W counts the keys that a token attends to, its own included; W of at least length is full attention. "
        "With short_window=w "
        "each step takes w instead with probability short_probability, but not the last anneal of the steps; over the "
        "ramp before them "
        "the probability falls to zero.\n\n"
        "minutes=N makes as many steps as fit into that time here: a few gradients are timed first, and the number of "
        "steps stands in config.json from then on. from=CHECKPOINT begins with another network's weights, on any data; "
        "from=FOLDER too with a model of Hugging Face's, an export of ours or an xLSTM, as `swax convert` reads it. "
        "With schedule=wsd the rate stays, and falls over the last cooldown of the steps: from=RUN schedule=wsd "
        "cooldown=1 warmup=0 cools any of its kept checkpoints down.\n\n"
        "data=NAME decides where the sequences come from, and which keys that has.",
    .keys = tables, .run = run,
};
