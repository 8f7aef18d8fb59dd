/* check_plan.c - an ablation's file is taken as it stands, or refused: no member, no setting and no change of it goes
 * by without a word; and pictures have a place for all that they show. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/asked.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/ablate/examine.h"
#include "tools/lib/commands.h"
#include "tools/lib/files.h"
#include "tools/lib/options.h"
#include "tools/lib/svg.h"

static char why[SWAX_WHY];

#define SETTINGS "\"settings\": {\"width\": 16, \"heads\": 2, \"cell_heads\": 2, \"mixers\": \"swa mlstm\", " \
                 "\"length\": 64, \"window\": 16, \"data\": \"mentions\", \"keys\": 4, \"key_symbols\": 4, " \
                 "\"values\": 2, \"steps\": 1, \"batch\": 2, \"tier\": \"ref\", \"held_out_sequences\": 0}"
#define ARMS "\"arms\": [{\"name\": \"one\", \"role\": \"short\", \"settings\": {\"window\": 4}}, " \
             "{\"name\": \"two\", \"settings\": {\"window\": 8}}]"

static const char *opened(struct ablation *a, const char *members, const char *arms, const char *key, const char *value)
{
    static char text[4096];
    struct option one = {.key = (char *)(size_t)key, .value = (char *)(size_t)value};
    struct options o = {&one, key ? 1 : 0};
    snprintf(text, sizeof text, "{\"name\": \"made-up\", %s" SETTINGS ", %s}", members, arms);
    return ablation_open(a, text, &o, why);
}

static void says(const char *text, const char *wanted)
{
    ck_assert_msg(strstr(text, wanted) != NULL, "no '%s' in\n%.1500s", wanted, text);
}

/* ---- the file */

START_TEST(the_long_window_is_that_of_the_arm_of_that_role)
{
    static const char arms[] = "\"arms\": [{\"name\": \"one\", \"role\": \"long\", "
                               "\"settings\": {\"window\": 32}}, {\"name\": \"two\", \"role\": \"short\", "
                               "\"settings\": {\"window\": 4}}]";
    static struct ablation a;
    ck_assert_msg(!opened(&a, "", arms, NULL, NULL), "%s", why);
    ck_assert_msg(a.long_window == 32 && a.short_window == 4, "windows of %d and %d, not 32 and 4", a.long_window,
                  a.short_window);
    ablation_close(&a);
}
END_TEST

START_TEST(members_that_would_be_left_out_are_refused)
{
    static const struct { const char *members, *says; } bad[] = {
        {"\"claims\": [{\"claim\": \"c\", \"asks\": \"one.beyond >= 0.5\", \"holds\": [\"one.loss >= 1\"]}], ",
         "A claim: its member \"asks\" is an array."},
        {"\"claims\": [{\"claim\": \"c\", \"ask\": [], \"holds\": [\"one.beyond >= two.beyond\"]}], ",
         "A claim has no member \"ask\": did you mean asks?"},
        {"\"claims\": {\"claim\": \"c\"}, ", "An ablation: its member \"claims\" is an array."},
        {"\"bands\": {\"name\": \"far\", \"from\": 16, \"to\": 63}, ", "\"bands\" is an array."},
        {"\"bands\": [{\"name\": \"far\", \"form\": 4, \"from\": 16, \"to\": 63}], ",
         "no member \"form\": did you mean from"},
        {"\"bands\": [{\"name\": \"far\", \"from\": 16, \"to\": 31}, {\"name\": \"far\", \"from\": 32, \"to\": 63}], ",
         "Band far: there is a question of that name already."},
        {"\"bands\": [{\"name\": \"loss\", \"from\": 16, \"to\": 31}], ",
         "Band loss: there is a question of that name"},
        {"\"bands\": [{\"name\": \"a-band-of-24-letters-more\", \"from\": 16, \"to\": 31}], ",
         "longer than 23 letters"},
        {"\"answer\": {\"Yes\": \"indeed\"}, ", "did you mean yes?"},
        {"\"answer\": {\"yes\": 1}, ", "its member \"yes\" is a text."},
        {"\"answer\": \"yes\", ", "\"answer\" is an object."},
        {"\"memory\": 3, ", "\"memory\" is a text."}, {"\"tuned\": [\"a\", \"b\"], ", "\"tuned\" is a text."},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        static struct ablation a;
        ck_assert_msg(opened(&a, bad[i].members, ARMS, NULL, NULL) == why && strstr(why, bad[i].says) &&
                      is_sentence(why), "%s: %s", bad[i].members, why);
        ablation_close(&a);
    }
    static struct ablation a;
    ck_assert_msg(!opened(&a, "\"answer\": {\"yes\": \"y\", \"no\": \"n\", \"undecided\": \"u\"}, ", ARMS, NULL, NULL),
                  "%s", why);
    ck_assert_str_eq(a.answer[ABLATE_UNDECIDED], "u");
    ablation_close(&a);
}
END_TEST

