/* check_bench_clock.c - what `swax bench` prints, to the letter: by a clock of the test's own, on which a product takes
 * as long as the test says, and reading it takes a little; on machines of the test's own, which are as fast as it says,
 * and with memory that ends where it says.
 *
 * Where it is meant to change, GOLDEN=write build/check_bench_clock keeps the new lines: look at the diff. */
#include <check.h>
#include <dlfcn.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ref/kernels.h"
#include "ref/oracle/oracle.h"
#include "simd/peak.h"
#include "tests/asked.h"
#include "tests/golden.h"
#include "tests/printed.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/bench/bench.h"
#include "tools/lib/clock.h"
#include "tools/lib/commands.h"
#include "tools/lib/threads.h"

static char why[SWAX_WHY];

/* ---- the clock: all of it powers of two, so that nothing is rounded */

/* seconds: what it says; what reading it takes; what a call takes for each that it counts; of the processor; how many
 * cores are busy while it naps; how many times as long as it is asked to it naps */
static double now, tick, call, used, cores, longer;
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
    now = 1000, tick = 1.0 / (1 << 30), call = 1.0 / (1 << 27), used = cores = 0, longer = 1;
    reads = naps = calls = 0;
}

static void passes(int times)
{
    calls++;
    now += times * call;
}

/* ---- what the tiers and their machine are asked for, in words */

static char asked[4000];

static void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void note(const char *format, ...)
{
    va_list list;
    const size_t n = strlen(asked);
    va_start(list, format);
    vsnprintf(asked + n, sizeof asked - n, format, list);
    va_end(list);
}

double swax_peak_gflops(const char *tier, int threads)
{
    note("the peak of %s with %d; ", tier, threads);
    return !strcmp(tier, "wide") ? 40.5 * threads : !strcmp(tier, "narrow") ? 10.25 * threads : 0;
}

double swax_bandwidth_gbs(int threads)
{
    note("the bandwidth with %d; ", threads);
    return 7.125 * threads;
}

/* ---- memory: it ends at the take of that number, counted down; 0: never */

static int takes_left;
static void (*gone)(void);

void op_memory_gone(void (*f)(void)) { gone = f; }

void *op_take(size_t n, size_t element)
{
    void *p = calloc(n ? n : 1, element);
    if (takes_left && !--takes_left)
        gone();
    ck_assert(p != NULL);
    return p;
}

/* ---- tiers, and another library, whose products take what they are told */

/* What a product was given to read, or to add to: is it what bench.h says of operands? */
static int look_at_operands;

static void look(const char *of, const float *x, int n)
{
    for (int i = 0; i < n && look_at_operands; i++)
        ck_assert_each(x[i] == (float)((double)((size_t)i * 2654435761u % 1000) / 1000 - 0.5),
                       "element %d of %d of %s is %g", i, n, of, x[i]);
}

static void forward(float *y, const float *x, const float *w, const float *b, int N, int O, int I)
{
    (void)b;
    look("y", y, N * O), look("x", x, N * I), look("w", w, O * I);
    passes(N);
}

static void backward(float *dx, float *dw, float *db, const float *dy, const float *x, const float *w, int N, int O,
                     int I)
{
    (void)db;
    look("dy", dy, N * O), look("x", x, N * I), look("w", w, O * I), look("dx", dx, N * I), look("dw", dw, O * I);
    passes(O);
}

static void add(float *y, const float *a, const float *b, int N)
{
    (void)y, (void)a, (void)b, (void)N;
    passes(1);
}

static void adamw(float *w, float *m, float *v, const float *g, const double *sum, int N, int step, double lr,
                  double beta1, double beta2, double eps, double decay, double clip)
{
    (void)w, (void)m, (void)v, (void)g;
    if (!calls)
        note("adamw %s of step %d: %g %g %g %g %g %g; ", sum ? "with a norm" : "alone", step, lr, beta1, beta2, eps,
             decay, clip);
    passes(N);
}

