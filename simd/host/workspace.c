/* workspace.c - see host.h.
 *
 * Workspaces come from the heap when they are first wanted, and stay: there are as many as threads ever worked at once.
 * A thread asks first for the one that it had last, which may still be in its cache.
 *
 * Where the heap has no more, or more threads work at once than there are places, they take turns: at worst all in
 * place 0, whose memory is part of the program.  So a kernel that needs one waits, and never fails. */
#include "simd/host/host.h"

#include <sched.h>
#include <stdlib.h>

#ifdef _WIN32
#include <malloc.h>
#define posix_memalign(memory, alignment, bytes) !(*(memory) = _aligned_malloc(bytes, alignment))
#endif

enum { PLACES = 1024, RESERVE = 0, LINE = 64, LARGE_PAGE = 1 << 21 };

static unsigned char reserve[SWAX_WORKSPACE] __attribute__((aligned(4096)));

/* Whoever turns `taken` from 0 to 1 has the place until it is 0 again. */
static struct place {
    int taken;
    void *memory;
} __attribute__((aligned(LINE))) places[PLACES] = { [RESERVE] = { 0, reserve } };

static __thread int last = RESERVE + 1;

static int enter(struct place *p) { return !__atomic_exchange_n(&p->taken, 1, __ATOMIC_ACQUIRE); }
static void leave(struct place *p) { __atomic_store_n(&p->taken, 0, __ATOMIC_RELEASE); }

/* The memory of a place that the caller has entered, or NULL. */
static void *furnish(struct place *p)
{
    void *memory;
    if (!p->memory && !posix_memalign(&memory, LARGE_PAGE, SWAX_WORKSPACE)) {
        swax_host.large(memory, SWAX_WORKSPACE);
        p->memory = memory;
    }
    return p->memory;
}

void *swax_workspace_take(void)
{
    int at = last;
    if (!enter(&places[at]))
        for (at = RESERVE + 1; at < PLACES && !enter(&places[at]); at++)
            ;
    if (at < PLACES && furnish(&places[at])) {
        last = at;
        return places[at].memory;
    }
    if (at < PLACES)
        leave(&places[at]);
    while (!enter(&places[RESERVE]))
        sched_yield();
    return reserve;
}

void swax_workspace_give(const void *memory)
{
    leave(&places[memory == reserve ? RESERVE : last]);
}
