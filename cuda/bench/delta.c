/* delta.c - the gated delta rule at the sizes that other kernels were measured at. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cuda/bench/bench.h"

enum { CHUNK = 64 };

struct delta {
    real *q, *k, *v, *y, *dq, *dk, *dv, *dy;
    stat *g, *beta, *S1, *r, *Ss, *dg, *dbeta, *S, *D;
    int B, T, H, G, K, V, J, L;
};

static void run_delta_forward(void *p)
{
    struct delta *a = p;
    k->delta_forward(a->y, a->S1, a->r, a->Ss, a->q, a->k, a->v, a->g, a->beta, NULL, NULL,
                     a->B, a->T, a->H, a->G, a->K, a->V, a->J, a->L, 1, 1 / sqrt((double)a->K));
}

static void run_delta_backward(void *p)
{
    struct delta *a = p;
    k->delta_backward(a->dq, a->dk, a->dv, a->dg, a->dbeta, NULL, a->S, a->D, a->dy, NULL, a->q, a->k, a->v, a->g,
                      a->beta, NULL, NULL,
                      a->S1, a->r, a->Ss, a->B, a->T, a->H, a->G, a->K, a->V, a->J, a->L, 1, 1 / sqrt((double)a->K));
}

/* n numbers f(normal), of a pattern that repeats */
static float *drawn(size_t n, float (*f)(float))
{
    enum { PERIOD = 1 << 20 };
    float *p = take(n * sizeof *p), *host = malloc(PERIOD * sizeof *host);
    uint64_t s = 5;
    for (int i = 0; i < PERIOD && host; i++)
        host[i] = f((float)op_normal(&s));
    for (size_t at = 0; at < n; at += PERIOD)
        mem->put(p + at, host, (n - at < PERIOD ? n - at : PERIOD) * sizeof *p);
    must();
    free(host);
    return p;
}

static float gate(float x) { return -0.1f * logf(1 + expf(x)); }
static float strength(float x) { return 1 / (1 + expf(-x)); }
static float element(float x) { return x / 11.3f; }      /* keys of 128 elements have a length of about 1 */

static real *keys(size_t n)
{
    float *from = drawn(n, element);
    real *to = take(n * sizeof *to);
    for (size_t at = 0; at < n; at += POOL)
        k->cast(to + at, from + at, (int)(n - at < POOL ? n - at : POOL));
    must();
    mem->give(from);
    return to;
}

/* backward = 0: no states are kept */
static void bench_one(int B, int T, int H, int G, int K, int V, int J, int L, int backward)
{
    struct delta a = { .B = B, .T = T, .H = H, .G = G, .K = K, .V = V, .J = J, .L = L };
    const size_t heads = (size_t)B * (size_t)H, rows = heads * (size_t)T,
        of_keys = (size_t)B * (size_t)T * (size_t)G * (size_t)K;
    const size_t values = rows * (size_t)V, KV = (size_t)K * (size_t)V,
        kept = heads * (((size_t)T - 1) / (size_t)L + 1) * KV;
    char name[96];
    a.q = keys(of_keys), a.k = keys(of_keys), a.v = normals(values), a.y = normals(values);
    a.g = drawn(rows * (size_t)J, gate), a.beta = drawn(rows, strength);
    a.S1 = stats(heads * KV), a.r = stats(values), a.Ss = backward ? stats(kept) : NULL;
    const double n = (double)rows, gates = 4.0 * (double)(rows * (size_t)J) + 4 * n,
        pairs = CHUNK * (2.0 * (K + V) + K) + CHUNK * CHUNK / 3.0;
    const double saved = 4.0 * (double)values + (backward ? 4.0 * (double)kept : 0);
    snprintf(name, sizeof name, "%s (%d,%d,%d/%d,%d,%d) L %d forward", J == 1 ? "gdn" : "kda", B, T, H, G, K, V, L);
    report(name, seconds(run_delta_forward, &a), 2.0 * (double)(2 * of_keys + 2 * values) + gates + saved,
           n * (6.0 * (double)KV + pairs));
    if (backward) {
        a.dq = normals(of_keys), a.dk = normals(of_keys), a.dv = normals(values), a.dy = normals(values);
        a.dg = stats(rows * (size_t)J), a.dbeta = stats(rows), a.S = stats(heads * KV), a.D = stats(heads * KV);
        snprintf(name, sizeof name, "%s (%d,%d,%d/%d,%d,%d) L %d backward", J == 1 ? "gdn" : "kda", B, T, H, G, K, V,
                 L);
        report(name, seconds(run_delta_backward, &a), 2.0 * (double)(6 * of_keys + 3 * values) + 3 * gates + saved,
               n * (12.0 * (double)KV + CHUNK * (6.0 * K + 4.0 * V)));
        mem->give(a.dq), mem->give(a.dk), mem->give(a.dv), mem->give(a.dy);
        mem->give(a.dg), mem->give(a.dbeta), mem->give(a.S), mem->give(a.D), mem->give(a.Ss);
    }
    mem->give(a.q), mem->give(a.k), mem->give(a.v), mem->give(a.y);
    mem->give(a.g), mem->give(a.beta), mem->give(a.S1), mem->give(a.r);
}

void bench_delta(void)
{
    for (int L = 64; L <= 256; L *= 2)
        bench_one(1, 8192, 96, 96, 128, 128, 1, L, 1);
    for (int L = 64; L <= 256; L *= 2)
        bench_one(8, 8192, 8, 8, 128, 256, 1, L, 1);
    bench_one(16, 2048, 4, 4, 64, 128, 1, 64, 1);
    bench_one(4, 8192, 4, 4, 256, 512, 1, 64, 1);
    for (int L = 64; L <= 256; L *= 2)
        bench_one(1, 8192, 64, 64, 128, 128, 128, L, 1);
    bench_one(1, 65536, 8, 2, 128, 128, 1, 64, 0);
    bench_one(1, 8192, 96, 96, 128, 128, 1, 64, 0);
}
