/* check_hf.c - a configuration in Hugging Face's words, key by key: what is written is what is kept, what is read back
 * is what was written, and a key that is absent or null has the value that is kept, or a sentence; and weights from
 * there, where others are asked for. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ref/network/network.h"
#include "tests/golden.h"
#include "tests/printed.h"
#include "tests/scratch.h"
#include "tests/small_run.h"
#include "tests/suite.h"
#include "tools/convert/hf.h"
#include "tools/convert/hf_config.h"
#include "tools/convert/hf_model.h"
#include "tools/convert/hf_own.h"
#include "tools/lib/commands.h"
#include "tools/lib/files.h"
#include "tools/lib/json.h"
#include "tools/lib/safetensors.h"
#include "tools/train/checkpoint.h"

static char why[SWAX_WHY];

static const char *const settings[][2] = {
    {"vocabulary", "37"}, {"width", "24"}, {"ffn_width", "20"}, {"mixers", "swa mlstm full mlstm"},
    {"norm_eps", "0.0003"}, {"logit_cap", "17"}, {"heads", "4"}, {"key_value_heads", "2"}, {"head_dim", "10"},
    {"rope_theta", "500"}, {"cell_heads", "3"}, {"cell_key_dim", "5"}, {"cell_value_dim", "7"},
    {"cell_norm_eps", "0.0005"}, {"cell_eps", "0.0007"}, {"gate_cap", "9"}, {"input_gate_bias", "-2.5"}};

static struct run a_run(void)
{
    struct run r = run_default();
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        ck_assert_msg(!run_set(&r, settings[i][0], settings[i][1], why), "%s", why);
    r.windows.window = 19;
    ck_assert_msg(!swax_config_check(&r.model, why), "%s", why);
    return r;
}

static int shape(void *arg, const char *name, int64_t s[2])
{
    int n;
    const struct swax_tensor *t = swax_network_tensors(arg, &n);
    for (int i = 0; i < n; i++)
        if (!strcmp(t[i].name, name)) {
            s[0] = t[i].shape[0], s[1] = t[i].shape[1];
            return 1;
        }
    return 0;
}

struct told { FILE *f; };

static void tell(const char *key, const char *value, void *arg)
{
    fprintf(((struct told *)arg)->f, "%s=%s\n", key, value);
}

static char *listed(const struct run *r)
{
    char *text;
    size_t n;
    struct told t = {open_memstream(&text, &n)};
    swax_config_list(&r->model, tell, &t);
    fprintf(t.f, "window=%d\n", r->windows.window);
    fclose(t.f);
    return scratch_keep(text);
}

/* A hybrid is written as a model of our own, which has all of their words beside its own: those are read here. */
static const char *read_back(struct run *back, const char *text, struct swax_network *n)
{
    char as_theirs[6000];
    const char *ours = strstr(text, "\"model_type\": \"swax\"");
    snprintf(as_theirs, sizeof as_theirs, "%.*s%s%s", ours ? (int)(ours - text) : 0, text,
             ours ? "\"model_type\": \"xlstm\"" : "", ours ? ours + strlen("\"model_type\": \"swax\"") : text);
    struct json *config = json_parse(as_theirs, strlen(as_theirs), why);
    ck_assert_msg(config != NULL, "%s", why);
    const char *wrong = hf_config_read(back, config, shape, n, why);
    json_free(config);
    return wrong;
}

START_TEST(a_configuration_survives_their_words)
{
    struct run r = a_run(), back;
    struct swax_network *n = swax_network_new(&r.model, swax_tiers[0], SWAX_PREC_F32, 1, 1, 0, why);
    char *text = scratch_keep(hf_config_text(&r, HF_HALF_SPLIT)), *ours = listed(&r);
    ck_assert(n && text);
    golden_is("hf_config.json", text, 0);
    ck_assert_msg(!read_back(&back, text, n), "%s", why);
    ck_assert_str_eq(listed(&back), ours);
    for (int tied = 0; tied < 2; tied++) {
        r.model.tied = tied;
        ck_assert_msg(!read_back(&back, scratch_keep(hf_config_text(&r, HF_HALF_SPLIT)), n), "%s", why);
        ck_assert_int_eq(back.model.tied, tied);
    }
    swax_network_free(n);
}
END_TEST

static int size_of(const char *text, const char *key, int of)
{
    char wanted[60];
    snprintf(wanted, sizeof wanted, "\"%s\": ", key);
    const char *at = strstr(text, wanted);
    ck_assert_msg(at, "no %s", key);
    return (int)floor(of * strtod(at + strlen(wanted), NULL));      /* as transformers' xLSTMConfig has it */
}

