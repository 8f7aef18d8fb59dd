/* config.c - the tables of keys, the network's and the mixers': read, written, listed and checked from them. */
#include "ref/network/config.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ref/network/mixer.h"
#include "ref/network/text.h"

enum { NAME = SWAX_TEXT / SWAX_LAYERS };   /* a mixer's name has fewer letters: swax_mixers_check */

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

static int as_int(const void *at)       { return *(const int *)at; }
static double as_double(const void *at) { return *(const double *)at; }
static int is_int(const struct swax_key *k) { return k->kind == SWAX_KEY_SIZE || k->kind == SWAX_KEY_WORD; }

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
    return is_int(k) ? as_int((const char *)c + at) : as_double((const char *)c + at);
}

/* ---- from text */

/* The next word of a list of mixers, cut where it is longer than any mixer's name: what stands behind it, or NULL where
 * there is none. */
static const char *next_mixer(char word[NAME + 1], const char *text)
{
    static const char *const separators = " ,";
    text += strspn(text, separators);
    const int n = (int)strcspn(text, separators);
    snprintf(word, NAME + 1, "%.*s", n, text);
    return n ? text + n : NULL;
}

static int read_mixers(struct swax_config *c, const char *text)
{
    int layers = 0;
    for (char word[NAME + 1]; (text = next_mixer(word, text));) {
        const int m = swax_mixer_find(word);
        if (m < 0 || layers == SWAX_LAYERS)
            return 0;
        c->mixer[layers++] = (unsigned char)m;
    }
    c->layers = layers;
    return layers > 0;
}

/* The first word of a list that names no mixer; "" where all do. */
static void find_stranger(char word[NAME + 1], const char *text)
{
    while ((text = next_mixer(word, text)))
        if (swax_mixer_find(word) < 0)
            return;
}

static int read_int(int *to, const char *text, int least)
{
    char *end;
    const long v = strtol(text, &end, 10);
    if (end == text || *end || v < least || v > INT_MAX)
        return 0;
    *to = (int)v;
    return 1;
}

static int allowed(double v, enum swax_key_kind kind)
{
    return isfinite(v) && (kind == SWAX_KEY_POSITIVE ? v > 0 : kind == SWAX_KEY_NOT_NEGATIVE ? v >= 0 : 1);
}

static int read_double(double *to, const char *text, enum swax_key_kind kind)
{
    double v;
    if (!swax_number_read(text, &v) || !allowed(v, kind))
        return 0;
    *to = v;
    return 1;
}

static int read_word(int *to, const char *text, const char *const *words)
{
    for (int w = 0; words[w]; w++)
        if (!strcmp(text, words[w])) {
            *to = w;
            return 1;
        }
    return 0;
}

static int least(const struct swax_key *k) { return k->zero ? 0 : 1; }

static int read_value(struct swax_config *c, const struct swax_key *k, void *at, const char *text)
{
    return k->kind == SWAX_KEY_MIXERS ? read_mixers(c, text)
         : k->kind == SWAX_KEY_WORD   ? read_word(at, text, k->words)
         : k->kind == SWAX_KEY_SIZE   ? read_int(at, text, least(k))
         :                              read_double(at, text, k->kind);
}

/* "a", "a or b", "a, b or c" */
static void add_choice(char *to, const char *word, int first, int last)
{
    const size_t n = strlen(to);
    snprintf(to + n, SWAX_WHY - n, "%s%s", first ? "" : last ? " or " : ", ", word);
}

const char *swax_key_right(const struct swax_key *k, char *text)
{
    const char *const number = k->kind == SWAX_KEY_SIZE ? "a whole number of at least 1"
                             : k->kind == SWAX_KEY_NUMBER ? "a number"
                             : k->kind == SWAX_KEY_POSITIVE || k->zero ? "a number above 0" : "a number of at least 0";
    *text = 0;
    if (k->kind == SWAX_KEY_WORD) {
        for (int w = 0; k->words[w]; w++)
            add_choice(text, k->words[w], w == 0, !k->words[w + 1]);
    } else if (k->kind == SWAX_KEY_MIXERS) {
        for (int m = 0; swax_mixer_row(m); m++)
            add_choice(text, swax_mixer_row(m)->name, m == 0, 0);
        char words[SWAX_WHY];
        strcpy(words, text);
        snprintf(text, SWAX_WHY, "a list such as '%s', one of %.160s per layer, at most %d layers", k->otherwise, words,
                 SWAX_LAYERS);
    } else {
        snprintf(text, SWAX_WHY, "%s%s%s", number, k->zero ? ", or 0 for " : "", k->zero ? k->zero : "");
    }
    return text;
}

