/* element.c - see element.h. */
#include "tools/verify/element.h"

#include <stdint.h>
#include "ref/bf16.h"

size_t element_width(enum op_type type, enum swax_precision p)
{
    return type == INT ? sizeof(int32_t) : type == DOUBLE || p == SWAX_PREC_F64 ? sizeof(double)
         : type == REAL && p == SWAX_PREC_BF16 ? sizeof(swax_bf16) : sizeof(float);
}

void element_put(void *to, enum op_type type, enum swax_precision p, long e, double x)
{
    switch (type == INT ? 0 : element_width(type, p)) {
    case 0:             ((int32_t *)to)[e] = (int32_t)x; break;
    case sizeof(float): ((float *)to)[e] = (float)x; break;
    case sizeof(double): ((double *)to)[e] = x; break;
    default:            ((swax_bf16 *)to)[e] = bf16_from_float((float)x); break;
    }
}

double element_get(const void *from, enum op_type type, enum swax_precision p, long e)
{
    switch (type == INT ? 0 : element_width(type, p)) {
    case 0:             return ((const int32_t *)from)[e];
    case sizeof(float): return (double)((const float *)from)[e];
    case sizeof(double): return ((const double *)from)[e];
    default:            return (double)bf16_to_float(((const swax_bf16 *)from)[e]);
    }
}
