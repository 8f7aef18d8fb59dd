/* verify.c - swax verify: hold any kernel, in any language, against the reference. */
#include "tools/verify/verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/commands.h"
#include "tools/lib/files.h"
#include "tools/lib/say.h"

/* ---- what is asked */

enum { MAKE = 1, CHECK = 2, PLUGIN = 4, TIER = 8, FAULTS = 16, ROWS = 20 };      /* whose key it is */

struct asked {
    struct wish wish;                      /* its shift follows from seed */
    uint64_t seed;
    int family, suite, json;               /* -1: not said */
    char kernel[KEY_TEXT], path[KEY_TEXT], answers[KEY_TEXT], output[KEY_TEXT], tier[16];
};

static const char *dtype_word(int i)
{
    static const char *const words[] = {"f32 fp32 float32", "f64 fp64 float64", "bf16 bfloat16", "f16 fp16 float16"};      /* enum dtype */
    return i < DTYPES ? words[i] : NULL;
}

static const char *family_word(int i) { return i < OP_FAMILIES ? op_family_name[i] : NULL; }

static const char *behind_word(int i)
{
    static const char *const words[] = {"none", "headnorm", NULL};
    return words[i];
}

static const struct key rows[] = {
#define ROW(type, name, field, ...) KEY_ROW(type, name, struct asked, field, __VA_ARGS__)
    ROW(&key_path, "case", path, "", "a case that `swax verify make` wrote", .mark = CHECK),
    ROW(&key_path, "answers", answers, "", "your kernel's outputs, under the names of `swax verify list` (of a suite: \"7/h\" for case 7)", .mark = CHECK),
    ROW(&key_path, "library", path, "", "a shared object with kernels under the names of kernels.h", .mark = PLUGIN),
    ROW(&key_tier, "tier", tier, "", "the kernels of this build to look at", .word = key_tier_word, .mark = TIER),
    ROW(&key_text, "kernel", kernel, "", "a kernel, as rope_forward, or a forward with its backward, as mlstm", .mark = MAKE | PLUGIN | TIER | FAULTS),
    ROW(&key_word, "suite", suite, NULL, "many cases at once; left out, one", .word = suite_name, .mark = MAKE),
    ROW(&key_word, "suite", suite, "standard", "how many cases", .word = suite_name, .mark = PLUGIN | FAULTS),
    ROW(&key_word, "suite", suite, "quick", "how many cases", .word = suite_name, .mark = TIER),
    ROW(&key_seed, "seed", seed, "1", "another seed, another problem", .mark = MAKE | PLUGIN | TIER),
    ROW(&key_word, "family", family, NULL, "what the inputs look like; left out, gauss", .word = family_word, .mark = MAKE),
    ROW(&key_word, "dtype", wish.dtype, "f32", "what the inputs are exact in, and what the bounds are for", .word = dtype_word, .others = "precision",
        .mark = MAKE | PLUGIN | FAULTS),
    ROW(&key_word, "dtype", wish.dtype, NULL, "one precision of the tier; left out, all that it has", .word = dtype_word, .others = "precision", .mark = TIER),
    ROW(&key_yes, "states", wish.states, "yes", "no: the cell has no state at the start, and no gradient comes from its end", .mark = MAKE | PLUGIN | TIER),
    ROW(&key_yes, "documents", wish.documents, "yes", "no: one document each", .mark = MAKE | PLUGIN | TIER),
    ROW(&key_yes, "noise", wish.noise, "no", "gradients begin from the numbers in the case and are added to, as kernels.h has it", .mark = MAKE),
    ROW(&key_yes, "noise", wish.noise, "yes", "gradients begin from noise and are added to, as kernels.h has it", .mark = PLUGIN | TIER),
    ROW(&key_word, "behind", wish.behind, "none", "headnorm: the gradient of h is one that comes out of a scale-invariant norm", .word = behind_word,
        .mark = MAKE | CHECK | PLUGIN | TIER),
    ROW(&key_path, "output", output, "", "where the case goes", .others = "out to", .mark = MAKE),
    ROW(&key_path, "output", output, "", "a file for the report, as JSON", .others = "out to report", .mark = CHECK | PLUGIN | TIER),
    ROW(&key_yes, "json", json, "no", "JSON instead of a table", .mark = CHECK | PLUGIN | TIER),
    {0},
#undef ROW
};

/* ---- sizes and scalars of a kernel: what is given of them is added to the wish */

