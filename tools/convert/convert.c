/* convert.c - swax convert: checkpoints from and to Hugging Face's xLSTM, windows between conventions. */
#include "tools/lib/commands.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "tools/convert/convention.h"
#include "tools/convert/hf.h"
#include "tools/lib/options.h"
#include "tools/lib/say.h"

static const char *const keys[] = {"from", "to", "rope", "window", "convention", NULL};

static int help(void)
{
    puts("usage: swax convert from=HF-FOLDER to=CHECKPOINT.safetensors [rope=interleaved]\n"
         "       swax convert from=CHECKPOINT-OR-FOLDER to=HF-FOLDER [rope=interleaved]\n"
         "       swax convert window=N convention=NAME\n\n"
         "  rope         half_split: q and k stay as they are; interleaved: the Hugging Face side has pairs (0 1)(2 3)..\n"
         "  convention   whose parameter N is; how many keys a query sees, and what the others call that:");
    for (const struct convention *c = conventions; c->name; c++)
        printf("               %-16s %s\n", c->name, c->parameter);
    return 0;
}

static const char *windows(const char *text, const char *name, char *why)
{
    long value;
    struct nearest n = nearest_to(name);
    const struct convention *from = convention_find(name);
    for (const struct convention *c = conventions; c->name; c++)
        nearest_try(&n, c->name);
    if (!from)
        return n.best ? say(why, "convention=%.40s is not known: did you mean %s?", name, n.best)
                      : say(why, "convention=%.40s is not known: `swax convert help` lists them.", name);
    if (!option_whole(text, 1 - from->more, INT_MAX - 1, &value))
        return say(why, "window=%.40s: it is a whole number from %d to %d.", text, 1 - from->more, INT_MAX - 1);
    for (const struct convention *c = conventions; c->name; c++)
        printf("%-16s %ld\n", c->name, value + from->more - c->more);
    return NULL;
}

static const char *translate(const char *from, const char *to, const char *rope, char *why)
{
    const int interleaved = rope && !strcmp(rope, "interleaved");
    const enum hf_rope layout = interleaved ? HF_INTERLEAVED : HF_HALF_SPLIT;
    if (!from || !to)
        return say(why, "Conversion needs from=PATH and to=PATH: `swax convert help` says of what.");
    if (rope && !interleaved && strcmp(rope, "half_split"))
        return say(why, "rope=%.40s: it is half_split or interleaved.", rope);
    if (!access(to, F_OK))
        return say(why, "%s is there already: it is not overwritten.", to);
    return hf_is_model(from) ? hf_import(from, to, layout, why) : hf_export(from, to, layout, why);
}

int cmd_convert(int argc, char **argv)
{
    char why[SWAX_WHY];
    struct options o = {0};
    if (command_asks_help(&argc, argv))
        return help();
    const char *wrong = options_read(&o, argc, argv, why);
    const char *from = options_take(&o, "from"), *to = options_take(&o, "to"), *rope = options_take(&o, "rope");
    const char *window = options_take(&o, "window"), *convention = options_take(&o, "convention");
    if (!wrong)
        wrong = options_left(&o, keys, why);
    if (!wrong && (window ? from || to || rope : convention != NULL))
        wrong = say(why, "window= and convention= are one conversion, from=, to= and rope= another: ask for one of them.");
    if (!wrong)
        wrong = window ? windows(window, convention ? convention : "swax", why) : translate(from, to, rope, why);
    const int status = wrong ? command_fails(wrong) : 0;
    options_free(&o);
    return status;
}
