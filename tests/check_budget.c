/* check_budget.c - an arm trains as long as the ablation's file says: steps, a part of them, or another arm's FLOPs;
 * what is cooled down early made the same steps before; and pages and results say it. */
#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/ablate/ablate.h"
#include "tools/lib/commands.h"
#include "tools/lib/files.h"

static char why[SWAX_WHY];

#define ON_MENTIONS "\"width\": 16, \"heads\": 2, \"cell_heads\": 2, \"mixers\": \"swa mlstm\", \"length\": 64, " \
                    "\"batch\": 4, \"window\": 32, \"tier\": \"ref\", \"data\": \"mentions\""

static const char *open_text(struct ablation *a, const char *settings, const char *arms)
{
    char text[4096];
    struct options none = {NULL, 0};
    snprintf(text, sizeof text, "{\"name\": \"x\", \"settings\": {%s}, \"arms\": [%s]}", settings, arms);
    return ablation_open(a, text, &none, why);
}

/* ---- steps */

static const char arms[] =
    "{\"name\": \"long\"}, {\"name\": \"short\", \"equal_flops\": \"long\", \"settings\": {\"window\": 2}}, "
    "{\"name\": \"drawn\", \"equal_flops\": \"short\", \"settings\": {\"short_window\": 2, \"short_probability\": 0.5, "
    "\"anneal\": 0.2, \"ramp\": 0.4}}, {\"name\": \"tenth\", \"budget\": 0.1, \"settings\": {\"window\": 2}}, "
    "{\"name\": \"more\", \"budget\": 2.5, \"settings\": {\"steps\": 7}}, {\"name\": \"least\", \"budget\": 1e-9}";

START_TEST(an_arm_makes_the_steps_that_its_budget_pays_for)
{
    static struct ablation a;
    ck_assert_msg(!open_text(&a, ON_MENTIONS ", \"steps\": 1003", arms), "%s", why);
    struct swax_config c = a.run[0].model;
    struct data d;
    ck_assert_msg(!data_open(&d, a.run[0].source, NULL, 64, why), "%s", why);
    c.vocabulary = d.vocabulary;
    data_close(&d);
    const double wide = swax_network_flops(&c, 64, 32, 1), narrow = swax_network_flops(&c, 64, 2, 1);
    ck_assert(wide > 1.01 * narrow);
    /* the short window in half of 40 % of the steps, and over 40 % in half of that: 30 % */
    const double drawn = 0.7 * wide + 0.3 * narrow;
    const double expected[] = {1003, round(1003 * wide / narrow), round(round(1003 * wide / narrow) * narrow / drawn),
        100, 18, 1};
    const double token[] = {wide, narrow, drawn, narrow, wide, wide};
    for (int i = 0; i < 6; i++) {
        ck_assert_msg(a.run[i].steps == expected[i], "%s makes %d steps, and %g were to be made", a.arm[i].name,
                      a.run[i].steps, expected[i]);
        ck_assert_msg(fabs(a.arm[i].flops / (token[i] * 64 * 4 * expected[i]) - 1) < 1e-12, "%s: %g FLOPs",
                      a.arm[i].name, a.arm[i].flops);
    }
    ck_assert(a.run[1].steps > 1003 && fabs(a.arm[1].flops / a.arm[0].flops - 1) < 1e-3 && a.arm[1].equal_to == 0 &&
              a.arm[0].equal_to == -1);
    ablation_close(&a);
}
END_TEST

/* Runs that were made with the steps worked out by hand are these. */
START_TEST(files_that_are_built_in_keep_their_steps)
{
    static const struct { const char *name; int steps; } built_in[] = {{"code", 1523}, {"code-small", 6489},
        {"code-smoke", 62}};
    static struct ablation a;
    struct options none = {NULL, 0};
    for (int i = 0; i < 3; i++) {
        char *text = ablate_builtin_text(built_in[i].name, why);
        ck_assert_msg(text && !ablation_open(&a, text, &none, why), "%s", why);
        int arm = 0;
        while (arm < a.arms && strcmp(a.arm[arm].name, "short-flops"))
            arm++;
        ck_assert_int_eq(a.run[arm].steps, built_in[i].steps);
        ck_assert_msg(fabs(a.arm[arm].flops / a.arm[a.arm[arm].equal_to].flops - 1) < 0.5 / built_in[i].steps, "%s",
                      built_in[i].name);
        ablation_close(&a);
        free(text);
    }
}
END_TEST