/* Slower from call to call: a median is none of its neighbours. */
static void sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
                  const float *b, int ldb, float beta, float *c, int ldc)
{
    (void)order, (void)trans_a, (void)trans_b, (void)m, (void)n, (void)k, (void)alpha, (void)a, (void)lda, (void)b;
    (void)ldb, (void)beta, (void)c, (void)ldc;
    passes(m + calls % 7);
}

static int yes(void) { return 1; }
static int no(void) { return 0; }
static int two(void) { return 2; }

static void each(int n, int workers, void (*f)(int i, void *arg), void *arg)
{
    (void)workers;
    for (int i = 0; i < n; i++)
        f(i, arg);
}

static size_t large_bytes;
static void large(void *p, size_t bytes)
{
    ck_assert(p != NULL);
    large_bytes += bytes;
}

static const struct swax_host host = {.each = each, .workers = two, .worker = no, .large = large};

static int taken, trouble_at;
static void *device_take(size_t bytes) { return taken++, malloc(bytes); }
static void device_give(void *p) { taken--, free(p); }
static void device_copy(void *to, const void *from, size_t bytes) { memcpy(to, from, bytes); }
static void device_zero(void *p, size_t bytes) { memset(p, 0, bytes); }
static const char *device_trouble(void) { return trouble_at && !--trouble_at ? "the card is on fire" : NULL; }
static const char *device_where(void) { return "a card"; }
static void device_again(void **kept, void (*f)(void *arg), void *arg) { (void)kept, f(arg); }
static void device_forget(void *kept) { (void)kept; }

static const struct swax_memory device_memory = {
    .take = device_take, .give = device_give, .put = device_copy, .get = device_copy, .zero = device_zero,
    .trouble = device_trouble, .where = device_where, .again = device_again, .forget = device_forget, .shared = no};

static const struct swax_kernels_f32 some = {.linear_forward = forward, .linear_backward = backward,
                                             .add_forward = add, .adamw = adamw};
extern const struct swax_kernels_f64 swax_ref_f64;

/* ref/tiers.c's, in this program */
const char *const swax_precision_name[SWAX_PRECISIONS] = {"fp32", "fp64", "bf16"};
static const struct swax_tier
    plain = {.name = "ref", .usable = yes, .f32 = &swax_ref_f32, .f64 = &swax_ref_f64},
    narrow = {.name = "narrow", .usable = yes, .f32 = &some, .host = &host},
    wide = {.name = "wide", .usable = yes, .f32 = &some, .host = &host},
    elsewhere = {.name = "elsewhere", .usable = no, .f32 = &some, .host = &host},
    alone = {.name = "alone", .usable = yes, .f32 = &some},
    device = {.name = "device", .usable = yes, .f32 = &some, .memory = &device_memory};
const struct swax_tier *const swax_tiers[] = {&plain, &narrow, &wide, &elsewhere, &device};
const int swax_n_tiers = 5;

const struct swax_tier *swax_tier_find(const char *name, const char **wrong)
{
    *wrong = "There is no such machine.";
    for (int i = 0; i < swax_n_tiers; i++)
        if (!strcmp(name ? name : "narrow", swax_tiers[i]->name))
            return swax_tiers[i]->usable() ? swax_tiers[i] : NULL;
    return NULL;
}

void swax_tier_zero(const struct swax_tier *tier, void *p, size_t bytes) { (void)tier, memset(p, 0, bytes); }

/* Lines, and behind them what was asked for, and what the clock says. */
static void keep(FILE *f, const char *text)
{
    fputs(text, f);
    fprintf(f, "(%s%d calls, %d naps, the clock was read %d times)\n", asked, calls, naps, reads);
}

static void restart(void)
{
    begin();
    *asked = 0, large_bytes = 0, taken = trouble_at = takes_left = look_at_operands = 0;
}

static FILE *open_text(char **text)
{
    static size_t size;
    *text = NULL;
    return open_memstream(text, &size);
}

static void is_kept(const char *name, FILE *f, char **text)
{
    fclose(f);
    golden_is(name, *text, 0);
    free(*text);
}

/* ---- the machine */

struct machine { struct bench b; const char *wrong; };

static void measure(void *arg)
{
    struct machine *m = arg;
    m->wrong = bench_measure(&m->b, 40, 3000, why);
}

