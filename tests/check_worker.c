/* check_worker.c - the process in which a stranger's kernels run (tools/verify/worker.h): what it answers, where its
 * arrays lie, what is said of who does not come back. */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>
#include "ref/kernels.h"
#include "tools/verify/worker.h"
#include "tests/scratch.h"
#include "tests/shared.h"
#include "tests/suite.h"

static char why[SWAX_WHY];

/* In memory that the processes share. */
enum trick { RIGHT, OTHER_BITS, BEHIND, HALF, CRASHES, LEAVES, TAKES_LONG, SHARED, FAR, FIRST_CALLS, READS_FAR, TRICKS,
             LATER, FORGES };
static struct notes {
    unsigned clock, clock_inside;      /* what the clock that ends a process stands at, now and in the last call */
    int calls[PARTS], trick;
    const void *y[8];
    volatile int may_write, has_written;
} *notes;

unsigned alarm(unsigned seconds)
{
    const struct itimerval at = {.it_value = {.tv_sec = seconds}};
    if (notes)
        notes->clock = seconds;
    return (unsigned)setitimer(ITIMER_REAL, &at, NULL);
}

static char *common;      /* the memory that both have, as the process knows it */

/* By a thread, as soon as the judge of this test says so. */
static void *write_later(void *y)
{
    while (!notes->may_write)
        sched_yield();
    ((float *)y)[3] = 7;
    notes->has_written = 1;
    return NULL;
}

static void forward(float *y, const float *a, const float *b, int N)
{
    pthread_t thread;
    swax_ref_f32.add_forward(y, a, b, notes->trick == HALF ? N / 2 : N);
    notes->clock_inside = notes->clock;
    notes->y[notes->calls[0] % 8] = y;
    switch (notes->trick) {
    case OTHER_BITS: y[1] += (float)notes->calls[0]; break;
    case BEHIND: y[N] = 0; break;
    case CRASHES: raise(SIGSEGV); break;
    case LEAVES: _exit(0); break;
    case TAKES_LONG: raise(SIGALRM); break;
    case SHARED: common[SWAX_WHY + 4000] = 1; break;
    case FAR: y[10000] = 1; break;
    case FIRST_CALLS: *(char *)(uintptr_t)notes->y[0] = 1; break;
    case READS_FAR: notes->has_written = y[10000] != 0; break;
    case FORGES:      /* who knows that it is judged can have all of the memory again */
        ck_assert(!mprotect(common, 4096, PROT_READ | PROT_WRITE));
        memset(common + SWAX_WHY, 0, 4 * sizeof(int));
        break;
    case LATER: if (!notes->calls[0]) pthread_create(&thread, NULL, write_later, y); break;
    }
    notes->calls[0]++;
}

static void backward(float *da, float *db, const float *dy, int N)
{
    swax_ref_f32.add_backward(da, db, dy, N);
    notes->calls[1]++;
}

static struct swax_kernels_f32 table;
static int offers[PARTS] = {1, 1};
static const char *refusal;

static const char *load(struct loaded *l, void *arg, char *wrong)
{
    (void)arg;
    table.add_forward = forward, table.add_backward = backward;
    l->tier = (struct swax_tier){.name = "mine", .f32 = &table};
    l->precision = SWAX_PREC_F32;
    memcpy(l->offers, offers, sizeof offers);
    notes->clock_inside = notes->clock;
    common = wrong;
    return refusal ? snprintf(wrong, SWAX_WHY, "%s", refusal), wrong : NULL;
}

static const char *crash(struct loaded *l, void *arg, char *wrong)
{
    (void)l, (void)arg, (void)wrong;
    _exit(3);
}

/* A problem of 7 numbers, and two copies to be answered; b begins from 5. */
static struct subject add_subject;

