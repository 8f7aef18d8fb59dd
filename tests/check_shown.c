/* check_shown.c - every command line of swax that a page or a comment shows is one that the program takes: the command
 * is there, each key is one of its keys, each value can be read, and what is built in under a name is there.
 *
 * A line is shown between backticks, or by itself and indented; nothing is run.  A word in capitals, with
 * "..." or with a % stands for something else, and only the key before it is looked at. */
#define _XOPEN_SOURCE 700                  /* nftw */
#include <check.h>
#include <ctype.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tools/ablate/ablate.h"
#include "tools/lib/commands.h"
#include "tools/verify/verify.h"
#include "tests/scratch.h"
#include "tests/suite.h"

static char why[SWAX_WHY];

/* ---- words, as a shell takes them */

enum { MOST_WORDS = 64, LINE = 2048 };
struct line { char text[LINE], *word[MOST_WORDS]; int n; };

/* Of text[0 .. n): up to what ends a command.  Blanks within quotes belong to a word, quotes do not. */
static void split(struct line *l, const char *text, size_t n)
{
    char quote = 0, *to = l->text;
    int inside = 0;
    l->n = 0;
    for (size_t i = 0; i < n && to < l->text + LINE - 2 && l->n < MOST_WORDS; i++) {
        const char c = text[i];
        const int continued = c == '\\' && i + 1 < n && isspace((unsigned char)text[i + 1]);
        if (!quote && strchr("&|;#<>()", c))
            break;
        if (!quote && (isspace((unsigned char)c) || continued)) {
            if (inside)
                *to++ = 0;
            inside = 0;
        } else {
            if (!inside)
                l->word[l->n++] = to;
            inside = 1;
            if (c == quote)
                quote = 0;
            else if (!quote && (c == '"' || c == '\''))
                quote = c;
            else
                *to++ = c;
        }
    }
    *to = 0;
    /* a quote that is left open was opened before the command: it ends the last word */
    if (quote && l->n && !*l->word[l->n - 1])
        l->n--;
}

/* NAME, I/N, seed=S, "swa M swa M", mine... : it stands for something else. */
static int stands_for_another(const char *value)
{
    for (const char *p = value; *p; p += strspn(p, " ,")) {
        int capitals = 0, small = 0;
        for (; *p && !strchr(" ,", *p); p++) {
            capitals += isupper((unsigned char)*p) != 0;
            small += islower((unsigned char)*p) != 0;
        }
        if (capitals && !small)
            return 1;
    }
    return strstr(value, "...") || strchr(value, '%') || strchr(value, '{');
}

/* "[--precision bf16]": the brackets say that it may be left out. */
static void without_brackets(struct line *l)
{
    for (int i = 0; i < l->n; i++) {
        size_t n;
        l->word[i] += *l->word[i] == '[';
        while ((n = strlen(l->word[i])) && strchr("],", l->word[i][n - 1]))
            l->word[i][n - 1] = 0;
    }
}

/* ---- what the program says to it */

static const char *known_by_name(const struct command *c, const char *key, const char *value)
{
    struct subject s;
    char *text = NULL;
    const size_t n = strlen(value);
    if (!strcmp(key, "ablation") && (n < 5 || strcmp(value + n - 5, ".json")) &&
        !(text = ablate_builtin_text(value, why)))
        return why;
    free(text);
    if (!strcmp(key, "kernel") && subject_find(&s, value, why) &&
        !(!strcmp(c->name, "bench") && op_find(value) >= 0))
        return why;
    return NULL;
}

static const char *taken(const struct command *c, const char *name, int n, char **word)
{
    struct keys k;
    struct options o = {0};
    int kept = 0;
    for (int i = 0; i < n; i++) {
        const char *value = strchr(word[i], '=');
        if (!strcmp(word[i], "--config"))
            i++;                                   /* NAME */
        else if (strncmp(word[i], "config=", 7) || !stands_for_another(value))
            word[kept++] = word[i];
    }
    command_keys(&k, c, name, NULL);
    const char *wrong = options_read(&o, kept, word, &k, c->words ? c->words : "", why);
    if (!wrong) {
        command_keys(&k, c, name, &o);
        wrong = options_known(&o, &k, why);
    }
    for (int i = 0; i < o.n && !wrong; i++)
        if (!stands_for_another(o.list[i].value) && strcmp(o.list[i].key, "config")) {
            wrong = keys_set(&k, o.list[i].key, o.list[i].value, why);
            wrong = wrong ? wrong : known_by_name(c, o.list[i].key, o.list[i].value);
        }
    options_free(&o);
    return wrong;
}

