/* check_page.c - the page of an ablation, from made-up results, is to the letter the one that is kept.
 *
 * Where it is meant to change, GOLDEN=write build/check_page keeps the new one: look at the page, and at the diff. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/ablate/ablate.h"
#include "tools/lib/files.h"
#include "tools/lib/options.h"
#include "tools/lib/svg.h"

static char why[SWAX_WHY];

/* Between 0 and 1, and different for everything that has a place of its own. */
static double made_up(int arm, int seed, int what)
{
    return (double)((arm * 5407 + seed * 1511 + what * 733 + 17) % 997 + 1) / 1000;
}

static void make_up(const struct ablation *a, struct outcome *r, int arm, int seed)
{
    r->done = 1, r->seed = (uint64_t)seed + 1;
    r->tokens = 1e6 * (arm + 1), r->seconds = 5 + 70 * seed, r->parameters = 123456 + arm;
    for (int q = 0; q < a->questions; q++)
        r->answer[q] = (struct estimate){made_up(arm, seed, q), made_up(arm, seed, q) / 50, 100 + q};
    if (arm == 1)                               /* an arm that was not asked everything */
        r->answer[a->questions / 2] = (struct estimate){(double)NAN, (double)NAN, 0};
    for (int k = 0; k < MEASURE_PARTS; k++)
        r->part[k] = 1 + made_up(arm, seed, 300 + k) / (1 + k);
    r->layers = a->run[arm].model.layers;
    for (int l = 0; l < r->layers; l++)
        for (int k = 0; k < SWAX_INSIDE; k++)
            r->layer[l].value[k] = k < 6 ? pow(4, 5 * made_up(arm, seed, 400 + 31 * l + k)) / 1024 : (double)NAN;
    r->points = 5;
    for (int i = 0; i < r->points; i++)
        r->curve[i] = (struct ablate_point){ .step = 10 * (i + 1), .tokens = (2e5 + 1e4 * arm) * (i + 1),
                                             .loss = 3 - 0.3 * i + made_up(arm, seed, 500 + i),
                                             .memory = made_up(arm, seed, 510 + i), .near = made_up(arm, seed, 520 + i),
                                             .cells = i == 2 ? (double)NAN : made_up(arm, seed, 530 + i) };
}

/* What stands behind the last of everything belongs to nothing, and shows nowhere: an arm with a run, that takes the
 * most, a question, a sitting, a window, a claim. */
static struct outcome *with_what_lies_beyond(struct ablation *a)
{
    struct outcome *r = calloc((size_t)((a->arms + 1) * a->seeds), sizeof *r);
    ck_assert(a->arms < ABLATE_ARMS && a->questions < ABLATE_QUESTIONS && a->windows < ABLATE_WINDOWS);
    a->arm[a->arms] = a->arm[0], a->run[a->arms] = a->run[1];
    a->arm[a->arms].name = a->arm[a->arms].what = "beyond", a->arm[a->arms].flops = 1e30;
    a->ask[a->questions] = a->ask[0];
    strcpy(a->ask[a->questions].name, "behind"), strcpy(a->ask[a->questions].label, "behind");
    a->sitting[a->sittings] = a->sitting[0];
    a->window[a->windows] = 3;
    a->claim[a->claims] = (struct claim){.claim = "beyond", .paper = "beyond"};
    for (int s = 0; s < a->seeds; s++)
        make_up(a, &r[a->arms * a->seeds + s], a->arms, s);
    return r;
}

static const char *const pages[] = {"smoke", "code-smoke"};

