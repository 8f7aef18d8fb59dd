/* opspec.h - every kernel of kernels.h as data.
 *
 * One row per slot of struct swax_kernels, in its order.  Tests, benchmark and `swax verify` need
 * nothing else to draw, call and judge any kernel of any tier.  Argument names carry the calculus:
 * in foo_backward, d<a> is the gradient of what foo_forward calls <a>, and any other name is
 * foo_forward's own argument. */
#ifndef SWAX_OPSPEC_H
#define SWAX_OPSPEC_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* read; overwritten; added to; read and replaced; of no meaning */
enum op_role { IN = 1, OUT, ADD, UPDATE, SCRATCH };
enum op_type { REAL, STAT, INT, DOUBLE };       /* the element, as kernels.h declares it */

enum { OP_ARGS = 32, OP_DIMS = 9, OP_SCALARS = 6, OP_WORD = 16 };
enum { OP_SENTENCE = 200 };                     /* room for one sentence */

struct op_arg {
    const char *name;
    enum op_role role;
    enum op_type type;
    const char *shape;          /* letters of op_spec.dims; 'c' is ceil(T/L); "" is one element */
    int optional;               /* may be NULL: arguments with the same number are NULL together */
};

/* What a kernel's inputs have beyond numbers: gates and states that families of inputs are made of (draw.c). */
enum op_kind { OF_NUMBERS, OF_CELL, OF_DELTA, OF_OPTIMISER };

struct op_spec {
    const char *name;
    const char *dims;           /* the int arguments in call order, one letter each (see op_dim_word) */
    const char *scalars;        /* the double arguments in call order, separated by blanks */
    int exact;                  /* only + and *: exact on small integers, in any order of summation */
    struct op_arg arg[OP_ARGS]; /* the array arguments in call order; the first NULL name ends them */
    enum op_kind kind;
};

extern const struct op_spec swax_ops[];
extern const int swax_n_ops;

int op_find(const char *name);                                           /* the row, or -1 */
int op_args(const struct op_spec *op);                                   /* how many array arguments */
int op_arg_find(const struct op_spec *op, const char *name);             /* its index, or -1 */
int op_answers(const struct op_arg *a);                                  /* is it what the kernel is asked for? */
int op_scalars(const struct op_spec *op);                                /* how many scalars */
const char *op_scalar_name(const struct op_spec *op, int scalar, char name[OP_WORD]);
int op_forward_of(int op);                                               /* of foo_backward: foo_forward's row, or -1 */
int op_backward_of(int op);                                              /* of foo_forward: foo_backward's row, or -1 */
long op_extent(const struct op_spec *op, char letter, const int *dims);  /* the size a shape letter stands for */
/* By how many elements the neighbours along the axis of that letter, which its shape has, lie apart. */
long op_stride(const struct op_spec *op, int arg, char letter, const int *dims);
long op_arg_size(const struct op_spec *op, int arg, const int *dims);    /* elements of an argument */
const char *op_dim_word(const struct op_spec *op, char letter);          /* "tokens", "window", ...: for messages */

/* What a size, by its letter, or a scalar, by its name, may be. */
struct op_range { double least, most; };
struct op_range op_range(const char *name);
/* Are these sizes, and these scalars unless they are NULL, such as that kernel can have?  NULL, or a sentence. */
const char *op_wrong(int op, const int *dims, const double *scalars, char sentence[OP_SENTENCE]);

#ifdef __cplusplus
}
#endif

#endif
