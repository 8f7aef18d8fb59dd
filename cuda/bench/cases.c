/* cases.c - every kernel of the CUDA tier against the reference in double, as tests/check_tiers.c does it but
 * without Check, with a size to choose, and twice, since the same case must give the same bits.
 *
 *     cuda_cases [cases per family, 10] [largest size, 70] [together] [kernel ...] [steps]
 *
 * Attention's backward is put to one long case.  The cell is put to gates of two more kinds: all forget gates shut, so
 * that every token outweighs all before it; and gates that are far apart, where a gate at -inf must do the same as one
 * at -1e30.
 *
 * `steps`, which is also asked where no kernel is named, are whole training steps (steps.h).
 *
 * A kernel runs in a process of its own: one that hangs or crashes does not take the others with it.  `together` is
 * for a sanitizer: all in one process, which it starts faster, and every case once, of one family, and once more with a
 * number that is none in each input, since other kernels see to that: it looks at addresses, not at values. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cuda/bench/steps.h"
#include "ref/oracle/oracle.h"

extern const struct swax_tier swax_cuda_tier;

enum { SECONDS = 240, SHOWN = 4 };   /* for one kernel; failures shown in full */

struct tally { long cases, failed; double worst; };

static int same_bits(const struct op_case *a, const struct op_case *b)
{
    for (int i = 0; i < a->n; i++)
        if (a->arg[i] && memcmp(a->arg[i], b->arg[i], (size_t)a->size[i] * sizeof(double)))
            return 0;
    return 1;
}

static int repeats(enum swax_precision p, const struct op_case *c)
{
    struct op_case first, second;
    op_case_copy(&first, c);
    op_case_copy(&second, c);
    op_run(&swax_cuda_tier, p, &first);
    op_run(&swax_cuda_tier, p, &second);
    const int same = same_bits(&first, &second);
    op_case_free(&first);
    op_case_free(&second);
    return same;
}

static double *named(const struct op_case *c, const char *name)
{
    const int i = op_arg_find(&swax_ops[c->op], name);
    return i < 0 ? NULL : c->arg[i];
}

static long gates_of(const struct op_case *c) { return c->size[op_arg_find(&swax_ops[c->op], "f")]; }

/* What a backward reads of its forward, anew from the inputs as they stand. */
static void save_again(struct op_case *c, enum swax_precision p)
{
    const int forward = op_forward_of(c->op);
    struct op_case f = { .op = forward };
    if (forward < 0)
        return;
    memcpy(f.dims, c->dims, sizeof f.dims);
    memcpy(f.scalar, c->scalar, sizeof f.scalar);
    op_case_alloc(&f, ~0u);
    for (int i = 0; i < f.n; i++) {
        const double *from = named(c, swax_ops[forward].arg[i].name);
        if (swax_ops[forward].arg[i].role == IN && from)
            memcpy(f.arg[i], from, (size_t)f.size[i] * sizeof(double));
        else if (swax_ops[forward].arg[i].role == IN)
            free(f.arg[i]), f.arg[i] = NULL;
    }
    op_run(swax_tiers[0], SWAX_PREC_F64, &f);
    for (int i = 0; i < f.n; i++) {
        double *to = named(c, swax_ops[forward].arg[i].name);
        for (long e = 0; e < f.size[i] && to && swax_ops[forward].arg[i].role == OUT; e++)
            to[e] = op_round(f.arg[i][e], swax_ops[forward].arg[i].type, p);
    }
    op_case_free(&f);
}

enum kind { DRAWN, SHUT, FAR, KINDS };
static const char *const kind_name[] = { "", ", all forget gates shut", ", gates far apart" };

static double log_sigmoid(double x) { return fmin(x, 0) - log1p(exp(-fabs(x))); }

static void set_gates(struct op_case *c, enum kind kind, uint64_t seed, enum swax_precision p)
{
    /* SWAX_LOG of kernels.h, which cannot be included in two precisions: gates come as logarithms */
    enum { LOG = 3 };
    const int log_gates = op_extent(&swax_ops[c->op], 'g', c->dims) == LOG;
    static const double shut[] = { -2, -4, -6, -9, -14 }, far[] = { 1e4, -1e4, 0, 3, -1e30 };
    double *i = named(c, "i"), *f = named(c, "f");
    for (long e = 0; e < gates_of(c); e++) {
        i[e] = kind == SHUT ? op_normal(&seed) : far[op_random(&seed) % 4] + op_normal(&seed);
        f[e] = kind == SHUT ? shut[c->dims[1] % 5] + op_normal(&seed) : far[op_random(&seed) % 5];
        if (log_gates)
            i[e] = log_sigmoid(i[e]), f[e] = log_sigmoid(f[e]);
        i[e] = op_round(i[e], STAT, p), f[e] = op_round(f[e], STAT, p);
    }
    save_again(c, p);
}