/* Seeds: all of the first arm, the last alone of the second, the first alone of the last but one, none of the last. */
START_TEST(the_page_is_the_one_that_is_kept)
{
    static struct ablation a;
    struct options none = {NULL, 0};
    char golden[100], path[RUN_TEXT + 20], *now, *text = ablate_builtin_text(pages[_i], why);
    ck_assert_msg(text, "%s", why);
    ck_assert_msg(!ablation_open(&a, text, &none, why), "%s", why);
    a.seeds = 3;
    snprintf(a.out, sizeof a.out, "%s", scratch(pages[_i]));
    ck_assert_msg(!file_make_folder(a.out, why), "%s", why);
    struct outcome *r = with_what_lies_beyond(&a);
    for (int i = 0; i < a.arms - 1; i++)
        for (int s = i == 1 ? a.seeds - 1 : 0; s < (i == a.arms - 2 ? 1 : a.seeds); s++)
            make_up(&a, &r[i * a.seeds + s], i, s);
    ck_assert_msg(!report_write(&a, r, "swax ablate made-up", why), "%s", why);
    snprintf(path, sizeof path, "%s/report.html", a.out);
    snprintf(golden, sizeof golden, "%s.html", pages[_i]);
    read_whole(path, &now);
    golden_is(golden, now, 0);
    if (!_i) {
        ck_assert_msg(!results_write(&a, r, why), "%s", why);
        snprintf(path, sizeof path, "%s/results.json", a.out);
        read_whole(path, &now);
        golden_is("smoke.json", now, 1e-9);
    }
    free(r), free(text);
    ablation_close(&a);
}
END_TEST

/* Pages of other kinds of ablation, of two seeds, all finished: windows in a row, whose first plot is of facts; data
 * that have no facts, whose first plot is the loss; words found, by distance and in bands. */
#define OF(name, more) "{\"name\": \"" name "\", \"question\": \"Which?\", \"seeds\": 2, \"points\": 3, " more \
                       "\"settings\": {\"width\": 16, \"heads\": 2, \"cell_heads\": 2, \"cell_key_dim\": 8, " \
                       "\"mixers\": \"swa mlstm\", \"batch\": 8, \"steps\": 7, \"tier\": \"ref\", "
#define SHORT_LONG(s) "\"arms\": [{\"name\": \"short\", \"role\": \"short\", \"settings\": {\"window\": " s \
                      "}}, {\"name\": \"long\", \"role\": \"long\"}"
static const char *const others[][2] = {
    {"windows", OF("windows", "\"memory\": \"beyond\", \"near\": \"in-short\", \"longest\": 4, ")
     "\"length\": 64, \"window\": 16, \"data\": \"mentions\", \"keys\": 4, \"key_symbols\": 4, "
     "\"values\": 2},\n"
     SHORT_LONG("4") ", {\"name\": \"longest\", \"settings\": {\"window\": 32}}, {\"name\": \"middle\", "
     "\"settings\": {\"window\": 8}}, {\"name\": \"both\", \"settings\": {\"short_window\": 4}}, {\"name\": "
     "\"attention\", \"settings\": {\"mixers\": \"swa\"}}]}"},
    {"pairs", OF("pairs", "\"memory\": \"answer\", \"near\": \"loss\", ")
     "\"length\": 64, \"window\": 16, \"data\": \"mqar\", \"pairs\": 4, \"key_symbols\": 8, "
     "\"values\": 8},\n"
     SHORT_LONG("4") "]}"},
    {"words", OF("words", "\"past\": 16, \"longest\": 16, \"memory\": \"far-found\", \"near\": \"near\", "
                 "\"bands\": [{\"name\": \"near\", \"from\": 16, \"to\": 63}, {\"name\": \"far\", "
                 "\"from\": 64, \"to\": 127}], ")
     "\"length\": 256, \"window\": 32, \"data\": \"text\", \"file\": \"ref/network/model.c\"},\n"
     SHORT_LONG("8") "]}"},
};

START_TEST(pages_of_other_kinds_are_those_that_are_kept)
{
    static struct ablation a;
    struct options none = {NULL, 0};
    char golden[100], path[RUN_TEXT + 20], *now;
    ck_assert_msg(!ablation_open(&a, others[_i][1], &none, why), "%s: %s", others[_i][0], why);
    a.arm[0].flops = 5e14;                       /* the first takes most, and the unit is of the most */
    snprintf(a.out, sizeof a.out, "%s", scratch(others[_i][0]));
    ck_assert_msg(!file_make_folder(a.out, why), "%s", why);
    struct outcome *r = with_what_lies_beyond(&a);
    for (int i = 0; i < a.arms; i++)
        for (int s = 0; s < a.seeds; s++)
            make_up(&a, &r[i * a.seeds + s], i, s);
    ck_assert_msg(!report_write(&a, r, "swax ablate made-up", why), "%s", why);
    snprintf(path, sizeof path, "%s/report.html", a.out);
    snprintf(golden, sizeof golden, "page_%s.html", others[_i][0]);
    read_whole(path, &now);
    golden_page_is(golden, now);
    free(r);
    ablation_close(&a);
}
END_TEST

