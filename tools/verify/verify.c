/* verify.c - swax verify: hold any kernel, in any language, against the reference. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/commands.h"
#include "tools/lib/files.h"
#include "tools/lib/say.h"
#include "tools/verify/ask.h"
#include "tools/verify/own.h"

/* What was said goes to its file in one piece, or has gone to standard output. */
static const char *publish(const char *output, FILE *o, char **text, char *why)
{
    if (*output)
        return file_replace_text(output, o, text, why);
    return fflush(stdout) ? say(why, "The verdict could not be written.") : NULL;
}

/* The verdict, which the subcommand `by` gives of `of`, where they are not NULL: what a report ends with. */
static const char *verdict(const struct report *r, const struct asked *a, const char *by, const char *of, int *status,
                           char *why)
{
    char *text = NULL;
    size_t size;
    *status |= r->failed > 0;
    FILE *o = *a->output ? file_open_text(&text, &size) : stdout;
    if (o && (*a->output || a->json))
        report_json(o, r);
    if (o && !a->json)
        report_print(r, by, of);
    return publish(a->output, o, &text, why);
}

static void print_seed(const struct asked *a)
{
    if (a->seed.random)
        fprintf(stderr, "seed=%llu\n", (unsigned long long)a->plan.seed);
}

/* ---- make, check */

static const char *make(struct options *o, int *status, char *why)
{
    (void)status;
    struct asked a = {.plan = {.wish = {.chained = 1}, .suite = -1, .family = -1}};
    struct size size;
    const char *wrong = ask(&a, o, MAKE, "`swax verify make`", why);
    if (wrong)
        return wrong;
    if (!a.plan.subject.n)
        return say(why, "Which kernel?  `swax verify list` has them.");
    if (!*a.output)
        return say(why, "Say where the case goes: output=CASE.safetensors.");
    if (a.plan.suite >= 0 && a.plan.family >= 0)
        return say(why, "A suite has all families: leave out suite=, or family=%s.", op_family_name[a.plan.family]);
    a.plan.family = a.plan.family < 0 ? OP_GAUSS : a.plan.family;
    if (!op_family_fits(a.plan.subject.op[0], (enum op_family)a.plan.family))
        return say(why, "family=%s does not differ from gauss for %s.", op_family_name[a.plan.family],
                   a.plan.subject.name);
    wrong = plan_size(&a.plan, &size, why);
    wrong = wrong ? wrong : case_write(a.output, &a.plan, why);
    if (!wrong)
        print_seed(&a);
    return wrong;
}

static const char *check(struct options *o, int *status, char *why)
{
    struct asked a = {.plan = {.suite = -1, .family = -1}};
    const char *wrong = ask(&a, o, CHECK, "`swax verify check`", why);
    if (!wrong && (!*a.path || !*a.answers))
        wrong = say(why, "Say which case, and which answers: `swax verify check CASE.safetensors MINE.safetensors`.");
    if (!wrong && a.seed.random)
        wrong = say(why, "seed=random: a case has one seed, which `swax verify make` has printed.");
    if (wrong)
        return wrong;
    struct report *r = op_take(1, sizeof *r);
    r->gauge = a.gauge;
    wrong = verify_file(a.path, a.answers, &a.plan, r, why);
    wrong = wrong ? wrong : verdict(r, &a, NULL, NULL, status, why);
    free(r);
    return wrong;
}

/* ---- plugin, tier, faults */

