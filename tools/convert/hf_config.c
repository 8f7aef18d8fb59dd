/* hf_config.c - Hugging Face's xLSTM configuration and ours.
 *
 * What HF's xLSTM does not have, sliding-window layers, is written under keys of their usual names
 * (num_attention_heads, num_key_value_heads, rope_theta, sliding_window): its readers ignore them. */
#include "tools/convert/hf_config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ref/kernels.h"
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

static const char *const layer_type[SWAX_MIXERS] = {"sliding_attention", "full_attention", "linear_attention"};

/* What another network than ours would need. */
static const char *unsupported(const struct json *config, char *why)
{
    static const struct { const char *key; int ours; } switches[] = {
        {"use_bias", 0}, {"add_out_norm", 1}, {"add_post_blocks_norm", 1}, {"add_post_norm", 0}, {"add_qk_norm", 0},
    };
    static const char *const numbers[] = {
        "num_blocks", "num_hidden_layers", "num_heads", "num_attention_heads", "num_key_value_heads", "norm_eps", "cell_norm_eps", "eps",
        "gate_soft_cap", "output_logit_soft_cap", "rope_theta", "igate_bias_init_range", "sliding_window",
    };
    const struct json *type = json_get(config, "model_type"), *mode = json_get(config, "weight_mode");
    if (!type || type->type != JSON_STRING || strcmp(type->text, "xlstm"))
        return say(why, "Its config.json is of model_type %.40s: xlstm can be read.", type && type->text ? type->text : "(none)");
    if (mode && mode->text && strcmp(mode->text, "single"))
        return say(why, "Its config.json has weight_mode %.40s: only single, with a matrix for each projection, can be read.", mode->text);
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (is_on(config, switches[i].key, switches[i].ours) != switches[i].ours)
            return say(why, "Its config.json sets %s to %s, which this network does not have.", switches[i].key, switches[i].ours ? "false" : "true");
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        const struct json *j = json_get(config, numbers[i]);
        if (j && j->type != JSON_NUMBER && j->type != JSON_NULL)
            return say(why, "Its config.json has something under %s that is no number.", numbers[i]);
    }
    return NULL;
}

/* Tensors tell a cell from attention; layer_types, if it is there, full attention from windowed. */
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
        const int full = type && type->type == JSON_STRING && !strcmp(type->text, layer_type[SWAX_FULL]);
        snprintf(name, sizeof name, "backbone.blocks.%d.swa_layer.q.weight", b);
        c->mixer[b] = !shape(arg, name, s) ? SWAX_MLSTM : full ? SWAX_FULL : SWAX_SWA;
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

static const char *share(int *to, int64_t rows, int heads, const char *what, char *why)
{
    if (heads < 1 || rows < 1 || rows % heads || rows > 0x7fffffff)
        return say(why, "%s has %lld rows, which %d heads do not divide.", what, (long long)rows, heads);
    *to = (int)(rows / heads);
    return NULL;
}

static const char *read_sizes(struct swax_config *c, const struct json *config, hf_shape shape, void *arg, char *why)
{
    int64_t s[2];
    if (!shape(arg, "backbone.embeddings.weight", s) || s[0] > 0x7fffffff || s[1] > 0x7fffffff)
        return say(why, "Tensor backbone.embeddings.weight is missing, or too large.");
    c->vocabulary = (int)s[0];
    c->width = (int)s[1];
    c->ffn_width = (int)rows_of(c, "ffn.proj_up.weight", shape, arg);
    c->cell_heads = whole(number(config, "num_heads", NULL, 8));
    c->heads = whole(number(config, "num_attention_heads", NULL, 1));
    c->kv_heads = whole(number(config, "num_key_value_heads", NULL, c->heads));
    c->tied = is_on(config, "tie_word_embeddings", 0);
    const int64_t cell = rows_of(c, "mlstm_layer.q.weight", shape, arg), attention = rows_of(c, "swa_layer.q.weight", shape, arg);
    if (cell && (share(&c->key_dim, cell, c->cell_heads, "mlstm_layer.q.weight", why) ||
                 share(&c->value_dim, rows_of(c, "mlstm_layer.v.weight", shape, arg), c->cell_heads, "mlstm_layer.v.weight", why)))
        return why;
    if (!cell)
        c->cell_heads = 1;
    return attention ? share(&c->head_dim, attention, c->heads, "swa_layer.q.weight", why) : NULL;
}

