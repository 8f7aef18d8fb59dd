/* check_model.c - the whole network: its gradient against finite differences, tensor by tensor, in double; that it
 * learns; that it gives the same bits twice; that decoding equals evaluation; that packing equals separate runs. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ref/network/network.h"
#include "ref/oracle/oracle.h"
#include "tests/suite.h"

enum { B = 3, T = 11, N = B * T, VOCABULARY = 13 };
enum { VARIANTS = 18 };    /* three of each recurrent mixer, six of mlstm */

struct data { int token[N], target[N], start_attention[N], start_cell[N]; float weight[N]; struct swax_batch batch; };

/* Random tokens, some targets ignored, weighted losses, and documents cut differently for the two mixers. */
static void draw_data(struct data *d, uint64_t seed, int window)
{
    uint64_t s = seed;
    for (int b = 0, sa = 0, sc = 0; b < B; b++)
        for (int t = 0; t < T; t++) {
            const int i = b*T + t;
            d->token[i] = (int)(op_uniform(&s) * VOCABULARY);
            d->target[i] = op_uniform(&s) < 0.2 ? -1 : (int)(op_uniform(&s) * VOCABULARY);
            d->weight[i] = (float)(0.5 + op_uniform(&s));
            sa = t == 0 ? 0 : op_uniform(&s) < 0.15 ? t : sa;
            sc = t == 0 ? 0 : op_uniform(&s) < 0.15 ? t : sc;
            d->start_attention[i] = sa;
            d->start_cell[i] = sc;
        }
    d->batch = (struct swax_batch){ B, T, window, d->token, d->target, d->weight, d->start_attention, d->start_cell };
}

static struct swax_network *open_network(struct swax_config c, enum swax_precision precision, int training)
{
    char why[SWAX_WHY];
    struct swax_network *n = swax_network_new(&c, swax_tiers[0], precision, B, T, training, why);
    ck_assert_msg(n != NULL, "%s", why);
    return n;
}

/* An odd little network with every kind of layer, grouped heads, and settings that exercise the branches. */
static struct swax_config small_config(int variant)
{
    struct swax_config c = swax_config_default();
    char why[SWAX_WHY];
    static const char *const text[][2] = {
        { "vocabulary", "13" }, { "width", "10" }, { "ffn_width", "7" }, { "mixers", "swa mlstm full mlstm" },
        { "heads", "4" }, { "key_value_heads", "2" }, { "head_dim", "6" }, { "cell_heads", "2" },
        { "cell_key_dim", "3" }, { "cell_value_dim", "5" }, { "chunk", "4" }, { "cell_eps", "0" },
        { "input_gate_bias", "-1" }, { "forget_gate_bias_first", "2" }, { "forget_gate_bias_last", "4" },
    };
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++)
        ck_assert_msg(!swax_config_set(&c, text[i][0], text[i][1], why), "%s", why);
    static const char *const recurrent[][2] = { { "mlstm", "cell" }, { "mlstm", "cell" }, { "gdn", "gdn" },
                                                { "kda", "kda" },    { "gla", "gla" },    { "mamba2", "mamba2" } };
    static const char *const sizes[][2] = {
        { "heads", "4" }, { "key_heads", "2" }, { "key_dim", "3" }, { "value_dim", "5" }
    };
    static const char *const mamba2[][2] = {
        { "mamba2_heads", "4" }, { "mamba2_conv", "4" }, { "mamba2_state", "3" }, { "mamba2_head_dim", "5" }
    };
    const char *const mixer = recurrent[variant / 3][0];
    char name[64], value[64];
    snprintf(value, sizeof value, "swa %s full %s", mixer, mixer);
    ck_assert_msg(!swax_config_set(&c, "mixers", value, why), "%s", why);
    for (int i = 0; i < 4 && variant >= 6; i++) {
        snprintf(name, sizeof name, "%s_%s", mixer, sizes[i][0]);
        if (variant < 15)
            ck_assert_msg(!swax_config_set(&c, name, sizes[i][1], why), "%s", why);
        else
            ck_assert_msg(!swax_config_set(&c, mamba2[i][0], mamba2[i][1], why), "%s", why);
    }
    snprintf(name, sizeof name, "%s_conv", variant < 6 ? "gdn" : mixer);
    *(int *)swax_config_at(&c, name) = (int[]){ 4, 0, 1 }[variant % 3];
    *(int *)swax_config_at(&c, "gdn_negative") = *(int *)swax_config_at(&c, "kda_negative") = variant / 3 % 2;
    *(double *)swax_config_at(&c, "kda_low") = variant % 3 == 1 ? 0 : -5;
    *(int *)swax_config_at(&c, "gla_gates") = variant % 3 > 0;
    *(int *)swax_config_at(&c, "gla_rank") = 2;
    *(double *)swax_config_at(&c, "gla_divisor") = (double[]){ 16, 1, 2.5 }[variant % 3];
    *(int *)swax_config_at(&c, "mamba2_groups") = (int[]){ 2, 1, 4 }[variant % 3];
    c.tied = variant % 2;
    *(int *)swax_config_at(&c, "cell_norm") = variant / 2 % 2;
    *(int *)swax_config_at(&c, "cell_gate") = variant % 3;
    *(double *)swax_config_at(&c, "gate_cap") = variant == 3 ? 0 : 15;
    c.logit_cap = variant == 4 ? 0 : 30;
    return c;
}

