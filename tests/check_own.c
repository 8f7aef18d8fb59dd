/* check_own.c - somebody's own tensors (tools/verify/own.h): the description as it is read, and problems as they are
 * drawn. */
#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tests/golden.h"
#include "tests/own_text.h"
#include "tests/scratch.h"
#include "tests/suite.h"

/* ---- the description */

START_TEST(a_description_is_read)
{
    ck_assert_msg(
        !read_text(
            "{\"function\": \"my_f2\", \"sizes\": {\"H\": 12, \"G\": {\"divides\": \"H\", \"from\": 2}, \"T\": [3, "
            "200],"
            " \"S\": {\"at_least\": \"T\", \"to\": 300, \"word\": \"keys\"}, \"D\": {\"from\": 2, \"to\": 99, "
            "\"multiple_of\": 4},"
            " \"E\": {\"of\": [3, 5, 2147483647]}}, \"scalars\": {\"eps\": [1e-6, 1e-2], \"one\": 0.5, \"low\": [-3, "
            "4]},"
            " \"tensors\": [{\"name\": \"y\", \"shape\": \"THD\", \"is\": \"output\", \"statistic\": true},"
            " {\"name\": \"dx\", \"shape\": \"\", \"is\": \"gradient\"}, {\"name\": \"dw\", \"shape\": \"D\", \"is\": "
            "\"added\"},"
            " {\"name\": \"i\", \"shape\": \"T\", \"is\": \"input\", \"like\": \"index\", \"below\": \"E\"},"
            " {\"name\": \"g\", \"shape\": \"TH\", \"is\": \"input\", \"like\": \"gate\", \"statistic\": false}]}"),
        "%s", why);
    static const struct own_size sizes[] = {
        { 'H', "", 12, 12, 1, 0, { 0 }, 0, 0 }, { 'G', "", 2, 1, 1, 0, { 0 }, 'H', 0 },
        { 'T', "", 3, 200, 1, 0, { 0 }, 0, 0 }, { 'S', "keys", 1, 300, 1, 0, { 0 }, 0, 'T' },
        { 'D', "", 2, 99, 4, 0, { 0 }, 0, 0 },  { 'E', "", 1, 1, 1, 3, { 3, 5, INT_MAX }, 0, 0 },
    };
    static const struct own_scalar scalars[] = {{"eps", 1e-6, 1e-2}, {"one", 0.5, 0.5}, {"low", -3, 4}};
    static const struct own_tensor tensors[] = {
        { "y", "THD", OUT, 0, STAT, LIKE_NORMAL, 0 }, { "dx", "", OUT, 1, REAL, LIKE_NORMAL, 0 },
        { "dw", "D", ADD, 1, REAL, LIKE_NORMAL, 0 },  { "i", "T", IN, 0, INT, LIKE_INDEX, 'E' },
        { "g", "TH", IN, 0, REAL, LIKE_GATE, 0 },
    };
    ck_assert(!strcmp(w.function, "my_f2") && w.sizes == 6 && w.scalars == 3 && w.tensors == 5 &&
              strstr(w.path, "own.json"));
    for (int i = 0; i < 6; i++) {
        const struct own_size *is = &w.size[i], *s = &sizes[i];
        ck_assert_msg(is->letter == s->letter && !strcmp(is->word, s->word) && is->least == s->least &&
                          is->most == s->most && is->step == s->step && is->choices == s->choices &&
                          !memcmp(is->choice, s->choice, sizeof s->choice) && is->divides == s->divides &&
                          is->reaches == s->reaches,
                      "size %c", s->letter);
    }
    for (int i = 0; i < 3; i++)
        ck_assert_msg(!strcmp(w.scalar[i].name, scalars[i].name) && w.scalar[i].least == scalars[i].least &&
                          w.scalar[i].most == scalars[i].most,
                      "scalar %s", scalars[i].name);
    for (int i = 0; i < 5; i++) {
        const struct own_tensor *is = &w.tensor[i], *t = &tensors[i];
        ck_assert_msg(!strcmp(is->name, t->name) && !strcmp(is->shape, t->shape) && is->role == t->role &&
                          is->gradient == t->gradient && is->type == t->type && is->like == t->like &&
                          is->below == t->below,
                      "tensor %s", t->name);
    }
}
END_TEST

static const char *const likes[LIKES] = { "normal",      "weight",   "gate",  "logit",
                                          "probability", "positive", "decay", "index" };