const char *swax_config_set(struct swax_config *c, const char *name, const char *value, char *why)
{
    size_t at = 0;
    char right[SWAX_WHY];
    const struct swax_key *k = find(name, &at);
    if (!k) {
        snprintf(why, SWAX_WHY, "there is no key '%.40s'; the nearest is '%s'", name, swax_config_nearest(name));
        return why;
    }
    struct swax_config n = *c;             /* a value that is refused changes nothing */
    if (!read_value(&n, k, (char *)&n + at, value)) {
        char word[NAME + 1] = "";
        if (k->kind == SWAX_KEY_MIXERS)
            find_stranger(word, value);
        snprintf(why, SWAX_WHY, "%s=%.60s: %s%s%sshould be %.200s", name, value, *word ? "'" : "", word,
                 *word ? "' is no mixer: " : "", swax_key_right(k, right));
        return why;
    }
    *c = n;
    return NULL;
}

const char *swax_keys_default(const struct swax_key *keys, void *values)
{
    const char *bad = NULL;
    for (const struct swax_key *k = keys; k->name; k++)
        if ((!k->otherwise || !read_value(values, k, (char *)values + k->at, k->otherwise)) && !bad)
            bad = k->name;
    return bad;
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

const char *swax_too_large(char *why, const char *what, long long a, long long b)
{
    if (a * b <= INT_MAX)
        return NULL;
    snprintf(why, SWAX_WHY, "%s would have %lld x %lld elements, and a tensor may have at most %d", what, a, b,
             INT_MAX);
    return why;
}

const char *swax_refuse(char *why, const char *key, long long value, const char *right)
{
    snprintf(why, SWAX_WHY, "%s=%lld: should be %s", key, value, right);
    return why;
}

static const char *check_value(const struct swax_key *k, const void *at, char *why)
{
    char right[SWAX_WHY];
    int words = 0;
    while (k->kind == SWAX_KEY_WORD && k->words[words])
        words++;
    if ((k->kind == SWAX_KEY_SIZE && as_int(at) < least(k)) ||
        (k->kind == SWAX_KEY_WORD && (as_int(at) < 0 || as_int(at) >= words)))
        return swax_refuse(why, k->name, as_int(at), swax_key_right(k, right));
    if (is_int(k) || k->kind == SWAX_KEY_MIXERS || allowed(as_double(at), k->kind))
        return NULL;
    char number[32];
    swax_number_write(number, as_double(at));
    snprintf(why, SWAX_WHY, "%s=%s: should be %.200s", k->name, number, swax_key_right(k, right));
    return why;
}

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
            if (check_value(k, (const char *)c + t[i].at + k->at, why))
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

/* ---- to text */

static void write_mixers(char *to, size_t n, const struct swax_config *c)
{
    for (int l = 0, used = 0; l < c->layers; l++)
        used += snprintf(to + used, n - (size_t)used, "%s%s", l ? " " : "", swax_layer_mixer(c, l)->name);
}

const char *swax_config_get(const struct swax_config *c, const char *key, char *text)
{
    size_t at = 0;
    const struct swax_key *k = find(key, &at);
    const void *value = (const char *)c + at;
    *text = 0;
    if (k && k->kind == SWAX_KEY_MIXERS)
        write_mixers(text, SWAX_TEXT, c);
    else if (k && k->kind == SWAX_KEY_WORD)
        strcpy(text, k->words[as_int(value)]);
    else if (k && k->kind == SWAX_KEY_SIZE)
        snprintf(text, SWAX_TEXT, "%d", as_int(value));
    else if (k)
        swax_number_write(text, as_double(value));
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
