/* check_bench_clock.c - what `swax bench` prints, to the letter: by a clock of the test's own, on which a product takes
 * as long as the test says, and reading it takes a little.
 *
 * Where it is meant to change, GOLDEN=write build/check_bench_clock keeps the new lines: look at the diff. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ref/kernels.h"
#include "ref/oracle/oracle.h"
#include "tests/golden.h"
#include "tests/printed.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/bench/bench.h"
#include "tools/lib/clock.h"

static char why[SWAX_WHY];

/* ---- the clock: all of it powers of two, so that nothing is rounded */

static const double tick = 1.0 / (1 << 30), call = 1.0 / (1 << 27);
/* seconds; of the processor; how many cores are busy while it naps; how many times as long as it is asked to it naps */
static double now, used, cores, longer;
static int reads, naps, calls;

double clock_seconds(void)
{
    reads++;
    return now += tick;
}

double clock_processor(void) { return used; }

int nanosleep(const struct timespec *wanted, struct timespec *left)
{
    const double nap = longer * ((double)wanted->tv_sec + (double)wanted->tv_nsec / 1e9);
    (void)left;
    naps++;
    now += nap, used += cores * nap;
    return 0;
}

static void begin(void)
{
    now = 1000, used = cores = 0, longer = 1;
    reads = naps = calls = 0;
}

static void passes(int times)
{
    calls++;
    now += times * call;
}

/* ---- a tier and another library whose products take what they are told */

static void forward(float *y, const float *x, const float *w, const float *b, int N, int O, int I)
{
    (void)y, (void)x, (void)w, (void)b, (void)O, (void)I;
    passes(N);
}

static void backward(float *dx, float *dw, float *db, const float *dy, const float *x, const float *w, int N, int O,
                     int I)
{
    (void)dx, (void)dw, (void)db, (void)dy, (void)x, (void)w, (void)N, (void)I;
    passes(O);
}

/* Slower from call to call: a median is none of its neighbours. */
static void sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
                  const float *b, int ldb, float beta, float *c, int ldc)
{
    (void)order, (void)trans_a, (void)trans_b, (void)m, (void)n, (void)k, (void)alpha, (void)a, (void)lda, (void)b;
    (void)ldb, (void)beta, (void)c, (void)ldc;
    passes(m + calls % 7);
}

struct products { struct bench b; int with; };

static void time_products(void *arg)
{
    static const struct bench_product of[] = {{6, 5, 4}, {3, 17, 1200}, {400, 30, 2}};
    const struct products *p = arg;
    ck_assert_msg(!bench_products(&p->b, of, 3, p->with ? sgemm : NULL, "./other.so", why), "%s", why);
}

static struct swax_kernels_f32 table;
static struct swax_tier tier_of(void)
{
    table = swax_ref_f32;
    table.linear_forward = forward, table.linear_backward = backward;
    return (struct swax_tier){.name = "clock", .usable = swax_tiers[0]->usable, .f32 = &table};
}

START_TEST(products_are_printed_as_ever)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    const struct swax_tier tier = tier_of();
    for (int way = 0; way < 6; way++) {
        struct products p = {.b = {.tier = &tier, .precision = SWAX_PREC_F32, .threads = 3, .json = way % 2,
                                   .peak = way < 4 ? 20 : 0, .seconds = way == 2 ? 1e-5 : 0},
                             .with = way / 2 == 1};
        begin();
        fputs(printed_in(time_products, &p), f);
        fprintf(f, "%d calls, %d naps, the clock was read %d times\n", calls, naps, reads);
    }
    fclose(f);
    golden_is("bench_products.txt", text, 0);
    free(text);
}
END_TEST

struct kernel { struct bench b; const char *name; };

static void time_kernel(void *arg)
{
    static const int dims[OP_DIMS] = {8, 6, 4};
    const struct kernel *k = arg;
    ck_assert_msg(!bench_kernels(&k->b, op_find(k->name), dims, why), "%s", why);
}

