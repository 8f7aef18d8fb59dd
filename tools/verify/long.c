/* long.c - see long.h. */
#define _DEFAULT_SOURCE    /* MAP_ANONYMOUS */
#include "tools/verify/long.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tools/lib/say.h"
#include "tools/verify/element.h"

enum { CASES = 2, GUARD = 4096, AT_RANDOM = 2, SECONDS = 3600 };
static const double PAST = 2147483648.0;       /* 2^31 */
static const long SLAB = 65536;                /* elements of a slab of rows */

/* ---- sizes */

static int *dim(struct op_case *c, char letter)
{
    const char *at = strchr(swax_ops[c->op].dims, letter);
    return at ? &c->dims[at - swax_ops[c->op].dims] : NULL;
}

static long extent(const struct op_case *c, char letter) { return strchr(swax_ops[c->op].dims, letter) ? op_extent(&swax_ops[c->op], letter, c->dims) : 1; }

static double elements(const struct op_case *c, const char *shape)
{
    double product = 1;
    for (; *shape; shape++)
        product *= (double)op_extent(&swax_ops[c->op], *shape, c->dims);
    return product;
}

static double largest(const struct op_case *c)
{
    double most = 0;
    for (int i = 0; i < op_args(&swax_ops[c->op]); i++)
        most = fmax(most, elements(c, swax_ops[c->op].arg[i].shape));
    return most;
}

static const struct { char letter; int size[CASES]; } sizes[] = {
    {'B', {1, 1}}, {'T', {65536, 4096}}, {'H', {2, 16}}, {'G', {1, 4}}, {'K', {64, 16}}, {'V', {64, 128}}, {'D', {64, 128}}, {'L', {64, 256}}, {'W', {1024, 128}},
    {'C', {1024, 2048}}, {'I', {512, 16}}, {'O', {128, 2048}}, {'J', {1, 1}}, {'e', {1, 1}}, {'g', {1, 1}}, {'z', {1, 0}}, {'s', {3, 3}}, {'P', {0, 0}}, {'F', {4, 4}},
};

int long_dims(struct op_case *c, const struct subject *s, const struct wish *w, int i)
{
    memset(c, 0, sizeof *c);
    c->op = s->op[0];
    const char *dims = swax_ops[c->op].dims;
    const int rows = dims[0] == 'N', alone = rows && !dims[1 + strspn(dims + 1, "sz")];
    if (i >= CASES || (alone && i))    /* an int counts all its elements */
        return 0;
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        if (dim(c, sizes[k].letter))
            *dim(c, sizes[k].letter) = sizes[k].size[i];
    if (rows)
        *dim(c, 'N') = alone ? (1 << 24) + 3 : i ? 1 : 65536;
    if (dim(c, 'V') && !dim(c, 'K'))
        *dim(c, 'V') = 50304;
    for (int k = 0; k < w->n_dims; k++)
        if (dim(c, w->dim[k].letter))
            *dim(c, w->dim[k].letter) = w->dim[k].value;
    if (dim(c, 'S'))
        *dim(c, 'S') = *dim(c, 'T');
    if (i)    /* as many rows or sequences as it takes */
        while (largest(c) <= PAST) {
            int *first = dim(c, dims[0]);
            *first = (int)fmax(*first + 1, floor(*first * PAST / largest(c)) + 1);
        }
    op_default_scalars(c);
    for (int k = 0; k < w->n_scalars; k++)
        for (int n = 0; n < op_scalars(&swax_ops[c->op]); n++) {
            char name[OP_WORD];
            if (!strcmp(op_scalar_name(&swax_ops[c->op], n, name), w->scalar[k].name))
                c->scalar[n] = w->scalar[k].value;
        }
    return 1;
}

/* ---- slabs */

struct slab { long b, g, row; };
struct slabs { long b, g, rows, each; int of_rows; };      /* how many along each; rows of a slab */