/* 240 / 88 times 88 is a little less than 240, of which their model would make 239 rows. */
START_TEST(sizes_come_back_from_their_factors)
{
    int inexact = 0;
    for (int width = 8; width <= 160; width += 8)
        for (int more = 1; more < 4 * width; more += 7) {
            struct run r = a_run();
            char sizes[3][20];
            snprintf(sizes[0], 20, "%d", width), snprintf(sizes[1], 20, "%d", more), snprintf(sizes[2], 20, "%d", more);
            ck_assert(!run_set(&r, "width", sizes[0], why) && !run_set(&r, "ffn_width", sizes[1], why) &&
                      !run_set(&r, "cell_key_dim", sizes[2], why) && !run_set(&r, "cell_value_dim", sizes[2], why));
            char *text = hf_config_text(&r, HF_HALF_SPLIT);
            ck_assert(text);
            const int heads = (int)swax_config_number(&r.model, "cell_heads");
            ck_assert_int_eq(size_of(text, "ffn_proj_factor", width), more);
            ck_assert_int_eq(size_of(text, "qk_dim_factor", width), heads * more);
            ck_assert_int_eq(size_of(text, "v_dim_factor", width), heads * more);
            inexact += floor(width * ((double)more / width)) < more;
            free(text);
        }
    ck_assert_msg(inexact > 5, "only %d of the sizes are hard", inexact);
}
END_TEST

/* Lines of `now` that `then` has not. */
static void differences(FILE *f, const char *now, const char *then)
{
    for (size_t n; *now; now += n) {
        n = strcspn(now, "\n") + 1;
        char line[200];
        snprintf(line, sizeof line, "%.*s", (int)n, now);
        if (!strstr(then, line))
            fprintf(f, " %.*s", (int)n - 1, now);
    }
}

/* Every key that is absent, or has a value that it should not have: what is read then, or what is said. */
START_TEST(what_is_absent_or_null_has_its_value)
{
    struct run r = a_run(), back;
    struct swax_network *n = swax_network_new(&r.model, swax_tiers[0], SWAX_PREC_F32, 1, 1, 0, why);
    char *text = scratch_keep(hf_config_text(&r, HF_HALF_SPLIT)), *ours = listed(&r), *found = NULL;
    size_t size;
    FILE *f = open_memstream(&found, &size);
    struct json *config = json_parse(text, strlen(text), why);
    for (const struct json *key = config->first; key; key = key->next)
        for (int how = 0; how < 6; how++) {
            static const char *const hows[] = {"absent", "null", "a text", "huge", "negative", "an empty list"},
                              *const instead[] = {"", "null", "\"text\"", "1e30", "-3", "[]"};
            char name[80], changed[6000];
            snprintf(name, sizeof name, "\"%s\": ", key->key);
            const char *at = strstr(text, name);
            const int before = (int)(at - text);
            if (how)       /* another value in front of its own, which becomes another key's */
                snprintf(changed, sizeof changed, "%.*s%s%s,\n  \"was\": %s", before, text, name, instead[how],
                         at + strlen(name));
            else
                snprintf(changed, sizeof changed, "%.*s\"was\": %s", before, text, at + strlen(name));
            fprintf(f, "%s %s:", key->key, hows[how]);
            if (read_back(&back, changed, n)) {
                ck_assert_msg(is_sentence(why), "%s", why);
                fprintf(f, " refused: %s", why);
            } else {
                differences(f, listed(&back), ours);
            }
            fputc('\n', f);
        }
    fclose(f);
    golden_has("hf_absent.txt", found, 0);
    json_free(config);
    free(found);
    swax_network_free(n);
}
END_TEST

/* ---- a model in several files, and an index of them */

struct half { struct st_file *from; int first; };

static void get(void *arg, int i, void *to)
{
    const struct half *h = arg;
    ck_assert_msg(!st_read_raw(h->from, st_tensor(h->from, h->first + i), to, why), "%s", why);
}

static void get_again(void *arg, int i, void *to)
{
    const struct half *h = arg;
    get(arg, i < st_count(h->from) ? i : st_count(h->from) - 1, to);
}

static const char *import(const char *index, const char *to)
{
    put(in_folder(scratch("shards"), "model.safetensors.index.json"), index, strlen(index));
    return hf_import(scratch("shards"), to, HF_HALF_SPLIT, why);
}

