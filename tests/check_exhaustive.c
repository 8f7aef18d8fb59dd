/* check_exhaustive.c - attention and the cell on all tiny shapes, forward and backward, in double: up to 8 tokens with
 * every way to cut them into documents, every window, every chunk length, 1 or 2 heads, grouped or not, with and
 * without what came before - on every host tier.
 *
 * The truth is written here, straight from kernels.h: attention by a list of visible keys, the cell without its
 * stabiliser (true state e^m C, with exp(i) and sigmoid(f) as they stand). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#define SWAX_F64
#include "ref/kernels.h"
#include "ref/oracle/oracle.h"
#include "tests/shared.h"
#include "tests/threads.h"
#include "tests/suite.h"

enum { MOST_T = 8, OLD = 3, MOST_H = 2, D = 2, K = 2, V = 3, MOST_TIERS = 16 };
static const double LIMIT = 1e-12;
static struct { long attention, cell; int asked[2]; double worst; } *told;    /* per tier; asked: for either */

static int tier;
static struct swax_kernels_f64 kernels;
static uint64_t seed;

static void draw(double *a, int n)
{
    for (int e = 0; e < n; e++)
        a[e] = op_normal(&seed);
}

static void same(const char *name, const double *a, const double *b, int n, const char *where)
{
    double error = 0, most = 1;
    for (int e = 0; e < n; e++) {
        error = isfinite(a[e] - b[e]) ? fmax(error, fabs(a[e] - b[e])) : INFINITY;
        most = fmax(most, fabs(b[e]));
    }
    ck_assert_each(error / most <= LIMIT, "%s: %s off by %.2g: %s", swax_tiers[tier]->name, name, error / most, where);
    told[tier].worst = fmax(told[tier].worst, error / most);
}

/* start from bits: a document begins at token t if bit t-1 of cuts is set; the first one at `first`. */
static void cut(int *start, int T, int cuts, int first)
{
    for (int t = 0; t < T; t++)
        start[t] = t == 0 ? first : cuts >> (t - 1) & 1 ? t : start[t-1];
}

/* ---- attention */

struct attention {
    double q[MOST_T*MOST_H*D], k[(MOST_T+OLD)*MOST_H*D], v[(MOST_T+OLD)*MOST_H*D], dy[MOST_T*MOST_H*D];
    double y[MOST_T*MOST_H*D], lse[MOST_T*MOST_H];
    double dq[MOST_T*MOST_H*D], dk[(MOST_T+OLD)*MOST_H*D], dv[(MOST_T+OLD)*MOST_H*D];
};

static double dot_d(const double *a, const double *b) { return a[0]*b[0] + a[1]*b[1]; }

static void attention_truth(struct attention *a, const int *start, int T, int S, int H, int G, int W)
{
    memset(a->dq, 0, sizeof a->dq), memset(a->dk, 0, sizeof a->dk), memset(a->dv, 0, sizeof a->dv);
    for (int t = 0; t < T; t++)
        for (int h = 0; h < H; h++) {
            const int query = (t*H + h)*D;
            int seen[MOST_T+OLD], n = 0;
            double p[MOST_T+OLD], z = 0, mean = 0;
            for (int j = 0; j < S; j++) {
                const int at = j - (S - T);    /* the token index of key j */
                if (at <= t && t - at < W && (!start || at >= start[t]))
                    seen[n++] = (j*G + h*G/H)*D;
            }
            for (int e = 0; e < n; e++)
                z += p[e] = exp(dot_d(a->q + query, a->k + seen[e]) / sqrt(D));
            a->lse[t*H + h] = log(z);
            a->y[query] = a->y[query + 1] = 0;
            for (int e = 0; e < n; e++) {
                p[e] /= z;
                mean += p[e] * dot_d(a->dy + query, a->v + seen[e]);
                for (int d = 0; d < D; d++) {
                    a->y[query + d] += p[e] * a->v[seen[e] + d];
                    a->dv[seen[e] + d] += p[e] * a->dy[query + d];
                }
            }
            for (int e = 0; e < n; e++)
                for (int d = 0; d < D; d++) {
                    const double da = p[e] * (dot_d(a->dy + query, a->v + seen[e]) - mean) / sqrt(D);
                    a->dq[query + d] += da * a->k[seen[e] + d];
                    a->dk[seen[e] + d] += da * a->q[query + d];
                }
        }
}

