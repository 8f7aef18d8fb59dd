/* check_properties.c - who may know of whom: causality, the window, rows and sequences, to the bit; and NaNs. */
#include "tests/cases.h"
#include "tests/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS = 60 };

static char where[300];

static void draw(struct op_case *c, const char *op, uint64_t seed, enum op_family family)
{
    case_draw(c, op, seed, family);
    snprintf(where, sizeof where, "seed %d ", (int)seed);
    op_case_describe(c, where + strlen(where), sizeof where - strlen(where));
}

static void bits(const double *a, const double *b, long n, const char *what)
{
    ck_assert_msg(!memcmp(a, b, (size_t)n * sizeof *a), "%s: %s", what, where);
}

static const struct { const char *op, *inputs[7], *outputs[6]; } sequences[] = {
    { "attention_forward", { "q", "k", "v" }, { "y", "lse" } },
    { "mlstm_forward", { "q", "k", "v", "i", "f" }, { "h", "m", "qn" } },
    { "rope_forward", { "x" }, { "y" } },
    { "delta_forward", { "q", "k", "v", "g", "beta" }, { "y", "r" } },
    { "conv_forward", { "x" }, { "y" } },
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
        const int B = case_dim(&c, 'B'), T = case_dim(&c, 'T'), b = (int)(seed % (uint64_t)B);
        const int t = (int)(seed / 3 % (uint64_t)T);
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
            ck_assert_msg(isnan(token(&changed, name, b, t, &row)[0]) || !strcmp(name, "m"), "a NaN got lost: %s",
                          where);
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
        { "delta_backward", "dy", { "dk", "dv", "dq", "dg", "dbeta" } },
        { "conv_backward", "dy", { "dx" } },
    };
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case c, changed;
        long row;
        draw(&c, backwards[_i].op, seed, OP_GAUSS);
        case_refresh(&c);
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
        ck_assert_msg(memcmp(token(&in, "y", 0, t, &row), was, (size_t)row * sizeof(double)),
                      "key t-W+1 is not seen: %s", where);
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
                memcpy(part.arg[i], c.arg[i] + (rows ? from * (c.size[i] / n) : 0),
                       (size_t)part.size[i] * sizeof(double));
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
                for (long x = 0; x < c.size[o] && op_answers(&op->arg[o]) && c.arg[o]; x++)
                    ck_assert_each(plain.arg[o][x] == moved.arg[o][x] || isnan(spoiled.arg[o][x]),
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

int main(void)
{
    Suite *s = suite_create("properties");
    TCase *tc = tcase_create("dependence");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, causal, 0, sizeof sequences / sizeof sequences[0]);
    tcase_add_loop_test(tc, anticausal, 0, 4);
    tcase_add_test(tc, window_is_exact);
    tcase_add_loop_test(tc, rows_are_independent, 0, swax_n_ops);
    tcase_add_loop_test(tc, nan_is_passed_on, 0, swax_n_ops);
    suite_add_tcase(s, tc);
    return suite_ends(s);
}
