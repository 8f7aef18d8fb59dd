/* convert.c - swax convert: checkpoints from and to Hugging Face's xLSTM, windows between conventions. */
#include "tools/lib/commands.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "tools/convert/convention.h"
#include "tools/convert/hf.h"
#include "tools/convert/hf_model.h"
#include "tools/convert/layer.h"
#include "tools/lib/say.h"

struct asked {
    char from[KEY_TEXT], to[KEY_TEXT], into[KEY_TEXT], prefix[KEY_TEXT];
    int layer, rope, window, convention;          /* rope: enum hf_rope */
};

static const char *convention_word(int i)
{
    return conventions[i].name;
}

static const struct key keys[] = {
    KEY_ROW(&key_path, "from", struct asked, from, "", "a folder of Hugging Face's, a run, or a checkpoint",
            .others = "input source checkpoint model"),
    KEY_ROW(&key_path, "to", struct asked, to, "",
            "a checkpoint.safetensors from Hugging Face's; a folder for Hugging Face from ours",
            .others = "output out target"),
    KEY_WHOLE(
        "layer", struct asked, layer, NULL, 0, SWAX_LAYERS - 1,
        "one layer alone, from 0, by its names in Hugging Face's model: gdn as Qwen3-Next's, mamba2 as Mamba-2's"),
    KEY_ROW(&key_path, "into", struct asked, into, "",
            "a run or a checkpoint, whose layer= is replaced by that of from="),
    KEY_ROW(&key_text, "prefix", struct asked, prefix, "",
            "what stands before the layer's names in the file: model.layers.3.linear_attn."),
    KEY_WORD("rope", struct asked, rope, "half_split", hf_rope_word,
             "of the Hugging Face side. half_split: q and k stay as they are; interleaved: it has pairs (0 1)(2 3)..; "
             "left out, what a folder that `swax convert` wrote says"),
    KEY_WHOLE("window", struct asked, window, NULL, 0, INT_MAX - 1, "a window to be called what the others call it"),
    KEY_WORD("convention", struct asked, convention, "swax", convention_word, "whose parameter window= is"),
    {0},
};

static void tables(struct keys *k, const struct options *o)
{
    (void)o;
    keys_add(k, NULL, keys, NULL);
}

/* How many keys a query sees, and what the others call that. */
static const char *windows(const struct asked *a, char *why)
{
    const struct convention *from = &conventions[a->convention];
    if (a->window < 1 - from->more)
        return say(why, "window=%d: with convention=%s it is a whole number from 1 to %d.", a->window, from->name,
                   INT_MAX - 1);
    for (const struct convention *c = conventions; c->name; c++)
        printf("%-16s %-10lld %s\n", c->name, (long long)a->window + from->more - c->more, c->parameter);
    return NULL;
}

static const char *translate(const struct asked *a, int rope_asked, char *why)
{
    const enum hf_rope rope = (enum hf_rope)a->rope;
    if (!*a->from || !*a->to)
        return say(why, "Conversion needs from=PATH and to=PATH: `swax convert help` says of what.");
    const char *wrong = hf_import(a->from, a->to, rope_asked ? rope : HF_AS_SAID, why);
    return wrong && !*wrong ? hf_export(a->from, a->to, rope, why) : wrong;
}

static const char *one_layer(const struct asked *a, char *why)
{
    if (!*a->from || !*a->to)
        return say(why, "layer= needs from=PATH and to=PATH: `swax convert help` says of what.");
    if (!access(a->to, F_OK))
        return say(why, "%s is there already: it is not overwritten.", a->to);
    return *a->into ? layer_import(a->from, a->into, a->to, a->layer, a->prefix, why)
                    : layer_export(a->from, a->to, a->layer, a->prefix, why);
}

static const char *convert(struct options *o, char *why)
{
    struct asked a = {.window = 0};
    struct keys k = {.of = "`swax convert`"};
    const int window = options_value(o, "window") != NULL, model = options_value(o, "from") || options_value(o, "to") ||
        options_value(o, "rope");
    const int layer = options_value(o, "layer") != NULL;
    const int of_layer = options_value(o, "into") || options_value(o, "prefix");
    keys_default(keys, &a);
    keys_add(&k, NULL, keys, &a);
    if (options_give_all(o, &k, why))
        return why;
    if (window ? model : options_value(o, "convention") != NULL)
        return say(why,
                   "window= and convention= are one conversion, from=, to= and rope= another: ask for one of them.");
    if (layer ? window || options_value(o, "rope") : of_layer)
        return say(why,
                   "into= and prefix= belong to layer=, which is a conversion by itself, without rope= and window=.");
    return window ? windows(&a, why) : layer ? one_layer(&a, why)
                                             : translate(&a, options_value(o, "rope") != NULL, why);
}

static int run(struct options *o)
{
    char why[SWAX_WHY];
    const char *wrong = convert(o, why);
    return wrong ? command_fails(wrong) : 0;
}

const struct command command_convert = {
    .name = "convert",
    .summary = "translate checkpoints from and to Hugging Face's xLSTM, and windows between conventions",
    .usage = "HF-FOLDER CHECKPOINT.safetensors [rope=interleaved]\nRUN|CHECKPOINT HF-FOLDER "
             "[rope=interleaved]\nRUN|CHECKPOINT LAYER.safetensors layer=N [prefix=]\n"
             "LAYER.safetensors CHECKPOINT.safetensors layer=N into=RUN|CHECKPOINT [prefix=]\nwindow=N "
             "[convention=NAME]",
    .about = "Reads Hugging Face's xLSTM (config.json and model.safetensors, whole or in shards) into a checkpoint, or "
             "writes it. Where the Hugging Face side has sliding-window layers whose RoPE turns interleaved pairs, "
             "rope=interleaved reorders the rows of q and k. A network that their xLSTM does not have becomes a folder "
             "that brings its own model: modeling_swax.py beside the weights, for "
             "AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=True), generate included; with a "
             "tokenizer where tokens are bytes. With layer= it writes or reads one recurrent layer with the names that "
             "it has in their model. With window= it prints what a window of one project is called in the others.",
    .words = "from to",
    .keys = tables,
    .run = run,
};