START_TEST(numbers_of_a_description_have_ends)
{
    static const struct { const char *text, *says;
    } of[] = {
        { WITH("\"N\": 1", Y ", " X), NULL },
        { WITH("\"N\": 0", Y ", " X), "size N is a number" },
        { WITH("\"N\": -1", Y ", " X), "size N is a number" },
        { WITH("\"N\": 2147483648", Y ", " X), "size N is a number" },
        { WITH("\"N\": [0, 3]", Y ", " X), "size N is a number" },
        { WITH("\"N\": [1, 3, 4]", Y ", " X), "size N is a number" },
        { WITH("\"N\": [3, 3]", Y ", " X), NULL },
        { WITH("\"N\": {\"from\": 0, \"to\": 3}", Y ", " X), "whole numbers from 1" },
        { WITH("\"N\": {\"from\": 1, \"to\": 0}", Y ", " X), "whole numbers from 1" },
        { WITH("\"N\": {\"from\": 1, \"to\": 3, \"multiple_of\": 0}", Y ", " X), "whole numbers from 1" },
        { WITH("\"N\": {\"from\": 5, \"to\": 7, \"multiple_of\": 4}", Y ", " X),
          "there is nothing from 5 to 7 that is such a multiple." },
        { WITH("\"N\": {\"from\": 5, \"to\": 8, \"multiple_of\": 4}", Y ", " X), NULL },
        { WITH("\"N\": {\"from\": 5, \"to\": 5, \"multiple_of\": 2}", Y ", " X),
          "there is nothing from 5 to 5 that is such a multiple." },
        { WITH("\"N\": {\"from\": 5, \"to\": 4}", Y ", " X), "there is nothing from 5 to 4." },
        { WITH("\"N\": {\"to\": 4}", Y ", " X), "it is from \"from\" to \"to\"" },
        { WITH("\"N\": {\"of\": [0]}", Y ", " X), "a list of whole numbers from 1" },
        { WITH("\"N\": {\"of\": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}", Y ", " X), NULL },
        { WITH("\"N\": {\"of\": [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}", Y ", " X), "a list of 1 to 16" },
        { WITH("\"N\": {\"from\": 1, \"to\": 3, \"word\": \"\"}", Y ", " X), "\"word\" is what it is called" },
        { WITH("\"N\": {\"from\": 1, \"to\": 3, \"word\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}", Y ", " X),
          NULL },
        { WITH("\"N\": {\"from\": 1, \"to\": 3, \"word\": \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}", Y ", " X),
          "\"word\" is what" },
        { WITH("\"H\": 3, \"N\": {\"divides\": \"N\"}", Y ", " X),
          "\"divides\" is the letter of a size that stands before it" },
        { WITH("\"N\": 3, \"H\": {\"at_least\": \"NN\", \"to\": 4}", Y ", " X),
          "\"at_least\" is the letter of a size that stands before it" },
        { WITH("\"N\": 3, \"H\": {\"at_least\": \"N\"}", Y ", " X), "up to \"to\"" },
        { WITH("\"N\": 3, \"2\": 3", Y ", " X), "called by one letter, not \"2\"" },
        { WITH("\"N\": 3", Y ", {\"name\": \"x\", \"shape\": \"NNNNNNNN\", \"is\": \"input\"}"), NULL },
        { WITH("\"N\": 3", Y ", {\"name\": \"x\", \"shape\": \"NNNNNNNNN\", \"is\": \"input\"}"),
          "\"shape\" is up to 8 letters" },
        { WITH("\"N\": 3",
               Y ", {\"name\": \"x23456789012345678901234567890123456789\", \"shape\": \"N\", \"is\": \"input\"}"),
          NULL },
        { WITH("\"N\": 3",
               Y ", {\"name\": \"x234567890123456789012345678901234567890\", \"shape\": \"N\", \"is\": \"input\"}"),
          "needs a name" },
        { WITH("\"N\": 3", Y ", {\"name\": \"x-y\", \"shape\": \"N\", \"is\": \"input\"}"),
          "tensor number 2 needs a name" },
        { WITH("\"N\": 3", Y ", {\"name\": \"\", \"shape\": \"N\", \"is\": \"input\"}"),
          "tensor number 2 needs a name" },
        { WITH("\"N\": 3",
               Y ", {\"name\": \"x\", \"shape\": \"N\", \"is\": \"input\", \"like\": \"gate\", \"below\": \"N\"}"),
          "an index, and nothing else" },
        { WITH("\"N\": 3",
               Y ", {\"name\": \"x\", \"shape\": \"N\", \"is\": \"input\", \"like\": \"index\", \"below\": \"M\"}"),
          "whose letter it says" },
        { WITH("\"N\": 3", Y ", {\"name\": \"x\", \"shape\": \"N\", \"is\": \"inputs\"}"), "did you mean input?" },
        { WITH("\"N\": 3", Y ", {\"name\": \"x\", \"shape\": \"N\", \"is\": \"qqqqqqqq\"}"),
          "own.json: tensor x: \"is\" is one of input, output, gradient, added." },
        { "{\"function\": \"f\", \"sizes\": {\"N\": 3}, \"scalars\": {\"a b\": 1}, \"tensors\": [" X "]}",
          "\"a b\" is none" },
        { "{\"function\": \"f\", \"sizes\": {\"N\": 3}, \"scalars\": {\"a\": [1, \"2\"]}, \"tensors\": [" X "]}",
          "scalar a is a number" },
        { "{\"function\": \"f\", \"sizes\": {}, \"tensors\": [" X "]}", "\"sizes\" has each size" },
        { "{\"function\": \"f\", \"sizes\": {\"N\": 3}, \"tensors\": []}", "\"tensors\" is a list" },
        { "{\"function\": 3, \"sizes\": {\"N\": 3}, \"tensors\": []}", "\"function\" is the name" },
        { "3", "is no object" },
    };
    char *all;
    size_t size;
    FILE *f = open_memstream(&all, &size);
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        const char *wrong = read_text(of[k].text), *path = wrong ? strstr(wrong, "own.json") : NULL;
        ck_assert_msg(!wrong == !of[k].says && (!wrong || (strstr(wrong, of[k].says) && is_sentence(wrong))), "%s: %s",
                      of[k].text, wrong ? wrong : "taken");
        fprintf(f, "%d: %s\n", (int)k, path ? path : "taken");
    }
    fclose(f);
    golden_is("own_ends.txt", all, 0);
    free(all);
    static char text[(1 << 20) + 100];
    for (int more = 0; more < 2; more++) {      /* a mebibyte of text, and a byte more */
        const int n = sprintf(text, "%s", WITH("\"N\": 1", Y ", " X));
        memset(text + n, ' ', (size_t)((1 << 20) - n + more));
        text[(1 << 20) + more] = 0;
        const char *wrong = read_text(text);
        ck_assert_msg(!wrong == !more && (!wrong || is_sentence(wrong)), "%d bytes: %s", (1 << 20) + more,
                      wrong ? wrong : "taken");
    }
    for (int n = 15; n <= 17; n++) {      /* 16 sizes, and 16 scalars, and no more */
        for (int scalars = 0; scalars < 2; scalars++) {
            snprintf(text, sizeof text, "{\"function\": \"f\", \"%s\": {",
                     scalars ? "sizes\": {\"N\": 1}, \"scalars" : "sizes");
            for (int i = 0; i < n; i++)
                snprintf(text + strlen(text), 20, "%s\"%c\": 2", i ? ", " : "", (i + 13) % 17 + 'A');
            strcat(text, "}, \"tensors\": [" Y ", " X "]}");
            const char *wrong = read_text(text);
            if (n == 16 && !scalars) {      /* none of all of them */
                ck_assert(!wrong);
                memcpy(strstr(text, "\"shape\": \"N"), "\"shape\": \"Z", 11);
                wrong = read_text(text);
                ck_assert_msg(wrong && strstr(wrong, "has the letter Z, which is none of"), "%s", wrong ? wrong : "");
                wrong = NULL;
            }
            ck_assert_msg(!wrong == (n <= 16) &&
                              (!wrong || strstr(wrong, scalars ? "more than 16 scalars" : "more than 16 sizes")),
                          "%d: %s", n, wrong ? wrong : "");
        }
    }
    for (int n = 31; n <= 33; n++) {
        snprintf(text, sizeof text, "{\"function\": \"f\", \"sizes\": {\"N\": 1}, \"tensors\": [" Y);
        for (int i = 1; i < n; i++)
            snprintf(text + strlen(text), 80, ", {\"name\": \"x%d\", \"shape\": \"N\", \"is\": \"input\"}", i);
        strcat(text, "]}");
        const char *wrong = read_text(text);
        ck_assert_msg(!wrong == (n <= 32) && (!wrong || strstr(wrong, "more than 32 tensors")), "%d: %s", n,
                      wrong ? wrong : "");
    }
}
END_TEST

