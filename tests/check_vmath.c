/* check_vmath.c - the vector functions of every tier against libm in the next wider type.
 *
 * All floats, every STRIDE-th of them: SWAX_VMATH_STRIDE=1 takes every one, and a quarter of an hour for all tiers.
 * Doubles are a seeded sample over all exponents.  Errors are in units in the last place of the true result. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ref/splitmix.h"
#include "ref/tier.h"
#include "tests/suite.h"

enum { STRIDE = 4099, BATCH = 4096, FUNCTIONS = 7, WEIGHT = 6 };

#ifndef SWAX_TIERS
#define SWAX_TIERS
#endif
/* SWAX_TIERS is LOOP(avx2) LOOP(avx512) ...: the tiers of this build, from the Makefile */
#define LOOP(isa) \
    void vmath_##isa##_f32(int, float *, const float *, int); \
    void vmath_##isa##_f64(int, double *, const double *, int);
SWAX_TIERS
#undef LOOP
#define LOOP(isa) { #isa, vmath_##isa##_f32, vmath_##isa##_f64 },
static const struct {
    const char *tier;
    void (*f32)(int which, float *y, const float *x, int n);
    void (*f64)(int which, double *y, const double *x, int n);
} tiers[] = { SWAX_TIERS { NULL, NULL, NULL } };
enum { TIERS = sizeof tiers / sizeof *tiers - 1 };

#define TRUTHS(type, l) \
    static type sigmoid##l(type x) { return x < 0 ? exp##l(x) / (1 + exp##l(x)) : 1 / (1 + exp##l(-x)); } \
    static type weight##l(type x) { return exp##l(-fabs##l(x)); } \
    static type log_sigmoid##l(type x) { return (x < 0 ? x : 0) - log1p##l(exp##l(-fabs##l(x))); }
TRUTHS(double,)
TRUTHS(long double, l)

/* The table at the top of vmath.h. */
static const struct {
    const char *name;
    double (*truth)(double);
    long double (*truthl)(long double);
    double float_ulps, double_ulps;
} functions[FUNCTIONS] = {
    { "exp", exp, expl, 1.1, 1.1 },
    { "log", log, logl, 0.8, 0.8 },
    { "log1p", log1p, log1pl, 0.8, 0.8 },
    { "sigmoid", sigmoid, sigmoidl, 2.5, 2.5 },
    { "log sigmoid", log_sigmoid, log_sigmoidl, 1.7, 1.7 },
    { "tanh", tanh, tanhl, 1.6, 1.6 },
    { "weight", weight, weightl, 1.1, 1.1 },
};

/* A weight below the smallest normal number is 0: below exp(lowest). */
static double truth_of(int f, double x) { return f == WEIGHT && -fabs(x) < -87 ? 0 : functions[f].truth(x); }
static long double truth_ofl(int f, long double x)
{
    return f == WEIGHT && -fabsl(x) < -708 ? 0 : functions[f].truthl(x);
}

/* |got - truth| in last places; both out of range, or both NaN: 0; a result below the smallest normal number may be
 * any of the subnormal neighbours. */
static double ulps(long double got, long double truth, int digits, int least, long double largest)
{
    int e;
    if (isnan(truth))
        return isnan(got) ? 0 : INFINITY;
    if (isnan(got))
        return INFINITY;
    if (fabsl(truth) > largest)
        return got == truth || (isinf(got) && (got > 0) == (truth > 0)) || fabsl(got) == largest ? 0 : INFINITY;
    frexpl(truth, &e);
    return (double)(fabsl(got - truth) / ldexpl(1, (e < least ? least : e) - digits));
}

static int usable(const char *tier)
{
    for (int i = 0; i < swax_n_tiers; i++)
        if (!strcmp(tier, swax_tiers[i]->name))
            return swax_tiers[i]->usable();
    return 0;
}

static uint64_t next(uint64_t *s)
{
    return splitmix(*s += splitmix_step);
}

