#define SWAX_F64
#define TABLE f64
#include "variants.inc"
