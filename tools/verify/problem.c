/* problem.c - a problem for a candidate: sizes, scalars and inputs. */
#include "tools/verify/verify.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/half.h"
#include "tools/lib/nearest.h"
#include "tools/lib/say.h"

const char *const dtype_name[DTYPES] = {"f32", "f64", "bf16", "f16"};

enum swax_precision dtype_precision(enum dtype d)
{
    return d == DT_F32 ? SWAX_PREC_F32 : d == DT_F64 ? SWAX_PREC_F64 : SWAX_PREC_BF16;
}

const char *subject_find(struct subject *s, const char *name, char *why)
{
    char full[64];
    struct nearest near = nearest_to(name);
    s->op[0] = op_find(name);
    s->n = s->op[0] >= 0;
    if (!s->n) {
        snprintf(full, sizeof full, "%.40s_forward", name);
        s->op[0] = op_find(full);
        s->n = s->op[0] < 0 ? 0 : 2;
        s->op[1] = s->n ? op_backward_of(s->op[0]) : -1;
    }
    for (int i = 0; i < swax_n_ops && !s->n; i++) {
        const char *ending = strstr(swax_ops[i].name, "_forward");
        nearest_try(&near, swax_ops[i].name);
        if (!ending)
            continue;
        snprintf(full, sizeof full, "%.*s", (int)(ending - swax_ops[i].name), swax_ops[i].name);
        nearest_try(&near, full);
        if (near.best == full)
            near.best = memcpy(s->base, full, sizeof s->base);
    }
    if (!s->n && near.best)
        return say(why, "There is no kernel \"%.60s\": did you mean %s?", name, near.best);
    if (!s->n)
        return say(why, "There is no kernel \"%.60s\": `swax verify list` has them all.", name);
    const char *own = swax_ops[s->op[0]].name, *ending = strchr(own, '_');
    snprintf(s->base, sizeof s->base, "%.*s", ending ? (int)(ending - own) : (int)strlen(own), own);
    snprintf(s->name, sizeof s->name, "%.31s", s->n == 2 ? s->base : own);
    return NULL;
}

int subject_number(int number, struct subject *s)
{
    char unsaid[SWAX_WHY];
    for (int i = 0; i < swax_n_ops; i++)
        if (op_forward_of(i) < 0 && !number--)
            return !subject_find(s, swax_ops[i].name, unsaid)
                && (op_backward_of(i) < 0 || !subject_find(s, s->base, unsaid));
    return 0;
}

static int *dim(struct op_case *c, char letter)
{
    const char *at = strchr(swax_ops[c->op].dims, letter);
    return at ? &c->dims[at - swax_ops[c->op].dims] : NULL;
}

static int wished(const struct wish *w, char letter)
{
    for (int i = 0; i < w->n_dims; i++)
        if (w->dim[i].letter == letter)
            return 1;
    return 0;
}

/* The wishes, and after them what depends on what was wished. */
static const char *set_dims(struct op_case *c, const struct wish *w, uint64_t *s, int tokens, char *why)
{
    const struct op_spec *op = &swax_ops[c->op];
    int *T = dim(c, 'T'), *S = dim(c, 'S'), *G = dim(c, 'G'), *H = dim(c, 'H'), *W = dim(c, 'W'), *L = dim(c, 'L');
    const int cached = S && !wished(w, 'T') ? *S - *T : 0;
    if (tokens && T && !wished(w, 'T')) {
        *T = tokens;
        for (const char *small = "BKVDH"; *small; small++)
            if (dim(c, *small))
                *dim(c, *small) = *small == 'B' ? 1 + (tokens < 400)
                                : *small == 'H' ? (tokens < 400 ? 3 : 1)
                                                : 8 + (int)(op_random(s) % 5);
        if (G)
            *G = 1;
        if (W)
            *W = 1 + (int)(op_random(s) % (uint64_t)tokens);
        if (L)
            *L = 64;
    }
    for (int i = 0; i < w->n_dims; i++) {
        int *d = dim(c, w->dim[i].letter);
        if (!d)
            return say(why, "%s has no size %c: it has %s.", op->name, w->dim[i].letter, op->dims);
        *d = w->dim[i].value;
    }
    int *J = dim(c, 'J');
    if (J && dim(c, 'K') && !wished(w, 'J') && *J > 1)
        *J = *dim(c, 'K');    /* a gate for each key channel, or one for all */
    if (S && !wished(w, 'S'))
        *S = *T + cached;
    if (G && !wished(w, 'G') && *H % *G)
        *G = *H;
    if (W && wished(w, 'T') && !wished(w, 'W'))
        *W = 1 + (int)(op_random(s) % (uint64_t)*S);
    if (L && wished(w, 'T') && !wished(w, 'L'))
        *L = 64;    /* a state kept for every few of many tokens would be most of the problem */
    if (dim(c, 'g') && w->behind && *dim(c, 'V') < 2) {
        if (wished(w, 'V'))
            return say(why, "V=1: behind a norm, which makes one number of any size the same, there are at least two.");
        *dim(c, 'V') = 2;
    }
    return NULL;
}

