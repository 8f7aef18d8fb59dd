/* mlstm.c - the mLSTM cell by pieces of up to SIDE tokens; see ref/mlstm.c for the mathematics.
 *
 * Within a piece the cell is attention with weights, and what came before it is one state.  Blocks of scores have
 * a row per key s and a column per query t:
 *
 *     forward    P  = (k q^T / sqrt(K)) D                h   = (P^T v + bb (q C)/sqrt(K)) / N
 *                C' = gb C + (ab k)^T v                  qn  = P^T 1 + bb (q n)/sqrt(K)
 *     backward   G  = dh/N,  g = dL/dqn                  dP  = v G^T + g,   dS = dP D
 *                dv += P G + ab k dC                     dq += (dS^T k + bb (G C^T + g n)) / sqrt(K)
 *                dk += dS q / sqrt(K) + ab (v dC^T + dn)
 *                dC' = gb dC + (bb q)^T G / sqrt(K)      dn' = gb dn + (bb q)^T g / sqrt(K)
 *
 * The weights.  m is a matter of gauge: any m gives the same h.  So m comes first, token by token, and all weights
 * follow from it, with no maximum to be found while blocks are visited.  With b_t = lf_0 + .. + lf_t in the piece,
 * u_s = li_s - b_s and c_t = m_t - b_t:
 *
 *     D_st = exp(u_s - c_t)     bb_t = exp(m_in - c_t)     ab_s = exp(u_s - c_last)     gb = exp(m_in - c_last)
 *
 * b reaches -1000 where gates are shut, and then u - c would have lost the digits of li and m: so b, u, c are kept
 * as unevaluated sums of two numbers.  All exponents are <= 0, but for the rounding of m.
 *
 * The forget gate.  dlf_r is the sum of all that links tokens before r to tokens from r on.  With Z = P dP it is
 *
 *     dlf_r = sum_{s < r <= t} Z_st + sum_{t >= r} bb_t (q C.G + g q.n)_t/sqrt(K) + sum_{s < r} ab_s (k dC v + k.dn)_s
 *             + gb (<dC,C> + <dn,n>)
 *
 * in each piece.  Every term has crossed r, so nothing cancels, however small dlf_r is beside k.dk.
 *
 * Pieces end where a state is saved, where a document begins, and every SIDE tokens from there. */
#include "block.h"
#include "vmath.h"

/* One head of one sequence: token t's row of q is q + t*qrow. */
struct cell {
    const real *q, *k, *v;
    const stat *i, *f;
    const int *start;
    int T, H, K, V, L, gate;
    double eps;
    stat scale;     /* 1/sqrt(K) */
};

/* The weights of the n tokens of a piece. */
struct piece {
    int t, n;
    stat li[SIDE], lf[SIDE], m[SIDE];
    stat u[SIDE], u_lo[SIDE], c[SIDE], c_lo[SIDE];
    stat bb[SIDE], ab[SIDE], gb;        /* bb with 1/sqrt(K) */
    struct span keys[SIDE / TR], queries[SIDE / TR];    /* the half of a block that is not empty */
};

static int document(const struct cell *x, int t) { return x->start && x->start[t] > 0 ? x->start[t] : 0; }
static int begins(const struct cell *x, int t) { return x->start && x->start[t] == t; }

/* Where the state that leads to token t was last known: a saved one, or a document's beginning. */
static int known_before(const struct cell *x, int t)
{
    const int saved = t - t % x->L, begin = document(x, t);
    return saved > begin ? saved : begin;
}
static int piece_begin(const struct cell *x, int t)
{
    const int known = known_before(x, t);
    return known + (t - known) / SIDE * SIDE;
}
static int piece_end(const struct cell *x, int t)
{
    int end = lesser(piece_begin(x, t) + SIDE, x->T);
    if (x->L - t % x->L < end - t)
        end = t + x->L - t % x->L;
    for (int e = t + 1; e < end; e++)
        if (begins(x, e))
            end = e;
    return end;
}

