/* outcome.c - one run of an ablation: trained to its end or gone on with, examined, and kept as result.json. */
#include "tools/ablate/ablate.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/ablate/examine.h"
#include "tools/lib/files.h"
#include "tools/lib/json.h"
#include "tools/lib/say.h"
#include "tools/train/checkpoint.h"

/* ---- the curve: measured while training, kept in curve.json, so that a run that is gone on with measures no
 * point twice and loses none */

struct training {
    const struct ablation *a;
    int arm;
    struct outcome r;
    char path[RUN_TEXT + 128];
    int resumed;                       /* the step it goes on from */
    outcome_progress progress;
    void *arg;
    int unfit;                         /* what it would begin with is not what the others began with */
    int asked_again;                   /* what is there already was asked other questions */
    const char *wrong;
    char *why;
};

static const char *save_curve(const struct training *t)
{
    char *text = NULL;
    size_t size;
    FILE *f = file_open_text(&text, &size);
    if (!f)
        return file_replace_text(t->path, NULL, &text, t->why);
    fprintf(f, "{\"seconds\": %.17g,\n ", t->r.seconds);
    curve_write(f, t->a, &t->r, " ");
    fputs("}\n", f);
    return file_replace_text(t->path, f, &text, t->why);
}

/* As far as it will go on from, since what comes behind is done again.  What other questions have answered is not kept;
 * where the run stands, they can be asked of it once more.  A curve cut short by a full disk or an old format is
 * measured again: it is no loss. */
static void load_curve(struct training *t)
{
    char ignored[SWAX_WHY];
    struct json *root = access(t->path, F_OK) ? NULL : json_read(t->path, 1 << 20, ignored);
    const struct json *seconds = json_get(root, "seconds");
    if (root) {
        const int dropped = curve_read(&t->r, t->a, root, t->asked_again);
        while (t->r.points && t->r.curve[t->r.points - 1].step > t->resumed - dropped)
            t->r.points--;
        t->r.seconds = seconds && seconds->type == JSON_NUMBER ? seconds->number : 0;
        json_free(root);
    }
}

/* The step of the run's checkpoint, from which it will go on. */
static int resumed_step(const char *folder)
{
    struct checkpoint c;
    char path[RUN_TEXT + 64], ignored[SWAX_WHY];
    run_path(path, folder, checkpoint_name);
    if (access(path, F_OK) || checkpoint_open(&c, path, ignored))
        return 0;
    const int step = c.step;
    checkpoint_close(&c);
    return step;
}

/* Did the point ask of the text that the run looks at? */
static const char *same_held_out(const struct run *run, char *why)
{
    const char *value[SOURCE_KEYS];
    struct data d = {0};
    char sum[17];
    run_values(run, value);
    if (!*run->held_out)
        return NULL;
    const char *wrong = data_open(&d, run->source, value, run->length, why);
    if (!wrong)
        wrong = data_sum(&d, DATA_HELD_OUT, run->length, sum, why);
    data_close(&d);
    return !wrong && strcmp(sum, run->held_out)
               ? say(why, "A file that its data lie in was changed while it was trained: put it back as it was, and "
                          "start the ablation again.")
               : wrong;
}

/* Measure a point of the curve if there should be one at this step and there is none. */
static const char *add_point(struct training *t, const struct run *run, int step, struct swax_network *n)
{
    const int points = t->a->points;
    const int due = (int64_t)step * points / run->steps > (int64_t)(step - 1) * points / run->steps;
    const int last = t->r.points ? t->r.curve[t->r.points - 1].step : 0;
    if (!due || step <= last || t->r.points == ABLATE_POINTS)
        return NULL;
    struct ablate_point *p = &t->r.curve[t->r.points];
    *p = (struct ablate_point){.step = step, .tokens = (double)step * run->batch * run->length};
    const char *wrong = examine_briefly(t->a, run, n, run->batch / run->accumulate, p, t->why);
    wrong = wrong ? wrong : same_held_out(run, t->why);
    t->r.points += !wrong;
    return wrong ? wrong : save_curve(t);
}

