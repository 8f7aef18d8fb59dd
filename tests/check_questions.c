/* check_questions.c - what an ablation asks, question by question, is what is kept: names, labels, which answers count,
 * and how its sequences are seen.
 *
 * Where it is meant to change, GOLDEN=write build/check_questions keeps the new ones: look at the diff. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/ablate/ablate.h"
#include "tools/lib/options.h"

static char why[SWAX_WHY];

#define SETTINGS "\"settings\": {\"width\": 16, \"heads\": 2, \"cell_heads\": 2, \"mixers\": \"swa mlstm\", " \
                 "\"tier\": \"ref\", "
#define ARMS(short_window) "\"arms\": [{\"name\": \"s\", \"role\": \"short\", \"settings\": {\"window\": " \
                           short_window "}}, {\"name\": \"l\", \"role\": \"long\"}]}"
#define TEXT "\"data\": \"text\", \"file\": \"ref/network/model.c\", \"window\": 32, \"length\": 256}, "

static const char *const asking[] = {
    /* facts, at all distances, in slots of three; the longest windows that there is room for */
    "{\"name\": \"facts\", \"longest\": 4, \"sequences\": 5, \"memory\": \"beyond\", \"near\": \"in-short\", " SETTINGS
    "\"data\": \"mentions\", \"slot\": 3, \"keys\": 4, \"copy_lags\": \"24\", \"window\": 16, \"length\": 96}, "
    ARMS("4"),
    "{\"name\": \"windows\", " SETTINGS "\"data\": \"mentions\", \"window\": 128, \"length\": 1024}, " ARMS("2"),
    "{\"name\": \"no-middle\", " SETTINGS "\"data\": \"mentions\", \"keys\": 8, \"window\": 30, \"length\": 64}, "
    ARMS("1"),
    /* windows that are no multiples of each other */
    "{\"name\": \"uneven\", " SETTINGS "\"data\": \"mentions\", \"keys\": 4, \"window\": 12, \"length\": 128}, "
    ARMS("5"),
    /* facts in the front half alone would not fit */
    "{\"name\": \"no-probe\", " SETTINGS "\"data\": \"mentions\", \"keys\": 16, \"window\": 16, \"length\": 64}, "
    ARMS("4"),
    /* words and bytes by how far back they were last seen; bands; cuts */
    "{\"name\": \"words\", \"past\": 16, \"longest\": 16, \"sequences\": 6, \"memory\": \"far-found\", "
    "\"near\": \"near\", \"bands\": [{\"name\": \"near\", \"from\": 16, \"to\": 63}, {\"name\": \"far\", "
    "\"from\": 64, \"to\": 127}], " SETTINGS TEXT ARMS("8"),
    "{\"name\": \"text\", \"bands\": [{\"name\": \"all of it\", \"from\": 1, \"to\": 16777216}], " SETTINGS TEXT
    ARMS("8"),
    "{\"name\": \"pairs\", \"longest\": 4, " SETTINGS "\"data\": \"mqar\", \"pairs\": 4, \"key_symbols\": 8, "
    "\"values\": 8, \"window\": 16, \"length\": 64}, " ARMS("4"),
    "{\"name\": \"needles\", " SETTINGS "\"data\": \"niah\", \"variant\": \"single_1\", \"window\": 64, "
    "\"length\": 512}, " ARMS("16"),
};

static const char *name_of(const struct ablation *a, int question)
{
    return question < 0 ? "-" : a->ask[question].name;
}

static void say_plan(FILE *f, const struct ablation *a)
{
    fprintf(f, "%s: windows %d and %d, length %d, reach %d, memory %s, near %s, loss %s, %s; tested at", a->name,
            a->short_window, a->long_window, a->length, a->reach, name_of(a, a->memory), name_of(a, a->near),
            name_of(a, a->loss), a->examination);
    for (int w = 0; w < a->windows; w++)
        fprintf(f, " %d", a->window[w]);
    fprintf(f, "; %d sittings, %d questions\n", a->sittings, a->questions);
}

START_TEST(an_ablation_asks_as_ever)
{
    static struct ablation a;
    struct options none = {NULL, 0};
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    for (size_t i = 0; i < sizeof asking / sizeof *asking; i++) {
        ck_assert_msg(!ablation_open(&a, asking[i], &none, why), "%zu: %s", i, why);
        say_plan(f, &a);
        for (int q = 0; q < a.questions; q++) {
            const struct question *x = &a.ask[q];
            const struct sitting *s = &a.sitting[x->sitting];
            fprintf(f, "  %s | %s | group %d, rows %llx, what %d, %d-%d | %d: %d of %d, window %d, facts %d-%d %d, "
                       "probe %d, past %d cut %d\n", x->name, x->label, (int)x->group, (unsigned long long)x->rows,
                    (int)x->what, x->from, x->to, x->sitting, s->sequences, s->length, s->window, s->from, s->to,
                    s->facts_first, (int)s->probe, s->span, (int)s->cut);
        }
        ablation_close(&a);
    }
    for (int i = 0; ablate_builtin[i].name; i++) {
        char *built_in = ablate_builtin_text(ablate_builtin[i].name, why);
        ck_assert_msg(built_in && !ablation_open(&a, built_in, &none, why), "%s: %s", ablate_builtin[i].name, why);
        say_plan(f, &a);
        ablation_close(&a);
        free(built_in);
    }
    fclose(f);
    golden_is("questions.txt", text, 0);
    free(text);
}
END_TEST

