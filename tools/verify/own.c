/* own.c - somebody's kernel against somebody's plain function, by the judge's rule.
 *
 * The candidate answers each problem twice, at different addresses, before the plain function is asked for the truth,
 * in double, and for what honest ones err: in float, and in double on inputs that are off by one rounding. Every few
 * problems, other numbers lie where the last ones lay, and then the last ones again. */
#include "tools/verify/own.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/commands.h"
#include "tools/lib/json.h"
#include "tools/lib/say.h"

enum { NUDGES = 3, EVERY = 5 };
static const double MOST_NUMBERS = 2e8;

/* What was found of one tensor. */
struct found {
    int cases, failed, asked;
    double ratio;
    struct door_tensor worst;
    int number;
    enum op_family family;
    char sizes[WORDS];
};
struct verdict {
    int problems, failed, unequal, first_unequal, trouble_at;
    char trouble[OP_SENTENCE];
    struct found tensor[OWN_TENSORS];
};
struct session {
    const struct own *own;
    enum dtype dtype;
    struct own_process *reference, *candidate;
    struct verdict *v;
    char *why;                        /* not empty: there is no verdict */
};

static void sizes_of(char text[WORDS], const struct own *w, const struct own_problem *p)
{
    text[0] = 0;
    for (int i = 0; i < w->sizes; i++)
        snprintf(text + strlen(text), WORDS - strlen(text), "%s%c=%d", i ? " " : "", w->size[i].letter, p->size[i]);
    for (int i = 0; i < w->scalars; i++)
        snprintf(text + strlen(text), WORDS - strlen(text), " %s=%.3g", w->scalar[i].name, p->scalar[i]);
}

static void trouble(struct session *s, const struct own_problem *p, const char *what)
{
    if (!s->v->trouble[0]) {
        snprintf(s->v->trouble, OP_SENTENCE, "%s", what);
        s->v->trouble_at = p->number;
    }
}

/* The plain function's answers: 1, or 0 and why there is no verdict. */
static int plainly(struct session *s, enum swax_precision precision, struct own_problem *p)
{
    long unwritten[OWN_TENSORS];
    char what[OP_SENTENCE], sizes[WORDS];
    int lost = 0;
    const char *wrong = own_call(s->reference, precision, p, 0, unwritten, what, &lost);
    sizes_of(sizes, s->own, p);
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
    return !wrong;
}

/* The truth, and what honest ones err about it, for every output. */
static int solve(struct session *s, const struct own_problem *p, struct own_problem *truth,
                 struct door_tensor t[OWN_TENSORS])
{
    const struct own *w = s->own;
    int fine;
    own_copy(truth, p, w);
    fine = plainly(s, SWAX_PREC_F64, truth);
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
        for (int i = 0; i < w->tensors && k; i++)
            if (w->tensor[i].role != OUT && w->tensor[i].type != INT)
                door_nudge(honest.at[i], honest.n[i], (int)s->dtype, w->tensor[i].type == STAT,
                           k > NUDGES ? 0 : p->seed + (uint64_t)k);
        fine = plainly(s, k ? SWAX_PREC_F64 : SWAX_PREC_F32, &honest);
        for (int i = 0; i < w->tensors && fine; i++)
            if (w->tensor[i].role != IN) {
                if (k && s->dtype == DT_BF16)
                    door_round(honest.at[i], honest.n[i], (int)s->dtype, w->tensor[i].type == STAT);
                door_honest(&t[i], honest.at[i], k > NUDGES ? 2 : k > 0);
            }
        own_free(&honest);
    }
    return fine;
}

static double over(const struct door_tensor *t)
{
    const double most = t->error.most / t->bound.most, rms = t->error.rms / t->bound.rms,
                 bias = t->bound.bias > 0 ? t->error.bias / t->bound.bias : 0;
    return fmax(fmax(most, rms), bias);
}

