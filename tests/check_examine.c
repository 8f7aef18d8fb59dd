/* check_examine.c - the examination of an ablation, asked again by its parts: every answer, the loss by position, the
 * inside of every layer, the points of the curve and the cells' share of the gradient. */
#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ref/oracle/oracle.h"
#include "tests/scratch.h"
#include "tests/sequences.h"
#include "tests/suite.h"
#include "tools/ablate/examine.h"
#include "tools/lib/files.h"
#include "tools/lib/options.h"
#include "tools/train/checkpoint.h"

enum { LENGTH = 64, SEED = 20250929 };

static char why[SWAX_WHY];
static struct ablation a;

static const char text[] =
    "{\"name\": \"made-up\", \"seeds\": 2, \"sequences\": 14, \"points\": 2, \"memory\": \"beyond\", \"near\": "
    "\"in-short\", \"longest\": 2,\n"
    " \"settings\": {\"width\": 16, \"heads\": 2, \"cell_heads\": 2, \"cell_key_dim\": 8, \"input_gate_bias\": 0, "
    "\"mixers\": \"swa mlstm\", \"length\": 64, \"batch\": 8,\n"
    "  \"steps\": 7, \"window\": 16, \"tier\": \"ref\", \"data\": \"mentions\", \"keys\": 4, \"key_symbols\": 4, "
    "\"values\": 2, \"typed\": 0, \"filler\": 1, \"copies\": 0},\n"
    " \"arms\": [{\"name\": \"short\", \"role\": \"short\", \"settings\": {\"window\": 4}}, {\"name\": \"windows\", "
    "\"settings\": {\"mixers\": \"swa swa\"}},\n"
    "  {\"name\": \"wide\", \"settings\": {\"precision\": \"fp64\", \"mixers\": \"mlstm gdn\", \"gdn_heads\": 2}}]}\n";

static void opened(void)
{
    struct options none = {NULL, 0};
    ck_assert_msg(!ablation_open(&a, text, &none, why), "%s", why);
    for (int i = 0; i < a.arms; i++) {
        struct data d;
        const char *value[SOURCE_KEYS];
        for (int k = 0; k < SOURCE_KEYS; k++)
            value[k] = a.run[i].value[k];
        ck_assert_msg(!data_open(&d, a.run[i].source, value, LENGTH, why), "%s", why);
        a.run[i].model.vocabulary = d.vocabulary;
        data_close(&d);
    }
}

/* What a file leaves out, of all that it may say but must not. */
START_TEST(what_a_file_leaves_out_has_its_value)
{
    static const char least[] =
        "{\"name\": \"least\", \"settings\": {\"data\": \"mentions\", \"length\": 64, \"batch\": 8, "
        "\"steps\": 7, \"window\": 4}, \"arms\": [{\"name\": \"one\", \"settings\": {}}]}\n";
    static struct ablation b;
    struct options none = {NULL, 0};
    ck_assert_msg(!ablation_open(&b, least, &none, why), "%s", why);
    ck_assert_int_eq(b.seeds, 1);
    ck_assert_int_eq(b.sequences, 48);
    ck_assert_int_eq(b.longest, 1);
    ck_assert_int_eq(b.points, 20);
    ck_assert_int_eq(b.past, 0);
    ck_assert_int_eq(b.least_seeds, 3);
    ck_assert_double_eq(b.margin, 2);
    ck_assert_double_eq(b.luck, 0.05);
    ck_assert_double_eq(b.arm[0].times, 1);
    ck_assert(b.claims == 0 && b.arm[0].equal_to == -1);
    ablation_close(&b);
}
END_TEST

/* A result that has no curve, or something else in its place, has no points. */
START_TEST(a_curve_that_is_none_has_no_points)
{
    static struct outcome r;
    static const char *const curve[] = {
        "null", "{\"curve\": null}", "{\"curve\": {\"a\": {\"step\": 3}}}", "{\"curve\": []}", "{\"curve\": \"curve\"}",
        "{\"curve\": [{\"step\": 0}]}", "{\"curve\": [{}]}"};
    r.points = 3;
    curve_read(&r, &a, NULL, 0);
    ck_assert_int_eq(r.points, 0);
    for (size_t i = 0; i < sizeof curve / sizeof *curve; i++) {
        struct json *j = json_parse(curve[i], strlen(curve[i]), why);
        ck_assert_msg(j != NULL, "%s", why);
        r.points = 3;
        curve_read(&r, &a, j, 0);
        ck_assert_msg(!r.points, "%s has %d points", curve[i], r.points);
        json_free(j);
    }
}
END_TEST