static struct slabs slabs_of(const struct op_case *c)
{
    struct slabs s = {1, 1, 1, 1, swax_ops[c->op].dims[0] == 'N'};
    if (!s.of_rows) {
        s.b = extent(c, 'B');
        s.g = strchr(swax_ops[c->op].dims, 'G') ? extent(c, 'G') : extent(c, 'H');
        return s;
    }
    const double row = largest(c) / (double)extent(c, 'N');
    s.each = (long)fmax(1, fmin((double)extent(c, 'N'), floor((double)SLAB / row)));
    s.rows = (extent(c, 'N') + s.each - 1) / s.each;
    return s;
}

static long count(const struct slabs *s) { return s->b * s->g * s->rows; }
static struct slab slab(const struct slabs *s, long i) { return (struct slab){i / s->g % s->b, i % s->g, s->of_rows ? i : 0}; }

/* Where a letter begins in the whole, for that slab. */
static long begins(const struct op_case *c, const struct slabs *s, const struct slab *at, char letter)
{
    const long G = strchr(swax_ops[c->op].dims, 'G') ? extent(c, 'G') : extent(c, 'H');
    if (s->of_rows)
        return letter == 'N' ? at->row * s->each : 0;
    return letter == 'B' ? at->b : letter == 'G' ? at->g : letter == 'H' ? at->g * (extent(c, 'H') / G) : 0;
}

static void slab_dims(struct op_case *part, const struct op_case *c, const struct slabs *s, const struct slab *at)
{
    memcpy(part->dims, c->dims, sizeof part->dims);
    memcpy(part->scalar, c->scalar, sizeof part->scalar);
    if (s->of_rows) {
        const long left = extent(c, 'N') - at->row * s->each;
        *dim(part, 'N') = (int)(left < s->each ? left : s->each);
        return;
    }
    *dim(part, 'B') = 1;
    if (dim(part, 'H'))
        *dim(part, 'H') = (int)(extent(c, 'H') / s->g);
    if (dim(part, 'G'))
        *dim(part, 'G') = 1;
}

/* Does the shape have every letter along which there are several slabs?  What it sums over them is not asked. */
static int is_of_slabs(const struct slabs *s, const char *shape)
{
    return (s->rows == 1 || strchr(shape, 'N')) && (s->b == 1 || strchr(shape, 'B')) && (s->g == 1 || strchr(shape, 'G') || strchr(shape, 'H'));
}

/* One seed for each slab that an argument tells apart. */
static uint64_t seed_of(uint64_t seed, const char *shape, const struct slab *at)
{
    uint64_t s = seed + (strchr(shape, 'B') ? 1000003 * (uint64_t)(at->b + 1) : 0) + (strchr(shape, 'H') || strchr(shape, 'G') ? 7919 * (uint64_t)(at->g + 1) : 0)
               + (strchr(shape, 'N') ? 104729 * (uint64_t)(at->row + 1) : 0);
    return op_random(&s);
}

/* ---- arrays in the kernel's own types */

struct whole { struct op_case c[PARTS]; int parts; unsigned char *base; size_t bytes, at[PARTS][OP_ARGS]; enum swax_precision precision; };

/* What a backward reads of its forward, and what both read, lies once. */
static int shared_with(const struct whole *w, int part, int i)
{
    return part ? op_arg_find(&swax_ops[w->c[0].op], swax_ops[w->c[1].op].arg[i].name) : -1;
}

/* Optional: states that are saved, and nothing else. */
static int is_given(const struct op_arg *a) { return !a->optional || !strcmp(a->name, "Cs") || !strcmp(a->name, "ns") || !strcmp(a->name, "Ss"); }

static void lay(struct whole *w)
{
    size_t at = 0;
    for (int part = 0; part < w->parts; part++)
        for (int i = 0; i < op_args(&swax_ops[w->c[part].op]); i++) {
            const struct op_arg *a = &swax_ops[w->c[part].op].arg[i];
            const int same = shared_with(w, part, i);
            w->at[part][i] = 0;
            if (!is_given(a))
                continue;
            if (same >= 0) {
                w->at[part][i] = w->at[0][same];
                continue;
            }
            w->at[part][i] = at + GUARD;
            at += 2 * GUARD + ((size_t)elements(&w->c[part], a->shape) * element_width(a->type, w->precision) + 63) / 64 * 64;
        }
    w->bytes = at;
}

