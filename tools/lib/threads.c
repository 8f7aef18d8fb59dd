/* threads.c - how many threads the kernels may use. */
#include "tools/lib/threads.h"

#ifdef _OPENMP
#include <omp.h>

/* A run that began on a large machine, or a slip: with hundreds of threads a core, a step takes minutes. */
enum { MOST_A_CORE = 8 };

void threads_use(int n)
{
    const int cores = omp_get_num_procs();
    omp_set_num_threads(!n ? cores : n < MOST_A_CORE * cores ? n : MOST_A_CORE * cores);
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
