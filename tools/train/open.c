/* open.c - a run as far as its first step: its data, its network, its folder, and what it goes on from. */
#include "tools/train/session.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "tools/lib/checksum.h"
#include "tools/lib/clock.h"
#include "tools/lib/files.h"
#include "tools/lib/say.h"
#include "tools/lib/threads.h"
#include "tools/train/weights.h"

static const char *open_source(struct session *s, char *why)
{
    struct run *r = &s->r;
    const char *value[SOURCE_KEYS];
    run_values(r, value);
    if (data_open(&s->data, r->source, value, r->length, why))
        return why;
    if (!r->model.vocabulary)
        r->model.vocabulary = s->data.vocabulary;
    s->data.vocabulary = r->model.vocabulary;
    return NULL;
}

/* After the network, which refuses sizes that no batch should be filled for; before a folder is made, since what is
 * wrong with the data shows here. */
static const char *fill_first(struct session *s, char *why)
{
    struct run *r = &s->r;
    s->part = calloc((size_t)r->accumulate, sizeof *s->part);
    if (!s->part)
        return say(why, "There is no memory for a batch in %d parts.", r->accumulate);
    for (int i = 0; i < r->accumulate; i++)
        if (data_batch_new(&s->part[i], r->batch / r->accumulate, r->length, why))
            return why;
    if (data_fill(&s->data, &s->part[0], r->seed, DATA_TRAIN, 0, why))
        return why;
    const struct swax_batch *first = &s->part[0].batch;
    const size_t bytes = (size_t)first->B * (size_t)first->T * sizeof(int);
    struct checksum sum = {0};
    checksum_add(&sum, first->token, bytes);
    checksum_add(&sum, first->target, bytes);
    if (r->source->contents && r->source->contents(s->data.opened, DATA_TRAIN, &sum, why))
        return why;
    checksum_text(&sum, r->data);
    /* what its looks are at, if they are at files: the lowest loss is that of one and the same text */
    if (data_sum(&s->data, DATA_HELD_OUT, r->length, r->held_out, why))
        return why;
    for (int part = 0; part < 2 && r->source->tokens; part++)
        r->tokens[part] = r->source->tokens(s->data.opened, (enum data_part)part);
    r->held_out_pieces = data_pieces(&s->data, DATA_HELD_OUT, r->length);
    r->too_little = r->held_out_sequences && !data_holds_out(&s->data, r->length);
    if (r->too_little)
        r->held_out_sequences = 0;
    return NULL;
}

/* The first line in which two runs differ, quoted from both.  Where files lie may differ: their contents may not. */
static const char *compare(const struct run *there, const struct run *here, const char *where, char *why)
{
    struct run moved = *here;
    for (int i = 0; there->source == here->source && here->source->keys[i].name; i++)
        if (here->source->keys[i].type == &key_path)
            strcpy(moved.value[i], there->value[i]);
    char *a = run_json(there, 1), *b = run_json(&moved, 1);
    const char *wrong = a && b ? NULL : say(why, "There is no memory to compare two runs.");
    if (!wrong && strcmp(a, b)) {
        size_t line = 0;
        for (size_t i = 0; a[i] == b[i]; i++)
            line = a[i] == '\n' ? i + 1 : line;
        const char *x = a + line + strspn(a + line, " "), *y = b + line + strspn(b + line, " ");
        wrong = say(why, "A run goes on with what it began with: %.90s says %.*s, where %.*s is asked for.", where,
                    (int)strcspn(x, ",\n"), x,
                    (int)strcspn(y, ",\n"), y);
    }
    free(a);
    free(b);
    return wrong;
}

/* Is it the run that began in its folder?  Asked before the network is made, which may be far larger. */
static const char *same_run(const struct run *r, char *why)
{
    struct run began;
    if (!*r->out || !r->resume || !run_exists(r->out))
        return NULL;
    return run_read(&began, r->out, why) ? why : compare(&began, r, r->out, why);
}

static const char *open_network(struct session *s, char *why)
{
    struct run *r = &s->r;
    const char *wrong;
    const struct swax_tier *tier = swax_tier_find(*r->tier ? r->tier : NULL, &wrong);
    if (!tier)
        return say(why, "%s", wrong);
    snprintf(r->tier, sizeof r->tier, "%s", tier->name);
    threads_use(r->threads);
    if (swax_config_check(&r->model, why) || same_run(r, why))
        return why;
    s->n = swax_network_new(&r->model, tier, r->precision, r->batch / r->accumulate, r->length, 1, why);
    return s->n ? NULL : why;
}

