/* check_mixer.c - a mixer is one file and one row.  tests/mixer/ema.c is one that nothing else of the project knows,
 * and tests/mixer/table.c its row: it is configured, trains, stops and goes on, samples, is evaluated and looked into,
 * and is refused where it has no place. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ref/network/mixer.h"
#include "ref/oracle/oracle.h"
#include "tests/scratch.h"
#include "tests/small_run.h"
#include "tests/suite.h"
#include "tools/lib/commands.h"
#include "tools/train/checkpoint.h"

static char why[SWAX_WHY];

/* ---- the network */

enum { B = 2, T = 13, N = B * T, VOCABULARY = 11 };

static struct swax_config configured(int variant)
{
    struct swax_config c = swax_config_default();
    static const char *const text[][2] = {
        { "vocabulary", "11" }, { "width", "12" }, { "ffn_width", "7" }, { "mixers", "ema swa ema full mlstm" },
        { "heads", "2" },
        { "cell_heads", "2" }, { "chunk", "4" }, { "cell_eps", "0" }, { "ema_heads", "3" }, { "ema_longest", "8" },
    };
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++)
        ck_assert_msg(!swax_config_set(&c, text[i][0], text[i][1], why), "%s", why);
    ck_assert_msg(!swax_config_set(&c, "ema_gate", variant ? "normalised" : "plain", why), "%s", why);
    return c;
}

static struct swax_network *opened(int variant, int training)
{
    const struct swax_config c = configured(variant);
    struct swax_network *n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F64, B, T, training, why);
    ck_assert_msg(n != NULL, "%s", why);
    swax_network_init(n, 3);
    return n;
}

static void draw(int *token, int *target, int *start, uint64_t s)
{
    for (int i = 0, from = 0; i < N; i++) {
        token[i] = (int)(op_uniform(&s) * VOCABULARY);
        target[i] = (int)(op_uniform(&s) * VOCABULARY);
        from = i % T == 0 ? 0 : op_uniform(&s) < 0.2 ? i % T : from;
        start[i] = from;
    }
}

START_TEST(its_gradient_is_that_of_its_loss)
{
    int token[N], target[N], start[N], count;
    uint64_t s = 5;
    draw(token, target, start, 9);
    const struct swax_batch b = { .B = B, .T = T, .window = 4, .token = token, .target = target,
                                  .start_attention = start, .start_cell = start };
    struct swax_network *n = opened(_i, 1);
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    for (int round = 0; round < 2; round++) {      /* the first one moves the weights, so that no gate is at 0 */
        swax_network_zero_gradient(n);
        const double loss = swax_network_gradient(n, &b, 1);
        ck_assert(loss == swax_network_evaluate(n, &b, NULL, NULL, NULL));
        for (int i = 0; i < count; i++) {
            double *w = malloc((size_t)t[i].size * sizeof *w), *g = malloc((size_t)t[i].size * sizeof *g), analytic = 0,
                numeric = 0, error = INFINITY;
            double *u = malloc((size_t)t[i].size * sizeof *u), *moved = malloc((size_t)t[i].size * sizeof *moved);
            swax_network_get(n, SWAX_WEIGHT, i, w);
            swax_network_get(n, SWAX_GRADIENT, i, g);
            for (long e = 0; e < t[i].size; e++) {
                u[e] = op_normal(&s);
                analytic += g[e] * u[e];
            }
            static const double at[4] = { -2, -1, 1, 2 }, by[4] = { 1./12, -8./12, 8./12, -1./12 };
            for (double h = 1e-4; h > 5e-6; h /= 4) {      /* as in check_model: the best of three */
                numeric = 0;
                for (int k = 0; k < 4; k++) {
                    for (long e = 0; e < t[i].size; e++)
                        moved[e] = w[e] + (round ? h * at[k] : 0.3) * u[e];
                    swax_network_put(n, SWAX_WEIGHT, i, moved);
                    numeric += by[k] / h * swax_network_evaluate(n, &b, NULL, NULL, NULL);
                }
                error = fmin(error, fabs(analytic - numeric) / fmax(fabs(numeric), 1e-2));
            }
            ck_assert_msg(!round || error <= 1e-7, "%s: analytic %.12g, numeric %.12g", t[i].name, analytic, numeric);
            if (round)
                swax_network_put(n, SWAX_WEIGHT, i, w);
            free(w), free(g), free(u), free(moved);
        }
    }
    swax_network_free(n);
}
END_TEST

