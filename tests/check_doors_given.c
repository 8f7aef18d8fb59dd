/* check_doors_given.c - the doors that take what is there already (tools/verify/door.h): a problem with its answers,
 * and one tensor of a kernel that nobody here knows. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/half.h"
#include "tests/doors.h"
#include "tests/scratch.h"
#include "tests/suite.h"

static char why[SWAX_WHY];

/* ---- a problem that is the caller's, with its answers */

static struct door_problem given_of(const char *kernel, const int *dims, double scalar)
{
    struct door_problem v;
    memset(&v, 0, sizeof v);
    v.op = kernel;
    memcpy(v.dim, dims, (size_t)strlen(swax_ops[op_find(kernel) < 0 ? 0 : op_find(kernel)].dims) * sizeof *dims);
    v.scalar[0] = scalar;
    return v;
}

static double *add(struct door_problem *v, const char *name, int role, long n)
{
    double *at = (void *)scratch_keep(calloc((size_t)n + 1, sizeof *at));
    uint64_t random = 5 + (uint64_t)v->n;
    for (long e = 0; e < n; e++)
        at[e] = role ? (double)NAN : (double)(float)op_normal(&random);
    v->array[v->n++] = (struct door_array){
        .name = name, .shape = "", .role = role, .rank = 1, .extent = { n }, .at = at, .given = 1
    };
    return at;
}

/* rmsnorm of 6 rows of 5, answered by the reference in float. */
static struct door_problem norm(const char *op)
{
    const int dims[] = {6, 5};
    struct door_problem v = given_of("rmsnorm_forward", dims, 1e-3);
    const int both = !strcmp(op, "rmsnorm");
    add(&v, "x", 0, 30), add(&v, "w", 0, 5);
    if (both)
        add(&v, "dy", 0, 30);
    add(&v, "y", 1, 30), add(&v, "rstd", 1, 6);
    if (both)
        add(&v, "dx", 1, 30), add(&v, "dw", 1, 5);
    shown_answer(swax_tiers[0], SWAX_PREC_F32, &v);
    v.op = op;
    return v;
}

static struct json *judged(const struct door_problem *v, const char *type)
{
    FILE *o = tmpfile();
    ck_assert(o != NULL);
    const char *wrong = door_judge(v, type, fileno(o), why);
    return wrong ? fclose(o), NULL : said_report(o);
}

START_TEST(given_answers_are_judged)
{
    static const char *const ops[] = {"rmsnorm", "rmsnorm_forward"};
    for (int k = 0; k < 2; k++) {
        struct door_problem v = norm(ops[k]);
        struct json *root = judged(&v, "f32");
        ck_assert_msg(root && !strcmp(said_word(root, "verdict"), "good"), "%s", root ? said_text : why);
        ck_assert(said_number(root, "cases") == 1 && said_number(root, "failed") == 0 &&
                  json_get(root, "tensors")->count == 2 + 2 * !k);
        ck_assert_str_eq(said_word(root, "op"), ops[k]);
        ck_assert_str_eq(said_word(root, "dtype"), "f32");
        ck_assert(!json_get(root, "diagnosis")->count);
        ck_assert_str_eq(said_word(root, "suite"), "");
        ck_assert_str_eq(said_word(root, "plan"), k ? "rmsnorm_forward seed=0 dtype=f32" : "rmsnorm seed=0 dtype=f32");
        json_free(root);
        root = judged(&v, "bf16");
        ck_assert_str_eq(said_word(root, "dtype"), "bf16");
        json_free(root);
        shown_array(&v, "y", 1)->at[7] += 0.01;
        root = judged(&v, "f32");
        ck_assert_msg(root && !strcmp(said_word(root, "verdict"), "wrong") && said_number(root, "failed") == 1 &&
                          said_number(root, "cases") == 1,
                      "%s", said_text);
        ck_assert(said_number(said_tensor(root, "y"), "element") == 7 &&
                  said_number(said_tensor(root, "rstd"), "failed") == 0);
        json_free(root);
        root = judged(&v, "bf16");
        ck_assert_msg(root && said_number(said_tensor(root, "y"), "failed") == 0,
                      "0.01 is less than bf16's rounding: %s", root ? said_text : why);
        json_free(root);
    }
}
END_TEST

