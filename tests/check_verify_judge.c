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
        {"sums and saved states", SUMS | SAVED, 0, 1, 1}, {"states without the saved ones", STATES | SUMS, 0, 0, 1},
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
    /* another m is one that is further away than the forward's bound, whatever stands behind that */
    static const char *const names[] = {"m", "m1"};
    p.bound[1] = p.bound[0];
    for (int k = 0; k < 8; k++) {
        struct op_case got;
        const int m = place(&p.truth[0], names[k / 4]), far = k % 2, wide = k / 2 % 2;
        double most = 0;
        for (long e = 0; e < p.truth[0].size[m]; e++)
            most = fmax(most, fabs(p.truth[0].arg[m][e]));
        for (int i = 0; i < OP_ARGS; i++)
            p.bound[1].bound[i] = wide ? 1 : 0, p.bound[0].bound[i] = 1e-3;
        const double was = p.truth[0].arg[m][1];
        op_case_copy(&got, &p.truth[0]);
        got.arg[m][1] += (far ? 1.1e-3 : 0.9e-3) * most;
        ck_assert_msg(regauge(&p, &got) == far, "%s is off by %s than its bound", names[k / 4], far ? "more" : "less");
        ck_assert(!memcmp(got.arg[m], p.truth[0].arg[m], (size_t)got.size[m] * sizeof(double)));
        ck_assert_msg(p.truth[0].arg[m][1] == was, "the truth's %s is brought to the answer's", names[k / 4]);
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
    ck_assert_msg(r.families == 1 << OP_GAUSS && !r.wrong_families, "a family is wrong where all is good");
}
END_TEST

/* Neighbours of a number in each type, down to the least that has all its digits, below which they are no nearer. */
START_TEST(neighbours_are_apart_by_their_exponent)
{
    static const struct { enum dtype dtype; enum op_type type; int digits, least; } of[] = {
        {DT_F32, REAL, 24, -126}, {DT_F64, REAL, 53, -1022}, {DT_BF16, REAL, 8, -126}, {DT_F16, REAL, 11, -14},
        {DT_F32, STAT, 24, -126}, {DT_F64, STAT, 53, -1022}, {DT_BF16, STAT, 24, -126}, {DT_F16, STAT, 24, -126},
        {DT_F32, DOUBLE, 53, -1022}, {DT_BF16, DOUBLE, 53, -1022}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++)
        for (int power = of[k].least - 3; power < of[k].least + 20; power++)
            for (int sign = -1; sign < 2; sign++) {
                const double x = sign * ldexp(1.75, power), at = sign && power > of[k].least ? power : of[k].least;
                const double is = neighbours_apart(x, of[k].type, of[k].dtype);
                ck_assert_each(is == ldexp(1, (int)at - of[k].digits + 1), "%s, type %d: neighbours of %g are %g apart",
                               dtype_name[of[k].dtype], (int)of[k].type, x, is);
            }
}
END_TEST

/* What brings a problem nearest to its bound: an error by its bound, or any error where there should be none.  Of equal
 * errors the first is shown.  And a tensor is asked of, unless an answer of zeros is within both its bounds. */
START_TEST(an_error_counts_by_its_bound)
{
    static const struct { double bound, rms_bound, off, ratio; int asked; } of[] = {
        {0.5, 0.25, 0.2, 0, 1}, {0.5, 2, 0.2, 0, 1}, {2, 0.25, 0.2, 0, 1}, {2, 2, 0.2, -1, 0}, {1, 1, 0.2, -1, 0},
        {0, 0.25, 0.2, INFINITY, 1}, {0.5, 0, 0.2, INFINITY, 1}, {0, 0, 0, 0, 1}, {0, 0.5, 0, 0, 1}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        static struct report r;
        struct problem p;
        struct op_case got;
        const struct plan plan = draw(&p, "add_forward seed=4 dtype=f64 family=gauss N=8", 0);
        problem_solve(&p);
        for (long e = 0; e < 8; e++)
            p.truth[0].arg[0][e] = e % 2 ? 1 : -1;
        p.bound[0].bound[0] = of[k].bound, p.bound[0].rms_bound[0] = of[k].rms_bound, p.bound[0].bias_bound[0] = 0;
        op_case_copy(&got, &p.truth[0]);
        got.arg[0][3] += of[k].off, got.arg[0][6] += of[k].off;      /* by RMS half of it */
        report_begin(&r, &plan);
        report_add(&r, &p, &got, 0);
        const double ratio = of[k].ratio ? of[k].ratio
                           : fmax(of[k].bound > 0 ? of[k].off / of[k].bound : 0,
                                  of[k].rms_bound > 0 ? of[k].off / 2 / of[k].rms_bound : 0);
        const struct finding *y = found(&r, "y");
        ck_assert_msg(y->ratio == ratio || fabs(y->ratio / ratio - 1) < 1e-12, "row %d: %g, not %g", (int)k, y->ratio,
                      ratio);
        ck_assert_msg(y->asked == of[k].asked, "row %d is asked %d times", (int)k, y->asked);
        ck_assert_msg(!of[k].asked || y->index == (of[k].off > 0 ? 3 : 0), "row %d: element %ld", (int)k, y->index);
        op_case_free(&got), problem_free(&p);
    }
}
END_TEST

/* How far a number is from another: not finite where the truth is, or another infinity, is infinitely far. */
START_TEST(what_is_no_number_is_infinitely_far)
{
    static const double n = NAN, i = INFINITY;
    const struct { double a, t, off; } of[] = {
        {1.5, 1, 0.5}, {1, 1.5, 0.5}, {-1, 1, 2}, {0, 0, 0}, {n, 1, i}, {i, 1, i}, {-i, 1, i}, {n, n, 0}, {1, n, i},
        {i, n, i}, {n, i, i}, {i, i, 0}, {-i, -i, 0}, {-i, i, i}, {i, -i, i}, {1, i, i}, {0, -i, i}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++)
        ck_assert_msg(answer_off(of[k].a, of[k].t) == of[k].off, "%g is %g away from %g", of[k].a,
                      answer_off(of[k].a, of[k].t), of[k].t);
}
END_TEST

/* A report begins without a cause; what a tensor looks like is said where it is wrong; and what f16 cannot hold is as
 * good as its largest number, where that is the truth. */
START_TEST(looks_are_of_what_is_wrong)
{
    static const struct { const char *plan; double bound; int reach; const char *looks; } of[] = {
        {"add_forward seed=4 dtype=f32 family=gauss N=8", 9, 0, ""},
        {"add_forward seed=4 dtype=f32 family=gauss N=8", 1e-3, 0, "2 times what it should be"},
        {"add_forward seed=4 dtype=f16 family=gauss N=8", 1e-3, 1, ""},
        {"add_forward seed=4 dtype=bf16 family=gauss N=8", 1e-3, 1, "2 times what it should be"}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        static struct report r;
        struct problem p;
        struct op_case got;
        const struct plan plan = draw(&p, of[k].plan, 0);
        problem_solve(&p);
        p.bound[0].bound[0] = p.bound[0].rms_bound[0] = of[k].bound, p.bound[0].bias_bound[0] = 0;
        for (long e = 0; e < 8 && of[k].reach; e++)
            p.truth[0].arg[0][e] = e % 3 ? 65504 : -65504;
        op_case_copy(&got, &p.truth[0]);
        for (long e = 0; e < 8; e++)
            got.arg[0][e] *= 2;
        memset(&r, 0x55, sizeof r);
        report_begin(&r, &plan);
        ck_assert(r.cause == -1 && !r.n && !r.problems && !r.families && r.plan.seed == plan.seed);
        const int good = report_add(&r, &p, &got, 0);
        ck_assert_msg(good == !*of[k].looks && !strcmp(found(&r, "y")->looks, of[k].looks), "%s, within %g: %s, \"%s\"",
                      of[k].plan, of[k].bound, good ? "good" : "wrong", found(&r, "y")->looks);
        op_case_free(&got), problem_free(&p);
    }
}
END_TEST

/* Errors by neighbours in the type of the answer, at 1, where they are as far apart as its digits say. */
START_TEST(errors_are_counted_in_neighbours_of_their_type)
{
    static const struct { const char *plan; double ulp; } of[] = {
        {"add_forward seed=4 dtype=f32 family=gauss N=9", 0x1p-23}, {"add_forward seed=4 dtype=f64 family=gauss N=9",
        0x1p-52}, {"add_forward seed=4 dtype=bf16 family=gauss N=9", 0x1p-7}, {"add_forward seed=4 dtype=f16 "
        "family=gauss N=9", 0x1p-10}, {"softcap_forward seed=4 dtype=bf16 family=gauss N=9", 0x1p-23}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        static struct report r;
        struct problem p;
        struct op_case got;
        const struct plan plan = draw(&p, of[k].plan, 0);
        problem_solve(&p);
        p.truth[0].arg[0][2] = 1;
        op_case_copy(&got, &p.truth[0]);
        for (int far = 0; far < 2; far++) {      /* off by 3; then by more than is good */
            report_begin(&r, &plan);
            got.arg[0][2] = far ? 1e4 : 1 + 3 * of[k].ulp;
            const int good = report_add(&r, &p, &got, 0);
            ck_assert_msg(good == !r.wrong_families && (!far || r.wrong_families == 1 << OP_GAUSS), "%s: families %x",
                          of[k].plan, (unsigned)r.wrong_families);
            ck_assert_msg(far || found(&r, "y")->ulp == 3, "%s: %g neighbours away, not 3", of[k].plan,
                          found(&r, "y")->ulp);
        }
        op_case_free(&got), problem_free(&p);
    }
}
END_TEST

