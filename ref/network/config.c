/* config.c - one table of keys: read, written, listed and checked from it. */
#include "ref/network/config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ref/kernels.h"

const char *const swax_mixer_name[SWAX_MIXERS] = { "swa", "full", "mlstm" };

enum kind { SIZE, SIZE_OR_0, NUMBER, POSITIVE, NOT_NEGATIVE, WORD, MIXER_LIST };

static const char *const gates[] = { "exponential", "sigmoid", "sigmoid_normalised", NULL };
static const char *const norms[] = { "rms", "layer", NULL };
static const char *const yesno[] = { "no", "yes", NULL };

static const struct key {
    const char *name;
    enum kind kind;
    size_t at;
    const char *const *words;     /* of a WORD: its value is the index */
    const char *right;            /* what would be right */
} keys[] = {
#define KEY(name, kind, field, words, right) { name, kind, offsetof(struct swax_config, field), words, right }
    KEY("vocabulary",             SIZE,         vocabulary,       NULL,  "a whole number of at least 1"),
    KEY("width",                  SIZE,         width,            NULL,  "a whole number of at least 1"),
    KEY("mixers",                 MIXER_LIST,   mixer,            NULL,  "a list such as 'swa mlstm swa mlstm', one of swa, full, mlstm per layer, at most 256 layers"),
    KEY("ffn_width",              SIZE_OR_0,    ffn_width,        NULL,  "a whole number of at least 1, or 0 for 8/3 of width rounded up to a multiple of 64"),
    KEY("heads",                  SIZE,         heads,            NULL,  "a whole number of at least 1"),
    KEY("key_value_heads",        SIZE_OR_0,    kv_heads,         NULL,  "a divisor of heads, or 0 for as many as heads"),
    KEY("head_dim",               SIZE_OR_0,    head_dim,         NULL,  "a whole number of at least 1, or 0 for width/heads"),
    KEY("cell_heads",             SIZE,         cell_heads,       NULL,  "a whole number of at least 1"),
    KEY("cell_key_dim",           SIZE_OR_0,    key_dim,          NULL,  "a whole number of at least 1, or 0 for half of cell_value_dim"),
    KEY("cell_value_dim",         SIZE_OR_0,    value_dim,        NULL,  "a whole number of at least 1, or 0 for width/cell_heads"),
    KEY("cell_gate",              WORD,         cell_gate,        gates, "exponential, sigmoid or sigmoid_normalised"),
    KEY("cell_norm",              WORD,         cell_norm_center, norms, "layer or rms"),
    KEY("tied",                   WORD,         tied,             yesno, "yes or no"),
    KEY("chunk",                  SIZE,         chunk,            NULL,  "a whole number of at least 1"),
    KEY("rope_theta",             POSITIVE,     rope_theta,       NULL,  "a number above 0"),
    KEY("norm_eps",               NOT_NEGATIVE, norm_eps,         NULL,  "a number of at least 0"),
    KEY("cell_norm_eps",          NOT_NEGATIVE, cell_norm_eps,    NULL,  "a number of at least 0"),
    KEY("cell_eps",               NOT_NEGATIVE, cell_eps,         NULL,  "a number of at least 0"),
    KEY("gate_cap",               NOT_NEGATIVE, gate_cap,         NULL,  "a number above 0, or 0 for no cap"),
    KEY("logit_cap",              NOT_NEGATIVE, logit_cap,        NULL,  "a number above 0, or 0 for no cap"),
    KEY("input_gate_bias",        NUMBER,       input_gate_bias,  NULL,  "a number"),
    KEY("forget_gate_bias_first", NUMBER, forget_gate_bias_first, NULL,  "a number"),
    KEY("forget_gate_bias_last",  NUMBER, forget_gate_bias_last,  NULL,  "a number"),
#undef KEY
};
enum { KEYS = sizeof keys / sizeof keys[0] };

struct swax_config swax_config_default(void)
{
    const struct swax_config c = {
        .vocabulary = 256, .width = 64, .layers = 4,
        .mixer = { SWAX_SWA, SWAX_MLSTM, SWAX_SWA, SWAX_MLSTM },
        .heads = 4, .cell_heads = 4, .cell_gate = SWAX_EXPONENTIAL, .cell_norm_center = 1, .chunk = 64,
        .rope_theta = 10000, .norm_eps = 1e-6, .cell_norm_eps = 1e-6, .cell_eps = 1e-6,
        .gate_cap = 15, .logit_cap = 30,
        .input_gate_bias = -10, .forget_gate_bias_first = 3, .forget_gate_bias_last = 6,
    };
    return c;
}

