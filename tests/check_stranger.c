/* check_stranger.c - the process of a stranger's code (tools/verify/stranger.h): what becomes of it is said, and
 * nothing of it is left. */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#endif
#include "tools/verify/stranger.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tests/threads.h"

static char why[SWAX_WHY];
static int alive[2];      /* a pipe that ends when all who might hold it have */

/* Its end lies where a stranger does not close what he was not given. */
static void open_alive(void)
{
    int low[2];
    ck_assert(!pipe(low));
    alive[0] = fcntl(low[0], F_DUPFD, 128), alive[1] = fcntl(low[1], F_DUPFD, 128);
    ck_assert(alive[0] >= 128 && alive[1] >= 128 && !close(low[0]) && !close(low[1]));
}

struct shared { char wrong[SWAX_WHY]; int calls; };

static void wait_for_ever(void)
{
    for (;;)
        pause();
}

static void nothing(void) {}
static void crashes(void) { raise(SIGSEGV); }
static void aborts(void) { signal(SIGABRT, SIG_DFL); abort(); }
static void is_killed(void) { raise(SIGKILL); }
static void breaks_a_pipe(void) { raise(SIGPIPE); }
static void leaves(void) { _exit(0); }
static void stops_itself(void) { raise(SIGSTOP); }
static void is_deaf(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    wait_for_ever();
}
static void has_a_child(void) { if (!fork()) wait_for_ever(); }
static void crashes_with_a_child(void) { has_a_child(); crashes(); }
static void closes_all(void) { for (int i = 0; i < 64; i++) close(i); }
static void closes_all_and_stays(void)
{
    for (int i = 0; i < 64; i++)
        if (i != alive[1])
            close(i);
    wait_for_ever();
}
static void becomes_another(void) { execl("/bin/true", "true", (char *)NULL); }
static void ends_its_group(void) { kill(0, SIGTERM); wait_for_ever(); }

static const struct way { const char *name; void (*lives)(void); const char *says; } ways[] = {
    {"nothing", nothing, NULL},
    {"has_a_child", has_a_child, NULL},
    {"crashes", crashes, "crashed: Segmentation fault"},
    {"aborts", aborts, "crashed: Aborted"},
    {"is_killed", is_killed, "crashed: Killed"},
    {"breaks_a_pipe", breaks_a_pipe, "crashed: Broken pipe"},
    {"leaves", leaves, "ended the process"},
    {"stops_itself", stops_itself, "did not return within 0.1 seconds"},
    {"is_deaf", is_deaf, "did not return within 0.1 seconds"},
    {"crashes_with_a_child", crashes_with_a_child, "crashed: Segmentation fault"},
    {"closes_all", closes_all, "ended the process"},
    {"closes_all_and_stays", closes_all_and_stays, "ended the process"},
    {"becomes_another", becomes_another, "ended the process"},
    {"ends_its_group", ends_its_group, "crashed: Terminated"},
};

static int load(void *arg, void *shared)
{
    (void)arg, (void)shared;
    return 1;
}

static void lives(void *arg, void *shared)
{
    const struct way *way = arg;
    ((struct shared *)shared)->calls++;
    signal(SIGALRM, SIG_DFL), signal(SIGTERM, SIG_DFL), signal(SIGSEGV, SIG_DFL);      /* not Check's */
    way->lives();
}

static const struct stranger_work works = {load, lives};

static void begin(struct stranger *s, const struct stranger_work *work, void *arg)
{
    const char *wrong = stranger_start(s, work, arg, sizeof(struct shared), 0.1, "the plugin", why);
    ck_assert_msg(!wrong, "%s", wrong);
}

/* Nobody else has the pipe: its end is there to be read. */
static void nobody_is_left(const char *name)
{
    char token;
    struct pollfd end = {.fd = alive[0], .events = POLLIN};
    close(alive[1]);
    ck_assert_msg(poll(&end, 1, 10000) == 1 && read(alive[0], &token, 1) == 0, "%s: a process is left", name);
    close(alive[0]);
}

