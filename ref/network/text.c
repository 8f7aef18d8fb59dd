/* text.c - words and numbers in text. */
#include "ref/network/text.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* row[i % 3] belongs to the first i letters that were typed. */
int swax_distance(const char *typed, const char *meant)
{
    enum { MOST = 63, MISSING = 1, SWAPPED = 1, WRONG = 2 };
    int row[3][MOST + 1];
    const size_t m = strlen(typed), n = strlen(meant);
    if (m > MOST || n > MOST)
        return WRONG * (MOST + 1);
    for (size_t i = 0; i <= m; i++)
        for (size_t j = 0; j <= n; j++) {
            int *here = &row[i % 3][j], *above = row[(i + 2) % 3], *twice = row[(i + 1) % 3];
            if (!i || !j) {
                *here = i ? WRONG * (int)i : MISSING * (int)j;
                continue;
            }
            const int missing = here[-1] + MISSING, extra = above[j] + WRONG;
            *here = above[j - 1] + (typed[i - 1] != meant[j - 1] ? WRONG : 0);
            *here = *here < missing ? *here : missing;
            *here = *here < extra ? *here : extra;
            if (i > 1 && j > 1 && typed[i - 1] == meant[j - 2] && typed[i - 2] == meant[j - 1] &&
                twice[j - 2] + SWAPPED < *here)
                *here = twice[j - 2] + SWAPPED;
        }
    return row[m % 3][n];
}

/* ---- numbers: what the C library reads and writes has the locale's decimal point */

static const char *point(void)
{
    const char *p = localeconv()->decimal_point;
    return p && *p ? p : ".";
}

double swax_number_of(const char *text, size_t n)
{
    const char *p = point(), *dot = memchr(text, '.', n);
    const size_t before = dot ? (size_t)(dot - text) : n, wide = dot ? strlen(p) : 0, after = dot ? n - before - 1 : 0;
    char room[128], *copy = before + wide + after < sizeof room ? room : malloc(before + wide + after + 1);
    if (!copy)
        return 0;
    memcpy(copy, text, before);
    memcpy(copy + before, p, wide);
    memcpy(copy + before + wide, text + n - after, after);
    copy[before + wide + after] = 0;
    const double x = strtod(copy, NULL);
    if (copy != room)
        free(copy);
    return x;
}

static const char *skip_digits(const char *at)
{
    return at + strspn(at, "0123456789");
}

int swax_number_read(const char *text, double *value)
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
    *value = swax_number_of(text, (size_t)(end - text));
    return 1;
}

static void write_digits(char text[32], double x, int digits)
{
    const char *p = point();
    snprintf(text, 32, "%.*g", digits, x);
    char *at = strcmp(p, ".") ? strstr(text, p) : NULL;
    if (!at)
        return;
    *at = '.';
    memmove(at + 1, at + strlen(p), strlen(at + strlen(p)) + 1);
}

void swax_number_write(char text[32], double x)
{
    double back;
    int digits = 6;
    do
        write_digits(text, x, digits);
    while ((!swax_number_read(text, &back) || back != x) && digits++ < 17);
}
