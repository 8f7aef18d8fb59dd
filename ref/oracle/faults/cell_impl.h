/* cell_impl.h - the mLSTM cell as its recurrence and that recurrence's own backward, with a switch for every way to
 * get it wrong.  All switches off it is an honest kernel, and is tested as one. */

#include "ref/oracle/faults/common_impl.h"

struct cell_twist {
    stat (*log_sigmoid)(stat);        /* NULL: the one that keeps its digits */
    stat (*gates)(stat);              /* rounds i and f */
    stat (*states)(stat);             /* rounds C and n after each token */
    real (*operand)(real);            /* rounds what enters a product */
    int swapped;                      /* i for f and f for i */
    int previous;                     /* the forget gate of the token before */
    int summed;                       /* decays are differences of two sums from the first token on, which are kept in
                                       * float; 2: and taken in double */
    int chunk_sums;         /* the same in full precision, and anew every so many tokens, as the parallel form has it in
                                       * chunks; so df, too, is a difference of sums over a chunk: honest */
    int cut;                          /* the state is lost every so many tokens */
    int leaks, soft_reset;            /* documents: not kept apart; parted by a forget gate of -25 */
    int no_C0, no_m0;                 /* the state that comes in, or its stabiliser, is not read */
    int from_nothing;                 /* m begins at -infinity where there is no state */
    int no_abs, floor_one;            /* max(qn, e^-m);  max(|qn|, 1) */
    int no_floor, no_normaliser;      /* |qn|;  1 */
    int no_eps, eps_first;            /* eps left out; max(|qn| + eps, e^-m) */
    int scales;                       /* 0: on q; 1: none; 2: twice; 3: in the states, on k; */
    int sum_gates;                    /* without the maximum: m = lf + m */
    int layout;                       /* takes [B,T,H,D] for [B,H,T,D] */
    int no_last;                      /* the last token's h is not done */
    int no_gamma, gamma_sign;         /* backward: without the normaliser's gradient; without the sign of qn in it */
    int bare_gamma, gamma_always;     /* not divided by the normaliser; below its floor, too */
    int unscaled_dq;                  /* without 1/sqrt(K) */
    int no_anchor;                    /* df's sum begins from 0 at the end */
    int v_dv;                         /* di = v.dv */
    int no_final, no_initial;         /* dC1, dn1 not read; dC0, dn0 not added to */
    int cut_gradient;                 /* the state's gradient is lost every so many tokens */
    int no_chain, no_chain_in;        /* df without sigmoid(-f); di without sigmoid(-i) */
    int overwrites;
};

/* One head of one sequence: where its tokens stand, and its gates as the kernel takes them. */
struct cell_head { long row0, step; int T, gate; stat *lf, *li; int *fresh; };

static long cell_row(const struct cell_head *a, int t) { return a->row0 + t * a->step; }

static int begins_here(const struct cell_twist *w, const int *start, int b, int t, int T)
{
    const int document = start && start[(long)b*T + t] == t;
    return (document && !w->leaks && !w->soft_reset) || (w->cut && t && t % w->cut == 0);
}

static struct cell_head cell_head(const struct cell_twist *w, const stat *i, const stat *f, const int *start,
                                  int b, int hd, int T, int H, int gate)
{
    struct cell_head a = {
        .row0 = w->layout ? ((long)b*H + hd)*T : (long)b*T*H + hd, .step = w->layout ? 1 : H, .T = T, .gate = gate,
        .lf = op_take(1, (size_t)T * sizeof(stat)), .li = op_take(1, (size_t)T * sizeof(stat)),
        .fresh = op_take(1, (size_t)T * sizeof(int))
    };
    stat (*const ls)(stat) = w->log_sigmoid ? w->log_sigmoid : log_sigmoid;
    double sum = 0;
    stat chunk = 0;
    for (int t = 0; t < T; t++) {
        const long row = cell_row(&a, t), earlier = w->previous && t ? cell_row(&a, t - 1) : row;
        const int document = start && start[(long)b*T + t] == t;
        const stat x = rounded_by(w->gates, (w->swapped ? f : i)[row]),
                   z = rounded_by(w->gates, (w->swapped ? i : f)[earlier]);
        a.lf[t] = gate == SWAX_LOG ? (w->soft_reset && document ? -25 : z) : ls(w->soft_reset && document ? -25 : z);
        a.li[t] = gate == SWAX_EXPONENTIAL || gate == SWAX_LOG ? x : ls(x);
        a.fresh[t] = begins_here(w, start, b, t, T);
        const double before = sum;
        sum = w->summed == 2 ? sum + (double)a.lf[t] : (double)((float)sum + (float)a.lf[t]);
        a.lf[t] = w->summed ? (stat)(float)sum - (stat)(float)before : a.lf[t];
        const stat earlier_sum = w->chunk_sums && t % w->chunk_sums ? chunk : 0;
        chunk = earlier_sum + a.lf[t];
        a.lf[t] = w->chunk_sums ? chunk - earlier_sum : a.lf[t];
    }
    return a;
}