/* Every numbered checkpoint of a folder: what a crash left of one is removed, the last whole one named. */
static void look_through(const char *out, char last[64])
{
    DIR *folder = opendir(out);
    *last = 0;
    for (struct dirent *e = folder ? readdir(folder) : NULL; e; e = readdir(folder)) {
        const char *name = e->d_name;
        const size_t n = strlen(name),
            digits = strspn(name + (strncmp(name, "checkpoint-", 11) ? n : 11), "0123456789");
        char path[RUN_TEXT + 64];
        if (digits && n < 64 && !strcmp(name + 11 + digits, ".safetensors.partial")) {
            run_path(path, out, name);
            unlink(path);
        } else if (digits && n < 64 && !strcmp(name + 11 + digits, ".safetensors") && strcmp(name, last) > 0)
            strcpy(last, name);
    }
    if (folder)
        closedir(folder);
}

/* A run without its checkpoint begins anew, unless it went further than to its first. */
static const char *begin_anew(struct session *s, const char *numbered, char *why)
{
    struct run began;
    int last;
    if (run_read(&began, s->r.out, why) || run_log_last(&s->log, &last, why))
        return why;
    const int first = began.keep_every && began.keep_every < began.checkpoint_every ? began.keep_every
                                                                                    : began.checkpoint_every;
    if (*numbered)
        return say(why,
                   "%.150s is missing, though %s is there: copy that to its name to go on from there, or choose "
                   "another folder.", s->path, numbered);
    if (last > first)
        return say(why,
                   "%.150s is missing, though by log.jsonl step %d was done: put it back, or choose another folder.",
                   s->path, last);
    return run_log_cut(&s->log, 0, why);
}

static const char *go_on(struct session *s, char *why)
{
    struct checkpoint c;
    char numbered[64];
    if (same_run(&s->r, why))                      /* again: now nobody else can begin one */
        return why;
    look_through(s->r.out, numbered);
    if (access(s->path, F_OK))
        return begin_anew(s, numbered, why);
    if (checkpoint_open(&c, s->path, why))
        return why;
    const char *wrong = compare(&c.run, &s->r, s->path, why);
    if (!wrong && *c.run.data && strcmp(c.run.data, s->r.data))
        wrong = say(why,
                    "The data are not those that %s was trained on: a file has changed, or another swax made them.",
                    s->path);
    s->r.held_out_differs = *c.run.held_out && *s->r.held_out && strcmp(c.run.held_out, s->r.held_out);
    if (!wrong)
        wrong = checkpoint_load(&c, s->n, s->r.precision, 1, why);
    if (!wrong)
        wrong = run_log_cut(&s->log, c.step, why);
    s->step = s->saved = s->r.done = c.step;
    strcpy(s->r.tiers, c.run.tiers);
    checkpoint_close(&c);
    return wrong;
}

/* Again where a run goes on: what may change then goes on as it was changed. */
static const char *write_config(struct session *s, char *why)
{
    char path[RUN_TEXT + 64], *text = run_json(&s->r, 0);
    run_path(path, s->r.out, "config.json");
    const char *wrong = text ? file_replace(path, text, strlen(text), why)
                             : say(why, "There is no memory for %s.", path);
    free(text);
    return wrong;
}

/* ---- what its tokens stand for, which stays with the run, wherever its shards go */

enum { LARGEST = 1 << 28 };                            /* bytes of a vocabulary */

static const struct vocabulary *words_of(const struct session *s)
{
    const struct source *from = s->r.source;
    return from->words ? from->words(s->data.opened) : NULL;
}

/* Whoever samples takes the words in its folder: those of what was there before are not left to a new run. */
static const char *check_words(const struct session *s, char *why)
{
    const struct vocabulary *words = words_of(s);
    char path[RUN_TEXT + 64];
    size_t size[2] = {0, 0};
    run_path(path, s->r.out, vocabulary_name);
    if (access(path, F_OK))
        return NULL;
    char *there = file_read(path, LARGEST, &size[0], why);
    char *ours = there && words ? file_read(vocabulary_path(words), LARGEST, &size[1], why) : NULL;
    const char *wrong = !there || (words && !ours)                                        ? why
                      : ours && size[0] == size[1] && !memcmp(there, ours, size[0]) ? NULL
                      : say(why, "%.150s is there and is not of these data: samples of this run would be written in "
                                 "its words. Move it away, or choose another folder.", path);
    free(there);
    free(ours);
    return wrong;
}