START_TEST(what_becomes_of_it_is_said_and_nothing_is_left)
{
    struct stranger s;
    char fate[FATE];
    struct way way = ways[_i];
    open_alive();
    begin(&s, &works, &way);
    for (int again = 0; again < 2; again++) {
        const char *said = stranger_ask(&s, fate);
        const char *says = way.says && again ? "ended the process" : way.says;
        ck_assert_msg(said && says ? !strcmp(said, says) : !said && !says, "%s: \"%s\", not \"%s\"", way.name,
                      said ? said : "", says ? says : "");
        ck_assert(stranger_gone(&s) == (way.says != NULL));
    }
    ck_assert_int_eq(((struct shared *)s.shared)->calls, way.says ? 1 : 2);
    stranger_stop(&s);
    nobody_is_left(way.name);
}
END_TEST

/* ---- what it does not have */

static void prints(void *arg, void *shared)
{
    char c;
    (void)arg, (void)shared;
    printf("good: all is well\n");
    if (read(0, &c, 1) != 0)
        printf("and something to read\n");
}

START_TEST(it_prints_on_standard_error)
{
    static const struct stranger_work talks = {load, prints};
    struct stranger s;
    int input[2];
    char fate[FATE], *text, *out = scratch("stdout"), *err = scratch("stderr");
    fflush(stdout), fflush(stderr);
    ck_assert(freopen(out, "w", stdout) && freopen(err, "w", stderr));
    ck_assert(!pipe(input) && write(input[1], "", 1) == 1 && dup2(input[0], 0) == 0);
    printf("the judge's\n");      /* which is not written twice */
    begin(&s, &talks, NULL);
    ck_assert(!stranger_ask(&s, fate));
    stranger_stop(&s);
    read_whole(out, &text);
    ck_assert_msg(!strcmp(text, "the judge's\n"), "on standard output: %s", text);
    read_whole(err, &text);
    ck_assert_msg(!strcmp(text, "good: all is well\n"), "on standard error: %s", text);
}
END_TEST

static void reaches(void *arg, void *shared)
{
    const struct stranger *other = arg;
    char token = 0;
    signal(SIGSEGV, SIG_DFL);
    ((struct shared *)shared)->calls += write(other->go, &token, 1) == 1 || read(other->done, &token, 1) == 1;
    *(volatile char *)other->shared = 1;      /* which is not there */
}

START_TEST(it_has_nothing_of_others)
{
    static const struct stranger_work looks = {load, reaches};
    struct stranger first, second;
    char fate[FATE];
    struct way quiet = ways[0];
    for (int fd = open("/dev/null", O_WRONLY); _i && fd < 128; fd = dup(fd))      /* pipes lie above these */
        ck_assert(fd >= 0);
    begin(&first, &works, &quiet);
    begin(&second, &looks, &first);
    const char *said = stranger_ask(&second, fate);
    ck_assert_msg(said && !strcmp(said, "crashed: Segmentation fault"), "%s", said ? said : "it can be written to");
    ck_assert(!((struct shared *)second.shared)->calls && !((struct shared *)first.shared)->wrong[0]);
    stranger_stop(&second);
    ck_assert(!stranger_ask(&first, fate) && ((struct shared *)first.shared)->calls == 1);
    stranger_stop(&first);
}
END_TEST

