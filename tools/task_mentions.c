/* task_mentions.c - bursty mentions: keys whose value is said again and again, mostly soon and sometimes late.
 *
 * The sequence is a row of slots.  A mention is [key, value] in slots of two tokens, [mention, key, value] in slots
 * of three, [mention, key, value, filler] in slots of four; all else is filler from one fixed sparse Markov chain.
 * The gap between two mentions of a key, in slots, follows
 *
 *     P(gap >= g) = (g^-a - (S+1)^-a) / (1 - (S+1)^-a),    g = 1 .. S      a: exponent,  S: the longest gap
 *
 * so that most values stand in a recent window and a thin tail needs a long memory.  `beyond` fixes that tail's
 * share: with this probability the gap is drawn from the law's part beyond `window` tokens, else from the rest.
 * With `grow`, S grows from 4 slots by a constant factor per sequence, over so many training sequences: a curriculum.
 * Verbatim copies of random symbols, `copy_gap` tokens apart, are what only a long window can do.
 *
 * With ask=FROM-TO the sequence is an examination instead: every key is mentioned once and asked once, FROM to TO
 * tokens later; with facts_first=1 all mentions come at once, at the start. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "task.h"

enum { MENTION, COPY, AGAIN, MARKERS, SUCCESSORS = 4, TRIES = 200, FREE = -1, COPIED = -2, DISTANCES = 22 };
enum { TAG_COPY = 1, TAG_FIRST = 2, TAG_DISTANCE = 3 };

enum { KEYS, KEY_SYMBOLS, VALUES, FILLER, EXPONENT, LONGEST, BEYOND, WINDOW, GROW, START, SLOT, COPIES, COPY_SYMBOLS, SPAN, COPY_GAP,
       COPY_WEIGHT, REST, ASK, FACTS_FIRST };
static const struct source_key keys[] = {
    {"keys", "8", "keys in a sequence"},
    {"key_symbols", "64", "how many there are to choose from"},
    {"values", "32", "value symbols; chance is one over this"},
    {"filler", "64", "filler symbols"},
    {"exponent", "0.5", "a of the gap law P(gap >= g) ~ g^-a"},
    {"longest", "0", "the longest gap in tokens, 0 for the sequence's length"},
    {"beyond", "-1", "share of gaps longer than `window`, -1 for what the law gives"},
    {"window", "128", "the tokens that `beyond` speaks of"},
    {"grow", "0", "training sequences over which the longest gap grows to its full length"},
    {"start", "0.25", "part of the sequence in which keys are first mentioned"},
    {"slot", "4", "tokens in a slot: 2, 3 or 4"},
    {"copies", "3", "verbatim copies in a sequence"},
    {"copy_symbols", "32", "symbols they consist of"},
    {"span", "15", "symbols in a copy, all different"},
    {"copy_gap", "20-120", "tokens from a symbol to its copy"},
    {"copy_weight", "1", "weight of a copied symbol in the loss; that of a repeated value is 1"},
    {"rest", "1", "weight in the loss of all else"},
    {"ask", "0-0", "0-0, or the distances FROM-TO of an examination"},
    {"facts_first", "0", "1: an examination's mentions stand at the start"},
    {NULL, NULL, NULL},
};

static const char *const tags[] = {
    "copied symbol", "value, first mention", "distance 1", "distance 2-3", "distance 4-7", "distance 8-15", "distance 16-31",
    "distance 32-63", "distance 64-127", "distance 128-255", "distance 256-511", "distance 512-1023", "distance 1024-2047",
    "distance 2048-4095", "distance 4096-8191", "distance 8192-16383", "distance 16384-32767", "distance 32768-65535",
    "distance 65536-131071", "distance 131072-262143", "distance 262144-524287", "distance 524288-1048575",
    "distance 1048576-2097151", "distance 2097152-4194303", NULL,
};
typedef char a_tag_per_distance[sizeof tags / sizeof *tags == 2 + DISTANCES + 1 ? 1 : -1];

struct mentions {
    int keys, key_symbols, values, filler, longest, window, grow, slot_tokens, copies, copy_symbols, span, copy_gap[2], ask[2], facts_first;
    double exponent, beyond, start, copy_weight, rest;
    int first_key, first_value, first_filler, first_copy, vocabulary;
    int *slot, *token, *tag, *order, *symbol;   /* scratch: what a slot holds, T + 1 tokens and their tags, two shuffles */
    unsigned char (*next)[SUCCESSORS];          /* (filler, SUCCESSORS) */
};