static const char *read_size(void *field, const struct key *k, const char *text, char *why)
{
    struct wish *w = field;
    int value;
    if (key_whole.read(&value, k, text, why))
        return why;
    w->dim[w->n_dims].letter = *k->name;
    w->dim[w->n_dims++].value = value;
    return NULL;
}

static const char *read_scalar(void *field, const struct key *k, const char *text, char *why)
{
    struct wish *w = field;
    w->scalar[w->n_scalars].name = k->name;
    return key_real.read(&w->scalar[w->n_scalars++].value, k, text, why);
}

static void write_drawn(char text[KEY_TEXT], const struct key *k, const void *field)
{
    (void)k, (void)field;
    *text = 0;
}

static const struct key_type size_type = {read_size, write_drawn, 1}, scalar_type = {read_scalar, write_drawn, 1};

static const struct key *wishes(const struct subject *s)
{
    static struct key row[OP_DIMS + OP_SCALARS + 1];
    static char name[OP_DIMS + OP_SCALARS][OP_WORD];
    const struct op_spec *op = &swax_ops[s->op[0]];
    int n = 0;
    for (const char *d = op->dims; *d; d++, n++) {
        name[n][0] = *d, name[n][1] = 0;
        row[n] = (struct key){.name = name[n], .type = &size_type, .what = op_dim_word(op, *d)};
    }
    for (int i = 0; i < op_scalars(op); i++, n++)
        row[n] = (struct key){.name = op_scalar_name(op, i, name[n]), .type = &scalar_type, .what = "a scalar of the kernel; left out, drawn by seed"};
    for (int i = 0; i < n; i++) {
        const struct op_range r = op_range(row[i].name);
        row[i].least = r.least, row[i].most = r.most;
    }
    row[n] = (struct key){0};
    return row;
}

/* The tables of one subcommand; `s` may be NULL: no kernel is named yet. */
static void add_tables(struct keys *k, int mark, struct asked *a, const struct subject *s)
{
    static struct key own[ROWS];
    keys_pick(own, rows, mark);
    keys_add(k, NULL, own, a);
    if (s)
        keys_add(k, "Its sizes and scalars", wishes(s), a ? &a->wish : NULL);
}

static void tables(struct keys *k, int mark, const struct options *o)
{
    struct subject s;
    char why[SWAX_WHY];
    const char *kernel = o ? options_value(o, "kernel") : NULL;
    add_tables(k, mark, NULL, kernel && mark != FAULTS && !subject_find(&s, kernel, why) ? &s : NULL);
}

/* All that is asked of one subcommand.  The kernel is in *s, where one is named; s->n is 0 where none is. */
static const char *take(struct options *o, int mark, const char *of, struct asked *a, struct subject *s, char *why)
{
    struct keys k = {.of = of};
    *s = (struct subject){.n = 0};
    add_tables(&k, mark, a, NULL);
    keys_default(k.table[0].rows, a);
    if (options_give_one(o, "kernel", &k, why))
        return why;
    if (*a->kernel && subject_find(s, a->kernel, why))
        return why;
    k.n = 0;
    add_tables(&k, mark, a, s->n && mark != FAULTS ? s : NULL);
    if (options_give(o, &k, why))
        return why;
    for (int i = 0; i < o->n && s->n; i++)
        if (!o->list[i].taken && !o->list[i].key[1])
            return say(why, "%s has no size \"%s\": it has %s.", s->name, o->list[i].key, swax_ops[s->op[0]].dims);
    if (options_left(o, &k, why))
        return why;
    a->wish.shift = 1000000 * (a->seed - 1);
    if (s->n && a->wish.behind && strcmp(s->base, "mlstm"))
        return say(why, "behind=headnorm is for mlstm: %s has no norm behind it.", s->name);
    return NULL;
}

static const char *verdict(const struct report *r, const struct asked *a, int *status, char *why)
{
    char *text = NULL;
    size_t size;
    FILE *o = *a->output ? open_memstream(&text, &size) : NULL;
    *status |= r->failed || !r->problems;
    if (*a->output && !o)
        return say(why, "There is no memory for the report.");
    if (o || a->json)
        report_json(o ? o : stdout, r);
    else
        report_print(r);
    if (!o)
        return NULL;
    char *whole = file_close_text(o, &text);
    const char *wrong = whole ? file_replace(a->output, whole, size, why) : say(why, "There is no memory for the report.");
    free(whole);
    return wrong;
}

