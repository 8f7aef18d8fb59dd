/* golden.h - texts that are kept in tests/golden, so that a change of what a program writes or draws is seen. */
#ifndef SWAX_TESTS_GOLDEN_H
#define SWAX_TESTS_GOLDEN_H

/* The text is the one kept under that name: to the letter, but for numbers after a blank or a mark, which may differ by
 * `within` of their size.  If not, the test fails and shows the first line that differs.  With GOLDEN=write in the
 * environment the text is kept first: look at it, and at the diff. */
void golden_is(const char *name, const char *text, double within);

/* The same of a text whose lines begin with a name and a colon: each that is kept is there, in any order, and others
 * may be. */
void golden_has(const char *name, const char *text, double within);

/* golden_is of a page: of a drawing is kept what it says of itself, and a checksum of its lines and letters. */
void golden_page_is(const char *name, const char *page);

#endif
