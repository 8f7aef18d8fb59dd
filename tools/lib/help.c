/* help.c - the help of a command, the man page and the completion of shells, from the tables of keys. */
#include "tools/lib/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "tools/lib/number.h"
#include "tools/lib/terminal.h"

/* Of a page that nobody fits to a terminal; on a narrow one, what a key means begins on a line of its own. */
enum { COLUMN = 27, NARROW_COLUMN = 6, WIDTH = 100, NARROW = 64, LEAST = 24 };

static int width(void)
{
    const int columns = terminal_columns();
    return !columns || columns > WIDTH ? WIDTH : columns < LEAST ? LEAST : columns;
}

static int column(void) { return width() < NARROW ? NARROW_COLUMN : COLUMN; }

/* "(1 to 64)", "(from 1)", "(fp32, fp64 or bf16)"; "" where anything goes */
static void write_limits(char text[KEY_TEXT], const struct key *k)
{
    const int number = k->type && k->type->number, listed = k->type == &key_word || k->words;
    size_t n = 0;
    *text = 0;
    char least[32], most[32];
    swax_number_write(least, k->least);
    swax_number_write(most, k->most);
    if (number && !(k->least >= -1e30))
        return;
    if (number && k->most < 1e6)
        snprintf(text, KEY_TEXT, " (%s to %s)", least, most);
    else if (number)
        snprintf(text, KEY_TEXT, " (from %s)", least);
    else if (k->type == &key_yes)
        strcpy(text, " (yes or no)");
    else if (listed)
        for (int i = 0; key_choice(k, i) && n < KEY_TEXT; i++)
            n += (size_t)snprintf(text + n, KEY_TEXT - n, "%s%.*s%s", !i ? " (" : key_choice(k, i + 1) ? ", " : " or ",
                                  (int)strcspn(key_choice(k, i), " "), key_choice(k, i),
                                  key_choice(k, i + 1) ? "" : ")");
}

static void print_row(const struct key_table *t, const struct key *row)
{
    char value[KEY_TEXT], limits[KEY_TEXT], line[2 * KEY_TEXT];
    if (row->type)
        key_write(value, t, row);
    write_limits(limits, row);
    snprintf(line, sizeof line, "%s%s", row->what, limits);
    const int n = row->type ? printf("  %s=%s", row->name, value) : printf("  %s", row->name);
    if (n >= column())
        printf("\n%*s", column(), "");
    else
        printf("%*s", column() - n, "");
    terminal_wrap(line, column(), column(), width());
}

static void print_usage(const struct command *c, const char *name, const char *begin)
{
    for (const char *at = c->usage; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
        const int n = (int)strcspn(at, "\n");
        printf("%sswax %s%s%.*s\n", begin, name, n ? " " : "", n, at);
        begin = "       ";
    }
}

void help_print(const struct command *c, const char *name, const struct keys *k)
{
    if (c->usage)
        print_usage(c, name, "usage: ");
    for (int i = 0; c->sub && c->sub[i]; i++) {
        char longer[64];
        snprintf(longer, sizeof longer, "%s %s", name, c->sub[i]->name);
        print_usage(c->sub[i], longer, i || c->usage ? "       " : "usage: ");
    }
    putchar('\n');
    terminal_wrap(c->about ? c->about : c->summary, 0, 0, width());
    for (int i = 0; c->sub && c->sub[i]; i++)
        printf("%s  %-10s %s\n", i ? "" : "\n", c->sub[i]->name, c->sub[i]->summary);
    for (int i = 0; k && i < k->n; i++) {
        if (k->table[i].title || !i)
            printf("\n%s:\n", k->table[i].title ? k->table[i].title : "Keys and their values");
        for (const struct key *row = k->table[i].rows; row->name; row++)
            if (!row->type || keys_find(k, row->name, NULL) == row)      /* what stands in two tables is the first's */
                print_row(&k->table[i], row);
    }
}

/* ---- the man page: roff */

