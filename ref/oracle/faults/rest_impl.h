/* rest_impl.h - the other kernels' faults: the reference called with something wrong, or followed by something
 * wrong. */

#include "ref/oracle/faults/common_impl.h"

/* ---- element by element */

static void add_tail_forward(real *y, const real *a, const real *b, int N)
{
    REF->add_forward(y, a, b, N);
    for (int n = N / 4 * 4; n < N && N > 4; n++)
        y[n] = 0;
}
static void add_overwrites_backward(real *da, real *db, const real *dy, int N)
{
    memset(da, 0, (size_t)N * sizeof(real));
    memset(db, 0, (size_t)N * sizeof(real));
    REF->add_backward(da, db, dy, N);
}
static void skip_none_forward(real *y, const real *a, const real *b, const stat *w, int N, int H, int D)
{
    (void)w;
    for (long e = 0; e < (long)N*H*D; e++)
        y[e] = a[e] + b[e];
}
static void skip_by_channel_forward(real *y, const real *a, const real *b, const stat *w, int N, int H, int D)
{
    for (long e = 0; e < (long)N*H*D; e++)
        y[e] = a[e] + w[e % H] * b[e];    /* as if the heads were the fastest */
}
static void skip_lost_sum_backward(real *da, real *db, stat *dw, const real *dy, const real *b, const stat *w, int N,
                                   int H, int D)
{
    stat *own = copy(dw, H, sizeof(stat));
    REF->skip_backward(da, db, own, dy, b, w, N, H, D);
    for (int h = 0; h < H; h++)            /* of the last token alone */
        for (int j = 0; j < D; j++)
            dw[h] += dy[((long)(N - 1)*H + h)*D + j] * b[((long)(N - 1)*H + h)*D + j];
    free(own);
}
static void gate_lost_factor_backward(real *dg, real *dx, const real *dy, const real *g, const real *x, int N)
{
    for (int n = 0; n < N; n++) {
        dg[n] += dy[n] * sigmoid(g[n]) * sigmoid(-g[n]);    /* without x */
        dx[n] += dy[n] * sigmoid(g[n]);
        (void)x;
    }
}
static void gate_no_sigmoid_forward(real *y, const real *g, const real *x, int N)
{
    for (int n = 0; n < N; n++)
        y[n] = g[n] * x[n];
}
static void gate_no_slope_backward(real *dg, real *dx, const real *dy, const real *g, const real *x, int N)
{
    for (int n = 0; n < N; n++) {
        dg[n] += dy[n] * x[n] * sigmoid(g[n]);    /* without s(-g) */
        dx[n] += dy[n] * sigmoid(g[n]);
    }
}
static void gate_bare_dx_backward(real *dg, real *dx, const real *dy, const real *g, const real *x, int N)
{
    for (int n = 0; n < N; n++) {
        dg[n] += dy[n] * x[n] * sigmoid(g[n]) * sigmoid(-g[n]);
        dx[n] += dy[n];    /* without s(g) */
    }
}
static void gate_swapped_forward(real *y, const real *g, const real *x, int N) { REF->gate_forward(y, x, g, N); }
static void gate_swapped_backward(real *dg, real *dx, const real *dy, const real *g, const real *x, int N)
{
    REF->gate_backward(dx, dg, dy, x, g, N);
}
static void gate_silu_forward(real *y, const real *g, const real *x, int N)
{
    for (int n = 0; n < N; n++)
        y[n] = g[n] * sigmoid(g[n]) * x[n];
}
static void swiglu_derivative_backward(real *da, real *db, const real *dy, const real *a, const real *b, int N)
{
    for (int n = 0; n < N; n++) {
        da[n] += dy[n] * b[n] * sigmoid(a[n]);    /* without a s(-a) */
        db[n] += dy[n] * a[n] * sigmoid(a[n]);
    }
}
static void swiglu_no_slope_backward(real *da, real *db, const real *dy, const real *a, const real *b, int N)
{
    for (int n = 0; n < N; n++) {
        da[n] += dy[n] * b[n];    /* without silu's derivative */
        db[n] += dy[n] * a[n] * sigmoid(a[n]);
    }
}
static void swiglu_lost_b_backward(real *da, real *db, const real *dy, const real *a, const real *b, int N)
{
    (void)b;
    for (int n = 0; n < N; n++) {
        da[n] += dy[n] * sigmoid(a[n]) * (1 + a[n] * sigmoid(-a[n]));    /* without b */
        db[n] += dy[n] * a[n] * sigmoid(a[n]);
    }
}
static void swiglu_lost_a_backward(real *da, real *db, const real *dy, const real *a, const real *b, int N)
{
    for (int n = 0; n < N; n++) {
        da[n] += dy[n] * b[n] * sigmoid(a[n]) * (1 + a[n] * sigmoid(-a[n]));
        db[n] += dy[n] * sigmoid(a[n]);    /* without a */
    }
}
static void swiglu_no_silu_forward(real *y, const real *a, const real *b, int N) { REF->gate_forward(y, a, b, N); }
static void swiglu_no_silu_backward(real *da, real *db, const real *dy, const real *a, const real *b, int N)
{
    REF->gate_backward(da, db, dy, a, b, N);
}
static void swiglu_halves_forward(real *y, const real *a, const real *b, int N) { REF->swiglu_forward(y, b, a, N); }
static void swiglu_halves_backward(real *da, real *db, const real *dy, const real *a, const real *b, int N)
{
    REF->swiglu_backward(db, da, dy, b, a, N);
}
static void softcap_none_forward(stat *y, const stat *x, int N, double cap)
{
    (void)cap;
    REF->softcap_forward(y, x, N, 0);
}
static void softcap_clips_forward(stat *y, const stat *x, int N, double cap)
{
    for (int n = 0; n < N; n++)
        y[n] = cap > 0 ? fmax(-(stat)cap, fmin((stat)cap, x[n])) : x[n];
}
static void softcap_no_gradient_backward(stat *dx, const stat *dy, const stat *y, int N, double cap)
{
    (void)cap;
    REF->softcap_backward(dx, dy, y, N, 0);
}

