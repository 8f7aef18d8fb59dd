/* text.c - any file as a sequence of bytes: 256 tokens, no tokeniser. */
#include "tools/tasks/corpus.h"
#include "tools/tasks/reuse.h"

static const struct key keys[] = {
    CORPUS_FILE("the text: a path, or a pattern in quotes for several files one after the other"),
    CORPUS_HELD_OUT,
    CORPUS_SEPARATOR("the byte that begins a new document, as a number (10 is the line feed); none if empty", 255),
    CORPUS_CONTEXT("bytes whose last occurrence in the document says how far back an answer was seen; 0: none is "
                   "looked for", "12"),
    CORPUS_HELD_OUT_FILE("another text, likewise, that is held out instead of a part of file"),
    CORPUS_BLOCKS,
    {0},
};

#define W9 1, 1, 1, 1, 1, 1, 1, 1, 1
#define W26 W9, W9, 1, 1, 1, 1, 1, 1, 1, 1
#define W128 W26, W26, W26, W26, W9, W9, 1, 1, 1, 1, 1, 1
/* letters, digits, _ and all beyond ASCII */
static const unsigned char is_word[256] = {['0'] = W9, 1, ['A'] = W26, ['_'] = 1, ['a'] = W26, [128] = W128};

static const char *check(int fd, const char *path, int64_t bytes, const struct corpus_asked *a, struct corpus_layout *l,
                         char *why)
{
    (void)fd, (void)path, (void)a, (void)why;
    *l = (struct corpus_layout){.token_bytes = 1, .vocabulary = 256, .tokens = bytes};
    return NULL;
}

static const struct corpus_format format = {.is_word = is_word, .check = check};

static void *open_text(const char *const *value, int T, char *why)
{
    return corpus_open(&format, keys, value, T, why);
}

extern const struct source source_text;
const struct source source_text = {
    .name = "text", .what = "any file as bytes",
    .keys = keys, .tags = reuse_tags, .distance = reuse_distance, .unit = "byte",
    .open = open_text, .close = corpus_close, .vocabulary = corpus_vocabulary, .fill = corpus_fill,
    .tokens = corpus_tokens, .pieces = corpus_pieces, .holds_out = corpus_holds_out, .contents = corpus_contents,
    .same = corpus_same,
};
