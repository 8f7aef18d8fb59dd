/* questions.c - what an ablation asks, worked out from its data, its lengths and its windows.
 *
 *   loss                        nats a token on held-out sequences, every token counted the same
 *   TAG                         the share of right answers of a tag of the data, as copied-symbol
 *   seen-64-127-back            of a tag that says how far back its answers were last said
 *   BAND                        of all tags within a band of the file, the same answers for every arm
 *   BAND-found, BAND-gain       data with words, with "past" (measure.h, the document cut): of the words that the same
 *                               network gets wrong without its far past, the share right with it; the nats that it
 *                               saves
 *   BAND-found-cells, -foreign  the same where only the cells are cut, or states are taken from another document
 *   in-short in-long in-reach beyond 2x 4x ...    data that can be asked for facts: said once and asked once, so
 *                                                 far back
 *   whole cells-cut attention-cut                 likewise, all facts at the start, with a path cut
 *   QUESTION@16                 what the file calls memory, near, and the loss, with another window in the test
 *   QUESTION@4x                 bands and loss in sequences longer than those of training */
#include "tools/ablate/ablate.h"

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/ablate/bands.h"
#include "tools/lib/say.h"

int question_find(const struct ablation *a, const char *name)
{
    for (int i = 0; i < a->questions; i++)
        if (!strcmp(a->ask[i].name, name))
            return i;
    return -1;
}

/* ---- building: what is beyond the room is left out, and said at the end.  Sittings have room: of facts there are 18,
 * of text 9, and 30 with other windows */

struct draft { struct ablation *a; int full; };

static int sit(struct draft *d, struct sitting s)
{
    struct ablation *a = d->a;
    for (int i = 0; i < a->sittings; i++)
        if (!memcmp(&a->sitting[i], &s, sizeof s))
            return i;
    a->sitting[a->sittings] = s;
    return a->sittings++;
}

static void ask(struct draft *d, struct question q)
{
    struct ablation *a = d->a;
    if (question_find(a, q.name) >= 0)
        return;
    if (a->questions == ABLATE_QUESTIONS)
        d->full = 1;
    else
        a->ask[a->questions++] = q;
}

/* "seen 64-127 back" is asked for as seen-64-127-back. */
static void name_question(char name[ABLATE_NAME], const char *format, ...) __attribute__((format(printf, 2, 3)));
static void name_question(char name[ABLATE_NAME], const char *format, ...)
{
    char text[96], *to = name;
    va_list v;
    va_start(v, format);
    vsnprintf(text, sizeof text, format, v);
    va_end(v);
    for (const char *p = text; *p && to < name + ABLATE_NAME - 1; p++) {
        const int keep = isalnum((unsigned char)*p) || strchr("_@.", *p) != NULL;
        if (keep || (to > name && to[-1] != '-'))
            *to++ = keep ? *p : '-';
    }
    while (to > name && to[-1] == '-')
        to--;
    *to = 0;
}

static const struct source *source_of(const struct ablation *a) { return a->run[0].source; }

/* Sources whose answers stand inside words or outside hold every tag twice. */
static int has_words(const struct source *s)
{
    const int n = source_tags(s);
    return n && s->distance && s->distance[n - 1].word;
}

static uint64_t rows_of_tag(const struct source *s, int tag)
{
    const int n = source_tags(s);
    return (uint64_t)1 << tag | (has_words(s) ? (uint64_t)1 << (tag + n / 2) : 0);
}

static const uint64_t all_rows = (uint64_t)1 << MEASURE_ALL;

/* A fact that was asked for is a tag with a distance. */
static uint64_t fact_rows(const struct source *s) { return band_rows(s, 1, INT_MAX, 0); }

