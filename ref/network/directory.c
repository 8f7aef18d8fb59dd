/* directory.c - the tensors of a network, in order, with shape, initialisation and decay.
 *
 * Names are those of the HF xLSTM checkpoints, with each mixer's own beside them; initialisation is
 * xLSTM-7B's: small-init sqrt(2/(5 width)) for what reads the residual stream, wang-init 2/(layers sqrt(width))
 * for what writes to it. */
#include "ref/network/directory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ref/splitmix.h"

/* `used`: how far the tensors without and with decay reach.  Each kind lies together, so that the optimiser's step on a
 * device takes two kernels, not two per tensor. */
struct swax_tensors { struct swax_tensor *tensor; int count; size_t used[2]; const char *prefix; int mixer_of; };

size_t swax_tensor_add(struct swax_tensors *l, const struct swax_tensor *given)
{
    struct swax_tensor t = *given;
    t.rank = t.shape[1] ? 2 : 1;
    t.size = t.shape[1] ? t.shape[0] * t.shape[1] : t.shape[0];
    t.place = l->used[t.decay];
    t.mixer_of = l->mixer_of;
    l->used[t.decay] += (size_t)t.size;
    if (l->tensor) {
        l->tensor[l->count] = t;
        snprintf(l->tensor[l->count].name, sizeof t.name, "%s%s", l->prefix, given->name);
    }
    l->count++;
    return t.place;
}

size_t swax_matrix(struct swax_tensors *l, const char *name, long outputs, long inputs, double init_std)
{
    struct swax_tensor t = { .shape = { outputs, inputs }, .init_std = init_std, .decay = 1 };
    snprintf(t.name, sizeof t.name, "%s", name);
    return swax_tensor_add(l, &t);
}

size_t swax_vector(struct swax_tensors *l, const char *name, long size, double init_first, double init_last)
{
    struct swax_tensor t = { .shape = { size, 0 }, .init_first = init_first, .init_last = init_last };
    snprintf(t.name, sizeof t.name, "%s", name);
    return swax_tensor_add(l, &t);
}

double swax_init_in(const struct swax_config *c) { return sqrt(2.0 / (5.0 * c->width)); }
double swax_init_out(const struct swax_config *c) { return 2.0 / (c->layers * sqrt(c->width)); }

int swax_tensor_count(const struct swax_mixer *x, const struct swax_config *c, const void *keys)
{
    struct swax_tensors l = { NULL, 0, { 0, 0 }, "", 0 };
    union swax_room places;
    x->tensors(&l, &places, c, keys, 0);
    return l.count;
}

static void list_block(struct swax_tensors *l, struct swax_block_places *p, const struct swax_config *c, int layer)
{
    const struct swax_mixer *mixer = swax_layer_mixer(c, layer);
    char prefix[48];
    snprintf(prefix, sizeof prefix, "backbone.blocks.%d.", layer);
    l->prefix = prefix;
    p->norm1 = swax_vector(l, mixer->norm, c->width, 1, 1);
    l->mixer_of = 1 + layer;
    mixer->tensors(l, &p->mixer, c, swax_layer_keys(c, layer), layer);
    l->mixer_of = 0;
    p->norm2   = swax_vector(l, "norm_ffn.weight", c->width, 1, 1);
    p->up_gate = swax_matrix(l, "ffn.proj_up_gate.weight", c->ffn_width, c->width, swax_init_in(c));
    p->up      = swax_matrix(l, "ffn.proj_up.weight", c->ffn_width, c->width, swax_init_in(c));
    p->down    = swax_matrix(l, "ffn.proj_down.weight", c->width, c->ffn_width, swax_init_out(c));
}

static void list_network(struct swax_tensors *l, struct swax_places *p, const struct swax_config *c)
{
    l->prefix = "backbone.";
    p->embedding = swax_matrix(l, "embeddings.weight", c->vocabulary, c->width, swax_init_in(c));
    for (int b = 0; b < c->layers; b++)
        list_block(l, &p->block[b], c, b);
    l->prefix = "backbone.";
    p->out_norm = swax_vector(l, "out_norm.weight", c->width, 1, 1);
    l->prefix = "";
    p->head = c->tied ? p->embedding : swax_matrix(l, "lm_head.weight", c->vocabulary, c->width, swax_init_in(c));
}

int swax_directory(const struct swax_config *c, struct swax_places *p, struct swax_tensor *tensor)
{
    struct swax_tensors size = { NULL, 0, { 0, 0 }, "", 0 };
    list_network(&size, p, c);
    /* matrices first: their sizes keep each other aligned */
    struct swax_tensors l = { tensor, 0, { size.used[1], 0 }, "", 0 };
    list_network(&l, p, c);
    p->total = l.used[0];
    p->decayed = l.used[1];
    return l.count;
}

/* ---- initialisation */

/* By a key and a counter: the same weight whatever the order, the threads and the other layers */
static double uniform(uint64_t key, uint64_t counter)
{
    return ((double)(splitmix(key + (counter + 1) * splitmix_step) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(uint64_t key, uint64_t counter)
{
    return sqrt(-2 * log(uniform(key, 2 * counter))) * cos(6.283185307179586 * uniform(key, 2 * counter + 1));
}

uint64_t swax_initial_key(const struct swax_tensor *t, uint64_t seed)
{
    uint64_t h = 0xcbf29ce484222325u ^ seed * splitmix_step;
    for (const char *name = t->name; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h;
}

double swax_initial(const struct swax_config *c, const struct swax_tensor *t, uint64_t key, long e)
{
    if (t->init)
        return t->init(c, e, uniform(key, (uint64_t)e));
    const double line = t->size > 1 ? (double)e / (double)(t->size - 1) : 0;
    return t->init_first + (t->init_last - t->init_first) * line +
           (t->init_std > 0 ? t->init_std * normal(key, (uint64_t)e) : 0);
}
