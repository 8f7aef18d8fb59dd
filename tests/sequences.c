/* sequences.c - a task's sequences for a test. */
#include "tests/sequences.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

int source_key(const struct source *s, const char *key)
{
    const int k = source_key_find(s, key);
    ck_assert_msg(k >= 0, "data=%s has no key %s", s->name, key);
    return k;
}

struct data open_task(const char *name, const char *settings, int T)
{
    const struct source *s = source_find(name);
    const char *value[SOURCE_KEYS] = {NULL};
    char why[SWAX_WHY] = "", copy[512];
    struct data d = {0};
    snprintf(copy, sizeof copy, "%s", settings);
    for (char *p = strtok(copy, " "); p; p = strtok(NULL, " ")) {
        char *equals = strchr(p, '=');
        *equals = 0;
        value[source_key(s, p)] = equals + 1;
    }
    const char *wrong = data_open(&d, s, value, T, why);
    ck_assert_msg(!wrong, "%s %s: %s", name, settings, why);
    return d;
}

struct data_batch fill(const struct data *d, int B, int T, uint64_t seed, enum data_part part, uint64_t first)
{
    struct data_batch b;
    char why[SWAX_WHY] = "";
    ck_assert(!data_batch_new(&b, B, T, why));
    const char *wrong = data_fill(d, &b, seed, part, first, why);
    ck_assert_msg(!wrong, "%s", why);
    return b;
}
