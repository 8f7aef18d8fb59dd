/* convention.c - what is right elsewhere: other layouts, gates in other units, weights from another zero.
 *
 * A row says which tensors a kernel of that convention takes otherwise, and how. The reference is given them as such
 * a kernel sees them, and what it gives is put back: a permutation by its inverse, a function of an input by its
 * derivative on that input's gradient.  One row, one convention. */
#include "tools/verify/causes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum change { TRANSPOSED, INTERLEAVED, NEGATED, EXPONENTIATED, PLUS_ONE, UNIT_ROWS, MODE };

static const struct row { struct fault is; const char *tensors; enum change change; int mode;
} rows[] = {
    {.is = {"states_values_first", "delta",
            "states are [V][K] where [K][V] belongs, those that come in and those that go out", FAULT_EXACT},
     .tensors = "S0 S1 Ss", .change = TRANSPOSED},
    {.is = {"states_values_first", "mlstm",
            "states are [V][K] where [K][V] belongs, those that come in and those that go out", FAULT_EXACT},
     .tensors = "C0 C1 Cs", .change = TRANSPOSED},
    {.is = {"exp_twice", "delta", "exp(g) is taken for g: the decay is exp(exp(g))", FAULT_EXACT},
     .tensors = "g", .change = EXPONENTIATED},
    {.is = {"gate_sign", "delta", "the gate's sign is the other: the decay is exp(-g)", FAULT_EXACT},
     .tensors = "g", .change = NEGATED},
    {.is = {"unit_keys", "delta", "q and k are normalised to length 1 in the kernel, where that is done before",
            FAULT_EXACT},
     .tensors = "q k", .change = UNIT_ROWS},
    {.is = {"sigmoid_gate", "mlstm", "the input gate is a sigmoid without a normaliser", FAULT_EXACT},
     .tensors = "", .change = MODE, .mode = 1},
    {.is = {"sigmoid_normalised", "mlstm", "the input gate is a sigmoid, with the normaliser", FAULT_EXACT},
     .tensors = "", .change = MODE, .mode = 2},
    {.is = {"exponential_gate", "mlstm", "the input gate is an exponential, with the normaliser", FAULT_EXACT},
     .tensors = "", .change = MODE, .mode = 0},
    {.is = {"gates_are_logs", "mlstm",
            "i and f are taken for logarithms of what is written and kept, without log(sigmoid(f)) and without a "
            "normaliser", FAULT_EXACT},
     .tensors = "", .change = MODE, .mode = 3},
    {.is = {"interleaved_both", "rope",
            "pairs are (0,1)(2,3).., where element j turns with element j + D/2, in the forward and in the backward",
            FAULT_EXACT},
     .tensors = "x y", .change = INTERLEAVED},
    {.is = {"one_plus_weight_both", "rmsnorm", "the weight is taken as 1 + w, in the forward and in the backward",
            FAULT_EXACT},
     .tensors = "w", .change = PLUS_ONE},
    {.is = {"one_plus_weight", "headnorm", "the weight is taken as 1 + w", FAULT_EXACT},
     .tensors = "w", .change = PLUS_ONE},
    {.is = {"taps_first", "conv", "the weight is [F][C] where [C][F] belongs", FAULT_EXACT},
     .tensors = "w", .change = TRANSPOSED},
};

const struct fault *convention_is(int i) { return i < (int)(sizeof rows / sizeof *rows) ? &rows[i].is : NULL; }

/* The forward's name of what argument i is, or the gradient of; *gradient: of which of the two. */
static const char *subject_of(const struct op_case *c, int i, int *gradient)
{
    const char *name = swax_ops[c->op].arg[i].name;
    const int forward = op_forward_of(c->op);
    *gradient = forward >= 0 && name[0] == 'd' && op_arg_find(&swax_ops[forward], name + 1) >= 0;
    return name + *gradient;
}