/* ---- problems */

START_TEST(problems_have_sizes_of_all_kinds)
{
    ck_assert(own_commons("quick") == 12 && own_commons("standard") == 60 && own_commons("hard") == 160);
    ck_assert_msg(!read_text("{\"function\": \"f\", \"sizes\": {\"N\": [1, 300], \"M\": [600, 700], \"H\": 12, \"G\": "
                             "{\"divides\": \"H\", \"from\": 3}, "
                             "\"S\": {\"at_least\": \"N\", \"from\": 100, \"to\": 200}, \"D\": {\"from\": 5, \"to\": "
                             "40, \"multiple_of\": 4},"
                             " \"E\": {\"of\": [3, 5]}}, \"scalars\": {\"eps\": [1e-6, 1e-2], \"low\": [-3, 5], "
                             "\"from0\": [0, 8], \"one\": 0.5},"
                             " \"tensors\": [" Y ", {\"name\": \"x\", \"shape\": \"ND\", \"is\": \"input\"}, "
                                                 "{\"name\": \"z\", \"shape\": \"\", \"is\": \"output\"}]}"),
                  "%s", why);
    enum { RUNS = 1000 };
    int small = 0, border = 0, divisors[13] = {0}, fives = 0, multiples[41] = {0};
    double sum[3] = {0, 0, 0};
    for (int k = 0; k < RUNS; k++) {
        static const enum op_family order[] = { OP_GAUSS, OP_INTEGERS, OP_SATURATED, OP_OPEN, OP_SHUT,
                                                OP_COLD,  OP_EQUAL,    OP_ONEHOT,    OP_HUGE, OP_TINY };
        struct own_problem p, same, other;
        own_sizes(&p, &w, 7, k, NULL), own_sizes(&same, &w, 7, k, NULL), own_sizes(&other, &w, 8, k, NULL);
        const int N = p.size[0], M = p.size[1], G = p.size[3], S = p.size[4], D = p.size[5];
        ck_assert(p.number == k && p.family == (k % 2 ? order[k / 2 % 10] : OP_GAUSS));
        ck_assert(!memcmp(p.size, same.size, sizeof p.size) && p.seed == same.seed && p.seed != other.seed);
        ck_assert(N >= 1 && N <= 300 && M >= 600 && M <= 700 && p.size[2] == 12 && 12 % G == 0 && G >= 3 && D >= 5 &&
                  D <= 40 && D % 4 == 0);
        ck_assert_msg(S >= 100 && S >= N && (N > 200 ? S == N : S <= 200), "S=%d of N=%d", S, N);
        ck_assert(p.n[0] == N && p.n[1] == (long)N * D && p.n[2] == 1 && own_extent(&w, &p, 'M') == M &&
                  own_extent(&w, &p, 'Q') == 1);
        small += N <= 9;
        border += N >= 15 && (N % 16 <= 1 || N % 16 == 15);
        divisors[G]++;
        fives += p.size[6] == 5;
        ck_assert(p.size[6] == 3 || p.size[6] == 5);
        multiples[D]++;
        ck_assert(p.scalar[0] >= 1e-6 && p.scalar[0] <= 1e-2 && p.scalar[1] >= -3 && p.scalar[1] < 5 &&
                  p.scalar[2] >= 0 && p.scalar[2] < 8 && p.scalar[3] == 0.5);
        sum[0] += log10(p.scalar[0]), sum[1] += p.scalar[1], sum[2] += p.scalar[2];
    }
    ck_assert_msg(small > RUNS / 4 && small < RUNS / 3, "a quarter of the sizes is small: %d", small);
    ck_assert_msg(border > 0.4 * RUNS && border < 0.6 * RUNS, "half of the sizes is at borders of tiles: %d", border);
    ck_assert_msg(divisors[3] > 150 && divisors[4] > 150 && divisors[6] > 150 && divisors[12] > 150, "%d %d %d %d",
                  divisors[3], divisors[4], divisors[6], divisors[12]);
    ck_assert_msg(fives > 400 && fives < 600, "%d", fives);
    for (int d = 8; d <= 40; d += 4)
        ck_assert_msg(multiples[d] > 3, "D=%d comes %d times", d, multiples[d]);
    ck_assert_msg(fabs(sum[0] / RUNS + 4) < 0.15 && fabs(sum[1] / RUNS - 1) < 0.3 && fabs(sum[2] / RUNS - 4) < 0.3,
                  "the means of the scalars: 1e%g %g %g", sum[0] / RUNS, sum[1] / RUNS, sum[2] / RUNS);
}
END_TEST

/* Who replays a seed gets the same problems as ever: sizes, seeds and numbers without exp. */
static uint64_t hash_of(uint64_t h, const void *at, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ ((const unsigned char *)at)[i]) * 1099511628211u;
    return h;
}

START_TEST(problems_are_the_same_as_ever)
{
    uint64_t sizes = 14695981039346656037u, numbers = sizes;
    ck_assert_msg(
        !read_text(
            "{\"function\": \"f\", \"sizes\": {\"N\": [1, 600], \"H\": [1, 40], \"G\": {\"divides\": \"H\"}, \"S\": "
            "{\"at_least\": \"N\", \"to\": 700}, \"D\": {\"from\": 2, \"to\": 99, \"multiple_of\": 4}, \"E\": {\"of\": "
            "[3, 5]}},"
            " \"tensors\": [{\"name\": \"y\", \"shape\": \"N\", \"is\": \"output\"}, {\"name\": \"x\", \"shape\": "
            "\"GE\", \"is\": "
            "\"input\"}, {\"name\": \"i\", \"shape\": \"E\", \"is\": \"input\", \"like\": \"index\", \"below\": "
            "\"N\"}, {\"name\": \"g\", "
            "\"shape\": \"EG\", \"is\": \"input\", \"like\": \"gate\"}, {\"name\": \"w\", \"shape\": \"G\", \"is\": "
            "\"added\"}]}"),
        "%s", why);
    for (int k = 0; k < 600; k++) {
        struct own_problem p;
        own_sizes(&p, &w, 1 + (uint64_t)k / 200, k, NULL);
        sizes = hash_of(sizes, p.size, sizeof *p.size * 6);
        sizes = hash_of(sizes, &p.seed, sizeof p.seed);
        own_draw(&p, &w, DT_F32);
        for (int i = 1; i < 5; i++)
            numbers = hash_of(numbers, p.at[i], (size_t)p.n[i] * sizeof(double));
        own_free(&p);
    }
    ck_assert_msg(sizes == 0x85b3e7de0d8454b6 && numbers == 0x54c06aab1d7deede, "0x%llx 0x%llx",
                  (unsigned long long)sizes, (unsigned long long)numbers);
}
END_TEST

