/* options.c - what the user asked for, as text. */
#include "tools/lib/options.h"

#include <stdlib.h>
#include <string.h>
#include "tools/lib/configs.h"
#include "tools/lib/files.h"
#include "tools/lib/json.h"
#include "tools/lib/say.h"

struct option *options_find(const struct options *o, const char *key)
{
    for (int i = 0; i < o->n; i++)
        if (!strcmp(o->list[i].key, key))
            return &o->list[i];
    return NULL;
}

static char *copy(const char *text, size_t n)
{
    char *to = malloc(n + 1);
    if (to) {
        memcpy(to, text, n);
        to[n] = 0;
    }
    return to;
}

/* A dash in a key means an underscore. */
static char *copy_key(const char *text, size_t n)
{
    char *to = copy(text, n);
    for (char *p = to; p && (p = strchr(p, '-'));)
        *p = '_';
    return to;
}

/* One more, or what was given takes the new value, if `over`. */
static const char *add(struct options *o, const char *key, size_t key_length, const char *value, int over, char *why)
{
    struct option p = {.key = copy_key(key, key_length), .value = copy(value, strlen(value))}, *there = p.key
        ? options_find(o, p.key) : NULL;
    struct option *grown = there ? o->list : realloc(o->list, (size_t)(o->n + 1) * sizeof *grown);
    o->list = grown ? grown : o->list;
    if (p.key && p.value && grown && !there) {
        o->list[o->n++] = p;
        return NULL;
    }
    const int replaced = there && p.value && over;
    if (replaced) {
        free(there->value);
        there->value = p.value;
    }
    free(p.key);
    if (!replaced)
        free(p.value);
    return there && p.value ? NULL : say(why, "There is no memory for the options.");
}

/* ---- the command line */

static size_t key_length(const char *word)
{
    return strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
}

/* "--key", and perhaps the next argument: a yes or no needs none. */
static const char *read_dashed(struct options *o, const char *word, const char *next, int *used, const struct keys *k,
                               char *why)
{
    char key[64];
    const size_t n = strlen(word);
    if (!n || n >= sizeof key)
        return say(why, "\"--%.100s\" is not an option: options are written key=value.", word);
    for (size_t i = 0; i <= n; i++)
        key[i] = word[i] == '-' ? '_' : word[i];
    const struct key *row = keys_find(k, key, NULL);
    const int dashed = next && !strncmp(next, "--", 2);
    if (row && row->type == &key_yes)
        *used = next && (!strcmp(next, "yes") || !strcmp(next, "no"));
    else
        *used = next && !dashed && (row || !strchr(next, '='));
    if (row && row->type != &key_yes && !*used)
        return say(why, "--%s: a value belongs behind it.", key);
    return add(o, key, n, *used ? next : "yes", 1, why);
}

static const char *read_bare(struct options *o, const char *word, const char **words, const char *of, char *why)
{
    const size_t n = strcspn(*words, " ");
    char key[64];
    memcpy(key, *words, n);
    key[n] = 0;
    const struct option *given = n ? options_find(o, key) : NULL;
    if (given)
        return say(why, "\"%.100s\" is not an option: options are written key=value, and %s=%.60s was given already.",
                   word, key, given->value);
    if (!n)
        return say(why, "%s does not know what to do with \"%.100s\": options are written key=value.", of, word);
    *words += n + strspn(*words + n, " ");
    return add(o, key, n, word, 0, why);
}

static const char *read_one(struct options *o, const char *word, const char *next, int *used, const struct keys *k,
                            const char **words, char *why)
{
    if (!strcmp(word, "-o")) {
        *used = 1;
        return next && *next != '-' ? add(o, "output", strlen("output"), next, 1, why)
                                    : say(why, "-o: a path belongs behind it.");
    }
    const int dashes = !strncmp(word, "--", 2) ? 2 : 0;
    const char *const key = word + dashes;
    const size_t n = key_length(key);
    if (!dashes && (key[n] != '=' || !n || *key == '-'))
        return *key == '=' || *key == '-'
            ? say(why, "\"%.100s\" is not an option: options are written key=value.", word)
                                          : read_bare(o, word, words, k->of, why);
    if (key[n] == '=')
        return add(o, key, n, key + n + 1, 1, why);
    return read_dashed(o, key, next, used, k, why);
}

