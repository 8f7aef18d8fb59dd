/* check_verify_conduct.c - what a kernel may do besides computing: every trick is refused and named, and memory that is
 * not there is said, never a verdict. */
#include <check.h>
#include <errno.h>
#include <fenv.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ref/kernels.h"
#include "tools/lib/commands.h"
#include "tools/lib/safetensors.h"
#include "tools/verify/plugin.h"
#include "tests/scratch.h"
#include "tests/suite.h"

static char why[SWAX_WHY];
enum { MANY = 1 << 17 };

/* ---- tricks, on a kernel that is right otherwise */

static int calls;
static float kept[8][MANY];
static const void *kept_for[8];
static uint64_t kept_hash[8];
static int n_kept;

static void right(float *y, const float *a, const float *b, int N) { swax_ref_f32.add_forward(y, a, b, N); }

/* keeps the last answer for an address */
static void last_address(float *y, const float *a, const float *b, int N)
{
    if (kept_for[0] == a)
        memcpy(y, kept[0], (size_t)N * sizeof *y);
    else
        right(y, a, b, N);
    kept_for[0] = a;
    memcpy(kept[0], y, (size_t)N * sizeof *y);
}

/* keeps several, for addresses and sizes */
static void any_address(float *y, const float *a, const float *b, int N)
{
    for (int k = 0; k < n_kept; k++)
        if (kept_for[k] == a && kept_hash[k] == (uint64_t)N) {
            memcpy(y, kept[k], (size_t)N * sizeof *y);
            return;
        }
    right(y, a, b, N);
    const int k = n_kept < 8 ? n_kept++ : calls++ % 8;
    kept_for[k] = a;
    kept_hash[k] = (uint64_t)N;
    memcpy(kept[k], y, (size_t)N * sizeof *y);
}

/* knows contents by their first and last number */
static void fingerprint(float *y, const float *a, const float *b, int N)
{
    uint32_t bits[2];
    memcpy(bits, b, 4);
    memcpy(bits + 1, b + N - 1, 4);
    const uint64_t hash = (uint64_t)bits[0] << 32 | bits[1];
    for (int k = 0; k < n_kept; k++)
        if (kept_hash[k] == hash) {
            memcpy(y, kept[k], (size_t)N * sizeof *y);
            return;
        }
    right(y, a, b, N);
    const int k = n_kept < 8 ? n_kept++ : calls++ % 8;
    kept_hash[k] = hash;
    memcpy(kept[k], y, (size_t)N * sizeof *y);
}

/* keeps what it has worked out of one input alone: for its address; for its size; for its first and last number */
static int keeps_b(int k, const float *b, int N, int by)
{
    return by == 1 ? kept_for[k] == b && kept_hash[k] == (uint64_t)N
         : by == 2 ? kept_hash[k] == (uint64_t)N
                   : kept_hash[k] == (uint64_t)N && kept[k][0] == b[0] && kept[k][N - 1] == b[N - 1];
}
static void with_kept(float *y, const float *a, const float *b, int N, int by)
{
    int k = 0;
    while (k < n_kept && !keeps_b(k, b, N, by))
        k++;
    if (k == n_kept) {
        k = n_kept < 8 ? n_kept++ : calls++ % 8;
        kept_for[k] = b;
        kept_hash[k] = (uint64_t)N;
        memcpy(kept[k], b, (size_t)N * sizeof *b);
    }
    right(y, a, kept[k], N);
}
static void address_of_b(float *y, const float *a, const float *b, int N) { with_kept(y, a, b, N, 1); }
static void size_of_b(float *y, const float *a, const float *b, int N) { with_kept(y, a, b, N, 2); }
static void sample_of_b(float *y, const float *a, const float *b, int N) { with_kept(y, a, b, N, 3); }

