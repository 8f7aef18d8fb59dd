/* door_given.c - one problem whose arrays are the caller's, answers and all. */
#include "tools/verify/door.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/say.h"

static const struct door_array *array_find(const struct door_problem *v, const char *name, int answer)
{
    for (int k = 0; k < v->n; k++)
        if (!strcmp(v->array[k].name, name) && (v->array[k].role > 0) == answer && v->array[k].given)
            return &v->array[k];
    return NULL;
}

/* Which optional arguments are there: inputs that are given, gradients of such, and all that a forward saves. */
static unsigned given_groups(const struct subject *s, const struct door_problem *v)
{
    unsigned given = 0;
    for (int part = 0; part < s->n; part++)
        for (int i = 0; i < op_args(&swax_ops[s->op[part]]); i++) {
            const struct op_arg *a = &swax_ops[s->op[part]].arg[i];
            const int read = a->role == IN && array_find(v, a->name, 0);
            const int of_given = a->role == ADD && array_find(v, a->name + 1, 0);
            given |= a->optional && (a->role == OUT || read || of_given) ? 1u << a->optional : 0;
        }
    return given;
}

static const char *take_array(double *to, long size, const struct door_array *x, const char *op, char *why)
{
    long n = 1;
    for (int d = 0; d < x->rank; d++)
        n *= x->extent[d];
    if (n != size)
        return say(why, "%s: %s has %ld elements, and its sizes ask for %ld.", op, x->name, n, size);
    memcpy(to, x->at, (size_t)size * sizeof *to);
    return NULL;
}

static const char *fill_part(struct problem *q, struct op_case got[PARTS], int part, const struct door_problem *v,
                             unsigned given, char *why)
{
    struct op_case *c = &q->in[part];
    const struct op_spec *op = &swax_ops[q->subject.op[part]];
    memcpy(c->dims, v->dim, sizeof c->dims);
    memcpy(c->scalar, v->scalar, sizeof c->scalar);
    c->op = q->subject.op[part];
    if (op_wrong(c->op, c->dims, c->scalar, c->trouble))
        return say(why, "%s", c->trouble);
    op_case_alloc(c, given);
    c->by = teller_of(&q->subject, &q->wish, c);
    const char *wrong = NULL;
    for (int i = 0; i < c->n && !wrong; i++) {
        const struct door_array *x = array_find(v, op->arg[i].name, 0);
        const int saved = part && op_arg_find(&swax_ops[q->subject.op[0]], op->arg[i].name) >= 0 && !x;
        if (c->arg[i] && (op->arg[i].role == IN || op->arg[i].role == UPDATE) && !saved)
            wrong = x ? take_array(c->arg[i], c->size[i], x, q->subject.name, why)
                      : say(why, "%s needs its input %s.", q->subject.name, op->arg[i].name);
    }
    op_case_copy(&got[part], c);
    for (int i = 0; i < c->n && !wrong; i++) {
        const struct door_array *x = problem_is_answer(q, part, i) ? array_find(v, op->arg[i].name, 1) : NULL;
        if (x)
            wrong = take_array(got[part].arg[i], c->size[i], x, q->subject.name, why);
        else if (problem_is_answer(q, part, i)) {
            free(got[part].arg[i]);
            got[part].arg[i] = NULL;
        }
    }
    return wrong;
}

static void judge_given(struct problem *q, struct op_case got[PARTS], struct report *r)
{
    struct hypotheses *h = op_take(1, sizeof *h);
    problem_solve(q);
    for (int part = 0; part < q->subject.n; part++)
        r->failed |= !report_add(r, q, got, part);
    r->problems = 1;
    for (int derived = 0; derived < 2 && r->failed; derived++) {
        struct evidence *evidence = op_take(1, sizeof *evidence);
        if (evidence_affords(evidence, q, derived, (double)INFINITY)) {
            hypotheses_make(h, q, r->gauge, derived);
            evidence_add(evidence, q, got, h);
            hypotheses_free(h);
        }
        evidence_weigh(evidence, r, derived);
        free(evidence);
    }
    free(h);
}

const char *door_judge(const struct door_problem *v, const char *dtype, int out, char *why)
{
    struct problem *q = op_take(1, sizeof *q);
    struct report *r = op_take(1, sizeof *r);
    struct op_case got[PARTS] = {{0}};
    struct plan plan = {.suite = -1, .only = -1, .wish = {.states = 1, .documents = 1, .chained = 1}};
    const char *wrong = subject_find(&plan.subject, v->op, why);
    for (int k = 0; k < DTYPES; k++)
        plan.wish.dtype = !strcmp(dtype, dtype_name[k]) ? (enum dtype)k : plan.wish.dtype;
    q->subject = plan.subject;
    q->wish = plan.wish;
    for (int part = 0; part < q->subject.n && !wrong; part++)
        wrong = fill_part(q, got, part, v, given_groups(&q->subject, v), why);
    if (!wrong) {
        report_begin(r, &plan);
        judge_given(q, got, r);
        wrong = !r->n ? say(why, "%s: none of its outputs is among what is given.", plan.subject.name)
                      : door_report(r, out, why);
    }
    problem_free(q);
    for (int part = 0; part < PARTS; part++)
        op_case_free(&got[part]);
    free(q), free(r);
    return wrong;
}
