/* run_log.h - log.jsonl: one line of JSON a step, only ever added to, and cut back to a checkpoint's step. */
#ifndef SWAX_RUN_LOG_H
#define SWAX_RUN_LOG_H

#include "tools/train/run.h"

struct run_log {
    int file;
    int unlocked;                      /* its file system has no locks: somebody else may write to it too */
    char path[RUN_TEXT + 64];
};

/* Open the log of the folder `out`, which nobody else may then open: RUN_BUSY.  RUN_FINISHED is good. */
enum run_end run_log_open(struct run_log *l, const char *out, char *why);
int run_log_empty(const struct run_log *l);
void run_log_close(struct run_log *l);

/* The whole text, with a NUL behind it, to be freed; NULL, and a sentence. */
char *run_log_read(const struct run_log *l, size_t *size, char *why);
/* the last step it has a line of; 0: of none */
const char *run_log_last(const struct run_log *l, int *step, char *why);
/* the lowest held-out loss it has; NaN: it has none */
const char *run_log_best(const struct run_log *l, double *best, char *why);
const char *run_log_cut(struct run_log *l, int step, char *why);       /* drop what follows that step's line */
const char *run_log_add(struct run_log *l, const struct run_point *p, char *why);
const char *run_log_sync(struct run_log *l, char *why);                /* onto the disk */

#endif
