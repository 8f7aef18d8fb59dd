/* door.c - a suite, or one problem, put to a process in another language.
 *
 * Every problem is put twice, at different addresses; every few problems other numbers are put where the last ones lay,
 * and the last ones again.  A truth is worked out after the answers to it are here. */
#define _DEFAULT_SOURCE    /* dup */
#include "tools/verify/door.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/lib/say.h"
#include "tools/verify/ask.h"
#include "tools/verify/plugin.h"

enum { EVERY = 5, SEEN = 1024 };
static const double SMALL = 1e5;    /* numbers: what is asked four more times is no larger */

struct door {
    door_answer *answer;
    void *arg;
    struct door_problem view;
    struct problem first;                      /* the first small problem, and what was said to it */
    struct op_case first_got[PARTS];
    unsigned char seen[SEEN];                  /* by its number: it has been put twice, and replayed */
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

/* ---- copies of problems */

static void copy_answers(struct op_case to[PARTS], const struct problem *p, const struct op_case from[PARTS])
{
    memset(to, 0, PARTS * sizeof *to);
    for (int part = 0; part < p->subject.n; part++)
        op_case_copy(&to[part], &from[part]);
}

static void free_answers(struct op_case got[PARTS])
{
    for (int part = 0; part < PARTS; part++)
        op_case_free(&got[part]);
}

static void copy_problem(struct problem *to, const struct problem *from)
{
    *to = *from;
    memset(to->truth, 0, sizeof to->truth);
    copy_answers(to->in, from, from->in);
}

/* Other numbers, of which its answers are others, in both parts alike. */
static void change_problem(struct problem *p, int round)
{
    plugin_change(&p->in[0], round);
    for (int i = 0; p->subject.n == 2 && i < p->in[0].n; i++) {
        const int j = op_arg_find(&swax_ops[p->in[1].op], swax_ops[p->in[0].op].arg[i].name);
        if (j >= 0 && swax_ops[p->in[0].op].arg[i].role == IN && p->in[0].arg[i] && p->in[1].arg[j])
            memcpy(p->in[1].arg[j], p->in[0].arg[i], (size_t)p->in[0].size[i] * sizeof(double));
    }
    if (p->subject.n == 2)
        plugin_change(&p->in[1], round);
}

/* Of a problem that is solved. */
static int is_right(const struct problem *p, const struct op_case answers[PARTS])
{
    struct op_case got[PARTS];
    struct report *unused = op_take(1, sizeof *unused);
    int good = 1;
    copy_answers(got, p, answers);
    for (int part = 0; part < p->subject.n; part++)
        good &= report_add(unused, p, got, part);
    free_answers(got);
    free(unused);
    return good;
}

/* ---- conduct */

static int same_bits(const struct problem *p, const struct op_case a[PARTS], const struct op_case b[PARTS],
                     const char **name)
{
    for (int part = 0; part < p->subject.n; part++)
        for (int i = 0; i < a[part].n; i++)
            if (problem_is_answer(p, part, i) && a[part].arg[i] && b[part].arg[i]
                && memcmp(a[part].arg[i], b[part].arg[i], (size_t)a[part].size[i] * sizeof(double))) {
                *name = swax_ops[a[part].op].arg[i].name;
                return 0;
            }
    return 1;
}

/* The same inputs at other addresses. */
static const char *twice(struct door *d, const struct problem *p, const struct op_case got[PARTS], struct report *r,
                         int *lost)
{
    struct op_case second[PARTS];
    const char *name = NULL;
    copy_answers(second, p, p->in);
    const char *wrong = put(d, p, second, DOOR_ELSEWHERE, lost);
    if (!wrong && !same_bits(p, got, second, &name)) {
        struct problem solved;
        copy_problem(&solved, p);
        problem_solve(&solved);
        r->unequal_name = r->unequal_name ? r->unequal_name : name;
        r->unequal++;
        if (is_right(&solved, got) && !is_right(&solved, second)) {
            snprintf(d->trouble, sizeof d->trouble,
                     "%s is right at first and wrong in later calls: in the second on the same inputs",
                     p->subject.name);
            wrong = d->trouble;
        }
        problem_free(&solved);
    }
    free_answers(second);
    return wrong;
}

/* Where it is right about a problem: other numbers in its place, then it again. */
static const char *replay(struct door *d, const struct problem *p, const struct op_case got[PARTS], int *lost)
{
    struct problem asked[2];
    const char *wrong = NULL;
    copy_problem(&asked[0], p);
    copy_problem(&asked[1], p);
    change_problem(&asked[1], p->number);
    problem_solve(&asked[0]);
    problem_solve(&asked[1]);
    const int right = is_right(&asked[0], got);
    for (int k = 0; k < 4 && right && !wrong && !*lost; k++) {
        const int odd = k % 2 == 0;
        struct op_case again[PARTS];
        copy_answers(again, p, asked[odd].in);
        wrong = put(d, &asked[odd], again, DOOR_SAME, lost);
        if (!wrong && !is_right(&asked[odd], again)) {
            snprintf(d->trouble, sizeof d->trouble, "%s %s", p->subject.name,
                     is_right(&asked[!odd], again)
                         ? "gives the answer of the call before to other numbers in the same memory"
                         : "is right at first and wrong in later calls");
            wrong = d->trouble;
        }
        free_answers(again);
    }
    problem_free(&asked[0]);
    problem_free(&asked[1]);
    return wrong;
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
    double numbers = 0;
    for (int part = 0; part < p->subject.n; part++)
        numbers += case_numbers(&p->in[part]);
    const char *wrong = put(d, p, got, DOOR_ELSEWHERE, lost);
    wrong = wrong ? wrong : whole_state(d, p, got);
    if (wrong || (p->number < SEEN && d->seen[p->number]))
        return wrong;
    wrong = twice(d, p, got, r, lost);
    if (p->number < SEEN)
        d->seen[p->number] = 1;
    if (!wrong && !*lost && !d->first.subject.n && numbers <= SMALL) {
        copy_problem(&d->first, p);
        copy_answers(d->first_got, p, got);
    }
    return wrong || *lost || p->number % EVERY || numbers > SMALL ? wrong : replay(d, p, got, lost);
}

/* Where much is wrong: is what was asked first still answered as it was? */
static const char *again(struct door *d)
{
    struct problem *p = &d->first;
    struct op_case got[PARTS];
    int lost = 0;
    if (!p->subject.n)
        return NULL;
    problem_solve(p);
    copy_answers(got, p, p->in);
    const int was = is_right(p, d->first_got);
    const char *wrong = was ? put(d, p, got, DOOR_ELSEWHERE, &lost) : NULL;
    if (was && !wrong && !is_right(p, got)) {
        snprintf(d->trouble, sizeof d->trouble, "%s is right at first and wrong in later calls", p->subject.name);
        wrong = d->trouble;
    }
    free_answers(got);
    return wrong;
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
    struct problem q;
    double seconds[TIMED_CALLS];
    const char *wrong = problem_largest(&q, plan, why);
    int lost = 0;
    for (int k = 0; k < TIMED_CALLS && !wrong; k++) {
        struct op_case got[PARTS];
        struct problem solved;
        change_problem(&q, k);
        copy_answers(got, &q, q.in);
        wrong = put(d, &q, got, DOOR_TIMED, &lost);
        seconds[k] = d->view.seconds;
        t->floor[0] = bytes(&d->view, plan->wish.dtype) / bandwidth;
        copy_problem(&solved, &q);
        if (!wrong)
            problem_solve(&solved);
        if (!wrong && !is_right(&solved, got)) {
            snprintf(d->trouble, sizeof d->trouble, "%s is right while it is checked, and wrong while it is timed",
                     q.subject.name);
            wrong = d->trouble;
        }
        problem_free(&solved);
        free_answers(got);
    }
    if (!wrong) {
        timing_take(t, 0, seconds);
        op_case_describe(&q.in[0], t->sizes[0], WORDS);
    }
    problem_free(&q);
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
    *a = (struct asked){.plan = {.wish = {.chained = 1}, .suite = -1, .family = -1}, .only = -1};
    d->answer = ask_it;
    d->arg = arg;
    const char *wrong = read_words(a, n, words, why);
    wrong = wrong ? wrong : plan_size(&a->plan, &size, why);
    if (!wrong) {
        report_begin(r, &a->plan);
        r->gauge = a->gauge;
        wrong = verify_run(&a->plan, &(struct candidate){answer, NULL, d}, r, why);
    }
    const char *later = !wrong && r->failed && !r->trouble[0] ? again(d) : NULL;
    if (!wrong && !r->failed && a->time) {    /* no speed of what is wrong */
        snprintf(r->timing.device, sizeof r->timing.device, "%s", device);
        later = time_calls(d, &a->plan, bandwidth, &r->timing, why);
        r->failed += later != NULL;
    }
    if (later)
        snprintf(r->trouble, sizeof r->trouble, "%.*s", OP_SENTENCE - 1, later);
    wrong = wrong ? wrong : door_report(r, out, why);
    problem_free(&d->first);
    free_answers(d->first_got);
    free(a), free(d), free(r);
    return wrong;
}
