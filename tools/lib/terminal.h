/* terminal.h - how wide the terminal is, and texts that fit it. */
#ifndef SWAX_TERMINAL_H
#define SWAX_TERMINAL_H

/* Columns of the terminal on standard output: what COLUMNS says, else what it says itself.  0: it is no terminal, or
 * nobody says. */
int terminal_columns(void);

/* Print words from column `at` on, in lines of at most `columns` (0: of any length) that begin at column `indent`, and
 * end the last; a line feed stays one. */
void terminal_wrap(const char *text, int at, int indent, int columns);

#endif
