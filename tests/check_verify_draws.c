/* check_verify_draws.c - which problems `swax verify` asks: the same words mean the same problems as ever, to the last
 * size, option and number, and the sizes of published models are what they are. */
#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/verify/preset.h"
#include "tools/verify/verify.h"

static char why[SWAX_WHY];

/* Whole numbers in their order, so that none can change unseen. */
static void mix(uint64_t *sum, long x) { *sum = (*sum ^ (uint64_t)x) * 0x100000001b3u; }

static void tell_problem(FILE *f, const char *words, int number, int shows)
{
    struct plan plan = {.only = -1, .suite = -1};
    struct entry e;
    struct problem p;
    ck_assert_msg(!plan_read(&plan, words, why), "%s: %s", words, why);
    ck_assert_msg(plan_entry(&plan, number, &e), "%s has no case %d", words, number);
    fprintf(f, "%s, case %d:", words, number);
    if (problem_draw(&p, &plan, number, &e, why)) {
        fprintf(f, " %s\n", why);
        return;
    }
    const struct op_spec *op = &swax_ops[p.in[0].op];
    double sum = 0;
    for (int d = 0; op->dims[d] && shows; d++)
        fprintf(f, " %c=%d", op->dims[d], p.in[0].dims[d]);
    for (int part = 0; part < p.subject.n; part++)
        for (int i = 0; i < p.in[part].n; i++) {
            const double *x = p.in[part].arg[i];
            for (long n = 0; x && n < p.in[part].size[i]; n++)
                sum += isfinite(x[n]) ? x[n] / (1 + fabs(x[n])) * (double)(n % 97 + i + 13 * part + 1) / 97 : 1;
            if (x && op_answers(&swax_ops[p.in[part].op].arg[i]))
                fprintf(f, " %s%s", swax_ops[p.in[part].op].arg[i].name, p.demanded[part][i] ? "" : "?");
        }
    fprintf(f, "; %s seed %llu, scalars", op_family_name[p.family], (unsigned long long)p.seed);
    for (int k = 0; k < op_scalars(op); k++)
        fprintf(f, " %.9g", p.in[p.subject.n - 1].scalar[k]);
    fprintf(f, ", numbers %.9g\n", sum);
    problem_free(&p);
}

/* What is fixed, and what follows from it. */
static const char *const words[] = {
    "mlstm seed=%d dtype=f32", "mlstm seed=%d dtype=f32 noise=yes states=no", "mlstm seed=%d dtype=f32 T=9",
    "mlstm seed=%d dtype=bf16 documents=no T=3 L=2", "mlstm seed=%d dtype=f16 K=1 V=1", "mlstm seed=%d dtype=f64 H=1",
    "mlstm seed=%d dtype=f32 behind=headnorm", "mlstm seed=%d dtype=f32 behind=headnorm V=2 without=C0",
    "mlstm_backward seed=%d dtype=bf16 behind=headnorm noise=yes", "mlstm seed=%d dtype=bf16 behind=headnorm",
    "mlstm_forward seed=%d dtype=f32 behind=headnorm", "conv seed=%d dtype=f32 without=b",
    "attention_forward seed=%d dtype=f32 without=lse,sink", "mlstm_forward seed=%d dtype=f16 family=cold",
    "attention seed=%d dtype=f32", "attention seed=%d dtype=f32 T=9", "attention seed=%d dtype=f32 S=12",
    "attention seed=%d dtype=f32 T=5 S=9 W=3", "attention seed=%d dtype=bf16 G=2", "attention seed=%d dtype=f16 H=6",
    "attention seed=%d dtype=f32 H=1 G=1 W=1", "attention seed=%d dtype=f32 T=1", "attention seed=%d dtype=f64 W=2",
    "attention seed=%d dtype=f32 without=sink documents=no noise=yes", "attention_backward seed=%d dtype=f32 T=7",
    "delta seed=%d dtype=f32", "delta seed=%d dtype=f32 K=5", "delta seed=%d dtype=bf16 J=1 T=70 noise=yes",
    "delta seed=%d dtype=f32 J=4 K=4 states=no", "delta seed=%d dtype=f16 G=1", "delta seed=%d dtype=f64 H=7 L=3",
    "conv seed=%d dtype=f32 T=9", "conv seed=%d dtype=bf16 noise=yes", "rope seed=%d dtype=f32 P=-3 theta=100",
    "rope seed=%d dtype=f16 B=1 T=1", "headnorm seed=%d dtype=f32 z=1", "linear seed=%d dtype=f16 without=b noise=yes",
    "xent seed=%d dtype=bf16 V=3", "xent seed=%d dtype=f32 noise=yes", "adamw seed=%d dtype=f32 lr=0.5",
    "adamw seed=%d dtype=f64 without=sum", "embed seed=%d dtype=f32 noise=yes", "decay seed=%d dtype=f32",
    "sqsum seed=%d dtype=f16", "cast seed=%d dtype=bf16", "swiglu seed=%d dtype=f16 family=tiny"};

