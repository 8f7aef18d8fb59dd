/* check_tasks.c - the generated tasks: the same numbers give the same sequence, every answer stands in the context at
 * the distance that is stated, answers are even over their symbols, gaps follow their law. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden.h"
#include "tests/sequences.h"
#include "tests/suite.h"

enum { MOST = 1 << 15 };

static const struct { const char *task, *settings; int T; } cases[] = {
    {"mentions", "", 512}, {"mentions", "slot=2 beyond=0.05 beyond_tokens=64 grow=10 rest=0.05 copy_weight=0.5", 500},
    {"mentions", "slot=3 copy_lags=30 successors=3", 301},
    {"mentions", "slot=2 ask=20-60", 200}, {"mentions", "ask=40-100 facts_first=1", 200},
    {"mqar", "pairs=8", 100}, {"copy", "span=7 delay=5 rest=1", 99},
    {"niah", "variant=single_1", 700}, {"niah", "variant=single_2 depth=50", 1000}, {"niah", "variant=single_3", 900},
    {"niah", "variant=multikey_1", 1200}, {"niah", "variant=multikey_2", 1000}, {"niah", "variant=multikey_3", 1500},
    {"niah", "variant=multivalue", 1024}, {"niah", "variant=multiquery digits=4", 1024},
    {"vt", "", 1500}, {"vt", "chains=2 hops=2 example=0", 700}, {"words", "common=4", 1500},
    {"words", "example=0", 5000}, {"words", "kind=frequent", 900},
};
enum { CASES = sizeof cases / sizeof *cases };

START_TEST(same_numbers_same_sequence)
{
    const int T = cases[_i].T;
    struct data d = open_task(cases[_i].task, cases[_i].settings, T);
    struct data_batch all = fill(&d, 6, T, 3, DATA_TRAIN, 10);
    for (int k = 0; k < 6; k += 2) {       /* other micro-batches, and an order of its own */
        struct data_batch two = fill(&d, 2, T, 3, DATA_TRAIN, 10 + (uint64_t)(4 - k));
        const size_t at = (size_t)(4 - k) * (size_t)T, n = 2 * (size_t)T * sizeof(int);
        ck_assert(!memcmp(two.room.token, all.room.token + at, n) && !memcmp(two.room.target, all.room.target + at, n));
        ck_assert(!memcmp(two.tag, all.tag + at, n) && !memcmp(two.room.weight, all.room.weight + at, n));
        data_batch_free(&two);
    }
    ck_assert(memcmp(all.room.token, all.room.token + T, (size_t)T * sizeof(int)));
    struct data_batch held = fill(&d, 6, T, 3, DATA_HELD_OUT, 10), other = fill(&d, 6, T, 4, DATA_TRAIN, 10);
    ck_assert(memcmp(held.room.token, all.room.token, (size_t)(6 * T) * sizeof(int)));
    ck_assert(memcmp(other.room.token, all.room.token, (size_t)(6 * T) * sizeof(int)));
    data_batch_free(&all), data_batch_free(&held), data_batch_free(&other), data_close(&d);
}
END_TEST

START_TEST(targets_are_next_tokens_and_tags_are_answers)
{
    const int T = cases[_i].T, vocabulary = 1 << 20;
    struct data d = open_task(cases[_i].task, cases[_i].settings, T);
    struct data_batch b = fill(&d, 8, T, 1, DATA_HELD_OUT, 0);
    int tags = 0, answers = 0;
    while (d.source->tags[tags])
        tags++;
    for (int i = 0; i < 8 * T; i++) {
        ck_assert_int_lt(b.room.token[i], d.source->vocabulary(d.opened));
        ck_assert_int_lt(b.room.target[i], vocabulary);
        ck_assert(b.room.token[i] >= 0 && b.tag[i] >= 0 && b.tag[i] <= tags);
        ck_assert(!(b.room.weight[i] < 0));
        if (i % T < T - 1 && b.room.target[i] >= 0)
            ck_assert_int_eq(b.room.target[i], b.room.token[i + 1]);
        answers += b.tag[i] && b.room.target[i] >= 0;
    }
    ck_assert_int_ge(answers, 8);
    data_batch_free(&b), data_close(&d);
}
END_TEST

