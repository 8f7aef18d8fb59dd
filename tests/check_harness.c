/* check_harness.c - who judges the judge: every broken kernel of variants.h must be rejected, every honest one
 * accepted.  If this fails, no other check that goes through the oracle is worth anything. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ref/oracle/oracle.h"
#include "tests/variants.h"
#include "tests/suite.h"

typedef const struct variant *find_fn(int i, int honest, struct swax_tier *tier);
static find_fn *const find[2] = { variant_f32, variant_f64 };

/* Over the families and sizes that check_tiers uses, fewer of each: how many cases there are, and how many the
 * tier's kernel failed; the first failure in `first`. */
static int failures(const struct swax_tier *tier, enum swax_precision p, int op, int seeds, int *cases, char *first)
{
    int failed = 0;
    *cases = 0;
    first[0] = '\0';
    for (int family = 0; family < OP_FAMILIES; family++)
        for (int seed = 1; seed <= seeds && op_family_fits(op, family); seed++) {
            struct op_case c;
            struct op_verdict v;
            char text[160];
            op_case_make(&c, op, (uint64_t)seed, family, seed % 3 ? 9 : 33, p);
            const int bad = op_judge(&v, tier, p, &c);
            if (bad >= 0 && !failed++)
                snprintf(first, 400, "%s, %s seed %d: %s%s %.2g > %.2g, rms %.2g > %.2g",
                         op_case_describe(&c, text, sizeof text), op_family_name[family], seed, v.trouble,
                         swax_ops[op].arg[bad].name, v.error[bad], v.bound[bad], v.rms[bad], v.rms_bound[bad]);
            ++*cases;
            op_case_free(&c);
        }
    return failed;
}

START_TEST(faults_are_rejected)
{
    struct swax_tier tier;
    char first[400];
    int cases;
    for (int p = SWAX_PREC_F32; p <= SWAX_PREC_F64; p++) {
        const struct variant *v = find[p](_i, 0, &tier);
        ck_assert(v && op_present(&tier, p, op_find(v->op)));
        const int failed = failures(&tier, p, op_find(v->op), 12, &cases, first);
        ck_assert_msg(failed > 0, "%s in %s passed all of %d cases", v->name, swax_precision_name[p], cases);
    }
}
END_TEST

START_TEST(honesty_is_accepted)
{
    struct swax_tier tier;
    char first[400];
    int cases;
    for (int p = SWAX_PREC_F32; p <= SWAX_PREC_F64; p++) {
        const struct variant *v = find[p](_i, 1, &tier);
        const int failed = failures(&tier, p, op_find(v->op), 60, &cases, first);
        ck_assert_msg(failed == 0, "%s in %s failed %d of %d cases, the first: %s", v->name, swax_precision_name[p],
                      failed, cases, first);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("harness");
    TCase *tc = tcase_create("variants");
    struct swax_tier tier;
    int faults = 0, honest = 0;
    while (variant_f64(faults, 0, &tier))
        faults++;
    while (variant_f64(honest, 1, &tier))
        honest++;
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, faults_are_rejected, 0, faults);
    tcase_add_loop_test(tc, honesty_is_accepted, 0, honest);
    suite_add_tcase(s, tc);
    const int failed = suite_ends(s);
    printf("%d faults, %d honest variants\n", faults, honest);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
