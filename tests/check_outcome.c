/* check_outcome.c - one run of an ablation: it may be stopped behind any step and is never taken for finished, its
 * curve loses no point, and a curve is of one question; it is of one process. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/ablate/ablate.h"
#include "tools/lib/files.h"
#include "tools/lib/json.h"
#include "tools/lib/options.h"

enum { STEPS = 8, POINTS = 3 };

static char why[SWAX_WHY];
static struct ablation a;

static void opened(const char *folder, int sequences, const char *memory, const char *near, int seeds)
{
    char plan[2000];
    struct options none = {NULL, 0};
    snprintf(plan, sizeof plan,
             "{\"name\": \"outcome\", \"sequences\": %d, \"points\": %d, \"memory\": \"%s\", \"near\": \"%s\", "
             "\"settings\": {\"mixers\": \"swa mlstm\", \"width\": 16, \"heads\": 2, \"cell_heads\": 2, "
             "\"cell_key_dim\": 4, \"length\": 64, \"batch\": 2, \"steps\": %d, \"window\": 16, \"tier\": \"ref\", "
             "\"held_out_sequences\": 0, \"data\": \"mentions\", \"keys\": 4, \"key_symbols\": 4, \"values\": 2, "
             "\"typed\": 0, \"filler\": 1, \"copies\": 0}, "
             "\"arms\": [{\"name\": \"one\", \"role\": \"short\", \"settings\": {\"window\": 4}}]}",
             sequences, POINTS, memory, near, STEPS);
    ck_assert_msg(!ablation_open(&a, plan, &none, why), "%s", why);
    snprintf(a.out, sizeof a.out, "%s", folder);
    a.seeds = seeds;
    ck_assert_msg(!ablation_claim(&a, 0, why), "%s", why);
}

static int stop_at(void *arg, int step) { return step == *(int *)arg; }

static enum outcome_end make(int seed, int stop)
{
    return outcome_make(&a, 0, seed, 1, stop_at, &stop, why);
}

static char *of_run(const char *name)
{
    char folder[RUN_TEXT + 64];
    ablation_folder(folder, &a, 0, 0);
    return scratch_keep(in_folder(folder, name));
}

static char *contents(const char *path)
{
    char *text;
    read_whole(path, &text);
    return scratch_keep(text);
}

static const struct outcome *read_back(int seed)
{
    static struct outcome r[4];
    ck_assert_msg(!outcome_read(&r[seed], &a, 0, seed, why), "%s", why);
    return &r[seed];
}

static void same_curve(const struct outcome *r, const struct outcome *whole, const char *what, int step)
{
    ck_assert_msg(r->points == whole->points, "%s %d: %d points, not %d", what, step, r->points, whole->points);
    for (int i = 0; i < r->points; i++) {
        const struct ablate_point *p = &r->curve[i], *q = &whole->curve[i];
        ck_assert_msg(p->step == q->step && p->tokens == q->tokens && p->loss == q->loss && p->memory == q->memory &&
                          p->near == q->near && p->cells == q->cells,
                      "%s %d: point %d is (%d, %g, %g, %g, %g, %g), not (%d, %g, %g, %g, %g, %g)", what, step, i,
                      p->step, p->tokens, p->loss, p->memory, p->near, p->cells, q->step, q->tokens, q->loss,
                      q->memory, q->near, q->cells);
    }
}

/* Stands in for the C library's: from now on no lock can be had, for this reason; 0: as ever. */
static int no_lock;

int fcntl(int fd, int command, ...)
{
    va_list v;
    va_start(v, command);
    void *arg = va_arg(v, void *);
    va_end(v);
    if (command == F_SETLK && no_lock)
        return errno = no_lock, -1;
    return (int)syscall(SYS_fcntl, fd, command, arg);
}

static const char *end_name(enum outcome_end end)
{
    static const char *const name[] = {[OUTCOME_DONE] = "done", [OUTCOME_STOPPED] = "stopped",
                                       [OUTCOME_BUSY] = "busy", [OUTCOME_FAILED] = "failed"};
    return name[end];
}

/* One step more of it. */
static void ends(int seed, enum outcome_end expected, const char *says)
{
    static int step;
    *why = 0;
    const enum outcome_end end = make(seed, ++step);
    ck_assert_msg(end == expected && (!*says || strstr(why, says)), "it is %s and not %s: %s", end_name(end),
                  end_name(expected), why);
}

/* Where another process has a run's lock, where no lock can be had, and where there is none of its files.  A file
 * system without locks is no reason. */
