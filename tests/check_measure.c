/* check_measure.c - the measurements: answers are counted right, the probes cut what they say and nothing else,
 * attention's mass and the cells' time constants are what the formulas give. */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ref/network/mixers.h"
#include "ref/oracle/oracle.h"
#include "tools/measure/measure.h"
#include "tests/sequences.h"
#include "tests/suite.h"

/* Stand in for the C library's: behind every block that is asked for stands a word, so that who reads one too many
 * meets it; and the so-manieth block cannot be had (0: all can). */
static int32_t behind;
static int fail_at, blocks;

#if !defined __SANITIZE_ADDRESS__ && defined __GLIBC__
void *__libc_malloc(size_t n);

void *malloc(size_t n)
{
    char *p = fail_at && ++blocks == fail_at ? NULL : __libc_malloc(n + 4 * sizeof behind);
    for (int i = 0; i < 4 && p; i++)
        memcpy(p + n + (size_t)i * sizeof behind, &behind, sizeof behind);
    return p;
}
enum { BLOCKS_FAIL = 1 };
#else
enum { BLOCKS_FAIL = 0 };
#endif

static struct swax_network *network(const char *mixers, const struct data *d, int B, int T)
{
    char why[SWAX_WHY] = "";
    struct swax_config c = swax_config_default();
    ck_assert(!swax_config_set(&c, "width", "32", why) && !swax_config_set(&c, "mixers", mixers, why));
    c.vocabulary = d->vocabulary;
    ck_assert_msg(!swax_config_check(&c, why), "%s", why);
    struct swax_network *n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F32, B, T, 0, why);
    ck_assert_msg(n, "%s", why);
    swax_network_init(n, 5);
    return n;
}

/* A random network's logits at every question of an examination, before and after the facts are replaced, with one
 * path cut.  How many of them differ at all. */
static int differing_logits(const char *mixers, enum measure_probe probe, int window, const char *ask, int *questions)
{
    enum { T = 160, B = 4, FACTS = 8 * 2 };
    char settings[96] = "facts_first=1 ask=";
    strcat(settings, ask);
    struct data d = open_task("mentions", settings, T);
    struct data_batch b = fill(&d, B, T, 3, DATA_HELD_OUT, 0);
    struct swax_network *n = network(mixers, &d, B, T);
    const int vocabulary = d.vocabulary;
    const size_t size = (size_t)B * T * (size_t)vocabulary;
    float *before = malloc(size * sizeof *before), *after = malloc(size * sizeof *after);
    for (int i = 0; i < B * T; i++)
        if (i % T >= FACTS) {
            b.room.start_cell[i] = probe == MEASURE_SPAN_CUT ? i % T : 0;
            b.room.start_attention[i] = probe == MEASURE_RELAY_BLOCK ? FACTS : 0;
        }
    b.batch.start_cell = b.room.start_cell, b.batch.start_attention = b.room.start_attention, b.batch.window = window;
    swax_network_evaluate(n, &b.batch, NULL, NULL, before);
    for (int i = 0; i < B * T; i++)
        if (i % T < FACTS)
            b.room.token[i] = (b.room.token[i] + 7 * (i % 5) + 1) % vocabulary;
    swax_network_evaluate(n, &b.batch, NULL, NULL, after);
    int differ = 0;
    *questions = 0;
    for (int i = 0; i < B * T; i++)
        if (b.tag[i] >= 3) {
            ++*questions;
            differ += memcmp(before + (size_t)i * (size_t)vocabulary, after + (size_t)i * (size_t)vocabulary,
                             (size_t)vocabulary * sizeof *before) != 0;
        }
    free(before), free(after);
    swax_network_free(n);
    data_batch_free(&b), data_close(&d);
    return differ;
}

START_TEST(probes_cut_what_they_say)
{
    int n;
    /* two windows of 16 reach 30 tokens back; the last fact ends 16 tokens in, and is asked 50 and more later */
    ck_assert_int_eq(differing_logits("swa mlstm swa mlstm", MEASURE_SPAN_CUT, 16, "50-120", &n), 0);
    ck_assert_int_eq(n, 32);
    ck_assert_int_eq(differing_logits("swa mlstm swa mlstm", MEASURE_WHOLE, 16, "50-120", &n), n);
    ck_assert_int_eq(differing_logits("swa mlstm swa mlstm", MEASURE_RELAY_BLOCK, 16, "50-120", &n), n);
    /* one token nearer than the reach, and it shows: 2 (64-1) = 126 */
    ck_assert_int_eq(differing_logits("swa mlstm swa mlstm", MEASURE_SPAN_CUT, 64, "50-110", &n), n);
    /* without cells nothing is left when attention is cut; without attention nothing when the cells are */
    ck_assert_int_eq(differing_logits("swa swa", MEASURE_RELAY_BLOCK, 64, "50-110", &n), 0);
    ck_assert_int_eq(differing_logits("mlstm mlstm", MEASURE_SPAN_CUT, 64, "50-110", &n), 0);
}
END_TEST

