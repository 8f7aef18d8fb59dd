/* delta_token_impl.h - the delta rule, token by token, as plainly as it can be, with a switch for every way to get it
 * wrong.  All switches off it is an honest kernel, and is tested as one.
 *
 * The backward runs the forward again, with the same switches, and is the true derivative of whatever that is: what
 * autograd gives.  Switches of its own are those that a hand-written backward gets wrong. */
#ifndef SWAX_DELTA_TOKEN_IMPL_H
#define SWAX_DELTA_TOKEN_IMPL_H

#include "ref/oracle/faults/common_impl.h"

struct delta_twist {
    int no_erase, erases;             /* linear attention for the delta rule; the reverse */
    int undecayed;                    /* the residual is asked of S_{t-1} */
    int decay_last;                   /* S = diag(exp g) (S_{t-1} + k u^T) */
    int output_first;                 /* y is read from S' */
    int beta_on_v;                    /* u = beta v - S'^T k */
    int beta;                         /* 1: squared; 2: through a sigmoid again; 3: at most 1 */
    stat (*beta_kept)(stat);          /* rounds beta */
    int gate;                         /* exp(g), 1: 2^g; 2: g itself; 3: exp(max(g,-1)) */
    stat (*gate_kept)(stat);          /* rounds g */
    stat (*keep_kept)(stat);          /* rounds exp(g) */
    int chunk_sums;             /* decays are differences of the gates' sums, as chunk forms have them, begun anew every
                                       * so many tokens, and behind gates that are shut: honest */
    int float_sums;                   /* the same in float, and not anew behind those */
    int late;                         /* the gate of the token before; 1: the first has none; 2: its own */
    int on_values;                    /* vector gates fade the state's columns */
    int averaged;                     /* vector gates are one, their mean */
    int scales;                       /* 1: none; 2: twice; 3: 1/sqrt(V) in the place of a scale for keys */
    int no_S0, S0_turned, S0_fresh;   /* not read; read as [V][K]; not decayed by the first gate */
    int S1_turned, S1_early, S1_zero;
    int modulo;                       /* value head h reads key head h % G */
    int leaks, restarts_late, damps;  /* documents: not kept apart; apart one token late; S times 1e-2 */
    int cut;                          /* the state is lost every so many tokens */
    stat (*state_kept)(stat), (*read_kept)(stat), (*r_kept)(stat), (*u_kept)(stat);   /* round S, S'^T k, r, u */
    int key_residual;                 /* r = k - S'^T k */
    int no_last;                      /* the last token is not done */
    /* ---- of the backward alone */
    int no_dS1, no_dS0;
    int dq;                           /* 1: from S'; 2: from S_{t-1} */
    int dv_bare;                      /* without beta */
    int dbeta;                        /* 1: du.v; 2: du.u */
    int dk;                           /* 1: without the read part; 2: with it added; 3: its state undecayed; 4: without
                                       * the written part */
    int kept, kept_bare;              /* D' = D; D' = D - k du^T, without beta */
    int dg;                           /* 1: from D; 2: from S_{t-1}; 3: from S_t; 4: q.dq - k.dk summed;
                                       * 5: one token late; 6: a sum without anchor; 7: the right sum, in float,
                                       * a token's own share kept */
    int crosses;                      /* the gradient goes on across documents */
    int D_undecayed, dS0_undecayed;   /* always; at the first token of all */
    int cut_gradient;
    int last_head;                    /* dq, dk of one head of a group only */
    int overwrites;
};

/* One head of one sequence, and a token of it: what the kernel takes its gate and its strength for. */
struct delta_one {
    const struct delta_twist *w;
    const real *q, *k, *v;
    const stat *g, *beta, *S0;
    const int *start;
    int b, h, T, H, G, K, V, J, erase;
    stat scale;
};

static long value_row(const struct delta_one *a, int t) { return ((long)a->b*a->T + t)*a->H + a->h; }
static long key_row(const struct delta_one *a, int t)
{
    return ((long)a->b*a->T + t)*a->G + (a->w->modulo ? a->h % a->G : (long)a->h*a->G/a->H);
}
static int fresh_at(const struct delta_one *a, int t)
{
    const int at = a->w->restarts_late ? t - 1 : t;
    return (a->start && at >= 0 && a->start[(long)a->b*a->T + at] == at && !a->w->leaks) ||
        (a->w->cut && t && t % a->w->cut == 0);
}

