/* convention.h - what other projects' window parameters mean, in keys visible to a query, its own included. */
#ifndef SWAX_CONVENTION_H
#define SWAX_CONVENTION_H

struct convention {
    const char *name;
    int more;                  /* keys seen - the parameter's value */
    const char *parameter;     /* whose, and which */
};

extern const struct convention conventions[];      /* the first NULL name ends them; [0] is ours */

#endif
