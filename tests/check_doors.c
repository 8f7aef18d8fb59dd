/* check_doors.c - door_run, which Python calls (tools/verify/door.h), called from C: what a problem is shown as, how
 * often and with what it is put, what is said of each way to answer wrong, what time is told. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/verify/again.h"
#include "tests/doors.h"
#include "tests/scratch.h"
#include "tests/suite.h"

static char why[SWAX_WHY];

/* ---- somebody who answers */

enum { CALLS = 400, KEPT = 8 };
/* What each call was: its problem, where its inputs were to lie, and copies of some arrays. */
static struct call { int number, how, n; const char *family; double *x, *dy, *w; } call[CALLS];
static int calls;
enum { POOL = 1 << 22 };
static double pool[POOL];
static size_t pooled;

static double *copy_of(struct door_problem *p, const char *name)
{
    const struct door_array *x = shown_array(p, name, 0);
    double *copy = pool + pooled;
    if (!x)
        return NULL;
    pooled += (size_t)shown_elements(x);
    ck_assert(pooled <= POOL);
    memcpy(copy, x->at, (size_t)shown_elements(x) * sizeof *copy);
    return copy;
}

enum trick {
    RIGHT,
    DOUBLES,
    NO_Y,
    NO_Y_ASKED,
    NO_RSTD,
    SAYS_NOTHING,
    REFUSES,
    LEAVES,
    LEAVES_LATER,
    OTHER_BITS,
    SECOND_WRONG,
    STALE,
    REPLAY_WRONG,
    FORGETS,
    TIMED_WRONG,
    TIMED_REFUSES,
    TIMED_NUMBERS,
    HUGE_ONLY,
    PLUS_ONE,
    SOME_NUMBERS,
    BOTH_WRONG
};
static enum trick trick;
static enum dtype dtype;
static const double *seconds;
static int timed;

static int answers(void *arg, struct door_problem *p, int how, char trouble[OP_SENTENCE])
{
    static double kept[1 << 16];
    static long kept_n;
    struct call *c = &call[calls++];
    ck_assert(calls < CALLS && arg == (void *)call && !trouble[0]);
    *c = (struct call){p->number, how, p->n, p->family, copy_of(p, "x"), copy_of(p, "dy"), copy_of(p, "w")};
    struct door_array *y = shown_array(p, "y", 1);
    if (trick == LEAVES || (trick == LEAVES_LATER && calls == 3))
        return snprintf(trouble, OP_SENTENCE, "it is gone"), -1;
    if (trick == REFUSES || (trick == TIMED_REFUSES && how == DOOR_TIMED))
        return snprintf(trouble, OP_SENTENCE, "it cannot do that"), 1;
    if (trick == SAYS_NOTHING)
        return 1;
    for (int k = 0; k < p->n; k++)
        for (long e = 0; e < shown_elements(&p->array[k]); e++)
            ck_assert_each(isnan(p->array[k].at[e]) == (p->array[k].role > 0), "%s: element %ld is %g",
                           p->array[k].name, e, p->array[k].at[e]);
    shown_answer(swax_tiers[0], dtype_precision(dtype), p);
    p->seconds = how == DOOR_TIMED && seconds ? seconds[timed] : 0;
    timed += how == DOOR_TIMED;
    const int first = calls == 1 || call[calls - 2].number != p->number;
    if (trick == DOUBLES || (trick == SECOND_WRONG && !first && how == DOOR_ELSEWHERE) ||
        (trick == REPLAY_WRONG && how == DOOR_SAME) || (trick == TIMED_WRONG && how == DOOR_TIMED && timed > 3) ||
        (trick == HUGE_ONLY && !strcmp(p->family, "huge")) || (trick == FORGETS && calls > 13))
        for (long e = 0; e < shown_elements(y); e++)
            y->at[e] *= 2;
    static double timed_x;      /* whose answer is wrong, in every call */
    timed_x = trick == TIMED_NUMBERS && how == DOOR_TIMED && timed == 3 ? c->x[0] : timed_x;
    const int plus_one = trick == PLUS_ONE || (trick == TIMED_NUMBERS && c->x[0] == timed_x) ||
                         (trick == SOME_NUMBERS && c->x[0] != call[0].x[0]);
    for (long e = 0; e < shown_elements(y) && plus_one; e++)
        y->at[e] *= 1 + 1 / c->w[e % shown_array(p, "w", 0)->extent[0]];
    for (long e = 0; e < shown_elements(y) && trick == BOTH_WRONG; e++)
        y->at[e] *= first ? 2 : 3;
    if (trick == OTHER_BITS && !first && how == DOOR_ELSEWHERE)
        y->at[0] = (double)nextafterf((float)y->at[0], (float)INFINITY);
    if (y && (trick == NO_Y || trick == NO_Y_ASKED))
        y->given = trick == NO_Y ? 0 : -1;
    if (trick == NO_RSTD)
        shown_array(p, "rstd", 1)->given = 0;
    if (trick == STALE && how == DOOR_SAME && kept_n == shown_elements(y))
        memcpy(y->at, kept, (size_t)kept_n * sizeof *kept);
    kept_n = y && shown_elements(y) < 1 << 16 ? shown_elements(y) : 0;
    if (kept_n)
        memcpy(kept, y->at, (size_t)kept_n * sizeof *kept);
    return 0;
}

