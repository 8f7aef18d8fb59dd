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

/* What one sequence adds: row k counts the answers of tag k, the last row all targets.  The second half is filled by
 * measure_past alone. */
enum { MEASURE_ALL = MEASURE_TAGS, MEASURE_ROWS };
struct tally {
    double asked, right, loss;
    double cut_right, cut_loss;      /* of the same answers, where the past was cut */
    double lost, found;              /* answers that are wrong where it was cut; and of those, right where it was not */
    double weight, weighted;         /* of those asked: their weights in the loss, and the loss times these */
};

struct measure_how {
    int B, T, window;              /* at most the network's B and T */
    int sequences;                 /* held-out ones, numbered from 0; measure_past takes whole batches of them */
    uint64_t seed;
    enum measure_probe probe;
    int facts_end;                 /* of the probe */
    struct tally (*tally)[MEASURE_ROWS];       /* one for each sequence, which are added to; or NULL */
};

/* A mean over the answers of the rows in `rows` (bit k: row k), with its standard error over sequences, since answers
 * of one sequence are no independent draws: of the ratio R = sum x_s / sum n_s, sqrt(S/(S-1) sum (x_s - R n_s)^2) / sum
 * n_s; NaN where one sequence has all the answers, which says nothing of how much others differ. */
enum measure_what { MEASURE_RIGHT, MEASURE_LOSS, MEASURE_GAIN, MEASURE_FOUND, MEASURE_WEIGHTED };
struct estimate { double value, error, asked; };               /* NaN, NaN, 0: nothing was asked */
struct estimate measure_estimate(struct tally (*tally)[MEASURE_ROWS], int sequences, uint64_t rows,
                                 enum measure_what what);

struct measured {
    double loss;                   /* weighted mean over all targets, in nats; its error is that of MEASURE_WEIGHTED */
    struct { double loss; long targets; } part[MEASURE_PARTS];    /* plain mean, by sixteenth of the sequence */
    struct { long asked, right;                    /* tokens of the source's tag k, at [k] */
             long answers, exact; } tag[MEASURE_TAGS];            /* whole answers: tokens of one tag in a row */
    long asked, right;             /* all tags together */
};

/* NULL, or a sentence. */
const char *measure(struct swax_network *n, const struct data *d, const struct measure_how *how, struct measured *m,
                    char *why);

/* What is the past worth that lies further back than `span` tokens?  Every sequence is seen whole and with its past
 * cut, and answers are counted for which something was cut:
 *   DOCUMENT   the document is cut to its last span/2 to span tokens: the network begins anew at multiples of span/2;
 *   CELLS      the cells alone are: attention sees what it always does;
 *   FOREIGN    all but the last `span` tokens come from another sequence: its keys and states stand where the
 *              document's own stood; answers count in the last span/2.  Needs how->B > 1.
 * Fills how->tally: MEASURE_GAIN is the loss that the past saves per answer, the same answers for every network;
 * MEASURE_FOUND the share of answers right with it among those the same network gets wrong without. */
enum measure_cut { MEASURE_DOCUMENT, MEASURE_CELLS, MEASURE_FOREIGN, MEASURE_CUTS };
const char *measure_past(struct swax_network *n, const struct data *d, const struct measure_how *how,
                         enum measure_cut cut, int span, char *why);

/* RULER's score: feed what comes before the first answer, generate max_new tokens greedily, and count the share of
 * the answers that the output contains, ignoring case.  separator begins a document, -1: nothing does.  *score is the
 * mean over the sequences that have answers.  NULL, or a sentence: none has, or one is longer than max_new. */
const char *measure_generated(struct swax_network *n, const struct data *d, const struct measure_how *how, int max_new,
                              int separator, double *score, char *why);

/* An untrained-mode network of the same weights for other sizes. */
struct swax_network *measure_copy(struct swax_network *n, const struct swax_tier *tier, enum swax_precision precision,
                                  int B, int T, char *why);

#endif
