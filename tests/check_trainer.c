/* check_trainer.c - the trainer against an independent few lines of the same steps: the window of each step is the one
 * in the loss, the rate of each step the one in the update, accumulated parts make one batch; seeds differ in
 * everything they are for; the weights begin as documented; the schedules are exact at every fraction. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/scratch.h"
#include "tests/small_run.h"
#include "tests/suite.h"
#include "tools/lib/random.h"
#include "tools/train/checkpoint.h"

static char why[SWAX_WHY];

/* ---- the same steps in a few lines: AdamW on host arrays, one batch a step, schedules by their definitions */

enum { STEPS = 20, TENSORS = 64 };
struct trainer { double loss[STEPS], norm[STEPS], *w[TENSORS], *m[TENSORS], *v[TENSORS]; int window[STEPS], tensors; };

static int window_of(const struct run *r, int step)
{
    struct random draw = random_open(r->seed, RANDOM_WINDOW, (uint64_t)step);
    const double left = r->steps - step, anneal = r->windows.anneal * r->steps, ramp = r->windows.ramp * r->steps;
    const double part = ramp > 0 ? fmin((left - anneal) / ramp, 1) : 1;
    const double p = left < anneal + 0.5 ? 0 : r->windows.short_probability * part;
    return r->windows.short_window && random_unit(&draw) < p ? r->windows.short_window : r->windows.window;
}

static double rate_of(const struct run *r, int step)
{
    const double up = r->warmup * r->steps, down = r->steps - up, top = r->optimiser.rate;
    return step < up ? top * (step + 1) / up
                     : top * r->final_rate + top * (1 - r->final_rate) * (1 + cos(acos(-1) * (step - up) / down)) / 2;
}

static void update(struct trainer *t, struct swax_network *n, const struct swax_tensor *tensor, const struct run *r,
                   int step)
{
    const struct swax_adamw *o = &r->optimiser;
    double *g[TENSORS], squares = 0;
    for (int i = 0; i < t->tensors; i++) {
        g[i] = malloc((size_t)tensor[i].size * sizeof(double));
        swax_network_get(n, SWAX_GRADIENT, i, g[i]);
        for (long e = 0; e < tensor[i].size; e++)
            squares += g[i][e] * g[i][e];
    }
    t->norm[step] = sqrt(squares);
    const double shrink = o->clip > 0 && t->norm[step] > o->clip ? o->clip / t->norm[step] : 1, rate = rate_of(r, step);
    for (int i = 0; i < t->tensors; i++) {
        for (long e = 0; e < tensor[i].size; e++) {
            const double x = g[i][e] * shrink;
            double *w = &t->w[i][e], *m = &t->m[i][e], *v = &t->v[i][e];
            *m = o->beta1 * *m + (1 - o->beta1) * x;
            *v = o->beta2 * *v + (1 - o->beta2) * x * x;
            *w -= rate * (tensor[i].rank == 2 ? o->decay : 0) * *w;
            *w -= rate * *m / (1 - pow(o->beta1, step + 1)) / (sqrt(*v / (1 - pow(o->beta2, step + 1))) + o->eps);
        }
        swax_network_put(n, SWAX_WEIGHT, i, t->w[i]);
        free(g[i]);
    }
}