/* door_run of the words, parted by blanks; the report in a file that is to be closed. */
static const char *run_line(FILE **o, const char *line, door_answer *answer, void *arg, double bandwidth,
                            const char *device)
{
    char copy[400], *word[32];
    int n = 0;
    ck_assert((*o = tmpfile()) != NULL);
    snprintf(copy, sizeof copy, "%s", line);
    for (char *w = strtok(copy, " "); w; w = strtok(NULL, " "))
        word[n++] = w;
    return door_run(n, (const char *const *)word, answer, arg, bandwidth, device, fileno(*o), why);
}

/* The report; NULL, and what was refused, in `why`. */
static struct json *run(enum trick how, const char *line)
{
    FILE *o;
    trick = how;
    calls = timed = 0;
    pooled = 0;
    dtype = strstr(line, "dtype=f64") ? DT_F64 : DT_F32;
    const char *wrong = run_line(&o, line, answers, call, 1e9, "a machine");
    return wrong ? fclose(o), NULL : said_report(o);
}

/* ---- what a problem is shown as */

static struct door_problem seen;

static int looks(void *arg, struct door_problem *p, int how, char trouble[OP_SENTENCE])
{
    (void)arg, (void)how;
    if (!seen.n)
        seen = *p;
    return snprintf(trouble, OP_SENTENCE, "seen"), -1;
}

/* "name shape role type extents;" of each array. */
static void is_shown(const char *line, const char *says)
{
    char shown[1200];
    FILE *o;
    memset(&seen, 0, sizeof seen);
    const char *wrong = run_line(&o, line, looks, NULL, 1, "");
    ck_assert_msg(!wrong, "%s", wrong ? wrong : "");
    fclose(o);
    snprintf(shown, sizeof shown, "%d %s %s %s(%s)", seen.number, seen.op, seen.dims, seen.family, seen.scalars);
    for (const char *d = seen.dims; *d; d++)
        snprintf(shown + strlen(shown), sizeof shown - strlen(shown), " %d", seen.dim[d - seen.dims]);
    for (int k = 0; k < seen.n; k++) {
        const struct door_array *x = &seen.array[k];
        snprintf(shown + strlen(shown), sizeof shown - strlen(shown), "; %s %s %d %d", x->name, x->shape, x->role,
                 x->type);
        ck_assert(x->rank == (int)strlen(x->shape) && !x->given);
        for (int d = 0; d < x->rank; d++)
            snprintf(shown + strlen(shown), sizeof shown - strlen(shown), "%c%ld", d ? ',' : ' ', x->extent[d]);
    }
    ck_assert_str_eq(shown, says);
}

