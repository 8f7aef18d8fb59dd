/* run.c - the one training loop. */
#include "tools/train/run.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "tools/train/checkpoint.h"
#include "tools/train/held_out.h"
#include "tools/lib/clock.h"
#include "tools/lib/checksum.h"
#include "tools/lib/files.h"
#include "tools/lib/options.h"
#include "tools/train/run_log.h"
#include "tools/lib/say.h"
#include "tools/lib/threads.h"

volatile sig_atomic_t run_interrupted;

struct session {
    struct run r;
    struct data data;
    struct data_batch *part;           /* r.accumulate of them */
    struct swax_network *n;
    struct run_log log;
    int step;                          /* done */
    int saved;                         /* the step of the last checkpoint; -1: there is none */
    char path[RUN_TEXT + 64];          /* of the last checkpoint */
};

int run_exists(const char *out)
{
    char path[RUN_TEXT + 64];
    run_path(path, out, "config.json");
    if (!access(path, F_OK))
        return 1;
    run_path(path, out, checkpoint_name);
    return !access(path, F_OK);
}

const char *run_read(struct run *r, const char *out, char *why)
{
    char path[RUN_TEXT + 64], wrong[SWAX_WHY];
    struct options o = {0};
    run_path(path, out, "config.json");
    *r = run_default();
    const char *bad = options_read_json(&o, path, why);
    if (!bad && run_take(r, &o, wrong))
        bad = say(why, "%.120s: %.180s", path, wrong);
    snprintf(r->out, sizeof r->out, "%s", out);
    options_free(&o);
    return bad;
}

/* ---- opening */

static const char *open_source(struct session *s, char *why)
{
    struct run *r = &s->r;
    const char *value[SOURCE_KEYS];
    for (int i = 0; i < SOURCE_KEYS; i++)
        value[i] = r->value[i];
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
    if (r->source->contents && r->source->contents(s->data.opened, &sum, why))
        return why;
    checksum_text(&sum, r->data);
    for (int part = 0; part < 2 && r->source->tokens; part++)
        r->tokens[part] = r->source->tokens(s->data.opened, (enum data_part)part);
    if (r->source->tokens && r->tokens[DATA_HELD_OUT] <= r->length)
        r->held_out_sequences = 0;                 /* so little is held out that no sequence can be cut from it */
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
    if (file_make_folder(r->out, why))
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
    struct checkpoint c;
    if (!*s->r.from)
        return NULL;
    if (checkpoint_open(&c, s->r.from, why))
        return why;
    const char *wrong = checkpoint_load(&c, s->n, s->r.precision, 0, why);
    checkpoint_close(&c);
    return wrong;
}

/* minutes=: as many steps as fit, by the time that a few gradients take; the weights stay what they are.  What is decided
 * here stands in config.json, and a run that goes on keeps to it. */
static const char *fit_steps(struct session *s, char *why)
{
    enum { WARM = 1, LEAST = 3, MOST = 50 };
    struct run *r = &s->r;
    const double budget = 60 * r->minutes, share = 0.97;      /* the rest is for checkpoints */
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
    const double step = last / (n - WARM), looks = r->held_out_sequences ? 20.0 * r->held_out_sequences / r->batch * step / 3 : 0;
    const double steps = fmax((budget * share - looks) / (step * 1.02), 1);
    r->steps = steps < 1 << 30 ? (int)steps : 1 << 30;
    return *r->out ? write_config(s, why) : NULL;
}

static enum run_end open_session(struct session *s, char *why)
{
    if (run_check(&s->r, why) || open_source(s, why) || open_network(s, why) || fill_first(s, why))
        return RUN_REFUSED;
    swax_network_init(s->n, s->r.seed);
    s->r.best = (double)NAN;
    const enum run_end end = open_folder(s, why);
    if (end != RUN_FINISHED)
        return end;
    if (*s->r.out && run_log_best(&s->log, &s->r.best, why))
        return RUN_REFUSED;
    return s->step || (!begin_from(s, why) && !fit_steps(s, why)) ? RUN_FINISHED : RUN_REFUSED;
}

