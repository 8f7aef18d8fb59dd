/* check_properties.c - what must hold whatever the numbers are: identities that no implementation was written from. */
#include "cases.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS = 60 };
static const double LIMIT = 1e-12;

static char where[300];

/* A case of `op`; gradients from 0, optional arguments as the seed says, the cell's eps 0. */
static void draw(struct op_case *c, const char *op, uint64_t seed, enum op_family family)
{
    op_case_make(c, op_find(op), seed, family, 10, SWAX_PREC_F64);
    if (strchr(swax_ops[c->op].dims, 'g'))
        c->scalar[0] = 0;
    for (int i = 0; i < c->n; i++)
        if (swax_ops[c->op].arg[i].role == ADD && c->arg[i])
            case_give(c, swax_ops[c->op].arg[i].name, NULL);
    snprintf(where, sizeof where, "seed %d ", (int)seed);
    op_case_describe(c, where + strlen(where), sizeof where - strlen(where));
}

/* What a backward reads of its forward, again, after its inputs were changed. */
static void refresh(struct op_case *bw)
{
    struct op_case f;
    case_like(&f, swax_ops[op_forward_of(bw->op)].name, bw);
    case_run(&f);
    for (int i = 0; i < f.n; i++)
        if (swax_ops[f.op].arg[i].role == OUT && op_arg_find(&swax_ops[bw->op], swax_ops[f.op].arg[i].name) >= 0)
            case_give(bw, swax_ops[f.op].arg[i].name, f.arg[i]);
    op_case_free(&f);
}

static void scale_by(struct op_case *c, const char *name, double factor)
{
    for (long e = 0; e < case_size(c, name); e++)
        case_arg(c, name)[e] *= factor;
}

static double inner(const struct op_case *c, const char *a, const char *b)
{
    double sum = 0;
    for (long e = 0; e < case_size(c, a); e++)
        sum += case_arg(c, a)[e] * case_arg(c, b)[e];
    return sum;
}

/* the same sum of the terms' sizes: what a vanishing sum is measured by */
static double inner_size(const struct op_case *c, const char *a, const char *b)
{
    double sum = 0;
    for (long e = 0; e < case_size(c, a); e++)
        sum += fabs(case_arg(c, a)[e] * case_arg(c, b)[e]);
    return sum;
}

static void bits(const double *a, const double *b, long n, const char *what)
{
    ck_assert_msg(!memcmp(a, b, (size_t)n * sizeof *a), "%s: %s", what, where);
}

static void close_to(const struct op_case *a, const struct op_case *b, const char *name, double factor, double scale)
{
    double *scaled = malloc((size_t)case_size(b, name) * sizeof *scaled);
    for (long e = 0; e < case_size(b, name); e++)
        scaled[e] = factor * case_arg(b, name)[e];
    const double error = apart(case_arg(a, name), scaled, case_size(b, name), scale);
    free(scaled);
    ck_assert_msg(error <= LIMIT, "%s off by %.2g: %s", name, error, where);
}

/* ---- causality, locality, independence: to the bit */

static const struct { const char *op, *inputs[7], *outputs[6]; } sequences[] = {
    { "attention_forward", { "q", "k", "v" }, { "y", "lse" } },
    { "mlstm_forward", { "q", "k", "v", "i", "f" }, { "h", "m", "qn" } },
    { "rope_forward", { "x" }, { "y" } },
};

/* The first element of token t of sequence b in an argument of tokens or keys. */
static double *token(const struct op_case *c, const char *name, int b, int t, long *row)
{
    const int is_key = swax_ops[c->op].arg[op_arg_find(&swax_ops[c->op], name)].shape[1] == 'S';
    const int T = case_dim(c, is_key ? 'S' : 'T'), at = t + (is_key ? T - case_dim(c, 'T') : 0);
    *row = case_size(c, name) / case_dim(c, 'B') / T;
    return case_arg(c, name) + (b*T + at) * *row;
}

