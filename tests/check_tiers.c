/* check_tiers.c - every kernel of every tier that this machine can run, in every precision that the tier
 * offers, against the reference in double; ref/oracle/judge.c has the rule.
 *
 * One loop iteration, and so one process, per tier and kernel: a crash is one named failure.  The last lines
 * say which tiers ran, on how many cases, and how close the worst came to its bound; REQUIRE="avx2 neon"
 * makes it a failure that one of them did not run; EVERY=16 takes every sixteenth case of each kernel, precision,
 * family and size, for an emulator, and SHARD=2/3 the second third of the cases, so that three processes do them all;
 * large cases, which are most of an emulator's work, are plain ones in a sample, and none of the reference's; by itself
 * every third is taken, and all of them where LONG is set. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/cases.h"
#include "tests/shared.h"
#include "tests/threads.h"
#include "tests/suite.h"

enum { TIERS = 16 };

/* what the children tell the parent */
static struct { long ran, cases[SWAX_PRECISIONS]; double worst[SWAX_PRECISIONS];
                char where[SWAX_PRECISIONS][OP_SENTENCE]; } *told;

static void note(int tier, enum swax_precision p, double ratio, const struct op_case *c, int arg, enum op_family family)
{
    char text[160];
    if (ratio > told[tier].worst[p]) {
        told[tier].worst[p] = ratio;
        snprintf(told[tier].where[p], OP_SENTENCE, "%s of %s, %s", swax_ops[c->op].arg[arg].name,
                 op_case_describe(c, text, sizeof text), op_family_name[family]);
    }
}

static void one_case(int tier, enum swax_precision p, struct op_case c, enum op_family family, uint64_t seed)
{
    const int op = c.op;
    struct op_verdict v;
    char text[256];
    const int bad = op_judge(&v, swax_tiers[tier], p, &c);
    op_case_describe(&c, text, sizeof text);
    ck_assert_msg(!v.trouble[0], "%s (%s, %s, %s, seed %d)", v.trouble, swax_precision_name[p], text,
                  op_family_name[family], (int)seed);
    if (bad >= 0)
        ck_abort_msg("%s %s: %s, argument %s off by %.3g (allowed %.3g), by RMS %.3g (allowed %.3g), in one direction "
                     "%.3g (allowed %.3g), %s, seed %d", swax_tiers[tier]->name, swax_precision_name[p], text,
                     swax_ops[op].arg[bad].name, v.error[bad], v.bound[bad], v.rms[bad], v.rms_bound[bad], v.bias[bad],
                     v.bias_bound[bad], op_family_name[family], (int)seed);
    told[tier].cases[p]++;
    for (int i = 0; i < c.n; i++)
        if (v.bound[i] > 0)
            note(tier, p, fmax(v.error[i] / v.bound[i], v.rms[i] / v.rms_bound[i]), &c, i, family);
    op_case_free(&c);
}

/* An earlier tier has the very same table. */
static int is_repeated(int tier, enum swax_precision p)
{
    const struct swax_tier *a = swax_tiers[tier];
    for (int t = 0; t < tier; t++) {
        const struct swax_tier *b = swax_tiers[t];
        if (p == SWAX_PREC_F32 ? a->f32 == b->f32 : p == SWAX_PREC_F64 ? a->f64 == b->f64 : a->bf16 == b->bf16)
            return 1;
    }
    return 0;
}

/* Every how many-th case: what $EVERY says, or 3; every one in `make test-long`. */
static int every(void)
{
    const int n = getenv("EVERY") ? atoi(getenv("EVERY")) : suite_long() ? 1 : 3;
    ck_assert_msg(n > 0, "EVERY is %s: a number of cases, from 1", getenv("EVERY"));
    return n;
}
/* The same for seeds that are counted down, so that the sizes that come last are in a sample: odd, as kinds of cases
 * alternate. */
static int every_odd(void) { return every() | 1; }

/* Is the next case one of this process's?  They are dealt out at random, but each time alike. */
static int is_mine(void)
{
    static uint64_t asked;
    int part, parts;
    suite_shard(&part, &parts);
    uint64_t s = asked++;
    return op_random(&s) % (uint64_t)parts == (uint64_t)part - 1;
}

