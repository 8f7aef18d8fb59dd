/* hf.h - Hugging Face's xLSTM checkpoints: a folder with config.json and model.safetensors, whole or in shards. */
#ifndef SWAX_HF_H
#define SWAX_HF_H

#include "tools/train/checkpoint.h"

/* Rows of each attention head's q and k, reordered from interleaved pairs (0 1)(2 3).. to half-split ones, or
 * back: what another implementation of RoPE trained, ours computes.  AS_SAID, where a model is read: as its config.json
 * says, and half-split where it does not. */
enum hf_rope { HF_HALF_SPLIT, HF_INTERLEAVED, HF_AS_SAID };
const char *hf_rope_word(int i);       /* "half_split", "interleaved"; NULL behind them */

/* Read the model in folder, and write it as a checkpoint of swax (without moments): NULL, or a sentence, or "" where
 * the folder holds no model of theirs.  And the other way round, into a folder that is new or empty. */
const char *hf_import(const char *folder, const char *checkpoint, enum hf_rope rope, char *why);
const char *hf_export(const char *checkpoint, const char *folder, enum hf_rope rope, char *why);

#endif
