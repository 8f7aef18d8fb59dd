/* data.c - the table of sources, and batches from them. */
#include "tools/tasks/data.h"

#include <stdlib.h>
#include <string.h>
#include "tools/lib/say.h"

extern const struct source source_text, source_shards, source_mixture;
extern const struct source source_mentions, source_mqar, source_copy, source_niah, source_vt, source_words;

const struct source *const sources[] = {
    &source_mentions, &source_mqar, &source_copy, &source_niah, &source_vt, &source_words,
    &source_text, &source_shards, &source_mixture,
};
const int n_sources = sizeof sources / sizeof *sources;

const struct source *source_find(const char *name)
{
    for (int i = 0; i < n_sources; i++)
        if (!strcmp(sources[i]->name, name))
            return sources[i];
    return NULL;
}

const char *source_word(int i)
{
    return i < n_sources ? sources[i]->name : NULL;
}

int source_key_find(const struct source *s, const char *key)
{
    for (int i = 0; s->keys[i].name; i++)
        if (!strcmp(s->keys[i].name, key))
            return i;
    return -1;
}

int source_tags(const struct source *s)
{
    int n = 0;
    while (s->tags && s->tags[n])
        n++;
    return n;
}

const char *data_open(struct data *d, const struct source *source, const char *const *value, int T, char *why)
{
    const char *text[SOURCE_KEYS] = {0};
    for (int i = 0; source->keys[i].name; i++)
        text[i] = value ? value[i] : NULL;
    d->source = source;
    d->opened = source->open(text, T, why);
    if (!d->opened)
        return why;
    d->vocabulary = source->vocabulary(d->opened);
    return NULL;
}

void data_close(struct data *d)
{
    if (d->opened)
        d->source->close(d->opened);
    d->opened = NULL;
}

const char *data_unit(const struct source *source, const char *const *value)
{
    const char *unit = source->unit_of ? source->unit_of(value) : source->unit;
    return unit ? unit : "token";
}

int data_holds_out(const struct data *d, int T)
{
    return !d->source->holds_out || d->source->holds_out(d->opened, T);
}

int64_t data_pieces(const struct data *d, enum data_part part, int T)
{
    return d->source->pieces ? d->source->pieces(d->opened, part, T) : 0;
}

const char *data_sum(const struct data *d, enum data_part part, int T, char digits[17], char *why)
{
    struct checksum sum = {0};
    *digits = 0;
    if (!d->source->contents || (part == DATA_HELD_OUT && !data_holds_out(d, T)))
        return NULL;
    if (d->source->contents(d->opened, part, &sum, why))
        return why;
    checksum_text(&sum, digits);
    return NULL;
}

const char *data_same(const struct data *d, char *why)
{
    return d->opened && d->source->same ? d->source->same(d->opened, why) : NULL;
}

const char *data_foresee(const struct source *source, const char *const *value, int T, int *vocabulary, char *why)
{
    struct data d = {0};
    if (source->foreseen)
        return source->foreseen(value, T, vocabulary, why);
    *vocabulary = source->unit && !strcmp(source->unit, "byte") ? 256 : 0;
    if (*vocabulary || source->contents)
        return NULL;
    if (data_open(&d, source, value, T, why))
        return why;
    *vocabulary = d.vocabulary;
    data_close(&d);
    return NULL;
}

const char *data_batch_new(struct data_batch *b, int B, int T, char *why)
{
    const size_t n = (size_t)B * (size_t)T;
    memset(b, 0, sizeof *b);
    struct sequence *r = &b->room;
    r->T = T;
    r->token = malloc(n * sizeof(int));
    r->target = malloc(n * sizeof(int));
    r->weight = malloc(n * sizeof(float));
    r->start_attention = malloc(n * sizeof(int));
    r->start_cell = malloc(n * sizeof(int));
    r->tag = malloc(n * sizeof(int));
    if (!r->token || !r->target || !r->weight || !r->start_attention || !r->start_cell || !r->tag) {
        data_batch_free(b);
        return say(why, "There is no memory for a batch of %d sequences of %d tokens.", B, T);
    }
    b->batch.B = B;
    b->batch.T = T;
    b->batch.token = r->token;
    b->batch.target = r->target;
    b->tag = r->tag;
    return NULL;
}

void data_batch_free(struct data_batch *b)
{
    struct sequence *r = &b->room;
    free(r->token);
    free(r->target);
    free(r->weight);
    free(r->start_attention);
    free(r->start_cell);
    free(r->tag);
    memset(b, 0, sizeof *b);
}

static void clear(struct sequence *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        r->token[i] = r->start_attention[i] = r->start_cell[i] = r->tag[i] = 0;
        r->target[i] = -1;
        r->weight[i] = 1;
    }
}

static struct sequence row(const struct sequence *r, int b)
{
    const size_t at = (size_t)b * (size_t)r->T;
    struct sequence s = {r->T, r->token + at, r->target + at, r->weight + at, r->start_attention + at,
                         r->start_cell + at,
                         r->tag + at};
    return s;
}

static const char *check(const struct data *d, const struct sequence *s, uint64_t number, char *why)
{
    for (int t = 0; t < s->T; t++) {
        const int token = s->token[t] < 0 || s->token[t] >= d->vocabulary ? s->token[t] : s->target[t];
        if (token >= d->vocabulary || s->token[t] < 0)
            return say(why, "Sequence %llu of %s holds token %d, where the vocabulary has 0 to %d.",
                       (unsigned long long)number,
                       d->source->name, token, d->vocabulary - 1);
    }
    return NULL;
}

const char *data_fill(const struct data *d, struct data_batch *b, uint64_t seed, enum data_part part, uint64_t first,
                      char *why)
{
    struct sequence *r = &b->room;
    const size_t n = (size_t)b->batch.B * (size_t)b->batch.T;
    clear(r, n);
    for (int i = 0; i < b->batch.B; i++) {
        struct sequence s = row(r, i);
        if (d->source->fill(d->opened, &s, seed, part, first + (uint64_t)i, why) ||
            check(d, &s, first + (uint64_t)i, why))
            return why;
    }
    int packed_attention = 0, packed_cell = 0, weighted = 0;
    b->weight = 0;
    for (size_t i = 0; i < n; i++) {
        packed_attention |= r->start_attention[i] != 0;
        packed_cell |= r->start_cell[i] != 0;
        weighted |= r->weight[i] != 1;
        if (r->target[i] >= 0)
            b->weight += (double)r->weight[i];
    }
    b->batch.start_attention = packed_attention ? r->start_attention : NULL;
    b->batch.start_cell = packed_cell ? r->start_cell : NULL;
    b->batch.weight = weighted ? r->weight : NULL;
    return NULL;
}