/* Every tagged value: its key was mentioned before with the same value, last at a distance of the tagged class.
 * Every tagged symbol stands the lag of its alphabet before. */
static void check_mentions(const char *settings, int T, int slot, int typed, int ask_from, int ask_to)
{
    static const int lag[] = {24, 36, 60};
    char all[256];
    snprintf(all, sizeof all, "copy_lags=24,36,60 slot=%d typed=%d %s", slot, typed, settings);
    struct data d = open_task("mentions", all, T);
    const int first_key = 16, first_value = first_key + 16, first_copy = first_value + 16 * (typed ? 16 : 1),
        offset = slot > 2, B = 20;
    struct data_batch b = fill(&d, B, T, 5, DATA_TRAIN, 1000);
    int found = 0, copied = 0;
    for (int s = 0; s < B; s++) {
        const int *token = b.room.token + s * T, *target = b.room.target + s * T, *tag = b.tag + s * T;
        for (int t = 0; t < T; t++) {
            if (tag[t] == 1) {
                const int back = lag[(target[t] - first_copy) / 8];
                ck_assert(t - back >= -1 && target[t] >= first_copy);
                ck_assert_int_eq(token[t + 1 - back], target[t]);
                copied++;
            }
            if (tag[t] < 3)
                continue;
            ck_assert_int_eq(t % slot, offset);
            int back = slot;
            while (back <= t && !(token[t - back] == token[t]))
                back += slot;
            ck_assert_int_le(back, t);
            ck_assert_int_eq(token[t - back + 1], target[t]);
            ck_assert(token[t] >= first_key && token[t] < first_value && target[t] >= first_value &&
                      target[t] < first_copy);
            if (typed)
                ck_assert_int_eq((target[t] - first_value) / 16, token[t] - first_key);
            ck_assert_int_eq(tag[t] - 3, (int)floor(log2(back)));
            if (ask_to)
                ck_assert(back >= ask_from && back <= ask_to);
            found++;
        }
    }
    if (ask_to)
        ck_assert_int_eq(found, B * 8);
    else
        ck_assert(found > B * T / slot / 8 && copied == B * 3 * 19);
    data_batch_free(&b), data_close(&d);
}

START_TEST(a_mentioned_value_stands_where_it_is_said)
{
    check_mentions("", 512, 2, 1, 0, 0);
    check_mentions("", 600, 3, 0, 0, 0);
    check_mentions("beyond=0.2 successors=4", 777, 4, 0, 0, 0);
    check_mentions("ask=140-500", 512, 4, 1, 140, 500);
    check_mentions("ask=70-90", 128, 2, 0, 70, 90);
    check_mentions("ask=300-320 facts_first=1", 512, 4, 1, 300, 320);
    check_mentions("ask=8200-16000", 16384, 2, 1, 8200, 16000);
}
END_TEST

/* Share of mentions more than `window` tokens after the last one of their key. */
static double share_beyond(const char *settings, int T, int slot, int window, long *n)
{
    struct data d = open_task("mentions", settings, T);
    struct data_batch b = fill(&d, 40, T, 9, DATA_TRAIN, 0);
    long beyond = 0;
    *n = 0;
    for (int s = 0; s < 40; s++)
        for (int t = 0; t < T; t++)
            if (b.tag[s * T + t] >= 3) {
                int back = slot;
                while (b.room.token[s * T + t - back] != b.room.token[s * T + t])
                    back += slot;
                ++*n;
                beyond += back > window;
            }
    data_batch_free(&b), data_close(&d);
    return (double)beyond / (double)*n;
}

