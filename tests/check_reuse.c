/* check_reuse.c - reuse by distance against its definition, asked the long way; what the far past is worth against
 * networks that are really fed the end of a document, or another document before it; and the estimates by hand. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/scratch.h"
#include "tests/sequences.h"
#include "tests/suite.h"
#include "tools/lib/files.h"
#include "tools/lib/random.h"
#include "tools/measure/measure.h"
#include "tools/tasks/reuse.h"

static char why[SWAX_WHY];

enum { LONGEST = 2000 };

struct text {
    struct sequence s;
    int token[LONGEST], target[LONGEST], attention[LONGEST], cell[LONGEST], tag[LONGEST];
    float weight[LONGEST];
};

static void open_text(struct text *x, int T)
{
    memset(x, 0, sizeof *x);
    x->s = (struct sequence){T, x->token, x->target, x->weight, x->attention, x->cell, x->tag};
}

/* The text's bytes; a zero byte begins a document. */
static void put_text(struct text *x, const unsigned char *bytes, int n)
{
    open_text(x, n - 1);
    for (int t = 0, first = 0; t < n - 1; t++) {
        x->token[t] = bytes[t];
        x->target[t] = bytes[t + 1];
        first = bytes[t] ? first : t;
        x->attention[t] = x->cell[t] = first;
    }
}

/* By the definition: the last earlier end of the same `context` bytes in this document. */
static int tag_by_hand(const struct text *x, int t, int context, const unsigned char *is_word)
{
    const int first = x->attention[t], next = x->target[t], word = is_word[next] ? REUSE_CLASSES : 0;
    if (!next || t - context + 1 < first)
        return 0;
    for (int p = t - 1; p - context + 1 >= first; p--) {
        int same = 1;
        for (int i = 0; i < context; i++)
            same &= x->token[p - i] == x->token[t - i];
        if (!same)
            continue;
        if (x->token[p + 1] != next)
            return 1 + 1 + word;
        for (int k = 0; k < REUSE_CLASSES; k++)
            if (t - p >= reuse_distance[k].from && t - p <= reuse_distance[k].to)
                return 1 + k + word;
    }
    return 1 + 0 + word;
}

static unsigned char letters[256];

START_TEST(marks_are_those_of_the_definition)
{
    unsigned char bytes[LONGEST];
    static struct text x;
    long met[REUSE_TAGS + 1] = {0};
    for (int round = 0; round < 40; round++) {
        struct random r = random_open(7, RANDOM_SAMPLE, (uint64_t)round);
        const int symbols = 2 + round % 3, context = 1 + round % 5, documents = 1 + round % 4;
        for (int i = 0; i < LONGEST; i++)
            bytes[i] =
                i && i % (LONGEST / documents) == 0 ? 0 : (unsigned char)("ab.("[random_below(&r, (uint64_t)symbols)]);
        if (round % 2)      /* a stretch again, far away */
            memcpy(bytes + 1500, bytes + 100, 200);
        put_text(&x, bytes, LONGEST);
        struct reuse *u = reuse_open(context, LONGEST);
        reuse_mark(u, &x.s, 0, letters);
        for (int t = 0; t < LONGEST - 1; t++) {
            ck_assert_each(x.tag[t] == tag_by_hand(&x, t, context, letters), "round %d, token %d: tag %d, not %d",
                           round, t, x.tag[t], tag_by_hand(&x, t, context, letters));
            met[x.tag[t]]++;
        }
        reuse_close(u);
    }
    for (int k = 1; k <= 9; k++)
        ck_assert_msg(met[k] > 0 && met[k + REUSE_CLASSES] > 0, "no answer of class %s was met", reuse_tags[k - 1]);
}
END_TEST

/* "int alpha = 1;" 40 bytes of other text, "int alpha = 2;": after the context "int alpha = " another byte follows, and
 * the bytes of "alpha" repeat it. */
START_TEST(a_text_marked_by_hand)
{
    static struct text x;
    const char *text = "#int alpha = 1; the rest of it says other things here int alpha = 2;";
    const int n = (int)strlen(text), again = (int)(strstr(text + 2, "int alpha = 2") - text), d = again - 1;
    put_text(&x, (const unsigned char *)text, n);
    struct reuse *u = reuse_open(4, n);
    reuse_mark(u, &x.s, -1, letters);
    ck_assert_int_eq(d, 53);
    ck_assert_str_eq(reuse_tags[x.tag[again + 3] - 1], "word, 32-63 back");     /* "int " before, "a" after */
    ck_assert_str_eq(reuse_tags[x.tag[again + 8] - 1], "seen 32-63 back");      /* "lpha" before, " " after */
    ck_assert_str_eq(reuse_tags[x.tag[again + 11] - 1], "word, another next");  /* "a = " before: 1 then, 2 now */
    ck_assert_str_eq(reuse_tags[x.tag[20] - 1], "word, never seen");
    ck_assert_int_eq(x.tag[2], 0);                                              /* three bytes are no context of four */
    reuse_close(u);
}
END_TEST