static stat strength(const struct delta_one *a, int t)
{
    const stat x = a->beta[value_row(a, t)], b = a->w->beta_kept ? a->w->beta_kept(x) : x;
    return a->w->beta == 1 ? b * b : a->w->beta == 2 ? sigmoid(b) : a->w->beta == 3 && b > 1 ? 1 : b;
}
static stat strength_slope(const struct delta_one *a, int t)
{
    const stat b = a->beta[value_row(a, t)];
    return a->w->beta == 1 ? 2 * b : a->w->beta == 2 ? sigmoid(b) * sigmoid(-b) : a->w->beta == 3 && b > 1 ? 0 : 1;
}

/* Which gate fades element (i,c) at token t, -1 for none; the log gate; its factor; the factor's slope. */
static long gate_at(const struct delta_one *a, int t, int i, int c)
{
    const int at = a->w->late && (t || a->w->late == 1) ? t - 1 : t;
    return at < 0 ? -1 : value_row(a, at)*a->J + (a->J == 1 ? 0 : a->w->on_values ? c % a->J : i);
}
static stat gate_value(const struct delta_one *a, long at)
{
    stat x = a->g[at];
    if (a->w->averaged && a->J > 1) {
        x = 0;
        for (int j = 0; j < a->J; j++)
            x += a->g[at / a->J * a->J + j] / (stat)a->J;
    }
    x = a->w->gate_kept ? a->w->gate_kept(x) : x;
    return a->w->gate == 3 && x < -1 ? -1 : x;
}
static stat keep_of(const struct delta_one *a, int t, int i, int c)
{
    const long at = gate_at(a, t, i, c);
    if (at < 0)
        return 1;
    const stat x = gate_value(a, at),
               e = a->w->gate == 1 ? exp(x * (stat)0.693147180559945309) : a->w->gate == 2 ? x : exp(x);
    return a->w->keep_kept ? a->w->keep_kept(e) : e;
}
static stat keep_slope(const struct delta_one *a, int t, int i, int c)
{
    const long at = gate_at(a, t, i, c);
    if (at < 0)
        return 0;
    const stat x = gate_value(a, at);
    const stat ln2 = (stat)0.693147180559945309;
    return a->w->gate == 1 ? exp(x * ln2) * ln2 : a->w->gate == 2 ? 1 : a->w->gate == 3 && a->g[at] < -1 ? 0 : exp(x);
}

static stat delta_scale(const struct delta_one *a)
{
    return a->w->scales == 1 ? 1
         : a->w->scales == 2 ? a->scale * a->scale
         : a->w->scales == 3 ? a->scale * sqrt((stat)a->K / (stat)a->V) : a->scale;
}

/* The states of one column c: before[t*K+i] is S_{t-1}, faded S', after S_t; known is S'^T k, r and u by token; keep
 * and slope the gates' factors, which are those of every column unless they are on the values. */
struct delta_column { stat *before, *faded, *after, *known, *r, *u, *keep, *slope, *reads, *through; };

static struct delta_column delta_column(const struct delta_one *a)
{
    const size_t n = (size_t)a->T * (size_t)a->K, t = (size_t)a->T, k = (size_t)a->K;
    struct delta_column x;
    stat *at = op_take(5*n + 3*t + 2*k, sizeof *at);
    x.before = at, x.faded = at + n, x.after = at + 2*n, x.keep = at + 3*n, x.slope = at + 4*n;
    x.known = at + 5*n, x.r = x.known + t, x.u = x.r + t, x.reads = x.u + t, x.through = x.reads + k;
    return x;
}
static void delta_column_free(struct delta_column *x) { free(x->before); }

static void delta_column_gates(const struct delta_one *a, struct delta_column *x, int c)
{
    const int alike = a->J == 1 || a->w->on_values;
    for (long t = 0; t < a->T && (c == 0 || a->w->on_values); t++)
        for (long i = 0; i < a->K; i++) {
            x->keep[t*a->K + i] = alike && i ? x->keep[t*a->K] : keep_of(a, (int)t, (int)i, c);
            x->slope[t*a->K + i] = alike && i ? x->slope[t*a->K] : keep_slope(a, (int)t, (int)i, c);
        }
}

/* The same from sums, of which a gate is the difference of two.  Below 256, where half-open gates stay over a chunk of
 * 128 tokens, a sum is off by a few 2^-17. */
static const double MOST_SUM = 256;
enum { MOST_SUMMED = 128 };

/* x[0] + .. + x[i], as a warp has them: neighbours' sums are rounded apart, so that a gate is off by what either is */
static void scan(stat *x, int n)
{
    for (int step = 1; step < n; step *= 2)
        for (int i = n - 1; i >= step; i--)
            x[i] += x[i - step];
}