START_TEST(problems_are_shown)
{
    is_shown("rmsnorm N=3 C=5 eps=0.25",
             "0 rmsnorm_forward NC gauss(eps) 3 5; x NC 0 0 3,5; w C 0 1 5; dy NC 0 0 3,5; y NC 2 0 3,5; rstd N 1 1 3; "
             "dx NC 2 0 3,5; dw C 2 1 5");
    ck_assert_double_eq(seen.scalar[0], 0.25);
    is_shown("rmsnorm_backward N=3 C=5 family=tiny", "0 rmsnorm_backward NC tiny() 3 5; dy NC 0 0 3,5; x NC 0 0 3,5; w "
                                                     "C 0 1 5; rstd N 0 1 3; dx NC 2 0 3,5; dw C 2 1 5");
    is_shown("embed_forward N=3 C=5 V=7",
             "0 embed_forward NVC gauss() 3 7 5; token N 0 2 3; w VC 0 0 7,5; y NC 2 0 3,5");
    is_shown("attention B=2 T=3 S=4 H=4 G=2 D=2 W=2 seed=9 without=sink,start",
             "0 attention_forward BTSHGDW gauss() 2 3 4 4 2 2 2; q BTHD 0 0 2,3,4,2; k BSGD 0 0 2,4,2,2; v BSGD 0 0 "
             "2,4,2,2; "
             "dy BTHD 0 0 2,3,4,2; y BTHD 2 0 2,3,4,2; lse BTH 1 1 2,3,4; dq BTHD 2 0 2,3,4,2; dk BSGD 2 0 2,4,2,2; "
             "dv BSGD 2 0 2,4,2,2");
    is_shown("sqsum N=6", "0 sqsum N gauss() 6; x N 0 1 6; sum  2 3");
    is_shown(
        "adamw N=6 without=sum s=2",
        "0 adamw Ns gauss(lr beta1 beta2 eps decay clip) 6 2; w N 0 1 6; m N 0 1 6; v N 0 1 6; g N 0 1 6; w N 2 1 6; "
        "m N 2 1 6; v N 2 1 6");
}
END_TEST

/* Its inputs are those of the problem that the same plan draws; a problem is had again by its number. */
START_TEST(a_problem_is_had_again_by_number)
{
    struct plan plan;
    struct problem p;
    struct entry e;
    struct json *root = run(RIGHT, "rmsnorm suite=quick seed=41 number=3");
    ck_assert(root && said_number(root, "cases") == 1 && said_number(root, "seed") == 41 && calls == 2);
    ck_assert_str_eq(said_word(root, "plan"), "rmsnorm suite=quick seed=41 dtype=f32");
    ck_assert(!plan_read(&plan, "rmsnorm suite=quick seed=41 dtype=f32", why));
    ck_assert(plan_entry(&plan, 3, &e) && !problem_draw(&p, &plan, 3, &e, why));
    for (int k = 0; k < 2; k++) {
        ck_assert(call[k].number == 3 && call[k].how == DOOR_ELSEWHERE &&
                  !strcmp(call[k].family, op_family_name[p.family]));
        ck_assert(!memcmp(call[k].x, p.in[0].arg[2], (size_t)p.in[0].size[2] * sizeof(double)));
        ck_assert(!memcmp(call[k].w, p.in[0].arg[3], (size_t)p.in[0].size[3] * sizeof(double)));
        ck_assert(!memcmp(call[k].dy, p.in[1].arg[2], (size_t)p.in[1].size[2] * sizeof(double)));
    }
    problem_free(&p);
    json_free(root);
}
END_TEST

/* ---- how often, and with what */

