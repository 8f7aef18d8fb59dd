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
 * R(name) keeps the builds apart for the linker.  <tgmath.h> lets exp(x) mean
 * expf(x) when x is a float, so formulas read as on paper and stay in one precision. */
#ifndef SWAX_REAL_H
#define SWAX_REAL_H

#ifdef __cplusplus
#include <math.h>
#else
#include <tgmath.h>
#undef I /* <complex.h>'s imaginary unit (C99 7.3.1 allows this); here a dimension */
#endif

#include "ref/bf16.h"

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
