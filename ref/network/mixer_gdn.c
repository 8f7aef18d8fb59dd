/* mixer_gdn.c - Gated DeltaNet (Yang et al. 2024) as a mixer, with the layer around it as published.
 *
 *   q, k, v = conv(x Wq^T), conv(x Wk^T), conv(x Wv^T)                       short convolution with SiLU
 *   q, k    = q/|q|, k/|k|  in each head
 *   g       = -exp(A_log) softplus(x Wa^T + dt_bias),   beta = top sigmoid(x Wb^T)
 *   y       = (silu(x Wz^T) rmsnorm(delta(q, k, v, g, beta))) Wout^T         the norm in each head, one weight for all
 *
 * x/|x| = x / sqrt(sum x^2 + eps) is rmsnorm with the weight 1/sqrt(K) in every channel and eps/K.  That constant is made by a
 * kernel, as every number is: top sigmoid(0) = top/2.
 *
 * Training starts every sequence from the zero state; when decoding, the state and the convolution's last rows go in. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ref/network/mixer.h"

struct keys {
    int heads, key_heads, key_dim, value_dim;      /* dims are per head */
    int conv;                                      /* taps; 0: none */
    int top;                                       /* beta goes to 1 + top */
    double norm_eps, l2_eps;
};
struct places { size_t q, k, v, a, b, z, conv_q, conv_k, conv_v, A_log, dt_bias, norm, out; };
struct acts {
    real *q, *k, *v, *z;                           /* projections */
    real *qc, *kc, *vc;                            /* convolved; the projections themselves where there is no convolution */
    real *qn, *kn, *o, *on, *y;                    /* normalised; what delta gives; normalised; gated */
    stat *a, *b, *g, *beta, *zero, *unit, *qrstd, *krstd, *orstd, *S1, *r, *Ss, *S, *D;
};
struct state { stat *S[2]; int now; real *rows[3]; int used, room; };    /* [now] goes in; rows of q, k, v before the call */

/* ---- what it is */

static const char *const no_yes[] = { "no", "yes", NULL };

#define AT(field) offsetof(struct keys, field)
static const struct swax_key keys_of_gdn[] = {
    { .name = "gdn_heads", .kind = SWAX_KEY_SIZE, .at = AT(heads), .otherwise = "4", .what = "value heads of a Gated DeltaNet layer" },
    { .name = "gdn_key_heads", .kind = SWAX_KEY_SIZE, .at = AT(key_heads), .otherwise = "0", .zero = "gdn_heads",
      .what = "key heads, each read by a group of value heads" },
    { .name = "gdn_key_dim", .kind = SWAX_KEY_SIZE, .at = AT(key_dim), .otherwise = "0", .zero = "half of gdn_value_dim",
      .what = "size of a head's keys: rows of its state" },
    { .name = "gdn_value_dim", .kind = SWAX_KEY_SIZE, .at = AT(value_dim), .otherwise = "0", .zero = "width/gdn_heads",
      .what = "size of a head's values: columns of its state" },
    { .name = "gdn_conv", .kind = SWAX_KEY_SIZE, .at = AT(conv), .otherwise = "4", .zero = "no convolution, and no SiLU",
      .what = "taps of the short convolution; with 1, a weight for each channel and SiLU" },
    { .name = "gdn_negative", .kind = SWAX_KEY_WORD, .at = AT(top), .otherwise = "no", .words = no_yes,
      .what = "beta goes to 2, so that a state may also be reflected, not to 1" },
    { .name = "gdn_norm_eps", .kind = SWAX_KEY_NOT_NEGATIVE, .at = AT(norm_eps), .otherwise = "1e-5",
      .what = "added in the norm of a head's output" },
    { .name = "gdn_l2_eps", .kind = SWAX_KEY_NOT_NEGATIVE, .at = AT(l2_eps), .otherwise = "1e-6",
      .what = "added to the squares of a query or key" },
    { 0 }
};

