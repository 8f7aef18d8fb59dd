/* element.h - numbers in the types that kernels take. */
#ifndef SWAX_VERIFY_ELEMENT_H
#define SWAX_VERIFY_ELEMENT_H

#include <stddef.h>
#include "ref/oracle/oracle.h"

size_t element_width(enum op_type type, enum swax_precision p);      /* bytes */
void element_put(void *to, enum op_type type, enum swax_precision p, long e, double x);
double element_get(const void *from, enum op_type type, enum swax_precision p, long e);

#endif