START_TEST(the_probe_of_measure_is_that_cut)
{
    char why[SWAX_WHY] = "";
    struct data d = open_task("mentions", "facts_first=1 ask=50-110", 160);
    struct swax_network *n = network("mlstm", &d, 4, 160);
    struct measured whole, cut;
    struct measure_how how = {.B = 4, .T = 160, .window = 16, .sequences = 8, .seed = 1, .facts_end = 16};
    ck_assert(!measure(n, &d, &how, &whole, why));
    how.probe = MEASURE_SPAN_CUT;
    ck_assert(!measure(n, &d, &how, &cut, why));
    ck_assert(whole.loss != cut.loss && whole.part[0].loss == cut.part[0].loss);    /* the facts are read as ever */
    ck_assert_int_eq(whole.asked, 2 * 8 * 8);                            /* 8 sequences, 8 keys: mentioned, and asked */
    swax_network_free(n);
    data_close(&d);
}
END_TEST

/* From now on the network says token 3, whatever comes: its logits are 0 but for that one. */
static void say_always(struct swax_network *n, int token)
{
    int tensors;
    const struct swax_tensor *t = swax_network_tensors(n, &tensors);
    for (int i = 0; i < tensors; i++) {                 /* embeddings and last norm 1, head 1 for that token */
        float *w = calloc((size_t)t[i].size, sizeof *w);
        const int head = strstr(t[i].name, "lm_head") != NULL, one = t[i].rank == 1 || strstr(t[i].name, "embed");
        for (long k = 0; k < t[i].size; k++)
            w[k] = head ? k / t[i].shape[1] == token : one;
        swax_network_put(n, SWAX_WEIGHT, i, w);
        free(w);
    }
}

/* A network that always says the same token is right where that token is the answer, and nowhere else. */
START_TEST(answers_are_counted)
{
    char why[SWAX_WHY] = "";
    struct data d = open_task("copy", "span=3 symbols=2", 64);
    struct swax_network *n = network("swa", &d, 2, 64);
    say_always(n, 3);
    struct measured m;
    const struct measure_how how = {.B = 2, .T = 64, .window = 16, .sequences = 50, .seed = 1, .facts_end = 0};
    ck_assert(!measure(n, &d, &how, &m, why));
    ck_assert(m.tag[0].asked == m.asked && m.tag[0].right == m.right && m.tag[0].answers * 3 <= m.asked + 2 * 50);
    const double tokens = (double)m.right / (double)m.asked, whole = (double)m.tag[0].exact / (double)m.tag[0].answers;
    ck_assert_msg(fabs(tokens - 0.5) < 0.06, "one of two symbols is right in %g", tokens);
    ck_assert_msg(fabs(whole - 0.125) < 0.05, "three in a row are in %g", whole);
    swax_network_free(n);
    data_close(&d);
}
END_TEST

/* Answers of the first tag and of the last that begin with their sequence, end with it, and stand side by side; 3 is
 * right, 4 is wrong. */
enum { SIDE = 8 };
static const int side_tag[SIDE] = {1, 1, 0, 1, MEASURE_TAGS, MEASURE_TAGS, 1, 1},
                 side_target[SIDE] = {3, 3, 4, 3, 4, 3, 3, 4};

static const char *fill_side(void *opened, struct sequence *s, uint64_t seed, enum data_part part, uint64_t number,
                             char *why)
{
    (void)opened, (void)seed, (void)part, (void)number, (void)why;
    for (int t = 0; t < s->T; t++)
        s->token[t] = t % 5, s->target[t] = side_target[t], s->tag[t] = side_tag[t];
    return NULL;
}