/* First all is another, then one tensor or scalar after the other, in part: which, and where, is kept; and what is
 * drawn so is still what was described. */
START_TEST(numbers_change_one_tensor_at_a_time)
{
    char *all;
    size_t size;
    FILE *f = open_memstream(&all, &size);
    ck_assert_msg(
        !read_text("{\"function\": \"f\", \"sizes\": {\"N\": [1, 20], \"C\": [2, 9]}, "
                   "\"scalars\": {\"one\": 0.1, \"eps\": [1e-6, 1e-2], \"low\": [-3, 5]}, \"tensors\": ["
                   "{\"name\": \"y\", \"shape\": \"N\", \"is\": \"output\"}, "
                   "{\"name\": \"x\", \"shape\": \"NC\", \"is\": \"input\"}, "
                   "{\"name\": \"i\", \"shape\": \"N\", \"is\": \"input\", \"like\": \"index\", \"below\": \"C\"}, "
                   "{\"name\": \"p\", \"shape\": \"NC\", \"is\": \"input\", \"like\": \"probability\"}, "
                   "{\"name\": \"q\", \"shape\": \"C\", \"is\": \"input\", \"like\": \"probability\"}, "
                   "{\"name\": \"g\", \"shape\": \"\", \"is\": \"input\", \"like\": \"gate\"}, "
                   "{\"name\": \"dw\", \"shape\": \"C\", \"is\": \"added\"}]}"),
        "%s", why);
    ck_assert_int_eq(own_changes(&w), 1 + 7 + 3);
    for (int number = 0; number < 24; number++) {
        struct own_problem p, next;
        own_sizes(&p, &w, 3, number, NULL);
        own_draw(&p, &w, DT_F32);
        for (int k = 0; k < own_changes(&w); k++) {
            own_copy(&next, &p, &w);
            const int changed = own_change(&next, &w, DT_F32, k);
            int differ = memcmp(next.scalar, p.scalar, sizeof p.scalar) != 0;
            fprintf(f, "%d: N=%d C=%d %s, step %d:", number, p.size[0], p.size[1], op_family_name[p.family], k);
            for (int i = 0; i < 3; i++)
                if (next.scalar[i] != p.scalar[i])
                    fprintf(f, " %s=%g", w.scalar[i].name, next.scalar[i]);
            for (int i = 1; i < w.tensors; i++) {
                const long C = p.size[1];
                double sum = 0;
                int own = 0;
                for (long e = 0; e < p.n[i]; e++) {
                    const int is = next.at[i][e] != p.at[i][e];
                    if (is && !own)
                        fprintf(f, " %s", w.tensor[i].name);
                    if (is && k)
                        fprintf(f, " %ld", e);
                    own |= is;
                    sum += next.at[i][e];
                    ck_assert_each(i != 2 || (next.at[i][e] >= 0 && next.at[i][e] < C), "i[%ld] = %g", e,
                                   next.at[i][e]);
                    ck_assert_each(next.at[i][e] == (double)(float)next.at[i][e], "%.17g is no float", next.at[i][e]);
                    if ((e + 1) % C == 0 && (i == 3 || i == 4)) {
                        ck_assert_msg(fabs(sum - 1) < 1e-5, "case %d, step %d: a row of %s has the sum %g", number, k,
                                      w.tensor[i].name, sum);
                        sum = 0;
                    }
                }
                differ += own;
            }
            fputc('\n', f);
            ck_assert_msg(!k || differ == changed, "case %d, step %d: %d differ", number, k, differ);
            own_free(&p);
            p = next;
        }
        own_free(&p);
    }
    fclose(f);
    golden_is("own_change.txt", all, 1e-9);
    free(all);
}
END_TEST

/* Sizes of a range reach both of its ends, also where it is small. */
START_TEST(sizes_reach_their_ends)
{
    static const struct { const char *text; int least, most;
    } of[] = {
        { WITH("\"N\": [1, 3]", Y ", " X), 1, 3 },
        { WITH("\"N\": [15, 18]", Y ", " X), 15, 18 },
        { WITH("\"N\": [513, 514]", Y ", " X), 513, 514 },
        { WITH("\"N\": [513, 513]", Y ", " X), 513, 513 },
        { WITH("\"N\": [3, 10]", Y ", " X), 3, 10 },
        { WITH("\"N\": [3, 11]", Y ", " X), 3, 11 },
        { WITH("\"N\": [3, 12]", Y ", " X), 3, 12 },
        { WITH("\"N\": {\"from\": 3, \"to\": 13, \"multiple_of\": 5}", Y ", " X), 5, 10 },
        { WITH("\"N\": {\"from\": 7, \"to\": 8, \"multiple_of\": 4}", Y ", " X), 8, 8 },
        { WITH("\"N\": {\"from\": 5, \"to\": 8, \"multiple_of\": 4}", Y ", " X), 8, 8 },
        { WITH("\"N\": {\"from\": 4, \"to\": 7, \"multiple_of\": 4}", Y ", " X), 4, 4 },
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        int least = INT_MAX, most = 0;
        ck_assert_msg(!read_text(of[k].text), "%s", why);
        for (int i = 0; i < 200; i++) {
            struct own_problem p;
            own_sizes(&p, &w, 3, i, NULL);
            least = p.size[0] < least ? p.size[0] : least;
            most = p.size[0] > most ? p.size[0] : most;
        }
        ck_assert_msg(least == of[k].least && most == of[k].most, "%d to %d, not %d to %d", least, most, of[k].least,
                      of[k].most);
    }
}
END_TEST

/* A size is tall beyond each block that its range goes beyond, one at a time, the others are small, and where nothing
 * goes beyond, nothing is added. */
