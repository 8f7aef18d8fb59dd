/* verify.c - swax verify: hold any kernel, in any language, against the reference. */
#include "tools/verify/verify.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/lib/commands.h"
#include "tools/lib/files.h"
#include "tools/lib/options.h"
#include "tools/lib/say.h"

static int help(void)
{
    puts("usage: swax verify list\n"
         "       swax verify make KERNEL [size=N ...] [suite=quick|standard|hard] output=CASE.safetensors\n"
         "       swax verify check CASE.safetensors MINE.safetensors [json=yes] [output=REPORT.json] [behind=headnorm]\n"
         "       swax verify plugin ./MINE.so KERNEL [suite=standard] [json=yes] [behind=headnorm]\n"
         "       swax verify tier NAME [KERNEL] [suite=quick]\n"
         "       swax verify faults [KERNEL] [suite=standard]\n\n"
         "KERNEL is a kernel, as rope_forward, or a forward with its backward, as mlstm.  `list` has them with their arguments.\n"
         "MINE.safetensors holds your kernel's outputs under the names of the list (of a suite: \"7/h\" for case 7).\n"
         "Exit status: 0 good, 1 wrong, 2 bad input.\n\n"
         "  B=2 T=128 ..     the sizes, by their letters in `list`; what is not given is drawn by seed\n"
         "  eps=0 theta=..   the scalars\n"
         "  seed=1           another seed, another problem\n"
         "  family=gauss     what the inputs look like: integers saturated cold open shut equal onehot crossover huge tiny\n"
         "  dtype=f32        or f64, bf16, f16: what the inputs are exact in, and what the bounds are for\n"
         "  states=yes       no: the cell has no state at the start, and no gradient comes from its end\n"
         "  documents=yes    no: one document each\n"
         "  noise=no         yes: gradients begin from the numbers in the case and are added to, as kernels.h has it\n"
         "  behind=headnorm  the gradient of h is one that comes out of a scale-invariant norm");
    return 0;
}

/* ---- options */

static const char *const keys[] = {"suite", "seed", "family", "dtype", "states", "documents", "noise", "behind", "output", "json", NULL};

struct asked { struct wish wish; uint64_t seed; int family, suite, json; const char *output, *behind; };

static const char *take_choice(struct options *o, const char *key, const char *const *list, int n, int *value, char *why)
{
    const char *text = options_take(o, key);
    struct nearest near = nearest_to(text ? text : "");
    for (int i = 0; i < n && text; i++) {
        nearest_try(&near, list[i]);
        if (!strcmp(text, list[i]))
            return *value = i, NULL;
    }
    return !text ? NULL : near.best ? say(why, "%s=%.40s is not known: did you mean %s?", key, text, near.best)
                                    : say(why, "%s=%.40s is not known: `swax verify help` lists what is.", key, text);
}

/* What is not a key is a size or a scalar of one of the subject's kernels. */
static const char *take_wishes(struct options *o, const struct subject *s, struct wish *w, char *why)
{
    const struct op_spec *op = &swax_ops[s->op[0]];
    for (const char *d = op->dims; *d; d++) {
        const char key[2] = {*d, 0};
        const char *text = options_take(o, key);
        const struct op_range r = op_range(key);
        long value;
        if (!text)
            continue;
        if (!option_whole(text, (long)r.least, (long)r.most, &value))
            return say(why, "%c=%.40s: it is a whole number from %.0f to %.0f.", *d, text, r.least, r.most);
        w->dim[w->n_dims].letter = *d;
        w->dim[w->n_dims++].value = (int)value;
    }
    static char words[OP_SCALARS][OP_WORD];
    for (int i = 0; i < op_scalars(op); i++) {
        const char *text = options_take(o, op_scalar_name(op, i, words[i]));
        const struct op_range r = op_range(words[i]);
        if (!text)
            continue;
        w->scalar[w->n_scalars].name = words[i];
        if (!option_number(text, r.least, r.most, &w->scalar[w->n_scalars++].value))
            return say(why, "%s=%.40s: it is a number from %.7g to %.7g.", words[i], text, r.least, r.most);
    }
    return NULL;
}

