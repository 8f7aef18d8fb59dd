/* delta_identities.c - what the delta rule keeps, whatever the numbers are; run by check_delta.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/cases.h"
#include "tests/suite.h"

static const double LIMIT = 1e-12;
enum { SEEDS = 60, ERASE = 8, J_AT = 6 };
static char *where;
static double *worst;

static void near(double a, double b, double size, const char *what)
{
    const double error = fabs(a - b) / fmax(size, 1e-300);
    *worst = fmax(*worst, error);
    ck_assert_each(error <= LIMIT, "%s: %.17g is not %.17g, of %.2g: %s", what, a, b, size, where);
}

/* A case without documents, with states, erase as asked (or as drawn, for -1). */
static void draw(struct op_case *c, const char *op, uint64_t seed, int erase)
{
    case_draw(c, op, seed, OP_GAUSS);
    case_drop(c, "start");
    if (erase >= 0)
        c->dims[ERASE] = erase;
    if (!case_arg(c, "S0")) {
        struct op_case other;
        case_draw(&other, "delta_forward", seed + 1000, OP_GAUSS);
        case_give(c, "S0", NULL);
        for (long e = 0; e < case_size(c, "S0"); e++)
            case_arg(c, "S0")[e] = sin((double)(e + 7 * (long)seed));
        op_case_free(&other);
    }
    if (op_arg_find(&swax_ops[c->op], "dS0") >= 0) {
        case_give(c, "dS0", NULL);
        if (!case_arg(c, "dS1")) {
            case_give(c, "dS1", NULL);
            for (long e = 0; e < case_size(c, "dS1"); e++)
                case_arg(c, "dS1")[e] = cos((double)(e + 5 * (long)seed));
        }
        case_refresh(c);
    }
    snprintf(where, 300, "seed %d ", (int)seed);
    op_case_describe(c, where + strlen(where), 300 - strlen(where));
}

static void fill(struct op_case *c, const char *name, double x)
{
    for (long e = 0; e < case_size(c, name); e++)
        case_arg(c, name)[e] = x;
}

/* |k| = 1 as far as double knows: drawn keys are exact in float */
static void unit_keys(struct op_case *c)
{
    const int K = case_dim(c, 'K');
    for (double *k = case_arg(c, "k"), *end = k + case_size(c, "k"); k < end; k += K) {
        double squares = 0;
        for (int i = 0; i < K; i++)
            squares += k[i] * k[i];
        for (int i = 0; i < K; i++)
            k[i] /= sqrt(squares);
    }
}

/* beta = 0 only fades, in either mode; beta = 1 writes over what the key held, at any g: read with q = k it gives v. */
START_TEST(strengths_of_none_and_one)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case c;
        draw(&c, "delta_forward", seed, -1);
        const int T = case_dim(&c, 'T'), H = case_dim(&c, 'H'), K = case_dim(&c, 'K'), V = case_dim(&c, 'V');
        const int J = case_dim(&c, 'J');
        fill(&c, "beta", 0);
        case_run(&c);
        for (long e = 0; e < case_size(&c, "S1"); e++) {
            const long bh = e / V / K, b = bh / H, h = bh % H, i = e / V % K;
            double g = 0;
            for (int t = 0; t < T; t++)
                g += case_arg(&c, "g")[((b*T + t)*H + h)*J + (J == 1 ? 0 : i)];
            near(case_arg(&c, "S1")[e], exp(g) * case_arg(&c, "S0")[e], 1, "S1 of beta = 0");
        }
        c.dims[ERASE] = 1;
        c.scalar[0] = 1;
        fill(&c, "beta", 1);
        unit_keys(&c);
        case_give(&c, "q", case_arg(&c, "k"));
        case_run(&c);
        for (long e = 0; e < case_size(&c, "v"); e++)
            near(case_arg(&c, "y")[e], case_arg(&c, "v")[e], largest(case_arg(&c, "r"), case_size(&c, "r")),
                 "what beta = 1 wrote");
        op_case_free(&c);
    }
}
END_TEST

