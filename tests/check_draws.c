/* check_draws.c - a seed means the same problem in every version, and the judge the same bounds: for each kernel and
 * family, the sizes, the constants, what is given, two sums over each array, and how far an honest kernel may be from
 * the truth.
 *
 * Where a draw or the rule is meant to change, GOLDEN=write build/check_draws keeps the new ones: look at the diff. */
#include <check.h>
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ref/oracle/faults/faults.h"
#include "ref/oracle/oracle.h"
#include "tests/golden.h"
#include "tests/suite.h"

enum { SEEDS = 3 };
static const int max_dim[SEEDS] = {6, 17, 40};

/* Sums that notice a changed element, a changed sign and a changed order; what is not finite is counted. */
static void tell_array(FILE *f, const struct op_arg *arg, const double *x, long n)
{
    double plain = 0, placed = 0;
    long other = 0;
    for (long e = 0; e < n; e++) {
        if (!isfinite(x[e])) {
            other++;
            continue;
        }
        const double small = x[e] / (1 + fabs(x[e])) + 1e3 * fmin(fabs(x[e]), 1e-3);        /* of any size, it counts */
        plain += fabs(small);
        placed += small * (double)(e % 97 + 1) / 97;
    }
    fprintf(f, " %s:%ld/%ld %.9g %.9g", arg->name, n, other, plain, placed);
}

static void tell(FILE *f, FILE *b, int op, enum op_family family, int seed)
{
    const struct op_spec *spec = &swax_ops[op];
    struct op_case c, truth;
    struct op_verdict v;
    op_case_make(&c, op, (uint64_t)seed * 77 + 5, family, max_dim[seed], seed == 1 ? SWAX_PREC_BF16 : SWAX_PREC_F32);
    char words[OP_SENTENCE];
    fprintf(f, "%s %s %d:%s", op_case_describe(&c, words, sizeof words), op_family_name[family], seed,
            spec->exact ? " exact" : "");
    for (int i = 0; i < op_scalars(spec); i++)
        fprintf(f, " %.9g", c.scalar[i]);
    for (int i = 0; i < c.n; i++)
        if (c.arg[i])
            tell_array(f, &spec->arg[i], c.arg[i], c.size[i]);
    memset(&v, 0, sizeof v);
    op_truth(&truth, &v, seed == 1 ? SWAX_PREC_BF16 : SWAX_PREC_F32, &c);
    fprintf(f, " bytes %.0f %.0f %.0f\n", op_case_bytes(&c, SWAX_PREC_F32), op_case_bytes(&c, SWAX_PREC_F64),
            op_case_bytes(&c, SWAX_PREC_BF16));
    fprintf(b, "%s %s %d:", words, op_family_name[family], seed);
    for (int i = 0; i < c.n; i++)
        if (spec->arg[i].role != IN && c.arg[i])
            fprintf(b, " %s %.4g %.4g %.4g", spec->arg[i].name, v.bound[i], v.rms_bound[i], v.bias_bound[i]);
    fputc('\n', b);
    op_case_free(&truth);
    op_case_free(&c);
}

START_TEST(a_seed_is_the_same_problem_as_ever)
{
    char *now = NULL, *bounds = NULL;
    size_t n, m;
    FILE *f = open_memstream(&now, &n), *b = open_memstream(&bounds, &m);
    for (int op = 0; op < swax_n_ops; op++)
        for (int family = 0; family < OP_FAMILIES; family++)
            if (family == OP_GAUSS || op_family_fits(op, (enum op_family)family))
                for (int seed = 0; seed < SEEDS; seed++)
                    tell(f, b, op, (enum op_family)family, seed);
    fclose(f), fclose(b);
    golden_has("draws.txt", now, 1e-7);
    golden_has("bounds.txt", bounds, 2e-3);
    free(now), free(bounds);
}
END_TEST

/* The sizes and constants of many seeds, which cost nothing without arrays: every value that a list of them holds is
 * drawn. */
