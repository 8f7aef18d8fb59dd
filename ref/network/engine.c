/* engine.c - a network at work, in one precision: pieces of a batch through the model, lanes added up, activations
 * looked at.  Compiled once per precision. */
#include <stdio.h>
#include <stdlib.h>

#include "ref/network/engine.h"
#include "ref/network/model.h"

enum { PASSES = 4 };

/* A training pass of one shape, and what a tier with memory of its own remembers of it */
struct pass { int B, T, window, documents; const stat *g; void *kept; };

struct swax_desk {
    struct R(work) work;
    stat *host;                     /* room for a copy of the logits or of a row per token */
    struct pass pass[PASSES];       /* the last that were new */
    int passes;
};

static const struct R(swax_kernels) *table(const struct swax_network *n) { return n->table; }

struct R(run) R(swax_run_of)(const struct swax_network *n, int B, int T, int window)
{
    const struct R(run) r = { .tier = n->tier, .k = table(n), .c = &n->c, .p = &n->p, .w = n->w, .s = n->s,
                              .B = B, .T = T, .window = window };
    return r;
}

/* ---- opening and closing */

static int take_table(struct swax_network *n);
#if defined SWAX_F64
static int take_table(struct swax_network *n)
{
    swax_tier_f64(n->tier, n->table);
    return n->tier->f64 != NULL || !n->tier->memory;
}
#elif defined SWAX_BF16
static int take_table(struct swax_network *n)
{
    if (n->tier->bf16)
        memcpy(n->table, n->tier->bf16, sizeof(struct R(swax_kernels)));
    return n->tier->bf16 != NULL;
}
#else
static int take_table(struct swax_network *n)
{
    swax_tier_f32(n->tier, n->table);
    return n->tier->f32 != NULL || !n->tier->memory;
}
#endif

static struct swax_desk *desk_new(struct swax_network *n)
{
    struct swax_desk *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    const size_t rows = (size_t)n->sequences * (size_t)n->T;
    R(swax_model_place)(&l->work, &n->c, n->sequences, n->T, n->training, NULL);
    const size_t logits = (size_t)l->work.head_rows * (size_t)n->c.vocabulary;
    void *memory = swax_take(n, l->work.bytes);
    l->host = malloc((logits > rows ? logits : rows) * sizeof(stat));
    if (memory)
        R(swax_model_place)(&l->work, &n->c, n->sequences, n->T, n->training, memory);
    if (memory && l->host)
        return l;
    swax_give(n, memory);
    free(l->host);
    free(l);
    return NULL;
}

static const char *engine_open(struct swax_network *n, char *why)
{
    const size_t total = n->p.total;
    if (R(swax_mixers_check)(R(swax_mixers), why))
        return why;
    n->table = malloc(sizeof(struct R(swax_kernels)));
    n->loss = malloc((size_t)n->B * (size_t)n->T * sizeof(stat));
    if (!n->table || !n->loss) {
        snprintf(why, SWAX_WHY, "out of memory for %d x %d tokens", n->B, n->T);
        return why;
    }
    if (!take_table(n)) {
        snprintf(why, SWAX_WHY, "the tier %s does not offer this precision; choose another precision or another tier",
                 n->tier->name);
        return why;
    }
    n->s = swax_take(n, total * sizeof(stat));
    n->w = sizeof(real) == sizeof(stat) ? n->s : swax_take(n, total * sizeof(real));
    n->m = n->training ? swax_take(n, total * sizeof(stat)) : NULL;
    n->v = n->training ? swax_take(n, total * sizeof(stat)) : NULL;
    n->sum = n->training ? swax_take(n, (size_t)n->slices * sizeof(double)) : NULL;
    int ok = n->s && n->w && (!n->training || (n->m && n->v && n->sum));
    for (int i = 0; i < n->workers && ok; i++)
        ok = (n->desk[i] = desk_new(n)) != NULL;
    for (int l = 0; l < n->lanes && n->training && ok; l++)
        ok = (n->g[l] = swax_take(n, total * sizeof(stat))) != NULL;
    if (ok)
        return NULL;
    snprintf(why, SWAX_WHY, "out of memory on tier %s: %.2f GB were taken and more was needed; lower the batch (%d), "
             "the sequence length (%d) or the width (%d)", n->tier->name, (double)n->bytes / 1e9, n->B, n->T,
             n->c.width);
    return why;
}

static void engine_close(struct swax_network *n)
{
    for (int i = 0; i < n->workers && n->desk[i]; i++) {
        for (int p = 0; p < PASSES; p++)
            if (n->desk[i]->pass[p].kept)
                n->tier->memory->forget(n->desk[i]->pass[p].kept);
        swax_give(n, n->desk[i]->work.memory);
        free(n->desk[i]->host);
        free(n->desk[i]);
    }
    for (int l = 0; l < n->lanes; l++)
        swax_give(n, n->g[l]);
    if (n->w != n->s)
        swax_give(n, n->w);
    swax_give(n, n->s);
    swax_give(n, n->m);
    swax_give(n, n->v);
    swax_give(n, n->sum);
    free(n->loss);
    free(n->table);
}