/* a + b = sum + *error, exactly */
INLINE vec two_sum(vec a, vec b, vec *error)
{
    const vec sum = a + b, z = sum - a;
    *error = (a - (sum - z)) + (b - z);
    return sum;
}
INLINE stat two_sum1(stat a, stat b, stat *error)
{
    const stat sum = a + b, z = sum - a;
    *error = (a - (sum - z)) + (b - z);
    return sum;
}

/* li and lf of tokens t .. t+n-1; padding has no weight */
static void piece_gates(struct piece *p, const struct cell *x, int t, int n)
{
    p->t = t;
    p->n = n;
    fill(p->li, 0);
    fill(p->lf, 0);
    for (int j = 0; j < n; j++) {
        p->li[j] = x->i[(long)(t + j)*x->H];
        p->lf[j] = x->f[(long)(t + j)*x->H];
    }
    for (int j = 0; j < n; j += VL) {
        const vec lf = vlogsigmoid(load(p->lf + j)), i = load(p->li + j);
        store(p->lf + j, pick(lf < -(stat)1e30, vset(-(stat)1e30), lf));
        store(p->li + j, x->gate == SWAX_EXPONENTIAL ? i : vlogsigmoid(i));
    }
    for (int j = n; j < SIDE; j++) {
        p->li[j] = -(stat)1e30;
        p->lf[j] = 0;
    }
    for (int i = 0; i < SIDE / TR; i++) {
        p->keys[i] = (struct span){ 0, lesser(i*TR + TR, n) };
        p->queries[i] = (struct span){ lesser(i*TR, n), n };
    }
}

/* m_t = max(lf_t + m_{t-1}, li_t), of which *lo keeps what rounding to m leaves */
static void piece_stabiliser(struct piece *p, const struct cell *x, stat m, stat *lo)
{
    stat rest = *lo;
    for (int j = 0; j < p->n; j++) {
        stat error;
        const stat faded = two_sum1(m, p->lf[j], &error);
        rest += error;
        const int fresh = p->li[j] > faded + rest || p->li[j] != p->li[j]; /* a NaN stays one */
        m = fresh ? p->li[j] : faded;
        rest = fresh ? 0 : rest;
        p->m[j] = m + rest;
    }
    *lo = rest + (m - p->m[p->n - 1]);
    if (x->gate != SWAX_EXPONENTIAL) {
        fill(p->m, 0);
        *lo = 0;
    }
}

/* Everything else from m, which was m_in before the piece. */
static void piece_weights(struct piece *p, const struct cell *x, stat m_in)
{
    stat b[SIDE], b_lo[SIDE], hi = 0, lo = 0, error;
    for (int j = 0; j < SIDE; j++) {
        hi = two_sum1(hi, p->lf[j], &error);
        lo += error;
        b[j] = hi;
        b_lo[j] = lo;
    }
    for (int j = p->n; j < SIDE; j++)
        p->m[j] = p->m[p->n - 1];
    for (int j = 0; j < SIDE; j += VL) {
        vec e;
        store(p->u + j, two_sum(load(p->li + j), -load(b + j), &e));
        store(p->u_lo + j, e - load(b_lo + j));
        store(p->c + j, two_sum(load(p->m + j), -load(b + j), &e));
        store(p->c_lo + j, e - load(b_lo + j));
    }
    const int last = p->n - 1;
    for (int j = 0; j < SIDE; j += VL) {
        store(p->bb + j, vweight((m_in - load(p->c + j)) - load(p->c_lo + j)));
        store(p->ab + j, vweight((load(p->u + j) - p->c[last]) + (load(p->u_lo + j) - p->c_lo[last])));
    }
    p->gb = p->bb[last];
    for (int j = 0; j < SIDE; j += VL)
        store(p->bb + j, load(p->bb + j) * x->scale);
}

