/* asked.h - a command of the program, run in a test, and what it answered. */
#ifndef SWAX_TESTS_ASKED_H
#define SWAX_TESTS_ASKED_H

/* text: what it wrote on standard error. */
struct answer { int status; char text[2048]; };

/* Arguments are separated by blanks; what is printed goes to the file "stdout" of the test's folder. */
struct answer ask_command(int (*command)(int, char **), const char *arguments);

/* It was refused: status 2, and one sentence that has `expected`. */
void refused(int (*command)(int, char **), const char *arguments, const char *expected);

/* It was done: status 0; what it printed. */
char *done(int (*command)(int, char **), const char *arguments);

/* '@' stands for the test's folder. */
char *placed(const char *text);

#endif