/* Arms of one window each, of which the first `finished` have results; what the page says and shows of them. */
static char *page_of(int finished, int memory, int near)
{
    static const char text[] =
        "{\"name\": \"windows\", \"question\": \"Which window?\", \"memory\": \"beyond\", "
        "\"near\": \"in-short\",\n"
        " \"settings\": {\"width\": 16, \"heads\": 2, \"cell_heads\": 2, \"cell_key_dim\": 8, "
        "\"mixers\": \"swa mlstm\", \"length\": 64, \"batch\": 8,\n"
        "  \"steps\": 7, \"window\": 16, \"tier\": \"ref\", \"data\": \"mentions\", \"keys\": 4, \"key_symbols\": 4, "
        "\"values\": 2},\n"
        " \"arms\": [{\"name\": \"short\", \"role\": \"short\", \"settings\": {\"window\": 4}}, "
        "{\"name\": \"middle\", \"settings\": {\"window\": 8}}, {\"name\": \"long\", \"role\": \"long\"}, "
        "{\"name\": \"longest\", \"settings\": {\"window\": 32}}]}\n";
    static struct ablation a;
    struct options none = {NULL, 0};
    char path[RUN_TEXT + 20], *page;
    ck_assert_msg(!ablation_open(&a, text, &none, why), "%s", why);
    ck_assert(a.memory >= 0 && a.near >= 0 && a.claims == 0);
    a.memory = memory == 1 ? a.memory : memory, a.near = near == 1 ? a.near : near;
    snprintf(a.out, sizeof a.out, "%s", scratch("windows"));
    ck_assert_msg(!file_make_folder(a.out, why), "%s", why);
    struct outcome *r = with_what_lies_beyond(&a);
    for (int i = 0; i < finished; i++)
        make_up(&a, &r[i * a.seeds], i, 0);
    ck_assert_msg(!report_write(&a, r, "swax ablate made-up", why), "%s", why);
    snprintf(path, sizeof path, "%s/report.html", a.out);
    read_whole(path, &page);
    free(r);
    ablation_close(&a);
    return scratch_keep(page);
}

/* A plot stands where there is something to show: three windows make a curve, and a question may be the first of
 * all. */
START_TEST(plots_stand_where_there_is_something_to_show)
{
    static const char curve[] = "Memory and short context against the window", trade[] = "What a window costs";
    for (int finished = 1; finished <= 4; finished++)
        ck_assert_msg(!strstr(page_of(finished, 1, 1), curve) == (finished < 3), "%d windows: %s curve", finished,
                      finished < 3 ? "a" : "no");
    for (int memory = -1; memory <= 1; memory++)
        for (int near = -1; near <= 1; near++) {
            const char *page = page_of(4, memory, near);
            const int curves = (strstr(page, "<title>Long memory, while training") != NULL) +
                               (strstr(page, "<title>Short context, while training") != NULL);
            const char *grid = strstr(page, "<h2>Other windows in the test"),
                       *answers = strstr(page, "<h2>Other answers");
            int grids = 0;
            while ((grid = strstr(grid + 1, "<figure>")) && grid < answers)
                grids++;
            ck_assert_msg(curves == (memory >= 0) + (near >= 0) && grids == curves,
                          "memory is question %d, near %d: %d curves, %d grids", memory, near, curves, grids);
            for (int plot = 0; plot < 2; plot++) {
                /* question 0 is the loss: no share, as a curve of right answers has them */
                const int none = memory < 0 || near < 0 || (plot && (!memory || !near));
                ck_assert_msg((strstr(page, plot ? curve : trade) == NULL) == none,
                              "memory is question %d, near %d: the plot \"%s\" of both is %s", memory, near,
                              plot ? curve : trade, none ? "there" : "left out");
            }
        }
}
END_TEST