/* Each is refused with a sentence that says what is wrong. */
START_TEST(files_that_are_no_ablation_are_refused)
{
    static const struct { const char *text, *says; } bad[] = {
        {"{\"name\": \"n\",", "The ablation is "}, {"[]", "An ablation is a JSON object with settings and arms."},
        {"{\"name\": \"n\"}", "An ablation needs \"arms\": an array of at least one."},
        {"{\"name\": \"n\", \"arms\": []}", "An ablation needs \"arms\": an array of at least one."},
        {"{\"name\": \"n\", \"settings\": 3, \"arms\": []}",
         "The settings of the ablation are an object of the keys of `swax train`."},
        {"{\"name\": \"n\", \"arms\": [{\"name\": \"a\", \"settings\": [1]}]}",
         "The settings of a are an object of the keys of `swax train`."},
        {"{\"name\": \"n\", \"settings\": {\"steps\": null}, \"arms\": [{\"name\": \"a\"}]}",
         "The setting \"steps\" of the ablation is a text, a number, true or false."},
        {"{\"name\": \"n\", \"settings\": {\"steps\": \"x\"}, \"arms\": [{\"name\": \"a\"}]}",
         "Settings of the ablation: steps"},
        {"{\"name\": \"n\", \"arms\": [{\"name\": \"a\"}, {\"name\": \"b\", \"settings\": {\"length\": 32}}]}",
         "Arm b: all arms have the same data and the same length, so that they can be asked the same questions."},
        {"{\"name\": \"n\", \"settings\": {\"data\": \"mentions\"}, \"arms\": [{\"name\": \"a\"}, "
         "{\"name\": \"b\", \"settings\": {\"data\": \"copy\"}}]}", "Arm b: all arms have the same data"},
        {"{\"name\": \"n\", \"arms\": [{\"name\": \"a\", \"settings\": {\"width\": 7}}]}", "Arm a: "}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        static struct ablation a;
        struct options none = {NULL, 0};
        ck_assert_msg(ablation_open(&a, bad[i].text, &none, why) == why && !strncmp(why, bad[i].says,
                      strlen(bad[i].says)) && is_sentence(why), "%s: %s", bad[i].text, why);
        ablation_close(&a);
    }
}
END_TEST

/* Thirty-two, each with its own settings, and not one more. */
START_TEST(an_ablation_has_so_many_arms)
{
    for (int arms = ABLATE_ARMS; arms <= ABLATE_ARMS + 1; arms++) {
        static struct ablation a;
        char text[3000], *to = text + sprintf(text, "\"arms\": [");
        for (int i = 0; i < arms; i++)
            to += sprintf(to, "%s{\"name\": \"a%d\", \"settings\": {\"window\": %d}}", i ? ", " : "", i, 2 + i);
        strcpy(to, "]");
        const char *wrong = opened(&a, "", text, NULL, NULL);
        ck_assert_msg(!wrong == (arms == ABLATE_ARMS), "%d arms: %s", arms, wrong ? why : "taken");
        ck_assert(!wrong || !strcmp(why, "An ablation has at most 32 arms."));
        for (int i = 0; i < a.arms; i++)
            ck_assert(a.run[i].windows.window == 2 + i && a.run[i].steps == 1 && atoi(a.arm[i].name + 1) == i);
        ablation_close(&a);
    }
}
END_TEST

START_TEST(a_setting_that_every_arm_has_is_not_taken_from_the_line)
{
    static struct ablation a;
    ck_assert(opened(&a, "", ARMS, "window", "12") == why);
    ck_assert_str_eq(why, "window=12 would do nothing: every arm of made-up has its own.");
    ablation_close(&a);
    ck_assert_msg(!opened(&a, "", ARMS, "rate", "0.25"), "%s", why);
    ck_assert(a.run[0].optimiser.rate == 0.25 && a.run[1].optimiser.rate == 0.25);
    ablation_close(&a);
    ck_assert_msg(!opened(&a, "", "\"arms\": [{\"name\": \"one\", \"settings\": {\"window\": 4}}, {\"name\": \"two\"}]",
                          "window", "12"), "%s", why);
    ck_assert(a.run[0].windows.window == 4 && a.run[1].windows.window == 12);
    ablation_close(&a);
}
END_TEST

/* ---- the folder */

#define ON_TEXT "\"settings\": {\"data\": \"text\", \"file\": \"ref/network/model.c\", \"mixers\": \"swa\", " \
                "\"width\": 8, \"heads\": 1, \"length\": 32, \"batch\": 2, \"steps\": 1, \"tier\": \"ref\", " \
                "\"held_out_sequences\": 0, \"context\": 2}, \"points\": 0, \"arms\": [{\"name\": \"one\"}]"
#define CLAIM "\"claims\": [{\"claim\": \"c\", \"holds\": [\"one.far >= 0.5\"]}], "
#define FAR(from) "\"bands\": [{\"name\": \"far\", \"from\": " #from ", \"to\": 31}], "

static void put_plan(const char *members)
{
    char text[2000];
    const int n = snprintf(text, sizeof text, "{\"name\": \"plan\", %s" ON_TEXT "}", members);
    put(scratch("plan.json"), text, (size_t)n);
}

static const char *file_of(const char *folder, const char *name)
{
    char *text;
    read_whole(in_folder(placed(folder), name), &text);
    return scratch_keep(text);
}

/* "asked" of a question in the run's result. */
static double asked(const char *question)
{
    struct json *root = json_read(placed("@asked/runs/one-s1/result.json"), 1 << 20, why);
    const struct json *j = json_get(json_get(json_get(root, "answers"), question), "asked");
    ck_assert_msg(j, "%s", why);
    const double n = j->number;
    json_free(root);
    return n;
}

