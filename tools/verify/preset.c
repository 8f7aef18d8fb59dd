/* preset.c - the sizes that published models have, and those in a file.
 *
 * Sources, as read in November 2026: Qwen3-Next/3.5 27B (48 of 64 layers GDN, 16 key and 48 value heads of 128) and 9B
 * (16 and 32) from their configurations; Kimi Linear 48B (32 heads of 128) and Kimi K3 (heads of 128) from theirs, GLM
 * 5.3 Flash (64 of 128); Nemotron-H and Nemotron 3 (Mamba-2: 128 heads of 64, state 128, 8 groups, convolution 4);
 * xLSTM-7B, arXiv 2503.13427 (8 heads, keys 256, values 512, width 4096, vocabulary 50304); gpt-oss (64 heads on 8 of
 * size 64, every other layer with a window of 128 and sinks) from its model card. */
#include "tools/verify/preset.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/files.h"
#include "tools/lib/json.h"
#include "tools/lib/nearest.h"
#include "tools/lib/say.h"

static const struct preset { const char *name, *kernel, *sizes; } presets[] = {
    {"qwen3.5", "delta", "G=16 H=48 K=128 V=128 J=1 e=1"},      {"qwen3.5", "conv", "F=4"},
    {"qwen3.5-9b", "delta", "G=16 H=32 K=128 V=128 J=1 e=1"},   {"qwen3.5-9b", "conv", "F=4"},
    {"kimi-linear", "delta", "G=32 H=32 K=128 V=128 J=128 e=1"}, {"kimi-linear", "conv", "F=4"},
    {"kimi-k3", "delta", "K=128 V=128 J=128 e=1"},              {"kimi-k3", "conv", "F=4"},
    {"glm-5.3", "delta", "G=64 H=64 K=128 V=128 J=128 e=1"},
    {"nemotron", "delta", "G=8 H=128 K=128 V=64 J=1 e=0"},      {"nemotron", "conv", "F=4"},
    {"xlstm-7b", "mlstm", "H=8 K=256 V=512 L=64 g=0"},          {"xlstm-7b", "headnorm", "H=8 D=512"},
    {"xlstm-7b", "rmsnorm", "C=4096"},                          {"xlstm-7b", "xent", "V=50304 cap=30"},
    {"gpt-oss", "attention", "H=64 G=8 D=64 W=128"},            {"gpt-oss", "rope", "H=64 D=64 theta=150000"},
};
enum { PRESETS = sizeof presets / sizeof *presets };

static const char *wish_for(struct wish *w, const struct op_spec *op, const char *key, double value, const char *from,
                            char *why)
{
    const struct op_range r = op_range(key);
    const int letter = !key[1] && strchr(op->dims, *key);
    char name[OP_WORD];
    int scalar = 0;
    for (int i = 0; i < op_scalars(op); i++)
        scalar |= !strcmp(op_scalar_name(op, i, name), key);
    if (!letter && !scalar)
        return say(why, "%.100s: %s has no size or scalar \"%.20s\": it has %s.", from, op->name, key, op->dims);
    if (!(value >= r.least && value <= r.most) || (letter && value != floor(value)))
        return say(why, "%.100s: %.20s=%g, and it is a %snumber from %.10g to %.10g.", from, key, value,
                   letter ? "whole " : "", r.least, r.most);
    for (int i = 0; i < w->n_dims; i++)
        if (letter && w->dim[i].letter == *key)
            return NULL;    /* what was asked for by itself counts */
    for (int i = 0; i < w->n_scalars; i++)
        if (!strcmp(w->scalar[i].name, key))
            return NULL;
    if (letter) {
        w->dim[w->n_dims].letter = *key;
        w->dim[w->n_dims++].value = (int)value;
    } else {
        snprintf(w->scalar[w->n_scalars].name, OP_WORD, "%s", key);
        w->scalar[w->n_scalars++].value = value;
    }
    return NULL;
}

static const char *of_file(struct wish *w, const struct subject *s, const char *path, char *why)
{
    struct json *root = json_read(path, 1 << 20, why);
    if (!root)
        return why;
    const struct json *own = json_get(root, s->base), *from = own && own->type == JSON_OBJECT ? own : root;
    const char *bad = from->type == JSON_OBJECT
                        ? NULL
                        : say(why, "%.200s holds no object of sizes, as {\"H\": 8, \"K\": 256}.", path);
    for (const struct json *j = from->first; j && !bad; j = j->next)
        if (j->type != JSON_OBJECT)
            bad = j->type == JSON_NUMBER ? wish_for(w, &swax_ops[s->op[0]], j->key, j->number, path, why)
                                         : say(why, "%.120s: \"%.40s\" is no number.", path, j->key);
        else if (from != root)
            bad = say(why, "%.120s: \"%.40s\" is no number.", path, j->key);
    json_free(root);
    return bad;
}

const char *preset_word(int i)
{
    for (int k = 0, n = 0; k < PRESETS; k++) {
        if (k && !strcmp(presets[k].name, presets[k - 1].name))
            continue;
        if (n++ == i)
            return presets[k].name;
    }
    return NULL;
}

const char *preset_apply(struct wish *w, const struct subject *s, const char *name, char *why)
{
    char copy[120], of[300] = "";
    struct nearest near = nearest_to(name);
    int known = 0;
    if (strlen(name) > 5 && !strcmp(name + strlen(name) - 5, ".json"))
        return of_file(w, s, name, why);
    for (int k = 0; k < PRESETS; k++) {
        nearest_try(&near, presets[k].name);
        if (strcmp(presets[k].name, name))
            continue;
        known = 1;
        snprintf(of + strlen(of), sizeof of - strlen(of), "%s%s", *of ? ", " : "", presets[k].kernel);
        if (strcmp(presets[k].kernel, s->base))
            continue;
        snprintf(copy, sizeof copy, "%s", presets[k].sizes);
        for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
            char *equals = strchr(word, '=');
            *equals = 0;
            if (wish_for(w, &swax_ops[s->op[0]], word, strtod(equals + 1, NULL), name, why))
                return why;
        }
        return NULL;
    }
    if (known)
        return say(why, "sizes=%.40s: that model has sizes for %s, and none for %s.", name, of, s->base);
    if (near.best)
        return say(why, "sizes=%.60s is not known: did you mean %s?", name, near.best);
    for (int i = 0; preset_word(i); i++)
        snprintf(of + strlen(of), sizeof of - strlen(of), "%s%s", i ? ", " : "", preset_word(i));
    return say(why, "sizes=%.60s is not known: it is a file FILE.json, or one of %s.", name, of);
}
