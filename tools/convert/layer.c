/* layer.c - one recurrent layer from and to a file in which it is named as Hugging Face's model has it. */
#include "tools/convert/layer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ref/network/mixers.h"
#include "tools/lib/say.h"
#include "tools/train/checkpoint.h"

struct layer {
    struct checkpoint c;
    struct swax_network *n;
    const struct swax_mixer *mixer;
    const struct swax_tensor *tensor;      /* of the whole network */
    int count, number;
};

static void close_layer(struct layer *l)
{
    if (l->n)
        swax_network_free(l->n);
    checkpoint_close(&l->c);
}

/* On failure nothing is left open. */
static const char *open_layer(struct layer *l, const char *checkpoint, int number, char *why)
{
    char wrong[SWAX_WHY];
    const char *bad = NULL, *no_tier;
    *l = (struct layer){.number = number};
    if (checkpoint_open(&l->c, checkpoint, why))
        return why;
    const struct swax_config *c = &l->c.run.model;
    if (number >= c->layers)
        bad = say(why, "layer=%d: the network has layers 0 to %d.", number, c->layers - 1);
    l->mixer = bad ? NULL : swax_layer_mixer(c, number);
    if (!bad && !l->mixer->hf.tensors)
        bad = say(why, "layer=%d: it is of %s, which no model of Hugging Face's has by itself.", number,
                  l->mixer->name);
    if (!bad && l->mixer->hf.alone && l->mixer->hf.alone(swax_layer_keys(c, number), wrong))
        bad = say(why, "layer=%d: %s.", number, wrong);
    l->n = bad ? NULL : swax_network_new(c, swax_tier_find("ref", &no_tier), SWAX_PREC_F32, 1, 1, 0, why);
    if (!bad)
        bad = l->n ? checkpoint_load(&l->c, l->n, SWAX_PREC_F32, 0, why) : why;
    if (bad)
        close_layer(l);
    else
        l->tensor = swax_network_tensors(l->n, &l->count);
    return bad;
}

/* ---- a tensor of theirs, and the tensors of ours whose rows it has */

struct cut {
    int part[SWAX_HF_PARTS], parts, groups;
    long rows, columns;                    /* of all parts together */
};

static int find(const struct layer *l, const char *name)
{
    char full[128];
    int i = 0;
    snprintf(full, sizeof full, "backbone.blocks.%d.%s", l->number, name);
    while (i < l->count && strcmp(l->tensor[i].name, full))
        i++;
    return i;
}

static struct cut cut_of(const struct layer *l, const struct swax_hf_tensor *theirs)
{
    struct cut c = {.groups = theirs->groups ? (int)swax_config_number(&l->c.run.model, theirs->groups) : 1};
    for (; c.parts < SWAX_HF_PARTS && theirs->of[c.parts]; c.parts++) {
        const struct swax_tensor *t = &l->tensor[c.part[c.parts] = find(l, theirs->of[c.parts])];
        c.rows += t->shape[0];
        c.columns = t->rank > 1 ? t->shape[1] : 1;
    }
    return c;
}

/* Rows of one part: each group of theirs has its share of every part, one part after the other. */
static void copy_rows(float *theirs, float *ours, const struct layer *l, const struct cut *c, int part, int to_theirs)
{
    long before = 0;
    for (int i = 0; i < part; i++)
        before += l->tensor[c->part[i]].shape[0] / c->groups;
    const long rows = l->tensor[c->part[part]].shape[0] / c->groups;
    const size_t bytes = (size_t)(rows * c->columns) * sizeof *ours;
    for (int g = 0; g < c->groups; g++) {
        float *of_theirs = theirs + (g * (c->rows / c->groups) + before) * c->columns;
        float *of_ours = ours + g * rows * c->columns;
        memcpy(to_theirs ? of_theirs : of_ours, to_theirs ? of_ours : of_theirs, bytes);
    }
}

static struct st_tensor described(const struct layer *l, const struct swax_hf_tensor *theirs, const char *name)
{
    const struct cut c = cut_of(l, theirs);
    struct st_tensor t = {.name = name, .type = ST_F32, .rank = l->tensor[c.part[0]].rank,
                          .shape = {c.rows, c.columns}};
    if (theirs->taps) {
        t.rank = 3;
        t.shape[1] = 1;
        t.shape[2] = c.columns;
    }
    return t;
}

static long largest(const struct layer *l)
{
    long most = 0;
    for (int i = 0; i < l->count; i++)
        most = l->tensor[i].size > most ? l->tensor[i].size : most;
    return most;
}

enum { TENSORS = 16, NAME = 160 };
struct names { char text[TENSORS][NAME]; int n; };

