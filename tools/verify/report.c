/* report.c - a verdict in words, and as JSON. */
#include "tools/verify/verify.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "tools/lib/commands.h"
#include "tools/lib/json.h"
#include "tools/lib/say.h"
#include "tools/verify/long_slabs.h"

static const double ILL = 1e-3;    /* an honest float that errs more than this has lost most of its digits */

static const char *rule(const struct wish *w)
{
    switch (w->dtype) {
    case DT_F64: return "8 times what an honest float loop errs, scaled to double's rounding";
    case DT_BF16: return "2 times (gradients: 3 times) what an honest bf16 evaluation errs, and its bias";
    case DT_F16:
        return "an eighth of bf16's rule, which is 2 times (gradients: 3 times) what an honest evaluation errs";
    default: return "8 times what an honest float loop errs, or 2 times what any of several honest orders "
                    "of operations errs";
    }
}

static int asks_nothing(const struct finding *f) { return !f->asked && !f->failed; }

/* What an honest evaluation of the worst case errs, by RMS. */
static double honest(const struct report *r, const struct finding *f)
{
    return f->rms_bound / (r->plan.wish.dtype == DT_BF16 || r->plan.wish.dtype == DT_F16 ? 2 : 8);
}

static int ill_conditioned(const struct report *r, const struct finding *f)
{
    return r->plan.wish.dtype == DT_F32 && honest(r, f) > ILL && !asks_nothing(f);
}

static void print_families(int families)
{
    for (int f = 0, first = 1; f < OP_FAMILIES; f++)
        if (families >> f & 1) {
            printf("%s%s", first ? "" : ", ", op_family_name[f]);
            first = 0;
        }
}

/* What is known of a family that a kernel may meet for the first time here. */
static const char *known_of(const struct report *r)
{
    const int gates = 1 << OP_SHUT | 1 << OP_SATURATED | 1 << OP_HUGE;
    if (strcmp(r->plan.subject.base, "mlstm"))
        return r->wrong_families == 1 << OP_HUGE
                 ? "scores are in the hundreds there: a softmax needs its maximum taken out first"
                 : NULL;
    if (!(r->wrong_families & ~gates) && r->wrong_families)
        return "gates are shut there: decays taken as differences of sums over many tokens cancel, which starting the "
               "sums anew every 64 tokens cures";
    if (r->wrong_families == 1 << OP_OPEN)
        return "forget gates are open there: log(sigmoid(f)) needs log1p to keep its digits";
    if (r->wrong_families == 1 << OP_COLD || r->wrong_families == 1 << OP_CROSSOVER)
        return "exp(-m) decides the normaliser there";
    return NULL;
}

enum { SEVERAL = 4 };    /* cases that are right, before they say where it is */

/* Of sizes that are larger, or smaller, wherever it is wrong than wherever it is right: the one that parts them by the
 * largest factor, as a number in its part's dims; -1: none does. */
static int parting_size(const struct report *r, int *part)
{
    *part = r->wrong[0].cases ? 0 : 1;
    const struct extents *wrong = &r->wrong[*part], *right = &r->right[*part];
    const struct op_spec *op = &swax_ops[r->plan.subject.op[*part]];
    double most = 1;
    int found = -1;
    if (!wrong->cases || right->cases < SEVERAL)
        return -1;
    for (int d = 0; op->dims[d]; d++) {
        const double above = (double)wrong->least[d] / right->most[d], below = (double)right->least[d] / wrong->most[d];
        if (strchr("gezPs", op->dims[d]) || !(fmax(above, below) > most))
            continue;
        most = fmax(above, below);
        found = d;
    }
    return found;
}

void report_parting_size(char words[160], const struct report *r)
{
    int part;
    const int d = parting_size(r, &part);
    words[0] = 0;
    if (d < 0)
        return;
    const struct extents *wrong = &r->wrong[part], *right = &r->right[part];
    const struct op_spec *op = &swax_ops[r->plan.subject.op[part]];
    const char letter = op->dims[d];
    if (wrong->least[d] > right->most[d])
        snprintf(words, 160, "%c (%s) of %d and more, and right up to %d", letter, op_dim_word(op, letter),
                 wrong->least[d], right->most[d]);
    else
        snprintf(words, 160, "%c (%s) of %d and less, and right from %d on", letter, op_dim_word(op, letter),
                 wrong->most[d], right->least[d]);
}

