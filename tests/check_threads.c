/* check_threads.c - the same bits whatever the number of threads: kernels, then whole training steps.
 *
 * Each test is a process of its own: OpenMP's threads do not survive a fork. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef _OPENMP
#include <omp.h>
#else
static void omp_set_num_threads(int n) { (void)n; }
#endif
#include "../ref/network.h"
#include "../ref/oracle.h"

static const int counts[] = { 1, 2, 3, 4, 7, 8, 16 };
enum { COUNTS = sizeof counts / sizeof *counts, MOST_TIERS = 16 };

static const struct swax_tier *host_tier(int i)
{
    const struct swax_tier *t = i < swax_n_tiers ? swax_tiers[i] : NULL;
    return t && !t->memory && t->host && t->usable() ? t : NULL;
}

/* Large enough that kernels wake threads when they are called from outside a piece of work. */
static void one_kernel(const struct swax_tier *tier, enum swax_precision p, int op)
{
    struct op_case first, other, drawn;
    op_case_make(&drawn, op, 7, OP_GAUSS, 400, p);
    op_case_copy(&first, &drawn);
    omp_set_num_threads(1);
    ck_assert_msg(!op_run(tier, p, &first), "%s", first.trouble);
    for (int c = 1; c < COUNTS; c++) {
        op_case_copy(&other, &drawn);
        omp_set_num_threads(counts[c]);
        ck_assert_msg(!op_run(tier, p, &other), "%s", other.trouble);
        for (int a = 0; a < first.n; a++)
            ck_assert_msg(!first.arg[a] || !memcmp(first.arg[a], other.arg[a], (size_t)first.size[a] * sizeof(double)),
                          "%s %s: %s of %s differs between 1 and %d threads", tier->name, swax_precision_name[p],
                          swax_ops[op].arg[a].name, swax_ops[op].name, counts[c]);
        op_case_free(&other);
    }
    op_case_free(&first);
    op_case_free(&drawn);
}

START_TEST(kernels)
{
    const struct swax_tier *tier = host_tier(_i / SWAX_PRECISIONS);
    const enum swax_precision p = (enum swax_precision)(_i % SWAX_PRECISIONS);
    for (int op = 0; tier && op < swax_n_ops; op++)
        if (op_present(tier, p, op))
            one_kernel(tier, p, op);
}
END_TEST

/* Weights, moments and loss after some steps on made-up tokens. */
struct outcome { double loss[3]; size_t bytes; unsigned char *state; };

static struct outcome train(const struct swax_tier *tier, enum swax_precision p, int B, int T, int width, int threads)
{
    enum { STEPS = 3 };
    struct swax_config c = swax_config_default();
    const struct swax_adamw o = { 1e-3, 0.9, 0.95, 1e-8, 0.1, 1 };
    char why[SWAX_WHY];
    int *token = malloc((size_t)(B * T + 1) * sizeof *token), tensors;
    ck_assert(token != NULL);
    c.vocabulary = 61;
    c.width = width;
    c.layers = width > 100 ? 2 : c.layers;     /* one of each mixer */
    c.heads = c.cell_heads = 2;
    omp_set_num_threads(threads);
    struct swax_network *n = swax_network_new(&c, tier, p, B, T, 1, why);
    ck_assert_msg(n != NULL, "%s", why);
    swax_network_init(n, 3);
    uint64_t s = 5;
    for (int t = 0; t <= B * T; t++)
        token[t] = (int)(op_random(&s) % 61);
    const struct swax_batch batch = { .B = B, .T = T, .window = 20, .token = token, .target = token + 1 };
    struct outcome r = { { 0 }, 0, NULL };
    for (int step = 0; step < STEPS; step++) {
        swax_network_zero_gradient(n);
        r.loss[step] = swax_network_gradient(n, &batch, 1.0 / (B * T));
        swax_network_gradient_norm(n);
        swax_network_adamw(n, &o, step + 1);
    }
    const struct swax_tensor *tensor = swax_network_tensors(n, &tensors);
    r.state = calloc(swax_network_parameters(n) * 3, sizeof(double));
    ck_assert(r.state != NULL);
    for (int which = SWAX_WEIGHT; which <= SWAX_MOMENT2; which++)
        for (int t = 0; t < tensors; t++) {
            swax_network_get(n, (enum swax_which)which, t, r.state + r.bytes);
            r.bytes += (size_t)tensor[t].size * (p == SWAX_PREC_F64 ? sizeof(double) : sizeof(float));
        }
    swax_network_free(n);
    free(token);
    return r;
}

START_TEST(training)
{
    /* sequences side by side; one, long enough that its passes are split; wide ones, that take turns from 4 threads on */
    static const int shapes[][3] = { { 5, 70, 48 }, { 1, 1400, 48 }, { 2, 300, 416 } };
    enum { SHAPES = sizeof shapes / sizeof *shapes };
    const struct swax_tier *tier = host_tier(_i / SHAPES / SWAX_PRECISIONS);
    const enum swax_precision p = (enum swax_precision)(_i / SHAPES % SWAX_PRECISIONS);
    const int B = shapes[_i % SHAPES][0], T = shapes[_i % SHAPES][1], width = shapes[_i % SHAPES][2];
    if (!tier || !op_offers(tier, p))
        return;
    const struct outcome first = train(tier, p, B, T, width, 1);
    ck_assert(first.loss[2] < first.loss[0]);
    for (int c = 1; c < COUNTS; c++) {
        const struct outcome other = train(tier, p, B, T, width, counts[c]);
        ck_assert_msg(!memcmp(first.loss, other.loss, sizeof first.loss) && !memcmp(first.state, other.state, first.bytes),
                      "%s %s: training width %d on %d x %d tokens differs between 1 and %d threads",
                      tier->name, swax_precision_name[p], width, B, T, counts[c]);
        free(other.state);
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
    tcase_add_loop_test(c, training, 0, 3 * MOST_TIERS * SWAX_PRECISIONS);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    const int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
