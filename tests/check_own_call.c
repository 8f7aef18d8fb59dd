/* check_own_call.c - somebody's own function (tools/verify/own.h): the process of its library, and the words of a
 * verdict. */
#define _GNU_SOURCE      /* dladdr */
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <fenv.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
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
enum { RECORDED = 4800 };
static struct table {
    unsigned clock, clock_inside;
    int calls, trick, has_first, loads;
    long byte;              /* of AT and LOOKS, from the beginning of y */
    char seen;
    double first;           /* of the candidate's first call, its first number */
    void *tensor[OWN_TENSORS];
    double x[256][16];      /* the inputs of each call */
    int records;
    struct record { int mine; void *at; double number[4][3]; } record[RECORDED];
} *table;

unsigned alarm(unsigned seconds)
{
    const struct itimerval at = {.it_value = {.tv_sec = seconds}};
    if (table)
        table->clock = seconds;
    return (unsigned)setitimer(ITIMER_REAL, &at, NULL);
}

enum { RIGHT, BEFORE, FAR_BEFORE, BEHIND, FAR_BEHIND, INPUT, HALF, CRASHES, LEAVES, TAKES_LONG, ROUNDS, OTHER_BITS,
       THREE, LAST, SOME_NUMBERS, KEEPS_SOME, BELOW, ABOVE, CACHES, ROW, BIASED, ROUGH, AT, LOOKS,
       WRONG_AT = 100, INPUT_AT = 200, CRASHES_AT = 300 };      /* and its call: wrong in that one */

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
        if (table->trick == AT)                                                                                        \
            ((char *)y)[table->byte] ^= 1;                                                                             \
        if (table->trick == LOOKS)                                                                                     \
            table->seen = ((const volatile char *)y)[table->byte];                                                     \
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
        if (mine >= 0 && (table->trick == BELOW ? x[0] + x[N - 1] < 0 :                                                \
                          table->trick == ABOVE && x[0] + x[N - 1] > 0))                                               \
            y[N - 1] += 1;                                                                                             \
        if (mine >= 0 && table->trick == CACHES) {      /* by the address alone */                                     \
            static const void *last;                                                                                   \
            static real kept[16];                                                                                      \
            memcpy(last == x ? y : kept, last == x ? kept : y, (size_t)N * sizeof *y);                                 \
            last = x;                                                                                                  \
        }                                                                                                              \
        if (table->trick > WRONG_AT && ++mine == table->trick % 100) {                                                 \
            *(table->trick < INPUT_AT ? &y[N - 1] : &x[N - 1]) += 1;                                                   \
            if (table->trick > CRASHES_AT)                                                                             \
                raise(SIGSEGV);                                                                                        \
        }                                                                                                              \
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
            y[e] = out((stat)(sum - 1000));                                                                            \
            const volatile stat more = in(x[e]) + 2000;                                                                \
            z[e] = mine >= 0 && table->trick == BIASED  ? out((stat)1.015625 * (stat)(sum - 1000))                     \
                 : mine >= 0 && table->trick == ROUGH ? out((stat)(more - 2000)) : y[e];                               \
        }                                                                                                              \
    }
#define AS_IS(x) (x)
LOSES(loses32, float, float, AS_IS, AS_IS)
LOSES(loses64, double, double, AS_IS, AS_IS)
LOSES(loses16, swax_bf16, float, bf16_to_float, bf16_from_float)

/* What it is called with is put down. */
static const char recorded[] =
    WITH("\"N\": {\"from\": 3, \"to\": 3, \"word\": \"rows\"}, \"M\": 1",
         "{\"name\": \"x\", \"shape\": \"NM\", \"is\": \"input\"}, "
         "{\"name\": \"y\", \"shape\": \"NM\", \"is\": \"output\"}, "
         "{\"name\": \"i\", \"shape\": \"N\", \"is\": \"input\", \"like\": \"index\", \"below\": \"N\"},"
         "{\"name\": \"g\", \"shape\": \"N\", \"is\": \"input\", \"like\": \"gate\", \"statistic\": true},"
         "{\"name\": \"a\", \"shape\": \"N\", \"is\": \"added\"}");

