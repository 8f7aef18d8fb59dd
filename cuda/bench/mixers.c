/* mixers.c - attention and the cell at the sizes that other kernels were measured at. */
#include <stdio.h>
#include <stdlib.h>

#include "cuda/bench/bench.h"

static stat *gates(size_t n, float mean)
{
    stat *p = take(n * sizeof *p), *host = malloc(n * sizeof *host);
    uint64_t s = 2;
    for (size_t i = 0; i < n && host; i++)
        host[i] = mean + (float)op_normal(&s);
    mem->put(p, host, n * sizeof *p);
    free(host);
    return p;
}

/* ---- attention */

struct attention { real *q, *k, *v, *y, *dq, *dk, *dv, *dy; stat *lse; int B, H, T, D, W; };

static void run_attention_forward(void *p)
{
    struct attention *a = p;
    k->attention_forward(a->y, a->lse, a->q, a->k, a->v, NULL, NULL, a->B, a->T, a->T, a->H, a->H, a->D, a->W);
}

static void run_attention_backward(void *p)
{
    struct attention *a = p;
    k->attention_backward(a->dq, a->dk, a->dv, NULL, a->dy, a->q, a->k, a->v, NULL, NULL, a->y, a->lse,
                          a->B, a->T, a->T, a->H, a->H, a->D, a->W);
}

static struct attention some_attention(int B, int H, int T, int D, int W)
{
    struct attention a = { .B = B, .H = H, .T = T, .D = D, .W = W };
    const size_t rows = (size_t)B * (size_t)T * (size_t)H;
    real **all[] = { &a.q, &a.k, &a.v, &a.y, &a.dq, &a.dk, &a.dv, &a.dy };
    for (int i = 0; i < 8; i++)
        *all[i] = normals(rows * (size_t)D);
    a.lse = stats(rows);
    return a;
}

static void give_attention(struct attention *a)
{
    real *all[] = { a->q, a->k, a->v, a->y, a->dq, a->dk, a->dv, a->dy };
    for (int i = 0; i < 8; i++)
        mem->give(all[i]);
    mem->give(a->lse);
}

static void bench_attention(int B, int H, int T, int D, int W)
{
    struct attention a = some_attention(B, H, T, D, W);
    const size_t rows = (size_t)B * (size_t)T * (size_t)H, n = rows * (size_t)D;
    char name[80];
    const double w = W < T ? W : T, keys = w - w * (w - 1) / (2.0 * T), forward = 4 * keys * (double)n;
    snprintf(name, sizeof name, "attention (%d,%d,%d,%d) W %d forward", B, H, T, D, W);
    report(name, seconds(run_attention_forward, &a), 4.0 * (double)n * 2 + 4.0 * (double)rows, forward);
    snprintf(name, sizeof name, "attention (%d,%d,%d,%d) W %d backward", B, H, T, D, W);
    report(name, seconds(run_attention_backward, &a), 11.0 * (double)n * 2 + 4.0 * (double)rows, 2.5 * forward);
    give_attention(&a);
}

/* As tools/python/peer_kernels.py writes it of cuDNN */
static void time_attention(int B, int H, int T, int D, int W)
{
    struct attention a = some_attention(B, H, T, D, W);
    char name[80];
    snprintf(name, sizeof name, "attention (%d,%d,%d,%d) W %d", B, H, T, D, W);
    const double forward = seconds_of_each(run_attention_forward, &a),
        backward = seconds_of_each(run_attention_backward, &a);
    printf("  %-44s %9.3f ms forward %9.3f ms backward\n", name, 1e3 * forward, 1e3 * backward);
    give_attention(&a);
}

/* B, H, T, D, W */
static const int window_sizes[][5] = {
    { 4, 16, 16384, 128, 128 }, { 4, 16, 16384, 128, 512 }, { 4, 16, 16384, 128, 2048 }, { 16, 8, 2048, 64, 128 } };
#define DIMS(of) (of)[0], (of)[1], (of)[2], (of)[3], (of)[4]

/* ---- the cell */

struct cell {
    real *q, *k, *v, *h, *dq, *dk, *dv, *dh;
    stat *C1, *n1, *m1, *m, *qn, *Cs, *ns, *i, *f, *di, *df;
    int B, H, T, K, V, L;
};

