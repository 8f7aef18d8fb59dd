/* check_verify_own_causes.c - of somebody's own kernel that is wrong: the input or the scalar that is taken otherwise
 * is named, and nothing where none explains the numbers. */
#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/json.h"
#include "tests/golden.h"
#include "tests/own_text.h"
#include "tests/suite.h"

/* ---- all ways, in words, and what they make of inputs and of gradients: tests/python/test_own_ways.py holds Python's
 * to the same */

#define TENSOR(name, shape, rest) "{\"name\": \"" name "\", \"shape\": \"" shape "\", \"is\": " rest "}"

enum { IN_X, IN_V, IN_O, IN_I, IN_U, IN_P, DX, DV, DO, DI, DU, TENSORS };

/* What tells apart the same numbers in other places. */
static double weighed(const double *a, long n)
{
    double sum = 0;
    for (long e = 0; e < n; e++)
        sum += sqrt((double)(e + 1)) * a[e];
    return sum;
}

static void fill(double *a, long n, int from)
{
    for (long e = 0; e < n; e++)
        a[e] = sin(3.0 * from + 1.7 * (double)e);
}

/* Of one way: the sum of what is taken; of all answers that it changes, that of them. */
static void print_way(FILE *f, const struct own_way *way, const struct own_problem *p)
{
    struct own_problem taken, was, answers;
    char says[WORDS];
    own_way_says(says, &w, way);
    fprintf(f, "%s%s:", says, way->gradient >= 0 ? ", by the chain rule" : "");
    own_copy(&taken, p, &w);
    own_copy(&answers, p, &w);
    int moved = 0;
    const int changed = own_way_takes(way, &w, &taken);
    for (int i = 0; i < w.scalars; i++)
        if (taken.scalar[i] != p->scalar[i])
            fprintf(f, " %s %.12g", w.scalar[i].name, taken.scalar[i]), moved = 1;
    for (int i = 0; i < TENSORS; i++)
        if (memcmp(taken.at[i], p->at[i], (size_t)p->n[i] * sizeof(double)))
            fprintf(f, " %s %.12g", w.tensor[i].name, weighed(taken.at[i], p->n[i])), moved = 1;
    ck_assert_msg(changed == (moved || way->gradient >= 0 || strstr(says, "paired")), "%s: changed %d, moved %d", says,
                  changed, moved);
    for (int i = DX; i < TENSORS; i++) {      /* what is added to holds its gradient on top */
        fill(answers.at[i], p->n[i], 10 + i);
        for (long e = 0; e < p->n[i] && w.tensor[i].role == ADD && way->gradient >= 0; e++)
            answers.at[i][e] += p->at[i][e];
    }
    own_copy(&was, &answers, &w);
    own_way_back(way, &w, p, &answers);
    for (int i = 0; i < TENSORS; i++)
        if (memcmp(answers.at[i], was.at[i], (size_t)p->n[i] * sizeof(double))) {
            for (long e = 0; e < p->n[i] && w.tensor[i].role == ADD && way->gradient >= 0; e++)
                answers.at[i][e] -= p->at[i][e];
            fprintf(f, ", %s %.12g", w.tensor[i].name, weighed(answers.at[i], p->n[i]));
        }
    fputc('\n', f);
    own_free(&taken), own_free(&answers), own_free(&was);
}

START_TEST(ways_are_those_of_python)
{
    ck_assert(!read_text("{\"function\": \"f\", \"sizes\": {\"A\": 2, \"B\": 3, \"C\": 4, \"D\": 6, \"L\": 150},"
                         " \"scalars\": {\"s\": 0.3, \"t\": -2}, \"tensors\": ["
                         TENSOR("x", "ABCD", "\"input\"") ", " TENSOR("v", "L", "\"input\"")
                         ", " TENSOR("o", "", "\"input\"")
                         ", " TENSOR("i", "BD", "\"input\", \"like\": \"index\", \"below\": \"L\"")
                         ", " TENSOR("u", "L", "\"input\"") ", " TENSOR("p", "", "\"input\"")
                         ", " TENSOR("dx", "ABCD", "\"added\"") ", " TENSOR("dv", "L", "\"gradient\"")
                         ", " TENSOR("do", "", "\"gradient\"") ", " TENSOR("di", "B", "\"output\"")
                         ", " TENSOR("du", "L", "\"added\"") "]}"));
    struct own_problem p;
    char *all;
    size_t size;
    int n;
    struct own_way *ways = own_ways(&w, &n);
    FILE *f = open_memstream(&all, &size);
    own_sizes(&p, &w, 1, 0, NULL);
    own_draw(&p, &w, DT_F64);
    for (int i = 0; i < TENSORS; i++)
        fill(p.at[i], p.n[i], i);
    for (long e = 0; e < p.n[IN_I]; e++)
        p.at[IN_I][e] = (double)(e * e);
    for (int k = 0; k < n; k++)
        print_way(f, &ways[k], &p);
    fclose(f);
    own_free(&p);
    golden_is("own_ways.txt", all, 1e-10);
    free(all), free(ways);
}
END_TEST

