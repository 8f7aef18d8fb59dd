/* data.h - where sequences come from.
 *
 * A source fills sequence number n as a pure function of (its parameters, seed, part, n, T): no cursor, no
 * generator that must be saved.  Step s (from 0) of a run with `batch` sequences takes the numbers s*batch ..
 * s*batch + batch-1, however they are cut into micro-batches. */
#ifndef SWAX_DATA_H
#define SWAX_DATA_H

#include <stdint.h>
#include "ref/network/network.h"
#include "tools/lib/checksum.h"
#include "tools/lib/keys.h"
#include "tools/lib/vocabulary.h"

/* What is held out never meets training: generated tasks use another random stream, files keep their last part. */
enum data_part { DATA_TRAIN, DATA_HELD_OUT };

/* One sequence of T tokens.  It arrives as: token 0, target -1 (ignored), weight 1, starts 0 (one document), tag 0. */
struct sequence {
    int T;
    int *token, *target;
    float *weight;                          /* of this token's loss */
    int *start_attention, *start_cell;      /* kernels.h's documents, counted from the sequence's first token */
    /* 0, or 1 + the index of the source's tag under which eval counts this answer */
    int *tag;
};

enum { SOURCE_KEYS = 24 };                  /* at most so many */

/* How far back, in tokens, what a tag's answers repeat was last said: from .. to; 0, 0 for a tag that speaks of no
 * distance. word: they stand inside words, where grammar alone does not give them. */
struct source_distance { int from, to, word; };

struct source {
    const char *name, *what;
    const struct key *keys;                 /* its parameters, for a struct of its own */
    const char *const *tags;                /* the kinds of answers that eval tells apart, NULL-ended; or NULL */
    const struct source_distance *distance; /* beside tags; or NULL */

    /* How the source is examined beyond its tags: the key that asks for facts FROM-TO tokens back, and the key that
     * puts all facts at the start; NULL where there is none. */
    const char *ask, *facts_first;
    const char *unit;                       /* what a token is, where it is more than a token: "byte"; or NULL */
    const char *(*unit_of)(const char *const *value);      /* the same, of a source whose parts are other sources */

    /* value[i] is the text for keys[i]; T is the longest sequence that will be asked for.
     * The opened source, or NULL and a sentence in why[SWAX_WHY]. */
    void *(*open)(const char *const *value, int T, char *why);
    void (*close)(void *opened);
    int (*vocabulary)(const void *opened);  /* tokens are 0 .. vocabulary-1 */
    /* The same by its keys alone, for a source whose parts are other sources: NULL, or a sentence, and 0 where only
     * files know. */
    const char *(*foreseen)(const char *const *value, int T, int *vocabulary, char *why);

    const struct vocabulary *(*words)(const void *opened);         /* what tokens stand for; both may be NULL */

    /* NULL, or a sentence in why: a file that changed meanwhile. */
    const char *(*fill)(void *opened, struct sequence *s, uint64_t seed, enum data_part part, uint64_t number,
                        char *why);

    /* How many tokens the part holds; NULL where they are generated. */
    int64_t (*tokens)(const void *opened, enum data_part part);
    int64_t (*pieces)(const void *opened, enum data_part part, int T);     /* sequences of an epoch; NULL likewise */
    int (*holds_out)(const void *opened, int T);       /* enough for sequences of T tokens?  NULL: always */

    /* Add all that the part's sequences are cut from to the sum; NULL where they are generated. */
    const char *(*contents)(void *opened, enum data_part part, struct checksum *sum, char *why);

    /* NULL, or a sentence: a file was written to, and a part that contents() has summed is not what it was.  NULL
     * where they are generated. */
    const char *(*same)(void *opened, char *why);
};

extern const struct source *const sources[];
extern const int n_sources;
const struct source *source_find(const char *name);                      /* NULL if there is none */
const char *source_word(int i);                                          /* its name; NULL behind the last */
int source_key_find(const struct source *s, const char *key);            /* its index, or -1 */
int source_tags(const struct source *s);                                 /* how many */

/* A source with its parameters. */
struct data {
    const struct source *source;
    void *opened;
    /* tokens beyond it are refused: the source's, or a smaller one of the network */
    int vocabulary;
};

/* What a token of its sequences is: "byte", or "token". */
const char *data_unit(const struct source *source, const char *const *value);

/* value[SOURCE_KEYS] stand beside source->keys; NULL or "" keeps the default.  NULL, or a sentence. */
const char *data_open(struct data *d, const struct source *source, const char *const *value, int T, char *why);
void data_close(struct data *d);
int data_holds_out(const struct data *d, int T);
/* How many sequences of T tokens a part holds before text comes once more; 0: they are generated, or of several
 * sources. */
int64_t data_pieces(const struct data *d, enum data_part part, int T);

/* A checksum of all that the part's sequences are cut from; "": they are generated, or it holds too little for one.
 * NULL, or a sentence. */
const char *data_sum(const struct data *d, enum data_part part, int T, char digits[17], char *why);
/* Asked when something was made of what was read: are the parts that were summed what they were?  NULL, or a
 * sentence. */
const char *data_same(const struct data *d, char *why);

/* The vocabulary without a look at files, which may lie elsewhere; 0: only they know.  NULL, or a sentence. */
const char *data_foresee(const struct source *source, const char *const *value, int T, int *vocabulary, char *why);

/* B sequences of T tokens, and the arrays that its swax_batch points to.  After data_fill the start arrays are
 * NULL there when every sequence is one document, and weight is when every weight is 1. */
struct data_batch {
    struct swax_batch batch;                /* .window is the caller's to set */
    double weight;                          /* the sum over valid targets: scale 1/weight makes the loss a mean */
    int *tag;                               /* (B,T) */
    struct sequence room;                   /* all B sequences' arrays, one after the other */
};
const char *data_batch_new(struct data_batch *b, int B, int T, char *why);
void data_batch_free(struct data_batch *b);

/* Fill b with the sequences first .. first+B-1.  NULL, or a sentence: a token beyond the vocabulary, ... */
const char *data_fill(const struct data *d, struct data_batch *b, uint64_t seed, enum data_part part, uint64_t first,
                      char *why);

#endif
