/* check_mixture.c - a mixture gives every part its share, each part's own sequences once and in any order of asking,
 * and a run on it that was stopped goes on to the same bits. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden.h"
#include "tests/scratch.h"
#include "tests/sequences.h"
#include "tests/small_run.h"
#include "tests/suite.h"
#include "tools/tasks/data.h"
#include "tools/train/checkpoint.h"

static char why[SWAX_WHY];
enum { T = 512, ROUNDS = 3, N = 1000 * ROUNDS };

static int opens(struct data *d, const char *a, const char *b, const char *c, const char *separator)
{
    const char *value[SOURCE_KEYS] = {0};
    const struct source *s = source_find("mixture");
    const char *const key[] = {"part_1", "part_2", "part_5", "separator"}, *const text[] = {a, b, c, separator};
    for (int i = 0; i < 4; i++)
        value[source_key(s, key[i])] = text[i];
    return !data_open(d, s, value, T, why);
}

/* Which of the sources' first sequences is this?  Each is asked for once: the mixture's numbers, drawn in an order, are
 * a permutation. */
START_TEST(every_part_gives_its_sequences_once)
{
    struct data whole = {0}, part[2] = {{0}, {0}};
    struct data_batch b, own;
    static unsigned char seen[2][N];
    static int *first[2][N];
    static char which[N];
    const char *const name[2] = {"mqar", "niah"};
    const int share[2] = {900 * ROUNDS, 100 * ROUNDS};
    ck_assert_msg(opens(&whole, "9 mqar", "", "1 niah variant=single_1 digits=3", ""), "%s", why);
    ck_assert(!data_batch_new(&b, 1, T, why) && !data_batch_new(&own, 1, T, why));
    int tagged[2] = {0, 0};
    memset(seen, 0, sizeof seen);
    for (int p = 0; p < 2; p++) {
        const char *value[SOURCE_KEYS] = {0};
        const struct source *s = source_find(name[p]);
        if (p)
            value[source_key(s, "variant")] = "single_1", value[source_key(s, "digits")] = "3";
        ck_assert_msg(!data_open(&part[p], s, value, T, why), "%s", why);
        for (int i = 0; i < share[p]; i++) {
            ck_assert(!data_fill(&part[p], &own, 7, DATA_TRAIN, (uint64_t)i, why));
            for (int t = 0; t < T; t++)
                tagged[p] += own.tag[t] != 0;
            first[p][i] = malloc(T * sizeof(int));
            memcpy(first[p][i], own.batch.token, T * sizeof(int));
        }
    }
    ck_assert_msg(tagged[0] && tagged[1], "the parts have no tags of their own, of which the mixture could keep any");
    int met[2] = {0, 0}, in_round[2] = {0, 0};
    for (int n = 0; n < N; n++) {
        int found = 0;
        ck_assert_msg(!data_fill(&whole, &b, 7, DATA_TRAIN, (uint64_t)n, why), "%s", why);
        for (int p = 0; p < 2; p++)
            for (int i = n / 1000 * share[p] / ROUNDS; i < (n / 1000 + 1) * share[p] / ROUNDS && !found; i++)
                if (!seen[p][i] && !memcmp(first[p][i], b.batch.token, T * sizeof(int)))
                    found = 1, seen[p][i] = 1, met[p]++, in_round[p]++, which[n] = (char)p;
        for (int t = 0; t < T; t++)
            ck_assert_each(!b.tag[t], "sequence %d: token %d has tag %d, which is that of a part", n, t, b.tag[t]);
        ck_assert_msg(found, "sequence %d is none of a part that was not seen before", n);
        if (n % 1000 == 999) {
            ck_assert_int_eq(in_round[0], 900);
            ck_assert_int_eq(in_round[1], 100);
            in_round[0] = in_round[1] = 0;
        }
    }
    ck_assert(met[0] == share[0] && met[1] == share[1]);
    ck_assert_msg(memcmp(which, which + 1000, 1000), "two thousands have their parts in the same order");
    for (int p = 0; p < 2; p++)
        for (int i = 0; i < share[p]; i++)
            free(first[p][i]);
    for (int p = 0; p < 2; p++)
        data_close(&part[p]);
    data_batch_free(&b), data_batch_free(&own), data_close(&whole);
}
END_TEST

/* '@' stands for the file. */
static char *placed_in(char to[700], const char *text, const char *path)
{
    const char *at = strchr(text, '@');
    snprintf(to, 700, "%.*s%s%s", at ? (int)(at - text) : (int)strlen(text), text, at ? path : "", at ? at + 1 : "");
    return to;
}

/* Whose turn it is, and where documents begin: of weights that leave remainders, and of a separator that is the
 * mixture's, but for a part that has its own. */
