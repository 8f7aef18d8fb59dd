/* decay.c - see ref/decay.c for the mathematics. */
#include "simd/vmath.h"

/* Gates of one row that share their heads' order with `rate`: J of one head, or, J = 1, one each of many heads */
INLINE vec decay_of(vec x, vec rate, stat low)
{
    return low < 0 ? low * vsigmoid(rate * x) : rate * vlogsigmoid(-x);
}

static void decay_forward(stat *g, const stat *a, const stat *lrate, const stat *bias, int N, int H, int J, double low)
{
    const int heads = J == 1 ? 1 : H, n = J == 1 ? H : J;
    for (long row = 0; row < (long)N*heads; row++, a += n, g += n) {
        const stat *const c = bias + row % heads * n;
        for (int j = 0; j < n; j += VL) {
            const vec rate = vexp(J == 1 ? load_n(lrate + j, n - j) : vset(lrate[row % heads]));
            store_n(g + j, decay_of(load_n(a + j, n - j) + load_n(c + j, n - j), rate, (stat)low), n - j);
        }
    }
}

static void decay_backward(stat *da, stat *dlrate, stat *dbias, const stat *dg,
                           const stat *a, const stat *lrate, const stat *bias, int N, int H, int J, double low)
{
    const int heads = J == 1 ? 1 : H, n = J == 1 ? H : J;
    for (long row = 0; row < (long)N*heads; row++, a += n, da += n, dg += n) {
        const long h = row % heads;
        vec sum = {0};
        for (int j = 0; j < n; j += VL) {
            const int left = n - j;
            const vec rate = vexp(J == 1 ? load_n(lrate + j, left) : vset(lrate[h]));
            const vec x = load_n(a + j, left) + load_n(bias + h*n + j, left), d = load_n(dg + j, left);
            const struct sigmoids s = vsigmoids(low < 0 ? rate * x : x);
            const vec dx = low < 0 ? d * rate * ((stat)low * s.plus * s.minus) : -d * rate * s.plus;
            const vec to_rate = keep_n(low < 0 ? dx * x : d * rate * vlogsigmoid(-x), left);
            store_n(da + j, load_n(da + j, left) + dx, left);
            store_n(dbias + h*n + j, load_n(dbias + h*n + j, left) + dx, left);
            sum += to_rate;
            if (J == 1)
                store_n(dlrate + j, load_n(dlrate + j, left) + to_rate, left);
        }
        if (J > 1)
            dlrate[h] += vsum(sum);
    }
}

static void strength_forward(stat *beta, const stat *b, int N, double top)
{
    for (int n = 0; n < N; n += VL)
        store_n(beta + n, (stat)top * vsigmoid(load_n(b + n, N - n)), N - n);
}

static void strength_backward(stat *db, const stat *dbeta, const stat *b, int N, double top)
{
    for (int n = 0; n < N; n += VL) {
        const struct sigmoids s = vsigmoids(load_n(b + n, N - n));
        store_n(db + n, load_n(db + n, N - n) + load_n(dbeta + n, N - n) * ((stat)top * s.plus * s.minus), N - n);
    }
}