static void rounds_up(float *y, const float *a, const float *b, int N) { right(y, a, b, N); fesetround(FE_UPWARD); }
static void from_call_12(float *y, const float *a, const float *b, int N) { right(y, a, b, N); y[0] += calls++ > 11; }
static void input_changed(float *y, const float *a, const float *b, int N)
{
    right(y, a, b, N);
    ((float *)(uintptr_t)a)[0] = 3;
}
static void in_place(float *y, const float *a, const float *b, int N)
{
    right((float *)(uintptr_t)b, a, b, N);
    memcpy(y, b, (size_t)N * sizeof *y);
}
static void zeros(float *y, const float *a, const float *b, int N)
{
    (void)a, (void)b;
    memset(y, 0, (size_t)N * sizeof *y);
}
static void nothing(float *y, const float *a, const float *b, int N) { (void)y, (void)a, (void)b, (void)N; }
static void not_all(float *y, const float *a, const float *b, int N)
{
    right(y, a, b, N > 1 ? N - 1 : N);
}
static void nan_everywhere(float *y, const float *a, const float *b, int N)
{
    (void)a, (void)b;
    for (int i = 0; i < N; i++)
        y[i] = NAN;
}
static void crashes(float *y, const float *a, const float *b, int N) { right(y, a, b, N); if (N > 40) raise(SIGSEGV); }
static void ends(float *y, const float *a, const float *b, int N) { right(y, a, b, N); if (N > 40) exit(0); }
/* for ever; that patience with it ends after a second is its own doing, and Check's handler of the signal is not to
 * hear of it */
static void endless(float *y, const float *a, const float *b, int N)
{
    (void)y, (void)a, (void)b, (void)N;
    signal(SIGALRM, SIG_DFL);
    alarm(1);
    for (;;)
        pause();
}
static void writes_behind(float *y, const float *a, const float *b, int N) { right(y, a, b, N); y[N] = 0; }
static void other_bits(float *y, const float *a, const float *b, int N)
{
    right(y, a, b, N);
    if (N > 4 && y[0] != floorf(y[0]) && calls++ % 2)
        y[0] = nextafterf(y[0], INFINITY);
}

static const struct trick {
    const char *name;
    void (*add)(float *, const float *, const float *, int);
    const char *says;
} tricks[] = {
    {"right", right, NULL},
    {"last_address", last_address, "the answer of the call before to other numbers in the same memory"},
    {"any_address", any_address, "the answer of"},
    {"fingerprint", fingerprint, "other numbers"},
    {"address_of_b", address_of_b, "wrong in later calls"},
    {"size_of_b", size_of_b, "y"},
    {"sample_of_b", sample_of_b, "in later calls"},
    {"rounds_up", rounds_up, "left the rounding mode changed"},
    {"from_call_12", from_call_12, "is right at first and wrong in later calls"},
    {"input_changed", input_changed, "changed its input a"},
    {"in_place", in_place, "changed its input b"},
    {"zeros", zeros, "all zeros"},
    {"nothing", nothing, "y is not written"},
    {"not_all", not_all, "not written in"},
    {"nan_everywhere", nan_everywhere, "not finite"},
    {"crashes", crashes, "crashed: Segmentation fault"},
    {"ends", ends, "ended the process"},
    {"endless", endless, "did not return within"},
    {"writes_behind", writes_behind, "wrote behind the end of y"},
    {"other_bits", other_bits, NULL},
};

static struct swax_kernels_f32 table;

static const char *load(struct loaded *l, void *arg, char *wrong)
{
    (void)arg, (void)wrong;
    l->tier = (struct swax_tier){.name = "trick", .f32 = &table};
    l->precision = SWAX_PREC_F32;
    l->offers[0] = 1;
    return NULL;
}

static int report(const struct report *r, char *said, size_t size)
{
    char *path = scratch("report"), *text;
    fflush(stdout);
    const int out = dup(1);
    ck_assert(freopen(path, "w", stdout) != NULL);
    report_print(r, NULL, NULL);
    fflush(stdout);
    dup2(out, 1);
    close(out);
    read_whole(path, &text);
    snprintf(said, size, "%s", text);
    free(text);
    return r->failed;
}