/* ---- make */

static const char *make(struct options *o, int *status, char *why)
{
    (void)status;
    struct asked a = {.wish = {.states = 1, .documents = 1, .chained = 1}, .suite = -1, .family = -1};
    struct subject s;
    struct problem *p = NULL;
    int n = 0;
    const char *wrong = take(o, MAKE, "`swax verify make`", &a, &s, why);
    if (wrong)
        return wrong;
    if (!s.n)
        return say(why, "Which kernel?  `swax verify list` has them.");
    if (!*a.output)
        return say(why, "Say where the case goes: output=CASE.safetensors.");
    if (a.suite >= 0 && a.family >= 0)
        return say(why, "A suite has all families: leave out suite=, or family=%s.", op_family_name[a.family]);
    const enum op_family family = a.family < 0 ? OP_GAUSS : (enum op_family)a.family;
    if (!op_family_fits(s.op[0], family))
        return say(why, "family=%s does not differ from gauss for %s.", op_family_name[family], s.name);
    struct size size = {0};
    wrong = a.suite < 0 ? problem_size(&size, &s, &a.wish, a.seed, 33, 0, why) : suite_size(a.suite, &s, &a.wish, why);
    if (a.suite < 0 && !wrong) {
        p = calloc(1, sizeof *p);
        wrong = p ? problem_make(p, &s, &a.wish, a.seed, family, 33, 0, why) : say(why, "There is no memory for the case.");
        n = !wrong;
    }
    struct suite_entry e;
    for (; a.suite >= 0 && !wrong && suite_entry(a.suite, &s, &a.wish, n, &e); n++) {
        struct problem *grown = realloc(p, (size_t)(n + 1) * sizeof *p);
        if (!grown) {
            wrong = say(why, "There is no memory for the cases.");
            break;
        }
        p = grown;
        wrong = problem_make(&p[n], &s, &a.wish, e.seed, e.family, e.max_dim, e.tokens, why);
    }
    wrong = wrong ? wrong : case_write(a.output, p, n, why);
    for (int i = 0; i < n; i++)
        problem_free(&p[i]);
    free(p);
    return wrong;
}

/* ---- check */

static void judge(const struct problem *p, int n, struct op_case (*got)[PARTS], struct report *r)
{
    const int both[PARTS] = {1, 1};
    struct evidence e = {0};
    report_begin(r, &p->subject, &p->wish);
    for (int i = 0; i < n; i++) {
        int good = 1;
        for (int part = 0; part < p[i].subject.n; part++)
            good &= report_add(r, &p[i], &got[i][part], part);
        r->failed += !good;
        r->problems++;
    }
    struct hypotheses *h = r->failed ? malloc(sizeof *h) : NULL;
    for (int i = 0; i < n && h; i++) {
        if (!evidence_affords(&e, &p[i]))
            continue;
        hypotheses_make(h, &p[i]);
        evidence_add(&e, &p[i], got[i], both, h);
        hypotheses_free(h);
    }
    free(h);
    evidence_weigh(&e, r);
}

static const char *check(struct options *o, int *status, char *why)
{
    struct asked a = {.family = -1};
    struct subject unused;
    struct problem *p = NULL;
    struct op_case (*got)[PARTS] = NULL;
    int n = 0;
    const char *wrong = take(o, CHECK, "`swax verify check`", &a, &unused, why);
    if (!wrong && (!*a.path || !*a.answers))
        wrong = say(why, "Say which case, and which answers: `swax verify check CASE.safetensors MINE.safetensors`.");
    wrong = wrong ? wrong : case_read(a.path, &p, &n, why);
    if (!wrong && a.wish.behind && !p->wish.behind)
        wrong = say(why, "The gradient of h in %.120s does not come out of a norm: make the case with behind=headnorm.", a.path);
    wrong = wrong ? wrong : answers_read(a.answers, p, n, &got, why);
    if (!wrong) {
        struct report *r = malloc(sizeof *r);
        wrong = r ? NULL : say(why, "There is no memory for the report.");
        if (r) {
            judge(p, n, got, r);
            wrong = verdict(r, &a, status, why);
        }
        free(r);
    }
    for (int i = 0; i < n; i++) {
        for (int part = 0; part < PARTS && got; part++)
            op_case_free(&got[i][part]);
        problem_free(&p[i]);
    }
    free(got);
    free(p);
    return wrong;
}

