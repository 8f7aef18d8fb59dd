/* delta_piece.h - the gated delta rule over a piece of up to SIDE tokens; see ref/delta.c for the mathematics.
 *
 * Within a piece, with S the state before it and G_i the sum of its gates up to token i,
 *
 *     D_ji = exp(G_i - G_j)     E_i = exp(G_i)     Z_j = exp(G_last - G_j)
 *
 * the rule is one triangular system for all r at once.  Scores have a row per key j and a column per query i:
 *
 *     C_ji = k_i.k_j D_ji, j < i       P_ji = scale q_i.k_j D_ji, j <= i       u_j = beta_j r_j
 *     r_i  = v_i - E_i S^T k_i - sum_{j<i} C_ji u_j
 *     y_i  = scale E_i S^T q_i + sum_{j<=i} P_ji u_j
 *     S'   = E_last S + sum_j Z_j k_j u_j^T
 *
 * It is solved by substitution and not by an inverse, whose powers overflow where keys are alike.  erase = 0 has no C.
 * The decays are those of the cell whose gates are logarithms, li = 0 and lf = g (mlstm_piece.h). */
#ifndef SWAX_DELTA_PIECE_H
#define SWAX_DELTA_PIECE_H

#include "simd/mlstm_piece.h"

/* One value head of one sequence: rows of q and k are x.q + t*qrow, those of v, r, y + t*vrow. */
struct delta {
    struct cell x;
    const stat *beta;
    long qrow, vrow;
    int J, erase;
};

/* What a call works on, whatever the head. */
struct delta_call {
    const real *q, *k, *v;
    const stat *g, *beta;
    const int *start;
    int B, T, H, G, K, V, J, L, erase;
    stat scale;
};

static struct delta delta_head(const struct delta_call *c, int b, int h)
{
    const long bt = (long)b*c->T, key = bt*c->G + (long)h*c->G/c->H, value = bt*c->H + h;
    return (struct delta){
        .x = { .q = c->q + key*c->K, .k = c->k + key*c->K, .v = c->v + value*c->V, .f = c->g + value*c->J,
               .start = c->start ? c->start + bt : NULL, .T = c->T, .H = c->H, .K = c->K, .V = c->V, .L = c->L,
               .gate = SWAX_LOG, .scale = c->scale },
        .beta = c->beta + value, .qrow = (long)c->G*c->K, .vrow = (long)c->H*c->V, .J = c->J, .erase = c->erase
    };
}

/* With a gate for each channel a piece is short: its pairs are worked out one by one. */
enum { SHORT = 16 };

static int delta_begin(const struct delta *a, int t)
{
    const int begin = piece_begin(&a->x, t);
    return a->J == 1 ? begin : begin + (t - begin) / SHORT * SHORT;
}
static int delta_end(const struct delta *a, int t)
{
    const int end = piece_end(&a->x, t);
    return a->J == 1 ? end : lesser(end, delta_begin(a, t) + SHORT);
}

/* A piece, with its decays and betas.  A document's first gate links it to nothing. */
struct delta_piece {
    struct piece p;                     /* J = 1: bb is E with the scale; ab: Z; gb: E_last */
    stat beta[SIDE], keep[SIDE];        /* keep: E_last, by key channel */
    stat asks[SIDE];                    /* J = 1: -E */
    BLOCK(F); BLOCK(E); BLOCK(Z);       /* J = K: exp(g), E and Z, a row a token, of SIDE channels */
};

