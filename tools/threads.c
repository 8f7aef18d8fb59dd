/* threads.c - how many threads the kernels may use. */
#include "threads.h"

#ifdef _OPENMP
#include <omp.h>

void threads_use(int n)
{
    omp_set_num_threads(n ? n : omp_get_num_procs());
}
#else
void threads_use(int n)
{
    (void)n;
}
#endif