START_TEST(words_mean_the_same_problems_as_ever)
{
    char *now;
    size_t n;
    FILE *f = open_memstream(&now, &n);
    for (size_t k = 0; k < sizeof words / sizeof *words; k++)
        for (int seed = 1; seed <= 4; seed++) {
            char line[200];
            snprintf(line, sizeof line, words[k], seed);
            tell_problem(f, line, 0, 1);
        }
    /* of a suite, with its entries of many tokens and of tiles */
    static const char *const suites[] = {"mlstm suite=quick seed=2 dtype=f32", "attention suite=quick seed=2 dtype=f32",
                                         "delta suite=quick seed=3 dtype=bf16 T=9", "rope suite=quick seed=2 dtype=f16",
                                         "rmsnorm suite=quick seed=2 dtype=f32", "conv suite=quick seed=2 dtype=f32"};
    for (size_t k = 0; k < sizeof suites / sizeof *suites; k++) {
        struct plan plan = {.only = -1, .suite = -1};
        struct entry e;
        ck_assert_msg(!plan_read(&plan, suites[k], why), "%s", why);
        for (int i = 0; plan_entry(&plan, i, &e); i++)
            if (e.tile < 0)
                tell_problem(f, suites[k], i, 1);
    }
    fclose(f);
    golden_has("verify_draws.txt", now, 1e-7);
    free(now);
}
END_TEST

/* The same words, of many more seeds: sizes, scalars and options alone. */
START_TEST(words_mean_the_same_sizes_as_ever)
{
    static const char *const more[] = {
        "attention seed=%d dtype=f32 T=1 S=1", "attention seed=%d dtype=f32 H=1", "attention seed=%d dtype=f32 H=2 G=2",
        "attention seed=%d dtype=f32 S=1 T=1 H=2", "delta seed=%d dtype=f32 H=2", "delta seed=%d dtype=f32 K=2",
        "mlstm seed=%d dtype=f32 L=7 behind=headnorm", "adamw seed=%d dtype=f32 beta2=0.75 eps=0.5 decay=0.25 s=3",
        "mlstm_forward seed=%d dtype=f32 without=C0 states=yes", "embed seed=%d dtype=f32 N=1 C=1",
        "attention_backward seed=%d dtype=f32 without=start,sink", "xent seed=%d dtype=f32 cap=7"};
    const size_t n_words = sizeof words / sizeof *words, n_more = sizeof more / sizeof *more;
    char *now;
    size_t n;
    FILE *f = open_memstream(&now, &n);
    for (size_t k = 0; k < n_words + n_more; k++) {
        const char *form = k < n_words ? words[k] : more[k - n_words];
        uint64_t sum[2] = {0xcbf29ce484222325u, 0xcbf29ce484222325u};
        double scalars = 0;
        for (int seed = 1; seed <= 200; seed++)
            for (int suite = 0; suite < 2; suite++) {
                char line[200];
                struct plan plan;
                struct op_case c;
                unsigned optional;
                snprintf(line, sizeof line, form, seed);
                ck_assert_msg(!plan_read(&plan, line, why), "%s: %s", line, why);
                plan.suite = suite ? 0 : -1;      /* of which there are entries of many tokens */
                static const int tokens[] = {0, 64, 399, 400, 401};
                const struct entry e = {(uint64_t)seed, OP_GAUSS, 9, suite ? tokens[seed % 5] : 0, -1};
                if (problem_sizes(&c, &optional, &plan, &e, why))
                    mix(&sum[suite], -7);
                for (int d = 0; swax_ops[c.op].dims[d]; d++)
                    mix(&sum[suite], c.dims[d]);
                mix(&sum[suite], (long)optional);
                for (int i = 0; i < op_scalars(&swax_ops[c.op]); i++)
                    scalars += c.scalar[i] * (i + 1) / seed;
            }
        fprintf(f, "%s: #%016llx #%016llx scalars %.9g\n", form, (unsigned long long)sum[0], (unsigned long long)sum[1],
                scalars);
    }
    fclose(f);
    golden_has("verify_sizes.txt", now, 1e-8);
    free(now);
}
END_TEST