/* What is not given is not asked. */
START_TEST(what_is_not_given_is_not_judged)
{
    struct door_problem v = norm("rmsnorm");
    shown_array(&v, "dx", 1)->given = 0;
    shown_array(&v, "rstd", 1)->given = 0;
    struct json *root = judged(&v, "f32");
    ck_assert(root && json_get(root, "tensors")->count == 2 && said_tensor(root, "y") && said_tensor(root, "dw"));
    json_free(root);
    const char *const all[] = {"y", "rstd", "dx", "dw"};
    for (int k = 0; k < 4; k++)
        shown_array(&v, all[k], 1)->given = 0;
    root = judged(&v, "f32");
    ck_assert_msg(!root && !strcmp(why, "rmsnorm: none of its outputs is among what is given."), "%s",
                  root ? said_text : why);
    const int dims[] = {2, 3, 4, 2, 1, 4, 2};      /* BTSHGDW: a sink, and its gradient, or neither */
    for (int k = 0; k < 3; k++) {
        struct door_problem a = given_of("attention_forward", dims, 0);
        add(&a, "q", 0, 2 * 3 * 2 * 4), add(&a, "k", 0, 2 * 4 * 4), add(&a, "v", 0, 2 * 4 * 4);
        add(&a, "dy", 0, 2 * 3 * 2 * 4);
        if (k == 1)
            add(&a, "sink", 0, 2);
        add(&a, "y", 1, 2 * 3 * 2 * 4), add(&a, "dq", 1, 2 * 3 * 2 * 4);
        if (k == 1)
            add(&a, "dsink", 1, 2);
        shown_answer(swax_tiers[0], SWAX_PREC_F32, &a);
        if (k == 2)
            add(&a, "dsink", 1, 2);
        a.op = "attention";
        root = judged(&a, "f32");
        ck_assert_msg(root && !strcmp(said_word(root, "verdict"), "good"), "%d: %s", k, root ? said_text : why);
        ck_assert((said_tensor(root, "dsink") != NULL) == (k == 1) && said_tensor(root, "dq") &&
                  said_tensor(root, "y"));
        json_free(root);
    }
}
END_TEST

/* A backward alone does not read its bias: that there is one says that its gradient is asked. */
START_TEST(a_gradient_is_of_what_is_given)
{
    for (int k = 0; k < 2; k++) {
        const int dims[] = {4, 3, 2};
        struct door_problem v = given_of("linear_backward", dims, 0);
        add(&v, "dy", 0, 12), add(&v, "x", 0, 8), add(&v, "w", 0, 6);
        add(&v, "dw", 1, 6), add(&v, "db", 1, 3);
        shown_answer(swax_tiers[0], SWAX_PREC_F32, &v);
        if (k)
            add(&v, "b", 0, 3);
        struct json *root = judged(&v, "f32");
        ck_assert_msg(root && !strcmp(said_word(root, "verdict"), "good"), "%s", root ? said_text : why);
        ck_assert((said_tensor(root, "db") != NULL) == k && said_tensor(root, "dw") && !said_tensor(root, "dx"));
        json_free(root);
    }
}
END_TEST

