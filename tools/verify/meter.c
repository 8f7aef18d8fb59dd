/* meter.c - see meter.h. */
#include "tools/verify/meter.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "tools/lib/clock.h"

static const double QUIET = 1, EVERY = 0.25;    /* seconds before the first word, and between two */

void meter_begin(struct meter *p, const struct plan *plan, int n)
{
    *p = (struct meter){.plan = plan, .n = n, .terminal = isatty(2), .begun = clock_seconds()};
}

void meter_step(struct meter *p, int i, int failed)
{
    const double t = clock_seconds();
    if (!p->terminal || t - p->begun < QUIET || t - p->said < EVERY)
        return;
    fprintf(stderr, "\r%s %s: case %d of %d, %d wrong, %.0f s ", p->plan->subject.name, dtype_name[p->plan->wish.dtype],
            i + 1, p->n, failed, t - p->begun);
    p->said = t;
    p->shown = 1;
}

void meter_end(struct meter *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
}
