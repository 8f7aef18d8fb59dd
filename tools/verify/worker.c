/* worker.c - see worker.h.  What is asked and answered lies in memory that both processes have; what only the judge may
 * say, such as where it lies, he keeps to himself.  While the kernel runs, it can touch its own arrays and what stands
 * around them, which op_run compares; to touch the other ends the process. */
#define _DEFAULT_SOURCE    /* MAP_ANONYMOUS */
#include "tools/verify/worker.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "tools/lib/clock.h"
#include "tools/lib/say.h"
#include "tools/verify/stranger.h"

enum { SECONDS = 600, FLUSH = 256 << 20 };

/* Where numbers lie, in doubles, from 1; 0: NULL. */
struct layout { size_t at[PARTS][OP_ARGS], second[PARTS][OP_ARGS]; };

/* What passes between the two; behind it, the numbers. */
struct wire {
    char wrong[SWAX_WHY];             /* why nothing was loaded */
    unsigned parts;
    int timed, offers[PARTS];
    struct op_case c[PARTS];          /* whose pointers mean nothing there */
    struct layout layout;
    double seconds[PARTS];
    char trouble[OP_SENTENCE];
};

struct worker { struct stranger is; struct layout layout; int offers[PARTS]; };

static double *numbers(struct wire *w) { return (double *)(void *)(w + 1); }

static int is_written(const struct op_case *c, int i) { return op_answers(&swax_ops[c->op].arg[i]); }

/* ---- in the worker */

enum { SEEN = 2048 };

struct watch {
    double begun, ended;
    unsigned char *flush;
    const unsigned char *from;        /* where this call's arrays lie, */
    uint64_t random;
    int n;                            /* and some words of it as they were when it returned */
    struct { size_t at; uint64_t word; } seen[SEEN];
};

struct work {
    load_fn *load;
    void *arg;
    size_t most;
    struct loaded l;
    struct op_room room;
    void *shared;                     /* with the judge */
    size_t shared_bytes;
    struct watch watch;
    int turn;
};

static size_t pages(const struct work *k, size_t bytes)
{
    return (bytes + k->room.page - 1) / k->room.page * k->room.page;
}

/* What is the judge's, and in the room what is before this call's arrays and behind them. */
static void shield(struct work *k, int access)
{
    const struct op_room *r = &k->room;
    mprotect(k->shared, k->shared_bytes, access);
    mprotect(r->at, r->shift, access);
    mprotect(r->at + r->used, r->bytes - r->used, access);      /* a room's last array goes on to the end of a page */
}

static void begin_call(void *arg) { shield(arg, PROT_NONE); }

/* And whatever was in the caches is not. */
static void begin_watch(void *arg)
{
    struct watch *w = &((struct work *)arg)->watch;
    begin_call(arg);
    for (size_t i = 0; i < FLUSH && w->flush; i += 64)
        w->flush[i]++;
    w->begun = clock_seconds();
}

/* What is written after this moment, by a thread or a handler, took no time that was measured. */
static int end_watch(void *arg)
{
    struct work *k = arg;
    struct watch *w = &k->watch;
    w->ended = clock_seconds();
    w->from = k->room.at + k->room.shift;
    for (w->n = 0; w->n < SEEN; w->n++) {
        w->seen[w->n].at = op_random(&w->random) % ((k->room.used - k->room.shift) / 8) * 8;
        memcpy(&w->seen[w->n].word, w->from + w->seen[w->n].at, 8);
    }
    return 0;
}

static int is_as_it_was(const struct watch *w)
{
    int same = 1;
    for (int k = 0; k < w->n; k++)
        same &= !memcmp(&w->seen[k].word, w->from + w->seen[k].at, 8);
    return same;
}

/* One call on a copy of what stands on the wire. */
static int call(struct work *k, struct wire *w, struct op_case *got, int part, size_t shift)
{
    struct watch *watch = &k->watch;
    const int late = !is_as_it_was(watch);
    *got = w->c[part];
    got->room = &k->room;
    got->by = NULL;
    got->again = w->timed ? end_watch : NULL;
    got->start = w->timed ? begin_watch : begin_call;
    got->again_arg = k;
    k->room.shift = shift;
    for (int i = 0; i < got->n; i++) {
        got->arg[i] = w->layout.at[part][i] ? op_take((size_t)got->size[i], sizeof(double)) : NULL;
        if (got->arg[i])
            memcpy(got->arg[i], numbers(w) + w->layout.at[part][i] - 1, (size_t)got->size[i] * sizeof(double));
    }
    const int timed = w->timed;
    const char *trouble = op_run(&k->l.tier, k->l.precision, got);
    if (!timed)
        end_watch(k);
    shield(k, PROT_READ | PROT_WRITE);
    if (!trouble && (late || !is_as_it_was(watch))) {
        snprintf(got->trouble, OP_SENTENCE, "%s went on writing after it had returned", swax_ops[got->op].name);
        trouble = got->trouble;
    }
    if (trouble && !w->trouble[0])
        memcpy(w->trouble, trouble, OP_SENTENCE);
    memcpy(w->c[part].unwritten, got->unwritten, sizeof got->unwritten);
    return !trouble;
}

static void put(struct wire *w, const struct op_case *got, int part, size_t (*at)[OP_ARGS])
{
    for (int i = 0; i < got->n; i++)
        if (got->arg[i] && is_written(got, i) && at[part][i])
            memcpy(numbers(w) + at[part][i] - 1, got->arg[i], (size_t)got->size[i] * sizeof(double));
}

