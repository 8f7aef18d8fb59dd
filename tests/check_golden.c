/* check_golden.c - the reference in double against numbers that this project did not compute (data/golden, made by
 * tools/python/golden.py from PyTorch, HF transformers' xLSTM and the published native kernels): kernels forward and
 * backward, whole networks with every gradient, ten steps of AdamW.  1e-11 of a tensor's largest element. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ref/network/network.h"
#include "ref/oracle/oracle.h"
#include "tools/lib/safetensors.h"
#include "tests/suite.h"

static const double LIMIT = 1e-11;
static double worst;
static int compared;

static struct st_file *open_golden(const char *name)
{
    char path[256], why[SWAX_WHY];
    snprintf(path, sizeof path, "data/golden/%s.safetensors", name);
    struct st_file *f = st_open(path, why);
    ck_assert_msg(f != NULL, "%s", why);
    return f;
}

/* Tensor CASE/NAME as doubles, or NULL. */
static double *fetch(struct st_file *f, const char *kase, const char *name, long size)
{
    char full[192], why[SWAX_WHY];
    snprintf(full, sizeof full, "%s%s%s", kase, *kase ? "/" : "", name);
    const struct st_tensor *t = st_find(f, full);
    if (!t)
        return NULL;
    ck_assert_msg(t->size == size, "%s has %ld elements, not %ld", full, (long)t->size, size);
    double *to = malloc((size_t)size * sizeof *to);
    if (t->type == ST_I32) {
        int64_t *ints = malloc((size_t)size * sizeof *ints);
        ck_assert(!st_read(f, t, ST_I64, ints, why));
        for (long e = 0; e < size; e++)
            to[e] = (double)ints[e];
        free(ints);
    } else
        ck_assert_msg(!st_read(f, t, ST_F64, to, why), "%s", why);
    return to;
}

static void same(const char *kase, const char *name, const double *got, const double *golden, long size)
{
    const double e = op_error(got, golden, size);
    worst = fmax(worst, e);
    compared++;
    ck_assert_msg(e <= LIMIT, "%s: %s is %.2e of its largest element away from the golden numbers", kase, name, e);
}

/* "mlstm B=2 T=9 ... eps=0": sizes and scalars of c's kernel */
static void read_sizes(struct op_case *c, const char *about)
{
    const struct op_spec *op = &swax_ops[c->op];
    char text[256], *word, *rest = text;
    snprintf(text, sizeof text, "%s", about);
    strtok_r(rest, " ", &rest);
    while ((word = strtok_r(rest, " ", &rest))) {
        char *value = strchr(word, '=');
        *value++ = '\0';
        const char *dim = !word[1] ? strchr(op->dims, *word) : NULL;
        if (dim) {
            c->dims[dim - op->dims] = atoi(value);
            continue;
        }
        char scalars[64], *name, *left = scalars;
        snprintf(scalars, sizeof scalars, "%s", op->scalars);
        for (int i = 0; (name = strtok_r(left, " ", &left)); i++)
            if (!strcmp(name, word))
                c->scalar[i] = atof(value);
    }
}

/* Fill c from the file; what a backward reads of its forward and the file lacks comes from `forward`. */
static void fill(struct op_case *c, struct st_file *f, const char *kase, const struct op_case *forward)
{
    const struct op_spec *op = &swax_ops[c->op];
    op_case_alloc(c, ~0u);
    for (int i = 0; i < c->n; i++) {
        double *given =
            op->arg[i].role == IN || op->arg[i].role == UPDATE ? fetch(f, kase, op->arg[i].name, c->size[i]) : NULL;
        const int of = forward ? op_arg_find(&swax_ops[forward->op], op->arg[i].name) : -1;
        if (given)
            memcpy(c->arg[i], given, (size_t)c->size[i] * sizeof *given);
        else if (of >= 0 && forward->arg[of])
            memcpy(c->arg[i], forward->arg[of], (size_t)c->size[i] * sizeof(double));
        else if (op->arg[i].optional && op->arg[i].role == IN) {
            free(c->arg[i]);
            c->arg[i] = NULL;
        }
        free(given);
    }
}

static void compare(const struct op_case *c, struct st_file *f, const char *kase, const char *prefix)
{
    const struct op_spec *op = &swax_ops[c->op];
    for (int i = 0; i < c->n; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", prefix, op->arg[i].name);
        double *golden = op_answers(&op->arg[i]) && c->arg[i] ? fetch(f, kase, name, c->size[i]) : NULL;
        if (golden)
            same(kase, name, c->arg[i], golden, c->size[i]);
        free(golden);
    }
}

static void kernel_case(struct st_file *f, const char *kase, const char *about)
{
    char name[64];
    struct op_case forward = { 0 }, backward = { 0 };
    const int word = (int)strcspn(about, " ");
    snprintf(name, sizeof name, "%.*s", word, about);
    const int alone = op_find(name);
    snprintf(name, sizeof name, "%.*s_forward", word, about);
    forward.op = alone >= 0 ? alone : op_find(name);
    ck_assert_msg(forward.op >= 0, "%s: no kernel %s", kase, about);
    read_sizes(&forward, about);
    fill(&forward, f, kase, NULL);
    ck_assert(!op_run(swax_tiers[0], SWAX_PREC_F64, &forward));
    compare(&forward, f, kase, alone >= 0 ? "after:" : "");

    backward.op = op_backward_of(forward.op);
    if (backward.op >= 0) {
        read_sizes(&backward, about);
        fill(&backward, f, kase, &forward);
        ck_assert(!op_run(swax_tiers[0], SWAX_PREC_F64, &backward));
        compare(&backward, f, kase, "");
        op_case_free(&backward);
    }
    op_case_free(&forward);
}

