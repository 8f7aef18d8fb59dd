/* mlstm_forms.c - see mlstm_forms.h.  s = 1/sqrt(K); lf = log sigmoid(f); li = i or log sigmoid(i). */
#include "tests/mlstm_forms.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EXPONENTIAL, SIGMOID, SIGMOID_NORMALISED, LOG };

static double *zeros(long n) { return calloc((size_t)n, sizeof(double)); }

static double sg(double x) { return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x)); }
static double log_sg(double x) { return fmin(x, 0) - log1p(exp(-fabs(x))); }

static double inner(const double *a, const double *b, long n)
{
    double sum = 0;
    for (long e = 0; e < n; e++)
        sum += a[e] * b[e];
    return sum;
}

struct mlstm_solution mlstm_solution_new(int T, int K, int V)
{
    const long t = T, k = K, v = V;
    return (struct mlstm_solution){ zeros(t*v), zeros(k*v), zeros(k), zeros(t*k), zeros(t*k), zeros(t*v), zeros(t),
                                    zeros(t), zeros(k*v), zeros(k) };
}

void mlstm_solution_free(struct mlstm_solution *s)
{
    double *all[] = { s->h, s->C1, s->n1, s->dq, s->dk, s->dv, s->di, s->df, s->dC0, s->dn0 };
    for (int i = 0; i < 10; i++)
        free(all[i]);
}

/* lf, li and the stabiliser m_t = max(lf_t + m_{t-1}, li_t); m[0] is m_{-1}, so token t has m[t+1] */
static void gates(double *lf, double *li, double *m, const struct mlstm_problem *p)
{
    m[0] = p->gate == EXPONENTIAL ? p->m0 : 0;
    for (int t = 0; t < p->T; t++) {
        lf[t] = p->gate == LOG ? p->f[t] : log_sg(p->f[t]);
        li[t] = p->gate == EXPONENTIAL || p->gate == LOG ? p->i[t] : log_sg(p->i[t]);
        m[t+1] = p->gate == EXPONENTIAL ? fmax(lf[t] + m[t], li[t]) : 0;
    }
}

static double normaliser(double d, double m, const struct mlstm_problem *p)
{
    return p->gate == SIGMOID || p->gate == LOG ? 1 : fmax(fabs(d), exp(-m)) + p->eps;
}

/* gamma = dL/dd; dhh is <dh,h> */
static double grad_d(double d, double m, double dhh, const struct mlstm_problem *p)
{
    if (p->gate == SIGMOID || p->gate == LOG || fabs(d) <= exp(-m))
        return 0;
    return (d > 0 ? -dhh : dhh) / normaliser(d, m, p);
}

/* through the gates' own functions: dli -> di, dlf -> df */
static void gate_gradients(struct mlstm_solution *s, const double *dli, const double *dlf,
                           const struct mlstm_problem *p)
{
    for (int t = 0; t < p->T; t++) {
        s->di[t] = p->gate == EXPONENTIAL || p->gate == LOG ? dli[t] : dli[t] * sg(-p->i[t]);
        s->df[t] = p->gate == LOG ? dlf[t] : dlf[t] * sg(-p->f[t]);
    }
}

/* to (n) = factor from, or 0 */
static void scaled(double *to, const double *from, double factor, long n)
{
    for (long e = 0; e < n; e++)
        to[e] = from ? factor * from[e] : 0;
}

/* ---- recurrent */

