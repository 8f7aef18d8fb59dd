/* delta_parts.c - the parts of a layer around the slot `delta`. */
#include "ref/network/delta_parts.h"

#include <math.h>
#include <stdlib.h>

/* Elements of a row of q, k or v. */
static int row_of(const struct swax_delta_sizes *o, int i)
{
    return i < 2 ? o->key_heads * o->key_dim : o->heads * o->value_dim;
}

/* ---- activations */

void R(swax_delta_list_rows)(struct R(list) *l, struct R(swax_delta_rows) *a, const struct swax_delta_sizes *o, int B,
                             int T)
{
    static const char *const name[3] = { "q", "k", "v" }, *const convolved[3] = { "qc", "kc", "vc" };
    const size_t N = (size_t)B * (size_t)T;
    for (int i = 0; i < 3; i++)
        a->x[i] = reals(l, name[i], N * (size_t)row_of(o, i));
    for (int i = 0; i < 3; i++)
        a->c[i] = o->taps ? reals(l, convolved[i], N * (size_t)row_of(o, i)) : a->x[i];
}

void R(swax_delta_list_unit)(struct R(list) *l, struct R(swax_delta_unit) *a, const struct swax_delta_sizes *o, int B,
                             int T)
{
    const size_t K = (size_t)o->key_dim, NG = (size_t)B * (size_t)T * (size_t)o->key_heads;
    a->q = reals(l, "qn", NG*K);
    a->k = reals(l, "kn", NG*K);
    a->zero  = stats_forward(l, "zero", K);
    a->unit  = stats(l, "unit", K);
    a->qrstd = stats_forward(l, "qrstd", NG);
    a->krstd = stats_forward(l, "krstd", NG);
}

void R(swax_delta_list_rule)(struct R(list) *l, struct R(swax_delta_rule) *a, const struct swax_delta_sizes *o,
                             int chunk, int B, int T)
{
    const size_t KV = (size_t)o->key_dim * (size_t)o->value_dim, V = (size_t)o->value_dim;
    const size_t BH = (size_t)B * (size_t)o->heads;
    const size_t NH = BH * (size_t)T, chunks = (size_t)((T - 1) / chunk + 1);
    a->o    = reals(l, "o", NH*V);
    a->g    = stats(l, "g", NH * (size_t)o->gates);
    a->beta = stats(l, "beta", NH);
    a->S1 = stats_forward(l, "S1", BH*KV);
    a->r  = stats_forward(l, "r", NH*V);
    a->Ss = stats_forward(l, "Ss", BH*chunks*KV);
    a->S  = stats_forward(l, "S", BH*KV);
    a->D  = stats_forward(l, "D", BH*KV);
}

/* ---- rows */

void R(swax_delta_rows_forward)(const struct R(run) *r, const struct swax_delta_sizes *o, struct swax_delta_weights w,
                                const struct R(swax_delta_rows) *a, const struct R(swax_delta_state) *s, const real *x)
{
    const int B = r->B, T = r->T, C = r->c->width, F = o->taps, cached = s && F ? s->used : 0;
    for (int i = 0; i < 3; i++) {
        real *rows = s && F ? s->rows[i] : a->x[i];
        r->k->linear_forward(rows + (long)cached * row_of(o, i), x, r->w + w.matrix[i], NULL, B*T, row_of(o, i), C);
        if (F)
            r->k->conv_forward(a->c[i], rows, r->s + w.conv[i], w.bias ? r->s + w.bias[i] : NULL, r->start_cell,
                               B, T, cached + T, row_of(o, i), F);
    }
}

void R(swax_delta_rows_backward)(const struct R(run) *r, const struct swax_delta_sizes *o, struct swax_delta_weights w,
                                 stat *g, const struct R(swax_delta_rows) *a,
                                 const struct R(swax_delta_rows) *da, const real *x, real *dx)
{
    const int B = r->B, T = r->T, C = r->c->width, F = o->taps;
    for (int i = 2; i >= 0; i--) {
        if (F)
            r->k->conv_backward(da->x[i], g + w.conv[i], w.bias ? g + w.bias[i] : NULL, da->c[i], a->x[i],
                                r->s + w.conv[i], w.bias ? r->s + w.bias[i] : NULL, r->start_cell,
                                B, T, T, row_of(o, i), F);
        r->k->linear_backward(dx, g + w.matrix[i], NULL, da->x[i], x, r->w + w.matrix[i], B*T, row_of(o, i), C);
    }
}

/* ---- keys of length 1 */