static void print_cause(const struct report *r)
{
    char size[160];
    report_parting_size(size, r);
    if (size[0])
        printf("wrong on:  %s.\n", size);
    else if (r->wrong_families && r->wrong_families != r->families) {
        printf("wrong on:  the %s ", r->wrong_families & (r->wrong_families - 1) ? "families" : "family");
        print_families(r->wrong_families);
        puts(", and on no other");
    }
    if (r->too_large)
        puts("cause:     none is looked for in so large a case: make a smaller one that fails.");
    else if (r->cause < 0) {
        puts("cause:     no known fault gives these numbers.");
        if (known_of(r))
            printf("           %s.\n", known_of(r));
    } else {
        char words[CAUSE_WORDS];
        if (r->alike)
            printf("cause:     errors of this size come where %s.\n", cause_is(r->cause)->says);
        else
            printf("cause:     %s.\n           (\"%s\" gives these numbers: it explains %.0f %% of the distance from "
                   "the truth)\n", cause_words(words, r, r->cause), cause_is(r->cause)->name, 100 * r->explained);
        for (int i = 0; i < r->causes; i++)
            printf("       or: %s.\n", cause_words(words, r, r->causes_list[i]));
    }
    if (r->another_gauge && r->plan.subject.n)
        puts("           Its m is another than kernels.h's; where eps > 0, h depends on it: eps=0 asks without.");
}

/* Was anything of that part answered?  A library may have a forward alone. */
static int part_answers(const struct report *r, int part)
{
    const struct op_spec *op = &swax_ops[r->plan.subject.op[part]];
    for (int i = 0; i < r->n; i++) {
        const int a = op_arg_find(op, r->finding[i].name);
        if (a >= 0 && op_answers(&op->arg[a]))
            return 1;
    }
    return 0;
}

static int part_is_missing(const struct report *r, int part)
{
    return part < r->plan.subject.n && r->n && !r->trouble[0] && !part_answers(r, part);
}

static const struct finding *worst_of(const struct report *r)
{
    const struct finding *worst = NULL;
    for (int i = 0; i < r->n; i++)
        if (r->finding[i].failed && (!worst || r->finding[i].failed > worst->failed))
            worst = &r->finding[i];
    return worst;
}

/* Has it a cause whose numbers are the kernel's, and not their size alone? */
static int is_named(const struct report *r)
{
    return !r->too_large && r->cause >= 0 && !r->alike;
}

/* The verdict in one line. */
static void print_line(const struct report *r)
{
    char what[PLAN_TEXT], words[CAUSE_WORDS];
    const struct finding *f = worst_of(r);      /* there is one, unless it was trouble that failed */
    plan_write(what, &r->plan);
    if (!r->failed)
        printf("good: %s: %d of %d cases within all bounds.\n", what, r->problems, r->problems);
    else if (r->trouble[0])
        printf("WRONG: %s: %s.\n", what, r->trouble);
    else
        printf("WRONG: %s: %d of %d cases out of bound, %s %s%s%s%s.\n", what, r->failed, r->problems, f->name,
               f->looks[0] ? "is " : "above all", f->looks, is_named(r) ? ": " : "",
               is_named(r) ? cause_words(words, r, r->cause) : "");
}

static void print_tensors(const struct report *r)
{
    printf("%-6s %9s %11s %11s %11s %11s %10s  %s\n", "tensor", "wrong", "rms error", "bound", "max error", "bound",
           "max ulp", "worst case");
    for (int i = 0; i < r->n; i++) {
        const struct finding *f = &r->finding[i];
        char failed[24];
        snprintf(failed, sizeof failed, "%d/%d", f->failed, f->answers);
        if (asks_nothing(f)) {
            printf("%-6s %9s %s\n", f->name, failed,
                   !f->answers ? "nothing was asked of it: it is summed over slabs, of which suite=long judges a few"
                   : !r->gauge && f->name[0] == 'm'
                       ? "nothing was asked of it: states count in any gauge of m"
                       : "nothing was asked of it: what it holds here is rounding noise, of an honest kernel too");
            continue;
        }
        printf("%-6s %9s %11.3g %11.3g %11.3g %11.3g %10.3g  case %d, %s, element %ld\n", f->name, failed, f->rms,
               f->rms_bound, f->largest, f->bound, f->ulp, f->problem, op_family_name[f->family], f->index);
        if (f->bias_bound > 0 && f->bias > f->bias_bound)
            printf("       as a whole it is off by %.3g of itself, where rounding leaves %.3g: a factor, not noise\n",
                   f->bias, f->bias_bound);
        if (ill_conditioned(r, f))
            printf("       ill-conditioned here: an honest float errs %.1g, and nobody can do much better\n",
                   honest(r, f));
        if (f->failed)
            printf("       %s%s%s\n", f->looks, f->looks[0] ? ".  " : "", f->sizes);
    }
    puts("Errors are relative to the tensor's RMS and to its largest element.");
    printf("Bound: %s.\n", rule(&r->plan.wish));
}

