/* check_jobs.c - the runs of an ablation side by side, and what `swax ablate` makes of its line, with runs that are
 * made up: none trains, and how each ends is said here. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/asked.h"
#include "tests/printed.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/ablate/jobs.h"
#include "tools/lib/commands.h"
#include "tools/lib/files.h"
#include "tools/lib/say.h"

static char why[SWAX_WHY];
static struct jobs s;

/* Stand in for the C library's: the clock, and whether what is printed is seen on a terminal of $COLUMNS columns. */
static time_t (*clock_says)(void);
static int on_terminal;

time_t time(time_t *t)
{
    const time_t now = clock_says ? clock_says() : 1000;
    if (t)
        *t = now;
    return now;
}

int isatty(int fd) { return on_terminal && fd == 1; }

/* And its waiting, which a run that has ended is to end sooner here. */
int poll(struct pollfd *f, nfds_t n, int timeout)
{
    struct timeval wait = {0, 1000};
    fd_set set;
    ck_assert_msg(n == 1 && timeout > 0, "one pipe is waited for, a while");
    FD_ZERO(&set);
    FD_SET(f->fd, &set);
    const int ready = select(f->fd + 1, &set, NULL, NULL, &wait);
    f->revents = ready > 0 ? POLLIN : 0;
    return ready;
}

/* And its processes: none can be started. */
static int no_fork;

#ifdef __GLIBC__
pid_t __fork(void);

pid_t fork(void) { return no_fork ? (errno = EAGAIN, -1) : __fork(); }
#endif

/* ---- runs that are made up */

/* What the run of an arm does, in a process of its own. */
typedef enum outcome_end (*act)(const struct ablation *a, int arm, int seed, outcome_progress progress, void *arg);
static act acts[ABLATE_ARMS];

static void note(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(const char *name, const char *format, ...)
{
    char line[200];
    va_list v;
    va_start(v, format);
    const int n = vsnprintf(line, sizeof line, format, v);
    va_end(v);
    const int fd = open(scratch(name), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0 || write(fd, line, (size_t)n) != n)
        _exit(99);
    close(fd);
}

static const char *noted(const char *name)
{
    char *text = scratch_keep(strdup(""));
    if (!access(scratch(name), F_OK))
        read_whole(scratch(name), &text);
    unlink(scratch(name));
    return text;
}

/* Stands in for training and examining a run. */
enum outcome_end outcome_make(const struct ablation *a, int arm, int seed, int threads, outcome_progress progress,
                              void *arg, char *to)
{
    note("begun", "%s%d*%d ", a->arm[arm].name, seed, threads);
    const enum outcome_end end = acts[arm](a, arm, seed, progress, arg);
    if (end == OUTCOME_FAILED)
        say(to, "Seed %d is broken.", seed + 1);
    return end;
}

static enum ablation_trial trial;
static int trials;

/* Stands in for opening the first run. */
enum ablation_trial ablation_try(const struct run *r, char *to)
{
    (void)r;
    trials++;
    return trial == ABLATION_REFUSED ? say(to, "The trial is refused."), trial : trial;
}

/* A result file, of the seed that `drawn` says. */
static void put_result(const struct ablation *a, int arm, int seed, int drawn)
{
    static struct outcome r;
    char folder[RUN_TEXT + 64], *text = NULL;
    size_t size;
    ablation_folder(folder, a, arm, seed);
    memset(&r, 0, sizeof r);
    r.seed = (uint64_t)drawn, r.seconds = 7 + 100 * arm;
    for (int q = 0; q < a->questions; q++)
        r.answer[q] = (struct estimate){0.5 + q + arm / 8.0 + seed / 4.0, 0.01, 10};
    FILE *f = file_make_folder(folder, why) ? NULL : file_open_text(&text, &size);
    if (!f)
        _exit(98);
    outcome_write(f, a, arm, &r, " ");
    if (!file_close_text(f, &text))
        _exit(97);
    put(in_folder(folder, "result.json"), text, size);
    free(text);
}

/* Wait for it, but not for ever: a run that waits in vain fails. */
static int comes(int (*is_so)(void *arg), void *arg)
{
    const struct timespec wait = {0, 1000000};
    for (int i = 0; i < 5000; i++) {
        if (is_so(arg))
            return 1;
        nanosleep(&wait, NULL);
    }
    return 0;
}

static int is_heard(void *unused)
{
    int bytes = 1;
    (void)unused;
    return !ioctl(s.pipe[0], FIONREAD, &bytes) && !bytes;
}

static int is_said(void *words)
{
    char *text;
    read_whole(scratch("stdout"), &text);
    return strstr(text, words) != NULL;
}

static enum outcome_end good(const struct ablation *a, int arm, int seed, outcome_progress progress, void *arg)
{
    (void)progress, (void)arg;
    put_result(a, arm, seed, seed + 1);
    return OUTCOME_DONE;
}

#define ACT(name, ...) \
    static enum outcome_end name(const struct ablation *a, int arm, int seed, outcome_progress progress, void *arg) \
    { (void)a, (void)arm, (void)seed, (void)progress, (void)arg; __VA_ARGS__ }
ACT(silent, return OUTCOME_DONE;)                                          /* done, and left nothing */
ACT(of_another_seed, put_result(a, arm, seed, seed + 8); return OUTCOME_DONE;)
ACT(busy, return OUTCOME_BUSY;)
ACT(stopped, return OUTCOME_STOPPED;)
ACT(broken, return OUTCOME_FAILED;)
ACT(crashes, kill(getpid(), SIGKILL); return OUTCOME_DONE;)
ACT(odd, _exit(77);)

/* Arms a, b, c, ... of 100 steps that do these. */
static void set(int arms, int seeds, int at_once, const act *what)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
    static const char *const questions[] = {"loss", "far", "near"};
    static int folders;
    char folder[40];
    memset(&s, 0, sizeof s);
    snprintf(folder, sizeof folder, "jobs-%d-%d", (int)getpid(), folders++);
    snprintf(s.a.out, sizeof s.a.out, "%s", scratch(folder));
    s.a.arms = arms, s.a.seeds = seeds, s.a.memory = 1, s.a.near = 2, s.a.loss = 0;
    for (int q = 0; q < 3; q++)
        strcpy(s.a.ask[s.a.questions++].name, questions[q]);
    for (int i = 0; i < arms; i++)
        s.a.arm[i].name = names[i], s.a.run[i].steps = 100, s.chosen[i] = 1, acts[i] = what[i];
    s.runs = arms * seeds, s.at_once = at_once, s.threads = 3, s.shards = 1;
    ck_assert(!pipe(s.pipe));
    noted("begun");
    run_interrupted = 0;
}