START_TEST(every_file_that_is_built_in_opens)
{
    static struct ablation a;
    struct options none = {NULL, 0};
    ck_assert(ablate_builtin[0].name);
    for (int i = 0; ablate_builtin[i].name; i++) {
        char *text = ablate_builtin_text(ablate_builtin[i].name, why);
        ck_assert_msg(text && !ablation_open(&a, text, &none, why), "%s: %s", ablate_builtin[i].name, why);
        ck_assert_str_eq(a.name, ablate_builtin[i].name);
        for (int arm = 0; arm < a.arms; arm++)
            ck_assert_msg(a.arm[arm].flops > 0, "%s, arm %s: it takes %g FLOPs", a.name, a.arm[arm].name,
                          a.arm[arm].flops);
        ablation_close(&a);
        free(text);
    }
}
END_TEST

/* The three runs of a window are branches of one only if each warms up for as many steps. */
START_TEST(decay_has_branches_of_one_run)
{
    static const int steps[] = {350, 350, 700, 700, 1400, 1400};
    static struct ablation a;
    struct options none = {NULL, 0};
    char *text = ablate_builtin_text("code-decay", why);
    ck_assert_msg(text && !ablation_open(&a, text, &none, why) && a.arms == 6, "%s", why);
    for (int i = 0; i < a.arms; i++) {
        const struct run *r = &a.run[i];
        ck_assert_msg(r->steps == steps[i] && r->warmup * r->steps == 70, "%s: %d steps, %.17g of them to warm up",
                      a.arm[i].name, r->steps, r->warmup * r->steps);
        ck_assert(r->schedule == SCHEDULE_WSD && r->windows.window == (i % 2 ? 512 : 32) && !r->windows.short_window);
    }
    ablation_close(&a);
    free(text);
}
END_TEST

static const struct { const char *settings, *arms, *says; } bad[] = {
    {"", "{\"name\": \"a\", \"budget\": 0}", "Arm a: its budget"}, {"", "{\"name\": \"a\", \"budget\": \"0.5\"}",
        "Arm a: its budget"},
    {"", "{\"name\": \"a\", \"budget\": -1}", "Arm a: its budget"}, {"", "{\"name\": \"a\", \"budget\": 1001}",
        "Arm a: its budget"},
    {", \"steps\": 2000000", "{\"name\": \"a\", \"budget\": 1000}", "2e+09 steps"},
    {"", "{\"name\": \"a\", \"equal_flops\": \"b\"}, {\"name\": \"b\"}",
        "Arm a: equal_flops names an arm that stands before"},
    {"", "{\"name\": \"a\", \"equal_flops\": \"a\"}", "Arm a: equal_flops names"}, {"",
        "{\"name\": \"a\", \"equal_flops\": 3}", "Arm a: equal_flops names"},
    {"", "{\"name\": \"a\"}, {\"name\": \"b\", \"equal_flops\": \"a\", \"budget\": 2}",
        "Arm b: budget and equal_flops"},
    {"", "{\"name\": \"a\", \"equal_flop\": \"b\"}", "did you mean equal_flops?"},
    {", \"data\": \"shards\", \"file\": \"no/such/file\"",
        "{\"name\": \"a\"}, {\"name\": \"b\", \"equal_flops\": \"a\"}", "say vocabulary="},
    {", \"data\": \"mixture\", \"part_1\": \"0.5 text file=no/such/file\", "
     "\"part_2\": \"0.5 shards file=no/such/file\"",
        "{\"name\": \"a\"}, {\"name\": \"b\", \"equal_flops\": \"a\"}", "say vocabulary="},
    {", \"data\": \"mixture\", \"part_1\": \"0.5 text file=no/such/file\", \"part_2\": \"0.5 niha\"",
        "{\"name\": \"a\"}", "part_2: behind the weight stands the name of a source"},
    {", \"data\": \"mixture\", \"part_1\": \"0.5 copy symbols=0\"", "{\"name\": \"a\"}", "part_1: symbols=0"},
    /* what is each run's own */
    {", \"seed\": 4", "{\"name\": \"a\"}", "Settings of the ablation: \"seed\" is no setting"},
    {", \"out\": \"here\"", "{\"name\": \"a\"}", "\"out\" is no setting"},
    {", \"resume\": true", "{\"name\": \"a\"}", "\"resume\" is no setting"},
    {"", "{\"name\": \"a\", \"settings\": {\"minutes\": 2}}", "Settings of a: \"minutes\" is no setting"},
};

