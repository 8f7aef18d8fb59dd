/* scalar.h - three functions that several kernels share. */
#ifndef SWAX_SCALAR_H
#define SWAX_SCALAR_H

#include "ref/kernels.h"

static inline real dot(const real *a, const real *b, int n)
{
    real s = 0;
    for (int i = 0; i < n; i++)
        s += a[i] * b[i];
    return s;
}

/* 1/(1+exp(-x)), never overflowing; sigmoid(-x) is 1 - sigmoid(x) without cancellation. */
static inline real sigmoid(real x)
{
    const real e = exp(-fabs(x));
    return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

/* log(sigmoid(x)).  Taking the log of a rounded sigmoid instead is 17 % off at x = 15, where an open
 * forget gate lives (PAPER_NOTES, "Easy to get wrong"). */
static inline real log_sigmoid(real x)
{
    return (x < 0 ? x : 0) - log1p(exp(-fabs(x)));
}

#endif