/* What a forward saves is judged with the rest, though a caller need not have it. */
START_TEST(what_a_forward_saves_is_judged)
{
    static const int dims[] = {1, 4, 1, 1, 2, 3, 1, 2, 0};      /* BTHGKVJLe */
    struct door_problem v = given_of("delta_forward", dims, 0.5);
    struct op_case c = {.op = op_find("delta_forward")};
    memcpy(c.dims, dims, sizeof dims);
    op_case_alloc(&c, 1u << 1);
    for (int i = 0; i < c.n; i++)
        if (c.arg[i])
            add(&v, swax_ops[c.op].arg[i].name, swax_ops[c.op].arg[i].role == OUT, c.size[i]);
    op_case_free(&c);
    shown_answer(swax_tiers[0], SWAX_PREC_F32, &v);
    for (int wrong = 0; wrong < 2; wrong++) {
        shown_array(&v, "Ss", 1)->at[1] += 0.5 * wrong;
        struct json *root = judged(&v, "f32");
        ck_assert_msg(root && json_get(root, "tensors")->count == 4 && said_tensor(root, "Ss"), "%s",
                      root ? said_text : why);
        ck_assert_int_eq(said_number(said_tensor(root, "Ss"), "failed"), wrong);
        ck_assert_int_eq(said_number(said_tensor(root, "y"), "failed"), 0);
        json_free(root);
    }
}
END_TEST

START_TEST(what_cannot_be_judged_is_said)
{
    struct door_problem v = norm("rmsnorm");
    static const struct { const char *name; int answer, given, add; const char *says; } of[] = {
        {"x", 0, 0, 0, "rmsnorm needs its input x."},
        {"dy", 0, 0, 0, "rmsnorm needs its input dy."},
        {"w", 0, 1, 1, "rmsnorm: w has 6 elements, and its sizes ask for 5."},
        {"dy", 0, 1, -1, "rmsnorm: dy has 29 elements, and its sizes ask for 30."},
        {"dx", 1, 1, -2, "rmsnorm: dx has 28 elements, and its sizes ask for 30."},
        {"y", 1, 1, 1, "rmsnorm: y has 31 elements, and its sizes ask for 30."},
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        struct door_problem u = v;
        shown_array(&u, of[k].name, of[k].answer)->given = of[k].given;
        shown_array(&u, of[k].name, of[k].answer)->extent[0] += of[k].add;
        struct json *root = judged(&u, "f32");
        ck_assert_msg(!root && !strcmp(why, of[k].says), "\"%s\", not \"%s\"", root ? said_text : why, of[k].says);
    }
    struct door_problem u = v;
    u.op = "rmsnrm";
    ck_assert(!judged(&u, "f32") && strstr(why, "did you mean rmsnorm?"));
    u.op = "rmsnorm";
    u.dim[0] = 0;
    ck_assert_msg(!judged(&u, "f32") && is_sentence(why) && strstr(why, "N"), "%s", why);
    u = v;
    u.array[0].rank = 2, u.array[0].extent[0] = 6, u.array[0].extent[1] = 5;      /* axes are counted together */
    struct json *root = judged(&u, "f32");
    ck_assert_msg(root != NULL, "%s", why);
    json_free(root);
    ck_assert(door_judge(&v, "f32", -1, why) && !strcmp(why, "The report could not be written."));
}
END_TEST

/* What is wrong in it is named: in the forward alone, or in the forward with the backward that is its derivative. */
START_TEST(a_cause_is_named)
{
    struct swax_tier tier;
    const struct fault *f = NULL;
    for (int i = 0; (f = fault_f64(i, &tier)) && (strcmp(f->op, "rmsnorm") || strcmp(f->name, "one_plus_weight")); i++)
        ;
    ck_assert(f != NULL);
    struct door_problem v = norm("rmsnorm");
    v.op = "rmsnorm_forward";
    shown_answer(&tier, SWAX_PREC_F64, &v);
    v.op = "rmsnorm";
    struct json *root = judged(&v, "f32");
    ck_assert(root && !strcmp(said_word(root, "verdict"), "wrong"));
    const struct json *cause = json_get(root, "diagnosis")->first;
    ck_assert_msg(cause && !strcmp(said_word(cause, "name"), "one_plus_weight") &&
                      said_number(cause, "explains") > 0.99,
                  "%s", said_text);
    json_free(root);
}
END_TEST

/* ---- one tensor */

enum { N = 12 };
static const double truth[N] = {1, -2, 3, 0.5, -0.25, 4, 1.5, -3, 0, 2.5, 1e-3, -1};

