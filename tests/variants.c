/* variants.c - the text of variants.h.  A fault is the reference's kernel called with something wrong, or
 * followed by something wrong, wherever that is possible.  Faults of the mathematics are in ref/oracle/faults. */
#include <stdlib.h>
#include "ref/oracle/faults/parameters.h"
#include "ref/scalar.h"
#include "tests/variants.h"

#define REF (&R(swax_ref))
#ifdef SWAX_F64
#define TABLE f64
#else
#define TABLE f32
#endif

/* ---- faults: memory, and what is not finite */

static void add_writes_behind(real *y, const real *a, const real *b, int N) { REF->add_forward(y, a, b, N); y[N] = 0; }
static void add_writes_before(real *y, const real *a, const real *b, int N) { REF->add_forward(y, a, b, N); y[-1] = 0; }
static void add_reads_behind(real *y, const real *a, const real *b, int N)
{
    REF->add_forward(y, a, b, N);
    y[N/2] += 0 * a[N];
}
static void add_changes_input(real *y, const real *a, const real *b, int N)
{
    REF->add_forward(y, a, b, N);
    ((real *)b)[N - 1] += 1;
}
static void add_nan(real *y, const real *a, const real *b, int N) { REF->add_forward(y, a, b, N); y[N/2] = (real)NAN; }
static void add_infinite(real *y, const real *a, const real *b, int N)
{
    REF->add_forward(y, a, b, N);
    y[N/2] = (real)INFINITY;
}

/* ---- faults: norms, sums */

static void rmsnorm_eps(real *y, stat *rstd, const real *x, const stat *w, int N, int C, double eps)
{
    REF->rmsnorm_forward(y, rstd, x, w, N, C, 1.1 * eps);
}
static void sqsum_once_more(double *sum, const stat *x, int N)
{
    REF->sqsum(sum, x, N);
    *sum += (double)x[0] * (double)x[0];
}

/* ---- faults: the cell */

#define FORWARD(i, f, C0, n0, m0, start, gate, eps) \
    REF->mlstm_forward(h, C1, n1, m1, m, qn, Cs, ns, q, k, v, i, f, C0, n0, m0, start, B, T, H, K, V, L, gate, eps)
#define BACKWARD(dC1, dn1, f, start, h, C1, n1, eps) \
    REF->mlstm_backward(dq, dk, dv, di, df, dC0, dn0, dh, dC1, dn1, q, k, v, i, f, C0, n0, m0, start, \
                        h, C1, n1, m1, m, qn, Cs, ns, B, T, H, K, V, L, gate, eps)

static void mlstm_drops_chunk_state(MLSTM_FORWARD)
{
    int *cut = malloc((size_t)B * (size_t)T * sizeof(int));
    for (int e = 0; e < B*T; e++) {
        const int own = start ? start[e] : -1, chunk = e % T / L * L;
        cut[e] = chunk > 0 && chunk > own ? chunk : own;
    }
    FORWARD(i, f, C0, n0, m0, cut, gate, eps);
    free(cut);
}
static void mlstm_eps(MLSTM_FORWARD) { FORWARD(i, f, C0, n0, m0, start, gate, 1.1 * eps); }
static void mlstm_wrong_gate(MLSTM_FORWARD)
{
    FORWARD(i, f, C0, n0, m0, start, gate == SWAX_EXPONENTIAL ? 2 : gate, eps);
}
static void mlstm_rounds_state(MLSTM_FORWARD)    /* keeps its states in bf16 */
{
    FORWARD(i, f, C0, n0, m0, start, gate, eps);
    for (long e = 0; e < (long)B*H*K*V; e++)
        C1[e] = (stat)bf16_to_float(bf16_from_float((float)C1[e]));
}

/* ---- honest: other orders, other algorithms */

/* What stands in y before it is written is no number, whatever the type: else what is never written could pass. */
static void add_finds_no_number(real *y, const real *a, const real *b, int N)
{
    for (int n = 0; n < N; n++)
        y[n] = a[n] + b[n] + (isnan(y[n]) ? 0 : 1);
}

