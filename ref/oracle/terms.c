/* terms.c - how large the terms are that cancel inside a kernel.
 *
 * Some outputs are small differences of large terms.  Where both come from the same inputs, nothing that can be done
 * to the inputs shows what one rounding of a term does to the difference: the reference may take it in the one order
 * that loses nothing, and the judge would ask the same luck of everybody. */
#include "ref/oracle/inside.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* dx = r (u - mean(u) - ..), u = dy w: with one element, or equal ones, nothing is left */
static void norm_terms(double *size, const struct op_case *c, const struct op_case *truth)
{
    (void)truth;
    const struct op_spec *op = &swax_ops[c->op];
    const long dx = op_arg_find(op, "dx"), n_w = c->size[op_arg_find(op, "w")];
    const double *dy = op_named(c, "dy"), *w = op_named(c, "w");
    for (long e = 0; e < c->size[dx]; e++)
        size[dx] = fmax(size[dx], fabs(dy[e] * w[e % n_w]));
    size[dx] *= op_largest(op_named(c, "rstd"), c->size[op_arg_find(op, "rstd")]);
}

/* mean = a sum of x / D, which cancels where it is far less than they are: who shifts a row by its first element, as
 * for its variance, rounds as much as they are long */
static void mean_terms(double *size, const struct op_case *c, const struct op_case *truth)
{
    (void)truth;
    const struct op_spec *op = &swax_ops[c->op];
    size[op_arg_find(op, "mean")] = op_largest(op_named(c, "x"), c->size[op_arg_find(op, "x")]);
}

/* dx = dy (1 - (y/cap)^2): at the cap nothing is left */
static void softcap_terms(double *size, const struct op_case *c, const struct op_case *truth)
{
    (void)truth;
    size[0] = op_largest(op_named(c, "dy"), c->size[0]);
}

/* A sigmoid's derivative is s (1 - s), of an s that is in float: where s is 1 nothing is left.  What one rounding of s
 * is to it: */
static double sigmoid_term(double x) { return exp(2 * op_log_sigmoid(x)); }

/* And where x is below -88, 1 + exp(-x) is more than a float holds and s is 0, not exp(x): 1/FLT_MAX, in roundings. */
static double vanished(double x) { return x < -88 ? 2 / (double)FLT_EPSILON / (double)FLT_MAX : 0; }

/* The largest product that vanishes with the sigmoid of x: of |a b|, or |a| where b is NULL. */
static double largest_vanished(const struct op_case *c, const char *x, const char *a, const char *b)
{
    const double *of = op_named(c, x), *with = op_named(c, a), *by = b ? op_named(c, b) : NULL;
    double most = 0;
    for (long e = 0; e < c->size[op_arg_find(&swax_ops[c->op], x)]; e++)
        most = fmax(most, vanished(of[e]) * fabs(with[e]) * (by ? fabs(by[e]) : 1));
    return most;
}

/* y = a s(a) b */
static void swiglu_terms(double *size, const struct op_case *c, const struct op_case *truth)
{
    (void)truth;
    size[0] = largest_vanished(c, "a", "a", "b");
}

/* da = dy b s (1 + a (1 - s)), db = dy a s */
static void swiglu_gradient_terms(double *size, const struct op_case *c, const struct op_case *truth)
{
    (void)truth;
    size[0] = largest_vanished(c, "a", "dy", "b") * (1 + op_largest(op_named(c, "a"), c->size[0]));
    size[1] = largest_vanished(c, "a", "dy", "a");
}

/* y = s x */
static void gated_terms(double *size, const struct op_case *c, const struct op_case *truth)
{
    (void)truth;
    size[0] = largest_vanished(c, "g", "x", NULL);
}

/* dg = dy x s (1 - s), dx = dy s */
static void gate_terms(double *size, const struct op_case *c, const struct op_case *truth)
{
    (void)truth;
    const int dg = op_arg_find(&swax_ops[c->op], "dg");
    for (long e = 0; e < c->size[dg]; e++)
        size[dg] = fmax(size[dg], fabs(op_named(c, "dy")[e] * op_named(c, "x")[e]) * sigmoid_term(op_named(c, "g")[e]));
    size[dg] = fmax(size[dg], largest_vanished(c, "g", "dy", "x"));
    size[op_arg_find(&swax_ops[c->op], "dx")] = largest_vanished(c, "g", "dy", NULL);
}

/* beta = top s */
static void strength_terms(double *size, const struct op_case *c, const struct op_case *truth)
{
    (void)truth;
    for (long e = 0; e < c->size[0]; e++)
        size[0] = fmax(size[0], fabs(c->scalar[0]) * vanished(op_named(c, "b")[e]));
}

/* db = dbeta top s (1 - s) */
static void strength_gradient_terms(double *size, const struct op_case *c, const struct op_case *truth)
{
    (void)truth;
    for (long e = 0; e < c->size[0]; e++) {
        const double b = op_named(c, "b")[e];
        size[0] = fmax(size[0], fabs(op_named(c, "dbeta")[e]) * fmax(sigmoid_term(b), vanished(b)));
    }
    size[0] *= fabs(c->scalar[0]);
}