/* ---- looking inside */

static double as_double(const void *host, size_t e, int is_stat);
#ifdef SWAX_BF16
static double as_double(const void *host, size_t e, int is_stat)
{
    return is_stat ? (double)((const stat *)host)[e] : (double)bf16_to_float(((const real *)host)[e]);
}
#else
static double as_double(const void *host, size_t e, int is_stat)
{
    (void)is_stat;
    return (double)((const stat *)host)[e];
}
#endif

static size_t engine_peek(struct swax_network *n, const char *name, double *to, size_t max)
{
    const void *at = NULL;
    int is_stat = 0;
    const size_t size = R(swax_model_find)(&n->desk[0]->work, &n->c, n->last_B, n->last_T, name, &at, &is_stat);
    const size_t count = size < max ? size : max, element = is_stat ? sizeof(stat) : sizeof(real);
    for (size_t from = 0; from < count; from += SWAX_STAGE) {
        const size_t some = count - from < SWAX_STAGE ? count - from : SWAX_STAGE;
        swax_get(n, n->stage, (const char *)at + from * element, some * element);
        for (size_t e = 0; e < some; e++)
            to[from + e] = as_double(n->stage, e, is_stat);
    }
    return size;
}

static int is_finite(struct swax_network *n, const void *at, size_t count, int is_stat)
{
    const size_t element = is_stat ? sizeof(stat) : sizeof(real);
    int finite = 1;
    for (size_t from = 0; from < count && finite; from += SWAX_STAGE) {
        const size_t some = count - from < SWAX_STAGE ? count - from : SWAX_STAGE;
        swax_get(n, n->stage, (const char *)at + from * element, some * element);
        for (size_t e = 0; e < some && finite; e++)
            finite = isfinite(as_double(n->stage, e, is_stat));
    }
    return finite;
}

const char *R(swax_first_nonfinite)(struct swax_network *n, const struct R(work) *w, int B, int T, char name[64])
{
    const char *of[64];
    if (!is_finite(n, w->x0, (size_t)B * (size_t)T * (size_t)n->c.width, 0))
        return strcpy(name, "x0");
    for (int l = 0; l < n->c.layers; l++) {
        const int count = R(swax_model_names)(R(swax_mixers)[n->c.mixer[l]], &n->c, swax_layer_keys(&n->c, l), of, 64);
        for (int i = 0; i < count && i < 64; i++) {
            const void *at;
            int is_stat;
            snprintf(name, 64, "%d.%.40s", l, of[i]);
            const size_t size = R(swax_model_find)(w, &n->c, B, T, name, &at, &is_stat);
            if (!is_finite(n, at, size, is_stat))
                return name;
        }
    }
    return NULL;
}

/* ---- a batch */

struct job {
    struct swax_network *n;
    const struct swax_batch *b;
    double scale;
    int training, pieces, lanes;
    unsigned char *correct;
    float *logits;
};

static int valid(const struct job *j, long token)
{
    return j->b->target[token] >= 0 && j->b->target[token] < j->n->c.vocabulary;
}

static double weight(const struct job *j, long token) { return j->b->weight ? (double)j->b->weight[token] : 1; }

/* What the caller wants of the logits of `rows` tokens, the first of them `token` in the batch. */
static void hand_out_logits(const struct job *j, struct swax_desk *l, long token, int rows)
{
    const struct swax_network *n = j->n;
    const long V = n->c.vocabulary;
    swax_get(n, l->host, l->work.zc, (size_t)(rows * V) * sizeof(stat));
    for (long t = 0; t < rows; t++) {
        const stat *z = l->host + t*V;
        long best = 0;
        for (long e = 0; e < V; e++) {
            best = z[e] > z[best] ? e : best;
            if (j->logits)
                j->logits[(token + t)*V + e] = (float)z[e];
        }
        if (j->correct)
            j->correct[token + t] = best == j->b->target[token + t];
    }
}

struct train { const struct R(run) *r; struct R(work) *w; stat *g; };

/* Forward and backward, from inputs that are there to the loss and the gradients */
static void train(void *arg)
{
    const struct train *a = arg;
    struct R(work) *w = a->w;
    const int N = a->r->B * a->r->T;
    R(swax_model_forward)(a->r, w, NULL);
    swax_tier_zero(a->r->tier, w->dnf, (size_t)N * (size_t)a->r->c->width * sizeof(real));
    for (int row = 0; row < N; row += w->head_rows)
        R(swax_model_head)(a->r, w, a->g, row, N - row < w->head_rows ? N - row : w->head_rows);
    R(swax_model_backward)(a->r, w, a->g);
}

/* What is remembered of passes of this shape; of the oldest, it is forgotten. */
static void **remembered(struct swax_desk *l, const struct R(run) *r, const stat *g)
{
    const int documents = 2 * (r->start_attention != NULL) + (r->start_cell != NULL);
    for (struct pass *p = l->pass; p < l->pass + PASSES; p++)
        if (p->B == r->B && p->T == r->T && p->window == r->window && p->documents == documents && p->g == g)
            return &p->kept;
    struct pass *oldest = &l->pass[l->passes++ % PASSES];
    if (oldest->kept)
        r->tier->memory->forget(oldest->kept);
    *oldest = (struct pass){ .B = r->B, .T = r->T, .window = r->window, .documents = documents, .g = g };
    return &oldest->kept;
}