static double make(struct op_case in[PARTS], struct op_case got[PARTS], struct op_case second[PARTS])
{
    double numbers = 0;
    notes->calls[0] = notes->calls[1] = 0;
    ck_assert(!subject_find(&add_subject, "add", why));
    for (int part = 0; part < PARTS; part++) {
        uint64_t random = 3;
        memset(&in[part], 0, sizeof in[part]);
        in[part].op = add_subject.op[part];
        in[part].dims[0] = 7;
        op_case_alloc(&in[part], 0);
        for (int i = 0; i < in[part].n; i++) {
            numbers += (double)in[part].size[i];
            for (int e = 0; e < 7; e++)
                in[part].arg[i][e] = swax_ops[in[part].op].arg[i].role == ADD ? 5 : op_normal(&random);
        }
        op_case_copy(&got[part], &in[part]);
        op_case_copy(&second[part], &in[part]);
    }
    return numbers;
}

static void drop(struct op_case in[PARTS], struct op_case got[PARTS], struct op_case second[PARTS])
{
    for (int part = 0; part < PARTS; part++)
        op_case_free(&in[part]), op_case_free(&got[part]), op_case_free(&second[part]);
}

static int same(const double *a, const double *b) { return !memcmp(a, b, 7 * sizeof *a); }

START_TEST(it_answers_twice)
{
    struct op_case in[PARTS], got[PARTS], second[PARTS];
    struct conduct conduct;
    char trouble[OP_SENTENCE];
    int lost = 0;
    struct worker *w = worker_start(load, NULL, make(in, got, second), why);
    ck_assert_msg(w != NULL, "%s", why);
    ck_assert_msg(notes->clock_inside == 600 && notes->clock == 0,
                  "loaded within %u seconds; then the clock stands at %u", notes->clock_inside, notes->clock);
    for (int k = 0; k < 3; k++) {
        for (int part = 0; part < PARTS; part++)
            for (int i = 0; i < 3; i++)
                memcpy(got[part].arg[i], in[part].arg[i], 7 * sizeof(double));
        errno = EINTR;      /* of an earlier call: its word is here and is not waited for again */
        const char *wrong = worker_ask(w, &add_subject, 3, got, second, 0, &conduct, trouble, &lost);
        ck_assert_msg(!wrong && !lost && conduct.offers[0] && conduct.offers[1], "%s", wrong ? wrong : "");
        for (int e = 0; e < 7; e++) {
            ck_assert(got[0].arg[0][e] == (double)(float)((float)in[0].arg[1][e] + (float)in[0].arg[2][e]) &&
                      second[0].arg[0][e] == got[0].arg[0][e]);
            ck_assert(got[1].arg[0][e] == (double)(5 + (float)in[1].arg[2][e]) &&
                      second[1].arg[1][e] == got[1].arg[1][e]);
        }
        ck_assert(same(second[0].arg[1], in[0].arg[1]) && same(second[1].arg[2], in[1].arg[2]));
        ck_assert(same(got[0].arg[1], in[0].arg[1]) && same(got[1].arg[2], in[1].arg[2]) && !got[0].unwritten[0]);
        ck_assert(notes->clock_inside == 600 && notes->clock == 0 && notes->calls[0] == 2 * k + 2 &&
                  notes->calls[1] == 2 * k + 2);
    }
    for (int k = 0; k < 5; k++)      /* the first call lies where the last one did; the second elsewhere */
        ck_assert_msg((notes->y[k] == notes->y[k + 1]) == (k % 2 == 1), "call %d and the next", k);
    ck_assert(notes->y[0] == notes->y[3] && notes->y[4] == notes->y[0]);
    ck_assert_msg(labs((const char *)notes->y[1] - (const char *)notes->y[0]) >= 4096 + 21 * 8,
                  "two calls lie in the same page: %p, %p", notes->y[0], notes->y[1]);
    worker_stop(w);
    drop(in, got, second);
}
END_TEST

