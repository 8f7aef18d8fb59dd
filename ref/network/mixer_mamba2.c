/* mixer_mamba2.c - Mamba-2 (Dao and Gu 2024) as a mixer: linear attention with decay whose queries, keys and values are
 * called C, B and x, and the layer around it as published.
 *
 *   C, B, x = conv(u Wc^T), conv(u Wb^T), conv(u Wx^T)       short convolution with a bias and SiLU; u is what comes in
 *   dt      = softplus(u Wdt^T + dt_bias)
 *   S_t     = exp(-exp(A_log) dt_t) S_{t-1} + dt_t B_t x_t^T
 *   o_t     = S_t^T C_t + D x_t                              D is a head's
 *   y       = norm(silu(u Wz^T) o) Wout^T                    RMS over all channels of a group: the gate comes first
 *
 * dt is made by the slot `decay` with a rate of 1, which gives -dt.  So beta is -dt, the state is kept with the other
 * sign, and the scale that reads it is -1.  The logarithm of that rate is a row of zeros, whose gradient is not used.
 *
 * Training starts every sequence from the zero state; when decoding, the state and the convolution's last rows go
 * in. */
#include <limits.h>
#include <stdio.h>

#include "ref/network/delta_parts.h"

struct keys {
    struct swax_delta_sizes d;                     /* key_heads: groups that share B and C, of size key_dim */
    double norm_eps;
};
struct places { size_t matrix[3], z, dt, conv[3], conv_bias[3], A_log, D, dt_bias, norm, out; };
struct acts {
    struct R(swax_delta_rows) rows;
    struct R(swax_delta_rule) rule;
    real *z, *skipped, *gated, *y;                 /* the gate's projection; o; gated; normalised */
    stat *dt, *zero, *mean, *rstd;
};

/* ---- what it is */

#define AT(field) offsetof(struct keys, field)
static const struct swax_key keys_of_mamba2[] = {
    { .name = "mamba2_heads", .kind = SWAX_KEY_SIZE, .at = AT(d.heads), .otherwise = "4",
      .what = "heads of a Mamba-2 layer" },
    { .name = "mamba2_groups", .kind = SWAX_KEY_SIZE, .at = AT(d.key_heads), .otherwise = "1",
      .what = "groups of heads that share B and C" },
    { .name = "mamba2_state", .kind = SWAX_KEY_SIZE, .at = AT(d.key_dim), .otherwise = "0",
      .zero = "twice mamba2_head_dim",
      .what = "size of B and C: rows of a head's state" },
    { .name = "mamba2_head_dim", .kind = SWAX_KEY_SIZE, .at = AT(d.value_dim), .otherwise = "0",
      .zero = "2 width/mamba2_heads",
      .what = "size of a head: columns of its state" },
    { .name = "mamba2_conv", .kind = SWAX_KEY_SIZE, .at = AT(d.taps), .otherwise = "4",
      .zero = "no convolution, and no SiLU",
      .what = "taps of the short convolution; with 1, a weight and a bias for each channel, and SiLU" },
    { .name = "mamba2_norm_eps", .kind = SWAX_KEY_NOT_NEGATIVE, .at = AT(norm_eps), .otherwise = "1e-5",
      .what = "added in the norm of a group's output" },
    { 0 }
};

static struct swax_delta_weights weights(const struct places *p)
{
    return (struct swax_delta_weights){ .matrix = p->matrix, .conv = p->conv, .bias = p->conv_bias };
}

static const struct swax_delta_names names = { "mamba2_heads", "mamba2_groups", "mamba2_state", "mamba2_head_dim",
                                               "mamba2_conv" };

static const char *check(const struct swax_config *c, void *keys, char *why)
{
    struct keys *o = keys;
    if (!o->d.value_dim && (2LL * c->width % o->d.heads || 2LL * c->width / o->d.heads > INT_MAX))
        return swax_refuse(why, "mamba2_heads", o->d.heads,
                           "a divisor of twice the width, or mamba2_head_dim should be given");
    o->d.value_dim = o->d.value_dim ? o->d.value_dim : (int)(2LL * c->width / o->d.heads);
    o->d.key_dim = o->d.key_dim ? o->d.key_dim : o->d.value_dim <= INT_MAX / 2 ? 2 * o->d.value_dim : INT_MAX;
    o->d.gates = 1;
    o->d.erase = 0;
    o->d.scale = -1;      /* kept with the other sign, as beta is */
    return swax_delta_check(c, &names, &o->d, why);
}

static double init_tap(const struct swax_config *c, long e, double u)
{
    (void)e;
    return swax_init_tap((int)swax_config_number(c, "mamba2_conv"), u);
}