/* ---- estimates */

START_TEST(estimates_are_ratios_over_sequences)
{
    static struct tally t[4][MEASURE_ROWS];
    memset(t, 0, sizeof t);
    const double n[4] = {10, 20, 5, 15}, right[4] = {5, 18, 1, 12}, loss[4] = {12, 9, 8, 11}, cut[4] = {20, 15, 9, 20};
    for (int s = 0; s < 4; s++) {
        t[s][3] = (struct tally){
            .asked = n[s] - 2, .right = right[s], .loss = loss[s], .cut_loss = cut[s], .lost = 4, .found = 1};
        t[s][7] = (struct tally){.asked = 2, .lost = 2, .found = 2};
    }
    const struct estimate e = measure_estimate(t, 4, 1 << 3 | 1 << 7, MEASURE_RIGHT);
    double squares = 0;
    for (int s = 0; s < 4; s++)
        squares += pow(right[s] - 36.0 / 50 * n[s], 2);
    ck_assert(fabs(e.value - 36.0 / 50) < 1e-12 && e.asked == 50);
    ck_assert_msg(fabs(e.error - sqrt(4.0 / 3 * squares) / 50) < 1e-12, "standard error %g", e.error);
    ck_assert(fabs(measure_estimate(t, 4, 1 << 3, MEASURE_LOSS).value - 40.0 / 42) < 1e-12);
    ck_assert(fabs(measure_estimate(t, 4, 1 << 3, MEASURE_GAIN).value - (64.0 - 40) / 42) < 1e-12);
    ck_assert(fabs(measure_estimate(t, 4, 1 << 3 | 1 << 7, MEASURE_FOUND).value - 12.0 / 24) < 1e-12);
    /* all in one sequence: how far others lie from it is not known; two alike: known, and no rounding is left of it */
    t[2][6] = (struct tally){.asked = 5, .right = 3};
    ck_assert(measure_estimate(t, 4, 1 << 6, MEASURE_RIGHT).value == 0.6);
    ck_assert(isnan(measure_estimate(t, 4, 1 << 6, MEASURE_RIGHT).error));
    t[1][6] = t[2][6];
    ck_assert(measure_estimate(t, 4, 1 << 6, MEASURE_RIGHT).error < 1e-15);
    ck_assert(isnan(measure_estimate(t, 4, 1 << 5, MEASURE_RIGHT).value) &&
              measure_estimate(t, 4, 1 << 5, MEASURE_RIGHT).asked == 0);
}
END_TEST

/* ---- the far past */

enum { T = 96, B = 3, SPAN = 32, WINDOW = 8 };

/* Rows of the head 30 times as large for the text's own letters: what is said is one of them, and often right. */
static void say_letters(struct swax_network *n)
{
    int tensors;
    const struct swax_tensor *t = swax_network_tensors(n, &tensors);
    for (int i = 0; i < tensors; i++) {
        if (!strstr(t[i].name, "lm_head"))
            continue;
        float *w = malloc((size_t)t[i].size * sizeof *w);
        swax_network_get(n, SWAX_WEIGHT, i, w);
        for (long k = 0; k < t[i].size; k++)
            w[k] *= strchr("abc (", (int)(k / t[i].shape[1])) && k >= t[i].shape[1] ? 30 : 1;
        swax_network_put(n, SWAX_WEIGHT, i, w);
        free(w);
    }
}

static struct swax_network *network(int batch, int length)
{
    struct swax_config c = swax_config_default();
    ck_assert(!swax_config_set(&c, "width", "16", why) && !swax_config_set(&c, "heads", "2", why) &&
              !swax_config_set(&c, "cell_heads", "2", why));
    ck_assert(!swax_config_set(&c, "mixers", "swa mlstm", why) && !swax_config_set(&c, "input_gate_bias", "0", why));
    c.vocabulary = 256;
    ck_assert_msg(!swax_config_check(&c, why), "%s", why);
    struct swax_network *n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F32, batch, length, 0, why);
    swax_network_init(n, 3);
    say_letters(n);
    return n;
}

/* The loss and the rightness of the last of these tokens, of a network that is fed them and nothing else. */
static void feed(struct swax_network *one, const int *token, int n, int target, float *loss, unsigned char *right)
{
    int targets[2 * T];
    float losses[2 * T];
    unsigned char rights[2 * T];
    for (int t = 0; t < n; t++)
        targets[t] = t == n - 1 ? target : -1;
    const struct swax_batch b = {.B = 1, .T = n, .window = WINDOW, .token = token, .target = targets};
    swax_network_evaluate(one, &b, losses, rights, NULL);
    *loss = losses[n - 1], *right = rights[n - 1];
}

