/* check_network.c - what network.h promises where something is wrong: a batch that cannot be is refused before memory
 * is touched; what is not finite is said and named; and the n-th allocation that fails, for every n and every function,
 * is an error code or a sentence, never zeros. */
#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ref/installed/kernels.h"
#include "ref/network/engine.h"
#include "ref/network/mixers.h"
#include "ref/network/network.h"
#include "ref/oracle/oracle.h"
#include "tests/scratch.h"
#include "tests/suite.h"

enum { B = 3, T = 9, N = B * T, VOCABULARY = 11 };

static char why[SWAX_WHY];

struct some { int token[N], target[N], start[N]; float weight[N]; struct swax_batch b; };

static void fill(struct some *s)
{
    for (int i = 0; i < N; i++) {
        s->token[i] = i * 7 % VOCABULARY;
        s->target[i] = i * 5 % VOCABULARY;
        s->start[i] = i % T < 4 ? 0 : 4;
        s->weight[i] = 1;
    }
    s->b = (struct swax_batch){ .B = B, .T = T, .window = 3, .token = s->token, .target = s->target,
                                .weight = s->weight,
                                .start_attention = s->start, .start_cell = s->start };
}

static struct swax_config configured(void)
{
    struct swax_config c = swax_config_default();
    static const char *const text[][2] = { { "vocabulary", "11" }, { "width", "8" }, { "mixers", "swa mlstm full" },
                                           { "heads", "2" },
                                           { "cell_heads", "2" }, { "input_gate_bias", "-1" } };
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++)
        ck_assert_msg(!swax_config_set(&c, text[i][0], text[i][1], why), "%s", why);
    return c;
}

static struct swax_network *opened(int training)
{
    const struct swax_config c = configured();
    struct swax_network *n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F32, B, T, training, why);
    ck_assert_msg(n != NULL, "%s", why);
    swax_network_init(n, 1);
    return n;
}

/* ---- what cannot be */

static void trouble_says(struct swax_network *n, const char *expected)
{
    const char *said = swax_network_trouble(n);
    ck_assert_msg(said && strstr(said, expected) && is_sentence(said), "trouble: '%s' does not say '%s'", said ? said
                  : "(none)", expected);
    ck_assert(!swax_network_trouble(n));
}

static const char *spoil(struct some *s, int how)
{
    switch (how) {
    case 0: s->token[13] = -1; return "Token 4 of sequence 1 is -1: the vocabulary is 0 to 10.";
    case 1: s->token[26] = VOCABULARY; return "Token 8 of sequence 2 is 11";
    case 2: s->token[0] = INT_MAX; return "Token 0 of sequence 0 is 2147483647";
    case 3: s->token[1] = INT_MIN; return "Token 1 of sequence 0 is -2147483648";
    case 4: s->b.window = 0; return "window=0";
    case 5: s->b.B = B + 1; return "4 sequences of 9 tokens: this network was opened for 1 to 3 of 1 to 9.";
    case 6: s->b.T = T + 1; return "3 sequences of 10 tokens: this network was opened for 1 to 3 of 1 to 9.";
    case 7: s->b.B = 0; return "0 sequences";
    case 8: s->b.T = -1; return "of -1 tokens";
    case 9: s->start[10] = 2; return "Token 1 of sequence 1 is of a document that begins at token 2";
    default:
        s->b.start_attention = NULL;
        s->start[26] = 9;
        return "Token 8 of sequence 2 is of a document that begins at token 9";
    }
}

START_TEST(a_batch_that_cannot_be_is_refused)
{
    static struct some good, bad;
    float loss[N + 1], logits[N * VOCABULARY];
    unsigned char correct[N + 1];
    double before[64], after[64];
    struct swax_network *n = opened(1);
    fill(&good);
    fill(&bad);
    const char *expected = spoil(&bad, _i);
    const double right = swax_network_evaluate(n, &good.b, NULL, NULL, NULL);
    swax_network_zero_gradient(n);
    swax_network_gradient(n, &good.b, 1);
    const double norm = swax_network_gradient_norm(n);
    ck_assert(isfinite(right) && isfinite(norm) && !swax_network_trouble(n));
    const size_t size = swax_network_peek(n, "0.norm1", before, 64);
    ck_assert(size == N * 8);

    memset(loss, 77, sizeof loss), memset(logits, 77, sizeof logits), memset(correct, 77, sizeof correct);
    ck_assert(isnan(swax_network_evaluate(n, &bad.b, loss, correct, logits)));
    trouble_says(n, expected);
    for (size_t i = 0; i < sizeof loss; i++)
        ck_assert(((char *)loss)[i] == 77);
    for (size_t i = 0; i < sizeof logits; i++)
        ck_assert(((char *)logits)[i] == 77);
    for (size_t i = 0; i < sizeof correct; i++)
        ck_assert(correct[i] == 77);
    ck_assert(isnan(swax_network_gradient(n, &bad.b, 1)));
    trouble_says(n, expected);
    ck_assert(swax_network_gradient_norm(n) == norm);      /* nothing was added */
    swax_network_peek(n, "0.norm1", after, 64);
    ck_assert(!memcmp(before, after, sizeof before));
    ck_assert(swax_network_evaluate(n, &good.b, NULL, NULL, NULL) == right && !swax_network_trouble(n));
    swax_network_free(n);
}
END_TEST

