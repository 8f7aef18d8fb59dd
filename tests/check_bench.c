/* check_bench.c - what `swax bench` prints beside its times: each kernel's usual sizes, operations and bytes, rates
 * that are of the same time, and shares of one peak and one bandwidth; medians, and when a thing has been timed
 * enough. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ref/network/network.h"
#include "ref/oracle/opspec.h"
#include "tests/golden.h"
#include "tests/printed.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/bench/bench.h"
#include "tools/lib/commands.h"
#include "tools/lib/configs.h"
#include "tools/lib/json.h"

static char why[SWAX_WHY];

static struct json *row_of(const char *line)
{
    struct json *j = json_parse(line, strcspn(line, "\n"), why);
    ck_assert_msg(j, "a row is %s: %.200s", why, line);
    return j;
}

static double number(const struct json *row, const char *key)
{
    const struct json *j = json_get(row, key);
    ck_assert_msg(j && j->type == JSON_NUMBER && isfinite(j->number), "a row has no number %s", key);
    return j->number;
}

static const char *word(const struct json *row, const char *key)
{
    const struct json *j = json_get(row, key);
    ck_assert_msg(j && j->type == JSON_STRING, "a row has no %s", key);
    return j->text;
}

/* All rows' shares are of the same number. */
static void same(double *of, double is, const char *what)
{
    *of = *of > 0 ? *of : is;
    ck_assert_msg(fabs(is / *of - 1) < 2e-3, "%s is %g in one row and %g in another", what, *of, is);
}

/* A rate times its time is what was done, but for 1e-4: both have five digits. */
START_TEST(rows_say_what_each_kernel_does)
{
    char *text = printed_by(cmd_bench, "seconds=0 threads=1 json=yes"), *now;
    double peak = 0, bandwidth = 0;
    size_t n;
    int rows = 0;
    FILE *f = open_memstream(&now, &n);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1, rows++) {
        struct json *j = row_of(line);
        const double ms = number(j, "ms"), gflops = number(j, "gflops"), gbs = number(j, "gbs");
        const double share = number(j, "peak_fraction");
        ck_assert(ms > 0 && number(j, "threads") == 1 && !strcmp(word(j, "precision"), "fp32"));
        ck_assert(gflops > 0 || gbs > 0);
        if (share > 1e-2)
            same(gflops > 0 ? &peak : &bandwidth, gflops > 0 ? gflops / share : gbs / share,
                 gflops > 0 ? "the peak" : "the bandwidth");
        fprintf(f, "%s: %s; operations %.7g; bytes %.7g\n", word(j, "op"), word(j, "dims"), ms * gflops * 1e6,
                ms * gbs * 1e6);
        json_free(j);
    }
    fclose(f);
    ck_assert_int_eq(rows, swax_n_ops);
    golden_has("bench.txt", now, 3e-4);
    free(now);
}
END_TEST

START_TEST(a_row_in_words_has_the_rows_numbers)
{
    const char *text = printed_by(cmd_bench, "linear_forward dims=8,6,4 seconds=0 threads=1");
    const char *head = strchr(text, ':'), *row = strchr(text, '\n');
    double ms, gflops, gbs, share, peak, bandwidth;
    ck_assert_msg(head && row && sscanf(head, ": peak %lf GFLOP/s, bandwidth %lf GB/s", &peak, &bandwidth) == 2, "%s",
                  text);
    ck_assert_msg(!strncmp(++row, "linear_forward      N=8 O=6 I=4 ", 32) &&
                      sscanf(row + 32, " %lf ms %lf GFLOP/s %lf GB/s %lf %% of the peak", &ms, &gflops, &gbs,
                             &share) == 4, "%s", row);
    ck_assert_msg(!(peak > 0) || fabs(share - 100 * gflops / peak) < 0.06 + 10 / peak, "%g of %g is %g %%", gflops,
                  peak, share);
    /* float: 8 x 6 outputs, 8 x 4 and 6 x 4 inputs; 2 8 6 4 operations */
    ck_assert_msg(fabs(gbs / gflops / (4 * (48 + 32 + 24) / 384.0) - 1) < 0.1 || gflops < 2, "%s", row);
}
END_TEST

START_TEST(a_step_is_counted_as_the_network_counts)
{
    static const char near[] = "step config=micro length=24 batch=3 window=7 seconds=0 threads=1 json=yes",
                      far[] = "step config=micro length=24 batch=3 window=24 seconds=0 threads=1 json=yes";
    struct json *j = row_of(printed_by(cmd_bench, near)), *longer = row_of(printed_by(cmd_bench, far));
    const double seconds = number(j, "ms_per_step") / 1e3, rate = number(j, "tokens_per_s");
    ck_assert_msg(fabs(rate * seconds / (3 * 24) - 1) < 2e-3, "%g tokens a second in %g s", rate, seconds);
    ck_assert_str_eq(word(j, "config"), "micro");
    ck_assert_msg(fabs(number(j, "gflops") / number(j, "peak_gflops") / number(j, "peak_fraction") - 1) < 2e-3 ||
                      number(j, "peak_gflops") == 0, "the share is another");
    const double each = number(j, "gflops") * 1e9 / rate;
    ck_assert_msg(number(longer, "gflops") * 1e9 / number(longer, "tokens_per_s") > each * 1.001,
                  "the window does not count");
    char *now = NULL;
    size_t n;
    FILE *f = open_memstream(&now, &n);
    fprintf(f, "micro: operations a token %.7g\n", each);
    fclose(f);
    golden_has("bench_step.txt", now, 2e-3);
    free(now), json_free(j), json_free(longer);
}
END_TEST

START_TEST(medians_and_what_is_enough)
{
    double odd[] = {5, 1, 9}, even[] = {4, 1, 8, 2}, one[] = {3};
    ck_assert_double_eq(bench_median(odd, 3), 5);
    ck_assert_double_eq(bench_median(even, 4), 3);
    ck_assert_double_eq(bench_median(one, 1), 3);
    static const struct { int runs; double total; int enough; } of[] = {
        {0, 9, 0}, {4, 9, 0}, {5, 0.99, 0}, {5, 1, 1}, {6, 2, 1}, {9, 0.5, 0}, {10, 0.5, 1}, {11, 0, 1}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        ck_assert_msg(bench_enough(of[i].runs, 5, 10, of[i].total, 1) == of[i].enough, "%d runs in %g s of 1, 5 to 10",
                      of[i].runs, of[i].total);
    const struct bench with = {.peak = 50}, without = {.peak = 0};
    ck_assert(bench_share(&with, 25) == 0.5 && bench_share(&without, 25) == 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bench");
    TCase *t = tcase_create("bench");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, rows_say_what_each_kernel_does);
    tcase_add_test(t, a_row_in_words_has_the_rows_numbers);
    tcase_add_test(t, a_step_is_counted_as_the_network_counts);
    tcase_add_test(t, medians_and_what_is_enough);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
