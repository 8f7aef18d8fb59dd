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

void op_call_f32(const struct swax_tier *tier, int op, void **a, const int *dims, const double *scalar);
void op_call_f64(const struct swax_tier *tier, int op, void **a, const int *dims, const double *scalar);
void op_call_bf16(const struct swax_tier *tier, int op, void **a, const int *dims, const double *scalar);

double op_largest(const double *a, long n);                   /* max |a|, of what is finite */
/* The argument of that name; NULL: the kernel has none, or is given none. */
double *op_named(const struct op_case *c, const char *name);
double op_log_sigmoid(double x);
/* ref/oracle/terms.c; size[OP_ARGS], 0 on entry */
void op_terms(double *size, const struct op_case *c, const struct op_case *truth);
/* ref/oracle/operands.c: what a tensor core takes for x.  Is every other token's key, or more, the one before?  And
 * what an honest kernel on tensor cores errs, which rounds its operands to bf16; err[OP_ARGS], 0 on entry; of attention
 * and RoPE the bias alone */
double op_operand(double x);
int op_keys_are_alike(const struct op_case *c);
void op_operands(struct op_distance *err, const struct op_case *c, const struct op_case *truth);
/* ref/oracle/operands_delta.c, _cell.c, _rope.c and _norm.c: the delta rule's, the cell's, RoPE's, the norms' */
void op_operands_delta(struct op_distance *err, const struct op_case *c, const struct op_case *truth);
void op_operands_cell(struct op_distance *err, const struct op_case *c, const struct op_case *truth);
void op_operands_rope(struct op_distance *err, const struct op_case *c, const struct op_case *truth);
void op_operands_norm(struct op_distance *err, const struct op_case *c, const struct op_case *truth);
/* Chunk number `at` of T tokens, in chunks that end at multiples of span, too: is there one, with which tokens? */
int op_chunk_at(long *from, long *n, long T, long chunk, long span, long at);
/* Of so many heads, or groups of heads that share keys, each of that many multiplications, how many are worked out: the
 * first ones stand for all.  Then what `got` errs in argument i, where the others' elements mean nothing. */
long op_heads_asked(long heads, double work);
void op_operands_add(struct op_distance *err, struct op_case *got, const struct op_case *truth, const struct op_case *c,
                     int i, long asked);
/* ref/oracle/exponentials.c: what the exponentials of gates err, of the cell and the delta rule; err[OP_ARGS],
 * 0 on entry */
void op_exponentials(struct op_distance *err, const struct op_case *c, const struct op_case *truth);

/* SWAX_SIGMOID and SWAX_LOG, whose h has no normaliser: the gates of kernels.h, which cannot be included here */
enum { SIGMOID = 1, LOG = 3 };

/* ---- ref/oracle/inputs.c */
/* What tells one draw from another: `inputs` and `saved` are the precisions to round them to; forward kernels run on
 * the tier `by`, in precision `in`. */
struct draw {
    uint64_t seed;
    enum op_family family;
    enum swax_precision inputs, saved;
    const struct swax_tier *by;
    enum swax_precision in;
};

/* Argument i of the case, an input. */
void op_draw_input(struct op_case *c, int i, const struct draw *d);
double op_between(uint64_t *s, double from, double to);
uint64_t op_stream(uint64_t seed, const char *name);      /* a stream of an argument's own */

#endif