/* Optional arguments that a suite gives nobody; what a backward and its forward both have comes once. */
static void print_left_out(const struct report *r)
{
    int n = 0;
    for (int part = 0; part < r->plan.subject.n && suite_is_long(r->plan.suite); part++) {
        const struct op_spec *op = &swax_ops[r->plan.subject.op[part]], *first = &swax_ops[r->plan.subject.op[0]];
        for (int i = 0; i < op_args(op); i++)
            if (!whole_gives(&op->arg[i]) && (!part || op_arg_find(first, op->arg[i].name) < 0))
                printf("%s%s", n++ ? ", " : "Not asked: ", op->arg[i].name);
    }
    if (n)
        puts(", which suite=long leaves out.");
}

void report_print(const struct report *r, const char *by, const char *of)
{
    char what[PLAN_TEXT];
    print_line(r);
    print_tensors(r);
    if (r->plan.wish.behind)
        puts("Judged behind a head norm: the gradient of h is orthogonal to h, so a normaliser's gradient that is left "
             "out does not show.\nSuch a kernel is exact under a scale-invariant norm only.");
    const struct op_spec *first = &swax_ops[r->plan.subject.op[0]];
    if (!r->plan.wish.states && (op_arg_find(first, "C0") >= 0 || op_arg_find(first, "S0") >= 0))
        puts("Not asked: states that come in, and gradients of those that go out (states=no).");
    if (!r->plan.wish.documents)
        puts("Not asked: documents (documents=no).");
    for (int part = 0; part < PARTS; part++)
        if (part_is_missing(r, part))
            printf("Not asked: %s, which was not there.\n", swax_ops[r->plan.subject.op[part]].name);
    print_left_out(r);
    if (r->unequal)
        printf("Two calls on the same inputs gave other bits in %d of %d cases, first in %s.\n", r->unequal,
               r->problems, r->unequal_name);
    for (int part = 0; part < PARTS; part++)
        if (r->timing.calls[part] && !r->failed)
            printf("%s: %.3g ms, %.3g to %.3g in %d calls, %.2g times the memory floor (new inputs, cold caches; %s)\n",
                   r->timing.sizes[part], 1e3 * r->timing.median[part], 1e3 * r->timing.least[part],
                   1e3 * r->timing.most[part], r->timing.calls[part], r->timing.median[part] / r->timing.floor[part],
                   r->timing.device);
    if (!r->failed)
        return;
    if (r->trouble[0])
        printf("%s, in case %d.\n", r->trouble, r->trouble_at);
    if (r->others)
        printf("It is right about some numbers and wrong about others: case %d is right, and wrong with other numbers "
               "of these sizes.\n", r->other_at);
    if (!r->trouble[0])
        print_cause(r);
    const struct finding *f = worst_of(r);
    if (!by)
        return;
    printf("replay:    swax verify %s ", by);
    say_word(stdout, NULL, of);
    printf(" %s number=%d\n", plan_write(what, &r->plan), r->trouble[0] ? r->trouble_at : f->problem);
}

/* ---- JSON */

static void number(FILE *o, const char *key, double x)
{
    fprintf(o, ",\"%s\":", key);
    json_write_number(o, x);
}

static void text(FILE *o, const char *key, const char *x)
{
    fprintf(o, ",\"%s\":", key);
    json_write_string(o, x);
}

static void families(FILE *o, const char *key, int set)
{
    fprintf(o, ",\"%s\":[", key);
    for (int f = 0, first = 1; f < OP_FAMILIES; f++)
        if (set >> f & 1) {
            fprintf(o, "%s\"%s\"", first ? "" : ",", op_family_name[f]);
            first = 0;
        }
    fputc(']', o);
}

/* The size that parts what is wrong from what is right, with its least and its most on either side. */
static void wrong_size(FILE *o, const struct report *r)
{
    int part;
    const int d = parting_size(r, &part);
    fputs(",\"wrong_size\":", o);
    if (d < 0) {
        fputs("null", o);
        return;
    }
    const struct extents *wrong = &r->wrong[part], *right = &r->right[part];
    const struct op_spec *op = &swax_ops[r->plan.subject.op[part]];
    fprintf(o, "{\"name\":\"%c\"", op->dims[d]);
    text(o, "says", op_dim_word(op, op->dims[d]));
    fprintf(o, ",\"wrong\":[%d,%d],\"right\":[%d,%d]}", wrong->least[d], wrong->most[d], right->least[d],
            right->most[d]);
}