/* Loss and every tag, in sequences like those of training or longer ones: suffix "" or "@4x". */
static void ask_running_text(struct draft *d, int times)
{
    struct ablation *a = d->a;
    const struct source *s = source_of(a);
    const int n = has_words(s) ? source_tags(s) / 2 : source_tags(s);
    const struct sitting plain = {.length = a->length * times,
                                  .sequences = times > 1 ? (a->sequences + times - 1) / times : a->sequences};
    const int at = sit(d, plain);
    struct question q = {
        .group = times > 1 ? ABLATE_LENGTH : ABLATE_LOSS, .sitting = at, .rows = all_rows, .what = MEASURE_LOSS};
    name_question(q.name, times > 1 ? "loss@%dx" : "loss", times);
    snprintf(q.label, sizeof q.label, times > 1 ? "loss, %d x the length" : "loss", times);
    ask(d, q);
    for (int k = 0; k < n; k++) {
        const struct source_distance *far = s->distance ? &s->distance[k] : NULL;
        if (far && far->from >= a->length * times)
            continue;
        q = (struct question){.group = times > 1 ? ABLATE_LENGTH : far && far->from ? ABLATE_REUSE : ABLATE_TAG,
                              .sitting = at, .rows = rows_of_tag(s, k), .what = MEASURE_RIGHT,
                              .from = far ? far->from : 0, .to = far ? far->to : 0};
        name_question(q.name, times > 1 ? "%s@%dx" : "%s", s->tags[k], times);
        snprintf(q.label, sizeof q.label, times > 1 ? "%.40s@%dx" : "%.40s", s->tags[k], times);
        ask(d, q);
    }
}

/* ---- bands */

static void ask_past(struct draft *d, const struct band *b)
{
    static const char *const how[] = {
        [MEASURE_DOCUMENT] = "", [MEASURE_CELLS] = "-cells", [MEASURE_FOREIGN] = "-foreign"};
    struct ablation *a = d->a;
    for (int cut = 0; cut < MEASURE_CUTS; cut++) {
        struct sitting s = {
            .length = a->length, .sequences = a->sequences, .span = a->past, .cut = (enum measure_cut)cut};
        const int at = sit(d, s);
        struct question q = {.group = cut ? ABLATE_CONTROL : ABLATE_BAND,
                             .sitting = at,
                             .rows = band_rows(source_of(a), b->from, b->to, 1),
                             .what = MEASURE_FOUND,
                             .from = b->from,
                             .to = b->to};
        name_question(q.name, "%s-found%s", b->name, how[cut]);
        snprintf(q.label, sizeof q.label, "%s: words found%s", b->name,
                 cut == MEASURE_CELLS ? " by the cells"
                 : cut                ? " in another document"
                                      : "");
        ask(d, q);
        q.what = MEASURE_GAIN;
        name_question(q.name, "%s-gain%s", b->name, how[cut]);
        snprintf(q.label, sizeof q.label, "%s: nats saved%s", b->name,
                 cut == MEASURE_CELLS ? " by the cells"
                 : cut                ? " over another document"
                                      : "");
        ask(d, q);
    }
}

/* Words found and loss saved by distance, of what lies wholly beyond the cut. */
static void ask_found(struct draft *d)
{
    struct ablation *a = d->a;
    const struct source *s = source_of(a);
    const struct sitting cut = {
        .length = a->length, .sequences = a->sequences, .span = a->past, .cut = MEASURE_DOCUMENT};
    for (int k = source_tags(s) / 2; k < source_tags(s); k++) {
        const struct source_distance *far = &s->distance[k];
        if (!far->from || far->from >= a->length || far->from < a->past)
            continue;
        for (int gain = 0; gain < 2; gain++) {
            struct question q = {.group = gain ? ABLATE_GAIN : ABLATE_FOUND,
                                 .sitting = sit(d, cut),
                                 .rows = (uint64_t)1 << k,
                                 .what = gain ? MEASURE_GAIN : MEASURE_FOUND,
                                 .from = far->from,
                                 .to = far->to};
            name_question(q.name, gain ? "gain-%d-%d" : "found-%d-%d", far->from, far->to);
            snprintf(q.label, sizeof q.label, gain ? "nats saved, %d-%d back" : "words found, %d-%d back", far->from,
                     far->to);
            ask(d, q);
        }
    }
}