static void check_attention(const int *start, int T, int S, int H, int G, int W)
{
    struct attention truth, is;
    char where[120];
    draw(truth.q, T*H*D), draw(truth.k, S*G*D), draw(truth.v, S*G*D), draw(truth.dy, T*H*D);
    is = truth;
    attention_truth(&truth, start, T, S, H, G, W);
    memset(is.dq, 0, sizeof is.dq), memset(is.dk, 0, sizeof is.dk), memset(is.dv, 0, sizeof is.dv);
    kernels.attention_forward(is.y, is.lse, is.q, is.k, is.v, NULL, start, 1, T, S, H, G, D, W);
    kernels.attention_backward(is.dq, is.dk, is.dv, NULL, is.dy, is.q, is.k, is.v, NULL, start, is.y, is.lse, 1, T, S,
                               H, G, D, W);
    snprintf(where, sizeof where, "T=%d S=%d H=%d G=%d W=%d, last document from %d", T, S, H, G, W,
             start ? start[T-1] : -99);
    same("y", is.y, truth.y, T*H*D, where), same("lse", is.lse, truth.lse, T*H, where);
    same("dq", is.dq, truth.dq, T*H*D, where), same("dk", is.dk, truth.dk, S*G*D, where),
    same("dv", is.dv, truth.dv, S*G*D, where);
    told[tier].attention++;
}

/* Has the tier kernels of its own, in memory that a pointer from here reaches? */
static int to_be_run(int t)
{
    return !swax_tiers[t]->memory && swax_tiers[t]->usable() && (t == 0 || swax_tiers[t]->f64 != swax_tiers[t-1]->f64);
}

START_TEST(attention_everywhere)
{
    static const int heads[3][2] = { { 1, 1 }, { 2, 1 }, { 2, 2 } }, old[3] = { 0, 1, OLD }, first[3] = { 0, -1, -5 };
    const int T = _i % MOST_T + 1;
    tier = _i / MOST_T;
    if (!to_be_run(tier))
        return;
    told[tier].asked[0] = 1;
    swax_tier_f64(swax_tiers[tier], &kernels);
    use_threads(1);    /* nothing here is worth sharing */
    seed = (uint64_t)T;
    for (int hg = 0; hg < 3; hg++)
        for (int o = 0; o < 3; o++)
            for (int W = 1; W <= T + old[o] + 1; W++) {
                check_attention(NULL, T, T + old[o], heads[hg][0], heads[hg][1], W);
                for (int cuts = 0; cuts < 1 << (T - 1); cuts++)
                    for (int f = 0; f < 3; f++) {
                        int start[MOST_T];
                        cut(start, T, cuts, first[f]);
                        check_attention(start, T, T + old[o], heads[hg][0], heads[hg][1], W);
                    }
            }
}
END_TEST

/* ---- the cell */

struct cell {
    double q[MOST_T*MOST_H*K], k[MOST_T*MOST_H*K], v[MOST_T*MOST_H*V], i[MOST_T*MOST_H], f[MOST_T*MOST_H];
    double C0[MOST_H*K*V], n0[MOST_H*K], m0[MOST_H], dh[MOST_T*MOST_H*V], dC1[MOST_H*K*V], dn1[MOST_H*K];
    double h[MOST_T*MOST_H*V], C1[MOST_H*K*V], n1[MOST_H*K], m1[MOST_H], m[MOST_T*MOST_H], qn[MOST_T*MOST_H];
    double Cs[MOST_T*MOST_H*K*V], ns[MOST_T*MOST_H*K];
    double dq[MOST_T*MOST_H*K], dk[MOST_T*MOST_H*K], dv[MOST_T*MOST_H*V], di[MOST_T*MOST_H], df[MOST_T*MOST_H];
    double dC0[MOST_H*K*V], dn0[MOST_H*K];
};

static double sg(double x) { return 1 / (1 + exp(-x)); }