/* Of no suite there is one problem: it has several of all that nobody wished, since with one head, or one key in the
 * window, what takes them in another order is right. */
static void set_several(struct op_case *c, const struct wish *w)
{
    int *S = dim(c, 'S'), *T = dim(c, 'T'), *G = dim(c, 'G'), *H = dim(c, 'H'), *W = dim(c, 'W');
    for (const char *letter = "BTKVDNCIO"; *letter; letter++)
        if (dim(c, *letter) && !wished(w, *letter) && *dim(c, *letter) < 2)
            *dim(c, *letter) = 2;
    if (S && !wished(w, 'S') && *S < *T)
        *S = *T;
    if (H && !wished(w, 'H') && *H < 3)
        *H = G ? 4 * *G : 4;
    if (G && !wished(w, 'G') && *G < 2 && *H > 1)
        for (*G = 2; *H % *G; ++*G)
            ;
    if (W && !wished(w, 'W') && *W < 2)
        *W = S && *S < 2 ? 1 : 2;
}

static const char *set_scalars(struct op_case *c, const struct wish *w, char *why)
{
    for (int i = 0; i < w->n_scalars; i++) {
        char name[OP_WORD];
        int k = 0;
        while (k < op_scalars(&swax_ops[c->op]) && strcmp(op_scalar_name(&swax_ops[c->op], k, name), w->scalar[i].name))
            k++;
        if (k == op_scalars(&swax_ops[c->op]))
            return say(why, "%s has no scalar %.20s: it has %s.", swax_ops[c->op].name, w->scalar[i].name,
                       *swax_ops[c->op].scalars ? swax_ops[c->op].scalars : "none");
        c->scalar[k] = w->scalar[i].value;
    }
    return NULL;
}

int word_is_among(const char *name, const char *words)
{
    const char *at = words;
    while (*at) {
        const size_t n = strcspn(at, " ,");
        if (n == strlen(name) && !memcmp(at, name, n))
            return 1;
        at += n;
        at += strspn(at, " ,");
    }
    return 0;
}

/* Which optional arguments there are, as a set of their numbers; the same for a forward and its backward.  `all`: all
 * but documents. */
static unsigned draw_optional(const struct subject *s, const struct wish *w, int all, uint64_t *seed)
{
    unsigned given = 0, saved = 0, documents = 0, states = 0, without = 0;
    for (int group = 1; group < 8; group++)
        given |= (unsigned)(op_uniform(seed) < 0.6 || all) << group;
    for (int part = 0; part < s->n; part++)
        for (int i = 0; i < op_args(&swax_ops[s->op[part]]); i++) {
            const struct op_arg *a = &swax_ops[s->op[part]].arg[i];
            const unsigned bit = a->optional ? 1u << a->optional : 0;
            if (word_is_among(a->name, "Cs Ss"))
                saved |= bit;
            if (word_is_among(a->name, "start"))
                documents |= bit;
            if (word_is_among(a->name, "C0 dC0 dC1 S0 dS0 dS1"))
                states |= bit;
            if (word_is_among(a->name, w->without))
                without |= bit;
        }
    given |= saved;
    given &= ~without;
    if (!w->documents || all)
        given &= ~documents;
    if (!w->states)
        given &= ~states;
    for (int i = 0; s->n == 2 && i < op_args(&swax_ops[s->op[1]]); i++) {
        const struct op_arg *a = &swax_ops[s->op[1]].arg[i];    /* no gradient of what is not there */
        if (a->role == ADD && a->optional) {
            const int of = op_arg_find(&swax_ops[s->op[0]], a->name + 1);
            if (!(given >> swax_ops[s->op[0]].arg[of].optional & 1))
                given &= ~(1u << a->optional);
        }
    }
    return given;
}

