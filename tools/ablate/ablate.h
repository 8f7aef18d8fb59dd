/* ablate.h - an ablation: arms by seeds, what is asked of each trained network, and what came out.
 *
 * An arm is a training run that differs from the others in what its settings say and in nothing else: with the same
 * seed all arms start from the same random numbers and see the same sequences in the same order.  An ablation is a JSON
 * file (plan.c says which members it has); those in data/ablate are built in under their names. */
#ifndef SWAX_ABLATE_H
#define SWAX_ABLATE_H

#include "ref/network/mixers.h"
#include "tools/lib/json.h"
#include "tools/measure/measure.h"
#include "tools/train/run.h"

enum { ABLATE_ARMS = 32, ABLATE_SEEDS = 64, ABLATE_SITTINGS = 96, ABLATE_QUESTIONS = 200, ABLATE_WINDOWS = 10,
       ABLATE_POINTS = 64, ABLATE_LAYERS = 32, ABLATE_CLAIMS = 24, ABLATE_TERMS = 6, ABLATE_PARTIES = 3,
       ABLATE_NAME = 48 };

/* ---- the plan */

struct ablate_arm {
    const char *name, *what, *role;
    const struct json *settings;
    double times;                              /* the steps of the settings */
    int equal_to;                              /* the arm whose FLOPs it has; -1: its own */
    double flops;                              /* of training one run; NaN: only files know the vocabulary */
    char contents[17], weights[17];            /* checksums of what its files hold, and of what it begins with; "":
                                                * there is none, or it was not asked */
};

/* A sitting: held-out sequences of one kind, seen with one window.  A question reads a number from it. */
struct sitting {
    int length, sequences;               /* at least: whole batches sit it */
    int window;                          /* 0: the arm's own */
    int from, to, facts_first;           /* facts that are asked for so far back; 0: sequences like those of training */
    enum measure_probe probe;
    int span;                            /* not 0: the past further back than that is cut, as `cut` says */
    enum measure_cut cut;
};

/* What a question is shown as; the first two are plotted against distance. */
enum ablate_group { ABLATE_FACTS, ABLATE_REUSE, ABLATE_FOUND, ABLATE_GAIN, ABLATE_TAG, ABLATE_LOSS, ABLATE_PROBE,
                    ABLATE_CONTROL, ABLATE_WINDOW, ABLATE_LENGTH, ABLATE_BAND };
struct question {
    char name[ABLATE_NAME], label[64];         /* in files and claims; for people */
    enum ablate_group group;
    int sitting;
    uint64_t rows;                             /* of the tally: which answers */
    enum measure_what what;
    int from, to;                              /* how far back, where it speaks of that */
};

/* left.question >= times * right.question + plus, or <=; right.arm is -1 where there is none. */
struct term { int arm, question; };
struct condition { struct term left, right; double times, plus; int at_least; };

/* It speaks of at most ABLATE_PARTIES arms.  A combination of their seeds has a say if `asks` holds for it. */
struct claim {
    const char *claim, *paper;
    int n_asks, n_holds, n_arms;
    struct condition asks[ABLATE_TERMS], holds[ABLATE_TERMS];
    int arm[ABLATE_PARTIES];
};

/* Do the claims, and what a verdict needs, stand as they stood when the folder was begun?  UNTOLD: by an older swax. */
enum ablate_rules { RULES_STOOD, RULES_CHANGED, RULES_UNTOLD };

struct ablation {
    char out[RUN_TEXT];
    struct json *file;                  /* what the names below point into */
    const char *name, *what, *question, *tuned, *about;       /* tuned, about: NULL where the file has none */
    const char *answer[3];              /* to the question, if the first claim's verdict is no, undecided, yes; NULLs */
    int seeds, sequences, longest, points, past;
    int least_seeds;                    /* for a verdict */
    double margin, luck;                /* a condition holds by so many standard errors; a yes may be luck so often */
    int arms;
    struct ablate_arm arm[ABLATE_ARMS];
    struct run run[ABLATE_ARMS];        /* of seed 1, without its folder */
    int short_window, long_window, length, reach;      /* reach: the furthest that any windowed stack sees */
    int sittings, questions, windows, claims;
    struct sitting sitting[ABLATE_SITTINGS];
    struct question ask[ABLATE_QUESTIONS];
    int window[ABLATE_WINDOWS];         /* of the train-window x test-window grid */
    int memory, near, loss;   /* questions: what the file calls long memory and short context (-1: nothing); the loss */
    char examination[17];               /* a checksum of what is asked, question by question */
    char asked_of_curve[3][17];         /* the same of the loss, memory and near alone; "": it is not asked */
    struct claim claim[ABLATE_CLAIMS];
    enum ablate_rules rules;
};

/* ---- what came out */

/* cells: their share of the squared gradient */
struct ablate_point { int step; double tokens, loss, memory, near, cells; };

/* One trained network.  What was not measured is NaN. */
struct outcome {
    int done, other;                           /* other: it is there, and was asked other questions */
    uint64_t seed;
    double tokens, seconds, parameters;
    struct estimate answer[ABLATE_QUESTIONS];
    double part[MEASURE_PARTS];                /* loss by position */
    int layers;
    struct { double value[SWAX_INSIDE]; } layer[ABLATE_LAYERS];    /* what its mixer shows of it */
    int points;
    struct ablate_point curve[ABLATE_POINTS];
};

