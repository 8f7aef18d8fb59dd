/* mixer_gdn.c - Gated DeltaNet (Yang et al. 2024) as a mixer, with the layer around it as published.
 *
 *   q, k, v = conv(x Wq^T), conv(x Wk^T), conv(x Wv^T)                       short convolution with SiLU
 *   q, k    = q/|q|, k/|k|  in each head
 *   g       = -exp(A_log) softplus(x Wa^T + dt_bias),   beta = top sigmoid(x Wb^T),   top 1, or 2 with gdn_negative=yes
 *   y       = (silu(x Wz^T) rmsnorm(delta(q, k, v, g, beta))) Wout^T         the norm in each head, one weight for all
 *
 * Training starts every sequence from the zero state; when decoding, the state and the convolution's last rows go
 * in. */
#include <math.h>
#include <stdio.h>

#include "ref/network/delta_parts.h"

struct keys {
    struct swax_delta_sizes d;
    int top;                                       /* beta goes to 1 + top */
    double norm_eps, l2_eps;
};
struct places { size_t matrix[3], a, b, z, conv[3], A_log, dt_bias, norm, out; };
struct acts {
    struct R(swax_delta_rows) rows;
    struct R(swax_delta_unit) unit;
    struct R(swax_delta_rule) rule;
    real *z, *on, *y;                              /* the gate's projection; normalised; gated */
    stat *a, *b, *orstd;
};

/* ---- what it is */

static const char *const no_yes[] = { "no", "yes", NULL };

#define AT(field) offsetof(struct keys, field)
static const struct swax_key keys_of_gdn[] = {
    { .name = "gdn_heads", .kind = SWAX_KEY_SIZE, .at = AT(d.heads), .otherwise = "4",
      .what = "value heads of a Gated DeltaNet layer" },
    { .name = "gdn_key_heads", .kind = SWAX_KEY_SIZE, .at = AT(d.key_heads), .otherwise = "0", .zero = "gdn_heads",
      .what = "key heads, each read by a group of value heads" },
    { .name = "gdn_key_dim", .kind = SWAX_KEY_SIZE, .at = AT(d.key_dim), .otherwise = "0",
      .zero = "half of gdn_value_dim",
      .what = "size of a head's keys: rows of its state" },
    { .name = "gdn_value_dim", .kind = SWAX_KEY_SIZE, .at = AT(d.value_dim), .otherwise = "0",
      .zero = "width/gdn_heads",
      .what = "size of a head's values: columns of its state" },
    { .name = "gdn_conv", .kind = SWAX_KEY_SIZE, .at = AT(d.taps), .otherwise = "4",
      .zero = "no convolution, and no SiLU",
      .what = "taps of the short convolution; with 1, a weight for each channel and SiLU" },
    { .name = "gdn_negative", .kind = SWAX_KEY_WORD, .at = AT(top), .otherwise = "no", .words = no_yes,
      .what = "beta goes to 2, so that a state may also be reflected, not to 1" },
    { .name = "gdn_norm_eps", .kind = SWAX_KEY_NOT_NEGATIVE, .at = AT(norm_eps), .otherwise = "1e-5",
      .what = "added in the norm of a head's output" },
    { .name = "gdn_l2_eps", .kind = SWAX_KEY_NOT_NEGATIVE, .at = AT(l2_eps), .otherwise = "1e-6",
      .what = "added to the squares of a query or key" },
    { 0 }
};

static struct swax_delta_weights weights(const struct places *p)
{
    return (struct swax_delta_weights){ .matrix = p->matrix, .conv = p->conv };
}

static const struct swax_delta_names names = SWAX_DELTA_NAMES("gdn");

static const char *check(const struct swax_config *c, void *keys, char *why)
{
    struct keys *o = keys;
    if (swax_delta_derive(c, &names, &o->d.heads, &o->d.key_heads, &o->d.key_dim, &o->d.value_dim, why))
        return why;
    o->d.gates = 1;
    o->d.erase = 1;
    o->d.scale = 1 / sqrt(o->d.key_dim);
    return swax_delta_check(c, &names, &o->d, why);
}

static double init_tap(const struct swax_config *c, long e, double u)
{
    (void)e;
    return swax_init_tap((int)swax_config_number(c, "gdn_conv"), u);
}

