/* check_decode.c - decoding is evaluation: over 1,100 tokens, at windows that make an attention layer forget and fill
 * its room for keys many times, however the tokens are split, documents included. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ref/network/mixers.h"
#include "ref/network/network.h"
#include "ref/oracle/oracle.h"
#include "tests/suite.h"

enum { T = 1100, VOCABULARY = 13, SEPARATOR = 7 };

static char why[SWAX_WHY];
static int token[T], target[T], start[T];
static float whole[T * VOCABULARY];

/* mixers: NULL for those of the paper. */
static struct swax_network *opened(const struct swax_tier *tier, enum swax_precision precision, const char *mixers)
{
    struct swax_config c = swax_config_default();
    static const char *const text[][2] = {
        { "vocabulary", "13" }, { "width", "10" }, { "ffn_width", "7" }, { "mixers", "swa mlstm full swa mlstm" },
        { "heads", "4" }, { "key_value_heads", "2" }, { "head_dim", "6" }, { "cell_heads", "2" },
        { "cell_key_dim", "3" },
        { "cell_value_dim", "5" }, { "input_gate_bias", "-1" }, { "forget_gate_bias_first", "2" },
        { "forget_gate_bias_last", "4" },
    };
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++)
        ck_assert_msg(!swax_config_set(&c, text[i][0], text[i][1], why), "%s", why);
    if (mixers)
        ck_assert_msg(!swax_config_set(&c, "mixers", mixers, why) && !swax_config_set(&c, "width", "8", why), "%s",
                      why);
    struct swax_network *n = swax_network_new(&c, tier, precision, 1, T, 0, why);
    ck_assert_msg(n != NULL, "%s", why);
    int count;
    uint64_t seed = 6;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    swax_network_init(n, 2);
    for (int i = 0; i < count; i++) {      /* gates and norms too, so that what is forgotten is missed */
        double *w = calloc((size_t)t[i].size, sizeof *w);
        swax_network_get(n, SWAX_WEIGHT, i, w);
        for (long e = 0; e < t[i].size; e++)
            if (precision == SWAX_PREC_F64)
                w[e] += 0.3 * op_normal(&seed);
            else
                ((float *)w)[e] += (float)(0.3 * op_normal(&seed));
        swax_network_put(n, SWAX_WEIGHT, i, w);
        free(w);
    }
    return n;
}

/* Documents of 60 tokens in the mean, and some of 1; without: one document. */
static void evaluate(struct swax_network *n, int documents, int window)
{
    uint64_t s = 11;
    for (int t = 0, from = 0; t < T; t++) {
        token[t] = (int)(op_uniform(&s) * VOCABULARY);
        if (token[t] == SEPARATOR && op_uniform(&s) < 0.8 && t > 0 && token[t - 1] != SEPARATOR)
            token[t] = 0;
        from = documents && token[t] == SEPARATOR ? t : from;
        start[t] = from;
        target[t] = (int)(op_uniform(&s) * VOCABULARY);
    }
    const struct swax_batch b = { .B = 1, .T = T, .window = window, .token = token, .target = target,
                                  .start_attention = documents ? start : NULL, .start_cell = documents ? start : NULL };
    ck_assert(isfinite(swax_network_evaluate(n, &b, NULL, NULL, whole)));
}

static void same(const float *fed, int t, double bound, int window, int split)
{
    for (int v = 0; v < VOCABULARY; v++)
        ck_assert_each(fabs((double)fed[v] - (double)whole[t*VOCABULARY + v]) <= bound,
                       "window %d, split %d: logit %d after token %d is %.9g, evaluation says %.9g", window, split, v,
                       t, (double)fed[v], (double)whole[t*VOCABULARY + v]);
}

static const int windows[] = { 1, 2, 3, 8, 33, 64, 200 }, splits[] = { 1, 7, 64, 65, 300, 0 /* at random */ };
enum { WINDOWS = sizeof windows / sizeof windows[0], SPLITS = sizeof splits / sizeof splits[0] };

static void decode(struct swax_network *n, int documents, int window, int split, double bound)
{
    float fed[VOCABULARY];
    uint64_t s = 21;
    struct swax_decoder *d = swax_decoder_new(n, 1, window, why);
    ck_assert_msg(d != NULL, "%s", why);
    swax_decoder_separator(d, documents ? SEPARATOR : -1);
    for (int t = 0, some; t < T; t += some) {
        some = split ? split : 1 + (int)(op_uniform(&s) * 150);
        some = T - t < some ? T - t : some;
        const char *wrong = swax_decoder_feed(d, token + t, some, fed);
        ck_assert_msg(!wrong, "%s", wrong);
        same(fed, t + some - 1, bound, window, split);
    }
    swax_decoder_free(d);
}

START_TEST(any_split_gives_what_evaluation_gives)
{
    const int documents = _i / WINDOWS, window = windows[_i % WINDOWS];
    struct swax_network *n = opened(swax_tiers[0], SWAX_PREC_F64, NULL);
    evaluate(n, documents, window);
    for (int i = 0; i < SPLITS; i++)
        decode(n, documents, window, splits[i], 2e-6);     /* logits are floats of up to 30 */
    swax_network_free(n);
}
END_TEST

