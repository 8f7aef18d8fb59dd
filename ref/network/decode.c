/* decode.c - a network at work one token after another: what each layer remembers, and how much of it is kept.
 *
 * An attention layer keeps the keys and values that a later query can still see, turned by RoPE at their positions; a cell
 * keeps its state.  The composition is model.c's, with the state given.  Part of engine.c. */
#include <limits.h>
#include <stdlib.h>

#include "ref/network/engine.h"
#include "ref/network/model.h"

enum { FEED = 64 };                 /* tokens at a time */

struct R(sequence) { union R(mixer_state) state[SWAX_LAYERS]; };

struct R(decoder) {
    struct swax_decoder base;
    int B, window;
    struct R(work) work;
    struct R(sequence) *sequence;
    stat *logits;
};

static int attends(const struct swax_config *c, int layer) { return c->mixer[layer] != SWAX_MLSTM; }

/* Room for `more` keys at the end: forget those that no later query can see, else take a larger room. */
static int make_room(const struct R(decoder) *d, int layer, struct R(attention_state) *s, int more)
{
    struct swax_network *n = d->base.n;
    if (s->used + more <= s->room)
        return 1;
    const int window = n->c.mixer[layer] == SWAX_FULL ? INT_MAX : d->window;
    const int keep = s->used < window - 1 ? s->used : window - 1;
    const size_t row = (size_t)n->c.kv_heads * (size_t)n->c.head_dim;
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

static int state_new(struct R(decoder) *d, struct R(sequence) *q)
{
    struct swax_network *n = d->base.n;
    const size_t H = (size_t)n->c.cell_heads, K = (size_t)n->c.key_dim, V = (size_t)n->c.value_dim;
    for (int l = 0; l < n->c.layers; l++) {
        if (attends(&n->c, l)) {
            if (!make_room(d, l, &q->state[l].attention, FEED))
                return 0;
            continue;
        }
        struct R(mlstm_state) *s = &q->state[l].mlstm;
        for (int i = 0; i < 2; i++) {
            s->C[i] = swax_take(n, H*K*V * sizeof(stat));
            s->n[i] = swax_take(n, H*K * sizeof(stat));
            s->m[i] = swax_take(n, H * sizeof(stat));
            if (!s->C[i] || !s->n[i] || !s->m[i])
                return 0;
        }
        swax_tier_zero(n->tier, s->C[0], H*K*V * sizeof(stat));
        swax_tier_zero(n->tier, s->n[0], H*K * sizeof(stat));
        swax_tier_zero(n->tier, s->m[0], H * sizeof(stat));
    }
    return 1;
}

static void engine_decoder_free(struct swax_decoder *base)
{
    struct R(decoder) *d = (struct R(decoder) *)(void *)base;
    struct swax_network *n = base->n;
    for (int b = 0; b < d->B && d->sequence; b++)
        for (int l = 0; l < n->c.layers; l++) {
            union R(mixer_state) *s = &d->sequence[b].state[l];
            if (attends(&n->c, l)) {
                swax_give(n, s->attention.k);
                swax_give(n, s->attention.v);
                continue;
            }
            for (int i = 0; i < 2; i++) {
                swax_give(n, s->mlstm.C[i]);
                swax_give(n, s->mlstm.n[i]);
                swax_give(n, s->mlstm.m[i]);
            }
        }
    swax_give(n, d->work.memory);
    free(d->sequence);
    free(d->logits);
    free(d);
}

static struct swax_decoder *engine_decoder_new(struct swax_network *n, int B, int window, char *why)
{
    struct R(decoder) *d = calloc(1, sizeof *d);
    int ok = d != NULL;
    if (ok) {
        d->base.n = n;
        d->B = B;
        d->window = window;
        d->sequence = calloc((size_t)B, sizeof *d->sequence);
        d->logits = malloc((size_t)n->c.vocabulary * sizeof(stat));
        R(swax_model_place)(&d->work, &n->c, 1, FEED, 0, NULL);
        void *memory = swax_take(n, d->work.bytes);
        ok = d->sequence && d->logits && memory;
        if (memory)
            R(swax_model_place)(&d->work, &n->c, 1, FEED, 0, memory);
        for (int b = 0; b < B && ok; b++)
            ok = state_new(d, &d->sequence[b]);
    }
    if (ok)
        return &d->base;
    if (d)
        engine_decoder_free(&d->base);
    snprintf(why, SWAX_WHY, "out of memory for decoding %d sequences with window=%d; lower either", B, window);
    return NULL;
}

/* At most FEED tokens of one sequence; the logits after the last of them end in d->logits. */
static int feed(struct R(decoder) *d, struct R(sequence) *q, const int *token, int T)
{
    struct swax_network *n = d->base.n;
    const size_t V = (size_t)n->c.vocabulary;
    const struct R(run) r = run_of(n, 1, T, d->window);
    for (int l = 0; l < n->c.layers; l++)
        if (attends(&n->c, l) && !make_room(d, l, &q->state[l].attention, T))
            return 0;
    swax_put(n, d->work.token, token, (size_t)T * sizeof(int));
    swax_put(n, d->work.target, token, (size_t)T * sizeof(int));
    R(swax_model_forward)(&r, &d->work, q->state);
    R(swax_model_head)(&r, &d->work, NULL, T - 1, 1);
    swax_get(n, d->logits, d->work.zc, V * sizeof(stat));
    return 1;
}

static const char *engine_decoder_feed(struct swax_decoder *base, const int *token, int T, float *logits)
{
    struct R(decoder) *d = (struct R(decoder) *)(void *)base;
    const long V = base->n->c.vocabulary;
    for (int b = 0; b < d->B; b++) {
        for (int t = 0; t < T; t += FEED)
            if (!feed(d, &d->sequence[b], token + (long)b*T + t, T - t < FEED ? T - t : FEED))
                return "out of memory for the keys that a layer without a window remembers; decode fewer tokens";
        for (long e = 0; e < V && logits; e++)
            logits[b*V + e] = (float)d->logits[e];
    }
    return NULL;
}