static void tensors(struct swax_tensors *l, void *places, const struct swax_config *c, const void *keys, int layer)
{
    static const char *const name[3] = { "C", "B", "x" };
    const struct keys *o = keys;
    struct places *p = places;
    const long H = o->d.heads, GK = (long)o->d.key_heads * o->d.key_dim, HV = H * o->d.value_dim, C = c->width;
    const long rows[3] = { GK, GK, HV };
    (void)layer;
    for (int i = 0; i < 3; i++) {
        char full[3][48];
        snprintf(full[0], sizeof full[0], "mamba2_layer.%s_proj.weight", name[i]);
        snprintf(full[1], sizeof full[1], "mamba2_layer.%s_conv1d.weight", name[i]);
        snprintf(full[2], sizeof full[2], "mamba2_layer.%s_conv1d.bias", name[i]);
        p->matrix[i]    = swax_matrix(l, full[0], rows[i], C, swax_init_in(c));
        p->conv[i]      = swax_delta_taps(l, full[1], rows[i], o->d.taps, init_tap);
        p->conv_bias[i] = o->d.taps ? swax_delta_gates(l, full[2], rows[i], init_tap) : 0;
    }
    p->z       = swax_matrix(l, "mamba2_layer.z_proj.weight", HV, C, swax_init_in(c));
    p->dt      = swax_matrix(l, "mamba2_layer.dt_proj.weight", H, C, swax_init_in(c));
    p->A_log   = swax_delta_gates(l, "mamba2_layer.A_log", H, swax_init_A_log);
    p->D       = swax_vector(l, "mamba2_layer.D", H, 1, 1);
    p->dt_bias = swax_delta_gates(l, "mamba2_layer.dt_bias", H, swax_init_dt_bias);
    p->norm    = swax_vector(l, "mamba2_layer.norm.weight", HV, 1, 1);
    p->out     = swax_matrix(l, "mamba2_layer.out_proj.weight", C, HV, swax_init_out(c));
}

static double flops(const struct swax_config *c, const void *keys, int T, int window, int training)
{
    const struct keys *o = keys;
    (void)window;
    return swax_delta_flops(c, &o->d, T, training)
         + (training ? 3 : 1) * 2.0 * o->d.heads * (c->width + o->d.value_dim);
}

/* ---- forward and backward */

static void list_acts(struct R(list) *l, void *acts, const struct swax_config *c, const void *keys, int B, int T)
{
    const struct keys *o = keys;
    struct acts *a = acts;
    const size_t N = (size_t)B * (size_t)T, NH = N * (size_t)o->d.heads, V = (size_t)o->d.value_dim;
    R(swax_delta_list_rows)(l, &a->rows, &o->d, B, T);
    R(swax_delta_list_rule)(l, &a->rule, &o->d, c->chunk, B, T);
    a->z       = reals(l, "z", NH*V);
    a->skipped = reals(l, "skipped", NH*V);
    a->gated   = reals(l, "gated", NH*V);
    a->y       = reals(l, "y", NH*V);
    a->dt   = stats(l, "dt", NH);
    a->zero = stats(l, "zero", (size_t)o->d.heads);
    a->mean = stats_forward(l, "mean", N * (size_t)o->d.key_heads);
    a->rstd = stats_forward(l, "rstd", N * (size_t)o->d.key_heads);
}

static void forward(const struct R(run) *r, const void *keys, const void *places, void *acts, void *state, real *y,
                    const real *x)
{
    const struct keys *o = keys;
    const struct places *p = places;
    struct acts *a = acts;
    const int N = r->B * r->T, H = o->d.heads, V = o->d.value_dim, C = r->c->width, G = o->d.key_heads;

    R(swax_delta_rows_forward)(r, &o->d, weights(p), &a->rows, state, x);
    r->k->readout_forward(a->dt, x, r->w + p->dt, NULL, N, H, C);
    swax_tier_zero(r->tier, a->zero, (size_t)H * sizeof(stat));
    r->k->decay_forward(a->rule.g, a->dt, r->s + p->A_log, r->s + p->dt_bias, N, H, 1, 0);
    r->k->decay_forward(a->rule.beta, a->dt, a->zero, r->s + p->dt_bias, N, H, 1, 0);
    R(swax_delta_rule_forward)(r, &o->d, &a->rule, state, a->rows.c[0], a->rows.c[1], a->rows.c[2]);
    r->k->skip_forward(a->skipped, a->rule.o, a->rows.c[2], r->s + p->D, N, H, V);
    r->k->linear_forward(a->z, x, r->w + p->z, NULL, N, H*V, C);
    r->k->swiglu_forward(a->gated, a->z, a->skipped, N*H*V);
    r->k->headnorm_forward(a->y, a->mean, a->rstd, a->gated, r->s + p->norm, N, G, H*V/G, 0, o->norm_eps);
    r->k->linear_forward(y, a->y, r->w + p->out, NULL, N, C, H*V);
}

