/* weights.h - weights to begin with, or to look at, wherever they come from: a checkpoint, the last one of a run, or a
 * model of another kind. */
#ifndef SWAX_WEIGHTS_H
#define SWAX_WEIGHTS_H

#include "tools/train/checkpoint.h"

/* A model of another kind. */
struct weights_format {
    /* The model at that path, whose network and window are put into r; NULL, and a sentence, or "" where there is
     * none of this kind. */
    void *(*open)(const char *path, struct run *r, char *why);
    const char *(*load)(void *model, struct swax_network *n, enum swax_precision precision, char *why);
    void (*close)(void *model);
};
extern const struct weights_format weights_theirs;     /* Hugging Face's, which tools/convert reads */

struct weights {
    struct checkpoint c;               /* its run is there in either case, with network and window */
    void *theirs;                      /* NULL: they are ours */
};

/* As those of a checkpoint: NULL, or a sentence.  Close them if they were opened. */
const char *weights_open(struct weights *w, const char *path, char *why);
const char *weights_load(const struct weights *w, struct swax_network *n, enum swax_precision precision, char *why);
void weights_close(struct weights *w);

/* A checksum of the files that hold them: a checkpoint, that of a run, or those of a folder of Hugging Face's.  "" of
 * no path.  NULL, or a sentence. */
const char *weights_sum(const char *from, char digits[17], char *why);

#endif