START_TEST(targets_outside_are_ignored)
{
    static struct some s;
    float loss[N];
    struct swax_network *n = opened(0);
    fill(&s);
    swax_network_evaluate(n, &s.b, loss, NULL, NULL);
    double expected = 0;
    const int outside[] = { -1, VOCABULARY, INT_MAX, INT_MIN };
    for (int i = 0; i < N; i++) {
        expected += i % 6 < 4 ? 0 : (double)loss[i];
        s.target[i] = i % 6 < 4 ? outside[i % 6] : s.target[i];
    }
    ck_assert(fabs(swax_network_evaluate(n, &s.b, NULL, NULL, NULL) - expected) < 1e-5 && !swax_network_trouble(n));
    swax_network_free(n);
}
END_TEST

START_TEST(tokens_that_cannot_be_are_not_fed)
{
    static const int bad[] = { -1, VOCABULARY, INT_MAX, INT_MIN };
    float before[VOCABULARY], after[VOCABULARY];
    const int token[3] = { 1, 2, 3 };
    struct swax_network *n = opened(0);
    for (int i = 0; i < 4; i++) {
        struct swax_decoder *d[2];
        for (int k = 0; k < 2; k++) {      /* one of two that are fed the same is asked for the impossible in between */
            d[k] = swax_decoder_new(n, 1, 2, why);
            ck_assert_msg(d[k] != NULL, "%s", why);
            ck_assert(!swax_decoder_feed(d[k], token, 3, NULL));
        }
        const int worse[3] = { 4, 5, bad[i] };
        const char *said = swax_decoder_feed(d[0], worse, 3, after);
        ck_assert_msg(said && strstr(said, "Token 2 of sequence 0") && is_sentence(said), "%s", said ? said : "taken");
        said = swax_decoder_feed(d[0], token, 0, after);
        ck_assert_msg(said && strstr(said, "0 tokens") && is_sentence(said), "%s", said ? said : "taken");
        ck_assert(!swax_decoder_feed(d[0], token, 3, after) && !swax_decoder_feed(d[1], token, 3, before));
        ck_assert(!memcmp(before, after, sizeof before));
        swax_decoder_free(d[0]);
        swax_decoder_free(d[1]);
    }
    swax_network_free(n);
}
END_TEST

/* ---- what is not there */

START_TEST(without_training_there_is_no_gradient)
{
    static struct some s;
    double host[256] = { 77 };
    const struct swax_adamw o = { 1e-3, 0.9, 0.95, 1e-8, 0.1, 1 };
    struct swax_network *n = opened(0);
    fill(&s);
    ck_assert(isnan(swax_network_gradient(n, &s.b, 1)));
    trouble_says(n, "without training");
    ck_assert(isnan(swax_network_gradient_norm(n)));
    trouble_says(n, "without training");
    swax_network_zero_gradient(n);
    trouble_says(n, "without training");
    swax_network_adamw(n, &o, 1);
    trouble_says(n, "without training");
    for (int which = SWAX_MOMENT1; which <= SWAX_GRADIENT; which++) {
        swax_network_get(n, (enum swax_which)which, 0, host);
        trouble_says(n, "without training");
        swax_network_put(n, (enum swax_which)which, 0, host);
        trouble_says(n, "without training");
        ck_assert_int_eq(swax_network_nonfinite(n, (enum swax_which)which), -1);
        ck_assert(swax_network_trouble(n) != NULL);
    }
    int count;
    swax_network_tensors(n, &count);
    swax_network_get(n, SWAX_WEIGHT, count, host);
    trouble_says(n, "was asked for");
    swax_network_get(n, SWAX_WEIGHT, -1, host);
    trouble_says(n, "Tensor -1");
    ck_assert(host[0] == 77);
    swax_network_free(n);
}
END_TEST

START_TEST(activations_have_one_name_each)
{
    static struct some s;
    double x[8];
    struct swax_network *n = opened(0);
    fill(&s);
    s.b.B = 1;
    swax_network_evaluate(n, &s.b, NULL, NULL, NULL);
    ck_assert_int_eq((int)swax_network_peek(n, "1.norm1", x, 8), T * 8);
    /* the cell's normalisers, (heads, keys) */
    ck_assert_int_eq((int)swax_network_peek(n, "1.ns", NULL, 0), 2 * 2);
    ck_assert_int_eq((int)swax_network_peek(n, "1.n1", NULL, 0), 2 * 2);
    ck_assert_int_eq((int)swax_network_peek(n, "0.lse", NULL, 0), T * 2);
    static const char *const none[] = { "0.n1", "1.n2", "1.lse", "3.q", "-1.q", "q", "", "1.", "1", "1.q ", "1.Q",
                                        "0x1.q" };
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        ck_assert_msg(!swax_network_peek(n, none[i], x, 8), "there is an activation %s", none[i]);
    swax_network_free(n);
}
END_TEST

/* ---- what is not finite */

static void spoil_weight(struct swax_network *n, const char *name, float value)
{
    int count, found = 0;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    for (int i = 0; i < count; i++)
        if (strstr(t[i].name, name)) {
            float *w = malloc((size_t)t[i].size * sizeof *w);
            swax_network_get(n, SWAX_WEIGHT, i, w);
            w[t[i].size - 1] = value;
            swax_network_put(n, SWAX_WEIGHT, i, w);
            ck_assert_int_eq(swax_network_nonfinite(n, SWAX_WEIGHT), isfinite(value) ? -1 : i);
            found++;
            free(w);
        }
    ck_assert_int_eq(found, 1);
}

