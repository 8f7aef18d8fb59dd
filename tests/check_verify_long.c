/* check_verify_long.c - suite=long with limits that are reached in a moment: where arrays lie, what their slabs hold,
 * which slabs are judged, and what is said of who does wrong. */
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "ref/kernels.h"
#include "tools/lib/threads.h"
#include "tools/verify/element.h"
#include "tools/verify/long.h"
#include "tools/verify/long_slabs.h"
#include "tests/printed.h"
#include "tests/scratch.h"
#include "tests/suite.h"

static char why[SWAX_WHY];
static const struct long_limits limits = {.past = 400, .slab = 8, .memory = 1e12, .seconds = 30, .hands = 2};

/* ---- small sizes for every kernel */

static const struct { char letter; int value; } sizes[] = {
    {'B', 3}, {'T', 9}, {'H', 4}, {'G', 2}, {'K', 4}, {'V', 5}, {'D', 4}, {'L', 4}, {'W', 3}, {'C', 4}, {'I', 3},
    {'O', 5}, {'J', 1}, {'N', 10}, {'F', 2},
};

static struct plan plan_of(const char *kernel, enum dtype dtype)
{
    struct plan plan = {.wish = {.dtype = dtype, .states = 1, .documents = 1, .chained = 1}, .seed = 5, .only = -1};
    while (!suite_is_long(plan.suite))
        plan.suite++;
    ck_assert_msg(!subject_find(&plan.subject, kernel, why), "%s", why);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        if (strchr(swax_ops[plan.subject.op[0]].dims, sizes[k].letter) && plan.wish.n_dims < OP_DIMS) {
            plan.wish.dim[plan.wish.n_dims].letter = sizes[k].letter;
            plan.wish.dim[plan.wish.n_dims++].value = sizes[k].value;
        }
    return plan;
}

static struct op_case case_of(const struct plan *plan, int number)
{
    struct op_case c;
    ck_assert(long_dims(&c, &plan->subject, &plan->wish, number, limits.past));
    return c;
}

static int at(const struct op_case *c, char letter) { return *whole_dim((struct op_case *)(uintptr_t)c, letter); }

/* ---- sizes */

static struct op_case unwished(const char *kernel, int number, int *is)
{
    struct plan plan = plan_of(kernel, DT_F32);
    struct op_case c;
    plan.wish.n_dims = 0;
    *is = long_dims(&c, &plan.subject, &plan.wish, number, long_limits().past);
    return c;
}

static void is_sized(const char *kernel, int number, const char *says)
{
    int is;
    char text[WORDS] = "none";
    struct op_case c = unwished(kernel, number, &is);
    if (is)
        op_case_describe(&c, text, sizeof text);
    ck_assert_str_eq(text, says);
    const double largest = is && number ? whole_largest(&c) : 0, first = is ? c.dims[0] : 1;
    ck_assert_msg(!largest || (largest > 2147483648.0 && largest / first * (first - 1) <= 2147483648.0),
                  "%s: its largest tensor has %.0f elements: no more than it takes to pass 2^31", says, largest);
}

START_TEST(sizes_are_long_and_large)
{
    const struct long_limits usual = long_limits();
    ck_assert(usual.past == 2147483648.0 && usual.slab == 65536 && usual.seconds == 3600 && usual.memory > 1e6 &&
              usual.hands == long_hands(threads_allowed()));
    for (int cores = 1; cores < 70; cores++)
        ck_assert_msg(long_hands(cores) == (cores < 7 ? cores : 7), "%d processes on %d cores: 7 copies of a slab are "
                      "counted", long_hands(cores), cores);
    is_sized("mlstm", 0, "mlstm_forward B=1 T=65536 H=2 K=64 V=64 L=64 g=1 eps=1e-06");
    is_sized("mlstm", 1, "mlstm_forward B=257 T=4096 H=16 K=16 V=128 L=256 g=1 eps=1e-06");
    is_sized("mlstm", 2, "none");
    is_sized("attention", 0, "attention_forward B=1 T=65536 S=65536 H=2 G=1 D=64 W=1024");
    is_sized("attention_forward", 1, "attention_forward B=257 T=4096 S=4096 H=16 G=4 D=128 W=128");
    is_sized("rope", 0, "rope_forward B=1 T=65536 H=2 D=64 P=0 theta=10000");
    is_sized("rmsnorm", 0, "rmsnorm_forward N=65536 C=1024 eps=1e-06");
    is_sized("rmsnorm", 1, "rmsnorm_forward N=1048577 C=2048 eps=1e-06");
    is_sized("linear", 0, "linear_forward N=65536 O=128 I=512");
    is_sized("linear", 1, "linear_forward N=1048577 O=2048 I=16");
    is_sized("xent", 0, "xent_forward N=65536 V=50304 cap=15");
    is_sized("add", 0, "add_forward N=16777219");
    is_sized("add", 1, "none");
    is_sized("adamw", 0, "adamw N=16777219 s=3 lr=0.001 beta1=0.9 beta2=0.95 eps=1e-06 decay=0.1 clip=0");
    is_sized("adamw", 1, "none");
}
END_TEST

START_TEST(wishes_are_heard)
{
    struct plan plan = plan_of("mlstm", DT_F32);
    plan.wish.n_scalars = 1;
    snprintf(plan.wish.scalar[0].name, OP_WORD, "eps");
    plan.wish.scalar[0].value = 0.25;
    const struct op_case c = case_of(&plan, 0), large = case_of(&plan, 1);
    ck_assert(at(&c, 'B') == 3 && at(&c, 'T') == 9 && at(&c, 'H') == 4 && at(&c, 'K') == 4 && at(&c, 'V') == 5 &&
              at(&c, 'L') == 4 && c.scalar[0] == 0.25);
    ck_assert_double_eq(whole_largest(&c), 3 * 4 * 3 * 4 * 5);      /* Cs: a state for each of 3 chunks */
    ck_assert_msg(at(&large, 'B') == 3, "720 are more than 400 already: B=%d", at(&large, 'B'));
    struct plan rows = plan_of("rmsnorm", DT_F32);
    const struct op_case more = case_of(&rows, 1);
    ck_assert_msg(at(&more, 'N') == 101 && at(&more, 'C') == 4, "more than 400 elements in rows of 4: N=%d",
                  at(&more, 'N'));
    for (int d = 0; d < rows.wish.n_dims; d++)
        rows.wish.dim[d].value = rows.wish.dim[d].letter == 'C' ? 300 : rows.wish.dim[d].letter == 'N' ? 1
                               : rows.wish.dim[d].value;
    const struct op_case wide = case_of(&rows, 1);
    ck_assert_msg(at(&wide, 'N') == 2 && at(&wide, 'C') == 300, "more than 400 elements in rows of 300: N=%d",
                  at(&wide, 'N'));
    /* what stands behind the last wish is none; one row may be enough; what is no scalar of it is not heard */
    struct op_case one;
    rows.wish.n_dims = 0;
    snprintf(rows.wish.scalar[0].name, OP_WORD, "eps");
    rows.wish.scalar[0].value = 0.25;
    ck_assert(long_dims(&one, &rows.subject, &rows.wish, 1, 2047));
    ck_assert_msg(at(&one, 'N') == 1 && at(&one, 'C') == 2048 && one.scalar[0] == 1e-6, "N=%d C=%d eps=%g",
                  at(&one, 'N'), at(&one, 'C'), one.scalar[0]);
    ck_assert(long_dims(&one, &rows.subject, &rows.wish, 1, 2048) && at(&one, 'N') == 2);
    rows.wish.n_scalars = 2;
    snprintf(rows.wish.scalar[1].name, OP_WORD, "theta");
    rows.wish.scalar[1].value = 0.5;
    ck_assert(long_dims(&one, &rows.subject, &rows.wish, 1, 2047) && one.scalar[0] == 0.25);
}
END_TEST

