/* text.c - any file as a sequence of bytes: 256 tokens, no tokeniser. */
#include "tools/tasks/corpus.h"

static const struct key keys[] = {
    CORPUS_FILE("the text: a path, or a pattern in quotes for several files one after the other"),
    CORPUS_HELD_OUT,
    CORPUS_SEPARATOR("the byte that begins a new document, as a number (10 is the line feed); none if empty", 255),
    {0},
};

static const char *check(int fd, const char *path, int64_t bytes, int64_t *tokens, char *why)
{
    (void)fd, (void)path, (void)why;
    *tokens = bytes;
    return NULL;
}

static const struct corpus_format format = {1, 0, 256, check};

static void *open_text(const char *const *value, int T, char *why)
{
    return corpus_open(&format, keys, value, T, why);
}

extern const struct source source_text;
const struct source source_text = {
    "text", "any file as bytes", keys, 0, open_text, corpus_close, corpus_vocabulary, corpus_fill, corpus_contents,
};
