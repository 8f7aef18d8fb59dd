/* check_verify_causes.c - what `verify` names behind a wrong kernel, held against kernels that were written for this
 * check and not for the library of faults: conventions that others have, and wrong forwards whose backward is their
 * derivative, as automatic differentiation gives it. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "ref/kernels.h"
#include "tools/verify/causes.h"
#include "tests/suite.h"

static char why[SWAX_WHY];
#define K32 (&swax_ref_f32)
static int how;          /* it is wrong, of the kind that is asked */

/* ---- conventions */

/* [n][rows][columns] as [n][columns][rows], anew; NULL as NULL. */
static float *turned(const float *x, int n, int rows, int columns)
{
    float *t = x ? malloc((size_t)n * (size_t)rows * (size_t)columns * sizeof *t) : NULL;
    for (int b = 0; b < n && x; b++)
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < columns; c++)
                t[((size_t)b * columns + c) * rows + r] = x[((size_t)b * rows + r) * columns + c];
    return t;
}

static void put_turned(float *to, float *t, int n, int rows, int columns)
{
    float *back = turned(t, n, columns, rows);
    if (back)
        memcpy(to, back, (size_t)n * (size_t)rows * (size_t)columns * sizeof *to);
    free(back), free(t);
}

static void delta_values_first(float *y, float *S1, float *r, float *Ss, const float *q, const float *k, const float *v,
                               const float *g, const float *beta, const float *S0, const int *start, int B, int T,
                               int H, int G, int K, int V, int J, int L, int erase, double scale)
{
    const int chunks = Ss ? (T + L - 1) / L : 0;
    float *in = turned(S0, B * H, V, K), *saved = turned(Ss, B * H * chunks, V, K), *out = turned(S1, B * H, V, K);
    K32->delta_forward(y, out, r, saved, q, k, v, g, beta, in, start, B, T, H, G, K, V, J, L, erase, scale);
    put_turned(S1, out, B * H, V, K);
    if (Ss)
        put_turned(Ss, saved, B * H * chunks, V, K);
    free(in);
}

static void delta_values_first_back(float *dq, float *dk, float *dv, float *dg, float *dbeta, float *dS0, float *S,
                                    float *D, const float *dy, const float *dS1, const float *q, const float *k,
                                    const float *v, const float *g, const float *beta, const float *S0,
                                    const int *start, const float *S1, const float *r, const float *Ss, int B, int T,
                                    int H, int G, int K, int V, int J, int L, int erase, double scale)
{
    float *in = turned(S0, B * H, V, K), *out = turned(S1, B * H, V, K),
          *saved = turned(Ss, B * H * ((T + L - 1) / L), V, K), *d1 = turned(dS1, B * H, V, K),
          *d0 = turned(dS0, B * H, V, K);
    K32->delta_backward(dq, dk, dv, dg, dbeta, d0, S, D, dy, d1, q, k, v, g, beta, in, start, out, r, saved, B, T, H, G,
                        K, V, J, L, erase, scale);
    if (d0)
        put_turned(dS0, d0, B * H, V, K);
    free(in), free(out), free(saved), free(d1);
}

/* exp(-g): who keeps A > 0 */
static void delta_other_sign(float *y, float *S1, float *r, float *Ss, const float *q, const float *k, const float *v,
                             const float *g, const float *beta, const float *S0, const int *start, int B, int T, int H,
                             int G, int K, int V, int J, int L, int erase, double scale)
{
    const size_t n = (size_t)B * (size_t)T * (size_t)H * (size_t)J;
    float *other = malloc(n * sizeof *other);
    for (size_t e = 0; e < n; e++)
        other[e] = -g[e];
    K32->delta_forward(y, S1, r, Ss, q, k, v, other, beta, S0, start, B, T, H, G, K, V, J, L, erase, scale);
    free(other);
}

/* Gates, strengths and scales that are activated, doubled or chosen in the kernel. */
enum { RAW_SIGMOID, RAW_SOFTPLUS, RAW_BOUNDED, NO_GATE, TEN, RAW_BETA, BETA_TWICE, SCALE_IN, SCALE_BESIDE,
       SCALE_OF_VALUES };

static float *taken(const float *x, size_t n, int as)
{
    float *y = malloc(n * sizeof *y);
    for (size_t e = 0; e < n; e++) {
        const double s = 1 / (1 + exp(-(double)x[e])), softplus = fmax(x[e], 0) + log1p(exp(-fabs((double)x[e])));
        const double by[] = {(double)x[e] - softplus, -softplus, -5 * s, 0, log(10) * (double)x[e], 2 * s,
                             2 * (double)x[e]};
        y[e] = (float)by[as];
    }
    return y;
}

