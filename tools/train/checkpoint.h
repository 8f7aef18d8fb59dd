/* checkpoint.h - a run's state in a safetensors file: weights under their HF names, moment1.* and moment2.*, and
 * as metadata the step, the number of the next sequence, the generators, the run, the tiers it was trained on and
 * checksums of its data and of what is held out. */
#ifndef SWAX_CHECKPOINT_H
#define SWAX_CHECKPOINT_H

#include "tools/train/run.h"
#include "tools/lib/safetensors.h"

struct checkpoint {
    struct st_file *file;
    struct run run;
    int step;
};

/* moments = 0 leaves the moments out: weights to use, not to go on with. */
const char *checkpoint_save(const char *path, const struct run *r, struct swax_network *n, int step, int moments,
                            char *why);

/* path is a checkpoint, or the folder of a run: then its last one.  NULL, or a sentence. */
const char *checkpoint_open(struct checkpoint *c, const char *path, char *why);
void checkpoint_close(struct checkpoint *c);

/* Put its tensors into n, a network of that precision, the moments too where `moments`; names, shapes and the
 * number of tensors must agree, and the weights be finite. */
const char *checkpoint_load(const struct checkpoint *c, struct swax_network *n, enum swax_precision precision,
                            int moments, char *why);

/* Where a run keeps its files. */
void run_path(char path[RUN_TEXT + 64], const char *out, const char *name);
extern const char checkpoint_name[];

#endif