/* Descriptors, and signals that are not as they were when the judge began. */
static const int endings[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

static void counts_what_it_has(void *arg, void *shared)
{
    struct shared *found = shared;
    struct sigaction is;
    (void)arg;
    for (int fd = 3; fd < 128; fd++)
        found->calls += fcntl(fd, F_GETFD) >= 0;
    for (int k = 0; k < 5; k++) {
        sigaction(k < 4 ? endings[k] : SIGPIPE, NULL, &is);
        found->calls += is.sa_handler == SIG_DFL ? 0 : 1000;
    }
}

START_TEST(it_has_two_pipes_and_hears_no_signal)
{
    static const struct stranger_work counts = {load, counts_what_it_has};
    struct stranger s;
    char fate[FATE];
    const int null = open("/dev/null", O_WRONLY);
    for (int k = 0; k < 4; k++)
        signal(endings[k], SIG_DFL);
    ck_assert(null >= 3 && fcntl(3, F_GETFD) >= 0 && dup2(null, 127) == 127);      /* 3 is Check's own, or this */
    begin(&s, &counts, NULL);
    ck_assert(!stranger_ask(&s, fate));
    ck_assert_msg(((struct shared *)s.shared)->calls == 2, "descriptors below 128, and 1000 for each signal that it "
                  "hears: %d, not 2", ((struct shared *)s.shared)->calls);
    stranger_stop(&s);
}
END_TEST

/* Its clock runs while it is asked, and not between. */
START_TEST(it_has_time_between_questions)
{
    struct stranger s;
    char fate[FATE];
    struct way quiet = ways[0];
    signal(SIGALRM, SIG_DFL);      /* Check's own would end this process */
    begin(&s, &works, &quiet);
    for (int before = 0; before < 2; before++) {
        usleep(1100000);      /* its alarm would ring after a second */
        const char *said = stranger_ask(&s, fate);
        ck_assert_msg(!said, "asked %d times before, it %s", before, said);
    }
    stranger_stop(&s);
}
END_TEST

START_TEST(who_ends_between_questions_does_not_end_the_judge)
{
    struct stranger s;
    char fate[FATE];
    siginfo_t is;
    struct way quiet = ways[0];
    signal(SIGPIPE, SIG_DFL);
    begin(&s, &works, &quiet);
    ck_assert(!kill(s.pid, SIGKILL) && !waitid(P_PID, (id_t)s.pid, &is, WEXITED | WNOWAIT));
    const char *said = stranger_ask(&s, fate);
    ck_assert_msg(said && !strcmp(said, "crashed: Killed"), "%s", said ? said : "it answers");
    stranger_stop(&s);
}
END_TEST

#ifdef __linux__
/* Neither the memory of the judge nor what he has open can be had, and it keeps being looked into itself. */
static int his_own;

/* Has this process the right to look into others, in any of its three sets?  Or it passes on what it has. */
static int may_look(int pass_on)
{
    enum { EFFECTIVE, PERMITTED, INHERITABLE };
    const uint32_t looks = 1u << 19;
    uint32_t who[2] = {0x20080522, 0}, may[2][3] = {{0}};      /* as capget(2) has them: a version and a process */
    ck_assert(!syscall(SYS_capget, who, may));
    may[0][INHERITABLE] |= pass_on ? may[0][PERMITTED] & looks : 0;
    ck_assert(!pass_on || !syscall(SYS_capset, who, may));
    return ((may[0][EFFECTIVE] | may[0][PERMITTED] | may[0][INHERITABLE]) & looks) != 0;
}

static void looks_around(void *arg, void *shared)
{
    char name[64];
    struct shared *found = shared;
    (void)arg;
    found->calls = write(his_own, "", 1) == 1;
    snprintf(name, sizeof name, "/proc/%d/mem", (int)getppid());
    found->calls |= (open(name, O_RDONLY) >= 0) << 1;
    snprintf(name, sizeof name, "/proc/%d/fd/%d", (int)getppid(), his_own);
    found->calls |= (open(name, O_WRONLY) >= 0) << 2;
    found->calls |= (open("/proc/self/mem", O_RDONLY) < 0) << 3;
    found->calls |= may_look(0) << 4;
}

START_TEST(it_does_not_look_into_the_judge)
{
    static const struct stranger_work looks = {load, looks_around};
    struct stranger s;
    char fate[FATE];
    const int own_memory = open("/proc/self/mem", O_RDONLY);
    his_own = open("/dev/null", O_WRONLY);
    if (own_memory < 0) {
        puts("skipped: there is no /proc here");
        return;
    }
    if (_i)      /* root has rights that others have not; whoever gives them up is looked into by nobody, at first */
        ck_assert(geteuid() || (!setuid(65534) && !prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)));
    may_look(1);
    begin(&s, &looks, NULL);
    ck_assert(!stranger_ask(&s, fate));
    ck_assert_msg(!((struct shared *)s.shared)->calls, "bit by bit, it had a descriptor, the memory, what is open, not "
                  "itself, and the right to look into others: %d", ((struct shared *)s.shared)->calls);
    stranger_stop(&s);
    close(own_memory), close(his_own);
}
END_TEST
#endif

