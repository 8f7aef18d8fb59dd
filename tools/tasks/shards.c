/* shards.c - files of tokens that others made: llm.c's, whose header of 256 int32 says what they hold (magic, version,
 * how many tokens, zeros), and plain numbers without a header. */
#include "tools/tasks/corpus.h"
#include "tools/tasks/reuse.h"
#include "tools/lib/files.h"
#include "tools/lib/say.h"

enum { HEADER = 1024, MOST = 1 << 30 };
enum token_type { BY_HEADER, UINT16, UINT32 };

/* Headers that are known, and how many tokens a vocabulary has where no file of it says so. */
static const struct kind { int magic, version, token_bytes, vocabulary; } kinds[] = {
    {20240520, 1, 2, 50257},               /* GPT-2's tokens */
    {20240801, 7, 4, 128256},              /* Llama 3's */
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static const char *type_word(int i)
{
    static const char *const words[] = {[BY_HEADER] = "header", [UINT16] = "uint16", [UINT32] = "uint32", NULL};
    return words[i];
}

static const struct key keys[] = {
    CORPUS_FILE("a .bin file of tokens, or a pattern in quotes for several shards"),
    CORPUS_HELD_OUT,
    CORPUS_SEPARATOR("the token that begins a new document (GPT-2's is 50256); none if empty", MOST - 1),
    CORPUS_CONTEXT("tokens whose last occurrence in the document says how far back an answer was seen; 0: none is "
                   "looked for", "4"),
    CORPUS_HELD_OUT_FILE("other shards, likewise, that are held out instead of a part of file"),
    CORPUS_BLOCKS,
    KEY_WORD("token_type", struct corpus_asked, token_type, "header", type_word,
             "how tokens are stored: as llm.c's header says, or as plain numbers of 16 or 32 bits, little-endian"),
    KEY_ROW(&key_path, "vocabulary_file", struct corpus_asked, vocabulary_file, "",
            "what tokens stand for: a line each, its bytes in base64 and its number; empty: vocabulary.tiktoken, if "
            "it lies beside the shards", .others = "tokenizer tokenizer_file"),
    {0},
};

static int64_t word(const unsigned char *header, int i)
{
    const unsigned char *at = header + 4 * i;
    const int64_t u = at[0] | at[1] << 8 | at[2] << 16 | (int64_t)at[3] << 24;
    return u < 0x80000000 ? u : u - 0x100000000;
}

static const char *read_header(int fd, const char *path, int64_t bytes, struct corpus_layout *l, char *why)
{
    unsigned char header[HEADER];
    const struct kind *kind = NULL;
    if (bytes < HEADER)
        return say(why,
                   "%s is no llm.c token file: its %lld bytes are fewer than a header's %d. Plain numbers need "
                   "token_type=uint16 or uint32.",
                   path, (long long)bytes, HEADER);
    if (file_read_at(fd, path, header, HEADER, 0, why))
        return why;
    for (int i = 0; i < KINDS; i++)
        if (word(header, 0) == kinds[i].magic)
            kind = &kinds[i];
    if (!kind)
        return say(why,
                   "%s is no llm.c token file: it begins with %lld where %d or %d should stand. Plain numbers need "
                   "token_type=uint16 or uint32.",
                   path, (long long)word(header, 0), kinds[0].magic, kinds[1].magic);
    if (word(header, 1) != kind->version)
        return say(why, "%s is of version %lld: version %d, with tokens of %d bits, can be read.", path,
                   (long long)word(header, 1), kind->version, 8 * kind->token_bytes);
    *l = (struct corpus_layout){kind->token_bytes, kind->vocabulary, HEADER, word(header, 2)};
    if (l->tokens < 1 || bytes != HEADER + l->token_bytes * l->tokens)
        return say(why,
                   "%s says that it holds %lld tokens, but its size is that of %lld: it was cut short, or is damaged.",
                   path, (long long)l->tokens, (long long)(bytes - HEADER) / l->token_bytes);
    return NULL;
}

static const char *check(int fd, const char *path, int64_t bytes, const struct corpus_asked *a, struct corpus_layout *l,
                         char *why)
{
    if (a->token_type == BY_HEADER)
        return read_header(fd, path, bytes, l, why);
    const struct kind *kind = &kinds[a->token_type == UINT32];
    *l = (struct corpus_layout){kind->token_bytes, kind->vocabulary, 0, bytes / kind->token_bytes};
    return bytes && bytes % kind->token_bytes == 0 ? NULL
                                                   : say(why, "%s has %lld bytes: not so many numbers of %d bits.",
                                                         path, (long long)bytes, 8 * kind->token_bytes);
}

static const struct corpus_format format = {.words_beside = 1, .check = check};

static void *open_shards(const char *const *value, int T, char *why)
{
    return corpus_open(&format, keys, value, T, why);
}

extern const struct source source_shards;
const struct source source_shards = {
    .name = "shards", .what = "files of tokens: llm.c's, or plain numbers",
    .keys = keys, .tags = reuse_tags, .distance = reuse_distance,
    .open = open_shards, .close = corpus_close, .vocabulary = corpus_vocabulary, .words = corpus_words,
    .fill = corpus_fill, .tokens = corpus_tokens, .pieces = corpus_pieces, .holds_out = corpus_holds_out,
    .contents = corpus_contents,
    .same = corpus_same,
};
