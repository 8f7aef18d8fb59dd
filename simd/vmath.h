/* vmath.h - exp, log, log1p, tanh, sigmoid and log sigmoid of a vec, and exp for weights.
 *
 * At most so far from the true result, in units in its last place, or in the smallest normal number's where it is
 * subnormal (tests/check_vmath.c: over the floats, and over samples of the doubles):
 *
 *                 float   double                      float   double
 *     exp          1.1      1.1        log sigmoid      1.7     1.7
 *     log          0.8      0.8        sigmoid          2.5     2.5
 *     log1p        0.8      0.8        tanh             1.6     1.6
 *     weight       1.1      1.1
 *
 * Infinities, NaN, zeros and subnormal arguments give what libm gives.  Polynomials are minimax in the relative
 * error of the result, by Remez' exchange. */
#ifndef SWAX_VMATH_H
#define SWAX_VMATH_H

#include "simd/vec.h"

#ifdef SWAX_F64
enum { MANTISSA = 52, BIAS = 1023 };
static const stat EXP_LO = -746, EXP_HI = 710;          /* results 0 and infinite */
static const stat WEIGHT_LO = -708;
static const stat LN2_HI = 0x1.62e42feep-1, LN2_LO = 0x1.a39ef35793c76p-33;
static const stat TINY = 0x1p-1022, ROUND = 0x1.8p52, ROOT_HALF = 0.70710678118654752;
static const stat EXP_P[] = {           /* (exp(r) - 1 - r) / r^2,  |r| < ln(2)/2 */
    0.50000000000000103169, 0.16666666666666674601, 0.041666666666520945404, 0.0083333333333221269325,
    0.0013888888948140000252, 0.00019841269886836334792, 0.00002480148696535659906, 2.7557242059396383277e-6,
    2.7632791580716280817e-7, 2.5110154321424916535e-8,
};
static const stat LOG_P[] = {           /* (log((1+s)/(1-s))/s - 2) / s^2, in s^2, |s| < 0.173 */
    0.6666666666666666312, 0.40000000000005126708, 0.28571428569242346854, 0.22222222644556179961,
    0.18181774624175040844, 0.15387175072171450016, 0.13247574246565038238, 0.13278788880854859826,
};
static const stat TANH_P[] = {          /* (tanh(x)/x - 1) / x^2, in x^2, |x| < 0.625 */
    -0.33333333333333332982, 0.13333333333333231695, -0.053968253968165995547, 0.021869488532586743579,
    -0.0088632354478292578527, 0.0035921268515930869751, -0.0014558229886799565517, 0.00058995180789345945845,
    -0.00023877671765030475667, 0.000095758118203030467625, -0.0000366265251204165839, 0.00001178746064753410234,
    -2.2660453699599560281e-6,
};
#else
enum { MANTISSA = 23, BIAS = 127 };
static const stat EXP_LO = -105, EXP_HI = 89;
static const stat WEIGHT_LO = -87;
static const stat LN2_HI = 0x1.62ep-1f, LN2_LO = 0x1.0bfbe8p-15f;
static const stat TINY = 0x1p-126f, ROUND = 0x1.8p23f, ROOT_HALF = 0.70710678f;
static const stat EXP_P[] = {
    0.49999993412686032387f, 0.16666520104807369591f, 0.041668394148683041876f, 0.0083687806896008798964f,
    0.001381447122550169659f,
};
static const stat LOG_P[] = {
    0.6666666572039959235f, 0.40000349294586994334f, 0.2853532842378274455f, 0.23631818247353475091f,
};
static const stat TANH_P[] = {
    -0.33333331536060000011f, 0.13333220646779061707f, -0.053947459532705072785f, 0.02170024357352302231f,
    -0.0081688708716030848316f, 0.0021303085527809371035f,
};
#endif
#define POLY(x, c) poly(x, c, (int)(sizeof(c) / sizeof *(c)))

INLINE vec poly(vec x, const stat *c, int n)
{
    vec p = vset(c[n - 1]);
    for (int i = n - 2; i >= 0; i--)
        p = p * x + c[i];
    return p;
}

/* 2^n for -BIAS < n <= BIAS */
INLINE vec power_of_2(ivec n) { return (vec)(((uvec)n + BIAS) << MANTISSA); }

/* exp(x) = 2^n exp(r), |r| < ln(2)/2.  2^n is applied in two halves, so that overflow and subnormal results
 * round as they should. */