/* One head: X is the true state e^m [C | n], of V+1 columns; x [v | 1]. */
static void cell_truth(struct cell *c, const int *start, int with_state, int T, int H, int hd, int L, int gate,
                       double eps)
{
    const int exponential = gate == SWAX_EXPONENTIAL, chunks = (T + L - 1) / L;
    double X[MOST_T+1][K][V+1], dX[K][V+1], in[MOST_T], keep[MOST_T], norm[MOST_T],
    m = with_state && exponential ? c->m0[hd] : 0;
    for (int r = 0; r < K; r++)
        for (int e = 0; e <= V; e++)
            X[0][r][e] = !with_state ? 0 : exp(m) * (e < V ? c->C0[(hd*K + r)*V + e] : c->n0[hd*K + r]);
    for (int t = 0; t < T; t++) {
        const int row = t*H + hd, fresh = start && start[t] == t;
        double read[V+1] = { 0 };
        for (int r = 0; r < K && t % L == 0; r++)
            for (int e = 0; e <= V; e++)
                *(e < V ? &c->Cs[((hd*chunks + t/L)*K + r)*V + e] : &c->ns[(hd*chunks + t/L)*K + r]) = X[t][r][e] *
                    exp(-m);
        in[t] = exponential ? exp(c->i[row]) : sg(c->i[row]);
        keep[t] = fresh ? 0 : sg(c->f[row]);
        m = !exponential ? 0 : fmax((fresh ? 0 : m) + log(sg(c->f[row])), c->i[row]);
        for (int r = 0; r < K; r++)
            for (int e = 0; e <= V; e++) {
                X[t+1][r][e] = keep[t] * X[t][r][e] + in[t] * c->k[row*K + r] * (e < V ? c->v[row*V + e] : 1);
                read[e] += X[t+1][r][e] * c->q[row*K + r] / sqrt(K);
            }
        norm[t] = gate == SWAX_SIGMOID ? 1 : fmax(fabs(read[V]), 1) + eps * exp(m);
        c->m[row] = m;
        c->qn[row] = read[V] * exp(-m);
        for (int e = 0; e < V; e++)
            c->h[row*V + e] = read[e] / norm[t];
    }
    c->m1[hd] = m;
    for (int r = 0; r < K; r++)
        for (int e = 0; e <= V; e++) {
            *(e < V ? &c->C1[(hd*K + r)*V + e] : &c->n1[hd*K + r]) = X[T][r][e] * exp(-m);
            dX[r][e] = (e < V ? c->dC1[(hd*K + r)*V + e] : c->dn1[hd*K + r]) * exp(-m);
        }

    for (int t = T - 1; t >= 0; t--) {
        const int row = t*H + hd;
        double g[V+1], dhh = 0, din = 0, dkeep = 0;
        for (int e = 0; e < V; e++) {
            g[e] = c->dh[row*V + e] / norm[t];
            dhh += c->dh[row*V + e] * c->h[row*V + e];
        }
        const double d = c->qn[row] * exp(c->m[row]);
        g[V] = gate == SWAX_SIGMOID || fabs(d) <= 1 ? 0 : (d > 0 ? -dhh : dhh) / norm[t];
        for (int r = 0; r < K; r++) {
            c->dq[row*K + r] = c->dk[row*K + r] = 0;
            for (int e = 0; e <= V; e++) {
                const double x = e < V ? c->v[row*V + e] : 1;
                c->dq[row*K + r] += X[t+1][r][e] * g[e] / sqrt(K);
                dX[r][e] += c->q[row*K + r] * g[e] / sqrt(K);
                c->dk[row*K + r] += in[t] * dX[r][e] * x;
                din += dX[r][e] * c->k[row*K + r] * x;
                dkeep += dX[r][e] * X[t][r][e];
            }
        }
        for (int e = 0; e < V; e++) {
            c->dv[row*V + e] = 0;
            for (int r = 0; r < K; r++)
                c->dv[row*V + e] += in[t] * dX[r][e] * c->k[row*K + r];
        }
        c->di[row] = din * in[t] * (exponential ? 1 : sg(-c->i[row]));
        c->df[row] = dkeep * keep[t] * sg(-c->f[row]);
        for (int r = 0; r < K; r++)
            for (int e = 0; e <= V; e++)
                dX[r][e] *= keep[t];
    }
    for (int r = 0; r < K; r++)
        for (int e = 0; e <= V; e++)
            *(e < V ? &c->dC0[(hd*K + r)*V + e] : &c->dn0[hd*K + r]) = dX[r][e] * (exponential ? exp(c->m0[hd]) : 1);
}

