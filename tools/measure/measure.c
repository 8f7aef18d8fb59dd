/* measure.c - evaluation on held-out sequences. */
#include "tools/measure/measure.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lib/say.h"

static void cut(struct data_batch *b, const struct measure_how *how)
{
    if (how->probe == MEASURE_WHOLE)
        return;
    int *start = how->probe == MEASURE_SPAN_CUT ? b->room.start_cell : b->room.start_attention;
    for (int i = 0; i < how->B * how->T; i++)
        if (i % how->T >= how->facts_end)
            start[i] = how->probe == MEASURE_SPAN_CUT ? i % how->T : how->facts_end;
    b->batch.start_cell = how->probe == MEASURE_SPAN_CUT ? start : b->batch.start_cell;
    b->batch.start_attention = how->probe == MEASURE_RELAY_BLOCK ? start : b->batch.start_attention;
}

/* Of the first `sequences` of a batch. */
static void tally(struct tally (*to)[MEASURE_ROWS], const struct data_batch *b, int sequences, const float *loss,
                  const unsigned char *right)
{
    for (int i = 0; to && i < sequences * b->batch.T; i++) {
        struct tally *row = to[i / b->batch.T];
        const int tag = b->tag[i];
        if (b->batch.target[i] < 0)
            continue;
        for (int k = 0; k < 2; k++) {
            struct tally *t = &row[k ? MEASURE_ALL : tag - 1];
            if (!k && (!tag || tag > MEASURE_TAGS))
                continue;
            t->asked++;
            t->right += right[i];
            t->loss += (double)loss[i];
            t->weight += (double)b->room.weight[i];
            t->weighted += (double)b->room.weight[i] * (double)loss[i];
        }
    }
}

/* What one sequence has to say: n answers, whose sum is x. */
struct share { double n, x; };

static struct share share_of(const struct tally *row, uint64_t rows, enum measure_what what)
{
    struct share s = {0, 0};
    for (int k = 0; k < MEASURE_ROWS; k++) {
        const struct tally *t = &row[k];
        if (!(rows >> k & 1))
            continue;
        s.n += what == MEASURE_FOUND ? t->lost : what == MEASURE_WEIGHTED ? t->weight : t->asked;
        s.x += what == MEASURE_RIGHT    ? t->right
             : what == MEASURE_LOSS     ? t->loss
             : what == MEASURE_GAIN     ? t->cut_loss - t->loss
             : what == MEASURE_WEIGHTED ? t->weighted
                                        : t->found;
    }
    return s;
}

struct estimate measure_estimate(struct tally (*tally)[MEASURE_ROWS], int sequences, uint64_t rows,
                                 enum measure_what what)
{
    double n = 0, x = 0, squares = 0;
    int asked = 0;
    for (int s = 0; s < sequences; s++) {
        const struct share one = share_of(tally[s], rows, what);
        n += one.n, x += one.x, asked += one.n > 0;
    }
    if (!asked)
        return (struct estimate){(double)NAN, (double)NAN, 0};
    const double R = x / n, S = sequences;
    for (int s = 0; s < sequences; s++) {
        const struct share one = share_of(tally[s], rows, what);
        squares += (one.x - R * one.n) * (one.x - R * one.n);
    }
    return (struct estimate){R, asked > 1 ? sqrt(S / (S - 1) * squares) / n : (double)NAN, n};
}

static void count(struct measured *m, const struct data_batch *b, int sequences, const float *loss,
                  const unsigned char *right, double *total, double *weight)
{
    const int T = b->batch.T, n = sequences * T;
    int run = 0, run_right = 1;
    for (int i = 0; i < n; i++) {
        if (b->batch.target[i] < 0)
            continue;
        const int tag = b->tag[i], part = i % T * MEASURE_PARTS / T;
        m->part[part].loss += (double)loss[i];
        m->part[part].targets++;
        *total += (double)b->room.weight[i] * (double)loss[i];
        *weight += (double)b->room.weight[i];
        if (!tag || tag > MEASURE_TAGS)
            continue;
        m->tag[tag - 1].asked++;
        m->tag[tag - 1].right += right[i];
        m->asked++;
        m->right += right[i];
        run_right = run ? run_right && right[i] : right[i];
        run = 1;
        if ((i + 1) % T == 0 || b->tag[i + 1] != tag) {
            m->tag[tag - 1].answers++;
            m->tag[tag - 1].exact += run_right;
            run = 0;
        }
    }
}

