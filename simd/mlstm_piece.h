/* mlstm_piece.h - a piece of up to SIDE tokens of the mLSTM cell: its gates, and the weights that follow from them.
 *
 * Pieces end where a state is saved, where a document begins, and every SIDE tokens from there.
 *
 * m is a matter of gauge: any m gives the same h.  So m comes first, token by token, and all weights follow from
 * it, with no maximum to be found while blocks are visited.  With b_t = lf_0 + .. + lf_t in the piece,
 * u_s = li_s - b_s and c_t = m_t - b_t:
 *
 *     D_st = exp(u_s - c_t)     bb_t = exp(m_in - c_t)     ab_s = exp(u_s - c_last)     gb = exp(m_in - c_last)
 *
 * b reaches -1000 where gates are shut, and then u - c would have lost the digits of li and m: so b, u, c are kept
 * as unevaluated sums of two numbers.  All exponents are <= 0, but for the rounding of m. */
#ifndef SWAX_MLSTM_PIECE_H
#define SWAX_MLSTM_PIECE_H

#include "simd/block.h"
#include "simd/vmath.h"

/* Heads take their turns piece by piece, up to TEAM of them: they lie side by side, and a row of one is in a page, and
 * often in a line, with its neighbours (README.md has what that is worth). */
enum { TEAM = 8 };

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
    stat li[SIDE], lf[SIDE], m[SIDE], m_in;     /* m_in: before the piece */
    unsigned char none[SIDE];
    int none_in;          /* nothing has been written: m is -inf for others */
    stat u[SIDE], u_lo[SIDE], c[SIDE], c_lo[SIDE];
    stat bb[SIDE], ab[SIDE], gb;        /* bb with 1/sqrt(K) */
    struct span keys[SIDE / TR], queries[SIDE / TR];    /* the half of a block that is not empty */
};

static int document(const struct cell *x, int t) { return x->start && x->start[t] > 0 ? x->start[t] : 0; }
static int normalised(const struct cell *x)
{
    return x->gate == SWAX_EXPONENTIAL || x->gate == SWAX_SIGMOID_NORMALISED;
}
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

/* the log of a gate is this at least, and twice this for 0: sums of it stay finite */
static const stat CLOSED = (stat)-1e30;
INLINE vec finite_log(vec x) { return pick(x < CLOSED, pick(x == -(stat)INFINITY, vset(2 * CLOSED), vset(CLOSED)), x); }

static void piece_spans(struct piece *p)
{
    for (int i = 0; i < SIDE / TR; i++) {
        p->keys[i] = (struct span){ 0, lesser(i*TR + TR, p->n) };
        p->queries[i] = (struct span){ lesser(i*TR, p->n), p->n };
    }
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
        const vec f = load(p->lf + j), i = load(p->li + j);
        const vec lf = x->gate == SWAX_LOG ? f : vlogsigmoid(f);
        const vec li = x->gate == SWAX_EXPONENTIAL || x->gate == SWAX_LOG ? i : vlogsigmoid(i);
        store(p->lf + j, finite_log(lf));
        store(p->li + j, finite_log(li));
    }
    for (int j = n; j < SIDE; j++) {
        p->li[j] = CLOSED;
        p->lf[j] = 0;
    }
    piece_spans(p);
}

/* m_t = max(lf_t + m_{t-1}, li_t), of which *lo keeps what rounding to m leaves.  Where m_t = -inf nothing has been
 * written: weights are 0 then in any gauge, and m stays what it was. */
static void piece_stabiliser(struct piece *p, const struct cell *x, stat m, stat *lo)
{
    int none = m == -(stat)INFINITY;
    stat rest = none ? 0 : *lo;
    m = none ? 0 : m;
    p->m_in = m;
    p->none_in = none;
    for (int j = 0; j < p->n; j++) {
        stat error;
        const stat faded = two_sum1(m, p->lf[j], &error);
        const int empty = none || p->lf[j] < CLOSED;
        rest += error;
        none = empty && p->li[j] < CLOSED;
        const int fresh = !none && (empty || p->li[j] > faded + rest || p->li[j] != p->li[j]); /* a NaN stays one */
        m = none ? m : fresh ? p->li[j] : faded;
        rest = none || fresh ? 0 : rest;
        p->m[j] = m + rest;
        p->none[j] = (unsigned char)none;
    }
    *lo = rest + (m - p->m[p->n - 1]);
    if (x->gate != SWAX_EXPONENTIAL) {
        fill(p->m, 0);
        memset(p->none, 0, sizeof p->none);
        *lo = 0;
    }
}

