/* variants.h - kernels that differ from the reference: most by one fault that a person would make, some honestly.
 * check_harness.c holds them against the oracle.  variants.c has them, compiled once per precision. */
#ifndef VARIANTS_H
#define VARIANTS_H

#include "ref/tier.h"

struct variant { const char *name, *op; };

/* By number from 0; NULL behind the last.  The tier's table has the variant in its slot and nothing else. */
const struct variant *variant_f32(int i, int honest, struct swax_tier *tier);
const struct variant *variant_f64(int i, int honest, struct swax_tier *tier);

#endif
