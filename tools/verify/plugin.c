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

enum { SLOTS = 96, EVERY = 5 };
static const double SMALL = 1e5;    /* numbers: what is asked four more times is no larger */

static int always(void) { return 1; }

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
        return say(why, "%.300s", dlerror());
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
    l->tier = (struct swax_tier){.name = p->path, .usable = always};
    void *table = slot;
    memcpy(p->precision == SWAX_PREC_F64 ? (void *)&l->tier.f64
           : p->precision == SWAX_PREC_BF16 ? (void *)&l->tier.bf16 : (void *)&l->tier.f32, &table, sizeof table);
    return found ? NULL
                 : say(why, "%.120s exports neither %s%s nor its backward, with the signature in kernels.h.", p->path,
                       swax_ops[p->subject.op[0]].name, suffix[p->precision]);
}

static void drop(struct op_case *c)
{
    for (int i = 0; i < c->n; i++)
        if (op_answers(&swax_ops[c->op].arg[i])) {
            free(c->arg[i]);
            c->arg[i] = NULL;
        }
}

/* ---- other numbers in the same memory */

/* The argument whose numbers may be others without making what else the kernel reads inconsistent: the gradient that
 * arrives, or of a forward the values, or the first input. */
static int changeable(const struct op_spec *op)
{
    const int backward = strstr(op->name, "_backward") != NULL, v = op_arg_find(op, "v");
    if (v >= 0 && op->arg[v].role == IN && !backward)
        return v;
    for (int i = 0; i < op_args(op); i++)
        if (op->arg[i].role == IN && op->arg[i].type != INT && (!backward || op->arg[i].name[0] == 'd'))
            return i;
    return -1;
}

void plugin_change(struct op_case *c, int round)
{
    const int i = changeable(&swax_ops[c->op]);
    if (i < 0 || !c->arg[i])
        return;
    double *a = c->arg[i], first = a[0];
    const long n = c->size[i];
    memmove(a, a + 1, (size_t)(n - 1) * sizeof *a);
    a[n - 1] = first;
    for (long e = 0; e < n; e++)
        a[e] = -a[e];
    for (int k = 0; k < 1 + round % 3; k++)
        a[0] /= 2;
}

/* Ask for one part of a case and judge it: 1, or 0 and what it did. */
static int ask_one(struct plugin *p, const struct op_case *in, const struct op_case *truth,
                   const struct op_verdict *bound, int timed, struct conduct *conduct, struct op_case *got,
                   char *trouble, int *lost)
{
    struct op_verdict v = *bound;
    struct op_case both[PARTS] = {{0}}, twice[PARTS] = {{0}};
    const int part = in->op == p->subject.op[0] ? 0 : 1;
    op_case_copy(&both[part], in);
    op_case_copy(&twice[part], in);
    const int good = !worker_ask(p->worker, &p->subject, 1u << part, both, twice, timed, conduct, trouble, lost)
                     && op_compare(&v, &both[part], truth, in) < 0;
    *got = both[part];
    op_case_free(&twice[part]);
    return good;
}

/* Where the plugin is right about a problem: others in its place, then it again.  A sentence about what it does with
 * that. */
static const char *replay(struct plugin *p, const struct problem *q, const struct op_case *answers, int *lost)
{
    for (int part = 0; part < q->subject.n && !*lost; part++) {
        struct op_case other, truth, other_truth;
        struct op_verdict v, other_v;
        struct conduct conduct;
        const enum swax_precision precision = p->precision;
        op_case_copy(&other, &q->in[part]);
        plugin_change(&other, q->number);
        op_truth(&truth, &v, precision, &q->in[part]);
        op_truth(&other_truth, &other_v, precision, &other);
        const char *wrong = NULL;
        char trouble[OP_SENTENCE];
        struct op_verdict first = v;
        const int right = op_compare(&first, &answers[part], &truth, &q->in[part]) < 0;
        for (int k = 0; k < 4 && right && !wrong && !*lost; k++) {
            struct op_case got;
            const int odd = k % 2 == 0;
            const int good = ask_one(p, odd ? &other : &q->in[part], odd ? &other_truth : &truth, odd ? &other_v : &v,
                                     0, &conduct, &got, trouble, lost);
            if (!*lost && !conduct.offers[part]) {
                op_case_free(&got);
                break;
            }
            struct op_verdict stale = odd ? v : other_v;
            if (!good && !*lost && !trouble[0] &&
                op_compare(&stale, &got, odd ? &truth : &other_truth, odd ? &q->in[part] : &other) < 0)
                wrong = "gives the answer of the call before to other numbers in the same memory";
            else if (!good && !*lost && !p->trouble[0])
                wrong = trouble[0] ? trouble + strcspn(trouble, " ") + 1 : "is right at first and wrong in later calls";
            op_case_free(&got);
        }
        op_case_free(&other), op_case_free(&truth), op_case_free(&other_truth);
        if (wrong) {
            snprintf(p->trouble, sizeof p->trouble, "%s %s", swax_ops[q->subject.op[part]].name, wrong);
            return p->trouble;
        }
    }
    return NULL;
}