/* Orthonormal keys, g = 0, beta = 1, from zero: nothing is lost, all values are still there at the end. */
START_TEST(orthonormal_keys_are_all_kept)
{
    struct op_case c = { .op = op_find("delta_forward"), .dims = { 2, 5, 4, 2, 5, 3, 1, 2, 1 }, .scalar = { 1 } };
    op_draw(&c, 3, OP_GAUSS, 0, SWAX_PREC_F64);
    snprintf(where, 300, "five keys of five channels");
    fill(&c, "g", 0);
    fill(&c, "beta", 1);
    for (long e = 0; e < case_size(&c, "k"); e++) {    /* a Householder matrix: I - 2/5 ones */
        const long t = e / 5 / 2 % 5, i = e % 5;
        case_arg(&c, "k")[e] = (t == i) - 2.0 / 5;
    }
    case_run(&c);
    for (long e = 0; e < case_size(&c, "v"); e++) {
        const long col = e % 3, h = e / 3 % 4, t = e / 3 / 4 % 5, b = e / 3 / 4 / 5;
        double v = 0;
        for (int i = 0; i < 5; i++)
            v += case_arg(&c, "S1")[((b*4 + h)*5 + i)*3 + col] * ((t == i) - 2.0 / 5);
        near(v, case_arg(&c, "v")[e], 1, "S1^T k_t");
    }
    op_case_free(&c);
}
END_TEST

static double column_norm(const double *S, long head, int K, int V, int col)
{
    double sum = 0;
    for (int i = 0; i < K; i++)
        sum += S[(head*K + i)*V + col] * S[(head*K + i)*V + col];
    return sqrt(sum);
}

/* v = 0, |k| = 1: beta = 2 without decay reflects and keeps every column's norm; with beta <= 2 and g <= 0 none
 * grows. */
START_TEST(reflections_keep_norms)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        for (int kept = 0; kept < 2; kept++) {
            struct op_case c;
            draw(&c, "delta_forward", seed, 1);
            const int K = case_dim(&c, 'K'), V = case_dim(&c, 'V');
            fill(&c, "v", 0);
            unit_keys(&c);
            if (kept) {
                fill(&c, "g", 0);
                fill(&c, "beta", 2);
            }
            case_run(&c);
            for (long e = 0; e < case_size(&c, "S1") / K; e++) {
                const double before = column_norm(case_arg(&c, "S0"), e / V, K, V, (int)(e % V));
                const double after = column_norm(case_arg(&c, "S1"), e / V, K, V, (int)(e % V));
                if (kept)
                    near(after, before, before, "a column's norm");
                else
                    ck_assert_msg(after <= before * (1 + LIMIT), "a column grows from %g to %g: %s", before, after,
                                  where);
            }
            op_case_free(&c);
        }
}
END_TEST

/* Equal gates in all channels are one gate, to the bit, and its gradient is the sum of theirs. */
START_TEST(equal_gates_are_one)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case one, many;
        draw(&one, "delta_backward", seed, -1);
        const int K = case_dim(&one, 'K'), g = op_arg_find(&swax_ops[one.op], "g");
        const int dg = op_arg_find(&swax_ops[one.op], "dg");
        one.dims[J_AT] = 1;
        one.size[g] = one.size[dg] = case_size(&one, "beta");
        op_case_copy(&many, &one);
        many.dims[J_AT] = K;
        many.size[g] = many.size[dg] = one.size[g] * K;
        case_give(&many, "g", NULL);
        case_give(&many, "dg", NULL);
        for (long e = 0; e < many.size[g]; e++)
            many.arg[g][e] = one.arg[g][e / K];
        case_refresh(&one), case_refresh(&many);
        case_run(&one), case_run(&many);
        static const char *const same[] = { "dq", "dk", "dv", "dbeta", "dS0", "S1", "r" };
        for (int i = 0; i < 7; i++)
            ck_assert_msg(case_same(&one, &many, same[i]), "%s of equal gates differs: %s", same[i], where);
        for (long row = 0; row < one.size[g]; row++) {
            double sum = 0;
            for (int i = 0; i < K; i++)
                sum += many.arg[dg][row*K + i];
            near(one.arg[dg][row], sum, fmax(largest(many.arg[dg], many.size[dg]), 1e-3), "dg");
        }
        op_case_free(&one);
        op_case_free(&many);
    }
}
END_TEST

