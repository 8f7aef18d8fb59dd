/* examine.c - what every arm of an ablation is asked. */
#include "tools/ablate/examine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/train/checkpoint.h"
#include "tools/lib/say.h"

enum { SEED = 20250929, BRIEF = 3 };       /* all arms sit the same examination; a brief one asks a third */

struct examiner {
    const struct ablation *a;
    const struct run *run;
    int test_window, facts_end;
    struct data plain, bin[ABLATE_BINS], probe;
    const struct swax_tier *tier;
};

/* The run's own source with some of its parameters changed. */
static const char *open_with(struct data *d, const struct run *run, int T, const char *key1, const char *value1,
                             const char *key2, const char *value2, char *why)
{
    const char *value[SOURCE_KEYS];
    for (int i = 0; i < SOURCE_KEYS; i++)
        value[i] = run->value[i];
    if (key1)
        value[source_key_find(run->source, key1)] = value1;
    if (key2)
        value[source_key_find(run->source, key2)] = value2;
    return data_open(d, run->source, value, T, why);
}

static const char *open_all(struct examiner *e, char *why)
{
    char range[64];
    const struct ablation *a = e->a;
    const char *wrong = open_with(&e->plain, e->run, a->length, NULL, NULL, NULL, NULL, why);
    for (int b = 0; !wrong && b < a->in_text; b++) {
        snprintf(range, sizeof range, "%d-%d", a->bin[b].from, a->bin[b].to);
        wrong = open_with(&e->bin[b], e->run, a->bin[b].length, "ask", range, NULL, NULL, why);
    }
    e->facts_end = ablation_source_value(e->run, "keys") * ablation_source_value(e->run, "slot");
    const int nearest = a->reach + 2 > e->facts_end ? a->reach + 2 : e->facts_end;
    snprintf(range, sizeof range, "%d-%d", nearest, a->length - e->facts_end);
    return wrong ? wrong : open_with(&e->probe, e->run, a->length, "ask", range, "facts_first", "1", why);
}

struct examiner *examiner_new(const struct ablation *a, int arm, char *why)
{
    struct examiner *e = calloc(1, sizeof *e);
    const char *wrong;
    if (!e) {
        say(why, "There is no memory for an examination.");
        return NULL;
    }
    e->a = a;
    e->run = &a->run[arm];
    e->test_window = a->test_window[arm];
    e->tier = swax_tier_find(*e->run->tier ? e->run->tier : NULL, &wrong);
    if (!e->tier)
        say(why, "%s", wrong);
    if (e->tier && !open_all(e, why))
        return e;
    examiner_free(e);
    return NULL;
}

void examiner_free(struct examiner *e)
{
    if (!e)
        return;
    data_close(&e->plain);
    data_close(&e->probe);
    for (int b = 0; b < ABLATE_BINS; b++)
        data_close(&e->bin[b]);
    free(e);
}

static double share(long right, long asked) { return asked ? (double)right / (double)asked : (double)NAN; }

static double loss_of(const struct measured *m)
{
    double loss = 0, targets = 0;
    for (int p = 0; p < MEASURE_PARTS; p++)
        if (m->part[p].targets) {
            loss += m->part[p].loss * (double)m->part[p].targets;
            targets += (double)m->part[p].targets;
        }
    return loss / targets;
}

/* tags of the task mentions: 0 a copied symbol, 1 a first mention, from 2 on repeated values by distance */
static double copies_of(const struct measured *m) { return share(m->tag[0].right, m->tag[0].asked); }
static double values_of(const struct measured *m)
{
    long right = 0, asked = 0;
    for (int k = 2; k < MEASURE_TAGS; k++)
        right += m->tag[k].right, asked += m->tag[k].asked;
    return share(right, asked);
}

/* Values last said further back than `reach`; the classes of distance are powers of two. */
static double values_beyond(const struct measured *m, int reach)
{
    long right = 0, asked = 0;
    for (int k = 2; k < MEASURE_TAGS && k - 2 < 30; k++)
        if (1 << (k - 2) > reach + 1)
            right += m->tag[k].right, asked += m->tag[k].asked;
    return share(right, asked);
}

static struct measure_how how_of(const struct examiner *e, int B, int T, int window, int sequences)
{
    struct measure_how h = {B, T, window, (sequences + B - 1) / B * B, SEED, MEASURE_WHOLE, e->facts_end};
    return h;
}

/* An examination takes long enough to be interrupted; it is sat again from its beginning. */
static const char *ask(struct swax_network *n, const struct data *d, const struct measure_how *h, struct measured *m, char *why)
{
    return run_interrupted ? say(why, "The examination was interrupted.") : measure(n, d, h, m, why);
}