/* Both streams, in the order in which they were written. */
static void both_streams(void *unused)
{
    (void)unused;
    const int err = dup(2);
    dup2(1, 2);
    fputs("before ", stdout);          /* what nobody has seen yet is said once */
    jobs_run(&s);
    fflush(stdout);
    dup2(err, 2);
    close(err);
}

static const char *ran(void)
{
    const char *text = scratch_keep(printed_in(both_streams, NULL));
    close(s.pipe[0]), close(s.pipe[1]);
    ck_assert_msg(!strncmp(text, "before ", 7) && !strstr(text + 7, "before "), "not once is said what was: %s", text);
    return text + 7;
}

static void same(const char *what, const char *now, const char *expected)
{
    ck_assert_msg(!strcmp(now, expected), "%s\n%s\nand should be\n%s", what, now, expected);
}

/* Words from column `at` on, as they are to be broken. */
static char *broken_up(char *to, const char *text, int at, int indent, int columns)
{
    char word[300];
    for (int n, first = 1; sscanf(text, " %299s%n", word, &n) == 1; text += n, first = 0) {
        const int there = (int)strlen(word);
        if (!first && columns && at + 1 + there > columns)
            to += sprintf(to, "\n%*s", indent, ""), at = indent;
        else if (!first)
            to += sprintf(to, " "), at++;
        to += sprintf(to, "%s", word), at += there;
    }
    return to + sprintf(to, "\n");
}

/* ---- what becomes of them */

START_TEST(runs_end_as_they_end)
{
    static const act what[] = {good, good, good, good, busy, stopped, broken, crashes, odd};
    static const enum job_state state[] = {DONE, DONE, DONE, DONE, BUSY, STOPPED, FAILED, FAILED, FAILED};
    int count[STOPPED + 1];
    set(9, 2, 1, what);
    same("it says", ran(),
         "a          seed 1   far 1.500  near 2.500  loss 0.500  7 s\n"
         "b          seed 1   far 1.625  near 2.625  loss 0.625  107 s\n"
         "c          seed 1   far 1.750  near 2.750  loss 0.750  207 s\n"
         "d          seed 1   far 1.875  near 2.875  loss 0.875  307 s\n"
         "swax: g, seed 1: Seed 1 is broken.\n"
         "swax: h, seed 1: ended by signal 9\n"
         "a          seed 2   far 1.750  near 2.750  loss 0.750  7 s\n"
         "b          seed 2   far 1.875  near 2.875  loss 0.875  107 s\n"
         "c          seed 2   far 2.000  near 3.000  loss 1.000  207 s\n"
         "d          seed 2   far 2.125  near 3.125  loss 1.125  307 s\n"
         "swax: g, seed 2: Seed 2 is broken.\n"
         "swax: h, seed 2: ended by signal 9\n");
    same("it began", noted("begun"),
         "a0*3 b0*3 c0*3 d0*3 e0*3 f0*3 g0*3 h0*3 i0*3 a1*3 b1*3 c1*3 d1*3 e1*3 f1*3 g1*3 h1*3 i1*3 ");
    for (int k = 0; k < 18; k++)
        ck_assert_msg(s.job[k].state == state[k % 9], "run %d is in state %d, not %d", k, (int)s.job[k].state,
                      (int)state[k % 9]);
    jobs_count(&s, count);
    ck_assert(count[WAITING] == 0 && count[RUNNING] == 0 && count[DONE] == 8 && count[BUSY] == 2 &&
              count[FAILED] == 6 && count[STOPPED] == 2);
}
END_TEST