static void train(struct trainer *t, const struct run *r)
{
    struct data d;
    struct data_batch b;
    const char *value[SOURCE_KEYS];
    for (int i = 0; i < SOURCE_KEYS; i++)
        value[i] = r->value[i];
    ck_assert_msg(!data_open(&d, r->source, value, r->length, why) && !data_batch_new(&b, r->batch, r->length, why),
                  "%s", why);
    struct swax_config c = r->model;
    c.vocabulary = d.vocabulary;
    struct swax_network *n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F64, r->batch, r->length, 1, why);
    ck_assert_msg(n != NULL, "%s", why);
    const struct swax_tensor *tensor = swax_network_tensors(n, &t->tensors);
    ck_assert(t->tensors <= TENSORS);
    swax_network_init(n, r->seed);
    for (int i = 0; i < t->tensors; i++) {
        t->w[i] = calloc((size_t)tensor[i].size, sizeof(double));
        t->m[i] = calloc((size_t)tensor[i].size, sizeof(double));
        t->v[i] = calloc((size_t)tensor[i].size, sizeof(double));
        swax_network_get(n, SWAX_WEIGHT, i, t->w[i]);
    }
    for (int step = 0; step < r->steps; step++) {
        ck_assert_msg(!data_fill(&d, &b, r->seed, DATA_TRAIN, (uint64_t)(step * r->batch), why), "%s", why);
        b.batch.window = t->window[step] = window_of(r, step);
        double valid = 0;
        for (int i = 0; i < r->batch * r->length; i++)
            valid += b.batch.target[i] >= 0 ? (b.batch.weight ? (double)b.batch.weight[i] : 1) : 0;
        swax_network_zero_gradient(n);
        t->loss[step] = swax_network_gradient(n, &b.batch, 1 / valid);
        update(t, n, tensor, r, step);
    }
    swax_network_free(n);
    data_batch_free(&b);
    data_close(&d);
}

/* ---- what a run did */

struct watched { double loss[STEPS], norm[STEPS], rate[STEPS]; int window[STEPS], n; };

static enum run_verdict watch(void *arg, const struct run *r, const struct run_point *p, struct swax_network *n)
{
    struct watched *w = arg;
    (void)r, (void)n;
    if (p) {
        ck_assert_int_eq(p->step, w->n + 1);
        w->loss[w->n] = p->loss;
        w->norm[w->n] = p->norm;
        w->rate[w->n] = p->rate;
        w->window[w->n++] = p->window;
    }
    return RUN_GO_ON;
}

static struct run a_run(const char *out, const char *const settings[][2])
{
    struct run r = small_run(out);
    const char *const own[][2] = {{"precision", "fp64"}, {"tier", "ref"}, {"steps", "20"}, {"warmup", "0.2"},
                                   {"anneal", "0.3"}, {"rate", "0.003"},
                                  {"batch", "6"}, {"accumulate", "1"}};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        ck_assert_msg(!run_set(&r, own[i][0], own[i][1], why), "%s", why);
    for (int i = 0; settings && settings[i][0]; i++)
        ck_assert_msg(!run_set(&r, settings[i][0], settings[i][1], why), "%s", why);
    return r;
}

static const char *const variants[][4][2] = {
    {{NULL}},
    {{"accumulate", "3"}, {NULL}},
    {{"accumulate", "2"}, {"ramp", "0.4"}, {"short_probability", "0.9"}, {NULL}},
    {{"short_window", "0"}, {"clip", "0"}, {"seed", "7"}, {NULL}},
    {{"decay", "3"}, {"final_rate", "0.7"}, {"beta1", "0.5"}, {NULL}},
};

