/* mixer_attention.c - softmax attention as a mixer: "swa" with the run's window, "full" without one.
 *
 *   q, k, v = x Wq^T, x Wk^T, x Wv^T;   qr, kr = RoPE(q), RoPE(k);   y = attention(qr, kr, v) Wo^T
 *
 * When decoding, kr and v go to the end of the keys that the state remembers, and attention reads those too. */
#include "ref/network/model.h"

static void attention_acts(struct R(list) *l, union R(mixer_acts) *acts, const struct swax_config *c, int B, int T)
{
    struct R(attention_acts) *a = &acts->attention;
    const size_t N = (size_t)B * (size_t)T, HD = (size_t)(c->heads * c->head_dim), GD = (size_t)(c->kv_heads * c->head_dim);
    a->q   = reals(l, "q", N*HD);
    a->k   = reals(l, "k", N*GD);
    a->v   = reals(l, "v", N*GD);
    a->qr  = reals(l, "qr", N*HD);
    a->kr  = reals(l, "kr", N*GD);
    a->y   = reals(l, "y", N*HD);
    a->lse = stats_forward(l, "lse", N*(size_t)c->heads);
}

static void attention_layer(const struct R(run) *r, const struct swax_attention_places *p, struct R(attention_acts) *a,
                            struct R(attention_state) *state, real *y, const real *x, int window)
{
    const struct swax_config *c = r->c;
    const int B = r->B, T = r->T, N = B*T, H = c->heads, G = c->kv_heads, D = c->head_dim;
    const int cached = state ? state->used : 0, P = state ? state->position : 0;
    real *kr = state ? state->k + (long)cached*G*D : a->kr, *v = state ? state->v + (long)cached*G*D : a->v;

    r->k->linear_forward(a->q, x, r->w + p->q, NULL, N, H*D, c->width);
    r->k->linear_forward(a->k, x, r->w + p->k, NULL, N, G*D, c->width);
    r->k->linear_forward(v,    x, r->w + p->v, NULL, N, G*D, c->width);
    r->k->rope_forward(a->qr, a->q, r->start_attention, B, T, H, D, P, c->rope_theta);
    r->k->rope_forward(kr,    a->k, r->start_attention, B, T, G, D, P, c->rope_theta);
    r->k->attention_forward(a->y, a->lse, a->qr, state ? state->k : a->kr, state ? state->v : a->v,
                            r->start_attention, B, T, cached + T, H, G, D, window);
    r->k->linear_forward(y, a->y, r->w + p->out, NULL, N, c->width, H*D);
    if (state) {
        state->used += T;
        state->position += T;
    }
}

static void attention_layer_backward(const struct R(run) *r, const struct swax_attention_places *p, stat *g,
                                     const struct R(attention_acts) *a, struct R(attention_acts) *da,
                                     const real *dy, const real *x, real *dx, int window)
{
    const struct swax_config *c = r->c;
    const int B = r->B, T = r->T, N = B*T, H = c->heads, G = c->kv_heads, D = c->head_dim;

    r->k->linear_backward(da->y, g + p->out, NULL, dy, a->y, r->w + p->out, N, c->width, H*D);
    r->k->attention_backward(da->qr, da->kr, da->v, da->y, a->qr, a->kr, a->v,
                             r->start_attention, a->y, a->lse, B, T, T, H, G, D, window);
    r->k->rope_backward(da->k, da->kr, r->start_attention, B, T, G, D, 0, c->rope_theta);
    r->k->rope_backward(da->q, da->qr, r->start_attention, B, T, H, D, 0, c->rope_theta);
    r->k->linear_backward(dx, g + p->v, NULL, da->v, x, r->w + p->v, N, G*D, c->width);
    r->k->linear_backward(dx, g + p->k, NULL, da->k, x, r->w + p->k, N, G*D, c->width);
    r->k->linear_backward(dx, g + p->q, NULL, da->q, x, r->w + p->q, N, H*D, c->width);
}

static void swa_forward(const struct R(run) *r, const struct swax_block_places *p, union R(mixer_acts) *a,
                        union R(mixer_state) *state, real *y, const real *x)
{
    attention_layer(r, &p->mixer.attention, &a->attention, state ? &state->attention : NULL, y, x, r->window);
}

static void swa_backward(const struct R(run) *r, const struct swax_block_places *p, stat *g, const union R(mixer_acts) *a,
                         union R(mixer_acts) *da, const real *dy, const real *x, real *dx)
{
    attention_layer_backward(r, &p->mixer.attention, g, &a->attention, &da->attention, dy, x, dx, r->window);
}

static void full_forward(const struct R(run) *r, const struct swax_block_places *p, union R(mixer_acts) *a,
                         union R(mixer_state) *state, real *y, const real *x)
{
    attention_layer(r, &p->mixer.attention, &a->attention, state ? &state->attention : NULL, y, x, INT_MAX);
}

static void full_backward(const struct R(run) *r, const struct swax_block_places *p, stat *g, const union R(mixer_acts) *a,
                          union R(mixer_acts) *da, const real *dy, const real *x, real *dx)
{
    attention_layer_backward(r, &p->mixer.attention, g, &a->attention, &da->attention, dy, x, dx, INT_MAX);
}
