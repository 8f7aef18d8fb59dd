/* nearest.c - "did you mean": the candidate that a misspelt word was most likely meant to be. */
#include "tools/lib/nearest.h"

#include <string.h>
#include "ref/network/text.h"

/* Near is what has half of the word's letters, or more, in place. */
struct nearest nearest_to(const char *word)
{
    const struct nearest n = {word, 0, 2 + (int)strlen(word) / 2 * 2};
    return n;
}

void nearest_try_for(struct nearest *n, const char *candidate, const char *meant)
{
    const int d = swax_distance(n->word, candidate);
    if (d < n->distance) {
        n->distance = d;
        n->best = meant;
    }
}

void nearest_try(struct nearest *n, const char *candidate)
{
    nearest_try_for(n, candidate, candidate);
}
