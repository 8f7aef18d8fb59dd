/* problem.c - inputs, and, when somebody has answered, the true answers to them. */
#include "tools/verify/verify.h"

#include <float.h>
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
        snprintf(full, sizeof full, "%.*s", ending ? (int)(ending - swax_ops[i].name) : 0, swax_ops[i].name);
        nearest_try(&near, swax_ops[i].name);
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
                *dim(c, *small) = *small == 'B' ? 1 + (tokens < 400) : *small == 'H' ? (tokens < 400 ? 3 : 1) : 8 + (int)(op_random(s) % 5);
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

/* Among words that blanks or commas part. */
static int one_of(const char *name, const char *words)
{
    const size_t n = strlen(name);
    for (const char *at = strstr(words, name); at; at = strstr(at + 1, name))
        if ((at == words || strchr(" ,", at[-1])) && (!at[n] || strchr(" ,", at[n])))
            return 1;
    return 0;
}

/* Which optional arguments there are, as a set of their numbers; the same for a forward and its backward. */
static unsigned draw_optional(const struct subject *s, const struct wish *w, uint64_t *seed)
{
    unsigned given = 0, saved = 0, documents = 0, states = 0, without = 0;
    for (int group = 1; group < 8; group++)
        given |= (unsigned)(op_uniform(seed) < 0.6) << group;
    for (int part = 0; part < s->n; part++)
        for (int i = 0; i < op_args(&swax_ops[s->op[part]]); i++) {
            const struct op_arg *a = &swax_ops[s->op[part]].arg[i];
            const unsigned bit = a->optional ? 1u << a->optional : 0;
            saved |= one_of(a->name, "Cs Ss") ? bit : 0;
            documents |= one_of(a->name, "start") ? bit : 0;
            states |= one_of(a->name, "C0 dC0 dC1 S0 dS0 dS1") ? bit : 0;
            without |= one_of(a->name, w->without) ? bit : 0;
        }
    given |= saved;
    given &= ~without;
    if (!w->documents)
        given &= ~documents;
    if (!w->states)
        given &= ~states;
    for (int i = 0; s->n == 2 && i < op_args(&swax_ops[s->op[1]]); i++) {
        const struct op_arg *a = &swax_ops[s->op[1]].arg[i];    /* no gradient of what is not there */
        const int of = a->role == ADD && a->optional ? op_arg_find(&swax_ops[s->op[0]], a->name + 1) : -1;
        const int group = of < 0 ? 0 : swax_ops[s->op[0]].arg[of].optional;
        given &= group && !(given >> group & 1) ? ~(1u << a->optional) : ~0u;
    }
    return given;
}

static void to_half(struct op_case *c)
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

/* What an answer must have: of one kernel, everything; of a forward with its backward, what they are for, and not
 * what passes between them. */
static void demand(struct problem *p)
{
    for (int part = 0; part < p->subject.n; part++)
        for (int i = 0; i < p->in[part].n; i++) {
            char cotangent[16];
            const struct op_arg *a = &swax_ops[p->in[part].op].arg[i];
            snprintf(cotangent, sizeof cotangent, "d%.12s", a->name);
            const int back = p->subject.n == 2 && !part ? op_arg_find(&swax_ops[p->in[1].op], cotangent) : 0;
            const int wanted = p->subject.n == 1 || part || (back >= 0 && p->in[1].arg[back]);
            p->demanded[part][i] = (unsigned char)(problem_is_answer(p, part, i) && wanted);
        }
}

/* The rule for half precision: bf16's bounds, an eighth of them, but not below what float may err. */
static void bound_half(struct problem *p, int part)
{
    struct op_verdict in_float;
    struct op_case again;
    op_truth(&again, &in_float, SWAX_PREC_F32, &p->in[part]);
    op_case_free(&again);
    for (int i = 0; i < p->in[part].n; i++) {
        p->bound[part].bound[i] = fmax(p->bound[part].bound[i] / 8, in_float.bound[i]);
        p->bound[part].rms_bound[i] = fmax(p->bound[part].rms_bound[i] / 8, in_float.rms_bound[i]);
    }
}

/* ---- honest orders of operations: what any correct one errs, nobody is blamed for.  Twice that, as FlashAttention's rule has
 * it: the orders that are tried are not the worst there are */

static int tame(const struct op_case *c)
{
    const int f = op_arg_find(&swax_ops[c->op], "f");
    for (long e = 0; f >= 0 && e < c->size[f]; e++)
        if (!(c->arg[f][e] > -50))
            return 0;
    return 1;
}

/* The largest sum of a sequence's logarithms of forget gates: what the parallel form takes differences of.  Up to 128, which a
 * chunk of 128 half-open gates has, it is as honest as any; behind gates that are shut it is the fault "summed_gates". */
static const double MOST_SUM = 128;

