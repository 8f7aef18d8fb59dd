/* worker.h - a process in which a stranger's code runs: it gets inputs and gives outputs, and never sees an answer,
 * since answers are worked out elsewhere.  A crash there is a verdict here. */
#ifndef SWAX_VERIFY_WORKER_H
#define SWAX_VERIFY_WORKER_H

#include "tools/verify/verify.h"

struct worker;

/* Which kernel a worker calls: filled by `load`, in the worker. */
struct loaded { struct swax_tier tier; enum swax_precision precision; int offers[PARTS]; };
typedef const char *load_fn(struct loaded *l, void *arg, char *why);      /* NULL, or a sentence */

/* Start one whose `load` says, in its own process, what it calls; `numbers`: in the arrays of the largest problem.
 * NULL, and a sentence. */
struct worker *worker_start(load_fn *load, void *arg, double numbers, char *why);
void worker_stop(struct worker *w);

/* What it did beside answering. */
struct conduct {
    int offers[PARTS];                /* it has that part's kernel */
    double seconds[PARTS];            /* of the call that was timed */
};
/* Have it answer parts of a problem (bit by bit), into got, which holds what stood there: twice on the same inputs, at
 * different addresses, the second time into `second` (both may begin as copies); or, where `timed`, once, in cold
 * caches.  Arrays of the same sizes lie at the same addresses in every call.  NULL, or a sentence about what it did, in
 * trouble; *lost: it has died. */
const char *worker_ask(struct worker *w, const struct subject *s, unsigned parts, struct op_case got[PARTS],
                       struct op_case second[PARTS], int timed, struct conduct *conduct, char trouble[OP_SENTENCE],
                       int *lost);

#endif
