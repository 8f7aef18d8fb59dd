/* check_verify_judge.c - what the verdict of the verification kit hangs on, one rule at a time: states in any gauge of
 * m, the worst problem, which orders of operations are honest, what a bound is widened by, when a cause is looked for,
 * who tells the truth, and a tier that has but one of two kernels. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ref/kernels.h"
#include "tests/printed.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/lib/json.h"
#include "tools/verify/causes.h"
#include "tools/verify/verify.h"

static char why[SWAX_WHY];

/* The problem of these words, without its truth. */
static struct plan draw(struct problem *p, const char *words, int chained)
{
    struct plan plan = {.only = -1, .suite = -1};
    struct entry e;
    ck_assert_msg(!plan_read(&plan, words, why), "%s", why);
    plan.wish.chained = chained;
    ck_assert(plan_entry(&plan, 0, &e));
    ck_assert_msg(!problem_draw(p, &plan, 0, &e, why), "%s", why);
    return plan;
}

static int place(const struct op_case *c, const char *name)
{
    const int i = op_arg_find(&swax_ops[c->op], name);
    ck_assert_msg(i >= 0 && c->arg[i], "there is no %s", name);
    return i;
}

static double *array(const struct op_case *c, const char *name) { return c->arg[place(c, name)]; }

static const struct finding *found(const struct report *r, const char *name)
{
    for (int i = 0; i < r->n; i++)
        if (!strcmp(r->finding[i].name, name))
            return &r->finding[i];
    ck_abort_msg("nothing was found about %s", name);
    return NULL;
}

/* ---- states */

/* By how much a kernel's m may be another, row by row. */
static double shift(long row) { return 0.25 * (double)(row % 5) - 0.6; }

enum gauge { STATES = 1, SUMS = 2, SAVED = 4, BOTH_M = 8 };

/* Move m and m1, and with them what `which` says. */
static void move(struct op_case *c, int which)
{
    const struct op_spec *op = &swax_ops[c->op];
    const long T = op_extent(op, 'T', c->dims), H = op_extent(op, 'H', c->dims), L = op_extent(op, 'L', c->dims);
    const long K = op_extent(op, 'K', c->dims), V = op_extent(op, 'V', c->dims), chunks = op_extent(op, 'c', c->dims);
    double *m = array(c, "m"), *m1 = array(c, "m1"), *qn = array(c, "qn");
    for (long row = 0; row < c->size[place(c, "m")] && which & (SUMS | SAVED | BOTH_M); row++) {
        m[row] += shift(row);
        qn[row] *= which & SUMS ? exp(-shift(row)) : 1;
    }
    for (long bh = 0; bh < c->size[place(c, "m1")]; bh++) {
        for (long e = 0; e < K * V && which & STATES; e++)
            array(c, "C1")[bh * K * V + e] *= exp(-shift(bh));
        for (long e = 0; e < K && which & STATES; e++)
            array(c, "n1")[bh * K + e] *= exp(-shift(bh));
        m1[bh] += which & (STATES | BOTH_M) ? shift(bh) : 0;
        for (long at = 1; at < chunks && which & SAVED; at++) {      /* before token 0 they are those that came in */
            const long b = bh / H, h = bh % H, row = (b * T + at * L - 1) * H + h;
            for (long e = 0; e < K * V; e++)
                array(c, "Cs")[(bh * chunks + at) * K * V + e] *= exp(-shift(row));
            for (long e = 0; e < K; e++)
                array(c, "ns")[(bh * chunks + at) * K + e] *= exp(-shift(row));
        }
    }
}

/* What C, n and qn stand for is e^m C, e^m n and e^m qn. */
START_TEST(states_count_in_any_gauge)
{
    static const struct { const char *what; int moved, all, good, another; } of[] = {
        {"the truth", 0, 0, 1, 0}, {"all of it in another m", STATES | SUMS | SAVED, 0, 1, 1},
        {"the states that go out", STATES, 0, 1, 1}, {"m alone", BOTH_M, 0, 0, 1},
        {"states without the saved ones", STATES | SUMS, 0, 0, 1},
        {"saved states without the sums", STATES | SAVED, 0, 0, 1},
        {"the truth, m asked", 0, 1, 1, 0}, {"another m, m asked", STATES | SUMS | SAVED, 1, 0, 0}};
    struct problem p;
    const struct plan plan = draw(&p, "mlstm_forward seed=4 dtype=f32 family=gauss documents=no B=2 T=11 H=3 K=5 V=4 "
                                      "L=4 g=0", 0);
    problem_solve(&p);
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        static struct report r;
        struct op_case got;
        op_case_copy(&got, &p.truth[0]);
        move(&got, of[k].moved);
        report_begin(&r, &plan);
        r.gauge = of[k].all;
        const int good = report_add(&r, &p, &got, 0);
        ck_assert_msg(good == of[k].good && r.another_gauge == of[k].another, "%s: %s, in %s gauge", of[k].what,
                      good ? "good" : "wrong", r.another_gauge ? "another" : "the same");
        op_case_free(&got);
    }
    problem_free(&p);
}
END_TEST

