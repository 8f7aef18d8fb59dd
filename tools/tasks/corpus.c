/* corpus.c - tokens that lie in files. */
#include "tools/tasks/corpus.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/lib/many_files.h"
#include "tools/lib/random.h"
#include "tools/lib/say.h"
#include "tools/tasks/reuse.h"

struct segment { int file; int64_t at, tokens; };          /* a stretch of one file */

struct corpus {
    const struct corpus_format *format;
    struct corpus_layout layout;   /* of every file; its tokens are none's */
    struct vocabulary *words;      /* NULL: there is none */
    struct many_files many;
    int64_t *file_tokens;          /* of each file */
    int files, training_files;
    struct segment *segment;       /* those for training first */
    int segments;
    int64_t tokens, train;         /* of which the first so many are for training */
    int separator;                 /* -1: none */
    char sum[2][17];               /* of what each part held when it was first summed; "": it was not */
    int context;
    struct reuse *reuse;           /* NULL: answers are not marked */
    unsigned char *room;
};

static const char *open_file(struct corpus *c, const char *path, const struct corpus_asked *a, char *why)
{
    struct corpus_layout l = {0};
    if (many_files_add(&c->many, path, why))
        return why;
    const int i = c->files++, fd = many_files_descriptor(&c->many, i, why);
    if (fd < 0 || c->format->check(fd, path, (int64_t)c->many.file[i].as.st_size, a, &l, why))
        return why;
    if (i && (l.token_bytes != c->layout.token_bytes || l.header_bytes != c->layout.header_bytes))
        return say(why, "%s holds tokens of %d bits, and %s of %d: files of one kind go together.", path,
                   8 * l.token_bytes, c->many.file[0].path, 8 * c->layout.token_bytes);
    c->layout = l;
    c->file_tokens[i] = l.tokens;
    c->tokens += l.tokens;
    return NULL;
}

/* A path that exists is meant as it stands, whatever characters it has. */
static const char *open_files(struct corpus *c, const char *files, const struct corpus_asked *a, char *why)
{
    glob_t found = {0};
    char *alone[1] = {(char *)(size_t)files}, **path = alone;
    size_t n = 1;
    if (access(files, F_OK) && !glob(files, 0, NULL, &found)) {
        path = found.gl_pathv;
        n = found.gl_pathc;
    }
    int64_t *grown = realloc(c->file_tokens, ((size_t)c->files + n) * sizeof *grown);
    const char *wrong = grown ? NULL : say(why, "There is no memory for a list of %zu files.", n);
    c->file_tokens = grown ? grown : c->file_tokens;
    for (size_t i = 0; i < n && !wrong; i++)
        wrong = open_file(c, path[i], a, why);
    globfree(&found);
    return wrong;
}

static void add_segment(struct corpus *c, int file, int64_t at, int64_t tokens)
{
    if (tokens > 0)
        c->segment[c->segments++] = (struct segment){file, at, tokens};
}

/* Tokens from .. to-1 of all training files put together, as segments. */
static void add_range(struct corpus *c, int64_t from, int64_t to)
{
    for (int i = 0; i < c->training_files; i++) {
        const int64_t n = c->file_tokens[i], low = from > 0 ? from : 0, high = to < n ? to : n;
        add_segment(c, i, low, high - low);
        from -= n;
        to -= n;
    }
}

/* Which tokens are for training, and which are held out. */
static const char *divide(struct corpus *c, const struct corpus_asked *a, int T, char *why)
{
    const int blocks = a->blocks;
    const double share = c->files > c->training_files ? 0 : a->held_out;
    int64_t training = 0;
    for (int i = 0; i < c->training_files; i++)
        training += c->file_tokens[i];
    c->separator = a->separator;
    c->context = a->context;
    /* a block is two stretches, and the end of a file cuts one more in two */
    c->segment = calloc((size_t)c->files + 2 * (size_t)blocks, sizeof *c->segment);
    if (!c->segment)
        return say(why, "There is no memory for a list of %d blocks.", blocks);
    for (int held = 0; held < 2; held++)
        for (int b = 0; b < blocks; b++) {
            const int64_t from = training / blocks * b, to = b < blocks - 1 ? training / blocks * (b + 1) : training;
            const int64_t cut = to - (int64_t)(share * (double)(to - from));
            add_range(c, held ? cut : from, held ? to : cut);
            c->train += held ? 0 : cut - from;
        }
    for (int i = c->training_files; i < c->files; i++)
        add_segment(c, i, 0, c->file_tokens[i]);
    if (c->train <= T)
        return say(why, "%s: %lld tokens for training are too few for sequences of %d, which need at least %d.",
                   a->file,
                   (long long)c->train, T, T + 1);
    return NULL;
}