/* The past of each of them is counted in its tag's row and in the last, which has all. */
START_TEST(a_past_is_counted_by_tag)
{
    static const struct source source = {.name = "side", .fill = fill_side};
    char why[SWAX_WHY] = "";
    const struct data d = {.source = &source, .vocabulary = 5};
    struct swax_network *n = network("swa", &d, 2, SIDE);
    struct tally tally[2][MEASURE_ROWS] = {0};
    const struct measure_how how = {.B = 2, .T = SIDE, .window = 4, .sequences = 2, .seed = 1, .tally = tally};
    ck_assert_msg(!measure_past(n, &d, &how, MEASURE_CELLS, 2, why), "%s", why);
    for (int s = 0; s < 2; s++)
        for (int row = 0; row < MEASURE_TAGS; row++)
            ck_assert_msg((tally[s][row].asked > 0) == (!row || row == MEASURE_TAGS - 1),
                          "sequence %d: %g answers of tag %d", s, tally[s][row].asked, row + 1);
    for (int span = 1; span <= SIDE; span += SIDE - 1) {
        char wanted[80];
        snprintf(wanted, sizeof wanted, "A past of %d tokens: it is 2 to 7 in sequences of 8.", span);
        ck_assert_msg(measure_past(n, &d, &how, MEASURE_CELLS, span, why) == why, "a past of %d tokens", span);
        ck_assert_str_eq(why, wanted);
    }
    swax_network_free(n);
}
END_TEST

START_TEST(an_answer_ends_with_its_tag_or_its_sequence)
{
    enum { SEQUENCES = 6 };
    static const struct source source = {.name = "side", .fill = fill_side};
    static const struct { long answers, exact, asked, right; } expected[2] = {{3, 2, 5, 4}, {1, 0, 2, 1}};
    char why[SWAX_WHY] = "";
    const struct data d = {.source = &source, .vocabulary = 5};
    struct swax_network *n = network("swa", &d, 2, SIDE);
    say_always(n, 3);
    struct measured m;
    const struct measure_how how = {.B = 2, .T = SIDE, .window = 4, .sequences = SEQUENCES, .seed = 1};
    ck_assert_msg(!measure(n, &d, &how, &m, why), "%s", why);
    for (int k = 0; k < 2; k++) {
        const int tag = k ? MEASURE_TAGS : 1;
        ck_assert_msg((long)m.tag[tag - 1].answers == SEQUENCES * expected[k].answers &&
                          (long)m.tag[tag - 1].exact == SEQUENCES * expected[k].exact &&
                          (long)m.tag[tag - 1].asked == SEQUENCES * expected[k].asked &&
                          (long)m.tag[tag - 1].right == SEQUENCES * expected[k].right,
                      "tag %d of %d sequences: %ld of %ld answers are whole, %ld of %ld tokens right", tag, SEQUENCES,
                      (long)m.tag[tag - 1].exact, (long)m.tag[tag - 1].answers, (long)m.tag[tag - 1].right,
                      (long)m.tag[tag - 1].asked);
    }
    swax_network_free(n);
}
END_TEST

static int see(struct swax_network *n, int layer, int T, int window, double value[SWAX_INSIDE])
{
    const struct swax_config *c = swax_network_config(n);
    return swax_layer_mixer(c, layer)->inside.see(n, swax_layer_keys(c, layer), layer, T, window, value, SWAX_INSIDE);
}

