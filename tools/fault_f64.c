#define SWAX_F64
#define TABLE f64
#include "fault_list.inc"
