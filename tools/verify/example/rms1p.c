/* rms1p.c - a kernel that swax does not know, for `swax verify own`: y = x / sqrt(mean(x^2) + eps) (1 + w).
 *
 *     cc -O2 -shared -fPIC tools/verify/example/rms1p.c -o plain.so -lm
 *     cc -O2 -shared -fPIC -DMINE tools/verify/example/rms1p.c -o mine.so -lm
 *     build/swax verify own reference=./plain.so candidate=./mine.so tensors=tools/verify/example/rms1p.json
 *
 * Both libraries come from this one text, since it is short.  MINE has a mistake, so that there is a verdict. */
#include <math.h>

#ifdef MINE
enum { ONE = 0 };      /* wrong on purpose: the weight is w, not 1 + w */
#else
enum { ONE = 1 };
#endif

/* Tensors, sizes and scalars come in the order of rms1p.json. */
#define RMS1P(name, real)                                                       \
    void name(void *const *tensor, const int *size, const double *scalar);      \
    void name(void *const *tensor, const int *size, const double *scalar)       \
    {                                                                           \
        real *y = tensor[0];                                                    \
        const real *x = tensor[1], *w = tensor[2];                              \
        const int N = size[0], C = size[1];                                     \
        for (int n = 0; n < N; n++, x += C, y += C) {                           \
            real sum = 0;                                                       \
            for (int c = 0; c < C; c++)                                         \
                sum += x[c] * x[c];                                             \
            const real r = (real)(1 / sqrt(sum / (real)C + scalar[0]));         \
            for (int c = 0; c < C; c++)                                         \
                y[c] = x[c] * r * (ONE + w[c]);                                 \
        }                                                                       \
    }

RMS1P(rms1p, float)
RMS1P(rms1p_f64, double)