START_TEST(a_run_is_these_few_lines)
{
    static struct trainer t;
    struct watched w = {.n = 0};
    char name[] = {'r', 'u', 'n', (char)('0' + _i), 0}, *out = scratch(name);
    struct run r = a_run(out, variants[_i]);
    struct checkpoint c;
    int windows = 0;
    ck_assert_msg(run_train(&r, watch, &w, why) == RUN_FINISHED && w.n == STEPS, "%s", why);
    train(&t, &r);
    for (int s = 0; s < STEPS; s++) {
        windows += w.window[s] != r.windows.window;
        ck_assert_msg(w.window[s] == t.window[s], "step %d: window %d, and it should be %d", s + 1, w.window[s],
                      t.window[s]);
        ck_assert_msg(fabs(w.rate[s] / rate_of(&r, s) - 1) < 1e-12, "step %d: rate %g", s + 1, w.rate[s]);
        ck_assert_msg(fabs(w.loss[s] / t.loss[s] - 1) < 1e-9, "step %d: loss %.12g, and it should be %.12g", s + 1,
                      w.loss[s], t.loss[s]);
        ck_assert_msg(fabs(w.norm[s] / t.norm[s] - 1) < 1e-7, "step %d: norm %.12g, and it should be %.12g", s + 1,
                      w.norm[s], t.norm[s]);
    }
    ck_assert(r.windows.short_window ? windows > 3 && windows < 14 : windows == 0);
    ck_assert_msg(!checkpoint_open(&c, out, why), "%s", why);
    struct swax_network *n = swax_network_new(&c.run.model, swax_tiers[0], SWAX_PREC_F64, 1, 1, 1, why);
    ck_assert_msg(n && !checkpoint_load(&c, n, SWAX_PREC_F64, 1, why), "%s", why);
    int tensors;
    const struct swax_tensor *tensor = swax_network_tensors(n, &tensors);
    for (int i = 0; i < tensors; i++) {
        double *x = malloc((size_t)tensor[i].size * sizeof *x);
        for (int which = SWAX_WEIGHT; which <= SWAX_MOMENT2; which++) {
            const double *expected = which == SWAX_WEIGHT ? t.w[i] : which == SWAX_MOMENT1 ? t.m[i] : t.v[i];
            double worst = 0, most = 1e-12;
            swax_network_get(n, (enum swax_which)which, i, x);
            for (long e = 0; e < tensor[i].size; e++) {
                worst = fmax(worst, fabs(x[e] - expected[e]));
                most = fmax(most, fabs(expected[e]));
            }
            ck_assert_msg(worst <= 1e-6 * most, "%s of %s: off by %g of %g", which == SWAX_WEIGHT ? "weight"
                          : which == SWAX_MOMENT1 ? "first moment" : "second moment",
                          tensor[i].name, worst, most);
        }
        free(x);
    }
    checkpoint_close(&c);
    swax_network_free(n);
}
END_TEST

/* ---- seeds */

START_TEST(seeds_differ_in_weights_data_and_windows)
{
    enum { SEEDS = 4 };
    static struct watched w[SEEDS];
    static double first[SEEDS][TENSORS][4];
    int tensors = 0;
    for (int s = 0; s < SEEDS; s++) {
        struct run r = a_run("", NULL);
        r.seed = (uint64_t)s + 1;
        r.out[0] = 0;
        ck_assert_msg(run_train(&r, watch, &w[s], why) == RUN_FINISHED, "%s", why);
        struct swax_config c = r.model;
        c.vocabulary = 256;
        struct swax_network *n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F64, 1, 1, 0, why);
        ck_assert_msg(n != NULL, "%s", why);
        swax_network_init(n, r.seed);
        const struct swax_tensor *t = swax_network_tensors(n, &tensors);
        for (int i = 0; i < tensors; i++) {
            double *x = malloc((size_t)t[i].size * sizeof *x);
            swax_network_get(n, SWAX_WEIGHT, i, x);
            memcpy(first[s][i], x, 2 * sizeof *x);
            for (int other = 0; other < s && t[i].init_std > 0; other++)
                ck_assert_msg(memcmp(first[s][i], first[other][i], sizeof first[s][i]),
                              "seeds %d and %d: %s is the same", s + 1, other + 1, t[i].name);
            for (int j = 0; j < i && t[i].init_std > 0; j++)
                ck_assert_msg(first[s][i][0] / t[i].init_std != first[s][j][0] / t[j].init_std, "%s begins as %s does",
                              t[i].name, t[j].name);
            free(x);
        }
        for (int other = 0; other < s; other++) {
            ck_assert(memcmp(w[s].window, w[other].window, sizeof w[s].window));
            ck_assert(w[s].loss[0] != w[other].loss[0]);
        }
        swax_network_free(n);
    }
}
END_TEST

