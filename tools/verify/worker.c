/* worker.c - see worker.h.  Two pipes say "go" and "done"; the numbers lie in memory that both processes have. */
#define _DEFAULT_SOURCE    /* MAP_ANONYMOUS */
#include "tools/verify/worker.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "tools/lib/clock.h"
#include "tools/lib/say.h"

enum { SECONDS = 600, FLUSH = 256 << 20 };

/* What passes between the two; behind it, the numbers. */
struct wire {
    char wrong[SWAX_WHY];             /* why nothing was loaded */
    unsigned parts;
    int timed;
    struct op_case c[PARTS];          /* whose pointers mean nothing there; `at` does */
    size_t at[PARTS][OP_ARGS], second[PARTS][OP_ARGS];    /* in doubles, from 1; 0: NULL */
    struct conduct conduct;
    char trouble[OP_SENTENCE];
};

struct worker { pid_t child; int go, done; struct wire *wire; size_t bytes; struct subject subject; };

static double *numbers(struct wire *w) { return (double *)(void *)(w + 1); }

/* ---- in the worker */

struct watch { double begun, ended; unsigned char *flush; };

/* Whatever was in the caches is not. */
static void begin_watch(void *arg)
{
    struct watch *w = arg;
    for (size_t i = 0; i < FLUSH && w->flush; i += 64)
        w->flush[i]++;
    w->begun = clock_seconds();
}

static int end_watch(void *arg)
{
    ((struct watch *)arg)->ended = clock_seconds();
    return 0;
}

static int is_written(const struct op_case *c, int i) { return op_answers(&swax_ops[c->op].arg[i]); }

/* One call on a copy of what stands on the wire. */
static int call(struct loaded *l, struct wire *w, struct op_case *got, int part, size_t shift, struct op_room *room,
                struct watch *watch)
{
    *got = w->c[part];
    got->room = room;
    got->by = NULL;
    got->again = watch ? end_watch : NULL;
    got->start = watch ? begin_watch : NULL;
    got->again_arg = watch;
    room->shift = shift;
    for (int i = 0; i < got->n; i++) {
        got->arg[i] = w->at[part][i] ? op_take((size_t)got->size[i], sizeof(double)) : NULL;
        if (got->arg[i])
            memcpy(got->arg[i], numbers(w) + w->at[part][i] - 1, (size_t)got->size[i] * sizeof(double));
    }
    const char *trouble = op_run(&l->tier, l->precision, got);
    if (trouble && !w->trouble[0])
        memcpy(w->trouble, got->trouble, OP_SENTENCE);
    memcpy(w->c[part].unwritten, got->unwritten, sizeof got->unwritten);
    return !trouble;
}

static void put(struct wire *w, const struct op_case *got, int part, size_t (*at)[OP_ARGS])
{
    for (int i = 0; i < got->n; i++)
        if (got->arg[i] && is_written(got, i) && at[part][i])
            memcpy(numbers(w) + at[part][i] - 1, got->arg[i], (size_t)got->size[i] * sizeof(double));
}

/* Of the two calls, the first lies where the last one did: `turn` says where that was. */
static void answer(struct loaded *l, struct wire *w, struct op_room *room, unsigned char *flush, int turn)
{
    w->trouble[0] = 0;
    for (int part = 0; part < PARTS; part++) {
        struct op_case first, second;
        struct watch watch = {.flush = flush};
        w->conduct.unequal[part] = 0;
        w->conduct.offers[part] = l->offers[part];
        if (!l->offers[part] || !(w->parts >> part & 1))
            continue;
        const size_t shift = (size_t)case_numbers(&w->c[part]) * sizeof(double) + 4160;
        int fine = call(l, w, &first, part, turn ? shift : 0, room, w->timed ? &watch : NULL);
        w->conduct.seconds[part] = watch.ended - watch.begun;
        if (!w->timed && fine) {
            fine = call(l, w, &second, part, turn ? 0 : shift, room, NULL);
            for (int i = 0; i < first.n && fine; i++)
                if (first.arg[i] && is_written(&first, i) &&
                    memcmp(first.arg[i], second.arg[i], (size_t)first.size[i] * sizeof(double)))
                    w->conduct.unequal[part] |= 1u << i;
            put(w, &second, part, w->second);
            op_case_free(&second);
        }
        put(w, &first, part, w->at);
        op_case_free(&first);
    }
}

/* Work until the other end of the pipe is closed. */
static void work(struct loaded *l, struct wire *w, int go, int done, size_t most)
{
    struct op_room room = {op_take(most, 1), most, 0};
    unsigned char *flush = malloc(FLUSH);
    char token = 0;
    for (int turn = 0; read(go, &token, 1) == 1; turn = !turn) {
        alarm(SECONDS);
        answer(l, w, &room, flush, turn);
        alarm(0);
        if (write(done, &token, 1) != 1)
            break;
    }
}