/* Numbers between a slab and the whole. */
static void move(const struct whole *w, int part, int i, double *x, const struct op_case *of, const struct slabs *s, const struct slab *at, int in)
{
    const struct op_spec *op = &swax_ops[w->c[part].op];
    const char *shape = op->arg[i].shape;
    const int axes = (int)strlen(shape);
    long stride[8], index[8] = {0}, small[8], step = 1, base = 0;
    for (int d = axes - 1; d >= 0; d--) {
        stride[d] = step;
        small[d] = op_extent(op, shape[d], of->dims);
        step *= op_extent(op, shape[d], w->c[part].dims);
        base += begins(&w->c[part], s, at, shape[d]) * stride[d];
    }
    for (long e = 0; e < of->size[i]; e++) {
        if (in)
            element_put(w->base + w->at[part][i], op->arg[i].type, w->precision, base, x[e]);
        else
            x[e] = element_get(w->base + w->at[part][i], op->arg[i].type, w->precision, base);
        for (int d = axes - 1; d >= 0; d--) {
            base += stride[d];
            if (++index[d] < small[d])
                break;
            base -= small[d] * stride[d];
            index[d] = 0;
        }
    }
}

static enum swax_precision exact_in(const struct wish *w) { return dtype_precision(w->dtype); }

/* The inputs of one slab, as a problem. */
static void draw_slab(struct problem *p, const struct whole *w, const struct plan *plan, const struct slabs *s, const struct slab *at, uint64_t seed)
{
    memset(p, 0, sizeof *p);
    p->subject = plan->subject;
    p->wish = plan->wish;
    p->wish.chained = 1, p->wish.noise = 0;
    p->seed = seed;
    for (int part = 0; part < w->parts; part++) {
        struct op_case *c = &p->in[part];
        unsigned optional = 0;
        c->op = w->c[part].op;
        slab_dims(c, &w->c[part], s, at);
        for (int i = 0; i < op_args(&swax_ops[c->op]); i++)
            optional |= swax_ops[c->op].arg[i].optional && is_given(&swax_ops[c->op].arg[i]) ? 1u << swax_ops[c->op].arg[i].optional : 0;
        op_case_alloc(c, optional);
        c->by = teller_of(&p->subject, &p->wish, c);
        for (int i = 0; i < c->n; i++)
            if (c->arg[i] && op_is_drawn(c->op, i))
                op_draw_argument(c, i, seed_of(seed, swax_ops[c->op].arg[i].shape, at), OP_GAUSS, exact_in(&p->wish));
    }
}

static void fill(const struct whole *w, const struct plan *plan, const struct slabs *s, uint64_t seed)
{
    for (int part = 0; part < w->parts; part++)      /* what is written begins as NaN, what is added to as 0 */
        for (int i = 0; i < op_args(&swax_ops[w->c[part].op]); i++) {
            const struct op_arg *a = &swax_ops[w->c[part].op].arg[i];
            const size_t bytes = (size_t)elements(&w->c[part], a->shape) * element_width(a->type, w->precision);
            if (!w->at[part][i] || shared_with(w, part, i) >= 0)
                continue;
            memset(w->base + w->at[part][i] - GUARD, 0xFF, GUARD);
            memset(w->base + w->at[part][i] + bytes, 0xFF, GUARD);
            if (a->role == OUT || a->role == SCRATCH)
                memset(w->base + w->at[part][i], 0xFF, bytes);
        }
    for (long k = 0; k < count(s); k++) {
        struct problem p;
        const struct slab at = slab(s, k);
        draw_slab(&p, w, plan, s, &at, seed);
        for (int part = 0; part < w->parts; part++)
            for (int i = 0; i < p.in[part].n; i++)
                if (p.in[part].arg[i] && op_is_drawn(p.in[part].op, i) && shared_with(w, part, i) < 0)
                    move(w, part, i, p.in[part].arg[i], &p.in[part], s, &at, 1);
        problem_free(&p);
    }
}

/* ---- cost */

static void begin_whole(struct whole *w, const struct subject *s, const struct op_case *c, enum swax_precision precision)
{
    memset(w, 0, sizeof *w);
    w->parts = s->n;
    w->precision = precision;
    for (int part = 0; part < s->n; part++) {
        w->c[part] = *c;
        w->c[part].op = s->op[part];
        w->c[part].n = op_args(&swax_ops[s->op[part]]);
    }
    lay(w);
}

