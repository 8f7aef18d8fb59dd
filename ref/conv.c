/* conv.c - the short causal convolution before a recurrent mixer: every channel by itself, F taps, then SiLU.
 *
 *   forward    a_t = b + sum_{j<F} w[j] x_{t-(F-1)+j}      y_t = a_t sigmoid(a_t)
 *   backward   da_t = dy_t sigmoid(a_t) (1 + a_t sigmoid(-a_t))
 *              dx_{t-(F-1)+j} += w[j] da_t      dw[j] += da_t x_{t-(F-1)+j}      db += da_t
 *
 * Taps that fall before the document or before row 0 of x are left out.  The backward computes a again. */
#include "ref/scalar.h"

/* The first tap of token t that falls on a row of its document; cached rows of x came before the call. */
static int first_tap(int t, int cached, const int *start, int F)
{
    const int by_rows = F - 1 - (t + cached), by_document = start && *start > -cached ? F - 1 - (t - *start) : by_rows;
    const int first = by_rows > by_document ? by_rows : by_document;
    return first > 0 ? first : 0;
}

/* a_t of one channel; x and w point at its newest row, and at its taps */
static stat conv_sum(const real *x, const stat *w, stat b, int first, int C, int F)
{
    stat a = b;
    for (int j = first; j < F; j++)
        a += w[j] * x[(long)(j - (F - 1))*C];
    return a;
}

static void conv_forward(real *y, const real *x, const stat *w, const stat *b, const int *start,
                         int B, int T, int S, int C, int F)
{
    for (long bt = 0; bt < (long)B*T; bt++) {
        const int t = (int)(bt % T), first = first_tap(t, S - T, start ? start + bt : NULL, F);
        const real *row = x + (bt/T*S + t + S - T) * C;
        for (int c = 0; c < C; c++) {
            const stat a = conv_sum(row + c, w + (long)c*F, b ? b[c] : 0, first, C, F);
            y[bt*C + c] = a * sigmoid(a);
        }
    }
}

static void conv_backward(real *dx, stat *dw, stat *db, const real *dy,
                          const real *x, const stat *w, const stat *b, const int *start,
                          int B, int T, int S, int C, int F)
{
    for (long bt = 0; bt < (long)B*T; bt++) {
        const int t = (int)(bt % T), first = first_tap(t, S - T, start ? start + bt : NULL, F);
        const long row = (bt/T*S + t + S - T) * C;
        for (int c = 0; c < C; c++) {
            const stat a = conv_sum(x + row + c, w + (long)c*F, b ? b[c] : 0, first, C, F);
            const stat da = dy[bt*C + c] * sigmoid(a) * (1 + a * sigmoid(-a));
            for (int j = first; j < F; j++) {
                const long at = row + c + (long)(j - (F - 1))*C;
                dx[at] += w[(long)c*F + j] * da;
                dw[(long)c*F + j] += da * x[at];
            }
            if (db)
                db[c] += da;
        }
    }
}