/* NaN in all inputs of token t: nothing before it, and nothing in other sequences, may notice; it itself must. */
START_TEST(causal)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case c, changed;
        long row;
        draw(&c, sequences[_i].op, seed, OP_GAUSS);
        const int B = case_dim(&c, 'B'), T = case_dim(&c, 'T'), b = (int)(seed % (uint64_t)B), t = (int)(seed / 3 % (uint64_t)T);
        op_case_copy(&changed, &c);
        for (int i = 0; sequences[_i].inputs[i]; i++)
            for (double *x = token(&changed, sequences[_i].inputs[i], b, t, &row), *end = x + row; x < end; x++)
                *x = NAN;
        case_run(&c);
        case_run(&changed);
        for (int i = 0; sequences[_i].outputs[i]; i++) {
            const char *name = sequences[_i].outputs[i];
            for (int s = 0; s < B; s++) {
                const double *was = token(&c, name, s, 0, &row), *is = token(&changed, name, s, 0, &row);
                bits(is, was, row * (s == b ? t : T), "the future, or another sequence, is seen");
            }
            ck_assert_msg(isnan(token(&changed, name, b, t, &row)[0]) || !strcmp(name, "m"), "a NaN got lost: %s", where);
        }
        op_case_free(&c);
        op_case_free(&changed);
    }
}
END_TEST

/* The cotangent of token t reaches no token behind it. */
START_TEST(anticausal)
{
    static const struct { const char *op, *cotangent, *outputs[6]; } backwards[] = {
        { "attention_backward", "dy", { "dk", "dv", "dq" } },
        { "mlstm_backward", "dh", { "dk", "dv", "dq", "di", "df" } },
    };
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case c, changed;
        long row;
        draw(&c, backwards[_i].op, seed, OP_GAUSS);
        refresh(&c);
        const int T = case_dim(&c, 'T'), t = (int)(seed / 3 % (uint64_t)T);
        op_case_copy(&changed, &c);
        for (double *x = token(&changed, backwards[_i].cotangent, 0, t, &row), *end = x + row; x < end; x++)
            *x += 1;
        case_run(&c);
        case_run(&changed);
        for (int i = 0; backwards[_i].outputs[i] && t + 1 < T; i++) {
            const double *was = token(&c, backwards[_i].outputs[i], 0, t + 1, &row);
            const double *is = token(&changed, backwards[_i].outputs[i], 0, t + 1, &row);
            bits(is, was, row * (T - t - 1), "a gradient flows from the past to the future");
        }
        op_case_free(&c);
        op_case_free(&changed);
    }
}
END_TEST

/* Key t-W is out of token t's window, key t-W+1 is in it. */
START_TEST(window_is_exact)
{
    int cases = 0;
    for (uint64_t seed = 1; seed <= 20 * SEEDS; seed++) {
        struct op_case c, out, in;
        long row, width;
        draw(&c, "attention_forward", seed, OP_GAUSS);
        case_drop(&c, "start");
        const int T = case_dim(&c, 'T'), W = case_dim(&c, 'W'), t = T - 1, D = case_dim(&c, 'D');
        if (W > 64 || t - W < -(case_dim(&c, 'S') - T)) {
            op_case_free(&c);
            continue;
        }
        op_case_copy(&out, &c);
        op_case_copy(&in, &c);
        for (int d = 0; d < D; d++) {
            token(&out, "k", 0, t - W, &width)[d] = NAN;
            token(&out, "v", 0, t - W, &width)[d] = NAN;
            token(&in, "v", 0, t - W + 1, &width)[d] += 1;
        }
        case_run(&c);
        case_run(&out);
        case_run(&in);
        const double *was = token(&c, "y", 0, t, &row);
        bits(token(&out, "y", 0, t, &row), was, row, "key t-W is seen");
        ck_assert_msg(memcmp(token(&in, "y", 0, t, &row), was, (size_t)row * sizeof(double)), "key t-W+1 is not seen: %s", where);
        cases++;
        op_case_free(&c);
        op_case_free(&out);
        op_case_free(&in);
    }
    ck_assert_msg(cases >= 100, "only %d windows ended among the keys", cases);
}
END_TEST