/* Weights at random, gates and norms included, so that no gradient is zero by initialisation. */
static void randomise(struct swax_network *n, uint64_t seed)
{
    int count;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    for (int i = 0; i < count; i++) {
        double *w = calloc((size_t)t[i].size, sizeof *w);
        swax_network_get(n, SWAX_WEIGHT, i, w);
        for (long e = 0; e < t[i].size; e++)
            w[e] += 0.3 * op_normal(&seed);
        swax_network_put(n, SWAX_WEIGHT, i, w);
        free(w);
    }
}

static double loss_at(struct swax_network *n, const struct data *d, int tensor, const double *w, const double *u,
                      double h, long size)
{
    double *moved = calloc((size_t)size, sizeof *moved);
    for (long e = 0; e < size; e++)
        moved[e] = w[e] + h * u[e];
    swax_network_put(n, SWAX_WEIGHT, tensor, moved);
    free(moved);
    return swax_network_evaluate(n, &d->batch, NULL, NULL, NULL);
}

START_TEST(gradient)
{
    static struct data d;
    const struct swax_config c = small_config(_i);
    struct swax_network *n = open_network(c, SWAX_PREC_F64, 1);
    int count;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    uint64_t s = 77 + (uint64_t)_i;
    double worst = 0;
    draw_data(&d, s, 4);
    swax_network_init(n, 5);
    randomise(n, s);
    swax_network_zero_gradient(n);
    const double loss = swax_network_gradient(n, &d.batch, 1);
    ck_assert(loss == swax_network_evaluate(n, &d.batch, NULL, NULL, NULL));
    for (int i = 0; i < count; i++) {
        const size_t bytes = (size_t)t[i].size * sizeof(double);
        double *w = malloc(bytes), *g = malloc(bytes), *u = malloc(bytes), analytic = 0, numeric = 0, error = INFINITY;
        /* of steps forward less steps back: nine points, of order 8 */
        static const double by[4] = { 4./5, -1./5, 4./105, -1./280 };
        swax_network_get(n, SWAX_WEIGHT, i, w);
        swax_network_get(n, SWAX_GRADIENT, i, g);
        for (long e = 0; e < t[i].size; e++) {
            u[e] = op_normal(&s);
            analytic += g[e] * u[e];
        }
        /* a long step meets the curvature of the norms, a short one the rounding of the loss: the best of four */
        for (double h = 4e-4; h > 3e-6; h /= 4) {
            numeric = 0;
            for (int k = 0; k < 4; k++)
                numeric += by[k] / h *
                           (loss_at(n, &d, i, w, u, (k + 1) * h, t[i].size) -
                            loss_at(n, &d, i, w, u, -(k + 1) * h, t[i].size));
            error = fmin(error, fabs(analytic - numeric) / fmax(fabs(numeric), 1e-2));
        }
        swax_network_put(n, SWAX_WEIGHT, i, w);
        worst = fmax(worst, error);
        ck_assert_msg(error <= 1e-7, "variant %d, %s: analytic %.12g, numeric %.12g", _i, t[i].name, analytic, numeric);
        free(w), free(g), free(u);
    }
    printf("whole network, variant %d: %d tensors, worst relative error of a directional derivative %.1e\n", _i, count,
           worst);
    swax_network_free(n);
}
END_TEST

