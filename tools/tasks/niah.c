/* niah.c - RULER's needle in a haystack (arXiv 2404.06654), at byte level, to its templates and definitions.
 *
 * A needle is "One of the special magic numbers for <key> is: <value>."; the haystack is its noise sentence, an
 * essay (the project's own sentences) or other needles.  An answer is tagged by the depth of its needle, so one
 * pass gives the depth grid; the length grid is the sequence's length. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tasks/task.h"

enum { MOST = 8, NAME = 40, DEPTHS = 40 };
enum haystack { NOISE, ESSAY, NEEDLES };
enum kind { WORDS, NUMBERS, UUIDS };

/* RULER's synthetic.yaml */
static const struct variant { const char *name; enum haystack haystack; enum kind key, value; int keys, values,
                             queries; } variants[] = {
    {"single_1", NOISE, WORDS, NUMBERS, 1, 1, 1},     {"single_2", ESSAY, WORDS, NUMBERS, 1, 1, 1},
    {"single_3", ESSAY, WORDS, UUIDS, 1, 1, 1},       {"multikey_1", ESSAY, WORDS, NUMBERS, 4, 1, 1},
    {"multikey_2", NEEDLES, WORDS, NUMBERS, 1, 1, 1}, {"multikey_3", NEEDLES, UUIDS, UUIDS, 1, 1, 1},
    {"multivalue", ESSAY, WORDS, NUMBERS, 1, 4, 1},   {"multiquery", ESSAY, WORDS, NUMBERS, 4, 1, 4},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

static const char *const tags[] = {"depth 0-9 %", "depth 10-19 %", "depth 20-29 %", "depth 30-39 %", "depth 40-49 %",
                                   "depth 50-59 %",
                                   "depth 60-69 %", "depth 70-79 %", "depth 80-89 %", "depth 90-100 %", NULL};

struct niah { const struct variant *v; int variant, depth, digits; double rest; struct prose text; };

static const char *variant_word(int i)
{
    return i < VARIANTS ? variants[i].name : NULL;
}

static const struct key keys[] = {
    KEY_WORD("variant", struct niah, variant, "single_1", variant_word,
             "which of RULER's, by what is hidden and where"),
    KEY_WHOLE("depth", struct niah, depth, "-1", -1, 100,
              "per cent of the haystack before the needles, -1 for one of 40 even depths each"),
    KEY_WHOLE("digits", struct niah, digits, "7", 1, 30, "digits of a number"),
    KEY_REAL("rest", struct niah, rest, "1", 0, 1000, "weight in the loss of all that is not an answer"),
    {0},
};

struct needle { char key[NAME], value[NAME]; int depth; };   /* depth: per cent of the haystack before it */

static void close_niah(void *opened)
{
    struct niah *o = opened;
    prose_close(&o->text);
    free(o);
}

/* English: "a", "a and b", "a, b, and c". */
static void add_list(struct prose *p, const char *const *item, const int *tag, int n)
{
    for (int i = 0; i < n; i++) {
        prose_add(p, i == 0 ? "" : n == 2 ? " and " : i == n - 1 ? ", and " : ", ");
        prose_answer(p, item[i], tag ? tag[i] : 0);
    }
}

static void draw_name(char name[NAME], struct random *r, enum kind kind, int digits)
{
    static const char hex[] = "0123456789abcdef";
    if (kind == WORDS) {
        const char *adjective = prose_adjective(r);
        snprintf(name, NAME, "%s-%s", adjective, prose_noun(r));
    } else if (kind == NUMBERS) {
        for (int i = 0; i < digits; i++)
            name[i] = (char)('0' + (i == 0 && digits > 1 ? 1 + random_below(r, 9) : random_below(r, 10)));
        name[digits] = 0;
    } else {
        for (int i = 0; i < 36; i++)
            name[i] = i == 8 || i == 13 || i == 18 || i == 23 ? '-' : i == 14 ? '4'
                                                                              : hex[i == 19 ? 8 + random_below(r, 4)
                                                                                            : random_below(r, 16)];
        name[36] = 0;
    }
}

static const char *const noun_of[] = {"word", "number", "uuid"};

static void add_needle(struct prose *p, const struct niah *o, const char *key, const char *value)
{
    prose_add(p, "One of the special magic ");
    prose_add(p, noun_of[o->v->value]);
    prose_add(p, "s for ");
    prose_add(p, key);
    prose_add(p, " is: ");
    prose_add(p, value);
    prose_add(p, ".");
}

static void add_question(struct prose *p, const struct niah *o, const char *const *asked, int answers)
{
    const char *type = noun_of[o->v->value], *s = answers > 1 ? "s" : "";
    prose_add(p, answers > 1 ? "\nWhat are all the special magic " : "\nWhat is the special magic ");
    prose_add(p, type), prose_add(p, s), prose_add(p, " for ");
    add_list(p, asked, NULL, o->v->queries);
    prose_add(p, " mentioned in the provided text? The special magic ");
    prose_add(p, type), prose_add(p, s), prose_add(p, " for ");
    add_list(p, asked, NULL, o->v->queries);
    prose_add(p, answers > 1 ? " mentioned in the provided text are " : " mentioned in the provided text is ");
}

static void add_introduction(struct prose *p, const struct niah *o, int answers)
{
    const char *type = noun_of[o->v->value], *s = answers > 1 ? "s" : "";
    prose_add(p, answers > 1 ? "Some special magic " : "A special magic ");
    prose_add(p, type), prose_add(p, s);
    prose_add(p, answers > 1 ? " are" : " is");
    prose_add(p, " hidden within the following text. Make sure to memorize it. I will quiz you about the ");
    prose_add(p, type), prose_add(p, s), prose_add(p, " afterwards.\n");
}

static int is_asked(const struct needle *needle, int n, const char *key)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(needle[i].key, key))
            return 1;
    return 0;
}

