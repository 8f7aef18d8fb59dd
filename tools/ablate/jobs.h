/* jobs.h - the runs of an ablation in processes side by side. */
#ifndef SWAX_JOBS_H
#define SWAX_JOBS_H

#include <sys/types.h>
#include <time.h>

#include "tools/ablate/ablate.h"

/* Run number k of an ablation is arm k mod arms of seed k / arms: whole seeds are done one after the other. */
enum job_state { WAITING, RUNNING, DONE, BUSY, FAILED, STOPPED };
struct job { enum job_state state; pid_t pid; int step; };

struct jobs {
    struct ablation a;
    struct job job[ABLATE_ARMS * ABLATE_SEEDS];
    int runs, at_once, threads, shard, shards, live, only_report;
    unsigned char chosen[ABLATE_ARMS];     /* arms that are trained here */
    int pipe[2];                           /* children say which step they are at */
    time_t since;
    double steps_done;                     /* since then, by all */
    char *command;                         /* that goes on with it */
};

/* How many runs side by side: as many as asked for; or, if that is 0, one for each core, since cores do more side by
 * side than together, one on a device, and several where processes share it.  Never more than there are. */
enum { MOST_AT_ONCE = 256 };
int jobs_at_once(int asked, enum ablation_trial trial, int cores, int runs);
void jobs_catch_signals(void);             /* the first lets every run end its step, the second ends them */
/* Make all that is to be made here, and say how far it has come.  s->pipe is open. */
void jobs_run(struct jobs *s);
/* One line over the last: what is done, how far each run is that is being made, and how long the rest takes if it goes
 * on as in the `seconds` until now. */
void jobs_show(const struct jobs *s, double seconds);
void jobs_count(const struct jobs *s, int count[STOPPED + 1]);         /* how many are in each state */

#endif
