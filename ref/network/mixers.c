/* mixers.c - the table of mixers, one row each; and what a row may not leave out. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ref/network/model.h"

#define MIXERS(ROW) \
    ROW(swa)        \
    ROW(full)       \
    ROW(mlstm)      \
    ROW(gdn)        \
    ROW(kda)        \
    ROW(mamba2)     \
    ROW(gla)        \
    MORE_MIXERS(ROW)

#ifndef MORE_MIXERS
#define MORE_MIXERS(ROW)                   /* rows of files elsewhere: -D'MORE_MIXERS(ROW)=ROW(yours)' */
#endif
#define DECLARE(name) extern const struct R(swax_mixer) R(swax_mixer_##name);
#define ADDRESS(name) &R(swax_mixer_##name),

MIXERS(DECLARE)
const struct R(swax_mixer) *const R(swax_mixers)[] = { MIXERS(ADDRESS) NULL };

/* ---- what a row may not leave out */

static int lacks(const struct swax_mixer *x, const char *what, const char *name, char *why)
{
    snprintf(why, SWAX_WHY, "the mixer %.40s lacks %.120s%s%.40s", x->name && *x->name ? x->name : "without a name",
             what, *name ? " " : "", name);
    return 1;
}

static int lacks_a_part(const struct R(swax_mixer) *m, char *why)
{
    const struct swax_mixer *x = &m->about;
    const struct swax_hf *hf = &x->hf;
    const struct { int there; const char *what; } parts[] = {
        { x->name && *x->name && strlen(x->name) < 16 && !strpbrk(x->name, " ,"),
            "a name of one word, of at most 15 letters" },
        { x->what != NULL, "a line that says what it is" },
        { x->sees != SWAX_SEES_NOTHING, "what it sees" },
        { x->keys != NULL, "its table of keys" },
        { x->keys_size > 0, "the size of its keys" },
        { x->check != NULL, "check" },
        { x->norm != NULL, "the name of its norm" },
        { x->places_size > 0 && x->places_size <= sizeof(union swax_room), "room for the places of its tensors" },
        { x->tensors != NULL, "tensors" },
        { x->flops != NULL, "flops" },
        { x->inside.key && x->inside.title && x->inside.see, "what can be seen inside" },
        { (!hf->layer_type || (hf->tensor && hf->read && hf->write)) && (!hf->layer || hf->tensors),
            "a part of its place in Hugging Face's files" },
        { m->acts_size > 0 && m->acts_size <= sizeof(union swax_room), "room for its activations" },
        { m->acts != NULL, "acts" },
        { m->forward != NULL, "forward" },
        { m->backward != NULL, "backward" },
        { m->state_size > 0 && m->state_size <= sizeof(union swax_room), "room for its state" },
        { m->state_ready != NULL, "state_ready" },
        { m->state_begin != NULL, "state_begin" },
        { m->state_free != NULL, "state_free" },
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (!parts[i].there)
            return lacks(x, parts[i].what, "", why);
    return 0;
}

static int has_key(const struct swax_key *keys, const char *name)
{
    while (keys->name && strcmp(keys->name, name))
        keys++;
    return keys->name != NULL;
}

/* A key is one mixer's, or shared with its whole table. */
static int lacks_in_keys(const struct R(swax_mixer) *const *table, int m, char *why)
{
    const struct swax_mixer *x = &table[m]->about;
    int mixer;
    for (const struct swax_key *k = x->keys; k->name; k++) {
        const int is_int = k->kind == SWAX_KEY_SIZE || k->kind == SWAX_KEY_WORD;
        int taken = has_key(swax_config_keys(0, &mixer), k->name);
        for (int i = 0; i < m; i++)
            taken |= table[i]->about.keys != x->keys && has_key(table[i]->about.keys, k->name);
        const char *const part = !k->what ? "a line that says what it is for its key"
                               : !k->otherwise ? "a default for its key"
                               : k->kind == SWAX_KEY_MIXERS ? "a kind of its own for its key"
                               : k->kind == SWAX_KEY_WORD && !k->words ? "words for its key"
                               : k->at + (is_int ? sizeof(int) : sizeof(double)) > x->keys_size ? "room for its key"
                               : taken ? "a name of its own for its key" : NULL;
        if (part)
            return lacks(x, part, k->name, why);
    }
    return 0;
}

/* On its defaults, in the default network: what it derives, lists and counts. */
static int lacks_in_use(const struct R(swax_mixer) *m, char *why)
{
    enum { MOST = 64 };
    const struct swax_mixer *x = &m->about;
    const struct swax_config c = swax_config_default();
    union { double align; unsigned char bytes[SWAX_OWN]; } keys;
    char wrong[SWAX_WHY];
    const char *name[MOST], *bad = swax_keys_default(x->keys, &keys);
    if (bad)
        return lacks(x, "a default that can be read for its key", bad, why);
    if (x->check(&c, &keys, wrong))
        return lacks(x, "defaults that can be: it says ", wrong, why);
    if (swax_tensor_count(x, &c, &keys) != (int)(x->places_size / sizeof(size_t)))
        return lacks(x, "a place, or a place lacks a tensor", "", why);
    if (!(x->flops(&c, &keys, 64, 8, 1) >= x->flops(&c, &keys, 64, 8, 0) && x->flops(&c, &keys, 64, 8, 0) > 0))
        return lacks(x, "flops", "", why);
    const int names = R(swax_model_names)(m, &c, &keys, name, MOST);
    if (names > MOST)
        return lacks(x, "restraint: it has more than 64 activations", "", why);
    for (int i = 0; i < names; i++)
        for (int j = 0; j < i; j++)
            if (!strcmp(name[i], name[j]))
                return lacks(x, "a name of its own for the activation", name[i], why);
    return 0;
}

const char *R(swax_mixers_check)(const struct R(swax_mixer) *const *table, char *why)
{
    size_t keys = 0;
    for (int m = 0; table[m]; m++) {
        const struct swax_mixer *x = &table[m]->about;
        if (m >= SWAX_MIXERS) {
            snprintf(why, SWAX_WHY, "the table of mixers has more than %d rows", SWAX_MIXERS);
            return why;
        }
        if (lacks_a_part(table[m], why) || lacks_in_keys(table, m, why))
            return why;
        for (int i = 0; i < m; i++)
            if (!strcmp(table[i]->about.name, x->name))
                return lacks(x, "a name of its own", "", why), why;
        keys += (x->keys_size + sizeof(double) - 1) / sizeof(double) * sizeof(double);
        if (keys > SWAX_OWN)
            return lacks(x, "room in swax_config.own for its keys", "", why), why;
        if (lacks_in_use(table[m], why))
            return why;
    }
    return NULL;
}