static void check_cell(const int *start, int with_state, int with_gradient, int T, int H, int L, int gate)
{
    struct cell truth, is;
    char where[120];
    const double eps = gate == SWAX_SIGMOID_NORMALISED ? 0.25 : 0;
    const int chunks = (T + L - 1) / L, st = with_state, gr = with_gradient;
    memset(&truth, 0, sizeof truth);
    draw(truth.q, T*H*K), draw(truth.k, T*H*K), draw(truth.v, T*H*V), draw(truth.i, T*H), draw(truth.f, T*H);
    draw(truth.C0, H*K*V), draw(truth.n0, H*K), draw(truth.m0, H), draw(truth.dh, T*H*V);
    if (gr)
        draw(truth.dC1, H*K*V), draw(truth.dn1, H*K);
    is = truth;
    for (int hd = 0; hd < H; hd++)
        cell_truth(&truth, start, st, T, H, hd, L, gate, eps);
    kernels.mlstm_forward(is.h, is.C1, is.n1, is.m1, is.m, is.qn, is.Cs, is.ns, is.q, is.k, is.v, is.i, is.f,
                          st ? is.C0 : NULL, st ? is.n0 : NULL, st ? is.m0 : NULL, start, 1, T, H, K, V, L, gate, eps);
    kernels.mlstm_backward(is.dq, is.dk, is.dv, is.di, is.df, st ? is.dC0 : NULL, st ? is.dn0 : NULL, is.dh,
                           gr ? is.dC1 : NULL, gr ? is.dn1 : NULL, is.q, is.k, is.v, is.i, is.f,
                           st ? is.C0 : NULL, st ? is.n0 : NULL, st ? is.m0 : NULL, start, is.h, is.C1, is.n1, is.m1,
                           is.m, is.qn, is.Cs, is.ns, 1, T, H, K, V, L, gate, eps);
    snprintf(where, sizeof where, "T=%d H=%d L=%d gate %d, last document from %d, state %d, its gradient %d", T, H, L,
             gate, start ? start[T-1] : -99, st, gr);
    same("h", is.h, truth.h, T*H*V, where), same("C1", is.C1, truth.C1, H*K*V, where),
    same("n1", is.n1, truth.n1, H*K, where);
    same("m1", is.m1, truth.m1, H, where), same("m", is.m, truth.m, T*H, where),
    same("qn", is.qn, truth.qn, T*H, where);
    same("Cs", is.Cs, truth.Cs, H*chunks*K*V, where), same("ns", is.ns, truth.ns, H*chunks*K, where);
    same("dq", is.dq, truth.dq, T*H*K, where), same("dk", is.dk, truth.dk, T*H*K, where),
    same("dv", is.dv, truth.dv, T*H*V, where);
    same("di", is.di, truth.di, T*H, where), same("df", is.df, truth.df, T*H, where);
    if (st)
        same("dC0", is.dC0, truth.dC0, H*K*V, where), same("dn0", is.dn0, truth.dn0, H*K, where);
    told[tier].cell++;
}

START_TEST(cell_everywhere)
{
    const int T = _i % MOST_T + 1;
    tier = _i / MOST_T;
    if (!to_be_run(tier))
        return;
    told[tier].asked[1] = 1;
    swax_tier_f64(swax_tiers[tier], &kernels);
    use_threads(1);    /* nothing here is worth sharing */
    seed = 100 + (uint64_t)T;
    for (int H = 1; H <= MOST_H; H++)
        for (int gate = SWAX_EXPONENTIAL; gate <= SWAX_SIGMOID_NORMALISED; gate++)
            for (int L = 1; L <= T + 1; L++)
                for (int given = 0; given < 4; given++) {
                    check_cell(NULL, given & 1, given >> 1, T, H, L, gate);
                    for (int cuts = 0; cuts < 1 << (T - 1); cuts++)
                        for (int first = -1; first <= 0; first++) {
                            int start[MOST_T];
                            cut(start, T, cuts, first);
                            check_cell(start, given & 1, given >> 1, T, H, L, gate);
                        }
                }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("exhaustive");
    TCase *tc = tcase_create("shapes");
    told = shared_memory(MOST_TIERS * sizeof *told);
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, attention_everywhere, 0, MOST_T * swax_n_tiers);
    tcase_add_loop_test(tc, cell_everywhere, 0, MOST_T * swax_n_tiers);
    suite_add_tcase(s, tc);
    int failed = suite_ends(s);
    for (int t = 0; t < swax_n_tiers; t++)
        if (told[t].attention + told[t].cell)
            printf("%-7s %ld cases of attention and %ld of the cell, worst error %.1e\n", swax_tiers[t]->name,
                   told[t].attention, told[t].cell, told[t].worst);
    if ((told[0].asked[0] && told[0].attention < 60000) || (told[0].asked[1] && told[0].cell < 40000))
        printf("fewer than 60,000 cases of attention or 40,000 of the cell\n"), failed++;
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