static struct wire *starved;    /* who is to hear that memory ran out there */

static void no_memory(void)
{
    say(starved->wrong, "There is no memory for the plugin's arrays.");
    _exit(1);
}

static int load(void *arg, void *shared)
{
    struct work *k = arg;
    struct wire *w = shared;
    starved = w;
    k->shared = shared;
    op_memory_gone(no_memory);
    if (k->load(&k->l, k->arg, w->wrong))
        return 0;
    memcpy(w->offers, k->l.offers, sizeof w->offers);
    return 1;
}

/* Of the two calls, the first lies where the last one did: `turn` says where that was. */
static void answer(void *arg, void *shared)
{
    struct work *k = arg;
    struct wire *w = shared;
    if (!k->room.at) {
        k->room.page = (size_t)sysconf(_SC_PAGESIZE);
        k->room.bytes = pages(k, k->most) + 8 * k->room.page;
        k->room.at = mmap(NULL, k->room.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (k->room.at == MAP_FAILED)
            no_memory();
        k->watch.flush = malloc(FLUSH);
    }
    w->trouble[0] = 0;
    for (int part = 0; part < PARTS; part++) {
        struct op_case first, second;
        if (!k->l.offers[part] || !(w->parts >> part & 1))
            continue;
        const size_t shift = pages(k, (size_t)case_numbers(&w->c[part]) * sizeof(double) + 4160);
        const int fine = call(k, w, &first, part, k->turn ? shift : 0);
        w->seconds[part] = k->watch.ended - k->watch.begun;
        if (!w->timed && fine) {
            call(k, w, &second, part, k->turn ? 0 : shift);
            put(w, &second, part, w->layout.second);
            op_case_free(&second);
        }
        put(w, &first, part, w->layout.at);
        op_case_free(&first);
    }
    k->turn = !k->turn;
}

/* ---- outside */

struct worker *worker_start(load_fn *loads, void *arg, double most, char *why)
{
    static const struct stranger_work works = {load, answer};
    struct worker *w = op_take(1, sizeof *w);
    struct work *k = op_take(1, sizeof *k);
    *k = (struct work){.load = loads, .arg = arg, .most = (size_t)(4 * most + 65536) * sizeof(double),
                       .shared_bytes = sizeof(struct wire) + (size_t)(2 * most) * sizeof(double)};
    const char *wrong = stranger_start(&w->is, &works, k, k->shared_bytes, SECONDS, "the plugin", why);
    free(k);
    if (wrong) {
        free(w);
        return NULL;
    }
    memcpy(w->offers, ((const struct wire *)w->is.shared)->offers, sizeof w->offers);
    return w;
}

void worker_stop(struct worker *w)
{
    stranger_stop(&w->is);
    free(w);
}

static size_t lay(struct worker *w, const struct op_case *c, int part, size_t at, int second)
{
    for (int i = 0; i < c->n; i++) {
        size_t *place = second ? &w->layout.second[part][i] : &w->layout.at[part][i];
        *place = c->arg[i] && (!second || is_written(c, i)) ? at + 1 : 0;
        at += *place ? (size_t)c->size[i] : 0;
    }
    return at;
}

static void take(struct wire *w, struct op_case *c, int part, size_t (*at)[OP_ARGS])
{
    memcpy(c->unwritten, w->c[part].unwritten, sizeof c->unwritten);
    for (int i = 0; i < c->n; i++)
        if (c->arg[i] && is_written(c, i))
            memcpy(c->arg[i], numbers(w) + at[part][i] - 1, (size_t)c->size[i] * sizeof(double));
}

const char *worker_ask(struct worker *w, const struct subject *s, unsigned parts, struct op_case got[PARTS],
                       struct op_case second[PARTS], int timed, struct conduct *conduct, char trouble[OP_SENTENCE],
                       int *lost)
{
    struct wire *wire = w->is.shared;
    char fate[FATE];
    size_t at = 0;
    wire->parts = parts;
    wire->timed = timed;
    *conduct = (struct conduct){.seconds = {0}};
    memcpy(conduct->offers, w->offers, sizeof w->offers);
    for (int part = 0; part < PARTS; part++) {
        if (!(parts >> part & 1))
            continue;
        wire->c[part] = got[part];
        at = lay(w, &got[part], part, at, 0);
        for (int i = 0; i < got[part].n; i++)
            if (got[part].arg[i])
                memcpy(numbers(wire) + w->layout.at[part][i] - 1, got[part].arg[i],
                       (size_t)got[part].size[i] * sizeof(double));
    }
    for (int part = 0; part < PARTS && !timed; part++)
        at = parts >> part & 1 ? lay(w, &got[part], part, at, 1) : at;
    wire->layout = w->layout;
    if (stranger_ask(&w->is, fate)) {
        *lost = 1;
        if (wire->wrong[0])
            snprintf(trouble, OP_SENTENCE, "%s crashed: %.*s", s->name,
                     (int)strcspn(wire->wrong, "."), wire->wrong);
        else
            snprintf(trouble, OP_SENTENCE, "%s %s", s->name, fate);
        return trouble;
    }
    memcpy(trouble, wire->trouble, OP_SENTENCE);
    trouble[OP_SENTENCE - 1] = 0;
    for (int part = 0; part < PARTS; part++) {
        if (!(parts >> part & 1))
            continue;
        conduct->seconds[part] = wire->seconds[part];
        take(wire, &got[part], part, w->layout.at);
        if (!timed && second)
            take(wire, &second[part], part, w->layout.second);
    }
    return trouble[0] ? trouble : NULL;
}
