/* examine.c - what every arm of an ablation is asked. */
#include "tools/ablate/examine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lib/say.h"
#include "tools/train/checkpoint.h"

enum { SEED = 20250929, BRIEF = 3, AT_ONCE = 8 };   /* all arms sit the same examination; a brief one asks a third */

/* The run's own source, changed to what the sitting asks. */
static const char *open_data(struct data *d, const struct run *run, const struct sitting *s, char *why)
{
    const char *value[SOURCE_KEYS];
    char range[64];
    run_values(run, value);
    if (s->to) {
        snprintf(range, sizeof range, "%d-%d", s->from, s->to);
        value[source_key_find(run->source, run->source->ask)] = range;
    }
    if (s->facts_first)
        value[source_key_find(run->source, run->source->facts_first)] = "1";
    if (data_open(d, run->source, value, s->length, why))
        return why;
    d->vocabulary = run->model.vocabulary ? run->model.vocabulary : d->vocabulary;
    return NULL;
}

/* The sitting with a network of B sequences; tally has room for the sequences, rounded up to whole batches. */
static const char *sit(const struct run *run, const struct sitting *s, struct swax_network *n, int B, int sequences,
                       struct tally (*tally)[MEASURE_ROWS], struct measured *m, char *why)
{
    struct data d = {0};
    const int facts = ablation_source_value(run, "keys") * ablation_source_value(run, "slot");
    const struct measure_how how = {.B = B, .T = s->length, .window = s->window ? s->window : run->windows.window,
                                    .sequences = sequences, .seed = SEED,
                                    .probe = s->probe, .facts_end = facts, .tally = tally};
    memset(tally, 0, (size_t)sequences * sizeof *tally);
    memset(m, 0, sizeof *m);
    if (run_interrupted) /* an examination takes long enough; it is sat again from its beginning */
        return say(why, "The examination was interrupted.");
    const char *wrong = open_data(&d, run, s, why);
    if (!wrong)
        wrong = s->span ? measure_past(n, &d, &how, s->cut, s->span, why) : measure(n, &d, &how, m, why);
    data_close(&d);
    return wrong;
}

/* One held-out sequence of the sitting. */
static const char *fill_one(const struct run *run, const struct sitting *s, char *why)
{
    struct data d = {0};
    struct data_batch b = {0};
    const char *wrong = open_data(&d, run, s, why);
    if (!wrong && !data_holds_out(&d, s->length))
        wrong = say(why, "its data hold out too little for an examination in sequences of %d tokens: give it more of "
                         "them (held_out=, held_out_file=), or make \"longest\" smaller.", s->length);
    if (!wrong)
        wrong = data_batch_new(&b, 1, s->length, why);
    if (!wrong)
        wrong = data_fill(&d, &b, SEED, DATA_HELD_OUT, 0, why);
    data_batch_free(&b);
    data_close(&d);
    return wrong;
}

const char *examine_foresee(const struct ablation *a, char *why)
{
    char wrong[SWAX_WHY];
    for (int i = 0; i < a->arms; i++)
        for (int s = 0; s < a->sittings; s++) {
            const struct sitting *here = &a->sitting[s];
            int before = 0;
            for (int k = 0; k < s; k++)
                before |= a->sitting[k].length == here->length && a->sitting[k].to == here->to &&
                          a->sitting[k].from == here->from && a->sitting[k].facts_first == here->facts_first;
            for (int k = 0; k < i && !before; k++)
                before |= !memcmp(a->run[k].value, a->run[i].value, sizeof a->run[i].value);
            if (!before && fill_one(&a->run[i], here, wrong))
                return say(why, "Arm %s: %.260s", a->arm[i].name, wrong);
        }
    return NULL;
}

/* Of a layer that has a state: its mixer's own tensors, not the block's norms and feed-forward. */
static int in_cell(const struct swax_config *c, const struct swax_tensor *t)
{
    return t->mixer_of && swax_layer_mixer(c, t->mixer_of - 1)->sees == SWAX_SEES_STATE;
}

static double cells_share(struct swax_network *n, enum swax_precision precision)
{
    int count;
    long most = 0;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    const int wide = precision == SWAX_PREC_F64;
    double cells = 0, all = 0;
    int any = 0;
    for (int i = 0; i < count; i++)
        most = t[i].size > most ? t[i].size : most;
    void *room = malloc((size_t)most * sizeof(double));
    for (int i = 0; i < count && room; i++) {
        double sum = 0;
        swax_network_get(n, SWAX_GRADIENT, i, room);
        for (long k = 0; k < t[i].size; k++) {
            const double g = wide ? ((const double *)room)[k] : (double)((const float *)room)[k];
            sum += g * g;
        }
        all += sum;
        cells += in_cell(swax_network_config(n), &t[i]) ? sum : 0;
        any |= in_cell(swax_network_config(n), &t[i]);
    }
    free(room);
    return any && all > 0 ? cells / all : (double)NAN;
}

static const char *gradient_of_cells(const struct ablation *a, const struct run *run, struct swax_network *n, int B,
                                     double *share, char *why)
{
    struct data d = {0};
    struct data_batch b = {0};
    const struct sitting plain = {.length = a->length};
    const char *wrong = open_data(&d, run, &plain, why);
    if (!wrong)
        wrong = data_batch_new(&b, B, a->length, why);
    if (!wrong)
        wrong = data_fill(&d, &b, SEED, DATA_HELD_OUT, 0, why);
    if (!wrong) {
        b.batch.window = run->windows.window;
        swax_network_zero_gradient(n);
        swax_network_gradient(n, &b.batch, b.weight > 0 ? 1 / b.weight : 0);
        *share = cells_share(n, run->precision);
    }
    data_batch_free(&b);
    data_close(&d);
    return wrong;
}

