/* check_eval.c - what `swax eval` prints is what measure.h finds, number by number: at every length and window, with a
 * probe, of the inside and of what is generated; and `swax sample` goes on as a decoder of its own does. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ref/network/mixers.h"
#include "ref/oracle/oracle.h"
#include "tests/asked.h"
#include "tests/scratch.h"
#include "tests/sequences.h"
#include "tests/small_run.h"
#include "tests/suite.h"
#include "tools/lib/commands.h"
#include "tools/lib/files.h"
#include "tools/lib/json.h"
#include "tools/lib/pick.h"
#include "tools/measure/measure.h"
#include "tools/train/checkpoint.h"

static char why[SWAX_WHY];
enum { SEQUENCES = 5, NEW = 60 };

/* Weights so large that every answer depends on everything; kept as a checkpoint. */
static struct run make_network(const char *folder)
{
    struct run r = small_run(folder);
    int count;
    uint64_t seed = 12;
    r.model.vocabulary = 256;
    r.windows.window = 6, r.seed = 3;
    struct swax_network *n = swax_network_new(&r.model, swax_tiers[0], SWAX_PREC_F32, 1, 1, 0, why);
    ck_assert_msg(n, "%s", why);
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    swax_network_init(n, 3);
    for (int i = 0; i < count; i++) {
        float *w = calloc((size_t)t[i].size, sizeof *w);
        swax_network_get(n, SWAX_WEIGHT, i, w);
        for (long k = 0; k < t[i].size; k++)
            w[k] += (float)(0.4 * op_normal(&seed));
        swax_network_put(n, SWAX_WEIGHT, i, w);
        free(w);
    }
    ck_assert(!file_make_folder(folder, why));
    ck_assert_msg(!checkpoint_save(in_folder(folder, checkpoint_name), &r, n, 7, 0, why), "%s", why);
    swax_network_free(n);
    return r;
}

static struct swax_network *load(const char *folder, int B, int T)
{
    struct checkpoint c;
    ck_assert_msg(!checkpoint_open(&c, folder, why), "%s", why);
    struct swax_network *n = swax_network_new(&c.run.model, swax_tiers[0], SWAX_PREC_F32, B, T, 0, why);
    ck_assert_msg(n && !checkpoint_load(&c, n, SWAX_PREC_F32, 0, why), "%s", why);
    checkpoint_close(&c);
    return n;
}

/* ---- what is asked: on the command line, and of measure.h */

struct asking { const char *line, *source, *settings; int length, window, facts_end, separator, generate;
                enum measure_probe probe; uint64_t seed; };

struct found { struct measured m; struct tally tally[SEQUENCES][MEASURE_ROWS]; double generated;
               int layers; struct { int n; double value[SWAX_INSIDE]; } inside[8]; };

static void find(const char *folder, const struct asking *q, struct found *f)
{
    struct data d = open_task(q->source, q->settings, q->length);
    struct swax_network *n = load(folder, SEQUENCES, q->length);
    const struct measure_how how = {.B = SEQUENCES, .T = q->length, .window = q->window, .sequences = SEQUENCES,
                                    .seed = q->seed, .probe = q->probe, .facts_end = q->facts_end, .tally = f->tally};
    memset(f, 0, sizeof *f);
    d.vocabulary = swax_network_config(n)->vocabulary;
    ck_assert_msg(!measure(n, &d, &how, &f->m, why), "%s", why);
    if (q->generate)
        ck_assert_msg(!measure_generated(n, &d, &how, q->generate, q->separator, &f->generated, why), "%s", why);
    struct measure_how one = how;
    struct measured unused;
    one.B = one.sequences = 1, one.tally = NULL;
    struct swax_network *alone = load(folder, 1, q->length);
    ck_assert(!measure(alone, &d, &one, &unused, why));
    const struct swax_config *c = swax_network_config(alone);
    for (f->layers = 0; f->layers < c->layers; f->layers++)
        f->inside[f->layers].n = swax_layer_mixer(c, f->layers)->inside.see(
            alone, swax_layer_keys(c, f->layers), f->layers, q->length, q->window, f->inside[f->layers].value,
            SWAX_INSIDE);
    swax_network_free(n), swax_network_free(alone), data_close(&d);
}

