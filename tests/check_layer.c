/* check_layer.c - one layer with its names in Hugging Face's model.  data/golden has networks whose layers are theirs
 * (check_golden holds our numbers to those), and block 0's weights as their own class holds them: written from the
 * first, a layer is the second to the bit, and read from the second it is the first. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/asked.h"
#include "tests/scratch.h"
#include "tests/suite.h"
#include "tools/convert/layer.h"
#include "tools/lib/commands.h"
#include "tools/lib/safetensors.h"
#include "tools/train/checkpoint.h"

static char why[SWAX_WHY];
static const char *const mixers[] = { "gdn", "mamba2" };

static struct st_file *golden(const char *mixer, const char *kind)
{
    char path[128];
    snprintf(path, sizeof path, "data/golden/%s%s.safetensors", mixer, kind);
    struct st_file *f = st_open(path, why);
    ck_assert_msg(f != NULL, "%s", why);
    return f;
}

static float *numbers(struct st_file *f, const char *name, long *size)
{
    const struct st_tensor *t = st_find(f, name);
    ck_assert_msg(t != NULL, "there is no tensor %s", name);
    float *x = malloc((size_t)t->size * sizeof *x);
    ck_assert_msg(!st_read(f, t, ST_F32, x, why), "%s", why);
    *size = (long)t->size;
    return x;
}

static struct run run_of(struct st_file *f, const char *more)
{
    struct run r = run_default();
    char text[1024];
    snprintf(text, sizeof text, "%s;%s", st_meta(f, "config"), more);
    for (char *key = strtok(text, ";"); key; key = strtok(NULL, ";")) {
        char *value = strchr(key, '=');
        *value++ = 0;
        ck_assert_msg(!run_set(&r, key, value, why), "%s", why);
    }
    ck_assert_msg(!swax_config_check(&r.model, why), "%s", why);
    return r;
}

/* The golden network's weights in a checkpoint, or others. */
static char *saved(const char *name, struct st_file *f, const struct run *r, int its_own)
{
    char *path = scratch(name);
    int count;
    struct swax_network *n = swax_network_new(&r->model, swax_tiers[0], SWAX_PREC_F32, 1, 1, 0, why);
    ck_assert_msg(n != NULL, "%s", why);
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    swax_network_init(n, 7);
    for (int i = 0; i < count && its_own; i++) {
        long size;
        float *x = numbers(f, t[i].name, &size);
        ck_assert_int_eq(size, t[i].size);
        swax_network_put(n, SWAX_WEIGHT, i, x);
        free(x);
    }
    ck_assert_msg(!checkpoint_save(path, r, n, 0, 0, why), "%s", why);
    swax_network_free(n);
    return path;
}

static void same_tensor(struct st_file *a, const char *of_a, struct st_file *b, const char *of_b)
{
    const struct st_tensor *t = st_find(a, of_a), *u = st_find(b, of_b);
    long size[2];
    float *x = numbers(a, of_a, &size[0]), *y = numbers(b, of_b, &size[1]);
    ck_assert_msg(t->rank == u->rank && !memcmp(t->shape, u->shape, (size_t)t->rank * sizeof *t->shape),
                  "%s has another shape", of_a);
    for (long e = 0; e < size[0]; e++)
        ck_assert_each(x[e] == y[e], "%s[%ld] is %g, not %g", of_a, e, (double)x[e], (double)y[e]);
    free(x), free(y);
}

START_TEST(a_layer_has_their_names_and_their_order)
{
    struct st_file *f = golden(mixers[_i], ""), *theirs = golden(mixers[_i], "_layer");
    struct run r = run_of(f, "");
    char *checkpoint = saved("ours.safetensors", f, &r, 1), *file = scratch("layer.safetensors");
    unlink(file);
    ck_assert_msg(!layer_export(checkpoint, file, 0, "x.", why), "%s", why);
    struct st_file *written = st_open(file, why);
    ck_assert_msg(written != NULL, "%s", why);
    ck_assert_int_eq(st_count(written), st_count(theirs));
    for (int i = 0; i < st_count(theirs); i++) {
        char name[128];
        snprintf(name, sizeof name, "x.%s", st_tensor(theirs, i)->name);
        same_tensor(written, name, theirs, st_tensor(theirs, i)->name);
    }
    st_close(f), st_close(theirs), st_close(written);
}
END_TEST

