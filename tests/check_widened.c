/* check_widened.c - where a tier has no kernel of its own for bf16, the reference's in float on widened numbers: within
 * the bounds of bf16 in every host tier, at sizes that tell all dimensions apart.  check_tiers asks all kernels, and
 * takes longer. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "ref/oracle/oracle.h"
#include "tests/suite.h"

static const char *const kernels[] = {"delta_forward", "delta_backward", "conv_forward", "conv_backward",
                                      "decay_forward", "decay_backward", "strength_forward", "strength_backward"};
enum { KERNELS = sizeof kernels / sizeof *kernels };

START_TEST(bf16_is_float_on_widened_numbers)
{
    int asked = 0;
    for (int t = 0; t < swax_n_tiers; t++) {
        const struct swax_tier *tier = swax_tiers[t];
        if (tier->memory || !tier->usable() || !op_offers(tier, SWAX_PREC_BF16))
            continue;
        for (uint64_t seed = 1; seed <= 6; seed++) {
            struct op_case c;
            struct op_verdict v;
            char words[OP_SENTENCE];
            op_case_make(&c, op_find(kernels[_i]), seed, OP_GAUSS, 12, SWAX_PREC_BF16);
            const int wrong = op_judge(&v, tier, SWAX_PREC_BF16, &c);
            ck_assert_msg(wrong < 0, "tier %s, %s: %s is off by %g, the bound is %g %s", tier->name,
                          op_case_describe(&c, words, sizeof words), swax_ops[c.op].arg[wrong < 0 ? 0 : wrong].name,
                          v.error[wrong < 0 ? 0 : wrong], v.bound[wrong < 0 ? 0 : wrong], v.trouble);
            op_case_free(&c);
            asked++;
        }
    }
    if (!asked)
        puts("skipped: no tier here offers bf16");
}
END_TEST

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
    tcase_add_loop_test(t, bf16_is_float_on_widened_numbers, 0, KERNELS);
    tcase_add_loop_test(t, a_convolution_may_have_many_taps, 0, 2);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
