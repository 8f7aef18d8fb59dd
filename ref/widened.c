/* widened.c - kernels in bf16 for a host tier that has none of its own: the reference's text, compiled in float and
 * given tensors made wide.
 *
 * Every sum is the reference's, and every tensor is rounded once, which is what bf16 kernels are judged by.  These
 * kernels are slow, and they need memory for the float copies, which no other kernel of ours does.  Where there is
 * none, they fill their outputs with NaN, which nobody takes for an answer. */
#ifndef SWAX_BF16
#define SWAX_BF16
#endif
#include "ref/kernels.h"    /* the table, in bf16 */

#undef real
#define real float          /* and what follows, in float */
#include "ref/delta.c"
#include "ref/conv.c"
#include "ref/decay.c"

#include <stdlib.h>

/* The tensors of one call: float copies, and where to round them to. */
enum { TENSORS = 8 };
struct wide { float *copy[TENSORS]; swax_bf16 *to[TENSORS]; size_t size[TENSORS]; int n, whole; };

static float *take(struct wide *w, swax_bf16 *to, size_t size)
{
    float *p = malloc(size * sizeof *p);
    w->whole = w->whole && p;
    w->copy[w->n] = p;
    w->to[w->n] = to;
    w->size[w->n++] = size;
    return p;
}

static const float *input(struct wide *w, const swax_bf16 *x, long size)
{
    float *p = take(w, NULL, (size_t)size);
    for (long e = 0; e < size && p; e++)
        p[e] = bf16_to_float(x[e]);
    return p;
}

static float *output(struct wide *w, swax_bf16 *y, long size) { return take(w, y, (size_t)size); }

static float *gradient(struct wide *w, swax_bf16 *dx, long size)
{
    float *p = take(w, dx, (size_t)size);
    for (long e = 0; e < size && p; e++)
        p[e] = bf16_to_float(dx[e]);
    return p;
}

static void narrow(struct wide *w)
{
    for (int i = 0; i < w->n; i++) {
        for (size_t e = 0; e < w->size[i] && w->to[i]; e++)
            w->to[i][e] = bf16_from_float(w->whole ? w->copy[i][e] : (float)NAN);
        free(w->copy[i]);
    }
}

static void widened_delta_forward(swax_bf16 *y, stat *S1, stat *r, stat *Ss, const swax_bf16 *q, const swax_bf16 *k,
                                  const swax_bf16 *v, const stat *g, const stat *beta, const stat *S0, const int *start,
                                  int B, int T, int H, int G, int K, int V, int J, int L, int erase, double scale)
{
    struct wide w = { .whole = 1 };
    const long keys = (long)B*T*G*K, values = (long)B*T*H*V;
    float *yw = output(&w, y, values);
    const float *qw = input(&w, q, keys), *kw = input(&w, k, keys), *vw = input(&w, v, values);
    if (w.whole)
        delta_forward(yw, S1, r, Ss, qw, kw, vw, g, beta, S0, start, B, T, H, G, K, V, J, L, erase, scale);
    narrow(&w);
}

static void widened_delta_backward(swax_bf16 *dq, swax_bf16 *dk, swax_bf16 *dv, stat *dg, stat *dbeta, stat *dS0,
                                   stat *S, stat *D, const swax_bf16 *dy, const stat *dS1, const swax_bf16 *q,
                                   const swax_bf16 *k, const swax_bf16 *v, const stat *g, const stat *beta,
                                   const stat *S0, const int *start, const stat *S1, const stat *r, const stat *Ss,
                                   int B, int T, int H, int G, int K, int V, int J, int L, int erase, double scale)
{
    struct wide w = { .whole = 1 };
    const long keys = (long)B*T*G*K, values = (long)B*T*H*V;
    float *dqw = gradient(&w, dq, keys), *dkw = gradient(&w, dk, keys), *dvw = gradient(&w, dv, values);
    const float *dyw = input(&w, dy, values), *qw = input(&w, q, keys), *kw = input(&w, k, keys);
    const float *vw = input(&w, v, values);
    if (w.whole)
        delta_backward(dqw, dkw, dvw, dg, dbeta, dS0, S, D, dyw, dS1, qw, kw, vw, g, beta, S0, start, S1, r, Ss,
                       B, T, H, G, K, V, J, L, erase, scale);
    narrow(&w);
}

static void widened_conv_forward(swax_bf16 *y, const swax_bf16 *x, const stat *w, const stat *b, const int *start,
                                 int B, int T, int S, int C, int F)
{
    struct wide a = { .whole = 1 };
    float *yw = output(&a, y, (long)B*T*C);
    const float *xw = input(&a, x, (long)B*S*C);
    if (a.whole)
        conv_forward(yw, xw, w, b, start, B, T, S, C, F);
    narrow(&a);
}

static void widened_conv_backward(swax_bf16 *dx, stat *dw, stat *db, const swax_bf16 *dy,
                                  const swax_bf16 *x, const stat *w, const stat *b, const int *start,
                                  int B, int T, int S, int C, int F)
{
    struct wide a = { .whole = 1 };
    float *dxw = gradient(&a, dx, (long)B*S*C);
    const float *dyw = input(&a, dy, (long)B*T*C), *xw = input(&a, x, (long)B*S*C);
    if (a.whole)
        conv_backward(dxw, dw, db, dyw, xw, w, b, start, B, T, S, C, F);
    narrow(&a);
}

extern const struct R(swax_kernels) swax_widened;
const struct R(swax_kernels) swax_widened = {
    .delta_forward    = widened_delta_forward, .delta_backward    = widened_delta_backward,
    .conv_forward     = widened_conv_forward,  .conv_backward     = widened_conv_backward,
    .decay_forward    = decay_forward,         .decay_backward    = decay_backward,
    .strength_forward = strength_forward,      .strength_backward = strength_backward,
};
