/* network_keys.h - the keys of a network, which ref/network/config.h describes, as rows for a struct swax_config. */
#ifndef SWAX_NETWORK_KEYS_H
#define SWAX_NETWORK_KEYS_H

#include "tools/lib/keys.h"

const struct key *network_keys(void);

#endif
