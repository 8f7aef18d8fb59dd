/* directory.h - where every weight of a network is: the one list of its tensors.
 *
 * A place is the number of elements before a tensor in a flat array.  The same places hold for the weights
 * that the kernels read, those the optimiser keeps, the gradients and both moments. */
#ifndef SWAX_DIRECTORY_H
#define SWAX_DIRECTORY_H

#include "ref/network/mixers.h"

struct swax_places {
    size_t embedding, out_norm, head;       /* head == embedding when tied */
    struct swax_block_places {
        size_t norm1, norm2, up_gate, up, down;
        union swax_room mixer;              /* the mixer's own struct */
    } block[SWAX_LAYERS];
    size_t decayed, total;                  /* elements of the flat array; those that weight decay is for come first */
};

/* List c's tensors: fills places, and tensor[] unless it is NULL.  Answers how many there are. */
int swax_directory(const struct swax_config *c, struct swax_places *places, struct swax_tensor *tensor);

/* Element e of a tensor at initialisation.  The key is made of the seed and the tensor's name alone: tensors of the
 * same name get the same weights in every network, so that arms of an ablation start alike. */
uint64_t swax_initial_key(const struct swax_tensor *t, uint64_t seed);
double swax_initial(const struct swax_config *c, const struct swax_tensor *t, uint64_t key, long e);

#endif