/* ---- embedding and matrix products */

static void embed_last_wins_backward(stat *dw, const real *dy, const int *token, int N, int V, int C)
{
    stat *old = copy(dw, (long)V*C, sizeof(stat));
    for (int n = 0; n < N; n++)
        for (int c = 0; c < C; c++)
            dw[(long)token[n]*C + c] = old[(long)token[n]*C + c] + dy[(long)n*C + c];
    free(old);
}
static real *transposed(const real *w, int O, int I)
{
    real *wt = op_take(1, (size_t)O * (size_t)I * sizeof(real));
    for (long e = 0; e < (long)O*I; e++)
        wt[e % O * I + e / O] = w[e];
    return wt;
}
static void linear_transposed_forward(LINEAR_FORWARD)
{
    real *wt = transposed(w, O, I);
    REF->linear_forward(y, x, wt, b, N, O, I);
    free(wt);
}
static void linear_transposed_backward(LINEAR_BACKWARD)
{
    real *wt = transposed(w, O, I);
    REF->linear_backward(dx, dw, db, dy, x, wt, N, O, I);
    free(wt);
}
static void linear_no_bias_forward(LINEAR_FORWARD) { (void)b; REF->linear_forward(y, x, w, NULL, N, O, I); }
static void linear_bias_twice_forward(LINEAR_FORWARD)
{
    REF->linear_forward(y, x, w, b, N, O, I);
    for (long e = 0; e < (long)N*O && b; e++)
        y[e] += b[e % O];
}
static void linear_no_bias_gradient_backward(LINEAR_BACKWARD)
{
    (void)db;
    REF->linear_backward(dx, dw, NULL, dy, x, w, N, O, I);
}
static void linear_adds_forward(LINEAR_FORWARD)
{
    real *z = copy(y, (long)N*O, sizeof(real));
    REF->linear_forward(y, x, w, b, N, O, I);
    for (long e = 0; e < (long)N*O; e++)
        y[e] += z[e];
    free(z);
}
static void linear_last_row_backward(LINEAR_BACKWARD)
{
    REF->linear_backward(dx, dw, db, dy, x, w, N > 1 ? N - 1 : N, O, I);
}
static void linear_overwrites_backward(LINEAR_BACKWARD)
{
    memset(dx, 0, (size_t)N * (size_t)I * sizeof(real));
    memset(dw, 0, (size_t)O * (size_t)I * sizeof(stat));
    if (db)
        memset(db, 0, (size_t)O * sizeof(stat));
    REF->linear_backward(dx, dw, db, dy, x, w, N, O, I);
}
static void linear_tf32_forward(LINEAR_FORWARD)
{
    real *xr = copy(x, (long)N*I, sizeof(real)), *wr = copy(w, (long)O*I, sizeof(real));
    for (long e = 0; e < (long)N*I; e++)
        xr[e] = to_tf32(xr[e]);
    for (long e = 0; e < (long)O*I; e++)
        wr[e] = to_tf32(wr[e]);
    REF->linear_forward(y, xr, wr, b, N, O, I);
    free(xr), free(wr);
}
static void linear_bf16_sums_forward(LINEAR_FORWARD)
{
    for (long e = 0; e < (long)N*O; e++) {
        real sum = 0;
        for (int j = 0; j < I; j++)
            sum = to_bf16(sum + x[e/O*I + j] * w[e%O*I + j]);
        y[e] = sum + (b ? b[e % O] : 0);
    }
}

