/* own_change.c - other numbers, for a candidate that is asked again. Who knows a problem again by its addresses, by one
 * of its inputs, by some of its numbers or by their sums, answers what he said before. So first all inputs are others,
 * and then, in each step, one alone: a few of its numbers, none of them the first or the last, where there are more.
 * Scalars come last. */
#include "tools/verify/own.h"

#include <string.h>

/* All of a tensor's turned round, and with the other sign where they have one. */
static void turn_round(double *a, long n, enum own_like like)
{
    for (long e = 0; e < n / 2; e++) {
        const double x = a[e];
        a[e] = a[n - 1 - e];
        a[n - 1 - e] = x;
    }
    for (long e = 0; e < n && like == LIKE_NORMAL; e++)
        a[e] = -a[e];
}

/* One row of a, or about each eighth, becomes that of b: whether any is another then. */
static int take_rows(double *a, const double *b, long rows, long row, int one, uint64_t *random)
{
    const long edge = rows > 2, always = edge + (long)(op_random(random) % (uint64_t)(rows - 2 * edge));
    int changed = 0;
    for (long r = edge; r < rows - edge; r++) {
        const int taken = r == always || (!one && op_random(random) % 8 == 0);
        for (long e = r * row; e < (r + 1) * row && taken; e++) {
            changed |= a[e] != b[e];
            a[e] = b[e];
        }
    }
    return changed;
}

/* Two rows change places, so that all sums stay: whether they differed. */
static int swap_rows(double *a, long rows, long row, uint64_t *random)
{
    const long edge = rows > 3, from = rows - 2 * edge, at = (long)(op_random(random) % (uint64_t)from);
    double *one = a + (edge + at) * row, *two = a + (edge + (at + 1) % from) * row;
    int changed = 0;
    for (long e = 0; e < row; e++) {
        const double x = one[e];
        changed |= x != two[e];
        one[e] = two[e];
        two[e] = x;
    }
    return changed;
}

int own_changes(const struct own *w) { return 1 + w->tensors + w->scalars; }

/* In turn some rows, one number, two rows in each other's place; where that leaves all as it was, some rows. */
static int change_one(struct own_problem *p, const struct own *w, const struct own_problem *other, int i, int turn,
                      uint64_t *random)
{
    const struct own_tensor *t = &w->tensor[i];
    const size_t axes = strlen(t->shape);
    const long n = p->n[i], sums = t->like == LIKE_PROBABILITY ? n : 1,
               row = axes > 1 ? own_extent(w, p, t->shape[axes - 1]) : sums;
    double *a = p->at[i];
    const double *b = other->at[i];
    if (t->role == OUT)
        return 0;
    return (turn == 1 && t->like != LIKE_PROBABILITY && take_rows(a, b, n, 1, 1, random)) ||
           (turn == 2 && swap_rows(a, n / row, row, random)) || take_rows(a, b, n / row, row, 0, random);
}

int own_change(struct own_problem *p, const struct own *w, enum dtype dtype, int step)
{
    const int scalar = step - 1 - w->tensors;
    uint64_t random = p->seed + (uint64_t)step;
    struct own_problem other = *p;
    if (scalar >= 0) {      /* the end of its range that is further away */
        const struct own_scalar *s = &w->scalar[scalar];
        double *x = &p->scalar[scalar];
        *x = s->least == s->most ? *x : *x - s->least > s->most - *x ? s->least : s->most;
        return s->least < s->most;
    }
    for (int i = 0; i < w->tensors && !step; i++)
        if (w->tensor[i].role == IN)
            turn_round(p->at[i], p->n[i], w->tensor[i].like);
    if (!step)
        return 1;
    other.seed = op_random(&random);
    own_draw(&other, w, dtype);
    const int changed = change_one(p, w, &other, step - 1, (p->number + step) % 3, &random);
    own_free(&other);
    return changed;
}
