/* causes.c - see causes.h. */
#include "tools/verify/causes.h"

#include <float.h>
#include <math.h>
#include <string.h>

const struct fault *cause_is(int k)
{
    struct swax_tier unused;
    return k < 0 ? NULL : k < MOST_FAULTS ? fault_f64(k, &unused) : convention_is(k - MOST_FAULTS);
}

int cause_next(int k, const char *op)
{
    for (k++; k < MOST_CAUSES; k++) {
        const struct fault *f = cause_is(k);
        if (f && !strcmp(f->op, op))
            return k;
    }
    return -1;
}

void cause_run(int k, const struct problem *p, enum swax_precision precision, struct op_case says[PARTS])
{
    struct swax_tier tier;
    if (k >= MOST_FAULTS) {
        convention_run(k - MOST_FAULTS, p, says);
        return;
    }
    (precision == SWAX_PREC_F64 ? fault_f64 : fault_f32)(k, &tier);
    for (int part = 0; part < p->subject.n; part++) {
        const int chained = part && p->wish.chained;
        if (!chained && !op_present(&tier, precision, p->subject.op[part])) {    /* nothing is wrong with it */
            op_case_copy(&says[part], &p->truth[part]);
            continue;
        }
        op_case_copy(&says[part], &p->in[part]);
        if (chained)
            problem_chain(&says[1], &says[0]);
        op_run(&tier, precision, &says[part]);
    }
}

double cause_off(double a, double says)
{
    return !isfinite(a) && !(fabs(says) <= (double)FLT_MAX) ? 0 : answer_off(a, says);
}