/* The head says what the first claim's verdict is: in the file's words, where it has some for it. */
START_TEST(the_head_answers_by_the_first_claim)
{
    static const char yes[] = "{\"claim\": \"yes\", \"holds\": [\"short.loss >= 0\"]}",
                      no[] = "{\"claim\": \"no\", \"holds\": [\"short.loss >= 9\"]}",
                      open_[] = "{\"claim\": \"open\", \"asks\": [\"short.loss >= 9\"], \"holds\": "
                                "[\"short.loss >= 9\"]}",
                      words[] = "\"answer\": {\"yes\": \"So it is.\", \"no\": \"By no means.\", "
                                "\"undecided\": \"Who knows?\"}, ";
    static const struct { const char *first, *second, *answer, *says; } of[] = {
        {yes, no, "", "Yes."}, {no, yes, "", "No, not here."}, {open_, yes, "", "These runs do not decide it."},
        {yes, no, words, "So it is."}, {no, open_, words, "By no means."}, {open_, no, words, "Who knows?"},
        {yes, no, "\"answer\": {\"no\": \"By no means.\"}, ", "Yes."},
        {no, yes, "\"answer\": {\"yes\": \"So it is.\"}, ", "No, not here."}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        static struct ablation a;
        struct options none = {NULL, 0};
        char text[3000], wanted[200], *page;
        snprintf(text, sizeof text, OF("head", "\"least_seeds\": 1, \"margin\": 0, \"claims\": [%s, %s], %s")
                 "\"length\": 64, \"window\": 16, \"data\": \"mqar\", \"pairs\": 4, \"key_symbols\": 8, "
                 "\"values\": 8}, " SHORT_LONG("4") "]}", of[i].first, of[i].second, of[i].answer);
        ck_assert_msg(!ablation_open(&a, text, &none, why), "%s", why);
        snprintf(a.out, sizeof a.out, "%s", scratch("head"));
        ck_assert_msg(!file_make_folder(a.out, why), "%s", why);
        struct outcome *r = with_what_lies_beyond(&a);
        for (int k = 0; k < a.arms * a.seeds; k++)
            make_up(&a, &r[k], k / a.seeds, k % a.seeds);
        ck_assert_msg(!report_write(&a, r, "swax ablate made-up", why), "%s", why);
        read_whole(in_folder(a.out, "report.html"), &page);
        snprintf(wanted, sizeof wanted, "<h1>Which?</h1>\n<p class=\"answer\"><b>%s</b> short.loss = ", of[i].says);
        ck_assert_msg(strstr(page, wanted) != NULL, "%zu: no %s in %.200s", i, wanted, strstr(page, "<h1>"));
        free(r);
        ablation_close(&a);
    }
}
END_TEST

/* What has no windows is not tested with others: a picture of that has no row for it, and is left out where all are
 * so. */