/* ---- a norm with a way around it, and its gradients: y, dx, dw <- x, w, dy:
 * y = w x r + a x,  r = 1 / sqrt(mean(x^2) + eps);  dx = r (g - x r^2 mean(g x)) + a dy,  g = dy w;  dw += dy x r */

static const char norm[] =
    "{\"function\": \"f\", \"sizes\": {\"N\": [2, 20], \"C\": [2, 90]}, \"scalars\": {\"eps\": [1e-2, 1e-1], "
    "\"a\": [2, 3]}, \"tensors\": [" TENSOR("y", "NC", "\"output\"") ", " TENSOR("dx", "NC", "\"gradient\"") ", "
    TENSOR("dw", "C", "\"added\", \"statistic\": true") ", " TENSOR("x", "NC", "\"input\"") ", "
    TENSOR("w", "C", "\"input\", \"like\": \"weight\"") ", " TENSOR("dy", "NC", "\"input\"") "]}";

#define NORM(name, real)                                                                                               \
    static void name(void *const *t, const int *s, const double *scalar)                                               \
    {                                                                                                                  \
        const int N = s[0], C = s[1];                                                                                  \
        const real eps = (real)scalar[0], a = (real)scalar[1], *w_ = t[4];                                             \
        real *dw = t[2];                                                                                               \
        for (int n = 0; n < N; n++) {                                                                                  \
            const real *x = (const real *)t[3] + n * C, *dy = (const real *)t[5] + n * C;                              \
            real *y = (real *)t[0] + n * C, *dx = (real *)t[1] + n * C, squares = 0, along = 0;                        \
            for (int c = 0; c < C; c++)                                                                                \
                squares += x[c] * x[c], along += dy[c] * w_[c] * x[c];                                                 \
            const real r = 1 / (real)sqrt(squares / (real)C + eps);                                                    \
            for (int c = 0; c < C; c++) {                                                                              \
                y[c] = w_[c] * x[c] * r + a * x[c];                                                                    \
                dx[c] = r * (dy[c] * w_[c] - x[c] * r * r * along / (real)C) + a * dy[c];                              \
                dw[c] += dy[c] * x[c] * r;                                                                             \
            }                                                                                                          \
        }                                                                                                              \
    }
NORM(norm32, float)
NORM(norm64, double)

/* How the candidate is wrong.  Places first: those that have a gradient by the chain rule come twice. */
enum {
    RIGHT,
    BEFORE,
    REVERSED,
    FIRST,
    TAIL,
    TURNED,
    PLACES,
    SIGN = PLACES,
    LOGARITHM,
    COARSE,
    LARGER,
    MINUS_ONE,
    IGNORED,
    TENFOLD,
    NO_A,
    SCALARS,
    SWAPPED,
    OVERWRITES,
    WAYS,
    ONLY_LONG = WAYS,
    ONLY_THIRDS,
    ONLY_FORWARD,
    TWO_WAYS,
    CUBED,
    CUT_BELOW,
    FACTOR,
    OFFSET,
    ONE_ELEMENT,
    NO_MEAN,
    NO_ROOT,
    NO_NORM_IN_DW,
    LAST_ROW,
    STEPS,
    ALL_NOT_FINITE,
    DAMAGES
};
static int how, chained;