/* Bundles until one takes a tenth of a millisecond; three at least, and 2000 at most. */
START_TEST(kernels_are_printed_as_ever)
{
    static const struct { const char *name; double seconds; int json; } of[] = {
        {"linear_forward", 0, 0}, {"linear_forward", 0, 1}, {"linear_backward", 0.01, 0}, {"linear_backward", 100, 1}};
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    const struct swax_tier tier = tier_of();
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct kernel k = {{.tier = &tier, .precision = SWAX_PREC_F32, .threads = 2, .json = of[i].json,
                            .seconds = of[i].seconds, .peak = 9, .bandwidth = 3}, of[i].name};
        begin();
        fputs(printed_in(time_kernel, &k), f);
        fprintf(f, "%d calls, the clock was read %d times\n", calls, reads);
    }
    fclose(f);
    golden_is("bench_kernels.txt", text, 0);
    free(text);
}
END_TEST

struct step { struct bench b; struct bench_size size; };

static void time_step(void *arg)
{
    const struct step *s = arg;
    ck_assert_msg(!bench_step(&s->b, &s->size, why), "%s", why);
}

START_TEST(steps_are_printed_as_ever)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    for (int way = 0; way < 4; way++) {
        struct step s = {{.tier = swax_tiers[0], .precision = SWAX_PREC_F32, .threads = 5, .json = way % 2,
                          .seconds = way < 2 ? 0 : 12.5 * tick, .peak = way == 3 ? 0 : 4e5},
                         {.name = way ? "a\"b" : "micro", .model = swax_config_default(), .batch = 2, .length = 6,
                          .window = 4}};
        ck_assert(!swax_config_set(&s.size.model, "width", "16", why) &&
                  !swax_config_set(&s.size.model, "heads", "2", why) &&
                  !swax_config_set(&s.size.model, "vocabulary", "11", why) &&
                  !swax_config_set(&s.size.model, "mixers", "swa", why));
        begin();
        fputs(printed_in(time_step, &s), f);
        fprintf(f, "the clock was read %d times\n", reads);
    }
    fclose(f);
    golden_is("bench_steps.txt", text, 0);
    free(text);
}
END_TEST

static void time_beside_busy(void *arg)
{
    static const struct bench_product of[] = {{6, 5, 4}};
    const struct swax_tier tier = tier_of();
    const struct bench b = {.tier = &tier, .precision = SWAX_PREC_F32, .threads = 1, .peak = 1};
    *(const char **)arg = bench_products(&b, of, 1, sgemm, "./busy.so", why);
}

/* Less than a tenth of a core is quiet, if no nap took twice as long as it should; forty naps are enough. */
START_TEST(threads_are_quiet_below_a_tenth_of_a_core)
{
    static const struct { double cores, longer; int naps, timed; } of[] = {
        {0, 1, 4, 1}, {0.0999, 1, 4, 1}, {0.101, 1, 40, 0}, {1.26, 1, 40, 0}, {0, 1.99, 4, 1}, {0, 2.01, 160, 1}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        const char *said;
        begin();
        cores = of[i].cores, longer = of[i].longer;
        const char *text = printed_in(time_beside_busy, &said);
        ck_assert_msg(naps == of[i].naps && (said == NULL) == of[i].timed && !*text == !!said,
                      "%g cores, naps of %g: %d of them; %s", of[i].cores, of[i].longer, naps, said ? said : text);
        char begins[80];
        snprintf(begins, sizeof begins, "Idle threads keep %.1f cores busy 2 s after", of[i].cores);
        ck_assert_msg(!said || strstr(said, begins), "%s", said);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bench_clock");
    TCase *t = tcase_create("bench_clock");
    tcase_add_test(t, products_are_printed_as_ever);
    tcase_add_test(t, kernels_are_printed_as_ever);
    tcase_add_test(t, steps_are_printed_as_ever);
    tcase_add_test(t, threads_are_quiet_below_a_tenth_of_a_core);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