/* Each beside its limit, on both sides. */
START_TEST(bands_have_limits)
{
    static const struct { const char *band, *wrong; } of[] = {
        {"\"name\": \"b\", \"from\": 1, \"to\": 1", NULL},
        {"\"name\": \"b\", \"from\": 0, \"to\": 8", "from at most to"},
        {"\"name\": \"b\", \"from\": 9, \"to\": 8", "from at most to"},
        {"\"name\": \"b\", \"from\": 8, \"to\": 8", "said 8 to 8 tokens back; the nearest they do are 8 to 15"},
        /* as far from 8 as from 16, and one nearer to that */
        {"\"name\": \"b\", \"from\": 12, \"to\": 12", "said 12 to 12 tokens back; the nearest they do are 8 to 15"},
        {"\"name\": \"b\", \"from\": 13, \"to\": 13", "said 13 to 13 tokens back; the nearest they do are 16 to 31"},
        {"\"name\": \"b\", \"from\": 8, \"to\": 16777216", NULL},
        {"\"name\": \"b\", \"from\": 8, \"to\": 16777217", "from at most to"},
        {"\"name\": \"b\", \"from\": 8, \"to\": 8.5", "from at most to"},
        {"\"name\": \"b\", \"from\": 7.5, \"to\": 8", "from at most to"},
        {"\"name\": 7, \"from\": 7, \"to\": 8", "from at most to"}, {"\"from\": 7, \"to\": 8", "from at most to"},
        {"\"name\": \"b\", \"to\": 8", "from at most to"}, {"\"name\": \"b\", \"from\": 8", "from at most to"},
        {"\"name\": \"a-name-of-23-letters-abc\", \"from\": 1, \"to\": 8", "longer than 23 letters"},
        {"\"name\": \"a-name-of-23-letters-ab\", \"from\": 1, \"to\": 8", NULL},
        {"\"name\": \"loss\", \"from\": 1, \"to\": 8", "there is a question of that name already"},
        {"\"name\": \"b\", \"from\": 1, \"to\": 8, \"till\": 9", "A band has no member \"till\"."},
        {"\"name\": \"b\", \"from\": 1, \"to\": 8, \"names\": 9",
         "A band has no member \"names\": did you mean name?"}};
    static struct ablation a;
    struct options none = {NULL, 0};
    char text[2000];
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        snprintf(text, sizeof text, "{\"name\": \"n\", \"bands\": [{%s}], " SETTINGS
                 "\"data\": \"mentions\", \"window\": 32, \"length\": 256}, " ARMS("8"), of[i].band);
        const char *wrong = ablation_open(&a, text, &none, why);
        ck_assert_msg(!wrong == !of[i].wrong && (!wrong || strstr(why, of[i].wrong)), "{%s}: %s", of[i].band,
                      wrong ? why : "it was taken");
        ck_assert_msg(!wrong || is_sentence(why), "%s", why);
        ablation_close(&a);
    }
}
END_TEST

/* Whose answers are of no distance have no bands. */
START_TEST(data_without_distances_have_no_bands)
{
    static struct ablation a;
    struct options none = {NULL, 0};
    ck_assert(ablation_open(&a, "{\"name\": \"n\", \"bands\": [{\"name\": \"b\", \"from\": 1, \"to\": 8}], " SETTINGS
                                "\"data\": \"copy\", \"window\": 16, \"length\": 64}, " ARMS("8"), &none, why) == why);
    ck_assert_str_eq(why, "Band b: the data copy do not tell apart how far back an answer was said.");
    ablation_close(&a);
}
END_TEST

/* Of data that are asked for facts: there is a fact beyond all windows, and one between the two. */
START_TEST(windows_leave_something_to_compare)
{
    static const struct { const char *data; int narrow, wide; int refused; } of[] = {
        {"mentions", 4, 59, 0}, {"mentions", 4, 60, 1}, {"mentions", 58, 59, 0}, {"mentions", 59, 59, 1},
        {"mentions", 16, 4, 1}, {"copy", 4, 60, 0}, {"copy", 16, 4, 0}, {"copy", 16, 16, 0}};
    static struct ablation a;
    struct options none = {NULL, 0};
    char text[2000], says[300];
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        snprintf(text, sizeof text, "{\"name\": \"n\", " SETTINGS "\"data\": \"%s\", \"window\": %d, "
                 "\"length\": 64}, \"arms\": [{\"name\": \"l\", \"role\": \"long\"}, {\"name\": \"s\", "
                 "\"role\": \"short\", \"settings\": {\"window\": %d}}]}", of[i].data, of[i].wide, of[i].narrow);
        const char *wrong = ablation_open(&a, text, &none, why);
        ck_assert_msg(!wrong == !of[i].refused, "%s, windows %d and %d: %s", of[i].data, of[i].narrow, of[i].wide,
                      wrong ? why : "taken");
        snprintf(says, sizeof says, "Windows of %d and %d in sequences of 64 tokens leave nothing to compare: "
                 "attention alone reaches %d tokens back.", of[i].narrow, of[i].wide,
                 (of[i].wide > of[i].narrow ? of[i].wide : of[i].narrow) - 1);
        ck_assert_msg(!wrong || !strcmp(why, says), "%s\nand not\n%s", why, says);
        ablation_close(&a);
    }
    /* where no arm is the short one, there is nothing that it would have to be compared with */
    ck_assert_msg(!ablation_open(&a, "{\"name\": \"n\", " SETTINGS "\"data\": \"mentions\", \"window\": 16, "
                                     "\"length\": 64}, \"arms\": [{\"name\": \"l\"}]}", &none, why), "%s", why);
    ablation_close(&a);
}
END_TEST