static void delta_column_sums(const struct delta_one *a, struct delta_column *x)
{
    for (int i = 0; i < a->K; i++)
        for (int from = 0, to; from < a->T; from = to) {
            stat kept[MOST_SUMMED];
            double sum = 0;
            for (to = from;
                 to == from || (to < a->T && to % a->w->chunk_sums && (a->w->float_sums || fabs(sum) < MOST_SUM));
                 to++) {
                const stat g = gate_value(a, gate_at(a, to, i, 0));
                sum += (double)g;
                kept[to - from] = a->w->float_sums ? (stat)(float)sum : g;
            }
            if (!a->w->float_sums)
                scan(kept, to - from);
            for (int t = from; t < to; t++)
                x->keep[(long)t*a->K + i] = x->slope[(long)t*a->K + i] =
                    exp(kept[t - from] - (t > from ? kept[t - from - 1] : 0));
        }
}

static void delta_token_on(const struct delta_one *a, struct delta_column *x, int t, int c)
{
    const struct delta_twist *w = a->w;
    const real *k = a->k + key_row(a, t)*a->K, *v = a->v + value_row(a, t)*a->V;
    const stat b = strength(a, t);
    const int fresh = fresh_at(a, t), asks = a->erase && !w->no_erase;
    stat *Sb = x->before + (long)t*a->K, *Sf = x->faded + (long)t*a->K, *S = x->after + (long)t*a->K, known = 0;
    const stat *keep = x->keep + (long)t*a->K, *asked = w->undecayed || w->decay_last ? Sb : Sf;
    if (t)
        memcpy(Sb, S - a->K, (size_t)a->K * sizeof *Sb);
    for (int i = 0; i < a->K && !t; i++)
        Sb[i] = a->S0 && !w->no_S0
              ? a->S0[((long)a->b*a->H + a->h)*a->K*a->V + (w->S0_turned ? (long)c*a->K + i : (long)i*a->V + c)] : 0;
    for (int i = 0; i < a->K && fresh; i++)
        Sb[i] = w->damps ? Sb[i] * (stat)1e-2 : 0;
    for (int i = 0; i < a->K; i++)
        Sf[i] = w->S0_fresh && !t ? Sb[i] : keep[i] * Sb[i];
    for (int i = 0; i < a->K && asks; i++)
        known += asked[i] * k[i];
    known = rounded_by(w->read_kept, known);
    x->known[t] = known;
    const stat from = w->key_residual ? k[c % a->K] : v[c];
    x->r[t] = rounded_by(w->r_kept, from - known);
    const stat u = x->u[t] = rounded_by(w->u_kept, w->beta_on_v ? b * from - known : b * x->r[t]);
    for (int i = 0; i < a->K; i++)
        S[i] = w->decay_last ? keep[i] * (Sb[i] + k[i] * u) : Sf[i] + k[i] * u;
    for (int i = 0; i < a->K && w->state_kept; i++)
        S[i] = w->state_kept(S[i]);
}

static void delta_twisted(const struct delta_twist *w, DELTA_FORWARD)
{
    const long KV = (long)K*V, chunks = (T - 1) / L + 1;
    for (long bh = 0; bh < (long)B*H; bh++) {
        const struct delta_one a = {
            .w = w, .q = q, .k = k, .v = v, .g = g, .beta = beta, .S0 = S0, .start = start, .b = (int)(bh / H),
            .h = (int)(bh % H), .T = T, .H = H, .G = G, .K = K, .V = V, .J = J, .erase = erase || w->erases,
            .scale = (stat)scale
        };
        struct delta_column x = delta_column(&a);
        for (int c = 0; c < V; c++) {
            delta_column_gates(&a, &x, c);
            if (w->chunk_sums && c == 0)
                delta_column_sums(&a, &x);
            for (int t = 0; t < T; t++) {
                delta_token_on(&a, &x, t, c);
                const real *qt = q + key_row(&a, t)*K;
                const stat *O = (w->output_first ? x.faded : x.after) + (long)t*K;
                stat sum = 0;
                for (int i = 0; i < K; i++)
                    sum += O[i] * qt[i];
                for (int i = 0; i < K && Ss && t && t % L == 0; i++)
                    Ss[(bh*chunks + t/L)*KV + (long)i*V + c] = x.after[(t - 1)*(long)K + i];
                if (Ss && !t)    /* what came in, whatever becomes of it */
                    for (int i = 0; i < K; i++)
                        Ss[bh*chunks*KV + (long)i*V + c] = S0 ? S0[bh*KV + (long)i*V + c] : 0;
                y[value_row(&a, t)*V + c] = w->no_last && t == T - 1 ? 0 : delta_scale(&a) * sum;
                r[value_row(&a, t)*V + c] = x.r[t];
            }
            for (int i = 0; i < K; i++) {
                const stat *last = w->S1_early ? x.before : x.after;
                S1[bh*KV + (w->S1_turned ? (long)c*K + i : (long)i*V + c)] = w->S1_zero ? 0 : last[(T - 1)*(long)K + i];
            }
        }
        delta_column_free(&x);
    }
}