static int *as_int(struct swax_config *c, const struct key *k)       { return (int *)(void *)((char *)c + k->at); }
static double *as_double(struct swax_config *c, const struct key *k) { return (double *)(void *)((char *)c + k->at); }

static int same_word(const char *a, const char *b, size_t n) { return strlen(b) == n && !strncmp(a, b, n); }

static int read_mixers(struct swax_config *c, const char *text)
{
    static const char *const separators = " ,";
    int layers = 0;
    for (text += strspn(text, separators); *text; text += strspn(text, separators)) {
        const size_t n = strcspn(text, separators);
        int m = 0;
        while (m < SWAX_MIXERS && !same_word(text, swax_mixer_name[m], n))
            m++;
        if (m == SWAX_MIXERS || layers == SWAX_LAYERS)
            return 0;
        c->mixer[layers++] = (unsigned char)m;
        text += n;
    }
    c->layers = layers;
    return layers > 0;
}

static int read_int(int *to, const char *text, int least)
{
    char *end;
    const long v = strtol(text, &end, 10);
    if (end == text || *end || v < least || v > INT_MAX)
        return 0;
    *to = (int)v;
    return 1;
}

static int allowed(double v, enum kind kind)
{
    const int finite = v - v == 0; /* NaN and infinity fail */
    return finite && (kind == POSITIVE ? v > 0 : kind == NOT_NEGATIVE ? v >= 0 : 1);
}

static int read_double(double *to, const char *text, enum kind kind)
{
    char *end;
    const double v = strtod(text, &end);
    if (end == text || *end || !allowed(v, kind))
        return 0;
    *to = v;
    return 1;
}

static int read_word(int *to, const char *text, const char *const *words)
{
    for (int w = 0; words[w]; w++)
        if (!strcmp(text, words[w])) {
            *to = w;
            return 1;
        }
    return 0;
}

const char *swax_config_set(struct swax_config *c, const char *name, const char *value, char *why)
{
    const struct key *k = keys;
    while (k < keys + KEYS && strcmp(k->name, name))
        k++;
    if (k == keys + KEYS) {
        snprintf(why, SWAX_WHY, "there is no key '%.40s'; the nearest is '%s'", name, swax_config_nearest(name));
        return why;
    }
    struct swax_config n = *c; /* a value that is refused changes nothing */
    const int ok = k->kind == MIXER_LIST ? read_mixers(&n, value)
                 : k->kind == WORD       ? read_word(as_int(&n, k), value, k->words)
                 : k->kind <= SIZE_OR_0  ? read_int(as_int(&n, k), value, k->kind == SIZE)
                 :                         read_double(as_double(&n, k), value, k->kind);
    if (!ok) {
        snprintf(why, SWAX_WHY, "%s=%.60s: should be %s", name, value, k->right);
        return why;
    }
    *c = n;
    return NULL;
}

/* A product of sizes must stay below 2^31: kernels count elements in int. */
static const char *too_large(char *why, const char *what, long long a, long long b)
{
    if (a * b <= INT_MAX)
        return NULL;
    snprintf(why, SWAX_WHY, "%s would have %lld x %lld elements, and a tensor may have at most %d", what, a, b, INT_MAX);
    return why;
}

static const char *refuse(char *why, const char *key, long long value, const char *right)
{
    snprintf(why, SWAX_WHY, "%s=%lld: should be %s", key, value, right);
    return why;
}

