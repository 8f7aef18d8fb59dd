/* text.h - words and numbers in text. */
#ifndef SWAX_TEXT_H
#define SWAX_TEXT_H

#include <stddef.h>

/* How far a word that was typed is from one that is meant: 1 for a letter that is missing, since people leave parts of
 * a long name out, or swapped with its neighbour; 2 for one that is wrong or too many.  Words of 64 letters and more
 * are far from everything. */
int swax_distance(const char *typed, const char *meant);

/* Numbers are decimal, with a point, whatever locale the program has set: strtod and printf would take and write a
 * comma.  read: the whole text ("7.5", "-1e-6", ".5"; no blanks, no hexadecimal, no "inf"): 1, or 0 if it is no number.
 * What no double holds becomes an infinity.  of: the first n characters, which are known to be one. */
int swax_number_read(const char *text, double *value);
double swax_number_of(const char *text, size_t n);
/* the fewest digits, from 6, that read back as x: 10000, not 1e+04 */
void swax_number_write(char text[32], double x);

#endif
