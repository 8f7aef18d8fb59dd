/* check.h - as much of the unit-test library Check as the tests need that run under an emulator, where Check itself
 * is not to be had: one process, no time limits, a failed test jumps out. */
#ifndef SWAX_SHIM_CHECK_H
#define SWAX_SHIM_CHECK_H

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct { void (*run)(int _i); const char *name; int from, to; } TTest;
typedef struct { TTest test[32]; int n; } TCase;
typedef struct { const char *name; TCase *tcase[8]; int n; } Suite;
typedef struct { Suite *suite; int failed; } SRunner;
enum { CK_NORMAL };

static jmp_buf shim_out;

#define START_TEST(name) static void name##_body(int); \
    static const TTest name = { name##_body, #name, 0, 1 }; \
    static void name##_body(int _i) { (void)_i;
#define END_TEST }
#define ck_abort_msg(...) do { printf("%s:%d: ", __FILE__, __LINE__); printf(__VA_ARGS__); puts(""); longjmp(shim_out, 1); } while (0)
#define ck_assert_msg(truth, ...) do { if (!(truth)) ck_abort_msg(__VA_ARGS__); } while (0)
#define ck_assert(truth) ck_assert_msg(truth, "%s is not so", #truth)

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
static inline void srunner_run_all(SRunner *r, int mode)
{
    (void)mode;
    int ran = 0;
    for (int c = 0; c < r->suite->n; c++)
        for (int t = 0; t < r->suite->tcase[c]->n; t++)
            for (int i = r->suite->tcase[c]->test[t].from; i < r->suite->tcase[c]->test[t].to; i++, ran++)
                if (setjmp(shim_out))
                    r->failed++;
                else
                    r->suite->tcase[c]->test[t].run(i);
    printf("%s: %d tests, %d failed\n", r->suite->name, ran, r->failed);
}
static inline int srunner_ntests_failed(SRunner *r) { return r->failed; }
static inline void srunner_free(SRunner *r) { free(r); }

#endif