static int rounded(int sequences, int B) { return (sequences + B - 1) / B * B; }

const char *examine_briefly(const struct ablation *a, const struct run *run, struct swax_network *n, int B,
                            struct ablate_point *p, char *why)
{
    const struct {
        int question;
        double *to;
    } of[] = {{a->loss, &p->loss}, {a->memory, &p->memory}, {a->near, &p->near}};
    const char *wrong = gradient_of_cells(a, run, n, B, &p->cells, why);
    struct measured m;
    for (int k = 0; k < 3; k++)
        *of[k].to = (double)NAN;
    for (int k = 0; k < 3 && !wrong; k++) {
        if (of[k].question < 0)
            continue;
        const struct question *q = &a->ask[of[k].question];
        const struct sitting *s = &a->sitting[q->sitting];
        const int sequences = rounded((s->sequences + BRIEF - 1) / BRIEF, B);
        if (s->cut == MEASURE_FOREIGN && s->span && B < 2)
            continue;
        struct tally (*tally)[MEASURE_ROWS] = malloc((size_t)sequences * sizeof *tally);
        wrong =
            tally ? sit(run, s, n, B, sequences, tally, &m, why) : say(why, "There is no memory for an examination.");
        if (!wrong)
            *of[k].to = measure_estimate(tally, sequences, q->rows, q->what).value;
        free(tally);
    }
    return wrong;
}

/* What the layers show of their inside, on one sequence. */
static const char *inside(const struct ablation *a, const struct run *run, struct swax_network *n, struct outcome *r,
                          char *why)
{
    struct tally tally[1][MEASURE_ROWS];
    struct measured m;
    const struct sitting plain = {.length = a->length};
    if (sit(run, &plain, n, 1, 1, tally, &m, why))
        return why;
    r->layers = run->model.layers < ABLATE_LAYERS ? run->model.layers : ABLATE_LAYERS;
    for (int i = 0; i < r->layers; i++) {
        double *value = r->layer[i].value;
        const struct swax_config *c = swax_network_config(n);
        int seen = swax_layer_mixer(c, i)->inside.see(n, swax_layer_keys(c, i), i, a->length, run->windows.window,
                                                      value, SWAX_INSIDE);
        if (seen < 0)
            return say(why, "There is no memory to look into layer %d.", i);
        while (seen < SWAX_INSIDE)
            value[seen++] = (double)NAN;
    }
    return NULL;
}

/* Every question of one sitting. */
static const char *one_sitting(const struct ablation *a, const struct run *run, int sitting, struct swax_network *n,
                               int B, struct outcome *r, char *why)
{
    const struct sitting *s = &a->sitting[sitting];
    const int sequences = rounded(s->sequences, B);
    struct measured m;
    struct tally (*tally)[MEASURE_ROWS] = malloc((size_t)sequences * sizeof *tally);
    const char *wrong =
        tally ? sit(run, s, n, B, sequences, tally, &m, why) : say(why, "There is no memory for an examination.");
    for (int q = 0; q < a->questions && !wrong; q++)
        if (a->ask[q].sitting == sitting)
            r->answer[q] = measure_estimate(tally, sequences, a->ask[q].rows, a->ask[q].what);
    for (int p = 0; p < MEASURE_PARTS && !wrong && sitting == a->ask[a->loss].sitting; p++)
        r->part[p] = m.part[p].loss;
    free(tally);
    return wrong;
}

int examine_at_once(int length, int T)
{
    const int room = AT_ONCE * (length > 2048 ? length : 2048) / T;
    return room > AT_ONCE ? AT_ONCE : room > 0 ? room : 1;
}

/* Sittings of a length share a network. */
static const char *one_length(const struct ablation *a, const struct run *run, int T, struct swax_network *trained,
                              const struct swax_tier *tier, struct outcome *r, char *why)
{
    const int B = examine_at_once(a->length, T);
    struct swax_network *n = measure_copy(trained, tier, run->precision, B, T, why);
    const char *wrong = n ? NULL : why;
    for (int s = 0; s < a->sittings && !wrong; s++)
        if (a->sitting[s].length == T)
            wrong = one_sitting(a, run, s, n, B, r, why);
    if (!wrong && T == a->length)
        wrong = inside(a, run, n, r, why);
    swax_network_free(n);
    return wrong;
}

static const char *all_lengths(const struct ablation *a, const struct run *run, struct swax_network *trained,
                               const struct swax_tier *tier, struct outcome *r, char *why)
{
    for (int s = 0; s < a->sittings; s++) {
        int before = 0;
        for (int k = 0; k < s; k++)
            before |= a->sitting[k].length == a->sitting[s].length;
        if (!before && one_length(a, run, a->sitting[s].length, trained, tier, r, why))
            return why;
    }
    return NULL;
}

const char *examine(const struct ablation *a, const struct run *run, struct outcome *r, char *why)
{
    struct checkpoint c;
    const char *wrong;
    const struct swax_tier *tier = swax_tier_find(*run->tier ? run->tier : NULL, &wrong);
    for (int q = 0; q < a->questions; q++)
        r->answer[q] = (struct estimate){(double)NAN, (double)NAN, 0};
    if (!tier)
        return say(why, "%s", wrong);
    if (checkpoint_open(&c, run->out, why))
        return why;
    struct swax_network *n = swax_network_new(&c.run.model, tier, run->precision, 1, 1, 0, why);
    wrong = n ? checkpoint_load(&c, n, run->precision, 0, why) : why;
    if (!wrong)
        wrong = all_lengths(a, run, n, tier, r, why);
    if (n)
        r->parameters = (double)swax_network_parameters(n);
    r->tokens = (double)run->steps * run->batch * run->length;
    swax_network_free(n);
    checkpoint_close(&c);
    return wrong;
}

