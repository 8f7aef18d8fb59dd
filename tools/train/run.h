/* run.h - a training run: what it is, and the one training loop.
 *
 * A run is plain data: copy it, change it, train it.  `swax train` is a command line around one of them,
 * `swax ablate` a table of many, the tests two short ones.  With the same tier the same run gives the same
 * bits, whatever the threads and however often it was stopped and resumed. */
#ifndef SWAX_RUN_H
#define SWAX_RUN_H

#include <signal.h>
#include "tools/tasks/data.h"
#include "tools/train/schedule.h"

enum { RUN_TEXT = 512, RUN_TIERS = 128 };

struct run {
    char out[RUN_TEXT];                            /* the folder it keeps its files in; "": none */
    int resume;                                    /* go on with what stands in out; else out must hold no run */
    struct swax_config model;
    char tier[16];                                 /* "": the fastest usable */
    enum swax_precision precision;
    int threads;                                   /* 0: all cores */
    const struct source *source;
    char value[SOURCE_KEYS][RUN_TEXT];             /* beside source->keys; "": the default */
    int batch, length, accumulate, steps;          /* a step: batch sequences of length tokens, in accumulate parts */
    struct windows windows;
    struct swax_adamw optimiser;                   /* .rate is the highest */
    enum schedule schedule;
    double warmup, cooldown, final_rate;           /* fractions: of the steps; of the steps; of the highest rate */
    uint64_t seed;
    int checkpoint_every, keep_every;              /* steps; keep_every numbered ones stay, 0: only the last */
    int held_out_every, held_out_sequences;        /* steps between looks, 0: a twentieth of all; how many, 0: none */
    int sample_tokens;                             /* of a sample at each of those looks; 0: none */
    char from[RUN_TEXT];                           /* whose weights it begins with (weights.h); "": none */
    double minutes;                         /* for which there shall be steps, instead of `steps`; 0: as `steps` says */

    /* What run_train finds, and a checkpoint keeps beside the keys. */
    /* a checksum of the first sequences and of what the files hold for training */
    char data[17];
    char held_out[17];                             /* of what the files hold out; "": they hold nothing out */
    /* that the checkpoint it goes on from was trained on; "": there is none */
    char tiers[RUN_TIERS];

    /* What run_train finds, for whoever watches. */
    int done;                                      /* steps that were done before */
    int64_t tokens[2];                             /* in the files, for training and held out; 0: they are generated */
    int64_t held_out_pieces;                       /* sequences it holds out before text comes once more; 0: any */
    int held_out_differs;                          /* from what the checkpoint was held against */
    int too_little;                                /* is held out for a sequence, so that none is looked at */
    double best;                                   /* the lowest held-out loss so far; NaN: there is none */
    int unlocked;                                  /* its folder's file system has no locks: nobody else is kept out */
};

/* ---- as text: run_keys.c */

struct run run_default(void);

/* Set one key: of the run, of its network, or of its source (set "data" first).  NULL, or a sentence. */
const char *run_set(struct run *r, const char *key, const char *value, char *why);

/* Take every option that nobody took yet as a key of the run.  NULL, or a sentence. */
struct options;
const char *run_take(struct run *r, struct options *o, char *why);

/* Its tables: of its folder (out and resume), where that is asked for, of the run itself, of its source, of its
 * network. */
extern const struct key run_keys[];
void run_tables(struct keys *k, struct run *r, int folder);

/* Every key with its value, as run_set reads it; `fixed` leaves out those that may change when a run is resumed. */
void run_list(const struct run *r, int fixed, void (*each)(const char *key, const char *value, void *arg), void *arg);
char *run_json(const struct run *r, int fixed);                        /* config.json's text, to be freed */

/* The keys of its source, as tools/tasks/data.h takes them. */
void run_values(const struct run *r, const char *value[SOURCE_KEYS]);
/* What a token of its data is: "byte", or "token". */
const char *run_unit(const struct run *r);
/* The token that begins a document in its data, or -1; and what a text begins with where nothing else is given. */
int run_separator(const struct run *r);
int run_first_token(const struct run *r);

/* Do its numbers go together?  NULL, or a sentence. */
const char *run_check(const struct run *r, char *why);

/* ---- training */

enum { RUN_CELLS = 32 };                  /* layers of which it is told; those behind them are left out */
struct run_cell { int layer; double low, median, high; };
struct run_point {
    int step;                             /* steps done: 1 after the first */
    int window;
    double tokens, loss, norm, rate;      /* all told; of this step */
    double held_out, held_out_error;   /* loss of held-out sequences, every token counted the same; NaN at most steps */
    int cells;                            /* at most steps 0: layers with a state, and how long their heads remember, */
    struct run_cell cell[RUN_CELLS];      /* in tokens */
    const char *sample;                   /* at most steps NULL: what it would write, which may hold NULs */
    size_t sample_bytes;
    double seconds, tokens_per_second;    /* of this step: the only numbers that differ from run to run */
};

/* Told after each step, and before the first with point NULL.  What it returns: go on, or stop as if interrupted. */
enum run_verdict { RUN_GO_ON, RUN_STOP };
typedef enum run_verdict (*run_watch)(void *arg, const struct run *r, const struct run_point *point,
                                      struct swax_network *n);

/* The last three leave a sentence in why[SWAX_WHY], and every checkpoint that there was.  BUSY: another process
 * is training in the same folder. */
enum run_end { RUN_FINISHED, RUN_INTERRUPTED, RUN_DIVERGED, RUN_REFUSED, RUN_BUSY };

/* Train to the end, or until run_interrupted or watch says stop; watch may be NULL. */
enum run_end run_train(const struct run *r, run_watch watch, void *arg, char *why);

extern volatile sig_atomic_t run_interrupted;      /* set by whoever wants all runs to finish their step and stop */
int run_exists(const char *out);                   /* has a run begun there? */
/* the run that began there, from its config.json */
const char *run_read(struct run *r, const char *out, char *why);

#endif