/* One part alone; a part that it does not have; once, and the time it took. */
START_TEST(it_answers_what_is_asked)
{
    struct op_case in[PARTS], got[PARTS], second[PARTS];
    struct conduct conduct;
    char trouble[OP_SENTENCE];
    int lost = 0;
    struct worker *w = worker_start(load, NULL, make(in, got, second), why);
    got[0].arg[0][3] = 77;
    ck_assert(!worker_ask(w, &add_subject, 2, got, second, 0, &conduct, trouble, &lost));
    ck_assert(got[0].arg[0][3] == 77 && notes->calls[0] == 0 && notes->calls[1] == 2 &&
              got[1].arg[0][0] == (double)(5 + (float)in[1].arg[2][0]));
    second[1].arg[0][0] = 77;
    memcpy(got[1].arg[0], in[1].arg[0], 7 * sizeof(double));
    ck_assert(!worker_ask(w, &add_subject, 3, got, second, 1, &conduct, trouble, &lost));
    ck_assert(notes->calls[0] == 1 && notes->calls[1] == 3 && second[1].arg[0][0] == 77 &&
              got[1].arg[0][0] == (double)(5 + (float)in[1].arg[2][0]));
    ck_assert_msg(conduct.seconds[0] > 0 && conduct.seconds[0] < 100 && conduct.seconds[1] > 0, "%g %g",
                  conduct.seconds[0], conduct.seconds[1]);
    ck_assert(!worker_ask(w, &add_subject, 1, got, NULL, 0, &conduct, trouble, &lost) && notes->calls[0] == 3 &&
              notes->calls[1] == 3);
    worker_stop(w);
    drop(in, got, second);
    offers[1] = 0;
    w = worker_start(load, NULL, make(in, got, second), why);
    ck_assert(!worker_ask(w, &add_subject, 3, got, second, 0, &conduct, trouble, &lost));
    ck_assert(conduct.offers[0] && !conduct.offers[1] && notes->calls[1] == 0 && same(got[1].arg[0], in[1].arg[0]) &&
              !same(got[0].arg[0], in[0].arg[0]));
    worker_stop(w);
    drop(in, got, second);
}
END_TEST

/* The largest problem in no more room than it takes, whatever it leaves of a page: the numbers of both calls apart. */
static void room_for(int N)
{
    struct op_case got[PARTS], second[PARTS];
    struct conduct conduct;
    char trouble[OP_SENTENCE];
    int lost = 0;
    for (int part = 0; part < PARTS; part++) {
        got[part] = (struct op_case){.op = add_subject.op[part], .dims = {N}};
        op_case_alloc(&got[part], 0);
        for (int i = 0; i < got[part].n; i++)
            for (int e = 0; e < N; e++)
                got[part].arg[i][e] = e % 1000;
        op_case_copy(&second[part], &got[part]);
    }
    struct worker *w = worker_start(load, NULL, 6.0 * N, why);
    const char *wrong = worker_ask(w, &add_subject, 3, got, second, 0, &conduct, trouble, &lost);
    ck_assert_msg(!wrong && !lost, "%d: %s", N, wrong ? wrong : "");
    for (int e = 0; e < N; e++)
        for (int twice = 0; twice < 2; twice++) {
            const struct op_case *is = twice ? second : got;
            ck_assert_each(is[0].arg[0][e] == 2 * (e % 1000) && is[1].arg[0][e] == 2 * (e % 1000) &&
                           is[1].arg[1][e] == 2 * (e % 1000), "call %d, number %d of %d", twice, e, N);
        }
    worker_stop(w);
    for (int part = 0; part < PARTS; part++)
        op_case_free(&got[part]), op_case_free(&second[part]);
}

START_TEST(the_largest_has_room)
{
    ck_assert(!subject_find(&add_subject, "add", why));
    for (int N = 1; N < 46; N += 2)
        room_for(N);
    room_for(100000);
}
END_TEST

