/* attention_impl.h - windowed attention, written as plainly as it can be, with a switch for every way to get it
 * wrong.  All switches off it is an honest kernel, and is tested as one. */

#include "ref/oracle/faults/common_impl.h"

struct attention_twist {
    int wider;                        /* keys more than W */
    int everything;                   /* no window at all */
    int ahead;                        /* sees as many keys ahead as behind */
    int one_ahead;                    /* sees one key ahead */
    int top_left;                     /* key j stands at token j: the keys before the call count as tokens of it */
    int no_cache;                     /* the keys before the call are not seen */
    int leaks;                        /* documents are not kept apart */
    int early;                        /* a document sees the last key before it */
    int scales;                       /* 0: as it should be; 1: none; 2: twice */
    int modulo;                       /* query head h reads key head h % G */
    int swapped;                      /* a_tj = q_j.k_t */
    int layout;                       /* takes [B,T,H,D] for [B,H,T,D] */
    int no_max;                       /* exponentials of unshifted scores, which overflow in float */
    int no_last;                      /* the last query is not done */
    int base2;                        /* lse is a logarithm to base 2 */
    real (*operand)(real);            /* rounds what enters a product */
    real (*sum)(real);                /* rounds a running sum */
    int bare_lse;                     /* lse lacks the sink's share */
    int no_delta, delta_sign;         /* backward: without dy.y; with it added */
    int unscaled_dq, unscaled_dk;     /* without 1/sqrt(D); -1: with it twice */
    int last_head, half_value;        /* dk, dv of one head of the group only; dy.v over half of the head */
    int no_sink, scaled_sink;         /* the sink is left out; is halved, as if it were a score that is scaled */
    int no_dsink, dsink_sign, bare_dsink;    /* backward: dsink is not added to; has the wrong sign; lacks its share */
    int overwrites;
};

struct attention_shape { int B, T, S, H, G, D, W; };

static long attention_row(const struct attention_twist *w, int b, int t, int h, int T, int H)
{
    return w->layout ? ((long)b*H + h)*T + t : ((long)b*T + t)*H + h;
}

static int key_head(const struct attention_twist *w, int h, int H, int G) { return w->modulo ? h % G : h * G / H; }

static int sees(const struct attention_twist *w, const struct attention_shape *n, const int *start, int b, int t, int j)
{
    const int at = w->top_left ? j : j - (n->S - n->T), back = t - at,
              first = start && !w->leaks ? start[b*n->T + t] - w->early : -n->S;
    const int window = n->W > n->S ? n->S + 1 : n->W + w->wider > 0 ? n->W + w->wider : 1;
    if (at < first || (w->no_cache && at < 0))
        return 0;
    if (w->everything)
        return back >= 0 || w->ahead;
    return (back >= -w->one_ahead || w->ahead) && back < window && -back < window;
}

static real attention_scale(const struct attention_twist *w, int D)
{
    return w->scales == 1 ? 1 : w->scales == 2 ? 1 / (real)D : 1 / sqrt((real)D);
}

static real score(const struct attention_twist *w, const struct attention_shape *n, const real *q, const real *k,
                  int b, int t, int h, int j)
{
    real (*const as)(real) = w->operand, (*const sum)(real) = w->sum;
    const int g = key_head(w, h, n->H, n->G), other = w->swapped && n->T == n->S && n->G == n->H;
    const real *qt = q + attention_row(w, b, other ? j : t, h, n->T, n->H) * n->D;
    const real *kj = k + attention_row(w, b, other ? t : j, g, n->S, n->G) * n->D;
    real a = 0;
    for (int d = 0; d < n->D; d++)
        a = real_by(sum, a + real_by(as, qt[d]) * real_by(as, kj[d]));
    return attention_scale(w, n->D) * a;
}

/* y += a x */
static void add_row(const struct attention_twist *w, real *y, real a, const real *x, int D)
{
    real (*const as)(real) = w->operand, (*const sum)(real) = w->sum;
    for (int d = 0; d < D; d++)
        y[d] = real_by(sum, y[d] + a * real_by(as, x[d]));
}

/* The sink's score, or that of none. */
static stat sink_of(const struct attention_twist *w, const stat *sink, int h)
{
    return !sink || w->no_sink ? -(stat)INFINITY : w->scaled_sink ? sink[h] / 2 : sink[h];
}

