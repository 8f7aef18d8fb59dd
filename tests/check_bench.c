/* check_bench.c - what `swax bench` prints beside its times: each kernel's usual sizes, operations and bytes, rates
 * that are of the same time, and shares of one peak and one bandwidth; medians, and when a thing has been timed
 * enough. */
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ref/network/network.h"
#include "ref/kernels.h"
#include "ref/oracle/oracle.h"
#include "simd/peak.h"
#include "tests/golden.h"
#include "tests/printed.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/bench/bench.h"
#include "tools/lib/clock.h"
#include "tools/lib/commands.h"
#include "tools/lib/configs.h"
#include "tools/lib/json.h"

static char why[SWAX_WHY];

static struct json *row_of(const char *line)
{
    struct json *j = json_parse(line, strcspn(line, "\n"), why);
    ck_assert_msg(j, "a row is %s: %.200s", why, line);
    return j;
}

static double number(const struct json *row, const char *key)
{
    const struct json *j = json_get(row, key);
    ck_assert_msg(j && j->type == JSON_NUMBER && isfinite(j->number), "a row has no number %s", key);
    return j->number;
}

static const char *word(const struct json *row, const char *key)
{
    const struct json *j = json_get(row, key);
    ck_assert_msg(j && j->type == JSON_STRING, "a row has no %s", key);
    return j->text;
}

/* All rows' shares are of the same number. */
static void same(double *of, double is, const char *what)
{
    *of = *of > 0 ? *of : is;
    ck_assert_msg(fabs(is / *of - 1) < 2e-3, "%s is %g in one row and %g in another", what, *of, is);
}

/* A rate times its time is what was done, but for 1e-4: both have five digits. */
START_TEST(rows_say_what_each_kernel_does)
{
    char *text = printed_by(cmd_bench, "seconds=0 threads=1 json=yes"), *now;
    double peak = 0, bandwidth = 0;
    size_t n;
    int rows = 0;
    FILE *f = open_memstream(&now, &n);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1, rows++) {
        struct json *j = row_of(line);
        const double ms = number(j, "ms"), gflops = number(j, "gflops"), gbs = number(j, "gbs");
        const double share = number(j, "peak_fraction");
        ck_assert(ms > 0 && number(j, "threads") == 1 && !strcmp(word(j, "precision"), "fp32"));
        ck_assert(gflops > 0 || gbs > 0);
        if (share > 1e-2)
            same(gflops > 0 ? &peak : &bandwidth, gflops > 0 ? gflops / share : gbs / share,
                 gflops > 0 ? "the peak" : "the bandwidth");
        fprintf(f, "%s: %s; operations %.7g; bytes %.7g\n", word(j, "op"), word(j, "dims"), ms * gflops * 1e6,
                ms * gbs * 1e6);
        json_free(j);
    }
    fclose(f);
    ck_assert_int_eq(rows, swax_n_ops);
    golden_has("bench.txt", now, 3e-4);
    free(now);
}
END_TEST

/* ---- operations, and sizes of one's own */

struct asked { const struct bench *b; int op, dims[OP_DIMS]; };

static void time_a_kernel(void *arg)
{
    const struct asked *a = arg;
    ck_assert_msg(!bench_kernels(a->b, a->op, a->dims, why), "%s", why);
}

/* Multiply-adds, two each, on a peak and a bandwidth of 1. */
static double operations(const char *kernel, const int *dims)
{
    const struct bench b = {.tier = swax_tiers[0], .precision = SWAX_PREC_F32, .threads = 1, .json = 1, .peak = 1,
                            .bandwidth = 1};
    struct asked a = {.b = &b, .op = op_find(kernel)};
    memcpy(a.dims, dims, sizeof a.dims);
    struct json *j = row_of(printed_in(time_a_kernel, &a));
    const double is = number(j, "ms") * number(j, "gflops") * 1e6;
    json_free(j);
    return is;
}