void mlstm_recurrent(struct mlstm_solution *s, const struct mlstm_problem *p)
{
    const int T = p->T, K = p->K, V = p->V;
    const long KV = (long)K*V;
    const double scale = 1 / sqrt(K);
    double *lf = zeros(T), *li = zeros(T), *m = zeros(T + 1), *phi = zeros(T), *a = zeros(T), *d = zeros(T);
    double *C = zeros((T + 1) * KV), *n = zeros((T + 1) * K);    /* C + t KV: the state that token t finds */
    gates(lf, li, m, p);
    scaled(C, p->C0, 1, KV);
    scaled(n, p->n0, 1, K);
    for (int t = 0; t < T; t++) {
        phi[t] = exp(lf[t] + m[t] - m[t+1]);
        a[t] = exp(li[t] - m[t+1]);
        for (int r = 0; r < K; r++) {
            for (int c = 0; c < V; c++)
                C[(t+1)*KV + r*V + c] = phi[t] * C[t*KV + r*V + c] + a[t] * p->k[t*K + r] * p->v[t*V + c];
            n[(t+1)*K + r] = phi[t] * n[t*K + r] + a[t] * p->k[t*K + r];
        }
        d[t] = scale * inner(p->q + t*K, n + (t+1)*K, K);
        for (int r = 0; r < K; r++)
            for (int c = 0; c < V; c++)
                s->h[t*V + c] += scale * p->q[t*K + r] * C[(t+1)*KV + r*V + c] / normaliser(d[t], m[t+1], p);
    }
    scaled(s->C1, C + T*KV, exp(m[T] - p->gauge), KV);
    scaled(s->n1, n + T*K, exp(m[T] - p->gauge), K);

    double *dC = zeros(KV), *dn = zeros(K), *G = zeros(V), *dli = zeros(T), *dlf = zeros(T);
    scaled(dC, p->dC1, exp(m[T] - p->gauge), KV);
    scaled(dn, p->dn1, exp(m[T] - p->gauge), K);
    for (int t = T - 1; t >= 0; t--) {
        const double *q = p->q + t*K, *k = p->k + t*K, *v = p->v + t*V, *Ct = C + (t+1)*KV, *nt = n + (t+1)*K;
        const double gamma = grad_d(d[t], m[t+1], inner(p->dh + t*V, s->h + t*V, V), p);
        scaled(G, p->dh + t*V, 1 / normaliser(d[t], m[t+1], p), V);
        for (int r = 0; r < K; r++) {
            for (int c = 0; c < V; c++)
                dC[r*V + c] += scale * q[r] * G[c];
            dn[r] += scale * gamma * q[r];
            s->dq[t*K + r] = scale * (inner(Ct + r*V, G, V) + gamma * nt[r]);
            s->dk[t*K + r] = a[t] * (inner(dC + r*V, v, V) + dn[r]);
            for (int c = 0; c < V; c++)
                s->dv[t*V + c] += a[t] * dC[r*V + c] * k[r];
        }
        dli[t] = inner(k, s->dk + t*K, K);
        dlf[t] = phi[t] * (inner(dC, C + t*KV, KV) + inner(dn, n + t*K, K));
        scaled(dC, dC, phi[t], KV);
        scaled(dn, dn, phi[t], K);
    }
    scaled(s->dC0, dC, 1, KV);
    scaled(s->dn0, dn, 1, K);
    gate_gradients(s, dli, dlf, p);
    free(lf), free(li), free(m), free(phi), free(a), free(d), free(C), free(n);
    free(dC), free(dn), free(G), free(dli), free(dlf);
}

/* ---- parallel */

void mlstm_parallel(struct mlstm_solution *s, const struct mlstm_problem *p)
{
    const int T = p->T, K = p->K, V = p->V;
    const double scale = 1 / sqrt(K);
    double *lf = zeros(T), *li = zeros(T), *m = zeros(T + 1), *out = zeros(T), *d = zeros(T), *N = zeros(T);
    double *E = zeros((long)T*T), *D = zeros((long)T*T), *P = zeros((long)T*T), *dE = zeros((long)T*T);
    gates(lf, li, m, p);

    /* E_ts = li_s + lf_{s+1} + .. + lf_t, whose row maximum is this form's own m */
    for (int t = 0; t < T; t++) {
        m[t+1] = p->gate == EXPONENTIAL ? -INFINITY : 0;
        for (int j = 0; j <= t; j++) {
            E[t*T + j] = j == t ? li[t] : E[(t-1)*T + j] + lf[t];
            m[t+1] = p->gate == EXPONENTIAL ? fmax(m[t+1], E[t*T + j]) : 0;
        }
    }
    for (int t = 0; t < T; t++) {
        for (int j = 0; j <= t; j++) {
            D[t*T + j] = exp(E[t*T + j] - m[t+1]);
            P[t*T + j] = scale * inner(p->q + t*K, p->k + j*K, K) * D[t*T + j];
            d[t] += P[t*T + j];
        }
        N[t] = normaliser(d[t], m[t+1], p);
        for (int j = 0; j <= t; j++)
            for (int c = 0; c < V; c++)
                s->h[t*V + c] += P[t*T + j] * p->v[j*V + c] / N[t];
    }
    for (int j = 0; j < T; j++) {
        out[j] = exp(E[(T-1)*T + j] - p->gauge);    /* the weight of token j in the state that goes out */
        for (int r = 0; r < K; r++) {
            for (int c = 0; c < V; c++)
                s->C1[r*V + c] += out[j] * p->k[j*K + r] * p->v[j*V + c];
            s->n1[r] += out[j] * p->k[j*K + r];
        }
    }

    double *dli = zeros(T), *dlf = zeros(T), *dout = zeros(T);
    for (int t = 0; t < T; t++) {
        const double gamma = grad_d(d[t], m[t+1], inner(p->dh + t*V, s->h + t*V, V), p);
        for (int j = 0; j <= t; j++) {
            const double dP = inner(p->dh + t*V, p->v + j*V, V) / N[t] + gamma;
            dE[t*T + j] = dP * P[t*T + j];
            for (int r = 0; r < K; r++) {
                s->dq[t*K + r] += scale * dP * D[t*T + j] * p->k[j*K + r];
                s->dk[j*K + r] += scale * dP * D[t*T + j] * p->q[t*K + r];
            }
            for (int c = 0; c < V; c++)
                s->dv[j*V + c] += P[t*T + j] * p->dh[t*V + c] / N[t];
        }
    }
    for (int j = 0; j < T; j++)
        for (int r = 0; r < K; r++) {
            const double g = inner(p->dC1 + r*V, p->v + j*V, V) + p->dn1[r];
            s->dk[j*K + r] += out[j] * g;
            dout[j] += out[j] * g * p->k[j*K + r];
            for (int c = 0; c < V; c++)
                s->dv[j*V + c] += out[j] * p->dC1[r*V + c] * p->k[j*K + r];
        }
    /* li_j is in column j; lf_r links every j < r with every t >= r and with the state */
    for (int r = 0; r < T; r++) {
        dli[r] = dout[r];
        for (int t = r; t < T; t++)
            dli[r] += dE[t*T + r];
        for (int j = 0; j < r; j++) {
            dlf[r] += dout[j];
            for (int t = r; t < T; t++)
                dlf[r] += dE[t*T + j];
        }
    }
    gate_gradients(s, dli, dlf, p);
    free(lf), free(li), free(m), free(out), free(d), free(N), free(E), free(D), free(P), free(dE);
    free(dli), free(dlf), free(dout);
}