const char *measure(struct swax_network *n, const struct data *d, const struct measure_how *how, struct measured *m,
                    char *why)
{
    struct data_batch b = {0};
    const size_t N = (size_t)how->B * (size_t)how->T;
    float *loss = malloc(N * sizeof *loss);
    unsigned char *right = malloc(N);
    const char *wrong = NULL;
    double total = 0, weight = 0;
    memset(m, 0, sizeof *m);
    if (!loss || !right)
        wrong = say(why, "There is no memory to evaluate %d sequences of %d tokens.", how->B, how->T);
    if (!wrong)
        wrong = data_batch_new(&b, how->B, how->T, why);
    for (int s = 0; !wrong && s < how->sequences; s += how->B) {
        wrong = data_fill(d, &b, how->seed, DATA_HELD_OUT, (uint64_t)s, why);
        if (wrong)
            break;
        cut(&b, how);
        b.batch.window = how->window;
        swax_network_evaluate(n, &b.batch, loss, right, NULL);
        const int wanted = how->sequences - s < how->B ? how->sequences - s : how->B;
        count(m, &b, wanted, loss, right, &total, &weight);
        tally(how->tally ? how->tally + s : NULL, &b, wanted, loss, right);
        const char *trouble = swax_network_trouble(n);
        if (trouble)
            wrong = say(why, "%s", trouble);
    }
    m->loss = total / weight;
    for (int p = 0; p < MEASURE_PARTS; p++)
        m->part[p].loss /= (double)m->part[p].targets;
    data_batch_free(&b);
    free(loss);
    free(right);
    return wrong;
}

static int same_token(int a, int b)
{
    return a == b || (a < 128 && b < 128 && tolower(a) == tolower(b));
}

static int contains(const int *text, int n, const int *wanted, int length)
{
    for (int at = 0; at + length <= n; at++) {
        int same = 0;
        while (same < length && same_token(text[at + same], wanted[same]))
            same++;
        if (same == length)
            return 1;
    }
    return 0;
}

static int largest(const float *x, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (x[i] > x[best])
            best = i;
    return best;
}

/* The share of sequence b's answers contained in what the network says after the text before the first; NaN: it has
 * none. */
static const char *generate(struct swax_network *n, const struct data_batch *b, const struct measure_how *how,
                            int max_new, int separator, double *share, float *logits, char *why)
{
    const int T = b->batch.T, vocabulary = swax_network_config(n)->vocabulary;
    int said[1024], first = 0, answers = 0, found = 0, length = 0;
    while (first < T && !b->tag[first])
        first++;
    *share = (double)NAN;
    if (first == T)
        return NULL;
    struct swax_decoder *decoder = swax_decoder_new(n, 1, how->window, why);
    if (!decoder)
        return why;
    swax_decoder_separator(decoder, separator);
    if (max_new > (int)(sizeof said / sizeof *said))
        max_new = sizeof said / sizeof *said;
    const char *wrong = swax_decoder_feed(decoder, b->batch.token, first + 1, logits);
    for (int i = 0; i < max_new && !wrong; i++) {
        said[i] = largest(logits, vocabulary);
        if (i < max_new - 1)
            wrong = swax_decoder_feed(decoder, &said[i], 1, logits);
    }
    swax_decoder_free(decoder);
    if (wrong)
        return say(why, "%s", wrong);
    for (int t = first; t < T; t++) {
        length += b->tag[t] != 0;
        if (length && (t == T - 1 || b->tag[t + 1] != b->tag[t])) {
            if (length > max_new)
                return say(why, "An answer has %d tokens, which %d generated ones cannot contain: say generate=%d, or "
                                "more.", length, max_new, length);
            answers++;
            found += contains(said, max_new, b->batch.target + t + 1 - length, length);
            length = 0;
        }
    }
    *share = (double)found / answers;
    return NULL;
}

const char *measure_generated(struct swax_network *n, const struct data *d, const struct measure_how *how, int max_new,
                              int separator, double *score, char *why)
{
    struct data_batch b = {0};
    float *logits = malloc((size_t)swax_network_config(n)->vocabulary * sizeof *logits);
    const char *wrong = logits ? data_batch_new(&b, 1, how->T, why) : say(why, "There is no memory for the logits.");
    double sum = 0;
    int asked = 0;
    for (int s = 0; !wrong && s < how->sequences; s++) {
        double share = (double)NAN;
        wrong = data_fill(d, &b, how->seed, DATA_HELD_OUT, (uint64_t)s, why);
        if (!wrong)
            wrong = generate(n, &b, how, max_new, separator, &share, logits, why);
        if (!isnan(share))
            sum += share, asked++;
    }
    *score = sum / asked;
    if (!wrong && !asked)
        wrong = say(why, "None of the %d sequences has an answer to look for in what is generated.", how->sequences);
    data_batch_free(&b);
    free(logits);
    return wrong;
}

struct swax_network *measure_copy(struct swax_network *n, const struct swax_tier *tier, enum swax_precision precision,
                                  int B, int T, char *why)
{
    int tensors;
    long most = 0;
    const struct swax_tensor *tensor = swax_network_tensors(n, &tensors);
    struct swax_network *copy = swax_network_new(swax_network_config(n), tier, precision, B, T, 0, why);
    if (!copy)
        return NULL;
    for (int i = 0; i < tensors; i++)
        most = tensor[i].size > most ? tensor[i].size : most;
    void *room = malloc((size_t)most * sizeof(double));
    if (!room) {
        say(why, "There is no memory to copy the weights.");
        swax_network_free(copy);
        return NULL;
    }
    for (int i = 0; i < tensors; i++) {
        swax_network_get(n, SWAX_WEIGHT, i, room);
        swax_network_put(copy, SWAX_WEIGHT, i, room);
    }
    free(room);
    return copy;
}
