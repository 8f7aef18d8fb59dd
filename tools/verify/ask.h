/* ask.h - what the user of `swax verify` asks for. */
#ifndef SWAX_VERIFY_ASK_H
#define SWAX_VERIFY_ASK_H

#include "tools/lib/options.h"
#include "tools/verify/verify.h"

/* whose key it is */
enum { MAKE = 1, CHECK = 2, PLUGIN = 4, TIER = 8, FAULTS = 16, DOOR = 32, OWN = 64, LIST = 128 };

struct asked {
    struct plan plan;                      /* its seed follows from `seed`, its subject from `kernel` */
    struct { uint64_t value; int random, given; } seed;
    int json, gauge, only, time;
    char kernel[KEY_TEXT], path[KEY_TEXT], sizes[KEY_TEXT], answers[KEY_TEXT], output[KEY_TEXT], without[KEY_TEXT],
        tier[16];
    char reference[KEY_TEXT], candidate[KEY_TEXT], tensors[KEY_TEXT];
};

/* All that is asked of the subcommand `mark`, called `of` in sentences.  The kernel is in a->plan.subject, whose n is 0
 * where none is named.  NULL, or a sentence. */
const char *ask(struct asked *a, struct options *o, int mark, const char *of, char *why);
/* The tables of that subcommand; o may be NULL. */
void ask_tables(struct keys *k, int mark, const struct options *o);

#endif
