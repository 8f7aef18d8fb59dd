/* check_threads.c - the same bits whatever the number of threads, and whoever's: kernels, then whole training steps.
 * And bf16's products, whatever the vectors.
 *
 * Each test is a process of its own: OpenMP's threads do not survive a fork. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#else
static void omp_set_num_threads(int n) { (void)n; }
#endif
#include "ref/network/network.h"
#include "ref/oracle/oracle.h"
#include "tests/suite.h"

static const int counts[] = { 1, 2, 3, 4, 7, 8, 16 };
enum { COUNTS = sizeof counts / sizeof *counts, FEW = 3 /* every third: 2 and 7 */, MOST_TIERS = 16 };

static const struct swax_tier *host_tier(int i)
{
    const struct swax_tier *t = i < swax_n_tiers ? swax_tiers[i] : NULL;
    return t && !t->memory && t->host && t->usable() ? t : NULL;
}

static void run(struct op_case *c, const struct op_case *drawn, const struct swax_tier *tier, enum swax_precision p,
                int threads)
{
    op_case_copy(c, drawn);
    omp_set_num_threads(threads);
    ck_assert_msg(!op_run(tier, p, c), "%s", c->trouble);
}

static void same_results(const struct op_case *a, const struct op_case *b, const char *what)
{
    for (int i = 0; i < a->n; i++)
        ck_assert_msg(!a->arg[i] || !memcmp(a->arg[i], b->arg[i], (size_t)a->size[i] * sizeof(double)),
                      "%s of %s differs: %s", swax_ops[a->op].arg[i].name, swax_ops[a->op].name, what);
}

static void one_case(const struct swax_tier *tier, enum swax_precision p, const struct op_case *drawn, int step)
{
    struct op_case first, other;
    run(&first, drawn, tier, p, 1);
    for (int c = 1; c < COUNTS; c += step) {
        char what[80];
        snprintf(what, sizeof what, "%s %s by 1 and by %d threads", tier->name, swax_precision_name[p], counts[c]);
        run(&other, drawn, tier, p, counts[c]);
        same_results(&first, &other, what);
        op_case_free(&other);
    }
    op_case_free(&first);
}

/* What one sequence alone cuts, for all threads: passes over more than 65,536 elements, whose parts each begin where
 * the one before ends (simd/split.c: one text for all precisions, so it is asked in float); attention's backward, where
 * the sequence is long; and several heads, some of which share keys. */
static const struct { const char *op; int dims[OP_DIMS], in_all; } large[] = {
    {"softcap_forward", {70001}, 0}, {"softcap_backward", {70001}, 0}, {"strength_forward", {70001}, 0},
    {"strength_backward", {70001}, 0}, {"gate_forward", {70001}, 0}, {"gate_backward", {70001}, 0},
    {"add_forward", {70001}, 0}, {"add_backward", {70001}, 0}, {"swiglu_forward", {70001}, 0},
    {"swiglu_backward", {70001}, 0}, {"sqsum", {70001}, 0}, {"accumulate", {70001}, 0}, {"cast", {70001}, 0},
    {"adamw", {70001, 3}, 0}, {"rmsnorm_forward", {701, 131}, 0}, {"rmsnorm_backward", {701, 131}, 0},
    {"xent_forward", {701, 131}, 0}, {"xent_backward", {701, 131}, 0}, {"skip_forward", {701, 3, 45}, 0},
    {"skip_backward", {701, 3, 45}, 0}, {"decay_forward", {701, 3, 45}, 0}, {"decay_backward", {701, 3, 45}, 0},
    {"headnorm_forward", {701, 3, 45, 1}, 0}, {"headnorm_backward", {701, 3, 45, 1}, 0},
    {"embed_forward", {701, 90, 131}, 0}, {"embed_backward", {701, 90, 131}, 0},
    {"rope_forward", {1, 701, 3, 46, 5}, 0}, {"rope_backward", {1, 701, 3, 46, 5}, 0},
    {"conv_forward", {1, 701, 701, 131, 3}, 0}, {"conv_backward", {1, 701, 701, 131, 3}, 0},
    {"attention_backward", {1, 9000, 9000, 3, 3, 8, 70}, 1},
    {"attention_forward", {2, 70, 70, 6, 2, 16, 40}, 1}, {"attention_backward", {2, 70, 70, 6, 2, 16, 40}, 1},
    {"mlstm_forward", {2, 70, 6, 16, 16, 64, 0}, 1}, {"mlstm_backward", {2, 70, 6, 16, 16, 64, 0}, 1},
    {"delta_forward", {1, 70, 6, 2, 16, 16, 1, 64, 1}, 1}, {"delta_backward", {1, 70, 6, 2, 16, 16, 1, 64, 1}, 1}};