static const struct { const char *weight; float value; const char *first, *fed; } spoilt[] = {
    { "blocks.0.swa_layer.v.weight", NAN, "0.v", "0.y" },      /* a decoder's values are in its state */
    { "blocks.1.norm_mlstm.weight", INFINITY, "1.norm1", "1.norm1" },
    { "blocks.1.mlstm_layer.fgate_preact.bias", NAN, "1.fraw", "1.fraw" },
    { "blocks.2.ffn.proj_down.weight", -INFINITY, "2.ffn", "2.ffn" },
    { "blocks.2.swa_layer.out_proj.weight", NAN, "2.mix", "2.mix" },
    { "out_norm.weight", NAN, NULL, NULL },
};

static char *named(const char *first)
{
    static char text[96];
    snprintf(text, sizeof text, first ? "not finite: the first activation that is not is %s." : "not finite.", first);
    return text;
}

START_TEST(what_is_not_finite_is_named)
{
    static struct some s;
    float logits[VOCABULARY];
    struct swax_network *n = opened(0);
    fill(&s);
    spoil_weight(n, spoilt[_i].weight, spoilt[_i].value);
    ck_assert(isnan(swax_network_evaluate(n, &s.b, NULL, NULL, NULL)));
    trouble_says(n, named(spoilt[_i].first));
    struct swax_decoder *d = swax_decoder_new(n, 1, 3, why);
    ck_assert_msg(d != NULL, "%s", why);
    const char *said = swax_decoder_feed(d, s.token, T, logits);
    ck_assert_msg(said && strstr(said, named(spoilt[_i].fed)) && is_sentence(said), "'%s' does not say '%s'", said
                  ? said : "(none)",
                  named(spoilt[_i].fed));
    swax_decoder_free(d);
    swax_network_free(n);
}
END_TEST

/* In bf16 an activation is looked at as it is kept: near what it is in float, and in eight bits, or in float where that
 * is what it is kept in. */
START_TEST(activations_in_bf16_are_looked_at)
{
    static const struct { const char *name; int is_float; } of[] = {{"0.norm1", 0}, {"1.h", 0}, {"0.lse", 1}};
    static struct some s;
    static double x[2][1000];
    int asked = 0;
    fill(&s);
    for (int k = 0; k < swax_n_tiers; k++) {
        const struct swax_tier *tier = swax_tiers[k];
        if (!tier->usable() || !op_offers(tier, SWAX_PREC_BF16) || tier->memory)
            continue;
        struct swax_config c = configured();
        struct swax_network *n[2];
        for (int p = 0; p < 2; p++) {
            n[p] = swax_network_new(&c, tier, p ? SWAX_PREC_BF16 : SWAX_PREC_F32, B, T, 0, why);
            ck_assert_msg(n[p] != NULL, "%s", why);
            swax_network_init(n[p], 1);
            s.b.B = 1;
            ck_assert(isfinite(swax_network_evaluate(n[p], &s.b, NULL, NULL, NULL)));
        }
        for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
            double most = 0;
            int other = 0;
            const size_t size = swax_network_peek(n[0], of[i].name, x[0], 1000);
            ck_assert_uint_eq(swax_network_peek(n[1], of[i].name, x[1], 1000), size);
            ck_assert(size > 1 && size <= 1000);
            for (size_t e = 0; e < size; e++)
                most = fmax(most, fabs(x[0][e]));
            for (size_t e = 0; e < size; e++) {
                ck_assert_msg(fabs(x[1][e] - x[0][e]) < 0.05 * most, "%s: %s[%zu] is %g, and %g in float", tier->name,
                              of[i].name, e, x[1][e], x[0][e]);
                other += op_round(x[1][e], REAL, SWAX_PREC_BF16) != x[1][e];
            }
            ck_assert_msg((other > 0) == of[i].is_float, "%s: %d numbers of %s are none of bf16", tier->name, other,
                          of[i].name);
            asked++;
        }
        spoil_weight(n[1], "blocks.1.norm_mlstm.weight", INFINITY);
        ck_assert(isnan(swax_network_evaluate(n[1], &s.b, NULL, NULL, NULL)));
        trouble_says(n[1], named("1.norm1"));
        swax_network_free(n[0]), swax_network_free(n[1]);
    }
    if (!asked)
        puts("skipped: no tier here has bf16");
}
END_TEST

START_TEST(the_last_element_of_a_large_tensor_is_looked_at)
{
    struct swax_config c = configured();
    ck_assert(!swax_config_set(&c, "vocabulary", "1025", why));        /* 8,200 elements: two whole stages and a bit */
    struct swax_network *n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F32, B, T, 0, why);
    ck_assert_msg(n != NULL, "%s", why);
    swax_network_init(n, 1);
    ck_assert_int_eq(swax_network_nonfinite(n, SWAX_WEIGHT), -1);
    spoil_weight(n, "embeddings", INFINITY);
    spoil_weight(n, "embeddings", 1);
    spoil_weight(n, "lm_head", -INFINITY);
    swax_network_free(n);
}
END_TEST

