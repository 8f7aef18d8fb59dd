/* verdicts.c - the paper's claims as rules on numbers.
 *
 * A rule is asked of every seed for which all the arms it names are finished: it holds, it fails, or the seed has no
 * say, because what the claim speaks of is not there to be compared.  A claim holds ("yes") if the rule holds for at
 * least 4 in 5 of the seeds that have a say, fails ("no") if it holds for at most 1 in 5, and is "undecided" between
 * them, without seeds, and in a preset that claims nothing.  A yes of one seed is said to be of one seed.
 *
 *   beyond    recall of facts further back than any stack of windows reaches, within the training length
 *   copy      verbatim copies that lie inside the long window: what a short window cannot do
 *
 * What the paper reports is known here from its abstract and from summaries by others: see PAPER_NOTES.md. */
#include "tools/ablate/ablate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum say { NO_SAY, FAILS, HOLDS };

struct seed_view { const struct ablation *a; const struct outcome *of[ABLATE_FULL + 1]; };   /* by role */
typedef enum say (*rule)(const struct seed_view *v);

/* a and b were compared: what was not measured is NaN. */
static enum say judge(double a, double b, int holds) { return isnan(a) || isnan(b) ? NO_SAY : holds ? HOLDS : FAILS; }
static double beyond(const struct seed_view *v, enum ablate_role r) { return v->of[r]->recall[v->a->beyond]; }

/* Short at least 0.5, and long at most half of it. */
static enum say short_helps_memory(const struct seed_view *v)
{
    const double s = beyond(v, ABLATE_SHORT), l = beyond(v, ABLATE_LONG);
    return judge(s, l, s >= ABLATE_LOCKED && l <= s / 2);
}

/* Copying: long at least 0.5, and short at most half of it. */
static enum say long_helps_copying(const struct seed_view *v)
{
    const double s = v->of[ABLATE_SHORT]->copy, l = v->of[ABLATE_LONG]->copy;
    return judge(s, l, l >= 0.5 && s <= l / 2);
}

/* At least 0.8 of what the better fixed window reaches, on both; where each fixed window does reach 0.5 of its own. */
static enum say both_get_both(const struct seed_view *v)
{
    const double s = beyond(v, ABLATE_SHORT), l = v->of[ABLATE_LONG]->copy, bs = beyond(v, ABLATE_BOTH), bl = v->of[ABLATE_BOTH]->copy;
    if (!(s >= ABLATE_LOCKED && l >= 0.5))
        return NO_SAY;
    return judge(bs, bl, bs >= 0.8 * s && bl >= 0.8 * l);
}

/* The short-trained network opened to the long window recalls at most half of what it does at its own. */
static enum say larger_test_window_collapses(const struct seed_view *v)
{
    const struct ablation *a = v->a;
    const double s = beyond(v, ABLATE_SHORT), *opened = v->of[ABLATE_SHORT]->grid;
    for (int w = 0; w < a->windows; w++)
        if (a->window[w] == a->long_window)
            return s >= ABLATE_LOCKED ? judge(s, opened[w], opened[w] <= s / 2) : NO_SAY;
    return NO_SAY;
}

/* Held-out losses within 2 % of each other (the paper's two differ by 1.2 %), where recall differs as in the first claim. */
static enum say loss_does_not_separate(const struct seed_view *v)
{
    const double s = v->of[ABLATE_SHORT]->loss, l = v->of[ABLATE_LONG]->loss;
    if (short_helps_memory(v) != HOLDS)
        return NO_SAY;
    return judge(s, l, fabs(s - l) <= 0.02 * fmin(s, l));
}

/* The short hybrid recalls at least 0.1 more than the pure stack of windows. */
static enum say hybrid_beats_swa(const struct seed_view *v)
{
    const double s = beyond(v, ABLATE_SHORT), w = beyond(v, ABLATE_PURE_SWA);
    return judge(s, w, s >= w + 0.1);
}

static const struct { const char *claim, *paper; rule rule; enum ablate_role needs[3]; } claims[ABLATE_VERDICTS] = {
    {"A short window helps long memory", "long-context recall at window 128 is 16 points above window 2048 (about 34 against 18 %)",
     short_helps_memory, {ABLATE_SHORT, ABLATE_LONG, ABLATE_OTHER}},
    {"A long window helps short context", "window 2048 is 1.1 points above window 128 on the short-context suite",
     long_helps_copying, {ABLATE_SHORT, ABLATE_LONG, ABLATE_OTHER}},
    {"Stochastic windows with annealing get both", "both about equal to the better fixed window or above it, tested at 2048",
     both_get_both, {ABLATE_SHORT, ABLATE_LONG, ABLATE_BOTH}},
    {"A larger window in testing than in training collapses", "trained at 512: 0.33 at its own window, much less above it",
     larger_test_window_collapses, {ABLATE_SHORT, ABLATE_OTHER, ABLATE_OTHER}},
    {"Loss does not separate the arms", "perplexity 2.551 at window 128, 2.523 at 2048: 0.011 nats",
     loss_does_not_separate, {ABLATE_SHORT, ABLATE_LONG, ABLATE_OTHER}},
    {"The hybrid remembers further than windows alone", "SWAX is above pure SWA in long-context recall",
     hybrid_beats_swa, {ABLATE_SHORT, ABLATE_PURE_SWA, ABLATE_OTHER}},
};

double value_recall(const struct outcome *r, int bin) { return r->recall[bin]; }
double value_grid(const struct outcome *r, int window) { return r->grid[window]; }
double value_grid_copy(const struct outcome *r, int window) { return r->grid_copy[window]; }
double value_copy(const struct outcome *r, int unused) { (void)unused; return r->copy; }
double value_loss(const struct outcome *r, int unused) { (void)unused; return r->loss; }

