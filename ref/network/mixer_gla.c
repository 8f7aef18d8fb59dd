/* mixer_gla.c - gated linear attention (Yang et al. 2024) as a mixer: nothing is erased, and what was written fades by
 * a gate for each channel of the keys, or by one for all (simple GLA).
 *
 *   q, k, v = conv(x Wq^T), conv(x Wk^T), conv(x Wv^T)         short convolution with SiLU, which may be left out
 *   a       = (x Wa0^T) Wa1^T + ba,  through gla_rank numbers a token;  with scalar gates x Wa^T + ba
 *   g       = -softplus(a) / divisor                                        published as log sigmoid(-a) / 16
 *   y       = (silu(x Wz^T) rmsnorm(delta(q, k, v, g, 1))) Wout^T    erase = 0; the norm in each head, one weight
 *
 * Every number of the network comes from a kernel, and so do the constants here.  By the slot `strength`, beta = 1 is
 * top sigmoid(0) with top = 2.  By the slot `decay`, the logarithm of the gates' rate, -log(divisor), is low sigmoid(0)
 * with low = -2 log(divisor).
 *
 * Training starts every sequence from the zero state; when decoding, the state and the convolution's last rows go
 * in. */
#include <math.h>
#include <stdio.h>

#include "ref/network/delta_parts.h"

struct keys {
    struct swax_delta_sizes d;
    int vector, rank;                              /* gates: one a head, or one a channel through so many numbers */
    double divisor, norm_eps;
};
struct places { size_t matrix[3], a0, a1, a_bias, z, conv[3], norm, out; };    /* scalar gates have no a0 */
struct acts {
    struct R(swax_delta_rows) rows;
    struct R(swax_delta_rule) rule;
    real *z, *on, *y;                              /* the gate's projection; normalised; gated */
    real *a0;                                      /* on the way to a */
    stat *a, *zero, *rate, *orstd;
};

/* ---- what it is */

static const char *const gates[] = { "scalar", "vector", NULL };

#define AT(field) offsetof(struct keys, field)
static const struct swax_key keys_of_gla[] = {
    { .name = "gla_heads", .kind = SWAX_KEY_SIZE, .at = AT(d.heads), .otherwise = "4",
      .what = "value heads of a gated linear attention layer" },
    { .name = "gla_key_heads", .kind = SWAX_KEY_SIZE, .at = AT(d.key_heads), .otherwise = "0", .zero = "gla_heads",
      .what = "key heads, each read by a group of value heads" },
    { .name = "gla_key_dim", .kind = SWAX_KEY_SIZE, .at = AT(d.key_dim), .otherwise = "0",
      .zero = "half of gla_value_dim",
      .what = "size of a head's keys: rows of its state" },
    { .name = "gla_value_dim", .kind = SWAX_KEY_SIZE, .at = AT(d.value_dim), .otherwise = "0",
      .zero = "width/gla_heads",
      .what = "size of a head's values: columns of its state" },
    { .name = "gla_conv", .kind = SWAX_KEY_SIZE, .at = AT(d.taps), .otherwise = "4",
      .zero = "no convolution, and no SiLU",
      .what = "taps of the short convolution; with 1, a weight for each channel and SiLU" },
    { .name = "gla_gates", .kind = SWAX_KEY_WORD, .at = AT(vector), .otherwise = "vector", .words = gates,
      .what = "one gate a head, or one for each channel of its keys" },
    { .name = "gla_rank", .kind = SWAX_KEY_SIZE, .at = AT(rank), .otherwise = "16",
      .what = "numbers a token through which vector gates are projected" },
    { .name = "gla_divisor", .kind = SWAX_KEY_POSITIVE, .at = AT(divisor), .otherwise = "16",
      .what = "of the gates' logarithms, at least 1: the larger, the longer is remembered" },
    { .name = "gla_norm_eps", .kind = SWAX_KEY_NOT_NEGATIVE, .at = AT(norm_eps), .otherwise = "1e-5",
      .what = "added in the norm of a head's output" },
    { 0 }
};

static struct swax_delta_weights weights(const struct places *p)
{
    return (struct swax_delta_weights){ .matrix = p->matrix, .conv = p->conv };
}

static const struct swax_delta_names names = SWAX_DELTA_NAMES("gla");

