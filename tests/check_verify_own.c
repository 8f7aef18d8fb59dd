/* check_verify_own.c - a reference that somebody brings: what is wrong with a kernel or with its description is said,
 * and an honest one passes. */
#include <check.h>
#include <fenv.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ref/bf16.h"
#include "tools/lib/json.h"
#include "tools/verify/own.h"
#include "tests/golden.h"
#include "tests/scratch.h"
#include "tests/suite.h"

static char why[SWAX_WHY];

/* ---- a norm of heads with the weight 1 + w, and the sum of its squares, which is kept in float: y, q <- x, w */

static const char description[] =
    "{\"function\": \"f\", \"sizes\": {\"N\": [1, 40], \"H\": {\"from\": 2, \"to\": 6, \"word\": \"heads\"}, \"C\": "
    "[2, 140]},"
    " \"scalars\": {\"eps\": [1e-6, 1e-2]}, \"tensors\": [{\"name\": \"y\", \"shape\": \"NHC\", \"is\": \"output\"}, "
    "{\"name\": \"q\", \"shape\": \"NH\", \"is\": \"output\","
    " \"statistic\": true}, {\"name\": \"dw\", \"shape\": \"HC\", \"is\": \"added\", \"statistic\": true}, {\"name\": "
    "\"x\", \"shape\": \"NHC\", \"is\": \"input\"},"
    " {\"name\": \"w\", \"shape\": \"HC\", \"is\": \"input\", \"like\": \"weight\"}]}";

enum {
    RIGHT,
    REVERSED,
    ZEROS,
    NOTHING,
    TAIL,
    TWICE,
    NO_ONE,
    NEXT_HEAD,
    TRANSPOSED,
    OVERWRITES,
    BEHIND,
    INPUT,
    CRASHES,
    ENDS,
    ROUNDS,
    BY_ADDRESS,
    LATER,
    BIASED,
    TRICKS
};
static int trick, calls;

#define NORM(name, real, stat, in, out, of)                                                                            \
    static void name(void *const *t, const int *s, const double *scalar)                                               \
    {                                                                                                                  \
        const int N = s[0], H = s[1], C = s[2], how = of;                                                              \
        real *y = t[0];                                                                                                \
        stat *q = t[1], *dw = t[2];                                                                                    \
        const real *x = t[3], *w = t[4];                                                                               \
        static const void *last;                                                                                       \
        if (how == NOTHING || (how == BY_ADDRESS && last == x))                                                        \
            return;                                                                                                    \
        last = x;                                                                                                      \
        for (int n = 0; n < N; n++)                                                                                    \
            for (int h = 0; h < H; h++) {                                                                              \
                const real *row = x + (n * H + (how == NEXT_HEAD ? (h + 1) % H : h)) * C;                              \
                stat sum = 0;                                                                                          \
                for (int c = 0; c < C; c++) {                                                                          \
                    const stat e = in(row[how == REVERSED ? C - 1 - c : c]);                                           \
                    sum += e * e;                                                                                      \
                }                                                                                                      \
                q[n * H + h] = how == ZEROS ? 0 : sum;                                                                 \
                for (int c = 0; c < C; c++) {                                                                          \
                    const stat r = 1 / sqrt(sum / (stat)C + (stat)scalar[0]),                                          \
                               v = in(row[c]) * r * ((how == NO_ONE ? 0 : 1) + in(w[h * C + c]));                      \
                    const int at = how == TRANSPOSED ? (n * H + h) * C + c : 0,                                        \
                              to =                                                                                     \
                                  how == TRANSPOSED ? at % (H * C) / C + at % C * H + n * H * C : (n * H + h) * C + c; \
                    if (!(how == TAIL && n == N - 1 && N > 1))                                                         \
                        y[to] = out(how == ZEROS ? 0 : how == TWICE ? 2 * v : how == BIASED ? (stat)1.003 * v : v);    \
                    if (how != ZEROS)                                                                                  \
                        dw[h * C + c] = (how == OVERWRITES && !n ? 0 : dw[h * C + c]) + in(row[c]) * r;                \
                }                                                                                                      \
            }                                                                                                          \
        if (how == BEHIND)                                                                                             \
            y[N * H * C] = out(1);                                                                                     \
        if (how == INPUT)                                                                                              \
            ((real *)t[3])[0] = out(3);                                                                                \
        if (how == CRASHES && N > 20)                                                                                  \
            raise(SIGSEGV);                                                                                            \
        if (how == ENDS && N > 20)                                                                                     \
            exit(0);                                                                                                   \
        if (how == ROUNDS)                                                                                             \
            fesetround(FE_UPWARD);                                                                                     \
        if (how == LATER && ++calls > 20)                                                                              \
            y[0] = out(in(y[0]) + 1);                                                                                  \
    }
