/* check_verify.c - the verification kit: every known fault is rejected and almost every one named, and honest kernels
 * are accepted. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tools/verify/verify.h"
#include "tests/suite.h"

static char why[SWAX_WHY];
enum { MOST = 160 };

/* ---- faults */

/* By the quick suite, and what that lets through or does not name, by the standard one: both are asked in full by
 * `make test-long`. */
static int unnamed_of(const struct plan *plan, const struct report *r, const int *fault, int n, int *again)
{
    int unnamed = 0;
    struct swax_tier tier;
    for (int k = 0; k < n; k++) {
        ck_assert_msg(again || r[k].failed > 0, "%s of %s, %s, passed %d cases", fault_f64(fault[k], &tier)->name,
                      plan->subject.name, dtype_name[plan->wish.dtype], r[k].problems);
        if (again && (!r[k].failed || r[k].cause != fault[k]))
            again[unnamed] = fault[k];
        unnamed += (again && !r[k].failed) || r[k].cause != fault[k];
    }
    return unnamed;
}

START_TEST(faults_are_rejected_and_named)
{
    static struct report r[MOST];
    struct subject s;
    int fault[MOST], again[MOST];
    ck_assert(subject_number(_i, &s));
    for (int d = DT_F32; d <= DT_F64; d++) {
        struct plan plan = {.subject = s, .wish = {.dtype = (enum dtype)d, .states = 1, .documents = 1, .noise = 1},
                            .seed = 1, .suite = suite_find(suite_long() ? "standard" : "quick"), .only = -1};
        const int n = verify_faults(&plan, r, fault, MOST, 0);
        int unnamed = unnamed_of(&plan, r, fault, n, suite_long() ? NULL : again);
        ck_assert(n < MOST);
        plan.suite = suite_find("standard");
        if (!suite_long() && unnamed) {
            const int m = verify_faults(&plan, r, again, MOST, unnamed);
            unnamed = unnamed_of(&plan, r, again, m, NULL);
        }
        ck_assert_msg(unnamed <= n / 10, "%d of %d faults of %s are not named", unnamed, n, s.name);
    }
}
END_TEST

/* ---- honest kernels */

enum { STRIDE = 3 };    /* of the honest kernels' problems; `make test-long` asks all of the hard suite */

/* All the honest kernels of an operation answer each problem, which is solved once. */
START_TEST(honest_kernels_are_accepted)
{
    const struct fault *(*const find)(int, struct swax_tier *) = _i % 2 ? fault_none_f64 : fault_none_f32;
    const enum swax_precision precision = _i % 2 ? SWAX_PREC_F64 : SWAX_PREC_F32;
    struct plan plan = { .wish = { .dtype = _i % 2 ? DT_F64 : DT_F32, .states = 1, .documents = 1, .noise = 1 },
                         .seed = 1,
                         .suite = suite_find(suite_long() ? "hard" : "standard"),
                         .only = -1 };
    const struct fault *first, *also;
    struct swax_tier tier;
    struct entry e;
    first = find(_i / 2, &tier);
    ck_assert(!subject_find(&plan.subject, first->op, why));
    if (_i >= 2 && !strcmp(find(_i / 2 - 1, &tier)->op, first->op))
        return;    /* asked beside that one */
    const int stride = suite_stride(STRIDE);
    for (int i = _i % stride; plan_entry(&plan, i, &e); i += stride) {
        struct problem p;
        ck_assert_msg(!problem_draw(&p, &plan, i, &e, why), "%s", why);
        problem_solve(&p);
        for (int k = _i / 2; (also = find(k, &tier)) && !strcmp(also->op, first->op); k++) {
            struct report r;
            report_begin(&r, &plan);
            r.gauge = 1;
            for (int part = 0; part < p.subject.n && order_is_honest(also, &p); part++) {
                struct op_case got[PARTS] = {{0}};
                if (!op_present(&tier, precision, p.subject.op[part]))
                    continue;
                op_case_copy(&got[part], &p.in[part]);
                ck_assert_msg(!op_run(&tier, precision, &got[part]), "%s", got[part].trouble);
                ck_assert_msg(report_add(&r, &p, got, part), "%s of %s in %s, case %d", also->name, also->op,
                              dtype_name[plan.wish.dtype], i);
                op_case_free(&got[part]);
            }
        }
        problem_free(&p);
    }
}
END_TEST

/* A factor on one tensor hides in the noise of bf16, and does not hide as a whole: rounding has no direction. Where
 * nothing is planted, what bf16 rounds of the truth is good. */
static const struct planted { const char *kernel, *tensor; double factor;
} planted[] = {
    { "mlstm", "h", 1.003 },     { "mlstm", "dv", 1.02 },     { "mlstm", "dq", 1.02 },     { "mlstm", "dk", 1.02 },
    { "mlstm", "di", 1.03 },     { "mlstm", "df", 1.03 },     { "attention", "y", 1.003 }, { "attention", "dq", 1.02 },
    { "attention", "dk", 1.02 }, { "attention", "dv", 1.02 }, { "delta", "y", 1.003 },     { "delta", "dv", 1.02 },
    { "linear", "y", 1.003 },    { "linear", "dw", 1.005 },   { "rmsnorm", "y", 1.003 },   { "swiglu", "da", 1.004 },
    { "mlstm", "", 1 },          { "attention", "", 1 },      { "linear", "", 1 },
};

