/* linear.c - the three products of training, y = x w^T, dx += dy w and dw += dy^T x; see ref/linear.c.
 *
 * The result is cut into a part for every thread there is: each of its elements is one chain of sums whatever
 * the cut (gemm.h).  A part goes through k in equal steps: up to BROAD columns of b become panels, and HIGH rows of
 * a at a time, brought into reach if they are not, meet all of them.
 * Results in bf16 are summed in `stat` and rounded by the last step. */
#include "simd/operand.h"
#include "simd/host/host.h"

/* The leading dimension of a block is LD_K where k runs along its rows, LD_I where i does: so they do not collide in
 * the cache.  Sums of several steps of k are kept for TALL rows at a time, as each time b is packed anew.  A row of a
 * is copied once for BROAD columns, whose panels need not stay in L2 (3 KiB of a row instead of 1; bf16 have sums
 * as broad beside them).  README.md has what these decisions are worth. */
enum {
    HIGH = 12 * MR, TALL = 4 * HIGH, BROAD = (REAL_IS_STAT ? 3072 : 1024) / sizeof(stat),
    MANY = 512 / sizeof(stat), FEW = 256,
    NEAR = SWAX_VEC_BYTES == 64 ? 4096 : 256, LD_K = KC + VL, LD_I = HIGH + VL
};

/* c (m,n), ld elements a row, = or += a b^T + bias: a (m,K), b (n,K) */
struct dense {
    void *c;
    long ld;
    int is_stat, add, m, n, K;
    const stat *bias;           /* (n) or NULL */
    struct operand a, b;
    int pairs, high, broad;     /* a part is high x broad */
};

/* Rows or columns with such a leading dimension all want the same few lines of the cache: what is read again is copied
 * first. */
INLINE int collide(long lda) { return lda * (long)sizeof(stat) % 4096 == 0; }

/* What one worker lays out. */
struct desk {
    stat packed[KC * BROAD] __attribute__((aligned(64)));       /* columns of b */
    stat sums[REAL_IS_STAT ? 1 : TALL * BROAD] __attribute__((aligned(64)));
    stat block[KC * LD_I > HIGH * LD_K ? KC * LD_I : HIGH * LD_K] __attribute__((aligned(64)));     /* rows of a */
    stat columns[NR * LD_K] __attribute__((aligned(64)));
};
typedef char desk_fits[sizeof(struct desk) <= SWAX_WORKSPACE ? 1 : -1];

/* Columns of b^T from k on, for gemm_panel: `row` from row to row, `next` from panel to panel; prefetch: see gemm.h. */
struct panels { const stat *at; long row, next; int prefetch; };

/* Columns j.. of b^T, n of them, from k to k + K, for m rows of a: packed, unless its rows are contiguous and so
 * few rows of a meet them that packing would cost more than it saves, and
 * not so far from each other that narrow tiles, who want a line of b every six cycles, wait for it. */
static struct panels panels_of(struct desk *d, const struct dense *p, int j, int n, int k, int K, int m)
{
    const int E = elements(K, p->pairs);
    stat *packed = d->packed;
    struct elements_at b;
    if (contiguous(&b, p->b, j, k, K, p->pairs)) {
        if (b.rs == 1 && m <= FEW && b.cs <= NEAR && n % VL == 0 && !collide(b.cs))
            return (struct panels){ b.at, b.cs, NR, PREFETCH_B };
        pack(packed, b.at, b.cs, b.rs, n, E);
        return (struct panels){ packed, NR, (long)E*NR, 0 };
    }
    if (p->b.cs != 1)
        gather_columns(packed, NR, (long)E*NR, p->b, j, n, k, K, p->pairs);
    for (int v = 0; p->b.cs == 1 && v < n; v += NR) {
        gather_rows(d->columns, LD_K, p->b, j + v, least(NR, n - v), k, K, p->pairs);
        pack(packed + (long)v*E, d->columns, 1, LD_K, least(NR, n - v), E);
    }
    return (struct panels){ packed, NR, (long)E*NR, 0 };
}

/* Rows of a for gemm_panel, each MR of them `next` on; transposed, lda, prefetch: see gemm.h. */
struct tiles { const stat *at; int transposed; long lda, next; int prefetch; };

/* Rows i.. of a, m <= HIGH of them, from k to k + K, for n columns of b.  Where i runs along them in float, a tile
 * wants a part of a line every k, and the lines do not stay for its neighbours: for many columns it is copied.
 * bf16 are copied anyway. */
static struct tiles tiles_of(stat *block, const struct dense *p, int i, int m, int n, int k, int K)
{
    struct elements_at a;
    const int there = contiguous(&a, p->a, i, k, K, p->pairs), transposed = p->a.cs != 1;
    if (there && !collide(a.rs * a.cs) && !(transposed && n > MANY))
        return (struct tiles){ a.at, transposed, transposed ? a.cs : a.rs, MR * a.rs, PREFETCH_A };
    if (there && transposed) {
        pack_tiles(block, a.at, a.cs, m, K);
        return (struct tiles){ block, 1, MR, (long)K*MR + VL, 0 };
    }
    if (transposed) {
        gather_columns(block, LD_I, NR, p->a, i, m, k, K, p->pairs);
        return (struct tiles){ block, 1, LD_I, MR, PREFETCH_A };
    }
    gather_rows(block, LD_K, p->a, i, m, k, K, p->pairs);
    return (struct tiles){ block, 0, LD_K, MR * LD_K, PREFETCH_A };
}