START_TEST(gaps_follow_their_law)
{
    long n;
    /* one key and no copies: nothing is pushed aside; the longest gap is short beside the sequence, so the end cuts
     * off few */
    double share = share_beyond("keys=1 copies=0 start=0 slot=2 longest=256 beyond_tokens=32 beyond=0.2", 16384, 2, 32,
                                &n);
    ck_assert_msg(fabs(share - 0.2) < 4 * sqrt(0.16 / (double)n) + 0.01, "beyond=0.2 gave %g of %ld", share, n);
    share = share_beyond("keys=1 copies=0 start=0 slot=2 longest=256 beyond_tokens=32 beyond=0", 16384, 2, 32, &n);
    ck_assert(share == 0);
    share = share_beyond("keys=1 copies=0 start=0 slot=4 longest=256 exponent=1", 16384, 4, 64, &n);
    const double law = (1 / 17.0 - 1 / 65.0) / (1 - 1 / 65.0);   /* P(gap >= 17) with S = 64 */
    ck_assert_msg(fabs(share - law) < 4 * sqrt(law / (double)n) + 0.003, "the law says %g, drawn %g of %ld", law, share,
                  n);
    share = share_beyond("keys=1 copies=0 start=0 slot=2 longest=256 grow=1000000 exponent=1", 16384, 2, 8, &n);
    ck_assert(share == 0);                 /* the curriculum begins with gaps of 4 slots */
}
END_TEST

START_TEST(answers_are_even_over_their_symbols)
{
    static const struct { const char *task, *settings; int T, first, symbols; } even[] = {
        {"mentions", "ask=40-400 typed=0", 512, 16 + 16, 16}, {"mqar", "pairs=16", 512, 1 + 64, 64},
        {"copy", "", 512, 3, 32},
    };
    struct data d = open_task(even[_i].task, even[_i].settings, even[_i].T);
    struct data_batch b = fill(&d, 100, even[_i].T, 2, DATA_HELD_OUT, 0);
    double count[64] = {0}, n = 0, chi = 0;
    for (int i = 0; i < 100 * even[_i].T; i++)
        if (b.tag[i] && (even[_i].task[1] != 'e' || b.tag[i] >= 3)) {
            ck_assert(b.room.target[i] >= even[_i].first && b.room.target[i] < even[_i].first + even[_i].symbols);
            count[b.room.target[i] - even[_i].first]++, n++;
        }
    const double expected = n / even[_i].symbols;
    for (int s = 0; s < even[_i].symbols; s++)
        chi += (count[s] - expected) * (count[s] - expected) / expected;
    ck_assert_msg(chi < even[_i].symbols + 6 * sqrt(2.0 * even[_i].symbols), "chi square %g over %d symbols", chi,
                  even[_i].symbols);
    data_batch_free(&b), data_close(&d);
}
END_TEST

START_TEST(pairs_and_copies_are_true)
{
    struct data d = open_task("mqar", "pairs=5", 100), c = open_task("copy", "span=6 delay=9", 100);
    struct data_batch b = fill(&d, 4, 100, 1, DATA_TRAIN, 0), e = fill(&c, 4, 100, 1, DATA_TRAIN, 0);
    for (int i = 0; i < 400; i++) {
        const int t = i % 100, *token = b.room.token + i;
        if (b.tag[i]) {                    /* the same pair within the episode's 20 tokens */
            int back = 1;
            while (back < 20 && !(token[-back] == token[0] && token[1 - back] == b.room.target[i]))
                back++;
            ck_assert(back < 20 && t >= back);
        }
        if (e.tag[i])
            ck_assert_int_eq(e.room.target[i], e.room.token[i + 1 - 16]);
    }
    data_batch_free(&b), data_batch_free(&e), data_close(&d), data_close(&c);
}
END_TEST

/* Sequence s of a batch of bytes as text, and where its first answer begins. */
static int as_text(char *text, const struct data_batch *b, int s, int T)
{
    int first = -1;
    for (int t = 0; t < T; t++) {
        text[t] = (char)b->room.token[s * T + t];
        if (first < 0 && b->tag[s * T + t])
            first = t + 1;
    }
    text[T] = 0;
    return first;
}

