/* check_own_call.c - somebody's own function (tools/verify/own.h): the process of its library, and the words of a
 * verdict. */
#define _GNU_SOURCE      /* dladdr */
#include <check.h>
#include <dlfcn.h>
#include <fenv.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>
#include "ref/bf16.h"
#include "tools/lib/json.h"
#include "tests/golden.h"
#include "tests/own_text.h"
#include "tests/scratch.h"
#include "tests/shared.h"
#include "tests/suite.h"

static const char plain[] = WITH("\"N\": [1, 40]", Y ", " X);

/* ---- the process of a library */

/* In memory that the processes share: what the clock that ends a process stands at, the arrays' addresses, a trick. */
static struct table {
    unsigned clock, clock_inside;
    int calls, trick, has_first;
    double first;           /* of the candidate's first call, its first number */
    void *tensor[OWN_TENSORS];
    double x[256][16];      /* the inputs of each call */
} *table;

unsigned alarm(unsigned seconds)
{
    const struct itimerval at = {.it_value = {.tv_sec = seconds}};
    if (table)
        table->clock = seconds;
    return (unsigned)setitimer(ITIMER_REAL, &at, NULL);
}

enum { RIGHT, BEFORE, FAR_BEFORE, BEHIND, FAR_BEHIND, INPUT, HALF, CRASHES, LEAVES, TAKES_LONG, ROUNDS, OTHER_BITS,
       THREE, LAST, SOME_NUMBERS, KEEPS_SOME, WRONG_AT = 100 };      /* and its call: wrong in that one */

static int mine = -1000000;      /* the candidate's calls, in its process */
static double met;               /* the first number that it met there */

/* Is a call with this first number wrong: by the numbers alone, or since others came before in that process? */
static int is_wrong_of(double x)
{
    if (!table->has_first++)
        table->first = x;
    met = mine++ ? met : x;
    return x != (table->trick == SOME_NUMBERS ? table->first : met);
}

#define TWICE(name, real)                                                                                              \
    static void name(void *const *t, const int *size, const double *scalar)                                            \
    {                                                                                                                  \
        real *y = t[0], *x = t[1];                                                                                     \
        const int N = size[0];                                                                                         \
        (void)scalar;                                                                                                  \
        memcpy(table->tensor, t, (size_t)w.tensors * sizeof *t);                                                       \
        table->clock_inside = table->clock;                                                                            \
        for (int e = 0; e < N && e < 16; e++)                                                                          \
            table->x[table->calls % 256][e] = x[e];                                                                    \
        table->calls++;                                                                                                \
        for (int e = 0; e < (table->trick == HALF ? N / 2 : N); e++)                                                   \
            y[e] = (real)(2 * x[e]);                                                                                   \
        if (table->trick == BEFORE || table->trick == FAR_BEFORE)                                                      \
            y[table->trick == BEFORE ? -1 : -64] = 0;                                                                  \
        if (table->trick == BEHIND || table->trick == FAR_BEHIND)                                                      \
            y[N + (table->trick == BEHIND ? 0 : 63)] = 0;                                                              \
        if (table->trick == INPUT)                                                                                     \
            x[N - 1] = 0;                                                                                              \
        if (table->trick == CRASHES)                                                                                   \
            raise(SIGSEGV);                                                                                            \
        if (table->trick == LEAVES)                                                                                    \
            _exit(0);                                                                                                  \
        if (table->trick == TAKES_LONG)                                                                                \
            raise(SIGALRM);                                                                                            \
        if (table->trick == ROUNDS)                                                                                    \
            fesetround(FE_DOWNWARD);                                                                                   \
        if (table->trick == OTHER_BITS && mine++ >= 8 && mine % 2 == 0)                                                \
            y[0] = (real)nextafterf((float)y[0], INFINITY);                                                            \
        for (int e = 0; e < N && mine >= 0 && table->trick == THREE; e++)                                              \
            y[e] = 3 * x[e];                                                                                           \
        if (mine >= 0 && (table->trick == SOME_NUMBERS || table->trick == KEEPS_SOME) && is_wrong_of(x[0]))            \
            y[N - 1] += 1;                                                                                             \
        if (mine >= 0 && table->trick == LAST)                                                                         \
            y[N - 1] = NAN;                                                                                            \
        if (table->trick > WRONG_AT && ++mine == table->trick - WRONG_AT)                                              \
            y[N - 1] += 1;                                                                                             \
    }
