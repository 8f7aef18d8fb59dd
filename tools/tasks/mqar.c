/* mqar.c - multi-query associative recall (Zoology, arXiv 2312.04927), dense: what a short window loses.
 *
 * A sequence is a row of episodes [begin] k1 v1 k2 v2 .. kn vn  then the same keys in another order, each followed
 * by its value.  Every episode draws its keys and values anew, so an answer is never further than 4 n tokens back. */
#include <stdio.h>
#include <stdlib.h>

#include "tools/tasks/task.h"

static const char *const tags[] = {"answer", NULL};

struct mqar { int pairs, key_symbols, values, *token, *tag, *key, *value, *order; double rest; };

static const struct key keys[] = {
    KEY_WHOLE("pairs", struct mqar, pairs, "16", 1, 65536,
              "pairs in an episode; all answers are within 4 times as many tokens"),
    KEY_WHOLE("key_symbols", struct mqar, key_symbols, "64", 1, 65536, "how many keys there are to choose from"),
    KEY_WHOLE("values", struct mqar, values, "64", 2, 65536, "value symbols; chance is one over this"),
    KEY_REAL("rest", struct mqar, rest, "0", 0, 1000, "weight in the loss of all that is not an answer"),
    {0},
};

static void close_mqar(void *opened)
{
    struct mqar *m = opened;
    free(m->token), free(m->tag), free(m->key), free(m->value), free(m->order), free(m);
}

static void *open_mqar(const char *const *v, int T, char *why)
{
    struct mqar *m = task_new(sizeof *m, keys, v, why);
    if (!m)
        return NULL;
    if (m->pairs > m->key_symbols || 4 * m->pairs > T) {
        snprintf(why, SWAX_WHY, "Task mqar: pairs=%d is more than %s.", m->pairs,
                 m->pairs > m->key_symbols ? "key_symbols" : "a quarter of the sequence");
        free(m);
        return NULL;
    }
    const size_t n = (size_t)T + 1, p = (size_t)m->pairs * sizeof(int);
    m->token = malloc(n * sizeof(int)), m->tag = malloc(n * sizeof(int));
    m->key = malloc((size_t)m->key_symbols * sizeof(int)), m->value = malloc(p), m->order = malloc(p);
    if (m->token && m->tag && m->key && m->value && m->order)
        return m;
    snprintf(why, SWAX_WHY, "Task mqar: there is no memory for sequences of %d tokens.", T);
    close_mqar(m);
    return NULL;
}

/* The t-th token of an episode, t from 0, and whether it is an answer. */
static int token_at(const struct mqar *m, int t, int *answer)
{
    const int asked = t > 2 * m->pairs, i = (t - 1) / 2 - (asked ? m->pairs : 0), pair = asked ? m->order[i] : i;
    *answer = asked && t % 2 == 0;
    if (t == 0)
        return 0;
    return t % 2 ? 1 + m->key[pair] : 1 + m->key_symbols + m->value[pair];
}

static const char *fill_mqar(void *opened, struct sequence *s, uint64_t seed, enum data_part part, uint64_t number,
                             char *why)
{
    (void)why;
    struct mqar *m = opened;
    struct random r = task_random(seed, part, number);
    for (int i = 0; i < m->key_symbols; i++)
        m->key[i] = i;
    for (int t = 0, at = 0; t <= s->T; t++, at++) {
        if (at == 4 * m->pairs + 1)
            at = 0;
        if (at == 0) {
            random_shuffle(&r, m->key, m->key_symbols);
            for (int i = 0; i < m->pairs; i++)
                m->order[i] = i, m->value[i] = (int)random_below(&r, (uint64_t)m->values);
            random_shuffle(&r, m->order, m->pairs);
        }
        m->token[t] = token_at(m, at, &m->tag[t]);
    }
    task_targets(s, m->token, m->tag, m->rest);
    return NULL;
}

static int mqar_vocabulary(const void *opened)
{
    const struct mqar *m = opened;
    return 1 + m->key_symbols + m->values;
}

const struct source source_mqar = {
    .name = "mqar", .what = "dense key-value pairs, all asked again at once: what a short window loses",
    .keys = keys, .tags = tags,
    .open = open_mqar, .close = close_mqar, .vocabulary = mqar_vocabulary, .fill = fill_mqar,
};
