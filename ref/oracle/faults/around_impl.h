/* around_impl.h - the faults of what stands around the delta rule: the convolution, decay and strength. */

#include "ref/oracle/faults/common_impl.h"

static stat *taps_reversed(const stat *w, int C, int F)
{
    stat *r = copy(w, (long)C*F, sizeof(stat));
    for (long e = 0; e < (long)C*F; e++)
        r[e] = w[e - e % F + F - 1 - e % F];
    return r;
}
static void conv_reversed_forward(CONV_FORWARD)
{
    stat *wr = taps_reversed(w, C, F);
    REF->conv_forward(y, x, wr, b, start, B, T, S, C, F);
    free(wr);
}
static void conv_reversed_backward(CONV_BACKWARD)
{
    stat *wr = taps_reversed(w, C, F), *own = taps_reversed(dw, C, F);
    REF->conv_backward(dx, own, db, dy, x, wr, b, start, B, T, S, C, F);
    stat *back = taps_reversed(own, C, F);
    memcpy(dw, back, (size_t)C * (size_t)F * sizeof(stat));
    free(wr), free(own), free(back);
}
static void conv_leaks_forward(CONV_FORWARD) { (void)start; REF->conv_forward(y, x, w, b, NULL, B, T, S, C, F); }
static void conv_leaks_backward(CONV_BACKWARD)
{
    (void)start;
    REF->conv_backward(dx, dw, db, dy, x, w, b, NULL, B, T, S, C, F);
}
/* documents one tap early: the last row before a document is seen from it */
static int *starts_early(const int *start, int B, int T)
{
    int *own = start ? copy(start, (long)B*T, sizeof(int)) : NULL;
    for (int e = 0; e < B*T && own; e++)
        own[e]--;
    return own;
}
/* the rows before the call are not of its documents */
static int *starts_apart(const int *start, int B, int T)
{
    int *own = malloc((size_t)B * (size_t)T * sizeof *own);
    for (int e = 0; e < B*T; e++)
        own[e] = start && start[e] > 0 ? start[e] : 0;
    return own;
}
#define CONV_STARTS(name, starts)                                                     \
    static void conv_##name##_forward(CONV_FORWARD)                                   \
    {                                                                                 \
        int *own = starts(start, B, T);                                               \
        REF->conv_forward(y, x, w, b, own, B, T, S, C, F);                            \
        free(own);                                                                    \
    }                                                                                 \
    static void conv_##name##_backward(CONV_BACKWARD)                                 \
    {                                                                                 \
        int *own = starts(start, B, T);                                               \
        REF->conv_backward(dx, dw, db, dy, x, w, b, own, B, T, S, C, F);              \
        free(own);                                                                    \
    }
