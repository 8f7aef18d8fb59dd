/* check_claims.c - verdicts on made-up results: yes, no, undecided, and the boundaries between them; and the numbers of
 * results.json and of the page are those of the outcomes, each under its own name. */
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

static char why[SWAX_WHY];

#define SETTINGS "\"settings\": {\"width\": 16, \"heads\": 2, \"cell_heads\": 2, \"mixers\": \"swa mlstm\", " \
                 "\"length\": 64, \"window\": 16, \"data\": \"mentions\"}"
#define ARMS "\"arms\": [{\"name\": \"short\", \"role\": \"short\", \"settings\": {\"window\": 4}}, " \
             "{\"name\": \"long\", \"role\": \"long\"}, {\"name\": \"both\", \"role\": \"b\"}, " \
             "{\"name\": \"more\", \"role\": \"b\"}, {\"name\": \"last\", \"role\": \"only\"}]"

/* An ablation of five seeds with these claims. */
static const char *open_with(struct ablation *a, const char *claims, const char *more)
{
    static char text[4096];
    struct options none = {NULL, 0};
    snprintf(text, sizeof text,
             "{\"name\": \"made-up\", \"seeds\": 5, \"memory\": \"beyond\", \"near\": \"copied-symbol\", %s" SETTINGS
             ", " ARMS ", \"claims\": [%s]}",
             more, claims);
    return ablation_open(a, text, &none, why);
}

static struct outcome *outcomes(const struct ablation *a)
{
    struct outcome *r = calloc((size_t)(a->arms * a->seeds), sizeof *r);
    for (int i = 0; i < a->arms * a->seeds; i++)
        for (int q = 0; q < a->questions; q++)
            r[i].answer[q] = (struct estimate){(double)NAN, (double)NAN, 0};
    return r;
}

/* "0.9 0.8" into the arm's first seeds, which are finished then; "-" is one that is not, "nan" one that was not
 * measured. */
static void score(const struct ablation *a, struct outcome *r, int arm, const char *question, const char *values,
                  double error)
{
    char copy[200];
    int s = 0;
    const int q = question_find(a, question);
    ck_assert_msg(q >= 0, "no question %s", question);
    snprintf(copy, sizeof copy, "%s", values);
    for (char *p = strtok(copy, " "); p; p = strtok(NULL, " "), s++)
        if (*p != '-') {
            r[arm * a->seeds + s].done = 1;
            r[arm * a->seeds + s].answer[q] = (struct estimate){*p == 'n' ? (double)NAN : atof(p), error, 100};
        }
}

#define MEMORY "{\"claim\": \"memory\", \"holds\": [\"short.beyond >= 0.5\", \"long.beyond <= 0.5 * short.beyond\"]}"
#define ASKS "{\"claim\": \"asks\", \"asks\": [\"short.beyond >= 0.5\"], " \
             "\"holds\": [\"long.beyond <= 0.5 * short.beyond\"]}"
#define MORE "{\"claim\": \"more\", \"holds\": [\"short.beyond >= long.beyond + 0.125\"]}"
#define LESS "{\"claim\": \"less\", \"holds\": [\"short.beyond <= long.beyond - 0.125\"]}"
#define ALONE "{\"claim\": \"alone\", \"holds\": [\"short.beyond@16 <= 0.5 * short.beyond\"]}"
#define NONE NAN

