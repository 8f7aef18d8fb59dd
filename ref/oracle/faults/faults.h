/* faults.h - the library of known faults: kernels that are wrong in one way that people get wrong.
 *
 * A fault is a tier that offers one kernel, or a forward and its backward, and nothing else.  check_harness and
 * check_verify ask that the judge rejects every one; `swax verify` runs them on a rejected kernel's inputs and names
 * the one whose numbers it reproduces.  ref/oracle/faults/faults.c is the list; the kernels are compiled once per
 * precision. */
#ifndef SWAX_FAULTS_H
#define SWAX_FAULTS_H

#include "ref/tier.h"

enum fault_kind {
    FAULT_EXACT,      /* its numbers are its own: another kernel with this fault gives the same, but for rounding */
    FAULT_ROUNDING,   /* a coarser rounding: another kernel errs as much, in other places */
    FAULT_SMALL_SUMS  /* none where a sequence's log forget gates sum to little, as verify asks of honest kernels */
};

struct fault {
    const char *name;         /* one word; the variants of one idea differ behind a dot */
    const char *op;           /* "mlstm", "add", ...: what stands before _forward and _backward */
    const char *says;         /* what is wrong, as one says it of a kernel: "the window has W+1 keys" */
    enum fault_kind kind;
};

/* By number from 0; NULL behind the last.  The tier's table has the fault in its slots and nothing else. */
const struct fault *fault_f32(int i, struct swax_tier *tier);
const struct fault *fault_f64(int i, struct swax_tier *tier);


/* The same kernels with nothing wrong: honest ones in another order of summation. */
const struct fault *fault_none_f32(int i, struct swax_tier *tier);
const struct fault *fault_none_f64(int i, struct swax_tier *tier);

#endif
