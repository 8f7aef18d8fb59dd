/* reuse.h - which tokens of a sequence repeat what their document said before, and how far back.
 *
 * For the token at t + 1: do the `context` tokens up to t stand earlier in this document?  If so, d = t - (where they
 * last ended).  If the token that followed then is the one that follows now, the answer counts under d's class; if
 * another followed, under "seen, another next"; if not seen, under "never seen".  The classes stand twice: for tokens
 * inside words, which are identifiers, numbers and what is written in strings, and for all others. */
#ifndef SWAX_REUSE_H
#define SWAX_REUSE_H

#include "tools/tasks/data.h"

enum { REUSE_CLASSES = 15, REUSE_TAGS = 2 * REUSE_CLASSES };
extern const char *const reuse_tags[REUSE_TAGS + 1];
extern const struct source_distance reuse_distance[REUSE_TAGS];

struct reuse;
struct reuse *reuse_open(int context, int T);            /* NULL: there is no memory */
void reuse_close(struct reuse *r);

/* Fill s->tag from token, target and start_attention.  `is_word` (256) says which tokens stand inside words; NULL: all
 * do. A target of -1, and the first token of another document, which is `separator`, get none. */
void reuse_mark(struct reuse *r, struct sequence *s, int separator, const unsigned char *is_word);

#endif