static void train(struct swax_network *n, const struct data *d, int steps, double *first, double *last)
{
    const struct swax_adamw o = { 3e-3, 0.9, 0.95, 1e-8, 0.1, 1 };
    double weights = 0;
    for (int i = 0; i < N; i++)
        weights += d->target[i] < 0 ? 0 : (double)d->weight[i];
    for (int step = 1; step <= steps; step++) {
        swax_network_zero_gradient(n);
        *last = swax_network_gradient(n, &d->batch, 1 / weights);
        *first = step == 1 ? *last : *first;
        swax_network_gradient_norm(n);
        swax_network_adamw(n, &o, step);
    }
}

START_TEST(overfits_one_batch)
{
    static struct data d;
    double first = 0, last = 0;
    struct swax_network *n = open_network(small_config(_i ? 3 + 3 * _i : 0), SWAX_PREC_F32, 1);
    draw_data(&d, 3, 5);
    swax_network_init(n, 1);
    train(n, &d, 300, &first, &last);
    printf("one batch: loss %.3f at the first step, %.2e at the 300th\n", first, last);
    ck_assert_msg(first > 2 && last < 0.05, "loss went from %g to %g", first, last);
    swax_network_free(n);
}
END_TEST

START_TEST(same_bits_twice)
{
    static struct data d;
    float *w[2][64];
    int count = 0;
    draw_data(&d, 4, 3);
    for (int run = 0; run < 2; run++) {
        double first, last;
        struct swax_network *n = open_network(small_config(1), SWAX_PREC_F32, 1);
        const struct swax_tensor *t = swax_network_tensors(n, &count);
        swax_network_init(n, 9);
        train(n, &d, 10, &first, &last);
        for (int i = 0; i < count; i++) {
            w[run][i] = malloc((size_t)t[i].size * sizeof(float));
            swax_network_get(n, SWAX_WEIGHT, i, w[run][i]);
            if (run)
                ck_assert_msg(!memcmp(w[0][i], w[1][i], (size_t)t[i].size * sizeof(float)), "%s differs", t[i].name);
        }
        swax_network_free(n);
    }
    for (int i = 0; i < count; i++)
        free(w[0][i]), free(w[1][i]);
}
END_TEST

/* Logits of a sequence fed in bits, with windows smaller than it, are those of evaluating it whole. */
START_TEST(decoding_is_evaluation)
{
    static float whole[N * VOCABULARY], fed[B * VOCABULARY];
    static struct data d;
    char why[SWAX_WHY];
    const int window = 1 + _i % 5, bit = 1 + _i / VARIANTS + _i % 2;
    struct swax_network *n = open_network(small_config(_i % VARIANTS), SWAX_PREC_F64, 0);
    draw_data(&d, 8, window);
    d.batch.start_attention = d.batch.start_cell = NULL;
    swax_network_init(n, 2);
    randomise(n, 6);
    swax_network_evaluate(n, &d.batch, NULL, NULL, whole);

    struct swax_decoder *dec = swax_decoder_new(n, B, window, why);
    ck_assert_msg(dec != NULL, "%s", why);
    for (int t = 0; t < T; t += bit) {
        const int more = T - t < bit ? T - t : bit;
        int some[N];
        for (int b = 0; b < B; b++)
            memcpy(some + b*more, d.token + b*T + t, (size_t)more * sizeof(int));
        ck_assert(!swax_decoder_feed(dec, some, more, fed));
        for (int b = 0; b < B; b++)
            for (int v = 0; v < VOCABULARY; v++) {
                const double e = whole[(b*T + t + more - 1)*VOCABULARY + v], g = fed[b*VOCABULARY + v];
                ck_assert_msg(fabs(e - g) <= 1e-6, "window %d, %d at a time, token %d: %.9g is not %.9g", window, bit,
                              t, g, e);
            }
    }
    swax_decoder_free(dec);
    swax_network_free(n);
}
END_TEST

