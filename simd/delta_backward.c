/* delta_backward.c - the gradients of the gated delta rule by pieces (delta_piece.h), last to first.
 *
 * With D the gradient of the state after a piece and S the state before it, N_ji = scale u_j.dy_i and M_ji = -beta_i
 * u_j.Y_i, both with the decay D_ji inside:
 *
 *     dU = P dy + Z k D            Y = (I + C beta)^-T dU        dv += beta Y        dbeta_i += Y_i.r_i
 *     dq_i += sum_{j<=i} N_ji k_j + scale E_i S dy_i
 *     dk_j += sum_{i>=j} N_ji q_i + sum_{i>j} M_ji k_i + Z_j D u_j                    as the key that writes
 *     dk_i += sum_{j<i} M_ji k_j - beta_i E_i S Y_i                                   as the one that asks
 *     D'   = E_last D + (scale E q)^T dy - (E k)^T beta Y
 *
 * dg_r is the sum of all that crosses gate r, as in mlstm_backward.c: pairs j < r <= i, the state before to i >= r, j <
 * r to the state after, and state to state.  A token's effect on itself is in none of them, so nothing cancels.
 *
 * Columns of v do not meet but in sums: all is done for SIDE of them at a time, from the last token to the first.  S
 * and D stand in the scratch that the caller gives. */
#include "simd/delta_piece.h"

/* What one worker lays out. */
struct delta_backward_blocks {
    BLOCK(roomQ); BLOCK(roomK); BLOCK(roomY); BLOCK(transposed); BLOCK(scaled);
    BLOCK(P); BLOCK(C); BLOCK(D); BLOCK(N); BLOCK(M);
    BLOCK(S); BLOCK(dS); BLOCK(R); BLOCK(U); BLOCK(Y); BLOCK(W); BLOCK(X); BLOCK(A);
    struct delta_piece d;
};

/* The gradients of one value head, and what its forward left. */
struct delta_trace {
    real *dq, *dk, *dv;
    stat *dg, *dbeta, *S, *dS;
    const real *dy;
    const stat *r, *Ss;
    int no_state;       /* before token 0 */
};

/* Columns v0.. of S before token t, from where it is known */
static void delta_state(struct delta_backward_blocks *b, const struct delta_trace *g, const struct delta *a, int t,
                        int v0)
{
    const int known = known_before(&a->x, t), V = a->x.V, vw = lesser(SIDE, V - v0);
    const stat *saved = begins(&a->x, known) ? NULL : g->Ss + (long)(known / a->x.L)*a->x.K*V;
    for (int i = 0; i < a->x.K; i++)
        copy(g->S + (long)i*V + v0, saved ? saved + (long)i*V + v0 : NULL, vw);
    for (int at = known, end; at < t; at = end) {
        end = delta_end(a, at);
        delta_piece_open(&b->d, a, at, end);
        block_read_state(b->R, g->r + at*a->vrow + v0, a->vrow, end - at, vw);
        scale_rows(b->U, in(b->R), b->d.beta, end - at, vw);
        delta_write(g->S, a, &b->d, b->U, v0, b->roomK, b->scaled, b->X);
    }
}

/* N, M = their decayed selves in place of u.dy and u.Y (M == NULL: nothing is erased); across[r] = what they let cross
 * token r */
NOINLINE void delta_weigh_grads(stat *N, stat *M, stat *across, const stat *P, const stat *C, const stat *D,
                                const stat *beta, stat scale, int n)
{
    stat crossing[SIDE * VL] __attribute__((aligned(64)));
    memset(crossing, 0, sizeof crossing);
    for (int j = 0; j < n; j += VL) {
        vec above = {0};
        for (int s = 0; s < lesser(j / PAD * PAD + PAD, n); s++) {
            const vec d = load(D + s*SIDE + j), a = from_key_on(load(N + s*SIDE + j), s, j);
            store(crossing + s*VL, load(crossing + s*VL) + from_key_on(above, s, j));
            above += a * load(P + s*SIDE + j);
            store(N + s*SIDE + j, scale * d * a);
            if (!M)
                continue;
            const vec b = from_key_on(-load(beta + j) * load(M + s*SIDE + j), s + 1, j);
            above += b * load(C + s*SIDE + j);
            store(M + s*SIDE + j, d * b);
        }
    }
    sum_lanes(across, crossing, n);
}

/* c += a b or a^T b, over the pairs of a piece that there are: a token's own and earlier keys, or own and later
 * queries */