static const struct command *called(const struct command *const *list, const char *name)
{
    for (int i = 0; list && list[i]; i++)
        if (!strcmp(list[i]->name, name))
            return list[i];
    return NULL;
}

/* What stands behind "swax": NULL, or a sentence. */
static const char *refuses(const struct line *l)
{
    char name[KEY_TEXT];
    char *word[MOST_WORDS];
    int n = 0, help = 0;
    for (int i = 0; i < l->n; i++)
        if (strcmp(l->word[i], "help") && strcmp(l->word[i], "..."))
            word[n++] = l->word[i];
        else
            help |= *l->word[i] == 'h';
    if (!n || !strcmp(word[0], "version") || !strcmp(word[0], "completion") || (help && !strcmp(word[0], "man")) ||
        stands_for_another(word[0]))
        return NULL;
    const struct command *c = called(swax_commands, word[0]), *below;
    int at = 1;
    snprintf(name, sizeof name, "swax %.60s", word[0]);
    if (!c)
        return snprintf(why, sizeof why, "there is no command \"%.60s\"", word[0]), why;
    while (at < n && (below = called(c->sub, word[at]))) {
        c = below;
        snprintf(name + strlen(name), sizeof name - strlen(name), " %.60s", word[at++]);
    }
    if (!c->run)                                   /* a group of commands: "swax verify" */
        return at < n ? (snprintf(why, sizeof why, "there is no command %.60s %.60s", name, word[at]), why) : NULL;
    return taken(c, name, n - at, word + at);
}

/* ---- the pages and comments */

static const char *page;
static int shown, wrong;

static void look(const char *text, size_t n)
{
    struct line l;
    split(&l, text, n);
    without_brackets(&l);
    shown++;
    if (!refuses(&l))
        return;
    wrong++;
    fprintf(stderr, "%s shows `swax %.*s`: %s\n", page, (int)n, text, why);
}

/* Is this the word swax, as a command? */
static const char *next_swax(const char *from, const char *end)
{
    for (const char *p = from; p + 5 < end; p++)
        if (!strncmp(p, "swax ", 5) && (p == from || strchr(" /\n`'\"(", p[-1])))
            return p + 5;
    return NULL;
}

/* Of a text between backticks that is the command, or its path, perhaps behind settings of the environment; not of
 * another program's line, such as `build/kills build/swax train 100 S`. */
static void look_quoted(const char *text, const char *end)
{
    const char *p = next_swax(text, end), *program = p ? p - 5 : text;
    while (program > text && !strchr(" \n", program[-1]))
        program--;
    for (const char *s = text; s < program; s += strcspn(s, " \n") + 1)
        if (!memchr(s, '=', strcspn(s, " \n")))
            return;
    if (p)
        look(p, (size_t)(end - p));
}

/* Lines of comments and neighbouring strings of C become one text: their marks are blanks. */
static void join(char *text)
{
    for (char *p = text; (p = strchr(p, '\n')); p++) {
        char *s = p + 1 + strspn(p + 1, " ");
        if (*s == '*' || *s == '#')
            *s = ' ';
        else if (s[0] == '/' && s[1] == '/')
            s[0] = s[1] = ' ';
        else if (*s == '"' && p > text && p[-1] == '"')
            p[-1] = *s = ' ';
    }
}

static void look_at_backticks(const char *text)
{
    for (const char *open = strchr(text, '`'), *close; open && (close = strchr(open + 1, '`'));) {
        const char *border = strstr(open, "\n\n");
        if (border && border < close) {            /* a lone one */
            open = close;
            continue;
        }
        look_quoted(open + 1, close);
        open = strchr(close + 1, '`');
    }
}

