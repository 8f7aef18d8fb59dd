/* hf_model.c - a model in a folder of Hugging Face's, read. */
#include "tools/convert/hf_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/convert/hf_config.h"
#include "tools/convert/hf_own.h"
#include "tools/lib/json.h"
#include "tools/lib/say.h"
#include "tools/train/weights.h"

enum { SHARDS = 1024 };

struct hf_model {
    struct json *config;
    struct st_file *shard[SHARDS];
    int shards;
    enum hf_rope rope;
};

void hf_close(struct hf_model *m)
{
    for (int i = 0; m && i < m->shards; i++)
        st_close(m->shard[i]);
    if (m)
        json_free(m->config);
    free(m);
}

static const char *open_shard(struct hf_model *m, const char *folder, const char *name, char *why)
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
static const char *open_shards(struct hf_model *m, const char *folder, const struct json *index, char *why)
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

static const char *open_files(struct hf_model *m, const char *folder, char *why)
{
    char path[RUN_TEXT + 64];
    if (strlen(folder) >= RUN_TEXT)
        return say(why, "The folder's name is longer than %d characters.", RUN_TEXT - 1);
    run_path(path, folder, "config.json");
    m->config = json_read(path, 1 << 20, why);
    *why = 0;
    if (!json_get(m->config, "model_type"))        /* no folder, or that of a run */
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
static const struct st_tensor *find(const struct hf_model *m, const char *name, struct st_file **in)
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

/* How its RoPE turns: as config.json says, else as it is asked for, else by halves. */
static const char *settle_rope(struct hf_model *m, const char *folder, enum hf_rope asked, char *why)
{
    const enum hf_rope said = hf_own_rope(m->config);
    m->rope = said != HF_AS_SAID ? said : asked != HF_AS_SAID ? asked : HF_HALF_SPLIT;
    return asked == HF_AS_SAID || asked == m->rope ? NULL
         : say(why, "rope=%s: by the config.json in %.150s its RoPE is %s, which is read without rope=.",
               hf_rope_word((int)asked), folder, hf_rope_word((int)m->rope));
}

struct hf_model *hf_open(const char *folder, enum hf_rope rope, struct run *r, char *why)
{
    char wrong[SWAX_WHY];
    struct hf_model *m = calloc(1, sizeof *m);
    if (!m)
        return say(why, "There is no memory to open %.150s.", folder), NULL;
    const char *bad = open_files(m, folder, why);
    if (!bad && (hf_own_is(m->config) ? hf_own_read(r, m->config, wrong)
                                      : hf_config_read(r, m->config, shape_of, m, wrong)))
        bad = say(why, "%.100s cannot be read: %.200s", folder, wrong);
    if (!bad)
        bad = settle_rope(m, folder, rope, why);
    if (bad)
        hf_close(m);
    return bad ? NULL : m;
}

/* ---- rows of q and k between the two layouts of RoPE */

/* Half-split row p of a head is interleaved row 2p, row p + D/2 is row 2p + 1; an odd last row stays. */
void hf_turn(void *to, const void *from, const struct swax_tensor *t, size_t bytes, int to_half_split)
{
    const long head_dim = t->shape[0] / t->rope_heads;
    for (long row = 0; row < t->shape[0]; row++) {
        const long r = row % head_dim, half = head_dim / 2, base = row - r;
        const long other = base + (r >= 2 * half ? r : r < half ? 2 * r : 2 * (r - half) + 1);
        const long source = to_half_split ? other : row, target = to_half_split ? row : other;
        memcpy((char *)to + (size_t)target * bytes, (const char *)from + (size_t)source * bytes, bytes);
    }
}

/* ---- weights */

static const char *load_tensor(const struct hf_model *m, struct swax_network *n, int i, const struct swax_tensor *t,
                               enum st_type type, void *room, void *turned, char *why)
{
    struct st_file *in;
    const struct st_tensor *found = find(m, t->name, &in);
    if (!found)
        return say(why, "The model lacks tensor %s.", t->name);
    /* some files keep the cell's norm as (heads, size) */
    const int vector = t->rank == 1 && found->size == t->size;
    if (!vector && (found->rank != t->rank || found->shape[0] != t->shape[0] || found->shape[1] != t->shape[1]))
        return say(why, "Tensor %s of the model has %lld elements in a shape that is not this network's %ld x %ld.",
                   t->name, (long long)found->size, t->shape[0], t->rank > 1 ? t->shape[1] : 1);
    if (st_read(in, found, type, room, why))
        return why;
    const int turn = m->rope == HF_INTERLEAVED && t->rope_heads;
    if (turn)
        hf_turn(turned, room, t, (size_t)t->shape[1] * (size_t)st_type_bytes[type], 1);
    swax_network_put(n, SWAX_WEIGHT, i, turn ? turned : room);
    return NULL;
}

/* What the network has no place for would be left out of its numbers: a bias, a norm.  A tied matrix may stand there
 * twice. */
static const char *look_for_more(const struct hf_model *m, const struct swax_network *n, char *why)
{
    int count;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    const int tied = swax_network_config(n)->tied;
    for (int s = 0; s < m->shards; s++)
        for (int k = 0; k < st_count(m->shard[s]); k++) {
            const char *name = st_tensor(m->shard[s], k)->name;
            int known = !strcmp(name, "embedding.weight") || (tied && !strcmp(name, "lm_head.weight"));
            for (int i = 0; i < count && !known; i++)
                known = !strcmp(t[i].name, name);
            if (!known)
                return say(why, "Tensor %.120s of the model has no place in this network, whose numbers would be other "
                                "than the model's.", name);
        }
    return NULL;
}

size_t hf_largest(struct swax_network *n)
{
    int count;
    long most = 0;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    for (int i = 0; i < count; i++)
        most = t[i].size > most ? t[i].size : most;
    return (size_t)most;
}

const char *hf_load(struct hf_model *m, struct swax_network *n, enum swax_precision precision, char *why)
{
    const enum st_type type = precision == SWAX_PREC_F64 ? ST_F64 : ST_F32;
    int count;
    const struct swax_tensor *t = swax_network_tensors(n, &count);
    const size_t most = hf_largest(n) * (size_t)st_type_bytes[type];
    void *room = malloc(most), *turned = malloc(most);
    const char *wrong = room && turned ? NULL : say(why, "There is no memory for a tensor of %zu bytes.", most);
    for (int i = 0; i < count && !wrong; i++)
        wrong = load_tensor(m, n, i, &t[i], type, room, turned, why);
    if (!wrong)
        wrong = look_for_more(m, n, why);
    free(room);
    free(turned);
    const int bad = wrong ? -1 : swax_network_nonfinite(n, SWAX_WEIGHT);
    return bad < 0 ? wrong
                   : say(why, "Tensor %s of the model holds a NaN or an infinity: nothing can be computed with it.",
                         t[bad].name);
}

/* ---- as the rest of the program reads weights */

static void *open_theirs(const char *path, struct run *r, char *why)
{
    return hf_open(path, HF_AS_SAID, r, why);
}

static const char *load_theirs(void *model, struct swax_network *n, enum swax_precision precision, char *why)
{
    return hf_load(model, n, precision, why);
}

static void close_theirs(void *model) { hf_close(model); }

const struct weights_format weights_theirs = {
    .open = open_theirs, .load = load_theirs, .close = close_theirs,
};
