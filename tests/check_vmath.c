/* check_vmath.c - the vector functions of every tier against libm in the next wider type.
 *
 * All floats, every STRIDE-th of them: SWAX_VMATH_STRIDE=1 takes every one, and some ten minutes a tier.  Doubles
 * are a seeded sample over all exponents.  Errors are in units in the last place of the true result. */
#include <check.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../ref/tier.h"

enum { STRIDE = 4099, BATCH = 4096, FUNCTIONS = 7, WEIGHT = 6 };

#define LOOP(isa) void vmath_##isa##_f32(int, float *, const float *, int); void vmath_##isa##_f64(int, double *, const double *, int);
SWAX_TIERS
#undef LOOP
#define LOOP(isa) { #isa, vmath_##isa##_f32, vmath_##isa##_f64 },
static const struct {
    const char *tier;
    void (*f32)(int which, float *y, const float *x, int n);
    void (*f64)(int which, double *y, const double *x, int n);
} tiers[] = { SWAX_TIERS { NULL, NULL, NULL } };
enum { TIERS = sizeof tiers / sizeof *tiers - 1 };

static long double sigmoid(long double x) { return x < 0 ? expl(x) / (1 + expl(x)) : 1 / (1 + expl(-x)); }
static long double weight(long double x) { return expl(-fabsl(x)); }
static long double log_sigmoid(long double x) { return (x < 0 ? x : 0) - log1pl(expl(-fabsl(x))); }

/* The table at the top of vmath.h. */
static const struct { const char *name; long double (*truth)(long double); double float_ulps, double_ulps; } functions[FUNCTIONS] = {
    { "exp", expl, 1.1, 1.1 },         { "log", logl, 0.8, 0.8 },                 { "log1p", log1pl, 0.8, 0.8 },
    { "sigmoid", sigmoid, 2.5, 2.5 },  { "log sigmoid", log_sigmoid, 1.7, 1.7 },  { "tanh", tanhl, 1.6, 1.6 },
    { "weight", weight, 1.1, 1.1 },
};

/* A weight below the smallest normal number is 0. */
static long double truth_of(int f, long double x, long double lowest)
{
    return f == WEIGHT && -fabsl(x) < lowest ? 0 : functions[f].truth(x);
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
    uint64_t z = *s += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

START_TEST(floats)
{
    const int t = _i / FUNCTIONS, f = _i % FUNCTIONS;
    const char *wish = getenv("SWAX_VMATH_STRIDE");
    const uint64_t stride = wish && atoi(wish) > 0 ? (uint64_t)atoi(wish) : STRIDE;
    float x[BATCH], y[BATCH], where = 0;
    double worst = 0;
    if (!usable(tiers[t].tier))
        return;
    for (uint64_t bits = 0; bits < (uint64_t)1 << 32; ) {
        int n = 0;
        for (; n < BATCH && bits < (uint64_t)1 << 32; n++, bits += stride) {
            const uint32_t u = (uint32_t)bits;
            memcpy(&x[n], &u, sizeof u);
        }
        tiers[t].f32(f, y, x, n);
        for (int i = 0; i < n; i++) {
            const double e = ulps(y[i], (double)truth_of(f, x[i], -87), 24, -125, FLT_MAX);
            if (!(e <= worst)) {
                worst = e;
                where = x[i];
            }
        }
    }
    printf("%-11s %-11s %.3f ulp in float at %a\n", tiers[t].tier, functions[f].name, worst, (double)where);
    ck_assert_msg(worst <= functions[f].float_ulps, "%s %s is %.3f units off at %a: at most %.1f are promised",
                  tiers[t].tier, functions[f].name, worst, (double)where, functions[f].float_ulps);
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
            const double e = ulps(y[i], truth_of(f, x[i], -708), 53, -1021, DBL_MAX);
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
    tcase_add_loop_test(c, floats, 0, TIERS * FUNCTIONS);
    tcase_add_loop_test(c, doubles, 0, TIERS * FUNCTIONS);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