/* Of good answers, too, what is shown is the problem that comes nearest to its bound. */
START_TEST(the_worst_problem_is_shown)
{
    static const double off[5] = {0.1, 0.4, 0.05, 0.9, 0.2};
    static struct report r;
    for (int k = 0; k < 5; k++) {
        struct problem p;
        struct op_case got;
        const struct plan plan = draw(&p, "add_forward seed=4 dtype=f32 family=gauss N=9", 0);
        problem_solve(&p);
        op_case_copy(&got, &p.truth[0]);
        double unit = 0;
        for (long e = 0; e < 9; e++)
            unit = fmax(unit, fabs(got.arg[0][e]));
        got.arg[0][3 + k % 2] += off[k] * p.bound[0].bound[0] * unit;
        p.number = 10 + k;
        if (!k)
            report_begin(&r, &plan);
        ck_assert(report_add(&r, &p, &got, 0));
        op_case_free(&got), problem_free(&p);
    }
    const struct finding *y = found(&r, "y");
    ck_assert_msg(y->problem == 13 && y->index == 4 && y->answers == 5 && !y->failed && y->asked == 5,
                  "case %d, element %ld, of %d answers %d failed", y->problem, y->index, y->answers, y->failed);
    ck_assert_msg(fabs(y->largest / y->bound - 0.9) < 1e-6 && fabs(y->ratio / 0.9 - 1) < 1e-6, "%g of %g", y->largest,
                  y->bound);
}
END_TEST

/* In bf16 a factor, which the bias alone notices, is what brings a problem nearest to its bound. */
START_TEST(a_factor_counts_as_much_as_an_error)
{
    static const double factor[3] = {0.2, 0.8, 0.5};
    static struct report r;
    for (int k = 0; k < 3; k++) {
        struct problem p;
        struct op_case got;
        const struct plan plan = draw(&p, "add_forward seed=4 dtype=bf16 family=gauss N=4000", 0);
        problem_solve(&p);
        op_case_copy(&got, &p.truth[0]);
        for (long e = 0; e < got.size[0]; e++)
            got.arg[0][e] *= 1 + factor[k] * p.bound[0].bias_bound[0];
        p.number = k;
        if (!k)
            report_begin(&r, &plan);
        ck_assert(report_add(&r, &p, &got, 0));
        op_case_free(&got), problem_free(&p);
    }
    const struct finding *y = found(&r, "y");
    ck_assert_msg(y->problem == 1 && fabs(y->ratio - 0.8) < 1e-3 && fabs(y->bias / y->bias_bound - 0.8) < 1e-3,
                  "case %d, %g of what it may be, as a whole %g of %g", y->problem, y->ratio, y->bias, y->bias_bound);
}
END_TEST

/* ---- honest orders */

/* Sums of a sequence's logarithms from the first token on are honest up to 128: of the forget gate's sigmoid, or of
 * gates that are logarithms. */
START_TEST(sums_are_honest_while_they_are_small)
{
    struct swax_tier unused;
    const struct fault *order = NULL;
    for (int k = 0; fault_none_f32(k, &unused); k++)
        order = fault_none_f32(k, &unused)->kind == FAULT_SMALL_SUMS ? fault_none_f32(k, &unused) : order;
    ck_assert(order);
    for (int g = 0; g < 4; g++)
        for (int k = 0; k < 2; k++) {
            enum { T = 100 };
            const double sum = k ? 128.5 : 127.5, each = sum / T;
            struct problem p;
            char words[200];
            snprintf(words, sizeof words, "mlstm seed=4 dtype=f32 family=gauss B=2 T=%d H=3 K=2 V=2 g=%d", T, g);
            draw(&p, words, 0);
            double *f = array(&p.in[0], "f");
            for (long t = 0; t < 2 * T * 3; t++)      /* sequence 1, head 1; little in all others */
                f[t] = t / (3 * T) == 1 && t % 3 == 1 ? (g == 3 ? -each : -log(expm1(each))) : g == 3 ? -0.01 : 6;
            ck_assert_msg(order_is_honest(order, &p) == !k, "gates %d: sums of %g are %s", g, sum,
                          k ? "honest" : "refused");
            problem_free(&p);
        }
}
END_TEST

