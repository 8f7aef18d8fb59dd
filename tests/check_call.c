/* check_call.c - op_run is a strict host, in every precision: where arrays lie, what a kernel left unwritten, and what
 * it wrote beside its arrays, are found; and how the judge tells what is exact, and how often it rounds. */
#include <check.h>
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#include "ref/installed/kernels.h"
#include "ref/oracle/inside.h"
#include "ref/oracle/oracle.h"
#include "tests/suite.h"

enum { GUARD = 64 };                               /* elements before and behind every array that nobody may change */

/* What the kernel of the test does to one of its arguments, which it takes for add's y, a and b. */
static struct {
    int argument, from, leave, calls, others;
    long at;
    uintptr_t lies[3];
    void (*also)(void);
} does;

static const struct { const char *name; size_t width; } precisions[] = {
    [SWAX_PREC_F32] = { "f32", 4 }, [SWAX_PREC_F64] = { "f64", 8 }, [SWAX_PREC_BF16] = { "bf16", 2 } };

static void act(void *y, const void *a, const void *b, int n, size_t width)
{
    static const unsigned char one[][8] = { [2] = { 0x80, 0x3F }, [4] = { 0, 0, 0x80, 0x3F },
                                            [8] = { 0, 0, 0, 0, 0, 0, 0xF0, 0x3F } };
    const void *const of[] = { y, a, b };
    for (int i = 0; i < 3; i++)
        does.lies[i] = (uintptr_t)of[i];
    does.calls++;
    /* a signalling NaN stands before, in what is to be written, and behind */
    static const unsigned char nan[][8] = { [2] = { 0xA5, 0x7F }, [4] = { 0xA5, 0xA5, 0xA5, 0x7F },
                                            [8] = { 0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xA5, 0xF4, 0x7F } };
    for (int i = 0; i < 3; i++)
        for (long e = -GUARD; e < n + GUARD; e++)
            if (does.calls == 1 && (i == 0 || e < 0 || e >= n))
                does.others += memcmp((const char *)of[i] + e * (long)width, nan[width], width) != 0;
    if (does.also)
        does.also();
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
            ck_assert(!op_run(&tier, (enum swax_precision)_i, &c));        /* what was counted is counted anew */
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

/* A call of one of n numbers, after which `does` says what the kernel saw. */
static const char *call(const struct swax_tier *tier, enum swax_precision precision, struct op_case *c)
{
    does.argument = -1, does.from = does.leave = does.calls = does.others = 0;
    return op_run(tier, precision, c);
}

START_TEST(what_a_kernel_does_not_own_is_poisoned)
{
    const struct swax_tier tier = made_up();
    for (int n = 1; n < 30; n++) {
        struct op_case c = numbers(n);
        ck_assert(!call(&tier, (enum swax_precision)_i, &c));
        ck_assert_msg(does.calls == 1 && !does.others, "%s, %d elements: %d calls, %d elements that are no such NaN",
                      precisions[_i].name, n, does.calls, does.others);
        op_case_free(&c);
    }
}
END_TEST

/* ---- arrays in memory of the caller's, and in a tier's own */

/* Each array takes its elements with those around it, and a line; the room is used while all of that fits. */
START_TEST(a_room_is_used_while_it_is_large_enough)
{
    const struct swax_tier tier = made_up();
    const size_t w = precisions[_i].width;
    static unsigned char at[1 << 14];
    for (int n = 3; n < 5; n++)
        for (int less = 0; less < 10; less++) {
            const size_t shift = 40 + (size_t)less, each[2] = {(size_t)(n + 2 * GUARD) * w + 64,
                                                               (size_t)(n + 1 + 2 * GUARD) * w + 64};
            size_t used = shift;
            struct op_room room = {.at = at + 1, .shift = shift};
            struct op_case c = numbers(n);
            for (int i = 0; i < 3; i++)
                used += each[n % 3 && (n + i) % 2];
            room.bytes = used - (size_t)(less % 2);       /* one byte less, and the last has no place */
            c.room = &room;
            ck_assert(!call(&tier, (enum swax_precision)_i, &c));
            size_t from = shift;
            for (int i = 0; i < 3; i++) {
                const size_t takes = each[n % 3 && (n + i) % 2];
                const uintptr_t lies = does.lies[i] - (GUARD + (size_t)(n % 3 && (n + i) % 2)) * w;
                const uintptr_t begins = (uintptr_t)room.at + from;
                const int inside = lies >= begins && lies < begins + 64 && lies % 64 == 0;
                ck_assert_msg(inside == (i < 2 || !(less % 2)),
                              "%s, %d elements, shift %zu: %c lies %s its place in the room", precisions[_i].name, n,
                              shift, "yab"[i], inside ? "in" : "outside");
                from += takes;
            }
            ck_assert(from == used);
            op_case_free(&c);
        }
}
END_TEST

/* Whatever a kernel changes of the room, beside its own output, is found: nothing lies there that is not looked at. */
START_TEST(no_byte_of_a_room_can_be_changed)
{
    const struct swax_tier tier = made_up();
    const long w = (long)precisions[_i].width;
    static unsigned char at[3 << 12];
    for (int n = 3; n < 6; n++) {
        struct op_room room = {.at = at, .bytes = sizeof at, .shift = 64, .page = 4096};
        struct op_case c = numbers(n);
        c.room = &room;
        ck_assert(!call(&tier, (enum swax_precision)_i, &c));
        ck_assert_msg(room.used % 4096 == 0 && room.used >= 64 + 3 * (size_t)((n + 2 * GUARD) * w) &&
                          room.used < 64 + 3 * (size_t)((n + 2 * GUARD + 1) * w + 64) + 4096, "%zu", room.used);
        const long y = (long)(does.lies[0] - (uintptr_t)at), used = (long)room.used;
        for (long byte = 64; byte < used; byte++) {
            does.argument = 0, does.at = byte - y, does.leave = 0;
            const char *said = op_run(&tier, (enum swax_precision)_i, &c);
            ck_assert_each(!said == (byte >= y && byte < y + n * w), "%s, %d elements: byte %ld of the room, %ld of y, "
                           "was changed: %s", precisions[_i].name, n, byte, byte - y, said ? said : "nothing is said");
        }
        op_case_free(&c);
    }
}
END_TEST

/* A device: what it gives is a copy behind a number of bytes, so that a mistaken free is noticed. */
static struct { int fails_at, taken, given, put, got; const char *trouble; } device;
enum { BEHIND = 128 };
static void *device_take(size_t bytes)
{
    char *p = ++device.taken == device.fails_at ? NULL : calloc(bytes + BEHIND, 1);
    return p ? p + BEHIND : NULL;
}
static void device_give(void *p) { device.given++, free((char *)p - BEHIND); }
static void device_put(void *to, const void *from, size_t bytes) { device.put++, memcpy(to, from, bytes); }
static void device_get(void *to, const void *from, size_t bytes) { device.got++, memcpy(to, from, bytes); }
static const char *device_trouble(void) { return device.trouble; }

START_TEST(a_device_has_arrays_of_its_own)
{
    static const char *const says[] = { NULL, "no memory for y", "no memory for a", "no memory for b" };
    for (int fails = 0; fails < 4; fails++)
        for (int trouble = 0; trouble < 3; trouble++) {
            const struct swax_memory memory = { .take = device_take, .give = device_give, .put = device_put,
                                                .get = device_get, .trouble = trouble == 2 ? NULL : device_trouble };
            struct swax_tier tier = made_up();
            struct op_case c = numbers(7);
            char expected[OP_SENTENCE] = "";
            tier.memory = &memory;
            device.fails_at = fails, device.taken = device.given = device.put = device.got = 0;
            device.trouble = trouble == 1 ? "it is on fire" : NULL;
            const char *said = call(&tier, (enum swax_precision)_i, &c);
            if (trouble == 1)
                snprintf(expected, sizeof expected, "add_forward on tier made-up failed: it is on fire");
            else if (fails)
                snprintf(expected, sizeof expected, "add_forward on tier made-up could not run: %s", says[fails]);
            ck_assert_str_eq(said ? said : "", expected);
            ck_assert_int_eq(does.calls, !fails);
            ck_assert_int_eq(device.taken, fails ? fails : 3);
            ck_assert_int_eq(device.given, fails ? fails - 1 : 3);
            ck_assert_int_eq(device.put, fails ? fails - 1 : 3);
            ck_assert_int_eq(device.got, fails ? 0 : 3);
            for (int e = 0; e < 7 && !fails; e++)
                ck_assert(c.arg[0][e] == 1);
            ck_assert_int_eq(does.others, 0);
            op_case_free(&c);
        }
}
END_TEST

/* A slot that is empty is the reference's on a host, and nobody's on a device, or in bf16. */
START_TEST(an_empty_slot_is_the_references)
{
    static struct swax_kernels_f32 f32;
    static struct swax_kernels_bf16 bf16;
    const struct swax_memory memory = { .take = device_take };
    struct swax_tier tier = { .name = "empty", .f32 = &f32, .bf16 = &bf16 };
    for (int k = 0; k < 6; k++) {
        struct op_case c = numbers(4), before;
        op_case_copy(&before, &c);
        tier.memory = k < 3 ? NULL : &memory;
        const char *said = op_run(&tier, (enum swax_precision)(k % 3), &c);
        if (k < 2)
            for (int e = 0; e < 4; e++)
                ck_assert(!said && fabs(c.arg[0][e] - before.arg[1][e] - before.arg[2][e]) < 1e-6);
        else
            ck_assert_str_eq(said ? said : "", "add_forward on tier empty does not exist in this precision");
        ck_assert_int_eq(op_present(&tier, (enum swax_precision)(k % 3), c.op), 0);
        op_case_free(&c), op_case_free(&before);
    }
    f32.add_forward = add_f32, bf16.add_forward = add_bf16;
    for (int k = 0; k < 3; k++) {
        ck_assert_int_eq(op_present(&tier, (enum swax_precision)k, op_find("add_forward")), k != SWAX_PREC_F64);
        ck_assert_int_eq(op_present(&tier, (enum swax_precision)k, op_find("add_backward")), 0);
        ck_assert_int_eq(op_offers(&tier, (enum swax_precision)k), k != SWAX_PREC_F64);
    }
}
END_TEST

/* ---- what is timed is called as often as it says, with what it asked for */

static struct { int started, asked, before_call; size_t large; uintptr_t lines; } clock_;
static void start(void *arg) { clock_.started += *(int *)arg, clock_.before_call = does.calls == 0; }
static int again(void *arg) { return ++clock_.asked < 4 * *(int *)arg; }
static void large(void *p, size_t bytes) { clock_.large += bytes, clock_.lines += p != NULL; }

START_TEST(what_is_timed_is_called_again)
{
    struct swax_tier tier = made_up();
    const struct swax_host host = { .large = large };
    const size_t w = precisions[_i].width;
    int one = 1;
    tier.host = &host;
    for (int timed = 0; timed < 2; timed++) {
        struct op_case c = numbers(7);
        memset(&clock_, 0, sizeof clock_);
        c.start = start, c.again = timed ? again : NULL, c.again_arg = &one;
        ck_assert(!call(&tier, (enum swax_precision)_i, &c));
        ck_assert(clock_.started == 1 && clock_.before_call && does.calls == (timed ? 4 : 1));
        ck_assert(clock_.asked == (timed ? 4 : 0));
        ck_assert_uint_eq(clock_.lines, timed ? 3 : 0);
        ck_assert_uint_eq(clock_.large, timed ? 3 * ((7 + 2 * GUARD) * w + 64) : 0);
        for (int i = 0; i < 3; i++)      /* aligned as in a network, where it is timed */
            ck_assert((does.lies[i] - GUARD * w) % 64 == (timed || i % 2 ? 0 : w));
        op_case_free(&c);
    }
}
END_TEST

/* ---- how it leaves the processor */

static void round_up(void) { fesetround(FE_UPWARD); }
static void set_bits(unsigned bits)
{
    (void)bits;
#ifdef __SSE__
    _mm_setcsr(_mm_getcsr() | bits);
#endif
}
static void flush(void) { set_bits(0x8040); }
static void flush_results(void) { set_bits(0x8000); }
static void flush_operands(void) { set_bits(0x0040); }
static void round_and_flush(void) { round_up(), flush(); }

START_TEST(how_it_rounds_is_left_as_it_was)
{
    static const struct { void (*also)(void); const char *says; } of[] = {
        { NULL, NULL }, { round_up, "add_forward on tier made-up left the rounding mode changed" },
        { flush, "add_forward on tier made-up left subnormal numbers flushed to 0" },
        { flush_results, "add_forward on tier made-up left subnormal numbers flushed to 0" },
        { flush_operands, "add_forward on tier made-up left subnormal numbers flushed to 0" },
        { round_and_flush, "add_forward on tier made-up left the rounding mode changed" } };
    const struct swax_tier tier = made_up();
    for (int k = 0; k < 6; k++) {
        struct op_case c = numbers(5);
        does.also = of[k].also;
        const char *said = call(&tier, (enum swax_precision)_i, &c);
        does.also = NULL;
#ifndef __SSE__
        if (k > 1)
            continue;
#endif
        ck_assert_str_eq(said ? said : "", of[k].says ? of[k].says : "");
        volatile float least = FLT_MIN;
        ck_assert(fegetround() == FE_TONEAREST && least / 2 > 0);
        /* what is flushed before is not the kernel's doing */
        if (k == 2) {
            flush();
            said = call(&tier, (enum swax_precision)_i, &c);
            fesetenv(FE_DFL_ENV);
            ck_assert_str_eq(said ? said : "", "");
        }
        op_case_free(&c);
    }
}
END_TEST

/* ---- arguments of cases */

START_TEST(an_argument_is_found_by_its_name)
{
    struct op_case c;
    op_case_make(&c, op_find("attention_forward"), 5, OP_GAUSS, 9, SWAX_PREC_F32);
    op_case_free(&c);
    op_case_alloc(&c, 0);
    ck_assert(c.arg[0] && op_named(&c, "y") == c.arg[0] && op_named(&c, "lse") == c.arg[1]);
    ck_assert(!op_named(&c, "sink") && !op_named(&c, "dy") && !op_named(&c, ""));
    op_case_free(&c);
}
END_TEST

/* A whole number is given as one; what stood in a case before it has arrays is forgotten, but for its sizes. */
START_TEST(a_case_begins_anew)
{
    struct op_case c, copy;
    memset(&c, 0x5A, sizeof c);
    c.op = op_find("embed_forward");
    c.dims[0] = 3, c.dims[1] = 5, c.dims[2] = 2;
    op_case_alloc(&c, 0);
    ck_assert(!c.start && !c.again && !c.by && !c.room && c.n == 3);
    ck_assert(c.size[0] == 6 && c.size[1] == 3 && c.size[2] == 10);
    for (int i = 0; i < 3; i++)
        for (long e = 0; e < c.size[i]; e++) {
            ck_assert_each(c.arg[i][e] == 0, "argument %d begins with %g", i, c.arg[i][e]);
            c.arg[i][e] = i == 1 ? (double)(4 - 2 * e) : (double)(100 * i + e);
        }
    op_case_copy(&copy, &c);
    c.arg[1][0] = 2;
    ck_assert(!op_run(swax_tiers[0], SWAX_PREC_F32, &copy));
    for (int e = 0; e < 6; e++)
        ck_assert_each(copy.arg[0][e] == 200 + 2 * (4 - 2 * (e / 2)) + e % 2, "token %d: %g", e / 2, copy.arg[0][e]);
    op_case_free(&copy);
    for (int i = 0; i < 3; i++)
        ck_assert(!copy.arg[i] && c.arg[i]);
    op_case_free(&c);
}
END_TEST

/* By name: what a backward reads of its forward's answers is worked out, everything else that it reads is drawn, each
 * by a seed of its own. */
START_TEST(what_is_drawn_is_no_answer_of_the_forward)
{
    for (int op = 0; op < swax_n_ops; op++) {
        const struct op_spec *spec = &swax_ops[op];
        const char *back = strstr(spec->name, "_backward");
        char forward[64];
        struct op_case c, again;
        snprintf(forward, sizeof forward, "%.*s_forward", back ? (int)(back - spec->name) : 0, spec->name);
        const struct op_spec *of = back ? &swax_ops[op_find(forward)] : NULL;
        op_draw_dims(&c, op, 4, 7);
        op_draw_scalars(&c, 4);
        op_draw(&c, 4, OP_GAUSS, ~0u, SWAX_PREC_F32);
        op_case_copy(&again, &c);
        for (int i = 0; i < c.n; i++) {
            int saved = 0;
            for (int k = 0; of && k < op_args(of); k++)
                saved |= of->arg[k].role == OUT && !strcmp(of->arg[k].name, spec->arg[i].name);
            const int drawn = (spec->arg[i].role == IN || spec->arg[i].role == UPDATE) && !saved;
            ck_assert_msg(op_is_drawn(op, i) == drawn, "%s: %s is%s drawn", spec->name, spec->arg[i].name,
                          drawn ? " not" : "");
            for (long e = 0; e < c.size[i] && drawn; e++)
                again.arg[i][e] = -77;
            if (drawn)
                op_draw_argument(&again, i, 4, OP_GAUSS, SWAX_PREC_F32);
        }
        for (int i = 0; i < c.n; i++)
            for (long e = 0; e < c.size[i] && spec->kind != OF_CELL; e++)
                ck_assert_each(again.arg[i][e] == c.arg[i][e], "%s: %s is drawn as another", spec->name,
                               spec->arg[i].name);
        op_case_free(&c), op_case_free(&again);
    }
}
END_TEST

/* What is timed reads what that tier's own forward makes; what is added to is 0. */
START_TEST(what_is_timed_is_of_the_tier)
{
    static const char *const names[] = { "attention_backward", "linear_backward", "attention_forward" };
    for (int k = 0; k < 3; k++) {
        const int op = op_find(names[k]);
        struct op_case c, f;
        op_draw_dims(&c, op, 9, 8);
        op_default_scalars(&c);
        const char *wrong = op_draw_for_timing(&c, k ? 0 : ~0u, swax_tiers[0], SWAX_PREC_F32);
        ck_assert_msg(!wrong, "%s", wrong);
        for (int i = 0; i < c.n; i++)
            for (long e = 0; e < c.size[i] && c.arg[i] && swax_ops[op].arg[i].role != IN; e++)
                ck_assert_each(c.arg[i][e] == 0, "%s: %s begins with %g", names[k], swax_ops[op].arg[i].name,
                               c.arg[i][e]);
        if (k) {
            op_case_free(&c);
            continue;
        }
        f = (struct op_case){ .op = op_find("attention_forward") };
        memcpy(f.dims, c.dims, sizeof f.dims);
        op_case_alloc(&f, ~0u);
        for (int i = 0; i < f.n; i++)
            if (swax_ops[f.op].arg[i].role == IN)
                memcpy(f.arg[i], op_named(&c, swax_ops[f.op].arg[i].name), (size_t)f.size[i] * sizeof(double));
        ck_assert(!op_run(swax_tiers[0], SWAX_PREC_F32, &f));
        ck_assert(!memcmp(op_named(&c, "y"), op_named(&f, "y"), (size_t)f.size[0] * sizeof(double)));
        ck_assert(!memcmp(op_named(&c, "lse"), op_named(&f, "lse"), (size_t)f.size[1] * sizeof(double)));
        op_case_free(&c), op_case_free(&f);
    }
    /* a tier that has no such forward */
    struct op_case c;
    op_draw_dims(&c, op_find("attention_backward"), 9, 8);
    const char *wrong = op_draw_for_timing(&c, 0, swax_tiers[0], SWAX_PREC_BF16);
    ck_assert_str_eq(wrong ? wrong : "", "attention_forward on tier ref does not exist in this precision");
    op_case_free(&c);
}
END_TEST

/* ---- the judge */

/* Up or down by one rounding of the type, or away from 0; what is 0, infinite or whole stays. */
START_TEST(numbers_are_nudged_by_one_rounding)
{
    static const double is[] = { 0, -0.0, 1, -3, 1e-44, -1e-320, 5e-324, 1e-40, -7e-39, INFINITY, -INFINITY, 256 };
    enum { MANY = sizeof is / sizeof *is };
    for (int type = REAL; type <= DOUBLE; type++)
        for (int precision = 0; precision < SWAX_PRECISIONS; precision++)
            for (int random = 0; random < 2; random++) {
                const int in_double = type == DOUBLE || precision == SWAX_PREC_F64;
                const int in_bf16 = !in_double && type == REAL && precision == SWAX_PREC_BF16;
                const double u = exp2(in_double ? -52 : in_bf16 ? -8 : -24);
                const double least = in_double ? 4.9406564584124654e-324 : exp2(in_bf16 ? -133 : -149);
                double a[MANY];
                uint64_t state = 3, same = 3;
                memcpy(a, is, sizeof a);
                op_nudge_numbers(a, MANY, (enum op_type)type, (enum swax_precision)precision, random ? &state : NULL);
                for (int e = 0; e < MANY; e++) {
                    const int up = random && type != INT ? op_random(&same) >> 63 != 0 : is[e] > 0;
                    double by = fmax(u * fabs(is[e]), least);
                    if (is[e] == 0 || isinf(is[e]) || type == INT)
                        by = 0;
                    const double to = up ? is[e] + by : is[e] - by;
                    ck_assert_each(a[e] == to && (random || !signbit(a[e]) == !signbit(is[e])),
                                   "type %d, %s: %g becomes %.17g, not %.17g", type, precisions[precision].name, is[e],
                                   a[e], to);
                }
                ck_assert(state == same);
            }
}
END_TEST

/* The share of n independent errors that goes along the truth: elements alike err alike.  A truth of zeros counts as
 * one of ones. */
static double plain_scatter(const double *truth, const double *before, int n)
{
    long double square = 0, fourth = 0, rms = 0;      /* in range, whatever is squared twice */
    for (int i = 0; i < n; i++) {
        long double alike = 0;
        int first = 1;
        const long double x = fabs(truth[i] - (before ? before[i] : 0));
        for (int k = 0; k < n; k++) {
            const int same = fabsl(fabs(truth[k] - (before ? before[k] : 0)) - x) <= 1e-12L * x;
            alike += same ? x * x : 0;
            first &= !same || k >= i;
        }
        square += x * x, rms += (long double)truth[i] * truth[i];
        fourth += first ? alike * alike : 0;
    }
    rms = rms > 0 ? rms : n;
    return square > 0 ? (double)(sqrtl(rms / square) * (sqrtl(fourth) / square)) : 0;
}

START_TEST(bounds_are_by_the_rule)
{
    enum { N = 6 };
    static const double truths[4][N] = { { 1, -2, 3.5, 0.25, 7, -0.125 }, { 2, 2, -2, 5, 5, 0 }, { 0 },
                                         { 1e-200, 3e-200, 2e-200, 2e-200, 0, 0 } };
    static const double at_first[N] = { 0.5, 1, 1, -4, 2, 0 };
    static const char *const name[] = { "dq", "df", "y" };
    static const enum op_role role[] = { ADD, ADD, OUT };
    const double size[] = { 0, 1e-9, 1e-4, 0.3 }, e32 = exp2(-23), e64 = exp2(-52);
    for (int k = 0; k < 4 * 4 * 3 * 4 * 3 * 3; k++) {
        const int p = k % 4, q = k / 4 % 4, a = k / 16 % 3, t = k / 48 % 4, of = k / 192 % 3;
        const enum swax_precision precision = (enum swax_precision)(k / 576);
        const enum op_type type = of == 0 ? REAL : of == 1 ? STAT : DOUBLE;
        const struct op_arg arg = { .name = name[a], .role = role[a], .type = type };
        const struct op_distance plain = { size[p], size[p] / 2, size[p] / 3 }, nudged = { size[q], size[q] / 5,
                                                                                          size[q] / 7 };
        const double *truth = truths[t], *before = a < 2 ? at_first : NULL;
        double bound[2];
        for (int rms = 0; rms < 2; rms++) {
            const double x = rms ? plain.rms : plain.most, y = rms ? nudged.rms : nudged.most;
            const double usual = rms ? a == 0 ? 0.01 : a == 1 ? 0.02 : 0.005 : a < 2 ? 3.0 / 256 : 2.0 / 256;
            bound[rms] = type == DOUBLE ? 8 * fmax(x, e64 * sqrt(50)) : precision == SWAX_PREC_F64
                ? 8 * fmax(fmax(x, e32) * e64 / e32, y) : precision == SWAX_PREC_F32 ? 8 * fmax(fmax(x, e32), y)
                : fmax(fmax(8 * fmax(x, e32), (a < 2 ? 3 : 2) * y), type == REAL ? usual : 0);
        }
        double bias = precision == SWAX_PREC_BF16 ? fmax(4 * fmax(plain.bias, nudged.bias),
                                                         2 * bound[1] * plain_scatter(truth, before, N)) : 0;
        bias = bias > 0 ? fmax(fmax(bias, e32), 8 * plain.rms) : 0;
        const struct op_distance is = op_bounds(&plain, &nudged, &arg, 50, precision, truth, before, N);
        ck_assert_each(fabs(is.most / bound[0] - 1) < 1e-12 && fabs(is.rms / bound[1] - 1) < 1e-12 &&
                       fabs(is.bias - bias) <= 1e-12 * bias,
                       "%s, %s, type %d, truth %d: %.9g, %.9g and %.9g are allowed, by the rule %.9g, %.9g and %.9g",
                       precisions[precision].name, arg.name, type, t, is.most, is.rms, is.bias, bound[0], bound[1],
                       bias);
    }
}
END_TEST

/* In bf16 a sum of 256 is exact, and one of 257 is none. */
START_TEST(bf16_holds_whole_numbers_up_to_256)
{
    for (int more = 0; more < 2; more++) {
        struct op_case c = { .op = op_find("linear_forward"), .dims = { 1, 1, 17 } }, truth;
        struct op_verdict v;
        op_draw(&c, 1, OP_GAUSS, 0, SWAX_PREC_BF16);
        for (int k = 1; k < 3; k++)
            for (long e = 0; e < 17; e++)
                c.arg[k][e] = e ? 4 : more;
        op_truth(&truth, &v, SWAX_PREC_BF16, &c);
        ck_assert_msg(truth.arg[0][0] == 256 + more && (v.bound[0] == 0) == !more, "%g may err by %g",
                      truth.arg[0][0], v.bound[0]);
        op_case_free(&c), op_case_free(&truth);
    }
}
END_TEST

/* Numbers that are right are no excuse for what else a kernel did. */
START_TEST(trouble_is_wrong_whatever_the_numbers)
{
    struct swax_tier tier = made_up();
    for (int k = 0; k < 3; k++) {
        struct op_case c = numbers(5);
        struct op_verdict v;
        for (int e = 0; e < 5; e++)
            c.arg[1][e] = 1, c.arg[2][e] = 0;
        does.argument = k == 2 ? 1 : -1, does.at = 0, does.from = does.leave = 0, does.also = k == 1 ? round_up : NULL;
        const int wrong = op_judge(&v, &tier, SWAX_PREC_F32, &c);
        does.also = NULL;
        ck_assert_int_eq(wrong, k ? 0 : -1);
        ck_assert_str_eq(v.trouble, k == 0 ? "" : k == 1 ? "add_forward on tier made-up left the rounding mode changed"
                                                         : "add_forward on tier made-up changed its input a");
        ck_assert(v.error[0] == 0 && v.bound[0] == 0);
        op_case_free(&c);
    }
}
END_TEST

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
    tcase_add_loop_test(t, what_a_kernel_does_not_own_is_poisoned, 0, SWAX_PRECISIONS);
    tcase_add_loop_test(t, no_byte_of_a_room_can_be_changed, 0, SWAX_PRECISIONS);
    tcase_add_loop_test(t, a_room_is_used_while_it_is_large_enough, 0, SWAX_PRECISIONS);
    tcase_add_loop_test(t, a_device_has_arrays_of_its_own, 0, SWAX_PRECISIONS);
    tcase_add_test(t, an_empty_slot_is_the_references);
    tcase_add_loop_test(t, what_is_timed_is_called_again, 0, SWAX_PRECISIONS);
    tcase_add_loop_test(t, how_it_rounds_is_left_as_it_was, 0, SWAX_PRECISIONS);
    tcase_add_test(t, an_argument_is_found_by_its_name);
    tcase_add_test(t, a_case_begins_anew);
    tcase_add_test(t, what_is_drawn_is_no_answer_of_the_forward);
    tcase_add_test(t, what_is_timed_is_of_the_tier);
    tcase_add_test(t, numbers_are_nudged_by_one_rounding);
    tcase_add_test(t, bounds_are_by_the_rule);
    tcase_add_test(t, bf16_holds_whole_numbers_up_to_256);
    tcase_add_test(t, trouble_is_wrong_whatever_the_numbers);
    tcase_add_test(t, small_cases_are_nudged_more_often);
    tcase_add_test(t, what_is_exact_has_no_tolerance);
    tcase_add_test(t, the_reference_tells_the_truth);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