START_TEST(a_mixture_is_the_same_as_ever)
{
    static const struct { const char *a, *b, *c, *separator; } of[] = {
        {"1 mqar pairs=9", "1 copy", "1 niah variant=single_1 digits=3", ""}, {"0.0015 mqar", "0.9985 copy", "", ""},
        {"2 copy", "", "", ""}, {"1 mqar", "2 copy", "4 copy span=7", ""},
        {"1 text file=@ held_out=0.3", "3 mqar", "", "10"},
        {"1 text file=@ held_out=0.3 separator=42", "3 text file=@ held_out=0.5", "", "32"}};
    char *text = NULL, *path = scratch("of.txt"), a[700], b_text[700], bytes[30000];
    size_t size;
    FILE *f = open_memstream(&text, &size);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = "a bc\ndef*g"[i * i % 9973 % 10];
    put(path, bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct data d = {0};
        struct data_batch b;
        ck_assert_msg(opens(&d, placed_in(a, of[i].a, path), placed_in(b_text, of[i].b, path), of[i].c,
                            of[i].separator), "%s", why);
        ck_assert(!data_batch_new(&b, 1, T, why));
        fprintf(f, "%s, %s, %s, separator \"%s\", %d tokens:", of[i].a, of[i].b, of[i].c, of[i].separator,
                d.vocabulary);
        for (int part = 0; part < 2; part++) {
            uint64_t tokens = 0, starts = 0;
            for (int n = 0; n < 1100; n++) {
                ck_assert_msg(!data_fill(&d, &b, 7, part ? DATA_HELD_OUT : DATA_TRAIN, (uint64_t)n, why), "%s", why);
                for (int t = 0; t < T; t++) {
                    tokens = (tokens ^ (uint64_t)(b.room.token[t] + 1)) * 0x100000001b3u;
                    tokens = (tokens ^ (uint64_t)(b.room.target[t] + 2)) * 0x100000001b3u;
                    starts = (starts ^ (uint64_t)b.room.start_attention[t]) * 0x100000001b3u + 1;
                    starts = (starts ^ (uint64_t)b.room.start_cell[t]) * 0x100000001b3u + 1;
                }
            }
            fprintf(f, " %016llx %016llx", (unsigned long long)tokens, (unsigned long long)starts);
        }
        fputs("\n", f);
        data_batch_free(&b), data_close(&d);
    }
    fclose(f);
    golden_is("mixture.txt", text, 0);
    free(text);
}
END_TEST

static const struct { const char *a, *b, *says; } refused[] = {
    {"", "", "part_1="}, {"mqar", "", "a weight above 0"}, {"0 mqar", "", "a weight above 0"},
    {"-1 mqar", "", "a weight above 0"}, {" 1 mqar", "", "a weight above 0"}, {"0.0 mqar", "", "a weight above 0"},
    {"1", "", "source"}, {"1 mqra", "", "source"},
    {"1 mixture", "", "source"}, {"1 mqar pears=3", "", "no key \"pears\""}, {"1 mqar pairs", "", "key=value"},
    {"1 mqar pairs=x", "", "part_1"},
    {"1 mqar", "0.0001 niah", "weight 0.0001 of 1.0001 in all: less than one sequence in "},
    {"0.0002 mqar", "3 niah", "weight 0.0002 of 3.0002 in all: less than one sequence in "}, {"1 text", "", "part_1"},
};

START_TEST(bad_parts_are_named)
{
    struct data d = {0};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        ck_assert_msg(!opens(&d, refused[i].a, refused[i].b, "", "") && is_sentence(why) &&
                          strstr(why, refused[i].says),
                      "%s and %s: %s", refused[i].a, refused[i].b, why);
}
END_TEST

static struct run mixed(const char *folder)
{
    struct run r = small_run(folder);
    memset(r.value, 0, sizeof r.value);            /* which stand beside the keys of another source */
    const char *const settings[][2] = {
        {"data", "mixture"}, {"part_1", "0.8 text file=ref/*.c"}, {"part_2", "0.2 niah variant=single_1 digits=3"},
        {"separator", "10"}, {"length", "400"}, {"batch", "2"}, {"steps", "8"}, {"checkpoint_every", "3"}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        ck_assert_msg(!run_set(&r, settings[i][0], settings[i][1], why), "%s", why);
    return r;
}

static enum run_verdict stop_at_4(void *arg, const struct run *r, const struct run_point *p, struct swax_network *n)
{
    (void)arg, (void)r, (void)n;
    return p && p->step == 4 ? RUN_STOP : RUN_GO_ON;
}

START_TEST(a_stopped_mixture_goes_on_to_the_same_bits)
{
    char *whole = scratch("whole"), *cut = scratch("cut");
    struct run r = mixed(whole);
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    r = mixed(cut);
    ck_assert_msg(run_train(&r, stop_at_4, NULL, why) == RUN_INTERRUPTED, "%s", why);
    r.resume = 1;
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    ck_assert(same_bytes(in_folder(whole, checkpoint_name), in_folder(cut, checkpoint_name)));
    /* its separator is that of the text */
    ck_assert_int_eq(run_separator(&r), 10);
    ck_assert(!run_set(&r, "part_2", "0.2 niah variant=single_1 digits=4", why));
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_REFUSED && strstr(why, "digits"),
                  "a changed part was taken: %s", why);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("mixture");
    TCase *t = tcase_create("mixture");
    tcase_set_timeout(t, 240);
    tcase_add_test(t, every_part_gives_its_sequences_once);
    tcase_add_test(t, a_mixture_is_the_same_as_ever);
    tcase_add_test(t, bad_parts_are_named);
    tcase_add_test(t, a_stopped_mixture_goes_on_to_the_same_bits);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