/* A question of that name would be taken for the band. */
static const char *check_band_name(const struct ablation *a, const struct band *b, char *why)
{
    char name[ABLATE_NAME];
    name_question(name, "%s", b->name);
    return question_find(a, name) < 0 ? NULL
         : say(why, "Band %s: there is a question of that name already.", b->name);
}

static const char *ask_bands(struct draft *d, char why[SWAX_WHY])
{
    struct ablation *a = d->a;
    const struct json *bands = json_get(a->file, "bands");
    for (const struct json *j = bands ? bands->first : NULL; j; j = j->next) {
        struct band b;
        if (band_read(&b, source_of(a), j, why) || check_band_name(a, &b, why))
            return why;
        for (int times = 1; times <= a->longest; times *= 4) {
            struct question q = {.group = times > 1 ? ABLATE_LENGTH : ABLATE_BAND,
                                 .rows = band_rows(source_of(a), b.from, b.to, 0),
                                 .what = MEASURE_RIGHT,
                                 .from = b.from,
                                 .to = b.to};
            name_question(q.name, times > 1 ? "loss@%dx" : "loss", times);
            const int plain = question_find(a, q.name);
            if (plain < 0)
                continue;
            q.sitting = a->ask[plain].sitting;
            name_question(q.name, times > 1 ? "%s@%dx" : "%s", b.name, times);
            snprintf(q.label, sizeof q.label, times > 1 ? "%s, %d-%d back@%dx" : "%s, %d-%d back", b.name, b.from, b.to,
                     times);
            ask(d, q);
        }
        if (a->past && has_words(source_of(a)))
            ask_past(d, &b);
    }
    return NULL;
}

/* ---- facts that are said once and asked once */

static void add_facts(struct draft *d, const char *name, const char *label, int length, int from, int to)
{
    struct ablation *a = d->a;
    if (to < from)
        return;
    struct sitting s = {.length = length,
                        .sequences = length > a->length ? (a->sequences + 1) / 2 : a->sequences,
                        .from = from,
                        .to = to};
    struct question q = {.group = ABLATE_FACTS, .sitting = sit(d, s), .rows = fact_rows(source_of(a)),
                         .what = MEASURE_RIGHT, .from = from, .to = to};
    name_question(q.name, "%s", name);
    snprintf(q.label, sizeof q.label, "%d-%d, %s", from, to, label);
    ask(d, q);
}

/* A fact d tokens back from the value that is asked for is d - 1 back from the token that asks. */
static void ask_facts(struct draft *d)
{
    struct ablation *a = d->a;
    const int T = a->length, slot = ablation_source_value(&a->run[0], "slot");
    const int facts = ablation_source_value(&a->run[0], "keys") * slot;
    add_facts(d, "in-short", "in the short window", T, slot, a->short_window);
    add_facts(d, "in-long", "in the long window", T, a->short_window + 1, a->long_window);
    add_facts(d, "in-reach", "in reach of the stack", T, a->long_window + 1, a->reach + 1);
    add_facts(d, "beyond", "beyond reach", T, a->reach + 2, T * 15 / 16);
    for (int times = 2; times <= a->longest; times *= 2) {
        char name[16], label[32];
        snprintf(name, sizeof name, "%dx", times);
        snprintf(label, sizeof label, "%d x the length", times);
        add_facts(d, name, label, times * T, times / 2 * T + 1, times * T * 15 / 16);
    }
    static const struct { const char *name, *label; enum measure_probe probe;
    } probe[] = {{"whole", "whole network", MEASURE_WHOLE},
                 {"cells-cut", "cells cut", MEASURE_SPAN_CUT},
                 {"attention-cut", "attention cut", MEASURE_RELAY_BLOCK}};
    const int nearest = a->reach + 2 > facts ? a->reach + 2 : facts;
    for (int k = 0; k < 3 && source_of(a)->facts_first && nearest <= T - facts; k++) {
        struct sitting s = {.length = T, .sequences = a->sequences, .from = nearest, .to = T - facts, .facts_first = 1,
                            .probe = probe[k].probe};
        struct question q = {
            .group = ABLATE_PROBE, .sitting = sit(d, s), .rows = fact_rows(source_of(a)), .what = MEASURE_RIGHT};
        name_question(q.name, "%s", probe[k].name);
        snprintf(q.label, sizeof q.label, "%s", probe[k].label);
        ask(d, q);
    }
}

