/* mixture.c - sequences of several sources, by weight: text with some of RULER's tasks in it, say.
 *
 * A thousand sequences in a row hold as many of each part as its weight says, in an order that (seed, thousand)
 * chooses; and each part gives its own sequences 0, 1, 2, ..., every one once.  So sequence n of the mixture is a pure
 * function of n, as of every source, and a run that goes on goes on with the very same sequences.  All sequences have
 * as many tokens, so weights are of tokens too. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lib/number.h"
#include "tools/lib/random.h"
#include "tools/lib/say.h"
#include "tools/tasks/data.h"

enum { PARTS = 8, ROUND = 1000 };

struct part {
    struct data data;
    int first, share;
}; /* of every ROUND sequences, by their place in the drawn order */
struct asked { char part[PARTS][KEY_TEXT]; int separator; };
struct mixture { struct part part[PARTS]; int parts, vocabulary; };

/* The number that it begins with; 0: none above 0. */
static double weight_of(const char *text)
{
    char weight[32];
    double w;
    snprintf(weight, sizeof weight, "%.*s", (int)strcspn(text, " "), text);
    return number_real(weight, 0, 1e9, &w) ? w : 0;
}

/* "WEIGHT SOURCE ...": the rest waits until the source is opened. */
static const char *read_part(void *field, const struct key *k, const char *text, char *why)
{
    if (*text && !(weight_of(text) > 0))
        return say(why, "%s=%.60s: it begins with a weight above 0, as in \"0.9 text file=PATH\".", k->name, text);
    return key_text.read(field, k, text, why);
}

static void write_part(char text[KEY_TEXT], const struct key *k, const void *field)
{
    key_text.write(text, k, field);
}

static const struct key_type part_type = {read_part, write_part, 0};
#define PART(i, what) KEY_ROW(&part_type, "part_" #i, struct asked, part[i - 1], "", what)
static const struct key keys[] = {
    PART(1, "a weight, a source, and its keys: \"0.9 text file=corpus/train.txt\""),
    PART(2, "another: \"0.05 niah variant=single_1\""), PART(3, "another"), PART(4, "another"),
    PART(5, "another"), PART(6, "another"), PART(7, "another"), PART(8, "another"),
    KEY_WHOLE("separator", struct asked, separator, "", 0, 1 << 30,
              "the token that begins a new document, for all parts that have this key and do not say it; none if empty",
              .others = "eot eos_token"),
    {0},
};
#undef PART

static void close_mixture(void *opened)
{
    struct mixture *m = opened;
    for (int i = 0; i < m->parts; i++)
        data_close(&m->part[i].data);
    free(m);
}

/* "key=value" into the texts beside the source's keys. */
static const char *set_value(char value[SOURCE_KEYS][KEY_TEXT], const struct source *s, char *word, int number,
                             char *why)
{
    char *equals = strchr(word, '=');
    if (!equals)
        return say(why, "part_%d: \"%.60s\" is not key=value.", number, word);
    *equals = 0;
    const int k = source_key_find(s, word);
    if (k < 0)
        return say(why, "part_%d: the source %s has no key \"%.60s\": `swax train help data=%s` lists them.", number,
                   s->name, word, s->name);
    snprintf(value[k], KEY_TEXT, "%s", equals + 1);
    return NULL;
}

/* A part as it is asked for. */
struct wanted { const struct source *source; double weight; char value[SOURCE_KEYS][KEY_TEXT]; };

static const char *read_wanted(struct wanted *w, const char *text, const char *separator, int number, char *why)
{
    char copy[KEY_TEXT], *next;
    memset(w, 0, sizeof *w);
    snprintf(copy, sizeof copy, "%s", text);
    char *word = strtok_r(copy, " ", &next), *name = strtok_r(NULL, " ", &next);
    const struct source *s = name ? source_find(name) : NULL;
    w->weight = weight_of(text);
    if (!s || !strcmp(s->name, "mixture"))
        return say(why, "part_%d: behind the weight stands the name of a source, such as text or niah.", number);
    const int k = source_key_find(s, "separator");
    if (k >= 0)
        snprintf(w->value[k], KEY_TEXT, "%s", separator);
    while ((word = strtok_r(NULL, " ", &next)))
        if (set_value(w->value, s, word, number, why))
            return why;
    w->source = s;
    return NULL;
}

static void list_values(const char *given[SOURCE_KEYS], const struct wanted *w)
{
    for (int i = 0; i < SOURCE_KEYS; i++)
        given[i] = w->value[i];
}

/* One part from its text; its weight. */
static const char *open_part(struct part *p, const char *text, const char *separator, int number, int T, double *weight,
                             char *why)
{
    static struct wanted w;
    const char *given[SOURCE_KEYS];
    char wrong[SWAX_WHY];
    if (read_wanted(&w, text, separator, number, why))
        return why;
    *weight = w.weight;
    list_values(given, &w);
    return data_open(&p->data, w.source, given, T, wrong) ? say(why, "part_%d: %.230s", number, wrong) : NULL;
}