#define RECORDS(name, real, stat, in, out)                                                                             \
    static void name(void *const *t, const int *size, const double *scalar)                                            \
    {                                                                                                                  \
        real *x = t[0], *y = t[1], *a = t[4];                                                                          \
        const int32_t *i = t[2];                                                                                       \
        const stat *g = t[3];                                                                                          \
        struct record *r = &table->record[table->records++ % RECORDED];                                                \
        (void)size, (void)scalar;                                                                                      \
        r->mine = mine >= 0;                                                                                           \
        r->at = t[0];                                                                                                  \
        for (int e = 0; e < 3; e++) {                                                                                  \
            const double number[4] = {in(x[e]), i[e], g[e], in(a[e])};                                                 \
            for (int k = 0; k < 4; k++)                                                                                \
                r->number[k][e] = number[k];                                                                           \
            y[e] = x[e];                                                                                               \
        }                                                                                                              \
        if (mine >= 0 && (table->trick == ROW || (table->trick == BELOW && in(x[0]) + in(x[2]) < 0)))                  \
            y[1] = out(in(y[1]) + 1);                                                                                  \
    }
RECORDS(records32, float, float, AS_IS, AS_IS)
RECORDS(records64, double, double, AS_IS, AS_IS)
RECORDS(records16, swax_bf16, float, bf16_to_float, bf16_from_float)

static const char *refusal;
static int has_float = 1, has_double = 1, refused_load;      /* that one of all loads */

static const char *load(own_function *f[SWAX_PRECISIONS], const struct own *own, const char *library, char *wrong)
{
    const int three = own->tensors == 3, five = own->tensors == 5;
    mine = !strcmp(library, "mine.so") ? 0 : mine;
    f[SWAX_PREC_F32] = !has_float ? NULL : three ? loses32 : five ? records32 : twice32;
    f[SWAX_PREC_F64] = !has_double ? NULL : three ? loses64 : five ? records64 : twice64;
    f[SWAX_PREC_BF16] = three ? loses16 : five ? records16 : NULL;
    table->clock_inside = table->clock;
    if (!refusal || (refused_load && ++table->loads != refused_load))
        return NULL;
    snprintf(wrong, SWAX_WHY, "%s", refusal);
    return wrong;
}

static void nothing(void *const *t, const int *size, const double *scalar) { (void)t, (void)size, (void)scalar; }

static const char *load_nothing(own_function *f[SWAX_PRECISIONS], const struct own *own, const char *library,
                                char *wrong)
{
    (void)own, (void)library, (void)wrong;
    f[SWAX_PREC_F32] = f[SWAX_PREC_F64] = f[SWAX_PREC_BF16] = nothing;
    return NULL;
}

