/* check_sample.c - what `swax sample` says: documents begin anew at the separator, in the prompt and in what is
 * generated; logits that are not finite are refused; draws have the distribution that temperature, top_k and top_p
 * promise. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/scratch.h"
#include "tests/small_run.h"
#include "tests/suite.h"
#include "tools/lib/commands.h"
#include "tools/lib/pick.h"
#include "tools/train/checkpoint.h"

static char why[SWAX_WHY], said[8192];

/* Status and output of a command; arguments are parted by '|'. */
static int ask(int (*command)(int, char **), const char *arguments)
{
    char *line = strdup(arguments), *argv[32], *path = scratch("said"), *wrong = scratch("wrong");
    int argc = 0;
    for (char *word = strtok(line, "|"); word; word = strtok(NULL, "|"))
        argv[argc++] = word;
    fflush(stdout), fflush(stderr);
    const int out = dup(1), err = dup(2);
    ck_assert(freopen(path, "w", stdout) && freopen(wrong, "w", stderr));
    const int status = command(argc, argv);
    fflush(stdout), fflush(stderr);
    dup2(out, 1), dup2(err, 2);
    FILE *f = fopen(status ? wrong : path, "r");
    said[fread(said, 1, sizeof said - 1, f)] = 0;
    fclose(f);
    free(line);
    return status;
}

static const char *sampled(const char *out, const char *more)
{
    char arguments[1024];
    snprintf(arguments, sizeof arguments, "%s|%s", out, more);
    ck_assert_msg(!ask(cmd_sample, arguments), "%s: %s", more, said);
    return said;
}

/* A run on text whose documents begin at the letter e, so that they are generated often. */
static char *trained(const char *name)
{
    char *out = scratch(name), *file = scratch("text"), text[8000];
    struct run r = small_run(out);
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "abe cdfe gh"[(i * i * i + i / 7 * 5) % 11];
    put(file, text, sizeof text);
    ck_assert(!run_set(&r, "separator", "101", why) && !run_set(&r, "file", file, why));
    r.steps = 80;
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    return out;
}

START_TEST(nothing_is_remembered_across_a_separator)
{
    char *out = trained("run");
    char *first = strdup(sampled(out, "prompt=abcdefgh|tokens=80|seed=4") + 4);
    ck_assert_msg(!strcmp(first, sampled(out, "prompt=efgh|tokens=80|seed=4")), "before the separator: %s\n%s", first,
                  said);
    free(first);
    int differ = 0;                        /* without one, what came before shows, until the first e is drawn */
    for (int seed = 1; seed <= 20; seed++) {
        char more[64];
        snprintf(more, sizeof more, "prompt=ccccccfgh|tokens=20|seed=%d", seed);
        first = strdup(sampled(out, more) + 6);
        snprintf(more, sizeof more, "prompt=fgh|tokens=20|seed=%d", seed);
        differ += strcmp(first, sampled(out, more)) != 0;
        free(first);
    }
    ck_assert_int_gt(differ, 0);

    /* in what is generated: as evaluation has it, token by token */
    struct checkpoint c;
    ck_assert_msg(!checkpoint_open(&c, out, why), "%s", why);
    ck_assert_int_eq(run_separator(&c.run), 101);
    enum { T = 120 };
    static int token[T], start[T];
    static float logits[T * 256];
    char asked[100];
    int documents = 0, seed = 0;
    while (documents < 2 && seed++ < 100) {     /* what is learned, and so drawn, changes with this repository's text */
        snprintf(asked, sizeof asked, "prompt=a|tokens=119|temperature=0.8|seed=%d|tier=ref", seed);
        const char *text = sampled(out, asked);
        documents = 0;
        for (int t = 0, from = 0; t < T; t++) {
            token[t] = (unsigned char)text[t];
            from = token[t] == 101 ? t : from;
            documents += token[t] == 101;
            start[t] = from;
        }
    }
    ck_assert_int_gt(documents, 4);
    struct swax_network *n = swax_network_new(&c.run.model, swax_tiers[0], SWAX_PREC_F32, 1, T, 0, why);
    ck_assert_msg(n && !checkpoint_load(&c, n, SWAX_PREC_F32, 0, why), "%s", why);
    const struct swax_batch b = { .B = 1, .T = T, .window = c.run.windows.window, .token = token, .target = token,
                                  .start_attention = start, .start_cell = start };
    swax_network_evaluate(n, &b, NULL, NULL, logits);
    int order[256];
    const struct pick p = {0.8, 0, 1, 256, order};
    for (int t = 0; t + 1 < T; t++) {
        struct random r = random_open((uint64_t)seed, RANDOM_SAMPLE, (uint64_t)t);
        ck_assert_each(pick_token(&p, logits + t * 256, &r) == token[t + 1], "token %d", t + 1);
    }
    swax_network_free(n);
    checkpoint_close(&c);
}
END_TEST

