/* checkpoint.c - a run's state in a safetensors file. */
#include "tools/train/checkpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "ref/network/directory.h"
#include "tools/lib/json.h"
#include "tools/lib/number.h"
#include "tools/lib/random.h"
#include "tools/lib/say.h"

const char checkpoint_name[] = "checkpoint.safetensors";
static const char format[] = "swax-checkpoint-1";
static const char *const prefix[] = {"", "moment1.", "moment2."};      /* by enum swax_which */

void run_path(char path[RUN_TEXT + 64], const char *out, const char *name)
{
    snprintf(path, RUN_TEXT + 64, "%s/%s", out, name);
}

/* Generators are counters: what they have drawn is where they are. */
static void write_generators(char text[256], const struct run *r, int step)
{
    snprintf(text, 256,
             "{\"data\":{\"seed\":%llu,\"stream\":%d,\"next\":%lld},\"window\":{\"seed\":%llu,\"stream\":%d,"
             "\"next\":%d}}",
             (unsigned long long)r->seed, RANDOM_TRAIN, (long long)step * r->batch, (unsigned long long)r->seed,
                 RANDOM_WINDOW, step);
}

/* Those before and this one, each once. */
static void write_tiers(char text[RUN_TIERS + 32], const struct run *r)
{
    char all[RUN_TIERS + 2], this[sizeof r->tier + 2];
    snprintf(all, sizeof all, " %s ", r->tiers);
    snprintf(this, sizeof this, " %s ", r->tier);
    const int another = *r->tier && !strstr(all, this);
    snprintf(text, RUN_TIERS + 32, "%s%s%s", r->tiers, another && *r->tiers ? " " : "", another ? r->tier : "");
}

struct contents { struct swax_network *n; int tensors; };

static void get_tensor(void *arg, int i, void *to)
{
    const struct contents *c = arg;
    swax_network_get(c->n, (enum swax_which)(i / c->tensors), i % c->tensors, to);
}

static void tensor_name(char name[128], int which, const struct swax_tensor *t)
{
    snprintf(name, 128, "%s%s", prefix[which], t->name);
}

const char *checkpoint_save(const char *path, const struct run *r, struct swax_network *n, int step, int moments,
                            char *why)
{
    struct contents c = {n, 0};
    const struct swax_tensor *t = swax_network_tensors(n, &c.tensors);
    const int count = c.tensors * (moments ? 3 : 1);
    char numbers[2][32], generators[256], tiers[RUN_TIERS + 32], *config = run_json(r, 1);
    snprintf(numbers[0], sizeof numbers[0], "%d", step);
    snprintf(numbers[1], sizeof numbers[1], "%lld", (long long)step * r->batch);
    write_generators(generators, r, step);
    write_tiers(tiers, r);
    const char *const meta[][2] = {{"format", format}, {"step", numbers[0]}, {"next_sequence", numbers[1]},
                                   {"generators", generators},
                                     {"config", config}, {"tier", tiers}, {"data", r->data}, {"held_out", r->held_out}};
    const int members = (int)(sizeof meta / sizeof *meta) - !*r->held_out;
    struct st_tensor *tensor = calloc((size_t)count, sizeof *tensor);
    char (*name)[128] = calloc((size_t)count, sizeof *name);
    const struct st_plan plan = {count, tensor, get_tensor, &c, members, meta};
    const char *wrong = config && tensor && name ? NULL : say(why, "There is no memory to write %s.", path);
    for (int i = 0; i < count && !wrong; i++) {
        const struct swax_tensor *from = &t[i % c.tensors];
        tensor_name(name[i], i / c.tensors, from);
        tensor[i].name = name[i];
        tensor[i].type = r->precision == SWAX_PREC_F64 ? ST_F64 : ST_F32;
        tensor[i].rank = from->rank;
        tensor[i].shape[0] = from->shape[0];
        tensor[i].shape[1] = from->shape[1];
    }
    if (!wrong)
        wrong = st_write(path, &plan, why);
    free(config);
    free(tensor);
    free(name);
    return wrong;
}