static const char *check(const struct swax_config *c, void *keys, char *why)
{
    struct keys *o = keys;
    const char *wrong;
    if (!o->value_dim && c->width % o->heads)
        return swax_refuse(why, "gdn_heads", o->heads, "a divisor of width, or gdn_value_dim should be given");
    if (!o->value_dim)
        o->value_dim = c->width / o->heads;
    if (!o->key_dim)
        o->key_dim = o->value_dim > 1 ? o->value_dim / 2 : 1;
    if (!o->key_heads)
        o->key_heads = o->heads;
    if (o->heads % o->key_heads)
        return swax_refuse(why, "gdn_key_heads", o->key_heads, "a divisor of gdn_heads");
    const int H = o->heads, G = o->key_heads, K = o->key_dim, V = o->value_dim;
    if ((wrong = swax_too_large(why, "a row of values (gdn_heads x gdn_value_dim)", H, V)) ||
        (wrong = swax_too_large(why, "a row of keys (gdn_key_heads x gdn_key_dim)", G, K)) ||
        (wrong = swax_too_large(why, "the value projection (gdn_heads*gdn_value_dim x width)", H * V, c->width)) ||
        (wrong = swax_too_large(why, "the key projection (gdn_key_heads*gdn_key_dim x width)", G * K, c->width)) ||
        (wrong = swax_too_large(why, "the convolution (gdn_heads*gdn_value_dim x gdn_conv)", H * V, o->conv)) ||
        (wrong = swax_too_large(why, "the convolution (gdn_key_heads*gdn_key_dim x gdn_conv)", G * K, o->conv)) ||
        (wrong = swax_too_large(why, "a head's state (gdn_key_dim x gdn_value_dim)", K, V)) ||
        (wrong = swax_too_large(why, "the states (gdn_heads x gdn_key_dim*gdn_value_dim)", H, (long long)K * V)))
        return wrong;
    return NULL;
}

/* exp(A_log) uniform in 1 .. 16; softplus(dt_bias) log-uniform in 0.001 .. 0.1, by the inverse of softplus: so g begins between
 * -1.6 and -0.001.  Taps as PyTorch begins them, uniform within 1/sqrt(taps). */
static double init_A_log(const struct swax_config *c, long e, double u) { (void)c, (void)e; return log(1 + 15 * u); }
static double init_dt_bias(const struct swax_config *c, long e, double u)
{
    const double dt = exp(log(0.001) + u * log(100));
    (void)c, (void)e;
    return dt + log(-expm1(-dt));
}
static const struct keys *keys_of(const struct swax_config *c)
{
    for (int b = 0; b < c->layers; b++)
        if (swax_layer_mixer(c, b)->keys == keys_of_gdn)
            return swax_layer_keys(c, b);
    return NULL;
}
static double init_tap(const struct swax_config *c, long e, double u)
{
    (void)e;
    return (2 * u - 1) / sqrt(keys_of(c)->conv);
}

static size_t taps(struct swax_tensors *l, const char *name, long channels, int conv)
{
    struct swax_tensor t = { .shape = { channels, conv }, .init = init_tap, .decay = 1 };
    snprintf(t.name, sizeof t.name, "%s", name);
    return conv ? swax_tensor_add(l, &t) : 0;
}

static size_t gates(struct swax_tensors *l, const char *name, long heads, double (*init)(const struct swax_config *c, long e, double u))
{
    struct swax_tensor t = { .shape = { heads, 0 }, .init = init };
    snprintf(t.name, sizeof t.name, "%s", name);
    return swax_tensor_add(l, &t);
}

static void tensors(struct swax_tensors *l, void *places, const struct swax_config *c, const void *keys, int layer)
{
    const struct keys *o = keys;
    struct places *p = places;
    const long H = o->heads, GK = (long)o->key_heads * o->key_dim, HV = H * o->value_dim, C = c->width;
    (void)layer;
    p->q       = swax_matrix(l, "gdn_layer.q_proj.weight", GK, C, swax_init_in(c));
    p->k       = swax_matrix(l, "gdn_layer.k_proj.weight", GK, C, swax_init_in(c));
    p->v       = swax_matrix(l, "gdn_layer.v_proj.weight", HV, C, swax_init_in(c));
    p->a       = swax_matrix(l, "gdn_layer.a_proj.weight", H, C, swax_init_in(c));
    p->b       = swax_matrix(l, "gdn_layer.b_proj.weight", H, C, swax_init_in(c));
    p->z       = swax_matrix(l, "gdn_layer.g_proj.weight", HV, C, swax_init_in(c));
    p->conv_q  = taps(l, "gdn_layer.q_conv1d.weight", GK, o->conv);
    p->conv_k  = taps(l, "gdn_layer.k_conv1d.weight", GK, o->conv);
    p->conv_v  = taps(l, "gdn_layer.v_conv1d.weight", HV, o->conv);
    p->A_log   = gates(l, "gdn_layer.A_log", H, init_A_log);
    p->dt_bias = gates(l, "gdn_layer.dt_bias", H, init_dt_bias);
    p->norm    = swax_vector(l, "gdn_layer.o_norm.weight", o->value_dim, 1, 1);
    p->out     = swax_matrix(l, "gdn_layer.o_proj.weight", C, HV, swax_init_out(c));
}

