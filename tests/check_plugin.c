/* check_plugin.c - somebody's kernels over a suite (tools/verify/plugin.c): how often each part is asked, and what is
 * said of who answers otherwise the second time, forgets, or lacks a part. */
#define _GNU_SOURCE      /* dladdr */
#include <check.h>
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "ref/kernels.h"
#include "tools/lib/random.h"
#include "tools/verify/plugin.h"
#include "tests/scratch.h"
#include "tests/shared.h"
#include "tests/suite.h"

static char why[SWAX_WHY];

/* In memory that the processes share. */
enum trick { RIGHT, OTHER_BITS, SECOND_WRONG, STALE, REPLAY_WRONG, FORGETS, ZEROS, BEHIND, LEAVES,
             BOTH_WRONG, SOME_NUMBERS, KEEPS_SOME, RIGHT_ONCE, ZEROS_IF_SMALL, LAST, LONE };
static struct notes { int calls[PARTS], trick, part, loads; float kept[PARTS][64], first[PARTS]; } *notes;

/* In the process of the kernel: what it met before, as a kernel keeps what it worked out. */
static float met[PARTS];
static int has_met[PARTS];
enum { SMALL = 40 };
static int lone;                          /* a size of one problem alone */
static int right_call, refused_load;      /* of RIGHT_ONCE, behind the first problem; that is refused, of all loads */

/* What becomes of the answer y of N numbers to a call, by its number; the first of a problem's two is even. */
static void spoil(int part, float *y, int N, float first)
{
    notes->first[part] = notes->calls[part] ? notes->first[part] : first;
    met[part] = has_met[part]++ ? met[part] : first;
    const int call = notes->calls[part]++, trick = notes->part == part ? notes->trick : RIGHT;
    float was[64] = {0};
    memcpy(was, y, sizeof *was * (size_t)(N < 64 ? N : 64));
    for (int e = 0; e < N && trick == LONE && N == lone; e++)
        y[e] *= -2;
    y[N - 1] += (trick == LAST && N > 1) || (trick == ZEROS_IF_SMALL && N >= SMALL) ? 1e6f : 0;
    for (int e = 0; e < N; e++)
        y[e] = (trick == BOTH_WRONG && call == 0) || trick == ZEROS || (trick == FORGETS && call > 1)
                   || (trick == ZEROS_IF_SMALL && N < SMALL)
                   || (trick == RIGHT_ONCE && call > 1 && call != right_call) ? 0
             : ((trick == SECOND_WRONG || trick == BOTH_WRONG) && call == 1) || (trick == REPLAY_WRONG && call > 1)
                   || (trick == SOME_NUMBERS && first != notes->first[part])
                   || (trick == KEEPS_SOME && first != met[part]) ? 3 * y[e] + 1
             : trick == STALE && call > 1 && call / 2 % 2 == 1 ? notes->kept[part][e]
             : trick == OTHER_BITS && call == 1 && !e ? nextafterf(y[e], INFINITY) : y[e];
    if (call / 2 % 2 == 0)
        memcpy(notes->kept[part], was, sizeof was);
    if (trick == BEHIND)
        y[N] = 0;
    if (trick == LEAVES)
        _exit(0);
}

static void forward(float *y, const float *a, const float *b, int N)
{
    swax_ref_f32.add_forward(y, a, b, N);
    spoil(0, y, N, a[0]);
}

static void backward(float *da, float *db, const float *dy, int N)
{
    swax_ref_f32.add_backward(da, db, dy, N);
    spoil(1, db, N, dy[0]);
    if (notes->trick == STALE)
        memcpy(da, db, sizeof *da * (size_t)N);      /* da is as db, both begin from 0 */
}

/* The weight is 1 + w, with some numbers. */
static void some_weights(float *y, float *rstd, const float *x, const float *w, int N, int C, double eps)
{
    notes->first[0] = notes->calls[0]++ ? notes->first[0] : x[0];
    swax_ref_f32.rmsnorm_forward(y, rstd, x, w, N, C, eps);
    for (int e = 0; e < N * C && x[0] != notes->first[0]; e++)
        y[e] *= 1 + 1 / w[e % C];
}

static struct swax_kernels_f32 table;
static int offers[PARTS] = {1, 1};