/* ---- reading */

static const char *read_config(struct checkpoint *c, const char *text, char *why)
{
    char wrong[SWAX_WHY];
    struct json *root = json_parse(text, strlen(text), wrong);
    if (!root)
        return say(why, "is %s", wrong);
    if (root->type != JSON_OBJECT) {
        json_free(root);
        return say(why, "is no JSON object");
    }
    const struct json *data = json_get(root, "data");
    const char *bad = data && data->text ? run_set(&c->run, "data", data->text, wrong) : NULL;
    for (const struct json *j = root->first; j && !bad; j = j->next)
        bad = j->text ? run_set(&c->run, j->key, j->text, wrong)
                      : say(wrong, "\"%.60s\" is no text and no number", j->key);
    if (!bad && !c->run.model.vocabulary)
        bad = say(wrong, "the vocabulary is missing");
    if (!bad)
        bad = run_check(&c->run, wrong);
    json_free(root);
    return bad ? say(why, "cannot be used: %.200s", bad) : NULL;
}

/* What run_train finds, as far as it is there: a network that was converted has had no run. */
static void read_found(struct checkpoint *c)
{
    const char *tiers = st_meta(c->file, "tier"), *data = st_meta(c->file, "data"),
        *held_out = st_meta(c->file, "held_out");
    snprintf(c->run.tiers, sizeof c->run.tiers, "%s", tiers ? tiers : "");
    snprintf(c->run.data, sizeof c->run.data, "%s", data ? data : "");
    snprintf(c->run.held_out, sizeof c->run.held_out, "%s", held_out ? held_out : "");
}

/* The step, and what depends on it, must tell the same story. */
static const char *read_state(struct checkpoint *c, char *why)
{
    const char *step = st_meta(c->file, "step"), *next = st_meta(c->file, "next_sequence"),
        *generators = st_meta(c->file, "generators");
    char expected[256];
    long whole, sequence;
    if (!step || !number_whole(step, 0, 1 << 30, &whole))
        return say(why, "its step is missing");
    c->step = (int)whole;
    write_generators(expected, &c->run, c->step);
    if (!next || !number_whole(next, 0, INT64_MAX, &sequence) || sequence != (long)c->step * c->run.batch ||
        !generators || strcmp(generators, expected))
        return say(why, "its generators do not stand where its step says");
    return NULL;
}

/* A tensor of the network, as the file should have it. */
static const struct st_tensor *find_tensor(const struct checkpoint *c, int which, const struct swax_tensor *t,
                                           char *why)
{
    char name[128];
    tensor_name(name, which, t);
    const struct st_tensor *found = st_find(c->file, name);
    if (!found)
        return say(why, "The checkpoint lacks tensor %s.", name), NULL;
    if (found->rank == t->rank && found->shape[0] == t->shape[0] && (t->rank == 1 || found->shape[1] == t->shape[1]))
        return found;
    say(why, "Tensor %s of the checkpoint is %lld x %lld, and the network's is %ld x %ld.", name,
        (long long)found->shape[0],
        found->rank > 1 ? (long long)found->shape[1] : 1, t->shape[0], t->rank > 1 ? t->shape[1] : 1);
    return NULL;
}

/* Are the file's tensors those of a network of its configuration?  Asked before such a network takes its memory. */
static const char *check_tensors(const struct checkpoint *c, char *why)
{
    struct swax_config model = c->run.model;
    struct swax_places *places = malloc(sizeof *places);
    if (!places || swax_config_check(&model, why)) {
        free(places);
        return places ? why : say(why, "There is no memory for the list of tensors.");
    }
    const int count = swax_directory(&model, places, NULL), held = st_count(c->file);
    struct swax_tensor *t = calloc((size_t)count, sizeof *t);
    const char *wrong = t ? NULL : say(why, "There is no memory for the list of tensors.");
    if (!wrong && held != count && held != 3 * count)
        wrong = say(why,
                    "The checkpoint holds %d tensors, where a network of this configuration has %d, or %d with "
                    "moments.", held, count, 3 * count);
    if (!wrong)
        swax_directory(&model, places, t);
    for (int which = SWAX_WEIGHT; !wrong && which <= (held == 3 * count ? SWAX_MOMENT2 : SWAX_WEIGHT); which++)
        for (int i = 0; i < count && !wrong; i++)
            wrong = find_tensor(c, which, &t[i], why) ? NULL : why;
    free(t);
    free(places);
    return wrong;
}