/* Does -inf do what -1e30 does? */
static int shuts_for_good(enum swax_precision p, const struct op_case *c)
{
    struct op_case low, lowest;
    op_case_copy(&low, c);
    op_case_copy(&lowest, c);
    double *f = named(&lowest, "f");
    for (long e = 0; e < gates_of(c); e++)
        f[e] = f[e] == op_round(-1e30, STAT, p) ? -(double)INFINITY : f[e];
    op_run(&swax_cuda_tier, p, &low);
    op_run(&swax_cuda_tier, p, &lowest);
    memcpy(f, named(&low, "f"), (size_t)gates_of(c) * sizeof *f);
    const int same = same_bits(&low, &lowest);
    op_case_free(&low);
    op_case_free(&lowest);
    return same;
}

static void judge(struct tally *all, enum swax_precision p, struct op_case c, enum op_family family, enum kind kind,
                  uint64_t seed, int largest, int once)
{
    struct op_verdict v;
    char text[256];
    const int bad = op_judge(&v, &swax_cuda_tier, p, &c);
    const int same = once || (repeats(p, &c) && (kind != FAR || shuts_for_good(p, &c)));
    all->cases++;
    for (int i = 0; i < c.n; i++)
        if (v.bound[i] > 0 && !(v.error[i] / v.bound[i] <= all->worst))
            all->worst = v.error[i] / v.bound[i];
    if ((bad >= 0 || !same) && ++all->failed <= SHOWN) {
        const int i = bad < 0 ? 0 : bad;
        printf("  %s %s, %s%s, seed %llu, up to %d: %s %s off by %.3g (allowed %.3g), by RMS %.3g (allowed %.3g), in "
               "one direction %.3g (allowed %.3g)%s\n",
               swax_precision_name[p], op_case_describe(&c, text, sizeof text), op_family_name[family], kind_name[kind],
               (unsigned long long)seed, largest, v.trouble, bad < 0 ? "" : swax_ops[c.op].arg[bad].name, v.error[i],
               v.bound[i], v.rms[i], v.rms_bound[i], v.bias[i], v.bias_bound[i], same ? "" : ", and not the same bits "
               "twice");
    }
    op_case_free(&c);
}

static void run_spoiled(enum swax_precision p, const struct op_case *c, uint64_t seed)
{
    for (int i = 0; i < c->n; i++) {
        const struct op_arg *arg = &swax_ops[c->op].arg[i];
        struct op_case spoiled;
        if (arg->role == OUT || arg->type == INT || !c->arg[i])
            continue;
        op_case_copy(&spoiled, c);
        spoiled.arg[i][seed * 7919 % (uint64_t)c->size[i]] = NAN;
        op_run(&swax_cuda_tier, p, &spoiled);
        op_case_free(&spoiled);
    }
}

static void one_case(struct tally *all, enum swax_precision p, int op, enum op_family family, enum kind kind,
                     uint64_t seed, int largest, int once)
{
    struct op_case c;
    op_case_make(&c, op, seed, family, largest, p);
    if (kind)
        set_gates(&c, kind, seed, p);
    if (once)
        run_spoiled(p, &c, seed);
    judge(all, p, c, family, kind, seed, largest, once);
}

/* What is not drawn: where one kernel takes over from another, on both sides.  Attention's backward goes over the band
 * once from four windows of 512 keys on; its forward has the scores of all keys at once where 64 queries see three
 * tiles of 64 keys at most. */
