/* config.c - a network's configuration by its tables of keys, the network's own and the mixers': where each value lies,
 * set, listed, and checked as a whole.  How one value is read, judged and written is key.c's. */
#include "ref/network/config.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ref/network/key.h"
#include "ref/network/mixer.h"
#include "ref/network/text.h"

static const char *const yesno[] = { "no", "yes", NULL };

#define AT(field) offsetof(struct swax_config, field)
static const struct swax_key network_keys[] = {
    { .name = "vocabulary", .kind = SWAX_KEY_SIZE, .at = AT(vocabulary), .otherwise = "256",
      .what = "how many tokens there are" },
    { .name = "width", .kind = SWAX_KEY_SIZE, .at = AT(width), .otherwise = "64",
      .what = "numbers that stand for a token between layers" },
    { .name = "mixers", .kind = SWAX_KEY_MIXERS, .at = AT(mixer), .otherwise = "swa mlstm swa mlstm",
      .what = "the layers, a word each" },
    { .name = "ffn_width", .kind = SWAX_KEY_SIZE, .at = AT(ffn_width), .otherwise = "0",
      .zero = "8/3 of width rounded up to a multiple of 64", .what = "of the feed-forward part of a layer" },
    { .name = "tied", .kind = SWAX_KEY_WORD, .at = AT(tied), .otherwise = "no", .words = yesno,
      .what = "yes: the matrix that reads tokens also writes them" },
    { .name = "chunk", .kind = SWAX_KEY_SIZE, .at = AT(chunk), .otherwise = "64",
      .what = "a recurrent layer keeps a state every so many tokens; no result depends on it" },
    { .name = "norm_eps", .kind = SWAX_KEY_NOT_NEGATIVE, .at = AT(norm_eps), .otherwise = "1e-6",
      .what = "added to the mean square in the norms between layers" },
    { .name = "logit_cap", .kind = SWAX_KEY_NOT_NEGATIVE, .at = AT(logit_cap), .otherwise = "30", .zero = "no cap",
      .what = "logits are cap tanh(x/cap)" },
    { 0 }
};

/* ---- the tables, and where the values of each begin in a configuration */

struct table { const struct swax_key *keys; size_t at; int mixer; };
enum { TABLES = SWAX_MIXERS + 1 };

static int list_tables(struct table t[TABLES])
{
    int n = 0;
    size_t used = offsetof(struct swax_config, own);
    t[n++] = (struct table){ network_keys, 0, -1 };
    for (int m = 0; swax_mixer_row(m) && n < TABLES; m++) {
        const struct swax_mixer *x = swax_mixer_row(m);
        int shared = 0;
        while (shared < n && t[shared].keys != x->keys)
            shared++;
        if (shared == n && x->keys) {
            t[n++] = (struct table){ x->keys, used, m };
            used += (x->keys_size + sizeof(double) - 1) / sizeof(double) * sizeof(double);
        }
    }
    return n;
}

const struct swax_mixer *swax_mixer_row(int m)
{
    for (int i = 0; i < m; i++)
        if (!swax_mixers_f32[i])
            return NULL;
    return m >= 0 && swax_mixers_f32[m] ? &swax_mixers_f32[m]->about : NULL;
}

int swax_mixer_find(const char *name)
{
    for (int m = 0; swax_mixer_row(m); m++)
        if (swax_mixer_row(m)->name && !strcmp(swax_mixer_row(m)->name, name))
            return m;
    return -1;
}

/* Where the values of mixer m's keys begin. */
static size_t keys_at(int m)
{
    struct table t[TABLES];
    const int n = list_tables(t);
    int i = 0;
    while (i < n - 1 && t[i].keys != swax_mixer_row(m)->keys)
        i++;
    return t[i].at;
}

void *swax_mixer_keys(struct swax_config *c, int m) { return (char *)c + keys_at(m); }

const void *swax_layer_keys(const struct swax_config *c, int layer)
{
    return (const char *)c + keys_at(c->mixer[layer]);
}

const struct swax_mixer *swax_layer_mixer(const struct swax_config *c, int layer)
{
    return swax_mixer_row(c->mixer[layer]);
}

const struct swax_key *swax_config_keys(int table, int *mixer)
{
    struct table t[TABLES];
    if (table < 0 || table >= list_tables(t))
        return NULL;
    *mixer = t[table].mixer;
    return t[table].keys;
}

/* Does some layer have a mixer of this table? */
static int is_used(const struct swax_config *c, const struct table *t)
{
    int used = t->mixer < 0;
    for (int l = 0; l < c->layers && !used; l++)
        used = swax_layer_mixer(c, l) && swax_layer_mixer(c, l)->keys == t->keys;
    return used;
}

