/* mixer_kda.c - Kimi Delta Attention (Kimi Linear, 2025) as a mixer: the gated delta rule with a gate for each channel
 * of the keys, and the layer around it as published.
 *
 *   q, k, v = conv(x Wq^T), conv(x Wk^T), conv(x Wv^T)                       short convolution with SiLU
 *   q, k    = q/|q|, k/|k|  in each head
 *   f       = (x Wf0^T) Wf1^T                                               through value_dim numbers a token
 *   g       = -exp(A_log) softplus(f + dt_bias),  or, bounded, low sigmoid(exp(A_log) (f + dt_bias))
 *   beta    = top sigmoid(x Wb^T)                                           top is 1, or 2 with kda_negative=yes
 *   z       = (x Wz0^T) Wz1^T + bz
 *   y       = (sigmoid(z) rmsnorm(delta(q, k, v, g, beta))) Wout^T           the norm in each head, one weight for all
 *
 * Training starts every sequence from the zero state; when decoding, the state and the convolution's last rows go
 * in. */
#include <math.h>
#include <stdio.h>

#include "ref/network/delta_parts.h"

struct keys {
    struct swax_delta_sizes d;
    int top;                                       /* beta goes to 1 + top */
    double low;                                    /* g never falls below it; 0: it does */
    double norm_eps, l2_eps;
};
struct places { size_t matrix[3], f0, f1, b, z0, z1, z_bias, conv[3], A_log, dt_bias, norm, out; };
struct acts {
    struct R(swax_delta_rows) rows;
    struct R(swax_delta_unit) unit;
    struct R(swax_delta_rule) rule;
    real *f0, *z0, *z, *on, *y;                    /* on the way to f and z; z; normalised; gated */
    stat *f, *b, *orstd;
};

/* ---- what it is */

static const char *const no_yes[] = { "no", "yes", NULL };

#define AT(field) offsetof(struct keys, field)
static const struct swax_key keys_of_kda[] = {
    { .name = "kda_heads", .kind = SWAX_KEY_SIZE, .at = AT(d.heads), .otherwise = "4",
      .what = "value heads of a Kimi Delta Attention layer" },
    { .name = "kda_key_heads", .kind = SWAX_KEY_SIZE, .at = AT(d.key_heads), .otherwise = "0", .zero = "kda_heads",
      .what = "key heads, each read by a group of value heads" },
    { .name = "kda_key_dim", .kind = SWAX_KEY_SIZE, .at = AT(d.key_dim), .otherwise = "0", .zero = "kda_value_dim",
      .what = "size of a head's keys: rows of its state" },
    { .name = "kda_value_dim", .kind = SWAX_KEY_SIZE, .at = AT(d.value_dim), .otherwise = "0",
      .zero = "width/kda_heads",
      .what = "size of a head's values: columns of its state" },
    { .name = "kda_conv", .kind = SWAX_KEY_SIZE, .at = AT(d.taps), .otherwise = "4",
      .zero = "no convolution, and no SiLU",
      .what = "taps of the short convolution; with 1, a weight for each channel and SiLU" },
    { .name = "kda_negative", .kind = SWAX_KEY_WORD, .at = AT(top), .otherwise = "no", .words = no_yes,
      .what = "beta goes to 2, so that a state may also be reflected, not to 1" },
    { .name = "kda_low", .kind = SWAX_KEY_NUMBER, .at = AT(low), .otherwise = "0",
      .what = "bound of the logarithm of a gate, below 0 (published: -5); 0: none" },
    { .name = "kda_norm_eps", .kind = SWAX_KEY_NOT_NEGATIVE, .at = AT(norm_eps), .otherwise = "1e-5",
      .what = "added in the norm of a head's output" },
    { .name = "kda_l2_eps", .kind = SWAX_KEY_NOT_NEGATIVE, .at = AT(l2_eps), .otherwise = "1e-6",
      .what = "added to the squares of a query or key" },
    { 0 }
};

static struct swax_delta_weights weights(const struct places *p)
{
    return (struct swax_delta_weights){ .matrix = p->matrix, .conv = p->conv };
}

static const struct swax_delta_names names = SWAX_DELTA_NAMES("kda");

static const char *check(const struct swax_config *c, void *keys, char *why)
{
    struct keys *o = keys;
    o->d.key_dim = o->d.key_dim ? o->d.key_dim : o->d.value_dim ? o->d.value_dim : c->width / o->d.heads;
    if (swax_delta_derive(c, &names, &o->d.heads, &o->d.key_heads, &o->d.key_dim, &o->d.value_dim, why))
        return why;
    if (o->low > 0) {
        snprintf(why, SWAX_WHY, "kda_low=%g: should be a number below 0, or 0 for gates without a bound", o->low);
        return why;
    }
    o->d.gates = o->d.key_dim;
    o->d.erase = 1;
    o->d.scale = 1 / sqrt(o->d.key_dim);
    return swax_delta_check(c, &names, &o->d, why);
}

