/* mentions.c - bursty mentions: keys whose value is said again and again, mostly soon and sometimes late.
 *
 * The sequence is a row of slots.  A mention is [key, value] in slots of two tokens, [mention, key, value] in slots
 * of three, [mention, key, value, filler] in slots of four; all else is filler.  The gap between two mentions of a
 * key, in slots, follows
 *
 *     P(gap >= g) = (g^-a - (S+1)^-a) / (1 - (S+1)^-a),    g = 1 .. S      a: exponent,  S: the longest gap
 *
 * so that most values stand in a recent window and a thin tail needs a long memory.  `beyond` fixes that tail's
 * share: with this probability the gap is drawn from the law's part beyond `beyond_tokens`, else from the rest.
 * With `grow`, S grows from 4 slots by a constant factor per sequence, over so many training sequences: a curriculum.
 * With typed=1 every key has value symbols of its own, so that a value need not be bound to the token before it.
 *
 * A copy is [marker, symbols ...] and the same again `lag` tokens later.  Every lag has a marker and an alphabet of
 * its own, so where to look is known; but only a window longer than the lag can look there.
 *
 * With ask=FROM-TO the sequence is an examination instead: every key is mentioned once and asked once, FROM to TO
 * tokens later; with facts_first=1 all mentions come at once, at the start. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tasks/task.h"

enum { TRIES = 200, FREE = -1, COPIED = -2, DISTANCES = 22, LAGS = 8 };
enum { TAG_COPY = 1, TAG_FIRST = 2, TAG_DISTANCE = 3 };

static const char *const tags[] = {
    "copied symbol", "value, first mention", "distance 1", "distance 2-3", "distance 4-7", "distance 8-15",
    "distance 16-31",
    "distance 32-63", "distance 64-127", "distance 128-255", "distance 256-511", "distance 512-1023",
    "distance 1024-2047",
    "distance 2048-4095", "distance 4096-8191", "distance 8192-16383", "distance 16384-32767", "distance 32768-65535",
    "distance 65536-131071", "distance 131072-262143", "distance 262144-524287", "distance 524288-1048575",
    "distance 1048576-2097151", "distance 2097152-4194303", NULL,
};
static const struct source_distance distances[] = {
    {0, 0, 0}, {0, 0, 0}, {1, 1, 0}, {2, 3, 0}, {4, 7, 0}, {8, 15, 0}, {16, 31, 0}, {32, 63, 0}, {64, 127, 0},
    {128, 255, 0}, {256, 511, 0}, {512, 1023, 0}, {1024, 2047, 0}, {2048, 4095, 0}, {4096, 8191, 0}, {8192, 16383, 0},
    {16384, 32767, 0}, {32768, 65535, 0}, {65536, 131071, 0}, {131072, 262143, 0}, {262144, 524287, 0},
    {524288, 1048575, 0}, {1048576, 2097151, 0}, {2097152, 4194303, 0},
};
typedef char a_tag_per_distance[sizeof tags / sizeof *tags == 2 + DISTANCES + 1 &&
                                sizeof distances / sizeof *distances == 2 + DISTANCES ? 1 : -1];

struct mentions {
    int keys, key_symbols, values, typed, filler, successors, longest, beyond_tokens, grow, slot_tokens;
    int copies, copy_symbols, span, facts_first;
    struct key_list lags;
    struct key_span ask;
    double exponent, beyond, start, copy_weight, rest;
    int first_key, first_value, first_copy, first_marker, mention, vocabulary;    /* filler comes first, from 0 */
    /* scratch: what a slot holds, T + 1 tokens and their tags, the keys' symbols */
    int *slot, *token, *tag, *order;
    int *due, *before, *value;             /* of each key: the slot of its next mention, of its last, its value */
    int *next;                             /* (filler, successors) */
};