/* What decays are made of, and of element e the rate, x, and what goes into its sigmoid. */
struct decays { const double *a, *lrate, *bias; long HJ, J; double low; };
struct decay { double rate, x, z; };

static struct decays decays_of(const struct op_case *c)
{
    const int *d = c->dims;      /* N, H, J */
    return (struct decays){op_named(c, "a"), op_named(c, "lrate"), op_named(c, "bias"), (long)d[1] * d[2], d[2],
                           c->scalar[0]};
}

static struct decay decay_at(const struct decays *of, long e)
{
    const double rate = exp(of->lrate[e % of->HJ / of->J]), x = of->a[e] + of->bias[e % of->HJ];
    return (struct decay){rate, x, of->low < 0 ? rate * x : x};
}

/* g = low s(z), or -rate softplus(x), which vanishes where a sigmoid does */
static void decay_terms(double *size, const struct op_case *c, const struct op_case *truth)
{
    (void)truth;
    const struct decays of = decays_of(c);
    for (long e = 0; e < c->size[0]; e++) {
        const struct decay d = decay_at(&of, e);
        size[0] = fmax(size[0], (of.low < 0 ? -of.low : d.rate) * vanished(d.z));
    }
}

/* da = dg rate low s(z) (1 - s(z)), or -dg rate s(x); dbias is a sum of it, and dlrate one of x times it, or of dg g:
 * of n errors each */
static void decay_gradient_terms(double *size, const struct op_case *c, const struct op_case *truth)
{
    (void)truth;
    const struct op_spec *op = &swax_ops[c->op];
    const struct decays of = decays_of(c);
    const double *dg = op_named(c, "dg");
    const int da = op_arg_find(op, "da"), dlrate = op_arg_find(op, "dlrate"), dbias = op_arg_find(op, "dbias");
    double *squares = op_take((size_t)(of.HJ + of.HJ / of.J), sizeof *squares);
    for (long e = 0; e < c->size[da]; e++) {
        const struct decay d = decay_at(&of, e);
        const double lost = of.low < 0 ? -of.low * fmax(sigmoid_term(d.z), vanished(d.z)) : vanished(d.z);
        const double term = fabs(dg[e]) * d.rate * lost, by = of.low < 0 ? d.x : 1;
        double *gate = &squares[e % of.HJ], *head = &squares[of.HJ + e % of.HJ / of.J];
        *gate += term * term, *head += term * by * (term * by);
        size[da] = fmax(size[da], term);
        size[dbias] = fmax(size[dbias], sqrt(*gate));
        size[dlrate] = fmax(size[dlrate], sqrt(*head));
    }
    free(squares);
}

/* dx = dloss (exp(z - lse) - [..]) (1 - (z/cap)^2), where z is rounded */
static void xent_terms(double *size, const struct op_case *c, const struct op_case *truth)
{
    (void)truth;
    const double z = op_largest(op_named(c, "x"), c->size[0]), cap = c->scalar[0];
    size[0] = op_largest(op_named(c, "dloss"), c->dims[0]) * fmax(1, cap > 0 ? fmin(z, cap) : z);
}

/* dq = sum of ds k, ds = p (dy.v - delta) / sqrt(D), where delta = dy.y is the sum of p dy.v too.  p = exp(a - lse),
 * and lse is a float, off by a rounding: a delta that is summed of such p is off by that share, which is what the
 * kernel gives of a y that is lse times as long, without what it gives of y. */
static void attention_terms(double *size, const struct op_case *c, const struct op_case *truth)
{
    const struct op_spec *op = &swax_ops[c->op];
    const long y = op_arg_find(op, "y"), lse = op_arg_find(op, "lse"), D = c->size[y] / c->size[lse];
    struct op_case p;
    op_case_copy(&p, c);
    for (long e = 0; e < p.size[y]; e++)
        p.arg[y][e] *= 1 + fmax(1, fabs(c->arg[lse][e / D]));
    op_run(op_teller(c), SWAX_PREC_F64, &p);
    for (int i = 0; i < p.n; i++)
        for (long e = 0; e < p.size[i] && p.arg[i] && op->arg[i].role == ADD; e++)
            size[i] = fmax(size[i], isfinite(p.arg[i][e]) ? fabs(p.arg[i][e] - truth->arg[i][e]) : 0);
    op_case_free(&p);
}

/* States and qn are in the gauge of m.  A kernel may know m better than the number it writes down, by half an ulp of m,
 * which is an exponent. */
static void state_terms(double *size, const struct op_case *c, const struct op_case *truth)
{
    const struct op_spec *op = &swax_ops[c->op];
    static const char *const in_gauge[] = { "C1", "n1", "qn", "Cs", "ns" };
    const double m = op_largest(op_named(truth, "m"), truth->size[op_arg_find(op, "m")]);
    for (int k = 0; k < 5; k++) {
        const int i = op_arg_find(op, in_gauge[k]);
        size[i] = c->arg[i] ? m * op_largest(truth->arg[i], truth->size[i]) : 0;
    }
}