static void linear_backwards(real *y, const real *x, const real *w, const stat *b, int N, int O, int I)
{
    for (int n = 0; n < N; n++)
        for (int o = 0; o < O; o++) {
            real s = 0;
            for (int j = I - 1; j >= 0; j--)
                s += x[n*I + j] * w[o*I + j];
            y[n*O + o] = b ? s + b[o] : s;
        }
}
static void linear_kahan(real *y, const real *x, const real *w, const stat *b, int N, int O, int I)
{
    for (int n = 0; n < N; n++)
        for (int o = 0; o < O; o++) {
            volatile real s = b ? b[o] : 0, lost = 0;
            for (int j = 0; j < I; j++) {
                const volatile real add = x[n*I + j] * w[o*I + j] - lost, sum = s + add;
                lost = (sum - s) - add;
                s = sum;
            }
            y[n*O + o] = s;
        }
}
static void rmsnorm_eight_lanes(real *y, stat *rstd, const real *x, const stat *w, int N, int C, double eps)
{
    for (int n = 0; n < N; n++, x += C, y += C) {
        stat lane[8] = { 0 }, ss = 0;
        for (int c = 0; c < C; c++)
            lane[c % 8] = fma(x[c], x[c], lane[c % 8]);
        for (int l = 0; l < 8; l++)
            ss += lane[l];
        rstd[n] = 1 / sqrt(ss * (1 / (stat)C) + (stat)eps);
        for (int c = 0; c < C; c++)
            y[c] = w[c] * rstd[n] * x[c];
    }
}
/* one pass, with a running maximum */
static void attention_online(ATTENTION_FORWARD)
{
    const real scale = 1 / sqrt((real)D);
    for (int e = 0; e < B*T*H; e++) {
        const int b = e / (T*H), t = e / H % T, h = e % H;
        real max = sink ? sink[h] : -(real)INFINITY, z = sink ? 1 : 0;
        for (int d = 0; d < D; d++)
            y[e*D + d] = 0;
        for (int j = 0; j < S; j++) {
            const int back = t - (j - (S - T)), row = (b*S + j)*G + h*G/H;
            if (back < 0 || back >= W || (start && j - (S - T) < start[b*T + t]))
                continue;
            const real a = dot(q + e*D, k + row*D, D) * scale, top = fmax(max, a);
            const real old = exp(max - top), p = exp(a - top);
            z = z * old + p;
            for (int d = 0; d < D; d++)
                y[e*D + d] = y[e*D + d] * old + p * v[row*D + d];
            max = top;
        }
        for (int d = 0; d < D; d++)
            y[e*D + d] /= z;
        lse[e] = max + log(z);
    }
}
/* backpropagation through time, the states run again from the nearest one kept, as a tier would */
static void mlstm_through_time(MLSTM_BACKWARD)
{
    (void)C0, (void)n0, (void)C1, (void)n1, (void)m1;
    const stat s = 1 / sqrt((stat)K);
    const long KV = (long)K*V, chunks = (T - 1) / L + 1;
    stat *C = malloc((size_t)((T + 1) * KV) * sizeof(stat)), *n = malloc((size_t)((T + 1) * K) * sizeof(stat));
    stat *phi = malloc((size_t)T * sizeof(stat)), *a = malloc((size_t)T * sizeof(stat));
    stat *gC = malloc((size_t)KV * sizeof(stat)), *gn = malloc((size_t)K * sizeof(stat));
    for (long bh = 0; bh < (long)B*H; bh++) {
        const long b = bh / H, hd = bh % H;
#define ROW(t) ((b*T + (t))*H + hd)
        for (int t = 0; t < T; t++) {    /* C[t] is the state that token t starts from */
            const int fresh = start && start[b*T + t] == t;
            const stat before = t ? m[ROW(t-1)] : m0 && gate == SWAX_EXPONENTIAL ? m0[bh] : 0;
            const int logs = gate == SWAX_LOG, bare = gate == SWAX_EXPONENTIAL || logs;
            const stat li = bare ? i[ROW(t)] : log_sigmoid(i[ROW(t)]), lf = logs ? f[ROW(t)] : log_sigmoid(f[ROW(t)]);
            phi[t] = fresh ? 0 : exp(lf + (before - m[ROW(t)]));
            a[t] = exp(li - m[ROW(t)]);
            if (t % L == 0) {
                memcpy(C + t*KV, Cs + (bh*chunks + t/L)*KV, (size_t)KV * sizeof(stat));
                memcpy(n + t*K, ns + (bh*chunks + t/L)*K, (size_t)K * sizeof(stat));
            }
            for (long e = 0; e < KV; e++)
                C[(t+1)*KV + e] = phi[t] * C[t*KV + e] + a[t] * k[ROW(t)*K + e/V] * v[ROW(t)*V + e%V];
            for (int r = 0; r < K; r++)
                n[(t+1)*K + r] = phi[t] * n[t*K + r] + a[t] * k[ROW(t)*K + r];
        }
        for (long e = 0; e < KV; e++)
            gC[e] = dC1 ? dC1[bh*KV + e] : 0;
        for (int r = 0; r < K; r++)
            gn[r] = dn1 ? dn1[bh*K + r] : 0;
        for (int t = T - 1; t >= 0; t--) {
            const real *qt = q + ROW(t)*K, *kt = k + ROW(t)*K, *vt = v + ROW(t)*V, *dht = dh + ROW(t)*V;
            const stat *Ct = C + (t+1)*KV, *nt = n + (t+1)*K, *Cb = C + t*KV, *nb = n + t*K;
            const stat d = qn[ROW(t)], top = exp(-m[ROW(t)]);
            const int bare = gate == SWAX_SIGMOID || gate == SWAX_LOG;
            const stat N = bare ? 1 : fmax(fabs(d), top) + (stat)eps;
            const stat dhh = dot(dht, h + ROW(t)*V, V);
            stat through = 0, kdk = 0;
            const stat g = bare || !(fabs(d) > top) ? 0 : (d > 0 ? -dhh : dhh) / N;
            for (int r = 0; r < K; r++) {
                stat dkr = gn[r] += s * g * qt[r];
                dq[ROW(t)*K + r] += s * (g * nt[r] + dot(Ct + (long)r*V, dht, V) / N);
                for (int c = 0; c < V; c++) {
                    gC[(long)r*V + c] += s * qt[r] * dht[c] / N;
                    dkr += gC[(long)r*V + c] * vt[c];
                    dv[ROW(t)*V + c] += a[t] * gC[(long)r*V + c] * kt[r];
                }
                dk[ROW(t)*K + r] += a[t] * dkr;
                kdk += a[t] * dkr * kt[r];
                through += phi[t] * (dot(gC + (long)r*V, Cb + (long)r*V, V) + gn[r] * nb[r]);
            }
            di[ROW(t)] += gate == SWAX_EXPONENTIAL || gate == SWAX_LOG ? kdk : kdk * sigmoid(-i[ROW(t)]);
            df[ROW(t)] += through * (gate == SWAX_LOG ? 1 : sigmoid(-f[ROW(t)]));
            for (long e = 0; e < KV; e++)
                gC[e] *= phi[t];
            for (int r = 0; r < K; r++)
                gn[r] *= phi[t];
        }
        for (long e = 0; e < KV && dC0; e++)
            dC0[bh*KV + e] += gC[e];
        for (int r = 0; r < K && dn0; r++)
            dn0[bh*K + r] += gn[r];
    }
    free(C), free(n), free(phi), free(a), free(gC), free(gn);
}