/* Of 4,800 elements the last eight are not finite: they stand behind the first stage of 4,096. */
START_TEST(a_late_activation_is_looked_at)
{
    enum { LONG = 600 };
    static int token[LONG], target[LONG];
    const struct swax_config c = configured();
    const struct swax_batch b = { .B = 1, .T = LONG, .window = 3, .token = token, .target = target };
    struct swax_network *n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F32, 1, LONG, 0, why);
    ck_assert_msg(n != NULL, "%s", why);
    swax_network_init(n, 1);
    token[LONG - 1] = VOCABULARY - 1;
    float w[8 * VOCABULARY];
    ck_assert(strstr(swax_network_tensors(n, &(int){ 0 })->name, "embeddings"));
    swax_network_get(n, SWAX_WEIGHT, 0, w);
    w[8 * VOCABULARY - 1] = NAN;
    swax_network_put(n, SWAX_WEIGHT, 0, w);
    ck_assert(isnan(swax_network_evaluate(n, &b, NULL, NULL, NULL)));
    trouble_says(n, named("x0"));
    swax_network_free(n);
}
END_TEST

START_TEST(the_first_element_alone_is_looked_at)
{
    const int token[1] = {4}, target[1] = {5};
    const struct swax_batch b = { .B = 1, .T = 1, .window = 3, .token = token, .target = target };
    struct swax_network *n = opened(0);
    int count;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    for (int i = 0; i < count; i++)
        if (strstr(t[i].name, "embeddings")) {
            float w[8 * VOCABULARY];
            ck_assert(t[i].size == 8 * VOCABULARY);
            swax_network_get(n, SWAX_WEIGHT, i, w);
            w[8 * 4] = NAN;
            swax_network_put(n, SWAX_WEIGHT, i, w);
        }
    ck_assert(isnan(swax_network_evaluate(n, &b, NULL, NULL, NULL)));
    trouble_says(n, named("x0"));
    swax_network_free(n);
}
END_TEST

/* What a longer tensor held before is no part of a shorter one: its NaN is mended before the next look. */
START_TEST(what_was_mended_is_not_looked_at)
{
    static const float zero[64 * 8];
    struct swax_config c = configured();
    int count, mended = 0;
    ck_assert(!swax_config_set(&c, "vocabulary", "3", why));       /* 24 elements, and all matrices have more */
    struct swax_network *n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F32, B, T, 0, why);
    ck_assert_msg(n != NULL, "%s", why);
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    ck_assert_int_eq((int)t[0].size, 24);
    for (int i = 1; i < count; i++)
        if (t[i].size > t[0].size) {
            float w[64 * 8] = { 0 };
            ck_assert(t[i].size <= 64 * 8);
            w[24] = NAN;
            swax_network_put(n, SWAX_WEIGHT, i, w);
            ck_assert_int_eq(swax_network_nonfinite(n, SWAX_WEIGHT), i);
            swax_network_put(n, SWAX_WEIGHT, i, zero);
            ck_assert_int_eq(swax_network_nonfinite(n, SWAX_WEIGHT), -1);
            mended++;
        }
    ck_assert_int_gt(mended, 5);
    swax_network_free(n);
}
END_TEST

/* More logits than are made at a time: what is handed out is of the token it stands at.  With a window of 1 that token
 * decides alone. */
START_TEST(logits_in_pieces_are_of_their_own_tokens)
{
    enum { LONG = 70000, WORDS = 1024 };
    struct swax_config c = configured();
    const char *wrong;
    int *token = malloc(LONG * sizeof *token), *target = malloc(LONG * sizeof *target), best[WORDS];
    float *logits = malloc((size_t)WORDS * WORDS * sizeof *logits);
    unsigned char *correct = malloc(LONG);
    ck_assert(!swax_config_set(&c, "vocabulary", "1024", why) && !swax_config_set(&c, "mixers", "swa", why) &&
              !swax_config_set(&c, "ffn_width", "1", why));
    struct swax_network *n = swax_network_new(&c, swax_tier_find(NULL, &wrong), SWAX_PREC_F32, 1, LONG, 0, why);
    ck_assert_msg(n && token && target && logits && correct, "%s", why);
    swax_network_init(n, 1);
    for (int i = 0; i < LONG; i++)
        token[i] = target[i] = i % WORDS;
    swax_network_evaluate(n, &(struct swax_batch){ .B = 1, .T = WORDS, .window = 1, .token = token, .target = target },
                          NULL, NULL, logits);
    for (int v = 0; v < WORDS; v++) {
        best[v] = 0;
        for (int e = 0; e < WORDS; e++)
            best[v] = logits[v * WORDS + e] > logits[v * WORDS + best[v]] ? e : best[v];
    }
    for (int i = 0; i < LONG; i++) {
        token[i] = (int)(i * 40503u / 7 % WORDS);
        target[i] = i % 3 ? best[token[i]] : (best[token[i]] + 1) % WORDS;
    }
    swax_network_evaluate(n, &(struct swax_batch){ .B = 1, .T = LONG, .window = 1, .token = token, .target = target },
                          NULL, correct, NULL);
    for (int i = 0; i < LONG; i++)
        ck_assert_each(correct[i] == (i % 3 != 0), "token %d of %d, %d: %s", i, LONG, token[i],
                       correct[i] ? "called right" : "called wrong");
    swax_network_free(n);
    free(token), free(target), free(logits), free(correct);
}
END_TEST