/* What cannot be wished, wherever the wish comes from. */
START_TEST(wishes_that_cannot_be_are_said)
{
    struct plan plan = {.wish = {.n_dims = 1, .dim = {{'Q', 3}}}, .suite = -1, .only = -1};
    const struct entry e = {1, OP_GAUSS, 9, 0, -1};
    struct op_case c;
    unsigned optional;
    ck_assert(!subject_find(&plan.subject, "rmsnorm", why) && problem_sizes(&c, &optional, &plan, &e, why) == why);
    ck_assert_str_eq(why, "rmsnorm_forward has no size Q: it has NC.");
    plan.wish = (struct wish){.n_scalars = 2, .scalar = {{"eps", 0.5}, {"cap", 3}}};
    ck_assert(problem_sizes(&c, &optional, &plan, &e, why) == why);
    ck_assert_str_eq(why, "rmsnorm_forward has no scalar cap: it has eps.");
    ck_assert(!subject_find(&plan.subject, "add", why) && problem_sizes(&c, &optional, &plan, &e, why) == why);
    ck_assert_str_eq(why, "add_forward has no scalar eps: it has none.");
    ck_assert(!subject_find(&plan.subject, "mlstm", why));
    plan.wish = (struct wish){.n_dims = 1, .dim = {{'V', 1}}, .behind = 1};
    ck_assert(problem_sizes(&c, &optional, &plan, &e, why) == why);
    ck_assert_str_eq(why, "V=1: behind a norm, which makes one number of any size the same, there are at least two.");
}
END_TEST

/* A plan in words is the same words again, however many; and some are no plan. */
START_TEST(a_plan_survives_its_words)
{
    static const char *const of[] = {
        "delta suite=hard seed=18446744073709551615 dtype=bf16 states=no documents=no without=S0,start noise=yes B=1 "
        "T=2 H=2 G=1 K=3 V=2 J=1 L=1 e=0 scale=0.10000000000000001",
        "mlstm_backward family=cold seed=7 dtype=f16 behind=headnorm B=3 T=9 H=2 K=4 V=5 L=2 g=3 eps=0.25",
        "adamw seed=2 dtype=f64 N=3 s=1 lr=0.5 beta1=0.25 beta2=0.125 eps=1 decay=0 clip=2", "rope seed=1 dtype=f32"};
    struct plan plan;
    char text[PLAN_TEXT];
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        ck_assert_msg(!plan_read(&plan, of[k], why), "%s: %s", of[k], why);
        ck_assert_str_eq(plan_write(text, &plan), of[k]);
        ck_assert(plan.only == -1 && plan.wish.chained == 1);
    }
    ck_assert(plan_read(&plan, "seed=3", why) == why);
    ck_assert_str_eq(why, "it names no kernel");
    ck_assert(plan_read(&plan, "rope Q=3", why) == why && strstr(why, "\"Q\""));
}
END_TEST