START_TEST(a_model_in_several_files_is_one)
{
    struct run r = a_run();
    char *folder = scratch("whole"), *several = scratch("shards"), *before = scratch("before.safetensors"), *index;
    char *text;
    size_t size;
    struct swax_network *n = swax_network_new(&r.model, swax_tiers[0], SWAX_PREC_F32, 1, 1, 0, why);
    swax_network_init(n, 4);
    ck_assert_msg(!checkpoint_save(before, &r, n, 1, 0, why), "%s", why);
    ck_assert_msg(!hf_export(before, folder, HF_HALF_SPLIT, why), "%s", why);
    ck_assert(!file_make_folder(several, why));
    read_whole(in_folder(folder, "config.json"), &text);
    put(in_folder(several, "config.json"), text, strlen(text));
    struct st_file *all = st_open(in_folder(folder, "model.safetensors"), why);
    ck_assert_msg(all != NULL, "%s", why);
    FILE *f = open_memstream(&index, &size);
    fputs("{\"metadata\": {}, \"weight_map\": {", f);
    for (int part = 0, at = 0; part < 3; part++) {
        char name[61];      /* the first has 60 letters, the most there may be */
        const int end = st_count(all) * (part + 1) / 3;
        struct st_tensor tensor[100];
        struct half h = {all, at};
        for (int i = at; i < end; i++)
            tensor[i - at] = *st_tensor(all, i);
        snprintf(name, sizeof name, "part-%0*d.safetensors", part ? 1 : 43, part);
        const struct st_plan plan = {.n = end - at, .tensor = tensor, .get = get, .arg = &h};
        ck_assert_msg(!st_write(in_folder(several, name), &plan, why), "%s", why);
        for (; at < end; at++)
            fprintf(f, "%s\"%s\": \"%s\"", at ? ", " : "", st_tensor(all, at)->name, name);
    }
    fputs("}}", f);
    fclose(f);
    char *whole = scratch("from_whole.safetensors"), *parts = scratch("from_parts.safetensors");
    ck_assert_msg(!hf_import(folder, whole, HF_HALF_SPLIT, why), "%s", why);
    ck_assert_msg(!import(index, parts), "%s", why);
    ck_assert(same_bytes(whole, parts));
    ck_assert(import("{\"weight_map\": 3}", parts) && strstr(why, "has no weight_map"));
    ck_assert(import("{\"weight_map\": {\"a\": 3}}", parts) && strstr(why, "does not name a file for a"));
    ck_assert(import("{\"weight_map\": {\"a\": \"../x\"}}", parts) && strstr(why, "no plain file name"));
    char longer[200];
    snprintf(longer, sizeof longer, "{\"weight_map\": {\"a\": \"%061d\"}}", 0);
    ck_assert(import(longer, parts) && strstr(why, "no plain file name"));
    ck_assert(import("{\"weight_map\": {\"a\": \"absent.safetensors\"}}", parts) && strstr(why, "absent.safetensors"));
    st_close(all);
    free(index);
    swax_network_free(n);
}
END_TEST

/* A tensor that the network has no place for would be left out of its numbers. */
START_TEST(a_model_that_has_more_is_refused)
{
    struct run r = a_run();
    char *folder = scratch("less"), *more = scratch("more"), *before = scratch("less.safetensors"), *text;
    struct swax_network *n = swax_network_new(&r.model, swax_tiers[0], SWAX_PREC_F32, 1, 1, 0, why);
    swax_network_init(n, 4);
    ck_assert_msg(!checkpoint_save(before, &r, n, 1, 0, why), "%s", why);
    ck_assert_msg(!hf_export(before, folder, HF_HALF_SPLIT, why), "%s", why);
    ck_assert(!file_make_folder(more, why));
    const size_t size = read_whole(in_folder(folder, "config.json"), &text);
    put(in_folder(more, "config.json"), text, size);
    struct st_file *all = st_open(in_folder(folder, "model.safetensors"), why);
    struct st_tensor tensor[300];
    const int count = st_count(all);
    struct half h = {all, 0};
    for (int i = 0; i < count; i++)
        tensor[i] = *st_tensor(all, i);
    for (int again = 0; again < 2; again++) {      /* as it is; its last vector there as a bias too */
        const struct st_plan plan = {.n = count + again, .tensor = tensor, .get = get_again, .arg = &h};
        tensor[count] = tensor[count - 1];
        tensor[count].name = "backbone.blocks.0.bias";
        ck_assert_msg(!st_write(in_folder(more, "model.safetensors"), &plan, why), "%s", why);
        const char *wrong = hf_import(more, scratch(again ? "b.safetensors" : "a.safetensors"), HF_HALF_SPLIT, why);
        ck_assert_msg(!again == !wrong, "%s", why);
    }
    ck_assert_msg(strstr(why, "Tensor backbone.blocks.0.bias of the model has no place") && is_sentence(why), "%s",
                  why);
    st_close(all);
    swax_network_free(n);
}
END_TEST

/* Fewer blocks than its tensors are of; of two values that are no numbers, the first is named; a tensor of another
 * shape. */
START_TEST(a_model_that_is_not_as_it_says_is_refused)
{
    struct run r = a_run(), back;
    struct swax_network *n = swax_network_new(&r.model, swax_tiers[0], SWAX_PREC_F32, 1, 1, 0, why);
    char *text = scratch_keep(hf_config_text(&r, HF_HALF_SPLIT)), changed[6000];
    char *const types = strstr(text, "\"layer_types\""), *const blocks = strstr(text, "\"num_blocks\": 4");
    ck_assert(types && blocks);
    memcpy(types, "\"layer_tipes\"", strlen("\"layer_types\""));
    for (int k = 1; k < 8; k++) {
        blocks[strlen("\"num_blocks\": ")] = (char)('0' + k);
        const char *wrong = read_back(&back, text, n);
        snprintf(changed, sizeof changed, "names %d blocks, and its tensors are of more", k);
        ck_assert_msg(k == 4 ? !wrong : wrong && strstr(wrong, k < 4 ? changed : "Block 4 of the model has"), "%d: %s",
                      k, wrong ? wrong : "read");
    }
    blocks[strlen("\"num_blocks\": ")] = '4';
    static const char *const counts[] = {"0", "-1", "257", "256", "1e9", "2.5"};
    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {        /* in front of the other, which is renamed */
        snprintf(changed, sizeof changed, "%.*s\"num_blocks\": %s, \"was\"%s", (int)(blocks - text), text, counts[k],
                 strchr(blocks, ':'));
        const char *wrong = read_back(&back, changed, n);
        ck_assert_msg(wrong && strstr(wrong, k == 3 ? "Block 4 of the model has" : "1 to 256 can be read"), "%s: %s",
                      counts[k], wrong ? wrong : "read");
    }
    for (int k = 0; k < 2; k++)
        memcpy(strstr(text, k ? "\"gate_soft_cap\"" : "\"rope_theta\""), "\"was", 4);
    snprintf(changed, sizeof changed, "{\"rope_theta\": \"one\", \"gate_soft_cap\": \"two\", %s", text + 1);
    ck_assert(read_back(&back, changed, n) && strstr(why, "rope_theta") && !strstr(why, "gate_soft_cap"));
    swax_network_free(n);
}
END_TEST