static const char *load(struct loaded *l, void *arg, char *wrong)
{
    const struct plugin *p = arg;
    if (++notes->loads == refused_load)
        return snprintf(wrong, SWAX_WHY, "It is closed today."), wrong;
    ck_assert(!strcmp(p->path, "mine.so") && p->precision == SWAX_PREC_F32);
    table.add_forward = forward, table.add_backward = backward, table.rmsnorm_forward = some_weights;
    l->tier = (struct swax_tier){.name = p->path, .f32 = &table};
    l->precision = SWAX_PREC_F32;
    memcpy(l->offers, offers, sizeof offers);
    return NULL;
}

static const char *ask(const char *line, enum trick trick, int part, int time, struct report *r)
{
    struct plan plan;
    ck_assert_msg(!plan_read(&plan, line, why), "%s", why);
    memset(notes, 0, sizeof *notes);
    notes->trick = trick, notes->part = part;
    *r = (struct report){.gauge = 1};
    return verify_stranger(load, "mine.so", &plan, time, r, why);
}

static const struct finding *of_tensor(const struct report *r, const char *name)
{
    for (int i = 0; i < r->n; i++)
        if (!strcmp(r->finding[i].name, name))
            return &r->finding[i];
    return NULL;
}

/* Every problem twice; every fifth five times more, each twice, unless it is large. */
START_TEST(each_part_is_asked_so_often)
{
    static const struct { const char *line; int calls; } of[] = {
        {"add N=7", 12}, {"add N=16666", 12}, {"add N=16667", 2}, {"add suite=quick N=7 seed=3", -1},
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        struct report r;
        const char *wrong = ask(of[k].line, RIGHT, 0, 0, &r);
        const int calls = of[k].calls > 0 ? of[k].calls : 2 * r.problems + 10 * ((r.problems + 4) / 5);
        ck_assert_msg(!wrong && !r.failed && !r.trouble[0] && !r.unequal && r.gauge == 1, "%s",
                      wrong ? wrong : r.trouble);
        ck_assert_msg(notes->calls[0] == calls && notes->calls[1] == calls, "%s: %d and %d calls, not %d", of[k].line,
                      notes->calls[0], notes->calls[1], calls);
        ck_assert(of_tensor(&r, "y") && of_tensor(&r, "da") && of_tensor(&r, "db") &&
                  of_tensor(&r, "y")->answers == r.problems);
    }
}
END_TEST

static const struct said {
    enum trick trick;
    const char *line, *trouble[PARTS], *name[PARTS];
    int failed, unequal;
} said[] = {
    { OTHER_BITS, "add N=7", { "", "" }, { "y", "db" }, 0, 1 },
    { SECOND_WRONG,
      "add N=7",
      { "add_forward is right at first and wrong in later calls: in the second on the same inputs",
        "add_backward is right at first and wrong in later calls: in the second on the same inputs" },
      { "y", "db" },
      1,
      1 },
    { STALE,
      "add N=7",
      { "add_forward gives the answer of the call before to other numbers in the same memory",
        "add_backward gives the answer of the call before to other numbers in the same memory" },
      { NULL, NULL },
      1,
      0 },
    { REPLAY_WRONG,
      "add N=7",
      { "add_forward is right at first and wrong in later calls",
        "add_backward is right at first and wrong in later calls" },
      { NULL, NULL },
      1,
      0 },
    { SOME_NUMBERS, "add N=7", { "", "" }, { NULL, NULL }, 1, 0 },
    { KEEPS_SOME,
      "add N=7",
      { "add_forward is right at first and wrong in later calls",
        "add_backward is right at first and wrong in later calls" },
      { NULL, NULL },
      1,
      0 },
    { ZEROS, "add N=7", { "", "" }, { NULL, NULL }, 1, 0 },
    { BOTH_WRONG, "add N=7", { "", "" }, { "y", "db" }, 1, 1 },
    { BEHIND,
      "add N=7",
      { "add_forward on tier mine.so wrote behind the end of y",
        "add_backward on tier mine.so wrote behind the end of db" },
      { NULL, NULL },
      1,
      0 },
    { LEAVES, "add suite=quick", { "add ended the process", "add ended the process" }, { NULL, NULL }, 1, 0 },
};

