/* mlstm.c - xLSTM's matrix-memory cell (Beck et al. 2024, 2025), stabilised, in one head:
 *
 *   forward, the recurrence as printed (kernels.h has it in full), with s = 1/sqrt(K):
 *     C_t = phi_t C_{t-1} + a_t k_t v_t^T      phi_t = exp(lf_t + m_{t-1} - m_t)
 *     n_t = phi_t n_{t-1} + a_t k_t            a_t   = exp(li_t - m_t)
 *     h_t = s C_t^T q_t / N_t                  N_t   = max(|s q_t.n_t|, exp(-m_t)) + eps
 *
 *   backward, from the parallel form, which needs no history of states.  If the recurrence is unrolled, and m held
 *   constant (h does not depend on it), the cell is attention with weights D instead of a softmax:
 *     D_tj = exp(li_j + lf_{j+1} + .. + lf_t - m_t)      P_tj = s q_t.k_j D_tj
 *     bb_t = exp(lf_0 + .. + lf_t + m0 - m_t)            ab_j = exp(li_j + lf_{j+1} + .. + lf_{T-1} - m1)
 *     h_t  = (sum_j P_tj v_j + s bb_t C0^T q_t) / N_t    qn_t = sum_j P_tj + s bb_t n0.q_t
 *     C1   = bb_{T-1} C0 + sum_j ab_j k_j v_j^T
 *   so, with G_t = dh_t/N_t and g_t = dL/dqn_t = -sign(qn_t) dh_t.h_t / N_t if |qn_t| > exp(-m_t), else 0,
 *   and dP_tj = G_t.v_j + g_t:
 *     token t as a query:  dq_t += sum_j s dP_tj D_tj k_j + s bb_t (C0 G_t + g_t n0)
 *     token j as a key:    dk_j += sum_t s dP_tj D_tj q_t + ab_j (dC1 v_j + dn1)
 *                          dv_j += sum_t P_tj G_t + ab_j dC1^T k_j
 *     The gates enter through exponents only.  li_j is in whatever k_j is in, and lf_r in what links the tokens
 *     before r to the tokens from r on.  So the gradient of each is a sum of the products above (q.dq and k.dk
 *     below count this call's shares only):
 *                          dli_j = k_j.dk_j
 *     Let Z_tj = P_tj dP_tj, let e_t be the part of q_t.dq_t that C0 and n0 give, o_j the part of k_j.dk_j that dC1
 *     and dn1 give, and z = bb_{T-1} (<dC1,C0> + <dn1,n0>) what passes from state to state:
 *                          dlf_r = sum_{t>=r>j} Z_tj  +  sum_{t>=r} e_t  +  sum_{j<r} o_j  +  z
 *     The first two sums follow from those of dlf_{r+1}: what token r sees comes in, what sees it goes out,
 *                          + sum_{j<r} Z_rj + e_r - sum_{t>r} Z_tr
 *     Z_rr, a token's effect on itself, is in neither.  (It is in both q_r.dq_r and k_r.dk_r, so that dlf_r = dlf_{r+1}
 *     + q_r.dq_r - k_r.dk_r is right on paper.  But it does not fade with f as all the others do, and where gates are
 *     shut it leaves its rounding in place of the difference.)
 *     The state that came in receives
 *                          dC0 += bb_{T-1} dC1 + sum_t s bb_t q_t G_t^T
 *                          dn0 += bb_{T-1} dn1 + sum_t s bb_t g_t q_t
 *
 * For a document that begins in this call, all of this holds with T counted within it and without C0.  PAPER_NOTES,
 * section 4, derives the gradient. */
#include "ref/scalar.h"

#include <float.h>

static stat log_input_gate(stat i, int gate)
{
    return gate == SWAX_EXPONENTIAL || gate == SWAX_LOG ? i : log_sigmoid(i);
}
static stat log_forget_gate(stat f, int gate) { return gate == SWAX_LOG ? f : log_sigmoid(f); }

/* what dli and dlf become on the way to i and f */
static stat input_slope(stat i, int gate)  { return gate == SWAX_EXPONENTIAL || gate == SWAX_LOG ? 1 : sigmoid(-i); }
static stat forget_slope(stat f, int gate) { return gate == SWAX_LOG ? 1 : sigmoid(-f); }

static int normalised(int gate) { return gate == SWAX_EXPONENTIAL || gate == SWAX_SIGMOID_NORMALISED; }

