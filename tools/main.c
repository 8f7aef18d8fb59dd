/* main.c - the swax program: find the subcommand, run it. */
#include "tools/lib/commands.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "tools/lib/nearest.h"

/* Everything was printed, or the status says that it was not. */
static int printed(int status)
{
    if (!fflush(stdout) && !ferror(stdout))
        return status;
    fputs("swax: What was to be printed could not all be written.\n", stderr);
    return 2;
}

static int help(int status)
{
    puts("usage: swax COMMAND [key=value ...]\n");
    for (int i = 0; swax_commands[i]; i++)
        printf("  %-10s %s\n", swax_commands[i]->name, swax_commands[i]->summary);
    puts("\n`swax COMMAND help` lists the keys of a command with their defaults, `swax help man` prints the man page "
         "of all,\n"
         "`swax completion bash` (or zsh) what completes them in a shell, `swax version` the version.");
    return printed(status);
}

static int unknown(const char *name)
{
    struct nearest n = nearest_to(name);
    nearest_try(&n, "help");
    for (int i = 0; swax_commands[i]; i++)
        nearest_try(&n, swax_commands[i]->name);
    if (n.best)
        fprintf(stderr, "swax: There is no command \"%.60s\": did you mean %s?\n", name, n.best);
    else
        fprintf(stderr, "swax: There is no command \"%.60s\": `swax help` lists those there are.\n", name);
    return 2;
}

static int command(const char *name, int argc, char **argv)
{
    for (int i = 0; swax_commands[i]; i++)
        if (!strcmp(name, swax_commands[i]->name))
            return command_run(swax_commands[i], argc, argv);
    return unknown(name);
}

static int completion(const char *shell)
{
    if (!shell || (strcmp(shell, "bash") && strcmp(shell, "zsh")))
        return command_fails("Of which shell?  Say `swax completion bash` or `swax completion zsh`.");
    help_completion(swax_commands, shell);
    return printed(0);
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
    const char *what = argc > 1 ? argv[1] : "";
    hold_standard_files();
    if (argc < 2)
        return help(2);
    if (!strcmp(what, "help") || !strcmp(what, "--help") || !strcmp(what, "-h")) {
        if (argc > 2 && !strcmp(argv[2], "man"))
            return help_man(swax_commands), printed(0);
        return argc > 2 ? command(argv[2], 1, argv + 1) : help(0);
    }
    if (!strcmp(what, "version") || !strcmp(what, "--version"))
        return puts("swax " SWAX_VERSION), printed(0);
    if (!strcmp(what, "completion"))
        return completion(argc > 2 ? argv[2] : NULL);
    return command(what, argc - 2, argv + 2);
}
