/* door.c - a suite, or one problem, put to a process in another language.
 *
 * Every problem is put twice, at different addresses; every few problems other numbers are put where the last ones lay,
 * and the last ones again (tools/verify/again.c).  A truth is worked out after the answers to it are here. */
#define _DEFAULT_SOURCE    /* dup */
#include "tools/verify/door.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/lib/say.h"
#include "tools/verify/ask.h"
#include "tools/verify/again.h"

struct door {
    door_answer *answer;
    void *arg;
    struct door_problem view;
    struct again again;
    char trouble[OP_SENTENCE];
};

/* ---- a problem as whoever answers sees it */

static void show(struct door_problem *v, const struct op_case *c, int i, int role, double *at)
{
    const struct op_arg *a = &swax_ops[c->op].arg[i];
    struct door_array *x = &v->array[v->n++];
    *x = (struct door_array){.name = a->name, .shape = a->shape, .role = role, .type = (int)a->type,
                             .rank = (int)strlen(a->shape), .at = at};
    for (int d = 0; d < x->rank; d++)
        x->extent[d] = op_extent(&swax_ops[c->op], a->shape[d], c->dims);
}

/* Is argument i of that part an input of the whole?  A backward's copies of what its forward has are not. */
static int is_input(const struct problem *p, int part, int i)
{
    const struct op_arg *a = &swax_ops[p->in[part].op].arg[i];
    return p->in[part].arg[i] && (a->role == IN || a->role == UPDATE) &&
           (!part || op_arg_find(&swax_ops[p->in[0].op], a->name) < 0);
}

static void show_problem(struct door_problem *v, const struct problem *p, struct op_case got[PARTS])
{
    const struct op_spec *op = &swax_ops[p->in[0].op];
    *v = (struct door_problem){.number = p->number, .op = op->name, .dims = op->dims,
                               .family = op_family_name[p->family], .scalars = op->scalars};
    memcpy(v->dim, p->in[0].dims, sizeof v->dim);
    memcpy(v->scalar, p->in[0].scalar, sizeof v->scalar);
    for (int part = 0; part < p->subject.n; part++)
        for (int i = 0; i < p->in[part].n; i++)
            if (is_input(p, part, i))
                show(v, &p->in[part], i, 0, p->in[part].arg[i]);
    for (int part = 0; part < p->subject.n; part++)
        for (int i = 0; i < p->in[part].n; i++)
            if (problem_is_answer(p, part, i)) {
                for (long e = 0; e < p->in[part].size[i]; e++)
                    got[part].arg[i][e] = (double)NAN;
                show(v, &p->in[part], i, 1 + p->demanded[part][i], got[part].arg[i]);
            }
}

static struct op_case *owner(const struct problem *p, struct op_case got[PARTS], const double *at, int *arg)
{
    for (int part = 0; part < p->subject.n; part++)
        for (*arg = 0; *arg < got[part].n; ++*arg)
            if (got[part].arg[*arg] == at)
                return &got[part];
    return NULL;
}

/* Put it once.  NULL, or what is wrong whatever the numbers are. */
static const char *put(struct door *d, const struct problem *p, struct op_case got[PARTS], enum door_how how, int *lost)
{
    struct door_problem *v = &d->view;
    int arg;
    d->trouble[0] = 0;
    show_problem(v, p, got);
    const int status = d->answer(d->arg, v, (int)how, d->trouble);
    *lost |= status < 0;
    if (status && !d->trouble[0])
        snprintf(d->trouble, sizeof d->trouble, "%s does not answer", p->subject.name);
    for (int k = 0; k < v->n; k++) {
        const struct door_array *x = &v->array[k];
        struct op_case *c = x->role && x->given <= 0 ? owner(p, got, x->at, &arg) : NULL;
        if (c) {
            free(c->arg[arg]);
            c->arg[arg] = NULL;
        }
        if (c && x->role == 2 && !x->given && !d->trouble[0])
            snprintf(d->trouble, sizeof d->trouble, "%s gives no %s", p->subject.name, x->name);
    }
    return d->trouble[0] ? d->trouble : NULL;
}

/* ---- conduct */

/* The same inputs at other addresses. */
static const char *twice(struct door *d, const struct problem *p, const struct op_case got[PARTS], struct report *r,
                         int *lost)
{
    struct op_case second[PARTS];
    answers_copy(second, p, p->in);
    const char *wrong = put(d, p, second, DOOR_ELSEWHERE, lost);
    wrong = wrong ? wrong : again_second(&d->again, p, got, second, r);
    answers_free(second);
    return wrong;
}

/* Again, for tools/verify/again.c.  Arrays that lie elsewhere are all that the process has not seen. */
static const char *ask_again(void *arg, const struct problem *p, struct op_case got[PARTS], enum again_how how,
                             int *lost)
{
    return put(arg, p, got, how == AGAIN_SAME ? DOOR_SAME : DOOR_ELSEWHERE, lost);
}

/* A forward of the cell gives a state, or none. */
static const char *whole_state(struct door *d, const struct problem *p, const struct op_case got[PARTS])
{
    const struct op_spec *op = &swax_ops[p->in[0].op];
    const int C = op_arg_find(op, "C1"), m = op_arg_find(op, "m1");
    if (C < 0 || m < 0 || op->arg[m].role != OUT || !got[0].arg[C] || got[0].arg[m])
        return NULL;
    snprintf(d->trouble, sizeof d->trouble, "%s gives C1 without m1, which says in what units it is", p->subject.name);
    return d->trouble;
}