START_TEST(tall_sizes_cross_large_blocks)
{
    static const struct { const char *suite; int talls;
    } of[] = {{"quick", 15}, {"standard", 23}, {"hard", 24}};
    char *all;
    size_t size;
    FILE *f = open_memstream(&all, &size);
    for (int k = 0; k < 3; k++) {
        ck_assert_msg(!read_text(WITH("\"N\": [1, 256]", Y ", " X)) && own_talls(&w, of[k].suite) == 0, "N to 256");
        ck_assert_msg(!read_text(WITH("\"N\": {\"of\": [4096, 8192]}", Y ", " X)) && !own_talls(&w, of[k].suite), "of");
        /* whatever the others are: from one block on, of which the first is crossed, up to the step before another, and
         * what is chosen or divides another has no range */
        ck_assert(!read_text(WITH("\"N\": [256, 300]", Y ", " X)));
        ck_assert_msg(own_talls(&w, of[k].suite) == 2, "N from 256: across 256, and far beyond it");
        ck_assert(!read_text(WITH("\"N\": [257, 300]", Y ", " X)) && !own_talls(&w, of[k].suite));
        ck_assert(!read_text(WITH("\"N\": {\"from\": 200, \"to\": 300, \"multiple_of\": 128}", Y ", " X)));
        ck_assert_msg(!own_talls(&w, of[k].suite), "of multiples of 128 up to 300, 256 is the last");
        ck_assert(!read_text(WITH("\"N\": [1, 300]", Y ", " X)));
        w.size[0].choices = 1;
        ck_assert(!own_talls(&w, of[k].suite));
        w.size[0].choices = 0, w.size[0].divides = 'N';
        ck_assert(!own_talls(&w, of[k].suite));
        ck_assert_msg(
            !read_text(WITH("\"A\": [1, 9000], \"B\": [2, 1100], \"C\": {\"from\": 64, \"to\": 5000, "
                            "\"multiple_of\": 64}, "
                            "\"D\": [1, 256], \"E\": {\"divides\": \"B\"}, \"F\": {\"at_least\": \"A\", \"to\": 2100}, "
                            "\"G\": [300, 600], \"N\": [7, 30]",
                            Y ", {\"name\": \"x\", \"shape\": \"ABCD\", \"is\": \"input\"}")),
            "%s", why);
        ck_assert_int_eq(own_talls(&w, of[k].suite), of[k].talls);
        int last = 0;
        for (int t = 0; t < of[k].talls; t++)
            for (uint64_t seed = 1; seed < 4; seed++) {
                struct own_problem p;
                own_tall_sizes(&p, &w, of[k].suite, seed, 60 + t, t, 3e5);
                fprintf(f, "%s %d: %c", of[k].suite, t, p.tall);
                for (int i = 0; i < w.sizes; i++) {
                    const struct own_size *s = &w.size[i];
                    fprintf(f, " %d", p.size[i]);
                    ck_assert_msg(p.size[i] >= s->least && p.size[i] % s->step == 0 &&
                                      (s->divides || s->reaches || p.size[i] <= s->most) &&
                                      (s->letter == p.tall || s->divides || s->reaches ||
                                       p.size[i] <= (s->least > s->step ? s->least : s->step) + 10),
                                  "%s %d: %c=%d", of[k].suite, t, s->letter, p.size[i]);
                }
                fprintf(f, ", %.0f numbers\n", own_numbers(&p, &w));
                ck_assert(p.number == 60 + t && p.family == OP_GAUSS);
                last = own_extent(&w, &p, 'A') > last ? (int)own_extent(&w, &p, 'A') : last;
            }
        ck_assert_msg(k == 2 ? last > 8600 : last > 6144 && last <= 8192, "%s: A to %d", of[k].suite, last);
    }
    fclose(f);
    /* as many numbers as there may be are not too many */
    struct own_problem p;
    own_tall_sizes(&p, &w, "standard", 1, 60, 0, INFINITY);
    const double numbers = own_numbers(&p, &w);
    const int extents = p.size[6];
    for (int fewer = 0; fewer < 2; fewer++) {
        own_tall_sizes(&p, &w, "standard", 1, 60, 0, numbers - fewer);
        ck_assert_msg((own_numbers(&p, &w) == numbers && p.size[6] == extents) == !fewer, "of %.0f numbers %.0f are "
                      "left", numbers, own_numbers(&p, &w));
    }
    golden_is("own_tall.txt", all, 0);
    free(all);
}
END_TEST

/* Of what is last along the tall size every other number is larger than all the others, and indices reach the last. */
START_TEST(what_is_last_along_a_tall_size_stands_out)
{
    struct own_problem p;
    ck_assert_msg(!read_text(WITH("\"N\": [1, 8], \"C\": [300, 600]",
                                  Y ", {\"name\": \"x\", \"shape\": \"NCN\", \"is\": \"input\"}, "
                                  "{\"name\": \"z\", \"shape\": \"NC\", \"is\": \"input\", \"like\": \"logit\"}, "
                                  "{\"name\": \"w\", \"shape\": \"C\", \"is\": \"input\", \"like\": \"weight\"}, "
                                  "{\"name\": \"i\", \"shape\": \"C\", \"is\": \"input\", \"like\": \"index\", "
                                  "\"below\": \"C\"}, {\"name\": \"j\", \"shape\": \"C\", \"is\": \"input\", \"like\": "
                                  "\"index\", \"below\": \"N\"}")),
                  "%s", why);
    own_tall_sizes(&p, &w, "standard", 3, 60, 0, 3e5);
    own_draw(&p, &w, DT_F32);
    const int N = p.size[0], C = p.size[1];
    int ends = 0, last = 0;
    ck_assert(p.tall == 'C' && N > 1);
    for (int n = 0; n < N; n++)
        for (int c = 0; c < C; c++) {
            for (int m = 0; m < N; m++) {
                const double x = p.at[1][(n * C + c) * N + m];
                ck_assert_msg(c == C - 1 && (n * N + m) % 2 == 0 ? x >= 4 && x < 8 : fabs(x) < 4.5,
                              "x[%d][%d][%d] = %g", n, c, m, x);
            }
            const double z = p.at[2][n * C + c];
            ck_assert_msg(c == C - 1 && n % 2 == 0 ? z >= 12 && z < 25 : fabs(z) < 15, "z[%d][%d] = %g", n, c, z);
        }
    for (int c = 0; c < C; c++) {
        ck_assert_msg(fabs(p.at[3][c]) < 3, "w[%d] = %g", c, p.at[3][c]);
        ck_assert_msg(c % 3 || p.at[4][c] == C - 1, "i[%d] = %g", c, p.at[4][c]);
        ends += p.at[4][c] == C - 1;
        last += p.at[5][c] == N - 1;
    }
    ck_assert_msg(ends >= C / 3 && ends < C / 3 + 20 && last < 2 * C / N, "%d and %d of %d are the last", ends, last,
                  C);
    own_free(&p);
}
END_TEST