static long source(int n, int c, int N, int C)
{
    const long e = (long)n * C + c;
    switch (how) {
    case BEFORE: return n ? e - C : -1;
    case REVERSED: return (long)n * C + (C - 1 - c);
    case FIRST: return c;
    case TAIL: return C < 32 || c < C / 32 * 32 ? e : -1;
    case TURNED: return e % N * C + e / N;
    default: return e;
    }
}

static float number(float x, int C)
{
    switch (how) {
    case SIGN: return -x;
    case IGNORED: return 0;
    case LOGARITHM: return expf(x);
    case COARSE: return (float)op_round(x, REAL, SWAX_PREC_BF16);
    case LARGER: return x * sqrtf((float)C);
    case CUT_BELOW: return fmaxf(x, -0.5f);
    case CUBED: return x * x * x;
    case STEPS: return roundf(x * 64) / 64;
    default: return x;
    }
}

static float slope(float x, int C)
{
    return how == IGNORED ? 0 : how == SIGN ? -1 : how == LOGARITHM ? expf(x) : how == LARGER ? sqrtf((float)C) : 1;
}

enum { MOST = 20 * 90 };

static void mine(void *const *t, const int *s, const double *scalar)
{
    static float x[MOST], w_[MOST], dx[MOST];
    const int N = s[0], C = s[1];
    const float *x0 = t[3], *w0 = t[4];
    const double of[] = { how == TENFOLD ? 10 * scalar[0] : scalar[how == SCALARS],
                          how == NO_A ? 0 : scalar[how != SCALARS] };
    void *const mine_t[] = { t[0], dx, t[2], how == SWAPPED ? t[5] : x, w_, how == SWAPPED ? x : t[5] };
    float *y = t[0], *dw = t[2];
    for (int n = 0; n < N; n++)
        for (int c = 0; c < C; c++) {
            const long from = source(n, c, N, C), e = (long)n * C + c;
            x[e] = from < 0 ? 0 : number(x0[from], C);
            if ((how == ONLY_LONG && C > 40) || (how == ONLY_THIRDS && n % 3 == 0) || how == TWO_WAYS)
                x[e] = -x[e];
        }
    for (int c = 0; c < C; c++) {
        w_[c] = how == MINUS_ONE ? w0[c] - 1 : how == TWO_WAYS ? 1 + w0[c] : w0[c];
        dw[c] = how == OVERWRITES ? 0 : dw[c];
    }
    norm32(mine_t, s, of);
    memset(t[1], 0, (size_t)N * (size_t)C * sizeof(float));
    for (int n = 0; n < N; n++)
        for (int c = 0; c < C; c++) {
            const long e = (long)n * C + c, from = chained ? source(n, c, N, C) : e;
            if (from >= 0)
                ((float *)t[1])[from] += dx[e] * (chained ? slope(x0[e], C) : 1);
            y[e] = how == FACTOR         ? 1.25f * y[e]
                 : how == OFFSET         ? y[e] + 0.01f
                 : how == ONE_ELEMENT    ? y[e] + (float)(e == 3)
                 : how == ONLY_FORWARD   ? -y[e]
                 : how == NO_ROOT        ? (w0[c] + (float)of[1]) * x[e]
                 : how == LAST_ROW       ? (n == N - 1 ? 0 : y[e])
                 : how == ALL_NOT_FINITE ? NAN
                                         : y[e];
            if (how == NO_MEAN)
                ((float *)t[1])[e] = ((const float *)t[5])[e] * (w0[c] + (float)of[1]);
            if (how == NO_NORM_IN_DW)
                dw[c] += ((const float *)t[5])[e] * x[e];
        }
}

static own_function *functions[3];      /* the plain one's in float and in double, the candidate's */

static const char *load(own_function *f[SWAX_PRECISIONS], const struct own *own, const char *library, char *wrong)
{
    const int is_mine = !strcmp(library, "mine");
    (void)own, (void)wrong;
    f[SWAX_PREC_F32] = functions[is_mine ? 2 : 0];
    f[SWAX_PREC_F64] = functions[1];
    f[SWAX_PREC_BF16] = NULL;
    return NULL;
}

enum { SAID = 16384 };

