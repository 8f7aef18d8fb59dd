/* random.h - random numbers by counter: every draw is a pure function of (seed, stream, number, draw).
 *
 * Whatever has a number - a training sequence, a step, a sampled token - opens its own generator and draws
 * from it: nothing depends on what was drawn before, or by whom.  A run resumes, and two arms of an ablation
 * see the same data, without any state but the number.  splitmix64's finaliser over hashed keys. */
#ifndef SWAX_RANDOM_H
#define SWAX_RANDOM_H

#include <stdint.h>

struct random { uint64_t key, drawn; };

enum random_stream { RANDOM_TRAIN, RANDOM_HELD_OUT, RANDOM_WINDOW, RANDOM_SAMPLE, RANDOM_STREAMS };

struct random random_open(uint64_t seed, uint64_t stream, uint64_t number);
uint64_t random_next(struct random *r);                  /* 64 even bits */
double random_unit(struct random *r);                    /* [0,1), 53 bits */
uint64_t random_below(struct random *r, uint64_t n);     /* 0 .. n-1, each equally likely; n >= 1 */
double random_normal(struct random *r);                  /* N(0,1) */
void random_shuffle(struct random *r, int *x, int n);
void random_order(struct random *r, int *x, int n);      /* 0 .. n-1, shuffled */

/* Where i of 0 .. n-1 goes in a permutation that key chooses; nothing is stored. */
uint64_t random_permute(uint64_t key, uint64_t n, uint64_t i);

#endif
