/* threads.c - how many threads the kernels may use. */
#include "threads.h"

#ifdef _OPENMP
#include <omp.h>

void threads_use(int n)
{
    omp_set_num_threads(n ? n : omp_get_num_procs());
}

int threads_used(void)
{
    return omp_get_max_threads();
}
#else
void threads_use(int n)
{
    (void)n;
}

int threads_used(void)
{
    return 1;
}
#endif