START_TEST(it_decodes_what_it_evaluates)
{
    static float whole[N * VOCABULARY], fed[B * VOCABULARY];
    int token[N], target[N], start[N];
    draw(token, target, start, 9);
    const struct swax_batch b = { .B = B, .T = T, .window = 4, .token = token, .target = target,
                                  .start_attention = start, .start_cell = start };
    struct swax_network *n = opened(_i, 0);
    swax_network_evaluate(n, &b, NULL, NULL, whole);
    struct swax_decoder *d = swax_decoder_new(n, B, 4, why);
    ck_assert_msg(d != NULL, "%s", why);
    for (int t = 0; t < T; t++) {
        const int now[B] = { token[t], token[T + t] };
        for (int q = 0; q < B; q++)
            if (start[q*T + t] == t)
                swax_decoder_begin(d, q);
        ck_assert(!swax_decoder_feed(d, now, 1, fed));
        for (int v = 0; v < B * VOCABULARY; v++)
            ck_assert(fabs((double)(fed[v] - whole[(v / VOCABULARY * T + t) * VOCABULARY + v % VOCABULARY])) <= 1e-6);
    }
    swax_decoder_free(d);
    swax_network_free(n);
}
END_TEST

START_TEST(its_tensors_are_as_it_says)
{
    int count, found = 0;
    struct swax_network *n = opened(0, 1);
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    for (int i = 0; i < count; i++) {
        double w[256];
        if (!strstr(t[i].name, ".ema."))
            continue;
        found++;
        ck_assert(t[i].size <= 256 && t[i].decay == !strstr(t[i].name, "fgate"));
        swax_network_get(n, SWAX_WEIGHT, i, w);
        for (long e = 0; e < t[i].size && strstr(t[i].name, "bias"); e++) {
            const double half = log(2) / log1p(exp(-w[e]));
            ck_assert_msg(half >= 1 && half <= 8.0001, "a half life of %g tokens", half);
        }
    }
    ck_assert_int_eq(found, 14);
    swax_network_free(n);
}
END_TEST

/* ---- the program */

static char said[65536];

static int ask(int (*command)(int, char **), const char *arguments)
{
    char *line = strdup(arguments), *argv[32], *path = scratch("said");
    int argc = 0;
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    fflush(stdout), fflush(stderr);
    const int out = dup(1), err = dup(2);
    ck_assert(freopen(path, "w", stdout) && freopen(path, "a", stderr));
    const int status = command(argc, argv);
    fflush(stdout), fflush(stderr);
    dup2(out, 1), dup2(err, 2);
    FILE *f = fopen(path, "r");
    said[fread(said, 1, sizeof said - 1, f)] = 0;
    fclose(f);
    free(line);
    return status;
}

static char *with(const char *arguments, const char *folder)
{
    static char text[1024];
    snprintf(text, sizeof text, arguments, folder);
    return text;
}

static enum run_verdict stop_at_ten(void *arg, const struct run *r, const struct run_point *point,
                                    struct swax_network *n)
{
    (void)arg, (void)r, (void)n;
    return point && point->step == 10 ? RUN_STOP : RUN_GO_ON;
}

START_TEST(it_trains_goes_on_samples_and_is_looked_into)
{
    char *whole = scratch("whole"), *halves = scratch("halves"), *config;
    struct run r = small_run(whole);
    ck_assert_msg(!run_set(&r, "mixers", "swa ema", why) && !run_set(&r, "ema_heads", "4", why), "%s", why);
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    ck_assert(!run_set(&r, "out", halves, why));
    ck_assert_msg(run_train(&r, stop_at_ten, NULL, why) == RUN_INTERRUPTED, "%s", why);
    r.resume = 1;
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    ck_assert(same_bytes(in_folder(whole, checkpoint_name), in_folder(halves, checkpoint_name)));

    read_whole(in_folder(whole, "config.json"), &config);
    ck_assert(strstr(config, "\"mixers\": \"swa ema\"") && strstr(config, "\"ema_heads\": 4")
              && strstr(config, "\"heads\": 2"));
    ck_assert_msg(!strstr(config, "cell_heads"), "keys of a mixer that is not there: %s", config);
    free(config);

    ck_assert_msg(!ask(cmd_sample, with("%s tokens=30 temperature=0", whole)) && strlen(said) >= 30, "%s", said);
    ck_assert_msg(!ask(cmd_eval, with("%s sequences=2 inside=yes", whole)) && strstr(said, "loss"), "%s", said);
    ck_assert_msg(strstr(said, "layer 1  half lives in tokens, at the last one:  ") != NULL, "%s", said);
    ck_assert_msg(!ask(cmd_eval, with("%s sequences=2 inside=yes json=yes", whole))
                  && strstr(said, "\"half_lives\": ["), "%s", said);
    ck_assert_int_eq(ask(cmd_convert, with("%s no-such-folder", whole)), 2);
    ck_assert_msg(strstr(said, "ema") && is_sentence(strtok(said, "\n")) && access("no-such-folder", F_OK), "%s", said);
}
END_TEST

