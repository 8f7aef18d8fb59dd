/* mlstm_backward.c - the gradients of the mLSTM cell by pieces (mlstm_piece.h), last to first; see ref/mlstm.c.
 *
 *     G  = dh/N,  g = dL/dqn                  dP  = v G^T + g,   dS = dP D
 *     dv += P G + ab k dC                     dq += (dS^T k + bb (G C^T + g n)) / sqrt(K)
 *     dk += dS q / sqrt(K) + ab (v dC^T + dn)
 *     dC' = gb dC + (bb q)^T G / sqrt(K)      dn' = gb dn + (bb q)^T g / sqrt(K)
 *
 * The forget gate.  dlf_r is the sum of all that links tokens before r to tokens from r on.  With Z = P dP it is
 *
 *     dlf_r = sum_{s < r <= t} Z_st + sum_{t >= r} bb_t (q C.G + g q.n)_t/sqrt(K) + sum_{s < r} ab_s (k dC v + k.dn)_s
 *             + gb (<dC,C> + <dn,n>)
 *
 * in each piece.  Every term has crossed r, so nothing cancels, however small dlf_r is beside k.dk.
 *
 * All of it is linear in (dh, g, dC, dn), and columns of v do not meet but in sums: so it is done slab by slab, a
 * slab being SLAB keys by SIDE values of the state.  The first slab has the normaliser's column, the first of each
 * column of slabs what the scores P are needed for. */
#include "simd/mlstm_piece.h"

enum { SLAB = 256 };

/* What one worker lays out: a piece's blocks, and slabs of states. */
struct backward_blocks {
    BLOCK(roomQ); BLOCK(roomK); BLOCK(roomV); BLOCK(G); BLOCK(Gt); BLOCK(P); BLOCK(dP); BLOCK(D); BLOCK(Ct); BLOCK(X);
    BLOCK(Y); BLOCK(dV);
    BLOCKS(C, SLAB / SIDE); BLOCKS(dC, SLAB / SIDE);
    stat n[SLAB], dn[SLAB];
};

struct slab {
    int k0, k1, v0, v1;
    stat *C, *n;        /* the state before a piece */
    stat *dC, *dn;      /* the gradient of the state after it, then before it */
};

/* The gradients of one head, and what its forward left. */
struct trace {
    real *dq, *dk, *dv;
    stat *di, *df;
    const real *dh, *h;
    const stat *m, *qn, *Cs, *ns;
    stat m0;
    int no_state;       /* before token 0 */
};

static stat m_before(const struct trace *g, const struct cell *x, int t)
{
    return begins(x, t) ? 0 : t ? g->m[(long)(t - 1)*x->H] : g->m0;
}

static void piece_again(struct piece *p, const struct trace *g, const struct cell *x, int t, int end)
{
    piece_gates(p, x, t, end - t);
    piece_stabilised(p, x, m_before(g, x, t), g->m);
    piece_weights(p, x);
}

/* A slab of a state; from NULL: 0.  The normaliser goes with the first values. */
static void slab_read(stat *C, stat *n, const struct slab *y, const stat *from_C, const stat *from_n, int V)
{
    memset(C, 0, sizeof *C * SIDE * (size_t)up(y->k1 - y->k0, PAD));
    memset(n, 0, sizeof *n * (size_t)up(y->k1 - y->k0, PAD));
    for (int k = y->k0; from_C && k < y->k1; k++) {
        for (int c = y->v0; c < y->v1; c += VL)
            store(C + (k - y->k0)*SIDE + c - y->v0, load_n(from_C + (long)k*V + c, lesser(VL, y->v1 - c)));
        n[k - y->k0] = y->v0 ? 0 : from_n[k];
    }
}