/* ---- norms */

static void rmsnorm_eps_forward(real *y, stat *rstd, const real *x, const stat *w, int N, int C, double eps)
{
    REF->rmsnorm_forward(y, rstd, x, w, N, C, eps >= 1e-5 ? eps / 10 : eps * 10);
}
static void rmsnorm_eps_outside_forward(real *y, stat *rstd, const real *x, const stat *w, int N, int C, double eps)
{
    REF->rmsnorm_forward(y, rstd, x, w, N, C, 0);
    for (long e = 0; e < (long)N*C; e++) {
        y[e] = x[e] * w[e % C] / (1 / rstd[e/C] + (stat)eps);
    }
    for (int n = 0; n < N; n++)
        rstd[n] = 1 / (1 / rstd[n] + (stat)eps);
}
static void rmsnorm_eps_of_the_sum_forward(real *y, stat *rstd, const real *x, const stat *w, int N, int C, double eps)
{
    REF->rmsnorm_forward(y, rstd, x, w, N, C, eps / C);
}
static void rmsnorm_eps_as_floor_forward(real *y, stat *rstd, const real *x, const stat *w, int N, int C, double eps)
{
    REF->rmsnorm_forward(y, rstd, x, w, N, C, 0);
    for (int n = 0; n < N; n++)
        rstd[n] = 1 / fmax(1 / rstd[n], (stat)eps);
    for (long e = 0; e < (long)N*C; e++)
        y[e] = x[e] * rstd[e/C] * w[e % C];
}
static void rmsnorm_one_plus_weight_forward(real *y, stat *rstd, const real *x, const stat *w, int N, int C, double eps)
{
    REF->rmsnorm_forward(y, rstd, x, w, N, C, eps);
    for (long e = 0; e < (long)N*C; e++)
        y[e] += x[e] * rstd[e/C];
}
static void rmsnorm_one_term_backward(real *dx, stat *dw, const real *dy, const real *x, const stat *w,
                                      const stat *rstd, int N, int C)
{
    real *old = copy(dx, (long)N*C, sizeof(real));
    REF->rmsnorm_backward(dx, dw, dy, x, w, rstd, N, C);
    for (long e = 0; e < (long)N*C; e++)
        dx[e] = old[e] + rstd[e/C] * dy[e] * w[e%C];
    free(old);
}
#define RMSNORM_FORWARD real *y, stat *rstd, const real *x, const stat *w, int N, int C, double eps
#define RMSNORM_BACKWARD real *dx, stat *dw, const real *dy, const real *x, const stat *w, const stat *rstd, \
                         int N, int C