/* ---- threads */

static int work_together(void)
{
    int hands = 0;
    use_threads(2);
    #pragma omp parallel reduction(+:hands)
    hands++;
    return hands;
}

static void counts_hands(void *arg, void *shared)
{
    (void)arg;
    signal(SIGALRM, SIG_DFL);      /* not Check's */
    ((struct shared *)shared)->calls = work_together();
}

/* The judge's own kernels have had threads, which the process of the stranger does not inherit. */
START_TEST(its_kernels_have_threads_where_the_judges_had)
{
    static const struct stranger_work counts = {load, counts_hands};
    struct stranger s;
    char fate[FATE];
    const int hands = work_together();
    const char *wrong = stranger_start(&s, &counts, NULL, sizeof(struct shared), 10, "the plugin", why);
    ck_assert_msg(!wrong, "%s", wrong);
    const char *said = stranger_ask(&s, fate);
    ck_assert_msg(!said, "it %s", said);
    ck_assert_int_eq(((struct shared *)s.shared)->calls, hands);
    stranger_stop(&s);
    ck_assert_int_eq(work_together(), hands);
}
END_TEST

/* ---- the judge is stopped */

START_TEST(it_ends_with_the_judge)
{
    int status;
    struct way way = ways[_i % 2 ? 8 : 1];      /* while it answers and hears nothing; with a child, between answers */
    ck_assert(!strcmp(way.name, _i % 2 ? "is_deaf" : "has_a_child"));
    open_alive();
    const pid_t judge = fork();
    if (!judge) {
        struct stranger s;
        char fate[FATE];
        for (int k = 0; k < 4; k++)
            signal(endings[k], SIG_DFL);
        stranger_start(&s, &works, &way, sizeof(struct shared), 600, "the plugin", why);
        if (_i % 2 && !fork()) {      /* somebody else sends it */
            close(alive[1]);
            usleep(20000);
            kill(getppid(), endings[_i / 2]);
            _exit(0);
        }
        stranger_ask(&s, fate);
        raise(endings[_i / 2]);
        _exit(0);
    }
    ck_assert(waitpid(judge, &status, 0) == judge);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == endings[_i / 2], "status %d", status);
    nobody_is_left(way.name);
}
END_TEST

/* Who does not hear a signal, or hears it himself, goes on so. */
static void hears(int number) { (void)number; }

START_TEST(signals_that_somebody_has_stay_his)
{
    struct stranger s;
    struct sigaction is;
    struct way quiet = ways[0];
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, hears);
    begin(&s, &works, &quiet);
    sigaction(SIGHUP, NULL, &is);
    ck_assert(is.sa_handler == SIG_IGN);
    sigaction(SIGINT, NULL, &is);
    ck_assert(is.sa_handler == hears);
    stranger_stop(&s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("strangers");
    TCase *t = tcase_create("strangers");
    scratch_open();
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, what_becomes_of_it_is_said_and_nothing_is_left, 0, (int)(sizeof ways / sizeof *ways));
    tcase_add_test(t, it_prints_on_standard_error);
    tcase_add_loop_test(t, it_has_nothing_of_others, 0, 2);
    tcase_add_test(t, it_has_two_pipes_and_hears_no_signal);
    tcase_add_test(t, it_has_time_between_questions);
    tcase_add_test(t, who_ends_between_questions_does_not_end_the_judge);
#ifdef __linux__
    tcase_add_loop_test(t, it_does_not_look_into_the_judge, 0, 2);
#else
    puts("skipped: what keeps it from looking into the judge is Linux's");
#endif
    tcase_add_test(t, its_kernels_have_threads_where_the_judges_had);
    tcase_add_loop_test(t, it_ends_with_the_judge, 0, 8);
    tcase_add_test(t, signals_that_somebody_has_stay_his);
    suite_add_tcase(s, t);
    const int status = suite_ends(s);
    scratch_close();
    return status;
}