/* What tokens stand for: the file that is asked for, or one of the usual name beside the first file. */
static const char *open_words(struct corpus *c, const struct corpus_asked *a, char *why)
{
    char beside[KEY_TEXT + 32];
    const char *first = c->many.file[0].path, *slash = strrchr(first, '/');
    snprintf(beside, sizeof beside, "%.*s%s", slash ? (int)(slash - first) + 1 : 0, first, vocabulary_name);
    if (!c->format->words_beside || (!*a->vocabulary_file && access(beside, F_OK)))
        return NULL;
    c->words = vocabulary_open(*a->vocabulary_file ? a->vocabulary_file : beside, why);
    if (c->words)
        c->layout.vocabulary = vocabulary_size(c->words);
    return c->words ? NULL : why;
}

/* A file that is trained on tells nothing where it is held out too. */
static const char *look_for_both(const struct corpus *c, char *why)
{
    for (int i = 0; i < c->training_files; i++)
        for (int k = c->training_files; k < c->files; k++) {
            const struct stat *a = &c->many.file[i].as, *b = &c->many.file[k].as;
            if (a->st_dev == b->st_dev && a->st_ino == b->st_ino)
                return say(why, "%.150s is among file= and among held_out_file=: what is trained on is not held out.",
                           c->many.file[k].path);
        }
    return NULL;
}

static const char *open_all(struct corpus *c, const struct corpus_asked *a, int T, char *why)
{
    const char *wrong = open_files(c, a->file, a, why);
    c->training_files = c->files;
    if (!wrong && *a->held_out_file)
        wrong = open_files(c, a->held_out_file, a, why) ? why : look_for_both(c, why);
    if (!wrong)
        wrong = open_words(c, a, why);
    if (!wrong)
        wrong = divide(c, a, T, why);
    if (!wrong && !(c->room = malloc(((size_t)T + 1) * (size_t)c->layout.token_bytes)))
        wrong = say(why, "There is no memory for a sequence of %d tokens.", T);
    if (!wrong && c->context && !(c->reuse = reuse_open(c->context, T)))
        wrong = say(why, "There is no memory to mark a sequence of %d tokens.", T);
    return wrong;
}

void *corpus_open(const struct corpus_format *format, const struct key *keys, const char *const *value, int T,
                  char *why)
{
    struct corpus_asked a = {.separator = -1};
    if (keys_fill(keys, value, &a, why))
        return NULL;
    if (!*a.file) {
        say(why, "This data needs a file: say file=PATH, or file='PATTERN' for several.");
        return NULL;
    }
    struct corpus *c = calloc(1, sizeof *c);
    if (!c) {
        say(why, "There is no memory to open %s.", a.file);
        return NULL;
    }
    c->format = format;
    if (!open_all(c, &a, T, why))
        return c;
    corpus_close(c);
    return NULL;
}

void corpus_close(void *corpus)
{
    struct corpus *c = corpus;
    many_files_close(&c->many);
    reuse_close(c->reuse);
    vocabulary_close(c->words);
    free(c->file_tokens);
    free(c->segment);
    free(c->room);
    free(c);
}

int corpus_vocabulary(const void *corpus)
{
    return ((const struct corpus *)corpus)->layout.vocabulary;
}

const struct vocabulary *corpus_words(const void *corpus)
{
    return ((const struct corpus *)corpus)->words;
}

int64_t corpus_tokens(const void *corpus, enum data_part part)
{
    const struct corpus *c = corpus;
    return part == DATA_TRAIN ? c->train : c->tokens - c->train;
}

static int64_t pieces_of(int64_t tokens, int T)
{
    return tokens >= 2 * (int64_t)T ? (tokens - T) / T : 1;
}

int64_t corpus_pieces(const void *corpus, enum data_part part, int T)
{
    return pieces_of(corpus_tokens(corpus, part), T);
}

int corpus_holds_out(const void *corpus, int T)
{
    return corpus_tokens(corpus, DATA_HELD_OUT) > T;
}

/* Tokens at .. at+n-1 of all segments put together. */
static const char *read_tokens(struct corpus *c, unsigned char *to, int64_t at, int64_t n, char *why)
{
    const int bytes = c->layout.token_bytes;
    for (int i = 0; i < c->segments && n; i++) {
        const struct segment *g = &c->segment[i];
        const int64_t here = at >= g->tokens ? 0 : g->tokens - at < n ? g->tokens - at : n;
        if (here &&
            many_files_read(&c->many, g->file, to, (size_t)(here * bytes),
                            c->layout.header_bytes + (g->at + at) * bytes, why))
            return why;
        to += here * bytes;
        n -= here;
        at = at > g->tokens ? at - g->tokens : 0;
    }
    return NULL;
}