static struct estimate estimate(struct found *f, int row, enum measure_what what)
{
    return measure_estimate(f->tally, SEQUENCES, (uint64_t)1 << row, what);
}

/* ---- JSON */

static void is(const struct json *object, const char *key, double expected, const char *of)
{
    const struct json *j = json_get(object, key);
    ck_assert_msg(j, "%s: no \"%s\"", of, key);
    if (isnan(expected))
        ck_assert_msg(j->type == JSON_NULL, "%s: \"%s\" is %s, and nothing was measured", of, key, j->text);
    else
        ck_assert_msg(j->type == JSON_NUMBER && fabs(j->number - expected) < 1e-6 * (1 + fabs(expected)),
                      "%s: \"%s\" is %s, and measure.h finds %.9g", of, key, j->text ? j->text : "none", expected);
}

static void check_one(const struct json *j, const struct asking *q, struct found *f)
{
    static const char *const probes[] = {"none", "span_cut", "relay_block"};
    const struct source *s = source_find(q->source);
    const struct json *answers = json_get(j, "answers");
    is(j, "length", q->length, q->line), is(j, "window", q->window, q->line), is(j, "sequences", SEQUENCES, q->line);
    ck_assert_str_eq(json_get(j, "probe")->text, probes[q->probe]);
    is(j, "loss", f->m.loss, q->line);
    is(j, "loss_error", estimate(f, MEASURE_ALL, MEASURE_WEIGHTED).error, q->line);
    is(j, s->unit ? "bits_per_byte" : "bits_per_token", estimate(f, MEASURE_ALL, MEASURE_LOSS).value / log(2), q->line);
    is(j, "bits_error", estimate(f, MEASURE_ALL, MEASURE_LOSS).error / log(2), q->line);
    int p = 0, asked = 0;
    for (const struct json *x = json_get(j, "loss_by_position")->first; x; x = x->next, p++)
        ck_assert_msg(x->type == JSON_NUMBER ? fabs(x->number - f->m.part[p].loss) < 1e-6 : !f->m.part[p].targets,
                      "%s: the loss of part %d is %g, not %g", q->line, p, x->number, f->m.part[p].loss);
    ck_assert_int_eq(p, MEASURE_PARTS);
    for (int k = 0; s->tags[k]; k++) {
        const struct json *a = json_get(answers, s->tags[k]);
        ck_assert_msg(!a == !f->m.tag[k].asked, "%s: %s", q->line, s->tags[k]);
        if (!a)
            continue;
        asked++;
        is(a, "tokens", (double)f->m.tag[k].asked, s->tags[k]);
        is(a, "right", (double)f->m.tag[k].right / (double)f->m.tag[k].asked, s->tags[k]);
        is(a, "right_error", estimate(f, k, MEASURE_RIGHT).error, s->tags[k]);
        is(a, "loss", estimate(f, k, MEASURE_LOSS).value, s->tags[k]);
        is(a, "loss_error", estimate(f, k, MEASURE_LOSS).error, s->tags[k]);
        is(a, "answers", (double)f->m.tag[k].answers, s->tags[k]);
        is(a, "exact", (double)f->m.tag[k].exact / (double)f->m.tag[k].answers, s->tags[k]);
    }
    ck_assert(asked > 0);
    if (q->generate)
        is(j, "generated", f->generated, q->line);
    int l = 0;
    for (const struct json *x = json_get(j, "layers")->first; x; x = x->next, l++) {
        const struct json *value = x->first->next;
        int k = 0;
        is(x, "layer", l, q->line);
        for (const struct json *v = value->first; v; v = v->next, k++)
            ck_assert_msg(fabs(v->number - f->inside[l].value[k]) < 1e-6 * (1 + fabs(v->number)),
                          "%s: layer %d shows %g, not %g", q->line, l, v->number, f->inside[l].value[k]);
        ck_assert_int_eq(k, f->inside[l].n);
    }
    ck_assert_int_eq(l, f->layers);
}