static int ask(const char *text, const char *suite, int only, int json, char said[SAID])
{
    int status = 0;
    FILE *o = tmpfile();
    put(scratch("own.json"), text, strlen(text));
    const struct own_asked a = { .reference = "plain", .candidate = "mine", .tensors = scratch("own.json"),
                                 .suite = suite, .load = load, .seed = 3, .only = only, .json = json };
    const char *wrong = verify_own(&a, o, &status, why);
    ck_assert_msg(!wrong, "%s", wrong ? wrong : "");
    rewind(o);
    said[fread(said, 1, SAID - 1, o)] = 0;
    fclose(o);
    return status;
}

static int ask_norm(int of, int with_chain, int json, char said[SAID])
{
    functions[0] = norm32, functions[1] = norm64, functions[2] = mine;
    how = of, chained = with_chain;
    return ask(norm, "quick", -1, json, said);
}

static const char none[] = "cause:     no known fault gives these numbers.\n";

static const char *const says[WAYS] = {
    [BEFORE] = "each N of x reads the one before, and 0 at the edge",
    [REVERSED] = "the C of x are in reverse order",
    [FIRST] = "the first N of x is read for all",
    [TAIL] = "the tail of C of x behind a multiple of 32 is left out",
    [TURNED] = "N and C of x are transposed in memory",
    [SIGN] = "x has the opposite sign",
    [LOGARITHM] = "x is taken for its logarithm: exp(x) is used",
    [COARSE] = "x is rounded to bf16",
    [LARGER] = "x is taken as sqrt(its last size) times x",
    [MINUS_ONE] = "w is taken as w - 1",
    [IGNORED] = "x is ignored: taken as 0",
    [TENFOLD] = "eps is 10 times as large",
    [NO_A] = "a is left out: 0",
    [SCALARS] = "eps and a are swapped",
    [SWAPPED] = "x and dy are swapped",
    [OVERWRITES] = "dw is written over, where it is added to",
};

START_TEST(what_is_taken_otherwise_is_named)
{
    char said[SAID], line[WORDS + 60];
    const int of = 1 + _i / 2;
    ck_assert_int_eq(ask_norm(of, _i % 2, 0, said), 1);
    snprintf(line, sizeof line, "cause:     these numbers come where %s.\nreplay:", says[of]);
    ck_assert_msg(strstr(said, line), "%s, %s the chain rule: not named in\n%s", says[of], _i % 2 ? "by" : "without",
                  said);
}
END_TEST

START_TEST(nothing_is_named_where_nothing_explains)
{
    char said[SAID];
    ck_assert_int_eq(ask_norm(_i, _i % 2, 0, said), 1);
    ck_assert_msg(strstr(said, none), "damage %d: %s", _i, said);
}
END_TEST

START_TEST(what_is_right_has_no_cause)
{
    char said[SAID];
    ck_assert(!ask_norm(RIGHT, 0, 0, said) && !strstr(said, "cause"));
}
END_TEST

START_TEST(json_has_causes)
{
    char said[SAID];
    ask_norm(MINUS_ONE, 0, 1, said);
    ck_assert_msg(strstr(said, "],\"too_large\":0,\"diagnosis\":[{\"name\":\"\",\"says\":\"w is taken as w - 1\","
                               "\"by\":\"numbers\",\"explains\":1}]}"), "%s", said);
    struct json *root = json_parse(said, strlen(said), why);
    ck_assert_msg(root != NULL, "%s: %s", why, said);
    json_free(root);
    ask_norm(FACTOR, 0, 1, said);
    ck_assert_msg(strstr(said, "],\"too_large\":0,\"diagnosis\":[]}"), "%s", said);
}
END_TEST

/* ---- pairs that are turned by angles: y <- x, t, as (j, j + n/2) and as (2j, 2j + 1) */

static const char rope[] =
    "{\"function\": \"f\", \"sizes\": {\"N\": [1, 9], \"C\": {\"from\": 4, \"to\": 64, \"multiple_of\": 2}}, "
    "\"tensors\": [" TENSOR("y", "NC", "\"output\"") ", " TENSOR("x", "NC", "\"input\"") ", "
    TENSOR("t", "N", "\"input\"") "]}";

