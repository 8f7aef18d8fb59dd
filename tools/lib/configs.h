/* configs.h - the networks that config=NAME knows, by size. */
#ifndef SWAX_CONFIGS_H
#define SWAX_CONFIGS_H

const char *config_word(int i);                           /* "micro", ...; NULL behind the last */
/* "key=value; key=value", or NULL: there is none of that name */
const char *config_settings(const char *name);

#endif
