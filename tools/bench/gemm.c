/* gemm.c - the three products of training over the sizes that networks have, beside a BLAS.
 *
 * forward is y = x w^T; backward is dx += dy w and dw += dy^T x together.  The BLAS gets as many threads as its
 * own settings say (OPENBLAS_NUM_THREADS, OMP_NUM_THREADS, ...). */
#include "tools/bench/bench.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "ref/tier.h"
#include "tools/lib/clock.h"
#include "tools/lib/say.h"

/* The library's view of ref/kernels.h in float: linear_forward and linear_backward. */
#include "ref/kernels.h"

typedef void sgemm(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float *a, int lda,
                   const float *b, int ldb, float beta, float *c, int ldc);
enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };

struct product { int N, O, I; float *y, *x, *w, *dx, *dw; };

/* Threads that have nothing to do ask for work for 20 ms and more, on the cores of the other library's. */
static void let_threads_sleep(void)
{
    nanosleep(&(struct timespec){ 0, 50000000 }, NULL);
}

static double time_one(const struct bench *b, const struct swax_kernels_f32 *k, sgemm *peer, const struct product *p,
                       int backward)
{
    enum { MOST = 400 };
    const int N = p->N, O = p->O, I = p->I;
    double times[MOST], total = 0;
    int runs = 0;
    while (!bench_enough(runs, 5, MOST, total, b->seconds / 4)) {
        const double start = clock_seconds();
        if (!peer && !backward)
            k->linear_forward(p->y, p->x, p->w, NULL, N, O, I);
        else if (!peer)
            k->linear_backward(p->dx, p->dw, NULL, p->y, p->x, p->w, N, O, I);
        else if (!backward)
            peer(ROW_MAJOR, PLAIN, TRANSPOSED, N, O, I, 1, p->x, I, p->w, I, 0, p->y, O);
        else {
            peer(ROW_MAJOR, PLAIN, PLAIN, N, I, O, 1, p->y, O, p->w, I, 1, p->dx, I);
            peer(ROW_MAJOR, TRANSPOSED, PLAIN, O, I, N, 1, p->y, O, p->x, I, 1, p->dw, I);
        }
        total += times[runs++] = clock_seconds() - start;
    }
    return bench_median(times, runs);
}

struct total { double log_ratio, log_share, worst; int n; };

static void one(const struct bench *b, const struct swax_kernels_f32 *k, sgemm *peer, const struct product *p,
                struct total *sum)
{
    for (int backward = 0; backward < 2; backward++) {
        const double work = (backward ? 4.0 : 2.0) * p->N * p->O * p->I / 1e9;
        double theirs = 0;
        if (peer) {
            let_threads_sleep();
            theirs = time_one(b, k, peer, p, backward);
            let_threads_sleep();
        }
        const double ours = time_one(b, k, NULL, p, backward);
        const double share = bench_share(b, work / ours);
        const char *name = backward ? "linear_backward" : "linear_forward";
        sum->log_share += log(share);
        sum->log_ratio += peer ? log(theirs / ours) : 0;
        sum->worst = sum->n++ && sum->worst < share ? sum->worst : share;
        if (b->json)
            printf("{\"op\": \"%s\", \"tier\": \"%s\", \"precision\": \"fp32\", \"dims\": \"N=%d O=%d I=%d\", "
                   "\"threads\": %d, "
                   "\"ms\": %.5g, \"gflops\": %.5g, \"gbs\": 0, \"peak_fraction\": %.4g, \"peer_ms\": %.5g}\n", name,
                   b->tier->name, p->N, p->O, p->I, b->threads, ours * 1e3, work / ours, share, theirs * 1e3);
        else if (peer)
            printf("%-15s N=%-4d O=%-5d I=%-4d  %6.1f GFLOP/s, %5.1f %% of the peak; peer %6.1f, %.2f times as fast "
                   "as it\n",
                   name, p->N, p->O, p->I, work / ours, 100 * share, work / theirs, theirs / ours);
        else
            printf("%-15s N=%-4d O=%-5d I=%-4d  %6.1f GFLOP/s, %5.1f %% of the peak\n", name, p->N, p->O, p->I,
                   work / ours, 100 * share);
    }
}

/* The peer on as many threads as ours: libraries with threads of their own read how many when they are loaded. */
static const char *open_peer(const char *path, int threads, sgemm **peer, char *why)
{
    static const char *const counts[] = {"OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS", "MKL_NUM_THREADS"};
    char count[16];
    snprintf(count, sizeof count, "%d", threads);
    for (int i = 0; i < 3; i++)
        setenv(counts[i], count, 1);
    void *library = dlopen(path, RTLD_NOW);
    void *symbol = library ? dlsym(library, "cblas_sgemm") : NULL;
    if (!library)
        return say(why, "peer=%.100s cannot be loaded: %.120s.", path, dlerror());
    if (!symbol)
        return say(why, "peer=%.100s has no cblas_sgemm: name a BLAS with the C interface.", path);
    *(void **)peer = symbol;                           /* POSIX's way around ISO C's ban */
    return NULL;
}

const char *bench_gemm(const struct bench *b, const char *path, char *why)
{
    static const int widths[][2] = {
        {64, 64}, {128, 128}, {128, 512}, {256, 256}, {256, 1024}, {384, 1536}, {768, 768}, {768, 3072}, {3072, 768},
    };
    enum { MOST_ROWS = 4096, MOST = 3072 };
    struct swax_kernels_f32 k;
    struct total sum = {0};
    sgemm *peer = NULL;
    if (b->precision != SWAX_PREC_F32)
        return say(why, "gemm stands beside sgemm: precision is fp32.");
    if (b->tier->memory)
        return say(why, "gemm runs on the host: tier=%s is a device.", b->tier->name);
    if (path && open_peer(path, b->threads, &peer, why))
        return why;
    swax_tier_f32(b->tier, &k);
    const size_t large = (size_t)MOST_ROWS * MOST, w = (size_t)768 * MOST;
    float *memory = malloc((3 * large + 2 * w) * sizeof *memory);
    if (!memory)
        return say(why, "There is no memory for the operands.");
    if (b->tier->host)
        b->tier->host->large(memory, (3 * large + 2 * w) * sizeof *memory);    /* as networks do */
    for (size_t e = 0; e < 3 * large + 2 * w; e++)
        memory[e] = (float)((double)(e * 2654435761u % 1000) / 1000 - 0.5);
    for (size_t s = 0; s < sizeof widths / sizeof *widths; s++)
        for (int N = 256; N <= MOST_ROWS; N *= 4) {
            const struct product p = {
                .N = N, .O = widths[s][0], .I = widths[s][1], .y = memory, .x = memory + large, .w = memory + 3 * large,
                .dx = memory + 2 * large, .dw = memory + 3 * large + w
            };
            one(b, &k, peer, &p, &sum);
        }
    if (!b->json)
        printf("geometric mean: %.1f %% of the peak, at least %.1f %%", 100 * exp(sum.log_share / sum.n),
               100 * sum.worst);
    if (!b->json && peer)
        printf("; %.3f times as fast as %s", exp(sum.log_ratio / sum.n), path);
    if (!b->json)
        puts("");
    free(memory);
    return NULL;
}