#define ROPE(name, real, interleaved)                                                                                  \
    static void name(void *const *t, const int *s, const double *scalar)                                               \
    {                                                                                                                  \
        const int N = s[0], C = s[1], half = C / 2;                                                                    \
        (void)scalar;                                                                                                  \
        for (int n = 0; n < N; n++)                                                                                    \
            for (int j = 0; j < half; j++) {                                                                           \
                const int one = n * C + (interleaved ? 2 * j : j), two = one + (interleaved ? 1 : half);               \
                const real *x = t[1], angle = ((const real *)t[2])[n] * (real)(j + 1) / (real)half,                    \
                           co = (real)cos(angle), si = (real)sin(angle);                                               \
                ((real *)t[0])[one] = x[one] * co - x[two] * si;                                                       \
                ((real *)t[0])[two] = x[one] * si + x[two] * co;                                                       \
            }                                                                                                          \
    }
ROPE(halves32, float, 0)
ROPE(halves64, double, 0)
ROPE(pairs32, float, 1)
ROPE(pairs64, double, 1)

START_TEST(pairs_in_the_other_order_are_named)
{
    char said[SAID];
    functions[0] = _i ? pairs32 : halves32, functions[1] = _i ? pairs64 : halves64;
    functions[2] = _i ? halves32 : pairs32;
    ck_assert(ask(rope, "quick", -1, 0, said));
    ck_assert_msg(strstr(said, _i ? "cause:     these numbers come where elements of the last axis of x are paired as "
                                    "(j, j + n/2), not (2j, 2j + 1).\nreplay"
                                  : "cause:     these numbers come where elements of the last axis of x are paired as "
                                    "(2j, 2j + 1), not (j, j + n/2).\nreplay"), "%s", said);
}
END_TEST

/* ---- groups of `each` numbers, y <- x: the plain function cannot do without a group, nor stay within one of -1 */

static const char groups[] = "{\"function\": \"f\", \"sizes\": {\"N\": [20, 40]}, \"scalars\": {\"each\": 2}, "
                             "\"tensors\": [" TENSOR("y", "N", "\"output\"") ", " TENSOR("x", "N", "\"input\"") "]}";
static int hangs, sign;

#define GROUPS(name, real, each_)                                                                                      \
    static void name(void *const *t, const int *s, const double *scalar)                                               \
    {                                                                                                                  \
        const int each = each_;                                                                                        \
        for (int n = 0; n < s[0]; n++)                                                                                 \
            ((real *)t[0])[n] = ((const real *)t[1])[n - n % each] + (real)(n / each);                                 \
        (void)scalar;                                                                                                  \
    }
static int whole(double each)
{
    if (each < 0)
        raise(SIGSEGV);
    while (!(each != 0) && hangs)
        ;
    return each != 0 ? (int)each : (raise(SIGFPE), 1);
}
GROUPS(groups32, float, whole(scalar[0]))
GROUPS(groups64, double, whole(scalar[0]))
GROUPS(doubled32, float, whole(scalar[0]) + 1)

/* Where it crashes, or does not return, the search goes on. */
START_TEST(the_plain_function_may_crash)
{
    char said[SAID];
    functions[0] = groups32, functions[1] = groups64, functions[2] = doubled32;
    hangs = _i;
    ck_assert(ask(groups, "quick", _i ? 0 : -1, 0, said));
    ck_assert_msg(strstr(said, "cause:     these numbers come where each is off by one: one more.\nreplay"), "%s",
                  said);
    hangs = 0;
}
END_TEST

/* ---- sums that decay, y <- x, g: y_t = exp(g_t) y_(t-1) + x_t */

static const char decay[] = "{\"function\": \"f\", \"sizes\": {\"T\": [1, 140]}, \"tensors\": ["
                            TENSOR("y", "T", "\"output\"") ", " TENSOR("x", "T", "\"input\"") ", "
                            TENSOR("g", "T", "\"input\", \"like\": \"decay\"") "]}";

#define DECAY(name, real, g_)                                                                                          \
    static void name(void *const *t, const int *s, const double *scalar)                                               \
    {                                                                                                                  \
        real sum = 0;                                                                                                  \
        (void)scalar;                                                                                                  \
        for (int n = 0; n < s[0]; n++) {                                                                               \
            const real g = ((const real *)t[2])[n];                                                                    \
            sum = (real)exp(g_) * sum + ((const real *)t[1])[n];                                                       \
            ((real *)t[0])[n] = sum;                                                                                   \
        }                                                                                                              \
    }