static void cases_at_edges(struct tally *all, int op)
{
    static const struct { const char *op; unsigned optional; int sizes[OP_DIMS]; } edges[] = {
        { "attention_backward", ~0u, { 1, 4200, 4300, 2, 1, 72, 1030 } },
        { "attention_forward", 0, { 1, 330, 330, 2, 1, 72, 129 } },
        { "attention_forward", 0, { 1, 330, 330, 2, 1, 72, 130 } },
        { "attention_forward", 0, { 1, 330, 331, 2, 1, 72, 66 } },
        { "attention_forward", 0, { 1, 330, 331, 2, 1, 72, 67 } },
        { "attention_forward", 0, { 1, 330, 393, 2, 1, 40, 128 } },
        { "attention_forward", 0, { 1, 330, 393, 2, 1, 40, 129 } },
    };
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        struct op_case c = { .op = op };
        if (strcmp(edges[i].op, swax_ops[op].name))
            continue;
        memcpy(c.dims, edges[i].sizes, sizeof edges[i].sizes);
        op_draw_scalars(&c, 1);
        op_draw(&c, 1, OP_GAUSS, edges[i].optional, SWAX_PREC_BF16);
        judge(all, SWAX_PREC_BF16, c, OP_GAUSS, DRAWN, 1, c.dims[2], 0);
    }
}

static int one_kernel(int op, int count, int largest, int once)
{
    const int sizes[] = { 9, 33, largest };
    long failed = 0;
    if (!swax_cuda_tier.usable()) {
        printf("no CUDA device of compute capability 8.0 or later\n");
        return 1;
    }
    printf("%-18s", swax_ops[op].name);
    for (int p = 0; p < SWAX_PRECISIONS; p++) {
        struct tally all = { 0 };
        for (int family = 0; family < (once ? 1 : OP_FAMILIES); family++)
            for (int n = 0; n < count && op_family_fits(op, family); n++)
                one_case(&all, p, op, family, DRAWN, (uint64_t)(1 + n), sizes[n % 3] < largest ? sizes[n % 3] : largest,
                         once);
        for (enum kind kind = 1; kind < KINDS && op_family_fits(op, OP_SATURATED); kind++)      /* of the cell */
            for (int n = 0; n < 2 * count; n++)
                one_case(&all, p, op, OP_GAUSS, kind, (uint64_t)(1 + n),
                         sizes[n % 3] < largest ? sizes[n % 3] : largest, once);
        if (p == SWAX_PREC_BF16 && !once)
            cases_at_edges(&all, op);
        printf("  %s %ld/%ld, worst %.2f", swax_precision_name[p], all.cases - all.failed, all.cases, all.worst);
        failed += all.failed;
    }
    printf("\n");
    fflush(stdout);
    return failed > 0;
}

enum { WHOLE_STEPS = -1 };

/* In a process of its own: 1 if anything was wrong. */
static int apart(int op, int count, int largest)
{
    int status;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        alarm(SECONDS);
        const int wrong = op == WHOLE_STEPS ? steps_as_a_graph() : one_kernel(op, count, largest, 0);
        fflush(stdout);
        _exit(wrong);
    }
    if (child >= 0 && waitpid(child, &status, 0) == child && WIFEXITED(status))
        return WEXITSTATUS(status) != 0;
    printf("%s: its process was ended by a signal\n", op == WHOLE_STEPS ? "steps" : swax_ops[op].name);
    return 1;
}

int main(int argc, char **argv)
{
    const int count = argc > 1 ? atoi(argv[1]) : 10, largest = argc > 2 ? atoi(argv[2]) : 70;
    const int together = argc > 3 && !strcmp(argv[3], "together"), names = together ? 4 : 3;
    int failed = 0, wrong = count < 1 || largest < 1, steps = argc <= names && !together;
    for (int i = names; i < argc; i++)
        if (!strcmp(argv[i], "steps"))
            steps = 1;
        else
            wrong |= op_find(argv[i]) < 0;
    if (wrong) {
        fprintf(stderr, "usage: cuda_cases [cases per family] [largest size] [together] [kernel ...] [steps]: "
                        "two numbers from 1 on\n");
        return 2;
    }
    for (int op = 0; op < swax_n_ops; op++) {
        int chosen = argc <= names;
        for (int i = names; i < argc; i++)
            chosen |= op == op_find(argv[i]);
        if (chosen)
            failed += together ? one_kernel(op, count, largest, 1) : apart(op, count, largest);
    }
    if (steps)
        failed += together ? steps_as_a_graph() : apart(WHOLE_STEPS, count, largest);
    printf("%s\n", failed ? "FAILED" : "all kernels agree with the reference");
    return failed != 0;
}
