/* ablate.h - an ablation: arms by seeds, what is asked of each trained network, and what came out.
 *
 * An arm is a training run that differs from the others in its windows or its mixers and in nothing else: with
 * the same seed all arms start from the same random numbers and see the same sequences in the same order. */
#ifndef SWAX_ABLATE_H
#define SWAX_ABLATE_H

#include "ref/network/mixers.h"
#include "tools/measure/measure.h"
#include "tools/train/run.h"

enum { ABLATE_ARMS = 32, ABLATE_SEEDS = 64, ABLATE_BINS = 12, ABLATE_WINDOWS = 10, ABLATE_POINTS = 64, ABLATE_LAYERS = 16 };

/* What an arm stands for in the paper's claims. */
enum ablate_role { ABLATE_OTHER, ABLATE_SHORT, ABLATE_LONG, ABLATE_BOTH, ABLATE_PURE_SWA, ABLATE_PURE_CELL, ABLATE_FULL };

/* Settings are "key=value; key=value", as on the command line of `swax train`. */
struct ablate_arm { const char *name, *what; enum ablate_role role; const char *settings; };

struct ablate_preset {
    const char *name, *what;
    int claims;                    /* 0: its verdicts stay undecided, whatever the numbers */
    int seeds;
    int sequences;                 /* of an examination, at the training length */
    int longest;                   /* the longest examination, in training lengths */
    int points;                    /* of the curves */
    const char *settings;          /* of all arms; the window given here is the long one */
    const struct ablate_arm *arms; /* the first without a name ends them */
    const char *tuned;             /* what was searched for before, and how; for the report */
};

extern const struct ablate_preset ablate_presets[];    /* ended by one without a name */

/* An examination: facts `from` to `to` tokens back, in sequences of `length` tokens. */
struct ablate_bin { char name[48]; int length, from, to; };

/* A preset with everything worked out. */
struct ablation {
    const struct ablate_preset *preset;
    char out[RUN_TEXT];
    int arms, seeds;
    const struct ablate_arm *arm[ABLATE_ARMS];
    struct run run[ABLATE_ARMS];               /* of seed 1, without its folder */
    int test_window[ABLATE_ARMS];
    int short_window, long_window, length, reach;      /* reach: the furthest that any windowed stack sees */
    int bins, beyond;                          /* bin[beyond]: further back than that, within the training length */
    int in_text;                               /* bin[in_text]: beyond the arm's own reach in sequences like those of training,
                                                * where most facts were said several times; it is no examination */
    struct ablate_bin bin[ABLATE_BINS];
    int windows, window[ABLATE_WINDOWS];       /* of the train-window x test-window grid */
};

struct ablate_point { int step; double tokens, loss, recall, copy; };

/* One trained network.  What was not measured, as copies in a task without any, is NaN. */
struct outcome {
    int done;
    uint64_t seed;
    double tokens, seconds, parameters;
    double loss;                               /* on held-out sequences, per token, unweighted */
    double recall[ABLATE_BINS], copy;
    double grid[ABLATE_WINDOWS];               /* recall[beyond] with other test windows */
    double grid_copy[ABLATE_WINDOWS];
    double whole, span_cut, relay_block;       /* recall of facts at the start, beyond reach, by probe */
    double part[MEASURE_PARTS];                /* loss by position */
    int layers;
    struct { double value[SWAX_INSIDE]; } layer[ABLATE_LAYERS];    /* what its mixer shows of it */
    int points;
    struct ablate_point curve[ABLATE_POINTS];
};

/* The verdict on one of the paper's claims. */
struct verdict { const char *claim, *paper; char measured[640]; const char *holds; };      /* "yes" "no" "undecided" */
enum { ABLATE_VERDICTS = 6 };

/* Recall beyond reach from which on a seed counts as having locked in. */
#define ABLATE_LOCKED 0.5

/* presets.c: NULL, or a sentence. */
struct options;
const char *ablation_open(struct ablation *a, const struct ablate_preset *p, struct options *o, char *why);
const char *ablation_settings(struct run *r, const char *settings, char *why);      /* set "key=value; key=value" */
int ablation_source_value(const struct run *r, const char *key);     /* a whole-number parameter of its data */
int ablation_reach(const struct run *r);                     /* what its windows see: n (W-1) tokens back; 0 with full attention */
void ablation_folder(char path[RUN_TEXT + 64], const struct ablation *a, int arm, int seed);

/* Open a run as far as its first step, so that it is refused before a folder is claimed for it.  In a process of its own:
 * a device's context does not survive the forks that follow.  tools/ablate/try.c. */
enum ablation_trial { ABLATION_ON_HOST, ABLATION_ON_DEVICE, ABLATION_REFUSED };
enum ablation_trial ablation_try(const struct run *r, char *why);

/* outcome.c: train one run to its end, or go on with it, and examine it. */
enum outcome_end { OUTCOME_DONE, OUTCOME_STOPPED, OUTCOME_BUSY, OUTCOME_FAILED };
typedef int (*outcome_progress)(void *arg, int step);        /* after every step; what it returns: 0 go on, 1 stop */
enum outcome_end outcome_make(const struct ablation *a, int arm, int seed, int threads, outcome_progress progress, void *arg, char *why);
const char *outcome_read(struct outcome *r, const struct ablation *a, int arm, int seed, char *why);   /* r->done = 0: it is not there */

/* verdicts.c */
void verdicts(struct verdict v[ABLATE_VERDICTS], const struct ablation *a, const struct outcome *r /* (arms,seeds) */);

/* Of the finished seeds of an arm: what(outcome) sorted, NaNs left out; how many. */
typedef double (*outcome_value)(const struct outcome *r, int index);
struct spread { int n; double low, median, high; };
struct spread spread_of(const struct ablation *a, const struct outcome *r, int arm, outcome_value value, int index);
double value_recall(const struct outcome *r, int bin);
double value_copy(const struct outcome *r, int unused);
double value_loss(const struct outcome *r, int unused);
double value_grid(const struct outcome *r, int window);
double value_grid_copy(const struct outcome *r, int window);

/* results.c, report.c: write FOLDER/results.json, FOLDER/report.html from what there is.  NULL, or a sentence. */
const char *results_write(const struct ablation *a, const struct outcome *r, char *why);
const char *report_write(const struct ablation *a, const struct outcome *r, const char *command, char *why);

#endif
