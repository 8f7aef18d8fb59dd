/* nearest.h - "did you mean": the candidate that a misspelt word was most likely meant to be. */
#ifndef SWAX_NEAREST_H
#define SWAX_NEAREST_H

/* Try all, then read .best (NULL: none is near). */
struct nearest { const char *word, *best; int distance; };
struct nearest nearest_to(const char *word);
void nearest_try(struct nearest *n, const char *candidate);
/* near `candidate`, `meant` is meant */
void nearest_try_for(struct nearest *n, const char *candidate, const char *meant);

#endif
