/* held_out.h - the loss of held-out sequences while a run trains. */
#ifndef SWAX_HELD_OUT_H
#define SWAX_HELD_OUT_H

#include "tools/train/run.h"

/* Of the first `sequences` of the data's held-out part, with the run's (long) window, every target counted the same;
 * and its standard error over sequences.  b has room for as many sequences at a time as the network.  NULL, or a
 * sentence: nothing is held out. */
const char *held_out_loss(struct swax_network *n, const struct data *d, struct data_batch *b, const struct run *r,
                          int sequences, double *loss, double *error, char *why);

/* How long the states of the first sequence in b remember, into p->cell: evaluates that sequence alone.  NULL, or a
 * sentence. */
const char *held_out_cells(struct swax_network *n, const struct data_batch *b, struct run_point *p, char *why);

#endif