/* Two documents packed in one sequence give, bit for bit, the losses of each alone. */
START_TEST(packing_is_separate)
{
    static struct data d, one;
    static float packed[N], alone[N];
    struct swax_network *n = open_network(small_config((const int[]){ 2, 6, 9, 11, 12, 15, 17 }[_i]), SWAX_PREC_F32, 0);
    draw_data(&d, 12, 4);
    swax_network_init(n, 3);
    for (int cut = 1; cut < T; cut++) {
        for (int i = 0; i < N; i++)
            d.start_attention[i] = d.start_cell[i] = i % T < cut ? 0 : cut;
        swax_network_evaluate(n, &d.batch, packed, NULL, NULL);
        for (int part = 0; part < 2; part++) {
            const int from = part ? cut : 0, length = part ? T - cut : cut;
            for (int b = 0; b < B; b++)
                for (int t = 0; t < length; t++) {
                    one.token[b*length + t] = d.token[b*T + from + t];
                    one.target[b*length + t] = d.target[b*T + from + t];
                }
            one.batch = (struct swax_batch){ B, length, 4, one.token, one.target, NULL, NULL, NULL };
            swax_network_evaluate(n, &one.batch, alone, NULL, NULL);
            for (int b = 0; b < B; b++)
                ck_assert_msg(!memcmp(alone + b*length, packed + b*T + from, (size_t)length * sizeof(float)),
                              "cut at %d", cut);
        }
    }
    swax_network_free(n);
}
END_TEST

/* After a step, kernels read the weights that were stepped: in bf16 a copy of them, which is made anew.  So the loss is
 * another, and to the bit that of a network which is given the same weights. */
START_TEST(a_step_reaches_what_kernels_read)
{
    const struct swax_tier *tier = swax_tiers[_i / SWAX_PRECISIONS];
    const enum swax_precision precision = (enum swax_precision)(_i % SWAX_PRECISIONS);
    const struct swax_adamw o = { 0.01, 0.9, 0.95, 1e-8, 0.1, 1 };
    const struct swax_config c = small_config(1);
    struct swax_network *n[2];
    struct data d;
    char why[SWAX_WHY];
    int count;
    if (tier->memory || !tier->usable() || (precision == SWAX_PREC_BF16 && !tier->bf16))
        return;
    draw_data(&d, 5, 4);
    for (int k = 0; k < 2; k++) {
        n[k] = swax_network_new(&c, tier, precision, B, T, 1, why);
        ck_assert_msg(n[k] != NULL, "%s", why);
        swax_network_init(n[k], (uint64_t)k);
    }
    const double before = swax_network_evaluate(n[0], &d.batch, NULL, NULL, NULL);
    swax_network_zero_gradient(n[0]);
    swax_network_gradient(n[0], &d.batch, 1);
    swax_network_gradient_norm(n[0]);
    swax_network_adamw(n[0], &o, 1);
    const double after = swax_network_evaluate(n[0], &d.batch, NULL, NULL, NULL);
    const struct swax_tensor *t = swax_network_tensors(n[0], &count);
    for (int i = 0; i < count; i++) {
        double *w = calloc((size_t)t[i].size, sizeof *w);
        swax_network_get(n[0], SWAX_WEIGHT, i, w);
        swax_network_put(n[1], SWAX_WEIGHT, i, w);
        free(w);
    }
    const double given = swax_network_evaluate(n[1], &d.batch, NULL, NULL, NULL);
    ck_assert_msg(isfinite(after) && after != before, "%s, %s: the loss is %.9g before the step and %.9g behind it",
                  tier->name, swax_precision_name[precision], before, after);
    ck_assert_msg(after == given, "%s, %s: the loss is %.9g behind the step, and %.9g of the same weights elsewhere",
                  tier->name, swax_precision_name[precision], after, given);
    swax_network_free(n[0]);
    swax_network_free(n[1]);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("model");
    TCase *tc = tcase_create("network");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, gradient, 0, VARIANTS);
    tcase_add_loop_test(tc, overfits_one_batch, 0, 5);
    tcase_add_test(tc, same_bits_twice);
    tcase_add_loop_test(tc, decoding_is_evaluation, 0, 3 * VARIANTS);
    tcase_add_loop_test(tc, packing_is_separate, 0, 7);
    tcase_add_loop_test(tc, a_step_reaches_what_kernels_read, 0, SWAX_PRECISIONS * swax_n_tiers);
    suite_add_tcase(s, tc);
    return suite_ends(s);
}
