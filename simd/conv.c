/* conv.c - the short convolution, some channels side by side from the first token to the last; see ref/conv.c.
 *
 * Channels do not meet, so they are what threads share out.  Up to TAPS taps are kept as vectors; what has more, which
 * is no short convolution, goes to the reference. */
#include "simd/host/host.h"
#include "simd/vmath.h"
#include "simd/reference.h"

enum { TAPS = 16 };

/* VL channels, n of them there: their taps, and what these get */
struct channels { vec w[TAPS], b, dw[TAPS], db; int c, n; };

static void channels_open(struct channels *s, const stat *w, const stat *b, int c, int C, int F)
{
    memset(s, 0, sizeof *s);
    s->c = c;
    s->n = C - c < VL ? C - c : VL;
    for (int l = 0; l < s->n; l++)
        for (int j = 0; j < F; j++)
            s->w[j][l] = w[(long)(c + l)*F + j];
    s->b = b ? load_n(b + c, s->n) : vset(0);
}

/* The first tap of token t that falls on a row of its document */
static int first_tap(int t, int cached, const int *start, int F)
{
    const int by_rows = F - 1 - (t + cached), by_document = start && *start > -cached ? F - 1 - (t - *start) : by_rows;
    const int first = by_rows > by_document ? by_rows : by_document;
    return first > 0 ? first : 0;
}

/* a_t; x points at the token's own row */
static vec conv_sum(const struct channels *s, const real *x, int first, int C, int F)
{
    vec a = s->b;
    for (int j = first; j < F; j++)
        a += s->w[j] * rload_n(x + (long)(j - (F - 1))*C, s->n);
    return a;
}

static void conv_forward(real *y, const real *x, const stat *w, const stat *b, const int *start,
                         int B, int T, int S, int C, int F)
{
    if (F > TAPS) {
        reference->conv_forward(y, x, w, b, start, B, T, S, C, F);
        return;
    }
    #pragma omp parallel for num_threads((long)B*T*C > 1 << 16 ? swax_host.workers() : 1)
    for (int c = 0; c < C; c += VL) {
        struct channels s;
        channels_open(&s, w, b, c, C, F);
        for (long bt = 0; bt < (long)B*T; bt++) {
            const int t = (int)(bt % T);
            const vec a = conv_sum(&s, x + (bt/T*S + t + S - T)*C + c,
                                   first_tap(t, S - T, start ? start + bt : NULL, F), C, F);
            rstore_n(y + bt*C + c, a * vsigmoid(a), s.n);
        }
    }
}

static void conv_backward(real *dx, stat *dw, stat *db, const real *dy,
                          const real *x, const stat *w, const stat *b, const int *start,
                          int B, int T, int S, int C, int F)
{
    if (F > TAPS) {
        reference->conv_backward(dx, dw, db, dy, x, w, b, start, B, T, S, C, F);
        return;
    }
    #pragma omp parallel for num_threads((long)B*T*C > 1 << 16 ? swax_host.workers() : 1)
    for (int c = 0; c < C; c += VL) {
        struct channels s;
        channels_open(&s, w, b, c, C, F);
        for (long bt = 0; bt < (long)B*T; bt++) {
            const int t = (int)(bt % T), first = first_tap(t, S - T, start ? start + bt : NULL, F);
            const long at = (bt/T*S + t + S - T)*C + c;
            const vec a = conv_sum(&s, x + at, first, C, F);
            const struct sigmoids g = vsigmoids(a);
            const vec da = rload_n(dy + bt*C + c, s.n) * g.plus * (1 + a * g.minus);
            for (int j = first; j < F; j++) {
                const long row = at + (long)(j - (F - 1))*C;
                s.dw[j] += da * rload_n(x + row, s.n);
                rstore_n(dx + row, rload_n(dx + row, s.n) + s.w[j] * da, s.n);
            }
            s.db += da;
        }
        for (int l = 0; l < s.n; l++)
            for (int j = 0; j < F; j++)
                dw[(long)(c + l)*F + j] += s.dw[j][l];
        if (db)
            store_n(db + c, load_n(db + c, s.n) + s.db, s.n);
    }
}
