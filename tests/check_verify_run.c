/* check_verify_run.c - a candidate over the problems of a plan (tools/verify/run.c): which problems it is asked, how
 * often, and what stays of what it says; and a problem again and changed (tools/verify/again.h). */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ref/kernels.h"
#include "tests/golden.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/lib/random.h"
#include "tools/verify/again.h"
#include "tools/verify/verify.h"

static char why[SWAX_WHY];

/* ---- a candidate that counts */

enum { PROBLEMS = 64 };
enum wrong { RIGHT, ALWAYS, SOME, TROUBLE, LOST, LOST_LATER, OTHERS, REFUSES, REFUSES_LATER, LAST_PART, WRONGS };
static const char *const wrong_word[WRONGS] = {"right", "wrong", "wrong in some", "with trouble", "lost", "lost later",
                                               "with others", "refused", "refused later", "wrong in its last part"};
struct counts {
    enum wrong wrong;
    int asked[PROBLEMS], matched[PROBLEMS], calls, other, first;
    char says[OP_SENTENCE];
};

static const char *answer(void *arg, const struct problem *p, struct op_case got[PARTS], struct report *r, int *lost)
{
    struct counts *c = arg;
    char trouble[OP_SENTENCE];
    if (!c->calls++)
        c->first = p->number;
    const int again = c->asked[p->number]++;
    c->other += p->seed == 99;
    ck_assert_msg(run_problem(swax_tiers[0], SWAX_PREC_F32, p, got, trouble), "%s", trouble);
    const int wrong = c->wrong == ALWAYS || c->wrong == LOST || c->wrong == LOST_LATER || c->wrong == REFUSES_LATER ||
                      (c->wrong == SOME && p->number % 3 == 1);
    const double *w = p->in[0].n > 3 ? p->in[0].arg[3] : NULL;      /* a norm by 1 + w, which is a known cause */
    for (long e = 0; e < got[0].size[0] && wrong; e++)
        got[0].arg[0][e] *= w ? 1 + 1 / w[e % p->in[0].size[3]] : 1.5;
    if (c->wrong == LAST_PART)
        got[p->subject.n - 1].arg[0][0] += 1000;
    *lost = (c->wrong == LOST && c->calls == 3) || (c->wrong == LOST_LATER && again && p->number == 2);
    if (c->wrong == OTHERS && p->number == 1)
        r->others++;
    snprintf(c->says, sizeof c->says, "it smells in case %d", p->number);
    return (c->wrong == TROUBLE && p->number % 4 == 2) || *lost ? c->says : NULL;
}

static const char *match(void *arg, struct problem *p)
{
    struct counts *c = arg;
    const int again = c->matched[p->number]++;
    return c->wrong == REFUSES && p->number == 3         ? "It is another one."
         : c->wrong == REFUSES_LATER && again && !(p->number % 3) ? "It is another one by now."
                                                         : NULL;
}

/* One plan put to it: how often which problem was asked, and what the report says. */
static void tell_run(FILE *f, const char *line, enum wrong wrong, int only, int matches, const struct problem *other)
{
    struct counts c = {.wrong = wrong};
    struct plan plan;
    struct report r = {.gauge = 1};
    ck_assert_msg(!plan_read(&plan, line, why), "%s", why);
    plan.only = only;
    plan.wish.chained = 0;
    report_begin(&r, &plan);
    r.gauge = 1;
    why[0] = 0;
    const struct candidate asked = {.answer = answer, .match = matches ? match : NULL, .arg = &c, .other = other};
    const char *says = verify_run(&plan, &asked, &r, why);
    fprintf(f, "%s, %s, only %d%s%s: %s; begins with %d, asked", line, wrong_word[wrong], only,
            matches ? ", matched" : "", other ? ", with another" : "", says ? says : "a verdict", c.first);
    for (int i = 0; i < PROBLEMS; i++)
        if (c.asked[i] || c.matched[i])
            fprintf(f, matches ? " %d:%d/%d" : " %d:%d", i, c.asked[i], c.matched[i]);
    fprintf(f, "; other %d; %d of %d failed, \"%s\" at %d, cause %s", c.other, r.failed, r.problems, r.trouble,
            r.trouble_at, r.cause < 0 ? "none" : cause_is(r.cause)->name);
    for (int i = 0; i < r.n; i++)
        fprintf(f, "; %s %d/%d", r.finding[i].name, r.finding[i].failed, r.finding[i].answers);
    fputc('\n', f);
}

