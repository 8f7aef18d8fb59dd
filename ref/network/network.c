/* network.c - the handle of network.h: what does not depend on precision. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ref/network/engine.h"

void swax_each(const struct swax_network *n, int count, int workers, void (*f)(int i, void *arg), void *arg)
{
    if (n->tier->host && count > 1)
        n->tier->host->each(count, workers, f, arg);
    else
        for (int i = 0; i < count; i++)
            f(i, arg);
}

/* ---- opening and closing */

/* Cut `size` elements into slices of at most `most`, behind the `count` there are; slice may be NULL to count. */
static int cut_range(struct swax_slice *slice, int count, size_t from, size_t size, size_t most, int decay)
{
    for (size_t done = 0; done < size; done += most, count++)
        if (slice)
            slice[count] = (struct swax_slice){ .from = from + done, .decay = decay,
                                                .count = (int)(size - done < most ? size - done : most) };
    return count;
}

/* Slices are cut tensor by tensor; a device would spend its time starting kernels, and takes all in one, and those
 * without decay in another. */
static int cut(const struct swax_network *n, struct swax_slice *slice)
{
    static const size_t most = (size_t)1 << 30;
    int count = 0;
    if (n->tier->memory) {
        count = cut_range(slice, count, 0, n->p.decayed, most, 1);
        return cut_range(slice, count, n->p.decayed, n->p.total - n->p.decayed, most, 0);
    }
    for (const struct swax_tensor *t = n->tensor; t < n->tensor + n->tensors; t++)
        count = cut_range(slice, count, t->place, (size_t)t->size, SWAX_SLICE, t->decay);
    return count;
}

/* The longest row of a token's activations is a side of some matrix; but for the vocabulary's, whose logits are made
 * for some tokens at a time. */
static const char *refuse_sizes(const struct swax_network *n, int B, int T, char *why)
{
    const double N = (double)B * T, most = 2147483647;
    long row = 0;
    for (const struct swax_tensor *t = n->tensor; t < n->tensor + n->tensors; t++)
        for (int side = t->place == n->p.embedding || t->place == n->p.head ? 1 : 0; side < t->rank; side++)
            row = t->shape[side] > row ? t->shape[side] : row;
    if (N * (double)row <= most)
        return NULL;
    snprintf(why, SWAX_WHY, "batch=%d sequence=%d: %.0f tokens of %ld elements each make a tensor of more than 2^31; "
             "lower either, and accumulate gradients instead", B, T, N, row);
    return why;
}

/* Is a product of a piece worth all the threads there are?  (16 of them, for 2 lanes of width 512, 4 of 256 and 8 of
 * 128 in turn instead of side by side: 2405 -> 668, 537 -> 340 and 62 -> 116 ms a step.) */
static int long_products(const struct swax_network *n)
{
    return (double)n->sequences * n->T * n->c.width * n->c.width > 5e7;
}

struct swax_network *swax_network_new(const struct swax_config *c, const struct swax_tier *tier,
                                      enum swax_precision precision, int B, int T, int training, char *why)
{
    static const struct swax_engine *const engines[SWAX_PRECISIONS] = {
        [SWAX_PREC_F32] = &swax_engine_f32, [SWAX_PREC_F64] = &swax_engine_f64, [SWAX_PREC_BF16] = &swax_engine_bf16,
    };
    struct swax_config checked = *c;
    if (swax_config_check(&checked, why))
        return NULL;
    if (B < 1 || T < 1) {
        snprintf(why, SWAX_WHY, "batch=%d sequence=%d: both should be at least 1", B, T);
        return NULL;
    }
    struct swax_network *n = calloc(1, sizeof *n);
    const int tensors = n ? swax_directory(&checked, &n->p, NULL) : 0;
    if (n) {
        const int piece = (SWAX_PIECE_TOKENS - 1) / T + 1;
        n->c = checked;
        n->tier = tier;
        n->engine = engines[precision];
        n->B = B;
        n->T = T;
        n->training = training;
        n->sequences = tier->memory || piece > B ? B : piece;
        const int pieces = (B - 1) / n->sequences + 1;
        n->lanes = pieces < SWAX_LANES ? pieces : SWAX_LANES;
        n->threads = tier->host ? tier->host->workers() : 1;
        n->workers = n->threads < n->lanes ? n->threads : n->lanes;
        if (n->threads >= 2 * n->lanes && long_products(n))
            n->workers = 1;
        n->tensor = calloc((size_t)tensors, sizeof *n->tensor);
    }
    if (n && n->tensor) {
        n->tensors = swax_directory(&n->c, &n->p, n->tensor);
        n->slices = cut(n, NULL);
        n->slice = calloc((size_t)n->slices, sizeof *n->slice);
    }
    if (!n || !n->slice)
        snprintf(why, SWAX_WHY, "out of memory for the list of %d tensors", tensors);
    else {
        cut(n, n->slice);
        if (!refuse_sizes(n, B, T, why) && !n->engine->open(n, why))
            return n;
    }
    swax_network_free(n);
    return NULL;
}

