/* run_page.h - run.html: a run so far, for people: losses, rate, window, norm of the gradient, how long the cells
 * remember, and what the network writes.  It is made from log.jsonl, so that a run that goes on loses nothing of it. */
#ifndef SWAX_RUN_PAGE_H
#define SWAX_RUN_PAGE_H

#include "tools/train/run_log.h"

enum run_page { PAGE_TRAINING, PAGE_FINISHED, PAGE_STOPPED, PAGE_DIVERGED };

/* As of step `step`; a browser asks for it again while the run trains.  NULL, or a sentence. */
const char *run_page_write(const struct run *r, const struct run_log *l, int step, enum run_page state, char *why);

#endif
