/* weights.c - weights, wherever they come from. */
#include "tools/train/weights.h"

#include <string.h>

const char *weights_open(struct weights *w, const char *path, char *why)
{
    memset(w, 0, sizeof *w);
    w->theirs = weights_theirs.open(path, &w->c.run, why);
    return w->theirs ? NULL : *why ? why : checkpoint_open(&w->c, path, why);
}

const char *weights_load(const struct weights *w, struct swax_network *n, enum swax_precision precision, char *why)
{
    return w->theirs ? weights_theirs.load(w->theirs, n, precision, why) : checkpoint_load(&w->c, n, precision, 0, why);
}

void weights_close(struct weights *w)
{
    if (w->theirs)
        weights_theirs.close(w->theirs);
    checkpoint_close(&w->c);
    w->theirs = NULL;
}