START_TEST(networks_without_windows_have_no_test_windows)
{
    for (int with = 0; with < 3; with++) {
        static struct ablation a;
        struct options none = {NULL, 0};
        char text[3000], *page;
        snprintf(text, sizeof text, OF("cells", "\"memory\": \"beyond\", ") "\"length\": 64, \"window\": 16, "
                 "\"data\": \"mentions\", \"keys\": 4, \"key_symbols\": 4, \"values\": 2}, \"arms\": ["
                 "{\"name\": \"cells\", \"settings\": {\"mixers\": \"mlstm\"}}, "
                 "{\"name\": \"hybrid\", \"settings\": {\"mixers\": \"%s\"}}, {\"name\": \"idle\"}]}",
                 with == 0 ? "gdn" : with == 1 ? "swa gdn" : "swa full");
        ck_assert_msg(!ablation_open(&a, text, &none, why), "%s", why);
        snprintf(a.out, sizeof a.out, "%s", scratch("cells"));
        ck_assert_msg(!file_make_folder(a.out, why), "%s", why);
        struct outcome *r = with_what_lies_beyond(&a);
        for (int k = 0; k < 2 * a.seeds; k++)
            make_up(&a, &r[k], k / a.seeds, k % a.seeds);
        ck_assert_msg(!report_write(&a, r, "swax ablate made-up", why), "%s", why);
        read_whole(in_folder(a.out, "report.html"), &page);
        const char *grid = strstr(page, "<h2>Other windows in the test</h2>\n");
        ck_assert(grid);
        const char *figure = strstr(grid, "<figure>"), *table = strstr(grid, "<h2>Other answers");
        ck_assert_msg((figure && figure < table) == (with == 1), "%d: a picture, or none", with);
        if (figure && figure < table)
            ck_assert(strstr(figure, ">hybrid</text>") && !strstr(figure, ">cells</text>") &&
                      !strstr(figure, ">idle</text>"));
        free(r);
        ablation_close(&a);
    }
}
END_TEST

/* FLOPs are in the largest unit of a thousand, million, ... that leaves the most a number from 1; where only files know
 * how many there are, a dash stands. */
START_TEST(flops_have_the_unit_of_the_most)
{
    static const struct { double flops[2]; int power; const char *says[2]; } of[] = {
        {{NAN, NAN}, 0, {"&ndash;", "&ndash;"}}, {{1, 2}, 0, {"1", "2"}}, {{1, 999}, 0, {"1", "999"}},
        {{1000, 1}, 3, {"1", "0.001"}}, {{NAN, 2500}, 3, {"&ndash;", "2.5"}}, {{2e12, 3e11}, 12, {"2", "0.3"}},
        {{0.5, 0.25}, 0, {"0.5", "0.25"}}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        static struct ablation a;
        struct options none = {NULL, 0};
        char wanted[100], *page;
        ck_assert_msg(!ablation_open(&a, others[1][1], &none, why), "%s", why);
        snprintf(a.out, sizeof a.out, "%s", scratch("flops"));
        ck_assert_msg(!file_make_folder(a.out, why), "%s", why);
        struct outcome *r = with_what_lies_beyond(&a);
        for (int k = 0; k < 2; k++) {
            a.arm[k].flops = of[i].flops[k];
            make_up(&a, &r[k * a.seeds], k, 0);
        }
        ck_assert_msg(!report_write(&a, r, "swax ablate made-up", why), "%s", why);
        read_whole(in_folder(a.out, "report.html"), &page);
        snprintf(wanted, sizeof wanted, "<th>10<sup>%d</sup> FLOPs</th>", of[i].power);
        ck_assert_msg(strstr(page, wanted) != NULL, "%zu: no %s", i, wanted);
        const char *at = page;
        for (int k = 0; k < 2; k++) {
            snprintf(wanted, sizeof wanted, "<td>%s</td><td>5</td></tr>", of[i].says[k]);
            at = strstr(at, wanted);
            ck_assert_msg(at != NULL, "%zu: no %s", i, wanted);
            at++;
        }
        free(r);
        ablation_close(&a);
    }
}
END_TEST

START_TEST(an_ablation_without_claims_says_so)
{
    ck_assert(strstr(page_of(4, 1, 1), "<h1>Which window?</h1>\n<p class=\"answer\"><b>This ablation claims nothing: "
                                       "it shows what its arms answer.</b> </p>"));
}
END_TEST

/* ---- pictures */

START_TEST(an_axis_of_shares_ends_at_all)
{
    static const struct { double low, high; int percent; double from, to; } of[] = {
        {0.13, 0.58, 0, 0.1, 0.6}, {0.13, 0.58, 1, 0.1, 0.6}, {-0.2, 1.3, 1, 0, 1}, {-0.2, 1.3, 0, -0.2, 1.3},
        {1.21, 3.4, 0, 1, 4}, {0, 0, 1, 0, 0.01}, {0.97, 0.97, 1, 0.97, 0.98}, {5, 5, 0, 5, 5.001}, {0, 0, 0, 0, 1e-7}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        const struct svg_axis a = svg_around("x", of[i].low, of[i].high, of[i].percent);
        ck_assert_msg(fabs(a.from - of[i].from) < 1e-12 && fabs(a.to - of[i].to) < 1e-12,
                      "from %g to %g around %g to %g", a.from, a.to, of[i].low, of[i].high);
    }
}
END_TEST