START_TEST(each_way_to_answer_has_its_words)
{
    const struct said *s = &said[_i / 2];
    const int part = _i % 2;
    struct report r;
    const char *wrong = ask(s->line, s->trick, part, 0, &r);
    ck_assert_msg(!wrong && !strcmp(r.trouble, s->trouble[part]), "%s, part %d: \"%s\", not \"%s\"", s->line, part,
                  wrong ? wrong : r.trouble, s->trouble[part]);
    ck_assert_msg(r.failed == s->failed && r.unequal == s->unequal, "%d failed, %d unequal", r.failed, r.unequal);
    ck_assert(s->name[part] ? r.unequal_name && !strcmp(r.unequal_name, s->name[part]) : !r.unequal_name);
    ck_assert_int_eq(r.others, s->trick == SOME_NUMBERS);
    if (s->trick == SOME_NUMBERS)      /* its own numbers are right, the others are not */
        ck_assert(of_tensor(&r, part ? "db" : "y")->failed == 1 && of_tensor(&r, part ? "db" : "y")->answers == 2 &&
                  of_tensor(&r, "da")->failed == 0);
    if (s->trick == ZEROS)
        ck_assert(of_tensor(&r, part ? "db" : "y")->failed == 1 && of_tensor(&r, "da")->failed == 0);
    if (s->trick == LEAVES)
        ck_assert(notes->calls[part] == 1 && r.problems == 1);
}
END_TEST

/* What is wrong with the numbers that are wrong is looked for, where all others are right. */
START_TEST(the_cause_is_that_of_the_numbers_that_are_wrong)
{
    struct report r;
    ck_assert_msg(!ask("rmsnorm_forward N=30 C=5", SOME_NUMBERS, 0, 0, &r), "%s", why);
    ck_assert_msg(r.failed == 1 && r.others == 1 && !r.other_at && !r.trouble[0], "%s", r.trouble);
    ck_assert_msg(r.cause >= 0 && !strcmp(cause_is(r.cause)->name, "one_plus_weight"), "cause %d", r.cause);
}
END_TEST

/* A quick suite whose first problem is not one of those that are replayed. */
static void begin_unreplayed(char line[60])
{
    struct report r;
    ck_assert(!ask("add suite=quick N=7", RIGHT, 0, 0, &r));
    int seed = 1;
    while (random_permute((uint64_t)seed, (uint64_t)r.problems, 0) % 5 == 0)
        seed++;
    snprintf(line, 60, "add suite=quick N=7 seed=%d", seed);
}

/* Who answers all but the first problem wrong, which is not replayed, is asked that one again. */
START_TEST(what_is_forgotten_is_found)
{
    struct report r;
    char line[60];
    begin_unreplayed(line);
    for (int part = 0; part < PARTS; part++) {
        offers[!part] = 0, offers[part] = 1;
        ck_assert_msg(!ask(line, FORGETS, part, 0, &r), "%s", why);
        char says[OP_SENTENCE];
        snprintf(says, sizeof says, "%s is right at first and wrong in later calls",
                 part ? "add_backward" : "add_forward");
        ck_assert_msg(r.failed == r.problems - 1 && !strcmp(r.trouble, says), "\"%s\", not \"%s\"", r.trouble, says);
    }
    offers[0] = offers[1] = 1;
}
END_TEST

/* Where it is asked once more, what it says at another place counts: the last call. */
START_TEST(what_it_says_elsewhere_counts)
{
    struct report r;
    char line[60];
    begin_unreplayed(line);
    for (int part = 0; part < PARTS; part++) {
        offers[!part] = 0, offers[part] = 1;
        ck_assert_msg(!ask(line, FORGETS, part, 0, &r), "%s", why);
        const int last = notes->calls[part] - 1;
        for (int back = 0; back < 2; back++) {
            right_call = last - back;
            ck_assert_msg(!ask(line, RIGHT_ONCE, part, 0, &r), "%s", why);
            ck_assert_msg(notes->calls[part] == last + 1 && !r.trouble[0] == !back, "part %d, call %d of %d: \"%s\"",
                          part, right_call, notes->calls[part], r.trouble);
        }
    }
    offers[0] = offers[1] = 1;
}
END_TEST