/* A network that begins anew has no moments from before. */
START_TEST(beginning_anew_forgets_the_moments)
{
    struct swax_network *n = opened(1);
    int count;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < count; i++)
            for (int which = SWAX_MOMENT1; which <= SWAX_MOMENT2; which++) {
                float *m = malloc((size_t)t[i].size * sizeof *m);
                if (!pass) {
                    for (long e = 0; e < t[i].size; e++)
                        m[e] = 3;
                    swax_network_put(n, (enum swax_which)which, i, m);
                } else {
                    swax_network_get(n, (enum swax_which)which, i, m);
                    for (long e = 0; e < t[i].size; e++)
                        ck_assert_each(m[e] == 0, "%s: element %ld of moment %d is %g", t[i].name, e,
                                       which - SWAX_MOMENT1 + 1, (double)m[e]);
                }
                free(m);
            }
        swax_network_init(n, 1);
    }
    swax_network_free(n);
}
END_TEST

/* ---- how a batch is cut, and where arrays lie */

START_TEST(arrays_begin_at_a_line_of_the_cache)
{
    struct swax_network *n = opened(0);
    void *p[40];
    for (int i = 0; i < 40; i++) {
        p[i] = swax_take(n, (size_t)i * 13 + 1);
        ck_assert_msg(p[i] && (uintptr_t)p[i] % 64 == 0, "an array of %d bytes lies at %p", i * 13 + 1, p[i]);
    }
    for (int i = 0; i < 40; i++)
        swax_give(n, p[i]);
    swax_network_free(n);
}
END_TEST

/* As many sequences as have SWAX_PIECE_TOKENS tokens together, and no more; or all there are. */
START_TEST(pieces_are_the_shortest_that_are_long_enough)
{
    static const int lengths[] = { 1, 2, 3, 5, 17, 51, 85, 127, 128, 129, 254, 255, 256, 257, 300 };
    const struct swax_config c = configured();
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        for (int many = 2; many < 600; many += 597) {
            const int length = lengths[i];
            struct swax_network *n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F32, many, length, 0, why);
            ck_assert_msg(n != NULL, "%s", why);
            ck_assert_msg(n->sequences == many || n->sequences * length >= SWAX_PIECE_TOKENS,
                          "%d sequences of %d tokens are a piece", n->sequences, length);
            ck_assert_msg((n->sequences - 1) * length < SWAX_PIECE_TOKENS && n->sequences <= many,
                          "%d sequences of %d tokens are a piece, where fewer are enough", n->sequences, length);
            swax_network_free(n);
        }
}
END_TEST

/* As many workers as lanes; but one where each lane has two threads or more, and long products. */
static void in_turn(int n, int workers, void (*f)(int i, void *arg), void *arg)
{
    (void)workers;
    for (int i = 0; i < n; i++)
        f(i, arg);
}

static int first(void) { return 0; }
static void small(void *p, size_t bytes) { (void)p, (void)bytes; }
static int two_threads(void) { return 2; }
static int four_threads(void) { return 4; }
static int five_threads(void) { return 5; }

START_TEST(threads_share_products_or_lanes)
{
    static const struct { int (*threads)(void); int B, length, width, workers; } of[] = {
        { two_threads, 2, 300, 416, 2 },       /* 300 x 416 x 416 is more than 5e7 */
        { four_threads, 2, 300, 416, 1 }, { five_threads, 2, 300, 416, 1 }, { four_threads, 3, 300, 416, 3 },
        { four_threads, 2, 300, 400, 2 },      /* 300 x 400 x 400 is less */
        { four_threads, 1, 300, 416, 1 }, { two_threads, 5, 300, 416, 2 },
    };
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) {
        struct swax_config c = configured();
        const struct swax_host host = { .each = in_turn, .workers = of[i].threads, .worker = first, .large = small };
        struct swax_tier tier = *swax_tiers[0];
        char width[12];
        tier.host = &host;
        snprintf(width, sizeof width, "%d", of[i].width);
        ck_assert(!swax_config_set(&c, "width", width, why) && !swax_config_set(&c, "mixers", "swa", why));
        struct swax_network *n = swax_network_new(&c, &tier, SWAX_PREC_F32, of[i].B, of[i].length, 0, why);
        ck_assert_msg(n != NULL, "%s", why);
        ck_assert_msg(n->workers == of[i].workers,
                      "%d threads for %d lanes of %d tokens of width %d: %d workers, not %d", n->threads, n->lanes,
                      of[i].length, of[i].width, n->workers, of[i].workers);
        swax_network_free(n);
    }
}
END_TEST

/* ---- a device of the test's own: the reference's kernels on memory that counts what it remembers */

static struct { int made, again, forgotten; } graphs;

static void *device_take(size_t bytes) { return malloc(bytes); }
static void device_give(void *p) { free(p); }
static void device_copy(void *to, const void *from, size_t bytes) { memcpy(to, from, bytes); }
static void device_zero(void *p, size_t bytes) { memset(p, 0, bytes); }
static const char *device_trouble(void) { return NULL; }
static int device_shared(void) { return 0; }

static void device_again(void **kept, void (*f)(void *arg), void *arg)
{
    *(*kept ? &graphs.again : &graphs.made) += 1;
    *kept = *kept ? *kept : malloc(1);
    f(arg);
}