static void pairs_with_keys(stat *c, const stat *a, struct view b, const stat *keep, const struct piece *p, int n,
                            int finite)
{
    struct span keys[SIDE], queries[SIDE];
    if (finite) {
        block_mul_transposed(c, in(a), b, p->n, n, p->n, p->keys, keep, NULL);
        return;
    }
    piece_exactly(keys, queries, p->n);
    block_mul_rows(c, a, 1, SIDE, b, p->n, n, keys, keep);
}
static void pairs_with_queries(stat *c, const stat *a, struct view b, const stat *keep, const struct piece *p, int n,
                               int finite)
{
    struct span keys[SIDE], queries[SIDE];
    if (finite) {
        block_mul(c, in(a), b, p->n, n, p->n, p->queries, keep, NULL);
        return;
    }
    piece_exactly(keys, queries, p->n);
    block_mul_rows(c, a, SIDE, 1, b, p->n, n, queries, keep);
}

static int view_finite(struct view a, int m, int n)
{
    vec sum = {0};
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j += VL)
            sum += 0 * load_n(a.at + i*a.row + j, n - j);
    return vsum(sum) == 0;
}

static void delta_gate_grads(const struct delta_piece *d, const struct delta_trace *g, const struct delta *a,
                             const stat *across, const stat *arrives, const stat *leaves, stat through)
{
    stat dg[SIDE], before = 0, after = through;
    for (int j = 0; j < d->p.n; j++) {
        dg[j] = across[j] + before;
        before += leaves[j];
    }
    for (int j = d->p.n - 1; j >= 0; j--) {
        after += arrives[j];
        const int t = d->p.t + j;
        if (!begins(&a->x, t) && (t || !g->no_state))      /* else there is nothing to fade */
            g->dg[(long)t*a->x.H] += dg[j] + after;
    }
}

/* Y and W = beta Y of a piece's columns v0.., and what they give to dv and dbeta */
static void delta_solve_back(struct delta_backward_blocks *b, const struct delta_trace *g, const struct delta *a,
                             struct view dY, int v0)
{
    struct delta_piece *d = &b->d;
    const int t = d->p.t, n = d->p.n, K = a->x.K, V = a->x.V, vw = lesser(SIDE, V - v0);
    stat part[SIDE];
    for (int k0 = 0; k0 < K; k0 += SIDE) {
        const int kw = lesser(SIDE, K - k0);
        delta_piece_channels(d, a, k0);
        delta_writes(b->scaled, block_view(b->roomK, a->x.k + t*a->qrow + k0, a->qrow, n, kw), a, d, kw);
        block_read_state(b->dS, g->dS + (long)k0*V + v0, V, kw, vw);
        block_mul(b->Y, in(b->scaled), in(b->dS), n, vw, kw, NULL, k0 ? block_ones : NULL, NULL);
    }
    pairs_with_queries(b->Y, b->P, dY, block_ones, &d->p, vw, view_finite(dY, n, vw));
    if (a->erase)
        solve_up(b->Y, b->W, b->C, d->beta, n, vw);
    else {
        block_pad(b->Y, n, vw);
        scale_rows(b->W, in(b->Y), d->beta, up(n, PAD), vw);
    }
    block_add(g->dv + t*a->vrow + v0, a->vrow, b->W, 1, n, vw);
    block_dots(part, in(b->Y), in(b->R), n, vw);
    for (int j = 0; j < n; j++)
        g->dbeta[(long)(t + j)*a->x.H] += part[j];
}

/* dS of keys k0.. from after the piece to before it */
static void delta_read_back(struct delta_backward_blocks *b, const struct delta_trace *g, const struct delta *a,
                            struct view Q, struct view K, struct view dY, int k0, int v0)
{
    const struct delta_piece *d = &b->d;
    const int n = d->p.n, V = a->x.V, kw = lesser(SIDE, a->x.K - k0), vw = lesser(SIDE, V - v0);
    delta_reads(b->scaled, Q, a, d, kw);
    block_mul_transposed(b->dS, in(b->scaled), dY, kw, vw, n, NULL, d->keep, NULL);
    if (a->erase) {
        delta_asks(b->scaled, K, a, d, kw);
        block_mul_transposed(b->dS, in(b->scaled), in(b->W), kw, vw, n, NULL, block_ones, NULL);
    }
    block_write_state(g->dS + (long)k0*V + v0, V, b->dS, kw, vw);
}

