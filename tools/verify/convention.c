/* convention.c - what is right elsewhere: other layouts, gates in other units, weights from another zero.
 *
 * A row says which tensors a kernel of that convention takes otherwise, and how. The reference is given them as such
 * a kernel sees them, and what it gives is put back: a permutation by its inverse, a function of an input by its
 * derivative on that input's gradient.  One row, one convention. */
#include "tools/verify/causes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum change { TRANSPOSED, INTERLEAVED, BENT, UNIT_ROWS, MODE, SCALE, ADDED, OF_THE_FIRST };

/* A function of an input, and its derivative. */
struct bend { double (*of)(double), (*slope)(double); };

static double plain_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double none(double x) { return (void)x, 0; }
static double one(double x) { return (void)x, 1; }
static double two(double x) { return (void)x, 2; }
static double minus_one(double x) { return (void)x, -1; }
static const double LN_10 = 2.302585092994045684;
static double to_base_ten(double x) { return LN_10 * x; }
static double ln_ten(double x) { return (void)x, LN_10; }
static double negative(double x) { return -x; }
static double plus_one(double x) { return x + 1; }
static double doubled(double x) { return 2 * x; }
static double log_of_sigmoid(double x) { return fmin(x, 0) - log1p(exp(-fabs(x))); }
static double other_sigmoid(double x) { return plain_sigmoid(-x); }
static double minus_softplus(double x) { return log_of_sigmoid(-x); }
static double minus_sigmoid(double x) { return -plain_sigmoid(x); }
static double to_minus_five(double x) { return -5 * plain_sigmoid(x); }
static double to_minus_five_slope(double x) { return -5 * plain_sigmoid(x) * plain_sigmoid(-x); }
static double to_two(double x) { return 2 * plain_sigmoid(x); }
static double to_two_slope(double x) { return 2 * plain_sigmoid(x) * plain_sigmoid(-x); }
static double capped(double x) { return 15 * tanh(x / 15); }
static double capped_slope(double x) { return 1 - tanh(x / 15) * tanh(x / 15); }

static const struct bend NEGATED = {negative, minus_one}, EXPONENTIATED = {exp, exp}, PLUS_ONE = {plus_one, one},
    LOG_OF_SIGMOID = {log_of_sigmoid, other_sigmoid}, MINUS_SOFTPLUS = {minus_softplus, minus_sigmoid},
    TO_MINUS_FIVE = {to_minus_five, to_minus_five_slope}, NONE = {none, none}, TO_TWO = {to_two, to_two_slope},
    DOUBLED = {doubled, two}, CAPPED = {capped, capped_slope}, BASE_TEN = {to_base_ten, ln_ten};

/* The scale that a kernel has, of the one that is given and of a size. */
static double root_of(double scale, double n) { return (void)scale, 1 / sqrt(n); }
static double root_beside(double scale, double n) { return scale / sqrt(n); }

/* A tensor's numbers are those of the first index of an axis, for all of that axis. */
#define FIRST_FOR_ALL(name, op, names, letter, says)                                                            \
    {.is = {name, op, says, FAULT_EXACT}, .tensors = names, .change = OF_THE_FIRST, .of = letter}
/* Of every kernel that has documents. */
#define STARTS_OF_THE_FIRST(op)                                                                                 \
    FIRST_FOR_ALL("starts_of_the_first", op, " start ", 'B',                                                    \
                  "in every sequence documents begin where they do in the first")