/* Points behind the last that there is room for are left out. */
START_TEST(a_curve_has_as_many_points_as_there_is_room_for)
{
    static struct outcome r;
    char line[100 * ABLATE_POINTS], *to = line + sprintf(line, "{\"curve\": [");
    for (int i = 1; i <= ABLATE_POINTS + 2; i++)
        to += sprintf(to, "%s{\"step\": %d, \"loss\": %d}", i > 1 ? ", " : "", i, 2 * i);
    strcpy(to, "]}");
    struct json *j = json_parse(line, strlen(line), why);
    ck_assert_msg(j, "%s", why);
    r.layers = 77;                             /* stands before the points, and what lies behind them is said by it */
    curve_read(&r, &a, j, 0);
    ck_assert_msg(r.points == ABLATE_POINTS && r.layers == 77, "%d points", r.points);
    for (int i = 0; i < ABLATE_POINTS; i++)
        ck_assert(r.curve[i].step == i + 1 && r.curve[i].loss == 2 * (i + 1));
    json_free(j);
}
END_TEST

/* Weights so large that every answer depends on everything. */
static struct swax_network *network(const struct run *r, int B, int T, int training)
{
    int count;
    uint64_t seed = 12;
    struct swax_network *n = swax_network_new(&r->model, swax_tiers[0], r->precision, B, T, training, why);
    ck_assert_msg(n != NULL, "%s", why);
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    swax_network_init(n, 3);
    for (int i = 0; i < count; i++) {
        double *w = calloc((size_t)t[i].size, sizeof *w);
        swax_network_get(n, SWAX_WEIGHT, i, w);
        for (long k = 0; k < t[i].size; k++)
            if (r->precision == SWAX_PREC_F64)
                w[k] = (double)(float)(w[k] + 0.4 * op_normal(&seed));
            else
                ((float *)w)[k] += (float)(0.4 * op_normal(&seed));
        swax_network_put(n, SWAX_WEIGHT, i, w);
        free(w);
    }
    return n;
}

/* One question, with a network of B sequences at a time, of so many in all: whole batches, as an examination has. */
static double asked(const struct run *r, const char *question, int B, int least, struct measured *m)
{
    const int sequences = (least + B - 1) / B * B;
    static struct tally tally[64][MEASURE_ROWS];
    const struct question *q = &a.ask[question_find(&a, question)];
    const struct sitting *s = &a.sitting[q->sitting];
    const char *value[SOURCE_KEYS];
    struct data d;
    char range[40];
    snprintf(range, sizeof range, "%d-%d", s->from, s->to);
    for (int k = 0; k < SOURCE_KEYS; k++)
        value[k] = r->value[k];
    if (s->to)
        value[source_key(r->source, "ask")] = range;
    if (s->facts_first)
        value[source_key(r->source, "facts_first")] = "1";
    ck_assert_msg(!data_open(&d, r->source, value, s->length, why), "%s", why);
    struct swax_network *n = network(r, B, s->length, 0);
    memset(tally, 0, sizeof tally);
    const struct measure_how how = {.B = B, .T = s->length, .window = s->window ? s->window : r->windows.window,
                                    .sequences = sequences, .seed = SEED,
                                    .probe = s->probe, .facts_end = 4 * 2, .tally = tally};
    ck_assert_msg(!measure(n, &d, &how, m, why), "%s", why);
    swax_network_free(n);
    data_close(&d);
    return measure_estimate(tally, sequences, q->rows, q->what).value;
}

static void close_to(double said, double again, const char *what, int arm)
{
    ck_assert_msg(fabs(said - again) <= 1e-6 * fmax(1, fabs(again)),
                  "%s of %s: the examination says %.9g, asked again %.9g", what, a.arm[arm].name, said, again);
}

