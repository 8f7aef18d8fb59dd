/* ask.c - the keys of `swax verify`, and a plan as words. */
#include "tools/verify/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "tools/lib/random.h"
#include "tools/lib/say.h"
#include "tools/verify/preset.h"

/* A seed that nobody has seen: printed with the verdict, and taken as seed= it gives the same problems. */
static uint64_t fresh_seed(void)
{
    uint64_t bits[2] = {(uint64_t)time(NULL), (uint64_t)getpid()};
    FILE *f = fopen("/dev/urandom", "rb");
    if (f) {
        (void)!fread(bits, sizeof *bits, 1, f);      /* where nothing is read, there are the time and the process */
        fclose(f);
    }
    struct random r = random_open(bits[0], 0, bits[1]);
    return 2 + random_below(&r, 999999998);
}

static const char *read_seed(void *field, const struct key *k, const char *text, char *why)
{
    struct asked a = {.seed = {.given = 1}};
    a.seed.random = !strcmp(text, "random");
    if (!a.seed.random && key_seed.read(&a.seed.value, k, text, why))
        return why;
    a.seed.value = a.seed.random ? fresh_seed() : a.seed.value;
    memcpy(field, &a.seed, sizeof a.seed);
    return NULL;
}

static void write_seed(char text[KEY_TEXT], const struct key *k, const void *field)
{
    key_seed.write(text, k, field);    /* its value stands first */
}

static const struct key_type seed_type = {read_seed, write_seed, 0};

static const char *dtype_word(int i)
{
    /* in the order of enum dtype */
    static const char *const words[] = {"f32 fp32 float32 float single", "f64 fp64 float64 double",
                                        "bf16 bfloat16", "f16 fp16 float16 half"};
    return i < DTYPES ? words[i] : NULL;
}

static const char *family_word(int i) { return i < OP_FAMILIES ? op_family_name[i] : NULL; }

static const char *behind_word(int i)
{
    static const char *const words[] = {"none", "headnorm", NULL};
    return words[i];
}

static const char *gauge_word(int i)
{
    static const char *const words[] = {"any", "contract", NULL};
    return words[i];
}