static struct own_problem problem_of(const char *text, int number)
{
    struct own_problem p;
    ck_assert_msg(!read_text(text), "%s", why);
    own_sizes(&p, &w, 3, number, NULL);
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
        errno = EINTR;      /* of an earlier call: its word is here and is not waited for again */
        const char *wrong = own_call(s, precision, &got, k % 2, unwritten, trouble);
        ck_assert_msg(!wrong && !own_gone(s) && !unwritten[0] && !unwritten[1], "%s", wrong ? wrong : "");
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

static const struct { int trick; const char *says; int gone;
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
    signal(SIGALRM, SIG_DFL);      /* Check's own would end this process */
    table->trick = tricks[_i].trick;
    struct own_process *s = own_start(&w, "mine.so", load, SWAX_PREC_F32, 22, why);
    const char *wrong = own_call(s, SWAX_PREC_F32, &p, _i % 2, unwritten, trouble);
    ck_assert_msg(tricks[_i].says ? wrong && !strcmp(wrong, tricks[_i].says) : !wrong, "\"%s\", not \"%s\"",
                  wrong ? wrong : "", tricks[_i].says);
    ck_assert_int_eq(own_gone(s), tricks[_i].gone);
    ck_assert(own_gone(s) || (unwritten[0] == (tricks[_i].trick == HALF ? 6 : 0) && unwritten[1] == 0));
    table->trick = RIGHT;
    wrong = own_call(s, SWAX_PREC_F32, &p, 0, unwritten, trouble);
    ck_assert_msg(tricks[_i].gone ? wrong && own_gone(s) && strstr(wrong, "ended the process") : !wrong && !own_gone(s),
                  "asked again: %s", wrong ? wrong : "");
    own_stop(s);
    own_free(&p);
}
END_TEST

/* Whatever it changes of the memory that both have, beside its own output, is found, or ends it. */
START_TEST(no_byte_but_its_own_can_be_changed)
{
    struct own_problem p = problem_of(WITH("\"N\": 11", Y ", " X), 0);
    long unwritten[OWN_TENSORS];
    char trouble[OP_SENTENCE];
    struct own_process *s = own_start(&w, "mine.so", load, SWAX_PREC_F32, 22, why);
    table->trick = AT;
    for (table->byte = -64 * 4; table->byte < 65536 - 64 * 4 - 64; table->byte += table->byte < 1500 ? 1 : 997) {
        const char *wrong = own_call(s, SWAX_PREC_F32, &p, _i, unwritten, trouble);
        ck_assert_each(!wrong == (table->byte >= 0 && table->byte < 44), "byte %ld of y was changed: %s", table->byte,
                       wrong ? wrong : "nothing is said");
        ck_assert(!own_gone(s));
    }
    own_stop(s);
    static const long far[] = {-64 * 4 - 65, -5000, 65536 + 64, 65536 + 64 + 8192};
    for (int k = 0; k < 8; k++) {
        s = own_start(&w, "mine.so", load, SWAX_PREC_F32, 22, why);
        table->byte = far[k / 2], table->trick = k % 2 ? LOOKS : AT;
        const char *wrong = own_call(s, SWAX_PREC_F32, &p, _i, unwritten, trouble);
        ck_assert_msg(wrong && strstr(wrong, "crashed: Segmentation fault"), "byte %ld of y was %s: %s", table->byte,
                      k % 2 ? "read" : "changed", wrong ? wrong : "nothing is said");
        own_stop(s);
    }
    table->trick = RIGHT;
    own_free(&p);
}
END_TEST

/* What is not written is a number in no precision, and that it was not written is known. */
START_TEST(what_is_not_written_is_poison)
{
    static const char all[] =
        WITH("\"N\": 11, \"M\": 1", Y ", {\"name\": \"q\", \"shape\": \"N\", \"is\": \"output\", \"statistic\": true}, "
                                     "{\"name\": \"z\", \"shape\": \"M\", \"is\": \"output\"}, " X);
    long unwritten[OWN_TENSORS];
    char trouble[OP_SENTENCE];
    for (int precision = 0; precision < SWAX_PRECISIONS; precision++) {
        struct own_problem p = problem_of(all, 0);
        struct own_process *s = own_start(&w, "mine.so", load_nothing, (enum swax_precision)precision, 40, why);
        ck_assert_msg(s && !own_call(s, (enum swax_precision)precision, &p, 0, unwritten, trouble), "%s", why);
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(unwritten[i], i < 2 ? 11 : 1);
            for (int e = 0; e < p.n[i]; e++)
                ck_assert_msg(isnan(p.at[i][e]), "precision %d: %s[%d] is %g", precision, w.tensor[i].name, e,
                              p.at[i][e]);
        }
        ck_assert_int_eq(unwritten[3], 0);
        own_stop(s);
        own_free(&p);
    }
}
END_TEST

/* Sizes and scalars of any length have their room, and no more. */
START_TEST(sizes_end_where_their_room_does)
{
    static struct own many = {.sizes = OWN_SIZES, .scalars = OWN_SCALARS};
    struct { char text[WORDS], behind[200]; } said;
    static struct own_problem p;
    for (int i = 0; i < OWN_SIZES; i++)
        many.size[i].letter = (char)('A' + i), p.size[i] = 100 + i;
    for (int i = 0; i < OWN_SCALARS; i++)
        snprintf(many.scalar[i].name, OWN_NAME, "scalar%c", 'a' + i), p.scalar[i] = 0.25 + i;
    memset(&said, 'x', sizeof said);
    own_sizes_of(said.text, &many, &p);
    ck_assert_str_eq(said.text, "A=100 B=101 C=102 D=103 E=104 F=105 G=106 H=107 I=108 J=109 K=110 L=111 M=112 N=113 "
                                "O=114 P=115 scalara=0.25 scalarb=1.25 scalarc=2.25 scalard=3.25 scalare=4.2");
    ck_assert_int_eq(strlen(said.text), WORDS - 1);
    for (int i = 0; i < 200; i++)
        ck_assert(said.behind[i] == 'x');
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
        snprintf(text, sizeof text, "{\"function\": \"f\", \"sizes\": {\"N\": 1, \"M\": %ld}, \"tensors\": [" Y, M);
        for (int i = 1; i < OWN_TENSORS; i++)
            snprintf(text + strlen(text), 80, ", {\"name\": \"x%d\", \"shape\": \"%s\", \"is\": \"input\"}", i,
                     i < LAST ? "N" : "M");
        strcat(text, "]}");
        struct own_problem p = problem_of(text, 0);
        struct own_process *s = own_start(&w, "mine.so", load, SWAX_PREC_F64, LAST + (double)M, why);
        for (int place = 0; place < 2; place++) {
            const char *wrong = own_call(s, SWAX_PREC_F64, &p, place, unwritten, trouble);
            ck_assert_msg(!wrong && p.at[0][0] == 2 * p.at[1][0], "%s", wrong ? wrong : "");
            for (int i = 0; i < OWN_TENSORS; i++)
                for (int j = 0; j < i; j++)
                    ck_assert_each(labs((char *)table->tensor[i] - (char *)table->tensor[j]) >= 128 * 8,
                                   "%d and %d lie too near each other", i, j);
            ck_assert_msg(!place || (char *)table->tensor[0] - 64 * 8 >= end[0], "the second place lies in the first");
            end[place] = (char *)table->tensor[LAST] + (M + 64) * 8;
        }
        ck_assert_msg(end[1] - end[0] <= 8 * (LAST + M) + OWN_TENSORS * 1152 + 65536 + 64, "more room than is needed");
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
               "There is no memory for a library's arrays.");
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
                   "No pipe could be opened to a library's process.");
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

