/* hf_config.c - Hugging Face's xLSTM configuration and ours.
 *
 * What HF's xLSTM does not have, sliding-window layers, is written under keys of their usual names
 * (num_attention_heads, num_key_value_heads, rope_theta, sliding_window): its readers ignore them. */
#include "tools/convert/hf_config.h"
#include "tools/convert/hf_own.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ref/network/mixers.h"
#include "tools/lib/files.h"
#include "tools/lib/number.h"
#include "tools/lib/say.h"

static double number(const struct json *config, const char *key, const char *other, double absent)
{
    const struct json *j = json_get(config, key);
    if (!j && other)
        j = json_get(config, other);
    return j && j->type == JSON_NUMBER ? j->number : absent;
}

/* null for a cap is none, which is 0 here. */
static double or_none(const struct json *config, const char *key, double absent)
{
    return json_get(config, key) ? number(config, key, NULL, 0) : absent;
}

/* 0 where the number is no size. */
static int whole(double x) { return x >= 1 && x <= 0x7fffffff && x == floor(x) ? (int)x : 0; }

static int is_on(const struct json *config, const char *key, int absent)
{
    const struct json *j = json_get(config, key);
    return j ? j->type == JSON_TRUE : absent;
}

static const char *no_number(const struct json *config, const char *key, char *why)
{
    const struct json *j = json_get(config, key);
    return !j || j->type == JSON_NUMBER || j->type == JSON_NULL ? NULL
         : say(why, "Its config.json has something under %s that is no number.", key);
}

/* What another network than ours would need. */
static const char *unsupported(const struct json *config, char *why)
{
    static const struct { const char *key; int ours; } switches[] = {
        {"use_bias", 0}, {"add_out_norm", 1}, {"add_post_blocks_norm", 1}, {"add_post_norm", 0}, {"add_qk_norm", 0},
    };
    static const char *const numbers[] = {"num_blocks", "num_hidden_layers", "norm_eps", "output_logit_soft_cap",
                                          "sliding_window"};
    const struct json *type = json_get(config, "model_type"), *mode = json_get(config, "weight_mode");
    if (!type || type->type != JSON_STRING || strcmp(type->text, "xlstm"))
        return say(why, "Its config.json is of model_type %.40s: xlstm can be read.", type && type->text
                   ? type->text : "(none)");
    if (mode && mode->text && strcmp(mode->text, "single"))
        return say(why,
                   "Its config.json has weight_mode %.40s: only single, with a matrix for each projection, can be "
                   "read.", mode->text);
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (is_on(config, switches[i].key, switches[i].ours) != switches[i].ours)
            return say(why, "Its config.json sets %s to %s, which this network does not have.", switches[i].key,
                       switches[i].ours ? "false" : "true");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (no_number(config, numbers[i], why))
            return why;
    }
    return NULL;
}

/* Tensors tell mixers apart; layer_types, if it is there, those whose tensors are alike. */
static int mixer_of(int block, const struct json *type, hf_shape shape, void *arg)
{
    int found = -1;
    for (int m = 0; swax_mixer_row(m); m++) {
        const struct swax_hf *hf = &swax_mixer_row(m)->hf;
        char name[128];
        int64_t s[2];
        if (!hf->layer_type)
            continue;
        snprintf(name, sizeof name, "backbone.blocks.%d.%s", block, hf->tensor);
        const int named = type && type->type == JSON_STRING && !strcmp(type->text, hf->layer_type);
        if (shape(arg, name, s) && (found < 0 || named))
            found = m;
    }
    return found;
}

static const char *read_mixers(struct swax_config *c, const struct json *config, hf_shape shape, void *arg, char *why)
{
    char name[128];
    int64_t s[2];
    const int blocks = whole(number(config, "num_blocks", "num_hidden_layers", 0));
    const struct json *types = json_get(config, "layer_types"), *type = types ? types->first : NULL;
    if (blocks < 1 || blocks > SWAX_LAYERS)
        return say(why, "Its config.json names %d blocks: 1 to %d can be read.", blocks, SWAX_LAYERS);
    if (types && (types->type != JSON_ARRAY || types->count != blocks))
        return say(why, "Its config.json has layer_types that are no list of %d, one for each block.", blocks);
    snprintf(name, sizeof name, "backbone.blocks.%d.ffn.proj_up.weight", blocks);
    if (shape(arg, name, s))
        return say(why, "Its config.json names %d blocks, and its tensors are of more.", blocks);
    c->layers = blocks;
    for (int b = 0; b < blocks; b++, type = type ? type->next : NULL) {
        const int m = mixer_of(b, type, shape, arg);
        if (m < 0)
            return say(why, "Block %d of the model has the tensors of no mixer that can be read.", b);
        c->mixer[b] = (unsigned char)m;
    }
    return NULL;
}

