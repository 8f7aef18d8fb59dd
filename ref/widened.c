/* widened.c - the convolution in bf16 for more taps than a host tier keeps as vectors: the reference's text, compiled
 * in float and given tensors made wide.
 *
 * Every sum is the reference's, and every tensor is rounded once, which is what bf16 kernels are judged by.  It is
 * slow, and it needs memory for the float copies, which no other kernel of ours does.  Where there is none, it fills
 * its outputs with NaN, which nobody takes for an answer. */
#ifndef SWAX_BF16
#define SWAX_BF16
#endif
#include "ref/kernels.h"    /* the table, in bf16 */

#undef real
#define real float          /* and what follows, in float */
#include "ref/conv.c"

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
    .conv_forward = widened_conv_forward, .conv_backward = widened_conv_backward,
};