static void cause(FILE *o, const struct report *r, int cause)
{
    char words[CAUSE_WORDS];
    fprintf(o, "{\"name\":\"%s\",\"says\":", cause_is(cause)->name);
    json_write_string(o, cause_words(words, r, cause));
    fprintf(o, ",\"by\":\"%s\"", r->alike ? "size" : r->derived ? "derivative" : "numbers");
    text(o, "where", r->where);
    number(o, "explains", r->explained);
    fputc('}', o);
}

static void tensor(FILE *o, const struct report *r, const struct finding *f)
{
    fprintf(o, "{\"name\":\"%s\",\"failed\":%d,\"cases\":%d,\"asked\":%d,\"case\":%d,\"element\":%ld", f->name,
            f->failed, f->answers, f->asked, f->problem, f->index);
    fprintf(o, ",\"family\":\"%s\"", op_family_name[f->family]);
    text(o, "sizes", f->sizes);
    text(o, "looks", f->looks);
    number(o, "rms", f->rms);
    number(o, "rms_bound", f->rms_bound);
    number(o, "max", f->largest);
    number(o, "max_bound", f->bound);
    number(o, "bias", f->bias);
    number(o, "bias_bound", f->bias_bound);
    number(o, "ulp", f->ulp);
    number(o, "honest_rms", honest(r, f));
    fputc('}', o);
}

void report_json(FILE *o, const struct report *r)
{
    char what[PLAN_TEXT];
    fprintf(o, "{\"verdict\":\"%s\",\"op\":\"%s\",\"dtype\":\"%s\",\"suite\":\"%s\",\"seed\":%llu,"
            "\"behind\":\"%s\",\"cases\":%d,\"failed\":%d",
            r->failed ? "wrong" : "good", r->plan.subject.name, dtype_name[r->plan.wish.dtype],
            r->plan.suite < 0 ? "" : suite_word(r->plan.suite), (unsigned long long)r->plan.seed,
            r->plan.wish.behind ? "headnorm" : "", r->problems, r->failed);
    text(o, "plan", plan_write(what, &r->plan));
    text(o, "version", SWAX_VERSION);
    text(o, "trouble", r->trouble);
    text(o, "advice", r->failed && r->cause < 0 && known_of(r) ? known_of(r) : "");
    fprintf(o, ",\"trouble_case\":%d,\"unequal\":%d,\"another_gauge\":%d,\"too_large\":%d,\"others\":%d,"
            "\"other_case\":%d", r->trouble_at, r->unequal, r->another_gauge, r->too_large, r->others, r->other_at);
    families(o, "wrong_families", r->wrong_families);
    families(o, "families", r->families);
    wrong_size(o, r);
    fputs(",\"not_there\":[", o);
    for (int part = 0, first = 1; part < PARTS; part++)
        if (part_is_missing(r, part)) {
            fprintf(o, "%s\"%s\"", first ? "" : ",", swax_ops[r->plan.subject.op[part]].name);
            first = 0;
        }
    fputs("],\"tensors\":[", o);
    for (int i = 0; i < r->n; i++) {
        fputs(i ? "," : "", o);
        tensor(o, r, &r->finding[i]);
    }
    fputs("],\"time\":[", o);
    for (int part = 0, first = 1; part < PARTS; part++)
        if (r->timing.calls[part] && !r->failed) {
            fprintf(o, "%s{\"calls\":%d", first ? "" : ",", r->timing.calls[part]);
            text(o, "sizes", r->timing.sizes[part]);
            text(o, "device", r->timing.device);
            number(o, "median_seconds", r->timing.median[part]);
            number(o, "least_seconds", r->timing.least[part]);
            number(o, "most_seconds", r->timing.most[part]);
            number(o, "memory_floor_seconds", r->timing.floor[part]);
            fputc('}', o);
            first = 0;
        }
    fputs("],\"diagnosis\":[", o);
    if (r->failed && r->cause >= 0)
        cause(o, r, r->cause);
    for (int i = 0; i < r->causes && r->failed; i++) {
        fputc(',', o);
        cause(o, r, r->causes_list[i]);
    }
    fputs("]}\n", o);
}