/* ---- limits, and one beside each */

static const struct { const char *name; int rows; int64_t value; } *stretched;
static int stretched_shape(void *arg, const char *name, int64_t s[2])
{
    if (!shape(arg, name, s))
        return 0;
    if (!strcmp(name, stretched->name))
        s[!stretched->rows] = stretched->value;
    return stretched->value != -1 || strcmp(name, stretched->name);
}

START_TEST(sizes_are_those_of_an_int)
{
    static const char *const too_large = "Tensor backbone.embeddings.weight is missing, or too large.";
    enum { MOST = 0x7fffffff };
    const struct { const char *name; int rows; int64_t value; } of[] = {
        {"backbone.embeddings.weight", 1, MOST}, {"backbone.embeddings.weight", 0, MOST},
        {"backbone.embeddings.weight", 1, (int64_t)MOST + 1}, {"backbone.embeddings.weight", 0, (int64_t)MOST + 1},
        {"backbone.embeddings.weight", 1, -1}, {"backbone.blocks.1.mlstm_layer.q.weight", 1, MOST - 1},
        {"backbone.blocks.1.mlstm_layer.q.weight", 1, (int64_t)MOST + 2},
        {"backbone.blocks.1.mlstm_layer.q.weight", 1, 0},
        {"backbone.blocks.1.mlstm_layer.q.weight", 1, 3}, {"backbone.blocks.1.mlstm_layer.q.weight", 1, 14}};
    struct run r = a_run(), back;
    struct swax_network *n = swax_network_new(&r.model, swax_tiers[0], SWAX_PREC_F32, 1, 1, 0, why);
    char *text = scratch_keep(hf_config_text(&r, HF_HALF_SPLIT)), *at = strstr(text, "\"model_type\": \"swax\"");
    if (at)
        memcpy(at, "\"model_type\":\"xlstm\"", strlen("\"model_type\":\"xlstm\""));
    struct json *config = json_parse(text, strlen(text), why);
    char *all = NULL;
    size_t size;
    FILE *f = open_memstream(&all, &size);
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        stretched = (const void *)&of[i];
        const char *wrong = hf_config_read(&back, config, stretched_shape, n, why);
        ck_assert_msg((i >= 2 && i < 5) == (wrong && !strcmp(wrong, too_large)), "%s of %lld: %s", of[i].name,
                      (long long)of[i].value, wrong ? wrong : "read");
        fprintf(f, "%s, %s %lld: %s\n", of[i].name, of[i].rows ? "rows" : "columns", (long long)of[i].value,
                wrong ? wrong : "read");
    }
    fclose(f);
    golden_is("hf_sizes.txt", all, 0);
    free(all);
    json_free(config);
    swax_network_free(n);
}
END_TEST

/* What theirs cannot compute is said by name, of each mixer that has something of the kind. */
START_TEST(what_theirs_lacks_is_said)
{
    static const struct { const char *key, *value, *says; } of[] = {
        {"cell_gate", "sigmoid", "Hugging Face's xLSTM has cell_gate=exponential and cell_norm=layer only, and this "
                                 "network differs."},
        {"cell_norm", "rms", "Hugging Face's xLSTM has cell_gate=exponential and cell_norm=layer only, and this "
                             "network differs."},
        {"mixers", "gdn mlstm gdn gdn", "Hugging Face's xLSTM has no layer such as gdn, which this network has."}};
    struct run as_it_is = a_run();
    ck_assert_msg(!hf_config_says_no(&as_it_is.model, why), "%s", why);
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct run r = a_run();
        ck_assert_msg(!run_set(&r, of[i].key, of[i].value, why), "%s", why);
        const char *wrong = hf_config_says_no(&r.model, why);
        ck_assert_str_eq(wrong ? wrong : "", of[i].says);
    }
}
END_TEST