static void cell_head_free(struct cell_head *a) { free(a->lf), free(a->li), free(a->fresh); }

static int has_normaliser(int gate) { return gate == SWAX_EXPONENTIAL || gate == SWAX_SIGMOID_NORMALISED; }

static stat cell_normaliser(const struct cell_twist *w, stat qn, stat m, int gate, double eps)
{
    const stat size = w->no_abs ? qn : fabs(qn), least = w->floor_one ? 1 : w->no_floor ? 0 : exp(-m),
               e = w->no_eps ? 0 : (stat)eps;
    if (!has_normaliser(gate) || w->no_normaliser)
        return 1;
    return w->eps_first ? fmax(size + e, least) : fmax(size, least) + e;
}

static stat key_scale(const struct cell_twist *w, int K) { return w->scales >= 2 ? 1 / sqrt((stat)K) : 1; }
static stat query_scale(const struct cell_twist *w, int K)
{
    return w->scales == 0 || w->scales == 2 ? 1 / sqrt((stat)K) : 1;
}

/* C, n after token t from those before it */
static void cell_update(const struct cell_twist *w, stat *C, stat *n, stat phi, stat a, const real *k, const real *v,
                        int K, int V)
{
    real (*const as)(real) = w->operand;
    stat (*const kept)(stat) = w->states;
    for (int r = 0; r < K; r++) {
        const stat ak = a * key_scale(w, K) * real_by(as, k[r]);
        for (int c = 0; c < V; c++)
            C[(long)r*V + c] = rounded_by(kept, phi * C[(long)r*V + c] + ak * real_by(as, v[c]));
        n[r] = rounded_by(kept, phi * n[r] + ak);
    }
}

static void cell_start(const struct cell_twist *w, stat *C, stat *n, const stat *C0, const stat *n0, long bh, int K,
                       int V)
{
    memset(C, 0, (size_t)K * (size_t)V * sizeof(stat));
    memset(n, 0, (size_t)K * sizeof(stat));
    if (C0 && !w->no_C0) {
        memcpy(C, C0 + bh*K*V, (size_t)K * (size_t)V * sizeof(stat));
        memcpy(n, n0 + bh*K, (size_t)K * sizeof(stat));
    }
}

/* m before the first token, of a sequence that has a state or of one that begins. */
static stat cell_start_m(const struct cell_twist *w, const stat *m0, long bh, int gate)
{
    if (gate != SWAX_EXPONENTIAL)
        return 0;
    return m0 && !w->no_m0 ? m0[bh] : w->from_nothing ? -(stat)INFINITY : 0;
}

/* phi, from left to right, as most write it: what rounding lf + m loses, m has lost and phi has not made good.  The
 * reference, whose difference of two m is exact, makes it good. */
static stat keeps(stat lf, stat before, stat m) { return exp(lf + before - m); }