/* Of a forward and of its backward: one number off in one tensor is that tensor's failure, and no other's. */
START_TEST(each_tensor_is_judged)
{
    static const char *const words[] = {
        "mlstm seed=4 dtype=f64 family=gauss B=2 T=7 H=2 K=3 V=4 L=4 g=0",
        "attention seed=4 dtype=f64 family=gauss B=2 T=7 S=7 H=2 G=1 D=4 W=5"};
    for (int k = 0; k < 2; k++) {
        struct problem p;
        const struct plan plan = draw(&p, words[k], 0);
        int gradients = 0;
        problem_solve(&p);
        for (int part = 0; part < 2; part++)
            for (int i = 0; i < p.in[part].n; i++) {
                static struct report r;
                struct op_case got[PARTS];
                if (!problem_is_answer(&p, part, i))
                    continue;
                const char *name = swax_ops[p.in[part].op].arg[i].name;
                for (int of = 0; of < 2; of++)
                    op_case_copy(&got[of], &p.truth[of]);
                got[part].arg[i][p.in[part].size[i] / 2] += 1;
                report_begin(&r, &plan);
                r.gauge = 1;
                const int good = report_add(&r, &p, got, 0) & report_add(&r, &p, got, 1);
                ck_assert_msg(!good && found(&r, name)->failed == 1, "\"%s\" is off and passes", name);
                for (int f = 0; f < r.n; f++)
                    ck_assert_msg(r.finding[f].failed == !strcmp(r.finding[f].name, name), "\"%s\" is off, and \"%s\" "
                                  "is blamed", name, r.finding[f].name);
                gradients += part;
                op_case_free(&got[0]), op_case_free(&got[1]);
            }
        ck_assert_msg(gradients >= 3, "%d gradients", gradients);
        problem_free(&p);
    }
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
        for (int k = 0; k < 12; k++) {
            enum { T = 100 };
            const double sum = k % 2 ? 128.5 : 127.5, each = sum / T;
            struct problem p;
            char words[200];
            snprintf(words, sizeof words, "mlstm seed=4 dtype=f32 family=gauss B=2 T=%d H=3 K=2 V=2 g=%d", T, g);
            draw(&p, words, 0);
            double *f = array(&p.in[0], "f");
            for (long t = 0; t < 2 * T * 3; t++)      /* one head of one sequence; little in all others */
                f[t] = t / (3 * T) * 3 + t % 3 == k / 2 ? (g == 3 ? -each : -log(expm1(each))) : g == 3 ? -0.01 : 6;
            ck_assert_msg(order_is_honest(order, &p) == !(k % 2), "gates %d, head %d: sums of %g are %s", g, k / 2, sum,
                          k % 2 ? "honest" : "refused");
            problem_free(&p);
        }
}
END_TEST

/* C1, n1 and m1 as a chunk gives them: by differences of running sums, which float holds. */
static void states_of_sums(const struct op_case *c, struct op_case *got, long bh)
{
    enum { MOST = 200 };
    const struct op_spec *op = &swax_ops[c->op];
    const long T = op_extent(op, 'T', c->dims), H = op_extent(op, 'H', c->dims);
    const long K = op_extent(op, 'K', c->dims), V = op_extent(op, 'V', c->dims), row0 = bh / H * T * H + bh % H;
    const double *k = array(c, "k"), *v = array(c, "v"), *i = array(c, "i"), *f = array(c, "f");
    const double *before = c->arg[op_arg_find(op, "m0")];
    double *C1 = array(got, "C1") + bh * K * V, *n1 = array(got, "n1") + bh * K;
    float b[MOST] = {0}, m;
    double sum = 0;
    ck_assert(T <= MOST);
    for (long t = 0; t < T; t++)
        b[t] = (float)(sum += -log1p(exp(-f[row0 + t * H])));
    m = b[T - 1] + (float)(before ? before[bh] : 0);
    for (long t = 0; t < T; t++)
        m = fmaxf(m, b[T - 1] - b[t] + (float)i[row0 + t * H]);
    array(got, "m1")[bh] = (double)m;
    for (long e = 0; e < K * V + K; e++) {
        const long r = e < K * V ? e / V : e - K * V;
        double state = 0;
        if (before)
            state = exp((double)(b[T - 1] + (float)before[bh] - m)) *
                    (e < K * V ? array(c, "C0")[bh * K * V + e] : array(c, "n0")[bh * K + r]);
        for (long t = 0; t < T; t++)
            state += exp((double)(b[T - 1] - b[t] + (float)i[row0 + t * H] - m)) *
                     k[(row0 + t * H) * K + r] * (e < K * V ? v[(row0 + t * H) * V + e % V] : 1);
        *(e < K * V ? C1 + e : n1 + r) = state;
    }
}