static const struct row {
    struct fault is;
    const char *tensors;                /* " S0 S1 "; ADDED: the output, and the input that is added to it */
    enum change change;
    int mode;                           /* MODE: the cell's g */
    const struct bend *bend;            /* BENT */
    double (*scale)(double, double); char of;    /* SCALE: of the size with that letter; OF_THE_FIRST: that axis */
} rows[] = {
    {.is = {"states_values_first", "delta",
            "states are [V][K] where [K][V] belongs, those that come in and those that go out", FAULT_EXACT},
     .tensors = " S0 S1 Ss ", .change = TRANSPOSED},
    {.is = {"states_values_first", "mlstm",
            "states are [V][K] where [K][V] belongs, those that come in and those that go out", FAULT_EXACT},
     .tensors = " C0 C1 Cs ", .change = TRANSPOSED},
    {.is = {"exp_twice", "delta", "exp(g) is taken for g: the decay is exp(exp(g))", FAULT_EXACT},
     .tensors = " g ", .change = BENT, .bend = &EXPONENTIATED},
    {.is = {"gate_sign", "delta", "the gate's sign is the other: the decay is exp(-g)", FAULT_EXACT},
     .tensors = " g ", .change = BENT, .bend = &NEGATED},
    {.is = {"raw_gate_sigmoid", "delta",
            "g is taken for what stands before its activation: the decay is sigmoid(g)", FAULT_EXACT},
     .tensors = " g ", .change = BENT, .bend = &LOG_OF_SIGMOID},
    {.is = {"raw_gate_softplus", "delta",
            "g is taken for what stands before its activation: the decay is exp(-softplus(g))", FAULT_EXACT},
     .tensors = " g ", .change = BENT, .bend = &MINUS_SOFTPLUS},
    {.is = {"raw_gate_bounded", "delta",
            "g is taken for what stands before its activation: the decay is exp(-5 sigmoid(g))", FAULT_EXACT},
     .tensors = " g ", .change = BENT, .bend = &TO_MINUS_FIVE},
    {.is = {"gates_to_base_ten", "delta", "the gate is 10^g: g is taken for a logarithm to base 10", FAULT_EXACT},
     .tensors = " g ", .change = BENT, .bend = &BASE_TEN},
    {.is = {"no_gate", "delta", "g is not read: nothing decays", FAULT_EXACT},
     .tensors = " g ", .change = BENT, .bend = &NONE},
    {.is = {"raw_beta_to_two", "delta",
            "beta is taken for what stands before its activation: 2 sigmoid(beta)", FAULT_EXACT},
     .tensors = " beta ", .change = BENT, .bend = &TO_TWO},
    {.is = {"beta_doubled", "delta", "beta is doubled in the kernel, where that is done before", FAULT_EXACT},
     .tensors = " beta ", .change = BENT, .bend = &DOUBLED},
    {.is = {"scale_built_in", "delta", "the scale is 1/sqrt(K), whatever is given", FAULT_EXACT},
     .tensors = "", .change = SCALE, .scale = root_of, .of = 'K'},
    {.is = {"scale_beside", "delta", "1/sqrt(K) is built in, beside the scale that is given", FAULT_EXACT},
     .tensors = "", .change = SCALE, .scale = root_beside, .of = 'K'},
    {.is = {"scale_of_values_built_in", "delta", "the scale is 1/sqrt(V), whatever is given", FAULT_EXACT},
     .tensors = "", .change = SCALE, .scale = root_of, .of = 'V'},
    {.is = {"values_added", "delta", "v is added to y in the kernel, where that is done behind it", FAULT_EXACT},
     .tensors = " y v ", .change = ADDED},
    {.is = {"unit_keys", "delta", "q and k are normalised to length 1 in the kernel, where that is done before",
            FAULT_EXACT},
     .tensors = " q k ", .change = UNIT_ROWS},
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
    {.is = {"gates_to_base_ten", "mlstm", "i and f are taken for logarithms to base 10", FAULT_EXACT},
     .tensors = " i f ", .change = BENT, .bend = &BASE_TEN},
    {.is = {"values_added", "mlstm", "v is added to h in the kernel, where that is done behind it", FAULT_EXACT},
     .tensors = " h v ", .change = ADDED},
    {.is = {"gates_capped", "mlstm",
            "the gates go through 15 tanh(x/15) in the kernel, where that is done before", FAULT_EXACT},
     .tensors = " i f ", .change = BENT, .bend = &CAPPED},
    {.is = {"interleaved_both", "rope",
            "pairs are (0,1)(2,3).., where element j turns with element j + D/2, in the forward and in the backward",
            FAULT_EXACT},
     .tensors = " x y ", .change = INTERLEAVED},
    {.is = {"one_plus_weight_both", "rmsnorm", "the weight is taken as 1 + w, in the forward and in the backward",
            FAULT_EXACT},
     .tensors = " w ", .change = BENT, .bend = &PLUS_ONE},
    {.is = {"one_plus_weight", "headnorm", "the weight is taken as 1 + w", FAULT_EXACT},
     .tensors = " w ", .change = BENT, .bend = &PLUS_ONE},
    {.is = {"taps_first", "conv", "the weight is [F][C] where [C][F] belongs", FAULT_EXACT},
     .tensors = " w ", .change = TRANSPOSED},
    STARTS_OF_THE_FIRST("attention"), STARTS_OF_THE_FIRST("mlstm"), STARTS_OF_THE_FIRST("delta"),
    STARTS_OF_THE_FIRST("conv"), STARTS_OF_THE_FIRST("rope"),
    FIRST_FOR_ALL("state_of_the_first", "delta", " S0 ", 'B', "every sequence begins from the state of the first"),
    FIRST_FOR_ALL("state_of_the_first", "mlstm", " C0 n0 m0 ", 'B',
                  "every sequence begins from the state of the first"),
    FIRST_FOR_ALL("sink_of_the_first", "attention", " sink ", 'H', "every head has the sink of the first"),
    FIRST_FOR_ALL("keys_of_the_first", "attention", " k v ", 'G', "every head reads the first key head"),
    FIRST_FOR_ALL("keys_of_sequence_0", "attention", " k v ", 'B',
                  "every sequence reads the first one's keys and values"),
    FIRST_FOR_ALL("bias_of_the_first", "linear", " b ", 'O', "every output has the bias of the first"),
    FIRST_FOR_ALL("bias_of_the_first", "conv", " b ", 'C', "every channel has the bias of the first"),
    FIRST_FOR_ALL("bias_of_the_first", "decay", " bias ", 'H', "every head has the bias of the first"),
    FIRST_FOR_ALL("rate_of_the_first", "decay", " lrate ", 'H', "every head has the rate of the first"),
    FIRST_FOR_ALL("weight_of_the_first", "skip", " w ", 'H', "every head has the weight of the first"),
    FIRST_FOR_ALL("dloss_of_the_first", "xent", " loss ", 'N', "every row has the dloss of the first"),
};