void problem_to_half(struct op_case *c)
{
    for (int i = 0; i < c->n; i++)
        for (long e = 0; e < c->size[i] && c->arg[i] && swax_ops[c->op].arg[i].type == REAL; e++)
            c->arg[i][e] = half_to_double(half_from_double(c->arg[i][e]));
}

/* dh as it comes out of an RMS norm over the head without eps: dh.h = 0 in each row. */
static void behind_norm(struct op_case *b, enum swax_precision p)
{
    const struct op_spec *op = &swax_ops[b->op];
    double *dh = b->arg[op_arg_find(op, "dh")];
    const double *h = b->arg[op_arg_find(op, "h")];
    const long V = op_extent(op, 'V', b->dims), rows = b->size[op_arg_find(op, "dh")] / V;
    for (long r = 0; r < rows; r++, dh += V, h += V) {
        double hh = 0, dhh = 0;
        for (long j = 0; j < V; j++)
            hh += h[j] * h[j], dhh += dh[j] * h[j];
        for (long j = 0; j < V; j++)
            dh[j] = op_round(hh > 0 ? dh[j] - h[j] * (dhh / hh) : dh[j], REAL, p);
    }
}

int problem_is_answer(const struct problem *p, int part, int arg)
{
    return p->in[part].arg[arg] && op_answers(&swax_ops[p->in[part].op].arg[arg]);
}

void problem_chain(struct op_case *b, const struct op_case *f)
{
    for (int i = 0; i < f->n; i++) {
        const int j = op_arg_find(&swax_ops[b->op], swax_ops[f->op].arg[i].name);
        if (swax_ops[f->op].arg[i].role == OUT && j >= 0 && b->arg[j] && f->arg[i])
            memcpy(b->arg[j], f->arg[i], (size_t)b->size[j] * sizeof(double));
    }
}

int subject_can_lack(const struct subject *s, int i)
{
    const struct op_arg *a = swax_ops[s->op[0]].arg;
    int before = 0;
    while (before < i && a[before].role != OUT)
        before++;
    return s->n == 1 && op_backward_of(s->op[0]) >= 0 && a[i].role == OUT && before < i;
}

/* What an answer must have: of one kernel, everything but what it is said to do without; of a forward with its
 * backward, what they are for, and not what passes between them. */
static void demand(struct problem *p)
{
    for (int part = 0; part < p->subject.n; part++)
        for (int i = 0; i < p->in[part].n; i++) {
            char cotangent[16];
            const struct op_arg *a = &swax_ops[p->in[part].op].arg[i];
            snprintf(cotangent, sizeof cotangent, "d%.12s", a->name);
            const int back = p->subject.n == 2 && !part ? op_arg_find(&swax_ops[p->in[1].op], cotangent) : 0;
            const int wanted = p->subject.n == 1 || part || (back >= 0 && p->in[1].arg[back]);
            p->demanded[part][i] =
                (unsigned char)(problem_is_answer(p, part, i) && wanted && !word_is_among(a->name, p->wish.without));
        }
}

/* Which optional arguments there are, and the sizes and scalars of the forward, which has them all. */
const char *problem_sizes(struct op_case *c, unsigned *optional, const struct plan *plan, const struct entry *e,
                          char *why)
{
    const struct subject *s = &plan->subject;
    uint64_t random = e->seed * 0x9e3779b97f4a7c15 + 17;
    *optional = draw_optional(s, &plan->wish, e->tile >= TILE_FAR, &random);
    op_draw_dims(c, s->op[0], e->seed, e->max_dim);
    op_draw_scalars(c, e->seed);
    if (e->tile >= 0)
        tile_dims(c, e->tile);
    const char *wrong = set_dims(c, &plan->wish, &random, e->tokens, why);
    if (plan->suite < 0)
        set_several(c, &plan->wish);
    wrong = wrong ? wrong : set_scalars(c, &plan->wish, why);
    return wrong ? wrong : op_wrong(c->op, c->dims, c->scalar, c->trouble) ? say(why, "%s", c->trouble) : NULL;
}

