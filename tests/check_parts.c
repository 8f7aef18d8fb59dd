/* check_parts.c - what is made in parts is what is made at once: the head of some tokens after others, a batch in
 * lanes, a device's parameters in slices, a cell's sequence in chunks; and every part has its room, and no more. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ref/network/engine.h"
#include "ref/network/mixers.h"
#include "ref/network/model.h"
#include "ref/network/network.h"
#include "tests/suite.h"

enum { WORDS = 11, WIDTH = 8 };

static char why[SWAX_WHY];

static struct swax_config configured(const char *mixers)
{
    struct swax_config c = swax_config_default();
    static const char *const text[][2] = { { "vocabulary", "11" }, { "width", "8" }, { "ffn_width", "5" },
                                           { "heads", "2" }, { "cell_heads", "2" }, { "chunk", "16" } };
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++)
        ck_assert_msg(!swax_config_set(&c, text[i][0], text[i][1], why), "%s", why);
    ck_assert_msg(!swax_config_set(&c, "mixers", mixers, why), "%s", why);
    return c;
}

static struct swax_network *opened(const struct swax_config *c, const struct swax_tier *tier,
                                   enum swax_precision precision, int B, int T, int training)
{
    struct swax_network *n = swax_network_new(c, tier, precision, B, T, training, why);
    ck_assert_msg(n != NULL, "%s", why);
    swax_network_init(n, 3);
    return n;
}

/* Tokens, targets and weights of a batch, no two alike. */
struct batch { int *token, *target; float *weight; struct swax_batch b; };

static struct batch batch_of(int B, int T)
{
    const size_t N = (size_t)B * (size_t)T;
    struct batch x = { malloc(N * sizeof(int)), malloc(N * sizeof(int)), malloc(N * sizeof(float)), { .B = B } };
    for (size_t i = 0; i < N; i++) {
        x.token[i] = (int)(i * i % 101 % WORDS);
        x.target[i] = (int)(i * 7 % 103 % WORDS);
        x.weight[i] = (float)(1 + i % 5) / 4;
    }
    x.b = (struct swax_batch){ .B = B, .T = T, .window = 4, .token = x.token, .target = x.target, .weight = x.weight };
    return x;
}

static void batch_free(struct batch *x) { free(x->token), free(x->target), free(x->weight); }

/* ---- the head */

static char *placed(struct work_f32 *w, const struct swax_config *c, int B, int T)
{
    memset(w, 0, sizeof *w);
    swax_model_place_f32(w, c, B, T, 1, NULL);
    char *memory = calloc(w->bytes + 64, 1);
    char *const at = memory + (64 - (size_t)memory % 64) % 64;
    memset(w, 0, sizeof *w);
    swax_model_place_f32(w, c, B, T, 1, at);
    return memory;
}

static void run_in(struct work_f32 *w, const struct run_f32 *r, const struct batch *x, float *g, int rows)
{
    const int N = r->B * r->T;
    memcpy(w->token, x->token, (size_t)N * sizeof(int));
    memcpy(w->target, x->target, (size_t)N * sizeof(int));
    for (int i = 0; i < N; i++)
        w->dloss[i] = x->weight[i];
    swax_model_forward_f32(r, w, NULL);
    memset(w->dnf, 0, (size_t)(N * WIDTH) * sizeof *w->dnf);
    for (int row = 0; row < N; row += rows)
        swax_model_head_f32(r, w, g, row, N - row < rows ? N - row : rows);
    if (g)
        swax_model_backward_f32(r, w, g);
}

/* As many tokens' logits at a time as there is room for: whatever that number is, losses and gradients are the same. */
START_TEST(the_head_of_some_tokens_after_others)
{
    enum { B = 2, T = 7, N = B * T };
    const struct swax_config c = configured("swa mlstm");
    struct swax_network *n = opened(&c, swax_tiers[0], SWAX_PREC_F32, B, T, 1);
    struct batch x = batch_of(B, T);
    struct work_f32 w[2];
    const struct run_f32 r = swax_run_of_f32(n, B, T, 4);
    float *g[2] = { calloc(n->p.total, sizeof(float)), calloc(n->p.total, sizeof(float)) };
    char *memory[2] = { placed(&w[0], &n->c, B, T), placed(&w[1], &n->c, B, T) };
    run_in(&w[0], &r, &x, g[0], N);
    for (int rows = 1; rows < N; rows++) {
        memset(g[1], 0, n->p.total * sizeof(float));
        run_in(&w[1], &r, &x, g[1], rows);
        for (int i = 0; i < N; i++) {
            ck_assert_msg(w[1].loss[i] == w[0].loss[i] && w[1].lse[i] == w[0].lse[i],
                          "%d at a time: the loss of token %d is %g, not %g", rows, i, (double)w[1].loss[i],
                          (double)w[0].loss[i]);
            for (int e = 0; e < WIDTH; e++)
                ck_assert_msg(w[1].dnf[i * WIDTH + e] == w[0].dnf[i * WIDTH + e],
                              "%d at a time: the gradient before the head of token %d is another", rows, i);
        }
        for (size_t e = 0; e < n->p.total; e++)
            ck_assert_msg(fabs((double)g[1][e] - (double)g[0][e]) < 1e-5, "%d at a time: gradient %zu is %g, not %g",
                          rows, e, (double)g[1][e], (double)g[0][e]);
    }
    /* capped logits, of the rows that were asked for */
    run_in(&w[0], &r, &x, NULL, N);
    for (int row = 0; row < N; row++) {
        swax_model_head_f32(&r, &w[1], NULL, row, 1);
        ck_assert_msg(!memcmp(w[1].zc, w[0].zc + row * WORDS, WORDS * sizeof(float)), "the logits of token %d", row);
    }
    for (int k = 0; k < 2; k++)
        free(memory[k]), free(g[k]);
    batch_free(&x);
    swax_network_free(n);
}
END_TEST

