/* embed.c - see ref/embed.c for the mathematics. */
#include "simd/vec.h"

static void embed_forward(real *y, const int *token, const real *w, int N, int V, int C)
{
    (void)V;
    for (int n = 0; n < N; n++, y += C)
        memcpy(y, w + (long)token[n]*C, (size_t)C * sizeof *y);
}

static void embed_backward(stat *dw, const real *dy, const int *token, int N, int V, int C)
{
    (void)V;
    for (int n = 0; n < N; n++, dy += C) {
        stat *dwt = dw + (long)token[n]*C;
        for (int c = 0; c < C; c += VL)
            store_n(dwt + c, load_n(dwt + c, C - c) + rload_n(dy + c, C - c), C - c);
    }
}
