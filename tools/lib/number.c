/* number.c - numbers in text.  strtod and printf write the decimal point of the process's locale, which a program that
 * loads this library may have set to a comma. */
#include "tools/lib/number.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *point(void)
{
    const char *p = localeconv()->decimal_point;
    return p && *p ? p : ".";
}

double number_of(const char *text, size_t n)
{
    char room[128], *copy = n + 8 < sizeof room ? room : malloc(n + 8);
    const char *p = point(), *dot = memchr(text, '.', n);
    if (!copy)
        return 0;
    const size_t before = dot ? (size_t)(dot - text) : n, wide = dot && strlen(p) < 8 ? strlen(p) : 0;
    memcpy(copy, text, before);
    memcpy(copy + before, p, wide);
    if (dot)
        memcpy(copy + before + wide, dot + 1, n - before - 1);
    copy[dot ? n - 1 + wide : n] = 0;
    const double x = strtod(copy, NULL);
    if (copy != room)
        free(copy);
    return x;
}

static const char *skip_digits(const char *at)
{
    return at + strspn(at, "0123456789");
}

int number_read(const char *text, double *value)
{
    const char *at = text + (*text == '-' || *text == '+'), *whole = skip_digits(at), *end = whole;
    if (*end == '.')
        end = skip_digits(end + 1);
    if (end - at - (*whole == '.') < 1)      /* a point alone is no number */
        return 0;
    if (*end == 'e' || *end == 'E') {
        const char *power = end + 1 + (end[1] == '-' || end[1] == '+');
        end = skip_digits(power);
        if (end == power)
            return 0;
    }
    if (*end)
        return 0;
    *value = number_of(text, (size_t)(end - text));
    return 1;
}

int number_real(const char *text, double least, double most, double *value)
{
    double x;
    if (!number_read(text, &x) || !(x >= least && x <= most))
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

void number_point(char *text)
{
    const char *p = point();
    char *at = strcmp(p, ".") ? strstr(text, p) : NULL;
    if (!at)
        return;
    *at = '.';
    memmove(at + 1, at + strlen(p), strlen(at + strlen(p)) + 1);
}

void number_write(char text[32], double x)
{
    double back;
    int places = 6;
    do {
        snprintf(text, 32, "%.*g", places, x);
        number_point(text);
    } while ((!number_read(text, &back) || back != x) && places++ < 17);
}