/* scores: room for S of them */
static void attention_query(const struct attention_twist *w, const struct attention_shape *n, real *y, stat *lse,
                            real *scores, const real *q, const real *k, const real *v, stat sink, const int *start,
                            int b, int t, int h)
{
    const long row = attention_row(w, b, t, h, n->T, n->H);
    const int g = key_head(w, h, n->H, n->G), D = n->D;
    real max = sink, z = 0;
    for (int j = 0; j < n->S; j++) {
        scores[j] = sees(w, n, start, b, t, j) ? score(w, n, q, k, b, t, h, j) : 0;
        if (sees(w, n, start, b, t, j))
            max = fmax(max, scores[j]);
    }
    max = w->no_max ? 0 : max;
    z = exp(sink - max);
    for (int d = 0; d < D; d++)
        y[row*D + d] = 0;
    for (int j = 0; j < n->S; j++) {
        if (!sees(w, n, start, b, t, j))
            continue;
        const real e = exp(scores[j] - max), p = w->no_max ? (real)(float)e : e;
        z = real_by(w->sum, z + p);
        add_row(w, y + row*D, real_by(w->operand, p), v + attention_row(w, b, j, g, n->S, n->G) * D, D);
    }
    for (int d = 0; d < D; d++)
        y[row*D + d] = z > 0 ? y[row*D + d] / z : 0;
    lse[row] = (max + log(w->bare_lse ? z - exp(sink - max) : z)) / (w->base2 ? log((stat)2) : 1);
}

static void attention_twisted(const struct attention_twist *w, ATTENTION_FORWARD)
{
    const struct attention_shape n = { B, T, S, H, G, D, W };
    real *scores = op_take((size_t)S, sizeof *scores);
    for (int e = 0; e < B*T*H; e++) {
        const int b = e / (T*H), t = e / H % T, h = e % H;
        const long row = attention_row(w, b, t, h, T, H);
        attention_query(w, &n, y, lse, scores, q, k, v, sink_of(w, sink, h), start, b, t, h);
        for (int d = 0; d < D && w->no_last && t == T - 1; d++)
            y[row*D + d] = 0;
    }
    free(scores);
}

/* What takes 1/sqrt(D) away, or brings it once more. */
static real unscaled(int how, int D) { return how ? pow((real)D, (real)how / 2) : 1; }

/* What query t of head h adds to the gradients. */
static void attention_query_back(const struct attention_twist *w, const struct attention_shape *n, real *dq, real *dk,
                                 real *dv, const real *dy, const real *q, const real *k, const real *v,
                                 const int *start, const real *y, const stat *lse, int b, int t, int h)
{
    real (*const as)(real) = w->operand, (*const sum)(real) = w->sum;
    const long row = attention_row(w, b, t, h, n->T, n->H);
    const int g = key_head(w, h, n->H, n->G), D = n->D, counts = !w->last_head || (h + 1) * n->G % n->H == 0;
    const int other = w->swapped && n->T == n->S && n->G == n->H;
    const real scale = attention_scale(w, D), dyy = dot(dy + row*D, y + row*D, D),
               delta = w->no_delta ? 0 : w->delta_sign ? -dyy : dyy;
    for (int j = 0; j < n->S; j++) {
        if (!sees(w, n, start, b, t, j))
            continue;
        const long key = attention_row(w, b, j, g, n->S, n->G);
        const long by_q = (other ? attention_row(w, b, j, h, n->T, n->H) : row) * D;
        const long by_k = (other ? attention_row(w, b, t, g, n->S, n->G) : key) * D;
        const real p = exp(score(w, n, q, k, b, t, h, j) - lse[row]);
        real dp = 0;
        for (int d = 0; d < (w->half_value ? (D + 1) / 2 : D); d++)
            dp = real_by(sum, dp + real_by(as, dy[row*D + d]) * real_by(as, v[key*D + d]));
        const real da = real_by(as, p * (dp - delta)) * scale;
        add_row(w, dq + by_q, da * unscaled(w->unscaled_dq, D), k + by_k, D);
        if (!counts)
            continue;
        add_row(w, dv + key*D, real_by(as, p), dy + row*D, D);
        add_row(w, dk + by_k, da * unscaled(w->unscaled_dk, D), q + by_q, D);
    }
}

