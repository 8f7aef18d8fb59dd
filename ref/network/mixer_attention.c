/* mixer_attention.c - softmax attention as a mixer: "swa" with the run's window, "full" without one.
 *
 *   q, k, v = x Wq^T, x Wk^T, x Wv^T;   qr, kr = RoPE(q), RoPE(k);   y = attention(qr, kr, v) Wo^T
 *
 * When decoding, kr and v go to the end of the keys that the state remembers, and attention reads those too. */
#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "ref/network/mixer.h"

struct keys { int heads, kv_heads, head_dim; double rope_theta; };
struct places { size_t q, k, v, out; };
struct acts { real *q, *k, *v, *qr, *kr, *y; stat *lse; };             /* qr, kr: turned by RoPE */
struct state { real *k, *v; int room, used, position; };               /* keys of one sequence, turned */

/* ---- what it is */

#define AT(field) offsetof(struct keys, field)
static const struct swax_key keys_of_attention[] = {
    { .name = "heads", .kind = SWAX_KEY_SIZE, .at = AT(heads), .otherwise = "4",
      .what = "query heads of an attention layer" },
    { .name = "key_value_heads", .kind = SWAX_KEY_SIZE, .at = AT(kv_heads), .otherwise = "0",
      .zero = "as many as heads", .what = "of an attention layer, a divisor of heads" },
    { .name = "head_dim", .kind = SWAX_KEY_SIZE, .at = AT(head_dim), .otherwise = "0", .zero = "width/heads",
      .what = "size of an attention head" },
    { .name = "rope_theta", .kind = SWAX_KEY_POSITIVE, .at = AT(rope_theta), .otherwise = "10000",
      .what = "RoPE's base: its longest wavelength is about 2 pi times it" },
    { 0 }
};

static const char *check(const struct swax_config *c, void *keys, char *why)
{
    struct keys *o = keys;
    const char *wrong;
    if (!o->kv_heads)
        o->kv_heads = o->heads;
    if (!o->head_dim && c->width % o->heads)
        return swax_refuse(why, "heads", o->heads, "a divisor of width, or head_dim should be given");
    if (!o->head_dim)
        o->head_dim = c->width / o->heads;
    if (o->heads % o->kv_heads)
        return swax_refuse(why, "key_value_heads", o->kv_heads, "a divisor of heads");
    if ((wrong = swax_too_large(why, "a row of queries (heads x head_dim)", o->heads, o->head_dim)) ||
        (wrong = swax_too_large(why, "the query projection (heads*head_dim x width)", o->heads * o->head_dim,
                                c->width)))
        return wrong;
    return NULL;
}

static void tensors(struct swax_tensors *l, void *places, const struct swax_config *c, const void *keys, int layer)
{
    const struct keys *o = keys;
    struct places *p = places;
    const long HD = (long)o->heads * o->head_dim, GD = (long)o->kv_heads * o->head_dim;
    const struct swax_tensor q = { .name = "swa_layer.q.weight", .shape = { HD, c->width }, .init_std = swax_init_in(c),
                                   .decay = 1, .rope_heads = o->heads };
    const struct swax_tensor k = { .name = "swa_layer.k.weight", .shape = { GD, c->width }, .init_std = swax_init_in(c),
                                   .decay = 1, .rope_heads = o->kv_heads };
    (void)layer;
    p->q   = swax_tensor_add(l, &q);
    p->k   = swax_tensor_add(l, &k);
    p->v   = swax_matrix(l, "swa_layer.v.weight", GD, c->width, swax_init_in(c));
    p->out = swax_matrix(l, "swa_layer.out_proj.weight", c->width, HD, swax_init_out(c));
}

/* Attention over the keys that are there, W at most. */
static double flops(const struct swax_config *c, const struct keys *o, int T, int window, int training)
{
    const double HD = (double)o->heads * o->head_dim, GD = (double)o->kv_heads * o->head_dim, W = fmin(window, T);
    const double keys = W - W * (W - 1) / (2.0 * T);                   /* the mean of min(t, W) over t = 1..T */
    return (training ? 3 : 1) * (2.0 * c->width * (2*HD + 2*GD) + 4 * keys * HD);
}