static int concerns(const struct row *r, const struct op_case *c, int i, int *gradient)
{
    const char *name = subject_of(c, i, gradient);
    const size_t n = strlen(name);
    for (const char *at = strstr(r->tensors, name); at; at = strstr(at + 1, name))
        if ((at == r->tensors || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
            return c->arg[i] != NULL;
    return 0;
}

static int is_permutation(enum change change) { return change == TRANSPOSED || change == INTERLEAVED; }

/* Where element e of what the reference sees lies in what the kernel of that convention was given. */
static long place(enum change change, long e, long rows_n, long columns)
{
    const long block = e / (rows_n * columns), at = e % (rows_n * columns), row = at / columns, column = at % columns;
    if (change == TRANSPOSED)
        return block * rows_n * columns + column * rows_n + row;
    const long half = columns / 2;
    return e - column + (column < half ? 2 * column : column < 2 * half ? 2 * (column - half) + 1 : column);
}

static void permute(const struct op_case *c, int i, enum change change, int back)
{
    const struct op_spec *op = &swax_ops[c->op];
    const char *shape = op->arg[i].shape;
    const size_t axes = strlen(shape);
    const long columns = op_extent(op, shape[axes - 1], c->dims),
               rows_n = axes > 1 ? op_extent(op, shape[axes - 2], c->dims) : 1;
    double *was = op_take((size_t)c->size[i], sizeof *was);
    memcpy(was, c->arg[i], (size_t)c->size[i] * sizeof *was);
    for (long e = 0; e < c->size[i]; e++) {
        const long at = place(change, e, rows_n, columns);
        c->arg[i][back ? at : e] = was[back ? e : at];
    }
    free(was);
}

static double bent(enum change change, double x)
{
    return change == NEGATED ? -x : change == EXPONENTIATED ? exp(x) : x + 1;
}
static double slope(enum change change, double x)
{
    return change == NEGATED ? -1 : change == EXPONENTIATED ? exp(x) : 1;
}

static double length_of(const double *x, long n)
{
    double sum = 0;
    for (long e = 0; e < n; e++)
        sum += x[e] * x[e];
    return sum > 0 ? sqrt(sum) : 1;
}

static long row_of(const struct op_case *c, int i)
{
    const char *shape = swax_ops[c->op].arg[i].shape;
    return op_extent(&swax_ops[c->op], shape[strlen(shape) - 1], c->dims);
}

/* The case as a kernel of that convention sees it. */
static void see(const struct row *r, struct op_case *c)
{
    int gradient;
    if (r->change == MODE)
        c->dims[strchr(swax_ops[c->op].dims, 'g') - swax_ops[c->op].dims] = r->mode;
    for (int i = 0; i < c->n; i++) {
        if (!concerns(r, c, i, &gradient))
            continue;
        if (is_permutation(r->change))
            permute(c, i, r->change, 0);
        else if (!gradient && r->change == UNIT_ROWS) {
            const long n = row_of(c, i);
            for (long at = 0; at < c->size[i]; at += n) {
                const double length = length_of(&c->arg[i][at], n);
                for (long e = at; e < at + n; e++)
                    c->arg[i][e] /= length;
            }
        } else if (!gradient)
            for (long e = 0; e < c->size[i]; e++)
                c->arg[i][e] = bent(r->change, c->arg[i][e]);
    }
}

/* What was added to the gradient of an input that the reference saw bent, as the gradient of the input itself. */
static void unbend(const struct row *r, struct op_case *got, int i, const struct op_case *in)
{
    const int of = op_arg_find(&swax_ops[got->op], swax_ops[got->op].arg[i].name + 1);
    const double *x = of < 0 ? NULL : in->arg[of], *before = in->arg[i];
    double *a = got->arg[i];
    if (r->change != UNIT_ROWS) {
        for (long e = 0; e < got->size[i] && x; e++)
            a[e] = before[e] + slope(r->change, x[e]) * (a[e] - before[e]);
        return;
    }
    const long n = row_of(got, i);
    for (long at = 0; at < got->size[i] && x; at += n) {
        const double length = length_of(&x[at], n);
        double along = 0;
        for (long e = at; e < at + n; e++)
            along += x[e] / length * (a[e] - before[e]);
        for (long e = at; e < at + n; e++)
            a[e] = before[e] + (a[e] - before[e] - along * x[e] / length) / length;
    }
}

/* What the reference gave, as such a kernel gives it. */
static void put_back(const struct row *r, struct op_case *got, const struct op_case *in)
{
    int gradient;
    memcpy(got->dims, in->dims, sizeof got->dims);
    for (int i = 0; i < got->n; i++)
        if (concerns(r, got, i, &gradient) && op_answers(&swax_ops[got->op].arg[i])) {
            if (is_permutation(r->change))
                permute(got, i, r->change, 1);
            else if (gradient)
                unbend(r, got, i, in);
        }
}

void convention_run(int i, const struct problem *p, struct op_case says[PARTS])
{
    const struct row *r = &rows[i];
    for (int part = 0; part < p->subject.n; part++) {
        struct op_case in;
        op_case_copy(&in, &p->in[part]);
        if (part && p->wish.chained)
            problem_chain(&in, &says[0]);
        op_case_copy(&says[part], &in);
        see(r, &says[part]);
        op_run(in.by ? in.by : swax_tiers[0], SWAX_PREC_F64, &says[part]);
        put_back(r, &says[part], &in);
        op_case_free(&in);
    }
}
