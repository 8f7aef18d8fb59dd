/* config.h - what a network is: sizes, one mixer per layer, constants, initialisation.
 *
 * The window and the sequence length are not part of it: both are arguments of every forward pass.  The keys of a
 * mixer stand in the mixer's own file; this knows them by its table. */
#ifndef SWAX_CONFIG_H
#define SWAX_CONFIG_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* at most so many layers; room for one sentence, for a value */
enum { SWAX_LAYERS = 256, SWAX_WHY = 320, SWAX_TEXT = 4096 };
enum { SWAX_OWN = 2048 };                  /* bytes of all mixers' keys */

struct swax_config {
    int vocabulary, width, ffn_width;
    int layers;
    unsigned char mixer[SWAX_LAYERS];      /* one per layer, each a row of the table of mixers (mixers.h) */
    int tied;                              /* the head is the embedding */
    int chunk;                             /* recurrent layers keep a state every so many tokens: no result changes */
    double norm_eps;
    double logit_cap;                      /* 0: none */
    union { double align; unsigned char bytes[SWAX_OWN]; } own;    /* the values of the mixers' keys: swax_config_at */
};

/* A key: what a command line, a file and a page of help know of it.  A table of them ends with a name of NULL. */
enum swax_key_kind {
    SWAX_KEY_SIZE,                         /* int: at least 1, or 0 where `zero` says what that stands for */
    SWAX_KEY_NUMBER,                       /* double: any finite one */
    SWAX_KEY_POSITIVE,                     /* double: above 0 */
    SWAX_KEY_NOT_NEGATIVE,                 /* double: at least 0 */
    SWAX_KEY_WORD,                         /* int: the index of one of `words` */
    SWAX_KEY_MIXERS                        /* one word a layer */
};
struct swax_key {
    const char *name;
    enum swax_key_kind kind;
    size_t at;                             /* where its value is: bytes from the beginning of the struct of its table */
    const char *otherwise;                 /* the value where none is given */
    const char *zero;                      /* what 0 stands for: "width/heads"; NULL: nothing of its own */
    const char *const *words;              /* NULL-ended */
    const char *what;                      /* one line of help */
};

/* xLSTM-7B's constants in a small network: width 64, "swa mlstm swa mlstm", vocabulary 256. */
struct swax_config swax_config_default(void);

/* Set one key from text, as on the command line ("width", "128"; "mixers", "swa mlstm swa mlstm").
 * NULL, or a sentence in why[SWAX_WHY] naming the key, its value and what would be right. */
const char *swax_config_set(struct swax_config *c, const char *key, const char *value, char *why);

/* The value of a key, in text[SWAX_TEXT], as swax_config_set reads it back exactly; "" if there is no such key. */
const char *swax_config_get(const struct swax_config *c, const char *key, char *text);

/* Where the value of a key is, an int or a double (by its kind), or NULL if there is no such key; and the value as a
 * number, NaN if there is none. */
void *swax_config_at(struct swax_config *c, const char *key);
double swax_config_number(const struct swax_config *c, const char *key);

/* Derive what is 0 and refuse what cannot be: what swax_config_set refuses, heads that do not divide, tensors of 2^31
 * elements.  Of the mixers' keys those are derived whose mixer some layer has.  Nothing is allocated before this says
 * NULL. */
const char *swax_config_check(struct swax_config *c, char *why);

/* Call each(key, value, arg) for every key of the network and of the mixers that it has, in order, with its
 * value as text.  What config.json, checkpoints and messages print. */
void swax_config_list(const struct swax_config *c, void (*each)(const char *key, const char *value, void *arg),
                      void *arg);

/* All keys there are, table by table: 0 is the network's, with *mixer = -1; the others are of mixers, of which *mixer
 * is the first.  NULL when there is no such table. */
const struct swax_key *swax_config_keys(int table, int *mixer);

/* What would be right for a key, in text[SWAX_WHY]: "a whole number of at least 1, or 0 for width/heads". */
const char *swax_key_right(const struct swax_key *k, char *text);

/* The key closest to a misspelt one. */
const char *swax_config_nearest(const char *key);

#ifdef __cplusplus
}
#endif

#endif
