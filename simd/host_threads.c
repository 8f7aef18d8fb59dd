/* host_threads.c - see threads.h. */
#include "threads.h"

#ifdef _OPENMP
#include <omp.h>
#else
static int omp_in_parallel(void) { return 1; }
#endif

void swax_each_openmp(int n, void (*f)(int i, void *arg), void *arg)
{
    if (n == 1 || omp_in_parallel()) {
        for (int i = 0; i < n; i++)
            f(i, arg);
        return;
    }
    #pragma omp parallel for schedule(dynamic)
    for (int i = 0; i < n; i++)
        f(i, arg);
}