static void tensors(struct swax_tensors *l, void *places, const struct swax_config *c, const void *keys, int layer)
{
    const struct keys *o = keys;
    struct places *p = places;
    const long H = o->d.heads, GK = (long)o->d.key_heads * o->d.key_dim, HV = H * o->d.value_dim, C = c->width;
    (void)layer;
    p->matrix[0] = swax_matrix(l, "gdn_layer.q_proj.weight", GK, C, swax_init_in(c));
    p->matrix[1] = swax_matrix(l, "gdn_layer.k_proj.weight", GK, C, swax_init_in(c));
    p->matrix[2] = swax_matrix(l, "gdn_layer.v_proj.weight", HV, C, swax_init_in(c));
    p->a       = swax_matrix(l, "gdn_layer.a_proj.weight", H, C, swax_init_in(c));
    p->b       = swax_matrix(l, "gdn_layer.b_proj.weight", H, C, swax_init_in(c));
    p->z       = swax_matrix(l, "gdn_layer.g_proj.weight", HV, C, swax_init_in(c));
    p->conv[0] = swax_delta_taps(l, "gdn_layer.q_conv1d.weight", GK, o->d.taps, init_tap);
    p->conv[1] = swax_delta_taps(l, "gdn_layer.k_conv1d.weight", GK, o->d.taps, init_tap);
    p->conv[2] = swax_delta_taps(l, "gdn_layer.v_conv1d.weight", HV, o->d.taps, init_tap);
    p->A_log   = swax_delta_gates(l, "gdn_layer.A_log", H, swax_init_A_log);
    p->dt_bias = swax_delta_gates(l, "gdn_layer.dt_bias", H, swax_init_dt_bias);
    p->norm    = swax_vector(l, "gdn_layer.o_norm.weight", o->d.value_dim, 1, 1);
    p->out     = swax_matrix(l, "gdn_layer.o_proj.weight", C, HV, swax_init_out(c));
}

static double flops(const struct swax_config *c, const void *keys, int T, int window, int training)
{
    const struct keys *o = keys;
    (void)window;
    return swax_delta_flops(c, &o->d, T, training) + (training ? 3 : 1) * 2.0 * c->width * (2 * o->d.heads);
}

/* ---- forward and backward */

static void list_acts(struct R(list) *l, void *acts, const struct swax_config *c, const void *keys, int B, int T)
{
    const struct keys *o = keys;
    struct acts *a = acts;
    const size_t NH = (size_t)B * (size_t)T * (size_t)o->d.heads, V = (size_t)o->d.value_dim;
    R(swax_delta_list_rows)(l, &a->rows, &o->d, B, T);
    R(swax_delta_list_unit)(l, &a->unit, &o->d, B, T);
    R(swax_delta_list_rule)(l, &a->rule, &o->d, c->chunk, B, T);
    a->z  = reals(l, "z", NH*V);
    a->on = reals(l, "on", NH*V);
    a->y  = reals(l, "y", NH*V);
    a->a  = stats(l, "a", NH);
    a->b  = stats(l, "b", NH);
    a->orstd = stats_forward(l, "orstd", NH);
}