START_TEST(runs_that_were_asked_other_questions_are_asked_again)
{
    put_plan("\"sequences\": 8, " FAR(1) CLAIM);
    const char *said = done(cmd_ablate, placed("@plan.json out=@asked seeds=1"));
    ck_assert(!strstr(said, "other questions") && !strstr(said, "rules of the verdicts"));
    const double loss = asked("loss"), far = asked("far");
    ck_assert_msg(loss == 8 * 32 && far > 0, "%g tokens and %g answers were asked", loss, far);
    const char *weights = file_of("@asked/runs/one-s1", "checkpoint.safetensors");
    put_plan("\"sequences\": 16, " FAR(1) CLAIM);
    said = done(cmd_ablate, placed("@plan.json out=@asked seeds=1 report=yes"));
    says(said, "1 finished run was asked other questions than the file has now, and left out");
    ck_assert(asked("loss") == loss);
    done(cmd_ablate, placed("@plan.json out=@asked seeds=1"));
    ck_assert_msg(asked("loss") == 2 * loss, "%g tokens were asked, of 16 sequences", asked("loss"));
    put_plan("\"sequences\": 16, " FAR(32) CLAIM);                        /* the same name, another question */
    ck_assert_int_eq(ask_command(cmd_ablate, placed("@plan.json out=@asked seeds=1")).status, 2);
    put_plan("\"sequences\": 16, \"bands\": [{\"name\": \"far\", \"from\": 1, \"to\": 63}], " CLAIM);
    const double before = asked("far");
    done(cmd_ablate, placed("@plan.json out=@asked seeds=1"));
    ck_assert_msg(asked("far") == before, "in sequences of 32 nothing is further back than 31");
    ck_assert(!strcmp(weights, file_of("@asked/runs/one-s1", "checkpoint.safetensors")));
}
END_TEST

START_TEST(rules_that_were_changed_are_not_said_to_have_stood)
{
    static const char stood[] = "The rules stood in the ablation's file before the runs.",
        changed[] = "<b>The rules are not those that stood in the ablation's file when its runs began";
    static const char *const others[] = {
        FAR(1) CLAIM "\"margin\": 1, ", FAR(1) CLAIM "\"luck\": 0.5, ", FAR(1) CLAIM "\"least_seeds\": 1, ",
        FAR(1) "\"claims\": [{\"claim\": \"c\", \"holds\": [\"one.far >= 0.4\"]}], ",
        FAR(1) "\"claims\": [{\"claim\": \"c\", \"holds\": [\"one.far <= 0.5\"]}], ",
        FAR(1) "\"claims\": [{\"claim\": \"c\", \"asks\": [\"one.far >= 0.5\"], \"holds\": [\"one.far >= 0.5\"]}], ",
        FAR(1) "\"claims\": [{\"claim\": \"c\", \"holds\": [\"one.loss >= 0.5\"]}], ",
        FAR(1) "\"claims\": [{\"claim\": \"d\", \"holds\": [\"one.far >= 0.5\"]}], ",
        "\"bands\": [{\"name\": \"far\", \"from\": 1, \"to\": 63}], " CLAIM};
    put_plan(FAR(1) CLAIM);
    done(cmd_ablate, placed("@plan.json out=@rules seeds=1"));
    says(file_of("@rules", "report.html"), stood);
    put_plan("\"tuned\": \"nothing\", \"what\": \"another line\", " FAR(1) CLAIM);
    ck_assert(!strstr(done(cmd_ablate, placed("@plan.json out=@rules seeds=2 report=yes")), "rules of the verdicts"));
    says(file_of("@rules", "report.html"), stood);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        put_plan(others[i]);
        says(done(cmd_ablate, placed("@plan.json out=@rules seeds=1 report=yes")),
             "The rules of the verdicts were changed since the runs began.");
        says(file_of("@rules", "report.html"), changed);
        ck_assert_msg(!strstr(file_of("@rules", "report.html"), stood), "%s", others[i]);
    }
}
END_TEST

START_TEST(weights_that_arms_begin_with_are_those_of_the_folder)
{
    put_plan("");
    done(cmd_ablate, placed("@plan.json out=@teacher seeds=2"));
    done(cmd_train, placed("out=@pupil from=@teacher/runs/one-s1 file=ref/network/model.c mixers=swa width=8 heads=1 "
                           "length=32 batch=2 steps=1 tier=ref"));
    done(cmd_ablate, placed("@plan.json out=@after seeds=1 from=@pupil"));
    done(cmd_ablate, placed("@plan.json out=@after seeds=1 from=@pupil"));
    ck_assert(!rename(placed("@pupil/checkpoint.safetensors"), placed("@old")));
    ck_assert(!rename(placed("@teacher/runs/one-s2/checkpoint.safetensors"), placed("@pupil/checkpoint.safetensors")));
    refused(cmd_ablate, placed("@plan.json out=@after seeds=1 from=@pupil"),
            "those that arm one begins with have changed since");
    done(cmd_ablate, placed("@plan.json out=@after seeds=1 from=@pupil report=yes"));
    ck_assert(!rename(placed("@old"), placed("@pupil/checkpoint.safetensors")));
    done(cmd_ablate, placed("@plan.json out=@after seeds=1 from=@pupil"));
}
END_TEST

