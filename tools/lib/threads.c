/* threads.c - how many threads the kernels may use. */
#include "tools/lib/threads.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int least_of(int a, int b)      /* of those that say something */
{
    return a < 1 ? b : b < 1 || a < b ? a : b;
}

/* The beginning of a file of the system; "" if it is not there. */
static const char *read_start(char *to, size_t room, const char *path)
{
    FILE *f = fopen(path, "r");
    const size_t n = f ? fread(to, 1, room - 1, f) : 0;
    to[n] = 0;
    if (f)
        fclose(f);
    return to;
}

/* ---- the processors it may run on */

int threads_of_status(const char *status)
{
    static const char name[] = "Cpus_allowed_list:";
    const char *at = strstr(status, name);
    int n = 0;
    for (at = at ? at + strlen(name) : ""; *at && *at != '\n';) {
        char *end;
        const long from = strtol(at, &end, 10);
        const char *behind = *end == '-' ? end + 1 : at;
        const long to = strtol(behind, &end, 10);
        if (end == behind || to < from || to > 1 << 20)
            return 0;
        n += (int)(to - from + 1);
        at = end + (*end == ',');
    }
    return n;
}

/* ---- a quota of its control group, or of one above it: so many microseconds of each period */

static int of_microseconds(double quota, double period)
{
    return quota > 0 && period > 0 ? (int)ceil(fmin(quota / period, 1e6)) : 0;
}

static int of_folder(const char *folder)
{
    char path[1024], text[64], other[64];
    double quota = 0, period = 0;
    snprintf(path, sizeof path, "%s/cpu.max", folder);                                  /* version 2: "max 100000" */
    if (sscanf(read_start(text, sizeof text, path), "%lf %lf", &quota, &period) == 2)
        return of_microseconds(quota, period);
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", folder);                         /* version 1: -1 for none */
    read_start(text, sizeof text, path);
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", folder);
    read_start(other, sizeof other, path);
    return of_microseconds(strtod(text, NULL), strtod(other, NULL));
}

/* The group's own folder and all above it. */
static int of_group(const char *root, const char *group)
{
    char folder[512];
    int n = 0;
    snprintf(folder, sizeof folder, "%s%s", root, group);
    for (;;) {
        char *slash = strrchr(folder, '/');
        n = least_of(n, of_folder(folder));
        if (!slash || strlen(folder) <= strlen(root))
            return n;
        *slash = 0;
    }
}

int threads_of_quota(const char *groups, const char *cgroup)
{
    char root[256], group[256];
    int n = of_folder(groups);
    for (const char *line = cgroup; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        const char *controllers = strchr(line, ':'), *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        snprintf(group, sizeof group, "%.*s", (int)strcspn(path + 1, "\n"), path + 1);
        if (path == controllers + 1)                                                       /* "0::/user.slice" */
            n = least_of(n, of_group(groups, group));
        else if (strstr(controllers, "cpu,") == controllers + 1 || strstr(controllers, "cpu:") == controllers + 1) {
            snprintf(root, sizeof root, "%s/cpu", groups);
            n = least_of(n, of_group(root, group));
        }
    }
    return n;
}

int threads_allowed(void)
{
    static char text[1 << 14];
    const char *said = getenv("OMP_NUM_THREADS");
    int n = (int)sysconf(_SC_NPROCESSORS_ONLN);
    n = least_of(n, threads_of_status(read_start(text, sizeof text, "/proc/self/status")));
    n = least_of(n, threads_of_quota("/sys/fs/cgroup", read_start(text, sizeof text, "/proc/self/cgroup")));
    n = least_of(n, said ? (int)strtol(said, NULL, 10) : 0);
    return n < 1 ? 1 : n;
}

#ifdef _OPENMP
#include <omp.h>

/* A run that began on a large machine, or a slip: with hundreds of threads a core, a step takes minutes. */
enum { MOST_A_CORE = 8 };

void threads_use(int n)
{
    const int cores = omp_get_num_procs();
    omp_set_num_threads(!n ? threads_allowed() : n < MOST_A_CORE * cores ? n : MOST_A_CORE * cores);
}

int threads_used(void)
{
    return omp_get_max_threads();
}

void threads_rest(void)
{
    omp_pause_resource_all(omp_pause_soft);
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

void threads_rest(void) {}
#endif