START_TEST(a_run_is_of_one_process)
{
    static const int none[] = {ENOLCK, ENOSYS, EINVAL, EOPNOTSUPP}, taken[] = {EACCES, EAGAIN};
    opened(scratch("locked"), 9, "beyond", "in-short", 3);
    const int before = dup(1);
    for (int i = 0; i < 4; i++) {
        no_lock = none[i];
        ends(0, OUTCOME_STOPPED, "");
    }
    for (int i = 0; i < 2; i++) {
        no_lock = taken[i];
        ends(0, OUTCOME_BUSY, "");
    }
    no_lock = EIO;
    ends(0, OUTCOME_FAILED, "runs/one-s1/lock cannot be locked: ");
    no_lock = 0;
    char folder[RUN_TEXT + 64];
    ablation_folder(folder, &a, 0, 1);
    ck_assert(!file_make_folder(folder, why) && !file_make_folder(in_folder(folder, "lock"), why));
    ends(1, OUTCOME_FAILED, "runs/one-s2/lock cannot be opened: ");
    ablation_folder(folder, &a, 0, 2);
    put(folder, "", 0);
    ends(2, OUTCOME_FAILED, "runs/one-s3");
    const int after = dup(1);
    ck_assert_msg(after == before + 1, "a lock is left open: %d and %d", before, after);
    close(before), close(after);
    ablation_close(&a);
}
END_TEST