#define AS_IS(x) (x)
NORM(plain32, float, float, AS_IS, AS_IS, RIGHT)
NORM(plain64, double, double, AS_IS, AS_IS, RIGHT)
NORM(mine32, float, float, AS_IS, AS_IS, trick)
NORM(mine64, double, double, AS_IS, AS_IS, trick)
NORM(mine16, swax_bf16, float, bf16_to_float, bf16_from_float, trick)

/* The plain function, and a candidate of it that is called "mine". */
#define LOADS(name, plain32, plain64, mine32, mine64, mine16)                                                          \
    static const char *name(own_function *f[SWAX_PRECISIONS], const struct own *w, const char *library, char *wrong)   \
    {                                                                                                                  \
        const int mine = !strcmp(library, "mine");                                                                     \
        (void)w, (void)wrong;                                                                                          \
        f[SWAX_PREC_F32] = mine ? mine32 : plain32;                                                                    \
        f[SWAX_PREC_F64] = mine ? mine64 : plain64;                                                                    \
        f[SWAX_PREC_BF16] = NULL;                                                                                      \
        if (mine)                                                                                                      \
            f[SWAX_PREC_BF16] = mine16;                                                                                \
        return NULL;                                                                                                   \
    }
LOADS(load, plain32, plain64, mine32, mine64, mine16)

static const struct { int how; const char *says;
} tricks[TRICKS] = {
    { RIGHT, NULL },
    { REVERSED, NULL },
    { ZEROS, "all zeros" },
    { NOTHING, "not written" },
    { TAIL, "not written in" },
    { TWICE, "times what it should be" },
    { NO_ONE, "out of bound" },
    { NEXT_HEAD, "H (heads)" },
    { TRANSPOSED, "transposed in memory, H with C" },
    { OVERWRITES, "dw" },
    { BEHIND, "wrote behind the end of y" },
    { INPUT, "changed its input x" },
    { CRASHES, "crashed: Segmentation fault" },
    { ENDS, "ended the process" },
    { ROUNDS, "left the rounding mode changed" },
    { BY_ADDRESS, "it is right at first and wrong in later calls" },
    { LATER, "" },
    { BIASED, "WRONG" },
};

struct asking { own_load *load; const char *tensors, *suite; int seed; enum dtype dtype; int json, alone; };
struct answer { char said[8192]; const char *wrong; int status; };

/* Of the quick suite with seed 3, unless others are asked for; alone: the problem of that number behind 1. */
static struct answer ask(struct asking a)
{
    struct answer is = {.status = 0};
    FILE *f = fopen(scratch("own.json"), "w"), *o = tmpfile();
    ck_assert(f && o);
    fputs(a.tensors, f);
    fclose(f);
    is.wrong = verify_own(&(struct own_asked){ .reference = "plain",
                                               .candidate = "mine",
                                               .tensors = scratch("own.json"),
                                               .suite = a.suite ? a.suite : "quick",
                                               .load = a.load,
                                               .seed = a.seed ? (uint64_t)a.seed : 3,
                                               .dtype = a.dtype,
                                               .only = a.alone - 1,
                                               .json = a.json },
                          o, &is.status, why);
    rewind(o);
    is.said[fread(is.said, 1, sizeof is.said - 1, o)] = 0;
    fclose(o);
    return is;
}

/* The verdict, where there has to be one. */
static int verdict_of(const struct answer *is)
{
    ck_assert_msg(!is->wrong, "%s", is->wrong);
    return is->status;
}

START_TEST(tricks_are_refused_and_named)
{
    const enum dtype dtype = (enum dtype)(_i / TRICKS);
    trick = _i % TRICKS;
    const struct answer is = ask((struct asking){load, description, .dtype = dtype});
    const int good = !tricks[trick].says;
    ck_assert_msg(verdict_of(&is) == !good, "trick %d in %s: %s", trick, dtype_name[dtype], is.said);
    ck_assert_msg(good || strstr(is.said, tricks[trick].says), "trick %d in %s: no \"%s\" in\n%s", trick,
                  dtype_name[dtype], tricks[trick].says, is.said);
}
END_TEST

/* ---- answers that are kept, and given again where some of what is given is as it was */

