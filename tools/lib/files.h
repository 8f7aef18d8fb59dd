/* files.h - whole files in and out, without losing what was there. */
#ifndef SWAX_FILES_H
#define SWAX_FILES_H

#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* The file's bytes and a NUL behind them, to be freed; or NULL and a sentence in why[SWAX_WHY].
 * Larger than `limit` is refused. */
char *file_read(const char *path, size_t limit, size_t *size, char *why);

/* Read exactly n bytes at an offset.  NULL, or a sentence: the file is shorter, the disk fails. */
const char *file_read_at(int fd, const char *path, void *to, size_t n, off_t offset, char *why);

/* All of n bytes, whatever write(2) takes at a time.  0, or -1 with errno. */
int file_write(int fd, const void *from, size_t n);

/* Hold a file for as long as it is open, or the process lives.  Some file systems cannot lock: then nobody is kept
 * out. */
enum file_lock { FILE_HELD, FILE_BUSY, FILE_NO_LOCKS, FILE_LOCK_FAILED };      /* the last with errno */
enum file_lock file_lock(int fd);

/* Replace a file as a whole: begin opens path.partial in the same folder, commit makes it durable and renames it
 * to path, abandon removes it.  begin gives a descriptor, or -1 and a sentence; it waits for a process that is at
 * the same file, and refuses to replace a link, a device, a folder. */
int file_begin(const char *path, char *why);
const char *file_commit(int fd, const char *path, char *why);
void file_abandon(int fd, const char *path);
const char *file_replace(const char *path, const void *from, size_t n, char *why);       /* the three at once */

/* A stream into memory: *text and *size follow what is flushed.  NULL where there is no memory; what later finds none
 * is kept for ferror, which open_memstream forgets. */
FILE *file_open_text(char **text, size_t *size);
/* Close it.  The text, or NULL, and nothing to free, where memory ran out. */
char *file_close_text(FILE *f, char **text);
/* The same, and path becomes it; f may be NULL: there was no memory for it. */
const char *file_replace_text(const char *path, FILE *f, char **text, char *why);

const char *file_make_folder(const char *path, char *why);                                /* and those above it */

/* Is nothing of that name there, or an empty folder, as what was broken off leaves one? */
int file_is_new(const char *path);

#endif