START_TEST(one_kernel)
{
    static const struct { int max_dim, plain, structured; } plan[] = {
        { 9, 80, 24 }, { 33, 30, 10 }, { 70, 10, 3 }, { 150, 2, 1 }, { 300, 2, 0 } };
    const int tier = _i / swax_n_ops, op = _i % swax_n_ops;
    if (!swax_tiers[tier]->usable())
        return;
    told[tier].ran = 1;    /* in a process of its own: libgomp's threads do not survive a fork */
    for (int p = 0; p < SWAX_PRECISIONS; p++)
        for (int family = 0; family < OP_FAMILIES && op_present(swax_tiers[tier], p, op) && !is_repeated(tier, p);
             family++)
            for (int size = 0; size < (every() > 3 && (!tier || family) ? 3 : 5) && op_family_fits(op, family); size++)
                for (int n = 1; n <= (family ? plan[size].structured : plan[size].plain); n += every()) {
                    struct op_case c;
                    const uint64_t seed = (uint64_t)(1000 * size + n);
                    if (!is_mine())
                        continue;
                    use_threads(size ? 2 : 1);
                    op_case_make(&c, op, seed, family, plan[size].max_dim, p);
                    one_case(tier, p, c, family, seed);
                }
}
END_TEST

/* Cases of given sizes: what is drawn is small. */
static void cases_of(int tier, const char *name, const int sizes[][OP_DIMS], int n)
{
    const int op = op_find(name);
    if (!swax_tiers[tier]->usable())
        return;
    for (int p = 0; p < SWAX_PRECISIONS; p++)
        for (int i = 0; i < n && op_present(swax_tiers[tier], p, op) && !is_repeated(tier, p); i++) {
            struct op_case c = { .op = op };
            if (!is_mine())
                continue;
            memcpy(c.dims, sizes[i], sizeof sizes[i]);
            op_draw_scalars(&c, (uint64_t)i);
            use_threads(1 + i % 3);
            op_draw(&c, (uint64_t)i, OP_GAUSS, i % 2 ? ~0u : 0, p);
            one_case(tier, p, c, OP_GAUSS, (uint64_t)i);
        }
}

/* Sums of many steps, and rows and columns that lie so far apart that they collide in a cache. */
START_TEST(large_products)
{
    static const char *const ops[] = { "linear_forward", "linear_backward", "readout_forward", "readout_backward" };
    static const int sizes[][OP_DIMS] = { { 40, 1024, 70 }, { 70, 33, 1024 }, { 900, 48, 40 }, { 130, 2048, 24 },
                                          { 24, 41, 2048 }, { 1700, 5, 7 } };
    cases_of(_i / 4, ops[_i % 4], sizes, (int)(sizeof sizes / sizeof *sizes));
}
END_TEST

/* Rows of many vectors and a tail, in what passes over rows alone. */
START_TEST(wide_rows)
{
    static const struct { const char *forward; int sizes[2][OP_DIMS]; } of[] = {
        { "xent_forward", { { 6, 1030 }, { 3, 4099 } } },
        { "rmsnorm_forward", { { 5, 1030 }, { 9, 517 } } },
        { "headnorm_forward", { { 4, 3, 290, 1 }, { 3, 11, 131, 0 } } },
        { "embed_forward", { { 40, 17, 530 }, { 70, 3, 131 } } },
        { "rope_forward", { { 2, 33, 3, 150, 5 }, { 1, 70, 2, 259, -9 } } },
        { "skip_forward", { { 9, 11, 131 }, { 3, 2, 520 } } },
        { "conv_forward", { { 2, 40, 43, 150, 4 }, { 1, 30, 30, 77, 19 } } },
        { "decay_forward", { { 9, 7, 131 }, { 40, 150, 1 } } },
        { "swiglu_forward", { { 1030 }, { 5003 } } },
        { "softcap_forward", { { 1030 }, { 5003 } } } };
    const int ops = sizeof of / sizeof *of, tier = _i / (2 * ops), forward = op_find(of[_i / 2 % ops].forward);
    cases_of(tier, swax_ops[_i % 2 ? op_backward_of(forward) : forward].name, of[_i / 2 % ops].sizes,
             every() > 3 ? 1 : 2);
}
END_TEST

/* More heads than one walker of a sequence takes along; sequences that threads do not divide; heads wider than a block,
 * than four of them, and than a slab of states, with a last block of few tokens; behind the first FEW of each, which
 * are a sample, wide and long ones. */