/* ---- plugin, tier, faults */

static const char *plugin(struct options *o, int *status, char *why)
{
    struct asked a = {.family = -1};
    struct subject s;
    const char *wrong = take(o, PLUGIN, "`swax verify plugin`", &a, &s, why);
    if (!wrong && !(s.n && *a.path))
        wrong = say(why, "Say which library, and which kernel: `swax verify plugin ./MINE.so mlstm`.");
    if (!wrong && a.wish.dtype != DT_F32 && a.wish.dtype != DT_F64)
        wrong = say(why, "A plugin's functions take float, or double under a name with _f64 behind it: dtype is f32 or f64.");
    wrong = wrong ? wrong : suite_size(a.suite, &s, &a.wish, why);
    struct report *r = malloc(sizeof *r);
    if (!wrong && !(wrong = r ? verify_plugin(a.path, &s, &a.wish, a.suite, r, why) : say(why, "There is no memory for the report.")))
        wrong = verdict(r, &a, status, why);
    free(r);
    return wrong;
}

static const enum dtype dtype_of[SWAX_PRECISIONS] = {DT_F32, DT_F64, DT_BF16};

static const char *tier(struct options *o, int *status, char *why)
{
    const char *unusable;
    struct asked a = {.family = -1};
    struct subject only;
    const char *wrong = take(o, TIER, "`swax verify tier`", &a, &only, why);
    const char *dtype = options_value(o, "dtype");
    const struct swax_tier *t = wrong ? NULL : swax_tier_find(a.tier, &unusable);
    if (!wrong && !*a.tier)
        wrong = say(why, "Which tier?  `swax info` has them.");
    if (!wrong && !t)
        wrong = say(why, "%s.", unusable);
    if (!wrong && dtype && a.wish.dtype == DT_F16)
        wrong = say(why, "dtype=%.20s: a tier has f32, f64 or bf16.", dtype);
    if (!wrong && dtype && !op_offers(t, dtype_precision(a.wish.dtype)))
        wrong = say(why, "dtype=%.20s: tier %s has no kernels in it.", dtype, t->name);
    if (!wrong && *a.output)
        wrong = say(why, "output=%.120s: a tier has several reports: json=yes prints them, a line each.", a.output);
    const int asked = dtype ? (int)a.wish.dtype : -1;
    const struct subject *kernel = only.n ? &only : NULL;
    wrong = wrong || !kernel ? wrong : suite_size(a.suite, &only, &a.wish, why);
    struct report *r = malloc(sizeof *r);
    for (int i = 0; i < swax_n_ops && !wrong && r; i++) {
        struct subject s;
        if (op_forward_of(i) >= 0 || subject_find(&s, swax_ops[i].name, why))
            continue;
        wrong = op_backward_of(i) >= 0 ? subject_find(&s, s.base, why) : NULL;
        if (kernel && strcmp(s.base, only.base))
            continue;
        for (int p = 0; p < SWAX_PRECISIONS && !wrong; p++) {
            if (asked >= 0 && asked != (int)dtype_of[p])
                continue;
            if (!op_offers(t, (enum swax_precision)p) || !(op_present(t, (enum swax_precision)p, s.op[0]) || (s.n > 1 && op_present(t, (enum swax_precision)p, s.op[1]))))
                continue;
            a.wish.dtype = dtype_of[p];
            verify_tier(t, (enum swax_precision)p, kernel ? kernel : &s, &a.wish, a.suite, r);
            wrong = verdict(r, &a, status, why);
        }
    }
    free(r);
    return wrong;
}

static void print_families(int families)
{
    for (int f = 0; f < OP_FAMILIES; f++)
        if (families >> f & 1)
            printf(" %s", op_family_name[f]);
    putchar('\n');
}

enum { MOST_OF_A_KERNEL = 64 };