void R(swax_delta_unit_forward)(const struct R(run) *r, const struct swax_delta_sizes *o,
                                const struct R(swax_delta_unit) *a,
                                const struct R(swax_delta_rows) *rows, double eps)
{
    const int K = o->key_dim, NG = r->B * r->T * o->key_heads;
    swax_tier_zero(r->tier, a->zero, (size_t)K * sizeof(stat));
    r->k->strength_forward(a->unit, a->zero, K, 2 / sqrt(K));
    r->k->rmsnorm_forward(a->q, a->qrstd, rows->c[0], a->unit, NG, K, eps / K);
    r->k->rmsnorm_forward(a->k, a->krstd, rows->c[1], a->unit, NG, K, eps / K);
}

void R(swax_delta_unit_backward)(const struct R(run) *r, const struct swax_delta_sizes *o,
                                 const struct R(swax_delta_unit) *a,
                                 const struct R(swax_delta_unit) *da, const struct R(swax_delta_rows) *rows,
                                 const struct R(swax_delta_rows) *drows)
{
    const int K = o->key_dim, NG = r->B * r->T * o->key_heads;
    r->k->rmsnorm_backward(drows->c[1], da->unit, da->k, rows->c[1], a->unit, a->krstd, NG, K);
    r->k->rmsnorm_backward(drows->c[0], da->unit, da->q, rows->c[0], a->unit, a->qrstd, NG, K);
}

/* ---- the rule */

void R(swax_delta_rule_forward)(const struct R(run) *r, const struct swax_delta_sizes *o,
                                const struct R(swax_delta_rule) *a,
                                struct R(swax_delta_state) *s, const real *q, const real *k, const real *v)
{
    r->k->delta_forward(a->o, s ? s->S[!s->now] : a->S1, a->r, s ? NULL : a->Ss,
                        q, k, v, a->g, a->beta, s ? s->S[s->now] : NULL, r->start_cell,
                        r->B, r->T, o->heads, o->key_heads, o->key_dim, o->value_dim, o->gates,
                        r->c->chunk, o->erase, o->scale);
    if (s) {
        s->now = !s->now;
        s->used += o->taps ? r->T : 0;
    }
}

void R(swax_delta_rule_backward)(const struct R(run) *r, const struct swax_delta_sizes *o,
                                 const struct R(swax_delta_rule) *a,
                                 const struct R(swax_delta_rule) *da, real *dq, real *dk, real *dv,
                                 const real *q, const real *k, const real *v)
{
    r->k->delta_backward(dq, dk, dv, da->g, da->beta, NULL, a->S, a->D, da->o, NULL,
                         q, k, v, a->g, a->beta, NULL, r->start_cell, a->S1, a->r, a->Ss,
                         r->B, r->T, o->heads, o->key_heads, o->key_dim, o->value_dim, o->gates,
                         r->c->chunk, o->erase, o->scale);
}

/* ---- decoding */

static size_t state_bytes(const struct swax_delta_sizes *o)
{
    return (size_t)o->heads * (size_t)o->key_dim * (size_t)o->value_dim * sizeof(stat);
}

/* Room for `more` rows at the end; where there is none, a new one begins with the rows that a later tap can reach. */
static int rows_ready(struct swax_network *n, const struct swax_delta_sizes *o, struct R(swax_delta_state) *s, int more)
{
    const int reach = o->taps - 1, keep = s->used < reach ? s->used : reach, room = 2 * (keep + more);
    real *to[3] = { 0 };
    int made = 1;
    if (!o->taps || s->used + more <= s->room)
        return 1;
    for (int i = 0; i < 3 && made; i++) {
        const size_t row = (size_t)row_of(o, i), bytes = (size_t)keep * row * sizeof(real);
        void *host = malloc(bytes + 1);
        to[i] = swax_take(n, (size_t)room * row * sizeof(real));
        made = to[i] && host;
        if (made && keep) {
            swax_get(n, host, s->rows[i] + (size_t)(s->used - keep) * row, bytes);
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

int R(swax_delta_ready)(struct swax_network *n, const struct swax_config *c, const void *sizes, void *state, int window,
                        int more)
{
    const struct swax_delta_sizes *o = sizes;
    struct R(swax_delta_state) *s = state;
    (void)c, (void)window;
    for (int i = 0; i < 2; i++)
        s->S[i] = s->S[i] ? s->S[i] : swax_take(n, state_bytes(o));
    return s->S[0] && s->S[1] && rows_ready(n, o, s, more);
}

void R(swax_delta_begin)(struct swax_network *n, const struct swax_config *c, const void *sizes, void *state)
{
    struct R(swax_delta_state) *s = state;
    (void)c;
    s->used = 0;
    swax_zero(n, s->S[s->now], state_bytes(sizes));
}

void R(swax_delta_give)(struct swax_network *n, void *state)
{
    struct R(swax_delta_state) *s = state;
    for (int i = 0; i < 2; i++)
        swax_give(n, s->S[i]);
    for (int i = 0; i < 3; i++)
        swax_give(n, s->rows[i]);
}
