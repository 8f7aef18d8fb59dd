/* mixers.h - what is known of a mixer, whatever the precision: its row, and how the rest of the project asks it.
 *
 * The configuration, the list of tensors, conversion, measurement, reports and help ask the table of rows and name no
 * mixer.  mixer.h has the other half of a row, what it computes; mixers.c has the table. */
#ifndef SWAX_MIXERS_H
#define SWAX_MIXERS_H

#include "ref/network/network.h"

/* Room for what a mixer keeps in structs of its own: the places of its tensors, its activations, its state. */
union swax_room { char bytes[512]; void *pointer; double number; };
enum { SWAX_MIXERS = 32, SWAX_INSIDE = 24 };   /* at most so many rows; numbers that show a layer's inside */

/* What a token has of those before it: those in the run's window, all of them, or a state. */
enum swax_sees { SWAX_SEES_NOTHING, SWAX_SEES_WINDOW, SWAX_SEES_ALL, SWAX_SEES_STATE };

/* ---- tensors, as the list of a network's tensors is written (directory.c): each call answers the tensor's place.
 * Names are the layer's own ("swa_layer.q.weight"); the list puts the layer before them.
 * A matrix decays, a vector does not. */
struct swax_mixer;
struct swax_tensors;
size_t swax_tensor_add(struct swax_tensors *l, const struct swax_tensor *t);   /* place and size are the list's */
size_t swax_matrix(struct swax_tensors *l, const char *name, long outputs, long inputs, double init_std);
size_t swax_vector(struct swax_tensors *l, const char *name, long size, double init_first, double init_last);
double swax_init_in(const struct swax_config *c);      /* of what reads the residual stream: sqrt(2/(5 width)) */
double swax_init_out(const struct swax_config *c);     /* of what writes to it: 2/(layers sqrt(width)) */

int swax_tensor_count(const struct swax_mixer *x, const struct swax_config *c, const void *keys);     /* of one layer */

/* Every value of a table as it is otherwise: NULL, or the name of the first key whose default is refused. */
const char *swax_keys_default(const struct swax_key *keys, void *values);

/* NULL, or the sentence that a product of sizes is 2^31 or more: kernels count elements in int. */
const char *swax_too_large(char *why, const char *what, long long a, long long b);
/* The sentence "key=value: should be right", in why. */
const char *swax_refuse(char *why, const char *key, long long value, const char *right);

/* ---- Hugging Face's configuration of a layer, as conversion reads and writes it */
struct swax_hf_reader {
    /* absent where there is none, null where it is null */
    double (*number)(void *arg, const char *key, double absent, double null);
    int (*whole)(void *arg, const char *key, int absent);              /* 0 where it is no size */
    /* Rows per head of a matrix, in the first layer that has it: NULL, or a sentence where they do not divide. */
    const char *(*share)(void *arg, const char *tensor, int heads, int *rows, char *why);
    void *arg;
};
struct swax_hf_writer {
    void (*whole)(void *arg, const char *key, long value);
    void (*number)(void *arg, const char *key, double value);
    void (*factor)(void *arg, const char *key, long size, long of);     /* a size, as so many times another */
    void *arg;
};

/* A tensor of a layer as another model of theirs has it, made of rows of ours. */
enum { SWAX_HF_PARTS = 6 };
struct swax_hf_tensor {
    const char *name;                      /* NULL ends a table */
    const char *of[SWAX_HF_PARTS];         /* tensors of the mixer, one after the other */
    const char *groups;                    /* a key: so many groups, each with its share of the rows of every part;
                                            * NULL: 1 */
    int taps;                              /* theirs has a 1 in its middle: (channels, 1, taps) */
};

/* ---- a row.  `keys` in the functions below is where the values of its own keys are, a struct of its file's. */
struct swax_mixer {
    const char *name;                      /* a word of the key mixers: "swa" */
    const char *what;                      /* one line of help */
    enum swax_sees sees;

    const struct swax_key *keys;           /* ended by a name of NULL; mixers that share it share the values */
    size_t keys_size;
    /* Derive what is 0, refuse what cannot be: NULL, or a sentence in why. */
    const char *(*check)(const struct swax_config *c, void *keys, char *why);

    const char *norm;                      /* the name of the norm before it: "norm_swa.weight" */
    size_t places_size;                    /* a struct of size_t, one per tensor */
    void (*tensors)(struct swax_tensors *l, void *places, const struct swax_config *c, const void *keys, int layer);

    /* Model FLOPs per token of a sequence of T, two per multiply-add; with training, of the backward pass too. */
    double (*flops)(const struct swax_config *c, const void *keys, int T, int window, int training);

    /* What can be seen of a layer after evaluating one sequence: up to `most` numbers (SWAX_INSIDE), of which it
     * answers how many, or -1 if there is no memory. */
    struct swax_inside {
        const char *key, *title;           /* in JSON, and in a table */
        int shares;                        /* they are shares of 1 */
        int (*see)(struct swax_network *n, const void *keys, int layer, int T, int window, double *value, int most);
    } inside;

    /* In Hugging Face's files. */
    struct swax_hf {
        const char *layer_type;            /* a word of layer_types; NULL, and nothing below: it has no place there */
        /* a layer that has this tensor is of this mixer, or of another with the same */
        const char *tensor;
        const char *(*read)(const struct swax_hf_reader *r, const struct swax_config *c, void *keys, char *why);
        /* NULL, and what configures it written; or a sentence: why their model cannot say it. */
        const char *(*write)(const struct swax_hf_writer *w, const struct swax_config *c, const void *keys, char *why);

        const char *layer;                 /* the layer by itself: the class of theirs; NULL, and nothing below: none */
        const struct swax_hf_tensor *tensors;
        const char *(*alone)(const void *keys, char *why); /* NULL, or why theirs computes another; or NULL itself */
    } hf;
};

/* Row m of the table, NULL behind its end; the row of that name, or -1; where the values of a row's keys are. */
const struct swax_mixer *swax_mixer_row(int m);
int swax_mixer_find(const char *name);
void *swax_mixer_keys(struct swax_config *c, int m);
const void *swax_layer_keys(const struct swax_config *c, int layer);
const struct swax_mixer *swax_layer_mixer(const struct swax_config *c, int layer);

/* All activations of one name after an evaluation of one sequence, to be freed; NULL if there is none, or no memory. */
double *swax_layer_peek(struct swax_network *n, int layer, const char *name);

#endif