/* Call each(answer) for every answer of the sequence; returns how many. */
static int answers(char answer[16][64], const struct data_batch *b, int s, int T)
{
    int n = 0, length = 0;
    for (int t = 0; t < T; t++) {
        if (b->tag[s * T + t])
            answer[n][length++] = (char)b->room.target[s * T + t];
        if (length && (!b->tag[s * T + t] || t == T - 1)) {
            answer[n++][length] = 0;
            length = 0;
        }
    }
    return n;
}

START_TEST(needles_are_in_the_haystack)
{
    static const struct { const char *settings; int T, n, depth; } needle[] = {
        {"variant=single_1", 900, 1, -1}, {"variant=single_1 depth=0", 2000, 1, 0},
        {"variant=single_1 depth=100", 2000, 1, 100},
        {"variant=single_2 depth=50", 3000, 1, 50}, {"variant=single_3", 1500, 1, -1},
        {"variant=multikey_1", 1500, 1, -1},
        {"variant=multikey_2 depth=50", 3000, 1, 50}, {"variant=multikey_3", 2000, 1, -1},
        {"variant=multivalue", 1500, 4, -1},
        {"variant=multiquery", 1500, 4, -1},
    };
    static char text[MOST], answer[16][64], sentence[128];
    const int T = needle[_i].T;
    struct data d = open_task("niah", needle[_i].settings, T);
    struct data_batch b = fill(&d, 10, T, 4, DATA_HELD_OUT, 0);
    for (int s = 0; s < 10; s++) {
        const int first = as_text(text, &b, s, T), n = answers(answer, &b, s, T);
        ck_assert_int_eq(n, needle[_i].n);
        ck_assert(strstr(text, "special magic") && strstr(text, "mentioned in the provided text?"));
        for (int i = 0; i < n; i++) {
            snprintf(sentence, sizeof sentence, " is: %.63s.", answer[i]);
            const char *at = strstr(text, sentence);
            ck_assert_msg(at && at - text < first, "no needle \"%s\" before byte %d of: %s", sentence, first, text);
            const char *body = strstr(text, "afterwards.\n") + strlen("afterwards.\n");
            const double depth = 100.0 * (double)(at - body) / (double)(strstr(text, "\nWhat ") - body);
            if (needle[_i].depth >= 0)
                ck_assert_msg(fabs(depth - needle[_i].depth) < 12, "depth %g, not %d", depth, needle[_i].depth);
        }
        int end = (int)strlen(text);
        while (text[end - 1] == ' ')
            end--;
        ck_assert_int_gt(end, T - 110);    /* the haystack fills what there is */
    }
    data_batch_free(&b), data_close(&d);
}
END_TEST

/* Copies weigh copy_weight, what cannot be known weighs as the rest does, all other answers weigh 1; a batch weighs
 * what its targets do, and none that is ignored. */
START_TEST(every_token_has_its_weight)
{
    enum { B = 4, LONG = 256 };
    static const char *const settings[] = {"rest=0.25 copy_weight=0.5", "rest=0 copy_weight=0.5"};
    for (int s = 0; s < 2; s++) {
        const float rest = s ? 0 : 0.25f;
        struct data d = open_task("mentions", settings[s], LONG);
        struct data_batch b = fill(&d, B, LONG, 1, DATA_TRAIN, 0);
        double sum = 0;
        int found[4] = {0};
        for (int i = 0; i < B * LONG; i++) {
            const int tag = b.tag[i], kind = tag == 1 ? 0 : tag == 2 ? 1 : tag ? 2 : 3;
            const float wanted = kind == 0 ? 0.5f : kind == 2 ? 1 : rest;
            found[kind]++;
            ck_assert_msg((b.batch.target[i] >= 0) == (wanted > 0), "%s: a token of tag %d is %s", settings[s], tag,
                          wanted > 0 ? "ignored" : "asked for");
            ck_assert_msg(b.batch.target[i] < 0 || b.batch.weight[i] == wanted,
                          "%s: a token of tag %d weighs %g, not %g", settings[s],
                          tag, (double)b.batch.weight[i], (double)wanted);
            sum += b.batch.target[i] >= 0 ? (double)b.batch.weight[i] : 0;
        }
        ck_assert_msg(found[0] && found[1] && found[2] && found[3], "not all kinds of tokens are there");
        ck_assert_msg(fabs(b.weight - sum) < 1e-9 * sum, "%s: the batch weighs %g, its targets %g", settings[s],
                      b.weight, sum);
        data_batch_free(&b), data_close(&d);
    }
}
END_TEST

