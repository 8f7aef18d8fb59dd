/* terminal.c - how wide the terminal is, and texts that fit it. */
#include "tools/lib/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "tools/lib/number.h"

#ifdef TIOCGWINSZ
static int asked(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) ? 0 : size.ws_col;
}
#else
static int asked(void) { return 0; }
#endif

int terminal_columns(void)
{
    const char *const said = getenv("COLUMNS");
    long columns;
    if (!isatty(STDOUT_FILENO))
        return 0;
    return said && number_whole(said, 1, 10000, &columns) ? (int)columns : asked();
}

void terminal_wrap(const char *text, int at, int indent, int columns)
{
    for (int first = 1; *text; first = 0) {
        const int n = (int)strcspn(text, " \n"), feed = text[n] == '\n';
        if (!first && columns && at + 1 + n > columns) {
            printf("\n%*s", indent, "");
            at = indent;
        } else if (!first && at > indent) {
            putchar(' ');
            at++;
        }
        printf("%.*s%s", n, text, feed ? "\n" : "");
        at = feed ? indent : at + n;
        text += n + (text[n] != 0);
    }
    putchar('\n');
}