START_TEST(kernels)
{
    const struct swax_tier *tier = host_tier(_i / SWAX_PRECISIONS);
    const enum swax_precision p = (enum swax_precision)(_i % SWAX_PRECISIONS);
    struct op_case c;
    for (int op = 0; tier && op < swax_n_ops; op++)
        /* large enough that kernels wake threads when they are called from outside a piece of work */
        if (op_present(tier, p, op)) {
            op_case_make(&c, op, 7, OP_GAUSS, 400, p);
            one_case(tier, p, &c, getenv("EVERY") ? FEW : 1);
            op_case_free(&c);
        }
    for (size_t k = 0; tier && k < sizeof large / sizeof *large; k++) {
        c = (struct op_case){.op = op_find(large[k].op)};
        memcpy(c.dims, large[k].dims, sizeof c.dims);
        ck_assert_msg(c.op >= 0, "there is no %s", large[k].op);
        if (op_present(tier, p, c.op) && (large[k].in_all || p == SWAX_PREC_F32)) {
            op_default_scalars(&c);      /* without them a softcap, say, is none */
            /* with all that a backward reads; documents would cut attention's sequence short */
            op_draw(&c, 7, OP_GAUSS, strncmp(large[k].op, "attention", 9) ? ~0u : 0, p);
            one_case(tier, p, &c, FEW);
            op_case_free(&c);
        }
    }
}
END_TEST

/* Multiplied in pairs or as floats, by vectors of any length: also where sums are made in several steps, and where
 * small numbers leave pairs no choice. */
START_TEST(products_of_bf16)
{
    static const char *const ops[] = { "linear_forward", "linear_backward", "readout_forward", "readout_backward" };
    static const int sizes[][3] = {
        { 9, 7, 5 }, { 40, 30, 385 }, { 40, 1024, 70 }, { 70, 33, 1999 }, { 1700, 48, 40 }
    };
    for (int i = 0; i < 2 * (int)(sizeof sizes / sizeof *sizes); i++) {
        const enum swax_precision p = SWAX_PREC_BF16;
        struct op_case drawn = { .op = op_find(ops[_i]) }, first, other;
        const struct swax_tier *tier = NULL;
        memcpy(drawn.dims, sizes[i / 2], sizeof sizes[0]);
        op_draw(&drawn, (uint64_t)i, i % 2 ? OP_TINY : OP_GAUSS, ~0u, p);
        for (int t = 0; t < swax_n_tiers; t++) {
            const struct swax_tier *next = host_tier(t);
            char what[80];
            if (!next || !op_present(next, p, drawn.op))
                continue;
            run(tier ? &other : &first, &drawn, next, p, 2);
            if (tier) {
                snprintf(what, sizeof what, "bf16 on %s and on %s", tier->name, next->name);
                same_results(&first, &other, what);
                op_case_free(&other);
            } else
                tier = next;
        }
        if (tier)
            op_case_free(&first);
        op_case_free(&drawn);
    }
}
END_TEST

/* ---- whole training steps, on made-up tokens */

struct shape { int B, T, width; };

/* Sequences side by side; one, long enough that its passes are split; wide ones, that take turns from 4 threads on. */
static const struct shape shapes[] = { { 5, 70, 48 }, { 1, 1400, 48 }, { 2, 300, 416 } };
enum { SHAPES = sizeof shapes / sizeof *shapes };

static struct swax_network *open_network(const struct swax_tier *tier, enum swax_precision p, struct shape s)
{
    struct swax_config c = swax_config_default();
    char why[SWAX_WHY];
    c.vocabulary = 61;
    c.width = s.width;
    c.layers = s.width > 100 ? 2 : c.layers;     /* one of each mixer */
    *(int *)swax_config_at(&c, "heads") = *(int *)swax_config_at(&c, "cell_heads") = 2;
    return swax_network_new(&c, tier, p, s.B, s.T, 1, why);
}

/* Weights, moments and loss after some steps; state is NULL without a network. */
struct outcome { double loss[3]; size_t bytes; unsigned char *state; };

/* No ck_assert in here: several threads may be here at once. */
static struct outcome train(struct swax_network *n, enum swax_precision p, struct shape s)
{
    enum { STEPS = 3 };
    const struct swax_adamw o = { 1e-3, 0.9, 0.95, 1e-8, 0.1, 1 };
    struct outcome r = { { 0 }, 0, NULL };
    int *token = malloc((size_t)(s.B * s.T + 1) * sizeof *token), tensors;
    if (!n || !token)
        return r;
    swax_network_init(n, 3);
    uint64_t random = 5;
    for (int t = 0; t <= s.B * s.T; t++)
        token[t] = (int)(op_random(&random) % 61);
    const struct swax_batch batch = { .B = s.B, .T = s.T, .window = 20, .token = token, .target = token + 1 };
    for (int step = 0; step < STEPS; step++) {
        swax_network_zero_gradient(n);
        r.loss[step] = swax_network_gradient(n, &batch, 1.0 / (s.B * s.T));
        swax_network_gradient_norm(n);
        swax_network_adamw(n, &o, step + 1);
    }
    const struct swax_tensor *tensor = swax_network_tensors(n, &tensors);
    r.state = calloc(swax_network_parameters(n) * 3, sizeof(double));
    for (int which = SWAX_WEIGHT; which <= SWAX_MOMENT2 && r.state; which++)
        for (int t = 0; t < tensors; t++) {
            swax_network_get(n, (enum swax_which)which, t, r.state + r.bytes);
            r.bytes += (size_t)tensor[t].size * (p == SWAX_PREC_F64 ? sizeof(double) : sizeof(float));
        }
    free(token);
    return r;
}

