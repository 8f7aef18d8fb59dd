/* run.c - a candidate over the problems of a plan. */
#include "tools/verify/verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/random.h"
#include "tools/lib/say.h"
#include "tools/verify/again.h"
#include "tools/verify/long.h"
#include "tools/verify/meter.h"

static void note_trouble(struct report *r, const struct problem *p, const char *trouble)
{
    if (r->trouble[0])
        return;
    snprintf(r->trouble, sizeof r->trouble, "%s", trouble);
    r->trouble_at = p->number;
}

/* Answer first, then the truth, then the verdict. */
static const char *one(const struct plan *plan, int i, const struct entry *e, const struct candidate *c,
                       struct report *r, int *lost, char *why)
{
    struct problem p;
    struct op_case got[PARTS];
    const char *wrong = problem_draw(&p, plan, i, e, why);
    if (wrong)
        return wrong;
    wrong = c->match ? c->match(c->arg, &p) : NULL;
    if (!wrong) {
        answers_copy(got, &p, p.in);
        const int others = r->others;
        const char *trouble = c->answer(c->arg, &p, got, r, lost);
        int good = !trouble && r->others == others;
        if (trouble)
            note_trouble(r, &p, trouble);
        if (!*lost) {
            problem_solve(&p);
            for (int part = 0; part < p.subject.n; part++)
                good &= report_add(r, &p, got, part);
        }
        r->problems++;
        r->failed += !good;
        answers_free(got);
    }
    problem_free(&p);
    return wrong;
}

static const double SMALL = 2e6;    /* multiplications: causes are plain loops, and there are dozens */

/* What the causes answer to one problem, and what the candidate does, as evidence. */
static void weigh_one(struct evidence *evidence, struct problem *p, const struct candidate *c, const struct report *r,
                      int derived, int *lost)
{
    struct hypotheses *h = op_take(1, sizeof *h);
    struct report *unused = op_take(1, sizeof *unused);
    struct op_case got[PARTS];
    *unused = *r;
    answers_copy(got, p, p->in);
    c->answer(c->arg, p, got, unused, lost);
    if (!*lost) {
        int right = 1;
        problem_solve(p);
        for (int part = 0; part < p->subject.n; part++)
            right &= report_add(unused, p, got, part);    /* which brings states to the truth's gauge */
        if (!right || !r->others) {
            hypotheses_make(h, p, r->gauge, derived);
            evidence_add(evidence, p, got, h);
            hypotheses_free(h);
        }
    }
    answers_free(got);
    free(h), free(unused);
}

/* Which cause answers so? Problems are asked once more: those that were right speak for or against a cause too, unless
 * others of their sizes are wrong, which then speak for themselves. 1 if one of them was wrong. */
static int weigh(const struct plan *plan, const struct candidate *c, struct report *r, int derived, double most,
                 int *lost)
{
    char why[SWAX_WHY];
    struct entry e;
    struct evidence *evidence = op_take(1, sizeof *evidence);
    const struct problem *other = c->other && c->other->subject.n ? c->other : NULL;
    for (int i = other ? -1 : 0; !*lost && (i < 0 || plan_entry(plan, i, &e)); i++) {
        struct problem p;
        if (i < 0)
            problem_copy(&p, other);
        else if ((plan->only >= 0 && plan->only != i) || problem_draw(&p, plan, i, &e, why))
            continue;
        if (evidence_affords(evidence, &p, derived, most) && !(i >= 0 && c->match && c->match(c->arg, &p)))
            weigh_one(evidence, &p, c, r, derived, lost);
        problem_free(&p);
    }
    const int wrong = evidence->truth > 0;
    if (wrong || most > SMALL)
        evidence_weigh(evidence, r, derived);
    free(evidence);
    return wrong;
}

static const double WELL_EXPLAINED = 0.97;

/* By small problems, if any of them is wrong; by all that time allows, if none is. */
static void diagnose(const struct plan *plan, const struct candidate *c, struct report *r)
{
    int lost = 0;
    const int small = weigh(plan, c, r, 0, SMALL, &lost);
    if (!small && !lost)
        weigh(plan, c, r, 0, (double)INFINITY, &lost);
    if (small && !lost && (r->cause < 0 || r->alike || r->explained < WELL_EXPLAINED))
        weigh(plan, c, r, 1, SMALL, &lost);
}

const char *verify_run(const struct plan *plan, const struct candidate *c, struct report *r, char *why)
{
    struct entry e;
    struct meter meter;
    const char *wrong = NULL;
    int lost = 0, n = 0;
    while (plan_entry(plan, n, &e))
        n++;
    meter_begin(&meter, plan, n);
    for (int k = 0; k < n && !wrong && !lost; k++) {
        const int i =
            (int)random_permute(plan->seed, (uint64_t)n, (uint64_t)k); /* nobody is to know which comes next */
        plan_entry(plan, i, &e);
        if (plan->only >= 0 && plan->only != i)
            continue;
        wrong = one(plan, i, &e, c, r, &lost, why);
        meter_step(&meter, k, r->failed);
    }
    meter_end(&meter);
    if (!wrong && r->failed && !lost)
        diagnose(plan, c, r);
    return wrong ? wrong : r->problems ? NULL : say(why, "No case was looked at.");
}

/* ---- a tier */

int tier_has(const struct swax_tier *tier, enum swax_precision precision, const struct subject *s)
{
    int kernels = 0;
    for (int part = 0; part < s->n && op_offers(tier, precision); part++)
        kernels += op_present(tier, precision, s->op[part]);
    return kernels > 0;
}

int run_problem(const struct swax_tier *tier, enum swax_precision precision, const struct problem *p,
                struct op_case got[PARTS], char *trouble)
{
    for (int part = 0; part < p->subject.n; part++) {
        if (!op_present(tier, precision, p->subject.op[part])) {
            for (int i = 0; i < got[part].n; i++)
                if (problem_is_answer(p, part, i)) {
                    free(got[part].arg[i]);
                    got[part].arg[i] = NULL;
                }
        } else if (op_run(tier, precision, &got[part])) {
            memcpy(trouble, got[part].trouble, OP_SENTENCE);
            return 0;
        }
    }
    return 1;
}

struct runs {
    const struct swax_tier *tier;
    enum swax_precision precision;
    char trouble[OP_SENTENCE];
    struct subject subject;
};

static const char *answer(void *arg, const struct problem *p, struct op_case got[PARTS], struct report *r, int *lost)
{
    struct runs *t = arg;
    (void)r, (void)lost;
    return run_problem(t->tier, t->precision, p, got, t->trouble) ? NULL : t->trouble;
}

/* In a process of its own, for what is too long to be asked otherwise. */
static const char *load_tier(struct loaded *l, void *arg, char *why)
{
    const struct runs *t = arg;
    (void)why;
    l->tier = *t->tier;
    l->precision = t->precision;
    for (int part = 0; part < t->subject.n; part++)
        l->offers[part] = op_present(t->tier, t->precision, t->subject.op[part]);
    return NULL;
}

const char *verify_tier(const struct swax_tier *tier, enum swax_precision precision, const struct plan *plan,
                        struct report *r, char *why)
{
    struct runs t = {tier, precision, "", plan->subject};
    if (suite_is_long(plan->suite))
        return tier->memory ? say(why, "suite=long: the arrays of tier %s are not the host's.", tier->name)
                            : verify_long(load_tier, &t, plan, r, why);
    report_begin(r, plan);
    r->gauge = 1;
    return verify_run(plan, &(struct candidate){.answer = answer, .arg = &t}, r, why);
}