TWICE(twice32, float)
TWICE(twice64, double)

/* The same twice, of which float loses digits. */
#define LOSES(name, real, stat, in, out)                                                                               \
    static void name(void *const *t, const int *size, const double *scalar)                                            \
    {                                                                                                                  \
        real *y = t[0], *z = t[1];                                                                                     \
        const real *x = t[2];                                                                                          \
        (void)scalar;                                                                                                  \
        for (int e = 0; e < size[0]; e++) {                                                                            \
            const volatile stat sum = in(x[e]) + 1000;                                                                 \
            y[e] = z[e] = out((stat)(sum - 1000));                                                                     \
        }                                                                                                              \
    }
#define AS_IS(x) (x)
LOSES(loses32, float, float, AS_IS, AS_IS)
LOSES(loses64, double, double, AS_IS, AS_IS)
LOSES(loses16, swax_bf16, float, bf16_to_float, bf16_from_float)

static const char *refusal;
static int has_float = 1, has_double = 1;

static const char *load(own_function *f[SWAX_PRECISIONS], const struct own *own, const char *library, char *wrong)
{
    const int three = own->tensors == 3;
    mine = !strcmp(library, "mine.so") ? 0 : mine;
    f[SWAX_PREC_F32] = !has_float ? NULL : three ? loses32 : twice32;
    f[SWAX_PREC_F64] = !has_double ? NULL : three ? loses64 : twice64;
    f[SWAX_PREC_BF16] = three ? loses16 : NULL;
    table->clock_inside = table->clock;
    return refusal ? snprintf(wrong, SWAX_WHY, "%s", refusal), wrong : NULL;
}

static struct own_problem problem_of(const char *text, int number)
{
    struct own_problem p;
    ck_assert_msg(!read_text(text), "%s", why);
    own_sizes(&p, &w, 3, number);
    own_draw(&p, &w, DT_F32);
    return p;
}

/* It is asked, at both places; its clock runs while it is loaded or called, and at no other time. */
START_TEST(a_library_is_asked)
{
    struct own_problem p = problem_of(WITH("\"N\": 11", Y ", " X), 0);
    long unwritten[OWN_TENSORS];
    char trouble[OP_SENTENCE];
    unsigned char *at[2][2];
    int lost = 0;
    struct own_process *s = own_start(&w, "mine.so", load, SWAX_PREC_F64, 22, why);
    ck_assert_msg(s && own_has(s, SWAX_PREC_F32) && own_has(s, SWAX_PREC_F64) && !own_has(s, SWAX_PREC_BF16), "%s",
                  why);
    ck_assert_msg(table->clock_inside == 600 && table->clock == 0,
                  "loaded within %u seconds; then the clock stands at %u", table->clock_inside, table->clock);
    for (int k = 0; k < 6; k++) {
        const enum swax_precision precision = k < 3 ? SWAX_PREC_F32 : SWAX_PREC_F64;
        const size_t width = k < 3 ? 4 : 8;
        struct own_problem got;
        own_copy(&got, &p, &w);
        const char *wrong = own_call(s, precision, &got, k % 2, unwritten, trouble, &lost);
        ck_assert_msg(!wrong && !lost && !unwritten[0] && !unwritten[1], "%s", wrong ? wrong : "");
        for (int e = 0; e < 11; e++)
            ck_assert_double_eq(got.at[0][e], 2 * p.at[1][e]);
        ck_assert(table->clock_inside == 600 && table->clock == 0);
        at[k % 2][0] = table->tensor[0], at[k % 2][1] = table->tensor[1];
        ck_assert_msg((uintptr_t)at[k % 2][0] % 64 == 0 && (uintptr_t)at[k % 2][1] % 64 == width,
                      "every other array is not aligned");
        ck_assert_msg(!(k % 3) || (at[1][0] - at[0][0]) % 4096 == 64, "the second place is one line on");
        own_free(&got);
    }
    ck_assert_int_eq(table->calls, 6);
    own_stop(s);
    own_free(&p);
}
END_TEST

