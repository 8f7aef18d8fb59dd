/* own_call.c - somebody's function in a process of its own. Its arrays lie in memory that both processes have,
 * between guard zones, and what it is to write is poisoned; what it may not write is compared with a copy that it
 * cannot reach. */
#define _DEFAULT_SOURCE    /* MAP_ANONYMOUS */
#include "tools/verify/own.h"

#include <dlfcn.h>
#include <errno.h>
#include <fenv.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tools/lib/say.h"
#include "tools/verify/element.h"

enum { GUARD = 64, ALIGN = 64, PAGE = 4096, SECONDS = 600 };

/* What passes between the two; behind it, the arrays. */
struct wire {
    char wrong[SWAX_WHY];
    int has[SWAX_PRECISIONS], precision, rounding, size[OWN_SIZES], tensors;
    double scalar[OWN_SCALARS];
    size_t at[OWN_TENSORS];
};

struct own_process {
    pid_t child;
    int go, done;
    struct wire *wire;
    size_t bytes, half;
    const struct own *own;
    const char *library;
};

static const char *const suffix[SWAX_PRECISIONS] = {"", "_f64", "_bf16"};

enum { HEAD = sizeof(struct wire) + ALIGN - sizeof(struct wire) % ALIGN };      /* before the arrays, in whole lines */

static unsigned char *arrays(struct wire *w) { return (unsigned char *)w + HEAD; }

/* ---- in the process */

const char *own_open(own_function *f[SWAX_PRECISIONS], const struct own *own, const char *library, char *why)
{
    char here[4096];      /* a name without a slash would be looked for among the system's libraries */
    snprintf(here, sizeof here, "%s%s", strchr(library, '/') || access(library, F_OK) ? "" : "./", library);
    void *object = dlopen(here, RTLD_NOW | RTLD_LOCAL);
    if (!object)
        return say(why, "%.300s", dlerror());
    for (int p = 0; p < SWAX_PRECISIONS; p++) {
        char name[OWN_NAME + 8];
        snprintf(name, sizeof name, "%s%s", own->function, suffix[p]);
        void *symbol = dlsym(object, name);
        memcpy(&f[p], &symbol, sizeof symbol);
    }
    return NULL;
}

static void work(const struct own *own, const char *library, own_load *load, enum swax_precision also, struct wire *w,
                 int go, int done)
{
    own_function *f[SWAX_PRECISIONS] = {0};
    char token = 0;
    fenv_t ours;
    fegetenv(&ours);      /* -ffast-math has a constructor that flushes subnormal numbers to 0 */
    alarm(SECONDS);
    if (load(f, own, library, w->wrong))
        _exit(0);
    for (int p = 0; p < SWAX_PRECISIONS; p++)
        w->has[p] = f[p] != NULL;
    if (!f[also]) {
        say(w->wrong, "%.200s exports no function %s%s.", library, own->function, suffix[also]);
        _exit(0);
    }
    alarm(0);
    for (int heard = write(done, &token, 1) == 1; heard && read(go, &token, 1) == 1;
         heard = write(done, &token, 1) == 1) {
        void *tensor[OWN_TENSORS];
        for (int i = 0; i < w->tensors; i++)
            tensor[i] = arrays(w) + w->at[i];
        fesetenv(&ours);
        alarm(SECONDS);
        f[w->precision](tensor, w->size, w->scalar);
        alarm(0);
        w->rounding = fegetround();
    }
    _exit(0);
}

/* ---- outside */

static int heard(struct own_process *s)
{
    char token;
    ssize_t n;
    do
        n = read(s->done, &token, 1);
    while (n < 0 && errno == EINTR);
    return n == 1;
}

static int reap(struct own_process *s)
{
    int status = 0;
    if (s->child > 0)
        waitpid(s->child, &status, 0);
    s->child = -1;
    return status;
}

void own_stop(struct own_process *s)
{
    close(s->go), close(s->done);
    if (s->child > 0)
        kill(s->child, SIGKILL);    /* another process may hold the pipe's other end open */
    reap(s);
    munmap(s->wire, s->bytes);
    free(s);
}

static struct own_process *no_room(struct own_process *s, char *why)
{
    if (s->wire != MAP_FAILED)
        munmap(s->wire, s->bytes);
    free(s);
    say(why, "There is no memory, or no pipe, for the process of a library.");
    return NULL;
}

struct own_process *own_start(const struct own *w, const char *library, own_load *load, enum swax_precision also,
                              double numbers, char *why)
{
    struct own_process *s = op_take(1, sizeof *s);
    int go[2], done[2];
    s->own = w;
    s->library = library;
    s->half = (size_t)numbers * sizeof(double) + OWN_TENSORS * (2 * GUARD * sizeof(double) + 2 * ALIGN);
    s->half += PAGE - s->half % PAGE + ALIGN;    /* a line on, arrays lie otherwise in a page */
    s->bytes = HEAD + 2 * s->half;
    s->wire = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (s->wire == MAP_FAILED || pipe(go))
        return no_room(s, why);
    if (pipe(done)) {
        close(go[0]), close(go[1]);
        return no_room(s, why);
    }
    signal(SIGPIPE, SIG_IGN);
    fflush(NULL);
    s->child = fork();
    if (!s->child) {
        close(go[1]), close(done[0]);
        work(w, library, load, also, s->wire, go[0], done[1]);
    }
    close(go[0]), close(done[1]);
    s->go = go[1], s->done = done[0];
    if (s->child > 0 && heard(s))
        return s;
    say(why, "%s",
        s->wire->wrong[0] ? s->wire->wrong
        : s->child < 0    ? "No process could be started for a library."
                          : "A library ended its process when it was loaded.");
    own_stop(s);
    return NULL;
}