/* What making the run of seed 2 as far as a step says, on that tier. */
static const char *said_on(const char *tier, int stop)
{
    char *said;
    snprintf(a.run[0].tier, sizeof a.run[0].tier, "%s", tier);
    fflush(stderr);
    const int err = dup(2), to = open(scratch("said"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(to, 2);
    const enum outcome_end end = make(1, stop);
    dup2(err, 2);
    close(err), close(to);
    ck_assert_msg(end == OUTCOME_STOPPED, "on %s: %s", tier, why);
    read_whole(scratch("said"), &said);
    return said;
}

/* ---- the trial of the first run */

/* Stands in for the C library's: no process can be started. */
static int no_fork;

#ifdef __GLIBC__
pid_t __fork(void);

pid_t fork(void) { return no_fork ? (errno = EAGAIN, -1) : __fork(); }
#endif

static int opens;

/* Stand in for a source's own, in the process that tries: it is killed, or ends there with this status. */
static void *open_and_end(const char *const *value, int T, char *to)
{
    (void)value, (void)T, (void)to;
    if (opens < 0)
        kill(getpid(), SIGKILL);
    _exit(opens);
}

START_TEST(a_run_is_tried_in_a_process_of_its_own)
{
    static struct source ends;
    struct run r = run_default();
    int status;
    static const char *const settings[][2] = {{"data", "copy"}, {"span", "2"}, {"length", "16"}, {"width", "8"},
                                              {"heads", "1"}, {"cell_heads", "1"}, {"batch", "1"}, {"tier", "ref"}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        ck_assert_msg(!run_set(&r, settings[i][0], settings[i][1], why), "%s", why);
    const int before = dup(1);
    const struct source *ours = r.source;
    ends = *ours;
    ends.open = open_and_end;
    r.source = &ends;
    static const struct { int status; enum ablation_trial trial; } of[] = {
        {-1, ABLATION_REFUSED}, {ABLATION_REFUSED, ABLATION_REFUSED}, {ABLATION_ON_HOST, ABLATION_ON_HOST},
        {ABLATION_ON_DEVICE, ABLATION_ON_DEVICE}, {ABLATION_ON_SHARED_DEVICE, ABLATION_ON_SHARED_DEVICE}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        opens = of[i].status;
        strcpy(why, "before");
        const enum ablation_trial trial = ablation_try(&r, why);
        ck_assert_msg(trial == of[i].trial, "status %d is taken for %d: %s", of[i].status, (int)trial, why);
        ck_assert_msg(!strcmp(why, trial == ABLATION_REFUSED ? "The first run could not be tried: no process could be "
                                                               "started, or it crashed." : ""), "%s", why);
    }
    r.source = ours;
    ck_assert_msg(ablation_try(&r, why) == ABLATION_ON_HOST && !*why, "%s", why);
    strcpy(r.tier, "gpu");
    ck_assert(ablation_try(&r, why) == ABLATION_REFUSED);
    ck_assert_msg(strstr(why, "no tier is called gpu"), "%s", why);
    strcpy(r.tier, "ref");
#ifdef __GLIBC__
    no_fork = 1;
    const enum ablation_trial none = ablation_try(&r, why);
    no_fork = 0;
    ck_assert(none == ABLATION_REFUSED);
    ck_assert_str_eq(why, "The first run could not be tried: no process could be started, or it crashed.");
#endif
    const int after = dup(1);
    ck_assert_msg(after == before + 1, "a pipe is left open: %d and %d", before, after);
    ck_assert_msg(waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD, "a process is left behind");
    close(before), close(after);
}
END_TEST

/* Bits differ between tiers: a run that goes on on another one says so, once. */
START_TEST(a_run_that_changes_its_tier_says_so)
{
    static const char format[] = "swax: one, seed 2: was trained on %s: on %s its bits may differ from those of a run "
                                 "that stayed on one tier\n";
    char wanted[300], both[60];
    const struct swax_tier *other = NULL;
    for (int t = 1; t < swax_n_tiers && !other; t++)
        other = swax_tiers[t]->usable() && !swax_tiers[t]->memory ? swax_tiers[t] : NULL;
    if (!other) {
        printf("left out: this machine has one tier\n");
        return;
    }
    opened(scratch("tiers"), 9, "beyond", "in-short", 2);
    const char *said = said_on("ref", 2);
    ck_assert_msg(!*said, "of one tier it says '%s'", said);
    said = said_on("ref", 3);
    ck_assert_msg(!*said, "of one tier it says '%s'", said);
    said = said_on(other->name, 5);
    snprintf(wanted, sizeof wanted, format, "ref", other->name);
    ck_assert_msg(!strcmp(said, wanted), "it says '%s' and not '%s'", said, wanted);
    said = said_on("ref", 7);
    snprintf(both, sizeof both, "ref %s", other->name);
    snprintf(wanted, sizeof wanted, format, both, "ref");
    ck_assert_msg(!strcmp(said, wanted), "it says '%s' and not '%s'", said, wanted);
    ablation_close(&a);
}
END_TEST

/* Where a point is due, also with the curve as it was one step before: so a crash between the two files leaves it. */
START_TEST(a_run_that_is_stopped_is_not_done_and_keeps_its_curve)
{
    opened(scratch("whole"), 9, "beyond", "in-short", 1);
    ck_assert_msg(make(0, 0) == OUTCOME_DONE, "%s", why);
    const struct outcome whole = *read_back(0);
    ck_assert(whole.done && whole.points == POINTS && whole.curve[POINTS - 1].step == STEPS);
    ck_assert(whole.curve[0].memory >= 0 && whole.curve[0].near >= 0 && whole.curve[0].cells > 0);
    ablation_close(&a);
    for (int step = 1; step < STEPS; step++)
        for (int crashed = 0; crashed <= (step * POINTS / STEPS > (step - 1) * POINTS / STEPS); crashed++) {
            char name[40], *before = NULL;
            snprintf(name, sizeof name, "stopped-%d-%d", step, crashed);
            opened(scratch(name), 9, "beyond", "in-short", 1);
            if (crashed) {
                ck_assert(make(0, step - 1) == OUTCOME_STOPPED);
                before = access(of_run("curve.json"), F_OK) ? scratch_keep(strdup("")) : contents(of_run("curve.json"));
            }
            ck_assert_msg(make(0, step) == OUTCOME_STOPPED, "stopped behind step %d it is not stopped", step);
            ck_assert_msg(access(of_run("result.json"), F_OK), "stopped behind step %d it has a result", step);
            if (before)
                put(of_run("curve.json"), before, strlen(before));
            ck_assert_msg(make(0, 0) == OUTCOME_DONE, "%s", why);
            const struct outcome *r = read_back(0);
            ck_assert(r->done && r->answer[a.loss].value == whole.answer[a.loss].value);
            same_curve(r, &whole, "stopped behind step", step);
            ablation_close(&a);
        }
}
END_TEST

/* Asked other questions, a finished run can say them of its last step alone: what the others answered is not kept. */
START_TEST(a_curve_is_of_one_question)
{
    static const struct { int sequences; const char *memory, *near; int loss, far, close; } of[] = {
        {9, "beyond", "in-short", 1, 1, 1}, {9, "beyond", "in-long", 1, 1, 0}, {9, "whole", "in-short", 1, 0, 1},
        {12, "beyond", "in-short", 0, 0, 0}, {9, "loss", "loss", 1, 0, 0}};
    struct outcome whole[2] = {{0}, {0}};
    opened(scratch("asked"), 9, "beyond", "in-short", 1);
    ck_assert_msg(make(0, 0) == OUTCOME_DONE, "%s", why);
    whole[0] = *read_back(0);
    ablation_close(&a);
    char *kept = contents(of_run("curve.json")), *first = contents(of_run("result.json"));
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char name[40];
        snprintf(name, sizeof name, "fresh-%zu", i);
        opened(scratch(name), of[i].sequences, of[i].memory, of[i].near, 1);
        ck_assert_msg(make(0, 0) == OUTCOME_DONE, "%s", why);
        whole[1] = *read_back(0);
        ablation_close(&a);
        opened(scratch("asked"), of[i].sequences, of[i].memory, of[i].near, 1);
        put(of_run("curve.json"), kept, strlen(kept));
        put(of_run("result.json"), first, strlen(first));
        ck_assert_msg(make(0, 0) == OUTCOME_DONE, "%s", why);
        const struct outcome *r = read_back(0);
        ck_assert_int_eq(r->points, POINTS);
        for (int p = 0; p < POINTS; p++) {
            const struct ablate_point *there = &r->curve[p], *fresh = &whole[1].curve[p];
            const int last = p == POINTS - 1;
            ck_assert_msg(there->loss == fresh->loss || (isnan(there->loss) && !of[i].loss && !last),
                          "%zu: the loss at point %d is %g, not %g", i, p, there->loss, fresh->loss);
            ck_assert_msg(there->memory == fresh->memory || (isnan(there->memory) && !of[i].far && !last),
                          "%zu: memory at point %d is %g, not %g", i, p, there->memory, fresh->memory);
            ck_assert_msg(there->near == fresh->near || (isnan(there->near) && !of[i].close && !last),
                          "%zu: near at point %d is %g, not %g", i, p, there->near, fresh->near);
            ck_assert(there->cells == fresh->cells && there->step == fresh->step);
            ck_assert(!of[i].loss || there->loss == fresh->loss);
            ck_assert(!of[i].far || there->memory == fresh->memory);
            ck_assert(!of[i].close || there->near == fresh->near);
        }
        ablation_close(&a);
    }
}
END_TEST

/* One that was under way goes on, and what it was asked before is not kept either. */
START_TEST(a_curve_under_way_is_of_one_question)
{
    opened(scratch("fresh"), 12, "beyond", "in-short", 1);
    ck_assert_msg(make(0, 0) == OUTCOME_DONE, "%s", why);
    const struct outcome fresh = *read_back(0);
    ablation_close(&a);
    opened(scratch("under-way"), 9, "beyond", "in-short", 1);
    ck_assert(make(0, STEPS / 2) == OUTCOME_STOPPED);
    ablation_close(&a);
    opened(scratch("under-way"), 12, "beyond", "in-short", 1);
    ck_assert_msg(make(0, 0) == OUTCOME_DONE, "%s", why);
    const struct outcome *r = read_back(0);
    ck_assert_int_eq(r->points, POINTS);
    for (int p = 0; p < POINTS; p++)
        if (r->curve[p].step < STEPS / 2)
            ck_assert(isnan(r->curve[p].memory) && isnan(r->curve[p].near) && isnan(r->curve[p].loss) &&
                      r->curve[p].cells == fresh.curve[p].cells);
        else
            ck_assert(r->curve[p].memory == fresh.curve[p].memory && r->curve[p].near == fresh.curve[p].near &&
                      r->curve[p].loss == fresh.curve[p].loss);
    ablation_close(&a);
}
END_TEST

/* What an older swax left does not say what it was asked: it is taken where the result is, and not where the result
 * was asked other questions. */
START_TEST(a_curve_of_an_older_swax_is_of_its_result)
{
    static struct outcome r;
    static const char text[] = "{\"curve\": [{\"step\": 3, \"tokens\": 1, \"loss\": 2, \"memory\": 0.5, "
                               "\"near\": 0.25, "
                               "\"cells_gradient\": 0.125}]}";
    struct json *j = json_parse(text, strlen(text), why);
    opened(scratch("older"), 9, "beyond", "in-short", 1);
    ck_assert_int_eq(curve_read(&r, &a, j, 0), 0);
    ck_assert(r.points == 1 && r.curve[0].loss == 2 && r.curve[0].memory == 0.5 && r.curve[0].near == 0.25);
    ck_assert_int_eq(curve_read(&r, &a, j, 1), 1);
    ck_assert(r.points == 1 && isnan(r.curve[0].loss) && isnan(r.curve[0].memory) && isnan(r.curve[0].near) &&
              r.curve[0].cells == 0.125);
    json_free(j);
    ck_assert_msg(make(0, 0) == OUTCOME_DONE, "%s", why);
    ablation_close(&a);
    for (int other = 0; other < 2; other++) {
        opened(scratch("older"), other ? 12 : 9, "beyond", "in-short", 1);
        char *curve = contents(of_run("curve.json")), *sums = strstr(curve, ",\n \"asked_of_curve\"");
        strcpy(sums ? sums : curve, "}\n");
        put(of_run("curve.json"), curve, strlen(curve));
        ck_assert(other || !unlink(of_run("result.json")));
        ck_assert_msg(sums && make(0, 0) == OUTCOME_DONE, "%s", why);
        const struct outcome *there = read_back(0);
        for (int p = 0; p < POINTS; p++)
            ck_assert(there->points == POINTS && !isnan(there->curve[p].memory) == (!other || p == POINTS - 1));
        ablation_close(&a);
    }
}
END_TEST

/* What has changed since a run was stopped is said before it makes another step. */
START_TEST(a_run_whose_data_changed_does_not_go_on)
{
    opened(scratch("changed"), 9, "beyond", "in-short", 1);
    ck_assert(make(0, STEPS / 2) == OUTCOME_STOPPED);
    const char *before = contents(of_run("log.jsonl"));
    snprintf(a.arm[0].contents, sizeof a.arm[0].contents, "%016d", 0);
    ck_assert_msg(make(0, 0) == OUTCOME_FAILED && strstr(why, "A file that its data lie in was changed since"), "%s",
                  why);
    ck_assert_msg(access(of_run("result.json"), F_OK), "it has a result");
    ck_assert_msg(!strcmp(contents(of_run("log.jsonl")), before), "it made more steps: %s",
                  contents(of_run("log.jsonl")));
    ablation_close(&a);
}
END_TEST

/* A picture's point is of all finished seeds: else the next one would be a median of others. */
START_TEST(a_picture_has_points_that_all_seeds_have)
{
    static struct outcome r[3];
    opened(scratch("pictures"), 9, "beyond", "in-short", 3);
    for (int s = 0; s < 3; s++) {
        r[s].done = 1, r[s].points = 3;
        for (int q = 0; q < a.questions; q++)
            r[s].answer[q] = (struct estimate){0.5, 0.1, 10};
        for (int p = 0; p < 3; p++)                    /* seed 3 was measured at other steps, but for the last */
            r[s].curve[p] = (struct ablate_point){s < 2 ? 4 * (p + 1) : p == 2 ? 12 : 5 * (p + 1), 0, 2, 0.25 * (s + 1),
                                                  s == 1 && p < 2 ? (double)NAN : 0.25 * (s + 1), 0.5};
        for (int p = 0; p < 3; p++)
            r[s].curve[p].tokens = 100 * r[s].curve[p].step;
    }
    for (int finished = 3; finished >= 2; finished--) {
        r[2].done = finished == 3;
        ck_assert_msg(!report_write(&a, r, "swax ablate made-up", why), "%s", why);
        const char *page = contents(scratch("pictures/report.html")),
                   *memory = strstr(page, "<title>Long memory, while training</title>"),
                   *near = strstr(page, "<title>Short context, while training</title>");
        ck_assert(memory && near && memory < near);
        static const char two[] = "0.375 at 400 (0.25 to 0.5), 0.375 at 800 (0.25 to 0.5), 0.375 at 1200";
        const char *of_memory = strstr(memory, finished == 3 ? "0.5 at 1200" : two),
                   *of_near = strstr(near, finished == 3 ? "0.5 at 1200" : "0.375 at 1200");
        ck_assert_msg(of_memory && of_memory < near, "memory of %d seeds: %.600s", finished, memory);
        ck_assert_msg(of_near, "near of %d seeds: %.600s", finished, near);
        const char *end = strstr(near, "</desc>");
        for (const char *at = memory; finished == 3 && (at = strstr(at, " at 400 ")) && at < end; at++)
            ck_abort_msg("a point that not all seeds have: %.60s", at - 20);
        ck_assert(!strstr(near, " at 400 ") || strstr(near, " at 400 ") > end);
        ck_assert(strstr(page, "Left out are points that some seeds have") != NULL);
    }
    ablation_close(&a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("outcome");
    TCase *t = tcase_create("outcome");
    tcase_set_timeout(t, 240);
    tcase_add_test(t, a_run_is_of_one_process);
    tcase_add_test(t, a_run_is_tried_in_a_process_of_its_own);
    tcase_add_test(t, a_run_that_changes_its_tier_says_so);
    tcase_add_test(t, a_run_that_is_stopped_is_not_done_and_keeps_its_curve);
    tcase_add_test(t, a_curve_is_of_one_question);
    tcase_add_test(t, a_curve_under_way_is_of_one_question);
    tcase_add_test(t, a_curve_of_an_older_swax_is_of_its_result);
    tcase_add_test(t, a_run_whose_data_changed_does_not_go_on);
    tcase_add_test(t, a_picture_has_points_that_all_seeds_have);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
