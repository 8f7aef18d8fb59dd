/* options.h - what the user asked for, as text: key=value arguments, bare words, and config=.
 *
 * --key=value and --key value mean key=value, --key alone means key=yes where that is a value, and - in a key means _.
 * -o PATH means output=PATH.  A key given twice takes the last value. */
#ifndef SWAX_OPTIONS_H
#define SWAX_OPTIONS_H

#include "tools/lib/keys.h"

struct option {
    char *key, *value;
    int taken;                     /* by a field */
    int of_config;                 /* from what config= names, not from the line */
};
struct options { struct option *list; int n; };

/* Bare words go to the keys named in `words` ("from to"), in that order.  config=NAME brings one of the settings of
 * configs.h, config=FILE the members of a JSON object; what is said beside it comes before it.  NULL, or a sentence. */
const char *options_read(struct options *o, int argc, char **argv, const struct keys *k, const char *words, char *why);
const char *options_read_json(struct options *o, const char *path, char *why);
/* "key=value; key=value"; where `over`, they replace what is there. */
const char *options_read_settings(struct options *o, const char *settings, int over, char *why);
void options_free(struct options *o);

/* NULL if it was not given. */
struct option *options_find(const struct options *o, const char *key);
const char *options_value(const struct options *o, const char *key);

/* Give each option that has a row to its field; one of a single key comes first if it is asked for.  NULL, or a
 * sentence. */
const char *options_give(struct options *o, const struct keys *k, char *why);
const char *options_give_one(struct options *o, const char *key, const struct keys *k, char *why);

/* Has every option a row?  NULL, or a sentence. */
const char *options_known(const struct options *o, const struct keys *k, char *why);

/* The first that no field took: a sentence.  NULL: all were taken. */
const char *options_left(const struct options *o, const struct keys *k, char *why);

/* Both: every option has a row. */
const char *options_give_all(struct options *o, const struct keys *k, char *why);

#endif
