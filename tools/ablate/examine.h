/* examine.h - the examination that every arm of an ablation sits: the same questions, at its own test window. */
#ifndef SWAX_EXAMINE_H
#define SWAX_EXAMINE_H

#include "tools/ablate/ablate.h"

/* While training, with the training's own network of B sequences: loss, memory and near, of a third of the sequences;
 * and the share of the squared gradient that stands in the recurrent cells, on B held-out sequences, the same for all
 * arms and steps (NaN without cells).  Overwrites the network's gradient. */
const char *examine_briefly(const struct ablation *a, const struct run *run, struct swax_network *n, int B,
                            struct ablate_point *p, char *why);

/* Can every sitting of every arm be sat with the data there are?  NULL, or a sentence: too little is held out, .... */
const char *examine_foresee(const struct ablation *a, char *why);

/* How many sequences of T tokens sit at a time: up to 8, and in memory no more than 8 of training's, or of 2,048
 * tokens. */
int examine_at_once(int length, int T);

/* The finished run in run->out: all of r but its curve. */
const char *examine(const struct ablation *a, const struct run *run, struct outcome *r, char *why);

#endif