static const struct {
    const char *claim, *of_short, *of_long;
    double error;
    int hold, fail;
    const char *says;
    double luck;
} cases[] = {
    /* short and long: every one of 3 x 3 holds; of the 20 ways to deal six results to two arms, this one alone is as
     * good */
    {MEMORY, "0.9 0.8 0.95", "0.1 0.2 0.05", 0, 9, 0, "yes", 1.0 / 20},
    {MEMORY, "0.9 0.8 0.95 0.9 0.7", "0.1 0.2 0.05 0.1 0.3", 0, 25, 0, "yes", 1.0 / 252},
    /* two seeds are too few for anything */
    {MEMORY, "0.9 0.8", "0.1 0.2", 0, 4, 0, "undecided", 1.0 / 6},
    {MEMORY, "0.1 0.1", "0.9 0.9", 0, 0, 4, "undecided", 1},
    {MEMORY, "0.9 0.8 0.9 0.9 0.9", "0.1 0.2 - - -", 0, 10, 0, "undecided", 1.0 / 21},
    /* one of five locked in: it fails where it did not */
    {MEMORY, "0.9 0.1 0.1 0.1 0.1", "0.1 0.1 0.1 0.1 0.1", 0, 5, 20, "no", 0.5},
    /* one of five has a say: that is no verdict */
    {ASKS, "0.9 0.1 0.1 0.1 0.1", "0.1 0.1 0.1 0.1 0.1", 0, 5, 0, "undecided", 0.5},
    /* four of five hold: 20 of 25, the boundary of yes; three are not enough */
    {ASKS, "0.9 0.9 0.9 0.9 0.1", "0.1 0.1 0.1 0.1 0.1", 0, 20, 0, "yes", 6.0 / 252},
    {MEMORY, "0.9 0.9 0.9 0.1 0.1", "0.1 0.1 0.1 0.1 0.1", 0, 15, 10, "undecided", 21.0 / 252},
    {MEMORY, "0.9 0.1 0.1 0.1 nan", "0.1 0.1 0.1 0.1 0.1", 0, 5, 15, "undecided", -1},
    /* exactly on the line holds; a hair below fails */
    {MEMORY, "0.5 0.5 0.5", "0.25 0.25 0.25", 0, 9, 0, "yes", 1.0 / 20},
    {MEMORY, "0.4999 0.4999 0.4999", "0.1 0.1 0.1", 0, 0, 9, "no", 1},
    {MEMORY, "0.5 0.5 0.5", "0.2501 0.2501 0.2501", 0, 0, 9, "no", 1},
    /* what is nearer than two standard errors neither holds nor fails: 0.55 lies 0.05 above, with errors of 0.03 */
    {MEMORY, "0.55 0.55 0.55", "0.1 0.1 0.1", 0.03, 0, 0, "undecided", 1},
    {MEMORY, "0.57 0.57 0.57", "0.1 0.1 0.1", 0.03, 9, 0, "yes", 1.0 / 20},
    {MEMORY, "0.45 0.45 0.45", "0.1 0.1 0.1", 0.03, 0, 0, "undecided", 1},
    {MEMORY, "0.43 0.43 0.43", "0.1 0.1 0.1", 0.03, 0, 9, "no", 1},
    /* both errors count, the right one as often as its answer: sqrt(0.04^2 + (0.5 0.04)^2) = 0.0447, twice that
     * 0.0894 */
    {MEMORY, "0.9 0.9 0.9", "0.37 0.37 0.37", 0.04, 0, 0, "undecided", 1},
    {MEMORY, "0.9 0.9 0.9", "0.36 0.36 0.36", 0.04, 9, 0, "yes", 1.0 / 20},
    /* plus and minus, and which side */
    {MORE, "0.5 0.5 0.5", "0.375 0.375 0.375", 0, 9, 0, "yes", 1.0 / 20},
    {MORE, "0.5 0.5 0.5", "0.38 0.38 0.38", 0, 0, 9, "no", 1},
    {MORE, "0.4 0.4 0.4", "0.5 0.5 0.5", 0, 0, 9, "no", 1},
    {LESS, "0.25 0.25 0.25", "0.5 0.5 0.5", 0, 9, 0, "yes", 1.0 / 20},
    {LESS, "0.45 0.45 0.45", "0.5 0.5 0.5", 0, 0, 9, "no", 1},
    /* results that tell the arms not apart come out as well in any deal */
    {ASKS, "0.9 0.9 0.9", "0.9 0.9 0.9", 0, 0, 9, "no", 1},
    {MORE, "0.9 0.3 0.9", "0.2 0.8 0.2", 0, 4, 5, "undecided", -1},
    /* an answer without a standard error says nothing, however far it lies */
    {MEMORY, "0.9 0.9 0.9", "0.1 0.1 0.1", NONE, 0, 0, "undecided", 1},
    {MEMORY, "0.1 0.1 0.1", "0.9 0.9 0.9", NONE, 0, 0, "undecided", 1},
    /* one seed each */
    {MEMORY, "0.9", "0.1", 0, 1, 0, "undecided", 0.5},
    /* nothing there */
    {MEMORY, "- - -", "0.1 0.1 0.1", 0, 0, 0, "undecided", NONE},
    {MEMORY, "nan nan nan", "0.1 0.1 0.1", 0, 0, 0, "undecided", 1},
};
enum { CASES = sizeof cases / sizeof *cases };

START_TEST(made_up_results_get_their_verdict)
{
    static struct ablation a;
    static struct verdict v[ABLATE_CLAIMS];
    ck_assert_msg(!open_with(&a, cases[_i].claim, ""), "%s", why);
    struct outcome *r = outcomes(&a);
    score(&a, r, 0, "beyond", cases[_i].of_short, cases[_i].error);
    score(&a, r, 1, "beyond", cases[_i].of_long, cases[_i].error);
    verdicts(v, &a, r);
    ck_assert_msg(v->hold == cases[_i].hold && v->fail == cases[_i].fail, "case %d: holds for %d, fails for %d, of %d",
                  _i, v->hold, v->fail, v->combinations);
    char counted[120];
    snprintf(counted, sizeof counted, "holds for %d and fails for %d of %d combination%s of seeds", v->hold, v->fail,
             v->combinations, v->combinations == 1 ? "" : "s");
    ck_assert_msg(strstr(v->measured, counted) != NULL, "case %d: '%s' is not in '%s'", _i, counted, v->measured);
    ck_assert_msg(!strcmp(ablate_verdict_name[v->says], cases[_i].says), "case %d: %s, %s", _i,
                  ablate_verdict_name[v->says], v->why);
    if (isnan(cases[_i].luck))
        ck_assert_msg(isnan(v->luck), "case %d: luck %g of nothing", _i, v->luck);
    else if (cases[_i].luck >= 0)
        ck_assert_msg(fabs(v->luck - cases[_i].luck) < 1e-12, "case %d: luck %.9g, not %.9g", _i, v->luck,
                      cases[_i].luck);
    free(r);
    ablation_close(&a);
}
END_TEST

/* What is said of each of them beside its verdict; and the checksum of rules, by which a folder that another version
 * began knows whether they stood. */