/* The last tokens' sums are rounded once each: by luck the orders that are tried round them well. */
START_TEST(states_may_err_what_their_sums_do)
{
    static const struct { const char *words; int number; } of[] = {
        {"mlstm suite=quick seed=302007 dtype=f32 documents=no g=0", 11},
        {"mlstm suite=quick seed=303007 dtype=f32 documents=no g=0", 11},
        {"mlstm suite=standard seed=301007 dtype=f32 documents=no g=0", 81}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        struct plan plan = {.only = -1};
        struct entry e;
        struct problem p;
        struct op_case got;
        ck_assert_msg(!plan_read(&plan, of[k].words, why), "%s", why);
        plan.wish.chained = 1;
        ck_assert(plan_entry(&plan, of[k].number, &e));
        ck_assert_msg(!problem_draw(&p, &plan, of[k].number, &e, why), "%s", why);
        problem_solve(&p);
        op_case_copy(&got, &p.truth[0]);
        for (long bh = 0; bh < got.size[place(&got, "m1")]; bh++)
            states_of_sums(&p.in[0], &got, bh);
        regauge(&p, &got);
        for (int n = 0; n < 2; n++) {
            const int i = place(&got, n ? "n1" : "C1");
            const double errs = op_error(got.arg[i], p.truth[0].arg[i], got.size[i]), may = p.bound[0].bound[i];
            ck_assert_msg(errs <= may, "%s number=%d: %s errs %g, and %g is allowed", of[k].words, of[k].number,
                          n ? "n1" : "C1", errs, may);
            ck_assert_msg(may < 2 * 128 * 0x1p-23, "%g is allowed, more than twice what sums of 128 err", may);
        }
        op_case_free(&got);
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

/* What any honest order errs may be erred twice: as its states stand, and as e^m C. */
START_TEST(honest_orders_are_allowed_twice_what_they_err)
{
    static const char *const words[] = {
        "mlstm_forward seed=%d dtype=f32 family=gauss B=1 T=40 H=2 K=6 V=4 g=0 documents=no",
        "mlstm_forward seed=%d dtype=f32 family=open B=1 T=70 H=1 K=4 V=4 g=2 documents=no",
        "delta_forward seed=%d dtype=f32 family=gauss B=1 T=40 H=2 G=1 K=8 V=4 documents=no",
        "attention_forward seed=%d dtype=f32 family=huge B=1 T=30 S=30 H=2 G=1 D=8 W=30 documents=no"};
    for (size_t k = 0; k < 5 * sizeof words / sizeof *words; k++) {
        char line[200];
        struct problem p;
        struct swax_tier honest;
        const struct fault *order;
        int orders = 0;
        snprintf(line, sizeof line, words[k / 5], (int)k + 1);
        draw(&p, line, 0);
        problem_solve(&p);
        for (int i = 0; (order = fault_none_f32(i, &honest)); i++)
            for (int gauge = 0; gauge < 2 && order_is_honest(order, &p); gauge++, orders++) {
                struct op_case got;
                op_case_copy(&got, &p.in[0]);
                ck_assert(!op_run(&honest, SWAX_PREC_F32, &got));
                if (gauge)
                    regauge(&p, &got);
                for (int a = 0; a < got.n; a++)
                    ck_assert_msg(!problem_is_answer(&p, 0, a) ||
                                      2 * op_error(got.arg[a], p.truth[0].arg[a], got.size[a]) <= p.bound[0].bound[a],
                                  "%s: %s of %s errs %g%s, and %g is allowed", line, swax_ops[got.op].arg[a].name,
                                  order->name, op_error(got.arg[a], p.truth[0].arg[a], got.size[a]),
                                  gauge ? " as e^m C" : "", p.bound[0].bound[a]);
                op_case_free(&got);
            }
        ck_assert_msg(orders > 0, "%s: no order was asked", line);
        problem_free(&p);
    }
}
END_TEST

/* Behind a norm, what arrives at h is orthogonal to what the forward truly gives, of one kernel to what it is given;
 * and a value of one number, which a norm makes the same whatever it is, has two. */
START_TEST(what_comes_out_of_a_norm_is_orthogonal)
{
    static const char *const words[] = {"mlstm", "mlstm_backward"};
    int two = 0;
    for (int k = 0; k < 2; k++)
        for (int seed = 1; seed < 40; seed++) {
            char line[100];
            struct problem p, plain;
            snprintf(line, sizeof line, "%s suite=quick seed=%d dtype=f64 T=5 H=2 K=3 behind=headnorm", words[k], seed);
            draw(&p, line, 1);
            *strstr(line, " behind") = 0;
            draw(&plain, line, 1);
            problem_solve(&p);
            const struct op_case *b = &p.in[p.subject.n - 1];
            const long V = op_extent(&swax_ops[b->op], 'V', b->dims),
                       was = op_extent(&swax_ops[b->op], 'V', plain.in[0].dims);
            ck_assert_each(V == (was < 2 ? 2 : was), "V is %ld, of %ld drawn", V, was);
            two += was < 2;
            const double *h = k ? array(b, "h") : array(&p.truth[0], "h"), *dh = array(b, "dh");
            for (long row = 0; row < b->size[place(b, "dh")]; row += V) {
                double dot = 0, hh = 0, dd = 0;
                for (long e = row; e < row + V; e++)
                    dot += h[e] * dh[e], hh += h[e] * h[e], dd += dh[e] * dh[e];
                ck_assert_each(fabs(dot) <= 1e-12 * sqrt(hh * dd), "%s: dh.h is %g", line, dot);
            }
            problem_free(&p), problem_free(&plain);
        }
    ck_assert_msg(two, "no value of one number was drawn");
}
END_TEST

/* ---- causes */

/* Multiplications and numbers, by the formulas of tools/verify/size.c, of sizes that are all different. */
START_TEST(problems_cost_what_their_loops_take)
{
    static const struct { const char *op; int dims[OP_DIMS]; double work, orders, steps, numbers; } of[] = {
        {"linear_forward", {5, 3, 7}, 105, 105, 105, 15 + 35 + 21 + 3},
        {"rmsnorm_forward", {5, 3}, 38, 38, 38, 15 + 5 + 15 + 3},
        /* B T S H G D W: each query all keys, and of those in the window D */
        {"attention_forward", {2, 5, 7, 6, 3, 11, 4}, 60 * 51, 60 * 51, 60 * 51, -1},
        {"attention_forward", {2, 5, 7, 6, 3, 11, 99}, 60 * 84, 60 * 84, 60 * 84, -1},
        /* B T H K V L g */
        {"mlstm_forward", {2, 5, 3, 7, 11, 4, 0}, 30 * (77 + 5 * 18.0), 30 * 770, 30 * (2 * 77 + 64 * 18.0), -1},
        {"mlstm_backward", {2, 5, 3, 7, 11, 4, 0}, 30 * (77 + 5 * 18.0), 30 * 770, 30 * (2 * 77 + 64 * 18.0), -1},
        /* B T H G K V J L e; the backward runs (L + 1) / 2 tokens again for each */
        {"delta_forward", {2, 5, 6, 3, 7, 11, 1, 4, 1}, 60 * 77 * 4, 60 * 770, 60 * (2 * 77 + 64 * 18.0), -1},
        {"delta_backward", {2, 5, 6, 3, 7, 11, 1, 4, 1}, 60 * 77 * (10 + 5), 60 * 770, 60 * (2 * 77 + 64 * 18.0), -1},
        {"delta_backward", {2, 5, 6, 3, 7, 11, 1, 64, 1}, 60 * 77 * (10 + 6), 60 * 770, 60 * (2 * 77 + 64 * 18.0), -1}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        struct op_case c = {.op = op_find(of[k].op)};
        memcpy(c.dims, of[k].dims, sizeof c.dims);
        ck_assert_msg(case_work(&c) == of[k].work && case_orders(&c) == of[k].orders && case_steps(&c) == of[k].steps &&
                          (of[k].numbers < 0 || case_numbers(&c) == of[k].numbers),
                      "%s: %g by the reference, %g by an order, %g by a tier, %g numbers", of[k].op, case_work(&c),
                      case_orders(&c), case_steps(&c), case_numbers(&c));
    }
}
END_TEST

/* Of two causes that explain as much the first stays, whichever number it has. */
START_TEST(a_cause_stays_unless_another_explains_more)
{
    static struct evidence e;
    static struct report r;
    const char *op = cause_is(0)->op;
    const int other = cause_next(0, op);
    memset(&e, 0, sizeof e);
    report_begin(&r, &(struct plan){.seed = 1});
    snprintf(r.plan.subject.base, sizeof r.plan.subject.base, "%s", op);
    e.truth = 10, e.work = 1;
    e.tried[0] = e.tried[other] = 1;
    e.cause[0] = 1, e.cause[other] = 3;
    evidence_weigh(&e, &r, 0);
    ck_assert_msg(r.cause == 0 && fabs(r.explained - 0.9) < 1e-12 && !r.derived && !r.causes, "cause %d explains %g",
                  r.cause, r.explained);
    e.cause[0] = 9, e.cause[other] = 0.9;        /* 0.91, which is no more than 0.02 above */
    evidence_weigh(&e, &r, 1);
    ck_assert_msg(r.cause == 0 && !r.derived, "cause %d took the place of the first", r.cause);
    e.cause[other] = 2.5;        /* by exactly as much as is not enough */
    r.explained = 0.75 - 0.02;
    ck_assert(r.explained + 0.02 == 0.75);
    evidence_weigh(&e, &r, 1);
    ck_assert_msg(r.cause == 0 && !r.derived, "cause %d took the place of the first", r.cause);
    r.explained = 0.9;
    e.cause[0] = 0.6, e.cause[other] = 0.5;
    evidence_weigh(&e, &r, 1);
    ck_assert_msg(r.cause == other && r.derived && fabs(r.explained - 0.95) < 1e-12, "cause %d explains %g", r.cause,
                  r.explained);
    ck_assert_msg(r.causes == 1 && r.causes_list[0] == 0, "the first, which explains as much, is not named: %d",
                  r.causes);
}
END_TEST

/* A rounding is a cause if the candidate errs as it does: by RMS, at most, and as a whole, each by itself. */
START_TEST(roundings_are_told_by_their_errors)
{
    static struct hypotheses h;
    static struct evidence e;
    struct problem p;
    int cause = -1;
    draw(&p, "add_forward seed=4 dtype=f32 family=gauss N=4000", 0);
    problem_solve(&p);
    for (int k = 0; cause < 0 && cause_is(k); k++)
        cause = cause_is(k)->kind == FAULT_ROUNDING ? k : -1;
    ck_assert(cause >= 0);
    const int y = place(&p.in[0], "y");
    double unit = 0;
    for (long n = 0; n < 4000; n++)
        unit = fmax(unit, fabs(p.truth[0].arg[y][n]));
    static const struct { const char *what; double one, all, factor, theirs; int alike; } of[] = {
        {"the same errors", 0, 1, 0, 0, 1}, {"twice as large", 0, 2, 0, 0, 1}, {"ten times as large", 0, 10, 0, 0, 0},
        {"a tenth", 0, 0.1, 0, 0, 0}, {"one number far off", 30, 1, 0, 0, 0}, {"one of theirs", 0, 1, 0, 30, 0},
        {"one of both", 30, 1, 0, 30, 1}, {"a hundredth, but for one", 15, 0.01, 0, 15, 0},
        {"ten times as large, but for one", 15, 10, 0, 15, 0}, {"all in one direction", 0, 0, 1, 0, 0}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        struct op_case got[PARTS] = {{0}}, rounds;
        memset(&h, 0, sizeof h), memset(&e, 0, sizeof e);
        op_case_copy(&got[0], &p.truth[0]), op_case_copy(&rounds, &p.truth[0]);
        for (long n = 0; n < 4000; n++) {
            const double off = n * 7 % 11 < 5 ? 1e-3 * unit : n * 7 % 11 < 10 ? -1e-3 * unit : 0;
            rounds.arg[y][n] += off + (n == 77 ? of[k].theirs * 1e-3 * unit : 0);
            got[0].arg[y][n] += of[k].all * off + (n == 9 ? of[k].one * 1e-3 * unit : 0) +
                                2e-3 * of[k].factor * p.truth[0].arg[y][n];
        }
        h.n = 1, h.cause[0] = cause, h.says[0][0] = p.truth[0], h.unit[0][0][y] = h.truth_rms[0][y] = 1;
        op_distance_add(&h.errs[0][0][y], rounds.arg[y], p.truth[0].arg[y], NULL, 4000);
        evidence_add(&e, &p, got, &h);
        ck_assert_msg(e.tried[cause] && e.errs_otherwise[cause] == !of[k].alike, "%s are %s", of[k].what,
                      e.errs_otherwise[cause] ? "other ones" : "the same");
        op_case_free(&rounds), op_case_free(&got[0]);
    }
    problem_free(&p);
}
END_TEST

/* Errors of so many more times another's are alike: three, and of few numbers more. */
START_TEST(few_errors_may_differ_more)
{
    static struct hypotheses h;
    static struct evidence e;
    static const struct { long n; double times; int alike; } of[] = {
        {64, 5.99, 1}, {64, 6.01, 0}, {6400, 3.29, 1}, {6400, 3.31, 0}, {16, 8.99, 1}, {16, 9.01, 0}};
    int cause = 0;
    while (cause_is(cause)->kind != FAULT_ROUNDING)
        cause++;
    for (size_t k = 0; k < 2 * sizeof of / sizeof *of; k++) {
        struct op_case got[PARTS] = {{0}}, rounds;
        struct problem p;
        char words[100];
        const double mine = k % 2 ? 1 : of[k / 2].times, theirs = k % 2 ? of[k / 2].times : 1;
        snprintf(words, sizeof words, "add_forward seed=4 dtype=f32 family=gauss N=%ld", of[k / 2].n);
        draw(&p, words, 0);
        problem_solve(&p);
        memset(&h, 0, sizeof h), memset(&e, 0, sizeof e);
        op_case_copy(&got[0], &p.truth[0]), op_case_copy(&rounds, &p.truth[0]);
        for (long n = 0; n < of[k / 2].n; n++) {      /* up and down, so that nothing is off as a whole */
            got[0].arg[0][n] += (n % 2 ? 1e-3 : -1e-3) * mine;
            rounds.arg[0][n] += (n % 2 ? 1e-3 : -1e-3) * theirs;
        }
        h.n = 1, h.cause[0] = cause, h.says[0][0] = p.truth[0], h.unit[0][0][0] = h.truth_rms[0][0] = 1;
        op_distance_add(&h.errs[0][0][0], rounds.arg[0], p.truth[0].arg[0], NULL, of[k / 2].n);
        h.errs[0][0][0].bias = 1;      /* which is not asked here */
        evidence_add(&e, &p, got, &h);
        ck_assert_msg(e.errs_otherwise[cause] == !of[k / 2].alike, "of %ld numbers, errors of %g and %g are %s",
                      of[k / 2].n, mine, theirs, e.errs_otherwise[cause] ? "other ones" : "alike");
        op_case_free(&rounds), op_case_free(&got[0]), problem_free(&p);
    }
}
END_TEST

/* A problem of one answer, with an answer and a cause that both are the truth as yet.  What an honest kernel errs
 * there, by RMS. */
static double one_cause(struct problem *p, struct op_case got[PARTS], struct hypotheses *h, const char *words)
{
    double square = 0;
    draw(p, words, 0);
    problem_solve(p);
    const long n = p->truth[0].size[0];
    for (long e = 0; e < n; e++)
        square += p->truth[0].arg[0][e] * p->truth[0].arg[0][e];
    memset(h, 0, sizeof *h);
    op_case_copy(&got[0], &p->truth[0]), op_case_copy(&h->says[0][0], &p->truth[0]);
    h->n = 1, h->unit[0][0][0] = h->truth_rms[0][0] = sqrt(square / (double)n);
    return p->bound[0].rms_bound[0] * h->unit[0][0][0];
}

/* Orders of magnitude that an answer stands away from the truth and from a cause, by what an honest one may err. */
START_TEST(distances_are_orders_of_magnitude)
{
    static struct hypotheses h;
    static struct evidence e;
    static const struct { double off, cause, truth, from_cause; } of[] = {
        {0, 0, 0, 0}, {0.5, 0, 0, 0}, {1000, 0, 3, 3}, {1000, 1000, 3, 0}, {1000, 900, 3, 2}, {10, 10010, 1, 4},
        {1e12, 0, 9, 9}, {NAN, 0, 9, 9}, {1000, NAN, 3, 9}, {INFINITY, NAN, 9, 0}, {INFINITY, 1e60, 9, 0},
        {1e60, INFINITY, 9, 9}};
    enum { N = 11 };      /* no multiple of four */
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        struct op_case got[PARTS] = {{0}};
        struct problem p;
        const double honest = one_cause(&p, got, &h, "add_forward seed=4 dtype=f32 family=gauss N=11");
        memset(&e, 0, sizeof e);
        for (long n = 0; n < N; n++) {
            got[0].arg[0][n] += of[k].off * honest;
            h.says[0][0].arg[0][n] += of[k].cause * honest;
        }
        h.off[0][0][0] = 1.25;
        evidence_add(&e, &p, got, &h);
        ck_assert_msg(fabs(e.truth - of[k].truth) < 1e-6 && fabs(e.cause[0] - of[k].from_cause) < 1e-6 && e.tried[0] &&
                          fabs(e.size[0] - fabs(of[k].truth - 1.25)) < 1e-6, "%g off, and %g from a cause of %g: %g, "
                      "%g, %g", of[k].off, of[k].off - of[k].cause, of[k].cause, e.truth, e.cause[0], e.size[0]);
        op_case_free(&h.says[0][0]), op_case_free(&got[0]), problem_free(&p);
    }
    /* nobody errs less than eight roundings of a double; and where all of the truth is 0, a distance is what it is */
    static const struct { double truth, unit, off, bound, orders; } least[] = {
        {1, 1, 80 * 0x1p-52, 0, 1}, {1, 1, 80 * 0x1p-52, 80 * 0x1p-53, 0.301029995663981}, {0, 0, 1, 0.01, 2}};
    for (size_t k = 0; k < sizeof least / sizeof *least; k++) {
        struct op_case got[PARTS] = {{0}};
        struct problem p;
        draw(&p, "add_forward seed=4 dtype=f64 family=gauss N=11", 0);
        problem_solve(&p);
        for (long n = 0; n < N; n++)
            p.truth[0].arg[0][n] = least[k].truth;
        p.bound[0].rms_bound[0] = least[k].bound;
        memset(&h, 0, sizeof h), memset(&e, 0, sizeof e);
        op_case_copy(&got[0], &p.truth[0]);
        for (long n = 0; n < N; n++)
            got[0].arg[0][n] += least[k].off;
        h.truth_rms[0][0] = least[k].unit;
        evidence_add(&e, &p, got, &h);
        ck_assert_msg(fabs(e.truth - least[k].orders) < 1e-9, "row %d: %g orders, not %g", (int)k, e.truth,
                      least[k].orders);
        op_case_free(&got[0]), problem_free(&p);
    }
    /* what is beyond float's reach is whatever a kernel makes of it, and the largest float is not */
    static const struct { double mine, theirs; int same; } beyond[] = {
        {INFINITY, 3.5e38, 1}, {-INFINITY, 3.5e38, 1}, {NAN, 3.5e38, 1}, {INFINITY, 0x1.fffffep127, 0},
        {NAN, 0x1.fffffep127, 0}, {3.5e38, INFINITY, 0}, {INFINITY, INFINITY, 1}, {NAN, NAN, 1}, {1, NAN, 0}};
    for (size_t k = 0; k < sizeof beyond / sizeof *beyond; k++) {
        struct op_case got[PARTS] = {{0}}, says;
        struct problem p;
        draw(&p, "add_forward seed=4 dtype=f32 family=gauss N=11", 0);
        problem_solve(&p);
        memset(&h, 0, sizeof h), memset(&e, 0, sizeof e);
        op_case_copy(&got[0], &p.truth[0]), op_case_copy(&says, &p.truth[0]);
        got[0].arg[0][7] = beyond[k].mine, says.arg[0][7] = beyond[k].theirs;
        h.n = 1, h.says[0][0] = says, h.unit[0][0][0] = h.truth_rms[0][0] = 1;
        evidence_add(&e, &p, got, &h);
        ck_assert_msg(e.cause[0] == (beyond[k].same ? 0 : 9), "%g where a cause says %g: %g orders away",
                      beyond[k].mine, beyond[k].theirs, e.cause[0]);
        memcpy(p.truth[0].arg[0], says.arg[0], 11 * sizeof(double));      /* and so it is where it is the truth */
        memset(&e, 0, sizeof e);
        evidence_add(&e, &p, got, &h);
        ck_assert_msg(e.truth == (beyond[k].same ? 0 : 9), "%g where %g is true: %g orders away", beyond[k].mine,
                      beyond[k].theirs, e.truth);
        op_case_free(&says), op_case_free(&got[0]), problem_free(&p);
    }
}
END_TEST

/* Which cause is named, and with it those that explain as much; or a rounding, by its size. */
START_TEST(causes_are_weighed)
{
    enum { ROUNDS = 99 };
    static const struct { double truth, cause[6], size; int otherwise, is; double explained; int alike, more; } of[] = {
        {10, {4, 4.1, 9, 9, 9, 9}, 9, 1, 0, 0.6, 0, 1}, {10, {4.1, 9, 9, 9, 9, 9}, 9, 1, -1, 0, 0, 0},
        {10, {9, 1, 1.2, 1.19, 1.1, 1.05}, 9, 1, 1, 0.9, 0, 3}, {10, {9, 1, 1.3, 9, 9, 9}, 9, 1, 1, 0.9, 0, 0},
        {0, {0, 0, 0, 0, 0, 0}, 0, 1, -1, 0, 0, 0}, {10, {9, 9, 9, 9, 9, 9}, 3.4, 1, -1, 0, 0, 0},
        {10, {9, 9, 9, 9, 9, 9}, 3.5, 0, ROUNDS, 0.65, 1, 0}, {10, {9, 9, 9, 9, 9, 9}, 3.6, 0, -1, 0, 0, 0},
        {0, {0, 0, 0, 0, 0, 0}, 0, 0, -1, 0, 0, 0}, {0.5, {0.25, 0.125, 9, 9, 9, 9}, 9, 1, 1, 0.75, 0, 0},
        {1, {0.4, 9, 9, 9, 9, 9}, 9, 1, 0, 0.6, 0, 0}, {25, {6.25, 6.75, 9, 9, 9, 9}, 9, 1, 0, 0.75, 0, 1},
        {0.5, {9, 9, 9, 9, 9, 9}, 0.125, 0, ROUNDS, 0.75, 1, 0}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        static struct evidence e;
        static struct report r;
        int cause[6], n = 0, rounding = -1;
        memset(&e, 0, sizeof e);
        report_begin(&r, &(struct plan){.seed = 1});
        strcpy(r.plan.subject.base, "mlstm");
        for (int c = cause_next(-1, "mlstm"); c >= 0; c = cause_next(c, "mlstm")) {
            const int rounds = cause_is(c)->kind == FAULT_ROUNDING;
            if ((n < 6 && !rounds) || (rounds && rounding < 0)) {
                if (rounds)
                    rounding = c;
                else
                    cause[n++] = c;
                e.tried[c] = 1;
                e.cause[c] = rounds ? 9.5 : of[k].cause[n - 1];
                e.size[c] = rounds ? of[k].size : 0;
                e.errs_otherwise[c] = (unsigned char)of[k].otherwise;
            }
        }
        ck_assert(n == 6 && rounding >= 0);
        e.truth = of[k].truth, e.work = 1, e.left_out = 1;
        evidence_weigh(&e, &r, 0);
        ck_assert(!r.too_large);
        const int is = of[k].is == ROUNDS ? rounding : of[k].is < 0 ? -1 : cause[of[k].is];
        ck_assert_msg(r.cause == is && fabs(r.explained - of[k].explained) < 1e-9 && r.alike == of[k].alike &&
                          r.causes == of[k].more && !r.derived, "row %d: cause %d, not %d, explains %g, alike %d, %d "
                      "more", (int)k, r.cause, is, r.explained, r.alike, r.causes);
        for (int m = 0; m < r.causes; m++)
            ck_assert(r.causes_list[m] != r.cause && e.tried[r.causes_list[m]] &&
                      e.cause[r.causes_list[m]] - e.cause[r.cause] <= 0.02 * e.truth + 1e-12);
    }
}
END_TEST

/* A cause that moves what is right is none, however much it explains, unless each number is its or the truth's: of
 * enough numbers, and exactly.  Where that is, is said. */
START_TEST(causes_that_hold_somewhere_alone)
{
    enum { DQ = 1, DK = 2, DV = 4, Y = 1 };
    static const struct {
        double explains; unsigned refuted; int neither; long numbers; int problems, rounding, is;    /* the cause */
        uint32_t wrong[2], moves[2], not_wholly[2]; int scattered, place; const char *where;
    } of[] = {
        {0.9, 0, 1, 0, 0, 0, 1, {Y, DQ}, {Y, DQ}, {0, 0}, 0, 0, ""},
        {0.9, 1, 1, 0, 0, 0, 0, {0, DQ}, {Y, DQ}, {Y, 0}, 0, 0, ""},
        {0.9, 2, 1, 99, 9, 0, 0, {Y, 0}, {Y, DQ}, {0, DQ}, 0, 0, ""},
        {0.6, 1, 0, 12, 2, 0, 1, {0, DQ}, {Y, DQ}, {Y, 0}, 0, 0, "in the backward only"},
        {0.6, 1, 0, 11, 2, 0, 0, {0, DQ}, {Y, DQ}, {Y, 0}, 0, 0, ""},
        {0.6, 1, 0, 99, 1, 0, 0, {0, DQ}, {Y, DQ}, {Y, 0}, 0, 0, ""},
        {0.6, 1, 0, 100, 1, 0, 1, {0, DQ}, {Y, DQ}, {Y, 0}, 0, 0, "in the backward only"},
        {0.6, 1, 0, 12, 2, 1, 0, {0, DQ}, {Y, DQ}, {Y, 0}, 0, 0, ""},
        {0.6, 2, 0, 12, 2, 0, 1, {Y, 0}, {Y, DQ}, {0, DQ}, 0, 0, "in the forward only"},
        {0.6, 2, 0, 12, 2, 0, 1, {Y, 0}, {Y | 2, DQ}, {2, DQ}, 0, 0, "in y alone"},
        {0.6, 2, 0, 12, 2, 0, 1, {0, DQ | DK | DV}, {0, DQ | DK | DV | 8}, {0, 8}, 0, 0, "in dq, dk and dv alone"},
        {0.6, 2, 0, 12, 2, 0, 1, {Y, DQ}, {Y, DQ | DK}, {0, DK}, 0, 0, "in y and dq alone"},
        {0.6, 2, 0, 12, 2, 0, 1, {0, DQ}, {0, DQ}, {0, DQ}, 0, 1, "in some cases alone"},
        {0.6, 2, 0, 12, 2, 0, 1, {0, DQ}, {0, DQ}, {0, DQ}, 1, 1, "in dq at T = 3 alone, as in case 7"},
        {0.6, 2, 0, 12, 2, 0, 1, {0, DQ}, {0, DQ}, {0, DQ}, 1, 0, "for some of the numbers alone"}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        static struct evidence e;
        static struct report r;
        char words[CAUSE_WORDS];
        int cause = cause_next(-1, "attention");
        memset(&e, 0, sizeof e);
        report_begin(&r, &(struct plan){.seed = 1});
        ck_assert(!subject_find(&r.plan.subject, "attention", why));
        while ((cause_is(cause)->kind == FAULT_ROUNDING) != of[k].rounding)
            cause = cause_next(cause, "attention");
        struct holds *h = &e.holds[cause];
        e.truth = 10, e.work = 1, e.tried[cause] = 1, e.cause[cause] = 10 * (1 - of[k].explains);
        e.errs_otherwise[cause] = 1;
        h->refuted = of[k].refuted, h->neither = of[k].neither, h->numbers = of[k].numbers;
        h->problems = of[k].problems, h->scattered = of[k].scattered;
        for (int part = 0; part < 2; part++) {
            e.wrong[part] = of[k].wrong[part];
            h->moves[part] = of[k].moves[part], h->not_wholly[part] = of[k].not_wholly[part];
        }
        if (of[k].place) {
            e.place.off = 1, e.place.problem = 7, e.place.tensor = "dq";
            strcpy(e.place.words, "at T = 3 alone");
        }
        evidence_weigh(&e, &r, 0);
        ck_assert_msg((r.cause == cause) == of[k].is && (of[k].is || r.cause < 0), "row %d: cause %d", (int)k, r.cause);
        ck_assert_msg(!strcmp(r.where, of[k].where), "row %d: %s", (int)k, r.where);
        if (!of[k].is)
            continue;
        snprintf(why, sizeof why, "%s%s%s", cause_is(cause)->says, r.where[0] ? ", " : "", r.where);
        ck_assert_str_eq(cause_words(words, &r, cause), why);
        const int alone = r.where[0] && !of[k].wrong[0];
        ck_assert(r.right_forward == alone);
        r.derived = 1;
        snprintf(why, sizeof why, alone ? "the backward is the derivative of another forward: %s%s%s"
                                        : "%s, and the backward is that forward's derivative%s%s",
                 cause_is(cause)->says, r.where[0] && strcmp(r.where, "in the backward only") ? ", " : "",
                 strcmp(r.where, "in the backward only") ? r.where : "");
        ck_assert_str_eq(cause_words(words, &r, cause), why);
    }
}
END_TEST

/* Zeros, and what stood there before, tell of a cause only where it says nothing else of that kernel. */
START_TEST(zeros_tell_little)
{
    static struct hypotheses h;
    static struct evidence e;
    enum { N = 12, DA = 0, DB = 1 };
    for (int k = 0; k < 6; k++) {
        const int both = k % 2, adds = k / 2;      /* 2: a forward, whose zeros they are */
        struct op_case got[PARTS] = {{0}}, says;
        struct problem p;
        draw(&p, adds == 2 ? "add_forward seed=4 dtype=f32 family=gauss N=12"
                           : "add_backward seed=4 dtype=f32 family=gauss N=12", adds == 1);
        problem_solve(&p);
        memset(&h, 0, sizeof h), memset(&e, 0, sizeof e);
        op_case_copy(&got[0], &p.truth[0]), op_case_copy(&says, &p.truth[0]);
        for (int n = 0; n < N; n++) {      /* half of da is not given; or, of the cause, all, and db is another */
            const double before = adds == 2 ? 0 : p.in[0].arg[DA][n];
            got[0].arg[DA][n] = n % 2 ? before : got[0].arg[DA][n];
            says.arg[DA][n] = before;
            if (adds < 2)
                says.arg[DB][n] += both;
        }
        h.n = 1, h.cause[0] = 0, h.says[0][0] = says;
        for (int i = 0; i < 2; i++)
            h.unit[0][0][i] = h.truth_rms[0][i] = 1, h.off[0][0][i] = i == DA || both ? 5 : 0;
        if (adds == 2)
            h.off[0][0][DB] = 0;
        evidence_add(&e, &p, got, &h);
        const struct holds *is = &e.holds[0];
        ck_assert_msg(!is->neither && is->numbers == 0 && is->plain[0] == N / 2 && !is->plain[1] &&
                          is->more == (unsigned)(both && adds < 2),
                      "row %d: %ld numbers, %ld plain, more %u", k, is->numbers, is->plain[0], is->more);
        e.holds[0].problems = 2, e.holds[0].plain[0] = 12;
        e.tried[0] = 1, e.cause[0] = 1e9, e.truth = 10;
        static struct report r;
        report_begin(&r, &(struct plan){.seed = 1});
        ck_assert(!subject_find(&r.plan.subject, cause_is(0)->op, why));
        evidence_weigh(&e, &r, 0);
        ck_assert_msg((r.cause == 0) == !e.holds[0].more, "row %d: cause %d", k, r.cause);
        op_case_free(&says), op_case_free(&got[0]), problem_free(&p);
    }
}
END_TEST

/* Which numbers are a cause's: ten times as far from the truth as an honest kernel errs, and ten times nearer to it. */
START_TEST(numbers_are_the_nearer_ones)
{
    static struct hypotheses h;
    static struct evidence e;
    enum { N = 12 };
    /* the answer's and the cause's distance from the truth, in what is honest, at numbers 0 to 2 */
    static const struct { double off[3], says; long numbers; int neither, refuted; } of[] = {
        {{0, 0, 0}, 1000, 0, 0, 1}, {{0, 0, 0}, 9, 0, 0, 0}, {{1000, 0, 1000}, 1000, 2, 0, 0},
        {{1000, 0, 900}, 1000, 1, 1, 0}, {{1000, 1001, 1000}, 1000, 3, 0, 0}, {{NAN, 1000, 1000}, 1000, 2, 1, 0},
        {{INFINITY, 1000, 1000}, INFINITY, 0, 1, 0}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        struct op_case got[PARTS] = {{0}};
        struct problem p;
        const double honest = one_cause(&p, got, &h, "add_forward seed=4 dtype=f32 family=gauss N=12");
        memset(&e, 0, sizeof e);
        for (int n = 0; n < N; n++) {
            got[0].arg[0][n] += n < 3 ? of[k].off[n] * honest : 0;
            h.says[0][0].arg[0][n] += of[k].says * honest;
        }
        h.off[0][0][0] = log10(of[k].says);
        evidence_add(&e, &p, got, &h);
        const struct holds *is = &e.holds[0];
        ck_assert_msg(is->numbers == of[k].numbers && !is->neither == !of[k].neither &&
                          is->refuted == (unsigned)of[k].refuted, "row %d: %ld numbers, neither's %d, refuted %u",
                      (int)k, is->numbers, is->neither, is->refuted);
        op_case_free(&h.says[0][0]), op_case_free(&got[0]), problem_free(&p);
    }
}
END_TEST

/* <dy, y> of a forward's outputs; of states, what they stand for in the units of `base`. */
static double gives(const struct problem *p, const struct op_case *y, const struct op_case *base)
{
    const struct op_spec *op = &swax_ops[y->op];
    const int m1 = op_arg_find(op, "m1");
    double sum = 0;
    for (int i = 0; i < y->n; i++) {
        char name[OP_WORD + 1];
        snprintf(name, sizeof name, "d%s", op->arg[i].name);
        const int d = op_arg_find(&swax_ops[p->in[1].op], name);
        if (d < 0 || !p->in[1].arg[d] || op->arg[i].role != OUT)
            continue;
        for (long e = 0; e < y->size[i]; e++) {
            const int state = m1 >= 0 && strchr("Cn", op->arg[i].name[0]) && op->arg[i].name[1] == '1';
            const long head = state ? e * y->size[m1] / y->size[i] : 0;
            sum += p->in[1].arg[d][e] * y->arg[i][e] *
                   (state ? exp(y->arg[m1][head] - base->arg[m1][head]) : 1);
        }
    }
    return sum;
}

/* The backward that differentiation gives a wrong forward: its slopes, of every input, added to what stood there. */
START_TEST(wrong_forwards_are_differentiated)
{
    static const char *const words[] = {
        "mlstm seed=4 dtype=f64 family=gauss B=1 T=3 H=2 K=2 V=2 g=0 documents=no noise=yes",
        "rmsnorm seed=4 dtype=f64 family=gauss N=2 C=3 noise=yes"};
    int asked = 0;
    for (int k = 0; k < 2; k++) {
        struct problem p;
        draw(&p, words[k], 1);
        problem_solve(&p);
        int derived = 0;
        for (int cause = cause_next(-1, p.subject.base); cause >= 0; cause = cause_next(cause, p.subject.base)) {
            struct swax_tier tier;
            struct op_case says[PARTS];
            const int has = cause < MOST_FAULTS && fault_f64(cause, &tier) &&
                            op_present(&tier, SWAX_PREC_F64, p.subject.op[0]);
            ck_assert_msg(derive_has(cause, &p) == has, "%s is %sderived", cause_is(cause)->name, has ? "not " : "");
            if (!has || !strstr("bare_gate no_scale no_m0 no_normaliser one_plus_weight", cause_is(cause)->name))
                continue;
            derived++;
            derive_run(cause, &p, says);
            struct op_case plain;
            op_case_copy(&plain, &p.in[0]);
            op_run(&tier, SWAX_PREC_F64, &plain);
            for (int i = 0; i < plain.n; i++)
                ck_assert_msg(!plain.arg[i] || !memcmp(plain.arg[i], says[0].arg[i],
                                                       (size_t)plain.size[i] * sizeof(double)),
                              "%s: its %s is not its forward's", cause_is(cause)->name,
                              swax_ops[plain.op].arg[i].name);
            op_case_free(&plain);
            for (int i = 0; i < p.in[1].n; i++) {
                const struct op_arg *arg = &swax_ops[p.in[1].op].arg[i];
                const int of = arg->role == ADD && p.in[1].arg[i] ? op_arg_find(&swax_ops[p.in[0].op], arg->name + 1)
                             : -1;
                for (long e = 0; of >= 0 && p.in[0].arg[of] && e < p.in[1].size[i]; e++, asked++) {
                    double side[2];
                    for (int up = 0; up < 2; up++) {
                        struct op_case c;
                        op_case_copy(&c, &p.in[0]);
                        c.arg[of][e] += up ? 1e-5 : -1e-5;
                        op_run(&tier, SWAX_PREC_F64, &c);
                        side[up] = gives(&p, &c, &says[0]);
                        op_case_free(&c);
                    }
                    const double slope = (side[1] - side[0]) / 2e-5, is = says[1].arg[i][e] - p.in[1].arg[i][e];
                    ck_assert_msg(fabs(is - slope) <= 2e-5 * (1 + fabs(slope)), "%s: %s[%ld] is %g, and the slope %g",
                                  cause_is(cause)->name, arg->name, e, is, slope);
                }
            }
            op_case_free(&says[0]), op_case_free(&says[1]);
        }
        ck_assert_int_eq(derived, k ? 1 : 4);
        problem_free(&p);
    }
    ck_assert_msg(asked > 100, "%d slopes", asked);
}
END_TEST

/* What is given where a cause is said to be a convention: its gradients are those of its forward, by differences. */
START_TEST(conventions_have_their_own_gradients)
{
    static const struct { const char *name, *of, *plan; } is[] = {
        {"exp_twice", "g", "delta seed=4 dtype=f64 family=gauss B=1 T=3 H=1 G=1 K=2 V=2 J=1 documents=no"},
        {"gate_sign", "g", "delta seed=5 dtype=f64 family=gauss B=1 T=3 H=1 G=1 K=2 V=2 J=2 documents=no"},
        {"raw_gate_sigmoid", "g", "delta seed=5 dtype=f64 family=gauss B=1 T=3 H=1 G=1 K=2 V=2 J=2 documents=no"},
        {"raw_gate_softplus", "g", "delta seed=5 dtype=f64 family=gauss B=1 T=3 H=1 G=1 K=2 V=2 J=2 documents=no"},
        {"raw_gate_bounded", "g", "delta seed=5 dtype=f64 family=gauss B=1 T=3 H=1 G=1 K=2 V=2 J=1 documents=no"},
        {"gates_to_base_ten", "g", "delta seed=5 dtype=f64 family=gauss B=1 T=3 H=1 G=1 K=2 V=2 J=2 documents=no"},
        {"gates_to_base_ten", "i", "mlstm seed=4 dtype=f64 family=gauss B=1 T=3 H=1 K=2 V=2 g=1 documents=no "
         "states=no"},
        {"values_added", "v", "delta seed=5 dtype=f64 family=gauss B=1 T=3 H=1 G=1 K=2 V=2 J=1 documents=no"},
        {"values_added", "v", "mlstm seed=4 dtype=f64 family=gauss B=1 T=3 H=1 K=2 V=2 g=0 documents=no states=no"},
        {"no_gate", "g", "delta seed=5 dtype=f64 family=gauss B=1 T=3 H=1 G=1 K=2 V=2 J=1 documents=no"},
        {"raw_beta_to_two", "beta", "delta seed=5 dtype=f64 family=gauss B=1 T=3 H=1 G=1 K=2 V=2 J=1 documents=no"},
        {"beta_doubled", "beta", "delta seed=5 dtype=f64 family=gauss B=1 T=3 H=1 G=1 K=2 V=2 J=1 documents=no"},
        {"scale_built_in", "q", "delta seed=5 dtype=f64 family=gauss B=1 T=3 H=1 G=1 K=2 V=3 J=1 documents=no"},
        {"scale_beside", "k", "delta seed=5 dtype=f64 family=gauss B=1 T=3 H=1 G=1 K=2 V=3 J=1 documents=no"},
        {"scale_of_values_built_in", "q", "delta seed=5 dtype=f64 family=gauss B=1 T=3 H=1 G=1 K=2 V=3 documents=no"},
        {"gates_capped", "f", "mlstm seed=4 dtype=f64 family=gauss B=1 T=3 H=1 K=2 V=2 g=1 documents=no states=no"},
        {"unit_keys", "k", "delta seed=6 dtype=f64 family=gauss B=1 T=3 H=1 G=1 K=3 V=2 J=1 documents=no"},
        {"states_values_first", "S0", "delta seed=7 dtype=f64 family=gauss B=1 T=3 H=1 G=1 K=2 V=3 J=1 documents=no"},
        {"one_plus_weight_both", "w", "rmsnorm seed=4 dtype=f64 family=gauss N=3 C=4"},
        {"one_plus_weight", "w", "headnorm seed=4 dtype=f64 family=gauss N=3 H=2 D=4"},
        {"interleaved_both", "x", "rope seed=4 dtype=f64 family=gauss B=1 T=3 H=1 D=6 documents=no"},
        {"taps_first", "w", "conv seed=4 dtype=f64 family=gauss B=1 T=5 C=3 F=2 documents=no"}};
    for (size_t k = 0; k < sizeof is / sizeof *is; k++) {
        struct problem p;
        struct op_case says[PARTS];
        int convention = 0;
        draw(&p, is[k].plan, 1);
        problem_solve(&p);
        while (strcmp(convention_is(convention)->name, is[k].name) || strcmp(convention_is(convention)->op,
                                                                             p.subject.base))
            convention++;
        convention_run(convention, &p, says);
        char name[OP_WORD + 1];
        snprintf(name, sizeof name, "d%s", is[k].of);
        const int of = op_arg_find(&swax_ops[p.in[0].op], is[k].of), at = op_arg_find(&swax_ops[p.in[1].op], name);
        for (long e = 0; says[1].arg[at] && e < says[1].size[at]; e++) {
            static const double weight[4] = {1. / 12, -8. / 12, 8. / 12, -1. / 12};
            static const double step[4] = {-2e-3, -1e-3, 1e-3, 2e-3};
            double slope = 0;
            const double was = p.in[0].arg[of][e], got = says[1].arg[at][e] - p.in[1].arg[at][e];
            for (int d = 0; d < 4; d++) {
                struct op_case moved[PARTS];
                p.in[0].arg[of][e] = was + step[d];
                convention_run(convention, &p, moved);
                for (int y = 0; y < moved[0].n; y++) {
                    snprintf(name, sizeof name, "d%s", swax_ops[moved[0].op].arg[y].name);
                    const int dy = op_arg_find(&swax_ops[p.in[1].op], name);
                    for (long n = 0; n < moved[0].size[y] && dy >= 0 && p.in[1].arg[dy] &&
                                     swax_ops[moved[0].op].arg[y].role == OUT; n++)
                        slope += weight[d] / 1e-3 * p.in[1].arg[dy][n] * moved[0].arg[y][n];
                }
                op_case_free(&moved[0]), op_case_free(&moved[1]);
            }
            p.in[0].arg[of][e] = was;
            ck_assert_msg(fabs(got - slope) <= 1e-6 * (1 + fabs(slope)), "%s: the gradient of %s is %g, and says %g",
                          is[k].name, is[k].of, slope, got);
        }
        op_case_free(&says[0]), op_case_free(&says[1]);
        problem_free(&p);
    }
}
END_TEST

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

/* Work is afforded up to its sum, of forwards that are differentiated up to another, and not where there is none. */
START_TEST(work_is_afforded_up_to_a_sum)
{
    static const struct { const char *words; int derived; double most; } of[] = {
        {"rmsnorm seed=4 dtype=f64 N=2 C=3", 0, 2e10}, {"rmsnorm seed=4 dtype=f64 N=2 C=3", 1, 1.2e10},
        {"sqsum seed=4 dtype=f64 N=9", 0, 2e10}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        static struct evidence e;
        struct problem p;
        draw(&p, of[k].words, 1);
        memset(&e, 0, sizeof e);
        ck_assert(evidence_affords(&e, &p, of[k].derived, 1e9) && e.work > 0 && !e.left_out);
        const double work = e.work;
        for (int over = 0; over < 2; over++) {
            memset(&e, 0, sizeof e);
            e.work = of[k].most - work + over;
            ck_assert_msg(evidence_affords(&e, &p, of[k].derived, 1e9) == !over && e.left_out == over &&
                              e.work == of[k].most - (over ? work - 1 : 0), "%s: %g of %g, %d left out", of[k].words,
                          e.work, of[k].most, e.left_out);
        }
        problem_free(&p);
    }
    /* one that is too much by itself, and one that has no derivative */
    static struct evidence e;
    struct problem large = {.number = 0}, alone;
    ck_assert(!subject_find(&large.subject, "linear", why));
    for (int part = 0; part < 2; part++) {
        large.in[part] = (struct op_case){.op = large.subject.op[part], .dims = {100, 100, 100}};
        large.in[part].n = op_args(&swax_ops[large.subject.op[part]]);
    }
    ck_assert(!evidence_affords(&e, &large, 1, 1e12) && e.left_out == 1 && e.work == 0);
    draw(&alone, "sqsum seed=4 dtype=f64 N=9", 0);
    ck_assert(!evidence_affords(&e, &alone, 1, 1e12) && e.left_out == 2 && e.work == 0);
    problem_free(&alone);
}
END_TEST

static void print(void *r) { report_json(stdout, r); }
static void print_words(void *r) { report_print(r, NULL, NULL); }

/* A case where an honest float loses all but three digits is called so, in float, where something is asked. */
START_TEST(an_ill_conditioned_case_is_called_so)
{
    static const struct { enum dtype dtype; double rms_bound; int asked, failed, ill; } of[] = {
        {DT_F32, 8e-3, 9, 0, 0}, {DT_F32, 8.1e-3, 9, 0, 1}, {DT_F32, 8.1e-3, 0, 0, 0}, {DT_F32, 8.1e-3, 0, 1, 1},
        {DT_BF16, 8.1e-3, 9, 0, 0}, {DT_F64, 8.1e-3, 9, 0, 0}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        static struct report r;
        struct plan plan = {.seed = 1, .suite = 0, .only = -1, .wish = {.dtype = of[k].dtype}};
        ck_assert(!subject_find(&plan.subject, "linear", why));
        report_begin(&r, &plan);
        r.problems = 9, r.n = 1, r.failed = of[k].failed;
        r.finding[0] = (struct finding){.name = "y", .answers = 9, .asked = of[k].asked, .failed = of[k].failed,
                                        .rms_bound = of[k].rms_bound};
        const char *text = printed_in(print_words, &r);
        ck_assert_msg(!strstr(text, "ill-conditioned here: an honest float errs 0.001") == !of[k].ill, "row %d:\n%s",
                      (int)k, text);
    }
}
END_TEST

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
    /* where a cause is known, whichever number it has, no advice is needed */
    static struct report r;
    struct plan plan = {.seed = 1, .suite = 0, .only = -1};
    ck_assert(!subject_find(&plan.subject, cause_is(0)->op, why));
    report_begin(&r, &plan);
    r.problems = 9, r.failed = 1, r.wrong_families = U, r.families = ~0, r.explained = 0.75;
    for (int cause = -1; cause < 2; cause++) {
        r.cause = cause;
        const char *text = printed_in(print, &r);
        ck_assert_msg(!strstr(text, "\"advice\":\"\"") == (cause < 0), "of cause %d: %s", cause, text);
        ck_assert_msg(!strstr(text, "\"diagnosis\":[]") == (cause >= 0), "of cause %d: %s", cause, text);
        r.n = 1, r.finding[0] = (struct finding){.name = "y", .failed = 1, .answers = 9, .asked = 9};
        r.n = 2, r.finding[1] = (struct finding){.name = "lse", .failed = 1, .answers = 9, .asked = 9};
        r.finding[0].bias = 0.25, r.finding[0].bias_bound = cause < 0 ? 0.125 : 0.25;
        text = printed_in(print_words, &r);
        ck_assert_msg(!strstr(text, "no known fault") == (cause >= 0) && !strstr(text, "it explains 75 %") ==
                      (cause < 0) && !strstr(text, "as a whole it is off") == (cause >= 0), "of cause %d: %s", cause,
                      text);
        ck_assert_msg(strstr(text, "cases out of bound, y above all"), "of equals the first is the worst: %s", text);
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

/* In double another tier's truth errs as a candidate may: twice as much is allowed. */
START_TEST(a_truth_that_is_told_may_err_as_well)
{
    int told = 0;
    for (int t = 1; t < swax_n_tiers; t++) {
        struct problem p;
        struct op_case truth;
        struct op_verdict v;
        if (swax_tiers[t]->memory || !swax_tiers[t]->f64 || !swax_tiers[t]->usable())
            continue;
        draw(&p, "rmsnorm_forward seed=4 dtype=f64 family=gauss N=9 C=5", 0);
        p.in[0].by = swax_tiers[t];
        problem_solve(&p);
        memset(&v, 0, sizeof v);
        op_truth(&truth, &v, SWAX_PREC_F64, &p.in[0]);
        for (int i = 0; i < 2; i++)
            ck_assert_msg(p.bound[0].bound[i] == 2 * v.bound[i] && p.bound[0].rms_bound[i] == 2 * v.rms_bound[i],
                          "%s tells, and %g is allowed where %g would be, by RMS %g of %g", swax_tiers[t]->name,
                          p.bound[0].bound[i], v.bound[i], p.bound[0].rms_bound[i], v.rms_bound[i]);
        op_case_free(&truth), problem_free(&p);
        told++;
    }
    if (!told)
        puts("skipped: the reference is alone here");
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

static void wrong_linear(float *y, const float *x, const float *w, const float *b, int N, int O, int I)
{
    swax_ref_f32.linear_forward(y, x, w, b, N, O, I);
    y[(size_t)N * (size_t)O - 1] += 1;
}

/* suite=long asks the tier's own kernels. */
START_TEST(a_long_suite_is_of_the_tier)
{
    struct swax_kernels_f32 table = swax_ref_f32;
    table.linear_forward = wrong_linear;
    const struct swax_tier wrong = {.name = "wrong", .usable = swax_tiers[0]->usable, .f32 = &table};
    for (int k = 0; k < 2; k++) {
        static struct report r;
        struct plan plan = {.suite = 0, .only = 0, .seed = 1,
                            .wish = {.dim = {{'N', 9}, {'O', 5}, {'I', 4}}, .n_dims = 3, .noise = 1}};
        while (!suite_is_long(plan.suite))
            plan.suite++;
        ck_assert(!subject_find(&plan.subject, "linear", why));
        const char *refused = verify_tier(k ? &wrong : swax_tiers[0], SWAX_PREC_F32, &plan, &r, why);
        ck_assert_msg(!refused && r.problems == 1 && r.failed == k && !r.trouble[0], "%s: %d of %d failed: %s",
                      k ? "wrong" : "ref", r.failed, r.problems, refused ? refused : r.trouble);
    }
}
END_TEST

/* A plan is the words that `swax verify make` takes: what is not said is the default, of what is no word too. */
START_TEST(a_plan_survives_its_words)
{
    static const struct { const char *words; int suite, family, states, documents, noise, behind; } of[] = {
        {"mlstm", -1, OP_GAUSS, 1, 1, 0, 0},
        {"mlstm suite=quick seed=7 dtype=bf16 states=no noise=yes", 0, OP_GAUSS, 0, 1, 1, 0},
        {"mlstm seed=3 family=cold documents=no behind=headnorm T=9 eps=0.5", -1, OP_COLD, 1, 0, 0, 1}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        struct plan plan, again;
        char words[PLAN_TEXT], twice[PLAN_TEXT];
        memset(&plan, 0x5a, sizeof plan), memset(&again, 0x5a, sizeof again);
        ck_assert_msg(!plan_read(&plan, of[k].words, why), "%s", why);
        ck_assert_msg(plan.suite == of[k].suite && plan.family == of[k].family && plan.only == -1,
                      "%s: suite %d, family %d, number %d", of[k].words, plan.suite, plan.family, plan.only);
        ck_assert_msg(plan.wish.chained == 1 && plan.wish.states == of[k].states &&
                          plan.wish.documents == of[k].documents && plan.wish.noise == of[k].noise &&
                          plan.wish.behind == of[k].behind, "%s: chained %d, states %d, documents %d, noise %d",
                      of[k].words, plan.wish.chained, plan.wish.states, plan.wish.documents, plan.wish.noise);
        plan_write(words, &plan);
        ck_assert_msg(!plan_read(&again, words, why), "%s: %s", words, why);
        ck_assert_str_eq(plan_write(twice, &again), words);
        ck_assert(again.seed == plan.seed && again.wish.dtype == plan.wish.dtype && again.suite == plan.suite &&
                  again.wish.n_dims == plan.wish.n_dims && again.wish.n_scalars == plan.wish.n_scalars);
    }
}
END_TEST

/* Behind the suites that have problems stands long, and nothing behind that. */
START_TEST(suites_have_their_names)
{
    static const char *const names[] = {"quick", "standard", "hard", "long", NULL};
    for (int i = 0; i < 5; i++) {
        const char *is = suite_word(i);
        ck_assert_msg(names[i] ? is && !strcmp(is, names[i]) : !is, "suite %d is %s", i, is ? is : "none");
        ck_assert(suite_is_long(i) == (i == 3) && !suite_name(i) == (i > 2));
        ck_assert(!names[i] || suite_find(names[i]) == (i < 3 ? i : -1));
    }
    ck_assert(!suite_is_long(-1) && suite_find("quic") == -1);
}
END_TEST

/* Which size parts what is wrong from what is right: the one that parts it by the largest factor, and none of which
 * both have some, nor what is no size; asked of several that are right. */
START_TEST(a_size_parts_wrong_from_right)
{
    static const struct { const char *kernel; int part, rights, right[3][2], wrong[3][2]; const char *says; } of[] = {
        {"linear", 0, 4, {{1, 9}, {1, 60}, {2, 50}}, {{3, 9}, {70, 70}, {51, 80}},
         "O (outputs) of 70 and more, and right up to 60"},
        {"linear", 1, 4, {{1, 9}, {1, 60}, {2, 50}}, {{3, 9}, {70, 70}, {500, 800}},
         "I (inputs) of 500 and more, and right up to 50"},
        {"linear", 0, 4, {{5, 9}, {1, 60}, {2, 50}}, {{1, 4}, {1, 70}, {2, 2}},
         "N (rows) of 4 and less, and right from 5 on"},
        {"linear", 0, 3, {{5, 9}, {1, 60}, {2, 50}}, {{1, 4}, {1, 70}, {2, 2}}, ""},
        {"linear", 0, 4, {{5, 9}, {1, 60}, {2, 50}}, {{5, 5}, {60, 70}, {50, 99}}, ""},
        {"headnorm", 0, 4, {{5, 9}, {1, 60}, {2, 50}}, {{5, 5}, {60, 61}, {51, 51}},
         "D (head size) of 51 and more, and right up to 50"}};
    static const char *const written[] = {
        "{\"name\":\"O\",\"says\":\"outputs\",\"wrong\":[70,70],\"right\":[1,60]},",
        "{\"name\":\"I\",\"says\":\"inputs\",\"wrong\":[500,800],\"right\":[2,50]},",
        "{\"name\":\"N\",\"says\":\"rows\",\"wrong\":[1,4],\"right\":[5,9]},", "null,", "null,",
        "{\"name\":\"D\",\"says\":\"head size\",\"wrong\":[51,51],\"right\":[2,50]},"};
    char words[160];
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        static struct report r;
        memset(&r, 0, sizeof r);
        ck_assert(!subject_find(&r.plan.subject, of[k].kernel, why));
        report_parting_size(words, &r);
        ck_assert_str_eq(words, "");
        struct extents *right = &r.right[of[k].part], *wrong = &r.wrong[of[k].part];
        right->cases = of[k].rights, wrong->cases = 1;
        for (int d = 0; d < 3; d++) {
            right->least[d] = of[k].right[d][0], right->most[d] = of[k].right[d][1];
            wrong->least[d] = of[k].wrong[d][0], wrong->most[d] = of[k].wrong[d][1];
        }
        right->least[3] = right->most[3] = 0, wrong->least[3] = wrong->most[3] = 1;    /* headnorm's z */
        report_parting_size(words, &r);
        ck_assert_str_eq(words, of[k].says);
        const char *json = strstr(printed_in(print, &r), "\"wrong_size\":");
        ck_assert_msg(json && !strncmp(json + 13, written[k], strlen(written[k])), "row %d: %.90s", (int)k,
                      json ? json : "it does not stand in the JSON");
    }
}
END_TEST

/* y is wrong from 513 outputs on. */
START_TEST(a_report_says_which_size_is_wrong)
{
    struct plan plan;
    struct report r;
    struct entry e;
    char words[160];
    ck_assert(!plan_read(&plan, "linear_forward suite=standard", why));
    report_begin(&r, &plan);
    for (int i = 0; plan_entry(&plan, i, &e); i++) {
        struct problem p;
        struct op_case got[PARTS] = {{0}};
        if (i % 4 && e.tile < TILE_FAR)
            continue;
        ck_assert_msg(!problem_draw(&p, &plan, i, &e, why), "%s", why);
        problem_solve(&p);
        op_case_copy(&got[0], &p.truth[0]);
        got[0].arg[0][0] += got[0].dims[1] > 512 ? 100 : 0;
        ck_assert(report_add(&r, &p, got, 0) == (got[0].dims[1] <= 512));
        op_case_free(&got[0]);
        problem_free(&p);
    }
    report_parting_size(words, &r);
    ck_assert_msg(!strncmp(words, "O (outputs) of 1030 and more, and right up to 2", 46), "%s", words);
    r.failed = 1;
    const char *text = printed_in(print_words, &r);
    ck_assert_msg(strstr(text, "wrong on:  O (outputs) of 1030 and more") && !strstr(text, "on no other"), "%s", text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("verify_judge");
    TCase *t = tcase_create("judge");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, states_count_in_any_gauge);
    tcase_add_test(t, the_worst_problem_is_shown);
    tcase_add_test(t, neighbours_are_apart_by_their_exponent);
    tcase_add_test(t, an_error_counts_by_its_bound);
    tcase_add_test(t, what_is_no_number_is_infinitely_far);
    tcase_add_test(t, looks_are_of_what_is_wrong);
    tcase_add_test(t, errors_are_counted_in_neighbours_of_their_type);
    tcase_add_test(t, honest_orders_are_allowed_twice_what_they_err);
    tcase_add_test(t, what_comes_out_of_a_norm_is_orthogonal);
    tcase_add_test(t, problems_cost_what_their_loops_take);
    tcase_add_test(t, a_cause_stays_unless_another_explains_more);
    tcase_add_test(t, roundings_are_told_by_their_errors);
    tcase_add_test(t, few_errors_may_differ_more);
    tcase_add_test(t, distances_are_orders_of_magnitude);
    tcase_add_test(t, causes_are_weighed);
    tcase_add_test(t, causes_that_hold_somewhere_alone);
    tcase_add_test(t, numbers_are_the_nearer_ones);
    tcase_add_test(t, zeros_tell_little);
    tcase_add_test(t, wrong_forwards_are_differentiated);
    tcase_add_test(t, conventions_have_their_own_gradients);
    tcase_add_test(t, work_is_afforded_up_to_a_sum);
    tcase_add_test(t, an_ill_conditioned_case_is_called_so);
    tcase_add_test(t, a_long_suite_is_of_the_tier);
    tcase_add_test(t, a_plan_survives_its_words);
    tcase_add_test(t, suites_have_their_names);
    tcase_add_test(t, each_tensor_is_judged);
    tcase_add_test(t, a_factor_counts_as_much_as_an_error);
    tcase_add_test(t, sums_are_honest_while_they_are_small);
    tcase_add_test(t, states_may_err_what_their_sums_do);
    tcase_add_test(t, what_overflows_widens_nothing);
    tcase_add_test(t, too_large_a_case_is_not_diagnosed);
    tcase_add_test(t, families_have_their_advice);
    tcase_add_test(t, the_reference_tells_of_what_is_small);
    tcase_add_test(t, a_truth_that_is_told_may_err_as_well);
    tcase_add_test(t, a_tier_answers_what_it_has);
    tcase_add_test(t, a_size_parts_wrong_from_right);
    tcase_add_test(t, a_report_says_which_size_is_wrong);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
