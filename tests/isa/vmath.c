/* vmath.c - the functions of simd/vmath.h on arrays, once per instruction set and precision, for check_vmath.c. */
#include "simd/vmath.h"

void R(SWAX_PASTE(vmath_, SWAX_ISA))(int which, stat *y, const stat *x, int n);

/* y[i] = function `which` of x[i] */
void R(SWAX_PASTE(vmath_, SWAX_ISA))(int which, stat *y, const stat *x, int n)
{
    for (int i = 0; i < n; i += VL) {
        const vec v = load_n(x + i, n - i);
        const vec f = which == 0 ? vexp(v) : which == 1 ? vlog(v) : which == 2 ? vlog1p(v)
                    : which == 3 ? vsigmoid(v) : which == 4 ? vlogsigmoid(v) : which == 5 ? vtanh(v)
                    : vweight(-vabs(v));
        store_n(y + i, f, n - i);
    }
}
