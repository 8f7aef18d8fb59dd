/* check_config.c - every key reads back as it is listed; every mistake is a sentence naming the key, its value and
 * what would be right, and changes nothing. */
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ref/network/mixers.h"
#include "ref/network/text.h"
#include "tests/suite.h"

struct listing { char key[64][48], value[64][256]; int n; };

static void collect(const char *key, const char *value, void *arg)
{
    struct listing *l = arg;
    snprintf(l->key[l->n], sizeof l->key[0], "%s", key);
    snprintf(l->value[l->n++], sizeof l->value[0], "%s", value);
}

START_TEST(lists_and_reads_back)
{
    struct swax_config a = swax_config_default(), b = swax_config_default();
    struct listing l = { .n = 0 }, again = { .n = 0 };
    char why[SWAX_WHY];
    static const char *const odd[][2] = {
        { "norm_eps", "1.2345678901234567e-07" }, { "rope_theta", "500000" }, { "cell_gate", "sigmoid_normalised" },
        { "cell_norm", "rms" }, { "tied", "yes" }, { "mixers", "mlstm,full, swa" }, { "gate_cap", "0" },
    };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        ck_assert(!swax_config_set(&a, odd[i][0], odd[i][1], why));
    ck_assert(!swax_config_check(&a, why));
    swax_config_list(&a, collect, &l);
    for (int i = 0; i < l.n; i++)
        ck_assert_msg(!swax_config_set(&b, l.key[i], l.value[i], why), "%s", why);
    swax_config_list(&b, collect, &again);
    ck_assert_int_eq(l.n, again.n);
    for (int i = 0; i < l.n; i++)
        ck_assert_str_eq(l.value[i], again.value[i]);
    ck_assert(a.norm_eps == b.norm_eps && a.layers == 3 && !strcmp(swax_mixer_row(b.mixer[1])->name, "full"));
}
END_TEST

START_TEST(derives_sizes)
{
    struct swax_config c = swax_config_default();
    char why[SWAX_WHY];
    c.width = 256;
    ck_assert(!swax_config_check(&c, why));
    ck_assert_int_eq(c.ffn_width, 704);
    ck_assert(swax_config_number(&c, "key_value_heads") == 4);
    ck_assert(swax_config_number(&c, "head_dim") == 64);
    ck_assert(swax_config_number(&c, "cell_value_dim") == 64);
    ck_assert(swax_config_number(&c, "cell_key_dim") == 32);
}
END_TEST

static const struct { const char *key, *value, *says; } bad_values[] = {
    { "vocabulary", "0", "vocabulary=0" },       { "width", "-3", "width=-3" },
    { "width", "12x", "12x" },                   { "width", "", "width=" },
    { "width", "99999999999", "whole number" },  { "mixers", "swa lstm", "swa, full, mlstm" },
    { "mixers", "", "mixers=" },                 { "mixers", " , ", "mixers" },
    { "rope_theta", "0", "above 0" },            { "rope_theta", "nan", "above 0" },
    { "norm_eps", "-1", "at least 0" },          { "norm_eps", "inf", "at least 0" },
    { "cell_gate", "soft", "exponential" },      { "tied", "maybe", "no or yes" },
    { "input_gate_bias", "cold", "a number" },   { "widht", "3", "nearest is 'width'" },
    { "forget_bias", "3", "forget_gate_bias" },  { "heads", "0", "heads=0" },
    { "", "1", "no key ''" },
};

START_TEST(refuses_values)
{
    struct swax_config c = swax_config_default();
    const struct swax_config before = c;
    char why[SWAX_WHY] = "";
    const char *wrong = swax_config_set(&c, bad_values[_i].key, bad_values[_i].value, why);
    ck_assert_msg(wrong != NULL, "%s=%s was taken", bad_values[_i].key, bad_values[_i].value);
    ck_assert_msg(strstr(wrong, bad_values[_i].says) != NULL, "'%s' does not say '%s'", wrong, bad_values[_i].says);
    ck_assert_msg(strstr(wrong, bad_values[_i].key) != NULL, "'%s' does not name the key", wrong);
    ck_assert(!memcmp(&before, &c, sizeof c));
}
END_TEST

