/* delta_parts.h - the parts of a layer around the slot `delta`: projections with their short convolution, keys of
 * length 1, the slot's call, and what is remembered when decoding.
 *
 * A mixer of this kind says its sizes (delta_layer.h), lists these parts among its activations, and calls them between
 * what is its own: its gates, its norms and its output.  Arrays of three hold one element each for q, k and v. */
#ifndef SWAX_DELTA_PARTS_H
#define SWAX_DELTA_PARTS_H

#include "ref/network/delta_layer.h"
#include "ref/network/mixer.h"

/* Where the weights are; conv and bias are read where there is a convolution, and bias is NULL for none. */
struct swax_delta_weights { const size_t *matrix, *conv, *bias; };

struct R(swax_delta_rows) {
    real *x[3];                            /* projections */
    real *c[3];                            /* convolved; the projections themselves where there is no convolution */
};
struct R(swax_delta_unit) { real *q, *k; stat *zero, *unit, *qrstd, *krstd; };
struct R(swax_delta_rule) { real *o; stat *g, *beta, *S1, *r, *Ss, *S, *D; };
struct R(swax_delta_state) {
    stat *S[2];                            /* S[now] goes in, the other comes out */
    int now;
    real *rows[3];                         /* projections of the tokens before the call */
    int used, room;                        /* how many rows there are, and for how many there is room */
};

void R(swax_delta_list_rows)(struct R(list) *l, struct R(swax_delta_rows) *a, const struct swax_delta_sizes *o, int B,
                             int T);
void R(swax_delta_list_unit)(struct R(list) *l, struct R(swax_delta_unit) *a, const struct swax_delta_sizes *o, int B,
                             int T);
void R(swax_delta_list_rule)(struct R(list) *l, struct R(swax_delta_rule) *a, const struct swax_delta_sizes *o,
                             int chunk, int B, int T);

/* x to rows of q, k and v, convolved with those before the call where there is a state. */
void R(swax_delta_rows_forward)(const struct R(run) *r, const struct swax_delta_sizes *o, struct swax_delta_weights w,
                                const struct R(swax_delta_rows) *a, const struct R(swax_delta_state) *s, const real *x);
void R(swax_delta_rows_backward)(const struct R(run) *r, const struct swax_delta_sizes *o, struct swax_delta_weights w,
                                 stat *g, const struct R(swax_delta_rows) *a,
                                 const struct R(swax_delta_rows) *da, const real *x, real *dx);

/* q/|q| and k/|k| in each head: x/|x| = x / sqrt(sum x^2 + eps) is rmsnorm with the weight 1/sqrt(K) in every channel
 * and eps/K.  That constant is made by a kernel, as every number is: top sigmoid(0) = top/2. */
void R(swax_delta_unit_forward)(const struct R(run) *r, const struct swax_delta_sizes *o,
                                const struct R(swax_delta_unit) *a,
                                const struct R(swax_delta_rows) *rows, double eps);
void R(swax_delta_unit_backward)(const struct R(run) *r, const struct swax_delta_sizes *o,
                                 const struct R(swax_delta_unit) *a,
                                 const struct R(swax_delta_unit) *da, const struct R(swax_delta_rows) *rows,
                                 const struct R(swax_delta_rows) *drows);

/* The slot, with the gates that stand in a->g and a->beta; a state goes in and moves on, and so do its rows. */
void R(swax_delta_rule_forward)(const struct R(run) *r, const struct swax_delta_sizes *o,
                                const struct R(swax_delta_rule) *a,
                                struct R(swax_delta_state) *s, const real *q, const real *k, const real *v);
void R(swax_delta_rule_backward)(const struct R(run) *r, const struct swax_delta_sizes *o,
                                 const struct R(swax_delta_rule) *a,
                                 const struct R(swax_delta_rule) *da, real *dq, real *dk, real *dv,
                                 const real *q, const real *k, const real *v);

/* Decoding, as a mixer's row asks for it. */
int R(swax_delta_ready)(struct swax_network *n, const struct swax_config *c, const void *sizes, void *state, int window,
                        int more);
void R(swax_delta_begin)(struct swax_network *n, const struct swax_config *c, const void *sizes, void *state);
void R(swax_delta_give)(struct swax_network *n, void *state);

#endif
