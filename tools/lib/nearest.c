/* nearest.c - "did you mean": Damerau and Levenshtein's distance between two words. */
#include "tools/lib/nearest.h"

#include <string.h>

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
            const int replace = above[j - 1] + (a[i - 1] != b[j - 1]);
            const int shorter = (above[j] < here[-1] ? above[j] : here[-1]) + 1;
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

void nearest_try_for(struct nearest *n, const char *candidate, const char *meant)
{
    const int d = distance(n->word, candidate);
    if (d < n->distance) {
        n->distance = d;
        n->best = meant;
    }
}

void nearest_try(struct nearest *n, const char *candidate)
{
    nearest_try_for(n, candidate, candidate);
}
