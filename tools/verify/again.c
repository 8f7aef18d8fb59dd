/* again.c - see again.h.
 *
 * A candidate that is wrong about other numbers in the memory of the last ones either keeps something of earlier calls
 * or is wrong about those numbers.  It is the second if it still is right about the first ones, and wrong about the
 * others where it has seen nothing. */
#include "tools/verify/again.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVERY = 5 };
static const double SMALL = 1e5;    /* numbers: what is asked four more times is no larger */

/* ---- copies, and other numbers */

void answers_copy(struct op_case to[PARTS], const struct problem *p, const struct op_case from[PARTS])
{
    memset(to, 0, PARTS * sizeof *to);
    for (int part = 0; part < p->subject.n; part++)
        op_case_copy(&to[part], &from[part]);
}

void answers_free(struct op_case got[PARTS])
{
    for (int part = 0; part < PARTS; part++)
        op_case_free(&got[part]);
}

void problem_copy(struct problem *to, const struct problem *from)
{
    *to = *from;
    memset(to->truth, 0, sizeof to->truth);
    answers_copy(to->in, from, from->in);
}

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

void case_change(struct op_case *c, int round)
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

/* In both parts alike, where the backward reads what its own forward saved: otherwise what it reads stays consistent
 * if only the gradient that arrives is another. */
void problem_change(struct problem *p, int round)
{
    case_change(&p->in[0], round);
    for (int i = 0; p->subject.n == 2 && p->wish.chained && i < p->in[0].n; i++) {
        const int j = op_arg_find(&swax_ops[p->in[1].op], swax_ops[p->in[0].op].arg[i].name);
        if (j >= 0 && swax_ops[p->in[0].op].arg[i].role == IN && p->in[0].arg[i] && p->in[1].arg[j])
            memcpy(p->in[1].arg[j], p->in[0].arg[i], (size_t)p->in[0].size[i] * sizeof(double));
    }
    if (p->subject.n == 2)
        case_change(&p->in[1], round);
}

int part_is_right(const struct problem *p, const struct op_case answers[PARTS], int part)
{
    struct op_case got[PARTS];
    struct report *unused = op_take(1, sizeof *unused);
    answers_copy(got, p, answers);
    const int right = report_add(unused, p, got, part);
    answers_free(got);
    free(unused);
    return right;
}

int answers_wrong(const struct problem *p, const struct op_case answers[PARTS])
{
    for (int part = 0; part < p->subject.n; part++)
        if (!part_is_right(p, answers, part))
            return part;
    return -1;
}

/* ---- asking */

static double numbers(const struct problem *p)
{
    double sum = 0;
    for (int part = 0; part < p->subject.n; part++)
        sum += case_numbers(&p->in[part]);
    return sum;
}

int again_saw(struct again *a, const struct problem *p)
{
    const int seen = p->number < AGAIN_SEEN && a->seen[p->number];
    if (p->number < AGAIN_SEEN)
        a->seen[p->number] = 1;
    return seen;
}

static const char *name_of(const struct again *a, const struct problem *p, int part)
{
    return a->by_part ? swax_ops[p->in[part].op].name : p->subject.name;
}

static const char *says(struct again *a, const char *name, const char *what)
{
    snprintf(a->trouble, sizeof a->trouble, "%s %s", name, what);
    return a->trouble;
}

static const char later[] = "is right at first and wrong in later calls";

/* Is it wrong about a problem that is solved?  The part, or -1; *trouble: what is wrong whatever the numbers are. */
static int errs(struct again *a, const struct problem *p, struct op_case got[PARTS], enum again_how how,
                const char **trouble, int *lost)
{
    answers_copy(got, p, p->in);
    *trouble = a->ask(a->arg, p, got, how, lost);
    return *trouble || *lost ? -1 : answers_wrong(p, got);
}

/* It was right about `one`, and wrong about `other` where `one` had been: is it wrong about those numbers?  1, with its
 * answers in the report. */
static int is_wrong_about(struct again *a, const struct problem *other, const struct problem *one, struct report *r,
                          const char **trouble, int *lost)
{
    struct op_case got[PARTS];
    int wrong = errs(a, one, got, AGAIN_ELSEWHERE, trouble, lost) < 0 && !*trouble && !*lost;
    answers_free(got);
    if (!wrong)
        return 0;
    wrong = errs(a, other, got, AGAIN_ALONE, trouble, lost) >= 0;
    for (int part = 0; part < other->subject.n && wrong; part++)
        report_add(r, other, got, part);
    answers_free(got);
    if (wrong && !r->others++)
        r->other_at = other->number;
    if (wrong && !a->other.subject.n)
        problem_copy(&a->other, other);
    return wrong;
}

const char *again_replay(struct again *a, const struct problem *p, const struct op_case got[PARTS], struct report *r,
                         int *lost)
{
    struct problem asked[2];
    const char *wrong = NULL;
    const int small = numbers(p) <= SMALL;
    if (!a->first.subject.n && small) {
        problem_copy(&a->first, p);
        answers_copy(a->first_got, p, got);
    }
    if (p->number % EVERY || !small)
        return NULL;
    problem_copy(&asked[0], p);
    problem_copy(&asked[1], p);
    problem_change(&asked[1], p->number);
    problem_solve(&asked[0]);
    problem_solve(&asked[1]);
    int right = answers_wrong(&asked[0], got) < 0;
    for (int k = 0; k < 4 && right && !wrong && !*lost; k++) {
        const int odd = k % 2 == 0;
        struct op_case said[PARTS];
        const int part = errs(a, &asked[odd], said, AGAIN_SAME, &wrong, lost);
        if (part >= 0 && part_is_right(&asked[!odd], said, part))
            wrong = says(a, name_of(a, p, part),
                         "gives the answer of the call before to other numbers in the same memory");
        else if (part >= 0 && odd && is_wrong_about(a, &asked[1], &asked[0], r, &wrong, lost))
            right = 0;
        else if (part >= 0 && !wrong && !*lost)
            wrong = says(a, name_of(a, p, part), later);
        answers_free(said);
    }
    problem_free(&asked[0]);
    problem_free(&asked[1]);
    return wrong;
}

const char *again_first(struct again *a)
{
    struct problem *p = &a->first;
    struct op_case got[PARTS];
    const char *wrong = NULL;
    int lost = 0;
    if (!p->subject.n)
        return NULL;
    problem_solve(p);
    if (answers_wrong(p, a->first_got) >= 0)
        return NULL;
    const int part = errs(a, p, got, AGAIN_ELSEWHERE, &wrong, &lost);
    answers_free(got);
    return part >= 0 ? says(a, name_of(a, p, part), later) : wrong;
}

const char *again_timed(struct again *a, const struct problem *p)
{
    struct op_case got[PARTS];
    const char *wrong;
    int lost = 0;
    const int part = errs(a, p, got, AGAIN_ELSEWHERE, &wrong, &lost);
    answers_free(got);
    return wrong ? wrong
                 : says(a, name_of(a, p, part < 0 ? 0 : part),
                        part < 0 ? "is right while it is checked, and wrong while it is timed"
                                 : "is right about the numbers of the suite, and wrong about others that it was timed "
                                   "with");
}

void again_free(struct again *a)
{
    problem_free(&a->first);
    problem_free(&a->other);
    answers_free(a->first_got);
}