/* The data alone: other sequences, from the same weights. */
START_TEST(seeds_differ_in_data)
{
    struct data d;
    struct data_batch b[2];
    const struct run r = a_run("", NULL);
    const char *value[SOURCE_KEYS];
    for (int i = 0; i < SOURCE_KEYS; i++)
        value[i] = r.value[i];
    ck_assert_msg(!data_open(&d, r.source, value, r.length, why), "%s", why);
    for (int s = 0; s < 2; s++) {
        ck_assert_msg(!data_batch_new(&b[s], 1, r.length, why), "%s", why);
        ck_assert_msg(!data_fill(&d, &b[s], (uint64_t)s + 1, DATA_TRAIN, 0, why), "%s", why);
    }
    ck_assert(memcmp(b[0].batch.token, b[1].batch.token, (size_t)r.length * sizeof(int)));
    data_batch_free(&b[0]);
    data_batch_free(&b[1]);
    data_close(&d);
}
END_TEST

/* What stands in a checkpoint of the data that it was trained on: the sums that version 0.1.0 wrote, or its runs could
 * not go on. */
START_TEST(the_sum_of_the_data_is_that_of_all_versions)
{
    static const struct { const char *data, *length, *sum; } of[] = {
        {"mqar", "64", "96da481e8ffe759e"}, {"copy", "64", "178ac3d792d69c79"},
        {"text file=LICENSE separator= held_out=0.1", "64", "de9862d8a8c39b25"}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char *out = scratch("summed"), copy[100];
        struct checkpoint c;
        struct run r = small_run(out);
        memset(r.value, 0, sizeof r.value);
        snprintf(copy, sizeof copy, "%s", of[i].data);
        ck_assert(!run_set(&r, "data", strtok(copy, " "), why));
        for (char *p; (p = strtok(NULL, " "));) {
            char *equals = strchr(p, '=');
            *equals = 0;
            ck_assert_msg(!run_set(&r, p, equals + 1, why), "%s", why);
        }
        ck_assert(!run_set(&r, "length", of[i].length, why) && !run_set(&r, "steps", "1", why) &&
                  !run_set(&r, "sample_tokens", "0", why));
        r.resume = 0;
        ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
        ck_assert_msg(!checkpoint_open(&c, out, why), "%s", why);
        ck_assert_msg(!strcmp(c.run.data, of[i].sum), "the sum of %s is %s, not %s", of[i].data, c.run.data, of[i].sum);
        checkpoint_close(&c);
        char command[800];
        snprintf(command, sizeof command, "rm -rf '%s'", out);
        ck_assert_int_eq(system(command), 0);
    }
}
END_TEST

/* A config.json that says what cannot be is named, with the key. */
START_TEST(a_config_that_cannot_be_is_refused)
{
    static const char *const bad[][2] = {{"{\"width\": \"banana\"}", "width=banana"}, {"{\"wisth\": 3}", "wisth"},
                                         {"{\"data\": \"text\", \"batch\": 0}", "batch=0"}, {"{", "not valid JSON"}};
    char *out = scratch("bad-config"), *path = in_folder(out, "config.json");
    mkdir(out, 0777);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct run r;
        put(path, bad[i][0], strlen(bad[i][0]));
        *why = 0;
        const char *said = run_read(&r, out, why);
        ck_assert_msg(said && strstr(said, path) && strstr(said, bad[i][1]) && is_sentence(said), "%s: %s", bad[i][0],
                      said ? said : "taken");
    }
}
END_TEST

/* ---- how weights begin */