static const struct { enum trick trick; const char *says; int lost;
} tricks[TRICKS] = {
    { RIGHT, NULL, 0 },
    { OTHER_BITS, NULL, 0 },
    { BEHIND, "add_forward on tier mine wrote behind the end of y", 0 },
    { HALF, NULL, 0 },
    { CRASHES, "add crashed: Segmentation fault", 1 },
    { LEAVES, "add ended the process", 1 },
    { TAKES_LONG, "add did not return within 600 seconds", 1 },
    { SHARED, "add crashed: Segmentation fault", 1 },
    { FAR, "add crashed: Segmentation fault", 1 },
    { FIRST_CALLS, "add crashed: Segmentation fault", 1 },
    { READS_FAR, "add crashed: Segmentation fault", 1 },
};

START_TEST(what_it_does_is_said)
{
    struct op_case in[PARTS], got[PARTS], second[PARTS];
    struct conduct conduct;
    char trouble[OP_SENTENCE] = "";
    int lost = 0;
    signal(SIGALRM, SIG_DFL);      /* Check's own would end this process */
    notes->trick = tricks[_i].trick;
    struct worker *w = worker_start(load, NULL, make(in, got, second), why);
    const char *wrong = worker_ask(w, &add_subject, 3, got, second, 0, &conduct, trouble, &lost);
    ck_assert_msg(tricks[_i].says ? wrong && !strcmp(wrong, tricks[_i].says) : !wrong, "\"%s\", not \"%s\"",
                  wrong ? wrong : "", tricks[_i].says);
    ck_assert_int_eq(lost, tricks[_i].lost);
    if (!lost) {
        for (int part = 0; part < PARTS && !tricks[_i].says; part++)      /* without trouble there is a second answer */
            ck_assert(same(got[part].arg[0], second[part].arg[0]) == (part || tricks[_i].trick != OTHER_BITS));
        ck_assert_int_eq(got[0].unwritten[0], tricks[_i].trick == HALF ? 4 : 0);
        ck_assert_msg(tricks[_i].trick != HALF || (isnan(got[0].arg[0][3]) && !isnan(got[0].arg[0][2])),
                      "what is not written is no number");
        ck_assert_msg(tricks[_i].trick != OTHER_BITS || got[0].arg[0][1] + 1 == second[0].arg[0][1],
                      "each call has its own answers");
    }
    notes->trick = RIGHT;
    const int was = lost;
    lost = 0;
    wrong = worker_ask(w, &add_subject, 1, got, second, 0, &conduct, trouble, &lost);
    ck_assert_msg(was ? wrong && lost && !strcmp(wrong, "add ended the process") : !wrong && !lost, "asked again: %s",
                  wrong ? wrong : "");
    worker_stop(w);
    drop(in, got, second);
}
END_TEST

/* Which kernels it has is what it said when it was loaded: otherwise it could say that it has none, and be good. */
START_TEST(what_it_has_is_not_said_anew)
{
    struct op_case in[PARTS], got[PARTS], second[PARTS];
    struct conduct conduct;
    char trouble[OP_SENTENCE];
    int lost = 0;
    notes->trick = FORGES;
    struct worker *w = worker_start(load, NULL, make(in, got, second), why);
    for (int k = 0; k < 2; k++)
        ck_assert(!worker_ask(w, &add_subject, 3, got, second, 0, &conduct, trouble, &lost) && conduct.offers[0] &&
                  conduct.offers[1]);
    worker_stop(w);
    drop(in, got, second);
}
END_TEST

/* What is written after the return, by a thread, is found when it is asked again, whichever array it was. */
START_TEST(what_is_written_later_is_said)
{
    struct op_case in[PARTS], got[PARTS], second[PARTS];
    struct conduct conduct;
    char trouble[OP_SENTENCE] = "";
    int lost = 0;
    notes->trick = LATER;
    struct worker *w = worker_start(load, NULL, make(in, got, second), why);
    for (int timed = 0; timed < 2; timed++) {
        notes->may_write = notes->has_written = notes->calls[0] = 0;
        const char *wrong = worker_ask(w, &add_subject, 1, got, second, 1, &conduct, trouble, &lost);
        ck_assert_msg(!wrong, "%s", wrong ? wrong : "");
        notes->may_write = 1;
        while (!notes->has_written)
            sched_yield();
        wrong = worker_ask(w, &add_subject, 1, got, second, timed, &conduct, trouble, &lost);
        ck_assert_msg(wrong && !strcmp(wrong, "add_forward went on writing after it had returned"), "%s",
                      wrong ? wrong : "not seen");
    }
    worker_stop(w);
    drop(in, got, second);
}
END_TEST