static void close_session(struct session *s)
{
    run_log_close(&s->log);
    swax_network_free(s->n);
    for (int i = 0; s->part && i < s->r.accumulate; i++)
        data_batch_free(&s->part[i]);
    free(s->part);
    data_close(&s->data);
}

/* ---- checkpoints */

static void last_good(const struct session *s, char last[RUN_TEXT + 160])
{
    if (s->saved < 0)
        snprintf(last, RUN_TEXT + 160, "there is no checkpoint to go back to");
    else
        snprintf(last, RUN_TEXT + 160, "the last good checkpoint is %s, of step %d", s->path, s->saved);
}

/* What is not finite is never saved over what was. */
static const char *diverged(struct session *s, enum swax_which which, char *why)
{
    static const char *const of[] = {"weight", "first moment", "second moment", "gradient"};
    int count;
    const int bad = swax_network_nonfinite(s->n, which);
    const struct swax_tensor *t = swax_network_tensors(s->n, &count);
    char last[RUN_TEXT + 160];
    last_good(s, last);
    return bad < 0 ? NULL : say(why, "Step %d: the %s of %s is not finite; %s.", s->step, of[which], t[bad].name, last);
}

static enum run_end save(struct session *s, char *why)
{
    char numbered[RUN_TEXT + 64], name[64], other[SWAX_WHY];
    const struct run *r = &s->r;
    if (!*r->out || s->saved == s->step)
        return RUN_FINISHED;
    if (diverged(s, SWAX_WEIGHT, why) || diverged(s, SWAX_MOMENT1, why) || diverged(s, SWAX_MOMENT2, why))
        return RUN_DIVERGED;
    snprintf(name, sizeof name, "checkpoint-%08d.safetensors", s->step);
    run_path(numbered, r->out, name);
    if (run_log_sync(&s->log, why))
        return RUN_REFUSED;
    /* the one that stays first: a run that crashes in between goes on from before it, and writes it again */
    const char *kept = r->keep_every && s->step % r->keep_every == 0
        ? checkpoint_save(numbered, r, s->n, s->step, 1, other) : NULL;
    if (checkpoint_save(s->path, r, s->n, s->step, 1, why))
        return RUN_REFUSED;
    s->saved = s->step;
    return kept ? say(why, "%s", kept), RUN_REFUSED : RUN_FINISHED;
}

/* The weights of the lowest held-out loss so far, behind the step's line in the log, which says which that was. */
static enum run_end keep_best(struct session *s, const struct run_point *p, char *why)
{
    char path[RUN_TEXT + 64];
    if (!isfinite(p->held_out) || p->held_out >= s->r.best)
        return RUN_FINISHED;
    s->r.best = p->held_out;
    if (!*s->r.out)
        return RUN_FINISHED;
    if (diverged(s, SWAX_WEIGHT, why))
        return RUN_DIVERGED;
    run_path(path, s->r.out, "best.safetensors");
    return checkpoint_save(path, &s->r, s->n, s->step, 0, why) ? RUN_REFUSED : RUN_FINISHED;
}

static int due(const struct session *s)
{
    const struct run *r = &s->r;
    return s->step % r->checkpoint_every == 0 || s->step == r->steps || (r->keep_every && s->step % r->keep_every == 0);
}

/* ---- one step */

/* Held-out sequences, when it is time.  No bit of the training depends on it: weights are read alone. */
static const char *look(struct session *s, struct run_point *p, char *why)
{
    const struct run *r = &s->r;
    const int every = r->held_out_every ? r->held_out_every : r->steps > 20 ? r->steps / 20 : 1;
    p->held_out = p->held_out_error = (double)NAN;
    if (!r->held_out_sequences || (s->step % every && s->step != r->steps))
        return NULL;
    return held_out_loss(s->n, &s->data, &s->part[0], r, r->held_out_sequences, &p->held_out, &p->held_out_error, why);
}