/* std: in, out, or 0 */
static const struct { const char *name; double first, last; char std; int decay; } beginnings[] = {
    {"backbone.embeddings.weight", 0, 0, 'i', 1}, {"lm_head.weight", 0, 0, 'i', 1},
    {"backbone.out_norm.weight", 1, 1, 0, 0},
    {"norm_swa.weight", 1, 1, 0, 0}, {"norm_mlstm.weight", 1, 1, 0, 0}, {"norm_ffn.weight", 1, 1, 0, 0},
    {"swa_layer.q.weight", 0, 0, 'i', 1}, {"swa_layer.k.weight", 0, 0, 'i', 1}, {"swa_layer.v.weight", 0, 0, 'i', 1},
    {"swa_layer.out_proj.weight", 0, 0, 'o', 1},
    {"mlstm_layer.q.weight", 0, 0, 'i', 1}, {"mlstm_layer.k.weight", 0, 0, 'i', 1},
    {"mlstm_layer.v.weight", 0, 0, 'i', 1},
    {"mlstm_layer.ogate_preact.weight", 0, 0, 0, 1}, {"mlstm_layer.igate_preact.weight", 0, 0, 0, 1},
    {"mlstm_layer.igate_preact.bias", -10, -10, 0, 0}, {"mlstm_layer.fgate_preact.weight", 0, 0, 0, 1},
    {"mlstm_layer.fgate_preact.bias", 3, 6, 0, 0}, {"mlstm_layer.multihead_norm.weight", 1, 1, 0, 0},
    {"mlstm_layer.out_proj.weight", 0, 0, 'o', 1},
    {"ffn.proj_up_gate.weight", 0, 0, 'i', 1}, {"ffn.proj_up.weight", 0, 0, 'i', 1},
    {"ffn.proj_down.weight", 0, 0, 'o', 1},
};

static int ends_in(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);
    return n >= m && !strcmp(name + n - m, end);
}

START_TEST(weights_begin_as_documented)
{
    enum { WIDTH = 96, LAYERS = 3 };
    struct swax_config c = swax_config_default();
    int count, found[sizeof beginnings / sizeof *beginnings] = {0};
    c.width = WIDTH;
    ck_assert(!swax_config_set(&c, "mixers", "swa mlstm full", why));
    struct swax_network *n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F64, 1, 1, 0, why);
    ck_assert_msg(n != NULL, "%s", why);
    swax_network_init(n, 3);
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    for (int i = 0; i < count; i++) {
        int k = 0;
        while (k < (int)(sizeof beginnings / sizeof *beginnings) && !ends_in(t[i].name, beginnings[k].name))
            k++;
        ck_assert_msg(k < (int)(sizeof beginnings / sizeof *beginnings), "nobody says how %s begins", t[i].name);
        found[k]++;
        ck_assert_msg(t[i].decay == beginnings[k].decay, "%s: decay", t[i].name);
        const double std = beginnings[k].std == 'i' ? sqrt(2.0 / 5 / WIDTH)
                         : beginnings[k].std == 'o' ? 2 / (LAYERS * sqrt(WIDTH)) : 0;
        double *x = malloc((size_t)t[i].size * sizeof *x), sum[5] = {0};
        const double size = (double)t[i].size;
        swax_network_get(n, SWAX_WEIGHT, i, x);
        for (long e = 0; e < t[i].size; e++) {
            const double along = t[i].size > 1 ? (double)e / (size - 1) : 0;
            const double line = beginnings[k].first + (beginnings[k].last - beginnings[k].first) * along;
            ck_assert_each(std > 0 || fabs(x[e] - line) < 1e-14, "%s[%ld] is %g, and should be %g", t[i].name, e, x[e],
                           line);
            for (int p = 1; p < 5 && std > 0; p++)
                sum[p] += pow(x[e] / std, p) / size;
        }
        if (std > 0) {      /* the moments of the normal distribution, within five standard errors */
            ck_assert_msg(fabs(sum[1]) < 5 / sqrt(size), "%s: mean %g", t[i].name, sum[1]);
            ck_assert_msg(fabs(sum[2] - 1) < 5 * sqrt(2 / size), "%s: variance %g of what it should be", t[i].name,
                          sum[2]);
            ck_assert_msg(fabs(sum[3]) < 5 * sqrt(15 / size), "%s: third moment %g", t[i].name, sum[3]);
            ck_assert_msg(fabs(sum[4] - 3) < 5 * sqrt(96 / size), "%s: fourth moment %g", t[i].name, sum[4]);
        }
        free(x);
    }
    for (size_t k = 0; k < sizeof beginnings / sizeof *beginnings; k++)
        ck_assert_msg(found[k], "there is no %s", beginnings[k].name);
    swax_network_free(n);
}
END_TEST