static void piece(const struct job *j, int index, struct swax_desk *l, stat *g)
{
    const struct swax_network *n = j->n;
    const struct swax_batch *b = j->b;
    const int first = index * n->sequences, B = b->B - first < n->sequences ? b->B - first : n->sequences;
    const long at = (long)first * b->T;
    const int N = B * b->T;
    const size_t ints = (size_t)N * sizeof(int);
    struct R(work) *w = &l->work;
    struct R(run) r = R(swax_run_of)(n, B, b->T, b->window);

    swax_put(n, w->token, b->token + at, ints);
    swax_put(n, w->target, b->target + at, ints);
    if (b->start_attention) {
        swax_put(n, w->start_attention, b->start_attention + at, ints);
        r.start_attention = w->start_attention;
    }
    if (b->start_cell) {
        swax_put(n, w->start_cell, b->start_cell + at, ints);
        r.start_cell = w->start_cell;
    }
    if (j->training) {
        struct train all = { &r, w, g };
        for (long t = 0; t < N; t++)
            l->host[t] = (stat)(valid(j, at + t) ? weight(j, at + t) * j->scale : 0);
        swax_put(n, w->dloss, l->host, (size_t)N * sizeof(stat));
        if (n->tier->memory)
            n->tier->memory->again(remembered(l, &r, g), train, &all);
        else
            train(&all);
    } else {
        R(swax_model_forward)(&r, w, NULL);
        for (int row = 0; row < N; row += w->head_rows) {
            const int rows = N - row < w->head_rows ? N - row : w->head_rows;
            R(swax_model_head)(&r, w, NULL, row, rows);
            if (j->logits || j->correct)
                hand_out_logits(j, l, at + row, rows);
        }
    }
    swax_get(n, (stat *)n->loss + at, w->loss, (size_t)N * sizeof(stat));
}

static void one_lane(int l, void *arg)
{
    const struct job *j = arg;
    struct swax_network *n = j->n;
    const int worker = n->tier->host ? n->tier->host->worker() : 0;
    if (j->training && l > 0)
        swax_tier_zero(n->tier, n->g[l], n->p.total * sizeof(stat));
    for (int i = l; i < j->pieces; i += n->lanes)
        piece(j, i, n->desk[worker], n->g[l]);
}

static void add_lanes(int i, void *arg)
{
    const struct job *j = arg;
    const struct swax_network *n = j->n;
    const struct swax_slice *s = &n->slice[i];
    for (int l = 1; l < j->lanes; l++)
        table(n)->accumulate((stat *)n->g[0] + s->from, (stat *)n->g[l] + s->from, s->count);
}

/* A piece's activations are still there if it was the only one. */
static void say_not_finite(struct swax_network *n, const struct swax_batch *b, long token, int pieces)
{
    char name[64];
    const char *first = pieces == 1 ? R(swax_first_nonfinite)(n, &n->desk[0]->work, b->B, b->T, name) : NULL;
    snprintf(n->wrong, sizeof n->wrong, "The loss at token %ld of sequence %ld is not finite%s%s.",
             token % b->T, token / b->T,
             first ? ": the first activation that is not is " : "", first ? first : "");
}

static double engine_run(struct swax_network *n, const struct swax_batch *b, double scale, int training,
                         float *token_loss, unsigned char *correct, float *logits)
{
    const int pieces = (b->B - 1) / n->sequences + 1;
    struct job j = {
        .n = n, .b = b, .scale = scale, .training = training, .pieces = pieces,
        .lanes = pieces < n->lanes ? pieces : n->lanes, .correct = correct, .logits = logits
    };
    swax_each(n, j.lanes, n->workers, one_lane, &j);
    if (training && j.lanes > 1)
        swax_each(n, n->slices, n->threads, add_lanes, &j);
    n->last_B = b->B;
    n->last_T = b->T;

    const stat *loss = n->loss;
    double sum = 0;
    for (long t = 0; t < (long)b->B * b->T; t++) {
        if (valid(&j, t))
            sum += (double)loss[t] * weight(&j, t);
        if (token_loss)
            token_loss[t] = (float)loss[t];
        if (!training && !isfinite(loss[t]) && !*n->wrong)
            say_not_finite(n, b, t, pieces);
    }
    return sum * scale;
}

const struct swax_engine R(swax_engine) = {
    .real_size = sizeof(real),
    .stat_size = sizeof(stat),
    .open = engine_open,
    .close = engine_close,
    .run = engine_run,
    .gradient_norm = R(swax_gradient_norm),
    .adamw = R(swax_adamw),
    .weights_changed = R(swax_weights_changed),
    .peek = engine_peek,
    .decoder_new = R(swax_decoder_new),
    .decoder_begin = R(swax_decoder_begin),
    .decoder_feed = R(swax_decoder_feed),
    .decoder_free = R(swax_decoder_free),
};
