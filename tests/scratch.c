/* scratch.c - a folder for a test's files. */
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char folder[256];

void scratch_open(void)
{
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/swax-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder)) {
        perror(folder);
        exit(1);
    }
}

void scratch_close(void)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command))
        fprintf(stderr, "could not remove %s\n", folder);
}

char *scratch(const char *name)
{
    const size_t n = strlen(folder) + strlen(name) + 2;
    char *path = malloc(n);
    snprintf(path, n, "%s/%s", folder, name);
    return path;
}