/* Memory that is free is what the system says of it, in whole kilobytes; where it says nothing, any is. */
START_TEST(memory_is_what_the_system_says)
{
    char line[128];
    double all = 0, kilobytes, is = 0;
    const double memory = long_limits().memory;
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        all = sscanf(line, "MemTotal: %lf", &kilobytes) == 1 ? kilobytes : all;
        is = sscanf(line, "MemAvailable: %lf", &kilobytes) == 1 ? kilobytes : is;
    }
    if (f)
        fclose(f);
    ck_assert_msg(is > 0 ? memory > 0 && memory <= 1024 * all && fmod(memory, 1024) == 0 : isinf(memory),
                  "%.0f bytes, of %.0f kilobytes in all", memory, all);
}
END_TEST

/* ---- where arrays lie */

START_TEST(arrays_lie_apart)
{
    static const struct { enum dtype dtype; size_t bytes[7]; } of[] = {      /* y rstd x w, dx dw dy */
        {DT_F32, {160, 40, 160, 16, 160, 16, 160}},
        {DT_F64, {320, 80, 320, 32, 320, 32, 320}},
        {DT_BF16, {80, 40, 80, 16, 80, 16, 80}},
    };
    const struct plan plan = plan_of("rmsnorm", of[_i].dtype);
    const struct op_case c = case_of(&plan, 0);
    struct whole w;
    size_t begin = 0;
    whole_begin(&w, &plan.subject, &c, dtype_precision(of[_i].dtype));
    for (int k = 0; k < 7; k++) {
        const int part = k > 3, i = part ? k - 4 : k;
        ck_assert_msg(w.at[part][i] == begin + LONG_GUARD, "%s begins at %zu, not at %zu",
                      swax_ops[w.c[part].op].arg[i].name, w.at[part][i], begin + LONG_GUARD);
        ck_assert_int_eq(whole_shares(&w, part, i), -1);
        begin += 2 * LONG_GUARD + (of[_i].bytes[k] + 63) / 64 * 64;
    }
    ck_assert_uint_eq(w.bytes, begin);
    ck_assert(w.at[1][3] == w.at[0][2] && w.at[1][4] == w.at[0][3] && w.at[1][5] == w.at[0][1]);      /* x w rstd */
    ck_assert(whole_shares(&w, 1, 3) == 2 && whole_shares(&w, 1, 4) == 3 && whole_shares(&w, 1, 5) == 1);
}
END_TEST

/* States that a forward saves are there for its backward; nothing else that may be left out is. */
START_TEST(what_is_saved_is_given)
{
    static const struct { const char *kernel, *without;
    } of[] = {
        { "mlstm", "C0 n0 m0 start dC0 dn0 dC1 dn1 " },
        { "delta", "S0 start dS0 dS1 " },
        { "attention", "sink start dsink " },
        { "linear", "b db " },
        { "adamw", "sum " },
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        const struct plan plan = plan_of(of[k].kernel, DT_F32);
        const struct op_case c = case_of(&plan, 0);
        struct whole w;
        whole_begin(&w, &plan.subject, &c, SWAX_PREC_F32);
        for (int part = 0; part < w.parts; part++)
            for (int i = 0; i < w.c[part].n; i++) {
                char name[OP_WORD + 1];
                snprintf(name, sizeof name, "%s ", swax_ops[w.c[part].op].arg[i].name);
                const char *found = strstr(of[k].without, name);
                const int without = found && (found == of[k].without || found[-1] == ' ');
                ck_assert_msg((w.at[part][i] == 0) == without, "%s: %s %s", of[k].kernel, name,
                              without ? "may be left out, and is there" : "is not there");
            }
    }
}
END_TEST

/* ---- slabs */

START_TEST(slabs_are_heads_or_rows)
{
    static const struct { const char *kernel; double slab; long b, g, rows, each; int of_rows; } of[] = {
        {"mlstm", 8, 3, 4, 1, 1, 0},   {"attention", 8, 3, 2, 1, 1, 0}, {"delta", 8, 3, 2, 1, 1, 0},
        {"conv", 8, 3, 1, 1, 1, 0},    {"rope", 8, 3, 4, 1, 1, 0},      {"rmsnorm", 8, 1, 1, 5, 2, 1},
        {"rmsnorm", 12, 1, 1, 4, 3, 1}, {"rmsnorm", 3, 1, 1, 10, 1, 1}, {"rmsnorm", 1000, 1, 1, 1, 10, 1},
        {"skip", 32, 1, 1, 5, 2, 1},
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        const struct plan plan = plan_of(of[k].kernel, DT_F32);
        const struct op_case c = case_of(&plan, 0);
        const struct slabs s = slabs_of(&c, of[k].slab);
        ck_assert_msg(s.b == of[k].b && s.g == of[k].g && s.rows == of[k].rows && s.each == of[k].each &&
                          s.of_rows == of[k].of_rows,
                      "%s in slabs of %g: %ld %ld %ld of %ld", of[k].kernel, of[k].slab, s.b, s.g, s.rows, s.each);
        ck_assert_int_eq(slabs_count(&s), of[k].b * of[k].g * of[k].rows);
        for (long i = 0; i < slabs_count(&s); i++) {
            const struct slab one = slab_number(&s, i);
            struct op_case part = {.op = c.op};
            slab_dims(&part, &c, &s, &one);
            ck_assert(s.of_rows ? one.row == i && !one.b && !one.g
                                : one.b * s.g + one.g == i && one.g < s.g && !one.row);
            if (s.of_rows)
                ck_assert_int_eq(at(&part, 'N'), i == s.rows - 1 ? 10 - i * s.each : s.each);
            else
                ck_assert_int_eq(at(&part, 'B'), 1);
            if (!s.of_rows && whole_dim(&part, 'H'))
                ck_assert_int_eq(at(&part, 'H'), 4 / s.g);
            if (!s.of_rows && whole_dim(&part, 'G'))
                ck_assert_int_eq(at(&part, 'G'), 1);
        }
    }
}
END_TEST