/* What a tensor looks like is said of all cases in which it is wrong, or of how many. */
START_TEST(what_it_looks_like_is_said_of_all)
{
    static int sizes[1000];
    struct report r;
    struct plan plan;
    struct entry e;
    struct problem p;
    int small = 0, more = 0, all = 0;
    char line[60];
    snprintf(line, sizeof line, "add_forward suite=standard seed=%d", 1 + _i);
    ck_assert(!plan_read(&plan, line, why));
    for (; plan_entry(&plan, all, &e); all++) {
        ck_assert(!problem_draw(&p, &plan, all, &e, why) && all < 1000);
        sizes[all] = p.in[0].dims[0];
        small += sizes[all] < SMALL;
        more += sizes[all] > 1;
        problem_free(&p);
    }
    for (int i = 0; i < all; i++) {
        int same = 0;
        for (int k = 0; k < all; k++)
            same += sizes[k] == sizes[i];
        lone = same == 1 && sizes[i] > 1 ? sizes[i] : lone;
    }
    const int most = small > all - small ? small : all - small;
    ck_assert_msg(small > 3 && all > small + 3 && more < all && lone, "%d small of %d", small, all);
    const struct { enum trick trick; int failed; const char *begins, *ends; int alike; } of[] = {
        {ZEROS, all, "all zeros", "all zeros", 0},
        {LONE, 1, "-2 times what it should be", "-2 times what it should be", 0},
        {LAST, more, "wrong at N = ", "; alike in all %d)", more},
        {ZEROS_IF_SMALL, all, most == small ? "all zeros (case " : "wrong at N = ", "; alike in %d of ", most},
    };
    for (size_t k = _i ? 3 : 0; k < sizeof of / sizeof *of; k++) {
        char ends[100];
        ck_assert(!ask(line, of[k].trick, 0, 0, &r));
        const struct finding *y = of_tensor(&r, "y");
        ck_assert_msg(y->failed == of[k].failed, "%d failed, not %d", y->failed, of[k].failed);
        snprintf(ends, sizeof ends, of[k].ends, of[k].alike);
        if (of[k].trick == ZEROS_IF_SMALL)
            snprintf(ends + strlen(ends), sizeof ends - strlen(ends), "%d)", all);
        const size_t n = strlen(y->looks), m = strlen(ends);
        ck_assert_msg(n >= m && !strcmp(y->looks + n - m, ends) &&
                          !strncmp(y->looks, of[k].begins, strlen(of[k].begins)),
                      "\"%s\", not \"%s ... %s\"", y->looks, of[k].begins, ends);
    }
}
END_TEST

/* A process that has not seen anything, for other numbers that it was wrong about, is refused. */
START_TEST(a_process_that_does_not_start_is_said)
{
    struct report r;
    refused_load = 2;
    ck_assert_msg(!ask("add N=7", SOME_NUMBERS, 0, 0, &r), "%s", why);
    ck_assert_str_eq(r.trouble, "It is closed today.");
    ck_assert_int_eq(r.failed, 1);
    refused_load = 1;
    const char *wrong = ask("add N=7", RIGHT, 0, 0, &r);
    ck_assert_msg(wrong && !strcmp(wrong, "It is closed today."), "%s", wrong ? wrong : "started");
}
END_TEST

START_TEST(a_part_that_is_not_there_is_not_asked)
{
    struct report r;
    for (int part = 0; part < PARTS; part++) {
        offers[!part] = 0, offers[part] = 1;
        ck_assert_msg(!ask("add suite=quick N=7", RIGHT, 0, 0, &r) && !r.failed, "%s", r.trouble);
        ck_assert(notes->calls[!part] == 0 && notes->calls[part] > 0);
        ck_assert((of_tensor(&r, "y") != NULL) == !part && (of_tensor(&r, "da") != NULL) == part &&
                  (of_tensor(&r, "db") != NULL) == part);
        ck_assert_msg(!ask("add suite=quick N=7", ZEROS, part, 0, &r) && r.failed == r.problems, "%d of %d", r.failed,
                      r.problems);
    }
    offers[0] = offers[1] = 1;
}
END_TEST