/* Keys k0.. of a piece, J = 1: dq, dk, and dS from after the piece to before it.  arrives, leaves and through: see
 * delta_gate_grads. */
static void delta_keys_backward(struct delta_backward_blocks *b, const struct delta_trace *g, const struct delta *a,
                                struct view dY, int k0, int v0, stat *arrives, stat *leaves, stat *through)
{
    const struct delta_piece *d = &b->d;
    const struct piece *p = &d->p;
    const int t = p->t, n = p->n, V = a->x.V, kw = lesser(SIDE, a->x.K - k0), vw = lesser(SIDE, V - v0);
    const struct view Q = block_view(b->roomQ, a->x.q + t*a->qrow + k0, a->qrow, n, kw);
    const struct view K = block_view(b->roomK, a->x.k + t*a->qrow + k0, a->qrow, n, kw);
    const int finite_Q = view_finite(Q, n, kw), finite_K = view_finite(K, n, kw);
    stat part[SIDE], asks[SIDE];
    for (int j = 0; j < SIDE; j += VL)
        store(asks + j, load(d->asks + j) * load(d->beta + j));
    block_read_state(b->S, g->S + (long)k0*V + v0, V, kw, vw);
    block_read_state(b->dS, g->dS + (long)k0*V + v0, V, kw, vw);

    block_transpose(b->transposed, in(b->S), kw, vw);
    block_mul(b->X, dY, in(b->transposed), n, kw, vw, NULL, NULL, NULL);
    block_dots(part, Q, in(b->X), n, kw);
    for (int j = 0; j < n; j++)
        arrives[j] += p->bb[j] * part[j];
    pairs_with_keys(b->X, b->N, K, p->bb, p, kw, finite_K);
    block_add(g->dq + t*a->qrow + k0, a->qrow, b->X, 1, n, kw);
    if (a->erase) {
        block_mul(b->X, in(b->Y), in(b->transposed), n, kw, vw, NULL, NULL, NULL);
        block_dots(part, K, in(b->X), n, kw);
        for (int j = 0; j < n; j++)
            arrives[j] += asks[j] * part[j];
        pairs_with_keys(b->X, b->M, K, asks, p, kw, finite_K);
        block_add(g->dk + t*a->qrow + k0, a->qrow, b->X, 1, n, kw);
    }

    block_transpose(b->transposed, in(b->dS), kw, vw);
    block_mul(b->X, in(b->U), in(b->transposed), n, kw, vw, NULL, NULL, NULL);
    block_dots(part, K, in(b->X), n, kw);
    for (int j = 0; j < n; j++)
        leaves[j] += p->ab[j] * part[j];
    pairs_with_queries(b->X, b->N, Q, p->ab, p, kw, finite_Q);
    if (a->erase)
        pairs_with_queries(b->X, b->M, K, block_ones, p, kw, finite_K);
    block_add(g->dk + t*a->qrow + k0, a->qrow, b->X, 1, n, kw);

    block_dots(part, in(b->dS), in(b->S), kw, vw);
    for (int i = 0; i < kw; i++)
        *through += p->gb * part[i];
    delta_read_back(b, g, a, Q, K, dY, k0, v0);
}

/* Pairs of a piece in channels c.., J = K: what they give to dq, to dk as a key that writes, and as one that asks, and
 * what they let cross each gate */
struct channel_sums { vec dq[SHORT], dk[SHORT], asked[SHORT], across[SHORT]; };

static void channel_pairs(struct channel_sums *s, const struct delta_backward_blocks *b, struct view Q, struct view K,
                          int erase, int c)
{
    vec left[SHORT];        /* of key j, at query i */
    memset(s, 0, sizeof *s);
    for (int i = 0; i < b->d.p.n; i++) {
        const vec q = load(Q.at + i*Q.row + c), k = load(K.at + i*K.row + c), f = load(b->d.F + i*SIDE + c);
        vec crossing = {0};
        for (int j = 0; j < i; j++) {
            const stat N = b->N[j*SIDE + i], M = erase ? b->M[j*SIDE + i] : 0;
            const vec key = load(K.at + j*K.row + c), x = left[j] *= f, gives = erase ? (N * q + M * k) * x : N * q * x;
            s->dq[i] += N * (x * key);
            s->dk[j] += gives;
            if (erase)
                s->asked[i] += M * (x * key);
            crossing += gives * key;
            s->across[j + 1] += crossing;
        }
        left[i] = vset(1);
        s->dq[i] += b->N[i*SIDE + i] * k;
        s->dk[i] += b->N[i*SIDE + i] * q;
    }
}

