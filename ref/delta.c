/* delta.c - the gated delta rule (Yang et al. 2024; with a gate for each channel, Kimi Linear 2025) and, without its
 * erasing, linear attention with decay.  In one head, with e = erase:
 *
 *   forward    S'  = diag(exp(g_t)) S_{t-1}          the state fades,
 *              r_t = v_t - e S'^T k_t                is asked what it holds for k_t, and is wrong by r_t;
 *              u_t = beta_t r_t
 *              S_t = S' + k_t u_t^T                  this much of the error is made good,
 *              y_t = s S_t^T q_t                     and only then is the state read
 *
 *   so S_t = (I - e beta_t k_t k_t^T) diag(exp(g_t)) S_{t-1} + beta_t k_t v_t^T.
 *
 *   backward, the same lines upwards.  D is the gradient of the state; it begins as dS1, and for t = T-1 .. 0
 *              D     += s q_t dy_t^T                 dq_t = s S_t dy_t
 *              du_t   = D^T k_t                      the gradient of u_t
 *              dv_t   = beta_t du_t                  the gradient of r_t, and so that of v_t
 *              dbeta_t = du_t.r_t
 *              dk_t   = D u_t - e beta_t S' du_t     as the key that writes, and as the one that asks
 *              D'     = D - e beta_t k_t du_t^T      the gradient of S'
 *              dg_t   = rows(D' o S')                product element by element, summed over each row; J = 1: over all
 *              D      = diag(exp(g_t)) D'            the gradient of S_{t-1}; after token 0 it is dS0
 *
 * dg is taken by its definition, row by row.  It could be had from sums of q.dq and k.dk alone, but these cancel where
 * gates are shut.  S_{t-1} is not found by undoing token t, which would divide by exp(g): it is computed again from the
 * last saved state, with the saved r.
 *
 * At the first token of a document S' = 0, so that r = v, dg = 0 and no gradient goes on to what came
 * before.  PAPER_NOTES, section 5, derives the gradient. */
#include "ref/scalar.h"

/* The rows of token t and value head h in the arrays of keys, values and gates: h reads key head h G/H. */
struct delta_row { long key, value, gate; };

static struct delta_row delta_row(int b, int t, int h, int T, int H, int G)
{
    const long bt = (long)b*T + t;
    return (struct delta_row){ bt*G + (long)h*G/H, bt*H + h, bt*H + h };
}

/* S' from S_{t-1}: row i times exp(g_i), or 0 where a document begins (fresh) */
static void fade(stat *S, const stat *g, int fresh, int K, int V, int J)
{
    for (int i = 0; i < K; i++) {
        const stat keep = exp(g[J == 1 ? 0 : i]);
        for (int c = 0; c < V; c++)
            S[(long)i*V + c] = fresh ? 0 : keep * S[(long)i*V + c];
    }
}

static void delta_forward(real *y, stat *S1, stat *r, stat *Ss,
                          const real *q, const real *k, const real *v, const stat *g, const stat *beta,
                          const stat *S0, const int *start,
                          int B, int T, int H, int G, int K, int V, int J, int L, int erase, double scale)
{
    const long KV = (long)K*V, chunks = (T - 1) / L + 1;
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++) {
            const long bh = (long)b*H + h;
            stat *S = S1 + bh*KV;
            for (long e = 0; e < KV; e++)
                S[e] = S0 ? S0[bh*KV + e] : 0;

            for (int t = 0; t < T; t++) {
                const struct delta_row at = delta_row(b, t, h, T, H, G);
                const real *qt = q + at.key*K, *kt = k + at.key*K, *vt = v + at.value*V;
                for (long e = 0; e < KV && Ss && t % L == 0; e++)
                    Ss[(bh*chunks + t/L)*KV + e] = S[e];

                fade(S, g + at.gate*J, start && start[(long)b*T + t] == t, K, V, J);
                for (int c = 0; c < V; c++) {
                    stat known = 0, read = 0;
                    for (int i = 0; i < K && erase; i++)
                        known += S[(long)i*V + c] * kt[i];
                    const stat rc = vt[c] - known, u = beta[at.gate] * rc;
                    for (int i = 0; i < K; i++) {
                        S[(long)i*V + c] += kt[i] * u;
                        read += S[(long)i*V + c] * qt[i];
                    }
                    r[at.value*V + c] = rc;
                    y[at.value*V + c] = (stat)scale * read;
                }
            }
        }
}

