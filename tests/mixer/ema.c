/* ema.c - a mixer that is not the project's, for check_mixer: gated exponential moving averages, one a head.
 *
 *   f, i = x Wf^T + bf, x Wi^T;   s_t = sigmoid(f_t) s_{t-1} + sigmoid(i_t) k_t v_t;   y = (q s) Wo^T
 *
 * with q and k one number a head, by the cell's kernel with keys of size 1.  At initialisation the averages' half lives
 * are drawn between 1 token and ema_longest. */
#include <math.h>
#include <stdlib.h>

#include "ref/network/mixer.h"

struct keys { int heads, gate; double longest; };
struct places { size_t q, k, v, igate, fgate, fgate_bias, out; };
struct acts { real *q, *k, *v, *h; stat *i, *f, *C1, *n1, *m1, *m, *qn, *Cs, *ns; };
struct state { stat *C[2], *n[2], *m[2]; int now; };

static const char *const gates[] = { "plain", "normalised", NULL };
#define AT(field) offsetof(struct keys, field)
static const struct swax_key keys_of_ema[] = {
    { .name = "ema_heads", .kind = SWAX_KEY_SIZE, .at = AT(heads), .otherwise = "0", .zero = "width/8",
      .what = "averages of a layer" },
    { .name = "ema_gate", .kind = SWAX_KEY_WORD, .at = AT(gate), .otherwise = "plain", .words = gates,
      .what = "how they are read" },
    { .name = "ema_longest", .kind = SWAX_KEY_POSITIVE, .at = AT(longest), .otherwise = "64",
      .what = "the longest half life, in tokens" },
    { 0 }
};

static const char *check(const struct swax_config *c, void *keys, char *why)
{
    struct keys *o = keys;
    if (!o->heads)
        o->heads = c->width / 8 > 0 ? c->width / 8 : 1;
    return c->width % o->heads ? swax_refuse(why, "ema_heads", o->heads, "a divisor of width") : NULL;
}

/* sigmoid(f) = 2^(-1/half) where f = -log(2^(1/half) - 1) */
static double fgate_bias(const struct swax_config *c, long e, double u)
{
    const double half = pow(swax_config_number(c, "ema_longest"), u);
    (void)e;
    return -log(expm1(log(2) / half));
}

static void tensors(struct swax_tensors *l, void *places, const struct swax_config *c, const void *keys, int layer)
{
    const struct keys *o = keys;
    struct places *p = places;
    /* a matrix without decay */
    const struct swax_tensor fgate = { .name = "ema.fgate.weight", .shape = { o->heads, c->width } };
    const struct swax_tensor bias = { .name = "ema.fgate.bias", .shape = { o->heads }, .init = fgate_bias };
    (void)layer;
    p->q          = swax_matrix(l, "ema.q.weight", o->heads, c->width, swax_init_in(c));
    p->k          = swax_matrix(l, "ema.k.weight", o->heads, c->width, swax_init_in(c));
    p->v          = swax_matrix(l, "ema.v.weight", c->width, c->width, swax_init_in(c));
    p->igate      = swax_matrix(l, "ema.igate.weight", o->heads, c->width, 0);
    p->fgate      = swax_tensor_add(l, &fgate);
    p->fgate_bias = swax_tensor_add(l, &bias);
    p->out        = swax_matrix(l, "ema.out.weight", c->width, c->width, swax_init_out(c));
}

static double flops(const struct swax_config *c, const void *keys, int T, int window, int training)
{
    const struct keys *o = keys;
    (void)T, (void)window;
    return (training ? 3 : 1) * (2.0 * c->width * (2.0 * c->width + 4.0 * o->heads) + 4.0 * c->width);
}

static void list_acts(struct R(list) *l, void *acts, const struct swax_config *c, const void *keys, int B, int T)
{
    const struct keys *o = keys;
    struct acts *a = acts;
    const size_t C = (size_t)c->width, BH = (size_t)B * (size_t)o->heads, N = (size_t)B * (size_t)T,
        NH = BH * (size_t)T;
    const size_t BC = (size_t)B * C, chunks = (size_t)((T - 1) / c->chunk + 1);
    a->q  = reals(l, "q", NH);
    a->k  = reals(l, "k", NH);
    a->v  = reals(l, "v", N*C);
    a->i  = stats(l, "i", NH);
    a->f  = stats(l, "f", NH);
    a->h  = reals(l, "h", N*C);
    a->C1 = stats_forward(l, "C1", BC);
    a->n1 = stats_forward(l, "n1", BH);
    a->m1 = stats_forward(l, "m1", BH);
    a->m  = stats_forward(l, "m", NH);
    a->qn = stats_forward(l, "qn", NH);
    a->Cs = stats_forward(l, "Cs", BC*chunks);
    a->ns = stats_forward(l, "ns", BH*chunks);
}