static const char *list_names(struct names *names, const struct layer *l, const char *prefix, char *why)
{
    for (names->n = 0; l->mixer->hf.tensors[names->n].name; names->n++) {
        const int written = snprintf(names->text[names->n], NAME, "%s%s", prefix, l->mixer->hf.tensors[names->n].name);
        if (written >= NAME)
            return say(why, "prefix=%.60s: it is longer than %d characters.", prefix, NAME - 40);
    }
    return NULL;
}

/* ---- out */

struct exported { const struct layer *l; float *room; };

static void get(void *arg, int i, void *to)
{
    const struct exported *e = arg;
    const struct cut c = cut_of(e->l, &e->l->mixer->hf.tensors[i]);
    for (int part = 0; part < c.parts; part++) {
        swax_network_get(e->l->n, SWAX_WEIGHT, c.part[part], e->room);
        copy_rows(to, e->room, e->l, &c, part, 1);
    }
}

const char *layer_export(const char *checkpoint, const char *file, int layer, const char *prefix, char *why)
{
    struct layer l;
    struct names names;
    struct st_tensor tensor[TENSORS];
    if (open_layer(&l, checkpoint, layer, why))
        return why;
    const char *const meta[][2] = {{"format", "pt"}, {"layer", l.mixer->hf.layer}};
    struct exported e = {&l, malloc((size_t)largest(&l) * sizeof(float))};
    const char *wrong = e.room ? list_names(&names, &l, prefix, why) : say(why, "There is no memory for a tensor.");
    for (int i = 0; !wrong && i < names.n; i++)
        tensor[i] = described(&l, &l.mixer->hf.tensors[i], names.text[i]);
    if (!wrong) {
        const struct st_plan plan = {names.n, tensor, get, &e, 2, meta};
        wrong = st_write(file, &plan, why);
    }
    free(e.room);
    close_layer(&l);
    return wrong;
}

/* ---- in */

static int same_shape(const struct st_tensor *a, const struct st_tensor *b)
{
    int same = a->rank == b->rank;
    for (int i = 0; i < a->rank && same; i++)
        same = a->shape[i] == b->shape[i];
    return same;
}

static const char *import_tensor(struct layer *l, struct st_file *f, const struct swax_hf_tensor *theirs,
                                 const char *name,
                                 float *room, char *why)
{
    const struct cut c = cut_of(l, theirs);
    const struct st_tensor *found = st_find(f, name), wanted = described(l, theirs, name);
    const size_t size = (size_t)(c.rows * c.columns);
    if (!found)
        return say(why, "The file lacks tensor %s.", name);
    if (!same_shape(found, &wanted))
        return say(why, "Tensor %s of the file is not of the shape %ld x %s%ld, which layer %d of this network needs.",
                   name, c.rows,
                   theirs->taps ? "1 x " : "", c.columns, l->number);
    if (st_read(f, found, ST_F32, room, why))
        return why;
    for (int part = 0; part < c.parts; part++) {
        copy_rows(room, room + size, l, &c, part, 0);
        swax_network_put(l->n, SWAX_WEIGHT, c.part[part], room + size);
    }
    return NULL;
}

/* Room for one tensor of theirs and its largest part. */
static size_t room_for(const struct layer *l)
{
    long most = 0;
    for (const struct swax_hf_tensor *t = l->mixer->hf.tensors; t->name; t++) {
        const struct cut c = cut_of(l, t);
        most = c.rows * c.columns > most ? c.rows * c.columns : most;
    }
    return 2 * (size_t)most * sizeof(float);
}

const char *layer_import(const char *file, const char *into, const char *checkpoint, int layer, const char *prefix,
                         char *why)
{
    struct layer l;
    struct names names;
    if (open_layer(&l, into, layer, why))
        return why;
    struct st_file *f = st_open(file, why);
    float *room = malloc(room_for(&l));
    const char *wrong = !f ? why : room ? list_names(&names, &l, prefix, why)
                                        : say(why, "There is no memory for a tensor.");
    for (int i = 0; !wrong && i < names.n; i++)
        wrong = import_tensor(&l, f, &l.mixer->hf.tensors[i], names.text[i], room, why);
    const int bad = wrong ? -1 : swax_network_nonfinite(l.n, SWAX_WEIGHT);
    if (bad >= 0)
        wrong = say(why, "Tensor %s would hold a NaN or an infinity: nothing can be computed with it.",
                    l.tensor[bad].name);
    if (!wrong)
        wrong = checkpoint_save(checkpoint, &l.c.run, l.n, 0, 0, why);
    free(room);
    if (f)
        st_close(f);
    close_layer(&l);
    return wrong;
}