/* Of a model of our own, what its config.json must have. */
START_TEST(a_model_of_ours_has_its_object)
{
    static const struct { const char *text, *says; } of[] = {
        {"{\"model_type\": \"swax\"}", "Its config.json is of model_type swax, and has no object named swax."},
        {"{\"model_type\": \"swax\", \"swax\": 3}",
         "Its config.json is of model_type swax, and has no object named swax."},
        {"{\"model_type\": \"swax\", \"swax\": {\"rope\": \"none\"}}",
         "Its config.json has a rope that is neither half_split nor interleaved."},
        {"{\"model_type\": \"swax\", \"swax\": {\"widht\": 3}}", NULL},
        {"{\"model_type\": \"swax\", \"swax\": {\"width\": 0}}", NULL}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct run r;
        struct json *config = json_parse(of[i].text, strlen(of[i].text), why);
        ck_assert_msg(config && hf_own_is(config), "%s", why);
        const char *wrong = hf_own_read(&r, config, why);
        ck_assert_msg(wrong && (of[i].says ? !strcmp(wrong, of[i].says) : strstr(wrong, "wid") != NULL), "%s: %s",
                      of[i].text, wrong ? wrong : "read");
        json_free(config);
    }
}
END_TEST

/* One head with keys of one number is the least there can be. */
START_TEST(the_smallest_of_heads_survives)
{
    struct run r = a_run(), back;
    static const char *const small[][2] = {{"cell_heads", "1"}, {"cell_key_dim", "1"}, {"cell_value_dim", "1"},
                                           {"heads", "1"}, {"key_value_heads", "1"}, {"head_dim", "1"}};
    for (int i = 0; i < 6; i++)
        ck_assert_msg(!run_set(&r, small[i][0], small[i][1], why), "%s", why);
    ck_assert_msg(!swax_config_check(&r.model, why), "%s", why);
    struct swax_network *n = swax_network_new(&r.model, swax_tiers[0], SWAX_PREC_F32, 1, 1, 0, why);
    ck_assert_msg(!read_back(&back, scratch_keep(hf_config_text(&r, HF_HALF_SPLIT)), n), "%s", why);
    ck_assert_str_eq(listed(&back), listed(&r));
    swax_network_free(n);
}
END_TEST

/* A model's export, and a folder beside it with the same configuration, whose tensors are still to be written. */
struct beside { struct swax_network *n; char *before, *folder, *other; struct st_file *all; };

static struct beside export_beside(const char *name)
{
    char words[100];
    struct run r = a_run();
    struct beside b = {.folder = scratch(name)};
    char *text;
    snprintf(words, sizeof words, "%s.safetensors", name);
    b.before = scratch(words);
    snprintf(words, sizeof words, "%s-other", name);
    b.other = scratch(words);
    b.n = swax_network_new(&r.model, swax_tiers[0], SWAX_PREC_F32, 1, 1, 0, why);
    swax_network_init(b.n, 4);
    ck_assert_msg(!checkpoint_save(b.before, &r, b.n, 1, 0, why), "%s", why);
    ck_assert_msg(!hf_export(b.before, b.folder, HF_HALF_SPLIT, why), "%s", why);
    ck_assert(!file_make_folder(b.other, why));
    const size_t size = read_whole(in_folder(b.folder, "config.json"), &text);
    put(in_folder(b.other, "config.json"), text, size);
    free(text);
    b.all = st_open(in_folder(b.folder, "model.safetensors"), why);
    return b;
}

static void end_beside(struct beside *b)
{
    st_close(b->all);
    swax_network_free(b->n);
}

/* Its tensors in memory's order: one of them may be left out, or hold a NaN. */
struct altered { struct st_file *from; int left_out, spoilt; };
static void get_altered(void *arg, int i, void *to)
{
    const struct altered *a = arg;
    const int k = i + (a->left_out >= 0 && i >= a->left_out);
    ck_assert(!st_read_raw(a->from, st_tensor(a->from, k), to, why));
    if (k == a->spoilt)
        ((float *)to)[st_tensor(a->from, k)->size - 1] = k % 2 ? NAN : -INFINITY;
}

START_TEST(a_tensor_that_cannot_be_is_named)
{
    char *to = scratch("altered.safetensors"), expected[SWAX_WHY], longest[RUN_TEXT + 1];
    struct beside b = export_beside("good");
    const int count = st_count(b.all);
    for (int i = 0; i < 2 * count; i++) {
        struct st_tensor tensor[300];
        struct altered a = {b.all, i < count ? -1 : i - count, i < count ? i : -1};
        for (int k = 0, j = 0; k < count; k++)
            if (k != a.left_out)
                tensor[j++] = *st_tensor(b.all, k);
        const struct st_plan plan = {.n = count - (a.left_out >= 0), .tensor = tensor, .get = get_altered, .arg = &a};
        const char *name = st_tensor(b.all, i % count)->name;
        ck_assert_msg(!st_write(in_folder(b.other, "model.safetensors"), &plan, why), "%s", why);
        const char *wrong = hf_import(b.other, to, HF_HALF_SPLIT, why);
        snprintf(expected, sizeof expected, "Tensor %s of the model holds a NaN or an infinity: nothing can be "
                 "computed with it.", name);
        ck_assert_msg(wrong && (i < count ? !strcmp(wrong, expected) : access(to, F_OK) != 0), "%s: %s", name,
                      wrong ? wrong : "read");
        snprintf(expected, sizeof expected, "The model lacks tensor %s.", name);
        if (i >= count && strstr(name, "norm"))
            ck_assert_str_eq(wrong, expected);
    }
    ck_assert_int_eq(access(to, F_OK), -1);
    /* what is there stays; names have their room, and not a letter more */
    put(to, "mine", 4);
    ck_assert(hf_import(b.folder, to, HF_HALF_SPLIT, why));
    ck_assert_msg(strstr(why, "altered.safetensors is there already: it is not overwritten."), "%s", why);
    for (int more = 0; more < 2; more++) {
        memset(longest, 'x', sizeof longest), longest[RUN_TEXT - 1 + more] = 0;
        snprintf(expected, sizeof expected, "The folder's name is longer than %d characters.", RUN_TEXT - 1);
        ck_assert_msg((strstr(hf_export(b.before, longest, HF_HALF_SPLIT, why), expected) != NULL) == more, "%s", why);
        ck_assert_msg((strstr(hf_import(longest, scratch("none.st"), HF_HALF_SPLIT, why), expected) != NULL) == more,
                      "%s", why);
    }
    end_beside(&b);
}
END_TEST