START_TEST(mass_sums_to_one_and_time_constants_are_the_gates)
{
    char why[SWAX_WHY] = "";
    double mass[SWAX_INSIDE], tokens[SWAX_INSIDE], sum = 0;
    struct data d = open_task("mentions", "", 160);
    struct swax_network *n = network("swa mlstm full", &d, 1, 160);
    struct measured m;
    const struct measure_how how = {.B = 1, .T = 160, .window = 16, .sequences = 1, .seed = 1, .facts_end = 0};
    ck_assert(!measure(n, &d, &how, &m, why));
    ck_assert_int_eq(see(n, 0, 160, 16, mass), 5);     /* 0, 1, 2-3, 4-7, 8-15 tokens back, and no further */
    for (int k = 0; k < 5; k++)
        sum += mass[k];
    ck_assert_msg(fabs(sum - 1) < 1e-5, "the window's mass is %g", sum);
    ck_assert(mass[4] > 0);
    ck_assert_int_eq(see(n, 2, 160, 16, mass), 9);     /* to 128-255 */
    ck_assert(mass[7] > 0);
    const struct swax_config *c = swax_network_config(n);
    ck_assert_int_eq(see(n, 1, 160, 16, tokens), (int)swax_config_number(c, "cell_heads"));
    const double cap = swax_config_number(c, "gate_cap");
    const double f = cap * tanh(swax_config_number(c, "forget_gate_bias_first") / cap);    /* gate weights begin at 0 */
    ck_assert_msg(fabs(tokens[0] * log1p(exp(-f)) - 1) < 1e-4, "%g tokens", tokens[0]);
    swax_network_free(n);

    /* of the delta rule: g = -exp(A_log) log(1 + exp(a x + dt_bias)), here with a of 0 */
    int count;
    float A[4], dt[4];
    n = network("gdn", &d, 1, 160);
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    for (int i = 0; i < count; i++) {
        float zero[4 * 32] = {0};
        if (strstr(t[i].name, "gdn_layer.a_proj"))
            swax_network_put(n, SWAX_WEIGHT, i, zero);
        if (strstr(t[i].name, "gdn_layer.A_log"))
            swax_network_get(n, SWAX_WEIGHT, i, A);
        if (strstr(t[i].name, "gdn_layer.dt_bias"))
            swax_network_get(n, SWAX_WEIGHT, i, dt);
    }
    ck_assert(!measure(n, &d, &how, &m, why));
    ck_assert_int_eq(see(n, 0, 160, 16, tokens), 4);
    for (int h = 0; h < 4; h++)
        ck_assert_msg(fabs(tokens[h] * exp((double)A[h]) * log1p(exp((double)dt[h])) - 1) < 1e-4, "head %d: %g tokens",
                      h, tokens[h]);
    swax_network_free(n);
    data_close(&d);
}
END_TEST

/* The same score by evaluation: what is said after every token is the largest logit of the text since the last
 * separator. */
static double said_by_evaluation(struct swax_network *n, const struct data *d, int length, int sequences, int new,
                                 int separator)
{
    const int vocabulary = d->vocabulary;
    double score = 0;
    for (int s = 0; s < sequences; s++) {
        struct data_batch b = fill(d, 1, length, 1, DATA_HELD_OUT, (uint64_t)s);
        int text[256], before = 0, found = 0, asked = 0;
        float *logits = malloc((size_t)length * (size_t)vocabulary * sizeof *logits);
        while (!b.tag[before++]);
        memcpy(text, b.batch.token, (size_t)before * sizeof *text);
        for (int at = before; at < before + new; at++) {
            int from = at - 1, best = 0;
            while (from && text[from] != separator)
                from--;
            const int none[256] = {0};
            const struct swax_batch all = { .B = 1, .T = at - from, .window = 4, .token = text + from, .target = none };
            swax_network_evaluate(n, &all, NULL, NULL, logits);
            const float *last = logits + (at - from - 1) * vocabulary;
            for (int v = 1; v < vocabulary; v++)
                best = last[v] > last[best] ? v : best;
            text[at] = best;
        }
        for (int t = 0; t + 1 < length; t++) {     /* answers of two tokens */
            int here = 0;
            if (!b.tag[t] || !b.tag[t + 1])
                continue;
            for (int at = before; at + 1 < before + new; at++)
                here |= text[at] == b.batch.target[t] && text[at + 1] == b.batch.target[t + 1];
            found += here;
            asked++;
        }
        ck_assert_int_gt(asked, 3);
        score += (double)found / asked / sequences;
        free(logits);
        data_batch_free(&b);
    }
    return score;
}

START_TEST(generated_answers_are_looked_for)
{
    enum { LENGTH = 60, SEQUENCES = 12, NEW = 9 };     /* no answer is cut at the end */
    char why[SWAX_WHY] = "";
    int tensors;
    uint64_t seed = 4;
    double score[3];
    struct data d = open_task("copy", "span=2 symbols=4", LENGTH);
    struct swax_network *n = network("swa mlstm", &d, 1, LENGTH);
    const struct swax_tensor *t = swax_network_tensors(n, &tensors);
    for (int i = 0; i < tensors; i++) {        /* so large that what was said before is heard */
        float *w = malloc((size_t)t[i].size * sizeof *w);
        swax_network_get(n, SWAX_WEIGHT, i, w);
        for (long k = 0; k < t[i].size; k++)
            w[k] += (float)(0.3 * op_normal(&seed));
        swax_network_put(n, SWAX_WEIGHT, i, w);
        free(w);
    }
    static const int separator[] = {-1, 2, 4};   /* none; the mark before the first answer; a symbol, of what is said */
    for (int i = 0; i < 3; i++) {
        const struct measure_how how = {.B = 1, .T = LENGTH, .window = 4, .sequences = SEQUENCES, .seed = 1,
                                        .facts_end = 0};
        ck_assert_msg(!measure_generated(n, &d, &how, NEW, separator[i], &score[i], why), "%s", why);
        const double expected = said_by_evaluation(n, &d, LENGTH, SEQUENCES, NEW, separator[i]);
        ck_assert_msg(fabs(score[i] - expected) < 1e-12, "separator %d: the score is %.9g; by evaluation it is %.9g",
                      separator[i], score[i], expected);
    }
    ck_assert_msg(score[0] > 0 && score[0] < 1 && score[0] != score[1] && score[0] != score[2],
                  "scores of %g, %g, %g tell nothing", score[0], score[1], score[2]);
    swax_network_free(n);
    data_close(&d);
}
END_TEST