static void delta_bent(float *y, float *S1, float *r, float *Ss, const float *q, const float *k, const float *v,
                       const float *g, const float *beta, const float *S0, const int *start, int B, int T, int H,
                       int G, int K, int V, int J, int L, int erase, double scale)
{
    const size_t n = (size_t)B * (size_t)T * (size_t)H;
    const double scales[] = {1 / sqrt(K), scale / sqrt(K), 1 / sqrt(V)};
    float *gates = how <= TEN ? taken(g, n * (size_t)J, how) : NULL,
          *strengths = how == RAW_BETA || how == BETA_TWICE ? taken(beta, n, how) : NULL;
    K32->delta_forward(y, S1, r, Ss, q, k, v, gates ? gates : g, strengths ? strengths : beta, S0, start, B, T, H, G, K,
                       V, J, L, erase, how >= SCALE_IN ? scales[how - SCALE_IN] : scale);
    free(gates), free(strengths);
}

/* The gate of the token before; the first token's is its own. */
static void delta_late(float *y, float *S1, float *r, float *Ss, const float *q, const float *k, const float *v,
                       const float *g, const float *beta, const float *S0, const int *start, int B, int T, int H,
                       int G, int K, int V, int J, int L, int erase, double scale)
{
    const size_t row = (size_t)H * (size_t)J, n = row * (size_t)T;
    float *late = malloc((size_t)B * n * sizeof *late);
    for (size_t b = 0; b < (size_t)B; b++)
        for (size_t e = 0; e < n; e++)
            late[b * n + e] = g[b * n + (e < row ? e : e - row)];
    K32->delta_forward(y, S1, r, Ss, q, k, v, late, beta, S0, start, B, T, H, G, K, V, J, L, erase, scale);
    free(late);
}

static void add(float *to, const float *x, int n)
{
    for (int e = 0; e < n; e++)
        to[e] += x[e];
}
static void delta_and_values(float *y, float *S1, float *r, float *Ss, const float *q, const float *k, const float *v,
                             const float *g, const float *beta, const float *S0, const int *start, int B, int T, int H,
                             int G, int K, int V, int J, int L, int erase, double scale)
{
    K32->delta_forward(y, S1, r, Ss, q, k, v, g, beta, S0, start, B, T, H, G, K, V, J, L, erase, scale);
    add(y, v, B * T * H * V);
}
static void delta_and_values_back(float *dq, float *dk, float *dv, float *dg, float *dbeta, float *dS0, float *S,
                                  float *D, const float *dy, const float *dS1, const float *q, const float *k,
                                  const float *v, const float *g, const float *beta, const float *S0, const int *start,
                                  const float *S1, const float *r, const float *Ss, int B, int T, int H, int G, int K,
                                  int V, int J, int L, int erase, double scale)
{
    K32->delta_backward(dq, dk, dv, dg, dbeta, dS0, S, D, dy, dS1, q, k, v, g, beta, S0, start, S1, r, Ss, B, T, H, G,
                        K, V, J, L, erase, scale);
    add(dv, dy, B * T * H * V);
}

/* The cell with 10^i and 10^-f in its gates, and the cell with v added to h. */
enum { CELL_TEN, CELL_ADDS };
static void cell_other(float *h, float *C1, float *n1, float *m1, float *m, float *qn, float *Cs, float *ns,
                       const float *q, const float *k, const float *v, const float *i, const float *f, const float *C0,
                       const float *n0, const float *m0, const int *start, int B, int T, int H, int K, int V, int L,
                       int gate, double eps)
{
    const size_t n = (size_t)B * (size_t)T * (size_t)H;
    float *in = how == CELL_TEN ? taken(i, n, TEN) : NULL, *forget = how == CELL_TEN ? taken(f, n, TEN) : NULL;
    K32->mlstm_forward(h, C1, n1, m1, m, qn, Cs, ns, q, k, v, in ? in : i, forget ? forget : f, C0, n0, m0, start, B, T,
                       H, K, V, L, gate, eps);
    if (how == CELL_ADDS)
        add(h, v, B * T * H * V);
    free(in), free(forget);
}
static void cell_other_back(float *dq, float *dk, float *dv, float *di, float *df, float *dC0, float *dn0,
                            const float *dh, const float *dC1, const float *dn1, const float *q, const float *k,
                            const float *v, const float *i, const float *f, const float *C0, const float *n0,
                            const float *m0, const int *start, const float *h, const float *C1, const float *n1,
                            const float *m1, const float *m, const float *qn, const float *Cs, const float *ns, int B,
                            int T, int H, int K, int V, int L, int gate, double eps)
{
    const size_t n = (size_t)B * (size_t)T * (size_t)H, heads = (size_t)B * (size_t)H, state = (size_t)(K * V),
                 chunks = heads * (size_t)((T + L - 1) / L);
    float *in = how == CELL_TEN ? taken(i, n, TEN) : NULL, *forget = how == CELL_TEN ? taken(f, n, TEN) : NULL;
    const float *ours = in ? in : i, *theirs = forget ? forget : f;
    float *now = calloc(4 * n + n * (size_t)V + (heads + chunks) * (state + (size_t)K) + heads, sizeof *now);
    float *h_ = now + 4 * n, *m_ = now + 2 * n, *qn_ = now + 3 * n, *C_ = h_ + n * (size_t)V, *n_ = C_ + heads * state,
          *m1_ = n_ + heads * (size_t)K, *Cs_ = m1_ + heads, *ns_ = Cs_ + chunks * state;
    (void)h, (void)C1, (void)n1, (void)m1, (void)m, (void)qn, (void)Cs, (void)ns;    /* another kernel's */
    K32->mlstm_forward(h_, C_, n_, m1_, m_, qn_, Cs_, ns_, q, k, v, ours, theirs, C0, n0, m0, start, B, T, H, K, V, L,
                       gate, eps);
    K32->mlstm_backward(dq, dk, dv, now, now + n, dC0, dn0, dh, dC1, dn1, q, k, v, ours, theirs, C0, n0, m0, start, h_,
                        C_, n_, m1_, m_, qn_, Cs_, ns_, B, T, H, K, V, L, gate, eps);
    for (size_t e = 0; e < n; e++) {
        di[e] += (how == CELL_TEN ? logf(10) : 1) * now[e];
        df[e] += (how == CELL_TEN ? logf(10) : 1) * now[n + e];
    }
    if (how == CELL_ADDS)
        add(dv, dh, B * T * H * V);
    free(in), free(forget), free(now);
}