/* The same from what the forward said m was. */
static void piece_stabilised(struct piece *p, const struct cell *x, stat m_in, const stat *m)
{
    p->none_in = m_in == -(stat)INFINITY;
    p->m_in = p->none_in ? 0 : m_in;
    for (int j = 0; j < p->n; j++) {
        const stat told = m[(long)(p->t + j)*x->H];
        p->none[j] = (unsigned char)(told == -(stat)INFINITY);
        p->m[j] = p->none[j] ? j ? p->m[j - 1] : p->m_in : told;
    }
}

static stat m_told(const struct piece *p, int j) { return p->none[j] ? -(stat)INFINITY : p->m[j]; }

/* By how much b falls where a forget gate leaves nothing, while m rises by so much: enough that nothing is left, and
 * not -1e30, of which a few would leave no digits of the rest in b. */
INLINE stat far_down(stat rise) { return rise > 0 ? -1000 : rise > -1000000 ? rise - 1000 : (stat)1.001 * rise; }

/* Everything else from m. */
static void piece_weights(struct piece *p, const struct cell *x)
{
    const stat m_in = p->m_in;
    stat b[SIDE], b_lo[SIDE], hi = 0, lo = 0, error;
    for (int j = 0; j < SIDE; j++) {
        const stat rise = j < p->n ? p->m[j] - (j ? p->m[j - 1] : m_in) : 0;
        const int shut = j < p->n && (p->none[j] || (j ? p->none[j - 1] : p->none_in) || p->lf[j] < rise - 1000);
        hi = two_sum1(hi, shut ? far_down(rise) : p->lf[j], &error);
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

/* exp(-m), above 0 for every m */
INLINE vec floor_of(vec m) { return vmax(vset(TINY), vexp(-m)); }

/* N_t of the piece, as 1/N */
static void piece_inverse_norm(stat *inv, const stat *qn, const struct piece *p, const struct cell *x)
{
    for (int j = 0; j < p->n; j += VL) {
        const vec N = vmax(floor_of(load(p->m + j)), vabs(load(qn + j))) + (stat)x->eps;
        store(inv + j, normalised(x) ? 1 / N : vset(1));
    }
}

/* a, or 0 in the lanes of queries j.. that come before key s: their weight is 0, but a need not be finite */
INLINE vec from_key_on(vec a, int s, int j) { return s > j ? pick(iota() < (lane)(s - j), vset(0), a) : a; }

/* By token, the keys up to it, and the queries from it on. */
INLINE void piece_exactly(struct span *keys, struct span *queries, int n)
{
    for (int j = 0; j < n; j++) {
        keys[j] = (struct span){ 0, j + 1 };
        queries[j] = (struct span){ j, n };
    }
}

/* P = scale P D in the columns that queries use, and qn += its column sums */
static void weigh_scores(stat *P, stat *qn, const stat *D, stat scale, int n)
{
    for (int j = 0; j < n; j += VL) {
        vec sum = load(qn + j);
        for (int s = 0; s < lesser(j / PAD * PAD + PAD, n); s++) {
            const vec a = from_key_on(scale * load(P + s*SIDE + j) * load(D + s*SIDE + j), s, j);
            store(P + s*SIDE + j, a);
            sum += a;
        }
        store(qn + j, sum);
    }
}

/* y[j] += sum_i a[i,j] x[i] */
static void add_transposed(stat *y, const stat *a, const stat *x, int m, int n)
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
INLINE struct ahead rows_at(const real *x, long stride, int t, int T, int cols)
{
    return ROWS_AHEAD(x + t*stride, stride, t < 0 ? 0 : lesser(SIDE, T - t), lesser(SIDE, cols));
}

static void copy(stat *to, const stat *from, long n)
{
    if (from)
        memcpy(to, from, sizeof *to * (size_t)n);
    else
        memset(to, 0, sizeof *to * (size_t)n);
}

#endif
