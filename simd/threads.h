/* threads.h - pieces of work side by side: what struct swax_tier's `each` is on the host.
 *
 * From inside a piece it is a plain loop.  Kernels use it where a call from outside is worth the 0.4 us that
 * waking the other threads costs; their pieces do not depend on how many there are. */
#ifndef SWAX_THREADS_H
#define SWAX_THREADS_H

void swax_each_openmp(int n, void (*f)(int i, void *arg), void *arg);

#endif