static double largest_sum(const struct op_case *c)
{
    const struct op_spec *op = &swax_ops[c->op];
    const int f = op_arg_find(op, "f"), LOG = 3;
    const long T = op_extent(op, 'T', c->dims), H = op_extent(op, 'H', c->dims), rows = c->size[f] / T;
    double most = 0;
    for (long bh = 0; bh < rows; bh++) {
        double sum = 0;
        for (long t = 0; t < T; t++) {
            const double x = c->arg[f][(bh / H * T + t) * H + bh % H];
            sum += op_extent(op, 'g', c->dims) == LOG ? x : -log1p(exp(-x));
        }
        most = fmax(most, fabs(sum));
    }
    return most;
}

static int is_honest(const struct fault *order, const struct problem *p)
{
    return !strcmp(order->op, p->subject.base) && (strcmp(order->name, "plain_all_sums") || largest_sum(&p->in[0]) <= MOST_SUM);
}

static const double MOST_ORDERS = 2e9;    /* multiplications: these are plain loops, which keep all their states */

/* Where an honest order, run in that precision, is further off than the bound says, twice what it errs is the bound. */
static void bound_order(struct problem *p, int part, const struct swax_tier *honest, enum swax_precision precision, double scale)
{
    const struct op_case *c = &p->in[part];
    struct op_case got;
    op_case_copy(&got, c);
    op_run(honest, precision, &got);
    for (int i = 0; i < c->n; i++) {
        if (!problem_is_answer(p, part, i))
            continue;
        const double most = scale * op_error(got.arg[i], p->truth[part].arg[i], c->size[i]);
        const double rms = scale * op_error_rms(got.arg[i], p->truth[part].arg[i], c->size[i]);
        double *bound = &p->bound[part].bound[i], *rms_bound = &p->bound[part].rms_bound[i];
        *bound = isfinite(most) ? fmax(*bound, most) : *bound;
        *rms_bound = isfinite(rms) ? fmax(*rms_bound, rms) : *rms_bound;
    }
    op_case_free(&got);
}

/* In double both what the orders err in double, and what they err in float at double's rounding: either may be small by luck. */
static void bound_orders(struct problem *p, int part)
{
    struct swax_tier honest;
    const int twice = p->wish.dtype == DT_F64;
    if (!tame(&p->in[part]) || case_work(&p->in[part]) > MOST_ORDERS)
        return;
    for (int k = 0; fault_none_f32(k, &honest); k++)
        if (is_honest(fault_none_f32(k, &honest), p)) {
            bound_order(p, part, &honest, SWAX_PREC_F32, twice ? 2 * DBL_EPSILON / (double)FLT_EPSILON : 2);
            if (twice && fault_none_f64(k, &honest))
                bound_order(p, part, &honest, SWAX_PREC_F64, 2);
        }
}

/* ---- a backward that reads what its own forward saved: both are judged as one kernel, by ref/oracle/judge.c's rule */

static void round_answers(struct op_case *c, enum swax_precision precision)
{
    for (int i = 0; i < c->n; i++)
        for (long e = 0; e < c->size[i] && c->arg[i] && op_answers(&swax_ops[c->op].arg[i]); e++)
            c->arg[i][e] = op_round(c->arg[i][e], swax_ops[c->op].arg[i].type, precision);
}

/* Run it on inputs which `off` may have moved, and keep what its gradients err, where that is more. */
static void run_chain(double *error, double *rms, const struct problem *p, const struct swax_tier *tier, enum swax_precision run,
                      enum swax_precision keeps, uint64_t *off)
{
    struct op_case f, b;
    op_case_copy(&f, &p->in[0]);
    op_case_copy(&b, &p->in[1]);
    if (off) {
        op_nudge(&f, keeps, off);
        op_nudge(&b, keeps, off);
    }
    for (int i = 0; i < f.n; i++) {
        const int j = op_arg_find(&swax_ops[b.op], swax_ops[f.op].arg[i].name);
        if (j >= 0 && f.arg[i] && b.arg[j] && swax_ops[f.op].arg[i].role == IN)
            memcpy(b.arg[j], f.arg[i], (size_t)b.size[j] * sizeof(double));
    }
    op_run(tier, run, &f);
    round_answers(&f, keeps);
    problem_chain(&b, &f);
    op_run(tier, run, &b);
    round_answers(&b, keeps);
    for (int i = 0; i < b.n; i++)
        if (problem_is_answer(p, 1, i)) {
            error[i] = fmax(error[i], op_error(b.arg[i], p->truth[1].arg[i], b.size[i]));
            rms[i] = fmax(rms[i], op_error_rms(b.arg[i], p->truth[1].arg[i], b.size[i]));
        }
    op_case_free(&f);
    op_case_free(&b);
}

/* In float: the reference, and the honest kernels of the library of faults, which sum in another order.  In the type of
 * the case: the truth of inputs that are off by one rounding. */
