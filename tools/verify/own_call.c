/* own_call.c - somebody's function in a process of its own. Its arrays lie in memory that both processes have,
 * between guard zones, and what it is to write is poisoned; what it may not write, to the end of the last page, is
 * compared with a copy that it cannot reach. The rest of that memory it cannot touch while it runs. */
#define _DEFAULT_SOURCE
#include "tools/verify/own.h"

#include <dlfcn.h>
#include <fenv.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "tools/lib/say.h"
#include "tools/verify/element.h"
#include "tools/verify/stranger.h"

enum { GUARD = 64, ALIGN = 64, PAGE = 65536, SECONDS = 600 };      /* no machine's pages are larger */

/* What passes between the two; behind it, the arrays. */
struct wire {
    char wrong[SWAX_WHY];
    int has[SWAX_PRECISIONS], precision, rounding, size[OWN_SIZES], tensors;
    double scalar[OWN_SCALARS];
    size_t from, to, at[OWN_TENSORS];      /* whole pages, and where in them the arrays lie */
};

struct own_process {
    struct stranger is;
    size_t half, from, to, at[OWN_TENSORS];     /* where its arrays lie, which it may not say */
    const struct own *own;
    const char *library;
};

/* What it needs to know. */
struct own_work {
    const struct own *own;
    const char *library;
    own_load *load;
    enum swax_precision also;
    size_t bytes;
    own_function *f[SWAX_PRECISIONS];
    fenv_t ours;
};

static const char *const suffix[SWAX_PRECISIONS] = {"", "_f64", "_bf16"};

enum { HEAD = sizeof(struct wire) + PAGE - sizeof(struct wire) % PAGE };      /* before the arrays, in whole pages */

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

static int load(void *arg, void *shared)
{
    struct own_work *k = arg;
    struct wire *w = shared;
    fegetenv(&k->ours);      /* -ffast-math has a constructor that flushes subnormal numbers to 0 */
    if (k->load(k->f, k->own, k->library, w->wrong))
        return 0;
    for (int p = 0; p < SWAX_PRECISIONS; p++)
        w->has[p] = k->f[p] != NULL;
    if (!k->f[k->also])
        say(w->wrong, "%.200s exports no function %s%s.", k->library, k->own->function, suffix[k->also]);
    return k->f[k->also] != NULL;
}

static void answer(void *arg, void *shared)
{
    struct own_work *k = arg;
    struct wire *w = shared, is = *w;
    void *tensor[OWN_TENSORS];
    for (int i = 0; i < is.tensors; i++)
        tensor[i] = arrays(w) + is.at[i];
    mprotect(w, HEAD + is.from, PROT_NONE);
    mprotect(arrays(w) + is.to, k->bytes - HEAD - is.to, PROT_NONE);
    fesetenv(&k->ours);
    k->f[is.precision](tensor, is.size, is.scalar);
    mprotect(w, k->bytes, PROT_READ | PROT_WRITE);
    w->rounding = fegetround();
}

/* ---- outside */

void own_stop(struct own_process *s)
{
    stranger_stop(&s->is);
    free(s);
}

struct own_process *own_start(const struct own *w, const char *library, own_load *loads, enum swax_precision also,
                              double numbers, char *why)
{
    static const struct stranger_work works = {load, answer};
    struct own_process *s = op_take(1, sizeof *s);
    struct own_work k = {.own = w, .library = library, .load = loads, .also = also};
    s->own = w;
    s->library = library;
    s->half = (size_t)numbers * sizeof(double) + OWN_TENSORS * (2 * GUARD * sizeof(double) + 2 * ALIGN);
    s->half += PAGE - s->half % PAGE + ALIGN;    /* a line on, arrays lie otherwise in a page */
    k.bytes = HEAD + 2 * s->half + PAGE;
    if (!stranger_start(&s->is, &works, &k, k.bytes, SECONDS, "a library", why))
        return s;
    free(s);
    return NULL;
}

int own_gone(const struct own_process *s) { return stranger_gone(&s->is); }

void own_hurry(struct own_process *s, double seconds) { s->is.seconds = seconds; }

int own_has(const struct own_process *s, enum swax_precision precision)
{
    return ((const struct wire *)s->is.shared)->has[precision];
}

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
    snprintf(trouble, OP_SENTENCE, "%s of %.80s %s%.40s", s->own->function, s->library, what, of);
    return trouble;
}

/* Bring the arrays home, and look at what must not have changed. */
static const char *fetch(struct own_process *s, enum swax_precision precision, struct own_problem *p,
                         const unsigned char *before, long unwritten[OWN_TENSORS],
                         char trouble[OP_SENTENCE])
{
    const char *wrong = NULL;
    size_t front = s->from;
    for (int i = 0; i < s->own->tensors; i++) {
        const struct own_tensor *t = &s->own->tensor[i];
        const size_t w = element_width(t->type, precision), bytes = (size_t)p->n[i] * w, end = s->at[i] + bytes,
                     next = i + 1 < s->own->tensors ? end + GUARD * w : s->to;
        const unsigned char *all = arrays(s->is.shared), *now = all + s->at[i], *was = before + (s->at[i] - s->from);
        unwritten[i] = 0;
        if (!wrong && memcmp(all + front, before + (front - s->from), s->at[i] - front))
            wrong = said(s, "wrote before the beginning of ", t->name, trouble);
        front = next;
        if (!wrong && memcmp(now + bytes, was + bytes, next - end))
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
    struct wire *wire = s->is.shared;
    const size_t start = place ? s->half : 0;
    size_t at = start;
    char fate[FATE];
    wire->precision = (int)precision;
    wire->tensors = s->own->tensors;
    memcpy(wire->size, p->size, sizeof p->size);
    memcpy(wire->scalar, p->scalar, sizeof p->scalar);
    s->from = start / PAGE * PAGE, s->to = start;
    for (int i = 0; i < s->own->tensors; i++)
        s->to += span(s, p, i, precision);
    s->to = (s->to + PAGE - 1) / PAGE * PAGE;
    wire->from = s->from, wire->to = s->to;
    memset(arrays(wire) + s->from, 0xFF, s->to - s->from);      /* a NaN in every type, around what has another */
    for (int i = 0; i < s->own->tensors; i++) {
        const struct own_tensor *t = &s->own->tensor[i];
        const size_t w = element_width(t->type, precision), bytes = span(s, p, i, precision);
        wire->at[i] = s->at[i] = at + GUARD * w + (i % 2 ? w : 0);      /* every other one is not aligned */
        poison(arrays(wire) + at, bytes, w);
        for (long e = 0; e < p->n[i] && t->role != OUT; e++)
            element_put(arrays(wire) + s->at[i], t->type, precision, e, p->at[i][e]);
        at += bytes;
    }
    unsigned char *before = op_take(s->to - s->from, 1);
    memcpy(before, arrays(wire) + s->from, s->to - s->from);
    const int rounding = fegetround();
    const char *wrong = stranger_ask(&s->is, fate) ? said(s, fate, "", trouble)
                                                   : fetch(s, precision, p, before, unwritten, trouble);
    free(before);
    return wrong ? wrong : wire->rounding != rounding ? said(s, "left the rounding mode changed", "", trouble) : NULL;
}