/* Keys k0.. of a piece, J = K: dq, dk, dg, and dS */
static void delta_channels_backward(struct delta_backward_blocks *b, const struct delta_trace *g, const struct delta *a,
                                    struct view dY, int k0, int v0)
{
    struct delta_piece *d = &b->d;
    const int t = d->p.t, n = d->p.n, V = a->x.V, kw = lesser(SIDE, a->x.K - k0), vw = lesser(SIDE, V - v0);
    const struct view Q = block_view(b->roomQ, a->x.q + t*a->qrow + k0, a->qrow, n, kw);
    const struct view K = block_view(b->roomK, a->x.k + t*a->qrow + k0, a->qrow, n, kw);
    stat through[SIDE];
    delta_piece_channels(d, a, k0);
    block_read_state(b->S, g->S + (long)k0*V + v0, V, kw, vw);
    block_read_state(b->dS, g->dS + (long)k0*V + v0, V, kw, vw);
    block_dots(through, in(b->dS), in(b->S), kw, vw);
    for (int c = 0; c < up(kw, VL); c += VL)
        store(through + c, load(through + c) * load(d->keep + c));

    /* X: from the state before, to queries and to the keys that ask; A, X and P: what token by token comes in and goes
     * out */
    block_transpose(b->transposed, in(b->S), kw, vw);
    block_mul(b->X, dY, in(b->transposed), n, kw, vw, NULL, NULL, NULL);
    delta_reads(b->X, in(b->X), a, d, kw);
    if (a->erase) {
        block_mul(b->A, in(b->Y), in(b->transposed), n, kw, vw, NULL, NULL, NULL);
        delta_asks(b->A, in(b->A), a, d, kw);
        scale_rows(b->A, in(b->A), d->beta, n, kw);
    }
    block_transpose(b->transposed, in(b->dS), kw, vw);
    block_mul(b->R, in(b->U), in(b->transposed), n, kw, vw, NULL, NULL, NULL);
    delta_writes(b->R, in(b->R), a, d, kw);

    for (int c = 0; c < kw; c += VL) {
        struct channel_sums s;
        vec before = {0}, after = load(through + c), dg[SHORT];
        channel_pairs(&s, b, Q, K, a->erase, c);
        for (int i = 0; i < n; i++) {
            const vec out = load(b->R + i*SIDE + c);
            dg[i] = s.across[i] + before;
            before += load(K.at + i*K.row + c) * out;
            s.dk[i] += out;
        }
        for (int i = n - 1; i >= 0; i--) {
            const vec read = load(b->X + i*SIDE + c), asked = a->erase ? load(b->A + i*SIDE + c) : vset(0);
            stat *at = g->dg + (long)(t + i)*a->x.H*a->J + k0 + c;
            after += load(Q.at + i*Q.row + c) * read;
            if (a->erase)
                after += load(K.at + i*K.row + c) * asked;
            if (!begins(&a->x, t + i) && (t + i || !g->no_state))
                store_n(at, load_n(at, kw - c) + dg[i] + after, kw - c);
            store(b->X + i*SIDE + c, read + s.dq[i]);
            store(b->A + i*SIDE + c, a->erase ? s.dk[i] + (asked + s.asked[i]) : s.dk[i]);
        }
    }
    block_add(g->dq + t*a->qrow + k0, a->qrow, b->X, 1, n, kw);
    block_add(g->dk + t*a->qrow + k0, a->qrow, b->A, 1, n, kw);
    delta_read_back(b, g, a, Q, K, dY, k0, v0);
}

/* N and M become gradients of what is in P and C, J = K: their decays are in the channels */
static void channel_grads(stat *N, stat *M, const stat *beta, stat scale, int n)
{
    for (int s = 0; s < n; s++)
        for (int j = 0; j < n; j += VL) {
            store(N + s*SIDE + j, scale * load(N + s*SIDE + j));
            if (M)
                store(M + s*SIDE + j, -load(beta + j) * load(M + s*SIDE + j));
        }
}