START_TEST(a_machine_is_measured_by_its_tier)
{
    static const struct { const struct swax_tier *tier; enum swax_precision precision; int threads, json, trouble; }
        of[] = {{&plain, SWAX_PREC_F32, 1, 0, 0}, {&plain, SWAX_PREC_F64, 1, 0, 0}, {&narrow, SWAX_PREC_F32, 2, 0, 0},
                {&narrow, SWAX_PREC_F64, 1, 1, 0}, {&wide, SWAX_PREC_F64, 3, 0, 0}, {&wide, SWAX_PREC_BF16, 3, 1, 0},
                {&device, SWAX_PREC_F32, 1, 0, 0}, {&device, SWAX_PREC_F32, 1, 1, 0}, {&device, SWAX_PREC_F32, 1, 0, 3},
                {&device, SWAX_PREC_F32, 1, 0, 100}, {&device, SWAX_PREC_F64, 1, 0, 0}};
    char *text;
    FILE *f = open_text(&text);
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct machine m = {.b = {.tier = of[i].tier, .precision = of[i].precision, .threads = of[i].threads,
                                  .json = of[i].json, .seconds = 1}};
        restart();
        call = 1.0 / (1 << 18), trouble_at = of[i].trouble;
        const char *said = printed_in(measure, &m);
        keep(f, said);
        fprintf(f, "%s, %g of %g s\n", m.wrong ? m.wrong : "as it should be", m.b.seconds, now - 1000);
        fprintf(f, "a peak of %.6g, a bandwidth of %.6g, %d arrays on the device\n", m.b.peak, m.b.bandwidth, taken);
    }
    is_kept("bench_machine.txt", f, &text);
}
END_TEST

/* ---- products */

struct products { struct bench b; int with; };

static void time_products(void *arg)
{
    /* of which the last is not asked for, and takes no memory */
    static const struct bench_product of[] = {{6, 5, 4}, {3, 17, 1200}, {400, 30, 2}, {1000, 900, 800}};
    const struct products *p = arg;
    ck_assert_msg(!bench_products(&p->b, of, 3, p->with ? sgemm : NULL, "./other.so", why), "%s", why);
}

START_TEST(products_are_printed_as_ever)
{
    char *text;
    FILE *f = open_text(&text);
    for (int way = 0; way < 7; way++) {
        struct products p = {.b = {.tier = way < 3 ? &alone : &wide, .precision = SWAX_PREC_F32, .threads = 3,
                                   .json = way % 2, .peak = way < 4 ? 20 : 0,
                                   .seconds = way == 2 ? 1e-5 : way == 6 ? 1e6 : 0},
                             .with = way / 2 == 1};
        restart();
        look_at_operands = 1;
        keep(f, printed_in(time_products, &p));
        fprintf(f, "%zu bytes in large pages\n", large_bytes);
    }
    is_kept("bench_products.txt", f, &text);
}
END_TEST

/* Another library: it is loaded, and given as many threads, whatever it was given before. */
static const char *loaded;
void *dlopen(const char *path, int how)
{
    (void)how;
    loaded = path;
    return !strcmp(path, "none.so") ? NULL : &loaded;
}

void *dlsym(void *restrict library, const char *restrict name)
{
    ck_assert(library == (void *)&loaded && !strcmp(name, "cblas_sgemm"));
    bench_sgemm *const is = sgemm;
    return strcmp(loaded, "empty.so") ? *(void *const *)&is : NULL;
}

char *dlerror(void) { return "it is not there"; }