/* The numbers beside an axis are multiples of their distance, wherever the axis begins. */
START_TEST(ticks_are_round_numbers)
{
    static const double x[2] = {0, 1}, y[2] = {4.1, 5.9};
    const struct svg_series series = {.label = "loss", .n = 2, .x = x, .y = y};
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    svg_lines(f, "title", (struct svg_axis){"x", 0, 1, 0, 0}, svg_around("loss", 4.1, 5.9, 0), &series, 1, NULL, 0);
    fclose(f);
    ck_assert_msg(strstr(text, ">4.5</text>") && strstr(text, ">5</text>") && strstr(text, ">5.5</text>") &&
                  !strstr(text, ">4.1</text>") && !strstr(text, ">-0"), "%s", strstr(text, "</desc>"));
    free(text);
}
END_TEST

static int count_of(const char *text, const char *word)
{
    int n = 0;
    for (; (text = strstr(text, word)); text++)
        n++;
    return n;
}

/* An axis has a tick at its end, be it 0: on the wide sheet and on the narrow one, of both axes. */
START_TEST(an_axis_that_ends_at_nothing_has_its_tick)
{
    static const double x[2] = {-8, 0};
    const struct svg_series series = {.label = "loss", .n = 2, .x = x, .y = x};
    const struct svg_axis a = {"x", -8, 0, 0, 0};
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    svg_lines(f, "title", a, a, &series, 1, NULL, 0);
    fclose(f);
    ck_assert_msg(count_of(text, ">0</text>") == 4 && count_of(text, ">-8</text>") == 4,
                  "%d ticks at 0, %d at -8", count_of(text, ">0</text>"), count_of(text, ">-8</text>"));
    free(text);
}
END_TEST

/* Shades go from that of 0 to that of 1; what lies beyond has the shade of the end. */
START_TEST(shades_end_where_shares_do)
{
    static const double value[6] = {-0.5, 0, 0.5, 1, 1.5, NAN};
    static const char *const name[6] = {"a", "b", "c", "d", "e", "f"},
                      *const shade[6] = {"(252,252,252)", "(252,252,252)", "(145,145,145)", "(37,37,37)",
                                         "(37,37,37)", "(255,255,255)"};
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    svg_heat(f, "title", "rows", "columns", name, 1, name, 6, value, (const unsigned char[6]){0});
    fclose(f);
    const char *at = text;
    for (int i = 0; i < 6; i++, at++) {
        at = strstr(at, "fill=\"rgb");
        ck_assert_msg(at && !strncmp(at + 9, shade[i], strlen(shade[i])), "%g has the shade %.13s, not %s", value[i],
                      at ? at + 9 : "none", shade[i]);
    }
    free(text);
}
END_TEST

/* A small table and a wide one, with frames and holes, as they are kept. */
START_TEST(tables_of_greys_are_those_that_are_kept)
{
    static const double value[24] = {0, 0.25, 0.5, 0.75, 1, -1, 2, NAN, 0.123, 0.4, 0.6, 0.51, 0.52,
                                     0.001, 0.999, HUGE_VAL, -0.0, 0.05, 0.1, 0.2, 0.3, 0.35, 0.45, 0.55};
    static const unsigned char framed[24] = {0, 1, 0, 0, 1, 0, 0, 1};
    static const char *const name[12] = {"a < b", "c & d", "\"e\"", "f", "g", "h", "i", "j", "k", "l", "m", "n"};
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    svg_heat(f, "one", "row", "column", name, 1, name + 1, 1, value + 2, NULL);
    svg_heat(f, "small", "rows", "columns", name, 2, name + 2, 2, value, framed);
    svg_heat(f, "tall", "rows", "columns", name, 8, name + 3, 3, value, framed);
    svg_heat(f, "wide", "rows", "columns", name + 1, 2, name, 12, value, NULL);
    fclose(f);
    golden_is("heat.svg", text, 0);
    free(text);
}
END_TEST

