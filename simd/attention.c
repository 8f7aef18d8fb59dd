/* attention.c - windowed attention by blocks of SIDE queries and SIDE keys that touch the band only; see
 * ref/attention.c for the mathematics.
 *
 * A block of scores has a row per key and a column per query.  So maxima and sums over the keys of a query run
 * down columns, lane by lane, masks compare whole vectors, and of all operands only q and dy are ever transposed,
 * once per block of queries:
 *
 *     forward    S  = k q^T       P  = exp(S / sqrt(D) - max)       y = P^T v / sum
 *     backward   P  = exp(S / sqrt(D) - lse)       dP = v dy^T      dS = P (dP - dy.y) / sqrt(D)
 *                dv += P dy       dk += dS q       dq += dS^T k
 *
 * Both passes round S / sqrt(D) alike: where one key has all the weight, lse is its score, and P is 1 however large
 * that is.
 *
 * Which keys a query sees, and so which tiles meet, is a band (band.h).  Blocks on its rim compare, blocks inside do
 * not.
 *
 * A head wider than SIDE is worked on in slices of SIDE; one wider than SLICES slices, several times over. */
#include "simd/band.h"
#include "simd/block.h"
#include "simd/vmath.h"

enum { SLICES = 4, NEARBY = 1 << 18 };

/* S becomes P in columns j.. and rows r; max and sum follow, alpha is the factor of all that was summed before. */
INLINE void weigh(stat *P, stat *max, stat *sum, stat *alpha, const struct band *x, stat scale,
                  int j, struct span r, int inside)
{
    const vec old = load(max + j);
    vec top = old, total = {0};
    for (int s = r.from; s < r.to; s++) {
        vec a = rounded(scale * load(P + s*SIDE + j));
        if (!inside)
            a = pick(sees(x, j, s), a, vset((stat)-INFINITY));
        store(P + s*SIDE + j, a);
        top = vmax(top, a);
    }
    for (int s = r.from; s < r.to; s++) {
        const vec p = vweight(load(P + s*SIDE + j) - top);
        store(P + s*SIDE + j, p);
        total += p;
    }
    const vec fade = vweight(old - top);
    store(max + j, top);
    store(sum + j, fade * load(sum + j) + total);
    store(alpha + j, fade);
}

NOINLINE void weigh_block(stat *P, stat *max, stat *sum, stat *alpha, const struct band *x, stat scale)
{
    for (int j = 0; j < x->n; j += PAD)
        for (int v = j; v < j + PAD; v += VL)
            if (x->inside)
                weigh(P, max, sum, alpha, x, scale, v, (struct span){ 0, x->keys }, 1);
            else
                weigh(P, max, sum, alpha, x, scale, v, band_rows(x, j), 0);
}

/* The next SIDE rows of x after row t, of `rows`. */
INLINE struct ahead after(const real *x, long stride, int t, int rows, int cols)
{
    return ROWS_AHEAD(x + t*stride, stride, lesser(SIDE, rows - t), cols);
}

/* What one worker lays out. */
struct attention_blocks {
    BLOCK(room); BLOCK(Qt); BLOCK(P);
    BLOCKS(Y, SLICES);
};
struct attention_backward_blocks {
    BLOCK(roomQ); BLOCK(Qt); BLOCK(roomY); BLOCK(dYt); BLOCK(roomK); BLOCK(roomV); BLOCK(P); BLOCK(dP); BLOCK(X);
    BLOCKS(dQ, SLICES);
};

/* y and lse of queries t0 .. t0+n-1 of one head.  The sink is what maxima and sums begin with: a score that has been
 * seen, and has added nothing to y.  Unless `exactly`, a value that is not finite gets into the y of queries nearby,
 * and the answer is 0. */
