/* long.c - see long.h. */
#define _DEFAULT_SOURCE    /* MAP_ANONYMOUS */
#include "tools/verify/long.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "tools/lib/say.h"
#include "tools/lib/threads.h"
#include "tools/verify/element.h"
#include "tools/verify/long_slabs.h"
#include "tools/verify/stranger.h"

enum { CASES = 2, FIXED = 3, AT_RANDOM = 2 };

/* ---- sizes */

static const struct { char letter; int size[CASES];
} sizes[] = {
    { 'B', { 1, 1 } },      { 'T', { 65536, 4096 } }, { 'H', { 2, 16 } },   { 'G', { 1, 4 } },
    { 'K', { 64, 16 } },    { 'V', { 64, 128 } },     { 'D', { 64, 128 } }, { 'L', { 64, 256 } },
    { 'W', { 1024, 128 } }, { 'C', { 1024, 2048 } },  { 'I', { 512, 16 } }, { 'O', { 128, 2048 } },
    { 'J', { 1, 1 } },      { 'e', { 1, 1 } },        { 'g', { 1, 1 } },    { 'z', { 1, 0 } },
    { 's', { 3, 3 } },      { 'P', { 0, 0 } },        { 'F', { 4, 4 } },
};

int long_dims(struct op_case *c, const struct subject *s, const struct wish *w, int i, double past)
{
    memset(c, 0, sizeof *c);
    c->op = s->op[0];
    const char *dims = swax_ops[c->op].dims;
    const int rows = dims[0] == 'N', alone = rows && !dims[1 + strspn(dims + 1, "s")];
    if (i >= CASES || (alone && i))    /* an int counts all its elements */
        return 0;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        if (whole_dim(c, sizes[k].letter))
            *whole_dim(c, sizes[k].letter) = sizes[k].size[i];
    if (rows)
        *whole_dim(c, 'N') = alone ? (1 << 24) + 3 : i ? 1 : 65536;
    if (whole_dim(c, 'V') && !whole_dim(c, 'K'))
        *whole_dim(c, 'V') = 50304;
    for (int k = 0; k < w->n_dims; k++)
        if (whole_dim(c, w->dim[k].letter))
            *whole_dim(c, w->dim[k].letter) = w->dim[k].value;
    if (whole_dim(c, 'S'))
        *whole_dim(c, 'S') = *whole_dim(c, 'T');
    if (i)    /* as many rows or sequences as it takes */
        while (whole_largest(c) <= past) {
            int *first = whole_dim(c, dims[0]);
            *first = (int)floor(*first * past / whole_largest(c)) + 1;
        }
    op_default_scalars(c);
    for (int k = 0; k < w->n_scalars; k++)
        for (int n = 0; n < op_scalars(&swax_ops[c->op]); n++) {
            char name[OP_WORD];
            if (!strcmp(op_scalar_name(&swax_ops[c->op], n, name), w->scalar[k].name))
                c->scalar[n] = w->scalar[k].value;
        }
    const int sum = op_arg_find(&swax_ops[c->op], "sum");
    if (sum >= 0 && swax_ops[c->op].arg[sum].optional)      /* it is not given: nothing is clipped by it */
        c->scalar[op_scalars(&swax_ops[c->op]) - 1] = 0;
    return 1;
}

/* ---- cost */

/* Bytes that may be taken here. */
static double memory(void)
{
    double available = 0, kilobytes;
    char line[128];
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %lf", &kilobytes) == 1)
            available = 1024 * kilobytes;
    if (f)
        fclose(f);
    return available > 0 ? available : (double)INFINITY;      /* who cannot know lets it be tried */
}

int long_hands(int cores) { return cores < LONG_COPIES ? cores : LONG_COPIES; }

struct long_limits long_limits(void)
{
    return (struct long_limits){.past = 2147483648.0, .slab = 65536, .memory = memory(), .seconds = 3600,
                                .hands = long_hands(threads_allowed())};
}

/* Of one slab, on one core: multiplications of a tier that has vectors, or of the reference; of the honest orders,
 * which are plain loops; and what is drawn, moved and compared. */
static const double BY_VECTORS = 8e10, BY_LOOPS = 2e9, BY_ORDERS = 1e9, NUMBERS = 5e6;
/* A second: numbers that one hand draws, and bytes that are touched for the first time. */
static const double DRAWN = 5e7, TOUCHED = 1e9;

/* Slabs that are judged: the first, the last, that in which element 2^31 lies, and some at random if there are more. */
static long judged(long slabs) { return slabs > 3 ? 3 + AT_RANDOM : slabs; }