/* The line of a text, without the blanks before it and the comma behind it. */
static char *line_of(const char *text, int line)
{
    for (; line > 0 && *text; line--)
        text += strcspn(text, "\n") + (text[strcspn(text, "\n")] != 0);
    text += strspn(text, " ");
    int n = (int)strcspn(text, "\n");
    n -= n && text[n - 1] == ',';
    char *copy = scratch_keep(calloc((size_t)n + 1, 1));
    return memcpy(copy, text, (size_t)n);
}

/* Of all settings that differ from what stands in the folder the first is named, with both values. */
START_TEST(the_first_setting_that_differs_is_named)
{
    static const char *const of[][2] = {
        {"mixers", "swa swa"}, {"width", "32"}, {"batch", "20"}, {"steps", "10"}, {"rate", "0.25"}, {"window", "81"},
        {"keys", "5"}, {"values", "3"}, {"filler", "7"}, {"decay", "0.5"}, {"ffn_multiple", "8"}};
    static struct ablation a;
    ck_assert_msg(!opened(&a, "", ARMS, NULL, NULL), "%s", why);
    snprintf(a.out, sizeof a.out, "%s", scratch("differ"));
    ck_assert_msg(!ablation_claim(&a, 0, why), "%s", why);
    const struct run was = a.run[1];
    int tried = 0;
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        for (size_t k = i; k < sizeof of / sizeof *of; k++) {
            char wanted[SWAX_WHY + RUN_TEXT];
            int line = 0;
            a.run[1] = was;
            if (run_set(&a.run[1], of[i][0], of[i][1], why) || run_set(&a.run[1], of[k][0], of[k][1], why))
                continue;
            char *there = run_json(&was, 1), *here = run_json(&a.run[1], 1);
            while (!strcmp(line_of(there, line), line_of(here, line)))
                line++;
            snprintf(wanted, sizeof wanted, "%s holds another ablation, or one with other settings (arm two has %s "
                     "there, and %s here): choose another folder with out=.", a.out, line_of(there, line),
                     line_of(here, line));
            ck_assert_msg(ablation_claim(&a, 0, why) == why && !strcmp(why, wanted), "%s\nand not\n%s", why, wanted);
            free(there), free(here);
            tried++;
        }
    ck_assert_int_ge(tried, 40);
    a.run[1] = was;
    ck_assert_msg(!ablation_claim(&a, 0, why), "%s", why);
    a.arm[1].name = "else";
    ck_assert(ablation_claim(&a, 0, why) == why);
    says(why, "(arm else does not stand there)");
    a.arms = 1;
    ck_assert(ablation_claim(&a, 0, why) == why);
    says(why, "(it has other arms)");
    ablation_close(&a);
}
END_TEST

static const char *text_in(const struct json *object, const char *key)
{
    const struct json *j = json_get(object, key);
    ck_assert_msg(j && j->type == JSON_STRING, "ablation.json lacks %s", key);
    return j->text;
}

/* ablation.json has the settings of each arm, what its files hold, and the rules, under their names. */
static void claim_is_of(const struct ablation *a)
{
    struct json *root = json_read(in_folder(a->out, "ablation.json"), 1 << 20, why);
    char rules[17];
    ck_assert_msg(root, "%s", why);
    claims_sum(a, rules);
    ck_assert_str_eq(text_in(root, "preset"), a->name);
    ck_assert_str_eq(text_in(root, "rules"), rules);
    ck_assert(json_get(root, "arms")->count == a->arms && json_get(root, "contents")->count == a->arms &&
              json_get(root, "weights")->count == a->arms && root->count == 5);
    for (int i = 0; i < a->arms; i++) {
        char *config = run_json(&a->run[i], 0);
        struct json *expected = json_parse(config, strlen(config), why);
        const struct json *now = json_get(json_get(root, "arms"), a->arm[i].name)->first;
        for (const struct json *j = expected->first; j; j = j->next, now = now->next)
            ck_assert_msg(now && !strcmp(now->key, j->key) && !strcmp(now->text, j->text), "%s of %s", j->key,
                          a->arm[i].name);
        ck_assert(!now);
        ck_assert_str_eq(text_in(json_get(root, "contents"), a->arm[i].name), a->arm[i].contents);
        ck_assert_str_eq(text_in(json_get(root, "weights"), a->arm[i].name), a->arm[i].weights);
        json_free(expected), free(config);
    }
    json_free(root);
}

/* A run of the arm would begin with what the others began with: it is so unless what was changed is the arm's. */
static void same_but(const struct ablation *a, const char *changed)
{
    static const char *const reads[3][2] = {{"one.txt", "w1"}, {"two.txt", "w2"}, {"one.txt", "w1"}};
    for (int i = 0; i < 3; i++) {
        const int data = !strcmp(changed, reads[i][0]), weights = !strcmp(changed, reads[i][1]);
        const char *wrong = ablation_same(a, i, why);
        ck_assert_msg(!wrong == !(data || weights), "%s was changed, arm %d: %s", changed, i, wrong ? why : "the same");
        if (data)
            says(why, "A file that its data lie in was changed since the ablation began");
        if (weights) {
            says(why, "The weights of from=");
            says(why, "were changed since the ablation began");
            says(why, changed);
        }
    }
}

