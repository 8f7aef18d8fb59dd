/* builtin.c - the ablations of data/ablate, as the build has put them into the program. */
#include "tools/ablate/ablate.h"

#include <stdlib.h>
#include <string.h>

#include "tools/lib/nearest.h"
#include "tools/lib/say.h"

char *ablate_builtin_text(const char *name, char *why)
{
    struct nearest n = nearest_to(name);
    const struct ablate_builtin *b = ablate_builtin;
    for (; b->name && strcmp(b->name, name); b++)
        nearest_try(&n, b->name);
    if (!b->name) {
        say(why,
            n.best ? "There is no ablation \"%.60s\": did you mean %s?"
                   : "There is no ablation \"%.60s\": `swax ablate help` lists those there are, and a file is named "
                     "with its .json.%s",
            name, n.best ? n.best : "");
        return NULL;
    }
    size_t size = 1;
    for (int i = 0; b->line[i]; i++)
        size += strlen(b->line[i]);
    char *text = malloc(size), *to = text;
    if (!text) {
        say(why, "There is no memory for the ablation %s.", name);
        return NULL;
    }
    for (int i = 0; b->line[i]; to += strlen(b->line[i]), i++)
        strcpy(to, b->line[i]);
    *to = 0;
    return text;
}