/* The whole text with a haystack of `sentences`; `hay` is the haystack's own generator, so that the texts of
 * different sizes begin alike.  Its length in bytes. */
static int write_text(struct prose *p, const struct niah *o, struct needle *needle, int n, int sentences,
                      struct random hay)
{
    const struct variant *v = o->v;
    const int answers = v->values * v->queries;
    const uint64_t first = random_below(&hay, (uint64_t)prose_n_sentences);
    const char *asked[MOST], *value[MOST];
    int tag[MOST];
    p->n = 0;
    add_introduction(p, o, answers);
    const char *between = v->haystack == ESSAY ? " " : "\n";
    for (int i = 0, started = 0;; i++) {
        for (int k = 0; k < n; k++)
            if (needle[k].depth * sentences / 100 == i) {
                prose_add(p, started++ ? between : "");
                add_needle(p, o, needle[k].key, needle[k].value);
            }
        if (i == sentences)
            break;
        prose_add(p, started++ ? between : "");
        if (v->haystack == NEEDLES) {
            char key[NAME], other[NAME];
            do
                draw_name(key, &hay, v->key, o->digits);
            while (is_asked(needle, n, key));
            draw_name(other, &hay, v->value, o->digits);
            add_needle(p, o, key, other);
        } else {
            prose_add(p, v->haystack == NOISE ? prose_noise
                                              : prose_sentences[(first + (uint64_t)i) % (uint64_t)prose_n_sentences]);
        }
    }
    for (int i = 0; i < v->queries; i++)
        asked[i] = needle[i * v->values].key;
    for (int i = 0; i < answers; i++) {
        const int tenth = needle[i].depth / 10;
        value[i] = needle[i].value;
        tag[i] = 1 + (tenth < 9 ? tenth : 9);
    }
    add_question(p, o, asked, answers);
    add_list(p, value, tag, answers);
    prose_add(p, ".");
    return p->n;
}

/* Needles 0 .. queries*values-1 are asked.  No two keys are alike. */
static void draw_needles(const struct niah *o, struct needle *needle, int n, struct random *r)
{
    for (int i = 0; i < n; i++) {
        const int of = i / o->v->values;
        if (i % o->v->values == 0)
            do
                draw_name(needle[i].key, r, o->v->key, o->digits);
            while (is_asked(needle, i, needle[i].key));
        else
            memcpy(needle[i].key, needle[of * o->v->values].key, NAME);
        draw_name(needle[i].value, r, o->v->value, o->digits);
        const int even = (int)random_below(r, DEPTHS) * 100 / (DEPTHS - 1);
        needle[i].depth = o->depth < 0 ? even : o->depth;
    }
}

static int fill_text(struct niah *o, int T, uint64_t seed, enum data_part part, uint64_t number)
{
    struct random r = task_random(seed, part, number);
    struct needle needle[MOST];
    const int n = o->v->keys * o->v->values;
    draw_needles(o, needle, n, &r);
    int low = 0, high = T / 20;            /* how many sentences fit: the shortest one is longer than 20 bytes */
    if (write_text(&o->text, o, needle, n, 0, r) > T + 1)
        return 0;
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (write_text(&o->text, o, needle, n, middle, r) > T + 1)
            high = middle - 1;
        else
            low = middle;
    }
    write_text(&o->text, o, needle, n, low, r);
    return 1;
}

static void *open_niah(const char *const *v, int T, char *why)
{
    struct niah *o = task_new(sizeof *o, keys, v, why);
    if (!o)
        return NULL;
    o->v = &variants[o->variant];
    if (!prose_open(&o->text, T + 1)) {
        snprintf(why, SWAX_WHY, "Task niah: there is no memory for sequences of %d tokens.", T);
        close_niah(o);
        return NULL;
    }
    return o;
}

static const char *fill_niah(void *opened, struct sequence *s, uint64_t seed, enum data_part part, uint64_t number,
                             char *why)
{
    struct niah *o = opened;
    if (fill_text(o, s->T, seed, part, number)) {
        prose_fill(&o->text, s, o->rest);
        return NULL;
    }
    snprintf(why, SWAX_WHY,
             "Task niah: variant %s does not fit into %d bytes; its needles and questions alone have %d.",
             o->v->name, s->T, o->text.n - 1);
    return why;
}

static int niah_vocabulary(const void *opened)
{
    (void)opened;
    return 256;
}

const struct source source_niah = {
    .name = "niah", .what = "RULER's needle in a haystack, in bytes",
    .keys = keys, .tags = tags, .unit = "byte",
    .open = open_niah, .close = close_niah, .vocabulary = niah_vocabulary, .fill = fill_niah,
};