/* Rows, or sequences, do not know of each other: a call on some of them gives the bits of a call on all. */
START_TEST(rows_are_independent)
{
    const struct op_spec *op = &swax_ops[_i];
    for (uint64_t seed = 1; seed <= SEEDS / 2; seed++) {
        struct op_case c, part;
        draw(&c, op->name, seed, OP_GAUSS);
        const int n = c.dims[0], from = n / 3, to = n - n / 4;
        if (from == to) {
            op_case_free(&c);
            continue;
        }
        memset(&part, 0, sizeof part);
        part = c;
        part.dims[0] = to - from;
        memset(part.arg, 0, sizeof part.arg);
        unsigned optional = 0;
        for (int i = 0; i < c.n; i++)
            optional |= (c.arg[i] ? 1u : 0) << op->arg[i].optional;
        op_case_alloc(&part, optional);
        for (int i = 0; i < c.n; i++) {
            const int rows = op->arg[i].shape[0] == op->dims[0];
            if (c.arg[i])
                memcpy(part.arg[i], c.arg[i] + (rows ? from * (c.size[i] / n) : 0), (size_t)part.size[i] * sizeof(double));
        }
        case_run(&c);
        case_run(&part);
        for (int i = 0; i < c.n; i++)
            if (c.arg[i] && op->arg[i].shape[0] == op->dims[0])
                bits(part.arg[i], c.arg[i] + from * (c.size[i] / n), part.size[i], "rows depend on other rows");
        op_case_free(&c);
        op_case_free(&part);
    }
}
END_TEST

/* Wherever an output changes with an input element, a NaN there is a NaN in the output. */
START_TEST(nan_is_passed_on)
{
    const struct op_spec *op = &swax_ops[_i];
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case c;
        draw(&c, op->name, seed, OP_GAUSS);
        for (int i = 0; i < c.n; i++) {
            struct op_case plain, moved, spoiled;
            if (op->arg[i].role == OUT || op->arg[i].type == INT || !c.arg[i])
                continue;
            const long e = (long)(seed * 7919 % (uint64_t)c.size[i]);
            op_case_copy(&plain, &c);
            op_case_copy(&moved, &c);
            op_case_copy(&spoiled, &c);
            moved.arg[i][e] += 3;
            spoiled.arg[i][e] = NAN;
            case_run(&plain);
            case_run(&moved);
            case_run(&spoiled);
            for (int o = 0; o < c.n; o++)
                for (long x = 0; x < c.size[o] && op->arg[o].role != IN && c.arg[o]; x++)
                    ck_assert_msg(plain.arg[o][x] == moved.arg[o][x] || isnan(spoiled.arg[o][x]),
                                  "a NaN in %s[%ld] is %g in %s[%ld], which depends on it: %s", op->arg[i].name, e,
                                  spoiled.arg[o][x], op->arg[o].name, x, where);
            op_case_free(&plain);
            op_case_free(&moved);
            op_case_free(&spoiled);
        }
        op_case_free(&c);
    }
}
END_TEST

/* ---- the cell (gate 0: exponential, 1: sigmoid, 2: sigmoid with normaliser) */

/* A backward case of one gate and from a zero state. */
static void draw_zero_state(struct op_case *c, uint64_t seed, enum op_family family, int gate)
{
    draw(c, "mlstm_backward", seed, family);
    c->dims[6] = gate;
    const char *const gone[] = { "C0", "n0", "m0", "dC0", "dn0", "dC1", "dn1" };
    for (int i = 0; i < 7; i++)
        case_drop(c, gone[i]);
    refresh(c);
}