/* y->C and y->n before token t, forward from where they are known */
static void slab_state(struct slab *y, struct backward_blocks *b, const struct trace *g, const struct cell *x, int t)
{
    stat *const K = b->X;
    stat keep[SIDE];
    const int vw = y->v1 - y->v0, known = known_before(x, t);
    const long qrow = (long)x->H*x->K, vrow = (long)x->H*x->V, c = known / x->L, KV = (long)x->K*x->V;
    slab_read(y->C, y->n, y, begins(x, known) ? NULL : g->Cs + c*KV, g->ns + c*x->K, x->V);
    for (int a = known, end; a < t; a = end) {
        struct piece p;
        end = piece_end(x, a);
        piece_again(&p, g, x, a, end);
        fill(keep, p.gb);
        const struct view V = block_view(b->roomV, x->v + a*vrow + y->v0, vrow, p.n, vw);
        for (int k0 = y->k0; k0 < y->k1; k0 += SIDE) {
            const int kw = lesser(SIDE, y->k1 - k0);
            stat *n = y->n + (k0 - y->k0), sum[SIDE];
            scale_rows(K, block_view(b->roomK, x->k + a*qrow + k0, qrow, p.n, kw), p.ab, p.n, kw);
            block_mul_transposed(y->C + (k0 - y->k0)*SIDE, in(K), V, kw, vw, p.n, NULL, keep, NULL);
            fill(sum, 0);
            if (y->v0 == 0)
                add_transposed(sum, K, block_ones, p.n, kw);
            for (int r = 0; r < kw; r++)
                n[r] = p.gb * n[r] + sum[r];
        }
    }
}

/* G = dh/N of a slab's values, and G^T */
static void piece_grad_h(stat *G, stat *Gt, const stat *inv, const struct piece *p, const struct trace *g,
                         const struct cell *x, int v0)
{
    const long vrow = (long)x->H*x->V;
    const int vw = lesser(SIDE, x->V - v0);
    scale_rows(G, block_view(G, g->dh + p->t*vrow + v0, vrow, p->n, vw), inv, p->n, vw);
    block_transpose(Gt, in(G), up(p->n, PAD), vw);
}

/* G and G^T of the first values, and g_t = dL/dqn_t = -sign(qn_t) G_t.h_t where |qn_t| leads, else 0.  The sum runs
 * like that of dP = G v: where one key has all the weight, h is +-v, and dP + g is 0, not its rounding. */
static void piece_grad_qn(stat *grad, stat *G, stat *Gt, stat *room, stat *Ht, const stat *inv, const stat *qn,
                          const struct piece *p, const struct trace *g, const struct cell *x)
{
    const long vrow = (long)x->H*x->V;
    fill(grad, 0);
    for (int v0 = up(x->V, SIDE) - SIDE; v0 >= 0; v0 -= SIDE) {
        const int vw = lesser(SIDE, x->V - v0);
        piece_grad_h(G, Gt, inv, p, g, x, v0);
        if (!normalised(x))
            continue;
        block_transpose(Ht, block_view(room, g->h + p->t*vrow + v0, vrow, p->n, vw), up(p->n, PAD), vw);
        for (int j = 0; j < p->n; j += VL) {
            vec sum = load(grad + j);
            for (int e = 0; e < vw; e++)
                sum += load(Ht + e*SIDE + j) * load(Gt + e*SIDE + j);
            store(grad + j, sum);
        }
    }
    for (int j = 0; j < p->n; j += VL) {
        const vec sum = load(grad + j), leading = load(qn + j);
        const ivec leads = vabs(leading) > floor_of(load(p->m + j));
        store(grad + j, pick(leads, pick(leading > 0, -sum, sum), vset(0)));
    }
}

/* dS = scale (dP + g) D in place of dP.  With scores: P = scale S D in place of S, and of Z = P (dP + g), row sums and
 * what crosses each token:  across[r] = sum_{s < r <= t} Z_st */
INLINE void weigh_grads(stat *P, stat *dP, stat *row, stat *across, const stat *D, const stat *g, stat scale, int n,
                        int scores)
{
    stat rows[SIDE * VL] __attribute__((aligned(64))), crossing[SIDE * VL] __attribute__((aligned(64)));
    memset(rows, 0, sizeof rows);
    memset(crossing, 0, sizeof crossing);
    for (int j = 0; j < n; j += VL) {
        vec above = {0};
        for (int s = 0; s < lesser(j / PAD * PAD + PAD, n); s++) {
            const vec d = scale * load(D + s*SIDE + j), a = from_key_on(load(dP + s*SIDE + j) + load(g + j), s, j);
            store(dP + s*SIDE + j, a * d);
            if (!scores)
                continue;
            const vec weighed = from_key_on(load(P + s*SIDE + j) * d, s, j), z = weighed * a;
            store(P + s*SIDE + j, weighed);
            store(rows + s*VL, load(rows + s*VL) + z);
            store(crossing + s*VL, load(crossing + s*VL) + from_key_on(above, s, j));
            above += z;
        }
    }
    sum_lanes(row, rows, n);
    sum_lanes(across, crossing, n);
}