static double swa_flops(const struct swax_config *c, const void *keys, int T, int window, int training)
{
    return flops(c, keys, T, window, training);
}

static double full_flops(const struct swax_config *c, const void *keys, int T, int window, int training)
{
    (void)window;
    return flops(c, keys, T, INT_MAX, training);
}

/* ---- forward and backward */

static void list_acts(struct R(list) *l, void *acts, const struct swax_config *c, const void *keys, int B, int T)
{
    const struct keys *o = keys;
    struct acts *a = acts;
    const size_t N = (size_t)B * (size_t)T, HD = (size_t)(o->heads * o->head_dim);
    const size_t GD = (size_t)(o->kv_heads * o->head_dim);
    (void)c;
    a->q   = reals(l, "q", N*HD);
    a->k   = reals(l, "k", N*GD);
    a->v   = reals(l, "v", N*GD);
    a->qr  = reals(l, "qr", N*HD);
    a->kr  = reals(l, "kr", N*GD);
    a->y   = reals(l, "y", N*HD);
    a->lse = stats_forward(l, "lse", N*(size_t)o->heads);
}

static void forward(const struct R(run) *r, const struct keys *o, const struct places *p, struct acts *a,
                    struct state *state, real *y, const real *x, int window)
{
    const int B = r->B, T = r->T, N = B*T, H = o->heads, G = o->kv_heads, D = o->head_dim, C = r->c->width;
    const int cached = state ? state->used : 0, P = state ? state->position : 0;
    real *kr = state ? state->k + (long)cached*G*D : a->kr, *v = state ? state->v + (long)cached*G*D : a->v;

    r->k->linear_forward(a->q, x, r->w + p->q, NULL, N, H*D, C);
    r->k->linear_forward(a->k, x, r->w + p->k, NULL, N, G*D, C);
    r->k->linear_forward(v,    x, r->w + p->v, NULL, N, G*D, C);
    r->k->rope_forward(a->qr, a->q, r->start_attention, B, T, H, D, P, o->rope_theta);
    r->k->rope_forward(kr,    a->k, r->start_attention, B, T, G, D, P, o->rope_theta);
    r->k->attention_forward(a->y, a->lse, a->qr, state ? state->k : a->kr, state ? state->v : a->v, NULL,
                            r->start_attention, B, T, cached + T, H, G, D, window);
    r->k->linear_forward(y, a->y, r->w + p->out, NULL, N, C, H*D);
    if (state) {
        state->used += T;
        state->position += T;
    }
}

static void backward(const struct R(run) *r, const struct keys *o, const struct places *p, stat *g,
                     const struct acts *a, struct acts *da, const real *dy, const real *x, real *dx, int window)
{
    const int B = r->B, T = r->T, N = B*T, H = o->heads, G = o->kv_heads, D = o->head_dim, C = r->c->width;

    r->k->linear_backward(da->y, g + p->out, NULL, dy, a->y, r->w + p->out, N, C, H*D);
    r->k->attention_backward(da->qr, da->kr, da->v, NULL, da->y, a->qr, a->kr, a->v, NULL,
                             r->start_attention, a->y, a->lse, B, T, T, H, G, D, window);
    r->k->rope_backward(da->k, da->kr, r->start_attention, B, T, G, D, 0, o->rope_theta);
    r->k->rope_backward(da->q, da->qr, r->start_attention, B, T, H, D, 0, o->rope_theta);
    r->k->linear_backward(dx, g + p->v, NULL, da->v, x, r->w + p->v, N, G*D, C);
    r->k->linear_backward(dx, g + p->k, NULL, da->k, x, r->w + p->k, N, G*D, C);
    r->k->linear_backward(dx, g + p->q, NULL, da->q, x, r->w + p->q, N, H*D, C);
}

