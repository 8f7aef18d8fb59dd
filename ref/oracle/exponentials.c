/* exponentials.c - what the exponentials of gates err, as tensor cores' kernels take them.
 *
 * A weight of the cell or the delta rule is exp(x), x a sum of gates' logarithms.  On a GPU that is 2^z, z = x log2 e,
 * and three things are off that no nudge of an input shows:
 *
 *     log2 e is rounded to float, (1 - c) log2 e, c = 1.3e-8:     exp(x) (1 - c x), and x < 0 mostly
 *     the product z is rounded:                                   exp(x) (1 + u x), |u| <= 2^-24
 *     2^z has two units in the last place of error:               exp(x) (1 + w),   |w| <= 2^-22
 *
 * which is what CUDA's guide says of its fast exponential, 2 + 1.17 |x| units.  The first has one direction.  The
 * others may have one: weights are few where a state hangs on one sum for each head, or where gates are equal.  So the
 * first two are what the truth moves by if all gates' logarithms are larger by c + 2^-24 as a share: weighted as the
 * weights are.  The third is the same share of all weights, so that share of what hangs on them; where the cell has a
 * normaliser, which may be at its floor, exp(-m), once more.  The delta rule's residual is v less such a thing. */
#include "ref/oracle/inside.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* A gate's logarithm lf = log(sigmoid(x)) larger by a share: x by that share of lf / sigmoid(-x), its slope. */
static double of_sigmoid(double x, double share)
{
    const double by = op_log_sigmoid(x) * (1 + exp(x));
    return isfinite(by) ? x + share * by : x;
}

/* Every number that is in an exponent: g, i, f, m, m0 and m1. */
static void enlarge_exponents(struct op_case *c, double share)
{
    const struct op_spec *op = &swax_ops[c->op];
    const long gate = op->kind == OF_CELL ? op_extent(op, 'g', c->dims) : LOG;
    for (int a = 0; a < c->n; a++) {
        const char name = op->arg[a].name[0];
        const int sigmoid = gate != LOG && (name == 'f' || (name == 'i' && gate != 0));
        for (long e = 0; op->arg[a].role == IN && strchr("gifm", name) && c->arg[a] && e < c->size[a]; e++)
            c->arg[a][e] = sigmoid ? of_sigmoid(c->arg[a][e], share) : c->arg[a][e] * (1 + share);
    }
}

/* How often the error of 2^z may be in an answer. */
static int exponentials_in(const struct op_case *c, int i)
{
    const struct op_spec *op = &swax_ops[c->op];
    const char *name = op->arg[i].name;
    if (op->kind == OF_DELTA)
        return strcmp(name, "r") != 0;
    const int in_weights_alone = strchr("Cnq", name[0]) != NULL;     /* C1, n1, Cs, ns and qn */
    return in_weights_alone || op_extent(op, 'g', c->dims) % 2 ? 1 : 2;
}

void op_exponentials(struct op_distance *err, const struct op_case *c, const struct op_case *truth)
{
    static const double LOG2_OF_E = 1.4426950408889634, ULPS = 2 * (double)FLT_EPSILON;
    const struct op_spec *op = &swax_ops[c->op];
    const double constant = 1 - (double)(float)LOG2_OF_E / LOG2_OF_E, product = (double)FLT_EPSILON / 2;
    struct op_case got;
    if (op->kind != OF_CELL && op->kind != OF_DELTA)
        return;
    op_case_copy(&got, c);
    enlarge_exponents(&got, constant + product);
    op_run(c->by ? c->by : swax_tiers[0], SWAX_PREC_F64, &got);
    for (int i = 0; i < c->n; i++) {
        const double *before = op->arg[i].role == ADD ? c->arg[i] : NULL;
        if (!c->arg[i] || !op_answers(&op->arg[i]) || (op->kind == OF_CELL && op->arg[i].name[0] == 'm'))
            continue;
        op_distance_add(&err[i], got.arg[i], truth->arg[i], before, c->size[i]);
        err[i].most += exponentials_in(c, i) * ULPS;
        err[i].rms += exponentials_in(c, i) * ULPS;
        err[i].bias += exponentials_in(c, i) * ULPS;
        if (op->kind == OF_DELTA && !strcmp(op->arg[i].name, "r")) {
            const double *v = op_named(c, "v");
            err[i].most += ULPS * op_error(v, truth->arg[i], c->size[i]);
            err[i].rms += ULPS * op_error_rms(v, truth->arg[i], c->size[i]);
            err[i].bias += ULPS * fabs(op_bias(v, truth->arg[i], NULL, c->size[i]));
        }
    }
    op_case_free(&got);
}