/* All options but those of one subcommand; `s` may be NULL: no sizes then. */
static const char *take(struct options *o, const struct subject *s, struct asked *a, char *why)
{
    static const char *const yes[] = {"no", "yes"}, *const norms[] = {"none", "headnorm"}, *const suites[] = {"quick", "standard", "hard"};
    const char *seed = options_take(o, "seed"), *wrong = NULL;
    long number = 1;
    int dtype = (int)a->wish.dtype;
    if (seed && !option_whole(seed, 0, LONG_MAX, &number))
        return say(why, "seed=%.40s is not a whole number.", seed);
    a->seed = (uint64_t)number;
    a->wish.shift = 1000000 * (a->seed - 1);
    a->behind = NULL;
    wrong = take_choice(o, "dtype", dtype_name, DTYPES, &dtype, why);
    wrong = wrong ? wrong : take_choice(o, "family", op_family_name, OP_FAMILIES, &a->family, why);
    wrong = wrong ? wrong : take_choice(o, "suite", suites, 3, &a->suite, why);
    wrong = wrong ? wrong : take_choice(o, "states", yes, 2, &a->wish.states, why);
    wrong = wrong ? wrong : take_choice(o, "documents", yes, 2, &a->wish.documents, why);
    wrong = wrong ? wrong : take_choice(o, "noise", yes, 2, &a->wish.noise, why);
    wrong = wrong ? wrong : take_choice(o, "json", yes, 2, &a->json, why);
    wrong = wrong ? wrong : take_choice(o, "behind", norms, 2, &a->wish.behind, why);
    a->wish.dtype = (enum dtype)dtype;
    a->output = options_take(o, "output");
    wrong = wrong ? wrong : s ? take_wishes(o, s, &a->wish, why) : NULL;
    if (!wrong && s && a->wish.behind && strcmp(s->base, "mlstm"))
        return say(why, "behind=headnorm is for mlstm: %s has no norm behind it.", s->name);
    for (int i = 0; i < o->n && !wrong && s; i++)
        if (!o->list[i].taken && !o->list[i].key[1])
            return say(why, "%s has no size \"%s\": it has %s.", s->name, o->list[i].key, swax_ops[s->op[0]].dims);
    return wrong ? wrong : options_left(o, keys, why);
}

