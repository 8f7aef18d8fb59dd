/* mixer.h - the form of a mixer: what a block puts between its first norm and its sum.  TO ADD ONE, START HERE.
 *
 *     x += mixer(rmsnorm(x))
 *
 * A mixer is one file, mixer_<name>.c, and one row in mixers.c.  The file is compiled once per precision (real.h) and
 * gives one struct swax_mixer_<precision>, below; nothing else of the project names it.  It computes by calling kernels
 * through the table r->k, never by touching an element, and it keeps what it needs in four structs of its own, which
 * others know by their sizes:
 *
 *     keys      the values of its configuration's keys: ints and doubles, by the table `keys`
 *     places    where its weights are in the flat arrays: one size_t a tensor, filled by `tensors`
 *     acts      pointers to its activations, filled by `acts`; there is a twin for their gradients
 *     state     what it remembers of a sequence when decoding
 *
 * What a row leaves out is refused by swax_mixers_check, which every network asks before it opens. */
#ifndef SWAX_MIXER_H
#define SWAX_MIXER_H

#include "ref/kernels.h"
#include "ref/network/memory.h"
#include "ref/network/mixers.h"
#include "ref/tier.h"

/* Activations are listed once, by functions that walk this list: with base NULL they count bytes, with memory
 * they place, and with a name they find. */
struct R(list) {
    char *base;
    size_t used;
    const char *wanted;                    /* "q": remember where it is */
    const void *found;
    size_t found_size;
    int found_stat;                        /* its elements are stat, not real */
    int gradients;                         /* of gradients: without what has none */
    const char **name;                     /* of all, up to `most`; NULL: not wanted */
    int names, most;
};
real *R(swax_reals)(struct R(list) *l, const char *name, size_t n);
stat *R(swax_stats)(struct R(list) *l, const char *name, size_t n);
real *R(swax_reals_forward)(struct R(list) *l, const char *name, size_t n);    /* has no gradient: NULL in the twin */
stat *R(swax_stats_forward)(struct R(list) *l, const char *name, size_t n);
#define reals R(swax_reals)
#define stats R(swax_stats)
#define reals_forward R(swax_reals_forward)
#define stats_forward R(swax_stats_forward)

/* One call of the network. */
struct R(run) {
    const struct swax_tier *tier;
    const struct R(swax_kernels) *k;
    const struct swax_config *c;
    const struct swax_places *p;
    const real *w;                         /* weights as the kernels read them */
    const stat *s;                         /* weights as the optimiser keeps them: norms and biases are read here */
    int B, T, window;
    const int *start_attention, *start_cell;   /* documents: a mixer reads one of them, by what it sees */
};

struct R(swax_mixer) {
    struct swax_mixer about;               /* its name, keys, tensors, ...: mixers.h */

    size_t acts_size;
    void (*acts)(struct R(list) *l, void *acts, const struct swax_config *c, const void *keys, int B, int T);

    /* y = mixer(x).  state is NULL in training and evaluation, where every sequence starts from nothing. */
    void (*forward)(const struct R(run) *r, const void *keys, const void *places, void *acts, void *state,
                    real *y, const real *x);
    /* dx and, at g + place, the weights' gradients are added to.  The twin's arrays come as zeros. */
    void (*backward)(const struct R(run) *r, const void *keys, const void *places, stat *g, const void *acts,
                     void *dacts, const real *dy, const real *x, real *dx);

    /* Decoding, of one sequence (B = 1).  A state comes as zeros.  ready: make it ready for `more` tokens; what was
     * never made is made, what is full grows; 1, or 0 if there is no memory, and then the state is as it was.  begin:
     * what comes next is the first token of a document.  free: give back what was made, which may be nothing. */
    size_t state_size;
    int (*state_ready)(struct swax_network *n, const struct swax_config *c, const void *keys, void *state, int window,
                       int more);
    void (*state_begin)(struct swax_network *n, const struct swax_config *c, const void *keys, void *state);
    void (*state_free)(struct swax_network *n, void *state);
};

/* The table (mixers.c), ended by NULL. */
extern const struct R(swax_mixer) *const R(swax_mixers)[];

/* NULL, or a sentence: which row lacks what.  table is R(swax_mixers), but for a check's. */
const char *R(swax_mixers_check)(const struct R(swax_mixer) *const *table, char *why);

#endif