static const struct { int trick; const char *says; int lost;
} tricks[] = {
    { RIGHT, NULL, 0 },
    { BEFORE, "f of mine.so wrote before the beginning of y", 0 },
    { FAR_BEFORE, "f of mine.so wrote before the beginning of y", 0 },
    { BEHIND, "f of mine.so wrote behind the end of y", 0 },
    { FAR_BEHIND, "f of mine.so wrote behind the end of y", 0 },
    { INPUT, "f of mine.so changed its input x", 0 },
    { HALF, NULL, 0 },
    { CRASHES, "f of mine.so crashed: Segmentation fault", 1 },
    { LEAVES, "f of mine.so ended the process", 1 },
    { TAKES_LONG, "f of mine.so did not return within 600 seconds", 1 },
    { ROUNDS, "f of mine.so left the rounding mode changed", 0 },
};

START_TEST(what_a_library_does_is_said)
{
    struct own_problem p = problem_of(WITH("\"N\": 11", Y ", " X), 0);
    long unwritten[OWN_TENSORS];
    char trouble[OP_SENTENCE];
    int lost = 0;
    signal(SIGALRM, SIG_DFL);      /* Check's own would end this process */
    table->trick = tricks[_i].trick;
    struct own_process *s = own_start(&w, "mine.so", load, SWAX_PREC_F32, 22, why);
    const char *wrong = own_call(s, SWAX_PREC_F32, &p, _i % 2, unwritten, trouble, &lost);
    ck_assert_msg(tricks[_i].says ? wrong && !strcmp(wrong, tricks[_i].says) : !wrong, "\"%s\", not \"%s\"",
                  wrong ? wrong : "", tricks[_i].says);
    ck_assert_int_eq(lost, tricks[_i].lost);
    ck_assert(lost || (unwritten[0] == (tricks[_i].trick == HALF ? 6 : 0) && unwritten[1] == 0));
    if (tricks[_i].trick == HALF)
        ck_assert_msg(isnan(p.at[0][5]) && p.at[0][4] == 2 * p.at[1][4], "what is not written is poison");
    table->trick = RIGHT;
    lost = 0;
    wrong = own_call(s, SWAX_PREC_F32, &p, 0, unwritten, trouble, &lost);
    ck_assert_msg(tricks[_i].lost ? wrong && lost && strstr(wrong, "ended the process") : !wrong && !lost,
                  "asked again: %s", wrong ? wrong : "");
    own_stop(s);
    own_free(&p);
}
END_TEST

/* The smallest room in which the largest problem fits, whatever it leaves of a page: as many tensors as there can be,
 * each with its guards, and the two places apart. */
START_TEST(many_tensors_have_room)
{
    enum { LAST = OWN_TENSORS - 1 };
    long unwritten[OWN_TENSORS];
    char trouble[OP_SENTENCE];
    for (int k = 0; k < 34; k++) {
        const long M = k < 33 ? 1 + 16 * k : 30001;      /* numbers of the last one; one of each other */
        char text[4000], *end[2] = {NULL, NULL};
        int lost = 0;
        snprintf(text, sizeof text, "{\"function\": \"f\", \"sizes\": {\"N\": 1, \"M\": %ld}, \"tensors\": [" Y, M);
        for (int i = 1; i < OWN_TENSORS; i++)
            snprintf(text + strlen(text), 80, ", {\"name\": \"x%d\", \"shape\": \"%s\", \"is\": \"input\"}", i,
                     i < LAST ? "N" : "M");
        strcat(text, "]}");
        struct own_problem p = problem_of(text, 0);
        struct own_process *s = own_start(&w, "mine.so", load, SWAX_PREC_F64, LAST + (double)M, why);
        for (int place = 0; place < 2; place++) {
            const char *wrong = own_call(s, SWAX_PREC_F64, &p, place, unwritten, trouble, &lost);
            ck_assert_msg(!wrong && p.at[0][0] == 2 * p.at[1][0], "%s", wrong ? wrong : "");
            for (int i = 0; i < OWN_TENSORS; i++)
                for (int j = 0; j < i; j++)
                    ck_assert_each(labs((char *)table->tensor[i] - (char *)table->tensor[j]) >= 128 * 8,
                                   "%d and %d lie too near each other", i, j);
            ck_assert_msg(!place || (char *)table->tensor[0] - 64 * 8 >= end[0], "the second place lies in the first");
            end[place] = (char *)table->tensor[LAST] + (M + 64) * 8;
        }
        ck_assert_msg(end[1] - end[0] <= 8 * (LAST + M) + OWN_TENSORS * 1152 + 4096 + 64, "more room than is needed");
        own_stop(s);
        own_free(&p);
    }
}
END_TEST