static const char *plugin(struct options *o, int *status, char *why)
{
    struct asked a = {.plan = {.family = OP_GAUSS}};
    const char *wrong = ask(&a, o, PLUGIN, "`swax verify plugin`", why);
    if (!wrong && !(a.plan.subject.n && *a.path))
        wrong = say(why, "Say which library, and which kernel: `swax verify plugin ./MINE.so mlstm`.");
    if (!wrong && a.plan.wish.dtype == DT_F16)
        wrong = say(why, "A plugin's functions take float, or double or bfloat16 under a name with _f64 or _bf16 "
                         "behind it: dtype is f32, f64 or bf16.");
    if (wrong)
        return wrong;
    struct report *r = op_take(1, sizeof *r);
    r->gauge = a.gauge;
    print_seed(&a);
    wrong = verify_plugin(a.path, &a.plan, a.time, r, why);
    wrong = wrong ? wrong : verdict(r, &a, "plugin", a.path, status, why);
    free(r);
    return wrong;
}

static const enum dtype dtype_of[SWAX_PRECISIONS] = {DT_F32, DT_F64, DT_BF16};

/* One kernel of a tier, in the precisions asked for (-1: all). */
static const char *tier_kernel(const struct swax_tier *t, struct asked *a, const struct subject *s, int asked,
                               int *verdicts, int *status, char *why)
{
    const char *wrong = NULL;
    struct report *r = op_take(1, sizeof *r);
    for (int p = 0; p < SWAX_PRECISIONS && !wrong; p++) {
        const enum swax_precision precision = (enum swax_precision)p;
        if ((asked >= 0 && asked != (int)dtype_of[p]) || !tier_has(t, precision, s))
            continue;
        a->plan.wish.dtype = dtype_of[p];
        a->plan.subject = *s;
        wrong = verify_tier(t, precision, &a->plan, r, why);
        wrong = wrong ? wrong : verdict(r, a, "tier", t->name, status, why);
        ++*verdicts;
    }
    free(r);
    return wrong;
}

static const char *tier(struct options *o, int *status, char *why)
{
    const char *unusable;
    struct asked a = {.plan = {.family = OP_GAUSS}};
    struct size size;
    const char *wrong = ask(&a, o, TIER, "`swax verify tier`", why);
    const char *dtype = options_value(o, "dtype");
    const struct swax_tier *t = wrong ? NULL : swax_tier_find(a.tier, &unusable);
    const struct subject only = a.plan.subject;
    if (!wrong && !*a.tier)
        wrong = say(why, "Which tier?  `swax info` has them.");
    if (!wrong && !t)
        wrong = say(why, "%s.", unusable);
    if (!wrong && dtype && a.plan.wish.dtype == DT_F16)
        wrong = say(why, "dtype=%.20s: a tier has f32, f64 or bf16.", dtype);
    if (!wrong && dtype && !op_offers(t, dtype_precision(a.plan.wish.dtype)))
        wrong = say(why, "dtype=%.20s: tier %s has no kernels in it.", dtype, t->name);
    if (!wrong && *a.output)
        wrong = say(why, "output=%.120s: a tier has several reports: json=yes prints them, a line each.", a.output);
    const int asked = dtype ? (int)a.plan.wish.dtype : -1;
    int verdicts = 0;
    if (!wrong)
        print_seed(&a);
    wrong = wrong || !only.n ? wrong : plan_size(&a.plan, &size, why);
    struct subject s;
    for (int i = 0; !wrong && subject_number(i, &s); i++)
        if (!only.n || !strcmp(s.base, only.base))
            wrong = tier_kernel(t, &a, only.n ? &only : &s, asked, &verdicts, status, why);
    return wrong ? wrong : verdicts ? NULL
         : say(why, "The tier %s has no such kernel of its own: nothing was looked at.", t->name);
}

static void print_families(int families)
{
    for (int f = 0; f < OP_FAMILIES; f++)
        if (families >> f & 1)
            printf(" %s", op_family_name[f]);
    putchar('\n');
}

enum { MOST_OF_A_KERNEL = 160 };