START_TEST(what_sums_over_slabs_is_not_asked)
{
    const struct slabs heads = { 3, 4, 1, 1, 0 }, sequences = { 3, 1, 1, 1, 0 }, one = { 1, 1, 1, 1, 0 },
                       rows = { 1, 1, 5, 2, 1 };
    ck_assert(slabs_have(&heads, "BTHK") && slabs_have(&heads, "BSGD") && !slabs_have(&heads, "BT") &&
              !slabs_have(&heads, "H"));
    ck_assert(slabs_have(&sequences, "BT") && !slabs_have(&sequences, "CF") && slabs_have(&one, "CF"));
    ck_assert(slabs_have(&rows, "NC") && !slabs_have(&rows, "C"));
}
END_TEST

/* Element e of argument i of a slab is which of the whole, by its indices. */
static long place(const struct whole *w, const struct slabs *s, const struct slab *of, const struct op_case *part,
                  int i, long e)
{
    const struct op_spec *op = &swax_ops[part->op];
    const char *shape = op->arg[i].shape;
    long index[8], p = 0;
    for (int d = (int)strlen(shape) - 1; d >= 0; d--) {
        index[d] = e % op_extent(op, shape[d], part->dims);
        e /= op_extent(op, shape[d], part->dims);
    }
    for (int d = 0; shape[d]; d++) {
        const long n = op_extent(op, shape[d], w->c[0].dims), small = op_extent(op, shape[d], part->dims);
        const int token = shape[d] == 'V' && !d ? op_arg_find(op, "token") : -1;
        const long from = token >= 0 ? (long)part->arg[token][index[d]] - index[d]      /* its row of the table */
                        : s->of_rows ? (shape[d] == 'N' ? of->row * s->each : 0)
                        : shape[d] == 'B' ? of->b : shape[d] == 'G' || shape[d] == 'H' ? of->g * small : 0;
        p = p * n + from + index[d];
    }
    return p;
}

static unsigned char *shared(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(p != MAP_FAILED);
    return p;
}

/* What was drawn slab by slab stands where it belongs; the rest is as its role says, and so are the guards. */
START_TEST(the_whole_is_its_slabs)
{
    static const char *const kernels[] = { "mlstm", "attention", "delta", "rmsnorm", "linear",
                                           "conv",  "embed",     "xent",  "adamw" };
    const enum dtype dtype = (enum dtype)(_i % 3);
    const struct plan plan = plan_of(kernels[_i / 3], dtype);
    const struct op_case c = case_of(&plan, 0);
    const struct slabs s = slabs_of(&c, limits.slab);
    const enum swax_precision precision = dtype_precision(dtype);
    struct whole w;
    whole_begin(&w, &plan.subject, &c, precision);
    w.base = shared(w.bytes);
    ck_assert_msg(!whole_fill(&w, &plan, &s, 77, 1 + _i % 4, why), "%s", why);
    double seen[3] = {0, 0, 0};      /* of the first, the last and the second, which is another group of heads */
    for (long k = 0; k < slabs_count(&s); k++) {
        struct problem p;
        const struct slab one = slab_number(&s, k);
        slab_draw(&p, &w, &plan, &s, &one, 77);
        ck_assert(p.wish.chained && !p.wish.noise && p.seed == 77 && p.subject.n == plan.subject.n &&
                  p.wish.dtype == dtype);
        for (int part = 0; part < w.parts; part++)
            for (int i = 0; i < p.in[part].n; i++) {
                const struct op_arg *a = &swax_ops[p.in[part].op].arg[i];
                ck_assert_msg((p.in[part].arg[i] != NULL) == (w.at[part][i] != 0), "%s", a->name);
                if (!p.in[part].arg[i] || whole_shares(&w, part, i) >= 0)
                    continue;
                double *back = calloc((size_t)p.in[part].size[i] + 1, sizeof *back);
                slab_move(&w, part, i, back, &p.in[part], &s, &one, 0);
                for (long e = 0; e < p.in[part].size[i]; e++) {
                    const double x =
                        element_get(w.base + w.at[part][i], a->type, precision, place(&w, &s, &one, &p.in[part], i, e));
                    const double is = op_is_drawn(p.in[part].op, i) ? p.in[part].arg[i][e] : 0;
                    ck_assert_each(!memcmp(&x, &back[e], sizeof x),
                                   "%s %s: element %ld of slab %ld is taken from elsewhere", kernels[_i / 3], a->name,
                                   e, k);
                    ck_assert_each(a->role == OUT || a->role == SCRATCH ? isnan(x) : x == is,
                                   "%s %s: element %ld of slab %ld is %g, not %g", kernels[_i / 3], a->name, e, k, x,
                                   is);
                    seen[0] += op_is_drawn(p.in[part].op, i) && k == 0 ? x : 0;
                    seen[1] += op_is_drawn(p.in[part].op, i) && k == slabs_count(&s) - 1 ? x : 0;
                    seen[2] += op_is_drawn(p.in[part].op, i) && k == 1 ? x : 0;
                }
                for (int e = 0; e < LONG_GUARD; e++) {
                    const size_t bytes =
                        (size_t)whole_elements(&w.c[part], a->shape) * element_width(a->type, precision);
                    ck_assert_each(w.base[w.at[part][i] - 1 - (size_t)e] == 0xFF &&
                                       w.base[w.at[part][i] + bytes + (size_t)e] == 0xFF,
                                   "%s: its guard", a->name);
                }
                free(back);
            }
        problem_free(&p);
    }
    ck_assert_msg(seen[0] != seen[1], "%s: the first slab and the last hold the same", kernels[_i / 3]);
    ck_assert_msg(seen[0] != seen[2], "%s: the first slab and the second hold the same", kernels[_i / 3]);
    munmap(w.base, w.bytes);
}
END_TEST

/* Of embed's table a slab has the rows of its tokens, which are drawn among all rows; its own token n is row n then.
 * The whole has all rows, and no two of them are alike; one slab alone has them all too. */
