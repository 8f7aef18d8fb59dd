/* bench.c - how long the CUDA tier takes in bf16, and the least it could.
 *
 *     cuda_bench [windows] [mixers] [delta] [slots] [tiny] [large]      (all six)
 *
 * windows takes the times of attention as tools/python/peer_kernels.py takes those of other kernels: by the card's
 * clock, of 20 calls, which end before the card's power limits them, and before anything else, since a card that has
 * just made large products runs on slower (0.77 ms instead of 0.63 at window 512).
 *
 * The floor of a kernel is the larger of its bytes, each array moved once, over the bandwidth that a large
 * addition reaches here, and its operations over the rate that a large matrix product reaches here; both are
 * measured first.  Times are medians. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cuda/bench/bench.h"
#include "ref/network/network.h"

extern const struct swax_tier swax_cuda_tier;

enum { ROUNDS = 7 };
static const double PATIENCE = 3;       /* seconds for one number, where one run does not take longer */

const struct swax_kernels_bf16 *k;
const struct swax_memory *mem;
float *pool;
static double bandwidth, rate;          /* bytes/s, operations/s */

void die(const char *what)
{
    fprintf(stderr, "cuda_bench: %s\n", what);
    exit(1);
}

void must(void)
{
    const char *wrong = mem->trouble();   /* waits for the kernels */
    if (wrong)
        die(wrong);
}