static const struct key rows[] = {
#define ROW(type, name, field, ...) KEY_ROW(type, name, struct asked, field, __VA_ARGS__)
    ROW(&key_path, "case", path, "", "a case that `swax verify make` wrote", .mark = CHECK),
    ROW(&key_path, "answers", answers, "",
        "your kernel's outputs, under the names of `swax verify list` (of a suite: \"7/h\" for case 7)", .mark = CHECK),
    ROW(&key_path, "library", path, "", "a shared object with kernels under the names of kernels.h", .mark = PLUGIN),
    ROW(&key_path, "reference", reference, "", "a shared object with the plain function, in float and in double",
        .mark = OWN),
    ROW(&key_path, "candidate", candidate, "", "a shared object with the function to be judged", .mark = OWN),
    ROW(&key_path, "tensors", tensors, "", "what passes between them: a description in JSON",
        .others = "description json", .mark = OWN),
    ROW(&key_tier, "tier", tier, "", "the kernels of this build to look at", .word = key_tier_word, .mark = TIER),
    ROW(&key_text, "kernel", kernel, "", "a kernel, as rope_forward, or a forward with its backward, as mlstm",
        .mark = MAKE | PLUGIN | TIER | FAULTS | DOOR | LIST),
    ROW(&key_word, "suite", plan.suite, NULL, "many cases at once; left out, one", .word = suite_name,
        .mark = MAKE | DOOR),
    ROW(&key_word, "suite", plan.suite, "standard", "how many cases", .word = suite_name, .mark = FAULTS | OWN),
    ROW(&key_word, "suite", plan.suite, "standard",
        "how many cases; long: 65,536 tokens, and tensors of more than 2^31 elements", .word = suite_word,
        .mark = PLUGIN),
    ROW(&key_word, "suite", plan.suite, "quick",
        "how many cases; long: 65,536 tokens, and tensors of more than 2^31 elements", .word = suite_word,
        .mark = TIER),
    ROW(&seed_type, "seed", seed, "1",
        "another seed, other problems; random: one that nobody has seen, which is printed",
        .mark = MAKE | PLUGIN | TIER | DOOR | OWN),
    ROW(&seed_type, "seed", seed, "0", "the seed that the case must be of; 0: any", .mark = CHECK),
    ROW(&key_word, "suite", plan.suite, NULL, "the suite that the case must be; left out, any", .word = suite_name,
        .mark = CHECK),
    ROW(&key_whole, "number", only, NULL, "one case of the suite alone: what a report prints to replay the worst",
        .least = 0, .most = 100000, .mark = PLUGIN | TIER | DOOR | OWN),
    ROW(&key_text, "sizes", sizes, "", "those of a model (qwen3.5 qwen3.5-9b kimi-linear kimi-k3 glm-5.3 nemotron "
                                       "xlstm-7b gpt-oss) or of FILE.json; what is given beside it counts",
        .mark = MAKE | PLUGIN | TIER | DOOR),
    ROW(&key_yes, "time", time, "no", "how long it takes, if it is right: new inputs and cold caches for every call, "
                                      "whose outputs are judged", .mark = PLUGIN | DOOR),
    ROW(&key_word, "gauge", gauge, "any",
        "of the cell's stabiliser m; any: states count as e^m C; contract: m is asked, too", .word = gauge_word,
        .mark = CHECK | PLUGIN | DOOR),
    ROW(&key_word, "family", plan.family, NULL, "what the inputs look like; left out, gauss", .word = family_word,
        .mark = MAKE | DOOR),
    ROW(&key_word, "dtype", plan.wish.dtype, "f32", "what the inputs are exact in, and what the bounds are for",
        .word = dtype_word, .others = "precision", .mark = MAKE | PLUGIN | FAULTS | DOOR | OWN),
    ROW(&key_word, "dtype", plan.wish.dtype, NULL, "one precision of the tier; left out, all that it has",
        .word = dtype_word, .others = "precision", .mark = TIER),
    ROW(&key_yes, "states", plan.wish.states, "yes",
        "no: the cell has no state at the start, and no gradient comes from its end",
        .mark = MAKE | PLUGIN | TIER | DOOR),
    ROW(&key_yes, "documents", plan.wish.documents, "yes", "no: one document each",
        .mark = MAKE | PLUGIN | TIER | DOOR),
    ROW(&key_text, "without", without, "",
        "optional inputs that your kernel does not take, and of a forward's outputs what it does not give, as sink,lse",
        .mark = MAKE | PLUGIN | DOOR),
    ROW(&key_yes, "noise", plan.wish.noise, "no",
        "gradients begin from the numbers in the case and are added to, as kernels.h has it", .mark = MAKE),
    ROW(&key_yes, "noise", plan.wish.noise, "yes", "gradients begin from noise and are added to, as kernels.h has it",
        .mark = PLUGIN | TIER),
    ROW(&key_word, "behind", plan.wish.behind, "none",
        "headnorm: the gradient of h is one that comes out of a scale-invariant norm", .word = behind_word,
        .mark = MAKE | CHECK | PLUGIN | TIER | DOOR),
    ROW(&key_path, "output", output, "", "where the case goes", .others = "out to", .mark = MAKE),
    ROW(&key_path, "output", output, "", "a file for the report, as JSON", .others = "out to report",
        .mark = CHECK | PLUGIN | TIER | OWN),
    ROW(&key_yes, "json", json, "no", "JSON instead of a table", .mark = CHECK | PLUGIN | TIER | OWN),
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
    snprintf(w->scalar[w->n_scalars].name, OP_WORD, "%s", k->name);
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
        row[n] = (struct key){.name = op_scalar_name(op, i, name[n]), .type = &scalar_type,
                              .what = "a scalar of the kernel; left out, drawn by seed"};
    for (int i = 0; i < n; i++)
        row[i].others = !strcmp(row[i].name, "eps") ? "epsilon" : NULL;
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
    static struct key own[sizeof rows / sizeof *rows];
    keys_pick(own, rows, mark);
    keys_add(k, NULL, own, a);
    if (s)
        keys_add(k, "Its sizes and scalars", wishes(s), a ? &a->plan.wish : NULL);
}