/* Every output of one answer against the truth: 1 if all are within. */
static int judge(struct session *s, const struct own_problem *p, const struct own_problem *got,
                 const long unwritten[OWN_TENSORS], struct door_tensor t[OWN_TENSORS], int notes)
{
    int good = 1;
    for (int i = 0; i < s->own->tensors; i++) {
        struct found *f = &s->v->tensor[i];
        if (s->own->tensor[i].role == IN)
            continue;
        t[i].got = got->at[i];
        t[i].unwritten = (int)unwritten[i];
        door_tensor_judge(&t[i]);
        good &= t[i].within;
        if (!notes)
            continue;
        f->cases++;
        f->failed += !t[i].within;
        f->asked += t[i].asked;
        if (f->cases == 1 || (over(&t[i]) > f->ratio && (t[i].asked || !t[i].within))) {
            f->ratio = over(&t[i]);
            f->worst = t[i];
            f->number = p->number;
            f->family = p->family;
            sizes_of(f->sizes, s->own, p);
        }
    }
    return good;
}

/* Others' numbers: every input's, turned round and with the other sign where it has one. */
static void change(struct own_problem *p, const struct own *w)
{
    for (int i = 0; i < w->tensors; i++)
        for (long e = 0; e < p->n[i] / 2 && w->tensor[i].role == IN; e++) {
            const double x = p->at[i][e];
            p->at[i][e] = p->at[i][p->n[i] - 1 - e];
            p->at[i][p->n[i] - 1 - e] = x;
        }
    for (int i = 0; i < w->tensors; i++)
        for (long e = 0; e < p->n[i] && w->tensor[i].role == IN && w->tensor[i].like == LIKE_NORMAL; e++)
            p->at[i][e] = -p->at[i][e];
}

/* Where it was right: other numbers where the last ones lay, then these again. */
static int replay(struct session *s, const struct own_problem *p, struct door_tensor t[OWN_TENSORS], int place)
{
    const enum swax_precision precision = dtype_precision(s->dtype);
    struct own_problem other, got, truth = {0}, again;
    struct door_tensor others[OWN_TENSORS];
    long unwritten[OWN_TENSORS];
    char what[OP_SENTENCE];
    int lost = 0, good = 1;
    own_copy(&other, p, s->own);
    change(&other, s->own);
    own_copy(&got, &other, s->own);
    own_copy(&again, p, s->own);
    const char *wrong = own_call(s->candidate, precision, &got, place, unwritten, what, &lost);
    if (!wrong && solve(s, &other, &truth, others)) {
        good = judge(s, &other, &got, unwritten, others, 0);
        if (!good)
            trouble(s, p,
                    "it gives the answer of the call before to other numbers in the same memory, or is wrong there");
    }
    wrong = wrong || lost ? wrong : own_call(s->candidate, precision, &again, place, unwritten, what, &lost);
    if (wrong)
        trouble(s, p, wrong);
    else if (good && !judge(s, p, &again, unwritten, t, 0)) {
        good = 0;
        trouble(s, p, "it is right at first and wrong when it is asked the same again");
    }
    own_free(&other), own_free(&got), own_free(&truth), own_free(&again);
    return good && !wrong;
}

static void one(struct session *s, struct own_problem *p, int *lost)
{
    struct own_problem got, second, truth = {0};
    struct door_tensor t[OWN_TENSORS];
    long unwritten[OWN_TENSORS], unwritten2[OWN_TENSORS];
    char what[OP_SENTENCE];
    const enum swax_precision precision = dtype_precision(s->dtype);
    int good = 1, equal = 1;
    own_draw(p, s->own, s->dtype);
    own_copy(&got, p, s->own);
    own_copy(&second, p, s->own);
    const int turn = p->number % 2;
    const char *wrong = own_call(s->candidate, precision, &got, turn, unwritten, what, lost);
    wrong = wrong ? wrong : own_call(s->candidate, precision, &second, !turn, unwritten2, what, lost);
    if (wrong) {
        good = 0;
        trouble(s, p, wrong);
    }
    if (!*lost && solve(s, p, &truth, t)) {
        good &= judge(s, p, &got, unwritten, t, 1);
        for (int i = 0; i < s->own->tensors && equal; i++)
            equal = s->own->tensor[i].role == IN || !memcmp(got.at[i], second.at[i], (size_t)p->n[i] * sizeof(double));
        if (!equal && !s->v->unequal++)
            s->v->first_unequal = p->number;
        if (good && !equal && !judge(s, p, &second, unwritten2, t, 0)) {
            good = 0;
            trouble(s, p, "its second answer to the same problem is out of bounds");
        }
        if (good && p->number % EVERY == 0)
            good = replay(s, p, t, !turn);
    }
    s->v->problems++;
    s->v->failed += !good;
    own_free(&got), own_free(&second), own_free(&truth);
}

