/* words.c - RULER's two aggregation tasks, at byte level.
 *
 *   common     a numbered list in which a few words come often (30 times) and many rarely (3 times; 6 and 1 in texts
 *              below 4,096 tokens); a solved example comes first.  Which are the common ones?
 *   frequent   coded words of six letters whose counts fall as rank^-alpha; the first rank is "....", which is to be
 *              ignored.  Which are the three most frequent? */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tasks/task.h"

enum { CODED = 6, MOST_CODED = 500, EXAMPLE_COMMON = 3, EXAMPLE_RARE = 6 };

static const char *const tags[] = {"word", NULL};

struct words { int kind, common, example, *order, *list; double alpha, zeta,
              rest; char (*coded)[CODED + 1]; struct prose text; };

static const char *kind_word(int i)
{
    static const char *const kinds[] = {"common", "frequent", NULL};
    return kinds[i];
}

static const struct key keys[] = {
    KEY_WORD("kind", struct words, kind, "common", kind_word, "which words are asked for"),
    KEY_WHOLE("common", struct words, common, "10", 1, 20, "common words to find"),
    KEY_WHOLE("example", struct words, example, "1", 0, 1,
              "1: a solved example of a short list comes first, of kind=common"),
    KEY_REAL("alpha", struct words, alpha, "2", 1.1, 10, "counts fall as rank^-alpha, of kind=frequent"),
    KEY_REAL("rest", struct words, rest, "1", 0, 1000, "weight in the loss of all that is not an answer"),
    {0},
};

static void close_words(void *opened)
{
    struct words *o = opened;
    prose_close(&o->text);
    free(o->order), free(o->list), free(o->coded), free(o);
}

/* sum over k >= 1 of k^-alpha: a thousand terms, and the integral from the middle of the next step on */
static double zeta(double alpha)
{
    double sum = pow(1000.5, 1 - alpha) / (alpha - 1);
    for (int k = 1000; k >= 1; k--)
        sum += pow(k, -alpha);
    return sum;
}

static void *open_words(const char *const *v, int T, char *why)
{
    struct words *o = task_new(sizeof *o, keys, v, why);
    if (!o)
        return NULL;
    o->zeta = zeta(o->alpha);
    o->order = malloc((size_t)prose_n_words * sizeof(int));
    o->list = malloc(((size_t)T + 64) * sizeof(int));
    o->coded = malloc(MOST_CODED * sizeof *o->coded);
    if (prose_open(&o->text, T + 1) && o->order && o->list && o->coded)
        return o;
    snprintf(why, SWAX_WHY, "Task words: there is no memory for sequences of %d tokens.", T);
    close_words(o);
    return NULL;
}

/* A numbered list of order[0 .. common-1], `often` times each, and the next `rare` words, `seldom` times each, and
 * the question.  r is the shuffle's own. */
static void add_list(struct words *o, const int *order, int common, int often, int rare, int seldom, int tag,
                     struct random r)
{
    struct prose *p = &o->text;
    char number[24];
    int n = 0;
    for (int w = 0; w < common + rare; w++)
        for (int i = 0; i < (w < common ? often : seldom); i++)
            o->list[n++] = order[w];
    random_shuffle(&r, o->list, n);
    prose_add(p, "Below is a numbered list of words. In these words, some appear more often than others. "
                 "Memorize the ones that appear most often.\n");
    for (int i = 0; i < n; i++) {
        snprintf(number, sizeof number, i ? " %d. " : "%d. ", i + 1);
        prose_add(p, number), prose_add(p, prose_words[o->list[i]]);
    }
    prose_add(p, "\nQuestion: What are the "), prose_number(p, common);
    prose_add(p, " most common words in the above list? Answer: The top "), prose_number(p, common);
    prose_add(p, " words that appear most often in the list are:");
    for (int w = 0; w < common; w++) {
        snprintf(number, sizeof number, " %d. ", w + 1);
        prose_add(p, number), prose_answer(p, prose_words[order[w]], tag);
    }
    prose_add(p, "\n");
}

