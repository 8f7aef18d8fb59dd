/* transpose.h - VL x VL elements transposed, in registers. */
#ifndef SWAX_TRANSPOSE_H
#define SWAX_TRANSPOSE_H

#include "simd/vec.h"

#ifdef SWAX_F64
#define SWAX_LANES_OF(bytes) ((bytes) / 8)
#else
#define SWAX_LANES_OF(bytes) ((bytes) / 4)
#endif

/* a0 b0 a1 b1 ... of the lower halves, and of the upper */
#if SWAX_LANES_OF(SWAX_VEC_BYTES) == 16
INLINE vec zip_low(vec a, vec b)
{
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
INLINE vec zip_high(vec a, vec b)
{
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
#elif SWAX_LANES_OF(SWAX_VEC_BYTES) == 8
INLINE vec zip_low(vec a, vec b)  { return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
INLINE vec zip_high(vec a, vec b) { return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
#elif SWAX_LANES_OF(SWAX_VEC_BYTES) == 4
INLINE vec zip_low(vec a, vec b)  { return __builtin_shufflevector(a, b, 0, 4, 1, 5); }
INLINE vec zip_high(vec a, vec b) { return __builtin_shufflevector(a, b, 2, 6, 3, 7); }
#else
INLINE vec zip_low(vec a, vec b)  { return __builtin_shufflevector(a, b, 0, 2); }
INLINE vec zip_high(vec a, vec b) { return __builtin_shufflevector(a, b, 1, 3); }
#endif

/* Zipping row i with row i + VL/2 moves the top bit of the row's number to the bottom of the lane's;
 * after log2(VL) times, rows are lanes. */
INLINE void transpose(vec r[VL])
{
    for (int round = 1; round < VL; round *= 2) {
        vec z[VL];
        for (int i = 0; i < VL / 2; i++) {
            z[2*i] = zip_low(r[i], r[i + VL/2]);
            z[2*i + 1] = zip_high(r[i], r[i + VL/2]);
        }
        for (int i = 0; i < VL; i++)
            r[i] = z[i];
    }
}

#endif