/* y and S1 are linear in (v, S0) together, y in q: doubled to the bit, and <v,dv> + <S0,dS0> = <y,dy> + <S1,dS1>,
 * <q,dq> = <y,dy>. */
START_TEST(linear_in_values_and_queries)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case c, f, twice;
        draw(&c, "delta_backward", seed, -1);
        case_like(&f, "delta_forward", &c);
        op_case_copy(&twice, &f);
        case_scale(&twice, "v", 2);
        case_scale(&twice, "S0", 2);
        case_run(&f), case_run(&twice), case_run(&c);
        case_scale(&f, "y", 2);
        case_scale(&f, "S1", 2);
        ck_assert_msg(case_same(&f, &twice, "y") && case_same(&f, &twice, "S1"), "not linear in v and S0: %s", where);
        case_scale(&f, "y", 0.5);
        case_scale(&f, "S1", 0.5);
        double ydy = 0, size = 0;
        for (long e = 0; e < case_size(&f, "y"); e++) {
            ydy += case_arg(&f, "y")[e] * case_arg(&c, "dy")[e];
            size += fabs(case_arg(&f, "y")[e] * case_arg(&c, "dy")[e]);
        }
        const double left = case_inner(&c, "v", "dv") + case_inner(&c, "S0", "dS0");
        const double right = ydy + case_inner(&c, "S1", "dS1");
        size += case_inner_size(&c, "S1", "dS1") + case_inner_size(&c, "v", "dv") + case_inner_size(&c, "S0", "dS0");
        near(left, right, size, "<v,dv> + <S0,dS0>");
        near(case_inner(&c, "q", "dq"), ydy, size + case_inner_size(&c, "q", "dq"), "<q,dq>");
        op_case_free(&c), op_case_free(&f), op_case_free(&twice);
    }
}
END_TEST

/* k and v doubled and beta quartered leave the states; so k.dk + v.dv = 2 beta dbeta, token by token, over the heads of
 * a group. */
START_TEST(keys_values_and_strength_are_one_scale)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case c, f, scaled;
        draw(&c, "delta_backward", seed, 1);
        case_like(&f, "delta_forward", &c);
        op_case_copy(&scaled, &f);
        case_scale(&scaled, "k", 2);
        case_scale(&scaled, "v", 2);
        case_scale(&scaled, "beta", 0.25);
        case_run(&f), case_run(&scaled), case_run(&c);
        ck_assert_msg(case_same(&f, &scaled, "y") && case_same(&f, &scaled, "S1"), "y or S1 moves with that scale: %s",
                      where);
        const int H = case_dim(&c, 'H'), G = case_dim(&c, 'G'), K = case_dim(&c, 'K'), V = case_dim(&c, 'V');
        for (long row = 0; row < case_size(&c, "k") / K; row++) {
            double left = 0, right = 0, size = 1;
            for (long e = row*K; e < (row + 1)*K; e++) {
                left += case_arg(&c, "k")[e] * case_arg(&c, "dk")[e];
                size += fabs(case_arg(&c, "k")[e] * case_arg(&c, "dk")[e]);
            }
            for (long n = row / G * H + row % G * (H / G), h = n; h < n + H / G; h++) {
                for (long e = h*V; e < (h + 1)*V; e++) {
                    left += case_arg(&c, "v")[e] * case_arg(&c, "dv")[e];
                    size += fabs(case_arg(&c, "v")[e] * case_arg(&c, "dv")[e]);
                }
                right += 2 * case_arg(&c, "beta")[h] * case_arg(&c, "dbeta")[h];
            }
            near(left, right, size, "k.dk + v.dv");
        }
        op_case_free(&c), op_case_free(&f), op_case_free(&scaled);
    }
}
END_TEST

/* Turn channels 0 and 1 of every row of x by an angle; J = 1 does not see it. */
static void turn(double *x, long rows, int K, int width)
{
    for (long r = 0; r < rows && K > 1; r++)
        for (int e = 0; e < width; e++) {
            double *a = x + (r*K)*width + e, *b = a + width;
            const double was = *a;
            *a = 0.6 * was - 0.8 * *b;
            *b = 0.8 * was + 0.6 * *b;
        }
}