static void rmsnorm_sum_forward(RMSNORM_FORWARD)
{
    REF->rmsnorm_forward(y, rstd, x, w, N, C, eps / C);
    for (long e = 0; e < (long)N*C; e++)
        y[e] /= sqrt((stat)C);
    for (int n = 0; n < N; n++)
        rstd[n] /= sqrt((stat)C);
}
static void rmsnorm_no_weight_forward(RMSNORM_FORWARD)
{
    REF->rmsnorm_forward(y, rstd, x, w, N, C, eps);
    for (long e = 0; e < (long)N*C; e++)
        y[e] = x[e] * rstd[e/C];
}
static void rmsnorm_root_saved_forward(RMSNORM_FORWARD)
{
    REF->rmsnorm_forward(y, rstd, x, w, N, C, eps);
    for (int n = 0; n < N; n++)
        rstd[n] = 1 / rstd[n];
}
static void rmsnorm_unweighted_dx_backward(RMSNORM_BACKWARD)
{
    stat *ones = copy(w, C, sizeof(stat));
    for (int c = 0; c < C; c++)
        ones[c] = 1;
    REF->rmsnorm_backward(dx, dw, dy, x, ones, rstd, N, C);
    free(ones);
}
/* dx with so many times the gradient through the norm */
static void rmsnorm_through(stat times, RMSNORM_BACKWARD)
{
    real *right = copy(dx, (long)N*C, sizeof(real));
    REF->rmsnorm_backward(right, dw, dy, x, w, rstd, N, C);
    for (long e = 0; e < (long)N*C; e++) {
        const stat direct = dx[e] + rstd[e/C] * dy[e] * w[e%C];
        dx[e] = direct + times * (right[e] - direct);
    }
    free(right);
}
static void rmsnorm_norm_added_backward(RMSNORM_BACKWARD) { rmsnorm_through(-1, dx, dw, dy, x, w, rstd, N, C); }
static void rmsnorm_not_mean_backward(RMSNORM_BACKWARD) { rmsnorm_through((stat)C, dx, dw, dy, x, w, rstd, N, C); }
static void rmsnorm_weighted_dw_backward(RMSNORM_BACKWARD)
{
    stat *own = copy(dw, C, sizeof(stat));
    REF->rmsnorm_backward(dx, own, dy, x, w, rstd, N, C);
    for (int c = 0; c < C; c++)
        dw[c] += (own[c] - dw[c]) * w[c];
    free(own);
}
static void rmsnorm_no_eps_forward(real *y, stat *rstd, const real *x, const stat *w, int N, int C, double eps)
{
    (void)eps;
    REF->rmsnorm_forward(y, rstd, x, w, N, C, 0);
}
static void rmsnorm_bare_dw_backward(real *dx, stat *dw, const real *dy, const real *x, const stat *w,
                                     const stat *rstd, int N, int C)
{
    stat *own = copy(dw, C, sizeof(stat));
    REF->rmsnorm_backward(dx, own, dy, x, w, rstd, N, C);
    for (long e = 0; e < (long)N*C; e++)
        dw[e % C] += dy[e] * x[e];
    free(own);
}
static void rmsnorm_last_row_backward(real *dx, stat *dw, const real *dy, const real *x, const stat *w,
                                      const stat *rstd, int N, int C)
{
    stat *own = copy(dw, C, sizeof(stat));
    const long last = (long)(N - 1)*C;
    REF->rmsnorm_backward(dx, own, dy, x, w, rstd, N, C);
    for (int c = 0; c < C; c++)
        dw[c] += dy[last + c] * x[last + c] * rstd[N - 1];
    free(own);
}
static void headnorm_eps_outside_forward(HEADNORM_FORWARD)
{
    REF->headnorm_forward(y, mean, rstd, x, w, N, H, D, center, 0);
    for (long nh = 0; nh < (long)N*H; nh++)
        rstd[nh] = 1 / (1 / rstd[nh] + (stat)eps);
    for (long e = 0; e < (long)N*H*D; e++)
        y[e] = (x[e] - mean[e/D]) * rstd[e/D] * w[e % ((long)H*D)];
}
static void headnorm_no_weight_forward(HEADNORM_FORWARD)
{
    REF->headnorm_forward(y, mean, rstd, x, w, N, H, D, center, eps);
    for (long e = 0; e < (long)N*H*D; e++)
        y[e] = (x[e] - mean[e/D]) * rstd[e/D];
}
static void headnorm_root_saved_forward(HEADNORM_FORWARD)
{
    REF->headnorm_forward(y, mean, rstd, x, w, N, H, D, center, eps);
    for (long nh = 0; nh < (long)N*H; nh++)
        rstd[nh] = 1 / rstd[nh];
}
static void headnorm_bare_dw_backward(HEADNORM_BACKWARD)
{
    stat *own = copy(dw, (long)H*D, sizeof(stat));
    REF->headnorm_backward(dx, own, dy, x, w, mean, rstd, N, H, D, center);
    for (long e = 0; e < (long)N*H*D; e++)
        dw[e % ((long)H*D)] += dy[e] * (x[e] - mean[e/D]);
    free(own);
}
static void headnorm_centre_back_backward(HEADNORM_BACKWARD)
{
    (void)center;
    REF->headnorm_backward(dx, dw, dy, x, w, mean, rstd, N, H, D, 1);
}
static void headnorm_always_centred_forward(HEADNORM_FORWARD)
{
    (void)center;
    REF->headnorm_forward(y, mean, rstd, x, w, N, H, D, 1, eps);
}
static void headnorm_never_centred_forward(HEADNORM_FORWARD)
{
    (void)center;
    REF->headnorm_forward(y, mean, rstd, x, w, N, H, D, 0, eps);
}
/* every head's weight that of head 0 */
static stat *headnorm_one_weight(const stat *w, int H, int D)
{
    stat *all = copy(w, (long)H*D, sizeof(stat));
    for (long e = 0; e < (long)H*D; e++)
        all[e] = w[e % D];
    return all;
}
static void headnorm_one_weight_forward(HEADNORM_FORWARD)
{
    stat *all = headnorm_one_weight(w, H, D);
    REF->headnorm_forward(y, mean, rstd, x, all, N, H, D, center, eps);
    free(all);
}
static void headnorm_one_weight_backward(HEADNORM_BACKWARD)
{
    stat *all = headnorm_one_weight(w, H, D);
    REF->headnorm_backward(dx, dw, dy, x, all, mean, rstd, N, H, D, center);
    free(all);
}
static void headnorm_one_term_backward(HEADNORM_BACKWARD)
{
    real *old = copy(dx, (long)N*H*D, sizeof(real));
    REF->headnorm_backward(dx, dw, dy, x, w, mean, rstd, N, H, D, center);
    for (long nh = 0; nh < (long)N*H; nh++) {
        stat u = 0;
        for (int d = 0; d < D && center; d++)
            u += dy[nh*D + d] * w[nh%H*D + d] / (stat)D;
        for (int d = 0; d < D; d++)
            dx[nh*D + d] = old[nh*D + d] + rstd[nh] * (dy[nh*D + d] * w[nh%H*D + d] - u);
    }
    free(old);
}
static void headnorm_unbiased_forward(HEADNORM_FORWARD)
{
    REF->headnorm_forward(y, mean, rstd, x, w, N, H, D, center, eps * (D - 1) / D);
    for (long nh = 0; nh < (long)N*H && D > 1; nh++) {
        const stat r = sqrt((stat)(D - 1) / (stat)D);
        for (int d = 0; d < D; d++)
            y[nh*D + d] *= r;
        rstd[nh] *= r;
    }
}
static void headnorm_eps_forward(HEADNORM_FORWARD)
{
    REF->headnorm_forward(y, mean, rstd, x, w, N, H, D, center, eps >= 1e-5 ? eps / 10 : eps * 10);
}
static void headnorm_all_heads_forward(HEADNORM_FORWARD)
{
    REF->headnorm_forward(y, mean, rstd, x, w, N, 1, H * D, center, eps);
    for (int nh = N*H - 1; nh >= 0; nh--)
        mean[nh] = mean[nh / H], rstd[nh] = rstd[nh / H];
}
static void headnorm_no_centre_backward(HEADNORM_BACKWARD)
{
    (void)center;
    REF->headnorm_backward(dx, dw, dy, x, w, mean, rstd, N, H, D, 0);
}

