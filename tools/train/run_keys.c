/* run_keys.c - a run as text: the table of its keys, read, listed and checked. */
#include "tools/train/run.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/files.h"
#include "tools/lib/json.h"
#include "tools/lib/network_keys.h"
#include "tools/lib/number.h"
#include "tools/lib/options.h"
#include "tools/lib/say.h"

/* Keys that may change when a run is resumed: no bit of the result depends on them, but for the tier's. */
enum { FIXED, FREE };

/* ---- data=NAME, which decides what other keys there are */

static const char *read_source(void *field, const struct key *k, const char *text, char *why)
{
    int i;
    if (key_word.read(&i, k, text, why))
        return why;
    *(const struct source **)field = sources[i];
    return NULL;
}

static void write_source(char text[KEY_TEXT], const struct key *k, const void *field)
{
    (void)k;
    strcpy(text, (*(const struct source *const *)field)->name);
}

static const struct key_type source_type = {read_source, write_source, 0};

/* Where it stands; config.json, which lies there, does not say. */
static const struct key folder_keys[] = {
    KEY_ROW(&key_path, "out", struct run, out, "", "the folder that the run keeps its files in",
            .others = "output output_dir out_dir"),
    KEY_REAL("minutes", struct run, minutes, "0", 0, 1e6, 
             "time for the steps, which are then as many as fit: a few are timed first; 0: steps says",
             .others = "time_budget max_minutes"),
    KEY_YES("resume", struct run, resume, "go on with the run in out, to the bits of one that was never stopped",
            .others = "continue"),
    {0},
};

static const char *schedule_word(int i)
{
    static const char *const words[] = {
        [SCHEDULE_COSINE] = "cosine", [SCHEDULE_WSD] = "wsd", [SCHEDULE_CONSTANT] = "constant", NULL};
    return words[i];
}

const struct key run_keys[] = {
#define WHOLE(name, field, value, least, most, ...) KEY_WHOLE(name, struct run, field, value, least, most, __VA_ARGS__)
#define REAL(name, field, value, least, most, ...) KEY_REAL(name, struct run, field, value, least, most, __VA_ARGS__)
    KEY_ROW(&source_type, "data", struct run, source, "text", "where the sequences come from", .word = source_word,
            .others = "dataset task"),
    WHOLE("batch", batch, "16", 1, 1 << 20, "sequences a step", .others = "batch_size bs"),
    WHOLE("length", length, "256", 1, 1 << 24, "tokens a sequence",
          .others = "seq_len sequence_length block_size context context_length max_length"),
    WHOLE("accumulate", accumulate, "1", 1, 1 << 20, "parts that a step's batch is computed in, to save memory",
          .others = "grad_accum gradient_accumulation gradient_accumulation_steps"),
    WHOLE("steps", steps, "1000", 1, 1 << 30, "steps of the whole run",
          .others = "epochs max_steps iterations iters max_iters num_steps"),
    WHOLE("window", windows.window, "64", 1, INT_MAX,
          "keys that a token attends to, itself included; the long one if there are two",
          .others = "sliding_window window_size"),
    WHOLE("short_window", windows.short_window, "0", 0, INT_MAX, "drawn instead for some of the steps; 0 for never"),
    REAL("short_probability", windows.short_probability, "0.5", 0, 1, "of drawing the short window at a step"),
    REAL("anneal", windows.anneal, "0", 0, 1, "the last fraction of the steps takes the long window only"),
    REAL("ramp", windows.ramp, "0", 0, 1, "the fraction of the steps before, over which the probability falls to 0"),
    REAL("rate", optimiser.rate, "0.002", 0, 1e6, "the highest learning rate", .others = "lr learning_rate max_lr"),
    REAL("warmup", warmup, "0.05", 0, 1, "the fraction of the steps in which the rate rises",
         .others = "warmup_steps warmup_ratio"),
    REAL("final_rate", final_rate, "0.1", 0, 1, "where cosine and wsd end, as a fraction of rate", .others = "min_lr"),
    KEY_WORD(
        "schedule", struct run, schedule, "cosine", schedule_word,
        "of the rate behind its warm-up: cosine falls to the end, wsd stays and falls over cooldown, constant stays",
        .others = "scheduler lr_scheduler"),
    REAL("cooldown", cooldown, "0.2", 0, 1, "the last fraction of the steps, in which wsd falls",
         .others = "warmdown decay_steps"),
    REAL("beta1", optimiser.beta1, "0.9", 0, 0.9999999, "AdamW's average of gradients", .others = "adam_beta1"),
    REAL("beta2", optimiser.beta2, "0.95", 0, 0.9999999, "AdamW's average of their squares", .others = "adam_beta2"),
    REAL("epsilon", optimiser.eps, "1e-08", 0, 1, "AdamW's eps", .others = "eps adam_eps"),
    REAL("decay", optimiser.decay, "0.1", 0, 1e6, "AdamW's weight decay, on matrices", .others = "weight_decay wd"),
    REAL("clip", optimiser.clip, "1", 0, 1e30, "the largest norm of the gradient; 0 for any",
         .others = "grad_clip max_grad_norm gradient_clip"),
    KEY_ROW(&key_seed, "seed", struct run, seed, "1", "of weights, data and windows, each from a generator of its own",
            .others = "random_seed"),
    KEY_PRECISION(struct run, precision, "fp32", "what the kernels compute in"),
    KEY_TIER(struct run, tier, FREE),
    KEY_THREADS(struct run, threads, FREE),
    WHOLE("checkpoint_every", checkpoint_every, "100", 1, INT_MAX, "steps between checkpoints", .mark = FREE,
          .others = "save_every save_steps"),
    WHOLE("keep_every", keep_every, "0", 0, INT_MAX, "steps between numbered checkpoints that are kept; 0 for none",
          .mark = FREE),
    WHOLE("held_out_every", held_out_every, "0", 0, INT_MAX,
          "steps between looks at held-out sequences; 0: a twentieth of all steps", .mark = FREE,
          .others = "eval_every eval_steps eval_interval val_every"),
    WHOLE("held_out_sequences", held_out_sequences, "32", 0, 1 << 20,
          "how many; 0: none is looked at, and no best checkpoint kept", .mark = FREE,
          .others = "eval_iters val_batches"),
    WHOLE("sample_tokens", sample_tokens, "100", 0, 1 << 20,
          "tokens of a sample at each of those looks, where tokens are text; 0: none", .mark = FREE),
    KEY_ROW(&key_path, "from", struct run, from, "",
            "a checkpoint, a run, or a folder of Hugging Face's (config.json and safetensors), whose weights this one "
            "begins with; moments begin anew",
            .mark = FREE, .others = "init_from pretrained finetune"),
    {0},
#undef WHOLE
#undef REAL
};