START_TEST(a_layer_of_theirs_replaces_one_of_ours)
{
    struct st_file *f = golden(mixers[_i], "");
    struct run r = run_of(f, "");
    char *ours = saved("ours.safetensors", f, &r, 1), *to = scratch("new.safetensors");
    char *others = saved("others.safetensors", f, &r, 0);
    char theirs[128];
    snprintf(theirs, sizeof theirs, "data/golden/%s_layer.safetensors", mixers[_i]);
    unlink(to);
    ck_assert_msg(!layer_import(theirs, others, to, 0, "", why), "%s", why);
    struct st_file *now = st_open(to, why), *was = st_open(others, why), *right = st_open(ours, why);
    ck_assert_msg(now && was && right, "%s", why);
    int replaced = 0;
    for (int i = 0; i < st_count(now); i++) {
        const char *name = st_tensor(now, i)->name;
        char prefix[64];
        snprintf(prefix, sizeof prefix, "backbone.blocks.0.%s_layer.", mixers[_i]);
        const int in_layer = !strncmp(name, prefix, strlen(prefix));
        same_tensor(now, name, in_layer ? right : was, name);
        replaced += in_layer;
    }
    ck_assert_int_eq(replaced, _i ? 16 : 13);
    st_close(f), st_close(now), st_close(was), st_close(right);
}
END_TEST

