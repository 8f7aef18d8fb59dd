/* hf_own.h - a network that Hugging Face's transformers has no model for, as a folder that brings its own: config.json
 * of model_type swax, modeling_swax.py (tools/python/modeling_swax.py, which is built in), and for bytes a
 * tokenizer. */
#ifndef SWAX_HF_OWN_H
#define SWAX_HF_OWN_H

#include "tools/convert/hf.h"
#include "tools/lib/json.h"

/* Would their xLSTM, which has one kind of layer with one kind of gate, take the network for another? */
int hf_own_needed(const struct swax_config *c);
/* Is there a layer that the file does not know?  NULL, or a sentence. */
const char *hf_own_says_no(const struct swax_config *c, char *why);

/* What config.json says beside the usual keys, each behind a comma. */
void hf_own_config(FILE *f, const struct run *r, enum hf_rope rope);
/* The files beside config.json and the weights.  NULL, or a sentence. */
const char *hf_own_files(const struct run *r, const char *folder, char *why);

/* Is it a config.json of ours?  And the run that it describes: NULL, or the end of a sentence. */
int hf_own_is(const struct json *config);
const char *hf_own_read(struct run *r, const struct json *config, char *why);
enum hf_rope hf_own_rope(const struct json *config);           /* HF_AS_SAID: it does not say */

/* The lines of tools/python/modeling_swax.py, ended by NULL. */
extern const char *const hf_modeling[];

#endif
