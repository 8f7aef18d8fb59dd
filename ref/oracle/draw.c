/* draw.c - fill a case's arrays, by seed and family.
 *
 * Every argument has its own stream, seeded by its name: foo_backward sees the inputs that foo_forward
 * sees under the same seed, sizes and family. */
#include "ref/oracle/inside.h"
#include "ref/bf16.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const op_family_name[OP_FAMILIES] = {
    "gauss", "integers", "saturated", "cold", "open", "shut", "equal", "onehot", "crossover", "huge", "tiny",
    "closed", "undecayed", "bound", "mixed", "collinear", "reflect", "converged", "lone", "spike"
};

int op_family_fits(int op, enum op_family family)
{
    const struct op_spec *spec = &swax_ops[op];
    switch (family) {
    case OP_INTEGERS:
        return spec->exact;
    case OP_COLD:
        return spec->kind == OF_CELL || op_arg_find(spec, "rstd") >= 0;
    case OP_SATURATED: case OP_CROSSOVER:
        return spec->kind == OF_CELL;
    case OP_OPEN: case OP_SHUT: case OP_CLOSED:
        return spec->kind == OF_CELL || spec->kind == OF_DELTA;
    case OP_UNDECAYED:
    case OP_BOUND:
    case OP_MIXED:
    case OP_COLLINEAR:
    case OP_REFLECT:
    case OP_CONVERGED:
    case OP_LONE:
    case OP_SPIKE:
        return spec->kind == OF_DELTA;
    case OP_EQUAL: case OP_ONEHOT:
        return spec->dims[1] && spec->kind != OF_OPTIMISER;    /* there are rows */
    default:
        return 1;
    }
}

double op_round(double x, enum op_type type, enum swax_precision precision)
{
    if (type == INT || type == DOUBLE || precision == SWAX_PREC_F64)
        return x;
    return (double)(type == REAL && precision == SWAX_PREC_BF16 ? bf16_to_float(bf16_from_float((float)x)) : (float)x);
}

void op_case_round(struct op_case *c, enum swax_precision precision)
{
    for (int i = 0; i < c->n; i++)
        for (long e = 0; e < c->size[i] && c->arg[i]; e++)
            c->arg[i][e] = op_round(c->arg[i][e], swax_ops[c->op].arg[i].type, precision);
}

/* ---- what a backward reads of its forward */

/* The forward kernel, run on c's inputs, and on new ones where the backward does not have them; c may be the
 * forward's own case. */
static void run_forward(struct op_case *f, const struct op_case *c, const struct draw *d)
{
    const struct op_spec *from = &swax_ops[c->op];
    const int op = op_forward_of(c->op) >= 0 ? op_forward_of(c->op) : c->op;
    const struct op_spec *to = &swax_ops[op];
    memset(f, 0, sizeof *f);
    f->op = op;
    memcpy(f->dims, c->dims, sizeof f->dims);
    op_default_scalars(f);
    if (op_scalars(from))
        memcpy(f->scalar, c->scalar, sizeof f->scalar);

    unsigned optional = 0;
    for (int i = 0; i < op_args(to); i++)
        if (to->arg[i].role == OUT || op_named(c, to->arg[i].name))
            optional |= 1u << to->arg[i].optional;
    op_case_alloc(f, optional);
    for (int i = 0; i < f->n; i++) {
        const double *given = op_named(c, to->arg[i].name);
        if (f->arg[i] && to->arg[i].role == IN && !given)
            op_draw_input(f, i, d);
        else if (f->arg[i] && to->arg[i].role == IN)
            memcpy(f->arg[i], given, (size_t)f->size[i] * sizeof(double));
    }
    op_run(d->by, d->in, f);
}

/* Is argument i of a backward an output of its forward? */
static int is_saved(int op, int i)
{
    const int fw = op_forward_of(op), j = fw < 0 ? -1 : op_arg_find(&swax_ops[fw], swax_ops[op].arg[i].name);
    return j >= 0 && swax_ops[fw].arg[j].role == OUT;
}

