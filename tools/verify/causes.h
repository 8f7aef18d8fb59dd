/* causes.h - what may be behind a wrong answer, each of which can answer a problem too: the faults of
 * ref/oracle/faults, and the conventions that others have. */
#ifndef SWAX_VERIFY_CAUSES_H
#define SWAX_VERIFY_CAUSES_H

#include "tools/verify/verify.h"

/* tools/verify/causes.c.  The first cause of that kernel behind number k (-1: of all), or -1 behind the last. */
int cause_next(int k, const char *op);
/* Its answers to a problem, computed in double or in float; a convention's are in double. */
void cause_run(int k, const struct problem *p, enum swax_precision precision, struct op_case says[PARTS]);

/* How far an answer is from what a cause says: what is beyond float's reach there is whatever a kernel makes of its
 * overflow. */
double cause_off(double a, double says);

/* tools/verify/convention.c: by number from 0; NULL behind the last. Behind the conventions come the slips. */
const struct fault *convention_is(int i);
void convention_run(int i, const struct problem *p, struct op_case says[PARTS]);
/* tools/verify/slips.c: in the same way, what goes wrong alike with any kernel's gradients. */
const struct fault *slip_is(int i);
void slip_run(int i, const struct problem *p, struct op_case says[PARTS]);

/* tools/verify/derive.c. The same fault of a forward, with the backward that automatic differentiation gives it, by
 * differences of the forward: for small problems alone, `derive_costs` multiplications. */
int derive_has(int k, const struct problem *p);
double derive_costs(const struct problem *p);
void derive_run(int k, const struct problem *p, struct op_case says[PARTS]);

#endif