/* Pairs (2j, 2j+1), by the formula; `way` back turns the other way. */
static void turn(float *y, const float *x, const int *start, int B, int T, int H, int D, int P, double theta, int way,
                 int adds)
{
    for (int b = 0; b < B; b++)
        for (int t = 0; t < T; t++)
            for (int h = 0; h < H; h++)
                for (int j = 0; j <= D / 2; j++) {
                    if (j == D / 2) {    /* the last of an odd number stays */
                        const long last = (((long)b * T + t) * H + h) * D + D - 1;
                        y[last] = D % 2 ? x[last] + (adds ? y[last] : 0) : y[last];
                        break;
                    }
                    const long at = (((long)b * T + t) * H + h) * D + 2 * j;
                    const double angle = way * (P + t - (start ? start[b * T + t] : 0)) * pow(theta, -2.0 * j / D),
                                 c = cos(angle), s = sin(angle);
                    const double first = x[at] * c - x[at + 1] * s, second = x[at] * s + x[at + 1] * c;
                    y[at] = (float)(first + (adds ? y[at] : 0));
                    y[at + 1] = (float)(second + (adds ? y[at + 1] : 0));
                }
}
static void rope_pairs(float *y, const float *x, const int *start, int B, int T, int H, int D, int P, double theta)
{
    turn(y, x, start, B, T, H, D, P, theta, 1, 0);
}
static void rope_pairs_back(float *dx, const float *dy, const int *start, int B, int T, int H, int D, int P,
                            double theta)
{
    turn(dx, dy, start, B, T, H, D, P, theta, -1, 1);
}

static float *plus_one(const float *w, int n)
{
    float *p = malloc((size_t)n * sizeof *p);
    for (int e = 0; e < n; e++)
        p[e] = w[e] + 1;
    return p;
}
static void rmsnorm_plus_one(float *y, float *rstd, const float *x, const float *w, int N, int C, double eps)
{
    float *p = plus_one(w, C);
    K32->rmsnorm_forward(y, rstd, x, p, N, C, eps);
    free(p);
}
static void rmsnorm_plus_one_back(float *dx, float *dw, const float *dy, const float *x, const float *w,
                                  const float *rstd, int N, int C)
{
    float *p = plus_one(w, C);
    K32->rmsnorm_backward(dx, dw, dy, x, p, rstd, N, C);
    free(p);
}

/* ---- wrong normalisers and gates of the cell, differentiated: m is a constant, and there is no state at the start,
 * no document */

enum { NO_ABS, LOG_OF_SIGMOID, FLOOR_ONE, BARE, FROM_NOTHING };
static double eps_of;    /* of the normaliser */

static double wrong_gate(float f)
{
    return how == LOG_OF_SIGMOID ? (double)logf(1 / (1 + expf(-f))) : how == BARE ? (double)f : -log1p(exp(-(double)f));
}

/* N and dN/dqn */
static double wrong_normaliser(double qn, double m, double *slope)
{
    const double size = how == NO_ABS ? qn : fabs(qn), least = how == FLOOR_ONE ? 1 : exp(-m);
    *slope = size <= least ? 0 : how == NO_ABS || qn > 0 ? 1 : -1;
    return (size > least ? size : least) + eps_of;
}