const char *swax_config_check(struct swax_config *c, char *why)
{
    if (c->layers < 1 || c->layers > SWAX_LAYERS)
        return refuse(why, "layers", c->layers, "1 to 256, one word of mixers each");
    for (const struct key *k = keys; k < keys + KEYS; k++) {
        const int least = k->kind == SIZE;
        int words = 0;
        while (k->kind == WORD && k->words[words])
            words++;
        if ((k->kind <= SIZE_OR_0 && *as_int(c, k) < least) || (k->kind == WORD && (*as_int(c, k) < 0 || *as_int(c, k) >= words)))
            return refuse(why, k->name, *as_int(c, k), k->right);
        if (k->kind > SIZE_OR_0 && k->kind < WORD && !allowed(*as_double(c, k), k->kind)) {
            snprintf(why, SWAX_WHY, "%s=%g: should be %s", k->name, *as_double(c, k), k->right);
            return why;
        }
    }
    for (int l = 0; l < c->layers; l++)
        if (c->mixer[l] >= SWAX_MIXERS)
            return refuse(why, "mixers", c->mixer[l], "one of swa, full, mlstm per layer");

    if (!c->ffn_width) {
        const long long f = (8LL * c->width + 2) / 3;
        c->ffn_width = f > INT_MAX - 63 ? INT_MAX : (int)((f + 63) / 64 * 64);
    }
    if (!c->kv_heads)
        c->kv_heads = c->heads;
    if (!c->head_dim && c->width % c->heads)
        return refuse(why, "heads", c->heads, "a divisor of width, or head_dim should be given");
    if (!c->head_dim)
        c->head_dim = c->width / c->heads;
    if (!c->value_dim && c->width % c->cell_heads)
        return refuse(why, "cell_heads", c->cell_heads, "a divisor of width, or cell_value_dim should be given");
    if (!c->value_dim)
        c->value_dim = c->width / c->cell_heads;
    if (!c->key_dim)
        c->key_dim = c->value_dim > 1 ? c->value_dim / 2 : 1;
    if (c->heads % c->kv_heads)
        return refuse(why, "key_value_heads", c->kv_heads, "a divisor of heads");

    const char *wrong = NULL;
    if ((wrong = too_large(why, "the embedding (vocabulary x width)", c->vocabulary, c->width)) ||
        (wrong = too_large(why, "a row of queries (heads x head_dim)", c->heads, c->head_dim)) ||
        (wrong = too_large(why, "a row of values (cell_heads x cell_value_dim)", c->cell_heads, c->value_dim)) ||
        (wrong = too_large(why, "a row of keys (cell_heads x cell_key_dim)", c->cell_heads, c->key_dim)) ||
        (wrong = too_large(why, "the up projection (ffn_width x width)", c->ffn_width, c->width)) ||
        (wrong = too_large(why, "the query projection (heads*head_dim x width)", c->heads * c->head_dim, c->width)) ||
        (wrong = too_large(why, "the value projection (cell_heads*cell_value_dim x width)", c->cell_heads * c->value_dim, c->width)) ||
        (wrong = too_large(why, "the key projection (cell_heads*cell_key_dim x width)", c->cell_heads * c->key_dim, c->width)) ||
        (wrong = too_large(why, "the cell's state (cell_key_dim x cell_value_dim)", c->key_dim, c->value_dim)) ||
        (wrong = too_large(why, "the cell's states (cell_heads x cell_key_dim*cell_value_dim)", c->cell_heads, (long long)c->key_dim * c->value_dim)))
        return wrong;
    return NULL;
}

/* The fewest digits, from 6, that read back as v: 10000 rather than 1e+04. */
static void write_double(char *to, size_t n, double v)
{
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(to, n, "%.*g", digits, v);
        if (strtod(to, NULL) == v)
            return;
    }
}

void swax_config_list(const struct swax_config *config, void (*each)(const char *key, const char *value, void *arg), void *arg)
{
    struct swax_config c = *config;
    for (const struct key *k = keys; k < keys + KEYS; k++) {
        char text[SWAX_LAYERS * 8] = "";
        if (k->kind == MIXER_LIST)
            for (int l = 0; l < c.layers; l++) {
                strcat(text, l ? " " : "");
                strcat(text, swax_mixer_name[c.mixer[l]]);
            }
        else if (k->kind == WORD)
            strcpy(text, k->words[*as_int(&c, k)]);
        else if (k->kind <= SIZE_OR_0)
            snprintf(text, sizeof text, "%d", *as_int(&c, k));
        else
            write_double(text, sizeof text, *as_double(&c, k));
        each(k->name, text, arg);
    }
}

/* Edit distance from what was typed to a key; a missing letter costs 1, a wrong or superfluous one 2: people leave
 * parts of a long name out. */
static int distance(const char *typed, const char *key)
{
    enum { MOST = 64 };
    int row[MOST + 1];
    const int n = strlen(key) < MOST ? (int)strlen(key) : MOST;
    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 0; typed[i] && i < MOST; i++) {
        int diagonal = row[0];
        row[0] = 2 * (i + 1);
        for (int j = 0; j < n; j++) {
            int best = diagonal + (typed[i] != key[j] ? 2 : 0);
            diagonal = row[j + 1];
            best = best < row[j] + 1 ? best : row[j] + 1;
            row[j + 1] = best < diagonal + 2 ? best : diagonal + 2;
        }
    }
    return row[n];
}

const char *swax_config_nearest(const char *name)
{
    const struct key *best = keys;
    for (const struct key *k = keys; k < keys + KEYS; k++)
        if (distance(name, k->name) < distance(name, best->name))
            best = k;
    return best->name;
}