START_TEST(channels_may_be_turned)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case f, turned;
        draw(&f, "delta_forward", seed, -1);
        const int K = case_dim(&f, 'K'), V = case_dim(&f, 'V');
        f.dims[J_AT] = 1;
        f.size[op_arg_find(&swax_ops[f.op], "g")] = case_size(&f, "beta");
        op_case_copy(&turned, &f);
        turn(case_arg(&turned, "q"), case_size(&f, "q") / K, K, 1);
        turn(case_arg(&turned, "k"), case_size(&f, "k") / K, K, 1);
        turn(case_arg(&turned, "S0"), case_size(&f, "S0") / K / V, K, V);
        case_run(&f), case_run(&turned);
        turn(case_arg(&f, "S1"), case_size(&f, "S1") / K / V, K, V);
        const double size =
            fmax(largest(case_arg(&f, "S1"), case_size(&f, "S1")), largest(case_arg(&f, "r"), case_size(&f, "r")));
        for (long e = 0; e < case_size(&f, "y"); e++)
            near(case_arg(&turned, "y")[e], case_arg(&f, "y")[e], size * fmax(1, fabs(f.scalar[0])), "y");
        for (long e = 0; e < case_size(&f, "S1"); e++)
            near(case_arg(&turned, "S1")[e], case_arg(&f, "S1")[e], size, "S1");
        op_case_free(&f), op_case_free(&turned);
    }
}
END_TEST

/* Signs, to the bit: k and S0 turn y and S1 around, q turns y. */
START_TEST(signs)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case f, k, q;
        draw(&f, "delta_forward", seed, -1);
        op_case_copy(&k, &f), op_case_copy(&q, &f);
        case_scale(&k, "k", -1), case_scale(&k, "S0", -1), case_scale(&q, "q", -1);
        case_run(&f), case_run(&k), case_run(&q);
        case_scale(&k, "y", -1), case_scale(&k, "S1", -1), case_scale(&q, "y", -1);
        for (long e = 0; e < case_size(&f, "y"); e++)
            ck_assert_each(case_arg(&f, "y")[e] == case_arg(&k, "y")[e] && case_arg(&f, "y")[e] == case_arg(&q, "y")[e],
                           "y's sign: %s", where);
        for (long e = 0; e < case_size(&f, "S1"); e++)
            ck_assert_each(case_arg(&f, "S1")[e] == case_arg(&k, "S1")[e], "S1's sign: %s", where);
        op_case_free(&f), op_case_free(&k), op_case_free(&q);
    }
}
END_TEST

/* dg_t = dg_{t+1} + q.dq - k.(D u) - k.(beta S' du), from <dS1,S1> on: with k.dk = k.(D u) - k.(beta S' du) and one
 * head a group, and with erase = 0, where the last is missing, this is dg_t - dg_{t+1} = q.dq - k.dk. */
START_TEST(gates_are_sums)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case c = { .op = op_find("delta_backward"),
                             .dims = { 2, 1 + (int)(seed % 9), 3, 3, 4, 5, seed % 2 ? 1 : 4, 3, 0 },
                             .scalar = { 0.5 } };
        op_draw(&c, seed, OP_GAUSS, 4 | 16 | 32, SWAX_PREC_F64);
        for (int i = 0; i < c.n; i++)
            if (swax_ops[c.op].arg[i].role == ADD)
                case_give(&c, swax_ops[c.op].arg[i].name, NULL);
        op_case_describe(&c, where, 300);
        case_run(&c);
        const int T = c.dims[1], H = 3, K = 4, V = 5, J = c.dims[J_AT];
        for (int bh = 0; bh < 6; bh++)
            for (int j = 0; j < J; j++) {
                double dg = 0, size = 1e-3;
                for (int i = J == 1 ? 0 : j; i < (J == 1 ? K : j + 1); i++)
                    for (int e = 0; e < V; e++)
                        dg += case_arg(&c, "S1")[(bh*K + i)*V + e] * case_arg(&c, "dS1")[(bh*K + i)*V + e];
                for (int t = T - 1; t >= 0; t--) {
                    const long row = ((long)(bh / H)*T + t)*H + bh % H;
                    for (int i = J == 1 ? 0 : j; i < (J == 1 ? K : j + 1); i++) {
                        const double qdq = case_arg(&c, "q")[row*K + i] * case_arg(&c, "dq")[row*K + i];
                        const double kdk = case_arg(&c, "k")[row*K + i] * case_arg(&c, "dk")[row*K + i];
                        dg += qdq - kdk;
                        size += fabs(qdq) + fabs(kdk) + fabs(dg);
                    }
                    near(case_arg(&c, "dg")[row*J + j], dg, size, "dg as a sum");
                }
            }
        op_case_free(&c);
    }
}
END_TEST

