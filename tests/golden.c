/* golden.c - see golden.h. */
#include "tests/golden.h"

#include <check.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/scratch.h"

static int begins_number(const char *s)
{
    return *s == ' ' && (isdigit((unsigned char)s[1]) || (s[1] == '-' && isdigit((unsigned char)s[2])));
}

/* Up to the end of their lines. */
static int alike(const char *a, const char *b, double within)
{
    while (*a && *b && *a != '\n' && *b != '\n') {
        if (within > 0 && begins_number(a) && begins_number(b)) {
            char *end_a, *end_b;
            const double x = strtod(a, &end_a), y = strtod(b, &end_b);
            if (fabs(x - y) > within * fmax(fabs(x), fabs(y)))
                return 0;
            a = end_a, b = end_b;
        } else if (*a++ != *b++) {
            return 0;
        }
    }
    return (!*a || *a == '\n') && (!*b || *b == '\n');
}

static const char *line_after(const char *s)
{
    s += strcspn(s, "\n");
    return s + (*s == '\n');
}

void golden_is(const char *name, const char *text, double within)
{
    char path[200], *kept;
    const char *wish = getenv("GOLDEN");
    snprintf(path, sizeof path, "tests/golden/%s", name);
    if (wish && !strcmp(wish, "write"))
        put(path, text, strlen(text));
    read_whole(path, &kept);
    for (int line = 1; *text || *kept; line++, text = line_after(text), kept = (char *)(size_t)line_after(kept))
        ck_assert_msg(alike(text, kept, within), "%s, line %d, is now\n%.*s\nand was\n%.*s", path, line, (int)strcspn(text, "\n"), text,
                      (int)strcspn(kept, "\n"), kept);
}