/* The blanks behind a text have a weight and no target. */
START_TEST(what_is_ignored_weighs_nothing)
{
    enum { B = 3, LONG = 900 };
    struct data d = open_task("niah", "rest=0.5", LONG);
    struct data_batch b = fill(&d, B, LONG, 1, DATA_TRAIN, 0);
    double sum = 0;
    int ignored = 0;
    for (int i = 0; i < B * LONG; i++)
        if (b.batch.target[i] >= 0)
            sum += (double)b.batch.weight[i];
        else
            ignored += b.batch.weight[i] > 0;
    ck_assert_msg(ignored && fabs(b.weight - sum) < 1e-9 * sum, "a batch with %d ignored tokens weighs %g, not %g",
                  ignored, b.weight, sum);
    data_batch_free(&b), data_close(&d);
}
END_TEST

/* In texts of 4,096 tokens and more common words come 30 times and others 3 times, and in shorter ones 6 times and
 * once. */
START_TEST(common_words_come_as_often_as_ruler_says)
{
    static const struct { int T, often, seldom; } of[] = {{4095, 6, 1}, {8000, 30, 3}};
    static char text[MOST], answer[16][64];
    for (int k = 0; k < 2; k++) {
        struct data d = open_task("words", "example=0 common=4", of[k].T);
        struct data_batch b = fill(&d, 1, of[k].T, 1, DATA_TRAIN, 0);
        as_text(text, &b, 0, of[k].T);
        ck_assert_int_eq(answers(answer, &b, 0, of[k].T), 4);
        *strstr(text, "\nQuestion:") = 0;
        int seen = 0;
        for (const char *at = text; (at = strstr(at, ". ")); at += 2) {
            char word[80];
            int times = 0, common = 0;
            const int n = (int)strcspn(at + 2, " ");
            if (at == text || at[-1] < '0' || at[-1] > '9')
                continue;
            snprintf(word, sizeof word, ". %.*s ", n, at + 2);
            for (const char *p = text; (p = strstr(p, word)); p++)
                times++;
            word[n + 2] = 0;
            for (int i = 0; i < 4; i++)
                common |= !strcmp(word + 2, answer[i]);
            const int wanted = common ? of[k].often : of[k].seldom, last = !at[2 + n];       /* no blank behind it */
            ck_assert_msg(last || times == wanted || times == wanted - 1, "of %d tokens: %s comes %d times, not %d",
                          of[k].T, word + 2, times, wanted);
            seen |= 1 << common;
        }
        ck_assert_int_eq(seen, 3);
        data_batch_free(&b), data_close(&d);
    }
}
END_TEST

/* Each answer under the depth of its own needle, of several in one text. */
START_TEST(answers_count_at_the_depth_of_their_needle)
{
    static const char *const settings[] = {"variant=multiquery", "variant=multivalue", "variant=single_2"};
    static char text[MOST], answer[16][64], sentence[128];
    enum { LONG = 3000 };
    for (size_t v = 0; v < sizeof settings / sizeof *settings; v++) {
        struct data d = open_task("niah", settings[v], LONG);
        struct data_batch b = fill(&d, 10, LONG, 4, DATA_HELD_OUT, 0);
        for (int s = 0; s < 10; s++) {
            const int *tag = b.tag + s * LONG;
            as_text(text, &b, s, LONG);
            const int n = answers(answer, &b, s, LONG);
            const char *body = strstr(text, "afterwards.\n") + strlen("afterwards.\n");
            const double all = (double)(strstr(text, "\nWhat ") - body);
            for (int i = 0, t = 0; i < n; i++, t++) {
                while (!tag[t] || (t && tag[t - 1]))
                    t++;
                snprintf(sentence, sizeof sentence, " is: %.63s.", answer[i]);
                const double depth = 100.0 * (double)(strstr(text, sentence) - body) / all;
                ck_assert_msg(fabs(depth - (10 * tag[t] - 5)) < 17, "%s: a needle at %.0f %% counts as depth %d-%d",
                              settings[v], depth, 10 * tag[t] - 10, 10 * tag[t]);
            }
        }
        data_batch_free(&b), data_close(&d);
    }
}
END_TEST

