/* mixer_mlstm.c - the mLSTM layer of xLSTM-7B as a mixer.
 *
 *   q, k, v, o = x Wq^T, x Wk^T, x Wv^T, x Wo^T;   i, f = cap(x Wi^T + bi), cap(x Wf^T + bf)
 *   y = (sigmoid(o) headnorm(cell(q, k, v, i, f))) Wout^T
 *
 * Training starts every sequence from the zero state; when decoding, the state goes in and comes out. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ref/network/mixer.h"

struct keys {
    int heads, key_dim, value_dim;         /* dims are per head */
    int gate;                              /* enum swax_gate */
    int norm_center;                       /* 1: LayerNorm (xLSTM-7B), 0: RMS */
    double norm_eps, eps, gate_cap;        /* a cap of 0: none */
    double igate_bias;                     /* at initialisation: the same for all heads */
    double fgate_bias_first, fgate_bias_last;  /* at initialisation: linspace over the heads */
};
struct places { size_t q, k, v, ogate, igate, igate_bias, fgate, fgate_bias, headnorm, out; };
struct acts {
    real *q, *k, *v, *o, *h, *hn, *z;                                            /* z = sigmoid(o) hn */
    stat *iraw, *fraw, *i, *f, *C1, *n1, *m1, *m, *qn, *Cs, *ns, *mean, *rstd;
};
struct state { stat *C[2], *n[2], *m[2]; int now; };               /* [now] goes in, the other comes out */

/* ---- what it is */

static const char *const gates[] = { "exponential", "sigmoid", "sigmoid_normalised", NULL };
static const char *const norms[] = { "rms", "layer", NULL };

#define AT(field) offsetof(struct keys, field)
static const struct swax_key keys_of_mlstm[] = {
    { .name = "cell_heads", .kind = SWAX_KEY_SIZE, .at = AT(heads), .otherwise = "4",
      .what = "heads of an mLSTM layer" },
    { .name = "cell_key_dim", .kind = SWAX_KEY_SIZE, .at = AT(key_dim), .otherwise = "0",
      .zero = "half of cell_value_dim", .what = "size of a head's keys: rows of its state" },
    { .name = "cell_value_dim", .kind = SWAX_KEY_SIZE, .at = AT(value_dim), .otherwise = "0",
      .zero = "width/cell_heads", .what = "size of a head's values: columns of its state" },
    { .name = "cell_gate", .kind = SWAX_KEY_WORD, .at = AT(gate), .otherwise = "exponential", .words = gates,
      .what = "how gates become weights; exponential is xLSTM-7B's" },
    { .name = "cell_norm", .kind = SWAX_KEY_WORD, .at = AT(norm_center), .otherwise = "layer", .words = norms,
      .what = "of a head's output; layer is xLSTM-7B's" },
    { .name = "cell_norm_eps", .kind = SWAX_KEY_NOT_NEGATIVE, .at = AT(norm_eps), .otherwise = "1e-6",
      .what = "added in that norm" },
    { .name = "cell_eps", .kind = SWAX_KEY_NOT_NEGATIVE, .at = AT(eps), .otherwise = "1e-6",
      .what = "added to what the cell divides by" },
    { .name = "gate_cap", .kind = SWAX_KEY_NOT_NEGATIVE, .at = AT(gate_cap), .otherwise = "15", .zero = "no cap",
      .what = "gates are cap tanh(x/cap) before they become weights" },
    { .name = "input_gate_bias", .kind = SWAX_KEY_NUMBER, .at = AT(igate_bias), .otherwise = "-10",
      .what = "at initialisation, of all heads" },
    { .name = "forget_gate_bias_first", .kind = SWAX_KEY_NUMBER, .at = AT(fgate_bias_first), .otherwise = "3",
      .what = "at initialisation, of the first head; those between lie on a line" },
    { .name = "forget_gate_bias_last", .kind = SWAX_KEY_NUMBER, .at = AT(fgate_bias_last), .otherwise = "6",
      .what = "at initialisation, of the last head" },
    { 0 }
};

