/* threads.h - how many threads the kernels may use. */
#ifndef SWAX_THREADS_H
#define SWAX_THREADS_H

void threads_use(int n);     /* 0: as many as there are cores */
int threads_used(void);

#endif