static void device_forget(void *kept)
{
    graphs.forgotten++;
    free(kept);
}

static const struct swax_memory device_memory = {
    .take = device_take, .give = device_give, .put = device_copy, .get = device_copy, .zero = device_zero,
    .trouble = device_trouble, .where = device_trouble, .again = device_again, .forget = device_forget,
    .shared = device_shared,
};

/* Four windows in turn are remembered; a fifth takes the place of the oldest; what is made on the device is what is
 * made on the host, to the bit; and all that was remembered is given back. */
START_TEST(a_device_remembers_the_last_shapes)
{
    static const int window[] = { 1, 2, 3, 4, 4, 3, 2, 1, 5, 2, 3, 4, 5, 1 };
    static const int made[] = { 1, 2, 3, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 6 };
    static struct swax_kernels_f32 table;
    static struct some s;
    static float g[2][64 * 8];                                        /* the largest tensor */
    const struct swax_config c = configured();
    struct swax_tier device = { .name = "device", .usable = swax_tiers[0]->usable, .f32 = &table,
                                .memory = &device_memory };
    swax_tier_f32(swax_tiers[0], &table);
    struct swax_network *n[2];
    for (int k = 0; k < 2; k++) {
        n[k] = swax_network_new(&c, k ? &device : swax_tiers[0], SWAX_PREC_F32, B, T, 1, why);
        ck_assert_msg(n[k] != NULL, "%s", why);
        swax_network_init(n[k], 3);
    }
    int tensors;
    const struct swax_tensor *t = swax_network_tensors(n[0], &tensors);
    memset(&graphs, 0, sizeof graphs);
    for (size_t i = 0; i < sizeof window / sizeof window[0]; i++) {
        double loss[2];
        fill(&s);
        s.b.window = window[i];
        for (int k = 0; k < 2; k++) {
            swax_network_zero_gradient(n[k]);
            loss[k] = swax_network_gradient(n[k], &s.b, 1);
        }
        ck_assert_msg(loss[0] == loss[1], "window %d: loss %.17g, on the device %.17g", window[i], loss[0], loss[1]);
        for (int k = 0; k < tensors; k++) {
            swax_network_get(n[0], SWAX_GRADIENT, k, g[0]);
            swax_network_get(n[1], SWAX_GRADIENT, k, g[1]);
            ck_assert_msg(!memcmp(g[0], g[1], (size_t)t[k].size * sizeof(float)),
                          "window %d: the gradient of %s is another on the device", window[i], t[k].name);
        }
        ck_assert_msg(graphs.made == made[i] && graphs.made + graphs.again == (int)i + 1 &&
                      graphs.forgotten == (made[i] > 4 ? made[i] - 4 : 0),
                      "after windows up to number %zu, %d: %d passes were made, %d used again, %d forgotten", i + 1,
                      window[i], graphs.made, graphs.again, graphs.forgotten);
    }
    swax_network_free(n[0]);
    swax_network_free(n[1]);
    ck_assert_int_eq(graphs.forgotten, graphs.made);
}
END_TEST

/* A host's tier without kernels in double has the reference's; a device's has its own, or none. */
START_TEST(double_is_had_where_it_can_be)
{
    static struct swax_kernels_f32 table_f32;
    static struct swax_kernels_f64 table_f64;
    const struct swax_config c = configured();
    swax_tier_f32(swax_tiers[0], &table_f32);
    swax_tier_f64(swax_tiers[0], &table_f64);
    for (int own = 0; own < 2; own++)
        for (int device = 0; device < 2; device++) {
            const struct swax_tier tier = { .name = "made-up", .usable = swax_tiers[0]->usable, .f32 = &table_f32,
                                            .f64 = own ? &table_f64 : NULL, .memory = device ? &device_memory : NULL };
            struct swax_network *n = swax_network_new(&c, &tier, SWAX_PREC_F64, B, T, 0, why);
            ck_assert_msg((n != NULL) == (own || !device), "a %s %s kernels in double: %s", device ? "device" : "host",
                          own ? "with" : "without", n ? "taken" : why);
            ck_assert(n || strstr(why, "the tier made-up does not offer this precision"));
            swax_network_free(n);
        }
}
END_TEST

/* ---- memory that is not there */

#if !defined __SANITIZE_ADDRESS__ && defined __GLIBC__
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);

static int fail_at, calls;

static int fails(void) { return fail_at && ++calls == fail_at; }

static int blocks;                     /* that were had and not given back */

static void *had(void *p)
{
    blocks += p != NULL;
    return p;
}

void *malloc(size_t n) { return fails() ? NULL : had(__libc_malloc(n)); }
void *calloc(size_t n, size_t size) { return fails() ? NULL : had(__libc_calloc(n, size)); }
void *realloc(void *p, size_t n) { return fails() ? NULL : p ? __libc_realloc(p, n) : had(__libc_realloc(p, n)); }

void free(void *p)
{
    blocks -= p != NULL;
    __libc_free(p);
}

struct result {
    double loss, gradient, norm, after;
    float logits[B * VOCABULARY];
    double peeked[8];
    uint64_t weights;
    int nonfinite;
};

