/* network.c - the handle of network.h: what does not depend on precision. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ref/network/engine.h"

/* ---- memory: a tier's own, or the host's */

void *swax_take(struct swax_network *n, size_t bytes)
{
    const struct swax_memory *mem = n->tier->memory;
    const size_t round = (bytes + 63) / 64 * 64 + 64;
    void *p = mem ? mem->take(round) : NULL;
    if (!mem) {
        /* 64-byte alignment in ISO C: keep the address that malloc gave just below */
        char *raw = malloc(round + sizeof(void *));
        if (raw) {
            char *at = raw + sizeof(void *);
            at += (64 - (size_t)at % 64) % 64;
            memcpy(at - sizeof(void *), &raw, sizeof raw);
            p = at;
        }
    }
    n->bytes += p ? bytes : 0;
    if (p && n->tier->host)
        n->tier->host->large(p, bytes);
    if (p)
        swax_tier_zero(n->tier, p, bytes);
    return p;
}

void swax_give(struct swax_network *n, void *p)
{
    if (p && n->tier->memory)
        n->tier->memory->give(p);
    else if (p) {
        char *raw;
        memcpy(&raw, (char *)p - sizeof(void *), sizeof raw);
        free(raw);
    }
}

static void copy(void *to, const void *from, size_t bytes)
{
    if (bytes)      /* an empty array may be NULL, which memcpy must not see */
        memcpy(to, from, bytes);
}

void swax_put(const struct swax_network *n, void *to, const void *from, size_t bytes)
{
    if (n->tier->memory)
        n->tier->memory->put(to, from, bytes);
    else
        copy(to, from, bytes);
}

void swax_get(const struct swax_network *n, void *to, const void *from, size_t bytes)
{
    if (n->tier->memory)
        n->tier->memory->get(to, from, bytes);
    else
        copy(to, from, bytes);
}

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
            slice[count] = (struct swax_slice){ .from = from + done, .count = (int)(size - done < most ? size - done : most), .decay = decay };
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

static const char *refuse_sizes(const struct swax_config *c, int B, int T, char *why)
{
    const double N = (double)B * T, most = 2147483647;
    const int widest = c->ffn_width > c->width ? c->ffn_width : c->width;
    const double row = fmax(fmax(widest, (double)c->heads * c->head_dim), (double)c->cell_heads * fmax(c->key_dim, c->value_dim));
    if (B < 1 || T < 1)
        snprintf(why, SWAX_WHY, "batch=%d sequence=%d: both should be at least 1", B, T);
    else if (N * row > most)
        snprintf(why, SWAX_WHY, "batch=%d sequence=%d: %.0f tokens of %.0f elements each make a tensor of more than 2^31; "
                 "lower either, and accumulate gradients instead", B, T, N, row);
    else
        return NULL;
    return why;
}

/* Is a product of a piece worth all the threads there are?  (16 of them, for 2 lanes of width 512, 4 of 256 and 8 of 128
 * in turn instead of side by side: 2405 -> 668, 537 -> 340 and 62 -> 116 ms a step.) */
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
    if (swax_config_check(&checked, why) || refuse_sizes(&checked, B, T, why))
        return NULL;
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
        if (!n->engine->open(n, why))
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
    return n->tier->memory ? n->tier->memory->trouble() : NULL;
}

/* Model FLOPs per token, two per multiply-add: dense products once forward and twice backward; attention over the
 * keys that are there; the cell in chunks of c->chunk, the causal half of a chunk and the state. */
double swax_network_flops(const struct swax_config *config, int T, int window, int training)
{
    struct swax_config c = *config;
    char why[SWAX_WHY];
    if (swax_config_check(&c, why))
        return 0;
    const double C = c.width, F = c.ffn_width, HD = (double)c.heads * c.head_dim, GD = (double)c.kv_heads * c.head_dim;
    const double H = c.cell_heads, K = c.key_dim, V = c.value_dim, L = c.chunk < T ? c.chunk : T;
    double dense = 2 * C * c.vocabulary, mix = 0;
    for (int b = 0; b < c.layers; b++) {
        const double W = c.mixer[b] == SWAX_FULL || window > T ? T : window;
        const double keys = W - W * (W - 1) / (2.0 * T); /* the mean of min(t, W) over t = 1..T */
        dense += 2 * 3 * C * F;
        if (c.mixer[b] == SWAX_MLSTM) {
            dense += 2 * C * (2*H*K + 3*H*V + 2*H);
            mix += H * (L * (K + V) + 4*K*V) + (training ? H * (L * (3*K + 2*V) + 8*K*V) : 0);
        } else {
            dense += 2 * C * (2*HD + 2*GD);
            mix += (training ? 3 : 1) * 4 * keys * HD;
        }
    }
    return (training ? 3 : 1) * dense + mix;
}