static void cell_twisted(const struct cell_twist *w, MLSTM_FORWARD)
{
    real (*const as)(real) = w->operand;
    const long KV = (long)K*V, chunks = (T - 1) / L + 1;
    stat *p = op_take((size_t)V, sizeof *p);
    for (long bh = 0; bh < (long)B*H; bh++) {
        struct cell_head a = cell_head(w, i, f, start, (int)(bh / H), (int)(bh % H), T, H, gate);
        stat *C = C1 + bh*KV, *n = n1 + bh*K;
        stat before = cell_start_m(w, m0, bh, gate);
        cell_start(w, C, n, C0, n0, bh, K, V);
        for (int t = 0; t < T; t++) {
            const long row = cell_row(&a, t);
            if (Cs && t % L == 0) {
                memcpy(Cs + (bh*chunks + t/L)*KV, C, (size_t)KV * sizeof(stat));
                memcpy(ns + (bh*chunks + t/L)*K, n, (size_t)K * sizeof(stat));
            }
            if (a.fresh[t]) {
                cell_start(w, C, n, NULL, NULL, bh, K, V);
                before = cell_start_m(w, NULL, bh, gate);
            }
            const stat mt = gate != SWAX_EXPONENTIAL ? 0
                          : w->sum_gates ? a.lf[t] + before : fmax(a.lf[t] + before, a.li[t]);
            cell_update(w, C, n, keeps(a.lf[t], before, mt), exp(a.li[t] - mt), k + row*K, v + row*V, K, V);
            before = m[row] = mt;
            qn[row] = query_scale(w, K) * dot(q + row*K, n, K);
            const stat N = cell_normaliser(w, qn[row], mt, gate, eps);
            memset(p, 0, (size_t)V * sizeof *p);
            for (int r = 0; r < K; r++) {
                const real qr = real_by(as, q[row*K + r]);
                for (int c = 0; c < V; c++)
                    p[c] += qr * real_by(as, C[(long)r*V + c]);
            }
            for (int c = 0; c < V; c++)
                h[row*V + c] = w->no_last && t == T - 1 ? 0 : query_scale(w, K) * p[c] / N;
        }
        m1[bh] = before;
        cell_head_free(&a);
    }
    free(p);
}

/* g_t, the gradient of qn_t */
static stat cell_gamma(const struct cell_twist *w, stat dhh, stat qn, stat m, stat N, int gate)
{
    const int floors = !w->gamma_always && !(fabs(qn) > (w->floor_one ? 1 : exp(-m)));
    if (w->no_gamma || w->no_normaliser || !has_normaliser(gate) || floors)
        return 0;
    return (qn > 0 || w->gamma_sign ? -dhh : dhh) / (w->bare_gamma ? 1 : N);
}

/* All states, all decays, the gradient of the state. */
struct cell_back { stat *C, *n, *phi, *gC, *gn; };

static void cell_rerun(const struct cell_twist *w, const struct cell_head *a, struct cell_back *s, const real *k,
                       const real *v, const stat *m, const stat *C0, const stat *n0, stat m0, long bh, int K, int V)
{
    const size_t KV = (size_t)K * (size_t)V;
    stat before = m0;
    cell_start(w, s->C, s->n, C0, n0, bh, K, V);
    for (int t = 0; t < a->T; t++) {
        const long row = cell_row(a, t);
        before = a->fresh[t] ? cell_start_m(w, NULL, bh, a->gate) : before;
        s->phi[t] = a->fresh[t] ? 0 : keeps(a->lf[t], before, m[row]);
        memcpy(s->C + (size_t)(t+1)*KV, s->C + (size_t)t*KV, KV * sizeof(stat));
        memcpy(s->n + (t+1)*K, s->n + t*K, (size_t)K * sizeof(stat));
        cell_update(w, s->C + (size_t)(t+1)*KV, s->n + (t+1)*K, s->phi[t], exp(a->li[t] - m[row]), k + row*K, v + row*V,
                    K, V);
        before = m[row];
    }
}

/* The gradient of the state that goes out. */
static void cell_start_back(const struct cell_twist *w, struct cell_back *s, const stat *dC1, const stat *dn1, long bh,
                            int K, int V)
{
    const size_t KV = (size_t)K * (size_t)V;
    memset(s->gC, 0, KV * sizeof(stat));
    memset(s->gn, 0, (size_t)K * sizeof(stat));
    if (dC1 && !w->no_final) {
        memcpy(s->gC, dC1 + (size_t)bh*KV, KV * sizeof(stat));
        memcpy(s->gn, dn1 + bh*K, (size_t)K * sizeof(stat));
    }
}