static double init_tap(const struct swax_config *c, long e, double u)
{
    (void)e;
    return swax_init_tap((int)swax_config_number(c, "kda_conv"), u);
}

/* Bounded, the rate begins at 1: with dt_bias as it is, g is then between -0.5 and -0.005 where low is -5. */
static double init_A_log(const struct swax_config *c, long e, double u)
{
    return swax_config_number(c, "kda_low") < 0 ? 0 : swax_init_A_log(c, e, u);
}

static void tensors(struct swax_tensors *l, void *places, const struct swax_config *c, const void *keys, int layer)
{
    const struct keys *o = keys;
    struct places *p = places;
    const long H = o->d.heads, HK = H * o->d.key_dim, GK = (long)o->d.key_heads * o->d.key_dim, V = o->d.value_dim;
    const long HV = H * V, C = c->width;
    const double narrow = 1 / sqrt(o->d.value_dim);
    (void)layer;
    p->matrix[0] = swax_matrix(l, "kda_layer.q_proj.weight", GK, C, swax_init_in(c));
    p->matrix[1] = swax_matrix(l, "kda_layer.k_proj.weight", GK, C, swax_init_in(c));
    p->matrix[2] = swax_matrix(l, "kda_layer.v_proj.weight", HV, C, swax_init_in(c));
    p->f0      = swax_matrix(l, "kda_layer.f_proj.0.weight", V, C, swax_init_in(c));
    p->f1      = swax_matrix(l, "kda_layer.f_proj.1.weight", HK, V, narrow);
    p->b       = swax_matrix(l, "kda_layer.b_proj.weight", H, C, swax_init_in(c));
    p->z0      = swax_matrix(l, "kda_layer.g_proj.0.weight", V, C, swax_init_in(c));
    p->z1      = swax_matrix(l, "kda_layer.g_proj.1.weight", HV, V, narrow);
    p->z_bias  = swax_vector(l, "kda_layer.g_proj.1.bias", HV, 0, 0);
    p->conv[0] = swax_delta_taps(l, "kda_layer.q_conv1d.weight", GK, o->d.taps, init_tap);
    p->conv[1] = swax_delta_taps(l, "kda_layer.k_conv1d.weight", GK, o->d.taps, init_tap);
    p->conv[2] = swax_delta_taps(l, "kda_layer.v_conv1d.weight", HV, o->d.taps, init_tap);
    p->A_log   = swax_delta_gates(l, "kda_layer.A_log", H, init_A_log);
    p->dt_bias = swax_delta_gates(l, "kda_layer.dt_bias", HK, swax_init_dt_bias);
    p->norm    = swax_vector(l, "kda_layer.o_norm.weight", o->d.value_dim, 1, 1);
    p->out     = swax_matrix(l, "kda_layer.o_proj.weight", C, HV, swax_init_out(c));
}

static double flops(const struct swax_config *c, const void *keys, int T, int window, int training)
{
    const struct keys *o = keys;
    (void)window;
    const double C = c->width, H = o->d.heads, K = o->d.key_dim, V = o->d.value_dim;
    return swax_delta_flops(c, &o->d, T, training) + (training ? 3
                                                   : 1) * 2 * (C * (H + 2*V) + V * (H*K + H*V) - C * (H*V));
}

/* ---- forward and backward */

static void list_acts(struct R(list) *l, void *acts, const struct swax_config *c, const void *keys, int B, int T)
{
    const struct keys *o = keys;
    struct acts *a = acts;
    const size_t N = (size_t)B * (size_t)T, NH = N * (size_t)o->d.heads, V = (size_t)o->d.value_dim;
    R(swax_delta_list_rows)(l, &a->rows, &o->d, B, T);
    R(swax_delta_list_unit)(l, &a->unit, &o->d, B, T);
    R(swax_delta_list_rule)(l, &a->rule, &o->d, c->chunk, B, T);
    a->f0 = reals(l, "f0", N*V);
    a->z0 = reals(l, "z0", N*V);
    a->z  = reals(l, "z", NH*V);
    a->on = reals(l, "on", NH*V);
    a->y  = reals(l, "y", NH*V);
    a->f  = stats(l, "f", NH * (size_t)o->d.key_dim);
    a->b  = stats(l, "b", NH);
    a->orstd = stats_forward(l, "orstd", NH);
}