DECAY(decay32, float, g)
DECAY(decay64, double, g)
DECAY(grows32, float, -g)
DECAY(doubly32, float, (float)exp(g))
DECAY(not_finite32, float, s[0] > 20 ? NAN : -g)

/* Sums that grow without bound are not finite in long rows, and where they are, they amplify all roundings.  A kernel
 * that is not finite where its cause is has another one. */
START_TEST(what_overflows_is_named)
{
    static const struct { own_function *of; const char *says; } is[] = {
        {grows32, "cause:     these numbers come where g has the opposite sign.\n"},
        {doubly32, "cause:     these numbers come where g is taken for its logarithm: exp(g) is used.\n"},
        {not_finite32, none}};
    char said[SAID];
    functions[0] = decay32, functions[1] = decay64, functions[2] = is[_i].of;
    ck_assert(ask(decay, "quick", -1, 0, said));
    ck_assert_msg(strstr(said, is[_i].says), "%s", said);
}
END_TEST

/* ---- a scalar that is ignored, y <- x: most problems are right without it, and not with other scalars */

#define STEP(name, real, step)                                                                                         \
    static void name(void *const *t, const int *s, const double *scalar)                                               \
    {                                                                                                                  \
        (void)scalar;                                                                                                  \
        for (int n = 0; n < s[0]; n++)                                                                                 \
            ((real *)t[0])[n] = ((const real *)t[1])[n] + (real)(step);                                                \
    }
STEP(step32, float, floor(1.3 * scalar[0]))
STEP(step64, double, floor(1.3 * scalar[0]))
STEP(flat32, float, 0)

START_TEST(an_ignored_scalar_is_no_answer_of_before)
{
    static const char text[] = "{\"function\": \"f\", \"sizes\": {\"N\": [20, 40]}, \"scalars\": {\"a\": [0, 1]}, "
                               "\"tensors\": [" TENSOR("y", "N", "\"output\"") ", " TENSOR("x", "N", "\"input\"") "]}";
    char said[SAID];
    int others = 0;
    functions[0] = step32, functions[1] = step64, functions[2] = flat32;
    for (int k = 0; k < 12; k += 5)
        if (ask(text, "quick", k, 0, said)) {
            others += strstr(said, "It is right about some numbers and wrong about others") != NULL;
            ck_assert_msg(strstr(said, "cause:     these numbers come where a is left out: 0.\n"), "%s", said);
        }
    ck_assert_int_gt(others, 0);
}
END_TEST

/* ---- other numbers in the same memory: y <- x, wrong where the first number is above 0, or is not */

#define ROW(name, real, is_wrong)                                                                                      \
    static void name(void *const *t, const int *s, const double *scalar)                                               \
    {                                                                                                                  \
        const real *x = t[1];                                                                                          \
        (void)scalar;                                                                                                  \
        for (int n = 0; n < s[0]; n++)                                                                                 \
            ((real *)t[0])[n] = x[n] + (real)n + (is_wrong ? x[n] : 0);                                                \
    }
ROW(row32, float, 0)
ROW(row64, double, 0)
ROW(above32, float, (x[0] > 0) == sign)
ROW(twice32, float, 1)

/* A problem is right and, with other numbers, wrong: these numbers alone are explained, for what is right of such a
 * kernel says nothing of it. */
START_TEST(of_other_numbers_the_wrong_ones_are_explained)
{
    static const char text[] = "{\"function\": \"f\", \"sizes\": {\"N\": [20, 40]}, \"tensors\": ["
                               TENSOR("y", "N", "\"output\"") ", " TENSOR("x", "N", "\"input\"") "]}";
    char said[SAID];
    int others = 0;
    functions[0] = row32, functions[1] = row64, functions[2] = above32;
    for (int k = 0; k < 4; k++) {
        sign = k % 2;
        if (!ask(text, "quick", k < 2 ? -1 : 0, 0, said))
            continue;
        others += strstr(said, "It is right about some numbers") != NULL;
        ck_assert_msg(strstr(said, "cause:     these numbers come where x is taken twice as large.\n"), "%s", said);
    }
    ck_assert_int_gt(others, 0);
}
END_TEST

