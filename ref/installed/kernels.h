/* kernels.h - the tables of kernels, for programs: struct swax_kernels_f32, swax_kernels_f64 and swax_kernels_bf16.
 *
 * What every kernel computes and how it is called stands in ref/kernels.h beside this file: it is read here once a
 * precision, with `real` and `stat` for the elements of tensors and of statistics,
 *
 *     table                 real         stat
 *     swax_kernels_f32      float        float
 *     swax_kernels_f64      double       double
 *     swax_kernels_bf16     swax_bf16    float
 *
 * and none of its words is left behind: no macro real, stat or R, and an I of <complex.h> is what it was.  The tables
 * of the reference are swax_ref_f32 and swax_ref_f64; those of the other tiers are asked for through tier.h. */
#ifndef SWAX_INSTALLED_KERNELS_H
#define SWAX_INSTALLED_KERNELS_H

#include "bf16.h"

#pragma push_macro("I")
#pragma push_macro("R")
#pragma push_macro("real")
#pragma push_macro("stat")
#pragma push_macro("SWAX_BF16")
#undef I
#undef R
#undef real
#undef stat
#undef SWAX_BF16
#define SWAX_REAL_H      /* ref/kernels.h need not ask real.h for these words: they stand here */

#ifdef __cplusplus
extern "C" {
#endif

#define real float
#define stat float
#define R(name) name##_f32
#include "ref/kernels.h"
#undef SWAX_KERNELS_H
#undef R
#undef real
#undef stat

#define real double
#define stat double
#define R(name) name##_f64
#include "ref/kernels.h"
#undef SWAX_KERNELS_H
#undef R
#undef real
#undef stat

#define SWAX_BF16
#define real swax_bf16
#define stat float
#define R(name) name##_bf16
#include "ref/kernels.h"
#undef R
#undef real
#undef stat

#ifdef __cplusplus
}
#endif

#undef SWAX_REAL_H
#pragma pop_macro("SWAX_BF16")
#pragma pop_macro("stat")
#pragma pop_macro("real")
#pragma pop_macro("R")
#pragma pop_macro("I")

#endif