/* "swa" and one other mixer, or, for the row behind the last, all there are. */
static const char *list_of(int row, char text[256])
{
    snprintf(text, 256, "%s", row ? "swa" : "full");
    for (int m = 0; swax_mixer_row(m); m++)
        if (m == row || !swax_mixer_row(row))
            snprintf(text + strlen(text), 256 - strlen(text), " %s", swax_mixer_row(m)->name);
    return text;
}

START_TEST(every_mixer_trains_goes_on_samples_and_is_looked_into)
{
    char name[2][32], list[256];
    snprintf(name[0], sizeof name[0], "whole%d", _i);
    snprintf(name[1], sizeof name[1], "halves%d", _i);
    char *whole = scratch(name[0]), *halves = scratch(name[1]);
    struct run r = small_run(whole);
    static const char *const sizes[][2] = {
        { "gdn_heads", "2" }, { "kda_heads", "2" }, { "gla_heads", "2" }, { "mamba2_heads", "2" }
    };
    ck_assert_msg(!run_set(&r, "mixers", list_of(_i, list), why) && !run_set(&r, "steps", "12", why) &&
                  !run_set(&r, "accumulate", "1", why), "%s", why);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        ck_assert_msg(!run_set(&r, sizes[i][0], sizes[i][1], why), "%s", why);
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s: %s", list, why);
    ck_assert(!run_set(&r, "out", halves, why));
    ck_assert_msg(run_train(&r, stop_at_ten, NULL, why) == RUN_INTERRUPTED, "%s: %s", list, why);
    r.resume = 1;
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s: %s", list, why);
    ck_assert_msg(same_bytes(in_folder(whole, checkpoint_name), in_folder(halves, checkpoint_name)),
                  "%s: a run that stopped and went on has other weights", list);
    ck_assert_msg(!ask(cmd_sample, with("%s tokens=30 temperature=0", whole)) && strlen(said) >= 30, "%s: %s", list,
                  said);
    ck_assert_msg(!ask(cmd_eval, with("%s sequences=2 inside=yes", whole)) && strstr(said, "loss"), "%s: %s", list,
                  said);
    for (int m = 0; swax_mixer_row(m); m++)
        if (m == _i || !swax_mixer_row(_i))
            ck_assert_msg(strstr(said, swax_mixer_row(m)->inside.title) != NULL, "%s: %s is not looked into: %s", list,
                          swax_mixer_row(m)->name, said);
}
END_TEST

START_TEST(its_keys_are_keys)
{
    ck_assert_int_eq(ask(cmd_train, "help"), 0);
    ck_assert_msg(strstr(said, "ema_longest=64") && strstr(said, "the longest half life, in tokens"), "%.2000s", said);
    ck_assert_msg(strstr(said, ", ema") && strstr(said, "Layers of ema:"), "%.2000s", said);
    static const char *const bad[][2] = {
        { "ema_heads=-1", "ema_heads=-1" }, { "ema_longest=0", "above 0" }, { "ema_gate=soft", "plain or normalised" },
        { "ema_haeds=1", "ema_heads" }, { "mixers=ema ema_heads=5", "ema_heads=5" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char arguments[256];
        snprintf(arguments, sizeof arguments, "out=%s file=ref/network/model.c %s", scratch("refused"), bad[i][0]);
        ck_assert_int_eq(ask(cmd_train, arguments), 2);
        ck_assert_msg(strstr(said, bad[i][1]) != NULL, "%s: %s", bad[i][0], said);
    }
}
END_TEST

int main(void)
{
    int rows = 0;
    while (swax_mixer_row(rows))
        rows++;
    scratch_open();
    Suite *s = suite_create("mixer");
    TCase *tc = tcase_create("mixer");
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, its_gradient_is_that_of_its_loss, 0, 2);
    tcase_add_loop_test(tc, it_decodes_what_it_evaluates, 0, 2);
    tcase_add_test(tc, its_tensors_are_as_it_says);
    tcase_add_test(tc, it_trains_goes_on_samples_and_is_looked_into);
    tcase_add_loop_test(tc, every_mixer_trains_goes_on_samples_and_is_looked_into, 0, rows + 1);
    tcase_add_test(tc, its_keys_are_keys);
    suite_add_tcase(s, tc);
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