void swax_network_free(struct swax_network *n)
{
    if (!n)
        return;
    if (n->slice)
        n->engine->close(n);
    free(n->slice);
    free(n->tensor);
    free(n);
}

const struct swax_config *swax_network_config(const struct swax_network *n) { return &n->c; }

const struct swax_tensor *swax_network_tensors(const struct swax_network *n, int *count)
{
    *count = n->tensors;
    return n->tensor;
}

size_t swax_network_parameters(const struct swax_network *n) { return n->p.total; }
size_t swax_network_bytes(const struct swax_network *n) { return n->bytes; }

const char *swax_network_trouble(struct swax_network *n)
{
    const char *device = n->tier->memory ? n->tier->memory->trouble() : NULL;
    if (device || !*n->wrong)
        return device;
    memcpy(n->told, n->wrong, sizeof n->told);
    *n->wrong = 0;
    return n->told;
}

/* Model FLOPs per token, two per multiply-add: dense products once forward and twice backward; the mixers' own. */
double swax_network_flops(const struct swax_config *config, int T, int window, int training)
{
    struct swax_config c = *config;
    char why[SWAX_WHY];
    if (swax_config_check(&c, why))
        return 0;
    const double C = c.width, dense = 2 * C * c.vocabulary + c.layers * 2 * 3 * C * c.ffn_width;
    double mix = 0;
    for (int b = 0; b < c.layers; b++)
        mix += swax_layer_mixer(&c, b)->flops(&c, swax_layer_keys(&c, b), T, window, training);
    return (training ? 3 : 1) * dense + mix;
}

/* ---- weights */

static void *array(const struct swax_network *n, enum swax_which which)
{
    return which == SWAX_WEIGHT ? n->s : which == SWAX_MOMENT1 ? n->m : which == SWAX_MOMENT2 ? n->v : n->g[0];
}

/* NULL, and the reason in n->wrong, if there is no such tensor. */
static char *tensor_at(struct swax_network *n, enum swax_which which, int tensor)
{
    static const char *const what[] = { "weights", "moments", "moments", "gradients" };
    if (array(n, which) && tensor >= 0 && tensor < n->tensors)
        return (char *)array(n, which) + n->tensor[tensor].place * n->engine->stat_size;
    if (array(n, which))
        snprintf(n->wrong, sizeof n->wrong, "Tensor %d was asked for, and there are %d.", tensor, n->tensors);
    else
        snprintf(n->wrong, sizeof n->wrong, "This network was opened without training: it has no %s.", what[which]);
    return NULL;
}

static int trains(struct swax_network *n)
{
    return tensor_at(n, SWAX_GRADIENT, 0) != NULL;
}

void swax_network_init(struct swax_network *n, uint64_t seed)
{
    const size_t element = n->engine->stat_size;
    for (int i = 0; i < n->tensors; i++) {
        const struct swax_tensor *t = &n->tensor[i];
        const uint64_t key = swax_initial_key(t, seed);
        for (long from = 0; from < t->size; from += SWAX_STAGE) {
            const long left = t->size - from, count = left < SWAX_STAGE ? left : SWAX_STAGE;
            for (long e = 0; e < count; e++) {
                const double x = swax_initial(&n->c, t, key, from + e);
                if (element == sizeof(float))
                    ((float *)(void *)n->stage)[e] = (float)x;
                else
                    n->stage[e] = x;
            }
            swax_put(n, tensor_at(n, SWAX_WEIGHT, i) + (size_t)from * element, n->stage, (size_t)count * element);
        }
    }
    if (n->training) {
        swax_tier_zero(n->tier, n->m, n->p.total * element);
        swax_tier_zero(n->tier, n->v, n->p.total * element);
    }
    n->engine->weights_changed(n);
}

void swax_network_get(struct swax_network *n, enum swax_which which, int tensor, void *host)
{
    const char *at = tensor_at(n, which, tensor);
    if (at)
        swax_get(n, host, at, (size_t)n->tensor[tensor].size * n->engine->stat_size);
}

void swax_network_put(struct swax_network *n, enum swax_which which, int tensor, const void *host)
{
    char *at = tensor_at(n, which, tensor);
    if (!at)
        return;
    swax_put(n, at, host, (size_t)n->tensor[tensor].size * n->engine->stat_size);
    if (which == SWAX_WEIGHT)
        n->engine->weights_changed(n);
}

/* ---- evaluation and training */

static int refuse_starts(struct swax_network *n, const struct swax_batch *b, const int *start)
{
    for (long i = 0; i < (long)b->B * b->T && start; i++)
        if (start[i] > i % b->T) {
            snprintf(n->wrong, sizeof n->wrong,
                     "Token %ld of sequence %ld is of a document that begins at token %d, behind it.",
                     i % b->T, i / b->T, start[i]);
            return 1;
        }
    return 0;
}

