/* plugin.c - somebody's shared object over a suite.
 *
 * Every problem is put twice, at different addresses; every few problems, other numbers are put where the last ones
 * lay, and the last ones again: who keeps answers, by address or by number of calls, is found out. */
#include "tools/verify/worker.h"

#include <dlfcn.h>
#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/lib/say.h"
#include "tools/verify/long.h"
#include "tools/verify/plugin.h"

enum { SLOTS = 96 };

static const char *const suffix[SWAX_PRECISIONS] = {"", "_f64", "_bf16"};

/* In the worker.  kernels.h's table as opspec.h's rows: one pointer each, in the same order. */
static const char *load(struct loaded *l, void *arg, char *why)
{
    const struct plugin *p = arg;
    static void *slot[SLOTS];
    fenv_t ours;
    char here[4096];      /* a name without a slash would be looked for among the system's libraries */
    snprintf(here, sizeof here, "%s%s", strchr(p->path, '/') || access(p->path, F_OK) ? "" : "./", p->path);
    fegetenv(&ours);
    void *object = dlopen(here, RTLD_NOW | RTLD_LOCAL);
    fesetenv(&ours);      /* -ffast-math has a constructor that flushes subnormal numbers to 0, for the whole process */
    if (!object)
        return access(here, F_OK)
                 ? say(why, "%.250s cannot be read: there is no such file.", p->path)
                 : say(why, "%.120s is no shared object that can be loaded, such as `cc -shared -fPIC` makes: %.250s.",
                       p->path, dlerror());
    int found = 0;
    for (int part = 0; part < p->subject.n; part++) {
        char name[80];
        snprintf(name, sizeof name, "%s%s", swax_ops[p->subject.op[part]].name, suffix[p->precision]);
        void *f = dlsym(object, name);
        slot[p->subject.op[part]] = f;
        l->offers[part] = f != NULL;
        found += f != NULL;
    }
    l->precision = p->precision;
    l->tier = (struct swax_tier){.name = p->path};
    void *table = slot;
    memcpy(p->precision == SWAX_PREC_F64 ? (void *)&l->tier.f64
           : p->precision == SWAX_PREC_BF16 ? (void *)&l->tier.bf16 : (void *)&l->tier.f32, &table, sizeof table);
    return found ? NULL
                 : say(why, "%.120s exports neither %s%s nor its backward, with the signature in kernels.h.", p->path,
                       swax_ops[p->subject.op[0]].name, suffix[p->precision]);
}

/* Answers that it does not give: of a kernel that it has not, all. */
static void drop(struct op_case *c, const char *names)
{
    for (int i = 0; i < c->n; i++)
        if (op_answers(&swax_ops[c->op].arg[i]) && (!names || word_is_among(swax_ops[c->op].arg[i].name, names))) {
            free(c->arg[i]);
            c->arg[i] = NULL;
        }
}

/* ---- a problem */

/* Both parts, those that it has: `second` is what it says at another place. */
static const char *put(struct plugin *p, struct worker *w, const struct problem *q, struct op_case got[PARTS],
                       struct op_case second[PARTS], int *lost)
{
    struct conduct conduct;
    answers_copy(second, q, got);
    const char *wrong =
        worker_ask(w, &q->subject, (1u << q->subject.n) - 1, got, second, 0, &conduct, p->trouble, lost);
    for (int part = 0; part < q->subject.n && !*lost; part++) {
        const char *names = conduct.offers[part] ? q->wish.without : NULL;
        drop(&got[part], names);
        drop(&second[part], names);
    }
    return wrong;
}

/* Again, for tools/verify/again.c: alone is in a process that has not seen anything. */
static const char *ask_again(void *arg, const struct problem *q, struct op_case got[PARTS], enum again_how how,
                             int *lost)
{
    struct plugin *p = arg;
    struct op_case second[PARTS];
    char why[SWAX_WHY];
    struct worker *w = how == AGAIN_ALONE ? worker_start(p->loads, p, p->numbers, why) : p->worker;
    if (!w) {
        snprintf(p->trouble, sizeof p->trouble, "%.190s", why);
        return p->trouble;
    }
    const char *wrong = put(p, w, q, got, second, lost);
    for (int part = 0; part < q->subject.n && !wrong && !*lost; part++) {
        if (how != AGAIN_ELSEWHERE && part_is_right(q, second, part))
            continue;      /* of two answers that differ, the one that is wrong counts */
        const struct op_case at_the_first = got[part];
        got[part] = second[part];
        second[part] = at_the_first;
    }
    answers_free(second);
    if (how == AGAIN_ALONE)
        worker_stop(w);
    return wrong;
}

static const char *answer(void *arg, const struct problem *q, struct op_case got[PARTS], struct report *r, int *lost)
{
    struct plugin *p = arg;
    struct op_case second[PARTS];
    const char *wrong = put(p, p->worker, q, got, second, lost);
    wrong = wrong ? wrong : again_second(&p->again, q, got, second, r);
    answers_free(second);
    return wrong || *lost || again_saw(&p->again, q) ? wrong : again_replay(&p->again, q, got, r, lost);
}

const char *verify_plugin(const char *path, const struct plan *plan, int time, struct report *r, char *why)
{
    return verify_stranger(load, path, plan, time, r, why);
}

const char *verify_stranger(load_fn *loads, const char *path, const struct plan *plan, int time, struct report *r,
                            char *why)
{
    struct plugin p = {.path = path, .subject = plan->subject, .precision = dtype_precision(plan->wish.dtype),
                       .loads = loads, .again = {.ask = ask_again, .arg = &p, .by_part = 1}};
    struct size size;
    const char *wrong = plan_size(plan, &size, why);
    const int gauge = r->gauge;
    if (wrong)
        return wrong;
    if (suite_is_long(plan->suite))
        return time ? say(why, "time=yes: suite=long is not timed; leave out one of them.")
                    : verify_long(loads, &p, plan, r, why);
    p.numbers = size.numbers;
    p.worker = worker_start(loads, &p, p.numbers, why);
    if (!p.worker)
        return why;
    report_begin(r, plan);
    r->gauge = gauge;
    wrong = verify_run(plan, &(struct candidate){.answer = answer, .arg = &p, .other = &p.again.other}, r, why);
    const char *later = !wrong && r->failed && !r->trouble[0] ? again_first(&p.again) : NULL;
    if (later)
        snprintf(r->trouble, sizeof r->trouble, "%s", later);
    if (!wrong && !r->failed && time) {    /* no speed of what is wrong */
        const char *trouble = plugin_time(&p, plan, &r->timing, why);
        r->failed += trouble != NULL;
        snprintf(r->trouble, sizeof r->trouble, "%.*s", OP_SENTENCE - 1, trouble ? trouble : "");
    }
    worker_stop(p.worker);
    again_free(&p.again);
    return wrong;
}