static void attention_twisted_back(const struct attention_twist *w, ATTENTION_BACKWARD)
{
    const struct attention_shape n = { B, T, S, H, G, D, W };
    const size_t keys = (size_t)B * (size_t)S * (size_t)G * (size_t)D;
    const size_t queries = (size_t)B * (size_t)T * (size_t)H * (size_t)D;
    if (w->overwrites) {
        memset(dq, 0, queries * sizeof(real));
        memset(dk, 0, keys * sizeof(real));
        memset(dv, 0, keys * sizeof(real));
    }
    for (int e = 0; e < B*T*H && sink && !w->no_dsink; e++)
        dsink[e % H] -= (w->dsink_sign ? -1 : 1) * (w->bare_dsink ? 1 : exp(sink_of(w, sink, e % H) - lse[e]))
                      * dot(dy + (long)e*D, y + (long)e*D, D);
    for (int e = 0; e < B*T*H; e++)
        if (!(w->no_last && e / H % T == T - 1))
            attention_query_back(w, &n, dq, dk, dv, dy, q, k, v, start, y, lse, e / (T*H), e / H % T, e % H);
}

/* ---- the faults: FORWARD, BACKWARD or both with the same switches */

#define ATTENTION_F(name, ...)                                                                                        \
    static void attention_##name##_forward(ATTENTION_FORWARD)                                                         \
    {                                                                                                                 \
        static const struct attention_twist w = { __VA_ARGS__ };                                                      \
        attention_twisted(&w, y, lse, q, k, v, sink, start, B, T, S, H, G, D, W); \
    }
#define ATTENTION_B(name, ...)                                                                                        \
    static void attention_##name##_backward(ATTENTION_BACKWARD)                                                       \
    {                                                                                                                 \
        static const struct attention_twist w = { __VA_ARGS__ };                                                      \
        attention_twisted_back(&w, dq, dk, dv, dsink, dy, q, k, v, sink, start, y, lse, B, T, S, H, G, D, W); \
    }
#define ATTENTION(name, ...) ATTENTION_F(name, __VA_ARGS__) ATTENTION_B(name, __VA_ARGS__)

ATTENTION(plain, .wider = 0)
ATTENTION(wide, .wider = 1)
ATTENTION(narrow, .wider = -1)
ATTENTION_F(wide_forward, .wider = 1)
ATTENTION_B(wide_backward, .wider = 1)
ATTENTION_F(narrow_forward, .wider = -1)
ATTENTION_B(narrow_backward, .wider = -1)
ATTENTION(full, .everything = 1)
ATTENTION_F(window_backward_only, .everything = 1)
ATTENTION_B(window_forward_only, .everything = 1)
ATTENTION(two_sided, .ahead = 1)
ATTENTION(one_ahead, .one_ahead = 1)
ATTENTION(not_causal, .ahead = 1, .everything = 1)
ATTENTION(top_left, .top_left = 1)
ATTENTION(no_cache, .no_cache = 1)
ATTENTION(leaks, .leaks = 1)
ATTENTION_F(leaks_forward, .leaks = 1)
ATTENTION_B(leaks_backward, .leaks = 1)
ATTENTION(early, .early = 1)
ATTENTION(no_scale, .scales = 1)
ATTENTION(scale_twice, .scales = 2)
ATTENTION(heads_modulo, .modulo = 1)
ATTENTION(q_k_swapped, .swapped = 1)
ATTENTION(layout, .layout = 1)
ATTENTION_F(no_max, .no_max = 1)
ATTENTION_F(lse_base_2, .base2 = 1)
ATTENTION(last_query, .no_last = 1)
ATTENTION(tf32, .operand = to_tf32)
ATTENTION(bf16_operands, .operand = to_bf16)
ATTENTION(bf16_sums, .sum = to_bf16)
ATTENTION_B(no_delta, .no_delta = 1)
ATTENTION_F(bare_lse, .bare_lse = 1)
ATTENTION_B(unscaled_dq, .unscaled_dq = 1)
ATTENTION_B(unscaled_dk, .unscaled_dk = 1)
ATTENTION_B(twice_scaled_dq, .unscaled_dq = -1)
ATTENTION_B(twice_scaled_dk, .unscaled_dk = -1)
ATTENTION_B(delta_sign, .delta_sign = 1)
ATTENTION_B(group_not_summed, .last_head = 1)
ATTENTION_B(half_value, .half_value = 1)
ATTENTION_B(overwrites, .overwrites = 1)
ATTENTION(no_sink, .no_sink = 1)
ATTENTION(scaled_sink, .scaled_sink = 1)
ATTENTION_B(no_dsink, .no_dsink = 1)
ATTENTION_B(dsink_sign, .dsink_sign = 1)
ATTENTION_B(bare_dsink, .bare_dsink = 1)