/* Every problem twice; every fifth five times more, where the last ones lay, unless it is large; then no more. */
START_TEST(problems_are_put_twice_and_some_replayed)
{
    struct plan plan;
    struct entry e;
    struct json *root = run(RIGHT, "rmsnorm suite=quick seed=3");
    int at = 0, problems = 0, replayed = 0;
    ck_assert_msg(root && !strcmp(said_word(root, "verdict"), "good") && said_number(root, "unequal") == 0, "%s",
                  root ? said_text : why);
    ck_assert(!plan_read(&plan, "rmsnorm suite=quick seed=3", why));
    while (plan_entry(&plan, problems, &e))
        problems++;
    ck_assert_int_eq(said_number(root, "cases"), problems);
    for (int k = 0; k < problems; k++) {
        struct problem p;
        const int i = call[at].number;
        ck_assert(plan_entry(&plan, i, &e) && !problem_draw(&p, &plan, i, &e, why));
        const int large = case_numbers(&p.in[0]) + case_numbers(&p.in[1]) > 1e5, again = i % 5 == 0 && !large;
        const size_t of_x = (size_t)p.in[0].size[2], of_w = (size_t)p.in[0].size[3];
        replayed += again;
        for (int j = 0; j < 2 + 5 * again; j++, at++) {
            /* x and dy others, and these again; all others; these with some weights of those; these again */
            const struct call *c = &call[at];
            const int other = j == 2;
            long new_x = 0, new_dy = 0, new_w = 0, of_those = 0;
            for (size_t n = 0; n < of_x; n++)
                new_x += c->x[n] != p.in[0].arg[2][n], new_dy += c->dy[n] != p.in[1].arg[2][n];
            for (size_t n = 0; n < of_w; n++)
                new_w += c->w[n] != p.in[0].arg[3][n], of_those += j && c->w[n] == c[-1].w[n];
            ck_assert_msg(c->number == i && c->how == (j < 2 ? DOOR_ELSEWHERE : DOOR_SAME),
                          "call %d of problem %d is of %d, lies %d", j, i, c->number, c->how);
            if (j == 4)
                ck_assert_msg(new_x && new_dy && new_w == (long)of_w, "call %d of problem %d has old numbers", j, i);
            if (j == 5)
                ck_assert_msg(!new_x && !new_dy && new_w && of_those >= new_w && (of_w < 9 || new_w < (long)of_w),
                              "call %d of problem %d: %ld of %zu weights are others", j, i, new_w, of_w);
            if (j == 4 || j == 5)
                continue;
            double *x = calloc(of_x, sizeof *x), *dy = calloc(of_x, sizeof *dy);
            memcpy(x, p.in[0].arg[2], of_x * sizeof *x);
            memcpy(dy, p.in[1].arg[2], of_x * sizeof *dy);
            for (size_t n = 0; n < of_x && other; n++) {
                x[n] = -p.in[0].arg[2][(n + 1) % of_x];
                dy[n] = -p.in[1].arg[2][(n + 1) % of_x];
            }
            x[0] = ldexp(x[0], other ? -1 - i % 3 : 0);
            dy[0] = ldexp(dy[0], other ? -1 - i % 3 : 0);
            ck_assert_msg(!memcmp(c->x, x, of_x * sizeof *x) && !memcmp(c->dy, dy, of_x * sizeof *dy) &&
                              !memcmp(c->w, p.in[0].arg[3], of_w * sizeof *x),
                          "the numbers of call %d of problem %d", j, i);
            free(x), free(dy);
        }
        problem_free(&p);
    }
    ck_assert_msg(at == calls && replayed == 2, "%d calls, %d expected; %d replayed", calls, at, replayed);
    json_free(root);
    root = run(RIGHT, "rmsnorm N=150 C=222");      /* 3 + 5 arrays of N x C and some: more than 1e5 numbers */
    ck_assert_int_eq(calls, 2);
    json_free(root);
    root = run(RIGHT, "rmsnorm N=100 C=100");
    ck_assert_int_eq(calls, 7);
    json_free(root);
}
END_TEST

/* What is wrong is looked into: each problem once more, and, in the end, the first one. */
START_TEST(what_is_wrong_is_asked_once_more)
{
    int of[64] = {0};
    struct json *root = run(HUGE_ONLY, "rmsnorm suite=quick seed=4 N=6 C=5");
    const int n = (int)said_number(root, "cases");
    ck_assert(!strcmp(said_word(root, "verdict"), "wrong") && said_number(root, "failed") == 1 &&
              !*said_word(root, "trouble"));
    for (int k = 0; k < calls; k++)
        of[call[k].number]++;
    for (int i = 0; i < n;
         i++) /* twice, and replayed if it was right; then once, and that derived too; then the first */
        ck_assert_msg(of[i] - (i == call[0].number) == 4 + (i % 5 == 0 ? 5 : 0), "problem %d is asked %d times", i,
                      of[i]);
    ck_assert_msg(strcmp(call[0].family, "huge") && call[calls - 1].number == call[0].number,
                  "the last question is the first one again: %d, %d", call[calls - 1].number, call[0].number);
    ck_assert_str_eq(said_word(said_tensor(root, "y"), "family"), "huge");
    ck_assert(said_number(said_tensor(root, "y"), "failed") == 1 &&
              said_number(said_tensor(root, "dx"), "failed") == 0);
    json_free(root);
}
END_TEST

/* ---- what is said of it */