static void backward(const struct R(run) *r, const void *keys, const void *places, stat *g, const void *acts,
                     void *dacts, const real *dy, const real *x, real *dx)
{
    const struct keys *o = keys;
    const struct places *p = places;
    const struct acts *a = acts;
    struct acts *da = dacts;
    const int N = r->B * r->T, H = o->d.heads, V = o->d.value_dim, C = r->c->width, G = o->d.key_heads;

    r->k->linear_backward(da->y, g + p->out, NULL, dy, a->y, r->w + p->out, N, C, H*V);
    r->k->headnorm_backward(da->gated, g + p->norm, da->y, a->gated, r->s + p->norm, a->mean, a->rstd, N, G, H*V/G, 0);
    r->k->swiglu_backward(da->z, da->skipped, da->gated, a->z, a->skipped, N*H*V);
    r->k->linear_backward(dx, g + p->z, NULL, da->z, x, r->w + p->z, N, H*V, C);
    r->k->skip_backward(da->rule.o, da->rows.c[2], g + p->D, da->skipped, a->rows.c[2], r->s + p->D, N, H, V);
    R(swax_delta_rule_backward)(r, &o->d, &a->rule, &da->rule, da->rows.c[0], da->rows.c[1], da->rows.c[2],
                                a->rows.c[0], a->rows.c[1], a->rows.c[2]);
    r->k->decay_backward(da->dt, da->zero, g + p->dt_bias, da->rule.beta, a->dt, a->zero, r->s + p->dt_bias, N, H, 1,
                         0);
    r->k->decay_backward(da->dt, g + p->A_log, g + p->dt_bias, da->rule.g, a->dt, r->s + p->A_log, r->s + p->dt_bias,
                         N, H, 1, 0);
    r->k->readout_backward(dx, g + p->dt, NULL, da->dt, x, r->w + p->dt, N, H, C);
    R(swax_delta_rows_backward)(r, &o->d, weights(p), g, &a->rows, &da->rows, x, dx);
}

/* ---- Hugging Face: Mamba-2's layer */

static const struct swax_hf_tensor hf_tensors[] = {
    { .name = "in_proj.weight", .of = { "mamba2_layer.z_proj.weight", "mamba2_layer.x_proj.weight",
                                        "mamba2_layer.B_proj.weight",
                          "mamba2_layer.C_proj.weight", "mamba2_layer.dt_proj.weight" } },
    { .name = "conv1d.weight", .of = { "mamba2_layer.x_conv1d.weight", "mamba2_layer.B_conv1d.weight",
                                       "mamba2_layer.C_conv1d.weight" }, .taps = 1 },
    { .name = "conv1d.bias", .of = { "mamba2_layer.x_conv1d.bias", "mamba2_layer.B_conv1d.bias",
                                     "mamba2_layer.C_conv1d.bias" } },
    { .name = "A_log", .of = { "mamba2_layer.A_log" } },
    { .name = "D", .of = { "mamba2_layer.D" } },
    { .name = "dt_bias", .of = { "mamba2_layer.dt_bias" } },
    { .name = "norm.weight", .of = { "mamba2_layer.norm.weight" } },
    { .name = "out_proj.weight", .of = { "mamba2_layer.out_proj.weight" } },
    { 0 }
};

static const char *hf_alone(const void *keys, char *why)
{
    const struct keys *o = keys;
    if (o->d.taps)
        return NULL;
    snprintf(why, SWAX_WHY, "Mamba-2's layer has a convolution, and this one has mamba2_conv=0");
    return why;
}

/* ---- the row */

const struct R(swax_mixer) R(swax_mixer_mamba2) = {
    .about = {
        .name = "mamba2", .what = "Mamba-2: a state of fixed size that fades, with a path past it",
        .sees = SWAX_SEES_STATE,
        .keys = keys_of_mamba2, .keys_size = sizeof(struct keys), .check = check,
        .norm = "norm_mamba2.weight", .places_size = sizeof(struct places), .tensors = tensors, .flops = flops,
        .inside = { .key = "time_constants", .title = "time constants in tokens:", .see = swax_delta_see },
        .hf = { .layer = "Mamba2Mixer", .tensors = hf_tensors, .alone = hf_alone },
    },
    .acts_size = sizeof(struct acts), .acts = list_acts, .forward = forward, .backward = backward,
    .state_size = sizeof(struct R(swax_delta_state)), .state_ready = R(swax_delta_ready),
    .state_begin = R(swax_delta_begin), .state_free = R(swax_delta_give),
};