/* e^m C and e^m n are the state: m0 + c with C0 e^-c is the same one. */
START_TEST(gauge_of_m0_is_free)
{
    const double shift = 1.7;
    int cases = 0;
    for (uint64_t seed = 1; seed <= 4 * SEEDS; seed++) {
        struct op_case c, moved;
        draw(&c, "mlstm_backward", seed, OP_GAUSS);
        c.dims[6] = 0;
        if (!case_arg(&c, "C0")) {
            op_case_free(&c);
            continue;
        }
        case_drop(&c, "dC1");    /* a gradient at fixed m1, which moves */
        case_drop(&c, "dn1");
        case_give(&c, "dC0", NULL);
        case_give(&c, "dn0", NULL);
        op_case_copy(&moved, &c);
        for (long e = 0; e < case_size(&c, "m0"); e++)
            case_arg(&moved, "m0")[e] += shift;
        scale_by(&moved, "C0", exp(-shift));
        scale_by(&moved, "n0", exp(-shift));
        refresh(&c);
        refresh(&moved);
        case_run(&c);
        case_run(&moved);
        const double size = inner_size(&c, "v", "dv") + inner_size(&c, "q", "dq") + inner_size(&c, "k", "dk");
        const char *const same[] = { "h", "dq", "dk", "dv" };
        for (int i = 0; i < 4; i++)
            close_to(&moved, &c, same[i], 1, largest(case_arg(&c, "dv"), case_size(&c, "dv")));
        close_to(&moved, &c, "di", 1, size);
        close_to(&moved, &c, "df", 1, size);
        close_to(&moved, &c, "dC0", exp(shift), 1);
        close_to(&moved, &c, "dn0", exp(shift), 1);
        cases++;
        op_case_free(&c);
        op_case_free(&moved);
    }
    ck_assert_int_ge(cases, SEEDS);
}
END_TEST

/* With every row on the |q.n| branch h is a quotient: a constant added to all i, or a factor on q or k, cancels. */
START_TEST(normalised_rows_are_free_of_scale)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case c, moved;
        draw_zero_state(&c, seed, OP_GAUSS, 0);
        for (long e = 0; e < case_size(&c, "i"); e++)
            case_arg(&c, "i")[e] += 30;    /* |q.n| > exp(-m), whatever q.n is */
        refresh(&c);
        for (long e = 0; e < case_size(&c, "m"); e++)
            ck_assert(fabs(case_arg(&c, "qn")[e]) > exp(-case_arg(&c, "m")[e]));
        op_case_copy(&moved, &c);
        for (long e = 0; e < case_size(&c, "i"); e++)
            case_arg(&moved, "i")[e] += 2;
        refresh(&moved);
        close_to(&moved, &c, "h", 1, 0);
        case_run(&c);
        double sum = 0, size = 1e-300;
        for (long e = 0; e < case_size(&c, "i"); e++) {
            sum += case_arg(&c, "di")[e];
            size += fabs(case_arg(&c, "di")[e]);
        }
        size += inner_size(&c, "k", "dk") + inner_size(&c, "v", "dv");
        ck_assert_msg(fabs(sum) <= LIMIT * size, "di adds up to %.2g of %.2g: %s", sum, size, where);
        ck_assert_msg(fabs(inner(&c, "q", "dq")) <= LIMIT * size, "<q,dq> is not 0: %s", where);
        ck_assert_msg(fabs(inner(&c, "k", "dk")) <= LIMIT * size, "<k,dk> is not 0: %s", where);
        op_case_free(&c);
        op_case_free(&moved);
    }
}
END_TEST

