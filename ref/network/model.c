/* model.c - the network: forward, and then the same lines upwards.  It calls kernels through the tier's table, and the
 * mixer of each block through its row (mixer.h); it touches no number itself. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "ref/network/model.h"

static void *take(struct R(list) *l, const char *name, size_t count, size_t element)
{
    void *at = l->base ? l->base + l->used : NULL;
    if (l->wanted && !strcmp(name, l->wanted)) {
        l->found = at;
        l->found_size = count;
    }
    if (l->name && l->names < l->most)
        l->name[l->names] = name;
    l->names++;
    l->used += (count * element + 63) / 64 * 64;
    return at;
}

real *reals(struct R(list) *l, const char *name, size_t n) { return take(l, name, n, sizeof(real)); }

stat *stats(struct R(list) *l, const char *name, size_t n)
{
    const size_t before = l->found_size;
    stat *at = take(l, name, n, sizeof(stat));
    l->found_stat |= l->found_size != before;
    return at;
}

real *reals_forward(struct R(list) *l, const char *name, size_t n) { return l->gradients ? NULL : reals(l, name, n); }
stat *stats_forward(struct R(list) *l, const char *name, size_t n) { return l->gradients ? NULL : stats(l, name, n); }

static int *ints(struct R(list) *l, const char *name, size_t n) { return take(l, name, n, sizeof(int)); }

static void block_acts(struct R(list) *l, struct R(block_acts) *a, const struct R(swax_mixer) *mixer,
                       const struct swax_config *c, const void *keys, int B, int T)
{
    const size_t N = (size_t)B * (size_t)T, C = (size_t)c->width, F = (size_t)c->ffn_width;
    a->norm1 = reals(l, "norm1", N*C);
    a->rstd1 = stats_forward(l, "rstd1", N);
    mixer->acts(l, &a->mixer, c, keys, B, T);
    a->mix = reals_forward(l, "mix", N*C);
    a->x1  = reals_forward(l, "x1", N*C);
    a->norm2 = reals(l, "norm2", N*C);
    a->rstd2 = stats_forward(l, "rstd2", N);
    a->fa  = reals(l, "fa", N*F);
    a->fb  = reals(l, "fb", N*F);
    a->fh  = reals(l, "fh", N*F);
    a->ffn = reals_forward(l, "ffn", N*C);
    a->x2  = reals_forward(l, "x2", N*C);
}

static const struct R(swax_mixer) *mixer_of(const struct swax_config *c, int layer)
{
    return R(swax_mixers)[c->mixer[layer]];
}

static void layer_acts(struct R(list) *l, struct R(block_acts) *a, const struct swax_config *c, int layer, int B, int T)
{
    block_acts(l, a, mixer_of(c, layer), c, swax_layer_keys(c, layer), B, T);
}

int R(swax_model_names)(const struct R(swax_mixer) *m, const struct swax_config *c, const void *keys, const char **name,
                        int most)
{
    struct R(block_acts) scratch;
    struct R(list) l = { .name = name, .most = most };
    block_acts(&l, &scratch, m, c, keys, 1, 1);
    return l.names;
}

/* Logits are made for so many tokens at a time: they are the largest array where the vocabulary is large. */
static int head_rows(const struct swax_config *c, int N)
{
    const int most = (1 << 26) / c->vocabulary;
    return N < most ? N : most > 0 ? most : 1;
}

void R(swax_model_place)(struct R(work) *w, const struct swax_config *c, int B, int T, int training, char *memory)
{
    const size_t N = (size_t)B * (size_t)T, C = (size_t)c->width, V = (size_t)c->vocabulary;
    struct R(list) list = { .base = memory }, *l = &list;
    w->memory = memory;
    w->B = B;
    w->T = T;
    w->head_rows = head_rows(c, B*T);
    const size_t ZV = (size_t)w->head_rows * V;
    w->token  = ints(l, "token", N);
    w->target = ints(l, "target", N);
    w->start_attention = ints(l, "start_attention", N);
    w->start_cell      = ints(l, "start_cell", N);
    w->x0   = reals(l, "x0", N*C);
    for (int b = 0; b < c->layers; b++)
        layer_acts(l, &w->block[b], c, b, B, T);
    w->nf   = reals(l, "nf", N*C);
    w->rf   = stats(l, "rf", N);
    w->z    = stats(l, "z", ZV);
    w->zc   = stats(l, "zc", ZV);
    w->loss = stats(l, "loss", N);
    w->lse  = stats(l, "lse", N);
    if (training) {
        w->dloss = stats(l, "dloss", N);
        w->dz    = stats(l, "dz", ZV);
        w->dx    = reals(l, "dx", N*C);
        w->dnf   = reals(l, "dnf", N*C);
        w->grad_from = l->used;
        l->gradients = 1;
        for (int b = 0; b < c->layers; b++) {
            l->used = w->grad_from;
            layer_acts(l, &w->grad[c->mixer[b]], c, b, B, T);
            w->grad_bytes = l->used - w->grad_from > w->grad_bytes ? l->used - w->grad_from : w->grad_bytes;
        }
        l->used = w->grad_from + w->grad_bytes;
    }
    w->bytes = l->used;
}

