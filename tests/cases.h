/* cases.h - op_case by name, for checks that run the reference in double and know which kernel they mean. */
#ifndef CASES_H
#define CASES_H

#include <check.h>
#include "ref/oracle/oracle.h"

/* The array argument of that name; NULL if it was left out. */
double *case_arg(const struct op_case *c, const char *name);
long case_size(const struct op_case *c, const char *name);
int case_dim(const struct op_case *c, char letter);

/* Arrays for kernel `op` with from's dims and scalars, and, by name, from's values; the optional arguments that
 * `from` has, and all optional outputs.  What `from` does not have is 0. */
void case_like(struct op_case *to, const char *op, const struct op_case *from);
/* Tokens t0 .. t1-1 of sequence b and, of a key array, the `cached` keys before them too.  A start array then counts
 * from t0.  Arrays without tokens or sequences come along as they are. */
void case_cut(struct op_case *to, const struct op_case *from, int b, int t0, int t1, int cached);
void case_give(struct op_case *c, const char *name, const double *values);    /* NULL: zeros */
void case_drop(struct op_case *c, const char *name);                          /* the kernel gets NULL */
void case_run(struct op_case *c);                                             /* the reference in double */

/* A drawn case for double: gradients from 0, the cell's eps 0. */
void case_draw(struct op_case *c, const char *op, uint64_t seed, enum op_family family);
/* What a backward reads of its forward, again, after its inputs were changed. */
void case_refresh(struct op_case *backward);

int case_same(const struct op_case *a, const struct op_case *b, const char *name);   /* to the bit */

void case_scale(struct op_case *c, const char *name, double factor);
double case_inner(const struct op_case *c, const char *a, const char *b);        /* <a,b> */
/* the same sum of |a b|: what a vanishing <a,b> is measured by */
double case_inner_size(const struct op_case *c, const char *a, const char *b);

double largest(const double *a, long n);                                /* max |a| */
/* max |a - b| / max(|b|, scale) */
double apart(const double *a, const double *b, long n, double scale);

#endif