/* The recurrence of one head in double: states behind each token, m, and h. */
struct head { double *C, *n, *m, *a, *b; };
static struct head run(float *h, float *qn_out, const float *q, const float *k, const float *v, const float *i,
                       const float *f, int T, int H, int K, int V, long row0)
{
    struct head s = { calloc((size_t)(T + 1) * K * V, sizeof(double)), calloc((size_t)(T + 1) * K, sizeof(double)),
                      calloc((size_t)T, sizeof(double)), calloc((size_t)T, sizeof(double)),
                      calloc((size_t)T, sizeof(double)) };
    for (int t = 0; t < T; t++) {
        const long row = row0 + (long)t * H;
        const double before = t ? s.m[t - 1] : how == FROM_NOTHING ? -INFINITY : 0;
        const double lf = wrong_gate(f[row]), m = fmax(lf + before, i[row]);
        double *C = s.C + (long)(t + 1) * K * V, *n = s.n + (long)(t + 1) * K, qn = 0, slope;
        s.m[t] = m, s.a[t] = exp(lf + before - m), s.b[t] = exp(i[row] - m);
        for (int r = 0; r < K; r++) {
            n[r] = s.a[t] * (n - K)[r] + s.b[t] * k[row * K + r];
            qn += q[row * K + r] * n[r] / sqrt(K);
            for (int c = 0; c < V; c++)
                C[r * V + c] = s.a[t] * (C - (long)K * V)[r * V + c] + s.b[t] * k[row * K + r] * v[row * V + c];
        }
        const double N = wrong_normaliser(qn, m, &slope);
        for (int c = 0; c < V && h; c++) {
            double sum = 0;
            for (int r = 0; r < K; r++)
                sum += q[row * K + r] * C[r * V + c] / sqrt(K);
            h[row * V + c] = (float)(sum / N);
        }
        if (qn_out)
            qn_out[row] = (float)qn;
    }
    return s;
}
static void head_free(struct head *s) { free(s->C), free(s->n), free(s->m), free(s->a), free(s->b); }

static void cell_wrong(float *h, float *C1, float *n1, float *m1, float *m, float *qn, float *Cs, float *ns,
                       const float *q, const float *k, const float *v, const float *i, const float *f, const float *C0,
                       const float *n0, const float *m0, const int *start, int B, int T, int H, int K, int V, int L,
                       int gate, double eps)
{
    eps_of = eps;
    K32->mlstm_forward(h, C1, n1, m1, m, qn, Cs, ns, q, k, v, i, f, C0, n0, m0, start, B, T, H, K, V, L, gate, eps);
    for (int b = 0; b < B; b++)
        for (int hd = 0; hd < H; hd++) {
            struct head s = run(h, qn, q, k, v, i, f, T, H, K, V, (long)b * T * H + hd);
            const long at = (long)b * H + hd;
            for (int t = 0; t < T; t++)
                m[((long)b * T + t) * H + hd] = (float)s.m[t];
            for (int e = 0; e < K * V; e++)
                C1[at * K * V + e] = (float)s.C[(long)T * K * V + e];
            for (int e = 0; e < K; e++)
                n1[at * K + e] = (float)s.n[(long)T * K + e];
            m1[at] = (float)s.m[T - 1];
            head_free(&s);
        }
}

static void head_back(float *dq, float *dk, float *dv, float *di, float *df, const float *dh, const struct head *s,
                      const float *q, const float *k, const float *v, const float *f, int T, int H, int K, int V,
                      long row0)
{
    double *dC = calloc((size_t)K * V, sizeof *dC), *dn = calloc((size_t)K, sizeof *dn);
    const double scale = 1 / sqrt(K);
    for (int t = T - 1; t >= 0; t--) {
        const long row = row0 + (long)t * H;
        const double *C = s->C + (long)(t + 1) * K * V, *n = s->n + (long)(t + 1) * K, *Cb = C - (long)K * V,
                     *nb = n - K;
        double qn = 0, slope, dN = 0, da = 0, db = 0;
        for (int r = 0; r < K; r++)
            qn += q[row * K + r] * n[r] * scale;
        const double N = wrong_normaliser(qn, s->m[t], &slope);
        for (int c = 0; c < V; c++)
            for (int r = 0; r < K; r++)
                dN -= dh[row * V + c] * q[row * K + r] * C[r * V + c] * scale / (N * N);
        for (int r = 0; r < K; r++) {
            double sum = slope * dN * n[r] * scale;
            for (int c = 0; c < V; c++) {
                sum += C[r * V + c] * dh[row * V + c] * scale / N;
                dC[r * V + c] += q[row * K + r] * scale * dh[row * V + c] / N;
            }
            dq[row * K + r] += (float)sum;
            dn[r] += slope * dN * q[row * K + r] * scale;
        }
        for (int r = 0; r < K; r++) {
            double sum = dn[r];
            for (int c = 0; c < V; c++) {
                sum += dC[r * V + c] * v[row * V + c];
                da += dC[r * V + c] * Cb[r * V + c];
            }
            da += dn[r] * nb[r];
            db += sum * k[row * K + r];
            dk[row * K + r] += (float)(s->b[t] * sum);
        }
        for (int c = 0; c < V; c++) {
            double sum = 0;
            for (int r = 0; r < K; r++)
                sum += dC[r * V + c] * k[row * K + r];
            dv[row * V + c] += (float)(s->b[t] * sum);
        }
        di[row] += (float)(db * s->b[t]);
        df[row] += (float)(da * s->a[t] * (how == BARE ? 1 : 1 / (1 + exp((double)f[row]))));
        for (int e = 0; e < K * V; e++)
            dC[e] *= s->a[t];
        for (int r = 0; r < K; r++)
            dn[r] *= s->a[t];
    }
    free(dC), free(dn);
}

