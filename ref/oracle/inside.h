/* inside.h - what the files behind oracle.h share: op_run and op_present, one precision at a time, and the judge's
 * measures. */
#ifndef SWAX_OPINSIDE_H
#define SWAX_OPINSIDE_H

#include "ref/oracle/oracle.h"

int op_present_f32(const struct swax_tier *tier, int op);
int op_present_f64(const struct swax_tier *tier, int op);
int op_present_bf16(const struct swax_tier *tier, int op);

const char *op_run_f32(const struct swax_tier *tier, struct op_case *c);
const char *op_run_f64(const struct swax_tier *tier, struct op_case *c);
const char *op_run_bf16(const struct swax_tier *tier, struct op_case *c);

double op_largest(const double *a, long n);                   /* max |a|, of what is finite */
/* ref/oracle/terms.c; size[OP_ARGS], 0 on entry */
void op_terms(double *size, const struct op_case *c, const struct op_case *truth);

#endif
