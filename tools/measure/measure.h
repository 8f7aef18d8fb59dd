/* measure.h - what a trained network can do, in numbers: recall by kind of answer, loss by position, which path
 * carries an answer, where attention looks and how long the cells remember. */
#ifndef SWAX_MEASURE_H
#define SWAX_MEASURE_H

#include "tools/tasks/data.h"

/* Which path is cut, for all tokens from facts_end on (arXiv 2509.24552 does not do this; the design is ours):
 *   SPAN_CUT     every cell starts from zero at every token: what is older than the attention stack's reach,
 *                n_swa (window - 1) tokens, cannot have any influence;
 *   RELAY_BLOCK  attention does not see the facts: what is known of them was carried by the cells' states. */
enum measure_probe { MEASURE_WHOLE, MEASURE_SPAN_CUT, MEASURE_RELAY_BLOCK };

enum { MEASURE_TAGS = 32, MEASURE_PARTS = 16 };

struct measure_how {
    int B, T, window;              /* at most the network's B and T */
    int sequences;                 /* held-out ones, numbered from 0 */
    uint64_t seed;
    enum measure_probe probe;
    int facts_end;                 /* of the probe */
};

struct measured {
    double loss;                   /* weighted mean over all targets, in nats */
    struct { double loss; long targets; } part[MEASURE_PARTS];    /* plain mean, by sixteenth of the sequence */
    struct { long asked, right;                    /* tokens of the source's tag k, at [k] */
             long answers, exact; } tag[MEASURE_TAGS];            /* whole answers: tokens of one tag in a row */
    long asked, right;             /* all tags together */
};

/* NULL, or a sentence. */
const char *measure(struct swax_network *n, const struct data *d, const struct measure_how *how, struct measured *m, char *why);

/* RULER's score: feed what comes before the first answer, generate max_new tokens greedily, and count the share of
 * the answers that the output contains, ignoring case.  *score is the mean over the sequences. */
const char *measure_generated(struct swax_network *n, const struct data *d, const struct measure_how *how, int max_new, double *score, char *why);

/* An untrained-mode network of the same weights for other sizes. */
struct swax_network *measure_copy(struct swax_network *n, const struct swax_tier *tier, enum swax_precision precision, int B, int T, char *why);

#endif
