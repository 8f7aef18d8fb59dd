/* opcall.h - op_run and op_present of oracle.h, one precision at a time. */
#ifndef SWAX_OPCALL_H
#define SWAX_OPCALL_H

#include "oracle.h"

int op_present_f32(const struct swax_tier *tier, int op);
int op_present_f64(const struct swax_tier *tier, int op);
int op_present_bf16(const struct swax_tier *tier, int op);

const char *op_run_f32(const struct swax_tier *tier, struct op_case *c);
const char *op_run_f64(const struct swax_tier *tier, struct op_case *c);
const char *op_run_bf16(const struct swax_tier *tier, struct op_case *c);

#endif