/* With every row on the exp(-m) branch, or without a normaliser, h is linear in q and in k. */
START_TEST(cold_rows_are_linear)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case c;
        const int gate = _i;
        draw_zero_state(&c, seed, OP_GAUSS, gate);
        for (long e = 0; e < case_size(&c, "i") && gate != 1; e++)
            case_arg(&c, "i")[e] -= 30;
        refresh(&c);
        for (long e = 0; e < case_size(&c, "m") && gate != 1; e++)
            ck_assert(fabs(case_arg(&c, "qn")[e]) < exp(-case_arg(&c, "m")[e]));
        case_run(&c);
        const double size = inner_size(&c, "dh", "h"), dhh = inner(&c, "dh", "h");
        ck_assert_msg(fabs(inner(&c, "q", "dq") - dhh) <= LIMIT * size, "<q,dq> is not <h,dh>: %s", where);
        ck_assert_msg(fabs(inner(&c, "k", "dk") - dhh) <= LIMIT * size, "<k,dk> is not <h,dh>: %s", where);
        op_case_free(&c);
    }
}
END_TEST

/* h is odd in q, in k and in v, to the bit, and linear in v. */
START_TEST(signs_and_linearity)
{
    static const char *const odd[] = { "q", "k", "v" };
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case c;
        draw_zero_state(&c, seed, OP_CROSSOVER, _i);
        for (int i = 0; i < 3; i++) {
            struct op_case f, minus;
            case_like(&f, "mlstm_forward", &c);
            op_case_copy(&minus, &f);
            scale_by(&minus, odd[i], -1);
            case_run(&f);
            case_run(&minus);
            scale_by(&minus, "h", -1);
            ck_assert_msg(apart(case_arg(&minus, "h"), case_arg(&f, "h"), case_size(&f, "h"), 0) == 0, "h(-%s) is not -h: %s",
                          odd[i], where);
            op_case_free(&f);
            op_case_free(&minus);
        }
        case_run(&c);
        ck_assert_msg(fabs(inner(&c, "v", "dv") - inner(&c, "dh", "h")) <= LIMIT * inner_size(&c, "v", "dv"),
                      "<v,dv> is not <h,dh>: %s", where);
        op_case_free(&c);
    }
}
END_TEST

/* No state is a state of zeros at m0 = 0; the sigmoid gates do not read m0; df is 0 where a document begins. */
START_TEST(nothing_is_zero)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case c, zero;
        draw_zero_state(&c, seed, OP_GAUSS, _i);
        op_case_copy(&zero, &c);
        case_give(&zero, "C0", NULL);
        case_give(&zero, "n0", NULL);
        case_give(&zero, "m0", NULL);
        for (long e = 0; e < case_size(&zero, "m0") && _i; e++)
            case_arg(&zero, "m0")[e] = 3;
        refresh(&zero);
        ck_assert_msg(case_same(&c, &zero, "h") && case_same(&c, &zero, "m") && case_same(&c, &zero, "C1"), "%s", where);
        case_run(&c);
        case_run(&zero);
        ck_assert_msg(case_same(&c, &zero, "dq") && case_same(&c, &zero, "dk") && case_same(&c, &zero, "dv"), "%s", where);
        const double *start = case_arg(&c, "start");
        for (int row = 0, T = case_dim(&c, 'T'), H = case_dim(&c, 'H'); start && row < case_dim(&c, 'B') * T * H; row++)
            ck_assert_msg(start[row / H] != row / H % T || case_arg(&c, "df")[row] == 0, "df is not 0: %s", where);
        op_case_free(&c);
        op_case_free(&zero);
    }
}
END_TEST

/* ---- the others */

/* Scores move by q.c, the same for all keys, when c is added to every key. */
START_TEST(softmax_ignores_a_common_key)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case c, moved;
        draw(&c, "attention_forward", seed, OP_GAUSS);
        op_case_copy(&moved, &c);
        for (long e = 0; e < case_size(&c, "k"); e++)
            case_arg(&moved, "k")[e] += 0.5 + (double)(e % case_dim(&c, 'D'));
        case_run(&c);
        case_run(&moved);
        close_to(&moved, &c, "y", 1, 0);
        op_case_free(&c);
        op_case_free(&moved);
    }
}
END_TEST