/* rows of a projection of the first layer that has it */
static int64_t rows_of(const struct swax_config *c, const char *what, hf_shape shape, void *arg)
{
    char name[128];
    int64_t s[2];
    for (int b = 0; b < c->layers; b++) {
        snprintf(name, sizeof name, "backbone.blocks.%d.%s", b, what);
        if (shape(arg, name, s))
            return s[0];
    }
    return 0;
}

static const char *read_sizes(struct swax_config *c, const struct json *config, hf_shape shape, void *arg, char *why)
{
    int64_t s[2];
    if (!shape(arg, "backbone.embeddings.weight", s) || s[0] > 0x7fffffff || s[1] > 0x7fffffff)
        return say(why, "Tensor backbone.embeddings.weight is missing, or too large.");
    c->vocabulary = (int)s[0];
    c->width = (int)s[1];
    c->ffn_width = (int)rows_of(c, "ffn.proj_up.weight", shape, arg);
    c->tied = is_on(config, "tie_word_embeddings", 0);
    c->norm_eps = number(config, "norm_eps", NULL, 1e-6);
    c->logit_cap = or_none(config, "output_logit_soft_cap", 30);
    return NULL;
}

/* ---- the mixers' own */

struct reading {
    const struct json *config;
    const struct swax_config *c;
    hf_shape shape;
    void *arg;
    const char *bad;
    char *why;
};

static double read_number(void *arg, const char *key, double absent, double null)
{
    struct reading *r = arg;
    const struct json *j = json_get(r->config, key);
    if (!r->bad)
        r->bad = no_number(r->config, key, r->why);
    return !j ? absent : j->type == JSON_NUMBER ? j->number : null;
}

static int read_whole(void *arg, const char *key, int absent)
{
    return whole(read_number(arg, key, absent, absent));
}

static const char *read_share(void *arg, const char *tensor, int heads, int *to, char *why)
{
    const struct reading *r = arg;
    const int64_t rows = rows_of(r->c, tensor, r->shape, r->arg);
    if (heads < 1 || rows < 1 || rows % heads || rows > 0x7fffffff)
        return say(why, "%s has %lld rows, which %d heads do not divide.", tensor, (long long)rows, heads);
    *to = (int)(rows / heads);
    return NULL;
}

/* Of data that have such a token: that of text is a byte. */
const char *hf_separator_read(struct run *r, const struct json *config, char *why)
{
    const struct json *separator = json_get(config, "separator");
    if (!separator || separator->type != JSON_NUMBER)
        return NULL;
    if (separator->number > 255 && run_set(r, "data", "shards", why))
        return why;
    return run_set(r, "separator", separator->text, why);
}

const char *hf_config_read(struct run *r, const struct json *config, hf_shape shape, void *arg, char *why)
{
    char wrong[SWAX_WHY];
    struct swax_config *c = &r->model;
    struct reading reading = {config, c, shape, arg, NULL, why};
    const struct swax_hf_reader reader = {read_number, read_whole, read_share, &reading};
    *r = run_default();
    if (unsupported(config, why) || read_mixers(c, config, shape, arg, why) ||
        read_sizes(c, config, shape, arg, why))
        return why;
    for (int m = 0; swax_mixer_row(m); m++)
        if (memchr(c->mixer, m, (size_t)c->layers) &&
            (swax_mixer_row(m)->hf.read(&reader, c, swax_mixer_keys(c, m), wrong) || reading.bad))
            return reading.bad ? why : say(why, "%s", wrong);
    r->windows.window = whole(or_none(config, "sliding_window", 64));
    if (!r->windows.window)
        return say(why, "Its config.json has a sliding_window that is no whole number of keys, at least 1.");
    return hf_separator_read(r, config, why) ? why : swax_config_check(c, why);
}

/* ---- out */

