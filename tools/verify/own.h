/* own.h - a reference that somebody brings: a plain function in double and in float, a candidate, and a description
 * of the tensors that pass between them. `swax verify own` holds the one against the other by the judge's rule, as if
 * the plain function were one of ours.
 *
 * Both are functions of shared objects, of any name F:
 *
 *     void F(void *const *tensor, const int *size, const double *scalar);          in float
 *     void F_f64(...), F_bf16(...)                                                 in double, in bfloat16
 *
 * with the tensors, sizes and scalars in the order in which the description has them. The reference needs F and
 * F_f64, the candidate what dtype= says. A tensor that is "statistic" is float in bfloat16's function too; an "index"
 * is int32_t in all. */
#ifndef SWAX_VERIFY_OWN_H
#define SWAX_VERIFY_OWN_H

#include "tools/verify/door.h"

enum { OWN_TENSORS = 32, OWN_SIZES = 16, OWN_SCALARS = 16, OWN_NAME = 40, OWN_CHOICES = 16, OWN_AXES = 8 };
enum { OWN_CAUSES = 3 };      /* that a report names */

/* What an input's numbers are like: own_draw.c has what each family makes of them. */
enum own_like {
    LIKE_NORMAL,
    LIKE_WEIGHT,
    LIKE_GATE,
    LIKE_LOGIT,
    LIKE_PROBABILITY,
    LIKE_POSITIVE,
    LIKE_DECAY,
    LIKE_INDEX,
    LIKES
};

struct own_size {
    char letter, word[OWN_NAME];      /* "heads", or empty */
    int least, most, step;            /* step: it is a multiple of that */
    int choices, choice[OWN_CHOICES]; /* or one of these */
    char divides, reaches;            /* or it divides another size; or it is at least another one: that one's letter */
};
struct own_scalar { char name[OWN_NAME]; double least, most; };
struct own_tensor {
    char name[OWN_NAME], shape[OWN_AXES + 1];
    enum op_role role;                /* IN, OUT, ADD */
    int gradient;                     /* its bound is a gradient's */
    enum op_type type;                /* REAL, STAT, INT */
    enum own_like like;
    char below;                       /* of an index: the size it stays below */
};
struct own {
    char function[OWN_NAME], path[512];           /* path: the description's, for sentences */
    int sizes, scalars, tensors;
    struct own_size size[OWN_SIZES];
    struct own_scalar scalar[OWN_SCALARS];
    struct own_tensor tensor[OWN_TENSORS];
};

/* tools/verify/own_read.c: NULL, or a sentence about what is wrong in the description */
const char *own_read(struct own *w, const char *path, char *why);

/* tools/verify/own_draw.c: one problem */
struct own_problem {
    int number, size[OWN_SIZES];
    uint64_t seed;
    enum op_family family;
    char tall;                        /* the letter of the size that goes beyond a large block, or 0 */
    double scalar[OWN_SCALARS];
    long n[OWN_TENSORS];
    double *at[OWN_TENSORS];          /* inputs, and what stands where is added to; of outputs room for the answers */
};
/* Which size is tall, and what it is; the others are among their `few` smallest. */
struct own_tall { int size, extent, few; };
int own_commons(const char *suite);   /* how many problems a suite has in which none is tall */
/* sizes, scalars, family; nothing at `at`; tall may be NULL */
void own_sizes(struct own_problem *p, const struct own *w, uint64_t seed, int number, const struct own_tall *tall);
double own_numbers(const struct own_problem *p, const struct own *w);      /* that stand in its tensors */
void own_draw(struct own_problem *p, const struct own *w, enum dtype dtype);
void own_copy(struct own_problem *to, const struct own_problem *from, const struct own *w);
void own_free(struct own_problem *p);
long own_extent(const struct own *w, const struct own_problem *p, char letter);

/* tools/verify/own_tall.c: problems in which one size is tall.  How many, and the k-th of them, whose other sizes are
 * as small as they must be for the tensors to hold no more than so many numbers, where that can be. */
int own_talls(const struct own *w, const char *suite);
void own_tall_sizes(struct own_problem *p, const struct own *w, const char *suite, uint64_t seed, int number, int k,
                    double numbers);
/* Of one size: the last two problems in which it was tall, and the seconds that the plain function took for them. */
struct own_climb { int n[2]; double seconds[2]; };
double own_climb_expects(const struct own_climb *c, int n);                /* seconds, for a size of n */
int own_climbs(const struct own_climb *c, int n, double spent);            /* may n be asked, after so many seconds? */
void own_climbed(struct own_climb *c, int n, double seconds);

/* tools/verify/own_drift.c: move every input by a walk of that step, relative to its numbers, along its long axes, or
 * as it lies in memory: whether any moved.  And whether an output sums over several axes of an input. */
int own_drift(struct own_problem *p, const struct own *w, int in_memory, double step, uint64_t seed);
int own_reduced(const struct own_problem *p, const struct own *w, int i);

/* tools/verify/own_change.c: other numbers in the place of p's.  Step 0 changes all inputs; each of the others one
 * tensor or scalar alone, and a tensor in part: whether it changed anything. */
int own_changes(const struct own *w);                                      /* how many steps there are */
int own_change(struct own_problem *p, const struct own *w, enum dtype dtype, int step);

/* tools/verify/own_call.c: a function in a process of its own */
typedef void own_function(void *const *tensor, const int *size, const double *scalar);
/* Which functions a library has, asked in the process; NULL, or a sentence. */
typedef const char *own_load(own_function *f[SWAX_PRECISIONS], const struct own *w, const char *library, char *why);
own_load own_open;                    /* of a shared object */
struct own_process;
/* also: the precision it must have; numbers: the most that stand in a problem's tensors.  NULL, and a sentence. */
struct own_process *own_start(const struct own *w, const char *library, own_load *load, enum swax_precision also,
                              double numbers, char *why);
