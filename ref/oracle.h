/* oracle.h - draw a seeded case of any kernel, run any tier's kernel on it, judge what came out.
 *
 * Tests, `swax verify` and `swax bench` share this, so that a new kernel or a new tier is tested
 * without anyone remembering to.  A case holds every argument as doubles; the runner converts to the
 * tier's element types, calls the kernel between guard zones on NaN-poisoned outputs, and converts back. */
#ifndef SWAX_ORACLE_H
#define SWAX_ORACLE_H

#include <stdint.h>
#include "opspec.h"
#include "tier.h"

struct op_case {
    int op;
    int dims[OP_DIMS];
    double scalar[OP_SCALARS];
    int n;                       /* array arguments */
    long size[OP_ARGS];
    double *arg[OP_ARGS];        /* NULL: the kernel gets NULL */
};

/* What the inputs look like.  Every value is exactly representable in `exact_in`'s element type. */
enum op_family {
    OP_GAUSS,         /* N(0,1); forget gates around 4: the plain case */
    OP_INTEGERS,      /* small integers: + and * are exact */
    OP_SATURATED,     /* gates at the soft-cap, +-15 */
    OP_COLD,          /* input gates around -10: the exp(-m) branch of the normaliser */
    OP_OPEN,          /* forget gates near +15: no decay; where log(sigmoid) loses its digits */
    OP_SHUT,          /* forget gates near -15, among open ones */
    OP_EQUAL,         /* all keys (rows) equal */
    OP_ONEHOT,        /* one-hot rows */
    OP_CROSSOVER,     /* |q.n| near exp(-m) */
    OP_HUGE,          /* large scores and logits */
    OP_TINY,          /* subnormal and near-subnormal values */
    OP_FAMILIES
};
extern const char *const op_family_name[OP_FAMILIES];

/* splitmix64: the generator of every seeded case */
uint64_t op_random(uint64_t *state);
double op_uniform(uint64_t *state);              /* [0,1) */
double op_normal(uint64_t *state);

/* Draw sizes from 1 to max_dim (B, H, G small), keeping T <= S and G | H. */
void op_draw_dims(struct op_case *c, int op, uint64_t seed, int max_dim);
/* Fill c's arrays for the dims and scalars that stand in it: inputs of the family, ADD arguments with noise,
 * and what a backward kernel reads of its forward (y, lse, m, ...) by running the reference in double.
 * `optional` is a bit set: bit g set means that the arguments with optional number g are given. */
void op_draw(struct op_case *c, uint64_t seed, enum op_family family, unsigned optional, enum swax_precision exact_in);
void op_default_scalars(struct op_case *c);

/* The two together, with scalars and optional arguments drawn too: what the tests loop over. */
void op_case_make(struct op_case *c, int op, uint64_t seed, enum op_family family, int max_dim,
                  enum swax_precision exact_in);
void op_case_alloc(struct op_case *c, unsigned optional);    /* zeroed arrays for c->op and c->dims */
void op_case_copy(struct op_case *to, const struct op_case *from);
void op_case_free(struct op_case *c);
const char *op_case_describe(const struct op_case *c, char *buf, size_t n);   /* "linear_forward N=3 O=4 I=5" */

/* Run slot c->op of the tier on c, in place.  NULL, or a sentence: wrote outside its arrays, changed an input, ... */
const char *op_run(const struct swax_tier *tier, enum swax_precision precision, struct op_case *c);
int op_present(const struct swax_tier *tier, enum swax_precision precision, int op);

/* The distance of a from the truth: max |a - t| / max |t|; and rms(a - t) / rms(t).  Not finite where the truth
 * is finite: infinitely wrong. */
double op_error(const double *a, const double *truth, long n);
double op_error_rms(const double *a, const double *truth, long n);

/* The bound on op_error.  `honest` is what an honest evaluation in the same precision errs against the truth:
 * for fp32 and fp64 the reference in float; for bf16 see op_honest_bf16. */
double op_bound(double honest, enum swax_precision precision, int exact, int is_gradient);

/* Judge got against the case it started from.  Fills per argument the error, and the bound; returns the index of
 * the first argument that is out of bounds, or -1. */
struct op_verdict { double error[OP_ARGS], bound[OP_ARGS]; const char *trouble; };
int op_judge(struct op_verdict *v, const struct swax_tier *tier, enum swax_precision precision, const struct op_case *c);

#endif
