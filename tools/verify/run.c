/* run.c - kernels that can be called here, over a suite. */
#include "tools/verify/verify.h"

#include <stdlib.h>
#include <string.h>

int run_problem(const struct swax_tier *tier, enum swax_precision precision, const struct problem *p, struct op_case *got,
                const int *parts, struct report *r)
{
    int good = 1;
    for (int part = 0; part < p->subject.n; part++) {
        if (!parts[part])
            continue;
        op_case_copy(&got[part], &p->in[part]);
        const char *trouble = op_run(tier, precision, &got[part]);
        if (trouble && !r->trouble[0])
            memcpy(r->trouble, got[part].trouble, sizeof r->trouble);
        good &= report_add(r, p, &got[part], part) && !trouble;
    }
    r->failed += !good;
    r->problems++;
    return good;
}

int verify_tier(const struct swax_tier *tier, enum swax_precision precision, const struct subject *s, const struct wish *w,
                int suite, struct report *r)
{
    char why[SWAX_WHY];
    struct suite_entry e;
    struct evidence evidence = {0};
    struct hypotheses *h = malloc(sizeof *h);
    int parts[PARTS] = {0};
    for (int part = 0; part < s->n; part++)
        parts[part] = op_present(tier, precision, s->op[part]);
    report_begin(r, s, w);
    for (int again = 0; h && again < 2 && (!again || r->failed); again++)
        for (int i = 0; suite_entry(suite, s, w, i, &e); i++) {
            struct problem p;
            struct op_case got[PARTS] = {{0}};
            if (problem_make(&p, s, w, e.seed, e.family, e.max_dim, e.tokens, why))
                continue;
            struct report scratch = *r;
            run_problem(tier, precision, &p, got, parts, again ? &scratch : r);
            if (again && evidence_affords(&evidence, &p)) {
                hypotheses_make(h, &p);
                evidence_add(&evidence, &p, got, parts, h);
                hypotheses_free(h);
            }
            for (int part = 0; part < PARTS; part++)
                op_case_free(&got[part]);
            problem_free(&p);
        }
    free(h);
    evidence_weigh(&evidence, r);
    return r->problems && !r->failed;
}
