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
 * normaliser, which may be at its floor, exp(-m), once more.  The delta rule's residual is v less such a thing.
 *
 * A kernel that goes token by token takes a decay's exponential for each, and what it remembers for long has the third
 * error as often: each decay is smaller by w, too, but for one that is 1, since 2^0 is exact.  In the cell it is that
 * of lf_t + m_{t-1} - m_t, where the sum is rounded: by 2^-24 m_t more.  That is not done to the cell's backward, where
 * gates are sigmoids whose slope has nothing to do with it.
 *
 * Where m_t is that sum, m is off by as much, token by token until an input gate sets it anew; and what is in units of
 * exp(m), the states and qn, by that share. */
#include "ref/oracle/inside.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const double ULPS = 2 * (double)FLT_EPSILON;

/* lf = log(sigmoid(x)) larger by a share and less by w: the x of which it is. */
static double of_sigmoid(double x, double share, double w)
{
    const double lf = op_log_sigmoid(x) * (1 + share) - w, of = -log(expm1(-lf));
    return isfinite(of) ? of : x;
}

/* Every number that is in an exponent larger by a share: g, i, f, m, m0 and m1. */
static void enlarge_exponents(struct op_case *c, double share)
{
    const struct op_spec *op = &swax_ops[c->op];
    const long gate = op->kind == OF_CELL ? op_extent(op, 'g', c->dims) : LOG;
    for (int a = 0; a < c->n; a++) {
        const char name = op->arg[a].name[0];
        const int sigmoid = gate != LOG && (name == 'f' || (name == 'i' && gate != 0));
        for (long e = 0; op->arg[a].role == IN && strchr("gifm", name) && c->arg[a] && e < c->size[a]; e++)
            c->arg[a][e] = sigmoid ? of_sigmoid(c->arg[a][e], share, 0) : c->arg[a][e] * (1 + share);
    }
}

/* Every decay less by w and, in the cell, by a rounding of m. */
static void shorten_memory(struct op_case *c, const struct op_case *truth)
{
    const struct op_spec *op = &swax_ops[c->op];
    const double *m = op->kind == OF_CELL ? op_named(truth, "m") : NULL;
    const int gates = op_arg_find(op, m ? "f" : "g"), sigmoid = m && op_extent(op, 'g', c->dims) != LOG;
    double *x = c->arg[gates];
    for (long e = 0; e < c->size[gates]; e++) {
        const double less = ULPS + (m ? (double)FLT_EPSILON / 2 * fabs(m[e]) : 0);
        x[e] = sigmoid ? of_sigmoid(x[e], 0, less) : x[e] == 0 ? 0 : x[e] - less;
    }
}

/* By how much m may be off. */
static double drift(const struct op_case *c, const struct op_case *truth)
{
    const double *m = op_named(truth, "m"), *i = op_named(c, "i"), *start = op_named(c, "start");
    const int *d = c->dims, T = d[1], H = d[2], logs = d[6] == LOG || d[6] == 0;
    double most = 0;
    for (int head = 0; head < d[0] * H; head++) {
        double off = 0;
        for (int t = 0; t < T; t++) {
            const long at = ((long)head / H * T + t) * H + head % H;
            const double li = logs ? i[at] : op_log_sigmoid(i[at]);
            const int anew = m[at] <= li;
            off = anew || (start && start[head / H * T + t] == t) ? 0 : off;
            off += anew ? 0 : (double)FLT_EPSILON / 2 * fabs(m[at]);
            most = fmax(most, off);
        }
    }
    return most;
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
    static const double LOG2_OF_E = 1.4426950408889634;
    const struct op_spec *op = &swax_ops[c->op];
    const double constant = 1 - (double)(float)LOG2_OF_E / LOG2_OF_E, product = (double)FLT_EPSILON / 2;
    const double of_m = c->op == op_find("mlstm_forward") ? drift(c, truth) : 0;
    struct op_case got;
    if (op->kind != OF_CELL && op->kind != OF_DELTA)
        return;
    op_case_copy(&got, c);
    enlarge_exponents(&got, constant + product);
    if (c->op != op_find("mlstm_backward"))
        shorten_memory(&got, truth);
    op_run(op_teller(c), SWAX_PREC_F64, &got);
    for (int i = 0; i < c->n; i++) {
        if (!c->arg[i] || !op_answers(&op->arg[i]) || (op->kind == OF_CELL && op->arg[i].name[0] == 'm'))
            continue;
        op_distance_add(&err[i], got.arg[i], truth->arg[i], op_before(c, i), c->size[i]);
        const double by = exponentials_in(c, i) * ULPS + (strchr("Cnq", op->arg[i].name[0]) ? of_m : 0);
        err[i].most += by;
        err[i].rms += by;
        err[i].bias += by;
        if (op->kind == OF_DELTA && !strcmp(op->arg[i].name, "r")) {
            const double *v = op_named(c, "v");
            err[i].most += ULPS * op_error(v, truth->arg[i], c->size[i]);
            err[i].rms += ULPS * op_error_rms(v, truth->arg[i], c->size[i]);
            err[i].bias += ULPS * fabs(op_bias(v, truth->arg[i], NULL, c->size[i]));
        }
    }
    op_case_free(&got);
}