static const struct said { enum trick how; const char *line, *verdict, *trouble; int calls;
} said[] = {
    { RIGHT, "rmsnorm N=3 C=5", "good", "", 7 },
    { RIGHT, "mlstm B=1 T=5 H=2 K=3 V=4 dtype=f64", "good", "", 7 },
    { RIGHT, "attention suite=quick number=1", "good", "", 2 },
    { RIGHT, "sqsum suite=quick number=1", "good", "", 2 },
    { RIGHT, "adamw suite=quick number=1", "good", "", 2 },
    { NO_RSTD, "rmsnorm N=3 C=5", "good", "", 7 },
    { NO_RSTD, "rmsnorm_forward N=3 C=5", "wrong", "rmsnorm_forward gives no rstd", -1 },
    { NO_Y, "rmsnorm N=3 C=5", "wrong", "rmsnorm gives no y", -1 },
    { NO_Y_ASKED, "rmsnorm N=3 C=5", "good", "", 7 },
    { SAYS_NOTHING, "rmsnorm N=3 C=5", "wrong", "rmsnorm does not answer", -1 },
    { REFUSES, "rmsnorm N=3 C=5", "wrong", "it cannot do that", -1 },
    { LEAVES, "rmsnorm suite=quick", "wrong", "it is gone", 1 },
    { LEAVES_LATER, "rmsnorm N=3 C=5", "wrong", "it is gone", 3 },
    { OTHER_BITS, "rmsnorm N=3 C=5", "good", "", 7 },
    { SECOND_WRONG, "rmsnorm N=3 C=5", "wrong",
      "rmsnorm is right at first and wrong in later calls: in the second on the same inputs", -1 },
    { STALE, "add_forward N=15", "wrong",
      "add_forward gives the answer of the call before to other numbers in the same memory", -1 },
    { REPLAY_WRONG, "rmsnorm N=3 C=5", "wrong", "rmsnorm is right at first and wrong in later calls", -1 },
    { FORGETS, "rmsnorm suite=quick number=1", "good", "", 2 },
    { FORGETS, "rmsnorm suite=quick N=6 C=5", "wrong", "rmsnorm is right at first and wrong in later calls", -1 },
    { DOUBLES, "rmsnorm N=3 C=5", "wrong", "", -1 },
    { PLUS_ONE, "rmsnorm_forward N=30 C=5", "wrong", "", -1 },
    { SOME_NUMBERS, "rmsnorm_forward N=30 C=5", "wrong", "", -1 },
    { BOTH_WRONG, "rmsnorm_forward N=30 C=5", "wrong", "", -1 },
};

START_TEST(each_way_to_answer_has_its_words)
{
    const struct said *s = &said[_i];
    struct json *root = run(s->how, s->line);
    ck_assert_msg(root != NULL, "%s", why);
    ck_assert_msg(!strcmp(said_word(root, "verdict"), s->verdict) &&
                      !strncmp(said_word(root, "trouble"), s->trouble, OP_SENTENCE),
                  "%s, way %d: %s, \"%s\"", s->line, (int)s->how, said_word(root, "verdict"),
                  said_word(root, "trouble"));
    ck_assert_msg(s->calls < 0 || calls == s->calls, "%s, way %d: %d calls", s->line, (int)s->how, calls);
    ck_assert_int_eq(said_number(root, "failed") > 0, strcmp(s->verdict, "good") != 0);
    if (s->how == OTHER_BITS)
        ck_assert(said_number(root, "unequal") == 1);
    if (s->how == NO_Y_ASKED)
        ck_assert(!said_tensor(root, "y") && said_tensor(root, "rstd") && said_tensor(root, "dx") &&
                  said_tensor(root, "dw"));
    if (s->how == NO_RSTD && s->calls > 0)
        ck_assert(said_tensor(root, "y") && !said_tensor(root, "rstd") && said_tensor(root, "dx") &&
                  said_tensor(root, "dw"));
    if (s->how == DOUBLES)
        ck_assert_msg(strstr(said_word(said_tensor(root, "y"), "looks"), "2 times") &&
                          said_number(said_tensor(root, "dx"), "failed") == 0,
                      "%s", said_text);
    ck_assert_int_eq(said_number(root, "others"), s->how == SOME_NUMBERS);
    if (s->how == SOME_NUMBERS)      /* its own numbers are right, the others are not */
        ck_assert(said_number(root, "other_case") == 0 && said_number(said_tensor(root, "y"), "cases") == 2 &&
                  said_number(said_tensor(root, "y"), "failed") == 1);
    if (s->how == PLUS_ONE || s->how == SOME_NUMBERS)
        ck_assert_str_eq(said_word(json_get(root, "diagnosis")->first, "name"), "one_plus_weight");
    json_free(root);
}
END_TEST