/* ---- rope */

static real *deinterleaved(const real *x, long rows, int D)
{
    real *z = op_take(1, (size_t)rows * (size_t)D * sizeof(real));
    for (long r = 0; r < rows; r++)
        for (int j = 0; j < D; j++)
            z[r*D + (D % 2 && j == D - 1 ? j : j % 2 * (D/2) + j/2)] = x[r*D + j];
    return z;
}
static void rope_interleaved_forward(ROPE_FORWARD)
{
    real *z = deinterleaved(x, (long)B*T*H, D), *yz = copy(z, (long)B*T*H*D, sizeof(real));
    REF->rope_forward(yz, z, start, B, T, H, D, P, theta);
    for (long e = 0; e < (long)B*T*H*D; e++) {
        const long j = e % D;
        y[e] = yz[e - j + (D % 2 && j == D - 1 ? j : j % 2 * (D/2) + j/2)];
    }
    free(z), free(yz);
}
static void rope_next_position_forward(ROPE_FORWARD) { REF->rope_forward(y, x, start, B, T, H, D, P + 1, theta); }
static void rope_next_position_backward(ROPE_BACKWARD) { REF->rope_backward(dx, dy, start, B, T, H, D, P + 1, theta); }
static void rope_no_offset_forward(ROPE_FORWARD) { (void)P; REF->rope_forward(y, x, start, B, T, H, D, 0, theta); }
static void rope_no_offset_backward(ROPE_BACKWARD) { (void)P; REF->rope_backward(dx, dy, start, B, T, H, D, 0, theta); }
/* theta^(-j/D) is (sqrt theta)^(-2j/D) */
static void rope_half_exponent_forward(ROPE_FORWARD) { REF->rope_forward(y, x, start, B, T, H, D, P, sqrt(theta)); }
static void rope_half_exponent_backward(ROPE_BACKWARD)
{
    REF->rope_backward(dx, dy, start, B, T, H, D, P, sqrt(theta));
}
static void rope_wrong_way_forward(ROPE_FORWARD)
{
    memset(y, 0, (size_t)B * (size_t)T * (size_t)H * (size_t)D * sizeof(real));
    REF->rope_backward(y, x, start, B, T, H, D, P, theta);
}
static void rope_wrong_way_backward(ROPE_BACKWARD)
{
    real *z = op_take(1, (size_t)B * (size_t)T * (size_t)H * (size_t)D * sizeof(real));
    REF->rope_forward(z, dy, start, B, T, H, D, P, theta);
    for (long e = 0; e < (long)B*T*H*D; e++)
        dx[e] += z[e];
    free(z);
}
static void rope_leaks_forward(ROPE_FORWARD) { (void)start; REF->rope_forward(y, x, NULL, B, T, H, D, P, theta); }
static void rope_leaks_backward(ROPE_BACKWARD) { (void)start; REF->rope_backward(dx, dy, NULL, B, T, H, D, P, theta); }
static void rope_theta_forward(ROPE_FORWARD)
{
    REF->rope_forward(y, x, start, B, T, H, D, P, theta < 20000 ? 500000 : 10000);
}
static void rope_theta_backward(ROPE_BACKWARD)
{
    REF->rope_backward(dx, dy, start, B, T, H, D, P, theta < 20000 ? 500000 : 10000);
}
/* token t of the memory [B,T,H,D] taken for [B,H,T,D] stands where head t*H/T.. does */
static void rope_layout_forward(ROPE_FORWARD)
{
    for (long r = 0; r < (long)B*T*H; r++) {
        const int own = start ? start[r / ((long)T*H) * T + r % T] : 0;
        REF->rope_forward(y + r*D, x + r*D, NULL, 1, 1, 1, D, (int)((long)P + r % T - own), theta);
    }
}