static const char *faults(struct options *o, int *status, char *why)
{
    struct asked a = {.plan = {.family = OP_GAUSS}};
    struct subject s;
    const char *wrong = ask(&a, o, FAULTS, "`swax verify faults`", why);
    if (!wrong && a.plan.wish.dtype != DT_F32 && a.plan.wish.dtype != DT_F64)
        wrong = say(why, "The faults are kernels in float and in double: dtype is f32 or f64.");
    a.plan.wish.states = a.plan.wish.documents = a.plan.wish.noise = 1;
    a.plan.seed = 1;
    struct report *r = op_take(MOST_OF_A_KERNEL, sizeof *r);
    int total = 0, rejected = 0, named = 0;
    for (int i = 0; !wrong && subject_number(i, &s); i++) {
        struct swax_tier unused;
        int fault[MOST_OF_A_KERNEL];
        if (*a.kernel && strncmp(a.kernel, s.base, strlen(s.base)))
            continue;
        a.plan.subject = s;
        const int n = verify_faults(&a.plan, r, fault, MOST_OF_A_KERNEL, 0);
        for (int k = 0; k < n; k++) {
            const struct fault *f = fault_f64(fault[k], &unused);
            const int right = r[k].cause == fault[k];
            total++, rejected += !!r[k].failed, named += right;
            printf("%-10s %-22s %-8s  wrong in %3d of %3d cases:", f->op, f->name,
                   !r[k].failed ? "PASSED" : right ? "named" : "misnamed", r[k].failed, r[k].problems);
            print_families(r[k].wrong_families);
        }
    }
    free(r);
    if (!wrong)
        printf("%d faults: %d rejected, %d named\n", total, rejected, named);
    *status = rejected < total || (!wrong && !total);
    return wrong;
}

/* ---- a reference that somebody brings */

static const char *own(struct options *o, int *status, char *why)
{
    struct asked a = {0};
    char *text = NULL;
    size_t size;
    const char *wrong = ask(&a, o, OWN, "`swax verify own`", why);
    if (!wrong && !(*a.reference && *a.candidate && *a.tensors))
        wrong = say(why, "Say which libraries and which tensors: `swax verify own reference=./PLAIN.so "
                         "candidate=./MINE.so tensors=MINE.json`.");
    if (!wrong && a.plan.wish.dtype == DT_F16)
        wrong = say(why, "The functions take float, or double or bfloat16 under a name with _f64 or _bf16 behind it: "
                         "dtype is f32, f64 or bf16.");
    if (wrong)
        return wrong;
    FILE *out = *a.output ? file_open_text(&text, &size) : stdout;
    if (!out)
        return say(why, "There is no memory for the report.");
    print_seed(&a);
    wrong = verify_own(&(struct own_asked){.reference = a.reference, .candidate = a.candidate, .tensors = a.tensors,
                                           .suite = suite_name(a.plan.suite), .load = own_open, .seed = a.plan.seed,
                                           .dtype = a.plan.wish.dtype, .only = a.only, .json = a.json || *a.output,
                                           .words = *a.output && !a.json},
                       out, status, why);
    if (!wrong)
        return publish(a.output, out, &text, why);
    if (*a.output)
        free(file_close_text(out, &text));
    return wrong;
}

/* ---- the command */

static jmp_buf starved;

static void no_memory(void) { longjmp(starved, 1); }

/* Run one.  Where memory ends, what was taken until then is lost: a verdict without it would be worse. */
static int guarded(const char *(*subcommand)(struct options *o, int *status, char *why), struct options *o)
{
    char why[SWAX_WHY];
    int status = 0;
    op_memory_gone(no_memory);
    if (setjmp(starved))
        status = command_fails("There is no memory for the cases, so nothing is said about the kernel.");
    else {
        const char *wrong = subcommand(o, &status, why);
        status = wrong ? command_fails(wrong) : status;
    }
    op_memory_gone(NULL);
    return status;
}

static const char *list(struct options *o, int *status, char *why)
{
    struct asked a = {0};
    const char *wrong = ask(&a, o, LIST, "`swax verify list`", why);
    (void)status;
    if (!wrong)
        verify_list(&a.plan.subject);
    return wrong;
}