/* The delta rule in chunks of L: the causal half of a chunk, and the state. */
static double flops(const struct swax_config *c, const void *keys, int T, int window, int training)
{
    const struct keys *o = keys;
    const double C = c->width, H = o->heads, G = o->key_heads, K = o->key_dim, V = o->value_dim, L = c->chunk < T ? c->chunk : T;
    (void)window;
    return (training ? 3 : 1) * 2 * (C * (2*G*K + 3*H*V + 2*H) + (2*G*K + H*V) * o->conv)
         + H * (6*K*V + 2*L * (K + V)) + (training ? H * (12*K*V + L * (6*K + 4*V)) : 0);
}

/* ---- forward and backward */

static void list_acts(struct R(list) *l, void *acts, const struct swax_config *c, const void *keys, int B, int T)
{
    const struct keys *o = keys;
    struct acts *a = acts;
    const size_t K = (size_t)o->key_dim, V = (size_t)o->value_dim, N = (size_t)B * (size_t)T, NG = N * (size_t)o->key_heads;
    const size_t BH = (size_t)B * (size_t)o->heads, NH = BH * (size_t)T, chunks = (size_t)((T - 1) / c->chunk + 1);
    a->q  = reals(l, "q", NG*K);
    a->k  = reals(l, "k", NG*K);
    a->v  = reals(l, "v", NH*V);
    a->z  = reals(l, "z", NH*V);
    a->qc = o->conv ? reals(l, "qc", NG*K) : a->q;
    a->kc = o->conv ? reals(l, "kc", NG*K) : a->k;
    a->vc = o->conv ? reals(l, "vc", NH*V) : a->v;
    a->qn = reals(l, "qn", NG*K);
    a->kn = reals(l, "kn", NG*K);
    a->o  = reals(l, "o", NH*V);
    a->on = reals(l, "on", NH*V);
    a->y  = reals(l, "y", NH*V);
    a->a  = stats(l, "a", NH);
    a->b  = stats(l, "b", NH);
    a->g  = stats(l, "g", NH);
    a->beta  = stats(l, "beta", NH);
    a->zero  = stats_forward(l, "zero", K);
    a->unit  = stats(l, "unit", K);
    a->qrstd = stats_forward(l, "qrstd", NG);
    a->krstd = stats_forward(l, "krstd", NG);
    a->orstd = stats_forward(l, "orstd", NH);
    a->S1 = stats_forward(l, "S1", BH*K*V);
    a->r  = stats_forward(l, "r", NH*V);
    a->Ss = stats_forward(l, "Ss", BH*chunks*K*V);
    a->S  = stats_forward(l, "S", BH*K*V);
    a->D  = stats_forward(l, "D", BH*K*V);
}

/* The convolution of one projection: x into y, S rows of which the last T are the call's. */
static void convolve(const struct R(run) *r, real *y, const real *x, size_t w, int S, int channels, int F)
{
    r->k->conv_forward(y, x, r->s + w, NULL, r->start_cell, r->B, r->T, S, channels, F);
}