/* ---- the report */

static const char *said(const struct session *s, const struct found *f, char text[600])
{
    const struct door_tensor *t = &f->worst;
    if (!f->asked && !f->failed)
        return "nothing was asked of it: what it holds here is rounding noise, of an honest kernel too";
    const int factor = t->bound.bias > 0 && t->error.bias > t->bound.bias;
    snprintf(text, 600, "rms %.3g (bound %.3g), max %.3g (bound %.3g), %.3g ulp, in case %d, %s, %s, element %ld%s%s%s",
             t->error.rms, t->bound.rms, t->error.most, t->bound.most, t->ulp, f->number, op_family_name[f->family],
             f->sizes, t->worst, f->failed && t->looks[0] ? "; " : "", f->failed ? t->looks : "",
             f->failed && factor ? "; as a whole it is off by a factor, not by noise" : "");
    (void)s;
    return text;
}

/* The worst problem of the tensor that fails most often, or the one that there was trouble with. */
static int worst_of(const struct session *s)
{
    const struct found *worst = &s->v->tensor[0];
    for (int i = 1; i < s->own->tensors; i++)
        worst = s->v->tensor[i].failed > worst->failed ? &s->v->tensor[i] : worst;
    return s->v->trouble[0] ? s->v->trouble_at : worst->number;
}

static void print_replay(FILE *o, const struct session *s, const struct own_asked *a)
{
    fputs("replay:    swax verify own ", o);
    say_word(o, "reference", a->reference), fputc(' ', o), say_word(o, "candidate", a->candidate), fputc(' ', o);
    say_word(o, "tensors", a->tensors);
    fprintf(o, " suite=%s seed=%llu dtype=%s number=%d\n", a->suite, (unsigned long long)a->seed, dtype_name[s->dtype],
            worst_of(s));
}

static void print(FILE *o, const struct session *s, const struct own_asked *a)
{
    const struct verdict *v = s->v;
    char text[600];
    if (!v->failed)
        fprintf(o, "good: %s, %s, suite=%s seed=%llu: %d of %d cases within all bounds.\n", s->own->function,
                dtype_name[s->dtype], a->suite, (unsigned long long)a->seed, v->problems, v->problems);
    else if (v->trouble[0])
        fprintf(o, "WRONG: %s, %s, suite=%s seed=%llu: %s (case %d).\n", s->own->function, dtype_name[s->dtype],
                a->suite, (unsigned long long)a->seed, v->trouble, v->trouble_at);
    else
        fprintf(o, "WRONG: %s, %s, suite=%s seed=%llu: %d of %d cases out of bound.\n", s->own->function,
                dtype_name[s->dtype], a->suite, (unsigned long long)a->seed, v->failed, v->problems);
    for (int i = 0; i < s->own->tensors; i++)
        if (v->tensor[i].cases)
            fprintf(o, "%-12s %3d/%-3d wrong  %s\n", s->own->tensor[i].name, v->tensor[i].failed, v->tensor[i].cases,
                    said(s, &v->tensor[i], text));
    fputs("Errors are relative to the tensor's RMS and to its largest element.\n"
          "Bound: what the reference itself errs in float, and in double on inputs that are off by one rounding, by "
          "the rule of `swax verify`.\n",
          o);
    if (v->unequal)
        fprintf(o, "Two calls on the same inputs gave other bits in %d of %d cases, first in case %d.\n", v->unequal,
                v->problems, v->first_unequal);
    if (v->failed)
        print_replay(o, s, a);
}