START_TEST(verdicts_are_worded_as_ever)
{
    static const char *const rules[][2] = {
        {"", ""}, {MEMORY, ""}, {ASKS, ""}, {MEMORY ", " ASKS, ""}, {ASKS ", " MEMORY, ""}, {MORE, ""}, {LESS, ""},
        {MEMORY, "\"least_seeds\": 4, "}, {MEMORY, "\"margin\": 3, "}, {MEMORY, "\"luck\": 0.125, "},
        {"{\"claim\": \"two\", \"asks\": [\"short.beyond >= 0.5\", \"long.loss <= 3\"], \"holds\": "
         "[\"long.loss <= 2.5 * short.loss + 0.25\", \"both.beyond >= short.beyond - 0.5\"]}", ""}};
    static struct ablation a;
    static struct verdict v[ABLATE_CLAIMS];
    char *text = NULL, digits[17];
    size_t size;
    FILE *f = open_memstream(&text, &size);
    for (int i = 0; i < CASES; i++) {
        ck_assert_msg(!open_with(&a, cases[i].claim, ""), "%s", why);
        struct outcome *r = outcomes(&a);
        score(&a, r, 0, "beyond", cases[i].of_short, cases[i].error);
        score(&a, r, 1, "beyond", cases[i].of_long, cases[i].error);
        verdicts(v, &a, r);
        fprintf(f, "%s | %s | %s\n", ablate_verdict_name[v->says], v->measured, v->why);
        free(r);
        ablation_close(&a);
    }
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        ck_assert_msg(!open_with(&a, rules[i][0], rules[i][1]), "%s", why);
        claims_sum(&a, digits);
        fprintf(f, "%d rules, %s: %s\n", a.claims, rules[i][1], digits);
        ablation_close(&a);
    }
    fclose(f);
    golden_is("verdicts.txt", text, 0);
    free(text);
}
END_TEST

/* Twelve seeds can be dealt out in 2.7 million ways: 20,000 are drawn. */
START_TEST(luck_of_many_seeds_is_drawn)
{
    static struct ablation a;
    static struct verdict v[ABLATE_CLAIMS];
    ck_assert_msg(!open_with(&a, "{\"claim\": \"more\", \"holds\": [\"short.beyond >= long.beyond\"]}", ""), "%s", why);
    a.seeds = 12;
    struct outcome *r = outcomes(&a);
    score(&a, r, 0, "beyond", "0.91 0.92 0.93 0.94 0.95 0.96 0.97 0.98 0.99 0.90 0.89 0.88", 0);
    score(&a, r, 1, "beyond", "0.11 0.12 0.13 0.14 0.15 0.16 0.17 0.18 0.19 0.10 0.09 0.08", 0);
    verdicts(v, &a, r);
    ck_assert_int_eq(v->hold, 144);
    ck_assert_msg(v->luck == 1.0 / 20001, "luck is %.9g", v->luck);        /* no deal of 20,000, and the one there is */
    score(&a, r, 0, "beyond", "0.10 0.12 0.14 0.16 0.18 0.20 0.22 0.24 0.26 0.28 0.30 0.32", 0);
    score(&a, r, 1, "beyond", "0.11 0.13 0.15 0.17 0.19 0.21 0.23 0.25 0.27 0.29 0.31 0.33", 0);
    verdicts(v, &a, r);
    ck_assert_int_eq(v->hold, 66);
    /* 66 of 144 is a third of a standard deviation (17.3) below the mean of 72: 0.65 of all deals are as good */
    ck_assert_msg(fabs(v->luck - 0.646) < 0.015, "luck is %.9g", v->luck);
    const double first = v->luck;
    score(&a, r, 1, "beyond", "0.08 0.10 0.12 0.14 0.16 0.18 0.20 0.22 0.24 0.26 0.28 0.30", 0);
    verdicts(v, &a, r);
    ck_assert_msg(fabs(first - 0.645917704115) < 1e-9 && fabs(v->luck - 0.219589020549) < 1e-9,
                  "luck is %.12g and %.12g: other deals are drawn than ever before", first, v->luck);
    free(r);
    ablation_close(&a);
}
END_TEST

/* The results of two arms of 36 seeds each are more than those of one arm of all there may be. */
START_TEST(many_results_have_room)
{
    static struct ablation a;
    static struct verdict v[ABLATE_CLAIMS];
    ck_assert_msg(!open_with(&a, "{\"claim\": \"more\", \"holds\": [\"short.beyond >= long.beyond\"]}", ""), "%s", why);
    a.seeds = 36;
    struct outcome *r = outcomes(&a);
    for (int k = 0; k < 2 * a.seeds; k++) {
        r[k].done = 1;
        r[k].answer[question_find(&a, "beyond")] = (struct estimate){k < a.seeds ? 0.5 + 0.01 * k : 0.25, 0, 100};
    }
    verdicts(v, &a, r);
    ck_assert_msg(v->hold == 36 * 36 && v->combinations == 36 * 36 && v->luck == 1.0 / 20001, "%d of %d, luck %.9g",
                  v->hold, v->combinations, v->luck);
    free(r);
    ablation_close(&a);
}
END_TEST

/* As many deals as are looked at one by one, and more, of which 20,000 are drawn; of two arms and of three, where a
 * condition speaks of a number alone. */