/* Values near the end of float's range, whose sum is beyond it: an honest order that divides at the end overflows,
 * which says nothing of what another may err. */
START_TEST(what_overflows_widens_nothing)
{
    struct problem p;
    draw(&p, "attention_forward seed=4 dtype=f32 family=gauss B=1 T=9 S=9 H=2 G=1 D=4 W=9 documents=no", 0);
    for (long e = 0; e < p.in[0].size[place(&p.in[0], "v")]; e++)
        array(&p.in[0], "v")[e] = 2.5e38;
    problem_solve(&p);
    const struct op_verdict *may = &p.bound[0];
    const int y = place(&p.in[0], "y");
    ck_assert_msg(may->bound[y] < 1e-5 && may->rms_bound[y] < 1e-5, "y may err %g, by RMS %g", may->bound[y],
                  may->rms_bound[y]);
    problem_free(&p);
}
END_TEST

/* ---- causes */

/* Causes are looked for while there is time: not in problems too large for any, of which the report says so. */
START_TEST(too_large_a_case_is_not_diagnosed)
{
    static struct evidence e;
    static struct report r;
    struct problem small = {.number = 0};
    ck_assert(!subject_find(&small.subject, "linear", why));
    for (int part = 0; part < 2; part++)
        small.in[part] = (struct op_case){.op = small.subject.op[part], .dims = {10, 10, 10}};
    struct problem large = small;
    large.in[0].dims[0] = large.in[1].dims[0] = 1 << 30;
    report_begin(&r, &(struct plan){.subject = small.subject});
    ck_assert(!evidence_affords(&e, &small, 0, 999) && !e.left_out && e.work == 0);      /* a tier takes 1000 */
    evidence_weigh(&e, &r, 0);
    ck_assert(!r.too_large);
    ck_assert(!evidence_affords(&e, &large, 0, 1e30));
    ck_assert_msg(e.left_out == 1 && e.work == 0, "%d left out, after %g multiplications", e.left_out, e.work);
    evidence_weigh(&e, &r, 0);
    ck_assert_msg(r.too_large, "a case that is too large does not say so");
    ck_assert(evidence_affords(&e, &small, 0, 1000));
    int causes = 0;
    for (int k = cause_next(-1, "linear"); k >= 0; k = cause_next(k, "linear"))
        causes++;
    ck_assert_msg(e.work == causes * 2 * 4 * 1000.0, "%g multiplications for %d causes", e.work, causes);
    evidence_weigh(&e, &r, 0);
    ck_assert_msg(!r.too_large, "one was looked at");
}
END_TEST

static void print(void *r) { report_json(stdout, r); }

/* What is known of a family on which alone a kernel is wrong. */
START_TEST(families_have_their_advice)
{
    enum { S = 1 << OP_SHUT, A = 1 << OP_SATURATED, U = 1 << OP_HUGE, O = 1 << OP_OPEN, C = 1 << OP_COLD,
           X = 1 << OP_CROSSOVER, G = 1 << OP_GAUSS };
    static const struct { const char *subject; int families; const char *says; } of[] = {
        {"mlstm", S, "gates are shut"}, {"mlstm", A, "gates are shut"}, {"mlstm", U, "gates are shut"},
        {"mlstm", S | A | U, "gates are shut"}, {"mlstm", S | G, ""}, {"mlstm", O, "forget gates are open"},
        {"mlstm", O | S, ""}, {"mlstm", C, "exp(-m) decides"}, {"mlstm", X, "exp(-m) decides"}, {"mlstm", X | C, ""},
        {"mlstm", G, ""}, {"mlstm", 0, ""}, {"attention", U, "scores are in the hundreds"}, {"attention", U | G, ""},
        {"attention", S, ""}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        static struct report r;
        struct plan plan = {.seed = 1, .suite = 0, .only = -1};
        ck_assert(!subject_find(&plan.subject, of[k].subject, why));
        report_begin(&r, &plan);
        r.problems = 9, r.failed = 1, r.wrong_families = of[k].families, r.families = ~0;
        struct json *j = json_parse(printed_in(print, &r), strlen(printed_in(print, &r)), why);
        const struct json *advice = j ? json_get(j, "advice") : NULL;
        ck_assert_msg(advice && !strncmp(advice->text, of[k].says, strlen(of[k].says)) &&
                          !*advice->text == !*of[k].says,
                      "%s, families %x: \"%s\"", of[k].subject, (unsigned)of[k].families, advice ? advice->text : "?");
        json_free(j);
    }
}
END_TEST