static const struct { const char *keys[6][2], *says; } bad_configs[] = {
    { { { "width", "10" }, { "heads", "3" } }, "heads=3: should be a divisor of width" },
    { { { "width", "12" }, { "heads", "3" }, { "cell_heads", "5" } }, "cell_heads=5: should be a divisor of width" },
    { { { "heads", "4" }, { "key_value_heads", "3" } }, "key_value_heads=3: should be a divisor of heads" },
    { { { "mixers", "gdn" }, { "width", "10" }, { "gdn_heads", "3" } }, "gdn_heads=3: should be a divisor of width" },
    { { { "mixers", "gdn" }, { "gdn_heads", "4" }, { "gdn_key_heads", "3" } },
      "gdn_key_heads=3: should be a divisor of gdn_heads" },
    { { { "vocabulary", "100000" }, { "width", "100000" } }, "the embedding (vocabulary x width) would have" },
    { { { "width", "2" }, { "ffn_width", "2000000000" }, { "heads", "1" }, { "cell_heads", "1" } },
      "the up projection (ffn_width x width) would have" },
    { { { "width", "2147483647" }, { "vocabulary", "1" }, { "heads", "1" }, { "cell_heads", "1" } }, "would have" },
    /* each of a mixer's bounds, where all others hold */
    { { { "heads", "100000" }, { "head_dim", "100000" } }, "a row of queries (heads x head_dim) would have" },
    { { { "mixers", "swa" }, { "heads", "256" }, { "head_dim", "256" }, { "width", "65536" }, { "ffn_width", "1" } },
      "the query projection (heads*head_dim x width)" },
    { { { "mixers", "mlstm" }, { "cell_heads", "65536" }, { "cell_value_dim", "65536" } },
      "a row of values (cell_heads x cell_value_dim)" },
    { { { "mixers", "mlstm" }, { "cell_heads", "65536" }, { "cell_value_dim", "2" }, { "cell_key_dim", "65536" } },
      "a row of keys (cell_heads x cell_key_dim)" },
    { { { "mixers", "mlstm" }, { "cell_heads", "256" }, { "cell_value_dim", "256" }, { "cell_key_dim", "1" },
        { "width", "65536" }, { "ffn_width", "1" } },
      "the value projection (cell_heads*cell_value_dim x width)" },
    { { { "mixers", "mlstm" }, { "cell_heads", "256" }, { "cell_value_dim", "1" }, { "cell_key_dim", "256" },
        { "width", "65536" }, { "ffn_width", "1" } },
      "the key projection (cell_heads*cell_key_dim x width)" },
    { { { "mixers", "mlstm" }, { "width", "4" }, { "cell_heads", "1" }, { "cell_value_dim", "65536" },
        { "cell_key_dim", "65536" } },
      "the cell's state (cell_key_dim x cell_value_dim)" },
    { { { "mixers", "mlstm" }, { "width", "4" }, { "cell_heads", "65536" }, { "cell_value_dim", "256" },
        { "cell_key_dim", "256" } },
      "the cell's states (cell_heads x cell_key_dim*cell_value_dim)" },
    { { { "mixers", "gdn" }, { "gdn_heads", "65536" }, { "gdn_value_dim", "65536" } },
      "a row of values (gdn_heads x gdn_value_dim)" },
    { { { "mixers", "gdn" }, { "gdn_heads", "65536" }, { "gdn_value_dim", "2" }, { "gdn_key_dim", "65536" } },
      "a row of keys (gdn_key_heads x gdn_key_dim)" },
    { { { "mixers", "gdn" }, { "gdn_heads", "256" }, { "gdn_value_dim", "256" }, { "gdn_key_dim", "1" },
        { "width", "65536" }, { "ffn_width", "1" } },
      "the value projection (gdn_heads*gdn_value_dim x width)" },
    { { { "mixers", "gdn" }, { "gdn_heads", "256" }, { "gdn_value_dim", "1" }, { "gdn_key_dim", "256" },
        { "width", "65536" }, { "ffn_width", "1" } },
      "the key projection (gdn_key_heads*gdn_key_dim x width)" },
    { { { "mixers", "gdn" }, { "width", "4" }, { "gdn_heads", "65536" }, { "gdn_value_dim", "2" },
        { "gdn_key_dim", "1" }, { "gdn_conv", "65536" } },
      "the convolution (gdn_heads*gdn_value_dim x gdn_conv)" },
    { { { "mixers", "gdn" }, { "width", "4" }, { "gdn_heads", "1" }, { "gdn_value_dim", "1" },
        { "gdn_key_dim", "65536" }, { "gdn_conv", "65536" } },
      "the convolution (gdn_key_heads*gdn_key_dim x gdn_conv)" },
    { { { "mixers", "gdn" }, { "width", "4" }, { "gdn_heads", "1" }, { "gdn_value_dim", "65536" },
        { "gdn_key_dim", "65536" } },
      "a head's state (gdn_key_dim x gdn_value_dim)" },
    { { { "mixers", "gdn" }, { "width", "4" }, { "gdn_heads", "65536" }, { "gdn_value_dim", "256" },
        { "gdn_key_dim", "256" } },
      "the states (gdn_heads*gdn_key_dim x gdn_value_dim)" },
    { { { "mixers", "kda" }, { "kda_low", "1" } }, "kda_low=1: should be a number below 0, or 0" },
    { { { "mixers", "kda" }, { "kda_heads", "4" }, { "kda_key_heads", "3" } },
      "kda_key_heads=3: should be a divisor of kda_heads" },
    { { { "mixers", "gla" }, { "gla_divisor", "0.5" } }, "gla_divisor=0.5: should be a number of at least 1" },
    { { { "mixers", "gla" }, { "gla_heads", "256" }, { "gla_key_dim", "256" }, { "gla_value_dim", "1" },
        { "gla_rank", "65536" } },
      "the gates' projection (gla_heads x gla_key_dim x gla_rank)" },
    { { { "mixers", "mamba2" }, { "width", "10" }, { "mamba2_heads", "3" } },
      "mamba2_heads=3: should be a divisor of twice the width" },
    { { { "mixers", "mamba2" }, { "mamba2_heads", "4" }, { "mamba2_groups", "3" } },
      "mamba2_groups=3: should be a divisor of mamba2_heads" },
    { { { "mixers", "mamba2" }, { "mamba2_head_dim", "65536" }, { "mamba2_heads", "1" }, { "width", "4" } },
      "a head's state (mamba2_state x mamba2_head_dim)" },
};