/* Each number moves by a walk of one step a number along what is longer than 64, and by nothing else. */
START_TEST(inputs_drift_along_what_is_long)
{
    static const double step = 0x1p-10;
    ck_assert_msg(!read_text(WITH("\"N\": 3, \"C\": 65, \"D\": 64, \"E\": 50",
                                  Y ", {\"name\": \"x\", \"shape\": \"NCN\", \"is\": \"input\"}, "
                                  "{\"name\": \"d\", \"shape\": \"D\", \"is\": \"input\"}, "
                                  "{\"name\": \"e\", \"shape\": \"NE\", \"is\": \"input\"}, "
                                  "{\"name\": \"i\", \"shape\": \"C\", \"is\": \"input\", \"like\": \"index\", "
                                  "\"below\": \"C\"}, {\"name\": \"a\", \"shape\": \"C\", \"is\": \"added\"}, "
                                  "{\"name\": \"g\", \"shape\": \"E\", \"is\": \"output\"}, "
                                  "{\"name\": \"h\", \"shape\": \"NN\", \"is\": \"output\"}")),
                  "%s", why);
    for (int in_memory = 0; in_memory < 2; in_memory++) {
        struct own_problem p, moved;
        own_sizes(&p, &w, 5, 2, NULL);
        own_draw(&p, &w, DT_F32);
        own_copy(&moved, &p, &w);
        ck_assert(own_drift(&moved, &w, in_memory, step, 3));
        for (int i = 0; i < w.tensors; i++) {
            double last = 1;
            int ups = 0;
            const int drifts = i == 1 || (i == 3 && in_memory);
            for (long e = 0; e < p.n[i]; e++) {
                const double by = p.at[i][e] != 0 ? moved.at[i][e] / p.at[i][e] : 1;
                if (drifts && !in_memory && e % 3)      /* the innermost axis is short */
                    ck_assert_each(fabs(by - last) < 1e-12, "x[%ld] moves by %g and not by %g", e, by - 1, last - 1);
                else if (drifts && !in_memory && e % (65 * 3) == 0)
                    ck_assert(fabs(fabs(by - 1) - step) < 1e-12);
                else if (drifts)
                    ck_assert_each(fabs(fabs(by - last) - (1 + in_memory) * step) < 1e-12, "%s[%ld]: a step of %g",
                                   w.tensor[i].name, e, by - last);
                else
                    ck_assert_each(by == 1, "%s[%ld] moves", w.tensor[i].name, e);
                ups += by > last;
                last = by;
            }
            ck_assert(!drifts || (ups > (in_memory ? p.n[i] : 3 * 65) / 3));
        }
        own_free(&p), own_free(&moved);
    }
    /* up or down as the first bit of a random number says: neither comes more often */
    struct own_problem p;
    uint64_t random = 3;
    double at_step = 1;
    own_sizes(&p, &w, 5, 2, NULL);
    own_draw(&p, &w, DT_F32);
    for (long e = 0; e < p.n[1]; e++)
        p.at[1][e] = 1;
    own_drift(&p, &w, 1, step, 3);
    for (long e = 0; e < p.n[1]; e++) {
        at_step += 2 * (op_random(&random) >> 63 ? step : -step);
        ck_assert_each(p.at[1][e] == at_step, "x[%ld] has walked to %g, not to %g", e, p.at[1][e], at_step);
    }
    own_free(&p);
    static const enum op_family alike[] = {OP_EQUAL, OP_ONEHOT, OP_INTEGERS, OP_HUGE};
    for (int k = 0; k < 4; k++) {      /* equal terms are rounded alike: 64 steps go the same way */
        int turns = 0;
        own_sizes(&p, &w, 5, 2, NULL);
        own_draw(&p, &w, DT_F32);
        for (long e = 0; e < p.n[1]; e++)
            p.at[1][e] = 1;
        p.family = alike[k];
        own_drift(&p, &w, 1, step, 3);
        for (long e = 2; e < p.n[1]; e++)
            if ((p.at[1][e] > p.at[1][e - 1]) != (p.at[1][e - 1] > p.at[1][e - 2])) {
                turns++;
                ck_assert_msg(k == 3 || e % 64 == 0, "%s turns at %ld", op_family_name[alike[k]], e);
            }
        ck_assert_msg(k == 3 ? turns > 200 : turns > 1, "%s: %d turns", op_family_name[alike[k]], turns);
        own_free(&p);
    }
    own_sizes(&p, &w, 5, 2, NULL);
    ck_assert_msg(own_reduced(&p, &w, 0) && !own_reduced(&p, &w, 6) && !own_reduced(&p, &w, 7),
                  "of 3 x 65 x 3 numbers, 3 are sums over two axes, 50 and 9 need not be");
    p.n[0] = 8;
    ck_assert(own_reduced(&p, &w, 0));
    p.n[0] = 9;
    ck_assert(!own_reduced(&p, &w, 0));
    ck_assert_msg(!read_text(WITH("\"N\": 3, \"C\": 65",
                                  Y ", {\"name\": \"x\", \"shape\": \"N\", \"is\": \"input\"}, "
                                  "{\"name\": \"z\", \"shape\": \"CCN\", \"is\": \"output\"}")), "%s", why);
    own_sizes(&p, &w, 5, 2, NULL);
    ck_assert_msg(!own_reduced(&p, &w, 0), "an output that is larger than its inputs is not what is summed");
    ck_assert_msg(!read_text(WITH("\"N\": 64", Y ", " X)), "%s", why);
    own_sizes(&p, &w, 5, 2, NULL);
    own_draw(&p, &w, DT_F32);
    ck_assert(!own_drift(&p, &w, 0, step, 3) && !own_drift(&p, &w, 1, step, 3));
    own_free(&p);
}
END_TEST

START_TEST(a_climb_ends_where_the_plain_function_is_slow)
{
    static const struct { struct own_climb so_far; int n; double seconds;
    } of[] = {
        { { { 0, 0 }, { 0, 0 } }, 4096, 0 },                  /* nobody knows */
        { { { 0, 100 }, { 0, 0.5 } }, 200, 4 },               /* it may be a cube */
        { { { 100, 200 }, { 0.25, 1 } }, 400, 4 },            /* a square */
        { { { 100, 200 }, { 0.01, 1 } }, 400, 8 },            /* no more than a cube */
        { { { 100, 200 }, { 1, 1 } }, 400, 2 },               /* no less than the size */
        { { { 100, 400 }, { 1, 16 } }, 800, 64 },
        { { { 200, 200 }, { 1, 1 } }, 400, 8 },
        { { { 200, 100 }, { 1, 1 } }, 200, 8 },
        { { { 0, 1 }, { 0, 1 } }, 2, 8 },                     /* one is a size too */
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        const double expects = own_climb_expects(&of[k].so_far, of[k].n);
        ck_assert_msg(fabs(expects - of[k].seconds) <= 1e-9, "%d: %g seconds, not %g", (int)k, expects, of[k].seconds);
    }
    struct own_climb c = {{0, 0}, {0, 0}};
    ck_assert(own_climbs(&c, 1 << 30, 9.99));
    own_climbed(&c, 100, 0);
    ck_assert(c.n[0] == 0 && c.n[1] == 100 && c.seconds[1] == 1e-6);
    own_climbed(&c, 200, 0.5);
    ck_assert(c.n[0] == 100 && c.n[1] == 200 && c.seconds[0] == 1e-6 && c.seconds[1] == 0.5);
    own_climbed(&c, 400, 1);
    ck_assert(own_climbs(&c, 800, 0) && !own_climbs(&c, 801, 0) && own_climbs(&c, 400, 5) && !own_climbs(&c, 401, 5));
}
END_TEST

