/* terminal.c - how wide the terminal is. */
#include "tools/lib/terminal.h"

#include <stdlib.h>
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
