/* corpus.h - tokens that lie in files: the training part first, the held-out part last.
 *
 * Sequences are pieces of T tokens that do not overlap.  One epoch takes each piece of its part once, in an
 * order that (seed, epoch) chooses, cut from a start that differs from epoch to epoch. */
#ifndef SWAX_CORPUS_H
#define SWAX_CORPUS_H

#include "tools/tasks/data.h"

struct corpus_format {
    int token_bytes;               /* 1 or 2 */
    long header_bytes;
    int vocabulary;
    /* NULL, or a sentence: is this file what it should be?  Its size is given, its tokens are wanted. */
    const char *(*check)(int fd, const char *path, int64_t bytes, int64_t *tokens, char *why);
};

/* files is a path or a pattern ("data/part-?.bin"); held_out a fraction; separator "" or the token that begins a document. */
void *corpus_open(const struct corpus_format *format, const char *files, const char *held_out, const char *separator, int T, char *why);
void corpus_close(void *corpus);
int corpus_vocabulary(const void *corpus);
const char *corpus_fill(void *corpus, struct sequence *s, uint64_t seed, enum data_part part, uint64_t number, char *why);
const char *corpus_contents(void *corpus, struct checksum *sum, char *why);

#endif
