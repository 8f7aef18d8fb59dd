/* commands.h - the subcommands of swax.  The exit status: 0 good, 1 it ran and the answer is no (or the run was
 * stopped, or diverged), 2 bad input, said in one sentence on stderr. */
#ifndef SWAX_COMMANDS_H
#define SWAX_COMMANDS_H

#include "tools/lib/options.h"

#ifndef SWAX_VERSION                      /* the Makefile says it; an editor does not */
#define SWAX_VERSION "unknown"
#endif

struct command {
    const char *name, *summary;
    const char *usage;                  /* what may stand behind its name, a line each */
    const char *about;                  /* paragraphs for the help and the man page; NULL for none */
    const char *words;                  /* the keys that bare words are values of, in order: "from to" */
    /* Its tables.  o: what was asked, which may decide which keys there are and what the help shows; NULL: all there
     * are. */
    void (*keys)(struct keys *k, const struct options *o);
    int (*run)(struct options *o);      /* NULL: it has subcommands alone */
    enum { OUTPUT, PROGRESS } prints;   /* what stdout is for */
    const struct command *const *sub;   /* NULL-ended; NULL: it has none */
};

/* The table of commands, tools/commands.c; the functions behind a name run one as main does. */
extern const struct command *const swax_commands[];      /* NULL-ended */
int cmd_train(int argc, char **argv);
int cmd_ablate(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_sample(int argc, char **argv);
int cmd_convert(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_verify(int argc, char **argv);

/* command.c: with the arguments behind its name, the exit status. */
int command_run(const struct command *c, int argc, char **argv);
int command_fails(const char *sentence);      /* print it on stderr and return 2 */
/* with those that all have */
void command_keys(struct keys *k, const struct command *c, const char *of, const struct options *o);

/* help.c: from the tables. */
/* name: "verify make"; its tables */
void help_print(const struct command *c, const char *name, const struct keys *k);
void help_man(const struct command *const *list);
void help_completion(const struct command *const *list, const char *shell);               /* bash or zsh */

#endif
