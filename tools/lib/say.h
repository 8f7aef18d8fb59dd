/* say.h - sentences about what is wrong. */
#ifndef SWAX_SAY_H
#define SWAX_SAY_H

#include <stdio.h>

#include "ref/network/config.h"      /* SWAX_WHY */

/* printf into why[SWAX_WHY], which it returns; what does not fit ends in "...". */
const char *say(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "PATH WHAT: errno's text." */
const char *say_errno(char *why, const char *path, const char *what);

/* KEY=VALUE, or VALUE where key is NULL, as a word of a command that may be typed again: in quotes where a shell would
 * need them. */
void say_word(FILE *f, const char *key, const char *value);

#endif
