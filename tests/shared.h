/* shared.h - zeroed memory that main shares with the processes of its tests: what they count there outlives them. */
#ifndef SWAX_TESTS_SHARED_H
#define SWAX_TESTS_SHARED_H

#include <stddef.h>

#ifdef _WIN32
#include <stdlib.h>
static inline void *shared_memory(size_t bytes) { return calloc(1, bytes); }      /* tests/shim/check.h: no processes */
#else
#include <sys/mman.h>
static inline void *shared_memory(size_t bytes)
{
    return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}
#endif

#endif