/* One token in the backward: its rows, the state before it and after, and what weighs them. */
struct cell_token {
    const real *q, *k, *v, *dh;
    const stat *C, *n, *C_before, *n_before;
    stat in, phi, N, g;    /* of its key; of the state before it; the normaliser, and the gradient of qn */
};

/* As a query: dq, and what it adds to the gradient of the state.  Answers q.dq. */
static stat cell_query_back(const struct cell_twist *w, const struct cell_token *x, struct cell_back *s, real *dq,
                            int K, int V)
{
    real (*const as)(real) = w->operand;
    const stat scale = query_scale(w, K);
    stat qdq = 0;
    for (int r = 0; r < K; r++) {
        const stat *C = x->C + (long)r*V, q = scale * real_by(as, x->q[r]);
        stat *gC = s->gC + (long)r*V, dqr = x->g * x->n[r];
        s->gn[r] += scale * x->g * x->q[r];
        for (int c = 0; c < V; c++)
            dqr += real_by(as, C[c]) * real_by(as, x->dh[c]) / x->N;
        for (int c = 0; c < V; c++)
            gC[c] += q * real_by(as, x->dh[c]) / x->N;
        dq[r] += (w->unscaled_dq ? 1 : scale) * dqr;
        qdq += scale * dqr * x->q[r];
    }
    return qdq;
}

/* As a key: dk and dv.  Answers the gradient of its gate's logarithm, k.dk. */
static stat cell_key_back(const struct cell_twist *w, const struct cell_token *x, const struct cell_back *s,
                          real *dk, real *dv, int K, int V)
{
    real (*const as)(real) = w->operand;
    const stat in = x->in * key_scale(w, K);
    stat kdk = 0, vdv = 0;
    for (int r = 0; r < K; r++) {
        const stat *gC = s->gC + (long)r*V, k = real_by(as, x->k[r]);
        stat dkr = s->gn[r];
        for (int c = 0; c < V; c++)
            dkr += real_by(as, gC[c]) * real_by(as, x->v[c]);
        for (int c = 0; c < V; c++)
            dv[c] += in * real_by(as, gC[c]) * k;
        for (int c = 0; c < V && w->v_dv; c++)
            vdv += x->v[c] * (in * real_by(as, gC[c]) * k);
        dk[r] += in * dkr;
        kdk += in * dkr * x->k[r];
    }
    return w->v_dv ? vdv : kdk;
}

/* What a state has to do with all that follows: <gC,C> + <gn,n>. */
static stat cell_through(const struct cell_back *s, const stat *C, const stat *n, int K, int V)
{
    stat through = 0;
    for (int r = 0; r < K; r++)
        through += dot(s->gC + (long)r*V, C + (long)r*V, V) + s->gn[r] * n[r];
    return through;
}

static void cell_gates_back(const struct cell_twist *w, const struct cell_head *a, stat *di, stat *df, const stat *i,
                            const stat *f, int t, stat dli, stat dlf)
{
    const long row = cell_row(a, t), earlier = w->previous && t ? cell_row(a, t - 1) : row;
    const stat *const in = w->swapped ? f : i, *const forget = w->swapped ? i : f;
    const int as_it_is = a->gate == SWAX_EXPONENTIAL || a->gate == SWAX_LOG || w->no_chain_in;
    (w->swapped ? df : di)[row] += as_it_is ? dli : dli * sigmoid(-in[row]);
    (w->swapped ? di : df)[earlier] += w->no_chain || a->gate == SWAX_LOG ? dlf : dlf * sigmoid(-forget[earlier]);
}