static const char *check(const struct swax_config *c, void *keys, char *why)
{
    struct keys *o = keys;
    const char *wrong;
    if (!o->value_dim && c->width % o->heads)
        return swax_refuse(why, "cell_heads", o->heads, "a divisor of width, or cell_value_dim should be given");
    if (!o->value_dim)
        o->value_dim = c->width / o->heads;
    if (!o->key_dim)
        o->key_dim = o->value_dim > 1 ? o->value_dim / 2 : 1;
    const int H = o->heads, K = o->key_dim, V = o->value_dim;
    if ((wrong = swax_too_large(why, "a row of values (cell_heads x cell_value_dim)", H, V)) ||
        (wrong = swax_too_large(why, "a row of keys (cell_heads x cell_key_dim)", H, K)) ||
        (wrong = swax_too_large(why, "the value projection (cell_heads*cell_value_dim x width)", H * V, c->width)) ||
        (wrong = swax_too_large(why, "the key projection (cell_heads*cell_key_dim x width)", H * K, c->width)) ||
        (wrong = swax_too_large(why, "the cell's state (cell_key_dim x cell_value_dim)", K, V)) ||
        (wrong = swax_too_large(why, "the cell's states (cell_heads x cell_key_dim*cell_value_dim)", H,
                                (long long)K * V)))
        return wrong;
    return NULL;
}

static void tensors(struct swax_tensors *l, void *places, const struct swax_config *c, const void *keys, int layer)
{
    const struct keys *o = keys;
    struct places *p = places;
    const long H = o->heads, HK = H * o->key_dim, HV = H * o->value_dim, C = c->width;
    (void)layer;
    p->q          = swax_matrix(l, "mlstm_layer.q.weight", HK, C, swax_init_in(c));
    p->k          = swax_matrix(l, "mlstm_layer.k.weight", HK, C, swax_init_in(c));
    p->v          = swax_matrix(l, "mlstm_layer.v.weight", HV, C, swax_init_in(c));
    /* what the gates read begins at 0: their biases alone set the memory */
    p->ogate      = swax_matrix(l, "mlstm_layer.ogate_preact.weight", HV, C, 0);
    p->igate      = swax_matrix(l, "mlstm_layer.igate_preact.weight", H, C, 0);
    p->igate_bias = swax_vector(l, "mlstm_layer.igate_preact.bias", H, o->igate_bias, o->igate_bias);
    p->fgate      = swax_matrix(l, "mlstm_layer.fgate_preact.weight", H, C, 0);
    p->fgate_bias = swax_vector(l, "mlstm_layer.fgate_preact.bias", H, o->fgate_bias_first, o->fgate_bias_last);
    p->headnorm   = swax_vector(l, "mlstm_layer.multihead_norm.weight", HV, 1, 1);
    p->out        = swax_matrix(l, "mlstm_layer.out_proj.weight", C, HV, swax_init_out(c));
}

/* The cell in chunks of L: the causal half of a chunk, and the state. */
static double flops(const struct swax_config *c, const void *keys, int T, int window, int training)
{
    const struct keys *o = keys;
    const double C = c->width, H = o->heads, K = o->key_dim, V = o->value_dim, L = c->chunk < T ? c->chunk : T;
    (void)window;
    return (training ? 3 : 1) * 2 * C * (2*H*K + 3*H*V + 2*H)
         + H * (L * (K + V) + 4*K*V) + (training ? H * (L * (3*K + 2*V) + 8*K*V) : 0);
}

/* ---- forward and backward */

static void list_acts(struct R(list) *l, void *acts, const struct swax_config *c, const void *keys, int B, int T)
{
    const struct keys *o = keys;
    struct acts *a = acts;
    const size_t K = (size_t)o->key_dim, V = (size_t)o->value_dim, BH = (size_t)B * (size_t)o->heads;
    const size_t NH = BH * (size_t)T, chunks = (size_t)((T - 1) / c->chunk + 1);
    a->q = reals(l, "q", NH*K);
    a->k = reals(l, "k", NH*K);
    a->v = reals(l, "v", NH*V);
    a->o = reals(l, "o", NH*V);
    a->iraw = stats(l, "iraw", NH);
    a->fraw = stats(l, "fraw", NH);
    a->i  = stats(l, "i", NH);
    a->f  = stats(l, "f", NH);
    a->h  = reals(l, "h", NH*V);
    a->C1 = stats_forward(l, "C1", BH*K*V);
    a->n1 = stats_forward(l, "n1", BH*K);
    a->m1 = stats_forward(l, "m1", BH);
    a->m  = stats_forward(l, "m", NH);
    a->qn = stats_forward(l, "qn", NH);
    a->Cs = stats_forward(l, "Cs", BH*chunks*K*V);
    a->ns = stats_forward(l, "ns", BH*chunks*K);
    a->hn = reals(l, "hn", NH*V);
    a->mean = stats_forward(l, "mean", NH);
    a->rstd = stats_forward(l, "rstd", NH);
    a->z  = reals(l, "z", NH*V);
}

