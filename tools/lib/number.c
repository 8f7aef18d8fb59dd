/* number.c - numbers in text, between bounds. */
#include "tools/lib/number.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int number_real(const char *text, double least, double most, double *value)
{
    double x;
    if (!swax_number_read(text, &x) || !(x >= least && x <= most))
        return 0;
    *value = x;
    return 1;
}

int number_whole(const char *text, long least, long most, long *value)
{
    char *end;
    const char *digits = text + (*text == '-' || *text == '+');
    if (*digits < '0' || *digits > '9')
        return 0;
    errno = 0;
    const long x = strtol(text, &end, 10);
    if (*end || errno || x < least || x > most)
        return 0;
    *value = x;
    return 1;
}

void number_amount(char text[32], double n)
{
    if (n < 10000)
        snprintf(text, 32, "%.0f", n);
    else
        snprintf(text, 32, "%.4g %s", n / (n < 1e6 ? 1e3 : 1e6), n < 1e6 ? "thousand" : "million");
}