START_TEST(chains_and_counts_are_true)
{
    static char text[MOST], answer[16][64];
    struct data d = open_task("vt", "hops=3", 2000), c = open_task("words", "common=3", 2000),
        f = open_task("words", "kind=frequent", 2000);
    struct data_batch b = fill(&d, 5, 2000, 1, DATA_TRAIN, 0), w = fill(&c, 5, 2000, 1, DATA_TRAIN, 0),
        k = fill(&f, 5, 2000, 1, DATA_TRAIN, 0);
    for (int s = 0; s < 5; s++) {
        char link[160];
        as_text(text, &b, s, 2000);
        ck_assert_int_eq(answers(answer, &b, s, 2000), 4);
        for (int h = 1; h < 4; h++) {
            snprintf(link, sizeof link, "VAR %.63s = VAR %.63s", answer[h], answer[h - 1]);
            ck_assert_msg(strstr(text, link), "no \"%s\"", link);
        }
        as_text(text, &w, s, 2000);
        ck_assert_int_eq(answers(answer, &w, s, 2000), 3);
        for (int i = 0; i < 3; i++) {      /* six times in the list, once in the answer */
            int times = 0;
            snprintf(link, sizeof link, ". %.63s", answer[i]);
            for (const char *p = text; (p = strstr(p, link)); p++)
                times += p[strlen(link)] == ' ' || p[strlen(link)] == '\n';
            ck_assert_msg(times == 7 || (i == 2 && times == 6), "%s comes %d times", answer[i], times);
        }
        int before = MOST;
        as_text(text, &k, s, 2000);
        ck_assert_int_eq(answers(answer, &k, s, 2000), 3);
        for (int i = 0; i < 3; i++) {
            int times = 0;
            for (const char *p = text; (p = strstr(p, answer[i])); p++)
                times++;
            ck_assert_int_lt(times, before);
            before = times;
        }
    }
    data_batch_free(&b), data_batch_free(&w), data_batch_free(&k), data_close(&d), data_close(&c), data_close(&f);
}
END_TEST

/* A text whose needles and questions just fit is whole, to the full stop behind the last answer; with a token less it
 * is refused. */
START_TEST(what_just_fits_is_whole)
{
    static char text[MOST], answer[16][64];
    char why[SWAX_WHY] = "";
    const char *value[SOURCE_KEYS] = {NULL};
    const struct source *niah = source_find("niah");
    for (uint64_t number = 0; number < 5; number++) {
        int T = 100, alone = 0;
        for (const char *wrong = why; wrong; T++) {
            struct data d;
            struct data_batch b;
            ck_assert_int_lt(T, 1000);
            ck_assert(!data_open(&d, niah, value, T, why) && !data_batch_new(&b, 1, T, why));
            wrong = data_fill(&d, &b, 3, DATA_TRAIN, number, why);
            if (wrong) {
                const char *said = strstr(why, " alone have ");
                ck_assert_msg(said != NULL, "%s", why);
                alone = atoi(said + strlen(" alone have "));
            } else {
                ck_assert_msg(T == alone, "%d tokens are enough, of which it was said that %d are needed", T, alone);
                as_text(text, &b, 0, T);
                ck_assert_msg(answers(answer, &b, 0, T) == 1 && b.batch.target[T - 1] == '.',
                              "of %d tokens the text ends in '%c': %s", T, b.batch.target[T - 1], text);
            }
            data_batch_free(&b), data_close(&d);
        }
    }
}
END_TEST