START_TEST(a_table_is_in_no_slab)
{
    const struct plan plan = plan_of("embed", DT_F32);
    const struct op_case c = case_of(&plan, 0);
    struct whole w;
    whole_begin(&w, &plan.subject, &c, SWAX_PREC_F32);
    w.base = shared(w.bytes);
    for (int alone = 0; alone < 2; alone++) {
        const struct slabs s = slabs_of(&c, alone ? 1000 : 8);
        int beyond = 0;
        ck_assert_int_eq(s.rows, alone ? 1 : 5);
        ck_assert(!whole_fill(&w, &plan, &s, 77, 1 + alone, why));
        const float *table = (const float *)(const void *)(w.base + w.at[0][2]);
        const int32_t *token = (const int32_t *)(const void *)(w.base + w.at[0][1]);
        for (int row = 0; row < 5; row++)
            for (int other = 0; other < row; other++)
                ck_assert_msg(table[4 * row] != table[4 * other] && table[4 * row + 1] != table[4 * row],
                              "rows %d and %d of the table are alike", other, row);
        for (long k = 0; k < s.rows; k++) {
            struct problem p;
            const struct slab one = slab_number(&s, k);
            slab_draw(&p, &w, &plan, &s, &one, 77);
            double rows[20];
            slab_move(&w, 0, 2, rows, &p.in[0], &s, &one, 0);
            ck_assert_int_eq(p.in[0].size[2], alone ? 20 : 8);
            for (long e = 0; e < p.in[0].size[2]; e++) {
                const float is = table[4 * (alone ? e / 4 : token[2 * k + e / 4]) + e % 4];
                ck_assert_msg((float)rows[e] == is && (float)p.in[0].arg[2][e] == is, "the table's %ld is %g, and %g",
                              e, rows[e], p.in[0].arg[2][e]);
            }
            for (int part = 0; part < 2; part++) {
                const int at_token = part ? 2 : 1;
                ck_assert_int_eq(at(&p.in[part], 'V'), alone ? 5 : 2);
                for (long n = 0; n < s.each; n++) {
                    const int is = (int)p.in[part].arg[at_token][n];
                    ck_assert_msg(is == token[k * s.each + n] && is >= 0 && is < 5, "token %ld is %d", n, is);
                    beyond += is >= 2;
                }
                slab_numbers_tokens(&p.in[part], &s);
                for (long n = 0; n < s.each; n++)
                    ck_assert_msg(p.in[part].arg[at_token][n] == (alone ? token[n] : n), "token %ld is %g in the slab",
                                  n, p.in[part].arg[at_token][n]);
            }
            problem_free(&p);
        }
        ck_assert_msg(beyond, "no token looks up more rows than a slab has");
    }
    munmap(w.base, w.bytes);
}
END_TEST

/* ---- the processes that draw */

/* What befalls the child of the fork of that number: it ends, or may only read so many bytes. */
static struct { int forks, number, status, signal; void *locked; size_t bytes; } fate;
static void before_fork(void) { fate.forks++; }
static void after_fork(void)
{
    if (fate.locked)
        mprotect(fate.locked, fate.bytes, PROT_READ);
    if (fate.forks == fate.number && fate.signal)
        raise(fate.signal);
    if (fate.forks == fate.number)
        _exit(fate.status);
}

static const char *fill(const char *kernel, int hands, struct whole *w, struct slabs *s, const char *locked)
{
    const struct plan plan = plan_of(kernel, DT_F32);
    const struct op_case c = case_of(&plan, 0);
    *s = slabs_of(&c, limits.slab);
    whole_begin(w, &plan.subject, &c, SWAX_PREC_F32);
    w->base = shared(w->bytes);
    const int i = locked ? op_arg_find(&swax_ops[c.op], locked) : -1;
    if (i >= 0) {      /* its guards are as large as a page may stand out */
        const size_t page = (size_t)sysconf(_SC_PAGESIZE), from = w->at[0][i] / page * page;
        const size_t bytes = (size_t)whole_elements(&w->c[0], swax_ops[c.op].arg[i].shape) * 4;
        fate.locked = w->base + from, fate.bytes = w->at[0][i] + bytes - from;
    }
    fate.forks = 0;
    return whole_fill(w, &plan, s, 77, hands, why);
}

START_TEST(a_process_that_ends_is_noticed)
{
    struct whole w;
    struct slabs s;
    pthread_atfork(before_fork, NULL, after_fork);
    for (int hands = 1; hands <= LONG_COPIES; hands++)
        for (int number = 0; number < hands; number++)      /* 0: none */
            for (int kind = 0; kind < (number ? 3 : 1); kind++) {
                char says[120];
                fate.number = number, fate.status = kind == 0 ? 1 : kind == 1 ? 255 : 0;
                fate.signal = kind == 2 ? SIGKILL : 0;
                snprintf(says, sizeof says, "The inputs could not be drawn: one of %d processes did not start or was "
                                            "ended.", hands);
                const char *wrong = fill("rmsnorm", hands, &w, &s, NULL);
                ck_assert_msg(number ? wrong && !strcmp(wrong, says) : !wrong, "of %d hands number %d ends: %s", hands,
                              number, wrong ? wrong : "no word");
                ck_assert_msg(fate.forks == hands - 1, "%d processes for %d hands", fate.forks + 1, hands);
                ck_assert_msg(waitpid(-1, NULL, WNOHANG) < 0, "a process was left");
                munmap(w.base, w.bytes);
            }
}
END_TEST

/* Each draws its own slabs and no others: of one that does nothing, and says that it is done, they are not there. */
START_TEST(each_process_draws_its_own)
{
    struct whole w;
    struct slabs s;
    pthread_atfork(before_fork, NULL, after_fork);
    for (int hands = 2; hands <= 4; hands++)
        for (int number = 1; number < hands; number++) {
            fate.number = number, fate.status = 0, fate.signal = 0;
            const char *wrong = fill("rmsnorm", hands, &w, &s, NULL);
            ck_assert_msg(!wrong && s.rows == 5 && s.each == 2, "%s", wrong);
            const float *x = (const float *)(const void *)(w.base + w.at[0][2]);
            for (long row = 0; row < 10; row++)
                ck_assert_msg((x[4 * row] != 0) == (row / 2 % hands != number),
                              "row %ld is %sdrawn without hand %d of %d", row, x[4 * row] != 0 ? "" : "not ", number,
                              hands);
            munmap(w.base, w.bytes);
        }
}
END_TEST

