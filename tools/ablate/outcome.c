/* outcome.c - one run of an ablation: trained to its end or gone on with, examined, and kept as result.json. */
#include "tools/ablate/ablate.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/train/checkpoint.h"
#include "tools/ablate/examine.h"
#include "tools/lib/files.h"
#include "tools/lib/json.h"
#include "tools/lib/say.h"

/* ---- the curve: measured while training, kept in curve.json, so that a run that is gone on with measures no
 * point twice and loses none */

struct training {
    const struct ablation *a;
    int arm;
    struct outcome r;
    char path[RUN_TEXT + 128];
    struct examiner *examiner;
    int resumed;                       /* the step it goes on from */
    outcome_progress progress;
    void *arg;
    const char *wrong;
    char *why;
};

static void write_numbers(FILE *f, const char *name, const double *x, int n)
{
    fprintf(f, "  \"%s\": [", name);
    for (int i = 0; i < n; i++) {
        fputs(i ? ", " : "", f);
        json_write_number(f, x[i]);
    }
    fputs("],\n", f);
}

static void write_curve(FILE *f, const struct outcome *r)
{
    fputs("\"curve\": [", f);
    for (int i = 0; i < r->points; i++) {
        const struct ablate_point *p = &r->curve[i];
        const double x[4] = {p->tokens, p->loss, p->recall, p->copy};
        fprintf(f, "%s\n    [%d", i ? "," : "", p->step);
        for (int k = 0; k < 4; k++) {
            fputs(", ", f);
            json_write_number(f, x[k]);
        }
        fputs("]", f);
    }
    fputs("]", f);
}

static const char *save_curve(const struct training *t)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return file_replace_text(t->path, NULL, &text, t->why);
    fprintf(f, "{\"seconds\": %.17g, ", t->r.seconds);
    write_curve(f, &t->r);
    fputs("}\n", f);
    return file_replace_text(t->path, f, &text, t->why);
}

static double number(const struct json *j)
{
    return j && j->type == JSON_NUMBER ? j->number : (double)NAN;
}

static void read_curve(struct outcome *r, const struct json *curve)
{
    r->points = 0;
    for (const struct json *p = curve ? curve->first : NULL; p && r->points < ABLATE_POINTS; p = p->next) {
        double x[5];
        const struct json *e = p->first;
        for (int k = 0; k < 5; k++, e = e ? e->next : NULL)
            x[k] = number(e);
        r->curve[r->points++] = (struct ablate_point){(int)x[0], x[1], x[2], x[3], x[4]};
    }
}

