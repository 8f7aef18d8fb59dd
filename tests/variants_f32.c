#define TABLE f32
#include "variants.inc"