START_TEST(many_heads)
{
    enum { FEW = 5 };
    static const int windows[][OP_DIMS] = { { 3, 70, 70, 22, 11, 5, 9 },   { 1, 70, 150, 4, 2, 70, 90 },
                                            { 2, 7, 140, 2, 1, 130, 200 }, { 1, 70, 70, 1, 1, 300, 66 },
                                            { 1, 70, 73, 2, 1, 66, 68 },   { 1, 140, 150, 8, 4, 130, 150 },
                                            { 2, 150, 150, 5, 5, 200, 149 }, { 1, 4200, 4210, 2, 1, 3, 70 },
                                            { 1, 4700, 4710, 1, 1, 2, 512 }, { 2, 4200, 4265, 1, 1, 2, 1 } };
    static const int cells[][OP_DIMS] = { { 1, 70, 21, 5, 9, 16, 0 }, { 2, 67, 2, 70, 66, 64, 3 },
                                          { 1, 70, 1, 300, 5, 70, 0 },
                                          { 1, 71, 1, 5, 140, 16, 1 }, { 1, 65, 2, 66, 3, 64, 2 },
                                          { 2, 140, 9, 70, 3, 64, 1 }, { 5, 66, 18, 3, 70, 80, 2 } };
    static const int rules[][OP_DIMS] = { { 1, 70, 22, 11, 5, 9, 1, 16, 1 },  { 1, 67, 3, 1, 70, 66, 1, 64, 1 },
                                          { 1, 66, 2, 2, 70, 66, 70, 65, 1 }, { 1, 71, 2, 1, 130, 5, 1, 16, 0 },
                                          { 1, 67, 3, 1, 3, 140, 3, 64, 0 } };
    static const struct { const char *forward, *backward; const int (*sizes)[OP_DIMS]; int n; } of[] = {
        { "attention_forward", "attention_backward", windows, sizeof windows / sizeof *windows },
        { "mlstm_forward", "mlstm_backward", cells, sizeof cells / sizeof *cells },
        { "delta_forward", "delta_backward", rules, sizeof rules / sizeof *rules } };
    const int which = _i / 2 % 3, tier = _i / 6, most = every() <= 3 ? of[which].n : tier ? FEW : 1;
    cases_of(tier, _i % 2 ? of[which].backward : of[which].forward, of[which].sizes, most);
}
END_TEST

/* Forget gates that are shut for good and input gates that are closed, among others: gates as far apart as floats
 * go. */
START_TEST(gates_may_be_shut_for_good)
{
    static const double shut[] = { -INFINITY, -3e38, -1e30, -1e9 };
    const int tier = _i / 2, op = op_find(_i % 2 ? "mlstm_backward" : "mlstm_forward");
    use_threads(1);
    for (int p = 0; p < SWAX_PRECISIONS && swax_tiers[tier]->usable(); p++)
        for (int seed = 40; seed > 0 && op_present(swax_tiers[tier], p, op) && !is_repeated(tier, p);
             seed -= every_odd()) {
            struct op_case c;
            if (!is_mine())
                continue;
            uint64_t random = (uint64_t)seed;
            op_case_make(&c, op, (uint64_t)seed, OP_GAUSS, seed % 4 ? 33 : 100, p);
            for (long e = 0; e < case_size(&c, "f"); e++) {
                const double u = op_uniform(&random);
                if (u < 0.3)
                    case_arg(&c, "f")[e] = op_round(shut[seed % 4] * (1 - u), STAT, p);
                else if (u > 0.8)
                    case_arg(&c, "i")[e] = -INFINITY;
            }
            if (_i % 2)
                case_refresh(&c);
            op_case_round(&c, p);
            one_case(tier, p, c, OP_SHUT, (uint64_t)seed);
        }
}
END_TEST

/* Where nothing has been written: m0 = -inf with any C0 and n0, and gates that are both shut at one token.  And m0 so
 * low that a state is as good as none, or so high that exp(-m) is no number. */