static enum run_end one_step(struct session *s, struct run_point *p, char *why)
{
    struct run *r = &s->r;
    struct swax_adamw o = r->optimiser;
    const double since = clock_seconds();
    const int rows = r->batch / r->accumulate;
    double weight = 0;
    p->window = window_at(&r->windows, r->seed, s->step, r->steps);
    const struct rates rates = {r->schedule, r->optimiser.rate, r->warmup, r->cooldown, r->final_rate};
    p->rate = o.rate = rate_at(&rates, s->step, r->steps);
    for (int i = 0; i < r->accumulate; i++) {
        const uint64_t first = (uint64_t)s->step * (uint64_t)r->batch + (uint64_t)i * (uint64_t)rows;
        if (data_fill(&s->data, &s->part[i], r->seed, DATA_TRAIN, first, why))
            return RUN_REFUSED;
        s->part[i].batch.window = p->window;
        weight += s->part[i].weight;
    }
    p->loss = 0;
    swax_network_zero_gradient(s->n);
    for (int i = 0; i < r->accumulate; i++)
        p->loss += swax_network_gradient(s->n, &s->part[i].batch, weight > 0 ? 1 / weight : 0);
    p->norm = swax_network_gradient_norm(s->n);
    p->step = ++s->step;
    const char *trouble = swax_network_trouble(s->n);
    if (trouble)
        return say(why, "Step %d: %s", s->step, trouble), RUN_DIVERGED;
    if (!(isfinite(p->loss) && isfinite(p->norm))) {
        if (!diverged(s, SWAX_GRADIENT, why) && !diverged(s, SWAX_WEIGHT, why))
            say(why, "Step %d: the loss is %g, the norm of the gradient %g.", s->step, p->loss, p->norm);
        return RUN_DIVERGED;
    }
    swax_network_adamw(s->n, &o, s->step);
    p->tokens = (double)s->step * r->batch * r->length;
    p->seconds = clock_seconds() - since;
    p->tokens_per_second = (double)r->batch * r->length / p->seconds;
    if (look(s, p, why))
        return RUN_REFUSED;
    return *r->out && run_log_add(&s->log, p, why) ? RUN_REFUSED : RUN_FINISHED;
}

static enum run_end steps(struct session *s, run_watch watch, void *arg, char *why)
{
    int stop = watch && watch(arg, &s->r, NULL, s->n) == RUN_STOP;
    while (s->step < s->r.steps && !stop && !run_interrupted) {
        struct run_point p;
        enum run_end end = one_step(s, &p, why);
        if (end == RUN_FINISHED)
            end = keep_best(s, &p, why);
        if (end == RUN_FINISHED && due(s))
            end = save(s, why);
        if (end != RUN_FINISHED)
            return end;
        stop = watch && watch(arg, &s->r, &p, s->n) == RUN_STOP;
    }
    if (s->step == s->r.steps)
        return RUN_FINISHED;
    const enum run_end end = save(s, why);
    return end == RUN_FINISHED ? RUN_INTERRUPTED : end;
}

/* "... cannot be written: No space left on device; the last good checkpoint is ..." */
static void name_last_good(const struct session *s, char *why)
{
    char last[RUN_TEXT + 160], what[SWAX_WHY];
    last_good(s, last);
    snprintf(what, sizeof what, "%s", why);
    if (*s->r.out)
        say(why, "%.*s; %s.", (int)strlen(what) - (what[strlen(what) - 1] == '.'), what, last);
}

enum run_end run_train(const struct run *r, run_watch watch, void *arg, char *why)
{
    struct session s = {.r = *r, .log.file = -1, .saved = -1};
    enum run_end end = open_session(&s, why);
    if (end == RUN_FINISHED) {
        end = steps(&s, watch, arg, why);
        if (end == RUN_REFUSED)
            name_last_good(&s, why);
    }
    close_session(&s);
    return end;
}