START_TEST(none_is_looked_for_in_large_ones)
{
    char said[SAID];
    functions[0] = row32, functions[1] = row64, functions[2] = twice32;
    ck_assert(ask("{\"function\": \"f\", \"sizes\": {\"N\": 500001}, \"tensors\": [" TENSOR("y", "N", "\"output\"")
                  ", " TENSOR("x", "N", "\"input\"") "]}", "quick", 0, 1, said));
    ck_assert_msg(strstr(said, "\"too_large\":1,\"diagnosis\":[]"), "%s", said);
}
END_TEST

/* The small ones are kept, in their order, and no more than there is room for. */
START_TEST(small_problems_are_kept)
{
    static const char text[] = "{\"function\": \"f\", \"sizes\": {\"N\": [1, 400000]}, \"tensors\": ["
                               TENSOR("y", "N", "\"output\"") ", " TENSOR("x", "N", "\"input\"") "]}";
    struct own_kept kept = {0};
    static const int sizes[] = {5, 3, 400000, 9, 4, 3, 100000, 300, 2};
    static const int order[] = {2, 3, 3, 4, 5, 9, 300, 100000};
    const int some_n = (int)(sizeof sizes / sizeof *sizes), left = (int)(sizeof order / sizeof *order);
    ck_assert(!read_text(text));
    for (int k = 0; k < some_n + 2 * OWN_KEPT; k++) {
        struct own_problem p;
        struct door_tensor t[OWN_TENSORS] = {{0}};
        double *got;
        own_sizes(&p, &w, 1, k, NULL);
        p.size[0] = k < some_n ? sizes[k] : 1000 - k;
        p.n[0] = p.n[1] = p.size[0];
        own_draw(&p, &w, DT_F32);
        got = calloc((size_t)p.n[0], sizeof *got);
        got[0] = k;
        t[0] = (struct door_tensor){.got = got, .truth = p.at[1], .asked = 1, .within = 0, .bound = {1, 0.5, 0}};
        own_keep(&kept, &w, &p, t);
        free(got), own_free(&p);
        if (k == 2)
            ck_assert(kept.n == 3);
        if (k == 8) {      /* 400,000 twice are too many with 100,000 twice */
            ck_assert_int_eq(kept.n, left);
            ck_assert_double_eq(kept.numbers, 2 * (2 + 3 + 3 + 4 + 5 + 9 + 300 + 100000));
            for (int i = 0; i < left; i++) {
                const struct own_case *c = kept.at[i];
                ck_assert_msg(c->is.n[1] == order[i] && sizes[(int)c->got[0][0]] == order[i] &&
                                  !memcmp(c->truth[0], c->is.at[1], (size_t)order[i] * sizeof(double)) &&
                                  !c->got[1] && !c->truth[1],
                              "number %d has %ld elements", i, c->is.n[1]);
                ck_assert(c->rms_bound[0] == 0.5 && c->asked[0] && !c->within[0]);
            }
            ck_assert(kept.at[1]->got[0][0] == 1 && kept.at[2]->got[0][0] == 5);
        }
    }
    ck_assert(kept.n == OWN_KEPT && kept.at[0]->is.n[0] == 2);
    own_forget(&kept);
    ck_assert(!kept.n);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("causes of own kernels");
    TCase *t = tcase_create("causes");
    scratch_open();
    tcase_set_timeout(t, 60);
    tcase_add_test(t, ways_are_those_of_python);
    tcase_add_loop_test(t, what_is_taken_otherwise_is_named, 0, 2 * (WAYS - 1));
    tcase_add_loop_test(t, nothing_is_named_where_nothing_explains, WAYS, DAMAGES);
    tcase_add_test(t, what_is_right_has_no_cause);
    tcase_add_test(t, json_has_causes);
    tcase_add_loop_test(t, pairs_in_the_other_order_are_named, 0, 2);
    tcase_add_loop_test(t, the_plain_function_may_crash, 0, 2);
    tcase_add_loop_test(t, what_overflows_is_named, 0, 3);
    tcase_add_test(t, an_ignored_scalar_is_no_answer_of_before);
    tcase_add_test(t, of_other_numbers_the_wrong_ones_are_explained);
    tcase_add_test(t, none_is_looked_for_in_large_ones);
    tcase_add_test(t, small_problems_are_kept);
    suite_add_tcase(s, t);
    const int status = suite_ends(s);
    scratch_close();
    return status;
}