START_TEST(sizes_and_constants_of_many_seeds_are_the_same_as_ever)
{
    enum { MANY = 400 };
    char *now = NULL, name[OP_WORD];
    size_t n;
    FILE *f = open_memstream(&now, &n);
    for (int op = 0; op < swax_n_ops; op++) {
        const struct op_spec *spec = &swax_ops[op];
        double size[OP_DIMS] = {0}, scalar[OP_SCALARS] = {0};
        for (int seed = 0; seed < MANY; seed++) {
            struct op_case c;
            op_draw_dims(&c, op, (uint64_t)seed, 2 + seed / 4);
            op_draw_scalars(&c, (uint64_t)seed);
            for (int i = 0; spec->dims[i]; i++)
                size[i] += (double)c.dims[i] * (seed % 89 + 1);
            for (int i = 0; i < op_scalars(spec); i++)
                scalar[i] += c.scalar[i] * (seed % 89 + 1);
        }
        fprintf(f, "%s: kind %d,%s", spec->name, spec->kind, spec->exact ? " exact," : "");
        for (int i = 0; i < op_args(spec); i++)
            fprintf(f, " %s(%s) %d.%d.%d", spec->arg[i].name, spec->arg[i].shape, spec->arg[i].role, spec->arg[i].type,
                    spec->arg[i].optional);
        struct op_case c;
        op_draw_dims(&c, op, 3, 9);
        op_case_alloc(&c, ~0u);
        fprintf(f, ", bytes %.0f %.0f %.0f,", op_case_bytes(&c, SWAX_PREC_F32), op_case_bytes(&c, SWAX_PREC_F64),
                op_case_bytes(&c, SWAX_PREC_BF16));
        op_case_free(&c);
        for (int i = 0; spec->dims[i]; i++) {
            const struct op_range r = op_range((char[2]){spec->dims[i], 0});
            fprintf(f, " %c %.0f of [%.0f, %.0f],", spec->dims[i], size[i], r.least, r.most);
        }
        for (int i = 0; i < op_scalars(spec); i++) {
            const struct op_range r = op_range(op_scalar_name(spec, i, name));
            fprintf(f, " %s %.12g of [%.9g, %.9g],", name, scalar[i], r.least, r.most);
        }
        fputc('\n', f);
    }
    fclose(f);
    golden_has("sizes.txt", now, 1e-10);
    free(now);
}
END_TEST

/* Where sizes are large the work of a case is held to a sum: from 150 on it grows no more. */
START_TEST(large_sizes_are_the_same_as_ever)
{
    char *now = NULL;
    size_t n;
    FILE *f = open_memstream(&now, &n);
    for (int op = 0; op < swax_n_ops; op++) {
        double size[OP_DIMS] = {0};
        for (int k = 0; k < 300; k++) {
            struct op_case c;
            op_draw_dims(&c, op, (uint64_t)(1000 + k), 145 + k);
            for (int i = 0; swax_ops[op].dims[i]; i++)
                size[i] += (double)c.dims[i] * (k % 89 + 1);
        }
        fprintf(f, "%s:", swax_ops[op].name);
        for (int i = 0; swax_ops[op].dims[i]; i++)
            fprintf(f, " %c %.0f", swax_ops[op].dims[i], size[i]);
        fputc('\n', f);
    }
    fclose(f);
    golden_has("sizes_large.txt", now, 1e-12);
    free(now);
}
END_TEST

/* ---- by what errors are measured */