/* A state without the number that says in what units it is, is none; nor is its backward's missing. */
static const char *missing;

static int without(void *arg, struct door_problem *p, int how, char trouble[OP_SENTENCE])
{
    (void)arg, (void)how, (void)trouble;
    char names[40];
    shown_answer(swax_tiers[0], SWAX_PREC_F32, p);
    snprintf(names, sizeof names, "%s", missing);
    for (char *name = strtok(names, " "); name; name = strtok(NULL, " "))
        shown_array(p, name, 1)->given = -1;
    return 0;
}

START_TEST(a_state_is_given_with_its_units)
{
    static const struct { const char *missing, *trouble; } of[] = {
        {"m1", "mlstm gives C1 without m1, which says in what units it is"}, {"C1 m1", ""}, {"", ""}, {"C1", ""},
    };
    static const char *const words[] = {"mlstm", "B=2", "T=5", "H=2", "K=3", "V=4", "seed=5"};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        FILE *o = tmpfile();
        missing = of[k].missing;
        ck_assert(o && !door_run(7, words, without, NULL, 1, "", fileno(o), why));
        struct json *root = said_report(o);
        ck_assert_msg(!strcmp(said_word(root, "trouble"), of[k].trouble), "without %s: \"%s\"", missing,
                      said_word(root, "trouble"));
        ck_assert_int_eq(said_number(root, "failed"), *of[k].trouble != 0);
        json_free(root);
    }
}
END_TEST

/* ---- time */

START_TEST(time_is_that_of_judged_calls)
{
    static const double of[] = {90, 80, 6, 3, 9, 1, 11, 2, 8, 10, 4, 7, 5};
    static const struct { const char *line; double bytes; } floors[] = {
        {"rmsnorm N=30 C=20 time=yes", 4 * (600 + 20 + 600 + 600 + 30 + 600 + 20)},
        {"rmsnorm_forward N=30 C=20 dtype=f64 time=yes", 8 * (600 + 20 + 600 + 30)},
        {"rmsnorm N=30 C=20 dtype=bf16 time=yes", 2 * (600 + 600 + 600 + 600) + 4 * (20 + 30 + 20)},
        {"rmsnorm_forward N=30 C=20 dtype=f16 time=yes", 2 * (600 + 600) + 4 * (20 + 30)},
        {"embed_forward N=30 C=20 V=7 time=yes", 4 * (30 + 140 + 600)},
        {"sqsum N=30 time=yes", 4 * 30 + 8},
    };
    for (size_t k = 0; k < sizeof floors / sizeof *floors; k++) {
        seconds = of;
        struct json *root = run(RIGHT, floors[k].line);
        ck_assert_msg(root && !strcmp(said_word(root, "verdict"), "good"), "%s: %s", floors[k].line,
                      root ? said_text : why);
        const struct json *t = json_get(root, "time")->first;
        ck_assert(said_number(t, "calls") == 11 && said_number(t, "median_seconds") == 6 &&
                  said_number(t, "least_seconds") == 1 && said_number(t, "most_seconds") == 11);
        ck_assert_str_eq(said_word(t, "device"), "a machine");
        ck_assert(timed == 13 && call[calls - 1].how == DOOR_TIMED && call[calls - 13].how == DOOR_TIMED &&
                  call[calls - 14].how != DOOR_TIMED);
        for (int i = calls - 13; i < calls - 1 && call[i].x; i++)
            ck_assert_msg(memcmp(call[i].x, call[i + 1].x, 30 * sizeof(double)) &&
                              (!call[i].w || memcmp(call[i].w, call[i + 1].w, 20 * sizeof(double))),
                          "call %d has numbers of the one before", i);
        ck_assert_double_eq_tol(said_number(t, "memory_floor_seconds") / (floors[k].bytes / 1e9), 1, 1e-12);
        if (!k)
            ck_assert_msg(!strncmp(said_word(t, "sizes"), "rmsnorm_forward N=30 C=20 eps=", 30), "%s",
                          said_word(t, "sizes"));
        json_free(root);
    }
    struct json *root = run(NO_RSTD, "rmsnorm N=30 C=20 time=yes");      /* what is not given is not written */
    ck_assert_double_eq_tol(said_number(json_get(root, "time")->first, "memory_floor_seconds"), 4e-9 * (600 * 4 + 40),
                            1e-15);
    json_free(root);
}
END_TEST

