/* hf.c - Hugging Face's xLSTM checkpoints.  Tensors have the same names here and there. */
#include "tools/convert/hf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/lib/files.h"
#include "tools/convert/hf_config.h"
#include "tools/convert/hf_own.h"
#include "tools/lib/say.h"

enum { SHARDS = 1024 };

struct model {
    struct json *config;
    struct st_file *shard[SHARDS];
    int shards;
};

int hf_is_model(const char *folder)
{
    char path[RUN_TEXT + 64], why[SWAX_WHY];
    run_path(path, folder, "config.json");
    struct json *j = json_read(path, 1 << 20, why);
    const int yes = json_get(j, "model_type") != NULL;
    json_free(j);
    return yes;
}

static void close_model(struct model *m)
{
    for (int i = 0; i < m->shards; i++)
        st_close(m->shard[i]);
    json_free(m->config);
}

static const char *open_shard(struct model *m, const char *folder, const char *name, char *why)
{
    char path[RUN_TEXT + 64];
    if (m->shards == SHARDS)
        return say(why, "%s has more than %d shards.", folder, SHARDS);
    if (strchr(name, '/') || strlen(name) > 60)
        return say(why, "The index in %s names a shard \"%.60s\", which is no plain file name.", folder, name);
    run_path(path, folder, name);
    m->shard[m->shards] = st_open(path, why);
    return m->shard[m->shards++] ? NULL : why;
}

/* An index lists for each tensor the file that holds it; files follow one another in it. */
static const char *open_shards(struct model *m, const char *folder, const struct json *index, char *why)
{
    const struct json *map = json_get(index, "weight_map");
    const char *wrong = map && map->type == JSON_OBJECT ? NULL : say(why, "The index of %s has no weight_map.", folder);
    for (const struct json *j = wrong ? NULL : map->first; j && !wrong; j = j->next) {
        int seen = 0;
        if (j->type != JSON_STRING)
            return say(why, "The weight_map of %s does not name a file for %.80s.", folder, j->key);
        for (const struct json *k = map->first; k != j && !seen; k = k->next)
            seen = !strcmp(k->text, j->text);
        wrong = seen ? NULL : open_shard(m, folder, j->text, why);
    }
    return wrong;
}

static const char *open_model(struct model *m, const char *folder, char *why)
{
    char path[RUN_TEXT + 64];
    if (strlen(folder) >= RUN_TEXT)
        return say(why, "The folder's name is longer than %d characters.", RUN_TEXT - 1);
    run_path(path, folder, "config.json");
    m->config = json_read(path, 1 << 20, why);
    if (!m->config)
        return why;
    run_path(path, folder, "model.safetensors.index.json");
    if (access(path, F_OK))
        return open_shard(m, folder, "model.safetensors", why);
    struct json *index = json_read(path, 1 << 26, why);
    const char *wrong = index ? open_shards(m, folder, index, why) : why;
    json_free(index);
    return wrong;
}

/* Native files leave out the first word of the embedding's name. */
static const struct st_tensor *find(const struct model *m, const char *name, struct st_file **in)
{
    const char *const names[2] = {name, strcmp(name, "backbone.embeddings.weight") ? name : "embedding.weight"};
    for (int i = 0; i < 2 * m->shards; i++) {
        const struct st_tensor *t = st_find(m->shard[i / 2], names[i % 2]);
        *in = m->shard[i / 2];
        if (t)
            return t;
    }
    return NULL;
}

static int shape_of(void *arg, const char *name, int64_t shape[2])
{
    struct st_file *in;
    const struct st_tensor *t = find(arg, name, &in);
    if (!t || t->rank != 2)
        return 0;
    shape[0] = t->shape[0];
    shape[1] = t->shape[1];
    return 1;
}

/* ---- rows of q and k between the two layouts of RoPE */

/* Half-split row p of a head is interleaved row 2p, row p + D/2 is row 2p + 1; an odd last row stays. */
static void permute(float *to, const float *from, const struct swax_tensor *t, int to_half_split)
{
    const long head_dim = t->shape[0] / t->rope_heads, width = t->shape[1];
    for (long row = 0; row < t->shape[0]; row++) {
        const long r = row % head_dim, half = head_dim / 2, base = row - r;
        const long other = base + (r >= 2 * half ? r : r < half ? 2 * r : 2 * (r - half) + 1);
        const long source = to_half_split ? other : row, target = to_half_split ? row : other;
        memcpy(to + (size_t)target * (size_t)width, from + (size_t)source * (size_t)width, (size_t)width * sizeof *to);
    }
}

/* ---- in */