/* max(a, b), or NaN where one of them is: fmax would hide it */
static stat larger(stat a, stat b) { return a > b || a != a ? a : b; }

/* exp(-m), above 0 for every m */
static stat floor_of(stat m) { return larger(sizeof(stat) == sizeof(float) ? (stat)FLT_MIN : (stat)DBL_MIN, exp(-m)); }

static stat normaliser(stat qn, stat m, int gate, double eps)
{
    return normalised(gate) ? larger(fabs(qn), floor_of(m)) + (stat)eps : 1;
}

/* exp(x + from - m): what a sum x of log gates leaves of a factor in the units of `from`, in the units of m.  It is 0
 * where nothing has been written (m = -inf).  from - m is taken first, as it is exact where x is too small to count. */
static stat weight(stat x, stat from, stat m) { return m == -(stat)INFINITY ? 0 : exp(x + (from - m)); }

static int begins(const int *start, int t) { return start && start[t] == t; }

/* The head's state after token t from the one before it; returns m_t. */
static stat update(stat *C, stat *n, stat m, const real *k, const real *v, stat i, stat f, int K, int V, int gate)
{
    const stat lf = log_forget_gate(f, gate), li = log_input_gate(i, gate);
    const stat mt = gate == SWAX_EXPONENTIAL ? larger(lf + m, li) : 0;
    const stat phi = weight(lf, m, mt), a = weight(0, li, mt);
    for (int r = 0; r < K; r++) {
        for (int c = 0; c < V; c++)
            C[(long)r*V + c] = phi * C[(long)r*V + c] + a * k[r] * v[c];
        n[r] = phi * n[r] + a * k[r];
    }
    return mt;
}

/* to = from, or 0 where from is NULL */
static void load(stat *to, const stat *from, long n)
{
    for (long e = 0; e < n; e++)
        to[e] = from ? from[e] : 0;
}

static void mlstm_forward(real *h, stat *C1, stat *n1, stat *m1,
                          stat *m, stat *qn, stat *Cs, stat *ns,
                          const real *q, const real *k, const real *v, const stat *i, const stat *f,
                          const stat *C0, const stat *n0, const stat *m0, const int *start,
                          int B, int T, int H, int K, int V, int L, int gate, double eps)
{
    const stat s = 1 / sqrt((stat)K);
    const long KV = (long)K*V, chunks = (T - 1) / L + 1;
    for (int b = 0; b < B; b++)
        for (int hd = 0; hd < H; hd++) {
            const long bh = (long)b*H + hd;
            const int *first = start ? start + (long)b*T : NULL;
            stat *C = C1 + bh*KV, *n = n1 + bh*K;
            stat mt = m0 && gate == SWAX_EXPONENTIAL ? m0[bh] : 0;
            load(C, C0 ? C0 + bh*KV : NULL, KV);
            load(n, n0 ? n0 + bh*K : NULL, K);

            for (int t = 0; t < T; t++) {
                const long row = ((long)b*T + t)*H + hd;
                const real *qt = q + row*K;
                if (Cs && t % L == 0) {
                    load(Cs + (bh*chunks + t/L)*KV, C, KV);
                    load(ns + (bh*chunks + t/L)*K, n, K);
                }
                if (begins(first, t)) {
                    load(C, NULL, KV);
                    load(n, NULL, K);
                    mt = 0;
                }
                mt = update(C, n, mt, k + row*K, v + row*V, i[row], f[row], K, V, gate);
                m[row] = mt;
                qn[row] = s * dot(qt, n, K);
                const stat N = normaliser(qn[row], mt, gate, eps);
                for (int c = 0; c < V; c++) {
                    stat p = 0;
                    for (int r = 0; r < K; r++)
                        p += qt[r] * C[(long)r*V + c];
                    h[row*V + c] = s * p / N;
                }
            }
            m1[bh] = mt;
        }
}

/* One head of one sequence, for the backward: token t's row of q is q + t*H*K, and so on. */
struct head {
    const real *q, *k, *v, *h, *dh;
    const stat *i, *f, *m, *qn;
    const stat *C0, *n0, *dC1, *dn1; /* NULL where they are zero or do not concern the document */
    stat m0, m1, s;
    int T, H, K, V, gate;
    double eps;
};