/* What all slabs share is written by the first process alone; what each has, by all. */
START_TEST(what_is_shared_is_drawn_once)
{
    static const struct { const char *kernel, *name; int all; } of[] = {
        {"rmsnorm", "w", 0}, {"rmsnorm", "x", 1}, {"linear", "w", 0}, {"conv", "w", 0},   {"conv", "x", 1},
        {"decay", "bias", 0}, {"decay", "lrate", 0}, {"decay", "a", 1}, {"mlstm", "f", 1}, {"embed", "w", 1},
    };
    struct whole w;
    struct slabs s;
    pthread_atfork(before_fork, NULL, after_fork);
    signal(SIGSEGV, SIG_DFL);
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        const char *wrong = fill(of[k].kernel, 2, &w, &s, of[k].name);
        ck_assert_msg((wrong != NULL) == of[k].all, "%s: %s is %swritten by the second process", of[k].kernel,
                      of[k].name, wrong ? "" : "not ");
        munmap(w.base, w.bytes);
    }
}
END_TEST

/* ---- candidates */

static struct swax_kernels_f32 table;
static const struct swax_kernels_f32 *const plain = &swax_ref_f32;
static int wrong_row, back_behind;
static struct { int forward, backward; const char *refuses; } has;

static const char *load(struct loaded *l, void *arg, char *wrong)
{
    (void)arg;
    if (has.refuses)
        return snprintf(wrong, SWAX_WHY, "%s", has.refuses), wrong;
    l->tier = (struct swax_tier){.name = "mine", .f32 = &table};
    l->precision = SWAX_PREC_F32;
    if (has.forward)      /* what it does not say it has, it has not */
        l->offers[0] = 1;
    if (has.backward)
        l->offers[1] = 1;
    return NULL;
}

/* The reference, or, of bfloat16, the first tier that has it. */
static const struct swax_tier *honest(enum swax_precision precision)
{
    for (int k = 0; k < swax_n_tiers; k++)
        if (op_offers(swax_tiers[k], precision) && !swax_tiers[k]->memory && swax_tiers[k]->usable())
            return swax_tiers[k];
    return NULL;
}

static const char *load_ref(struct loaded *l, void *arg, char *wrong)
{
    (void)wrong;
    l->precision = dtype_precision(*(const enum dtype *)arg);
    l->tier = *honest(l->precision);
    l->offers[0] = l->offers[1] = 1;
    return NULL;
}

/* What it says on its way goes to a file. */
static const char *ask_by(const struct long_limits *by, load_fn *loads, void *arg, const struct plan *plan,
                          struct report *r, char *said)
{
    char *path = scratch("stderr"), *text;
    fflush(stderr);
    const int err = dup(2);
    ck_assert(freopen(path, "w", stderr) != NULL);
    const char *wrong = verify_long_by(by, loads, arg, plan, r, why);
    fflush(stderr);
    dup2(err, 2);
    close(err);
    read_whole(path, &text);
    snprintf(said, 400, "%s", text);
    free(text);
    return wrong;
}

static char said[400];

static const struct finding *of_tensor(const struct report *r, const char *name)
{
    for (int i = 0; i < r->n; i++)
        if (!strcmp(r->finding[i].name, name))
            return &r->finding[i];
    return NULL;
}

/* Every kernel of ours is right, in every precision, and every output that is not summed over slabs is asked. */
START_TEST(the_reference_is_right)
{
    struct subject s;
    if (!honest(dtype_precision((enum dtype)_i))) {
        printf("skipped: no tier of this machine has %s\n", dtype_name[_i]);
        return;
    }
    for (int k = 0; subject_number(k, &s); k++) {
        enum dtype dtype = (enum dtype)_i;
        const struct plan plan = plan_of(s.name, dtype);
        struct report r = {.gauge = 1};
        const struct op_case c = case_of(&plan, 0);
        const struct slabs slabs = slabs_of(&c, limits.slab);
        struct op_case large;
        const int cases = 1 + long_dims(&large, &s, &plan.wish, 1, limits.past);
        const char *wrong = ask_by(&limits, load_ref, &dtype, &plan, &r, said);
        ck_assert_msg(!wrong, "%s: %s", s.name, wrong ? wrong : "");
        ck_assert_msg(r.problems == cases && !r.failed && !r.trouble[0] && r.gauge == 1 && r.too_large == 1,
                      "%s, %s: %d of %d cases wrong: %s", s.name, dtype_name[dtype], r.failed, r.problems, r.trouble);
        for (int part = 0; part < s.n; part++)
            for (int i = 0; i < op_args(&swax_ops[s.op[part]]); i++) {
                const struct op_arg *a = &swax_ops[s.op[part]].arg[i];
                const struct finding *f = of_tensor(&r, a->name);
                if (!op_answers(a))
                    continue;
                const int given = !a->optional || strchr("CnS", a->name[0]);
                const int asked = given && slabs_have(&slabs, a->shape);
                ck_assert_msg((f != NULL) == given, "%s: %s is %stold of", s.name, a->name, f ? "" : "not ");
                ck_assert_msg(!f || (asked ? f->answers >= cases && f->answers <= 5 * cases
                                           : !f->answers && !f->asked && !f->failed),
                              "%s %s: %d slabs", s.name, a->name, f->answers);
            }
    }
}
END_TEST

static void right(float *y, float *rstd, const float *x, const float *w, int N, int C, double eps)
{
    plain->rmsnorm_forward(y, rstd, x, w, N, C, eps);
}
static void right_back(float *dx, float *dw, const float *dy, const float *x, const float *w, const float *rstd, int N,
                       int C)
{
    plain->rmsnorm_backward(dx, dw, dy, x, w, rstd, N, C);
    if (back_behind)
        dx[N * C] = 0;
}
/* Right, and then something else. */
#define NORM(name, then)                                                                                               \
    static void name(float *y, float *rstd, const float *x, const float *w, int N, int C, double eps)                  \
    {                                                                                                                  \
        right(y, rstd, x, w, N, C, eps);                                                                               \
        then;                                                                                                          \
    }
NORM(one_row, y[wrong_row * C] *= 2)
NORM(behind, y[N * C] = 0)
NORM(far_behind, ((char *)(rstd + N))[LONG_GUARD - 1] = 0)
NORM(before, ((char *)y)[-LONG_GUARD] = 0)
NORM(input, ((float *)(uintptr_t)x)[N * C - 1] += 1)
NORM(crashes, raise(SIGSEGV))
NORM(leaves, _exit(0))
NORM(leaves_3, _exit(3))
NORM(sleeps, for (;;) pause())
/* ... and all arrays begin at a line of the cache */
NORM(uneven, y[0] += ((uintptr_t)y | (uintptr_t)rstd | (uintptr_t)x | (uintptr_t)w) % 64 != 0)
static void nothing(float *y, float *rstd, const float *x, const float *w, int N, int C, double eps)
{
    (void)y, (void)rstd, (void)x, (void)w, (void)N, (void)C, (void)eps;
}

