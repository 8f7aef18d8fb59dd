/* delta_layer.h - what the layers around the slot `delta` have in common, whatever the precision: their sizes, how
 * their gates and taps begin, what they cost.  delta_parts.h has what they compute. */
#ifndef SWAX_DELTA_LAYER_H
#define SWAX_DELTA_LAYER_H

#include "ref/network/mixers.h"

/* The struct of such a mixer's keys begins with these, so that its row can name the functions below and in
 * delta_parts.h.  The mixer's check fills in those that are no keys. */
struct swax_delta_sizes {
    int heads, key_heads, key_dim, value_dim;      /* dims are per head */
    int taps;                                      /* of the convolution; 0: none */
    int gates;                                     /* of a head: 1, or key_dim */
    int erase;
    double scale;
};

/* What a mixer calls these sizes: the names of its keys. */
struct swax_delta_names { const char *heads, *key_heads, *key_dim, *value_dim, *taps; };
#define SWAX_DELTA_NAMES(mixer) \
    { mixer "_heads", mixer "_key_heads", mixer "_key_dim", mixer "_value_dim", mixer "_conv" }

/* Derive what is 0: values share the width, keys are half of them, and every head has its own. */
const char *swax_delta_derive(const struct swax_config *c, const struct swax_delta_names *name, int *heads,
                              int *key_heads, int *key_dim, int *value_dim, char *why);

/* NULL, or a sentence: heads do not divide, or a product of sizes is 2^31 or more, which no kernel can count. */
const char *swax_delta_check(const struct swax_config *c, const struct swax_delta_names *name,
                             const struct swax_delta_sizes *o, char *why);

/* ---- tensors that are neither matrices of normal numbers nor norms */
typedef double swax_initial_value(const struct swax_config *c, long e, double u);
size_t swax_delta_taps(struct swax_tensors *l, const char *name, long channels, int taps, swax_initial_value *init);
size_t swax_delta_gates(struct swax_tensors *l, const char *name, long gates, swax_initial_value *init);
/* exp(A_log) uniform in 1 .. 16; softplus(dt_bias) log-uniform in 0.001 .. 0.1, by the inverse of softplus: so
 * -exp(A_log) softplus(dt_bias) is between -1.6 and -0.001. */
swax_initial_value swax_init_A_log, swax_init_dt_bias;
/* As PyTorch begins a convolution, uniform within 1/sqrt(taps). */
double swax_init_tap(int taps, double u);

/* Model FLOPs per token of q, k, v and z, the convolution of q, k and v, and the rule in chunks. */
double swax_delta_flops(const struct swax_config *c, const struct swax_delta_sizes *o, int T, int training);

/* What can be seen inside, as a mixer's row asks for it: each head's time constant, -1 / mean(g) tokens, over all its
 * gates. */
int swax_delta_see(struct swax_network *n, const void *sizes, int layer, int T, int window, double *tokens, int most);

#endif