enum {
    BY_X,
    BY_W,
    BY_BEFORE,
    BUT_X,
    BUT_W,
    BUT_BEFORE,
    BUT_EPS,
    BY_ENDS,
    BY_SUMS,
    BY_EACH_EIGHTH,
    BY_ALL,
    KEYS
};
static int keyed_by;

static void kept(void *const *t, const int *s, const double *scalar)
{
    enum { N_MOST = 40 * 6 * 140 };
    static double last[8];
    static float y[N_MOST], q[N_MOST], dw[N_MOST];
    static int any;
    const long n[3] = {s[0] * s[1] * s[2], s[1] * s[2], s[1] * s[2]};
    const float *of[3] = {t[3], t[4], t[2]};      /* x, w, and what stands where dw is added to */
    double key[8] = {s[0], s[1], s[2], keyed_by == BUT_EPS ? 0 : scalar[0]};
    for (int i = 0; i < 3; i++) {
        const int alone = keyed_by <= BY_BEFORE && i != keyed_by - BY_X,
                  left_out = keyed_by >= BUT_X && keyed_by <= BUT_BEFORE && i == keyed_by - BUT_X;
        for (long e = 0; e < n[i] && !alone && !left_out; e++)
            key[4 + i] += keyed_by == BY_ENDS          ? (e == 0 || e == n[i] - 1) * of[i][e]
                          : keyed_by == BY_SUMS        ? of[i][e]
                          : keyed_by == BY_EACH_EIGHTH ? (e % 8 == 0) * (double)(e + 1) * of[i][e]
                                                       : (double)(e + 1) * of[i][e];
    }
    if (any && !memcmp(last, key, sizeof key)) {
        memcpy(t[0], y, (size_t)n[0] * sizeof *y);
        memcpy(t[1], q, (size_t)(s[0] * s[1]) * sizeof *q);
        memcpy(t[2], dw, (size_t)n[2] * sizeof *dw);
        return;
    }
    plain32(t, s, scalar);
    any = 1;
    memcpy(last, key, sizeof key);
    memcpy(y, t[0], (size_t)n[0] * sizeof *y);
    memcpy(q, t[1], (size_t)(s[0] * s[1]) * sizeof *q);
    memcpy(dw, t[2], (size_t)n[2] * sizeof *dw);
}

LOADS(load_kept, plain32, plain64, kept, plain64, NULL)

/* Whoever keeps answers has to compare all that he is given: who compares one input, all but one, some numbers of each,
 * or their sums, is refused by the quick suite. */
START_TEST(answers_kept_by_a_part_of_the_inputs_are_refused)
{
    keyed_by = _i;
    const struct answer is = ask((struct asking){load_kept, description, .dtype = DT_F32});
    ck_assert_msg(verdict_of(&is) == (keyed_by != BY_ALL), "key %d: %s", keyed_by, is.said);
    ck_assert_msg(keyed_by == BY_ALL || strstr(is.said, "it gives the answer of the call before to other numbers"),
                  "key %d: %s", keyed_by, is.said);
}
END_TEST

/* ---- a variance, v <- x: of the distances from the mean, in reverse, or the mean of squares less the mean's */

static int by_squares;
#define VARIANCE(name, real, squares)                                                                                  \
    static void name(void *const *t, const int *s, const double *scalar)                                               \
    {                                                                                                                  \
        (void)scalar;                                                                                                  \
        for (int n = 0; n < s[0]; n++) {                                                                               \
            const real *x = (const real *)t[1] + n * s[1];                                                             \
            real sum = 0, of_squares = 0, far = 0;                                                                     \
            for (int c = s[1] - 1; c >= 0; c--)                                                                        \
                sum += x[c], of_squares += x[c] * x[c];                                                                \
            const real mean = sum / (real)s[1];                                                                        \
            for (int c = 0; c < s[1]; c++)                                                                             \
                far += (x[c] - mean) * (x[c] - mean);                                                                  \
            ((real *)t[0])[n] = squares ? of_squares / (real)s[1] - mean * mean : far / (real)s[1];                    \
        }                                                                                                              \
    }
VARIANCE(variance32, float, 0)
VARIANCE(variance64, double, 0)
VARIANCE(squares32, float, by_squares)
VARIANCE(squares64, double, by_squares)

LOADS(load_variance, variance32, variance64, squares32, squares64, NULL)

