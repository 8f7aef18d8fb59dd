/* rope.c - see ref/rope.c for the mathematics.
 *
 * The sines of TURN tokens in a row come from those of the first, by the angle sum
 *     cos(a + b) = cos a cos b - sin a sin b,   sin(a + b) = sin a cos b + cos a sin b,
 * in double: 1e-11 off at most, in a float's hundredth of a last place, and libm is asked once in TURN tokens.
 * In double precision TURN is 1 and nothing is approximated. */
#include "simd/vec.h"

enum { TURN = sizeof(stat) == 8 ? 1 : 16, PAIRS = 32 };

struct angle { double c[PAIRS], s[PAIRS]; };

/* the angles of so many pairs, token times their rate each */
static struct angle angles(double token, const double *rate, int pairs)
{
    struct angle a;
    for (int j = 0; j < pairs; j++) {
        a.c[j] = cos(token * rate[j]);
        a.s[j] = sin(token * rate[j]);
    }
    return a;
}

/* y[j], y[j+half] (+)= the pairs of x, turned; c and s have room for whole vectors */
static void turn(real *y, const real *x, const stat *c, const stat *s, int pairs, int half, int add)
{
    for (int j = 0; j < pairs; j += VL) {
        const int left = pairs - j;
        const vec cj = load(c + j), sj = load(s + j);
        const vec a = rload_n(x + j, left), b = rload_n(x + j + half, left);
        const vec u = a * cj - b * sj, v = b * cj + a * sj;
        rstore_n(y + j, add ? rload_n(y + j, left) + u : u, left);
        rstore_n(y + j + half, add ? rload_n(y + j + half, left) + v : v, left);
    }
}

static void turn_all(real *y, const real *x, const int *start, int B, int T, int H, int D, int P, double theta,
                     int sign, int add)
{
    const int half = D / 2;
    for (int j0 = 0; j0 < half; j0 += PAIRS) {
        const int pairs = half - j0 < PAIRS ? half - j0 : PAIRS;
        struct angle step[TURN], at = { .c = {0} };
        double rate[PAIRS], base = 0.5;     /* none: a base is whole */
        for (int j = 0; j < pairs; j++)
            rate[j] = pow(theta, -2.0 * (j0 + j) / D);
        for (int i = 0; i < TURN; i++)
            step[i] = angles(i, rate, pairs);
        for (long bt = 0; bt < (long)B*T; bt++) {
            const double p = (double)P + (double)(bt % T) - (start ? start[bt] : 0), from = floor(p / TURN) * TURN;
            const struct angle *by = step + (int)(p - from);
            stat c[PAIRS + VL] = {0}, s[PAIRS + VL] = {0};
            if (from != base)
                at = angles(base = from, rate, pairs);
            for (int j = 0; j < pairs; j++) {
                c[j] = (stat)(at.c[j] * by->c[j] - at.s[j] * by->s[j]);
                s[j] = (stat)(sign * (at.s[j] * by->c[j] + at.c[j] * by->s[j]));
            }
            for (int h = 0; h < H; h++)
                turn(y + (bt*H + h)*D + j0, x + (bt*H + h)*D + j0, c, s, pairs, half, add);
        }
    }
    for (long row = D - 1; D % 2 && row < (long)B*T*H*D; row += D)
        y[row] = to_real((add ? to_stat(y[row]) : 0) + to_stat(x[row]));
}

static void rope_forward(real *y, const real *x, const int *start,
                         int B, int T, int H, int D, int P, double theta)
{
    turn_all(y, x, start, B, T, H, D, P, theta, 1, 0);
}

static void rope_backward(real *dx, const real *dy, const int *start,
                          int B, int T, int H, int D, int P, double theta)
{
    turn_all(dx, dy, start, B, T, H, D, P, theta, -1, 1);
}