static const struct swax_key *find(const char *name, size_t *at)
{
    struct table t[TABLES];
    const int n = list_tables(t);
    for (int i = 0; i < n; i++)
        for (const struct swax_key *k = t[i].keys; k->name; k++)
            if (!strcmp(k->name, name)) {
                *at = t[i].at + k->at;
                return k;
            }
    return NULL;
}

void *swax_config_at(struct swax_config *c, const char *key)
{
    size_t at;
    return find(key, &at) ? (char *)c + at : NULL;
}

double swax_config_number(const struct swax_config *c, const char *key)
{
    size_t at;
    const struct swax_key *k = find(key, &at);
    if (!k || k->kind == SWAX_KEY_MIXERS)
        return (double)NAN;
    return swax_key_number(k, (const char *)c + at);
}

/* ---- set */

const char *swax_config_set(struct swax_config *c, const char *name, const char *value, char *why)
{
    size_t at = 0;
    const struct swax_key *k = find(name, &at);
    if (!k) {
        snprintf(why, SWAX_WHY, "there is no key '%.40s'; the nearest is '%s'", name, swax_config_nearest(name));
        return why;
    }
    struct swax_config n = *c;             /* a value that is refused changes nothing */
    if (swax_key_read(&n, k, (char *)&n + at, value, why))
        return why;
    *c = n;
    return NULL;
}

struct swax_config swax_config_default(void)
{
    struct swax_config c;
    struct table t[TABLES];
    const int n = list_tables(t);
    memset(&c, 0, sizeof c);
    for (int i = 0; i < n; i++)
        swax_keys_default(t[i].keys, (char *)&c + t[i].at);
    return c;
}

/* ---- what can be */

static const char *check_values(const struct swax_config *c, const struct table *t, int n, char *why)
{
    int mixers = 0;
    while (swax_mixer_row(mixers))
        mixers++;
    for (int l = 0; l < c->layers; l++)
        if (c->mixer[l] >= mixers)
            return swax_refuse(why, "mixers", c->mixer[l], "a row of the table of mixers per layer");
    for (int i = 0; i < n; i++)
        for (const struct swax_key *k = t[i].keys; k->name; k++)
            if (swax_key_check(k, (const char *)c + t[i].at + k->at, why))
                return why;
    return NULL;
}

const char *swax_config_check(struct swax_config *c, char *why)
{
    struct table t[TABLES];
    const int n = list_tables(t);
    const char *wrong = swax_mixers_check_f32(swax_mixers_f32, why);
    if (wrong)
        return wrong;
    if (c->layers < 1 || c->layers > SWAX_LAYERS)
        return swax_refuse(why, "layers", c->layers, "1 to 256, one word of mixers each");
    if (check_values(c, t, n, why))
        return why;
    if (!c->ffn_width) {
        const long long f = (8LL * c->width + 2) / 3;
        c->ffn_width = f > INT_MAX - 63 ? INT_MAX : (int)((f + 63) / 64 * 64);
    }
    if ((wrong = swax_too_large(why, "the embedding (vocabulary x width)", c->vocabulary, c->width)) ||
        (wrong = swax_too_large(why, "the up projection (ffn_width x width)", c->ffn_width, c->width)))
        return wrong;
    for (int m = 0; swax_mixer_row(m) && !wrong; m++)
        if (memchr(c->mixer, m, (size_t)c->layers))
            wrong = swax_mixer_row(m)->check(c, swax_mixer_keys(c, m), why);
    return wrong;
}

/* ---- listed */

const char *swax_config_get(const struct swax_config *c, const char *key, char *text)
{
    size_t at = 0;
    const struct swax_key *k = find(key, &at);
    *text = 0;
    if (k)
        swax_key_write(c, k, (const char *)c + at, text);
    return text;
}

void swax_config_list(const struct swax_config *c, void (*each)(const char *key, const char *value, void *arg),
                      void *arg)
{
    char text[SWAX_TEXT];
    struct table t[TABLES];
    const int n = list_tables(t);
    for (int i = 0; i < n; i++)
        for (const struct swax_key *k = t[i].keys; k->name && is_used(c, &t[i]); k++)
            each(k->name, swax_config_get(c, k->name, text), arg);
}

/* ---- the nearest */

const char *swax_config_nearest(const char *name)
{
    const struct swax_key *best = network_keys;
    struct table t[TABLES];
    const int n = list_tables(t);
    for (int i = 0; i < n; i++)
        for (const struct swax_key *k = t[i].keys; k->name; k++)
            if (swax_distance(name, k->name) < swax_distance(name, best->name))
                best = k;
    return best->name;
}