/* Each arm's own: other files and other weights than the first arm's are kept apart from its. */
START_TEST(what_each_arm_reads_is_known)
{
    static struct ablation a;
    static const char *const changed[][3] = {
        {"one.txt", "a file that arm one reads has changed since", "runs on other data"},
        {"two.txt", "a file that arm two reads has changed since", "runs on other data"},
        {"three.txt", NULL, NULL},
        {"w1", "those that arm one begins with have changed", "began with other weights"},
        {"w2", "those that arm two begins with have changed", "began with other weights"}};
    struct options none = {NULL, 0};
    char text[4000], plan[4000], bytes[3000];
    memset(bytes, 'a', sizeof bytes);
    for (int i = 0; i < 5; i++)
        put(scratch(changed[i][0]), bytes, sizeof bytes);
    snprintf(plan, sizeof plan, "{\"name\": \"read\", \"settings\": {\"width\": 16, \"heads\": 2, \"mixers\": "
             "\"swa\", \"length\": 64, \"window\": 16, \"data\": \"text\", \"tier\": \"ref\"}, \"arms\": ["
             "{\"name\": \"one\", \"settings\": {\"file\": \"@one.txt\", \"from\": \"@w1\"}}, "
             "{\"name\": \"two\", \"settings\": {\"file\": \"@two.txt\", \"from\": \"@w2\"}}, "
             "{\"name\": \"three\", \"settings\": {\"file\": \"@one.txt\", \"from\": \"@w1\", \"window\": 8}}]}");
    char *to = text;
    for (const char *s = plan; *s; s++)
        to += *s == '@' ? sprintf(to, "%s", scratch("")) : sprintf(to, "%c", *s);
    ck_assert_msg(!ablation_open(&a, text, &none, why), "%s", why);
    snprintf(a.out, sizeof a.out, "%s", scratch("read"));
    ck_assert_msg(!ablation_claim(&a, 0, why) && !ablation_claim(&a, 0, why), "%s", why);
    claim_is_of(&a);
    same_but(&a, "nothing");
    /* as another version of swax summed them */
    ck_assert_str_eq(a.arm[0].contents, "7d43583d30809784");
    ck_assert_str_eq(a.arm[0].weights, "7d43583d30809784");
    for (int i = 0; i < 5; i++) {
        bytes[1500] = 'b';
        put(scratch(changed[i][0]), bytes, sizeof bytes);
        bytes[1500] = 'a';
        same_but(&a, changed[i][0]);
        const char *wrong = ablation_claim(&a, 0, why);
        ck_assert_msg(!wrong == !changed[i][1], "%s was changed: %s", changed[i][0], wrong ? why : "it is taken");
        ck_assert_msg(!wrong || (strstr(why, changed[i][1]) && strstr(why, changed[i][2])), "%s", why);
        ck_assert_msg(!ablation_claim(&a, 1, why), "for a report alone: %s", why);
        /* nor is it taken where it is gone */
        unlink(scratch(changed[i][0]));
        if (i < 2)
            ck_assert_msg(ablation_same(&a, i, why) == why && strstr(why, "txt cannot be"), "%s", why);
        ck_assert((ablation_claim(&a, 0, why) == NULL) == !changed[i][1]);
        put(scratch(changed[i][0]), bytes, sizeof bytes);
        ck_assert_msg(!ablation_claim(&a, 0, why), "%s", why);
    }
    /* nor where there is no folder for it */
    snprintf(a.out, sizeof a.out, "%s/below", scratch("one.txt"));
    ck_assert(ablation_claim(&a, 0, why) == why);
    says(why, "one.txt");
    snprintf(a.out, sizeof a.out, "%s", scratch("read"));
    /* what is larger than any file of ours is none */
    const size_t large = (4 << 20) + 1;
    char *blank = malloc(large);
    memset(blank, ' ', large);
    blank[0] = '{', blank[large - 1] = '}';
    put(scratch("read/ablation.json"), blank, large);
    ck_assert(ablation_claim(&a, 0, why) == why && !strstr(why, "another ablation"));
    blank[large - 2] = '}';
    put(scratch("read/ablation.json"), blank, large - 1);
    ck_assert(ablation_claim(&a, 0, why) == why && strstr(why, "another ablation"));
    free(blank);
    ablation_close(&a);
}
END_TEST

/* An examination that cannot be sat is said before the training, not after it. */
START_TEST(too_little_for_the_examination_is_said_first)
{
    char text[3000];
    memset(text, 'a', sizeof text);
    put(scratch("short.txt"), text, sizeof text);
    put_plan("\"longest\": 16, ");
    refused(cmd_ablate, placed("@plan.json out=@toolong file=@short.txt"),
            "Arm one: its data hold out too little for an examination in sequences of 512 tokens");
    ck_assert(access(placed("@toolong"), F_OK));
    put_plan("\"longest\": 4, ");
    done(cmd_ablate, placed("@plan.json out=@longenough file=@short.txt"));
}
END_TEST