void ask_tables(struct keys *k, int mark, const struct options *o)
{
    struct subject s;
    char why[SWAX_WHY];
    const char *kernel = o ? options_value(o, "kernel") : NULL;
    add_tables(k, mark, NULL, kernel && !(mark & (FAULTS | LIST)) && !subject_find(&s, kernel, why) ? &s : NULL);
}

/* Of without=: what is none, and what the kernel could do without. */
static const char *no_such_option(const struct subject *s, const char *names, const char *name, char *why)
{
    const struct op_spec *op = &swax_ops[s->op[0]];
    char has[160] = "";
    for (int i = 0; i < op_args(op); i++)
        if (op->arg[i].optional || subject_can_lack(s, i))
            snprintf(has + strlen(has), sizeof has - strlen(has), "%s%s", *has ? ", " : "", op->arg[i].name);
    return *has ? say(why, "without=%.60s: \"%.40s\" is not among what %s could do without: %s.", names, name, s->name,
                      has)
                : say(why, "without=%.60s: %s needs all that it takes and gives.", names, s->name);
}

static const char *without_apply(struct wish *w, const struct subject *s, const char *names, char *why)
{
    char copy[KEY_TEXT];
    if (!s->n)
        return say(why, "without=%.60s: it is for one kernel; say which.", names);
    if (strlen(names) >= sizeof w->without)
        return say(why, "without=%.60s...: that is too long.", names);
    snprintf(w->without, sizeof w->without, "%s", names);
    snprintf(copy, sizeof copy, "%s", names);
    for (char *name = strtok(copy, ", "); name; name = strtok(NULL, ", ")) {
        const int i = op_arg_find(&swax_ops[s->op[0]], name);
        if (i < 0 || (!swax_ops[s->op[0]].arg[i].optional && !subject_can_lack(s, i)))
            return no_such_option(s, names, name, why);
    }
    return NULL;
}

/* NULL if the plan has the case that it asks for alone; otherwise which it has. */
static const char *no_such_case(const struct plan *plan, char *why)
{
    struct entry e;
    int n = 0;
    if (!plan->subject.n)
        return say(why, "number=%d: it is a case of one kernel's suite; say which kernel.", plan->only);
    while (plan_entry(plan, n, &e))
        n++;
    return plan->only < n ? NULL
         : n == 1         ? say(why, "number=%d: without suite= there is case 0 alone.", plan->only)
                          : say(why, "number=%d: suite=%s of %s has cases 0 to %d.", plan->only,
                                suite_word(plan->suite), plan->subject.name, n - 1);
}

/* What is said of a word that stands where the kernel should: `why`, unless the kernel stands before it. */
static const char *turned_round(const struct options *o, int mark, const char *word, const char *of, char *why)
{
    struct subject s;
    char unused[SWAX_WHY];
    const char *first = options_value(o, mark & PLUGIN ? "library" : "tier");
    if (!(mark & (PLUGIN | TIER)) || !first || subject_find(&s, first, unused))
        return why;
    return say(why, "The %s comes first, and then the kernel: %.*s %.120s %s`.", mark & PLUGIN ? "library" : "tier",
               (int)strlen(of) - 1, of, word, first);
}

