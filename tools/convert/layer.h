/* layer.h - one recurrent layer from and to a file in which it is named as Hugging Face's model has it: Qwen3-Next's
 * Gated DeltaNet, Mamba-2's mixer.  Which tensors those are, and of which of ours, says the mixer's row
 * (ref/network/mixers.h). */
#ifndef SWAX_LAYER_H
#define SWAX_LAYER_H

/* Layer number `layer` of a run or checkpoint, as a file of theirs, with `prefix` before each name: NULL, or a
 * sentence. */
const char *layer_export(const char *checkpoint, const char *file, int layer, const char *prefix, char *why);

/* The network of `into`, a run or a checkpoint, with that layer's weights from a file of theirs, as a new
 * checkpoint. */
const char *layer_import(const char *file, const char *into, const char *checkpoint, int layer, const char *prefix,
                         char *why);

#endif
