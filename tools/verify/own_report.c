/* own_report.c - a verdict about somebody's function, in words and as JSON. */
#include "tools/verify/own.h"

#include <string.h>
#include "tools/lib/commands.h"
#include "tools/lib/json.h"
#include "tools/lib/say.h"

void own_sizes_of(char text[WORDS], const struct own *w, const struct own_problem *p)
{
    text[0] = 0;
    for (int i = 0; i < w->sizes; i++)
        snprintf(text + strlen(text), WORDS - strlen(text), "%s%c=%d", i ? " " : "", w->size[i].letter, p->size[i]);
    for (int i = 0; i < w->scalars; i++)
        snprintf(text + strlen(text), WORDS - strlen(text), " %s=%.3g", w->scalar[i].name, p->scalar[i]);
}

static const char *said(const struct own_found *f, char text[600])
{
    const struct door_tensor *t = &f->worst;
    if (!f->asked && !f->failed)
        return "nothing was asked of it: what it holds here is rounding noise, of an honest kernel too";
    const int factor = t->bound.bias > 0 && t->error.bias > t->bound.bias;
    snprintf(text, 600, "rms %.3g (bound %.3g), max %.3g (bound %.3g), %.3g ulp, in case %d, %s, %s, element %ld%s%s%s",
             t->error.rms, t->bound.rms, t->error.most, t->bound.most, t->ulp, f->number, op_family_name[f->family],
             f->sizes, t->worst, f->failed && t->looks[0] ? "; " : "", f->failed ? t->looks : "",
             f->failed && factor ? "; as a whole it is off by a factor, not by noise" : "");
    return text;
}

/* The worst problem of the tensor that fails most often, or the one that there was trouble with. */
static int worst_of(const struct own *w, const struct own_verdict *v)
{
    const struct own_found *worst = &v->tensor[0];
    for (int i = 1; i < w->tensors; i++)
        worst = v->tensor[i].failed > worst->failed ? &v->tensor[i] : worst;
    return v->trouble[0] ? v->trouble_at : worst->number;
}

static void print_replay(FILE *o, const struct own *w, const struct own_verdict *v, const struct own_asked *a)
{
    fputs("replay:    swax verify own ", o);
    say_word(o, "reference", a->reference), fputc(' ', o), say_word(o, "candidate", a->candidate), fputc(' ', o);
    say_word(o, "tensors", a->tensors);
    fprintf(o, " suite=%s seed=%llu dtype=%s number=%d\n", a->suite, (unsigned long long)a->seed, dtype_name[a->dtype],
            worst_of(w, v));
}

/* Where nothing was asked, and where it is wrong alone. */
static void print_tall(FILE *o, const struct own *w, const struct own_verdict *v)
{
    for (int i = 0; i < w->sizes; i++) {
        if (v->not_asked[i])
            fprintf(o, "Not asked about %c=%d and more: there the plain function would take too long, or the tensors "
                       "would be too large (number=%d asks).\n",
                    w->size[i].letter, v->not_asked[i], v->not_asked_at[i]);
        if (v->wrong_from[i] && !v->wrong_commons)
            fprintf(o, "It is wrong with %c=%d, and nowhere where that is small: if it is not made for that, let the "
                       "range of %c end below.\n",
                    w->size[i].letter, v->wrong_from[i], w->size[i].letter);
    }
}

static void print_causes(FILE *o, const struct own_verdict *v)
{
    if (v->too_large)
        fputs("cause:     none is looked for in so large a case: make a smaller one that fails.\n", o);
    else if (!v->causes)
        fputs("cause:     no known fault gives these numbers.\n", o);
    for (int k = 0; k < v->causes; k++)
        fprintf(o, "%s these numbers come where %s.\n", k ? "       or:" : "cause:    ", v->cause[k]);
}