double long_memory(void)
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

struct long_cost long_cost(const struct subject *s, const struct wish *wish, const struct op_case *c)
{
    struct whole w;
    struct long_cost cost = {0, 0};
    const struct slabs slabs = slabs_of(c);
    const struct slab first = {0, 0, 0};
    struct problem p = {.subject = *s, .wish = *wish};
    begin_whole(&w, s, c, dtype_precision(wish->dtype));
    double work = 0, numbers = 0;
    for (int part = 0; part < s->n; part++) {
        p.in[part].op = s->op[part];
        slab_dims(&p.in[part], &w.c[part], &slabs, &first);
        work += case_steps(&p.in[part]) * (part ? 3 : 1);
        numbers += case_numbers(&p.in[part]);
    }
    cost.bytes = (double)w.bytes + 16 * 8 * numbers;      /* and a slab's copies in double */
    cost.seconds = (double)w.bytes * 1e-8 + (AT_RANDOM + 3) * (work * 12 / 2e9 + numbers * 5e-7);
    return cost;
}

/* ---- the call, in a process of its own */

static const char *call(load_fn *load, void *arg, struct whole *w, int offers[PARTS], char *why)
{
    struct shared { char wrong[SWAX_WHY]; int offers[PARTS]; } *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return say(why, "There is no memory for the kernel's process.");
    fflush(NULL);
    const pid_t child = fork();
    if (!child) {
        struct loaded l;
        memset(&l, 0, sizeof l);
        alarm(SECONDS);
        if (load(&l, arg, shared->wrong))
            _exit(1);
        for (int part = 0; part < w->parts; part++) {
            void *a[OP_ARGS] = {0};
            shared->offers[part] = l.offers[part];
            for (int i = 0; i < w->c[part].n; i++)
                a[i] = w->at[part][i] ? w->base + w->at[part][i] : NULL;
            if (l.offers[part])
                op_call(&l.tier, l.precision, w->c[part].op, a, w->c[part].dims, w->c[part].scalar);
        }
        _exit(0);
    }
    int status = 1;
    if (child > 0)
        waitpid(child, &status, 0);
    const char *wrong = child < 0 ? say(why, "No process could be started for the kernel.") : shared->wrong[0] ? say(why, "%s", shared->wrong)
                      : WIFSIGNALED(status) ? say(why, "it crashed: %s", WTERMSIG(status) == SIGALRM ? "did not return" : strsignal(WTERMSIG(status)))
                      : status ? say(why, "it ended the process") : NULL;
    memcpy(offers, shared->offers, sizeof shared->offers);
    munmap(shared, sizeof *shared);
    return wrong;
}

/* ---- the verdict */

static const char *guards(const struct whole *w, char *why)
{
    for (int part = 0; part < w->parts; part++)
        for (int i = 0; i < w->c[part].n; i++) {
            const struct op_arg *a = &swax_ops[w->c[part].op].arg[i];
            const size_t bytes = (size_t)elements(&w->c[part], a->shape) * element_width(a->type, w->precision);
            for (int e = 0; e < GUARD && w->at[part][i] && shared_with(w, part, i) < 0; e++)
                if (w->base[w->at[part][i] - GUARD + (size_t)e] != 0xFF || w->base[w->at[part][i] + bytes + (size_t)e] != 0xFF)
                    return say(why, "it wrote outside %s", a->name);
        }
    return NULL;
}

