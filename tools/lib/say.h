/* say.h - sentences about what is wrong. */
#ifndef SWAX_SAY_H
#define SWAX_SAY_H

#include "ref/network/config.h"      /* SWAX_WHY */

/* printf into why[SWAX_WHY], which it returns; what does not fit ends in "...". */
const char *say(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "PATH WHAT: errno's text." */
const char *say_errno(char *why, const char *path, const char *what);

#endif
