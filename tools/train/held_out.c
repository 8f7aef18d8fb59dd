/* held_out.c - the loss of held-out sequences. */
#include "tools/train/held_out.h"

#include <math.h>
#include <stdlib.h>

#include "ref/network/mixers.h"
#include "tools/lib/say.h"
#include "tools/lib/sort.h"

enum { SEED = 1 };                 /* the same sequences at every step, of every run on these data */

const char *held_out_loss(struct swax_network *n, const struct data *d, struct data_batch *b, const struct run *r,
                          int sequences, double *loss, double *error, char *why)
{
    const int B = b->batch.B, T = b->batch.T;
    float *each = malloc((size_t)B * (size_t)T * sizeof *each);
    double count = 0, sum = 0, counts = 0, products = 0, squares = 0;
    const char *wrong = each ? NULL : say(why, "There is no memory for the losses of %d tokens.", B * T);
    for (int s = 0; s < sequences && !wrong; s += B) {
        wrong = data_fill(d, b, SEED, DATA_HELD_OUT, (uint64_t)s, why);
        if (wrong)
            break;
        b->batch.window = r->windows.window;
        swax_network_evaluate(n, &b->batch, each, NULL, NULL);
        for (int i = 0; i < B && s + i < sequences; i++) {
            double targets = 0, x = 0;
            for (int t = 0; t < T; t++)
                if (b->batch.target[i * T + t] >= 0)
                    targets++, x += (double)each[i * T + t];
            count += targets, sum += x, counts += targets * targets, products += targets * x, squares += x * x;
        }
    }
    free(each);
    *loss = count > 0 ? sum / count : (double)NAN;
    *error = sequences > 1 && count > 0 ? sqrt((double)sequences / (sequences - 1) *
                                               fmax(squares - 2 * *loss * products + *loss * *loss * counts, 0)) /
                                              count
                                        : (double)NAN;
    return wrong;
}

const char *held_out_cells(struct swax_network *n, const struct data_batch *b, struct run_point *p, char *why)
{
    const struct swax_config *c = swax_network_config(n);
    struct swax_batch one = b->batch;
    one.B = 1;
    p->cells = 0;
    for (int i = 0; i < c->layers && p->cells < RUN_CELLS; i++) {
        const struct swax_mixer *x = swax_layer_mixer(c, i);
        double tokens[SWAX_INSIDE];
        if (x->sees != SWAX_SEES_STATE || x->inside.shares)
            continue;
        if (!p->cells)
            swax_network_evaluate(n, &one, NULL, NULL, NULL);
        const int heads = x->inside.see(n, swax_layer_keys(c, i), i, one.T, one.window, tokens, SWAX_INSIDE);
        if (heads < 0)
            return say(why, "There is no memory to look into layer %d.", i);
        sort_ascending(tokens, (size_t)heads);
        if (heads && isfinite(tokens[heads - 1]))
            p->cell[p->cells++] =
                (struct run_cell){i, tokens[0], (tokens[(heads - 1) / 2] + tokens[heads / 2]) / 2, tokens[heads - 1]};
    }
    return NULL;
}