static char *drawn(const struct svg_series *series, int n)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    svg_lines(f, "title", (struct svg_axis){"x", 0, 1, 0, 0}, (struct svg_axis){"a < b & \"c\" > d", 0, 1, 0, 0},
              series, n, NULL, 0);
    fclose(f);
    return scratch_keep(text);
}

/* Below a narrow plot stand the names of what it shows, right below it, whatever has nothing to show. */
START_TEST(what_shows_nothing_takes_no_room)
{
    static const double x[2] = {0, 1}, y[2] = {0.2, 0.5}, none[2] = {NAN, NAN};
    const struct svg_series series[3] = {{.label = "first", .n = 2, .x = x, .y = y},
                                         {.label = "second", .n = 2, .x = x, .y = none},
                                         {.label = "third", .n = 2, .x = x, .y = y}};
    const struct svg_series shown[2] = {series[0], series[2]};
    const char *three = strstr(drawn(series, 3), "class=\"narrow\""),
               *two = strstr(drawn(shown, 2), "class=\"narrow\"");
    ck_assert_msg(!strncmp(three, two, 60), "%.60s, where two series alone have %.60s", three, two);
}
END_TEST

/* Where the names stand, line by line: one below the other, in the order of the series where these end at the same
 * height. */
START_TEST(names_at_the_same_height_stand_in_order)
{
    static const double x[2] = {0, 1}, y[3][2] = {{0.2, 0.5}, {0.3, 0.5}, {0.4, 0.5}};
    const struct svg_series series[3] = {{.label = "first", .style = 0, .n = 2, .x = x, .y = y[0]},
                                         {.label = "second", .style = 1, .n = 2, .x = x, .y = y[1]},
                                         {.label = "third", .style = 2, .n = 2, .x = x, .y = y[2]}};
    double height[3];
    const char *text = drawn(series, 3);
    for (int i = 0; i < 3; i++) {
        char name[20];
        snprintf(name, sizeof name, ">%s</text>", series[i].label);
        const char *at = strstr(text, name);
        ck_assert_msg(at != NULL, "%s has no name", series[i].label);
        while (strncmp(at, " y=\"", 4))
            at--;
        height[i] = strtod(at + 4, NULL);
    }
    ck_assert_msg(height[0] < height[1] && height[1] < height[2], "the names stand at %g, %g and %g", height[0],
                  height[1], height[2]);
    ck_assert_msg(strstr(text, "a &lt; b &amp; &quot;c&quot; &gt; d") && !strstr(text, "a < b"),
                  "the mark of an axis is not text: %.60s", strstr(text, "<desc>"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("page");
    TCase *t = tcase_create("page");
    tcase_add_loop_test(t, the_page_is_the_one_that_is_kept, 0, sizeof pages / sizeof *pages);
    tcase_add_loop_test(t, pages_of_other_kinds_are_those_that_are_kept, 0, 3);
    tcase_add_test(t, plots_stand_where_there_is_something_to_show);
    tcase_add_test(t, the_head_answers_by_the_first_claim);
    tcase_add_test(t, networks_without_windows_have_no_test_windows);
    tcase_add_test(t, flops_have_the_unit_of_the_most);
    tcase_add_test(t, an_ablation_without_claims_says_so);
    tcase_add_test(t, an_axis_that_ends_at_nothing_has_its_tick);
    tcase_add_test(t, tables_of_greys_are_those_that_are_kept);
    tcase_add_test(t, shades_end_where_shares_do);
    tcase_add_test(t, an_axis_of_shares_ends_at_all);
    tcase_add_test(t, ticks_are_round_numbers);
    tcase_add_test(t, what_shows_nothing_takes_no_room);
    tcase_add_test(t, names_at_the_same_height_stand_in_order);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