START_TEST(deals_are_counted_as_far_as_they_go)
{
    static const struct { int n[3]; double luck; } of[] = {
        {{8, 8, 0}, 1.0 / 12870}, {{9, 8, 0}, 1.0 / 20001}, {{9, 7, 0}, 1.0 / 11440}, {{4, 4, 3}, 1.0 / 11550},
        {{4, 4, 4}, 1.0 / 20001}, {{3, 3, 3}, 1.0 / 1680}, {{5, 4, 2}, 1.0 / 6930}};
    static struct ablation a;
    static struct verdict v[ABLATE_CLAIMS];
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        ck_assert_msg(!open_with(&a, of[i].n[2] ? "{\"claim\": \"c\", \"holds\": [\"short.beyond >= long.beyond\", "
                                                  "\"long.beyond >= both.beyond\", \"both.beyond >= -1\"]}"
                                                : "{\"claim\": \"c\", \"holds\": [\"short.beyond >= long.beyond\"]}",
                                 "\"least_seeds\": 2, "), "%s", why);
        a.seeds = 9;
        struct outcome *r = outcomes(&a);
        const int q = question_find(&a, "beyond");
        int holds = 1;
        for (int arm = 0; arm < 3; arm++)
            for (int s = 0; s < of[i].n[arm]; s++) {
                r[arm * a.seeds + s].done = 1;
                r[arm * a.seeds + s].answer[q] = (struct estimate){9 - 3 * arm + 0.1 * s, 0, 100};
            }
        for (int arm = 0; arm < 3; arm++)
            holds *= of[i].n[arm] ? of[i].n[arm] : 1;
        verdicts(v, &a, r);
        ck_assert_msg(v->hold == holds && v->combinations == holds && fabs(v->luck / of[i].luck - 1) < 1e-12,
                      "row %zu: %d of %d hold, luck 1/%.9g", i, v->hold, v->combinations, 1 / v->luck);
        ck_assert(v->says == ABLATE_YES);
        free(r);
        ablation_close(&a);
    }
}
END_TEST

/* Twelve conditions may speak of 24 numbers; what is said of them is cut where its room ends. */
START_TEST(a_claim_may_speak_of_many_numbers)
{
    static struct ablation a;
    static struct verdict v[ABLATE_CLAIMS];
    char claim[3000], *to = claim, begins[300];
    ck_assert_msg(!open_with(&a, "", ""), "%s", why);
    ck_assert_int_ge(a.questions, 24);
    to += sprintf(to, "{\"claim\": \"many\"");
    for (int k = 0; k < 12; k++)
        to += sprintf(to, "%s\"short.%s >= long.%s\"", !k ? ", \"asks\": [" : k == 6 ? "], \"holds\": [" : ", ",
                      a.ask[2 * k].name, a.ask[2 * k + 1].name);
    strcpy(to, "]}");
    snprintf(begins, sizeof begins, "short.%s was not measured; long.%s was not measured; short.%s was not measured; ",
             a.ask[0].name, a.ask[1].name, a.ask[2].name);
    ablation_close(&a);
    ck_assert_msg(!open_with(&a, claim, ""), "%s", why);
    struct outcome *r = outcomes(&a);
    verdicts(v, &a, r);
    ck_assert_msg(!strncmp(v->measured, begins, strlen(begins)), "%s", v->measured);
    ck_assert_int_eq(strlen(v->measured), sizeof v->measured - 1);
    free(r);
    ablation_close(&a);
}
END_TEST

START_TEST(the_file_says_what_a_verdict_needs)
{
    static const struct { const char *more, *says; } needs[] = {
        {"", "yes"}, {"\"least_seeds\": 4, ", "undecided"}, {"\"least_seeds\": 3, ", "yes"},
        {"\"luck\": 0.049, ", "undecided"},
        {"\"luck\": 0.05, ", "yes"}, {"\"margin\": 30, ", "undecided"}, {"\"margin\": 0, ", "yes"}};
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        static struct ablation a;
        static struct verdict v[ABLATE_CLAIMS];
        ck_assert_msg(!open_with(&a, MEMORY, needs[i].more), "%s", why);
        struct outcome *r = outcomes(&a);
        score(&a, r, 0, "beyond", "0.9 0.9 0.9", 0.02);
        score(&a, r, 1, "beyond", "0.1 0.1 0.1", 0.02);
        verdicts(v, &a, r);
        ck_assert_msg(!strcmp(ablate_verdict_name[v->says], needs[i].says), "%s: %s", needs[i].more,
                      ablate_verdict_name[v->says]);
        free(r);
        ablation_close(&a);
    }
}
END_TEST

/* However lucky a yes may be, it holds for 4 in 5: 20 of 25 combinations, and not for 15. */
START_TEST(a_yes_holds_for_four_in_five)
{
    static const struct { const char *of_short, *says; } shares[] = {
        {"0.9 0.9 0.9 0.9 0.1", "yes"}, {"0.9 0.9 0.9 0.1 0.1", "undecided"}, {"0.9 0.1 0.1 0.1 0.1", "undecided"}};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        static struct ablation a;
        static struct verdict v[ABLATE_CLAIMS];
        ck_assert_msg(!open_with(&a, ASKS, "\"luck\": 1, "), "%s", why);
        struct outcome *r = outcomes(&a);
        score(&a, r, 0, "beyond", shares[i].of_short, 0);
        score(&a, r, 1, "beyond", "0.1 0.1 0.1 0.1 0.1", 0);
        verdicts(v, &a, r);
        ck_assert_msg(!strcmp(ablate_verdict_name[v->says], shares[i].says), "%s: %s", shares[i].of_short,
                      ablate_verdict_name[v->says]);
        free(r);
        ablation_close(&a);
    }
}
END_TEST