static const char *keep_words(const struct session *s, char *why)
{
    const struct vocabulary *words = words_of(s);
    char path[RUN_TEXT + 64];
    size_t size;
    run_path(path, s->r.out, vocabulary_name);
    if (!words || !*s->r.out || !access(path, F_OK))
        return NULL;
    char *text = file_read(vocabulary_path(words), LARGEST, &size, why);
    const char *wrong = text ? file_replace(path, text, size, why) : why;
    free(text);
    return wrong;
}

static enum run_end open_folder(struct session *s, char *why)
{
    const struct run *r = &s->r;
    struct stat there;
    if (!*r->out)
        return RUN_FINISHED;
    run_path(s->path, r->out, checkpoint_name);
    if (!r->resume && run_exists(r->out))
        return say(why, "%s holds a run already: say resume=yes to go on with it, or choose another folder.", r->out),
            RUN_REFUSED;
    if (!lstat(s->path, &there) && !S_ISREG(there.st_mode))
        return say(why,
                   "%s is a link, or no plain file: a run replaces its checkpoint whole, so the file itself must be "
                   "there.", s->path), RUN_REFUSED;
    if ((!run_exists(r->out) && check_words(s, why)) || file_make_folder(r->out, why))
        return RUN_REFUSED;
    const enum run_end end = run_log_open(&s->log, r->out, why);
    if (end != RUN_FINISHED)
        return end;
    s->r.unlocked = s->log.unlocked;
    if (run_exists(r->out))
        return go_on(s, why) || write_config(s, why) ? RUN_REFUSED : RUN_FINISHED;
    if (!run_log_empty(&s->log))
        return say(why, "%s is there, but no run that it belongs to: move it away, or choose another folder.",
                   s->log.path), RUN_REFUSED;
    return write_config(s, why) ? RUN_REFUSED : RUN_FINISHED;
}

/* A run's first weights, if they are another's. */
static const char *begin_from(struct session *s, char *why)
{
    struct weights w;
    if (!*s->r.from)
        return NULL;
    if (weights_open(&w, s->r.from, why))
        return why;
    const char *wrong = weights_load(&w, s->n, s->r.precision, why);
    weights_close(&w);
    return wrong;
}

/* minutes=: as many steps as fit, by the time that a few gradients take; the weights stay what they are.  What is
 * decided here stands in config.json, and a run that goes on keeps to it. */
static const char *fit_steps(struct session *s, char *why)
{
    enum { WARM = 1, LEAST = 3, MOST = 50 };
    struct run *r = &s->r;
    const double budget = 60 * r->minutes;
    double since = clock_seconds(), last = 0;
    int n = 0;
    if (!(r->minutes > 0))
        return NULL;
    for (; n < MOST && (n < WARM + LEAST || clock_seconds() - since < budget / 50); n++) {
        if (n == WARM)
            since = clock_seconds();
        const int window = n % 2 && r->windows.short_window ? r->windows.short_window : r->windows.window;
        swax_network_zero_gradient(s->n);
        for (int i = 0; i < r->accumulate; i++) {
            if (data_fill(&s->data, &s->part[i], r->seed, DATA_TRAIN, (uint64_t)n, why))
                return why;
            s->part[i].batch.window = window;
            swax_network_gradient(s->n, &s->part[i].batch, 1);
        }
        swax_network_gradient_norm(s->n);
        last = clock_seconds() - since;
    }
    r->steps = steps_in(budget, last / (n - WARM), (double)r->held_out_sequences / r->batch);
    return *r->out ? write_config(s, why) : NULL;
}

enum run_end session_open(struct session *s, char *why)
{
    if (run_check(&s->r, why) || open_source(s, why) || open_network(s, why) || fill_first(s, why))
        return RUN_REFUSED;
    swax_network_init(s->n, s->r.seed);
    s->r.best = (double)NAN;
    const enum run_end end = open_folder(s, why);
    if (end != RUN_FINISHED)
        return end;
    if (*s->r.out && (run_log_best(&s->log, &s->r.best, why) || keep_words(s, why)))
        return RUN_REFUSED;
    return s->step || (!begin_from(s, why) && !fit_steps(s, why)) ? RUN_FINISHED : RUN_REFUSED;
}

void session_close(struct session *s)
{
    run_log_close(&s->log);
    swax_network_free(s->n);
    for (int i = 0; s->part && i < s->r.accumulate; i++)
        data_batch_free(&s->part[i]);
    free(s->part);
    free(s->sample);
    data_close(&s->data);
}
