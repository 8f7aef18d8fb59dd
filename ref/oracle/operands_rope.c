/* operands_rope.c - what rounding to bf16 on the way moves in one direction: a table of RoPE's.
 *
 * Models whose tensors are in bf16 often have the table of cosines and sines in bf16 too:
 *
 *     y[j] = x[j] c - x[j+D/2] s,   y[j+D/2] = x[j+D/2] c + x[j] s,   c = bf16(cos a), s = bf16(sin a)
 *
 * and the products too.  An angle belongs to a position and a pair, and all sequences and heads are turned by it: y is
 * longer by c^2 + s^2, wherever the pair is; and x has 128 mantissas, so that few products are different.  So what
 * these errors leave is worked out: the answers by that table, without and with products that are rounded. */
#include "ref/oracle/inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double product(double x, double y, int rounds) { return rounds ? op_operand(x * y) : x * y; }

/* One row of D numbers, turned by `at` steps, to y. */
static void turn(double *y, const double *x, int D, double at, double theta, int rounds)
{
    for (int j = 0; j < D / 2; j++) {
        const double angle = at * pow(theta, -2.0 * j / D), c = op_operand(cos(angle)), s = op_operand(sin(angle));
        y[j] += product(x[j], c, rounds) - product(x[j + D / 2], s, rounds);
        y[j + D / 2] += product(x[j + D / 2], c, rounds) + product(x[j], s, rounds);
    }
    if (D % 2)
        y[D - 1] += x[D - 1];
}

void op_operands_rope(struct op_distance *err, const struct op_case *c, const struct op_case *truth)
{
    const struct op_spec *op = &swax_ops[c->op];
    const int backward = !strcmp(op->name, "rope_backward"), i = op_arg_find(op, backward ? "dx" : "y");
    const int T = c->dims[1], H = c->dims[2], D = c->dims[3], P = c->dims[4];
    const double *x = op_named(c, backward ? "dy" : "x"), *start = op_named(c, "start");
    const double *before = backward ? c->arg[i] : NULL;
    double *y = op_take((size_t)c->size[i], sizeof *y);
    for (int rounds = 0; rounds < 2; rounds++) {
        for (long e = 0; e < c->size[i]; e++)
            y[e] = before ? before[e] : 0;
        for (long row = 0; row < c->size[i] / D; row++) {
            const long token = row / H;
            const double at = P + (double)(token % T) - (start ? start[token] : 0);
            turn(y + row * D, x + row * D, D, backward ? -at : at, c->scalar[0], rounds);
        }
        err[i].bias = fmax(err[i].bias, fabs(op_bias(y, truth->arg[i], before, c->size[i])));
    }
    free(y);
}