START_TEST(products_of_networks_stand_beside_a_library)
{
    static const char *const counts[] = {"OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS", "MKL_NUM_THREADS"};
    char *text, is[16];
    for (int i = 0; i < 3; i++)
        setenv(counts[i], "77", 1);
    restart();
    FILE *f = open_text(&text);
    keep(f, done(cmd_bench, "gemm peer=fake.so tier=wide seconds=0 threads=1"));
    fprintf(f, "%zu bytes in large pages\n", large_bytes);
    is_kept("bench_gemm_all.txt", f, &text);
    snprintf(is, sizeof is, "%d", threads_used());
    for (int i = 0; i < 3; i++)
        ck_assert_msg(!strcmp(getenv(counts[i]), is), "%s is %s", counts[i], getenv(counts[i]));
    static const struct { const char *asked, *says; } refused[] = {
        {"gemm precision=fp64", "gemm stands beside sgemm: precision is fp32."},
        {"gemm precision=bf16", "gemm stands beside sgemm: precision is fp32."},
        {"gemm tier=device", "gemm runs on the host: tier=device is a device."},
        {"gemm tier=elsewhere", "There is no such machine."},
        {"gemm peer=none.so", "peer=none.so cannot be loaded: it is not there."},
        {"gemm peer=empty.so", "peer=empty.so has no cblas_sgemm: name a BLAS with the C interface."}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char whole[300];
        const struct answer a = ask_command(cmd_bench, refused[i].asked);
        snprintf(whole, sizeof whole, "swax: %s\n", refused[i].says);
        ck_assert_msg(a.status == 2 && !strcmp(a.text, whole), "%s: %s", refused[i].asked, a.text);
    }
}
END_TEST

/* ---- kernels */

struct kernel { struct bench b; const char *name, *wrong; int dims[OP_DIMS]; };

static void time_kernel(void *arg)
{
    struct kernel *k = arg;
    k->wrong = bench_kernels(&k->b, op_find(k->name), k->dims, why);
}

/* Bundles until one takes a tenth of a millisecond; three at least, and 2000 at most. */
START_TEST(kernels_are_printed_as_ever)
{
    static const struct { const char *name; double seconds; int json; } of[] = {
        {"linear_forward", 0, 0}, {"linear_forward", 0, 1}, {"linear_backward", 100, 0}, {"linear_backward", 0.01, 1},
        {"add_forward", 0, 0}, {"add_forward", 0, 1}, {"adamw", 1e-3, 0}};
    char *text;
    FILE *f = open_text(&text);
    for (int slow = 0; slow < 2; slow++)
        for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
            struct kernel k = {{.tier = i % 2 ? &device : &wide, .precision = SWAX_PREC_F32, .threads = 2,
                                .json = of[i].json, .seconds = of[i].seconds, .peak = 9, .bandwidth = 3}, of[i].name,
                               NULL, {8, 6, 4}};
            restart();
            call = slow ? 1.0 / 4096 : call;
            keep(f, printed_in(time_kernel, &k));
            ck_assert_msg(!k.wrong && !taken, "%s", k.wrong ? k.wrong : "the device has less");
        }
    is_kept("bench_kernels.txt", f, &text);
}
END_TEST

/* A call that takes as long as a bundle should is timed alone, and of one that takes less, two; a device's bundles are
 * longer. */
START_TEST(a_bundle_is_long_enough)
{
    static const struct { const struct swax_tier *tier; double takes; int calls; } of[] = {
        {&wide, 1e-4, 4}, {&wide, 0.99e-4, 8}, {&wide, 0.49e-4, 16}, {&device, 2e-3, 4}, {&device, 1.99e-3, 8}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct kernel k = {{.tier = of[i].tier, .threads = 1, .peak = 1, .bandwidth = 1}, "add_forward", NULL, {3}};
        restart();
        now = tick = 0, call = of[i].takes;
        printed_in(time_kernel, &k);
        ck_assert_msg(calls == of[i].calls, "calls of %g s on %s: %d of them, not %d", of[i].takes, of[i].tier->name,
                      calls, of[i].calls);
    }
}
END_TEST

/* What goes wrong on a device is said, whenever that is; and what was taken there is given back. */
START_TEST(a_devices_trouble_is_said)
{
    for (int at = 1; at < 6; at++) {
        struct kernel k = {{.tier = &device, .threads = 1, .peak = 1, .bandwidth = 1}, "add_forward", NULL, {3}};
        restart();
        call = 1, trouble_at = at;
        const char *text = printed_in(time_kernel, &k);
        /* after each call of the four, and once more at their end */
        ck_assert_msg(k.wrong && !*text && !taken, "trouble %d: %s%s", at, k.wrong ? k.wrong : "none", text);
        ck_assert_str_eq(k.wrong, at < 5 ? "the card is on fire"
                                         : "add_forward on tier device failed: the card is on fire");
        ck_assert_int_eq(calls, at < 4 ? at : 4);
    }
    struct kernel none = {{.tier = &device, .precision = SWAX_PREC_F64}, "add_forward", NULL, {3}};
    printed_in(time_kernel, &none);
    ck_assert_msg(none.wrong && !strcmp(none.wrong, "add_forward on tier device does not exist in this precision"),
                  "%s", none.wrong ? none.wrong : "timed");
}
END_TEST

