/* network_keys.c - the keys of a network and its mixers as rows. */
#include "tools/lib/network_keys.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include "ref/network/mixers.h"

enum { TABLES = KEY_TABLES, ROWS = 32 };

static const char *read_network(void *field, const struct key *k, const char *text, char *why)
{
    return swax_config_set(field, k->name, text, why);
}

static void write_network(char text[KEY_TEXT], const struct key *k, const void *field)
{
    char whole[SWAX_TEXT];
    snprintf(text, KEY_TEXT, "%s", swax_config_get(field, k->name, whole));
}

/* The field is the whole struct: where a key's value is, ref knows. */
static const struct key_type network_number = {read_network, write_network, 1},
    network_word = {read_network, write_network, 0};

static const char *mixer_word(int i)
{
    return swax_mixer_row(i) ? swax_mixer_row(i)->name : NULL;
}

/* What other programs call a key. */
static const char *others(const char *name)
{
    static const char *const pairs[][2] = {
        {"vocabulary", "vocab vocab_size"}, {"width", "d_model hidden_size dim n_embd embedding_dim"},
        {"mixers", "layers n_layer num_layers depth"},
        {"ffn_width", "intermediate_size d_ff ffn_dim"}, {"heads", "n_head num_heads num_attention_heads"},
        {"key_value_heads", "n_kv_head num_key_value_heads kv_heads"}, {"tied", "tie_word_embeddings tie_embeddings"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (!strcmp(name, pairs[i][0]))
            return pairs[i][1];
    return NULL;
}

static void fill(struct key *row, const struct swax_key *from, char what[SWAX_WHY], char otherwise[KEY_TEXT],
                 const struct swax_config *c)
{
    const int number = from->kind != SWAX_KEY_WORD && from->kind != SWAX_KEY_MIXERS;
    size_t n = (size_t)snprintf(what, SWAX_WHY, "%s%s%s", from->what, from->zero ? "; 0: " : "", from->zero
                                ? from->zero : "");
    for (int m = 0; from->kind == SWAX_KEY_MIXERS && mixer_word(m) && n < SWAX_WHY; m++)
        n += (size_t)snprintf(what + n, SWAX_WHY - n, "%s%s", m ? ", " : ": ", mixer_word(m));
    *row = (struct key){.name = from->name, .type = number ? &network_number : &network_word, .otherwise = otherwise,
                        .what = what,
                        .words = from->words, .word = from->kind == SWAX_KEY_MIXERS ? mixer_word : NULL,
                        .others = others(from->name),
                        .least = from->kind == SWAX_KEY_NUMBER ? -HUGE_VAL : from->kind == SWAX_KEY_SIZE && !from->zero,
                        .most = HUGE_VAL};
    write_network(otherwise, row, c);
}

void network_tables(struct keys *k, const char *title, struct swax_config *c)
{
    static struct { struct key row[ROWS + 1]; char what[ROWS][SWAX_WHY], otherwise[ROWS][KEY_TEXT],
                   title[128]; } all[TABLES];
    const struct swax_config ours = swax_config_default();
    int mixer;
    for (int t = 0; t < TABLES && swax_config_keys(t, &mixer); t++) {
        const struct swax_key *from = swax_config_keys(t, &mixer);
        for (int i = 0; from[i].name && i < ROWS; i++)
            fill(&all[t].row[i], &from[i], all[t].what[i], all[t].otherwise[i], &ours);
        size_t n = (size_t)snprintf(all[t].title, sizeof all[t].title, "%s", mixer < 0 && title ? title : "Layers of");
        for (int m = 0; mixer >= 0 && swax_mixer_row(m) && n < sizeof all[t].title; m++)
            if (swax_mixer_row(m)->keys == from)
                n += (size_t)snprintf(all[t].title + n, sizeof all[t].title - n, "%s %s", m > mixer ? "," : "",
                                      swax_mixer_row(m)->name);
        keys_add(k, mixer < 0 && !title ? NULL : all[t].title, all[t].row, c);
    }
}