/* ---- loss and optimiser */

static void xent_uncapped_forward(stat *loss, stat *lse, const stat *x, const int *target, int N, int V, double cap)
{
    (void)cap;
    REF->xent_forward(loss, lse, x, target, N, V, 0);
}
static void xent_cap_gradient_backward(stat *dx, const stat *dloss, const stat *x, const int *target, const stat *lse,
                                       int N, int V, double cap)
{
    stat *z = copy(x, (long)N*V, sizeof(stat));
    REF->softcap_forward(z, x, N*V, cap);
    REF->xent_backward(dx, dloss, z, target, lse, N, V, 0);
    free(z);
}
static void xent_trains_ignored_backward(stat *dx, const stat *dloss, const stat *x, const int *target, const stat *lse,
                                         int N, int V, double cap)
{
    int *all = copy(target, N, sizeof(int));
    for (int n = 0; n < N; n++)
        all[n] = all[n] < 0 || all[n] >= V ? 0 : all[n];
    REF->xent_backward(dx, dloss, x, all, lse, N, V, cap);
    free(all);
}
static void xent_no_target_backward(stat *dx, const stat *dloss, const stat *x, const int *target, const stat *lse,
                                    int N, int V, double cap)
{
    REF->xent_backward(dx, dloss, x, target, lse, N, V, cap);
    for (int n = 0; n < N; n++) {
        if (target[n] < 0 || target[n] >= V)
            continue;
        const long at = (long)n*V + target[n];
        const stat z = cap > 0 ? tanh(x[at] / (stat)cap) : 0;
        dx[at] += dloss[n] * (1 - z*z);    /* the 1 that was taken away */
    }
}
static void xent_target_added_backward(stat *dx, const stat *dloss, const stat *x, const int *target, const stat *lse,
                                       int N, int V, double cap)
{
    for (int twice = 0; twice < 2; twice++)    /* the 1 that was taken away, and that is to be added */
        for (int n = 0; n < N; n++) {
            if (target[n] < 0 || target[n] >= V)
                continue;
            const long at = (long)n*V + target[n];
            const stat z = cap > 0 ? tanh(x[at] / (stat)cap) : 0;
            dx[at] += dloss[n] * (1 - z*z);
        }
    REF->xent_backward(dx, dloss, x, target, lse, N, V, cap);
}
static void xent_mean_backward(stat *dx, const stat *dloss, const stat *x, const int *target, const stat *lse, int N,
                               int V, double cap)
{
    stat *mean = copy(dloss, N, sizeof(stat));
    for (int n = 0; n < N; n++)
        mean[n] /= (stat)N;
    REF->xent_backward(dx, mean, x, target, lse, N, V, cap);
    free(mean);
}
static void xent_bare_target_forward(stat *loss, stat *lse, const stat *x, const int *target, int N, int V, double cap)
{
    REF->xent_forward(loss, lse, x, target, N, V, cap);
    for (int n = 0; n < N; n++)
        if (target[n] >= 0 && target[n] < V)
            loss[n] = lse[n] - x[(long)n*V + target[n]];
}
static void xent_counts_ignored_forward(stat *loss, stat *lse, const stat *x, const int *target, int N, int V,
                                        double cap)
{
    REF->xent_forward(loss, lse, x, target, N, V, cap);
    for (int n = 0; n < N; n++)
        if (target[n] < 0 || target[n] >= V)
            loss[n] = lse[n];
}
static void xent_no_dloss_backward(stat *dx, const stat *dloss, const stat *x, const int *target, const stat *lse,
                                   int N, int V, double cap)
{
    stat *ones = copy(dloss, N, sizeof(stat));
    for (int n = 0; n < N; n++)
        ones[n] = 1;
    REF->xent_backward(dx, ones, x, target, lse, N, V, cap);
    free(ones);
}
#define ADAMW stat *w, stat *m, stat *v, const stat *g, const double *sum, int N, int step, \
              double lr, double beta1, double beta2, double eps, double decay, double clip
