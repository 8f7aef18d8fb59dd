/* bands.c - see bands.h. */
#include "tools/ablate/bands.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/ablate/members.h"
#include "tools/lib/say.h"

uint64_t band_rows(const struct source *s, int from, int to, int words_only)
{
    uint64_t rows = 0;
    for (int k = 0; k < source_tags(s) && s->distance; k++)
        if (s->distance[k].from >= from && s->distance[k].to <= to && (s->distance[k].word || !words_only))
            rows |= (uint64_t)1 << k;
    return rows;
}

static const struct member band_members[] = {
    {"name", JSON_STRING}, {"from", JSON_NULL}, {"to", JSON_NULL}, {NULL, JSON_NULL},
};

/* A band counts whole tags, which may begin behind where it was to begin, and end before. */
static const char *fit_band(const struct source *s, struct band *b, char *why)
{
    const uint64_t rows = band_rows(s, b->from, b->to, 0);
    int least = INT_MAX, most = 0, nearest = -1;
    for (int k = 0; k < source_tags(s) && s->distance; k++) {
        const struct source_distance *here = &s->distance[k];
        if (here->from && (nearest < 0 || abs(here->from - b->from) < abs(s->distance[nearest].from - b->from)))
            nearest = k;
        if (!(rows >> k & 1))
            continue;
        least = here->from < least ? here->from : least;
        most = here->to > most ? here->to : most;
    }
    if (!rows && nearest < 0)
        return say(why, "Band %s: the data %s do not tell apart how far back an answer was said.", b->name, s->name);
    if (!rows)
        return say(why, "Band %s: the data %s tell no answers apart that were said %d to %d tokens back; the nearest "
                        "they do are %d to %d.", b->name, s->name, b->from, b->to, s->distance[nearest].from,
                   s->distance[nearest].to);
    b->from = least, b->to = most;
    return NULL;
}

const char *band_read(struct band *b, const struct source *s, const struct json *j, char *why)
{
    int64_t from, to;
    const struct json *name = json_get(j, "name"), *low = json_get(j, "from"), *high = json_get(j, "to");
    if (!name || name->type != JSON_STRING || !low || !high || !json_integer(low, &from) ||
        !json_integer(high, &to) || from < 1 || to < from || to > 1 << 24)
        return say(why, "A band of the ablation is {\"name\": ..., \"from\": ..., \"to\": ...}, in tokens, from at "
                        "most to.");
    if (members_check(j, band_members, "A band", why))
        return why;
    if (snprintf(b->name, sizeof b->name, "%s", name->text) >= (int)sizeof b->name)
        return say(why, "Band %.60s: its name is longer than %zu letters.", name->text, sizeof b->name - 1);
    b->from = (int)from, b->to = (int)to;
    return fit_band(s, b, why);
}