START_TEST(errors_are_relative_to_what_there_is)
{
    static const double zero[4] = {0}, truth[4] = {3, -4, 0, 0}, off[4] = {3, -4, 0.5, 0},
                        inf[4] = {3, -4, HUGE_VAL, 0}, nan[4] = {3, -4, NAN, 0};
    ck_assert_double_eq(op_error(off, truth, 4), 0.125);                         /* 0.5 of 4 */
    ck_assert_double_eq_tol(op_error_rms(off, truth, 4), 0.1, 1e-15);            /* 0.5 of 5, each over sqrt 4 */
    /* of nothing, as it is */
    ck_assert_double_eq(op_error(off, zero, 4), 4);
    ck_assert_double_eq_tol(op_error_rms(off, zero, 4), sqrt(25.25 / 4), 1e-15);
    ck_assert_double_eq(op_error(zero, zero, 4), 0);
    ck_assert_double_eq(op_error_rms(zero, zero, 4), 0);
    /* where the truth is finite, what is not is infinitely wrong; where it is not, so is what is */
    ck_assert(isinf(op_error(inf, truth, 4)) && isinf(op_error(nan, truth, 4)) && isinf(op_error(truth, inf, 4)) &&
              isinf(op_error(truth, nan, 4)));
    ck_assert(isinf(op_error(nan, inf, 4)) && isinf(op_error(inf, nan, 4)));
    ck_assert(op_error(inf, inf, 4) == 0 && op_error(nan, nan, 4) == 0 && op_error_rms(inf, inf, 4) == 0);
    /* a tenth too large as a whole, with and without what stood there before */
    static const double larger[4] = {3.3, -4.4, 0, 0}, before[4] = {1, 1, 1, 1}, after[4] = {4, -3, 1, 1},
                        more[4] = {4.3, -3.4, 1, 1};
    ck_assert_double_eq_tol(op_bias(larger, truth, NULL, 4), 0.1, 1e-15);
    ck_assert_double_eq_tol(op_bias(more, after, before, 4), 0.1, 1e-15);
    ck_assert_double_eq(op_bias(off, truth, NULL, 4), 0);
    ck_assert_double_eq(op_bias(off, zero, NULL, 4), 0);
}
END_TEST

/* One number a bit too far off, all of them a bit, or all in one direction: each measure sees what the others miss. */
START_TEST(every_measure_refuses_by_itself)
{
    static const struct { const char *what; double one, all, factor; int good; } of[] = {
        {"nothing", 0, 0, 1, 1}, {"one number", 1.1e-3, 0, 1, 0}, {"one number, less", 0.9e-3, 0, 1, 1},
        {"every number", 0, 2.2e-4, 1, 0}, {"every number, less", 0, 1.8e-4, 1, 1}, {"a factor", 0, 0, 1 + 3e-5, 0},
        {"a factor, less", 0, 0, 1 + 1e-5, 1}, {"a number that is none", NAN, 0, 1, 0}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        struct op_case c, truth, got;
        struct op_verdict v;
        memset(&v, 0, sizeof v);
        op_case_make(&c, op_find("add_forward"), 3, OP_GAUSS, 4, SWAX_PREC_F64);
        op_case_free(&c);
        c.dims[0] = 1000;
        op_draw(&c, 3, OP_GAUSS, 0, SWAX_PREC_F64);
        op_case_copy(&truth, &c);
        ck_assert(!op_run(swax_tiers[0], SWAX_PREC_F64, &truth));
        op_case_copy(&got, &truth);
        double unit = 0, square = 0;
        for (int e = 0; e < 1000; e++) {
            unit = fmax(unit, fabs(truth.arg[0][e]));
            square += truth.arg[0][e] * truth.arg[0][e] / 1000;
        }
        for (int e = 0; e < 1000; e++)
            got.arg[0][e] = of[k].factor * truth.arg[0][e] + (e % 2 ? 1 : -1) * of[k].all * sqrt(square) +
                            (e == 500 ? of[k].one * unit : 0);
        v.bound[0] = 1e-3, v.rms_bound[0] = 2e-4, v.bias_bound[0] = 2e-5;
        ck_assert_msg((op_compare(&v, &got, &truth, &c) < 0) == of[k].good,
                      "%s: off by %.3g of 1e-3, by RMS %.3g of 2e-4, as a whole %.3g of 2e-5", of[k].what, v.error[0],
                      v.rms[0], v.bias[0]);
        op_case_free(&c), op_case_free(&truth), op_case_free(&got);
    }
}
END_TEST

/* The tier of known faults that takes attention's operands in bf16, as tensor cores do: a coarse one, and honest in
 * bf16. */
static struct swax_tier with_rounded_operands(void)
{
    struct swax_tier tier;
    const struct fault *of;
    for (int k = 0; (of = fault_f32(k, &tier)) != NULL; k++)
        if (!strcmp(of->op, "attention") && !strcmp(of->name, "bf16_operands"))
            return tier;
    ck_abort_msg("no fault of attention rounds its operands");
    return tier;
}

