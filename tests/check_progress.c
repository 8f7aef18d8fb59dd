/* check_progress.c - what a run says of its progress, to the letter, by a clock of the test's own: on a terminal of any
 * width, and where there is none.
 *
 * Where it is meant to change, GOLDEN=write build/check_progress keeps the new lines: look at the diff. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden.h"
#include "tests/printed.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/lib/clock.h"
#include "tools/train/progress.h"

static double now, pace;             /* of about so many thousand tokens a second */

double clock_seconds(void) { return now; }
double clock_processor(void) { return 0; }

struct made_up {
    int live, columns, done, steps;
    double seconds;                  /* a step */
    double peak;                     /* as many times what a thousand tokens a second take; 0: not known */
    int looks, samples;              /* at every so many-th step; 0: at none */
};

static const char letters[] = "abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz abcdefghijklmnopqrstuvwxyz "
                              "abcdefghijklmnopqrstuvwxyz",
                  *const writes[] = {"  two  lines\n\tof   it \x01\x7f and \xc3\xbc~", "", letters, " "};

static void make_up(void *arg)
{
    const struct made_up *m = arg;
    struct run r = run_default();
    struct progress p;
    char why[SWAX_WHY];
    ck_assert(!run_set(&r, "data", "text", why) && !run_set(&r, "vocabulary", "256", why) &&
              !run_set(&r, "length", "64", why));
    now = 500;
    progress_open(&p, m->done, m->steps, m->peak * 1000 * swax_network_flops(&r.model, 64, 64, 1), m->seconds);
    p.live = m->live, p.columns = m->columns;
    for (int step = m->done + 1; step <= m->steps; step++) {
        const int looks = m->looks && step % m->looks == 0, samples = m->samples && step % m->samples == 0;
        const char *sample = samples ? writes[step / m->samples % 4] : NULL;
        const struct run_point q = {.step = step, .window = step % 2 ? 64 : 16, .loss = 5 - 4.0 * step / m->steps,
                                    .tokens_per_second = (900 + 100 * (step % 3)) * pace,
                                    .held_out = looks ? 4 - 3.0 * step / m->steps : (double)NAN,
                                    .held_out_error = looks && step != m->looks ? 0.125 : (double)NAN,
                                    .sample = sample, .sample_bytes = sample ? strlen(sample) : 0};
        progress_step(&p, &r, &q);
        now += m->seconds;
    }
    progress_close(&p);
    progress_close(&p);                                                           /* nothing more */
}

static const struct made_up of[] = {
    {0, 0, 0, 19, 0.0625, 0, 0, 0}, {0, 0, 0, 21, 0.0625, 1, 5, 10}, {0, 0, 0, 61, 70, 0, 20, 30},
    {0, 0, 7, 9, 1300, 1, 1, 0}, {0, 0, 0, 2, 0.25, 3, 1, 1}, {0, 80, 0, 4, 4e6, 0, 2, 1},
    {1, 0, 0, 12, 0.03125, 1, 4, 4}, {1, 200, 0, 12, 0.03125, 1, 4, 4}, {1, 120, 0, 4, 0.1875, 1, 1, 1},
    {1, 100, 0, 4, 0.1875, 1, 2, 1}, {1, 80, 0, 4, 0.1875, 0, 1, 1}, {1, 60, 0, 4, 0.1875, 1, 1, 1},
    {1, 59, 0, 4, 0.1875, 1, 1, 1}, {1, 40, 0, 40, 1, 0, 20, 20}, {1, 13, 0, 3, 3600, 0, 1, 1},
    {1, 1, 0, 2, 1, 0, 1, 1}, {1, 200, 0, 3, 0.09375, 0, 0, 0}, {1, 200, 0, 3, 0.1015625, 0, 0, 0},
    {1, 200, 5, 5, 1, 0, 0, 0}, {0, 0, 0, 3, 59.5, 0, 0, 0}, {0, 0, 0, 2, 3599, 0, 0, 0}, {0, 0, 0, 2, 3600, 0, 0, 0},
    {0, 0, 0, 40, 1, 0, 0, 0}, {0, 0, 0, 39, 1, 0, 0, 0},
    /* of the paces below */
    {0, 0, 0, 4, 1, 0, 0, 0}, {0, 0, 0, 3, 1, 1, 0, 0}, {0, 0, 0, 3, 1, 0, 0, 0}};
enum { ROWS = sizeof of / sizeof *of, PACES = 3 };
static const double paces[PACES] = {0.75 / 1024, 512, 9.75};

START_TEST(progress_is_said_as_ever)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    for (int i = 0; i < ROWS; i++) {
        struct made_up m = of[i];
        pace = i < ROWS - PACES ? 1 : paces[i - ROWS + PACES];
        fprintf(f, "-- %s of %d columns, %d to %d steps of %g s\n", m.live ? "terminal" : "none", m.columns, m.done,
                m.steps, m.seconds);
        for (const char *s = printed_in(make_up, &m); *s; s++)
            if (*s == '\r')
                fputs("<first column>", f);
            else if (*s == '\033')
                fputs("<escape>", f);
            else
                putc(*s, f);
        fputs(m.live ? "<end>\n" : "", f);
    }
    fclose(f);
    golden_is("progress.txt", text, 0);
    free(text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("progress");
    TCase *t = tcase_create("progress");
    tcase_add_test(t, progress_is_said_as_ever);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