static const real *key(const struct head *a, const real *x, int t)   { return x + (long)t*a->H*a->K; }
static const real *value(const struct head *a, const real *x, int t) { return x + (long)t*a->H*a->V; }
static stat gated(const struct head *a, const stat *x, int t)        { return x[(long)t*a->H]; }

static stat norm_at(const struct head *a, int t)
{
    return normaliser(gated(a, a->qn, t), gated(a, a->m, t), a->gate, a->eps);
}

/* g_t, the gradient of qn_t */
static stat grad_qn(const struct head *a, int t)
{
    const stat qn = gated(a, a->qn, t), dhh = dot(value(a, a->dh, t), value(a, a->h, t), a->V);
    if (!normalised(a->gate) || fabs(qn) <= floor_of(gated(a, a->m, t)))
        return 0;
    return (qn > 0 ? -dhh : dhh) / norm_at(a, t);
}

static stat input_gate(const struct head *a, int t)  { return log_input_gate(gated(a, a->i, t), a->gate); }
static stat forget_gate(const struct head *a, int t) { return log_forget_gate(gated(a, a->f, t), a->gate); }

/* Token t as a query of its document, which begins at token t0 or, if t0 < 0, came in as C0, n0.
 * Returns sum_{j<t} Z_tj + e_t. */
static stat backward_query(real *dq, stat *dC0, stat *dn0, const struct head *a, int t, int t0)
{
    const real *qt = key(a, a->q, t), *dh = value(a, a->dh, t);
    const stat N = norm_at(a, t), g = grad_qn(a, t), mt = gated(a, a->m, t);
    stat lf = 0, seen = 0; /* lf_{j+1} + .. + lf_t */
    for (int j = t; j >= 0 && j >= t0; j--) {
        const real *kj = key(a, a->k, j);
        const stat D = weight(lf, input_gate(a, j), mt);
        const stat dP = dot(dh, value(a, a->v, j), a->V) / N + g;
        for (int r = 0; r < a->K; r++)
            dq[r] += a->s * dP * D * kj[r];
        seen += j < t ? a->s * dP * D * dot(qt, kj, a->K) : 0;
        lf += forget_gate(a, j);
    }
    if (t0 >= 0 || !a->C0)
        return seen;

    const stat bb = weight(lf, a->m0, mt);
    for (int r = 0; r < a->K; r++) {
        const stat *C0r = a->C0 + (long)r*a->V;
        const stat dqr = a->s * bb * (dot(C0r, dh, a->V) / N + g * a->n0[r]);
        dq[r] += dqr;
        seen += qt[r] * dqr;
        for (int c = 0; c < a->V && dC0; c++)
            dC0[(long)r*a->V + c] += a->s * bb * qt[r] * dh[c] / N;
        if (dn0)
            dn0[r] += a->s * bb * g * qt[r];
    }
    return seen;
}

/* What token j's key gives: in all k_j.dk_j, and to later tokens sum_{t>j} Z_tj. */
struct given { stat all, later; };

/* Token j as a key, for the queries j .. end-1 of its document and, if this document is the last and dC1 is not NULL,
 * for the state that goes out. */
static struct given backward_key(real *dk, real *dv, const struct head *a, int j, int end)
{
    const real *kj = key(a, a->k, j), *vj = value(a, a->v, j);
    const stat li = input_gate(a, j);
    struct given z = { 0, 0 };
    stat lf = 0; /* lf_{j+1} + .. + lf_t */
    for (int t = j; t < end; t++) {
        const real *qt = key(a, a->q, t), *dh = value(a, a->dh, t);
        lf += t > j ? forget_gate(a, t) : 0;
        const stat N = norm_at(a, t), D = weight(lf, li, gated(a, a->m, t));
        const stat dP = dot(dh, vj, a->V) / N + grad_qn(a, t), P = a->s * dot(qt, kj, a->K) * D;
        for (int r = 0; r < a->K; r++)
            dk[r] += a->s * dP * D * qt[r];
        for (int c = 0; c < a->V; c++)
            dv[c] += P * dh[c] / N;
        z.all += P * dP;
        z.later += t > j ? P * dP : 0;
    }
    if (end < a->T || !a->dC1)
        return z;

    const stat ab = weight(lf, li, a->m1);
    for (int r = 0; r < a->K; r++) {
        const stat *dC1r = a->dC1 + (long)r*a->V;
        const stat dkr = ab * (dot(dC1r, vj, a->V) + a->dn1[r]);
        dk[r] += dkr;
        z.all += kj[r] * dkr;
        for (int c = 0; c < a->V; c++)
            dv[c] += ab * dC1r[c] * kj[r];
    }
    return z;
}