/* Where all keys are alike, all weights are one number, and rounded to bf16 alike: y or dv is as much too large in
 * every element, and honest.  As much again as is allowed is not. */
START_TEST(weights_that_are_rounded_alike_are_no_bias)
{
    static const struct { const char *op, *arg; int seed, largest; } of[] = {
        { "attention_backward", "dv", 3, 200 }, { "attention_forward", "y", 1009, 33 } };
    const struct swax_tier tier = with_rounded_operands();
    const int op = op_find(of[_i].op), i = op_arg_find(&swax_ops[op], of[_i].arg);
    struct op_case c, truth, got;
    struct op_verdict v;
    op_case_make(&c, op, (uint64_t)of[_i].seed, OP_EQUAL, of[_i].largest, SWAX_PREC_BF16);
    op_truth(&truth, &v, SWAX_PREC_BF16, &c);
    op_case_copy(&got, &c);
    ck_assert(!op_run(&tier, SWAX_PREC_F32, &got));
    op_case_round(&got, SWAX_PREC_BF16);
    ck_assert_msg(op_compare(&v, &got, &truth, &c) == -1, "%s is off by %.3g in one direction, where %.3g is allowed",
                  of[_i].arg, v.bias[i], v.bias_bound[i]);
    ck_assert_msg(v.bias_bound[i] > 2e-3 && v.bias_bound[i] < 6e-3, "%s may be off by %.3g in one direction, where "
                  "rounded weights leave 0.001 to 0.003", of[_i].arg, v.bias_bound[i]);
    for (long e = 0; e < got.size[i]; e++)
        got.arg[i][e] = truth.arg[i][e] + 1.1 * v.bias_bound[i] * (truth.arg[i][e] - c.arg[i][e]);
    ck_assert_msg(op_compare(&v, &got, &truth, &c) == i, "%s may be off by %.3g in one direction", of[_i].arg,
                  v.bias[i]);
    op_case_free(&c), op_case_free(&truth), op_case_free(&got);
}
END_TEST

/* A kernel that takes its operands in bf16 has no more bias than half of what is allowed, of any numbers and sizes,
 * also where another tier tells the truth. */
START_TEST(rounded_operands_are_known_to_the_bound)
{
    static const char *const ops[] = {"attention_forward", "attention_backward"};
    const struct swax_tier tier = with_rounded_operands(), *by = swax_tiers[0];
    for (int k = 0; k < swax_n_tiers; k++) {
        const struct swax_tier *t = swax_tiers[k];
        const int tells = op_offers(t, SWAX_PREC_F64) && op_present(t, SWAX_PREC_F64, op_find(ops[0])) &&
                          op_present(t, SWAX_PREC_F64, op_find(ops[1]));
        by = tells && t->usable() && !t->memory ? t : by;
    }
    int asked = 0;
    for (int family = 0; family < OP_FAMILIES; family++)
        for (uint64_t seed = 1; seed <= (family == OP_EQUAL || family == OP_ONEHOT ? 240 : 12); seed++) {
            const int op = op_find(ops[seed % 2]);
            struct op_case c, truth, got;
            struct op_verdict v;
            if (!op_family_fits(op, (enum op_family)family))
                continue;
            op_case_make(&c, op, seed, (enum op_family)family, 16, SWAX_PREC_BF16);
            c.by = seed % 3 ? c.by : by;
            op_truth(&truth, &v, SWAX_PREC_BF16, &c);
            op_case_copy(&got, &c);
            ck_assert(!op_run(&tier, SWAX_PREC_F32, &got));
            for (int i = 0; i < c.n; i++) {
                const double *before = swax_ops[op].arg[i].role == ADD ? c.arg[i] : NULL;
                if (!op_answers(&swax_ops[op].arg[i]) || !c.arg[i] || v.bias_bound[i] <= 0)
                    continue;
                const double bias = fabs(op_bias(got.arg[i], truth.arg[i], before, c.size[i]));
                ck_assert_each(2 * bias <= 1.001 * v.bias_bound[i],
                               "%s of %s, seed %d: off by %.3g, and %.3g is allowed", swax_ops[op].arg[i].name,
                               op_family_name[family], (int)seed, bias, v.bias_bound[i]);
                asked++;
            }
            op_case_free(&c), op_case_free(&truth), op_case_free(&got);
        }
    ck_assert_msg(asked > 100, "%d tensors", asked);
}
END_TEST