#define COPY "span=3 symbols=4 rest=0.25"
#define TEXT "file=ref/network/model.c context=1"
static const struct asking asking[] = {
    {"@net data=copy " COPY, "copy", COPY, 32, 6, 0, -1, 0, MEASURE_WHOLE, 3},
    {"@net data=copy " COPY " seed=4", "copy", COPY, 32, 6, 0, -1, 0, MEASURE_WHOLE, 4},
    {"@net data=copy " COPY " windows=2 generate=7", "copy", COPY, 32, 2, 0, -1, 7, MEASURE_WHOLE, 3},
    {"@net data=copy " COPY " lengths=48 probe=span_cut facts_end=9", "copy", COPY, 48, 6, 9, -1, 0, MEASURE_SPAN_CUT,
     3},
    {"@net data=copy " COPY " lengths=48 probe=relay_block facts_end=9", "copy", COPY, 48, 6, 9, -1, 0,
     MEASURE_RELAY_BLOCK, 3},
    {"@net " TEXT " separator= generate=60", "text", TEXT, 32, 6, 0, -1, NEW, MEASURE_WHOLE, 3},
};
enum { ASKINGS = sizeof asking / sizeof *asking };

START_TEST(json_has_what_was_measured)
{
    static struct found found[ASKINGS];
    make_network(scratch("net"));
    for (int i = 0; i < ASKINGS; i++) {
        const struct asking *q = &asking[i];
        char line[400];
        snprintf(line, sizeof line, "%s sequences=%d tier=ref inside=yes json=yes", q->line, SEQUENCES);
        const char *text = done(cmd_eval, placed(line));
        struct json *j = json_parse(text, strlen(text), why);
        ck_assert_msg(j && j->count == 1, "%s: it is %s", line, why);
        find(scratch("net"), q, &found[i]);
        check_one(j->first, q, &found[i]);
        json_free(j);
        for (int k = 0; k < i; k++)                /* else an asking that was not heard could not be told */
            ck_assert_msg(found[k].m.loss != found[i].m.loss, "askings %d and %d find the same", k, i);
    }
}
END_TEST

