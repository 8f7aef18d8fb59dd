/* delta_chunk_impl.h - the delta rule by chunks of 16 tokens, as parallel kernels take it, forward only, with a switch
 * for every way to get it wrong. */
#ifndef SWAX_DELTA_CHUNK_IMPL_H
#define SWAX_DELTA_CHUNK_IMPL_H

#include "ref/oracle/faults/delta_token_impl.h"

enum { DELTA_CHUNK = 16 };

struct delta_chunk_twist {
    int exclusive;                 /* exp of the gates' sum without a token's own, for what enters */
    int tail, unwritten;   /* of a last chunk that is shorter: the state's decay left out; its last token not written */
    int A_undecayed, A_beta_of_j, A_no_beta, A_diagonal;
    int W_undecayed, U_decayed;    /* exp(G) not on the state's half of the right side; on both halves */
    int inverse;                   /* 1: I - A; 2: up to A^3; 3: one row short; 4: (I - A)(I + A^2)(I + A^4)(I + A^8) */
    stat (*inverse_kept)(stat);    /* rounds what the inverse is made of */
    int P_strict, P_undecayed, inter_undecayed;
    int v_for_u;                   /* into the state */
    int keys_undecayed, state_undecayed;
    int differences, factors;      /* exp(G_i - G_j), not of the gates between; exp(G) exp(-G), each in float */
    stat (*sum_kept)(stat);        /* rounds G */
};

/* n tokens from t0 on.  G: the running sums of the gates; enters: the decay of what comes in, up to token i; link: that
 * from j to i, 0 where a document begins between; keys, queries: products of a key, a query with the keys before it,
 * with their decay. */
struct delta_part {
    int t0, n, document[DELTA_CHUNK];
    stat *G, *enters, *link, keys[DELTA_CHUNK * DELTA_CHUNK], queries[DELTA_CHUNK * DELTA_CHUNK];
};

static stat delta_link(const struct delta_chunk_twist *w, const struct delta_one *a, const struct delta_part *p, int i,
                       int j, int ch)
{
    const stat Gi = p->G[i*a->J + ch], Gj = p->G[j*a->J + ch];
    stat between = 0;
    for (int t = j + 1; t <= i; t++)
        between += a->g[value_row(a, p->t0 + t)*a->J + ch];
    return p->document[i] != p->document[j] ? 0 : w->factors ? (stat)(expf((float)Gi) * expf((float)-Gj))
                                                : exp(w->differences || w->sum_kept ? Gi - Gj : between);
}

static void delta_part_gates(const struct delta_chunk_twist *w, const struct delta_one *a, struct delta_part *p)
{
    const int J = a->J;
    for (int i = 0; i < p->n; i++) {
        const stat *g = a->g + value_row(a, p->t0 + i)*J;
        p->document[i] = (i ? p->document[i - 1] : 0) + fresh_at(a, p->t0 + i);
        for (int ch = 0; ch < J; ch++) {
            const stat sum = rounded_by(w->sum_kept, (i ? p->G[(i - 1)*J + ch] : 0) + g[ch]);
            p->G[i*J + ch] = sum;
            p->enters[i*J + ch] = p->document[i] ? 0 : exp(w->exclusive ? sum - g[ch] : sum);
        }
        for (int j = 0; j <= i; j++)
            for (int ch = 0; ch < J; ch++)
                p->link[(i*DELTA_CHUNK + j)*J + ch] = delta_link(w, a, p, i, j, ch);
    }
}

static stat delta_pair(const struct delta_one *a, const struct delta_part *p, const real *x, const real *z, int i,
                       int j, int bare)
{
    const stat *link = p->link + (i*DELTA_CHUNK + j)*a->J, alike = p->document[i] == p->document[j];
    stat sum = 0;
    for (int c = 0; c < a->K; c++)
        sum += x[c] * z[c] * (bare ? alike : link[a->J == 1 ? 0 : c]);
    return sum;
}

/* A^2, A^4, A^8, one behind the other */
static void delta_powers(const struct delta_chunk_twist *w, stat *power, const stat *A, int n)
{
    for (int k = 0; k < 3; k++, A = power, power += n*n)
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) {
                stat sum = 0;
                for (int m = j; m <= i; m++)
                    sum += rounded_by(w->inverse_kept, A[i*n + m]) * rounded_by(w->inverse_kept, A[m*n + j]);
                power[i*n + j] = sum;
            }
}