/* A model in 1024 files is read, in one more it is not: each is held open. */
START_TEST(as_many_files_as_there_is_room_for)
{
    struct rlimit files;
    ck_assert(!getrlimit(RLIMIT_NOFILE, &files));
    files.rlim_cur = files.rlim_max < 1200 ? files.rlim_max : 1200;
    ck_assert(!setrlimit(RLIMIT_NOFILE, &files));
    if (files.rlim_cur < 1200) {
        puts("skipped: no 1,200 files may be open");
        return;
    }
    char *folder = scratch("many"), *index, *one = in_folder(folder, "0"), name[20];
    static const struct st_tensor small = {.name = "t", .type = ST_F32, .rank = 1, .shape = {1}};
    struct run r = a_run();
    const struct st_plan plan = {.n = 0, .tensor = &small};
    ck_assert(!file_make_folder(folder, why));
    char *config = scratch_keep(hf_config_text(&r, HF_HALF_SPLIT));
    put(in_folder(folder, "config.json"), config, strlen(config));
    ck_assert_msg(!st_write(one, &plan, why), "%s", why);
    for (int files_there = 1024; files_there < 1026; files_there++) {
        size_t size;
        FILE *f = open_memstream(&index, &size);
        fputs("{\"weight_map\": {", f);
        for (int i = 0; i < files_there; i++) {
            snprintf(name, sizeof name, "%d", i);
            if (i)
                (void)!link(one, in_folder(folder, name));
            fprintf(f, "%s\"t%d\": \"%d\"", i ? ", " : "", i, i);
        }
        fputs("}}", f);
        fclose(f);
        put(in_folder(folder, "model.safetensors.index.json"), index, strlen(index));
        free(index);
        ck_assert(hf_import(folder, scratch("many.safetensors"), HF_HALF_SPLIT, why));
        ck_assert_msg((strstr(why, "many has more than 1024 shards.") != NULL) == (files_there > 1024), "%d files: %s",
                      files_there, why);
    }
}
END_TEST

static void export_here(void *arg)
{
    char *const *paths = arg;
    ck_assert_msg(!hf_export(paths[0], paths[1], HF_HALF_SPLIT, why), "%s", why);
}

/* Their xLSTM remembers across documents, and its export says so; ours does not, and neither does one without any. */
START_TEST(what_their_model_does_otherwise_is_said)
{
    for (int k = 0; k < 4; k++) {
        struct run r = run_default();
        const int own = k % 2, token = k / 2 ? 10 : -1;
        char separator[8], from[20], to[20], expected[SWAX_WHY] = "";
        snprintf(separator, sizeof separator, "%d", token);
        const char *const settings_of[][2] = {
            {"vocabulary", "256"}, {"width", "16"}, {"heads", "2"}, {"cell_heads", "2"},
            {"mixers", own ? "swa mlstm" : "mlstm"}, {"data", "text"}, {"separator", separator}};
        for (int i = 0; i < (token < 0 ? 6 : 7); i++)
            ck_assert_msg(!run_set(&r, settings_of[i][0], settings_of[i][1], why), "%s", why);
        struct swax_network *n = swax_network_new(&r.model, swax_tiers[0], SWAX_PREC_F32, 1, 1, 0, why);
        ck_assert_msg(n, "%s", why);
        swax_network_init(n, 4);
        snprintf(from, sizeof from, "from%d.safetensors", k), snprintf(to, sizeof to, "to%d", k);
        char *paths[2] = {scratch(from), scratch(to)};
        ck_assert_msg(!checkpoint_save(paths[0], &r, n, 1, 0, why), "%s", why);
        if (!own && token >= 0)
            snprintf(expected, sizeof expected, "Token 10 begins a document here, and nothing before it is remembered; "
                     "Hugging Face's xLSTM, which reads %s, remembers.\n", paths[1]);
        ck_assert_str_eq(printed_in(export_here, paths), expected);
        swax_network_free(n);
    }
}
END_TEST