/* Every size, option and entry of every suite, of every kernel and type, in one number each. */
START_TEST(suites_are_the_same_to_the_last_size)
{
    char *now;
    size_t n;
    struct subject s;
    FILE *f = open_memstream(&now, &n);
    for (int k = 0; subject_number(k, &s); k++)
        for (int suite = 0; suite_name(suite); suite++) {
            fprintf(f, "%s %s:", s.name, suite_name(suite));
            for (int way = 0; way < 5; way++) {
                struct plan plan = {.wish = {.dtype = way == 4 ? DT_BF16 : (enum dtype)way, .states = way != 1,
                                             .documents = way != 2, .noise = 1, .chained = way == 4},
                                    .seed = 1 + (uint64_t)way, .suite = suite, .only = -1, .subject = s};
                uint64_t sum = 0xcbf29ce484222325u;
                struct entry e;
                int i = 0;
                for (; plan_entry(&plan, i, &e); i++) {
                    struct op_case c;
                    unsigned optional;
                    ck_assert_msg(!problem_sizes(&c, &optional, &plan, &e, why), "%s", why);
                    for (int d = 0; swax_ops[c.op].dims[d]; d++)
                        mix(&sum, c.dims[d]);
                    mix(&sum, (long)optional), mix(&sum, (long)e.seed), mix(&sum, e.family), mix(&sum, e.max_dim);
                    mix(&sum, e.tokens), mix(&sum, e.tile);
                }
                fprintf(f, " %d #%016llx", i, (unsigned long long)sum);
            }
            fputc('\n', f);
        }
    fclose(f);
    golden_has("verify_suites.txt", now, 0);
    free(now);
}
END_TEST

/* Sizes that cross tiles, row by row, also of rows that no suite has. */
START_TEST(tiles_have_their_sizes)
{
    char *now;
    size_t n;
    FILE *f = open_memstream(&now, &n);
    for (int op = 0; op < swax_n_ops; op++) {
        uint64_t sum = 0xcbf29ce484222325u;
        for (int tile = 0; tile < 36; tile++) {
            struct op_case c = {.op = op};
            tile_dims(&c, tile);
            for (int d = 0; swax_ops[op].dims[d]; d++)
                mix(&sum, c.dims[d]);
        }
        fprintf(f, "%s: #%016llx\n", swax_ops[op].name, (unsigned long long)sum);
    }
    fclose(f);
    golden_has("verify_tiles.txt", now, 0);
    free(now);
}
END_TEST

/* Sizes, alone and together, behind which kernels that pass everything smaller went wrong: does a suite have them?  A
 * letter stands before `=` a number, `>` one, or `%` one that divides it. */
static int has_sizes(const struct op_case *c, const char *sizes)
{
    int all = 1;
    while (*sizes) {
        char *end;
        const char *at = strchr(swax_ops[c->op].dims, *sizes);
        const long value = strtol(sizes + 2, &end, 10), is = c->dims[at - swax_ops[c->op].dims];
        all &= sizes[1] == '=' ? is == value : sizes[1] == '>' ? is > value : is % value == 0;
        sizes = end + (*end == ' ');
    }
    return all;
}