static void forward(const struct R(run) *r, const void *keys, const void *places, void *acts, void *remembered, real *y,
                    const real *x)
{
    const struct keys *o = keys;
    const struct places *p = places;
    struct acts *a = acts;
    struct state *state = remembered;
    const int in = state ? state->now : 0, out = !in;
    const int B = r->B, T = r->T, N = B*T, H = o->heads, K = o->key_dim, V = o->value_dim, C = r->c->width;

    r->k->linear_forward(a->q, x, r->w + p->q, NULL, N, H*K, C);
    r->k->linear_forward(a->k, x, r->w + p->k, NULL, N, H*K, C);
    r->k->linear_forward(a->v, x, r->w + p->v, NULL, N, H*V, C);
    r->k->linear_forward(a->o, x, r->w + p->ogate, NULL, N, H*V, C);
    r->k->readout_forward(a->iraw, x, r->w + p->igate, r->s + p->igate_bias, N, H, C);
    r->k->readout_forward(a->fraw, x, r->w + p->fgate, r->s + p->fgate_bias, N, H, C);
    r->k->softcap_forward(a->i, a->iraw, N*H, o->gate_cap);
    r->k->softcap_forward(a->f, a->fraw, N*H, o->gate_cap);
    r->k->mlstm_forward(a->h, state ? state->C[out] : a->C1, state ? state->n[out] : a->n1,
                        state ? state->m[out] : a->m1, a->m, a->qn, state ? NULL : a->Cs, state ? NULL : a->ns,
                        a->q, a->k, a->v, a->i, a->f,
                        state ? state->C[in] : NULL, state ? state->n[in] : NULL, state ? state->m[in] : NULL,
                        r->start_cell, B, T, H, K, V, r->c->chunk, o->gate, o->eps);
    r->k->headnorm_forward(a->hn, a->mean, a->rstd, a->h, r->s + p->headnorm, N, H, V, o->norm_center, o->norm_eps);
    r->k->gate_forward(a->z, a->o, a->hn, N*H*V);
    r->k->linear_forward(y, a->z, r->w + p->out, NULL, N, C, H*V);
    if (state)
        state->now = out;
}

static void backward(const struct R(run) *r, const void *keys, const void *places, stat *g, const void *acts,
                     void *dacts, const real *dy, const real *x, real *dx)
{
    const struct keys *o = keys;
    const struct places *p = places;
    const struct acts *a = acts;
    struct acts *da = dacts;
    const int B = r->B, T = r->T, N = B*T, H = o->heads, K = o->key_dim, V = o->value_dim, C = r->c->width;

    r->k->linear_backward(da->z, g + p->out, NULL, dy, a->z, r->w + p->out, N, C, H*V);
    r->k->gate_backward(da->o, da->hn, da->z, a->o, a->hn, N*H*V);
    r->k->headnorm_backward(da->h, g + p->headnorm, da->hn, a->h, r->s + p->headnorm, a->mean, a->rstd,
                            N, H, V, o->norm_center);
    r->k->mlstm_backward(da->q, da->k, da->v, da->i, da->f, NULL, NULL, da->h, NULL, NULL,
                         a->q, a->k, a->v, a->i, a->f, NULL, NULL, NULL, r->start_cell,
                         a->h, a->C1, a->n1, a->m1, a->m, a->qn, a->Cs, a->ns,
                         B, T, H, K, V, r->c->chunk, o->gate, o->eps);
    r->k->softcap_backward(da->fraw, da->f, a->f, N*H, o->gate_cap);
    r->k->softcap_backward(da->iraw, da->i, a->i, N*H, o->gate_cap);
    r->k->readout_backward(dx, g + p->fgate, g + p->fgate_bias, da->fraw, x, r->w + p->fgate, N, H, C);
    r->k->readout_backward(dx, g + p->igate, g + p->igate_bias, da->iraw, x, r->w + p->igate, N, H, C);
    r->k->linear_backward(dx, g + p->ogate, NULL, da->o, x, r->w + p->ogate, N, H*V, C);
    r->k->linear_backward(dx, g + p->v, NULL, da->v, x, r->w + p->v, N, H*V, C);
    r->k->linear_backward(dx, g + p->k, NULL, da->k, x, r->w + p->k, N, H*K, C);
    r->k->linear_backward(dx, g + p->q, NULL, da->q, x, r->w + p->q, N, H*K, C);
}

/* ---- decoding */

