/* task.h - what the generated tasks share: reading their parameters, and byte texts with marked answers. */
#ifndef SWAX_TASK_H
#define SWAX_TASK_H

#include "tools/tasks/data.h"
#include "tools/lib/random.h"

/* A task's struct, zeros but for the fields of its keys, which have their values; or NULL and a sentence. */
void *task_new(size_t size, const struct key *keys, const char *const *value, char *why);

/* The generator of sequence `number`: the same for every parameter of a task, so that variants are paired. */
struct random task_random(uint64_t seed, enum data_part part, uint64_t number);

/* Targets are the next tokens.  `token` has T + 1 elements and `tag` marks those of them that are answers; what is
 * not an answer counts `rest` in the loss, and is no target at all for rest = 0. */
void task_targets(struct sequence *s, const int *token, const int *tag, double rest);

/* A text under construction: bytes, and the tag of each. */
struct prose { int *byte, *tag; int n, room; };
int prose_open(struct prose *p, int room);               /* 0 if there is no memory; close it then as well */
void prose_close(struct prose *p);
void prose_add(struct prose *p, const char *text);       /* what does not fit is counted in n, not kept */
void prose_answer(struct prose *p, const char *text, int tag);
void prose_number(struct prose *p, int number);
/* The text as a sequence; what is left after it is spaces, and no target.  Needs room > s->T. */
void prose_fill(const struct prose *p, struct sequence *s, double rest);

/* The project's own words: prose_words[prose_n_words], all different, of 3 to 9 small letters.  The first
 * PROSE_ADJECTIVES are adjectives, the next PROSE_NOUNS nouns; and sentences to hide things in. */
enum { PROSE_ADJECTIVES = 80, PROSE_NOUNS = 160 };
extern const char *const prose_words[];
extern const int prose_n_words;
extern const char *const prose_sentences[];
extern const int prose_n_sentences;
extern const char prose_noise[];                         /* RULER's noise sentence */
const char *prose_noun(struct random *r);
const char *prose_adjective(struct random *r);

#endif