START_TEST(sizes_that_kernels_split_are_asked)
{
    static const char *const of[][2] = {
        {"attention", "H>32 G>4"}, {"attention", "B>8"}, {"attention", "D=96 T>64"}, {"attention", "D=192 T>64"},
        {"attention", "D>512 S>64"}, {"attention", "T=1 S>4096"}, {"attention", "T>512 D=64 W>512"},
        {"attention", "T>2048 W>2048"}, {"attention", "S>1100 T>1 W>1024"}, {"attention", "H=16 G=2"},
        {"mlstm", "K=128 V=128 T%64 T>128 g=0"}, {"mlstm", "K=64 V=64 T%64 T>128 g=3"}, {"mlstm", "K>256"},
        {"mlstm", "V>512"}, {"mlstm", "T>512 K=64 V=64"}, {"mlstm", "T>2048"}, {"mlstm", "H>32"}, {"mlstm", "B>8"},
        {"delta", "K=128 V=128 J=1 e=1 T%64 T>128"}, {"delta", "K=128 V=128 J=128 e=1 T>128"},
        {"delta", "K=64 V=64 J=1 e=1 T%64 T>128"}, {"delta", "K=64 V=64 J=64 e=1 T>512"}, {"delta", "K>256"},
        {"delta", "V>512"}, {"delta", "T>2048"}, {"delta", "H>32 G>4"}, {"delta", "B>8"},
        {"rope", "T>2048"}, {"rope", "H>32"}, {"rope", "D>512"}, {"rope", "B>8"}, {"conv", "T>2048"},
        {"conv", "C>4096"}, {"conv", "F>8"}, {"conv", "B>8"}, {"headnorm", "H>32"}, {"headnorm", "D>512"},
        {"headnorm", "N>65536"}, {"headnorm", "D=1"}, {"rmsnorm", "N>65536"}, {"rmsnorm", "N>4096 C>16"},
        {"rmsnorm", "C>4096"}, {"rmsnorm", "C=1"}, {"linear", "I>4096"}, {"linear", "O>1024"}, {"linear", "N>65536"},
        {"readout", "I>4096"}, {"readout", "O>1024"}, {"xent", "V>131072"}, {"xent", "N>65536"}, {"xent", "V=1"},
        {"embed", "V>131072"}, {"embed", "C>4096"}, {"embed", "N>65536"}, {"skip", "H>32"}, {"skip", "D>512"},
        {"skip", "N>65536"}, {"decay", "J>128"}, {"decay", "H>32"}, {"decay", "N>65536"}, {"swiglu", "N>262144"},
        {"gate", "N>262144"}, {"add", "N>262144"}, {"adamw", "N>262144"}, {"sqsum", "N>262144"}, {"cast", "N>262144"}};
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        struct plan plan = {.wish = {.states = 1, .documents = 1, .noise = 1}, .seed = 1 + k % 3, .only = -1,
                            .suite = suite_find("standard")};
        struct entry e;
        int any = 0;
        ck_assert(!subject_find(&plan.subject, of[k][0], why));
        for (int i = 0; !any && plan_entry(&plan, i, &e); i++) {
            struct op_case c;
            unsigned optional;
            ck_assert_msg(!problem_sizes(&c, &optional, &plan, &e, why), "%s", why);
            any = has_sizes(&c, of[k][1]);
        }
        ck_assert_msg(any, "no problem of suite=standard asks %s with %s", of[k][0], of[k][1]);
    }
}
END_TEST

/* ---- the sizes of models */

START_TEST(models_have_their_sizes)
{
    char *now;
    size_t n;
    struct subject s;
    FILE *f = open_memstream(&now, &n);
    for (int i = 0; preset_word(i); i++)
        for (int k = 0; subject_number(k, &s); k++) {
            struct wish empty = {.n_dims = 0}, w = empty;      /* w: what was asked for by itself counts */
            w.dim[w.n_dims].letter = 'H', w.dim[w.n_dims++].value = 99;
            strcpy(w.scalar[w.n_scalars].name, "cap"), w.scalar[w.n_scalars++].value = 7;
            if (preset_apply(&w, &s, preset_word(i), why)) {
                if (!strcmp(s.name, "linear"))
                    fprintf(f, "%s: %s\n", preset_word(i), why);
                continue;
            }
            ck_assert(!preset_apply(&empty, &s, preset_word(i), why));
            fprintf(f, "%s %s:", preset_word(i), s.name);
            for (int d = 0; d < empty.n_dims; d++)
                fprintf(f, " %c=%d", empty.dim[d].letter, empty.dim[d].value);
            for (int d = 0; d < empty.n_scalars; d++)
                fprintf(f, " %s=%g", empty.scalar[d].name, empty.scalar[d].value);
            for (int d = 1; d < w.n_dims; d++)
                fprintf(f, ", %c=%d", w.dim[d].letter, w.dim[d].value);
            for (int d = 1; d < w.n_scalars; d++)
                fprintf(f, ", %s=%g", w.scalar[d].name, w.scalar[d].value);
            ck_assert(w.dim[0].value == 99 && w.scalar[0].value == 7);
            fputc('\n', f);
        }
    /* of a forward or a backward alone, as of both */
    static const char *const alone[] = {"mlstm_forward", "delta_backward", "xent_forward", "rope_backward"};
    for (int k = 0; k < 4; k++)
        for (int i = 0; preset_word(i); i++) {
            struct wish w = {.n_dims = 0};
            ck_assert(!subject_find(&s, alone[k], why));
            if (preset_apply(&w, &s, preset_word(i), why))
                continue;
            fprintf(f, "%s %s:", preset_word(i), s.name);
            for (int d = 0; d < w.n_dims; d++)
                fprintf(f, " %c=%d", w.dim[d].letter, w.dim[d].value);
            for (int d = 0; d < w.n_scalars; d++)
                fprintf(f, " %s=%g", w.scalar[d].name, w.scalar[d].value);
            fputc('\n', f);
        }
    static const char *const names[] = {"qwen", "nobody's-own-model", "xlstm-7b.jsn", ".json", "x.json"};
    ck_assert(!subject_find(&s, "mlstm", why));
    for (int k = 0; k < 5; k++) {
        struct wish w = {.n_dims = 0};
        ck_assert(preset_apply(&w, &s, names[k], why));
        fprintf(f, "%s: %s\n", names[k], why);
    }
    ck_assert(!preset_word(99));
    fclose(f);
    golden_has("verify_models.txt", now, 0);
    free(now);
}
END_TEST