/* Files need not lie there for it. */
START_TEST(a_mixture_has_the_largest_vocabulary_of_its_parts)
{
    static const struct { const char *part[2]; int expected; } asked[] = {
        {{"0.9 text file=no/such/file", "0.1 copy symbols=5"}, 256},
        {{"0.9 copy symbols=5", "0.1 text file=no/such/file"}, 256},
        {{"0.5 copy symbols=700", "0.5 text file=no/such/file"}, 703}, {{"1 copy symbols=5", ""}, 8},
        {{"0.5 text file=no/such/file", "0.5 shards file=no/such/file"}, 0},
        {{"0.5 shards file=no/such/file", "0.5 niah"}, 0},
    };
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        const char *value[SOURCE_KEYS] = {asked[i].part[0], asked[i].part[1]};
        int vocabulary = -1;
        ck_assert_msg(!data_foresee(source_find("mixture"), value, 64, &vocabulary, why), "%s", why);
        ck_assert_msg(vocabulary == asked[i].expected, "%s and %s: %d", asked[i].part[0], asked[i].part[1], vocabulary);
    }
}
END_TEST

/* The windows that the page speaks of are those of the arms that have the roles, wherever their settings stand. */
START_TEST(the_long_window_is_that_of_the_long_arm)
{
    static struct ablation a;
    static const char settings[] = "\"width\": 16, \"heads\": 2, \"cell_heads\": 2, \"length\": 256";
    ck_assert_msg(!open_text(&a, settings, "{\"name\": \"a\", \"role\": \"short\", \"settings\": {\"window\": 4}}, "
                                           "{\"name\": \"b\", \"role\": \"long\", \"settings\": {\"window\": 16}}"),
                  "%s", why);
    ck_assert_msg(a.short_window == 4 && a.long_window == 16, "%d and %d", a.short_window, a.long_window);
    ablation_close(&a);
}
END_TEST

START_TEST(budgets_that_say_nothing_are_refused)
{
    static struct ablation a;
    char settings[600];
    snprintf(settings, sizeof settings, "\"width\": 16, \"heads\": 2, \"cell_heads\": 2, \"length\": 64%s",
             bad[_i].settings);
    ck_assert_msg(open_text(&a, settings, bad[_i].arms) && strstr(why, bad[_i].says) && is_sentence(why), "%s: %s",
                  bad[_i].arms, why);
    ablation_close(&a);
}
END_TEST

/* ---- branches of one run */

static const char branches[] =
    "{\"name\": \"branches\", \"sequences\": 8, \"points\": 2, \"settings\": {" ON_MENTIONS
    ", \"steps\": 40, \"warmup\": 0.1, "
    "\"schedule\": \"wsd\", \"rate\": 0.01, \"short_window\": 0},\n"
    " \"arms\": [{\"name\": \"whole\", \"role\": \"long\"}, {\"name\": \"brief\", "
    "\"budget\": 0.5, \"settings\": {\"warmup\": 0.2}},\n"
    "  {\"name\": \"paid\", \"equal_flops\": \"whole\", \"settings\": {\"window\": 2}}]}\n";

