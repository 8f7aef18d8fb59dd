/* delta_forward.c - the gated delta rule by pieces (delta_piece.h). */
#include "simd/delta_piece.h"

/* What one worker lays out. */
struct delta_forward_blocks {
    BLOCK(roomQ); BLOCK(roomK); BLOCK(transposed); BLOCK(scaled);
    BLOCK(P); BLOCK(C); BLOCK(D); BLOCK(S); BLOCK(R); BLOCK(U); BLOCK(Y);
    struct delta_piece d;
};

/* One piece: y and r of its tokens; S goes from the state before it to the one after it. */
static void delta_piece_forward(struct delta_forward_blocks *b, real *y, stat *r, stat *S, const struct delta *a)
{
    struct delta_piece *d = &b->d;
    const struct piece *p = &d->p;
    const int t = p->t, n = p->n, K = a->x.K, V = a->x.V;
    struct span keys[SIDE], queries[SIDE];
    piece_exactly(keys, queries, n);
    delta_attend(b->P, b->C, b->D, a, d, b->roomQ, b->roomK, b->transposed);
    for (int v0 = 0; v0 < V; v0 += SIDE) {
        const int vw = lesser(SIDE, V - v0);
        const struct ahead ahead_v = rows_at(a->x.v + v0, a->vrow, t + n, a->x.T, vw);
        const struct ahead ahead_q = rows_at(a->x.q, a->qrow, t + n, a->x.T, K);
        const struct ahead ahead_k = rows_at(a->x.k, a->qrow, t + n, a->x.T, K);
        block_read(b->R, a->x.v + t*a->vrow + v0, a->vrow, n, vw, 1);
        for (int k0 = 0; k0 < K; k0 += SIDE) {
            const int kw = lesser(SIDE, K - k0);
            const struct view Q = block_view(b->roomQ, a->x.q + t*a->qrow + k0, a->qrow, n, kw);
            block_read_state(b->S, S + (long)k0*V + v0, V, kw, vw);
            delta_piece_channels(d, a, k0);
            delta_reads(b->scaled, Q, a, d, kw);
            block_mul(b->Y, in(b->scaled), in(b->S), n, vw, kw, NULL, k0 ? block_ones : NULL, &ahead_q);
            if (a->erase) {
                delta_asks(b->scaled, block_view(b->roomK, a->x.k + t*a->qrow + k0, a->qrow, n, kw), a, d, kw);
                block_mul(b->R, in(b->scaled), in(b->S), n, vw, kw, NULL, block_ones, &ahead_k);
            }
        }
        if (a->erase)
            solve_down(b->R, b->U, b->C, d->beta, n, vw);
        else
            scale_rows(b->U, in(b->R), d->beta, n, vw);
        block_write_state(r + t*a->vrow + v0, a->vrow, b->R, n, vw);
        if (block_finite(b->U, n, vw))
            block_mul_transposed(b->Y, in(b->P), in(b->U), n, vw, n, p->keys, block_ones, &ahead_v);
        else
            block_mul_rows(b->Y, b->P, 1, SIDE, in(b->U), n, vw, keys, block_ones);
        block_write(y + t*a->vrow + v0, a->vrow, b->Y, block_ones, n, vw);
        delta_write(S, a, d, b->U, v0, b->roomK, b->scaled, b->S);
    }
}

static void delta_forward(real *y, stat *S1, stat *r, stat *Ss,
                          const real *q, const real *k, const real *v, const stat *g, const stat *beta,
                          const stat *S0, const int *start,
                          int B, int T, int H, int G, int K, int V, int J, int L, int erase, double scale)
{
    const struct delta_call c = {
        .q = q, .k = k, .v = v, .g = g, .beta = beta, .start = start, .B = B, .T = T, .H = H, .G = G, .K = K, .V = V,
        .J = J, .L = L, .erase = erase, .scale = (stat)scale
    };
    const long KV = (long)K*V, chunks = (T - 1) / L + 1;
    const int together = lesser(heads_together(B, H), TEAM);
    #pragma omp parallel for collapse(2)
    for (int b = 0; b < B; b++)
        for (int first = 0; first < H; first += together) {
            struct delta_forward_blocks *w = swax_workspace_take();
            const int last = lesser(H, first + together);
            for (int h = first; h < last; h++)
                copy(S1 + ((long)b*H + h)*KV, S0 ? S0 + ((long)b*H + h)*KV : NULL, KV);
            for (int t = 0, end = T; t < T; t = end)
                for (int h = first; h < last; h++) {
                    const struct delta a = delta_head(&c, b, h);
                    const long bh = (long)b*H + h, value = ((long)b*T*H + h)*V;
                    if (Ss && t % L == 0)
                        copy(Ss + (bh*chunks + t/L)*KV, S1 + bh*KV, KV);
                    if (begins(&a.x, t))
                        copy(S1 + bh*KV, NULL, KV);
                    end = delta_end(&a, t);
                    delta_piece_open(&w->d, &a, t, end);
                    delta_piece_forward(w, y + value, r + value, S1 + bh*KV, &a);
                }
            swax_workspace_give(w);
        }
}