static void forward(const struct R(run) *r, const void *keys, const void *places, void *acts, void *remembered, real *y, const real *x)
{
    const struct keys *o = keys;
    const struct places *p = places;
    struct acts *a = acts;
    struct state *s = remembered;
    const int in = s ? s->now : 0, out = !in, cached = s ? s->used : 0;
    const int B = r->B, T = r->T, N = B*T, H = o->heads, G = o->key_heads, K = o->key_dim, V = o->value_dim, C = r->c->width, F = o->conv;
    real *const rows[3] = { s && F ? s->rows[0] : a->q, s && F ? s->rows[1] : a->k, s && F ? s->rows[2] : a->v };

    r->k->linear_forward(rows[0] + (long)cached*G*K, x, r->w + p->q, NULL, N, G*K, C);
    r->k->linear_forward(rows[1] + (long)cached*G*K, x, r->w + p->k, NULL, N, G*K, C);
    r->k->linear_forward(rows[2] + (long)cached*H*V, x, r->w + p->v, NULL, N, H*V, C);
    r->k->linear_forward(a->z, x, r->w + p->z, NULL, N, H*V, C);
    r->k->readout_forward(a->a, x, r->w + p->a, NULL, N, H, C);
    r->k->readout_forward(a->b, x, r->w + p->b, NULL, N, H, C);
    if (F) {
        convolve(r, a->qc, rows[0], p->conv_q, cached + T, G*K, F);
        convolve(r, a->kc, rows[1], p->conv_k, cached + T, G*K, F);
        convolve(r, a->vc, rows[2], p->conv_v, cached + T, H*V, F);
    }
    swax_tier_zero(r->tier, a->zero, (size_t)K * sizeof(stat));
    r->k->strength_forward(a->unit, a->zero, K, 2 / sqrt(K));
    r->k->rmsnorm_forward(a->qn, a->qrstd, a->qc, a->unit, N*G, K, o->l2_eps / K);
    r->k->rmsnorm_forward(a->kn, a->krstd, a->kc, a->unit, N*G, K, o->l2_eps / K);
    r->k->decay_forward(a->g, a->a, r->s + p->A_log, r->s + p->dt_bias, N, H, 1, 0);
    r->k->strength_forward(a->beta, a->b, N*H, 1 + o->top);
    r->k->delta_forward(a->o, s ? s->S[out] : a->S1, a->r, s ? NULL : a->Ss, a->qn, a->kn, a->vc, a->g, a->beta, s ? s->S[in] : NULL,
                        r->start_cell, B, T, H, G, K, V, 1, r->c->chunk, 1, 1 / sqrt(K));
    r->k->rmsnorm_forward(a->on, a->orstd, a->o, r->s + p->norm, N*H, V, o->norm_eps);
    r->k->swiglu_forward(a->y, a->z, a->on, N*H*V);
    r->k->linear_forward(y, a->y, r->w + p->out, NULL, N, C, H*V);
    if (s) {
        s->now = out;
        s->used += F ? T : 0;
    }
}

static void backward(const struct R(run) *r, const void *keys, const void *places, stat *g, const void *acts, void *dacts,
                     const real *dy, const real *x, real *dx)
{
    const struct keys *o = keys;
    const struct places *p = places;
    const struct acts *a = acts;
    struct acts *da = dacts;
    const int B = r->B, T = r->T, N = B*T, H = o->heads, G = o->key_heads, K = o->key_dim, V = o->value_dim, C = r->c->width, F = o->conv;

    r->k->linear_backward(da->y, g + p->out, NULL, dy, a->y, r->w + p->out, N, C, H*V);
    r->k->swiglu_backward(da->z, da->on, da->y, a->z, a->on, N*H*V);
    r->k->rmsnorm_backward(da->o, g + p->norm, da->on, a->o, r->s + p->norm, a->orstd, N*H, V);
    r->k->delta_backward(da->qn, da->kn, da->vc, da->g, da->beta, NULL, a->S, a->D, da->o, NULL,
                         a->qn, a->kn, a->vc, a->g, a->beta, NULL, r->start_cell, a->S1, a->r, a->Ss,
                         B, T, H, G, K, V, 1, r->c->chunk, 1, 1 / sqrt(K));
    r->k->strength_backward(da->b, da->beta, a->b, N*H, 1 + o->top);
    r->k->decay_backward(da->a, g + p->A_log, g + p->dt_bias, da->g, a->a, r->s + p->A_log, r->s + p->dt_bias, N, H, 1, 0);
    r->k->rmsnorm_backward(da->kc, da->unit, da->kn, a->kc, a->unit, a->krstd, N*G, K);
    r->k->rmsnorm_backward(da->qc, da->unit, da->qn, a->qc, a->unit, a->qrstd, N*G, K);
    if (F) {
        r->k->conv_backward(da->v, g + p->conv_v, NULL, da->vc, a->v, r->s + p->conv_v, NULL, r->start_cell, B, T, T, H*V, F);
        r->k->conv_backward(da->k, g + p->conv_k, NULL, da->kc, a->k, r->s + p->conv_k, NULL, r->start_cell, B, T, T, G*K, F);
        r->k->conv_backward(da->q, g + p->conv_q, NULL, da->qc, a->q, r->s + p->conv_q, NULL, r->start_cell, B, T, T, G*K, F);
    }
    r->k->readout_backward(dx, g + p->b, NULL, da->b, x, r->w + p->b, N, H, C);
    r->k->readout_backward(dx, g + p->a, NULL, da->a, x, r->w + p->a, N, H, C);
    r->k->linear_backward(dx, g + p->z, NULL, da->z, x, r->w + p->z, N, H*V, C);
    r->k->linear_backward(dx, g + p->v, NULL, da->v, x, r->w + p->v, N, H*V, C);
    r->k->linear_backward(dx, g + p->k, NULL, da->k, x, r->w + p->k, N, G*K, C);
    r->k->linear_backward(dx, g + p->q, NULL, da->q, x, r->w + p->q, N, G*K, C);
}