static const struct key keys[] = {
#define WHOLE(name, field, value, least, most, what) KEY_WHOLE(name, struct mentions, field, value, least, most, what)
#define REAL(name, field, value, least, most, what) KEY_REAL(name, struct mentions, field, value, least, most, what)
    WHOLE("keys", keys, "8", 1, 4096, "keys in a sequence"),
    WHOLE("key_symbols", key_symbols, "16", 1, 4096, "how many there are to choose from"),
    WHOLE("values", values, "16", 2, 4096, "values that a key may have; chance is one over this"),
    WHOLE("typed", typed, "1", 0, 1, "1: every key has value symbols of its own"),
    WHOLE("filler", filler, "16", 1, 65536, "filler symbols"),
    WHOLE("successors", successors, "0", 0, 256, "how many of them may follow each, in a fixed chain; 0 for all"),
    REAL("exponent", exponent, "0.5", 0.01, 10, "a of the gap law P(gap >= g) ~ g^-a"),
    WHOLE("longest", longest, "0", 0, 1 << 22, "the longest gap in tokens, 0 for the sequence's length"),
    REAL("beyond", beyond, "-1", -1, 1, "share of gaps longer than `beyond_tokens`, -1 for what the law gives"),
    WHOLE("beyond_tokens", beyond_tokens, "128", 4, 1 << 22, "the gap that `beyond` speaks of"),
    WHOLE("grow", grow, "0", 0, 1 << 30, "training sequences over which the longest gap grows to its full length"),
    REAL("start", start, "0.5", 0, 1, "part of the sequence in which keys are first mentioned"),
    WHOLE("slot", slot_tokens, "2", 2, 4, "tokens in a slot"),
    WHOLE("copies", copies, "3", 0, 1000, "copies in a sequence"),
    WHOLE("copy_symbols", copy_symbols, "8", 2, 4096, "symbols in the alphabet of each lag"),
    KEY_ROW(&key_list, "copy_lags", struct mentions, lags, "24,40,56", "how many tokens back a copy's symbols stand",
            .least = 1, .most = 1 << 22),
    WHOLE("span", span, "19", 1, 1000, "symbols in a copy"),
    REAL("copy_weight", copy_weight, "1", 0, 1000,
         "weight of a copied symbol in the loss; that of a repeated value is 1"),
    REAL("rest", rest, "1", 0, 1000, "weight in the loss of all else"),
    KEY_ROW(&key_span, "ask", struct mentions, ask, "0-0", "0-0, or the distances FROM-TO of an examination",
            .least = 0, .most = 1 << 22),
    WHOLE("facts_first", facts_first, "0", 0, 1, "1: an examination's mentions stand at the start"),
    {0},
#undef WHOLE
#undef REAL
};

static void close_mentions(void *opened)
{
    struct mentions *m = opened;
    free(m->slot), free(m->token), free(m->tag), free(m->order);
    free(m->due), free(m->before), free(m->value), free(m->next), free(m);
}

/* The chain is one for all seeds: filler is language that weights may learn. */
static void draw_chain(struct mentions *m)
{
    for (int f = 0; f < m->filler; f++) {
        struct random r = random_open(1, RANDOM_STREAMS, (uint64_t)f);
        for (int i = 0; i < m->successors; i++)
            m->next[f * m->successors + i] = (int)random_below(&r, (uint64_t)m->filler);
    }
}

/* Multiples of the slot, beyond the span. */
static int lags_fit(const struct mentions *m)
{
    for (int i = 0; i < m->lags.n; i++)
        if (m->lags.value[i] <= m->span || m->lags.value[i] % m->slot_tokens)
            return 0;
    return m->lags.n <= LAGS;
}