/* A checkpoint of a network whose vocabulary is not that of bytes. */
static char *numbers(void)
{
    char *out = scratch("numbers");
    struct run r = small_run(out);
    memset(r.value, 0, sizeof r.value);
    const char *const settings[][2] = {{"data", "copy"}, {"length", "64"}, {"steps", "1"}};
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        ck_assert_msg(!run_set(&r, settings[i][0], settings[i][1], why), "%s", why);
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    return out;
}

/* Token i stands for the byte 255 - i: letters are no numbers of tokens. */
START_TEST(a_vocabulary_of_256_tokens_is_not_that_of_bytes)
{
    char *out = trained("turned"), words[256 * 16], *to = words;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0; i < 256; i++)
        to += sprintf(to, "%c%c== %d\n", digits[(255 - i) >> 2], digits[((255 - i) & 3) << 4], i);
    char *bytes = strdup(sampled(out, "prompt=97,98|tokens=4"));
    ck_assert_msg(!strncmp(bytes, "97,98", 5), "%s", bytes);
    put(in_folder(out, "vocabulary.tiktoken"), words, (size_t)(to - words));
    sampled(out, "prompt=158,157|tokens=4");                  /* 255 - 'a', 255 - 'b' */
    ck_assert_msg(!strncmp(said, "ab", 2), "%s", said);
    char arguments[1024];
    snprintf(arguments, sizeof arguments, "%s|prompt=abc|tokens=4", out);
    ck_assert_int_eq(ask(cmd_sample, arguments), 2);
    ck_assert_msg(strstr(said, "\"abc\" does not begin with the number of a token, 0 to 255."), "%s", said);
    free(bytes);
}
END_TEST

START_TEST(no_prompt_begins_a_document)
{
    char *out = trained("begun");
    ck_assert_int_eq(*sampled(out, "tokens=3"), 'e');
    char *none = numbers(), *first = strdup(sampled(none, "tokens=5"));
    ck_assert_msg(!strncmp(first, "0 ", 2), "%s", first);
    ck_assert_str_eq(sampled(none, "prompt= |tokens=5"), first);
    ck_assert_str_eq(sampled(none, "prompt= , ,|tokens=5"), first);
    ck_assert_str_eq(sampled(none, "prompt=0|tokens=5"), first);
    free(first);
}
END_TEST

START_TEST(a_prompt_may_be_longer_than_other_values)
{
    enum { LONG = 5000 };
    static char arguments[LONG + 1000];
    int n = snprintf(arguments, sizeof arguments, "%s|tokens=7|prompt=", trained("long")), from = n;
    for (int i = 0; i < LONG; i++)
        n += sprintf(arguments + n, "%c", "abe cdfe gh"[i * i % 11]);
    ck_assert_msg(!ask(cmd_sample, arguments), "%s", said);
    ck_assert_msg(!strncmp(said, arguments + from, LONG) && strlen(said) == LONG + 7 + 1, "%zu bytes", strlen(said));
}
END_TEST

START_TEST(logits_that_are_not_finite_are_refused)
{
    char *out = trained("spoilt"), *path = in_folder(out, checkpoint_name);
    struct checkpoint c;
    ck_assert_msg(!checkpoint_open(&c, out, why), "%s", why);
    struct swax_network *n = swax_network_new(&c.run.model, swax_tiers[0], SWAX_PREC_F32, 1, 1, 0, why);
    ck_assert_msg(n && !checkpoint_load(&c, n, SWAX_PREC_F32, 0, why), "%s", why);
    int count;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    for (int i = 0; i < count; i++)
        if (strstr(t[i].name, "0.ffn.proj_up")) {      /* finite, and what it makes of a token is not */
            float w[16384];
            ck_assert(t[i].size <= 16384);
            for (long e = 0; e < t[i].size; e++)
                w[e] = 3e38F;
            swax_network_put(n, SWAX_WEIGHT, i, w);
        }
    ck_assert_msg(!checkpoint_save(path, &c.run, n, c.step, 0, why), "%s", why);
    swax_network_free(n);
    checkpoint_close(&c);
    char arguments[1024];
    snprintf(arguments, sizeof arguments, "%s|tokens=5", out);
    ck_assert_int_eq(ask(cmd_sample, arguments), 2);
    ck_assert_msg(strstr(said, "not finite: the first activation that is not is 0.f")
                  && is_sentence(strtok(said, "\n")), "%s", said);
    snprintf(arguments, sizeof arguments, "%s|sequences=2", out);
    ck_assert_int_eq(ask(cmd_eval, arguments), 2);
    ck_assert_msg(strstr(said, "not finite") && is_sentence(strtok(said, "\n")), "%s", said);
}
END_TEST

