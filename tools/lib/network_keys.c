/* network_keys.c - the keys of a network and of its mixers as rows. */
#include "tools/lib/network_keys.h"

#include <stdio.h>
#include "ref/network/config.h"

enum { MOST = 128 };

static const char *read_network(void *field, const struct key *k, const char *text, char *why)
{
    return swax_config_set(field, k->name, text, why);
}

static void write_network(char text[KEY_TEXT], const struct key *k, const void *field)
{
    char value[SWAX_TEXT];
    snprintf(text, KEY_TEXT, "%.*s", KEY_TEXT - 1, swax_config_get(field, k->name, value));
}

static const struct key_type key_network = {read_network, write_network};

/* What it is, and what would be right, is said in one line. */
static struct { struct key row[MOST + 1]; char what[MOST][2 * SWAX_WHY]; int n; } all;

static void add(const struct swax_key *k)
{
    char right[SWAX_WHY];
    const int i = all.n < MOST ? all.n++ : MOST - 1;
    snprintf(all.what[i], sizeof all.what[i], "%s (%s)", k->what, swax_key_right(k, right));
    all.row[i] = (struct key){.name = k->name, .type = &key_network, .otherwise = k->otherwise, .what = all.what[i]};
}

const struct key *network_keys(void)
{
    int mixer;
    const struct swax_key *k = all.n ? NULL : swax_config_keys(0, &mixer);
    for (int t = 1; k; k = swax_config_keys(t++, &mixer))
        for (; k->name; k++)
            add(k);
    return all.row;
}