/* Of each kernel each answer alone is wrong by one number: it is the one that is named. */
START_TEST(every_answer_is_compared)
{
    for (int op = 0; op < swax_n_ops; op++) {
        struct op_case c, truth, got;
        struct op_verdict v;
        int answers = 0;
        op_case_make(&c, op, 3, OP_GAUSS, 5, SWAX_PREC_F32);
        memset(&v, 0, sizeof v);
        op_truth(&truth, &v, SWAX_PREC_F32, &c);
        op_case_copy(&got, &truth);
        ck_assert_int_eq(op_compare(&v, &got, &truth, &c), -1);
        for (int i = 0; i < c.n; i++) {
            if (!op_answers(&swax_ops[op].arg[i]) || !c.arg[i])
                continue;
            double *x = &got.arg[i][c.size[i] - 1], was = *x, most = 1;
            for (long e = 0; e < c.size[i]; e++)
                most = fmax(most, fabs(truth.arg[i][e]));
            *x = was + 1e3 * most;
            const int named = op_compare(&v, &got, &truth, &c);
            ck_assert_msg(named == i, "%s: %s is wrong, and %s is named", swax_ops[op].name, swax_ops[op].arg[i].name,
                          named < 0 ? "none" : swax_ops[op].arg[named].name);
            ck_assert(!op_within(&v, i));
            *x = was;
            answers++;
        }
        ck_assert_msg(answers > 0, "%s has no answer", swax_ops[op].name);
        op_case_free(&c), op_case_free(&truth), op_case_free(&got);
    }
}
END_TEST

/* A description fits into any room: it is cut short, and nothing behind the room is written. */
START_TEST(a_description_keeps_to_its_room)
{
    enum { MOST = 400 };
    for (int op = 0; op < swax_n_ops; op++) {
        struct op_case c;
        char whole[MOST + 1], room[MOST + 1];
        op_draw_dims(&c, op, 3, 9);
        op_draw_scalars(&c, 3);
        op_case_alloc(&c, 0);                              /* without what may be left out */
        op_case_describe(&c, whole, sizeof whole);
        ck_assert_msg(strlen(whole) < MOST, "%s", whole);
        for (size_t size = 1; size < strlen(whole) + 3; size++) {
            memset(room, '#', sizeof room);
            op_case_describe(&c, room, size);
            ck_assert_each(strlen(room) == (size - 1 < strlen(whole) ? size - 1 : strlen(whole)) &&
                           !strncmp(room, whole, size - 1) && room[size] == '#',
                           "in a room of %zu letters '%s' is written as '%s'", size, whole, room);
        }
        op_case_free(&c);
    }
}
END_TEST

/* What is said of a size or a constant that cannot be has its name, its value and its bounds. */
START_TEST(what_cannot_be_is_said_with_its_bounds)
{
    for (int op = 0; op < swax_n_ops; op++) {
        const struct op_spec *spec = &swax_ops[op];
        struct op_case c;
        char said[OP_SENTENCE], expected[OP_SENTENCE], name[OP_WORD];
        op_draw_dims(&c, op, 3, 9);
        op_draw_scalars(&c, 3);
        ck_assert_msg(!op_wrong(op, c.dims, c.scalar, said), "%s", said);
        for (int i = 0; spec->dims[i]; i++) {
            const struct op_range r = op_range((char[2]){spec->dims[i], 0});
            const int was = c.dims[i];
            c.dims[i] = (int)r.least - 1;
            ck_assert(op_wrong(op, c.dims, c.scalar, said));
            snprintf(expected, sizeof expected, "%s: %c=%d, and it is a whole number from %.0f to %.0f.", spec->name,
                     spec->dims[i], c.dims[i], r.least, r.most);
            ck_assert_str_eq(said, expected);
            c.dims[i] = was;
        }
        for (int i = 0; i < op_scalars(spec); i++)
            for (int above = 0; above < 2; above++) {
                const struct op_range r = op_range(op_scalar_name(spec, i, name));
                const double was = c.scalar[i];
                c.scalar[i] = above ? r.most + 0.75 + fabs(r.most) : r.least - 0.75 - fabs(r.least);
                if (above ? c.scalar[i] > r.most && isfinite(c.scalar[i]) : c.scalar[i] < r.least) {
                    ck_assert(op_wrong(op, c.dims, c.scalar, said));
                    snprintf(expected, sizeof expected, "%s: %s=%g, and it is a number from %.7g to %.7g.", spec->name,
                             name, c.scalar[i], r.least, r.most);
                    ck_assert_str_eq(said, expected);
                }
                c.scalar[i] = was;
            }
    }
}
END_TEST