static struct wire *starved;    /* who is to hear that memory ran out there */

static void no_memory(void)
{
    say(starved->wrong, "There is no memory for the plugin's arrays.");
    _exit(1);
}

/* ---- outside */

static struct worker *start_failed(struct worker *w, const char *wrong, char *why)
{
    if (wrong != why)
        say(why, "%s", wrong);
    munmap(w->wire, w->bytes);
    free(w);
    return NULL;
}

/* Wait for the worker's word: 1, or 0 if it died. */
static int heard(struct worker *w)
{
    char token;
    ssize_t n;
    do
        n = read(w->done, &token, 1);
    while (n < 0 && errno == EINTR);
    return n == 1;
}

struct worker *worker_start(load_fn *load, void *arg, double most, char *why)
{
    struct worker *w = op_take(1, sizeof *w);
    int go[2], done[2];
    w->bytes = sizeof *w->wire + (size_t)(2 * most) * sizeof(double);
    w->wire = mmap(NULL, w->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (w->wire == MAP_FAILED) {
        free(w);
        say(why, "There is no memory for the plugin's arrays.");
        return NULL;
    }
    if (pipe(go))
        return start_failed(w, "No pipe could be opened to the plugin's process.", why);
    if (pipe(done)) {
        close(go[0]), close(go[1]);
        return start_failed(w, "No pipe could be opened to the plugin's process.", why);
    }
    fflush(stdout);
    fflush(stderr);
    w->child = fork();
    if (!w->child) {
        struct loaded l;
        memset(&l, 0, sizeof l);
        close(go[1]), close(done[0]);
        starved = w->wire;
        op_memory_gone(no_memory);
        alarm(SECONDS);
        const int loaded = !load(&l, arg, w->wire->wrong);
        alarm(0);
        if (loaded && write(done[1], "", 1) == 1)
            work(&l, w->wire, go[0], done[1], (size_t)(4 * most + 65536) * sizeof(double));
        _exit(0);
    }
    close(go[0]), close(done[1]);
    w->go = go[1], w->done = done[0];
    if (w->child > 0 && heard(w))
        return w;
    const int lost = w->child < 0;
    say(why, "%s", w->wire->wrong[0] ? w->wire->wrong
                 : lost ? "No process could be started for the plugin."
                 : "The plugin ended its process when it was loaded.");
    worker_stop(w);
    return NULL;
}

static int reap(struct worker *w)
{
    int status = 0;
    if (w->child > 0)
        waitpid(w->child, &status, 0);
    w->child = -1;
    return status;
}

void worker_stop(struct worker *w)
{
    close(w->go), close(w->done);
    reap(w);
    munmap(w->wire, w->bytes);
    free(w);
}

static size_t lay(struct wire *w, const struct op_case *c, int part, size_t at, int second)
{
    for (int i = 0; i < c->n; i++) {
        size_t *place = second ? &w->second[part][i] : &w->at[part][i];
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
    struct wire *wire = w->wire;
    size_t at = 0;
    wire->parts = parts;
    wire->timed = timed;
    for (int part = 0; part < PARTS; part++) {
        if (!(parts >> part & 1))
            continue;
        wire->c[part] = got[part];
        at = lay(wire, &got[part], part, at, 0);
        for (int i = 0; i < got[part].n; i++)
            if (got[part].arg[i])
                memcpy(numbers(wire) + wire->at[part][i] - 1, got[part].arg[i],
                       (size_t)got[part].size[i] * sizeof(double));
    }
    for (int part = 0; part < PARTS && !timed; part++)
        at = parts >> part & 1 ? lay(wire, &got[part], part, at, 1) : at;
    signal(SIGPIPE, SIG_IGN);
    if (write(w->go, "", 1) != 1 || !heard(w)) {
        const int status = reap(w), killed = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        *lost = 1;
        if (wire->wrong[0] || (killed && killed != SIGALRM))
            snprintf(trouble, OP_SENTENCE, "%s crashed: %.100s", s->name,
                     wire->wrong[0] ? wire->wrong : strsignal(killed));
        else if (killed)
            snprintf(trouble, OP_SENTENCE, "%s did not return within %d seconds", s->name, SECONDS);
        else
            snprintf(trouble, OP_SENTENCE, "%s ended the process", s->name);
        return trouble;
    }
    for (int part = 0; part < PARTS; part++) {
        if (!(parts >> part & 1))
            continue;
        take(wire, &got[part], part, wire->at);
        if (!timed && second)
            take(wire, &second[part], part, wire->second);
    }
    *conduct = wire->conduct;
    memcpy(trouble, wire->trouble, OP_SENTENCE);
    return trouble[0] ? trouble : NULL;
}
