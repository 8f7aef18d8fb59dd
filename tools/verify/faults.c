/* faults.c - the library of faults against the judge: is each rejected, and named? */
#include "tools/verify/verify.h"

#include <stdlib.h>
#include <string.h>

static int of_subject(const struct subject *s, const struct swax_tier *tier, enum swax_precision p)
{
    for (int part = 0; part < s->n; part++)
        if (op_present(tier, p, s->op[part]))
            return 1;
    return 0;
}

int verify_faults(const struct subject *s, enum dtype dtype, int suite, struct report *report, int *fault, int room)
{
    char why[SWAX_WHY];
    const struct wish w = {.dtype = dtype, .states = 1, .documents = 1, .noise = 1};
    const struct fault *(*const find)(int, struct swax_tier *) = dtype == DT_F64 ? fault_f64 : fault_f32;
    const enum swax_precision precision = dtype_precision(dtype);
    struct suite_entry e;
    struct swax_tier tier;
    const int parts[PARTS] = {1, 1};    /* a slot without the fault is the reference's */
    int n = 0;
    for (int k = 0; find(k, &tier) && n < room; k++)
        if (of_subject(s, &tier, precision)) {
            report_begin(&report[n], s, &w);
            fault[n++] = k;
        }
    struct evidence *evidence = calloc((size_t)n + 1, sizeof *evidence);
    struct hypotheses *h = malloc(sizeof *h);
    for (int i = 0; evidence && h && suite_entry(suite, s, &w, i, &e); i++) {
        struct problem p;
        if (problem_make(&p, s, &w, e.seed, e.family, e.max_dim, e.tokens, why))
            continue;
        hypotheses_make(h, &p);
        for (int k = 0; k < n; k++) {
            struct op_case got[PARTS] = {{0}};
            find(fault[k], &tier);
            run_problem(&tier, precision, &p, got, parts, &report[k]);
            evidence_add(&evidence[k], &p, got, parts, h);
            for (int part = 0; part < PARTS; part++)
                op_case_free(&got[part]);
        }
        hypotheses_free(h);
        problem_free(&p);
    }
    for (int k = 0; k < n && evidence && h; k++)
        evidence_weigh(&evidence[k], &report[k]);
    free(evidence);
    free(h);
    return n;
}