START_TEST(an_examination_is_its_parts)
{
    static const char *const questions[] = {"loss", "in-short", "beyond", "2x", "whole", "cells-cut", "attention-cut",
                                            "beyond@16"};
    static struct outcome r;
    struct measured m, unused;
    opened();
    struct run *run = &a.run[_i];
    snprintf(run->out, sizeof run->out, "%s", scratch("examined"));
    ck_assert_msg(!file_make_folder(run->out, why), "%s", why);
    struct swax_network *n = network(run, 8, LENGTH, 0);
    ck_assert_msg(!checkpoint_save(in_folder(run->out, checkpoint_name), run, n, 7, 0, why), "%s", why);
    r.answer[a.questions].value = r.part[MEASURE_PARTS - 1] = 77;
    ck_assert_msg(!examine(&a, run, &r, why), "%s", why);
    ck_assert_msg(r.answer[a.questions].value == 77, "behind the last question one is answered");
    ck_assert(r.parameters == (double)swax_network_parameters(n) && r.tokens == 7.0 * 8 * LENGTH);
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        const int q = question_find(&a, questions[i]), T = a.sitting[a.ask[q].sitting].length;
        close_to(r.answer[q].value,
                 asked(run, questions[i], 8, a.sitting[a.ask[q].sitting].sequences, i ? &unused : &m), questions[i],
                 _i);
        ck_assert(r.answer[q].asked > 0 && T >= LENGTH);
    }
    for (int p = 0; p < MEASURE_PARTS; p++)
        close_to(r.part[p], m.part[p].loss, "the loss by position", _i);

    /* the inside, of the first sequence alone */
    asked(run, "loss", 1, 1, &unused);
    ck_assert_int_eq(r.layers, 2);
    struct data d;
    const char *value[SOURCE_KEYS];
    struct data_batch b;
    for (int k = 0; k < SOURCE_KEYS; k++)
        value[k] = run->value[k];
    ck_assert(!data_open(&d, run->source, value, LENGTH, why) && !data_batch_new(&b, 1, LENGTH, why) &&
              !data_fill(&d, &b, SEED, DATA_HELD_OUT, 0, why));
    b.batch.window = run->windows.window;
    swax_network_evaluate(n, &b.batch, NULL, NULL, NULL);
    for (int l = 0; l < 2; l++) {
        double inside[SWAX_INSIDE];
        const struct swax_config *c = swax_network_config(n);
        const int seen = swax_layer_mixer(c, l)->inside.see(n, swax_layer_keys(c, l), l, LENGTH, run->windows.window,
                                                            inside, SWAX_INSIDE);
        ck_assert_int_gt(seen, 0);
        for (int k = 0; k < SWAX_INSIDE; k++)
            if (k < seen)
                close_to(r.layer[l].value[k], inside[k], "the inside", _i);
            else
                ck_assert(isnan(r.layer[l].value[k]));
    }
    data_batch_free(&b);
    data_close(&d);
    swax_network_free(n);
    ablation_close(&a);
}
END_TEST

/* With a network of three sequences: a third of 14, five, are sat as six; a third of 9, three, as three. */
START_TEST(a_point_of_the_curve_is_a_third_of_it)
{
    struct measured m;
    struct ablate_point p = {0};
    int count;
    opened();
    struct run *run = &a.run[_i];
    struct swax_network *n = network(run, 3, LENGTH, 1);
    for (int few = 0; few < 2; few++) {
        const int sat = few ? 3 : 6;
        for (int s = 0; s < a.sittings && few; s++)
            a.sitting[s].sequences = 9;
        ck_assert_msg(!examine_briefly(&a, run, n, 3, &p, why), "%s", why);
        close_to(p.loss, asked(run, "loss", 3, sat, &m), "the loss", _i);
        close_to(p.memory, asked(run, "beyond", 3, sat, &m), "memory", _i);
        close_to(p.near, asked(run, "in-short", 3, sat, &m), "what is near", _i);
    }

    /* the gradient of the same three sequences' mean loss */
    struct data d;
    struct data_batch b;
    const char *value[SOURCE_KEYS];
    double cells = 0, all = 0;
    for (int k = 0; k < SOURCE_KEYS; k++)
        value[k] = run->value[k];
    ck_assert(!data_open(&d, run->source, value, LENGTH, why) && !data_batch_new(&b, 3, LENGTH, why) &&
              !data_fill(&d, &b, SEED, DATA_HELD_OUT, 0, why));
    b.batch.window = run->windows.window;
    swax_network_zero_gradient(n);
    swax_network_gradient(n, &b.batch, 0.01);
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    for (int i = 0; i < count; i++) {
        double *g = calloc((size_t)t[i].size, sizeof *g);
        swax_network_get(n, SWAX_GRADIENT, i, g);
        for (long k = 0; k < t[i].size; k++) {
            const double x = run->precision == SWAX_PREC_F64 ? g[k] : (double)((float *)g)[k];
            all += x * x;
            cells += strstr(t[i].name, "mlstm_layer.") || strstr(t[i].name, "gdn_layer.") ? x * x : 0;
        }
        free(g);
    }
    if (_i == 1)
        ck_assert(isnan(p.cells) && !(cells > 0));     /* windows alone have no cells */
    else
        close_to(p.cells, cells / all, "the cells' share", _i);
    data_batch_free(&b);
    data_close(&d);
    swax_network_free(n);
    ablation_close(&a);
}
END_TEST

