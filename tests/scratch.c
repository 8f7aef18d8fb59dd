/* scratch.c - a folder for a test's files. */
#include "tests/scratch.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "ref/network/config.h"
#include "tools/lib/files.h"

static char folder[256];

void scratch_open(void)
{
    const char *base = getenv("TMPDIR");
    const char *fast = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";      /* in memory, where fsync costs nothing */
    snprintf(folder, sizeof folder, "%s/swax-XXXXXX", base ? base : fast);
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

/* Known to somebody, so that none counts as a leak. */
enum { TEXTS = 4096 };
extern char *scratch_texts[TEXTS];
char *scratch_texts[TEXTS];
static unsigned given;

char *scratch_keep(char *text)
{
    return scratch_texts[given++ % TEXTS] = text;
}

char *in_folder(const char *where, const char *name)
{
    const size_t n = strlen(where) + strlen(name) + 2;
    char *path = scratch_keep(malloc(n));
    snprintf(path, n, "%s/%s", where, name);
    return path;
}

char *scratch(const char *name)
{
    return in_folder(folder, name);
}

size_t read_whole(const char *path, char **text)
{
    char why[SWAX_WHY];
    size_t n;
    *text = scratch_keep(file_read(path, 1 << 26, &n, why));
    ck_assert_msg(*text != NULL, "%s", why);
    return n;
}

void put(const char *path, const void *text, size_t n)
{
    FILE *f = fopen(path, "wb");
    ck_assert_msg(f && fwrite(text, 1, n, f) == n && !fclose(f), "%s cannot be written", path);
}

void put_with_header(const char *path, const char *header, size_t claimed, const char *data, size_t n)
{
    const size_t h = strlen(header);
    char *text = malloc(8 + h + n);
    for (int i = 0; i < 8; i++)
        text[i] = (char)(claimed >> 8 * i & 255);
    memcpy(text + 8, header, h);
    memcpy(text + 8 + h, data, n);
    put(path, text, 8 + h + n);
    free(text);
}

void put_many_entries(const char *path, int entries)
{
    char *text;
    size_t size;
    FILE *h = open_memstream(&text, &size);
    for (int i = 0; i < entries; i++)
        fprintf(h, "%c\"t%d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}", i ? ',' : '{', i);
    fputc('}', h);
    fclose(h);
    put_with_header(path, text, size, "", 0);
    free(text);
}

int same_bytes(const char *a, const char *b)
{
    char *x, *y;
    const size_t n = read_whole(a, &x), m = read_whole(b, &y);
    const int same = n == m && !memcmp(x, y, n);
    free(x);
    free(y);
    return same;
}

int is_sentence(const char *s)
{
    const size_t n = strlen(s);
    return n > 10 && n < SWAX_WHY && !strchr(s, '\n');
}
