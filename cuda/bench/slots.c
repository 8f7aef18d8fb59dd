/* slots.c - the other slots, at the sizes of a network of width C and vocabulary V on N tokens. */
#include <stdio.h>
#include <stdlib.h>

#include "cuda/bench/bench.h"

enum { REALS = 5, STATS = 4 };

struct slots { real *r[REALS]; stat *s[STATS]; int *token; double *sum; int N, C, F, H, V, rows; };

#define SLOT(name, ...) static void run_##name(struct slots *a) { k->__VA_ARGS__; }
SLOT(embed_forward, embed_forward(a->r[0], a->token, a->r[1], a->N, a->V, a->C))
SLOT(embed_backward, embed_backward(a->s[0], a->r[0], a->token, a->N, a->V, a->C))
SLOT(square_forward, linear_forward(a->r[0], a->r[1], a->r[2], NULL, a->N, a->C, a->C))
SLOT(square_backward, linear_backward(a->r[0], a->s[0], NULL, a->r[1], a->r[2], a->r[3], a->N, a->C, a->C))
SLOT(up_forward, linear_forward(a->r[0], a->r[1], a->r[2], NULL, a->N, a->F, a->C))
SLOT(up_backward, linear_backward(a->r[0], a->s[0], NULL, a->r[1], a->r[2], a->r[3], a->N, a->F, a->C))
SLOT(gates_forward, readout_forward(a->s[0], a->r[1], a->r[2], a->s[1], a->N, a->H, a->C))
SLOT(gates_backward, readout_backward(a->r[0], a->s[0], a->s[1], a->s[2], a->r[2], a->r[3], a->N, a->H, a->C))
SLOT(head_forward, readout_forward(a->s[0], a->r[1], a->r[2], NULL, a->rows, a->V, a->C))
SLOT(head_backward, readout_backward(a->r[0], a->s[0], NULL, a->s[1], a->r[2], a->r[3], a->rows, a->V, a->C))
SLOT(rmsnorm_forward, rmsnorm_forward(a->r[0], a->s[0], a->r[1], a->s[1], a->N, a->C, 1e-6))
SLOT(rmsnorm_backward, rmsnorm_backward(a->r[0], a->s[0], a->r[1], a->r[2], a->s[1], a->s[2], a->N, a->C))
SLOT(headnorm_forward, headnorm_forward(a->r[0], a->s[0], a->s[1], a->r[1], a->s[2], a->N, a->H, a->C / a->H, 1, 1e-6))
SLOT(headnorm_backward,
     headnorm_backward(a->r[0], a->s[0], a->r[1], a->r[2], a->s[1], a->s[2], a->s[3], a->N, a->H, a->C / a->H, 1))
SLOT(rope_forward, rope_forward(a->r[0], a->r[1], NULL, 1, a->N, a->H, a->C / a->H, 0, 1e4))
SLOT(rope_backward, rope_backward(a->r[0], a->r[1], NULL, 1, a->N, a->H, a->C / a->H, 0, 1e4))
SLOT(gate_forward, gate_forward(a->r[0], a->r[1], a->r[2], a->N * a->C))
SLOT(gate_backward, gate_backward(a->r[0], a->r[1], a->r[2], a->r[3], a->r[4], a->N * a->C))
SLOT(swiglu_forward, swiglu_forward(a->r[0], a->r[1], a->r[2], a->N * a->F))
SLOT(swiglu_backward, swiglu_backward(a->r[0], a->r[1], a->r[2], a->r[3], a->r[4], a->N * a->F))
SLOT(add_forward, add_forward(a->r[0], a->r[1], a->r[2], a->N * a->C))
SLOT(add_backward, add_backward(a->r[0], a->r[1], a->r[2], a->N * a->C))
SLOT(xent_forward, xent_forward(a->s[0], a->s[1], a->s[2], a->token, a->rows, a->V, 30))
SLOT(xent_backward, xent_backward(a->s[0], a->s[1], a->s[2], a->token, a->s[1], a->rows, a->V, 30))
SLOT(sqsum, sqsum(a->sum, a->s[0], a->C * a->F))
SLOT(cast, cast(a->r[0], a->s[0], a->C * a->F))
SLOT(adamw, adamw(a->s[0], a->s[1], a->s[2], a->s[3], a->sum, a->C * a->F, 9, 1e-4, 0.9, 0.95, 1e-8, 0.1, 0))

struct timed { void (*run)(struct slots *); struct slots *a; };
static void run_timed(void *p) { struct timed *t = p; t->run(t->a); }