static void man_text(const char *text)
{
    for (int start = 1; *text; start = *text++ == '\n') {
        if (start && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else if (*text == '\n' && text[1] == '\n')
            fputs("\n.PP", stdout);
        else
            putchar(*text);
    }
    putchar('\n');
}

static void man_keys(const struct command *c)
{
    struct keys k;
    command_keys(&k, c, c->name, NULL);
    for (int i = 0; i < k.n - 1; i++) {      /* all but those that every command has */
        if (k.table[i].title) {
            fputs(".PP\n", stdout);
            man_text(k.table[i].title);
        }
        for (const struct key *row = k.table[i].rows; row->name; row++) {
            char limits[KEY_TEXT], line[2 * KEY_TEXT];
            if (row->type && keys_find(&k, row->name, NULL) != row)
                continue;
            write_limits(limits, row);
            printf(".TP\n.BR %s%s", row->name, row->type ? "=" : "");
            if (row->otherwise && *row->otherwise)
                printf(" \"\\fI%s\\fR\"", row->otherwise);
            printf("\n");
            snprintf(line, sizeof line, "%s%s", row->what, limits);
            man_text(line);
        }
    }
}

static void man_command(const struct command *c, const char *name)
{
    if (c->usage)
        for (const char *at = c->usage; at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
            printf(".B swax %s\n", name);
            printf("%.*s\n.br\n", (int)strcspn(at, "\n"), at);
        }
    man_text(c->about ? c->about : c->summary);
    if (c->run)
        man_keys(c);
    for (int i = 0; c->sub && c->sub[i]; i++) {
        char longer[64];
        snprintf(longer, sizeof longer, "%s %s", name, c->sub[i]->name);
        fputs(".SS ", stdout);
        man_text(longer);
        man_command(c->sub[i], longer);
    }
}

static const char man_begin[] =
    ".TH SWAX 1 \"\" \"swax\" \"User commands\"\n"
    ".\\\" Written by `swax help man`: change the tables of keys, then `make man`.\n"
    ".SH NAME\n"
    "swax \\- train and examine hybrids of sliding\\-window attention and recurrent cells\n"
    ".SH SYNOPSIS\n"
    ".B swax\n.I command\n.RI [ key=value \" ...]\"\n"
    ".SH DESCRIPTION\n"
    ".B swax\n"
    "is the program of a reference implementation of SWAX (arXiv 2509.24552): language models whose layers alternate "
    "between\n"
    "sliding\\-window softmax attention and a matrix\\-memory cell.\n"
    ".PP\n"
    ".B \"swax help\"\nlists the commands, and\n.B swax\n.I command\n.B help\nthe keys of one with their values.\n"
    "Options are written\n.IR key=value ;\n"
    ".BI \\-\\-key= value\\fR,\n.BI \\-\\-key \" value\"\nand, for yes,\n.B \\-\\-key\n"
    "mean the same, and a dash in a key stands for an underscore. A key that is given twice takes the last value.\n"
    ".B config=\\fIfile.json\n"
    "takes options from a JSON object,\n.BR config=micro ,\n.BR tiny ,\n.B small\nor\n.B base\n"
    "those of a network of that size; what is said beside it comes before it.\n";

static const char man_end[] =
    ".SH ENVIRONMENT\n"
    ".TP\n.B SWAX_TIER\nthe kernels to use where\n.B tier=\nis not given: ref, avx2, avx512, neon, cuda\n"
    ".TP\n.B OMP_NUM_THREADS\nhow many threads there are where\n.B threads=\nis not given\n"
    ".SH EXIT STATUS\n"
    "0: done.\n1: it ran and the answer is no, or the run was interrupted or diverged.\n"
    "2: the input was refused, for a reason said in one sentence; nothing was overwritten.\n"
    ".SH EXAMPLES\n.nf\n"
    "swax train out=run file=mytext.txt width=128 length=512 window=64 steps=2000\n"
    "swax sample run prompt=\"Once upon a time\" temperature=0.8\n"
    "swax train run resume=yes\n"
    "swax completion bash > ~/.local/share/bash\\-completion/completions/swax\n"
    ".fi\n";

void help_man(const struct command *const *list)
{
    fputs(man_begin, stdout);
    for (int i = 0; list[i]; i++) {
        fputs(".SH SWAX ", stdout);
        for (const char *p = list[i]->name; *p; p++)
            putchar(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
        putchar('\n');
        man_command(list[i], list[i]->name);
    }
    fputs(man_end, stdout);
}

/* ---- completion: one function for bash, which zsh runs too */

static void complete_keys(const struct command *c)
{
    struct keys k;
    command_keys(&k, c, c->name, NULL);
    for (int i = 0; i < k.n; i++)
        for (const struct key *row = k.table[i].rows; row->name; row++) {
            if (!row->type)
                continue;
            printf(" %s=", row->name);
            for (int w = 0; key_choice(row, w); w++)
                printf(" %s=%.*s", row->name, (int)strcspn(key_choice(row, w), " "), key_choice(row, w));
            if (row->type == &key_yes)
                printf(" %s=yes %s=no", row->name, row->name);
        }
}

static void complete_command(const struct command *c)
{
    printf("    %s) words=\"help", c->name);
    for (int i = 0; c->sub && c->sub[i]; i++)
        printf(" %s", c->sub[i]->name);
    if (c->run)
        complete_keys(c);
    for (int i = 0; c->sub && c->sub[i]; i++)
        complete_keys(c->sub[i]);
    puts("\" ;;");
}

void help_completion(const struct command *const *list, const char *shell)
{
    if (!strcmp(shell, "zsh"))
        puts("autoload -U +X bashcompinit && bashcompinit");
    puts("# completion of swax: its commands, their keys, and the words that a key takes; behind other keys, files\n"
         "_swax() {\n"
         "  local line=\"${COMP_LINE:0:COMP_POINT}\" words word=\"\" before\n"
         "  word=\"${line##*[[:space:]]}\"\n"
         "  case \"${COMP_WORDS[1]}\" in");
    for (int i = 0; list[i]; i++)
        complete_command(list[i]);
    printf("    help) words=\"man");
    for (int i = 0; list[i]; i++)
        printf(" %s", list[i]->name);
    puts("\" ;;\n    completion) words=\"bash zsh\" ;;\n    *) words=\"\" ;;\n  esac");
    printf("  if [ \"$COMP_CWORD\" = 1 ]; then words=\"help version completion");
    for (int i = 0; list[i]; i++)
        printf(" %s", list[i]->name);
    puts("\"; fi\n"
         "  before=\"${word%\"${COMP_WORDS[COMP_CWORD]}\"}\"\n"
         "  [ \"${COMP_WORDS[COMP_CWORD]}\" = \"=\" ] && before=\"$word\"\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "  if [ \"${#COMPREPLY[@]}\" = 0 ]; then COMPREPLY=($(compgen -f -- \"${word#*=}\")); before=\"\"; fi\n"
         "  COMPREPLY=(\"${COMPREPLY[@]#\"$before\"}\")\n"
         "}\n"
         "complete -o nospace -F _swax swax");
}
