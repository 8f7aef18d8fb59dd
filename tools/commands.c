/* commands.c - the table of commands. */
#include "tools/lib/commands.h"

extern const struct command command_train, command_ablate, command_eval, command_sample, command_verify,
    command_convert, command_bench, command_info;
extern const struct command command_corpus;

const struct command *const swax_commands[] = {
    &command_train, &command_ablate, &command_eval, &command_sample, &command_corpus, &command_verify, &command_convert,
    &command_bench, &command_info, 0,
};

int cmd_train(int argc, char **argv) { return command_run(&command_train, argc, argv); }
int cmd_ablate(int argc, char **argv) { return command_run(&command_ablate, argc, argv); }
int cmd_eval(int argc, char **argv) { return command_run(&command_eval, argc, argv); }
int cmd_sample(int argc, char **argv) { return command_run(&command_sample, argc, argv); }
int cmd_convert(int argc, char **argv) { return command_run(&command_convert, argc, argv); }
int cmd_bench(int argc, char **argv) { return command_run(&command_bench, argc, argv); }
int cmd_info(int argc, char **argv) { return command_run(&command_info, argc, argv); }
int cmd_verify(int argc, char **argv) { return command_run(&command_verify, argc, argv); }