struct long_cost long_cost(const struct subject *s, const struct wish *wish, const struct op_case *c,
                           const struct long_limits *limits)
{
    struct whole w;
    struct long_cost cost = {0, 0};
    const struct slabs slabs = slabs_of(c, limits->slab);
    const struct slab first = slab_number(&slabs, 0);
    struct problem p = {.subject = *s, .wish = *wish};
    whole_begin(&w, s, c, dtype_precision(wish->dtype));
    double work = 0, orders = 0, numbers = 0, drawn = 0;
    for (int part = 0; part < s->n; part++) {
        for (int i = 0; i < w.c[part].n; i++)
            drawn += whole_draws(&w, part, i) ? whole_elements(&w.c[part], swax_ops[s->op[part]].arg[i].shape) : 0;
        p.in[part].op = s->op[part];
        slab_dims(&p.in[part], &w.c[part], &slabs, &first);
        work += case_steps(&p.in[part]) * (part ? 3 : 1);
        /* of attention, whose products are counted once: two forward, five backward, and an exp */
        orders += bound_asks_orders(&p, part) * case_orders(&p.in[part]) *
                  (!strchr(swax_ops[s->op[part]].dims, 'W') ? 1 : part ? 6 : 3);
        numbers += case_numbers(&p.in[part]);
    }
    const int plain = teller_of(s, wish, &p.in[0]) == swax_tiers[0];
    cost.bytes = (double)w.bytes + LONG_COPIES * 8 * numbers;
    cost.seconds = drawn / DRAWN / limits->hands + (double)w.bytes / TOUCHED + (double)judged(slabs_count(&slabs)) *
                   (work * 12 / (plain ? BY_LOOPS : BY_VECTORS) + orders / BY_ORDERS + numbers / NUMBERS);
    return cost;
}

/* ---- the call, in a process of its own */

struct shared {
    char wrong[SWAX_WHY];
    int offers[PARTS];
};
struct calls { load_fn *load; void *arg; struct whole *w; struct loaded l; };

static int load_it(void *arg, void *shared)
{
    struct calls *k = arg;
    struct shared *s = shared;
    if (k->load(&k->l, k->arg, s->wrong))
        return 0;
    memcpy(s->offers, k->l.offers, sizeof s->offers);
    return 1;
}

static void answer(void *arg, void *shared)
{
    struct calls *k = arg;
    struct whole *w = k->w;
    (void)shared;
    for (int part = 0; part < w->parts; part++) {
        void *a[OP_ARGS] = {0};
        for (int i = 0; i < w->c[part].n; i++)
            a[i] = w->at[part][i] ? w->base + w->at[part][i] : NULL;
        if (k->l.offers[part])
            op_call(&k->l.tier, k->l.precision, w->c[part].op, a, w->c[part].dims, w->c[part].scalar);
    }
}

/* NULL, or a sentence: what it did, or, where *refused, why it could not be called at all. */
static const char *call(load_fn *load, void *arg, struct whole *w, int seconds, int offers[PARTS], int *refused,
                        char *why)
{
    static const struct stranger_work works = {load_it, answer};
    struct stranger is;
    char fate[FATE];
    *refused = stranger_start(&is, &works, &(struct calls){.load = load, .arg = arg, .w = w}, sizeof(struct shared),
                              seconds, "the kernel", why) != NULL;
    if (*refused)
        return why;
    memcpy(offers, ((const struct shared *)is.shared)->offers, sizeof(int[PARTS]));
    const char *wrong = stranger_ask(&is, fate) ? say(why, "it %s", fate) : NULL;
    stranger_stop(&is);
    return wrong;
}

/* ---- the verdict */

static const char *guards(const struct whole *w, char *why)
{
    for (int part = 0; part < w->parts; part++)
        for (int i = 0; i < w->c[part].n; i++) {
            const struct op_arg *a = &swax_ops[w->c[part].op].arg[i];
            const size_t bytes = (size_t)whole_elements(&w->c[part], a->shape) * element_width(a->type, w->precision);
            for (int e = 0; e < LONG_GUARD && w->at[part][i]; e++)
                if (w->base[w->at[part][i] - LONG_GUARD + (size_t)e] != 0xFF ||
                    w->base[w->at[part][i] + bytes + (size_t)e] != 0xFF)
                    return say(why, "it wrote outside %s", a->name);
        }
    return NULL;
}

/* One slab's answers against its truth: 1 if they are good.  What else is wrong is said in `what`. */
static int judge(const struct whole *w, const struct plan *plan, const struct slabs *s, const struct slab *at,
                 uint64_t seed, int number, const int offers[PARTS], struct report *r, char *what)
{
    struct problem p;
    struct op_case got[PARTS] = {{0}};
    int good = 1;
    slab_draw(&p, w, plan, s, at, seed);
    p.number = number;
    for (int part = 0; part < w->parts; part++) {
        op_case_copy(&got[part], &p.in[part]);
        for (int i = 0; i < got[part].n; i++) {
            const struct op_arg *a = &swax_ops[got[part].op].arg[i];
            if (!got[part].arg[i])
                continue;
            if (op_answers(a) && (!offers[part] || !slabs_have(s, a->shape))) {
                free(got[part].arg[i]);
                got[part].arg[i] = NULL;
            } else
                slab_move(w, part, i, got[part].arg[i], &p.in[part], s, at, 0);
            if (a->role == IN && op_is_drawn(got[part].op, i) &&
                memcmp(got[part].arg[i], p.in[part].arg[i], (size_t)got[part].size[i] * sizeof(double)))
                say(what, "it changed its input %s", a->name);
        }
    }
    for (int part = 0; part < w->parts; part++)
        slab_numbers_tokens(&p.in[part], s);
    problem_solve(&p);
    for (int part = 0; part < w->parts; part++)
        good &= report_add(r, &p, got, part);
    for (int part = 0; part < w->parts; part++)
        for (int i = 0; i < got[part].n && offers[part]; i++) {
            const struct op_arg *a = &swax_ops[got[part].op].arg[i];
            if (op_answers(a) && p.in[part].arg[i] && !got[part].arg[i])
                report_finding(r, a->name);      /* a sum over slabs: it is told of, and not asked */
        }
    for (int part = 0; part < PARTS; part++)
        op_case_free(&got[part]);
    problem_free(&p);
    return good;
}

