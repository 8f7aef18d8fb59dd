/* system.c - see host.h. */
#define _DEFAULT_SOURCE     /* madvise */
#include "simd/host/host.h"

#include <stdint.h>
#ifdef _WIN32
#include <windows.h>
#else
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#endif

#ifdef _OPENMP
#include <omp.h>
#else
static int omp_in_parallel(void) { return 1; }
static int omp_get_max_threads(void) { return 1; }
static int omp_get_thread_num(void) { return 0; }
#endif

/* Set by each() alone: a caller's own threads have numbers too, and more of them than there are workers. */
static __thread int number;

static void each(int n, int workers, void (*f)(int i, void *arg), void *arg)
{
    if (n == 1 || workers == 1 || omp_in_parallel()) {
        for (int i = 0; i < n; i++)
            f(i, arg);
        return;
    }
    #pragma omp parallel num_threads(workers)
    {
        number = omp_get_thread_num();
        #pragma omp for schedule(dynamic) nowait
        for (int i = 0; i < n; i++)
            f(i, arg);
        number = 0;
    }
}

static int workers(void) { return omp_in_parallel() ? 1 : omp_get_max_threads(); }
static int worker(void) { return number; }

/* A network's activations are tens of megabytes and every step walks through them: with pages of 4 KiB much of the
 * time goes into finding them.  It is advice: what the system makes of it changes no result. */
#ifdef MADV_HUGEPAGE
static void large(void *p, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t from = ((uintptr_t)p + page - 1) / page * page, to = ((uintptr_t)p + bytes) / page * page;
    if (from < to)
        madvise((char *)p + (from - (uintptr_t)p), to - from, MADV_HUGEPAGE);
}
#else
static void large(void *p, size_t bytes) { (void)p; (void)bytes; }
#endif

#ifdef _WIN32
double swax_now(void)
{
    LARGE_INTEGER ticks, a_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&a_second);
    return (double)ticks.QuadPart / (double)a_second.QuadPart;
}
#else
double swax_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
#endif

const struct swax_host swax_host = { each, workers, worker, large };
