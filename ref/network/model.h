/* model.h - the composition: which kernel runs after which, forward and back.  Compiled once per precision.
 *
 *   tokens -> embed -> [ norm -> mixer -> + -> norm -> swiglu ffn -> + ] * layers -> norm -> logits -> loss
 *
 * Nothing here touches an element of a tensor: every number comes from a slot of the table, on whatever
 * device the table's arrays live. */
#ifndef SWAX_MODEL_H
#define SWAX_MODEL_H

#include "ref/network/directory.h"
#include "ref/network/mixer.h"

struct R(block_acts) {
    real *norm1; stat *rstd1; real *mix, *x1;                /* norm, mixer, sum */
    real *norm2; stat *rstd2; real *fa, *fb, *fh, *ffn, *x2; /* norm, feed-forward, sum */
    union swax_room mixer;                                   /* the mixer's own struct */
};

/* The activations of one call of up to B sequences of T tokens. */
struct R(work) {
    real *x0;                              /* embedded tokens (N,C) */
    struct R(block_acts) block[SWAX_LAYERS];
    real *nf; stat *rf;                    /* the last norm */
    stat *z, *zc, *loss, *lse;             /* logits of head_rows tokens, raw and capped; loss of all */
    int *token, *target, *start_attention, *start_cell;
    /* training only */
    real *dx, *dnf;                        /* gradient of the residual stream, wherever backward is; of nf */
    struct R(block_acts) grad[SWAX_MIXERS];/* of one block, by its mixer: layers of a kind take turns */
    size_t grad_from, grad_bytes;          /* where grad[] lies in the memory, to be zeroed */
    stat *dz, *dloss;
    int B, T;                              /* what there is room for */
    int head_rows;
    char *memory;
    size_t bytes;
};

struct R(run) R(swax_run_of)(const struct swax_network *n, int B, int T, int window);     /* one document a sequence */

/* Place w's arrays in `memory`, or, if that is NULL, only find out w->bytes. */
void R(swax_model_place)(struct R(work) *w, const struct swax_config *c, int B, int T, int training, char *memory);
/* An activation of a forward pass of B sequences of T tokens, by name, "3.q": its size, 0 if there is none. */
size_t R(swax_model_find)(const struct R(work) *w, const struct swax_config *c, int B, int T, const char *name,
                          const void **at, int *is_stat);
/* The names of the activations of a block with this mixer, in name[], up to most; how many there are. */
int R(swax_model_names)(const struct R(swax_mixer) *m, const struct swax_config *c, const void *keys, const char **name,
                        int most);
/* state has one a layer when decoding, and is NULL in training. */
void R(swax_model_forward)(const struct R(run) *r, struct R(work) *w, union swax_room *state);
/* w->loss of tokens row0 .. row0 + rows - 1, at most head_rows of them, and their logits in w->z; without g, capped
 * in w->zc too; with g, the backward of the head into w->dnf, from w->dloss. */
void R(swax_model_head)(const struct R(run) *r, struct R(work) *w, stat *g, int row0, int rows);
void R(swax_model_backward)(const struct R(run) *r, struct R(work) *w, stat *g);

/* The name of the first activation, in the order of the computation, that holds a NaN or an infinity, or NULL. */
const char *R(swax_first_nonfinite)(struct swax_network *n, const struct R(work) *w, int B, int T, char name[64]);

/* The optimiser (optimiser.c), as network.h says; and weights that were set, copied for the kernels to read. */
double R(swax_gradient_norm)(struct swax_network *n);
void R(swax_adamw)(struct swax_network *n, const struct swax_adamw *o, int step);
void R(swax_weights_changed)(struct swax_network *n);

/* Decoding (decode.c), as network.h says. */
struct swax_decoder *R(swax_decoder_new)(struct swax_network *n, int B, int window, char *why);
void R(swax_decoder_begin)(struct swax_decoder *d, int sequence);
const char *R(swax_decoder_feed)(struct swax_decoder *d, const int *token, int T, float *logits);
void R(swax_decoder_free)(struct swax_decoder *d);

#endif