static void delta_piece_open(struct delta_piece *d, const struct delta *a, int t, int end)
{
    struct piece *p = &d->p;
    p->t = t;
    p->n = end - t;
    fill(p->li, 0);
    fill(p->lf, 0);
    fill(p->m, 0);
    memset(p->none, 0, sizeof p->none);
    p->m_in = 0;
    p->none_in = 0;
    fill(d->beta, 0);
    for (int j = 0; j < p->n; j++) {
        const long at = (long)(t + j)*a->x.H;
        p->lf[j] = a->J > 1 || begins(&a->x, t + j) ? 0 : a->x.f[at];
        d->beta[j] = a->beta[at];
    }
    for (int j = p->n; j < SIDE; j++)
        p->li[j] = CLOSED;
    piece_spans(p);
    piece_weights(p, &a->x);
    for (int j = 0; j < SIDE; j += VL)
        store(d->asks + j, -vweight(-load(p->c + j) - load(p->c_lo + j)));
    fill(d->keep, p->gb);
}

/* The decays of key channels k0.., as products of what each gate leaves: none is above 1, and where one underflows, it
 * is 0. */
static void delta_piece_channels(struct delta_piece *d, const struct delta *a, int k0)
{
    const int n = d->p.n, kw = lesser(SIDE, a->x.K - k0);
    for (int i = 0; i < n && a->J > 1; i++)
        for (int c = 0; c < kw; c += VL) {
            const stat *g = a->x.f + (long)(d->p.t + i)*a->x.H*a->J + k0 + c;
            const vec f = begins(&a->x, d->p.t + i) ? vset(1) : vweight(load_n(g, kw - c));
            store(d->F + i*SIDE + c, f);
            store(d->E + i*SIDE + c, i ? load(d->E + (i - 1)*SIDE + c) * f : f);
        }
    for (int c = 0; c < kw && a->J > 1; c += VL) {
        store(d->keep + c, load(d->E + (n - 1)*SIDE + c));
        store(d->Z + (n - 1)*SIDE + c, vset(1));
        for (int j = n - 2; j >= 0; j--)
            store(d->Z + j*SIDE + c, load(d->Z + (j + 1)*SIDE + c) * load(d->F + (j + 1)*SIDE + c));
    }
}

/* to = by factor o x: factors of a row, or, J = K, of each element */
static void delta_times(stat *to, struct view x, const struct delta *a, const stat *row, const stat *element, stat by,
                        int n, int kw)
{
    if (a->J == 1)
        scale_rows(to, x, row, n, kw);
    for (int i = 0; i < n && a->J > 1; i++)
        for (int c = 0; c < kw; c += VL)
            store(to + i*SIDE + c, by * load(element + i*SIDE + c) * load(x.at + i*x.row + c));
}
/* -E x, scale E x, Z x: of keys that ask, queries that read, keys that write */
static void delta_asks(stat *to, struct view x, const struct delta *a, const struct delta_piece *d, int kw)
{
    delta_times(to, x, a, d->asks, d->E, -1, d->p.n, kw);
}
static void delta_reads(stat *to, struct view x, const struct delta *a, const struct delta_piece *d, int kw)
{
    delta_times(to, x, a, d->p.bb, d->E, a->x.scale, d->p.n, kw);
}
static void delta_writes(stat *to, struct view x, const struct delta *a, const struct delta_piece *d, int kw)
{
    delta_times(to, x, a, d->p.ab, d->Z, 1, d->p.n, kw);
}

/* S = S before piece d becomes S after it; rows of S are V apart, and v0.. are the columns at hand: U has theirs. */
static void delta_write(stat *S, const struct delta *a, struct delta_piece *d, const stat *U, int v0,
                        stat *room, stat *K, stat *block)
{
    const int n = d->p.n, vw = lesser(SIDE, a->x.V - v0);
    for (int k0 = 0; k0 < a->x.K; k0 += SIDE) {
        const int kw = lesser(SIDE, a->x.K - k0);
        stat *Sk = S + (long)k0*a->x.V + v0;
        delta_piece_channels(d, a, k0);
        delta_writes(K, block_view(room, a->x.k + d->p.t*a->qrow + k0, a->qrow, n, kw), a, d, kw);
        block_read_state(block, Sk, a->x.V, kw, vw);
        block_mul_transposed(block, in(K), in(U), kw, vw, n, NULL, d->keep, NULL);
        block_write_state(Sk, a->x.V, block, kw, vw);
    }
}

