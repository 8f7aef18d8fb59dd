/* operands.c - what rounding to bf16 on the way moves in one direction.
 *
 * On tensor cores attention's weights are rounded to bf16 where they enter a product.  Errors of many weights go either
 * way, and leave no bias; but where all scores are equal, all weights are one number, and rounded alike: 1/3 becomes
 * 1.00195/3, and dv 0.2 % larger.  No nudge of an input shows it.  The backward's weights are those of the softmax; the
 * forward's are relative to a number of the kernel's own, one for all rows at worst (a sink's, say), so that eight are
 * asked within a doubling.  Where another tier than the reference tells the truth (op_case.by), the case is too large
 * for this, or verify's, which asks a kernel that rounds. */
#include "ref/oracle/inside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PHASES = 8 };

static const double *named(const struct op_case *c, const char *name)
{
    return c->arg[op_arg_find(&swax_ops[c->op], name)];
}

/* How much larger bf16 makes 2^z, as a share of it */
static double rounded_up(double z)
{
    const double x = exp2(z - floor(z));
    return op_round(x, REAL, SWAX_PREC_BF16) / x - 1;
}

/* What rounding p = exp(q.k / sqrt(D) - lse) errs, or, in the forward, rounding exp(q.k / sqrt(D)) 2^(phase/PHASES).
 * It goes times v to the query's row of to[phase]; in the backward times dy to the key's. */
static void round_weights(double **to, int phases, const struct op_case *c, const double *lse, int backward)
{
    const int *d = c->dims, B = d[0], T = d[1], S = d[2], H = d[3], G = d[4], D = d[5], W = d[6];
    const double *q = named(c, "q"), *k = named(c, "k"), *x = named(c, backward ? "dy" : "v");
    const double *start = named(c, "start"), doubling = log(2);
    for (long row = 0; row < (long)B * T * H; row++) {
        const long t = row / H % T, b = row / H / T, group = row % H * G / H, last = t + S - T;
        const long document = start ? (long)start[b * T + t] + S - T : 0, window = last - W + 1;
        const long later = window > document ? window : document;
        for (long j = later > 0 ? later : 0; j <= last; j++) {
            const long key = (b * S + j) * G + group;
            const long of = (backward ? key : row) * D, from = (backward ? row : key) * D;
            double score = 0;
            for (int e = 0; e < D; e++)
                score += q[row * D + e] * k[key * D + e];
            score /= sqrt(D);
            const double p = exp(score - lse[row]), z = (backward ? score - lse[row] : score) / doubling;
            for (int phase = 0; phase < phases && p > 0; phase++) {
                const double off = p * rounded_up(z + (double)phase / PHASES);
                for (int e = 0; e < D; e++)
                    to[phase][of + e] += off * x[from + e];
            }
        }
    }
}

void op_operands(double *bias, const struct op_case *c, const struct op_case *truth)
{
    const struct op_spec *op = &swax_ops[c->op];
    const int backward = !strcmp(op->name, "attention_backward"), phases = backward ? 1 : PHASES;
    if ((!backward && strcmp(op->name, "attention_forward")) || (c->by && c->by != swax_tiers[0]))
        return;
    const int i = op_arg_find(op, backward ? "dv" : "y");
    double *rounded[PHASES];
    for (int phase = 0; phase < phases; phase++) {
        rounded[phase] = op_take((size_t)c->size[i], sizeof *rounded[phase]);
        memcpy(rounded[phase], truth->arg[i], (size_t)c->size[i] * sizeof *rounded[phase]);
    }
    round_weights(rounded, phases, c, named(backward ? c : truth, "lse"), backward);
    for (int phase = 0; phase < phases; phase++) {
        const double *before = backward ? c->arg[i] : NULL;
        bias[i] = fmax(bias[i], fabs(op_bias(rounded[phase], truth->arg[i], before, c->size[i])));
        free(rounded[phase]);
    }
}
