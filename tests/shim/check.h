/* check.h - as much of the unit-test library Check as the tests need, for where Check itself is not to be had: under an
 * emulator, or with another C library.  A process a test where there is fork(), no time limits; a failed test jumps
 * out.
 *
 * What tests/mutants/run.sh asks for, by the environment:
 *   SHIM_LIST=1      the names of the tests, and nothing is run
 *   SHIM_ONLY=name   that test alone, and not further than its first failure
 *   SHIM_SECONDS=n   no process of a test gets more of the processor than that */
#ifndef SWAX_SHIM_CHECK_H
#define SWAX_SHIM_CHECK_H

#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifndef _WIN32
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

typedef struct { void (*run)(int _i); const char *name; int from, to; } TTest;
typedef struct { TTest test[32]; int n; } TCase;
typedef struct { const char *name; TCase *tcase[8]; int n; } Suite;
typedef struct { Suite *suite; int failed; } SRunner;
enum { CK_NORMAL, CK_ENV };

/* one for all files of a program: what fails may stand in another than the test */
#ifdef _WIN32
static jmp_buf shim_out;
#else
__attribute__((weak)) jmp_buf shim_out;
#endif

#define START_TEST(name) static void name##_body(int); \
    static const TTest name = { name##_body, #name, 0, 1 }; \
    static void name##_body(int _i) { (void)_i;
#define END_TEST }
/* expressions, as Check's are */
#define ck_abort_msg(...) \
    (printf("%s:%d: ", __FILE__, __LINE__), printf(__VA_ARGS__), puts(""), fflush(stdout), longjmp(shim_out, 1))
#define ck_assert_msg(truth, ...) ((truth) ? (void)0 : ck_abort_msg(__VA_ARGS__))
#define ck_assert(truth) ck_assert_msg(truth, "%s is not so", #truth)

#define shim_number(type, format, a, op, b) do { const type shim_a = (a), shim_b = (b); \
    ck_assert_msg(shim_a op shim_b, "%s " #op " %s is not so: " format " and " format, #a, #b, shim_a, \
                  shim_b); } while (0)
#define ck_assert_uint_eq(a, b) shim_number(uintmax_t, "%ju", a, ==, b)
#define ck_assert_int_eq(a, b) shim_number(intmax_t, "%jd", a, ==, b)
#define ck_assert_int_ne(a, b) shim_number(intmax_t, "%jd", a, !=, b)
#define ck_assert_int_lt(a, b) shim_number(intmax_t, "%jd", a, <, b)
#define ck_assert_int_le(a, b) shim_number(intmax_t, "%jd", a, <=, b)
#define ck_assert_int_gt(a, b) shim_number(intmax_t, "%jd", a, >, b)
#define ck_assert_int_ge(a, b) shim_number(intmax_t, "%jd", a, >=, b)
#define ck_assert_uint_eq(a, b) shim_number(uintmax_t, "%ju", a, ==, b)
#define ck_assert_double_eq(a, b) shim_number(double, "%.17g", a, ==, b)
#define ck_assert_double_lt(a, b) shim_number(double, "%.17g", a, <, b)
#define ck_assert_double_gt(a, b) shim_number(double, "%.17g", a, >, b)
#define ck_assert_double_eq_tol(a, b, tol) ck_assert_double_lt(fabs((a) - (b)), tol)
#define ck_assert_ptr_nonnull(p) ck_assert_msg((p) != NULL, "%s is NULL", #p)
#define ck_assert_ptr_null(p) ck_assert_msg((p) == NULL, "%s is not NULL", #p)
#define ck_assert_str_eq(a, b) do { const char *shim_a = (a), *shim_b = (b); \
    ck_assert_msg(!strcmp(shim_a, shim_b), "%s is not %s: \"%s\" and \"%s\"", #a, #b, shim_a, shim_b); } while (0)
#define ck_assert_str_ne(a, b) do { const char *shim_a = (a), *shim_b = (b); \
    ck_assert_msg(strcmp(shim_a, shim_b), "%s is %s: \"%s\"", #a, #b, shim_a); } while (0)

static inline Suite *suite_create(const char *name)
{
    Suite *s = calloc(1, sizeof *s);
    s->name = name;
    return s;
}
static inline TCase *tcase_create(const char *name) { (void)name; return calloc(1, sizeof(TCase)); }
static inline void tcase_set_timeout(TCase *c, double seconds) { (void)c; (void)seconds; }
#define tcase_add_loop_test(c, t, low, high) shim_add(c, t, low, high)
#define tcase_add_test(c, t) shim_add(c, t, 0, 1)
static inline void shim_add(TCase *c, TTest t, int from, int to)
{
    c->test[c->n] = t;
    c->test[c->n].from = from;
    c->test[c->n++].to = to;
}
static inline void suite_add_tcase(Suite *s, TCase *c) { s->tcase[s->n++] = c; }
static inline SRunner *srunner_create(Suite *s)
{
    SRunner *r = calloc(1, sizeof *r);
    r->suite = s;
    return r;
}
/* 1: it failed */
static inline int shim_here(const TTest *t, int i)
{
    if (setjmp(shim_out))
        return 1;
    t->run(i);
    return 0;
}
#ifdef _WIN32
#define shim_apart shim_here
#else
enum { SHIM_WHOLE = 77 };      /* the status of a test that came to its end: what it asks may end its process by 0 */
static inline int shim_apart(const TTest *t, int i)
{
    int status = 0;
    fflush(NULL);
    const pid_t child = getenv("CK_FORK") && !strcmp(getenv("CK_FORK"), "no") ? -1 : fork();
    if (child < 0)
        return shim_here(t, i);
    if (!child) {
        const rlim_t seconds = getenv("SHIM_SECONDS") ? (rlim_t)atoi(getenv("SHIM_SECONDS")) : 0;
        if (seconds)
            setrlimit(RLIMIT_CPU, &(struct rlimit){ .rlim_cur = seconds, .rlim_max = seconds + 1 });
        exit(shim_here(t, i) ? 1 : SHIM_WHOLE);
    }
    waitpid(child, &status, 0);
    if (!WIFEXITED(status))
        printf("%s(%d): ended by signal %d\n", t->name, i, WTERMSIG(status));
    return !WIFEXITED(status) || WEXITSTATUS(status) != SHIM_WHOLE;
}
#endif
static inline void shim_run(SRunner *r, const TTest *t, int *ran)
{
    const char *only = getenv("SHIM_ONLY");
    if (getenv("SHIM_LIST"))
        puts(t->name);
    else if (!only || !strcmp(only, t->name))
        for (int i = t->from; i < t->to && !(only && r->failed); i++, ++*ran)
            if (shim_apart(t, i)) {
                printf("%s(%d) failed\n", t->name, i);
                r->failed++;
            }
}
static inline void srunner_run_all(SRunner *r, int mode)
{
    (void)mode;
    int ran = 0;
    for (int c = 0; c < r->suite->n; c++)
        for (int t = 0; t < r->suite->tcase[c]->n; t++)
            shim_run(r, &r->suite->tcase[c]->test[t], &ran);
    if (!getenv("SHIM_LIST"))
        printf("Running suite(s): %s\n%d%%: Checks: %d, Failures: %d, Errors: 0\n", r->suite->name,
               ran ? 100 * (ran - r->failed) / ran : 100, ran, r->failed);
}
static inline int srunner_ntests_failed(SRunner *r) { return r->failed; }
static inline void srunner_free(SRunner *r)
{
    for (int c = 0; c < r->suite->n; c++)
        free(r->suite->tcase[c]);
    free(r->suite);
    free(r);
}

#endif
