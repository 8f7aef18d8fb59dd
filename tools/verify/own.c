/* own.c - somebody's kernel against somebody's plain function, by the judge's rule.
 *
 * The candidate answers each problem twice, at different addresses, before the plain function is asked for the truth,
 * in double, and for what honest ones err: in float, and in double on inputs that are off by one rounding. Every few
 * problems, other numbers lie where the last ones lay (own_change.c), and then the first ones again. Behind the
 * suite's common problems come those in which one size is tall. */
#include "tools/verify/own.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/clock.h"
#include "tools/lib/say.h"
#include "tools/lib/sort.h"

enum { NUDGES = 3, WALKS = 5, EVERY = 5, CALLS = 64 };
static const double MOST_NUMBERS = 2e8, TALL_NUMBERS = 3e5;

struct session {
    const struct own *own;
    const struct own_asked *asked;
    double numbers;                   /* in the tensors of the largest problem */
    double spent;                     /* seconds of the plain function, in problems in which a size is tall */
    double took[CALLS];               /* in this problem */
    int calls;
    struct own_climb climb[OWN_SIZES];
    enum dtype dtype;
    struct own_process *reference, *candidate;
    struct own_verdict *v;
    char *why;                        /* not empty: there is no verdict */
};

static void trouble(struct session *s, const struct own_problem *p, const char *what)
{
    if (!s->v->trouble[0]) {
        snprintf(s->v->trouble, OP_SENTENCE, "%s", what);
        s->v->trouble_at = p->number;
    }
}

/* The plain function's answers: 1, or 0 and why there is no verdict. */
static int plainly(struct session *s, enum swax_precision precision, struct own_problem *p)
{
    long unwritten[OWN_TENSORS];
    char what[OP_SENTENCE], sizes[WORDS];
    const double begun = clock_seconds();
    const char *wrong = own_call(s->reference, precision, p, 0, unwritten, what);
    s->took[s->calls++ % CALLS] = clock_seconds() - begun;
    own_sizes_of(sizes, s->own, p);
    if (wrong)
        say(s->why, "The reference itself is wrong: %s, with %s.", wrong, sizes);
    for (int i = 0; i < s->own->tensors && !wrong; i++)
        if (s->own->tensor[i].role == OUT && unwritten[i]) {
            say(s->why,
                "The reference does not write %ld of the %ld elements of %s, with %s: every output is written, or is "
                "\"added\" to.",
                unwritten[i], p->n[i], s->own->tensor[i].name, sizes);
            wrong = s->why;
        }
    return !wrong;
}

/* What sums of many terms round away: in half precision they are in float, and rounded far more coarsely. */
static int drift(struct session *s, const struct own_problem *p, struct door_tensor t[OWN_TENSORS])
{
    const struct own *w = s->own;
    const double step = s->dtype == DT_F32 ? 0x1p-25 : s->dtype == DT_F64 ? 0x1p-54 : 0;
    int fine = 1, of[2] = {0, 0};
    for (int i = 0; i < w->tensors; i++)
        of[own_reduced(p, w, i)] |= step > 0 && w->tensor[i].role != IN;
    for (int k = 0; k < 2 * WALKS && fine; k++) {
        struct own_problem moved;
        own_copy(&moved, p, w);
        const int asked = of[k % 2] && own_drift(&moved, w, k % 2, step, p->seed + (uint64_t)k);
        fine = !asked || plainly(s, SWAX_PREC_F64, &moved);
        for (int i = 0; i < w->tensors && asked && fine; i++)
            if (w->tensor[i].role != IN && own_reduced(p, w, i) == k % 2)
                door_honest(&t[i], moved.at[i], 1);
        own_free(&moved);
    }
    return fine;
}

