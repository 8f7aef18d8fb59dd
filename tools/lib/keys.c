/* keys.c - values of keys: read by type, bounded, written back. */
#include "tools/lib/keys.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include "ref/tier.h"
#include "tools/lib/json.h"
#include "tools/lib/nearest.h"
#include "tools/lib/number.h"
#include "tools/lib/say.h"

/* ---- numbers */

static const char *read_whole(void *field, const struct key *k, const char *text, char *why)
{
    long x;
    if (!number_whole(text, (long)k->least, (long)k->most, &x))
        return say(why, "%s=%.60s: it is a whole number from %.0f to %.0f.", k->name, text, k->least, k->most);
    *(int *)field = (int)x;
    return NULL;
}

static void write_whole(char text[KEY_TEXT], const struct key *k, const void *field)
{
    (void)k;
    snprintf(text, KEY_TEXT, "%d", *(const int *)field);
}

static const char *read_real(void *field, const struct key *k, const char *text, char *why)
{
    char least[32], most[32];
    if (number_real(text, k->least, k->most, field))
        return NULL;
    swax_number_write(least, k->least);
    swax_number_write(most, k->most);
    return say(why, "%s=%.60s: it is a number from %s to %s.", k->name, text, least, most);
}

static void write_real(char text[KEY_TEXT], const struct key *k, const void *field)
{
    (void)k;
    swax_number_write(text, *(const double *)field);
}

static const char *read_seed(void *field, const struct key *k, const char *text, char *why)
{
    uint64_t x = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9' && x <= (UINT64_MAX - (uint64_t)(*p - '0')) / 10; p++)
        x = x * 10 + (uint64_t)(*p - '0');
    if (!*text || *p)
        return say(why, "%s=%.60s: it is a whole number from 0 to 18446744073709551615.", k->name, text);
    *(uint64_t *)field = x;
    return NULL;
}

static void write_seed(char text[KEY_TEXT], const struct key *k, const void *field)
{
    (void)k;
    snprintf(text, KEY_TEXT, "%llu", (unsigned long long)*(const uint64_t *)field);
}

static const char *read_list(void *field, const struct key *k, const char *text, char *why)
{
    struct key_list l = {.n = 0};
    const char *at = text;
    for (;; at++) {
        char one[16];
        long x;
        const size_t n = strcspn(at, ", ");
        snprintf(one, sizeof one, "%.*s", n < sizeof one ? (int)n : 0, at);
        if (l.n == KEY_LIST || !number_whole(one, (long)k->least, (long)k->most, &x))
            return say(why, "%s=%.60s: it is 1 to %d whole numbers from %.0f to %.0f, as 512,1024.", k->name, text,
                       KEY_LIST, k->least, k->most);
        l.value[l.n++] = (int)x;
        at += n;
        if (!*at)
            break;
    }
    *(struct key_list *)field = l;
    return NULL;
}

static void write_list(char text[KEY_TEXT], const struct key *k, const void *field)
{
    const struct key_list *l = field;
    int n = 0;
    (void)k;
    *text = 0;
    for (int i = 0; i < l->n; i++)
        n += snprintf(text + n, (size_t)(KEY_TEXT - n), "%s%d", i ? "," : "", l->value[i]);
}

static const char *read_span(void *field, const struct key *k, const char *text, char *why)
{
    char from[16];
    long a, b;
    const size_t n = strcspn(text, "-");
    snprintf(from, sizeof from, "%.*s", n < sizeof from ? (int)n : 0, text);
    if (!text[n] || !number_whole(from, (long)k->least, (long)k->most, &a) ||
        !number_whole(text + n + 1, a, (long)k->most, &b))
        return say(why, "%s=%.60s: it is two whole numbers from %.0f to %.0f, the smaller first, as 8-64.", k->name,
                   text, k->least, k->most);
    *(struct key_span *)field = (struct key_span){(int)a, (int)b};
    return NULL;
}

static void write_span(char text[KEY_TEXT], const struct key *k, const void *field)
{
    const struct key_span *s = field;
    (void)k;
    snprintf(text, KEY_TEXT, "%d-%d", s->from, s->to);
}

/* ---- words */

const char *key_choice(const struct key *k, int i)
{
    return k->words ? k->words[i] : k->word ? k->word(i) : NULL;
}

/* Is `text` one of the blank-separated words? */
static int is_among(const char *words, const char *text)
{
    const size_t n = strcspn(text, " ");
    for (const char *at = words; n && !text[n] && (at = strstr(at, text)); at += n)
        if ((at == words || at[-1] == ' ') && (!at[n] || at[n] == ' '))
            return 1;
    return 0;
}

static int first_length(const char *words)
{
    return (int)strcspn(words, " ");
}

