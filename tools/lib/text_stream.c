/* text_stream.c - a stream into memory that remembers when it could not grow.
 *
 * POSIX has open_memstream, but where memory runs out glibc's drops a byte and sets no error, so that a text cut short
 * looks whole.  A stream of our own hands the failure to stdio, which keeps it for ferror. */
#if defined __APPLE__
#ifndef _DARWIN_C_SOURCE
#define _DARWIN_C_SOURCE
#endif
#else
#define _GNU_SOURCE                  /* fopencookie, of glibc and musl */
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lib/files.h"

struct grown { char **text; size_t *size, room; };

/* `n` more characters behind those there are; 0, and nothing changed, where there is no memory for them. */
static size_t grow(struct grown *g, const char *from, size_t n)
{
    if (*g->size + n + 1 > g->room) {
        const size_t room = 2 * (*g->size + n + 1);
        char *more = realloc(*g->text, room);
        if (!more)
            return 0;
        *g->text = more;
        g->room = room;
    }
    memcpy(*g->text + *g->size, from, n);
    *g->size += n;
    (*g->text)[*g->size] = 0;
    return n;
}

static int let_go(void *grown)
{
    free(grown);
    return 0;
}

#if defined __APPLE__
static int write_some(void *grown, const char *from, int n) { return grow(grown, from, (size_t)n) ? n : n ? -1 : 0; }
static FILE *stream_of(struct grown *g) { return funopen(g, NULL, write_some, NULL, let_go); }
#else
static ssize_t write_some(void *grown, const char *from, size_t n) { return (ssize_t)grow(grown, from, n); }

static FILE *stream_of(struct grown *g)
{
    return fopencookie(g, "w", (cookie_io_functions_t){ .write = write_some, .close = let_go });
}
#endif

FILE *file_open_text(char **text, size_t *size)
{
    struct grown *g = malloc(sizeof *g);
    FILE *f = NULL;
    *text = calloc(1, 1);
    *size = 0;
    if (g && *text) {
        *g = (struct grown){ text, size, 1 };
        f = stream_of(g);
    }
    if (!f) {
        free(g);
        free(*text);
        *text = NULL;
    }
    return f;
}
