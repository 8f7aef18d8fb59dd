/* pick.h - the next token from logits. */
#ifndef SWAX_PICK_H
#define SWAX_PICK_H

#include "tools/lib/random.h"

struct pick {
    double temperature;      /* logits are divided by it; 0 takes the largest */
    int top_k;               /* only the k likeliest; 0: all */
    double top_p;            /* only the likeliest that make up this much probability, and at least one; 1: all */
    int vocabulary;
    int *order;              /* (vocabulary), scratch */
};

int pick_token(const struct pick *p, const float *logits, struct random *r);

#endif