/* Without eps, exponential gates' h does not hang on m: what autograd sends through m cancels.  It arrives as dh.h of
 * each token and goes down the gates that m came by, so what is left is a rounding of each: the largest of any head. */
static double through_m(const struct op_case *c)
{
    const int *d = c->dims, T = d[1], H = d[2], V = d[4];
    const double *dh = op_named(c, "dh"), *h = op_named(c, "h");
    double most = 0;
    for (int head = 0; head < d[0] * H; head++) {
        double square = 0;
        for (int t = 0; t < T; t++) {
            const long row = ((long)(head / H) * T + t) * H + head % H;
            double sum = 0;
            for (long e = row * V; e < (row + 1) * V; e++)
                sum += fabs(dh[e] * h[e]);
            square += sum * sum;
        }
        most = fmax(most, square);
    }
    return sqrt(most);
}

/* di = k.dk and df = a sum of what crosses a gate: what the kernel gives where all its terms are positive */
static void cell_terms(double *size, const struct op_case *c, const struct op_case *truth)
{
    const struct op_spec *op = &swax_ops[c->op];
    struct op_case p;
    op_case_copy(&p, c);
    for (int i = 0; i < p.n; i++) {
        const char *name = op->arg[i].name;
        const int exponent = strchr("ifm", name[0]) != NULL || op->arg[i].type == INT;
        for (long e = 0; e < p.size[i] && p.arg[i]; e++)
            p.arg[i][e] = op->arg[i].role == ADD ? 0 : exponent ? p.arg[i][e] : fabs(p.arg[i][e]);
        for (long e = 0; e < p.size[i] && !strcmp(name, "qn"); e++)
            p.arg[i][e] *= -1;    /* so that the normaliser's gradient adds to the rest */
    }
    op_run(op_teller(c), SWAX_PREC_F64, &p);
    for (int i = 0; i < p.n; i++)
        if (p.arg[i] && op->arg[i].role == ADD)
            size[i] = op_largest(p.arg[i], p.size[i]);
    op_case_free(&p);
    /* df is a sum in turn over all tokens behind: a rounding of each partial sum, of which judge.c takes eight */
    const int df = op_arg_find(op, "df");
    const double T = (double)op_extent(op, 'T', c->dims);
    size[df] = fmax(size[df], sqrt(T) / 4 * op_largest(truth->arg[df], truth->size[df]));
    if (op_extent(op, 'g', c->dims) == 0 && c->scalar[0] == 0) {
        const int f = op_arg_find(op, "f");
        double slope = 0;       /* of log(sigmoid(f)) */
        for (long e = 0; e < c->size[f]; e++)
            slope = fmax(slope, 1 / (1 + exp(c->arg[f][e])));
        const double left = through_m(c);
        size[op_arg_find(op, "di")] += left;
        size[df] += left * slope;
    }
}

/* S1 = a sum of k u^T, y = a sum of (q.k) u, u = beta r: of updates that may have undone each other; and r = v - what
 * is known */
static void delta_terms(double *size, const struct op_case *c, const struct op_case *truth)
{
    const struct op_spec *op = &swax_ops[c->op];
    const int r = op_arg_find(op, "r"), beta = op_arg_find(op, "beta"), v = op_arg_find(op, "v");
    const int Ss = op_arg_find(op, "Ss");
    const double u = op_largest(truth->arg[r], truth->size[r]) * op_largest(c->arg[beta], c->size[beta]);
    size[op_arg_find(op, "S1")] = size[Ss] = u;
    size[op_arg_find(op, "y")] = fabs(c->scalar[0]) * u;
    size[r] = op_largest(c->arg[v], c->size[v]);
}

void op_terms(double *size, const struct op_case *c, const struct op_case *truth)
{
    static const struct { const char *op; void (*measure)(double *, const struct op_case *, const struct op_case *);
    } known[] = {
        { "headnorm_forward", mean_terms },
        { "rmsnorm_backward", norm_terms }, { "headnorm_backward", norm_terms }, { "softcap_backward", softcap_terms },
        { "xent_backward", xent_terms },    { "mlstm_backward", cell_terms },    { "mlstm_forward", state_terms },
        { "delta_forward", delta_terms },   { "attention_backward", attention_terms },
        { "gate_backward", gate_terms },    { "gate_forward", gated_terms },
        { "decay_forward", decay_terms },    { "decay_backward", decay_gradient_terms },
        { "strength_forward", strength_terms }, { "strength_backward", strength_gradient_terms },
        { "swiglu_forward", swiglu_terms }, { "swiglu_backward", swiglu_gradient_terms },
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!strcmp(known[i].op, swax_ops[c->op].name))
            known[i].measure(size, c, truth);
}
