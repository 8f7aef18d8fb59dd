/* model.h - the composition: which kernel runs after which, forward and back.  Compiled once per precision.
 *
 *   tokens -> embed -> [ norm -> mixer -> + -> norm -> swiglu ffn -> + ] * layers -> norm -> logits -> loss
 *
 * Nothing here touches an element of a tensor: every number comes from a slot of the table, on whatever
 * device the table's arrays live. */
#ifndef SWAX_MODEL_H
#define SWAX_MODEL_H

#include "ref/network/directory.h"
#include "ref/kernels.h"
#include "ref/tier.h"

/* Activations are listed once, by functions that walk this list: with base NULL they count bytes, with memory
 * they place, and with a name they find. */
struct R(list) {
    char *base;
    size_t used;
    const char *wanted;            /* "q": remember where it is */
    const void *found;
    size_t found_size;
    int found_stat;                /* its elements are stat, not real */
    int gradients;                 /* of gradients: without what has none, or shares the residual stream's */
};

struct R(attention_acts) { real *q, *k, *v, *qr, *kr, *y; stat *lse; };          /* qr, kr: turned by RoPE */
struct R(mlstm_acts) {
    real *q, *k, *v, *o, *h, *hn, *z;                                            /* z = sigmoid(o) hn */
    stat *iraw, *fraw, *i, *f, *C1, *n1, *m1, *m, *qn, *Cs, *ns, *mean, *rstd;
};
union R(mixer_acts) { struct R(attention_acts) attention; struct R(mlstm_acts) mlstm; };

struct R(block_acts) {
    real *n1; stat *r1; real *mix, *x1;                /* norm, mixer, sum */
    real *n2; stat *r2; real *fa, *fb, *fh, *ffn, *x2; /* norm, feed-forward, sum */
    union R(mixer_acts) mixer;
};

/* What a layer remembers between calls when decoding; NULL in training. */
struct R(attention_state) { real *k, *v; int room, used, position; }; /* keys of one sequence, turned */
struct R(mlstm_state) { stat *C[2], *n[2], *m[2]; int now; };          /* [now] goes in, the other comes out */
union R(mixer_state) { struct R(attention_state) attention; struct R(mlstm_state) mlstm; };

/* One call of the network. */
struct R(run) {
    const struct swax_tier *tier;
    const struct R(swax_kernels) *k;
    const struct swax_config *c;
    const struct swax_places *p;
    const real *w;                 /* weights as the kernels read them */
    const stat *s;                 /* weights as the optimiser keeps them: norms and biases are read here */
    int B, T, window;
    const int *start_attention, *start_cell;
};

/* A mixer is three functions; its weights are in directory.c.  Gradients of activations live in a twin of the
 * same struct (da), gradients of weights in g, at the places of w. */
struct R(mixer) {
    void (*acts)(struct R(list) *l, union R(mixer_acts) *a, const struct swax_config *c, int B, int T);
    void (*forward)(const struct R(run) *r, const struct swax_block_places *p, union R(mixer_acts) *a,
                    union R(mixer_state) *state, real *y, const real *x);
    void (*backward)(const struct R(run) *r, const struct swax_block_places *p, stat *g,
                     const union R(mixer_acts) *a, union R(mixer_acts) *da, const real *dy, const real *x, real *dx);
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
    struct R(block_acts) grad[SWAX_MIXERS];/* of one block: layers of a kind take turns */
    size_t grad_from, grad_bytes;          /* where grad[] lies in the memory, to be zeroed */
    stat *dz, *dloss;
    int B, T;                              /* what there is room for */
    int head_rows;
    char *memory;
    size_t bytes;
};

/* Place w's arrays in `memory`, or, if that is NULL, only find out w->bytes. */
void R(swax_model_place)(struct R(work) *w, const struct swax_config *c, int B, int T, int training, char *memory);
/* An activation of a forward pass of B sequences of T tokens, by name, "3.q": its size, 0 if there is none. */
size_t R(swax_model_find)(const struct R(work) *w, const struct swax_config *c, int B, int T, const char *name,
                          const void **at, int *is_stat);
void R(swax_model_forward)(const struct R(run) *r, struct R(work) *w, union R(mixer_state) *state);
/* w->loss of tokens row0 .. row0 + rows - 1, at most head_rows of them, and their logits in w->z; without g, capped
 * in w->zc too; with g, the backward of the head into w->dnf, from w->dloss. */
void R(swax_model_head)(const struct R(run) *r, struct R(work) *w, stat *g, int row0, int rows);
void R(swax_model_backward)(const struct R(run) *r, struct R(work) *w, stat *g);

#endif