static char *file_of(const char *folder, const char *name)
{
    size_t size;
    char *text = file_read(in_folder(folder, name), 1 << 24, &size, why);
    ck_assert_msg(text, "%s", why);
    return text;
}

/* The loss of a step, as log.jsonl has it: its digits. */
static void loss_of(const char *log, int step, char digits[40])
{
    char line[40];
    snprintf(line, sizeof line, "{\"step\":%d,", step);
    const char *at = strstr(log, line);
    ck_assert_msg(at && (at = strstr(at, "\"loss\":")), "log.jsonl has no step %d", step);
    snprintf(digits, 40, "%.*s", (int)strcspn(at + 7, ","), at + 7);
}

START_TEST(what_is_cooled_down_early_is_a_branch)
{
    char *folder = scratch("branches"), *file = scratch("branches.json"), out[700], *argv[] = {file, out, "jobs=1"},
        a[40], b[40];
    put(file, branches, strlen(branches));
    snprintf(out, sizeof out, "out=%s", folder);
    fflush(NULL);
    const pid_t pid = fork();
    int status;
    if (!pid) {
        dup2(open("/dev/null", O_WRONLY), 1);
        _exit(cmd_ablate(3, argv));
    }
    ck_assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status));
    char *whole = file_of(folder, "runs/whole-s1/log.jsonl"), *brief = file_of(folder, "runs/brief-s1/log.jsonl");
    /* step 17 of 20 is the first of a fifth that falls: its weights, and so its loss, are still the whole run's */
    for (int step = 1; step <= 20; step++) {
        loss_of(whole, step, a), loss_of(brief, step, b);
        ck_assert_msg(!strcmp(a, b) == (step <= 17), "step %d: %s in the whole run, %s in its branch", step, a, b);
    }
    char *page = file_of(folder, "report.html"), *results = file_of(folder, "results.json"), says[200];
    static struct ablation plan;
    struct options none = {NULL, 0};
    ck_assert_msg(!ablation_open(&plan, branches, &none, why), "%s", why);
    snprintf(says, sizeof says, "; %d steps, which take as many FLOPs as the 40 of whole: %.5g against %.5g",
             plan.run[2].steps, plan.arm[2].flops,
             plan.arm[0].flops);
    ck_assert_msg(plan.run[2].steps > 40 && strstr(page, says), "the page does not say: %s", says);
    ck_assert(strstr(page, "; 0.5 times the steps: 20") && strstr(page, "FLOPs</th>"));
    ck_assert(strstr(results, "\"equal_flops\": \"whole\""));
    /* and the page of a run of an ablation has what the page of any run has */
    static const char *const shown[] = {"held out", "Held-out loss <b>", "How long the cells remember"};
    char *run = file_of(folder, "runs/brief-s1/run.html");
    for (int i = 0; i < 3; i++)
        ck_assert_msg(strstr(run, shown[i]), "run.html of a run of an ablation lacks: %s", shown[i]);
    ablation_close(&plan);
    free(whole), free(brief), free(page), free(results), free(run);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("budget");
    TCase *t = tcase_create("budget");
    tcase_set_timeout(t, 240);
    tcase_add_test(t, an_arm_makes_the_steps_that_its_budget_pays_for);
    tcase_add_test(t, files_that_are_built_in_keep_their_steps);
    tcase_add_test(t, every_file_that_is_built_in_opens);
    tcase_add_test(t, decay_has_branches_of_one_run);
    tcase_add_test(t, a_mixture_has_the_largest_vocabulary_of_its_parts);
    tcase_add_test(t, the_long_window_is_that_of_the_long_arm);
    tcase_add_loop_test(t, budgets_that_say_nothing_are_refused, 0, sizeof bad / sizeof *bad);
    tcase_add_test(t, what_is_cooled_down_early_is_a_branch);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