static void is_refused(const struct own_process *s, const char *says)
{
    ck_assert_msg(!s && !strcmp(why, says), "\"%s\", not \"%s\"", s ? "started" : why, says);
}

static const char *crash(own_function *f[SWAX_PRECISIONS], const struct own *own, const char *library, char *wrong)
{
    (void)f, (void)own, (void)library, (void)wrong;
    _exit(3);
}

START_TEST(a_library_that_cannot_be_asked_is_refused)
{
    ck_assert(!read_text(plain));
    has_double = 0;
    is_refused(own_start(&w, "mine.so", load, SWAX_PREC_F64, 80, why), "mine.so exports no function f_f64.");
    is_refused(own_start(&w, "mine.so", load, SWAX_PREC_BF16, 80, why), "mine.so exports no function f_bf16.");
    has_float = 0, has_double = 1;
    is_refused(own_start(&w, "mine.so", load, SWAX_PREC_F32, 80, why), "mine.so exports no function f.");
    refusal = "There is no mine.so.";
    is_refused(own_start(&w, "mine.so", load, SWAX_PREC_F64, 80, why), refusal);
    refusal = NULL;
    is_refused(own_start(&w, "mine.so", crash, SWAX_PREC_F64, 80, why),
               "A library ended its process when it was loaded.");
    is_refused(own_start(&w, "mine.so", load, SWAX_PREC_F64, 1e18, why),
               "There is no memory, or no pipe, for the process of a library.");
}
END_TEST

/* Without pipes it is refused, and what was taken until then is given back: so often there is no such memory. */
START_TEST(what_was_taken_is_given_back)
{
    struct rlimit all, few;
    const double much = can_reserve(400000000000) ? 4e11 : 80;
    if (much < 4e11)
        puts("skipped: 400 GB of addresses cannot be reserved here, so that none is missed");
    ck_assert(!read_text(plain) && !getrlimit(RLIMIT_NOFILE, &all));
    const int next = dup(0);
    close(next);
    for (int k = 0; k < 40; k++) {
        few = all;
        few.rlim_cur = (rlim_t)next + (k % 2 ? 3 : 1);      /* none of two pipes, or one of them */
        ck_assert(!setrlimit(RLIMIT_NOFILE, &few));
        is_refused(own_start(&w, "mine.so", load, SWAX_PREC_F64, much, why),
                   "There is no memory, or no pipe, for the process of a library.");
        setrlimit(RLIMIT_NOFILE, &all);
        const int now = dup(0), more = dup(0);
        ck_assert_msg(now == next && more == next + 1, "a descriptor is left open");
        close(now), close(more);
    }
    for (int k = 0; k < 30; k++) {
        struct own_process *s = own_start(&w, "mine.so", load, SWAX_PREC_F64, much, why);
        ck_assert_msg(s != NULL, "memory is not given back: %s", why);
        own_stop(s);
    }
    const int now = dup(0);
    ck_assert_msg(now == next, "a descriptor is left open");
}
END_TEST

/* Names are looked up whole, and a library without a slash in its name is one that lies here. */
START_TEST(a_shared_object_is_opened)
{
    own_function *f[SWAX_PRECISIONS] = {0};
    Dl_info libc;
    void *known = dlsym(RTLD_DEFAULT, "pthread_mutexattr_setprioceiling");
    if (!known || !dladdr(known, &libc) || !libc.dli_fname || !strstr(libc.dli_fname, ".so")) {
        puts("skipped: this program is linked with no shared object");
        return;
    }
    snprintf(w.function, sizeof w.function, "pthread_mutexattr_setprioceiling");
    ck_assert_msg(!own_open(f, &w, libc.dli_fname, why), "%s", why);
    ck_assert(f[SWAX_PREC_F32] == (own_function *)known && !f[SWAX_PREC_F64] && !f[SWAX_PREC_BF16]);
    char *here = scratch("mine.so");
    ck_assert(!symlink(libc.dli_fname, here) && !chdir(scratch(".")));
    f[0] = NULL;
    ck_assert_msg(!own_open(f, &w, "mine.so", why) && f[0], "%s", why);
    const char *wrong = own_open(f, &w, "./yours.so", why);
    ck_assert_msg(wrong && strstr(wrong, "yours.so"), "%s", wrong ? wrong : "opened");
    wrong = own_open(f, &w, "yours.so", why);
    ck_assert_msg(wrong && strstr(wrong, "yours.so"), "%s", wrong ? wrong : "opened");
}
END_TEST