START_TEST(a_candidate_is_asked_so_often)
{
    static const char norm[] = "rmsnorm suite=quick dtype=f32 N=3 C=4",
                      one[] = "add_forward suite=quick dtype=f32 N=7";
    char *all;
    size_t size;
    struct problem other[2] = {{.number = 0}};
    struct plan plan;
    struct entry e;
    FILE *f = open_memstream(&all, &size);
    ck_assert(!plan_read(&plan, norm, why) && plan_entry(&plan, 1, &e));
    e.seed = 99;
    ck_assert(!problem_draw(&other[1], &plan, 1, &e, why));
    for (int wrong = 0; wrong < WRONGS; wrong++)
        for (int matches = 0; matches < 2; matches++)
            tell_run(f, norm, (enum wrong)wrong, -1, matches, NULL);
    for (int only = 0; only < 2; only++) {
        tell_run(f, norm, ALWAYS, only, 0, NULL);
        tell_run(f, norm, ALWAYS, only, 1, &other[only]);
        tell_run(f, norm, REFUSES_LATER, only, 1, NULL);
        tell_run(f, norm, RIGHT, only, 0, &other[1]);
        tell_run(f, one, only ? ALWAYS : TROUBLE, -1, 0, NULL);
    }
    tell_run(f, norm, ALWAYS, -1, 0, &other[1]);
    tell_run(f, norm, ALWAYS, 63, 0, NULL);
    problem_free(&other[1]);
    fclose(f);
    golden_is("runs.txt", all, 0);
    free(all);
}
END_TEST

/* Where nothing small is wrong, what is large is asked once more. */
START_TEST(what_is_large_is_asked_last)
{
    char *all;
    size_t size;
    FILE *f = open_memstream(&all, &size);
    tell_run(f, "rmsnorm_forward suite=quick dtype=f32 N=4 C=500001", ALWAYS, 2, 0, NULL);
    fclose(f);
    ck_assert_msg(strstr(all, "asked 2:2; other 0; 1 of 1 failed, "), "%s", all);
    free(all);
}
END_TEST

/* ---- a tier */

static void behind_end(float *y, const float *a, const float *b, int N)
{
    swax_ref_f32.add_forward(y, a, b, N);
    y[N] = 0;
}

static void behind_end_too(float *da, float *db, const float *dy, int N)
{
    swax_ref_f32.add_backward(da, db, dy, N);
    db[N] = 0;
}

/* What a kernel does beside answering is said of it, whichever part it is. */
START_TEST(a_tier_that_writes_outside_is_named)
{
    for (int part = 0; part < PARTS; part++) {
        struct swax_kernels_f32 table = {.add_forward = part ? swax_ref_f32.add_forward : behind_end,
                                         .add_backward = part ? behind_end_too : swax_ref_f32.add_backward};
        const struct swax_tier odd = {.name = "odd", .f32 = &table};
        struct plan plan;
        struct report r;
        ck_assert(!plan_read(&plan, "add suite=quick dtype=f32 N=7", why));
        memset(&r, 0, sizeof r);
        ck_assert_msg(!verify_tier(&odd, SWAX_PREC_F32, &plan, &r, why), "%s", why);
        ck_assert_str_eq(r.trouble, part ? "add_backward on tier odd wrote behind the end of db"
                                         : "add_forward on tier odd wrote behind the end of y");
        ck_assert_int_eq(r.failed, r.problems);
        ck_assert(r.gauge == 1 && r.problems > 5);
    }
}
END_TEST