START_TEST(every_run_has_the_threads_that_are_asked_for)
{
    put_plan("");
    done(cmd_ablate, placed("@plan.json out=@threads seeds=2 threads=3 jobs=1"));
    for (int seed = 1; seed <= 2; seed++) {
        char folder[60];
        snprintf(folder, sizeof folder, "@threads/runs/one-s%d", seed);
        says(file_of(folder, "config.json"), "\"threads\": 3,");
    }
    setenv("OMP_NUM_THREADS", "5", 1);                 /* else the cores, divided by the runs side by side */
    const int cores = sysconf(_SC_NPROCESSORS_ONLN) < 5 ? (int)sysconf(_SC_NPROCESSORS_ONLN) : 5;
    char wanted[60];
    done(cmd_ablate, placed("@plan.json out=@shared seeds=2 jobs=2"));
    snprintf(wanted, sizeof wanted, "\"threads\": %d,", cores > 2 ? cores / 2 : 1);
    says(file_of("@shared/runs/one-s2", "config.json"), wanted);
}
END_TEST

/* A band counts the answers of whole tags: where these begin and end is what it says of itself. */
#define BAND(low, high) "{\"name\": \"plan\", \"bands\": [{\"name\": \"band\", \"from\": " #low ", \"to\": " #high \
                        "}], " ON_TEXT "}"

START_TEST(a_band_says_what_it_counts)
{
    static const struct { int from, to, begins, ends; } of[] = {
        {1, 31, 1, 31}, {1, 50, 1, 31}, {20, 100, 32, 63}, {2, 300, 32, 255}, {32, 63, 32, 63}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        static struct ablation a;
        struct options none = {NULL, 0};
        char text[1000], label[64];
        snprintf(text, sizeof text, BAND(%d, %d), of[i].from, of[i].to);
        ck_assert_msg(!ablation_open(&a, text, &none, why), "%s", why);
        const struct question *q = &a.ask[question_find(&a, "band")];
        snprintf(label, sizeof label, "band, %d-%d back", of[i].begins, of[i].ends);
        ck_assert_msg(!strcmp(q->label, label) && q->from == of[i].begins && q->to == of[i].ends,
                      "from %d to %d: %s, %d to %d", of[i].from, of[i].to, q->label, q->from, q->to);
        ablation_close(&a);
    }
    static struct ablation a;
    struct options none = {NULL, 0};
    ck_assert(ablation_open(&a, BAND(2, 40), &none, why) == why);
    ck_assert_str_eq(why, "Band band: the data text tell no answers apart that were said 2 to 40 tokens back; the "
                          "nearest they do are 1 to 31.");
    ablation_close(&a);
}
END_TEST

/* As many tokens are asked at every length. */
START_TEST(longer_sequences_are_fewer)
{
    static struct ablation a;
    struct options none = {NULL, 0};
    static const char text[] = "{\"name\": \"plan\", \"sequences\": 18, \"longest\": 16, " ON_TEXT "}";
    ck_assert_msg(!ablation_open(&a, text, &none, why), "%s", why);
    static const struct { const char *question; int length, sequences; } of[] = {
        {"loss", 32, 18}, {"loss@4x", 128, 5}, {"loss@16x", 512, 2}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        const int q = question_find(&a, of[i].question);
        ck_assert_msg(q >= 0, "no question %s", of[i].question);
        const struct sitting *s = &a.sitting[a.ask[q].sitting];
        ck_assert_msg(s->length == of[i].length && s->sequences == of[i].sequences, "%s asks %d sequences of %d tokens",
                      of[i].question, s->sequences, s->length);
    }
    ablation_close(&a);
}
END_TEST

/* ---- results.json */

/* What is written of a run is read again, each number in its place. */
START_TEST(a_result_is_read_as_it_was_written)
{
    static struct ablation a;
    static struct outcome r, back;
    char *text, folder[RUN_TEXT + 64];
    size_t size;
    ck_assert_msg(!opened(&a, "", ARMS, NULL, NULL), "%s", why);
    snprintf(a.out, sizeof a.out, "%s", scratch("written"));
    ablation_folder(folder, &a, 1, 0);
    ck_assert(!file_make_folder(folder, why));
    r = (struct outcome){
        .done = 1, .seed = 1, .tokens = 1000, .seconds = 7.5, .parameters = 33, .layers = 2, .points = 1};
    r.curve[0] = (struct ablate_point){1, 11, 12, 13, 14, 15};
    for (int q = 0; q < a.questions; q++)
        r.answer[q] = (struct estimate){q + 0.25, q + 0.5, q + 1};
    for (int k = 0; k < MEASURE_PARTS; k++)
        r.part[k] = 100 + k;
    FILE *f = file_open_text(&text, &size);
    outcome_write(f, &a, 1, &r, " ");
    ck_assert(file_close_text(f, &text));
    put(in_folder(folder, "result.json"), text, size);
    ck_assert_msg(!outcome_read(&back, &a, 1, 0, why), "%s", why);
    ck_assert(back.done && !back.other && back.seed == 1 && back.tokens == 1000 && back.seconds == 7.5 &&
              back.parameters == 33 && back.layers == 2 && back.points == 1);
    for (int q = 0; q < a.questions; q++)
        ck_assert(back.answer[q].value == q + 0.25 && back.answer[q].error == q + 0.5 && back.answer[q].asked == q + 1);
    for (int k = 0; k < MEASURE_PARTS; k++)
        ck_assert(back.part[k] == 100 + k);
    const struct ablate_point *p = &back.curve[0];
    ck_assert(p->step == 1 && p->tokens == 11 && p->loss == 12 && p->memory == 13 && p->near == 14 && p->cells == 15);
    free(text);
    f = file_open_text(&text, &size);       /* another's, of more layers than there is room for */
    fputs("{\"seed\": 1, \"layers\": [{}", f);
    for (int l = 1; l < ABLATE_LAYERS + 2; l++)
        fputs(", {}", f);
    fputs("]}", f);
    ck_assert(file_close_text(f, &text));
    put(in_folder(folder, "result.json"), text, size);
    back = (struct outcome){0};
    ck_assert_msg(!outcome_read(&back, &a, 1, 0, why), "%s", why);
    ck_assert_msg(back.layers == ABLATE_LAYERS, "%d layers, where there is room for %d", back.layers, ABLATE_LAYERS);
    free(text);
    ablation_close(&a);
}
END_TEST