/* How often each size comes: a quarter from the nine smallest, a quarter from all, and half at a border of tiles, the
 * range's last number among them. */
START_TEST(sizes_come_as_often_as_they_should)
{
    enum { MANY = 8000 };
    static int times[130];
    ck_assert_msg(!read_text(WITH("\"N\": [1, 129]", Y ", " X)), "%s", why);
    memset(times, 0, sizeof times);
    for (int i = 0; i < MANY; i++) {
        struct own_problem p;
        own_sizes(&p, &w, 7, i, NULL);
        times[p.size[0]]++;
    }
    for (int n = 1; n < 130; n++) {
        /* 15 of 23 borders lie in the range, and 16 tries find one nearly always */
        static const int border[] = {15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 72, 96, 127, 128, 129};
        double share = (n <= 9 ? 0.25 / 9 : 0) + 0.25 / 129;
        for (int k = 0; k < 15; k++)
            share += n == border[k] ? 0.5 / 15 : 0;
        const double most = 5 * sqrt(MANY * share) + 1;
        ck_assert_msg(fabs(times[n] - MANY * share) < most, "%d came %d times, and not about %.0f", n, times[n],
                      MANY * share);
    }
}
END_TEST

/* Centre and spread of what is drawn, before a likeness bends it. */
static const struct { enum own_like like; enum op_family family; double centre, spread;
} drawn[] = {
    { LIKE_NORMAL, OP_GAUSS, 0, 1 }, { LIKE_NORMAL, OP_OPEN, 40, 0.1 }, { LIKE_NORMAL, OP_HUGE, 0, 30 },
    { LIKE_NORMAL, OP_TINY, 0, 1e-38 }, { LIKE_NORMAL, OP_INTEGERS, 0, 0 }, { LIKE_WEIGHT, OP_GAUSS, 1, 0.3 },
    { LIKE_WEIGHT, OP_TINY, 0, 1e-3 }, { LIKE_WEIGHT, OP_HUGE, 1, 0.3 }, { LIKE_WEIGHT, OP_INTEGERS, 1, 0.3 },
    { LIKE_GATE, OP_GAUSS, 2, 3 }, { LIKE_GATE, OP_INTEGERS, 2, 3 }, { LIKE_GATE, OP_OPEN, 15, 0.5 },
    { LIKE_GATE, OP_COLD, -10, 1 }, { LIKE_GATE, OP_SHUT, -6, 8 }, { LIKE_GATE, OP_SATURATED, 0, 15 },
    { LIKE_GATE, OP_HUGE, 0, 60 }, { LIKE_GATE, OP_TINY, 0, 1e-30 }, { LIKE_LOGIT, OP_GAUSS, 0, 3 },
    { LIKE_LOGIT, OP_HUGE, 100, 200 }, { LIKE_LOGIT, OP_SATURATED, 0, 15 }, { LIKE_LOGIT, OP_TINY, 0, 1e-38 },
    { LIKE_LOGIT, OP_INTEGERS, 0, 0 }, { LIKE_PROBABILITY, OP_GAUSS, 0, 1 }, { LIKE_PROBABILITY, OP_HUGE, 0, 40 },
    { LIKE_PROBABILITY, OP_EQUAL, 0, 0 }, { LIKE_PROBABILITY, OP_TINY, 0, 1 }, { LIKE_POSITIVE, OP_GAUSS, 0, 1 },
    { LIKE_POSITIVE, OP_HUGE, 8, 3 }, { LIKE_POSITIVE, OP_TINY, -80, 3 }, { LIKE_POSITIVE, OP_INTEGERS, 0, 1 },
    { LIKE_POSITIVE, OP_OPEN, 0, 1 }, { LIKE_DECAY, OP_GAUSS, -2, 1 }, { LIKE_DECAY, OP_OPEN, -12, 1 },
    { LIKE_DECAY, OP_SHUT, 1, 2 }, { LIKE_DECAY, OP_SATURATED, 3, 0.3 }, { LIKE_DECAY, OP_TINY, -2, 1 },
};

static struct own_problem draw_like(enum own_like like, enum op_family family, enum dtype dtype, int rows, int columns)
{
    char text[400];
    struct own_problem p;
    snprintf(text, sizeof text,
             WITH("\"N\": %d, \"C\": %d", "{\"name\": \"y\", \"shape\": \"N\", \"is\": \"output\"}, {\"name\": \"x\", "
                                          "\"shape\": \"NC\", \"is\": \"input\", \"like\": \"%s\"%s}"),
             rows, columns, likes[like], like == LIKE_INDEX ? ", \"below\": \"C\"" : "");
    ck_assert_msg(!read_text(text), "%s", why);
    own_sizes(&p, &w, 5, 2, NULL);
    p.family = family;
    own_draw(&p, &w, dtype);
    return p;
}

/* What `drawn` makes of the numbers that come next. */
static double next_number(size_t k, uint64_t *random)
{
    if (drawn[k].family == OP_INTEGERS && (drawn[k].like == LIKE_NORMAL || drawn[k].like == LIKE_LOGIT))
        return (double)(op_random(random) % 7) - 3;
    if (drawn[k].family == OP_SATURATED && drawn[k].like == LIKE_GATE)
        return op_random(random) % 2 ? 15 : -15;
    const double x = drawn[k].centre + drawn[k].spread * op_normal(random);
    switch (drawn[k].like) {
    case LIKE_POSITIVE: return drawn[k].family == OP_INTEGERS ? 1 + floor(fabs(x)) : exp(x);
    case LIKE_PROBABILITY: return exp(x);
    case LIKE_DECAY: return -exp(x);
    default: return x;
    }
}