START_TEST(what_is_wrong_has_no_time)
{
    static const struct { enum trick how; const char *trouble;
    } of[] = {
        { TIMED_WRONG, "rmsnorm is right while it is checked, and wrong while it is timed" },
        { TIMED_NUMBERS,
          "rmsnorm is right about the numbers of the suite, and wrong about others that it was timed with" },
        { TIMED_REFUSES, "it cannot do that" },
        { DOUBLES, "" },
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        struct json *root = run(of[k].how, "rmsnorm N=30 C=20 time=yes");
        ck_assert_str_eq(said_word(root, "trouble"), of[k].trouble);
        ck_assert(!strcmp(said_word(root, "verdict"), "wrong") && said_number(root, "failed") == 1 &&
                  !json_get(root, "time")->count);
        json_free(root);
    }
    struct json *root = run(RIGHT, "rmsnorm N=30 C=20");
    ck_assert(!json_get(root, "time")->count && !timed);
    json_free(root);
}
END_TEST

/* Right, but for another stabiliser m, with the states that belong to it. */
static int in_another_gauge(void *arg, struct door_problem *p, int how, char trouble[OP_SENTENCE])
{
    static const struct { const char *name; double plus, times; } moved[] = {
        {"m", 0.5, 1}, {"m1", 0.5, 1}, {"C1", 0, 0.60653065971263342}, {"n1", 0, 0.60653065971263342},
        {"qn", 0, 0.60653065971263342}};
    (void)arg, (void)how, (void)trouble;
    shown_answer(swax_tiers[0], SWAX_PREC_F64, p);
    for (size_t k = 0; k < sizeof moved / sizeof *moved; k++) {
        const struct door_array *x = shown_array(p, moved[k].name, 1);
        for (long e = 0; x && e < shown_elements(x); e++)
            x->at[e] = moved[k].times * x->at[e] + moved[k].plus;
    }
    return 0;
}

START_TEST(m_is_asked_where_that_is_the_contract)
{
    static const struct { const char *line, *verdict; int another; } of[] = {
        {"mlstm_forward T=5 L=64 g=0 eps=0 documents=no dtype=f64", "good", 1},
        {"mlstm_forward T=5 L=64 g=0 eps=0 documents=no dtype=f64 gauge=any", "good", 1},
        {"mlstm_forward T=5 L=64 g=0 eps=0 documents=no dtype=f64 gauge=contract", "wrong", 0}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        FILE *o;
        const char *wrong = run_line(&o, of[k].line, in_another_gauge, NULL, 1e9, "a machine");
        ck_assert_msg(!wrong, "%s", wrong ? wrong : "");
        struct json *root = said_report(o);
        const double another = said_number(root, "another_gauge");
        ck_assert_msg(!strcmp(said_word(root, "verdict"), of[k].verdict) && another == of[k].another,
                      "%s: %s, %g in another gauge", of[k].line, said_word(root, "verdict"), another);
        json_free(root);
    }
}
END_TEST

/* ---- refusals */