START_TEST(refuses_configurations)
{
    struct swax_config c = swax_config_default();
    char why[SWAX_WHY] = "";
    for (int i = 0; i < 6 && bad_configs[_i].keys[i][0]; i++)
        ck_assert_msg(!swax_config_set(&c, bad_configs[_i].keys[i][0], bad_configs[_i].keys[i][1], why), "%s", why);
    struct swax_network *n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F32, 1, 1, 0, why);
    ck_assert(n == NULL);
    ck_assert_msg(strstr(why, bad_configs[_i].says) != NULL, "'%s' does not say '%s'", why, bad_configs[_i].says);
}
END_TEST

/* As many elements as an int counts, and not one more. */
START_TEST(a_tensor_has_as_many_elements_as_an_int_counts)
{
    char why[SWAX_WHY] = "";
    ck_assert(!swax_too_large(why, "x", INT_MAX, 1) && !swax_too_large(why, "x", 1 << 15, (1 << 16) - 1));
    ck_assert(swax_too_large(why, "a row (a x b)", 1 << 15, 1 << 16));
    ck_assert_str_eq(why, "a row (a x b) would have 32768 x 65536 elements, and a tensor may have at most 2147483647");
}
END_TEST

START_TEST(refuses_raw_structs)
{
    char why[SWAX_WHY];
    struct swax_config c = swax_config_default();
    c.layers = 0;
    ck_assert(swax_config_check(&c, why) && strstr(why, "layers=0"));
    c.layers = SWAX_LAYERS + 1;
    ck_assert(swax_config_check(&c, why) && strstr(why, "layers=257"));
    c = swax_config_default();
    c.mixer[2] = 9;
    ck_assert(swax_config_check(&c, why) && strstr(why, "mixers=9"));
    c = swax_config_default();
    c.chunk = 0;
    ck_assert(swax_config_check(&c, why) && strstr(why, "chunk=0: should be a whole number of at least 1"));
    c = swax_config_default();
    *(int *)swax_config_at(&c, "cell_gate") = 3;
    ck_assert(swax_config_check(&c, why) && strstr(why, "cell_gate=3: should be exponential"));
    c = swax_config_default();
    *(double *)swax_config_at(&c, "rope_theta") = -1;
    ck_assert(swax_config_check(&c, why) && !strcmp(why, "rope_theta=-1: should be a number above 0"));
    c = swax_config_default();
    c.norm_eps = 0.0 / 0.0;
    ck_assert(swax_config_check(&c, why) && strstr(why, ": should be a number of at least 0"));
}
END_TEST

