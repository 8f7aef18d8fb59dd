/* shared.h - zeroed memory that main shares with the processes of its tests: what they count there outlives them. */
#ifndef SWAX_TESTS_SHARED_H
#define SWAX_TESTS_SHARED_H

#include <stddef.h>
#include <stdlib.h>

#ifdef _WIN32
static inline void *shared_memory(size_t bytes) { return calloc(1, bytes); }      /* tests/shim/check.h: no processes */
#else
#include <sys/mman.h>
static inline void *shared_memory(size_t bytes)
{
    return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* Can addresses of so many bytes be had while none is written to?  Not where vm.overcommit_memory is 2, or under
 * ulimit -v. */
static inline int can_reserve(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p != MAP_FAILED && !munmap(p, bytes);
}

/* Does malloc refuse so many bytes?  Not where vm.overcommit_memory is 1. */
static inline int malloc_refuses(size_t bytes)
{
    void *volatile p = malloc(bytes);
    const int refused = !p;
    free(p);
    return refused;
}
#endif

#endif