/* Weights to whole shares of ROUND: the largest remainders get what is left. */
static const char *share_out(struct mixture *m, const double *weight, char *why)
{
    double sum = 0, rest[PARTS];
    int given = 0;
    for (int i = 0; i < m->parts; i++)
        sum += weight[i];
    for (int i = 0; i < m->parts; i++) {
        const double share = ROUND * (weight[i] / sum);
        m->part[i].share = (int)share;
        rest[i] = share - floor(share);
        given += m->part[i].share;
    }
    for (; given < ROUND; given++) {
        int most = 0;
        for (int i = 1; i < m->parts; i++)
            most = rest[i] > rest[most] ? i : most;
        m->part[most].share++;
        rest[most] = -1;
    }
    for (int i = 0; i < m->parts; i++) {
        m->part[i].first = i ? m->part[i - 1].first + m->part[i - 1].share : 0;
        if (!m->part[i].share)
            return say(why, "A part of the mixture has weight %g of %g in all: less than one sequence in %d.",
                       weight[i], sum, ROUND);
    }
    return NULL;
}

static const char *open_all(struct mixture *m, const struct asked *a, const char *separator, int T, char *why)
{
    double weight[PARTS];
    for (int i = 0; i < PARTS; i++) {
        if (!*a->part[i])
            continue;
        if (open_part(&m->part[m->parts], a->part[i], separator, i + 1, T, &weight[m->parts], why))
            return why;
        const int vocabulary = m->part[m->parts++].data.vocabulary;
        m->vocabulary = vocabulary > m->vocabulary ? vocabulary : m->vocabulary;
    }
    if (!m->parts)
        return say(why, "A mixture needs parts: say part_1=\"0.9 text file=PATH\" part_2=\"0.1 niah\".");
    return share_out(m, weight, why);
}

static void *open_mixture(const char *const *value, int T, char *why)
{
    struct asked *a = calloc(1, sizeof *a);
    struct mixture *m = calloc(1, sizeof *m);
    const int k = source_key_find(source_find("mixture"), "separator");
    const char *wrong = a && m ? keys_fill(keys, value, a, why) : say(why, "There is no memory for a mixture.");
    if (!wrong)
        wrong = open_all(m, a, value && value[k] ? value[k] : "", T, why);
    free(a);
    if (wrong && m)
        close_mixture(m), m = NULL;
    return m;
}

static int vocabulary(const void *opened)
{
    return ((const struct mixture *)opened)->vocabulary;
}

static const char *fill(void *opened, struct sequence *s, uint64_t seed, enum data_part part, uint64_t number,
                        char *why)
{
    struct mixture *m = opened;
    const uint64_t round = number / ROUND;
    struct random r = random_open(seed, part == DATA_TRAIN ? RANDOM_TRAIN : RANDOM_HELD_OUT, round);
    const int place = (int)random_permute(random_next(&r), ROUND, number % ROUND);
    int i = m->parts - 1;
    while (place < m->part[i].first)
        i--;
    const struct part *p = &m->part[i];
    const uint64_t own = round * (uint64_t)p->share + (uint64_t)(place - p->first);
    if (p->data.source->fill(p->data.opened, s, seed, part, own, why))
        return why;
    for (int t = 0; t < s->T; t++)         /* tags are the part's own: eval data=PART asks by them */
        s->tag[t] = 0;
    return NULL;
}

/* Each part is asked for some of them. */
static int holds_out(const void *opened, int T)
{
    const struct mixture *m = opened;
    int i = 0;
    while (i < m->parts && data_holds_out(&m->part[i].data, T))
        i++;
    return i == m->parts;
}

static const char *contents(void *opened, enum data_part part, struct checksum *sum, char *why)
{
    struct mixture *m = opened;
    for (int i = 0; i < m->parts; i++)
        if (m->part[i].data.source->contents &&
            m->part[i].data.source->contents(m->part[i].data.opened, part, sum, why))
            return why;
    return NULL;
}

static const char *same(void *opened, char *why)
{
    struct mixture *m = opened;
    for (int i = 0; i < m->parts; i++)
        if (data_same(&m->part[i].data, why))
            return why;
    return NULL;
}

/* What all its parts have. */
static const char *unit_of(const char *const *value)
{
    static struct wanted w;
    const char *given[SOURCE_KEYS], *unit = NULL;
    char ignored[SWAX_WHY];
    for (int i = 0, n = 0; i < PARTS; i++) {
        if (!value[i] || !*value[i] || read_wanted(&w, value[i], "", i + 1, ignored))
            continue;
        list_values(given, &w);
        const char *own = data_unit(w.source, given);
        if (n++ && strcmp(own, unit))
            return NULL;
        unit = own;
    }
    return unit;
}

/* The largest of its parts'. */
static const char *foreseen(const char *const *value, int T, int *most, char *why)
{
    static struct wanted w;
    const char *given[SOURCE_KEYS];
    char wrong[SWAX_WHY];
    int unknown = 0;
    *most = 0;
    for (int i = 0; i < PARTS; i++) {
        int one = 0;
        if (!value[i] || !*value[i])             /* the parts are the first keys */
            continue;
        if (read_wanted(&w, value[i], "", i + 1, why))
            return why;
        list_values(given, &w);
        if (data_foresee(w.source, given, T, &one, wrong))
            return say(why, "part_%d: %.230s", i + 1, wrong);
        unknown |= !one;
        *most = one > *most ? one : *most;
    }
    *most = unknown ? 0 : *most;
    return NULL;
}

extern const struct source source_mixture;
const struct source source_mixture = {
    .name = "mixture", .what = "sequences of several sources, by weight",
    .keys = keys, .open = open_mixture, .close = close_mixture, .vocabulary = vocabulary,
    .unit_of = unit_of, .foreseen = foreseen, .fill = fill, .holds_out = holds_out, .contents = contents,
    .same = same,
};