/* Which piece of the part is sequence `number`?  Its first token. */
static int64_t place(int64_t begin, int64_t tokens, int T, uint64_t seed, enum data_part part, uint64_t number)
{
    const int64_t pieces = pieces_of(tokens, T), spare = tokens - 1 - pieces * T;
    const uint64_t epoch = number / (uint64_t)pieces;
    struct random r = random_open(seed, part == DATA_TRAIN ? RANDOM_TRAIN : RANDOM_HELD_OUT, epoch);
    const int64_t shift = (int64_t)random_below(&r, (uint64_t)(spare < T ? spare : T - 1) + 1);
    return begin + shift + T * (int64_t)random_permute(random_next(&r), (uint64_t)pieces, number % (uint64_t)pieces);
}

static int token_at(const struct corpus *c, int i)
{
    const unsigned char *at = c->room + (size_t)i * (size_t)c->layout.token_bytes;
    uint32_t token = 0;
    for (int k = c->layout.token_bytes - 1; k >= 0; k--)
        token = token << 8 | at[k];
    return token < INT_MAX ? (int)token : INT_MAX;         /* which no vocabulary has */
}

const char *corpus_fill(void *corpus, struct sequence *s, uint64_t seed, enum data_part part, uint64_t number,
                        char *why)
{
    struct corpus *c = corpus;
    const int64_t begin = part == DATA_TRAIN ? 0 : c->train, tokens = part == DATA_TRAIN ? c->train
                                                                                         : c->tokens - c->train;
    if (tokens <= s->T)
        return say(why,
                   "%s: the held-out part has %lld tokens, too few for a sequence of %d: raise held_out or shorten "
                   "the sequence.",
                   c->many.file[0].path, (long long)tokens, s->T);
    if (read_tokens(c, c->room, place(begin, tokens, s->T, seed, part, number), s->T + 1, why))
        return why;
    int start = 0;
    for (int t = 0; t < s->T; t++) {
        s->token[t] = token_at(c, t);
        s->target[t] = token_at(c, t + 1);
        if (s->token[t] == c->separator)
            start = t;
        s->start_attention[t] = s->start_cell[t] = start;
    }
    if (c->reuse && part == DATA_HELD_OUT)
        reuse_mark(c->reuse, s, c->separator, c->format->is_word);
    return NULL;
}

/* All of a part, added to each of two sums. */
static const char *add_part(struct corpus *c, enum data_part part, struct checksum *sum, struct checksum *own,
                            char *why)
{
    enum { PIECE = 1 << 20 };
    const int64_t end = part == DATA_TRAIN ? c->train : c->tokens;
    const int bytes = c->layout.token_bytes;
    unsigned char *piece = malloc((size_t)PIECE * (size_t)bytes);
    const char *wrong = piece ? NULL : say(why, "There is no memory to read %s.", c->many.file[0].path);
    for (int64_t at = part == DATA_TRAIN ? 0 : c->train; at < end && !wrong; at += PIECE) {
        const int64_t n = end - at < PIECE ? end - at : PIECE;
        wrong = read_tokens(c, piece, at, n, why);
        if (!wrong) {
            checksum_add(sum, piece, (size_t)(n * bytes));
            checksum_add(own, piece, (size_t)(n * bytes));
        }
    }
    free(piece);
    return wrong;
}

const char *corpus_contents(void *corpus, enum data_part part, struct checksum *sum, char *why)
{
    struct corpus *c = corpus;
    struct checksum own = {0};
    const char *wrong = add_part(c, part, sum, &own, why);
    if (!wrong && !*c->sum[part])
        checksum_text(&own, c->sum[part]);
    return wrong;
}

/* What was summed is summed again where a file may have been written to. */
const char *corpus_same(void *corpus, char *why)
{
    struct corpus *c = corpus;
    const int moved = many_files_moved(&c->many);
    int changed = 0;
    for (int part = 0; part < 2 && moved >= 0 && !changed; part++) {
        struct checksum again = {0}, unused = {0};
        char digits[17];
        if (!*c->sum[part])
            continue;
        if (add_part(c, (enum data_part)part, &again, &unused, why))
            return why;
        checksum_text(&again, digits);
        changed = strcmp(digits, c->sum[part]) != 0;
    }
    return changed ? say(why, "%.200s was written to while it was read: it does not hold what it held when it was "
                              "opened. To go on, put it back as it was.", c->many.file[moved].path)
                   : NULL;
}