/* Inputs with a mean far from 0 tell a difference of squares from a variance. */
START_TEST(a_variance_by_squares_is_refused)
{
    static const char of[] = "{\"function\": \"v\", \"sizes\": {\"N\": [1, 40], \"C\": [2, 300]}, \"tensors\": "
                             "[{\"name\": \"v\", \"shape\": \"N\", \"is\": \"output\"}, "
                             "{\"name\": \"x\", \"shape\": \"NC\", \"is\": \"input\"}]}";
    for (int k = 0; k < 4; k++) {
        by_squares = k / 2;
        const struct answer is = ask((struct asking){load_variance, of, .dtype = k % 2 ? DT_F64 : DT_F32});
        ck_assert_msg(verdict_of(&is) == by_squares, "%s, %s: %s", k % 2 ? "f64" : "f32",
                      by_squares ? "by squares" : "by distances", is.said);
    }
}
END_TEST

/* ---- the maximum and the sum of a row, y, s <- x, in one block: what is behind it is lost */

static int block;
#define ROW(name, real, upto)                                                                                          \
    static void name(void *const *t, const int *s, const double *scalar)                                               \
    {                                                                                                                  \
        (void)scalar;                                                                                                  \
        for (int n = 0; n < s[0]; n++) {                                                                               \
            const real *x = (const real *)t[2] + n * s[1];                                                             \
            real most = x[0], sum = 0;                                                                                 \
            for (int c = 0; c < s[1]; c++) {                                                                           \
                most = c < (upto) && x[c] > most ? x[c] : most;                                                        \
                sum += c < 2 * (upto) ? x[c] : 0;                                                                      \
            }                                                                                                          \
            ((real *)t[0])[n] = most, ((real *)t[1])[n] = sum;                                                         \
        }                                                                                                              \
    }
ROW(row32, float, 1 << 20)
ROW(row64, double, 1 << 20)
ROW(block32, float, block)

LOADS(load_rows, row32, row64, block32, row64, NULL)

/* Both are refused, also where the range ends just behind the block; and it is said that only tall rows are wrong, of
 * those that are asked in common problems, that are small. */
START_TEST(what_is_behind_a_large_block_is_asked)
{
    static const char *const suites[] = {"quick", "standard"};
    static const int blocks[] = {256, 512, 1024, 2048, 4096, 1 << 19};
    const int honest = blocks[_i / 4] == 1 << 19, quick = _i % 2 == 0, narrow = _i / 2 % 2;
    char of[300];
    block = blocks[_i / 4];
    snprintf(of, sizeof of,
             "{\"function\": \"r\", \"sizes\": {\"N\": [1, 3], \"C\": [1, %d]}, \"tensors\": [{\"name\": \"y\", "
             "\"shape\": \"N\", \"is\": \"output\"}, {\"name\": \"s\", \"shape\": \"N\", \"is\": \"output\"}, "
             "{\"name\": \"x\", \"shape\": \"NC\", \"is\": \"input\"}]}",
             honest || !narrow ? 9000 : block + block / 50);
    const struct answer is = ask((struct asking){load_rows, of, suites[!quick], .dtype = DT_F32});
    ck_assert_msg(verdict_of(&is) == !honest, "a block of %d, suite=%s: %s", block, suites[!quick], is.said);
    ck_assert_msg(!strstr(is.said, "Not asked"), "%s", is.said);
    if (narrow && quick && block == 256)
        ck_assert_msg(strstr(is.said, "It is wrong with C=2") && strstr(is.said, "let the range of C end below"), "%s",
                      is.said);
}
END_TEST

/* ---- the largest, the least, and the largest of squares of a row, y, z, s <- x, from a number that may be inside */

static const struct { float most, least, square; } begins[] = {
    { -INFINITY, INFINITY, 0 },  { 0, INFINITY, 0 },  { 1.1754944e-38f, INFINITY, 0 }, { -1, INFINITY, 0 },
    { -5, INFINITY, 0 },         { -INFINITY, 0, 0 }, { -INFINITY, 1, 0 },             { -INFINITY, 30, 0 },
    { -INFINITY, INFINITY, 0.5 },
};
static int begun;
#define ENDS(name, real, begin)                                                                                        \
    static void name(void *const *t, const int *s, const double *scalar)                                               \
    {                                                                                                                  \
        (void)scalar;                                                                                                  \
        for (int n = 0; n < s[0]; n++) {                                                                               \
            const real *x = (const real *)t[3] + n * s[1];                                                             \
            real most = begins[begin].most, least = begins[begin].least, square = begins[begin].square;                \
            for (int c = 0; c < s[1]; c++) {                                                                           \
                most = x[c] > most ? x[c] : most;                                                                      \
                least = x[c] < least ? x[c] : least;                                                                   \
                square = x[c] * x[c] > square ? x[c] * x[c] : square;                                                  \
            }                                                                                                          \
            ((real *)t[0])[n] = most, ((real *)t[1])[n] = least, ((real *)t[2])[n] = square;                           \
        }                                                                                                              \
    }