NOINLINE void weigh_first(stat *P, stat *dP, stat *row, stat *across, const stat *D, const stat *g, stat scale, int n)
{
    weigh_grads(P, dP, row, across, D, g, scale, n, 1);
}
NOINLINE void weigh_next(stat *dP, stat *row, stat *across, const stat *D, const stat *g, stat scale, int n)
{
    weigh_grads(NULL, dP, row, across, D, g, scale, n, 0);
}

/* y[i,j] = a[i] b[j] */
static void outer(stat *y, const stat *a, const stat *b, int m, int n)
{
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j += VL)
            store(y + i*SIDE + j, a[i] * load(b + j));
}

/* a . b of two matrices */
static stat inner(const stat *a, const stat *b, int m, int n)
{
    stat part[SIDE], sum = 0;
    block_dots(part, in(a), in(b), m, n);
    for (int i = 0; i < m; i++)
        sum += part[i];
    return sum;
}

/* di and df of a piece, from what li and lf meet: `row` by key, `across` by token, `in` from the state before by
 * query, `out` to the state after by key, `through` from the one to the other. */
static void piece_gate_grads(const struct piece *p, const struct trace *g, const struct cell *x,
                             const stat *row, const stat *across, const stat *in, const stat *out, stat through)
{
    stat dlf[SIDE], closing[2][SIDE];
    fill(closing[0], 0);
    fill(closing[1], 0);
    for (int j = 0; j < p->n; j++) {
        closing[0][j] = x->i[(long)(p->t + j)*x->H];
        closing[1][j] = x->f[(long)(p->t + j)*x->H];
    }
    for (int j = 0; j < p->n; j += VL)
        for (int e = 0; e < 2; e++)
            store(closing[e] + j, vsigmoid(-load(closing[e] + j)));
    stat before = 0, after = through;
    for (int j = 0; j < p->n; j++) {
        dlf[j] = across[j] + before;
        before += out[j];
    }
    for (int j = p->n - 1; j >= 0; j--) {
        after += in[j];
        const long at = (long)(p->t + j)*x->H;
        g->di[at] += (row[j] + out[j]) * (x->gate == SWAX_EXPONENTIAL || x->gate == SWAX_LOG ? 1 : closing[0][j]);
        const int t = p->t + j;
        if (!begins(x, t) && (t || !g->no_state))      /* else there is nothing to forget */
            g->df[at] += (dlf[j] + after) * (x->gate == SWAX_LOG ? 1 : closing[1][j]);
    }
}