static const char *faults(struct options *o, int *status, char *why)
{
    struct asked a = {.family = -1};
    struct subject s;
    const char *wrong = take(o, FAULTS, "`swax verify faults`", &a, &s, why);
    if (!wrong && a.wish.dtype != DT_F32 && a.wish.dtype != DT_F64)
        wrong = say(why, "The faults are kernels in float and in double: dtype is f32 or f64.");
    struct report *r = calloc(MOST_OF_A_KERNEL, sizeof *r);
    int total = 0, rejected = 0, named = 0;
    for (int i = 0; i < swax_n_ops && !wrong && r; i++) {
        struct swax_tier unused;
        int fault[MOST_OF_A_KERNEL];
        if (op_forward_of(i) >= 0 || subject_find(&s, swax_ops[i].name, why))
            continue;
        wrong = op_backward_of(i) >= 0 ? subject_find(&s, s.base, why) : NULL;
        if (*a.kernel && strncmp(a.kernel, s.base, strlen(s.base)))
            continue;
        const int n = wrong ? 0 : verify_faults(&s, a.wish.dtype, a.suite, r, fault, MOST_OF_A_KERNEL);
        for (int k = 0; k < n; k++) {
            const struct fault *f = fault_f64(fault[k], &unused);
            const int right = r[k].cause == fault[k];
            total++, rejected += r[k].failed > 0, named += right;
            printf("%-10s %-22s %s, %3d of %3d cases:", f->op, f->name, !r[k].failed ? "PASSED" : right ? "named " : "misnamed", r[k].failed, r[k].problems);
            print_families(r[k].wrong_families);
        }
    }
    free(r);
    if (!wrong)
        printf("%d faults: %d rejected, %d named\n", total, rejected, named);
    *status = rejected < total;
    return wrong;
}

/* ---- the command */

static int answer(const char *wrong, int status)
{
    return wrong ? command_fails(wrong) : status;
}

static int run_list(struct options *o)
{
    char why[SWAX_WHY];
    const struct keys none = {.of = "`swax verify list`"};
    const char *wrong = options_left(o, &none, why);
    if (!wrong)
        verify_list();
    return answer(wrong, 0);
}

#define SUBCOMMAND(name, mark) \
    static void name##_tables(struct keys *k, const struct options *o) { tables(k, mark, o); } \
    static int run_##name(struct options *o) \
    { \
        char why[SWAX_WHY]; \
        int status = 0; \
        const char *wrong = name(o, &status, why); \
        return answer(wrong, status); \
    }
SUBCOMMAND(make, MAKE)
SUBCOMMAND(check, CHECK)
SUBCOMMAND(plugin, PLUGIN)
SUBCOMMAND(tier, TIER)
SUBCOMMAND(faults, FAULTS)

static const struct command verify_sub[] = {
    {.name = "list", .summary = "every kernel with its sizes, scalars and arguments", .usage = "", .run = run_list},
    {.name = "make", .summary = "write inputs with their true answers", .usage = "KERNEL output=CASE.safetensors [key=value ...]", .words = "kernel",
     .about = "Writes a case, or all cases of a suite: inputs with their true answers. Sizes and scalars are keys too, by their letters and "
              "names in `swax verify list`, as B=2 T=128 eps=0; what is not given is drawn by seed. With a kernel, `swax verify make KERNEL help` has them.",
     .keys = make_tables, .run = run_make},
    {.name = "check", .summary = "judge answers to a case", .usage = "CASE.safetensors MINE.safetensors [key=value ...]", .words = "case answers",
     .about = "Judges answers to a case. Where a kernel is wrong, the known fault that gives its numbers is named. "
              "The status is 0 for good, 1 for wrong, 2 for bad input.",
     .keys = check_tables, .run = run_check},
    {.name = "plugin", .summary = "run the functions of a shared object, and judge them", .usage = "./MINE.so KERNEL [key=value ...]", .words = "library kernel",
     .about = "Runs a shared object with the signatures of kernels.h, in a process of its own, over a suite. Sizes and scalars are keys too.",
     .keys = plugin_tables, .run = run_plugin},
    {.name = "tier", .summary = "judge the kernels of this build", .usage = "NAME [KERNEL] [key=value ...]", .words = "tier kernel",
     .keys = tier_tables, .run = run_tier},
    {.name = "faults", .summary = "hold the library of wrong kernels against the judge", .usage = "[KERNEL] [key=value ...]", .words = "kernel",
     .keys = faults_tables, .run = run_faults},
};
static const struct command *const verify_subs[] = {&verify_sub[0], &verify_sub[1], &verify_sub[2], &verify_sub[3], &verify_sub[4], &verify_sub[5], NULL};

const struct command command_verify = {
    .name = "verify", .summary = "hold any kernel, in any language, against the reference", .sub = verify_subs,
    .about = "Makes inputs with their true answers, and judges a kernel's answers to them. share/swax/swax.py does the same from Python.",
};
