/* check_verify_meter.c - how far a suite is, to the letter and to the moment, by a clock of the test's own. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/printed.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/lib/clock.h"
#include "tools/verify/meter.h"

static char why[SWAX_WHY];
static double now;

double clock_seconds(void) { return now; }
double clock_processor(void) { return now; }

static void (*step)(struct meter *m);
static void ask(struct meter *m) { meter_step(m, 4, 2); }
static void end(struct meter *m) { meter_end(m); }

static void on_stderr(void *m)
{
    const int err = dup(2);
    fflush(stdout);
    dup2(1, 2);
    step(m);
    dup2(err, 2);
    close(err);
}

static void says(struct meter *m, double at, const char *text)
{
    now = 5000 + at;
    step = ask;
    const char *is = printed_in(on_stderr, m);
    ck_assert_msg(!strcmp(is, text), "after %g s: \"%s\", not \"%s\"", at, is, text);
}

static void ends(struct meter *m, const char *text)
{
    step = end;
    ck_assert_str_eq(printed_in(on_stderr, m), text);
}

/* On a terminal, once a second has passed, and four times a second at most; what was said is taken back. */
START_TEST(a_suite_says_how_far_it_is)
{
    struct plan plan = {.seed = 1, .wish = {.dtype = DT_BF16}};
    struct meter m;
    ck_assert(!subject_find(&plan.subject, "rope", why));
    now = 5000;
    meter_begin(&m, &plan, 9);
    ck_assert(m.terminal == isatty(2) && m.begun == 5000);
    m.terminal = 0;
    says(&m, 100, "");
    ends(&m, "");
    m.terminal = 1;
    says(&m, 0, "");
    says(&m, 0.96875, "");
    ends(&m, "");
    says(&m, 1, "\rrope bf16: case 5 of 9, 2 wrong, 1 s ");
    says(&m, 1.21875, "");
    says(&m, 1.25, "\rrope bf16: case 5 of 9, 2 wrong, 1 s ");
    says(&m, 1.4375, "");
    says(&m, 77, "\rrope bf16: case 5 of 9, 2 wrong, 77 s ");
    says(&m, 77, "");
    ends(&m, "\r\033[K");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("verify_meter");
    TCase *t = tcase_create("meter");
    tcase_add_test(t, a_suite_says_how_far_it_is);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