/* What is said of numbers that do not go together has these numbers, in their places. */
START_TEST(what_does_not_go_together_is_said_with_its_numbers)
{
    static const struct { const char *settings; int T; const char *says; } of[] = {
        {"keys=9 key_symbols=5", 128, "Task mentions: keys=9 is more than key_symbols=5."},
        {"slot=4 ask=3-20", 128, "Task mentions: ask=3-20 does not lie between 4 and 124, the distances in a sequence "
                                 "of 128 tokens."},
        {"slot=4 ask=8-125", 128, "Task mentions: ask=8-125 does not lie between 4 and 124, the distances in a "
                                  "sequence of 128 tokens."},
        {"slot=4 copy_lags=30 span=20", 128, "Task mentions: copy_lags are 1 to 8 numbers like 24,40,56: "
                                             "multiples of slot=4, and more than span=20."},
        {"slot=4 ask=5-7 copy_lags=24", 128, "Task mentions: ask=5-7 holds no multiple of 4, and distances are."},
        {"slot=4 ask=8-20 keys=9 copy_lags=24", 71, "Task mentions: 9 keys mentioned and asked need 72 tokens, not "
                                                    "71."},
        {"slot=2 ask=15-90 keys=8 facts_first=1", 128, "Task mentions: with facts_first, ask=15-90 must lie between "
                                                       "16 and 112: after all mentions."},
        {"slot=2 ask=16-113 keys=8 facts_first=1", 128, "Task mentions: with facts_first, ask=16-113 must lie between "
                                                        "16 and 112: after all mentions."},
    };
    const struct source *s = source_find("mentions");
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char why[SWAX_WHY] = "", copy[100];
        const char *value[SOURCE_KEYS] = {NULL};
        struct data d = {0};
        snprintf(copy, sizeof copy, "%s", of[i].settings);
        for (char *p = strtok(copy, " "); p; p = strtok(NULL, " ")) {
            char *equals = strchr(p, '=');
            *equals = 0;
            value[source_key(s, p)] = equals + 1;
        }
        ck_assert_msg(data_open(&d, s, value, of[i].T, why), "%s of %d tokens: taken", of[i].settings, of[i].T);
        ck_assert_str_eq(why, of[i].says);
    }
}
END_TEST

/* Of each task the shortest sequence that it fills, and what it says of one token less. */
static void tell_shortest(FILE *f, const char *task, const char *settings)
{
    const struct source *s = source_find(task);
    char copy[200], why[SWAX_WHY] = "", said[SWAX_WHY] = "";
    const char *value[SOURCE_KEYS] = {NULL};
    snprintf(copy, sizeof copy, "%s", settings);
    for (char *p = strtok(copy, " "); p; p = strtok(NULL, " ")) {
        char *equals = strchr(p, '=');
        *equals = 0;
        value[source_key(s, p)] = equals + 1;
    }
    int low = 0, high = 8000;                  /* the longest that is refused, the shortest that is taken */
    while (high - low > 1) {
        const int T = (low + high) / 2;
        struct data d = {0};
        struct data_batch b;
        const char *wrong = data_open(&d, s, value, T, why);
        if (!wrong) {
            ck_assert(!data_batch_new(&b, 1, T, why));
            wrong = data_fill(&d, &b, 1, DATA_TRAIN, 3, why);
            data_batch_free(&b), data_close(&d);
        }
        if (wrong)
            low = T, snprintf(said, sizeof said, "%s", why);
        else
            high = T;
    }
    fprintf(f, "%s %s: %d\n    %s\n", task, settings, high, said);
}