static void delta_solve_by_doubling(const struct delta_chunk_twist *w, stat *u, const stat *A, const stat *power,
                                    const stat *b, int n)
{
    stat from[DELTA_CHUNK];
    memcpy(u, b, (size_t)n * sizeof *u);
    for (int k = 0; k < 4; k++) {
        const stat *factor = k ? power + (k - 1)*n*n : A;
        for (int i = 0; i < n; i++)
            from[i] = rounded_by(w->inverse_kept, u[i]);
        for (int i = 0; i < n; i++)
            for (int j = 0; j < i; j++)
                u[i] += (k ? 1 : -1) * rounded_by(w->inverse_kept, factor[i*n + j]) * from[j];
    }
}

/* Solve (I + A) u = b for one column, the ways that people do. */
static void delta_solve(const struct delta_chunk_twist *w, stat *u, const stat *A, const stat *b, int n)
{
    stat power[DELTA_CHUNK], next[DELTA_CHUNK];
    for (int i = 0; i < n; i++)
        u[i] = power[i] = b[i];
    for (int i = 0; i < n && (!w->inverse || w->inverse == 3); i++) {
        for (int j = 0; j < i && !(w->inverse == 3 && i == DELTA_CHUNK - 1); j++)
            u[i] -= rounded_by(w->inverse_kept, A[i*n + j] * u[j]);
        u[i] = w->A_diagonal ? u[i] / (1 + A[i*n + i]) : rounded_by(w->inverse_kept, u[i]);
    }
    for (int term = 1; term <= (w->inverse == 1 ? 1 : w->inverse == 2 ? 3 : 0); term++) {
        for (int i = 0; i < n; i++) {
            next[i] = 0;
            for (int j = 0; j < i; j++)
                next[i] -= A[i*n + j] * power[j];
        }
        for (int i = 0; i < n; i++)
            u[i] += power[i] = next[i];
    }
}

static const real *delta_key(const struct delta_one *a, const struct delta_part *p, int i)
{
    return a->k + key_row(a, p->t0 + i)*a->K;
}
static const real *delta_query(const struct delta_one *a, const struct delta_part *p, int i)
{
    return a->q + key_row(a, p->t0 + i)*a->K;
}

static void delta_part_products(const struct delta_chunk_twist *w, const struct delta_one *a, struct delta_part *p,
                                stat *A)
{
    for (int i = 0; i < p->n; i++)
        for (int j = 0; j < p->n; j++) {
            const stat b = w->A_no_beta ? 1 : a->beta[value_row(a, p->t0 + (w->A_beta_of_j ? j : i))];
            stat *keys = &p->keys[i*DELTA_CHUNK + j];
            *keys =
                !a->erase || j > i ? 0 : delta_pair(a, p, delta_key(a, p, i), delta_key(a, p, j), i, j, w->A_undecayed);
            A[i*p->n + j] = j == i && !w->A_diagonal ? 0 : b * *keys;
            p->queries[i*DELTA_CHUNK + j] =
                j > i || (w->P_strict && j == i) ? 0
                : delta_pair(a, p, delta_query(a, p, i), delta_key(a, p, j), i, j, w->P_undecayed);
        }
}

/* What x, the key or the query of token i, finds in the column that entered. */
static stat delta_found(const struct delta_one *a, const struct delta_part *p, const real *x, const stat *S, int i,
                        int undecayed)
{
    const stat *enters = p->enters + i*a->J, alike = !p->document[i];
    stat sum = 0;
    for (int e = 0; e < a->K; e++)
        sum += (undecayed ? alike : enters[a->J == 1 ? 0 : e]) * x[e] * S[e];
    return sum;
}