static const char *ask(void (*forward)(float *, float *, const float *, const float *, int, int, double),
                       const char *kernel, uint64_t seed, int only, int seconds, struct report *r)
{
    struct plan plan = plan_of(kernel, DT_F32);
    struct long_limits by = limits;
    plan.seed = seed;
    plan.only = only;
    by.seconds = seconds;
    table = *plain;
    table.rmsnorm_forward = forward;
    table.rmsnorm_backward = right_back;
    *r = (struct report){.gauge = 0};
    has.forward = 1;
    return ask_by(&by, load, NULL, &plan, r, said);
}

static const struct trick {
    const char *name;
    void (*forward)(float *, float *, const float *, const float *, int, int, double);
    const char *says;
} tricks[] = {
    {"right", right, ""},
    {"uneven", uneven, ""},
    {"behind", behind, "rmsnorm: it wrote outside y"},
    {"far_behind", far_behind, "rmsnorm: it wrote outside rstd"},
    {"before", before, "rmsnorm: it wrote outside y"},
    {"back_behind", right, "rmsnorm: it wrote outside dx"},
    {"input", input, "rmsnorm: it changed its input x"},
    {"crashes", crashes, "rmsnorm: it crashed: Segmentation fault"},
    {"leaves", leaves, "rmsnorm: it ended the process"},
    {"leaves_3", leaves_3, "rmsnorm: it ended the process"},
    {"sleeps", sleeps, "rmsnorm: it did not return within 1 seconds"},
    {"nothing", nothing, ""},
};

START_TEST(tricks_are_named)
{
    const struct trick *t = &tricks[_i];
    struct report r;
    has.backward = 1;
    back_behind = !strcmp(t->name, "back_behind");
    signal(SIGALRM, SIG_DFL);      /* Check's own would end this process */
    const char *wrong = ask(t->forward, "rmsnorm", 5, 1, t->forward == sleeps ? 1 : 300, &r);
    const int good = (t->forward == right && !back_behind) || t->forward == uneven;
    ck_assert_msg(!wrong, "%s: %s", t->name, wrong ? wrong : "");
    ck_assert_msg(!strncmp(r.trouble, t->says, *t->says ? strlen(t->says) : 1), "%s: \"%s\", not \"%s\"", t->name,
                  r.trouble, t->says);
    ck_assert_msg(r.failed == !good && r.problems == 1 && (!*t->says || r.trouble_at == 1), "%s: %d of %d", t->name,
                  r.failed, r.problems);
    ck_assert_msg(!strcmp(said, "case 1: rmsnorm_forward N=101 C=4 eps=1e-06, 0.0 GB, about 0 s beside the kernel's "
                                "own\n"), "%s", said);
    for (int i = 0; i < r.n; i++)
        ck_assert_msg(!r.finding[i].answers || r.finding[i].problem == 1, "%s is of case %d", r.finding[i].name,
                      r.finding[i].problem);
    if (t->forward == nothing)
        ck_assert_msg(of_tensor(&r, "y")->failed == of_tensor(&r, "y")->answers &&
                          strstr(of_tensor(&r, "y")->looks, "not finite"),
                      "y %s", of_tensor(&r, "y")->looks);
}
END_TEST

/* Of the 5 slabs of 2 rows the first is judged, the last, and some: an error there is seen, elsewhere not. */
START_TEST(one_slab_that_is_wrong_is_found)
{
    int found[5] = {0}, missed[5] = {0};
    struct report r;
    has.backward = 1;
    for (uint64_t seed = 1; seed <= 12; seed++)
        for (int slab = 0; slab < 5; slab++) {
            wrong_row = 2 * slab + 1;
            ck_assert(!ask(one_row, "rmsnorm", seed, 0, 300, &r));
            const struct finding *f = of_tensor(&r, "y");
            ck_assert(r.failed == f->failed && f->failed <= 1 && f->answers >= 2 && f->answers <= 4 && f->problem == 0);
            found[slab] += r.failed;
            missed[slab] += !r.failed;
        }
    ck_assert_msg(found[0] == 12 && found[4] == 12, "in the first and the last it is found always: %d %d", found[0],
                  found[4]);
    for (int slab = 1; slab < 4; slab++)
        ck_assert_msg(found[slab] && missed[slab], "slab %d is drawn sometimes: %d of 12", slab, found[slab]);
}
END_TEST

/* The slab in which the largest tensor has as many elements as an index may hold is judged, whatever is drawn. */
START_TEST(the_slab_that_crosses_is_judged)
{
    struct report r;
    has.backward = 1;
    struct plan plan = plan_of("rmsnorm", DT_F32);
    struct long_limits by = limits;
    plan.only = 0;
    table = *plain;
    table.rmsnorm_forward = one_row;
    has.forward = 1;
    for (uint64_t seed = 1; seed <= 6; seed++)
        for (int slab = 1; slab < 4; slab++) {
            plan.seed = seed;
            by.past = 8 * slab + 4;      /* of 40 elements, 8 a slab */
            wrong_row = 2 * slab;
            ck_assert(!ask_by(&by, load, NULL, &plan, &r, said));
            ck_assert_msg(r.failed == 1, "seed %d: the slab of element %g is not judged", (int)seed, by.past);
        }
}
END_TEST

/* A table's row that is wrong is found, and one that was changed, wherever one of the tokens of a judged slab is. */
static float look_up_by;
static int spoils;
static void look_up(float *y, const int *token, const float *w, int N, int V, int C)
{
    plain->embed_forward(y, token, w, N, V, C);
    for (int n = 0; n < N * C; n++)
        y[n] *= look_up_by;
    if (spoils == 1)
        ((float *)(uintptr_t)w)[token[0] * C] += 1;
    if (spoils == 2)
        ((int *)(uintptr_t)token)[0] = 1 << 30;      /* where no table is */
}

START_TEST(what_is_looked_up_is_judged)
{
    struct plan plan = plan_of("embed", DT_F32);
    struct report r;
    table = *plain;
    table.embed_forward = look_up;
    has.forward = 1;
    has.backward = 0;      /* which would look there */
    for (int kind = 0; kind < 4; kind++)
        for (int number = 0; number < 2; number++) {
            look_up_by = kind == 1 ? 1.001f : 1;
            spoils = kind > 1 ? kind - 1 : 0;
            plan.only = number;
            ck_assert(!ask_by(&limits, load, NULL, &plan, &r, said));
            ck_assert_msg(r.failed == (kind > 0) &&
                              of_tensor(&r, "y")->failed == (kind == 1 ? of_tensor(&r, "y")->answers : 0),
                          "kind %d, case %d: %d", kind, number, r.failed);
            ck_assert_str_eq(r.trouble, kind == 2 ? "embed: it changed its input w"
                                      : kind == 3 ? "embed: it changed its input token" : "");
            ck_assert_msg(r.n == 1 && r.finding[0].answers >= 3, "%d tensors, of %d slabs", r.n, r.finding[0].answers);
        }
}
END_TEST