START_TEST(the_shortest_of_each_task_is_as_ever)
{
    static const char *const of[][2] = {
        {"copy", ""}, {"copy", "span=5 delay=3"}, {"copy", "span=40 delay=2"}, {"copy", "span=1 delay=100"},
        {"mqar", ""}, {"mqar", "pairs=3"}, {"mqar", "pairs=9 key_symbols=9"},
        {"mentions", "slot=4 ask=8-20 keys=9 copy_lags=24"},
        {"mentions", "slot=2 ask=16-50 keys=8 facts_first=1"},
        {"mentions", "slot=3 ask=9-30 keys=5 copies=0"},
        {"niah", "variant=single_1"}, {"niah", "variant=single_2"}, {"niah", "variant=single_3"},
        {"niah", "variant=multikey_1"}, {"niah", "variant=multikey_2"}, {"niah", "variant=multikey_3"},
        {"niah", "variant=multivalue digits=3"}, {"niah", "variant=multiquery digits=5"}, {"vt", ""},
        {"vt", "hops=2 chains=3"}, {"vt", "hops=1 example=0"}, {"words", ""}, {"words", "common=3"},
        {"words", "common=1 example=0"}, {"words", "common=20 example=0"}, {"words", "kind=frequent"},
        {"words", "kind=frequent alpha=1.3"}, {"words", "kind=frequent alpha=4"}};
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        tell_shortest(f, of[i][0], of[i][1]);
    fclose(f);
    golden_is("shortest.txt", text, 0);
    free(text);
}
END_TEST

START_TEST(what_cannot_be_is_a_sentence)
{
    static const struct { const char *task, *key, *value; int T; } bad[] = {
        {"mentions", "keys", "0", 128}, {"mentions", "keys", "x", 128}, {"mentions", "keys", "99", 128},
        {"mentions", "ask", "10-4000", 128},
        {"mentions", "ask", "10", 128}, {"mentions", "copy_lags", "24,25", 128}, {"mentions", "span", "24", 128},
        {"mentions", "exponent", "nan", 128}, {"mentions", "slot", "5", 128},
        {"mqar", "pairs", "65", 1024}, {"mqar", "pairs", "20", 40}, {"copy", "span", "100", 100},
        {"niah", "variant", "single_9", 1024},
        {"niah", "variant", "single_1", 100}, {"vt", "hops", "4", 300}, {"words", "kind", "common", 500},
        {"words", "kind", "rare", 5000},
    };
    const struct source *s = source_find(bad[_i].task);
    const char *value[SOURCE_KEYS] = {NULL};
    char why[SWAX_WHY] = "";
    struct data d = {0};
    value[source_key(s, bad[_i].key)] = bad[_i].value;
    const char *wrong = data_open(&d, s, value, bad[_i].T, why);
    if (!wrong) {                          /* a text's size is known only when it is drawn */
        struct data_batch b;
        ck_assert(!data_batch_new(&b, 1, bad[_i].T, why));
        wrong = data_fill(&d, &b, 1, DATA_TRAIN, 0, why);
        data_batch_free(&b), data_close(&d);
    }
    ck_assert_msg(wrong && strlen(why) > 20 && strchr(".?", why[strlen(why) - 1]), "%s %s=%s: \"%s\"", bad[_i].task,
                  bad[_i].key, bad[_i].value, why);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("tasks");
    TCase *t = tcase_create("tasks");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, same_numbers_same_sequence, 0, CASES);
    tcase_add_loop_test(t, targets_are_next_tokens_and_tags_are_answers, 0, CASES);
    tcase_add_test(t, a_mentioned_value_stands_where_it_is_said);
    tcase_add_test(t, gaps_follow_their_law);
    tcase_add_loop_test(t, answers_are_even_over_their_symbols, 0, 3);
    tcase_add_test(t, pairs_and_copies_are_true);
    tcase_add_loop_test(t, needles_are_in_the_haystack, 0, 10);
    tcase_add_test(t, chains_and_counts_are_true);
    tcase_add_test(t, answers_count_at_the_depth_of_their_needle);
    tcase_add_test(t, every_token_has_its_weight);
    tcase_add_test(t, what_is_ignored_weighs_nothing);
    tcase_add_test(t, common_words_come_as_often_as_ruler_says);
    tcase_add_test(t, what_just_fits_is_whole);
    tcase_add_test(t, what_does_not_go_together_is_said_with_its_numbers);
    tcase_add_test(t, the_shortest_of_each_task_is_as_ever);
    tcase_add_loop_test(t, what_cannot_be_is_a_sentence, 0, 17);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
