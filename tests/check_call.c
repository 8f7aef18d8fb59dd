/* check_call.c - op_run is a strict host, in every precision: where arrays lie, what a kernel left unwritten, and what
 * it wrote beside its arrays, are found; and how the judge tells what is exact, and how often it rounds. */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "ref/installed/kernels.h"
#include "ref/oracle/oracle.h"
#include "tests/suite.h"

enum { GUARD = 64 };                               /* elements before and behind every array that nobody may change */

/* What the kernel of the test does to one of its arguments, which it takes for add's y, a and b. */
static struct { int argument; long at; int from, leave; uintptr_t lies[3]; } does;

static const struct { const char *name; size_t width; } precisions[] = {
    [SWAX_PREC_F32] = { "f32", 4 }, [SWAX_PREC_F64] = { "f64", 8 }, [SWAX_PREC_BF16] = { "bf16", 2 } };

static void act(void *y, const void *a, const void *b, int n, size_t width)
{
    static const unsigned char one[][8] = { [2] = { 0x80, 0x3F }, [4] = { 0, 0, 0x80, 0x3F },
                                            [8] = { 0, 0, 0, 0, 0, 0, 0xF0, 0x3F } };
    const void *const of[] = { y, a, b };
    for (int i = 0; i < 3; i++)
        does.lies[i] = (uintptr_t)of[i];
    for (long e = does.from; e < does.from + n - does.leave; e++)
        memcpy((char *)y + e * (long)width, one[width], width);
    if (does.argument >= 0)
        *((char *)(uintptr_t)does.lies[does.argument] + does.at) ^= 1;
}

static void add_f32(float *y, const float *a, const float *b, int n) { act(y, a, b, n, 4); }
static void add_f64(double *y, const double *a, const double *b, int n) { act(y, a, b, n, 8); }
static void add_bf16(swax_bf16 *y, const swax_bf16 *a, const swax_bf16 *b, int n) { act(y, a, b, n, 2); }

static int always(void) { return 1; }

static struct swax_tier made_up(void)
{
    static struct swax_kernels_f32 f32;
    static struct swax_kernels_f64 f64;
    static struct swax_kernels_bf16 bf16;
    f32.add_forward = add_f32, f64.add_forward = add_f64, bf16.add_forward = add_bf16;
    return (struct swax_tier){ .name = "made-up", .usable = always, .f32 = &f32, .f64 = &f64, .bf16 = &bf16 };
}

static struct op_case numbers(int n)
{
    struct op_case c = { .op = op_find("add_forward"), .dims = { n } };
    op_draw(&c, 1, OP_GAUSS, 0, SWAX_PREC_BF16);
    return c;
}

/* Elements that the kernel leaves are counted, and are NaN; those that it writes are what it wrote. */
START_TEST(what_is_left_unwritten_is_counted)
{
    const struct swax_tier tier = made_up();
    for (int n = 1; n < 40; n++)
        for (int k = 0, leave = 0; leave <= n; leave += k ? 1 + n / 4 : 0, k = !k) {
            struct op_case c = numbers(n);
            const int from = k ? leave : 0;              /* what is left is the end, or the beginning */
            does.argument = -1, does.leave = leave, does.from = from;
            const char *said = op_run(&tier, (enum swax_precision)_i, &c);
            ck_assert_msg(!said, "%s", said ? said : "");
            ck_assert_msg(c.unwritten[0] == leave, "%s: %ld of %d elements are called unwritten, not %d",
                          precisions[_i].name, c.unwritten[0], n, leave);
            for (int e = 0; e < n; e++)
                ck_assert_msg(e >= from && e < from + n - leave ? c.arg[0][e] == 1 : isnan(c.arg[0][e]),
                              "%s: element %d of %d is %g", precisions[_i].name, e, n, c.arg[0][e]);
            op_case_free(&c);
        }
    does.from = 0;
}
END_TEST

/* A byte that is changed before or behind an array, or within an input. */
START_TEST(what_is_written_beside_an_array_is_found)
{
    const struct swax_tier tier = made_up();
    const long w = (long)precisions[_i].width;
    for (int n = 1; n < 7; n++)
        for (int argument = 0; argument < 3; argument++) {
            const struct { long at; const char *says; } of[] = {
                { -1, "before the beginning" }, { -GUARD * w, "before the beginning" }, { n * w, "behind the end" },
                { (n + GUARD) * w - 1, "behind the end" }, { 0, "changed its input" },
                { n * w - 1, "changed its input" } };
            for (int k = 0; k < (argument ? 6 : 4); k++) {
                struct op_case c = numbers(n);
                does.argument = argument, does.at = of[k].at, does.leave = 0;
                const char *said = op_run(&tier, (enum swax_precision)_i, &c);
                char name[16];
                snprintf(name, sizeof name, " %c", "yab"[argument]);
                ck_assert_msg(said && strstr(said, of[k].says) && strstr(said, name),
                              "%s: byte %ld of %c, of %d elements, was changed: %s", precisions[_i].name, of[k].at,
                              "yab"[argument], n, said ? said : "nothing is said");
                op_case_free(&c);
            }
        }
}
END_TEST

