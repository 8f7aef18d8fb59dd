/* options.c - what the user asked for. */
#include "tools/lib/options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/files.h"
#include "tools/lib/json.h"
#include "tools/lib/say.h"

static struct option *find(const struct options *o, const char *key)
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

static const char *add(struct options *o, const char *key, size_t key_length, const char *value, int on_line, char *why)
{
    struct option *grown = realloc(o->list, (size_t)(o->n + 1) * sizeof *grown);
    if (!grown)
        return say(why, "There is no memory for the options.");
    o->list = grown;
    struct option *p = &grown[o->n];
    p->key = copy(key, key_length);
    p->value = copy(value, strlen(value));
    p->taken = 0;
    p->on_line = on_line;
    if (p->key && p->value) {
        o->n++;
        return NULL;
    }
    free(p->key);
    free(p->value);
    return say(why, "There is no memory for the options.");
}

static const char *read_one(struct options *o, char *key, const char *next, int *used, char *why)
{
    const int dashes = key[0] == '-' && key[1] == '-' ? 2 : 0;
    key += dashes;
    const size_t n = strcspn(key, "=");
    if (!n || (!key[n] && !dashes))
        return say(why, "\"%.100s\" is not an option: options are written key=value.", key - dashes);
    for (size_t i = 0; i < n; i++)
        if (key[i] == '-')
            key[i] = '_';
    const char *value = key + n + 1;
    if (!key[n]) {
        *used = next && strncmp(next, "--", 2) && !strchr(next, '=');
        value = *used ? next : "yes";
    }
    for (int i = 0; i < o->n; i++)
        if (o->list[i].on_line && strlen(o->list[i].key) == n && !strncmp(o->list[i].key, key, n))
            return say(why, "%.*s is given twice: \"%.80s\" and \"%.80s\".", (int)n, key, o->list[i].value, value);
    return add(o, key, n, value, 1, why);
}

const char *options_read(struct options *o, int argc, char **argv, char *why)
{
    for (int i = 0; i < argc; i++) {
        int used = 0;
        if (read_one(o, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &used, why))
            return why;
        i += used;
    }
    const char *file = options_take(o, "config");
    return file ? options_read_json(o, file, why) : NULL;
}

const char *options_read_json(struct options *o, const char *path, char *why)
{
    char wrong[SWAX_WHY];
    size_t size;
    char *text = file_read(path, 1 << 20, &size, why);
    if (!text)
        return why;
    struct json *root = json_parse(text, size, wrong);
    free(text);
    if (!root)
        return say(why, "%.120s is %s", path, wrong);
    const char *bad = root->type == JSON_OBJECT ? NULL : say(why, "%s does not hold a JSON object of options.", path);
    for (const struct json *j = root->first; j && !bad; j = j->next) {
        const char *value = j->type == JSON_STRING || j->type == JSON_NUMBER ? j->text : j->type == JSON_TRUE ? "yes" : j->type == JSON_FALSE ? "no" : NULL;
        if (!value)
            bad = say(why, "%.120s: \"%.80s\" must be a string, a number, true or false.", path, j->key);
        else if (!find(o, j->key))
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

const char *options_take(struct options *o, const char *key)
{
    struct option *p = find(o, key);
    if (!p)
        return NULL;
    p->taken = 1;
    return p->value;
}

const char *options_left(const struct options *o, const char *const *keys, char *why)
{
    for (int i = 0; i < o->n; i++) {
        if (o->list[i].taken)
            continue;
        struct nearest n = nearest_to(o->list[i].key);
        for (int k = 0; keys[k]; k++)
            nearest_try(&n, keys[k]);
        return n.best ? say(why, "There is no option \"%.60s\" here: did you mean %s?", n.word, n.best)
                      : say(why, "There is no option \"%.60s\" here.", n.word);
    }
    return NULL;
}

int option_number(const char *text, double least, double most, double *value)
{
    char *end;
    if (!*text || isspace((unsigned char)*text))
        return 0;
    *value = strtod(text, &end);
    return !*end && *value >= least && *value <= most;
}

int option_whole(const char *text, long least, long most, long *value)
{
    char *end;
    if (!*text || isspace((unsigned char)*text))
        return 0;
    errno = 0;
    *value = strtol(text, &end, 10);
    return !*end && !errno && *value >= least && *value <= most;
}

/* How many letters are wrong, missing, too many, or swapped with their neighbour; row[i % 3] belongs to the first i
 * letters of a.  Words longer than a row are far from everything. */
static int distance(const char *a, const char *b)
{
    enum { MOST = 63 };
    int row[3][MOST + 1];
    const int m = (int)strlen(a), n = (int)strlen(b);
    if (m > MOST || n > MOST)
        return MOST;
    for (int i = 0; i <= m; i++)
        for (int j = 0; j <= n; j++) {
            int *here = &row[i % 3][j], *above = row[(i + 2) % 3], *twice = row[(i + 1) % 3];
            if (!i || !j) {
                *here = i + j;
                continue;
            }
            const int replace = above[j - 1] + (a[i - 1] != b[j - 1]), shorter = (above[j] < here[-1] ? above[j] : here[-1]) + 1;
            *here = replace < shorter ? replace : shorter;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && twice[j - 2] + 1 < *here)
                *here = twice[j - 2] + 1;
        }
    return row[m % 3][n];
}

struct nearest nearest_to(const char *word)
{
    const struct nearest n = {word, 0, 1 + (int)strlen(word) / 2};
    return n;
}

void nearest_try(struct nearest *n, const char *candidate)
{
    const int d = distance(n->word, candidate);
    if (d < n->distance) {
        n->distance = d;
        n->best = candidate;
    }
}
