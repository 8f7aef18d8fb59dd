/* bands.h - a band of the file: answers that repeat what was last said so many tokens back, in whole tags of the
 * data. */
#ifndef SWAX_BANDS_H
#define SWAX_BANDS_H

#include <stdint.h>

#include "tools/lib/json.h"
#include "tools/tasks/data.h"

struct band { char name[24]; int from, to; };          /* in tokens */

/* {"name", "from", "to"}, fitted to the tags of the source: it says where the first of them begins and the last ends.
 * NULL, or a sentence. */
const char *band_read(struct band *b, const struct source *s, const struct json *j, char *why);
/* The tags that speak of distances from .. to, from 1, and no others: a bit each. */
uint64_t band_rows(const struct source *s, int from, int to, int words_only);

#endif