/* The truth, and what honest ones err about it, for every output. */
static int solve(struct session *s, const struct own_problem *p, struct own_problem *truth,
                 struct door_tensor t[OWN_TENSORS])
{
    const struct own *w = s->own;
    int fine;
    own_copy(truth, p, w);
    fine = plainly(s, SWAX_PREC_F64, truth);
    for (int i = 0; i < w->tensors; i++) {
        const struct own_tensor *is = &w->tensor[i];
        t[i] = (struct door_tensor){ .n = p->n[i],
                                     .gradient = is->gradient,
                                     .dtype = (int)s->dtype,
                                     .statistic = is->type == STAT,
                                     .truth = truth->at[i],
                                     .axes = (int)strlen(is->shape) };
        for (int d = 0; d < t[i].axes; d++) {
            const char letter = is->shape[d];
            t[i].axis[d] = (struct axis){.word = "elements", .extent = own_extent(w, p, letter)};
            t[i].axis[d].name[0] = letter;
            for (int k = 0; k < w->sizes; k++)
                t[i].axis[d].word =
                    w->size[k].letter == letter && w->size[k].word[0] ? w->size[k].word : t[i].axis[d].word;
        }
    }
    for (int k = 0; k <= NUDGES + 1 && fine; k++) {
        struct own_problem honest;
        own_copy(&honest, p, w);
        for (int i = 0; i < w->tensors && k; i++)
            if (w->tensor[i].role != OUT && w->tensor[i].type != INT)
                door_nudge(honest.at[i], honest.n[i], (int)s->dtype, w->tensor[i].type == STAT,
                           k > NUDGES ? 0 : p->seed + (uint64_t)k);
        fine = plainly(s, k ? SWAX_PREC_F64 : SWAX_PREC_F32, &honest);
        for (int i = 0; i < w->tensors && fine; i++)
            if (w->tensor[i].role != IN) {
                if (k && s->dtype == DT_BF16)
                    door_round(honest.at[i], honest.n[i], (int)s->dtype, w->tensor[i].type == STAT);
                door_honest(&t[i], honest.at[i], k > NUDGES ? 2 : k > 0);
            }
        own_free(&honest);
    }
    return fine && drift(s, p, t);
}

static double over(const struct door_tensor *t)
{
    const double most = t->error.most / t->bound.most, rms = t->error.rms / t->bound.rms,
                 bias = t->bound.bias > 0 ? t->error.bias / t->bound.bias : 0;
    return fmax(fmax(most, rms), bias);
}

/* Every output of one answer against the truth: 1 if all are within. */
static int judge(struct session *s, const struct own_problem *p, const struct own_problem *got,
                 const long unwritten[OWN_TENSORS], struct door_tensor t[OWN_TENSORS], int notes)
{
    int good = 1;
    for (int i = 0; i < s->own->tensors; i++) {
        struct own_found *f = &s->v->tensor[i];
        if (s->own->tensor[i].role == IN)
            continue;
        t[i].got = got->at[i];
        t[i].unwritten = (int)unwritten[i];
        door_tensor_judge(&t[i]);
        good &= t[i].within;
        if (!notes)
            continue;
        f->cases++;
        f->failed += !t[i].within;
        f->asked += t[i].asked;
        if (f->cases == 1 || (over(&t[i]) > f->ratio && (t[i].asked || !t[i].within))) {
            f->ratio = over(&t[i]);
            f->worst = t[i];
            f->number = p->number;
            f->family = p->family;
            own_sizes_of(f->sizes, s->own, p);
        }
    }
    return good;
}

static const char later[] = "it is right at first and wrong in later calls";

/* Is it wrong about these numbers, in a process that has not seen anything?  Its answers, and what it did there. */
static const char *ask_alone(struct session *s, struct own_problem *got, long unwritten[OWN_TENSORS],
                             char what[OP_SENTENCE])
{
    const enum swax_precision precision = dtype_precision(s->dtype);
    char why[SWAX_WHY];
    struct own_process *fresh =
        own_start(s->own, s->asked->candidate, s->asked->load, precision, s->numbers, why);
    if (!fresh) {
        snprintf(what, OP_SENTENCE, "%.190s", why);
        return what;
    }
    const char *wrong = own_call(fresh, precision, got, 0, unwritten, what);
    own_stop(fresh);
    return wrong;
}

/* It was wrong about `other` where `p` had been, about which it was right.  Of what kind that is. */
static void look_into(struct session *s, const struct own_problem *p, struct door_tensor t[OWN_TENSORS],
                      const struct own_problem *other, struct door_tensor others[OWN_TENSORS], int place)
{
    struct own_problem again, alone;
    long unwritten[OWN_TENSORS];
    char what[OP_SENTENCE];
    own_copy(&again, p, s->own);
    own_copy(&alone, other, s->own);
    const char *wrong = own_call(s->candidate, dtype_precision(s->dtype), &again, !place, unwritten, what);
    const int still = !wrong && judge(s, p, &again, unwritten, t, 0);
    wrong = wrong || !still ? wrong : ask_alone(s, &alone, unwritten, what);
    if (wrong || !still || judge(s, other, &alone, unwritten, others, 0))
        trouble(s, p, wrong ? wrong : later);
    else {
        judge(s, other, &alone, unwritten, others, 1);
        if (!s->v->others++)
            s->v->other_at = p->number;
    }
    own_free(&again), own_free(&alone);
}

/* Numbers that were put where the last ones lay, and what is right about them. */
struct step { struct own_problem is, truth; struct door_tensor t[OWN_TENSORS]; };

static void step_free(struct step *k)
{
    own_free(&k->is), own_free(&k->truth);
}

/* What is right about them: how far honest ones may be away is mostly what it was about the numbers before, of which
 * few are others.  Where that finds an answer wrong, all is asked. */
