/* threads.h - how many threads the kernels may use. */
#ifndef SWAX_THREADS_H
#define SWAX_THREADS_H

/* How many this process may use: the processors that it may run on (taskset), a quota of its control group
 * (containers), and OMP_NUM_THREADS, whichever is least.  At least 1. */
int threads_allowed(void);

/* What the files of the system say of that: "Cpus_allowed_list:\t0-3,8" in /proc/self/status, the group's folders below
 * `groups` (/sys/fs/cgroup).  0: they say nothing. */
int threads_of_status(const char *status);
int threads_of_quota(const char *groups, const char *cgroup);

void threads_use(int n);     /* 0: as many as it may use */
int threads_used(void);

/* Let go of the threads that kernels have had until now; the next kernel starts its own.  Before a fork: the child has
 * none of its parent's threads, and would wait for them for ever. */
void threads_rest(void);

#endif
