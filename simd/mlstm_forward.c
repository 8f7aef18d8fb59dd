/* mlstm_forward.c - the mLSTM cell by pieces (mlstm_piece.h); see ref/mlstm.c for the mathematics.
 *
 * Within a piece the cell is attention with weights, and what came before it is one state.  Blocks of scores have
 * a row per key s and a column per query t:
 *
 *     P  = (k q^T / sqrt(K)) D                h   = (P^T v + bb (q C)/sqrt(K)) / N
 *     C' = gb C + (ab k)^T v                  qn  = P^T 1 + bb (q n)/sqrt(K) */
#include "simd/mlstm_piece.h"

/* What one worker lays out. */
struct forward_blocks {
    BLOCK(roomQ); BLOCK(Qt); BLOCK(roomK); BLOCK(Ks); BLOCK(roomV); BLOCK(P); BLOCK(D); BLOCK(Cb); BLOCK(Hb);
};

/* One piece: h, m and qn of its tokens; C and n go from the state before it to the one after it. */
static void piece_forward(struct forward_blocks *a, real *h, stat *m, stat *qn, stat *C, stat *n, const struct piece *p,
                          const struct cell *x)
{
    stat *const Qt = a->Qt, *const Ks = a->Ks, *const P = a->P, *const D = a->D, *const Cb = a->Cb, *const Hb = a->Hb;
    stat d[SIDE], inv[SIDE], keep[SIDE];
    struct span keys[SIDE], queries[SIDE];
    const long qrow = (long)x->H*x->K, vrow = (long)x->H*x->V;
    const int t = p->t, len = p->n;
    const struct ahead ahead_q = rows_at(x->q, qrow, t + len, x->T, x->K);
    const struct ahead ahead_k = rows_at(x->k, qrow, t + len, x->T, x->K);
    const struct ahead ahead_v = rows_at(x->v, vrow, t + len, x->T, x->V);
    const struct ahead ahead_h = rows_at(h, vrow, t + len, x->T, x->V);
    fill(d, 0);
    fill(keep, p->gb);
    piece_exactly(keys, queries, len);
    for (int v0 = 0; v0 < x->V; v0 += SIDE) {
        const int vw = lesser(SIDE, x->V - v0);
        int finite = 1;
        const struct view V = block_view(a->roomV, x->v + t*vrow + v0, vrow, len, vw);
        for (int k0 = 0; k0 < x->K; k0 += SIDE) {
            const int kw = lesser(SIDE, x->K - k0);
            stat *Ck = C + (long)k0*x->V + v0;
            const struct view Q = block_view(a->roomQ, x->q + t*qrow + k0, qrow, len, kw);
            const struct view K = block_view(a->roomK, x->k + t*qrow + k0, qrow, len, kw);
            block_read_state(Cb, Ck, x->V, kw, vw);
            block_mul(Hb, Q, in(Cb), len, vw, kw, NULL, k0 ? block_ones : NULL, &ahead_q);
            if (!v0) {
                block_transpose(Qt, Q, up(len, PAD), kw);
                block_mul_band(P, K, Qt, len, kw, p->queries, k0 ? block_ones : NULL, &ahead_k);
                add_transposed(d, Qt, n + k0, kw, len);
            }
            scale_rows(Ks, K, p->ab, len, kw);
            block_mul_transposed(Cb, in(Ks), V, kw, vw, len, NULL, keep, &ahead_v);
            finite = finite && are_finite(Cb, vw);      /* as V is, then: each row of Cb sums up V's */
            block_write_state(Ck, x->V, Cb, kw, vw);
            if (!v0) {
                stat *nk = n + k0, sum[SIDE];
                fill(sum, 0);
                add_transposed(sum, Ks, block_ones, len, kw);
                for (int r = 0; r < kw; r++)
                    nk[r] = p->gb * nk[r] + sum[r];
            }
        }
        if (!v0) {
            piece_matrix(D, p);
            for (int j = 0; j < len; j += VL)
                store(d + j, load(p->bb + j) * load(d + j));
            weigh_scores(P, d, D, x->scale, len);
            piece_inverse_norm(inv, d, p, x);
        }
        if (finite)
            block_mul_transposed(Hb, in(P), V, len, vw, len, p->keys, p->bb, &ahead_h);
        else
            block_mul_rows(Hb, P, 1, SIDE, V, len, vw, keys, p->bb);
        block_write(h + t*vrow + v0, vrow, Hb, inv, len, vw);
    }
    for (int j = 0; j < len; j++) {
        m[(long)(t + j)*x->H] = m_told(p, j);
        qn[(long)(t + j)*x->H] = d[j];
    }
}