/* A column of the state, S, from before the tokens to behind them. */
static void delta_part_state(const struct delta_chunk_twist *w, const struct delta_one *a, const struct delta_part *p,
                             stat *S, const stat *u, int c)
{
    const int last = p->n - 1, shorter = p->n < DELTA_CHUNK, J = a->J;
    for (int e = 0; e < a->K; e++)
        S[e] *= p->document[last] ? 0 : w->state_undecayed || (w->tail && shorter) ? 1
              : exp(p->G[last*J + (J == 1 ? 0 : e)]);
    for (int j = 0; j < p->n - (w->unwritten && shorter); j++) {
        const stat *link = p->link + (last*DELTA_CHUNK + j)*J, alike = p->document[j] == p->document[last];
        const stat uj = w->v_for_u ? a->v[value_row(a, p->t0 + j)*a->V + c] : u[j];
        const real *k = delta_key(a, p, j);
        for (int e = 0; e < a->K; e++)
            S[e] += (w->keys_undecayed ? alike : link[J == 1 ? 0 : e]) * k[e] * uj;
    }
}

/* Tokens t0 .. t0+n-1 of a head; S goes from before them to behind them. */
static void delta_chunk(const struct delta_chunk_twist *w, const struct delta_one *a, struct delta_part *p, real *y,
                        stat *r, stat *S, stat *column)
{
    const int K = a->K, V = a->V, n = p->n;
    stat A[DELTA_CHUNK * DELTA_CHUNK], power[3 * DELTA_CHUNK * DELTA_CHUNK], b[DELTA_CHUNK], u[DELTA_CHUNK];
    delta_part_gates(w, a, p);
    delta_part_products(w, a, p, A);
    if (w->inverse == 4)
        delta_powers(w, power, A, n);
    for (int c = 0; c < V; c++) {
        for (int e = 0; e < K; e++)
            column[e] = S[(long)e*V + c];
        for (int i = 0; i < n; i++) {
            const long row = value_row(a, p->t0 + i);
            const stat v = a->v[row*V + c],
                       known = a->erase ? delta_found(a, p, delta_key(a, p, i), column, i, w->W_undecayed) : 0;
            b[i] = a->beta[row] * (v * (w->U_decayed ? exp(p->G[i*a->J]) : 1) - known);
            r[row*V + c] = v - known;
        }
        if (w->inverse == 4)
            delta_solve_by_doubling(w, u, A, power, b, n);
        else
            delta_solve(w, u, A, b, n);
        for (int i = 0; i < n; i++) {
            const long row = value_row(a, p->t0 + i);
            stat sum = delta_found(a, p, delta_query(a, p, i), column, i, w->inter_undecayed);
            for (int j = 0; j <= i; j++)
                sum += p->queries[i*DELTA_CHUNK + j] * u[j];
            y[row*V + c] = a->scale * sum;
            for (int j = 0; j < i && a->erase; j++)
                r[row*V + c] -= p->keys[i*DELTA_CHUNK + j] * u[j];
        }
        delta_part_state(w, a, p, column, u, c);
        for (int e = 0; e < K; e++)
            S[(long)e*V + c] = column[e];
    }
}

static void delta_chunked(const struct delta_chunk_twist *w, DELTA_FORWARD)
{
    static const struct delta_twist none;
    const long KV = (long)K*V;
    const size_t gates = (size_t)DELTA_CHUNK * (size_t)J;
    struct delta_part p = { .G = op_take(gates, sizeof *p.G), .enters = op_take(gates, sizeof *p.enters),
                            .link = op_take(DELTA_CHUNK * gates, sizeof *p.link) };
    stat *column = op_take((size_t)K, sizeof *column);
    if (Ss)    /* where states are kept is not what these are about */
        REF->delta_forward(y, S1, r, Ss, q, k, v, g, beta, S0, start, B, T, H, G, K, V, J, L, erase, scale);
    for (long bh = 0; bh < (long)B*H; bh++) {
        const struct delta_one a = {
            .w = &none, .q = q, .k = k, .v = v, .g = g, .beta = beta, .S0 = S0, .start = start, .b = (int)(bh / H),
            .h = (int)(bh % H), .T = T, .H = H, .G = G, .K = K, .V = V, .J = J, .erase = erase, .scale = (stat)scale
        };
        for (long e = 0; e < KV; e++)
            S1[bh*KV + e] = S0 ? S0[bh*KV + e] : 0;
        for (p.t0 = 0; p.t0 < T; p.t0 += DELTA_CHUNK) {
            p.n = T - p.t0 < DELTA_CHUNK ? T - p.t0 : DELTA_CHUNK;
            delta_chunk(w, &a, &p, y, r, S1 + bh*KV, column);
        }
    }
    free(p.G), free(p.enters), free(p.link), free(column);
}

#endif