static const char *verdict(const struct report *r, const struct asked *a, int *status, char *why)
{
    char *text = NULL;
    size_t size;
    FILE *o = a->output ? open_memstream(&text, &size) : NULL;
    *status |= r->failed || !r->problems;
    if (a->output && !o)
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

static const char *make(struct options *o, const char *name, char *why)
{
    struct asked a = {.wish = {.states = 1, .documents = 1, .chained = 1}, .suite = -1, .family = -1};
    struct subject s;
    struct problem *p = NULL;
    int n = 0;
    const char *wrong = subject_find(&s, name, why);
    wrong = wrong ? wrong : take(o, &s, &a, why);
    if (wrong)
        return wrong;
    if (!a.output)
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

static const char *check(struct options *o, const char *of, const char *mine, int *status, char *why)
{
    struct asked a = {.family = -1};
    struct problem *p = NULL;
    struct op_case (*got)[PARTS] = NULL;
    int n = 0;
    const char *wrong = take(o, NULL, &a, why);
    wrong = wrong ? wrong : case_read(of, &p, &n, why);
    if (!wrong && a.wish.behind && !p->wish.behind)
        wrong = say(why, "The gradient of h in %.120s does not come out of a norm: make the case with behind=headnorm.", of);
    wrong = wrong ? wrong : answers_read(mine, p, n, &got, why);
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

static const char *plugin(struct options *o, const char *path, const char *kernel, int *status, char *why)
{
    struct asked a = {.wish = {.states = 1, .documents = 1, .noise = 1}, .family = -1, .suite = 1};
    struct subject s;
    const char *wrong = subject_find(&s, kernel, why);
    wrong = wrong ? wrong : take(o, &s, &a, why);
    if (!wrong && a.wish.dtype != DT_F32 && a.wish.dtype != DT_F64)
        wrong = say(why, "A plugin's functions take float, or double under a name with _f64 behind it: dtype is f32 or f64.");
    wrong = wrong ? wrong : suite_size(a.suite, &s, &a.wish, why);
    struct report *r = malloc(sizeof *r);
    if (!wrong && !(wrong = r ? verify_plugin(path, &s, &a.wish, a.suite, r, why) : say(why, "There is no memory for the report.")))
        wrong = verdict(r, &a, status, why);
    free(r);
    return wrong;
}

static const char *tier(struct options *o, const char *name, const char *kernel, int *status, char *why)
{
    const char *wrong = NULL;
    struct asked a = {.wish = {.states = 1, .documents = 1, .noise = 1}, .family = -1};
    const struct swax_tier *t = swax_tier_find(name, &wrong);
    if (!t)
        return say(why, "%s.", wrong);
    struct subject only;
    wrong = kernel ? subject_find(&only, kernel, why) : NULL;
    wrong = wrong ? wrong : take(o, kernel ? &only : NULL, &a, why);
    if (!wrong && a.output)
        wrong = say(why, "output=%.120s: a tier has several reports: json=yes prints them, a line each.", a.output);
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
            static const enum dtype as[SWAX_PRECISIONS] = {DT_F32, DT_F64, DT_BF16};
            if (!op_offers(t, (enum swax_precision)p) || !(op_present(t, (enum swax_precision)p, s.op[0]) || (s.n > 1 && op_present(t, (enum swax_precision)p, s.op[1]))))
                continue;
            a.wish.dtype = as[p];
            verify_tier(t, (enum swax_precision)p, kernel ? &only : &s, &a.wish, a.suite, r);
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

static const char *faults(struct options *o, const char *kernel, int *status, char *why)
{
    struct asked a = {.family = -1, .suite = 1};
    struct subject s;
    const char *wrong = kernel ? subject_find(&s, kernel, why) : NULL;
    wrong = wrong ? wrong : take(o, NULL, &a, why);
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
        if (kernel && strncmp(kernel, s.base, strlen(s.base)))
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

/* Is the option one of that list, or no option of any list but a size or a scalar? */
static int takes(const char *list, const char *key)
{
    char word[64];
    snprintf(word, sizeof word, " %.60s ", key);
    for (int i = 0; keys[i]; i++)
        if (!strcmp(keys[i], key))
            return strstr(list, word) != NULL;
    return *list != 0;
}

int cmd_verify(int argc, char **argv)
{
    char why[SWAX_WHY];
    struct options o = {0};
    if (command_asks_help(&argc, argv) || !argc)
        return help();
    const char *what = argv[0], *word[2] = {NULL, NULL};
    int words = 0, status = 0;
    for (argc--, argv++; argc && words < 2 && !strchr(argv[0], '=') && strncmp(argv[0], "-", 1); argc--, argv++)
        word[words++] = argv[0];
    const char *wrong = NULL;
    for (int i = 0; i < argc; i++)
        if (!strcmp(argv[i], "-o")) {
            argv[i] = "--output";
            wrong = argc == i + 1 || argv[i + 1][0] == '-' || strchr(argv[i + 1], '=') ? say(why, "-o: a path belongs behind it.") : wrong;
        }
    wrong = wrong ? wrong : options_read(&o, argc, argv, why);
    static const struct { const char *name; int least, most; const char *keys; } known[] = {
        {"list", 0, 0, ""},   {"make", 1, 1, " suite seed family dtype states documents noise behind output "},
        {"check", 2, 2, " behind output json "}, {"plugin", 2, 2, " suite seed dtype states documents noise behind output json "},
        {"tier", 1, 2, " suite seed states documents noise behind output json "}, {"faults", 0, 1, " suite dtype "},
    };
    struct nearest near = nearest_to(what);
    int k = -1;
    for (int i = 0; i < 6; i++) {
        nearest_try(&near, known[i].name);
        k = strcmp(what, known[i].name) ? k : i;
    }
    if (!wrong && k < 0)
        wrong = near.best ? say(why, "There is no `swax verify %.40s`: did you mean %s?", what, near.best)
                          : say(why, "There is no `swax verify %.40s`: `swax verify help` says what there is.", what);
    if (!wrong && words < known[k].least)
        wrong = say(why, "`swax verify %s` needs %d word%s behind it: `swax verify help` says which.", what, known[k].least, known[k].least == 1 ? "" : "s");
    if (!wrong && words > known[k].most)
        wrong = say(why, "`swax verify %s` does not know what to do with \"%.60s\": `swax verify help` says what it takes.", what, word[known[k].most]);
    for (int i = 0; i < o.n && !wrong; i++)
        wrong = takes(known[k].keys, o.list[i].key) ? NULL : say(why, "`swax verify %s` takes no %.60s=: `swax verify help` says what it takes.", what, o.list[i].key);
    if (!wrong)
        wrong = k == 0 ? (verify_list(), NULL) : k == 1 ? make(&o, word[0], why) : k == 2 ? check(&o, word[0], word[1], &status, why)
              : k == 3 ? plugin(&o, word[0], word[1], &status, why) : k == 4 ? tier(&o, word[0], word[1], &status, why)
              : faults(&o, word[0], &status, why);
    status = wrong ? command_fails(wrong) : status;
    options_free(&o);
    return status;
}