static void close_mentions(void *opened)
{
    struct mentions *m = opened;
    free(m->slot), free(m->token), free(m->tag), free(m->order), free(m->symbol), free(m->next), free(m);
}

/* The chain is one for all seeds: filler is language that weights may learn. */
static void draw_chain(struct mentions *m)
{
    for (int f = 0; f < m->filler; f++) {
        struct random r = random_open(1, RANDOM_STREAMS, (uint64_t)f);
        for (int i = 0; i < SUCCESSORS; i++)
            m->next[f][i] = (unsigned char)random_below(&r, (uint64_t)m->filler);
    }
}

static const char *check(struct mentions *m, int T, char *why)
{
    const int slot = m->slot_tokens, from = m->ask[0], to = m->ask[1], facts = m->keys * slot;
    if (m->keys > m->key_symbols)
        snprintf(why, SWAX_WHY, "Task mentions: keys=%d is more than key_symbols=%d.", m->keys, m->key_symbols);
    else if (m->span > m->copy_symbols)
        snprintf(why, SWAX_WHY, "Task mentions: span=%d is more than copy_symbols=%d.", m->span, m->copy_symbols);
    else if (to && (from < slot || to > T - slot))
        snprintf(why, SWAX_WHY, "Task mentions: ask=%d-%d does not lie between %d and %d, the distances in a sequence of %d tokens.",
                 from, to, slot, T - slot, T);
    else if (to && to / slot < (from + slot - 1) / slot)
        snprintf(why, SWAX_WHY, "Task mentions: ask=%d-%d holds no multiple of %d, and distances are.", from, to, slot);
    else if (to && 2 * facts > T)
        snprintf(why, SWAX_WHY, "Task mentions: %d keys mentioned and asked need %d tokens, not %d.", m->keys, 2 * facts, T);
    else if (to && m->facts_first && (to > T - facts || from < facts))
        snprintf(why, SWAX_WHY, "Task mentions: with facts_first, ask=%d-%d must lie between %d and %d: after all mentions.",
                 from, to, facts, T - facts);
    else
        return NULL;
    return why;
}

/* Every parameter from its text: 0, or 1 with a sentence. */
static int read_all(struct mentions *m, const char *const *v, char *why)
{
    extern const struct source source_mentions;
    const struct source *s = &source_mentions;
    const struct { int *to, from, most; } whole[] = {
        [KEYS] = {&m->keys, 1, 4096}, [KEY_SYMBOLS] = {&m->key_symbols, 1, 65536}, [VALUES] = {&m->values, 2, 65536},
        [FILLER] = {&m->filler, 1, 256}, [LONGEST] = {&m->longest, 0, 1 << 22}, [WINDOW] = {&m->window, 4, 1 << 22},
        [GROW] = {&m->grow, 0, 1 << 30}, [SLOT] = {&m->slot_tokens, 2, 4}, [COPIES] = {&m->copies, 0, 1000},
        [COPY_SYMBOLS] = {&m->copy_symbols, 2, 65536}, [SPAN] = {&m->span, 1, 1000}, [FACTS_FIRST] = {&m->facts_first, 0, 1},
    };
    for (int i = 0; i < (int)(sizeof whole / sizeof *whole); i++)
        if (whole[i].to && task_int(s, keys[i].name, v[i], whole[i].from, whole[i].most, whole[i].to, why))
            return 1;
    return task_real(s, "exponent", v[EXPONENT], 0.01, 10, &m->exponent, why) || task_real(s, "beyond", v[BEYOND], -1, 1, &m->beyond, why) ||
           task_real(s, "start", v[START], 0, 1, &m->start, why) || task_real(s, "rest", v[REST], 0, 1000, &m->rest, why) ||
           task_real(s, "copy_weight", v[COPY_WEIGHT], 0, 1000, &m->copy_weight, why) ||
           task_range(s, "copy_gap", v[COPY_GAP], 1, 1 << 22, m->copy_gap, why) || task_range(s, "ask", v[ASK], 0, 1 << 22, m->ask, why);
}

