/* linear.c - the three products of training, y = x w^T, dx += dy w and dw += dy^T x; see ref/linear.c.
 *
 * The result is cut into pieces of HIGH x BROAD that do not depend on the number of threads, HIGHER ones where
 * a can be read where it is: then fewer panels are packed.  A piece goes through k in steps: a block of a is
 * brought into reach, panels of b are packed, gemm.h's tiles multiply.
 * Results in bf16 are summed in `stat` until their piece is finished. */
#include "operand.h"
#include "threads.h"

/* Rows of a block are LD_K apart where k runs along them, LD_I where i does: so they do not collide in the cache. */
enum { HIGH = 256, HIGHER = 1024, BROAD = 4 * NR, LD_K = KC + VL, LD_I = HIGH + VL };

/* c (m,n), ld elements a row, = or += a b^T + bias: a (m,K), b (n,K) */
struct dense {
    void *c;
    long ld;
    int is_stat, add, m, n, K, pairs, high;
    const stat *bias;           /* (n) or NULL */
    struct operand a, b;
};

/* The block is read where it is if its elements are as the tiles need them, and if its rows, so many bytes
 * apart, do not all want the same lines of the cache. */
INLINE int readable(const struct operand *a)
{
    return sizeof(real) == sizeof(stat) && (a->rs == 1 || a->rs * (long)sizeof(stat) % 2048 != 0);
}

static void dense_block(stat *c, long ldc, const struct dense *p, int i, int m, int j, int n, int add)
{
    stat block[KC * LD_I], columns[NR * LD_K], panel[KC * NR] __attribute__((aligned(64)));
    for (int k = 0; k < p->K; k += KC, add = 1) {
        const int K = least(KC, p->K - k), E = elements(K, p->pairs);
        const stat *a = (const stat *)p->a.p + i*p->a.rs + k*p->a.cs;
        long ars = p->a.rs, acs = p->a.cs;
        if (!readable(&p->a)) {
            ars = p->a.cs == 1 ? LD_K : 1;
            acs = p->a.cs == 1 ? 1 : LD_I;
            a = block;
            gather(block, ars * acs, p->a, i, m, k, K, p->pairs);
        }
        for (int v = 0; v < n; v += NR) {
            const int width = least(NR, n - v);
            const stat *b = (const stat *)p->b.p + (j + v)*p->b.rs + k*p->b.cs;
            long brs = p->b.rs, bcs = p->b.cs;
            if (sizeof(real) != sizeof(stat)) {
                brs = p->b.cs == 1 ? LD_K : 1;
                bcs = p->b.cs == 1 ? 1 : NR;
                b = columns;
                gather(columns, brs * bcs, p->b, j + v, width, k, K, p->pairs);
            }
            pack_panel(panel, b, bcs, brs, width, E);
            gemm_panel(c + v, ldc, a, ars, acs, panel, m, width, E, 1, add, p->pairs);
        }
    }
}

static void dense_piece(int piece, void *arg)
{
    const struct dense *p = arg;
    const int across = (p->n + BROAD - 1) / BROAD;
    const int i = piece / across * p->high, m = least(p->high, p->m - i);
    const int j = piece % across * BROAD, n = least(BROAD, p->n - j);
    stat sums[HIGH * BROAD];
    stat *c = p->is_stat ? (stat *)p->c + i*p->ld + j : sums;
    const long ldc = p->is_stat ? p->ld : BROAD;

    for (int r = 0; p->bias && r < m; r++)
        memcpy(c + r*ldc, p->bias + j, (size_t)n * sizeof *c);
    dense_block(c, ldc, p, i, m, j, n, p->bias || (p->is_stat && p->add));
    for (int r = 0; !p->is_stat && r < m; r++) {
        real *out = (real *)p->c + (i + r)*p->ld + j;
        for (int v = 0; v < n; v += VL) {
            const vec sum = load_n(sums + r*BROAD + v, n - v);
            rstore_n(out + v, p->add ? rload_n(out + v, n - v) + sum : sum, n - v);
        }
    }
}

static void dense(struct dense p)
{
    p.high = readable(&p.a) ? HIGHER : HIGH;
    const int pieces = ((p.m + p.high - 1) / p.high) * ((p.n + BROAD - 1) / BROAD);
    p.pairs = !p.a.is_stat && !p.b.is_stat && multiplies_in_pairs(p.a.p, (size_t)p.m * (size_t)p.K)
                                           && multiplies_in_pairs(p.b.p, (size_t)p.n * (size_t)p.K);
    if ((double)p.m * p.n * p.K > 1e6)
        swax_each_openmp(pieces, dense_piece, &p);
    else
        for (int i = 0; i < pieces; i++)
            dense_piece(i, &p);
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

enum { REAL_IS_STAT = sizeof(real) == sizeof(stat) };

static void dense_forward(void *y, int y_is_stat, const real *x, const real *w, const stat *b, int N, int O, int I)
{
    dense((struct dense){ y, O, y_is_stat, 0, N, O, I, 0, 0, b, { x, I, 1, REAL_IS_STAT }, { w, I, 1, REAL_IS_STAT } });
}

static void dense_backward(real *dx, stat *dw, stat *db, const void *dy, int dy_is_stat,
                     const real *x, const real *w, int N, int O, int I)
{
    const struct operand rows = { dy, O, 1, dy_is_stat }, columns = { dy, 1, O, dy_is_stat };
    dense((struct dense){ dx, I, REAL_IS_STAT, 1, N, I, O, 0, 0, NULL, rows, { w, 1, I, REAL_IS_STAT } });
    dense((struct dense){ dw, I, 1, 1, O, I, N, 0, 0, NULL, columns, { x, 1, I, REAL_IS_STAT } });
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