/* Is it at most `most` last places from a truth within the range of floats?  Nearly all are, at a tenth of ulps()'s
 * cost. */
static int within(double got, double truth, double most)
{
    uint64_t u;
    double binade;
    memcpy(&u, &truth, sizeof u);
    u &= (uint64_t)0x7ff << 52;
    memcpy(&binade, &u, sizeof binade);
    return fabs(truth) <= FLT_MAX && fabs(got - truth) <= most * (binade > 0x1p-126 ? binade : 0x1p-126) * 0x1p-23;
}

START_TEST(floats)
{
    const char *wish = getenv("SWAX_VMATH_STRIDE");
    const uint64_t stride = wish && atoi(wish) > 0 ? (uint64_t)atoi(wish) : STRIDE;
    float x[BATCH], y[BATCH], where[TIERS] = {0};
    double truth[BATCH], worst[TIERS] = {0};
    for (uint64_t bits = 0; bits < (uint64_t)1 << 32; ) {
        int n = 0;
        for (; n < BATCH && bits < (uint64_t)1 << 32; n++, bits += stride) {
            const uint32_t u = (uint32_t)bits;
            memcpy(&x[n], &u, sizeof u);
            truth[n] = truth_of(_i, x[n]);
        }
        for (int t = 0; t < TIERS; t++) {
            if (!usable(tiers[t].tier))
                continue;
            tiers[t].f32(_i, y, x, n);
            for (int i = 0; i < n; i++) {
                const double e = within(y[i], truth[i], worst[t]) ? 0 : ulps(y[i], truth[i], 24, -125, FLT_MAX);
                if (!(e <= worst[t])) {
                    worst[t] = e;
                    where[t] = x[i];
                }
            }
        }
    }
    for (int t = 0; t < TIERS; t++) {
        if (!usable(tiers[t].tier))
            continue;
        printf("%-11s %-11s %.3f ulp in float at %a\n", tiers[t].tier, functions[_i].name, worst[t], (double)where[t]);
        ck_assert_msg(worst[t] <= functions[_i].float_ulps, "%s %s is %.3f units off at %a: at most %.1f are promised",
                      tiers[t].tier, functions[_i].name, worst[t], (double)where[t], functions[_i].float_ulps);
    }
}
END_TEST

START_TEST(doubles)
{
    const int t = _i / FUNCTIONS, f = _i % FUNCTIONS;
    double x[BATCH], y[BATCH], where = 0, worst = 0;
    uint64_t s = 1;
    if (!usable(tiers[t].tier) || LDBL_MANT_DIG < 64)
        return;
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < BATCH; i++) {
            const uint64_t bits = next(&s);
            memcpy(&x[i], &bits, sizeof bits);
            if (round % 2)                             /* half of them where something happens */
                x[i] = ldexp((double)(next(&s) >> 11), -53) * (round % 4 == 1 ? 40 : 2) - (round % 4 == 1 ? 20 : 1);
        }
        tiers[t].f64(f, y, x, BATCH);
        for (int i = 0; i < BATCH; i++) {
            const double e = ulps(y[i], truth_ofl(f, x[i]), 53, -1021, DBL_MAX);
            if (!(e <= worst)) {
                worst = e;
                where = x[i];
            }
        }
    }
    printf("%-11s %-11s %.3f ulp in double at %a\n", tiers[t].tier, functions[f].name, worst, where);
    ck_assert_msg(worst <= functions[f].double_ulps, "%s %s is %.3f units off at %a: at most %.1f are promised",
                  tiers[t].tier, functions[f].name, worst, where, functions[f].double_ulps);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("vector functions");
    TCase *c = tcase_create("ulps");
    tcase_set_timeout(c, 0);
    tcase_add_loop_test(c, floats, 0, FUNCTIONS);
    tcase_add_loop_test(c, doubles, 0, TIERS * FUNCTIONS);
    suite_add_tcase(s, c);
    return suite_ends(s);
}
