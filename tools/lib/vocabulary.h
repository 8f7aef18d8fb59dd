/* vocabulary.h - tokens back into text: the bytes that each token stands for.
 *
 * The file has a line for each token, as tiktoken writes it: its bytes in base64, a space, its number.  It lies beside
 * the shards as vocabulary.tiktoken, and a run keeps a copy in its folder. */
#ifndef SWAX_VOCABULARY_H
#define SWAX_VOCABULARY_H

#include <stdio.h>

struct vocabulary;
extern const char vocabulary_name[];

/* NULL, and a sentence in why[SWAX_WHY]. */
struct vocabulary *vocabulary_open(const char *path, char *why);
void vocabulary_close(struct vocabulary *v);
const char *vocabulary_path(const struct vocabulary *v);
int vocabulary_size(const struct vocabulary *v);         /* tokens are 0 .. size-1 */

/* Write what a token stands for; its number in angle brackets where the vocabulary does not have it.  Without a
 * vocabulary (NULL) a token of bytes is its byte, another its number and a space. */
void vocabulary_write(FILE *f, const struct vocabulary *v, int bytes, int token);

#endif