START_TEST(a_tier_with_memory_of_its_own_has_no_long_suite)
{
    static const struct swax_memory memory;
    static struct swax_kernels_f32 table;
    const struct swax_tier odd = {.name = "odd", .f32 = &table, .memory = &memory};
    struct plan plan;
    struct report r = {0};
    ck_assert(!plan_read(&plan, "add suite=quick dtype=f32 N=7", why));
    while (!suite_is_long(plan.suite))
        plan.suite++;
    ck_assert(verify_tier(&odd, SWAX_PREC_F32, &plan, &r, why) == why);
    ck_assert_str_eq(why, "suite=long: the arrays of tier odd are not the host's.");
}
END_TEST

/* A part that a tier does not have is not answered; what else stands there stays. */
START_TEST(what_a_tier_lacks_is_not_answered)
{
    struct swax_kernels_f32 table = {.add_backward = swax_ref_f32.add_backward};
    const struct swax_tier odd = {.name = "odd", .f32 = &table};
    struct plan plan;
    struct entry e;
    struct problem p;
    struct op_case got[PARTS];
    char trouble[OP_SENTENCE];
    struct subject s;
    ck_assert(!plan_read(&plan, "add N=7", why) && plan_entry(&plan, 0, &e) && !problem_draw(&p, &plan, 0, &e, why));
    answers_copy(got, &p, p.in);
    ck_assert(run_problem(&odd, SWAX_PREC_F32, &p, got, trouble));
    ck_assert(!got[0].arg[0] && got[0].arg[1] && got[0].arg[2] && got[1].arg[0] && got[1].arg[1] && got[1].arg[2]);
    for (int e0 = 0; e0 < 7; e0++)
        ck_assert(got[1].arg[0][e0] == (float)p.in[1].arg[0][e0] + (float)p.in[1].arg[2][e0] &&
                  got[0].arg[1][e0] == p.in[0].arg[1][e0]);
    ck_assert(!subject_find(&s, "add", why) && tier_has(&odd, SWAX_PREC_F32, &s) && !tier_has(&odd, SWAX_PREC_F64, &s));
    ck_assert(!subject_find(&s, "add_forward", why) && !tier_has(&odd, SWAX_PREC_F32, &s));
    ck_assert(!subject_find(&s, "add_backward", why) && tier_has(&odd, SWAX_PREC_F32, &s));
    answers_free(got);
    problem_free(&p);
}
END_TEST

/* ---- copies */

static int is_gone(const struct op_case *c)
{
    for (int i = 0; i < OP_ARGS; i++)
        if (c->arg[i])
            return 0;
    return 1;
}

/* What is freed is the two parts, and nothing beside them. */
START_TEST(two_parts_are_freed)
{
    struct plan plan;
    struct entry e;
    struct problem p, q;
    struct { struct op_case got[PARTS], behind; } of;
    ck_assert(!plan_read(&plan, "add N=7", why) && plan_entry(&plan, 0, &e) && !problem_draw(&p, &plan, 0, &e, why));
    answers_copy(of.got, &p, p.in);
    op_case_copy(&of.behind, &p.in[0]);
    for (int part = 0; part < PARTS; part++)
        for (int i = 0; i < 3; i++)
            ck_assert(of.got[part].arg[i] != p.in[part].arg[i] &&
                      !memcmp(of.got[part].arg[i], p.in[part].arg[i], 7 * sizeof(double)));
    answers_free(of.got);
    ck_assert(is_gone(&of.got[0]) && is_gone(&of.got[1]) && of.behind.arg[0] && of.behind.arg[2]);
    op_case_free(&of.behind);
    problem_copy(&q, &p);
    ck_assert(q.number == p.number && q.seed == p.seed && q.in[1].arg[2] && q.in[1].arg[2] != p.in[1].arg[2] &&
              is_gone(&q.truth[0]) && is_gone(&q.truth[1]));
    problem_solve(&p);
    ck_assert(p.truth[0].arg[0] && p.truth[1].arg[0]);
    memset(p.bound, 1, sizeof p.bound);      /* which would be an address, were it taken for a case */
    problem_free(&p);
    ck_assert(is_gone(&p.in[0]) && is_gone(&p.in[1]) && is_gone(&p.truth[0]) && is_gone(&p.truth[1]));
    problem_free(&q);
}
END_TEST

