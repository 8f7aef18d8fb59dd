/* network.h - the network as its users see it: weights, a training step, evaluation, decoding.
 *
 * One handle for every tier and precision.  Weights, moments and gradients cross this border as `stat`
 * elements: float, or double when the precision is fp64.  model.h has the composition itself.
 *
 * However many threads OpenMP has where a network is opened and where it is used, in a parallel region or not, the
 * bits are the same.  On host tiers several threads may each use a network of their own.  A process that is forked
 * after a network was opened or used must not use one: OpenMP's threads and a device's context do not come along, and
 * it would hang.
 *
 * What cannot be done is not done: evaluate, gradient and gradient_norm then return NaN, the others leave everything
 * as it was, and swax_network_trouble says why. */
#ifndef SWAX_NETWORK_H
#define SWAX_NETWORK_H

#include <stdint.h>
#include "config.h"
#include "tier.h"

#ifdef __cplusplus
extern "C" {
#endif

struct swax_network;

/* One row of the tensor directory: the one list that is walked for counting, placing, initialising,
 * optimising, saving and reporting. */
struct swax_tensor {
    char name[96];             /* HF's name for xLSTM tensors; swa_layer.* beside them */
    int rank;                  /* 1 or 2 */
    long shape[2];             /* row-major; a matrix is (outputs, inputs) */
    long size;
    double init_std;           /* at initialisation: N(0, init_std^2) around the line from init_first to init_last */
    double init_first, init_last;
    double (*init)(const struct swax_config *c, long e, double u);  /* or this, if not NULL, of u uniform in (0, 1) */
    int decay;                 /* AdamW decays it: matrices, not norms and biases */
    int rope_heads;            /* its rows are of so many heads that RoPE turns, half-split; 0: of none */
    int mixer_of;              /* 1 + the layer whose mixer's own it is; 0: of no mixer */
    size_t place;              /* elements before it in each flat array */
};

enum swax_which { SWAX_WEIGHT, SWAX_MOMENT1, SWAX_MOMENT2, SWAX_GRADIENT };

/* One call's worth of sequences.  token and target are (B,T); target < 0 is ignored.  weight (B,T) scales each
 * token's loss, NULL for 1.  The start arrays (B,T) are kernels.h's documents, NULL for one document a sequence
 * that begins at token 0; the two mixers can be given different ones: that is how the causal probes cut
 * one path and leave the other. */
struct swax_batch {
    int B, T, window;
    const int *token, *target;
    const float *weight;
    const int *start_attention, *start_cell;
};

/* A network for up to B sequences of up to T tokens at a time; training = 0 leaves out gradients and moments.
 * NULL, and a sentence in why[SWAX_WHY], if the configuration or the memory does not allow it. */
struct swax_network *swax_network_new(const struct swax_config *c, const struct swax_tier *tier,
                                      enum swax_precision precision, int B, int T, int training, char *why);
void swax_network_free(struct swax_network *n);

const struct swax_config *swax_network_config(const struct swax_network *n);
const struct swax_tensor *swax_network_tensors(const struct swax_network *n, int *count);
size_t swax_network_parameters(const struct swax_network *n);
size_t swax_network_bytes(const struct swax_network *n);           /* of memory taken, all told */
double swax_network_flops(const struct swax_config *c, int T, int window, int training); /* model FLOPs per token */

/* weights by the directory; moments 0; cannot fail */
void swax_network_init(struct swax_network *n, uint64_t seed);
void swax_network_get(struct swax_network *n, enum swax_which which, int tensor, void *host);
void swax_network_put(struct swax_network *n, enum swax_which which, int tensor, const void *host);

/* The sum over valid targets of weight * loss.  Refused are more sequences or tokens than the network was opened for,
 * a window below 1, a token outside the vocabulary, a start behind its token; a target outside is ignored.  A loss that
 * is not finite is trouble, which names the first activation that is not where it is still there.
 * token_loss (B,T), correct (B,T; 1 where the largest logit is the target's) and logits (B,T,vocabulary; after the
 * soft-cap) may be NULL. */
double swax_network_evaluate(struct swax_network *n, const struct swax_batch *b,
                             float *token_loss, unsigned char *correct, float *logits);

/* A training step is: zero_gradient; gradient for each micro-batch; gradient_norm; adamw.
 * gradient returns evaluate's sum times `scale`, and adds the gradient of that. scale = 1/(the sum of the
 * weights of all valid targets of the whole batch) makes it the mean loss.  adamw's steps count from 1. */
void swax_network_zero_gradient(struct swax_network *n);
double swax_network_gradient(struct swax_network *n, const struct swax_batch *b, double scale);
double swax_network_gradient_norm(struct swax_network *n);
struct swax_adamw { double rate, beta1, beta2, eps, decay, clip; };
void swax_network_adamw(struct swax_network *n, const struct swax_adamw *o, int step);   /* after gradient_norm */

/* The first tensor of which[] holding a NaN or an infinity, or -1.  Takes no memory, so that it cannot fail to look. */
int swax_network_nonfinite(struct swax_network *n, enum swax_which which);

/* Activations of the last evaluate() of one sequence (B = 1), by name ("3.q", "1.f", "0.lse"): copies up to max
 * elements as doubles, returns how many there are, 0 for a name that does not exist.  Takes no memory. */
size_t swax_network_peek(struct swax_network *n, const char *name, double *to, size_t max);

/* Decoding: a window of keys per attention layer and a state per cell, at a cost per token that does not depend
 * on how many came before (in layers without a window it grows).  Feed T >= 1 tokens of each of B sequences;
 * logits (B,vocabulary) after the last, or NULL.  feed answers NULL, or a sentence: a token outside the vocabulary,
 * before anything is changed; no memory, or logits that are not finite, after which the decoder can only be freed.
 *
 * Documents: after begin, the next token of that sequence is the first of one, and states, keys and positions begin
 * anew, as at a start in swax_batch.  With a separator (a token; -1, as at first: none) every such token does that by
 * itself. */
struct swax_decoder;
struct swax_decoder *swax_decoder_new(struct swax_network *n, int B, int window, char *why);
void swax_decoder_begin(struct swax_decoder *d, int sequence);
void swax_decoder_separator(struct swax_decoder *d, int token);
const char *swax_decoder_feed(struct swax_decoder *d, const int *token, int T, float *logits);
void swax_decoder_free(struct swax_decoder *d);

/* What went wrong since last asked, on the device or in a call that was refused: a sentence, or NULL.  This one and
 * feed's are the network's, and hold until its next call. */
const char *swax_network_trouble(struct swax_network *n);

#ifdef __cplusplus
}
#endif

#endif
