/* check_sequences.c - a sequence is a function of its task's settings, its seed, its part and its number, in this
 * version as in every other: a run that was begun goes on with the same sequences.
 *
 * Where a task is meant to change, GOLDEN=write build/check_sequences keeps the new ones. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden.h"
#include "tests/scratch.h"
#include "tests/sequences.h"
#include "tests/suite.h"

static const struct { const char *task, *settings; int T; } kept[] = {
    {"copy", "", 100}, {"copy", "span=3 delay=5 symbols=7 rest=0.5", 64},
    {"mqar", "", 128}, {"mqar", "pairs=5 key_symbols=9 values=3 rest=1", 40},
    {"mentions", "", 256}, {"mentions", "", 1024},
    {"mentions", "typed=0 copies=0 keys=4 values=3 filler=5 slot=3 copy_lags=30 rest=0.25", 150},
    {"mentions", "successors=3 exponent=1.5 longest=90 start=0.2", 300},
    {"mentions", "beyond=0.4 beyond_tokens=32 grow=40", 200},
    {"mentions", "copies=5 copy_symbols=3 copy_lags=6,10 span=4 copy_weight=2 keys=2", 128},
    {"mentions", "ask=17-60 copies=0", 160},
    {"mentions", "ask=50-120 facts_first=1", 160}, {"mentions", "key_symbols=300 keys=20 slot=4", 512},
    {"mentions", "copies=1 copy_lags=24 keys=2", 42}, {"mentions", "copies=1 copy_lags=24 keys=2", 43},
    {"mentions", "copies=1 copy_lags=24 keys=2", 44},
    {"mentions", "rest=0 copies=1 copy_weight=0.5", 200}, {"niah", "variant=single_1", 700},
    {"niah", "variant=single_2 digits=4 depth=0", 700}, {"niah", "variant=single_3 depth=100", 900},
    {"niah", "variant=multikey_1 depth=35", 900}, {"niah", "variant=multikey_2", 900},
    {"niah", "variant=multikey_3", 1500},
    {"niah", "variant=multivalue rest=0", 900}, {"niah", "variant=multiquery", 1000},
    {"vt", "", 1000}, {"vt", "chains=3 hops=2 digits=3 example=0 rest=0.5", 900},
    {"words", "", 2000}, {"words", "common=3 example=0", 1200}, {"words", "common=4", 5000},
    {"words", "kind=frequent", 1500}, {"words", "kind=frequent alpha=1.3 rest=0", 3000},
    {"text", "file=@ separator=10", 200}, {"text", "file=@ held_out=0.3 held_out_blocks=4 separator=32 context=4", 300},
    {"text", "file=@ held_out_blocks=3 context=0", 64}, {"niah", "variant=single_1 digits=1", 700},
    {"niah", "variant=multivalue digits=1", 900},
    {"text", "file=@ held_out=0.5", 229},          /* 131 times 229 tokens, and one */
};
static char why[SWAX_WHY];

enum { KEPT = sizeof kept / sizeof *kept };

static void add_bytes(uint64_t *h, const void *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        *h = (*h ^ ((const unsigned char *)from)[i]) * 0x100000001b3u;
}

/* Words of one to five of five letters, and lines: it repeats itself at all distances. */
static char *a_text(void)
{
    enum { SIZE = 60000 };
    static char text[SIZE];
    uint64_t s = 5;
    for (int i = 0; i < SIZE; i++) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        const unsigned r = (unsigned)(s >> 40) % 100;
        text[i] = r < 18 ? ' ' : r < 20 ? '\n' : r < 23 ? '.' : r < 31 ? "09_AZz\300@"[r - 23]
            : (char)('a' + (int)(r % 5));
    }
    char *path = scratch("kept.txt");
    put(path, text, SIZE);
    return path;
}

START_TEST(a_sequence_is_the_same_as_ever)
{
    char *text = NULL, settings[700];
    size_t size;
    FILE *f = open_memstream(&text, &size);
    const char *file = a_text();
    for (int k = 0; k < KEPT; k++) {
        const char *at = strchr(kept[k].settings, '@');
        snprintf(settings, sizeof settings, "%.*s%s%s", at ? (int)(at - kept[k].settings) : 500, kept[k].settings,
                 at ? file : "", at ? at + 1 : "");
        struct data d = open_task(kept[k].task, settings, kept[k].T);
        for (int part = 0; part < 2; part++) {
            const int T = kept[k].T, n = 3 * T;
            struct data_batch b = fill(&d, 3, T, 7, part ? DATA_HELD_OUT : DATA_TRAIN, 28);
            uint64_t tokens = 0, targets = 0, starts = 0, tags = 0;
            add_bytes(&tokens, b.room.token, (size_t)n * sizeof(int));
            add_bytes(&targets, b.room.target, (size_t)n * sizeof(int));
            add_bytes(&targets, b.room.weight, (size_t)n * sizeof(float));
            add_bytes(&starts, b.room.start_attention, (size_t)n * sizeof(int));
            add_bytes(&starts, b.room.start_cell, (size_t)n * sizeof(int));
            add_bytes(&tags, b.room.tag, (size_t)n * sizeof(int));
            fprintf(f, "%s %s, %d tokens of %d, %s: tokens %016llx targets %016llx starts %016llx tags %016llx\n",
                    kept[k].task, kept[k].settings, T, d.vocabulary, part ? "held out" : "training",
                    (unsigned long long)tokens, (unsigned long long)targets, (unsigned long long)starts,
                    (unsigned long long)tags);
            data_batch_free(&b);
        }
        data_close(&d);
    }
    fclose(f);
    golden_is("sequences.txt", text, 0);
    free(text);
}
END_TEST