/* A claim on one network alone, and one on three arms. */
START_TEST(claims_speak_of_one_to_three_arms)
{
    static struct ablation a;
    static struct verdict v[ABLATE_CLAIMS];
    ck_assert_msg(!open_with(&a, ALONE ", {\"claim\": \"three\", \"holds\": [\"both.beyond >= 0.8 * short.beyond\", "
                                       "\"both.copied-symbol >= 0.8 * long.copied-symbol\"]}", ""),
                  "%s", why);
    struct outcome *r = outcomes(&a);
    score(&a, r, 0, "beyond", "0.9 0.9 0.9", 0), score(&a, r, 0, "beyond@16", "0.45 0.4 0.2", 0),
        score(&a, r, 0, "copied-symbol", "0 0 0", 0);
    score(&a, r, 1, "beyond", "0 0 0", 0), score(&a, r, 1, "copied-symbol", "0.9 0.9 0.9", 0);
    score(&a, r, 2, "beyond", "0.8 0.8 0.8", 0), score(&a, r, 2, "copied-symbol", "0.75 0.75 0.75", 0);
    verdicts(v, &a, r);
    ck_assert(v[0].says == ABLATE_YES && v[0].combinations == 3 && v[0].hold == 3 && isnan(v[0].luck));
    ck_assert_msg(v[1].says == ABLATE_YES && v[1].combinations == 27 && v[1].hold == 27, "%s: %d of %d",
                  ablate_verdict_name[v[1].says], v[1].hold, v[1].combinations);
    /* 9!/(3!)^3 = 1680 deals: both's results may not go elsewhere but by changing places with nobody */
    ck_assert_msg(v[1].luck > 0 && v[1].luck <= 0.05, "luck %g", v[1].luck);
    score(&a, r, 0, "beyond@16", "0.46 0.5 0.9", 0);
    score(&a, r, 2, "copied-symbol", "0.7 0.7 0.7", 0);
    verdicts(v, &a, r);
    ck_assert(v[0].says == ABLATE_NO && v[1].says == ABLATE_NO && v[1].fail == 27);
    free(r);
    ablation_close(&a);
}
END_TEST