/* ---- chunkwise: one chunk of tokens t0 .. t0+L-1, local index j; C' = [C | n] has V+1 columns, v' = [v | 1] */

struct chunk { int t0, L; double *bb, *ab, *D, gb; };

static void weights(struct chunk *c, const double *lf, const double *li, const double *m)
{
    const int L = c->L;
    lf += c->t0, li += c->t0, m += c->t0;    /* m[0] is the stabiliser before the chunk */
    double b = 0, suffix = 0;
    for (int j = 0; j < L; j++) {
        b += lf[j];
        c->bb[j] = exp(b + m[0] - m[j+1]);
        double between = 0;
        for (int e = j; e >= 0; e--) {
            c->D[j*L + e] = exp(li[e] + between - m[j+1]);
            between += lf[e];
        }
    }
    for (int j = L - 1; j >= 0; j--) {
        c->ab[j] = exp(li[j] + suffix - m[L]);
        suffix += lf[j];
    }
    c->gb = exp(b + m[0] - m[L]);
}

static double column(const double *v, int c, int V) { return c < V ? v[c] : 1; }

/* Exit state from entry state: C'_out = gb C'_in + sum_j ab_j k_j v'_j^T */
static void advance(double *to, const double *from, const struct chunk *c, const struct mlstm_problem *p)
{
    const int K = p->K, V = p->V;
    for (int r = 0; r < K; r++)
        for (int e = 0; e <= V; e++) {
            double sum = c->gb * from[r*(V+1) + e];
            for (int j = 0; j < c->L; j++)
                sum += c->ab[j] * p->k[(c->t0 + j)*K + r] * column(p->v + (c->t0 + j)*V, e, V);
            to[r*(V+1) + e] = sum;
        }
}

/* [num | d] = P V' + s bb q C'_in */
static void read_out(double *num, const double *in, int j, const struct chunk *c, const struct mlstm_problem *p)
{
    const int K = p->K, V = p->V;
    const double *q = p->q + (c->t0 + j)*K, scale = 1 / sqrt(K);
    for (int e = 0; e <= V; e++) {
        num[e] = 0;
        for (int r = 0; r < K; r++)
            num[e] += scale * c->bb[j] * q[r] * in[r*(V+1) + e];
        for (int o = 0; o <= j; o++)
            num[e] += scale * inner(q, p->k + (c->t0 + o)*K, K) * c->D[j*c->L + o] * column(p->v + (c->t0 + o)*V, e, V);
    }
}

/* Backward through one chunk: g (L, V+1) is G' = [dh/N | gamma]; dout is the gradient of the exit state and becomes
 * that of the entry state. */
