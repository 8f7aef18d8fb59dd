/* check_widened.c - where a tier has no kernel of its own, the reference's, in bf16 on widened numbers: within the
 * bounds in every host tier and precision. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "ref/oracle/oracle.h"
#include "tests/suite.h"

/* More taps than a tier keeps as vectors: its reference computes them, in every precision. */
START_TEST(a_convolution_may_have_many_taps)
{
    static const int taps[] = {16, 17, 40};
    const int op = op_find(_i ? "conv_backward" : "conv_forward");
    const char *const F = strchr(swax_ops[op].dims, 'F');
    for (int t = 0; t < swax_n_tiers; t++)
        for (int p = 0; p < SWAX_PRECISIONS; p++)
            for (int k = 0; k < 3 && !swax_tiers[t]->memory && swax_tiers[t]->usable() &&
                            op_offers(swax_tiers[t], (enum swax_precision)p);
                 k++) {
                struct op_case c;
                struct op_verdict v;
                char words[OP_SENTENCE];
                op_draw_dims(&c, op, (uint64_t)k, 20);
                c.dims[F - swax_ops[op].dims] = taps[k];
                op_draw(&c, (uint64_t)k, OP_GAUSS, ~0u, (enum swax_precision)p);
                const int wrong = op_judge(&v, swax_tiers[t], (enum swax_precision)p, &c);
                ck_assert_msg(wrong < 0, "tier %s in %s, %s: %s is off by %g, the bound is %g %s", swax_tiers[t]->name,
                              swax_precision_name[p], op_case_describe(&c, words, sizeof words),
                              swax_ops[op].arg[wrong < 0 ? 0 : wrong].name, v.error[wrong < 0 ? 0 : wrong],
                              v.bound[wrong < 0 ? 0 : wrong], v.trouble);
                op_case_free(&c);
            }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("widened");
    TCase *t = tcase_create("widened");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, a_convolution_may_have_many_taps, 0, 2);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
