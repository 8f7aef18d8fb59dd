/* check_sizes.c - what follows from the sizes of a network, for every mixer: the names, shapes and beginnings of its
 * tensors, and the operations that a token takes. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ref/network/network.h"
#include "tests/golden.h"
#include "tests/suite.h"

static char why[SWAX_WHY];

/* No two sizes that could be taken for each other are the same. */
static struct swax_config every_size_its_own(const char *mixers)
{
    static const char *const settings[][2] = {
        { "vocabulary", "11" }, { "width", "12" }, { "ffn_width", "7" }, { "heads", "4" }, { "key_value_heads", "2" },
        { "head_dim", "6" }, { "cell_heads", "3" }, { "cell_key_dim", "2" }, { "cell_value_dim", "5" },
        { "gdn_heads", "4" }, { "gdn_key_heads", "2" }, { "gdn_key_dim", "3" }, { "gdn_value_dim", "5" },
        { "gdn_conv", "3" }, { "kda_heads", "4" }, { "kda_key_heads", "2" }, { "kda_key_dim", "3" },
        { "kda_value_dim", "5" }, { "kda_conv", "3" }, { "mamba2_heads", "4" }, { "mamba2_groups", "2" },
        { "mamba2_state", "3" }, { "mamba2_head_dim", "5" }, { "mamba2_conv", "3" }, { "gla_heads", "4" },
        { "gla_key_heads", "2" }, { "gla_key_dim", "3" }, { "gla_value_dim", "5" }, { "gla_conv", "3" },
        { "gla_rank", "2" }, { "chunk", "16" } };
    struct swax_config c = swax_config_default();
    ck_assert_msg(!swax_config_set(&c, "mixers", mixers, why), "%s", why);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        ck_assert_msg(!swax_config_set(&c, settings[i][0], settings[i][1], why), "%s", why);
    return c;
}

/* Names, shapes and beginnings of all tensors: files hold them under these, and other programs read them. */

START_TEST(tensors_are_those_that_are_kept)
{
    struct swax_config c = every_size_its_own("swa full mlstm gdn kda mamba2 gla");
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    for (int tied = 0; tied < 2; tied++) {
        int count;
        c.tied = tied;
        struct swax_network *n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F64, 1, 4, 0, why);
        ck_assert_msg(n != NULL, "%s", why);
        swax_network_init(n, 9);
        const struct swax_tensor *t = swax_network_tensors(n, &count);
        for (int i = 0; i < count; i++) {
            double *w = malloc((size_t)t[i].size * sizeof *w), sum = 0, placed = 0;
            swax_network_get(n, SWAX_WEIGHT, i, w);
            for (long e = 0; e < t[i].size; e++)
                sum += w[e], placed += w[e] * (double)(e % 13 + 1);
            fprintf(f, "%s %s: rank %d, %ld x %ld, size %ld, decay %d, rope heads %d, sums %.9g %.9g\n",
                    tied ? "tied" : "apart", t[i].name, t[i].rank, t[i].shape[0], t[i].shape[1], t[i].size, t[i].decay,
                    t[i].rope_heads, sum, placed);
            free(w);
        }
        swax_network_free(n);
    }
    fclose(f);
    golden_is("tensors.txt", text, 1e-6);
    free(text);
}
END_TEST

/* ---- sizes that are not given follow from those that are; and what is too large is said, with what makes it so */

static void print_sizes(FILE *f, struct swax_config *c, const char *mixer, const char *const key[5])
{
    fprintf(f, "%s: width %d", mixer, c->width);
    for (int k = 0; k < 5 && key[k]; k++)
        fprintf(f, ", %s %.0f", key[k], swax_config_number(c, key[k]));
    if (swax_config_check(c, why)) {
        fprintf(f, ": %s\n", why);
        return;
    }
    fprintf(f, " =>");
    for (int k = 0; k < 5 && key[k]; k++)
        fprintf(f, " %.0f", swax_config_number(c, key[k]));
    fprintf(f, "; ffn_width %d\n", c->ffn_width);
}

static void set(struct swax_config *c, const char *key, int value)
{
    if (key)
        *(int *)swax_config_at(c, key) = value;
}