/* A result that is none of this run's is said where its numbers would stand; one that is not there is not. */
START_TEST(a_result_that_cannot_be_taken_is_said)
{
    static const act what[] = {of_another_seed, silent};
    for (int columns = 0; columns <= 150; columns += 15) {
        char number[12], expected[2000], said[1000];
        set(2, 1, 1, what);
        snprintf(said, sizeof said, "%s/runs/a-s1/result.json is the result of seed 8, in the folder of seed 1.",
                 s.a.out);
        broken_up(expected + sprintf(expected, "a          seed 1   "), said, 20, 11, columns);
        snprintf(number, sizeof number, "%d", columns);
        setenv("COLUMNS", number, 1);
        on_terminal = columns > 0;
        const char *text = ran();
        on_terminal = 0;
        same("it says", text, expected);
        ck_assert(s.job[0].state == DONE && s.job[1].state == DONE);
    }
}
END_TEST

START_TEST(where_most_fail_no_more_are_begun)
{
    static const struct { act what[6]; const char *begun; } of[] = {
        {{broken, good, good, good, good, good}, "a0*3 "},
        {{good, broken, broken, good, good, good}, "a0*3 b0*3 c0*3 "},
        {{good, broken, good, odd, good, crashes}, "a0*3 b0*3 c0*3 d0*3 e0*3 f0*3 "},
        {{busy, stopped, broken, good, good, good}, "a0*3 b0*3 c0*3 "}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        set(6, 1, 1, of[i].what);
        ran();
        same("it began", noted("begun"), of[i].begun);
    }
}
END_TEST

#ifdef __GLIBC__
START_TEST(a_process_that_cannot_be_started_has_failed)
{
    static const act what[] = {good, good, good};
    set(3, 1, 2, what);
    no_fork = 1;
    same("it says", ran(), "");
    no_fork = 0;
    same("it began", noted("begun"), "");
    for (int k = 0; k < 3; k++)
        ck_assert_msg(s.job[k].state == FAILED && s.job[k].pid <= 0, "run %d is in state %d", k, (int)s.job[k].state);
}
END_TEST
#endif

/* Of shards and arms, those that are asked for. */
START_TEST(each_run_is_made_where_it_is_asked_for)
{
    static const act what[] = {good, good, good};
    static const struct { int shard, shards, leave_out; const char *begun; } of[] = {
        {0, 2, -1, "a0*3 c0*3 b1*3 "}, {1, 2, -1, "b0*3 a1*3 c1*3 "}, {2, 3, -1, "c0*3 c1*3 "},
        {0, 1, 1, "a0*3 c0*3 a1*3 c1*3 "}, {1, 2, 0, "b0*3 c1*3 "}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        int count[STOPPED + 1];
        set(3, 2, 1, what);
        s.shard = of[i].shard, s.shards = of[i].shards;
        if (of[i].leave_out >= 0)
            s.chosen[of[i].leave_out] = 0;
        ran();
        const char *begun = noted("begun");
        same("it began", begun, of[i].begun);
        jobs_count(&s, count);
        ck_assert_msg(count[DONE] == (int)strlen(begun) / 5 && !count[WAITING], "%d are done", count[DONE]);
    }
}
END_TEST

/* ---- side by side */

static int have_begun(void *wanted)
{
    char *text;
    read_whole(scratch("begun"), &text);
    return (int)strlen(text) / 5 >= *(int *)wanted;
}

/* With the two others of its three: it ends when all have begun, and never are there more. */
static enum outcome_end beside(const struct ablation *a, int arm, int seed, outcome_progress progress, void *arg)
{
    (void)progress, (void)arg;
    const int k = seed * a->arms + arm;
    int all = (k / 3 + 1) * 3;
    if (!comes(have_begun, &all))
        return OUTCOME_FAILED;
    return OUTCOME_DONE;
}

static int have_ended(void *wanted)
{
    char *text = scratch_keep(strdup(""));
    if (!access(scratch("ended"), F_OK))
        read_whole(scratch("ended"), &text);
    return (int)strlen(text) >= *(int *)wanted;
}

ACT(last_of_all, int others = 5; return comes(have_ended, &others) ? OUTCOME_DONE : OUTCOME_FAILED;)
ACT(ends, note("ended", "."); return OUTCOME_DONE;)