/* The slab with the largest tensor's element `past`, or the last. */
static long crossing(const struct op_case *c, const struct slabs *s, double past)
{
    const double share = fmin(0.999, past / whole_largest(c));
    return (long)(share * (double)slabs_count(s));
}

static const char *one(const struct long_limits *limits, load_fn *load, void *arg, const struct plan *plan, int number,
                       const struct op_case *c, struct report *r, char *why)
{
    struct whole w;
    char what[SWAX_WHY] = "";
    int offers[PARTS] = {0}, refused, good = 1;
    uint64_t random = plan->seed * 77 + (uint64_t)number;
    const struct slabs s = slabs_of(c, limits->slab);
    const long n = slabs_count(&s);
    long judged[FIXED + AT_RANDOM] = {0, n - 1, crossing(c, &s, limits->past)};
    whole_begin(&w, &plan->subject, c, dtype_precision(plan->wish.dtype));
    w.base = mmap(NULL, w.bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (w.base == MAP_FAILED)
        return say(why, "There is no memory for the arrays.");
    if (whole_fill(&w, plan, &s, plan->seed + (uint64_t)number, limits->hands, why)) {
        munmap(w.base, w.bytes);
        return why;
    }
    const char *wrong = call(load, arg, &w, limits->seconds, offers, &refused, what);
    wrong = wrong ? wrong : guards(&w, what);
    for (int k = 0; k < FIXED + AT_RANDOM && !wrong; k++) {
        int seen = 0;
        judged[k] = k < FIXED ? judged[k] : (long)(op_random(&random) % (uint64_t)n);
        for (int j = 0; j < k; j++)
            seen |= judged[j] == judged[k];
        const struct slab at = slab_number(&s, judged[k]);
        if (!seen)
            good &= judge(&w, plan, &s, &at, plan->seed + (uint64_t)number, number, offers, r, what);
    }
    munmap(w.base, w.bytes);
    if (refused)
        return say(why, "%s", what);
    if ((wrong || what[0]) && !r->trouble[0]) {
        snprintf(r->trouble, sizeof r->trouble, "%s: %.150s", plan->subject.name, what);
        r->trouble_at = number;
    }
    r->too_large = 1;    /* for a cause to be looked for */
    r->problems++;
    r->failed += !good || wrong || what[0];
    return NULL;
}

const char *verify_long(load_fn *load, void *arg, const struct plan *plan, struct report *r, char *why)
{
    const struct long_limits limits = long_limits();
    return verify_long_by(&limits, load, arg, plan, r, why);
}

const char *verify_long_by(const struct long_limits *limits, load_fn *load, void *arg, const struct plan *plan,
                           struct report *r, char *why)
{
    struct op_case c;
    const char *wrong = NULL;
    const int gauge = r->gauge;
    if (op_forward_of(plan->subject.op[0]) >= 0)
        return say(why, "suite=long asks a forward, or a forward with its backward: say %s.", plan->subject.base);
    report_begin(r, plan);
    r->gauge = gauge;
    for (int i = 0; !wrong && long_dims(&c, &plan->subject, &plan->wish, i, limits->past); i++) {
        char sizes_text[WORDS];
        const struct long_cost cost = long_cost(&plan->subject, &plan->wish, &c, limits);
        if (plan->only >= 0 && plan->only != i)
            continue;
        op_case_describe(&c, sizes_text, sizeof sizes_text);
        if (op_wrong(c.op, c.dims, c.scalar, c.trouble))
            return say(why, "%s", c.trouble);
        if (cost.bytes > 0.9 * limits->memory)
            return say(why,
                       "Too large: case %d, %s, takes %.1f GB, and %.1f are free here.  number=0 asks the long case "
                       "alone, dtype=bf16 takes half, and sizes are keys.",
                       i, sizes_text, cost.bytes / 1e9, limits->memory / 1e9);
        fprintf(stderr, "case %d: %s, %.1f GB, about %.0f s beside the kernel's own\n", i, sizes_text,
                cost.bytes / 1e9, cost.seconds);
        wrong = one(limits, load, arg, plan, i, &c, r, why);
    }
    return wrong       ? wrong
         : r->problems ? NULL
                       : say(why, "number=%d: suite=long has case 0%s.", plan->only,
                             long_dims(&c, &plan->subject, &plan->wish, 1, limits->past)
                                 ? ", the long one, and case 1, the large one"
                                 : " alone");
}
