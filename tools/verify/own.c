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

enum { EVERY = 5 };
static const double MOST_NUMBERS = 2e8, TALL_NUMBERS = 3e5;

struct session {
    const struct own *own;
    const struct own_asked *asked;
    double numbers;                   /* in the tensors of the largest problem */
    double spent;                     /* seconds of the plain function, in problems in which a size is tall */
    struct own_climb climb[OWN_SIZES];
    struct own_kept kept[2];          /* problems for a cause: wrong ones, right ones */
    struct own_plain plain;           /* its why not empty: there is no verdict */
    struct own_process *candidate;
    struct own_verdict *v;
};

static void trouble(struct session *s, const struct own_problem *p, const char *what)
{
    if (!s->v->trouble[0]) {
        snprintf(s->v->trouble, OP_SENTENCE, "%s", what);
        s->v->trouble_at = p->number;
    }
}

static double over(const struct door_tensor *t)
{
    const double most = t->error.most / t->bound.most, rms = t->error.rms / t->bound.rms,
                 bias = t->bound.bias > 0 ? t->error.bias / t->bound.bias : 0;
    return fmax(fmax(most, rms), bias);
}

/* What was found of every output, into the verdict. */
static void note(struct session *s, const struct own_problem *p, const struct door_tensor t[OWN_TENSORS])
{
    for (int i = 0; i < s->own->tensors; i++) {
        struct own_found *f = &s->v->tensor[i];
        if (s->own->tensor[i].role == IN)
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
}

static const char later[] = "it is right at first and wrong in later calls",
                  stale[] = "it gives the answer of the call before to other numbers in the same memory";

/* Is it wrong about these numbers, in a process that has not seen anything?  Its answers, and what it did there. */
static const char *ask_alone(struct session *s, struct own_problem *got, long unwritten[OWN_TENSORS],
                             char what[OP_SENTENCE])
{
    const enum swax_precision precision = dtype_precision(s->asked->dtype);
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

/* It was wrong about `other` where `p` had been, about which it was right.  Of what kind that is: if it is right about
 * `other` alone, `keeps` says so. */
static void look_into(struct session *s, const struct own_problem *p, struct door_tensor t[OWN_TENSORS],
                      const struct own_problem *other, struct door_tensor others[OWN_TENSORS], int place,
                      const char *keeps)
{
    struct own_problem again, alone;
    long unwritten[OWN_TENSORS];
    char what[OP_SENTENCE];
    own_copy(&again, p, s->own);
    own_copy(&alone, other, s->own);
    const char *wrong = own_call(s->candidate, dtype_precision(s->asked->dtype), &again, !place, unwritten, what);
    const int still = !wrong && own_judge(s->own, &again, unwritten, t);
    wrong = wrong || !still ? wrong : ask_alone(s, &alone, unwritten, what);
    if (wrong || !still || own_judge(s->own, &alone, unwritten, others))
        trouble(s, p, wrong ? wrong : keeps);
    else {
        note(s, other, others);
        own_keep(&s->kept[0], s->own, other, others);
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
    if (!own_plainly(&s->plain, SWAX_PREC_F64, &now->truth))
        return 0;
    for (int i = 0; i < s->own->tensors; i++) {
        now->t[i] = before->t[i];
        now->t[i].truth = now->truth.at[i];
    }
    if (own_judge(s->own, got, unwritten, now->t))
        return 1;
    own_free(&now->truth);
    return own_solve(&s->plain, &now->is, &now->truth, now->t) && own_judge(s->own, got, unwritten, now->t);
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
    const char *wrong = own_call(s->candidate, dtype_precision(s->asked->dtype), &got, place, unwritten, what);
    int good = 0;
    if (wrong)
        trouble(s, p, wrong);
    else if (all)
        good = own_solve(&s->plain, &now->is, &now->truth, now->t) && own_judge(s->own, &got, unwritten, now->t);
    else
        good = is_right(s, now, before, &got, unwritten);
    if (!good && !wrong && !s->plain.why[0])
        look_into(s, p, t, &now->is, now->t, place, own_judge(s->own, &got, unwritten, before->t) ? stale : later);
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
        if (!own_change(&now->is, s->own, s->asked->dtype, k)) {
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
    const char *wrong = own_call(s->candidate, dtype_precision(s->asked->dtype), &again, place, unwritten, what);
    good = !wrong && own_judge(s->own, &again, unwritten, t);
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
    const enum swax_precision precision = dtype_precision(s->asked->dtype);
    int good = 1, equal = 1;
    own_draw(p, s->own, s->asked->dtype);
    own_copy(&got, p, s->own);
    own_copy(&second, p, s->own);
    const int turn = p->number % 2;
    const char *wrong = own_call(s->candidate, precision, &got, turn, unwritten, what);
    wrong = wrong ? wrong : own_call(s->candidate, precision, &second, !turn, unwritten2, what);
    if (wrong) {
        good = 0;
        trouble(s, p, wrong);
    }
    if (!own_gone(s->candidate) && own_solve(&s->plain, p, &truth, t)) {
        good &= own_judge(s->own, &got, unwritten, t);
        note(s, p, t);
        own_keep(&s->kept[good], s->own, p, t);
        for (int i = 0; i < s->own->tensors && equal; i++)
            equal = s->own->tensor[i].role == IN || !memcmp(got.at[i], second.at[i], (size_t)p->n[i] * sizeof(double));
        if (!equal && !s->v->unequal++)
            s->v->first_unequal = p->number;
        if (good && !equal && !own_judge(s->own, &second, unwritten2, t)) {
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
            return say(s->plain.why,
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
    s->plain.calls = 0;
    one(s, p);
    const int all = s->plain.calls, calls = all < OWN_CALLS ? all : OWN_CALLS;
    sort_ascending(s->plain.took, (size_t)calls);
    const double seconds = calls ? all * s->plain.took[calls / 2] : 0;     /* a call that was held up does not count */
    s->spent += seconds;
    own_climbed(&s->climb[i], n, seconds);
    if (v->failed > failed && !v->wrong_from[i])
        v->wrong_from[i] = n;
}

const char *verify_own(const struct own_asked *a, FILE *o, int *status, char *why)
{
    struct own *w = op_take(1, sizeof *w);
    struct own_verdict *v = op_take(1, sizeof *v);
    struct session s = { .own = w, .asked = a, .v = v, .plain = { .own = w, .dtype = a->dtype, .why = why } };
    const char *wrong = own_read(w, a->tensors, why);
    const int n = wrong ? 0 : own_commons(a->suite) + own_talls(w, a->suite);
    why[0] = wrong ? why[0] : 0;
    wrong = wrong ? wrong : largest(&s, n);
    if (!wrong && !(s.plain.process = own_start(w, a->reference, a->load, SWAX_PREC_F64, s.numbers, why)))
        wrong = why;
    if (!wrong && !own_has(s.plain.process, SWAX_PREC_F32))
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
    if (!wrong && v->failed && !v->trouble[0])
        own_find_causes(&s.plain, a, s.numbers, s.kept, v);
    own_forget(&s.kept[0]), own_forget(&s.kept[1]);
    if (!wrong) {
        *status |= v->failed > 0;
        (a->json ? own_print_json : own_print)(o, w, v, a);
        if (a->words)
            own_print(stdout, w, v, a);
    }
    if (s.plain.process)
        own_stop(s.plain.process);
    if (s.candidate)
        own_stop(s.candidate);
    free(w), free(v);
    return wrong;
}