START_TEST(tricks_are_refused_and_named)
{
    struct plan plan = {.wish = {.states = 1, .documents = 1, .noise = 1}, .seed = 3, .suite = suite_find("standard"),
                        .only = -1};
    struct report r = {.gauge = 0};
    char said[8192];
    ck_assert(!subject_find(&plan.subject, "add_forward", why));
    table.add_forward = tricks[_i].add;
    ck_assert_msg(!verify_stranger(load, "trick", &plan, 0, &r, why), "%s", why);
    const int failed = report(&r, said, sizeof said);
    ck_assert_msg((failed > 0) == (tricks[_i].says != NULL), "%s: %s", tricks[_i].name, said);
    if (tricks[_i].says)
        ck_assert_msg(strstr(said, tricks[_i].says), "%s: no \"%s\" in\n%s", tricks[_i].name, tricks[_i].says, said);
    if (tricks[_i].add == other_bits)
        ck_assert_msg(r.unequal > 0 && strstr(said, "gave other bits"), "%s", said);
}
END_TEST

/* Speed is told of what is right while it is timed, and of nothing else. */
static void cheats_when_long(float *y, const float *a, const float *b, int N)
{
    right(y, a, b, N);
    y[N / 2] += N > 60000 && calls++ > 2;
}
static void cheats_when_timed(float *y, const float *a, const float *b, int N)
{
    right(y, a, b, N);
    y[N / 2] += N > 60000 && calls++ > 8;      /* more often than the verdict asks about so many */
}

START_TEST(no_speed_on_red)
{
    static void (*const of[])(float *, const float *, const float *, int) = {right, cheats_when_long, zeros,
                                                                               cheats_when_timed};
    struct plan plan = {.wish = {.states = 1, .documents = 1, .noise = 1}, .seed = 3, .suite = suite_find("quick"),
                        .only = -1};
    struct report r = {.gauge = 0};
    char said[8192];
    ck_assert(!subject_find(&plan.subject, "add_forward", why));
    plan.suite = suite_find(_i == 1 || _i == 3 ? "standard" : "quick");
    table.add_forward = of[_i];
    ck_assert_msg(!verify_stranger(load, "trick", &plan, 1, &r, why), "%s", why);
    const int failed = report(&r, said, sizeof said);
    ck_assert_msg((failed > 0) == (_i > 0), "%s", said);
    ck_assert_msg((strstr(said, "memory floor") != NULL) == (_i == 0), "%s", said);
    ck_assert_msg((strstr(said, "is right while it is checked, and wrong while it is timed") ||
                   strstr(said, "wrong about others that it was timed with")) == (_i == 3), "%s", said);
}
END_TEST

/* The process in which a kernel runs holds no answers: what it leaves changed there changes no verdict. */
START_TEST(rounding_is_the_judges_own)
{
    const int before = fegetround();
    struct op_case c;
    table.add_forward = rounds_up;
    const struct swax_tier tier = {.name = "trick", .f32 = &table};
    op_case_make(&c, op_find("add_forward"), 1, OP_GAUSS, 9, SWAX_PREC_F32);
    ck_assert(op_run(&tier, SWAX_PREC_F32, &c) != NULL);
    ck_assert_int_eq(fegetround(), before);
    op_case_free(&c);
}
END_TEST

/* ---- memory */

#if !defined __SANITIZE_ADDRESS__ && defined __GLIBC__
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static long fail_at, allocations;    /* the fail_at-th from now fails; 0: none */