static struct door_tensor tensor_of(int type, int gradient, int statistic, struct op_distance *plain,
                                    struct op_distance *nudged)
{
    struct door_tensor t = { .n = N,
                             .gradient = gradient,
                             .dtype = type,
                             .statistic = statistic,
                             .truth = truth,
                             .axes = 2,
                             .axis = { { "R", "rows", 3, 0 }, { "C", "columns", 4, 0 } } };
    double x[N];
    *plain = *nudged = (struct op_distance){0, 0, 0};
    for (int k = 0; k < 4; k++) {      /* one in float, two of moved inputs, one of inputs that are moved one way */
        for (int e = 0; e < N; e++)
            x[e] = truth[e] * (1 + (e % 2 && k < 3 ? -1 : 1) * (k ? 2e-7 * k : 1e-7));
        door_honest(&t, x, k < 2 ? k : k - 1);
        const double bias = nudged->bias;
        op_distance_add(k ? nudged : plain, x, truth, NULL, N);
        nudged->bias = k == 3 ? bias : nudged->bias;
    }
    return t;
}

static int same_distance(struct op_distance a, struct op_distance b)
{
    return a.most == b.most && a.rms == b.rms && a.bias == b.bias;
}

START_TEST(a_tensor_has_the_rule_of_the_judge)
{
    for (int type = 0; type < DTYPES; type++)
        for (int k = 0; k < 4; k++) {
            struct op_distance plain, nudged, error = {0, 0, 0};
            const int gradient = k % 2, statistic = k / 2;
            struct door_tensor t = tensor_of(type, gradient, statistic, &plain, &nudged);
            const struct op_arg a = {.name = "", .role = gradient ? ADD : OUT, .type = statistic ? STAT : REAL};
            struct op_distance bound =
                op_bounds(&plain, &nudged, &a, N, dtype_precision((enum dtype)type), truth, NULL, N);
            const struct op_distance zero = { 0, 0, 0 },
                                     least = op_bounds(&plain, &zero, &a, N, SWAX_PREC_F32, truth, NULL, N);
            double got[N];
            if (type == DT_F16) {
                struct op_distance away = {0, 0, 0};
                memcpy(got, truth, sizeof got);
                door_round(got, N, DT_F16, statistic);
                op_distance_add(&away, got, truth, NULL, N);
                bound = (struct op_distance){ fmax(fmax(bound.most / 8, least.most), 2 * away.most),
                                              fmax(fmax(bound.rms / 8, least.rms), 2 * away.rms),
                                              fmax(bound.bias / 8, 2 * away.bias) };
            }
            ck_assert(same_distance(t.plain, plain) && same_distance(t.nudged, nudged) && nudged.bias > 0 &&
                      plain.bias > 0);
            memcpy(got, truth, sizeof got);
            got[6] += 4 * 0.5 * bound.most;
            t.got = got;
            t.error = (struct op_distance){9, 9, 9};      /* of an earlier answer */
            door_tensor_judge(&t);
            op_distance_add(&error, got, truth, NULL, N);
            ck_assert(same_distance(t.bound, bound) && same_distance(t.error, error) && t.asked && t.worst == 6);
            ck_assert_int_eq(t.within, error.most <= bound.most && error.rms <= bound.rms &&
                                           (bound.bias <= 0 || error.bias <= bound.bias));
            ck_assert((t.looks[0] == 0) == t.within);
            got[6] = truth[6] + 4 * 1.01 * bound.most;
            door_tensor_judge(&t);
            ck_assert(!t.within && t.looks[0] == t.looks[0] && t.worst == 6);
            got[6] = NAN;
            door_tensor_judge(&t);
            ck_assert(!t.within && t.worst == 6 && strstr(t.looks, "not finite"));
            memcpy(got, truth, sizeof got);
            door_tensor_judge(&t);
            ck_assert(t.within && !t.looks[0] && t.ulp == 0 && t.worst == 0 && t.error.most == 0);
        }
}
END_TEST