/* Answers of two letters, to which a network says "aa": the last two that it says are enough, and case is ignored. */
static const char letters[][3] = {"aa", "Aa", "AA", "ab", "ba"};
enum { WORDS = sizeof letters / sizeof *letters };

static const char *fill_letters(void *opened, struct sequence *s, uint64_t seed, enum data_part part, uint64_t number,
                                char *why)
{
    (void)opened, (void)seed, (void)part, (void)why;
    for (int t = 0; t < s->T; t++)
        s->token[t] = ' ', s->target[t] = t < 4 ? ' ' : letters[number][t % 2],
        s->tag[t] = number % 2 ? t >= SIDE - 2 : t == 4 || t == 5;
    return NULL;
}

START_TEST(answers_are_looked_for_to_the_end_and_in_any_case)
{
    static const struct source source = {.name = "letters", .fill = fill_letters};
    char why[SWAX_WHY] = "";
    double score = -1;
    const struct data d = {.source = &source, .vocabulary = 128};
    struct swax_network *n = network("swa", &d, 1, SIDE);
    say_always(n, 'a');
    for (int sequences = 1; sequences <= WORDS; sequences++) {
        const struct measure_how how = {.B = 1, .T = SIDE, .window = 4, .sequences = sequences, .seed = 1};
        ck_assert_msg(!measure_generated(n, &d, &how, 2, -1, &score, why), "%s", why);
        const double expected = (sequences < 3 ? sequences : 3.0) / sequences;
        ck_assert_msg(fabs(score - expected) < 1e-12, "of %d sequences %g, and it should be %g", sequences, score,
                      expected);
    }
    swax_network_free(n);
}
END_TEST

/* Of logits that are all alike the first is taken, token 0, as in evaluation and in sampling: it is no answer. */
START_TEST(of_equal_logits_the_first_is_said)
{
    enum { LENGTH = 60, SEQUENCES = 4 };
    char why[SWAX_WHY] = "";
    int tensors;
    double score = -1;
    struct data d = open_task("copy", "span=1 symbols=2", LENGTH);
    struct swax_network *n = network("swa", &d, 1, LENGTH);
    const struct swax_tensor *t = swax_network_tensors(n, &tensors);
    for (int i = 0; i < tensors; i++) {
        float *w = calloc((size_t)t[i].size, sizeof *w);
        swax_network_put(n, SWAX_WEIGHT, i, w);
        free(w);
    }
    const struct measure_how how = {.B = 1, .T = LENGTH, .window = 4, .sequences = SEQUENCES, .seed = 1};
    ck_assert_msg(!measure_generated(n, &d, &how, 3, -1, &score, why), "%s", why);
    ck_assert_msg(score == 0, "of answers that are none of them token 0, %g are said", score);
    swax_network_free(n);
    data_close(&d);
}
END_TEST

/* What stands behind the last logit, and behind the tags of a sequence that ends within its answer, is not read. */
START_TEST(nothing_is_read_behind_a_sequence)
{
    static const struct source source = {.name = "letters", .fill = fill_letters};
    static const float large = 1e30f;
    char why[SWAX_WHY] = "";
    const struct data d = {.source = &source, .vocabulary = 128};
    for (int what = 0; what < 3; what++) {
        double score = -1;
        behind = what;                         /* no tag, and the tag of the last answer, which ends there */
        if (what == 2)
            memcpy(&behind, &large, sizeof behind);
        struct swax_network *n = network("swa", &d, 1, SIDE);
        say_always(n, 'a');
        const struct measure_how how = {.B = 1, .T = SIDE, .window = 4, .sequences = 4, .seed = 1};
        ck_assert_msg(!measure_generated(n, &d, &how, 2, -1, &score, why), "%s", why);
        ck_assert_msg(score == 0.75, "with %x behind every block the score is %g", (unsigned)behind, score);
        swax_network_free(n);
    }
    behind = 0;
}
END_TEST

