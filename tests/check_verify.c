/* check_verify.c - the verification kit: every known fault is rejected and almost every one named, and honest kernels
 * are accepted. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tools/verify/verify.h"
#include "tests/suite.h"

static char why[SWAX_WHY];
enum { MOST = 64 };

/* ---- faults */

/* What stands before _forward and _backward, one name for each group of kernels. */
static int group(int number, struct subject *s)
{
    for (int i = 0; i < swax_n_ops; i++) {
        if (op_forward_of(i) >= 0 || number--)
            continue;
        const char *wrong = subject_find(s, swax_ops[i].name, why);
        return !wrong && (op_backward_of(i) < 0 || !subject_find(s, s->base, why));
    }
    return 0;
}

START_TEST(faults_are_rejected_and_named)
{
    static struct report r[MOST];
    struct subject s;
    struct swax_tier tier;
    int fault[MOST];
    ck_assert(group(_i, &s));
    for (int d = DT_F32; d <= DT_F64; d++) {
        const struct plan plan = {.subject = s, .wish = {.dtype = (enum dtype)d, .states = 1, .documents = 1, .noise = 1},
                                  .seed = 1, .suite = suite_find("standard"), .only = -1};
        const int n = verify_faults(&plan, r, fault, MOST);
        int unnamed = 0;
        ck_assert(n < MOST);
        for (int k = 0; k < n; k++) {
            ck_assert_msg(r[k].failed > 0, "%s of %s, %s, passed %d cases", fault_f64(fault[k], &tier)->name, s.name, dtype_name[d], r[k].problems);
            unnamed += r[k].cause != fault[k];
        }
        ck_assert_msg(unnamed <= n / 10, "%d of %d faults of %s are not named", unnamed, n, s.name);
    }
}
END_TEST

/* ---- honest kernels */

START_TEST(honest_kernels_are_accepted)
{
    struct plan f32 = {.wish = {.dtype = DT_F32, .states = 1, .documents = 1, .noise = 1}, .seed = 1, .suite = suite_find("hard"), .only = -1}, f64;
    struct swax_tier plain;
    struct report r;
    for (int i = 0; fault_none_f32(i, &plain); i++) {
        const char *name = fault_none_f32(i, &plain)->name;
        ck_assert(!subject_find(&f32.subject, fault_none_f32(i, &plain)->op, why));
        f64 = f32;
        f64.wish.dtype = DT_F64;
        ck_assert_msg(!verify_tier(&plain, SWAX_PREC_F32, &f32, &r, why) && !r.failed, "%s of %s in float", name, f32.subject.name);
        fault_none_f64(i, &plain);
        ck_assert_msg(!verify_tier(&plain, SWAX_PREC_F64, &f64, &r, why) && !r.failed, "%s of %s in double", name, f64.subject.name);
    }
}
END_TEST

/* At |qn| = exp(-m) the gradient jumps: inputs that one rounding takes across it have no answer to be right. */
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
                ck_assert_msg((fabs(truth.arg[qn][row]) > exp(-truth.arg[m][row])) == (fabs(moved.arg[qn][row]) > exp(-moved.arg[m][row])),
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
    TCase *t = tcase_create("faults");
    struct subject unused;
    int groups = 0;
    while (group(groups, &unused))
        groups++;
    tcase_set_timeout(t, 900);
    tcase_add_loop_test(t, faults_are_rejected_and_named, 0, groups);
    tcase_add_test(t, honest_kernels_are_accepted);
    tcase_add_loop_test(t, no_rounding_crosses_the_normalisers_tie, OP_GAUSS, OP_FAMILIES);
    tcase_add_loop_test(t, what_is_drawn_can_be, 0, swax_n_ops);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
