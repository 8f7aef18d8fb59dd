/* tensors.h - what a file of cases and a file of answers share: names, element types, shapes. */
#ifndef SWAX_VERIFY_TENSORS_H
#define SWAX_VERIFY_TENSORS_H

#include "tools/lib/safetensors.h"
#include "tools/verify/verify.h"

enum { NAME = 48 };

enum st_type element_type(enum op_type type, enum dtype d);
/* "7/", or "" for the only one of n */
const char *prefix_of(char prefix[16], int k, int n);
/* name's tensor, which must have the shape of argument i of c, as doubles at `to`: NULL, or a sentence */
const char *tensor_read(struct st_file *f, const char *path, const char *name, const struct op_case *c, int i,
                        double *to, char *why);

#endif