/* ---- schedules, in whole numbers: i hundredths of the steps anneal, j hundredths before them ramp */

START_TEST(schedules_are_exact_at_every_fraction)
{
    for (int steps = 1; steps <= 240; steps += steps < 40 ? 1 : 13)
        for (int i = 0; i <= 100; i++)
            for (int j = 0; i + j <= 100; j += 20) {
                char fraction[2][32];
                snprintf(fraction[0], sizeof fraction[0], "%d.%02d", i / 100, i % 100);
                snprintf(fraction[1], sizeof fraction[1], "%d.%02d", j / 100, j % 100);
                const struct windows w = {8, 4, 0.5, strtod(fraction[0], NULL), strtod(fraction[1], NULL)};
                for (int step = 0; step < steps; step++) {
                    const int left = steps - step;
                    const double expected = 100 * left <= i * steps ? 0
                                          : 100 * left >= (i + j) * steps ? 0.5
                                          : 0.5 * (100 * left - i * steps) / (j * steps);
                    const double p = short_probability_at(&w, step, steps);
                    ck_assert_msg(fabs(p - expected) < 1e-9 && (p > 0) == (expected > 0),
                                  "anneal=%s ramp=%s, step %d of %d: %g, and it should be %g", fraction[0], fraction[1],
                                  step, steps, p, expected);
                }
            }
}
END_TEST

START_TEST(a_third_of_twenty_steps_is_six)
{
    static const struct { double anneal; int steps, expected; } cases[] = {
        {0.3, 20, 6}, {0.05, 20, 1}, {0.15, 20, 3}, {0.29, 100, 29}, {0.7, 10, 7}, {0.33, 20, 6}, {1.0 / 3, 3, 1},
        {0.2, 24000, 4800}, {1, 7, 7}, {0, 7, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct windows w = {64, 8, 1, cases[i].anneal, 0};
        int annealed = 0, last = 1;
        for (int s = 0; s < cases[i].steps; s++) {
            const int is_long = window_at(&w, 1, s, cases[i].steps) == 64;
            annealed += is_long;
            last &= is_long || !annealed;              /* they are the last ones */
        }
        ck_assert_msg(annealed == cases[i].expected && last, "anneal=%g of %d steps: %d", cases[i].anneal,
                      cases[i].steps, annealed);
        const struct rates wsd = {SCHEDULE_WSD, 1, 0, cases[i].anneal, 0};
        int falls = 0;
        for (int s = 0; s < cases[i].steps; s++)
            falls += rate_at(&wsd, s, cases[i].steps) < 1;
        ck_assert_msg(falls == cases[i].expected, "cooldown=%g of %d steps: %d", cases[i].anneal, cases[i].steps,
                      falls);
    }
}
END_TEST

int main(void)
{
    scratch_open();
    Suite *s = suite_create("trainer");
    TCase *tc = tcase_create("trainer");
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, a_run_is_these_few_lines, 0, (int)(sizeof variants / sizeof *variants));
    tcase_add_test(tc, seeds_differ_in_weights_data_and_windows);
    tcase_add_test(tc, seeds_differ_in_data);
    tcase_add_test(tc, the_sum_of_the_data_is_that_of_all_versions);
    tcase_add_test(tc, a_config_that_cannot_be_is_refused);
    tcase_add_test(tc, weights_begin_as_documented);
    tcase_add_test(tc, schedules_are_exact_at_every_fraction);
    tcase_add_test(tc, a_third_of_twenty_steps_is_six);
    suite_add_tcase(s, tc);
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