START_TEST(a_part_that_is_not_there_is_not_asked)
{
    struct report r;
    has.backward = 0;
    ck_assert(!ask(right, "rmsnorm", 5, -1, 300, &r));
    ck_assert(!r.failed && r.problems == 2 && of_tensor(&r, "y") && !of_tensor(&r, "dx"));
}
END_TEST

static void print(void *r) { report_print(r, "tier", "mine"); }

/* A sum over slabs is told of as what was not asked, and its kernel is not one that was not there; so is what nobody is
 * given. */
START_TEST(what_is_not_asked_is_said)
{
    static const char sum[] = "nothing was asked of it: it is summed over slabs, of which suite=long judges a few\n";
    static const struct { const char *kernel, *summed, *line; int backward; } of[] = {
        {"embed", "dw", "", 1},
        {"embed", "", "Not asked: embed_backward, which was not there.\n", 0},
        {"rmsnorm", "dw", "", 1},
        {"rmsnorm", "", "Not asked: rmsnorm_backward, which was not there.\n", 0},
        {"linear", "dw", "Not asked: b, db, which suite=long leaves out.\n", 1},
        {"linear_forward", "", "Not asked: b, which suite=long leaves out.\n", 1},
        {"conv", "dw", "Not asked: b, start, db, which suite=long leaves out.\n", 1},
        {"attention", "", "Not asked: sink, start, dsink, which suite=long leaves out.\n", 1},
        {"delta", "", "Not asked: S0, start, dS0, dS1, which suite=long leaves out.\n", 1},
        {"mlstm", "", "Not asked: C0, n0, m0, start, dC0, dn0, dC1, dn1, which suite=long leaves out.\n", 1},
        {"mlstm", "",
         "Not asked: mlstm_backward, which was not there.\n"
         "Not asked: C0, n0, m0, start, dC0, dn0, dC1, dn1, which suite=long leaves out.\n", 0},
    };
    table = *plain;
    has.forward = 1;
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        const struct plan plan = plan_of(of[k].kernel, DT_F32);
        struct report r;
        char row[200];
        has.backward = of[k].backward;
        ck_assert(!ask_by(&limits, load, NULL, &plan, &r, said));
        char *text = printed_in(print, &r), *line = strstr(text, "\nNot asked: ");
        snprintf(row, sizeof row, "\n%-6s %9s %s", of[k].summed, "0/0", sum);
        ck_assert_msg(of[k].summed[0] ? strstr(text, row) != NULL : !strstr(text, sum), "%s: no \"%s\" in\n%s",
                      of[k].kernel, row, text);
        ck_assert_msg(line ? !strcmp(line + 1, of[k].line) : !of[k].line[0], "%s: no \"%s\" in\n%s", of[k].kernel,
                      of[k].line, text);
        free(text);
    }
}
END_TEST

/* The case ends with that sentence, and one where there may be no more processes does too. */
START_TEST(without_hands_there_is_no_verdict)
{
    struct report r;
    const struct plan plan = plan_of("rmsnorm", DT_F32);
    const struct rlimit none = {0, 0};
    enum dtype dtype = DT_F32;
    static const char says[] = "The inputs could not be drawn: one of 2 processes did not start or was ended.";
    pthread_atfork(before_fork, NULL, after_fork);
    fate.number = 1, fate.status = 1;
    const char *wrong = ask_by(&limits, load_ref, &dtype, &plan, &r, said);
    ck_assert_msg(wrong && !strcmp(wrong, says) && r.problems == 0, "%s", wrong ? wrong : "no word");
    fate.number = 0;
    if (setrlimit(RLIMIT_NPROC, &none) || (!getuid() && setuid(65534)) || fork() >= 0) {
        puts("skipped: processes cannot be forbidden here");
        return;
    }
    struct whole w;
    struct slabs s;
    wrong = fill("rmsnorm", 2, &w, &s, NULL);
    ck_assert_msg(wrong && !strcmp(wrong, says), "%s", wrong ? wrong : "no word");
    ck_assert_msg(!fill("rmsnorm", 1, &w, &s, NULL), "%s", why);
}
END_TEST

/* ---- refusals */

static void refused(const char *wrong, const char *says)
{
    ck_assert_msg(wrong && !strcmp(wrong, says), "\"%s\", not \"%s\"", wrong ? wrong : "no word", says);
}

START_TEST(refusals_are_sentences)
{
    struct report r;
    has.backward = 1;
    refused(ask(right, "rmsnorm_backward", 5, -1, 300, &r),
            "suite=long asks a forward, or a forward with its backward: say rmsnorm.");
    refused(ask(right, "embed_backward", 5, -1, 300, &r),      /* whose forward is the first of all kernels */
            "suite=long asks a forward, or a forward with its backward: say embed.");
    refused(ask(right, "rmsnorm", 5, 2, 300, &r),
            "number=2: suite=long has case 0, the long one, and case 1, the large one.");
    refused(ask(right, "add", 5, 1, 300, &r), "number=1: suite=long has case 0 alone.");
    has.refuses = "mine.so has no kernel.";
    refused(ask(right, "rmsnorm", 5, -1, 300, &r), "mine.so has no kernel.");
    has.refuses = NULL;
    struct plan plan = plan_of("rmsnorm", DT_F32);
    struct long_limits by = limits;
    by.memory = 60000;
    refused(ask_by(&by, load, NULL, &plan, &r, said), "Too large: case 0, rmsnorm_forward N=10 C=4 eps=1e-06, takes "
                                                      "0.0 GB, and 0.0 are free here.  number=0 asks the "
                                                      "long case alone, dtype=bf16 takes half, and sizes are keys.");
    /* nine tenths of what is free may be taken, and no more */
    const struct op_case small = case_of(&plan, 0);
    const double bytes = long_cost(&plan.subject, &plan.wish, &small, &by).bytes;
    double least = bytes / 0.9;
    while (0.9 * least < bytes)
        least = nextafter(least, INFINITY);
    while (0.9 * nextafter(least, 0) >= bytes)
        least = nextafter(least, 0);
    plan.only = 0;
    by.memory = least;
    const char *fits = ask_by(&by, load, NULL, &plan, &r, said);
    ck_assert_msg(!fits, "0.9 of %.17g is %.17g: %s", least, bytes, fits ? fits : "");
    by.memory = nextafter(least, 0);
    ck_assert_msg(ask_by(&by, load, NULL, &plan, &r, said), "more than 0.9 of %.17g is taken", by.memory);
    plan.wish.dim[0] = (__typeof__(plan.wish.dim[0])){'N', 2147483647};
    plan.wish.dim[1] = (__typeof__(plan.wish.dim[0])){'C', 1 << 20};
    plan.only = 0;
    by.memory = (double)INFINITY;
    refused(ask_by(&by, load, NULL, &plan, &r, said), "There is no memory for the arrays.");
    plan = plan_of("attention", DT_F32);
    plan.wish.dim[3].value = 3;      /* H=4 */
    for (int k = 0; k < plan.wish.n_dims; k++)
        plan.wish.dim[k].value = plan.wish.dim[k].letter == 'G' ? 3
                               : plan.wish.dim[k].letter == 'H' ? 4
                                                                : plan.wish.dim[k].value;
    const char *wrong = ask_by(&limits, load, NULL, &plan, &r, said);
    ck_assert_msg(wrong && is_sentence(wrong) && strstr(wrong, "G"), "%s", wrong ? wrong : "no word");
}
END_TEST