/* Each mixer alone, whose state may hold the tokens that its convolution reaches back to. */
START_TEST(so_it_does_of_every_mixer)
{
    struct swax_network *n = opened(swax_tiers[0], SWAX_PREC_F64, swax_mixer_row(_i)->name);
    for (int documents = 0; documents < 2; documents++) {
        evaluate(n, documents, 33);
        decode(n, documents, 33, 1, 2e-6);
        decode(n, documents, 33, 0, 2e-6);
    }
    swax_network_free(n);
}
END_TEST

START_TEST(so_it_does_in_every_tier)
{
    for (int i = 0; i < swax_n_tiers; i++) {
        const struct swax_tier *tier = swax_tiers[i];
        if (tier->memory || !tier->usable())
            continue;
        struct swax_network *n = opened(tier, SWAX_PREC_F32, NULL);
        evaluate(n, 1, 33);
        decode(n, 1, 33, 1, 3e-5);
        decode(n, 1, 33, 0, 3e-5);
        swax_network_free(n);
    }
}
END_TEST

/* By hand, in one of two sequences: begin is the separator's doing. */
START_TEST(begin_is_of_one_sequence)
{
    float fed[2 * VOCABULARY];
    struct swax_network *n = opened(swax_tiers[0], SWAX_PREC_F64, NULL);
    evaluate(n, 1, 8);
    struct swax_decoder *d = swax_decoder_new(n, 2, 8, why);
    ck_assert_msg(d != NULL, "%s", why);
    /* the second sequence goes on with the document that the first left */
    for (int t = 0, other = 0; t < 300; t++) {
        const int now[2] = { token[t], token[other] };
        if (token[t] == SEPARATOR)
            swax_decoder_begin(d, 0);
        ck_assert(!swax_decoder_feed(d, now, 1, fed));
        same(fed, t, 2e-6, 8, 1);
        if (token[other + 1] != SEPARATOR) {
            same(fed + VOCABULARY, other, 2e-6, 8, 1);
            other++;
        } else {
            swax_decoder_begin(d, 1);
            other = 0;
        }
    }
    swax_decoder_free(d);
    swax_network_free(n);
}
END_TEST

/* A logit that leaves the range of floats is under the cap what it is in double: the cap itself. */
static void capped(const struct swax_tier *tier, enum swax_precision precision, float logits[VOCABULARY],
                   float evaluated[VOCABULARY])
{
    struct swax_network *n = opened(tier, precision, NULL);
    int count;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    for (int i = 0; i < count; i++)
        if (strstr(t[i].name, "lm_head")) {
            double *w = calloc((size_t)t[i].size, sizeof *w);
            for (int v = 0; v < VOCABULARY; v++) {
                const long at = v * t[i].shape[1] + v % t[i].shape[1];
                if (precision == SWAX_PREC_F64)
                    w[at] = v % 2 ? 3.3e38 : -3.3e38;
                else
                    ((float *)w)[at] = v % 2 ? 3.3e38F : -3.3e38F;
            }
            swax_network_put(n, SWAX_WEIGHT, i, w);
            free(w);
        }
    evaluate(n, 0, 8);
    memcpy(evaluated, whole + 69 * VOCABULARY, VOCABULARY * sizeof *evaluated);
    struct swax_decoder *d = swax_decoder_new(n, 1, 8, why);
    ck_assert_msg(d != NULL, "%s", why);
    const char *wrong = swax_decoder_feed(d, token, 70, logits);
    ck_assert_msg(!wrong, "%s", wrong);
    swax_decoder_free(d);
    swax_network_free(n);
}

START_TEST(a_logit_beyond_the_range_is_the_cap)
{
    float right[VOCABULARY], fed[VOCABULARY], evaluated[VOCABULARY];
    capped(swax_tiers[0], SWAX_PREC_F64, right, evaluated);
    for (int i = 0; i < swax_n_tiers; i++) {
        if (swax_tiers[i]->memory || !swax_tiers[i]->usable())
            continue;
        capped(swax_tiers[i], SWAX_PREC_F32, fed, evaluated);
        for (int v = 0; v < VOCABULARY; v++)
            ck_assert_each(fabsf(right[v]) == 30 && fed[v] == right[v] && evaluated[v] == right[v],
                           "%s, logit %d: %g and %g, %g in double", swax_tiers[i]->name, v, (double)fed[v],
                           (double)evaluated[v], (double)right[v]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode");
    TCase *tc = tcase_create("decode");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, any_split_gives_what_evaluation_gives, 0, 2 * WINDOWS);
    int mixers = 0;
    while (swax_mixer_row(mixers))
        mixers++;
    tcase_add_loop_test(tc, so_it_does_of_every_mixer, 0, mixers);
    tcase_add_test(tc, so_it_does_in_every_tier);
    tcase_add_test(tc, begin_is_of_one_sequence);
    tcase_add_test(tc, a_logit_beyond_the_range_is_the_cap);
    suite_add_tcase(s, tc);
    return suite_ends(s);
}