/* erase = 0 and one gate is the cell with gates as logarithms, in another implementation: i = log beta, scale
 * 1/sqrt(K). */
START_TEST(without_erasing_it_is_the_cell)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        const int T = 1 + (int)(seed % 11), H = 2, K = 3, V = 4, given = seed % 2 ? 4 | 8 | 16 | 32 : 8;
        struct op_case d = { .op = op_find("delta_backward"), .dims = { 2, T, H, H, K, V, 1, 1 + T/2, 0 },
                             .scalar = { 1 / sqrt(K) } }, df, m, mf;
        op_draw(&d, seed, OP_GAUSS, (unsigned)given, SWAX_PREC_F64);
        for (int i = 0; i < d.n; i++)
            if (swax_ops[d.op].arg[i].role == ADD && d.arg[i])
                case_give(&d, swax_ops[d.op].arg[i].name, NULL);
        op_case_describe(&d, where, 300);
        case_like(&df, "delta_forward", &d);
        case_run(&df), case_run(&d);

        m = (struct op_case){ .op = op_find("mlstm_backward"), .dims = { 2, T, H, K, V, 1 + T/2, 3 } };
        op_case_alloc(&m, (unsigned)given);
        static const char *const alike[][2] = {
            { "q", "q" },   { "k", "k" },         { "v", "v" },   { "f", "g" },
            { "dh", "dy" }, { "start", "start" }, { "C0", "S0" }, { "dC1", "dS1" }
        };
        for (int i = 0; i < 8; i++)
            if (case_arg(&d, alike[i][1]))
                case_give(&m, alike[i][0], case_arg(&d, alike[i][1]));
        for (long e = 0; e < case_size(&m, "i"); e++)
            case_arg(&m, "i")[e] = log(case_arg(&d, "beta")[e]);
        case_refresh(&m);
        case_like(&mf, "mlstm_forward", &m);
        case_run(&mf), case_run(&m);
        static const char *const answers[][2] = {
            { "dq", "dq" }, { "dk", "dk" }, { "dv", "dv" }, { "df", "dg" }, { "dC0", "dS0" }
        };
        for (int i = 0; i < 5; i++)
            for (long e = 0; e < case_size(&d, answers[i][1]) && case_arg(&d, answers[i][1]); e++)
                near(case_arg(&m, answers[i][0])[e], case_arg(&d, answers[i][1])[e],
                     fmax(1, largest(case_arg(&d, answers[i][1]), case_size(&d, answers[i][1]))), answers[i][1]);
        for (long e = 0; e < case_size(&df, "y"); e++)
            near(case_arg(&mf, "h")[e], case_arg(&df, "y")[e],
                 fmax(1, largest(case_arg(&df, "y"), case_size(&df, "y"))), "y");
        for (long e = 0; e < case_size(&m, "di"); e++)
            near(case_arg(&m, "di")[e], case_arg(&d, "beta")[e] * case_arg(&d, "dbeta")[e],
                 fmax(1, largest(case_arg(&m, "di"), case_size(&m, "di"))), "di");
        op_case_free(&d), op_case_free(&df), op_case_free(&m), op_case_free(&mf);
    }
}
END_TEST

