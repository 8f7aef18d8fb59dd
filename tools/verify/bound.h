/* bound.h - the parts of a bound: tools/verify/bound.c, and what is the cell's own in bound_cell.c. */
#ifndef SWAX_VERIFY_BOUND_H
#define SWAX_VERIFY_BOUND_H

#include "tools/verify/verify.h"

/* Up to this sum of log forget gates, which a chunk of 128 half-open gates has, differences of running sums are as
 * honest as any; behind gates that are shut they are the fault "summed_gates". */
#define BOUND_MOST_SUM 128.0

/* The bound is `scale` times what these answers err, if that is more. */
void bound_widen(struct problem *p, int part, const struct op_case *got, double scale);
/* Is no forget gate so far shut that orders of operations part? */
int bound_is_tame(const struct op_case *c);
/* The honest order behind number k (-1: of all) that may be tried on a problem, with its tier; -1 behind the last. */
int bound_next_order(int k, const struct problem *p, int part, struct swax_tier *honest);

/* 8 times what the normaliser's errors make of h, and, chained, of the gradients. */
void bound_normaliser(struct problem *p);
/* What the roundings of running sums make of the cell's answers and gradients, where each is as large as it can be:
 * rows hang on few of them, and it is luck what an order errs there. */
void bound_sums(struct problem *p);

#endif