/* Below 6e-5 f16 has fewer digits: the right numbers in f16 are within, and those two further are not. */
START_TEST(small_numbers_have_what_f16_leaves_them)
{
    double small[N], got[N];
    for (int e = 0; e < N; e++)
        small[e] = got[e] = 1e-6 * truth[e] + 3e-8;
    door_round(got, N, DT_F16, 0);
    struct door_tensor t = {.n = N, .dtype = DT_F16, .truth = small, .got = got};
    door_tensor_judge(&t);
    ck_assert_msg(t.within && t.error.most > 1e-3, "%g, of %g", t.error.most, t.bound.most);
    for (int e = 0; e < N; e++)
        got[e] += e % 2 ? 0x1p-23 : -0x1p-23;
    door_tensor_judge(&t);
    ck_assert(!t.within);
    /* what rounding the truth errs, twice */
    double few[50], rounded[50];
    for (int e = 0; e < 50; e++)
        few[e] = 3e-7 * (1 + e % 7 + 0.037 * e), rounded[e] = half_to_double(half_from_double(few[e]));
    struct op_distance away = {0, 0, 0};
    struct door_tensor tiny = {.n = 50, .dtype = DT_F16, .truth = few, .got = few};
    op_distance_add(&away, rounded, few, NULL, 50);
    door_tensor_judge(&tiny);
    ck_assert_msg(tiny.bound.most == 2 * away.most && tiny.bound.rms == 2 * away.rms &&
                      tiny.bound.bias == 2 * away.bias, "%g, %g, %g, not twice %g, %g, %g", tiny.bound.most,
                  tiny.bound.rms, tiny.bound.bias, away.most, away.rms, away.bias);
}
END_TEST

/* What a gradient that is 0 is a difference of, nobody knows: it is to be a number.  An output that is 0 is to be 0,
 * and so is a part of a gradient. */
START_TEST(a_gradient_that_vanishes_is_not_asked)
{
    static const double zeros[3] = {0, -0.0, 0}, some[3] = {0, 1, 0}, left[3] = {2e-5, 0, -1e-5},
                        beside[3] = {2e-5, 1, 0}, none[3] = {0, NAN, 0}, far[3] = {0, INFINITY, 0};
    static const struct { const double *truth, *got; int gradient, within, asked; } of[] = {
        {zeros, left, 1, 1, 0}, {zeros, left, 0, 0, 1}, {zeros, zeros, 0, 1, 1}, {zeros, zeros, 1, 1, 0},
        {zeros, none, 1, 0, 0}, {zeros, far, 1, 0, 0},  {some, beside, 1, 0, 1}, {some, some, 1, 1, 1},
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++)
        for (int dtype = 0; dtype < 2; dtype++) {
            struct door_tensor t = {.n = 3, .dtype = dtype ? DT_F64 : DT_F32, .truth = of[k].truth, .got = of[k].got,
                                    .gradient = of[k].gradient};
            door_tensor_judge(&t);
            ck_assert_msg(t.within == of[k].within && t.asked == of[k].asked, "row %d: within %d, asked %d", (int)k,
                          t.within, t.asked);
        }
}
END_TEST