START_TEST(states_may_hold_nothing)
{
    static const double m0[] = { -INFINITY, -1e30, -300, 120, 720 };
    const int tier = _i / 2, op = op_find(_i % 2 ? "mlstm_backward" : "mlstm_forward");
    use_threads(1);
    for (int p = 0; p < SWAX_PRECISIONS && swax_tiers[tier]->usable(); p++)
        for (int seed = 60; seed > 0 && op_present(swax_tiers[tier], p, op) && !is_repeated(tier, p);
             seed -= every_odd()) {
            struct op_case c;
            if (!is_mine())
                continue;
            uint64_t random = (uint64_t)seed;
            op_case_make(&c, op, (uint64_t)seed, OP_GAUSS, seed % 4 ? 20 : 80, p);
            for (long e = 0; case_arg(&c, "m0") && e < case_size(&c, "m0"); e++)
                case_arg(&c, "m0")[e] = op_round(m0[op_random(&random) % 5], STAT, p);
            for (long e = 0; e < case_size(&c, "f"); e++) {
                const uint64_t r = op_random(&random) % 8;
                if (r < 3)
                    case_arg(&c, "i")[e] = -INFINITY;
                if (r == 2 || r == 3)
                    case_arg(&c, "f")[e] = -INFINITY;
                if (r == 4)     /* all is kept; SWAX_LOG says so by 0 */
                    case_arg(&c, "f")[e] = case_dim(&c, 'g') == 3 ? 0 : INFINITY;
            }
            if (_i % 2)
                case_refresh(&c);
            op_case_round(&c, p);
            one_case(tier, p, c, OP_SHUT, (uint64_t)seed);
        }
}
END_TEST

/* A query that sees one key takes all of it, however large the score: y = v and dv = dy, to the bit, and no gradient
 * for q and k.  On the host's tiers: a card's forward and backward need not round a score alike. */
START_TEST(one_key_has_all_the_weight)
{
    const struct swax_tier *tier = swax_tiers[_i];
    use_threads(1);
    for (int p = 0; p < SWAX_PRECISIONS && tier->usable() && !tier->memory; p++)
        for (int seed = 20; seed > 0 && op_present(tier, p, op_find("attention_forward")); seed -= every_odd()) {
            struct op_case f, b;
            if (!is_mine())
                continue;
            f.op = op_find("attention_forward");
            memcpy(f.dims, (int[]){ 2, 1 + seed * 13 % 80, 80, 3, 3, 1 + seed * 29 % 90, 1 }, 7 * sizeof(int));
            op_draw(&f, (uint64_t)seed, OP_GAUSS, 0, p);
            case_scale(&f, "q", ldexp(1, 3 * seed));
            case_like(&b, "attention_backward", &f);
            for (long e = 0; e < case_size(&b, "dy"); e++)
                case_arg(&b, "dy")[e] = case_arg(&f, "q")[e];
            ck_assert_msg(!op_run(tier, p, &f), "%s", f.trouble);
            case_give(&b, "y", case_arg(&f, "y"));
            case_give(&b, "lse", case_arg(&f, "lse"));
            ck_assert_msg(!op_run(tier, p, &b), "%s", b.trouble);
            const long row = 3L * case_dim(&f, 'D'), T = case_dim(&f, 'T');
            for (long e = 0; e < case_size(&b, "dy"); e++) {
                const long key = (e / row / T * 80 + 80 - T + e / row % T) * row + e % row;
                ck_assert_each(case_arg(&f, "y")[e] == case_arg(&f, "v")[key] &&
                                   case_arg(&b, "dv")[key] == case_arg(&b, "dy")[e] && case_arg(&b, "dq")[e] == 0 &&
                                   case_arg(&b, "dk")[key] == 0,
                               "%s %s: y %g of v %g, dv %g of dy %g, dq %g, dk %g, with q times 2^%d", tier->name,
                               swax_precision_name[p], case_arg(&f, "y")[e], case_arg(&f, "v")[key],
                               case_arg(&b, "dv")[key], case_arg(&b, "dy")[e], case_arg(&b, "dq")[e],
                               case_arg(&b, "dk")[key], 3 * seed);
            }
            op_case_free(&f);
            op_case_free(&b);
        }
}
END_TEST

/* Where an output moves with one element of an input, a NaN there is a NaN in it: a spoiled step must not look like
 * a good one.  Moves of rounding size are none. */