static void adamw_eps_inside(ADAMW)
{
    stat *w0 = copy(w, N, sizeof(stat));
    REF->adamw(w, m, v, g, sum, N, step, lr, beta1, beta2, eps, decay, clip);
    for (int n = 0; n < N; n++)
        w[n] = (stat)(1 - lr*decay) * w0[n] - (stat)(lr / (1 - pow(beta1, step))) * m[n]
             / sqrt(v[n] / (stat)(1 - pow(beta2, step)) + (stat)eps);
    free(w0);
}
/* the step again, of moments that stand there and are divided by these corrections */
static void adamw_step(stat *w, const stat *w0, const stat *m, const stat *v, int N, double lr, double decay,
                       double eps, double first, double second)
{
    for (int n = 0; n < N; n++)
        w[n] = (stat)(1 - lr*decay) * w0[n] - (stat)(lr / first) * m[n] / (sqrt(v[n] / (stat)second) + (stat)eps);
}
/* with such corrections, 1 for none */
static void adamw_corrected(ADAMW, double first, double second)
{
    stat *w0 = copy(w, N, sizeof(stat));
    REF->adamw(w, m, v, g, sum, N, step, lr, beta1, beta2, eps, decay, clip);
    adamw_step(w, w0, m, v, N, lr, decay, eps, first, second);
    free(w0);
}
static void adamw_no_correction(ADAMW)
{
    adamw_corrected(w, m, v, g, sum, N, step, lr, beta1, beta2, eps, decay, clip, 1, 1);
}
static void adamw_no_second_correction(ADAMW)
{
    adamw_corrected(w, m, v, g, sum, N, step, lr, beta1, beta2, eps, decay, clip, 1 - pow(beta1, step), 1);
}
static void adamw_no_first_correction(ADAMW)
{
    adamw_corrected(w, m, v, g, sum, N, step, lr, beta1, beta2, eps, decay, clip, 1, 1 - pow(beta2, step));
}
/* what the gradient is multiplied by where it is clipped */
static stat clipped_by(const double *sum, double clip)
{
    const double norm = clip > 0 ? sqrt(*sum) : 0;
    return (stat)(norm <= clip ? 1 : clip / norm);
}
static void adamw_betas_swapped(ADAMW)
{
    REF->adamw(w, m, v, g, sum, N, step, lr, beta2, beta1, eps, decay, clip);
}
static void adamw_square_unclipped(ADAMW)
{
    stat *w0 = copy(w, N, sizeof(stat)), *v0 = copy(v, N, sizeof(stat));
    REF->adamw(w, m, v, g, sum, N, step, lr, beta1, beta2, eps, decay, clip);
    for (int n = 0; n < N; n++)
        v[n] = (stat)beta2 * v0[n] + (stat)(1 - beta2) * g[n] * g[n];
    adamw_step(w, w0, m, v, N, lr, decay, eps, 1 - pow(beta1, step), 1 - pow(beta2, step));
    free(w0), free(v0);
}
static void adamw_clip_by_square(ADAMW)
{
    const double square = clip > 0 ? *sum * *sum : 0;    /* whose root is the sum */
    REF->adamw(w, m, v, g, sum ? &square : sum, N, step, lr, beta1, beta2, eps, decay, clip);
}
static void adamw_clip_always(ADAMW)
{
    stat *scaled = copy(g, N, sizeof(stat));
    for (int n = 0; n < N && clip > 0; n++)
        scaled[n] *= (stat)(clip / sqrt(*sum));
    REF->adamw(w, m, v, scaled, sum, N, step, lr, beta1, beta2, eps, decay, 0);
    free(scaled);
}
static void adamw_decay_last(ADAMW)
{
    REF->adamw(w, m, v, g, sum, N, step, lr, beta1, beta2, eps, 0, clip);
    for (int n = 0; n < N; n++)
        w[n] *= (stat)(1 - lr * decay);
}
static void adamw_eps_corrected(ADAMW)
{
    stat *w0 = copy(w, N, sizeof(stat));
    const double second = 1 - pow(beta2, step);
    REF->adamw(w, m, v, g, sum, N, step, lr, beta1, beta2, eps, decay, clip);
    adamw_step(w, w0, m, v, N, lr, decay, eps / sqrt(second), 1 - pow(beta1, step), second);
    free(w0);
}
static void adamw_amsgrad(ADAMW)
{
    stat *w0 = copy(w, N, sizeof(stat)), *v0 = copy(v, N, sizeof(stat));
    REF->adamw(w, m, v, g, sum, N, step, lr, beta1, beta2, eps, decay, clip);
    for (int n = 0; n < N; n++)
        v[n] = fmax(v0[n], v[n]);
    adamw_step(w, w0, m, v, N, lr, decay, eps, 1 - pow(beta1, step), 1 - pow(beta2, step));
    free(w0), free(v0);
}
static void adamw_nesterov(ADAMW)
{
    stat *w0 = copy(w, N, sizeof(stat));
    REF->adamw(w, m, v, g, sum, N, step, lr, beta1, beta2, eps, decay, clip);
    const stat by = clipped_by(sum, clip);
    stat *ahead = copy(m, N, sizeof(stat));
    for (int n = 0; n < N; n++)
        ahead[n] = (stat)beta1 * m[n] + (stat)(1 - beta1) * g[n] * by;
    adamw_step(w, w0, ahead, v, N, lr, decay, eps, 1 - pow(beta1, step), 1 - pow(beta2, step));
    free(w0), free(ahead);
}
static void adamw_coupled_decay(ADAMW)
{
    stat *gd = copy(g, N, sizeof(stat));
    for (int n = 0; n < N; n++)
        gd[n] += (stat)decay * w[n];
    REF->adamw(w, m, v, gd, sum, N, step, lr, beta1, beta2, eps, 0, clip);
    free(gd);
}
static void adamw_no_decay(ADAMW)
{
    (void)decay;
    REF->adamw(w, m, v, g, sum, N, step, lr, beta1, beta2, eps, 0, clip);
}
static void adamw_decay_without_rate(ADAMW)
{
    REF->adamw(w, m, v, g, sum, N, step, lr, beta1, beta2, eps, decay / lr, clip);
}
static void adamw_late_step(ADAMW)
{
    REF->adamw(w, m, v, g, sum, N, step + 1, lr, beta1, beta2, eps, decay, clip);
}
static void adamw_no_clip(ADAMW)
{
    (void)clip;
    REF->adamw(w, m, v, g, sum, N, step, lr, beta1, beta2, eps, decay, 0);
}
static void adamw_float_beta(ADAMW)
{
    REF->adamw(w, m, v, g, sum, N, step, lr, (double)(float)beta1, (double)(1 - (1 - (float)beta2)), eps, decay, clip);
}
static void sqsum_float(double *sum, const stat *x, int N)
{
    float s = 0;
    for (int n = 0; n < N; n++)
        s += (float)x[n] * (float)x[n];
    *sum += (double)s;
}
static void sqsum_norm(double *sum, const stat *x, int N)
{
    double s = 0;
    REF->sqsum(&s, x, N);
    *sum += sqrt(s);
}