START_TEST(bad_claims_are_refused)
{
    static const struct { const char *condition, *says; } bad[] = {
        {"short.beyond", "ARM.QUESTION >="}, {"short.beyond > 0.5", ">= or <="},
        {"shorr.beyond >= 0.5", "did you mean short"},
        {"short.beyon >= 0.5", "there is no question beyon: did you mean beyond"},
        {"short >= 0.5", "not ARM.QUESTION"}, {"short.beyond >= 0.5 *", "there is no arm 0."},
        {"b.beyond >= 0.5", "2 arms have the role"},
        {"short.beyond >= x * long.beyond", "not a number"},
        {"short.beyond >= long.beyond + x", "stands + or -"}, {"short.beyond >= long.beyond 3", "stands + or -"},
        {"short.beyond >= 0.5 * long.beyond + 0.1 x", "stands + or -"},
        {"short.beyond >= 0.5 * long.beyond + 0.1 x y z", "stands + or -"},
        {"short.beyond >= -1 * long.beyond", "-1 is not a number from 0"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        static struct ablation a;
        char claim[300];
        snprintf(claim, sizeof claim, "{\"claim\": \"c\", \"holds\": [\"%s\"]}", bad[i].condition);
        ck_assert_msg(open_with(&a, claim, "") == why && strstr(why, bad[i].says), "%s: %s", bad[i].condition, why);
        snprintf(claim, sizeof claim, "Claim \"c\", condition \"%s\": ", bad[i].condition);
        ck_assert_msg(!strncmp(why, claim, strlen(claim)), "%s\ndoes not begin\n%s", why, claim);
        ablation_close(&a);
    }
    static struct ablation a;
    ck_assert(open_with(&a, "{\"claim\": \"c\", \"holds\": [\"short.beyond >= long.beyond\", "
                            "\"both.beyond >= more.beyond\"]}", "") && strstr(why, "at most 3 arms"));
    ablation_close(&a);
    ck_assert(open_with(&a, "{\"claim\": \"c\"}", "") && strstr(why, "holds"));
    ablation_close(&a);
    ck_assert(open_with(&a, "{\"holds\": [\"short.beyond >= 0.5\"]}", ""));
    ck_assert_str_eq(why, "Claims are up to 24 objects with \"claim\" and \"holds\".");
    ablation_close(&a);
    ck_assert(open_with(&a, "3", "") && strstr(why, "Claims are up to 24 objects"));
    ablation_close(&a);
    ck_assert(open_with(&a, "{\"claim\": \"c\", \"holds\": [3]}", ""));
    ck_assert_str_eq(why, "Claim \"c\": conditions are up to 6 texts.");
    ablation_close(&a);
    ck_assert(open_with(&a, "", "\"sedes\": 3, ") && strstr(why, "has no member \"sedes\": did you mean seeds?"));
    ablation_close(&a);
    ck_assert(open_with(&a, "", "\"past\": 64, ") && strstr(why, "past"));
    ablation_close(&a);
    ck_assert(open_with(&a, "", "\"bands\": [{\"name\": \"odd\", \"from\": 100000, \"to\": 100001}], "));
    ck_assert_str_eq(why,
                     "Band odd: the data mentions tell no answers apart that were said 100000 to 100001 tokens back; "
                     "the nearest they do are 131072 to 262143.");
    ablation_close(&a);
}
END_TEST

/* As many claims, conditions and letters as there is room for, and one more. */
START_TEST(claims_have_limits)
{
    static const struct { int claims, asks, holds, letters; const char *says; } of[] = {
        {24, 1, 1, 20, NULL}, {25, 0, 1, 20, "Claims are up to 24 objects"}, {1, 6, 6, 20, NULL},
        {1, 7, 1, 20, "Claim \"c\": conditions are up to 6 texts."},
        {1, 0, 7, 20, "Claim \"c\": conditions are up to 6 texts."}, {1, 0, 1, 255, NULL},
        {1, 1, 1, 256, "it is longer than 255 letters."}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        static struct ablation a;
        static char claims[9000];
        char text[12000], *to = claims;
        struct options none = {NULL, 0};
        for (int c = 0; c < of[i].claims; c++) {
            to += sprintf(to, "%s{\"claim\": \"c\"", c ? ", " : "");
            for (int part = 0; part < 2; part++) {
                const int n = part ? of[i].holds : of[i].asks;
                for (int k = 0; k < n; k++)
                    to += sprintf(to, "%s\"short.beyond >= %-*s\"",
                                  k      ? ", "
                                  : part ? ", \"holds\": ["
                                         : ", \"asks\": [",
                                  of[i].letters - 16, k % 2 ? "0.5" : "0.25");
                to += sprintf(to, n ? "]" : "");
            }
            to += sprintf(to, "}");
        }
        snprintf(text, sizeof text, "{\"name\": \"n\", " SETTINGS ", " ARMS ", \"claims\": [%s]}", claims);
        const char *wrong = ablation_open(&a, text, &none, why);
        ck_assert_msg(!wrong == !of[i].says && (!wrong || strstr(why, of[i].says)), "%zu: %s", i,
                      wrong ? why : "taken");
        ck_assert(wrong || (a.claims == of[i].claims && a.claim[0].n_asks == of[i].asks &&
                            a.claim[a.claims - 1].n_holds == of[i].holds && a.claim[0].holds[0].plus == 0.25));
        ablation_close(&a);
    }
}
END_TEST

/* A number out of bounds is refused with the bounds that are kept, and the bounds themselves are taken. */
START_TEST(members_that_are_numbers_have_bounds)
{
    static const struct { const char *name; double least, most; int real; } member[] = {
        {"seeds", 1, 64, 0}, {"sequences", 2, 1048576, 0}, {"longest", 1, 1024, 0}, {"points", 0, 64, 0},
        {"least_seeds", 1, 64, 0}, {"margin", 0, 100, 1},
        {"luck", 0, 1, 1}};
    for (size_t i = 0; i < sizeof member / sizeof *member; i++)
        for (int k = 0; k < 4; k++) {
            static struct ablation a;
            char text[4096];
            struct options none = {NULL, 0};
            const double step = member[i].real ? 1e-6 : 1,
                         x = k < 2 ? member[i].least - (k ? step : 0) : member[i].most + (k == 3 ? step : 0);
            snprintf(text, sizeof text,
                     "{\"name\": \"made-up\", \"memory\": \"in-short\", \"%s\": %.9g, " SETTINGS ", " ARMS "}",
                     member[i].name, x);
            const char *wrong = ablation_open(&a, text, &none, why);
            if (k % 2)
                ck_assert_msg(wrong && strstr(why, member[i].name) && is_sentence(why), "%s=%.9g: %s", member[i].name,
                              x, wrong ? wrong : "taken");
            else
                ck_assert_msg(!wrong || !strstr(why, member[i].name), "%s=%.9g: %s", member[i].name, x, why);
            ablation_close(&a);
        }
}
END_TEST

START_TEST(a_misspelt_ablation_is_recognised)
{
    ck_assert(!ablate_builtin_text("smoek", why));
    ck_assert_str_eq(why, "There is no ablation \"smoek\": did you mean smoke?");
    ck_assert(!ablate_builtin_text("of-quite-another-name", why));
    ck_assert_str_eq(why, "There is no ablation \"of-quite-another-name\": `swax ablate help` lists those there are, "
                          "and a file is named with its .json.");
}
END_TEST

START_TEST(names_and_arms_are_asked_for)
{
    static const char long_name[] = "a-name-of-forty-letters-is-one-too-many-";
    static const struct { const char *name, *arms, *says; } bad[] = {
        {"", "[{\"name\": \"a\"}]", "\"name\" of letters"}, {"two words", "[{\"name\": \"a\"}]", "\"name\" of letters"},
        {long_name, "[{\"name\": \"a\"}]", "\"name\" of letters"},
        {"x", "[{\"name\": \"a\"}, {\"what\": \"b\"}]", "Arm 2 needs a name"},
        {"x", "[{\"name\": \"a/b\"}]", "Arm 1 needs a name"},
        {"x", "[{\"name\": \"a\"}, {\"name\": \"a\"}]", "Two arms are named a."},
        {"x", "[{\"name\": \"a\"}, 3]", "An arm is an object"},
        {"x", "[{\"name\": \"a\", \"whta\": \"b\"}]", "An arm has no member \"whta\": did you mean what?"},
        {"x", "[{\"name\": \"a\", \"settings\": {\"widht\": 3}}]", "width"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        static struct ablation a;
        char text[4096];
        struct options none = {NULL, 0};
        snprintf(text, sizeof text, "{\"name\": \"%s\", " SETTINGS ", \"arms\": %s}", bad[i].name, bad[i].arms);
        ck_assert_msg(ablation_open(&a, text, &none, why) && strstr(why, bad[i].says) && is_sentence(why), "%s: %s",
                      text, why);
        ablation_close(&a);
    }
    static struct ablation a;
    char text[4096];
    struct options none = {NULL, 0};
    snprintf(text, sizeof text, "{\"name\": \"%.39s\", " SETTINGS ", \"arms\": [{\"name\": \"%.39s\"}]}", long_name,
             long_name);
    ck_assert_msg(!ablation_open(&a, text, &none, why), "%s", why);
    ablation_close(&a);
}
END_TEST

/* An arm's role names it in a claim where it is the only one of it. */
START_TEST(a_role_names_its_only_arm)
{
    static struct ablation a;
    ck_assert_msg(!open_with(&a, "{\"claim\": \"c\", \"holds\": [\"short.beyond >= only.beyond\"]}", ""), "%s", why);
    ck_assert_int_eq(a.claim[0].arm[0], 0);
    ck_assert_int_eq(a.claim[0].arm[1], 4);
    ablation_close(&a);
    /* of the first arm, of one between, and of none */
    static const struct { const char *claim; int arm; const char *wrong; } of[] = {
        {"r0.loss >= b.loss", 0, NULL}, {"r1.loss >= a.loss", 1, NULL}, {"r2.loss >= a.loss", 2, NULL},
        {"r3.loss >= a.loss", 0, "there is no arm r3"}, {"r.loss >= a.loss", 0, "2 arms have the role r"}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct options none = {NULL, 0};
        char text[2000];
        snprintf(text, sizeof text, "{\"name\": \"roles\", " SETTINGS ", \"arms\": ["
                 "{\"name\": \"a\", \"role\": \"r0\"}, {\"name\": \"b\", \"role\": \"r1\"}, "
                 "{\"name\": \"c\", \"role\": \"r2\"}, {\"name\": \"d\", "
                 "\"role\": \"r\"}, {\"name\": \"e\", \"role\": \"r\"}], "
                 "\"claims\": [{\"claim\": \"c\", \"holds\": [\"%s\"]}]}", of[i].claim);
        const char *wrong = ablation_open(&a, text, &none, why);
        ck_assert_msg(!wrong == !of[i].wrong && (!wrong || strstr(why, of[i].wrong)), "%s: %s", of[i].claim,
                      wrong ? why : "it is taken");
        ck_assert(wrong || a.claim[0].arm[0] == of[i].arm);
        ablation_close(&a);
    }
}
END_TEST

/* ---- what questions read: each its own sitting */

START_TEST(questions_sit_where_they_say)
{
    static struct ablation a;
    ck_assert_msg(!open_with(&a, "", "\"longest\": 4, "), "%s", why);
    static const struct { const char *name; struct sitting s; } sits[] = {
        {"loss", {.length = 64, .sequences = 48}},
        {"copied-symbol", {.length = 64, .sequences = 48}},
        {"in-short", {.length = 64, .sequences = 48, .from = 2, .to = 4}},
        {"in-long", {.length = 64, .sequences = 48, .from = 5, .to = 16}},
        {"beyond", {.length = 64, .sequences = 48, .from = 17, .to = 60}},
        {"4x", {.length = 256, .sequences = 24, .from = 129, .to = 240}},
        {"whole", {.length = 64, .sequences = 48, .from = 17, .to = 48, .facts_first = 1, .probe = MEASURE_WHOLE}},
        {"cells-cut", {.length = 64, .sequences = 48, .from = 17, .to = 48, .facts_first = 1,
                       .probe = MEASURE_SPAN_CUT}},
        {"attention-cut", {.length = 64, .sequences = 48, .from = 17, .to = 48, .facts_first = 1,
                           .probe = MEASURE_RELAY_BLOCK}},
        {"beyond@4", {.length = 64, .sequences = 48, .from = 17, .to = 60, .window = 4}},
        {"copied-symbol@16", {.length = 64, .sequences = 48, .window = 16}},
        {"loss@64", {.length = 64, .sequences = 48, .window = 64}}};
    for (size_t i = 0; i < sizeof sits / sizeof *sits; i++) {
        const int q = question_find(&a, sits[i].name);
        ck_assert_msg(q >= 0, "there is no question %s", sits[i].name);
        const struct sitting *s = &a.sitting[a.ask[q].sitting], *w = &sits[i].s;
        ck_assert_msg(s->length == w->length && s->sequences == w->sequences && s->window == w->window &&
                          s->from == w->from && s->to == w->to && s->facts_first == w->facts_first &&
                          s->probe == w->probe && !s->span,
                      "%s: length %d, %d sequences, window %d, %d to %d, probe %d", sits[i].name, s->length,
                      s->sequences, s->window, s->from, s->to, (int)s->probe);
    }
    ck_assert(a.ask[question_find(&a, "loss")].what == MEASURE_LOSS &&
              a.ask[question_find(&a, "loss")].rows == (uint64_t)1 << MEASURE_ALL);
    ck_assert(a.ask[question_find(&a, "copied-symbol")].rows == 1 &&
              a.ask[question_find(&a, "distance-2-3")].rows == 1 << 3);
    ablation_close(&a);
}
END_TEST

/* ---- the files */

/* Every number different: 0.001 to 0.999. */
static double made_up(int arm, int seed, int question)
{
    return (double)((arm * 5407 + seed * 1511 + question * 733 + 17) % 999 + 1) / 1000;
}

static double median(const struct ablation *a, int arm, int question)
{
    double x[5];
    for (int s = 0; s < 3; s++)
        x[s] = made_up(arm, s, question);
    (void)a;
    return fmax(fmin(x[0], x[1]), fmin(fmax(x[0], x[1]), x[2]));
}

static char *file_of(const struct ablation *a, const char *name)
{
    char path[700];
    size_t size;
    snprintf(path, sizeof path, "%s/%s", a->out, name);
    char *text = file_read(path, 1 << 24, &size, why);
    ck_assert_msg(text, "%s", why);
    return text;
}

/* Behind each <th>LABEL of the table under TITLE stands, in the row of every arm, the median of the question with that
 * label. */
static void check_table(const struct ablation *a, const char *page, const char *title, int first_column)
{
    char head[100], label[4096], shown[32];
    snprintf(head, sizeof head, "<h2>%s</h2>", title);
    const char *table = strstr(page, head);
    ck_assert_msg(table, "the page has no table %s", title);
    const char *end = strstr(table, "</table>"), *at = strstr(table, "<tr>");
    int column[ABLATE_QUESTIONS], columns = 0;
    for (const char *th = strstr(at, "<th>"); th && th < strstr(at, "</tr>"); th = strstr(th + 4, "<th>")) {
        snprintf(label, sizeof label, "%.*s", (int)strcspn(th + 4, "<"), th + 4);
        column[columns] = -1;
        for (int q = 0; q < a->questions; q++)
            if (!strcmp(a->ask[q].label, label))
                column[columns] = q;
        columns++;
    }
    for (int i = 0; i < a->arms; i++) {
        char row[64];
        snprintf(row, sizeof row, "<tr><td><b>%s</b>", a->arm[i].name);
        const char *td = strstr(table, row);
        ck_assert_msg(td && td < end, "table %s has no row for %s", title, a->arm[i].name);
        td += 8;
        for (int c = 1; c < columns; c++) {
            td = strstr(td, "<td>") + 4;
            if (c < first_column || column[c] < 0)
                continue;
            const struct question *q = &a->ask[column[c]];
            snprintf(shown, sizeof shown, q->what == MEASURE_LOSS ? "%.4f<" : "%.3f<", median(a, i, column[c]));
            ck_assert_msg(!strncmp(td, shown, strlen(shown)), "%s, arm %s, %s: shows %.12s, where the median is %s",
                          title, a->arm[i].name, q->label, td, shown);
        }
    }
}

START_TEST(page_and_results_show_the_outcomes)
{
    static struct ablation a;
    ck_assert_msg(!open_with(&a, MEMORY, "\"longest\": 2, "), "%s", why);
    struct outcome *r = outcomes(&a);
    char *folder = scratch("made-up");
    snprintf(a.out, sizeof a.out, "%s", folder);
    ck_assert(!file_make_folder(a.out, why));
    for (int i = 0; i < a.arms; i++)
        for (int s = 0; s < 3; s++) {
            struct outcome *o = &r[i * a.seeds + s];
            o->done = 1, o->seed = (uint64_t)s + 1, o->tokens = 1e6, o->seconds = 5;
            for (int q = 0; q < a.questions; q++)
                o->answer[q] = (struct estimate){made_up(i, s, q), 0.001, 100};
        }
    ck_assert_msg(!results_write(&a, r, why) && !report_write(&a, r, "swax ablate", why), "%s", why);
    char *page = file_of(&a, "report.html"), *text = file_of(&a, "results.json");
    check_table(&a, page, "Results", 2);
    check_table(&a, page, "Which path carries the answer", 2);
    check_table(&a, page, "Other answers", 2);
    struct json *root = json_parse(text, strlen(text), why);
    ck_assert_msg(root, "results.json is %s", why);
    const struct json *arm = json_get(root, "arms")->first;
    for (int i = 0; i < a.arms; i++, arm = arm->next) {
        ck_assert_str_eq(json_get(arm, "name")->text, a.arm[i].name);
        const struct json *run = json_get(arm, "runs")->first;
        for (int s = 0; s < 3; s++, run = run->next)
            for (int q = 0; q < a.questions; q++) {
                const struct json *answer = json_get(json_get(run, "answers"), a.ask[q].name);
                ck_assert_msg(answer && json_get(answer, "value")->number == made_up(i, s, q),
                              "results.json: %s of %s, seed %d", a.ask[q].name, a.arm[i].name, s + 1);
            }
        ck_assert(!run);
    }
    json_free(root);
    free(page), free(text), free(r), free(folder);
    ablation_close(&a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("claims");
    TCase *t = tcase_create("claims");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, made_up_results_get_their_verdict, 0, CASES);
    tcase_add_test(t, verdicts_are_worded_as_ever);
    tcase_add_test(t, luck_of_many_seeds_is_drawn);
    tcase_add_test(t, the_file_says_what_a_verdict_needs);
    tcase_add_test(t, a_yes_holds_for_four_in_five);
    tcase_add_test(t, claims_speak_of_one_to_three_arms);
    tcase_add_test(t, bad_claims_are_refused);
    tcase_add_test(t, deals_are_counted_as_far_as_they_go);
    tcase_add_test(t, many_results_have_room);
    tcase_add_test(t, a_claim_may_speak_of_many_numbers);
    tcase_add_test(t, claims_have_limits);
    tcase_add_test(t, members_that_are_numbers_have_bounds);
    tcase_add_test(t, a_misspelt_ablation_is_recognised);
    tcase_add_test(t, names_and_arms_are_asked_for);
    tcase_add_test(t, a_role_names_its_only_arm);
    tcase_add_test(t, questions_sit_where_they_say);
    tcase_add_test(t, page_and_results_show_the_outcomes);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
