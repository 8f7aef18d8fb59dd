/* vocabulary.c - a file of tokens in base64. */
#include "tools/lib/vocabulary.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tools/lib/files.h"
#include "tools/lib/say.h"

const char vocabulary_name[] = "vocabulary.tiktoken";
enum { LARGEST = 1 << 24, FILE_LIMIT = 1 << 28 };       /* numbers of tokens; bytes of the file */

struct token { const char *bytes; int n; };             /* NULL: there is no such token */
struct vocabulary { char *path, *text; struct token *token; int size; };

/* The value of a digit of base64, or -1. */
static int digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Base64 in place, up to a space: how many bytes, or -1 where it is none.  Every four digits are three bytes. */
static int decode(char *text, char **end)
{
    unsigned bits = 0;
    int held = 0, n = 0, digits = 0;
    char *p = text;
    for (; digit(*p) >= 0; p++, digits++) {
        bits = bits << 6 | (unsigned)digit(*p);
        held += 6;
        if (held >= 8) {
            held -= 8;
            text[n++] = (char)(bits >> held & 0xff);
        }
    }
    for (; *p == '='; p++)
        digits++;
    *end = p;
    return digits % 4 == 0 && *p == ' ' ? n : -1;
}

static const char *grow(struct vocabulary *v, int room, char *why)
{
    struct token *more = realloc(v->token, (size_t)room * sizeof *more);
    if (!more)
        return say(why, "There is no memory for a vocabulary of %d tokens.", room);
    v->token = more;
    for (int i = v->size; i < room; i++)
        v->token[i] = (struct token){NULL, 0};
    v->size = room;
    return NULL;
}

/* One line: "aGVsbG8= 15339". */
static const char *read_line(struct vocabulary *v, char *line, int number, int *largest, int *room, char *why)
{
    char *end;
    const int n = decode(line, &end);
    const long token = n < 0 ? -1 : strtol(end + 1, &end, 10);
    if (n < 0 || token < 0 || token >= LARGEST || (*end && *end != '\r'))
        return say(why, "%s: line %d is not a token's bytes in base64, a space, and its number below %d.", v->path,
                   number, LARGEST);
    if (token >= *room) {
        *room = 2 * (int)token + 1024;
        if (grow(v, *room, why))
            return why;
    }
    if (v->token[token].bytes)
        return say(why, "%s: line %d says again what token %ld is.", v->path, number, token);
    v->token[token] = (struct token){line, n};
    *largest = (int)token > *largest ? (int)token : *largest;
    return NULL;
}

static const char *read_all(struct vocabulary *v, char *why)
{
    size_t size;
    int largest = -1, room = 0, number = 1;
    v->text = file_read(v->path, FILE_LIMIT, &size, why);
    if (!v->text)
        return why;
    for (char *line = v->text, *end; line < v->text + size; line = end + 1, number++) {
        end = line + strcspn(line, "\n");      /* a NUL stands behind the file */
        *end = 0;
        if (*line && read_line(v, line, number, &largest, &room, why))
            return why;
    }
    v->size = largest + 1;
    return v->size ? NULL : say(why, "%s holds no token.", v->path);
}

struct vocabulary *vocabulary_open(const char *path, char *why)
{
    struct vocabulary *v = calloc(1, sizeof *v);
    const size_t n = strlen(path) + 1;
    if (v && (v->path = malloc(n)))
        memcpy(v->path, path, n);
    else
        say(why, "There is no memory to open %s.", path);
    if (v && v->path && !read_all(v, why))
        return v;
    vocabulary_close(v);
    return NULL;
}

void vocabulary_close(struct vocabulary *v)
{
    if (!v)
        return;
    free(v->path);
    free(v->text);
    free(v->token);
    free(v);
}

const char *vocabulary_path(const struct vocabulary *v) { return v->path; }
int vocabulary_size(const struct vocabulary *v) { return v->size; }

void vocabulary_write(FILE *f, const struct vocabulary *v, int bytes, int token)
{
    if (!v && bytes)
        fputc(token, f);
    else if (!v)
        fprintf(f, "%d ", token);
    else if (token >= 0 && token < v->size && v->token[token].bytes)
        fwrite(v->token[token].bytes, 1, (size_t)v->token[token].n, f);
    else
        fprintf(f, "<%d>", token);
}