static void cell_wrong_back(float *dq, float *dk, float *dv, float *di, float *df, float *dC0, float *dn0,
                            const float *dh, const float *dC1, const float *dn1, const float *q, const float *k,
                            const float *v, const float *i, const float *f, const float *C0, const float *n0,
                            const float *m0, const int *start, const float *h, const float *C1, const float *n1,
                            const float *m1, const float *m, const float *qn, const float *Cs, const float *ns, int B,
                            int T, int H, int K, int V, int L, int gate, double eps)
{
    (void)dC0, (void)dn0, (void)dC1, (void)dn1, (void)C0, (void)n0, (void)m0, (void)start, (void)h, (void)C1, (void)n1,
        (void)m1, (void)m, (void)qn, (void)Cs, (void)ns, (void)L, (void)gate;
    eps_of = eps;
    for (int b = 0; b < B; b++)
        for (int hd = 0; hd < H; hd++) {
            struct head s = run(NULL, NULL, q, k, v, i, f, T, H, K, V, (long)b * T * H + hd);
            head_back(dq, dk, dv, di, df, dh, &s, q, k, v, f, T, H, K, V, (long)b * T * H + hd);
            head_free(&s);
        }
}

/* ---- each is named; derived: as a derivative, or not; -1: either, since its m is no constant, or its backward is
 * nearly the fault's own */

static const struct wrong { const char *kernel, *cause; int derived, how; struct swax_kernels_f32 table;
} wrongs[] = {
    { "delta",
      "states_values_first",
      0,
      0,
      { .delta_forward = delta_values_first, .delta_backward = delta_values_first_back } },
    { "delta_forward", "gate_sign", 0, 0, { .delta_forward = delta_other_sign } },
    { "delta_forward", "raw_gate_sigmoid", 0, RAW_SIGMOID, { .delta_forward = delta_bent } },
    { "delta_forward", "raw_gate_softplus", 0, RAW_SOFTPLUS, { .delta_forward = delta_bent } },
    { "delta_forward", "raw_gate_bounded", 0, RAW_BOUNDED, { .delta_forward = delta_bent } },
    { "delta_forward", "no_gate", 0, NO_GATE, { .delta_forward = delta_bent } },
    { "delta_forward", "raw_beta_to_two", 0, RAW_BETA, { .delta_forward = delta_bent } },
    { "delta_forward", "beta_doubled", 0, BETA_TWICE, { .delta_forward = delta_bent } },
    { "delta_forward", "scale_built_in", 0, SCALE_IN, { .delta_forward = delta_bent } },
    { "delta_forward", "scale_beside", 0, SCALE_BESIDE, { .delta_forward = delta_bent } },
    { "delta_forward", "scale_of_values_built_in", 0, SCALE_OF_VALUES, { .delta_forward = delta_bent } },
    { "delta_forward", "gates_to_base_ten", 0, TEN, { .delta_forward = delta_bent } },
    { "delta_forward", "gate_late_but_first", 0, 0, { .delta_forward = delta_late } },
    { "delta", "values_added", 0, 0, { .delta_forward = delta_and_values, .delta_backward = delta_and_values_back } },
    { "mlstm",
      "gates_to_base_ten",
      0,
      CELL_TEN,
      { .mlstm_forward = cell_other, .mlstm_backward = cell_other_back } },
    { "mlstm", "values_added", 0, CELL_ADDS, { .mlstm_forward = cell_other, .mlstm_backward = cell_other_back } },
    { "rope", "interleaved_both", 0, 0, { .rope_forward = rope_pairs, .rope_backward = rope_pairs_back } },
    { "rmsnorm",
      "one_plus_weight_both",
      0,
      0,
      { .rmsnorm_forward = rmsnorm_plus_one, .rmsnorm_backward = rmsnorm_plus_one_back } },
    { "mlstm", "no_abs", 1, NO_ABS, { .mlstm_forward = cell_wrong, .mlstm_backward = cell_wrong_back } },
    { "mlstm", "floor_one", -1, FLOOR_ONE, { .mlstm_forward = cell_wrong, .mlstm_backward = cell_wrong_back } },
    { "mlstm", "log_sigmoid", -1, LOG_OF_SIGMOID, { .mlstm_forward = cell_wrong, .mlstm_backward = cell_wrong_back } },
    { "mlstm", "m_from_nothing", 0, FROM_NOTHING, { .mlstm_forward = cell_wrong, .mlstm_backward = cell_wrong_back } },
    { "mlstm", "bare_gate", 1, BARE, { .mlstm_forward = cell_wrong, .mlstm_backward = cell_wrong_back } },
};

static int always(void) { return 1; }