const char *hf_config_read(struct run *r, const struct json *config, hf_shape shape, void *arg, char *why)
{
    struct swax_config *c = &r->model;
    *r = run_default();
    if (unsupported(config, why) || read_mixers(c, config, shape, arg, why) ||
        read_sizes(c, config, shape, arg, why))
        return why;
    c->norm_eps = c->cell_norm_eps = number(config, "norm_eps", NULL, 1e-6);
    c->cell_norm_eps = number(config, "cell_norm_eps", NULL, c->norm_eps);
    c->cell_eps = number(config, "eps", NULL, 1e-6);
    c->gate_cap = or_none(config, "gate_soft_cap", 15);
    c->logit_cap = or_none(config, "output_logit_soft_cap", 30);
    c->rope_theta = number(config, "rope_theta", NULL, 10000);
    c->input_gate_bias = number(config, "igate_bias_init_range", NULL, -10);
    r->windows.window = whole(or_none(config, "sliding_window", 64));
    if (!r->windows.window)
        return say(why, "Its config.json has a sliding_window that is no whole number of keys, at least 1.");
    return swax_config_check(c, why);
}

const char *hf_config_says_no(const struct swax_config *c, char *why)
{
    if (c->cell_gate != SWAX_EXPONENTIAL || !c->cell_norm_center)
        return say(why, "Hugging Face's xLSTM has cell_gate=exponential and cell_norm=layer only, and this network differs.");
    return NULL;
}

char *hf_config_text(const struct run *r)
{
    const struct swax_config *c = &r->model;
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return NULL;
    const struct { const char *key; int value; } sizes[] = {
        {"vocab_size", c->vocabulary}, {"hidden_size", c->width}, {"embedding_dim", c->width}, {"num_hidden_layers", c->layers},
        {"num_blocks", c->layers}, {"num_heads", c->cell_heads}, {"ffn_round_up_to_multiple_of", 1}, {"mlstm_round_up_to_multiple_of", 1},
        {"num_attention_heads", c->heads}, {"num_key_value_heads", c->kv_heads}, {"sliding_window", r->windows.window},
    };
    const struct { const char *key; double value; } numbers[] = {
        {"qk_dim_factor", (double)c->cell_heads * c->key_dim / c->width}, {"v_dim_factor", (double)c->cell_heads * c->value_dim / c->width},
        {"ffn_proj_factor", (double)c->ffn_width / c->width}, {"norm_eps", c->norm_eps}, {"cell_norm_eps", c->cell_norm_eps},
        {"eps", c->cell_eps}, {"gate_soft_cap", c->gate_cap}, {"output_logit_soft_cap", c->logit_cap},
        {"igate_bias_init_range", c->input_gate_bias}, {"rope_theta", c->rope_theta},
    };
    fputs("{\n  \"architectures\": [\"xLSTMForCausalLM\"],\n  \"model_type\": \"xlstm\",\n  \"torch_dtype\": \"float32\",\n"
          "  \"weight_mode\": \"single\",\n  \"use_bias\": false,\n  \"add_out_norm\": true,\n  \"norm_reduction_force_float32\": true,\n", f);
    for (int b = 0; b < c->layers; b++)
        fprintf(f, "%s\"%s\"%s", b ? ", " : "  \"layer_types\": [", layer_type[c->mixer[b]], b + 1 < c->layers ? "" : "],\n");
    fprintf(f, "  \"tie_word_embeddings\": %s", c->tied ? "true" : "false");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        fprintf(f, ",\n  \"%s\": %d", sizes[i].key, sizes[i].value);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char digits[32];
        number_write(digits, numbers[i].value);
        fprintf(f, ",\n  \"%s\": %s%s", numbers[i].key, digits, strpbrk(digits, ".e") ? "" : ".0");      /* their readers insist on a float */
    }
    fputs("\n}\n", f);
    return file_close_text(f, &text);
}
