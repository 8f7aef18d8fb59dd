/* printed.h - what a command prints. */
#ifndef SWAX_TESTS_PRINTED_H
#define SWAX_TESTS_PRINTED_H

/* On standard output; arguments are separated by blanks. */
char *printed_by(int (*command)(int, char **), const char *arguments);

/* The same of anything that prints. */
char *printed_in(void (*print)(void *arg), void *arg);

#endif