/* D_st = exp(u_s - c_t) for s <= t, 0 in the rest of the blocks on the diagonal.  Off the diagonal it is the
 * product of two numbers <= 1:  exp(u_s - c_e) exp(c_e - c_t), where e is the first column right of s's block. */
static void piece_matrix(stat *D, const struct piece *p)
{
    for (int i = 0; i < p->n; i += VL) {
        const int e = i + VL;
        stat left[VL];
        for (int s = i; s < lesser(e, p->n); s++) {
            const vec d = vweight((p->u[s] - load(p->c + i)) + (p->u_lo[s] - load(p->c_lo + i)));
            store(D + s*SIDE + i, pick(iota() < (lane)(s - i), vset(0), d));
            for (int j = i / PAD * PAD; j < i; j += VL)
                store(D + s*SIDE + j, vset(0));
        }
        if (e >= p->n)
            break;
        store(left, vweight((load(p->u + i) - p->c[e]) + (load(p->u_lo + i) - p->c_lo[e])));
        for (int j = e; j < p->n; j += VL) {
            const vec right = vweight((p->c[e] - load(p->c + j)) + (p->c_lo[e] - load(p->c_lo + j)));
            for (int s = 0; s < VL; s++)
                store(D + (i + s)*SIDE + j, left[s] * right);
        }
    }
}

/* N_t of the piece, as 1/N */
static void piece_inverse_norm(stat *inv, const stat *qn, const struct piece *p, const struct cell *x)
{
    for (int j = 0; j < p->n; j += VL) {
        const vec N = vmax(vexp(-load(p->m + j)), vabs(load(qn + j))) + (stat)x->eps;
        store(inv + j, x->gate == SWAX_SIGMOID ? vset(1) : 1 / N);
    }
}

/* P = scale P D in the columns that queries use, and qn += its column sums */
static void weigh_scores(stat *P, stat *qn, const stat *D, stat scale, int n)
{
    for (int j = 0; j < n; j += VL) {
        vec sum = load(qn + j);
        for (int s = 0; s < lesser(j / PAD * PAD + PAD, n); s++) {
            const vec a = scale * load(P + s*SIDE + j) * load(D + s*SIDE + j);
            store(P + s*SIDE + j, a);
            sum += a;
        }
        store(qn + j, sum);
    }
}

/* y[j] += sum_i a[i,j] x[i] */
static void add_turned(stat *y, const stat *a, const stat *x, int m, int n)
{
    for (int j = 0; j < n; j += VL) {
        vec sum = load(y + j);
        for (int i = 0; i < m; i++)
            sum += x[i] * load(a + i*SIDE + j);
        store(y + j, sum);
    }
}

/* row i times factor[i] */
static void scale_rows(stat *y, struct view a, const stat *factor, int m, int n)
{
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j += VL)
            store(y + i*SIDE + j, factor[i] * load(a.at + i*a.row + j));
}

/* SIDE rows of x from row t on, of T. */
INLINE struct soon rows_at(const real *x, long stride, int t, int T, int cols)
{
    return ROWS_SOON(x + t*stride, stride, t < 0 ? 0 : lesser(SIDE, T - t), lesser(SIDE, cols));
}