static struct outcome train_anew(const struct swax_tier *tier, enum swax_precision p, struct shape s)
{
    struct swax_network *n = open_network(tier, p, s);
    const struct outcome r = train(n, p, s);
    swax_network_free(n);
    return r;
}

static void same(const struct outcome *a, struct outcome b, const char *what)
{
    ck_assert_msg(a->state && b.state, "%s: there was no memory", what);
    ck_assert_msg(!memcmp(a->loss, b.loss, sizeof b.loss) && !memcmp(a->state, b.state, a->bytes),
                  "%s: the bits differ", what);
    free(b.state);
}

START_TEST(training)
{
    const struct swax_tier *tier = host_tier(_i / SHAPES / SWAX_PRECISIONS);
    const enum swax_precision p = (enum swax_precision)(_i / SHAPES % SWAX_PRECISIONS);
    const struct shape s = shapes[_i % SHAPES];
    if (!tier || !op_offers(tier, p))
        return;
    omp_set_num_threads(1);
    const struct outcome first = train_anew(tier, p, s);
    ck_assert(first.state && first.loss[2] < first.loss[0]);
    for (int c = 1; c < COUNTS; c += suite_long() ? 1 : 3) {    /* by 2 and by 7, or by all */
        char what[160];
        snprintf(what, sizeof what, "%s %s: training width %d on %d x %d tokens by 1 and by %d threads", tier->name,
                 swax_precision_name[p], s.width, s.B, s.T, counts[c]);
        omp_set_num_threads(counts[c]);
        same(&first, train_anew(tier, p, s), what);
    }
    free(first.state);
}
END_TEST

/* ---- within a program that has threads of its own, each with a network of its own */

enum { CALLERS = 4 };
struct caller { const struct swax_tier *tier; struct swax_network *n; struct outcome r; };

static void *own_thread(void *arg)
{
    struct caller *c = arg;
    c->r = train_anew(c->tier, SWAX_PREC_F32, shapes[0]);
    return NULL;
}

START_TEST(callers_threads)
{
    const struct swax_tier *tier = host_tier(_i);
    const enum swax_precision p = SWAX_PREC_F32;
    const struct shape s = shapes[0];
    struct caller c[CALLERS];
    pthread_t thread[CALLERS];
    if (!tier)
        return;
    omp_set_num_threads(1);
    const struct outcome first = train_anew(tier, p, s);

    /* opened where there are few threads, used where there are many: in a parallel region, outside, and in one again */
    omp_set_num_threads(2);
    for (int i = 0; i < CALLERS; i++)
        c[i] = (struct caller){ .tier = tier, .n = open_network(tier, p, s) };
    for (int round = 0; round < 2; round++) {
        #pragma omp parallel for num_threads(CALLERS) schedule(static)
        for (int i = 0; i < CALLERS; i++)
            c[i].r = train(c[i].n, p, s);
        for (int i = 0; i < CALLERS; i++)
            same(&first, c[i].r, "opened by 2 threads, trained in a parallel region of 4");
        omp_set_num_threads(16);
        same(&first, train(c[0].n, p, s), "opened by 2 threads, trained by 16");
    }
    for (int i = 0; i < CALLERS; i++)
        swax_network_free(c[i].n);

    /* opened in a parallel region, used there and outside */
    #pragma omp parallel for num_threads(CALLERS) schedule(static)
    for (int i = 0; i < CALLERS; i++) {
        c[i].n = open_network(tier, p, s);
        c[i].r = train(c[i].n, p, s);
    }
    for (int i = 0; i < CALLERS; i++) {
        same(&first, c[i].r, "opened and trained in a parallel region");
        same(&first, train(c[i].n, p, s), "opened in a parallel region, trained outside");
        swax_network_free(c[i].n);
    }

    for (int i = 0; i < CALLERS; i++)
        ck_assert_int_eq(pthread_create(&thread[i], NULL, own_thread, &c[i]), 0);
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(thread[i], NULL);
        same(&first, c[i].r, "trained by one of 4 threads of the caller's");
    }
    free(first.state);
}
END_TEST

int main(void)
{
    setenv("OMP_WAIT_POLICY", "passive", 0);           /* 16 threads on few cores: let them sleep */
    Suite *s = suite_create("threads");
    TCase *c = tcase_create("bits");
    tcase_set_timeout(c, 0);
    tcase_add_loop_test(c, kernels, 0, MOST_TIERS * SWAX_PRECISIONS);
    tcase_add_loop_test(c, products_of_bf16, 0, 4);
    tcase_add_loop_test(c, training, 0, SHAPES * MOST_TIERS * SWAX_PRECISIONS);
    tcase_add_loop_test(c, callers_threads, 0, MOST_TIERS);
    suite_add_tcase(s, c);
    return suite_ends(s);
}