ENDS(ends32, float, 0)
ENDS(ends64, double, 0)
ENDS(begun32, float, begun)

LOADS(load_ends, ends32, ends64, begun32, ends64, NULL)

/* Numbers that all have one sign, far from 0, and logits that all are far below: what begins at a number that none of
 * them passes is refused by the quick suite. */
START_TEST(what_begins_inside_is_refused)
{
    static const char *const likes[] = {"normal", "logit"};
    const int like = _i % 2;
    char of[360];
    begun = _i / 2;
    snprintf(of, sizeof of,
             "{\"function\": \"m\", \"sizes\": {\"N\": [1, 3], \"C\": [1, 100]}, \"tensors\": [{\"name\": \"y\", "
             "\"shape\": \"N\", \"is\": \"output\"}, {\"name\": \"z\", \"shape\": \"N\", \"is\": \"output\"}, "
             "{\"name\": \"s\", \"shape\": \"N\", \"is\": \"output\"}, "
             "{\"name\": \"x\", \"shape\": \"NC\", \"is\": \"input\", \"like\": \"%s\"}]}", likes[like]);
    const struct answer is = ask((struct asking){load_ends, of, .dtype = DT_F32});
    ck_assert_msg(verdict_of(&is) == (begun > 0) || (like && begun >= 6), "%d, %s: %s", begun, likes[like], is.said);
}
END_TEST

/* The sum of rows and of all, one number after the other in float, against a plain function that sums in double. */
#define SUMS(name, real, total)                                                                                        \
    static void name(void *const *t, const int *s, const double *scalar)                                               \
    {                                                                                                                  \
        total all = 0;                                                                                                 \
        (void)scalar;                                                                                                  \
        for (int n = 0; n < s[0]; n++) {                                                                               \
            const real *x = (const real *)t[2] + n * s[1];                                                             \
            total sum = 0;                                                                                             \
            for (int c = 0; c < s[1]; c++)                                                                             \
                sum += x[c], all += x[c];                                                                              \
            ((real *)t[0])[n] = (real)sum;                                                                             \
        }                                                                                                              \
        *(real *)t[1] = (real)all;                                                                                     \
    }
SUMS(finely32, float, double)
SUMS(finely64, double, double)
SUMS(in_turn32, float, float)

LOADS(load_sums, finely32, finely64, in_turn32, finely64, NULL)

START_TEST(sums_of_many_terms_may_be_in_turn)
{
    static const char *const likes[] = {"normal", "positive"};
    char of[300];
    snprintf(of, sizeof of,
             "{\"function\": \"s\", \"sizes\": {\"N\": [1, 200], \"C\": [1, 9000]}, \"tensors\": [{\"name\": \"s\", "
             "\"shape\": \"N\", \"is\": \"output\"}, {\"name\": \"all\", \"shape\": \"\", \"is\": \"output\"}, "
             "{\"name\": \"x\", \"shape\": \"NC\", \"is\": \"input\", \"like\": \"%s\"}]}", likes[_i]);
    const struct answer is = ask((struct asking){load_sums, of, .seed = 4, .dtype = DT_F32});
    ck_assert_msg(!verdict_of(&is), "%s", is.said);
}
END_TEST

/* ---- the gradient of a layer norm, dx <- dy, x, w: of centred numbers, or of sums that cancel, as libraries do */