static int refuse_batch(struct swax_network *n, const struct swax_batch *b)
{
    *n->wrong = 0;
    if (b->B < 1 || b->B > n->B || b->T < 1 || b->T > n->T)
        snprintf(n->wrong, sizeof n->wrong,
                 "%d sequences of %d tokens: this network was opened for 1 to %d of 1 to %d.", b->B, b->T, n->B, n->T);
    else if (b->window < 1)
        snprintf(n->wrong, sizeof n->wrong, "window=%d: should be at least 1.", b->window);
    else if (!swax_tokens_are_known(n, b->token, b->B, b->T))
        return 1;
    return *n->wrong || refuse_starts(n, b, b->start_attention) || refuse_starts(n, b, b->start_cell);
}

int swax_tokens_are_known(struct swax_network *n, const int *token, int B, int T)
{
    for (long i = 0; i < (long)B * T; i++)
        if (token[i] < 0 || token[i] >= n->c.vocabulary) {
            snprintf(n->wrong, sizeof n->wrong, "Token %ld of sequence %ld is %d: the vocabulary is 0 to %d.",
                     i % T, i / T, token[i],
                     n->c.vocabulary - 1);
            return 0;
        }
    return 1;
}

double swax_network_evaluate(struct swax_network *n, const struct swax_batch *b,
                             float *token_loss, unsigned char *correct, float *logits)
{
    return refuse_batch(n, b) ? (double)NAN : n->engine->run(n, b, 1, 0, token_loss, correct, logits);
}

void swax_network_zero_gradient(struct swax_network *n)
{
    if (trains(n))
        swax_tier_zero(n->tier, n->g[0], n->p.total * n->engine->stat_size);
}

double swax_network_gradient(struct swax_network *n, const struct swax_batch *b, double scale)
{
    return refuse_batch(n, b) || !trains(n) ? (double)NAN : n->engine->run(n, b, scale, 1, NULL, NULL, NULL);
}

double swax_network_gradient_norm(struct swax_network *n)
{
    return trains(n) ? n->engine->gradient_norm(n) : (double)NAN;
}

void swax_network_adamw(struct swax_network *n, const struct swax_adamw *o, int step)
{
    if (trains(n))
        n->engine->adamw(n, o, step);
}

int swax_network_nonfinite(struct swax_network *n, enum swax_which which)
{
    const size_t element = n->engine->stat_size;
    for (int i = 0; i < n->tensors; i++) {
        const long size = n->tensor[i].size;
        const char *at = tensor_at(n, which, i);
        for (long from = 0; from < size && at; from += SWAX_STAGE) {
            const long left = size - from, count = left < SWAX_STAGE ? left : SWAX_STAGE;
            swax_get(n, n->stage, at + (size_t)from * element, (size_t)count * element);
            for (long e = 0; e < count; e++)
                if (!isfinite(element == sizeof(float) ? (double)((float *)(void *)n->stage)[e] : n->stage[e]))
                    return i;
        }
    }
    return -1;
}

size_t swax_network_peek(struct swax_network *n, const char *name, double *to, size_t max)
{
    return n->engine->peek(n, name, to, max);
}

/* ---- decoding */

struct swax_decoder *swax_decoder_new(struct swax_network *n, int B, int window, char *why)
{
    if (B < 1 || window < 1) {
        snprintf(why, SWAX_WHY, "sequences=%d window=%d: both should be at least 1", B, window);
        return NULL;
    }
    return n->engine->decoder_new(n, B, window, why);
}

void swax_decoder_begin(struct swax_decoder *d, int sequence)
{
    if (sequence >= 0 && sequence < d->B)
        d->n->engine->decoder_begin(d, sequence);
}

void swax_decoder_separator(struct swax_decoder *d, int token) { d->separator = token; }

const char *swax_decoder_feed(struct swax_decoder *d, const int *token, int T, float *logits)
{
    if (T < 1) {
        snprintf(d->n->wrong, sizeof d->n->wrong, "%d tokens were given to decode: at least 1 is needed.", T);
        return d->n->wrong;
    }
    if (!swax_tokens_are_known(d->n, token, d->B, T))
        return d->n->wrong;
    return d->n->engine->decoder_feed(d, token, T, logits);
}

void swax_decoder_free(struct swax_decoder *d)
{
    if (d)
        d->n->engine->decoder_free(d);
}

double *swax_layer_peek(struct swax_network *n, int layer, const char *name)
{
    char full[64];
    snprintf(full, sizeof full, "%d.%s", layer, name);
    const size_t size = swax_network_peek(n, full, NULL, 0);
    double *x = size ? malloc(size * sizeof *x) : NULL;
    if (x)
        swax_network_peek(n, full, x, size);
    return x;
}
