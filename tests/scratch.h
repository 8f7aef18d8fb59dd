/* scratch.h - a folder for a test's files, made by main and gone with it; and whole files in and out. */
#ifndef SWAX_TESTS_SCRATCH_H
#define SWAX_TESTS_SCRATCH_H

#include <stddef.h>

void scratch_open(void);
void scratch_close(void);

/* Texts to be freed, though a test that is about to end need not. */
char *scratch(const char *name);                      /* the path of a file in the folder */
char *in_folder(const char *folder, const char *name);
size_t read_whole(const char *path, char **text);
char *scratch_keep(char *text);                       /* the same text, known from now on: no leak if nobody frees it */

void put(const char *path, const void *text, size_t n);
/* A safetensors file of that header, whatever length it claims to have. */
void put_with_header(const char *path, const char *header, size_t claimed, const char *data, size_t n);
void put_many_entries(const char *path, int entries);
int same_bytes(const char *path_a, const char *path_b);
int is_sentence(const char *s);                                /* one line that says something, and was not cut off */

#endif
