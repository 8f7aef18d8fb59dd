/* sort.h - numbers in order. */
#ifndef SWAX_SORT_H
#define SWAX_SORT_H

#include <stddef.h>

void sort_ascending(double *x, size_t n);      /* none of them NaN */

#endif
