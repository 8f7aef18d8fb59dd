/* time.c - how long a plugin takes, on inputs that it has not seen, from cold caches, and only if what it gives is
 * right. */
#include "tools/verify/plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "tools/lib/clock.h"
#include "tools/lib/sort.h"

enum { WARM = 2, COPIED = 128 << 20 };

/* Bytes a second that this machine copies, read and written counted. */
static double bandwidth(void)
{
    char *from = op_take(COPIED, 1), *to = op_take(COPIED, 1);
    double best = 0;
    memset(from, 1, COPIED);
    for (int k = 0; k < 4; k++) {
        const double begun = clock_seconds();
        memcpy(to, from, COPIED);
        from[k] = to[COPIED - 1 - k];
        const double rate = 2.0 * COPIED / (clock_seconds() - begun);
        best = rate > best ? rate : best;
    }
    free(from), free(to);
    return best;
}

static void name_device(char device[96])
{
    struct utsname u;
    char line[256];
    snprintf(device, 96, "%.90s", uname(&u) ? "unknown" : u.machine);
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (!strncmp(line, "model name", 10) && colon) {
            snprintf(device, 96, "%.90s", colon + 2);
            device[strcspn(device, "\n")] = 0;
            break;
        }
    }
    if (f)
        fclose(f);
}

void timing_take(struct timing *t, int part, double seconds[TIMED_CALLS])
{
    const int n = TIMED_CALLS - WARM;
    sort_ascending(seconds + WARM, (size_t)n);
    t->calls[part] = n;
    t->median[part] = seconds[WARM + n / 2];
    t->least[part] = seconds[WARM];
    t->most[part] = seconds[TIMED_CALLS - 1];
}

/* Is what was said to one part of a problem wrong?  By the rule of that kernel alone, which is had soon, then by all
 * that an honest one may err.  NULL, or a sentence. */
static const char *timed_wrong(struct plugin *p, const struct problem *q, const struct op_case got[PARTS], int part)
{
    struct op_case truth;
    struct op_verdict v;
    op_truth(&truth, &v, p->precision, &q->in[part]);
    const int right = op_compare(&v, &got[part], &truth, &q->in[part]) < 0;
    op_case_free(&truth);
    if (right)
        return NULL;
    struct problem solved;
    problem_copy(&solved, q);
    problem_solve(&solved);
    const char *wrong = part_is_right(&solved, got, part) ? NULL : again_timed(&p->again, &solved);
    problem_free(&solved);
    return wrong;
}

/* One part, call after call, each on numbers that it has not seen. */
static const char *time_part(struct plugin *p, struct problem *q, int part, struct timing *t)
{
    double seconds[TIMED_CALLS];
    for (int k = 0; k < TIMED_CALLS; k++) {
        struct op_case got[PARTS] = {{0}};
        struct conduct conduct;
        struct problem fresh;
        int lost = 0;
        problem_redraw(&fresh, q, q->seed + 1 + (uint64_t)k);
        op_case_copy(&got[part], &fresh.in[part]);
        const char *wrong = worker_ask(p->worker, &p->subject, 1u << part, got, NULL, 1, &conduct, p->trouble, &lost);
        const int offered = !wrong && conduct.offers[part];
        if (offered)
            wrong = timed_wrong(p, &fresh, got, part);
        op_case_free(&got[part]);
        problem_free(&fresh);
        if (wrong || !offered)
            return wrong;
        seconds[k] = conduct.seconds[part];
    }
    timing_take(t, part, seconds);
    op_case_describe(&q->in[part], t->sizes[part], WORDS);
    return NULL;
}

const char *plugin_time(struct plugin *p, const struct plan *plan, struct timing *t, char *why)
{
    struct problem q;
    const char *wrong = problem_largest(&q, plan, why);
    const double rate = bandwidth();
    name_device(t->device);
    for (int part = 0; part < q.subject.n && !wrong; part++) {
        t->floor[part] = op_case_bytes(&q.in[part], p->precision) / rate;
        wrong = time_part(p, &q, part, t);
    }
    problem_free(&q);
    return wrong;
}