static void draw_saved(struct op_case *c, const struct draw *d)
{
    const struct op_spec *op = &swax_ops[c->op];
    struct op_case f;
    run_forward(&f, c, d);
    memcpy(c->trouble, f.trouble, sizeof c->trouble);
    for (int i = 0; i < c->n; i++)
        if (is_saved(c->op, i)) {
            const double *from = op_named(&f, op->arg[i].name);
            for (long e = 0; e < c->size[i]; e++)
                c->arg[i][e] = op_round(from[e], op->arg[i].type, d->saved);
        }
    op_case_free(&f);
}

/* ---- the normaliser's tie */

enum { PASSES = 8 };      /* three nearly always do */
static const double TIE = 1.0 / 64;

/* |qn| exp(m) of every row if all its terms were positive: qn is known to two roundings of that at best. */
static void run_positive(struct op_case *f, const struct op_case *c, const struct draw *d)
{
    static const char *const factors[] = { "q", "k", "n0" };
    struct op_case positive;
    op_case_copy(&positive, c);
    for (int i = 0; i < 3; i++) {
        const int arg = op_arg_find(&swax_ops[c->op], factors[i]);
        for (long e = 0; e < c->size[arg] && c->arg[arg]; e++)
            positive.arg[arg][e] = fabs(c->arg[arg][e]);
    }
    run_forward(f, &positive, d);
    op_case_free(&positive);
}

/* By what to scale a q of that ratio |qn| exp(m), known to +-blur, so that it is on one side of 1 for all. */
static double off_the_tie(double ratio, double blur)
{
    if (!(ratio - blur <= 1 + TIE && ratio + blur >= 1 - TIE))
        return 1;
    return ratio >= 1 && ratio > 2 * blur ? 1.25 * (1 + TIE) / (ratio - blur) : 0.9 * (1 - TIE) / (ratio + blur);
}

/* Scale q_t, row by row, so that |qn| exp(m) is never within TIE of 1, whatever rounding does to it: there the gradient
 * jumps, and any two honest kernels may disagree.  Crossover puts it close by instead.  q_t is in no state, so the
 * other rows stay. */
static void avoid_ties(struct op_case *c, const struct draw *d)
{
    const struct op_spec *op = &swax_ops[c->op];
    double *q = op_named(c, "q");
    const long K = op_extent(op, 'K', c->dims);
    const double rounding = d->inputs == SWAX_PREC_BF16 ? 1.0 / 256 : 1.0 / (1 << 24);
    uint64_t s = op_stream(d->seed, "crossover");
    if (op_extent(op, 'g', c->dims) == SIGMOID || op_extent(op, 'g', c->dims) == LOG)
        return;
    for (int pass = 0, moved = 1; pass < PASSES && moved; pass++) {
        struct op_case f, positive;
        moved = 0;
        run_forward(&f, c, d);
        run_positive(&positive, c, d);
        const double *qn = op_named(&f, "qn"), *most = op_named(&positive, "qn"), *m = op_named(&f, "m");
        for (long row = 0; row < f.size[op_arg_find(&swax_ops[f.op], "m")]; row++) {
            const double up = exp(m[row]), ratio = fabs(qn[row]) * up, near = op_between(&s, 2 * TIE, 0.2);
            double scale = off_the_tie(ratio, 2 * rounding * most[row] * up);
            if (d->family == OP_CROSSOVER && pass == 0 && ratio > 1e-3 && ratio < 1e3)
                scale = (1 + (op_uniform(&s) < 0.5 ? -near : near)) / ratio;
            moved |= scale != 1;
            for (long r = row * K; r < (row + 1) * K; r++)
                q[r] = op_round(scale * q[r], REAL, d->inputs);
        }
        op_case_free(&f);
        op_case_free(&positive);
    }
}

/* ---- what stands in ADD arguments before the call */

/* Noise as large as half of what is added, so that neither drowns the other: it is seen by running the kernel.  What
 * has faded through shut gates to less than FAINT is as good as nothing: an exp may give 0 for it. */
static const double FAINT = 1e-30;