static int is_right(struct session *s, struct step *now, const struct step *before, const struct own_problem *got,
                    const long unwritten[OWN_TENSORS])
{
    own_copy(&now->truth, &now->is, s->own);
    if (!plainly(s, SWAX_PREC_F64, &now->truth))
        return 0;
    for (int i = 0; i < s->own->tensors; i++) {
        now->t[i] = before->t[i];
        now->t[i].truth = now->truth.at[i];
    }
    if (judge(s, &now->is, got, unwritten, now->t, 0))
        return 1;
    own_free(&now->truth);
    return solve(s, &now->is, &now->truth, now->t) && judge(s, &now->is, got, unwritten, now->t, 0);
}

/* One step further: other numbers where those of `before` lay.  0, and what is wrong is noted, or there is no
 * verdict. */
static int step_on(struct session *s, const struct own_problem *p, struct door_tensor t[OWN_TENSORS], struct step *now,
                   struct step *before, int all, int place)
{
    struct own_problem got;
    long unwritten[OWN_TENSORS];
    char what[OP_SENTENCE];
    own_copy(&got, &now->is, s->own);
    const char *wrong = own_call(s->candidate, dtype_precision(s->dtype), &got, place, unwritten, what);
    int good = 0;
    if (wrong)
        trouble(s, p, wrong);
    else if (all)
        good = solve(s, &now->is, &now->truth, now->t) && judge(s, &now->is, &got, unwritten, now->t, 0);
    else
        good = is_right(s, now, before, &got, unwritten);
    if (!good && !wrong && !s->why[0]) {
        if (judge(s, &before->is, &got, unwritten, before->t, 0))
            trouble(s, p, "it gives the answer of the call before to other numbers in the same memory");
        else
            look_into(s, p, t, &now->is, now->t, place);
    }
    own_free(&got);
    return good;
}

/* Where it was right: other numbers where the last ones lay, step by step, then these again. */
static int replay(struct session *s, const struct own_problem *p, struct door_tensor t[OWN_TENSORS], int place)
{
    struct step steps[2] = {{.is = {0}}}, *before = &steps[0], *now = &steps[1];
    struct own_problem again;
    long unwritten[OWN_TENSORS];
    char what[OP_SENTENCE];
    int good = 1;
    own_copy(&before->is, p, s->own);
    memcpy(before->t, t, sizeof before->t);
    for (int k = 0; k < own_changes(s->own) && good; k++) {
        own_copy(&now->is, &before->is, s->own);
        if (!own_change(&now->is, s->own, s->dtype, k)) {
            own_free(&now->is);
            continue;
        }
        good = step_on(s, p, t, now, before, k == 0, place);
        struct step *const last = before;
        step_free(last);
        before = now, now = last;
    }
    step_free(before);
    if (!good)
        return 0;
    own_copy(&again, p, s->own);
    const char *wrong = own_call(s->candidate, dtype_precision(s->dtype), &again, place, unwritten, what);
    good = !wrong && judge(s, p, &again, unwritten, t, 0);
    if (!good)
        trouble(s, p, wrong ? wrong : later);
    own_free(&again);
    return good;
}

static void one(struct session *s, struct own_problem *p)
{
    struct own_problem got, second, truth = {0};
    struct door_tensor t[OWN_TENSORS];
    long unwritten[OWN_TENSORS], unwritten2[OWN_TENSORS];
    char what[OP_SENTENCE];
    const enum swax_precision precision = dtype_precision(s->dtype);
    int good = 1, equal = 1;
    own_draw(p, s->own, s->dtype);
    own_copy(&got, p, s->own);
    own_copy(&second, p, s->own);
    const int turn = p->number % 2;
    const char *wrong = own_call(s->candidate, precision, &got, turn, unwritten, what);
    wrong = wrong ? wrong : own_call(s->candidate, precision, &second, !turn, unwritten2, what);
    if (wrong) {
        good = 0;
        trouble(s, p, wrong);
    }
    if (!own_gone(s->candidate) && solve(s, p, &truth, t)) {
        good &= judge(s, p, &got, unwritten, t, 1);
        for (int i = 0; i < s->own->tensors && equal; i++)
            equal = s->own->tensor[i].role == IN || !memcmp(got.at[i], second.at[i], (size_t)p->n[i] * sizeof(double));
        if (!equal && !s->v->unequal++)
            s->v->first_unequal = p->number;
        if (good && !equal && !judge(s, p, &second, unwritten2, t, 0)) {
            good = 0;
            trouble(s, p, "its second answer to the same problem is out of bounds");
        }
        if (good && p->number % EVERY == 0)
            good = replay(s, p, t, !turn);
    }
    s->v->problems++;
    s->v->failed += !good;
    own_free(&got), own_free(&second), own_free(&truth);
}

