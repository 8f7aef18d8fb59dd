/* pick.c - the next token from logits. */
#include "tools/lib/pick.h"

#include <math.h>
#include <stdlib.h>

static const float *compared;      /* qsort hands its comparison nothing else */

static int likelier_first(const void *a, const void *b)
{
    const int i = *(const int *)a, j = *(const int *)b;
    return compared[i] != compared[j] ? (compared[i] < compared[j]) - (compared[i] > compared[j]) : (i > j) - (i < j);
}

int pick_token(const struct pick *p, const float *logits, struct random *r)
{
    const int V = p->vocabulary, most = p->top_k && p->top_k < V ? p->top_k : V;
    for (int i = 0; i < V; i++)
        p->order[i] = i;
    compared = logits;
    qsort(p->order, (size_t)V, sizeof *p->order, likelier_first);
    if (p->temperature <= 0)
        return p->order[0];

    /* weight of the n-th likeliest: exp((z_n - z_0)/temperature) */
    const double largest = (double)logits[p->order[0]];
    double all = 0, kept = 0;
    int n = 0;
    for (int i = 0; i < most; i++)
        all += exp(((double)logits[p->order[i]] - largest) / p->temperature);
    while (n < most && (n == 0 || kept < p->top_p * all))
        kept += exp(((double)logits[p->order[n++]] - largest) / p->temperature);
    double at = random_unit(r) * kept;
    for (int i = 0; i < n; i++) {
        at -= exp(((double)logits[p->order[i]] - largest) / p->temperature);
        if (at < 0)
            return p->order[i];
    }
    return p->order[n - 1];
}
