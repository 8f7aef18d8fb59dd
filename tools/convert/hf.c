/* hf.c - Hugging Face's xLSTM checkpoints, in and out. */
#include "tools/convert/hf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/lib/files.h"
#include "tools/convert/hf_config.h"
#include "tools/convert/hf_model.h"
#include "tools/convert/hf_own.h"
#include "tools/lib/say.h"

const char *hf_rope_word(int i)
{
    static const char *const words[] = {[HF_HALF_SPLIT] = "half_split", [HF_INTERLEAVED] = "interleaved"};
    return i < HF_AS_SAID ? words[i] : NULL;
}

const char *hf_import(const char *folder, const char *checkpoint, enum hf_rope rope, char *why)
{
    const char *wrong;
    struct run r;
    struct hf_model *m = hf_open(folder, rope, &r, why);
    if (!m)
        return why;
    if (!access(checkpoint, F_OK)) {
        hf_close(m);
        return say(why, "%s is there already: it is not overwritten.", checkpoint);
    }
    struct swax_network *n = swax_network_new(&r.model, swax_tier_find("ref", &wrong), SWAX_PREC_F32, 1, 1, 0, why);
    wrong = n ? hf_load(m, n, SWAX_PREC_F32, why) : why;
    if (!wrong)
        wrong = checkpoint_save(checkpoint, &r, n, 0, 0, why);
    swax_network_free(n);
    hf_close(m);
    return wrong;
}

/* ---- out */

struct exported { struct swax_network *n; enum hf_rope rope; const struct swax_tensor *tensor; float *room; };

static void get(void *arg, int i, void *to)
{
    const struct exported *e = arg;
    const int turn = e->rope == HF_INTERLEAVED && e->tensor[i].rope_heads;
    swax_network_get(e->n, SWAX_WEIGHT, i, turn ? e->room : to);
    if (turn)
        hf_turn(to, e->room, &e->tensor[i], (size_t)e->tensor[i].shape[1] * sizeof(float), 0);
}

/* What was broken off leaves nothing that looks like a model, or that would refuse another try. */
static void clear_folder(const char *folder)
{
    static const char *const names[] = {"model.safetensors", "config.json", "modeling_swax.py", "tokenizer.json",
                                        "tokenizer_config.json"};
    char path[RUN_TEXT + 64];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        run_path(path, folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

static const char *export_all(struct swax_network *n, const struct run *r, const char *folder, enum hf_rope rope,
                              char *why)
{
    static const char *const meta[][2] = {{"format", "pt"}};
    char path[RUN_TEXT + 64];
    int count;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    struct exported e = {n, rope, t, malloc(hf_largest(n) * sizeof(float))};
    struct st_tensor *tensor = calloc((size_t)count, sizeof *tensor);
    const struct st_plan plan = {count, tensor, get, &e, 1, meta};
    char *config = hf_config_text(r, rope);
    const char *wrong = e.room && tensor && config ? NULL : say(why, "There is no memory to write %s.", folder);
    const int made = !wrong && !file_make_folder(folder, why);
    wrong = made || wrong ? wrong : why;
    for (int i = 0; i < count && !wrong; i++) {
        const struct st_tensor one = {.name = t[i].name, .type = ST_F32, .rank = t[i].rank,
                                      .shape = {t[i].shape[0], t[i].shape[1]}};
        tensor[i] = one;
    }
    run_path(path, folder, "model.safetensors");
    if (!wrong)
        wrong = st_write(path, &plan, why);
    run_path(path, folder, "config.json");
    if (!wrong)
        wrong = file_replace(path, config, strlen(config), why);
    if (!wrong)
        wrong = hf_own_files(r, folder, why);
    if (wrong && made)
        clear_folder(folder);
    free(e.room);
    free(tensor);
    free(config);
    return wrong;
}

const char *hf_export(const char *checkpoint, const char *folder, enum hf_rope rope, char *why)
{
    struct checkpoint c;
    const char *wrong;
    if (strlen(folder) >= RUN_TEXT)
        return say(why, "The folder's name is longer than %d characters.", RUN_TEXT - 1);
    if (!file_is_new(folder))
        return say(why, "%s is there already: it is not overwritten.", folder);
    if (checkpoint_open(&c, checkpoint, why))
        return why;
    if (strstr(folder, ".safetensors")) {
        checkpoint_close(&c);
        return say(why, "to=%.120s: a checkpoint becomes a model of Hugging Face's, which is a folder: name one.",
                   folder);
    }
    struct swax_network *n = swax_network_new(&c.run.model, swax_tier_find("ref", &wrong), SWAX_PREC_F32, 1, 1, 0, why);
    wrong = !n                          ? why
          : hf_own_needed(&c.run.model) ? hf_own_says_no(&c.run.model, why)
                                        : hf_config_says_no(&c.run.model, why);
    if (!wrong)
        wrong = checkpoint_load(&c, n, SWAX_PREC_F32, 0, why);
    if (!wrong)
        wrong = export_all(n, &c.run, folder, rope, why);
    if (!wrong && !hf_own_needed(&c.run.model) && run_separator(&c.run) >= 0)
        printf("Token %d begins a document here, and nothing before it is remembered; Hugging Face's xLSTM, which "
               "reads %s, remembers.\n", run_separator(&c.run), folder);
    if (n)
        swax_network_free(n);
    checkpoint_close(&c);
    return wrong;
}
