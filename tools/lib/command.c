/* command.c - what the subcommands share. */
#include "tools/lib/commands.h"

#include <stdio.h>
#include <string.h>

int command_fails(const char *sentence)
{
    const size_t n = strlen(sentence);
    const char last = n ? sentence[n - 1] : 0;
    fprintf(stderr, "swax: %s%s\n", sentence, last == '.' || last == '?' ? "" : ".");
    return 2;
}

int command_asks_help(int *argc, char **argv)
{
    for (int i = 0; i < *argc; i++)
        if (!strcmp(argv[i], "help") || !strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            memmove(argv + i, argv + i + 1, (size_t)(--*argc - i) * sizeof *argv);
            return 1;
        }
    return 0;
}
