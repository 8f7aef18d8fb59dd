/* run_keys.c - a run as text: the table of its keys, read, listed and checked. */
#include "tools/train/run.h"

#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/files.h"
#include "tools/lib/json.h"
#include "tools/lib/options.h"
#include "tools/lib/say.h"

enum kind { TEXT, YES_NO, WHOLE, SEED, NUMBER, PRECISION, SOURCE };

/* Keys that may change when a run is resumed: no bit of the result depends on them, but for the tier's. */
enum { FIXED, FREE, UNLISTED };

static const struct key {
    const char *name;
    enum kind kind;
    size_t at;
    double least, most;
    int change;
    const char *what;
} keys[] = {
#define AT(field) offsetof(struct run, field)
    {"out", TEXT, AT(out), 0, 0, UNLISTED, "the folder that the run keeps its files in"},
    {"resume", YES_NO, AT(resume), 0, 0, UNLISTED, "yes: go on with the run in out, to the bits of one that was never stopped"},
    {"data", SOURCE, AT(source), 0, 0, FIXED, "where the sequences come from"},
    {"batch", WHOLE, AT(batch), 1, 1 << 20, FIXED, "sequences a step"},
    {"length", WHOLE, AT(length), 1, 1 << 24, FIXED, "tokens a sequence"},
    {"accumulate", WHOLE, AT(accumulate), 1, 1 << 20, FIXED, "parts that a step's batch is computed in, to save memory"},
    {"steps", WHOLE, AT(steps), 1, 1 << 30, FIXED, "steps of the whole run"},
    {"window", WHOLE, AT(windows.window), 1, INT_MAX, FIXED, "keys that a token attends to, itself included; the long one if there are two"},
    {"short_window", WHOLE, AT(windows.short_window), 0, INT_MAX, FIXED, "drawn instead for some of the steps; 0 for never"},
    {"short_probability", NUMBER, AT(windows.short_probability), 0, 1, FIXED, "of drawing the short window at a step"},
    {"anneal", NUMBER, AT(windows.anneal), 0, 1, FIXED, "the last fraction of the steps takes the long window only"},
    {"ramp", NUMBER, AT(windows.ramp), 0, 1, FIXED, "the fraction of the steps before, over which the probability falls to 0"},
    {"rate", NUMBER, AT(optimiser.rate), 0, 1e6, FIXED, "the highest learning rate"},
    {"warmup", NUMBER, AT(warmup), 0, 1, FIXED, "the fraction of the steps in which the rate rises"},
    {"final_rate", NUMBER, AT(final_rate), 0, 1, FIXED, "where the cosine ends, as a fraction of rate"},
    {"beta1", NUMBER, AT(optimiser.beta1), 0, 0.9999999, FIXED, "AdamW's average of gradients"},
    {"beta2", NUMBER, AT(optimiser.beta2), 0, 0.9999999, FIXED, "AdamW's average of their squares"},
    {"epsilon", NUMBER, AT(optimiser.eps), 0, 1, FIXED, "AdamW's eps"},
    {"decay", NUMBER, AT(optimiser.decay), 0, 1e6, FIXED, "AdamW's weight decay, on matrices"},
    {"clip", NUMBER, AT(optimiser.clip), 0, 1e30, FIXED, "the largest norm of the gradient; 0 for any"},
    {"seed", SEED, AT(seed), 0, 0, FIXED, "of weights, data and windows, each from a generator of its own"},
    {"precision", PRECISION, AT(precision), 0, 0, FIXED, "fp32, fp64 or bf16"},
    {"tier", TEXT, AT(tier), 0, 0, FREE, "the kernels: ref, avx2, avx512, neon, cuda; empty for the fastest here"},
    {"threads", WHOLE, AT(threads), 0, 4096, FREE, "0 for all cores; no bit depends on it"},
    {"checkpoint_every", WHOLE, AT(checkpoint_every), 1, INT_MAX, FREE, "steps between checkpoints"},
    {"keep_every", WHOLE, AT(keep_every), 0, INT_MAX, FREE, "steps between numbered checkpoints that are kept; 0 for none"},
#undef AT
};
enum { KEYS = sizeof keys / sizeof *keys };

