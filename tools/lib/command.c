/* command.c - what the subcommands share: arguments in, help or the command's work out. */
#include "tools/lib/commands.h"

#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "tools/lib/configs.h"
#include "tools/lib/nearest.h"
#include "tools/lib/say.h"

/* Read by options_read; here for whoever asks what there is. */
struct common { char config[KEY_TEXT]; };
static const struct key common_keys[] = {
    KEY_ROW(&key_path, "config", struct common, config, "",
            "settings that the others come before: a JSON file of keys, or micro, tiny, small, base",
            .word = config_word),
    {0},
};

int command_fails(const char *sentence)
{
    const size_t n = strlen(sentence);
    const char last = n ? sentence[n - 1] : 0;
    fprintf(stderr, "swax: %s%s\n", sentence, last == '.' || last == '?' ? "" : ".");
    return 2;
}

void command_keys(struct keys *k, const struct command *c, const char *of, const struct options *o)
{
    *k = (struct keys){.of = of};
    if (c->keys)
        c->keys(k, o);
    keys_add_texts(k, "Of every command", common_keys, NULL);
}

static int asks_help(int *argc, char **argv)
{
    for (int i = 0; i < *argc; i++)
        if (!strcmp(argv[i], "help") || !strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            memmove(argv + i, argv + i + 1, (size_t)(--*argc - i) * sizeof *argv);
            return 1;
        }
    return 0;
}

/* What was printed is what was asked for; but a run outlives whoever read its progress. */
static int all_printed(const char *name, int help, const struct command *c, int status)
{
    if ((!fflush(stdout) && !ferror(stdout)) || (!help && c->prints == PROGRESS))
        return status;
    fprintf(stderr, "swax: What %s printed could not all be written.\n", name);
    return 2;
}

/* What is wrong with a value shows before anything is opened.  The keys of data wait until it is known which data. */
static const char *check_values(const struct options *o, const struct keys *k, char *why)
{
    for (int i = 0; i < o->n; i++) {
        const struct key_table *t = NULL;
        if (keys_find(k, o->list[i].key, &t) && !t->texts && keys_set(k, o->list[i].key, o->list[i].value, why))
            return why;
    }
    return NULL;
}

/* A key of another subcommand: NULL, or a sentence that says of which. */
static const char *misplaced(const struct options *o, const struct keys *k, const struct command *c,
                             const struct command *above, const char *name, char *why)
{
    const struct command *const *sub = above ? above->sub : c->sub;
    for (int i = 0; i < o->n; i++)
        for (int s = 0; sub && sub[s] && !keys_find(k, o->list[i].key, NULL); s++) {
            struct keys others;
            command_keys(&others, sub[s], "", o);
            if (sub[s] != c && keys_find(&others, o->list[i].key, NULL))
                return say(why, "`swax %s` takes no %.60s=: `swax %s %s` does.", name, o->list[i].key, above
                           ? above->name : c->name, sub[s]->name);
        }
    return NULL;
}

static int run(const struct command *c, const struct command *above, const char *name, int help, int argc, char **argv)
{
    char why[SWAX_WHY], of[80];
    struct keys k;
    struct options o = {0};
    int status = 0;
    snprintf(of, sizeof of, "`swax %s`", name);
    command_keys(&k, c, of, NULL);
    const char *wrong = options_read(&o, argc, argv, &k, c->words ? c->words : "", why);
    if (!wrong) {
        command_keys(&k, c, of, &o);
        wrong = check_values(&o, &k, why);
        wrong = wrong ? wrong : misplaced(&o, &k, c, above, name, why);
    }
    if (wrong)
        status = command_fails(wrong);
    else if (help)
        help_print(c, name, &k);
    else
        status = c->run(&o);
    options_free(&o);
    return all_printed(name, help, c, status);
}

static int unknown(const struct command *c, const char *name, const char *word)
{
    char why[SWAX_WHY];
    struct nearest n = nearest_to(word);
    for (int i = 0; c->sub[i]; i++)
        nearest_try(&n, c->sub[i]->name);
    return command_fails(n.best ? say(why, "There is no `swax %s %.40s`: did you mean %s?", name, word, n.best)
                                : say(why, "There is no `swax %s %.40s`: `swax %s help` says what there is.", name,
                                      word, name));
}

static int descend(const struct command *c, const struct command *above, const char *name, int help, int argc,
                   char **argv)
{
    char longer[64];
    for (int i = 0; c->sub && argc && c->sub[i]; i++)
        if (!strcmp(argv[0], c->sub[i]->name)) {
            snprintf(longer, sizeof longer, "%s %s", name, c->sub[i]->name);
            return descend(c->sub[i], c, longer, help, argc - 1, argv + 1);
        }
    if (c->run)
        return run(c, above, name, help, argc, argv);
    if (argc && !help)
        return unknown(c, name, argv[0]);
    help_print(c, name, NULL);
    return all_printed(name, 1, c, help ? 0 : 2);
}

/* A host program may have set a locale whose decimal point is a comma: what is printed has points.  A file that grows
 * beyond what `ulimit -f` allows is a write that fails, which is said, and no signal that ends the process. */
int command_run(const struct command *c, int argc, char **argv)
{
    signal(SIGXFSZ, SIG_IGN);
    const locale_t plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0), before = plain ? uselocale(plain)
                                                                                        : (locale_t)0;
    const int help = asks_help(&argc, argv), status = descend(c, NULL, c->name, help, argc, argv);
    if (plain) {
        uselocale(before);
        freelocale(plain);
    }
    return status;
}
