/* progress.h - how far a run has come: a live line on a terminal, now and then a plain one elsewhere. */
#ifndef SWAX_PROGRESS_H
#define SWAX_PROGRESS_H

#include "tools/train/run.h"

struct progress {
    double peak;                       /* FLOP/s of the machine; 0: not known, and not spoken of */
    double started, shown, speed;      /* times; tokens/s, averaged over the last steps */
    double loss, parts;                /* likewise */
    double held_out, held_out_error;   /* the last that was looked at; NaN: none */
    int first, steps, live;
    int columns;                       /* of the terminal; 0: not known, and lines are as long as they are */
};

/* A run of so many steps, of which `done` were done so many seconds ago. */
void progress_open(struct progress *p, int done, int steps, double peak, double seconds);
void progress_step(struct progress *p, const struct run *r, const struct run_point *point);
void progress_close(struct progress *p);

#endif
