/* suite.h - the end of every check's main. */
#ifndef SWAX_TESTS_SUITE_H
#define SWAX_TESTS_SUITE_H

#include <check.h>

int suite_ends(Suite *s);      /* run it; the exit status of the program */

#endif