/* How many have begun, and not ended, when this one begins: at most three with it. */
static enum outcome_end not_too_many(const struct ablation *a, int arm, int seed, outcome_progress progress, void *arg)
{
    char *begun, *ended = scratch_keep(strdup(""));
    (void)a, (void)arm, (void)seed, (void)progress, (void)arg;
    if (!access(scratch("ended"), F_OK))
        read_whole(scratch("ended"), &ended);
    read_whole(scratch("begun"), &begun);
    const int now = (int)strlen(begun) / 5 - (int)strlen(ended);
    note("ended", ".");
    return now <= 3 ? OUTCOME_DONE : OUTCOME_FAILED;
}

START_TEST(as_many_run_side_by_side_as_are_asked_for)
{
    static const act waves[] = {beside, beside, beside}, one_waits[] = {last_of_all, ends, ends, ends, ends, ends},
                     counted[] = {not_too_many, not_too_many, not_too_many, not_too_many, not_too_many, not_too_many};
    int count[STOPPED + 1];
    noted("ended");
    set(3, 2, 3, waves);
    ran();
    jobs_count(&s, count);
    ck_assert_msg(count[DONE] == 6, "of six that wait for each other by threes %d are done", count[DONE]);
    noted("ended");
    set(6, 2, 3, counted);
    ran();
    jobs_count(&s, count);
    ck_assert_msg(count[DONE] == 12, "there were more than three at once");
    noted("ended");
    set(6, 1, 2, one_waits);
    ran();
    ck_assert_msg(s.job[0].state == DONE, "where one has ended, no other is begun beside the first");
}
END_TEST

ACT(sees_the_first, return comes(is_said, "a          seed 1   far ") ? OUTCOME_DONE : OUTCOME_FAILED;)

START_TEST(a_result_is_said_when_it_is_there)
{
    static const act what[] = {good, sees_the_first};
    set(2, 1, 2, what);
    ran();
    ck_assert_msg(s.job[1].state == DONE, "what came out is said when all is over");
}
END_TEST

/* ---- what they say to their parent */

/* A run that goes on at step 40, is asked again of a step, and ends at 45: six steps; many messages in a row. */
static enum outcome_end tells(const struct ablation *a, int arm, int seed, outcome_progress progress, void *arg)
{
    static const int step[] = {40, 42, 41, 45};
    int wrong = 0;
    (void)a, (void)seed;
    for (int i = 0; i < 4 && !arm; i++)
        wrong |= progress(arg, step[i]);
    for (int i = 1; i <= 100 && arm; i++)
        wrong |= progress(arg, i);
    return !wrong && comes(is_heard, NULL) ? OUTCOME_DONE : OUTCOME_FAILED;
}

START_TEST(steps_are_counted)
{
    static const act what[] = {tells, tells};
    set(2, 1, 1, what);
    ran();
    ck_assert(s.job[0].state == DONE && s.job[1].state == DONE);
    ck_assert_msg(s.job[0].step == 45 && s.job[1].step == 100 && s.steps_done == 6 + 99,
                  "steps %d and %d, %g done", s.job[0].step, s.job[1].step, s.steps_done);
}
END_TEST

/* It is to stop where nobody hears it, where it was interrupted, and where its parent is gone. */
static enum outcome_end asks(const struct ablation *a, int arm, int seed, outcome_progress progress, void *arg)
{
    int end[2], status = 1;
    (void)a, (void)seed;
    if (progress(arg, 1))
        return OUTCOME_FAILED;
    if (arm == 0) {
        if (pipe(end) || close(end[0]) || dup2(end[1], s.pipe[1]) < 0)
            return OUTCOME_FAILED;
    } else if (arm == 1) {
        run_interrupted = 1;
    } else {
        const pid_t child = fork();
        if (!child)
            _exit(progress(arg, 2) ? 0 : 3);
        return waitpid(child, &status, 0) == child && !status ? OUTCOME_DONE : OUTCOME_FAILED;
    }
    return progress(arg, 2) ? OUTCOME_DONE : OUTCOME_FAILED;
}

START_TEST(a_run_stops_where_nobody_waits_for_it)
{
    static const char *const when[] = {"nobody hears it", "it was interrupted", "its parent is gone"};
    static const act what[] = {asks, asks, asks};
    set(3, 1, 3, what);
    ran();
    for (int k = 0; k < 3; k++)
        ck_assert_msg(s.job[k].state == DONE, "a run goes on where %s", when[k]);
}
END_TEST

/* ---- interrupted */

static int is_interrupted(void *unused) { return (void)unused, run_interrupted != 0; }

static int signal_to_parent;

