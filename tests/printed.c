/* printed.c - see printed.h. */
#include "tests/printed.h"

#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/scratch.h"

char *printed_in(void (*print)(void *arg), void *arg)
{
    char *path = scratch("stdout"), *text;
    fflush(stdout);
    const int out = dup(1);
    ck_assert(freopen(path, "w", stdout) != NULL);
    print(arg);
    fflush(stdout);
    dup2(out, 1);
    close(out);
    read_whole(path, &text);
    return text;
}

struct call { int (*command)(int, char **); const char *arguments; };

static void run(void *arg)
{
    const struct call *c = arg;
    char line[4096], *argv[64];
    int argc = 0;
    snprintf(line, sizeof line, "%s", c->arguments);
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    c->command(argc, argv);
}

char *printed_by(int (*command)(int, char **), const char *arguments)
{
    struct call c = { command, arguments };
    return printed_in(run, &c);
}