static void pass_on(int tier, enum swax_precision p, int op, uint64_t seed)
{
    struct op_case c;
    char text[256];
    op_case_make(&c, op, seed, OP_GAUSS, 12, p);
    op_case_describe(&c, text, sizeof text);
    for (int i = 0; i < c.n; i++) {
        struct op_case plain, moved, got;
        const int fw = op_forward_of(op), shared = fw >= 0 && op_arg_find(&swax_ops[fw], swax_ops[op].arg[i].name) >= 0;
        /* not what a backward shares with its forward: one of them changed alone is no state that a forward leaves */
        if (swax_ops[op].arg[i].role == OUT || swax_ops[op].arg[i].type == INT || !c.arg[i] || shared)
            continue;
        const long e = (long)(seed * 7919 % (uint64_t)c.size[i]);
        op_case_copy(&plain, &c);
        op_case_copy(&moved, &c);
        op_case_copy(&got, &c);
        moved.arg[i][e] += 3;
        got.arg[i][e] = NAN;
        op_run(swax_tiers[0], SWAX_PREC_F64, &plain);
        op_run(swax_tiers[0], SWAX_PREC_F64, &moved);
        ck_assert_msg(!op_run(swax_tiers[tier], p, &got), "%s", got.trouble);
        for (int o = 0; o < c.n; o++)
            for (long x = 0; x < c.size[o] && op_answers(&swax_ops[op].arg[o]) && c.arg[o]; x++)
                ck_assert_each(isnan(got.arg[o][x]) ||
                                   fabs(plain.arg[o][x] - moved.arg[o][x]) <= 1e-9 * fabs(plain.arg[o][x]),
                               "%s %s: a NaN in %s[%ld] gives %g in %s[%ld], which depends on it (%s, seed %d)",
                               swax_tiers[tier]->name, swax_precision_name[p], swax_ops[op].arg[i].name, e,
                               got.arg[o][x], swax_ops[op].arg[o].name, x, text, (int)seed);
        op_case_free(&plain);
        op_case_free(&moved);
        op_case_free(&got);
    }
    op_case_free(&c);
}

START_TEST(nan_is_passed_on)
{
    const int tier = _i / swax_n_ops, op = _i % swax_n_ops;
    use_threads(1);
    for (int p = 0; p < SWAX_PRECISIONS && swax_tiers[tier]->usable(); p++)
        for (int seed = 8; seed > 0 && op_present(swax_tiers[tier], p, op) && !is_repeated(tier, p);
             seed -= every_odd())
            if (is_mine())
                pass_on(tier, p, op, (uint64_t)seed);
}
END_TEST

/* Is element x of argument o of a token that sees element e of gate i?  All tokens of a document do: a kernel may sum
 * its gates up. */
static int sees_gate(const struct op_case *c, int i, long e, int o, long x)
{
    const struct op_spec *op = &swax_ops[c->op];
    const int start = op_arg_find(op, "start");
    if (op->arg[i].type != STAT || strncmp(op->arg[i].shape, "BT", 2) || strncmp(op->arg[o].shape, "BT", 2))
        return 0;
    const long tokens = op_extent(op, 'B', c->dims) * op_extent(op, 'T', c->dims), T = op_extent(op, 'T', c->dims);
    const long a = e / (c->size[i] / tokens), b = x / (c->size[o] / tokens);
    return a / T == b / T && (!c->arg[start] || c->arg[start][a] == c->arg[start][b]);
}

/* On a card the delta rule is done in another way where a chunk is spoiled, token by token: not the same bits, but
 * within the bounds of the unspoiled case. */
static int goes_by_token(int tier, enum swax_precision p, const struct op_case *c)
{
    return swax_tiers[tier]->memory && p == SWAX_PREC_BF16 && !strncmp(swax_ops[c->op].name, "delta_", 6);
}

/* Its forget gate's gradient is a sum over the tokens on one side of it, whichever has less to cancel: a token
 * that it does not depend on is in it with both signs, or not at all.  So it is not the same bits, but it is a number,
 * and the same one as far as the bound by RMS goes (judge.c). */
