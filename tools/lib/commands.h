/* commands.h - the subcommands of swax.  Each gets the arguments behind its name, and returns the exit status:
 * 0 good, 1 it ran and the answer is no (or the run was stopped), 2 bad input, said in one sentence on stderr. */
#ifndef SWAX_COMMANDS_H
#define SWAX_COMMANDS_H

#define SWAX_VERSION "0.1.0"

struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
    enum { OUTPUT, PROGRESS } prints;      /* what stdout is for */
};

int cmd_train(int argc, char **argv);
int cmd_ablate(int argc, char **argv);
int cmd_eval(int argc, char **argv);
int cmd_sample(int argc, char **argv);
int cmd_convert(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_info(int argc, char **argv);
int cmd_verify(int argc, char **argv);

/* command.c: print the sentence on stderr and return 2; take "help" out of the arguments if it is among them. */
int command_fails(const char *sentence);
int command_asks_help(int *argc, char **argv);

#endif