static void *open_mentions(const char *const *v, int T, char *why)
{
    struct mentions *m = calloc(1, sizeof *m);
    if (!m || read_all(m, v, why) || check(m, T, why)) {
        free(m);
        return NULL;
    }
    m->first_key = MARKERS;
    m->first_value = m->first_key + m->key_symbols;
    m->first_filler = m->first_value + m->values;
    m->first_copy = m->first_filler + m->filler;
    m->vocabulary = m->first_copy + m->copy_symbols;
    const size_t n = (size_t)T + 8;
    m->slot = malloc(n * sizeof(int)), m->token = malloc(n * sizeof(int)), m->tag = malloc(n * sizeof(int));
    m->order = malloc((size_t)m->key_symbols * sizeof(int)), m->symbol = malloc((size_t)m->copy_symbols * sizeof(int));
    m->next = malloc((size_t)m->filler * sizeof *m->next);
    if (!m->slot || !m->token || !m->tag || !m->order || !m->symbol || !m->next) {
        snprintf(why, SWAX_WHY, "Task mentions: there is no memory for sequences of %d tokens.", T);
        close_mentions(m);
        return NULL;
    }
    draw_chain(m);
    return m;
}

/* A gap from the law restricted to low .. high: x^-a is even between (high+1)^-a and low^-a, and the gap is x
 * rounded down. */
static int draw_gap(struct random *r, double a, int low, int high)
{
    const double to = pow(low, -a), from = pow(high + 1, -a);
    const double x = floor(pow(to - random_unit(r) * (to - from), -1 / a));
    return x >= high ? high : x > low ? (int)x : low;
}

static int mention_gap(const struct mentions *m, struct random *r, int longest)
{
    const int window = m->window / m->slot_tokens;
    if (m->beyond < 0 || window >= longest)
        return draw_gap(r, m->exponent, 1, longest);
    return random_unit(r) < m->beyond ? draw_gap(r, m->exponent, window + 1, longest) : draw_gap(r, m->exponent, 1, window);
}

/* S of the gap law for training sequence `number`; grown is 1 for one that is held out. */
static int longest_gap(const struct mentions *m, int slots, int grown, uint64_t number)
{
    const int set = m->longest / m->slot_tokens, full = set > 0 && set < slots ? set : slots;
    if (grown || number >= (uint64_t)m->grow || full <= 4)
        return full;
    return (int)(4 * pow(full / 4.0, (double)number / m->grow));
}

static int all_free(const struct mentions *m, int from, int n)
{
    for (int i = from; i < from + n; i++)
        if (m->slot[i] != FREE)
            return 0;
    return 1;
}

static void put_copy(struct mentions *m, struct random *r, int from, int gap, int n)
{
    const int there = from * m->slot_tokens, again = (from + gap) * m->slot_tokens;
    for (int i = 0; i < m->copy_symbols; i++)
        m->symbol[i] = i;
    random_shuffle(r, m->symbol, m->copy_symbols);
    m->token[there] = COPY;
    m->token[again] = AGAIN;
    for (int i = 1; i <= m->span; i++) {
        m->token[there + i] = m->token[again + i] = m->first_copy + m->symbol[i - 1];
        if (i > 1)                         /* the first says which of the copies it is: it cannot be known */
            m->tag[again + i] = TAG_COPY;
    }
    for (int i = 0; i < n; i++)
        m->slot[from + i] = m->slot[from + gap + i] = COPIED;
}

static void put_copies(struct mentions *m, struct random *r, int slots)
{
    const int size = m->slot_tokens, n = (m->span + 1 + size - 1) / size, most = m->copy_gap[1] / size;
    const int least = (m->copy_gap[0] + size - 1) / size, low = least > n ? least : n, high = most < slots - n ? most : slots - n;
    for (int c = 0; c < m->copies && low <= high; c++)
        for (int try = 0; try < TRIES; try++) {
            const int gap = low + (int)random_below(r, (uint64_t)(high - low) + 1);
            const int from = (int)random_below(r, (uint64_t)(slots - n - gap) + 1);
            if (all_free(m, from, n) && all_free(m, from + gap, n)) {
                put_copy(m, r, from, gap, n);
                break;
            }
        }
}