int own_gone(const struct own_process *s) { return s->child < 0; }

int own_has(const struct own_process *s, enum swax_precision precision) { return s->wire->has[precision]; }

/* A NaN in every type, which 0 is not. */
static void poison(unsigned char *p, size_t bytes, size_t w)
{
    for (size_t i = 0; i < bytes; i++)
        p[i] = i % w == w - 1 ? 0x7F : w == 8 && i % w == w - 2 ? 0xF4 : 0xA5;
}

/* Bytes of one array with its guard zones, in whole lines. */
static size_t span(const struct own_process *s, const struct own_problem *p, int i, enum swax_precision precision)
{
    const size_t w = element_width(s->own->tensor[i].type, precision);
    return (((size_t)p->n[i] + 2 * GUARD) * w + ALIGN - 1) / ALIGN * ALIGN + ALIGN;
}

static const char *said(const struct own_process *s, const char *what, const char *of, char trouble[OP_SENTENCE])
{
    snprintf(trouble, OP_SENTENCE, "%s of %.80s %s%s", s->own->function, s->library, what, of);
    return trouble;
}

static const char *died(struct own_process *s, char trouble[OP_SENTENCE])
{
    const int status = reap(s), killed = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    char within[48];
    snprintf(within, sizeof within, "did not return within %d seconds", SECONDS);
    return killed == SIGALRM ? said(s, within, "", trouble)
         : killed            ? said(s, "crashed: ", strsignal(killed), trouble)
                             : said(s, "ended the process", "", trouble);
}

/* Bring the arrays home, and look at what must not have changed. */
static const char *fetch(struct own_process *s, enum swax_precision precision, struct own_problem *p,
                         const unsigned char *before, size_t start, long unwritten[OWN_TENSORS],
                         char trouble[OP_SENTENCE])
{
    const char *wrong = NULL;
    for (int i = 0; i < s->own->tensors; i++) {
        const struct own_tensor *t = &s->own->tensor[i];
        const size_t w = element_width(t->type, precision), bytes = (size_t)p->n[i] * w,
                     behind = span(s, p, i, precision) - ALIGN - GUARD * w - bytes;
        const unsigned char *now = arrays(s->wire) + s->wire->at[i], *was = before + (s->wire->at[i] - start);
        unwritten[i] = 0;
        if (!wrong && memcmp(now - GUARD * w, was - GUARD * w, GUARD * w))
            wrong = said(s, "wrote before the beginning of ", t->name, trouble);
        if (!wrong && memcmp(now + bytes, was + bytes, behind))
            wrong = said(s, "wrote behind the end of ", t->name, trouble);
        if (!wrong && t->role == IN && memcmp(now, was, bytes))
            wrong = said(s, "changed its input ", t->name, trouble);
        for (long e = 0; e < p->n[i] && t->role != IN; e++) {
            unwritten[i] += t->role == OUT && !memcmp(now + (size_t)e * w, was + (size_t)e * w, w);
            p->at[i][e] = element_get(now, t->type, precision, e);
        }
    }
    return wrong;
}

const char *own_call(struct own_process *s, enum swax_precision precision, struct own_problem *p, int place,
                     long unwritten[OWN_TENSORS], char trouble[OP_SENTENCE])
{
    struct wire *wire = s->wire;
    const size_t start = place ? s->half : 0;
    size_t at = start;
    if (own_gone(s))
        return died(s, trouble);
    wire->precision = (int)precision;
    wire->tensors = s->own->tensors;
    memcpy(wire->size, p->size, sizeof p->size);
    memcpy(wire->scalar, p->scalar, sizeof p->scalar);
    for (int i = 0; i < s->own->tensors; i++) {
        const struct own_tensor *t = &s->own->tensor[i];
        const size_t w = element_width(t->type, precision), bytes = span(s, p, i, precision);
        wire->at[i] = at + GUARD * w + (i % 2 ? w : 0);      /* every other one is not aligned */
        poison(arrays(wire) + at, bytes, w);
        for (long e = 0; e < p->n[i] && t->role != OUT; e++)
            element_put(arrays(wire) + wire->at[i], t->type, precision, e, p->at[i][e]);
        at += bytes;
    }
    unsigned char *before = op_take(at - start, 1);
    memcpy(before, arrays(wire) + start, at - start);
    const int rounding = fegetround();
    const char *wrong = write(s->go, "", 1) != 1 || !heard(s)
                          ? died(s, trouble)
                          : fetch(s, precision, p, before, start, unwritten, trouble);
    free(before);
    return wrong ? wrong : wire->rounding != rounding ? said(s, "left the rounding mode changed", "", trouble) : NULL;
}