void *take(size_t bytes)
{
    void *p = mem->take(bytes);
    if (!p)
        must();
    return p;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int smaller(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double median(double *t, int n)
{
    qsort(t, (size_t)n, sizeof *t, smaller);
    return t[n / 2];
}

double seconds(void (*f)(void *), void *arg)
{
    double t[ROUNDS];
    f(arg);
    must();
    const double start = now();
    f(arg);
    must();
    const double once = now() - start;
    const int repeat = 1 + (int)(0.02 / once);
    int rounds = 0;
    while (rounds < ROUNDS && (rounds == 0 || now() - start < PATIENCE)) {
        const double begin = now();
        for (int r = 0; r < repeat; r++)
            f(arg);
        must();
        t[rounds++] = (now() - begin) / repeat;
    }
    return median(t, rounds);
}

static void fill_pool(void)
{
    float *host = malloc(POOL * sizeof *host);
    uint64_t s = 1;
    for (long i = 0; i < POOL && host; i++)
        host[i] = (float)op_normal(&s);
    pool = take(POOL * sizeof *pool);
    mem->put(pool, host, POOL * sizeof *pool);
    free(host);
}

/* Each array begins elsewhere in the pool. */
real *normals(size_t n)
{
    static size_t arrays;
    const size_t first = 4096 * (++arrays % 512), each = POOL - first;
    real *p = take(n * sizeof *p);
    for (size_t at = 0; at < n; at += each)
        k->cast(p + at, pool + first, (int)(n - at < each ? n - at : each));
    return p;
}

stat *stats(size_t n)
{
    stat *p = take(n * sizeof *p);
    mem->zero(p, n * sizeof *p);
    return p;
}

void report(const char *name, double s, double bytes, double flops)
{
    const double floor = bytes / bandwidth > flops / rate ? bytes / bandwidth : flops / rate;
    printf("  %-44s %9.3f ms   floor %8.3f (%s)   %5.1f times\n", name, s * 1e3, floor * 1e3,
           bytes / bandwidth > flops / rate ? "bytes" : "flops", s / floor);
}

/* ---- the two rates */

struct three { real *y, *a, *b; int n; };

static void run_addition(void *p) { struct three *a = p; k->add_forward(a->y, a->a, a->b, a->n); }
static void run_product(void *p) { struct three *a = p; k->linear_forward(a->y, a->a, a->b, NULL, a->n, a->n, a->n); }

static void measure_rates(void)
{
    struct three a = { NULL, NULL, NULL, 1 << 28 }, m = { NULL, NULL, NULL, 8192 };
    a.y = normals((size_t)a.n), a.a = normals((size_t)a.n), a.b = normals((size_t)a.n);
    bandwidth = 3.0 * a.n * sizeof(real) / seconds(run_addition, &a);
    m.y = a.y, m.a = a.a, m.b = a.b;
    rate = 2.0 * m.n * m.n * m.n / seconds(run_product, &m);
    printf("bandwidth %.2f TB/s (an addition of 2^28 elements), matrix products %.0f TFLOP/s (8192^3, bf16)\n",
           bandwidth / 1e12, rate / 1e12);
    mem->give(a.y), mem->give(a.a), mem->give(a.b);
}

/* ---- the whole training step */

struct step { struct swax_network *n; struct swax_batch b; double loss, norm; int count; };

static void run_step(void *p)
{
    struct step *s = p;
    const struct swax_adamw o = { 1e-4, 0.9, 0.95, 1e-8, 0.1, 1 };
    swax_network_zero_gradient(s->n);
    s->loss = swax_network_gradient(s->n, &s->b, 1.0 / ((double)s->b.B * s->b.T));
    s->norm = swax_network_gradient_norm(s->n);
    swax_network_adamw(s->n, &o, ++s->count);
}

/* Weights as at initialisation, but from the pool: a normal a parameter takes minutes on one core. */
static void draw_weights(struct swax_network *n)
{
    int count;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    float *host = NULL;
    for (int i = 0; i < count; i++) {
        uint64_t s = (uint64_t)i;
        host = realloc(host, (size_t)t[i].size * sizeof *host);
        for (long e = 0; e < t[i].size && host; e++)
            host[e] =
                (float)(t[i].init_first + (t[i].init_std > 0 ? t[i].init_std * 3.4641 * (op_uniform(&s) - 0.5) : 0));
        swax_network_put(n, SWAX_WEIGHT, i, host);
    }
    free(host);
}

static void bench_step(const char *name, enum swax_precision p, const char *const *settings, int B, int T, int window)
{
    struct swax_config c = swax_config_default();
    char why[SWAX_WHY];
    for (; *settings; settings += 2)
        if (swax_config_set(&c, settings[0], settings[1], why))
            die(why);
    struct step s = { .b = { .B = B, .T = T, .window = window } };
    s.n = swax_network_new(&c, &swax_cuda_tier, p, B, T, 1, why);
    if (!s.n) {
        printf("  %s: %s\n", name, why);
        mem->trouble();
        return;
    }
    const long N = (long)B * T;
    int *token = malloc((size_t)(N + 1) * sizeof *token);
    uint64_t r = 3;
    for (long i = 0; i <= N; i++)
        token[i] = (int)(op_random(&r) % (uint64_t)swax_network_config(s.n)->vocabulary);
    s.b.token = token, s.b.target = token + 1;
    draw_weights(s.n);
    const double t = seconds(run_step, &s), flops = swax_network_flops(&c, T, window, 1) * (double)N;
    printf("  %s, %s: %.1f M parameters, B %d x T %d, W %d: %.2f ms a step, %.3f M tokens/s, %.1f GB; %.3g model "
           "operations, %.1f %% of the product rate; loss %.4f, norm %.3g\n", name, swax_precision_name[p],
           (double)swax_network_parameters(s.n) / 1e6, B, T, window, t * 1e3, (double)N / t / 1e6,
           (double)swax_network_bytes(s.n) / 1e9, flops, 100 * flops / t / rate, s.loss, s.norm);
    swax_network_free(s.n);
    free(token);
}

static const char *const tiny[] = { "width", "128", "heads", "4", "cell_heads", "4",
                                    "mixers", "swa mlstm swa mlstm", NULL };
static const char *const large[] = {
    "width", "2048", "heads", "16", "cell_heads", "4", "vocabulary", "32000", "chunk", "256", "mixers",
    "swa mlstm swa mlstm swa mlstm swa mlstm swa mlstm swa mlstm "
    "swa mlstm swa mlstm swa mlstm swa mlstm swa mlstm swa mlstm", NULL
};

static const char *const large_gdn[] = {
    "width", "2048", "heads", "16", "gdn_heads", "16", "gdn_key_dim", "128", "vocabulary", "32000", "mixers",
    "swa gdn swa gdn swa gdn swa gdn swa gdn swa gdn swa gdn swa gdn swa gdn swa gdn swa gdn swa gdn", NULL
};

static void refuse_others(int argc, char **argv)
{
    static const char *const known[] = { "windows", "mixers", "delta", "slots", "tiny", "large" };
    for (int i = 1; i < argc; i++) {
        size_t n = 0;
        while (n < sizeof known / sizeof *known && strcmp(argv[i], known[n]))
            n++;
        if (n == sizeof known / sizeof *known) {
            fprintf(stderr, "cuda_bench: %s is not one of windows, mixers, delta, slots, tiny, large\n", argv[i]);
            exit(2);
        }
    }
}

static int asked(int argc, char **argv, const char *what)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], what))
            return 1;
    return argc == 1;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    refuse_others(argc, argv);
    k = swax_cuda_tier.bf16;
    mem = swax_cuda_tier.memory;
    if (!swax_cuda_tier.usable())
        die("no CUDA device of compute capability 8.0 or later");
    fill_pool();
    if (asked(argc, argv, "windows"))       /* before large products, which leave the card at another clock */
        bench_windows();
    if (argc == 2 && !strcmp(argv[1], "windows"))
        return 0;
    measure_rates();
    if (asked(argc, argv, "mixers"))
        bench_mixers();
    if (asked(argc, argv, "delta"))
        bench_delta();
    if (asked(argc, argv, "slots"))
        bench_slots();
    if (asked(argc, argv, "tiny")) {
        bench_step("tiny", SWAX_PREC_BF16, tiny, 64, 1024, 64);
        bench_step("tiny", SWAX_PREC_F32, tiny, 64, 1024, 64);
    }
    if (asked(argc, argv, "large")) {
        bench_step("large", SWAX_PREC_BF16, large, 1, 16384, 128);
        bench_step("large", SWAX_PREC_BF16, large, 1, 16384, 2048);
        bench_step("large with gdn", SWAX_PREC_BF16, large_gdn, 1, 16384, 128);
    }
    must();
    return 0;
}
