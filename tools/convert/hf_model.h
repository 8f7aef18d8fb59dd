/* hf_model.h - a model in a folder of Hugging Face's, read: config.json, and its tensors in model.safetensors,
 * whole or in shards.  Tensors have the same names here and there. */
#ifndef SWAX_HF_MODEL_H
#define SWAX_HF_MODEL_H

#include "tools/convert/hf.h"

struct hf_model;

/* Open the model in folder, and put the network that it is, and its window, into r.  rope: as it is asked for; what
 * config.json says of it, if it does, must not be something else.  NULL, and a sentence in why, or "" where there is no
 * config.json of Hugging Face's. */
struct hf_model *hf_open(const char *folder, enum hf_rope rope, struct run *r, char *why);
void hf_close(struct hf_model *m);

/* Put its tensors into n, a network of its configuration and of that precision: NULL, or a sentence. */
const char *hf_load(struct hf_model *m, struct swax_network *n, enum swax_precision precision, char *why);

/* Elements of the largest tensor of n. */
size_t hf_largest(struct swax_network *n);

/* The rows of t, of `bytes` each, from interleaved to half-split or back. */
void hf_turn(void *to, const void *from, const struct swax_tensor *t, size_t bytes, int to_half_split);

#endif
