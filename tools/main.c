/* main.c - the swax program: find the subcommand, run it. */
#include "tools/lib/commands.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "tools/lib/options.h"

static const struct command commands[] = {
    {"train", "train a network, or go on with a run that was stopped", cmd_train, PROGRESS},
    {"ablate", "train many networks that differ in their windows, and report what the paper claims of them", cmd_ablate, PROGRESS},
    {"eval", "what a trained network remembers: by distance, length and window", cmd_eval, OUTPUT},
    {"sample", "generate from a checkpoint", cmd_sample, OUTPUT},
    {"verify", "hold any kernel, in any language, against the reference", cmd_verify, OUTPUT},
    {"convert", "translate checkpoints from and to Hugging Face's xLSTM, and windows between conventions", cmd_convert, OUTPUT},
    {"bench", "time kernels and whole training steps beside what this machine could do at best", cmd_bench, OUTPUT},
    {"info", "what was built, what this machine can do, and what is used", cmd_info, OUTPUT},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static int help(void)
{
    puts("usage: swax COMMAND [key=value ...]\n");
    for (int i = 0; i < COMMANDS; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    puts("\n`swax COMMAND help` lists the keys of a command with their defaults.");
    return 0;
}

static int unknown(const char *name)
{
    struct nearest n = nearest_to(name);
    nearest_try(&n, "help");
    for (int i = 0; i < COMMANDS; i++)
        nearest_try(&n, commands[i].name);
    if (n.best)
        fprintf(stderr, "swax: There is no command \"%.60s\": did you mean %s?\n", name, n.best);
    else
        fprintf(stderr, "swax: There is no command \"%.60s\": `swax help` lists those there are.\n", name);
    return 2;
}

/* What was printed is what was asked for; but a run outlives whoever read its progress. */
static int all_printed(const struct command *c, int status)
{
    if ((!fflush(stdout) && !ferror(stdout)) || c->prints == PROGRESS)
        return status;
    fprintf(stderr, "swax: What %s printed could not all be written.\n", c->name);
    return 2;
}

static int command(const char *name, int argc, char **argv)
{
    for (int i = 0; i < COMMANDS; i++)
        if (!strcmp(name, commands[i].name))
            return all_printed(&commands[i], commands[i].run(argc, argv));
    return unknown(name);
}

/* Where one of the three was closed, a file of ours would get its number, and what is printed would go there.  Reading
 * only: what is printed nowhere should still be known not to have arrived. */
static void hold_standard_files(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    hold_standard_files();
    if (argc < 2) {
        help();
        return 2;
    }
    if (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
        return argc > 2 ? command(argv[2], 1, argv + 1) : help();
    if (!strcmp(argv[1], "version") || !strcmp(argv[1], "--version"))
        return puts("swax " SWAX_VERSION) == EOF;
    return command(argv[1], argc - 2, argv + 2);
}