const char *checkpoint_open(struct checkpoint *c, const char *path, char *why)
{
    char last[RUN_TEXT + 64], wrong[SWAX_WHY];
    struct stat s;
    memset(c, 0, sizeof *c);
    c->run = run_default();
    if (!stat(path, &s) && S_ISDIR(s.st_mode)) {
        run_path(last, path, checkpoint_name);
        if (access(last, F_OK) && errno == ENOENT)
            return run_exists(path)
                       ? say(why, "%.150s holds no checkpoint yet: its run leaves one every checkpoint_every steps, "
                                  "and when it ends.", path)
                       : say(why, "%.150s holds neither a run, with its checkpoint.safetensors, nor a model of Hugging "
                                  "Face's, whose config.json says a model_type.", path);
        path = last;
    }
    c->file = st_open(path, why);
    if (!c->file)
        return why;
    const char *what = st_meta(c->file, "format"), *config = st_meta(c->file, "config"), *bad = NULL;
    if (!what || strcmp(what, format) || !config)
        bad = say(why,
                  "%s is a safetensors file, but no checkpoint of swax: of a model of Hugging Face's, name the folder.",
                  path);
    else if (!st_meta(c->file, "swax.checksum"))
        bad = say(why, "%s has lost its checksum: it was damaged, or changed by another program.", path);
    else if (read_config(c, config, wrong))
        bad = say(why, "The configuration in %.80s %s", path, wrong);
    else if (read_state(c, wrong))
        bad = say(why, "%s cannot be used: %s.", path, wrong);
    else
        bad = check_tensors(c, why);
    if (bad)
        checkpoint_close(c);
    else
        read_found(c);
    return bad;
}

void checkpoint_close(struct checkpoint *c)
{
    st_close(c->file);
    c->file = NULL;
}

static const char *load_tensor(const struct checkpoint *c, struct swax_network *n, int which, int i,
                               const struct swax_tensor *t, void *room,
                               enum st_type type, char *why)
{
    const struct st_tensor *found = find_tensor(c, which, t, why);
    if (!found || st_read(c->file, found, type, room, why))
        return why;
    swax_network_put(n, (enum swax_which)which, i, room);
    return NULL;
}

const char *checkpoint_load(const struct checkpoint *c, struct swax_network *n, enum swax_precision precision,
                            int moments, char *why)
{
    int count;
    long most = 0;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    const enum st_type type = precision == SWAX_PREC_F64 ? ST_F64 : ST_F32;
    for (int i = 0; i < count; i++)
        most = t[i].size > most ? t[i].size : most;
    void *room = malloc((size_t)most * (size_t)st_type_bytes[type]);
    const char *wrong = room ? NULL : say(why, "There is no memory to read a tensor of %ld elements.", most);
    for (int which = SWAX_WEIGHT; which <= (moments ? SWAX_MOMENT2 : SWAX_WEIGHT) && !wrong; which++)
        for (int i = 0; i < count && !wrong; i++)
            wrong = load_tensor(c, n, which, i, &t[i], room, type, why);
    free(room);
    const int bad = wrong ? -1 : swax_network_nonfinite(n, SWAX_WEIGHT);
    return bad < 0 ? wrong
                   : say(why, "Tensor %s of the checkpoint holds a NaN or an infinity: nothing can be computed with "
                              "it.", t[bad].name);
}
