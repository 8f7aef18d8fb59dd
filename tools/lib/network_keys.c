/* network_keys.c - the keys of a network as rows. */
#include "tools/lib/network_keys.h"

#include <stdio.h>
#include <string.h>
#include "ref/network/config.h"

enum { MOST = 64 };

static const char *read_network(void *field, const struct key *k, const char *text, char *why)
{
    return swax_config_set(field, k->name, text, why);
}

struct wanted { const char *name; char *text; };

static void find(const char *key, const char *value, void *arg)
{
    const struct wanted *w = arg;
    if (!strcmp(key, w->name))
        snprintf(w->text, KEY_TEXT, "%s", value);
}

static void write_network(char text[KEY_TEXT], const struct key *k, const void *field)
{
    struct wanted w = {k->name, text};
    *text = 0;
    swax_config_list(field, find, &w);
}

static const struct key_type key_network = {read_network, write_network};

/* The rows' texts: what config.c lists, and what it says would be right. */
static struct { struct key row[MOST + 1]; char name[MOST][64], otherwise[MOST][KEY_TEXT], what[MOST][SWAX_WHY]; int n; } all;

static void add(const char *key, const char *value, void *arg)
{
    static const char before[] = "should be ";
    struct swax_config *c = arg;
    char why[SWAX_WHY];
    const int i = all.n < MOST ? all.n++ : MOST - 1;
    snprintf(all.name[i], sizeof all.name[i], "%s", key);
    snprintf(all.otherwise[i], sizeof all.otherwise[i], "%s", value);
    const char *right = swax_config_set(c, key, "?", why) ? strstr(why, before) : NULL;
    snprintf(all.what[i], sizeof all.what[i], "%s", right ? right + strlen(before) : "");
    all.row[i] = (struct key){.name = all.name[i], .type = &key_network, .otherwise = all.otherwise[i], .what = all.what[i]};
}

const struct key *network_keys(void)
{
    struct swax_config c = swax_config_default();
    if (!all.n)
        swax_config_list(&c, add, &c);
    return all.row;
}