static void one_network(int N, int C, int F, int H, int V)
{
    struct slots a = { .N = N, .C = C, .F = F, .H = H, .V = V, .rows = N < (1 << 26) / V ? N : (1 << 26) / V };
    const double n = N, c = C, f = F, h = H, v = V, r = a.rows, nc = n * c, nf = n * f, rv = r * v, cf = c * f;
    /* bytes and operations */
    const struct { const char *name; void (*run)(struct slots *); double bytes, flops; } all[] = {
        {"embed_forward", run_embed_forward, 4*nc, 0}, {"embed_backward", run_embed_backward, 2*nc + 8*v*c, 0},
        {"linear_forward C C", run_square_forward, 4*nc + 2*c*c, 2*nc*c},
        {"linear_backward C C", run_square_backward, 8*nc + 10*c*c, 4*nc*c},
        {"linear_forward F C", run_up_forward, 2*(nc + nf + cf), 2*nc*f},
        {"linear_backward F C", run_up_backward, 2*nf + 6*nc + 10*cf, 4*nc*f},
        {"readout_forward H C", run_gates_forward, 2*nc + 4*n*h, 2*nc*h},
        {"readout_backward H C", run_gates_backward, 6*nc + 4*n*h, 4*nc*h},
        {"readout_forward V C", run_head_forward, 2*r*c + 4*rv + 2*v*c, 2*rv*c},
        {"readout_backward V C", run_head_backward, 6*r*c + 4*rv + 10*v*c, 4*rv*c},
        {"rmsnorm_forward", run_rmsnorm_forward, 4*nc + 4*n, 0},
        {"rmsnorm_backward", run_rmsnorm_backward, 8*nc + 4*n, 0},
        {"headnorm_forward", run_headnorm_forward, 4*nc + 8*n*h, 0},
        {"headnorm_backward", run_headnorm_backward, 8*nc + 8*n*h, 0},
        {"rope_forward", run_rope_forward, 4*nc, 0}, {"rope_backward", run_rope_backward, 6*nc, 0},
        {"gate_forward", run_gate_forward, 6*nc, 0}, {"gate_backward", run_gate_backward, 14*nc, 0},
        {"swiglu_forward", run_swiglu_forward, 6*nf, 0}, {"swiglu_backward", run_swiglu_backward, 14*nf, 0},
        {"add_forward", run_add_forward, 6*nc, 0}, {"add_backward", run_add_backward, 10*nc, 0},
        {"xent_forward", run_xent_forward, 4*rv, 0}, {"xent_backward", run_xent_backward, 12*rv, 0},
        {"sqsum", run_sqsum, 4*cf, 0}, {"cast", run_cast, 6*cf, 0}, {"adamw", run_adamw, 28*cf, 0},
    };
    const size_t wide = (size_t)(F > C ? F : C), real_size = (size_t)(N > V ? N : V) * wide;
    const size_t logits = (size_t)a.rows * (size_t)V, weights = wide * (size_t)(V > F ? V : F);
    const size_t small = (size_t)N * (size_t)H;
    size_t stat_size = logits > weights ? logits : weights;
    int *token = malloc((size_t)N * sizeof *token);
    stat_size = stat_size > small ? stat_size : small;
    printf("  N %d, C %d, F %d, H %d, V %d (%d rows of logits)\n", N, C, F, H, V, a.rows);
    for (int i = 0; i < REALS; i++)
        a.r[i] = normals(real_size);
    for (int i = 0; i < STATS; i++) {
        a.s[i] = stats(stat_size);
        for (size_t at = 0; at < stat_size; at += POOL)
            k->accumulate(a.s[i] + at, pool, (int)(stat_size - at < POOL ? stat_size - at : POOL));
    }
    a.token = take((size_t)N * sizeof *token);
    a.sum = take(sizeof *a.sum);
    mem->zero(a.sum, sizeof *a.sum);
    uint64_t s = 4;
    for (int i = 0; i < N && token; i++)
        token[i] = (int)(op_random(&s) % (uint64_t)V);
    mem->put(a.token, token, (size_t)N * sizeof *token);
    free(token);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct timed t = { all[i].run, &a };
        report(all[i].name, seconds(run_timed, &t), all[i].bytes, all[i].flops);
    }
    for (int i = 0; i < REALS; i++)
        mem->give(a.r[i]);
    for (int i = 0; i < STATS; i++)
        mem->give(a.s[i]);
    mem->give(a.token), mem->give(a.sum);
}

void bench_slots(void)
{
    one_network(65536, 128, 384, 4, 256);
    one_network(16384, 2048, 5504, 16, 32000);
}