/* A window of one key is the identity on v; equal values come out as they are. */
START_TEST(attention_averages)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case c;
        draw(&c, "attention_forward", seed, OP_HUGE);
        const int T = case_dim(&c, 'T'), S = case_dim(&c, 'S'), H = case_dim(&c, 'H'), G = case_dim(&c, 'G'), D = case_dim(&c, 'D');
        if (seed % 2)
            c.dims[6] = 1;
        else
            for (long e = 0; e < case_size(&c, "v"); e++)
                case_arg(&c, "v")[e] = (double)(e % D);
        case_run(&c);
        for (long e = 0; e < case_size(&c, "y"); e++) {
            const long d = e % D, h = e / D % H, t = e / D / H % T, b = e / D / H / T;
            const double own = case_arg(&c, "v")[((b*S + S - T + t)*G + h*G/H)*D + d];
            ck_assert_msg(fabs(case_arg(&c, "y")[e] - own) <= LIMIT * fmax(1, fabs(own)), "y is not v: %s", where);
        }
        op_case_free(&c);
    }
}
END_TEST

/* A turn keeps lengths, is undone by its backward, and q.k depends on the distance of the two positions alone. */
START_TEST(rope_turns)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case c, back, moved;
        draw(&c, "rope_forward", seed, OP_GAUSS);
        c.dims[4] = (int)(seed * 37 % 1000) - 500;
        case_run(&c);
        case_like(&back, "rope_backward", &c);
        case_give(&back, "dy", case_arg(&c, "y"));
        case_give(&back, "dx", NULL);
        case_run(&back);
        ck_assert_msg(apart(case_arg(&back, "dx"), case_arg(&c, "x"), case_size(&c, "x"), 0) <= LIMIT, "%s", where);
        const double before = inner(&c, "x", "x"), after = inner(&c, "y", "y");
        ck_assert_msg(fabs(before - after) <= LIMIT * before, "a turn changes lengths: %s", where);

        op_case_copy(&moved, &c);
        moved.dims[4] += 123;
        case_run(&moved);
        const int T = case_dim(&c, 'T'), H = case_dim(&c, 'H'), D = case_dim(&c, 'D');
        for (int t = 1; t < T; t++) {
            double here = 0, there = 0, size = 0;
            for (int d = 0; d < D; d++) {
                here += case_arg(&c, "y")[t*H*D + d] * case_arg(&c, "y")[d];
                there += case_arg(&moved, "y")[t*H*D + d] * case_arg(&moved, "y")[d];
                size += fabs(case_arg(&c, "y")[t*H*D + d] * case_arg(&c, "y")[d]) + 1;
            }
            ck_assert_msg(fabs(here - there) <= LIMIT * size, "scores depend on where the document stands: %s", where);
        }
        op_case_free(&c);
        op_case_free(&back);
        op_case_free(&moved);
    }
}
END_TEST

/* dx of a norm has no part along x where eps does not matter; a norm of LayerNorm's kind has none along 1. */
START_TEST(norms_are_free_of_scale)
{
    static const char *const ops[] = { "rmsnorm_backward", "headnorm_backward" };
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case c;
        draw(&c, ops[_i], seed, OP_GAUSS);
        scale_by(&c, "x", 1e8);
        refresh(&c);
        case_run(&c);
        const int D = case_dim(&c, _i ? 'D' : 'C');
        for (long row = 0; row < case_size(&c, "x") / D; row++) {
            double along = 0, sum = 0, size = 0, most = 0;
            for (int d = 0; d < D; d++) {
                const double dx = case_arg(&c, "dx")[row*D + d], x = case_arg(&c, "x")[row*D + d];
                along += dx * x;
                sum += dx;
                size += fabs(case_arg(&c, "dy")[row*D + d] * case_arg(&c, "w")[(row*D + d) % case_size(&c, "w")] * x);
                most += fabs(dx);
            }
            size *= case_arg(&c, "rstd")[row];
            ck_assert_msg(fabs(along) <= 1e-11 * size, "dx has %.2g of %.2g along x: %s", along, size, where);
            ck_assert_msg(!_i || !case_dim(&c, 'z') || fabs(sum) <= 1e-11 * fmax(most, size), "dx does not add up to 0: %s", where);
        }
        op_case_free(&c);
    }
}
END_TEST