/* A run may have been stopped after its checkpoint and before its curve: then the point is measured when it goes on. */
static enum run_verdict watch(void *arg, const struct run *run, const struct run_point *p, struct swax_network *n)
{
    struct training *t = arg;
    const int step = p ? p->step : t->resumed;
    if (p && step == t->resumed + 1 && *run->tiers && strcmp(run->tiers, run->tier))
        fprintf(stderr,
                "swax: %s, seed %llu: was trained on %s: on %s its bits may differ from those of a run that stayed on "
                "one tier\n",
                t->a->arm[t->arm].name, (unsigned long long)run->seed, run->tiers, run->tier);
    t->r.seconds += p ? p->seconds : 0;
    t->wrong = p ? NULL : ablation_same(t->a, t->arm, t->why);         /* now that the run has summed its own */
    t->unfit = !p && t->wrong && !step;
    t->wrong = step && !t->wrong ? add_point(t, run, step, n) : t->wrong;
    return t->wrong || (p && t->progress(t->arg, step)) ? RUN_STOP : RUN_GO_ON;
}

/* ---- making one */

static const char *save_result(const struct ablation *a, int arm, const struct outcome *r, const char *folder,
                               char *why)
{
    char path[RUN_TEXT + 128], *text = NULL;
    size_t size;
    snprintf(path, sizeof path, "%s/result.json", folder);
    FILE *f = file_open_text(&text, &size);
    if (f) {
        outcome_write(f, a, arm, r, " ");
        fputs("\n", f);
    }
    return file_replace_text(path, f, &text, why);
}

/* Two processes must not train one run: the first holds a lock for as long as it lives.  OUTCOME_DONE: it is held. */
static enum outcome_end lock(const char *folder, int *fd, char *why)
{
    char path[RUN_TEXT + 128];
    if (file_make_folder(folder, why))
        return OUTCOME_FAILED;
    snprintf(path, sizeof path, "%s/lock", folder);
    *fd = open(path, O_RDWR | O_CREAT, 0666);
    if (*fd < 0)
        return say_errno(why, path, "cannot be opened"), OUTCOME_FAILED;
    const enum file_lock held = file_lock(*fd);
    if (held == FILE_HELD || held == FILE_NO_LOCKS)
        return OUTCOME_DONE;
    if (held == FILE_LOCK_FAILED)
        say_errno(why, path, "cannot be locked");
    close(*fd);
    return held == FILE_BUSY ? OUTCOME_BUSY : OUTCOME_FAILED;
}

static enum outcome_end train_and_examine(struct training *t, struct run *run, const char *folder, int threads)
{
    snprintf(run->out, sizeof run->out, "%.*s", RUN_TEXT - 1, folder);         /* the command leaves room for it */
    run->resume = 1;
    run->threads = run->threads ? run->threads : threads;
    t->resumed = resumed_step(folder);
    load_curve(t);
    const enum run_end end = run_train(run, watch, t, t->why);
    const char *wrong = t->wrong;
    char begun[RUN_TEXT + 64];
    run_path(begun, folder, checkpoint_name);
    if (t->unfit)                              /* of no step, and of other data than those of the others */
        unlink(begun);
    if (end == RUN_INTERRUPTED && !wrong)
        return OUTCOME_STOPPED;
    if (end != RUN_FINISHED || wrong)
        return run_interrupted ? OUTCOME_STOPPED : OUTCOME_FAILED;
    if (save_curve(t) || examine(t->a, run, &t->r, t->why) || ablation_same(t->a, t->arm, t->why) ||
        save_result(t->a, t->arm, &t->r, folder, t->why))
        return run_interrupted ? OUTCOME_STOPPED : OUTCOME_FAILED;
    return OUTCOME_DONE;
}

enum outcome_end outcome_make(const struct ablation *a, int arm, int seed, int threads, outcome_progress progress,
                              void *arg, char *why)
{
    static struct training t;
    static struct outcome there;
    struct run run = a->run[arm];
    char folder[RUN_TEXT + 64];
    t = (struct training){.a = a, .arm = arm, .progress = progress, .arg = arg, .why = why};
    ablation_folder(folder, a, arm, seed);
    snprintf(t.path, sizeof t.path, "%s/curve.json", folder);
    run.seed = t.r.seed = (uint64_t)seed + 1;
    int fd;
    enum outcome_end end = lock(folder, &fd, why);
    if (end != OUTCOME_DONE)
        return end;
    if (outcome_read(&there, a, arm, seed, why))
        end = OUTCOME_FAILED;
    else if (!there.done) {                /* another process may have finished it in the meantime */
        t.asked_again = there.other;
        end = train_and_examine(&t, &run, folder, threads);
    }
    close(fd);
    return end;
}