static void is(const struct json *arm, const char *key, double expected)
{
    const struct json *j = json_get(arm, key);
    ck_assert_msg(j && fabs(j->number - expected) <= 1e-9 * fabs(expected), "%s: \"%s\" is %g, not %g",
                  json_get(arm, "name")->text, key, j ? j->number : 0, expected);
}

/* Each arm with its own settings, and what its training costs. */
START_TEST(results_say_what_each_arm_is)
{
    static const char arms[] = "\"arms\": [{\"name\": \"one\", \"role\": \"short\", \"settings\": {\"window\": 4}}, "
                               "{\"name\": \"two\", \"budget\": 3, \"settings\": {\"window\": 8, \"short_window\": 2, "
                               "\"short_probability\": 0.25, \"anneal\": 0.5}}, "
                               "{\"name\": \"three\", \"what\": \"the third\", \"equal_flops\": \"two\", "
                               "\"settings\": {\"mixers\": \"mlstm mlstm\"}}]";
    static struct ablation a;
    ck_assert_msg(!opened(&a, "", arms, NULL, NULL), "%s", why);
    snprintf(a.out, sizeof a.out, "%s", scratch("said"));
    ck_assert(!file_make_folder(a.out, why));
    struct outcome *r = calloc((size_t)(a.arms * a.seeds), sizeof *r);
    ck_assert_msg(!results_write(&a, r, why), "%s", why);
    struct json *root = json_read(placed("@said/results.json"), 1 << 20, why);
    const struct json *one = json_get(root, "arms")->first, *two = one->next, *three = two->next;
    is(one, "steps", 1), is(two, "steps", 3), is(three, "steps", a.run[2].steps);
    is(one, "window", 4), is(two, "window", 8), is(three, "window", 16);
    is(one, "short_window", 0), is(two, "short_window", 2), is(three, "short_window", 0);
    is(one, "short_probability", 0), is(two, "short_probability", 0.25), is(two, "anneal", 0.5), is(one, "anneal", 0);
    for (int i = 0; i < 3; i++)
        is(i == 0 ? one : i == 1 ? two : three, "flops", a.arm[i].flops);
    ck_assert(a.arm[0].flops != a.arm[1].flops && a.run[2].steps > 1);
    ck_assert_str_eq(json_get(one, "mixers")->text, "swa mlstm");
    ck_assert_str_eq(json_get(three, "mixers")->text, "mlstm mlstm");
    ck_assert_str_eq(json_get(three, "what")->text, "the third");
    ck_assert_str_eq(json_get(one, "role")->text, "short");
    ck_assert_str_eq(json_get(three, "equal_flops")->text, "two");
    ck_assert(!json_get(one, "equal_flops") && !json_get(two, "equal_flops"));
    json_free(root), free(r);
    ablation_close(&a);
}
END_TEST

/* ---- pictures */

/* The page of an ablation whose runs all gave the same answer; NaN: none. */
static char *page_with(const char *members, const char *arms, double answer)
{
    static struct ablation a;
    ck_assert_msg(!opened(&a, members, arms, NULL, NULL), "%s", why);
    snprintf(a.out, sizeof a.out, "%s", scratch("pictures"));
    ck_assert(!file_make_folder(a.out, why));
    struct outcome *r = calloc((size_t)a.arms, sizeof *r);
    for (int i = 0; i < a.arms; i++) {
        r[i].done = 1, r[i].points = 2;
        for (int q = 0; q < a.questions; q++)
            r[i].answer[q] = (struct estimate){answer * (1 + 0.01 * a.run[i].windows.window), 0.01, 10};
        for (int k = 0; k < MEASURE_PARTS; k++)
            r[i].part[k] = (double)NAN;
        for (int k = 0; k < 2; k++)
            r[i].curve[k] = (struct ablate_point){k + 1, 100 * (k + 1), (double)NAN, answer, answer, (double)NAN};
    }
    ck_assert_msg(!report_write(&a, r, "swax ablate made-up", why), "%s", why);
    ablation_close(&a);
    free(r);
    return (char *)(size_t)file_of("@pictures", "report.html");
}

