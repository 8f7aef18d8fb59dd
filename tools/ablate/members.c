/* members.c - what is misspelt, or is of another type, would be left out without a word. */
#include "tools/ablate/members.h"

#include <string.h>

#include "tools/lib/nearest.h"
#include "tools/lib/say.h"

static const char *const a_type[] = {[JSON_STRING] = "a text", [JSON_ARRAY] = "an array", [JSON_OBJECT] = "an object"};

const char *members_check(const struct json *object, const struct member *table, const char *where, char *why)
{
    for (const struct json *j = object->first; j; j = j->next) {
        struct nearest n = nearest_to(j->key);
        const struct member *m = table;
        for (; m->name && strcmp(m->name, j->key); m++)
            nearest_try(&n, m->name);
        if (!m->name)
            return n.best ? say(why, "%s has no member \"%.60s\": did you mean %s?", where, n.word, n.best)
                          : say(why, "%s has no member \"%.60s\".", where, n.word);
        if (m->type != JSON_NULL && j->type != m->type)
            return say(why, "%s: its member \"%s\" is %s.", where, m->name, a_type[m->type]);
    }
    return NULL;
}