/* Indented by four: code, in a page or in a comment.  A line that ends in \ goes on. */
static void look_at_code(const char *text, const char *indented)
{
    for (const char *line = text, *end; *line; line = *end ? end + 1 : end) {
        end = line + strcspn(line, "\n");
        while (*end && end > line && end[-1] == '\\')
            end += 1 + strcspn(end + 1, "\n");
        const char *p = strncmp(line, indented, strlen(indented)) ? NULL : next_swax(line, end);
        if (!p || memchr(line, '`', (size_t)(end - line)))
            continue;
        const char *border = strstr(p, " ::: ");       /* of GNU parallel */
        look(p, (size_t)((border && border < end ? border : end) - p));
    }
}

static int ends(const char *path, const char *ending)
{
    const size_t n = strlen(path), m = strlen(ending);
    return n > m && !strcmp(path + n - m, ending);
}

static int one_file(const char *path, const struct stat *s, int type, struct FTW *at)
{
    char *text;
    const int of_tests = !strncmp(path, "tests/", 6), is_page = ends(path, ".md");
    (void)s;
    (void)at;
    if (type != FTW_F || !(is_page || (!of_tests && (ends(path, ".h") || ends(path, ".c") || ends(path, ".cuh") ||
                                                     ends(path, ".cu") || ends(path, ".py")))))
        return 0;
    read_whole(path, &text);
    page = path;
    look_at_code(text, is_page ? "    " : " *     ");
    if (!is_page)
        join(text);
    look_at_backticks(text);
    free(text);
    return 0;
}

START_TEST(every_command_that_is_shown_is_taken)
{
    static const char *const place[] = {"README.md", "PAPER_NOTES.md", "ref", "simd", "cuda", "tools", "tests", "data"};
    for (size_t i = 0; i < sizeof place / sizeof *place; i++)
        ck_assert_msg(!nftw(place[i], one_file, 16, FTW_PHYS), "%s cannot be read", place[i]);
    ck_assert_msg(shown > 100, "only %d commands were found in the pages: are they looked for rightly?", shown);
    ck_assert_msg(!wrong, "%d of %d commands that are shown are not taken (above)", wrong, shown);
}
END_TEST

/* What it must notice, and what it must let pass. */
START_TEST(a_line_that_went_stale_is_noticed)
{
    static const struct { const char *line, *says; } line[] = {
        {"train mine file=a.txt steps=200", NULL},
        {"train mine file=a.txt step=200", "step"},
        {"train mine steps=many", "steps"},
        {"trian mine", "no command"},
        {"train mixers='swa mlstm' width=64 \\\n  batch=16", NULL},
        {"train mixers='swa mlstn'", "mlstn"},
        {"train width=128 \"mixers=swa M swa M\"", NULL},
        {"train data=mqar pairs=8", NULL},
        {"train data=mqar typed=yes", "typed"},
        {"ablate quick seeds=5 && python3 draw.py", NULL},
        {"ablate quik", "quik"},
        {"ablate mine.json", NULL},
        {"ablate NAME", NULL},
        {"ablate code tier=cuda precision=bf17", "precision"},
        {"verify plugin ./mine.so attention suite=quick", NULL},
        {"verify plugin ./mine.so atention", "atention"},
        {"verify tier avx512 delta suite=standard", NULL},
        {"verify make attention T=300 W=64 dtype=bf16 output=case.safetensors", NULL},
        {"verify make attention Q=300", "Q"},
        {"verify judge", "no command"},
        {"bench step --config NAME --threads 2 [--precision bf16] [tier=avx2]", NULL},
        {"bench step config=NAME thread=1", "thread"},
        {"bench attention_forward dims=\"1 2 3\" threads=N", NULL},
        {"bench attention_sideways", "attention_sideways"},
        {"ablate code-small out=FOLDER tier=avx2 report=yes'", NULL},
        {"help man", NULL},
    };
    for (size_t i = 0; i < sizeof line / sizeof *line; i++) {
        struct line l;
        split(&l, line[i].line, strlen(line[i].line));
        without_brackets(&l);
        const char *says = refuses(&l);
        ck_assert_msg(!says == !line[i].says && (!says || strstr(says, line[i].says)), "swax %s: %s", line[i].line,
                      says ? says : "taken");
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("shown");
    TCase *t = tcase_create("shown");
    tcase_add_test(t, a_line_that_went_stale_is_noticed);
    tcase_add_test(t, every_command_that_is_shown_is_taken);
    suite_add_tcase(s, t);
    return suite_ends(s);
}
