/* preset.h - the sizes of published models by name, and of yours from a file. */
#ifndef SWAX_VERIFY_PRESET_H
#define SWAX_VERIFY_PRESET_H

#include "tools/verify/verify.h"

/* Add the sizes and scalars that `name` has for that kernel, where they are not wished for already: a model
 * ("xlstm-7b"), or FILE.json, an object of sizes ({"H": 8, "K": 256}) or of such objects by kernel.  NULL, or a
 * sentence. */
const char *preset_apply(struct wish *w, const struct subject *s, const char *name, char *why);
const char *preset_word(int i);                                                /* number i; NULL behind the last */

#endif
