/* real.h - the one place where precision is chosen.
 *
 * `real` is the element of tensors; `stat` that of gates, cell states, norm and
 * softmax statistics, losses, weights under the optimiser and their gradients.
 *
 *                        real      stat      suffix
 *     as is              float     float     _f32
 *     -DSWAX_F64         double    double    _f64
 *     -DSWAX_BF16        bf16      float     _bf16     (tiers only: ref/ computes in float or double)
 *
 * R(name) keeps the builds apart for the linker.  exp(x) means expf(x) when x is a
 * float, so formulas read as on paper and stay in one precision. */
#ifndef SWAX_REAL_H
#define SWAX_REAL_H

#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#error "swax writes its files in the machine's byte order and has only been made for little-endian machines"
#endif
#ifdef __FAST_MATH__
#error "swax needs infinities, NaN and the order of its sums: compile it without -ffast-math"
#endif

#include <math.h>
#include "ref/bf16.h"

/* What <tgmath.h> is for; but its macros may name I, as musl's do, and here I is a dimension.  An integer beside a
 * float counts as a double, as there.  _Generic is of C11: compilers for C99 have it too. */
#ifndef __cplusplus
#define SWAX_ONE(d, s, x) __extension__ _Generic((x), float: s, default: d)(x)
#define SWAX_TWO(d, s, x, y) __extension__ _Generic((x), float: _Generic((y), float: s, default: d), default: d)(x, y)
#define exp(x) SWAX_ONE(exp, expf, x)
#define log(x) SWAX_ONE(log, logf, x)
#define log1p(x) SWAX_ONE(log1p, log1pf, x)
#define log2(x) SWAX_ONE(log2, log2f, x)
#define sqrt(x) SWAX_ONE(sqrt, sqrtf, x)
#define fabs(x) SWAX_ONE(fabs, fabsf, x)
#define tanh(x) SWAX_ONE(tanh, tanhf, x)
#define cos(x) SWAX_ONE(cos, cosf, x)
#define sin(x) SWAX_ONE(sin, sinf, x)
#define floor(x) SWAX_ONE(floor, floorf, x)
#define ceil(x) SWAX_ONE(ceil, ceilf, x)
#define fmax(x, y) SWAX_TWO(fmax, fmaxf, x, y)
#define fmin(x, y) SWAX_TWO(fmin, fminf, x, y)
#define pow(x, y) SWAX_TWO(pow, powf, x, y)
#define fma(x, y, z) __extension__ _Generic((x) * (y) + (z), float: fmaf, default: fma)(x, y, z)
#undef I /* where somebody included <complex.h> */
#endif

#define SWAX_PASTE_(a, b) a##b
#define SWAX_PASTE(a, b) SWAX_PASTE_(a, b) /* paste after expanding */

#if defined SWAX_F64
#define real double
#define stat double
#define R(name) SWAX_PASTE(name, _f64)
#elif defined SWAX_BF16
#define real swax_bf16
#define stat float
#define R(name) SWAX_PASTE(name, _bf16)
#else
#define real float
#define stat float
#define R(name) SWAX_PASTE(name, _f32)
#endif

#endif