static void run_mlstm_forward(void *p)
{
    struct cell *a = p;
    k->mlstm_forward(a->h, a->C1, a->n1, a->m1, a->m, a->qn, a->Cs, a->ns, a->q, a->k, a->v, a->i, a->f,
                     NULL, NULL, NULL, NULL, a->B, a->T, a->H, a->K, a->V, a->L, SWAX_EXPONENTIAL, 1e-6);
}

static void run_mlstm_backward(void *p)
{
    struct cell *a = p;
    k->mlstm_backward(a->dq, a->dk, a->dv, a->di, a->df, NULL, NULL, a->dh, NULL, NULL, a->q, a->k, a->v, a->i, a->f,
                      NULL, NULL, NULL, NULL, a->h, a->C1, a->n1, a->m1, a->m, a->qn, a->Cs, a->ns,
                      a->B, a->T, a->H, a->K, a->V, a->L, SWAX_EXPONENTIAL, 1e-6);
}

/* L says how many states the forward keeps; the operations are counted for chunks of 256 tokens, narrow states' of
 * 128. */
static void bench_mlstm(int B, int H, int T, int K, int V, int L)
{
    struct cell a = { .B = B, .H = H, .T = T, .K = K, .V = V, .L = L };
    const size_t heads = (size_t)B * (size_t)H, rows = heads * (size_t)T, nk = rows * (size_t)K, nv = rows * (size_t)V;
    const size_t KV = (size_t)K * (size_t)V, chunks = ((size_t)T - 1) / (size_t)L + 1;
    real **keys[] = { &a.q, &a.k, &a.dq, &a.dk }, **values[] = { &a.v, &a.h, &a.dv, &a.dh };
    stat **small[] = { &a.m, &a.qn, &a.di, &a.df };
    const double chunk = K > 64 ? 256 : 128;
    char name[80];
    for (int i = 0; i < 4; i++)
        *keys[i] = normals(nk), *values[i] = normals(nv), *small[i] = stats(rows);
    a.i = gates(rows, 0), a.f = gates(rows, 4);
    a.C1 = stats(heads * KV), a.n1 = stats(heads * (size_t)K), a.m1 = stats(heads);
    a.Cs = stats(heads * chunks * KV), a.ns = stats(heads * chunks * (size_t)K);
    const double tokens = (double)rows, forward = tokens * (chunk * (double)(K + V) + 4.0 * (double)KV);
    const double backward = tokens * (chunk * (3.0 * K + 2.0 * V) + 8.0 * (double)KV);
    snprintf(name, sizeof name, "mlstm (%d,%d,%d,%d,%d) L %d forward", B, H, T, K, V, L);
    report(name, seconds(run_mlstm_forward, &a), 2.0 * (double)(2*nk + 2*nv), forward);
    snprintf(name, sizeof name, "mlstm (%d,%d,%d,%d,%d) L %d backward", B, H, T, K, V, L);
    report(name, seconds(run_mlstm_backward, &a), 2.0 * (double)(6*nk + 5*nv), backward);
    for (int i = 0; i < 4; i++)
        mem->give(*keys[i]), mem->give(*values[i]), mem->give(*small[i]);
    mem->give(a.i), mem->give(a.f), mem->give(a.C1), mem->give(a.n1), mem->give(a.m1), mem->give(a.Cs), mem->give(a.ns);
}

void bench_mixers(void)
{
    for (int L = 64; L <= 256; L *= 2) {
        bench_mlstm(8, 8, 8192, 256, 512, L);
        bench_mlstm(4, 4, 16384, 256, 512, L);
        bench_mlstm(8, 16, 8192, 128, 256, L);
        bench_mlstm(16, 4, 2048, 64, 128, L);
    }
    for (size_t i = 0; i < sizeof window_sizes / sizeof *window_sizes; i++)
        bench_attention(DIMS(window_sizes[i]));
}

void bench_windows(void)
{
    for (size_t i = 0; i < sizeof window_sizes / sizeof *window_sizes; i++)
        time_attention(DIMS(window_sizes[i]));
}