static int ready(struct swax_network *n, const struct swax_config *c, const void *keys, void *state, int window,
                 int more)
{
    const struct keys *o = keys;
    struct state *s = state;
    const size_t H = (size_t)o->heads, K = (size_t)o->key_dim, V = (size_t)o->value_dim;
    int made = 1;
    (void)c, (void)window, (void)more;
    for (int i = 0; i < 2 && made; i++) {
        s->C[i] = s->C[i] ? s->C[i] : swax_take(n, H*K*V * sizeof(stat));
        s->n[i] = s->n[i] ? s->n[i] : swax_take(n, H*K * sizeof(stat));
        s->m[i] = s->m[i] ? s->m[i] : swax_take(n, H * sizeof(stat));
        made = s->C[i] && s->n[i] && s->m[i];
    }
    return made;
}

static void begin(struct swax_network *n, const struct swax_config *c, const void *keys, void *state)
{
    const struct keys *o = keys;
    struct state *s = state;
    const size_t H = (size_t)o->heads, K = (size_t)o->key_dim, V = (size_t)o->value_dim;
    (void)c;
    swax_zero(n, s->C[s->now], H*K*V * sizeof(stat));
    swax_zero(n, s->n[s->now], H*K * sizeof(stat));
    swax_zero(n, s->m[s->now], H * sizeof(stat));
}

static void give(struct swax_network *n, void *state)
{
    struct state *s = state;
    for (int i = 0; i < 2; i++) {
        swax_give(n, s->C[i]);
        swax_give(n, s->n[i]);
        swax_give(n, s->m[i]);
    }
}

/* ---- looking inside: each head's time constant, -1 / mean(log sigmoid(f)) tokens */

static int see(struct swax_network *n, const void *keys, int layer, int T, int window, double *tokens, int most)
{
    const struct keys *o = keys;
    const int H = o->heads < most ? o->heads : most;
    double *f = swax_layer_peek(n, layer, "f");
    (void)window;
    for (int h = 0; h < H && f; h++) {
        double sum = 0;
        for (int t = 0; t < T; t++)
            sum -= log1p(exp(-f[t * o->heads + h]));
        tokens[h] = -T / sum;
    }
    free(f);
    return f ? H : -1;
}

/* ---- Hugging Face: the layer of xLSTMForCausalLM */

static const char *hf_read(const struct swax_hf_reader *r, const struct swax_config *c, void *keys, char *why)
{
    struct keys *o = keys;
    o->heads = r->whole(r->arg, "num_heads", 8);
    o->norm_eps = r->number(r->arg, "cell_norm_eps", c->norm_eps, c->norm_eps);
    o->eps = r->number(r->arg, "eps", 1e-6, 1e-6);
    o->gate_cap = r->number(r->arg, "gate_soft_cap", 15, 0);
    o->igate_bias = r->number(r->arg, "igate_bias_init_range", -10, -10);
    const char *wrong = r->share(r->arg, "mlstm_layer.q.weight", o->heads, &o->key_dim, why);
    return wrong ? wrong : r->share(r->arg, "mlstm_layer.v.weight", o->heads, &o->value_dim, why);
}

static const char *hf_write(const struct swax_hf_writer *w, const struct swax_config *c, const void *keys, char *why)
{
    const struct keys *o = keys;
    if (o->gate != SWAX_EXPONENTIAL || !o->norm_center) {
        snprintf(why, SWAX_WHY, "Hugging Face's xLSTM has cell_gate=exponential and cell_norm=layer only, and this "
                 "network differs.");
        return why;
    }
    w->whole(w->arg, "num_heads", o->heads);
    w->factor(w->arg, "qk_dim_factor", (long)o->heads * o->key_dim, c->width);
    w->factor(w->arg, "v_dim_factor", (long)o->heads * o->value_dim, c->width);
    w->number(w->arg, "cell_norm_eps", o->norm_eps);
    w->number(w->arg, "eps", o->eps);
    w->number(w->arg, "gate_soft_cap", o->gate_cap);
    w->number(w->arg, "igate_bias_init_range", o->igate_bias);
    return NULL;
}

/* ---- the row */

const struct R(swax_mixer) R(swax_mixer_mlstm) = {
    .about = {
        .name = "mlstm", .what = "xLSTM's matrix memory: a state of fixed size, with gates", .sees = SWAX_SEES_STATE,
        .keys = keys_of_mlstm, .keys_size = sizeof(struct keys), .check = check,
        .norm = "norm_mlstm.weight", .places_size = sizeof(struct places), .tensors = tensors, .flops = flops,
        .inside = { .key = "time_constants", .title = "time constants in tokens:", .see = see },
        .hf = { .layer_type = "linear_attention", .tensor = "mlstm_layer.q.weight",
                .read = hf_read, .write = hf_write },
    },
    .acts_size = sizeof(struct acts), .acts = list_acts, .forward = forward, .backward = backward,
    .state_size = sizeof(struct state), .state_ready = ready, .state_begin = begin, .state_free = give,
};
