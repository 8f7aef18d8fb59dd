/* terminal.h - how wide the terminal is. */
#ifndef SWAX_TERMINAL_H
#define SWAX_TERMINAL_H

/* Columns of the terminal on standard output: what COLUMNS says, else what it says itself.  0: it is no terminal, or
 * nobody says. */
int terminal_columns(void);

#endif