START_TEST(a_tensor_of_another_shape_is_named_with_both)
{
    static const struct { const char *name; int rank; int64_t a, b; const char *says; } of[] = {
        {"backbone.out_norm.weight", 1, 23, 0,
         "Tensor backbone.out_norm.weight of the model has 23 elements in a shape that is not this network's 24 x 1."},
        {"backbone.blocks.1.ffn.proj_up.weight", 2, 20, 23, "has 460 elements in a shape that is not this network's "
         "20 x 24."},
        {"backbone.blocks.1.ffn.proj_up.weight", 2, 24, 20, "has 480 elements in a shape that is not this network's "
         "20 x 24."},
        {"backbone.blocks.1.ffn.proj_up.weight", 1, 480, 0, "has 480 elements in a shape that is not this network's "
         "20 x 24."}};
    struct run back;
    struct beside b = export_beside("right");
    for (size_t k = 0; k < sizeof of / sizeof of[0]; k++) {
        struct st_tensor tensor[300];
        struct half h = {b.all, 0};
        for (int i = 0; i < st_count(b.all); i++) {
            tensor[i] = *st_tensor(b.all, i);
            if (!strcmp(tensor[i].name, of[k].name)) {
                tensor[i].rank = of[k].rank, tensor[i].shape[0] = of[k].a, tensor[i].shape[1] = of[k].b;
                tensor[i].size = of[k].rank > 1 ? of[k].a * of[k].b : of[k].a;
            }
        }
        const struct st_plan plan = {.n = st_count(b.all), .tensor = tensor, .get = get, .arg = &h};
        ck_assert_msg(!st_write(in_folder(b.other, "model.safetensors"), &plan, why), "%s", why);
        struct hf_model *m = hf_open(b.other, HF_AS_SAID, &back, why);
        const char *wrong = m ? hf_load(m, b.n, SWAX_PREC_F32, why) : why;
        ck_assert_msg(wrong && strstr(wrong, of[k].says), "row %zu: %s", k, wrong ? wrong : "read");
        if (m)
            hf_close(m);
    }
    end_beside(&b);
}
END_TEST

/* The token that begins a document comes along, whatever it is and whoever's model it becomes; a tokenizer of bytes
 * goes with bytes alone. */
START_TEST(an_export_keeps_its_separator)
{
    static const struct { const char *mixers, *data, *vocabulary, *separator; int bytes; } of[] = {
        {"swa mlstm", "text", "256", "10", 1}, {"mlstm mlstm", "text", "256", "10", 1},
        {"swa mlstm", "shards", "300", "299", 0}, {"mlstm mlstm", "shards", "300", "299", 0},
        {"swa mlstm", "shards", "256", "255", 0}, {"mlstm", "niah", "256", "", 1}, {"swa", "mqar", "256", "", 0},
        {"mlstm", "text", "256", "", 1}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct run r = a_run(), back;
        char name[20], *before = scratch("before.safetensors");
        snprintf(name, sizeof name, "kept-%zu", i);
        ck_assert(!run_set(&r, "data", of[i].data, why) && !run_set(&r, "mixers", of[i].mixers, why) &&
                  !run_set(&r, "vocabulary", of[i].vocabulary, why));
        for (int k = 0; k < SOURCE_KEYS; k++)
            r.value[k][0] = 0;
        ck_assert_msg(!*of[i].separator || !run_set(&r, "separator", of[i].separator, why), "%s", why);
        struct swax_network *n = swax_network_new(&r.model, swax_tiers[0], SWAX_PREC_F32, 1, 1, 0, why);
        ck_assert_msg(n, "%s", why);
        swax_network_init(n, 4);
        ck_assert_msg(!checkpoint_save(before, &r, n, 1, 0, why), "%s", why);
        ck_assert_msg(!hf_export(before, scratch(name), HF_HALF_SPLIT, why), "%s", why);
        struct hf_model *m = hf_open(scratch(name), HF_AS_SAID, &back, why);
        ck_assert_msg(m, "%s", why);
        ck_assert_int_eq(run_separator(&back), *of[i].separator ? atoi(of[i].separator) : -1);
        ck_assert_int_eq(back.model.vocabulary, r.model.vocabulary);
        ck_assert_msg((access(in_folder(scratch(name), "tokenizer.json"), F_OK) == 0) == of[i].bytes, "%s of %s",
                      of[i].data, of[i].vocabulary);
        hf_close(m);
        swax_network_free(n);
    }
}
END_TEST

/* ---- weights of theirs, where weights are asked for */

#define ON_TEXT " data=text file=ref/*.c separator=10 tier=ref "

/* What a command prints that is given weights, and a folder to write to. */
static char *printed_from(int (*command)(int, char **), const char *words, const char *from, const char *out)
{
    char line[2048];
    snprintf(line, sizeof line, words, from, out);
    return printed_by(command, line);
}

static const struct { const char *mixers; enum hf_rope rope; const char *precision; } networks[] = {
    {"gdn swa mlstm", HF_HALF_SPLIT, "fp64"}, {"gdn swa mlstm", HF_INTERLEAVED, "fp32"},
    {"full gdn swa", HF_INTERLEAVED, "fp64"}, {"mlstm mlstm", HF_HALF_SPLIT, "fp32"},
};

