/* session.h - a run at work: what its parts share.  run.c trains, open.c opens and goes on, keep.c keeps checkpoints,
 * look.c looks at what the network has learned. */
#ifndef SWAX_SESSION_H
#define SWAX_SESSION_H

#include "tools/train/run.h"
#include "tools/train/run_log.h"
#include "tools/train/run_page.h"

struct session {
    struct run r;
    struct data data;
    struct data_batch *part;           /* r.accumulate of them */
    struct swax_network *n;
    struct run_log log;
    int step;                          /* done */
    int saved;                         /* the step of the last checkpoint; -1: there is none */
    char path[RUN_TEXT + 64];          /* of the last checkpoint */
    char *sample;                      /* the last one */
    double shown;                      /* when run.html was written; 0: never */
};

/* open.c: as far as its first step; close it in either case. */
enum run_end session_open(struct session *s, char *why);
void session_close(struct session *s);

/* keep.c: the last checkpoint, and the numbered ones; the weights of the lowest held-out loss; is a checkpoint due? */
enum run_end session_save(struct session *s, char *why);
enum run_end session_keep_best(struct session *s, const struct run_point *p, char *why);
int session_due(const struct session *s);
/* Does that hold a number that is not finite?  NULL, or a sentence: which tensor, and what there is to go back to. */
const char *session_diverged(struct session *s, enum swax_which which, char *why);
/* "... cannot be written: No space left on device; the last good checkpoint is ..." */
void session_name_last_good(const struct session *s, char *why);

/* look.c: what is looked at now and then, if it is time.  No bit of the training depends on it.  RUN_DIVERGED: what
 * the network makes of held-out sequences, or of its own tokens, is not finite. */
enum run_end session_look(struct session *s, struct run_point *p, char *why);
/* run.html, if some seconds have passed; in any case where the run trains no more. */
const char *session_show(struct session *s, enum run_page state, char *why);

#endif