/* A list with so many rare words, and its length. */
static int list_length(struct words *o, int often, int rare, int seldom, struct random r)
{
    const int first = o->example ? EXAMPLE_COMMON + EXAMPLE_RARE : 0;
    o->text.n = 0;
    if (o->example)
        add_list(o, o->order, EXAMPLE_COMMON, 4, EXAMPLE_RARE, 1, 0, r);
    add_list(o, o->order + first, o->common, often, rare, seldom, 1, r);
    return o->text.n;
}

/* The longest list that fits T bytes: 0 if even one without rare words does not. */
static int fill_common(struct words *o, int T, struct random *r)
{
    const int often = T < 4096 ? 6 : 30, seldom = T < 4096 ? 1 : 3;
    const int room = (T - o->common * often) / seldom;           /* entries of a list are no more than its bytes */
    const int there = prose_n_words - (o->example ? EXAMPLE_COMMON + EXAMPLE_RARE : 0) - o->common;
    random_order(r, o->order, prose_n_words);
    int low = 0, high = room < there ? room : there;
    if (high < 0)
        return 0;
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        if (list_length(o, often, middle, seldom, *r) > T + 1)
            high = middle - 1;
        else
            low = middle;
    }
    return list_length(o, often, low, seldom, *r) <= T + 1;
}

/* A text of `words` coded words: 0 if the first four ranks do not all differ in count. */
static int add_coded(struct words *o, int words, struct random r)
{
    struct prose *p = &o->text;
    int n = 0, count[5] = {0};
    for (int k = 0; k < MOST_CODED; k++) {
        const int c = (int)(words * pow(k + 1, -o->alpha) / o->zeta);
        for (int i = 0; i < c; i++)
            o->list[n++] = k;
        if (k < 5)
            count[k] = c;
    }
    random_shuffle(&r, o->list, n);
    p->n = 0;
    prose_add(p, "Read the following coded text and track the frequency of each coded word. "
                 "Find the three most frequently appeared coded words. ");
    for (int i = 0; i < n; i++)
        prose_add(p, i ? " " : ""), prose_add(p, o->list[i] ? o->coded[o->list[i]] : "....");
    prose_add(p,
              "\nQuestion: Do not provide any explanation. Please ignore the dots '....'. What are the three most "
              "frequently "
                 "appeared words in the above coded text? Answer: According to the coded text above, the three most "
                 "frequently "
                 "appeared words are:");
    for (int k = 1; k <= 3; k++)
        prose_add(p, " "), prose_answer(p, o->coded[k], 1);
    prose_add(p, "\n");
    return count[1] > count[2] && count[2] > count[3] && count[3] > count[4];
}

static int fill_frequent(struct words *o, int T, struct random *r)
{
    for (int k = 0; k < MOST_CODED; k++) {
        for (int i = 0; i < CODED; i++)
            o->coded[k][i] = (char)('a' + random_below(r, 26));
        o->coded[k][CODED] = 0;
    }
    int low = 0, high = T / 5;             /* every word has at least five bytes with its space */
    while (low < high) {
        const int middle = (low + high + 1) / 2;
        add_coded(o, middle, *r);
        if (o->text.n > T + 1)
            high = middle - 1;
        else
            low = middle;
    }
    return add_coded(o, low, *r) && o->text.n <= T + 1;
}

static const char *fill_words(void *opened, struct sequence *s, uint64_t seed, enum data_part part, uint64_t number,
                              char *why)
{
    struct words *o = opened;
    struct random r = task_random(seed, part, number);
    if (o->kind == 0 ? fill_common(o, s->T, &r) : fill_frequent(o, s->T, &r)) {
        prose_fill(&o->text, s, o->rest);
        return NULL;
    }
    snprintf(why, SWAX_WHY, "Task words: kind=%s does not fit into %d bytes; make the sequence longer%s.",
             kind_word(o->kind), s->T,
             o->kind ? "" : ", ask for fewer common words or leave out the example (example=0)");
    return why;
}

static int words_vocabulary(const void *opened)
{
    (void)opened;
    return 256;
}

const struct source source_words = {
    .name = "words", .what = "RULER's common and frequent words, in bytes",
    .keys = keys, .tags = tags, .unit = "byte",
    .open = open_words, .close = close_words, .vocabulary = words_vocabulary, .fill = fill_words,
};
