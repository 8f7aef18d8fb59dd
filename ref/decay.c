/* decay.c - the delta rule's two gates from their pre-activations.
 *
 *   decay, with x = a + bias and rate = exp(lrate)
 *     low = 0   g = -rate softplus(x)           da = -dg rate sigmoid(x)                   dlrate = dg g
 *     low < 0   g = low sigmoid(z), z = rate x  da = dg rate low sigmoid(z) sigmoid(-z)    dlrate = da x
 *     dbias is da summed over the rows; dlrate is summed over the rows and over a head's gates
 *
 *   strength    beta = top sigmoid(b)           db = dbeta top sigmoid(b) sigmoid(-b)
 *
 * 1 - sigmoid(z) is taken as sigmoid(-z), and softplus(x) = log(1 + exp(x)) as -log(sigmoid(-x)).  These keep their
 * digits where gates are nearly open or shut, where the forms with a 1 lose all of theirs in float: at x = -20, for
 * example. */
#include "ref/scalar.h"

static void decay_forward(stat *g, const stat *a, const stat *lrate, const stat *bias, int N, int H, int J, double low)
{
    const long HJ = (long)H*J;
    for (long e = 0; e < N*HJ; e++) {
        const stat rate = exp(lrate[e % HJ / J]), x = a[e] + bias[e % HJ];
        g[e] = low < 0 ? (stat)low * sigmoid(rate * x) : rate * log_sigmoid(-x);
    }
}

static void decay_backward(stat *da, stat *dlrate, stat *dbias, const stat *dg,
                           const stat *a, const stat *lrate, const stat *bias, int N, int H, int J, double low)
{
    const long HJ = (long)H*J;
    for (long e = 0; e < N*HJ; e++) {
        const stat rate = exp(lrate[e % HJ / J]), x = a[e] + bias[e % HJ], z = rate * x;
        const stat dx = low < 0 ? dg[e] * rate * ((stat)low * sigmoid(z) * sigmoid(-z)) : -dg[e] * rate * sigmoid(x);
        da[e] += dx;
        dbias[e % HJ] += dx;
        dlrate[e % HJ / J] += low < 0 ? dx * x : dg[e] * rate * log_sigmoid(-x);
    }
}

static void strength_forward(stat *beta, const stat *b, int N, double top)
{
    for (int n = 0; n < N; n++)
        beta[n] = (stat)top * sigmoid(b[n]);
}

static void strength_backward(stat *db, const stat *dbeta, const stat *b, int N, double top)
{
    for (int n = 0; n < N; n++)
        db[n] += dbeta[n] * ((stat)top * sigmoid(b[n]) * sigmoid(-b[n]));
}