static struct data open_corpus(const char *path)
{
    char settings[300];
    snprintf(settings, sizeof settings, "file=%s separator=0 held_out=0.5 context=2", path);
    return open_task("text", settings, T);
}

/* Every sequence's tally of all targets, from tokens fed one by one. */
START_TEST(the_cut_past_is_what_was_never_fed)
{
    char *path = scratch("text"), bytes[4000];
    struct random r = random_open(5, RANDOM_SAMPLE, 0);
    for (int i = 0; i < (int)sizeof bytes; i++)
        bytes[i] = i % 700 == 650 ? 0 : "abc ("[random_below(&r, 5)];
    FILE *f = fopen(path, "w");
    fwrite(bytes, 1, sizeof bytes, f);
    fclose(f);
    struct data d = open_corpus(path);
    struct swax_network *n = network(B, T), *one = network(1, T);
    static struct tally got[2 * B][MEASURE_ROWS];
    const struct measure_how how = {.B = B, .T = T, .window = WINDOW, .sequences = 2 * B, .seed = 4, .tally = got};
    const enum measure_cut cut = (enum measure_cut)_i;
    memset(got, 0, sizeof got);
    ck_assert_msg(!measure_past(n, &d, &how, cut, SPAN, why), "%s", why);
    double counted = 0, found_in_all = 0;
    for (int s = 0; s < 2 * B; s += B) {
        struct data_batch b = fill(&d, B, T, 4, DATA_HELD_OUT, (uint64_t)s);
        for (int i = 0; i < B; i++) {
            double asked = 0, loss = 0, cut_loss = 0, lost = 0, found = 0;
            const int *token = b.room.token + i * T, *other = b.room.token + (i + 1) % B * T;
            const int *start = b.room.start_attention + i * T;
            const int *other_start = b.room.start_attention + (i + 1) % B * T;
            for (int t = 0; t < T; t++) {
                const int half = SPAN / 2, from = t < SPAN ? 0 : (t - half) / half * half, own = T - SPAN;
                float whole, without;
                unsigned char right, right_without;
                int joined[2 * T];
                if (cut == MEASURE_FOREIGN ? t < T - half || start[t] >= own : from <= start[t])
                    continue;
                if (cut == MEASURE_CELLS)
                    continue;
                feed(one, token + start[t], t - start[t] + 1, b.room.target[i * T + t], &whole, &right);
                if (cut == MEASURE_DOCUMENT) {
                    feed(one, token + from, t - from + 1, b.room.target[i * T + t], &without, &right_without);
                } else {
                    const int first = other_start[own - 1];
                    memcpy(joined, other + first, (size_t)(own - first) * sizeof(int));
                    memcpy(joined + own - first, token + own, (size_t)(t - own + 1) * sizeof(int));
                    feed(one, joined, t - first + 1, b.room.target[i * T + t], &without, &right_without);
                }
                asked++, loss += (double)whole, cut_loss += (double)without, lost += !right_without,
                    found += !right_without && right;
            }
            const struct tally *g = &got[s + i][MEASURE_ALL];
            counted += asked;
            found_in_all += found;
            if (cut == MEASURE_CELLS)
                continue;
            ck_assert_msg(g->asked == asked && g->lost == lost && g->found == found,
                          "sequence %d: %g asked, %g lost, %g found; by hand %g, %g, %g", s + i, g->asked, g->lost,
                          g->found, asked, lost, found);
            ck_assert_msg(fabs(g->loss - loss) < 1e-3 && fabs(g->cut_loss - cut_loss) < 1e-3,
                          "sequence %d: losses %g and %g, by hand %g and %g", s + i, g->loss, g->cut_loss, loss,
                          cut_loss);
        }
        data_batch_free(&b);
    }
    ck_assert_msg(cut == MEASURE_CELLS || (counted > 50 && found_in_all > 0), "%g answers, %g found", counted,
                  found_in_all);
    if (cut == MEASURE_CELLS) {      /* attention is not touched: a network without cells loses nothing */
        double gain = 0, lost = 0;
        for (int s = 0; s < 2 * B; s++)
            gain += fabs(got[s][MEASURE_ALL].cut_loss - got[s][MEASURE_ALL].loss), lost += got[s][MEASURE_ALL].asked;
        ck_assert(gain > 0 && lost > 50);
    }
    ck_assert(measure_past(n, &d, &how, cut, T, why) && measure_past(n, &d, &how, cut, 1, why));
    swax_network_free(n), swax_network_free(one);
    data_close(&d);
    unlink(path);
    free(path);
}
END_TEST

