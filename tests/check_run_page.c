/* check_run_page.c - the page of a run, from made-up lines of a log, is to the letter the one that is kept.
 *
 * Where it is meant to change, GOLDEN=write build/check_run_page keeps the new one: look at the page, and at the
 * diff. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/lib/files.h"
#include "tools/lib/svg.h"
#include "tools/train/run_page.h"

static char why[SWAX_WHY];

static struct run made_run(const char *out, int steps)
{
    struct run r = run_default();
    const char *const settings[][2] = {{"data", "text"}, {"file", "ref/*.c"}, {"mixers", "swa mlstm mlstm"},
                                       {"width", "16"}, {"heads", "2"}, {"cell_heads", "2"}, {"tier", "ref"}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        ck_assert_msg(!run_set(&r, settings[i][0], settings[i][1], why), "%s", why);
    snprintf(r.out, sizeof r.out, "%s", out);
    r.steps = steps;
    return r;
}

/* Between 0 and 1, and different for everything that has a place of its own. */
static double made_up(int step, int what)
{
    return (double)((step * 5407 + what * 733 + 17) % 997 + 1) / 1000;
}

/* The line of a step: every column has a range of its own.  `look`: what a look adds, or nothing. */
static void put_line(FILE *f, int step, const char *loss, const char *look)
{
    fprintf(f, "{\"step\": %d, \"tokens\": %d, \"loss\": %s, \"gradient_norm\": %.3f, \"rate\": %.6f, \"window\": %d, "
               "\"seconds\": 0.5, \"tokens_per_second\": %.1f%s}\n", step, 1000 * step, loss, 1 + made_up(step, 1),
            0.001 * made_up(step, 2), step % 3 ? 64 : 16, 20000 + 5000 * made_up(step, 3), look);
}

/* The settings, which are config.json's text, are taken out of a page. */
static void without_settings(char *page, const struct run *r)
{
    static const char before[] = "<summary>All settings</summary><pre>";
    char *at = strstr(page, before), *expected, *config = run_json(r, 0);
    size_t size;
    FILE *f = file_open_text(&expected, &size);
    svg_text(f, config);
    ck_assert(file_close_text(f, &expected));
    ck_assert_msg(at && !strncmp(at + strlen(before), expected, size), "the page does not end in the run's settings");
    at += strlen(before);
    memmove(at, at + size, strlen(at + size) + 1);
    free(config), free(expected);
}

/* The page, without the folder's name, the settings, and the time at which it was made. */
static char *page_of(const struct run *r, int step, enum run_page state)
{
    struct run_log l;
    char *page, *path = in_folder(r->out, "run.html"), *at, *shown, *to;
    ck_assert_msg(run_log_open(&l, r->out, why) == RUN_FINISHED, "%s", why);
    ck_assert_msg(!run_page_write(r, &l, step, state, why), "%s", why);
    run_log_close(&l);
    read_whole(path, &page);
    at = strstr(page, "As of ");
    ck_assert_msg(at && strlen(at) > 28 && !strncmp(at + 25, " UTC", 4), "it was made %.40s", at ? at : "never");
    for (int i = 6; i < 25; i++)
        if (at[i] >= '0' && at[i] <= '9')
            at[i] = '0';
    without_settings(page, r);
    shown = to = malloc(strlen(page) + 1);
    for (at = page; *at;)
        if (!strncmp(at, r->out, strlen(r->out)))
            *to++ = '@', at += strlen(r->out);
        else
            *to++ = *at++;
    *to = 0;
    free(page), free(path);
    return scratch_keep(shown);
}

static FILE *log_of(const char *folder)
{
    char *path = in_folder(folder, "log.jsonl");
    ck_assert_msg(!file_make_folder(folder, why), "%s", why);
    FILE *f = fopen(path, "w");
    free(path);
    return f;
}

/* Looks at every other step, five with what the network writes; a step that diverged, one whose looks had one sequence
 * alone, a layer whose cells no longer can be measured, and lines that are none. */
