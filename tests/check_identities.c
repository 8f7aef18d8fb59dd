/* check_identities.c - what must hold whatever the numbers are: identities that no implementation was written from. */
#include "tests/cases.h"
#include "tests/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS = 60 };
static const double LIMIT = 1e-12;

static char where[300];

static void draw(struct op_case *c, const char *op, uint64_t seed, enum op_family family)
{
    case_draw(c, op, seed, family);
    snprintf(where, sizeof where, "seed %d ", (int)seed);
    op_case_describe(c, where + strlen(where), sizeof where - strlen(where));
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

/* ---- caps: cross-entropy of capped logits is that of what softcap makes of them, however small the cap; and softcap's
 * gradient is 1 - (y/c)^2 */

START_TEST(caps_may_be_small)
{
    static const double caps[] = { 0, 0.0625, 0.25, 0.75, 1, 1.5, 30 };
    for (uint64_t seed = 1; seed <= 10; seed++)
        for (size_t k = 0; k < sizeof caps / sizeof caps[0]; k++) {
            const double cap = caps[k];
            struct op_case whole, of_capped, caps_forward, caps_backward;
            draw(&whole, "xent_backward", seed, OP_GAUSS);
            case_like(&caps_forward, "softcap_forward", &whole);
            op_case_free(&caps_forward);
            caps_forward.dims[0] = (int)case_size(&whole, "x");
            op_case_alloc(&caps_forward, 0);
            case_give(&caps_forward, "x", case_arg(&whole, "x"));
            caps_forward.scalar[0] = whole.scalar[0] = cap;
            case_run(&caps_forward);
            for (long e = 0; e < case_size(&whole, "x"); e++) {
                const double x = case_arg(&whole, "x")[e], y = cap > 0 ? cap * tanh(x / cap) : x;
                ck_assert_msg(fabs(case_arg(&caps_forward, "y")[e] - y) <= LIMIT * fabs(x), "cap %g of %g is %.15g",
                              cap, x, case_arg(&caps_forward, "y")[e]);
            }
            case_refresh(&whole);
            case_like(&of_capped, "xent_backward", &whole);
            case_give(&of_capped, "x", case_arg(&caps_forward, "y"));
            of_capped.scalar[0] = 0;
            case_refresh(&of_capped);
            case_run(&whole), case_run(&of_capped);
            close_to(&whole, &of_capped, "lse", 1, 1);
            case_like(&caps_backward, "softcap_backward", &caps_forward);
            case_give(&caps_backward, "dy", case_arg(&of_capped, "dx"));
            case_run(&caps_backward);
            for (long e = 0; e < case_size(&whole, "dx"); e++) {
                const double y = case_arg(&caps_forward, "y")[e], dy = case_arg(&of_capped, "dx")[e];
                const double right = cap > 0 ? dy * (1 - y * y / (cap * cap)) : dy;
                ck_assert_msg(fabs(case_arg(&caps_backward, "dx")[e] - right) <= LIMIT * fabs(dy),
                              "cap %g: softcap's gradient is %.15g, not %.15g", cap, case_arg(&caps_backward, "dx")[e],
                              right);
                ck_assert_msg(fabs(case_arg(&whole, "dx")[e] - right) <= LIMIT * fmax(fabs(dy), 1),
                              "cap %g: the gradient of a logit is %.15g, not %.15g", cap, case_arg(&whole, "dx")[e],
                              right);
            }
            op_case_free(&whole), op_case_free(&of_capped), op_case_free(&caps_forward), op_case_free(&caps_backward);
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
    case_refresh(c);
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
        case_scale(&moved, "C0", exp(-shift));
        case_scale(&moved, "n0", exp(-shift));
        case_refresh(&c);
        case_refresh(&moved);
        case_run(&c);
        case_run(&moved);
        const double size =
            case_inner_size(&c, "v", "dv") + case_inner_size(&c, "q", "dq") + case_inner_size(&c, "k", "dk");
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
        case_refresh(&c);
        for (long e = 0; e < case_size(&c, "m"); e++)
            ck_assert_each(fabs(case_arg(&c, "qn")[e]) > exp(-case_arg(&c, "m")[e]), "row %ld is not normalised", e);
        op_case_copy(&moved, &c);
        for (long e = 0; e < case_size(&c, "i"); e++)
            case_arg(&moved, "i")[e] += 2;
        case_refresh(&moved);
        close_to(&moved, &c, "h", 1, 0);
        case_run(&c);
        double sum = 0, size = 1e-300;
        for (long e = 0; e < case_size(&c, "i"); e++) {
            sum += case_arg(&c, "di")[e];
            size += fabs(case_arg(&c, "di")[e]);
        }
        size += case_inner_size(&c, "k", "dk") + case_inner_size(&c, "v", "dv");
        ck_assert_msg(fabs(sum) <= LIMIT * size, "di adds up to %.2g of %.2g: %s", sum, size, where);
        ck_assert_msg(fabs(case_inner(&c, "q", "dq")) <= LIMIT * size, "<q,dq> is not 0: %s", where);
        ck_assert_msg(fabs(case_inner(&c, "k", "dk")) <= LIMIT * size, "<k,dk> is not 0: %s", where);
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
        case_refresh(&c);
        for (long e = 0; e < case_size(&c, "m") && gate != 1; e++)
            ck_assert_each(fabs(case_arg(&c, "qn")[e]) < exp(-case_arg(&c, "m")[e]), "row %ld is normalised", e);
        case_run(&c);
        const double size = case_inner_size(&c, "dh", "h"), dhh = case_inner(&c, "dh", "h");
        ck_assert_msg(fabs(case_inner(&c, "q", "dq") - dhh) <= LIMIT * size, "<q,dq> is not <h,dh>: %s", where);
        ck_assert_msg(fabs(case_inner(&c, "k", "dk") - dhh) <= LIMIT * size, "<k,dk> is not <h,dh>: %s", where);
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
            case_scale(&minus, odd[i], -1);
            case_run(&f);
            case_run(&minus);
            case_scale(&minus, "h", -1);
            ck_assert_msg(apart(case_arg(&minus, "h"), case_arg(&f, "h"), case_size(&f, "h"), 0) == 0,
                          "h(-%s) is not -h: %s", odd[i], where);
            op_case_free(&f);
            op_case_free(&minus);
        }
        case_run(&c);
        ck_assert_msg(fabs(case_inner(&c, "v", "dv") - case_inner(&c, "dh", "h")) <=
                          LIMIT * case_inner_size(&c, "v", "dv"),
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
        case_refresh(&zero);
        ck_assert_msg(case_same(&c, &zero, "h") && case_same(&c, &zero, "m") && case_same(&c, &zero, "C1"), "%s",
                      where);
        case_run(&c);
        case_run(&zero);
        ck_assert_msg(case_same(&c, &zero, "dq") && case_same(&c, &zero, "dk") && case_same(&c, &zero, "dv"), "%s",
                      where);
        const double *start = case_arg(&c, "start");
        for (int row = 0, T = case_dim(&c, 'T'), H = case_dim(&c, 'H'); start && row < case_dim(&c, 'B') * T * H; row++)
            ck_assert_each(start[row / H] != row / H % T || case_arg(&c, "df")[row] == 0, "df is not 0: %s", where);
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
        case_drop(&c, "sink");
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
        case_drop(&c, "sink");
        const int T = case_dim(&c, 'T'), S = case_dim(&c, 'S'), H = case_dim(&c, 'H'), G = case_dim(&c, 'G');
        const int D = case_dim(&c, 'D');
        if (seed % 2)
            c.dims[6] = 1;
        else
            for (long e = 0; e < case_size(&c, "v"); e++)
                case_arg(&c, "v")[e] = (double)(e % D);
        case_run(&c);
        for (long e = 0; e < case_size(&c, "y"); e++) {
            const long d = e % D, h = e / D % H, t = e / D / H % T, b = e / D / H / T;
            const double own = case_arg(&c, "v")[((b*S + S - T + t)*G + h*G/H)*D + d];
            ck_assert_each(fabs(case_arg(&c, "y")[e] - own) <= LIMIT * fmax(1, fabs(own)), "y is not v: %s", where);
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
        const double before = case_inner(&c, "x", "x"), after = case_inner(&c, "y", "y");
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
        case_scale(&c, "x", 1e8);
        case_refresh(&c);
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
            ck_assert_msg(!_i || !case_dim(&c, 'z') || fabs(sum) <= 1e-11 * fmax(most, size),
                          "dx does not add up to 0: %s", where);
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
        case_refresh(&c);
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
                ck_assert_each(valid || case_arg(&c, "dx")[n*V + j] == 0, "an ignored target has a gradient: %s",
                               where);
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
            ck_assert_each(fabs(moved + copysign(0.01, g)) <= 1e-13, "%s", where);
        }
        op_case_free(&c);
        op_case_free(&before);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("identities");
    TCase *tc = tcase_create("identities");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, caps_may_be_small);
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
    return suite_ends(s);
}