static const char *answer(void *arg, const struct problem *p, struct op_case got[PARTS], struct report *r, int *lost)
{
    struct door *d = arg;
    const char *wrong = put(d, p, got, DOOR_ELSEWHERE, lost);
    wrong = wrong ? wrong : whole_state(d, p, got);
    if (wrong || again_saw(&d->again, p))
        return wrong;
    wrong = twice(d, p, got, r, lost);
    return wrong || *lost ? wrong : again_replay(&d->again, p, got, r, lost);
}

/* ---- time */

static double bytes(const struct door_problem *v, enum dtype dtype)
{
    static const double real[DTYPES] = {4, 8, 2, 2};
    const double of[] = {[REAL] = real[dtype], [STAT] = dtype == DT_F64 ? 8 : 4, [INT] = 4, [DOUBLE] = 8};
    double sum = 0;
    for (int k = 0; k < v->n; k++) {
        double n = v->array[k].role && v->array[k].given <= 0 ? 0 : of[v->array[k].type];
        for (int d = 0; d < v->array[k].rank; d++)
            n *= (double)v->array[k].extent[d];
        sum += n;
    }
    return sum;
}

/* Call after call, each on numbers that it has not seen, each judged: NULL, or what is wrong. */
static const char *time_calls(struct door *d, const struct plan *plan, double bandwidth, struct timing *t, char *why)
{
    struct problem largest;
    double seconds[TIMED_CALLS];
    const char *wrong = problem_largest(&largest, plan, why);
    int lost = 0;
    for (int k = 0; k < TIMED_CALLS && !wrong; k++) {
        struct op_case got[PARTS];
        struct problem q, solved;
        problem_redraw(&q, &largest, largest.seed + 1 + (uint64_t)k);
        answers_copy(got, &q, q.in);
        wrong = put(d, &q, got, DOOR_TIMED, &lost);
        seconds[k] = d->view.seconds;
        t->floor[0] = bytes(&d->view, plan->wish.dtype) / bandwidth;
        problem_copy(&solved, &q);
        if (!wrong)
            problem_solve(&solved);
        if (!wrong && answers_wrong(&solved, got) >= 0)
            wrong = again_timed(&d->again, &solved);
        problem_free(&solved);
        problem_free(&q);
        answers_free(got);
    }
    if (!wrong) {
        timing_take(t, 0, seconds);
        op_case_describe(&largest.in[0], t->sizes[0], WORDS);
    }
    problem_free(&largest);
    return wrong;
}

/* ---- the doors */

const char *door_report(const struct report *r, int out, char *why)
{
    const int own = dup(out);
    FILE *o = own < 0 ? NULL : fdopen(own, "w");
    if (!o)
        return say(why, "The report could not be written.");
    report_json(o, r);
    return fclose(o) ? say(why, "The report could not be written.") : NULL;
}

static const char *read_words(struct asked *a, int n, const char *const *words, char *why)
{
    struct options o = {0};
    struct keys k = {.of = "check"};
    char **argv = op_take((size_t)n + 1, sizeof *argv);
    memcpy(argv, words, (size_t)n * sizeof *argv);
    ask_tables(&k, DOOR, NULL);
    const char *wrong = options_read(&o, n, argv, &k, "kernel", why);
    wrong = wrong ? wrong : ask(a, &o, DOOR, "check", why);
    options_free(&o);
    free(argv);
    if (!wrong && !a->plan.subject.n)
        wrong = say(why, "Which kernel?  op= names it.");
    if (!wrong && a->plan.suite >= 0 && a->plan.family >= 0)
        wrong = say(why, "A suite has all families: leave out suite=, or family=%s.", op_family_name[a->plan.family]);
    a->plan.family = a->plan.family < 0 ? OP_GAUSS : a->plan.family;
    if (!wrong && !op_family_fits(a->plan.subject.op[0], (enum op_family)a->plan.family))
        wrong = say(why, "family=%s does not differ from gauss for %s.", op_family_name[a->plan.family],
                    a->plan.subject.name);
    return wrong;
}

const char *door_run(int n, const char *const *words, door_answer *ask_it, void *arg, double bandwidth,
                     const char *device, int out, char *why)
{
    struct asked *a = op_take(1, sizeof *a);
    struct door *d = op_take(1, sizeof *d);
    struct report *r = op_take(1, sizeof *r);
    struct size size;
    *a = (struct asked){.plan = {.wish = {.chained = 1}, .suite = -1, .family = -1}};
    d->answer = ask_it;
    d->arg = arg;
    d->again = (struct again){.ask = ask_again, .arg = d};
    const char *wrong = read_words(a, n, words, why);
    wrong = wrong ? wrong : plan_size(&a->plan, &size, why);
    if (!wrong) {
        report_begin(r, &a->plan);
        r->gauge = a->gauge;
        wrong = verify_run(&a->plan, &(struct candidate){.answer = answer, .arg = d, .other = &d->again.other}, r, why);
    }
    const char *later = !wrong && r->failed && !r->trouble[0] ? again_first(&d->again) : NULL;
    if (!wrong && !r->failed && a->time) {    /* no speed of what is wrong */
        snprintf(r->timing.device, sizeof r->timing.device, "%s", device);
        later = time_calls(d, &a->plan, bandwidth, &r->timing, why);
        r->failed += later != NULL;
    }
    if (later)
        snprintf(r->trouble, sizeof r->trouble, "%.*s", OP_SENTENCE - 1, later);
    wrong = wrong ? wrong : door_report(r, out, why);
    again_free(&d->again);
    free(a), free(d), free(r);
    return wrong;
}
