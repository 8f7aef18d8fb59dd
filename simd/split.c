/* split.c - passes over tokens that do not depend on each other, by all the threads there are.
 *
 * Where sequences run side by side everybody is busy, and a pass is just done.  One long sequence has the machine to
 * itself: its products use all threads (linear.c), its mixers one per head; this is for the rest.  What tokens give to
 * the norms' weights is added up column by column, one token after the other, whoever does it.
 *
 * SPLIT: `pass` says what to do with the n rows from `at` on.  (An OpenMP loop that an if clause keeps from splitting
 * is not free: narrow networks notice.) */
#include "simd/host/host.h"
#include "simd/vec.h"
#include "simd/gemm.h"
#include "simd/rmsnorm.c"
#include "simd/headnorm.c"
#include "simd/rope.c"
#include "simd/elementwise.c"
#include "simd/xent.c"

enum { WORTH_WAKING = 1 << 16 };    /* elements */

INLINE int worth_waking(long elements) { return elements > WORTH_WAKING && swax_host.workers() > 1; }

#define SPLIT(rows, elements, pass) do {                                                            \
        const long all_ = (rows);                                                                   \
        const int parts_ = worth_waking(all_ * (elements)) ? swax_host.workers() : 1;              \
        if (parts_ == 1) {                                                                         \
            const long at = 0;                                                                      \
            const int n = (int)all_;                                                                \
            pass;                                                                                   \
        } else {                                                                                    \
            _Pragma("omp parallel for num_threads(parts_)")                                        \
            for (int i_ = 0; i_ < parts_; i_++) {                                                  \
                const long at = all_ * i_ / parts_;                                                \
                const int n = (int)(all_ * (i_ + 1) / parts_ - at);                                \
                pass;                                                                               \
            }                                                                                       \
        }                                                                                           \
    } while (0)

static void split_rmsnorm_forward(real *y, stat *rstd, const real *x, const stat *w, int N, int C, double eps)
{
    SPLIT(N, C, rmsnorm_forward(y + at*C, rstd + at, x + at*C, w, n, C, eps));
}
static void split_headnorm_forward(real *y, stat *mean, stat *rstd, const real *x, const stat *w,
                                   int N, int H, int D, int center, double eps)
{
    const long HD = (long)H*D;
    SPLIT(N, HD, headnorm_forward(y + at*HD, mean + at*H, rstd + at*H, x + at*HD, w, n, H, D, center, eps));
}

static void split_rmsnorm_backward(real *dx, stat *dw, const real *dy, const real *x, const stat *w, const stat *rstd,
                                   int N, int C)
{
    if (!worth_waking((long)N*C)) {
        rmsnorm_backward(dx, dw, dy, x, w, rstd, N, C);
        return;
    }
    SPLIT(N, C, rmsnorm_backward(dx + at*C, NULL, dy + at*C, x + at*C, w, rstd + at, n, C));
    SPLIT((C - 1)/VL + 1, (long)N*VL,
          rmsnorm_backward_weights(dw, dy, x, rstd, N, C, (int)at*VL, least(n*VL, C - (int)at*VL)));
}
static void split_headnorm_backward(real *dx, stat *dw, const real *dy, const real *x, const stat *w,
                                    const stat *mean, const stat *rstd, int N, int H, int D, int center)
{
    const long HD = (long)H*D;
    if (!worth_waking(N*HD)) {
        headnorm_backward(dx, dw, dy, x, w, mean, rstd, N, H, D, center);
        return;
    }
    SPLIT(N, HD, headnorm_backward(dx + at*HD, NULL, dy + at*HD, x + at*HD, w, mean + at*H, rstd + at*H, n, H, D,
                                   center));
    SPLIT(H, (long)N*D, headnorm_backward_weights(dw, dy, x, mean, rstd, N, H, D, (int)at, n));
}

/* Positions go with tokens: of one sequence only. */
static void split_rope_forward(real *y, const real *x, const int *start, int B, int T, int H, int D, int P,
                               double theta)
{
    const long HD = (long)H*D;
    if (B > 1)
        rope_forward(y, x, start, B, T, H, D, P, theta);
    else
        SPLIT(T, HD, rope_forward(y + at*HD, x + at*HD, start ? start + at : NULL, 1, n, H, D, P + (int)at, theta));
}
static void split_rope_backward(real *dx, const real *dy, const int *start, int B, int T, int H, int D, int P,
                                double theta)
{
    const long HD = (long)H*D;
    if (B > 1)
        rope_backward(dx, dy, start, B, T, H, D, P, theta);
    else
        SPLIT(T, HD, rope_backward(dx + at*HD, dy + at*HD, start ? start + at : NULL, 1, n, H, D, P + (int)at, theta));
}

static void split_softcap_forward(stat *y, const stat *x, int N, double cap)
{
    SPLIT(N, 1, softcap_forward(y + at, x + at, n, cap));
}
static void split_softcap_backward(stat *dx, const stat *dy, const stat *y, int N, double cap)
{
    SPLIT(N, 1, softcap_backward(dx + at, dy + at, y + at, n, cap));
}

static void split_gate_forward(real *y, const real *g, const real *x, int N)
{
    SPLIT(N, 1, gate_forward(y + at, g + at, x + at, n));
}
static void split_gate_backward(real *dg, real *dx, const real *dy, const real *g, const real *x, int N)
{
    SPLIT(N, 1, gate_backward(dg + at, dx + at, dy + at, g + at, x + at, n));
}

static void split_swiglu_forward(real *y, const real *a, const real *b, int N)
{
    SPLIT(N, 1, swiglu_forward(y + at, a + at, b + at, n));
}
static void split_swiglu_backward(real *da, real *db, const real *dy, const real *a, const real *b, int N)
{
    SPLIT(N, 1, swiglu_backward(da + at, db + at, dy + at, a + at, b + at, n));
}

static void split_add_forward(real *y, const real *a, const real *b, int N)
{
    SPLIT(N, 1, add_forward(y + at, a + at, b + at, n));
}
static void split_add_backward(real *da, real *db, const real *dy, int N)
{
    SPLIT(N, 1, add_backward(da + at, db + at, dy + at, n));
}

static void split_skip_forward(real *y, const real *a, const real *b, const stat *w, int N, int H, int D)
{
    const long HD = (long)H*D;
    SPLIT(N, HD, skip_forward(y + at*HD, a + at*HD, b + at*HD, w, n, H, D));
}
static void split_skip_backward(real *da, real *db, stat *dw, const real *dy, const real *b, const stat *w, int N,
                                int H, int D)
{
    const long HD = (long)H*D;
    SPLIT(N, HD, skip_backward(da + at*HD, db + at*HD, dy + at*HD, w, n, H, D));
    SPLIT(H, (long)N*D, skip_backward_weights(dw, dy, b, N, H, D, (int)at, n));
}

static void split_xent_forward(stat *loss, stat *lse, const stat *x, const int *target, int N, int V, double cap)
{
    SPLIT(N, V, xent_forward(loss + at, lse + at, x + at*V, target + at, n, V, cap));
}
static void split_xent_backward(stat *dx, const stat *dloss, const stat *x, const int *target, const stat *lse,
                                int N, int V, double cap)
{
    SPLIT(N, V, xent_backward(dx + at*V, dloss + at, x + at*V, target + at, lse + at, n, V, cap));
}