/* The first interrupts the parent alone, which passes it on; the second hears of it. */
static enum outcome_end interrupts(const struct ablation *a, int arm, int seed, outcome_progress progress, void *arg)
{
    int two = 2;
    (void)a, (void)seed, (void)progress, (void)arg;
    if (!comes(have_begun, &two))
        return OUTCOME_FAILED;
    if (!arm)
        kill(getppid(), signal_to_parent);
    return comes(is_interrupted, NULL) ? OUTCOME_STOPPED : OUTCOME_FAILED;
}

START_TEST(who_is_interrupted_stops_what_runs_and_begins_no_more)
{
    static const act what[] = {interrupts, interrupts, good, good};
    static const int signals[] = {SIGTERM, SIGINT};
    setpgid(0, 0);
    jobs_catch_signals();
    for (int i = 0; i < 2; i++) {
        set(4, 1, 2, what);
        signal_to_parent = signals[i];
        ran();
        ck_assert(run_interrupted == 1);
        same("it began", strlen(noted("begun")) == 10 ? "two" : "others", "two");
        for (int k = 0; k < 4; k++)
            ck_assert_msg(s.job[k].state == (k < 2 ? STOPPED : WAITING), "run %d is in state %d", k,
                          (int)s.job[k].state);
    }
    set(4, 1, 2, what);
    run_interrupted = 1;
    ran();
    same("interrupted before, it began", noted("begun"), "");
    run_interrupted = 0;
}
END_TEST

/* ---- the line that is written over */

/* Ten minutes behind the start, when the steps were heard of. */
static time_t when_heard(void) { return s.steps_done == 6 ? 1600 : 1000; }

static enum outcome_end is_shown(const struct ablation *a, int arm, int seed, outcome_progress progress, void *arg)
{
    const enum outcome_end end = tells(a, 0, seed, progress, arg);
    if (end != OUTCOME_DONE || !comes(is_said, "\r0 of 2 runs | a s1 45 % | 258 min left"))
        return OUTCOME_FAILED;
    return good(a, arm, seed, progress, arg);
}

/* Six steps in ten minutes, and 155 to go. */
START_TEST(how_far_it_is_is_shown_and_written_over)
{
    static const act what[] = {is_shown, broken};
    char expected[2000];
    set(2, 1, 1, what);
    s.live = 1;
    clock_says = when_heard;
    const char *text = ran();
    clock_says = NULL;
    ck_assert_msg(s.job[0].state == DONE, "it is not shown:\n%s", text);
    snprintf(expected, sizeof expected, "\r%-78s\r%-78s\r%78s\ra          seed 1   far 1.500  near 2.500  loss 0.500  "
             "7 s\n", "0 of 2 runs | a s1 0 %", "0 of 2 runs | a s1 45 % | 258 min left", "");
    const char *last = strstr(text, "\r0 of 2 runs | a s1 45 %"), *head = strstr(expected, "\r0 of 2 runs | a s1 45 %");
    ck_assert_msg(last && !strncmp(last, head, strlen(head)), "it says\n%s\nand should end\n%s", text, head);
    snprintf(expected, sizeof expected, "\r%78s\rswax: b, seed 1: Seed 1 is broken.\n", "");
    ck_assert_msg(strstr(text, expected) != NULL, "no\n%s\nin\n%s", expected, text);
    snprintf(expected, sizeof expected, "\r%78s\r", "");
    ck_assert_msg(strlen(text) > 80 && !strcmp(text + strlen(text) - 80, expected), "the last line stays:\n%s", text);
}
END_TEST

/* ---- on terminals of every width */

/* A part of a result goes into the next line where it would end behind the last column. */
START_TEST(a_result_fits_the_terminal)
{
    static const act what[] = {good};
    static const char *const part[] = {"far 1.500", "near 2.500", "loss 0.500", "7 s"};
    for (int columns = 20; columns <= 70; columns++) {
        char number[12], expected[500], *to = expected;
        int at = 18;
        set(1, 1, 1, what);
        snprintf(number, sizeof number, "%d", columns);
        setenv("COLUMNS", number, 1);
        on_terminal = 1;
        const char *text = ran();
        on_terminal = 0;
        to += sprintf(to, "a          seed 1 ");
        for (int i = 0; i < 4; i++) {
            const int n = (int)strlen(part[i]), next = at + 2 + n > columns;
            to += sprintf(to, "%s%s", next ? "\n           " : "  ", part[i]);
            at = (next ? 11 : at + 2) + n;
        }
        strcpy(to, "\n");
        ck_assert_msg(!strcmp(text, expected), "at %d columns\n%s\nshould be\n%s", columns, text, expected);
    }
}
END_TEST

/* ---- the command */