static int ascending(const void *a, const void *b)
{
    const double d = *(const double *)a - *(const double *)b;
    return d < 0 ? -1 : d > 0;
}

struct spread spread_of(const struct ablation *a, const struct outcome *r, int arm, outcome_value value, int index)
{
    double x[ABLATE_SEEDS];
    int n = 0;
    for (int s = 0; s < a->seeds; s++)
        if (r[arm * a->seeds + s].done && isfinite(value(&r[arm * a->seeds + s], index)))
            x[n++] = value(&r[arm * a->seeds + s], index);
    qsort(x, (size_t)n, sizeof *x, ascending);
    if (!n)
        return (struct spread){0, (double)NAN, (double)NAN, (double)NAN};
    return (struct spread){n, x[0], n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2, x[n - 1]};
}

/* The arm of a role; with several, as the stochastic ones of `full`, the one whose worse side is best in the median:
 * recall beyond reach or copying. */
static int arm_of(const struct ablation *a, const struct outcome *r, enum ablate_role role)
{
    int best = -1;
    double reached = -1;
    for (int i = 0; i < a->arms; i++) {
        if (a->arm[i]->role != role)
            continue;
        const double x = fmin(spread_of(a, r, i, value_recall, a->beyond).median, spread_of(a, r, i, value_copy, 0).median);
        if (best < 0 || x > reached) {
            best = i;
            reached = x > reached ? x : reached;
        }
    }
    return best;
}

static int say_spread(char *to, size_t room, const struct ablation *a, const struct outcome *r, int arm, const char *what, outcome_value value, int index)
{
    const struct spread s = spread_of(a, r, arm, value, index);
    if (!s.n)
        return snprintf(to, room, "%s %s not measured; ", a->arm[arm]->name, what);
    if (s.n > 1)
        return snprintf(to, room, "%s %s %.3g [%.3g, %.3g]; ", a->arm[arm]->name, what, s.median, s.low, s.high);
    return snprintf(to, room, "%s %s %.3g; ", a->arm[arm]->name, what, s.median);
}

static void describe(struct verdict *v, int claim, const struct ablation *a, const struct outcome *r, const int *arm, int holds, int say)
{
    char *to = v->measured;
    size_t room = sizeof v->measured;
    for (int k = 0; k < 3 && claims[claim].needs[k]; k++) {
        const int i = arm[claims[claim].needs[k]];
        const int loss = claims[claim].rule == loss_does_not_separate, copy = claims[claim].rule == long_helps_copying;
        const int both = claims[claim].rule == both_get_both, grid = claims[claim].rule == larger_test_window_collapses;
        int n = 0;
        if (i < 0)
            n = snprintf(to, room, "an arm is missing; ");
        else if (loss)
            n = say_spread(to, room, a, r, i, "loss", value_loss, 0);
        else if (copy)
            n = say_spread(to, room, a, r, i, "copies", value_copy, 0);
        else
            n = say_spread(to, room, a, r, i, grid ? "beyond reach at its own window" : "beyond reach", value_recall, a->beyond);
        to += n, room -= (size_t)n;
        if (claims[claim].rule == short_helps_memory && i >= 0) {
            n = say_spread(to, room, a, r, i, "in running text", value_recall, a->in_text);
            to += n, room -= (size_t)n;
        }
        for (int w = 0; grid && i >= 0 && w < a->windows; w++)
            if (a->window[w] == a->long_window) {
                n = say_spread(to, room, a, r, i, "at the long one", value_grid, w);
                to += n, room -= (size_t)n;
            }
        if (both && i >= 0) {
            n = say_spread(to, room, a, r, i, "copies", value_copy, 0);
            to += n, room -= (size_t)n;
        }
    }
    int alike = 0;
    for (int i = 0; i < a->arms; i++)
        alike += a->arm[i]->role == claims[claim].needs[2] && claims[claim].needs[2];
    if (alike > 1) {
        const int n = snprintf(to, room, "the best of %d such arms; ", alike);
        to += n, room -= (size_t)n;
    }
    snprintf(to, room, "holds for %d of %d seed%s that %s a say", holds, say, say == 1 ? "" : "s", say == 1 ? "has" : "have");
}

void verdicts(struct verdict v[ABLATE_VERDICTS], const struct ablation *a, const struct outcome *r)
{
    int arm[ABLATE_FULL + 1];
    for (int role = ABLATE_SHORT; role <= ABLATE_FULL; role++)
        arm[role] = arm_of(a, r, (enum ablate_role)role);
    for (int c = 0; c < ABLATE_VERDICTS; c++) {
        int holds = 0, say = 0;
        for (int s = 0; s < a->seeds; s++) {
            struct seed_view view = {a, {NULL}};
            int there = 1;
            for (int k = 0; k < 3 && claims[c].needs[k]; k++) {
                const int i = arm[claims[c].needs[k]];
                view.of[claims[c].needs[k]] = i < 0 ? NULL : &r[i * a->seeds + s];
                there = there && i >= 0 && r[i * a->seeds + s].done;
            }
            const enum say said = there ? claims[c].rule(&view) : NO_SAY;
            say += said != NO_SAY;
            holds += said == HOLDS;
        }
        v[c].claim = claims[c].claim;
        v[c].paper = claims[c].paper;
        v[c].holds = !say || !a->preset->claims ? "undecided" : 5 * holds >= 4 * say ? "yes" : 5 * holds <= say ? "no" : "undecided";
        describe(&v[c], c, a, r, arm, holds, say);
    }
}
