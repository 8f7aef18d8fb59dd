/* mutate.h - text that was damaged as hostile or careless hands would. */
#ifndef SWAX_MUTATE_H
#define SWAX_MUTATE_H

#include <stddef.h>
#include "tools/lib/random.h"

/* One to three edits of text[n], which has room for more: flips, copies, cuts, insertions.  Its new length. */
size_t mutate(struct random *r, char *text, size_t n, size_t room);

#endif