/* o_j, the share of key j in what dC1 and dn1 give: for the sum over the tokens before a gate */
static stat going_out(const struct head *a, int j)
{
    const real *kj = key(a, a->k, j);
    stat lf = 0, out = 0;
    for (int t = a->T - 1; t > j; t--)
        lf += forget_gate(a, t);
    for (int r = 0; r < a->K; r++)
        out += kj[r] * (dot(a->dC1 + (long)r*a->V, value(a, a->v, j), a->V) + a->dn1[r]);
    return weight(lf, input_gate(a, j), a->m1) * out;
}

/* The state that came in also goes out, bb_{T-1} times, if no document begins in between.  Returns z. */
static stat backward_state(stat *dC0, stat *dn0, const struct head *a)
{
    stat lf = 0;
    for (int t = 0; t < a->T; t++)
        lf += forget_gate(a, t);
    const stat bb = weight(lf, a->m0, a->m1);
    for (long e = 0; e < (long)a->K*a->V && dC0; e++)
        dC0[e] += bb * a->dC1[e];
    for (int r = 0; r < a->K && dn0; r++)
        dn0[r] += bb * a->dn1[r];
    return bb * (dot(a->dC1, a->C0, a->K*a->V) + dot(a->dn1, a->n0, a->K));
}

static void mlstm_backward(real *dq, real *dk, real *dv, stat *di, stat *df, stat *dC0, stat *dn0,
                           const real *dh, const stat *dC1, const stat *dn1,
                           const real *q, const real *k, const real *v, const stat *i, const stat *f,
                           const stat *C0, const stat *n0, const stat *m0, const int *start,
                           const real *h, const stat *C1, const stat *n1, const stat *m1,
                           const stat *m, const stat *qn, const stat *Cs, const stat *ns,
                           int B, int T, int H, int K, int V, int L, int gate, double eps)
{
    (void)Cs, (void)ns, (void)C1, (void)n1, (void)L; /* from these a tier that works in chunks begins */
    const long KV = (long)K*V;
    for (int b = 0; b < B; b++)
        for (int hd = 0; hd < H; hd++) {
            const long bh = (long)b*H + hd, row = (long)b*T*H + hd;
            const int *first = start ? start + (long)b*T : NULL;
            const struct head a = {
                .q = q + row*K, .k = k + row*K, .v = v + row*V, .h = h + row*V, .dh = dh + row*V, .i = i + row,
                .f = f + row, .m = m + row, .qn = qn + row, .C0 = C0 ? C0 + bh*KV : NULL, .n0 = n0 ? n0 + bh*K : NULL,
                .dC1 = dC1 ? dC1 + bh*KV : NULL, .dn1 = dn1 ? dn1 + bh*K : NULL,
                .m0 = m0 && gate == SWAX_EXPONENTIAL ? m0[bh] : 0, .m1 = m1[bh], .s = 1 / sqrt((stat)K), .T = T, .H = H,
                .K = K, .V = V, .gate = gate, .eps = eps
            };
            stat *dC0h = dC0 ? dC0 + bh*KV : NULL, *dn0h = dn0 ? dn0 + bh*K : NULL;

            /* what goes out has passed gates of the last document: z all of them, o_j those of the tokens after j */
            const int last = first ? first[T - 1] : -1;
            stat through = dC1 && C0 && last < 0 ? backward_state(dC0h, dn0h, &a) : 0, within = 0;
            for (int t = T - 1, end = T; t >= 0; t--) {
                const long rt = row + (long)t*H;
                const int t0 = first ? first[t] : -1;
                const stat seen = backward_query(dq + rt*K, dC0h, dn0h, &a, t, t0);
                const struct given z = backward_key(dk + rt*K, dv + rt*V, &a, t, end);
                di[rt] += z.all * input_slope(i[rt], gate);
                within += seen - z.later;
                if (t0 == t) { /* f is not used at t, and nothing links this document to the one before */
                    within = 0;
                    end = t;
                }
                df[rt] += within * forget_slope(f[rt], gate);
            }
            for (int t = last > 0 ? last : 0; t < T && dC1; t++) {
                df[row + (long)t*H] += through * forget_slope(f[row + (long)t*H], gate);
                through += going_out(&a, t);
            }
        }
}