/* One piece of a slab: from y->dC after the piece to y->dC before it; C is the state before it. */
static void piece_backward(struct slab *y, struct backward_blocks *b, const struct piece *p, const struct trace *g,
                           const struct cell *x)
{
    stat *const G = b->G, *const Gt = b->Gt, *const P = b->P, *const dP = b->dP, *const D = b->D, *const Ct = b->Ct,
         *const X = b->X, *const Y = b->Y, *const dV = b->dV;
    stat inv[SIDE], gn[SIDE], row[SIDE], across[SIDE], arrives[SIDE], leaves[SIDE], part[SIDE], keep[SIDE], through = 0;
    struct span keys[SIDE], queries[SIDE];
    int finite_G = 1;
    const int t = p->t, n = p->n, vw = y->v1 - y->v0, with_scores = y->k0 == 0, with_norm = y->v0 == 0;
    const long qrow = (long)x->H*x->K, vrow = (long)x->H*x->V;
    const struct ahead ahead[] = {
        rows_at(g->dh, vrow, t - SIDE, x->T, x->V), rows_at(g->h, vrow, t - SIDE, x->T, x->V),
        rows_at(x->v, vrow, t - SIDE, x->T, x->V), rows_at(x->q, qrow, t - SIDE, x->T, x->K),
        rows_at(x->k, qrow, t - SIDE, x->T, x->K), rows_at(g->dv, vrow, t - SIDE, x->T, x->V),
        rows_at(g->dq, qrow, t - SIDE, x->T, x->K), rows_at(g->dk, qrow, t - SIDE, x->T, x->K),
        ROWS_AHEAD(g->Cs + (long)(t / x->L - 1)*x->K*x->V, x->V, t < x->L ? 0 : lesser(SIDE, x->K), lesser(SIDE, x->V))
    };
    fill(arrives, 0);
    fill(leaves, 0);
    fill(keep, p->gb);
    piece_exactly(keys, queries, n);

    fill(gn, 0);
    fill(part, 0);
    for (int j = 0; j < n; j++)
        part[j] = g->qn[(long)(t + j)*x->H];
    piece_inverse_norm(inv, part, p, x);
    if (with_norm)
        piece_grad_qn(gn, G, Gt, X, Ct, inv, part, p, g, x);
    else
        piece_grad_h(G, Gt, inv, p, g, x, y->v0);
    const struct view V = block_view(b->roomV, x->v + t*vrow + y->v0, vrow, n, vw);
    block_mul_band(dP, V, Gt, n, vw, p->queries, NULL, &ahead[0]);
    for (int k0 = 0; k0 < x->K && with_scores; k0 += SIDE) {
        const int kw = lesser(SIDE, x->K - k0);
        block_transpose(Ct, block_view(b->roomQ, x->q + t*qrow + k0, qrow, n, kw), up(n, PAD), kw);
        block_mul_band(P, block_view(b->roomK, x->k + t*qrow + k0, qrow, n, kw), Ct, n, kw, p->queries,
                       k0 ? block_ones : NULL, &ahead[1]);
    }
    piece_matrix(D, p);
    if (with_scores)
        weigh_first(P, dP, row, across, D, gn, x->scale, n);
    else
        weigh_next(dP, row, across, D, gn, x->scale, n);

    for (int k0 = y->k0; k0 < y->k1; k0 += SIDE) {
        const int kw = lesser(SIDE, y->k1 - k0);
        stat *C = y->C + (k0 - y->k0)*SIDE, *dC = y->dC + (k0 - y->k0)*SIDE, *dn = y->dn + (k0 - y->k0);
        const stat *ns = y->n + (k0 - y->k0);
        const struct view Q = block_view(b->roomQ, x->q + t*qrow + k0, qrow, n, kw);
        const struct view K = block_view(b->roomK, x->k + t*qrow + k0, qrow, n, kw);

        block_transpose(Ct, in(C), kw, vw);
        outer(X, gn, ns, n, kw);
        block_mul(X, in(G), in(Ct), n, kw, vw, NULL, block_ones, &ahead[2]);
        block_dots(part, Q, in(X), n, kw);
        for (int j = 0; j < n; j++)
            arrives[j] += p->bb[j] * part[j];
        const int finite_Q = are_finite(part, n);

        block_transpose(Ct, in(dC), kw, vw);
        outer(Y, block_ones, dn, n, kw);
        block_mul(Y, V, in(Ct), n, kw, vw, NULL, block_ones, &ahead[4]);
        block_dots(part, K, in(Y), n, kw);
        for (int j = 0; j < n; j++)
            leaves[j] += p->ab[j] * part[j];

        if (are_finite(part, n))        /* as K is, then */
            block_mul_transposed(X, in(dP), K, n, kw, n, p->keys, p->bb, &ahead[3]);
        else
            block_mul_rows(X, dP, 1, SIDE, K, n, kw, keys, p->bb);
        block_add(g->dq + t*qrow + k0, qrow, X, 1, n, kw);
        if (finite_Q)
            block_mul(Y, in(dP), Q, n, kw, n, p->queries, p->ab, &ahead[5]);
        else
            block_mul_rows(Y, dP, SIDE, 1, Q, n, kw, queries, p->ab);
        block_add(g->dk + t*qrow + k0, qrow, Y, 1, n, kw);

        block_mul(dV, K, in(dC), n, vw, kw, NULL, k0 > y->k0 ? block_ones : NULL, &ahead[6]);

        through += inner(dC, C, kw, vw);
        scale_rows(X, Q, p->bb, n, kw);
        block_mul_transposed(dC, in(X), in(G), kw, vw, n, NULL, keep, &ahead[7]);
        finite_G = finite_G && are_finite(dC, vw);      /* each row of dC sums up G's */
        if (with_norm) {
            fill(part, 0);
            add_transposed(part, X, gn, n, kw);
            for (int r = 0; r < kw; r++) {
                through += dn[r] * ns[r];
                dn[r] = p->gb * dn[r] + part[r];
            }
        }
    }
    if (with_scores && finite_G)
        block_mul(dV, in(P), in(G), n, vw, n, p->queries, p->ab, &ahead[8]);
    else if (with_scores)
        block_mul_rows(dV, P, SIDE, 1, in(G), n, vw, queries, p->ab);
    else
        scale_rows(dV, in(dV), p->ab, n, vw);
    block_add(g->dv + t*vrow + y->v0, vrow, dV, 1, n, vw);
    piece_gate_grads(p, g, x, row, across, arrives, leaves, p->gb * through);
}