struct run run_default(void)
{
    struct run r;
    memset(&r, 0, sizeof r);
    keys_default(run_keys, &r);
    r.model = swax_config_default();
    r.model.vocabulary = 0;            /* the source's, unless it is set */
    return r;
}

/* ---- the vocabulary may be 0 until the data are open */

static const char *read_vocabulary(void *field, const struct key *k, const char *text, char *why)
{
    struct swax_config *c = field;
    if (strcmp(text, "0"))
        return swax_config_set(c, k->name, text, why);
    c->vocabulary = 0;
    return NULL;
}

static void write_vocabulary(char text[KEY_TEXT], const struct key *k, const void *field)
{
    (void)k;
    snprintf(text, KEY_TEXT, "%d", ((const struct swax_config *)field)->vocabulary);
}

static const struct key_type vocabulary_type = {read_vocabulary, write_vocabulary, 0};
static const struct key vocabulary_keys[] = {
    {"vocabulary", &vocabulary_type, .otherwise = "0", .what = "how many tokens there are; 0 for that of the data",
     .others = "vocab vocab_size"},
    {0},
};

void run_tables(struct keys *k, struct run *r, int folder)
{
    if (folder)
        keys_add(k, NULL, folder_keys, r);
    keys_add(k, "The run", run_keys, r);
    keys_add_texts(k, "Its data", r->source->keys, r->value);
    keys_add(k, "Its network", vocabulary_keys, &r->model);
    network_tables(k, NULL, &r->model);
}

/* ---- all keys */

static struct keys keys_of(const struct run *r, int folder, char of[64])
{
    struct keys k = {.of = of};
    snprintf(of, 64, "a run on %s data", r->source->name);
    run_tables(&k, (struct run *)(size_t)r, folder);
    return k;
}

const char *run_set(struct run *r, const char *key, const char *value, char *why)
{
    char of[64];
    const struct keys k = keys_of(r, 1, of);
    return keys_set(&k, key, value, why);
}

const char *run_take(struct run *r, struct options *o, char *why)
{
    char of[64];
    struct keys k = keys_of(r, 0, of);
    if (options_give_one(o, "data", &k, why))      /* it decides which keys there are */
        return why;
    k = keys_of(r, 0, of);
    return options_give_all(o, &k, why);
}

void run_list(const struct run *r, int fixed, void (*each)(const char *key, const char *value, void *arg), void *arg)
{
    char text[KEY_TEXT], of[64];
    const struct keys k = keys_of(r, 0, of);
    for (int i = 0; i < 2; i++)
        for (const struct key *row = k.table[i].rows; row->name; row++) {
            key_write(text, &k.table[i], row);
            if (row->mark == FIXED || (row->mark == FREE && !fixed))
                each(row->name, text, arg);
        }
    swax_config_list(&r->model, each, arg);
}

struct members { FILE *f; int written; };

static void write_member(const char *key, const char *value, void *arg)
{
    struct members *m = arg;
    FILE *f = m->f;
    fputs(m->written++ ? ",\n  " : "  ", f);
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
    FILE *f = file_open_text(&text, &size);
    if (!f)
        return NULL;
    struct members members = { f, 0 };
    fputs("{\n", f);
    run_list(r, fixed, write_member, &members);
    fputs("\n}\n", f);
    return file_close_text(f, &text);
}

void run_values(const struct run *r, const char *value[SOURCE_KEYS])
{
    for (int i = 0; i < SOURCE_KEYS; i++)
        value[i] = r->value[i];
}

const char *run_unit(const struct run *r)
{
    const char *value[SOURCE_KEYS];
    run_values(r, value);
    return data_unit(r->source, value);
}

int run_separator(const struct run *r)
{
    const int i = source_key_find(r->source, "separator");
    long token;
    const char *text = i < 0 ? NULL : *r->value[i] ? r->value[i] : r->source->keys[i].otherwise;
    return text && number_whole(text, 0, INT_MAX, &token) ? (int)token : -1;
}

int run_first_token(const struct run *r)
{
    const int separator = run_separator(r);
    return separator >= 0 && separator < r->model.vocabulary ? separator : r->model.vocabulary == 256 ? '\n' : 0;
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
    if (!(r->warmup + (r->schedule == SCHEDULE_WSD ? r->cooldown : 0) <= 1))
        return say(why, "warmup=%g and cooldown=%g are fractions of the same run: together at most 1.", r->warmup,
                   r->cooldown);
    struct swax_config model = r->model;
    if (!model.vocabulary)
        model.vocabulary = 1;
    return swax_config_check(&model, why);
}