/* Without a cap the gradient of a row's logits adds up to 0, its loss is at least 0, and equal logits cost log V. */
START_TEST(probabilities_add_up)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case c, f;
        draw(&c, "xent_backward", seed, seed % 2 ? OP_GAUSS : OP_EQUAL);
        c.scalar[0] = 0;
        refresh(&c);
        case_run(&c);
        case_like(&f, "xent_forward", &c);
        case_run(&f);
        const int V = case_dim(&c, 'V');
        for (int n = 0; n < case_dim(&c, 'N'); n++) {
            double sum = 0, spread = 0;
            const int valid = case_arg(&c, "target")[n] >= 0 && case_arg(&c, "target")[n] < V;
            for (int j = 0; j < V; j++) {
                sum += case_arg(&c, "dx")[n*V + j];
                spread += fabs(case_arg(&c, "x")[n*V + j] - case_arg(&c, "x")[n*V]);
                ck_assert_msg(valid || case_arg(&c, "dx")[n*V + j] == 0, "an ignored target has a gradient: %s", where);
            }
            ck_assert_msg(fabs(sum) <= LIMIT * fabs(case_arg(&c, "dloss")[n]), "dx adds up to %.2g: %s", sum, where);
            ck_assert_msg(valid ? case_arg(&f, "loss")[n] >= -1e-14 : case_arg(&f, "loss")[n] == 0, "%s", where);
            ck_assert_msg(spread > 0 || !valid || fabs(case_arg(&f, "loss")[n] - log(V)) <= LIMIT, "%s", where);
        }
        op_case_free(&c);
        op_case_free(&f);
    }
}
END_TEST

/* The first AdamW step moves every weight by the rate, against its gradient's sign; decay alone shrinks. */
START_TEST(adamw_first_step)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case c, before;
        draw(&c, "adamw", seed, OP_GAUSS);
        c.dims[1] = 1;
        memcpy(c.scalar, (double[]){ 0.01, 0.9, 0.99, 0, seed % 2 ? 0.5 : 0, 0 }, sizeof(double) * 6);
        case_give(&c, "m", NULL);
        case_give(&c, "v", NULL);
        op_case_copy(&before, &c);
        case_run(&c);
        for (long e = 0; e < case_size(&c, "w"); e++) {
            const double w = case_arg(&before, "w")[e] * (1 - 0.01 * c.scalar[4]);
            const double moved = case_arg(&c, "w")[e] - w, g = case_arg(&c, "g")[e];
            ck_assert_msg(fabs(moved + copysign(0.01, g)) <= 1e-13, "%s", where);
        }
        op_case_free(&c);
        op_case_free(&before);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("properties");
    TCase *tc = tcase_create("identities");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, causal, 0, 3);
    tcase_add_loop_test(tc, anticausal, 0, 2);
    tcase_add_test(tc, window_is_exact);
    tcase_add_loop_test(tc, rows_are_independent, 0, swax_n_ops);
    tcase_add_loop_test(tc, nan_is_passed_on, 0, swax_n_ops);
    tcase_add_test(tc, gauge_of_m0_is_free);
    tcase_add_test(tc, normalised_rows_are_free_of_scale);
    tcase_add_loop_test(tc, cold_rows_are_linear, 0, 3);
    tcase_add_loop_test(tc, signs_and_linearity, 0, 3);
    tcase_add_loop_test(tc, nothing_is_zero, 0, 3);
    tcase_add_test(tc, softmax_ignores_a_common_key);
    tcase_add_test(tc, attention_averages);
    tcase_add_test(tc, rope_turns);
    tcase_add_loop_test(tc, norms_are_free_of_scale, 0, 2);
    tcase_add_test(tc, probabilities_add_up);
    tcase_add_test(tc, adamw_first_step);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
