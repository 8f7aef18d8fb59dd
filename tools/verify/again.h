/* again.h - what a candidate says when it is asked again: of the same numbers, and of others where the last ones
 * lay. */
#ifndef SWAX_VERIFY_AGAIN_H
#define SWAX_VERIFY_AGAIN_H

#include "tools/verify/verify.h"

/* Where the inputs lie: where the last ones of the same sizes lay; somewhere else; or somewhere that the candidate has
 * not seen, and before it has seen anything, where that can be had. */
enum again_how { AGAIN_SAME, AGAIN_ELSEWHERE, AGAIN_ALONE };
/* Ask about a problem, into got, which begins as what stood there.  NULL, or a sentence: it is wrong whatever its
 * numbers are.  *lost: nobody is there to be asked again. */
typedef const char *again_ask(void *arg, const struct problem *p, struct op_case got[PARTS], enum again_how how,
                              int *lost);

enum { AGAIN_SEEN = 1024 };
struct again {
    again_ask *ask;
    void *arg;
    int by_part;                          /* sentences are about a kernel, not about a forward with its backward */
    unsigned char seen[AGAIN_SEEN];       /* a problem by its number: it has been asked again */
    struct problem first, other;          /* the first small problem; the first that is wrong beside a right one */
    struct op_case first_got[PARTS];      /* what was said to the first */
    char trouble[OP_SENTENCE];
};

/* Of two calls on the same inputs: was the second wrong where the first was right?  NULL, or a sentence.  That their
 * bits differ is counted in the report. */
const char *again_second(struct again *a, const struct problem *p, const struct op_case got[PARTS],
                         const struct op_case second[PARTS], struct report *r);
/* Has the problem been asked before?  It has, from now on. */
int again_saw(struct again *a, const struct problem *p);
/* Where it is right about a problem that is small, every so often: others in its place, and it again.  NULL, or a
 * sentence in a->trouble: what it said first hangs on more than the numbers.  If it is plainly wrong about the others,
 * that is in the report, and they are a->other. */
const char *again_replay(struct again *a, const struct problem *p, const struct op_case got[PARTS], struct report *r,
                         int *lost);
/* Where much is wrong: is what was asked first still answered as it was?  NULL, or a sentence. */
const char *again_first(struct again *a);
/* A call that was timed is wrong: a sentence. */
const char *again_timed(struct again *a, const struct problem *p);
void again_free(struct again *a);

/* Copies without the truth. */
void problem_copy(struct problem *to, const struct problem *from);
void answers_copy(struct op_case to[PARTS], const struct problem *p, const struct op_case from[PARTS]);
void answers_free(struct op_case got[PARTS]);
/* Other numbers, of which a problem's answers are others: `round` chooses which. */
void case_change(struct op_case *c, int round);
void problem_change(struct problem *p, int round);
/* Of a problem that is solved. */
int part_is_right(const struct problem *p, const struct op_case answers[PARTS], int part);
/* -1, or the part that is wrong. */
int answers_wrong(const struct problem *p, const struct op_case answers[PARTS]);

#endif