/* Does a factor on that tensor of the truth in bf16 go out of bounds? */
static int is_refused(const struct problem *p, const struct planted *is)
{
    int refused = 0;
    for (int part = 0; part < p->subject.n; part++) {
        const struct op_spec *op = &swax_ops[p->in[part].op];
        struct op_verdict v = p->bound[part];
        struct op_case got;
        op_case_copy(&got, &p->truth[part]);
        for (int a = 0; a < got.n; a++)
            for (long x = 0; x < got.size[a] && problem_is_answer(p, part, a); x++)
                got.arg[a][x] = op_round(got.arg[a][x] * (strcmp(op->arg[a].name, is->tensor) ? 1 : is->factor),
                                         op->arg[a].type, SWAX_PREC_BF16);
        refused |= op_compare(&v, &got, &p->truth[part], &p->in[part]) >= 0;
        op_case_free(&got);
    }
    return refused;
}

/* All that is planted in a kernel, in each problem, which is solved once.  Where each factor was refused in one, the
 * rest only show whether nothing planted is good: every third, and none for a kernel that this is not asked of. */
START_TEST(a_planted_bias_is_noticed)
{
    enum { ALL = sizeof planted / sizeof *planted };
    const char *kernel = planted[_i].kernel;
    struct plan plan = { .wish = { .dtype = DT_BF16, .states = 1, .documents = 1 },
                         .seed = 1,
                         .suite = suite_find("standard"),
                         .only = -1 };
    struct entry e;
    int refused[ALL] = {0}, problems = 0, unnoticed = 0, plain = 0;
    for (int before = 0; before < _i; before++)
        if (!strcmp(planted[before].kernel, kernel))
            return;    /* asked beside that one */
    for (int k = 0; k < ALL; k++) {
        const int own = !strcmp(planted[k].kernel, kernel);
        unnoticed += own && planted[k].factor != 1;
        plain += own && planted[k].factor == 1;
    }
    ck_assert(!subject_find(&plan.subject, kernel, why));
    for (int i = 0, n = 0; plan_entry(&plan, i, &e) && (unnoticed || plain || suite_long()); i++) {
        struct problem p;
        if (e.family != OP_GAUSS || e.tokens > 200 || (!unnoticed && n++ % suite_stride(STRIDE)))
            continue;
        ck_assert_msg(!problem_draw(&p, &plan, i, &e, why), "%s", why);
        problem_solve(&p);
        for (int k = 0; k < ALL; k++)
            if (!strcmp(planted[k].kernel, kernel) && is_refused(&p, &planted[k]))
                unnoticed -= !refused[k]++ && planted[k].factor != 1;
        problems++;
        problem_free(&p);
    }
    for (int k = 0; k < ALL; k++)
        ck_assert_msg(strcmp(planted[k].kernel, kernel) || (refused[k] > 0) == (planted[k].factor != 1),
                      "%s times %g in %s: %d of %d problems are refused", planted[k].tensor, planted[k].factor, kernel,
                      refused[k], problems);
}
END_TEST

START_TEST(no_rounding_crosses_the_normalisers_tie)
{
    const int op = op_find("mlstm_forward"), m = op_arg_find(&swax_ops[op], "m"), qn = op_arg_find(&swax_ops[op], "qn");
    long rows = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct op_case c, truth, moved;
        uint64_t s = seed;
        op_case_make(&c, op, seed, (enum op_family)_i, 24, SWAX_PREC_BF16);
        op_case_copy(&truth, &c);
        ck_assert(!op_run(swax_tiers[0], SWAX_PREC_F64, &truth));
        for (int k = 0; k < 4; k++) {
            op_case_copy(&moved, &c);
            op_nudge(&moved, SWAX_PREC_BF16, &s);
            ck_assert(!op_run(swax_tiers[0], SWAX_PREC_F64, &moved));
            for (long row = 0; row < c.size[m] && op_extent(&swax_ops[op], 'g', c.dims) % 2 == 0; row++, rows++)
                ck_assert_msg((fabs(truth.arg[qn][row]) > exp(-truth.arg[m][row])) ==
                                  (fabs(moved.arg[qn][row]) > exp(-moved.arg[m][row])),
                              "row %ld of seed %d", row, (int)seed);
            op_case_free(&moved);
        }
        op_case_free(&truth);
        op_case_free(&c);
    }
    ck_assert_int_gt(rows, 1000);
}
END_TEST

START_TEST(what_is_drawn_can_be)
{
    struct op_case c;
    for (uint64_t seed = 1; seed <= 1000; seed++) {
        op_draw_dims(&c, _i, seed, 40);
        op_draw_scalars(&c, seed);
        ck_assert_msg(!op_wrong(_i, c.dims, c.scalar, c.trouble), "%s", c.trouble);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("verify");
    TCase *faults = tcase_create("faults"), *honest = tcase_create("honest"), *bias = tcase_create("bias"),
          *draws = tcase_create("draws");
    struct subject unused;
    struct swax_tier tier;
    int groups = 0, orders = 0;
    while (subject_number(groups, &unused))
        groups++;
    while (fault_none_f32(orders, &tier))
        orders++;
    tcase_add_loop_test(faults, faults_are_rejected_and_named, 0, groups);
    tcase_add_loop_test(honest, honest_kernels_are_accepted, 0, 2 * orders);
    tcase_add_loop_test(bias, a_planted_bias_is_noticed, 0, (int)(sizeof planted / sizeof *planted));
    tcase_add_loop_test(draws, no_rounding_crosses_the_normalisers_tie, OP_GAUSS, OP_FAMILIES);
    tcase_add_loop_test(draws, what_is_drawn_can_be, 0, swax_n_ops);
    TCase *const cases[] = { faults, honest, bias, draws };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tcase_set_timeout(cases[i], 900);
        suite_add_tcase(s, cases[i]);
    }
    return suite_ends(s);
}
