/* faults.c - the library of faults against the judge: is each rejected, and named? */
#include "tools/verify/verify.h"

#include <stdlib.h>
#include <string.h>

static const double MOST_OF_A_FAULT = 2e6;    /* multiplications: faults are plain loops, and there are dozens */

int verify_faults(const struct plan *plan, struct report *report, int *fault, int room, int given)
{
    char why[SWAX_WHY];
    const struct fault *(*const find)(int, struct swax_tier *) = plan->wish.dtype == DT_F64 ? fault_f64 : fault_f32;
    const enum swax_precision precision = dtype_precision(plan->wish.dtype);
    struct entry e;
    struct swax_tier tier;
    int n = 0;
    for (; n < given; n++) {
        report_begin(&report[n], plan);
        report[n].gauge = 1;
    }
    for (int k = 0; !given && find(k, &tier) && n < room; k++)
        if (tier_has(&tier, precision, &plan->subject)) {
            report_begin(&report[n], plan);
            report[n].gauge = 1;
            fault[n++] = k;
        }
    struct evidence *evidence = op_take((size_t)n, sizeof *evidence);
    struct hypotheses *h = op_take(1, sizeof *h);
    for (int i = 0; plan_entry(plan, i, &e); i++) {
        struct problem p;
        struct op_case sizes;
        unsigned optional;
        if (problem_sizes(&sizes, &optional, plan, &e, why) || case_steps(&sizes) > MOST_OF_A_FAULT ||
            problem_draw(&p, plan, i, &e, why))
            continue;
        problem_solve(&p);
        hypotheses_make(h, &p, 1, 0);
        struct op_case plain[PARTS] = {{0}};
        for (int part = 0; part < p.subject.n; part++) {
            op_case_copy(&plain[part], &p.in[part]);
            op_run(swax_tiers[0], precision, &plain[part]);
        }
        for (int k = 0; k < n; k++) {
            struct op_case got[PARTS] = {{0}};
            int good = 1;
            find(fault[k], &tier);
            for (int part = 0; part < p.subject.n; part++) {
                const int wrong = op_present(&tier, precision, p.subject.op[part]);    /* else it is the reference's */
                op_case_copy(&got[part], wrong ? &p.in[part] : &plain[part]);
                good &= !wrong || !op_run(&tier, precision, &got[part]);
                good &= report_add(&report[k], &p, got, part);
            }
            report[k].failed += !good;
            report[k].problems++;
            evidence_add(&evidence[k], &p, got, h);
            for (int part = 0; part < PARTS; part++)
                op_case_free(&got[part]);
        }
        for (int part = 0; part < PARTS; part++)
            op_case_free(&plain[part]);
        hypotheses_free(h);
        problem_free(&p);
    }
    for (int k = 0; k < n; k++)
        evidence_weigh(&evidence[k], &report[k], 0);
    free(evidence);
    free(h);
    return n;
}