/* c (m,n) = or += rows i.. of a, m <= HIGH of them, against those panels */
static void multiply_rows(struct result c, stat *block, const struct dense *p, struct panels b, int i, int m, int n,
                          int k, int K)
{
    const struct tiles a = tiles_of(block, p, i, m, n, k, K);
    for (int v = 0; v < n; v += NR, b.at += b.next)
        gemm_panel(across(c, v), a.at, a.transposed, a.lda, a.next, b.at, b.row, m, least(NR, n - v),
                   elements(K, p->pairs), (v == 0 ? a.prefetch : 0) | b.prefetch, p->pairs);
}

/* m rows from i on, n <= BROAD columns from j on */
static void dense_columns(struct desk *d, const struct dense *p, int i, int m, int j, int n)
{
    const int steps = (p->K - 1) / KC + 1, step = ((p->K - 1) / steps / 32 + 1) * 32;      /* as with any vectors */
    const int rows = p->is_stat ? m : p->K > step ? TALL : HIGH;
    struct panels b = { d->packed, 0, 0, 0 };
    for (int from = i; from < i + m; from += rows) {
        const int to = least(from + rows, i + m);
        struct result c = { d->sums, BROAD, p->bias != NULL, NULL, p->ld, p->add };
        if (p->is_stat)
            c = (struct result){ (stat *)p->c + from*p->ld + j, p->ld, p->add || p->bias, NULL, 0, 0 };
        for (int r = 0; p->bias && r < to - from; r++)
            memcpy(c.c + r*c.ld, p->bias + j, (size_t)n * sizeof *c.c);
        for (int k = 0; k < p->K; k += step, c.add = 1) {
            const int K = least(step, p->K - k);
            if (!p->is_stat && k + K == p->K)
                c.out = (real *)p->c + from*p->ld + j;
            if (from == i || p->K > step)
                b = panels_of(d, p, j, n, k, K, m);
            for (int r = from; r < to; r += HIGH, b.prefetch = 0)
                multiply_rows(down(c, r - from), d->block, p, b, r, least(HIGH, to - r), n, k, K);
        }
    }
}

static void dense_part(int part, void *arg)
{
    const struct dense *p = arg;
    const int across = (p->n + p->broad - 1) / p->broad;
    const int i = part / across * p->high, j = part % across * p->broad, n = least(p->n, j + p->broad);
    struct desk *d = swax_workspace_take();
    for (int from = j; from < n; from += BROAD)
        dense_columns(d, p, i, least(p->high, p->m - i), from, least(BROAD, n - from));
    swax_workspace_give(d);
}

static void dense(struct dense p)
{
    const int threads = (double)p.m * p.n * p.K > 1e6 ? swax_host.workers() : 1;
    const int share = ((p.m > p.n ? p.m : p.n) - 1) / threads + 1;
    p.high = p.m > p.n ? (share + MR - 1) / MR * MR : p.m;
    p.broad = p.m > p.n ? p.n : (share + NR - 1) / NR * NR;
    p.pairs = !p.a.is_stat && !p.b.is_stat && multiplies_in_pairs(p.a.p, (size_t)p.m * (size_t)p.K)
                                           && multiplies_in_pairs(p.b.p, (size_t)p.n * (size_t)p.K);
    const int parts = ((p.m - 1) / p.high + 1) * ((p.n - 1) / p.broad + 1);
    if (threads > 1)
        swax_host.each(parts, threads, dense_part, &p);
    else
        dense_part(0, &p);
}

/* db[o] += sum_n dy[n,o] */
static void bias_backward(stat *db, struct operand dy, int N, int O)
{
    stat rows[NR];
    for (int o = 0; o < O; o += NR) {
        const int width = least(NR, O - o);
        for (int n = 0; n < N; n++) {
            const long at = (long)n*O + o;
            for (int v = 0; v < width; v++)
                rows[v] = dy.is_stat ? ((const stat *)dy.p)[at + v] : to_stat(((const real *)dy.p)[at + v]);
            for (int v = 0; v < width; v++)
                db[o + v] += rows[v];
        }
    }
}

static void dense_forward(void *y, int y_is_stat, const real *x, const real *w, const stat *b, int N, int O, int I)
{
    dense((struct dense){ y, O, y_is_stat, 0, N, O, I, b,
                          { x, I, 1, REAL_IS_STAT }, { w, I, 1, REAL_IS_STAT }, 0, 0, 0 });
}

static void dense_backward(real *dx, stat *dw, stat *db, const void *dy, int dy_is_stat,
                           const real *x, const real *w, int N, int O, int I)
{
    const struct operand rows = { dy, O, 1, dy_is_stat }, columns = { dy, 1, O, dy_is_stat };
    dense((struct dense){ dx, I, REAL_IS_STAT, 1, N, I, O, NULL, rows, { w, 1, I, REAL_IS_STAT }, 0, 0, 0 });
    dense((struct dense){ dw, I, 1, 1, O, I, N, NULL, columns, { x, 1, I, REAL_IS_STAT }, 0, 0, 0 });
    if (db)
        bias_backward(db, rows, N, O);
}

static void linear_forward(real *y, const real *x, const real *w, const stat *b, int N, int O, int I)
{
    dense_forward(y, REAL_IS_STAT, x, w, b, N, O, I);
}
static void linear_backward(real *dx, stat *dw, stat *db, const real *dy,
                            const real *x, const real *w, int N, int O, int I)
{
    dense_backward(dx, dw, db, dy, REAL_IS_STAT, x, w, N, O, I);
}

static void readout_forward(stat *y, const real *x, const real *w, const stat *b, int N, int O, int I)
{
    dense_forward(y, 1, x, w, b, N, O, I);
}
static void readout_backward(real *dx, stat *dw, stat *db, const stat *dy,
                             const real *x, const real *w, int N, int O, int I)
{
    dense_backward(dx, dw, db, dy, 1, x, w, N, O, I);
}
