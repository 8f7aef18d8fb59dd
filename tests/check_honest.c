/* check_honest.c - kernels that are right pass: the reference built with -Ofast (but for infinities, which kernels.h
 * has), which sums in another order, multiplies and adds at once and divides by reciprocals, in float, in double, and
 * rounded to bf16 and f16. A sample by itself; `make test-long` asks all of it: more than 5,000 problems. None may be
 * refused. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define SWAX_F64
#include "ref/kernels.h"
#include "tools/lib/half.h"
#include "tools/verify/verify.h"
#include "tests/shared.h"
#include "tests/suite.h"

extern const struct swax_kernels_f32 swax_fast_f32;
extern const struct swax_kernels_f64 swax_fast_f64;

enum { SAMPLE = 16 };
static char why[SWAX_WHY];
static long *asked;    /* by dtype */

static int always(void) { return 1; }

/* The answers as a kernel in that type writes them. */
static void rounded(struct op_case *c, enum dtype dtype)
{
    for (int i = 0; i < c->n; i++)
        for (long e = 0; e < c->size[i] && c->arg[i] && op_answers(&swax_ops[c->op].arg[i]); e++)
            c->arg[i][e] = dtype == DT_F16 && swax_ops[c->op].arg[i].type == REAL
                             ? half_to_double(half_from_double(c->arg[i][e]))
                             : op_round(c->arg[i][e], swax_ops[c->op].arg[i].type, dtype_precision(dtype));
}

START_TEST(the_reference_built_for_speed_is_good)
{
    const struct swax_tier fast = {.name = "fast", .usable = always, .f32 = &swax_fast_f32, .f64 = &swax_fast_f64};
    struct plan plan = {
        .wish = { .states = 1, .documents = 1, .noise = 1 }, .seed = 1, .suite = suite_find("standard"), .only = -1
    };
    struct entry e;
    ck_assert(subject_number(_i / DTYPES, &plan.subject));
    plan.wish.dtype = (enum dtype)(_i % DTYPES);
    plan.wish.noise = plan.wish.dtype == DT_F32 || plan.wish.dtype == DT_F64;
    for (int i = suite_long() ? 0 : _i % SAMPLE; plan_entry(&plan, i, &e); i += suite_long() ? 1 : SAMPLE) {
        struct problem p;
        struct op_case got[PARTS] = {{0}};
        struct report r;
        char trouble[OP_SENTENCE];
        ck_assert_msg(!problem_draw(&p, &plan, i, &e, why), "%s", why);
        for (int part = 0; part < p.subject.n; part++)
            op_case_copy(&got[part], &p.in[part]);
        problem_solve(&p);
        for (int part = 1; part < p.subject.n; part++)    /* what a backward reads of its forward is there now */
            for (int a = 0; a < got[part].n; a++)
                if (got[part].arg[a])
                    memcpy(got[part].arg[a], p.in[part].arg[a], (size_t)got[part].size[a] * sizeof(double));
        ck_assert_msg(run_problem(&fast, plan.wish.dtype == DT_F64 ? SWAX_PREC_F64 : SWAX_PREC_F32, &p, got, trouble),
                      "%s", trouble);
        report_begin(&r, &plan);
        for (int part = 0; part < p.subject.n; part++) {
            rounded(&got[part], plan.wish.dtype);
            const int good = report_add(&r, &p, got, part);
            char sizes[200];
            for (int f = 0; f < r.n && !good; f++)
                ck_assert_msg(!r.finding[f].failed,
                              "%s in %s is refused: case %d, %s, %s: %s errs %.3g (allowed %.3g), by RMS %.3g (%.3g), "
                              "as a whole %.3g (%.3g)",
                              plan.subject.name, dtype_name[plan.wish.dtype], i, op_family_name[p.family],
                              op_case_describe(&p.in[part], sizes, sizeof sizes), r.finding[f].name,
                              r.finding[f].largest, r.finding[f].bound, r.finding[f].rms, r.finding[f].rms_bound,
                              r.finding[f].bias, r.finding[f].bias_bound);
        }
        asked[plan.wish.dtype]++;
        for (int part = 0; part < PARTS; part++)
            op_case_free(&got[part]);
        problem_free(&p);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("honest");
    TCase *t = tcase_create("honest");
    struct subject unused;
    int groups = 0;
    asked = shared_memory(DTYPES * sizeof *asked);
    while (subject_number(groups, &unused))
        groups++;
    tcase_set_timeout(t, 900);
    tcase_add_loop_test(t, the_reference_built_for_speed_is_good, 0, groups * DTYPES);
    suite_add_tcase(s, t);
    const int status = suite_ends(s);
    for (int d = 0; d < DTYPES; d++)
        printf("%s: %ld honest problems%s\n", dtype_name[d], asked[d], status ? "" : ", none refused");
    return status;
}