START_TEST(the_page_is_the_one_that_is_kept)
{
    enum { STEPS = 12 };
    static const char *const name[] = {"training", "finished", "stopped", "diverged"};
    char *folder = scratch("run"), look[900], loss[40];
    struct run r = made_run(folder, STEPS + _i);
    FILE *f = log_of(folder);
    fputs("{\"tokens\": 7}\n{\"step\": 0, \"tokens\": 5}\n", f);
    for (int step = 1; step <= STEPS; step++) {
        *look = 0;
        if (step % 2 == 0) {
            int n = snprintf(look, sizeof look, ", \"held_out_loss\": %.4f, \"held_out_error\": ",
                             3 - 0.1 * step + made_up(step, 4));
            n += snprintf(look + n, sizeof look - (size_t)n, step == 6 || _i == 3 ? "null" : "%.4f",
                          made_up(step, 5) / 9);
            n += snprintf(look + n, sizeof look - (size_t)n, ", \"time_constants\": [[1, %.3f, %.3f, %.3f], ",
                          1 + made_up(step, 6), 9 + made_up(step, 7), 90 + made_up(step, 8));
            n += snprintf(look + n, sizeof look - (size_t)n, step == 8 ? "[2, null, null, null]]" : "[2, 0.5, 3, %d]]",
                          500 + step);
            if (step > 2)
                snprintf(look + n, sizeof look - (size_t)n, ", \"sample\": \"<%d> & \\\"so on\\\"\"", step);
        }
        snprintf(loss, sizeof loss, step == 5 ? "null" : "%.4f", 3.2 - 0.1 * step + made_up(step, 9));
        put_line(f, step, loss, look);
    }
    fputs("{\"step\": 99, \"tokens\": 1, \"loss\": 1, \"gradient_norm\": 1, \"rate\": 1, \"window\": 1, "
          "\"tokens_per_second\": 1}\n{\"step\": 9, \"tok", f);
    fclose(f);
    if (_i == 2)
        r.windows.short_window = 16;
    const char *page = page_of(&r, STEPS, (enum run_page)_i);
    if (_i < 2) {
        char golden[40];
        snprintf(golden, sizeof golden, "run_%s.html", name[_i]);
        golden_page_is(golden, page);
    }
    char said[60];
    snprintf(said, sizeof said, "<b>Step %d of %d</b>, %s.", STEPS, STEPS + _i, name[_i]);
    ck_assert_msg(strstr(page, said) != NULL, "the page does not say %s", said);
    ck_assert(!strstr(page, "mean of some steps") == (_i != 2));
    ck_assert(!strstr(page, "every few seconds") == (_i != 0));
    ck_assert(!strstr(page, "</b> &plusmn;") == (_i == 3));
    free(folder);
}
END_TEST

/* A log that has nothing to show, and one whose looks are not numbers. */
START_TEST(a_page_of_nothing_has_no_plot)
{
    char *folder = scratch("empty");
    struct run r = made_run(folder, 5);
    fclose(log_of(folder));
    golden_page_is("run_empty.html", page_of(&r, 0, PAGE_TRAINING));
    free(folder);
}
END_TEST

/* 960 steps share 240 places, four to each; of 901 looks every fourth is kept, and the last; the lowest of all is
 * said, though it is none of these. */
START_TEST(many_steps_share_a_place_and_looks_are_thinned_out)
{
    char *folder = scratch("long"), look[300];
    struct run r = made_run(folder, 960);
    FILE *f = log_of(folder);
    for (int step = 1; step <= 960; step++) {
        snprintf(look, sizeof look, ", \"held_out_loss\": %.3f, \"held_out_error\": 0.01, "
                 "\"time_constants\": [[1, %d, %d, %d]]", step == 31 ? 0.5 : 1 + made_up(step, 4), step, 2 * step,
                 3 * step);
        char loss[20];
        snprintf(loss, sizeof loss, "%d", step);
        put_line(f, step, loss, step <= 901 ? look : "");
    }
    fclose(f);
    const char *page = page_of(&r, 960, PAGE_FINISHED);
    golden_page_is("run_long.html", page);
    ck_assert_msg(strstr(page, "the lowest was 0.5000, after 31 thousand tokens."), "%.300s", strstr(page, "lowest"));
    free(folder);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("run_page");
    TCase *t = tcase_create("run_page");
    tcase_add_loop_test(t, the_page_is_the_one_that_is_kept, 0, 4);
    tcase_add_test(t, a_page_of_nothing_has_no_plot);
    tcase_add_test(t, many_steps_share_a_place_and_looks_are_thinned_out);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