/* ---- a problem */

/* Was the second of two calls on the same inputs wrong where the first was right? */
static const char *compare_calls(struct plugin *p, const struct problem *q, struct op_case got[PARTS],
                                 struct op_case second[PARTS], const struct conduct *conduct, struct report *r)
{
    for (int part = 0; part < q->subject.n; part++) {
        if (!conduct->unequal[part])
            continue;
        for (int i = 0; i < got[part].n && !r->unequal_name; i++)
            if (conduct->unequal[part] >> i & 1)
                r->unequal_name = swax_ops[got[part].op].arg[i].name;
        r->unequal++;
        struct op_case truth;
        struct op_verdict v;
        op_truth(&truth, &v, p->precision, &q->in[part]);
        const int first = op_compare(&v, &got[part], &truth, &q->in[part]) < 0;
        const int later = op_compare(&v, &second[part], &truth, &q->in[part]) < 0;
        op_case_free(&truth);
        if (first && !later) {
            snprintf(p->trouble, sizeof p->trouble,
                     "%s is right at first and wrong in later calls: in the second on the same inputs",
                     swax_ops[got[part].op].name);
            return p->trouble;
        }
    }
    return NULL;
}

static const char *answer(void *arg, const struct problem *q, struct op_case got[PARTS], struct report *r, int *lost)
{
    struct plugin *p = arg;
    struct op_case second[PARTS] = {{0}};
    struct conduct conduct;
    double numbers = 0;
    for (int part = 0; part < q->subject.n; part++) {
        op_case_copy(&second[part], &got[part]);
        numbers += case_numbers(&q->in[part]);
    }
    const char *wrong =
        worker_ask(p->worker, &q->subject, (1u << q->subject.n) - 1, got, second, 0, &conduct, p->trouble, lost);
    wrong = wrong ? wrong : compare_calls(p, q, got, second, &conduct, r);
    for (int part = 0; part < q->subject.n; part++) {
        op_case_free(&second[part]);
        if (!*lost && !conduct.offers[part])
            drop(&got[part]);
    }
    for (int part = 0; part < q->subject.n && !wrong && numbers <= SMALL && p->noted < q->subject.n;
         part++, p->noted++) {
        op_case_copy(&p->first[part], &q->in[part]);
        op_case_copy(&p->first_got[part], &got[part]);
    }
    if (!wrong && q->number % EVERY == 0 && numbers <= SMALL)
        wrong = replay(p, q, got, lost);
    return wrong;
}

/* Where much is wrong: is what was asked first still answered as it was? */
static const char *again(struct plugin *p)
{
    for (int part = 0; part < p->noted; part++) {
        struct op_case truth, got;
        struct op_verdict v, first;
        struct conduct conduct;
        char trouble[OP_SENTENCE];
        int lost = 0;
        op_truth(&truth, &v, p->precision, &p->first[part]);
        first = v;
        const int was = op_compare(&first, &p->first_got[part], &truth, &p->first[part]) < 0;
        const int is = was && ask_one(p, &p->first[part], &truth, &v, 0, &conduct, &got, trouble, &lost);
        op_case_free(&truth);
        if (was)
            op_case_free(&got);
        if (was && !is && !lost && conduct.offers[part]) {
            snprintf(p->trouble, sizeof p->trouble, "%s is right at first and wrong in later calls",
                     swax_ops[p->first[part].op].name);
            return p->trouble;
        }
    }
    return NULL;
}

const char *verify_plugin(const char *path, const struct plan *plan, int time, struct report *r, char *why)
{
    return verify_stranger(load, path, plan, time, r, why);
}

const char *verify_stranger(load_fn *loads, const char *path, const struct plan *plan, int time, struct report *r,
                            char *why)
{
    struct plugin p = {.path = path, .subject = plan->subject, .precision = dtype_precision(plan->wish.dtype)};
    struct size size;
    const char *wrong = plan_size(plan, &size, why);
    const int gauge = r->gauge;
    if (wrong)
        return wrong;
    if (suite_is_long(plan->suite))
        return time ? say(why, "time=yes: suite=long is not timed; leave out one of them.")
                    : verify_long(loads, &p, plan, r, why);
    p.worker = worker_start(loads, &p, size.numbers, why);
    if (!p.worker)
        return why;
    report_begin(r, plan);
    r->gauge = gauge;
    wrong = verify_run(plan, &(struct candidate){answer, NULL, &p}, r, why);
    const char *later = !wrong && r->failed && !r->trouble[0] ? again(&p) : NULL;
    if (later)
        snprintf(r->trouble, sizeof r->trouble, "%s", later);
    if (!wrong && !r->failed && time) {    /* no speed of what is wrong */
        const char *trouble = plugin_time(&p, plan, &r->timing, why);
        r->failed += trouble != NULL;
        snprintf(r->trouble, sizeof r->trouble, "%s", trouble ? trouble : "");
    }
    worker_stop(p.worker);
    for (int part = 0; part < p.noted; part++) {
        op_case_free(&p.first[part]);
        op_case_free(&p.first_got[part]);
    }
    return wrong;
}
