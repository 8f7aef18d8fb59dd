/* suite.h - the end of every check's main. */
#ifndef SWAX_TESTS_SUITE_H
#define SWAX_TESTS_SUITE_H

#include <check.h>

/* ck_assert_msg for a loop over elements.  ck_assert_msg writes its line to a file whenever it holds, so that a crash
 * behind it can be placed: half of the time of a check that holds elements one by one. */
#define ck_assert_each(holds, ...) do { if (!(holds)) ck_abort_msg(__VA_ARGS__); } while (0)

int suite_ends(Suite *s);      /* run it; the exit status of the program */
/* of a sweep every how many-th case: all in `make test-long`, a third of the usual where EVERY is set, as for an
 * emulator */
int suite_stride(int usual);
int suite_long(void);          /* is there time for all of it?  `make test-long` says so by LONG=yes */
void suite_shard(int *part, int *parts);      /* SHARD=2/3: this process is the second of three that share the work */

#endif