/* A window or a chunk reaches no further than the sequence, and all counts grow with sequences and heads.  attention:
 * B T S H G D W; mlstm: B T H K V L g; delta: B T H G K V J L e. */
START_TEST(operations_are_of_what_there_is)
{
    static const struct { const char *kernel; int dims[OP_DIMS], same[OP_DIMS], twice[OP_DIMS]; double is; } of[] = {
        {"attention_forward", {1, 9, 9, 2, 2, 8, 99}, {1, 9, 9, 2, 2, 8, 9}, {2, 9, 9, 2, 2, 8, 99}, 4 * 45 * 2 * 8},
        {"attention_backward", {1, 9, 9, 2, 2, 8, 3}, {1, 9, 9, 2, 1, 8, 3}, {1, 9, 9, 4, 2, 8, 3}, 8 * 24 * 2 * 8},
        {"mlstm_forward", {1, 9, 2, 5, 7, 64, 0}, {1, 9, 2, 5, 7, 9, 0}, {2, 9, 2, 5, 7, 64, 0},
         (9 * 12 + 4 * 35) * 18},
        {"mlstm_backward", {1, 9, 2, 5, 7, 4, 0}, {1, 9, 2, 5, 7, 4, 1}, {1, 9, 4, 5, 7, 4, 0},
         (4 * 29 + 8 * 35) * 18},
        {"delta_forward", {1, 9, 2, 1, 5, 7, 1, 64, 1}, {1, 9, 2, 2, 5, 7, 1, 9, 0}, {2, 9, 2, 1, 5, 7, 1, 64, 1},
         (18 * 12 + 6 * 35) * 18},
        {"delta_backward", {1, 9, 2, 1, 5, 7, 1, 4, 1}, {1, 9, 2, 1, 5, 7, 5, 4, 1}, {1, 9, 4, 1, 5, 7, 1, 4, 1},
         (4 * 58 + 12 * 35) * 18},
        {"linear_forward", {6, 5, 4}, {4, 5, 6}, {12, 5, 4}, 240}, {"linear_backward", {6, 5, 4}, {5, 6, 4}, {6, 10, 4},
         480}, {"readout_forward", {6, 5, 4}, {4, 6, 5}, {6, 5, 8}, 240}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        const double is = operations(of[k].kernel, of[k].dims), same = operations(of[k].kernel, of[k].same),
                     twice = operations(of[k].kernel, of[k].twice);
        ck_assert_msg(fabs(is / of[k].is - 1) < 3e-4 && fabs(same / is - 1) < 3e-4 && fabs(twice / is - 2) < 6e-4,
                      "%s: %g operations, not %g; %g of the same sizes, %g of twice as many", of[k].kernel, is,
                      of[k].is, same, twice);
    }
}
END_TEST

/* What a card is measured on: numbers that differ, which bf16 holds, and the same thousand over and over. */
START_TEST(a_card_is_given_numbers_that_differ)
{
    struct op_case c = {.op = op_find("add_forward"), .dims = {2500}};
    op_case_alloc(&c, 0);
    bench_fill(&c);
    double square = 0;
    for (int i = 1; i < 3; i++)
        for (int e = 0; e < 2500; e++) {
            const double x = c.arg[i][e];
            int equal = 0;
            for (int d = 0; d < e && e < 1000; d++)
                equal += c.arg[i][d] == x;
            ck_assert_each(x == op_round(x, REAL, SWAX_PREC_BF16) && equal < 40, "%g, %d times", x, equal);
            ck_assert_each(e < 1000 || x == c.arg[i][e - 1000], "element %d is another than that 1,000 before it", e);
            square += x * x / 5000;
        }
    ck_assert_msg(fabs(square - 1) < 0.2 && memcmp(c.arg[1], c.arg[2], 1000 * sizeof(double)), "a variance of %g",
                  square);
    op_case_free(&c);
}
END_TEST