#define SLOPE(name, real, centred)                                                                                     \
    static void name(void *const *t, const int *s, const double *scalar)                                               \
    {                                                                                                                  \
        const int C = s[1];                                                                                            \
        const real *w = t[3], n = (real)C;                                                                             \
        for (int row = 0; row < s[0]; row++) {                                                                         \
            const real *dy = (const real *)t[1] + row * C, *x = (const real *)t[2] + row * C;                          \
            real *dx = (real *)t[0] + row * C, mean = 0, var = 0, sum = 0, by_x = 0;                                   \
            for (int c = 0; c < C; c++)                                                                                \
                mean += x[c] / n;                                                                                      \
            for (int c = 0; c < C; c++)                                                                                \
                var += (x[c] - mean) * (x[c] - mean) / n;                                                              \
            const real r = 1 / (real)sqrt(var + (real)scalar[0]);                                                      \
            for (int c = 0; c < C; c++) {                                                                              \
                sum += dy[c] * w[c];                                                                                   \
                by_x += dy[c] * w[c] * (centred ? (x[c] - mean) * r : x[c]);                                           \
            }                                                                                                          \
            const real b = (sum * mean - by_x) * r * r * r / n, a = -b * mean - sum * r / n;                           \
            for (int c = 0; c < C; c++)                                                                                \
                dx[c] = centred ? r * (dy[c] * w[c] - sum / n - (x[c] - mean) * r * (by_x / n))                        \
                                : r * dy[c] * w[c] + b * x[c] + a;                                                     \
        }                                                                                                              \
    }
SLOPE(centred32, float, 1)
SLOPE(centred64, double, 1)
SLOPE(by_sums32, float, 0)
LOADS(load_slope, centred32, centred64, by_sums32, centred64, NULL)

/* Of one element nothing is left of it, and of two hardly anything: what float leaves there is luck. */
START_TEST(a_norm_of_few_elements_is_good)
{
    static const char of[] =
        "{\"function\": \"d\", \"sizes\": {\"N\": [1, 9], \"C\": [1, 4]}, \"scalars\": {\"eps\": [1e-5, 1e-5]}, "
        "\"tensors\": [{\"name\": \"dx\", \"shape\": \"NC\", \"is\": \"gradient\"}, "
        "{\"name\": \"dy\", \"shape\": \"NC\", \"is\": \"input\"}, {\"name\": \"x\", \"shape\": \"NC\", "
        "\"is\": \"input\"}, {\"name\": \"w\", \"shape\": \"C\", \"is\": \"input\", \"like\": \"weight\"}]}";
    int refused = 0;
    for (int seed = 1; seed <= 30; seed++) {
        const struct answer is = ask((struct asking){load_slope, of, .seed = seed, .dtype = DT_F32});
        refused += verdict_of(&is);
    }
    ck_assert_msg(!refused, "%d of 30 suites refuse it", refused);
}
END_TEST

/* What is said to have just that problem again: its words, and the problem is wrong in the same way. */
START_TEST(the_worst_problem_is_said_and_can_be_had_alone)
{
    static const int of[] = {TAIL, NEXT_HEAD, CRASHES};
    struct asking all = {load, description, .dtype = DT_F32};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        trick = of[k];
        const struct answer is = ask(all);
        ck_assert(verdict_of(&is) == 1);
        const char *at = strstr(is.said, "replay:    swax verify own reference=plain candidate=mine tensors=");
        ck_assert_msg(at && strstr(at, " suite=quick seed=3 dtype=f32 number="), "%s", is.said);
        struct asking alone = all;
        alone.alone = 1 + atoi(strstr(at, "number=") + strlen("number="));
        const struct answer again = ask(alone);
        ck_assert(verdict_of(&again) == 1);
        ck_assert_msg(strstr(again.said, "1 of 1 cases") || strstr(again.said, "crashed"), "%s", again.said);
    }
    trick = RIGHT;
    const struct answer is = ask(all);
    ck_assert(!verdict_of(&is) && !strstr(is.said, "replay"));
}
END_TEST

/* ---- descriptions */