/* The whole command: every kernel that the tier has of its own, or one, with sizes of one's own or the usual ones. */
START_TEST(a_command_prints_as_ever)
{
    static const char *const of[] = {
        "tier=wide seconds=0 threads=1", "tier=wide seconds=0 threads=1 json=yes", "seconds=1e-3 threads=1",
        "linear_forward dims=12,21,34 tier=ref precision=fp64 seconds=0", "add_forward tier=wide threads=1 seconds=0",
        "embed_forward dims=12,5,4 tier=ref seconds=0",
        "adamw dims=10,3 tier=wide threads=1 seconds=0", "step tier=wide config=micro length=6 batch=2 window=4 "
        "seconds=0 threads=1", "step tier=ref width=16 heads=2 cell_heads=2 length=6 batch=1 precision=fp64 seconds=0 "
        "json=yes"};
    char *text;
    FILE *f = open_text(&text);
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        restart();
        tick = 1.0 / 1024;
        keep(f, done(cmd_bench, of[i]));
        ck_assert(gone == NULL);
    }
    is_kept("bench_command.txt", f, &text);
}
END_TEST

/* A tier without vectors is one thread; another has as many as are asked for. */
START_TEST(threads_are_those_of_the_tier)
{
    restart();
    tick = 1.0 / 1024;
    char *text = done(cmd_bench, "linear_forward dims=1,1,1 tier=ref seconds=0 threads=2"), is[80];
    ck_assert_msg(strstr(text, "tier ref, fp32, 1 thread: peak 40.5 GFLOP/s, bandwidth 7.1 GB/s\n") == text, "%s",
                  text);
    text = done(cmd_bench, "linear_forward dims=1,1,1 tier=wide seconds=0 threads=2");
    snprintf(is, sizeof is, "tier wide, fp32, %d thread%s: peak %.1f ", threads_used(), threads_used() > 1 ? "s" : "",
             40.5 * threads_used());
    ck_assert_msg(strstr(text, is) == text, "%s, not %s", text, is);
}
END_TEST

START_TEST(what_cannot_be_timed_is_said)
{
    const double there = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    char large_one[200];
    /* y, x and w, of 8 bytes, and two images of each */
    snprintf(large_one, sizeof large_one, "The arrays would take 72000.0 GB of memory, and this machine has %.1f: make "
                                          "a size smaller.", there / 1e9);
    const struct { const char *asked, *says; } refused[] = {
        {"linear_forward dims=1000000,1000000,1000000", large_one},
        {"nothing", "There is no kernel \"nothing\": `swax verify list` has them; or say gemm, or step."},
        {"dims=1", "dims are the sizes of one kernel: name it."},
        {"adamw dims=1", "dims are 2 numbers, the sizes Ns of adamw."},
        {"adamw dims=2147483648,1", "dims are 2 numbers, the sizes Ns of adamw."},
        {"adamw dims=-2147483649,1", "dims are 2 numbers, the sizes Ns of adamw."},
        {"adamw dims=x,1", "dims are 2 numbers, the sizes Ns of adamw."},
        {"adamw dims=1,2,3", "dims has more than the sizes Ns of adamw."},
        {"adamw dims=5,1x", "dims has more than the sizes Ns of adamw."},
        {"step width=3000 tier=elsewhere", "There is no such machine."}};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char whole[300];
        restart();
        const struct answer a = ask_command(cmd_bench, refused[i].asked);
        snprintf(whole, sizeof whole, "swax: %s\n", refused[i].says);
        ck_assert_msg(a.status == 2 && !strcmp(a.text, whole), "%s: %s", refused[i].asked, a.text);
    }
    /* as large as an int is, and as small: those are numbers, but no sizes */
    static const char *const ints[] = {"adamw dims=2147483647,-2147483648", "adamw dims=-2147483648,2147483647"};
    for (int i = 0; i < 2; i++) {
        const struct answer a = ask_command(cmd_bench, ints[i]);
        ck_assert_msg(a.status == 2 && !strstr(a.text, "dims are"), "%s: %s", ints[i], a.text);
    }
    const struct answer a = ask_command(cmd_bench, "step config=micro tier=wide precision=bf16");
    ck_assert_msg(a.status == 2 && strstr(a.text, "the tier wide does not offer this precision"),
                  "bf16 where there is none: %s", a.text);
}
END_TEST