static void write_whole(void *arg, const char *key, long value) { fprintf(arg, ",\n  \"%s\": %ld", key, value); }

static void write_number(void *arg, const char *key, double value)
{
    char digits[32];
    swax_number_write(digits, value);
    /* their readers insist on a float */
    fprintf(arg, ",\n  \"%s\": %s%s", key, digits, strpbrk(digits, ".e") ? "" : ".0");
}

/* Their reader multiplies and rounds down: where that would give a row less, the next larger factor. */
static void write_factor(void *arg, const char *key, long size, long of)
{
    double factor = (double)size / (double)of;
    while (floor((double)of * factor) < (double)size)
        factor = nextafter(factor, HUGE_VAL);
    write_number(arg, key, factor);
}

static void skip_whole(void *arg, const char *key, long value) { (void)arg, (void)key, (void)value; }
static void skip_number(void *arg, const char *key, double value) { (void)arg, (void)key, (void)value; }
static void skip_factor(void *arg, const char *key, long size, long of) { (void)arg, (void)key, (void)size, (void)of; }

static const char *write_mixers(const struct swax_hf_writer *w, const struct swax_config *c, char *why)
{
    const struct swax_key *written[SWAX_MIXERS];       /* mixers that share their keys write them once */
    int n = 0;
    for (int l = 0; l < c->layers; l++) {
        const struct swax_mixer *x = swax_layer_mixer(c, l);
        int i = 0;
        if (!x->hf.layer_type)
            return say(why, "Hugging Face's xLSTM has no layer such as %s, which this network has.", x->name);
        while (i < n && written[i] != x->keys)
            i++;
        if (i < n)
            continue;
        written[n++] = x->keys;
        if (x->hf.write(w, c, swax_layer_keys(c, l), why))
            return why;
    }
    return NULL;
}

const char *hf_config_says_no(const struct swax_config *c, char *why)
{
    const struct swax_hf_writer nobody = {skip_whole, skip_number, skip_factor, NULL};
    return write_mixers(&nobody, c, why);
}

char *hf_config_text(const struct run *r, enum hf_rope rope)
{
    const struct swax_config *c = &r->model;
    char *text = NULL;
    size_t size;
    FILE *f = file_open_text(&text, &size);
    if (!f)
        return NULL;
    const struct swax_hf_writer w = {write_whole, write_number, write_factor, f};
    char why[SWAX_WHY];
    const int own = hf_own_needed(c), theirs = !hf_config_says_no(c, why);
    fprintf(f, "{\n  \"architectures\": [\"%s\"],\n  \"model_type\": \"%s\",\n  \"torch_dtype\": \"float32\",\n",
            own ? "SwaxForCausalLM" : "xLSTMForCausalLM", own ? "swax" : "xlstm");
    fputs("  \"weight_mode\": \"single\",\n  \"use_bias\": false,\n  \"add_out_norm\": true,\n  "
          "\"norm_reduction_force_float32\": true,\n", f);
    for (int b = 0; b < c->layers && theirs; b++)
        fprintf(f, "%s\"%s\"%s", b ? ", " : "  \"layer_types\": [", swax_layer_mixer(c, b)->hf.layer_type,
                b + 1 < c->layers ? "" : "],\n");
    fprintf(f, "  \"tie_word_embeddings\": %s", c->tied ? "true" : "false");
    write_whole(f, "vocab_size", c->vocabulary);
    write_whole(f, "hidden_size", c->width);
    write_whole(f, "embedding_dim", c->width);
    write_whole(f, "num_hidden_layers", c->layers);
    write_whole(f, "num_blocks", c->layers);
    write_whole(f, "ffn_round_up_to_multiple_of", 1);
    write_whole(f, "mlstm_round_up_to_multiple_of", 1);
    write_whole(f, "sliding_window", r->windows.window);
    write_factor(f, "ffn_proj_factor", c->ffn_width, c->width);
    write_number(f, "norm_eps", c->norm_eps);
    write_number(f, "output_logit_soft_cap", c->logit_cap);
    if (theirs)
        write_mixers(&w, c, why);
    if (!own && run_separator(r) >= 0)                 /* which their readers ignore, and ours does not */
        write_whole(f, "separator", run_separator(r));
    if (own)
        hf_own_config(f, r, rope);
    fputs("\n}\n", f);
    return file_close_text(f, &text);
}
