/* hf_own.c - a folder that brings its own model to Hugging Face's transformers. */
#include "tools/convert/hf_own.h"
#include "tools/convert/hf_config.h"

#include <stdlib.h>
#include <string.h>

#include "ref/network/mixers.h"
#include "tools/lib/files.h"
#include "tools/lib/say.h"

int hf_own_needed(const struct swax_config *c)
{
    for (int l = 0; l < c->layers; l++) {
        const char *type = swax_layer_mixer(c, l)->hf.layer_type;
        if (!type || strcmp(type, "linear_attention"))
            return 1;
    }
    char ignored[SWAX_WHY];
    return hf_config_says_no(c, ignored) != NULL;      /* a gate that theirs does not have */
}

/* The file's own table of layers has a line `    "name": (...)` for each, between `MIXERS = {` and `}`. */
static int known(const char *mixer)
{
    char entry[64];
    int i = 0;
    snprintf(entry, sizeof entry, "    \"%s\": (", mixer);
    while (hf_modeling[i] && strncmp(hf_modeling[i], "MIXERS = {", 10))
        i++;
    while (hf_modeling[i] && hf_modeling[i][0] != '}' && strncmp(hf_modeling[i], entry, strlen(entry)))
        i++;
    return hf_modeling[i] && hf_modeling[i][0] != '}';
}

const char *hf_own_says_no(const struct swax_config *c, char *why)
{
    char has[256] = "";
    for (int k = 0; swax_mixer_row(k); k++)
        if (known(swax_mixer_row(k)->name))
            snprintf(has + strlen(has), sizeof has - strlen(has), "%s%s", *has ? ", " : "", swax_mixer_row(k)->name);
    for (int l = 0; l < c->layers; l++)
        if (!known(swax_layer_mixer(c, l)->name))
            return say(why, "The modelling file for Hugging Face has no layer such as %s, which this network has: "
                            "it has %s.", swax_layer_mixer(c, l)->name, has);
    return NULL;
}

/* ---- config.json */

struct list { FILE *f; const char *before; };

static void write_member(const char *key, const char *value, void *arg)
{
    struct list *l = arg;
    fputs(l->before, l->f);
    json_write_string(l->f, key);
    fputs(": ", l->f);
    if (json_is_number(value))
        fputs(value, l->f);
    else
        json_write_string(l->f, value);
    l->before = ",\n    ";
}

void hf_own_config(FILE *f, const struct run *r, enum hf_rope rope)
{
    struct list l = {f, "\n    "};
    char window[32];
    fputs(",\n  \"auto_map\": {\"AutoConfig\": \"modeling_swax.SwaxConfig\", \"AutoModelForCausalLM\": "
          "\"modeling_swax.SwaxForCausalLM\"},\n"
          "  \"use_cache\": true,\n  \"separator\": ",
          f);
    if (run_separator(r) >= 0)
        fprintf(f, "%d", run_separator(r));
    else
        fputs("null", f);
    fputs(",\n  \"swax\": {", f);
    swax_config_list(&r->model, write_member, &l);
    snprintf(window, sizeof window, "%d", r->windows.window);
    write_member("window", window, &l);
    write_member("rope", hf_rope_word((int)rope), &l);
    fputs("\n  }", f);
}

int hf_own_is(const struct json *config)
{
    const struct json *type = json_get(config, "model_type");
    return type && type->type == JSON_STRING && !strcmp(type->text, "swax");
}

const char *hf_own_read(struct run *r, const struct json *config, char *why)
{
    const struct json *keys = json_get(config, "swax");
    if (!keys || keys->type != JSON_OBJECT)
        return say(why, "Its config.json is of model_type swax, and has no object named swax.");
    if (json_get(keys, "rope") && hf_own_rope(config) == HF_AS_SAID)
        return say(why, "Its config.json has a rope that is neither half_split nor interleaved.");
    *r = run_default();
    if (hf_separator_read(r, config, why))
        return why;
    for (const struct json *j = keys->first; j; j = j->next)
        if (strcmp(j->key, "rope") && (j->type == JSON_STRING || j->type == JSON_NUMBER) &&
            run_set(r, j->key, j->text, why))
            return why;
    return swax_config_check(&r->model, why);
}

enum hf_rope hf_own_rope(const struct json *config)
{
    const struct json *said = json_get(json_get(config, "swax"), "rope");
    int i = 0;
    while (hf_rope_word(i) && !(said && said->type == JSON_STRING && !strcmp(said->text, hf_rope_word(i))))
        i++;
    return (enum hf_rope)i;
}

/* ---- the files beside it */

static const char *write_modeling(const char *folder, char *why)
{
    char path[RUN_TEXT + 64], *text = NULL;
    size_t size;
    FILE *f = file_open_text(&text, &size);
    for (int i = 0; f && hf_modeling[i]; i++)
        fputs(hf_modeling[i], f);
    run_path(path, folder, "modeling_swax.py");
    return file_replace_text(path, f, &text, why);
}

/* GPT-2's alphabet, in which a byte-level tokenizer writes bytes: printable ones stand for themselves, the others for
 * the characters from 256 on. */
static int letter_of(int byte)
{
    int others = 0;
    for (int b = 0; b <= byte; b++) {
        const int plain = (b >= 33 && b < 127) || (b >= 161 && b < 173) || b >= 174;
        if (b == byte)
            return plain ? b : 256 + others;
        others += !plain;
    }
    return 0;
}

/* A tokenizer whose tokens are bytes: its vocabulary has the 256 letters, and nothing is merged. */
static const char *write_tokenizer(const char *folder, char *why)
{
    char path[RUN_TEXT + 64], *text = NULL;
    size_t size;
    FILE *f = file_open_text(&text, &size);
    if (f)
        fputs("{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, \"added_tokens\": [], "
              "\"normalizer\": null,\n"
              " \"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "
              "\"use_regex\": false},\n"
              " \"post_processor\": null,\n"
              " \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "
              "\"use_regex\": false},\n"
              " \"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, \"continuing_subword_prefix\": "
              "null, \"end_of_word_suffix\": null, \"fuse_unk\": false, \"byte_fallback\": false,\n  \"vocab\": {", f);
    for (int b = 0; f && b < 256; b++)
        fprintf(f, "%s\"\\u%04x\": %d", b ? ", " : "", (unsigned)letter_of(b), b);
    if (f)
        fputs("},\n  \"merges\": []}}\n", f);
    run_path(path, folder, "tokenizer.json");
    if (file_replace_text(path, f, &text, why))
        return why;
    static const char config[] =
        "{\"tokenizer_class\": \"PreTrainedTokenizerFast\", \"clean_up_tokenization_spaces\": false, "
        "\"model_max_length\": 1000000000}\n";
    run_path(path, folder, "tokenizer_config.json");
    return file_replace(path, config, sizeof config - 1, why);
}

const char *hf_own_files(const struct run *r, const char *folder, char *why)
{
    if (hf_own_needed(&r->model) && write_modeling(folder, why))
        return why;
    /* 256 tokens need not be bytes: those of shards have a vocabulary of their own */
    return r->model.vocabulary == 256 && !strcmp(run_unit(r), "byte") ? write_tokenizer(folder, why) : NULL;
}