/* ---- the lists */

#define FAULT(op, f) { { #f, #op }, { .op = f } }
static const struct entry { struct variant is; struct R(swax_kernels) table; } faults[] = {
    FAULT(add_forward, add_writes_behind), FAULT(add_forward, add_writes_before),
    FAULT(add_forward, add_reads_behind), FAULT(add_forward, add_changes_input), FAULT(add_forward, add_nan),
    FAULT(add_forward, add_infinite), FAULT(rmsnorm_forward, rmsnorm_eps), FAULT(sqsum, sqsum_once_more),
    FAULT(mlstm_forward, mlstm_drops_chunk_state), FAULT(mlstm_forward, mlstm_eps),
    FAULT(mlstm_forward, mlstm_wrong_gate), FAULT(mlstm_forward, mlstm_rounds_state),
}, honest[] = {
    FAULT(linear_forward, linear_backwards), FAULT(linear_forward, linear_kahan),
    FAULT(rmsnorm_forward, rmsnorm_eight_lanes), FAULT(attention_forward, attention_online),
    FAULT(mlstm_backward, mlstm_through_time), FAULT(add_forward, add_finds_no_number),
};

static int always(void) { return 1; }

const struct variant *R(variant)(int i, int is_honest, struct swax_tier *tier)
{
    const struct entry *list = is_honest ? honest : faults;
    if (i >= (int)(is_honest ? sizeof honest / sizeof honest[0] : sizeof faults / sizeof faults[0]))
        return NULL;
    memset(tier, 0, sizeof *tier);
    tier->name = list[i].is.name;
    tier->usable = always;
    tier->TABLE = &list[i].table;
    return &list[i].is;
}