/* P and C from the scores q.k and k.k, in place; D as piece_matrix gives it */
NOINLINE void delta_scores(stat *P, stat *C, const stat *D, stat scale, int n)
{
    for (int j = 0; j < n; j += VL)
        for (int s = 0; s < lesser(j / PAD * PAD + PAD, n); s++) {
            const vec d = load(D + s*SIDE + j);
            store(P + s*SIDE + j, from_key_on(scale * load(P + s*SIDE + j) * d, s, j));
            store(C + s*SIDE + j, from_key_on(load(C + s*SIDE + j) * d, s + 1, j));
        }
}

/* Scores with a gate for each channel, added to P and C: key j fades as queries go by.  What a query reads of it is the
 * sum over channels of q_i or k_i times what is left of k_j. */
static void delta_attend_channels(stat *P, stat *C, const struct delta_piece *d, struct view Q, struct view K,
                                  stat *faded, int kw)
{
    stat sums[2][SHORT * VL] __attribute__((aligned(64))), sum[2][SIDE];
    memset(sums, 0, sizeof sums);
    for (int i = 0; i < d->p.n; i++) {
        for (int j = 0; j <= i; j++) {
            vec q = {0}, k = {0};
            for (int c = 0; c < kw; c += VL) {
                const vec left = j < i ? load(faded + j*SIDE + c) * load(d->F + i*SIDE + c) : load(K.at + i*K.row + c);
                store(faded + j*SIDE + c, left);
                q += load(Q.at + i*Q.row + c) * left;
                k += load(K.at + i*K.row + c) * left;
            }
            store(sums[0] + j*VL, q);
            store(sums[1] + j*VL, k);
        }
        sum_lanes(sum[0], sums[0], i + 1);
        sum_lanes(sum[1], sums[1], i + 1);
        for (int j = 0; j <= i; j++) {
            P[j*SIDE + i] += sum[0][j];
            C[j*SIDE + i] += j < i ? sum[1][j] : 0;
        }
    }
}

/* The scores of a piece, P and C, and, J = 1, D */
static void delta_attend(stat *P, stat *C, stat *D, const struct delta *a, struct delta_piece *d,
                         stat *roomQ, stat *roomK, stat *room)
{
    const int n = d->p.n;
    for (int j = 0; j < up(n, PAD) && a->J > 1; j++) {
        memset(P + j*SIDE, 0, sizeof *P * (size_t)up(n, PAD));
        memset(C + j*SIDE, 0, sizeof *C * (size_t)up(n, PAD));
    }
    for (int k0 = 0; k0 < a->x.K; k0 += SIDE) {
        const int kw = lesser(SIDE, a->x.K - k0);
        const struct view Q = block_view(roomQ, a->x.q + d->p.t*a->qrow + k0, a->qrow, n, kw);
        const struct view K = block_view(roomK, a->x.k + d->p.t*a->qrow + k0, a->qrow, n, kw);
        if (a->J > 1) {
            delta_piece_channels(d, a, k0);
            delta_attend_channels(P, C, d, Q, K, room, kw);
            continue;
        }
        block_transpose(room, Q, up(n, PAD), kw);
        block_mul_band(P, K, room, n, kw, d->p.queries, k0 ? block_ones : NULL, NULL);
        block_transpose(room, K, up(n, PAD), kw);
        block_mul_band(C, K, room, n, kw, d->p.queries, k0 ? block_ones : NULL, NULL);
    }
    if (a->J == 1) {
        piece_matrix(D, &d->p);
        delta_scores(P, C, D, a->x.scale, n);
        return;
    }
    for (int j = 0; j < n; j++)
        for (int i = 0; i < n; i += VL)
            store(P + j*SIDE + i, a->x.scale * load(P + j*SIDE + i));
}