START_TEST(errors_are_counted_in_neighbours)
{
    static const struct { int type, statistic; double at, off, ulp;
    } of[] = {
        { DT_F32, 0, 1.5, 0x1p-23, 1 },     { DT_F32, 0, 2, 0x1p-22, 1 },   { DT_F32, 0, -0.75, 0x1p-23, 2 },
        { DT_F64, 0, 1.5, 0x1p-52, 1 },     { DT_F64, 1, 1.5, 0x1p-51, 2 }, { DT_BF16, 0, 1.5, 0x1p-7, 1 },
        { DT_BF16, 1, 1.5, 0x1p-23, 1 },    { DT_F16, 0, 1.5, 0x1p-10, 1 }, { DT_F16, 1, 3, 0x1p-22, 1 },
        { DT_F16, 0, 0x1p-20, 0x1p-24, 1 }, { DT_F32, 0, 0, 0x1p-149, 1 },  { DT_BF16, 0, 0x1p-130, 0x1p-133, 1 },
        { DT_F64, 0, 0, 0x1p-1074, 1 },
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        double was[3] = {of[k].at, of[k].at, of[k].at}, got[3] = {of[k].at, of[k].at + of[k].off, of[k].at};
        struct door_tensor t = {.n = 3, .dtype = of[k].type, .statistic = of[k].statistic, .truth = was, .got = got};
        door_tensor_judge(&t);
        ck_assert_msg(t.ulp == of[k].ulp && t.worst == 1, "%s, %g off %g: %g ulp at %ld", dtype_name[of[k].type],
                      of[k].at, of[k].off, t.ulp, t.worst);
    }
    const double inf[4] = {INFINITY, NAN, -INFINITY, 1}, wrong[4] = {INFINITY, NAN, INFINITY, 1};
    struct door_tensor t = {.n = 4, .truth = inf, .got = inf};
    door_tensor_judge(&t);
    ck_assert_msg(t.ulp == 0 && t.error.most == 0, "the same infinities and NaN are right: %g", t.ulp);
    t.got = wrong;
    door_tensor_judge(&t);
    ck_assert(t.worst == 2 && !t.within);
}
END_TEST

/* Bounds of 1 and more ask nothing: zeros would do. */
/* An error of just the bound is within it: eight roundings of float, of one number alone. */
START_TEST(a_bound_is_within_itself)
{
    static const double one[1] = {1};
    for (int k = -1; k < 2; k++) {
        const double got[1] = {1 + 0x1p-20 + k * 0x1p-50};
        struct door_tensor t = {.n = 1, .dtype = DT_F32, .truth = one, .got = got};
        door_tensor_judge(&t);
        ck_assert_msg(t.bound.most == 0x1p-20 && t.bound.rms == 0x1p-20 && t.within == (k <= 0), "%d: %a, bound %a: %d",
                      k, t.error.most, t.bound.most, t.within);
    }
}
END_TEST

START_TEST(a_bound_of_1_asks_nothing)
{
    static const struct {
        double most, rms;
        int asked;
    } of[] = { { 0, 0, 1 }, { 0.9, 0, 1 }, { 0, 0.9, 1 }, { 0.9, 0.9, 0 }, { 0.2, 0.2, 0 } };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        struct door_tensor t = {.n = N, .truth = truth, .got = truth, .plain = {of[k].most, of[k].rms, 0}};
        door_tensor_judge(&t);
        ck_assert_msg(t.asked == of[k].asked && (t.bound.most < 1 || t.bound.rms < 1) == t.asked, "%g %g: bounds %g %g",
                      of[k].most, of[k].rms, t.bound.most, t.bound.rms);
    }
}
END_TEST

/* What it looks like is told along its axes. */
START_TEST(a_tensor_is_looked_at_along_its_axes)
{
    struct op_distance plain, nudged;
    struct door_tensor t = tensor_of(DT_F32, 0, 0, &plain, &nudged);
    double got[N] = {0};
    t.got = got;
    door_tensor_judge(&t);
    ck_assert_msg(strstr(t.looks, "all zeros"), "%s", t.looks);
    for (int e = 0; e < N; e++)
        got[e] = truth[e / 4 * 4 + (e + 1) % 4];
    door_tensor_judge(&t);
    ck_assert_msg(strstr(t.looks, "C (columns)"), "%s", t.looks);
    for (int e = 0; e < N; e++)
        got[e] = truth[(e + 4) % N];
    door_tensor_judge(&t);
    ck_assert_msg(strstr(t.looks, "R (rows)"), "%s", t.looks);
    memcpy(got, truth, sizeof got);
    got[N - 1] = 5;
    t.unwritten = 1;
    door_tensor_judge(&t);
    ck_assert_msg(strstr(t.looks, "not written"), "%s", t.looks);
}
END_TEST

