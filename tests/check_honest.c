/* check_honest.c - kernels that are right pass: the reference built with -O3 -ffast-math (but for infinities, which
 * kernels.h has), which sums in another order, multiplies and adds at once and divides by reciprocals, in float, in
 * double, and rounded to bf16 and f16. A sample by itself; `make test-long` asks all of it: more than 5,000 problems,
 * SHARD=2/3 the second third of them. None may be refused. */
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
    const int step = suite_stride(SAMPLE);
    int part, parts, all = 0, here = 0;
    suite_shard(&part, &parts);
    ck_assert(subject_number(_i / DTYPES, &plan.subject));
    plan.wish.dtype = (enum dtype)(_i % DTYPES);
    plan.wish.noise = plan.wish.dtype == DT_F32 || plan.wish.dtype == DT_F64;
    while (plan_entry(&plan, all, &e))
        all++;
    for (int i = _i % (step < all ? step : all); plan_entry(&plan, i, &e); i += step) {
        if (i / step % parts != part - 1)
            continue;
        struct problem p;
        struct op_case got[PARTS] = {{0}};
        struct report r;
        char trouble[OP_SENTENCE];
        ck_assert_msg(!problem_draw(&p, &plan, i, &e, why), "%s", why);
        for (int k = 0; k < p.subject.n; k++)
            op_case_copy(&got[k], &p.in[k]);
        problem_solve(&p);
        for (int k = 1; k < p.subject.n; k++)    /* what a backward reads of its forward is there now */
            for (int a = 0; a < got[k].n; a++)
                if (got[k].arg[a])
                    memcpy(got[k].arg[a], p.in[k].arg[a], (size_t)got[k].size[a] * sizeof(double));
        ck_assert_msg(run_problem(&fast, plan.wish.dtype == DT_F64 ? SWAX_PREC_F64 : SWAX_PREC_F32, &p, got, trouble),
                      "%s", trouble);
        report_begin(&r, &plan);
        for (int k = 0; k < p.subject.n; k++) {
            rounded(&got[k], plan.wish.dtype);
            const int good = report_add(&r, &p, got, k);
            char sizes[200];
            for (int f = 0; f < r.n && !good; f++)
                ck_assert_msg(!r.finding[f].failed,
                              "%s in %s is refused: case %d, %s, %s: %s errs %.3g (allowed %.3g), by RMS %.3g (%.3g), "
                              "as a whole %.3g (%.3g)",
                              plan.subject.name, dtype_name[plan.wish.dtype], i, op_family_name[p.family],
                              op_case_describe(&p.in[k], sizes, sizeof sizes), r.finding[f].name,
                              r.finding[f].largest, r.finding[f].bound, r.finding[f].rms, r.finding[f].rms_bound,
                              r.finding[f].bias, r.finding[f].bias_bound);
        }
        asked[plan.wish.dtype]++, here++;
        for (int k = 0; k < PARTS; k++)
            op_case_free(&got[k]);
        problem_free(&p);
    }
    ck_assert_msg(here || parts > 1, "%s in %s: no problem was asked", plan.subject.name, dtype_name[plan.wish.dtype]);
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