/* In one case of three all arrays lie at an aligned address; in the others every other one, an element behind it. */
START_TEST(every_other_array_is_not_aligned)
{
    const struct swax_tier tier = made_up();
    const uintptr_t w = precisions[_i].width;
    does.argument = -1, does.leave = 0;
    for (int n = 1; n < 10; n++) {
        struct op_case c = numbers(n);
        ck_assert(!op_run(&tier, (enum swax_precision)_i, &c));
        for (int i = 0; i < 3; i++) {
            const uintptr_t beside = (does.lies[i] - GUARD * w) % 64, right = n % 3 ? w * (uintptr_t)((n + i) % 2) : 0;
            ck_assert_msg(beside == right, "%s, %d elements: %c lies %d bytes behind a line, not %d",
                          precisions[_i].name, n, "yab"[i], (int)beside, (int)right);
        }
        op_case_free(&c);
    }
}
END_TEST

/* ---- the judge */

START_TEST(small_cases_are_nudged_more_often)
{
    static const struct { int n; long size[3]; int nudges; } of[] = {
        { 1, { 4999, 9000 }, 6 }, { 1, { 5000 }, 2 }, { 1, { 5001 }, 2 }, { 2, { 2500, 2499, 1 }, 6 },
        { 2, { 2500, 2500 }, 2 }, { 0, { 9000 }, 6 }, { 3, { 1, 1, 4998 }, 2 }, { 3, { 1, 1, 4997 }, 6 } };
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) {
        struct op_case c = { .n = of[i].n };
        for (int k = 0; k < 3; k++)
            c.size[k] = of[i].size[k];
        ck_assert_msg(op_nudges(&c) == of[i].nudges, "row %zu: %d nudges", i, op_nudges(&c));
    }
}
END_TEST

/* A product of whole numbers up to 4 has one right answer, and no bound above 0; in bf16 only up to 256. */
START_TEST(what_is_exact_has_no_tolerance)
{
    static const struct { double first, all; int terms; enum swax_precision precision; int exact; } of[] = {
        { 4, 4, 16, SWAX_PREC_F32, 1 },   { -4, 4, 16, SWAX_PREC_F64, 1 },  { 4, 4, 16, SWAX_PREC_BF16, 1 },
        { 4, 4, 17, SWAX_PREC_BF16, 0 },  { 4, 4, 17, SWAX_PREC_F32, 1 },   { 5, 4, 3, SWAX_PREC_F32, 0 },
        { -5, 4, 3, SWAX_PREC_F32, 0 },   { 4.5, 4, 3, SWAX_PREC_F32, 0 },  { 0.5, 1, 3, SWAX_PREC_F32, 0 },
        { 0, 0, 3, SWAX_PREC_F32, 1 },    { 5, 1, 3, SWAX_PREC_BF16, 0 },   { 3, 1, 3, SWAX_PREC_BF16, 1 },
    };
    for (size_t i = 0; i < sizeof of / sizeof of[0]; i++) {
        struct op_case c = { .op = op_find("linear_forward"), .dims = { 1, 2, of[i].terms } }, truth;
        struct op_verdict v;
        op_draw(&c, 1, OP_GAUSS, 0, SWAX_PREC_BF16);
        for (int k = 1; k < 3; k++)
            for (long e = 0; e < c.size[k]; e++)
                c.arg[k][e] = k == 1 && !e ? of[i].first : of[i].all;
        op_truth(&truth, &v, of[i].precision, &c);
        ck_assert_msg((v.bound[0] == 0) == of[i].exact, "row %zu: y may err by %g", i, v.bound[0]);
        op_case_free(&c), op_case_free(&truth);
    }
}
END_TEST

/* Who says what is true is the reference in double, unless the case names another. */
START_TEST(the_reference_tells_the_truth)
{
    struct op_case c, by_hand, truth;
    struct op_verdict v;
    op_case_make(&c, op_find("attention_forward"), 5, OP_GAUSS, 20, SWAX_PREC_F32);
    for (int k = 0; k < swax_n_tiers; k++)
        if (swax_tiers[k]->usable() && op_offers(swax_tiers[k], SWAX_PREC_F64)) {
            op_case_copy(&by_hand, &c);
            ck_assert(!op_run(swax_tiers[k], SWAX_PREC_F64, &by_hand));
            for (int named = !!k; named < 2; named++) {
                c.by = named ? swax_tiers[k] : NULL;
                op_truth(&truth, &v, SWAX_PREC_F32, &c);
                ck_assert_msg(!memcmp(truth.arg[0], by_hand.arg[0], (size_t)c.size[0] * sizeof(double)),
                              "the truth is not what %s says in double", swax_tiers[k]->name);
                op_case_free(&truth);
            }
            op_case_free(&by_hand);
        }
    op_case_free(&c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("call");
    TCase *t = tcase_create("call");
    tcase_add_loop_test(t, what_is_left_unwritten_is_counted, 0, SWAX_PRECISIONS);
    tcase_add_loop_test(t, what_is_written_beside_an_array_is_found, 0, SWAX_PRECISIONS);
    tcase_add_loop_test(t, every_other_array_is_not_aligned, 0, SWAX_PRECISIONS);
    tcase_add_test(t, small_cases_are_nudged_more_often);
    tcase_add_test(t, what_is_exact_has_no_tolerance);
    tcase_add_test(t, the_reference_tells_the_truth);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