static const char *check(struct mentions *m, int T, char *why)
{
    const int slot = m->slot_tokens, from = m->ask.from, to = m->ask.to, facts = m->keys * slot;
    if (m->keys > m->key_symbols)
        snprintf(why, SWAX_WHY, "Task mentions: keys=%d is more than key_symbols=%d.", m->keys, m->key_symbols);
    else if (to && (from < slot || to > T - slot))
        snprintf(why, SWAX_WHY,
                 "Task mentions: ask=%d-%d does not lie between %d and %d, the distances in a sequence of %d tokens.",
                 from, to, slot, T - slot, T);
    else if (!lags_fit(m))
        snprintf(why, SWAX_WHY,
                 "Task mentions: copy_lags are 1 to %d numbers like 24,40,56: multiples of slot=%d, and more than "
                 "span=%d.", LAGS, slot, m->span);
    else if (to && to / slot < (from + slot - 1) / slot)
        snprintf(why, SWAX_WHY, "Task mentions: ask=%d-%d holds no multiple of %d, and distances are.", from, to, slot);
    else if (to && 2 * facts > T)
        snprintf(why, SWAX_WHY, "Task mentions: %d keys mentioned and asked need %d tokens, not %d.", m->keys,
                 2 * facts, T);
    else if (to && m->facts_first && (to > T - facts || from < facts))
        snprintf(why, SWAX_WHY,
                 "Task mentions: with facts_first, ask=%d-%d must lie between %d and %d: after all mentions.",
                 from, to, facts, T - facts);
    else
        return NULL;
    return why;
}

