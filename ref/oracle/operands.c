/* operands.c - what rounding to bf16 on the way moves in one direction.
 *
 * On tensor cores attention's weights are rounded to bf16 where they enter the product with dy.  Errors of many weights
 * go either way, and leave no bias; but where all scores are equal, all weights of a row are one number, and rounded
 * alike: 1/3 becomes 1.00195/3, and dv 0.2 % larger.  No nudge of an input shows it.  Where another tier than the
 * reference tells the truth (op_case.by), the case is too large for this, or verify's, which asks a kernel that rounds.
 */
#include "ref/oracle/inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double *named(const struct op_case *c, const char *name)
{
    return c->arg[op_arg_find(&swax_ops[c->op], name)];
}

/* dv += bf16(p) dy^T - p dy^T, p = exp(q.k / sqrt(D) - lse) */
static void round_weights(double *dv, const struct op_case *c)
{
    const int *d = c->dims, B = d[0], T = d[1], S = d[2], H = d[3], G = d[4], D = d[5], W = d[6];
    const double *q = named(c, "q"), *k = named(c, "k"), *dy = named(c, "dy"), *lse = named(c, "lse");
    const double *start = named(c, "start");
    for (long row = 0; row < (long)B * T * H; row++) {
        const long h = row % H, t = row / H % T, b = row / H / T, g = h * G / H, here = t + S - T;
        const long document = start ? (long)start[b * T + t] + S - T : 0, first = here - W + 1;
        for (long j = first > document ? first > 0 ? first : 0 : document > 0 ? document : 0; j <= here; j++) {
            const long key = (b * S + j) * G + g;
            double score = 0;
            for (int e = 0; e < D; e++)
                score += q[row * D + e] * k[key * D + e];
            const double p = exp(score / sqrt(D) - lse[row]);
            for (int e = 0; e < D; e++)
                dv[key * D + e] += (op_round(p, REAL, SWAX_PREC_BF16) - p) * dy[row * D + e];
        }
    }
}

void op_operands(double *bias, const struct op_case *c, const struct op_case *truth)
{
    const struct op_spec *op = &swax_ops[c->op];
    if (strcmp(op->name, "attention_backward") || (c->by && c->by != swax_tiers[0]))
        return;
    const int dv = op_arg_find(op, "dv");
    double *rounded = op_take((size_t)c->size[dv], sizeof *rounded);
    memcpy(rounded, truth->arg[dv], (size_t)c->size[dv] * sizeof *rounded);
    round_weights(rounded, c);
    bias[dv] = fabs(op_bias(rounded, truth->arg[dv], c->arg[dv], c->size[dv]));
    free(rounded);
}