static void cell_twisted_back(const struct cell_twist *w, MLSTM_BACKWARD)
{
    (void)Cs, (void)ns, (void)L, (void)m1;
    const size_t KV = (size_t)K * (size_t)V, rows = (size_t)B * (size_t)T * (size_t)H;
    struct cell_back s = { op_take(1, (size_t)(T + 1) * KV * sizeof(stat)),
                           op_take(1, (size_t)(T + 1) * (size_t)K * sizeof(stat)), op_take(1, (size_t)T * sizeof(stat)),
                           op_take(1, KV * sizeof(stat)), op_take(1, (size_t)K * sizeof(stat)) };
    if (w->overwrites) {
        memset(dq, 0, rows * (size_t)K * sizeof(real));
        memset(dk, 0, rows * (size_t)K * sizeof(real));
        memset(dv, 0, rows * (size_t)V * sizeof(real));
        memset(di, 0, rows * sizeof(stat));
        memset(df, 0, rows * sizeof(stat));
    }
    for (long bh = 0; bh < (long)B*H; bh++) {
        struct cell_head a = cell_head(w, i, f, start, (int)(bh / H), (int)(bh % H), T, H, gate);
        const int last = start && start[(bh / H)*T + T - 1] > 0 ? start[(bh / H)*T + T - 1] : 0;   /* its first token */
        cell_rerun(w, &a, &s, k, v, m, C0, n0, cell_start_m(w, m0, bh, gate), bh, K, V);
        cell_start_back(w, &s, dC1, dn1, bh, K, V);
        const stat lost = w->no_anchor && dC1 ? dot(s.gC, C1 + (size_t)bh*KV, K*V) + dot(s.gn, n1 + bh*K, K) : 0;
        stat behind = 0;
        for (int t = T - 1; t >= 0; t--) {
            const long row = cell_row(&a, t);
            struct cell_token x = {
                .q = q + row*K, .k = k + row*K, .v = v + row*V, .dh = dh + row*V, .C = s.C + (size_t)(t+1)*KV,
                .n = s.n + (t+1)*K, .C_before = s.C + (size_t)t*KV, .n_before = s.n + t*K, .in = exp(a.li[t] - m[row]),
                .phi = s.phi[t], .N = cell_normaliser(w, qn[row], m[row], gate, eps), .g = 0
            };
            x.g = cell_gamma(w, dot(x.dh, h + row*V, V), qn[row], m[row], x.N, gate);
            if (w->cut_gradient && (t + 1) % w->cut_gradient == 0 && t < T - 1)
                cell_start_back(w, &s, NULL, NULL, bh, K, V);
            if (w->chunk_sums && (t == T - 1 || (t + 1) % w->chunk_sums == 0))
                behind = cell_through(&s, x.C, x.n, K, V);
            const stat qdq = w->no_last && t == T - 1 ? 0 : cell_query_back(w, &x, &s, dq + row*K, K, V);
            const stat dli = cell_key_back(w, &x, &s, dk + row*K, dv + row*V, K, V);
            /* dlf_t = phi <gC_t,C_{t-1}> = dlf_{t+1} + q.dq - k.dk: each token's own share is in both, and cancels */
            behind = a.fresh[t] ? 0 : behind + qdq - dli;
            const stat dlf = (w->chunk_sums ? behind : x.phi * cell_through(&s, x.C_before, x.n_before, K, V)) -
                (t >= last ? lost : 0);
            cell_gates_back(w, &a, di, df, i, f, t, dli, a.fresh[t] ? 0 : dlf);
            for (size_t e = 0; e < KV; e++)
                s.gC[e] *= x.phi;
            for (int r = 0; r < K; r++)
                s.gn[r] *= x.phi;
        }
        for (size_t e = 0; e < KV && dC0 && !w->no_initial; e++)
            dC0[(size_t)bh*KV + e] += s.gC[e];
        for (int r = 0; r < K && dn0 && !w->no_initial; r++)
            dn0[bh*K + r] += s.gn[r];
        cell_head_free(&a);
    }
    free(s.C), free(s.n), free(s.phi), free(s.gC), free(s.gn);
}

/* ---- the faults: FORWARD, BACKWARD or both with the same switches */

/* in float, as a kernel would: the digits are gone before the logarithm is taken */
static stat log_of_sigmoid(stat x) { return (stat)logf(1 / (1 + expf(-(float)x))); }
static stat bare(stat x) { return x; }
static stat log_of_one_plus(stat x) { return (stat)-logf(1 + expf(-(float)x)); }