/* Wherever memory ends, the command does: it says so, and with the status of bad input. */
START_TEST(a_command_without_memory_says_so)
{
    static const struct { const char *asked; int takes; } of[] = {
        {"add_forward tier=wide", 2}, {"gemm tier=wide", 1}, {"gemm tier=wide", 5}, {"step tier=wide config=micro", 1}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char *path = scratch("stderr"), *text;
        restart();
        fflush(NULL);
        const pid_t child = fork();
        if (!child) {
            takes_left = of[i].takes;
            ask_command(cmd_bench, of[i].asked);
            _exit(77);
        }
        int status = 0;
        ck_assert(child > 0 && waitpid(child, &status, 0) == child);
        read_whole(path, &text);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 2 &&
                          !strcmp(text, "swax: There is no memory for what is to be timed.\n"),
                      "%s, take %d: status %d, %s", of[i].asked, of[i].takes, WEXITSTATUS(status), text);
    }
}
END_TEST

/* ---- steps */

struct step { struct bench b; struct bench_size size; };

static void time_step(void *arg)
{
    const struct step *s = arg;
    ck_assert_msg(!bench_step(&s->b, &s->size, why), "%s", why);
}

static struct swax_config small_model(void)
{
    struct swax_config c = swax_config_default();
    ck_assert(!swax_config_set(&c, "width", "16", why) && !swax_config_set(&c, "heads", "2", why) &&
              !swax_config_set(&c, "vocabulary", "11", why) && !swax_config_set(&c, "mixers", "swa", why));
    return c;
}

START_TEST(steps_are_printed_as_ever)
{
    char *text;
    FILE *f = open_text(&text);
    for (int way = 0; way < 5; way++) {
        struct step s = {{.tier = swax_tiers[0], .precision = SWAX_PREC_F32, .threads = 5, .json = way % 2,
                          .seconds = way == 4 ? 1e6 : way < 2 ? 0 : 12.5 / 4096, .peak = way == 3 ? 0 : 4e5},
                         {.name = way ? "a\"b" : "micro", .model = small_model(), .batch = 2, .length = 6,
                          .window = 4}};
        restart();
        tick = 1.0 / 4096;
        s.b.peak = way == 3 ? 0 : way == 4 ? 0.25 : 0.0125;
        keep(f, printed_in(time_step, &s));
    }
    is_kept("bench_steps.txt", f, &text);
}
END_TEST

/* What a step reads, and what it asks of the kernels at its two ends: tokens at random, targets that are them, weights
 * of an untrained network, a mean of the losses, a norm, and a step of AdamW. */
static int tensors_normed, tensors_stepped;

static void embed(float *y, const int *token, const float *w, int N, int V, int C)
{
    for (int i = 0; i < N && !calls; i++)
        note("%s%d", i ? " " : "tokens ", token[i]);
    double sum = 0;
    for (int i = 0; i < V * C; i++)
        sum += fabs((double)w[i]);
    if (!calls++)
        note(", weights of %.4f; ", sum / (V * C));
    swax_ref_f32.embed_forward(y, token, w, N, V, C);
}

static void losses(float *loss, float *lse, const float *x, const int *target, int N, int V, double cap)
{
    for (int i = 0; i < N && calls == 1; i++)
        note("%s%d", i ? " " : "targets ", target[i]);
    swax_ref_f32.xent_forward(loss, lse, x, target, N, V, cap);
}

