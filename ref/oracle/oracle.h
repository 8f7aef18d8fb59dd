/* oracle.h - draw a seeded case of any kernel, run any tier's kernel on it, judge what came out.
 *
 * Tests, `swax verify` and `swax bench` share this, so that a new kernel or a new tier is tested
 * without anyone remembering to.  A case holds every argument as doubles; the runner converts to the
 * tier's element types, calls the kernel between guard zones on NaN-poisoned outputs, and converts back.
 *
 *     struct op_case c;
 *     struct op_verdict v;
 *     op_case_make(&c, op_find("mlstm_forward"), seed, OP_GAUSS, 40, SWAX_PREC_F32);
 *     int bad = op_judge(&v, tier, SWAX_PREC_F32, &c);       -1: within all bounds
 *     op_case_free(&c); */
#ifndef SWAX_ORACLE_H
#define SWAX_ORACLE_H

#include <stdint.h>
#include "opspec.h"
#include "tier.h"

#ifdef __cplusplus
extern "C" {
#endif
/* Memory of the caller's for a call's arrays, so that he chooses their addresses: `bytes` at `at`, used from `shift`
 * on.  Arrays of the same sizes lie at the same addresses, call after call.  Where `page` is not 0, the last array's
 * guard zone goes on to the end of its page; op_run says in `used` up to where it has looked. */
struct op_room { unsigned char *at; size_t bytes, shift, page, used; };

struct op_case {
    int op;
    int dims[OP_DIMS];
    double scalar[OP_SCALARS];
    int n;                       /* array arguments */
    long size[OP_ARGS];
    double *arg[OP_ARGS];        /* NULL: the kernel gets NULL */
    void (*start)(void *arg);    /* not NULL: called right before the kernel, with again_arg */
    int (*again)(void *arg);     /* not NULL, for a benchmark: op_run calls the kernel anew while it says so */
    void *again_arg;
    const struct swax_tier *by;  /* whose double is the truth of it; NULL: the reference, slow where cases are large */
    struct op_room *room;        /* not NULL: where op_run puts the arrays */
    long unwritten[OP_ARGS];     /* of what the kernel writes, the elements that op_run found as it had left them */
    char trouble[OP_SENTENCE];   /* what op_run answered; "" is nothing */
};

const struct swax_tier *op_teller(const struct op_case *c);      /* whose double is the truth of it */

/* What the inputs look like. */
enum op_family {
    OP_GAUSS,         /* N(0,1); forget gates around 4: the plain case */
    OP_INTEGERS,      /* small integers: + and * are exact */
    OP_SATURATED,     /* gates at the soft-cap, +-15 */
    OP_COLD,          /* input gates around -10: the exp(-m) branch of the normaliser; a norm's rows small as eps */
    OP_OPEN,          /* forget gates near +15: no decay; where log(sigmoid) loses its digits */
    OP_SHUT,          /* forget gates near -15, among open ones */
    OP_EQUAL,         /* all rows equal: keys, logits; one time in two all elements */
    OP_ONEHOT,        /* one-hot rows */
    OP_CROSSOVER,     /* |q.n| near exp(-m) */
    OP_HUGE,          /* large scores and logits */
    OP_TINY,          /* subnormal and near-subnormal values */
    OP_CLOSED,        /* all forget gates near -8: nothing is left but each token's own share */
    OP_UNDECAYED,     /* the delta rule from here on: g = 0 */
    OP_BOUND,         /* g = -5, where bounded gates end */
    OP_MIXED,         /* half of the gates -5, half nearly 0 */
    OP_COLLINEAR,     /* keys that differ by a tenth, beta 1: inverses with large entries */
    OP_REFLECT,       /* beta 2 */
    OP_CONVERGED,     /* four keys in turn, each with its value: the residual is a small difference */
    OP_LONE,          /* no values, beta 0.01: the decay of S0 alone is seen */
    OP_SPIKE,         /* one gate of -30 to -1e6 among open ones */
    OP_FAMILIES
};
extern const char *const op_family_name[OP_FAMILIES];
int op_family_fits(int op, enum op_family family);   /* does it differ from OP_GAUSS for this kernel? */

/* ---- ref/oracle/case.c.  splitmix64; op_normal is a sum of uniforms, so all three are the same bits everywhere */
uint64_t op_random(uint64_t *state);
double op_uniform(uint64_t *state);              /* [0,1) */
double op_normal(uint64_t *state);               /* mean 0, variance 1, |x| <= 6 */

/* Draw c->op and c->dims: sizes from 1 to max_dim (B, H, G small), T <= S, G divides H. */
void op_draw_dims(struct op_case *c, int op, uint64_t seed, int max_dim);
void op_default_scalars(struct op_case *c);                  /* xLSTM-7B's constants */
void op_draw_scalars(struct op_case *c, uint64_t seed);
/* ---- ref/oracle/take.c.  n zeroed elements, never NULL: without memory there is no verdict, so `gone`, which must not
 * return, is called; it is abort until a program sets it, and NULL sets that again. */
void *op_take(size_t n, size_t element);
void op_memory_gone(void (*gone)(void));

/* Zeroed arrays for c->op and c->dims.  Bit g of `optional` set: the arguments with optional number g are given. */
void op_case_alloc(struct op_case *c, unsigned optional);
void op_case_copy(struct op_case *to, const struct op_case *from);
void op_case_free(struct op_case *c);
const char *op_case_describe(const struct op_case *c, char *buf, size_t n);   /* "linear_forward N=3 O=4 I=5" */

/* What a kernel moves at the least, in that precision: each array once, twice where it adds or updates. */
double op_case_bytes(const struct op_case *c, enum swax_precision precision);

/* ---- ref/oracle/draw.c.  Allocate and fill c's arrays for the dims and scalars that stand in it: inputs of the
 * family, ADD arguments with noise of the size of what is added, and what a backward kernel reads of its forward (y,
 * lse, m, ...) by running the reference in double.  Whatever the kernel reads is exactly representable in exact_in's
 * element types; for fp64 the inputs proper are exact in float, so that the same problem can be put to both. */
void op_draw(struct op_case *c, uint64_t seed, enum op_family family, unsigned optional, enum swax_precision exact_in);
/* The same; what runs, runs on that host tier in double, which stays the teller of the case's truth. */
void op_draw_by(struct op_case *c, uint64_t seed, enum op_family family, unsigned optional,
                enum swax_precision exact_in, const struct swax_tier *by);
/* Plain inputs of any size, zeros to add to, and of the forward what `tier` makes of it: nothing runs on the reference,
 * which would take minutes.  NULL, or c->trouble. */
const char *op_draw_for_timing(struct op_case *c, unsigned optional, const struct swax_tier *tier,
                               enum swax_precision p);
/* Dims, scalars, optional arguments and arrays: what the tests loop over. */
void op_case_make(struct op_case *c, int op, uint64_t seed, enum op_family family, int max_dim,
                  enum swax_precision exact_in);
/* One input of a case with arrays, by a seed of its own; what a backward reads of its forward is none. */
void op_draw_argument(struct op_case *c, int arg, uint64_t seed, enum op_family family, enum swax_precision exact_in);
int op_is_drawn(int op, int arg);                    /* is it such an input? */
/* Round x as an element of that type in that precision would be. */
double op_round(double x, enum op_type type, enum swax_precision precision);
void op_case_round(struct op_case *c, enum swax_precision precision);      /* every element of it */

/* ---- ref/oracle/call.c.  Run slot c->op of the tier on c, in place; an empty slot of a host tier is the reference's.
 * NULL, or a sentence (in c->trouble): wrote outside its arrays, changed an input, ... */
const char *op_run(const struct swax_tier *tier, enum swax_precision precision, struct op_case *c);
/* The bare call, on arrays in the tier's own types and memory: a[i] is argument i, or NULL. */
void op_call(const struct swax_tier *tier, enum swax_precision precision, int op, void **a, const int *dims,
             const double *scalar);
int op_offers(const struct swax_tier *tier, enum swax_precision precision);           /* has a table */
int op_present(const struct swax_tier *tier, enum swax_precision precision, int op);  /* has a kernel of its own */

/* ---- ref/oracle/judge.c.  The distance of a from the truth: max |a - t| / max |t|, and rms(a - t) / rms(t); where the
 * truth is all 0, without the divisor.  Not finite where the truth is finite, or not the same infinity or NaN
 * where it is not: infinitely wrong. */
double op_error(const double *a, const double *truth, long n);
double op_error_rms(const double *a, const double *truth, long n);
/* How much too large or too small a is as a whole: the projection of its error on what the kernel gives, which is the
 * truth without what stood there before (NULL: nothing did).  Rounding has none, up to chance; a factor left out
 * has. */
double op_bias(const double *a, const double *truth, const double *before, long n);

/* ---- the rule for one tensor, of a kernel that opspec.h need not know.  The largest errors of some honest evaluations
 * of it: begin from 0, and add each evaluation.  `before`: as for op_bias. */
struct op_distance { double most, rms, bias; };
void op_distance_add(struct op_distance *h, const double *got, const double *truth, const double *before, long n);
/* What stood in an argument before the call, where that is added to; else NULL. */
const double *op_before(const struct op_case *c, int i);
/* How far anybody may be, given what evaluations in float err (`plain`), and those of inputs that are off by one
 * rounding (`nudged`; in bf16, outputs rounded too).  Of `a` count type, role (ADD is a gradient) and name; `inputs`:
 * how many numbers are read.  A bias of 0: none is asked. */
struct op_distance op_bounds(const struct op_distance *plain, const struct op_distance *nudged, const struct op_arg *a,
                             long inputs, enum swax_precision precision, const double *truth, const double *before,
                             long n);
/* Every one of n numbers of that type up or down by one rounding, or, with no state, away from 0; 0, infinities and INT
 * stay. */
void op_nudge_numbers(double *a, long n, enum op_type type, enum swax_precision precision, uint64_t *state);

/* Per array argument, 0 for inputs. */
struct op_verdict {
    double error[OP_ARGS], bound[OP_ARGS];           /* by op_error */
    double rms[OP_ARGS], rms_bound[OP_ARGS];         /* by op_error_rms */
    double bias[OP_ARGS], bias_bound[OP_ARGS];       /* by op_bias; no bound: 0 */
    char trouble[OP_SENTENCE];                       /* what op_run answered; "" is nothing */
};

/* Every number that the kernel reads, up or down by one rounding to its type, or, with no state, away from 0; 0 and
 * infinities stay. */
void op_nudge(struct op_case *c, enum swax_precision precision, uint64_t *state);
/* How often to: one nudge alone can be small by luck, the more so, the fewer numbers there are. */
int op_nudges(const struct op_case *c);

/* What the kernel should give on c (a new case in `truth`), and how far an honest kernel may be from it (the
 * bounds in v): the rule stands at the top of ref/oracle/judge.c. */
void op_truth(struct op_case *truth, struct op_verdict *v, enum swax_precision precision, const struct op_case *c);
/* Fill v's errors of got, run on c; the first argument out of bounds, or -1. */
int op_compare(struct op_verdict *v, const struct op_case *got, const struct op_case *truth, const struct op_case *c);
int op_within(const struct op_verdict *v, int arg);              /* is that one within all its bounds? */
/* Run the tier on a copy of c and compare: the first argument out of bounds (0 if there was trouble), or -1. */
int op_judge(struct op_verdict *v, const struct swax_tier *tier, enum swax_precision precision,
             const struct op_case *c);

#ifdef __cplusplus
}
#endif

#endif
