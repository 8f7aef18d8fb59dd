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
#include "ref/oracle/oracle.h"
#include "tools/lib/clock.h"
#include "tools/lib/json.h"
#include "tools/lib/say.h"

/* The library's view of ref/kernels.h in float: linear_forward and linear_backward. */
#include "ref/kernels.h"

enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };

struct operands { float *y, *x, *w, *dx, *dw; };

/* Threads that have nothing to do ask for work for 20 ms and more, some for ever, on the cores of the other library's.
 * Wait until this process takes less than a tenth of a core.  NULL, or a sentence. */
static const char *let_threads_sleep(const char *name, char *why)
{
    enum { MOST = 40 };
    static const double nap = 0.05;
    double busy = 0;
    for (int i = 0; i < MOST; i++) {
        const double began = clock_seconds(), before = clock_processor();
        nanosleep(&(struct timespec){ 0, (long)(nap * 1e9) }, NULL);
        const double took = clock_seconds() - began;
        busy = (clock_processor() - before) / took;
        if (busy < 0.1 && took < 2 * nap)                  /* longer, and others may have kept ours from running */
            return NULL;
    }
    if (busy < 0.1)
        return NULL;
    return say(why, "Idle threads keep %.1f cores busy %.0f s after a product beside peer=%.100s, so that no time "
                    "would be that of the product: let them sleep, with OMP_WAIT_POLICY=passive or what the library "
                    "has for it.", busy, MOST * nap, name);
}

static double time_one(const struct bench *b, const struct swax_kernels_f32 *k, bench_sgemm *peer,
                       const struct bench_product *size, const struct operands *p, int backward)
{
    enum { MOST = 400 };
    const int N = size->N, O = size->O, I = size->I;
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

static const char *one(const struct bench *b, const struct swax_kernels_f32 *k, bench_sgemm *peer, const char *peers,
                       const struct bench_product *size, const struct operands *p, struct total *sum, char *why)
{
    for (int backward = 0; backward < 2; backward++) {
        const double work = (backward ? 4.0 : 2.0) * size->N * size->O * size->I / 1e9;
        double theirs = 0;
        if (peer) {
            if (let_threads_sleep(peers, why))
                return why;
            theirs = time_one(b, k, peer, size, p, backward);
            if (let_threads_sleep(peers, why))
                return why;
        }
        const double ours = time_one(b, k, NULL, size, p, backward);
        const double share = bench_share(b, work / ours);
        const char *name = backward ? "linear_backward" : "linear_forward";
        sum->log_share += log(share);
        sum->log_ratio += peer ? log(theirs / ours) : 0;
        sum->worst = sum->n++ && sum->worst < share ? sum->worst : share;
        if (b->json) {
            printf("{\"op\": \"%s\", \"tier\": \"%s\", \"precision\": \"fp32\", \"dims\": \"N=%d O=%d I=%d\", "
                   "\"threads\": %d, \"ms\": %.5g, \"gflops\": %.5g, \"peak_fraction\": %.4g, \"peer_ms\": ", name,
                   b->tier->name, size->N, size->O, size->I, b->threads, ours * 1e3, work / ours, share);
            json_write_number(stdout, peer ? theirs * 1e3 : (double)NAN);
            puts("}");
        } else if (peer)
            printf("%-15s N=%-4d O=%-5d I=%-4d  %6.1f GFLOP/s, %5.1f %% of the peak; peer %6.1f, %.2f times as fast "
                   "as it\n",
                   name, size->N, size->O, size->I, work / ours, 100 * share, work / theirs, theirs / ours);
        else
            printf("%-15s N=%-4d O=%-5d I=%-4d  %6.1f GFLOP/s, %5.1f %% of the peak\n", name, size->N, size->O, size->I,
                   work / ours, 100 * share);
    }
    return NULL;
}

/* The peer on as many threads as ours: libraries with threads of their own read how many when they are loaded. */
static const char *open_peer(const char *path, int threads, bench_sgemm **peer, char *why)
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

static size_t larger(size_t a, int b, int c)
{
    return a > (size_t)b * (size_t)c ? a : (size_t)b * (size_t)c;
}

/* n numbers from -0.5 to 0.5, in large pages, as a network's. */
static float *operand(const struct swax_tier *tier, size_t n)
{
    float *x = op_take(n, sizeof *x);
    if (tier->host)
        tier->host->large(x, n * sizeof *x);
    while (n--)
        x[n] = (float)((double)(n * 2654435761u % 1000) / 1000 - 0.5);
    return x;
}

const char *bench_products(const struct bench *b, const struct bench_product *of, int n, bench_sgemm *peer,
                           const char *name, char *why)
{
    struct swax_kernels_f32 k;
    struct total sum = {0};
    size_t x = 0, y = 0, w = 0;
    for (int i = 0; i < n; i++) {
        x = larger(x, of[i].N, of[i].I);
        y = larger(y, of[i].N, of[i].O);
        w = larger(w, of[i].O, of[i].I);
    }
    swax_tier_f32(b->tier, &k);
    const struct operands p = {.y = operand(b->tier, y), .x = operand(b->tier, x), .w = operand(b->tier, w),
                               .dx = operand(b->tier, x), .dw = operand(b->tier, w)};
    const char *wrong = NULL;
    for (int i = 0; i < n && !wrong; i++)
        wrong = one(b, &k, peer, name, &of[i], &p, &sum, why);
    free(p.y), free(p.x), free(p.w), free(p.dx), free(p.dw);
    if (wrong)
        return wrong;
    if (!b->json)
        printf("geometric mean: %.1f %% of the peak, at least %.1f %%", 100 * exp(sum.log_share / sum.n),
               100 * sum.worst);
    if (!b->json && peer)
        printf("; %.3f times as fast as %s", exp(sum.log_ratio / sum.n), name);
    if (!b->json)
        puts("");
    return NULL;
}

const struct bench_product *bench_gemm_sizes(int *n)
{
    enum { WIDTHS = 9, ROWS = 3 };
    static const int widths[WIDTHS][2] = {{64, 64},   {128, 128},  {128, 512}, {256, 256}, {256, 1024},
                                          {384, 1536}, {768, 768}, {768, 3072}, {3072, 768}},
                     rows[ROWS] = {256, 1024, 4096};
    static struct bench_product of[WIDTHS * ROWS];
    for (int i = 0; i < WIDTHS * ROWS; i++)
        of[i] = (struct bench_product){.N = rows[i % ROWS], .O = widths[i / ROWS][0], .I = widths[i / ROWS][1]};
    *n = WIDTHS * ROWS;
    return of;
}

const char *bench_gemm(const struct bench *b, const char *path, char *why)
{
    bench_sgemm *peer = NULL;
    int n;
    if (path && open_peer(path, b->threads, &peer, why))
        return why;
    const struct bench_product *of = bench_gemm_sizes(&n);
    return bench_products(b, of, n, peer, path, why);
}