/* Sizes in a file: of any kernel, or kernel by kernel, of which the others are passed over; each size a number that it
 * may be, and nothing that is asked for by itself. */
START_TEST(a_file_has_its_sizes)
{
    static const struct { const char *text, *kernel, *says; } of[] = {
        {"{\"H\": 8, \"K\": 256}", "mlstm", " H=8 K=256"},
        {"{\"H\": 8, \"eps\": 0.5}", "mlstm_backward", " H=8 eps=0.5"},
        {"{\"mlstm\": {\"H\": 4, \"eps\": 0.25}, \"rope\": {\"D\": 6}}", "mlstm", " H=4 eps=0.25"},
        {"{\"mlstm\": {\"H\": 4}, \"rope\": {\"D\": 6, \"theta\": 3.5}}", "rope", " D=6 theta=3.5"},
        {"{\"rope\": {\"D\": 6}}", "mlstm", ""}, {"{}", "mlstm", ""},
        {"{\"rope\": {\"D\": 6}, \"H\": 3}", "mlstm", " H=3"},
        {"{\"mlstm\": {\"H\": {\"is\": 4}}}", "mlstm", "@: \"H\" is no number."},
        {"{\"mlstm\": {\"H\": \"4\"}}", "mlstm", "@: \"H\" is no number."},
        {"{\"H\": [4]}", "mlstm", "@: \"H\" is no number."}, {"{\"mlstm\": 7}", "mlstm",
         "@: mlstm_forward has no size or scalar \"mlstm\": it has BTHKVLg."},
        {"{\"Q\": 4}", "mlstm", "@: mlstm_forward has no size or scalar \"Q\": it has BTHKVLg."},
        {"{\"HK\": 4}", "mlstm", "@: mlstm_forward has no size or scalar \"HK\": it has BTHKVLg."},
        {"{\"H\": 2.5}", "mlstm", "@: H=2.5, and it is a whole number from "},
        {"{\"H\": 0}", "mlstm", "@: H=0, and it is a whole number from "},
        {"{\"eps\": -1}", "mlstm", "@: eps=-1, and it is a number from "},
        {"[1, 2]", "mlstm", "@ holds no object of sizes, as {\"H\": 8, \"K\": 256}."}};
    char *path = scratch("sizes.json");
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        struct subject s;
        struct wish w = {.n_dims = 0};
        char is[400] = "", says[600];
        ck_assert(!subject_find(&s, of[k].kernel, why));
        put(path, of[k].text, strlen(of[k].text));
        const char *wrong = preset_apply(&w, &s, path, why);
        for (int d = 0; d < w.n_dims && !wrong; d++)
            snprintf(is + strlen(is), 40, " %c=%d", w.dim[d].letter, w.dim[d].value);
        for (int d = 0; d < w.n_scalars && !wrong; d++)
            snprintf(is + strlen(is), 40, " %s=%g", w.scalar[d].name, w.scalar[d].value);
        snprintf(says, sizeof says, "%s%s", *of[k].says == '@' ? path : "", of[k].says + (*of[k].says == '@'));
        ck_assert_msg(!!wrong == (*of[k].says == '@') && !strncmp(wrong ? wrong : is, says, wrong ? strlen(says) : 400),
                      "%s of %s: \"%s\", not \"%s\"", of[k].kernel, of[k].text, wrong ? wrong : is, says);
    }
    /* up to a megabyte */
    static char text[(1 << 20) + 1] = "{\"H\": 8}";
    struct subject s;
    ck_assert(!subject_find(&s, "mlstm", why));
    memset(text + 8, ' ', sizeof text - 8);
    for (int more = 0; more < 2; more++) {
        struct wish w = {.n_dims = 0};
        put(path, text, sizeof text - !more);
        const char *wrong = preset_apply(&w, &s, path, why);
        ck_assert_msg(!wrong == !more && w.n_dims == !more, "a file of %zu bytes: %s", sizeof text - !more,
                      wrong ? wrong : "taken");
    }
}
END_TEST