enum { ROWS = sizeof rows / sizeof *rows };

const struct fault *convention_is(int i) { return i < ROWS ? &rows[i].is : slip_is(i - ROWS); }

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
    char word[OP_WORD + 2];
    snprintf(word, sizeof word, " %s ", subject_of(c, i, gradient));
    return c->arg[i] && strstr(r->tensors, word);
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
               rows_n = op_extent(op, shape[axes - 2], c->dims);      /* each has two axes or more */
    double *was = op_take((size_t)c->size[i], sizeof *was);
    memcpy(was, c->arg[i], (size_t)c->size[i] * sizeof *was);
    for (long e = 0; e < c->size[i]; e++) {
        const long at = place(change, e, rows_n, columns);
        c->arg[i][back ? at : e] = was[back ? e : at];
    }
    free(was);
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

/* What a kernel of that convention adds to its output: a[] of it plus `sign` times its input. */
static void add_input(const struct row *r, struct op_case *c, double sign)
{
    const struct op_spec *op = &swax_ops[c->op];
    const int backward = op_forward_of(c->op) >= 0;
    char y[OP_WORD], x[OP_WORD], dy[OP_WORD + 1], dx[OP_WORD + 1];
    sscanf(r->tensors, "%15s %15s", y, x);
    snprintf(dy, sizeof dy, "d%s", y), snprintf(dx, sizeof dx, "d%s", x);
    const int gradients = backward && sign > 0, to = op_arg_find(op, gradients ? dx : y),
              from = op_arg_find(op, gradients ? dy : x);
    for (long e = 0; to >= 0 && c->arg[to] && e < c->size[to]; e++)
        c->arg[to][e] += sign * c->arg[from][e];
}