/* The verdict on a claim. */
enum ablate_verdict { ABLATE_NO, ABLATE_UNDECIDED, ABLATE_YES };
struct verdict {
    const struct claim *claim;
    enum ablate_verdict says;
    int combinations, hold, fail;             /* of seeds: one of each arm */
    double luck;                              /* how often results dealt out at random do as well; NaN: one arm alone */
    char measured[768], why[160];
};
extern const char *const ablate_verdict_name[];

/* ---- functions */

/* plan.c: from the file's text, and what the command line changes.  NULL, or a sentence; close it in either case. */
struct options;
const char *ablation_open(struct ablation *a, const char *text, struct options *o, char *why);
void ablation_close(struct ablation *a);
const char *ablation_settings(struct run *r, const char *text, char *why);   /* set what the file says of all arms */
int ablation_source_value(const struct run *r, const char *key);   /* a whole number that its data has; 0 if not */
int ablation_reach(const struct run *r);          /* what its windows see: n (W-1) tokens back; 0 with full attention */
int ablation_role(const struct ablation *a, const char *role);       /* the first arm of that role, or -1 */
void ablation_folder(char path[RUN_TEXT + 64], const struct ablation *a, int arm, int seed);

/* budget.c: how many steps an arm's run makes, by the members budget and equal_flops of the file (NULL: not there), and
 * how many FLOPs these take. */
const char *budget_set(struct ablation *a, int arm, const struct json *times, const struct json *equal, char *why);

/* questions.c: what such an ablation asks; and the number of a question by its name, or -1. */
const char *questions_set(struct ablation *a, char *why);
int question_find(const struct ablation *a, const char *name);
void question_sum(const struct ablation *a, int question, struct checksum *sum);       /* all that it asks is added */

/* claims.c */
const char *claims_read(struct ablation *a, const struct json *claims, char *why);
void claims_sum(const struct ablation *a, char digits[17]);    /* a checksum of the rules: claims, and what they need */
void verdicts(struct verdict v[ABLATE_CLAIMS], const struct ablation *a, const struct outcome *r /* (arms,seeds) */);

/* builtin.c: the text of an ablation that is built in, to be freed; NULL, and a sentence. */
/* ended by one without a name */
extern const struct ablate_builtin { const char *name; const char *const *line; } ablate_builtin[];
char *ablate_builtin_text(const char *name, char *why);

/* folder.c: the folder is this ablation's, from now on if it is new; refused is one of other settings, other weights to
 * begin with, or files that hold other data.  Finds a->rules.  NULL, or a sentence. */
const char *ablation_claim(struct ablation *a, int only_report, char *why);
/* Do the files of an arm, its data and the weights it begins with, still hold what they held when the folder was
 * claimed?  All runs of an ablation are of the same.  NULL, or a sentence. */
const char *ablation_same(const struct ablation *a, int arm, char *why);

/* Open a run as far as its first step, so that it is refused before a folder is claimed for it.  In a process of its
 * own: a device's context does not survive the forks that follow.  try.c. */
enum ablation_trial { ABLATION_ON_HOST, ABLATION_ON_DEVICE, ABLATION_ON_SHARED_DEVICE, ABLATION_REFUSED };
enum ablation_trial ablation_try(const struct run *r, char *why);

/* outcome.c: train one run to its end, or go on with it, and examine it. */
enum outcome_end { OUTCOME_DONE, OUTCOME_STOPPED, OUTCOME_BUSY, OUTCOME_FAILED };
typedef int (*outcome_progress)(void *arg, int step);        /* after every step; what it returns: 0 go on, 1 stop */
enum outcome_end outcome_make(const struct ablation *a, int arm, int seed, int threads, outcome_progress progress,
                              void *arg, char *why);

/* results.c: the one writer and reader of what came out.  r->done = 0: it is not there, or it was asked other
 * things. */
void outcome_write(FILE *f, const struct ablation *a, int arm, const struct outcome *r, const char *indent);
const char *outcome_read(struct outcome *r, const struct ablation *a, int arm, int seed, char *why);
void curve_write(FILE *f, const struct ablation *a, const struct outcome *r, const char *indent);
/* From the object that holds it.  What another question has answered is NaN; so is what may be, where `other` and an
 * older swax wrote it.  1: something was. */
int curve_read(struct outcome *r, const struct ablation *a, const struct json *object, int other);
const char *results_write(const struct ablation *a, const struct outcome *r, char *why);       /* FOLDER/results.json */

/* spread.c: of the finished seeds of an arm, what(outcome) sorted, NaNs left out; how many. */
typedef double (*outcome_value)(const struct outcome *r, int index);
struct spread { int n; double low, median, high; };
struct spread spread_of(const struct ablation *a, const struct outcome *r, int arm, outcome_value value, int index);
double value_answer(const struct outcome *r, int question);

/* report.c: FOLDER/report.html from what there is.  NULL, or a sentence. */
const char *report_write(const struct ablation *a, const struct outcome *r, const char *command, char *why);

#endif