static const char *const kernel_files[] = { "attention", "mlstm", "rest", "delta" };

START_TEST(kernels)
{
    struct st_file *f = open_golden(kernel_files[_i]);
    int cases = 0;
    for (int i = 0; i < st_meta_count(f); i++) {
        const char *key, *value;
        st_meta_entry(f, i, &key, &value);
        if (!strcmp(key, "made_by") || !strchr(value, '='))
            continue;
        kernel_case(f, key, value);
        cases++;
    }
    st_close(f);
    ck_assert_msg(cases >= 8 && compared >= 2 * cases, "%d cases, %d tensors compared", cases, compared);
    printf("golden %s: %d cases, %d tensors, worst error %.1e\n", kernel_files[_i], cases, compared, worst);
}
END_TEST

enum { B = 2, T = 24, N = B * T, V = 17, STEPS = 10 };

static struct swax_network *open_model(struct st_file *f, int *window)
{
    struct swax_config c = swax_config_default();
    char text[512], why[SWAX_WHY], *rest = text, *word;
    snprintf(text, sizeof text, "%s", st_meta(f, "config"));
    while ((word = strtok_r(rest, ";", &rest))) {
        char *value = strchr(word, '=');
        *value++ = '\0';
        ck_assert_msg(!swax_config_set(&c, word, value, why), "%s", why);
    }
    *window = atoi(st_meta(f, "window"));
    struct swax_network *n = swax_network_new(&c, swax_tiers[0], SWAX_PREC_F64, B, T, 1, why);
    ck_assert_msg(n != NULL, "%s", why);
    return n;
}

static void ints(struct st_file *f, const char *name, int *to)
{
    double *x = fetch(f, "", name, N);
    for (int i = 0; i < N; i++)
        to[i] = (int)x[i];
    free(x);
}

static void compare_all(struct swax_network *n, struct st_file *f, const char *file, enum swax_which which,
                        const char *prefix, int all)
{
    int count;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    for (int i = 0; i < count; i++) {
        char name[160];
        snprintf(name, sizeof name, "%s%s", prefix, t[i].name);
        double *golden = fetch(f, "", name, t[i].size), *got = malloc((size_t)t[i].size * sizeof *got);
        ck_assert_msg(golden || !all, "%s lacks %s", file, name);
        swax_network_get(n, which, i, got);
        if (golden)
            same(file, name, got, golden, t[i].size);
        free(golden), free(got);
    }
}

static const char *const model_files[] = { "hf_xlstm", "hybrid", "gdn", "mamba2", "kda", "kda_bounded", "gla",
                                           "simple_gla" };

START_TEST(models)
{
    const char *file = model_files[_i];
    struct st_file *f = open_golden(file);
    int window, count, token[N], target[N];
    struct swax_network *n = open_model(f, &window);
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    for (int i = 0; i < count; i++) {
        double *w = fetch(f, "", t[i].name, t[i].size);
        ck_assert_msg(w != NULL, "%s lacks %s", file, t[i].name);
        swax_network_put(n, SWAX_WEIGHT, i, w);
        free(w);
    }
    ints(f, "tokens", token);
    ints(f, "targets", target);
    const struct swax_batch b = { B, T, window, token, target, NULL, NULL, NULL };
    int valid = 0;
    for (int i = 0; i < N; i++)
        valid += target[i] >= 0;

    float *logits = malloc(N * V * sizeof *logits);
    double *golden = fetch(f, "", "logits", N * V), *loss = fetch(f, "", "loss", 1), far = 0;
    swax_network_evaluate(n, &b, NULL, NULL, logits);
    for (int i = 0; i < N * V; i++)
        far = fmax(far, fabs((double)logits[i] - golden[i]));
    ck_assert_msg(far <= 30 * 6e-8, "%s: logits differ by %g", file, far); /* handed out as float, at most 30 */

    double *losses = fetch(f, "", "losses", STEPS), *norms = fetch(f, "", "norms", STEPS);
    const struct swax_adamw o = { 3e-3, 0.9, 0.95, 1e-8, 0.1, 0.5 };
    for (int step = 1; step <= STEPS; step++) {
        swax_network_zero_gradient(n);
        const double got = swax_network_gradient(n, &b, 1.0 / valid);
        if (step == 1) {
            same(file, "loss", &got, loss, 1);
            compare_all(n, f, file, SWAX_GRADIENT, "grad:", 1);
        }
        const double norm = swax_network_gradient_norm(n);
        same(file, "losses", &got, &losses[step - 1], 1);
        same(file, "norms", &norm, &norms[step - 1], 1);
        swax_network_adamw(n, &o, step);
    }
    compare_all(n, f, file, SWAX_WEIGHT, "after:", 0);
    printf("golden %s: %d tensors, %d steps, worst error %.1e\n", file, compared, STEPS, worst);
    free(logits), free(golden), free(loss), free(losses), free(norms);
    swax_network_free(n);
    st_close(f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("golden");
    TCase *tc = tcase_create("golden");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, kernels, 0, sizeof kernel_files / sizeof kernel_files[0]);
    tcase_add_loop_test(tc, models, 0, sizeof model_files / sizeof model_files[0]);
    suite_add_tcase(s, tc);
    return suite_ends(s);
}