START_TEST(refuses_batches)
{
    const struct swax_config c = swax_config_default();
    char why[SWAX_WHY];
    static const int bad[][2] = { { 0, 8 }, { 8, 0 }, { -1, 8 }, { 65536, 65536 } };
    for (int i = 0; i < 4; i++) {
        ck_assert(!swax_network_new(&c, swax_tiers[0], SWAX_PREC_F32, bad[i][0], bad[i][1], 1, why));
        ck_assert_msg(strstr(why, "sequence=") != NULL, "%s", why);
    }
    struct swax_network *n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F32, 1, 8, 0, why);
    ck_assert(n != NULL);
    ck_assert(!swax_decoder_new(n, 1, 0, why) && strstr(why, "window=0"));
    ck_assert(!swax_decoder_new(n, 0, 4, why) && strstr(why, "sequences=0"));
    swax_network_free(n);
    ck_assert(!swax_network_new(&c, swax_tiers[0], SWAX_PREC_BF16, 1, 8, 0, why));
    ck_assert_msg(strstr(why, "does not offer this precision") != NULL, "%s", why);
}
END_TEST

/* A letter too few or two that changed places cost one, a letter too many or a wrong one two; nothing before a word is
 * read. */
START_TEST(distances_between_words)
{
    static const struct { const char *typed, *meant; int distance; } of[] = {
        { "rate", "rate", 0 },   { "", "rate", 4 },      { "rate", "", 8 },       { "", "", 0 },
        { "ate", "rate", 1 },    { "rat", "rate", 1 },   { "rrate", "rate", 2 },  { "ratee", "rate", 2 },
        { "rite", "rate", 2 },   { "arte", "rate", 1 },  { "raet", "rate", 1 },   { "ba", "ab", 1 },
        { "batch", "abtch", 1 }, { "arteg", "rate", 3 }, { "abc", "cab", 3 },     { "widht", "width", 1 },
        { "whidt", "width", 3 }, { "xyz", "abc", 6 },    { &"ba"[1], "cdab", 3 }, { "ab", &"ba"[1], 2 },
    };
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) {
        swax_distance("abcd", "abcd");                 /* what it leaves on the stack is small */
        const int said = swax_distance(of[i].typed, of[i].meant);
        ck_assert_msg(said == of[i].distance, "from '%s' to '%s' it is %d, not %d", of[i].typed, of[i].meant,
                      of[i].distance, said);
    }
    char longest[65] = "", too_long[66] = "";
    memset(longest, 'a', 63), memset(too_long, 'a', 64);
    ck_assert_int_eq(swax_distance(longest, longest), 0);
    ck_assert_int_eq(swax_distance(too_long, longest), 128);
    ck_assert_int_eq(swax_distance(longest, too_long), 128);
}
END_TEST

START_TEST(finds_the_nearest_key)
{
    ck_assert_str_eq(swax_config_nearest("vocab"), "vocabulary");
    ck_assert_str_eq(swax_config_nearest("ropetheta"), "rope_theta");
    ck_assert_str_eq(swax_config_nearest("logit_softcap"), "logit_cap");
    ck_assert(swax_config_nearest("") != NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("config");
    TCase *tc = tcase_create("config");
    tcase_add_test(tc, lists_and_reads_back);
    tcase_add_test(tc, derives_sizes);
    tcase_add_loop_test(tc, refuses_values, 0, sizeof bad_values / sizeof bad_values[0]);
    tcase_add_loop_test(tc, refuses_configurations, 0, sizeof bad_configs / sizeof bad_configs[0]);
    tcase_add_test(tc, a_tensor_has_as_many_elements_as_an_int_counts);
    tcase_add_test(tc, refuses_raw_structs);
    tcase_add_test(tc, refuses_batches);
    tcase_add_test(tc, distances_between_words);
    tcase_add_test(tc, finds_the_nearest_key);
    suite_add_tcase(s, tc);
    return suite_ends(s);
}
