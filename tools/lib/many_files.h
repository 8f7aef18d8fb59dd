/* many_files.h - more files than a process may have open: some are at a time, and it shows when one was written to. */
#ifndef SWAX_MANY_FILES_H
#define SWAX_MANY_FILES_H

#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

enum { MANY_OPEN = 64 };

struct many_file {
    char *path;
    int fd;                                /* -1: closed */
    struct stat as;                        /* when it was opened first, or looked at last */
    time_t looked;                         /* when that was */
};
/* open[opened % MANY_OPEN] is the next to be closed */
struct many_files { struct many_file *file; int n, opened, open[MANY_OPEN]; };

/* One more, which must be a plain file and not empty.  NULL, or a sentence. */
const char *many_files_add(struct many_files *m, const char *path, char *why);

/* Exactly n bytes of file i at an offset; and its descriptor, good until the next call of either, or -1. */
const char *many_files_read(struct many_files *m, int i, void *to, size_t n, off_t offset, char *why);
int many_files_descriptor(struct many_files *m, int i, char *why);

/* A file that may have been written to since it was opened, or since this was asked last; -1: none.  It looks at times
 * and sizes alone: what is written to need not hold anything else. */
int many_files_moved(struct many_files *m);

void many_files_close(struct many_files *m);

#endif