/* "fp32, fp64 or bf16" */
static void list_words(char *to, size_t room, const struct key *k)
{
    size_t n = 0;
    *to = 0;
    for (int i = 0; key_choice(k, i) && n < room; i++)
        n += (size_t)snprintf(to + n, room - n, "%s%.*s", !i ? "" : key_choice(k, i + 1) ? ", " : " or ",
                              first_length(key_choice(k, i)), key_choice(k, i));
}

static const char *refuse_word(const struct key *k, const char *text, char *why)
{
    char all[SWAX_WHY], best[64] = "";
    struct nearest near = nearest_to(text);
    list_words(all, sizeof all, k);
    for (int i = 0; key_choice(k, i); i++) {
        char first[64];
        snprintf(first, sizeof first, "%.*s", first_length(key_choice(k, i)), key_choice(k, i));
        nearest_try_for(&near, first, key_choice(k, i));
    }
    if (near.best)
        snprintf(best, sizeof best, "%.*s", first_length(near.best), near.best);
    return *best ? say(why, "%s=%.60s: it is %s: did you mean %s?", k->name, text, all, best)
                 : say(why, "%s=%.60s: it is %s.", k->name, text, all);
}

static const char *read_word(void *field, const struct key *k, const char *text, char *why)
{
    for (int i = 0; key_choice(k, i); i++)
        if (is_among(key_choice(k, i), text)) {
            memcpy(field, &i, sizeof i);
            return NULL;
        }
    return refuse_word(k, text, why);
}

static void write_word(char text[KEY_TEXT], const struct key *k, const void *field)
{
    int i;
    memcpy(&i, field, sizeof i);
    snprintf(text, KEY_TEXT, "%.*s", first_length(key_choice(k, i)), key_choice(k, i));
}

static const char *yes_word(int i)
{
    static const char *const words[] = {"no 0 false off", "yes 1 true on", NULL};
    return words[i];
}

static const char *read_yes(void *field, const struct key *k, const char *text, char *why)
{
    struct key words = *k;
    words.word = yes_word, words.words = NULL;
    return read_word(field, &words, text, why) ? say(why, "%s=%.60s: it is yes or no.", k->name, text) : NULL;
}

static void write_yes(char text[KEY_TEXT], const struct key *k, const void *field)
{
    (void)k;
    strcpy(text, *(const int *)field ? "yes" : "no");
}

const char *key_tier_word(int i)
{
    return i < swax_n_tiers ? swax_tiers[i]->name : NULL;
}

const char *key_precision_word(int i)
{
    /* enum swax_precision */
    static const char *const words[] = {"fp32 f32 float32", "fp64 f64 float64", "bf16 bfloat16"};
    return i < SWAX_PRECISIONS ? words[i] : NULL;
}

/* ---- texts */

static const char *too_long(const struct key *k, const char *text, size_t room, char *why)
{
    return strlen(text) < room ? NULL
         : say(why, "%s: its %zu characters are more than the %zu there is room for.", k->name, strlen(text), room - 1);
}

static const char *copy_text(char *to, size_t room, const struct key *k, const char *text, char *why)
{
    if (too_long(k, text, room, why))
        return why;
    if (!json_is_text(text))
        return say(why, "%s: its value is not UTF-8, which config.json could not hold.", k->name);
    strcpy(to, text);
    return NULL;
}

static const char *read_text(void *field, const struct key *k, const char *text, char *why)
{
    return copy_text(field, KEY_TEXT, k, text, why);
}

static const char *read_path(void *field, const struct key *k, const char *text, char *why)
{
    if (*text == '~')
        return say(why,
                   "%s=%.60s: ~ stands for a home in a shell's own words only: say $HOME, or the whole path (./~ for "
                   "a name that begins so).",
                   k->name, text);
    return copy_text(field, KEY_TEXT, k, text, why);
}

static const char *read_long(void *field, const struct key *k, const char *text, char *why)
{
    (void)k, (void)why;
    *(const char **)field = text;
    return NULL;
}

static void write_long(char text[KEY_TEXT], const struct key *k, const void *field)
{
    (void)k;
    snprintf(text, KEY_TEXT, "%s", *(const char *const *)field);
}

static const char *read_tier(void *field, const struct key *k, const char *text, char *why)
{
    /* whether it is here shows where it is used: a run names that of its machine */
    return copy_text(field, 16, k, text, why);
}

static void write_text(char text[KEY_TEXT], const struct key *k, const void *field)
{
    (void)k;
    strcpy(text, field);
}

const struct key_type key_whole = {read_whole, write_whole, 1}, key_real = {read_real, write_real, 1},
    key_seed = {read_seed, write_seed, 0};
