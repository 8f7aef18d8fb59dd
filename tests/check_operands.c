/* check_operands.c - what rounding to bf16 leaves in the delta rule (ref/oracle/operands_delta.c): the form that is
 * rounded there is the delta rule where nothing is rounded, and a kernel that keeps its inverse in bf16 has no more
 * bias than the bound knows. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "ref/oracle/faults/faults.h"
#include "ref/oracle/oracle.h"
#include "tests/suite.h"

/* The form without its roundings. */
#define op_round(x, type, precision) (x)
#define op_operands_delta operands_delta_unrounded
#include "ref/oracle/operands_delta.c"
#undef op_round
#undef op_operands_delta

enum { CASES = 24 };

START_TEST(without_rounding_it_is_the_delta_rule)
{
    static const char *const ops[] = {"delta_forward", "delta_backward"},
                      *const answers[] = {"y", "S1", "dq", "dk", "dv", "dbeta", "dS0"};
    static const enum op_family families[] = {OP_GAUSS, OP_EQUAL, OP_OPEN, OP_SHUT};
    int asked = 0;
    for (int k = 0; k < 2 * CASES; k++) {
        const int op = op_find(ops[k % 2]), backward = k % 2;
        struct op_case c, truth;
        struct op_verdict v;
        op_case_make(&c, op, (uint64_t)(k + 1), families[k / 2 % 4], 40, SWAX_PREC_F64);
        op_truth(&truth, &v, SWAX_PREC_F64, &c);
        for (long L = 16; L <= CHUNK; L *= 2) {
            struct op_case got;
            op_case_copy(&got, &c);
            run_case(&got, &c, backward, L);
            for (size_t a = 0; a < sizeof answers / sizeof *answers; a++) {
                const int i = op_arg_find(&swax_ops[op], answers[a]);
                if (i < 0 || !got.arg[i] || (a < 2) == backward)
                    continue;
                const double off = op_error_rms(got.arg[i], truth.arg[i], c.size[i]);
                ck_assert_each(off < 1e-10, "%s of %s, case %d, in chunks of %ld: off by %.3g", answers[a], ops[k % 2],
                               k, L, off);
                asked++;
            }
            op_case_free(&got);
        }
        op_case_free(&c), op_case_free(&truth);
    }
    ck_assert_msg(asked > 500, "%d answers", asked);
}
END_TEST

/* Where keys are alike, the inverse's rows are, and are rounded alike: a bias of y and of the state that is honest. */
START_TEST(a_rounded_inverse_is_known_to_the_bound)
{
    const int op = op_find("delta_forward");
    struct swax_tier tier;
    const struct fault *of;
    double most = 0;
    int at = 0;
    while ((of = fault_f32(at, &tier)) && (strcmp(of->op, "delta") || strcmp(of->name, "inverse_bf16")))
        at++;
    ck_assert(of != NULL);
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct op_case c, truth, got;
        struct op_verdict v;
        op_case_make(&c, op, seed, OP_EQUAL, 24, SWAX_PREC_BF16);
        op_truth(&truth, &v, SWAX_PREC_BF16, &c);
        op_case_copy(&got, &c);
        ck_assert(!op_run(&tier, SWAX_PREC_F32, &got));
        for (int i = 0; i < 2; i++) {
            const double bias = fabs(op_bias(got.arg[i], truth.arg[i], NULL, c.size[i]));
            ck_assert_each(bias <= v.bias_bound[i], "%s, seed %d: off by %.3g in one direction, and %.3g is allowed",
                           swax_ops[op].arg[i].name, (int)seed, bias, v.bias_bound[i]);
            most = fmax(most, bias);
        }
        op_case_free(&c), op_case_free(&truth), op_case_free(&got);
    }
    ck_assert_msg(most > 5e-4, "no inverse is rounded alike: %.3g", most);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("operands");
    TCase *t = tcase_create("delta");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, without_rounding_it_is_the_delta_rule);
    tcase_add_test(t, a_rounded_inverse_is_known_to_the_bound);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