static const char *import_tensor(const struct model *m, struct swax_network *n, int i, const struct swax_tensor *t,
                                 enum hf_rope rope,
                                 float *room, float *turned, char *why)
{
    struct st_file *in;
    const struct st_tensor *found = find(m, t->name, &in);
    if (!found)
        return say(why, "The model lacks tensor %s.", t->name);
    /* some files keep the cell's norm as (heads, size) */
    const int vector = t->rank == 1 && found->size == t->size;
    if (!vector && (found->rank != t->rank || found->shape[0] != t->shape[0] || found->shape[1] != t->shape[1]))
        return say(why, "Tensor %s of the model has %lld elements in a shape that is not this network's %ld x %ld.",
                   t->name,
                   (long long)found->size, t->shape[0], t->rank > 1 ? t->shape[1] : 1);
    if (st_read(in, found, ST_F32, room, why))
        return why;
    const int turn = rope == HF_INTERLEAVED && t->rope_heads;
    if (turn)
        permute(turned, room, t, 1);
    swax_network_put(n, SWAX_WEIGHT, i, turn ? turned : room);
    return NULL;
}

static long largest(struct swax_network *n)
{
    int count;
    long most = 0;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    for (int i = 0; i < count; i++)
        most = t[i].size > most ? t[i].size : most;
    return most;
}

static const char *import_all(const struct model *m, const struct run *r, const char *checkpoint, enum hf_rope rope,
                              char *why)
{
    const char *wrong;
    int count = 0;
    struct swax_network *n = swax_network_new(&r->model, swax_tier_find("ref", &wrong), SWAX_PREC_F32, 1, 1, 0, why);
    if (!n)
        return why;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    const size_t most = (size_t)largest(n) * sizeof(float);
    float *room = malloc(most), *turned = malloc(most);
    wrong = room && turned ? NULL : say(why, "There is no memory for a tensor of %zu bytes.", most);
    for (int i = 0; i < count && !wrong; i++)
        wrong = import_tensor(m, n, i, &t[i], rope, room, turned, why);
    const int bad = wrong ? -1 : swax_network_nonfinite(n, SWAX_WEIGHT);
    if (bad >= 0)
        wrong = say(why, "Tensor %s of the model holds a NaN or an infinity: nothing can be computed with it.",
                    t[bad].name);
    if (!wrong)
        wrong = checkpoint_save(checkpoint, r, n, 0, 0, why);
    free(room);
    free(turned);
    swax_network_free(n);
    return wrong;
}

const char *hf_import(const char *folder, const char *checkpoint, enum hf_rope rope, char *why)
{
    struct model m = {0};
    struct run r;
    char wrong[SWAX_WHY];
    const char *bad = open_model(&m, folder, why);
    if (!bad && (hf_own_is(m.config) ? hf_own_read(&r, m.config, wrong) : hf_config_read(&r, m.config, shape_of, &m, wrong)))
        bad = say(why, "%.100s cannot be read: %.200s", folder, wrong);
    if (!bad)
        bad = import_all(&m, &r, checkpoint, rope, why);
    close_model(&m);
    return bad;
}

/* ---- out */

struct exported { struct swax_network *n; enum hf_rope rope; const struct swax_tensor *tensor; float *room; };

static void get(void *arg, int i, void *to)
{
    const struct exported *e = arg;
    const int turn = e->rope == HF_INTERLEAVED && e->tensor[i].rope_heads;
    swax_network_get(e->n, SWAX_WEIGHT, i, turn ? e->room : to);
    if (turn)
        permute(to, e->room, &e->tensor[i], 0);
}

static const char *export_all(struct swax_network *n, const struct run *r, const char *folder, enum hf_rope rope,
                              char *why)
{
    static const char *const meta[][2] = {{"format", "pt"}};
    char path[RUN_TEXT + 64];
    int count;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    struct exported e = {n, rope, t, malloc((size_t)largest(n) * sizeof(float))};
    struct st_tensor *tensor = calloc((size_t)count, sizeof *tensor);
    const struct st_plan plan = {count, tensor, get, &e, 1, meta};
    char *config = hf_config_text(r, rope);
    const char *wrong = e.room && tensor && config ? file_make_folder(folder, why)
                                                   : say(why, "There is no memory to write %s.", folder);
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
    if (checkpoint_open(&c, checkpoint, why))
        return why;
    if (strstr(folder, ".safetensors")) {
        checkpoint_close(&c);
        return say(why, "to=%.120s: a checkpoint becomes a model of Hugging Face's, which is a folder: name one.",
                   folder);
    }
    struct swax_network *n = swax_network_new(&c.run.model, swax_tier_find("ref", &wrong), SWAX_PREC_F32, 1, 1, 0, why);
    wrong = !n ? why : hf_own_needed(&c.run.model) ? hf_own_says_no(&c.run.model, why) : hf_config_says_no(&c.run.model, why);
    if (!wrong)
        wrong = checkpoint_load(&c, n, SWAX_PREC_F32, 0, why);
    if (!wrong)
        wrong = export_all(n, &c.run, folder, rope, why);
    if (n)
        swax_network_free(n);
    checkpoint_close(&c);
    return wrong;
}
