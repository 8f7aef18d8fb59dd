/* asked.c - see asked.h. */
#include "tests/asked.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/scratch.h"

struct answer ask_command(int (*command)(int, char **), const char *arguments)
{
    struct answer a = {0};
    char *line = strdup(arguments), *argv[64], *path = scratch("stderr"), *printed = scratch("stdout");
    int argc = 0;
    for (char *word = strtok(line, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    fflush(stdout);
    fflush(stderr);
    const int out = dup(1), err = dup(2);
    ck_assert(freopen(printed, "w", stdout) && freopen(path, "w", stderr));
    a.status = command(argc, argv);
    fflush(stdout);
    fflush(stderr);
    dup2(out, 1);
    dup2(err, 2);
    close(out), close(err);
    FILE *f = fopen(path, "r");
    a.text[fread(a.text, 1, sizeof a.text - 1, f)] = 0;
    fclose(f);
    free(line), free(path), free(printed);
    return a;
}

void refused(int (*command)(int, char **), const char *arguments, const char *expected)
{
    const struct answer a = ask_command(command, arguments);
    const size_t n = strlen(a.text);
    ck_assert_msg(a.status == 2, "status %d for: %s\n%s", a.status, arguments, a.text);
    ck_assert_msg(n > 20 && strchr(a.text, '\n') == a.text + n - 1, "not one sentence for: %s\n%s", arguments, a.text);
    ck_assert_msg(strstr(a.text, expected) != NULL, "no \"%s\" for: %s\n%s", expected, arguments, a.text);
    ck_assert_msg(strchr(".?", a.text[n - 2]) && a.text[n - 3] != '.', "not the end of a sentence: %s", a.text);
}

char *done(int (*command)(int, char **), const char *arguments)
{
    char *text, *path = scratch("stdout");
    const struct answer a = ask_command(command, arguments);
    ck_assert_msg(a.status == 0, "status %d for: %s\n%s", a.status, arguments, a.text);
    read_whole(path, &text);
    free(path);
    return scratch_keep(text);
}

char *placed(const char *text)
{
    char *folder = scratch(""), *to = scratch_keep(calloc(strlen(text) + 1, strlen(folder) + 1)), *at = to;
    for (; *text; text++) {
        if (*text == '@')
            at += sprintf(at, "%s", folder);
        else
            *at++ = *text;
    }
    return to;
}

