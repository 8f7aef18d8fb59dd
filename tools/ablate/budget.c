/* budget.c - how long an arm trains: as its settings say, or
 *
 *   budget        so many times the steps of its settings, as 0.25
 *   equal_flops   the name of an arm before it: as many steps as that arm's FLOPs pay for
 *
 * FLOPs are the network's own count of a training step (network.h), with windows that are drawn counted by how often
 * they are. */
#include "tools/ablate/ablate.h"

#include <math.h>
#include <string.h>

#include "tools/lib/say.h"

enum { MOST_STEPS = 1 << 30 };

/* How many tokens there are, without a look at files, which may lie elsewhere when a report is made; 0: only they
 * know. */
static const char *find_vocabulary(const struct run *r, int *vocabulary, char *why)
{
    const char *value[SOURCE_KEYS];
    run_values(r, value);
    *vocabulary = r->model.vocabulary;
    return *vocabulary ? NULL : data_foresee(r->source, value, r->length, vocabulary, why);
}

/* Of training the run. */
static double flops_of(const struct run *r, int vocabulary)
{
    const struct windows *w = &r->windows;
    struct swax_config c = r->model;
    const int training = 1;
    const double drawn = w->short_window ? w->short_probability * (1 - w->anneal - w->ramp / 2) : 0;
    c.vocabulary = vocabulary;
    if (!vocabulary)
        return (double)NAN;
    const double token = (1 - drawn) * swax_network_flops(&c, r->length, w->window, training) +
                         (drawn > 0 ? drawn * swax_network_flops(&c, r->length, w->short_window, training) : 0);
    return token * r->length * r->batch * r->steps;
}

static const char *set_steps(struct run *r, const char *arm, double steps, char *why)
{
    if (!(steps <= MOST_STEPS))
        return say(why, "Arm %s: its budget asks for %.3g steps, where a run has at most %d.", arm, steps, MOST_STEPS);
    r->steps = steps < 1 ? 1 : (int)steps;
    return NULL;
}

static const char *read_times(struct run *r, const char *arm, const struct json *times, char *why)
{
    if (times->type != JSON_NUMBER || !(times->number > 0 && times->number <= 1000))
        return say(why, "Arm %s: its budget is a number above 0 and up to 1000, times the steps of its settings.", arm);
    return set_steps(r, arm, floor(times->number * r->steps + 0.5), why);
}

static const char *read_equal(struct ablation *a, int arm, const struct json *equal, int vocabulary, char *why)
{
    const char *name = a->arm[arm].name;
    int other = 0;
    while (other < arm && !(equal->type == JSON_STRING && !strcmp(a->arm[other].name, equal->text)))
        other++;
    if (other == arm)
        return say(why, "Arm %s: equal_flops names an arm that stands before it.", name);
    struct run one = a->run[arm];
    one.steps = 1;
    const double steps = floor(a->arm[other].flops / flops_of(&one, vocabulary) + 0.5);
    if (isnan(steps))
        return say(why, "Arm %s: FLOPs depend on the vocabulary, which the files alone know: say vocabulary= in the "
                        "settings.", name);
    a->arm[arm].equal_to = other;
    return set_steps(&a->run[arm], name, steps, why);
}

const char *budget_set(struct ablation *a, int arm, const struct json *times, const struct json *equal, char *why)
{
    struct ablate_arm *m = &a->arm[arm];
    int vocabulary;
    m->equal_to = -1;
    m->times = times ? times->number : 1;
    if (times && equal)
        return say(why, "Arm %s: budget and equal_flops both say how long it trains: one of them does.", m->name);
    if (times && read_times(&a->run[arm], m->name, times, why))
        return why;
    if (find_vocabulary(&a->run[arm], &vocabulary, why) || (equal && read_equal(a, arm, equal, vocabulary, why)))
        return why;
    m->flops = flops_of(&a->run[arm], vocabulary);
    return NULL;
}
