/* copy.c - repeat what was said: [copy] x1 .. xn, `delay` blanks, [again] x1 .. xn, and so on with new symbols.
 *
 * Every answer stands n + delay + 1 tokens back: within a window longer than that, copying needs no memory. */
#include <stdio.h>
#include <stdlib.h>

#include "tools/tasks/task.h"

static const char *const tags[] = {"copied symbol", NULL};
enum { BLANK, COPY, AGAIN, MARKERS };

struct copy { int span, delay, symbols, *token, *tag; double rest; };

static const struct key keys[] = {
    KEY_WHOLE("span", struct copy, span, "16", 1, 1 << 22, "symbols to repeat"),
    KEY_WHOLE("delay", struct copy, delay, "0", 0, 1 << 22, "blanks between the symbols and their copy"),
    KEY_WHOLE("symbols", struct copy, symbols, "32", 2, 65536, "different symbols; chance is one over this"),
    KEY_REAL("rest", struct copy, rest, "0", 0, 1000, "weight in the loss of all that is not a copied symbol"),
    {0},
};

static void close_copy(void *opened)
{
    struct copy *c = opened;
    free(c->token), free(c->tag), free(c);
}

static void *open_copy(const char *const *v, int T, char *why)
{
    struct copy *c = task_new(sizeof *c, keys, v, why);
    if (!c)
        return NULL;
    if (2 * (c->span + 1) + c->delay > T + 1) {
        snprintf(why, SWAX_WHY, "Task copy: span=%d and delay=%d need sequences of at least %d tokens, not %d.",
                 c->span, c->delay, 2 * (c->span + 1) + c->delay - 1, T);
        free(c);
        return NULL;
    }
    c->token = malloc(((size_t)T + 1) * sizeof(int)), c->tag = malloc(((size_t)T + 1) * sizeof(int));
    if (c->token && c->tag)
        return c;
    snprintf(why, SWAX_WHY, "Task copy: there is no memory for sequences of %d tokens.", T);
    close_copy(c);
    return NULL;
}

static const char *fill_copy(void *opened, struct sequence *s, uint64_t seed, enum data_part part, uint64_t number,
                             char *why)
{
    (void)why;
    struct copy *c = opened;
    struct random r = task_random(seed, part, number);
    const int back = c->span + 1 + c->delay, period = back + c->span + 1;
    for (int t = 0; t <= s->T; t++) {
        const int at = t % period;
        c->tag[t] = at > back;
        c->token[t] = at == 0 ? COPY : at == back ? AGAIN : at > back ? c->token[t - back] :
                      at > c->span ? BLANK : MARKERS + (int)random_below(&r, (uint64_t)c->symbols);
    }
    task_targets(s, c->token, c->tag, c->rest);
    return NULL;
}

static int copy_vocabulary(const void *opened) { return MARKERS + ((const struct copy *)opened)->symbols; }

const struct source source_copy = {
    .name = "copy", .what = "random symbols and their verbatim copy",
    .keys = keys, .tags = tags,
    .open = open_copy, .close = close_copy, .vocabulary = copy_vocabulary, .fill = fill_copy,
};