static const char *check(const struct swax_config *c, void *keys, char *why)
{
    struct keys *o = keys;
    if (swax_delta_derive(c, &names, &o->d.heads, &o->d.key_heads, &o->d.key_dim, &o->d.value_dim, why))
        return why;
    if (o->divisor < 1) {
        snprintf(why, SWAX_WHY, "gla_divisor=%g: should be a number of at least 1", o->divisor);
        return why;
    }
    o->d.gates = o->vector ? o->d.key_dim : 1;
    o->d.erase = 0;
    o->d.scale = 1 / sqrt(o->d.key_dim);
    if (swax_too_large(why, "the gates' projection (gla_heads x gla_key_dim x gla_rank)",
                       (long long)o->d.heads * o->d.gates, o->rank) ||
        swax_too_large(why, "the gates' projection (gla_rank x width)", o->rank, c->width))
        return why;
    return swax_delta_check(c, &names, &o->d, why);
}

static double init_tap(const struct swax_config *c, long e, double u)
{
    (void)e;
    return swax_init_tap((int)swax_config_number(c, "gla_conv"), u);
}

static void tensors(struct swax_tensors *l, void *places, const struct swax_config *c, const void *keys, int layer)
{
    const struct keys *o = keys;
    struct places *p = places;
    const long H = o->d.heads, GK = (long)o->d.key_heads * o->d.key_dim, HV = H * o->d.value_dim;
    const long C = c->width, rank = o->rank;
    (void)layer;
    p->matrix[0] = swax_matrix(l, "gla_layer.q_proj.weight", GK, C, swax_init_in(c));
    p->matrix[1] = swax_matrix(l, "gla_layer.k_proj.weight", GK, C, swax_init_in(c));
    p->matrix[2] = swax_matrix(l, "gla_layer.v_proj.weight", HV, C, swax_init_in(c));
    p->a0      = o->vector ? swax_matrix(l, "gla_layer.gk_proj.0.weight", rank, C, swax_init_in(c)) : 0;
    p->a1      = o->vector ? swax_matrix(l, "gla_layer.gk_proj.1.weight", H * o->d.key_dim, rank, 1 / sqrt(o->rank))
                           : swax_matrix(l, "gla_layer.gk_proj.weight", H, C, swax_init_in(c));
    p->a_bias  = o->vector ? swax_vector(l, "gla_layer.gk_proj.1.bias", H * o->d.key_dim, 0, 0)
                           : swax_vector(l, "gla_layer.gk_proj.bias", H, 0, 0);
    p->z       = swax_matrix(l, "gla_layer.g_proj.weight", HV, C, swax_init_in(c));
    p->conv[0] = swax_delta_taps(l, "gla_layer.q_conv1d.weight", GK, o->d.taps, init_tap);
    p->conv[1] = swax_delta_taps(l, "gla_layer.k_conv1d.weight", GK, o->d.taps, init_tap);
    p->conv[2] = swax_delta_taps(l, "gla_layer.v_conv1d.weight", HV, o->d.taps, init_tap);
    p->norm    = swax_vector(l, "gla_layer.o_norm.weight", o->d.value_dim, 1, 1);
    p->out     = swax_matrix(l, "gla_layer.o_proj.weight", C, HV, swax_init_out(c));
}

static double flops(const struct swax_config *c, const void *keys, int T, int window, int training)
{
    const struct keys *o = keys;
    (void)window;
    const double C = c->width, HJ = (double)o->d.heads * o->d.gates;
    return swax_delta_flops(c, &o->d, T, training)
         + (training ? 3 : 1) * 2 * (o->vector ? o->rank * (C + HJ) : C * HJ);
}

/* ---- forward and backward */

static void list_acts(struct R(list) *l, void *acts, const struct swax_config *c, const void *keys, int B, int T)
{
    const struct keys *o = keys;
    struct acts *a = acts;
    const size_t N = (size_t)B * (size_t)T, NH = N * (size_t)o->d.heads, V = (size_t)o->d.value_dim;
    R(swax_delta_list_rows)(l, &a->rows, &o->d, B, T);
    R(swax_delta_list_rule)(l, &a->rule, &o->d, c->chunk, B, T);
    a->z  = reals(l, "z", NH*V);
    a->on = reals(l, "on", NH*V);
    a->y  = reals(l, "y", NH*V);
    a->a0 = o->vector ? reals(l, "a0", N * (size_t)o->rank) : NULL;
    a->a  = stats(l, "a", NH * (size_t)o->d.gates);
    a->zero = stats_forward(l, "zero", NH);
    a->rate = stats(l, "rate", (size_t)o->d.heads);
    a->orstd = stats_forward(l, "orstd", NH);
}