/* Columns v0.. of one piece, tokens t .. end-1: dS goes from after it to before it. */
static void delta_piece_backward(struct delta_backward_blocks *b, const struct delta_trace *g, const struct delta *a,
                                 int t, int end, int v0)
{
    const int n = end - t, V = a->x.V, vw = lesser(SIDE, V - v0);
    stat across[SIDE], arrives[SIDE], leaves[SIDE], through = 0;
    delta_state(b, g, a, t, v0);
    delta_piece_open(&b->d, a, t, end);
    delta_attend(b->P, b->C, b->D, a, &b->d, b->roomQ, b->roomK, b->transposed);
    const struct view dY = block_view(b->roomY, g->dy + t*a->vrow + v0, a->vrow, n, vw);
    block_read_state(b->R, g->r + t*a->vrow + v0, a->vrow, n, vw);
    scale_rows(b->U, in(b->R), b->d.beta, up(n, PAD), vw);
    delta_solve_back(b, g, a, dY, v0);

    block_transpose(b->transposed, dY, up(n, PAD), vw);
    block_mul_band(b->N, in(b->U), b->transposed, n, vw, b->d.p.queries, NULL, NULL);
    if (a->erase) {
        block_transpose(b->transposed, in(b->Y), up(n, PAD), vw);
        block_mul_band(b->M, in(b->U), b->transposed, n, vw, b->d.p.queries, NULL, NULL);
    }
    if (a->J > 1)
        channel_grads(b->N, a->erase ? b->M : NULL, b->d.beta, a->x.scale, n);
    else
        delta_weigh_grads(b->N, a->erase ? b->M : NULL, across, b->P, b->C, b->D, b->d.beta, a->x.scale, n);
    fill(arrives, 0);
    fill(leaves, 0);
    for (int k0 = 0; k0 < a->x.K; k0 += SIDE)
        if (a->J > 1)
            delta_channels_backward(b, g, a, dY, k0, v0);
        else
            delta_keys_backward(b, g, a, dY, k0, v0, arrives, leaves, &through);
    if (a->J == 1)
        delta_gate_grads(&b->d, g, a, across, arrives, leaves, through);
    for (int i = 0; i < a->x.K && begins(&a->x, t); i++)
        copy(g->dS + (long)i*V + v0, NULL, vw);
}

static void delta_backward(real *dq, real *dk, real *dv, stat *dg, stat *dbeta, stat *dS0, stat *S, stat *D,
                           const real *dy, const stat *dS1,
                           const real *q, const real *k, const real *v, const stat *g, const stat *beta,
                           const stat *S0, const int *start, const stat *S1, const stat *r, const stat *Ss,
                           int B, int T, int H, int G, int K, int V, int J, int L, int erase, double scale)
{
    (void)S1;       /* what dg is not made of */
    const struct delta_call c = {
        .q = q, .k = k, .v = v, .g = g, .beta = beta, .start = start, .B = B, .T = T, .H = H, .G = G, .K = K, .V = V,
        .J = J, .L = L, .erase = erase, .scale = (stat)scale
    };
    const long KV = (long)K*V, chunks = (T - 1) / L + 1;
    const int group = H / G, together = lesser(heads_together(B, G), greater(TEAM / group, 1));
    #pragma omp parallel for collapse(2)
    for (int b = 0; b < B; b++)
        for (int first = 0; first < G; first += together) {
            struct delta_backward_blocks *w = swax_workspace_take();
            const int from = first * group, to = lesser(G, first + together) * group;
            for (int h = from; h < to; h++)
                copy(D + ((long)b*H + h)*KV, dS1 ? dS1 + ((long)b*H + h)*KV : NULL, KV);
            for (int v0 = 0; v0 < V; v0 += SIDE)
                for (int end = T, t = 0; end > 0; end = t)
                    for (int h = from; h < to; h++) {
                        const struct delta a = delta_head(&c, b, h);
                        const long bh = (long)b*H + h, bt = (long)b*T, value = bt*H + h, key = bt*G + h/group;
                        const struct delta_trace trace = {
                            .dq = dq + key*K, .dk = dk + key*K, .dv = dv + value*V, .dg = dg + value*J,
                            .dbeta = dbeta + value, .S = S + bh*KV, .dS = D + bh*KV, .dy = dy + value*V,
                            .r = r + value*V, .Ss = Ss + bh*chunks*KV, .no_state = !S0
                        };
                        t = delta_begin(&a, end - 1);
                        delta_piece_backward(w, &trace, &a, t, end, v0);
                    }
            for (int h = from; h < to && dS0; h++)
                for (long e = 0; e < KV; e++)
                    dS0[((long)b*H + h)*KV + e] += D[((long)b*H + h)*KV + e];
            swax_workspace_give(w);
        }
}