const char *ask(struct asked *a, struct options *o, int mark, const char *of, char *why)
{
    struct subject *s = &a->plan.subject;
    struct keys k = {.of = of};
    *s = (struct subject){.n = 0};
    a->only = -1;
    add_tables(&k, mark, a, NULL);
    keys_default(k.table[0].rows, a);
    if (options_give_one(o, "kernel", &k, why))
        return why;
    if (*a->kernel && subject_find(s, a->kernel, why))
        return turned_round(o, mark, a->kernel, of, why);
    k.n = 0;
    add_tables(&k, mark, a, s->n && !(mark & (FAULTS | LIST)) ? s : NULL);
    if (options_give(o, &k, why))
        return why;
    for (int i = 0; i < o->n && mark == OWN; i++)
        if (!o->list[i].taken && !o->list[i].key[1])
            return say(why, "There is no key \"%s\" for %s: sizes and scalars stand in the description, %.120s.",
                       o->list[i].key, of, *a->tensors ? a->tensors : "tensors=MINE.json");
    for (int i = 0; i < o->n && s->n; i++)
        if (!o->list[i].taken && !o->list[i].key[1])
            return say(why, "%s has no size \"%s\": it has %s.", s->name, o->list[i].key, swax_ops[s->op[0]].dims);
    for (int i = 0; i < o->n && s->n; i++)
        for (const char *d = swax_ops[s->op[0]].dims; *d && !o->list[i].taken; d++)
            if (!strcmp(o->list[i].key, op_dim_word(&swax_ops[s->op[0]], *d)))
                return say(why, "There is no key \"%s\" for %s: of %s it is %c=.", o->list[i].key, of, s->name, *d);
    if (options_left(o, &k, why))
        return why;
    if (*a->sizes && !s->n)
        return say(why, "sizes=%.60s: it is for one kernel; say which.", a->sizes);
    if (*a->sizes && preset_apply(&a->plan.wish, s, a->sizes, why))
        return why;
    if (*a->without && without_apply(&a->plan.wish, s, a->without, why))
        return why;
    a->plan.seed = a->seed.value;
    a->plan.only = a->only;
    if (s->n && a->plan.wish.behind && strcmp(s->base, "mlstm"))
        return say(why, "behind=headnorm is for mlstm: %s has no norm behind it.", s->name);
    return a->only >= 0 && mark != OWN && !suite_is_long(a->plan.suite) ? no_such_case(&a->plan, why) : NULL;
}

/* ---- a plan as words */

static void put(char text[PLAN_TEXT], const char *key, const char *value)
{
    const size_t n = strlen(text);
    snprintf(text + n, PLAN_TEXT - n, " %s=%s", key, value);
}

const char *plan_write(char text[PLAN_TEXT], const struct plan *p)
{
    const struct wish *w = &p->wish;
    char number[40];
    snprintf(text, PLAN_TEXT, "%s", p->subject.name);
    if (p->suite >= 0)
        put(text, "suite", suite_word(p->suite));
    else if (p->family != OP_GAUSS)
        put(text, "family", op_family_name[p->family]);
    snprintf(number, sizeof number, "%llu", (unsigned long long)p->seed);
    put(text, "seed", number);
    put(text, "dtype", dtype_name[w->dtype]);
    if (!w->states)
        put(text, "states", "no");
    if (!w->documents)
        put(text, "documents", "no");
    if (*w->without)
        put(text, "without", w->without);
    if (w->noise != !w->chained)
        put(text, "noise", w->noise ? "yes" : "no");
    if (w->behind)
        put(text, "behind", "headnorm");
    for (int i = 0; i < w->n_dims; i++) {
        const char letter[2] = {w->dim[i].letter, 0};
        snprintf(number, sizeof number, "%d", w->dim[i].value);
        put(text, letter, number);
    }
    for (int i = 0; i < w->n_scalars; i++) {
        snprintf(number, sizeof number, "%.17g", w->scalar[i].value);
        put(text, w->scalar[i].name, number);
    }
    return text;
}

const char *plan_read(struct plan *plan, const char *text, char *why)
{
    char copy[PLAN_TEXT], *argv[2 * OP_DIMS + 16];
    int argc = 0;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *word = strtok(copy, " "); word && argc < 2 * OP_DIMS + 16; word = strtok(NULL, " "))
        argv[argc++] = word;
    struct options o = {0};
    struct keys k = {.of = "A case"};
    struct asked *a = op_take(1, sizeof *a);
    *a = (struct asked){.plan = {.wish = {.chained = 1}, .suite = -1, .family = OP_GAUSS}};
    ask_tables(&k, MAKE, NULL);
    const char *wrong = options_read(&o, argc, argv, &k, "kernel", why);
    wrong = wrong ? wrong : ask(a, &o, MAKE, "A case", why);
    if (!wrong && !a->plan.subject.n)
        wrong = say(why, "it names no kernel");
    options_free(&o);
    *plan = a->plan;
    free(a);
    return wrong;
}