/* A curve cut short by a full disk or an old format is measured again: it is no loss. */
static void load_curve(struct training *t)
{
    char ignored[SWAX_WHY];
    size_t size;
    char *text = access(t->path, F_OK) ? NULL : file_read(t->path, 1 << 20, &size, ignored);
    struct json *root = text ? json_parse(text, size, ignored) : NULL;
    if (root) {
        read_curve(&t->r, json_get(root, "curve"));
        t->r.seconds = number(json_get(root, "seconds"));
        json_free(root);
    }
    free(text);
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

/* Measure a point of the curve if there should be one at this step and there is none. */
static const char *add_point(struct training *t, const struct run *run, int step, struct swax_network *n)
{
    const int points = t->a->preset->points, due = (int64_t)step * points / run->steps > (int64_t)(step - 1) * points / run->steps;
    const int last = t->r.points ? t->r.curve[t->r.points - 1].step : 0;
    if (!due || step <= last || t->r.points == ABLATE_POINTS)
        return NULL;
    struct ablate_point *p = &t->r.curve[t->r.points];
    *p = (struct ablate_point){step, (double)step * run->batch * run->length, 0, 0, 0};
    const char *wrong = examine_briefly(t->examiner, n, run->batch / run->accumulate, p, t->why);
    t->r.points += !wrong;
    return wrong ? wrong : save_curve(t);
}

/* A run may have been stopped after its checkpoint and before its curve: then the point is measured when it goes on. */
static enum run_verdict watch(void *arg, const struct run *run, const struct run_point *p, struct swax_network *n)
{
    struct training *t = arg;
    const int step = p ? p->step : t->resumed;
    if (p && step == t->resumed + 1 && *run->tiers && strcmp(run->tiers, run->tier))
        fprintf(stderr, "swax: %s, seed %llu: was trained on %s: on %s its bits may differ from those of a run that stayed on one tier\n",
                t->a->arm[t->arm]->name, (unsigned long long)run->seed, run->tiers, run->tier);
    t->r.seconds += p ? p->seconds : 0;
    t->wrong = step ? add_point(t, run, step, n) : NULL;
    return t->wrong || (p && t->progress(t->arg, step)) ? RUN_STOP : RUN_GO_ON;
}

/* ---- the result */

static const char *save_result(const struct ablation *a, const struct outcome *r, const char *folder, char *why)
{
    char path[RUN_TEXT + 128], *text = NULL;
    size_t size = 0;
    snprintf(path, sizeof path, "%s/result.json", folder);
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return file_replace_text(path, NULL, &text, why);
    fprintf(f, "{\n  \"seed\": %llu,\n", (unsigned long long)r->seed);
    const double single[] = {r->tokens, r->seconds, r->parameters, r->loss, r->copy};
    write_numbers(f, "tokens seconds parameters loss copy", single, 5);
    write_numbers(f, "recall", r->recall, a->bins);
    write_numbers(f, "recall beyond reach, by test window", r->grid, a->windows);
    write_numbers(f, "copy, by test window", r->grid_copy, a->windows);
    const double probes[] = {r->whole, r->span_cut, r->relay_block};
    write_numbers(f, "probes", probes, 3);
    write_numbers(f, "loss by position", r->part, MEASURE_PARTS);
    fputs("  \"layers\": [\n", f);
    for (int i = 0; i < r->layers; i++) {
        fprintf(f, "%s  {\n", i ? ",\n" : "");
        write_numbers(f, "value", r->layer[i].value, SWAX_INSIDE);
        fprintf(f, "  \"layer\": %d}", i);
    }
    fputs("],\n  ", f);
    write_curve(f, r);
    fputs("\n}\n", f);
    return file_replace_text(path, f, &text, why);
}

static void read_numbers(double *to, int n, const struct json *list)
{
    const struct json *e = list ? list->first : NULL;
    for (int i = 0; i < n; i++, e = e ? e->next : NULL)
        to[i] = number(e);
}

const char *outcome_read(struct outcome *r, const struct ablation *a, int arm, int seed, char *why)
{
    char path[RUN_TEXT + 128], wrong[SWAX_WHY];
    size_t size;
    memset(r, 0, sizeof *r);
    ablation_folder(path, a, arm, seed);
    strcat(path, "/result.json");
    if (access(path, F_OK))
        return NULL;
    char *text = file_read(path, 1 << 20, &size, why);
    if (!text)
        return why;
    struct json *root = json_parse(text, size, wrong);
    free(text);
    if (!root)
        return say(why, "%s is %s", path, wrong);
    double single[5], probes[3];
    int64_t drawn = 0;
    read_numbers(single, 5, json_get(root, "tokens seconds parameters loss copy"));
    read_numbers(probes, 3, json_get(root, "probes"));
    read_numbers(r->recall, a->bins, json_get(root, "recall"));
    read_numbers(r->grid, a->windows, json_get(root, "recall beyond reach, by test window"));
    read_numbers(r->grid_copy, a->windows, json_get(root, "copy, by test window"));
    read_numbers(r->part, MEASURE_PARTS, json_get(root, "loss by position"));
    r->tokens = single[0], r->seconds = single[1], r->parameters = single[2], r->loss = single[3], r->copy = single[4];
    r->whole = probes[0], r->span_cut = probes[1], r->relay_block = probes[2];
    const struct json *layers = json_get(root, "layers");
    for (const struct json *l = layers ? layers->first : NULL; l && r->layers < ABLATE_LAYERS; l = l->next, r->layers++)
        read_numbers(r->layer[r->layers].value, SWAX_INSIDE, json_get(l, "value"));
    read_curve(r, json_get(root, "curve"));
    const struct json *of = json_get(root, "seed");
    r->done = of && json_integer(of, &drawn);
    r->seed = (uint64_t)drawn;
    json_free(root);
    return r->done ? NULL : say(why, "%s is not the result of a run: delete it, and it is made again.", path);
}

/* ---- making one */

/* Two processes must not train one run: the first holds a lock for as long as it lives. */
static int lock(const char *folder, char *why)
{
    char path[RUN_TEXT + 128];
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (file_make_folder(folder, why))
        return -2;
    snprintf(path, sizeof path, "%s/lock", folder);
    const int fd = open(path, O_RDWR | O_CREAT, 0666);
    if (fd < 0) {
        say_errno(why, path, "cannot be opened");
        return -2;
    }
    if (!fcntl(fd, F_SETLK, &whole))
        return fd;
    close(fd);
    return -1;
}

static enum outcome_end train_and_examine(struct training *t, struct run *run, const char *folder, int threads)
{
    const int at = snprintf(run->out, sizeof run->out, "%s", folder);
    if (at >= (int)sizeof run->out)
        return say(t->why, "%s: this path is too long.", folder), OUTCOME_FAILED;
    run->resume = 1;
    run->threads = threads;
    t->examiner = examiner_new(t->a, t->arm, t->why);
    if (!t->examiner)
        return OUTCOME_FAILED;
    load_curve(t);
    t->resumed = resumed_step(folder);
    const enum run_end end = run_train(run, watch, t, t->why);
    const char *wrong = t->wrong;
    if (end == RUN_INTERRUPTED && !wrong)
        return OUTCOME_STOPPED;
    if (end != RUN_FINISHED || wrong)
        return run_interrupted ? OUTCOME_STOPPED : OUTCOME_FAILED;
    if (save_curve(t) || examine(t->examiner, run, &t->r, t->why) || save_result(t->a, &t->r, folder, t->why))
        return run_interrupted ? OUTCOME_STOPPED : OUTCOME_FAILED;
    return OUTCOME_DONE;
}

enum outcome_end outcome_make(const struct ablation *a, int arm, int seed, int threads, outcome_progress progress, void *arg, char *why)
{
    struct training t = {.a = a, .arm = arm, .progress = progress, .arg = arg, .why = why};
    struct run run = a->run[arm];
    char folder[RUN_TEXT + 64];
    ablation_folder(folder, a, arm, seed);
    snprintf(t.path, sizeof t.path, "%s/curve.json", folder);
    run.seed = t.r.seed = (uint64_t)seed + 1;
    const int fd = lock(folder, why);
    if (fd < 0)
        return fd == -1 ? OUTCOME_BUSY : OUTCOME_FAILED;
    struct outcome there;
    enum outcome_end end = OUTCOME_DONE;
    if (outcome_read(&there, a, arm, seed, why))
        end = OUTCOME_FAILED;
    else if (!there.done)                  /* another process may have finished it in the meantime */
        end = train_and_examine(&t, &run, folder, threads);
    examiner_free(t.examiner);
    close(fd);
    return end;
}
