/* operands_norm.c - what rounding to bf16 on the way moves in one direction: a norm's.
 *
 * Many models round a row once it is normalised, and again once it is weighted:
 *
 *     y = bf16(w bf16((x - mean) rstd))
 *
 * Where the numbers of a row are alike, as if their mean is far larger than their spread, so are these roundings; and
 * of few columns there are few products, since bf16 has 128 mantissas.  So y is worked out like that. */
#include "ref/oracle/inside.h"

#include <math.h>
#include <stdlib.h>

void op_operands_norm(struct op_distance *err, const struct op_case *c, const struct op_case *truth)
{
    const double *x = op_named(c, "x"), *w = op_named(c, "w"), *rstd = op_named(truth, "rstd");
    const double *mean = op_named(truth, "mean");
    const struct op_spec *op = &swax_ops[c->op];
    const long n = c->size[0], rows = c->size[op_arg_find(op, "rstd")], weights = c->size[op_arg_find(op, "w")];
    double *y = op_take((size_t)n, sizeof *y);
    for (long e = 0; e < n; e++) {
        const long row = e / (n / rows);
        y[e] = op_operand(w[e % weights] * op_operand((x[e] - (mean ? mean[row] : 0)) * rstd[row]));
    }
    err[0].bias = fmax(err[0].bias, fabs(op_bias(y, truth->arg[0], NULL, n)));
    free(y);
}