static void has_places(const char *page)
{
    static const char *const none[] = {"nan\"", "inf\"", "Mnan", "M-nan", "Minf", "M-inf", "Lnan", "L-nan", "Linf",
                                       "-nan ", "\"nan", "\"inf"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        ck_assert_msg(!strstr(page, none[i]), "a picture has a point without a place: %.60s",
                      strstr(page, none[i]) - 20);
}

START_TEST(a_curve_over_windows_goes_by_their_size)
{
    static const char curve[] = "Memory and short context against the window</title>",
        arms[] = "\"arms\": [{\"name\": \"a\", \"settings\": {\"window\": 16}}, "
                 "{\"name\": \"b\", \"role\": \"short\", \"settings\": {\"window\": 4}}, "
                 "{\"name\": \"c\", \"role\": \"long\", \"settings\": {\"window\": 24}}, "
                 "{\"name\": \"d\", \"settings\": {\"window\": 8}}, "
                 "{\"name\": \"twin\", \"settings\": {\"window\": 8}}, "
                 "{\"name\": \"again\", \"budget\": 3, \"settings\": {\"window\": 8}}, "
                 "{\"name\": \"other-rate\", \"settings\": {\"window\": 12, \"rate\": 0.5}}]";
    const char *page = page_with("\"near\": \"in-short\", ", arms, 0.5), *at = strstr(page, curve);
    ck_assert(at);
    says(at, "0.52 at 4 (0.52 to 0.52), 0.54 at 8 (0.54 to 0.54), 0.58 at 16 (0.58 to 0.58), 0.62 at 24 ");
    has_places(page);
    static const char alike[] = "\"arms\": [{\"name\": \"a\", \"role\": \"short\", \"settings\": {\"window\": 4}}, "
                                "{\"name\": \"b\", \"settings\": {\"window\": 4, \"rate\": 0.5}}, "
                                "{\"name\": \"c\", \"settings\": {\"window\": 4, \"rate\": 0.25}}]";
    page = page_with("\"near\": \"copied-symbol\", ", alike, 0.5);
    ck_assert_msg(!strstr(page, curve), "three arms of one window are a curve over windows");
    has_places(page);
}
END_TEST

START_TEST(a_picture_of_nothing_is_left_out)
{
    const char *page = page_with("\"near\": \"in-short\", ", ARMS, (double)NAN);
    ck_assert_msg(!strstr(page, "Recall against distance"), "nothing was asked, and a picture shows it");
    ck_assert(!strstr(page, "Long memory, while training"));
    has_places(page);
    page = page_with("\"near\": \"in-short\", ", ARMS, 0);
    ck_assert_msg(strstr(page, "Recall against distance") && strstr(page, "Long memory, while training"),
                  "an answer of 0 is an answer");
}
END_TEST

/* A loss of 3.1 is no 310 %, and stands inside its frame. */
START_TEST(what_is_no_share_has_another_axis)
{
    const char *page = page_with("\"memory\": \"loss\", \"near\": \"loss\", ", ARMS, 3.125);
    const char *at = strstr(page, "Short context, while training</title>");
    ck_assert(at);
    at = strstr(at, "<rect width");
    const char *end = strstr(at, "</svg>");
    for (const char *p = at; (p = strstr(p, " %</text>")) && p < end; p++)
        ck_abort_msg("an axis of a loss has per cents: %.40s", p - 30);
    ck_assert_msg(!strstr(page, "Memory and short context against the window"), "losses are no right answers");
    has_places(page);
}
END_TEST

START_TEST(an_axis_without_length_is_given_one)
{
    static const double x[] = {8, 8}, y[] = {0.25, 0.25};
    const struct svg_series s = {.label = "one", .n = 2, .x = x, .y = y};
    for (int log2 = 0; log2 < 2; log2++) {
        char *text;
        size_t size;
        FILE *f = file_open_text(&text, &size);
        svg_lines(f, "t", (struct svg_axis){"x", 8, 8, log2, 0}, (struct svg_axis){"y", 0.25, 0.25, 0, 0}, &s, 1,
                  NULL, 0);
        ck_assert(file_close_text(f, &text));
        has_places(text);
        free(text);
    }
}
END_TEST

int main(void)
{
    scratch_open();
    Suite *s = suite_create("plan");
    TCase *t = tcase_create("plan");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, the_long_window_is_that_of_the_arm_of_that_role);
    tcase_add_test(t, members_that_would_be_left_out_are_refused);
    tcase_add_test(t, files_that_are_no_ablation_are_refused);
    tcase_add_test(t, an_ablation_has_so_many_arms);
    tcase_add_test(t, a_setting_that_every_arm_has_is_not_taken_from_the_line);
    tcase_add_test(t, runs_that_were_asked_other_questions_are_asked_again);
    tcase_add_test(t, rules_that_were_changed_are_not_said_to_have_stood);
    tcase_add_test(t, weights_that_arms_begin_with_are_those_of_the_folder);
    tcase_add_test(t, the_first_setting_that_differs_is_named);
    tcase_add_test(t, what_each_arm_reads_is_known);
    tcase_add_test(t, too_little_for_the_examination_is_said_first);
    tcase_add_test(t, every_run_has_the_threads_that_are_asked_for);
    tcase_add_test(t, a_band_says_what_it_counts);
    tcase_add_test(t, longer_sequences_are_fewer);
    tcase_add_test(t, a_result_is_read_as_it_was_written);
    tcase_add_test(t, results_say_what_each_arm_is);
    tcase_add_test(t, a_curve_over_windows_goes_by_their_size);
    tcase_add_test(t, a_picture_of_nothing_is_left_out);
    tcase_add_test(t, what_is_no_share_has_another_axis);
    tcase_add_test(t, an_axis_without_length_is_given_one);
    suite_add_tcase(s, t);
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
