/* door.h - the judge for a process in another language: libswax.so's functions that tools/python calls.
 *
 * Nothing here prints or reads argv.  All numbers are doubles, whatever the kernel's types are.  A string that is
 * returned is NULL, or a sentence, in `why` (SWAX_WHY characters). */
#ifndef SWAX_VERIFY_DOOR_H
#define SWAX_VERIFY_DOOR_H

#include "tools/verify/verify.h"

/* sizeof struct op_spec, door_problem and door_tensor: whoever knows their fields by heart compares. */
extern const long door_sizes[3];

/* One array of a problem, as whoever answers sees it. */
struct door_array {
    const char *name, *shape;     /* "q", "BTHK": a letter an axis */
    int role;                     /* 0 input, 1 answer that may be left out, 2 answer that is asked for */
    int type;                     /* enum op_type: of REAL, STAT, INT and DOUBLE, what kernels.h says */
    int rank;
    long extent[8];
    double *at;                   /* an input to be read, an answer to be written; room for all its elements */
    int given;                    /* whoever answers sets it: 1, or -1 of an answer that is not to be asked */
};
enum { DOOR_ARRAYS = 2 * OP_ARGS };
struct door_problem {
    int number, n;
    const char *op, *dims, *family;      /* the forward's name, its sizes' letters */
    int dim[OP_DIMS];
    const char *scalars;                 /* its scalars' names, parted by blanks */
    double scalar[OP_SCALARS], seconds;  /* seconds: of a call that was timed, set by whoever answers */
    struct door_array array[DOOR_ARRAYS];
};

/* Where the inputs shall lie: at other addresses than the last ones; where the last ones of the same sizes lay; or for
 * a call that is timed, once, on cold caches. */
enum door_how { DOOR_ELSEWHERE, DOOR_SAME, DOOR_TIMED };
/* Call the kernel.  0, or not 0 and a sentence in `trouble`: it is wrong whatever its numbers are; negative: it is
 * gone. */
typedef int door_answer(void *arg, struct door_problem *p, int how, char trouble[OP_SENTENCE]);

/* Put a suite to it, in the words of `swax verify make` (kernel first, then key=value; time=yes too, number=N), and
 * write the report as JSON to the file descriptor `out`. */
const char *door_run(int n, const char *const *words, door_answer *answer, void *arg, double bandwidth,
                     const char *device, int out, char *why);

/* The same verdict about one problem whose arrays are the caller's: p->op is a kernel, or a forward with its backward;
 * sizes, scalars and inputs are set, and of the answers those that are `given`. */
const char *door_judge(const struct door_problem *p, const char *dtype, int out, char *why);

/* As JSON. */
const char *door_report(const struct report *r, int out, char *why);

/* ---- one tensor of a kernel that nobody here knows, by the same rule (ref/oracle/judge.c) */
struct door_tensor {
    long n;
    int gradient, dtype;                 /* enum dtype */
    int statistic;                       /* kept in float even where the kernel is in bf16 or f16 */
    const double *truth, *got;
    struct op_distance plain, nudged;    /* 0 at first; door_honest adds to one or the other */
    int axes, unwritten;
    struct axis axis[AXES];
    /* out */
    struct op_distance error, bound;
    int within, asked;
    long worst;                          /* the element that is furthest off */
    double ulp;
    char looks[WORDS];
};
/* An honest evaluation in float (nudged 0), or in double of inputs that door_nudge moved: up or down (1), or all away
 * from 0 (2), which has a direction, so that its bias does not count. */
void door_honest(struct door_tensor *t, const double *evaluation, int nudged);
void door_tensor_judge(struct door_tensor *t);
/* By one rounding of that dtype, up or down by seed; away from 0 where the seed is 0. */
void door_nudge(double *a, long n, int dtype, int statistic, uint64_t seed);
void door_round(double *a, long n, int dtype, int statistic);

#endif