#define SIZES "\"function\": \"f\", \"sizes\": {\"N\": [1, 9]}"
#define X "{\"name\": \"x\", \"shape\": \"N\", \"is\": \"input\"}"
#define Y "{\"name\": \"y\", \"shape\": \"N\", \"is\": \"output\"}"
static const struct { const char *text, *says;
} wrongs[] = {
    { "{", "line 1" },
    { "[]", "is no object" },
    { "{}", "\"function\" is the name" },
    { "{\"function\": \"2f\"}", "\"function\" is the name" },
    { "{\"funktion\": \"f\"}", "did you mean function?" },
    { "{\"function\": \"f\"}", "\"sizes\" has each size by its letter" },
    { "{\"function\": \"f\", \"sizes\": {\"N\": [1, 9]}}", "\"tensors\" is a list" },
    { "{\"function\": \"f\", \"sizes\": {\"rows\": 3}, \"tensors\": [" X "]}", "called by one letter, not \"rows\"" },
    { "{\"function\": \"f\", \"sizes\": {\"N\": [9, 1]}, \"tensors\": [" X "]}", "there is nothing from 9 to 1" },
    { "{\"function\": \"f\", \"sizes\": {\"N\": \"many\"}, \"tensors\": [" X "]}",
      "size N is a number, as 64, a range" },
    { "{\"function\": \"f\", \"sizes\": {\"N\": {\"divides\": \"H\"}}, \"tensors\": [" X "]}",
      "the letter of a size that stands before it" },
    { "{\"function\": \"f\", \"sizes\": {\"N\": {\"from\": 1}}, \"tensors\": [" X "]}", "from \"from\" to \"to\"" },
    { "{\"function\": \"f\", \"sizes\": {\"N\": {\"upto\": 1}}, \"tensors\": [" X "]}", "size N has no key \"upto\"" },
    { "{\"function\": \"f\", \"sizes\": {\"N\": {\"of\": []}}, \"tensors\": [" X "]}", "\"of\" is a list of 1 to 16" },
    { "{" SIZES ", \"scalars\": [], \"tensors\": [" X "]}", "\"scalars\" has each scalar by its name" },
    { "{" SIZES ", \"scalars\": {\"eps\": \"small\"}, \"tensors\": [" X "]}",
      "scalar eps is a number, as 0.5, or a range" },
    { "{" SIZES ", \"scalars\": {\"eps\": [1, 0]}, \"tensors\": [" X "]}", "scalar eps: there is nothing from 1 to 0" },
    { "{" SIZES ", \"tensors\": [3]}", "tensor number 1 needs a name" },
    { "{" SIZES ", \"tensors\": [" X ", " X "]}", "there are two tensors \"x\"" },
    { "{" SIZES ", \"tensors\": [{\"name\": \"x\", \"is\": \"input\"}]}", "\"shape\" is up to 8 letters" },
    { "{" SIZES ", \"tensors\": [{\"name\": \"x\", \"shape\": \"NC\", \"is\": \"input\"}]}",
      "has the letter C, which is none of \"sizes\"" },
    { "{" SIZES ", \"tensors\": [{\"name\": \"x\", \"shape\": \"N\"}]}", "say what it \"is\"" },
    { "{" SIZES ", \"tensors\": [{\"name\": \"x\", \"shape\": \"N\", \"is\": \"imput\"}]}", "did you mean input?" },
    { "{" SIZES ", \"tensors\": [{\"name\": \"x\", \"shape\": \"N\", \"is\": \"input\", \"like\": \"gait\"}]}",
      "did you mean gate?" },
    { "{" SIZES ", \"tensors\": [{\"name\": \"x\", \"shape\": \"N\", \"is\": \"output\", \"like\": \"gate\"}]}",
      "\"like\" says what an input looks like" },
    { "{" SIZES ", \"tensors\": [{\"name\": \"x\", \"shape\": \"N\", \"is\": \"input\", \"like\": \"index\"}]}",
      "\"below\" a size" },
    { "{" SIZES ", \"tensors\": [{\"name\": \"x\", \"shape\": \"N\", \"is\": \"input\", \"statistic\": 1}]}",
      "\"statistic\" is true" },
    { "{" SIZES ", \"tensors\": [{\"name\": \"x\", \"shape\": \"N\", \"is\": \"input\", \"layout\": 1}]}",
      "tensor x has no key \"layout\"" },
    { "{" SIZES ", \"tensors\": [" X "]}", "there is no output" },
    { "{" SIZES ", \"tensors\": [" Y "]}", "there is no input" },
    { "{\"function\": \"f\", \"sizes\": {\"N\": [900000000, 900000000]}, \"tensors\": [" X ", " Y "]}", "Too large" },
};

START_TEST(a_wrong_description_is_said)
{
    char *all;
    size_t size;
    FILE *f = open_memstream(&all, &size);
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        const struct answer is = ask((struct asking){load, wrongs[i].text, .dtype = DT_F32});
        const char *wrong = is.wrong;
        ck_assert_msg(wrong && strstr(wrong, wrongs[i].says), "no \"%s\" in: %s", wrongs[i].says,
                      wrong ? wrong : is.said);
        const char end = wrong[strlen(wrong) - 1];
        ck_assert_msg(end == '.' || end == '?', "no sentence: %s", wrong);
        const char *path = strstr(wrong, scratch("")), *behind = path ? strstr(path, ".json") : NULL;
        fprintf(f, "%d: %.*s%s\n", (int)i, path ? (int)(path - wrong) : 0, wrong, behind ? behind : wrong);
    }
    fclose(f);
    golden_is("own_refusals.txt", all, 0);
    free(all);
}
END_TEST

