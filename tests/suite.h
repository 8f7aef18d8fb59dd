/* suite.h - the end of every check's main. */
#ifndef SWAX_TESTS_SUITE_H
#define SWAX_TESTS_SUITE_H

#include <check.h>

int suite_ends(Suite *s);      /* run it; the exit status of the program */
int suite_long(void);          /* is there time for all of it?  `make test-long` says so by LONG=yes */

#endif