void own_print(FILE *o, const struct own *w, const struct own_verdict *v, const struct own_asked *a)
{
    char text[600];
    if (!v->failed)
        fprintf(o, "good: %s, %s, suite=%s seed=%llu: %d of %d cases within all bounds.\n", w->function,
                dtype_name[a->dtype], a->suite, (unsigned long long)a->seed, v->problems, v->problems);
    else if (v->trouble[0])
        fprintf(o, "WRONG: %s, %s, suite=%s seed=%llu: %s (case %d).\n", w->function, dtype_name[a->dtype],
                a->suite, (unsigned long long)a->seed, v->trouble, v->trouble_at);
    else
        fprintf(o, "WRONG: %s, %s, suite=%s seed=%llu: %d of %d cases out of bound.\n", w->function,
                dtype_name[a->dtype], a->suite, (unsigned long long)a->seed, v->failed, v->problems);
    for (int i = 0; i < w->tensors; i++)
        if (v->tensor[i].cases)
            fprintf(o, "%-12s %3d/%-3d wrong  %s\n", w->tensor[i].name, v->tensor[i].failed, v->tensor[i].cases,
                    said(&v->tensor[i], text));
    fputs("Errors are relative to the tensor's RMS and to its largest element.\n"
          "Bound: what the reference itself errs in float, and in double on inputs that are off by one rounding, by "
          "the rule of `swax verify`.\n",
          o);
    if (v->others)
        fprintf(o, "It is right about some numbers and wrong about others: case %d is right, and wrong with other "
                   "numbers of these sizes.\n", v->other_at);
    print_tall(o, w, v);
    if (v->unequal)
        fprintf(o, "Two calls on the same inputs gave other bits in %d of %d cases, first in case %d.\n", v->unequal,
                v->problems, v->first_unequal);
    if (v->failed && !v->trouble[0])
        print_causes(o, v);
    if (v->failed)
        print_replay(o, w, v, a);
}

/* Those that are not 0, by the sizes' letters. */
static void print_by_size(FILE *o, const char *key, const struct own *w, const int from[OWN_SIZES])
{
    fprintf(o, ",\"%s\":{", key);
    for (int i = 0, first = 1; i < w->sizes; i++)
        if (from[i]) {
            fprintf(o, "%s\"%c\":%d", first ? "" : ",", w->size[i].letter, from[i]);
            first = 0;
        }
    fputc('}', o);
}

void own_print_json(FILE *o, const struct own *w, const struct own_verdict *v, const struct own_asked *a)
{
    fprintf(o,
            "{\"verdict\":\"%s\",\"function\":\"%s\",\"dtype\":\"%s\",\"suite\":\"%s\",\"seed\":%llu,\"cases\":%d,"
            "\"failed\":%d,\"unequal\":%d,\"others\":%d,\"version\":\"%s\",\"trouble\":",
            v->failed ? "wrong" : "good", w->function, dtype_name[a->dtype], a->suite, (unsigned long long)a->seed,
            v->problems, v->failed, v->unequal, v->others, SWAX_VERSION);
    json_write_string(o, v->trouble);
    print_by_size(o, "not_asked", w, v->not_asked);
    print_by_size(o, "wrong_from", w, v->wrong_commons ? (const int[OWN_SIZES]){0} : v->wrong_from);
    fputs(",\"tensors\":[", o);
    for (int i = 0, first = 1; i < w->tensors; i++) {
        const struct own_found *f = &v->tensor[i];
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
                first ? "" : ",", w->tensor[i].name, f->failed, f->cases, f->asked, f->number,
                op_family_name[f->family], f->sizes, f->worst.worst);
        json_write_string(o, f->failed ? f->worst.looks : "");
        for (size_t k = 0; k < sizeof number / sizeof *number; k++) {
            fprintf(o, ",\"%s\":", number[k].key);
            json_write_number(o, number[k].x);
        }
        fputc('}', o);
        first = 0;
    }
    fprintf(o, "],\"too_large\":%d,\"diagnosis\":[", v->too_large);
    for (int k = 0; k < v->causes; k++) {
        fprintf(o, "%s{\"name\":\"\",\"says\":", k ? "," : "");
        json_write_string(o, v->cause[k]);
        fputs(",\"by\":\"numbers\",\"explains\":1}", o);
    }
    fputs("]}\n", o);
}