/* ---- the words of a verdict */

static const char *verdict(const char *tensors, const struct own_asked *asked, int *status, char said[8192])
{
    char *path = scratch("own.json");
    struct own_asked a = *asked;
    FILE *o = tmpfile();
    put(path, tensors, strlen(tensors));
    a.tensors = path, a.load = load, a.reference = "plain.so", a.candidate = "mine.so";
    *status = 0;
    const char *wrong = verify_own(&a, o, status, why);
    rewind(o);
    said[fread(said, 1, 8191, o)] = 0;
    fclose(o);
    return wrong;
}

START_TEST(a_verdict_is_printed)
{
    static const char scaled[] = "{\"function\": \"f\", \"sizes\": {\"N\": 11, \"M\": 3}, \"scalars\": {\"eps\": "
                                 "0.125, \"a\": 2}, \"tensors\": [" Y ", " X "]}";
    char said[8192];
    int status;
    table->calls = 0;
    const char *wrong = verdict(scaled, &(struct own_asked){.suite = "quick", .seed = 7, .only = -1}, &status, said);
    ck_assert_msg(!wrong && !status, "%s%s", wrong ? wrong : "", said);
    static const char begins[] = "good: f, f32, suite=quick seed=7: 12 of 12 cases within all bounds.\ny              "
                                 "0/12  wrong  rms 0 (bound ";
    ck_assert_msg(!strncmp(said, begins, strlen(begins)), "%s", said);
    ck_assert_msg(strstr(said, "0 ulp, in case ") &&
                      strstr(said, ", N=11 M=3 eps=0.125 a=2, element 0\nErrors are relative"),
                  "%s", said);
    ck_assert_msg(!strstr(said, "Two calls"), "%s", said);
    ck_assert_int_eq(table->calls, 12 * (1 + 1 + 6) + 3 * (2 + 6)); /* candidate twice, truth, 5 honest; 3 replays */
    table->calls = 0;
    wrong = verdict(scaled, &(struct own_asked){.suite = "standard", .seed = 7, .only = 58}, &status, said);
    ck_assert_msg(!wrong && !status && strstr(said, "suite=standard seed=7: 1 of 1 cases") &&
                      strstr(said, "in case 58, gauss,"),
                  "%s", said);
    ck_assert_int_eq(table->calls, 8);
    wrong = verdict(scaled, &(struct own_asked){.suite = "standard", .seed = 7, .only = 60}, &status, said);
    ck_assert_msg(wrong && !strcmp(wrong, "number=60: the suite has cases 0 to 59.") && !*said && !status, "%s",
                  wrong ? wrong : said);
    wrong = verdict(scaled, &(struct own_asked){ .suite = "quick", .seed = 7, .only = 3, .json = 1, .dtype = DT_F64 },
                    &status, said);
    ck_assert_msg(!wrong && strstr(said, "{\"verdict\":\"good\",\"function\":\"f\",\"dtype\":\"f64\",\"suite\":"
                                         "\"quick\",\"seed\":7,\"cases\":1,\"failed\":0,\"unequal\":0,"),
                  "%s", said);
    ck_assert_msg(strstr(said, "\"sizes\":\"N=11 M=3 eps=0.125 a=2\",\"element\":0,\"looks\":\"\",\"rms\":0,"), "%s",
                  said);
}
END_TEST

/* Other numbers lie where the last ones lay: these turned round and with the other sign; then these again. */
START_TEST(other_numbers_are_these_turned_round)
{
    char said[8192];
    int status;
    table->calls = 0;
    const char *wrong = verdict(WITH("\"N\": 11", Y ", " X),
                                &(struct own_asked){ .suite = "quick", .seed = 7, .only = 0 }, &status, said);
    ck_assert_msg(!wrong && !status && table->calls == 16, "%s%s, %d calls", wrong ? wrong : "", said, table->calls);
    for (int e = 0; e < 11; e++)
        ck_assert(table->x[1][e] == table->x[0][e] && table->x[2][e] == table->x[0][e] &&
                  table->x[8][e] == -table->x[0][10 - e] && table->x[9][e] == table->x[8][e] &&
                  table->x[15][e] == table->x[0][e]);
}
END_TEST

