/* golden.c - see golden.h. */
#include "tests/golden.h"

#include <check.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/scratch.h"
#include "tools/lib/checksum.h"

static int begins_number(const char *s)
{
    return strchr(" :,[(", *s) && (isdigit((unsigned char)s[1]) || (s[1] == '-' && isdigit((unsigned char)s[2])));
}

/* Up to the end of their lines. */
static int alike(const char *a, const char *b, double within)
{
    while (*a && *b && *a != '\n' && *b != '\n') {
        if (within > 0 && *a == *b && begins_number(a) && begins_number(b)) {
            char *end_a, *end_b;
            const double x = strtod(a + 1, &end_a), y = strtod(b + 1, &end_b);
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

static const char *kept_as(const char *name, const char *text)
{
    static char path[200];
    char *kept;
    const char *wish = getenv("GOLDEN");
    snprintf(path, sizeof path, "tests/golden/%s", name);
    if (wish && !strcmp(wish, "write"))
        put(path, text, strlen(text));
    read_whole(path, &kept);
    return kept;
}

static void same_line(const char *name, int line, const char *now, const char *kept, double within)
{
    ck_assert_msg(alike(now, kept, within), "tests/golden/%s, line %d, is now\n%.*s\nand was\n%.*s", name, line,
                  (int)strcspn(now, "\n"), now, (int)strcspn(kept, "\n"), kept);
}

void golden_is(const char *name, const char *text, double within)
{
    const char *kept = kept_as(name, text);
    const size_t n = strlen(text), m = strlen(kept);
    ck_assert_msg(n && m && (text[n - 1] == '\n') == (kept[m - 1] == '\n'),
                  "tests/golden/%s ends %s a line, and what is there now does not", name,
                  m && kept[m - 1] == '\n' ? "with" : "within");
    for (int line = 1; *text || *kept; line++, text = line_after(text), kept = line_after(kept))
        same_line(name, line, text, kept, within);
}

/* What is looked for is most often the line behind the last that was found. */
void golden_has(const char *name, const char *text, double within)
{
    const char *kept = kept_as(name, text), *at = text;
    for (int line = 1; *kept; line++, kept = line_after(kept)) {
        const size_t n = strcspn(kept, ":") + 1;
        const char *from = at;
        int around = 0;
        while (strncmp(at, kept, n) && !(around && at == from)) {
            at = line_after(at);
            around |= !*at;
            at = *at ? at : text;
        }
        ck_assert_msg(!strncmp(at, kept, n), "tests/golden/%s, line %d, is no more: %.*s", name, line, (int)n, kept);
        same_line(name, line, at, kept, within);
        at = line_after(at);
        at = *at ? at : text;
    }
}

/* What the drawing from `at` to `end` says, and its checksum; where the text goes on. */
static char *drawing(char *to, const char *at, const char *end)
{
    const char *said = strstr(at, "<desc>"), *said_end = strstr(at, "</desc>");
    struct checksum sum = {0};
    char digits[17];
    ck_assert_msg(said && said_end && said_end < end, "a drawing says nothing of itself: %.200s", at);
    checksum_add(&sum, at, (size_t)(end - at));
    checksum_text(&sum, digits);
    return to + sprintf(to, "(drawing %s: %.*s)\n", digits, (int)(said_end - said - 6), said + 6);
}

void golden_page_is(const char *name, const char *page)
{
    char *text = scratch_keep(malloc(strlen(page) + 1)), *to = text;
    while (*page) {
        const char *end = strncmp(page, "<svg ", 5) ? NULL : strstr(page, "</svg>");
        if (end)
            to = drawing(to, page, end), page = end + 6;
        else
            *to++ = *page++;
    }
    *to = 0;
    golden_is(name, text, 0);
}
