/* config.h - what a network is: sizes, one mixer per layer, constants, initialisation.
 *
 * The window and the sequence length are not part of it: both are arguments of every forward pass. */
#ifndef SWAX_CONFIG_H
#define SWAX_CONFIG_H

#include <stddef.h>

enum { SWAX_LAYERS = 256, SWAX_WHY = 320 };   /* at most so many layers; room for one sentence */

enum swax_mixer { SWAX_SWA, SWAX_FULL, SWAX_MLSTM, SWAX_MIXERS };
extern const char *const swax_mixer_name[SWAX_MIXERS];   /* "swa" "full" "mlstm" */

struct swax_config {
    int vocabulary, width, ffn_width;
    int layers;
    unsigned char mixer[SWAX_LAYERS];      /* enum swax_mixer, one per layer: "swa mlstm swa mlstm" */
    int heads, kv_heads, head_dim;         /* attention */
    int cell_heads, key_dim, value_dim;    /* mLSTM; dims are per head */
    int cell_gate;                         /* enum swax_gate */
    int cell_norm_center;                  /* 1: LayerNorm (xLSTM-7B), 0: RMS */
    int tied;                              /* the head is the embedding */
    int chunk;                             /* the cell keeps a state every so many tokens; no result depends on it */
    double rope_theta;
    double norm_eps, cell_norm_eps, cell_eps;
    double gate_cap, logit_cap;            /* 0: none */
    double input_gate_bias;                /* at initialisation: the same for all heads */
    double forget_gate_bias_first, forget_gate_bias_last;   /* at initialisation: linspace over the heads */
};

/* xLSTM-7B's constants in a small network: width 64, "swa mlstm swa mlstm", vocabulary 256. */
struct swax_config swax_config_default(void);

/* Set one key from text, as on the command line ("width", "128"; "mixers", "swa mlstm swa mlstm").
 * NULL, or a sentence in why[SWAX_WHY] naming the key, its value and what would be right.
 * A size left at 0 is derived by swax_config_check: ffn_width = 8/3 width up to a multiple of 64,
 * kv_heads = heads, head_dim = width/heads, value_dim = width/cell_heads, key_dim = value_dim/2. */
const char *swax_config_set(struct swax_config *c, const char *key, const char *value, char *why);

/* Derive what is 0 and refuse what cannot be: what swax_config_set refuses, heads that do not divide, tensors of 2^31
 * elements.  Nothing is allocated before this says NULL. */
const char *swax_config_check(struct swax_config *c, char *why);

/* Call each(key, value, arg) for every key, in order, with a text that swax_config_set reads back exactly.
 * What config.json, checkpoints and messages print. */
void swax_config_list(const struct swax_config *c, void (*each)(const char *key, const char *value, void *arg), void *arg);

/* The key closest to a misspelt one. */
const char *swax_config_nearest(const char *key);

#endif