static void is_refused(const struct worker *w, const char *says)
{
    ck_assert_msg(!w && !strcmp(why, says), "\"%s\", not \"%s\"", w ? "started" : why, says);
}

START_TEST(what_cannot_be_loaded_is_refused)
{
    struct rlimit all, few;
    const double much = can_reserve(400000000000) ? 4e11 : 40;
    if (much < 4e11)
        puts("skipped: 400 GB of addresses cannot be reserved here, so that none is missed");
    refusal = "There is no mine.so.";
    is_refused(worker_start(load, NULL, 40, why), refusal);
    refusal = NULL;
    is_refused(worker_start(crash, NULL, 40, why), "The plugin ended its process when it was loaded.");
    is_refused(worker_start(load, NULL, 1e18, why), "There is no memory for the plugin's arrays.");
    const int next = dup(0);
    close(next);
    ck_assert(!getrlimit(RLIMIT_NOFILE, &all));
    for (int k = 0; k < 40; k++) {      /* none of two pipes, or one of them; so often there is no such memory */
        few = all;
        few.rlim_cur = (rlim_t)next + (k % 2 ? 3 : 1);
        ck_assert(!setrlimit(RLIMIT_NOFILE, &few));
        is_refused(worker_start(load, NULL, much, why), "No pipe could be opened to the plugin's process.");
        setrlimit(RLIMIT_NOFILE, &all);
        const int now = dup(0), more = dup(0);
        ck_assert_msg(now == next && more == next + 1, "a descriptor is left open");
        close(now), close(more);
    }
    for (int k = 0; k < 30; k++)
        is_refused(worker_start(crash, NULL, much, why), "The plugin ended its process when it was loaded.");
    const int now = dup(0);
    ck_assert_msg(now == next, "a descriptor is left open");
}
END_TEST

#ifndef __SANITIZE_ADDRESS__
/* Memory that the process itself does not get is said in the place of an answer. */
START_TEST(memory_that_is_not_there_is_said)
{
    struct op_case in[PARTS], got[PARTS], second[PARTS];
    struct conduct conduct;
    char trouble[OP_SENTENCE];
    int lost = 0;
    if (!can_reserve(4000000000000) || !malloc_refuses(4000000000000)) {
        puts("skipped: memory cannot be made to fail here");
        return;
    }
    make(in, got, second);
    struct worker *w = worker_start(load, NULL, 4e12, why);
    ck_assert_msg(w != NULL, "%s", why);
    const char *wrong = worker_ask(w, &add_subject, 3, got, second, 0, &conduct, trouble, &lost);
    ck_assert_msg(wrong && lost && !strcmp(wrong, "add crashed: There is no memory for the plugin's arrays"), "%s",
                  wrong ? wrong : "answered");
    worker_stop(w);
    drop(in, got, second);
}
END_TEST
#endif

int main(void)
{
    Suite *s = suite_create("worker");
    TCase *t = tcase_create("worker");
    notes = shared_memory(sizeof *notes);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, it_answers_twice);
    tcase_add_test(t, it_answers_what_is_asked);
    tcase_add_test(t, the_largest_has_room);
    tcase_add_loop_test(t, what_it_does_is_said, 0, TRICKS);
    tcase_add_test(t, what_is_written_later_is_said);
    tcase_add_test(t, what_it_has_is_not_said_anew);
    tcase_add_test(t, what_cannot_be_loaded_is_refused);
#ifndef __SANITIZE_ADDRESS__
    tcase_add_test(t, memory_that_is_not_there_is_said);
#endif
    suite_add_tcase(s, t);
    return suite_ends(s);
}