#define NUMBERS "\"name\": \"made\", \"seeds\": 2, "
#define PLAN "\"settings\": {\"data\": \"copy\", \"span\": 2, \"length\": 16, \"batch\": 1, \"width\": 8, " \
             "\"heads\": 1, \"cell_heads\": 1, \"mixers\": \"swa\", \"window\": 4, \"steps\": 9, " \
             "\"tier\": \"ref\"}, \"arms\": [{\"name\": \"one\"}, {\"name\": \"two\"}, {\"name\": \"three\"}]"
#define CLAIM "\"claims\": [{\"claim\": \"One is lower than three.\", \"holds\": [\"one.loss <= three.loss\"]}], "

static void put_plan(const char *members)
{
    char text[2000];
    put(scratch("made.json"), text, (size_t)snprintf(text, sizeof text, "{%s" PLAN "}", members));
}

static void all_do(act what)
{
    for (int i = 0; i < ABLATE_ARMS; i++)
        acts[i] = what;
    noted("begun");
    run_interrupted = 0, trial = ABLATION_ON_HOST, trials = 0;
    put_plan(NUMBERS);
}

START_TEST(arms_and_shards_are_chosen_by_the_line)
{
    static const struct { const char *line, *begun; } of[] = {
        {"", "one0 two0 three0 one1 two1 three1 "}, {"arms=two", "two0 two1 "},
        {"arms=three,one", "one0 three0 one1 three1 "}, {"arms=one,two,three seeds=1", "one0 two0 three0 "},
        {"seeds=3 arms=one", "one0 one1 one2 "}, {"shard=1/1 seeds=1", "one0 two0 three0 "},
        {"shard=1/2", "one0 three0 two1 "}, {"shard=2/2", "two0 one1 three1 "}, {"shard=6/6", "three1 "},
        {"shard=7/1000000", ""}, {"shard=1000000/1000000", ""}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char line[300], begun[300], *to = begun;
        all_do(good);
        snprintf(line, sizeof line, "@made.json jobs=1 threads=1 out=@chosen-%zu %s", i, of[i].line);
        done(cmd_ablate, placed(line));
        for (const char *p = noted("begun"); *p; p++)             /* without its threads */
            if (*p == '*')
                while (p[1] != ' ')
                    p++;
            else
                *to++ = *p;
        *to = 0;
        same(of[i].line, begun, of[i].begun);
        ck_assert_int_eq(trials, 1);
    }
}
END_TEST

START_TEST(lines_that_say_nothing_are_refused)
{
    static const struct { const char *line, *says; } of[] = {
        {"@made.json arms=tow", "arms=tow: there is no arm tow: did you mean two?"},
        {"@made.json arms=one,something-else", "arms=one,something-else: there is no arm something-else."},
        {"", "Which ablation? `swax ablate help` lists those that are built in."},
        {"@made.json shard=0/2", "shard=0/2: it is I/N"}, {"@made.json shard=3/2", "shard=3/2: it is I/N"},
        {"@made.json shard=1", "shard=1: it is I/N, as 1/4 to 4/4 for four machines."},
        {"@made.json shard=1/", "shard=1/: it is I/N"}, {"@made.json shard=/2", "shard=/2: it is I/N"},
        {"@made.json shard=1/1000001", "shard=1/1000001: it is I/N"}, {"@made.json shard=1/2/3", "shard=1/2/3: it is"},
        {"@made.json report=yes", "holds no ablation to report on"}, {"@made.json seed=3", "seed"},
        {".json", "There is no ablation \".json\""}, {"a.json", "a.json"}, {"@made.jso", "There is no ablation"}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char line[300];
        all_do(good);
        snprintf(line, sizeof line, "%s %s", of[i].line, *of[i].line ? "out=@refused" : "");
        refused(cmd_ablate, placed(line), of[i].says);
        ck_assert_msg(!trials && access(scratch("refused"), F_OK) && !*noted("begun"), "%s: it began", of[i].line);
    }
    all_do(good);
    trial = ABLATION_REFUSED;
    refused(cmd_ablate, placed("@made.json out=@refused"), "The trial is refused.");
    ck_assert(access(scratch("refused"), F_OK) && !*noted("begun"));
}
END_TEST

static int times_in(const char *text, const char *word)
{
    int n = 0;
    for (; (text = strstr(text, word)); text++)
        n++;
    return n;
}

/* All keys of a run but its seed, each once, with those of the data that the file has. */
START_TEST(help_has_the_keys_of_the_runs)
{
    for (int of_file = 0; of_file < 2; of_file++) {
        all_do(good);
        const char *text = done(cmd_ablate, placed(of_file ? "@made.json help" : "help"));
        ck_assert_msg(times_in(text, "\nThe runs, for all arms alike:\n") == 1, "%s", text);
        ck_assert(times_in(text, "\nKeys and their values:\n") == 1);
        ck_assert_msg(times_in(text, of_file ? "\n  symbols=" : "\n  copies=") == 1, "%s", text);
        ck_assert(!times_in(text, of_file ? "\n  copies=" : "\n  symbols=") && !times_in(text, "\n  seed="));
        for (int i = 0; run_keys[i].name; i++) {
            char row[80];
            snprintf(row, sizeof row, "\n  %s=", run_keys[i].name);
            const int own = strcmp(run_keys[i].name, "seed") && strcmp(run_keys[i].name, "resume");
            ck_assert_msg(times_in(text, row) == own, "%s %d times in\n%s", row, times_in(text, row), text);
        }
        ck_assert(times_in(text, "\n  seeds=") == 1 && times_in(text, "\n  jobs=") == 1 && !trials);
    }
}
END_TEST