/* With windows alone, cutting the cells changes nothing, and cutting the document does. */
START_TEST(windows_have_no_cells_to_cut)
{
    char *path = scratch("windows"), bytes[2000];
    struct random r = random_open(6, RANDOM_SAMPLE, 0);
    for (int i = 0; i < (int)sizeof bytes; i++)
        bytes[i] = "abc ("[random_below(&r, 5)];
    FILE *f = fopen(path, "w");
    fwrite(bytes, 1, sizeof bytes, f);
    fclose(f);
    struct data d = open_corpus(path);
    struct swax_config c = swax_config_default();
    ck_assert(!swax_config_set(&c, "width", "16", why) && !swax_config_set(&c, "heads", "2", why) &&
              !swax_config_set(&c, "mixers", "swa swa", why));
    c.vocabulary = 256;
    ck_assert(!swax_config_check(&c, why));
    struct swax_network *n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F32, B, T, 0, why);
    swax_network_init(n, 3);
    static struct tally got[B][MEASURE_ROWS];
    const struct measure_how how = {.B = B, .T = T, .window = 40, .sequences = B, .seed = 4, .tally = got};
    for (int cut = MEASURE_DOCUMENT; cut <= MEASURE_CELLS; cut++) {
        memset(got, 0, sizeof got);
        ck_assert(!measure_past(n, &d, &how, (enum measure_cut)cut, SPAN, why));
        for (int s = 0; s < B; s++)
            ck_assert(got[s][MEASURE_ALL].asked > 0 &&
                      (got[s][MEASURE_ALL].loss != got[s][MEASURE_ALL].cut_loss) == (cut == MEASURE_DOCUMENT));
    }
    swax_network_free(n);
    data_close(&d);
    unlink(path);
    free(path);
}
END_TEST

/* ---- what is held out */

/* Byte i is 10 i / N of its file's letter: blocks show in which tenths the held-out tokens lie. */
START_TEST(blocks_lie_across_the_text)
{
    enum { N = 4000 };
    char *path = scratch("blocks"), *other = scratch("other"), bytes[N], settings[900];
    for (int i = 0; i < N; i++)
        bytes[i] = (char)('0' + 10 * i / N);
    FILE *f = fopen(path, "w");
    fwrite(bytes, 1, N, f);
    fclose(f);
    for (int i = 0; i < N; i++)
        bytes[i] = 'x';
    f = fopen(other, "w");
    fwrite(bytes, 1, N, f);
    fclose(f);
    static const struct { const char *more, *held, *trained; } ways[] = {
        {"held_out=0.2", "89", "01234567"}, {"held_out=0.2 held_out_blocks=2", "49", "01235678"},
        {"held_out=0.5 held_out_blocks=10", "0123456789", "0123456789"}};
    for (int w = 0; w < 4; w++) {
        if (w < 3)
            snprintf(settings, sizeof settings, "file=%s %s", path, ways[w].more);
        else
            snprintf(settings, sizeof settings, "file=%s held_out_file=%s", path, other);
        struct data d = open_task("text", settings, 10);
        for (int part = DATA_TRAIN; part <= DATA_HELD_OUT; part++) {
            int met[256] = {0};
            for (uint64_t k = 0; k < 500; k++) {
                struct data_batch b = fill(&d, 1, 10, 1, (enum data_part)part, k);
                for (int t = 0; t < 10; t++)
                    met[b.room.token[t]]++;
                data_batch_free(&b);
            }
            const char *wanted = w == 3 ? part ? "x" : "0123456789" : part ? ways[w].held : ways[w].trained;
            for (int c = 0; c < 256; c++)
                ck_assert_msg(!met[c] == !(c && strchr(wanted, c)), "%s: letter %c is met %d times in part %d",
                              settings, c, met[c], part);
        }
        data_close(&d);
    }
    unlink(path), unlink(other);
    free(path), free(other);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("reuse");
    TCase *t = tcase_create("reuse");
    letters['a'] = letters['b'] = 1;
    for (int c = '0'; c <= 'z'; c++)
        letters[c] = letters[c] || (c <= '9') || (c >= 'a');
    tcase_set_timeout(t, 120);
    tcase_add_test(t, marks_are_those_of_the_definition);
    tcase_add_test(t, a_text_marked_by_hand);
    tcase_add_test(t, estimates_are_ratios_over_sequences);
    tcase_add_loop_test(t, the_cut_past_is_what_was_never_fed, 0, MEASURE_CUTS);
    tcase_add_test(t, windows_have_no_cells_to_cut);
    tcase_add_test(t, blocks_lie_across_the_text);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