/* ---- a call: what it said is forgotten by the next; memory that is not there is told to whoever asked for that */

START_TEST(trouble_is_the_last_calls)
{
    struct op_case c;
    op_case_make(&c, op_find("add_forward"), 1, OP_GAUSS, 6, SWAX_PREC_F32);
    ck_assert(!op_offers(swax_tiers[0], SWAX_PREC_BF16));
    const char *said = op_run(swax_tiers[0], SWAX_PREC_BF16, &c);
    ck_assert_msg(said && strstr(said, "does not exist in this precision"), "%s", said ? said : "it ran");
    ck_assert(!op_run(swax_tiers[0], SWAX_PREC_F32, &c));
    ck_assert_str_eq(c.trouble, "");
    op_case_free(&c);
}
END_TEST

#ifdef __SANITIZE_ADDRESS__
enum { MEMORY_ENDS = 0 };          /* the sanitizer would end the process */
#else
enum { MEMORY_ENDS = 1 };
#endif
static jmp_buf out;
static void gone(void) { longjmp(out, 1); }

START_TEST(memory_that_is_there_is_not_gone)
{
    op_memory_gone(gone);
    double *volatile there = NULL;
    const int first = setjmp(out);
    if (!first) {
        there = op_take(3, sizeof *there);
        ck_assert(there[0] == 0 && there[2] == 0);
        free(op_take(0, sizeof *there));
        if (MEMORY_ENDS)
            free(op_take(SIZE_MAX / 2, 8));
        else
            puts("skipped: memory cannot be made to fail here");
    }
    op_memory_gone(NULL);
    ck_assert_msg(first == MEMORY_ENDS && there, first ? "three numbers have no memory" : "more than there is was had");
    free(there);
}
END_TEST

START_TEST(sizes_have_the_words_of_their_kernel)
{
    static const struct { const char *op; char letter; const char *word; } of[] = {
        {"xent_forward", 'V', "vocabulary"}, {"embed_forward", 'V', "vocabulary"}, {"mlstm_forward", 'V', "value size"},
        {"mlstm_forward", 'K', "key size"}, {"attention_forward", 'W', "window"}, {"adamw", 's', "optimiser step"},
        {"adamw", '?', ""}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        ck_assert_str_eq(op_dim_word(&swax_ops[op_find(of[i].op)], of[i].letter), of[i].word);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("draws");
    TCase *t = tcase_create("draws");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_seed_is_the_same_problem_as_ever);
    tcase_add_test(t, sizes_and_constants_of_many_seeds_are_the_same_as_ever);
    tcase_add_test(t, large_sizes_are_the_same_as_ever);
    tcase_add_test(t, errors_are_relative_to_what_there_is);
    tcase_add_test(t, every_measure_refuses_by_itself);
    tcase_add_loop_test(t, weights_that_are_rounded_alike_are_no_bias, 0, 2);
    tcase_add_test(t, rounded_operands_are_known_to_the_bound);
    tcase_add_test(t, every_answer_is_compared);
    tcase_add_test(t, a_description_keeps_to_its_room);
    tcase_add_test(t, what_cannot_be_is_said_with_its_bounds);
    tcase_add_test(t, trouble_is_the_last_calls);
    tcase_add_test(t, memory_that_is_there_is_not_gone);
    tcase_add_test(t, sizes_have_the_words_of_their_kernel);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
