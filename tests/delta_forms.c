/* delta_forms.c - see delta_forms.h.  In a chunk that S enters, with G the sums of its gates from its first token on:
 *
 *     X_ij = exp(G_i - G_j) for j <= i of one document, else 0         a number for each channel, as E and Z are
 *     E_i = exp(G_i) where i's document began before the chunk         Z_j = exp(G_last - G_j) where j is of the last
 *     C_ij = sum_c k_ic k_jc X_ij(c), j < i      P_ij = sum_c q_ic k_jc X_ij(c), j <= i      e = erase
 *     r_i = v_i - e ( S^T (E_i k_i) + sum_{j<i} C_ij u_j ),   u_i = beta_i r_i
 *     y_i = scale ( S^T (E_i q_i) + sum_j P_ij u_j )          S' = E_last S + sum_j (Z_j k_j) u_j^T
 *
 * and backward, D the gradient of S': du_j from the queries and from S', then from the r_i behind it; N_ij and M_ij are
 * the gradients of q_i.k_j and k_i.k_j, and every gate has the sum of what crosses it, pair by pair. */
#include "tests/delta_forms.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double *zeros(long n) { return calloc((size_t)n, sizeof(double)); }

struct delta_solution delta_solution_new(int T, int K, int V, int J)
{
    const long t = T, k = K, v = V, j = J;
    return (struct delta_solution){ .y = zeros(t*v), .r = zeros(t*v), .S1 = zeros(k*v), .dq = zeros(t*k),
                                    .dk = zeros(t*k),
                                    .dv = zeros(t*v), .dg = zeros(t*j), .dbeta = zeros(t), .dS0 = zeros(k*v) };
}

void delta_solution_free(struct delta_solution *s)
{
    double *all[] = { s->y, s->r, s->S1, s->dq, s->dk, s->dv, s->dg, s->dbeta, s->dS0 };
    for (int i = 0; i < 9; i++)
        free(all[i]);
}

/* A chunk: tokens t0 .. t0+n-1. */
struct chunk { const struct delta_problem *p; int t0, n; };

/* g of after+1 .. upto, counted in the chunk */
static double gate_sum(const struct chunk *x, int after, int upto, int c)
{
    double sum = 0;
    for (int i = after + 1; i <= upto; i++)
        sum += x->p->g[(x->t0 + i)*x->p->J + (x->p->J == 1 ? 0 : c)];
    return sum;
}

/* exp of the gates between j and i, 0 across a document's start; j = -1 is the state that enters */
static double linked(const struct chunk *x, int i, int j, int c)
{
    for (int t = j + 1; t <= i; t++)
        if (x->p->fresh[x->t0 + t])
            return 0;
    return exp(gate_sum(x, j, i, c));
}

static double product(const struct chunk *x, const double *a, const double *b, int i, int j)
{
    const int K = x->p->K;
    double sum = 0;
    for (int c = 0; c < K; c++)
        sum += a[(x->t0 + i)*K + c] * b[(x->t0 + j)*K + c] * linked(x, i, j, c);
    return sum;
}

/* y and r of the chunk; S from before it to after it */
static void chunk_forward(struct delta_solution *s, double *S, const struct chunk *x)
{
    const struct delta_problem *p = x->p;
    const int K = p->K, V = p->V, n = x->n;
    for (int e = 0; e < V; e++) {
        double u[64];
        for (int i = 0; i < n; i++) {
            const int t = x->t0 + i;
            double r = p->v[t*V + e], y = 0;
            for (int c = 0; c < K; c++) {
                r -= p->erase * linked(x, i, -1, c) * p->k[t*K + c] * S[c*V + e];
                y += linked(x, i, -1, c) * p->q[t*K + c] * S[c*V + e];
            }
            for (int j = 0; j < i; j++)
                r -= p->erase * product(x, p->k, p->k, i, j) * u[j];
            s->r[t*V + e] = r;
            u[i] = p->beta[t] * r;
            for (int j = 0; j <= i; j++)
                y += product(x, p->q, p->k, i, j) * u[j];
            s->y[t*V + e] = p->scale * y;
        }
        for (int c = 0; c < K; c++) {
            double out = linked(x, n - 1, -1, c) * S[c*V + e];
            for (int j = 0; j < n; j++)
                out += linked(x, n - 1, j, c) * p->k[(x->t0 + j)*K + c] * u[j];
            S[c*V + e] = out;
        }
    }
}

/* What the gates that a link from j to i crosses are given: j < r <= i; i = n is the state that leaves */
static void cross(struct delta_solution *s, const struct chunk *x, int i, int j, int c, double z)
{
    for (int r = j + 1; r <= i && r < x->n; r++)
        s->dg[(x->t0 + r)*x->p->J + (x->p->J == 1 ? 0 : c)] += z;
}