START_TEST(others_kernels_are_named)
{
    const struct wrong *w = &wrongs[_i];
    const int cell = !strcmp(w->kernel, "mlstm");
    struct plan plan = {
        .wish = { .states = !cell, .documents = !cell, .noise = 1 }, .seed = 1, .suite = suite_find("quick"), .only = -1
    };
    const struct swax_tier tier = {.name = "stranger", .usable = always, .f32 = &w->table};
    static struct report r;
    how = w->how;
    ck_assert_msg(!subject_find(&plan.subject, w->kernel, why), "%s", why);
    const int T = cell ? 7 : 18;    /* small: the causes of a kernel are dozens */
    static const struct { char letter; int value; } sizes[] = {{'T', 0}, {'K', 6}, {'V', 5}, {'H', 2}, {'B', 1}};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        if (strchr(swax_ops[plan.subject.op[0]].dims, sizes[k].letter)) {
            plan.wish.dim[plan.wish.n_dims].letter = sizes[k].letter;
            plan.wish.dim[plan.wish.n_dims++].value = sizes[k].value ? sizes[k].value : T;
        }
    if (cell) {
        plan.wish.dim[plan.wish.n_dims++].letter = 'g';
        const int from_nothing = !strcmp(w->cause, "m_from_nothing");
        /* what is saved is its own */
        plan.wish.chained = from_nothing || w->table.mlstm_backward == cell_other_back;
        plan.wish.scalar[0].value = from_nothing ? 1e-2 : 0;
        strcpy(plan.wish.scalar[plan.wish.n_scalars++].name, "eps");
    }
    ck_assert_msg(!verify_tier(&tier, SWAX_PREC_F32, &plan, &r, why), "%s", why);
    ck_assert_msg(r.failed > 0, "%s of %s is good", w->cause, w->kernel);
    ck_assert_msg(r.cause >= 0, "%s of %s: no cause is named", w->cause, w->kernel);
    int named = !strcmp(cause_is(r.cause)->name, w->cause);
    for (int k = 0; k < r.causes; k++)
        named |= !strcmp(cause_is(r.causes_list[k])->name, w->cause);
    ck_assert_msg(named, "%s of %s is called %s, which explains %.3f", w->cause, w->kernel, cause_is(r.cause)->name,
                  r.explained);
    ck_assert_msg(w->derived < 0 || r.derived == w->derived, "%s of %s: derived %d, explains %.3f", w->cause, w->kernel,
                  r.derived, r.explained);
    printf("%-8s %-22s explains %.3f%s\n", w->kernel, cause_is(r.cause)->name, r.explained,
           r.derived ? ", differentiated" : "");
}
END_TEST

/* ---- a cause that holds somewhere alone: some of the answers are its, and all others are right */

enum part_of { BACKWARD_ONLY, ONE_TENSOR, FROM, EVERY, SOME_CASES };
static const struct somewhere {
    const char *plan, *cause;
    enum part_of where; const char *tensor; char axis; int from;    /* FROM an index on, or EVERY so many */
    const char *says;                      /* the beginning of where it holds; NULL: no cause is named */
    double off;                            /* and all of that is off by so much */
} somewheres[] = {
    {"attention suite=quick B=1 T=9 S=9 H=4 G=2 D=4 W=4", "no_scale", BACKWARD_ONLY, "", 0, 0,
     "in the backward only", 0},
    {"attention suite=quick B=1 T=9 S=9 H=4 G=2 D=4 W=4", "overwrites", ONE_TENSOR, "dv", 0, 0, "in dv alone", 0},
    {"attention suite=quick B=1 T=9 S=9 H=4 G=2 D=4 W=4", "no_scale", FROM, "", 'H', 2,
     "in dq at T from 3 to 8 alone, with gaps, of 9 (tokens) and at H from 2 to 3 alone, of 4 (heads), as in case", 0},
    {"attention_forward suite=quick B=1 T=9 S=9 H=4 G=2 D=4 W=4", "no_scale", FROM, "", 'T', 5,
     "in lse at T from 5 to 8 alone, of 9 (tokens)", 0},
    {"attention_forward suite=quick B=1 T=9 S=9 H=4 G=2 D=4 W=4", "no_scale", FROM, "", 'T', 5, NULL, 1e-3},
    {"delta_forward suite=quick B=1 T=9 H=4 G=2 K=4 V=5", "no_state_in", FROM, "", 'H', 3, "in ", 0},
    {"conv suite=quick B=1 T=9 S=9 C=16 F=3", "no_slope", EVERY, "", 'C', 8, "in ", 0},
    {"linear suite=quick N=9 O=5 I=6", "sum_of_first_row", ONE_TENSOR, "db", 0, 0, "in db alone", 0},
    {"linear suite=quick N=11 O=5 I=6", "sum_of_tiles_4", ONE_TENSOR, "dw", 0, 0, "in dw alone", 0},
    {"rmsnorm suite=quick N=9 C=6", "overwrites", ONE_TENSOR, "dx", 0, 0, "in dx alone", 0},
    {"rmsnorm_forward suite=quick", "one_plus_weight", SOME_CASES, "", 'C', 6, "in some cases alone", 0},
};

/* Is that number of an answer the cause's? */
static int holds_at(const struct somewhere *s, const struct op_case *c, int part, int arg, long e)
{
    const struct op_arg *a = &swax_ops[c->op].arg[arg];
    const char *at = s->axis ? strchr(a->shape, s->axis) : NULL;
    long stride = 1;
    if (s->where == BACKWARD_ONLY)
        return part == 1;
    if (s->where == ONE_TENSOR)
        return !strcmp(a->name, s->tensor);
    const long extent = op_extent(&swax_ops[c->op], s->axis, c->dims);
    if (s->where == SOME_CASES)
        return extent >= s->from;
    for (const char *k = at ? at + 1 : ""; *k; k++)
        stride *= op_extent(&swax_ops[c->op], *k, c->dims);
    const long index = e / stride % extent;
    return at && (s->where == FROM ? index >= s->from : index % s->from == s->from - 1);
}