#define SUBCOMMAND(name, mark) \
    static void name##_tables(struct keys *k, const struct options *o) { ask_tables(k, mark, o); } \
    static int run_##name(struct options *o) { return guarded(name, o); }
SUBCOMMAND(list, LIST)
SUBCOMMAND(make, MAKE)
SUBCOMMAND(check, CHECK)
SUBCOMMAND(plugin, PLUGIN)
SUBCOMMAND(tier, TIER)
SUBCOMMAND(faults, FAULTS)
SUBCOMMAND(own, OWN)

static const struct command verify_sub[] = {
    {.name = "list", .summary = "every kernel with its sizes, scalars and arguments", .usage = "[KERNEL]",
     .words = "kernel", .keys = list_tables, .run = run_list},
    {.name = "make", .summary = "write inputs, whose answers nobody has",
     .usage = "KERNEL output=CASE.safetensors [key=value ...]", .words = "kernel",
     .about = "Writes a case, or all cases of a suite: inputs, and no answers, which `swax verify check` works out "
              "anew. Sizes and scalars are keys too, by their letters and names in `swax verify list`, as B=2 T=128 "
              "eps=0; what is not given is drawn by seed. With a kernel, `swax verify make KERNEL help` has them.",
     .keys = make_tables, .run = run_make},
    {.name = "check", .summary = "judge answers to a case",
     .usage = "CASE.safetensors MINE.safetensors [key=value ...]", .words = "case answers",
     .about = "Judges answers to a case, which it draws again; seed and suite say which it must be. Where a kernel is "
              "wrong, the known fault that gives its numbers is named. The status is 0 for good, 1 for wrong, 2 for "
              "bad input.",
     .keys = check_tables, .run = run_check},
    {.name = "plugin", .summary = "run the functions of a shared object, and judge them",
     .usage = "./MINE.so KERNEL [key=value ...]", .words = "library kernel",
     .about = "Runs a shared object with the signatures of kernels.h, in a process of its own, over a suite: every "
              "problem twice, and other numbers in the same memory. Sizes and scalars are keys too.",
     .keys = plugin_tables, .run = run_plugin},
    {.name = "tier", .summary = "judge the kernels of this build", .usage = "NAME [KERNEL] [key=value ...]",
     .words = "tier kernel", .keys = tier_tables, .run = run_tier},
    {.name = "faults", .summary = "hold the library of wrong kernels against the judge",
     .usage = "[KERNEL] [key=value ...]", .words = "kernel",
     .keys = faults_tables, .run = run_faults},
    {.name = "own", .summary = "hold a function against a plain one, both yours",
     .usage = "reference=PLAIN.so candidate=MINE.so tensors=MINE.json [key=value ...]",
     .words = "reference candidate tensors",
     .about = "Both are functions of the name that the description says, with tensors, sizes and scalars as arrays of "
              "pointers, int and double: void F(void *const *tensor, const int *size, const double *scalar), in double "
              "with _f64, in bfloat16 with _bf16 behind the name. The plain one in double is the truth, and what it "
              "errs in float bounds the other. The description has \"function\", \"sizes\" by their letters, "
              "\"scalars\" and \"tensors\", each with name, shape, what it \"is\" (input, output, gradient, added) "
              "and what it is \"like\" (normal, weight, gate, logit, probability, positive, decay, index).",
     .keys = own_tables, .run = run_own},
};
static const struct command *const verify_subs[] = {&verify_sub[0], &verify_sub[1], &verify_sub[2], &verify_sub[3],
                                                    &verify_sub[4], &verify_sub[5], &verify_sub[6], NULL};

const struct command command_verify = {
    .name = "verify", .summary = "hold any kernel, in any language, against the reference", .sub = verify_subs,
    .about = "Makes inputs, works out their true answers, and judges a kernel's answers to them. The package "
             "share/swax/swax_verify does it from Python.",
};
