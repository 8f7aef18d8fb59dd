/* number.h - numbers in text: decimal, with a point, whatever the locale of the process says. */
#ifndef SWAX_NUMBER_H
#define SWAX_NUMBER_H

#include <stddef.h>

/* The whole text as a decimal number ("7.5", "-1e-6", ".5"): 1, or 0 if it is not one.  No blanks, no hexadecimal, no
 * "inf"; what no double holds becomes an infinity. */
int number_read(const char *text, double *value);

/* The same of the first n characters, which are known to be a number. */
double number_of(const char *text, size_t n);

int number_real(const char *text, double least, double most, double *value);      /* and it lies between the two */
int number_whole(const char *text, long least, long most, long *value);

void number_write(char text[32], double x);      /* the fewest digits, from 6, that read back as x */
void number_point(char *text);                   /* what printf wrote with the locale's decimal point gets a point */

#endif