START_TEST(other_bits_are_counted)
{
    char said[8192];
    int status;
    table->trick = OTHER_BITS;
    const char *wrong = verdict(WITH("\"N\": 11", Y ", " X),
                                &(struct own_asked){ .suite = "quick", .seed = 7, .only = -1 }, &status, said);
    ck_assert_msg(!wrong && !status &&
                      strstr(said, "Two calls on the same inputs gave other bits in 9 of 12 cases, first in case 3.\n"),
                  "%s", said);
    wrong = verdict(WITH("\"N\": 11", Y ", " X),
                    &(struct own_asked){.suite = "quick", .seed = 7, .only = -1, .json = 1}, &status, said);
    ck_assert_msg(!wrong && strstr(said, "\"cases\":12,\"failed\":0,\"unequal\":9,"), "%s", said);
    table->trick = RIGHT;
}
END_TEST

/* Who answers wrong, at once or in a later call: to the letter, in words and as JSON. */
START_TEST(wrong_ones_are_told)
{
    static const char rows[] = "{\"function\": \"f\", \"sizes\": {\"N\": [4, 9], \"M\": {\"of\": [3, 5], \"word\": "
                               "\"columns\"}}, \"scalars\": {\"eps\": 0.125}, \"tensors\": [" Y ", " X
                               ", {\"name\": \"v\", \"shape\": \"MN\", \"is\": \"input\", \"like\": \"weight\"}]}",
                      added[] = WITH("\"N\": 11", "{\"name\": \"dx\", \"shape\": \"N\", \"is\": \"gradient\"}, " X);
    static const struct { int trick, only; const char *suite, *text; } of[] = {
        {THREE, -1, "quick", added}, {THREE, 0, "hard", added}, {LAST, 3, "quick", added}, {LAST, -1, "quick", added},
        {SOME_NUMBERS, 0, "quick", added}, {KEEPS_SOME, 0, "quick", added},
        {WRONG_AT + 1, 0, "quick", added}, {WRONG_AT + 2, 0, "quick", added}, {WRONG_AT + 3, 0, "quick", added},
        {WRONG_AT + 4, 0, "quick", added}, {WRONG_AT + 4, 1, "quick", added}, {WRONG_AT + 9, -1, "quick", added},
        {WRONG_AT + 10, -1, "quick", added},
        {WRONG_AT + 99, -1, "quick", added}, {RIGHT, 0, "quick", rows}, {RIGHT, 7, "standard", rows}};
    char *all;
    size_t size;
    FILE *f = open_memstream(&all, &size);
    for (size_t k = 0; k < sizeof of / sizeof *of; k++)
        for (int way = 0; way < 3; way++) {
            char said[8192];
            int status;
            table->trick = of[k].text == added ? of[k].trick : RIGHT;
            table->has_first = 0;
            const struct own_asked asked = {.suite = of[k].suite, .seed = 7, .only = of[k].only, .json = way == 1,
                                            .dtype = way == 2 ? DT_F64 : DT_F32};
            const char *wrong = verdict(of[k].text, &asked, &status, said);
            char *version = strstr(said, "\"version\":\"");
            for (char *at = version ? version + 11 : NULL; at && *at != '"'; at++)      /* of any version */
                *at = '.';
            char *folder = strstr(said, "tensors="), *file = folder ? strstr(folder, "own.json") : NULL;
            if (file)                                                                   /* wherever it lies */
                memmove(folder + strlen("tensors="), file, strlen(file) + 1);
            fprintf(f, "---- trick %d, case %d, status %d\n%s", of[k].trick, of[k].only, status, wrong ? wrong : said);
        }
    table->trick = RIGHT;
    fclose(f);
    golden_is("own_verdicts.txt", all, 1e-3);
    free(all);
}
END_TEST

