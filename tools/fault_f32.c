#define TABLE f32
#include "fault_list.inc"