static const char *answer_somewhere(void *arg, const struct problem *p, struct op_case got[PARTS], struct report *r,
                                    int *lost)
{
    const struct somewhere *s = arg;
    struct op_case says[PARTS];
    struct problem solved = *p;
    char trouble[OP_SENTENCE];
    int cause = cause_next(-1, p->subject.base);
    (void)r, (void)lost;
    run_problem(swax_tiers[0], SWAX_PREC_F32, p, got, trouble);
    for (int part = 0; part < p->subject.n; part++) {
        op_case_copy(&solved.truth[part], &p->in[part]);
        op_run(swax_tiers[0], SWAX_PREC_F64, &solved.truth[part]);
    }
    while (strcmp(cause_is(cause)->name, s->cause))
        cause = cause_next(cause, p->subject.base);
    cause_run(cause, &solved, SWAX_PREC_F64, says);
    for (int part = 0; part < p->subject.n; part++) {
        for (int i = 0; i < got[part].n; i++)
            for (long e = 0; problem_is_answer(p, part, i) && e < got[part].size[i]; e++)
                if (holds_at(s, &p->in[part], part, i, e))
                    got[part].arg[i][e] = says[part].arg[i][e] * (1 + s->off);
        op_case_free(&says[part]), op_case_free(&solved.truth[part]);
    }
    return NULL;
}

START_TEST(a_cause_that_holds_somewhere_is_named_with_the_place)
{
    struct somewhere s = somewheres[_i];
    const struct candidate c = {.answer = answer_somewhere, .arg = &s};
    static struct report r;
    struct plan plan;
    char words[CAUSE_WORDS];
    ck_assert_msg(!plan_read(&plan, s.plan, why), "%s: %s", s.plan, why);
    plan.wish.noise = 1, plan.wish.chained = 0;
    report_begin(&r, &plan);
    r.gauge = 1;
    ck_assert_msg(!verify_run(&plan, &c, &r, why), "%s", why);
    ck_assert_msg(r.failed > 0, "%s, %s: it is good", s.plan, s.cause);
    if (!s.says) {
        ck_assert_msg(r.cause < 0 || r.alike, "%s, %s, off by %g, is called: %s", s.plan, s.cause, s.off,
                      cause_words(words, &r, r.cause));
        return;
    }
    ck_assert_msg(r.cause >= 0 && !r.alike, "%s, %s somewhere: no cause is named", s.plan, s.cause);
    ck_assert_msg(!strcmp(cause_is(r.cause)->name, s.cause) && !r.derived && r.explained > 0.97 &&
                      !strncmp(r.where, s.says, strlen(s.says)),
                  "%s, %s: it is called %s, \"%s\", which explains %g", s.plan, s.cause, cause_is(r.cause)->name,
                  cause_words(words, &r, r.cause), r.explained);
    printf("%-18s %s\n", plan.subject.name, cause_words(words, &r, r.cause));
}
END_TEST

/* A right forward, and the backward of another: not that forward is wrong. */
static void right_forward(float *y, float *rstd, const float *x, const float *w, int N, int C, double eps)
{
    K32->rmsnorm_forward(y, rstd, x, w, N, C, eps);
}
START_TEST(a_right_forward_is_not_called_wrong)
{
    static const struct swax_kernels_f32 table = {.rmsnorm_forward = right_forward,
                                                  .rmsnorm_backward = rmsnorm_plus_one_back};
    const struct swax_tier tier = {.name = "stranger", .usable = always, .f32 = &table};
    static struct report r;
    struct plan plan;
    char words[CAUSE_WORDS];
    ck_assert(!plan_read(&plan, "rmsnorm suite=quick seed=1", why));
    plan.wish.chained = 0;
    ck_assert_msg(!verify_tier(&tier, SWAX_PREC_F32, &plan, &r, why), "%s", why);
    ck_assert_msg(r.failed > 0 && r.cause >= 0, "%d failed, cause %d", r.failed, r.cause);
    ck_assert_str_eq(r.where, "in the backward only");
    ck_assert_str_eq(cause_words(words, &r, r.cause),
                     "the weight is taken as 1 + w, in the forward and in the backward, in the backward only");
}
END_TEST

/* ---- what is in no library has no name: the reference's answers, damaged by as much as a rounding, and by more */

enum damage { FACTOR, NOISE, SOME, MIXED, LATE, DAMAGES };
static const char *const damage_says[] = {"a factor", "noise", "one element in seven", "the reverse is mixed in",
                                          "what stands 5 before is mixed in"};
static const double by[] = {3e-5, 1e-3, 3e-2, 0.5};
enum { BYS = sizeof by / sizeof *by };
struct damaged { enum damage how; double by; int part, arg; };    /* part -1: all that is answered */