/* The gradient `by` of sum_c a_ic b_jc X_ij(c), to a, b and the gates. */
static void pair_back(struct delta_solution *s, const struct chunk *x, double *da, double *db, const double *a,
                      const double *b, int i, int j, double by)
{
    const int K = x->p->K, ti = x->t0 + i, tj = x->t0 + j;
    for (int c = 0; c < K; c++) {
        const double z = by * linked(x, i, j, c);
        da[ti*K + c] += z * b[tj*K + c];
        db[tj*K + c] += z * a[ti*K + c];
        cross(s, x, i, j, c, z * a[ti*K + c] * b[tj*K + c]);
    }
}

/* D from after the chunk to before it; S is the state before it. */
static void chunk_backward(struct delta_solution *s, double *D, const double *S, const struct chunk *x)
{
    const struct delta_problem *p = x->p;
    const int K = p->K, V = p->V, n = x->n;
    double *in = zeros(K*V);
    for (int e = 0; e < V; e++) {
        double dr[64];
        for (int i = n - 1; i >= 0; i--) {
            const int t = x->t0 + i;
            double du = 0;
            for (int l = i; l < n; l++)
                du += p->scale * p->dy[(x->t0 + l)*V + e] * product(x, p->q, p->k, l, i);
            for (int l = i + 1; l < n; l++)
                du -= p->erase * dr[l] * product(x, p->k, p->k, l, i);
            for (int c = 0; c < K; c++)
                du += linked(x, n - 1, i, c) * p->k[t*K + c] * D[c*V + e];
            dr[i] = p->beta[t] * du;
            s->dv[t*V + e] = dr[i];
            s->dbeta[t] += du * s->r[t*V + e];
        }
        for (int i = 0; i < n; i++) {
            const int t = x->t0 + i;
            const double dy = p->scale * p->dy[t*V + e], u = p->beta[t] * s->r[t*V + e];
            for (int j = 0; j <= i; j++) {
                const double uj = p->beta[x->t0 + j] * s->r[(x->t0 + j)*V + e];
                pair_back(s, x, s->dq, s->dk, p->q, p->k, i, j, dy * uj);
                if (j < i)
                    pair_back(s, x, s->dk, s->dk, p->k, p->k, i, j, -p->erase * dr[i] * uj);
            }
            for (int c = 0; c < K; c++) {
                const double E = linked(x, i, -1, c), Z = linked(x, n - 1, i, c), Sc = S[c*V + e], Dc = D[c*V + e];
                const double kt = p->k[t*K + c], qt = p->q[t*K + c], asked = -p->erase * dr[i];
                s->dq[t*K + c] += dy * E * Sc;
                s->dk[t*K + c] += asked * E * Sc + Z * Dc * u;
                in[c*V + e] += dy * E * qt + asked * E * kt;
                cross(s, x, i, -1, c, E * Sc * (dy * qt + asked * kt));
                cross(s, x, n, i, c, Z * kt * u * Dc);
            }
        }
        for (int c = 0; c < K; c++) {
            const double through = linked(x, n - 1, -1, c) * D[c*V + e];
            in[c*V + e] += through;
            cross(s, x, n, -1, c, through * S[c*V + e]);
        }
    }
    memcpy(D, in, (size_t)(K*V) * sizeof *D);
    free(in);
}

void delta_chunks(struct delta_solution *s, const struct delta_problem *p, int L)
{
    const long KV = (long)p->K*p->V;
    const int chunks = (p->T - 1) / L + 1;
    double *S = zeros((chunks + 1) * KV);
    for (int i = 0; i < chunks; i++) {
        const struct chunk x = { p, i*L, (i + 1)*L < p->T ? L : p->T - i*L };
        if (!i && p->S0)
            memcpy(S, p->S0, (size_t)KV * sizeof *S);
        memcpy(S + (i + 1)*KV, S + i*KV, (size_t)KV * sizeof *S);
        chunk_forward(s, S + (i + 1)*KV, &x);
    }
    memcpy(s->S1, S + chunks*KV, (size_t)KV * sizeof *S);
    if (p->dy) {
        double *all[] = { s->dq, s->dk, s->dg, s->dbeta }, *D = s->dS0;
        const long size[] = { (long)p->T*p->K, (long)p->T*p->K, (long)p->T*p->J, p->T };
        for (int i = 0; i < 4; i++)
            memset(all[i], 0, (size_t)size[i] * sizeof(double));
        memset(D, 0, (size_t)KV * sizeof *D);
        if (p->dS1)
            memcpy(D, p->dS1, (size_t)KV * sizeof *D);
        for (int i = chunks - 1; i >= 0; i--) {
            const struct chunk x = { p, i*L, (i + 1)*L < p->T ? L : p->T - i*L };
            chunk_backward(s, D, S + i*KV, &x);
        }
    }
    free(S);
}