/* ---- wrong kernels that only some numbers, or sizes, show: the suites have these */

/* The answer of the truth, but for what `spoils` does to it; how many problems of a suite refuse it, by family.  Asked
 * of problems of more than `rows` rows. */
static void refuse(int families[OP_FAMILIES], const char *words, void (*spoils)(struct op_case *got), long rows)
{
    struct plan plan = {.only = -1, .suite = -1};
    struct entry e;
    struct problem p;
    ck_assert_msg(!plan_read(&plan, words, why), "%s: %s", words, why);
    for (int i = 0; plan_entry(&plan, i, &e); i++) {
        struct op_case got;
        ck_assert_msg(!problem_draw(&p, &plan, i, &e, why), "%s", why);
        if (op_extent(&swax_ops[p.in[0].op], 'N', p.in[0].dims) > rows) {
            problem_solve(&p);
            op_case_copy(&got, &p.truth[0]);
            spoils(&got);
            op_case_round(&got, dtype_precision(p.wish.dtype));
            families[p.family] += op_compare(&p.bound[0], &got, &p.truth[0], &p.in[0]) >= 0;
            op_case_free(&got);
        }
        problem_free(&p);
    }
}

static void nothing(struct op_case *got) { (void)got; }

/* eps outside the root where a row's mean square is below 1e-3 */
static void eps_outside(struct op_case *c)
{
    const long rows = c->size[1], C = c->size[0] / rows;
    for (long n = 0; n < rows; n++) {
        double square = 0;
        for (long j = 0; j < C; j++)
            square += c->arg[2][n * C + j] * c->arg[2][n * C + j] / (double)C;
        const double r = 1 / (sqrt(square) + c->scalar[0]);
        for (long j = 0; j < C && square < 1e-3; j++)
            c->arg[0][n * C + j] *= r / c->arg[1][n];
        c->arg[1][n] = square < 1e-3 ? r : c->arg[1][n];
    }
}

START_TEST(small_rows_show_where_eps_is)
{
    static const char *const words[] = {"rmsnorm_forward suite=quick dtype=f32",
                                        "rmsnorm_forward suite=quick dtype=bf16", "rmsnorm suite=quick dtype=bf16",
                                        "rmsnorm suite=quick dtype=f64"};
    for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
        int honest[OP_FAMILIES] = {0}, families[OP_FAMILIES] = {0};
        refuse(honest, words[k], nothing, 0);
        refuse(families, words[k], eps_outside, 0);
        ck_assert_msg(families[OP_COLD] > 0, "%s: eps is outside the root of small rows, and nobody sees it", words[k]);
        for (int f = 0; f < OP_FAMILIES; f++)
            ck_assert_msg(honest[f] == 0, "%s, %s: the truth is refused", words[k], op_family_name[f]);
    }
}
END_TEST