/* A head on its way from its last token to its first. */
struct way_back {
    struct cell x;
    struct trace g;
    struct slab y;
};

/* Tokens t .. end-1: a piece. */
static void way_back_on(struct way_back *w, struct backward_blocks *b, int t, int end)
{
    struct piece p;
    slab_state(&w->y, b, &w->g, &w->x, t);
    piece_again(&p, &w->g, &w->x, t, end);
    piece_backward(&w->y, b, &p, &w->g, &w->x);
    if (begins(&w->x, t))
        slab_read(w->y.dC, w->y.dn, &w->y, NULL, NULL, w->x.V);
}

static void slab_add(stat *dC0, stat *dn0, const struct slab *y, int V)
{
    for (int k = y->k0; k < y->k1; k++) {
        for (int c = y->v0; c < y->v1; c++)
            dC0[(long)k*V + c] += y->dC[(k - y->k0)*SIDE + c - y->v0];
        if (y->v0 == 0)
            dn0[k] += y->dn[k - y->k0];
    }
}

static void mlstm_backward(real *dq, real *dk, real *dv, stat *di, stat *df, stat *dC0, stat *dn0,
                           const real *dh, const stat *dC1, const stat *dn1,
                           const real *q, const real *k, const real *v, const stat *i, const stat *f,
                           const stat *C0, const stat *n0, const stat *m0, const int *start,
                           const real *h, const stat *C1, const stat *n1, const stat *m1,
                           const stat *m, const stat *qn, const stat *Cs, const stat *ns,
                           int B, int T, int H, int K, int V, int L, int gate, double eps)
{
    (void)n0, (void)C1, (void)n1, (void)m1;   /* Cs has C0; the rest no sum needs */
    const long KV = (long)K*V, chunks = (T - 1) / L + 1;
    const int rows = up(lesser(K, SLAB), PAD), together = lesser(heads_together(B, H), lesser(TEAM, SLAB / rows));
    #pragma omp parallel for collapse(2)
    for (int b = 0; b < B; b++)
        for (int first = 0; first < H; first += together) {
            const int heads = lesser(together, H - first);
            struct backward_blocks *own = swax_workspace_take();
            struct way_back w[TEAM];
            for (int j = 0; j < heads; j++) {
                const long bh = (long)b*H + first + j, row = (long)b*T*H + first + j;
                w[j].x = (struct cell){ q + row*K, k + row*K, v + row*V, i + row, f + row,
                                        start ? start + (long)b*T : NULL, T, H, K, V, L, gate, eps, 1 / sqrt((stat)K) };
                w[j].g = (struct trace){ dq + row*K, dk + row*K, dv + row*V, di + row, df + row, dh + row*V, h + row*V,
                                         m + row, qn + row, Cs + bh*chunks*KV, ns + bh*chunks*K,
                                         m0 && gate == SWAX_EXPONENTIAL ? m0[bh] : 0, !C0 };
            }
            for (int v0 = 0; v0 < V; v0 += SIDE)
                for (int k0 = 0; k0 < K; k0 += SLAB) {
                    for (int j = 0; j < heads; j++) {
                        const long bh = (long)b*H + first + j;
                        w[j].y = (struct slab){ k0, lesser(K, k0 + SLAB), v0, lesser(V, v0 + SIDE),
                                                own->C, own->n, own->dC + j*rows*SIDE, own->dn + j*rows };
                        slab_read(w[j].y.dC, w[j].y.dn, &w[j].y, dC1 ? dC1 + bh*KV : NULL, dn1 ? dn1 + bh*K : NULL, V);
                    }
                    for (int end = T, t; end > 0; end = t) {
                        t = piece_begin(&w[0].x, end - 1);
                        for (int j = 0; j < heads; j++)
                            way_back_on(&w[j], own, t, end);
                    }
                    for (int j = 0; j < heads && dC0; j++) {
                        const long bh = (long)b*H + first + j;
                        slab_add(dC0 + bh*KV, dn0 + bh*K, &w[j].y, V);
                    }
                }
            swax_workspace_give(own);
        }
}
