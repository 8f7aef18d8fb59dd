/* holds.h - a cause that holds somewhere alone: in one of two kernels, in some tensors, at some indices, in some cases.
 *
 * Each number of the candidate is then the truth's or the cause's, to within what an honest one may err, and which of
 * the two it is says where.  Chance gives no such numbers, nor does a likeness: one that is neither's is enough to
 * refute it. */
#ifndef SWAX_VERIFY_HOLDS_H
#define SWAX_VERIFY_HOLDS_H

#include "tools/verify/verify.h"

/* Orders of magnitude beyond what an honest kernel errs: what is this far off is no rounding; what is left of a number
 * that is explained is within the second. */
#define FAR_OFF 1.0
#define NEARLY 0.4

/* An answer to a problem: what is right, and what is wrong. */
struct answered {
    const struct problem *p;
    const struct op_case *got;
    int part, arg, right, asks;      /* asks: an answer of zeros would be wrong */
    double unit, honest;             /* the truth's RMS; what is no distance, by it */
};

/* Of cause number `cause`, which says `says` there, measured by `unit`: `off` orders from the truth, and `left` orders
 * from the answer. */
void holds_add(struct evidence *e, int cause, const struct answered *a, const double *says, double unit, double off,
               double left);
/* Where an answer is wrong, if it is further off than all before. */
void holds_place(struct evidence *e, const struct answered *a, double off);
/* Does the cause explain all that is wrong, where it holds? */
int holds_somewhere(const struct evidence *e, int cause);
/* Where that is: "at T = 3 alone, of 5 (tokens)". */
void holds_where(char words[WORDS + 60], const struct evidence *e, const struct report *r, int cause);

#endif
