/* elementwise.c - see ref/gates.c and ref/add.c for the mathematics. */
#include "simd/vmath.h"

static void softcap_forward(stat *y, const stat *x, int N, double cap)
{
    const stat c = (stat)cap;
    for (int n = 0; n < N; n += VL) {
        const vec xn = load_n(x + n, N - n);
        store_n(y + n, cap > 0 ? c * vtanh(xn / c) : xn, N - n);
    }
}

static void softcap_backward(stat *dx, const stat *dy, const stat *y, int N, double cap)
{
    const stat by = cap > 0 ? 1 / (stat)cap : 0;
    for (int n = 0; n < N; n += VL) {
        const vec yc = load_n(y + n, N - n) * by;
        store_n(dx + n, load_n(dx + n, N - n) + load_n(dy + n, N - n) * (1 - yc * yc), N - n);
    }
}

static void gate_forward(real *y, const real *g, const real *x, int N)
{
    for (int n = 0; n < N; n += VL)
        rstore_n(y + n, vsigmoid(rload_n(g + n, N - n)) * rload_n(x + n, N - n), N - n);
}

static void gate_backward(real *dg, real *dx, const real *dy, const real *g, const real *x, int N)
{
    for (int n = 0; n < N; n += VL) {
        const int left = N - n;
        const vec dyn = rload_n(dy + n, left);
        const struct sigmoids s = vsigmoids(rload_n(g + n, left));
        rstore_n(dg + n, rload_n(dg + n, left) + dyn * rload_n(x + n, left) * s.plus * s.minus, left);
        rstore_n(dx + n, rload_n(dx + n, left) + dyn * s.plus, left);
    }
}

static void swiglu_forward(real *y, const real *a, const real *b, int N)
{
    for (int n = 0; n < N; n += VL) {
        const vec an = rload_n(a + n, N - n);
        rstore_n(y + n, an * vsigmoid(an) * rload_n(b + n, N - n), N - n);
    }
}

static void swiglu_backward(real *da, real *db, const real *dy, const real *a, const real *b, int N)
{
    for (int n = 0; n < N; n += VL) {
        const int left = N - n;
        const vec dyn = rload_n(dy + n, left), an = rload_n(a + n, left);
        const struct sigmoids s = vsigmoids(an);
        const vec slope = s.plus * (1 + an * s.minus);
        rstore_n(da + n, rload_n(da + n, left) + dyn * rload_n(b + n, left) * slope, left);
        rstore_n(db + n, rload_n(db + n, left) + dyn * an * s.plus, left);
    }
}

static void add_forward(real *y, const real *a, const real *b, int N)
{
    for (int n = 0; n < N; n += VL)
        rstore_n(y + n, rload_n(a + n, N - n) + rload_n(b + n, N - n), N - n);
}

static void add_backward(real *da, real *db, const real *dy, int N)
{
    for (int n = 0; n < N; n += VL) {
        const vec dyn = rload_n(dy + n, N - n);
        rstore_n(da + n, rload_n(da + n, N - n) + dyn, N - n);
        rstore_n(db + n, rload_n(db + n, N - n) + dyn, N - n);
    }
}

static void skip_forward(real *y, const real *a, const real *b, const stat *w, int N, int H, int D)
{
    for (long row = 0; row < (long)N*H; row++, a += D, b += D, y += D)
        for (int j = 0; j < D; j += VL)
            rstore_n(y + j, rload_n(a + j, D - j) + w[row % H] * rload_n(b + j, D - j), D - j);
}

static void skip_backward(real *da, real *db, const real *dy, const stat *w, int N, int H, int D)
{
    for (long row = 0; row < (long)N*H; row++, da += D, db += D, dy += D)
        for (int j = 0; j < D; j += VL) {
            const vec dyj = rload_n(dy + j, D - j);
            rstore_n(da + j, rload_n(da + j, D - j) + dyj, D - j);
            rstore_n(db + j, rload_n(db + j, D - j) + w[row % H] * dyj, D - j);
        }
}

/* dw of heads from .. from + heads - 1, one token after the other */
static void skip_backward_weights(stat *dw, const real *dy, const real *b, int N, int H, int D, int from, int heads)
{
    for (int h = from; h < from + heads; h++) {
        vec sum = {0};
        for (long n = 0; n < N; n++)
            for (int j = 0; j < D; j += VL) {
                const long at = (n*H + h)*D + j;
                sum += keep_n(rload_n(dy + at, D - j) * rload_n(b + at, D - j), D - j);
            }
        dw[h] += vsum(sum);
    }
}

static void accumulate(stat *y, const stat *x, int N)
{
    for (int n = 0; n < N; n += VL)
        store_n(y + n, load_n(y + n, N - n) + load_n(x + n, N - n), N - n);
}

static void cast(real *y, const stat *x, int N)
{
    for (int n = 0; n < N; n += VL)
        rstore_n(y + n, load_n(x + n, N - n), N - n);
}

/* Many sums in turn hide the additions' latency; the compiler makes vectors of them. */
static void sqsum(double *sum, const stat *x, int N)
{
    enum { WAYS = 32 };
    double s[WAYS] = {0};
    int n = 0;
    for (; n + WAYS <= N; n += WAYS)
        for (int i = 0; i < WAYS; i++)
            s[i] += (double)x[n + i] * (double)x[n + i];
    for (; n < N; n++)
        s[n % WAYS] += (double)x[n] * (double)x[n];
    for (int i = 1; i < WAYS; i++)
        s[0] += s[i];
    *sum += s[0];
}