/* The length of a sequence decides how much of a haystack fits, to the byte, and how many pairs, copies or lists: every
 * length in a row, whatever it is, and all of one length after the other. */
static const struct { const char *task, *settings; int from, to, step; } rows[] = {
    {"vt", "", 960, 1100, 1}, {"vt", "example=0 chains=2 hops=1", 600, 700, 1},
    {"niah", "variant=single_1", 600, 760, 1}, {"niah", "variant=single_3", 800, 900, 1},
    {"niah", "variant=multikey_2", 700, 1500, 7},
    {"words", "", 1900, 2050, 15}, {"words", "common=2 example=0", 1000, 1080, 8}, {"words", "", 4094, 4097, 1},
    {"words", "kind=frequent", 1200, 1300, 1},
    {"words", "kind=frequent alpha=1.2", 440, 900, 4}, {"words", "common=10 example=0", 3000, 3010, 5},
    {"mentions", "keys=3 copies=2", 120, 260, 1}, {"mentions", "keys=3 slot=3 copies=2 copy_lags=24,30", 150, 260, 1},
    {"mentions", "keys=4 slot=4 copies=1 copy_lags=24 beyond=0.5 beyond_tokens=40 typed=0", 150, 200, 1},
    {"mentions", "keys=3 copies=0 ask=6-30", 40, 80, 1}, {"mentions", "keys=2 copies=0 grow=1000 start=1", 20, 64, 1},
    {"mqar", "pairs=3 key_symbols=4 values=2", 12, 60, 1}, {"copy", "span=4 delay=3", 12, 60, 1},
    {"text", "file=@ separator=10 held_out_blocks=2", 30, 90, 1},
};

START_TEST(every_length_is_filled_as_ever)
{
    char *text = NULL, settings[700];
    size_t size;
    FILE *f = open_memstream(&text, &size);
    const char *file = a_text();
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        uint64_t sum = 0;
        long fits = 0;
        const char *at = strchr(rows[k].settings, '@');
        snprintf(settings, sizeof settings, "%.*s%s%s", at ? (int)(at - rows[k].settings) : 500, rows[k].settings,
                 at ? file : "", at ? at + 1 : "");
        for (int T = rows[k].from; T <= rows[k].to; T += rows[k].step) {
            struct data d = open_task(rows[k].task, settings, T);
            struct data_batch b;
            ck_assert_msg(!data_batch_new(&b, 1, T, why), "%s", why);
            for (int n = 0; n < 6; n++) {
                const int fitted = !data_fill(&d, &b, 3, n % 2 ? DATA_HELD_OUT : DATA_TRAIN, (uint64_t)n, why);
                fits += fitted;
                add_bytes(&sum, fitted ? (const char *)b.room.token : why,
                          fitted ? (size_t)T * sizeof(int) : strlen(why));
                if (fitted) {
                    add_bytes(&sum, b.room.target, (size_t)T * sizeof(int));
                    add_bytes(&sum, b.room.weight, (size_t)T * sizeof(float));
                    add_bytes(&sum, b.room.tag, (size_t)T * sizeof(int));
                }
            }
            data_batch_free(&b);
            data_close(&d);
        }
        fprintf(f, "%s %s, %d to %d tokens: %ld sequences, %016llx\n", rows[k].task, rows[k].settings, rows[k].from,
                rows[k].to, fits, (unsigned long long)sum);
    }
    fclose(f);
    golden_is("lengths.txt", text, 0);
    free(text);
}
END_TEST

/* What a tag says of distances is what is said of it beside. */
START_TEST(tags_say_their_distances)
{
    static const char *const tasks[] = {"mentions", "text", "shards"};
    struct data d = open_task("mentions", "", 256);
    int spoken = 0;
    data_close(&d);
    for (int i = 0; i < 3; i++) {
        const struct source *s = source_find(tasks[i]);
        for (int k = 0; s->tags[k]; k++) {
            int from = 0, to = 0;
            const char *digit = s->tags[k] + strcspn(s->tags[k], "0123456789");
            if (*digit && sscanf(digit, "%d-%d", &from, &to) == 1)
                to = strstr(digit, "or more") ? 1 << 24 : from;
            ck_assert_msg(s->distance[k].from == from && s->distance[k].to == to &&
                              s->distance[k].word == !strncmp(s->tags[k], "word", 4),
                          "%s, tag \"%s\": %d to %d%s", tasks[i], s->tags[k], s->distance[k].from, s->distance[k].to,
                          s->distance[k].word ? ", of words" : "");
            spoken += from > 0;
        }
    }
    ck_assert_int_eq(spoken, 22 + 2 * 2 * 13);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sequences");
    TCase *t = tcase_create("sequences");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_sequence_is_the_same_as_ever);
    tcase_add_test(t, every_length_is_filled_as_ever);
    tcase_add_test(t, tags_say_their_distances);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