START_TEST(sizes_follow_from_those_that_are_given)
{
    static const struct { const char *mixer, *key[5]; } of[] = {     /* heads, values, keys, heads of keys, taps */
        { "swa", { "heads", "head_dim", "key_value_heads" } },
        { "mlstm", { "cell_heads", "cell_value_dim", "cell_key_dim" } },
        { "gdn", { "gdn_heads", "gdn_value_dim", "gdn_key_dim", "gdn_key_heads", "gdn_conv" } },
        { "kda", { "kda_heads", "kda_value_dim", "kda_key_dim", "kda_key_heads", "kda_conv" } },
        { "gla", { "gla_heads", "gla_value_dim", "gla_key_dim", "gla_key_heads", "gla_conv" } },
        { "mamba2", { "mamba2_heads", "mamba2_head_dim", "mamba2_state", "mamba2_groups", "mamba2_conv" } } };
    static const int widths[] = { 12, 7 }, heads[] = { 1, 3 }, values[] = { 0, 1, 5 }, keys[] = { 0, 3 };
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    for (size_t m = 0; m < sizeof of / sizeof of[0]; m++) {
        struct swax_config before = swax_config_default();
        ck_assert_msg(!swax_config_set(&before, "mixers", of[m].mixer, why), "%s", why);
        for (int i = 0; i < 2 * 2 * 3 * 2; i++) {
            struct swax_config c = before;
            c.width = widths[i % 2];
            set(&c, of[m].key[0], heads[i / 2 % 2]);
            set(&c, of[m].key[1], values[i / 4 % 3]);
            set(&c, of[m].key[2], keys[i / 12]);
            print_sizes(f, &c, of[m].mixer, of[m].key);
        }
        /* two of the sizes so large that their product is the first that no int holds, or the last that one does */
        for (int a = -1; a < 5; a++)
            for (int b = a + 1; b < 5; b++)
                for (int more = 0; more < 2 && of[m].key[b] && (a < 0 || of[m].key[a]); more++) {
                    struct swax_config c = before;
                    c.width = c.ffn_width = 1;
                    *(int *)swax_config_at(&c, "gla_rank") = 1;
                    for (int k = 0; k < 5; k++)
                        set(&c, of[m].key[k], 1);
                    if (a < 0)
                        c.width = 65536;
                    else
                        set(&c, of[m].key[a], 65536);
                    set(&c, of[m].key[b], 32767 + more);
                    if (b == 3)                                    /* the heads of keys divide the heads */
                        set(&c, of[m].key[0], 32767 + more);
                    print_sizes(f, &c, of[m].mixer, of[m].key);
                }
    }
    fclose(f);
    golden_is("sizes_derived.txt", text, 0);
    free(text);
}
END_TEST

/* ---- operations a token: two for each weight of a matrix, three times that in training, and what mixes tokens */

static double mixing(const struct swax_config *c, const char *mixer, int length, int window, int training)
{
    static const struct { const char *mixer, *key[3];
    } states[] = { { "mlstm", { "cell_heads", "cell_key_dim", "cell_value_dim" } },
                   { "gdn", { "gdn_heads", "gdn_key_dim", "gdn_value_dim" } },
                   { "kda", { "kda_heads", "kda_key_dim", "kda_value_dim" } },
                   { "gla", { "gla_heads", "gla_key_dim", "gla_value_dim" } },
                   { "mamba2", { "mamba2_heads", "mamba2_state", "mamba2_head_dim" } } };
    double H = 0, K = 0, V = 0;
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (!strcmp(states[i].mixer, mixer)) {
            const char *const *key = states[i].key;
            H = swax_config_number(c, key[0]), K = swax_config_number(c, key[1]), V = swax_config_number(c, key[2]);
        }
    const double L = c->chunk < length ? c->chunk : length;
    double pairs = 0;
    if (!strcmp(mixer, "mlstm"))
        return H * (L * (K + V) + 4 * K * V) + training * H * (L * (3 * K + 2 * V) + 8 * K * V);
    if (H > 0)                                 /* the delta rule; Mamba-2's path past it costs a head's values */
        return H * (2 * L * (K + V) + 6 * K * V) + training * H * (L * (6 * K + 4 * V) + 12 * K * V)
             + (!strcmp(mixer, "mamba2") ? (training ? 3 : 1) * 2 * H * V : 0);
    for (int t = 1; t <= length; t++)          /* q k^T and p v, of what is seen */
        pairs += !strcmp(mixer, "full") || t < window ? t : window;
    return (training ? 3 : 1) * 4 * swax_config_number(c, "heads") * swax_config_number(c, "head_dim") * pairs / length;
}

START_TEST(operations_are_counted_from_the_sizes)
{
    static const char *const mixers[] = { "swa", "full", "mlstm", "gdn", "kda", "mamba2", "gla" };
    struct swax_config c = every_size_its_own(mixers[_i]);
    ck_assert_msg(!swax_config_check(&c, why), "%s", why);
    struct swax_network *n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F32, 1, 40, 0, why);
    ck_assert_msg(n != NULL, "%s", why);
    int count;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    double weights = 0;
    for (int i = 0; i < count; i++)
        weights += t[i].rank > 1 && !strstr(t[i].name, "embeddings") ? (double)t[i].size : 0;
    for (int length = 1; length <= 40; length += 13)
        for (int window = 1; window <= 50; window += 7)
            for (int training = 0; training < 2; training++) {
                const double right =
                    (training ? 3 : 1) * 2 * weights + mixing(&c, mixers[_i], length, window, training);
                const double said = swax_network_flops(&c, length, window, training);
                ck_assert_msg(fabs(said - right) < 1e-9 * right,
                              "%s, %d tokens, window %d%s: %.9g operations; the sizes make it %.9g", mixers[_i], length,
                              window, training ? ", in training" : "", said, right);
            }
    c.vocabulary = 0;
    ck_assert(swax_network_flops(&c, 40, 8, 1) == 0);      /* of what cannot be: none */
    swax_network_free(n);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sizes");
    TCase *t = tcase_create("sizes");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, tensors_are_those_that_are_kept);
    tcase_add_test(t, sizes_follow_from_those_that_are_given);
    tcase_add_loop_test(t, operations_are_counted_from_the_sizes, 0, 7);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