/* What is beyond the room is not left out in silence. */
START_TEST(more_than_there_is_room_for_is_refused)
{
    static struct ablation a;
    struct options none = {NULL, 0};
    int most = 0;
    for (int bands = 10; bands <= 60; bands++) {
        char text[8000], *to = text;
        to += sprintf(to, "{\"name\": \"n\", \"past\": 16, \"bands\": [");
        for (int k = 0; k < bands; k++)
            to += sprintf(to, "%s{\"name\": \"b%d\", \"from\": 16, \"to\": 63}", k ? ", " : "", k);
        sprintf(to, "], " SETTINGS TEXT ARMS("8"));
        const char *wrong = ablation_open(&a, text, &none, why);
        ck_assert_msg(!wrong || (is_sentence(why) && strstr(why, "more than there is room for")), "%s", why);
        ck_assert_msg(!wrong == (a.questions < ABLATE_QUESTIONS) || a.questions == ABLATE_QUESTIONS, "%d bands", bands);
        ck_assert_msg(!wrong || a.questions == ABLATE_QUESTIONS, "%d bands: refused, with %d questions", bands,
                      a.questions);
        most = wrong ? most : bands;
        ablation_close(&a);
    }
    ck_assert_int_eq(most, 25);
}
END_TEST

/* As many questions as there is room for are taken, and not one more. */
START_TEST(the_last_question_has_its_place)
{
    static struct ablation a;
    struct options none = {NULL, 0};
    int asked[2] = {0, 0};
    for (int bands = 1; bands <= 250; bands++) {
        char text[16000], *to = text;
        to += sprintf(to, "{\"name\": \"n\", \"bands\": [");
        for (int k = 0; k < bands; k++)
            to += sprintf(to, "%s{\"name\": \"b%d\", \"from\": 16, \"to\": 31}", k ? ", " : "", k);
        sprintf(to, "], " SETTINGS "\"data\": \"mentions\", \"window\": 32, \"length\": 256}, " ARMS("8"));
        const int refused = ablation_open(&a, text, &none, why) != NULL;
        asked[refused] = asked[refused] && refused ? asked[1] : a.questions;
        ablation_close(&a);
    }
    ck_assert_msg(asked[0] == ABLATE_QUESTIONS && asked[1] == ABLATE_QUESTIONS, "%d are taken, %d are too many",
                  asked[0], asked[1]);
}
END_TEST

/* Numbers of the file that have to go with its sequences, each beside its limit. */
START_TEST(numbers_go_with_the_sequences)
{
    static const struct { const char *member, *wrong; } of[] = {
        {"\"past\": 255, ", NULL}, {"\"past\": 256, ", "past=256: it is shorter than the sequences of 256 tokens"},
        {"\"past\": 16777216, ", "past=16777216: it is shorter than"}, {"\"past\": 16777217, ", "past"},
        {"\"past\": 2, ", NULL}, {"\"past\": 1, ", "past"},
        {"\"memory\": \"loss\", ", NULL}, {"\"memory\": \"no-such\", ", "there is no question \"no-such\""},
        {"\"near\": \"no-such\", ", "\"near\" of the ablation"}};
    static struct ablation a;
    struct options none = {NULL, 0};
    char text[2000];
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        snprintf(text, sizeof text, "{\"name\": \"n\", %s" SETTINGS TEXT ARMS("8"), of[i].member);
        const char *wrong = ablation_open(&a, text, &none, why);
        ck_assert_msg(!wrong == !of[i].wrong && (!wrong || strstr(why, of[i].wrong)), "%s: %s", of[i].member,
                      wrong ? why : "it was taken");
        ablation_close(&a);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("questions");
    TCase *t = tcase_create("questions");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, an_ablation_asks_as_ever);
    tcase_add_test(t, bands_have_limits);
    tcase_add_test(t, data_without_distances_have_no_bands);
    tcase_add_test(t, windows_leave_something_to_compare);
    tcase_add_test(t, the_last_question_has_its_place);
    tcase_add_test(t, more_than_there_is_room_for_is_refused);
    tcase_add_test(t, numbers_go_with_the_sequences);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
