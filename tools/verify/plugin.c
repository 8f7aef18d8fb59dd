/* plugin.c - somebody's shared object over a suite, in a child: a crash is a verdict, and not ours. */
#define _DEFAULT_SOURCE    /* MAP_ANONYMOUS */
#include "tools/verify/verify.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tools/lib/say.h"

enum { SLOTS = 64, SECONDS = 600 };

/* kernels.h's table as opspec.h's rows: one pointer each, in the same order. */
struct loaded { void *slot[SLOTS]; struct swax_tier tier; int found; };

static int always(void) { return 1; }

static const char *load(struct loaded *l, const char *path, const struct subject *s, enum swax_precision p, char *why)
{
    char here[4096];      /* a name without a slash would be looked for among the system's libraries */
    snprintf(here, sizeof here, "%s%s", strchr(path, '/') || access(path, F_OK) ? "" : "./", path);
    void *object = dlopen(here, RTLD_NOW | RTLD_LOCAL);
    if (!object)
        return say(why, "%.300s", dlerror());
    for (int part = 0; part < s->n; part++) {
        char name[80];
        snprintf(name, sizeof name, "%s%s", swax_ops[s->op[part]].name, p == SWAX_PREC_F64 ? "_f64" : "");
        void *f = dlsym(object, name);
        l->slot[s->op[part]] = f;
        l->found += f != NULL;
    }
    l->tier = (struct swax_tier){.name = path, .usable = always};
    memcpy(p == SWAX_PREC_F64 ? (void *)&l->tier.f64 : (void *)&l->tier.f32, &(void *){l->slot}, sizeof(void *));
    return l->found ? NULL : say(why, "%.120s exports neither %s%s nor its backward, with the signature in kernels.h.", path,
                                 swax_ops[s->op[0]].name, p == SWAX_PREC_F64 ? "_f64" : "");
}

/* What the child leaves for the parent. */
struct told { int done; char wrong[SWAX_WHY]; struct report report; };

const char *verify_plugin(const char *path, const struct subject *s, const struct wish *w, int suite, struct report *r, char *why)
{
    const enum swax_precision p = dtype_precision(w->dtype);
    struct told *told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (told == MAP_FAILED)
        return say(why, "There is no memory for the report.");
    report_begin(&told->report, s, w);
    fflush(stdout);
    const pid_t child = fork();
    if (!child) {
        struct loaded l;
        memset(&l, 0, sizeof l);
        alarm(SECONDS);
        if (!load(&l, path, s, p, told->wrong))
            verify_tier(&l.tier, p, s, w, suite, &told->report);
        told->done = 1;
        _exit(0);
    }
    int status = 0;
    const int lost = child < 0 || waitpid(child, &status, 0) != child;
    *r = told->report;
    if (!lost && !told->done) {
        r->failed = r->failed ? r->failed : 1;
        r->problems = r->problems ? r->problems : 1;
        const int killed = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        const char *how = killed == SIGALRM ? "did not return" : killed ? strsignal(killed) : "ended the process";
        snprintf(r->trouble, sizeof r->trouble, "%s crashed: %.100s", s->name, how);
    }
    const char *wrong = lost ? say(why, "No process could be started for %.200s.", path) : told->wrong[0] ? say(why, "%s", told->wrong) : NULL;
    munmap(told, sizeof *told);
    return wrong;
}
