/* network_keys.h - the keys of a network and its mixers, which ref/network describes, as tables for a struct
 * swax_config. */
#ifndef SWAX_NETWORK_KEYS_H
#define SWAX_NETWORK_KEYS_H

#include "ref/network/config.h"
#include "tools/lib/keys.h"

void network_tables(struct keys *k, const char *title, struct swax_config *c);      /* title: above the network's own */

#endif