/* One piece: h, m and qn of its tokens; C and n go from the state before it to the one after it. */
static void piece_forward(real *h, stat *m, stat *qn, stat *C, stat *n, const struct piece *p, const struct cell *x)
{
    BLOCK(roomQ); BLOCK(Qt); BLOCK(roomK); BLOCK(Ks); BLOCK(roomV); BLOCK(P); BLOCK(D); BLOCK(Cb); BLOCK(Hb);
    stat d[SIDE], inv[SIDE], keep[SIDE];
    const long qrow = (long)x->H*x->K, vrow = (long)x->H*x->V;
    const int t = p->t, len = p->n;
    const struct soon soon_q = rows_at(x->q, qrow, t + len, x->T, x->K), soon_k = rows_at(x->k, qrow, t + len, x->T, x->K),
                      soon_v = rows_at(x->v, vrow, t + len, x->T, x->V), soon_h = rows_at(h, vrow, t + len, x->T, x->V);
    fill(d, 0);
    fill(keep, p->gb);
    for (int v0 = 0; v0 < x->V; v0 += SIDE) {
        const int vw = lesser(SIDE, x->V - v0);
        const struct view V = block_view(roomV, x->v + t*vrow + v0, vrow, len, vw);
        for (int k0 = 0; k0 < x->K; k0 += SIDE) {
            const int kw = lesser(SIDE, x->K - k0);
            stat *Ck = C + (long)k0*x->V + v0;
            const struct view Q = block_view(roomQ, x->q + t*qrow + k0, qrow, len, kw);
            const struct view K = block_view(roomK, x->k + t*qrow + k0, qrow, len, kw);
            block_read_state(Cb, Ck, x->V, kw, vw);
            block_mul(Hb, Q, in(Cb), len, vw, kw, NULL, k0 ? block_ones : NULL, &soon_q);
            if (!v0) {
                block_turn(Qt, Q, up(len, PAD), kw);
                block_mul_band(P, K, Qt, len, kw, p->queries, k0 ? block_ones : NULL, &soon_k);
                add_turned(d, Qt, n + k0, kw, len);
            }
            scale_rows(Ks, K, p->ab, len, kw);
            block_mul_turned(Cb, in(Ks), V, kw, vw, len, NULL, keep, &soon_v);
            block_write_state(Ck, x->V, Cb, kw, vw);
            if (!v0) {
                stat *nk = n + k0, sum[SIDE];
                fill(sum, 0);
                add_turned(sum, Ks, block_ones, len, kw);
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
        block_mul_turned(Hb, in(P), V, len, vw, len, p->keys, p->bb, &soon_h);
        block_write(h + t*vrow + v0, vrow, Hb, inv, len, vw);
    }
    for (int j = 0; j < len; j++) {
        m[(long)(t + j)*x->H] = p->m[j];
        qn[(long)(t + j)*x->H] = d[j];
    }
}

static void copy(stat *to, const stat *from, long n)
{
    if (from)
        memcpy(to, from, sizeof *to * (size_t)n);
    else
        memset(to, 0, sizeof *to * (size_t)n);
}

/* One head; its state lives in C1 and n1 from the first token on. */
static void head_forward(real *h, stat *C1, stat *n1, stat *m1, stat *m, stat *qn, stat *Cs, stat *ns,
                         const struct cell *x, const stat *C0, const stat *n0, const stat *m0)
{
    const long KV = (long)x->K*x->V;
    stat lo = 0;
    *m1 = m0 && x->gate == SWAX_EXPONENTIAL ? *m0 : 0;
    copy(C1, C0, KV);
    copy(n1, n0, x->K);
    for (int t = 0, end; t < x->T; t = end) {
        struct piece p;
        end = piece_end(x, t);
        if (Cs && t % x->L == 0) {
            copy(Cs + t / x->L * KV, C1, KV);
            copy(ns + (long)(t / x->L) * x->K, n1, x->K);
        }
        if (begins(x, t)) {
            copy(C1, NULL, KV);
            copy(n1, NULL, x->K);
            *m1 = lo = 0;
        }
        piece_gates(&p, x, t, end - t);
        piece_stabiliser(&p, x, *m1, &lo);
        piece_weights(&p, x, *m1);
        piece_forward(h, m, qn, C1, n1, &p, x);
        *m1 = p.m[p.n - 1];
    }
}

static void mlstm_forward(real *h, stat *C1, stat *n1, stat *m1,
                          stat *m, stat *qn, stat *Cs, stat *ns,
                          const real *q, const real *k, const real *v, const stat *i, const stat *f,
                          const stat *C0, const stat *n0, const stat *m0, const int *start,
                          int B, int T, int H, int K, int V, int L, int gate, double eps)
{
    const long KV = (long)K*V, chunks = (T - 1) / L + 1;
    #pragma omp parallel for collapse(2)
    for (int b = 0; b < B; b++)
        for (int hd = 0; hd < H; hd++) {
            const long bh = (long)b*H + hd, row = (long)b*T*H + hd;
            const struct cell x = { q + row*K, k + row*K, v + row*V, i + row, f + row,
                                    start ? start + (long)b*T : NULL, T, H, K, V, L, gate, eps, 1 / sqrt((stat)K) };
            head_forward(h + row*V, C1 + bh*KV, n1 + bh*K, m1 + bh, m + row, qn + row,
                         Cs ? Cs + bh*chunks*KV : NULL, ns ? ns + bh*chunks*K : NULL, &x,
                         C0 ? C0 + bh*KV : NULL, n0 ? n0 + bh*K : NULL, m0 ? m0 + bh : NULL);
        }
}

/* ---- backward.  All of it is linear in (dh, g, dC, dn), and columns of v do not meet but in sums: so it is done
 * slab by slab, a slab being SLAB keys by SIDE values of the state.  The first slab has the normaliser's column,
 * the first of each column of slabs what the scores P are needed for. */
enum { SLAB = 256 };

struct slab {
    int k0, k1, v0, v1;
    stat C[SLAB * SIDE] __attribute__((aligned(64))), n[SLAB];      /* the state before a piece */
    stat dC[SLAB * SIDE] __attribute__((aligned(64))), dn[SLAB];    /* the gradient of the state after it, then before it */
};

/* The gradients of one head, and what its forward left. */
struct trace {
    real *dq, *dk, *dv;
    stat *di, *df;
    const real *dh, *h;
    const stat *m, *qn, *Cs, *ns;
    stat m0;
};

static stat m_before(const struct trace *g, const struct cell *x, int t)
{
    return begins(x, t) ? 0 : t ? g->m[(long)(t - 1)*x->H] : g->m0;
}

static void piece_again(struct piece *p, const struct trace *g, const struct cell *x, int t, int end)
{
    piece_gates(p, x, t, end - t);
    for (int j = 0; j < end - t; j++)
        p->m[j] = g->m[(long)(t + j)*x->H];
    piece_weights(p, x, m_before(g, x, t));
}

/* A slab of a state; from NULL: 0.  The normaliser goes with the first values. */
static void slab_read(stat *C, stat *n, const struct slab *y, const stat *from_C, const stat *from_n, int V)
{
    memset(C, 0, sizeof *C * SIDE * (size_t)up(y->k1 - y->k0, PAD));
    memset(n, 0, sizeof y->n);
    for (int k = y->k0; from_C && k < y->k1; k++) {
        for (int c = y->v0; c < y->v1; c += VL)
            store(C + (k - y->k0)*SIDE + c - y->v0, load_n(from_C + (long)k*V + c, lesser(VL, y->v1 - c)));
        n[k - y->k0] = y->v0 ? 0 : from_n[k];
    }
}

/* y->C and y->n before token t, forward from where they are known */
static void slab_state(struct slab *y, const struct trace *g, const struct cell *x, int t)
{
    BLOCK(room); BLOCK(K); BLOCK(roomV);
    stat keep[SIDE];
    const int vw = y->v1 - y->v0, known = known_before(x, t);
    const long qrow = (long)x->H*x->K, vrow = (long)x->H*x->V, c = known / x->L, KV = (long)x->K*x->V;
    slab_read(y->C, y->n, y, begins(x, known) ? NULL : g->Cs + c*KV, g->ns + c*x->K, x->V);
    for (int a = known, end; a < t; a = end) {
        struct piece p;
        end = piece_end(x, a);
        piece_again(&p, g, x, a, end);
        fill(keep, p.gb);
        const struct view V = block_view(roomV, x->v + a*vrow + y->v0, vrow, p.n, vw);
        for (int k0 = y->k0; k0 < y->k1; k0 += SIDE) {
            const int kw = lesser(SIDE, y->k1 - k0);
            stat *n = y->n + (k0 - y->k0), sum[SIDE];
            scale_rows(K, block_view(room, x->k + a*qrow + k0, qrow, p.n, kw), p.ab, p.n, kw);
            block_mul_turned(y->C + (k0 - y->k0)*SIDE, in(K), V, kw, vw, p.n, NULL, keep, NULL);
            fill(sum, 0);
            if (y->v0 == 0)
                add_turned(sum, K, block_ones, p.n, kw);
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
    block_turn(Gt, in(G), up(p->n, PAD), vw);
}

/* G and G^T of the first values, and g_t = dL/dqn_t = -sign(qn_t) G_t.h_t where |qn_t| leads, else 0.  The sum runs like that of dP = G v: where one
 * key has all the weight, h is +-v, and dP + g is 0, not its rounding. */
static void piece_grad_qn(stat *grad, stat *G, stat *Gt, stat *room, stat *Ht, const stat *inv, const stat *qn,
                          const struct piece *p, const struct trace *g, const struct cell *x)
{
    const long vrow = (long)x->H*x->V;
    fill(grad, 0);
    for (int v0 = up(x->V, SIDE) - SIDE; v0 >= 0; v0 -= SIDE) {
        const int vw = lesser(SIDE, x->V - v0);
        piece_grad_h(G, Gt, inv, p, g, x, v0);
        if (x->gate == SWAX_SIGMOID)
            continue;
        block_turn(Ht, block_view(room, g->h + p->t*vrow + v0, vrow, p->n, vw), up(p->n, PAD), vw);
        for (int j = 0; j < p->n; j += VL) {
            vec sum = load(grad + j);
            for (int e = 0; e < vw; e++)
                sum += load(Ht + e*SIDE + j) * load(Gt + e*SIDE + j);
            store(grad + j, sum);
        }
    }
    for (int j = 0; j < p->n; j += VL) {
        const vec sum = load(grad + j), leading = load(qn + j);
        const ivec leads = vabs(leading) > vexp(-load(p->m + j));
        store(grad + j, pick(leads, pick(leading > 0, -sum, sum), vset(0)));
    }
}

/* dS = scale (dP + g) D in place of dP.  With scores: P = scale S D in place of S, and of Z = P (dP + g), row sums and what
 * crosses each token:  across[r] = sum_{s < r <= t} Z_st */
INLINE void weigh_grads(stat *P, stat *dP, stat *row, stat *across, const stat *D, const stat *g, stat scale, int n, int scores)
{
    stat rows[SIDE * VL] __attribute__((aligned(64))), crossing[SIDE * VL] __attribute__((aligned(64)));
    memset(rows, 0, sizeof rows);
    memset(crossing, 0, sizeof crossing);
    for (int j = 0; j < n; j += VL) {
        vec above = {0};
        for (int s = 0; s < lesser(j / PAD * PAD + PAD, n); s++) {
            const vec d = scale * load(D + s*SIDE + j), a = load(dP + s*SIDE + j) + load(g + j);
            store(dP + s*SIDE + j, a * d);
            if (!scores)
                continue;
            const vec weighed = load(P + s*SIDE + j) * d, z = weighed * a;
            store(P + s*SIDE + j, weighed);
            store(rows + s*VL, load(rows + s*VL) + z);
            store(crossing + s*VL, load(crossing + s*VL) + (s > j ? pick(iota() < (lane)(s - j), vset(0), above) : above));
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
        g->di[at] += (row[j] + out[j]) * (x->gate == SWAX_EXPONENTIAL ? 1 : closing[0][j]);
        g->df[at] += (dlf[j] + after) * closing[1][j];
    }
}

/* One piece of a slab: from y->dC after the piece to y->dC before it; C is the state before it. */
static void piece_backward(struct slab *y, const struct piece *p, const struct trace *g, const struct cell *x)
{
    BLOCK(roomQ); BLOCK(roomK); BLOCK(roomV); BLOCK(G); BLOCK(Gt); BLOCK(P); BLOCK(dP); BLOCK(D); BLOCK(Ct); BLOCK(X);
    BLOCK(dV);
    stat inv[SIDE], gn[SIDE], row[SIDE], across[SIDE], arrives[SIDE], leaves[SIDE], part[SIDE], keep[SIDE], through = 0;
    const int t = p->t, n = p->n, vw = y->v1 - y->v0, with_scores = y->k0 == 0, with_norm = y->v0 == 0;
    const long qrow = (long)x->H*x->K, vrow = (long)x->H*x->V;
    const struct soon soon[] = {
        rows_at(g->dh, vrow, t - SIDE, x->T, x->V), rows_at(g->h, vrow, t - SIDE, x->T, x->V),
        rows_at(x->v, vrow, t - SIDE, x->T, x->V), rows_at(x->q, qrow, t - SIDE, x->T, x->K),
        rows_at(x->k, qrow, t - SIDE, x->T, x->K), rows_at(g->dv, vrow, t - SIDE, x->T, x->V),
        rows_at(g->dq, qrow, t - SIDE, x->T, x->K), rows_at(g->dk, qrow, t - SIDE, x->T, x->K),
        ROWS_SOON(g->Cs + (long)(t / x->L - 1)*x->K*x->V, x->V, t < x->L ? 0 : lesser(SIDE, x->K), lesser(SIDE, x->V))
    };
    fill(arrives, 0);
    fill(leaves, 0);
    fill(keep, p->gb);

    fill(gn, 0);
    fill(part, 0);
    for (int j = 0; j < n; j++)
        part[j] = g->qn[(long)(t + j)*x->H];
    piece_inverse_norm(inv, part, p, x);
    if (with_norm)
        piece_grad_qn(gn, G, Gt, X, Ct, inv, part, p, g, x);
    else
        piece_grad_h(G, Gt, inv, p, g, x, y->v0);
    const struct view V = block_view(roomV, x->v + t*vrow + y->v0, vrow, n, vw);
    block_mul_band(dP, V, Gt, n, vw, p->queries, NULL, &soon[0]);
    for (int k0 = 0; k0 < x->K && with_scores; k0 += SIDE) {
        const int kw = lesser(SIDE, x->K - k0);
        block_turn(Ct, block_view(roomQ, x->q + t*qrow + k0, qrow, n, kw), up(n, PAD), kw);
        block_mul_band(P, block_view(roomK, x->k + t*qrow + k0, qrow, n, kw), Ct, n, kw, p->queries,
                       k0 ? block_ones : NULL, &soon[1]);
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
        const struct view Q = block_view(roomQ, x->q + t*qrow + k0, qrow, n, kw);
        const struct view K = block_view(roomK, x->k + t*qrow + k0, qrow, n, kw);

        block_turn(Ct, in(C), kw, vw);
        outer(X, gn, ns, n, kw);
        block_mul(X, in(G), in(Ct), n, kw, vw, NULL, block_ones, &soon[2]);
        block_dots(part, Q, in(X), n, kw);
        for (int j = 0; j < n; j++)
            arrives[j] += p->bb[j] * part[j];
        block_mul_turned(X, in(dP), K, n, kw, n, p->keys, p->bb, &soon[3]);
        block_add(g->dq + t*qrow + k0, qrow, X, 1, n, kw);

        block_turn(Ct, in(dC), kw, vw);
        outer(X, block_ones, dn, n, kw);
        block_mul(X, V, in(Ct), n, kw, vw, NULL, block_ones, &soon[4]);
        block_dots(part, K, in(X), n, kw);
        for (int j = 0; j < n; j++)
            leaves[j] += p->ab[j] * part[j];
        block_mul(X, in(dP), Q, n, kw, n, p->queries, p->ab, &soon[5]);
        block_add(g->dk + t*qrow + k0, qrow, X, 1, n, kw);

        block_mul(dV, K, in(dC), n, vw, kw, NULL, k0 > y->k0 ? block_ones : NULL, &soon[6]);

        through += inner(dC, C, kw, vw);
        scale_rows(X, Q, p->bb, n, kw);
        block_mul_turned(dC, in(X), in(G), kw, vw, n, NULL, keep, &soon[7]);
        if (with_norm) {
            fill(part, 0);
            add_turned(part, X, gn, n, kw);
            for (int r = 0; r < kw; r++) {
                through += dn[r] * ns[r];
                dn[r] = p->gb * dn[r] + part[r];
            }
        }
    }
    if (with_scores)
        block_mul(dV, in(P), in(G), n, vw, n, p->queries, p->ab, &soon[8]);
    else
        scale_rows(dV, in(dV), p->ab, n, vw);
    block_add(g->dv + t*vrow + y->v0, vrow, dV, 1, n, vw);
    piece_gate_grads(p, g, x, row, across, arrives, leaves, p->gb * through);
}

static void slab_backward(stat *dC0, stat *dn0, const stat *dC1, const stat *dn1, struct slab *y,
                          const struct trace *g, const struct cell *x)
{
    slab_read(y->dC, y->dn, y, dC1, dn1, x->V);
    for (int end = x->T, t; end > 0; end = t) {
        struct piece p;
        t = piece_begin(x, end - 1);
        slab_state(y, g, x, t);
        piece_again(&p, g, x, t, end);
        piece_backward(y, &p, g, x);
        if (begins(x, t))
            slab_read(y->dC, y->dn, y, NULL, NULL, x->V);
    }
    for (int k = y->k0; dC0 && k < y->k1; k++) {
        for (int c = y->v0; c < y->v1; c++)
            dC0[(long)k*x->V + c] += y->dC[(k - y->k0)*SIDE + c - y->v0];
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
    (void)C0, (void)n0, (void)C1, (void)n1, (void)m1;   /* Cs has C0; the rest no sum needs */
    const long KV = (long)K*V, chunks = (T - 1) / L + 1;
    #pragma omp parallel for collapse(2)
    for (int b = 0; b < B; b++)
        for (int hd = 0; hd < H; hd++) {
            const long bh = (long)b*H + hd, row = (long)b*T*H + hd;
            const struct cell x = { q + row*K, k + row*K, v + row*V, i + row, f + row,
                                    start ? start + (long)b*T : NULL, T, H, K, V, L, gate, eps, 1 / sqrt((stat)K) };
            const struct trace g = { dq + row*K, dk + row*K, dv + row*V, di + row, df + row, dh + row*V, h + row*V,
                                     m + row, qn + row, Cs + bh*chunks*KV, ns + bh*chunks*K,
                                     m0 && gate == SWAX_EXPONENTIAL ? m0[bh] : 0 };
            for (int v0 = 0; v0 < V; v0 += SIDE)
                for (int k0 = 0; k0 < K; k0 += SLAB) {
                    struct slab y;
                    y.k0 = k0, y.k1 = lesser(K, k0 + SLAB);
                    y.v0 = v0, y.v1 = lesser(V, v0 + SIDE);
                    slab_backward(dC0 ? dC0 + bh*KV : NULL, dn0 ? dn0 + bh*K : NULL,
                                  dC1 ? dC1 + bh*KV : NULL, dn1 ? dn1 + bh*K : NULL, &y, &g, &x);
                }
        }
}