static uint64_t sum_of_weights(struct swax_network *n)
{
    static float w[4096];
    int count;
    uint64_t sum = 0;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    for (int i = 0; i < count; i++) {
        swax_network_get(n, SWAX_WEIGHT, i, w);        /* the largest has 64 x 8 */
        for (long e = 0; e < t[i].size; e++) {
            uint32_t bits;
            memcpy(&bits, &w[e], sizeof bits);
            sum = sum * 31 + bits;
        }
    }
    return sum;
}

/* Every function of network.h, one after the other: NULL and the result, or the sentence of the first that failed. */
static const char *all_functions(const struct swax_config *c, const struct swax_tier *tier, const struct some *s,
                                 const int *longer, struct result *r)
{
    static char said[SWAX_WHY];
    const struct swax_adamw o = { 1e-3, 0.9, 0.95, 1e-8, 0.1, 1 };
    struct swax_decoder *d = NULL;
    const char *wrong = NULL;
    *why = 0;                                              /* no sentence is left over from the failure before */
    struct swax_network *n = swax_network_new(c, tier, SWAX_PREC_F32, B, T, 1, why);
    if (!n)
        return why;
    swax_network_init(n, 5);
    r->loss = swax_network_evaluate(n, &s->b, NULL, NULL, NULL);
    swax_network_peek(n, "1.h", r->peeked, 8);
    swax_network_zero_gradient(n);
    r->gradient = swax_network_gradient(n, &s->b, 1);
    r->norm = swax_network_gradient_norm(n);
    swax_network_adamw(n, &o, 1);
    r->nonfinite = swax_network_nonfinite(n, SWAX_WEIGHT);
    r->after = swax_network_evaluate(n, &s->b, NULL, NULL, NULL);
    r->weights = sum_of_weights(n);
    wrong = swax_network_trouble(n);
    if (!wrong && !(d = swax_decoder_new(n, B, 3, why)))
        wrong = why;
    for (int i = 0; !wrong && i < 3; i++)                  /* 300 tokens: the keys of the layer without a window grow */
        wrong = swax_decoder_feed(d, longer, 100, r->logits);
    if (wrong)
        snprintf(said, sizeof said, "%s", wrong);
    swax_decoder_free(d);
    swax_network_free(n);
    return wrong ? said : NULL;
}

START_TEST(every_failing_allocation_is_said)
{
    static struct some s;
    static int longer[B * 100];
    static struct result expected, got;
    const struct swax_config c = configured();
    const struct swax_tier *tier = swax_tiers[_i];
    if (tier->memory || !tier->usable())
        return;
    fill(&s);
    for (int i = 0; i < B * 100; i++)
        longer[i] = i * 3 % VOCABULARY;
    const char *wrong = all_functions(&c, tier, &s, longer, &expected);
    ck_assert_msg(!wrong && isfinite(expected.loss) && expected.nonfinite == -1, "%s", wrong);
    int at = 0, refused = 0;
    do {
        memset(&got, 0, sizeof got);
        fail_at = ++at, calls = 0;
        wrong = all_functions(&c, tier, &s, longer, &got);
        fail_at = 0;
        ck_assert_msg(!wrong || is_sentence(wrong), "allocation %d: %s", at, wrong);
        ck_assert_msg(wrong || !memcmp(&got, &expected, sizeof got),
                      "allocation %d failed unsaid and changed the result", at);
        refused += wrong != NULL;
    } while (calls >= at && at < 3000);
    ck_assert_msg(!wrong, "%s", wrong);
    printf("tier %s: %d allocations, of which %d failures are refused and %d go unnoticed\n", tier->name, at - 1,
           refused, at - 1 - refused);
    ck_assert_int_gt(refused, 20);
}
END_TEST

/* A network that cannot be opened gives back all that it had, whichever allocation failed; so does one that is
 * freed. */
START_TEST(no_memory_is_lost)
{
    const struct swax_config c = configured();
    const int before = blocks;
    struct swax_network *n = NULL;
    for (int at = 1; !n; at++) {
        fail_at = at, calls = 0;
        n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F32, B, T, 1, why);
        fail_at = 0;
        ck_assert_msg(n || blocks == before, "allocation %d fails, and %d blocks are never given back", at,
                      blocks - before);
        ck_assert_int_lt(at, 1000);
    }
    swax_network_free(n);
    ck_assert_int_eq(blocks, before);
}
END_TEST

/* A decoder that has no memory for more tokens says so, whichever allocation it is, and has lost nothing: fed again, it
 * goes on.  Of every mixer. */
