/* directory.h - where every weight of a network is: the one list of its tensors.
 *
 * A place is the number of elements before a tensor in a flat array.  The same places hold for the weights
 * that the kernels read, those the optimiser keeps, the gradients and both moments. */
#ifndef SWAX_DIRECTORY_H
#define SWAX_DIRECTORY_H

#include "ref/network/network.h"

struct swax_attention_places { size_t q, k, v, out; };
struct swax_mlstm_places { size_t q, k, v, ogate, igate, igate_bias, fgate, fgate_bias, headnorm, out; };

struct swax_places {
    size_t embedding, out_norm, head;       /* head == embedding when tied */
    struct swax_block_places {
        size_t norm1, norm2, up_gate, up, down;
        union { struct swax_attention_places attention; struct swax_mlstm_places mlstm; } mixer;
    } block[SWAX_LAYERS];
    size_t decayed, total;                  /* elements of the flat array; those that weight decay is for come first */
};

/* List c's tensors: fills places, and tensor[] unless it is NULL.  Answers how many there are. */
int swax_directory(const struct swax_config *c, struct swax_places *places, struct swax_tensor *tensor);

#endif