static void print_json(FILE *o, const struct session *s, const struct own_asked *a)
{
    const struct verdict *v = s->v;
    fprintf(o,
            "{\"verdict\":\"%s\",\"function\":\"%s\",\"dtype\":\"%s\",\"suite\":\"%s\",\"seed\":%llu,\"cases\":%d,"
            "\"failed\":%d,\"unequal\":%d,\"version\":\"%s\",\"trouble\":",
            v->failed ? "wrong" : "good", s->own->function, dtype_name[s->dtype], a->suite, (unsigned long long)a->seed,
            v->problems, v->failed, v->unequal, SWAX_VERSION);
    json_write_string(o, v->trouble);
    fputs(",\"tensors\":[", o);
    for (int i = 0, first = 1; i < s->own->tensors; i++) {
        const struct found *f = &v->tensor[i];
        const struct {
            const char *key;
            double x;
        } number[] = { { "rms", f->worst.error.rms },   { "rms_bound", f->worst.bound.rms },
                       { "max", f->worst.error.most },  { "max_bound", f->worst.bound.most },
                       { "bias", f->worst.error.bias }, { "bias_bound", f->worst.bound.bias },
                       { "ulp", f->worst.ulp } };
        if (!f->cases)
            continue;
        fprintf(o,
                "%s{\"name\":\"%s\",\"failed\":%d,\"cases\":%d,\"asked\":%d,\"case\":%d,\"family\":\"%s\",\"sizes\":\"%"
                "s\",\"element\":%ld,\"looks\":",
                first ? "" : ",", s->own->tensor[i].name, f->failed, f->cases, f->asked, f->number,
                op_family_name[f->family], f->sizes, f->worst.worst);
        json_write_string(o, f->failed ? f->worst.looks : "");
        for (size_t k = 0; k < sizeof number / sizeof *number; k++) {
            fprintf(o, ",\"%s\":", number[k].key);
            json_write_number(o, number[k].x);
        }
        fputc('}', o);
        first = 0;
    }
    fputs("]}\n", o);
}

/* ---- all of it */

/* The most numbers that a problem of the suite has, or a sentence. */
static const char *largest(double *most, const struct own *w, const struct own_asked *a, int n, char *why)
{
    *most = 0;
    for (int k = 0; k < n; k++) {
        struct own_problem p;
        char sizes[WORDS];
        double sum = 0;
        own_sizes(&p, w, a->seed, k);
        for (int i = 0; i < w->tensors; i++)
            sum += (double)p.n[i];
        sizes_of(sizes, w, &p);
        if (sum > MOST_NUMBERS)
            return say(why,
                       "Too large: with %s the tensors hold %.1g numbers, and %.0g are the most.  Let the "
                       "description's sizes end lower.",
                       sizes, sum, MOST_NUMBERS);
        *most = fmax(*most, sum);
    }
    return NULL;
}

const char *verify_own(const struct own_asked *a, FILE *o, int *status, char *why)
{
    struct own *w = op_take(1, sizeof *w);
    struct verdict *v = op_take(1, sizeof *v);
    struct session s = {.own = w, .dtype = a->dtype, .v = v, .why = why};
    const int n = own_problems(a->suite);
    double most = 0;
    int lost = 0;
    const char *wrong = own_read(w, a->tensors, why);
    why[0] = wrong ? why[0] : 0;
    wrong = wrong ? wrong : largest(&most, w, a, n, why);
    if (!wrong && !(s.reference = own_start(w, a->reference, a->load, SWAX_PREC_F64, most, why)))
        wrong = why;
    if (!wrong && !own_has(s.reference, SWAX_PREC_F32))
        wrong = say(why, "%.200s exports %s_f64, and no %s in float: what an honest float loop errs cannot be said.",
                    a->reference, w->function, w->function);
    if (!wrong && !(s.candidate = own_start(w, a->candidate, a->load, dtype_precision(a->dtype), most, why)))
        wrong = why;
    for (int k = 0; k < n && !wrong && !lost; k++) {
        struct own_problem p;
        if (a->only >= 0 && a->only != k)
            continue;
        own_sizes(&p, w, a->seed, k);
        one(&s, &p, &lost);
        own_free(&p);
        wrong = why[0] ? why : NULL;
    }
    wrong = wrong || v->problems ? wrong : say(why, "number=%d: the suite has cases 0 to %d.", a->only, n - 1);
    if (!wrong) {
        *status |= v->failed > 0;
        (a->json ? print_json : print)(o, &s, a);
    }
    if (s.reference)
        own_stop(s.reference);
    if (s.candidate)
        own_stop(s.candidate);
    free(w), free(v);
    return wrong;
}