static void chunk_backward(struct mlstm_solution *s, double *dli, double *dlf, double *dout, const double *g,
                           const double *in, const double *out, const struct chunk *c, const struct mlstm_problem *p)
{
    const int K = p->K, V = p->V, L = c->L;
    const double scale = 1 / sqrt(K);
    double *dq = s->dq + c->t0*K, *dk = s->dk + c->t0*K, *dv = s->dv + c->t0*V;
    const double *q = p->q + c->t0*K, *k = p->k + c->t0*K, *v = p->v + c->t0*V;
    for (int j = 0; j < L; j++)
        for (int o = 0; o <= j; o++) {
            double dP = 0;
            for (int e = 0; e <= V; e++)
                dP += g[j*(V+1) + e] * column(v + o*V, e, V);
            const double dS = dP * c->D[j*L + o], P = scale * inner(q + j*K, k + o*K, K) * c->D[j*L + o];
            for (int r = 0; r < K; r++) {
                dq[j*K + r] += scale * dS * k[o*K + r];
                dk[o*K + r] += scale * dS * q[j*K + r];
            }
            for (int e = 0; e < V; e++)
                dv[o*V + e] += P * g[j*(V+1) + e];
        }
    for (int j = 0; j < L; j++)
        for (int r = 0; r < K; r++)
            for (int e = 0; e <= V; e++) {
                dq[j*K + r] += scale * c->bb[j] * g[j*(V+1) + e] * in[r*(V+1) + e];
                dk[j*K + r] += c->ab[j] * column(v + j*V, e, V) * dout[r*(V+1) + e];
                if (e < V)
                    dv[j*V + e] += c->ab[j] * k[j*K + r] * dout[r*(V+1) + e];
            }
    double anchor = inner(dout, out, (long)K*(V+1));    /* dlf behind the chunk's last token */
    for (int j = L - 1; j >= 0; j--) {
        dli[c->t0 + j] = inner(k + j*K, dk + j*K, K);
        anchor += inner(q + j*K, dq + j*K, K) - dli[c->t0 + j];
        dlf[c->t0 + j] = anchor;
    }
    for (int r = 0; r < K; r++)
        for (int e = 0; e <= V; e++) {
            double sum = c->gb * dout[r*(V+1) + e];
            for (int j = 0; j < L; j++)
                sum += scale * c->bb[j] * q[j*K + r] * g[j*(V+1) + e];
            dout[r*(V+1) + e] = sum;
        }
}

/* C' = factor [C | n], 0 for NULL */
static void join(double *to, const double *C, const double *n, double factor, int K, int V)
{
    for (int r = 0; r < K && C; r++)
        for (int e = 0; e <= V; e++)
            to[r*(V+1) + e] = factor * (e < V ? C[r*V + e] : n[r]);
}

static void part(double *C, double *n, const double *from, double factor, int K, int V)
{
    for (int r = 0; r < K; r++)
        for (int e = 0; e <= V; e++)
            *(e < V ? &C[r*V + e] : &n[r]) = factor * from[r*(V+1) + e];
}

void mlstm_chunkwise(struct mlstm_solution *s, const struct mlstm_problem *p, int L)
{
    const int T = p->T, K = p->K, V = p->V, chunks = (T + L - 1) / L;
    const long state = (long)K*(V+1);
    double *lf = zeros(T), *li = zeros(T), *m = zeros(T + 1), *C = zeros((chunks + 1) * state),
           *g = zeros((long)T*(V+1));
    double *bb = zeros(L), *ab = zeros(L), *D = zeros((long)L*L), *num = zeros(V + 1);
    double *dout = zeros(state), *dli = zeros(T), *dlf = zeros(T);
    gates(lf, li, m, p);
    join(C, p->C0, p->n0, 1, K, V);
    for (int n = 0; n < chunks; n++) {
        struct chunk c = { n*L, n*L + L < T ? L : T - n*L, bb, ab, D, 0 };
        weights(&c, lf, li, m);
        for (int j = 0; j < c.L; j++) {
            const int t = c.t0 + j;
            read_out(num, C + n*state, j, &c, p);
            const double N = normaliser(num[V], m[t+1], p);
            scaled(s->h + t*V, num, 1 / N, V);
            scaled(g + t*(V+1), p->dh + t*V, 1 / N, V);
            g[t*(V+1) + V] = grad_d(num[V], m[t+1], inner(p->dh + t*V, s->h + t*V, V), p);
        }
        advance(C + (n+1)*state, C + n*state, &c, p);
    }
    part(s->C1, s->n1, C + chunks*state, exp(m[T] - p->gauge), K, V);

    join(dout, p->dC1, p->dn1, exp(m[T] - p->gauge), K, V);
    for (int n = chunks - 1; n >= 0; n--) {
        struct chunk c = { n*L, n*L + L < T ? L : T - n*L, bb, ab, D, 0 };
        weights(&c, lf, li, m);
        chunk_backward(s, dli, dlf, dout, g + c.t0*(V+1), C + n*state, C + (n+1)*state, &c, p);
    }
    part(s->dC0, s->dn0, dout, 1, K, V);
    gate_gradients(s, dli, dlf, p);
    free(lf), free(li), free(m), free(C), free(g), free(bb), free(ab), free(D), free(num), free(dout), free(dli),
        free(dlf);
}