/* What it takes: its arrays with their guards and 7 copies of a slab in double.  The seconds stand in wholes.txt. */
START_TEST(cost_is_counted)
{
    const struct plan plan = plan_of("rmsnorm", DT_F32);
    const struct op_case c = case_of(&plan, 0);
    const struct long_cost cost = long_cost(&plan.subject, &plan.wish, &c, &limits);
    const double bytes = 7 * 8192 + 4 * 192 + 3 * 64, slab[2] = {8 + 2 + 8 + 4, 8 + 4 + 8 + 8 + 4 + 2};
    ck_assert_double_eq(cost.bytes, bytes + 7 * 8 * (slab[0] + slab[1]));
    /* seconds: what is drawn, by each hand; what is touched; and of up to five slabs, what a tier does, or the
     * reference, and what the honest orders do, and the numbers */
    static const char *const kernels[] = {"rmsnorm", "attention", "mlstm", "linear", "delta", "linear_forward",
                                          "attention_forward", "mlstm_forward", "attention",
                                          "embed"};
    for (int k = 0; k < 20; k++) {
        struct plan of = plan_of(kernels[k / 2], k % 2 ? DT_F64 : DT_F32);
        of.wish.n_dims = k < 12 ? of.wish.n_dims : 0;      /* so large that the reference does not tell of it */
        const struct op_case whole = case_of(&of, 0);
        const struct slabs slabs = slabs_of(&whole, 8);
        const struct slab first = slab_number(&slabs, 0);
        struct problem p = {.subject = of.subject, .wish = of.wish};
        double work = 0, orders = 0, numbers = 0, drawn = 0;
        for (int part = 0; part < of.subject.n; part++) {
            static const double times[2] = {1, 3}, of_attention[2] = {3, 6};
            struct op_case larger = whole;
            larger.op = p.in[part].op = of.subject.op[part];
            slab_dims(&p.in[part], &larger, &slabs, &first);
            work += times[part] * case_steps(&p.in[part]);
            orders += bound_asks_orders(&p, part) * case_orders(&p.in[part]) *
                      (strcmp(of.subject.base, "attention") ? 1 : of_attention[part]);
            numbers += case_numbers(&p.in[part]);
            for (int i = 0; i < op_args(&swax_ops[larger.op]); i++) {      /* dy, and of the forward all its inputs */
                const struct op_arg *a = &swax_ops[larger.op].arg[i];
                drawn += a->role == IN && !a->optional && (!part || (a->name[0] == 'd' && a->name[1]))
                           ? whole_elements(&larger, a->shape)
                           : 0;
            }
        }
        const long n = slabs_count(&slabs);
        const int plain = teller_of(&of.subject, &of.wish, &p.in[0]) == swax_tiers[0];
        const struct long_cost is = long_cost(&of.subject, &of.wish, &whole, &limits);
        struct whole w;
        whole_begin(&w, &of.subject, &whole, dtype_precision(of.wish.dtype));
        const double says = drawn / 5e7 / 2 + (double)w.bytes / 1e9 +
                            (double)(n > 3 ? 5 : n) * (12 * work / (plain ? 2e9 : 8e10) + orders / 1e9 + numbers / 5e6);
        ck_assert_msg(fabs(is.seconds / says - 1) < 1e-9 && fabs(is.bytes - (double)w.bytes - 56 * numbers) < 0.5,
                      "%s: %g s, not %g, and %g bytes", kernels[k / 2], is.seconds, says, is.bytes);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("long and large");
    TCase *t = tcase_create("slabs"), *u = tcase_create("verdicts");
    scratch_open();
    tcase_set_timeout(t, 120);
    tcase_set_timeout(u, 120);
    tcase_add_test(t, sizes_are_long_and_large);
    tcase_add_test(t, wishes_are_heard);
    tcase_add_test(t, memory_is_what_the_system_says);
    tcase_add_loop_test(t, arrays_lie_apart, 0, 3);
    tcase_add_test(t, what_is_saved_is_given);
    tcase_add_test(t, slabs_are_heads_or_rows);
    tcase_add_test(t, what_sums_over_slabs_is_not_asked);
    tcase_add_loop_test(t, the_whole_is_its_slabs, 0, 3 * 9);
    tcase_add_test(t, a_table_is_in_no_slab);
    tcase_add_test(t, a_process_that_ends_is_noticed);
    tcase_add_test(t, each_process_draws_its_own);
    tcase_add_test(t, what_is_shared_is_drawn_once);
    tcase_add_test(t, cost_is_counted);
    tcase_add_loop_test(u, the_reference_is_right, 0, 3);
    tcase_add_loop_test(u, tricks_are_named, 0, (int)(sizeof tricks / sizeof *tricks));
    tcase_add_test(u, one_slab_that_is_wrong_is_found);
    tcase_add_test(u, the_slab_that_crosses_is_judged);
    tcase_add_test(u, what_is_looked_up_is_judged);
    tcase_add_test(u, a_part_that_is_not_there_is_not_asked);
    tcase_add_test(u, what_is_not_asked_is_said);
    tcase_add_test(u, without_hands_there_is_no_verdict);
    tcase_add_test(u, refusals_are_sentences);
    suite_add_tcase(s, t);
    suite_add_tcase(s, u);
    const int status = suite_ends(s);
    scratch_close();
    return status;
}
