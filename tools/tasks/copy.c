/* copy.c - repeat what was said: [copy] x1 .. xn, `delay` blanks, [again] x1 .. xn, and so on with new symbols.
 *
 * Every answer stands n + delay + 1 tokens back: within a window longer than that, copying needs no memory. */
#include <stdio.h>
#include <stdlib.h>

#include "tools/tasks/task.h"

static const struct source_key keys[] = {
    {"span", "16", "symbols to repeat"},
    {"delay", "0", "blanks between the symbols and their copy"},
    {"symbols", "32", "different symbols; chance is one over this"},
    {"rest", "0", "weight in the loss of all that is not a copied symbol"},
    {NULL, NULL, NULL},
};
static const char *const tags[] = {"copied symbol", NULL};
enum { BLANK, COPY, AGAIN, MARKERS };

struct copy { int span, delay, symbols, *token, *tag; double rest; };

static void close_copy(void *opened)
{
    struct copy *c = opened;
    free(c->token), free(c->tag), free(c);
}

static void *open_copy(const char *const *v, int T, char *why)
{
    extern const struct source source_copy;
    const struct source *s = &source_copy;
    struct copy *c = calloc(1, sizeof *c);
    if (!c || task_int(s, "span", v[0], 1, 1 << 22, &c->span, why) || task_int(s, "delay", v[1], 0, 1 << 22, &c->delay, why) ||
        task_int(s, "symbols", v[2], 2, 65536, &c->symbols, why) || task_real(s, "rest", v[3], 0, 1000, &c->rest, why)) {
        free(c);
        return NULL;
    }
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

static const char *fill_copy(void *opened, struct sequence *s, uint64_t seed, enum data_part part, uint64_t number, char *why)
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
    "copy", "random symbols and their verbatim copy",
    keys, tags, open_copy, close_copy, copy_vocabulary, fill_copy, NULL,
};