/* A token's gate from the gradient of its factor, channel by channel, times its slope. */
static void delta_gate_back(const struct delta_one *a, stat *dg, const stat *through, int t, int c)
{
    const long at = gate_at(a, t, 0, c), J = a->J;
    for (int i = 0; i < a->K; i++)
        if (!a->w->averaged)
            dg[J == 1 || a->w->on_values ? at : at + i] += through[i];
        else
            for (int j = 0; j < J; j++)
                dg[at + j] += through[i] / (stat)J;
}

/* What token t of column c adds, and D from behind it to before it; x->reads becomes dk's read part. */
static void delta_token_back(const struct delta_one *a, struct delta_column *x, stat *D, real *dq, real *dk, real *dv,
                             stat *dg, stat *dbeta, const real *dy, int t, int c)
{
    const struct delta_twist *w = a->w;
    const int K = a->K, of_before = w->undecayed || w->decay_last,
              counts = !w->last_head || (a->h + 1)*a->G % a->H == 0;
    const int fresh = fresh_at(a, t), asks = a->erase && !w->no_erase, bare = w->S0_fresh && !t;    /* bare: no gate */
    const long key = key_row(a, t)*K, value = value_row(a, t);
    const real *q = a->q + key, *k = a->k + key;
    const stat *Sb = x->before + (long)t*K, *Sf = x->faded + (long)t*K, *S = x->after + (long)t*K,
               *keep = x->keep + (long)t*K, *slope = x->slope + (long)t*K, *asked = of_before || w->dk == 3 ? Sb : Sf,
               *read = w->dq == 1 || w->output_first ? Sf : w->dq == 2 ? Sb : S;
    const stat b = strength(a, t), u = x->u[t], from = w->key_residual ? k[c % K] : a->v[value*a->V + c],
               sdy = delta_scale(a) * (w->no_last && t == a->T - 1 ? 0 : dy[value*a->V + c]);
    stat du = 0;
    for (int i = 0; i < K && !w->output_first; i++)
        D[i] += sdy * q[i];
    for (int i = 0; i < K; i++)
        du += (w->decay_last ? keep[i] * D[i] : D[i]) * k[i];
    for (int i = 0; i < K && counts; i++)
        dq[key + i] += sdy * read[i];
    const stat ask = !asks ? 0 : w->beta_on_v ? du : b * du;
    const stat erase = w->kept ? 0 : !w->kept_bare ? ask : asks ? du : 0, by = w->dk == 1 ? 0 : w->dk == 2 ? -ask : ask;
    if (!w->key_residual)
        dv[value*a->V + c] += w->dv_bare ? du : b * du;
    else if (counts)
        dk[key + c % K] += b * du;
    dbeta[value] += strength_slope(a, t) * du * (w->dbeta == 1 || w->beta_on_v ? from : w->dbeta == 2 ? u : x->r[t]);
    for (int i = 0; i < K; i++)
        x->reads[i] = asked[i] * by;
    for (int i = 0; i < K && counts; i++)
        dk[key + i] += (w->dk == 4 ? 0 : w->decay_last && !bare ? keep[i] * D[i] : D[i]) * u - x->reads[i];
    for (int i = 0; i < K; i++) {
        const stat behind = D[i], erased = k[i] * erase;
        const stat Df = (of_before ? behind : behind - erased) + (w->output_first ? sdy * q[i] : 0);
        x->through[i] = w->dg == 3 ? Df * S[i] : w->dg == 2 ? Df * Sb[i]
                      : (w->dg == 1 ? behind : Df) * (w->decay_last ? Sb[i] + k[i] * u : Sb[i]) * slope[i];
        D[i] = (bare || w->D_undecayed || (w->dS0_undecayed && !t) ? Df : keep[i] * Df) - (of_before ? erased : 0);
    }
    if (gate_at(a, t, 0, c) >= 0 && (!fresh || w->damps) && w->dg < 4 && !bare)
        delta_gate_back(a, dg, x->through, t, c);
    for (int i = 0; i < K && ((fresh && !w->crosses) || (w->cut_gradient && t % w->cut_gradient == 0)); i++)
        D[i] = fresh && !w->crosses && w->damps ? D[i] * (stat)1e-2 : 0;
}