static void swa_forward(const struct R(run) *r, const void *keys, const void *places, void *acts, void *state, real *y,
                        const real *x)
{
    forward(r, keys, places, acts, state, y, x, r->window);
}

static void swa_backward(const struct R(run) *r, const void *keys, const void *places, stat *g, const void *acts,
                         void *dacts, const real *dy, const real *x, real *dx)
{
    backward(r, keys, places, g, acts, dacts, dy, x, dx, r->window);
}

static void full_forward(const struct R(run) *r, const void *keys, const void *places, void *acts, void *state, real *y,
                         const real *x)
{
    forward(r, keys, places, acts, state, y, x, INT_MAX);
}

static void full_backward(const struct R(run) *r, const void *keys, const void *places, stat *g, const void *acts,
                          void *dacts, const real *dy, const real *x, real *dx)
{
    backward(r, keys, places, g, acts, dacts, dy, x, dx, INT_MAX);
}

/* ---- decoding */

/* Room for `more` keys at the end: forget those that no later query can see, else take a larger room. */
static int ready(struct swax_network *n, const struct keys *o, struct state *s, int window, int more)
{
    if (s->used + more <= s->room)
        return 1;
    const int keep = s->used < window - 1 ? s->used : window - 1;
    const size_t row = (size_t)o->kv_heads * (size_t)o->head_dim;
    const int room = s->room > 2 * (keep + more) ? s->room : 2 * (keep + more);
    real *k = swax_take(n, (size_t)room * row * sizeof(real)), *v = swax_take(n, (size_t)room * row * sizeof(real));
    void *host = malloc((size_t)keep * row * sizeof(real) + 1);
    const int ok = k && v && host;
    if (ok) {
        swax_get(n, host, s->k + (size_t)(s->used - keep) * row, (size_t)keep * row * sizeof(real));
        swax_put(n, k, host, (size_t)keep * row * sizeof(real));
        swax_get(n, host, s->v + (size_t)(s->used - keep) * row, (size_t)keep * row * sizeof(real));
        swax_put(n, v, host, (size_t)keep * row * sizeof(real));
        swax_give(n, s->k);
        swax_give(n, s->v);
        s->k = k;
        s->v = v;
        s->room = room;
        s->used = keep;
    } else {
        swax_give(n, k);
        swax_give(n, v);
    }
    free(host);
    return ok;
}

static int swa_ready(struct swax_network *n, const struct swax_config *c, const void *keys, void *state, int window,
                     int more)
{
    (void)c;
    return ready(n, keys, state, window, more);
}

static int full_ready(struct swax_network *n, const struct swax_config *c, const void *keys, void *state, int window,
                      int more)
{
    (void)c, (void)window;
    return ready(n, keys, state, INT_MAX, more);
}

static void begin(struct swax_network *n, const struct swax_config *c, const void *keys, void *state)
{
    struct state *s = state;
    (void)n, (void)c, (void)keys;
    s->used = s->position = 0;
}

static void give(struct swax_network *n, void *state)
{
    struct state *s = state;
    swax_give(n, s->k);
    swax_give(n, s->v);
}

/* ---- looking inside: the share of softmax mass on keys 0, 1, 2-3, 4-7, ... tokens back */

static void add_mass(const struct keys *o, const double *q, const double *k, const double *lse, int T, int W,
                     double *mass, int most)
{
    const int H = o->heads, G = o->kv_heads, D = o->head_dim;
    for (int t = 0; t < T; t++)
        for (int h = 0; h < H; h++)
            for (int s = t - W + 1 > 0 ? t - W + 1 : 0; s <= t; s++) {
                const double *qt = q + (t * H + h) * D, *ks = k + (s * G + h * G / H) * D;
                double a = 0;
                int class = 0;
                for (int i = 0; i < D; i++)
                    a += qt[i] * ks[i];
                for (int back = t - s; back; back /= 2)
                    class++;
                mass[class < most ? class : most - 1] += exp(a / sqrt(D) - lse[t * H + h]) / ((double)T * H);
            }
}