/* ---- weights */

/* splitmix64 of a key and a counter: the same weight whatever the order, the threads and the other layers */
static double uniform(uint64_t key, uint64_t counter)
{
    uint64_t z = key + (counter + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return ((double)(z >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(uint64_t key, uint64_t counter)
{
    return sqrt(-2 * log(uniform(key, 2 * counter))) * cos(6.283185307179586 * uniform(key, 2 * counter + 1));
}

static uint64_t key_of(uint64_t seed, const char *name)
{
    uint64_t h = 0xcbf29ce484222325u ^ seed * 0x9e3779b97f4a7c15u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h;
}

static void *array(const struct swax_network *n, enum swax_which which)
{
    return which == SWAX_WEIGHT ? n->s : which == SWAX_MOMENT1 ? n->m : which == SWAX_MOMENT2 ? n->v : n->g[0];
}

static char *tensor_at(const struct swax_network *n, enum swax_which which, int tensor)
{
    return (char *)array(n, which) + n->tensor[tensor].place * n->engine->stat_size;
}

/* Tensors of the same name get the same weights in every network: arms of an ablation start alike. */
void swax_network_init(struct swax_network *n, uint64_t seed)
{
    const size_t element = n->engine->stat_size;
    for (int i = 0; i < n->tensors; i++) {
        const struct swax_tensor *t = &n->tensor[i];
        const uint64_t key = key_of(seed, t->name);
        for (long from = 0; from < t->size; from += SWAX_SLICE) {
            static const int most = SWAX_SLICE;
            const long left = t->size - from, count = left < most ? left : most;
            char *host = malloc((size_t)count * element);
            if (!host)
                return;
            for (long e = 0; e < count; e++) {
                const double line = t->size > 1 ? (double)(from + e) / (double)(t->size - 1) : 0;
                const double x = t->init_first + (t->init_last - t->init_first) * line +
                                 (t->init_std > 0 ? t->init_std * normal(key, (uint64_t)(from + e)) : 0);
                if (element == sizeof(float))
                    ((float *)(void *)host)[e] = (float)x;
                else
                    ((double *)(void *)host)[e] = x;
            }
            swax_put(n, tensor_at(n, SWAX_WEIGHT, i) + (size_t)from * element, host, (size_t)count * element);
            free(host);
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
    swax_get(n, host, tensor_at(n, which, tensor), (size_t)n->tensor[tensor].size * n->engine->stat_size);
}

void swax_network_put(struct swax_network *n, enum swax_which which, int tensor, const void *host)
{
    swax_put(n, tensor_at(n, which, tensor), host, (size_t)n->tensor[tensor].size * n->engine->stat_size);
    if (which == SWAX_WEIGHT)
        n->engine->weights_changed(n);
}

/* ---- evaluation and training */

double swax_network_evaluate(struct swax_network *n, const struct swax_batch *b,
                             float *token_loss, unsigned char *correct, float *logits)
{
    return n->engine->run(n, b, 1, 0, token_loss, correct, logits);
}

void swax_network_zero_gradient(struct swax_network *n) { swax_tier_zero(n->tier, n->g[0], n->p.total * n->engine->stat_size); }

double swax_network_gradient(struct swax_network *n, const struct swax_batch *b, double scale)
{
    return n->engine->run(n, b, scale, 1, NULL, NULL, NULL);
}

double swax_network_gradient_norm(struct swax_network *n) { return n->engine->gradient_norm(n); }

void swax_network_adamw(struct swax_network *n, const struct swax_adamw *o, int step) { n->engine->adamw(n, o, step); }

int swax_network_nonfinite(struct swax_network *n, enum swax_which which)
{
    int found = -1;
    for (int i = 0; i < n->tensors && found < 0; i++) {
        const long size = n->tensor[i].size;
        void *host = malloc((size_t)size * n->engine->stat_size);
        if (!host)
            return -1;
        swax_network_get(n, which, i, host);
        for (long e = 0; e < size && found < 0; e++)
            if (!isfinite(n->engine->stat_size == sizeof(float) ? (double)((float *)host)[e] : ((double *)host)[e]))
                found = i;
        free(host);
    }
    return found;
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

const char *swax_decoder_feed(struct swax_decoder *d, const int *token, int T, float *logits)
{
    return d->n->engine->decoder_feed(d, token, T, logits);
}

void swax_decoder_free(struct swax_decoder *d)
{
    if (d)
        d->n->engine->decoder_free(d);
}