/* Key number `key` says its value in this slot; `before` is the slot where it last did, or -1. */
static void put_mention(struct mentions *m, int slot, int key, int value, int before)
{
    int *token = m->token + slot * m->slot_tokens, *tag = m->tag + slot * m->slot_tokens;
    if (m->slot_tokens > 2) {
        *token++ = MENTION;
        tag++;
    }
    token[0] = m->first_key + m->order[key];
    token[1] = m->first_value + value;
    m->slot[slot] = key;
    int class = 0;
    for (int d = (slot - before) * m->slot_tokens; d > 1; d /= 2)
        class++;
    tag[1] = before < 0 ? TAG_FIRST : TAG_DISTANCE + class;
}

static void put_bursts(struct mentions *m, struct random *r, int slots, int longest)
{
    const uint64_t starts = 1 + (uint64_t)(m->start * (slots - 1));
    for (int key = 0; key < m->keys; key++) {
        const int value = (int)random_below(r, (uint64_t)m->values);
        int before = -1, slot = (int)random_below(r, starts);
        for (;;) {
            while (slot < slots && m->slot[slot] != FREE)
                slot++;
            if (slot >= slots)
                break;
            put_mention(m, slot, key, value, before);
            before = slot;
            slot += mention_gap(m, r, longest);
        }
    }
}

/* A pair of free slots for every key.  One that finds none in TRIES is left out: it happens only where a
 * sequence is nearly full. */
static void put_examination(struct mentions *m, struct random *r, int slots)
{
    const int low = (m->ask[0] + m->slot_tokens - 1) / m->slot_tokens, high = m->ask[1] / m->slot_tokens;
    for (int key = 0; key < m->keys; key++) {
        const int value = (int)random_below(r, (uint64_t)m->values);
        for (int try = 0; try < TRIES; try++) {
            const int gap = low + (int)random_below(r, (uint64_t)(high - low) + 1);
            const int from = m->facts_first ? key : (int)random_below(r, (uint64_t)(slots - gap));
            if (m->slot[from] == FREE && m->slot[from + gap] == FREE) {
                put_mention(m, from, key, value, -1);
                put_mention(m, from + gap, key, value, from);
                break;
            }
        }
    }
}

static void put_filler(struct mentions *m, struct random *r, int n)
{
    int at = (int)random_below(r, (uint64_t)m->filler);
    for (int t = 0; t < n; t++)
        if (m->token[t] < 0) {
            m->token[t] = m->first_filler + at;
            at = m->next[at][random_below(r, SUCCESSORS)];
        }
}

static const char *fill_mentions(void *opened, struct sequence *s, uint64_t seed, enum data_part part, uint64_t number, char *why)
{
    (void)why;
    struct mentions *m = opened;
    struct random r = task_random(seed, part, number);
    const int n = s->T + 1, slots = n / m->slot_tokens;
    for (int i = 0; i < n + 1; i++)
        m->slot[i] = FREE, m->token[i] = -1, m->tag[i] = 0;
    for (int i = 0; i < m->key_symbols; i++)
        m->order[i] = i;
    random_shuffle(&r, m->order, m->key_symbols);
    if (m->ask[1]) {
        put_examination(m, &r, slots);
    } else {
        put_copies(m, &r, slots);
        put_bursts(m, &r, slots, longest_gap(m, slots, part == DATA_HELD_OUT, number));
    }
    put_filler(m, &r, n);
    task_targets(s, m->token, m->tag, m->rest);
    for (int t = 0; t < s->T; t++)
        if (s->tag[t] == TAG_COPY) {
            s->weight[t] = (float)m->copy_weight;
        } else if (s->tag[t] == TAG_FIRST) {   /* it cannot be known: it counts like the rest */
            s->weight[t] = (float)m->rest;
            s->target[t] = m->rest > 0 ? s->target[t] : -1;
        }
    return NULL;
}

static int mentions_vocabulary(const void *opened) { return ((const struct mentions *)opened)->vocabulary; }

const struct source source_mentions = {
    "mentions", "values said again and again, mostly soon and sometimes late: the ablation's task",
    keys, tags, open_mentions, close_mentions, mentions_vocabulary, fill_mentions,
};
