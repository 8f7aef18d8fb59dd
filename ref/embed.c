/* embed.c - a token's row of the embedding table.
 *
 *   forward    y[n] = w[token[n]]
 *   backward   dw[token[n]] += dy[n]      (in the order of n: a token that comes twice is added twice) */
#include "ref/kernels.h"

static void embed_forward(real *y, const int *token, const real *w, int N, int V, int C)
{
    (void)V;
    for (int n = 0; n < N; n++, y += C)
        for (int c = 0; c < C; c++)
            y[c] = w[(long)token[n]*C + c];
}

static void embed_backward(stat *dw, const real *dy, const int *token, int N, int V, int C)
{
    (void)V;
    for (int n = 0; n < N; n++, dy += C)
        for (int c = 0; c < C; c++)
            dw[(long)token[n]*C + c] += dy[c];
}
