/* examine.h - the examination that every arm of an ablation sits: the same questions, at its own test window. */
#ifndef SWAX_EXAMINE_H
#define SWAX_EXAMINE_H

#include "tools/ablate/ablate.h"

struct examiner;
struct examiner *examiner_new(const struct ablation *a, int arm, char *why);     /* NULL, and a sentence */
void examiner_free(struct examiner *e);

/* While training, with the training's own network of B sequences: loss, copy, and recall beyond reach. */
const char *examine_briefly(struct examiner *e, struct swax_network *n, int B, struct ablate_point *p, char *why);

/* The finished run in run->out: all of r but its curve. */
const char *examine(struct examiner *e, const struct run *run, struct outcome *r, char *why);

#endif