static int is_as_good(int tier, enum swax_precision p, const struct op_case *c, int o, long x,
                      const struct op_case *got, const struct op_case *right, const struct op_verdict *v)
{
    double square = 0, most = 0;
    for (long e = 0; e < c->size[o]; e++)
        most = fmax(most, fabs(right[0].arg[o][e]));
    if (goes_by_token(tier, p, c))
        return fabs(got[1].arg[o][x] - right[0].arg[o][x]) <= v->bound[o] * most;
    if (!swax_tiers[tier]->memory || p != SWAX_PREC_BF16 || strcmp(swax_ops[c->op].name, "mlstm_backward") ||
        strcmp(swax_ops[c->op].arg[o].name, "df"))
        return 0;
    for (long e = 0; e < c->size[o]; e++)
        square += got[0].arg[o][e] * got[0].arg[o][e];
    return fabs(got[1].arg[o][x] - got[0].arg[o][x]) <= 2e-2 * sqrt(square / (double)c->size[o]);
}

/* ... and nothing else is.  One number of an input is spoiled, and what the backward reads of its forward is what the
 * forward makes of that: where the reference in double stays as it was, to the bit, so does every tier. */
static void pass_on_no_further(int tier, enum swax_precision p, int op, uint64_t seed, int max_dim)
{
    static const double odd[] = { NAN, INFINITY, -INFINITY };
    const int forward = op_forward_of(op);
    struct op_case c;
    char text[256];
    op_case_make(&c, op, seed, OP_GAUSS, max_dim, p);
    op_case_describe(&c, text, sizeof text);
    for (int i = 0; i < c.n; i++) {
        struct op_case right[2], got[2];
        struct op_verdict v = { .error = { 0 } };
        const struct op_arg *arg = &swax_ops[op].arg[i];
        const int saved = forward >= 0 ? op_arg_find(&swax_ops[forward], arg->name) : -1;
        if (arg->role == OUT || arg->type == INT || !c.arg[i] ||
            (saved >= 0 && swax_ops[forward].arg[saved].role == OUT))
            continue;
        const long e = (long)(seed * 7919 % (uint64_t)c.size[i]);
        /* a gate may be infinite, and is then as good as any other */
        const double value = odd[arg->type == REAL ? (seed + (uint64_t)i) % 3 : 0];
        for (int spoiled = 0; spoiled < 2; spoiled++) {
            op_case_copy(&right[spoiled], &c);
            if (spoiled)
                right[spoiled].arg[i][e] = value;
            if (saved >= 0)
                case_refresh(&right[spoiled]);
            for (int a = 0; a < c.n; a++)
                for (long x = 0; x < c.size[a] && c.arg[a]; x++)
                    right[spoiled].arg[a][x] = op_round(right[spoiled].arg[a][x], swax_ops[op].arg[a].type, p);
            op_case_copy(&got[spoiled], &right[spoiled]);
            if (!spoiled && goes_by_token(tier, p, &c)) {
                struct op_case truth;
                op_truth(&truth, &v, p, &right[0]);
                op_case_free(&truth);
            }
            ck_assert_msg(!op_run(swax_tiers[tier], p, &got[spoiled]), "%s", got[spoiled].trouble);
            op_run(swax_tiers[0], SWAX_PREC_F64, &right[spoiled]);
        }
        for (int o = 0; o < c.n; o++)
            for (long x = 0; x < c.size[o] && swax_ops[op].arg[o].role != IN && c.arg[o]; x++)
                ck_assert_each(
                    right[0].arg[o][x] != right[1].arg[o][x] || sees_gate(&c, i, e, o, x) ||
                        got[0].arg[o][x] == got[1].arg[o][x] || is_as_good(tier, p, &c, o, x, got, right, &v),
                    "%s %s: %g in %s[%ld] makes %g of %g in %s[%ld], which does not depend on it (%s, seed %d)",
                    swax_tiers[tier]->name, swax_precision_name[p], value, arg->name, e, got[1].arg[o][x],
                    got[0].arg[o][x], swax_ops[op].arg[o].name, x, text, (int)seed);
        for (int spoiled = 0; spoiled < 2; spoiled++) {
            op_case_free(&right[spoiled]);
            op_case_free(&got[spoiled]);
        }
    }
    op_case_free(&c);
}

START_TEST(nan_is_passed_on_no_further)
{
    const int tier = _i / swax_n_ops, op = _i % swax_n_ops, in_blocks = strchr(swax_ops[op].dims, 'T') != NULL;
    use_threads(1);
    for (int p = 0; p < SWAX_PRECISIONS && swax_tiers[tier]->usable(); p++)
        for (int seed = 24; seed > 0 && op_present(swax_tiers[tier], p, op) && !is_repeated(tier, p);
             seed -= every_odd())
            if (is_mine())
                pass_on_no_further(tier, p, op, (uint64_t)seed, in_blocks && seed % 12 == 0 ? 80 : 14);
}
END_TEST

