/* check_draws.c - a seed means the same problem in every version, and the judge the same bounds: for each kernel and family, the
 * sizes, the constants, what is given, two sums over each array, and how far an honest kernel may be from the truth.
 *
 * Where a draw or the rule is meant to change, GOLDEN=write build/check_draws keeps the new ones: look at the diff. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ref/oracle/oracle.h"
#include "tests/golden.h"
#include "tests/suite.h"

enum { SEEDS = 3 };
static const int max_dim[SEEDS] = {6, 17, 40};

/* Sums that notice a changed element, a changed sign and a changed order; what is not finite is counted. */
static void tell_array(FILE *f, const struct op_arg *arg, const double *x, long n)
{
    double plain = 0, placed = 0;
    long other = 0;
    for (long e = 0; e < n; e++) {
        if (!isfinite(x[e])) {
            other++;
            continue;
        }
        const double small = x[e] / (1 + fabs(x[e])) + 1e3 * fmin(fabs(x[e]), 1e-3);        /* of any size, it counts */
        plain += fabs(small);
        placed += small * (double)(e % 97 + 1) / 97;
    }
    fprintf(f, " %s:%ld/%ld %.9g %.9g", arg->name, n, other, plain, placed);
}

static void tell(FILE *f, FILE *b, int op, enum op_family family, int seed)
{
    const struct op_spec *spec = &swax_ops[op];
    struct op_case c, truth;
    struct op_verdict v;
    op_case_make(&c, op, (uint64_t)seed * 77 + 5, family, max_dim[seed], seed == 1 ? SWAX_PREC_BF16 : SWAX_PREC_F32);
    char words[OP_SENTENCE];
    fprintf(f, "%s %s %d:%s", op_case_describe(&c, words, sizeof words), op_family_name[family], seed, spec->exact ? " exact" : "");
    for (int i = 0; i < op_scalars(spec); i++)
        fprintf(f, " %.9g", c.scalar[i]);
    for (int i = 0; i < c.n; i++)
        if (c.arg[i])
            tell_array(f, &spec->arg[i], c.arg[i], c.size[i]);
    memset(&v, 0, sizeof v);
    op_truth(&truth, &v, seed == 1 ? SWAX_PREC_BF16 : SWAX_PREC_F32, &c);
    fprintf(f, " bytes %.0f %.0f %.0f\n", op_case_bytes(&c, SWAX_PREC_F32), op_case_bytes(&c, SWAX_PREC_F64), op_case_bytes(&c, SWAX_PREC_BF16));
    fprintf(b, "%s %s %d:", words, op_family_name[family], seed);
    for (int i = 0; i < c.n; i++)
        if (spec->arg[i].role != IN && c.arg[i])
            fprintf(b, " %s %.4g %.4g %.4g", spec->arg[i].name, v.bound[i], v.rms_bound[i], v.bias_bound[i]);
    fputc('\n', b);
    op_case_free(&truth);
    op_case_free(&c);
}

START_TEST(a_seed_is_the_same_problem_as_ever)
{
    char *now = NULL, *bounds = NULL;
    size_t n, m;
    FILE *f = open_memstream(&now, &n), *b = open_memstream(&bounds, &m);
    for (int op = 0; op < swax_n_ops; op++)
        for (int family = 0; family < OP_FAMILIES; family++)
            if (family == OP_GAUSS || op_family_fits(op, (enum op_family)family))
                for (int seed = 0; seed < SEEDS; seed++)
                    tell(f, b, op, (enum op_family)family, seed);
    fclose(f), fclose(b);
    golden_has("draws.txt", now, 1e-7);
    golden_has("bounds.txt", bounds, 2e-3);
    free(now), free(bounds);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("draws");
    TCase *t = tcase_create("draws");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_seed_is_the_same_problem_as_ever);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