/* Where there is no memory a measurement says so, and is made again when there is. */
START_TEST(memory_that_is_not_there_is_said)
{
    static const char *const says[3][2] = {
        {"There is no memory to evaluate 2 sequences of 8 tokens.", "There is no memory for a batch of 2 sequences"},
        {"There is no memory to evaluate 16 tokens.", "There is no memory for a batch of 2 sequences of 8 tokens."},
        {"There is no memory for the logits.", "There is no memory for a batch of 1 sequences of 8 tokens."}};
    static const struct source source = {.name = "letters", .fill = fill_letters};
    char why[SWAX_WHY] = "";
    const struct data d = {.source = &source, .vocabulary = 128};
    struct tally tally[2][MEASURE_ROWS] = {0};
    struct measured m;
    double score;
    for (int what = 0; what < 3 && BLOCKS_FAIL; what++) {
        struct swax_network *n = network("swa", &d, 2, SIDE);
        const struct measure_how how = {.B = what == 2 ? 1 : 2, .T = SIDE, .window = 4, .sequences = 2, .seed = 1,
                                        .tally = tally};
        int refused = 0, seen[2] = {0, 0};
        const char *wrong = why;
        for (int at = 1; wrong && at < 100; at++) {
            fail_at = at, blocks = 0;
            wrong = what == 0 ? measure(n, &d, &how, &m, why)
                  : what == 1 ? measure_past(n, &d, &how, MEASURE_FOREIGN, 2, why)
                              : measure_generated(n, &d, &how, 2, -1, &score, why);
            fail_at = 0;
            refused += wrong != NULL;
            for (int k = 0; k < 2 && wrong; k++)
                seen[k] += !strncmp(why, says[what][k], strlen(says[what][k]));
        }
        ck_assert_msg(!wrong && refused && seen[0] && seen[1], "measurement %d: refused %d times, %d and %d as it "
                      "should", what, refused, seen[0], seen[1]);
        swax_network_free(n);
    }
}
END_TEST

/* Of one sequence at a time there is no other document. */
START_TEST(another_document_needs_another_sequence)
{
    static const struct source source = {.name = "side", .fill = fill_side};
    char why[SWAX_WHY] = "";
    const struct data d = {.source = &source, .vocabulary = 5};
    struct swax_network *n = network("swa", &d, 2, SIDE);
    struct tally tally[2][MEASURE_ROWS] = {0};
    struct measure_how how = {.B = 1, .T = SIDE, .window = 4, .sequences = 2, .seed = 1, .tally = tally};
    ck_assert(measure_past(n, &d, &how, MEASURE_FOREIGN, 2, why) == why);
    ck_assert_str_eq(why, "Another document's states need two sequences at a time.");
    ck_assert(!measure_past(n, &d, &how, MEASURE_CELLS, 2, why));
    ck_assert(!measure_past(n, &d, &how, MEASURE_DOCUMENT, 2, why));
    how.B = 2;
    ck_assert(!measure_past(n, &d, &how, MEASURE_FOREIGN, 2, why));
    swax_network_free(n);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("measure");
    TCase *t = tcase_create("measure");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, probes_cut_what_they_say);
    tcase_add_test(t, the_probe_of_measure_is_that_cut);
    tcase_add_test(t, answers_are_counted);
    tcase_add_test(t, a_past_is_counted_by_tag);
    tcase_add_test(t, an_answer_ends_with_its_tag_or_its_sequence);
    tcase_add_test(t, mass_sums_to_one_and_time_constants_are_the_gates);
    tcase_add_test(t, nothing_is_read_behind_a_sequence);
    tcase_add_test(t, memory_that_is_not_there_is_said);
    tcase_add_test(t, another_document_needs_another_sequence);
    tcase_add_test(t, answers_are_looked_for_to_the_end_and_in_any_case);
    tcase_add_test(t, of_equal_logits_the_first_is_said);
    tcase_add_test(t, generated_answers_are_looked_for);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
