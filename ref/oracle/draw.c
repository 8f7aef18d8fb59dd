/* draw.c - fill a case's arrays, by seed and family.
 *
 * Every argument has its own stream, seeded by its name: foo_backward sees the inputs that foo_forward
 * sees under the same seed, sizes and family. */
#include "ref/oracle/oracle.h"
#include "ref/bf16.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const op_family_name[OP_FAMILIES] = {
    "gauss", "integers", "saturated", "cold", "open", "shut", "equal", "onehot", "crossover", "huge", "tiny",
    "closed", "undecayed", "bound", "mixed", "collinear", "reflect", "converged", "lone", "spike"
};

enum { SIGMOID = 1, LOG = 3 };   /* SWAX_SIGMOID and SWAX_LOG, whose h has no normaliser: the gates of kernels.h, which cannot be included here */

int op_family_fits(int op, enum op_family family)
{
    const struct op_spec *spec = &swax_ops[op];
    switch (family) {
    case OP_INTEGERS:
        return spec->exact;
    case OP_SATURATED: case OP_COLD: case OP_CROSSOVER:
        return spec->kind == OF_CELL;
    case OP_OPEN: case OP_SHUT: case OP_CLOSED:
        return spec->kind == OF_CELL || spec->kind == OF_DELTA;
    case OP_UNDECAYED: case OP_BOUND: case OP_MIXED: case OP_COLLINEAR: case OP_REFLECT: case OP_CONVERGED: case OP_LONE: case OP_SPIKE:
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

/* What tells one draw from another: `inputs` and `saved` are the precisions to round them to; forward kernels run on the
 * tier `by`, in precision `in`. */
struct draw {
    uint64_t seed;
    enum op_family family;
    enum swax_precision inputs, saved;
    const struct swax_tier *by;
    enum swax_precision in;
};

static double uniform(uint64_t *s, double from, double to) { return from + (to - from) * op_uniform(s); }

static uint64_t stream(uint64_t seed, const char *name)
{
    for (; *name; name++)
        seed = (seed ^ (unsigned char)*name) * 0x100000001b3;
    return op_random(&seed);
}

/* ---- integers: tokens, targets, documents */

static void draw_documents(double *start, int B, int T, uint64_t *s)
{
    static const double cuts[] = { 0, 0.05, 0.3, 0.3, 1 };   /* how likely a document begins at a token */
    const double cut = cuts[op_random(s) % 5];
    for (int b = 0; b < B; b++) {
        double first = op_uniform(s) < 0.5 ? 0 : -1 - floor(uniform(s, 0, 9));
        for (int t = 0; t < T; t++) {
            if (t && op_uniform(s) < cut)
                first = t;
            start[(long)b*T + t] = first;
        }
    }
}

static void draw_integers(struct op_case *c, int i, uint64_t *s)
{
    const struct op_spec *op = &swax_ops[c->op];
    if (!strcmp(op->arg[i].name, "start")) {
        draw_documents(c->arg[i], c->dims[0], c->dims[1], s);
        return;
    }
    const double V = (double)op_extent(op, 'V', c->dims);
    const double ignored[] = { -1, -100, V, V + 7 };
    const int targets = !strcmp(op->arg[i].name, "target");
    for (long e = 0; e < c->size[i]; e++)
        c->arg[i][e] = targets && op_uniform(s) < 0.25 ? ignored[op_random(s) % 4] : floor(uniform(s, 0, V));
}

/* ---- the cell's gates and state */

static double gate(char name, enum op_family family, double bias, uint64_t *s)
{
    const double x = op_normal(s), u = op_uniform(s);
    if (family == OP_SATURATED)
        return u < 0.5 ? -15 : 15;
    if (family == OP_HUGE)
        return 15 * x;
    if (name == 'i')
        return family == OP_COLD || (family == OP_OPEN && bias != 0) ? -10 + x : bias + x;
    switch (family) {
    case OP_COLD: return uniform(s, 3, 6);
    case OP_OPEN: return 15 - u / 8;
    case OP_SHUT: return u < 0.2 ? -15 + x / 2 : 5 + x;
    case OP_CLOSED: return -8 + x / 2;
    default:      return bias + x;
    }
}

static void draw_gates(struct op_case *c, int i, enum op_family family, uint64_t *s)
{
    static const double i_bias[] = { 0, 0, -3, 6 }, f_bias[] = { 4.5, 3, 6, 0 };
    const char name = swax_ops[c->op].arg[i].name[0];
    const uint64_t r = op_random(s) % (family == OP_TINY ? 3 : 4);    /* a state that fades would be tinier still */
    const double bias = (name == 'i' ? i_bias : f_bias)[r];
    for (long e = 0; e < c->size[i]; e++)
        c->arg[i][e] = gate(name, family, bias, s);
    for (long e = 0; e < c->size[i] && op_extent(&swax_ops[c->op], 'g', c->dims) == LOG; e++)
        c->arg[i][e] = -log1p(exp(-c->arg[i][e]));    /* a gate that is given as its logarithm is below 1 all the same */
}

/* ---- everything else */

/* Inputs proper, as against weights and cotangents: where the families huge and tiny bite. */
static int is_data(const char *name) { return !name[1] && strchr("xqkvgab", name[0]); }

static double element(const char *name, enum op_family family, enum swax_precision p, uint64_t *s)
{
    const double x = op_normal(s);
    if (family == OP_INTEGERS)   /* their sums of products stay below 256, bf16's last exact integer */
        return p == SWAX_PREC_BF16 ? floor(uniform(s, -1, 2)) : floor(uniform(s, -2, 3));
    if (family == OP_HUGE && is_data(name))
        return x * (strchr("qk", name[0]) ? 10 : name[0] == 'v' ? 1 : 300);
    if (family == OP_TINY && is_data(name))
        return ldexp(x, -126 - (int)uniform(s, 0, 20));
    return x;
}

/* What the last letter of the shape runs over is a row. */
static void shape_rows(struct op_case *c, int i, enum op_family family, uint64_t *s)
{
    const struct op_spec *op = &swax_ops[c->op];
    const char *shape = op->arg[i].shape;
    double *a = c->arg[i];
    const long row = shape[0] && shape[1] ? op_extent(op, shape[strlen(shape) - 1], c->dims) : 1;
    const int constant = op_uniform(s) < 0.5;
    for (long r = 0; r < c->size[i]; r += row) {
        const long hot = (long)uniform(s, 0, (double)row);
        for (long j = 0; j < row; j++)
            if (family == OP_EQUAL)
                a[r + j] = constant ? a[0] : a[j];
            else if (row > 1)
                a[r + j] = j == hot;
    }
}

static void draw_numbers(struct op_case *c, int i, enum op_family family, enum swax_precision p, uint64_t *s)
{
    const struct op_arg *arg = &swax_ops[c->op].arg[i];
    for (long e = 0; e < c->size[i]; e++)
        c->arg[i][e] = element(arg->name, family, p, s);
    if ((family == OP_EQUAL || family == OP_ONEHOT) && is_data(arg->name))
        shape_rows(c, i, family, s);
}

/* ---- the delta rule's keys, values and gates.  Answers 0 where an argument is drawn as any other. */

enum { IN_TURN = 4 };    /* keys of a converged state */

/* Rows of length 1, where one is not all 0. */
static void unit_rows(double *a, long n, long row)
{
    for (long r = 0; r < n; r += row) {
        double squares = 0;
        for (long e = r; e < r + row; e++)
            squares += a[e] * a[e];
        for (long e = r; e < r + row && squares > 0; e++)
            a[e] /= sqrt(squares);
    }
}

/* The token of a row of an argument (B,T,heads,row). */
static long token_of(const struct op_case *c, const struct op_arg *arg, long r, long row)
{
    const struct op_spec *op = &swax_ops[c->op];
    return r / (row * op_extent(op, arg->shape[2], c->dims)) % op_extent(op, 'T', c->dims);
}

static void draw_keys(struct op_case *c, int i, enum op_family family, enum swax_precision p, uint64_t *s)
{
    const struct op_arg *arg = &swax_ops[c->op].arg[i];
    const long row = op_extent(&swax_ops[c->op], 'K', c->dims), keys = arg->name[0] == 'k';
    double *a = c->arg[i];
    draw_numbers(c, i, family == OP_EQUAL || family == OP_ONEHOT ? family : OP_GAUSS, p, s);
    for (long r = row; r < c->size[i] && keys && family == OP_COLLINEAR; r += row)
        for (long e = 0; e < row; e++)
            a[r + e] = a[e] + 0.1 * a[r + e];
    for (long r = 0; r < c->size[i] && keys && family == OP_CONVERGED; r += row)
        for (long e = 0; e < row; e++)
            a[r + e] = e == token_of(c, arg, r, row) % IN_TURN % row;
    unit_rows(a, c->size[i], row);
}

/* A gate's logarithm; `at` counts gates, of one token or of one channel after the other. */
static double log_gate(enum op_family family, long at, long T, uint64_t *s)
{
    static const double spikes[] = { -30, -1e3, -1e4, -1e6 };
    const double x = op_normal(s), u = op_uniform(s);
    switch (family) {
    case OP_UNDECAYED: return 0;
    case OP_BOUND:     return -5;
    case OP_MIXED:     return at % 2 ? -5 : -0.01 * fabs(x);
    case OP_CLOSED:    return -8 + x / 2;
    case OP_SHUT:      return u < 0.2 ? -15 + x / 2 : -0.1 * fabs(x);
    case OP_LONE:      return -25 * 2 * u / (double)T;
    case OP_SPIKE:     return u < 1.0 / 16 ? spikes[op_random(s) % 4] : -0.01 * fabs(x);
    case OP_HUGE:      return -15 * fabs(x);
    case OP_OPEN: case OP_COLLINEAR: case OP_REFLECT: case OP_CONVERGED:
        return -1e-3 * fabs(x);
    default:           return -log1p(exp(-x));
    }
}

static double strength(enum op_family family, double top, uint64_t *s)
{
    const double x = top / (1 + exp(-op_normal(s)));
    return family == OP_COLLINEAR || family == OP_CONVERGED ? 1 : family == OP_REFLECT ? 2 : family == OP_LONE ? 0.01 : x;
}

static int draw_delta(struct op_case *c, int i, enum op_family family, enum swax_precision p, uint64_t *s)
{
    const struct op_spec *op = &swax_ops[c->op];
    const struct op_arg *arg = &op->arg[i];
    const long T = op_extent(op, 'T', c->dims), J = op_extent(op, 'J', c->dims);
    const double top = op_uniform(s) < 0.5 ? 1 : 2;
    if (!strcmp(arg->name, "q") || !strcmp(arg->name, "k"))
        draw_keys(c, i, family, p, s);
    else if (!strcmp(arg->name, "g"))
        for (long e = 0; e < c->size[i]; e++)
            c->arg[i][e] = log_gate(family, J > 1 ? e % J : token_of(c, arg, e, J), T, s);
    else if (!strcmp(arg->name, "beta"))
        for (long e = 0; e < c->size[i]; e++)
            c->arg[i][e] = strength(family, top, s);
    else if (!strcmp(arg->name, "v") && family == OP_CONVERGED) {
        const long row = op_extent(op, 'V', c->dims);
        for (long e = 0; e < c->size[i]; e++)    /* a value for each key, which drifts by a thousandth */
            c->arg[i][e] = sin((double)(1 + e % row + 7 * (token_of(c, arg, e, row) % IN_TURN))) + 1e-3 * op_normal(s);
    } else if (!strcmp(arg->name, "v") && family == OP_LONE)
        memset(c->arg[i], 0, (size_t)c->size[i] * sizeof(double));
    else
        return 0;
    return 1;
}

static void draw_input(struct op_case *c, int i, const struct draw *d)
{
    const struct op_spec *op = &swax_ops[c->op];
    const struct op_arg *arg = &op->arg[i];
    uint64_t s = stream(d->seed, arg->name);
    const int cell = op->kind == OF_CELL, optimiser = op->kind == OF_OPTIMISER;
    if (arg->type == INT)
        draw_integers(c, i, &s);
    else if (op->kind == OF_DELTA && draw_delta(c, i, d->family, d->inputs, &s))
        ;
    else if (cell && (!strcmp(arg->name, "i") || !strcmp(arg->name, "f")))
        draw_gates(c, i, d->family, &s);
    else
        draw_numbers(c, i, d->family, d->inputs, &s);
    for (long e = 0; e < c->size[i]; e++) {
        double *x = &c->arg[i][e];
        if (!strcmp(arg->name, "m0"))
            *x *= 3;
        if (optimiser && (arg->name[0] == 'v' || arg->name[0] == 's'))
            *x *= *x;    /* second moments and the squared norm are not negative */
        *x = op_round(*x, arg->type, d->inputs);
    }
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
    for (int i = 0; i < op_args(to); i++) {
        const int j = op_arg_find(from, to->arg[i].name);
        if (to->arg[i].role == OUT || (j >= 0 && c->arg[j]))
            optional |= 1u << to->arg[i].optional;
    }
    op_case_alloc(f, optional);
    for (int i = 0; i < f->n; i++) {
        const int j = op_arg_find(from, to->arg[i].name);
        if (f->arg[i] && to->arg[i].role == IN && j < 0)
            draw_input(f, i, d);
        else if (f->arg[i] && to->arg[i].role == IN)
            memcpy(f->arg[i], c->arg[j], (size_t)f->size[i] * sizeof(double));
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
            const double *from = f.arg[op_arg_find(&swax_ops[f.op], op->arg[i].name)];
            for (long e = 0; e < c->size[i]; e++)
                c->arg[i][e] = op_round(from[e], op->arg[i].type, d->saved);
        }
    op_case_free(&f);
}

/* ---- the normaliser's tie */

enum { PASSES = 8 };
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
    double *q = c->arg[op_arg_find(op, "q")];
    const long K = op_extent(op, 'K', c->dims);
    const double rounding = d->inputs == SWAX_PREC_BF16 ? 1.0 / 256 : 1.0 / (1 << 24);
    uint64_t s = stream(d->seed, "crossover");
    if (op_extent(op, 'g', c->dims) == SIGMOID || op_extent(op, 'g', c->dims) == LOG)
        return;
    for (int pass = 0, moved = 1; pass < PASSES && moved; pass++) {
        struct op_case f, positive;
        moved = 0;
        run_forward(&f, c, d);
        run_positive(&positive, c, d);
        const int qn = op_arg_find(&swax_ops[f.op], "qn"), m = op_arg_find(&swax_ops[f.op], "m");
        for (long row = 0; row < f.size[m]; row++) {
            const double up = exp(f.arg[m][row]), ratio = fabs(f.arg[qn][row]) * up, near = uniform(&s, 2 * TIE, 0.2);
            double scale = off_the_tie(ratio, 2 * rounding * positive.arg[qn][row] * up);
            if (d->family == OP_CROSSOVER && pass == 0 && ratio > 1e-3 && ratio < 1e3)
                scale = (1 + (op_uniform(&s) < 0.5 ? -near : near)) / ratio;
            else if (scale != 1 && pass >= PASSES - 2)
                scale = 0;
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
        uint64_t s = stream(d->seed, op->arg[i].name);
        if (op->arg[i].role != ADD || !c->arg[i])
            continue;
        for (long e = 0; e < c->size[i]; e++)
            most = fmax(most, fabs(added.arg[i][e]));
        const double size = most > FAINT ? most : most > 0 ? d->family == OP_TINY ? most : FAINT : 1;
        for (long e = 0; e < c->size[i]; e++) {
            const double x = d->family == OP_INTEGERS ? floor(uniform(&s, -3, 4)) : uniform(&s, -0.5, 0.5) * size;
            c->arg[i][e] = op_round(x, op->arg[i].type, d->inputs);
        }
    }
    op_case_free(&added);
}

static void draw_inputs(struct op_case *c, const struct draw *d, unsigned optional)
{
    op_case_alloc(c, optional);
    for (int i = 0; i < c->n; i++) {
        const enum op_role role = swax_ops[c->op].arg[i].role;
        if (c->arg[i] && (role == IN || role == UPDATE) && !is_saved(c->op, i))
            draw_input(c, i, d);
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

void op_draw_by(struct op_case *c, uint64_t seed, enum op_family family, unsigned optional, enum swax_precision exact_in,
                const struct swax_tier *by)
{
    const struct draw d = { seed, family, exact_in == SWAX_PREC_F64 ? SWAX_PREC_F32 : exact_in, exact_in, by, SWAX_PREC_F64 };
    draw_inputs(c, &d, optional);
    c->by = by;
    if (swax_ops[c->op].kind == OF_CELL)
        avoid_ties(c, &d);
    if (saves(c->op))
        draw_saved(c, &d);
    draw_noise(c, &d);
}

const char *op_draw_for_timing(struct op_case *c, unsigned optional, const struct swax_tier *tier, enum swax_precision p)
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
    uint64_t s = stream(seed, "optional");
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