/* Rows from m on are padding, and have to be 0 where lanes are summed up. */
static void block_pad(stat *a, int m, int n)
{
    for (int i = m; i < up(m, PAD); i++)
        memset(a + i*SIDE, 0, sizeof *a * (size_t)up(n, VL));
}

/* ---- two triangular systems.  Within a tile rows follow one another, and no factor of 0 stands for a row that is not
 * there: what is not finite stays with those who depend on it. */

INLINE void load_tile(vec tile[TR][TV], const stat *a, int nv)
{
    for (int r = 0; r < TR; r++)
        for (int v = 0; v < nv; v++)
            tile[r][v] = load(a + r*SIDE + v*VL);
}

/* R_i = B_i - sum_{j<i} C_ji U_j,  U_i = f_i R_i,  for the tile of rows from i on, nv vectors wide; B in R */
INLINE void solve_down_tile(stat *R, stat *U, const stat *C, const stat *f, int i, int nv)
{
    vec R_i[TR][TV];
    load_tile(R_i, R + i*SIDE, nv);
    for (int j = 0; j < i; j++)
        for (int r = 0; r < TR; r++)
            for (int v = 0; v < nv; v++)
                R_i[r][v] -= C[j*SIDE + i + r] * load(U + j*SIDE + v*VL);
    for (int j = 0; j < TR; j++)
        for (int v = 0; v < nv; v++) {
            const vec u = f[i + j] * R_i[j][v];
            store(R + (i + j)*SIDE + v*VL, R_i[j][v]);
            store(U + (i + j)*SIDE + v*VL, u);
            for (int r = j + 1; r < TR; r++)
                R_i[r][v] -= C[(i + j)*SIDE + i + r] * u;
        }
}

/* Y_j = B_j - sum_{i>j} C_ji W_i,  W_j = f_j Y_j,  for the tile of rows from j on; m rows in all */
INLINE void solve_up_tile(stat *Y, stat *W, const stat *C, const stat *f, int j, int m, int nv)
{
    vec Y_j[TR][TV];
    load_tile(Y_j, Y + j*SIDE, nv);
    for (int i = j + TR; i < m; i++)
        for (int r = 0; r < TR; r++)
            for (int v = 0; v < nv; v++)
                Y_j[r][v] -= C[(j + r)*SIDE + i] * load(W + i*SIDE + v*VL);
    for (int i = TR - 1; i >= 0; i--)
        for (int v = 0; v < nv && j + i < m; v++) {
            const vec w = f[j + i] * Y_j[i][v];
            store(Y + (j + i)*SIDE + v*VL, Y_j[i][v]);
            store(W + (j + i)*SIDE + v*VL, w);
            for (int r = 0; r < i; r++)
                Y_j[r][v] -= C[(j + r)*SIDE + j + i] * w;
        }
}

/* Both in all n columns; C has a row per j, and what is not a factor, above its diagonal, is not read. */
NOINLINE void solve_down(stat *R, stat *U, const stat *C, const stat *f, int m, int n)
{
    for (int v = 0; v < n; v += TV*VL)
        for (int i = 0; i < m; i += TR)
            if (n - v > VL)
                solve_down_tile(R + v, U + v, C, f, i, TV);
            else
                solve_down_tile(R + v, U + v, C, f, i, 1);
    block_pad(R, m, n);
    block_pad(U, m, n);
}
NOINLINE void solve_up(stat *Y, stat *W, const stat *C, const stat *f, int m, int n)
{
    for (int v = 0; v < n; v += TV*VL)
        for (int j = up(m, TR) - TR; j >= 0; j -= TR)
            if (n - v > VL)
                solve_up_tile(Y + v, W + v, C, f, j, m, TV);
            else
                solve_up_tile(Y + v, W + v, C, f, j, m, 1);
    block_pad(Y, m, n);
    block_pad(W, m, n);
}

#endif