/* The 2x rule would let a cast truncate: it is judged to the bit instead. */
START_TEST(cast_rounds_to_nearest_even)
{
    const int op = op_find("cast");
    if (!swax_tiers[_i]->usable() || !op_present(swax_tiers[_i], SWAX_PREC_BF16, op))
        return;
    const double u = 1.0 / 256, x[] = { 1, 1 + u, 1 + 3*u, -1 - u, 1 + u + u/256, 1 + u - u/256, 0, -0.0, 3.3895e38,
                                        3.4e38, -3.4e38, 1e-40, 1e-45, 1.17e-38, INFINITY, -INFINITY, NAN };
    struct op_case c = { .op = op, .dims = { 1000 } };
    uint64_t s = 1;
    op_case_alloc(&c, 0);
    for (long e = 0; e < c.size[1]; e++)
        c.arg[1][e] = e < (long)(sizeof x / sizeof x[0]) ? (double)(float)x[e] : (double)(float)op_normal(&s);
    ck_assert_msg(!op_run(swax_tiers[_i], SWAX_PREC_BF16, &c), "%s", c.trouble);
    for (long e = 0; e < c.size[1]; e++) {
        const double right = op_round(c.arg[1][e], REAL, SWAX_PREC_BF16);
        ck_assert_msg(c.arg[0][e] == right || (isnan(right) && isnan(c.arg[0][e])), "%s: %.9g became %.9g, not %.9g",
                      swax_tiers[_i]->name, c.arg[1][e], c.arg[0][e], right);
    }
    op_case_free(&c);
}
END_TEST

/* The tiers named in $REQUIRE that did not run. */
static int missing(void)
{
    char names[200] = "";
    int n = 0;
    if (getenv("REQUIRE"))
        snprintf(names, sizeof names, "%s", getenv("REQUIRE"));
    for (char *name = strtok(names, " ,"); name; name = strtok(NULL, " ,")) {
        int ran = 0;
        for (int t = 0; t < swax_n_tiers; t++)
            ran = ran || (told[t].ran && !strcmp(swax_tiers[t]->name, name));
        if (!ran) {
            printf("REQUIRE: the tier %s did not run\n", name);
            n++;
        }
    }
    return n;
}

int main(void)
{
    Suite *s = suite_create("tiers");
    TCase *tc = tcase_create("kernels");
    told = shared_memory(TIERS * sizeof *told);
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, one_kernel, 0, swax_n_tiers * swax_n_ops);
    tcase_add_loop_test(tc, large_products, 0, swax_n_tiers * 4);
    tcase_add_loop_test(tc, wide_rows, 0, swax_n_tiers * 20);
    tcase_add_loop_test(tc, many_heads, 0, swax_n_tiers * 6);
    tcase_add_loop_test(tc, gates_may_be_shut_for_good, 0, swax_n_tiers * 2);
    tcase_add_loop_test(tc, states_may_hold_nothing, 0, swax_n_tiers * 2);
    tcase_add_loop_test(tc, one_key_has_all_the_weight, 0, swax_n_tiers);
    tcase_add_loop_test(tc, nan_is_passed_on, 0, swax_n_tiers * swax_n_ops);
    tcase_add_loop_test(tc, nan_is_passed_on_no_further, 0, swax_n_tiers * swax_n_ops);
    tcase_add_loop_test(tc, cast_rounds_to_nearest_even, 0, swax_n_tiers);
    suite_add_tcase(s, tc);
    int failed = suite_ends(s);

    for (int t = 0; t < swax_n_tiers; t++) {
        if (!told[t].ran)
            printf("skipped: tier %s is built, but this machine cannot run it\n", swax_tiers[t]->name);
        for (int p = 0; p < SWAX_PRECISIONS; p++)
            if (told[t].cases[p])
                printf("tier %-7s %s  %6ld cases, worst error/bound %.2f: %s\n", swax_tiers[t]->name,
                       swax_precision_name[p], told[t].cases[p], told[t].worst[p], told[t].where[p]);
    }
    failed += missing();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