static void draw_noise(struct op_case *c, const struct draw *d)
{
    const struct op_spec *op = &swax_ops[c->op];
    struct op_case added;
    int adds = 0;
    for (int i = 0; i < c->n; i++)
        adds |= op->arg[i].role == ADD;
    if (!adds)
        return;
    op_case_copy(&added, c);
    op_run(d->by, d->in, &added);
    for (int i = 0; i < c->n; i++) {
        double most = 0;
        uint64_t s = op_stream(d->seed, op->arg[i].name);
        if (op->arg[i].role != ADD || !c->arg[i])
            continue;
        for (long e = 0; e < c->size[i]; e++)
            most = fmax(most, fabs(added.arg[i][e]));
        const double size = most > FAINT ? most : most > 0 ? d->family == OP_TINY ? most : FAINT : 1;
        for (long e = 0; e < c->size[i]; e++) {
            const double x = d->family == OP_INTEGERS ? floor(op_between(&s, -3, 4)) : op_between(&s, -0.5, 0.5) * size;
            c->arg[i][e] = op_round(x, op->arg[i].type, d->inputs);
        }
    }
    op_case_free(&added);
}

static void draw_inputs(struct op_case *c, const struct draw *d, unsigned optional)
{
    op_case_alloc(c, optional);
    for (int i = 0; i < c->n; i++) {
        if (c->arg[i] && op_is_drawn(c->op, i))
            op_draw_input(c, i, d);
    }
}

static int saves(int op)
{
    int any = 0;
    for (int i = 0; i < op_args(&swax_ops[op]); i++)
        any |= is_saved(op, i);
    return any;
}

void op_draw(struct op_case *c, uint64_t seed, enum op_family family, unsigned optional, enum swax_precision exact_in)
{
    op_draw_by(c, seed, family, optional, exact_in, swax_tiers[0]);
}

int op_is_drawn(int op, int arg)
{
    const enum op_role role = swax_ops[op].arg[arg].role;
    return (role == IN || role == UPDATE) && !is_saved(op, arg);
}

void op_draw_argument(struct op_case *c, int arg, uint64_t seed, enum op_family family, enum swax_precision exact_in)
{
    const struct draw d = { seed,     family, exact_in == SWAX_PREC_F64 ? SWAX_PREC_F32 : exact_in,
                            exact_in, NULL,   SWAX_PREC_F64 };
    op_draw_input(c, arg, &d);
}

void op_draw_by(struct op_case *c, uint64_t seed, enum op_family family, unsigned optional,
                enum swax_precision exact_in, const struct swax_tier *by)
{
    const struct draw d = { seed,     family, exact_in == SWAX_PREC_F64 ? SWAX_PREC_F32 : exact_in,
                            exact_in, by,     SWAX_PREC_F64 };
    draw_inputs(c, &d, optional);
    c->by = by;
    if (swax_ops[c->op].kind == OF_CELL)
        avoid_ties(c, &d);
    if (saves(c->op))
        draw_saved(c, &d);
    draw_noise(c, &d);
}

const char *op_draw_for_timing(struct op_case *c, unsigned optional, const struct swax_tier *tier,
                               enum swax_precision p)
{
    const struct draw d = { 1, OP_GAUSS, p == SWAX_PREC_F64 ? SWAX_PREC_F32 : p, p, tier, p };
    draw_inputs(c, &d, optional);
    c->trouble[0] = 0;
    if (saves(c->op))
        draw_saved(c, &d);
    return c->trouble[0] ? c->trouble : NULL;
}

/* The optional number of an argument of that name; 0 for none. */
static int group_of(const struct op_spec *op, const char *name)
{
    const int i = op_arg_find(op, name);
    return i < 0 ? 0 : op->arg[i].optional;
}

void op_case_make(struct op_case *c, int op, uint64_t seed, enum op_family family, int max_dim,
                  enum swax_precision exact_in)
{
    const struct op_spec *spec = &swax_ops[op];
    const int sum = group_of(spec, "sum");
    uint64_t s = op_stream(seed, "optional");
    unsigned optional = 0;
    op_draw_dims(c, op, seed, max_dim);
    op_draw_scalars(c, seed);
    for (int group = 1; group < 8; group++)
        optional |= (unsigned)(op_uniform(&s) < 0.7) << group;
    for (int i = 0; i < op_args(spec); i++) {
        const int of = spec->arg[i].role == ADD ? group_of(spec, spec->arg[i].name + 1) : 0;
        if (of && !(optional >> of & 1))
            optional &= ~(1u << spec->arg[i].optional);    /* no gradient of what is not there */
    }
    if (sum && !(optional >> sum & 1))
        c->scalar[op_scalars(spec) - 1] = 0;          /* adamw without a norm does not clip */
    op_draw(c, seed, family, optional, exact_in);
}
