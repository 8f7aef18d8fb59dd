/* members.h - which members the objects of an ablation's file have, and what stands in them. */
#ifndef SWAX_MEMBERS_H
#define SWAX_MEMBERS_H

#include "tools/lib/json.h"

/* A table of them ends with a name of NULL.  JSON_NULL: who reads the member says what it should be. */
struct member { const char *name; enum json_type type; };

/* Every member of `object` is in the table and of its type: NULL, or a sentence.  `where` begins it: "An arm". */
const char *members_check(const struct json *object, const struct member *table, const char *where, char *why);

#endif