static void forward(const struct R(run) *r, const void *keys, const void *places, void *acts, void *state, real *y,
                    const real *x)
{
    const struct keys *o = keys;
    const struct places *p = places;
    struct acts *a = acts;
    const int N = r->B * r->T, H = o->d.heads, V = o->d.value_dim, C = r->c->width;

    R(swax_delta_rows_forward)(r, &o->d, weights(p), &a->rows, state, x);
    R(swax_delta_unit_forward)(r, &o->d, &a->unit, &a->rows, o->l2_eps);
    r->k->readout_forward(a->a, x, r->w + p->a, NULL, N, H, C);
    r->k->readout_forward(a->b, x, r->w + p->b, NULL, N, H, C);
    r->k->decay_forward(a->rule.g, a->a, r->s + p->A_log, r->s + p->dt_bias, N, H, 1, 0);
    r->k->strength_forward(a->rule.beta, a->b, N*H, 1 + o->top);
    R(swax_delta_rule_forward)(r, &o->d, &a->rule, state, a->unit.q, a->unit.k, a->rows.c[2]);
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
    const int N = r->B * r->T, H = o->d.heads, V = o->d.value_dim, C = r->c->width;

    r->k->linear_backward(da->y, g + p->out, NULL, dy, a->y, r->w + p->out, N, C, H*V);
    r->k->swiglu_backward(da->z, da->on, da->y, a->z, a->on, N*H*V);
    r->k->rmsnorm_backward(da->rule.o, g + p->norm, da->on, a->rule.o, r->s + p->norm, a->orstd, N*H, V);
    R(swax_delta_rule_backward)(r, &o->d, &a->rule, &da->rule, da->unit.q, da->unit.k, da->rows.c[2], a->unit.q,
                                a->unit.k, a->rows.c[2]);
    r->k->strength_backward(da->b, da->rule.beta, a->b, N*H, 1 + o->top);
    r->k->decay_backward(da->a, g + p->A_log, g + p->dt_bias, da->rule.g, a->a, r->s + p->A_log, r->s + p->dt_bias, N,
                         H, 1, 0);
    r->k->readout_backward(dx, g + p->b, NULL, da->b, x, r->w + p->b, N, H, C);
    r->k->readout_backward(dx, g + p->a, NULL, da->a, x, r->w + p->a, N, H, C);
    r->k->linear_backward(dx, g + p->z, NULL, da->z, x, r->w + p->z, N, H*V, C);
    R(swax_delta_unit_backward)(r, &o->d, &a->unit, &da->unit, &a->rows, &da->rows);
    R(swax_delta_rows_backward)(r, &o->d, weights(p), g, &a->rows, &da->rows, x, dx);
}

/* ---- Hugging Face: Qwen3-Next's layer */

static const struct swax_hf_tensor hf_tensors[] = {
    { .name = "in_proj_qkvz.weight", .of = { "gdn_layer.q_proj.weight", "gdn_layer.k_proj.weight",
                                             "gdn_layer.v_proj.weight", "gdn_layer.g_proj.weight" },
      .groups = "gdn_key_heads" },
    { .name = "in_proj_ba.weight", .of = { "gdn_layer.b_proj.weight", "gdn_layer.a_proj.weight" },
      .groups = "gdn_key_heads" },
    { .name = "conv1d.weight", .of = { "gdn_layer.q_conv1d.weight", "gdn_layer.k_conv1d.weight",
                                       "gdn_layer.v_conv1d.weight" }, .taps = 1 },
    { .name = "A_log", .of = { "gdn_layer.A_log" } },
    { .name = "dt_bias", .of = { "gdn_layer.dt_bias" } },
    { .name = "norm.weight", .of = { "gdn_layer.o_norm.weight" } },
    { .name = "out_proj.weight", .of = { "gdn_layer.o_proj.weight" } },
    { 0 }
};

static const char *hf_alone(const void *keys, char *why)
{
    const struct keys *o = keys;
    if (o->d.taps && !o->top)
        return NULL;
    snprintf(why, SWAX_WHY, "Qwen3-Next's layer has gdn_negative=no and a convolution, and this one has %s",
             o->d.taps ? "gdn_negative=yes" : "gdn_conv=0");
    return why;
}

/* ---- the row */

const struct R(swax_mixer) R(swax_mixer_gdn) = {
    .about = {
        .name = "gdn", .what = "Gated DeltaNet: a state of fixed size that is corrected, not only added to",
        .sees = SWAX_SEES_STATE,
        .keys = keys_of_gdn, .keys_size = sizeof(struct keys), .check = check,
        .norm = "norm_gdn.weight", .places_size = sizeof(struct places), .tensors = tensors, .flops = flops,
        .inside = { .key = "time_constants", .title = "time constants in tokens:", .see = swax_delta_see },
        .hf = { .layer = "Qwen3NextGatedDeltaNet", .tensors = hf_tensors, .alone = hf_alone },
    },
    .acts_size = sizeof(struct acts), .acts = list_acts, .forward = forward, .backward = backward,
    .state_size = sizeof(struct R(swax_delta_state)), .state_ready = R(swax_delta_ready),
    .state_begin = R(swax_delta_begin), .state_free = R(swax_delta_give),
};