static void forward(const struct R(run) *r, const void *keys, const void *places, void *acts, void *remembered, real *y,
                    const real *x)
{
    const struct keys *o = keys;
    const struct places *p = places;
    struct acts *a = acts;
    struct state *s = remembered;
    const int in = s ? s->now : 0, out = !in;
    const int B = r->B, T = r->T, N = B*T, H = o->heads, C = r->c->width;

    r->k->linear_forward(a->q, x, r->w + p->q, NULL, N, H, C);
    r->k->linear_forward(a->k, x, r->w + p->k, NULL, N, H, C);
    r->k->linear_forward(a->v, x, r->w + p->v, NULL, N, C, C);
    r->k->readout_forward(a->i, x, r->w + p->igate, NULL, N, H, C);
    r->k->readout_forward(a->f, x, r->w + p->fgate, r->s + p->fgate_bias, N, H, C);
    r->k->mlstm_forward(a->h, s ? s->C[out] : a->C1, s ? s->n[out] : a->n1, s ? s->m[out] : a->m1, a->m, a->qn,
                        s ? NULL : a->Cs, s ? NULL : a->ns, a->q, a->k, a->v, a->i, a->f,
                        s ? s->C[in] : NULL, s ? s->n[in] : NULL, s ? s->m[in] : NULL,
                        r->start_cell, B, T, H, 1, C/H, r->c->chunk, o->gate ? SWAX_SIGMOID_NORMALISED : SWAX_SIGMOID,
                        0);
    r->k->linear_forward(y, a->h, r->w + p->out, NULL, N, C, C);
    if (s)
        s->now = out;
}

static void backward(const struct R(run) *r, const void *keys, const void *places, stat *g, const void *acts,
                     void *dacts, const real *dy, const real *x, real *dx)
{
    const struct keys *o = keys;
    const struct places *p = places;
    const struct acts *a = acts;
    struct acts *da = dacts;
    const int B = r->B, T = r->T, N = B*T, H = o->heads, C = r->c->width;

    r->k->linear_backward(da->h, g + p->out, NULL, dy, a->h, r->w + p->out, N, C, C);
    r->k->mlstm_backward(da->q, da->k, da->v, da->i, da->f, NULL, NULL, da->h, NULL, NULL,
                         a->q, a->k, a->v, a->i, a->f, NULL, NULL, NULL, r->start_cell,
                         a->h, a->C1, a->n1, a->m1, a->m, a->qn, a->Cs, a->ns,
                         B, T, H, 1, C/H, r->c->chunk, o->gate ? SWAX_SIGMOID_NORMALISED : SWAX_SIGMOID, 0);
    r->k->readout_backward(dx, g + p->fgate, g + p->fgate_bias, da->f, x, r->w + p->fgate, N, H, C);
    r->k->readout_backward(dx, g + p->igate, NULL, da->i, x, r->w + p->igate, N, H, C);
    r->k->linear_backward(dx, g + p->v, NULL, da->v, x, r->w + p->v, N, C, C);
    r->k->linear_backward(dx, g + p->k, NULL, da->k, x, r->w + p->k, N, H, C);
    r->k->linear_backward(dx, g + p->q, NULL, da->q, x, r->w + p->q, N, H, C);
}

static int ready(struct swax_network *n, const struct swax_config *c, const void *keys, void *state, int window,
                 int more)
{
    const struct keys *o = keys;
    struct state *s = state;
    int made = 1;
    (void)window, (void)more;
    for (int i = 0; i < 2 && made; i++) {
        s->C[i] = s->C[i] ? s->C[i] : swax_take(n, (size_t)c->width * sizeof(stat));
        s->n[i] = s->n[i] ? s->n[i] : swax_take(n, (size_t)o->heads * sizeof(stat));
        s->m[i] = s->m[i] ? s->m[i] : swax_take(n, (size_t)o->heads * sizeof(stat));
        made = s->C[i] && s->n[i] && s->m[i];
    }
    return made;
}

static void begin(struct swax_network *n, const struct swax_config *c, const void *keys, void *state)
{
    const struct keys *o = keys;
    struct state *s = state;
    swax_zero(n, s->C[s->now], (size_t)c->width * sizeof(stat));
    swax_zero(n, s->n[s->now], (size_t)o->heads * sizeof(stat));
    swax_zero(n, s->m[s->now], (size_t)o->heads * sizeof(stat));
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

static int see(struct swax_network *n, const void *keys, int layer, int T, int window, double *half_life, int most)
{
    const struct keys *o = keys;
    const int H = o->heads < most ? o->heads : most;
    double *f = swax_layer_peek(n, layer, "f");
    (void)window;
    for (int h = 0; h < H && f; h++)
        half_life[h] = log(2) / log1p(exp(-f[(T - 1) * o->heads + h]));
    free(f);
    return f ? H : -1;
}

const struct R(swax_mixer) R(swax_mixer_ema) = {
    .about = {
        .name = "ema", .what = "gated moving averages", .sees = SWAX_SEES_STATE,
        .keys = keys_of_ema, .keys_size = sizeof(struct keys), .check = check,
        .norm = "norm_ema.weight", .places_size = sizeof(struct places), .tensors = tensors, .flops = flops,
        .inside = { .key = "half_lives", .title = "half lives in tokens, at the last one:", .see = see },
    },
    .acts_size = sizeof(struct acts), .acts = list_acts, .forward = forward, .backward = backward,
    .state_size = sizeof(struct state), .state_ready = ready, .state_begin = begin, .state_free = give,
};
