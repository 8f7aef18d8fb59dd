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
#include "simd/reference.h"

/* One value head of one sequence: rows of q and k are x.q + t*qrow, those of v, r, y + t*vrow. */
struct delta {
    struct cell x;
    const stat *beta;
    long qrow, vrow;
    int erase;
};

/* What a call works on, whatever the head. */
struct delta_call {
    const real *q, *k, *v;
    const stat *g, *beta;
    const int *start;
    int B, T, H, G, K, V, L, erase;
    stat scale;
};

static struct delta delta_head(const struct delta_call *c, int b, int h)
{
    const long bt = (long)b*c->T, key = bt*c->G + (long)h*c->G/c->H, value = bt*c->H + h;
    return (struct delta){
        .x = { .q = c->q + key*c->K, .k = c->k + key*c->K, .v = c->v + value*c->V, .f = c->g + value,
               .start = c->start ? c->start + bt : NULL, .T = c->T, .H = c->H, .K = c->K, .V = c->V, .L = c->L,
               .gate = SWAX_LOG, .scale = c->scale },
        .beta = c->beta + value, .qrow = (long)c->G*c->K, .vrow = (long)c->H*c->V, .erase = c->erase
    };
}

/* A piece, with its decays and betas.  A document's first gate links it to nothing. */
struct delta_piece {
    struct piece p;                     /* bb: E with the scale; ab: Z; gb: E_last */
    stat beta[SIDE], keep[SIDE];        /* keep: gb for every row */
    stat asks[SIDE];                    /* -E, or 0 where nothing is erased */
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
        p->lf[j] = begins(&a->x, t + j) ? 0 : a->x.f[at];
        d->beta[j] = a->beta[at];
    }
    for (int j = p->n; j < SIDE; j++)
        p->li[j] = CLOSED;
    piece_spans(p);
    piece_weights(p, &a->x);
    for (int j = 0; j < SIDE; j += VL)
        store(d->asks + j, a->erase ? -vweight(-load(p->c + j) - load(p->c_lo + j)) : vset(0));
    fill(d->keep, p->gb);
}

/* S = S before piece d becomes S after it; rows of S are V apart, and v0.. are the columns at hand: U has theirs. */
static void delta_write(stat *S, const struct delta *a, const struct delta_piece *d, const stat *U, int v0,
                        stat *room, stat *K, stat *block)
{
    const int n = d->p.n, vw = lesser(SIDE, a->x.V - v0);
    for (int k0 = 0; k0 < a->x.K; k0 += SIDE) {
        const int kw = lesser(SIDE, a->x.K - k0);
        stat *Sk = S + (long)k0*a->x.V + v0;
        scale_rows(K, block_view(room, a->x.k + d->p.t*a->qrow + k0, a->qrow, n, kw), d->p.ab, n, kw);
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

/* The scores of a piece, P and C, and D */
static void delta_attend(stat *P, stat *C, stat *D, const struct delta *a, const struct delta_piece *d,
                         stat *roomQ, stat *roomK, stat *transposed)
{
    const int n = d->p.n;
    for (int k0 = 0; k0 < a->x.K; k0 += SIDE) {
        const int kw = lesser(SIDE, a->x.K - k0);
        const struct view Q = block_view(roomQ, a->x.q + d->p.t*a->qrow + k0, a->qrow, n, kw);
        const struct view K = block_view(roomK, a->x.k + d->p.t*a->qrow + k0, a->qrow, n, kw);
        block_transpose(transposed, Q, up(n, PAD), kw);
        block_mul_band(P, K, transposed, n, kw, d->p.queries, k0 ? block_ones : NULL, NULL);
        block_transpose(transposed, K, up(n, PAD), kw);
        block_mul_band(C, K, transposed, n, kw, d->p.queries, k0 ? block_ones : NULL, NULL);
    }
    piece_matrix(D, &d->p);
    delta_scores(P, C, D, a->x.scale, n);
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
