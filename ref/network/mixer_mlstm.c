/* mixer_mlstm.c - the mLSTM layer of xLSTM-7B as a mixer.
 *
 *   q, k, v, o = x Wq^T, x Wk^T, x Wv^T, x Wo^T;   i, f = cap(x Wi^T + bi), cap(x Wf^T + bf)
 *   y = (sigmoid(o) headnorm(cell(q, k, v, i, f))) Wout^T
 *
 * Training starts every sequence from the zero state; when decoding, the state goes in and comes out. */
#include "ref/network/model.h"

static void mlstm_acts(struct R(list) *l, union R(mixer_acts) *acts, const struct swax_config *c, int B, int T)
{
    struct R(mlstm_acts) *a = &acts->mlstm;
    const size_t K = (size_t)c->key_dim, V = (size_t)c->value_dim, BH = (size_t)B * (size_t)c->cell_heads;
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

static void mlstm_forward(const struct R(run) *r, const struct swax_block_places *places, union R(mixer_acts) *acts,
                          union R(mixer_state) *remembered, real *y, const real *x)
{
    const struct swax_config *c = r->c;
    const struct swax_mlstm_places *p = &places->mixer.mlstm;
    struct R(mlstm_acts) *a = &acts->mlstm;
    struct R(mlstm_state) *state = remembered ? &remembered->mlstm : NULL;
    const int in = state ? state->now : 0, out = !in;
    const int B = r->B, T = r->T, N = B*T, H = c->cell_heads, K = c->key_dim, V = c->value_dim, C = c->width;

    r->k->linear_forward(a->q, x, r->w + p->q, NULL, N, H*K, C);
    r->k->linear_forward(a->k, x, r->w + p->k, NULL, N, H*K, C);
    r->k->linear_forward(a->v, x, r->w + p->v, NULL, N, H*V, C);
    r->k->linear_forward(a->o, x, r->w + p->ogate, NULL, N, H*V, C);
    r->k->readout_forward(a->iraw, x, r->w + p->igate, r->s + p->igate_bias, N, H, C);
    r->k->readout_forward(a->fraw, x, r->w + p->fgate, r->s + p->fgate_bias, N, H, C);
    r->k->softcap_forward(a->i, a->iraw, N*H, c->gate_cap);
    r->k->softcap_forward(a->f, a->fraw, N*H, c->gate_cap);
    r->k->mlstm_forward(a->h, state ? state->C[out] : a->C1, state ? state->n[out] : a->n1, state ? state->m[out] : a->m1,
                        a->m, a->qn, state ? NULL : a->Cs, state ? NULL : a->ns,
                        a->q, a->k, a->v, a->i, a->f,
                        state ? state->C[in] : NULL, state ? state->n[in] : NULL, state ? state->m[in] : NULL,
                        r->start_cell, B, T, H, K, V, c->chunk, c->cell_gate, c->cell_eps);
    r->k->headnorm_forward(a->hn, a->mean, a->rstd, a->h, r->s + p->headnorm, N, H, V, c->cell_norm_center, c->cell_norm_eps);
    r->k->gate_forward(a->z, a->o, a->hn, N*H*V);
    r->k->linear_forward(y, a->z, r->w + p->out, NULL, N, C, H*V);
    if (state)
        state->now = out;
}

static void mlstm_backward(const struct R(run) *r, const struct swax_block_places *places, stat *g,
                           const union R(mixer_acts) *acts, union R(mixer_acts) *dacts,
                           const real *dy, const real *x, real *dx)
{
    const struct swax_config *c = r->c;
    const struct swax_mlstm_places *p = &places->mixer.mlstm;
    const struct R(mlstm_acts) *a = &acts->mlstm;
    struct R(mlstm_acts) *da = &dacts->mlstm;
    const int B = r->B, T = r->T, N = B*T, H = c->cell_heads, K = c->key_dim, V = c->value_dim, C = c->width;

    r->k->linear_backward(da->z, g + p->out, NULL, dy, a->z, r->w + p->out, N, C, H*V);
    r->k->gate_backward(da->o, da->hn, da->z, a->o, a->hn, N*H*V);
    r->k->headnorm_backward(da->h, g + p->headnorm, da->hn, a->h, r->s + p->headnorm, a->mean, a->rstd,
                            N, H, V, c->cell_norm_center);
    r->k->mlstm_backward(da->q, da->k, da->v, da->i, da->f, NULL, NULL, da->h, NULL, NULL,
                         a->q, a->k, a->v, a->i, a->f, NULL, NULL, NULL, r->start_cell,
                         a->h, a->C1, a->n1, a->m1, a->m, a->qn, a->Cs, a->ns,
                         B, T, H, K, V, c->chunk, c->cell_gate, c->cell_eps);
    r->k->softcap_backward(da->fraw, da->f, a->f, N*H, c->gate_cap);
    r->k->softcap_backward(da->iraw, da->i, a->i, N*H, c->gate_cap);
    r->k->readout_backward(dx, g + p->fgate, g + p->fgate_bias, da->fraw, x, r->w + p->fgate, N, H, C);
    r->k->readout_backward(dx, g + p->igate, g + p->igate_bias, da->iraw, x, r->w + p->igate, N, H, C);
    r->k->linear_backward(dx, g + p->ogate, NULL, da->o, x, r->w + p->ogate, N, H*V, C);
    r->k->linear_backward(dx, g + p->v, NULL, da->v, x, r->w + p->v, N, H*V, C);
    r->k->linear_backward(dx, g + p->k, NULL, da->k, x, r->w + p->k, N, H*K, C);
    r->k->linear_backward(dx, g + p->q, NULL, da->q, x, r->w + p->q, N, H*K, C);
}