static void forward(const struct R(run) *r, const void *keys, const void *places, void *acts, void *state, real *y,
                    const real *x)
{
    const struct keys *o = keys;
    const struct places *p = places;
    struct acts *a = acts;
    const int N = r->B * r->T, H = o->d.heads, K = o->d.key_dim, V = o->d.value_dim, C = r->c->width;

    R(swax_delta_rows_forward)(r, &o->d, weights(p), &a->rows, state, x);
    R(swax_delta_unit_forward)(r, &o->d, &a->unit, &a->rows, o->l2_eps);
    r->k->linear_forward(a->f0, x, r->w + p->f0, NULL, N, V, C);
    r->k->readout_forward(a->f, a->f0, r->w + p->f1, NULL, N, H*K, V);
    r->k->readout_forward(a->b, x, r->w + p->b, NULL, N, H, C);
    r->k->decay_forward(a->rule.g, a->f, r->s + p->A_log, r->s + p->dt_bias, N, H, K, o->low);
    r->k->strength_forward(a->rule.beta, a->b, N*H, 1 + o->top);
    R(swax_delta_rule_forward)(r, &o->d, &a->rule, state, a->unit.q, a->unit.k, a->rows.c[2]);
    r->k->rmsnorm_forward(a->on, a->orstd, a->rule.o, r->s + p->norm, N*H, V, o->norm_eps);
    r->k->linear_forward(a->z0, x, r->w + p->z0, NULL, N, V, C);
    r->k->linear_forward(a->z, a->z0, r->w + p->z1, r->s + p->z_bias, N, H*V, V);
    r->k->gate_forward(a->y, a->z, a->on, N*H*V);
    r->k->linear_forward(y, a->y, r->w + p->out, NULL, N, C, H*V);
}

static void backward(const struct R(run) *r, const void *keys, const void *places, stat *g, const void *acts,
                     void *dacts, const real *dy, const real *x, real *dx)
{
    const struct keys *o = keys;
    const struct places *p = places;
    const struct acts *a = acts;
    struct acts *da = dacts;
    const int N = r->B * r->T, H = o->d.heads, K = o->d.key_dim, V = o->d.value_dim, C = r->c->width;

    r->k->linear_backward(da->y, g + p->out, NULL, dy, a->y, r->w + p->out, N, C, H*V);
    r->k->gate_backward(da->z, da->on, da->y, a->z, a->on, N*H*V);
    r->k->rmsnorm_backward(da->rule.o, g + p->norm, da->on, a->rule.o, r->s + p->norm, a->orstd, N*H, V);
    R(swax_delta_rule_backward)(r, &o->d, &a->rule, &da->rule, da->unit.q, da->unit.k, da->rows.c[2], a->unit.q,
                                a->unit.k, a->rows.c[2]);
    r->k->strength_backward(da->b, da->rule.beta, a->b, N*H, 1 + o->top);
    r->k->decay_backward(da->f, g + p->A_log, g + p->dt_bias, da->rule.g, a->f, r->s + p->A_log, r->s + p->dt_bias, N,
                         H, K, o->low);
    r->k->readout_backward(dx, g + p->b, NULL, da->b, x, r->w + p->b, N, H, C);
    r->k->readout_backward(da->f0, g + p->f1, NULL, da->f, a->f0, r->w + p->f1, N, H*K, V);
    r->k->linear_backward(dx, g + p->f0, NULL, da->f0, x, r->w + p->f0, N, V, C);
    r->k->linear_backward(da->z0, g + p->z1, g + p->z_bias, da->z, a->z0, r->w + p->z1, N, H*V, V);
    r->k->linear_backward(dx, g + p->z0, NULL, da->z0, x, r->w + p->z0, N, V, C);
    R(swax_delta_unit_backward)(r, &o->d, &a->unit, &da->unit, &a->rows, &da->rows);
    R(swax_delta_rows_backward)(r, &o->d, weights(p), g, &a->rows, &da->rows, x, dx);
}

/* ---- the row */

const struct R(swax_mixer) R(swax_mixer_kda) = {
    .about = {
        .name = "kda", .what = "Kimi Delta Attention: as gdn, with a gate for each row of the state",
        .sees = SWAX_SEES_STATE,
        .keys = keys_of_kda, .keys_size = sizeof(struct keys), .check = check,
        .norm = "norm_kda.weight", .places_size = sizeof(struct places), .tensors = tensors, .flops = flops,
        .inside = { .key = "time_constants", .title = "time constants in tokens:", .see = swax_delta_see },
    },
    .acts_size = sizeof(struct acts), .acts = list_acts, .forward = forward, .backward = backward,
    .state_size = sizeof(struct R(swax_delta_state)), .state_ready = R(swax_delta_ready),
    .state_begin = R(swax_delta_begin), .state_free = R(swax_delta_give),
};