START_TEST(a_decoder_without_memory_goes_on_later)
{
    enum { MANY = 600, STEP = 40 };
    static int token[MANY];
    static float expected[VOCABULARY], got[VOCABULARY];
    struct swax_config c = configured();
    ck_assert_msg(!swax_config_set(&c, "mixers", swax_mixer_row(_i)->name, why), "%s", why);
    struct swax_network *n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F32, 1, T, 0, why);
    ck_assert_msg(n != NULL, "%s", why);
    swax_network_init(n, 1);
    for (int i = 0; i < MANY; i++)
        token[i] = i * i % VOCABULARY;
    int refused = 0, unmade = 0, at = 1 << 30;             /* first of all, none fails */
    do {
        fail_at = at, calls = 0;                           /* never while an assertion is made: that takes memory too */
        struct swax_decoder *d = swax_decoder_new(n, 1, 3, why);
        fail_at = 0;
        unmade += !d;
        for (int t = 0; t < MANY && d; t += STEP) {
            fail_at = at;
            const char *wrong = swax_decoder_feed(d, token + t, STEP, got);
            fail_at = 0;
            ck_assert_msg(!wrong || is_sentence(wrong), "allocation %d: %s", at, wrong);
            refused += wrong != NULL;
            wrong = wrong ? swax_decoder_feed(d, token + t, STEP, got) : NULL;
            ck_assert_msg(!wrong, "fed again, after allocation %d had failed: %s", at, wrong);
        }
        if (at == 1 << 30)
            memcpy(expected, got, sizeof got), at = 0;
        ck_assert_msg(!d || !memcmp(got, expected, sizeof got), "%s, after allocation %d had failed: other logits",
                      swax_mixer_row(_i)->name, at);
        swax_decoder_free(d);
    } while (calls >= at++ && at < 200);
    ck_assert(at < 200 && unmade > 3);
    printf("%s: %d allocations, %d of them while tokens are fed\n", swax_mixer_row(_i)->name, at - 2, refused);
    ck_assert(refused > 5 || !strstr("gdn kda gla mamba2 full", swax_mixer_row(_i)->name));
    swax_network_free(n);
}
END_TEST

/* What is seen inside a layer, or that there is no memory to look, of every mixer. */
START_TEST(a_look_inside_without_memory_is_none)
{
    static struct some s;
    struct swax_config c = configured();
    fill(&s);
    ck_assert_msg(!swax_config_set(&c, "mixers", swax_mixer_row(_i)->name, why), "%s", why);
    struct swax_network *n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F32, B, T, 0, why);
    ck_assert_msg(n != NULL, "%s", why);
    swax_network_init(n, 1);
    s.b.B = 1;
    swax_network_evaluate(n, &s.b, NULL, NULL, NULL);
    const struct swax_config *own = swax_network_config(n);
    double value[SWAX_INSIDE], again[SWAX_INSIDE];
    const int seen = swax_mixer_row(_i)->inside.see(n, swax_layer_keys(own, 0), 0, T, 3, value, SWAX_INSIDE);
    ck_assert_int_gt(seen, 0);
    int at = 0;
    do {
        fail_at = ++at, calls = 0;
        const int now = swax_mixer_row(_i)->inside.see(n, swax_layer_keys(own, 0), 0, T, 3, again, SWAX_INSIDE);
        fail_at = 0;
        ck_assert_msg(now == (calls >= at ? -1 : seen), "%s: %d numbers where allocation %d failed",
                      swax_mixer_row(_i)->name, now, at);
    } while (calls >= at);
    ck_assert(at > 1 && !memcmp(value, again, (size_t)seen * sizeof *value));
    swax_network_free(n);
}
END_TEST
#else
START_TEST(no_memory_is_lost)
{
    puts("skipped: memory cannot be made to fail here");
}
END_TEST

START_TEST(a_decoder_without_memory_goes_on_later)
{
    puts("skipped: memory cannot be made to fail here");
}
END_TEST

START_TEST(a_look_inside_without_memory_is_none)
{
    puts("skipped: memory cannot be made to fail here");
}
END_TEST

START_TEST(every_failing_allocation_is_said)
{
    puts("skipped: memory cannot be made to fail here");
}
END_TEST
#endif

int main(void)
{
    Suite *s = suite_create("network");
    TCase *tc = tcase_create("network");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, a_batch_that_cannot_be_is_refused, 0, 11);
    tcase_add_test(tc, targets_outside_are_ignored);
    tcase_add_test(tc, tokens_that_cannot_be_are_not_fed);
    tcase_add_test(tc, without_training_there_is_no_gradient);
    tcase_add_test(tc, activations_have_one_name_each);
    tcase_add_loop_test(tc, what_is_not_finite_is_named, 0, (int)(sizeof spoilt / sizeof spoilt[0]));
    tcase_add_test(tc, activations_in_bf16_are_looked_at);
    tcase_add_test(tc, the_last_element_of_a_large_tensor_is_looked_at);
    tcase_add_test(tc, the_first_element_alone_is_looked_at);
    tcase_add_test(tc, what_was_mended_is_not_looked_at);
    tcase_add_test(tc, logits_in_pieces_are_of_their_own_tokens);
    tcase_add_test(tc, beginning_anew_forgets_the_moments);
    tcase_add_test(tc, a_late_activation_is_looked_at);
    tcase_add_test(tc, arrays_begin_at_a_line_of_the_cache);
    tcase_add_test(tc, pieces_are_the_shortest_that_are_long_enough);
    tcase_add_test(tc, threads_share_products_or_lanes);
    tcase_add_test(tc, a_device_remembers_the_last_shapes);
    tcase_add_test(tc, double_is_had_where_it_can_be);
    tcase_add_test(tc, no_memory_is_lost);
    int mixers = 0;
    while (swax_mixer_row(mixers))
        mixers++;
    tcase_add_loop_test(tc, a_decoder_without_memory_goes_on_later, 0, mixers);
    tcase_add_loop_test(tc, a_look_inside_without_memory_is_none, 0, mixers);
    tcase_add_loop_test(tc, every_failing_allocation_is_said, 0, swax_n_tiers);
    suite_add_tcase(s, tc);
    return suite_ends(s);
}