START_TEST(inputs_are_like_what_is_said)
{
    enum { ROWS = 20, COLUMNS = 30 };
    for (size_t k = 0; k < sizeof drawn / sizeof *drawn; k++) {
        struct own_problem p = draw_like(drawn[k].like, drawn[k].family, DT_F64, ROWS, COLUMNS);
        uint64_t random = p.seed;
        ck_assert_int_eq(p.n[1], ROWS * COLUMNS);
        if (drawn[k].family == OP_EQUAL)
            op_random(&random);
        for (int r = 0; r < ROWS; r++) {
            double row[COLUMNS], sum = 0;
            for (int c = 0; c < COLUMNS; c++)
                sum += row[c] = next_number(k, &random);
            for (int c = 0; c < COLUMNS; c++) {
                const double is = p.at[1][r * COLUMNS + c],
                             x = (float)(drawn[k].like == LIKE_PROBABILITY ? row[c] / sum : row[c]);
                ck_assert_each(fabs(is - x) <= 1e-6 * fabs(x), "%s, %s: number %d is %.9g, not %.9g",
                               likes[drawn[k].like], op_family_name[drawn[k].family], r * COLUMNS + c, is, x);
            }
        }
        own_free(&p);
    }
}
END_TEST

START_TEST(families_have_their_shapes)
{
    enum { ROWS = 20, COLUMNS = 7 };
    int alike[3] = {0};
    for (int i = 0; i < 40; i++) {      /* all rows alike, or all numbers */
        struct own_problem p = draw_like(LIKE_NORMAL, OP_EQUAL, DT_F32, ROWS, COLUMNS);
        own_free(&p);
        own_sizes(&p, &w, 5, i, NULL);
        p.family = OP_EQUAL;
        own_draw(&p, &w, DT_F32);
        int rows = 1, numbers = 1;
        for (int e = 0; e < ROWS * COLUMNS; e++)
            rows &= p.at[1][e] == p.at[1][e % COLUMNS], numbers &= p.at[1][e] == p.at[1][0];
        alike[rows + numbers]++;
        own_free(&p);
    }
    ck_assert_msg(!alike[0] && alike[1] > 10 && alike[2] > 10, "%d %d %d", alike[0], alike[1], alike[2]);
    static const enum own_like spiked[] = {LIKE_NORMAL, LIKE_PROBABILITY, LIKE_GATE};
    for (int k = 0; k < 3; k++) {
        struct own_problem p = draw_like(spiked[k], OP_ONEHOT, DT_F32, ROWS, COLUMNS);
        int hot[COLUMNS] = {0}, ones = 0, zeros = 0;
        for (int e = 0; e < ROWS * COLUMNS; e++)
            ones += p.at[1][e] == 1, zeros += p.at[1][e] == 0, hot[e % COLUMNS] += p.at[1][e] == 1;
        ck_assert_msg(k == 2 ? !zeros : ones == ROWS && zeros == ROWS * (COLUMNS - 1) && hot[0] < ROWS,
                      "%s: %d ones, %d zeros", likes[spiked[k]], ones, zeros);
        own_free(&p);
    }
    struct own_problem p = draw_like(LIKE_GATE, OP_SATURATED, DT_F32, ROWS, COLUMNS);
    for (int e = 0; e < ROWS * COLUMNS; e++)
        ck_assert(fabs(p.at[1][e]) == 15);
    own_free(&p);
    p = draw_like(LIKE_POSITIVE, OP_INTEGERS, DT_F32, ROWS, COLUMNS);
    for (int e = 0; e < ROWS * COLUMNS; e++)
        ck_assert(p.at[1][e] >= 1 && p.at[1][e] == floor(p.at[1][e]));
    own_free(&p);
    p = draw_like(LIKE_INDEX, OP_GAUSS, DT_F32, 200, 3);
    int of[3] = {0};
    for (int e = 0; e < 600; e++) {
        ck_assert(p.at[1][e] == 0 || p.at[1][e] == 1 || p.at[1][e] == 2);
        of[(int)p.at[1][e]]++;
    }
    ck_assert(of[0] > 150 && of[1] > 150 && of[2] > 150 && p.at[0][0] == 0);
    own_free(&p);
}
END_TEST

/* Inputs are what their type holds; in double too what float holds. */
START_TEST(inputs_are_exact)
{
    static const struct {
        enum dtype dtype;
        double step[2];
    } of[] = { { DT_F32, { 0x1p-23, 0x1p-23 } }, { DT_F64, { 0x1p-23, 0x1p-23 } }, { DT_BF16, { 0x1p-7, 0x1p-23 } } };
    for (int k = 0; k < 3; k++) {
        struct own_problem p;
        ck_assert_msg(!read_text(WITH(
                          "\"N\": 300", Y
                          ", {\"name\": \"x\", \"shape\": \"N\", \"is\": \"input\", \"like\": \"weight\"}, {\"name\": "
                          "\"s\", \"shape\": \"N\", \"is\": \"input\", \"like\": \"weight\", \"statistic\": true},"
                          "{\"name\": \"a\", \"shape\": \"N\", \"is\": \"added\"}")),
                      "%s", why);
        own_sizes(&p, &w, 5, 2, NULL);
        own_draw(&p, &w, of[k].dtype);
        double sum = 0;
        for (int i = 1; i < 3; i++) {
            int finer = 0;
            for (int e = 0; e < 300; e++) {
                int exponent;
                const double m = 2 * fabs(frexp(p.at[i][e], &exponent)) / of[k].step[i - 1];
                ck_assert_msg(m == floor(m), "%s: %a", dtype_name[of[k].dtype], p.at[i][e]);
                finer += fmod(m, 2) == 1;
            }
            ck_assert_msg(finer > 50, "%s: %s is coarser than its type: %d", dtype_name[of[k].dtype], w.tensor[i].name,
                          finer);
        }
        for (int e = 0; e < 300; e++)
            sum += p.at[3][e] * p.at[3][e];
        ck_assert_msg(sum > 100, "what is added to is not 0");
        own_free(&p);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("own tensors");
    TCase *t = tcase_create("own");
    scratch_open();
    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_description_is_read);
    tcase_add_test(t, numbers_of_a_description_have_ends);
    tcase_add_test(t, problems_have_sizes_of_all_kinds);
    tcase_add_test(t, problems_are_the_same_as_ever);
    tcase_add_test(t, numbers_change_one_tensor_at_a_time);
    tcase_add_test(t, sizes_reach_their_ends);
    tcase_add_test(t, tall_sizes_cross_large_blocks);
    tcase_add_test(t, what_is_last_along_a_tall_size_stands_out);
    tcase_add_test(t, inputs_drift_along_what_is_long);
    tcase_add_test(t, a_climb_ends_where_the_plain_function_is_slow);
    tcase_add_test(t, sizes_come_as_often_as_they_should);
    tcase_add_test(t, inputs_are_like_what_is_said);
    tcase_add_test(t, families_have_their_shapes);
    tcase_add_test(t, inputs_are_exact);
    suite_add_tcase(s, t);
    const int status = suite_ends(s);
    scratch_close();
    return status;
}