START_TEST(numbers_are_rounded_and_moved)
{
    static const struct { int type, statistic; double x, rounded, by;
    } of[] = {
        { DT_F32, 0, 1 + 0x1p-25, 1, 0x1p-24 },
        { DT_F32, 1, -3 - 0x1p-25, -3, 0x1p-24 },
        { DT_F64, 0, 1 + 0x1p-52, 1 + 0x1p-52, 0x1p-52 },
        { DT_BF16, 0, 1 + 0x1p-9, 1, 0x1p-8 },
        { DT_BF16, 1, 1 + 0x1p-9, 1 + 0x1p-9, 0x1p-24 },
        { DT_F16, 0, 1 + 0x1p-12, 1, 0x1p-8 },
        { DT_F16, 1, 1 + 0x1p-12, 1 + 0x1p-12, 0x1p-24 },
        { DT_F16, 0, 70000, (double)INFINITY, 0 },
        { DT_F16, 1, 70000, 70000, 0x1p-24 },
        { DT_F32, 0, 0, 0, 0 },
        { DT_BF16, 0, 70000, 70144, 0x1p-8 },
        { DT_F16, 0, 0x1p-24, 0x1p-24, 0x1p-8 },
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        const double is = of[k].rounded, up = is * (1 + of[k].by), less = is * (1 - of[k].by);
        double x[33], away = is;
        for (int e = 0; e < 33; e++)
            x[e] = of[k].x;
        x[32] = 77.7;
        door_round(x, 32, of[k].type, of[k].statistic);
        for (int e = 0; e < 32; e++)
            ck_assert_msg(x[e] == is, "%s: %a is %a, not %a", dtype_name[of[k].type], of[k].x, x[e], is);
        door_nudge(&away, 1, of[k].type, of[k].statistic, 0);
        ck_assert_msg(away == up, "%s: %a away from 0 is %a", dtype_name[of[k].type], is, away);
        int ups = 0, lesses = 0;
        door_nudge(x, 32, of[k].type, of[k].statistic, 9);
        for (int e = 0; e < 32; e++)
            ups += x[e] == up, lesses += x[e] == less;
        ck_assert_msg(ups && lesses && (ups + lesses == 32 || up == less) && x[32] == 77.7,
                      "%s: of %a %d are larger, %d smaller", dtype_name[of[k].type], is, ups, lesses);
    }
    double a[40], b[40], c[40];
    for (int e = 0; e < 40; e++)
        a[e] = b[e] = c[e] = 1;
    door_nudge(a, 40, DT_F32, 0, 3), door_nudge(b, 40, DT_F32, 0, 3), door_nudge(c, 40, DT_F32, 0, 4);
    ck_assert(!memcmp(a, b, sizeof a) && memcmp(a, c, sizeof a));
}
END_TEST

START_TEST(sizes_are_told)
{
    ck_assert(door_sizes[0] == (long)sizeof(struct op_spec) && door_sizes[1] == (long)sizeof(struct door_problem) &&
              door_sizes[2] == (long)sizeof(struct door_tensor));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("doors, given");
    TCase *t = tcase_create("given");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, given_answers_are_judged);
    tcase_add_test(t, what_is_not_given_is_not_judged);
    tcase_add_test(t, a_gradient_is_of_what_is_given);
    tcase_add_test(t, what_a_forward_saves_is_judged);
    tcase_add_test(t, what_cannot_be_judged_is_said);
    tcase_add_test(t, a_cause_is_named);
    tcase_add_test(t, a_tensor_has_the_rule_of_the_judge);
    tcase_add_test(t, small_numbers_have_what_f16_leaves_them);
    tcase_add_test(t, errors_are_counted_in_neighbours);
    tcase_add_test(t, a_gradient_that_vanishes_is_not_asked);
    tcase_add_test(t, a_bound_is_within_itself);
    tcase_add_test(t, a_bound_of_1_asks_nothing);
    tcase_add_test(t, a_tensor_is_looked_at_along_its_axes);
    tcase_add_test(t, numbers_are_rounded_and_moved);
    tcase_add_test(t, sizes_are_told);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
