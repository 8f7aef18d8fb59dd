/* key.h - one key of a table (config.h): its value, at `at`, is an int, a double or, of the key mixers, all of c's. */
#ifndef SWAX_KEY_H
#define SWAX_KEY_H

#include "ref/network/config.h"

/* The value read from text: NULL, or a sentence in why[SWAX_WHY], and then *c may have changed. */
const char *swax_key_read(struct swax_config *c, const struct swax_key *k, void *at, const char *text, char *why);
/* NULL, or a sentence in why[SWAX_WHY]: why a value that is there cannot be. */
const char *swax_key_check(const struct swax_key *k, const void *at, char *why);
/* Written to text[SWAX_TEXT], as it is read back exactly. */
void swax_key_write(const struct swax_config *c, const struct swax_key *k, const void *at, char *text);
/* As a number, of a key that is not mixers. */
double swax_key_number(const struct swax_key *k, const void *at);

#endif