/* ---- products beside another library's */

static struct { int calls, backward; } peer;

/* A cblas_sgemm for what the bench asks of it: it says where it was asked something else. */
static void plain_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
                        const float *b, int ldb, float beta, float *c, int ldc)
{
    ck_assert_msg(order == 101 && (trans_a == 111 || trans_a == 112) && (trans_b == 111 || trans_b == 112) &&
                      alpha == 1 && lda == (trans_a == 112 ? m : k) && ldb == (trans_b == 112 ? k : n) && ldc == n,
                  "order %d, transposed %d %d, sizes %d %d %d, leading %d %d %d", order, trans_a, trans_b, m, n, k, lda,
                  ldb, ldc);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            float sum = 0;
            for (int l = 0; l < k; l++)
                sum += (trans_a == 112 ? a[l * lda + i] : a[i * lda + l]) *
                       (trans_b == 112 ? b[j * ldb + l] : b[l * ldb + j]);
            c[i * ldc + j] = beta * c[i * ldc + j] + sum;
        }
    peer.calls++, peer.backward += beta == 1;
}

/* The tier's table, that looks whether the other library left in y what belongs there. */
static const float *seen_y, *seen_x, *seen_w;
static int compared;

static void forward_after_peer(float *y, const float *x, const float *w, const float *b, int N, int O, int I)
{
    for (int e = 0; e < N * O && peer.calls; e++) {
        double sum = 0;
        for (int i = 0; i < I; i++)
            sum += (double)x[e / O * I + i] * w[e % O * I + i];
        ck_assert_each(fabs(sum - y[e]) < 1e-5, "y[%d] of the other library is %g, not %g", e, y[e], sum);
        compared++;
    }
    seen_y = y, seen_x = x, seen_w = w;
    swax_ref_f32.linear_forward(y, x, w, b, N, O, I);
}

/* It is given the forward's y for its gradient, and what the forward read. */
static void backward_of_the_same(float *dx, float *dw, float *db, const float *dy, const float *x, const float *w,
                                 int N, int O, int I)
{
    ck_assert(dy == seen_y && x == seen_x && w == seen_w && dx != x && dw != w && !db);
    swax_ref_f32.linear_backward(dx, dw, db, dy, x, w, N, O, I);
}

struct products { struct bench b; int with; };

static void time_products(void *arg)
{
    static const struct bench_product of[] = {{6, 5, 4}, {3, 7, 2}};
    const struct products *p = arg;
    ck_assert_msg(!bench_products(&p->b, of, 2, p->with ? plain_sgemm : NULL, "./other.so", why), "%s", why);
}

/* ---- a library whose threads are busy for some time when they have nothing to do */

static double idles;                          /* for so many seconds after a product */
static _Atomic double busy_until;
static _Atomic int over;

static void *idle(void *unused)
{
    while (!over)
        if (clock_seconds() > busy_until)
            nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
    return unused;
}

