/* number.h - numbers in text, between bounds. */
#ifndef SWAX_NUMBER_H
#define SWAX_NUMBER_H

#include "ref/network/text.h"

/* The whole text as a number between the two: 1, or 0 if it is not one. */
int number_real(const char *text, double least, double most, double *value);
int number_whole(const char *text, long least, long most, long *value);

/* How many, as a page says it: "90", "41.5 thousand", "1.25 million". */
void number_amount(char text[32], double n);

#endif