/* ---- all of it */

/* Problem k of the suite. */
static void problem_of(struct own_problem *p, const struct session *s, int k)
{
    const int commons = own_commons(s->asked->suite);
    if (k < commons)
        own_sizes(p, s->own, s->asked->seed, k, NULL);
    else
        own_tall_sizes(p, s->own, s->asked->suite, s->asked->seed, k, k - commons, TALL_NUMBERS);
}

/* The most numbers that a problem has in which none is tall, or the one that is asked alone; or a sentence. */
static const char *largest(struct session *s, int problems)
{
    const int n = own_commons(s->asked->suite), only = s->asked->only;
    s->numbers = TALL_NUMBERS;
    for (int k = 0; k <= n; k++) {
        struct own_problem p;
        char sizes[WORDS];
        problem_of(&p, s, k < n ? k : only >= n && only < problems ? only : 0);
        const double sum = own_numbers(&p, s->own);
        own_sizes_of(sizes, s->own, &p);
        if (sum > MOST_NUMBERS)
            return say(s->why,
                       "Too large: with %s the tensors hold %.1g numbers, and %.0g are the most.  Let the "
                       "description's sizes end lower.",
                       sizes, sum, MOST_NUMBERS);
        s->numbers = fmax(s->numbers, sum);
    }
    return NULL;
}

/* Which size is tall, or -1. */
static int tall_of(const struct own *w, const struct own_problem *p)
{
    int i = w->sizes - 1;
    while (i >= 0 && w->size[i].letter != p->tall)
        i--;
    return i;
}

/* A problem in which that size is tall, as long as there is room for it and the plain function is quick. */
static void one_tall(struct session *s, struct own_problem *p, int i)
{
    struct own_verdict *v = s->v;
    const int n = p->size[i], failed = v->failed;
    if (s->asked->only < 0 && (own_numbers(p, s->own) > s->numbers || v->not_asked[i] ||
                               !own_climbs(&s->climb[i], n, s->spent))) {
        v->not_asked_at[i] = v->not_asked[i] ? v->not_asked_at[i] : p->number;
        v->not_asked[i] = v->not_asked[i] ? v->not_asked[i] : n;
        return;
    }
    s->calls = 0;
    one(s, p);
    const int calls = s->calls < CALLS ? s->calls : CALLS;
    sort_ascending(s->took, (size_t)calls);
    const double seconds = calls ? s->calls * s->took[calls / 2] : 0;      /* a call that was held up does not count */
    s->spent += seconds;
    own_climbed(&s->climb[i], n, seconds);
    if (v->failed > failed && !v->wrong_from[i])
        v->wrong_from[i] = n;
}

const char *verify_own(const struct own_asked *a, FILE *o, int *status, char *why)
{
    struct own *w = op_take(1, sizeof *w);
    struct own_verdict *v = op_take(1, sizeof *v);
    struct session s = {.own = w, .asked = a, .dtype = a->dtype, .v = v, .why = why};
    const char *wrong = own_read(w, a->tensors, why);
    const int n = wrong ? 0 : own_commons(a->suite) + own_talls(w, a->suite);
    why[0] = wrong ? why[0] : 0;
    wrong = wrong ? wrong : largest(&s, n);
    if (!wrong && !(s.reference = own_start(w, a->reference, a->load, SWAX_PREC_F64, s.numbers, why)))
        wrong = why;
    if (!wrong && !own_has(s.reference, SWAX_PREC_F32))
        wrong = say(why, "%.200s exports %s_f64, and no %s in float: what an honest float loop errs cannot be said.",
                    a->reference, w->function, w->function);
    if (!wrong && !(s.candidate = own_start(w, a->candidate, a->load, dtype_precision(a->dtype), s.numbers, why)))
        wrong = why;
    for (int k = 0; k < n && !wrong && !own_gone(s.candidate); k++) {
        struct own_problem p;
        if (a->only >= 0 && a->only != k)
            continue;
        problem_of(&p, &s, k);
        const int tall = tall_of(w, &p), failed = v->failed;
        if (tall >= 0)
            one_tall(&s, &p, tall);
        else
            one(&s, &p), v->wrong_commons += v->failed - failed;
        own_free(&p);
        wrong = why[0] ? why : NULL;
    }
    wrong = wrong || v->problems ? wrong : say(why, "number=%d: the suite has cases 0 to %d.", a->only, n - 1);
    if (!wrong) {
        *status |= v->failed > 0;
        (a->json ? own_print_json : own_print)(o, w, v, a);
        if (a->words)
            own_print(stdout, w, v, a);
    }
    if (s.reference)
        own_stop(s.reference);
    if (s.candidate)
        own_stop(s.candidate);
    free(w), free(v);
    return wrong;
}