/* The arrays of a part whose sizes and scalars are there. */
static void fill(struct problem *p, int part, unsigned optional, const struct swax_tier *teller)
{
    const struct wish *w = &p->wish;
    const enum swax_precision precision = dtype_precision(w->dtype);
    struct op_case *c = &p->in[part];
    op_draw_by(c, p->seed, p->family, optional, w->dtype == DT_F32 && p->subject.n == 2 ? SWAX_PREC_F64
                                              : w->dtype == DT_F16 ? SWAX_PREC_F32 : precision, teller);
    if (w->dtype == DT_F16)
        problem_to_half(c);
    for (int i = 0; i < c->n && !w->noise; i++)
        if (swax_ops[c->op].arg[i].role == ADD && c->arg[i])
            memset(c->arg[i], 0, (size_t)c->size[i] * sizeof(double));
}

static const char *draw(struct problem *p, const struct plan *plan, const struct entry *e, char *why)
{
    unsigned optional;
    for (int part = 0; part < p->subject.n; part++) {
        struct op_case *c = &p->in[part];
        const char *wrong = problem_sizes(c, &optional, plan, e, why);
        if (wrong)
            return wrong;
        const struct swax_tier *teller = teller_of(&p->subject, &p->wish, c);
        c->op = p->subject.op[part];
        const int sum = op_arg_find(&swax_ops[c->op], "sum");
        if (sum >= 0 && swax_ops[c->op].arg[sum].optional && !(optional >> swax_ops[c->op].arg[sum].optional & 1))
            c->scalar[op_scalars(&swax_ops[c->op]) - 1] = 0;
        fill(p, part, optional, teller);
    }
    return NULL;
}

/* The gradient that arrives at h depends on h where it comes out of a norm. */
static void draw_behind(struct problem *p)
{
    const enum swax_precision precision = dtype_precision(p->wish.dtype);
    struct op_case forward;
    const int two = p->subject.n == 2, backward = p->subject.n - 1;
    if (op_arg_find(&swax_ops[p->in[backward].op], "dh") < 0)
        return;
    if (two) {
        op_case_copy(&forward, &p->in[0]);
        op_run(forward.by, SWAX_PREC_F64, &forward);
        problem_chain(&p->in[1], &forward);
        op_case_free(&forward);
    }
    behind_norm(&p->in[backward], precision);
}

const char *problem_draw(struct problem *p, const struct plan *plan, int number, const struct entry *e, char *why)
{
    memset(p, 0, sizeof *p);
    p->subject = plan->subject;
    p->wish = plan->wish;
    p->seed = e->seed;
    p->family = e->family;
    p->number = number;
    const char *wrong = draw(p, plan, e, why);
    if (wrong) {
        problem_free(p);
        return wrong;
    }
    if (p->wish.behind)
        draw_behind(p);
    demand(p);
    return NULL;
}

void problem_redraw(struct problem *to, const struct problem *p, uint64_t seed)
{
    *to = *p;
    memset(to->truth, 0, sizeof to->truth);
    to->seed = seed;
    for (int part = 0; part < p->subject.n; part++) {
        const struct op_case *from = &p->in[part];
        unsigned optional = 0;
        for (int i = 0; i < from->n; i++)
            optional |= from->arg[i] ? 1u << swax_ops[from->op].arg[i].optional : 0;
        to->in[part] = (struct op_case){.op = from->op};
        memcpy(to->in[part].dims, from->dims, sizeof from->dims);
        memcpy(to->in[part].scalar, from->scalar, sizeof from->scalar);
        fill(to, part, optional, from->by);
    }
    if (to->wish.behind)
        draw_behind(to);
}

const char *problem_largest(struct problem *p, const struct plan *plan, char *why)
{
    struct entry e, largest = { 0 };
    double most = 0;
    int number = 0;
    for (int i = 0; plan_entry(plan, i, &e); i++) {
        struct op_case c;
        unsigned optional;
        if ((plan->only >= 0 && plan->only != i) || problem_sizes(&c, &optional, plan, &e, why) ||
            case_steps(&c) + case_numbers(&c) <= most)
            continue;
        most = case_steps(&c) + case_numbers(&c);
        largest = e;
        number = i;
    }
    largest.family = OP_GAUSS;
    largest.seed += 77;
    return problem_draw(p, plan, number, &largest, why);
}

void problem_free(struct problem *p)
{
    for (int part = 0; part < PARTS; part++) {
        op_case_free(&p->in[part]);
        op_case_free(&p->truth[part]);
    }
}