static void damage(const struct damaged *d, double *a, const double *before, long n)
{
    double *was = op_take((size_t)n, sizeof *was);
    double most = 0;
    uint64_t random = 7;
    for (long e = 0; e < n; e++)
        most = isfinite(a[e]) ? fmax(most, fabs(a[e])) : most;
    memcpy(was, a, (size_t)n * sizeof *was);
    for (long e = 0; e < n; e++) {
        const double base = before ? before[e] : 0, other = was[d->how == MIXED ? n - 1 - e : e >= 5 ? e - 5 : e];
        const double u = (double)(op_random(&random) >> 11) * 0x1p-52 - 1;
        a[e] = d->how == FACTOR ? base + (was[e] - base) * (1 + d->by)
             : d->how == NOISE  ? was[e] + d->by * most * u
             : d->how == SOME   ? was[e] + (e % 7 == 3 ? d->by * most : 0)
                                : was[e] + d->by * (other - was[e]);
    }
    free(was);
}

static const char *answer_damaged(void *arg, const struct problem *p, struct op_case got[PARTS], struct report *r,
                                  int *lost)
{
    const struct damaged *d = arg;
    char trouble[OP_SENTENCE];
    (void)r, (void)lost;
    run_problem(swax_tiers[0], SWAX_PREC_F32, p, got, trouble);
    for (int part = 0; part < p->subject.n; part++)
        for (int i = 0; i < got[part].n; i++)
            if (problem_is_answer(p, part, i) && (d->part < 0 || (d->part == part && d->arg == i)))
                damage(d, got[part].arg[i], swax_ops[got[part].op].arg[i].role == ADD ? p->in[part].arg[i] : NULL,
                       got[part].size[i]);
    return NULL;
}

static const char *const with_roundings[] = {"attention_forward", "mlstm_forward", "delta_forward", "linear"};

START_TEST(what_is_in_no_library_has_no_name)
{
    struct plan plan = {.wish = { .states = 1, .documents = 1, .noise = 1 }, .suite = suite_find("quick"), .only = -1};
    static const struct { char letter; int value; } sizes[] = {
        {'B', 2}, {'T', 18}, {'S', 20}, {'H', 2}, {'K', 6}, {'V', 5}, {'D', 6}};
    static struct report r;
    uint64_t random = 3;
    int named = 0, asked = 0, wrong = 0;
    ck_assert_msg(!subject_find(&plan.subject, with_roundings[_i], why), "%s", why);
    const char *dims = swax_ops[plan.subject.op[0]].dims;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes && strchr(dims, 'T'); k++)
        if (strchr(dims, sizes[k].letter)) {
            plan.wish.dim[plan.wish.n_dims].letter = sizes[k].letter;
            plan.wish.dim[plan.wish.n_dims++].value = sizes[k].value;
        }
    for (int k = 0; k < DAMAGES * BYS * 2; k += suite_long() ? 1 : 3) {
        struct damaged d = {(enum damage)(k % DAMAGES), by[k / DAMAGES % BYS], -1, 0};
        const struct candidate c = {.answer = answer_damaged, .arg = &d};
        while (k >= DAMAGES * BYS && (d.part < 0 || !op_answers(&swax_ops[plan.subject.op[d.part]].arg[d.arg]))) {
            d.part = (int)(op_random(&random) % (uint64_t)plan.subject.n);
            d.arg = (int)(op_random(&random) % (uint64_t)op_args(&swax_ops[plan.subject.op[d.part]]));
        }
        plan.seed = 1 + (uint64_t)k;
        report_begin(&r, &plan);
        r.gauge = 1;
        ck_assert_msg(!verify_run(&plan, &c, &r, why), "%s", why);
        asked++;
        const int is = r.failed > 0, called = is && r.cause >= 0;
        wrong += is;
        named += called;
        if (called)
            printf("%s: %s, by %g, in %s, is called %s by its %s, which explains %.2f\n", with_roundings[_i],
                   damage_says[d.how], d.by, d.part < 0 ? "all" : swax_ops[plan.subject.op[d.part]].arg[d.arg].name,
                   cause_is(r.cause)->name, r.alike ? "size" : "numbers", r.explained);
    }
    printf("%-17s %d kernels of no library refused, %d named\n", with_roundings[_i], wrong, named);
    ck_assert_int_ge(wrong, asked / 2);    /* some damage is less than a rounding, or strikes what is not asked */
    ck_assert_msg(!named, "%d of %d kernels that are in no library have a name", named, wrong);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("causes");
    TCase *t = tcase_create("named");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, others_kernels_are_named, 0, (int)(sizeof wrongs / sizeof *wrongs));
    TCase *w = tcase_create("somewhere");
    tcase_set_timeout(w, 300);
    tcase_add_loop_test(w, a_cause_that_holds_somewhere_is_named_with_the_place, 0,
                        (int)(sizeof somewheres / sizeof *somewheres));
    tcase_add_test(w, a_right_forward_is_not_called_wrong);
    TCase *u = tcase_create("unnamed");
    tcase_set_timeout(u, 300);
    tcase_add_loop_test(u, what_is_in_no_library_has_no_name, 0, (int)(sizeof with_roundings / sizeof *with_roundings));
    suite_add_tcase(s, t);
    suite_add_tcase(s, w);
    suite_add_tcase(s, u);
    return suite_ends(s);
}