/* What cannot be examined is said: no tier, no checkpoint, none of its time. */
START_TEST(what_cannot_be_examined_is_said)
{
    static struct outcome r;
    struct ablate_point p = {0};
    opened();
    struct run *run = &a.run[0];
    snprintf(run->out, sizeof run->out, "%s", scratch("nothing"));
    ck_assert(!file_make_folder(run->out, why));
    ck_assert(examine(&a, run, &r, why) == why && strstr(why, "holds neither a run"));
    for (int q = 0; q < a.questions; q++)
        ck_assert(isnan(r.answer[q].value) && isnan(r.answer[q].error) && r.answer[q].asked == 0);
    strcpy(run->tier, "gpu");
    ck_assert(examine(&a, run, &r, why) == why && strstr(why, "no tier is called gpu"));
    strcpy(run->tier, "ref");
    struct swax_network *n = network(run, 3, LENGTH, 1);
    run_interrupted = 1;
    const char *wrong = examine_briefly(&a, run, n, 3, &p, why);
    run_interrupted = 0;
    ck_assert(wrong == why);
    ck_assert_str_eq(why, "The examination was interrupted.");
    ck_assert(isnan(p.loss) && isnan(p.memory) && isnan(p.near) && p.cells > 0);
    swax_network_free(n);
    ablation_close(&a);
}
END_TEST

/* States of another document need a second sequence: where one sits at a time, a point has no number of it. */
START_TEST(one_sequence_has_no_other_document)
{
    static const char words[] =
        "{\"name\": \"words\", \"sequences\": 24, \"past\": 48, \"memory\": \"far-gain-foreign\", \"near\": "
        "\"far-gain-cells\", \"bands\": [{\"name\": \"far\", \"from\": 16, \"to\": 63}], \"settings\": {\"width\": 16, "
        "\"heads\": 2, \"cell_heads\": 2, \"mixers\": \"swa mlstm\", \"tier\": \"ref\", \"data\": \"text\", "
        "\"file\": \"ref/network/model.c\", \"window\": 8, \"length\": 96, \"vocabulary\": 256}, "
        "\"arms\": [{\"name\": \"one\"}]}";
    struct options none = {NULL, 0};
    for (int B = 1; B <= 2; B++) {
        struct ablate_point p = {0};
        ck_assert_msg(!ablation_open(&a, words, &none, why), "%s", why);
        struct swax_network *n = network(&a.run[0], B, 96, 1);
        ck_assert_msg(!examine_briefly(&a, &a.run[0], n, B, &p, why), "%s", why);
        ck_assert_msg(isnan(p.memory) == (B == 1), "of %d at a time, another document's: %g", B, p.memory);
        ck_assert(isfinite(p.loss) && isfinite(p.near) && p.cells > 0);
        swax_network_free(n);
        ablation_close(&a);
    }
}
END_TEST

/* Long sequences sit a few at a time, so that they take no more memory than training's. */
START_TEST(long_sequences_sit_a_few_at_a_time)
{
    static const struct { int length, T, B; } of[] = {{64, 64, 8}, {64, 2048, 8}, {64, 4096, 4}, {64, 16384, 1},
                                                      {64, 1 << 20, 1}, {4096, 4096, 8},
                                                      {4096, 8192, 4}, {4096, 32768, 1}, {2048, 2340, 7}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        ck_assert_msg(examine_at_once(of[i].length, of[i].T) == of[i].B, "of %d tokens %d at a time, trained on %d",
                      of[i].T, examine_at_once(of[i].length, of[i].T), of[i].length);
}
END_TEST

/* Windows of n layers reach n (W-1) tokens back, or as far as an int goes; full attention everywhere, and is no
 * reach. */
START_TEST(windows_reach_as_far_as_their_stack)
{
    static const struct { const char *mixers; int window, reach; } of[] = {
        {"swa", 5, 4}, {"swa swa", 5, 8}, {"swa mlstm swa", 17, 32}, {"mlstm", 17, 0}, {"swa full", 17, 0},
        {"swa", 1, 0},
        {"swa swa swa swa", INT_MAX, INT_MAX / 2}, {"swa", INT_MAX / 2, INT_MAX / 2 - 1},
        {"swa", INT_MAX / 2 + 1, INT_MAX / 2}, {"swa", INT_MAX / 2 + 2, INT_MAX / 2}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct run r = run_default();
        ck_assert_msg(!swax_config_set(&r.model, "mixers", of[i].mixers, why), "%s", why);
        r.windows.window = of[i].window;
        ck_assert_msg(ablation_reach(&r) == of[i].reach, "%s of window %d reach %d tokens back, not %d", of[i].mixers,
                      of[i].window, of[i].reach, ablation_reach(&r));
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("examine");
    TCase *t = tcase_create("examine");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_curve_that_is_none_has_no_points);
    tcase_add_test(t, a_curve_has_as_many_points_as_there_is_room_for);
    tcase_add_test(t, what_cannot_be_examined_is_said);
    tcase_add_test(t, one_sequence_has_no_other_document);
    tcase_add_test(t, what_a_file_leaves_out_has_its_value);
    tcase_add_loop_test(t, an_examination_is_its_parts, 0, 3);
    tcase_add_loop_test(t, a_point_of_the_curve_is_a_third_of_it, 0, 3);
    tcase_add_test(t, long_sequences_sit_a_few_at_a_time);
    tcase_add_test(t, windows_reach_as_far_as_their_stack);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