static void *open_mentions(const char *const *v, int T, char *why)
{
    struct mentions *m = task_new(sizeof *m, keys, v, why);
    if (!m || check(m, T, why)) {
        free(m);
        return NULL;
    }
    m->first_key = m->filler;
    m->first_value = m->first_key + m->key_symbols;
    m->first_copy = m->first_value + m->values * (m->typed ? m->key_symbols : 1);
    m->first_marker = m->first_copy + m->lags.n * m->copy_symbols;
    m->mention = m->first_marker + m->lags.n;
    m->vocabulary = m->mention + (m->slot_tokens > 2);
    const size_t n = (size_t)T + 8, k = (size_t)m->keys;
    m->slot = malloc(n * sizeof(int)), m->token = malloc(n * sizeof(int)), m->tag = malloc(n * sizeof(int));
    m->order = malloc((size_t)m->key_symbols * sizeof(int)),
        m->next = malloc(((size_t)m->filler * (size_t)m->successors + 1) * sizeof(int));
    m->due = malloc(k * sizeof(int)), m->before = malloc(k * sizeof(int)), m->value = malloc(k * sizeof(int));
    if (!m->slot || !m->token || !m->tag || !m->order || !m->next || !m->due || !m->before || !m->value) {
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
    const int window = m->beyond_tokens / m->slot_tokens;
    if (m->beyond < 0 || window >= longest)
        return draw_gap(r, m->exponent, 1, longest);
    return random_unit(r) < m->beyond ? draw_gap(r, m->exponent, window + 1, longest)
                                      : draw_gap(r, m->exponent, 1, window);
}

/* S of the gap law for training sequence `number`; grown is 1 for one that is held out. */
static int longest_gap(const struct mentions *m, int slots, int grown, uint64_t number)
{
    const int set = m->longest / m->slot_tokens, full = set > 0 && set < slots ? set : slots;
    if (grown || number >= (uint64_t)m->grow || full <= 4)
        return full;
    return (int)(4 * pow(full / 4.0, (double)number / m->grow));
}

/* Key number `key` says its value in this slot. */
static void put_mention(struct mentions *m, int slot, int key)
{
    int *token = m->token + slot * m->slot_tokens, *tag = m->tag + slot * m->slot_tokens;
    if (m->slot_tokens > 2) {
        *token++ = m->mention;
        tag++;
    }
    token[0] = m->first_key + m->order[key];
    token[1] = m->first_value + (m->typed ? m->order[key] * m->values : 0) + m->value[key];
    int class = 0;
    for (int d = (slot - m->before[key]) * m->slot_tokens; d > 1; d /= 2)
        class++;
    tag[1] = m->before[key] < 0 ? TAG_FIRST : TAG_DISTANCE + class;
    m->slot[slot] = key;
    m->before[key] = slot;
}

/* One copy in each of equal sections; a section that is too short for the lag that is drawn has none. */
static void put_copies(struct mentions *m, struct random *r, int slots)
{
    const int section = m->copies ? slots / m->copies : 0, size = m->slot_tokens, n = (m->span + size) / size;
    for (int c = 0; c < m->copies; c++) {
        const int kind = (int)random_below(r, (uint64_t)m->lags.n), lag = m->lags.value[kind],
            room = section - lag / size - n;
        if (room < 0)
            continue;
        const int from = c * section + (int)random_below(r, (uint64_t)room + 1), at = from * size;
        m->token[at] = m->token[at + lag] = m->first_marker + kind;
        for (int i = 1; i <= m->span; i++) {
            const int symbol = (int)random_below(r, (uint64_t)m->copy_symbols);
            m->token[at + i] = m->token[at + lag + i] = m->first_copy + kind * m->copy_symbols + symbol;
            m->tag[at + lag + i] = TAG_COPY;
        }
        for (int i = 0; i < n; i++)
            m->slot[from + i] = m->slot[from + lag / size + i] = COPIED;
    }
}

/* Slot by slot: the key that is most overdue, if any is. */
static void put_bursts(struct mentions *m, struct random *r, int slots, int longest)
{
    const uint64_t starts = 1 + (uint64_t)(m->start * (slots - 1));
    for (int key = 0; key < m->keys; key++)
        m->due[key] = (int)random_below(r, starts);
    for (int slot = 0; slot < slots; slot++) {
        int first = 0;
        for (int key = 1; key < m->keys; key++)
            if (m->due[key] < m->due[first])
                first = key;
        if (m->slot[slot] != FREE || m->due[first] > slot)
            continue;
        put_mention(m, slot, first);
        m->due[first] = slot + mention_gap(m, r, longest);
    }
}

/* A pair of free slots for every key.  One that finds none in TRIES is left out: it happens only where a
 * sequence is nearly full. */
static void put_examination(struct mentions *m, struct random *r, int slots)
{
    const int low = (m->ask.from + m->slot_tokens - 1) / m->slot_tokens, high = m->ask.to / m->slot_tokens;
    for (int key = 0; key < m->keys; key++) {
        for (int try = 0; try < TRIES; try++) {
            const int gap = low + (int)random_below(r, (uint64_t)(high - low) + 1);
            const int from = m->facts_first ? key : (int)random_below(r, (uint64_t)(slots - gap));
            if (m->slot[from] == FREE && m->slot[from + gap] == FREE) {
                put_mention(m, from, key);
                put_mention(m, from + gap, key);
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
            m->token[t] = at;
            at = m->successors ? m->next[at * m->successors + (int)random_below(r, (uint64_t)m->successors)]
                               : (int)random_below(r, (uint64_t)m->filler);
        }
}

static const char *fill_mentions(void *opened, struct sequence *s, uint64_t seed, enum data_part part, uint64_t number,
                                 char *why)
{
    (void)why;
    struct mentions *m = opened;
    struct random r = task_random(seed, part, number);
    const int n = s->T + 1, slots = n / m->slot_tokens;
    for (int i = 0; i < n + 1; i++)
        m->slot[i] = FREE, m->token[i] = -1, m->tag[i] = 0;
    random_order(&r, m->order, m->key_symbols);
    for (int key = 0; key < m->keys; key++) {
        m->value[key] = (int)random_below(&r, (uint64_t)m->values);
        m->before[key] = -1;
    }
    if (m->ask.to) {
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
    .name = "mentions", .what = "values said again and again, mostly soon and sometimes late: the ablation's task",
    .keys = keys, .tags = tags,
    .distance = distances, .ask = "ask", .facts_first = "facts_first",
    .open = open_mentions, .close = close_mentions, .vocabulary = mentions_vocabulary, .fill = fill_mentions,
};
