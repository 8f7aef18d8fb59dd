/* half.h - IEEE half precision: sign, 5 bits of exponent, 10 of fraction. */
#ifndef SWAX_HALF_H
#define SWAX_HALF_H

#include <math.h>
#include <stdint.h>

static inline double half_to_double(uint16_t h)
{
    const int exponent = h >> 10 & 31, fraction = h & 1023;
    const double size = exponent == 31 ? (fraction ? (double)NAN : (double)INFINITY)
                      : exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return h >> 15 ? -size : size;
}

/* to nearest, ties to even; what is too large becomes infinite */
static inline uint16_t half_from_double(double x)
{
    const uint16_t sign = (uint16_t)(signbit(x) ? 0x8000 : 0);
    if (isnan(x))
        return (uint16_t)(sign | 0x7e00);
    int exponent;
    const double size = fabs(x);
    frexp(size, &exponent);
    const int unit = exponent - 11 > -24 ? exponent - 11 : -24;    /* the last bit's place */
    const double fraction = size > 65536 ? 0 : nearbyint(ldexp(size, -unit));
    if (size > 65536 || ldexp(fraction, unit) >= 65536)
        return (uint16_t)(sign | 0x7c00);
    return (uint16_t)(sign | (fraction < 1024 ? (int)fraction : ((unit + 24) << 10) + (int)fraction));
}

#endif