/* The longest folder that there is room for, and one letter more. */
START_TEST(a_folder_has_a_longest_name)
{
    const size_t room = sizeof s.a.out - 64 - 1;
    for (int more = 0; more < 2; more++) {
        char out[RUN_TEXT + 64], line[RUN_TEXT + 200];
        size_t n = (size_t)snprintf(out, sizeof out, "%s", scratch("long"));
        while (n < room + (size_t)more) {
            out[n] = n % 100 == 0 ? '/' : 'x';
            n++;
        }
        out[n] = 0;
        all_do(good);
        snprintf(line, sizeof line, "%s seeds=1 out=%s", placed("@made.json"), out);
        if (!more)
            done(cmd_ablate, line);
        else
            refused(cmd_ablate, line, "x...: this path is too long.");
    }
    ck_assert(!chdir(scratch("")));            /* what is not given is of its name */
    all_do(good);
    done(cmd_ablate, placed("@made.json seeds=1"));
    ck_assert(!access(placed("@ablation-made/results.json"), F_OK));
}
END_TEST

START_TEST(the_end_says_what_became_of_the_runs)
{
    static const struct { act what[3]; int status; const char *says, *not; } of[] = {
        {{good, good, good}, 0, "report.html and results.json hold it all.\n", "Stopped"},
        {{busy, good, busy}, 0, "hold it all.\n4 runs are being made by another process.\n", "Stopped"},
        {{stopped, good, good}, 1, "hold it all.\nStopped. To go on: swax ablate ", "another process"},
        {{good, broken, good}, 1, "hold it all.\n", "Stopped"},
        {{broken, good, good}, 1, "hold it all.\nStopped. To go on: swax ablate ", "another process"}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char line[300], command[700], *text;
        all_do(good);
        for (int k = 0; k < 3; k++)
            acts[k] = of[i].what[k];
        snprintf(line, sizeof line, "@made.json out=@end-%zu jobs=1 threads=1", i);
        const int status = ask_command(cmd_ablate, placed(line)).status;
        read_whole(scratch("stdout"), &text);
        ck_assert_msg(status == of[i].status && strstr(text, of[i].says) && !strstr(text, of[i].not),
                      "%zu: status %d\n%s", i, status, text);
        snprintf(command, sizeof command, "To go on: swax ablate %s\n", placed(line));
        ck_assert_msg(!strstr(text, "To go on: ") || strstr(text, command), "no %s in\n%s", command, text);
        strcat(line, " report=yes");
        const char *said = done(cmd_ablate, placed(line));
        ck_assert_msg(strstr(said, "hold it all.\n") && !strstr(said, "Stopped"), "%s", said);
        ck_assert_msg(trials == 1, "for a report alone a run was tried");
    }
}
END_TEST

/* A line is written over on a terminal, and nowhere else. */
START_TEST(a_file_has_no_line_that_is_written_over)
{
    setenv("COLUMNS", "80", 1);
    for (int terminal = 0; terminal < 2; terminal++) {
        all_do(good);
        on_terminal = terminal;
        const char *text = done(cmd_ablate, placed(terminal ? "@made.json out=@seen" : "@made.json out=@unseen"));
        on_terminal = 0;
        ck_assert_msg(!strchr(text, '\r') == !terminal, "%s", text);
    }
}
END_TEST

/* Cores that are left over are shared out. */
START_TEST(runs_share_the_cores)
{
    const int here = (int)sysconf(_SC_NPROCESSORS_ONLN), cores = here < 5 ? here : 5;
    static const struct { const char *line; enum ablation_trial trial; int at_once; } of[] = {
        {"jobs=1", ABLATION_ON_HOST, 1}, {"jobs=2", ABLATION_ON_HOST, 2}, {"jobs=3", ABLATION_ON_HOST, 3},
        {"", ABLATION_ON_DEVICE, 1}, {"arms=one jobs=99", ABLATION_ON_HOST, 3}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char line[300], first[40];
        all_do(good);
        setenv("OMP_NUM_THREADS", "5", 1);
        trial = of[i].trial;
        snprintf(line, sizeof line, "@made.json out=@cores-%zu seeds=1 %s", i, of[i].line);
        done(cmd_ablate, placed(line));
        unsetenv("OMP_NUM_THREADS");
        snprintf(first, sizeof first, "one0*%d ", cores > of[i].at_once ? cores / of[i].at_once : 1);
        const char *begun = noted("begun");
        ck_assert_msg(strstr(begun, first) != NULL, "%s: no %s in %s", of[i].line, first, begun);
    }
}
END_TEST