static int attention_try(int exactly, struct attention_blocks *a, real *y, stat *lse, const real *q, const real *k,
                         const real *v, stat sink, const int *start, int t0, int n, int T, int S, int H, int G, int D,
                         int W)
{
    stat *const room = a->room, *const Qt = a->Qt, *const P = a->P;
    stat max[SIDE], sum[SIDE], alpha[SIDE];
    struct span query[SIDE], key[SIDE];
    const long HD = (long)H*D, GD = (long)G*D;
    const int t1 = t0 + n, narrow = lesser(SIDE, D);
    const struct ahead ahead[] = { after(k, GD, t1 + S - T, S, narrow), after(v, GD, t1 + S - T, S, narrow),
                                 after(q, HD, t1, T, narrow), after(y, HD, t1, T, narrow) };
    const struct ahead *next = ahead, *const last = ahead + 4;
    struct band x;
    band_of(&x, start, t0, n, T, S, W);

    for (int g = 0; g < D; g += SLICES*SIDE) {
        const int s_first = x.lo[0] / SIDE * SIDE, slices = up(lesser(D - g, SLICES*SIDE), SIDE) / SIDE;
        fill(max, sink < -STAT_MAX ? -STAT_MAX : sink);
        fill(sum, sink < -STAT_MAX ? 0 : 1);
        for (int s0 = s_first; s0 <= x.hi[n - 1]; s0 += SIDE) {
            band_meets(&x, s0);
            if (exactly)
                band_exactly(query, key, &x);
            for (int d = 0; d < D; d += SIDE) {
                const int w = lesser(SIDE, D - d);
                if (s0 == s_first || D > SIDE)
                    block_transpose(Qt, block_view(room, q + t0*HD + d, HD, n, w), up(n, PAD), w);
                block_mul_band(P, block_view(room, k + s0*GD + d, GD, x.keys, w), Qt, x.keys, w, x.query,
                               d ? block_ones : NULL, next < last ? next++ : NULL);
            }
            weigh_block(P, max, sum, alpha, &x, 1 / sqrt((stat)D));
            for (int c = 0; c < slices; c++) {
                const int d = g + c*SIDE, w = lesser(SIDE, D - d);
                const struct view V = block_view(room, v + s0*GD + d, GD, x.keys, w);
                const stat *keep = s0 == s_first ? NULL : alpha;
                if (exactly)
                    block_mul_rows(BLOCK_AT(a->Y, c), P, 1, SIDE, V, n, w, query, keep);
                else
                    block_mul_transposed(BLOCK_AT(a->Y, c), in(P), V, n, w, x.keys, x.key, keep,
                                         next < last ? next++ : NULL);
            }
        }
        for (int j = 0; j < n; j += VL) {
            store(alpha + j, 1 / load(sum + j));
            store(max + j, load(max + j) + vlog(load(sum + j)));
        }
        for (int c = 0; c < slices; c++) {
            const int w = lesser(SIDE, D - g - c*SIDE);
            if (!exactly && !block_finite(BLOCK_AT(a->Y, c), n, w))
                return 0;
            block_write(y + t0*HD + g + c*SIDE, HD, BLOCK_AT(a->Y, c), alpha, n, w);
        }
    }
    for (int j = 0; j < n; j++)
        lse[(long)(t0 + j)*H] = max[j];
    return 1;
}

static void attention_block(struct attention_blocks *a, real *y, stat *lse, const real *q, const real *k, const real *v,
                            stat sink, const int *start, int t0, int n, int T, int S, int H, int G, int D, int W)
{
    if (!attention_try(0, a, y, lse, q, k, v, sink, start, t0, n, T, S, H, G, D, W))
        attention_try(1, a, y, lse, q, k, v, sink, start, t0, n, T, S, H, G, D, W);
}

/* Blocks of queries take their turns head by head, as heads lie side by side: a row of theirs is in a page, and often
 * in a line, with its neighbours (README.md has what that is worth).  Only as many heads, though, as have k, v, dk and
 * dv of their windows still in the cache when it is their turn again. */
static int heads_nearby(int G, int D, int W)
{
    return lesser(G, (int)(NEARBY / ((long)D * (W + SIDE) * 4)) + 1);
}

static void attention_forward(real *y, stat *lse, const real *q, const real *k, const real *v, const stat *sink,
                              const int *start, int B, int T, int S, int H, int G, int D, int W)
{
    const int group = H/G * lesser(heads_together(B * ((T - 1) / SIDE + 1), G), heads_nearby(G, D, lesser(W, S)));
    #pragma omp parallel for collapse(3)
    for (int b = 0; b < B; b++)
        for (int first = 0; first < H; first += group)
            for (int t = 0; t < T; t += SIDE) {
                struct attention_blocks *a = swax_workspace_take();
                for (int h = first; h < lesser(first + group, H); h++) {
                    const long bt = (long)b*T*H + h, bs = (long)b*S*G + (long)h*G/H;
                    attention_block(a, y + bt*D, lse + bt, q + bt*D, k + bs*D, v + bs*D,
                                    sink ? sink[h] : -(stat)INFINITY, start ? start + (long)b*T : NULL,
                                    t, lesser(SIDE, T - t), T, S, H, G, D, W);
                }
                swax_workspace_give(a);
            }
}

/* S becomes P, and dP becomes dS, in columns j.. and rows r.  The answer is 0 lane by lane if all S and dP are finite,
 * as they are if q, k, v and dy are. */
