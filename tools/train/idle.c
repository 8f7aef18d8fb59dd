/* idle.c - settings that do nothing.  They are no mistake that ends a run, but who asked for one should know. */
#include "tools/train/idle.h"

#include <string.h>
#include "ref/network/mixers.h"
#include "tools/lib/number.h"

static int draws(const struct run *r) { return r->windows.short_window > 0; }
static int cools(const struct run *r) { return r->schedule == SCHEDULE_WSD; }
static int falls(const struct run *r) { return r->schedule != SCHEDULE_CONSTANT; }
static int has_windows(const struct run *r)
{
    int l = 0;
    while (l < r->model.layers && swax_layer_mixer(&r->model, l)->sees != SWAX_SEES_WINDOW)
        l++;
    return l < r->model.layers;
}

static const char *of_source(const struct run *r, const char *key)
{
    const int i = source_key_find(r->source, key);
    return i < 0 ? "" : r->value[i];
}

static int holds_a_part_out(const struct run *r) { return !*of_source(r, "held_out_file"); }

static int holds_blocks_out(const struct run *r)
{
    double share = 1;
    return holds_a_part_out(r) && (!number_real(of_source(r, "held_out"), 0, 1, &share) || share > 0);
}

static int looks(const struct run *r) { return r->held_out_sequences > 0; }

/* What a key of the run needs. */
static const struct need { const char *key, *what; int (*met)(const struct run *r); } needs[] = {
    {"short_probability", "short_window=", draws}, {"anneal", "short_window=", draws},
    {"ramp", "short_window=", draws}, {"cooldown", "schedule=wsd", cools},
    {"final_rate", "schedule=cosine or schedule=wsd", falls}, {"held_out_every", "held_out_sequences=", looks},
    {"sample_tokens", "held_out_sequences=", looks},
    {"window", "a layer of swa", has_windows}, {"short_window", "a layer of swa", has_windows},
    {"held_out", "a part of file= to hold out: held_out_file= says what is", holds_a_part_out},
    {"held_out_blocks", "a part of file= that is held out", holds_blocks_out},
};

static const struct need *need_of(const char *key)
{
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        if (!strcmp(needs[i].key, key))
            return &needs[i];
    return NULL;
}

static int has(const struct swax_key *table, const char *key)
{
    while (table->name && strcmp(table->name, key))
        table++;
    return table->name != NULL;
}

static int used_by_a_layer(const struct swax_config *c, const struct swax_key *table)
{
    int l = 0;
    while (l < c->layers && swax_layer_mixer(c, l)->keys != table)
        l++;
    return l < c->layers;
}

/* A mixer whose key it is, where no layer has that key; else NULL. */
static const char *missing_mixer(const struct swax_config *c, const char *key)
{
    const char *missing = NULL;
    const struct swax_key *table;
    int mixer;
    for (int t = 0; (table = swax_config_keys(t, &mixer)); t++) {
        if (mixer < 0 || !has(table, key))
            continue;
        if (used_by_a_layer(c, table))
            return NULL;
        missing = swax_mixer_row(mixer)->name;
    }
    return missing;
}

void idle_settings(FILE *f, const struct run *r, const struct options *o)
{
    for (int i = 0; i < o->n; i++) {
        const struct option *p = &o->list[i];
        const struct need *need = need_of(p->key);
        const char *mixer = missing_mixer(&r->model, p->key);
        if (p->of_config)                      /* a file may say all keys there are */
            continue;
        const struct key *row = key_find(run_keys, p->key);
        row = row ? row : key_find(r->source->keys, p->key);
        if (need && row && !need->met(r) && strcmp(p->value, row->otherwise))
            fprintf(f, "%s=%s does nothing without %s.\n", p->key, p->value, need->what);
        if (mixer)
            fprintf(f, "%s=%s does nothing without a layer of %s.\n", p->key, p->value, mixer);
    }
    if (r->windows.short_window == r->windows.window)
        fprintf(f, "short_window=%d is window= itself: every step takes the same.\n", r->windows.short_window);
}
