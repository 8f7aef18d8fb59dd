/* shards.c - llm.c's token files: 256 int32 (magic, version, how many tokens, zeros), then uint16, little-endian. */
#include "tools/tasks/corpus.h"
#include "tools/tasks/reuse.h"
#include "tools/lib/files.h"
#include "tools/lib/say.h"

enum { MAGIC = 20240520, VERSION = 1, HEADER = 1024, GPT2 = 50257 };

static const struct key keys[] = {
    CORPUS_FILE("a .bin file of llm.c, or a pattern in quotes for several shards"),
    CORPUS_HELD_OUT,
    CORPUS_SEPARATOR("the token that begins a new document (GPT-2's is 50256); none if empty", GPT2 - 1),
    CORPUS_CONTEXT("tokens whose last occurrence in the document says how far back an answer was seen; 0: none is "
                   "looked for", "4"),
    CORPUS_HELD_OUT_FILE("other shards, likewise, that are held out instead of a part of file"),
    CORPUS_BLOCKS,
    {0},
};

static int64_t word(const unsigned char *header, int i)
{
    const unsigned char *at = header + 4 * i;
    const int64_t u = at[0] | at[1] << 8 | at[2] << 16 | (int64_t)at[3] << 24;
    return u < 0x80000000 ? u : u - 0x100000000;
}

static const char *check(int fd, const char *path, int64_t bytes, int64_t *tokens, char *why)
{
    unsigned char header[HEADER];
    if (bytes < HEADER)
        return say(why, "%s is no llm.c token file: its %lld bytes are fewer than a header's %d.", path,
                   (long long)bytes, HEADER);
    if (file_read_at(fd, path, header, HEADER, 0, why))
        return why;
    if (word(header, 0) != MAGIC)
        return say(why, "%s is no llm.c token file: it begins with %lld where %d should stand.", path,
                   (long long)word(header, 0), MAGIC);
    if (word(header, 1) != VERSION)
        return say(why, "%s is of version %lld: version %d, with tokens of 16 bits, can be read.", path,
                   (long long)word(header, 1), VERSION);
    *tokens = word(header, 2);
    if (*tokens < 1 || bytes != HEADER + 2 * *tokens)
        return say(why,
                   "%s says that it holds %lld tokens, but its size is that of %lld: it was cut short, or is damaged.",
                   path,
                   (long long)*tokens, (long long)(bytes - HEADER) / 2);
    return NULL;
}

static const struct corpus_format format = {.token_bytes = 2, .header_bytes = HEADER, .vocabulary = GPT2,
                                            .check = check};

static void *open_shards(const char *const *value, int T, char *why)
{
    return corpus_open(&format, keys, value, T, why);
}

extern const struct source source_shards;
const struct source source_shards = {
    .name = "shards", .what = "llm.c's .bin files of GPT-2 tokens",
    .keys = keys, .tags = reuse_tags, .distance = reuse_distance,
    .open = open_shards, .close = corpus_close, .vocabulary = corpus_vocabulary, .fill = corpus_fill,
    .tokens = corpus_tokens, .contents = corpus_contents,
};
