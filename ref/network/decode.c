/* decode.c - a network at work one token after another: each layer remembers what its mixer needs (mixer.h's state),
 * and the composition is model.c's, with the states given. */
#include <stdio.h>
#include <stdlib.h>

#include "ref/network/engine.h"
#include "ref/network/model.h"

enum { FEED = 64 };                 /* tokens at a time */

struct R(decoder) {
    struct swax_decoder base;
    int window;
    struct R(work) work;
    union swax_room *state;         /* (B, layers) */
    stat *logits;
};

static union swax_room *states_of(const struct R(decoder) *d, int sequence)
{
    return d->state + (size_t)sequence * (size_t)d->base.n->c.layers;
}

static const struct R(swax_mixer) *mixer_of(const struct swax_network *n, int layer)
{
    return R(swax_mixers)[n->c.mixer[layer]];
}

static int make_ready(const struct R(decoder) *d, int sequence, int more)
{
    struct swax_network *n = d->base.n;
    int ok = 1;
    for (int l = 0; l < n->c.layers && ok; l++)
        ok = mixer_of(n, l)->state_ready(n, &n->c, swax_layer_keys(&n->c, l), &states_of(d, sequence)[l], d->window,
                                         more);
    return ok;
}

void R(swax_decoder_free)(struct swax_decoder *base)
{
    struct R(decoder) *d = (struct R(decoder) *)(void *)base;
    struct swax_network *n = base->n;
    for (int b = 0; b < base->B && d->state; b++)
        for (int l = 0; l < n->c.layers; l++)
            mixer_of(n, l)->state_free(n, &states_of(d, b)[l]);
    swax_give(n, d->work.memory);
    free(d->state);
    free(d->logits);
    free(d);
}

struct swax_decoder *R(swax_decoder_new)(struct swax_network *n, int B, int window, char *why)
{
    struct R(decoder) *d = calloc(1, sizeof *d);
    int ok = d != NULL;
    if (ok) {
        d->base.n = n;
        d->base.B = B;
        d->base.separator = -1;
        d->window = window;
        d->state = calloc((size_t)B * (size_t)n->c.layers, sizeof *d->state);
        d->logits = malloc((size_t)n->c.vocabulary * sizeof(stat));
        R(swax_model_place)(&d->work, &n->c, 1, FEED, 0, NULL);
        void *memory = swax_take(n, d->work.bytes);
        ok = d->state && d->logits && memory;
        if (memory)
            R(swax_model_place)(&d->work, &n->c, 1, FEED, 0, memory);
        for (int b = 0; b < B && ok; b++)
            ok = make_ready(d, b, FEED);
    }
    if (ok)
        return &d->base;
    if (d)
        R(swax_decoder_free)(&d->base);
    snprintf(why, SWAX_WHY, "out of memory for decoding %d sequences with window=%d; lower either", B, window);
    return NULL;
}

void R(swax_decoder_begin)(struct swax_decoder *base, int sequence)
{
    struct R(decoder) *d = (struct R(decoder) *)(void *)base;
    struct swax_network *n = base->n;
    for (int l = 0; l < n->c.layers; l++)
        mixer_of(n, l)->state_begin(n, &n->c, swax_layer_keys(&n->c, l), &states_of(d, sequence)[l]);
}

/* At most FEED tokens of one sequence, all of one document; the logits after the last of them end in d->logits. */
static const char *feed(struct R(decoder) *d, int sequence, const int *token, int T)
{
    struct swax_network *n = d->base.n;
    const size_t V = (size_t)n->c.vocabulary;
    const struct R(run) r = R(swax_run_of)(n, 1, T, d->window);
    char name[64];
    if (*token == d->base.separator)
        R(swax_decoder_begin)(&d->base, sequence);
    if (!make_ready(d, sequence, T))
        return "There is no memory for the keys that a layer without a window remembers: decode fewer tokens.";
    swax_put(n, d->work.token, token, (size_t)T * sizeof(int));
    swax_put(n, d->work.target, token, (size_t)T * sizeof(int));
    R(swax_model_forward)(&r, &d->work, states_of(d, sequence));
    R(swax_model_head)(&r, &d->work, NULL, T - 1, 1);
    swax_get(n, d->logits, d->work.zc, V * sizeof(stat));
    int finite = 1;
    for (size_t e = 0; e < V && finite; e++)
        finite = isfinite(d->logits[e]);
    if (finite)
        return NULL;
    const char *first = R(swax_first_nonfinite)(n, &d->work, 1, T, name);
    snprintf(n->wrong, sizeof n->wrong, "The logits of sequence %d are not finite%s%s.", sequence,
             first ? ": the first activation that is not is " : "", first ? first : "");
    return n->wrong;
}

/* How many of T tokens go together: until the next document, and at most FEED. */
static int together(const struct R(decoder) *d, const int *token, int T)
{
    int n = 1;
    while (n < T && n < FEED && token[n] != d->base.separator)
        n++;
    return n;
}

const char *R(swax_decoder_feed)(struct swax_decoder *base, const int *token, int T, float *logits)
{
    struct R(decoder) *d = (struct R(decoder) *)(void *)base;
    const long V = base->n->c.vocabulary;
    for (int b = 0; b < base->B; b++) {
        const int *of = token + (long)b*T;
        for (int t = 0, some; t < T; t += some) {
            some = together(d, of + t, T - t);
            const char *wrong = feed(d, b, of + t, some);
            if (wrong)
                return wrong;
        }
        for (long e = 0; e < V && logits; e++)
            logits[b*V + e] = (float)d->logits[e];
    }
    return NULL;
}