struct run run_default(void)
{
    struct run r;
    memset(&r, 0, sizeof r);
    r.model = swax_config_default();
    r.model.vocabulary = 0;            /* the source's, unless it is set */
    r.source = source_find("text");
    r.batch = 16;
    r.length = 256;
    r.accumulate = 1;
    r.steps = 1000;
    r.windows.window = 64;
    r.windows.short_probability = 0.5;
    r.optimiser.rate = 2e-3;
    r.optimiser.beta1 = 0.9;
    r.optimiser.beta2 = 0.95;
    r.optimiser.eps = 1e-8;
    r.optimiser.decay = 0.1;
    r.optimiser.clip = 1;
    r.warmup = 0.05;
    r.final_rate = 0.1;
    r.seed = 1;
    r.checkpoint_every = 100;
    return r;
}

static const struct key *find(const char *name)
{
    for (const struct key *k = keys; k < keys + KEYS; k++)
        if (!strcmp(k->name, name))
            return k;
    return NULL;
}

/* ---- one key from text, one key to text */

static const char *set_text(char *to, size_t room, const char *key, const char *value, char *why)
{
    if (strlen(value) >= room)
        return say(why, "%s: its %zu characters are more than the %zu there is room for.", key, strlen(value), room - 1);
    if (!json_is_text(value))
        return say(why, "%s: its value is not UTF-8, which config.json could not hold.", key);
    strcpy(to, value);
    return NULL;
}

static const char *set_source(const struct source **to, const char *value, char *why)
{
    struct nearest n = nearest_to(value);
    const struct source *found = source_find(value);
    for (int i = 0; i < n_sources; i++)
        nearest_try(&n, sources[i]->name);
    if (!found)
        return say(why, "data=%.60s: there is no such source%s%s%s.", value, n.best ? ": did you mean " : "", n.best ? n.best : "",
                   n.best ? "?" : "");
    *to = found;
    return NULL;
}

static int set_precision(enum swax_precision *to, const char *value)
{
    for (int p = 0; p < SWAX_PRECISIONS; p++)
        if (!strcmp(swax_precision_name[p], value)) {
            *to = (enum swax_precision)p;
            return 1;
        }
    return 0;
}

static int set_yes_no(int *to, const char *value)
{
    const int yes = !strcmp(value, "yes") || !strcmp(value, "1"), no = !strcmp(value, "no") || !strcmp(value, "0");
    *to = yes;
    return yes || no;
}

static int set_seed(uint64_t *to, const char *value)
{
    *to = 0;
    for (const char *p = value; *p; p++) {
        const unsigned digit = (unsigned)(*p - '0');
        if (digit > 9 || *to > (UINT64_MAX - digit) / 10)
            return 0;
        *to = *to * 10 + digit;
    }
    return *value != 0;
}

static const char *set_own(struct run *r, const struct key *k, const char *value, char *why)
{
    char *at = (char *)r + k->at;
    double number;
    long whole;
    switch (k->kind) {
    case TEXT:
        return set_text(at, strcmp(k->name, "tier") ? RUN_TEXT : sizeof r->tier, k->name, value, why);
    case SOURCE:
        return set_source(&r->source, value, why);
    case YES_NO:
        return set_yes_no(&r->resume, value) ? NULL : say(why, "%s=%.60s: it is yes or no.", k->name, value);
    case SEED:
        return set_seed(&r->seed, value) ? NULL : say(why, "%s=%.60s: it is a whole number from 0 to 18446744073709551615.", k->name, value);
    case PRECISION:
        return set_precision(&r->precision, value) ? NULL : say(why, "%s=%.60s: it is fp32, fp64 or bf16.", k->name, value);
    case WHOLE:
        if (!option_whole(value, (long)k->least, (long)k->most, &whole))
            return say(why, "%s=%.60s: it is a whole number from %.0f to %.0f.", k->name, value, k->least, k->most);
        *(int *)(void *)at = (int)whole;
        return NULL;
    default:
        if (!option_number(value, k->least, k->most, &number))
            return say(why, "%s=%.60s: it is a number from %.7g to %.7g.", k->name, value, k->least, k->most);
        *(double *)(void *)at = number;
        return NULL;
    }
}

static void text_of(const struct run *r, const struct key *k, char text[RUN_TEXT])
{
    const char *at = (const char *)r + k->at;
    switch (k->kind) {
    case TEXT: strcpy(text, at); break;
    case SOURCE: strcpy(text, r->source->name); break;
    case YES_NO: strcpy(text, r->resume ? "yes" : "no"); break;
    case SEED: snprintf(text, RUN_TEXT, "%llu", (unsigned long long)r->seed); break;
    case PRECISION: strcpy(text, swax_precision_name[r->precision]); break;
    case WHOLE: snprintf(text, RUN_TEXT, "%d", *(const int *)(const void *)at); break;
    case NUMBER: json_number_text(text, *(const double *)(const void *)at); break;
    }
}

