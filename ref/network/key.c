/* key.c - one key of a table: its value read from text, judged, written, and the sentence that says what would be
 * right. */
#include "ref/network/key.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ref/network/mixers.h"
#include "ref/network/text.h"

enum { NAME = SWAX_TEXT / SWAX_LAYERS };   /* a mixer's name has fewer letters: swax_mixers_check */

static int as_int(const void *at)       { return *(const int *)at; }
static double as_double(const void *at) { return *(const double *)at; }
static int is_int(const struct swax_key *k) { return k->kind == SWAX_KEY_SIZE || k->kind == SWAX_KEY_WORD; }

double swax_key_number(const struct swax_key *k, const void *at) { return is_int(k) ? as_int(at) : as_double(at); }

/* ---- what would be right */

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

const char *swax_key_read(struct swax_config *c, const struct swax_key *k, void *at, const char *text, char *why)
{
    char right[SWAX_WHY], word[NAME + 1] = "";
    if (read_value(c, k, at, text))
        return NULL;
    if (k->kind == SWAX_KEY_MIXERS)
        find_stranger(word, text);
    snprintf(why, SWAX_WHY, "%s=%.60s: %s%s%sshould be %.200s", k->name, text, *word ? "'" : "", word,
             *word ? "' is no mixer: " : "", swax_key_right(k, right));
    return why;
}

const char *swax_keys_default(const struct swax_key *keys, void *values)
{
    const char *bad = NULL;
    for (const struct swax_key *k = keys; k->name; k++)
        if ((!k->otherwise || !read_value(values, k, (char *)values + k->at, k->otherwise)) && !bad)
            bad = k->name;
    return bad;
}

/* ---- of a value that is there */

const char *swax_key_check(const struct swax_key *k, const void *at, char *why)
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

static void write_mixers(char *to, size_t n, const struct swax_config *c)
{
    for (int l = 0, used = 0; l < c->layers; l++)
        used += snprintf(to + used, n - (size_t)used, "%s%s", l ? " " : "", swax_layer_mixer(c, l)->name);
}

void swax_key_write(const struct swax_config *c, const struct swax_key *k, const void *at, char *text)
{
    if (k->kind == SWAX_KEY_MIXERS)
        write_mixers(text, SWAX_TEXT, c);
    else if (k->kind == SWAX_KEY_WORD)
        strcpy(text, k->words[as_int(at)]);
    else if (k->kind == SWAX_KEY_SIZE)
        snprintf(text, SWAX_TEXT, "%d", as_int(at));
    else
        swax_number_write(text, as_double(at));
}