/* dg by sums of q.dq and k.dk over this head's own shares, with the ways to get that wrong. */
static void delta_gate_sums(const struct delta_one *a, stat *dg, const stat *qdq, const stat *kdk, const stat *anchor)
{
    const int kind = a->w->dg, J = a->J;
    for (int j = 0; j < J; j++) {
        float low = kind == 6 ? 0 : (float)anchor[j];
        stat sum = kind == 6 ? 0 : anchor[j], earlier = 0;
        for (int t = a->T - 1; t >= 0; t--) {
            const stat by = qdq[t*J + j] - kdk[t*J + j];
            low += (float)qdq[t*J + j] - (float)kdk[t*J + j];
            sum += by;
            const int fresh = fresh_at(a, t);
            dg[value_row(a, t)*J + j] += fresh ? 0 : kind == 5 ? earlier : kind == 7 ? (stat)low : sum;
            earlier = sum;
            if (fresh)
                sum = earlier = 0, low = 0;
        }
    }
}

static void delta_twisted_back(const struct delta_twist *w, DELTA_BACKWARD)
{
    const long KV = (long)K*V;
    (void)S, (void)D, (void)S1, (void)r, (void)Ss, (void)L;
    if (w->overwrites) {
        memset(dq, 0, (size_t)B * (size_t)T * (size_t)G * (size_t)K * sizeof *dq);
        memset(dk, 0, (size_t)B * (size_t)T * (size_t)G * (size_t)K * sizeof *dk);
        memset(dv, 0, (size_t)B * (size_t)T * (size_t)H * (size_t)V * sizeof *dv);
    }
    for (long bh = 0; bh < (long)B*H; bh++) {
        const struct delta_one a = {
            .w = w, .q = q, .k = k, .v = v, .g = g, .beta = beta, .S0 = S0, .start = start, .b = (int)(bh / H),
            .h = (int)(bh % H), .T = T, .H = H, .G = G, .K = K, .V = V, .J = J, .erase = erase || w->erases,
            .scale = (stat)scale
        };
        struct delta_column x = delta_column(&a);
        stat *Dc = op_take((size_t)K, sizeof *Dc), *qdq = op_take((size_t)(T*J), sizeof *qdq),
             *kdk = op_take((size_t)(T*J), sizeof *kdk), *anchor = op_take((size_t)J, sizeof *anchor);
        real *own[2] = { op_take((size_t)K, sizeof(real)), op_take((size_t)K, sizeof(real)) };
        for (int c = 0; c < V; c++) {
            delta_column_gates(&a, &x, c);
            if (w->chunk_sums && c == 0)
                delta_column_sums(&a, &x);
            for (int t = 0; t < T; t++)
                delta_token_on(&a, &x, t, c);
            for (int i = 0; i < K; i++) {
                Dc[i] = dS1 && !w->no_dS1 ? dS1[bh*KV + (long)i*V + c] : 0;
                anchor[J == 1 ? 0 : i] += Dc[i] * x.after[(T - 1)*(long)K + i];
            }
            for (int t = T - 1; t >= 0; t--) {
                const long at = key_row(&a, t)*K;
                if (w->dg >= 4)    /* by sums of its own shares, which are seen apart */
                    for (int i = 0; i < K; i++)
                        own[0][i] = dq[at + i], own[1][i] = dk[at + i], dq[at + i] = dk[at + i] = 0;
                delta_token_back(&a, &x, Dc, dq, dk, dv, dg, dbeta, dy, t, c);
                for (int i = 0; i < K && w->dg >= 4; i++) {
                    qdq[t*J + (J == 1 ? 0 : i)] += q[at + i] * dq[at + i];
                    kdk[t*J + (J == 1 ? 0 : i)] +=    /* write + read */
                        k[at + i] * (dk[at + i] + (w->dg > 4 ? 2 * x.reads[i] : 0));
                    dq[at + i] += own[0][i], dk[at + i] += own[1][i];
                }
            }
            for (int i = 0; i < K && dS0 && !w->no_dS0; i++)
                dS0[bh*KV + (long)i*V + c] += Dc[i];
        }
        if (w->dg >= 4)
            delta_gate_sums(&a, dg, qdq, kdk, anchor);
        free(Dc), free(qdq), free(kdk), free(anchor), free(own[0]), free(own[1]);
        delta_column_free(&x);
    }
}

#endif