static int fails(void)
{
    if (!fail_at || ++allocations != fail_at)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t n) { return fails() ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t size) { return fails() ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { return fails() ? NULL : __libc_realloc(p, n); }

enum { PASSED = 100 };    /* the allocation that was to fail was not reached */

/* In a process of its own: the command with its at-th allocation failing. */
static int starve(const char *line, long at, char *said, size_t size)
{
    char *out = scratch("stdout"), *err = scratch("stderr"), *text;
    fflush(stdout);
    const pid_t child = fork();
    if (!child) {
        char *copy = strdup(line), *argv[32];
        int argc = 0;
        for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
            argv[argc++] = word;
        if (!freopen(out, "w", stdout) || !freopen(err, "w", stderr))
            _exit(99);
        setvbuf(stderr, NULL, _IONBF, 0);
        allocations = 0;
        fail_at = at;
        const int status = cmd_verify(argc, argv);
        fail_at = 0;
        fflush(stdout);
        _exit(allocations < at && status == 0 ? PASSED : status);
    }
    int status;
    ck_assert(waitpid(child, &status, 0) == child);
    read_whole(err, &text);
    snprintf(said, size, "%s", text);
    free(text);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static const struct { const char *line; long every; } starved[] = {
    {"make add suite=quick output=%s", 1},                {"make mlstm T=3 B=1 H=1 K=2 V=2 output=%s", 1},
    {"check %s %s", 1},                                   {"tier ref sqsum suite=quick", 1},
    {"tier ref rope suite=quick", 997},                   {"faults gate suite=quick", 7},
    {"plugin ./no-such-plugin.so mlstm suite=quick", 1},  {"list", 1},
};

START_TEST(every_failing_allocation_is_said)
{
    char line[600], said[4096], *of = scratch("case"), *mine = scratch("mine");
    if (_i == 2) {
        struct plan plan;
        struct problem p;
        struct entry e;
        snprintf(line, sizeof line, "make sqsum N=5 output=%s", of);
        ck_assert_int_eq(starve(line, 1L << 40, said, sizeof said), PASSED);
        struct case_file *f = case_open(of, &plan, why);
        ck_assert(f && plan_entry(&plan, 0, &e) && !problem_draw(&p, &plan, 0, &e, why));
        case_close(f);
        problem_solve(&p);
        FILE *file = fopen(mine, "wb");
        const char header[] = "{\"sum\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]}}";
        const uint64_t length = strlen(header);
        fwrite(&length, 8, 1, file);
        fwrite(header, 1, length, file);
        fwrite(p.truth[0].arg[0], 8, 1, file);
        fclose(file);
        problem_free(&p);
    }
    snprintf(line, sizeof line, starved[_i].line, of, mine);
    const int undisturbed = starve(line, 1L << 40, said, sizeof said);
    char *expected, *printed;
    read_whole(scratch("stdout"), &expected);
    int refused = 0, status = 0;
    for (long at = 1; at < 2000000; at += starved[_i].every) {
        status = starve(line, at, said, sizeof said);
        if (status == PASSED || (undisturbed != PASSED && strstr(said, "no-such-plugin") && !strstr(said, "memory")))
            break;
        read_whole(scratch("stdout"), &printed);
        const int same = status == 0 && !strcmp(printed, expected);    /* a stream does without its buffer */
        free(printed);
        if (same)
            continue;
        ck_assert_msg(status > 0, "%s, allocation %ld: status %d, \"%s\"", line, at, status, said);
        ck_assert_msg(strlen(said) > 20 && strchr(said, '\n'), "%s, allocation %ld: status %d and no sentence: \"%s\"",
                      line, at, status, said);
        refused++;
    }
    ck_assert_msg(status == PASSED || undisturbed != PASSED, "%s: status %d", line, status);
    free(expected);
    ck_assert_msg(refused > 0 || !strncmp(line, "list", 4), "%s: no allocation failed", line);
}
END_TEST
#endif

int main(void)
{
    Suite *s = suite_create("verify's conduct");
    TCase *t = tcase_create("conduct");
    scratch_open();
    tcase_set_timeout(t, 900);
    tcase_add_loop_test(t, tricks_are_refused_and_named, 0, (int)(sizeof tricks / sizeof *tricks));
    tcase_add_loop_test(t, no_speed_on_red, 0, 4);
    tcase_add_test(t, rounding_is_the_judges_own);
#if !defined __SANITIZE_ADDRESS__ && defined __GLIBC__
    tcase_add_loop_test(t, every_failing_allocation_is_said, 0, (int)(sizeof starved / sizeof *starved));
#else
    puts("skipped: memory cannot be made to fail here");
#endif
    suite_add_tcase(s, t);
    const int status = suite_ends(s);
    scratch_close();
    return status;
}
