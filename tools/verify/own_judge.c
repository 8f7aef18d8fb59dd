/* own_judge.c - what a plain function says of a problem, what honest ones err about it, and how an answer stands to
 * that, by the judge's rule. */
#include "tools/verify/own.h"

#include <math.h>
#include <string.h>
#include "tools/lib/clock.h"
#include "tools/lib/say.h"

enum { NUDGES = 3, WALKS = 5, BESIDE = 6, FEW = 5000 };

int own_plainly(struct own_plain *s, enum swax_precision precision, struct own_problem *p)
{
    long unwritten[OWN_TENSORS];
    char what[OP_SENTENCE], sizes[WORDS];
    const double begun = clock_seconds();
    const char *wrong = own_call(s->process, precision, p, 0, unwritten, what);
    s->took[s->calls++ % OWN_CALLS] = clock_seconds() - begun;
    own_sizes_of(sizes, s->own, p);
    if (wrong)
        say(s->why, "The reference itself is wrong: %s, with %s.", wrong, sizes);
    for (int i = 0; i < s->own->tensors && !wrong; i++)
        if (s->own->tensor[i].role == OUT && unwritten[i]) {
            say(s->why,
                "The reference does not write %ld of the %ld elements of %s, with %s: every output is written, or is "
                "\"added\" to.",
                unwritten[i], p->n[i], s->own->tensor[i].name, sizes);
            wrong = s->why;
        }
    if (!wrong && s->way)
        own_way_back(s->way, s->own, s->of, p);
    return !wrong;
}

/* What sums of many terms round away: in half precision they are in float, and rounded far more coarsely. */
static int drift(struct own_plain *s, const struct own_problem *p, struct door_tensor t[OWN_TENSORS])
{
    const struct own *w = s->own;
    const double step = s->dtype == DT_F32 ? 0x1p-25 : s->dtype == DT_F64 ? 0x1p-54 : 0;
    int fine = 1, of[2] = {0, 0};
    for (int i = 0; i < w->tensors; i++)
        of[own_reduced(p, w, i)] |= step > 0 && w->tensor[i].role != IN;
    for (int k = 0; k < 2 * WALKS && fine; k++) {
        struct own_problem moved;
        own_copy(&moved, p, w);
        const int asked = of[k % 2] && own_drift(&moved, w, k % 2, step, p->seed + (uint64_t)k);
        fine = !asked || own_plainly(s, SWAX_PREC_F64, &moved);
        for (int i = 0; i < w->tensors && asked && fine; i++)
            if (w->tensor[i].role != IN && own_reduced(p, w, i) == k % 2)
                door_honest(&t[i], moved.at[i], 1);
        own_free(&moved);
    }
    return fine;
}

/* Numbers that are read are off by one rounding of that type. */
static void nudge(struct own_problem *p, const struct own *w, enum dtype dtype, uint64_t seed)
{
    for (int i = 0; i < w->tensors; i++)
        if (w->tensor[i].role != OUT && w->tensor[i].type != INT)
            door_nudge(p->at[i], p->n[i], (int)dtype, w->tensor[i].type == STAT, seed);
}

/* What float errs a few roundings beside these inputs: of few numbers it may be right by luck about these. */
static int beside(struct own_plain *s, const struct own_problem *p, const struct own_problem *truth,
                  struct door_tensor t[OWN_TENSORS])
{
    const struct own *w = s->own;
    int fine = 1;
    for (int k = 0; k < BESIDE && fine && own_numbers(p, w) < FEW; k++) {
        struct own_problem in_float, in_double;
        own_copy(&in_float, p, w);
        for (int step = 1; step <= 3; step++)
            nudge(&in_float, w, DT_F32, p->seed + (uint64_t)(100 * k + step));
        for (int i = 0; i < w->tensors; i++)
            if (w->tensor[i].role != OUT && w->tensor[i].type != INT)
                door_round(in_float.at[i], p->n[i], DT_F32, 1);
        own_copy(&in_double, &in_float, w);
        fine = own_plainly(s, SWAX_PREC_F32, &in_float) && own_plainly(s, SWAX_PREC_F64, &in_double);
        for (int i = 0; i < w->tensors && fine; i++) {
            if (w->tensor[i].role == IN)
                continue;
            for (long e = 0; e < p->n[i]; e++) {
                const double off = in_float.at[i][e] - in_double.at[i][e];
                in_float.at[i][e] = truth->at[i][e] + (isfinite(off) ? off : 0);
            }
            door_honest(&t[i], in_float.at[i], 0);
        }
        own_free(&in_float), own_free(&in_double);
    }
    return fine;
}

int own_solve(struct own_plain *s, const struct own_problem *p, struct own_problem *truth,
              struct door_tensor t[OWN_TENSORS])
{
    const struct own *w = s->own;
    int fine;
    own_copy(truth, p, w);
    fine = own_plainly(s, SWAX_PREC_F64, truth);
    for (int i = 0; i < w->tensors; i++) {
        const struct own_tensor *is = &w->tensor[i];
        t[i] = (struct door_tensor){ .n = p->n[i],
                                     .gradient = is->gradient,
                                     .dtype = (int)s->dtype,
                                     .statistic = is->type == STAT,
                                     .truth = truth->at[i],
                                     .axes = (int)strlen(is->shape) };
        for (int d = 0; d < t[i].axes; d++) {
            const char letter = is->shape[d];
            t[i].axis[d] = (struct axis){.word = "elements", .extent = own_extent(w, p, letter)};
            t[i].axis[d].name[0] = letter;
            for (int k = 0; k < w->sizes; k++)
                t[i].axis[d].word =
                    w->size[k].letter == letter && w->size[k].word[0] ? w->size[k].word : t[i].axis[d].word;
        }
    }
    for (int k = 0; k <= NUDGES + 1 && fine; k++) {
        struct own_problem honest;
        own_copy(&honest, p, w);
        if (k)
            nudge(&honest, w, s->dtype, k > NUDGES ? 0 : p->seed + (uint64_t)k);
        fine = own_plainly(s, k ? SWAX_PREC_F64 : SWAX_PREC_F32, &honest);
        for (int i = 0; i < w->tensors && fine; i++)
            if (w->tensor[i].role != IN) {
                if (k && s->dtype == DT_BF16)
                    door_round(honest.at[i], honest.n[i], (int)s->dtype, w->tensor[i].type == STAT);
                door_honest(&t[i], honest.at[i], k > NUDGES ? 2 : k > 0);
            }
        own_free(&honest);
    }
    return fine && beside(s, p, truth, t) && drift(s, p, t);
}

int own_judge(const struct own *w, const struct own_problem *got, const long unwritten[OWN_TENSORS],
              struct door_tensor t[OWN_TENSORS])
{
    int good = 1;
    for (int i = 0; i < w->tensors; i++)
        if (w->tensor[i].role != IN) {
            t[i].got = got->at[i];
            t[i].unwritten = (int)unwritten[i];
            door_tensor_judge(&t[i]);
            good &= t[i].within;
        }
    return good;
}
