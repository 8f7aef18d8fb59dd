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

/* The backward of a problem that is asked in one reads its forward's inputs. */
static void pass_on(struct problem *p)
{
    for (int i = 0; p->subject.n == 2 && p->wish.chained && i < p->in[0].n; i++) {
        const int j = op_arg_find(&swax_ops[p->in[1].op], swax_ops[p->in[0].op].arg[i].name);
        if (j >= 0 && swax_ops[p->in[0].op].arg[i].role == IN && p->in[0].arg[i] && p->in[1].arg[j])
            memcpy(p->in[1].arg[j], p->in[0].arg[i], (size_t)p->in[0].size[i] * sizeof(double));
    }
}

/* In both parts alike, where the backward reads what its own forward saved: otherwise what it reads stays consistent
 * if only the gradient that arrives is another. */
void problem_change(struct problem *p, int round)
{
    case_change(&p->in[0], round);
    pass_on(p);
    if (p->subject.n == 2)
        case_change(&p->in[1], round);
}

/* Of the arguments of part `part` that may be others by themselves, the turn-th: any input of a forward, and what only
 * arrives at a backward. */
static int in_turn(const struct problem *p, int part, int turn)
{
    const struct op_case *c = &p->in[part];
    int may[OP_ARGS], n = 0;
    for (int i = 0; i < c->n; i++)
        if (c->arg[i] && swax_ops[c->op].arg[i].role == IN && i != changeable(&swax_ops[c->op]) &&
            (!strstr(swax_ops[c->op].name, "_backward") || swax_ops[c->op].arg[i].name[0] == 'd'))
            may[n++] = i;
    return n ? may[turn % n] : -1;
}

/* Rows of one argument, some of them, as they are in another problem of the same sizes; not the first and the last, if
 * there are others: who knows a problem by part of one of its arrays, mostly looks there. */
static void take_rows(struct op_case *c, const struct op_case *from, int i, uint64_t random)
{
    const struct op_arg *a = &swax_ops[c->op].arg[i];
    const size_t rank = strlen(a->shape);
    const long whole = c->size[i],
               row = a->type == INT ? whole : rank < 2 ? 1 : op_extent(&swax_ops[c->op], a->shape[rank - 1], c->dims),
               rows = row ? whole / row : 0, edge = rows > 2, most = rows - 2 * edge,
               always = most > 0 ? edge + (long)(op_random(&random) % (uint64_t)most) : 0;
    for (long r = edge; r < rows - edge; r++)
        if (op_random(&random) % 8 == 0 || r == always)
            memcpy(c->arg[i] + r * row, from->arg[i] + r * row, (size_t)row * sizeof(double));
}

/* p with a few numbers of one argument as they are in `from`, another one in every turn; but behind a norm, what
 * arrives hangs on all that is read. */
static void problem_mix(struct problem *p, const struct problem *from, int turn)
{
    for (int part = 0; part < p->subject.n && !p->wish.behind; part++) {
        const int i = in_turn(p, part, turn);
        if (i >= 0)
            take_rows(&p->in[part], &from->in[part], i, p->seed + (uint64_t)turn);
    }
    pass_on(p);
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

/* The first tensor of a part of which two answers have other bits, or NULL. */
static const char *other_bits(const struct problem *p, int part, const struct op_case a[PARTS],
                              const struct op_case b[PARTS])
{
    for (int i = 0; i < a[part].n; i++)
        if (problem_is_answer(p, part, i) && a[part].arg[i] && b[part].arg[i]
            && memcmp(a[part].arg[i], b[part].arg[i], (size_t)a[part].size[i] * sizeof(double)))
            return swax_ops[a[part].op].arg[i].name;
    return NULL;
}

const char *again_second(struct again *a, const struct problem *p, const struct op_case got[PARTS],
                         const struct op_case second[PARTS], struct report *r)
{
    const char *name[PARTS] = {NULL}, *first = NULL, *wrong = NULL;
    for (int part = p->subject.n - 1; part >= 0; part--) {
        name[part] = other_bits(p, part, got, second);
        first = name[part] ? name[part] : first;
    }
    if (!first)
        return NULL;
    r->unequal_name = r->unequal_name ? r->unequal_name : first;
    r->unequal++;
    struct problem solved;
    problem_copy(&solved, p);
    problem_solve(&solved);
    const int all_right = answers_wrong(&solved, got) < 0;
    for (int part = 0; part < p->subject.n && !wrong; part++)
        if (name[part] && (all_right || (a->by_part && part_is_right(&solved, got, part)))
            && !part_is_right(&solved, second, part))
            wrong = says(a, name_of(a, p, part),
                         "is right at first and wrong in later calls: in the second on the same inputs");
    problem_free(&solved);
    return wrong;
}

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
    /* itself; with one argument changed; with all; with some rows of one in turn */
    enum { KINDS = 4, ASKED = 5 };
    static const int order[ASKED] = {1, 0, 2, 3, 0};
    struct problem asked[KINDS];
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
    problem_copy(&asked[3], p);
    problem_redraw(&asked[2], p, p->seed + 40000003);
    problem_change(&asked[1], p->number);
    problem_mix(&asked[3], &asked[2], p->number / EVERY);
    problem_solve(&asked[0]);
    int right = answers_wrong(&asked[0], got) < 0;
    for (int k = 1; k < KINDS && right; k++)
        problem_solve(&asked[k]);
    for (int k = 0; k < ASKED && right && !wrong && !*lost; k++) {
        const struct problem *now = &asked[order[k]], *before = &asked[k ? order[k - 1] : 0];
        struct op_case said[PARTS];
        const int part = errs(a, now, said, AGAIN_SAME, &wrong, lost);
        if (part >= 0 && part_is_right(before, said, part))
            wrong = says(a, name_of(a, p, part),
                         "gives the answer of the call before to other numbers in the same memory");
        else if (part >= 0 && order[k] && is_wrong_about(a, now, &asked[0], r, &wrong, lost))
            right = 0;
        else if (part >= 0 && !wrong && !*lost)
            wrong = says(a, name_of(a, p, part), later);
        answers_free(said);
    }
    for (int k = 0; k < KINDS; k++)
        problem_free(&asked[k]);
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