/* ---- other windows in the test */

static void ask_windows(struct draft *d)
{
    struct ablation *a = d->a;
    for (int w = a->short_window / 2 > 0 ? a->short_window / 2 : 1;
         w <= 2 * a->long_window && w < a->length && a->windows < ABLATE_WINDOWS - 1; w *= 2)
        a->window[a->windows++] = w;
    a->window[a->windows++] = a->length;
    const int of[] = {a->memory, a->near, a->loss};
    for (int k = 0; k < 3; k++)
        for (int w = 0; w < a->windows && of[k] >= 0; w++) {
            struct question q = a->ask[of[k]];
            struct sitting s = a->sitting[q.sitting];
            s.window = a->window[w];
            q.sitting = sit(d, s);
            q.group = ABLATE_WINDOW;
            name_question(q.name, "%s@%d", a->ask[of[k]].name, a->window[w]);
            snprintf(q.label, sizeof q.label, "%.40s, window %d", a->ask[of[k]].label, a->window[w]);
            ask(d, q);
        }
}

static const char *find_named(struct ablation *a, const char *key, const char *otherwise, int *to, char *why)
{
    const struct json *j = json_get(a->file, key);
    *to = question_find(a, j ? j->text : otherwise);
    return j && *to < 0 ? say(why, "\"%s\" of the ablation: there is no question \"%.60s\".", key, j->text) : NULL;
}

void question_sum(const struct ablation *a, int question, struct checksum *sum)
{
    const struct question *q = &a->ask[question];
    const struct sitting *s = &a->sitting[q->sitting];
    char line[256];
    const int n = snprintf(line, sizeof line, "%s %llx %d of %d %d %d %d-%d %d %d %d %d\n", q->name,
                           (unsigned long long)q->rows, q->what, s->length, s->sequences, s->window, s->from, s->to,
                           s->facts_first, s->probe, s->span, s->cut);
    checksum_add(sum, line, (size_t)n);
}

const char *questions_set(struct ablation *a, char *why)
{
    struct draft d = {a, 0};
    struct checksum all = {0};
    const struct source *s = source_of(a);
    if (a->past >= a->length)
        return say(why, "past=%d: it is shorter than the sequences of %d tokens.", a->past, a->length);
    if (s->ask &&
        (a->reach + 2 > a->length * 15 / 16 || (ablation_role(a, "short") >= 0 && a->short_window >= a->long_window)))
        return say(why,
                   "Windows of %d and %d in sequences of %d tokens leave nothing to compare: attention alone reaches "
                   "%d tokens back.",
                   a->short_window, a->long_window, a->length, a->reach);
    ask_running_text(&d, 1);
    for (int times = 4; times <= a->longest && !s->ask; times *= 4)
        ask_running_text(&d, times);
    if (s->ask)
        ask_facts(&d);
    if (a->past && has_words(s))
        ask_found(&d);
    a->loss = question_find(a, "loss");
    if (ask_bands(&d, why) || find_named(a, "memory", s->ask ? "beyond" : "", &a->memory, why) ||
        find_named(a, "near", "", &a->near, why))
        return why;
    ask_windows(&d);
    for (int q = 0; q < a->questions; q++)
        question_sum(a, q, &all);
    checksum_text(&all, a->examination);
    const int of_curve[3] = {a->loss, a->memory, a->near};
    for (int k = 0; k < 3; k++) {
        struct checksum one = {0};
        *a->asked_of_curve[k] = 0;
        if (of_curve[k] < 0)
            continue;
        question_sum(a, of_curve[k], &one);
        checksum_text(&one, a->asked_of_curve[k]);
    }
    return d.full ? say(why, "The ablation asks more than there is room for: fewer bands, windows or lengths.") : NULL;
}
