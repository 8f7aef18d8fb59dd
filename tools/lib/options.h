/* options.h - what the user asked for: key=value arguments, and a JSON file of them.
 *
 * --key=value and --key value mean key=value, --key alone means key=yes, and - in a key means _. */
#ifndef SWAX_OPTIONS_H
#define SWAX_OPTIONS_H

struct option { char *key, *value; int taken, on_line; };      /* on_line: on the command line, not from a file */
struct options { struct option *list; int n; };

/* config=FILE brings the members of a JSON object, which the command line overrides.  NULL, or a sentence. */
const char *options_read(struct options *o, int argc, char **argv, char *why);
const char *options_read_json(struct options *o, const char *path, char *why);
void options_free(struct options *o);

const char *options_take(struct options *o, const char *key);      /* its value, once and for all; NULL if it is not there */

/* The first that nobody took: a sentence that suggests the nearest of keys (NULL-ended).  NULL: all were taken. */
const char *options_left(const struct options *o, const char *const *keys, char *why);

/* Text as a number between the two: 1, or 0 if it is not one. */
int option_number(const char *text, double least, double most, double *value);
int option_whole(const char *text, long least, long most, long *value);

/* The candidate that word was most likely meant to be: try all, then read .best (NULL: none is near). */
struct nearest { const char *word, *best; int distance; };
struct nearest nearest_to(const char *word);
void nearest_try(struct nearest *n, const char *candidate);

#endif