/* Of two symbols a network that has learned little is right about half the time, and of three in a row less often. */
START_TEST(whole_answers_are_told_from_tokens)
{
    static struct found f;
    struct run r = small_run(scratch("copier"));
    static const char *const settings[][2] = {{"data", "copy"}, {"span", "3"}, {"symbols", "2"}, {"steps", "14"},
                                              {"tier", "ref"}, {"held_out_sequences", "0"}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        ck_assert_msg(!run_set(&r, settings[i][0], settings[i][1], why), "%s", why);
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    const struct asking q = {"@copier", "copy", "span=3 symbols=2", 32, 16, 0, -1, 0, MEASURE_WHOLE, 1};
    find(scratch("copier"), &q, &f);
    ck_assert_msg(f.m.tag[0].right > 0 && f.m.tag[0].right < f.m.tag[0].asked &&
                  f.m.tag[0].exact * f.m.tag[0].asked != f.m.tag[0].right * f.m.tag[0].answers,
                  "%ld of %ld tokens and %ld of %ld answers are right", f.m.tag[0].right, f.m.tag[0].asked,
                  f.m.tag[0].exact, f.m.tag[0].answers);
    const char *text = done(cmd_eval, placed("@copier sequences=5 tier=ref inside=yes json=yes"));
    struct json *j = json_parse(text, strlen(text), why);
    ck_assert_msg(j && j->count == 1, "it is %s", why);
    check_one(j->first, &q, &f);
    json_free(j);
}
END_TEST

/* A byte that the network says, so that what it said before is forgotten: then it goes on in another way. */
START_TEST(what_is_generated_has_the_separator_of_the_data)
{
    static struct found with, without;
    make_network(scratch("net"));
    for (int separator = 0; separator < 256; separator++) {
        char settings[200], line[300];
        snprintf(settings, sizeof settings, TEXT " separator=%d", separator);
        snprintf(line, sizeof line, "@net %s generate=60 sequences=5 tier=ref inside=yes json=yes", settings);
        struct asking q = {line, "text", settings, 32, 6, 0, separator, NEW, MEASURE_WHOLE, 3};
        find(scratch("net"), &q, &with);
        q.separator = -1;
        find(scratch("net"), &q, &without);
        if (with.generated == without.generated)
            continue;
        const char *text = done(cmd_eval, placed(line));
        struct json *j = json_parse(text, strlen(text), why);
        ck_assert_msg(j && j->count == 1, "%s: it is %s", line, why);
        is(j->first, "generated", with.generated, line);
        json_free(j);
        return;
    }
    ck_abort_msg("no separator changes what is generated");
}
END_TEST

/* Every pair, in the order in which they are asked for. */
START_TEST(every_length_is_measured_with_every_window)
{
    static const int lengths[] = {32, 20}, windows[] = {3, 9, 32};
    static struct found f;
    make_network(scratch("net"));
    const char *text = done(cmd_eval, placed("@net data=copy " COPY " lengths=32,20 windows=3,9,32 sequences=5 "
                                             "tier=ref inside=yes json=yes"));
    struct json *j = json_parse(text, strlen(text), why);
    ck_assert_msg(j && j->count == 6, "it is %s", why);
    const struct json *at = j->first;
    for (int l = 0; l < 2; l++)
        for (int w = 0; w < 3; w++, at = at->next) {
            const struct asking q = {"a pair", "copy", COPY, lengths[l], windows[w], 0, -1, 0, MEASURE_WHOLE, 3};
            find(scratch("net"), &q, &f);
            check_one(at, &q, &f);
        }
    json_free(j);
}
END_TEST

/* ---- the table for people */

START_TEST(the_table_has_the_same_numbers)
{
    static struct found f;
    const struct asking *q = &asking[2];
    char *expected, line[400];
    size_t size;
    make_network(scratch("net"));
    find(scratch("net"), q, &f);
    FILE *to = file_open_text(&expected, &size);
    fprintf(to, "length 32, window 2, 5 sequences: loss %.4f (standard error %.4f)\n", f.m.loss,
            estimate(&f, MEASURE_ALL, MEASURE_WEIGHTED).error);
    fprintf(to, "  every token counted the same: %.4f bits per token, standard error %.4f\n  loss by position ",
            estimate(&f, MEASURE_ALL, MEASURE_LOSS).value / log(2),
            estimate(&f, MEASURE_ALL, MEASURE_LOSS).error / log(2));
    for (int p = 0; p < MEASURE_PARTS; p++)
        fprintf(to, " %.3f", f.m.part[p].loss);
    fprintf(to, "\n  %-24s %.3f (standard error %.3f) of %ld tokens, loss %.4f; %.3f of %ld answers\n", "copied symbol",
            (double)f.m.tag[0].right / (double)f.m.tag[0].asked, estimate(&f, 0, MEASURE_RIGHT).error,
            f.m.tag[0].asked, estimate(&f, 0, MEASURE_LOSS).value,
            (double)f.m.tag[0].exact / (double)f.m.tag[0].answers, f.m.tag[0].answers);
    fprintf(to, "  answers contained in 7 generated tokens: %.3f\n", f.generated);
    ck_assert(file_close_text(to, &expected));
    snprintf(line, sizeof line, "%s sequences=5 tier=ref", q->line);
    ck_assert_str_eq(done(cmd_eval, placed(line)), expected);
    free(expected);
    /* of one sequence nothing is known of how others differ */
    snprintf(line, sizeof line, "%s sequences=1 tier=ref", q->line);
    const char *one = done(cmd_eval, placed(line));
    ck_assert_msg(!strstr(one, "standard error") && strstr(one, "1 sequence: loss"), "%s", one);
    for (const char *c = one; *c; c++)
        ck_assert_msg(*c == '\n' || (*c >= ' ' && *c <= '~'), "a byte %d stands in: %s", *c, one);
}
END_TEST

/* ---- sampling */

/* As a decoder of the test's own goes on. */
static void go_on(const char *folder, int window, const char *prompt, int n, uint64_t seed, struct pick p, char *to)
{
    static int order[256];
    float logits[256];
    struct swax_network *net = load(folder, 1, 1);
    struct swax_decoder *d = swax_decoder_new(net, 1, window, why);
    p.vocabulary = 256, p.order = order;
    ck_assert_msg(d, "%s", why);
    swax_decoder_separator(d, 10);                     /* small_run's */
    for (const char *c = prompt; *c; c++) {
        const int token = (unsigned char)*c;
        ck_assert(!swax_decoder_feed(d, &token, 1, logits));
    }
    for (int i = 0; i < n; i++) {
        struct random r = random_open(seed, RANDOM_SAMPLE, (uint64_t)i);
        const int token = pick_token(&p, logits, &r);
        to[i] = (char)token;
        ck_assert(!swax_decoder_feed(d, &token, 1, logits));
    }
    swax_decoder_free(d), swax_network_free(net);
}

START_TEST(a_sample_is_drawn_as_it_is_asked_for)
{
    enum { N = 40 };
    static const struct { const char *line; int window; uint64_t seed; struct pick p; } of[] = {
        {"", 6, 1, {.temperature = 1, .top_p = 1}}, {"window=2", 2, 1, {.temperature = 1, .top_p = 1}},
        {"window=64", 64, 1, {.temperature = 1, .top_p = 1}}, {"seed=9", 6, 9, {.temperature = 1, .top_p = 1}},
        {"top_k=2", 6, 1, {.temperature = 1, .top_k = 2, .top_p = 1}},
        {"top_p=0.6", 6, 1, {.temperature = 1, .top_p = 0.6}}, {"temperature=3", 6, 1, {.temperature = 3, .top_p = 1}}};
    enum { SAMPLES = sizeof of / sizeof *of };
    char said[SAMPLES][N];
    make_network(scratch("net"));
    for (int i = 0; i < SAMPLES; i++) {
        char *text, line[200];
        snprintf(line, sizeof line, "@net prompt=abcabcab tokens=40 tier=ref %s", of[i].line);
        done(cmd_sample, placed(line));
        const size_t n = read_whole(scratch("stdout"), &text);
        go_on(scratch("net"), of[i].window, "abcabcab", N, of[i].seed, of[i].p, said[i]);
        ck_assert_msg(n == 8 + N + 1 && !memcmp(text, "abcabcab", 8) && !memcmp(text + 8, said[i], N),
                      "%s: it goes on in another way than a decoder that is asked so", of[i].line);
        for (int k = 0; k < i; k++)
            ck_assert_msg(memcmp(said[k], said[i], N), "samples %d and %d cannot be told apart", k, i);
        free(text);
    }
}
END_TEST

int main(void)
{
    scratch_open();
    Suite *s = suite_create("eval");
    TCase *t = tcase_create("eval");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, json_has_what_was_measured);
    tcase_add_test(t, whole_answers_are_told_from_tokens);
    tcase_add_test(t, what_is_generated_has_the_separator_of_the_data);
    tcase_add_test(t, every_length_is_measured_with_every_window);
    tcase_add_test(t, the_table_has_the_same_numbers);
    tcase_add_test(t, a_sample_is_drawn_as_it_is_asked_for);
    suite_add_tcase(s, t);
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
