/* sort.c - see sort.h. */
#include "tools/lib/sort.h"

#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void sort_ascending(double *x, size_t n) { qsort(x, n, sizeof *x, ascending); }
