/* hf_config.h - Hugging Face's xLSTM configuration and ours. */
#ifndef SWAX_HF_CONFIG_H
#define SWAX_HF_CONFIG_H

#include "tools/convert/hf.h"
#include "tools/lib/json.h"
#include "tools/train/run.h"

/* How a tensor of the model is asked for its shape: 1, or 0 if there is none of that name. */
typedef int (*hf_shape)(void *arg, const char *name, int64_t shape[2]);

/* The run that config.json and the tensors' shapes describe.  Sizes are the tensors'; constants, heads and what has
 * no tensor come from the configuration, whose unknown keys are ignored and whose absent ones have HF's defaults. */
const char *hf_config_read(struct run *r, const struct json *config, hf_shape shape, void *arg, char *why);

/* The token that begins a document, if config.json says one: NULL, or a sentence. */
const char *hf_separator_read(struct run *r, const struct json *config, char *why);

/* Can it be said in theirs?  NULL, or a sentence. */
const char *hf_config_says_no(const struct swax_config *c, char *why);

/* config.json's text, to be freed; NULL: no memory. */
char *hf_config_text(const struct run *r, enum hf_rope rope);

#endif