/* db of more than a thousand rows is a hundredth too large. */
static void more_of_db(struct op_case *c)
{
    const int db = op_arg_find(&swax_ops[c->op], "db");
    for (long e = 0; e < c->size[db] && c->arg[db]; e++)
        c->arg[db][e] *= 1.01;
}

START_TEST(long_sums_of_rows_are_asked)
{
    static const char *const words[] = {"linear_backward suite=standard dtype=f32",
                                        "readout_backward suite=standard dtype=bf16"};
    for (size_t k = 0; k < sizeof words / sizeof *words; k++) {
        int families[OP_FAMILIES] = {0}, all = 0;
        refuse(families, words[k], more_of_db, 1000);
        for (int f = 0; f < OP_FAMILIES; f++)
            all += families[f];
        ck_assert_msg(all > 0, "%s: no problem sees a factor in db beyond a thousand rows", words[k]);
    }
}
END_TEST

/* Which names mean which kernels, and what is said of those that mean none. */
START_TEST(names_mean_kernels)
{
    static const struct { const char *name, *is, *base; int n; } of[] = {
        {"mlstm", "mlstm", "mlstm", 2}, {"mlstm_forward", "mlstm_forward", "mlstm", 1},
        {"mlstm_backward", "mlstm_backward", "mlstm", 1}, {"sqsum", "sqsum", "sqsum", 1},
        {"adamw", "adamw", "adamw", 1}, {"rope", "rope", "rope", 2}};
    static const struct { const char *name, *says; } none[] = {
        {"mltsm", "There is no kernel \"mltsm\": did you mean mlstm?"},
        {"rope_forwrad", "There is no kernel \"rope_forwrad\": did you mean rope_forward?"},
        {"forward", "There is no kernel \"forward\": did you mean add_forward?"},
        {"", "There is no kernel \"\": `swax verify list` has them all."},
        {"q", "There is no kernel \"q\": `swax verify list` has them all."},
        {"zzzzzzzzzz", "There is no kernel \"zzzzzzzzzz\": `swax verify list` has them all."}};
    struct subject s;
    int all = 0, kernels = 0;
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        ck_assert_msg(!subject_find(&s, of[k].name, why), "%s", why);
        ck_assert_msg(!strcmp(s.name, of[k].is) && !strcmp(s.base, of[k].base) && s.n == of[k].n, "%s: %s of %s, %d",
                      of[k].name, s.name, s.base, s.n);
        ck_assert_str_eq(swax_ops[s.op[0]].name, s.n == 2 ? strcat(strcpy(why, s.base), "_forward") : s.name);
        ck_assert(s.n == 1 || s.op[1] == op_backward_of(s.op[0]));
    }
    for (size_t k = 0; k < sizeof none / sizeof *none; k++) {
        ck_assert(subject_find(&s, none[k].name, why) == why);
        ck_assert_str_eq(why, none[k].says);
    }
    /* each once, a forward with its backward */
    for (; subject_number(all, &s); all++) {
        kernels += s.n;
        ck_assert_msg(op_forward_of(s.op[0]) < 0 && s.n == 1 + (op_backward_of(s.op[0]) >= 0), "%s: %d", s.name, s.n);
    }
    ck_assert_msg(kernels == swax_n_ops && !subject_number(all + 1, &s), "%d kernels, of %d", kernels, swax_n_ops);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("verify_draws");
    TCase *t = tcase_create("draws");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, words_mean_the_same_problems_as_ever);
    tcase_add_test(t, words_mean_the_same_sizes_as_ever);
    tcase_add_test(t, wishes_that_cannot_be_are_said);
    tcase_add_test(t, a_plan_survives_its_words);
    tcase_add_test(t, suites_are_the_same_to_the_last_size);
    tcase_add_test(t, tiles_have_their_sizes);
    tcase_add_test(t, sizes_that_kernels_split_are_asked);
    tcase_add_test(t, models_have_their_sizes);
    tcase_add_test(t, a_file_has_its_sizes);
    tcase_add_test(t, small_rows_show_where_eps_is);
    tcase_add_test(t, long_sums_of_rows_are_asked);
    tcase_add_test(t, names_mean_kernels);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