void own_stop(struct own_process *s);
int own_has(const struct own_process *s, enum swax_precision precision);
/* Call it on p, whose outputs become the answers; the arrays lie at one of two places. NULL, or a sentence in
 * trouble, about what it did: wrote outside, changed an input, crashed (then it is gone). */
const char *own_call(struct own_process *s, enum swax_precision precision, struct own_problem *p, int place,
                     long unwritten[OWN_TENSORS], char trouble[OP_SENTENCE]);
int own_gone(const struct own_process *s);
void own_hurry(struct own_process *s, double seconds);      /* that one call may take, from now on */

/* tools/verify/own_ways.c: one way in which a kernel may take an input or a scalar otherwise than it should. */
struct own_way {
    int kind, row, of, axis;          /* row: of the kind's table; of: which tensor or scalar; axis: or another one */
    int gradient;                     /* the answer that is a gradient of what the input is taken as, or -1 */
};
struct own_way *own_ways(const struct own *w, int *n);                      /* all of them; to be freed */
void own_way_says(char says[WORDS], const struct own *w, const struct own_way *way);
/* 0: in that problem it is the same as a simpler one, a tail that is all being an input that is ignored. */
int own_way_counts(const struct own_way *way, const struct own *w, const struct own_problem *p);
/* Put what it takes in the place of p's inputs and scalars; 0: that changes neither them nor an answer. */
int own_way_takes(const struct own_way *way, const struct own *w, struct own_problem *p);
/* What the plain function says of inputs that are taken so, into the answers of a kernel to `of`, which are not. */
void own_way_back(const struct own_way *way, const struct own *w, const struct own_problem *of,
                  struct own_problem *answers);

/* tools/verify/own_judge.c: the plain function, what it says of problems, and the rule */
enum { OWN_CALLS = 64 };
struct own_plain {
    const struct own *own;
    enum dtype dtype;                 /* the candidate's */
    struct own_process *process;
    const struct own_way *way;        /* not NULL: problems are `of` with inputs taken so, and answers those to `of` */
    const struct own_problem *of;
    double took[OWN_CALLS];           /* seconds, of the last calls */
    int calls;
    char *why;
};
/* Its answers to p, into it: 1, or 0 and why there are none. */
int own_plainly(struct own_plain *s, enum swax_precision precision, struct own_problem *p);
/* The truth, and what honest ones err about it, for every output: 1, or 0 and why not. */
int own_solve(struct own_plain *s, const struct own_problem *p, struct own_problem *truth,
              struct door_tensor t[OWN_TENSORS]);
/* Every output of one answer against the truth: 1 if all are within. */
int own_judge(const struct own *w, const struct own_problem *got, const long unwritten[OWN_TENSORS],
              struct door_tensor t[OWN_TENSORS]);

/* What was found of one tensor. */
struct own_found {
    int cases, failed, asked;
    double ratio;
    struct door_tensor worst;
    int number;
    enum op_family family;
    char sizes[WORDS];
};
struct own_verdict {
    int not_asked[OWN_SIZES];         /* from what on a tall size was not asked, or 0 */
    int not_asked_at[OWN_SIZES];      /* in which problem */
    int wrong_from[OWN_SIZES];        /* the least of a tall size that is wrong, or 0 */
    int wrong_commons;                /* problems that are wrong and in which none is tall */
    int problems, failed, unequal, first_unequal, trouble_at;
    int others, other_at;             /* problems that are right and, with other numbers, wrong; the first of them */
    char trouble[OP_SENTENCE];
    struct own_found tensor[OWN_TENSORS];
    int causes, too_large;            /* too_large: none was looked for */
    char cause[OWN_CAUSES][WORDS];
};

/* tools/verify/own.c: all of it.  NULL, or a sentence: there is no verdict. */
struct own_asked {
    const char *reference, *candidate, *tensors, *suite;
    own_load *load;                   /* own_open */
    uint64_t seed;
    enum dtype dtype;
    int only, json, words;            /* words: on standard output as well */
};
const char *verify_own(const struct own_asked *a, FILE *o, int *status, char *why);

/* tools/verify/own_causes.c: problems that were judged, with their answers, of which the small ones are kept. */
enum { OWN_KEPT = 200 };
struct own_case {
    struct own_problem is;
    double *got[OWN_TENSORS], *truth[OWN_TENSORS], rms_bound[OWN_TENSORS];
    unsigned char asked[OWN_TENSORS], within[OWN_TENSORS], finite[OWN_TENSORS];
};
struct own_kept { int n; double numbers; struct own_case *at[OWN_KEPT + 1]; };
void own_keep(struct own_kept *k, const struct own *w, const struct own_problem *p,
              const struct door_tensor t[OWN_TENSORS]);
void own_forget(struct own_kept *k);
/* Which ways explain the wrong ones of kept[0] and the right ones of kept[1], into the verdict. */
void own_find_causes(const struct own_plain *plain, const struct own_asked *a, double numbers,
                     const struct own_kept kept[2], struct own_verdict *v);

/* tools/verify/own_report.c */
void own_sizes_of(char text[WORDS], const struct own *w, const struct own_problem *p);
void own_print(FILE *o, const struct own *w, const struct own_verdict *v, const struct own_asked *a);
void own_print_json(FILE *o, const struct own *w, const struct own_verdict *v, const struct own_asked *a);

#endif