static void busy_sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
                       const float *b, int ldb, float beta, float *c, int ldc)
{
    plain_sgemm(order, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    busy_until = clock_seconds() + idles;
}

static void time_beside_busy(void *arg)
{
    static const struct bench_product of[] = {{6, 5, 4}};
    const char **said = arg;
    const struct swax_tier tier = {.name = "alone", .usable = swax_tiers[0]->usable, .f32 = &swax_ref_f32};
    const struct bench b = {.tier = &tier, .precision = SWAX_PREC_F32, .threads = 1, .peak = 1};
    *said = bench_products(&b, of, 1, busy_sgemm, "./busy.so", why);
}

/* Eight, so that they have a tenth of a core on a busy machine too. */
START_TEST(idle_threads_are_waited_for_or_no_product_is_timed)
{
    enum { THREADS = 8 };
    pthread_t thread[THREADS];
    const char *said;
    for (int i = 0; i < THREADS; i++)
        ck_assert(!pthread_create(&thread[i], NULL, idle, NULL));
    idles = 0.12;
    printed_in(time_beside_busy, &said);
    ck_assert_msg(!said && clock_seconds() > busy_until, "busy for 0.12 s: %s", said ? said : "not waited for");
    idles = 1e9;
    const char *text = printed_in(time_beside_busy, &said);
    over = 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    ck_assert_msg(said && strstr(said, " cores busy 2 s after a product beside peer=./busy.so,") &&
                      strstr(said, "OMP_WAIT_POLICY=passive") && !*text,
                  "busy for ever: %s; %s", said ? said : "timed", text);
}
END_TEST

START_TEST(products_stand_beside_another_librarys)
{
    struct swax_kernels_f32 table = swax_ref_f32;
    table.linear_forward = forward_after_peer, table.linear_backward = backward_of_the_same;
    const struct swax_tier tier = {.name = "looks", .usable = swax_tiers[0]->usable, .f32 = &table};
    for (int way = 0; way < 4; way++) {
        struct products p = {.b = {.tier = &tier, .precision = SWAX_PREC_F32, .threads = 1, .json = way % 2,
                                   .peak = 1e-3},      /* so that shares have digits */
                             .with = way / 2};
        peer.calls = peer.backward = compared = 0;
        const char *text = printed_in(time_products, &p), *line = text;
        ck_assert_msg((peer.calls > 0) == p.with && peer.backward * 3 == peer.calls * 2 && (compared > 0) == p.with,
                      "%d calls, %d of them add", peer.calls, peer.backward);
        double log_share = 0, log_ratio = 0, worst = 1e30, furthest = 1e30;
        for (int k = 0; k < 4; k++, line = strchr(line, '\n') + 1) {
            static const int work[4] = {240, 480, 84, 168};
            static const char *const dims[2] = {"N=6 O=5 I=4", "N=3 O=7 I=2"};
            const char *name = k % 2 ? "linear_backward" : "linear_forward";
            double rate, share, theirs, ratio;
            if (!p.b.json) {
                char op[40];
                int N, O, I, end = 0;
                ck_assert_msg(sscanf(line, "%39s N=%d O=%d I=%d %lf GFLOP/s, %lf %% of the peak%n", op, &N, &O, &I,
                                     &rate, &share, &end) == 6, "%s", line);
                ck_assert_msg(!strcmp(op, name) && N * O * I * (k % 2 ? 4 : 2) == work[k] &&
                                  fabs(share / 1e5 - rate) <= 0.06 && !p.with == (line[end] == '\n'), "%s", line);
                ck_assert_msg(!p.with ||
                                  (sscanf(line + end, "; peer %lf, %lf times as fast as it", &theirs, &ratio) == 2 &&
                                   fabs(theirs * ratio - rate) <= 0.06 * (1 + ratio) + 0.006 * theirs), "%s", line);
                log_share += log(share) / 4, worst = fmin(worst, share), log_ratio += p.with ? log(ratio) / 4 : 0;
                furthest = p.with ? fmin(furthest, ratio) : furthest;
                continue;
            }
            struct json *j = row_of(line);
            rate = number(j, "gflops"), share = number(j, "peak_fraction");
            ck_assert_msg(!strcmp(word(j, "op"), name) && !strcmp(word(j, "dims"), dims[k / 2]) &&
                              fabs(number(j, "ms") * rate * 1e6 / work[k] - 1) < 1e-3 &&
                              fabs(share / 1e3 / rate - 1) < 1e-3 && 
                              (p.with ? number(j, "peer_ms") > 0 : json_get(j, "peer_ms")->type == JSON_NULL),
                          "%s", line);
            json_free(j);
        }
        double mean, least, ratio = 1;
        const int numbers = sscanf(line, "geometric mean: %lf %% of the peak, at least %lf %%; %lf times", &mean,
                                   &least, &ratio);
        ck_assert_msg(p.b.json ? !*line : numbers == 2 + p.with && !strstr(line, " as fast as ./other.so\n") == !p.with,
                      "%s", line);
        ck_assert_msg(p.b.json || (fabs(mean / exp(log_share) - 1) <= 1e-2 && fabs(least / worst - 1) <= 1e-2 &&
                                   (furthest < 0.1 || fabs(ratio / exp(log_ratio) - 1) <= 0.06)),
                      "of shares whose mean is %.1f, the least %.1f, and ratios whose mean is %.2f: %s", exp(log_share),
                      worst, exp(log_ratio), line);
    }
}
END_TEST

START_TEST(a_row_in_words_has_the_rows_numbers)
{
    const char *text = printed_by(cmd_bench, "linear_forward dims=8,6,4 seconds=0 threads=1");
    const char *head = strchr(text, ':'), *row = strchr(text, '\n');
    double ms, gflops, gbs, share, peak, bandwidth;
    const struct swax_tier *tier = swax_tier_find(NULL, &(const char *){NULL});
    char begins[80];
    snprintf(begins, sizeof begins, "tier %.20s, fp32, 1 thread: peak ", tier->name);
    ck_assert_msg(!strncmp(text, begins, strlen(begins)), "%s, not %s", text, begins);
    ck_assert_msg(head && row && sscanf(head, ": peak %lf GFLOP/s, bandwidth %lf GB/s", &peak, &bandwidth) == 2, "%s",
                  text);
    ck_assert_msg(!strncmp(++row, "linear_forward      N=8 O=6 I=4 ", 32) &&
                      sscanf(row + 32, " %lf ms %lf GFLOP/s %lf GB/s %lf %% of the peak", &ms, &gflops, &gbs,
                             &share) == 4, "%s", row);
    ck_assert_msg((peak > 0) == (swax_peak_gflops(tier->name, 1) > 0), "a peak of %g", peak);
    ck_assert_msg(!(peak > 0) || fabs(share - 100 * gflops / peak) < 0.06 + 10 / peak, "%g of %g is %g %%", gflops,
                  peak, share);
    /* float: 8 x 6 outputs, 8 x 4 and 6 x 4 inputs; 2 8 6 4 operations */
    ck_assert_msg(fabs(gbs / gflops / (4 * (48 + 32 + 24) / 384.0) - 1) < 0.1 || gflops < 2, "%s", row);
}
END_TEST

START_TEST(a_step_is_counted_as_the_network_counts)
{
    static const char near[] = "step config=micro length=24 batch=3 window=7 seconds=0 threads=1 json=yes",
                      far[] = "step config=micro length=24 batch=3 window=24 seconds=0 threads=1 json=yes";
    struct json *j = row_of(printed_by(cmd_bench, near)), *longer = row_of(printed_by(cmd_bench, far));
    const double seconds = number(j, "ms_per_step") / 1e3, rate = number(j, "tokens_per_s");
    ck_assert_msg(fabs(rate * seconds / (3 * 24) - 1) < 2e-3, "%g tokens a second in %g s", rate, seconds);
    ck_assert_str_eq(word(j, "config"), "micro");
    char asked[400], *path = scratch("a\"b\\c.json");
    put(path, "{\"width\": 8, \"heads\": 1, \"cell_heads\": 1, \"batch\": 1, \"length\": 8}", 66);
    snprintf(asked, sizeof asked, "step config=%s seconds=0 threads=1 json=yes", path);
    struct json *named = row_of(printed_by(cmd_bench, asked));
    ck_assert_str_eq(word(named, "config"), path);
    json_free(named);
    ck_assert_msg(fabs(number(j, "gflops") / number(j, "peak_gflops") / number(j, "peak_fraction") - 1) < 2e-3 ||
                      number(j, "peak_gflops") == 0, "the share is another");
    const double each = number(j, "gflops") * 1e9 / rate;
    ck_assert_msg(number(longer, "gflops") * 1e9 / number(longer, "tokens_per_s") > each * 1.001,
                  "the window does not count");
    char *now = NULL;
    size_t n;
    FILE *f = open_memstream(&now, &n);
    fprintf(f, "micro: operations a token %.7g\n", each);
    fclose(f);
    golden_has("bench_step.txt", now, 2e-3);
    free(now), json_free(j), json_free(longer);
    /* the same in words */
    const char *text = printed_by(cmd_bench, "step config=micro length=24 batch=3 window=7 seconds=0 threads=1"),
               *line = strchr(text, '\n');
    double ms, tokens, gflops, share, megabytes;
    int width, batch, length;
    ck_assert_msg(line && sscanf(line + 1, "micro width %d, %d x %d tokens: %lf ms a step, %lf tokens/s, %lf GFLOP/s, "
                                 "%lf %% of the peak, %lf MB\n", &width, &batch, &length, &ms, &tokens, &gflops, &share,
                                 &megabytes) == 8, "%s", line ? line : "nothing");
    ck_assert_msg(batch == 3 && length == 24 && fabs(tokens * ms / 72e3 - 1) < 0.02 + 0.01 / ms, "%s", line);
    ck_assert_msg(fabs(gflops - tokens * each / 1e9) <= 0.06 + 1e-3 * gflops && width > 8 && megabytes > 1 &&
                      megabytes < 1000, "%s", line);
    const char *head = strstr(text, ": peak ");
    const double peak = head ? strtod(head + 7, NULL) : 0;
    ck_assert_msg(!(peak > 0) || fabs(share - 100 * gflops / peak) <= 0.06 + 10 / peak, "%s", text);
}
END_TEST

START_TEST(products_have_the_sizes_of_networks)
{
    char *now;
    size_t n;
    int products;
    FILE *f = open_memstream(&now, &n);
    const struct bench_product *of = bench_gemm_sizes(&products);
    for (int i = 0; i < products; i++)
        fprintf(f, "N=%d O=%d I=%d\n", of[i].N, of[i].O, of[i].I);
    fclose(f);
    golden_has("bench_gemm.txt", now, 0);
    free(now);
}
END_TEST

START_TEST(medians_and_what_is_enough)
{
    double odd[] = {5, 1, 9}, even[] = {4, 1, 8, 2}, one[] = {3};
    ck_assert_double_eq(bench_median(odd, 3), 5);
    ck_assert_double_eq(bench_median(even, 4), 3);
    ck_assert_double_eq(bench_median(one, 1), 3);
    static const struct { int runs; double total; int enough; } of[] = {
        {0, 9, 0}, {4, 9, 0}, {5, 0.99, 0}, {5, 1, 1}, {6, 2, 1}, {9, 0.5, 0}, {10, 0.5, 1}, {11, 0, 1}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        ck_assert_msg(bench_enough(of[i].runs, 5, 10, of[i].total, 1) == of[i].enough, "%d runs in %g s of 1, 5 to 10",
                      of[i].runs, of[i].total);
    const struct bench with = {.peak = 50}, without = {.peak = 0};
    ck_assert(bench_share(&with, 25) == 0.5 && bench_share(&without, 25) == 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bench");
    TCase *t = tcase_create("bench");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, rows_say_what_each_kernel_does);
    tcase_add_test(t, operations_are_of_what_there_is);
    tcase_add_test(t, a_card_is_given_numbers_that_differ);
    tcase_add_test(t, idle_threads_are_waited_for_or_no_product_is_timed);
    tcase_add_test(t, products_stand_beside_another_librarys);
    tcase_add_test(t, a_row_in_words_has_the_rows_numbers);
    tcase_add_test(t, a_step_is_counted_as_the_network_counts);
    tcase_add_test(t, products_have_the_sizes_of_networks);
    tcase_add_test(t, medians_and_what_is_enough);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