const struct key_type key_list = {read_list, write_list, 1}, key_span = {read_span, write_span, 1};
const struct key_type key_yes = {read_yes, write_yes, 0}, key_word = {read_word, write_word, 0};
const struct key_type key_text = {read_text, write_text, 0}, key_path = {read_path, write_text, 0},
    key_tier = {read_tier, write_text, 0}, key_long = {read_long, write_long, 0};

/* ---- tables */

void keys_pick(struct key *to, const struct key *from, int mark)
{
    for (; from->name; from++)
        if (from->mark & mark)
            *to++ = *from;
    *to = *from;
}

void keys_add(struct keys *k, const char *title, const struct key *rows, void *into)
{
    k->table[k->n++] = (struct key_table){.title = title, .rows = rows, .into = into};
}

void keys_add_texts(struct keys *k, const char *title, const struct key *rows, char (*texts)[KEY_TEXT])
{
    k->table[k->n++] = (struct key_table){.title = title, .rows = rows, .texts = texts};
}

const struct key *key_find(const struct key *rows, const char *name)
{
    for (const struct key *row = rows; row->name; row++)
        if (row->type && !strcmp(row->name, name))
            return row;
    return NULL;
}

const struct key *keys_find(const struct keys *k, const char *name, const struct key_table **table)
{
    for (int i = 0; i < k->n; i++) {
        const struct key *row = key_find(k->table[i].rows, name);
        if (row && table)
            *table = &k->table[i];
        if (row)
            return row;
    }
    return NULL;
}

static void *field_of(void *into, const struct key *row)
{
    return (char *)into + row->at;
}

void keys_default(const struct key *rows, void *into)
{
    char why[SWAX_WHY];
    for (const struct key *row = rows; row->name; row++)
        if (row->otherwise)
            row->type->read(field_of(into, row), row, row->otherwise, why);
}

/* What is checked and not kept goes here: no field is larger than a text. */
union field { char text[2 * KEY_TEXT]; const char *long_text; struct key_list list; double real; uint64_t seed; };

const char *keys_set(const struct keys *k, const char *name, const char *value, char *why)
{
    const struct key_table *t = NULL;
    const struct key *row = keys_find(k, name, &t);
    union field nowhere = {{0}};
    if (!row)
        return keys_unknown(k, name, why);
    if (t->into)
        return row->type->read(field_of(t->into, row), row, value, why);
    if (row->otherwise && !strcmp(value, row->otherwise))
        value = "";                                    /* its default, which need not be a value: "" for none */
    else if (row->type->read(&nowhere, row, value, why) || (t->texts && too_long(row, value, KEY_TEXT, why)))
        return why;
    if (t->texts)
        strcpy(t->texts[row - t->rows], value);
    return NULL;
}

void key_write(char text[KEY_TEXT], const struct key_table *t, const struct key *row)
{
    if (t->into)
        row->type->write(text, row, field_of(t->into, row));
    else
        snprintf(text, KEY_TEXT, "%s", t->texts && *t->texts[row - t->rows] ? t->texts[row - t->rows] : row->otherwise
                 ? row->otherwise : "");
}

const char *keys_fill(const struct key *rows, const char *const *text, void *into, char *why)
{
    keys_default(rows, into);
    for (const struct key *row = rows; row->name; row++) {
        const char *value = text[row - rows];
        if (value && *value && (!row->otherwise || strcmp(value, row->otherwise)) &&
            row->type->read(field_of(into, row), row, value, why))
            return why;
    }
    return NULL;
}

static void try_others(struct nearest *n, const struct key *row)
{
    char other[64];
    const char *at = row->others ? row->others : "";
    for (; *at; at += strspn(at, " ")) {
        const size_t length = strcspn(at, " ");
        snprintf(other, sizeof other, "%.*s", (int)length, at);
        nearest_try_for(n, other, row->name);
        at += length;
    }
}

const char *keys_unknown(const struct keys *k, const char *name, char *why)
{
    struct nearest n = nearest_to(name);
    if (!*name)
        return say(why, "For %s there is a value without a key: options are written key=value.", k->of);
    for (int i = 0; i < k->n; i++)
        for (const struct key *row = k->table[i].rows; row->name; row++)
            if (row->type)
                nearest_try(&n, row->name);
    for (int i = 0; i < k->n && n.distance; i++)      /* what others call it, where that is nearer */
        for (const struct key *row = k->table[i].rows; row->name; row++)
            try_others(&n, row);
    return n.best ? say(why, "There is no key \"%.60s\" for %s: did you mean %s?", name, k->of, n.best)
                  : say(why, "There is no key \"%.60s\" for %s: its help lists them.", name, k->of);
}