/* One head of one sequence, for the backward. */
struct delta_head {
    const real *q, *k, *v, *dy;
    const stat *g, *beta, *r, *Ss;      /* Ss: of this head */
    const int *first;                   /* of this sequence, or NULL */
    int b, h, T, H, G, K, V, J, L, erase;
    stat scale;
};

/* S = S'_t, from the state that was saved before t's chunk: what the tokens in between wrote, beta r, is known */
static void state_before(stat *S, const struct delta_head *a, int t)
{
    const long KV = (long)a->K*a->V;
    for (long e = 0; e < KV; e++)
        S[e] = a->Ss[t/a->L*KV + e];
    for (int s = t - t % a->L; s <= t; s++) {
        const struct delta_row at = delta_row(a->b, s, a->h, a->T, a->H, a->G);
        const real *ks = a->k + at.key*a->K;
        fade(S, a->g + at.gate*a->J, a->first && a->first[s] == s, a->K, a->V, a->J);
        for (int i = 0; i < a->K && s < t; i++)
            for (int c = 0; c < a->V; c++)
                S[(long)i*a->V + c] += ks[i] * (a->beta[at.gate] * a->r[at.value*a->V + c]);
    }
}

/* Token t, where S is S'.  One column c of the state at a time: no line above mixes columns. */
static void delta_token(real *dq, real *dk, real *dv, stat *dg, stat *dbeta, stat *D, const stat *S,
                        const struct delta_head *a, int t)
{
    const struct delta_row at = delta_row(a->b, t, a->h, a->T, a->H, a->G);
    const real *qt = a->q + at.key*a->K, *kt = a->k + at.key*a->K, *dy = a->dy + at.value*a->V;
    const stat *g = a->g + at.gate*a->J, *r = a->r + at.value*a->V, beta = a->beta[at.gate], s = a->scale;
    const int fresh = a->first && a->first[t] == t;
    for (int c = 0; c < a->V; c++) {
        const stat u = beta * r[c];
        stat du = 0;
        for (int i = 0; i < a->K; i++) {
            stat *Dic = D + (long)i*a->V + c;
            *Dic += s * qt[i] * dy[c];
            du += *Dic * kt[i];
        }
        dv[at.value*a->V + c] += beta * du;
        dbeta[at.gate] += du * r[c];
        for (int i = 0; i < a->K; i++) {
            stat *Dic = D + (long)i*a->V + c;
            const stat Sic = S[(long)i*a->V + c], asked = a->erase ? beta * du : 0;
            dq[at.key*a->K + i] += s * (Sic + kt[i] * u) * dy[c];
            dk[at.key*a->K + i] += *Dic * u - Sic * asked;
            *Dic -= kt[i] * asked;
            dg[at.gate*a->J + (a->J == 1 ? 0 : i)] += fresh ? 0 : *Dic * Sic;
            *Dic = fresh ? 0 : exp(g[a->J == 1 ? 0 : i]) * *Dic;
        }
    }
}

static void delta_backward(real *dq, real *dk, real *dv, stat *dg, stat *dbeta, stat *dS0, stat *S, stat *D,
                           const real *dy, const stat *dS1,
                           const real *q, const real *k, const real *v, const stat *g, const stat *beta,
                           const stat *S0, const int *start, const stat *S1, const stat *r, const stat *Ss,
                           int B, int T, int H, int G, int K, int V, int J, int L, int erase, double scale)
{
    (void)S0, (void)S1; /* Ss begins with S0; a tier that takes dg by sums begins from S1 */
    const long KV = (long)K*V, chunks = (T - 1) / L + 1;
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++) {
            const long bh = (long)b*H + h;
            const struct delta_head a = {
                .q = q, .k = k, .v = v, .dy = dy, .g = g, .beta = beta, .r = r, .Ss = Ss + bh*chunks*KV,
                .first = start ? start + (long)b*T : NULL, .b = b, .h = h, .T = T, .H = H, .G = G, .K = K, .V = V,
                .J = J, .L = L, .erase = erase, .scale = (stat)scale
            };
            stat *Sh = S + bh*KV, *Dh = D + bh*KV;
            for (long e = 0; e < KV; e++)
                Dh[e] = dS1 ? dS1[bh*KV + e] : 0;
            for (int t = T - 1; t >= 0; t--) {
                state_before(Sh, &a, t);
                delta_token(dq, dk, dv, dg, dbeta, Dh, Sh, &a, t);
            }
            for (long e = 0; e < KV && dS0; e++)
                dS0[bh*KV + e] += Dh[e];
        }
}