const char *examine_briefly(struct examiner *e, struct swax_network *n, int B, struct ablate_point *p, char *why)
{
    struct measured m;
    const struct measure_how h = how_of(e, B, e->a->length, e->test_window, (e->a->preset->sequences + BRIEF - 1) / BRIEF);
    if (ask(n, &e->plain, &h, &m, why))
        return why;
    p->loss = loss_of(&m);
    p->copy = copies_of(&m);
    if (ask(n, &e->bin[e->a->beyond], &h, &m, why))
        return why;
    p->recall = values_of(&m);
    return NULL;
}

/* Everything that is asked at the training length. */
static const char *at_length(struct examiner *e, struct swax_network *n, int B, struct outcome *r, char *why)
{
    const struct ablation *a = e->a;
    struct measured m;
    struct measure_how h = how_of(e, B, a->length, e->test_window, a->preset->sequences);
    if (ask(n, &e->plain, &h, &m, why))
        return why;
    r->loss = loss_of(&m);
    r->copy = copies_of(&m);
    r->recall[a->in_text] = values_beyond(&m, ablation_reach(e->run));
    for (int p = 0; p < MEASURE_PARTS; p++)
        r->part[p] = m.part[p].loss;
    double *const probe[] = {[MEASURE_WHOLE] = &r->whole, [MEASURE_SPAN_CUT] = &r->span_cut, [MEASURE_RELAY_BLOCK] = &r->relay_block};
    for (int k = MEASURE_WHOLE; k <= MEASURE_RELAY_BLOCK; k++) {
        h.probe = (enum measure_probe)k;
        if (ask(n, &e->probe, &h, &m, why))
            return why;
        *probe[k] = values_of(&m);
    }
    h.probe = MEASURE_WHOLE;
    for (int w = 0; w < a->windows; w++) {
        h.window = a->window[w];
        if (ask(n, &e->bin[a->beyond], &h, &m, why))
            return why;
        r->grid[w] = values_of(&m);
        if (ask(n, &e->plain, &h, &m, why))
            return why;
        r->grid_copy[w] = copies_of(&m);
    }
    return NULL;
}

static const char *one_bin(struct examiner *e, struct swax_network *n, int bin, int B, struct outcome *r, char *why)
{
    struct measured m;
    const int T = e->a->bin[bin].length, asked = e->a->preset->sequences;
    const struct measure_how h = how_of(e, B, T, e->test_window, T > e->a->length ? (asked + 1) / 2 : asked);
    if (ask(n, &e->bin[bin], &h, &m, why))
        return why;
    r->recall[bin] = values_of(&m);
    return NULL;
}

/* What the layers show of their inside, on one sequence. */
static const char *inside(struct examiner *e, struct swax_network *n, struct outcome *r, char *why)
{
    struct measured m;
    const int T = e->a->length;
    const struct measure_how h = how_of(e, 1, T, e->test_window, 1);
    if (ask(n, &e->plain, &h, &m, why))
        return why;
    r->layers = e->run->model.layers < ABLATE_LAYERS ? e->run->model.layers : ABLATE_LAYERS;
    for (int i = 0; i < r->layers; i++) {
        double *value = r->layer[i].value;
        const struct swax_config *c = swax_network_config(n);
        int seen = swax_layer_mixer(c, i)->inside.see(n, swax_layer_keys(c, i), i, T, e->test_window, value, SWAX_INSIDE);
        if (seen < 0)
            return say(why, "There is no memory to look into layer %d.", i);
        while (seen < SWAX_INSIDE)
            value[seen++] = (double)NAN;
    }
    return NULL;
}

/* Lengths share networks: one for each that is asked for, with as many sequences at a time as make up 8 of training. */
static const char *all_lengths(struct examiner *e, struct swax_network *trained, enum swax_precision precision, struct outcome *r, char *why)
{
    const struct ablation *a = e->a;
    const char *wrong = NULL;
    for (int b = 0; !wrong && b < a->in_text;) {
        const int T = a->bin[b].length, B = 8 * a->length / T > 0 ? 8 * a->length / T : 1;
        struct swax_network *n = measure_copy(trained, e->tier, precision, B, T, why);
        if (!n)
            return why;
        if (T == a->length)
            wrong = at_length(e, n, B, r, why);
        if (!wrong && T == a->length)
            wrong = inside(e, n, r, why);
        for (; !wrong && b < a->in_text && a->bin[b].length == T; b++)
            wrong = one_bin(e, n, b, B, r, why);
        swax_network_free(n);
    }
    return wrong;
}

const char *examine(struct examiner *e, const struct run *run, struct outcome *r, char *why)
{
    struct checkpoint c;
    if (checkpoint_open(&c, run->out, why))
        return why;
    struct swax_network *n = swax_network_new(&c.run.model, e->tier, run->precision, 1, 1, 0, why);
    const char *wrong = n ? checkpoint_load(&c, n, run->precision, 0, why) : why;
    if (!wrong)
        wrong = all_lengths(e, n, run->precision, r, why);
    if (n)
        r->parameters = (double)swax_network_parameters(n);
    r->tokens = (double)run->steps * run->batch * run->length;
    swax_network_free(n);
    checkpoint_close(&c);
    return wrong;
}