/* Each output's bound is made of all that honest evaluations err in it. */
START_TEST(bounds_are_those_of_honest_evaluations)
{
    static const struct {
        enum dtype dtype;
        double rms, most;
    } of[] = { { DT_F32, 0.000173978412, 0.00011855101 },
               { DT_F64, 3.24060045e-13, 2.20818464e-13 },
               { DT_BF16, 0.0116367274, 0.0151515152 } };
    static const char three[] =
        WITH("\"N\": 40",
             "{\"name\": \"y\", \"shape\": \"N\", \"is\": \"output\"}, {\"name\": \"z\", \"shape\": \"N\", \"is\": "
             "\"output\"}, {\"name\": \"x\", \"shape\": \"N\", \"is\": \"input\"}");
    for (int k = 0; k < 3; k++) {
        char said[8192];
        int status;
        const char *wrong = verdict(
            three, &(struct own_asked){ .suite = "quick", .seed = 7, .only = 2, .json = 1, .dtype = of[k].dtype },
            &status, said);
        struct json *root = wrong ? NULL : json_parse(said, strlen(said), why);
        ck_assert_msg(root && !status, "%s%s", wrong ? wrong : "", said);
        for (const struct json *t = json_get(root, "tensors")->first; t; t = t->next) {
            const double rms = json_get(t, "rms_bound")->number, most = json_get(t, "max_bound")->number;
            ck_assert_msg(fabs(rms / of[k].rms - 1) < 1e-6 && fabs(most / of[k].most - 1) < 1e-6,
                          "%s, %s: {%.9g, %.9g}", dtype_name[of[k].dtype], json_get(t, "name")->text, rms, most);
        }
        json_free(root);
    }
}
END_TEST

START_TEST(a_reference_that_is_none_is_refused)
{
    char said[8192];
    int status;
    has_float = 0;
    const char *wrong =
        verdict(plain, &(struct own_asked){ .suite = "quick", .seed = 7, .only = 2, .dtype = DT_F64 }, &status, said);
    ck_assert_msg(
        wrong &&
            !strcmp(wrong,
                    "plain.so exports f_f64, and no f in float: what an honest float loop errs cannot be said.") &&
            !*said,
        "%s", wrong ? wrong : said);
    has_float = 1;
    table->trick = HALF;
    wrong = verdict(WITH("\"N\": 11", Y ", " X), &(struct own_asked){ .suite = "quick", .seed = 7, .only = 2 }, &status,
                    said);
    ck_assert_msg(wrong && !strcmp(wrong, "The reference does not write 6 of the 11 elements of y, with N=11: every "
                                          "output is written, or is \"added\" to."),
                  "%s", wrong ? wrong : said);
    table->trick = INPUT;
    wrong = verdict(WITH("\"N\": 11", Y ", " X), &(struct own_asked){ .suite = "quick", .seed = 7, .only = 2 }, &status,
                    said);
    ck_assert_msg(wrong &&
                      !strcmp(wrong, "The reference itself is wrong: f of plain.so changed its input x, with N=11.") &&
                      !status,
                  "%s", wrong ? wrong : said);
    wrong = verdict(WITH("\"N\": 20000", "{\"name\": \"y\", \"shape\": \"NN\", \"is\": \"output\"}, " X),
                    &(struct own_asked){ .suite = "quick", .only = -1 }, &status, said);
    ck_assert_msg(wrong && !strcmp(wrong, "Too large: with N=20000 the tensors hold 4e+08 numbers, and 2e+08 are the "
                                          "most.  Let the description's sizes end lower."),
                  "%s", wrong ? wrong : said);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("own functions");
    TCase *t = tcase_create("own");
    scratch_open();
    table = shared_memory(sizeof *table);
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_library_is_asked);
    tcase_add_loop_test(t, what_a_library_does_is_said, 0, (int)(sizeof tricks / sizeof *tricks));
    tcase_add_test(t, many_tensors_have_room);
    tcase_add_test(t, a_library_that_cannot_be_asked_is_refused);
    tcase_add_test(t, what_was_taken_is_given_back);
    tcase_add_test(t, a_shared_object_is_opened);
    tcase_add_test(t, a_verdict_is_printed);
    tcase_add_test(t, other_numbers_are_these_turned_round);
    tcase_add_test(t, other_bits_are_counted);
    tcase_add_test(t, wrong_ones_are_told);
    tcase_add_test(t, bounds_are_those_of_honest_evaluations);
    tcase_add_test(t, a_reference_that_is_none_is_refused);
    suite_add_tcase(s, t);
    const int status = suite_ends(s);
    scratch_close();
    return status;
}