size_t R(swax_model_find)(const struct R(work) *w, const struct swax_config *c, int B, int T, const char *name,
                          const void **at, int *is_stat)
{
    int layer, n = 0;
    if (sscanf(name, "%d.%n", &layer, &n) != 1 || !n || layer < 0 || layer >= c->layers)
        return 0;
    struct R(block_acts) scratch;
    const size_t begins = (size_t)((char *)w->block[layer].norm1 - w->memory);
    struct R(list) place = { .base = w->memory, .used = begins, .wanted = name + n };
    struct R(list) size = { .wanted = name + n };
    layer_acts(&place, &scratch, c, layer, w->B, w->T);
    layer_acts(&size, &scratch, c, layer, B, T);
    *at = place.found;
    *is_stat = place.found_stat;
    return size.found_size;
}

void R(swax_model_forward)(const struct R(run) *r, struct R(work) *work, union swax_room *state)
{
    const struct R(swax_kernels) *k = r->k;
    const struct swax_config *c = r->c;
    const int N = r->B * r->T, C = c->width, F = c->ffn_width;
    const real *x = work->x0;

    k->embed_forward(work->x0, work->token, r->w + r->p->embedding, N, c->vocabulary, C);
    for (int b = 0; b < c->layers; b++) {
        const struct swax_block_places *p = &r->p->block[b];
        struct R(block_acts) *a = &work->block[b];

        k->rmsnorm_forward(a->norm1, a->rstd1, x, r->s + p->norm1, N, C, c->norm_eps);
        mixer_of(c, b)->forward(r, swax_layer_keys(c, b), &p->mixer, &a->mixer, state ? &state[b] : NULL, a->mix,
                                a->norm1);
        k->add_forward(a->x1, x, a->mix, N*C);

        k->rmsnorm_forward(a->norm2, a->rstd2, a->x1, r->s + p->norm2, N, C, c->norm_eps);
        k->linear_forward(a->fa, a->norm2, r->w + p->up_gate, NULL, N, F, C);
        k->linear_forward(a->fb, a->norm2, r->w + p->up, NULL, N, F, C);
        k->swiglu_forward(a->fh, a->fa, a->fb, N*F);
        k->linear_forward(a->ffn, a->fh, r->w + p->down, NULL, N, C, F);
        k->add_forward(a->x2, a->x1, a->ffn, N*C);
        x = a->x2;
    }
    k->rmsnorm_forward(work->nf, work->rf, x, r->s + r->p->out_norm, N, C, c->norm_eps);
}

void R(swax_model_head)(const struct R(run) *r, struct R(work) *work, stat *g, int row0, int rows)
{
    const struct R(swax_kernels) *k = r->k;
    const int V = r->c->vocabulary, C = r->c->width;
    const double cap = r->c->logit_cap;
    const real *nf = work->nf + (long)row0*C;

    k->readout_forward(work->z, nf, r->w + r->p->head, NULL, rows, V, C);
    k->xent_forward(work->loss + row0, work->lse + row0, work->z, work->target + row0, rows, V, cap);
    if (!g) {
        k->softcap_forward(work->zc, work->z, rows*V, cap);
        return;
    }
    swax_tier_zero(r->tier, work->dz, (size_t)rows * (size_t)V * sizeof(stat));
    k->xent_backward(work->dz, work->dloss + row0, work->z, work->target + row0, work->lse + row0, rows, V, cap);
    k->readout_backward(work->dnf + (long)row0*C, g + r->p->head, NULL, work->dz, nf, r->w + r->p->head, rows, V, C);
}

/* Activation gradients start at zero and every kernel adds, so that a value used twice (norm2, a norm's x) collects
 * both shares.  The residual stream's gradient runs through all blocks in one array: of x2, which is also that of
 * ffn, then with the norm's share of x1 and mix, then of x. */
void R(swax_model_backward)(const struct R(run) *r, struct R(work) *work, stat *g)
{
    const struct R(swax_kernels) *k = r->k;
    const struct swax_config *c = r->c;
    const int N = r->B * r->T, C = c->width, F = c->ffn_width;
    real *dx = work->dx;

    swax_tier_zero(r->tier, dx, (size_t)N * (size_t)C * sizeof(real));
    k->rmsnorm_backward(dx, g + r->p->out_norm, work->dnf, work->block[c->layers - 1].x2, r->s + r->p->out_norm,
                        work->rf, N, C);
    for (int b = c->layers - 1; b >= 0; b--) {
        const struct swax_block_places *p = &r->p->block[b];
        const struct R(block_acts) *a = &work->block[b];
        struct R(block_acts) *da = &work->grad[c->mixer[b]];
        const real *x = b ? work->block[b - 1].x2 : work->x0;
        swax_tier_zero(r->tier, work->memory + work->grad_from, work->grad_bytes);

        k->linear_backward(da->fh, g + p->down, NULL, dx, a->fh, r->w + p->down, N, C, F);
        k->swiglu_backward(da->fa, da->fb, da->fh, a->fa, a->fb, N*F);
        k->linear_backward(da->norm2, g + p->up, NULL, da->fb, a->norm2, r->w + p->up, N, F, C);
        k->linear_backward(da->norm2, g + p->up_gate, NULL, da->fa, a->norm2, r->w + p->up_gate, N, F, C);
        k->rmsnorm_backward(dx, g + p->norm2, da->norm2, a->x1, r->s + p->norm2, a->rstd2, N, C);

        mixer_of(c, b)->backward(r, swax_layer_keys(c, b), &p->mixer, g, &a->mixer, &da->mixer, dx, a->norm1,
                                 da->norm1);
        k->rmsnorm_backward(dx, g + p->norm1, da->norm1, x, r->s + p->norm1, a->rstd1, N, C);
    }
    k->embed_backward(g + r->p->embedding, dx, work->token, N, c->vocabulary, C);
}