/* A head's state, which lives in C1, n1 and m1 from the first token on; of m, lo keeps what rounding leaves. */
struct walk {
    struct cell x;
    real *h;
    stat *C1, *n1, *m1, *m, *qn, *Cs, *ns, lo;
};

static void walk_begin(struct walk *w, const stat *C0, const stat *n0, const stat *m0)
{
    const long K = w->x.K, V = w->x.V;
    *w->m1 = m0 && w->x.gate == SWAX_EXPONENTIAL ? *m0 : 0;
    w->lo = 0;
    copy(w->C1, C0, K*V);
    copy(w->n1, n0, K);
}

/* Tokens t .. end-1: a piece. */
static void walk_on(struct walk *w, struct forward_blocks *a, int t, int end)
{
    const struct cell *x = &w->x;
    const long KV = (long)x->K*x->V;
    struct piece p;
    if (w->Cs && t % x->L == 0) {
        copy(w->Cs + t / x->L * KV, w->C1, KV);
        copy(w->ns + (long)(t / x->L) * x->K, w->n1, x->K);
    }
    if (begins(x, t)) {
        copy(w->C1, NULL, KV);
        copy(w->n1, NULL, x->K);
        *w->m1 = w->lo = 0;
    }
    piece_gates(&p, x, t, end - t);
    piece_stabiliser(&p, x, *w->m1, &w->lo);
    piece_weights(&p, x);
    piece_forward(a, w->h, w->m, w->qn, w->C1, w->n1, &p, x);
    *w->m1 = m_told(&p, p.n - 1);
}

static void mlstm_forward(real *h, stat *C1, stat *n1, stat *m1,
                          stat *m, stat *qn, stat *Cs, stat *ns,
                          const real *q, const real *k, const real *v, const stat *i, const stat *f,
                          const stat *C0, const stat *n0, const stat *m0, const int *start,
                          int B, int T, int H, int K, int V, int L, int gate, double eps)
{
    const long KV = (long)K*V, chunks = (T - 1) / L + 1;
    const int together = lesser(heads_together(B, H), TEAM);
    #pragma omp parallel for collapse(2)
    for (int b = 0; b < B; b++)
        for (int first = 0; first < H; first += together) {
            const int heads = lesser(together, H - first);
            struct forward_blocks *a = swax_workspace_take();
            struct walk w[TEAM];
            for (int j = 0; j < heads; j++) {
                const long bh = (long)b*H + first + j, row = (long)b*T*H + first + j;
                w[j] = (struct walk){ { q + row*K, k + row*K, v + row*V, i + row, f + row,
                                        start ? start + (long)b*T : NULL, T, H, K, V, L, gate, eps, 1 / sqrt((stat)K) },
                                      h + row*V, C1 + bh*KV, n1 + bh*K, m1 + bh, m + row, qn + row,
                                      Cs ? Cs + bh*chunks*KV : NULL, ns ? ns + bh*chunks*K : NULL, 0 };
                walk_begin(&w[j], C0 ? C0 + bh*KV : NULL, n0 ? n0 + bh*K : NULL, m0 ? m0 + bh : NULL);
            }
            for (int t = 0, end; t < T; t = end) {
                end = piece_end(&w[0].x, t);
                for (int j = 0; j < heads; j++)
                    walk_on(&w[j], a, t, end);
            }
            swax_workspace_give(a);
        }
}