/* The gates' rate, as its logarithm.  A divisor of 1 has that of 0; a bound of 0 is none. */
static const stat *rate(const struct keys *o, const struct acts *a) { return o->divisor > 1 ? a->rate : a->zero; }

static void forward(const struct R(run) *r, const void *keys, const void *places, void *acts, void *state, real *y,
                    const real *x)
{
    const struct keys *o = keys;
    const struct places *p = places;
    struct acts *a = acts;
    const int N = r->B * r->T, H = o->d.heads, J = o->d.gates, V = o->d.value_dim, C = r->c->width;

    R(swax_delta_rows_forward)(r, &o->d, weights(p), &a->rows, state, x);
    if (o->vector)
        r->k->linear_forward(a->a0, x, r->w + p->a0, NULL, N, o->rank, C);
    r->k->readout_forward(a->a, o->vector ? a->a0 : x, r->w + p->a1, NULL, N, H*J, o->vector ? o->rank : C);
    swax_tier_zero(r->tier, a->zero, (size_t)N * (size_t)H * sizeof(stat));
    r->k->strength_forward(a->rule.beta, a->zero, N*H, 2);
    r->k->decay_forward(a->rate, a->zero, a->zero, a->zero, 1, H, 1, -2 * log(o->divisor));
    r->k->decay_forward(a->rule.g, a->a, rate(o, a), r->s + p->a_bias, N, H, J, 0);
    R(swax_delta_rule_forward)(r, &o->d, &a->rule, state, a->rows.c[0], a->rows.c[1], a->rows.c[2]);
    r->k->rmsnorm_forward(a->on, a->orstd, a->rule.o, r->s + p->norm, N*H, V, o->norm_eps);
    r->k->linear_forward(a->z, x, r->w + p->z, NULL, N, H*V, C);
    r->k->swiglu_forward(a->y, a->z, a->on, N*H*V);
    r->k->linear_forward(y, a->y, r->w + p->out, NULL, N, C, H*V);
}

static void backward(const struct R(run) *r, const void *keys, const void *places, stat *g, const void *acts,
                     void *dacts, const real *dy, const real *x, real *dx)
{
    const struct keys *o = keys;
    const struct places *p = places;
    const struct acts *a = acts;
    struct acts *da = dacts;
    const int N = r->B * r->T, H = o->d.heads, J = o->d.gates, V = o->d.value_dim, C = r->c->width;

    r->k->linear_backward(da->y, g + p->out, NULL, dy, a->y, r->w + p->out, N, C, H*V);
    r->k->swiglu_backward(da->z, da->on, da->y, a->z, a->on, N*H*V);
    r->k->rmsnorm_backward(da->rule.o, g + p->norm, da->on, a->rule.o, r->s + p->norm, a->orstd, N*H, V);
    R(swax_delta_rule_backward)(r, &o->d, &a->rule, &da->rule, da->rows.c[0], da->rows.c[1], da->rows.c[2],
                                a->rows.c[0], a->rows.c[1], a->rows.c[2]);
    r->k->decay_backward(da->a, da->rate, g + p->a_bias, da->rule.g, a->a, rate(o, a), r->s + p->a_bias, N, H, J, 0);
    r->k->readout_backward(o->vector ? da->a0 : dx, g + p->a1, NULL, da->a, o->vector ? a->a0 : x, r->w + p->a1,
                           N, H*J, o->vector ? o->rank : C);
    if (o->vector)
        r->k->linear_backward(dx, g + p->a0, NULL, da->a0, x, r->w + p->a0, N, o->rank, C);
    r->k->linear_backward(dx, g + p->z, NULL, da->z, x, r->w + p->z, N, H*V, C);
    R(swax_delta_rows_backward)(r, &o->d, weights(p), g, &a->rows, &da->rows, x, dx);
}

/* ---- the row */

const struct R(swax_mixer) R(swax_mixer_gla) = {
    .about = {
        .name = "gla", .what = "gated linear attention: a state of fixed size that fades", .sees = SWAX_SEES_STATE,
        .keys = keys_of_gla, .keys_size = sizeof(struct keys), .check = check,
        .norm = "norm_gla.weight", .places_size = sizeof(struct places), .tensors = tensors, .flops = flops,
        .inside = { .key = "time_constants", .title = "time constants in tokens:", .see = swax_delta_see },
    },
    .acts_size = sizeof(struct acts), .acts = list_acts, .forward = forward, .backward = backward,
    .state_size = sizeof(struct R(swax_delta_state)), .state_ready = R(swax_delta_ready),
    .state_begin = R(swax_delta_begin), .state_free = R(swax_delta_give),
};
