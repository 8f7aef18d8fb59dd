/* many_files.h - more files than a process may have open: some are at a time, and each stays what it was at first. */
#ifndef SWAX_MANY_FILES_H
#define SWAX_MANY_FILES_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

enum { MANY_OPEN = 64 };

struct many_file {
    char *path;
    int fd;                                /* -1: closed */
    struct stat as;                        /* when it was opened first */
};
/* open[opened % MANY_OPEN] is the next to be closed */
struct many_files { struct many_file *file; int n, opened, open[MANY_OPEN]; };

/* One more, which must be a plain file and not empty.  NULL, or a sentence. */
const char *many_files_add(struct many_files *m, const char *path, char *why);

/* Exactly n bytes of file i at an offset; and its descriptor, good until the next call of either, or -1.  A sentence
 * where the file has changed meanwhile. */
const char *many_files_read(struct many_files *m, int i, void *to, size_t n, off_t offset, char *why);
int many_files_descriptor(struct many_files *m, int i, char *why);

void many_files_close(struct many_files *m);

#endif
