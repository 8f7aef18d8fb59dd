/* vt.c - RULER's variable tracking, at byte level: a chain of assignments scattered over a noise haystack.
 *
 *     VAR ABCDE = 12345   ...   VAR FGHIJ = VAR ABCDE   ...   which variables have the value 12345?
 *
 * One solved example without a haystack comes first.  Every name of the chain is an answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lib/sort.h"
#include "tools/tasks/task.h"

enum { LETTERS = 5, MOST_HOPS = 16, MOST_CHAINS = 8 };

static const char *const tags[] = {"variable", NULL};

struct vt { int chains, hops, digits, example; double rest; struct prose text; };
struct chain { char name[MOST_HOPS + 1][LETTERS + 1], value[16]; };

static const struct key keys[] = {
    KEY_WHOLE("chains", struct vt, chains, "1", 1, MOST_CHAINS, "chains in the text; the first is asked for"),
    KEY_WHOLE("hops", struct vt, hops, "4", 1, MOST_HOPS, "assignments after the first of a chain"),
    KEY_WHOLE("digits", struct vt, digits, "5", 1, 15, "digits of a value"),
    KEY_WHOLE("example", struct vt, example, "1", 0, 1, "1: a solved example comes first"),
    KEY_REAL("rest", struct vt, rest, "1", 0, 1000, "weight in the loss of all that is not an answer"),
    {0},
};

static void close_vt(void *opened)
{
    struct vt *o = opened;
    prose_close(&o->text);
    free(o);
}

static void *open_vt(const char *const *v, int T, char *why)
{
    struct vt *o = task_new(sizeof *o, keys, v, why);
    if (!o)
        return NULL;
    if (prose_open(&o->text, T + 1))
        return o;
    snprintf(why, SWAX_WHY, "Task vt: there is no memory for sequences of %d tokens.", T);
    close_vt(o);
    return NULL;
}

static void draw_chain(const struct vt *o, struct chain *c, struct random *r)
{
    for (int h = 0; h <= o->hops; h++) {
        for (int i = 0; i < LETTERS; i++)
            c->name[h][i] = (char)('A' + random_below(r, 26));
        c->name[h][LETTERS] = 0;
    }
    for (int i = 0; i < o->digits; i++)
        c->value[i] = (char)('0' + (i ? random_below(r, 10) : 1 + random_below(r, 9)));
    c->value[o->digits] = 0;
}

/* Has it a value or a name that one before it has, or a name twice?  Then the answer would not be the answer. */
static int is_ambiguous(const struct vt *o, const struct chain *chain, int c)
{
    for (int before = 0; before < c; before++)
        if (!strcmp(chain[before].value, chain[c].value))
            return 1;
    for (int h = 0; h <= o->hops; h++)
        for (int before = 0; before <= c; before++)
            for (int k = 0; k <= (before < c ? o->hops : h - 1); k++)
                if (!strcmp(chain[before].name[k], chain[c].name[h]))
                    return 1;
    return 0;
}

/* The nine values of one digit are enough for an example and the most chains. */
static void draw_chains(const struct vt *o, struct chain *chain, int n, struct random *r)
{
    for (int c = 0; c < n; c++)
        do
            draw_chain(o, &chain[c], r);
        while (is_ambiguous(o, chain, c));
}

static void add_assignment(struct prose *p, const struct chain *c, int hop)
{
    prose_add(p, "VAR "), prose_add(p, c->name[hop]);
    prose_add(p, hop ? " = VAR " : " = "), prose_add(p, hop ? c->name[hop - 1] : c->value);
}

/* One problem: `sentences` of noise with the assignments among them.  place[k] says before which sentence the
 * k-th assignment stands; hop h of chain c is number h chains + c, so a chain stays in order. */
static void add_problem(struct prose *p, const struct vt *o, const struct chain *chain, int chains, int sentences,
                        const double *place, int tag)
{
    prose_add(p, "Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n");
    const int n = chains * (o->hops + 1);
    for (int i = 0, k = 0, started = 0; i <= sentences; i++) {
        for (; k < n && (i == sentences || (int)(place[k] * sentences) == i); k++) {
            prose_add(p, started++ ? "\n" : "");
            add_assignment(p, &chain[k % chains], k / chains);
        }
        if (i < sentences)
            prose_add(p, started++ ? "\n" : ""), prose_add(p, prose_noise);
    }
    prose_add(p, "\nQuestion: Find all variables that are assigned the value ");
    prose_add(p, chain[0].value);
    prose_add(p, " in the text above. Answer: According to the chain(s) of variable assignment in the text above, ");
    prose_number(p, o->hops + 1);
    prose_add(p, " variables are assigned the value ");
    prose_add(p, chain[0].value);
    prose_add(p, ", they are: ");
    for (int h = 0; h <= o->hops; h++) {
        prose_add(p, h ? " " : "");
        prose_answer(p, chain[0].name[h], tag);
    }
    prose_add(p, "\n");
}

static const char *fill_vt(void *opened, struct sequence *s, uint64_t seed, enum data_part part, uint64_t number,
                           char *why)
{
    struct vt *o = opened;
    struct random r = task_random(seed, part, number);
    struct chain all[1 + MOST_CHAINS], *const example = all, *const chain = all + 1;
    double place[MOST_CHAINS * (MOST_HOPS + 1)];
    const int n = o->chains * (o->hops + 1);
    draw_chains(o, all, 1 + o->chains, &r);
    for (int i = 0; i < n; i++)
        place[i] = random_unit(&r);
    sort_ascending(place, (size_t)n);
    for (int sentences = s->T / (int)strlen(prose_noise); sentences >= 0; sentences--) {
        o->text.n = 0;
        if (o->example)
            add_problem(&o->text, o, example, 1, 0, place, 0);
        add_problem(&o->text, o, chain, o->chains, sentences, place, 1);
        if (o->text.n <= s->T + 1) {
            prose_fill(&o->text, s, o->rest);
            return NULL;
        }
    }
    snprintf(why, SWAX_WHY,
             "Task vt: %d chains of %d hops do not fit into %d bytes; without any haystack they have %d.",
             o->chains, o->hops, s->T, o->text.n - 1);
    return why;
}

static int vt_vocabulary(const void *opened)
{
    (void)opened;
    return 256;
}

const struct source source_vt = {
    .name = "vt", .what = "RULER's variable tracking, in bytes",
    .keys = keys, .tags = tags, .unit = "byte",
    .open = open_vt, .close = close_vt, .vocabulary = vt_vocabulary, .fill = fill_vt,
};