CONV_STARTS(early, starts_early)
CONV_STARTS(no_cache, starts_apart)
static void conv_no_bias_forward(CONV_FORWARD) { (void)b; REF->conv_forward(y, x, w, NULL, start, B, T, S, C, F); }
static void conv_no_bias_backward(CONV_BACKWARD)
{
    (void)b;
    REF->conv_backward(dx, dw, db, dy, x, w, NULL, start, B, T, S, C, F);
}
static void conv_unbiased_backward(CONV_BACKWARD)
{
    conv_no_bias_backward(dx, dw, db, dy, x, w, b, start, B, T, S, C, F);
}
static void conv_cache_untrained_backward(CONV_BACKWARD)
{
    real *old = copy(dx, (long)B*S*C, sizeof(real));
    REF->conv_backward(dx, dw, db, dy, x, w, b, start, B, T, S, C, F);
    for (long e = 0; e < (long)B*S*C; e++)
        if (e / C % S < S - T)
            dx[e] = old[e];
    free(old);
}
/* a_t */
static stat conv_plain_sum(const real *x, const stat *w, const stat *b, const int *start, long bt, int c, int T, int S,
                           int C, int F)
{
    const int t = (int)(bt % T);
    stat a = b ? b[c] : 0;
    for (int j = 0; j < F; j++) {
        const int at = t - (F - 1) + j, row = at + S - T;
        if (row >= 0 && (!start || at >= start[bt]))
            a += w[(long)c*F + j] * x[(bt/T*S + row)*C + c];
    }
    return a;
}
static void conv_no_silu_forward(CONV_FORWARD)
{
    for (long e = 0; e < (long)B*T*C; e++)
        y[e] = conv_plain_sum(x, w, b, start, e / C, (int)(e % C), T, S, C, F);
}
/* what a backward adds that has such da, and w for dx */
static void conv_plain_back(real *dx, stat *dw, stat *db, const stat *da, const real *x, const stat *w,
                            const int *start, int B, int T, int S, int C, int F)
{
    for (long e = 0; e < (long)B*T*C; e++) {
        const long bt = e / C, c = e % C;
        if (db)
            db[c] += da[e];
        for (int j = 0; j < F; j++) {
            const int t = (int)(bt % T) - (F - 1) + j, row = t + S - T;
            const long at = (bt/T*S + row)*C + c;
            if (row < 0 || (start && t < start[bt]))
                continue;
            dx[at] += w[c*F + j] * da[e];
            dw[c*F + j] += da[e] * x[at];
        }
    }
}
/* dy times a slope: silu's, its sigmoid alone, or 1 */
enum conv_slope { SILU, SIGMOID_ALONE, ONE };
static stat *conv_da(enum conv_slope kind, const real *dy, const real *x, const stat *w, const stat *b,
                     const int *start, int B, int T, int S, int C, int F)
{
    stat *da = op_take((size_t)B * (size_t)T * (size_t)C, sizeof *da);
    for (long e = 0; e < (long)B*T*C; e++) {
        const stat a = conv_plain_sum(x, w, b, start, e / C, (int)(e % C), T, S, C, F);
        da[e] = dy[e] * (kind == ONE ? 1 : sigmoid(a)) * (kind == SILU ? 1 + a * sigmoid(-a) : 1);
    }
    return da;
}
static void conv_derivative_backward(CONV_BACKWARD)
{
    stat *da = conv_da(SIGMOID_ALONE, dy, x, w, b, start, B, T, S, C, F);
    conv_plain_back(dx, dw, db, da, x, w, start, B, T, S, C, F);
    free(da);
}
static void conv_no_slope_backward(CONV_BACKWARD)
{
    stat *da = conv_da(ONE, dy, x, w, b, start, B, T, S, C, F);
    conv_plain_back(dx, dw, db, da, x, w, start, B, T, S, C, F);
    free(da);
}
static void conv_dx_reversed_backward(CONV_BACKWARD)
{
    stat *da = conv_da(SILU, dy, x, w, b, start, B, T, S, C, F), *wr = taps_reversed(w, C, F);
    conv_plain_back(dx, dw, db, da, x, wr, start, B, T, S, C, F);
    free(da), free(wr);
}
/* one tap is 0, and its weight is given no gradient */
static stat *without_tap(const stat *w, int C, int F, int tap)
{
    stat *r = copy(w, (long)C*F, sizeof(stat));
    for (int c = 0; c < C; c++)
        r[(long)c*F + tap] = 0;
    return r;
}
static void conv_without(int tap, CONV_FORWARD)
{
    stat *own = without_tap(w, C, F, tap);
    REF->conv_forward(y, x, own, b, start, B, T, S, C, F);
    free(own);
}
static void conv_without_back(int tap, CONV_BACKWARD)
{
    stat *own = without_tap(w, C, F, tap), *old = copy(dw, (long)C*F, sizeof(stat));
    REF->conv_backward(dx, dw, db, dy, x, own, b, start, B, T, S, C, F);
    for (int c = 0; c < C; c++)
        dw[(long)c*F + tap] = old[(long)c*F + tap];
    free(own), free(old);
}
static void conv_no_newest_forward(CONV_FORWARD) { conv_without(F - 1, y, x, w, b, start, B, T, S, C, F); }
static void conv_no_newest_backward(CONV_BACKWARD)
{
    conv_without_back(F - 1, dx, dw, db, dy, x, w, b, start, B, T, S, C, F);
}
static void conv_no_oldest_forward(CONV_FORWARD) { conv_without(0, y, x, w, b, start, B, T, S, C, F); }
static void conv_no_oldest_backward(CONV_BACKWARD)
{
    conv_without_back(0, dx, dw, db, dy, x, w, b, start, B, T, S, C, F);
}
static void decay_sign_forward(DECAY_FORWARD)
{
    REF->decay_forward(g, a, lrate, bias, N, H, J, low);
    for (long e = 0; e < (long)N*H*J; e++)
        g[e] = -g[e];
}
static void decay_rateless_forward(DECAY_FORWARD)
{
    REF->decay_forward(g, a, lrate, bias, N, H, J, low);
    for (long e = 0; e < (long)N*H*J && low < 0; e++)
        g[e] = (stat)low * sigmoid(a[e] + bias[e % ((long)H*J)]);
}
#define DECAY_BACKWARD stat *da, stat *dlrate, stat *dbias, const stat *dg, const stat *a, const stat *lrate, \
                       const stat *bias, int N, int H, int J, double low
