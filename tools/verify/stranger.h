/* stranger.h - a process in which a stranger's code runs.
 *
 * It and the judge have memory in common, and two pipes that say "go" and "done".  Whatever the code does, nothing of
 * it is left when it is over: it has a group of processes of its own, which is ended with it, and when Ctrl-C ends the
 * judge.  It has nothing of other strangers' memory and pipes, and nothing that the judge has open; on Linux it cannot
 * look into his process, even as root.  What it prints goes to standard error, since standard
 * output is the verdict's, and its standard input is empty. */
#ifndef SWAX_VERIFY_STRANGER_H
#define SWAX_VERIFY_STRANGER_H

#include <sys/types.h>
#include "ref/network/config.h"      /* SWAX_WHY */

struct stranger { pid_t pid; int go, done; double seconds; void *shared; size_t bytes; };

/* In the process.  Both get `arg` as it was when the process began, and the memory, which begins with SWAX_WHY
 * characters for a sentence. */
struct stranger_work {
    int (*load)(void *arg, void *shared);     /* first: 0, and a sentence, if there is nothing to call */
    void (*answer)(void *arg, void *shared);  /* whenever it is told to */
};

/* Start one that is `who` ("the plugin") in sentences, with so much zeroed memory, which is given so many seconds each
 * time.  NULL, or a sentence in why: it has not been loaded, and there is none. */
const char *stranger_start(struct stranger *s, const struct stranger_work *work, void *arg, size_t bytes,
                           double seconds, const char *who, char *why);
/* Have it answer: NULL, or what became of it, as "crashed: Aborted", which is the end of it. */
enum { FATE = 64 };
const char *stranger_ask(struct stranger *s, char fate[FATE]);
int stranger_gone(const struct stranger *s);
void stranger_stop(struct stranger *s);

#endif
