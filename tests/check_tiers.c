/* check_tiers.c - every kernel of every tier that this machine can run, in every precision that the tier
 * offers, against the reference in double; opjudge.c has the rule.
 *
 * One loop iteration, and so one process, per tier and kernel: a crash is one named failure.  The last lines
 * say which tiers ran, on how many cases, and how close the worst came to its bound; REQUIRE="avx2 neon"
 * makes it a failure that one of them did not run. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "../ref/bf16.h"
#include "../ref/oracle.h"

enum { TIERS = 16 };

/* what the children tell the parent */
static struct { long ran, cases[SWAX_PRECISIONS]; double worst[SWAX_PRECISIONS]; char where[SWAX_PRECISIONS][OP_SENTENCE]; } *told;

static void note(int tier, enum swax_precision p, double ratio, const struct op_case *c, int arg, enum op_family family)
{
    char text[160];
    told[tier].cases[p]++;
    if (ratio > told[tier].worst[p]) {
        told[tier].worst[p] = ratio;
        snprintf(told[tier].where[p], OP_SENTENCE, "%s of %s, %s", swax_ops[c->op].arg[arg].name,
                 op_case_describe(c, text, sizeof text), op_family_name[family]);
    }
}

static void one_case(int tier, enum swax_precision p, int op, enum op_family family, uint64_t seed, int max_dim)
{
    struct op_case c;
    struct op_verdict v;
    char text[256];
    op_case_make(&c, op, seed, family, max_dim, p);
    const int bad = op_judge(&v, swax_tiers[tier], p, &c);
    op_case_describe(&c, text, sizeof text);
    ck_assert_msg(!v.trouble[0], "%s %s: %s (%s, %s, seed %llu)", swax_tiers[tier]->name, swax_precision_name[p],
                  v.trouble, text, op_family_name[family], (unsigned long long)seed);
    ck_assert_msg(bad < 0, "%s %s: %s, argument %s off by %.3g (allowed %.3g), by RMS %.3g (allowed %.3g), %s, seed %llu",
                  swax_tiers[tier]->name, swax_precision_name[p], text, swax_ops[op].arg[bad < 0 ? 0 : bad].name,
                  v.error[bad < 0 ? 0 : bad], v.bound[bad < 0 ? 0 : bad], v.rms[bad < 0 ? 0 : bad],
                  v.rms_bound[bad < 0 ? 0 : bad], op_family_name[family], (unsigned long long)seed);
    for (int i = 0; i < c.n; i++)
        note(tier, p, v.bound[i] > 0 ? v.error[i] / v.bound[i] : 0, &c, i, family), told[tier].cases[p] -= i > 0;
    op_case_free(&c);
}

START_TEST(one_kernel)
{
    static const struct { int max_dim, plain, structured; } plan[] = { { 9, 40, 12 }, { 33, 16, 6 }, { 70, 8, 2 } };
    const int tier = _i / swax_n_ops, op = _i % swax_n_ops;
    if (!swax_tiers[tier]->usable())
        return;
    told[tier].ran = 1;
    for (int p = 0; p < SWAX_PRECISIONS; p++)
        for (int family = 0; family < OP_FAMILIES && op_present(swax_tiers[tier], p, op); family++)
            for (int size = 0; size < 3 && op_family_fits(op, family); size++)
                for (int n = 1; n <= (family ? plan[size].structured : plan[size].plain); n++)
                    one_case(tier, p, op, family, (uint64_t)(1000 * size + n), plan[size].max_dim);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tiers");
    TCase *tc = tcase_create("kernels");
    told = mmap(NULL, TIERS * sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, one_kernel, 0, swax_n_tiers * swax_n_ops);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);

    for (int t = 0; t < swax_n_tiers; t++)
        for (int p = 0; p < SWAX_PRECISIONS; p++)
            if (told[t].cases[p])
                printf("tier %-7s %s  %6ld cases, worst error/bound %.2f: %s\n", swax_tiers[t]->name, swax_precision_name[p],
                       told[t].cases[p], told[t].worst[p], told[t].where[p]);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