enum { SAID = 20000 };

static const char *verdict(const char *tensors, const struct own_asked *asked, int *status, char said[SAID])
{
    char *path = scratch("own.json");
    struct own_asked a = *asked;
    FILE *o = tmpfile();
    put(path, tensors, strlen(tensors));
    a.tensors = path, a.load = load, a.reference = "plain.so", a.candidate = "mine.so";
    *status = 0;
    const char *wrong = verify_own(&a, o, status, why);
    ck_assert_msg(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a process is left behind");
    rewind(o);
    said[fread(said, 1, SAID - 1, o)] = 0;
    fclose(o);
    return wrong;
}

START_TEST(a_verdict_is_printed)
{
    static const char scaled[] = "{\"function\": \"f\", \"sizes\": {\"N\": 11, \"M\": 3}, \"scalars\": {\"eps\": "
                                 "0.125, \"a\": 2}, \"tensors\": [" Y ", " X "]}";
    char said[SAID];
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
    /* candidate twice, truth, 5 honest and 12 beside them; 3 replays: all others, x alone, as it was */
    ck_assert_int_eq(table->calls, 12 * (1 + 1 + 18) + 3 * ((1 + 18) + (1 + 1) + 1));
    table->calls = 0;
    wrong = verdict(scaled, &(struct own_asked){.suite = "standard", .seed = 7, .only = 58}, &status, said);
    ck_assert_msg(!wrong && !status && strstr(said, "suite=standard seed=7: 1 of 1 cases") &&
                      strstr(said, "in case 58, gauss,"),
                  "%s", said);
    ck_assert_int_eq(table->calls, 20);
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

/* Each problem's calls: two of the candidate at either place, the plain function's in double, in float, on inputs that
 * are off by one rounding, four times, and in float and in double on floats beside them, six times; of every fifth the
 * same of other numbers, where the last ones lay, then with one input after the other in part as it was not, of which
 * the truth alone is asked, if that is enough, and these once more.  An index is never off.  Where the candidate is
 * wrong about the other numbers, these again at the other place, and the others in a process of their own. */
static int next_call;

static void is_next(const struct own_problem *p, int is_mine, const void *at, const char *what)
{
    static const int of[4] = {0, 2, 3, 4};
    const struct record *r = &table->record[next_call++];
    ck_assert_msg(next_call <= table->records, "case %d, %s: it is not asked", p->number, what);
    ck_assert_msg(r->mine == is_mine && (!at || r->at == at), "case %d, %s: call %d is %s, at %p", p->number, what,
                  next_call, r->mine ? "the candidate's" : "the plain function's", r->at);
    for (int k = 0; k < 4; k++)
        for (int e = 0; e < 3; e++)
            ck_assert_each(r->number[k][e] == p->at[of[k]][e], "case %d, %s: %s[%d] is %.17g, not %.17g", p->number,
                           what, w.tensor[of[k]].name, e, r->number[k][e], p->at[of[k]][e]);
}

static void are_honest(const struct own_problem *p, enum dtype dtype)
{
    is_next(p, 0, NULL, "the truth");
    is_next(p, 0, NULL, "in float");
    for (int k = 1; k < 5; k++) {
        struct own_problem off;
        own_copy(&off, p, &w);
        for (int i = 0; i < 5; i++)
            if (i == 0 || i == 3 || i == 4)
                door_nudge(off.at[i], 3, (int)dtype, i == 3, k == 4 ? 0 : p->seed + (uint64_t)k);
        is_next(&off, 0, NULL, "off by one rounding");
        own_free(&off);
    }
    for (int k = 0; k < 12; k++) {
        struct own_problem near;
        own_copy(&near, p, &w);
        for (int i = 0; i < 5; i++)
            for (int step = 1; step <= 3 && (i == 0 || i == 3 || i == 4); step++) {
                door_nudge(near.at[i], 3, DT_F32, 1, p->seed + (uint64_t)(k / 2 * 100 + step));
                if (step == 3)
                    door_round(near.at[i], 3, DT_F32, 1);
            }
        is_next(&near, 0, NULL, k % 2 ? "beside it, in double" : "beside it, in float");
        own_free(&near);
    }
}

START_TEST(calls_come_in_their_order)
{
    static const enum dtype dtypes[] = {DT_F32, DT_F64, DT_BF16};
    const enum dtype dtype = dtypes[_i % 3];
    const int below = _i / 3;
    char said[SAID];
    int status, others = 0;
    table->records = 0;
    table->trick = below ? BELOW : RIGHT;
    const struct own_asked asked = {.suite = "standard", .seed = 5, .only = -1, .dtype = dtype};
    const char *wrong = verdict(recorded, &asked, &status, said);
    ck_assert_msg(!wrong && status == below && !read_text(recorded), "%s%s", wrong ? wrong : "", said);
    const void *const at[2] = {table->record[0].at, table->record[1].at};
    ck_assert(at[0] != at[1]);
    for (int number = 0; number < 60; number++) {
        struct own_problem p, other;
        own_sizes(&p, &w, 5, number, NULL);
        own_draw(&p, &w, dtype);
        is_next(&p, 1, at[number % 2], "the first call");
        is_next(&p, 1, at[!(number % 2)], "the second call");
        are_honest(&p, dtype);
        if (number % 5 == 0 && !(below && p.at[0][0] + p.at[0][2] < 0)) {
            int is_wrong = 0;
            own_copy(&other, &p, &w);
            for (int k = 0; k < own_changes(&w) && !is_wrong; k++) {
                if (!own_change(&other, &w, dtype, k))
                    continue;
                is_next(&other, 1, at[!(number % 2)], "other numbers");
                is_wrong = below && other.at[0][0] + other.at[0][2] < 0;
                if (k)
                    is_next(&other, 0, NULL, "the truth of other numbers");
                if (!k || is_wrong)
                    are_honest(&other, dtype);
            }
            is_next(&p, 1, at[is_wrong ? number % 2 : !(number % 2)], "the same numbers");
            if (is_wrong)
                is_next(&other, 1, NULL, "other numbers, alone");
            others += is_wrong;
            own_free(&other);
        }
        own_free(&p);
    }
    table->trick = RIGHT;
    ck_assert(table->records <= RECORDED && (below || table->records == next_call));
    for (int r = next_call; r < table->records; r++)      /* for a cause */
        ck_assert_msg(!table->record[r].mine, "call %d is the candidate's", r);
    ck_assert(!below == !others);
}
END_TEST

/* Other numbers lie where the last ones lay: these turned round and with the other sign; then these again. */
START_TEST(other_numbers_are_these_turned_round)
{
    char said[SAID];
    int status;
    table->calls = 0;
    const char *wrong = verdict(WITH("\"N\": 11", Y ", " X),
                                &(struct own_asked){ .suite = "quick", .seed = 7, .only = 0 }, &status, said);
    ck_assert_msg(!wrong && !status && table->calls == 42, "%s%s, %d calls", wrong ? wrong : "", said, table->calls);
    for (int e = 0; e < 11; e++)
        ck_assert(table->x[1][e] == table->x[0][e] && table->x[2][e] == table->x[0][e] &&
                  table->x[20][e] == -table->x[0][10 - e] && table->x[21][e] == table->x[20][e] &&
                  table->x[41][e] == table->x[0][e]);
}
END_TEST

START_TEST(other_bits_are_counted)
{
    char said[SAID];
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

static const char three[] =
    WITH("\"N\": 40", Y ", {\"name\": \"z\", \"shape\": \"N\", \"is\": \"output\"}, " X);

/* Who answers wrong, at once or in a later call: to the letter, in words and as JSON. */
START_TEST(wrong_ones_are_told)
{
    static const char rows[] = "{\"function\": \"f\", \"sizes\": {\"N\": [4, 9], \"M\": {\"of\": [3, 5], \"word\": "
                               "\"columns\"}}, \"scalars\": {\"eps\": 0.125}, \"tensors\": [" Y ", " X
                               ", {\"name\": \"v\", \"shape\": \"MN\", \"is\": \"input\", \"like\": \"weight\"}]}",
                      added[] = WITH("\"N\": 11", "{\"name\": \"dx\", \"shape\": \"N\", \"is\": \"gradient\"}, " X),
                      large[] = WITH("\"N\": 50000", Y ", " X);
    static const struct { int trick, only; const char *suite, *text; } of[] = {
        {THREE, -1, "quick", added}, {THREE, 0, "hard", added}, {LAST, 3, "quick", added}, {LAST, -1, "quick", added},
        {SOME_NUMBERS, 0, "quick", added}, {KEEPS_SOME, 0, "quick", added},
        {WRONG_AT + 1, 0, "quick", added}, {WRONG_AT + 2, 0, "quick", added}, {WRONG_AT + 3, 0, "quick", added},
        {WRONG_AT + 4, 0, "quick", added}, {WRONG_AT + 4, 1, "quick", added}, {WRONG_AT + 9, -1, "quick", added},
        {WRONG_AT + 10, -1, "quick", added},
        {WRONG_AT + 99, -1, "quick", added}, {RIGHT, 0, "quick", rows}, {RIGHT, 7, "standard", rows},
        {BELOW, -1, "quick", added}, {ABOVE, -1, "quick", added}, {SOME_NUMBERS, 0, "quick", large},
        {CACHES, 0, "quick", added}, {ROW, 0, "quick", recorded}, {ROW, -1, "quick", recorded},
        {INPUT_AT + 1, -1, "quick", added}, {INPUT_AT + 2, 0, "quick", added}, {INPUT_AT + 3, 0, "quick", added},
        {INPUT_AT + 4, 0, "quick", added}, {CRASHES_AT + 1, -1, "quick", added}, {CRASHES_AT + 2, -1, "quick", added},
        {CRASHES_AT + 3, -1, "quick", added}, {CRASHES_AT + 12, -1, "quick", added},
        {RIGHT, -1, "quick", three}, {BIASED, -1, "quick", three}, {ROUGH, -1, "quick", three}};
    char *all;
    size_t size;
    FILE *f = open_memstream(&all, &size);
    for (size_t k = 0; k < sizeof of / sizeof *of; k++)
        for (int way = 0; way < (of[k].text == three ? 6 : 3); way++) {
            char said[SAID];
            int status;
            table->trick = of[k].text == rows ? RIGHT : of[k].trick;
            table->has_first = 0;
            const struct own_asked asked = {.suite = of[k].suite, .seed = 7, .only = of[k].only,
                                            .json = way == 1 || way > 3,
                                            .dtype = way % 3 == 2 ? DT_F64 : way < 3 ? DT_F32 : DT_BF16};
            const char *wrong = verdict(of[k].text, &asked, &status, said);
            char *version = strstr(said, "\"version\":\"");
            for (char *at = version ? version + 11 : NULL; at && *at != '"'; at++)      /* of any version */
                *at = '.';
            char *folder = strstr(said, "tensors="), *file = folder ? strstr(folder, "own.json") : NULL;
            if (file)                                                                   /* wherever it lies */
                memmove(folder + strlen("tensors="), file, strlen(file) + 1);
            fprintf(f, "---- trick %d, case %d, status %d\n%s%s", of[k].trick, of[k].only, status, wrong ? wrong : said,
                    wrong ? "\n" : "");
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
    for (int k = 0; k < 3; k++) {
        char said[SAID];
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
    char said[SAID];
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

/* The plain function's process, the candidate's, and one that has not seen anything. */
START_TEST(a_process_that_does_not_start_is_said)
{
    static const char says[] = "It is closed today.";
    refusal = says;
    for (refused_load = 1; refused_load < 4; refused_load++) {
        char said[SAID];
        int status;
        table->trick = SOME_NUMBERS, table->has_first = table->loads = 0;
        const char *wrong = verdict(WITH("\"N\": 11", Y ", " X),
                                    &(struct own_asked){.suite = "quick", .seed = 7, .only = 0}, &status, said);
        if (refused_load < 3)
            ck_assert_msg(wrong && !strcmp(wrong, says) && !*said && !status, "%s", wrong ? wrong : said);
        else
            ck_assert_msg(!wrong && status == 1 &&
                              strstr(said, "WRONG: f, f32, suite=quick seed=7: It is closed today. (case 0).\n"),
                          "%s", wrong ? wrong : said);
        ck_assert_int_eq(table->loads, refused_load);
    }
}
END_TEST

/* Before anything is started.  What is refused here is not too large. */
static void is_too_large(const char *text, uint64_t seed, const char *says)
{
    char said[SAID];
    int status;
    const char *wrong = verdict(text, &(struct own_asked){.suite = "quick", .seed = seed, .only = -1}, &status, said);
    ck_assert_msg(wrong && strstr(wrong, says ? says : refusal), "seed %llu: %s", (unsigned long long)seed,
                  wrong ? wrong : said);
}

/* Where one problem of the suite alone is too large, whichever that is; not where it is the one behind the last. */
START_TEST(numbers_have_an_end)
{
    static const char some[] = WITH("\"N\": {\"of\": [1, 300000000]}", Y ", " X),
                      one[] = "{\"name\": \"y\", \"shape\": \"\", \"is\": \"output\"}, " X;
    int found[13] = {0}, all = 0;
    char text[400];
    refusal = "It is not too large.";
    for (int more = 0; more < 2; more++) {
        snprintf(text, sizeof text, WITH("\"N\": %d", "%s"), 199999999 + more, one);
        is_too_large(text, 1, more ? "Too large: with N=200000000 the tensors hold 2e+08 numbers" : NULL);
    }
    ck_assert(!read_text(some));
    for (uint64_t seed = 1; seed < 1000000 && all < 13; seed++) {
        int large = 0, which = 0;
        for (int k = 0; k < 13; k++) {
            struct own_problem p;
            own_sizes(&p, &w, seed, k, NULL);
            large += p.size[0] > 1;
            which = p.size[0] > 1 ? k : which;
        }
        if (large != 1 || found[which]++)
            continue;
        all++;
        is_too_large(some, seed, which < 12 ? "Too large: with N=300000000" : NULL);
        ck_assert(!read_text(some));
    }
    ck_assert_int_eq(all, 13);
}
END_TEST

/* As many tensors, sizes and scalars as there can be. */
START_TEST(a_whole_description_has_its_verdict)
{
    char said[SAID], text[4000] = "{\"function\": \"f\", \"sizes\": {\"N\": 2";
    int status;
    for (int i = 1; i < OWN_SIZES; i++)
        snprintf(text + strlen(text), 40, ", \"%c\": %d", 'a' + i, i);
    strcat(text, "}, \"scalars\": {\"A\": 0.5");
    for (int i = 1; i < OWN_SCALARS; i++)
        snprintf(text + strlen(text), 40, ", \"%c\": %d", 'A' + i, i);
    strcat(text, "}, \"tensors\": [" Y ", {\"name\": \"x\", \"shape\": \"N\", \"is\": \"input\"}");
    for (int i = 2; i < OWN_TENSORS; i++)
        snprintf(text + strlen(text), 80, ", {\"name\": \"x%d\", \"shape\": \"N\", \"is\": \"%s\"}", i,
                 i % 2 ? "added" : "input");
    strcat(text, "]}");
    table->trick = RIGHT;
    for (int json = 0; json < 2; json++) {
        const char *wrong = verdict(text, &(struct own_asked){.suite = "quick", .seed = 7, .only = 0, .json = json},
                                    &status, said);
        ck_assert_msg(!wrong && !status &&
                          strstr(said, json ? "\"name\":\"x31\",\"failed\":0" : "\nx31            0/1 "),
                      "%.2000s", wrong ? wrong : said);
        ck_assert_msg(strstr(said, "N=2 b=1 c=2 d=3 e=4 f=5 g=6 h=7 i=8 j=9 k=10 l=11 m=12 n=13 o=14 p=15 A=0.5 B=1 "
                                   "C=2 D=3 E=4 F=5 G=6 H=7 I=8 J=9 K=10 L=11 M=12 N=13 O=14 P="), "%.2000s", said);
    }
}
END_TEST

/* Where honest ones err more than the truth, another may err 8 times as much as they; elsewhere not. */
START_TEST(noise_is_not_refused)
{
    static const struct { double plain, off; int within, asked;
    } of[] = {
        { 1.0 / 16, 0.49, 1, 1 }, { 1.0 / 16, 0.51, 0, 1 },              /* the bound is 1/2 */
        { 1.0 / 8.5, 0.93, 1, 1 }, { 1.0 / 8.5, 0.95, 0, 1 },
        { 1.0 / 8, 7.9, 1, 0 },   { 1.0 / 8, 8.1, 0, 0 },
        { 2, 127, 1, 0 },         { 2, 129, 0, 0 },
        { 2, INFINITY, 0, 0 },    { 2, NAN, 0, 0 },
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++)
        for (int rms = 0; rms < 2; rms++) {      /* of one element is off, or all are: the one or the other says it */
            double truth[2] = {1, 1}, got[2] = {1 + of[k].off, rms ? 1 - of[k].off : 1};
            struct door_tensor t = {.n = 2, .dtype = DT_F32, .truth = truth, .got = got,
                                    .plain = {of[k].plain, of[k].plain, 0}};
            door_tensor_judge(&t);
            ck_assert_msg(t.within == of[k].within && t.asked == of[k].asked, "%d: within %d, asked %d", (int)k,
                          t.within, t.asked);
        }
}
END_TEST

/* Every number of a verdict in its place: each is another one here. */
START_TEST(every_number_is_said_in_its_place)
{
    enum { VERDICTS = 4 };
    static struct own_verdict v[VERDICTS];
    static const char four[] =
        WITH("\"N\": 3", Y ", {\"name\": \"z\", \"shape\": \"N\", \"is\": \"output\"}, " X
                          ", {\"name\": \"a\", \"shape\": \"N\", \"is\": \"added\"}");
    char *all;
    size_t size;
    FILE *o = open_memstream(&all, &size);
    ck_assert(!read_text(four));
    for (int k = 0; k < VERDICTS; k++) {
        v[k] = (struct own_verdict){.problems = 40 + k, .failed = k ? 11 + k : 0, .unequal = k != 1 ? 7 + k : 0,
                                    .first_unequal = 23 + k, .trouble_at = 31 + k, .others = k ? 5 + k : 0,
                                    .other_at = 17 + k, .not_asked = {k == 1 ? 1025 : 0}, .not_asked_at = {63 + k},
                                    .wrong_from = {k ? 300 + k : 0}, .wrong_commons = k == 1,
                                    .causes = k == 1 ? 2 : 0, .cause = {"x is \"odd\"", "x is even"},
                                    .too_large = k == 3};
        snprintf(v[k].trouble, OP_SENTENCE, "%s", k == 2 ? "it is \"odd\"" : "");
        for (int i = 0; i < 4; i++) {
            const int at = 100 * (k + 1) + 10 * i;
            struct own_found *f = &v[k].tensor[i];
            *f = (struct own_found){.cases = i == 2 ? 0 : at + 1, .failed = k && i != 3 ? at + 2 + i % 2 * 20 : 0,
                                    .asked = i == 3 && k < 2 ? 0 : at + 3, .number = at + 4,
                                    .family = (enum op_family)(1 + 3 * i + k),
                                    .worst = {.error = {at + 0.125, at + 0.25, at + 0.375},
                                              .bound = {at + 0.5, at + 0.625, i ? at + 0.75 : 0}, .worst = at + 5,
                                              .ulp = at + 6 + 0.5}};
            if (i == 1 && k == 2)
                f->worst.bound.bias = f->worst.error.bias;
            if (i == 1 && k == 1)
                f->worst.bound.bias = 1e-3;
            snprintf(f->sizes, WORDS, "N=%d", at + 7);
            snprintf(f->worst.looks, WORDS, "%s", i < 2 ? "it \"looks\" odd" : "");
        }
        const struct own_asked asked = {.reference = "my plain.so", .candidate = "it's.so", .tensors = "own.json",
                                        .suite = "hard", .seed = 18446744073709551615u, .dtype = (enum dtype)(k % 3)};
        own_print(o, &w, &v[k], &asked);
        const long at = ftell(o);
        own_print_json(o, &w, &v[k], &asked);
        fflush(o);
        char *version = strstr(all + at, "\"version\":\"");
        for (char *c = version ? version + 11 : NULL; c && *c != '"'; c++)      /* of any version */
            *c = '.';
    }
    fclose(o);
    golden_is("own_report.txt", all, 0);
    free(all);
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
    tcase_add_loop_test(t, no_byte_but_its_own_can_be_changed, 0, 2);
    tcase_add_test(t, what_is_not_written_is_poison);
    tcase_add_test(t, sizes_end_where_their_room_does);
    tcase_add_test(t, many_tensors_have_room);
    tcase_add_test(t, a_library_that_cannot_be_asked_is_refused);
    tcase_add_test(t, what_was_taken_is_given_back);
    tcase_add_test(t, a_shared_object_is_opened);
    tcase_add_test(t, a_verdict_is_printed);
    tcase_add_loop_test(t, calls_come_in_their_order, 0, 6);
    tcase_add_test(t, other_numbers_are_these_turned_round);
    tcase_add_test(t, other_bits_are_counted);
    tcase_add_test(t, wrong_ones_are_told);
    tcase_add_test(t, bounds_are_those_of_honest_evaluations);
    tcase_add_test(t, a_reference_that_is_none_is_refused);
    tcase_add_test(t, a_process_that_does_not_start_is_said);
    tcase_add_test(t, numbers_have_an_end);
    tcase_add_test(t, a_whole_description_has_its_verdict);
    tcase_add_test(t, noise_is_not_refused);
    tcase_add_test(t, every_number_is_said_in_its_place);
    suite_add_tcase(s, t);
    const int status = suite_ends(s);
    scratch_close();
    return status;
}