/* ---- room: every array of a pass begins at a line of the cache, right behind the one before it */

static size_t lines(size_t bytes) { return bytes % 64 ? bytes + 64 - bytes % 64 : bytes; }

START_TEST(arrays_lie_one_behind_the_other)
{
    enum { NAMES = 64 };
    const struct swax_config c = configured(swax_mixer_row(_i)->name);
    for (int B = 1; B < 3; B++)
        for (int T = 1; T < 40; T += 6) {
            struct swax_network *n = opened(&c, swax_tiers[0], SWAX_PREC_F32, B, T, 0);
            struct work_f32 w = { .x0 = NULL };
            const char *name[NAMES];
            char *const base = (char *)(size_t)4096;      /* nothing is read or written there */
            swax_model_place_f32(&w, &n->c, B, T, 0, base);
            const int names = swax_model_names_f32(swax_mixers_f32[_i], &n->c, swax_layer_keys(&n->c, 0), name, NAMES);
            char *at = (char *)w.block[0].norm1;
            ck_assert(names > 8 && names < NAMES);
            for (int i = 0; i < names; i++) {
                char text[64];
                const void *lies = NULL;
                int is_stat = 0;
                snprintf(text, sizeof text, "0.%s", name[i]);
                const size_t size = swax_model_find_f32(&w, &n->c, B, T, text, &lies, &is_stat);
                ck_assert_msg(lies == at, "%s of %d sequences of %d tokens lies %ld bytes from where it should", text,
                              B, T, (long)((const char *)lies - at));
                at += lines(size * sizeof(float));
            }
            const size_t N = (size_t)(B * T);
            ck_assert_msg((char *)w.nf == at, "behind the block of %s there is a gap", swax_mixer_row(_i)->name);
            ck_assert_uint_eq(w.bytes, (size_t)((char *)w.nf - base) + lines(N * WIDTH * 4) + 3 * lines(N * 4) +
                                           2 * lines(N * WORDS * 4));
            ck_assert_uint_eq((size_t)((char *)w.block[0].norm1 - base), 4 * lines(N * 4) + lines(N * WIDTH * 4));
            swax_network_free(n);
        }
}
END_TEST

/* ---- lanes */

static void get(double *x, struct swax_network *n, enum swax_which which, int tensor, long size)
{
    swax_network_get(n, which, tensor, x);
    for (long e = size - 1; e >= 0 && n->engine->stat_size == sizeof(float); e--)
        x[e] = (double)((const float *)x)[e];
}

static void compare(struct swax_network *a, struct swax_network *b, enum swax_which which, double bound,
                    const char *what)
{
    int count;
    const struct swax_tensor *t = swax_network_tensors(a, &count);
    for (int i = 0; i < count; i++) {
        double *x = malloc((size_t)t[i].size * sizeof *x), *y = malloc((size_t)t[i].size * sizeof *y), most = 1e-3;
        get(x, a, which, i, t[i].size);
        get(y, b, which, i, t[i].size);
        for (long e = 0; e < t[i].size; e++)
            most = fmax(most, fabs(x[e]));
        for (long e = 0; e < t[i].size; e++)
            ck_assert_msg(fabs(x[e] - y[e]) <= bound * most, "%s: element %ld of %s is %.12g and %.12g", what, e,
                          t[i].name, x[e], y[e]);
        free(x), free(y);
    }
}

/* A batch of many sequences, of which each lane takes its pieces, has the gradient that its sequences have by
 * themselves, one after the other. */
START_TEST(lanes_add_up)
{
    enum { T = 32, B = 8 * 9 + 5 };        /* pieces of 8 sequences: the first two lanes have two of them */
    const struct swax_config c = configured("swa mlstm");
    struct swax_network *whole = opened(&c, swax_tiers[0], SWAX_PREC_F64, B, T, 1),
                        *single = opened(&c, swax_tiers[0], SWAX_PREC_F64, 1, T, 1);
    struct batch x = batch_of(B, T);
    ck_assert(whole->lanes == 8 && whole->sequences == 8 && single->lanes == 1);
    for (int pass = 0; pass < 2; pass++) {         /* a second batch is added to the first */
        double loss = 0;
        const double of_all = swax_network_gradient(whole, &x.b, 0.5);
        for (int i = 0; i < B; i++) {
            struct swax_batch one = x.b;
            one.B = 1;
            one.token += i * T, one.target += i * T, one.weight += i * T;
            loss += swax_network_gradient(single, &one, 0.5);
        }
        ck_assert_msg(fabs(of_all - loss) < 1e-9 * loss, "the loss is %.12g, not %.12g", of_all, loss);
        compare(whole, single, SWAX_GRADIENT, 1e-10, pass ? "of two batches" : "of a batch");
    }
    batch_free(&x);
    swax_network_free(whole);
    swax_network_free(single);
}
END_TEST