INLINE vec weigh_back(stat *P, stat *dP, const stat *lse, const stat *dyy, const struct band *x, stat scale,
                       int j, struct span r, int inside)
{
    const vec l = load(lse + j), dot = load(dyy + j);
    vec odd = {0};
    for (int s = r.from; s < r.to; s++) {
        const vec a = load(P + s*SIDE + j), b = load(dP + s*SIDE + j);
        vec p = vweight(rounded(scale * a) - l), ds = scale * p * (b - dot);
        odd += 0 * a;
        odd += 0 * b;
        if (!inside) {
            const ivec seen = sees(x, j, s);
            p = pick(seen, p, vset(0));
            ds = pick(seen, ds, vset(0));
        }
        store(P + s*SIDE + j, p);
        store(dP + s*SIDE + j, ds);
    }
    return odd;
}

/* Are q, k, v and dy finite? */
NOINLINE int weigh_block_back(stat *P, stat *dP, const stat *lse, const stat *dyy, const struct band *x, stat scale)
{
    vec odd = {0};
    for (int j = 0; j < x->n; j += PAD)
        for (int v = j; v < j + PAD; v += VL)
            if (x->inside)
                odd += weigh_back(P, dP, lse, dyy, x, scale, v, (struct span){ 0, x->keys }, 1);
            else
                odd += weigh_back(P, dP, lse, dyy, x, scale, v, band_rows(x, j), 0);
    return vsum(odd) == 0;
}

/* The shares of queries t0 .. t0+n-1 of one head, as far as they meet blocks of keys from `from` to before `to`. */
static void attention_block_backward(struct attention_backward_blocks *a, real *dq, real *dk, real *dv, const real *dy,
                                     const real *q, const real *k, const real *v, const int *start,
                                     const real *y, const stat *lse_th,
                                     int from, int to, int t0, int n, int T, int S, int H, int G, int D, int W)
{
    stat *const Qt = a->Qt, *const dYt = a->dYt, *const P = a->P, *const dP = a->dP, *const X = a->X;
    stat lse[SIDE], dyy[SIDE];
    struct span query[SIDE], key[SIDE];
    const long HD = (long)H*D, GD = (long)G*D;
    const int t1 = t0 + n, s1 = t1 + S - T, narrow = lesser(SIDE, D);
    const struct ahead ahead[] = { after(k, GD, s1, S, narrow), after(v, GD, s1, S, narrow),
                                 after(q, HD, t1, T, narrow), after(dy, HD, t1, T, narrow), after(y, HD, t1, T, narrow),
                                 after(dk, GD, s1, S, narrow), after(dv, GD, s1, S, narrow),
                                 after(dq, HD, t1, T, narrow) };
    const struct ahead *next = ahead, *const last = ahead + 8;
    struct view Q = in(a->roomQ), dY = in(a->roomY), K = in(a->roomK), V;
    struct band x;
    band_of(&x, start, t0, n, T, S, W);
    const int s_first = greater(x.lo[0] / SIDE * SIDE, from), s_last = lesser(x.hi[n - 1], to - 1);
    if (s_first > s_last)
        return;
    fill(dyy, 0);
    for (int j = 0; j < SIDE; j++)
        lse[j] = lse_th[(long)(t0 + lesser(j, n - 1))*H];
    for (int d = 0; d < D; d += SIDE) {
        const int w = lesser(SIDE, D - d);
        block_transpose(Qt, block_view(a->roomQ, y + t0*HD + d, HD, n, w), up(n, PAD), w);
        block_transpose(dYt, block_view(a->roomY, dy + t0*HD + d, HD, n, w), up(n, PAD), w);
        /* in the order of dP's sums: where one key has all the weight, y is v and dP - dy.y is 0, not its rounding */
        for (int j = 0; j < n; j += VL) {
            vec sum = load(dyy + j);
            for (int e = 0; e < w; e++)
                sum = fused(load(Qt + e*SIDE + j), load(dYt + e*SIDE + j), sum);
            store(dyy + j, sum);
        }
    }

    for (int g = 0; g < D; g += SLICES*SIDE) {
        const int slices = up(lesser(D - g, SLICES*SIDE), SIDE) / SIDE;
        for (int s0 = s_first; s0 <= s_last; s0 += SIDE) {
            band_meets(&x, s0);
            for (int d = 0; d < D; d += SIDE) {
                const int w = lesser(SIDE, D - d);
                if (s0 == s_first || D > SIDE) {
                    Q = block_view(a->roomQ, q + t0*HD + d, HD, n, w);
                    block_transpose(Qt, Q, up(n, PAD), w);
                    dY = block_view(a->roomY, dy + t0*HD + d, HD, n, w);
                    block_transpose(dYt, dY, up(n, PAD), w);
                }
                K = block_view(a->roomK, k + s0*GD + d, GD, x.keys, w);
                block_mul_band(P, K, Qt, x.keys, w, x.query, d ? block_ones : NULL, next < last ? next++ : NULL);
                V = block_view(a->roomV, v + s0*GD + d, GD, x.keys, w);
                block_mul_band(dP, V, dYt, x.keys, w, x.query, d ? block_ones : NULL, next < last ? next++ : NULL);
            }
            const int finite = weigh_block_back(P, dP, lse, dyy, &x, 1 / sqrt((stat)D));
            if (!finite)
                band_exactly(query, key, &x);
            for (int c = 0; c < slices; c++) {
                const int d = g + c*SIDE, w = lesser(SIDE, D - d);
                if (D > SIDE) {
                    Q = block_view(a->roomQ, q + t0*HD + d, HD, n, w);
                    dY = block_view(a->roomY, dy + t0*HD + d, HD, n, w);
                    K = block_view(a->roomK, k + s0*GD + d, GD, x.keys, w);
                }
                if (finite)
                    block_mul(X, in(P), dY, x.keys, w, n, x.query, NULL, next < last ? next++ : NULL);
                else
                    block_mul_rows(X, P, SIDE, 1, dY, x.keys, w, key, NULL);
                block_add(dv + s0*GD + d, GD, X, 1, x.keys, w);
                if (finite)
                    block_mul(X, in(dP), Q, x.keys, w, n, x.query, NULL, next < last ? next++ : NULL);
                else
                    block_mul_rows(X, dP, SIDE, 1, Q, x.keys, w, key, NULL);
                block_add(dk + s0*GD + d, GD, X, 1, x.keys, w);
                const stat *keep = s0 == s_first ? NULL : block_ones;
                if (finite)
                    block_mul_transposed(BLOCK_AT(a->dQ, c), in(dP), K, n, w, x.keys, x.key, keep, NULL);
                else
                    block_mul_rows(BLOCK_AT(a->dQ, c), dP, 1, SIDE, K, n, w, query, keep);
            }
        }
        for (int c = 0; c < slices; c++)
            block_add(dq + t0*HD + g + c*SIDE, HD, BLOCK_AT(a->dQ, c), 1, n, lesser(SIDE, D - g - c*SIDE));
    }
}