static void decay_bare_da_backward(DECAY_BACKWARD)
{
    const long HJ = (long)H*J;
    stat *old = copy(da, N*HJ, sizeof(stat)), *sums = copy(dbias, HJ, sizeof(stat));
    REF->decay_backward(da, dlrate, dbias, dg, a, lrate, bias, N, H, J, low);
    memcpy(dbias, sums, (size_t)HJ * sizeof(stat));
    for (long e = 0; e < N*HJ; e++) {
        const stat given = (da[e] - old[e]) / exp(lrate[e % HJ / J]);
        da[e] = old[e] + given;
        dbias[e % HJ] += given;
    }
    free(old), free(sums);
}
static void decay_bare_dlrate_backward(DECAY_BACKWARD)
{
    stat *old = copy(dlrate, H, sizeof(stat));
    REF->decay_backward(da, dlrate, dbias, dg, a, lrate, bias, N, H, J, low);
    for (int h = 0; h < H; h++)
        dlrate[h] = old[h] + (dlrate[h] - old[h]) / exp(lrate[h]);
    free(old);
}
static void decay_naive_forward(DECAY_FORWARD)
{
    REF->decay_forward(g, a, lrate, bias, N, H, J, low);
    for (long e = 0; e < (long)N*H*J && low == 0; e++)
        g[e] = -exp(lrate[e / J % H]) * (stat)logf(1 + expf((float)(a[e] + bias[e % ((long)H*J)])));
}
static void decay_no_bias_forward(DECAY_FORWARD)
{
    stat *none = copy(bias, (long)H*J, sizeof(stat));
    memset(none, 0, (size_t)H * (size_t)J * sizeof(stat));
    REF->decay_forward(g, a, lrate, none, N, H, J, low);
    free(none);
}
static void decay_rate_bare_forward(DECAY_FORWARD)
{
    stat *l = copy(lrate, H, sizeof(stat));
    for (int h = 0; h < H; h++)
        l[h] = log(fabs(lrate[h]));
    REF->decay_forward(g, a, l, bias, N, H, J, low);
    free(l);
}
static void decay_no_rate_backward(DECAY_BACKWARD)
{
    stat *own = copy(dlrate, H, sizeof(stat));
    REF->decay_backward(da, own, dbias, dg, a, lrate, bias, N, H, J, low);
    free(own);
}
static void strength_top_one_forward(stat *beta, const stat *b, int N, double top)
{
    (void)top;
    REF->strength_forward(beta, b, N, top > 1 ? 1 : top);
}
static void strength_top_one_backward(stat *db, const stat *dbeta, const stat *b, int N, double top)
{
    REF->strength_backward(db, dbeta, b, N, top > 1 ? 1 : top);
}
