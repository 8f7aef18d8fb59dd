/* optimiser.c - what is done to all weights at once, slice by slice, in one precision: the norm of the gradient, a step
 * of AdamW, and the copy that kernels read.  Compiled once per precision. */
#include <math.h>

#include "ref/network/engine.h"
#include "ref/network/model.h"

static const struct R(swax_kernels) *table(const struct swax_network *n) { return n->table; }

static void slice_squares(int i, void *arg)
{
    const struct swax_network *n = arg;
    const struct swax_slice *s = &n->slice[i];
    table(n)->sqsum(n->sum + (n->tier->memory ? 0 : i), (const stat *)n->g[0] + s->from, s->count);
}

double R(swax_gradient_norm)(struct swax_network *n)
{
    double total;
    swax_tier_zero(n->tier, n->sum, (size_t)n->slices * sizeof(double));
    swax_each(n, n->slices, n->threads, slice_squares, n);
    for (int i = 1; i < n->slices && !n->tier->memory; i++)
        n->sum[0] += n->sum[i];
    swax_get(n, &total, n->sum, sizeof total);
    return sqrt(total);
}

struct update { struct swax_network *n; const struct swax_adamw *o; int step; };

static void slice_cast(int i, void *arg)
{
    const struct swax_network *n = arg;
    const struct swax_slice *s = &n->slice[i];
    table(n)->cast((real *)n->w + s->from, (const stat *)n->s + s->from, s->count);
}

static void slice_update(int i, void *arg)
{
    const struct update *u = arg;
    struct swax_network *n = u->n;
    const struct swax_slice *s = &n->slice[i];
    table(n)->adamw((stat *)n->s + s->from, (stat *)n->m + s->from, (stat *)n->v + s->from,
                    (const stat *)n->g[0] + s->from,
                    n->sum, s->count, u->step, u->o->rate, u->o->beta1, u->o->beta2, u->o->eps,
                    s->decay ? u->o->decay : 0, u->o->clip);
    if (n->w != n->s)
        slice_cast(i, n);
}

void R(swax_adamw)(struct swax_network *n, const struct swax_adamw *o, int step)
{
    struct update u = { n, o, step };
    swax_each(n, n->slices, n->threads, slice_update, &u);
}

void R(swax_weights_changed)(struct swax_network *n)
{
    if (n->w != n->s)
        swax_each(n, n->slices, n->threads, slice_cast, n);
}