/* ---- all keys */

struct suggestion { struct nearest n; char best[64]; };

static void suggest(const char *key, const char *value, void *arg)
{
    struct suggestion *s = arg;
    const char *before = s->n.best;
    (void)value;
    nearest_try(&s->n, key);
    if (s->n.best != before)
        snprintf(s->best, sizeof s->best, "%s", key);
}

static int is_model_key(const char *key)
{
    const char *nearest = swax_config_nearest(key);
    return nearest && !strcmp(nearest, key);
}

static const char *unknown(const struct run *r, const char *key, char *why)
{
    struct suggestion s = {nearest_to(key), ""};
    for (const struct key *k = keys; k < keys + KEYS; k++)
        suggest(k->name, NULL, &s);
    run_list(r, 0, suggest, &s);
    return *s.best ? say(why, "There is no key \"%.60s\" for a run on %s data: did you mean %s?", key, r->source->name, s.best)
                   : say(why, "There is no key \"%.60s\" for a run on %s data: `swax train help` lists them.", key, r->source->name);
}

const char *run_set(struct run *r, const char *key, const char *value, char *why)
{
    const struct key *k = find(key);
    if (k)
        return set_own(r, k, value, why);
    if (!strcmp(key, "vocabulary") && !strcmp(value, "0"))
        return r->model.vocabulary = 0, NULL;
    if (is_model_key(key))
        return swax_config_set(&r->model, key, value, why);
    const int i = source_key_find(r->source, key);
    return i < 0 ? unknown(r, key, why) : set_text(r->value[i], RUN_TEXT, key, value, why);
}

const char *run_take(struct run *r, struct options *o, char *why)
{
    const char *data = options_take(o, "data");      /* it decides which keys there are */
    if (data && run_set(r, "data", data, why))
        return why;
    for (int i = 0; i < o->n; i++)
        if (!o->list[i].taken && run_set(r, o->list[i].key, options_take(o, o->list[i].key), why))
            return why;
    return NULL;
}

void run_list(const struct run *r, int fixed, void (*each)(const char *key, const char *value, void *arg), void *arg)
{
    char text[RUN_TEXT];
    for (const struct key *k = keys; k < keys + KEYS; k++)
        if (k->change == FIXED || (k->change == FREE && !fixed)) {
            text_of(r, k, text);
            each(k->name, text, arg);
        }
    for (int i = 0; r->source->keys[i].name; i++)
        each(r->source->keys[i].name, *r->value[i] ? r->value[i] : r->source->keys[i].value, arg);
    swax_config_list(&r->model, each, arg);
}

const char *run_what(const struct run *r, const char *key)
{
    const struct key *k = find(key);
    const int i = source_key_find(r->source, key);
    return k ? k->what : i >= 0 ? r->source->keys[i].what : strcmp(key, "vocabulary") ? "" : "0 for that of the data";
}

static void write_member(const char *key, const char *value, void *arg)
{
    FILE *f = arg;
    fputs(ftell(f) > 2 ? ",\n  " : "  ", f);
    json_write_string(f, key);
    fputs(": ", f);
    if (json_is_number(value))
        fputs(value, f);
    else
        json_write_string(f, value);
}

char *run_json(const struct run *r, int fixed)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return NULL;
    fputs("{\n", f);
    run_list(r, fixed, write_member, f);
    fputs("\n}\n", f);
    return file_close_text(f, &text);
}

const char *run_check(const struct run *r, char *why)
{
    const struct windows *w = &r->windows;
    if (r->batch % r->accumulate)
        return say(why, "accumulate=%d: it divides batch=%d into equal parts.", r->accumulate, r->batch);
    if (w->short_window > w->window)
        return say(why, "short_window=%d: it is at most window=%d.", w->short_window, w->window);
    if (!(w->anneal + w->ramp <= 1))
        return say(why, "anneal=%g and ramp=%g are fractions of the same run: together at most 1.", w->anneal, w->ramp);
    struct swax_config model = r->model;
    if (!model.vocabulary)
        model.vocabulary = 1;
    return swax_config_check(&model, why);
}