static void bound_chain(struct problem *p)
{
    static const double plain_times[DTYPES] = {8, 8 * DBL_EPSILON / (double)FLT_EPSILON, 8, 8}, times[DTYPES] = {8, 8, 3, 3.0 / 8};
    const enum swax_precision precision = dtype_precision(p->wish.dtype);
    double plain[2][OP_ARGS] = {{0}}, moved[2][OP_ARGS] = {{0}};
    struct swax_tier honest;
    uint64_t s = p->seed;
    run_chain(plain[0], plain[1], p, p->in[1].by, SWAX_PREC_F32, SWAX_PREC_F32, NULL);
    for (int i = 0; fault_none_f32(i, &honest) && tame(&p->in[0]) && case_work(&p->in[0]) <= MOST_ORDERS; i++)
        if (is_honest(fault_none_f32(i, &honest), p))
            run_chain(plain[0], plain[1], p, &honest, SWAX_PREC_F32, SWAX_PREC_F32, NULL);
    for (int k = op_nudges(&p->in[1]); k > 0; k--)
        run_chain(moved[0], moved[1], p, p->in[1].by, SWAX_PREC_F64, precision, &s);
    for (int i = 0; i < p->in[1].n; i++)
        for (int by_rms = 0; by_rms < 2; by_rms++) {
            double *bound = by_rms ? &p->bound[1].rms_bound[i] : &p->bound[1].bound[i];
            const double may = fmax(plain_times[p->wish.dtype] * plain[by_rms][i], times[p->wish.dtype] * moved[by_rms][i]);
            *bound = isfinite(may) ? fmax(*bound, may) : *bound;
        }
}

/* Which optional arguments there are, and the sizes and scalars of the forward, which has them all. */
const char *problem_sizes(struct op_case *c, unsigned *optional, const struct plan *plan, const struct entry *e, char *why)
{
    const struct subject *s = &plan->subject;
    uint64_t random = e->seed * 0x9e3779b97f4a7c15 + 17;
    *optional = draw_optional(s, &plan->wish, &random);
    op_draw_dims(c, s->op[0], e->seed, e->max_dim);
    op_draw_scalars(c, e->seed);
    if (e->tile >= 0)
        tile_dims(c, e->tile);
    const char *wrong = set_dims(c, &plan->wish, &random, e->tokens, why);
    wrong = wrong ? wrong : set_scalars(c, &plan->wish, why);
    return wrong ? wrong : op_wrong(c->op, c->dims, c->scalar, c->trouble) ? say(why, "%s", c->trouble) : NULL;
}

static const char *draw(struct problem *p, const struct plan *plan, const struct entry *e, char *why)
{
    const struct wish *w = &p->wish;
    const enum swax_precision precision = dtype_precision(w->dtype);
    unsigned optional;
    for (int part = 0; part < p->subject.n; part++) {
        struct op_case *c = &p->in[part];
        const char *wrong = problem_sizes(c, &optional, plan, e, why);
        if (wrong)
            return wrong;
        const struct swax_tier *teller = teller_of(&p->subject, w, c);
        c->op = p->subject.op[part];
        const int sum = op_arg_find(&swax_ops[c->op], "sum");
        if (sum >= 0 && swax_ops[c->op].arg[sum].optional && !(optional >> swax_ops[c->op].arg[sum].optional & 1))
            c->scalar[op_scalars(&swax_ops[c->op]) - 1] = 0;
        op_draw_by(c, p->seed, p->family, optional, w->dtype == DT_F32 && p->subject.n == 2 ? SWAX_PREC_F64
                                                  : w->dtype == DT_F16 ? SWAX_PREC_F32 : precision, teller);
        if (w->dtype == DT_F16)
            to_half(c);
        for (int i = 0; i < c->n && !w->noise; i++)
            if (swax_ops[c->op].arg[i].role == ADD && c->arg[i])
                memset(c->arg[i], 0, (size_t)c->size[i] * sizeof(double));
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

/* A truth that another tier tells in double errs as a candidate in double may. */
static void bound_teller(struct problem *p, int part)
{
    for (int i = 0; i < p->in[part].n; i++) {
        p->bound[part].bound[i] *= 2;
        p->bound[part].rms_bound[i] *= 2;
    }
}

void problem_solve(struct problem *p)
{
    const enum swax_precision precision = dtype_precision(p->wish.dtype);
    for (int part = 0; part < p->subject.n; part++) {
        if (part)
            problem_chain(&p->in[1], &p->truth[0]);
        op_truth(&p->truth[part], &p->bound[part], precision, &p->in[part]);
        if (p->wish.dtype == DT_F16)
            bound_half(p, part);
        if (p->wish.dtype == DT_F64 && p->in[part].by != swax_tiers[0])
            bound_teller(p, part);
        bound_orders(p, part);
    }
    if (p->subject.n == 2 && p->wish.chained)
        bound_chain(p);
}

void problem_free(struct problem *p)
{
    for (int part = 0; part < PARTS; part++) {
        op_case_free(&p->in[part]);
        op_case_free(&p->truth[part]);
    }
}
