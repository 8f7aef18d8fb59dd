/* past.c - what the far past is worth to a network: the same answers with it and without. */
#include "tools/measure/measure.h"

#include <stdlib.h>
#include <string.h>

#include "tools/lib/say.h"

struct past {
    const struct measure_how *how;
    enum measure_cut cut;
    int span, N;
    struct data_batch b;
    int *token, *attention, *cell;                 /* the batch as it was filled */
    int *from; /* (B,T): where the past begins that is left; -1: nothing is cut, it does not count */
    float *loss, *cut_loss, *pass_loss;
    unsigned char *right, *cut_right, *pass_right, *pass;    /* pass: which of the passes answers for the token */
};

/* One block holds all the arrays. */
static const char *open_past(struct past *p, char *why)
{
    const size_t n = (size_t)p->N;
    p->token = malloc(n * (4 * sizeof(int) + 3 * sizeof(float) + 4));
    if (!p->token)
        return say(why, "There is no memory to evaluate %d tokens.", p->N);
    p->attention = p->token + n, p->cell = p->attention + n, p->from = p->cell + n;
    p->loss = (float *)(p->from + n), p->cut_loss = p->loss + n, p->pass_loss = p->cut_loss + n;
    p->right = (unsigned char *)(p->pass_loss + n), p->cut_right = p->right + n, p->pass_right = p->cut_right + n;
    p->pass = p->pass_right + n;
    return data_batch_new(&p->b, p->how->B, p->how->T, why);
}

static void close_past(struct past *p)
{
    free(p->token);
    data_batch_free(&p->b);
}

/* Pass 0 begins anew at the multiples of the span, pass 1 half a span beside them; for every token that pass counts
 * which has left it the longer past, span/2 to span tokens. */
static int begins(const struct past *p, int pass, int t)
{
    const int shift = pass ? p->span / 2 : 0, at = (t + shift) / p->span * p->span - shift;
    return at > 0 ? at : 0;
}

static void plan(struct past *p)
{
    const int T = p->how->T, own = T - p->span;
    for (int i = 0; i < p->N; i++) {
        const int t = i % T, first = p->cut == MEASURE_CELLS ? p->cell[i] : p->attention[i];
        const int a = begins(p, 0, t), b = begins(p, 1, t), from = p->cut == MEASURE_FOREIGN ? own : a < b ? a : b;
        p->pass[i] = (unsigned char)(p->cut != MEASURE_FOREIGN && b < a);
        p->from[i] = from <= first || (p->cut == MEASURE_FOREIGN && t < T - p->span / 2) ? -1 : from;
    }
}

/* Row b's own last tokens go on behind what row b + 1 holds before them. */
static void put_foreign(struct past *p)
{
    const int T = p->how->T, own = T - p->span;
    struct sequence *r = &p->b.room;
    for (int i = 0; i < p->N; i++) {
        const int t = i % T, other = (i / T + 1) % p->how->B * T;
        const int on = t >= own && p->attention[i] <= own;      /* its document began before */
        r->token[i] = t < own ? p->token[other + t] : p->token[i];
        r->start_attention[i] = t < own ? p->attention[other + t]
                              : on      ? p->attention[other + own - 1]
                                        : p->attention[i];
        r->start_cell[i] = t < own ? p->cell[other + t] : on ? p->cell[other + own - 1] : p->cell[i];
    }
}

static void put_cut(struct past *p, int pass)
{
    const int T = p->how->T;
    struct sequence *r = &p->b.room;
    for (int i = 0; i < p->N; i++) {
        const int from = begins(p, pass, i % T);
        r->start_cell[i] = p->cell[i] > from ? p->cell[i] : from;
        r->start_attention[i] = p->cut == MEASURE_CELLS || p->attention[i] > from ? p->attention[i] : from;
    }
}

static void count(const struct past *p, struct tally (*to)[MEASURE_ROWS])
{
    for (int i = 0; i < p->N; i++) {
        const int tag = p->b.tag[i];
        if (p->from[i] < 0 || p->b.batch.target[i] < 0)
            continue;
        for (int k = 0; k < 2; k++) {
            if (!k && (!tag || tag > MEASURE_TAGS))
                continue;
            struct tally *t = &to[i / p->how->T][k ? MEASURE_ALL : tag - 1];
            t->asked++;
            t->right += p->right[i], t->loss += (double)p->loss[i];
            t->cut_right += p->cut_right[i], t->cut_loss += (double)p->cut_loss[i];
            t->lost += !p->cut_right[i];
            t->found += !p->cut_right[i] && p->right[i];
        }
    }
}

static void one_batch(struct past *p, struct swax_network *n, struct tally (*to)[MEASURE_ROWS])
{
    struct sequence *r = &p->b.room;
    const size_t bytes = (size_t)p->N * sizeof(int);
    memcpy(p->token, r->token, bytes), memcpy(p->attention, r->start_attention, bytes),
        memcpy(p->cell, r->start_cell, bytes);
    plan(p);
    p->b.batch.window = p->how->window;
    swax_network_evaluate(n, &p->b.batch, p->loss, p->right, NULL);
    p->b.batch.start_attention = r->start_attention, p->b.batch.start_cell = r->start_cell;
    for (int pass = 0; pass < (p->cut == MEASURE_FOREIGN ? 1 : 2); pass++) {
        if (p->cut == MEASURE_FOREIGN)
            put_foreign(p);
        else
            put_cut(p, pass);
        swax_network_evaluate(n, &p->b.batch, p->pass_loss, p->pass_right, NULL);
        for (int i = 0; i < p->N; i++)
            if (p->pass[i] == pass)
                p->cut_loss[i] = p->pass_loss[i], p->cut_right[i] = p->pass_right[i];
    }
    count(p, to);
}

const char *measure_past(struct swax_network *n, const struct data *d, const struct measure_how *how,
                         enum measure_cut cut, int span, char *why)
{
    struct past p = {.how = how, .cut = cut, .span = span, .N = how->B * how->T};
    if (span < 2 || span >= how->T)
        return say(why, "A past of %d tokens: it is 2 to %d in sequences of %d.", span, how->T - 1, how->T);
    if (cut == MEASURE_FOREIGN && how->B < 2)
        return say(why, "Another document's states need two sequences at a time.");
    const char *wrong = open_past(&p, why);
    for (int s = 0; !wrong && s < how->sequences; s += how->B) {
        wrong = data_fill(d, &p.b, how->seed, DATA_HELD_OUT, (uint64_t)s, why);
        if (wrong)
            break;
        one_batch(&p, n, how->tally + s);
        const char *trouble = swax_network_trouble(n);
        wrong = trouble ? say(why, "%s", trouble) : NULL;
    }
    close_past(&p);
    return wrong;
}
