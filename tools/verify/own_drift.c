/* own_drift.c - what sums of many terms round away. Who adds n terms one after the other rounds every sum on the way,
 * and errs as if each term had moved by the roundings behind it: by a walk of half a rounding a step. A plain
 * function that sums in double, or in pieces, shows nothing of that. So it is asked about inputs that drift so: along
 * every axis that is long, and, for an output that sums over several axes of an input, along that input as it lies in
 * memory. */
#include "tools/verify/own.h"

#include <stdlib.h>

enum { LONG = 64, RUN = 64 };         /* LONG: terms; what fewer leave is within the rule as it is */

/* a[e] *= walk[e / behind % n]; `run` steps in turn go the same way */
static void walk_along(double *a, long numbers, long n, long behind, double step, int run, uint64_t *random)
{
    double *walk = op_take((size_t)n, sizeof *walk), at = 1, by = 0;
    for (long e = 0; e < n; e++) {
        by = e % run ? by : op_random(random) >> 63 ? step : -step;
        walk[e] = at += by;
    }
    for (long e = 0; e < numbers; e++)
        a[e] *= walk[e / behind % n];
    free(walk);
}

int own_drift(struct own_problem *p, const struct own *w, int in_memory, double step, uint64_t seed)
{
    const int alike = p->family == OP_EQUAL || p->family == OP_ONEHOT || p->family == OP_INTEGERS,
              run = alike ? RUN : 1;      /* equal terms are rounded alike */
    int moved = 0;
    for (int i = 0; i < w->tensors; i++) {
        const struct own_tensor *t = &w->tensor[i];
        long behind = p->n[i];
        if (t->role != IN || t->type == INT)
            continue;
        if (in_memory && p->n[i] > LONG)      /* few numbers may be right by luck, in every walk: twice as far */
            walk_along(p->at[i], p->n[i], p->n[i], 1, 2 * step, run, &seed), moved = 1;
        for (const char *c = t->shape; *c && !in_memory; c++) {
            const long n = own_extent(w, p, *c);
            behind /= n;
            if (n > LONG)
                walk_along(p->at[i], p->n[i], n, behind, step, run, &seed), moved = 1;
        }
    }
    return moved;
}

int own_reduced(const struct own_problem *p, const struct own *w, int i)
{
    int over = 0;
    for (int k = 0; k < w->tensors; k++) {
        long longest = 1;
        for (const char *c = w->tensor[k].shape; *c; c++)
            longest = own_extent(w, p, *c) > longest ? own_extent(w, p, *c) : longest;
        over |= w->tensor[k].role == IN && p->n[i] * longest < p->n[k];
    }
    return over;
}