/* ---- slices */

static void *device_take(size_t bytes) { return malloc(bytes); }
static void device_give(void *p) { free(p); }
static void device_copy(void *to, const void *from, size_t bytes) { memcpy(to, from, bytes); }
static void device_zero(void *p, size_t bytes) { memset(p, 0, bytes); }
static const char *device_trouble(void) { return NULL; }
static int device_shared(void) { return 0; }
static void device_again(void **kept, void (*f)(void *arg), void *arg) { (void)kept, f(arg); }
static void device_forget(void *kept) { (void)kept; }

static const struct swax_memory device_memory = {
    .take = device_take, .give = device_give, .put = device_copy, .get = device_copy, .zero = device_zero,
    .trouble = device_trouble, .where = device_trouble, .again = device_again, .forget = device_forget,
    .shared = device_shared,
};

/* A device takes all parameters with decay in one slice and those without in another: it trains to the same weights. */
START_TEST(a_device_trains_as_the_host_does)
{
    enum { B = 2, T = 9 };
    static struct swax_kernels_f32 table;
    const struct swax_config c = configured("swa mlstm gdn");
    const struct swax_tier device = { .name = "device", .usable = swax_tiers[0]->usable, .f32 = &table,
                                      .memory = &device_memory };
    const struct swax_adamw o = { 1e-2, 0.9, 0.95, 1e-8, 0.5, 1 };
    struct batch x = batch_of(B, T);
    swax_tier_f32(swax_tiers[0], &table);
    struct swax_network *host = opened(&c, swax_tiers[0], SWAX_PREC_F32, B, T, 1),
                        *there = opened(&c, &device, SWAX_PREC_F32, B, T, 1);
    ck_assert_int_eq(there->slices, 2);
    ck_assert(there->slice[0].from == 0 && there->slice[0].decay && !there->slice[1].decay);
    ck_assert((size_t)there->slice[0].count == there->p.decayed && there->slice[1].from == there->p.decayed &&
              (size_t)there->slice[1].count == there->p.total - there->p.decayed);
    for (int step = 1; step < 4; step++) {
        struct swax_network *const both[] = { host, there };
        double norm[2];
        for (int k = 0; k < 2; k++) {
            swax_network_zero_gradient(both[k]);
            swax_network_gradient(both[k], &x.b, 1);
            norm[k] = swax_network_gradient_norm(both[k]);
            swax_network_adamw(both[k], &o, step);
        }
        ck_assert_msg(fabs(norm[0] - norm[1]) < 1e-5 * norm[0], "the norm is %.12g, on the device %.12g", norm[0],
                      norm[1]);
        compare(host, there, SWAX_WEIGHT, 1e-5, "host and device");
        compare(host, there, SWAX_MOMENT2, 1e-4, "host and device");
    }
    batch_free(&x);
    swax_network_free(host);
    swax_network_free(there);
}
END_TEST

/* ---- chunks */

/* A tier that keeps a cell's states at the ends of its chunks has the reference's gradient, which keeps none. */
START_TEST(chunks_are_one_sequence)
{
    enum { B = 2, T = 3 * 16 + 5 };
    const struct swax_config c = configured(swax_mixer_row(_i)->name);
    struct batch x = batch_of(B, T);
    struct swax_network *right = opened(&c, swax_tiers[0], SWAX_PREC_F64, B, T, 1);
    const double loss = swax_network_gradient(right, &x.b, 1);
    for (int k = 1; k < swax_n_tiers; k++)
        if (!swax_tiers[k]->memory && swax_tiers[k]->usable() && swax_tiers[k]->f64) {
            struct swax_network *n = opened(&c, swax_tiers[k], SWAX_PREC_F64, B, T, 1);
            const double got = swax_network_gradient(n, &x.b, 1);
            ck_assert_msg(fabs(got - loss) < 1e-9 * loss, "%s, %s: the loss is %.12g, not %.12g",
                          swax_mixer_row(_i)->name, swax_tiers[k]->name, got, loss);
            compare(right, n, SWAX_GRADIENT, 1e-6, swax_tiers[k]->name);
            swax_network_free(n);
        }
    batch_free(&x);
    swax_network_free(right);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("parts");
    TCase *t = tcase_create("parts");
    int mixers = 0;
    while (swax_mixer_row(mixers))
        mixers++;
    tcase_add_test(t, the_head_of_some_tokens_after_others);
    tcase_add_loop_test(t, arrays_lie_one_behind_the_other, 0, mixers);
    tcase_add_test(t, lanes_add_up);
    tcase_add_test(t, a_device_trains_as_the_host_does);
    tcase_add_loop_test(t, chunks_are_one_sequence, 0, mixers);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