/* Two Householder steps a token (DeltaProduct) are two tokens: the gate at the first, the query at the second. */
START_TEST(two_steps_are_two_tokens)
{
    enum { K = 3, V = 2, STEPS = 6 };
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct op_case f = { .op = op_find("delta_forward"), .dims = { 1, STEPS, 1, 1, K, V, 1, 4, 1 },
                             .scalar = { 1 } };
        double S[K][V], next[K][V];
        op_draw(&f, seed, OP_GAUSS, 4, SWAX_PREC_F64);
        op_case_describe(&f, where, 300);
        for (int t = 1; t < STEPS; t += 2)
            case_arg(&f, "g")[t] = 0;
        memcpy(S, case_arg(&f, "S0"), sizeof S);
        case_run(&f);
        for (int t = 0; t < STEPS; t += 2) {
            const double *k = case_arg(&f, "k") + t*K, *v = case_arg(&f, "v") + t*V, *beta = case_arg(&f, "beta") + t;
            for (int n = 0; n < 2; n++, k += K, v += V, beta++) {
                for (int i = 0; i < K; i++)
                    for (int e = 0; e < V; e++) {
                        next[i][e] = *beta * k[i] * v[e];
                        for (int c = 0; c < K; c++)    /* (I - beta k k^T) exp(g) S */
                            next[i][e] +=
                                ((i == c) - *beta * k[i] * k[c]) * (n ? 1 : exp(case_arg(&f, "g")[t])) * S[c][e];
                    }
                memcpy(S, next, sizeof S);
            }
            for (int e = 0; e < V; e++) {
                double y = 0;
                for (int i = 0; i < K; i++)
                    y += case_arg(&f, "q")[(t + 1)*K + i] * S[i][e];
                near(case_arg(&f, "y")[(t + 1)*V + e], y, 1, "y of two steps");
            }
        }
        op_case_free(&f);
    }
}
END_TEST

/* A convolution of one tap is silu(w x + b); decay and strength stay in their ranges, and keep their digits far out. */
START_TEST(the_pieces_around_it)
{
    struct op_case c = { .op = op_find("conv_forward"), .dims = { 2, 7, 9, 5, 1 } };
    op_draw(&c, 5, OP_GAUSS, 2, SWAX_PREC_F64);
    op_case_describe(&c, where, 300);
    case_run(&c);
    for (long e = 0; e < case_size(&c, "y"); e++) {
        const long at = (e / 5 / 7 * 9 + 2 + e / 5 % 7) * 5 + e % 5;
        const double a = case_arg(&c, "b")[e % 5] + case_arg(&c, "w")[e % 5] * case_arg(&c, "x")[at];
        near(case_arg(&c, "y")[e], a / (1 + exp(-a)), 1, "one tap");
    }
    op_case_free(&c);

    c = (struct op_case){ .op = op_find("decay_forward"), .dims = { 5, 1, 1 } };
    op_case_alloc(&c, 0);
    const double far[] = { -300, -20, 0, 90, 800 };
    memcpy(case_arg(&c, "a"), far, sizeof far);
    case_run(&c);
    const double right[] = { -exp(-300), -exp(-20) * (1 - exp(-20) / 2), -log(2), -90, -800 };
    for (int i = 0; i < 5; i++)
        near(case_arg(&c, "g")[i], right[i], fabs(right[i]), "softplus");
    c.scalar[0] = -5;
    case_run(&c);
    for (int i = 0; i < 5; i++)
        ck_assert(case_arg(&c, "g")[i] <= 0 && case_arg(&c, "g")[i] >= -5);
    op_case_free(&c);
}
END_TEST

void delta_identities(TCase *tc, char *text, double *error)
{
    where = text;
    worst = error;
    tcase_add_test(tc, strengths_of_none_and_one);
    tcase_add_test(tc, orthonormal_keys_are_all_kept);
    tcase_add_test(tc, reflections_keep_norms);
    tcase_add_test(tc, equal_gates_are_one);
    tcase_add_test(tc, linear_in_values_and_queries);
    tcase_add_test(tc, keys_values_and_strength_are_one_scale);
    tcase_add_test(tc, channels_may_be_turned);
    tcase_add_test(tc, signs);
    tcase_add_test(tc, gates_are_sums);
    tcase_add_test(tc, without_erasing_it_is_the_cell);
    tcase_add_test(tc, two_steps_are_two_tokens);
    tcase_add_test(tc, the_pieces_around_it);
}