START_TEST(time_is_told_of_both_parts)
{
    struct report r;
    ck_assert_msg(!ask("add N=7", RIGHT, 0, 1, &r) && !r.failed, "%s", r.trouble);
    ck_assert(r.timing.calls[0] > 5 && r.timing.calls[1] == r.timing.calls[0] && r.timing.median[0] > 0 &&
              r.timing.median[1] > 0);
    ck_assert_str_eq(r.timing.sizes[0], "add_forward N=7");
    ck_assert_str_eq(r.timing.sizes[1], "add_backward N=7");
    /* three arrays in float, of which a backward adds to two; memory moves 100 MB to 10 TB a second */
    ck_assert_msg(fabs(r.timing.floor[1] / r.timing.floor[0] - 5 / 3.) < 1e-9 && r.timing.floor[0] > 84 / 1e13 &&
                      r.timing.floor[0] < 84 / 1e8, "floors of %g and %g s", r.timing.floor[0], r.timing.floor[1]);
    ck_assert_msg(r.timing.least[0] > 0 && r.timing.least[0] <= r.timing.median[0] &&
                      r.timing.median[0] <= r.timing.most[0], "%g, %g, %g s", r.timing.least[0], r.timing.median[0],
                  r.timing.most[0]);
    /* what the machine calls itself */
    char line[256], *model = NULL;
    struct utsname u;
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && !model && fgets(line, sizeof line, f))
        model = !strncmp(line, "model name", 10) && strchr(line, ':') ? strtok(strchr(line, ':') + 2, "\n") : NULL;
    if (f)
        fclose(f);
    ck_assert(!uname(&u));
    ck_assert_str_eq(r.timing.device, model ? model : u.machine);
    ck_assert(!ask("add N=7", RIGHT, 0, 0, &r) && !r.timing.calls[0]);
    ck_assert(!ask("add N=7", ZEROS, 1, 1, &r) && r.failed == 1 && !r.timing.calls[0] && !r.trouble[0]);
}
END_TEST

static void refused(const char *wrong, const char *says)
{
    ck_assert_msg(wrong && strstr(wrong, says) && is_sentence(wrong), "\"%s\", not \"%s\"", wrong ? wrong : "no word",
                  says);
}

START_TEST(refusals_are_sentences)
{
    struct report r = {.gauge = 1};
    struct plan plan;
    refused(ask("add N=1000000000", RIGHT, 0, 0, &r), "Too large: with add_forward N=1000000000");
    ck_assert(!plan_read(&plan, "add N=70", why));
    while (!suite_is_long(plan.suite))
        plan.suite++;
    refused(verify_stranger(load, "mine.so", &plan, 1, &r, why),
            "time=yes: suite=long is not timed; leave out one of them.");
    memset(notes, 0, sizeof *notes);
    const char *wrong = verify_stranger(load, "mine.so", &plan, 0, &r, why);
    ck_assert_msg(!wrong && r.problems == 1 && !r.failed && r.gauge == 1 && notes->calls[0] == 1, "%s",
                  wrong ? wrong : r.trouble);
    ck_assert(!plan_read(&plan, "add N=7", why));
    refused(verify_plugin("./no-such.so", &plan, 0, &r, why), "no-such.so");
    Dl_info libc;
    void *known = dlsym(RTLD_DEFAULT, "pthread_mutexattr_setprioceiling");
    if (!known || !dladdr(known, &libc) || !libc.dli_fname || !strstr(libc.dli_fname, ".so")) {
        puts("skipped: this program is linked with no shared object");
        return;
    }
    static const char *const suffix[] = {"f32", "", "f64", "_f64", "bf16", "_bf16"};
    for (int k = 0; k < 3; k++) {
        char line[40], says[80];
        snprintf(line, sizeof line, "add N=7 dtype=%s", suffix[2 * k]);
        snprintf(says, sizeof says, "exports neither add_forward%s nor its backward, with the signature in kernels.h.",
                 suffix[2 * k + 1]);
        ck_assert(!plan_read(&plan, line, why));
        refused(verify_plugin(libc.dli_fname, &plan, 0, &r, why), says);
    }
    ck_assert(!symlink(libc.dli_fname, scratch("mine.so")) && !chdir(scratch(".")));      /* one that lies here */
    refused(verify_plugin("mine.so", &plan, 0, &r, why), "mine.so exports neither");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plugins");
    TCase *t = tcase_create("plugins");
    scratch_open();
    notes = shared_memory(sizeof *notes);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, each_part_is_asked_so_often);
    tcase_add_loop_test(t, each_way_to_answer_has_its_words, 0, 2 * (int)(sizeof said / sizeof *said));
    tcase_add_test(t, the_cause_is_that_of_the_numbers_that_are_wrong);
    tcase_add_loop_test(t, what_it_looks_like_is_said_of_all, 0, 4);      /* other problems come first */
    tcase_add_test(t, what_is_forgotten_is_found);
    tcase_add_test(t, what_it_says_elsewhere_counts);
    tcase_add_test(t, a_process_that_does_not_start_is_said);
    tcase_add_test(t, a_part_that_is_not_there_is_not_asked);
    tcase_add_test(t, time_is_told_of_both_parts);
    tcase_add_test(t, refusals_are_sentences);
    suite_add_tcase(s, t);
    const int status = suite_ends(s);
    scratch_close();
    return status;
}
