/* reference.h - what computes the cases that a tier leaves to the reference. */
#ifndef SWAX_REFERENCE_H
#define SWAX_REFERENCE_H

#include "ref/kernels.h"

#ifdef SWAX_BF16
extern const struct R(swax_kernels) swax_widened;
static const struct R(swax_kernels) *const reference = &swax_widened;
#else
static const struct R(swax_kernels) *const reference = &R(swax_ref);
#endif

#endif