/* ---- draws */

enum { VOCABULARY = 12, DRAWS = 40000 };
static const struct { double temperature; int top_k; double top_p; } rules[] = {
    {1, 0, 1}, {0.5, 0, 1}, {2.5, 0, 1}, {1, 4, 1}, {0.7, 7, 1}, {1, 0, 0.6}, {1.7, 0, 0.9}, {0.8, 5, 0.8}, {0, 0, 1},
    {1, 1, 1}, {1, 0, 0},
};

/* The probabilities that the three promise, by their definition. */
static void promised(double p[VOCABULARY], const float *logits, int rule)
{
    double all = 0, kept = 0;
    int order[VOCABULARY];
    for (int i = 0; i < VOCABULARY; i++) {             /* by likelihood: insertion */
        int at = i;
        for (; at > 0 && logits[order[at - 1]] < logits[i]; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    const int most = rules[rule].top_k ? rules[rule].top_k : VOCABULARY;
    for (int i = 0; i < VOCABULARY; i++) {
        const int token = order[i];
        p[token] = i >= most || (rules[rule].temperature <= 0 && i) ? 0
                 : rules[rule].temperature > 0
                     ? exp((double)(logits[token] - logits[order[0]]) / rules[rule].temperature)
                     : 1;
        all += p[token];
    }
    for (int i = 0; i < VOCABULARY; i++) {
        const double before = kept;
        kept += p[order[i]];
        if (i && before >= rules[rule].top_p * all)
            p[order[i]] = 0;
    }
    kept = 0;
    for (int i = 0; i < VOCABULARY; i++)
        kept += p[i];
    for (int i = 0; i < VOCABULARY; i++)
        p[i] /= kept;
}

START_TEST(draws_have_the_promised_distribution)
{
    static const float logits[VOCABULARY] = {0.3F, -1, 2, 1.1F, -0.2F, 0.9F, 1.7F, -3, 0, 1.4F, -0.5F, 0.6F};
    int order[VOCABULARY], count[VOCABULARY] = {0}, kinds = 0;
    double p[VOCABULARY], chi = 0;
    const struct pick pick = {rules[_i].temperature, rules[_i].top_k, rules[_i].top_p, VOCABULARY, order};
    for (int i = 0; i < DRAWS; i++) {
        struct random r = random_open(1234, RANDOM_SAMPLE, (uint64_t)i);
        count[pick_token(&pick, logits, &r)]++;
    }
    promised(p, logits, _i);
    for (int i = 0; i < VOCABULARY; i++) {
        ck_assert_msg(p[i] > 0 || !count[i], "token %d cannot be, and was drawn %d times", i, count[i]);
        if (p[i] > 0) {
            chi += (count[i] - DRAWS * p[i]) * (count[i] - DRAWS * p[i]) / (DRAWS * p[i]);
            kinds++;
        }
    }
    /* chi square's mean is kinds - 1, its variance twice that: six standard deviations, and the draws are always the
     * same */
    ck_assert_msg(chi <= kinds - 1 + 6 * sqrt(2.0 * kinds),
                  "temperature %g, top_k %d, top_p %g: chi square %.1f for %d tokens",
                  rules[_i].temperature, rules[_i].top_k, rules[_i].top_p, chi, kinds);
}
END_TEST

int main(void)
{
    scratch_open();
    Suite *s = suite_create("sample");
    TCase *tc = tcase_create("sample");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, nothing_is_remembered_across_a_separator);
    tcase_add_test(tc, a_vocabulary_of_256_tokens_is_not_that_of_bytes);
    tcase_add_test(tc, no_prompt_begins_a_document);
    tcase_add_test(tc, a_prompt_may_be_longer_than_other_values);
    tcase_add_test(tc, logits_that_are_not_finite_are_refused);
    tcase_add_loop_test(tc, draws_have_the_promised_distribution, 0, (int)(sizeof rules / sizeof rules[0]));
    suite_add_tcase(s, tc);
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
