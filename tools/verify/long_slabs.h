/* long_slabs.h - what the files of suite=long share: the whole, in memory in the kernel's own types, and its slabs. */
#ifndef SWAX_VERIFY_LONG_SLABS_H
#define SWAX_VERIFY_LONG_SLABS_H

#include <stddef.h>
#include "tools/verify/verify.h"

enum { LONG_GUARD = 4096,             /* bytes before and behind each array */
       LONG_COPIES = 7 };             /* of a slab, in double, at once: while it is judged, or one for each process that
                                         draws, of which there are no more */

/* A sequence's group of heads, or some rows; and how many there are of each, and the rows of one. */
struct slab { long b, g, row; };
struct slabs { long b, g, rows, each; int of_rows; };
struct whole {
    struct op_case c[PARTS];
    int parts;
    unsigned char *base;
    size_t bytes, at[PARTS][OP_ARGS];
    enum swax_precision precision;
};

int *whole_dim(struct op_case *c, char letter);
long whole_extent(const struct op_case *c, char letter);
/* Of an argument of that shape; of the largest. */
double whole_elements(const struct op_case *c, const char *shape);
double whole_largest(const struct op_case *c);

/* slab: elements that one of rows has at the most. */
struct slabs slabs_of(const struct op_case *c, double slab);
long slabs_count(const struct slabs *s);
struct slab slab_number(const struct slabs *s, long i);
/* Of a table that tokens look up, as embed's, one of several slabs has the rows of its tokens, in their order. */
void slab_dims(struct op_case *part, const struct op_case *c, const struct slabs *s, const struct slab *at);
/* Does the shape have every letter along which there are several slabs?  What it sums over them is not asked. */
int slabs_have(const struct slabs *s, const char *shape);

/* Of optional arguments there are the states that are saved, and no others. */
int whole_gives(const struct op_arg *a);
/* Sizes and places of the arrays; `base` is the caller's to take. */
void whole_begin(struct whole *w, const struct subject *s, const struct op_case *c, enum swax_precision precision);
/* Which argument of the forward that one of a backward is, so that it lies once; or -1. */
int whole_shares(const struct whole *w, int part, int i);
/* Is it drawn, rather than left out, answered or lying there already? */
int whole_draws(const struct whole *w, int part, int i);
/* All inputs, by seed; what is written begins as NaN, what is added to as 0.  More than one hand, of
 * LONG_COPIES at most, are processes, for which w->base has to be shared.  NULL, or a sentence in why. */
const char *whole_fill(const struct whole *w, const struct plan *plan, const struct slabs *s, uint64_t seed, int hands,
                       char *why);
/* The inputs of one slab, as a problem. */
void slab_draw(struct problem *p, const struct whole *w, const struct plan *plan, const struct slabs *s,
                    const struct slab *at, uint64_t seed);
/* Its tokens, which stand for rows of the whole's table, brought to the rows that the slab has of it. */
void slab_numbers_tokens(struct op_case *part, const struct slabs *s);
/* Numbers between a slab's case and the whole: into it, or out of it.  `of` has sizes and, of a table, the tokens. */
void slab_move(const struct whole *w, int part, int i, double *x, const struct op_case *of, const struct slabs *s,
                    const struct slab *at, int in);

#endif