static void losses_back(float *dx, const float *dloss, const float *x, const int *target, const float *lse, int N,
                        int V, double cap)
{
    if (calls++ == 1)
        note("; a gradient of %.6g; ", (double)dloss[0]);
    swax_ref_f32.xent_backward(dx, dloss, x, target, lse, N, V, cap);
}

static void attend(float *y, float *lse, const float *q, const float *k, const float *v, const float *sink,
                   const int *start, int B, int T, int S, int H, int G, int D, int W)
{
    if (calls == 1)
        note("a window of %d, %s; ", W, start ? "of documents" : "of one text");
    swax_ref_f32.attention_forward(y, lse, q, k, v, sink, start, B, T, S, H, G, D, W);
}

static void norm(double *sum, const float *x, int N)
{
    tensors_normed++;
    swax_ref_f32.sqsum(sum, x, N);
}

static void update(float *w, float *m, float *v, const float *g, const double *sum, int N, int step, double lr,
                   double beta1, double beta2, double eps, double decay, double clip)
{
    if (!tensors_stepped++)
        note("AdamW %s, step %d: %g %g %g %g %g %g; ", sum && *sum > 0 ? "with a norm" : "alone", step, lr, beta1,
             beta2, eps, decay, clip);
    swax_ref_f32.adamw(w, m, v, g, sum, N, step, lr, beta1, beta2, eps, decay, clip);
}

START_TEST(a_step_is_one_of_training)
{
    const struct swax_kernels_f32 table = {.embed_forward = embed, .xent_forward = losses, .xent_backward = losses_back,
                                           .attention_forward = attend, .sqsum = norm, .adamw = update};
    const struct swax_tier tier = {.name = "looks", .usable = yes, .f32 = &table};
    struct step s = {{.tier = &tier, .precision = SWAX_PREC_F32, .threads = 1, .json = 1},
                     {.name = "small", .model = small_model(), .batch = 3, .length = 5, .window = 4}};
    restart();
    tensors_normed = tensors_stepped = 0;
    printed_in(time_step, &s);
    char *text;
    FILE *f = open_text(&text);
    fprintf(f, "%s\n%d tensors in norms, %d in steps\n", asked, tensors_normed, tensors_stepped);
    fclose(f);
    golden_is("bench_step_asks.txt", text, 1e-4);
    free(text);
}
END_TEST

static void time_beside_busy(void *arg)
{
    static const struct bench_product of[] = {{6, 5, 4}};
    const struct bench b = {.tier = &wide, .precision = SWAX_PREC_F32, .threads = 1, .peak = 1};
    *(const char **)arg = bench_products(&b, of, 1, sgemm, "./busy.so", why);
}

/* Less than a tenth of a core is quiet, if no nap took twice as long as it should; forty naps are enough. */
START_TEST(threads_are_quiet_below_a_tenth_of_a_core)
{
    static const struct { double cores, longer; int naps, timed; } of[] = {
        {0, 1, 4, 1}, {0.0999, 1, 4, 1}, {0.101, 1, 40, 0}, {1.26, 1, 40, 0}, {0, 1.99, 4, 1}, {0, 2.01, 160, 1}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        const char *said;
        restart();
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
    tcase_add_test(t, a_machine_is_measured_by_its_tier);
    tcase_add_test(t, products_are_printed_as_ever);
    tcase_add_test(t, products_of_networks_stand_beside_a_library);
    tcase_add_test(t, kernels_are_printed_as_ever);
    tcase_add_test(t, a_bundle_is_long_enough);
    tcase_add_test(t, a_devices_trouble_is_said);
    tcase_add_test(t, a_command_prints_as_ever);
    tcase_add_test(t, threads_are_those_of_the_tier);
    tcase_add_test(t, what_cannot_be_timed_is_said);
    tcase_add_test(t, a_command_without_memory_says_so);
    tcase_add_test(t, steps_are_printed_as_ever);
    tcase_add_test(t, a_step_is_one_of_training);
    tcase_add_test(t, threads_are_quiet_below_a_tenth_of_a_core);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