/* One slab's answers against its truth: 1 if they are good. */
static int judge(const struct whole *w, const struct plan *plan, const struct slabs *s, const struct slab *at, uint64_t seed, int number, const int offers[PARTS], struct report *r, char *what)
{
    struct problem p;
    struct op_case got[PARTS] = {{0}};
    int good = 1;
    draw_slab(&p, w, plan, s, at, seed);
    p.number = number;
    for (int part = 0; part < w->parts; part++) {
        op_case_copy(&got[part], &p.in[part]);
        for (int i = 0; i < got[part].n; i++) {
            const struct op_arg *a = &swax_ops[got[part].op].arg[i];
            if (!got[part].arg[i])
                continue;
            if (op_answers(a) && (!offers[part] || !is_of_slabs(s, a->shape))) {
                free(got[part].arg[i]);
                got[part].arg[i] = NULL;
            } else
                move(w, part, i, got[part].arg[i], &got[part], s, at, 0);
            if (a->role == IN && op_is_drawn(got[part].op, i) && memcmp(got[part].arg[i], p.in[part].arg[i], (size_t)got[part].size[i] * sizeof(double))) {
                say(what, "it changed its input %s", a->name);
                good = 0;
            }
        }
    }
    problem_solve(&p);
    for (int part = 0; part < w->parts; part++)
        good &= report_add(r, &p, got, part);
    for (int part = 0; part < PARTS; part++)
        op_case_free(&got[part]);
    problem_free(&p);
    return good;
}

/* The slab with the largest tensor's element 2^31, or the middle one. */
static long crossing(const struct op_case *c, const struct slabs *s)
{
    const double share = fmin(0.999, PAST / largest(c));
    return (long)(share * (double)count(s));
}

static const char *one(load_fn *load, void *arg, const struct plan *plan, int number, const struct op_case *c, struct report *r, char *why)
{
    struct whole w;
    char what[SWAX_WHY] = "";
    int offers[PARTS] = {0}, good = 1;
    uint64_t random = plan->seed * 77 + (uint64_t)number;
    const struct slabs s = slabs_of(c);
    const long n = count(&s), fixed[] = {0, n - 1, crossing(c, &s)};
    begin_whole(&w, &plan->subject, c, dtype_precision(plan->wish.dtype));
    w.base = mmap(NULL, w.bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (w.base == MAP_FAILED)
        return say(why, "There is no memory for the arrays.");
    fill(&w, plan, &s, plan->seed + (uint64_t)number);
    const char *wrong = call(load, arg, &w, offers, what);
    wrong = wrong ? wrong : guards(&w, what);
    for (int k = 0; k < 3 + AT_RANDOM && !wrong; k++) {
        const struct slab at = slab(&s, k < 3 ? fixed[k] : (long)(op_random(&random) % (uint64_t)n));
        int seen = 0;
        for (int j = 0; j < k && j < 3; j++)
            seen |= fixed[j] == (k < 3 ? fixed[k] : -1);
        if (!seen)
            good &= judge(&w, plan, &s, &at, plan->seed + (uint64_t)number, number, offers, r, what);
    }
    munmap(w.base, w.bytes);
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
    struct op_case c;
    const double available = long_memory();
    const char *wrong = NULL;
    const int gauge = r->gauge;
    if (op_forward_of(plan->subject.op[0]) >= 0)
        return say(why, "suite=long asks a forward, or a forward with its backward: say %s.", plan->subject.base);
    report_begin(r, plan);
    r->gauge = gauge;
    for (int i = 0; !wrong && long_dims(&c, &plan->subject, &plan->wish, i); i++) {
        char sizes_text[WORDS];
        const struct long_cost cost = long_cost(&plan->subject, &plan->wish, &c);
        if (plan->only >= 0 && plan->only != i)
            continue;
        op_case_describe(&c, sizes_text, sizeof sizes_text);
        if (op_wrong(c.op, c.dims, c.scalar, c.trouble))
            return say(why, "%s", c.trouble);
        if (cost.bytes > 0.9 * available)
            return say(why, "Too large: case %d, %s, takes %.1f GB, and %.1f are free here.  number=0 asks the long case alone, dtype=bf16 takes half, and sizes are keys.", i, sizes_text,
                       cost.bytes / 1e9, available / 1e9);
        fprintf(stderr, "case %d: %s, %.1f GB, about %.0f s\n", i, sizes_text, cost.bytes / 1e9, cost.seconds);
        wrong = one(load, arg, plan, i, &c, r, why);
    }
    return wrong ? wrong : r->problems ? NULL : say(why, "number=%d: suite=long has case 0%s.", plan->only, long_dims(&c, &plan->subject, &plan->wish, 1) ? ", the long one, and case 1, the large one" : " alone");
}