static int see(struct swax_network *n, const struct keys *o, int layer, int T, int W, double *mass, int most)
{
    double *q = swax_layer_peek(n, layer, "qr"), *k = swax_layer_peek(n, layer, "kr");
    double *lse = swax_layer_peek(n, layer, "lse");
    int count = -1;
    if (q && k && lse) {
        for (int i = 0; i < most; i++)
            mass[i] = 0;
        add_mass(o, q, k, lse, T, W < T ? W : T, mass, most);
        for (count = most; count > 1 && !(mass[count - 1] > 0); )
            count--;
    }
    free(q), free(k), free(lse);
    return count;
}

static int swa_see(struct swax_network *n, const void *keys, int layer, int T, int window, double *mass, int most)
{
    return see(n, keys, layer, T, window, mass, most);
}

static int full_see(struct swax_network *n, const void *keys, int layer, int T, int window, double *mass, int most)
{
    (void)window;
    return see(n, keys, layer, T, INT_MAX, mass, most);
}

/* ---- Hugging Face: xLSTM has no attention; these are the usual names, which its readers ignore */

static const char *hf_read(const struct swax_hf_reader *r, const struct swax_config *c, void *keys, char *why)
{
    struct keys *o = keys;
    (void)c;
    o->heads = r->whole(r->arg, "num_attention_heads", 1);
    o->kv_heads = r->whole(r->arg, "num_key_value_heads", o->heads);
    o->rope_theta = r->number(r->arg, "rope_theta", 10000, 10000);
    return r->share(r->arg, "swa_layer.q.weight", o->heads, &o->head_dim, why);
}

static const char *hf_write(const struct swax_hf_writer *w, const struct swax_config *c, const void *keys, char *why)
{
    const struct keys *o = keys;
    (void)c, (void)why;
    w->whole(w->arg, "num_attention_heads", o->heads);
    w->whole(w->arg, "num_key_value_heads", o->kv_heads);
    w->number(w->arg, "rope_theta", o->rope_theta);
    return NULL;
}

/* ---- the rows */

#define INSIDE .key = "attention", .title = "attention 0, 1, 2-3, 4-7, ... tokens back:", .shares = 1
#define HF .tensor = "swa_layer.q.weight", .read = hf_read, .write = hf_write

const struct R(swax_mixer) R(swax_mixer_swa) = {
    .about = {
        .name = "swa", .what = "softmax attention over the last `window` tokens, with RoPE", .sees = SWAX_SEES_WINDOW,
        .keys = keys_of_attention, .keys_size = sizeof(struct keys), .check = check,
        .norm = "norm_swa.weight", .places_size = sizeof(struct places), .tensors = tensors, .flops = swa_flops,
        .inside = { INSIDE, .see = swa_see }, .hf = { .layer_type = "sliding_attention", HF },
    },
    .acts_size = sizeof(struct acts), .acts = list_acts, .forward = swa_forward, .backward = swa_backward,
    .state_size = sizeof(struct state), .state_ready = swa_ready, .state_begin = begin, .state_free = give,
};

const struct R(swax_mixer) R(swax_mixer_full) = {
    .about = {
        .name = "full", .what = "softmax attention over all tokens before, with RoPE", .sees = SWAX_SEES_ALL,
        .keys = keys_of_attention, .keys_size = sizeof(struct keys), .check = check,
        .norm = "norm_swa.weight", .places_size = sizeof(struct places), .tensors = tensors, .flops = full_flops,
        .inside = { INSIDE, .see = full_see }, .hf = { .layer_type = "full_attention", HF },
    },
    .acts_size = sizeof(struct acts), .acts = list_acts, .forward = full_forward, .backward = full_backward,
    .state_size = sizeof(struct state), .state_ready = full_ready, .state_begin = begin, .state_free = give,
};