/* An export holds all bits of weights in fp32: what begins with it is what begins with the checkpoint. */
START_TEST(an_export_is_as_good_as_its_checkpoint)
{
    char *from[3], *end[3], words[300], name[40], *examined[2];
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "from_%d_%d", _i, i);
        from[i] = scratch(name);
        snprintf(name, sizeof name, "end_%d_%d", _i, i);
        end[i] = scratch(name);
    }
    for (int i = 0; i < 3; i += 2) {
        struct run r = small_run(from[i]);
        r.seed = (uint64_t)i + 1;
        ck_assert_msg(!run_set(&r, "mixers", networks[_i].mixers, why) && !run_set(&r, "steps", "2", why), "%s", why);
        ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    }
    ck_assert_msg(!hf_export(from[0], from[1], networks[_i].rope, why), "%s", why);
    snprintf(words, sizeof words, "from=%%s out=%%s" ON_TEXT "length=32 batch=4 steps=2 seed=5 precision=%s",
             networks[_i].precision);
    for (int i = 0; i < 3; i++)
        ck_assert_ptr_nonnull(strstr(printed_from(cmd_train, words, from[i], end[i]), "Finished"));
    ck_assert_msg(same_bytes(in_folder(end[0], checkpoint_name), in_folder(end[1], checkpoint_name)),
                  "%s: a run from the export ends elsewhere", networks[_i].mixers);
    ck_assert(!same_bytes(in_folder(end[0], checkpoint_name), in_folder(end[2], checkpoint_name)));
    for (int i = 0; i < 2; i++)
        examined[i] = printed_from(cmd_eval, "from=%s" ON_TEXT "lengths=32 sequences=4 windows=9", from[i], "");
    ck_assert_str_eq(examined[0], examined[1]);
    ck_assert_ptr_nonnull(strstr(examined[0], "loss by position"));
    /* theirs has no word for what begins a document */
    for (int i = 0; i < 2 && strcmp(networks[_i].mixers, "mlstm mlstm"); i++)
        examined[i] = printed_from(cmd_sample, "from=%s tokens=30 tier=ref", from[i], "");
    ck_assert_str_eq(examined[0], examined[1]);
}
END_TEST

/* Its RoPE is what its config.json says: rows that were reordered on the way out are not taken as they stand. */
START_TEST(what_an_export_says_of_its_rope_counts)
{
    char *ours = scratch("turned"), *theirs = scratch("turned_theirs"), *back = scratch("back.safetensors"),
        *config = in_folder(theirs, "config.json"), *text;
    struct run r = small_run(ours);
    r.steps = 1;
    ck_assert_msg(run_train(&r, NULL, NULL, why) == RUN_FINISHED, "%s", why);
    ck_assert_msg(!hf_export(ours, theirs, HF_INTERLEAVED, why), "%s", why);
    ck_assert(hf_import(theirs, back, HF_HALF_SPLIT, why) && strstr(why, "rope=half_split") &&
              strstr(why, "interleaved") && is_sentence(why));
    ck_assert_msg(!hf_import(theirs, back, HF_INTERLEAVED, why), "%s", why);
    ck_assert_msg(!hf_import(theirs, scratch("as_said.safetensors"), HF_AS_SAID, why), "%s", why);
    ck_assert(same_bytes(back, scratch("as_said.safetensors")));
    read_whole(config, &text);
    char *at = strstr(text, "interleaved");
    ck_assert_ptr_nonnull(at);
    memcpy(at, "antipodally", strlen("antipodally"));
    put(config, text, strlen(text));
    ck_assert(hf_import(theirs, back, HF_AS_SAID, why) && strstr(why, "neither half_split nor interleaved") &&
              is_sentence(why));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hf");
    TCase *t = tcase_create("hf");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, a_configuration_survives_their_words);
    tcase_add_test(t, sizes_come_back_from_their_factors);
    tcase_add_test(t, what_is_absent_or_null_has_its_value);
    tcase_add_test(t, a_model_in_several_files_is_one);
    tcase_add_test(t, a_model_that_has_more_is_refused);
    tcase_add_test(t, a_model_that_is_not_as_it_says_is_refused);
    tcase_add_test(t, sizes_are_those_of_an_int);
    tcase_add_test(t, what_theirs_lacks_is_said);
    tcase_add_test(t, a_model_of_ours_has_its_object);
    tcase_add_test(t, the_smallest_of_heads_survives);
    tcase_add_test(t, a_tensor_that_cannot_be_is_named);
    tcase_add_test(t, as_many_files_as_there_is_room_for);
    tcase_add_test(t, what_their_model_does_otherwise_is_said);
    tcase_add_test(t, a_tensor_of_another_shape_is_named_with_both);
    tcase_add_test(t, an_export_keeps_its_separator);
    tcase_add_loop_test(t, an_export_is_as_good_as_its_checkpoint, 0, sizeof networks / sizeof *networks);
    tcase_add_test(t, what_an_export_says_of_its_rope_counts);
    suite_add_tcase(s, t);
    scratch_open();
    const int failed = suite_ends(s);
    scratch_close();
    return failed;
}