/* dsink -= exp(sink - lse) dy.y, a head at a time: the sums' order does not depend on who takes it */
static void attention_sink(stat *dsink, const stat *sink, const real *dy, const real *y, const stat *lse, int B, int T,
                           int H, int D)
{
    #pragma omp parallel for
    for (int h = 0; h < H; h++) {
        stat sum = 0;
        for (long row = h; row < (long)B*T*H; row += H) {
            vec dyy = {0};
            stat part[VL];
            for (int d = 0; d < D; d += VL)
                dyy += rload_n(dy + row*D + d, D - d) * rload_n(y + row*D + d, D - d);
            store(part, dyy);
            for (int e = 1; e < VL; e++)
                part[0] += part[e];
            sum += exp(sink[h] - lse[row]) * part[0];
        }
        dsink[h] -= sum;
    }
}

static void attention_backward(real *dq, real *dk, real *dv, stat *dsink, const real *dy,
                               const real *q, const real *k, const real *v, const stat *sink, const int *start,
                               const real *y, const stat *lse,
                               int B, int T, int S, int H, int G, int D, int W)
{
    if (sink)
        attention_sink(dsink, sink, dy, y, lse, B, T, H, D);
    /* Stretches of queries go side by side; what they give to keys of the stretch before comes when that is done.  They
     * do not depend on the number of threads. */
    const int stretch = greater(4096, W > T/8 ? T : 8 * up(W, SIDE)), stretches = (T - 1) / stretch + 1;
    const int group = lesser(heads_together(B * stretches, G), heads_nearby(G, D, lesser(W, S)));
    for (int before = 0; before < (stretches > 1 ? 2 : 1); before++) {
        #pragma omp parallel for collapse(3)
        for (int b = 0; b < B; b++)
            for (int n = before; n < stretches; n++)
                for (int g = 0; g < G; g += group) {
                    const int begin = n * stretch, own = n ? up(begin + S - T, SIDE) : 0;
                    const int end = lesser(T, before ? begin + up(W, SIDE) + SIDE : begin + stretch);
                    struct attention_backward_blocks *a = swax_workspace_take();
                    for (int t = begin; t < end; t += SIDE)
                        for (int h = g*(H/G); h < lesser(g + group, G)*(H/G); h++) {
                            const long bt = (long)b*T*H + h, bs = ((long)b*S*G + (long)h*G/H) * D;
                            attention_block_backward(a, dq + bt*D, dk + bs, dv + bs,
                                                     dy + bt*D, q + bt*D, k + bs, v + bs,
                                                     start ? start + (long)b*T : NULL, y + bt*D, lse + bt,
                                                     before ? 0 : own, before ? own : S,
                                                     t, lesser(SIDE, T - t), T, S, H, G, D, W);
                        }
                    swax_workspace_give(a);
                }
    }
}