#define MLSTM_F(name, ...)                                                                                            \
    static void mlstm_##name##_forward(MLSTM_FORWARD)                                                                 \
    {                                                                                                                 \
        static const struct cell_twist w = { __VA_ARGS__ };                                                           \
        cell_twisted(&w, h, C1, n1, m1, m, qn, Cs, ns, q, k, v, i, f, C0, n0, m0, start, B, T, H, K, V, L, gate, eps); \
    }
#define MLSTM_B(name, ...)                                                                                            \
    static void mlstm_##name##_backward(MLSTM_BACKWARD)                                                               \
    {                                                                                                                 \
        static const struct cell_twist w = { __VA_ARGS__ };                                                           \
        cell_twisted_back(&w, dq, dk, dv, di, df, dC0, dn0, dh, dC1, dn1, q, k, v, i, f, C0, n0, m0, start,           \
                          h, C1, n1, m1, m, qn, Cs, ns, B, T, H, K, V, L, gate, eps);                                 \
    }
#define MLSTM(name, ...) MLSTM_F(name, __VA_ARGS__) MLSTM_B(name, __VA_ARGS__)

MLSTM(plain, .cut = 0)
MLSTM(plain_sums_64, .chunk_sums = 64)
MLSTM(plain_sums_128, .chunk_sums = 128)
MLSTM(plain_all_sums, .chunk_sums = 1 << 30)
MLSTM(log_sigmoid, .log_sigmoid = log_of_sigmoid)
MLSTM(log_one_plus, .log_sigmoid = log_of_one_plus)
MLSTM(bare_gate, .log_sigmoid = bare)
MLSTM(bf16_gates, .gates = stat_to_bf16)
MLSTM(bf16_states, .states = stat_to_bf16)
MLSTM(tf32, .operand = to_tf32)
MLSTM(bf16_operands, .operand = to_bf16)
MLSTM(gates_swapped, .swapped = 1)
MLSTM(previous_gate, .previous = 1)
MLSTM(summed_gates, .summed = 1)
MLSTM(summed_gates_once, .summed = 2)
MLSTM(cut_64, .cut = 64)
MLSTM(cut_128, .cut = 128)
MLSTM(leaks, .leaks = 1)
MLSTM(soft_reset, .soft_reset = 1)
MLSTM(no_state_in, .no_C0 = 1, .no_m0 = 1)
MLSTM(no_m0, .no_m0 = 1)
MLSTM(m_from_nothing, .from_nothing = 1)
MLSTM(no_abs, .no_abs = 1)
MLSTM(floor_one, .floor_one = 1)
MLSTM(no_floor, .no_floor = 1)
MLSTM(no_normaliser, .no_normaliser = 1)
MLSTM(no_eps, .no_eps = 1)
MLSTM_F(eps_first, .eps_first = 1)
MLSTM(no_scale, .scales = 1)
MLSTM(scale_twice, .scales = 2)
MLSTM_F(scaled_keys, .scales = 3)
MLSTM_F(no_maximum, .sum_gates = 1)
MLSTM(layout, .layout = 1)
MLSTM(last_token, .no_last = 1)
MLSTM_B(no_gamma, .no_gamma = 1)
MLSTM_B(gamma_sign, .gamma_sign = 1)
MLSTM_B(no_anchor, .no_anchor = 1)
MLSTM_B(v_dv, .v_dv = 1)
MLSTM_B(published, .no_gamma = 1, .no_anchor = 1, .no_initial = 1)
MLSTM_B(no_final_gradient, .no_final = 1)
MLSTM_B(no_initial_gradient, .no_initial = 1)
MLSTM_B(cut_gradient_64, .cut_gradient = 64)
MLSTM_B(no_chain, .no_chain = 1)
MLSTM_B(no_chain_in, .no_chain_in = 1)
MLSTM_B(bare_gamma, .bare_gamma = 1)
MLSTM_B(gamma_always, .gamma_always = 1)
MLSTM_B(unscaled_dq, .unscaled_dq = 1)
MLSTM_B(overwrites, .overwrites = 1)
