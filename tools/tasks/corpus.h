/* corpus.h - tokens that lie in files: a part for training, and a held-out part.
 *
 * Sequences are pieces of T tokens that do not overlap.  One epoch takes each piece of its part once, in an order that
 * (seed, epoch) chooses, cut from a start that differs from epoch to epoch.  What is held out are files of its own, or
 * blocks at equal distances, each the end of an equal share of the tokens; one block is the end of them all. */
#ifndef SWAX_CORPUS_H
#define SWAX_CORPUS_H

#include "tools/tasks/data.h"

/* What a corpus is asked for: rows for a table of keys.  file is a path or a pattern ("data/part-?.bin"). */
struct corpus_asked {
    char file[KEY_TEXT], held_out_file[KEY_TEXT], vocabulary_file[KEY_TEXT];
    double held_out;
    int separator, context, blocks, token_type;
};

/* How a file holds its tokens: little-endian numbers of 1, 2 or 4 bytes, behind a header. */
struct corpus_layout { int token_bytes, vocabulary; long header_bytes; int64_t tokens; };

struct corpus_format {
    const unsigned char *is_word;  /* (256): which tokens stand inside words; NULL: all do */
    int words_beside;              /* a file of their vocabulary may lie beside them */
    /* NULL, or a sentence: is this file what it should be?  Its size is given, its layout is wanted. */
    const char *(*check)(int fd, const char *path, int64_t bytes, const struct corpus_asked *a, struct corpus_layout *l,
                         char *why);
};

#define CORPUS_FILE(what) \
    KEY_ROW(&key_path, "file", struct corpus_asked, file, "", what, .others = "path dataset train_file input")
#define CORPUS_HELD_OUT \
    KEY_REAL("held_out", struct corpus_asked, held_out, "0.1", 0, 0.9999999, \
             "the fraction of the tokens that is kept from training", .others = "val_fraction valid")
#define CORPUS_SEPARATOR(what, most) \
    KEY_WHOLE("separator", struct corpus_asked, separator, "", 0, most, what, .others = "eot eos_token")
#define CORPUS_CONTEXT(what, tokens) \
    KEY_WHOLE("context", struct corpus_asked, context, tokens, 0, 1024, what)
#define CORPUS_HELD_OUT_FILE(what) \
    KEY_ROW(&key_path, "held_out_file", struct corpus_asked, held_out_file, "", what, .others = "val_file valid_file")
#define CORPUS_BLOCKS \
    KEY_WHOLE("held_out_blocks", struct corpus_asked, blocks, "1", 1, 1 << 20, \
                                "blocks at equal distances that make up held_out; 1: the end of the tokens")

/* value[] stands beside the keys, whose table is for a struct corpus_asked. */
void *corpus_open(const struct corpus_format *format, const struct key *keys, const char *const *value, int T,
                  char *why);
void corpus_close(void *corpus);
int corpus_vocabulary(const void *corpus);
const struct vocabulary *corpus_words(const void *corpus);     /* NULL: it has none */
int64_t corpus_tokens(const void *corpus, enum data_part part);
int64_t corpus_pieces(const void *corpus, enum data_part part, int T);
int corpus_holds_out(const void *corpus, int T);
const char *corpus_fill(void *corpus, struct sequence *s, uint64_t seed, enum data_part part, uint64_t number,
                        char *why);
const char *corpus_contents(void *corpus, enum data_part part, struct checksum *sum, char *why);
const char *corpus_same(void *corpus, char *why);

#endif
