/* spread.c - a number of an arm over its seeds. */
#include "tools/ablate/ablate.h"

#include <math.h>

#include "tools/lib/sort.h"

double value_answer(const struct outcome *r, int question)
{
    return question < 0 ? (double)NAN : r->answer[question].value;
}

struct spread spread_of(const struct ablation *a, const struct outcome *r, int arm, outcome_value value, int index)
{
    double x[ABLATE_SEEDS];
    int n = 0;
    for (int s = 0; s < a->seeds; s++)
        if (r[arm * a->seeds + s].done && isfinite(value(&r[arm * a->seeds + s], index)))
            x[n++] = value(&r[arm * a->seeds + s], index);
    sort_ascending(x, (size_t)n);
    if (!n)
        return (struct spread){0, (double)NAN, (double)NAN, (double)NAN};
    return (struct spread){n, x[0], n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2, x[n - 1]};
}