START_TEST(what_is_no_such_layer_is_refused)
{
    struct st_file *f = golden("gdn", "");
    const struct { const char *more; int layer; const char *prefix, *says; } bad[] = {
        { "", 2, "", "layers 0 to 1" },
        { "mixers=gdn swa;heads=4", 1, "", "layer=1: it is of swa" },
        { "gdn_negative=yes", 0, "", "this one has gdn_negative=yes" },
        { "gdn_conv=0", 0, "", "this one has gdn_conv=0" },
        { "gdn_conv=3", 0, "", "conv1d.weight of the file is not of the shape 40 x 1 x 3" },
        { "gdn_key_heads=4", 0, "", "in_proj_qkvz.weight of the file is not of the shape 80 x 16" },
        { "", 0, "model.", "lacks tensor model.in_proj_qkvz.weight" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct run r = run_of(f, bad[i].more);
        char *others = saved("others.safetensors", f, &r, 0), *to = scratch("refused.safetensors");
        const char *said = layer_import("data/golden/gdn_layer.safetensors", others, to, bad[i].layer, bad[i].prefix,
                                        why);
        ck_assert_msg(said && strstr(said, bad[i].says) && is_sentence(said), "'%s' does not say '%s'",
                      said ? said : "", bad[i].says);
        ck_assert(access(to, F_OK));
        unlink(others);
    }
    st_close(f);
    struct st_file *mamba = golden("mamba2", "");
    struct run r = run_of(mamba, "mamba2_conv=0");
    ck_assert(layer_export(saved("bare.safetensors", mamba, &r, 0), scratch("refused.safetensors"), 0, "", why));
    ck_assert_msg(strstr(why, "Mamba-2's layer has a convolution, and this one has mamba2_conv=0"), "%s", why);
    st_close(mamba);
}
END_TEST

/* A prefix has so many letters and not one more; a tensor whose last number is none is named. */
struct altered { struct st_file *from; int spoilt; };
static void get_altered(void *arg, int i, void *to)
{
    const struct altered *a = arg;
    ck_assert(!st_read_raw(a->from, st_tensor(a->from, i), to, why));
    if (i == a->spoilt)
        ((float *)to)[st_tensor(a->from, i)->size - 1] = INFINITY;
}

START_TEST(what_a_layer_cannot_be_is_said)
{
    struct st_file *f = golden("gdn", ""), *layer;
    struct run r = run_of(f, "");
    char *ours = saved("ours.safetensors", f, &r, 1), *to = scratch("to.safetensors"), prefix[200], expected[SWAX_WHY];
    char *other = scratch("other.safetensors");
    int fits = 0;
    for (int n = 100; n < 180; n++) {
        memset(prefix, 'p', sizeof prefix), prefix[n] = 0;
        const char *wrong = layer_export(ours, to, 0, prefix, why);
        snprintf(expected, sizeof expected, "prefix=%.60s: it is longer than 120 characters.", prefix);
        ck_assert_msg(!wrong || !strcmp(wrong, expected), "%s", wrong);
        ck_assert_msg(!wrong || fits >= 120, "a prefix of %d letters is refused", n);
        ck_assert_msg(wrong || fits == n - 1 || n == 100, "%d letters are too long, and %d are not", fits + 1, n);
        fits = wrong ? fits : n;
    }
    ck_assert_msg(fits < 160, "%d letters", fits);
    unlink(to);
    ck_assert_msg(!layer_export(ours, to, 0, "", why), "%s", why);
    layer = st_open(to, why);
    ck_assert_msg(layer, "%s", why);
    for (int i = 0; i < st_count(layer); i++) {
        struct st_tensor tensor[16];
        struct altered a = { layer, i };
        for (int k = 0; k < st_count(layer); k++)
            tensor[k] = *st_tensor(layer, k);
        const struct st_plan plan = { .n = st_count(layer), .tensor = tensor, .get = get_altered, .arg = &a };
        ck_assert_msg(!st_write(other, &plan, why), "%s", why);
        const char *wrong = layer_import(other, ours, scratch("never.safetensors"), 0, "", why);
        ck_assert_msg(wrong && !strncmp(wrong, "Tensor backbone.blocks.0.", 25) &&
                      strstr(wrong, " would hold a NaN or an infinity: nothing can be computed with it."), "%s: %s",
                      tensor[i].name, wrong ? wrong : "read");
        ck_assert(access(scratch("never.safetensors"), F_OK));
    }
    st_close(layer), st_close(f);
}
END_TEST

/* The command does the same, and says what is asked for in vain. */
START_TEST(a_command_writes_and_reads_a_layer)
{
    struct st_file *f = golden("gdn", "");
    struct run r = run_of(f, "");
    char line[1200], *ours = saved("one.safetensors", f, &r, 1), *others = saved("two.safetensors", f, &r, 0);
    char *layer = scratch("by_command.safetensors"), *to = scratch("back.safetensors"), *right = scratch("right.st");
    snprintf(line, sizeof line, "from=%s to=%s layer=0 prefix=x.", ours, layer);
    done(cmd_convert, line);
    refused(cmd_convert, line, "by_command.safetensors is there already: it is not overwritten");
    ck_assert_msg(!layer_export(ours, right, 0, "x.", why), "%s", why);
    ck_assert(same_bytes(layer, right));
    unlink(right);
    snprintf(line, sizeof line, "from=%s to=%s into=%s layer=0 prefix=x.", layer, to, others);
    done(cmd_convert, line);
    ck_assert_msg(!layer_import(layer, others, right, 0, "x.", why), "%s", why);
    ck_assert(same_bytes(to, right));
    static const char *const bad[][2] = {
        { "layer=0", "layer= needs from=PATH and to=PATH" }, { "layer=0 from=a", "layer= needs from=PATH and to=PATH" },
        { "layer=0 to=no/a", "layer= needs from=PATH and to=PATH" }, { "", "Conversion needs from=PATH and to=PATH" },
        { "to=no/a", "Conversion needs from=PATH and to=PATH" }, { "from=a", "Conversion needs from=PATH and to=PATH" },
        { "from=a to=no/b into=c", "into= and prefix= belong to layer=" },
        { "from=a to=no/b prefix=c", "into= and prefix= belong to layer=" },
        { "from=a to=no/b layer=0 rope=interleaved", "into= and prefix= belong to layer=" },
        { "layer=0 window=3", "into= and prefix= belong to layer=" },
        { "window=3 from=a", "ask for one of them" }, { "window=3 to=a", "ask for one of them" },
        { "window=3 rope=interleaved", "ask for one of them" }, { "convention=swax", "ask for one of them" },
        { "convention=swax from=a to=no/b", "ask for one of them" }, { "window=0", "it is a whole number from 1 to" } };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(cmd_convert, bad[i][0], bad[i][1]);
    st_close(f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("layer");
    TCase *t = tcase_create("layer");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_layer_has_their_names_and_their_order, 0, 2);
    tcase_add_loop_test(t, a_layer_of_theirs_replaces_one_of_ours, 0, 2);
    tcase_add_test(t, what_is_no_such_layer_is_refused);
    tcase_add_test(t, what_a_layer_cannot_be_is_said);
    tcase_add_test(t, a_command_writes_and_reads_a_layer);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