/* Every problem is new once, up to the last number that there is room for; those behind it are always new. */
START_TEST(what_was_seen_is_known)
{
    struct { struct again a; unsigned char behind[8]; } of;
    memset(&of, 0, sizeof of);
    for (int turn = 0; turn < 2; turn++)
        for (int number = 0; number < AGAIN_SEEN + 8; number++) {
            const struct problem p = {.number = number};
            ck_assert_int_eq(again_saw(&of.a, &p), turn && number < AGAIN_SEEN);
        }
    ck_assert(!of.a.first.subject.n && !of.a.trouble[0]);
}
END_TEST

/* Other numbers, to the last one: of a forward the values, or the first input; of a backward the gradient that arrives;
 * and what both have stays the same in both. */
static void tell_changed(FILE *f, const char *line, int round)
{
    struct plan plan;
    struct entry e;
    struct problem p, was;
    ck_assert_msg(!plan_read(&plan, line, why), "%s: %s", line, why);
    ck_assert(plan_entry(&plan, 0, &e) && !problem_draw(&p, &plan, 0, &e, why));
    problem_copy(&was, &p);
    problem_change(&p, round);
    fprintf(f, "%s, round %d:", line, round);
    for (int part = 0; part < p.subject.n; part++)
        for (int i = 0; i < p.in[part].n; i++) {
            const struct op_arg *a = &swax_ops[p.in[part].op].arg[i];
            const double *x = p.in[part].arg[i], *old = was.in[part].arg[i];
            const long n = p.in[part].size[i];
            if (!x || !memcmp(x, old, (size_t)n * sizeof *x))
                continue;
            int halved = 0;
            while (halved < 9 && x[0] != -ldexp(old[n > 1], -halved))
                halved++;
            int turned = 1;
            for (long k = 1; k < n; k++)
                turned &= x[k] == -old[(k + 1) % n];
            const int j = part ? op_arg_find(&swax_ops[p.in[0].op], a->name) : -1;
            const int same = j >= 0 && p.in[0].arg[j] && !memcmp(x, p.in[0].arg[j], (size_t)n * sizeof *x);
            fprintf(f, " %d.%s halved %d%s%s", part, a->name, halved, turned ? "" : ", not turned",
                    same ? ", as in the forward" : "");
        }
    fputc('\n', f);
    problem_free(&p), problem_free(&was);
}

START_TEST(other_numbers_are_these_moved_on)
{
    char *all;
    size_t size;
    FILE *f = open_memstream(&all, &size);
    struct subject s;
    char line[80];
    for (int k = 0; subject_number(k, &s); k++)
        for (int alone = 0; alone < 2 && s.n == 2; alone++) {
            snprintf(line, sizeof line, "%s%s seed=%d", s.base, alone ? "_backward" : "", 3 + k % 4);
            tell_changed(f, line, k % 5);
        }
    tell_changed(f, "mlstm noise=yes T=5", 2);
    tell_changed(f, "attention_forward noise=no", 4);
    tell_changed(f, "add N=1", 0);
    tell_changed(f, "adamw N=3", 0);
    tell_changed(f, "embed_forward N=3", 1);
    fclose(f);
    golden_is("changed.txt", all, 0);
    free(all);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("runs");
    TCase *t = tcase_create("runs");
    scratch_open();
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_candidate_is_asked_so_often);
    tcase_add_test(t, what_is_large_is_asked_last);
    tcase_add_test(t, a_tier_that_writes_outside_is_named);
    tcase_add_test(t, a_tier_with_memory_of_its_own_has_no_long_suite);
    tcase_add_test(t, what_a_tier_lacks_is_not_answered);
    tcase_add_test(t, two_parts_are_freed);
    tcase_add_test(t, what_was_seen_is_known);
    tcase_add_test(t, other_numbers_are_these_moved_on);
    suite_add_tcase(s, t);
    const int status = suite_ends(s);
    scratch_close();
    return status;
}