START_TEST(words_are_refused_with_a_sentence)
{
    static const struct { const char *line, *says; } of[] = {
        {"suite=quick", "Which kernel?  op= names it."},
        {"rmsnorm suite=quick family=tiny", "A suite has all families: leave out suite=, or family=tiny."},
        {"rmsnorm family=shut", "family=shut does not differ from gauss for rmsnorm."},
        {"rmsnrm", "There is no kernel \"rmsnrm\": did you mean rmsnorm?"},
        {"rmsnorm suite=quikc", "suite"},
        {"rmsnorm Q=3", "Q"},
        {"rmsnorm N=many", "N"},
        {"mlstm T=2000000 B=9 H=9 K=99 V=99", "Too large"},
        {"rmsnorm suite=quick number=99", "number=99: suite=quick of rmsnorm has cases 0 to 12."},
        {"rmsnorm suite=quick number=13", "number=13: suite=quick of rmsnorm has cases 0 to 12."},
        {"rmsnorm N=3 number=1", "number=1: without suite= there is case 0 alone."},
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        struct json *root = run(RIGHT, of[k].line);
        ck_assert_msg(!root && strstr(why, of[k].says) && is_sentence(why), "%s: %s", of[k].line,
                      root ? "no refusal" : why);
        ck_assert_int_eq(calls, 0);
    }
    struct json *root = run(RIGHT, "rmsnorm N=3 C=5 family=tiny");
    ck_assert_str_eq(said_word(said_tensor(root, "y"), "family"), "tiny");
    json_free(root);
    root = run(RIGHT, "mlstm_forward T=3 H=1 K=2 V=2 family=cold");      /* which is not for every kernel */
    ck_assert_msg(root && !strcmp(said_word(said_tensor(root, "h"), "family"), "cold"), "%s", why);
    json_free(root);
}
END_TEST

START_TEST(a_report_that_cannot_be_written_is_said)
{
    static const char *const words[] = {"rmsnorm", "N=3", "C=5"};
    trick = RIGHT;
    const char *wrong = door_run(3, words, answers, call, 1, "", -1, why);
    ck_assert_msg(wrong && !strcmp(wrong, "The report could not be written."), "%s", wrong ? wrong : "no word");
    FILE *full = fopen("/dev/full", "w");
    if (!full)
        return;
    wrong = door_run(3, words, answers, call, 1, "", fileno(full), why);
    ck_assert_msg(wrong && !strcmp(wrong, "The report could not be written."), "%s", wrong ? wrong : "no word");
    fclose(full);
}
END_TEST

/* ---- other numbers, of which the answers are others */

START_TEST(other_numbers_are_consistent)
{
    static const struct { const char *op, *changed;
    } of[] = {
        { "attention_forward", "v" },
        { "attention_backward", "dy" },
        { "mlstm_forward", "v" },
        { "mlstm_backward", "dh" },
        { "delta_backward", "dy" },
        { "embed_forward", "w" },
        { "embed_backward", "dy" },
        { "xent_backward", "dloss" },
        { "xent_forward", "x" },
        { "rope_backward", "dy" },
        { "adamw", "g" },
        { "sqsum", "x" },
        { "add_forward", "a" },
        { "conv_forward", "x" },
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++)
        for (int round = 0; round < 4; round++) {
            struct op_case c, was;
            op_case_make(&c, op_find(of[k].op), 11, OP_GAUSS, 9, SWAX_PREC_F32);
            op_case_copy(&was, &c);
            case_change(&c, round);
            for (int i = 0; i < c.n; i++)
                for (long e = 0; c.arg[i] && e < c.size[i]; e++) {
                    const int other = !strcmp(swax_ops[c.op].arg[i].name, of[k].changed);
                    const double is =
                        other ? ldexp(-was.arg[i][(e + 1) % c.size[i]], e ? 0 : -1 - round % 3) : was.arg[i][e];
                    ck_assert_each(c.arg[i][e] == is, "%s: %s, element %ld is %g, not %g", of[k].op,
                                   swax_ops[c.op].arg[i].name, e, c.arg[i][e], is);
                }
            op_case_free(&c), op_case_free(&was);
        }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("doors");
    TCase *t = tcase_create("run");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, problems_are_shown);
    tcase_add_test(t, a_problem_is_had_again_by_number);
    tcase_add_test(t, problems_are_put_twice_and_some_replayed);
    tcase_add_test(t, what_is_wrong_is_asked_once_more);
    tcase_add_loop_test(t, each_way_to_answer_has_its_words, 0, (int)(sizeof said / sizeof *said));
    tcase_add_test(t, a_state_is_given_with_its_units);
    tcase_add_test(t, time_is_that_of_judged_calls);
    tcase_add_test(t, what_is_wrong_has_no_time);
    tcase_add_test(t, m_is_asked_where_that_is_the_contract);
    tcase_add_test(t, words_are_refused_with_a_sentence);
    tcase_add_test(t, a_report_that_cannot_be_written_is_said);
    tcase_add_test(t, other_numbers_are_consistent);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