const char *options_read(struct options *o, int argc, char **argv, const struct keys *k, const char *words, char *why)
{
    for (int i = 0; i < argc; i++) {
        int used = 0;
        if (read_one(o, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &used, k, &words, why))
            return why;
        i += used;
    }
    struct option *config = options_find(o, "config");
    if (!config)
        return NULL;
    config->taken = 1;
    const int said = o->n;
    const char *name = config->value, *known = config_settings(name);
    const char *wrong = known ? options_read_settings(o, known, 0, why) : options_read_json(o, name, why);
    for (int i = said; i < o->n; i++)
        o->list[i].of_config = 1;
    return wrong;
}

/* ---- settings and files */

const char *options_read_settings(struct options *o, const char *settings, int over, char *why)
{
    const char *p = settings + strspn(settings, "; ");
    while (*p) {
        const size_t length = strcspn(p, ";"), equals = strcspn(p, "=");
        size_t end = length;
        while (end > equals && p[end - 1] == ' ')
            end--;
        char *value = equals < length ? copy(p + equals + 1, end - equals - 1) : NULL;
        const char *wrong = value ? add(o, p, equals, value, over, why)
                                  : say(why, "\"%.60s\" is no setting: they are written key=value; key=value.", p);
        free(value);
        if (wrong)
            return wrong;
        p += length;
        p += strspn(p, "; ");
    }
    return NULL;
}

const char *options_read_json(struct options *o, const char *path, char *why)
{
    struct json *root = json_read(path, 1 << 20, why);
    if (!root)
        return why;
    const char *bad = root->type == JSON_OBJECT ? NULL : say(why, "%s does not hold a JSON object of options.", path);
    for (const struct json *j = root->first; j && !bad; j = j->next) {
        const char *value = j->type == JSON_STRING || j->type == JSON_NUMBER ? j->text : j->type == JSON_TRUE
            ? "yes" : j->type == JSON_FALSE ? "no" : NULL;
        if (!value)
            bad = say(why, "%.120s: \"%.80s\" must be a string, a number, true or false.", path, j->key);
        else
            bad = add(o, j->key, strlen(j->key), value, 0, why);
    }
    json_free(root);
    return bad;
}

void options_free(struct options *o)
{
    for (int i = 0; i < o->n; i++) {
        free(o->list[i].key);
        free(o->list[i].value);
    }
    free(o->list);
    o->list = NULL;
    o->n = 0;
}

/* ---- to their fields */

const char *options_value(const struct options *o, const char *key)
{
    const struct option *p = options_find(o, key);
    return p ? p->value : NULL;
}

const char *options_give_one(struct options *o, const char *key, const struct keys *k, char *why)
{
    struct option *p = options_find(o, key);
    if (!p || p->taken)
        return NULL;
    p->taken = 1;
    return keys_set(k, key, p->value, why);
}

const char *options_give(struct options *o, const struct keys *k, char *why)
{
    for (int i = 0; i < o->n; i++)
        if (!o->list[i].taken && keys_find(k, o->list[i].key, NULL)) {
            o->list[i].taken = 1;
            if (keys_set(k, o->list[i].key, o->list[i].value, why))
                return why;
        }
    return NULL;
}

static const char *unknown(const struct options *o, const struct option *p, const struct keys *k, char *why)
{
    char what[SWAX_WHY];
    if (!p->of_config)
        return keys_unknown(k, p->key, why);
    return say(why, "config=%.60s: %.220s", options_value(o, "config"), keys_unknown(k, p->key, what));
}

const char *options_known(const struct options *o, const struct keys *k, char *why)
{
    for (int i = 0; i < o->n; i++)
        if (strcmp(o->list[i].key, "config") && !keys_find(k, o->list[i].key, NULL))
            return unknown(o, &o->list[i], k, why);
    return NULL;
}

const char *options_left(const struct options *o, const struct keys *k, char *why)
{
    for (int i = 0; i < o->n; i++)
        if (!o->list[i].taken)
            return unknown(o, &o->list[i], k, why);
    return NULL;
}

const char *options_give_all(struct options *o, const struct keys *k, char *why)
{
    return options_give(o, k, why) ? why : options_left(o, k, why);
}