INLINE vec vexp(vec x)
{
    x = vclamp(x, EXP_LO, EXP_HI);
    const vec shifted = x * (stat)1.4426950408889634074 + ROUND;
    const ivec n = (ivec)((uvec)shifted - (uvec)vset(ROUND)), half = n >> 1;
    const vec t = shifted - ROUND, r = x - t * LN2_HI - t * LN2_LO;
    return (1 + (r + r*r * POLY(r, EXP_P))) * power_of_2(half) * power_of_2(n - half);
}

/* exp(x) for x <= 0, or not much above: a weight.  Below the smallest normal number it is 0, so that no product has to
 * do with subnormal weights, which some machines take a hundred times as long for. */
INLINE vec vweight(vec x)
{
    const vec y = vmax(vset(WEIGHT_LO), x);
    const vec shifted = y * (stat)1.4426950408889634074 + ROUND;
    const vec t = shifted - ROUND, r = y - t * LN2_HI - t * LN2_LO;
    return pick(x < WEIGHT_LO, vset(0), (1 + (r + r*r * POLY(r, EXP_P))) * power_of_2((ivec)shifted));
}

/* log(u) + tail/u for normal u > 0, |tail| below u's last place: u = 2^e (1+f), s = f/(2+f),
 *     log(1+f) = f - (f^2/2 - s (f^2/2 + s^2 P(s^2))) */
INLINE vec log_normal(vec u, vec tail, vec e)
{
    const ivec shift = (ivec)((uvec)u - (uvec)vset(ROOT_HALF)) >> MANTISSA;
    const vec f = (vec)((uvec)u - ((uvec)shift << MANTISSA)) - 1, s = f / (2 + f), z = s*s, half = (stat)0.5 * f*f;
    e += __builtin_convertvector(shift, vec);
    return e * LN2_HI - ((half - (s * (half + z * POLY(z, LOG_P)) + (e * LN2_LO + tail / u))) - f);
}

/* What no formula above gives right: log of 0, of negatives, of infinity and of NaN; x is 1+argument for log1p. */
INLINE vec log_edges(vec x, vec y)
{
    y = pick(x == 0, vset((stat)-INFINITY), y);
    y = pick(x < 0, vset((stat)NAN), y);
    return pick((x == (stat)INFINITY) | (x != x), x, y);
}

INLINE vec vlog(vec x)
{
    const ivec small = x < TINY;
    const vec u = pick(small, x * (stat)((lane)1 << MANTISSA), x), e = pick(small, vset(-MANTISSA), vset(0));
    return log_edges(x, log_normal(u, vset(0), e));
}

INLINE vec vlog1p(vec x)
{
    const vec u = 1 + x;
    const vec tail = pick(x > 1, 1 - (u - x), x - (u - 1));     /* what rounding 1+x lost, exactly */
    const vec y = log_normal(u, tail, vset(0));
    return log_edges(u, pick(x == 0, x, y));
}

/* 1/(1+exp(-x)), whose small values keep their digits as exp(x)/(1+exp(x)) */
INLINE vec vsigmoid(vec x)
{
    const vec e = vexp(-vabs(x));
    return pick(x < 0, e, vset(1)) / (1 + e);
}

/* sigmoid(x) and sigmoid(-x), for one exp and one division */
struct sigmoids { vec plus, minus; };
INLINE struct sigmoids vsigmoids(vec x)
{
    const vec e = vexp(-vabs(x)), large = 1 / (1 + e), small = e * large;
    const ivec negative = x < 0;
    return (struct sigmoids){ pick(negative, small, large), pick(negative, large, small) };
}

/* min(x,0) - log(1+exp(-|x|)): right for open gates too, where log(sigmoid(x)) has no digits left */
INLINE vec vlogsigmoid(vec x)
{
    return vmin(vset(0), x) - vlog1p(vexp(-vabs(x)));
}

/* with e = exp(-2|x|), tanh |x| = 1 - 2e/(1+e) */
INLINE vec vtanh(vec x)
{
    const vec a = vabs(x), z = x * x, e = vexp(-2 * a);
    const vec near = x + x * z * POLY(z, TANH_P), far = 1 - 2 * e / (1 + e);
    const uvec sign = (uvec)x & ~((ulane)-1 >> 1);
    return pick(a < (stat)0.625, near, (vec)((uvec)far | sign));
}

#endif