/* ---- who answers */

/* The reference tells of what costs it less than 3e6 multiplications, in double ten times that; then the fastest. */
START_TEST(the_reference_tells_of_what_is_small)
{
    struct subject s;
    ck_assert(!subject_find(&s, "linear", why));
    for (int dtype = 0; dtype < DTYPES; dtype++) {
        const struct wish w = {.dtype = (enum dtype)dtype};
        const int most = dtype == DT_F64 ? 15000 : 1500;      /* a forward and a backward, of 1,000 times as many */
        const struct op_case small = {.op = s.op[0], .dims = {10, 100, most - 1}},
                             large = {.op = s.op[0], .dims = {10, 100, most}};
        int others = 0;
        for (int t = 1; t < swax_n_tiers; t++)
            others += !swax_tiers[t]->memory && swax_tiers[t]->f64 && swax_tiers[t]->f32 && swax_tiers[t]->usable();
        ck_assert_msg(teller_of(&s, &w, &small) == swax_tiers[0], "%s: another tells of what is small",
                      dtype_name[dtype]);
        ck_assert_msg((teller_of(&s, &w, &large) == swax_tiers[0]) == !others, "%s: of what is large, %d others told",
                      dtype_name[dtype], others);
    }
}
END_TEST

/* A tier that has the forward alone gives no gradient; one that has the backward alone gives nothing else. */
START_TEST(a_tier_answers_what_it_has)
{
    for (int without = 0; without < 2; without++) {
        struct swax_kernels_f32 table = swax_ref_f32;
        const struct swax_tier tier = {.name = "half", .usable = swax_tiers[0]->usable, .f32 = &table};
        struct problem p;
        struct op_case got[PARTS];
        char trouble[OP_SENTENCE] = "";
        if (without)
            table.mlstm_backward = NULL;
        else
            table.mlstm_forward = NULL;
        draw(&p, "mlstm seed=4 dtype=f32 family=gauss documents=no B=2 T=5 H=3 K=2 V=4 g=0", 0);
        problem_solve(&p);
        for (int part = 0; part < 2; part++)
            op_case_copy(&got[part], &p.in[part]);
        ck_assert_msg(run_problem(&tier, SWAX_PREC_F32, &p, got, trouble), "%s", trouble);
        for (int part = 0; part < 2; part++)
            for (int i = 0; i < got[part].n; i++) {
                const char *name = swax_ops[got[part].op].arg[i].name;
                const int is_there = got[part].arg[i] != NULL, was_there = p.in[part].arg[i] != NULL;
                ck_assert_msg(is_there == (was_there && !(part == without && problem_is_answer(&p, part, i))),
                              "%s: \"%s\" is %sthere", without ? "forward alone" : "backward alone", name,
                              is_there ? "" : "not ");
                ck_assert_msg(part == without || !problem_is_answer(&p, part, i) ||
                                  op_error(got[part].arg[i], p.truth[part].arg[i], got[part].size[i]) < 1e-3,
                              "\"%s\" is not the answer", name);
            }
        static const struct { const char *subject; int by[2]; } has[] = {
            {"mlstm", {1, 1}}, {"mlstm_forward", {0, 1}}, {"mlstm_backward", {1, 0}}, {"cast", {1, 1}}};
        for (size_t k = 0; k < sizeof has / sizeof *has; k++) {
            struct subject s;
            ck_assert(!subject_find(&s, has[k].subject, why));
            ck_assert_msg(tier_has(&tier, SWAX_PREC_F32, &s) == has[k].by[without] &&
                              !tier_has(&tier, SWAX_PREC_BF16, &s), "without the %s, %s", without ? "backward" :
                              "forward", has[k].subject);
        }
        for (int part = 0; part < 2; part++)
            op_case_free(&got[part]);
        problem_free(&p);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("verify_judge");
    TCase *t = tcase_create("judge");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, states_count_in_any_gauge);
    tcase_add_test(t, the_worst_problem_is_shown);
    tcase_add_test(t, a_factor_counts_as_much_as_an_error);
    tcase_add_test(t, sums_are_honest_while_they_are_small);
    tcase_add_test(t, what_overflows_widens_nothing);
    tcase_add_test(t, too_large_a_case_is_not_diagnosed);
    tcase_add_test(t, families_have_their_advice);
    tcase_add_test(t, the_reference_tells_of_what_is_small);
    tcase_add_test(t, a_tier_answers_what_it_has);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
