/* directory.c - the tensors of a network, in order, with shape, initialisation and decay.
 *
 * Names are those of the HF xLSTM checkpoints, with swa_layer.* and norm_swa beside them; initialisation is
 * xLSTM-7B's: small-init sqrt(2/(5 width)) for what reads the residual stream, wang-init 2/(layers sqrt(width))
 * for what writes to it, zero for the gates, whose biases set the memory. */
#include "ref/network/directory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* `used`: how far the tensors without and with decay reach.  Each kind lies together, so that the optimiser's step on a
 * device takes two kernels, not two per tensor. */
struct list { struct swax_tensor *tensor; int count; size_t used[2]; const char *prefix; };

static size_t add(struct list *l, const char *name, long rows, long columns, double std, double first, double last, int decay)
{
    const size_t place = l->used[decay];
    if (l->tensor) {
        struct swax_tensor *t = &l->tensor[l->count];
        memset(t, 0, sizeof *t);
        snprintf(t->name, sizeof t->name, "%s%s", l->prefix, name);
        t->rank = columns ? 2 : 1;
        t->shape[0] = rows;
        t->shape[1] = columns;
        t->size = columns ? rows * columns : rows;
        t->init_std = std;
        t->init_first = first;
        t->init_last = last;
        t->decay = decay;
        t->place = place;
    }
    l->used[decay] += (size_t)(columns ? rows * columns : rows);
    l->count++;
    return place;
}

static size_t matrix(struct list *l, const char *name, long rows, long columns, double std)
{
    return add(l, name, rows, columns, std, 0, 0, 1);
}

static size_t vector(struct list *l, const char *name, long size, double first, double last)
{
    return add(l, name, size, 0, 0, first, last, 0);
}

static void attention(struct list *l, struct swax_attention_places *p, const struct swax_config *c, double in, double out)
{
    const long HD = (long)c->heads * c->head_dim, GD = (long)c->kv_heads * c->head_dim;
    p->q   = matrix(l, "swa_layer.q.weight", HD, c->width, in);
    p->k   = matrix(l, "swa_layer.k.weight", GD, c->width, in);
    p->v   = matrix(l, "swa_layer.v.weight", GD, c->width, in);
    p->out = matrix(l, "swa_layer.out_proj.weight", c->width, HD, out);
}

static void mlstm(struct list *l, struct swax_mlstm_places *p, const struct swax_config *c, double in, double out)
{
    const long H = c->cell_heads, HK = H * c->key_dim, HV = H * c->value_dim;
    p->q          = matrix(l, "mlstm_layer.q.weight", HK, c->width, in);
    p->k          = matrix(l, "mlstm_layer.k.weight", HK, c->width, in);
    p->v          = matrix(l, "mlstm_layer.v.weight", HV, c->width, in);
    p->ogate      = matrix(l, "mlstm_layer.ogate_preact.weight", HV, c->width, 0);
    p->igate      = matrix(l, "mlstm_layer.igate_preact.weight", H, c->width, 0);
    p->igate_bias = vector(l, "mlstm_layer.igate_preact.bias", H, c->input_gate_bias, c->input_gate_bias);
    p->fgate      = matrix(l, "mlstm_layer.fgate_preact.weight", H, c->width, 0);
    p->fgate_bias = vector(l, "mlstm_layer.fgate_preact.bias", H, c->forget_gate_bias_first, c->forget_gate_bias_last);
    p->headnorm   = vector(l, "mlstm_layer.multihead_norm.weight", HV, 1, 1);
    p->out        = matrix(l, "mlstm_layer.out_proj.weight", c->width, HV, out);
}

static void network(struct list *l, struct swax_places *p, const struct swax_config *c)
{
    const double in = sqrt(2.0 / (5.0 * c->width)), out = 2.0 / (c->layers * sqrt(c->width));
    l->prefix = "backbone.";
    p->embedding = matrix(l, "embeddings.weight", c->vocabulary, c->width, in);
    for (int b = 0; b < c->layers; b++) {
        char prefix[48];
        struct swax_block_places *w = &p->block[b];
        snprintf(prefix, sizeof prefix, "backbone.blocks.%d.", b);
        l->prefix = prefix;
        if (c->mixer[b] == SWAX_MLSTM) {
            w->norm1 = vector(l, "norm_mlstm.weight", c->width, 1, 1);
            mlstm(l, &w->mixer.mlstm, c, in, out);
        } else {
            w->norm1 = vector(l, "norm_swa.weight", c->width, 1, 1);
            attention(l, &w->mixer.attention, c, in, out);
        }
        w->norm2   = vector(l, "norm_ffn.weight", c->width, 1, 1);
        w->up_gate = matrix(l, "ffn.proj_up_gate.weight", c->ffn_width, c->width, in);
        w->up      = matrix(l, "ffn.proj_up.weight", c->ffn_width, c->width, in);
        w->down    = matrix(l, "ffn.proj_down.weight", c->width, c->ffn_width, out);
    }
    l->prefix = "backbone.";
    p->out_norm = vector(l, "out_norm.weight", c->width, 1, 1);
    l->prefix = "";
    p->head = c->tied ? p->embedding : matrix(l, "lm_head.weight", c->vocabulary, c->width, in);
}

int swax_directory(const struct swax_config *c, struct swax_places *p, struct swax_tensor *tensor)
{
    struct list size = { NULL, 0, { 0, 0 }, "" };
    network(&size, p, c);
    struct list l = { tensor, 0, { size.used[1], 0 }, "" };    /* matrices first: their sizes keep each other aligned */
    network(&l, p, c);
    p->total = l.used[0];
    p->decayed = l.used[1];
    return l.count;
}