/* What is drawn is what was described. */
START_TEST(sizes_are_as_described)
{
    static struct own w;
    char *path = scratch("own.json");
    FILE *f = fopen(path, "w");
    ck_assert(f != NULL);
    fputs("{\"function\": \"f\", \"sizes\": {\"H\": [1, 12], \"G\": {\"divides\": \"H\"}, \"T\": [1, 200], \"S\": "
          "{\"at_least\": \"T\", \"to\": 300}, \"D\": {\"from\": 2, \"to\": 99, \"multiple_of\": 4},"
          " \"E\": {\"of\": [3, 5]}, \"V\": [1, 7]}, \"tensors\": [{\"name\": \"y\", \"shape\": \"\", \"is\": "
          "\"output\"}, {\"name\": \"i\", \"shape\": \"TD\", \"is\": \"input\", \"like\": \"index\","
          " \"below\": \"V\"}, {\"name\": \"p\", \"shape\": \"TD\", \"is\": \"input\", \"like\": \"probability\"}, "
          "{\"name\": \"g\", \"shape\": \"TD\", \"is\": \"input\", \"like\": \"decay\"}]}",
          f);
    fclose(f);
    ck_assert_msg(!own_read(&w, path, why), "%s", why);
    for (int k = 0; k < 200; k++) {
        struct own_problem p;
        own_sizes(&p, &w, 7, k, NULL);
        const long H = own_extent(&w, &p, 'H'), G = own_extent(&w, &p, 'G'), T = own_extent(&w, &p, 'T'),
                   S = own_extent(&w, &p, 'S'), D = own_extent(&w, &p, 'D');
        const long E = own_extent(&w, &p, 'E'), V = own_extent(&w, &p, 'V');
        ck_assert(H >= 1 && H <= 12 && H % G == 0 && T >= 1 && S >= T && S <= 300 && D >= 2 && D <= 99 && D % 4 == 0 &&
                  (E == 3 || E == 5));
        own_draw(&p, &w, DT_F32);
        for (long row = 0; row < T; row++) {
            double sum = 0;
            for (long e = row * D; e < (row + 1) * D; e++) {
                sum += p.at[2][e];
                ck_assert(p.at[1][e] >= 0 && p.at[1][e] < (double)V && p.at[2][e] >= 0 && p.at[3][e] <= 0);
            }
            ck_assert_double_eq_tol(sum, 1, 1e-5);
        }
        own_free(&p);
    }
}
END_TEST

START_TEST(json_says_the_same)
{
    trick = NEXT_HEAD;
    const struct answer is = ask((struct asking){load, description, .dtype = DT_F32, .json = 1});
    ck_assert_int_eq(verdict_of(&is), 1);
    struct json *root = json_parse(is.said, strlen(is.said), why);
    ck_assert_msg(root != NULL, "%s: %s", why, is.said);
    const struct json *version = json_get(root, "version"), *tensors = json_get(root, "tensors");
    ck_assert(!strcmp(json_get(root, "verdict")->text, "wrong") && version && strcmp(version->text, "unknown") &&
              tensors->count == 3);
    ck_assert_str_eq(json_get(tensors->first->next, "looks")->text,
                     "moved along H (heads): each holds that of the next");
    ck_assert(json_get(tensors->first->next, "failed")->number > 0);
    json_free(root);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("own reference");
    TCase *t = tcase_create("own");
    scratch_open();
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, tricks_are_refused_and_named, 0, 3 * TRICKS);
    tcase_add_loop_test(t, answers_kept_by_a_part_of_the_inputs_are_refused, 0, KEYS);
    tcase_add_test(t, a_variance_by_squares_is_refused);
    tcase_add_loop_test(t, what_is_behind_a_large_block_is_asked, 0, 24);
    tcase_add_loop_test(t, what_begins_inside_is_refused, 0, 2 * (int)(sizeof begins / sizeof *begins));
    tcase_add_loop_test(t, sums_of_many_terms_may_be_in_turn, 0, 2);
    tcase_add_test(t, a_norm_of_few_elements_is_good);
    tcase_add_test(t, the_worst_problem_is_said_and_can_be_had_alone);
    tcase_add_test(t, a_wrong_description_is_said);
    tcase_add_test(t, json_says_the_same);
    tcase_add_test(t, sizes_are_as_described);
    suite_add_tcase(s, t);
    const int status = suite_ends(s);
    scratch_close();
    return status;
}