/* What it opened it closes. */
START_TEST(no_descriptor_is_left_open)
{
    all_do(good);
    done(cmd_ablate, placed("@made.json out=@closed jobs=1"));
    const int before = dup(1);
    done(cmd_ablate, placed("@made.json out=@closed jobs=1"));
    const int after = dup(1);
    ck_assert_msg(after == before + 1, "the next descriptor was %d, and is %d", before + 1, after);
    close(before), close(after);
}
END_TEST

/* Sentences about the runs, on terminals of every width. */
START_TEST(what_changed_is_said_at_every_width)
{
    static const char *const asked[] = {
        "1 finished run was asked other questions than the file has now, and left out: without report=yes it is asked "
        "again.", "6 finished runs were asked other questions than the file has now, and left out: without report=yes "
        "they are asked again."};
    for (int all = 0; all < 2; all++) {
        all_do(good);
        put_plan(NUMBERS CLAIM);
        done(cmd_ablate, placed(all ? "@made.json out=@all" : "@made.json out=@single arms=two seeds=1"));
        put_plan(NUMBERS CLAIM "\"sequences\": 7, \"margin\": 1, ");
        for (int columns = 19; columns <= 110; columns += columns < 45 ? 1 : 13) {
            char number[12], expected[3000], *to = expected;
            snprintf(number, sizeof number, "%d", columns);
            setenv("COLUMNS", number, 1);
            on_terminal = 1;
            const char *text = done(cmd_ablate, placed(all ? "@made.json out=@all report=yes"
                                                           : "@made.json out=@single seeds=1 report=yes"));
            on_terminal = 0;
            to = broken_up(to, asked[all], 0, 0, columns);
            to = broken_up(to, "The rules of the verdicts were changed since the runs began.", 0, 0, columns);
            to += sprintf(to, "undecided  ");
            to = broken_up(to, "One is lower than three.", 11, 11, columns);
            to += sprintf(to, "           ");
            broken_up(to, "one.loss was not measured; three.loss was not measured; holds for 0 and fails for 0 of 0 "
                          "combinations of seeds; 0 seeds of an arm, where a verdict needs 3", 11, 11, columns);
            ck_assert_msg(!strncmp(text, expected, strlen(expected)), "at %d columns\n%s\nshould begin\n%s", columns,
                          text, expected);
        }
    }
    /* where nothing was asked otherwise, and where nothing is claimed, nothing is said */
    all_do(good);
    done(cmd_ablate, placed("@made.json out=@none"));
    put_plan(NUMBERS "\"margin\": 1, ");
    const char *text = done(cmd_ablate, placed("@made.json out=@none report=yes"));
    ck_assert_msg(!strncmp(text, scratch(""), strlen(scratch(""))), "%s", text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jobs");
    TCase *t = tcase_create("jobs");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, runs_end_as_they_end);
    tcase_add_test(t, a_result_that_cannot_be_taken_is_said);
    tcase_add_test(t, where_most_fail_no_more_are_begun);
#ifdef __GLIBC__
    tcase_add_test(t, a_process_that_cannot_be_started_has_failed);
#endif
    tcase_add_test(t, each_run_is_made_where_it_is_asked_for);
    tcase_add_test(t, as_many_run_side_by_side_as_are_asked_for);
    tcase_add_test(t, a_result_is_said_when_it_is_there);
    tcase_add_test(t, steps_are_counted);
    tcase_add_test(t, a_run_stops_where_nobody_waits_for_it);
    tcase_add_test(t, who_is_interrupted_stops_what_runs_and_begins_no_more);
    tcase_add_test(t, how_far_it_is_is_shown_and_written_over);
    tcase_add_test(t, a_result_fits_the_terminal);
    tcase_add_test(t, arms_and_shards_are_chosen_by_the_line);
    tcase_add_test(t, lines_that_say_nothing_are_refused);
    tcase_add_test(t, help_has_the_keys_of_the_runs);
    tcase_add_test(t, a_folder_has_a_longest_name);
    tcase_add_test(t, the_end_says_what_became_of_the_runs);
    tcase_add_test(t, a_file_has_no_line_that_is_written_over);
    tcase_add_test(t, runs_share_the_cores);
    tcase_add_test(t, no_descriptor_is_left_open);
    tcase_add_test(t, what_changed_is_said_at_every_width);
    suite_add_tcase(suite, t);
    scratch_open();
    const int failed = suite_ends(suite);
    scratch_close();
    return failed;
}