/* How far element e of argument i lies behind that of the axis' first index. */
static long behind_first(const struct op_case *c, int i, char axis, long e)
{
    const struct op_spec *op = &swax_ops[c->op];
    const long stride = op_stride(op, i, axis, c->dims);
    return e / stride % op_extent(op, axis, c->dims) * stride;
}

/* All indices along an axis of an input hold what the first one holds. */
static void spread_first(struct op_case *c, int i, char axis)
{
    for (long e = 0; e < c->size[i] && swax_ops[c->op].arg[i].role == IN; e++)
        c->arg[i][e] = c->arg[i][e - behind_first(c, i, axis, e)];
}

/* The gradients of a weight that all share are added up in the first; each sequence has its own state's. */
static void gather_in_first(struct op_case *got, int i, char axis, const double *before)
{
    for (long e = 0; e < got->size[i] && axis != 'B'; e++) {
        const long behind = behind_first(got, i, axis, e);
        if (!behind)
            continue;
        got->arg[i][e - behind] += got->arg[i][e] - before[e];
        got->arg[i][e] = before[e];
    }
}

/* The case as a kernel of that convention sees it. */
static void see(const struct row *r, struct op_case *c)
{
    int gradient;
    if (r->change == MODE)
        c->dims[strchr(swax_ops[c->op].dims, 'g') - swax_ops[c->op].dims] = r->mode;
    if (r->change == SCALE)    /* the only scalar of its kernel */
        c->scalar[0] = r->scale(c->scalar[0], (double)op_extent(&swax_ops[c->op], r->of, c->dims));
    if (r->change == ADDED && op_forward_of(c->op) >= 0)    /* what its forward saved, without what it added */
        add_input(r, c, -1);
    for (int i = 0; i < c->n && r->change != ADDED; i++) {
        if (!concerns(r, c, i, &gradient))
            continue;
        if (is_permutation(r->change))
            permute(c, i, r->change, 0);
        else if (r->change == OF_THE_FIRST)
            spread_first(c, i, r->of);
        else if (!gradient && r->change == UNIT_ROWS) {
            const long n = row_of(c, i);
            for (long at = 0; at < c->size[i]; at += n) {
                const double length = length_of(&c->arg[i][at], n);
                for (long e = at; e < at + n; e++)
                    c->arg[i][e] /= length;
            }
        } else if (!gradient)
            for (long e = 0; e < c->size[i]; e++)
                c->arg[i][e] = r->bend->of(c->arg[i][e]);
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
            a[e] = before[e] + r->bend->slope(x[e]) * (a[e] - before[e]);
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
    memcpy(got->scalar, in->scalar, sizeof got->scalar);
    if (r->change == ADDED)
        add_input(r, got, 1);
    for (int i = 0; i < got->n && r->change != ADDED; i++)
        if (concerns(r, got, i, &gradient) && op_answers(&swax_ops[got->op].arg[i])) {
            if (is_permutation(r->change))
                permute(got, i, r->change, 1);
            else if (gradient && r->change == OF_THE_FIRST)
                gather_in_first(got, i, r->of, in->arg[i]);
            else if (gradient)
                unbend(r, got, i, in);
        }
}

void convention_run(int i, const struct problem *p, struct op_case says[PARTS])
{
    if (i >= ROWS) {
        slip_run(i - ROWS, p, says);
        return;
    }
    const struct row *r = &rows[i];
    for (int part = 0; part < p->subject.n; part++) {
        struct op_case in;
        op_case_copy(&in, &p->in[part]);
        if (part && p->wish.chained)
            problem_chain(&in, &says[0]);
        op_case_copy(&says[part], &in);
        see(r, &says[part]);
        op_run(op_teller(&in), SWAX_PREC_F64, &says[part]);
        put_back(r, &says[part], &in);
        op_case_free(&in);
    }
}