/* ---- decoding */

/* Room for `more` rows at the end: forget those that no later tap can reach, else take a larger room. */
static int rows_ready(struct swax_network *n, const struct keys *o, struct state *s, int more)
{
    const size_t GK = (size_t)o->key_heads * (size_t)o->key_dim, row[3] = { GK, GK, (size_t)o->heads * (size_t)o->value_dim };
    const int keep = s->used < o->conv - 1 ? s->used : o->conv - 1;
    const int room = s->room > 2 * (keep + more) ? s->room : 2 * (keep + more);
    real *to[3] = { 0 };
    int made = 1;
    if (!o->conv || s->used + more <= s->room)
        return 1;
    for (int i = 0; i < 3 && made; i++) {
        const size_t bytes = (size_t)keep * row[i] * sizeof(real);
        void *host = malloc(bytes + 1);
        to[i] = swax_take(n, (size_t)room * row[i] * sizeof(real));
        made = to[i] && host;
        if (made && keep) {
            swax_get(n, host, s->rows[i] + (size_t)(s->used - keep) * row[i], bytes);
            swax_put(n, to[i], host, bytes);
        }
        free(host);
    }
    for (int i = 0; i < 3; i++) {
        swax_give(n, made ? s->rows[i] : to[i]);
        s->rows[i] = made ? to[i] : s->rows[i];
    }
    s->room = made ? room : s->room;
    s->used = made ? keep : s->used;
    return made;
}

static int ready(struct swax_network *n, const struct swax_config *c, const void *keys, void *state, int window, int more)
{
    const struct keys *o = keys;
    struct state *s = state;
    const size_t HKV = (size_t)o->heads * (size_t)o->key_dim * (size_t)o->value_dim;
    (void)c, (void)window;
    for (int i = 0; i < 2; i++)
        s->S[i] = s->S[i] ? s->S[i] : swax_take(n, HKV * sizeof(stat));
    return s->S[0] && s->S[1] && rows_ready(n, o, s, more);
}

static void begin(struct swax_network *n, const struct swax_config *c, const void *keys, void *state)
{
    const struct keys *o = keys;
    struct state *s = state;
    (void)c;
    s->used = 0;
    swax_zero(n, s->S[s->now], (size_t)o->heads * (size_t)o->key_dim * (size_t)o->value_dim * sizeof(stat));
}

static void give(struct swax_network *n, void *state)
{
    struct state *s = state;
    for (int i = 0; i < 2; i++)
        swax_give(n, s->S[i]);
    for (int i = 0; i < 3; i++)
        swax_give(n, s->rows[i]);
}

/* ---- looking inside: each head's time constant, -1 / mean(g) tokens */

static int see(struct swax_network *n, const void *keys, int layer, int T, int window, double *tokens, int most)
{
    const struct keys *o = keys;
    const int H = o->heads < most ? o->heads : most;
    double *g = swax_layer_peek(n, layer, "g");
    (void)window;
    for (int h = 0; h < H && g; h++) {
        double sum = 0;
        for (int t = 0; t < T; t++)
            sum -= g[t * o->heads + h];
        tokens[h] = T / sum;
    }
    free(g);
    return g ? H : -1;
}

/* ---- the row */

const struct R(swax_mixer) R(swax_mixer_gdn) = {
    .about = {
        .name = "gdn", .what = "Gated DeltaNet: a state of fixed size that is corrected, not only added to", .sees = SWAX_SEES_STATE,
        .keys = keys_of_gdn, .keys_size = sizeof(struct keys), .check = check,
        .norm = "norm_gdn.weight", .places_size = sizeof(struct places), .tensors = tensors, .flops = flops,
        .inside = { .key = "time_constants", .title = "time constants in tokens:", .see = see },
    },
    .acts_size = sizeof(struct acts), .acts = list_acts, .forward = forward, .backward = backward,
    .state_size = sizeof(struct state), .state_ready = ready, .state_begin = begin, .state_free = give,
};
